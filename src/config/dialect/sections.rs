//! The section variables: Tecnativa's names, defaults and reading of values.
//!
//! Values are read as its HAProxy reads them: an optional sign and digits, nothing before them,
//! anything after them; non-zero grants. Nothing is trimmed, and an empty value is 0. So `1`,
//! `+1`, `01` and `1abc` grant; `true`, `yes` and `"1"` (with its quotes) do not. A deny that is
//! neither plainly on nor plainly off is refused: it would protect nothing.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    api::{
        Methods,
        sections::{self, ACTIONS, Action, REQUIREMENTS, SECTIONS, Section},
    },
    config::{Diagnostic, Snapshot},
    policy::{
        Condition, Effect, Grant, LIBPOD, Matcher, Pattern, Requirement, Rule, value_reading,
    },
};

/// The switch for every method but GET and HEAD.
pub(crate) const POST: &str = "POST";

/// What each section variable, `POST` and each `ALLOW_` and `DENY_` variable was read as.
#[derive(Debug)]
pub struct Grants {
    /// Whether the section variables say anything. If not, none grants, whatever its default.
    pub active: bool,
    switches: BTreeMap<&'static str, Switch>,
}

/// One variable that is 1 or not.
#[derive(Clone, Debug)]
pub struct Switch {
    /// Whether it grants, or takes away.
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

    /// These variables at 1, and no other one, not even those that are granted by default.
    pub(crate) fn only(variables: &[&str]) -> Grants {
        let switches = Self::variables().map(|(name, _)| {
            let on = variables.contains(&name);
            (name, Switch { on, value: None })
        });
        Grants {
            active: true,
            switches: switches.collect(),
        }
    }

    /// Reads them all. Without any of them they are active if `alone`: if no other dialect is.
    pub(crate) fn read(
        snapshot: &Snapshot,
        alone: bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Grants {
        let mut sections = SECTIONS.iter().map(|section| section.name).chain([POST]);
        let active = alone || sections.any(|name| snapshot.get(name).is_some());
        let switches = Self::variables().map(|(name, default)| {
            let switch = Switch::read(snapshot, name, default && active, diagnostics);
            (name, switch)
        });
        let grants = Grants {
            active,
            switches: switches.collect(),
        };
        for action in ACTIONS.iter().filter(|action| grants.on(action.allow)) {
            let allow = action.allow;
            if grants.on(action.deny) {
                diagnostics.push(Diagnostic::warning(
                    allow,
                    format!("{}=1 wins over {allow}=1, which has no effect", action.deny),
                    "take one of them out",
                ));
            } else if action.tecnativa && !grants.on(POST) {
                diagnostics.push(Diagnostic::warning(
                    allow,
                    format!("{allow}=1 has no effect in Tecnativa's proxy without POST=1"),
                    format!(
                        "here it allows {} all the same",
                        sections::Route::list(action.routes)
                    ),
                ));
            }
        }
        grants
    }

    /// Whether a variable is 1.
    pub fn on(&self, variable: &str) -> bool {
        self.switches.get(variable).is_some_and(|switch| switch.on)
    }

    /// What a variable was read as.
    pub fn switch(&self, variable: &str) -> Option<&Switch> {
        self.switches.get(variable)
    }

    /// What one of these would have to be set to, if it does not grant.
    fn missing(&self, variable: &str) -> Option<Grant> {
        let switch = self.switches.get(variable).filter(|switch| !switch.on)?;
        let misread = switch.value.clone().filter(|value| !is_off(value));
        // An action's variable makes these variables no more active than they are.
        let is_action = ACTIONS.iter().any(|action| action.allow == variable);
        let defaults = SECTIONS.iter().filter(|section| section.default);
        let brings = defaults.filter(|_| !self.active && !is_action);
        Some(Grant {
            variable: variable.into(),
            misread,
            brings: brings.map(|section| section.name).collect(),
        })
    }

    /// Every rule that these variables can make, with what each lacks to be in force. If they are
    /// not active, those of sections only if nothing else can be offered (`last_resort`): to set a
    /// section brings the defaults of the rest too.
    pub(crate) fn rules(&self, last_resort: bool) -> Vec<Rule> {
        let sections = SECTIONS
            .iter()
            .flat_map(|section| self.section_rules(section));
        let sections = sections.filter(|_| self.active || last_resort);
        let allows = ACTIONS.iter().map(|action| self.allow_rule(action));
        let denies = ACTIONS.iter().filter(|action| self.on(action.deny));
        let denies =
            denies.flat_map(|action| [Self::deny_rule(action), Self::unknown_rule(action)]);
        sections.chain(allows).chain(denies).collect()
    }

    /// A section's reads, and its writes, which need POST.
    fn section_rules(&self, section: &Section) -> [Rule; 2] {
        let rule = |methods: Methods, needs: &[&str]| Rule {
            origin: section.name.into(),
            effect: Effect::Allow,
            matchers: (section.paths.iter())
                .map(|path| Matcher {
                    methods,
                    pattern: Pattern::below(path),
                })
                .collect(),
            when: Vec::new(),
            missing: needs
                .iter()
                .filter_map(|variable| self.missing(variable))
                .collect(),
            requirements: self.requirements(section),
        };
        [
            rule(Methods::READS, &[section.name]),
            rule(Methods::WRITES, &[section.name, POST]),
        ]
    }

    /// The section's requirements whose other grant is missing.
    fn requirements(&self, section: &Section) -> Vec<Requirement> {
        let requirements = REQUIREMENTS
            .iter()
            .filter(|requires| requires.section == section.name);
        let open =
            requirements.filter_map(|requires| Some((requires, self.missing(requires.also)?)));
        open.flat_map(|(requires, grant)| {
            requires.routes.iter().map(move |route| Requirement {
                matcher: Matcher::wide(route),
                missing: vec![grant.clone()],
            })
        })
        .collect()
    }

    fn allow_rule(&self, action: &Action) -> Rule {
        Rule {
            origin: action.allow.into(),
            effect: Effect::Allow,
            matchers: action.routes.iter().map(Matcher::narrow).collect(),
            when: conditions(action),
            missing: self.missing(action.allow).into_iter().collect(),
            requirements: Vec::new(),
        }
    }

    /// A deny knows no conditions: what does not hold could be made to look as if it did.
    fn deny_rule(action: &Action) -> Rule {
        let docker = action.denied().flat_map(Matcher::denied);
        let twice = docker.flat_map(|route| [route.clone(), route.below_libpod()]);
        let podman = action.podman.iter().flat_map(Matcher::denied);
        Rule {
            origin: action.deny.into(),
            effect: Effect::Deny,
            matchers: twice.chain(podman).collect(),
            when: Vec::new(),
            missing: Vec::new(),
            requirements: Vec::new(),
        }
    }

    /// What else a deny takes away: every write below `/libpod` that no action has, since it may do
    /// the same. What an action has is left to that action's own deny.
    fn unknown_rule(action: &Action) -> Rule {
        let known = ACTIONS.iter().flat_map(|other| {
            let docker = other
                .denied()
                .map(|route| Matcher::narrow(route).below_libpod());
            let podman = other.podman.iter().map(Matcher::narrow);
            docker.chain(podman).map(|matcher| Requirement {
                matcher,
                missing: vec![Grant {
                    variable: other.deny.into(),
                    misread: None,
                    brings: Vec::new(),
                }],
            })
        });
        Rule {
            origin: action.deny.into(),
            effect: Effect::Deny,
            matchers: vec![Matcher {
                methods: Methods::WRITES,
                pattern: Pattern::below(LIBPOD),
            }],
            when: Vec::new(),
            missing: Vec::new(),
            requirements: known.collect(),
        }
    }
}

/// What an action demands of a request besides its route.
pub(crate) fn conditions(action: &Action) -> Vec<Condition> {
    let body = action.unread_body.then_some(Condition::UnreadBody);
    let query =
        (!action.without_query.is_empty()).then_some(Condition::WithoutQuery(action.without_query));
    body.into_iter().chain(query).collect()
}

impl Switch {
    /// Reads one.
    pub(crate) fn read(
        snapshot: &Snapshot,
        name: &str,
        default: bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Switch {
        // A value is read up to its first byte that is no digit, so the others may be anything.
        let value = snapshot
            .get(name)
            .map(|value| value.to_string_lossy().into());
        let on = value.as_deref().map_or(default, grants);
        let switch = Switch { on, value };
        diagnostics.extend(switch.diagnostic(name));
        switch
    }

    /// A value that is not plainly 0 or 1 was perhaps meant otherwise.
    fn diagnostic(&self, name: &str) -> Option<Diagnostic> {
        let value = self
            .value
            .as_deref()
            .filter(|value| !matches!(*value, "0" | "1"))?;
        let meant = self.on || !is_off(value);
        let problem = value_reading(name, value, self.on);
        let help = format!("write {name}={}", u8::from(meant));
        Some(if meant && !self.on && name.starts_with(DENY) {
            Diagnostic::error(name, problem, help)
        } else {
            Diagnostic::warning(name, problem, help)
        })
    }
}

/// What the variables begin with that take something away.
pub(crate) const DENY: &str = "DENY_";

/// Whether a value grants: a leading integer that is not zero.
fn grants(value: &str) -> bool {
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    let mut digits = digits.bytes().take_while(u8::is_ascii_digit);
    digits.any(|digit| digit != b'0')
}

/// Whether a value that does not grant says so in some common way.
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
