//! What an older version of the API would have read in a query.

use super::table::{Parameter, QUERIES};
use crate::api::query::pairs;
use crate::api::{Target, Version};
use crate::body::draft::encoded;
use crate::body::json::{self, Limits, Object, Untyped, Value};

/// The name of the parameter that holds filters.
const FILTERS: &str = "filters";

/// The request in a newer version. Nothing if engines do not agree on how it is read.
pub(super) fn raised(target: &Target, asked: Version, now: Version) -> Option<Target> {
    let own = QUERIES.iter().filter(|(route, since, ..)| {
        asked < *since && *since <= now && fits(route, target.method_str(), target.path())
    });
    let own: Vec<_> = own.map(|(_, _, name, older)| (*name, *older)).collect();
    if own.is_empty() {
        return target.raised(now, target.query());
    }
    let mut query = pairs(target.query().unwrap_or_default())?;
    for (name, older) in own {
        // Engines take the first value of a parameter.
        let place = query.iter().position(|(key, _)| key == name);
        let first = place.map(|place| query[place].1.clone());
        match older {
            Parameter::Ignored => query.retain(|(key, _)| key != name),
            Parameter::Always(value) => set(&mut query, name, value.to_owned()),
            Parameter::Filter(filter) => {
                query.retain(|(key, _)| key != name);
                if let Some(value) = first.filter(|value| !value.is_empty()) {
                    add(&mut query, filter, &value)?;
                }
            }
            Parameter::Filters(filter, value) => add(&mut query, filter, value)?,
        }
    }
    let query = query.iter().map(|(key, value)| {
        let (key, value) = (encoded(key), encoded(value));
        format!("{key}={value}")
    });
    let query = query.collect::<Vec<_>>().join("&");
    target.raised(now, Some(query.as_str()).filter(|query| !query.is_empty()))
}

/// Whether a request is of a route.
pub(super) fn fits(route: &str, method: &str, path: &[u8]) -> bool {
    let Some(route) = route
        .strip_prefix(method)
        .and_then(|rest| rest.strip_prefix(' '))
    else {
        return false;
    };
    match route.split_once("{}") {
        None => route.as_bytes() == path,
        Some((before, behind)) => path
            .strip_prefix(before.as_bytes())
            .and_then(|rest| rest.strip_suffix(behind.as_bytes()))
            .is_some_and(|name| !name.is_empty()),
    }
}

fn set(query: &mut Vec<(String, String)>, name: &str, value: String) {
    query.retain(|(key, _)| key != name);
    query.push((name.to_owned(), value));
}

/// Adds a value to the filters, in whichever of both forms they are written. Nothing if they cannot be
/// read, which engines refuse.
fn add(query: &mut Vec<(String, String)>, filter: &'static str, value: &str) -> Option<()> {
    let written = query.iter().find(|(key, _)| key == FILTERS);
    let written = written.map(|(_, value)| value.as_str()).unwrap_or_default();
    let mut tree = match written {
        "" => Object::default().into(),
        written => json::read(written.as_bytes(), Limits::default(), Untyped).ok()?,
    };
    let filters = tree.object_mut()?;
    let is_new = |values: &Value| values.as_object().is_none();
    let as_list = filters.iter().all(|(_, values)| is_new(values));
    match filters.entry(filter) {
        values @ (Value::Null | Value::List(_)) if as_list => {
            values.list_mut()?.push(value.into());
        }
        values => values.object_mut()?.set(value.to_owned(), true),
    }
    set(query, FILTERS, tree.to_json());
    Some(())
}
