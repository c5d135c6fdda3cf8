//! What the engine expects where: one spelling for each field, no field twice, no other type.
//!
//! Go takes a field by any spelling that is equal under Unicode's simple case folding. The names of
//! all fields are ASCII, so besides the 26 letters only U+017F (an s) and U+212A (a k) matter.

use std::borrow::Cow;

use super::{Object, Path, Refusal, Value};

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
    fn expected(self) -> &'static str {
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
    fn of_null(self) -> Value {
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

    /// The field of an [object](Kind::Object) whose name is this one after [`fold`], in the
    /// engine's spelling. No two fields of an object may be equal after it.
    fn field(self, folded: &str) -> Option<(&'static str, Self)>;

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

/// Appends what Go takes keys to be the same by.
pub fn fold(key: &str, folded: &mut String) {
    if key.is_ascii() {
        let start = folded.len();
        folded.push_str(key);
        folded[start..].make_ascii_lowercase();
        return;
    }
    folded.extend(key.chars().map(|letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }));
}

/// Gives the tree the spelling and the types of its shape.
pub(super) fn conform<S: Shape>(value: &mut Value, shape: S) -> Result<(), Refusal> {
    if *value == Value::Null && shape.kind() == Kind::Object {
        *value = Object::default().into();
    }
    Conform(String::new()).value(value, Some(shape), &Path::ROOT)
}

/// With a buffer for the folded keys.
struct Conform(String);

impl Conform {
    fn value<S: Shape>(
        &mut self,
        value: &mut Value,
        shape: Option<S>,
        path: &Path<'_>,
    ) -> Result<(), Refusal> {
        let kind = shape.map_or(Kind::Any, S::kind);
        match (kind, &mut *value) {
            (_, Value::Null)
            | (Kind::Any | Kind::Bool, Value::Bool(_))
            | (Kind::Any | Kind::Number, Value::Number(_))
            | (Kind::Any | Kind::Text, Value::Text(_)) => Ok(()),
            (Kind::Integer, Value::Number(number))
                if number.as_i64().is_some() || number.as_u64().is_some() =>
            {
                Ok(())
            }
            (Kind::Integer, Value::Number(_)) => Err(Refusal::Wrong {
                at: path.to_string(),
                expected: kind.expected(),
                found: "a number with a fraction, an exponent or more than 64 bits",
            }),
            (Kind::Any, Value::List(list)) => self.list(list, None::<S>, path),
            (Kind::List, Value::List(list)) => self.list(list, shape.map(S::element), path),
            (Kind::Words, Value::List(list)) => words(list, path),
            (Kind::Words, Value::Text(text)) => {
                *value = Value::List(vec![std::mem::take(text).into()]);
                Ok(())
            }
            (Kind::Any, Value::Object(object)) => self.map(object, None::<S>, path),
            (Kind::Map, Value::Object(object)) => self.map(object, shape.map(S::element), path),
            (Kind::Object, Value::Object(object)) => self.fields(object, shape, path),
            (_, other) => Err(wrong(path, kind, other)),
        }
    }

    fn list<S: Shape>(
        &mut self,
        list: &mut [Value],
        item: Option<S>,
        path: &Path<'_>,
    ) -> Result<(), Refusal> {
        for (index, value) in list.iter_mut().enumerate() {
            self.element(value, item, &path.index(index))?;
        }
        Ok(())
    }

    fn map<S: Shape>(
        &mut self,
        object: &mut Object,
        item: Option<S>,
        path: &Path<'_>,
    ) -> Result<(), Refusal> {
        let mut hashes = Vec::with_capacity(object.len());
        for (key, value) in object.iter_mut() {
            hashes.push(hash(key));
            self.element(value, item, &path.key(key))?;
        }
        match any_twice(hashes) {
            true => once(object.iter().map(|(key, _)| (key.to_owned(), key)), path),
            false => Ok(()),
        }
    }

    fn element<S: Shape>(
        &mut self,
        value: &mut Value,
        shape: Option<S>,
        path: &Path<'_>,
    ) -> Result<(), Refusal> {
        if *value == Value::Null {
            *value = shape.map_or(Value::Null, |shape| shape.kind().of_null());
        }
        self.value(value, shape, path)
    }

    fn fields<S: Shape>(
        &mut self,
        object: &mut Object,
        shape: Option<S>,
        path: &Path<'_>,
    ) -> Result<(), Refusal> {
        let mut hashes = Vec::with_capacity(object.len());
        for (key, value) in &mut object.0 {
            self.0.clear();
            fold(key, &mut self.0);
            hashes.push(hash(&self.0));
            let field = shape.and_then(|shape| shape.field(&self.0));
            if let Some((name, _)) = field {
                *key = Cow::Borrowed(name);
            }
            self.value(value, field.map(|(_, shape)| shape), &path.key(key))?;
        }
        let folded = |key: &str| {
            let mut folded = String::new();
            fold(key, &mut folded);
            folded
        };
        match any_twice(hashes) {
            true => once(object.iter().map(|(key, _)| (folded(key), key)), path),
            false => Ok(()),
        }
    }
}

/// A list of strings.
fn words(list: &mut [Value], path: &Path<'_>) -> Result<(), Refusal> {
    for (index, item) in list.iter_mut().enumerate() {
        match item {
            Value::Text(_) => {}
            Value::Null => *item = Kind::Text.of_null(),
            other => return Err(wrong(&path.index(index), Kind::Text, other)),
        }
    }
    Ok(())
}

/// FNV-1a. Names are compared only if two hashes are equal, which made reading a third faster.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn any_twice<T: Ord>(mut all: Vec<T>) -> bool {
    all.sort_unstable();
    all.windows(2).any(|pair| pair[0] == pair[1])
}

/// Refuses a name that is there twice. Each comes with its key.
fn once<'a>(
    names: impl Iterator<Item = (String, &'a str)>,
    path: &Path<'_>,
) -> Result<(), Refusal> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(Refusal::Twice(path.key(pair[0].1).to_string())),
        None => Ok(()),
    }
}

fn wrong(path: &Path<'_>, expected: Kind, found: &Value) -> Refusal {
    Refusal::Wrong {
        at: path.to_string(),
        expected: expected.expected(),
        found: found.what(),
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
        (Kind::Object, Value::Object(object)) => {
            let mut folded = String::new();
            object.0.retain_mut(|(key, value)| {
                folded.clear();
                fold(key, &mut folded);
                let field = shape.field(&folded).map(|(_, shape)| shape);
                retain(value, field, &path.key(key), keep)
            });
        }
        _ => {}
    }
    true
}
