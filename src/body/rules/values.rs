//! What a rule sees of a tree, without a copy of its text, and how much of it.
//!
//! Numbers are exact: an integer that fits is an `int` or a `uint`, and any other number is the
//! nearest `double`. A field that is null is absent, as to the engine.

use std::collections::HashMap;

use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt,
};
use cel::common::value::Val;

use crate::body::json::Value;

/// Rules see no more values of one tree.
pub(super) const MOST: usize = 10_000;
/// Rules see no more bytes of text of one tree.
pub(super) const MOST_TEXT: usize = 2 << 20;
/// What it costs to look at one value, in bytes of text.
const VALUE: usize = 64;

/// A tree that is larger than rules may see.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// A value, and what it costs to look through all of it.
#[derive(Debug)]
pub(super) struct Priced<'v> {
    pub(super) value: Box<dyn Val + 'v>,
    pub(super) price: usize,
}

/// A tree as rules see it.
pub(super) fn tree(tree: &Value) -> Result<Priced<'_>, TooLarge> {
    let mut left = Left {
        values: MOST,
        text: MOST_TEXT,
    };
    let value = left.value(tree)?;
    let price = (MOST - left.values) * VALUE + MOST_TEXT - left.text;
    Ok(Priced { value, price })
}

/// A text as rules see it.
pub(super) fn text(text: &str) -> Priced<'_> {
    Priced {
        value: Box::new(CelString::from(text)),
        price: VALUE + text.len(),
    }
}

/// Texts by their names.
pub(super) fn texts<'v>(texts: impl Iterator<Item = (&'v str, &'v str)>) -> Priced<'v> {
    let mut price = VALUE;
    let entries = texts.map(|(key, value)| {
        price += VALUE + key.len() + value.len();
        let value: Box<dyn Val + 'v> = Box::new(CelString::from(value));
        (key_of(key), value)
    });
    let entries: HashMap<_, _> = entries.collect();
    Priced {
        value: Box::new(CelMap::from(entries)),
        price,
    }
}

/// What of one tree may still be seen.
struct Left {
    values: usize,
    text: usize,
}

impl Left {
    fn value<'v>(&mut self, value: &'v Value) -> Result<Box<dyn Val + 'v>, TooLarge> {
        self.values = self.values.checked_sub(1).ok_or(TooLarge)?;
        Ok(match value {
            Value::Null => Box::new(CelNull),
            Value::Bool(on) => Box::new(CelBool::from(*on)),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(int), _) => Box::new(CelInt::from(int)),
                (None, Some(int)) => Box::new(CelUInt::from(int)),
                (None, None) => Box::new(CelDouble::from(number.as_f64())),
            },
            Value::Text(text) => {
                self.text(text)?;
                Box::new(CelString::from(text.as_str()))
            }
            Value::List(list) => {
                let items: Result<Vec<_>, _> = list.iter().map(|item| self.value(item)).collect();
                Box::new(CelList::from(items?))
            }
            Value::Object(object) => {
                let mut entries: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> = HashMap::new();
                for (key, value) in object.iter().filter(|(_, value)| **value != Value::Null) {
                    self.text(key)?;
                    entries.insert(key_of(key), self.value(value)?);
                }
                Box::new(CelMap::from(entries))
            }
        })
    }

    fn text(&mut self, text: &str) -> Result<(), TooLarge> {
        self.text = self.text.checked_sub(text.len()).ok_or(TooLarge)?;
        Ok(())
    }
}

fn key_of(key: &str) -> CelMapKey<'_> {
    CelMapKey::String(CelString::from(key))
}
