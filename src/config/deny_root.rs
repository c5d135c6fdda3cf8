//! `DENY_ROOT`: the rules that close each way to control of the host or of another container, or let
//! only harmless requests through it.

use std::sync::Arc;

use crate::api::Methods;
use crate::api::sections::{ACTIONS, CONTROLS, Control, Route};
use crate::policy::{Effect, LIBPOD, Matcher, Pattern, Rule, Term};

/// Its name.
pub(super) const DENY_ROOT: &str = "DENY_ROOT";

/// Why no write of Podman's own passes.
pub(super) const PODMAN: &str = "Podman's own calls cannot be judged";

/// The rules that it makes.
pub(crate) fn rules() -> impl Iterator<Item = Rule> {
    let own = CONTROLS.iter().flat_map(|control| {
        let matchers: Vec<Matcher> = control.routes.iter().flat_map(Matcher::denied).collect();
        let checks = control.judged.iter();
        let effects = checks.map(|check| Effect::Demand(Term::DenyRoot(*check)));
        let effects: Vec<Effect> = match control.judged {
            [] => vec![Effect::Deny],
            _ => effects.collect(),
        };
        let origin = origin(DENY_ROOT, control.doc);
        effects
            .into_iter()
            .map(move |effect| rule(&origin, effect, matchers.clone()))
    });
    own.chain([podman()])
}

/// A denial by a variable says why it is one.
pub(super) fn origin(variable: &str, why: &str) -> Arc<str> {
    format!("{variable} ({why})").into()
}

pub(super) fn rule(origin: &Arc<str>, effect: Effect, matchers: Vec<Matcher>) -> Rule {
    Rule {
        origin: origin.clone(),
        effect,
        matchers,
        when: Vec::new(),
        missing: Vec::new(),
        requirements: Vec::new(),
    }
}

/// All that has the same purpose below `/libpod` and elsewhere in Podman, and every write there: one
/// that nobody knows could do the same.
fn podman() -> Rule {
    let below = |route: &Route| Matcher::denied(route).map(Matcher::below_libpod).collect();
    let docker = CONTROLS.iter().flat_map(|control| control.routes);
    let docker = docker.flat_map(|route| -> Vec<Matcher> { below(route) });
    let actions = ACTIONS.iter().filter(|action| {
        let of = |control: &Control| {
            let mut routes = control.routes.iter();
            routes.any(|route| action.routes.iter().any(|own| own.text == route.text))
        };
        CONTROLS.iter().any(of)
    });
    let podman = actions
        .flat_map(|action| action.podman)
        .flat_map(Matcher::denied);
    let writes = Matcher {
        methods: Methods::WRITES,
        pattern: Pattern::below(LIBPOD),
    };
    let matchers = docker.chain(podman).chain([writes]).collect();
    rule(&origin(DENY_ROOT, PODMAN), Effect::Deny, matchers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Target;
    use crate::api::sections::{Check, ROOTS, SECTIONS};
    use crate::config::{ConfiguredPolicy, Settings};
    use crate::policy::{Body, Verdict};

    fn policy(env: &[(&str, &str)]) -> ConfiguredPolicy {
        let settings = Settings::load(&env.iter().copied().collect()).expect("good settings");
        settings.policies.into_default()
    }

    /// Policies that allow everything in another dialect each, but for control.
    fn open() -> Vec<ConfiguredPolicy> {
        let names = SECTIONS.iter().map(|section| section.name).chain(["POST"]);
        let sections: Vec<(&str, &str)> = names.map(|name| (name, "1")).collect();
        let actions: Vec<(&str, &str)> = ACTIONS.iter().map(|action| (action.allow, "1")).collect();
        let methods = ["GET", "HEAD", "POST", "PUT", "DELETE"];
        let patterns = methods.map(|method| format!("SP_ALLOW_{method}"));
        let patterns: Vec<(&str, &str)> = patterns.iter().map(|name| (&**name, ".*")).collect();
        let all = [sections, actions, patterns];
        all.map(|mut env| {
            env.push((DENY_ROOT, "1"));
            policy(&env)
        })
        .into()
    }

    /// What a request has to meet; nothing if it is denied.
    fn checks(policy: &ConfiguredPolicy, method: &str, path: &str) -> Option<Vec<Check>> {
        let target = Target::from_line(method, path).expect("a target");
        match policy.decide(target, Body::Empty) {
            Verdict::Allow(permit) => {
                let terms = permit.terms().iter();
                let mut checks: Vec<Check> = terms
                    .filter_map(|term| match term {
                        Term::DenyRoot(check) => Some(*check),
                        _ => None,
                    })
                    .collect();
                checks.sort_unstable();
                Some(checks)
            }
            Verdict::Deny(_) => None,
            Verdict::WouldDeny(..) => panic!("it protects"),
        }
    }

    #[test]
    fn no_dialect_and_no_spelling_escapes_it() {
        for policy in open() {
            for control in CONTROLS {
                let mut judged = control.judged.to_vec();
                judged.sort_unstable();
                for route in control.routes {
                    for (method, path) in route.samples() {
                        let method = method.as_str();
                        let versions = ["", "/v1.24", "/v1.41", "/v1.41.9", "/v1.41-x"];
                        let paths = versions.map(|version| format!("{version}{path}"));
                        for path in paths.into_iter().chain([path.clone() + "/"]) {
                            let found = checks(&policy, method, &path);
                            let denied = control.judged.is_empty() && found.is_none();
                            let fits = found.as_ref().is_none_or(|found| *found == judged);
                            assert!(denied || fits, "{method} {path}: {found:?}");
                        }
                        let below = format!("/v4.0.0/libpod{path}");
                        assert_eq!(checks(&policy, method, &below), None, "{method} {below}");
                    }
                }
            }
            for (method, path) in [
                ("POST", "/libpod/play/kube"),
                ("POST", "/v5.0.0/libpod/containers/x/restore"),
                ("POST", "/containers/x/archive"),
                ("GET", "/libpod/containers/x/healthcheck"),
                ("GET", "/libpod/volumes/x/export"),
                ("PUT", "/libpod/anything/new"),
            ] {
                assert_eq!(checks(&policy, method, path), None, "{method} {path}");
            }
        }
    }

    /// Adding a term never allows more.
    #[test]
    fn nothing_is_allowed_by_it() {
        let names = SECTIONS.iter().map(|section| section.name).chain(["POST"]);
        for name in names {
            let (with, without) = (
                policy(&[(name, "1"), (DENY_ROOT, "1"), ("POST", "1")]),
                policy(&[(name, "1"), ("POST", "1")]),
            );
            let routes = ACTIONS.iter().flat_map(|action| action.routes);
            for (method, path) in routes.flat_map(Route::samples) {
                let allowed = checks(&with, method.as_str(), &path).is_some();
                let before = checks(&without, method.as_str(), &path).is_some();
                assert!(before || !allowed, "{name}: {method:?} {path}");
            }
        }
    }

    #[test]
    fn what_gives_no_control_stays_as_it_is_granted() {
        for (method, path) in [
            ("GET", "/containers/json"),
            ("GET", "/containers/x/logs"),
            ("POST", "/containers/x/stop"),
            ("POST", "/containers/x/kill"),
            ("POST", "/containers/x/wait"),
            ("DELETE", "/containers/x"),
            ("POST", "/images/load"),
            ("GET", "/exec/x/json"),
            ("POST", "/volumes/prune"),
            ("DELETE", "/volumes/x"),
            ("POST", "/networks/x/disconnect"),
            ("GET", "/services"),
            ("GET", "/swarm/x"),
            ("GET", "/plugins"),
        ] {
            let found = checks(&open()[0], method, path);
            assert_eq!(found, Some(vec![]), "{method} {path}");
        }
        let without = policy(&[("CONTAINERS", "1"), ("POST", "1")]);
        assert_eq!(checks(&without, "POST", "/containers/create"), Some(vec![]));
    }

    #[test]
    fn each_way_to_root_is_closed_and_then_not_warned_about() {
        for root in ROOTS {
            for route in root.routes {
                let mut all = CONTROLS.iter().flat_map(|control| control.routes);
                assert!(all.any(|one| one.text == route.text), "{}", route.text);
            }
        }
        for policy in open() {
            assert_eq!(policy.root_on_host(), None);
            assert!(policy.beside_root().is_some());
        }
        let open = policy(&[("CONTAINERS", "1"), ("POST", "1")]);
        assert!(open.root_on_host().is_some() && open.beside_root().is_none());
        let harmless = policy(&[("CONTAINERS", "1"), (DENY_ROOT, "1")]);
        assert_eq!(harmless.beside_root(), None);
    }

    #[test]
    fn what_is_not_covered_is_told_unless_a_limit_covers_it() {
        let told = |limits: &[(&str, &str)]| {
            let env = [&[("ALLOW_CREATE", "1"), (DENY_ROOT, "1")], limits].concat();
            policy(&env).beside_root().expect("a note")
        };
        assert_eq!(
            told(&[]),
            "DENY_ROOT does not cover images under names that others use (set TAG_AS), labels that \
             other programs obey, the secrets and configs of a swarm, the host's disk, its memory \
             (set MEMORY_MAX), its CPUs (set CPUS_MAX) and its processes (set PIDS_MAX)"
        );
        let ceilings = [("MEMORY_MAX", "1g"), ("CPUS_MAX", "2")];
        let most = [&[("TAG_AS", "ci/*")], &ceilings[..]].concat();
        assert_eq!(
            told(&most),
            "DENY_ROOT does not cover labels that other programs obey, the secrets and configs of \
             a swarm, the host's disk and its processes (set PIDS_MAX)"
        );
        assert_eq!(
            told(&[&most[..], &[("PIDS_MAX", "99")]].concat()),
            "DENY_ROOT does not cover labels that other programs obey, the secrets and configs of \
             a swarm and the host's disk"
        );
    }

    #[test]
    fn a_value_that_is_neither_on_nor_off_is_refused() {
        for value in ["true", "yes", "on", "\"1\""] {
            let env = [(DENY_ROOT, value)].into_iter().collect();
            let mistakes = Settings::load(&env).expect_err("a mistake");
            let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            assert!(told.iter().any(|one| one.contains(DENY_ROOT)), "{told:?}");
        }
        for value in ["0", "", "no"] {
            assert!(!policy(&[(DENY_ROOT, value)]).sources.deny_root, "{value}");
        }
    }
}
