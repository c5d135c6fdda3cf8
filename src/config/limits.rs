//! The limits of a policy (`BIND_FROM`, `CAP_ADD`, …): what they list, and the rules that hold requests
//! to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::deny_root::{PODMAN, origin, rule};
use super::diagnostics::Diagnostic;
use super::snapshot::Snapshot;
use super::table::SETTINGS;
use crate::api::Methods;
use crate::api::sections::{LIMITED, Limited};
use crate::body::limits::{BindFrom, Limits, Mistake};
use crate::policy::{Effect, LIBPOD, Matcher, Pattern, Rule, Term};

/// The same as `BIND_FROM`, as `wollomatic/socket-proxy` writes it: folders with all that lies below.
pub(super) const FOLDERS: &str = "SP_ALLOWBINDMOUNTFROM";

/// Reads all limits: nothing, if none is set and nothing is to be opened.
pub(super) fn read(
    snapshot: &Snapshot,
    deny_root: bool,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Limits> {
    let mut texts = BTreeMap::new();
    for setting in SETTINGS {
        let is_limit = Limits::VARIABLES.contains(&setting.name) || setting.name == FOLDERS;
        if let Some((by, value)) = snapshot.written(setting).filter(|_| is_limit) {
            match value.to_str() {
                Some(text) => drop(texts.insert(setting.name, (by, text))),
                None => diagnostics.push(Diagnostic::not_utf8(&by)),
            }
        }
    }
    let folders = texts.remove(FOLDERS).filter(|(_, text)| !text.is_empty());
    let of = |name: &str| texts.get(name).map(|(_, text)| *text);
    let mut mistake = |variable: &str, mistake: &Mistake| {
        let problem = format!("{variable}: {mistake}");
        diagnostics.push(Diagnostic::error(variable, problem, ""));
    };
    let limits = Limits::read(deny_root, of);
    let mut limits = limits.map_err(|all| all.iter().for_each(|(name, one)| mistake(name, one)));
    if let Some((by, text)) = folders {
        match (BindFrom::folders(text), &mut limits) {
            (Err(all), _) => all.iter().for_each(|one| mistake(&by, one)),
            (Ok(_), _) if of("BIND_FROM").is_some() => {
                let problem = format!("BIND_FROM and {by} are both set");
                let help = "use only one of them";
                diagnostics.push(Diagnostic::error("BIND_FROM", problem, help));
            }
            (Ok(folders), Ok(limits)) => limits.bind_from.entries = Some(folders),
            (Ok(_), Err(())) => {}
        }
    }
    let limits = limits.ok();
    limits.filter(|limits| deny_root || !limits.set().is_empty())
}

/// The rules that hold requests to the limits that are set.
pub(super) fn rules(limits: &Limits) -> impl Iterator<Item = Rule> {
    let set: Vec<&'static str> = limits.set().iter().map(|(variable, _)| *variable).collect();
    let podman = set.first().map(|first| {
        let below = Matcher {
            methods: Methods::WRITES,
            pattern: Pattern::below(LIBPOD),
        };
        rule(&origin(first, PODMAN), Effect::Deny, vec![below])
    });
    let own = LIMITED.iter().filter_map(move |limited| {
        let first = *limited.limits.iter().find(|one| set.contains(*one))?;
        Some(held(limited, first))
    });
    own.flatten().chain(podman)
}

/// The rules about some routes, of which one is this limit's.
fn held(limited: &'static Limited, variable: &str) -> Vec<Rule> {
    let matchers: Vec<Matcher> = limited.routes.iter().flat_map(Matcher::denied).collect();
    let checks = limited.judged.iter();
    let demands = checks.map(|check| Effect::Demand(Term::Limits(*check)));
    let (origin, effects): (Arc<str>, Vec<Effect>) = match limited.judged {
        [] => (origin(variable, limited.doc), vec![Effect::Deny]),
        _ => (variable.into(), demands.collect()),
    };
    let effects = effects.into_iter();
    effects
        .map(|effect| rule(&origin, effect, matchers.clone()))
        .collect()
}
