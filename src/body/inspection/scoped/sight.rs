//! What the answer to a request is filtered by, and what the engine is asked for that.

use std::collections::BTreeSet;

use super::look::Looking;
use super::{Finding, Request};
use crate::api::sections::Role;
use crate::api::{Method, ObjectKind};
use crate::body::answer::Answered;
use crate::body::facts::Fact;
use crate::body::scope::{Scope, Sight};

pub(super) fn settle(request: &mut Request) -> Finding {
    if request.inspection.is_waived() {
        return Finding::Nothing;
    }
    let Some(answered) = answered(request) else {
        return Finding::Nothing;
    };
    let demands = &request.demands;
    let mut sight = Sight::new(demands.scope.clone(), demands.label_filters.clone());
    if let Some(looking) = Looking::new(demands, &request.facts) {
        let others = others(answered, looking.scope);
        let facts = others.iter().map(|kind| looking.listed(*kind));
        let unknown = facts.filter(|fact| request.facts.answer(fact).is_none());
        let unknown: BTreeSet<Fact> = unknown.collect();
        if !unknown.is_empty() {
            return Finding::Asks(unknown);
        }
        for kind in others {
            for item in looking.owned(kind) {
                if kind == ObjectKind::Container {
                    sight.learn_container(item);
                } else if let Some(id) = item.at(kind.listed().id).as_str() {
                    sight.learn(kind, id);
                }
            }
        }
    }
    let filter = request.scoped.filter.take().map(|filter| *filter);
    let filter = filter.unwrap_or_default();
    let filter = filter.seen(answered, sight, request.scoped.limit);
    request.scoped.filter = Some(Box::new(filter));
    Finding::Nothing
}

/// What the answer is, if something of it could be out of scope.
fn answered(request: &Request) -> Option<Answered> {
    let scoped = &request.scoped;
    let target = request.draft.target();
    let reads = matches!(target.method(), Some(Method::Get | Method::Head));
    if let Some(kind) = scoped.kind(Role::List) {
        return Some(Answered::List(kind));
    }
    match scoped.kind(Role::Object) {
        // Of these, an inspect tells of others.
        Some(kind @ (ObjectKind::Network | ObjectKind::Volume)) if reads => {
            return Some(Answered::Object(kind));
        }
        _ => {}
    }
    match scoped.kind(Role::Created) {
        // Updates are answered without naming anything.
        Some(kind) if target.path().ends_with(b"/create") => return Some(Answered::Made(kind)),
        _ => {}
    }
    let roles = [
        (Role::Usage, Answered::Usage),
        (Role::Info, Answered::Info),
        (Role::Events, Answered::Events),
    ];
    let mut roles = roles.into_iter();
    roles.find_map(|(role, answered)| scoped.has(role).then_some(answered))
}

/// The kinds of other objects that the answer tells of, or counts, or is about because of them.
fn others(answered: Answered, scope: &Scope) -> Vec<ObjectKind> {
    match answered {
        Answered::List(ObjectKind::Network | ObjectKind::Volume)
        | Answered::Object(ObjectKind::Network | ObjectKind::Volume)
        | Answered::Usage => vec![ObjectKind::Container],
        Answered::Info if scope.covers(ObjectKind::Image) => {
            vec![ObjectKind::Container, ObjectKind::Image]
        }
        Answered::Info => vec![ObjectKind::Container],
        Answered::List(ObjectKind::Task) => vec![ObjectKind::Service],
        Answered::List(_) | Answered::Object(_) | Answered::Made(_) | Answered::Events => {
            Vec::new()
        }
    }
}
