//! The table of fields as the shape that bodies are read in.

use super::json;
use super::json::Shape;
use crate::api::fields::{Body, Field, INSPECT, Kind};

/// What the table of fields says of a place in a body.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// What stands here.
    pub kind: &'static Kind,
    /// Whether only engines up to 26 read it here.
    pub legacy: bool,
}

impl Place {
    /// The whole body of a request.
    pub fn of(body: &'static Body) -> Place {
        Place::at(&body.root, false)
    }

    /// The inspect of a container.
    pub fn of_inspect() -> Place {
        Place::at(&INSPECT, false)
    }

    fn at(field: &'static Field, legacy: bool) -> Place {
        Place {
            kind: &field.kind,
            legacy,
        }
    }
}

impl Shape for Place {
    fn kind(self) -> json::Kind {
        match self.kind {
            Kind::String => json::Kind::Text,
            Kind::Bool => json::Kind::Bool,
            Kind::Int => json::Kind::Integer,
            Kind::Float => json::Kind::Number,
            Kind::Words => json::Kind::Words,
            Kind::Raw => json::Kind::Any,
            Kind::List(_) => json::Kind::List,
            Kind::Map(_) => json::Kind::Map,
            Kind::Object(_) => json::Kind::Object,
        }
    }

    fn field(self, name: &str) -> Option<(&'static str, Place)> {
        let Kind::Object(object) = self.kind else {
            return None;
        };
        let (field, legacy) = object.any_field(name)?;
        Some((field.name, Place::at(field, legacy)))
    }

    fn element(self) -> Place {
        match self.kind {
            Kind::List(kind) | Kind::Map(kind) => Place { kind, ..self },
            _ => self,
        }
    }
}
