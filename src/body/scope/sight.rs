//! What the clients of a policy see of the objects in one answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{LabelFilter, Scope};
use crate::api::{Marks, ObjectKind};
use crate::body::json::Value;

/// What is seen: what is in scope, and what all filters by label show. Some of it depends on what the
/// engine has said of other objects.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    scope: Option<Arc<Scope>>,
    filters: Arc<[LabelFilter]>,
    /// The full IDs, or for volumes the names, of what is known to be in scope.
    known: BTreeMap<ObjectKind, BTreeSet<String>>,
    /// How many containers in scope are running, paused and stopped.
    states: BTreeMap<String, usize>,
    /// How many containers in scope use a volume or an image, by its name or ID.
    users: BTreeMap<String, i64>,
}

impl Sight {
    /// By a scope, and by filters.
    pub fn new(scope: Option<Arc<Scope>>, filters: Arc<[LabelFilter]>) -> Sight {
        Sight {
            scope,
            filters,
            ..Sight::default()
        }
    }

    /// Whether there is a scope.
    pub fn is_scoped(&self) -> bool {
        self.scope.is_some()
    }

    /// Whether objects of such a kind are anybody's.
    pub fn covers(&self, kind: ObjectKind) -> bool {
        self.scope.as_ref().is_some_and(|scope| scope.covers(kind))
    }

    /// That an object of this ID, or the volume of this name, is in scope.
    pub fn learn(&mut self, kind: ObjectKind, id: impl Into<String>) {
        self.known.entry(kind).or_default().insert(id.into());
    }

    /// That a container is in scope, by an item of a list.
    pub fn learn_container(&mut self, item: &Value) {
        if let Some(id) = item.at("Id").as_str() {
            self.learn(ObjectKind::Container, id);
        }
        let state = item.at("State").as_str();
        let state = state.filter(|state| ["running", "paused"].contains(state));
        let state = state.unwrap_or("stopped");
        *self.states.entry(state.to_owned()).or_default() += 1;
        let mounts = item.at("Mounts").items().iter();
        let volumes: BTreeSet<&str> = mounts
            .filter_map(|mount| mount.at("Name").as_str())
            .collect();
        let image = item.at("ImageID").as_str();
        for used in volumes.iter().copied().chain(image) {
            *self.users.entry(used.to_owned()).or_default() += 1;
        }
        for volume in volumes
            .into_iter()
            .filter(|volume| super::is_anonymous(volume))
        {
            self.learn(ObjectKind::Volume, volume);
        }
    }

    /// That the object of this ID is gone.
    pub fn forget(&mut self, kind: ObjectKind, id: &str) {
        if let Some(known) = self.known.get_mut(&kind) {
            known.remove(id);
        }
    }

    /// The labels by which an object of a kind is in scope.
    pub fn labels(&self, kind: ObjectKind) -> &[(String, String)] {
        self.scope.as_ref().map_or(&[], |scope| scope.labels(kind))
    }

    /// Whether an object is known by its ID to be in scope.
    pub fn knows(&self, kind: ObjectKind, id: &str) -> bool {
        let known = self.known.get(&kind);
        known.is_some_and(|known| known.contains(id))
    }

    /// How many objects of a kind are known to be in scope.
    pub fn count(&self, kind: ObjectKind) -> usize {
        self.known.get(&kind).map_or(0, BTreeSet::len)
    }

    /// How many containers in scope have this state; all of them without one.
    pub fn containers(&self, state: Option<&str>) -> usize {
        match state {
            Some(state) => self.states.get(state).copied().unwrap_or_default(),
            None => self.states.values().sum(),
        }
    }

    /// How many containers in scope use a volume of this name, or an image of this ID.
    pub fn users_of(&self, name: &str) -> i64 {
        self.users.get(name).copied().unwrap_or_default()
    }

    /// Whether an object is seen that has its marks there.
    pub fn sees(&self, kind: ObjectKind, marks: Marks, object: &Value) -> bool {
        let shown = self
            .filters
            .iter()
            .all(|filter| filter.shows(kind, marks, object));
        shown && self.is_in_scope(kind, marks, object)
    }

    fn is_in_scope(&self, kind: ObjectKind, marks: Marks, object: &Value) -> bool {
        let Some(scope) = &self.scope else {
            return true;
        };
        if !scope.covers(kind) {
            return true;
        }
        if let (Some(owner), false) = (kind.owner(), marks.owner.is_empty()) {
            let id = object.at(marks.owner).as_str();
            return id.is_some_and(|id| self.knows(owner, id));
        }
        let id = object.at(marks.id).as_str();
        scope.owns(marks, object)
            || scope.shares(kind, marks, object)
            || id.is_some_and(|id| self.knows(kind, id))
    }
}
