//! `API_VERSION_MIN` and `API_VERSION_MAX`, and the rule by which `GET /version` tells what they say.

#[cfg(test)]
mod tests;

use super::deny_root;
use super::diagnostics::Diagnostic;
use super::snapshot::Snapshot;
use super::table::SETTINGS;
use crate::api::sections::SCOPED;
use crate::body::versions::{Bounds, MAX, MIN};
use crate::policy::{Effect, Matcher, Rule, Term};

/// The route whose answer has the versions in its body.
const ROUTE: &str = "GET /version";

/// Reads both: nothing, if neither is set.
pub(super) fn read(snapshot: &Snapshot, diagnostics: &mut Vec<Diagnostic>) -> Option<Bounds> {
    let mut text = |name| {
        let setting = SETTINGS.iter().find(|one| one.name == name)?;
        let (by, value) = snapshot.written(setting)?;
        match value.to_str() {
            Some("") => None,
            Some(text) => Some(text),
            None => {
                diagnostics.push(Diagnostic::not_utf8(&by));
                None
            }
        }
    };
    let (min, max) = (text(MIN), text(MAX));
    if min.is_none() && max.is_none() {
        return None;
    }
    let bounds = Bounds::read(min, max).map_err(|mistakes| {
        diagnostics.extend(mistakes.iter().map(|(variable, mistake)| {
            let problem = format!("{variable}: {mistake}");
            Diagnostic::error(variable, problem, "")
        }));
    });
    bounds.ok()
}

/// The rule by which the answer tells them.
pub(super) fn rule() -> Rule {
    let routes = SCOPED.iter().flat_map(|scoped| scoped.routes);
    let own = routes.filter(|route| route.text == ROUTE);
    let matchers = own.flat_map(Matcher::denied).collect();
    let effect = Effect::Demand(Term::Versions);
    deny_root::rule(&MIN.into(), effect, matchers)
}
