//! Names with wildcards: `*` is any run of characters except `/`, `**` any run at all.

use std::fmt::{self, Display, Formatter};

/// A name with wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob {
    text: String,
    /// Empty if there are no wildcards.
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Exactly(String),
    /// `*`
    Segment,
    /// `**`
    Anything,
}

impl Glob {
    /// A name, in which both wildcards count.
    pub(super) fn name(text: &str) -> Glob {
        Glob::new(text, Part::Segment)
    }

    /// A text in which a slash is a character like others: `*` is any run of characters.
    pub(super) fn text(text: &str) -> Glob {
        Glob::new(text, Part::Anything)
    }

    fn new(text: &str, single: Part) -> Glob {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('*') {
            let stars = rest[at..].bytes().take_while(|byte| *byte == b'*').count();
            if at > 0 {
                parts.push(Part::Exactly(rest[..at].to_owned()));
            }
            parts.push(if stars == 1 {
                single.clone()
            } else {
                Part::Anything
            });
            rest = &rest[at + stars..];
        }
        if !parts.is_empty() && !rest.is_empty() {
            parts.push(Part::Exactly(rest.to_owned()));
        }
        let text = text.to_owned();
        Glob { text, parts }
    }

    /// Whether it is the name, or one of those that it stands for. Takes time by the name's length
    /// alone, whatever the wildcards.
    pub(super) fn fits(&self, name: &str) -> bool {
        if self.parts.is_empty() {
            return self.text == name;
        }
        if !self.parts.contains(&Part::Segment) {
            return self.fits_at_first(name);
        }
        let name = name.as_bytes();
        // How much of the name the parts so far can be: one flag for each end.
        let mut ends = vec![false; name.len() + 1];
        ends[0] = true;
        for part in &self.parts {
            let mut next = vec![false; name.len() + 1];
            let mut open = false;
            for at in 0..=name.len() {
                match part {
                    Part::Exactly(text) => {
                        if ends[at] && name[at..].starts_with(text.as_bytes()) {
                            next[at + text.len()] = true;
                        }
                    }
                    Part::Segment | Part::Anything => {
                        open |= ends[at];
                        next[at] = open;
                        open &= *part == Part::Anything || name.get(at) != Some(&b'/');
                    }
                }
            }
            ends = next;
        }
        ends[name.len()]
    }

    /// Whether it is nothing but wildcards.
    pub(super) fn is_anything(&self) -> bool {
        !self.text.is_empty() && self.text.bytes().all(|byte| byte == b'*')
    }

    /// Whether it may stand for a name that begins like that, and goes on with such characters alone. Here
    /// no wildcard stops at a slash.
    pub(super) fn may_go_on(&self, start: &str, rest: &impl Fn(u8) -> bool) -> bool {
        let goes_on = |text: &str| text.bytes().all(rest);
        if self.parts.is_empty() {
            return self.text.strip_prefix(start).is_some_and(goes_on);
        }
        let start = start.as_bytes();
        // How much of the start the parts so far can be.
        let mut ends = vec![false; start.len() + 1];
        ends[0] = true;
        for (number, part) in self.parts.iter().enumerate() {
            let mut later = self.parts[number + 1..].iter();
            let are_rest = later.all(|part| match part {
                Part::Exactly(text) => goes_on(text),
                Part::Segment | Part::Anything => true,
            });
            let mut next = vec![false; start.len() + 1];
            for at in (0..=start.len()).filter(|at| ends[*at]) {
                match part {
                    Part::Segment | Part::Anything if are_rest => return true,
                    Part::Segment | Part::Anything => {
                        next[at..].fill(true);
                        break;
                    }
                    Part::Exactly(text) => {
                        let (text, left) = (text.as_bytes(), &start[at..]);
                        if left.starts_with(text) {
                            next[at + text.len()] = true;
                        } else if are_rest
                            && text
                                .strip_prefix(left)
                                .is_some_and(|text| text.iter().copied().all(rest))
                        {
                            return true;
                        }
                    }
                }
            }
            ends = next;
        }
        false
    }

    /// Without a wildcard that stops at a slash, the first place where a part fits is as good as any.
    fn fits_at_first(&self, name: &str) -> bool {
        let (mut rest, mut open) = (name, false);
        for (at, part) in self.parts.iter().enumerate() {
            let Part::Exactly(text) = part else {
                open = true;
                continue;
            };
            let behind = match (open, at + 1 == self.parts.len()) {
                (false, _) => rest.strip_prefix(text.as_str()),
                (true, true) => return rest.ends_with(text.as_str()),
                (true, false) => rest.split_once(text.as_str()).map(|(_, behind)| behind),
            };
            match behind {
                Some(behind) => rest = behind,
                None => return false,
            }
            open = false;
        }
        open || rest.is_empty()
    }
}

impl Display for Glob {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_runs() {
        for (glob, fits, others) in [
            ("a", &["a"][..], &["", "aa", "A", "*"][..]),
            (
                "cache-*",
                &["cache-", "cache-x.y_z"],
                &["cache", "xcache-a", "cache-a/b"],
            ),
            ("*", &["", "a.b"], &["a/b", "/"]),
            ("**", &["", "a/b/c"], &[]),
            ("a/*/b", &["a/x/b", "a//b"], &["a/b", "a/x/y/b"]),
            ("a/**/b", &["a/x/b", "a/x/y/b"], &["a/b"]),
            ("*.a.*", &["x.a.y", "a.a.a.a", ".a."], &["a.a", "x.b.y"]),
            // The first `a` is not the one to end at.
            ("**a*b", &["ab", "xa/ab", "a/a/axb"], &["a/b", "xab/"]),
            ("a***b", &["ab", "a/b"], &["a"]),
        ] {
            for name in fits {
                assert!(Glob::name(glob).fits(name), "{glob} {name}");
            }
            for name in others {
                assert!(!Glob::name(glob).fits(name), "{glob} {name}");
            }
            assert_eq!(Glob::name(glob).to_string(), glob);
        }
        assert!(Glob::text("--in=*").fits("--in=/a/b"));
        let long = "ab".repeat(1 << 16);
        assert!(!Glob::text("*a*b*a*b*c").fits(&long));
    }

    /// As one would write it down: each wildcard tries all lengths.
    fn fits_naively(glob: &str, name: &str) -> bool {
        let (rest, stars) = match (glob.strip_prefix("**"), glob.strip_prefix('*')) {
            (Some(rest), _) => (rest.trim_start_matches('*'), 2),
            (_, Some(rest)) => (rest, 1),
            _ => {
                let first = glob.chars().next();
                let rest = |text: &str| text.chars().skip(1).collect::<String>();
                return match first {
                    None => name.is_empty(),
                    same => name.chars().next() == same && fits_naively(&rest(glob), &rest(name)),
                };
            }
        };
        let lengths = 0..=name.len();
        lengths
            .filter(|length| stars == 2 || !name[..*length].contains('/'))
            .any(|length| fits_naively(rest, &name[length..]))
    }

    /// Each text of up to so many of these letters.
    fn texts(letters: &str, most: usize) -> Vec<String> {
        let mut texts = vec![String::new()];
        let mut start = 0;
        for _ in 0..most {
            let end = texts.len();
            for at in start..end {
                let longer = |letter: char| format!("{}{letter}", texts[at]);
                let longer: Vec<String> = letters.chars().map(longer).collect();
                texts.extend(longer);
            }
            start = end;
        }
        texts
    }

    #[test]
    fn a_glob_fits_what_a_naive_one_fits() {
        let names = texts("ab/", 4);
        for glob in texts("a/*", 6) {
            let own = Glob::name(&glob);
            for name in &names {
                assert_eq!(own.fits(name), fits_naively(&glob, name), "{glob} {name}");
            }
        }
    }
}
