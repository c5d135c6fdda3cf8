//! What the answer to a request is filtered by, and what has to be asked for that.

use std::collections::BTreeSet;

use super::look::Looking;
use super::{Finding, Request};
use crate::api::sections::Role;
use crate::api::{Method, ObjectKind};
use crate::body::answer::{Answered, Filter};
use crate::body::scope::Sight;

pub(super) fn settle(request: &mut Request) -> Finding {
    let Some(answered) = answered(request).filter(|_| !request.inspection.is_waived()) else {
        return Finding::Nothing;
    };
    let mut sight = Sight::new(
        request.demands.scope.clone(),
        request.demands.label_filters.clone(),
    );
    if request.demands.scope.is_some() {
        let looking = Looking::new(&request.demands, &request.facts);
        let kinds = depends_on(answered, &sight);
        let needs: BTreeSet<_> = kinds.iter().map(|kind| looking.listed(*kind)).collect();
        let needs: BTreeSet<_> = needs
            .into_iter()
            .filter(|fact| request.facts.answer(fact).is_none())
            .collect();
        if !needs.is_empty() {
            return Finding::Asks(needs);
        }
        for kind in kinds {
            for item in looking.owned(*kind) {
                match kind {
                    ObjectKind::Container => sight.learn_container(item),
                    kind => {
                        if let Some(id) = item.at(kind.listed().id).as_str() {
                            sight.learn(*kind, id);
                        }
                    }
                }
            }
        }
    }
    let filter = Filter::default().seen(answered, sight, request.scoped.limit);
    let line = request.inspection.target().path_and_query();
    let body = request.draft.tree().to_json();
    let filter = filter.written(&[line.as_str(), &body]);
    request.scoped.filter = Some(Box::new(filter));
    Finding::Nothing
}

/// What the answer is, if something of it may be hidden.
fn answered(request: &Request) -> Option<Answered> {
    let scoped = &request.scoped;
    let reads = request.draft.target().method() == Some(Method::Get);
    if scoped.has(Role::List) {
        return scoped.kind(Role::List).map(Answered::List);
    }
    if scoped.has(Role::Usage) {
        return Some(Answered::Usage);
    }
    if scoped.has(Role::Info) {
        return Some(Answered::Info);
    }
    if scoped.has(Role::Events) {
        return Some(Answered::Events);
    }
    if scoped.has(Role::Named) {
        return Some(Answered::Act(ObjectKind::Container));
    }
    match (scoped.kind(Role::Created), scoped.kind(Role::Object)) {
        (Some(kind), None) => Some(Answered::Act(kind)),
        // The engine says by whom they are used.
        (_, Some(kind @ (ObjectKind::Volume | ObjectKind::Image)))
            if request.draft.target().method() == Some(Method::Delete) =>
        {
            Some(Answered::Act(kind))
        }
        // Only these tell of others.
        (_, Some(ObjectKind::Network)) if reads && !scoped.is_hidden => {
            Some(Answered::Object(ObjectKind::Network))
        }
        _ => None,
    }
}

/// The kinds of objects on which it depends what is seen.
fn depends_on(answered: Answered, sight: &Sight) -> &'static [ObjectKind] {
    use ObjectKind::{Config, Container, Image, Network, Secret, Service, Volume};
    match answered {
        Answered::List(Network | Volume) | Answered::Object(Network) => &[Container],
        Answered::List(ObjectKind::Task) => &[Service],
        Answered::Info if sight.covers(Image) => &[Container, Image],
        Answered::Usage | Answered::Info => &[Container],
        Answered::Events => &[Container, Network, Volume, Service, Secret, Config],
        Answered::List(_) | Answered::Object(_) | Answered::Act(_) => &[],
    }
}
