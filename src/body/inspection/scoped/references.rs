//! What the body of a request names, and what a start makes a container join: all of it is seen, or the
//! request is refused as the engine refuses what does not exist.

use std::collections::BTreeSet;

use super::look::{Look, Looking};
use super::{Finding, Request, services};
use crate::api::ObjectKind;
use crate::api::fields::Body;
use crate::api::sections::Role;
use crate::body::facts::Fact;
use crate::body::inspection::{Told, unreadable};
use crate::body::json::{Object, Value};
use crate::body::reach::{self, Engine, Reference, What};

pub(super) fn settle(request: &mut Request) -> Finding {
    let looking = Looking::new(&request.demands, &request.facts);
    let mut named = BTreeSet::new();
    if request.scoped.has(Role::Body)
        && let Some((body, tree)) = request.draft.asked()
    {
        match of_body(body, tree) {
            Ok(all) => named.extend(all),
            Err(finding) => return finding,
        }
        match services::previous(request).map(|previous| previous.map(|tree| of_body(body, tree))) {
            Ok(Some(Ok(all))) => named.extend(all),
            Ok(Some(Err(finding))) => return finding,
            Ok(None) => {}
            Err(unmet) => return Finding::Refused(unmet),
        }
    }
    let mut needs = BTreeSet::new();
    let mut hidden = None;
    for (kind, name) in &named {
        if !looking.covers(*kind) {
            continue;
        }
        let look = match kind {
            ObjectKind::Network => looking.network(name),
            kind => looking.at(*kind, name),
        };
        match look {
            Look::Asks(fact) => drop(needs.insert(fact)),
            Look::Owned(_) | Look::Shared(_) => {}
            Look::Hidden if request.scoped.disconnects => {
                hidden = Some(Told::Missing(format!("endpoint {name} not found")));
            }
            // With a 404, the docker CLI would pull the image.
            Look::Hidden if request.scoped.has(Role::Created) && *kind != ObjectKind::Image => {
                hidden = Some(Told::Dangling(words(*kind, name)));
            }
            Look::Hidden => hidden = Some(missing(*kind, name)),
        }
    }
    if request.scoped.starts {
        match joined(request, &looking, &mut needs) {
            Finding::Nothing => {}
            found => return found,
        }
    }
    match hidden {
        _ if !needs.is_empty() => Finding::asks(needs),
        Some(told) => Finding::Answer(told),
        None => Finding::Nothing,
    }
}

/// All objects that a body names, but volumes: those that do not exist are made.
fn of_body(body: &Body, tree: &Value) -> Result<BTreeSet<(ObjectKind, String)>, Finding> {
    let claims = reach::asked(body, tree, &Engine::default());
    let claims = claims.map_err(|too_many| Finding::Refused(unreadable(too_many)))?;
    let mut named = BTreeSet::new();
    for claim in &claims {
        let of = |kind, name: &str| (kind, name.to_owned());
        let object = match (&claim.what, claim.refers()) {
            (_, Some(Reference::Container(name))) => of(ObjectKind::Container, name),
            (What::Network(name), _) if !is_everybodys(name) => of(ObjectKind::Network, name),
            (What::Secret(name), _) => of(ObjectKind::Secret, name),
            (What::Config(name), _) => of(ObjectKind::Config, name),
            (What::Image(name), _) => of(ObjectKind::Image, name),
            _ => continue,
        };
        named.insert(object);
    }
    for (place, kind) in [
        // Of a connect and a disconnect.
        ("Container", ObjectKind::Container),
        // Of a new network.
        ("ConfigFrom.Network", ObjectKind::Network),
    ] {
        if let Some(name) = tree.at(place).as_str().filter(|name| !name.is_empty()) {
            named.insert((kind, name.to_owned()));
        }
    }
    Ok(named)
}

/// Whether a network is no object that belongs to anybody, but a way to be connected.
pub(super) fn is_everybodys(name: &str) -> bool {
    ["", "default", "bridge", "none", "host"].contains(&name)
}

/// The networks that a container joins when it is started: the engine looks for them by their names
/// then, and by now these may be others'.
fn joined(request: &Request, looking: &Looking<'_>, needs: &mut BTreeSet<Fact>) -> Finding {
    let Some(container) = request.scoped.container() else {
        return Finding::Nothing;
    };
    let Some(fact) = Fact::container(container) else {
        return Finding::Nothing;
    };
    let Some(answer) = looking.facts.answer(&fact) else {
        needs.insert(fact);
        return Finding::Nothing;
    };
    let found = answer.found();
    let networks = found.map_or(Value::NULL, |found| found.at("NetworkSettings.Networks"));
    let networks = networks.as_object().into_iter().flat_map(Object::iter);
    for (name, endpoint) in networks.filter(|(name, _)| !is_everybodys(name)) {
        let is_same = || {
            let now = Fact::network(name).and_then(|fact| looking.facts.answer(&fact)?.found());
            let before = endpoint
                .at("NetworkID")
                .as_str()
                .filter(|id| !id.is_empty());
            before.is_some() && before == now.and_then(|now| now.at("Id").as_str())
        };
        match looking.network(name) {
            Look::Asks(fact) => drop(needs.insert(fact)),
            Look::Owned(_) | Look::Shared(_) => {}
            // Somebody who may has connected it.
            Look::Hidden if is_same() => {}
            Look::Hidden => {
                return Finding::Answer(Told::Missing(format!("network {name} not found")));
            }
        }
    }
    Finding::Nothing
}

/// What the engine answers about something that does not exist.
pub(super) fn missing(kind: ObjectKind, name: &str) -> Told {
    Told::Missing(words(kind, name))
}

fn words(kind: ObjectKind, name: &str) -> String {
    match kind {
        ObjectKind::Container => format!("No such container: {name}"),
        ObjectKind::Image => format!("No such image: {name}"),
        other => format!("{other} {name} not found"),
    }
}
