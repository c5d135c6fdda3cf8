//! What the clients of a policy are shown: `SCOPE`, `SCOPE_SHARED`, `SCOPE_IMAGES`, `REDACT` and
//! `REDACT_ENV`, and the rules that hold requests to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::deny_root::{origin, rule};
use super::diagnostics::Diagnostic;
use super::dialect::sections::Switch;
use super::snapshot::Snapshot;
use super::table::SETTINGS;
use crate::api::fields::{ANSWERS, BODIES, Disclosed};
use crate::api::sections::{ACTIONS, Role, Route, SCOPED};
use crate::api::{Method, Methods, ObjectKind};
use crate::body::limits::Mistake;
use crate::body::redaction::Redaction;
use crate::body::scope::{OWN_LABELS, Scope};
use crate::policy::{Effect, LIBPOD, Matcher, Pattern, Rule, Term};

/// What clients are shown; all, if neither is there.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Whose things they see and touch.
    pub scope: Option<Arc<Scope>>,
    /// What they are not told.
    pub redaction: Option<Arc<Redaction>>,
}

const SCOPE: &str = "SCOPE";
const SCOPE_SHARED: &str = "SCOPE_SHARED";
const SCOPE_IMAGES: &str = "SCOPE_IMAGES";
const REDACT: &str = "REDACT";
const REDACT_ENV: &str = "REDACT_ENV";

impl Shown {
    /// Reads the variables of the policy of this name.
    pub(super) fn read(
        snapshot: &Snapshot,
        policy: &str,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Shown {
        let mut texts = BTreeMap::new();
        let own = [SCOPE, SCOPE_SHARED, SCOPE_IMAGES, REDACT, REDACT_ENV];
        for setting in SETTINGS.iter().filter(|one| own.contains(&one.name)) {
            if let Some((by, value)) = snapshot.written(setting) {
                match value.to_str() {
                    Some(text) => drop(texts.insert(setting.name, text)),
                    None => diagnostics.push(Diagnostic::not_utf8(&by)),
                }
            }
        }
        let of = |name: &str| texts.get(name).copied();
        let images = Switch::read(snapshot, SCOPE_IMAGES, false, diagnostics).on;
        let mut mistakes = Vec::new();
        for (needed, names) in [
            (SCOPE, [SCOPE_SHARED, SCOPE_IMAGES].as_slice()),
            (REDACT, &[REDACT_ENV]),
        ] {
            for name in names
                .iter()
                .filter(|name| of(name).is_some() && of(needed).is_none())
            {
                let problem = format!("{name} is set, but {needed} is not");
                let help = format!("set {needed}, or unset {name}");
                diagnostics.push(Diagnostic::error(name, problem, help));
            }
        }
        let mut taken = |all: Vec<(&'static str, Mistake)>| mistakes.extend(all);
        let scope = of(SCOPE).map(|text| Scope::read(policy, text, of(SCOPE_SHARED), images));
        let scope = scope.and_then(|scope| scope.map_err(&mut taken).ok());
        let redaction = of(REDACT).map(|text| Redaction::read(text, of(REDACT_ENV)));
        let redaction = redaction.and_then(|one| one.map_err(&mut taken).ok());
        for (variable, mistake) in mistakes {
            let problem = format!("{variable}: {mistake}");
            diagnostics.push(Diagnostic::error(variable, problem, ""));
        }
        Shown {
            scope: scope.map(Arc::new),
            redaction: redaction.map(Arc::new),
        }
    }

    /// The same, with what clients pulled before a reload.
    pub(super) fn keep(&mut self, former: &Shown) {
        if let (Some(scope), Some(former)) = (&mut self.scope, &former.scope) {
            *scope = Arc::new(scope.with_pulled_of(former));
        }
    }

    /// The same, beside what the other policies of the process show.
    pub(super) fn beside(&mut self, others: &[(&str, Arc<Scope>)], own: &str) {
        if let Some(scope) = &mut self.scope {
            let others = others.iter().filter(|(name, _)| *name != own);
            *scope = Arc::new(scope.beside(others.map(|(name, scope)| (*name, scope))));
        }
    }

    /// Whether it takes labels that no client may set.
    pub(super) fn reserves(&self) -> bool {
        let labels = self.scope.iter();
        let mut labels = labels.flat_map(|scope| scope.labels(ObjectKind::Container));
        labels.any(|(key, _)| key.starts_with(OWN_LABELS))
    }

    /// The rules that they make.
    pub(super) fn rules(&self) -> Vec<Rule> {
        let scope = self.scope.iter().flat_map(|_| of_scope());
        let redaction = self
            .redaction
            .iter()
            .flat_map(|redaction| of_redaction(redaction));
        scope.chain(redaction).collect()
    }
}

/// Every request is one of the routes that are known, or it is refused.
fn of_scope() -> impl Iterator<Item = Rule> {
    let all = |path| Matcher {
        methods: Methods::of(None),
        pattern: Pattern::below(path),
    };
    let podman = origin(SCOPE, "Podman's own calls cannot be held to a scope");
    let podman = rule(&podman, Effect::Deny, vec![all(LIBPOD)]);
    let known = Effect::Demand(Term::Scope(Role::Known));
    let known = rule(&SCOPE.into(), known, vec![all("")]);
    let own = SCOPED.iter().flat_map(|scoped| {
        let matchers: Vec<Matcher> = scoped.routes.iter().flat_map(Matcher::denied).collect();
        let demand = |role: &Role| Effect::Demand(Term::Scope(*role));
        let (origin, effects): (Arc<str>, Vec<Effect>) = match scoped.judged {
            [] => (origin(SCOPE, scoped.doc), vec![Effect::Deny]),
            roles => (SCOPE.into(), roles.iter().map(demand).collect()),
        };
        let effects = effects.into_iter();
        effects
            .map(|effect| rule(&origin, effect, matchers.clone()))
            .collect::<Vec<Rule>>()
    });
    own.chain([podman, known])
}

/// No client sets or takes away a label that dockgate alone sets, if any policy goes by it.
pub(super) fn reserved() -> impl Iterator<Item = Rule> {
    const SETTING: [Role; 4] = [Role::Created, Role::Commit, Role::Build, Role::Pull];
    let own = SCOPED.iter().flat_map(|scoped| {
        let sets = scoped.judged.iter().any(|role| SETTING.contains(role));
        // Below API 1.24, a start can make volumes.
        let starts = move |route: &&Route| sets || route.text == "POST /containers/{id}/start";
        scoped.routes.iter().filter(starts)
    });
    let own = own.flat_map(Matcher::denied).collect();
    let own = rule(&SCOPE.into(), Effect::Demand(Term::Reserved), own);
    let podman = origin(SCOPE, "Podman's own calls could set the labels of dockgate");
    let writes = Matcher {
        methods: Methods::WRITES,
        pattern: Pattern::below(LIBPOD),
    };
    [own, rule(&podman, Effect::Deny, vec![writes])].into_iter()
}

/// Answers are redacted that tell something of what is, and nothing brings back what was.
fn of_redaction(redaction: &Redaction) -> impl Iterator<Item = Rule> + use<> {
    let podman = origin(REDACT, "Podman's own responses cannot be redacted");
    let all = Matcher {
        methods: Methods::of(None),
        pattern: Pattern::below(LIBPOD),
    };
    let podman = rule(&podman, Effect::Deny, vec![all]);
    let told = ANSWERS
        .iter()
        .filter(|answer| redaction.concerns(answer.disclosed()));
    let told = told.flat_map(|answer| {
        let reads = answer.route.method == Some(Method::Get);
        Matcher::denied(&answer.route).map(move |matcher| Matcher {
            methods: if reads {
                Methods::READS
            } else {
                matcher.methods
            },
            ..matcher
        })
    });
    // Why a container does not start quotes what it is made of.
    let quoted = Disclosed::COMMANDS
        .with(Disclosed::MOUNTS)
        .with(Disclosed::NETWORK)
        .with(Disclosed::TOKENS)
        .with(Disclosed::HOST);
    let starts = ACTIONS
        .iter()
        .filter(|action| ["START", "RESTART"].contains(&action.name))
        .filter(|_| redaction.concerns(quoted));
    let starts = starts
        .flat_map(|action| action.routes)
        .flat_map(Matcher::denied);
    let told = told.chain(starts).collect();
    let told = rule(&REDACT.into(), Effect::Demand(Term::Redact), told);
    // An exec's start has nothing that an answer shows.
    let bodies = BODIES.iter().map(|body| &body.route);
    let bodies = bodies.filter(|route| route.text != "POST /exec/{id}/start");
    let in_query = ACTIONS
        .iter()
        .filter(|action| ["BUILD", "COMMIT", "PULL"].contains(&action.name));
    let sent = bodies.chain(in_query.flat_map(|action| action.routes));
    let sent = sent.flat_map(Matcher::denied).collect();
    let placeholder = rule(&REDACT.into(), Effect::Demand(Term::Placeholder), sent);
    [podman, told, placeholder].into_iter()
}
