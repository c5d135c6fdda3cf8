//! The section variables: Tecnativa's names, defaults and reading of values.
//!
//! Values are read as HAProxy reads them: an optional sign and digits at the start, then anything;
//! non-zero grants. Nothing is trimmed, and an empty value is 0. So `1`, `+1`, `01` and `1abc`
//! grant; `true`, `yes` and `"1"` (with its quotes) do not. A deny that is neither clearly on nor
//! clearly off is refused: it would protect nothing.

pub(in crate::config) mod rules;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Source;
use crate::api::sections::{ACTIONS, Route, SECTIONS, Section};
use crate::config::{Diagnostic, Snapshot};
use crate::policy::value_reading;

/// The variable for every method except GET and HEAD.
pub(crate) const POST: &str = "POST";

/// How each section variable, `POST`, and each `ALLOW_` and `DENY_` variable was read.
#[derive(Debug)]
pub struct Grants {
    /// Whether the section variables are active. If not, none grants, whatever its default.
    pub active: bool,
    /// Whether denials can suggest nothing but these variables.
    last_resort: bool,
    /// Whether one that is not set has its default, once these variables are active.
    has_defaults: bool,
    switches: BTreeMap<&'static str, Switch>,
}

/// A variable that is 1 or not.
#[derive(Clone, Debug)]
pub struct Switch {
    /// Whether it is on: grants, or denies.
    pub on: bool,
    /// Its value, if it is set.
    pub value: Option<Arc<str>>,
}

impl Grants {
    /// The variables of this dialect with their defaults, in the order of the table.
    pub(crate) fn variables() -> impl Iterator<Item = (&'static str, bool)> {
        let sections = SECTIONS
            .iter()
            .map(|section| (section.name, section.default));
        let actions = ACTIONS
            .iter()
            .flat_map(|action| [action.allow, action.deny]);
        [(POST, false)]
            .into_iter()
            .chain(sections)
            .chain(actions.map(|variable| (variable, false)))
    }

    /// Only these variables at 1, without any defaults.
    pub(crate) fn only(variables: &[&str]) -> Grants {
        let switches = Self::variables().map(|(name, _)| {
            let on = variables.contains(&name);
            (name, Switch { on, value: None })
        });
        Grants {
            active: true,
            last_resort: false,
            has_defaults: true,
            switches: switches.collect(),
        }
    }

    /// The same without what grants, or could: only what denies.
    pub(crate) fn denies(&self) -> Grants {
        let denies = self.switches.iter();
        let denies = denies.filter(|(name, _)| name.starts_with(DENY));
        Grants {
            active: false,
            last_resort: false,
            has_defaults: false,
            switches: denies.map(|(name, one)| (*name, one.clone())).collect(),
        }
    }

    /// Whether one that grants is set, to any value.
    pub(crate) fn grant(snapshot: &Snapshot) -> bool {
        let mut names = Self::variables().filter(|(name, _)| !name.starts_with(DENY));
        names.any(|(name, _)| snapshot.get(name).is_some())
    }

    /// Reads all of them. If none is set, they are active unless another dialect is.
    pub(crate) fn read(
        snapshot: &Snapshot,
        others: &[&dyn Source],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Grants {
        let mut sections = SECTIONS.iter().map(|section| section.name).chain([POST]);
        let alone = !others.iter().any(|other| other.active());
        let active = alone || sections.any(|name| snapshot.get(name).is_some());
        let has_defaults = snapshot.has_defaults();
        let switches = Self::variables().map(|(name, default)| {
            let default = default && active && has_defaults;
            let switch = Switch::read(snapshot, name, default, diagnostics);
            (name, switch)
        });
        let grants = Grants {
            active,
            last_resort: !others.iter().any(|other| other.has_patterns()),
            has_defaults,
            switches: switches.collect(),
        };
        let one = |variable| snapshot.notation().set(variable, 1);
        for action in ACTIONS.iter().filter(|action| grants.on(action.allow)) {
            let allow = action.allow;
            if grants.on(action.deny) {
                diagnostics.push(Diagnostic::warning(
                    allow,
                    format!(
                        "{} overrides {}, which is ignored",
                        one(action.deny),
                        one(allow)
                    ),
                    "remove one of them",
                ));
            } else if action.tecnativa && !grants.on(POST) && has_defaults {
                diagnostics.push(Diagnostic::warning(
                    allow,
                    format!("{allow}=1 is ignored by Tecnativa's proxy without POST=1"),
                    format!("dockgate allows {} regardless", Route::list(action.routes)),
                ));
            }
        }
        grants
    }

    /// Whether a variable is 1.
    pub fn on(&self, variable: &str) -> bool {
        self.switches.get(variable).is_some_and(|switch| switch.on)
    }

    /// How a variable was read.
    pub fn switch(&self, variable: &str) -> Option<&Switch> {
        self.switches.get(variable)
    }

    /// The sections that are 1.
    pub(crate) fn sections(&self) -> impl Iterator<Item = &'static Section> {
        SECTIONS.iter().filter(|section| self.on(section.name))
    }
}

impl Switch {
    /// Reads one.
    pub(crate) fn read(
        snapshot: &Snapshot,
        name: &str,
        default: bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Switch {
        // A value is read up to its first non-digit, so the rest may be anything.
        let value = snapshot
            .get(name)
            .map(|value| value.to_string_lossy().into());
        let on = value.as_deref().map_or(default, grants);
        let switch = Switch { on, value };
        diagnostics.extend(switch.diagnostic(name));
        switch
    }

    /// Warns about a value that is not plainly 0 or 1, which may be a mistake.
    fn diagnostic(&self, name: &str) -> Option<Diagnostic> {
        let value = self
            .value
            .as_deref()
            .filter(|value| !matches!(*value, "0" | "1"))?;
        let meant = self.on || !is_off(value);
        let problem = value_reading(name, value, self.on);
        let help = format!("use {name}={}", u8::from(meant));
        Some(if meant && !self.on && name.starts_with(DENY) {
            Diagnostic::error(name, problem, help)
        } else {
            Diagnostic::warning(name, problem, help)
        })
    }
}

/// The prefix of variables that deny.
pub(crate) const DENY: &str = "DENY_";

/// Whether a value grants: a leading integer that is not zero.
fn grants(value: &str) -> bool {
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    let mut digits = digits.bytes().take_while(u8::is_ascii_digit);
    digits.any(|digit| digit != b'0')
}

/// Whether a value is a common word for off.
pub(crate) fn is_off(value: &str) -> bool {
    let word = value
        .trim()
        .trim_matches(['"', '\''])
        .trim_start_matches(['+', '-']);
    let off = ["false", "no", "off", "none", "never", "disabled", "f", "n"];
    word.bytes().all(|byte| byte == b'0') || off.iter().any(|off| word.eq_ignore_ascii_case(off))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_a_leading_integer() {
        for value in [
            "1",
            "+1",
            "-1",
            "01",
            "2",
            "1 ",
            "1abc",
            "1.5",
            "10",
            "99999999999999999999",
        ] {
            assert!(grants(value), "{value:?}");
        }
        for value in [
            "", "0", "00", "+", "-", " 1", "0x1", "\"1\"", "'1'", "true", "TRUE", "yes", "on",
            "+-1",
        ] {
            assert!(!grants(value), "{value:?}");
        }
    }
}
