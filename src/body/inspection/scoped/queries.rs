//! The queries of lists, prunes and renames: they name nothing that is hidden, and lead to nothing that
//! is out of scope.

use std::collections::BTreeSet;

use super::decoy;
use super::look::{Look, Looking};
use super::{Finding, Request, denied, scope_of};
use crate::api::sections::Role;
use crate::api::{ObjectKind, Target, Version};
use crate::body::facts::Fact;
use crate::body::inspection::{Told, query, unreadable};
use crate::body::json::{Limits, Object, Untyped, Value, read};
use crate::policy::Unmet;

pub(super) fn settle(request: &mut Request) -> Finding {
    if request.scoped.has(Role::List) && !request.scoped.is_settled(Role::List) {
        return list(request);
    }
    if request.scoped.has(Role::Pruned) && !request.scoped.is_settled(Role::Pruned) {
        return prune(request);
    }
    if request.scoped.has(Role::Named) && !request.scoped.is_settled(Role::Named) {
        return rename(request);
    }
    Finding::Nothing
}

/// The filters that name other objects, by the kind that is listed. All else is about the objects
/// that are listed themselves.
const NAMING: &[(ObjectKind, &str, ObjectKind)] = &[
    (ObjectKind::Container, "before", ObjectKind::Container),
    (ObjectKind::Container, "since", ObjectKind::Container),
    (ObjectKind::Container, "network", ObjectKind::Network),
    (ObjectKind::Container, "volume", ObjectKind::Volume),
    (ObjectKind::Container, "ancestor", ObjectKind::Image),
    (ObjectKind::Image, "before", ObjectKind::Image),
    (ObjectKind::Image, "since", ObjectKind::Image),
    (ObjectKind::Task, "service", ObjectKind::Service),
];

/// A list: what its filters name is seen, or something that does not exist stands in its place. How
/// many of all containers are shown is up to what is seen.
fn list(request: &mut Request) -> Finding {
    let looking = Looking::new(&request.demands, &request.facts);
    let Some(kind) = request.scoped.kind(Role::List) else {
        return Finding::Refused(unreadable("it cannot be judged"));
    };
    let target = request.draft.target().clone();
    let mut filters = match filters(&target) {
        Ok(filters) => filters,
        Err(unmet) => return Finding::Refused(unmet),
    };
    let given = filters.to_json();
    let mut needs = BTreeSet::new();
    let mut aliases = Vec::new();
    let mut settle = |kind: ObjectKind, name: &mut String| {
        // Volumes are looked for by where they are mounted, too, and no name is a path.
        let is_path = kind == ObjectKind::Volume && name.contains('/');
        if !looking.covers(kind) || is_path {
            return;
        }
        match looking.at(kind, name) {
            Look::Asks(fact) => drop(needs.insert(fact)),
            Look::Owned(_) | Look::Shared(_) => {}
            Look::Hidden => {
                let alias = decoy::alias(kind, name);
                *name = decoy::in_place(&alias, name);
                aliases.push(alias);
            }
        }
    };
    let own = NAMING.iter().filter(|(listed, ..)| *listed == kind);
    for (_, key, named) in own {
        for value in filters.values_mut(key) {
            settle(*named, value);
        }
    }
    let mut edits = Vec::new();
    if kind == ObjectKind::Container {
        // So it was written before API 1.24, and engines read it still.
        for key in ["before", "since"] {
            let given = match query::one(&target, key) {
                Ok(value) => value,
                Err(unmet) => return Finding::Refused(unmet),
            };
            let mut name = given.clone();
            if !given.is_empty() {
                settle(ObjectKind::Container, &mut name);
            }
            if name != given {
                edits.push((key, Some(name)));
            }
        }
        match query::one(&target, "limit") {
            Err(unmet) => return Finding::Refused(unmet),
            Ok(limit) => {
                // What is no number, the engine refuses.
                let most = limit.parse::<i64>().ok().filter(|most| *most > 0);
                if let Some(most) = most {
                    request.scoped.limit = usize::try_from(most).ok();
                    edits.push(("limit", None));
                    edits.push(("all", Some("1".to_owned())));
                }
            }
        }
    }
    if !needs.is_empty() {
        return Finding::asks(needs);
    }
    let filters = filters.to_json();
    if filters != given {
        edits.push(("filters", Some(filters)));
    }
    request.scoped.aliases.extend(aliases);
    request.scoped.settled(Role::List);
    write(request, &edits)
}

/// A prune: the labels of the scope are added to its filters, all of which must hold.
fn prune(request: &mut Request) -> Finding {
    let Some(kind) = request.scoped.kind(Role::Pruned) else {
        return Finding::Refused(unreadable("it cannot be judged"));
    };
    let Some(scope) = scope_of(request) else {
        return Finding::Refused(unreadable("it cannot be judged"));
    };
    if !scope.covers(kind) {
        let why = "would remove everybody's images; set SCOPE_IMAGES, or remove each by its name";
        return Finding::Refused(denied("a prune of images", "", why));
    }
    if scope.labels(kind).is_empty() {
        let why = "cannot be limited to the names in SCOPE; remove each by its name";
        return Finding::Refused(denied("a prune", "", why));
    }
    // Older engines have no such filter, and would remove everything.
    match request.facts.newest() {
        None => return Finding::asks([Fact::Version].into()),
        Some(Some(newest)) if newest >= LABEL_FILTER => {}
        Some(_) => {
            let why = "cannot be limited to the labels in SCOPE by this engine: it is too old";
            return Finding::Refused(denied("a prune", "", why));
        }
    }
    let mut filters = match filters(request.draft.target()) {
        Ok(filters) => filters,
        Err(unmet) => return Finding::Refused(unmet),
    };
    for (key, value) in scope.labels(kind) {
        filters.add("label", format!("{key}={value}"));
    }
    let edits = [("filters", Some(filters.to_json()))];
    request.scoped.settled(Role::Pruned);
    write(request, &edits)
}

/// The first API version in which prunes have filters by label.
const LABEL_FILTER: Version = Version(1, 30);

/// A new name, that no hidden object has.
fn rename(request: &mut Request) -> Finding {
    let looking = Looking::new(&request.demands, &request.facts);
    let name = match query::one(request.draft.target(), "name") {
        Ok(name) => name,
        Err(unmet) => return Finding::Refused(unmet),
    };
    let plain = name.strip_prefix('/').unwrap_or(&name);
    if !looking.admits(plain) {
        return Finding::Refused(denied("the parameter name", &name, super::OUTSIDE_NAMES));
    }
    match looking.is_taken(ObjectKind::Container, &name) {
        Err(fact) => Finding::asks([fact].into()),
        Ok(true) => Finding::Answer(taken(plain)),
        Ok(false) => {
            request.scoped.settled(Role::Named);
            Finding::Nothing
        }
    }
}

/// What the engine says of a container's name that is taken, without by whom.
pub(super) fn taken(name: &str) -> Told {
    Told::Taken(format!(
        "Conflict. The container name \"/{name}\" is already in use by another container. You have \
         to remove (or rename) that container to be able to reuse that name."
    ))
}

fn write(request: &mut Request, edits: &[(&str, Option<String>)]) -> Finding {
    let target = request.draft.target();
    match query::edited(target, edits) {
        Some(Ok(target)) => {
            request.draft.set_target(target);
            Finding::Nothing
        }
        Some(Err(())) => Finding::Refused(unreadable("its query cannot be written anew")),
        None => Finding::Nothing,
    }
}

/// The filters of a query: for each key its values.
struct FilterSet(Vec<(String, Vec<String>)>);

impl FilterSet {
    fn values_mut(&mut self, key: &str) -> impl Iterator<Item = &mut String> {
        let own = self.0.iter_mut().filter(move |(own, _)| own == key);
        own.flat_map(|(_, values)| values)
    }

    fn add(&mut self, key: &str, value: String) {
        match self.0.iter_mut().find(|(own, _)| own == key) {
            Some((_, values)) if values.contains(&value) => {}
            Some((_, values)) => values.push(value),
            None => self.0.push((key.to_owned(), vec![value])),
        }
    }

    /// In the form that all engines since API 1.22 write.
    fn to_json(&self) -> String {
        let mut filters = Object::default();
        for (key, values) in &self.0 {
            let mut own = Object::default();
            for value in values {
                own.set(value.clone(), true);
            }
            filters.set(key.clone(), own);
        }
        Value::from(filters).to_json()
    }
}

/// Reads the filters of a query, in both forms that engines know: a map of lists, and a map of maps
/// whose values are true.
fn filters(target: &Target) -> Result<FilterSet, Unmet> {
    let text = query::one(target, "filters")?;
    if text.is_empty() {
        return Ok(FilterSet(Vec::new()));
    }
    let unreadable = || unreadable("its filters are not read by all engines in the same way");
    let limits = Limits::default();
    let tree = read(text.as_bytes(), limits, Untyped).map_err(|_| unreadable())?;
    let mut all = Vec::new();
    for (key, values) in tree.as_object().ok_or_else(unreadable)?.iter() {
        let values: Option<Vec<String>> = match values {
            Value::List(list) => {
                let texts = list.iter().map(|value| value.as_str().map(str::to_owned));
                texts.collect()
            }
            Value::Object(object) => {
                let texts = object.iter().map(|(value, on)| match on {
                    Value::Bool(true) => Some(value.to_owned()),
                    _ => None,
                });
                texts.collect()
            }
            _ => None,
        };
        all.push((key.to_owned(), values.ok_or_else(unreadable)?));
    }
    Ok(FilterSet(all))
}
