//! The scopes of the other policies of the process. What the clients of a policy make comes into none of them,
//! unless its own scope says so.
//!
//! Scopes overlap on purpose: two policies have the same one, or one holds all that the other does. What is in
//! both by the own scope alone is in both. What the clients of the wider one give a mark of the narrower one is
//! theirs anyway. But what an image brings is never asked for.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use super::{By, OWN_LABELS, Scope};
use crate::api::ObjectKind;
use crate::body::glob::Glob;
use crate::body::image;
use crate::body::json::Object;

/// The scope of another policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    policy: Arc<str>,
    scope: Arc<Scope>,
}

/// What the keys of labels begin with that a swarm gives to the containers of a service.
const OF_SWARM: &str = "com.docker.swarm.";

impl Scope {
    /// The same scope, beside those of other policies, by their names.
    #[must_use]
    pub fn beside<'a>(&self, others: impl Iterator<Item = (&'a str, &'a Arc<Scope>)>) -> Scope {
        let others = others.map(|(policy, scope)| Other {
            policy: policy.into(),
            scope: Arc::clone(scope),
        });
        Scope {
            others: others.collect(),
            ..self.clone()
        }
    }

    /// Whether there are any.
    pub fn has_others(&self) -> bool {
        !self.others.is_empty()
    }

    /// The other scope that something would come into by one of these names, which mean the same.
    pub fn other_named(&self, kind: ObjectKind, names: &[&str]) -> Option<&Other> {
        self.other_by_name(kind, |glob| names.iter().any(|name| glob.fits(name)))
    }

    /// The other scope that an image would come into by this name; without a tag, by any tag.
    pub fn other_image(&self, name: &image::Name) -> Option<&Other> {
        let full = name.to_string();
        // As the engine shows it.
        let short = full.strip_prefix("docker.io/").unwrap_or(&full);
        let short = short.strip_prefix("library/").unwrap_or(short);
        if name.tag().is_some() || name.digest().is_some() {
            return self.other_named(ObjectKind::Image, &[&full, short]);
        }
        let tagged = [full.as_str(), short].map(|name| format!("{name}:"));
        self.other_by_name(ObjectKind::Image, |glob| {
            tagged.iter().any(|start| glob.may_go_on(start, &|_| true))
        })
    }

    /// The other scope that a container without a name could come into by the one that the engine gives it.
    pub fn other_nameless(&self) -> Option<&Other> {
        let given = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        self.other_by_name(ObjectKind::Container, |glob| {
            glob.to_string().contains(['*', '_']) && glob.may_go_on("", &given)
        })
    }

    /// The other scope that the containers of a service of this name could come into by theirs:
    /// NAME.SLOT.ID or NAME.NODE.ID.
    pub fn other_with_tasks(&self, service: &str) -> Option<&Other> {
        let start = format!("{service}.");
        let of_task = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
        self.other_by_name(ObjectKind::Container, |glob| {
            glob.may_go_on(&start, &of_task)
        })
    }

    /// The other scope that goes by such a name, unless the own one does as well. One that goes by any name
    /// has everything, whoever makes it.
    fn other_by_name(&self, kind: ObjectKind, fits: impl Fn(&Glob) -> bool) -> Option<&Other> {
        if self.by.globs().iter().any(&fits) {
            return None;
        }
        self.others_of(kind).find(|other| {
            let globs = other.scope.by.globs();
            !globs.iter().any(Glob::is_anything) && globs.iter().any(&fits)
        })
    }

    /// What keeps something with these labels out of other scopes, if its image may bring more: the keys that
    /// must not come from there. `service` is the one of a container of a swarm, and `before` are the labels
    /// that an update replaces.
    ///
    /// # Errors
    /// The scope that it would come into, and the label of it.
    pub fn apart(
        &self,
        kind: ObjectKind,
        labels: &Object,
        service: Option<&str>,
        before: Option<&Object>,
    ) -> Result<BTreeSet<&str>, (&Other, &(String, String))> {
        let own = self.labels(kind);
        // Nothing: that is up to the image.
        let has = |(key, value): &(String, String)| -> Option<bool> {
            if let Some((_, own)) = own.iter().find(|(own, _)| own == key) {
                return Some(own == value);
            }
            // No client and no image gives such a label.
            if key.starts_with(OWN_LABELS) {
                return Some(false);
            }
            if let Some(set) = service.and_then(|service| swarm_sets(service, key, value)) {
                return Some(set);
            }
            labels.get(key).map(|given| given.as_str() == Some(value))
        };
        let mut missing = BTreeSet::new();
        for other in self.others_of(kind) {
            let theirs = other.scope.labels(kind);
            if theirs.is_empty() {
                continue;
            }
            let had = |(key, value): &(String, String)| {
                let before = before.and_then(|labels| labels.get(key)?.as_str());
                before == Some(value)
            };
            if theirs.iter().any(|label| has(label) == Some(false)) || theirs.iter().all(had) {
                continue;
            }
            match theirs.iter().find(|label| has(label).is_none()) {
                Some((key, _)) => drop(missing.insert(key.as_str())),
                None if self.holds(&other.scope) || other.scope.holds(self) => {}
                None => {
                    let chosen = theirs.iter().rfind(|label| !own.contains(label));
                    return Err((other, chosen.unwrap_or(&theirs[0])));
                }
            }
        }
        Ok(missing)
    }

    /// Another scope that an image could come into by labels and names that nobody can look at.
    pub fn other_of_images(&self) -> Option<&Other> {
        let apart = |other: &&Other| !self.holds(&other.scope) && !other.scope.holds(self);
        self.others_of(ObjectKind::Image).find(apart)
    }

    /// Whether the labels of a build's containers count.
    pub fn keeps_builds(&self) -> bool {
        self.other_built(|_, _| true).is_some()
    }

    /// The other scope that the containers of a build would come into, of whose labels `could_have` says
    /// whether the Dockerfile or a base image could give it.
    pub fn other_built(&self, could_have: impl Fn(&str, &str) -> bool) -> Option<&Other> {
        self.others_of(ObjectKind::Container).find(|other| {
            let theirs = other.scope.labels(ObjectKind::Container);
            let all = |(key, value): &(String, String)| {
                !key.starts_with(OWN_LABELS) && could_have(key, value)
            };
            let is_apart = !self.holds(&other.scope) && !other.scope.holds(self);
            is_apart && !theirs.is_empty() && theirs.iter().all(all)
        })
    }

    fn others_of(&self, kind: ObjectKind) -> impl Iterator<Item = &Other> {
        let others = self.others.iter();
        others.filter(move |other| other.scope.covers(kind))
    }

    /// Whether all that is in the other scope is in this one.
    fn holds(&self, other: &Scope) -> bool {
        match (&self.by, &other.by) {
            (By::Labels { all: own, .. }, By::Labels { all: other, .. }) => {
                own.iter().all(|label| other.contains(label))
            }
            (By::Names(own), _) if own.iter().any(Glob::is_anything) => true,
            (By::Names(own), By::Names(other)) => other.iter().all(|glob| own.contains(glob)),
            (By::Labels { .. } | By::Names(_), _) => false,
        }
    }
}

/// Whether a swarm gives the containers of a service this value of a label, if it sets that. Its IDs are
/// not known before.
fn swarm_sets(service: &str, key: &str, value: &str) -> Option<bool> {
    let of_task = |rest: &str| rest.starts_with('.');
    Some(match key.strip_prefix(OF_SWARM)? {
        "service.name" => value == service,
        "task.name" => value.strip_prefix(service).is_some_and(of_task),
        _ => true,
    })
}

/// `policy ci (label:team=ci)`
impl Display for Other {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "policy {} ({})", self.policy, self.scope)
    }
}
