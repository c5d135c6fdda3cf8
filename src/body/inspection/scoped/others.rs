//! What keeps what a request makes or changes out of the scopes of other policies: the names and labels that it
//! gives, and an empty label in place of each that an image could bring.
//!
//! No refusal depends on what there is, so that none tells of it.

use std::collections::BTreeSet;

use super::look::{Look, Looking};
use super::{Finding, Request, denied, scope_of};
use crate::api::ObjectKind;
use crate::api::sections::Role;
use crate::body::facts::{Answer, Fact};
use crate::body::image::Name;
use crate::body::inspection::reserved::before;
use crate::body::inspection::{query, unreadable};
use crate::body::json::{Limits, Object, Untyped, Value, read};
use crate::body::reach::{self, Engine, What};
use crate::body::scope::{Other, Scope};
use crate::policy::Unmet;

pub(super) fn settle(request: &mut Request) -> Finding {
    match scope_of(request) {
        Some(scope) if scope.has_others() => {
            judge(request, &scope).unwrap_or_else(Finding::Refused)
        }
        _ => Finding::Nothing,
    }
}

fn judge(request: &mut Request, scope: &Scope) -> Result<Finding, Unmet> {
    names(request, scope)?;
    images(request, scope)?;
    let needs = volumes(request, scope)?;
    if !needs.is_empty() {
        return Ok(Finding::asks(needs));
    }
    labels(request, scope)?;
    Ok(Finding::Nothing)
}

/// The name of what is made or renamed.
fn names(request: &Request, scope: &Scope) -> Result<(), Unmet> {
    const PARAMETER: &str = "the parameter name";
    let (target, tree) = (request.draft.target(), request.draft.tree());
    let is_new = request.scoped.has(Role::Created) && !request.scoped.has(Role::Object);
    let kind = match request.scoped.kind(Role::Created) {
        Some(kind) if is_new => kind,
        _ if request.scoped.has(Role::Named) => ObjectKind::Container,
        _ => return Ok(()),
    };
    let (place, name) = match kind {
        ObjectKind::Container => (PARAMETER, query::one(target, "name")?),
        _ => (
            "Name",
            tree.at("Name").as_str().unwrap_or_default().to_owned(),
        ),
    };
    let plain = name.strip_prefix('/').unwrap_or(&name);
    if kind == ObjectKind::Container && plain.is_empty() {
        return match scope.other_nameless() {
            Some(other) => {
                let why = format!(
                    "is missing, and the engine could choose one in the scope of {other}; set it"
                );
                Err(denied(PARAMETER, "", why))
            }
            None => Ok(()),
        };
    }
    let by_tasks = (kind == ObjectKind::Service).then(|| scope.other_with_tasks(plain));
    refused(
        place,
        &name,
        scope.other_named(kind, &[plain]).or(by_tasks.flatten()),
    )
}

/// The names of images, and what brings images that cannot be looked at.
fn images(request: &Request, scope: &Scope) -> Result<(), Unmet> {
    let target = request.draft.target();
    // What is no name, the engine refuses.
    let named = |place: &str, text: &str, name: Option<Name>| {
        refused(place, text, name.and_then(|name| scope.other_image(&name)))
    };
    let repository = || -> Result<(), Unmet> {
        let (text, tag) = (query::one(target, "repo")?, query::one(target, "tag")?);
        let name = Name::parse(&text).ok();
        let name = name.and_then(|name| match &*tag {
            "" => Some(name),
            tag => name.with(tag).ok(),
        });
        named("the parameter repo", &text, name.map(Name::or_latest))
    };
    if request.scoped.has(Role::Tag) || request.scoped.has(Role::Commit) {
        repository()?;
    }
    if request.scoped.has(Role::Build) {
        for text in query::all(target, "t")? {
            let name = Name::parse(&text).ok().map(Name::or_latest);
            named("the parameter t", &text, name)?;
        }
    }
    let is_import = request.scoped.has(Role::Pull) && !query::one(target, "fromSrc")?.is_empty();
    if is_import || request.scoped.has(Role::Load) {
        let place = "an archive of images";
        if let Some(other) = scope.other_of_images() {
            let why = format!("could bring one into the scope of {other}; pull or build it");
            return Err(denied(place, "", why));
        }
    } else if request.scoped.has(Role::Pull)
        && let Some(pulled) = request.draft.pulled().map_err(unreadable)?
    {
        named("the parameter fromImage", &pulled.image, pulled.name().ok())?;
    }
    Ok(())
}

/// The named volumes that are made for a container or a service. Those in scope and shared ones are there.
fn volumes(request: &Request, scope: &Scope) -> Result<BTreeSet<Fact>, Unmet> {
    let mut needs = BTreeSet::new();
    let Some((body, tree)) = request
        .draft
        .asked()
        .filter(|_| request.scoped.has(Role::Body))
    else {
        return Ok(needs);
    };
    let looking = Looking::new(&request.demands, &request.facts);
    for claim in reach::asked(body, tree, &Engine::default()).map_err(unreadable)? {
        let What::Volume { name, .. } = &claim.what else {
            continue;
        };
        let Some(other) = scope.other_named(ObjectKind::Volume, &[name]) else {
            continue;
        };
        match looking.at(ObjectKind::Volume, name) {
            Look::Asks(fact) => drop(needs.insert(fact)),
            Look::Owned(_) | Look::Shared(_) => {}
            Look::Hidden => refused("a volume", name, Some(other))?,
        }
    }
    Ok(needs)
}

/// Where a body has labels, of which kind of object, and whether an image brings more.
type Labelled = (&'static str, ObjectKind, bool);

/// The labels that are given; and an empty one for each that an image could bring.
fn labels(request: &mut Request, scope: &Scope) -> Result<(), Unmet> {
    if request.scoped.has(Role::Build) {
        return built(request, scope);
    }
    const OF_TASKS: &str = "TaskTemplate.ContainerSpec.Labels";
    let own = request.scoped.kind(Role::Created);
    let places: &[Labelled] = match own {
        Some(ObjectKind::Container) => &[("Labels", ObjectKind::Container, true)],
        Some(ObjectKind::Service) => &[
            ("Labels", ObjectKind::Service, false),
            (OF_TASKS, ObjectKind::Container, true),
        ],
        Some(kind) => &[("Labels", kind, false)],
        None if request.scoped.has(Role::Commit) => &[("Labels", ObjectKind::Image, true)],
        None => return Ok(()),
    };
    let former = match before(request) {
        Ok(answer) => answer.and_then(Answer::found).map(|found| found.at("Spec")),
        // It has been asked for, where something is updated.
        Err(_) => return Err(unreadable("the engine does not say what labels it has")),
    };
    let tree = request.draft.tree();
    let service = tree.at("Name").as_str().unwrap_or_default();
    let nothing = Object::default();
    let mut missing = Vec::new();
    for (place, kind, inherits) in places {
        let given = tree.at(place).as_object().unwrap_or(&nothing);
        let service = (*place == OF_TASKS).then_some(service);
        let former = former.and_then(|former| former.at(place).as_object());
        let keys = apart(scope, place, *kind, given, service, former)?;
        if *inherits {
            missing.extend(keys.into_iter().map(|key| (*place, key.to_owned())));
        }
    }
    // The volumes that the engine makes for it get their labels from here.
    let mut wrong = None;
    for mounts in ["HostConfig.Mounts[]", "TaskTemplate.ContainerSpec.Mounts[]"] {
        tree.each(mounts, &mut |_, mount| {
            let given = mount.at("VolumeOptions.Labels").as_object();
            let given = given.unwrap_or(&nothing);
            let found = apart(
                scope,
                "VolumeOptions.Labels",
                ObjectKind::Volume,
                given,
                None,
                None,
            );
            wrong = wrong.take().or(found.err());
        });
    }
    if let Some(unmet) = wrong {
        return Err(unmet);
    }
    if request.inspection.is_waived() || request.draft.is_empty() && own.is_some() {
        return Ok(());
    }
    for (place, key) in missing {
        let tree = request.draft.asked_mut().map(|(_, tree)| tree);
        let labels = tree.and_then(|tree| tree.at_mut(place)?.object_mut());
        let labels = labels.ok_or_else(|| unreadable(format_args!("{place} must be an object")))?;
        labels.set(key, "");
    }
    Ok(())
}

/// The labels that a build gives last.
fn built(request: &mut Request, scope: &Scope) -> Result<(), Unmet> {
    const PARAMETER: &str = "labels";
    let unread = || unreadable("its labels are not read by all engines in the same way");
    let target = request.draft.target();
    let mut tree = match &*query::one(target, PARAMETER)? {
        "" => Value::from(Object::default()),
        text => read(text.as_bytes(), Limits::default(), Untyped).map_err(|_| unread())?,
    };
    let labels = tree.object_mut().ok_or_else(unread)?;
    let place = "the parameter labels";
    let missing = apart(scope, place, ObjectKind::Image, labels, None, None)?;
    if missing.is_empty() || request.inspection.is_waived() {
        return Ok(());
    }
    for key in missing {
        labels.set(key.to_owned(), "");
    }
    match query::edited(target, &[(PARAMETER, Some(tree.to_json()))]) {
        Some(Ok(target)) => request.draft.set_target(target),
        _ => return Err(unreadable("its query cannot be written anew")),
    }
    Ok(())
}

/// The keys that an image must not bring.
fn apart<'s>(
    scope: &'s Scope,
    place: &str,
    kind: ObjectKind,
    labels: &Object,
    service: Option<&str>,
    before: Option<&Object>,
) -> Result<BTreeSet<&'s str>, Unmet> {
    let apart = scope.apart(kind, labels, service, before);
    apart.map_err(|(other, (key, value))| {
        let why = format!("is in the scope of {other}; remove the label");
        denied(&format!("{place}[{key:?}]"), value, why)
    })
}

fn refused(place: &str, name: &str, other: Option<&Other>) -> Result<(), Unmet> {
    match other {
        Some(other) => {
            let why = format!("is in the scope of {other}; use another name");
            Err(denied(place, name, why))
        }
        None => Ok(()),
    }
}
