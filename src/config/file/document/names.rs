//! The names of policies and engines: what they are made of, and that each stands for one thing in all
//! documents.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use super::Part;
use crate::config::file::Place;
use crate::policy::printable;

/// A name is a part of messages and of metrics.
pub(super) const LONGEST_NAME: usize = 64;

/// The names of one kind of things.
pub(super) struct Names {
    /// `policy`, and `policies` as in the file.
    kind: &'static str,
    key: &'static str,
    /// So many may there be.
    most: usize,
    /// In lower case: for a reader, names that differ in case are the same.
    seen: HashMap<String, (String, Place)>,
}

impl Names {
    pub(super) fn new(kind: &'static str, key: &'static str, most: usize) -> Names {
        Names {
            kind,
            key,
            most,
            seen: HashMap::new(),
        }
    }

    /// Whether a thing of this name is the first; if not, that is a mistake.
    pub(super) fn take(&mut self, part: &mut Part<'_>, name: &str, place: &Place) -> bool {
        let (kind, key, most, count) = (self.kind, self.key, self.most, self.seen.len());
        match self.seen.entry(name.to_ascii_lowercase()) {
            Slot::Vacant(slot) => {
                slot.insert((name.to_owned(), place.clone()));
                if count == most {
                    let problem = format!("more than {most} {key}");
                    part.mistake(place.line, key, problem, format!("use fewer {key}"));
                }
                count < most
            }
            Slot::Occupied(slot) => {
                let (known, first) = slot.get();
                let problem = match known == name {
                    true => format!("duplicate {kind} {name}, also at {first}"),
                    false => format!(
                        "the {kind} name {name} differs only in case from {known} at {first}"
                    ),
                };
                let help = "rename or remove one of them";
                part.mistake(place.line, &format!("{key}.{name}"), problem, help);
                false
            }
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.seen.values().map(|(name, _)| name.as_str())
    }
}

/// What is wrong with a name, whatever it is of; and what to do.
pub(super) fn unfit(kind: &str, name: &str) -> Option<(String, String)> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_name = (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(fits);
    (!is_name).then(|| {
        let problem = format!("invalid {kind} name {}", printable(name));
        let help = format!("use up to {LONGEST_NAME} letters, digits, - _ and .");
        (problem, help)
    })
}
