//! Lists of names with wildcards: volumes, networks, runtimes, drivers, kernel parameters.

use std::fmt::{self, Display, Formatter};

use super::list::{self, Mistake};
use crate::body::glob::Glob;

/// A list of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(Vec<Glob>);

impl Names {
    /// Reads the list; `none` is an empty one.
    pub fn parse(text: &str) -> Result<Names, Vec<Mistake>> {
        list::entries(text, name).map(Names)
    }

    /// Reads a list in which `none` is a name like others.
    pub fn parse_some(text: &str) -> Result<Names, Vec<Mistake>> {
        list::some(text, name).map(Names)
    }

    /// Whether it has the name.
    pub fn allows(&self, name: &str) -> bool {
        self.0.iter().any(|own| own.fits(name))
    }

    /// Whether it may have a name that begins like that, and goes on with such characters alone.
    pub fn may_go_on(&self, start: &str, rest: impl Fn(u8) -> bool) -> bool {
        self.0.iter().any(|own| own.may_go_on(start, &rest))
    }
}

pub(in crate::body) fn name(entry: &str) -> Result<Glob, Mistake> {
    if !entry.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Mistake::new(
            entry,
            "is not a name",
            "use a comma between names",
        ));
    }
    if entry.contains(['?', '[', ']', '{', '}', '"', '\'']) {
        let help = "the only wildcards are * and **";
        return Err(Mistake::new(entry, "has characters that no name has", help));
    }
    Ok(Glob::name(entry))
}

impl Display for Names {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list::show(f, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed() {
        let names = Names::parse("cache-*, data\nnet.ipv4.*,").expect("a list");
        for name in ["cache-1", "data", "net.ipv4.ip_forward"] {
            assert!(names.allows(name), "{name}");
        }
        for name in ["", "Data", "data2", "cache", "net.ipv4./../x", "none"] {
            assert!(!names.allows(name), "{name}");
        }
        assert_eq!(names.to_string(), "cache-*, data, net.ipv4.*");
        assert!(!Names::parse("none").expect("a list").allows("none"));
        assert!(Names::parse_some("none").expect("a list").allows("none"));
    }

    #[test]
    fn what_is_no_name_is_a_mistake() {
        let mistakes = Names::parse("a b, c?, 'd', ok, é").expect_err("mistakes");
        let mistakes: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
        assert_eq!(
            mistakes,
            [
                "\"a b\" is not a name; use a comma between names",
                "c? has characters that no name has; the only wildcards are * and **",
                "'d' has characters that no name has; the only wildcards are * and **",
                "\"\\u{e9}\" is not a name; use a comma between names",
            ]
        );
    }
}
