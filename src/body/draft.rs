//! A request as it is to be forwarded: its target, and what the engine reads in its body. It is read
//! once; mutators edit it, limits write in what is missing, all judges judge it.

mod query;
#[cfg(test)]
mod tests;

use std::fmt::{self, Display, Formatter};

use super::Place;
use super::json::{self, Limits, Object, Value};
use crate::api::fields::{Body, Kind};
use crate::api::{Method, Target};
pub(super) use query::encoded;

/// A request between the client and the engine.
#[derive(Clone, Debug)]
pub struct Draft {
    act: Act,
    target: Target,
    /// Whether it is not the target that was sent.
    is_other_target: bool,
    /// What its body is to the engine, if the engine reads JSON here.
    body: Option<&'static Body>,
    /// What the engine reads in it; null if it was not read.
    tree: Value,
    /// Whether it was sent without any byte, which most routes take for `{}`.
    is_empty: bool,
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
    /// `POST /plugins/create`, `POST /plugins/{name}/set` and `POST /plugins/{name}/enable`
    SetUpPlugin,
    /// `GET /images/{name}/json`
    InspectImage(String),
    /// Another read.
    Read,
    /// Another write.
    Write,
}

impl Act {
    /// That of a method and a path, without its version.
    pub fn of(method: Option<Method>, path: &[u8]) -> Act {
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
            (Some(Method::Post), b"/plugins/create") => Act::SetUpPlugin,
            (Some(Method::Post), _) => {
                if name("/containers/", "/start").is_some() {
                    Act::StartContainer
                } else if name("/services/", "/update").is_some() {
                    Act::UpdateService
                } else if name("/plugins/", "/upgrade").is_some() {
                    Act::PullPlugin
                } else if ["/set", "/enable"]
                    .iter()
                    .any(|end| name("/plugins/", end).is_some())
                {
                    Act::SetUpPlugin
                } else {
                    Act::Write
                }
            }
            _ => Act::Write,
        }
    }

    /// Whether it has a JSON body.
    pub fn has_body(&self) -> bool {
        matches!(
            self,
            Act::CreateContainer
                | Act::StartContainer
                | Act::CreateNetwork
                | Act::CreateVolume
                | Act::CreateService
                | Act::UpdateService
        )
    }

    /// Whether nothing but reading is asked for.
    pub fn only_reads(&self) -> bool {
        matches!(self, Act::Read | Act::InspectImage(_))
    }
}

impl Draft {
    /// A request that was not read yet.
    pub fn new(target: Target) -> Draft {
        let method = target.method();
        Draft {
            act: Act::of(method, target.path()),
            body: method.and_then(|method| Body::of(method, &target)),
            target,
            is_other_target: false,
            tree: Value::Null,
            is_empty: false,
        }
    }

    /// Reads the body as the engine would, if the engine reads JSON here.
    ///
    /// # Errors
    /// It is not read in one way.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), json::Refusal> {
        let Some(body) = self.body else {
            return Ok(());
        };
        self.tree = match json::read(bytes, Limits::default(), Place::of(body)) {
            Ok(tree) => tree,
            Err(json::Refusal::Empty) => {
                self.is_empty = true;
                Object::default().into()
            }
            Err(refusal) => return Err(refusal),
        };
        if body.route.text.starts_with("POST /services/") {
            mounts_of_swarm(&mut self.tree);
            no_template(&self.tree)?;
        }
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

    /// What its body is to the engine, if the engine reads JSON here.
    pub fn body(&self) -> Option<&'static Body> {
        self.body
    }

    /// What the engine reads in its body; null if it reads none, or if it was not read.
    pub fn tree(&self) -> &Value {
        &self.tree
    }

    /// The same, to be edited.
    pub fn tree_mut(&mut self) -> &mut Value {
        &mut self.tree
    }

    /// What its body is, with what the engine reads in it, if that was read. Without any bytes it is
    /// `{}`.
    pub(super) fn asked(&self) -> Option<(&'static Body, &Value)> {
        let body = self.body.filter(|_| self.tree != Value::Null)?;
        Some((body, &self.tree))
    }

    /// Whether its body came without any bytes, and nothing has been written in.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty && self.tree.is_empty()
    }

    /// The same as `asked`, to be written in.
    pub(super) fn asked_mut(&mut self) -> Option<(&'static Body, &mut Value)> {
        let body = self.body.filter(|_| self.tree != Value::Null)?;
        Some((body, &mut self.tree))
    }

    /// The target, if it is not the one that was sent.
    pub(super) fn other_target(&self) -> Option<&Target> {
        Some(&self.target).filter(|_| self.is_other_target)
    }

    /// Refuses a request whose body counts and was not read.
    pub(super) fn was_read(&self) -> Result<(), Objection> {
        match self.act.has_body() && self.tree == Value::Null {
            false => Ok(()),
            true => Err(Objection::new("the body", "", "was not read")),
        }
    }

    /// The same request of another object, or with another query.
    pub(super) fn set_target(&mut self, target: Target) {
        self.target = target;
        self.is_other_target = true;
    }

    /// Another path, of the same act.
    pub(super) fn set_path(&mut self, path: &str) -> Result<(), Objection> {
        let target = self.target.with_path(path);
        let target = target.map_err(|error| Objection::new("the path", path, error.to_string()))?;
        *self = Draft {
            is_other_target: true,
            ..Draft::new(target)
        };
        Ok(())
    }

    /// Whether all engines find these fields of HostConfig in the same place. Those up to 26 look for
    /// them at the top of a body that has no HostConfig.
    pub(super) fn has_one_host_config(&self, names: &[&str]) -> Result<(), Objection> {
        let (Some(body), Some(fields)) = (self.body, self.tree.as_object()) else {
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
            found.is_some_and(|(field, legacy)| legacy && names.contains(&field.name))
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

/// Writes the types of mounts as everything else reads them: swarm puts them into upper case, and takes
/// none for a bind.
fn mounts_of_swarm(service: &mut Value) {
    service.each_mut("TaskTemplate.ContainerSpec.Mounts[]", &mut |_, mount| {
        let Some(mount) = mount.object_mut() else {
            return;
        };
        let kind = match mount.get("Type") {
            None | Some(Value::Null) => "bind".to_owned(),
            Some(kind) => match kind.as_str() {
                Some("") => "bind".to_owned(),
                Some(kind) => kind.to_uppercase().to_ascii_lowercase(),
                None => return,
            },
        };
        mount.set("Type", kind);
    });
}

/// Swarm fills in templates in all that a mount says, whenever a task starts: what is judged must be what it
/// is then.
fn no_template(service: &Value) -> Result<(), json::Refusal> {
    let mut found = None;
    service.each("TaskTemplate.ContainerSpec.Mounts[]", &mut |path, mount| {
        let mut fields = mount.as_object().into_iter().flat_map(Object::iter);
        if let Some((key, _)) = fields.find(|(_, value)| has_template(value)) {
            found.get_or_insert_with(|| path.key(key).text());
        }
    });
    match found {
        Some(at) => Err(json::Refusal::Wrong {
            at,
            expected: "plain text",
            found: "a template ({{)",
        }),
        None => Ok(()),
    }
}

fn has_template(value: &Value) -> bool {
    match value {
        Value::List(all) => all.iter().any(has_template),
        Value::Object(object) => object.iter().any(|(_, value)| has_template(value)),
        value => value.as_str().is_some_and(|text| text.contains("{{")),
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
