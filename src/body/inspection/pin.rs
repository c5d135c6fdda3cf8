//! What is forwarded of a request that was judged: only what the table knows, and containers and the
//! network in the path by the full IDs that were judged, so that no name can change hands meanwhile.

use super::query;
use super::{Subject, unreadable};
use crate::api::Target;
use crate::api::fields::Body;
use crate::body::Place;
use crate::body::facts::{Fact, Facts, Name};
use crate::body::json::Value;
use crate::policy::Unmet;

/// The target with full IDs, if it names a container, an exec or a network.
pub(super) fn target(
    target: &Target,
    subjects: &[Subject],
    facts: &Facts,
) -> Result<Option<Target>, Unmet> {
    let mut pinned = None;
    for subject in subjects {
        let now = pinned.as_ref().unwrap_or(target);
        let (id, route) = match subject {
            Subject::Build { .. } | Subject::Rollback(..) => continue,
            Subject::Network(name, route) => match facts.network(name) {
                Some(id) => (Some(id), Some(route)),
                // Without `DENY_ROOT` it need not be known.
                None => continue,
            },
            Subject::Container(name, route)
            | Subject::Start(name, route)
            | Subject::Object(Fact::Container(name), route) => (facts.container(name), Some(route)),
            Subject::Exec(id, route) | Subject::Object(Fact::Exec(id), route) => {
                (facts.exec(id), Some(route))
            }
            Subject::Object(..) => continue,
            Subject::Commit(name) => (facts.container(name), None),
        };
        let next = id.and_then(|id| match route {
            Some(route) => now.with_path(&route.with_name(id.as_str())?).ok(),
            None => now
                .with_query(&query::with_container(now, id.as_str()))
                .ok(),
        });
        pinned = Some(next.ok_or_else(|| unreadable("its target cannot be written anew"))?);
    }
    Ok(pinned)
}

/// Where a body names containers, and how.
const NAMED: &[(&str, Form)] = &[
    ("HostConfig.VolumesFrom[]", Form::Options),
    // Of a start, before API 1.24.
    ("VolumesFrom[]", Form::Options),
    ("HostConfig.Links[]", Form::Link),
    ("HostConfig.NetworkMode", Form::Namespace),
    ("HostConfig.PidMode", Form::Namespace),
    ("HostConfig.IpcMode", Form::Namespace),
    ("HostConfig.UTSMode", Form::Namespace),
    ("HostConfig.UsernsMode", Form::Namespace),
    ("Container", Form::Name),
];

/// How a container is named.
#[derive(Clone, Copy)]
enum Form {
    /// `NAME`.
    Name,
    /// `NAME:OPTIONS`.
    Options,
    /// `NAME:ALIAS`, where the name is the alias if there is none.
    Link,
    /// `container:NAME`.
    Namespace,
}

impl Form {
    /// The same with the full ID, if it names a container that was judged.
    fn pinned(self, text: &str, facts: &Facts) -> Option<String> {
        let id = |name: &str| facts.container(&Name::of(name)?);
        match self {
            Form::Name => Some(id(text)?.as_str().to_owned()),
            Form::Options => match text.split_once(':') {
                Some((name, options)) => Some(format!("{}:{options}", id(name)?.as_str())),
                None => Form::Name.pinned(text, facts),
            },
            Form::Link => {
                let (name, alias) = text.split_once(':').unwrap_or((text, text));
                let alias = alias.rsplit('/').next()?;
                Some(format!("{}:{alias}", id(name)?.as_str()))
            }
            Form::Namespace => {
                let name = text.strip_prefix("container:")?;
                Some(format!("container:{}", id(name)?.as_str()))
            }
        }
    }
}

/// The body without what engines do not know, and with a HostConfig if it is a container's. Where
/// reach is not judged, what is there for an engine to come stays.
pub(super) fn known(body: &'static Body, tree: &mut Value, strict: bool) -> Result<(), Unmet> {
    tree.retain(Place::of(body), &mut |_, place, value| match place {
        Some(place) => !place.legacy,
        None => !strict && !value.is_empty(),
    });
    if body.route.text == "POST /containers/create" {
        // Without one, engines up to 26 look for its fields at the top.
        let config = tree.at_mut("HostConfig").and_then(Value::object_mut);
        config.ok_or_else(|| unreadable("HostConfig must be an object"))?;
    }
    Ok(())
}

/// The body with the full IDs of the containers that were looked up.
pub(super) fn ids(tree: &mut Value, facts: &Facts) {
    if facts.is_empty() {
        return;
    }
    for (places, form) in NAMED {
        tree.each_mut(places, &mut |_, value| {
            if let Some(pinned) = value.as_str().and_then(|text| form.pinned(text, facts)) {
                *value = pinned.into();
            }
        });
    }
}
