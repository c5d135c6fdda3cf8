//! The images that were pulled by the clients of a scope, and were not there before: by their names, since
//! the engine keeps no labels for them. Each engine has its own, and one whose host has another address by
//! now has none: it can be another host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::giving::Given;
use crate::body::image::Name;
use crate::body::json::Value;

/// More names are not remembered.
const MOST: usize = 1_000;

/// The address to which an engine by TCP was connected to last, and what names its images are about to
/// get. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct HostAddress {
    address: Arc<Mutex<Option<SocketAddr>>>,
    pub(super) given: Given,
}

impl HostAddress {
    /// The address, once there was a connection. A Unix socket has none.
    pub fn now(&self) -> Option<SocketAddr> {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// That there was a connection to this address; whether it is another one than before.
    pub fn becomes(&self, address: SocketAddr) -> bool {
        let mut last = self.address.lock().unwrap_or_else(PoisonError::into_inner);
        last.replace(address) != Some(address)
    }
}

/// Their names, in the normal form, and the address of the host that has them. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulled {
    names: Arc<Mutex<(Option<SocketAddr>, BTreeSet<String>)>>,
    host: HostAddress,
}

impl Pulled {
    /// The address of the engine's host now.
    pub(super) fn host(&self) -> Option<SocketAddr> {
        self.host.now()
    }

    /// The names that the engine's host has.
    fn with<T>(&self, look: impl FnOnce(Option<SocketAddr>, &mut BTreeSet<String>) -> T) -> T {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, names) = &mut *names;
        let host = self.host.now();
        if *of != host {
            names.clear();
            *of = host;
        }
        look(host, names)
    }

    /// Remembers a name, if the engine's host still has the address from which it was pulled.
    pub(super) fn add(&self, name: &str, from: Option<SocketAddr>) {
        let Ok(name) = Name::parse(name) else {
            return;
        };
        self.with(|host, names| {
            if host == from && names.len() < MOST {
                names.insert(name.or_latest().to_string());
            }
        });
    }

    /// Forgets the names that an image loses when it is removed by this text, and returns those that were
    /// known.
    pub(super) fn remove(&self, text: &str, image: &Value) -> Vec<String> {
        let places = ["RepoTags", "RepoDigests"];
        let all: Vec<Name> = places
            .iter()
            .flat_map(|place| names_at(image, place))
            .collect();
        let named = Name::parse(text).ok().map(Name::or_latest);
        let is_lost = |name: &Name| match &named {
            Some(named) if named.digest().is_some() => name.repository() == named.repository(),
            // The last tag of a repository takes its digests along.
            Some(named) if all.contains(named) => {
                name == named || name.digest().is_some() && name.repository() == named.repository()
            }
            // By its ID, it loses all of them.
            _ => true,
        };
        let lost = all.iter().filter(|name| is_lost(name)).map(Name::to_string);
        self.with(|_, names| lost.filter(|name| names.remove(name)).collect())
    }

    /// Whether an image has such a name, by its inspect or an item of a list.
    pub(super) fn has(&self, image: &Value) -> bool {
        self.with(|_, names| !names.is_empty() && is_one_of(names, image))
    }
}

fn is_one_of(names: &BTreeSet<String>, image: &Value) -> bool {
    // What was built here has no digest of a registry.
    names_at(image, "RepoDigests").any(|pulled| {
        let is_own = |name: &Name| name.repository() == pulled.repository();
        names.contains(&pulled.to_string())
            || names_at(image, "RepoTags")
                .filter(is_own)
                .any(|name| names.contains(&name.to_string()))
    })
}

fn names_at<'a>(image: &'a Value, place: &str) -> impl Iterator<Item = Name> + use<'a> {
    let all = image.at(place).items().iter();
    all.filter_map(|name| Name::parse(name.as_str()?).ok())
}

/// The same for each engine. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct PulledOn(Arc<Mutex<BTreeMap<String, Pulled>>>);

impl PulledOn {
    /// Those of one engine, whose host has this address.
    pub(super) fn of(&self, engine: &str, host: &HostAddress) -> Pulled {
        let mut engines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = engines.entry(engine.to_owned()).or_default();
        Pulled {
            names: Arc::clone(&known.names),
            host: host.clone(),
        }
    }
}

/// What is remembered does not make it another scope.
impl PartialEq for Pulled {
    fn eq(&self, _: &Pulled) -> bool {
        true
    }
}

impl Eq for Pulled {}

/// Likewise.
impl PartialEq for PulledOn {
    fn eq(&self, _: &PulledOn) -> bool {
        true
    }
}

impl Eq for PulledOn {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::json::{Limits, Untyped, read};

    #[test]
    fn an_image_is_known_by_each_of_its_names() {
        let pulled = Pulled::default();
        pulled.add("alpine", None);
        let digest = format!("sha256:{}", "0".repeat(64));
        pulled.add(&format!("ghcr.io/me/app@{digest}"), None);
        pulled.add("NO NAME", None);
        let has = |image: &str| {
            let image = read(image.as_bytes(), Limits::default(), Untyped).expect("JSON");
            pulled.clone().has(&image)
        };
        let pulled = format!(r#""RepoDigests":["alpine@{digest}"]"#);
        assert!(has(&format!(
            r#"{{"RepoTags":["x:1","alpine:latest"],{pulled}}}"#
        )));
        assert!(!has(&format!(r#"{{"RepoTags":["alpine:3"],{pulled}}}"#)));
        assert!(has(&format!(
            r#"{{"RepoDigests":["ghcr.io/me/app@{digest}"]}}"#
        )));
        for other in [
            "{}",
            // Built here, under the name of one that was pulled.
            r#"{"RepoTags":["alpine:latest"]}"#,
            r#"{"RepoTags":["me/alpine:latest"],"RepoDigests":null}"#,
            r#"{"Id":"alpine:latest"}"#,
        ] {
            assert!(!has(other), "{other}");
        }
    }

    #[test]
    fn a_name_that_an_image_loses_is_anybodys_again() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let image = format!(
            r#"{{"Id":"{digest}","RepoTags":["a:1","a:2","b:1"],"RepoDigests":["a@{digest}","b@{digest}"]}}"#
        );
        let image = read(image.as_bytes(), Limits::default(), Untyped).expect("JSON");
        for (text, left) in [
            ("a:1", &["a:2", "b:1"][..]),
            ("docker.io/library/a:1", &["a:2", "b:1"]),
            (&format!("a@{digest}"), &["b:1"]),
            ("0000", &[]),
            (&digest, &[]),
        ] {
            let pulled = Pulled::default();
            let names = ["a:1", "a:2", "b:1"].map(str::to_owned);
            let names = names.into_iter().chain([format!("a@{digest}")]);
            let names: Vec<String> = names.collect();
            names.iter().for_each(|name| pulled.add(name, None));
            let lost = pulled.remove(text, &image);
            let now = pulled.with(|_, names| names.clone());
            let left = left.iter().map(|name| format!("docker.io/library/{name}"));
            assert_eq!(now, left.collect(), "{text}");
            assert_eq!(lost.len() + now.len(), names.len(), "{text}");
            assert_eq!(pulled.remove(text, &image), Vec::<String>::new());
        }
    }

    #[test]
    fn another_address_has_none_of_them() {
        let address = |text: &str| text.parse().expect("an address");
        let (one, other) = (address("10.0.0.1:2375"), address("10.0.0.2:2375"));
        let image = format!(
            r#"{{"RepoDigests":["x@sha256:{}"],"RepoTags":["x:1"]}}"#,
            "0".repeat(64)
        );
        let image = read(image.as_bytes(), Limits::default(), Untyped).expect("JSON");
        let (all, host) = (PulledOn::default(), HostAddress::default());
        let pulled = all.of("tcp://nas:2375", &host);
        assert!(host.becomes(one));
        pulled.add("x:1", pulled.host());
        assert!(!host.becomes(one));
        assert!(pulled.has(&image));
        assert!(!all.of("tcp://other:2375", &host).has(&image));
        let asked = pulled.host();
        assert!(host.becomes(other));
        assert!(!pulled.has(&image));
        // It was pulled while the address changed.
        pulled.add("x:1", asked);
        assert!(!pulled.has(&image));
        pulled.add("x:1", pulled.host());
        assert!(pulled.has(&image));
        // A reload of other files for TLS made it another engine: where its host is, is not known.
        assert!(
            !all.of("tcp://nas:2375", &HostAddress::default())
                .has(&image)
        );
    }
}
