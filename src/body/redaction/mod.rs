//! `REDACT` and `REDACT_ENV`: what of the engine's answers clients are not told.
//!
//! Which field tells what is in `fields.toml`. An answer is walked along it: names of fields count in
//! any case, and a value that has another type than the table says is either replaced with all that is in
//! it, or, where fields would be looked for in it, the answer does not pass at all. Nothing is added, and
//! nothing is shown that was not there.

mod returned;
#[cfg(test)]
mod tests;
mod value;

use std::fmt::{self, Display, Formatter};

use super::glob::Glob;
use super::json::{Path, Value};
use super::limits::{self, Mistake};
use crate::api::Target;
use crate::api::fields::{Body, Disclosed, Field, Form, Kind};
use crate::api::query;
pub(in crate::body) use returned::has_placeholder;
pub use returned::returned;

/// What stands in place of a value.
pub const PLACEHOLDER: &str = "[redacted by dockgate]";
/// The same in an image, so that a program that compares a container's own settings with those of its image
/// does not take two of them for the same value.
const PLACEHOLDER_OF_IMAGES: &str = "[redacted by dockgate] in the image";
/// The same where clients decode base64.
pub const PLACEHOLDER_BASE64: &str = "W3JlZGFjdGVkIGJ5IGRvY2tnYXRlXQ==";

/// The variables of which values are redacted, if `REDACT_ENV` does not say otherwise.
pub const VARIABLES: &str = "*PASS*,*TOKEN*,*SECRET*,*KEY*";

const REDACT: &str = "REDACT";
const REDACT_ENV: &str = "REDACT_ENV";

/// What is redacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    what: Disclosed,
    /// The names of variables, in upper case.
    variables: Vec<Glob>,
    /// The keys of labels.
    labels: Vec<Glob>,
}

/// The answer to one request, redacted.
#[derive(Debug)]
pub struct Redacting<'r> {
    redaction: &'r Redaction,
    root: &'static Field,
    placeholder: &'static str,
    /// The arguments of `ps`, if the request has any.
    arguments: Option<String>,
}

/// An answer in which fields would stand, but cannot be looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Odd(String);

impl Display for Odd {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Odd {}

/// One entry of `REDACT`.
enum Entry {
    All(Disclosed),
    Labels(Glob),
}

impl Entry {
    fn read(text: &str) -> Result<Entry, Mistake> {
        if let Some(key) = text.strip_prefix("labels:") {
            return match key.trim() {
                "" => Err(Mistake::new(text, "names no label", "use labels:KEY")),
                key => Ok(Entry::Labels(Glob::text(key))),
            };
        }
        let mut names = Disclosed::NAMES.iter();
        match names.find(|(name, _)| *name == text) {
            Some((_, Disclosed::LABELS)) => {
                let help = "use labels:KEY, or labels:* for all labels";
                Err(Mistake::new(text, "does not say which labels", help))
            }
            Some((_, what)) => Ok(Entry::All(*what)),
            None => {
                let names = Disclosed::NAMES.map(|(name, _)| match name {
                    "labels" => "labels:KEY",
                    name => name,
                });
                let help = format!("use {}", names.join(", "));
                Err(Mistake::new(text, "is unknown", help))
            }
        }
    }
}

impl Redaction {
    /// Reads `REDACT` and `REDACT_ENV`.
    ///
    /// # Errors
    /// All that is wrong with them, with the variable.
    pub fn read(
        redact: &str,
        environment: Option<&str>,
    ) -> Result<Redaction, Vec<(&'static str, Mistake)>> {
        let named = |variable, all: Vec<Mistake>| {
            let all = all.into_iter().map(|mistake| (variable, mistake));
            all.collect::<Vec<_>>()
        };
        let is_empty = |text: &str| {
            let mut entries = text.split([',', '\n']);
            entries.all(|entry| entry.trim().is_empty())
        };
        if is_empty(redact) {
            let mistake = Mistake::new(redact, "is empty", "list what to redact, or unset REDACT");
            return Err(vec![(REDACT, mistake)]);
        }
        let entries = limits::some(redact, Entry::read).map_err(|all| named(REDACT, all))?;
        let mut redaction = Redaction {
            what: Disclosed::NONE,
            variables: Vec::new(),
            labels: Vec::new(),
        };
        for entry in entries {
            match entry {
                Entry::All(what) => redaction.what = redaction.what.with(what),
                Entry::Labels(key) => {
                    redaction.what = redaction.what.with(Disclosed::LABELS);
                    redaction.labels.push(key);
                }
            }
        }
        let of_variables = redaction.what.meets(Disclosed::ENV);
        if let Some(text) = environment.filter(|_| !of_variables) {
            let mistake = Mistake::new(text, "is about variables", "add env to REDACT");
            return Err(vec![(REDACT_ENV, mistake)]);
        }
        if of_variables {
            let text = environment.unwrap_or(VARIABLES);
            if is_empty(text) {
                let mistake = Mistake::new(text, "is empty", "use * for all variables");
                return Err(vec![(REDACT_ENV, mistake)]);
            }
            let glob = |name: &str| Ok(Glob::text(&name.to_uppercase()));
            redaction.variables = limits::some(text, glob).map_err(|all| named(REDACT_ENV, all))?;
        }
        Ok(redaction)
    }

    /// Whether something of it is redacted.
    pub fn concerns(&self, what: Disclosed) -> bool {
        self.what.meets(what)
    }

    /// What is redacted of the answer to a request. `None` if nothing is known of such an answer.
    pub fn of(&self, target: &Target) -> Option<Redacting<'_>> {
        let answer = Body::answered(target)?;
        let arguments = match (answer.root.form, target.query()) {
            (Form::Processes, Some(query)) => Some(ps_arguments(query)),
            _ => None,
        };
        Some(Redacting {
            redaction: self,
            root: &answer.root,
            placeholder: match answer.route.text {
                "GET /images/{name...}/json" => PLACEHOLDER_OF_IMAGES,
                _ => PLACEHOLDER,
            },
            arguments,
        })
    }

    /// Whether the answer to a request is one record after another, each redacted by itself.
    pub fn of_records(target: &Target) -> bool {
        Body::answered(target).is_some_and(|answer| answer.root.form == Form::Event)
    }

    /// Redacts the answer to a request, or one of its records.
    ///
    /// # Errors
    /// It cannot be redacted: it is not to pass.
    pub fn apply(&self, target: &Target, answer: &mut Value) -> Result<(), Odd> {
        match self.of(target) {
            Some(redacting) => redacting.whole(answer),
            None => Err(Odd("it is unknown what it holds".to_owned())),
        }
    }
}

/// All that an engine may take for the arguments of `ps`.
fn ps_arguments(query: &str) -> String {
    match query::pairs(query) {
        Some(pairs) => {
            let own = pairs.into_iter();
            let own = own.filter(|(key, _)| key.eq_ignore_ascii_case("ps_args"));
            own.map(|(_, value)| value).collect::<Vec<_>>().join(" ")
        }
        // It cannot be told.
        None => query.to_owned(),
    }
}

impl Redacting<'_> {
    /// Redacts the whole answer.
    ///
    /// # Errors
    /// It has another shape than is known.
    pub fn whole(&self, answer: &mut Value) -> Result<(), Odd> {
        self.field(self.root, answer, &Path::ROOT)
    }

    /// Redacts one item of the list that the answer is.
    ///
    /// # Errors
    /// It has another shape than is known, or the answer is no list.
    pub fn item(&self, item: &mut Value) -> Result<(), Odd> {
        match self.root.kind {
            Kind::List(kind) => self.inside(kind, item, &Path::ROOT),
            _ => Err(odd(&Path::ROOT, "is not an item of a list")),
        }
    }

    fn field(&self, field: &Field, value: &mut Value, path: &Path<'_>) -> Result<(), Odd> {
        match field.disclosed.meets(self.redaction.what) {
            true => self.hide(field, value, path),
            false => self.inside(&field.kind, value, path),
        }
    }

    /// Looks for fields in a value. What may hold none stays.
    fn inside(&self, kind: &Kind, value: &mut Value, path: &Path<'_>) -> Result<(), Odd> {
        match (kind, value) {
            (_, Value::Null) => Ok(()),
            (Kind::Object(known), Value::Object(object)) => {
                let mut fields = object.iter_mut();
                fields.try_for_each(|(key, value)| match known.any_field(key) {
                    Some((field, _)) => self.field(field, value, &path.key(key)),
                    None => Ok(()),
                })
            }
            (Kind::Map(inner), Value::Object(object)) if holds_fields(inner) => {
                let mut values = object.iter_mut();
                values.try_for_each(|(key, value)| self.inside(inner, value, &path.key(key)))
            }
            (Kind::List(inner), Value::List(list)) if holds_fields(inner) => {
                let mut items = list.iter_mut().enumerate();
                items.try_for_each(|(at, item)| self.inside(inner, item, &path.index(at)))
            }
            (kind, _) if !holds_fields(kind) => Ok(()),
            (Kind::List(_), _) => Err(odd(path, "is not a list")),
            _ => Err(odd(path, "is not an object")),
        }
    }
}

/// Whether there are objects in it whose fields are known.
fn holds_fields(kind: &Kind) -> bool {
    match kind {
        Kind::Object(object) => !object.fields.is_empty(),
        Kind::List(inner) | Kind::Map(inner) => holds_fields(inner),
        _ => false,
    }
}

fn odd(path: &Path<'_>, what: &str) -> Odd {
    Odd(match path.text() {
        place if place.is_empty() => format!("it {what}"),
        place => format!("{place} {what}"),
    })
}
