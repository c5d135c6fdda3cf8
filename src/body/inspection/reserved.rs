//! `Term::Reserved`: labels that begin with `dockgate.` are set by dockgate alone, where a policy of the
//! process goes by them (`SCOPE: created`). No client of any policy sets one, and none takes it away.
//!
//! A container takes over the labels of its image, and an image those of what it is made from, which
//! anybody can have made. So each of them gets the label itself, empty unless its policy has another value:
//! what is in no scope comes into none. An image gets both: its own, and the one of its containers.

use std::collections::BTreeSet;

use super::archive::Archive;
use super::finding::Finding;
use super::others::CHOOSES;
use super::scoped::is_of;
use super::{Request, build, query, unreadable};
use crate::api::sections::Role;
use crate::api::{Method, ObjectKind, Target};
use crate::body::demands::Demands;
use crate::body::dockerfile::{self, Contents};
use crate::body::facts::{Answer, Fact, Name};
use crate::body::json::{Limits, Object, Untyped, Value, read};
use crate::body::scope::{CREATED_BY, IMAGE_CREATED_BY, OWN_LABELS};
use crate::policy::{Excess, Term, Unmet};

/// Where an update of a service, a secret or a config brings labels that stay.
const KEPT: [&str; 2] = ["Labels", "TaskTemplate.ContainerSpec.Labels"];

/// Judges what is asked for, and writes the empty label in.
pub(super) fn settle(request: &mut Request) -> Finding {
    if !request.has(|term| term == Term::Reserved) {
        return Finding::Nothing;
    }
    judge(request).unwrap_or_else(Finding::Refused)
}

fn judge(request: &mut Request) -> Result<Finding, Unmet> {
    if is_for(request.draft.target(), "POST /build") {
        labels_of_build(request)?;
    }
    let target = request.draft.target();
    changes(&query::all(target, "changes")?)?;
    triggers(request.draft.tree().at("OnBuild"))?;
    let before = match before(request) {
        Ok(before) => before,
        Err(fact) => return Ok(Finding::asks([fact].into())),
    };
    let kept = match before {
        Some(Answer::Found(found)) => reserved(found.at("Spec")),
        // The engine says so.
        Some(Answer::Missing(_)) | None => BTreeSet::new(),
        Some(Answer::Unclear) => {
            return Err(unreadable("the engine does not say what labels it has"));
        }
    };
    let own = own_labels(request);
    refused(&reserved(request.draft.tree()), own, &kept)?;
    let before = match before {
        Some(Answer::Found(found)) => KEPT.map(|place| reserved(found.at("Spec").at(place))),
        _ => KEPT.map(|_| BTreeSet::new()),
    };
    if !request.inspection.is_waived() {
        keep(request, &before)?;
        write(request)?;
    }
    Ok(Finding::Nothing)
}

/// A build: what it starts from and its Dockerfile set labels as well, and those of the query come last.
fn labels_of_build(request: &mut Request) -> Result<(), Unmet> {
    let unread = || unreadable("its labels are not read by all engines in the same way");
    let target = request.draft.target();
    let mut tree = match &*query::one(target, "labels")? {
        "" => Value::from(Object::default()),
        text => read(text.as_bytes(), Limits::default(), Untyped).map_err(|_| unread())?,
    };
    refused(&reserved(&tree), own_labels(request), &BTreeSet::new())?;
    let labels = tree.object_mut().ok_or_else(unread)?;
    if request.inspection.is_waived() || !set(labels, &OF_IMAGES) {
        return Ok(());
    }
    match query::edited(target, &[("labels", Some(tree.to_json()))]) {
        Some(Ok(target)) => request.draft.set_target(target),
        _ => return Err(unreadable("its query cannot be written anew")),
    }
    Ok(())
}

/// The archive of a build by the classic builder: its containers have the labels that the Dockerfile sets
/// before those of the query. BuildKit has no such containers; a scope refuses it.
pub(super) fn archive(target: &Target, demands: &Demands) -> Result<Option<Archive>, Unmet> {
    if !is_for(target, "POST /build") {
        return Ok(None);
    }
    let is_classic = ["", "1"].contains(&&*query::one(target, "version")?);
    match is_classic || demands.scope.is_some() {
        true => build::read(target)?.archive().map(Some),
        false => Ok(None),
    }
}

/// Looks at what a commit has done in builds from its image.
fn triggers(all: &Value) -> Result<(), Unmet> {
    let texts = all.items().iter();
    let texts = texts.map(|one| one.as_str().unwrap_or_default());
    match dockerfile::triggers(texts) {
        Ok(Contents { label: None, .. }) => Ok(()),
        Ok(Contents {
            label: Some(refusal),
            ..
        })
        | Err(refusal) => {
            let place = format!("OnBuild[{}]", refusal.line - 1);
            Err(denied(&place, "", refusal.why))
        }
    }
}

/// All reserved labels somewhere in a body, with their values: no other key begins like that.
fn reserved(tree: &Value) -> BTreeSet<(String, String)> {
    fn collect(value: &Value, all: &mut BTreeSet<(String, String)>) {
        match value {
            Value::List(list) => list.iter().for_each(|item| collect(item, all)),
            Value::Object(object) => object.iter().for_each(|(key, value)| {
                if key.starts_with(OWN_LABELS) {
                    let text = value.as_str().map(str::to_owned);
                    all.insert((key.to_owned(), text.unwrap_or_else(|| value.to_json())));
                }
                collect(value, all);
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
        }
    }
    let mut all = BTreeSet::new();
    collect(tree, &mut all);
    all
}

/// The labels of the policy's scope, for what the request makes.
fn own_labels(request: &Request) -> &[(String, String)] {
    let target = request.draft.target();
    let kind = match is_for(target, "POST /build") || is_for(target, "POST /commit") {
        true => ObjectKind::Image,
        false => ObjectKind::Container,
    };
    let scope = request.demands.scope.as_ref();
    scope.map_or(&[], |scope| scope.labels(kind))
}

/// Refuses labels that are neither those of the policy's own scope, nor there already, nor empty.
fn refused(
    labels: &BTreeSet<(String, String)>,
    own: &[(String, String)],
    kept: &BTreeSet<(String, String)>,
) -> Result<(), Unmet> {
    let may = |label: &&(String, String)| {
        own.contains(label) || kept.contains(label) || is_nobodys(&label.0, &label.1)
    };
    match labels.iter().find(|label| !may(label)) {
        None => Ok(()),
        Some((key, value)) => {
            let why = "can only be set by dockgate (SCOPE: created); remove it";
            Err(denied(LABEL, &format!("{key}={value}"), why))
        }
    }
}

/// Whether a label says that something is in no scope, or that it chooses no policy: dockgate writes that
/// itself, and another round sees it.
fn is_nobodys(key: &str, value: &str) -> bool {
    [CREATED_BY, IMAGE_CREATED_BY, CHOOSES].contains(&key) && value.is_empty()
}

/// Writes labels in that an update would take away otherwise.
fn keep(request: &mut Request, before: &[BTreeSet<(String, String)>]) -> Result<(), Unmet> {
    let Some((_, tree)) = request.draft.asked_mut() else {
        return Ok(());
    };
    for (place, labels) in KEPT.iter().copied().zip(before) {
        if labels.is_empty() {
            continue;
        }
        let own = tree.at_mut(place).and_then(Value::object_mut);
        let own = own.ok_or_else(|| unreadable(format_args!("{place} must be an object")))?;
        for (key, value) in labels {
            own.set(key.clone(), value.as_str());
        }
    }
    Ok(())
}

/// Looks at the instructions of a commit or an import, as far as they are read in one way.
fn changes(all: &[String]) -> Result<(), Unmet> {
    const PLACE: &str = "the parameter changes";
    // The engine reads them together.
    for line in all.iter().flat_map(|change| change.split('\n')) {
        if line.trim_end().ends_with(['\\', '`']) {
            return Err(denied(
                PLACE,
                line,
                "continues on the next line; use one line for each instruction",
            ));
        }
        if !line.to_lowercase().contains("label") {
            continue;
        }
        if line.contains(['$', '\\', '`']) {
            let why = "may set a label that only dockgate can set; remove $, \\ and `";
            return Err(denied(PLACE, line, why));
        }
        let plain = line.replace(['"', '\''], "");
        if plain.contains(OWN_LABELS) {
            let why = "sets a label that only dockgate can set (SCOPE: created)";
            return Err(denied(PLACE, line, why));
        }
    }
    Ok(())
}

/// What the engine says of the object that is updated; nothing if none is.
pub(super) fn before(request: &Request) -> Result<Option<&Answer>, Fact> {
    // What has no such name does not exist.
    let named = is_of(&request.inspection, Role::Object);
    let named = named.and_then(|(kind, name)| Some((kind, Name::of(&name)?)));
    let fact = match named {
        Some((ObjectKind::Service, name)) => Fact::Service(name),
        Some((ObjectKind::Secret, name)) => Fact::Secret(name),
        Some((ObjectKind::Config, name)) => Fact::Config(name),
        _ => return Ok(None),
    };
    match request.facts.answer(&fact) {
        Some(answer) => Ok(Some(answer)),
        None => Err(fact),
    }
}

fn is_for(target: &Target, route: &str) -> bool {
    let method = target.method().is_some_and(|method| method == Method::Post);
    let path = route.strip_prefix("POST ").unwrap_or_default();
    method && target.path() == path.as_bytes()
}

/// Writes the empty label in, where labels of an image would count otherwise.
fn write(request: &mut Request) -> Result<(), Unmet> {
    let target = request.draft.target();
    let is_create = is_for(target, "POST /containers/create");
    let is_commit = is_for(target, "POST /commit");
    // Without a body, the engine makes no container.
    if is_create && request.draft.is_empty() {
        return Ok(());
    }
    let Some((body, tree)) = request.draft.asked_mut() else {
        return Ok(());
    };
    let place = match body.route.text {
        _ if is_create || is_commit => "Labels",
        "POST /services/create" | "POST /services/{id!}/update"
            if tree.at("TaskTemplate.ContainerSpec").as_object().is_some() =>
        {
            "TaskTemplate.ContainerSpec.Labels"
        }
        _ => return Ok(()),
    };
    let labels = tree.at_mut(place).and_then(Value::object_mut);
    let labels = labels.ok_or_else(|| unreadable(format_args!("{place} must be an object")))?;
    set(labels, if is_commit { &OF_IMAGES } else { &[CREATED_BY] });
    Ok(())
}

/// Writes empty labels in where there are none; whether it did.
fn set(labels: &mut Object, keys: &[&str]) -> bool {
    let absent: Vec<&str> = keys
        .iter()
        .copied()
        .filter(|key| labels.get(key).is_none())
        .collect();
    for key in &absent {
        labels.set((*key).to_owned(), "");
    }
    !absent.is_empty()
}

/// The labels of images that count.
const OF_IMAGES: [&str; 2] = [CREATED_BY, IMAGE_CREATED_BY];

/// What a refusal is about.
const LABEL: &str = "the label";

/// A label that dockgate alone sets, or what sets one.
pub(super) fn denied(place: &str, value: &str, why: &str) -> Unmet {
    let excess = Excess {
        of: None,
        place: place.into(),
        value: value.into(),
        why: why.into(),
        by: None,
    };
    Unmet::Excess(Term::Reserved.variable(), vec![excess])
}
