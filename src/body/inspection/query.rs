//! What a query asks for, on the routes where it decides.
//!
//! Read strictly: with a semicolon, a malformed escape or bytes that are not UTF-8, engines do not
//! agree on it. Keys count in any case and each time.

use super::others::Others;
use super::{ANOTHERS, too_much, unreadable};
use crate::api::Target;
use crate::api::fields::Reach;
use crate::api::query::{has_value, pairs};
use crate::body::facts::{Name, encoded};
use crate::policy::{Body, Unmet};

/// A parameter of a build: what is harmless of its values besides an empty one.
enum Harmless {
    Any,
    Only(&'static [&'static str], Reach),
}

use Harmless::{Any, Only};

/// What the classic builder takes.
const BUILD: &[(&str, Harmless)] = &[
    ("buildargs", Any),
    ("cachefrom", Any),
    ("cgroupparent", Only(&[], Reach::KERNEL)),
    ("cpuperiod", Any),
    ("cpuquota", Any),
    ("cpusetcpus", Any),
    ("cpusetmems", Any),
    ("cpushares", Any),
    ("dockerfile", Any),
    ("extrahosts", Any),
    ("forcerm", Any),
    ("isolation", Only(&["default"], Reach::KERNEL)),
    ("labels", Any),
    ("memory", Any),
    ("memswap", Any),
    (
        "networkmode",
        Only(&["default", "bridge", "none"], Reach::NETWORK),
    ),
    ("nocache", Any),
    ("outputs", Only(&["null", "[]"], Reach::HOST_FILES)),
    ("platform", Any),
    ("pull", Any),
    ("q", Any),
    ("remote", Only(&[], Reach::NETWORK)),
    ("rm", Any),
    ("securityopt", Only(&["null", "[]"], Reach::KERNEL)),
    ("shmsize", Any),
    ("squash", Any),
    ("t", Any),
    ("target", Any),
    ("ulimits", Any),
    ("version", Only(&["1"], Reach::ALL)),
];

/// A build by the classic builder that reaches nothing but what its Dockerfile says. Whether its
/// containers are in a network.
pub(super) fn build(target: &Target) -> Result<bool, Unmet> {
    let mut in_network = true;
    for (key, value) in read(target)? {
        if value.is_empty() {
            continue;
        }
        let folded = key.to_lowercase();
        let place = format!("the parameter {key}");
        if folded == "networkmode" {
            in_network = value != "none";
        }
        match BUILD.iter().find(|(known, _)| *known == folded) {
            Some((_, Any)) => {}
            Some((_, Only(harmless, _))) if harmless.contains(&&*value) => {}
            Some(("version", Only(..))) => {
                let why = "chooses BuildKit, which cannot be judged; set DOCKER_BUILDKIT=0";
                return Err(too_much(&place, &value, why));
            }
            Some((_, Only(_, reach))) => {
                return Err(too_much(&place, &value, format_args!("reaches {reach}")));
            }
            None => return Err(too_much(&place, &value, "is unknown")),
        }
    }
    Ok(in_network)
}

/// An image that is pulled, or comes with the request.
pub(super) fn import(target: &Target) -> Result<(), Unmet> {
    const SOURCE: &str = "fromSrc";
    if !has_value(target.query().unwrap_or_default(), SOURCE) {
        return Ok(());
    }
    let all = read(target)?;
    let sources = all
        .iter()
        .filter(|(key, _)| key.to_lowercase() == SOURCE.to_lowercase());
    match sources
        .map(|(_, value)| value)
        .find(|value| !["", "-"].contains(&value.as_str()))
    {
        Some(url) => {
            let why = "is fetched by the engine from the host's network; send the archive itself";
            Err(too_much("the parameter fromSrc", url, why))
        }
        None => Ok(()),
    }
}

/// A build by the classic builder, of whose query each part is known.
pub(super) fn classic(target: &Target) -> Result<(), Unmet> {
    for (key, value) in read(target)?.iter().filter(|(_, value)| !value.is_empty()) {
        let folded = key.to_lowercase();
        let place = format!("the parameter {key}");
        match BUILD.iter().find(|(known, _)| *known == folded) {
            Some(("version", Only(harmless, _))) if !harmless.contains(&&**value) => {
                let why = "chooses BuildKit, which cannot be judged; set DOCKER_BUILDKIT=0";
                return Err(too_much(&place, value, why));
            }
            Some(_) => {}
            None => return Err(too_much(&place, value, "is unknown")),
        }
    }
    Ok(())
}

/// The only value of a parameter; an empty one is none.
pub(super) fn one(target: &Target, key: &str) -> Result<String, Unmet> {
    let mut values = all(target, key)?.into_iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.unwrap_or_default()),
        _ => Err(unreadable(format_args!(
            "its query has {key} more than once"
        ))),
    }
}

/// All values of a parameter.
pub(super) fn all(target: &Target, key: &str) -> Result<Vec<String>, Unmet> {
    let mut values = Vec::new();
    for (name, value) in read(target)? {
        match name == key {
            true => values.push(value),
            false if name.to_lowercase() == key.to_lowercase() => {
                return Err(unreadable(format_args!(
                    "its query has {key} in another case"
                )));
            }
            false => {}
        }
    }
    Ok(values)
}

/// A start without a checkpoint, and without a body that an old engine would read.
pub(super) fn start(target: &Target, body: Body) -> Result<(), Unmet> {
    let query = target.query().unwrap_or_default();
    for key in ["checkpoint", "checkpoint-dir"] {
        if has_value(query, key) {
            let why = format_args!("reaches {}", Reach::HOST_FILES);
            return Err(too_much(&format!("the parameter {key}"), "", why));
        }
    }
    has_no_body(body)
}

/// A start without a body that an old engine would read: in chunks, it may be of any length.
pub(super) fn has_no_body(body: Body) -> Result<(), Unmet> {
    match body {
        Body::Empty | Body::Short | Body::ShortForm => Ok(()),
        Body::Form | Body::Other => {
            let why = "is a new configuration to engines before API 1.24";
            Err(too_much(
                "a body of a start over 7 bytes or in chunks",
                "",
                why,
            ))
        }
    }
}

/// The version of a service that an update is to roll back, if it is to do that.
pub(super) fn rollback(target: &Target) -> Result<Option<String>, Unmet> {
    if !has_value(target.query().unwrap_or_default(), "rollback") {
        return Ok(None);
    }
    let all = read(target)?;
    let values = |wanted: &str| -> Vec<&str> {
        let own = all.iter().filter(|(key, _)| key.to_lowercase() == wanted);
        own.map(|(_, value)| &**value).collect()
    };
    match (&*values("rollback"), &*values("version")) {
        (["previous"], [version]) => Ok(Some((*version).to_owned())),
        _ => Err(unreadable(
            "its query does not say which service to roll back",
        )),
    }
}

/// A name by which no other client is known.
pub(super) fn name(target: &Target, others: &Others) -> Result<(), Unmet> {
    match another(target, others)? {
        Some(name) => Err(too_much("the parameter name", &name, ANOTHERS)),
        None => Ok(()),
    }
}

/// A name in a query by which another client is known.
pub(super) fn another(target: &Target, others: &Others) -> Result<Option<String>, Unmet> {
    if others.is_empty() {
        return Ok(None);
    }
    let all = read(target)?;
    let mut names = all.iter().filter(|(key, _)| key.to_lowercase() == "name");
    let is_taken = |name: &str| others.have_name(name) || others.have_container(name);
    let found = names.find(|(_, name)| is_taken(name));
    Ok(found.map(|(_, name)| name.clone()))
}

/// The container of which a commit makes an image.
pub(super) fn commit(target: &Target) -> Result<Name, Unmet> {
    let all = read(target)?;
    let mut named = all
        .iter()
        .filter(|(key, _)| key.to_lowercase() == CONTAINER);
    match (named.next(), named.next()) {
        (Some((key, name)), None) if key == CONTAINER => Name::of(name),
        _ => None,
    }
    .ok_or_else(|| unreadable("its query does not name one container"))
}

const CONTAINER: &str = "container";

/// The query of a commit with this container.
pub(super) fn with_container(target: &Target, id: &str) -> String {
    let query = target.query().unwrap_or_default();
    let pairs = query.split('&').map(|pair| match pairs(pair).as_deref() {
        Some([(key, _)]) if key == CONTAINER => format!("{CONTAINER}={id}"),
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// The target with other values for these keys, and without those that have none. Nothing if there is
/// no edit.
///
/// # Errors
/// It cannot be written.
pub(super) fn edited(
    target: &Target,
    edits: &[(&str, Option<String>)],
) -> Option<Result<Target, ()>> {
    if edits.is_empty() {
        return None;
    }
    let query = target.query().unwrap_or_default();
    let is_edited = |pair: &str| match pairs(pair).as_deref() {
        Some([(key, _)]) => edits.iter().any(|(edited, _)| edited == key),
        _ => false,
    };
    let kept = query.split('&').filter(|pair| !pair.is_empty());
    let kept = kept.filter(|pair| !is_edited(pair)).map(str::to_owned);
    let new = edits.iter().filter_map(|(key, value)| {
        let value = encoded(value.as_ref()?, b"-._~");
        Some(format!("{key}={value}"))
    });
    let query: Vec<String> = kept.chain(new).collect();
    Some(target.with_query(&query.join("&")).map_err(|_| ()))
}

/// All parameters, decoded.
pub(super) fn read(target: &Target) -> Result<Vec<(String, String)>, Unmet> {
    pairs(target.query().unwrap_or_default())
        .ok_or_else(|| unreadable("its query is not read by all engines in the same way"))
}
