//! `Term::Reserved`: the labels that dockgate sets are set by nobody else, where a policy of the process
//! has `SCOPE: created`. So no client moves an object into the scope of another, or out of it.

use std::collections::BTreeSet;

use super::finding::Finding;
use super::scoped::is_of;
use super::{Request, query, unreadable};
use crate::api::ObjectKind;
use crate::api::sections::Role;
use crate::body::facts::{Answer, Fact, Name};
use crate::body::json::{Limits, Object, Untyped, Value, read};
use crate::body::scope::{CREATED_BY, OWN_LABELS};
use crate::policy::{Excess, Term, Unmet};

/// Where bodies have labels of objects.
const LABELS: [&str; 5] = [
    "Labels",
    "HostConfig.Mounts[].VolumeOptions.Labels",
    // Where engines up to 26 look as well.
    "Mounts[].VolumeOptions.Labels",
    "TaskTemplate.ContainerSpec.Labels",
    "TaskTemplate.ContainerSpec.Mounts[].VolumeOptions.Labels",
];

/// Refuses such labels, and writes in what keeps those that are there.
pub(super) fn settle(request: &mut Request) -> Finding {
    if !request.has(|term| term == Term::Reserved) || request.inspection.is_waived() {
        return Finding::Nothing;
    }
    if let Err(unmet) = in_query(request).and_then(|()| in_body(request)) {
        return Finding::Refused(unmet);
    }
    match of_image(request) {
        Finding::Nothing => of_object(request),
        found => found,
    }
}

/// Whether the policy's own scope has that very label. An empty one means nothing, and is how an image is
/// freed from it.
fn is_own(request: &Request, key: &str, value: &Value) -> bool {
    if value.is_empty() {
        return true;
    }
    let scope = request.demands.scope.iter();
    let mut own = scope.flat_map(|scope| scope.labels());
    own.any(|(own, is)| own == key && value.as_str() == Some(is))
}

fn in_body(request: &Request) -> Result<(), Unmet> {
    let Some((_, tree)) = request.draft.asked() else {
        return Ok(());
    };
    let mut found = None;
    for place in LABELS {
        tree.each(place, &mut |path, labels| {
            let labels = labels.as_object().into_iter().flat_map(Object::iter);
            for (key, value) in labels.filter(|(key, _)| key.starts_with(OWN_LABELS)) {
                if !is_own(request, key, value) {
                    found.get_or_insert_with(|| reserved(&path.to_string(), key));
                }
            }
        });
    }
    found.map_or(Ok(()), Err)
}

/// A build has labels in its query, and an image that is committed or imported may get some there.
fn in_query(request: &Request) -> Result<(), Unmet> {
    let target = request.draft.target();
    for change in query::all(target, "changes")? {
        if change.to_lowercase().contains(OWN_LABELS) {
            return Err(reserved("the parameter changes", &change));
        }
    }
    for labels in query::all(target, "labels")?
        .iter()
        .filter(|text| !text.is_empty())
    {
        let unreadable = || unreadable("its labels are not read by all engines in the same way");
        let tree = read(labels.as_bytes(), Limits::default(), Untyped);
        let tree = tree.map_err(|_| unreadable())?;
        let labels = tree.as_object().into_iter().flat_map(Object::iter);
        for (key, value) in labels.filter(|(key, _)| key.starts_with(OWN_LABELS)) {
            if !is_own(request, key, value) {
                return Err(reserved("the parameter labels", key));
            }
        }
    }
    Ok(())
}

/// A container takes over the labels of its image: this one it does not.
fn of_image(request: &mut Request) -> Finding {
    let (image, place) = match request.draft.body().map(|body| body.route.text) {
        Some("POST /containers/create") => ("Image", "Labels"),
        Some("POST /services/create" | "POST /services/{id!}/update") => (
            "TaskTemplate.ContainerSpec.Image",
            "TaskTemplate.ContainerSpec.Labels",
        ),
        _ => return Finding::Nothing,
    };
    let Some((_, tree)) = request.draft.asked_mut() else {
        return Finding::Nothing;
    };
    let Some(fact) = tree.at(image).as_str().and_then(Fact::image) else {
        return Finding::Nothing;
    };
    let Some(answer) = request.facts.answer(&fact) else {
        return Finding::asks(BTreeSet::from([fact]));
    };
    let labels = answer
        .found()
        .map_or(Value::NULL, |image| image.at("Config.Labels"));
    let has_it = labels
        .as_object()
        .is_some_and(|labels| labels.get(CREATED_BY).is_some());
    if has_it
        && let Some(labels) = tree.at_mut(place).and_then(Value::object_mut)
        && labels.get(CREATED_BY).is_none_or(|own| *own == Value::Null)
    {
        labels.set(CREATED_BY, "");
    }
    Finding::Nothing
}

/// What is updated keeps it.
fn of_object(request: &mut Request) -> Finding {
    let Some((kind, name)) = is_of(&request.inspection, Role::Object) else {
        return Finding::Nothing;
    };
    let fact = Name::of(&name).and_then(|name| match kind {
        ObjectKind::Service => Some(Fact::Service(name)),
        ObjectKind::Secret => Some(Fact::Secret(name)),
        ObjectKind::Config => Some(Fact::Config(name)),
        _ => None,
    });
    let Some(fact) = fact else {
        return Finding::Nothing;
    };
    let found = match request.facts.answer(&fact) {
        None => return Finding::asks(BTreeSet::from([fact])),
        Some(Answer::Found(found)) => found,
        Some(_) => return Finding::Nothing,
    };
    let Some((_, tree)) = request.draft.asked_mut() else {
        return Finding::Nothing;
    };
    for place in ["Labels", "TaskTemplate.ContainerSpec.Labels"] {
        let before = found.at("Spec").at(place).as_object();
        let Some(value) = before.and_then(|labels| labels.get(CREATED_BY)) else {
            continue;
        };
        if let Some(labels) = tree.at_mut(place).and_then(Value::object_mut) {
            labels.set(CREATED_BY, value.clone());
        }
    }
    Finding::Nothing
}

fn reserved(place: &str, label: &str) -> Unmet {
    let excess = Excess {
        of: None,
        place: place.into(),
        value: label.into(),
        why: "is a label that dockgate alone sets".into(),
        by: None,
    };
    Unmet::Excess("SCOPE", vec![excess])
}
