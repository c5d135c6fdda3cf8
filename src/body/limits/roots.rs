//! The entries of limits under which a client can become root on the host, in spite of `DENY_ROOT`.

use super::Limits;
use super::capabilities::ALL;
use crate::api::fields::Namespace;

/// Capabilities by which a container gets out, each by itself.
const CAPABILITIES: [&str; 8] = [
    "BPF",
    "DAC_READ_SEARCH",
    "MAC_ADMIN",
    "PERFMON",
    "SYS_ADMIN",
    "SYS_MODULE",
    "SYS_PTRACE",
    "SYS_RAWIO",
];

/// Some devices that hold the host's files or its memory.
const DEVICES: [&str; 10] = [
    "/dev/dm-0",
    "/dev/kmem",
    "/dev/mapper/root",
    "/dev/mem",
    "/dev/nvme0n1",
    "/dev/port",
    "/dev/sda",
    "/dev/sda1",
    "/dev/vda",
    "/dev/xvda",
];

impl Limits {
    /// Each such limit, what it has, and how that is enough.
    pub fn roots(&self) -> Vec<(&'static str, String, &'static str)> {
        let mut roots = Vec::new();
        let mut root = |variable: &'static str, entry: String, how: &'static str| {
            roots.push((variable, entry, how));
        };
        if let Some(limit) = &self.bind_from.entries {
            for (path, how) in limit.roots() {
                root(self.bind_from.variable, path.to_string(), how);
            }
        }
        if let Some(limit) = &self.cap_add.entries {
            let all = limit.allows(ALL).then_some(ALL);
            let some = CAPABILITIES.into_iter().filter(|_| all.is_none());
            for name in all
                .into_iter()
                .chain(some.filter(|name| limit.allows(name)))
            {
                root(
                    self.cap_add.variable,
                    name.to_owned(),
                    "a container with it can get out",
                );
            }
        }
        if let Some(limit) = &self.devices.entries {
            let mut paths = DEVICES.into_iter();
            if let Some(path) = paths.find(|path| limit.allows_path(path)) {
                let how = "a disk or the memory can be written";
                root(self.devices.variable, path.to_owned(), how);
            }
        }
        // Its root can end the host's processes, and read what they were started with.
        let host = self.namespaces.entries.as_ref();
        if host.is_some_and(|limit| limit.allows_host(Namespace::Pid)) {
            let how = "a container can control the processes of the host";
            root(self.namespaces.variable, "pid:host".to_owned(), how);
        }
        // The kernel's own settings can be written.
        let security = self.security.entries.as_ref();
        if security.is_some_and(|limit| limit.allows(UNMASKED)) {
            let how = "a container can write the settings of the kernel";
            root(self.security.variable, UNMASKED.to_owned(), how);
        }
        roots
    }
}

const UNMASKED: &str = "systempaths=unconfined";
