//! The images that were pulled by the clients of a scope, and were not there before: by their names, since
//! the engine keeps no labels for them. Each engine has its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::body::image::Name;
use crate::body::json::Value;

/// More names are not remembered.
const MOST: usize = 1_000;

/// Their names, in the normal form. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulled(Arc<Mutex<BTreeSet<String>>>);

impl Pulled {
    /// Remembers a name.
    pub(super) fn add(&self, name: &str) {
        let Ok(name) = Name::parse(name) else {
            return;
        };
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() < MOST {
            names.insert(name.or_latest().to_string());
        }
    }

    /// Whether an image has such a name, by its inspect or an item of a list.
    pub(super) fn has(&self, image: &Value) -> bool {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.is_empty() {
            return false;
        }
        let all = |place| {
            let all = image.at(place).items().iter();
            all.filter_map(|name| Name::parse(name.as_str()?).ok())
        };
        // What was built here has no digest of a registry.
        all("RepoDigests").any(|pulled| {
            let is_own = |name: &Name| name.repository() == pulled.repository();
            names.contains(&pulled.to_string())
                || all("RepoTags")
                    .filter(is_own)
                    .any(|name| names.contains(&name.to_string()))
        })
    }
}

/// The same for each engine. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct PulledOn(Arc<Mutex<BTreeMap<String, Pulled>>>);

impl PulledOn {
    /// Those of one engine.
    pub(super) fn of(&self, engine: &str) -> Pulled {
        let mut engines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        engines.entry(engine.to_owned()).or_default().clone()
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
        pulled.add("alpine");
        let digest = format!("sha256:{}", "0".repeat(64));
        pulled.add(&format!("ghcr.io/me/app@{digest}"));
        pulled.add("NO NAME");
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
}
