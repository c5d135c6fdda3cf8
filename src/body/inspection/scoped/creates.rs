//! The labels and the name of what a request makes or changes: those of its scope.

use std::collections::BTreeSet;

use super::look::Looking;
use super::queries::taken;
use super::{Finding, OUTSIDE_NAMES, Request, denied, scope_of};
use crate::api::ObjectKind;
use crate::api::sections::Role;
use crate::body::facts::Fact;
use crate::body::inspection::{Told, query, unreadable};
use crate::body::json::Value;
use crate::body::scope::OWN_LABELS;
use crate::policy::Unmet;

pub(super) fn settle(request: &mut Request) -> Finding {
    let written = match (
        request.scoped.has(Role::Created),
        request.scoped.has(Role::Commit),
    ) {
        (true, _) => created(request),
        (_, true) => committed(request),
        _ => return Finding::Nothing,
    };
    match written {
        Ok(()) if request.scoped.has(Role::Created) => name(request),
        Ok(()) => Finding::Nothing,
        Err(unmet) => Finding::Refused(unmet),
    }
}

/// Writes the labels in, once.
fn created(request: &mut Request) -> Result<(), Unmet> {
    if request.scoped.is_settled(Role::Created) || request.inspection.is_waived() {
        return Ok(());
    }
    let scope = scope_of(request).ok_or_else(|| unreadable("it cannot be judged"))?;
    let kind = request.scoped.kind(Role::Created);
    let is_service = kind == Some(ObjectKind::Service);
    let Some((_, tree)) = request.draft.asked_mut() else {
        return Err(unreadable("its body was not read"));
    };
    let own = scope.labels(kind.unwrap_or(ObjectKind::Container));
    mark(tree, "Labels", own)?;
    if is_service {
        let template = tree.at("TaskTemplate");
        let runtime = template.at("Runtime").as_str().unwrap_or_default();
        if !["", "container"].contains(&runtime)
            || template.at("ContainerSpec").as_object().is_none()
        {
            let why = "has no containers that could be held to SCOPE";
            return Err(denied("TaskTemplate", runtime, why));
        }
        mark(tree, "TaskTemplate.ContainerSpec.Labels", own)?;
    }
    for mounts in ["HostConfig.Mounts[]", "TaskTemplate.ContainerSpec.Mounts[]"] {
        anonymous(tree, mounts, own)?;
    }
    request.scoped.settled(Role::Created);
    Ok(())
}

/// Volumes without a name are made with what they are mounted by. All others are made before that.
fn anonymous(tree: &mut Value, mounts: &str, own: &[(String, String)]) -> Result<(), Unmet> {
    let mut marked = Ok(());
    tree.each_mut(mounts, &mut |_, mount| {
        let is_volume = mount.at("Type").as_str() == Some("volume");
        if is_volume && mount.at("Source").is_empty() && marked.is_ok() {
            marked = mark(mount, "VolumeOptions.Labels", own);
        }
    });
    marked
}

/// An image takes over the labels of its container, and gives them to every container that anybody
/// starts from it. Unless images are anybody's, it is freed from them.
fn committed(request: &mut Request) -> Result<(), Unmet> {
    if request.scoped.is_settled(Role::Created) || request.inspection.is_waived() {
        return Ok(());
    }
    let scope = scope_of(request).ok_or_else(|| unreadable("it cannot be judged"))?;
    let Some((_, tree)) = request.draft.asked_mut() else {
        return Err(unreadable("its body was not read"));
    };
    match scope.covers(ObjectKind::Image) {
        true => mark(tree, "Labels", scope.labels(ObjectKind::Image))?,
        false => {
            let labels = tree.at_mut("Labels").and_then(Value::object_mut);
            let labels = labels.ok_or_else(|| unreadable("its labels cannot be read"))?;
            for (key, _) in scope.labels(ObjectKind::Container) {
                labels.set(key.clone(), "");
            }
        }
    }
    // These would be written over the labels.
    if !query::all(request.draft.target(), "changes")?.is_empty() {
        let why = "can set labels, and so is refused under SCOPE; send a configuration as the body";
        return Err(denied("the parameter changes", "", why));
    }
    request.scoped.settled(Role::Created);
    Ok(())
}

/// Writes the labels of a scope in there.
fn mark(tree: &mut Value, place: &'static str, own: &[(String, String)]) -> Result<(), Unmet> {
    let labels = tree.at_mut(place).and_then(Value::object_mut);
    let labels = labels.ok_or_else(|| unreadable(format_args!("{place} must be an object")))?;
    let is_own = |key: &str| own.iter().any(|(own, _)| own == key);
    if let Some((key, _)) = labels
        .iter()
        .find(|(key, _)| key.starts_with(OWN_LABELS) && !is_own(key))
    {
        let why = "is a label that dockgate alone sets";
        return Err(denied(place, key, why));
    }
    for (key, value) in own {
        match labels.get(key).filter(|own| **own != Value::Null) {
            None => labels.set(key.clone(), value.as_str()),
            Some(own) if own.as_str() == Some(value) => {}
            Some(other) => {
                let place = format!("{place}[{key:?}]");
                let why = format!("is not in scope: SCOPE has {key}={value}; remove the label");
                return Err(denied(&place, &other.shown(), why));
            }
        }
    }
    Ok(())
}

/// What is made has a name that the scope admits, and that nothing hidden has.
fn name(request: &mut Request) -> Finding {
    let looking = Looking::new(&request.demands, &request.facts);
    let Some(kind) = request.scoped.kind(Role::Created) else {
        return Finding::Refused(unreadable("it cannot be judged"));
    };
    // What is changed keeps its name.
    if request.scoped.has(Role::Object) {
        return Finding::Nothing;
    }
    let (place, name) = match kind {
        ObjectKind::Container => match query::one(request.draft.target(), "name") {
            Ok(name) => ("the parameter name", name),
            Err(unmet) => return Finding::Refused(unmet),
        },
        _ => {
            let name = request.draft.tree().at("Name").as_str();
            ("Name", name.unwrap_or_default().to_owned())
        }
    };
    let plain = name.strip_prefix('/').unwrap_or(&name);
    if !looking.admits(plain) {
        return Finding::Refused(denied(place, &name, OUTSIDE_NAMES));
    }
    if name.is_empty() {
        return Finding::Nothing;
    }
    match looking.is_taken(kind, &name) {
        Err(fact) => Finding::asks(BTreeSet::<Fact>::from([fact])),
        Ok(false) => Finding::Nothing,
        Ok(true) => Finding::Answer(match kind {
            ObjectKind::Container => taken(plain),
            other => Told::Taken(format!("{other} with name {name} already exists")),
        }),
    }
}
