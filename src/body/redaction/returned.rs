//! Bodies that bring a placeholder back, as that of a program that copies an inspect: what it stood for
//! would be lost.

use super::{PLACEHOLDER, PLACEHOLDER_BASE64};
use crate::body::json::{Path, Value};

/// Where a body brings the placeholder back, in a string or in a key.
pub fn returned(body: &Value) -> Option<String> {
    at(body, &Path::ROOT)
}

/// Whether a text has the placeholder in it.
pub(in crate::body) fn has_placeholder(text: &str) -> bool {
    text.contains(PLACEHOLDER) || text.contains(PLACEHOLDER_BASE64)
}

fn at(value: &Value, path: &Path<'_>) -> Option<String> {
    match value {
        Value::Text(text) => has_placeholder(text).then(|| path.text()),
        Value::List(list) => {
            let mut items = list.iter().enumerate();
            items.find_map(|(index, item)| at(item, &path.index(index)))
        }
        Value::Object(object) => object.iter().find_map(|(key, value)| {
            let path = path.key(key);
            match has_placeholder(key) {
                true => Some(path.text()),
                false => at(value, &path),
            }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}
