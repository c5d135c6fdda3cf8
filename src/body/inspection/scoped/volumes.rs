//! The named volumes that a container mounts: those that do not exist are made first, with the scope's
//! labels, because the engine would make them without.

use std::collections::BTreeSet;

use super::look::{Look, Looking};
use super::{Finding, OUTSIDE_NAMES, Request, denied};
use crate::api::ObjectKind;
use crate::api::sections::Role;
use crate::body::facts::{Answer, Fact};
use crate::body::inspection::{Told, unreadable};
use crate::body::json::{Limits, Object, Untyped, Value, read};
use crate::body::reach::{self, Engine, What};

/// What the engine is asked to make before a request is forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Make {
    /// Where: `/volumes/create`.
    pub path: &'static str,
    /// As JSON.
    pub body: Vec<u8>,
    /// What it is called.
    pub name: String,
}

/// What the engine said of it: the status and the body.
pub type Made = (u16, Vec<u8>);

pub(super) fn settle(request: &mut Request) -> Finding {
    if !request.scoped.has(Role::Body) {
        return Finding::Nothing;
    }
    let looking = Looking::new(&request.demands, &request.facts);
    let asked = request.draft.asked();
    let asked = asked.filter(|(body, _)| body.route.text == "POST /containers/create");
    let Some((body, tree)) = asked else {
        return Finding::Nothing;
    };
    let claims = match reach::asked(body, tree, &Engine::default()) {
        Ok(claims) => claims,
        Err(too_many) => return Finding::Refused(unreadable(too_many)),
    };
    let names = claims.iter().filter_map(|claim| match &claim.what {
        What::Volume { name, .. } => Some(name.as_str()),
        _ => None,
    });
    let names: BTreeSet<&str> = names.filter(|name| !name.is_empty()).collect();
    let mut needs = BTreeSet::new();
    let mut makes = Vec::new();
    for name in names {
        let Some(fact) = Fact::volume(name) else {
            return Finding::Refused(denied(
                "a volume",
                name,
                "has a name that cannot be looked up",
            ));
        };
        match (
            looking.at(ObjectKind::Volume, name),
            looking.facts.answer(&fact),
        ) {
            (Look::Asks(fact), _) => drop(needs.insert(fact)),
            (Look::Owned(_) | Look::Shared(_), _) => {}
            (Look::Hidden, Some(Answer::Missing(_))) if !looking.admits(name) => {
                return Finding::Refused(denied("a volume", name, OUTSIDE_NAMES));
            }
            (Look::Hidden, Some(Answer::Missing(_))) => makes.push(Make {
                path: "/volumes/create",
                body: spec(tree, name, looking.labels(ObjectKind::Volume)),
                name: name.to_owned(),
            }),
            (Look::Hidden, _) => return Finding::Answer(taken(name)),
        }
    }
    if !needs.is_empty() {
        return Finding::asks(needs);
    }
    // By name, the engine's own is as good.
    if !looking.labels(ObjectKind::Volume).is_empty() {
        request.scoped.makes = makes;
    }
    Finding::Nothing
}

fn taken(name: &str) -> Told {
    Told::Taken(format!("volume with name {name} already exists"))
}

/// The volume as the engine would make it for a container, with these labels.
fn spec(container: &Value, name: &str, labels: &[(String, String)]) -> Vec<u8> {
    let config = container.at("HostConfig");
    let mut spec = Object::default();
    spec.set("Name", name);
    let mut all = Object::default();
    let mounts = config.at("Mounts").items().iter();
    let own = mounts
        .filter(|mount| mount.at("Type").as_str() == Some("volume"))
        .find(|mount| mount.at("Source").as_str() == Some(name));
    let driver = config.at("VolumeDriver");
    if let Some(options) = own.map(|mount| mount.at("VolumeOptions")) {
        let given = options.at("Labels").as_object();
        for (key, value) in given.into_iter().flat_map(Object::iter) {
            all.set(key.to_owned(), value.clone());
        }
        let driver = options.at("DriverConfig");
        if !driver.at("Name").is_empty() {
            spec.set("Driver", driver.at("Name").clone());
        }
        if !driver.at("Options").is_empty() {
            spec.set("DriverOpts", driver.at("Options").clone());
        }
    } else if !driver.is_empty() {
        spec.set("Driver", driver.clone());
    }
    for (key, value) in labels {
        all.set(key.clone(), value.as_str());
    }
    spec.set("Labels", all);
    Value::from(spec).to_json().into_bytes()
}

impl Make {
    /// Whether it was made, in scope.
    ///
    /// # Errors
    /// What is answered instead.
    pub(in super::super) fn was_made(&self, request: &Request, made: &Made) -> Result<(), Finding> {
        let (status, body) = made;
        let tree = read(body, Limits::default(), Untyped).unwrap_or_default();
        let marks = ObjectKind::Volume.inspected();
        let scope = request.demands.scope.as_ref();
        let is_named = tree.at("Name").as_str() == Some(&self.name);
        match *status {
            200 | 201 if is_named && scope.is_some_and(|scope| scope.owns(marks, &tree)) => Ok(()),
            200 | 201 => Err(Finding::Answer(taken(&self.name))),
            _ => {
                let why = tree
                    .at("message")
                    .as_str()
                    .unwrap_or("the engine did not say why");
                let why = format!("cannot be created: {why}");
                Err(Finding::Refused(denied("the volume", &self.name, why)))
            }
        }
    }
}
