//! What only the engine knows: what the names in a body stand for. Asked for each request anew; what
//! was not asked counts as refused.

use std::collections::BTreeMap;

use crate::body::image::{Name, could_be_id};
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

impl Fact {
    /// Whether the name is the same in a path, once it is percent-encoded.
    fn can_be_asked(&self) -> bool {
        let name = match self {
            Fact::Image(name) => {
                return Name::parse(name).is_ok() || could_be_id(name);
            }
            Fact::Container(name) | Fact::Volume(name) | Fact::Network(name) => name,
            Fact::Target => return true,
        };
        let is_part = |part: &str| !["", ".", ".."].contains(&part);
        name.split('/').all(is_part) && !name.contains(char::is_control)
    }
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

    /// The same, or what is to be done without one.
    pub(super) fn known(&self, fact: &Fact) -> Known<'_> {
        match self.of(fact) {
            Some(Some(found)) => Known::Found(found),
            Some(None) => Known::Missing,
            None if fact.can_be_asked() => Known::Unasked,
            None => Known::Never,
        }
    }

    /// How many answers there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// What is known of something that a body names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known<'a> {
    /// The engine has to be asked.
    Unasked,
    /// The name would make another path of the question.
    Never,
    /// The engine does not have it.
    Missing,
    /// Its inspect.
    Found(&'a Value),
}
