//! From bytes to a tree.
//!
//! serde_json parses, and everything that it takes without a word is checked here. It has no way to
//! hand out a number as it was written that a body could not fake: with `arbitrary_precision` an
//! object of a private name is a number too. So the digits are taken from the text, which has its
//! numbers in the order in which they are visited.

use std::fmt::{self, Display, Formatter};

use memchr::memchr2;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Number, Object, Shape, Value, shape::conform};

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
    let mut value = parse(text, limits.values)?;
    conform(&mut value, shape)?;
    Ok(value)
}

/// Why a body is not read. A 413 for what is too large, and a 400 for all others.
#[derive(Debug)]
pub enum Refusal {
    /// Nothing but blanks, which is no error to most routes of the engine.
    Empty,
    /// It has more bytes than these.
    TooLarge(usize),
    /// It has more values than these.
    TooMany(usize),
    /// Lists and objects stand in one another more than [`DEPTH`] deep.
    TooDeep,
    /// So many bytes are well-formed. Go would replace the next.
    NotUtf8(usize),
    /// Also a lone surrogate, which Go would replace, what follows the value, and a number that
    /// no field can hold.
    Syntax(serde_json::Error),
    /// Two keys of an object are the same to Go: the path of one.
    Twice(String),
    /// The field has another type.
    Wrong {
        /// Its path; empty for the whole body.
        at: String,
        /// What the engine reads there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
}

impl Display for Refusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Empty => write!(f, "the body is empty"),
            Refusal::TooLarge(limit) => write!(f, "the body is larger than {limit} bytes"),
            Refusal::TooMany(limit) => write!(f, "the body has more than {limit} values"),
            Refusal::TooDeep => write!(f, "the body is nested more than {DEPTH} levels deep"),
            Refusal::NotUtf8(at) => write!(f, "the body is not valid UTF-8 at byte {at}"),
            Refusal::Syntax(error) => write!(f, "the body is not valid JSON: {error}"),
            Refusal::Twice(at) => write!(f, "{at}: duplicate key (case is ignored in field names)"),
            Refusal::Wrong {
                at,
                expected,
                found,
            } => {
                let at = if at.is_empty() { "the body" } else { at };
                write!(f, "{at} must be {expected}, not {found}")
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// The value that is the text, and nothing behind it.
fn parse(text: &str, values: usize) -> Result<Value, Refusal> {
    let mut reading = Reading {
        numbers: Numbers(text),
        left: values,
        refusal: None,
    };
    let mut parser = serde_json::Deserializer::from_str(text);
    let place = Place {
        reading: &mut reading,
        depth: 0,
    };
    let value = place.deserialize(&mut parser);
    let value = value.and_then(|value| parser.end().map(|()| value));
    let (refusal, limit) = (reading.refusal, values);
    value.map_err(|error| match refusal {
        Some(Bound::Depth) => Refusal::TooDeep,
        Some(Bound::Values) => Refusal::TooMany(limit),
        None => Refusal::Syntax(error),
    })
}

/// What is kept while a text is read.
struct Reading<'a> {
    numbers: Numbers<'a>,
    left: usize,
    refusal: Option<Bound>,
}

/// A bound of ours, which serde's errors cannot carry.
enum Bound {
    Depth,
    Values,
}

impl Reading<'_> {
    fn refuse<E: Error>(&mut self, bound: Bound) -> E {
        self.refusal = Some(bound);
        E::custom("a bound")
    }
}

/// Where a value is expected.
struct Place<'r, 'a> {
    reading: &'r mut Reading<'a>,
    /// How many lists and objects are around it.
    depth: usize,
}

impl<'a> Place<'_, 'a> {
    fn number<E: Error>(self) -> Result<Value, E> {
        let digits = self.reading.numbers.next();
        let digits = digits.ok_or_else(|| E::custom("a number without digits"))?;
        Ok(Value::Number(Number(digits.into())))
    }

    fn within<E: Error>(&mut self) -> Result<Place<'_, 'a>, E> {
        if self.depth == DEPTH {
            return Err(self.reading.refuse(Bound::Depth));
        }
        Ok(Place {
            reading: self.reading,
            depth: self.depth + 1,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.reading.left.checked_sub(1) {
            Some(left) => self.reading.left = left,
            None => return Err(self.reading.refuse(Bound::Values)),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Value, E> {
        Ok(Value::Bool(on))
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
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.within()?)? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Vec::new();
        while let Some(key) = fields.next_key::<String>()? {
            object.push((key.into(), fields.next_value_seed(self.within()?)?));
        }
        Ok(Value::Object(Object(object)))
    }
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
