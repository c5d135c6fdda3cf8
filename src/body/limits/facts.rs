//! What only the engine knows: what the names in a body stand for. Asked for each request anew; what
//! was not asked counts as refused.

use std::collections::BTreeMap;

use crate::body::json::Value;

/// What the engine is asked: the inspect of something that a body names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// `GET /images/{name}/json`, by the very text of the body.
    Image(String),
    /// `GET /containers/{id}/json`.
    Container(String),
    /// `GET /volumes/{name}`.
    Volume(String),
    /// `GET /networks/{id}`.
    Network(String),
    /// `GET /containers/{id}/json` of the container in the request's path.
    Target,
}

/// What the engine answered.
#[derive(Clone, Debug, Default)]
pub struct Facts(BTreeMap<Fact, Option<Value>>);

impl Facts {
    /// Keeps an answer; none is a 404.
    pub fn learn(&mut self, fact: Fact, found: Option<Value>) {
        self.0.insert(fact, found);
    }

    /// The answer, if the engine was asked. A 404 is none.
    pub(in crate::body) fn of(&self, fact: &Fact) -> Option<Option<&Value>> {
        self.0.get(fact).map(Option::as_ref)
    }
}
