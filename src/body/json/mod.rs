//! A JSON body, read as Go's `encoding/json` reads it into the engine's types, or refused.
//!
//! The engine is obeyed by what Go makes of a body, and Go is lenient: a key counts in any case, a
//! key given twice is merged with itself, and broken UTF-8 is mended. So a [`Value`] holds only what
//! can be read in one way, in the spelling that every reader agrees on, and it is the tree that is
//! forwarded, never the bytes that were sent:
//!
//! - the fields that the [`Shape`] knows have the engine's own spelling; the keys of maps stay exact;
//! - no object has two keys that are the same to any version of Go; [`Object`] keeps it so;
//! - a number keeps the digits that it was written with, and the order of keys stays;
//! - each value has the type that its field has, or is null.
//!
//! `null` leaves a field as it is if it were not given, so both mean the same here: [`Value::at`]
//! answers null for what is absent. In a list or a map of strings, numbers or bools, where Go reads
//! it as an empty one, it is replaced by that.
//!
//! `tests/conformance/go-json.jsonl` has what Go itself reads, and `tests/bodies.rs` holds this
//! against it.

mod path;
mod read;
mod refusal;
mod shape;
mod skim;
#[cfg(test)]
mod tests;
mod write;

use std::borrow::Cow;

pub use path::Path;
pub use read::{DEPTH, Limits, read};
pub use refusal::Refusal;
pub use shape::{Kind, Shape, Untyped};
pub use skim::{Skimmer, Wanted};

/// One value of a body.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Also what an absent field is.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any number, as it was written.
    Number(Number),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// An object, be it a struct or a map to the engine.
    Object(Object),
}

impl Value {
    /// What is absent.
    pub const NULL: &Value = &Value::Null;

    /// The field at a path of keys with dots between them, such as `HostConfig.Memory`.
    pub fn at(&self, keys: &str) -> &Value {
        keys.split('.').fold(self, |value, key| {
            let object = value.as_object();
            object
                .and_then(|object| object.get(key))
                .unwrap_or(Value::NULL)
        })
    }

    /// The same, to be edited: objects on the way that are null or absent are made. Nothing if
    /// something on the way is not an object.
    pub fn at_mut(&mut self, keys: &'static str) -> Option<&mut Value> {
        keys.split('.')
            .try_fold(self, |value, key| Some(value.object_mut()?.entry(key)))
    }

    /// Whether it is null, false, 0, "", [] or {}: for almost every field what an absent one is.
    pub fn is_empty(&self) -> bool {
        match self {
            Value::Null => true,
            Value::Bool(on) => !on,
            Value::Number(number) => number.is_zero(),
            Value::Text(text) => text.is_empty(),
            Value::List(list) => list.is_empty(),
            Value::Object(object) => object.is_empty(),
        }
    }

    /// How much memory it takes, roughly.
    pub fn size(&self) -> usize {
        size_of::<Value>()
            + match self {
                Value::Null | Value::Bool(_) => 0,
                Value::Number(number) => number.as_str().len(),
                Value::Text(text) => text.len(),
                Value::List(list) => list.iter().map(Value::size).sum(),
                Value::Object(object) => object
                    .iter()
                    .map(|(key, value)| size_of::<Key>() + key.len() + value.size())
                    .sum(),
            }
    }

    /// The bool; null is none.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(on) => Some(*on),
            _ => None,
        }
    }

    /// The number; null is none.
    pub fn as_number(&self) -> Option<&Number> {
        match self {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The number, if a 64-bit integer holds it exactly.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number().and_then(Number::as_i64)
    }

    /// The string; null is none.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The list; null is none.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// What a list holds; null holds nothing.
    pub fn items(&self) -> &[Value] {
        self.as_list().unwrap_or_default()
    }

    /// The list, to be edited; null becomes an empty one.
    pub fn list_mut(&mut self) -> Option<&mut Vec<Value>> {
        if *self == Value::Null {
            *self = Value::List(Vec::new());
        }
        match self {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// The object; null is none.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The object, to be edited; null becomes an empty one.
    pub fn object_mut(&mut self) -> Option<&mut Object> {
        if *self == Value::Null {
            *self = Value::Object(Object::default());
        }
        match self {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }
}

impl From<bool> for Value {
    fn from(on: bool) -> Value {
        Value::Bool(on)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(number.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<Vec<Value>> for Value {
    fn from(list: Vec<Value>) -> Value {
        Value::List(list)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Value {
        Value::Object(object)
    }
}

/// A number, in the digits that it was written with.
#[derive(Clone, Debug, PartialEq)]
pub struct Number(Box<str>);

impl Number {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// If it is written as an integer and fits, as Go demands it of an `int64`.
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// If it is written as an integer and fits, as Go demands it of a `uint64`.
    pub fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// The nearest one, which may be infinite.
    pub fn as_f64(&self) -> f64 {
        self.0.parse().unwrap_or(f64::NAN)
    }

    /// Whether each digit before the exponent is a zero.
    pub fn is_zero(&self) -> bool {
        let digits = self.0.bytes().take_while(|byte| !b"eE".contains(byte));
        digits.into_iter().all(|byte| b"-0.".contains(&byte))
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Number {
        Number(number.to_string().into())
    }
}

/// What an object has, in the order in which it was written, and no key twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object(Vec<(Key, Value)>);

/// Borrowed if the shape knows the field.
type Key = Cow<'static, str>;

impl Object {
    /// What this very key has.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.iter()
            .find_map(|(k, value)| (k == key).then_some(value))
    }

    /// The same, to be edited.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.iter_mut()
            .find_map(|(k, value)| (k == key).then_some(value))
    }

    /// What this key has, null if it is new. A struct's field has the engine's spelling: another one
    /// would be the same key to Go.
    pub fn entry(&mut self, key: impl Into<Cow<'static, str>>) -> &mut Value {
        let key = key.into();
        let at = match self.0.iter().position(|(k, _)| *k == key) {
            Some(at) => at,
            None => {
                self.0.push((key, Value::Null));
                self.0.len() - 1
            }
        };
        &mut self.0[at].1
    }

    /// Sets what this key has, in its old place or at the end.
    pub fn set(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        *self.entry(key) = value.into();
    }

    /// Removes the key.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.0.iter().position(|(k, _)| k == key)?;
        Some(self.0.remove(at).1)
    }

    /// Each key with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }

    /// Each key with its value, to be edited.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Value)> {
        self.0.iter_mut().map(|(key, value)| (&**key, value))
    }

    /// Whether it is `{}`.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
