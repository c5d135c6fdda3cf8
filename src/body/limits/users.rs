//! `RUN_AS`: the users that commands may run as.
//!
//! The engine takes what Go's `strconv.Atoi` reads for a number, `+0` and `00` too, and all else for
//! a name in the container's own `/etc/passwd`, which may be another name of root. Groups are not
//! limited: a number that is not in `/etc/passwd` has group 0 anyway.

use std::fmt::{self, Display, Formatter};
use std::ops::RangeInclusive;

use super::list::{self, Mistake};

/// What `RUN_AS` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAs(Vec<User>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum User {
    /// `nonroot`: each number but 0.
    NonRoot,
    /// `1000-1999`
    Numbers(RangeInclusive<u32>),
    /// A name that the image knows.
    Name(String),
}

const NON_ROOT: &str = "nonroot";
/// A number without rights, by custom.
const NOBODY: &str = "65534";
/// The engine takes no larger ones.
const LARGEST: u32 = (1 << 31) - 1;

impl RunAs {
    /// Reads the list.
    pub fn parse(text: &str) -> Result<RunAs, Vec<Mistake>> {
        list::entries(text, User::parse).map(RunAs)
    }

    /// Whether `USER` or `USER:GROUP` is listed. Without a user it is root.
    pub fn allows(&self, user: &str) -> bool {
        let user = user.split(':').next().unwrap_or_default();
        let number = number(user);
        self.0.iter().any(|own| match own {
            User::NonRoot => number.is_some_and(|number| number > 0),
            User::Numbers(range) => number.is_some_and(|number| range.contains(&number)),
            User::Name(name) => name == user,
        })
    }

    /// One that is listed.
    pub(super) fn any(&self) -> Option<String> {
        self.0.first().map(|own| match own {
            User::NonRoot => NOBODY.to_owned(),
            User::Numbers(range) => range.start().to_string(),
            User::Name(name) => name.clone(),
        })
    }
}

impl User {
    fn parse(entry: &str) -> Result<User, Mistake> {
        if entry == NON_ROOT {
            return Ok(User::NonRoot);
        }
        let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
        if let (Some(first), Some(last)) = (number(first), number(last))
            && first <= last
        {
            return Ok(User::Numbers(first..=last));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-$".contains(&byte);
        let is_name = entry.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        if is_name && entry.bytes().all(plain) {
            return Ok(User::Name(entry.to_owned()));
        }
        let help = "use nonroot, a number, a range like 1000-1999, or a name";
        Err(Mistake::new(entry, "is not a user", help))
    }
}

/// A number as nothing else would be read.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    text.parse()
        .ok()
        .filter(|number| plain && *number <= LARGEST)
}

impl Display for User {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            User::NonRoot => f.write_str(NON_ROOT),
            User::Numbers(range) if range.start() == range.end() => range.start().fmt(f),
            User::Numbers(range) => write!(f, "{}-{}", range.start(), range.end()),
            User::Name(name) => f.write_str(name),
        }
    }
}

impl Display for RunAs {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list::show(f, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_listed() {
        let text = "nonroot, www-data";
        let own = RunAs::parse(text).expect("a list");
        for user in [
            "1",
            "1000",
            "1000:0",
            "65534:nogroup",
            "www-data",
            "www-data:x",
            "2147483647",
        ] {
            assert!(own.allows(user), "{user}");
        }
        for user in [
            "",
            "0",
            "00",
            "+0",
            "-0",
            "0:5",
            ":5",
            "+1",
            "01",
            " 1",
            "1 ",
            "root",
            "node",
            "2147483648",
            "4294967296",
            "１",
            "1_0",
            "0x1",
            "nonroot",
            "www-data ",
            "WWW-DATA",
        ] {
            assert!(!own.allows(user), "{user}");
        }
        assert_eq!(own.to_string(), text);
        let range = RunAs::parse("1000-1999\n0\nroot").expect("a list");
        for user in ["1000", "1999", "0", "0:0", "root"] {
            assert!(range.allows(user), "{user}");
        }
        for user in ["999", "2000", "", "00"] {
            assert!(!range.allows(user), "{user}");
        }
        assert_eq!(range.to_string(), "1000-1999, 0, root");
        let mistakes = RunAs::parse("00, -1, 9-1, 1000:1000, a b, 01-2, +1").expect_err("mistakes");
        assert_eq!(mistakes.len(), 7);
    }
}
