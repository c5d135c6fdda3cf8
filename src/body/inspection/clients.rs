//! `DENY_ROOT` and `SCOPE` on what clients are known by: labels and names of containers, host names and
//! addresses by which a rule tells another policy's client. No request takes one, and none takes a container's
//! name away by which a rule knows it.
//!
//! A container has its image's labels too, which anybody can have made. So each label that a rule goes
//! by is written into what is created, empty if the request does not give it: rules count an empty one
//! as none. The label by which a container chooses its policy is held so for all policies.

use std::sync::Arc;

use super::finding::{Finding, Told};
use super::others::{CHOOSES, Others};
use super::{ANOTHERS, DENY_ROOT, Request, head, query, unreadable};
use crate::api::{Method, Target};
use crate::body::facts::{Answer, Fact};
use crate::body::json::{Object, Value};
use crate::policy::{Excess, Term, Unmet, printable};

/// Where a body gives labels of containers.
const LABELS: [&str; 2] = ["Labels", "TaskTemplate.ContainerSpec.Labels"];
/// Where it gives addresses.
const ADDRESSES: [&str; 4] = [
    "NetworkingConfig.EndpointsConfig{}.IPAMConfig.IPv4Address",
    "NetworkingConfig.EndpointsConfig{}.IPAMConfig.IPv6Address",
    "EndpointConfig.IPAMConfig.IPv4Address",
    "EndpointConfig.IPAMConfig.IPv6Address",
];

/// Judges what is asked for, and writes the empty labels in.
pub(super) fn settle(request: &mut Request) -> Finding {
    let by = match () {
        () if request.is_deny_root() => DENY_ROOT,
        () if request.has(|term| matches!(term, Term::Scope(_))) => "SCOPE",
        // No client gives the label that chooses a policy: that is judged elsewhere.
        () => {
            let chooses = request.others.label_keys().any(|key| key == CHOOSES);
            if chooses && let Err(unmet) = built(request, Term::Reserved.variable()) {
                return Finding::Refused(unmet);
            }
            if !request.inspection.is_waived() && request.has(|term| term == Term::Reserved) {
                write(request, |key| key == CHOOSES);
            }
            return Finding::Nothing;
        }
    };
    let others = Arc::clone(&request.others);
    match stays(request, by, &others) {
        Finding::Nothing => {}
        found => return found,
    }
    if others.is_empty() {
        return Finding::Nothing;
    }
    if others.label_keys().next().is_some()
        && let Err(unmet) = built(request, by)
    {
        return Finding::Refused(unmet);
    }
    match taken(request, &others) {
        Ok(None) => {}
        Ok(Some((place, value))) => {
            let excess = Excess {
                of: None,
                place: place.into(),
                value: value.into(),
                why: ANOTHERS.into(),
                by: None,
            };
            return Finding::Refused(Unmet::Excess(by, vec![excess]));
        }
        Err(unmet) => return Finding::Refused(unmet),
    }
    if !request.inspection.is_waived() {
        write(request, |_| true);
    }
    Finding::Nothing
}

/// Whether a container that gets another name keeps the rules that go by its name: a client would get rid
/// of its own policy, or of another's.
fn stays(request: &Request, by: &'static str, others: &Others) -> Finding {
    if !others.keep_names() {
        return Finding::Nothing;
    }
    let name = match head::renamed(&request.inspection) {
        Ok(Some(name)) => name,
        Ok(None) => return Finding::Nothing,
        Err(unmet) => return Finding::Refused(unmet),
    };
    let fact = Fact::Container(name.clone());
    let now = match request.facts.answer(&fact) {
        Some(Answer::Found(inspect)) => inspect.at("Name").as_str(),
        Some(Answer::Missing(words)) => return Finding::Answer(Told::Missing(words.clone())),
        Some(Answer::Unclear) => None,
        None => return Finding::asks([fact].into()),
    };
    let Some(now) = now else {
        return Finding::Refused(unreadable("the engine does not say what it is called"));
    };
    let new = match query::one(request.draft.target(), "name") {
        Ok(new) => new,
        Err(unmet) => return Finding::Refused(unmet),
    };
    if !others.keep(now, &new) {
        return Finding::Nothing;
    }
    let excess = Excess {
        of: Some(format!("container {}", name.as_str()).into()),
        place: "Name".into(),
        value: printable(now).into(),
        why: "is how a client rule knows it, so it cannot get another name".into(),
        by: None,
    };
    Finding::Refused(Unmet::Excess(by, vec![excess]))
}

/// The containers of a build have the labels of its Dockerfile, which nobody reads. So none of them is in
/// a network where it could be a client.
fn built(request: &Request, by: &'static str) -> Result<(), Unmet> {
    const PARAMETER: &str = "networkmode";
    let target = request.draft.target();
    let is_build =
        target.method().is_some_and(|method| method == Method::Post) && target.path() == b"/build";
    if !is_build {
        return Ok(());
    }
    let mode = query::one(target, PARAMETER)?;
    if mode == "none" {
        return Ok(());
    }
    let excess = Excess {
        of: None,
        place: format!("the parameter {PARAMETER}").into(),
        value: printable(&mode).into(),
        why: "would let a container with the Dockerfile's labels act as another client; use none \
              (docker build --network none)"
            .into(),
        by: None,
    };
    Err(Unmet::Excess(by, vec![excess]))
}

/// The first thing that a request takes of another client: its place and its value.
fn taken(request: &Request, others: &Others) -> Result<Option<(String, String)>, Unmet> {
    let target = request.draft.target();
    if names_a_container(target)
        && let Some(name) = query::another(target, others)?
    {
        return Ok(Some(("the parameter name".to_owned(), name)));
    }
    let Some((body, tree)) = request.draft.asked() else {
        return Ok(None);
    };
    if !makes(body.route.text) && body.route.text != "POST /networks/{id}/connect" {
        return Ok(None);
    }
    for place in LABELS {
        let labels = tree.at(place).as_object();
        let mut labels = labels.into_iter().flat_map(Object::iter);
        let found = labels.find(|(key, value)| {
            value
                .as_str()
                .is_some_and(|value| others.have_label(key, value))
        });
        if let Some((key, value)) = found {
            let value = format!("{key}={}", value.as_str().unwrap_or_default());
            return Ok(Some((place.to_owned(), value)));
        }
    }
    // Under `DENY_ROOT`, these are claims like others.
    if request.is_deny_root() {
        return Ok(None);
    }
    let mut found = others.named(body, tree);
    for places in ADDRESSES {
        tree.each(places, &mut |path, value| {
            let address = value.as_str().filter(|text| !text.is_empty());
            if address.is_some_and(|text| others.have_address(text)) {
                found.get_or_insert_with(|| (path.to_string(), value.shown()));
            }
        });
    }
    Ok(found)
}

/// Whether a request gives a container a name by its query.
fn names_a_container(target: &Target) -> bool {
    let path = target.path();
    path.starts_with(b"/containers/") && (path.ends_with(b"/create") || path.ends_with(b"/rename"))
}

/// Whether a request makes or changes containers by its body.
fn makes(route: &str) -> bool {
    const ROUTES: [&str; 3] = [
        "POST /containers/create",
        "POST /services/create",
        "POST /services/{id!}/update",
    ];
    ROUTES.contains(&route)
}

/// Writes those labels in that are not given.
fn write(request: &mut Request, fits: impl Fn(&str) -> bool) {
    let others = Arc::clone(&request.others);
    let mut keys = others.label_keys().filter(|key| fits(key)).peekable();
    if keys.peek().is_none() || request.draft.is_empty() {
        return;
    }
    let Some((body, tree)) = request.draft.asked_mut() else {
        return;
    };
    let place = match body.route.text {
        route if !makes(route) => return,
        "POST /containers/create" => LABELS[0],
        _ if tree.at("TaskTemplate.ContainerSpec").as_object().is_some() => LABELS[1],
        _ => return,
    };
    let labels = tree.at_mut(place).and_then(Value::object_mut);
    let Some(labels) = labels else { return };
    for key in keys {
        if labels.get(key).is_none() {
            labels.set(key.to_owned(), "");
        }
    }
}
