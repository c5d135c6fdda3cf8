//! From bytes to a tree.
//!
//! serde_json parses, and everything that it takes without a word is checked here. It has no way to
//! hand out a number as it was written that a body could not fake: with `arbitrary_precision` an
//! object of a private name is a number too. So the digits are taken from the text, which has its
//! numbers in the order in which they are visited.

use std::borrow::Cow;
use std::fmt::{self, Formatter};

use memchr::memchr2;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Key, Kind, Number, Object, Path, Refusal, Shape, Value};
use crate::api::fields::{fold, hash};

/// How deep lists and objects may stand in one another.
pub const DEPTH: usize = 64;

/// How much a body may have.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Its length.
    pub bytes: usize,
    /// How many values it has, each of which takes up to a hundred bytes of memory, so that a
    /// body of brackets takes no more than one of text.
    pub values: usize,
}

impl Default for Limits {
    /// Of what clients send.
    fn default() -> Limits {
        Limits {
            bytes: 4 << 20,
            values: 100_000,
        }
    }
}

/// Reads a body as the engine would read it into this shape. Null is an empty object where it
/// expects one.
pub fn read<S: Shape>(body: &[u8], limits: Limits, shape: S) -> Result<Value, Refusal> {
    if body.len() > limits.bytes {
        return Err(Refusal::TooLarge(limits.bytes));
    }
    let text = str::from_utf8(body).map_err(|error| Refusal::NotUtf8(error.valid_up_to()))?;
    if text.bytes().all(|byte| b" \t\r\n".contains(&byte)) {
        return Err(Refusal::Empty);
    }
    match parse(text, limits.values, shape)? {
        Value::Null if shape.kind() == Kind::Object => Ok(Object::default().into()),
        value => Ok(value),
    }
}

/// The value that is the text, and nothing behind it.
fn parse<S: Shape>(text: &str, values: usize, shape: S) -> Result<Value, Refusal> {
    let mut reading = Reading {
        numbers: Numbers(text),
        values,
        left: values,
        hashes: Vec::new(),
        refusal: None,
    };
    let mut parser = serde_json::Deserializer::from_str(text);
    let place = Place {
        reading: &mut reading,
        kind: shape.kind(),
        shape: Some(shape),
        path: &Path::ROOT,
        depth: 0,
    };
    let value = place.deserialize(&mut parser);
    let value = value.and_then(|value| parser.end().map(|()| value));
    value.map_err(|error| reading.refusal.unwrap_or(Refusal::Syntax(error)))
}

/// What is kept while a text is read.
struct Reading<'a> {
    numbers: Numbers<'a>,
    values: usize,
    left: usize,
    /// Of the keys so far of all objects that are being read.
    hashes: Vec<u64>,
    /// What serde's errors cannot carry.
    refusal: Option<Refusal>,
}

impl Reading<'_> {
    fn refuse<E: Error>(&mut self, refusal: Refusal) -> E {
        self.refusal = Some(refusal);
        E::custom("refused")
    }
}

/// Where a value is expected.
struct Place<'r, 'a, S> {
    reading: &'r mut Reading<'a>,
    kind: Kind,
    /// Nothing is known below [`Kind::Any`] and unknown fields, and of words.
    shape: Option<S>,
    path: &'r Path<'r>,
    /// How many lists and objects are around it.
    depth: usize,
}

impl<'a, S: Shape> Place<'_, 'a, S> {
    fn wrong<E: Error>(self, found: &'static str) -> E {
        self.reading.refuse(Refusal::Wrong {
            at: self.path.to_string(),
            expected: self.kind.expected(),
            found,
        })
    }

    fn number<E: Error>(self) -> Result<Value, E> {
        let digits = self.reading.numbers.next();
        let number = Number(digits.ok_or_else(|| E::custom("a number"))?.into());
        let integer = || number.as_i64().is_some() || number.as_u64().is_some();
        match self.kind {
            Kind::Any | Kind::Number => Ok(Value::Number(number)),
            Kind::Integer if integer() => Ok(Value::Number(number)),
            Kind::Integer => {
                Err(self.wrong("a number with a fraction, an exponent or more than 64 bits"))
            }
            _ => Err(self.wrong("a number")),
        }
    }

    /// The place of something in this list or object.
    fn within<'s>(
        &'s mut self,
        kind: Kind,
        shape: Option<S>,
        path: &'s Path<'s>,
    ) -> Place<'s, 'a, S> {
        Place {
            reading: self.reading,
            kind,
            shape,
            path,
            depth: self.depth + 1,
        }
    }

    /// Whether this may be a list or an object.
    fn open<E: Error>(&mut self) -> Result<(), E> {
        match self.depth < DEPTH {
            true => Ok(()),
            false => Err(self.reading.refuse(Refusal::TooDeep)),
        }
    }

    /// What each item of this list, or value of this map, is.
    fn element(&self) -> (Kind, Option<S>) {
        match self.kind {
            Kind::Words => (Kind::Text, None),
            Kind::List | Kind::Map => known(self.shape.map(S::element)),
            _ => (Kind::Any, None),
        }
    }
}

fn known<S: Shape>(shape: Option<S>) -> (Kind, Option<S>) {
    (shape.map_or(Kind::Any, S::kind), shape)
}

/// Go has no field to leave unset in a list or a map.
fn element(kind: Kind, value: Value) -> Value {
    match value {
        Value::Null => kind.of_null(),
        value => value,
    }
}

impl<'de, S: Shape> DeserializeSeed<'de> for Place<'_, '_, S> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.reading.left.checked_sub(1) {
            Some(left) => self.reading.left = left,
            None => {
                let refusal = Refusal::TooMany(self.reading.values);
                return Err(self.reading.refuse(refusal));
            }
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Shape> Visitor<'de> for Place<'_, '_, S> {
    type Value = Value;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.expected())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Value, E> {
        match self.kind {
            Kind::Any | Kind::Bool => Ok(Value::Bool(on)),
            _ => Err(self.wrong("a boolean")),
        }
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Value, E> {
        self.number()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Value, E> {
        self.number()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Value, E> {
        self.number()
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        match self.kind {
            Kind::Any | Kind::Text => Ok(text.into()),
            Kind::Words => Ok(Value::List(vec![text.into()])),
            _ => Err(self.wrong("a string")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        if !matches!(self.kind, Kind::Any | Kind::List | Kind::Words) {
            return Err(self.wrong("a list"));
        }
        self.open()?;
        let (kind, shape) = self.element();
        let (above, mut list) = (self.path, Vec::new());
        loop {
            let path = above.index(list.len());
            let place = self.within(kind, shape, &path);
            match items.next_element_seed(place)? {
                Some(item) => list.push(element(kind, item)),
                None => return Ok(Value::List(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Value, A::Error> {
        let object = match self.kind {
            Kind::Any | Kind::Map => None,
            Kind::Object => Some(self.shape),
            _ => return Err(self.wrong("an object")),
        };
        self.open()?;
        let of_map = self.element();
        let (above, mut pairs, first) = (self.path, Vec::new(), self.reading.hashes.len());
        loop {
            let Some((key, hash, field)) = fields.next_key_seed(Name(object))? else {
                break;
            };
            let (kind, shape) = match object {
                Some(_) => known(field),
                None => of_map,
            };
            self.reading.hashes.push(hash);
            let path = above.key(&key);
            let value = fields.next_value_seed(self.within(kind, shape, &path))?;
            let value = match object {
                Some(_) => value,
                None => element(kind, value),
            };
            pairs.push((key, value));
        }
        // Keys are compared only if two hashes are equal, which made reading a quarter faster.
        let hashes = &mut self.reading.hashes[first..];
        hashes.sort_unstable();
        let like = hashes.windows(2).any(|pair| pair[0] == pair[1]);
        self.reading.hashes.truncate(first);
        if like && let Some(key) = twice(&pairs, object.is_some()) {
            let at = above.key(key).to_string();
            return Err(self.reading.refuse(Refusal::Twice(at)));
        }
        Ok(Value::Object(Object(pairs)))
    }
}

/// A key of a map, or of an object with its shape.
struct Name<S>(Option<Option<S>>);

impl<'de, S: Shape> DeserializeSeed<'de> for Name<S> {
    type Value = (Key, u64, Option<S>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de, S: Shape> Visitor<'de> for Name<S> {
    type Value = (Key, u64, Option<S>);

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        match self.0.flatten().and_then(|object| object.field(key)) {
            Some((name, shape)) => Ok((Cow::Borrowed(name), hash(key), Some(shape))),
            None => Ok((Cow::Owned(key.to_owned()), hash(key), None)),
        }
    }
}

/// A key that is there twice, in any case if it is a field's.
fn twice(pairs: &[(Key, Value)], fields: bool) -> Option<&str> {
    let name = |key: &str| match fields {
        true => fold(key),
        false => key.to_owned(),
    };
    let mut names: Vec<_> = pairs.iter().map(|(key, _)| (name(key), &**key)).collect();
    names.sort_unstable();
    let pair = names.windows(2).find(|pair| pair[0].0 == pair[1].0)?;
    Some(pair[0].1)
}

/// The numbers of a text, as far as it is valid JSON: what follows the one that was taken last.
struct Numbers<'a>(&'a str);

impl<'a> Iterator for Numbers<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let start = |byte: u8| byte == b'"' || byte == b'-' || byte.is_ascii_digit();
            let at = self.0.bytes().position(start)?;
            self.0 = &self.0[at..];
            if !self.0.starts_with('"') {
                let digit = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
                let end = self.0.bytes().position(|byte| !digit(byte));
                let (number, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
                self.0 = rest;
                return Some(number);
            }
            self.0 = behind_string(self.0)?;
        }
    }
}

/// What follows the string at the start of a text.
fn behind_string(text: &str) -> Option<&str> {
    let mut at = 1;
    loop {
        let rest = text.as_bytes().get(at..)?;
        let found = memchr2(b'"', b'\\', rest)?;
        if rest[found] == b'"' {
            return text.get(at + found + 1..);
        }
        at += found + 2;
    }
}
