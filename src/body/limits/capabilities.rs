//! `CAP_ADD`: capabilities beyond those that every container has.

use std::fmt::{self, Display, Formatter};

use super::list::{self, Mistake};

/// All of Linux 6.
const KNOWN: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// Every capability.
pub(super) const ALL: &str = "ALL";

/// What `CAP_ADD` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities(Vec<&'static str>);

impl Capabilities {
    /// Reads the list: capabilities in any case, with or without `CAP_`, and `ALL`.
    pub fn parse(text: &str) -> Result<Capabilities, Vec<Mistake>> {
        list::entries(text, capability).map(Capabilities)
    }

    /// Whether it has a capability, which is in upper case and without `CAP_`.
    pub fn allows(&self, capability: &str) -> bool {
        self.0.iter().any(|own| *own == ALL || *own == capability)
    }
}

fn capability(entry: &str) -> Result<&'static str, Mistake> {
    let upper = entry.to_ascii_uppercase();
    let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if name == ALL {
        return Ok(ALL);
    }
    let known = KNOWN.iter().find(|known| **known == name);
    known.copied().ok_or_else(|| {
        let help = "use names like NET_ADMIN, or ALL";
        Mistake::new(entry, "is not a capability", help)
    })
}

impl Display for Capabilities {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list::show(f, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_listed() {
        let own = Capabilities::parse("net_admin, CAP_SYS_PTRACE").expect("a list");
        assert!(own.allows("NET_ADMIN") && own.allows("SYS_PTRACE"));
        assert!(!own.allows("SYS_ADMIN") && !own.allows("ALL") && !own.allows("net_admin"));
        assert_eq!(own.to_string(), "NET_ADMIN, SYS_PTRACE");
        let all = Capabilities::parse("all").expect("a list");
        assert!(all.allows("ALL") && all.allows("SYS_ADMIN"));
        let mistakes = Capabilities::parse("NETADMIN, CAP_CAP_KILL, *").expect_err("mistakes");
        assert_eq!(mistakes.len(), 3);
        assert_eq!(
            mistakes[0].to_string(),
            "NETADMIN is not a capability; use names like NET_ADMIN, or ALL"
        );
        assert!(KNOWN.is_sorted());
    }
}
