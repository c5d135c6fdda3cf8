//! `DENY_ROOT`: the rules that close each way to control of the host or of another container, or let
//! only harmless requests through it.

use std::sync::Arc;

use crate::api::Methods;
use crate::api::sections::{ACTIONS, CONTROLS, Control, Route};
use crate::policy::{Effect, LIBPOD, Matcher, Pattern, Rule, Term};

/// Its name.
pub(super) const DENY_ROOT: &str = "DENY_ROOT";

/// Why no write of Podman's own passes.
const PODMAN: &str = "Podman's own calls cannot be judged";

/// The rules that it makes.
pub(super) fn rules() -> impl Iterator<Item = Rule> {
    let own = CONTROLS.iter().flat_map(|control| {
        let matchers: Vec<Matcher> = control.routes.iter().flat_map(Matcher::denied).collect();
        let checks = control.judged.iter();
        let effects = checks.map(|check| Effect::Demand(Term::DenyRoot(*check)));
        let effects: Vec<Effect> = match control.judged {
            [] => vec![Effect::Deny],
            _ => effects.collect(),
        };
        let origin = origin(control.doc);
        effects
            .into_iter()
            .map(move |effect| rule(&origin, effect, matchers.clone()))
    });
    own.chain([podman()])
}

/// A denial of it says why it is one.
fn origin(why: &str) -> Arc<str> {
    format!("{DENY_ROOT} ({why})").into()
}

fn rule(origin: &Arc<str>, effect: Effect, matchers: Vec<Matcher>) -> Rule {
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
    rule(&origin(PODMAN), Effect::Deny, matchers)
}
