//! What the judgements need of a JSON value, whatever tree holds it.

use serde_json::Value;

use crate::api::fields::same_name;

/// A JSON value as the reader leaves it: in no object a key twice, in any case.
pub trait Json: Sized {
    /// Whether it is null.
    fn is_null(&self) -> bool;

    /// Whether it says nothing: null, false, 0, `""`, `[]` or `{}`.
    fn is_empty(&self) -> bool;

    /// Whether it is `true`.
    fn is_true(&self) -> bool;

    /// The number, if it is one without a fraction.
    fn int(&self) -> Option<i64>;

    /// The string.
    fn text(&self) -> Option<&str>;

    /// The items of a list.
    fn items(&self) -> Option<&[Self]>;

    /// The fields of an object.
    fn entries<'a>(&'a self) -> Option<impl Iterator<Item = (&'a str, &'a Self)>>
    where
        Self: 'a;

    /// The value as JSON, on one line.
    fn shown(&self) -> String;
}

impl Json for Value {
    fn is_null(&self) -> bool {
        self.is_null()
    }

    fn is_empty(&self) -> bool {
        match self {
            Value::Null => true,
            Value::Bool(is) => !is,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
        }
    }

    fn is_true(&self) -> bool {
        *self == Value::Bool(true)
    }

    fn int(&self) -> Option<i64> {
        self.as_i64()
    }

    fn text(&self) -> Option<&str> {
        self.as_str()
    }

    fn items(&self) -> Option<&[Value]> {
        self.as_array().map(Vec::as_slice)
    }

    fn entries<'a>(&'a self) -> Option<impl Iterator<Item = (&'a str, &'a Value)>>
    where
        Self: 'a,
    {
        let fields = self.as_object()?;
        Some(fields.iter().map(|(key, value)| (key.as_str(), value)))
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

/// A field by its name, in any case.
pub(super) fn get<'a, J: Json>(value: &'a J, name: &str) -> Option<&'a J> {
    let mut entries = value.entries()?;
    let found = entries.find(|(key, _)| same_name(key, name));
    found.map(|(_, value)| value)
}

/// A field's string, or an empty one.
pub(super) fn text_of<J: Json>(value: &J, name: &str) -> String {
    let text = get(value, name).and_then(Json::text);
    text.unwrap_or_default().to_owned()
}

/// The first of two strings that says something.
pub(super) fn either<J: Json>(value: &J, first: &str, second: &str) -> String {
    let text = text_of(value, first);
    if text.is_empty() {
        text_of(value, second)
    } else {
        text
    }
}

/// Whether a field is `true`.
pub(super) fn is_true<J: Json>(value: &J, name: &str) -> bool {
    get(value, name).is_some_and(Json::is_true)
}
