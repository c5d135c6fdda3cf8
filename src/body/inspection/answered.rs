//! What the answer to a request that is forwarded must pass.

use super::Request;
use crate::api::sections::Check;
use crate::body::answer::Filter;
use crate::body::facts::{Answer, Fact};
use crate::policy::Term;

/// All that is removed from its answer; nothing, if nothing is being protected.
pub(super) fn filter(request: &mut Request) -> Option<Box<Filter>> {
    let versions = request.demands.versions;
    let versions = versions.filter(|_| request.has(|term| term == Term::Versions));
    if request.inspection.is_waived() {
        return versions.map(|bounds| Box::new(Filter::default().telling(bounds)));
    }
    let mut filter = match request.scoped.filter.take() {
        Some(filter) => *filter,
        None => Filter::default(),
    };
    if request.has(|term| term == Term::DenyRoot(Check::JoinTokens)) {
        filter = filter.without_tokens();
    }
    if let (Some(name), Some(scope)) = (request.scoped.pulled.take(), &request.demands.scope) {
        filter = filter.remembering(scope.clone(), name);
    }
    if let (Some(text), Some(scope)) = (request.scoped.removed.take(), &request.demands.scope) {
        let fact = Fact::image(&text);
        let answer = fact.and_then(|fact| request.facts.answer(&fact));
        if let Some(image) = answer.and_then(Answer::found) {
            filter = filter.restoring(scope.clone(), scope.removes(&text, image));
        }
    }
    filter = filter.giving(std::mem::take(&mut request.scoped.giving));
    if !request.scoped.aliases.is_empty() {
        filter = filter.with_names(std::mem::take(&mut request.scoped.aliases));
    }
    if request.has(|term| term == Term::Redact)
        && let Some(redaction) = &request.demands.redaction
    {
        // By the route that the client asked for.
        filter = filter.redacted(redaction.clone(), request.inspection.target().clone());
    }
    if let Some(bounds) = versions {
        filter = filter.telling(bounds);
    }
    (!filter.is_empty()).then(|| Box::new(filter))
}
