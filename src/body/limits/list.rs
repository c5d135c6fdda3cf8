//! Lists of entries, and what can be wrong with one.

use std::fmt::{self, Display, Formatter};

use crate::policy::printable;

/// The entry of an empty list.
const NONE: &str = "none";

/// What is wrong with a value or with one of its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The entry, or the whole value.
    pub entry: String,
    /// The words that follow it: `is not an absolute path`.
    pub problem: String,
    /// What to write instead; empty if the problem already says so.
    pub help: String,
}

impl Mistake {
    pub(in crate::body) fn new(entry: &str, problem: &str, help: impl Into<String>) -> Mistake {
        Mistake {
            entry: entry.to_owned(),
            problem: problem.to_owned(),
            help: help.into(),
        }
    }
}

/// `/srv/* has a wildcard; use /srv/** for all below /srv`.
impl Display for Mistake {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", printable(&self.entry), self.problem)?;
        match self.help.as_str() {
            "" => Ok(()),
            help => write!(f, "; {help}"),
        }
    }
}

impl std::error::Error for Mistake {}

/// The entries of a list that may be empty: `none`.
pub(super) fn entries<T>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, Mistake>,
) -> Result<Vec<T>, Vec<Mistake>> {
    if text.trim() == NONE {
        return Ok(Vec::new());
    }
    some(text, |entry| match entry {
        NONE => Err(Mistake::new(
            entry,
            "is not the only entry",
            "remove it, or all others",
        )),
        entry => parse(entry),
    })
}

/// The entries of a list, with commas or line breaks between them, or all that is wrong with them.
pub(in crate::body) fn some<T>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, Mistake>,
) -> Result<Vec<T>, Vec<Mistake>> {
    let entries = text.split([',', '\n']).map(str::trim);
    all(entries.filter(|entry| !entry.is_empty()), parse)
}

/// The entries that are read, or all that is wrong with them.
pub(super) fn all<'a, T>(
    entries: impl Iterator<Item = &'a str>,
    parse: impl Fn(&str) -> Result<T, Mistake>,
) -> Result<Vec<T>, Vec<Mistake>> {
    let (mut parsed, mut mistakes) = (Vec::new(), Vec::new());
    for entry in entries {
        match parse(entry) {
            Ok(one) => parsed.push(one),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if parsed.is_empty() && mistakes.is_empty() {
        // Of a variable that was forgotten, not of an empty list.
        mistakes.push(Mistake::new(
            "",
            "is not a list",
            "list what is allowed, or unset it",
        ));
    }
    match mistakes.is_empty() {
        true => Ok(parsed),
        false => Err(mistakes),
    }
}

/// As a list is shown: `a, b`, or `none`.
pub(super) fn show<T: Display>(f: &mut Formatter<'_>, entries: &[T]) -> fmt::Result {
    if entries.is_empty() {
        return f.write_str(NONE);
    }
    for (index, entry) in entries.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}{entry}")?;
    }
    Ok(())
}
