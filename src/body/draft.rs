//! A request that mutators edit and gates judge: what it asks the engine to do, its target, and what
//! the engine reads in its body.
//!
//! It exists only for a request that is read in one way. A form, whose values the engine prefers to
//! those of the query, a version that Docker does not know, and a write below `/libpod`, whose bodies
//! are of another shape, are refused before a mutator or a gate could miss what they say.

mod query;
#[cfg(test)]
mod tests;

use std::fmt::{self, Display, Formatter};

use super::Place;
use super::json::{self, Limits, Object, Value};
use crate::api::fields::{BODIES, Body, Kind};
use crate::api::{Message, Method, Target};

/// A request between the client and the engine.
#[derive(Clone, Debug)]
pub struct Draft {
    act: Act,
    target: Target,
    tree: Value,
}

/// What a request asks for, of what mutators and gates look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// `POST /containers/create`
    CreateContainer,
    /// `POST /containers/{id}/start`, which had a body before API 1.24.
    StartContainer,
    /// `POST /networks/create`
    CreateNetwork,
    /// `POST /volumes/create`
    CreateVolume,
    /// `POST /services/create`
    CreateService,
    /// `POST /services/{id}/update`
    UpdateService,
    /// `POST /build`
    Build,
    /// `POST /images/create`: from a registry, or an import.
    Pull,
    /// `POST /images/load`
    Load,
    /// `POST /plugins/pull` and `POST /plugins/{name}/upgrade`
    PullPlugin,
    /// `GET /images/{name}/json`
    InspectImage(String),
    /// Another read.
    Read,
    /// Another write.
    Write,
}

impl Act {
    fn of(method: Option<Method>, path: &[u8]) -> Act {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let name = |before: &str, behind: &str| {
            let rest = path.strip_prefix(before.as_bytes())?;
            let name = rest.strip_suffix(behind.as_bytes())?;
            (!name.is_empty()).then_some(name)
        };
        match (method, path) {
            (Some(Method::Get), _) => name("/images/", "/json")
                .and_then(|name| str::from_utf8(name).ok())
                .map_or(Act::Read, |name| Act::InspectImage(name.to_owned())),
            (Some(Method::Head), _) => Act::Read,
            (Some(Method::Post), b"/containers/create") => Act::CreateContainer,
            (Some(Method::Post), b"/networks/create") => Act::CreateNetwork,
            (Some(Method::Post), b"/volumes/create") => Act::CreateVolume,
            (Some(Method::Post), b"/services/create") => Act::CreateService,
            (Some(Method::Post), b"/build") => Act::Build,
            (Some(Method::Post), b"/images/create") => Act::Pull,
            (Some(Method::Post), b"/images/load") => Act::Load,
            (Some(Method::Post), b"/plugins/pull") => Act::PullPlugin,
            (Some(Method::Post), _) => {
                if name("/containers/", "/start").is_some() {
                    Act::StartContainer
                } else if name("/services/", "/update").is_some() {
                    Act::UpdateService
                } else if name("/plugins/", "/upgrade").is_some() {
                    Act::PullPlugin
                } else {
                    Act::Write
                }
            }
            _ => Act::Write,
        }
    }

    /// The JSON body that the engine reads for it.
    pub fn body(&self) -> Option<&'static Body> {
        let path = match self {
            Act::CreateContainer => "POST /containers/create",
            Act::StartContainer => "POST /containers/{id}/start",
            Act::CreateNetwork => "POST /networks/create",
            Act::CreateVolume => "POST /volumes/create",
            Act::CreateService => "POST /services/create",
            Act::UpdateService => "POST /services/{id}/update",
            _ => return None,
        };
        BODIES.iter().find(|body| body.route.text == path)
    }

    /// Whether nothing but reading is asked for.
    pub fn only_reads(&self) -> bool {
        matches!(self, Act::Read | Act::InspectImage(_))
    }
}

impl Draft {
    /// A request by its head, with an empty body.
    ///
    /// # Errors
    /// It is not read in one way.
    pub fn new(target: Target, message: &Message) -> Result<Draft, Objection> {
        let unclear = |why| Err(Objection::new("the request", "", why));
        let act = Act::of(target.method(), target.path());
        let other = target.behind_other_version();
        let other = other.map(|path| Act::of(target.method(), path));
        if other.is_some_and(|other| !other.only_reads()) {
            return unclear("has a version that Docker does not know");
        }
        if !act.only_reads() && target.path().starts_with(b"/libpod/") {
            return unclear("is a write of Podman's own API, which cannot be judged");
        }
        if !act.only_reads() && message.is_form() && message.length() != Some(0) {
            return unclear("has a form as its body, whose values the engine prefers to the query");
        }
        Ok(Draft {
            act,
            target,
            tree: Value::Null,
        })
    }

    /// Reads the body as the engine would, if the engine reads JSON here. Without any bytes it is
    /// `{}`.
    ///
    /// # Errors
    /// It is not read in one way.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), Objection> {
        let Some(body) = self.act.body() else {
            return Ok(());
        };
        self.tree = match json::read(bytes, Limits::default(), Place::of(body)) {
            Ok(tree) => tree,
            Err(json::Refusal::Empty) => Object::default().into(),
            Err(refusal) => {
                return Err(Objection::new("", "", refusal.to_string()));
            }
        };
        Ok(())
    }

    /// What it asks for.
    pub fn act(&self) -> &Act {
        &self.act
    }

    /// Its target.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What the engine reads in its body; null if it reads none, or if it was not read.
    pub fn tree(&self) -> &Value {
        &self.tree
    }

    /// The same, to be edited.
    pub fn tree_mut(&mut self) -> &mut Value {
        &mut self.tree
    }

    /// Its parts, to be forwarded.
    pub fn into_parts(self) -> (Target, Value) {
        (self.target, self.tree)
    }

    /// Refuses a request whose body counts and was not read.
    pub(super) fn was_read(&self) -> Result<(), Objection> {
        match self.act.body().is_some() && self.tree == Value::Null {
            false => Ok(()),
            true => Err(Objection::new("the body", "", "was not read")),
        }
    }

    /// Another path, of the same act.
    pub(super) fn set_path(&mut self, path: &str) -> Result<(), Objection> {
        let target = self.target.with_path(path);
        self.target =
            target.map_err(|error| Objection::new("the path", path, error.to_string()))?;
        self.act = Act::of(self.target.method(), self.target.path());
        Ok(())
    }

    /// Whether all engines take the same HostConfig from it. Those up to 26 look for its fields at
    /// the top of a body that has none.
    pub(super) fn has_one_host_config(&self) -> Result<(), Objection> {
        let (Some(body), Some(fields)) = (self.act.body(), self.tree.as_object()) else {
            return Ok(());
        };
        let Kind::Object(object) = &body.root.kind else {
            return Ok(());
        };
        if fields
            .get("HostConfig")
            .is_some_and(|own| *own != Value::Null)
        {
            return Ok(());
        }
        let is_legacy = |name: &str| {
            let found = object.any_field(name);
            found.is_some_and(|(_, legacy)| legacy)
        };
        let outside = |(name, value): &(&str, &Value)| !value.is_empty() && is_legacy(name);
        match fields.iter().find(outside) {
            Some((name, value)) => Err(Objection::new(
                name,
                value.shown(),
                "stands outside HostConfig, where only engines up to 26 read it",
            )),
            None => Ok(()),
        }
    }
}

/// Why a request is not forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// Where: `HostConfig.Binds[0]`, `the parameter fromImage`; empty if `why` says it.
    pub place: String,
    /// What is there; empty if nothing is.
    pub value: String,
    /// What is wrong with it: `is not allowed: mountSource has /srv/ci`.
    pub why: String,
}

impl Objection {
    pub(super) fn new(
        place: impl Into<String>,
        value: impl Into<String>,
        why: impl Into<String>,
    ) -> Objection {
        Objection {
            place: place.into(),
            value: value.into(),
            why: why.into(),
        }
    }
}

/// `HostConfig.Binds[0]: /etc is not allowed: mountSource has /srv/ci`
impl Display for Objection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (&*self.place, &*self.value) {
            ("", _) => f.write_str(&self.why),
            (place, "") => write!(f, "{place} {}", self.why),
            (place, value) => write!(f, "{place}: {value} {}", self.why),
        }
    }
}

impl std::error::Error for Objection {}
