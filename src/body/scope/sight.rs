//! What the clients of a policy see: what is in its scope, and what its `labelFilter`s show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Scope;
use crate::api::{Marks, ObjectKind};
use crate::body::json::Value;

/// What is seen of the objects of one answer, by what the engine has said of others.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    scope: Option<Arc<Scope>>,
    /// The full IDs, or for volumes the names, of what is in scope because of another object, and of
    /// what others belong to.
    known: BTreeMap<ObjectKind, BTreeSet<String>>,
}

impl Sight {
    /// By a scope, if there is one.
    pub fn new(scope: Option<Arc<Scope>>) -> Sight {
        Sight {
            scope,
            known: BTreeMap::new(),
        }
    }

    /// The scope.
    pub fn scope(&self) -> Option<&Arc<Scope>> {
        self.scope.as_ref()
    }

    /// That the object of this ID, or the volume of this name, is in scope.
    pub fn learn(&mut self, kind: ObjectKind, id: impl Into<String>) {
        self.known.entry(kind).or_default().insert(id.into());
    }

    /// Whether an object is known by its ID to be in scope.
    pub fn knows(&self, kind: ObjectKind, id: &str) -> bool {
        let known = self.known.get(&kind);
        known.is_some_and(|known| known.contains(id))
    }

    /// Whether an object is seen that has its marks there.
    pub fn sees(&self, kind: ObjectKind, marks: Marks, object: &Value) -> bool {
        let Some(scope) = &self.scope else {
            return true;
        };
        if !scope.covers(kind) || scope.shares(kind, marks, object) {
            return true;
        }
        if let (Some(owner), false) = (kind.owner(), marks.owner.is_empty()) {
            let id = object.at(marks.owner).as_str();
            return id.is_some_and(|id| self.knows(owner, id));
        }
        let known = object.at(marks.id).as_str();
        scope.owns(marks, object) || known.is_some_and(|id| self.knows(kind, id))
    }
}
