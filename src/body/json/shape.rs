//! What the engine expects where: one spelling for each field, no field twice, no other type.

use super::{Path, Value};

/// What the engine decodes a value into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything; the keys below are exact.
    Any,
    /// A bool.
    Bool,
    /// An integer: Go refuses `1.0` and `1e3`.
    Integer,
    /// A number that may have a fraction.
    Number,
    /// A string.
    Text,
    /// A list of strings, which engines up to 28 also read from one string.
    Words,
    /// A list; [`Shape::element`] is its items.
    List,
    /// A map with exact keys; [`Shape::element`] is its values.
    Map,
    /// A struct with [fields](Shape::field).
    Object,
}

impl Kind {
    pub(super) fn expected(self) -> &'static str {
        match self {
            Kind::Any => "a value",
            Kind::Bool => "a boolean",
            Kind::Integer => "an integer",
            Kind::Number => "a number",
            Kind::Text => "a string",
            Kind::Words | Kind::List => "a list",
            Kind::Map | Kind::Object => "an object",
        }
    }

    /// What Go makes of null in a list or a map, where there is no field to be left unset.
    pub(super) fn of_null(self) -> Value {
        match self {
            Kind::Bool => Value::Bool(false),
            Kind::Integer | Kind::Number => 0.into(),
            Kind::Text => "".into(),
            _ => Value::Null,
        }
    }
}

/// What is known of a place in a body: a cheap reference into the table of fields.
pub trait Shape: Copy {
    /// What the engine decodes the value into.
    fn kind(self) -> Kind;

    /// The field of an [object](Kind::Object) whose name is the [same](crate::api::fields::same),
    /// in the engine's spelling. No two fields of an object may have the same.
    fn field(self, name: &str) -> Option<(&'static str, Self)>;

    /// What each item of a [list](Kind::List), or value of a [map](Kind::Map), is.
    fn element(self) -> Self;
}

/// A body of which nothing is known. All keys are exact.
#[derive(Clone, Copy, Debug)]
pub struct Untyped;

impl Shape for Untyped {
    fn kind(self) -> Kind {
        Kind::Any
    }

    fn field(self, _: &str) -> Option<(&'static str, Untyped)> {
        None
    }

    fn element(self) -> Untyped {
        self
    }
}

impl Value {
    /// Visits each value that the shape knows, those around it first, and each field that it does
    /// not know (without a shape then, and nothing below it). What `keep` says no to is removed.
    pub fn retain<S: Shape>(
        &mut self,
        shape: S,
        keep: &mut impl FnMut(&Path<'_>, Option<S>, &mut Value) -> bool,
    ) {
        if !retain(self, Some(shape), &Path::ROOT, keep) {
            *self = Value::Null;
        }
    }
}

/// Whether the value is kept.
fn retain<S: Shape>(
    value: &mut Value,
    shape: Option<S>,
    path: &Path<'_>,
    keep: &mut impl FnMut(&Path<'_>, Option<S>, &mut Value) -> bool,
) -> bool {
    if !keep(path, shape, value) {
        return false;
    }
    let Some(shape) = shape else {
        return true;
    };
    match (shape.kind(), value) {
        (Kind::List, Value::List(list)) => {
            let mut indices = 0..;
            list.retain_mut(|item| {
                let index = indices.next().unwrap_or_default();
                retain(item, Some(shape.element()), &path.index(index), keep)
            });
        }
        (Kind::Map, Value::Object(object)) => object
            .0
            .retain_mut(|(key, value)| retain(value, Some(shape.element()), &path.key(key), keep)),
        (Kind::Object, Value::Object(object)) => object.0.retain_mut(|(key, value)| {
            let field = shape.field(key).map(|(_, shape)| shape);
            retain(value, field, &path.key(key), keep)
        }),
        _ => {}
    }
    true
}
