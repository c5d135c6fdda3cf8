//! The section variables as a source of the policy, and the rules that they are lowered to.

use super::is_off;
use super::{Grants, POST};
use crate::api::Methods;
use crate::api::sections::{ACTIONS, Action, REQUIREMENTS, SECTIONS, Section};
use crate::config::dialect::Source;
use crate::policy::{Condition, Effect, Grant, LIBPOD, Matcher, Pattern, Requirement, Rule};

impl Source for Grants {
    fn name(&self) -> &'static str {
        "sections"
    }

    fn active(&self) -> bool {
        self.active
    }

    fn contributes(&self) -> Vec<String> {
        let actions = ACTIONS
            .iter()
            .flat_map(|action| [action.allow, action.deny]);
        let switches = [POST].into_iter().chain(actions);
        let sections = self.sections().map(|section| section.name);
        let all = sections.chain(switches.filter(|variable| self.on(variable)));
        all.map(str::to_owned).collect()
    }

    fn rules(&self) -> Vec<Rule> {
        Grants::rules(self, self.last_resort)
    }
}

impl Grants {
    /// The grant that a variable would add, if it does not grant already.
    fn missing(&self, variable: &str) -> Option<Grant> {
        if self.on(variable) {
            return None;
        }
        let value = self
            .switches
            .get(variable)
            .and_then(|one| one.value.clone());
        let misread = value.filter(|value| !is_off(value));
        // An action's variable does not activate the sections.
        let is_action = ACTIONS.iter().any(|action| action.allow == variable);
        let defaults = SECTIONS.iter().filter(|section| section.default);
        let brings = defaults.filter(|_| self.has_defaults && !self.active && !is_action);
        Some(Grant {
            variable: variable.into(),
            misread,
            brings: brings.map(|section| section.name).collect(),
        })
    }

    /// Every rule that these variables can make, with what each lacks to be in force. If they are
    /// not active, the rules of sections are included only as a last resort (`last_resort`):
    /// setting one section also brings the defaults of the others.
    pub(crate) fn rules(&self, last_resort: bool) -> Vec<Rule> {
        let sections = SECTIONS
            .iter()
            .flat_map(|section| self.section_rules(section));
        let sections = sections.filter(|_| self.active || last_resort);
        let allows = ACTIONS
            .iter()
            .filter(|action| self.switches.contains_key(action.allow));
        let allows = allows.map(|action| self.allow_rule(action));
        let denies = ACTIONS.iter().filter(|action| self.on(action.deny));
        let denies =
            denies.flat_map(|action| [Self::deny_rule(action), Self::unknown_rule(action)]);
        sections.chain(allows).chain(denies).collect()
    }

    /// A section's reads, and its writes, which also need POST.
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

    /// The section's requirements whose second grant is missing.
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

    /// A deny has no conditions: a client could make a condition seem not to apply.
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

    /// What else any deny covers: every write below `/libpod` that belongs to no action, since it
    /// might do the same. What belongs to an action is left to that action's deny.
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

/// An action's conditions on a request besides the route.
pub(crate) fn conditions(action: &Action) -> Vec<Condition> {
    let body = action.unread_body.then_some(Condition::UnreadBody);
    let query =
        (!action.without_query.is_empty()).then_some(Condition::WithoutQuery(action.without_query));
    body.into_iter().chain(query).collect()
}
