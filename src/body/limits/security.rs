//! `SECURITY`: what may weaken a container's confinement.

use std::fmt::{self, Display, Formatter};

use super::list::{self, Mistake};
use crate::body::glob::Glob;

/// What the engine has options for. `systempaths` are the masks over `/proc` and `/sys`.
const KEYS: [&str; 6] = [
    "apparmor",
    "label",
    "no-new-privileges",
    "seccomp",
    "systempaths",
    "writable-cgroups",
];

/// What `SECURITY` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security(Vec<Glob>);

impl Security {
    /// Reads the list, whose entries are those of `--security-opt`.
    pub fn parse(text: &str) -> Result<Security, Vec<Mistake>> {
        list::entries(text, option).map(Security)
    }

    /// Whether it has an option, in the words of a claim.
    pub fn allows(&self, option: &str) -> bool {
        let option = normal(option);
        self.0.iter().any(|own| own.fits(&option))
    }
}

fn option(entry: &str) -> Result<Glob, Mistake> {
    let option = normal(entry);
    let key = option.split('=').next().unwrap_or_default();
    if !KEYS.contains(&key) || !option.contains('=') {
        let help = format!("use KEY=VALUE, where KEY is one of {}", KEYS.join(", "));
        return Err(Mistake::new(entry, "is not a security option", help));
    }
    super::names::name(&option)
}

/// `KEY=VALUE`, which the engine also reads with a colon, and which it has short forms of.
fn normal(option: &str) -> String {
    match option {
        "disable" => return "label=disable".to_owned(),
        "no-new-privileges" | "writable-cgroups" => return format!("{option}=true"),
        _ => {}
    }
    let at = option.find(['=', ':']).unwrap_or(option.len());
    let (key, value) = (&option[..at], option.get(at + 1..));
    match (key, value) {
        (_, None) => option.to_owned(),
        ("no-new-privileges" | "writable-cgroups", Some("0" | "f" | "F" | "FALSE" | "False")) => {
            format!("{key}=false")
        }
        ("no-new-privileges" | "writable-cgroups", Some("1" | "t" | "T" | "TRUE" | "True")) => {
            format!("{key}=true")
        }
        (_, Some(value)) => format!("{key}={value}"),
    }
}

impl Display for Security {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list::show(f, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_listed() {
        let text = "seccomp=unconfined, label:disable, apparmor=ci-*, no-new-privileges=0";
        let own = Security::parse(text).expect("a list");
        for option in [
            "seccomp=unconfined",
            "seccomp:unconfined",
            "disable",
            "label=disable",
            "apparmor=ci-1",
            "no-new-privileges=false",
            "no-new-privileges=F",
        ] {
            assert!(own.allows(option), "{option}");
        }
        for option in [
            "seccomp={}",
            "label=type:spc_t",
            "apparmor=unconfined",
            "systempaths=unconfined",
            "writable-cgroups",
            "",
        ] {
            assert!(!own.allows(option), "{option}");
        }
        assert_eq!(
            own.to_string(),
            "seccomp=unconfined, label=disable, apparmor=ci-*, no-new-privileges=false"
        );
        let mistakes = Security::parse("unconfined, selinux=off, seccomp").expect_err("mistakes");
        assert_eq!(mistakes.len(), 3);
    }
}
