//! What becomes of a value that is redacted, by its field's form.

use super::{Odd, PLACEHOLDER, PLACEHOLDER_BASE64, Redacting, odd};
use crate::api::fields::{Disclosed, Field, Form, same};
use crate::body::glob::Glob;
use crate::body::json::{Path, Value};

impl Redacting<'_> {
    /// Redacts the value of a field that tells something of what is redacted.
    pub(super) fn hide(
        &self,
        field: &Field,
        value: &mut Value,
        path: &Path<'_>,
    ) -> Result<(), Odd> {
        let what = self.redaction.what;
        let by = self.placeholder;
        let only = |one| !field.disclosed.without(one).meets(what);
        match field.form {
            Form::Value if field.disclosed == Disclosed::ENV => self.variables(value),
            Form::Value if only(Disclosed::LABELS) => self.labels(value),
            Form::Value if field.disclosed.meets(Disclosed::NETWORK) => empty(value),
            Form::Value | Form::Text => replace(value, by),
            Form::Mark if what.meets(Disclosed::NETWORK) => match value {
                Value::Text(text) => PLACEHOLDER.clone_into(text),
                other => replace(other, by),
            },
            Form::Mark => replace(value, by),
            Form::Base64 => replace(value, PLACEHOLDER_BASE64),
            Form::Source => sources(value),
            Form::Pairs => pairs(value),
            Form::Processes => return self.processes(value, path),
            Form::Event => return self.event(value, path),
        }
        Ok(())
    }

    /// `NAME=VALUE` in a list, `{"Name": NAME, "Value": VALUE}` in a list, or `{NAME: VALUE}`.
    fn variables(&self, value: &mut Value) {
        let fits = |name: &str| any(&self.redaction.variables, &name.to_uppercase());
        named(value, &fits, self.placeholder);
    }

    /// `{KEY: VALUE}`, or `KEY=VALUE` in a list.
    fn labels(&self, value: &mut Value) {
        let fits = |key: &str| any(&self.redaction.labels, key);
        named(value, &fits, self.placeholder);
    }

    fn event(&self, value: &mut Value, path: &Path<'_>) -> Result<(), Odd> {
        let what = self.redaction.what;
        let Value::Object(event) = value else {
            return Err(odd(path, "is not an event"));
        };
        // Their attributes are the engine's settings, or what a node is called.
        let of_host = event.iter().any(|(key, value)| {
            same("Type", key) && matches!(value.as_str(), Some("daemon" | "node"))
        });
        for (key, value) in event.iter_mut() {
            let is_action = same("Action", key) || same("status", key);
            if is_action && what.meets(Disclosed::COMMANDS) {
                action(value);
            } else if same("Actor", key) {
                self.actor(
                    value,
                    of_host && what.meets(Disclosed::HOST),
                    &path.key(key),
                )?;
            }
        }
        Ok(())
    }

    fn actor(&self, value: &mut Value, of_host: bool, path: &Path<'_>) -> Result<(), Odd> {
        let what = self.redaction.what;
        let actor = match value {
            Value::Null => return Ok(()),
            Value::Object(actor) => actor,
            _ => return Err(odd(path, "is not an object")),
        };
        for (key, value) in actor.iter_mut() {
            let attributes = match value {
                Value::Object(attributes) if same("Attributes", key) => attributes,
                Value::Null => continue,
                _ if same("Attributes", key) => return Err(odd(path, "has no attributes")),
                _ if of_host => {
                    replace(value, PLACEHOLDER);
                    continue;
                }
                _ => continue,
            };
            for (key, value) in attributes.iter_mut() {
                let label = !OWN.contains(&key) && any(&self.redaction.labels, key);
                let mount = PLACES.contains(&key) && what.meets(Disclosed::MOUNTS);
                if of_host || label || mount {
                    replace(value, PLACEHOLDER);
                }
            }
        }
        Ok(())
    }

    /// Of a table, what no command line and no environment can be in.
    fn processes(&self, value: &mut Value, path: &Path<'_>) -> Result<(), Odd> {
        let Value::Object(table) = value else {
            return Err(odd(path, "is not a table"));
        };
        let titles = table.iter().filter(|(key, _)| same("Titles", key));
        let titles: Vec<String> = titles
            .flat_map(|(_, titles)| titles.items())
            .map(|title| title.as_str().unwrap_or_default().to_owned())
            .collect();
        let arguments = self.arguments.as_deref().unwrap_or_default();
        // `-o args=PID` calls a column what it is not.
        let known = match arguments.contains('=') {
            true => 0,
            false => titles
                .iter()
                .take_while(|title| COLUMNS.contains(&title.as_str()))
                .count(),
        };
        // Without options, only the command line is there: it is what was asked for or not.
        let what = self.redaction.what;
        if matches!(arguments, "" | "-ef") && !what.meets(Disclosed::COMMANDS) {
            return Ok(());
        }
        // A command line's words are in the columns behind it, too.
        for (key, value) in table.iter_mut() {
            match value {
                Value::List(rows) if same("Processes", key) => {
                    for row in rows {
                        match row {
                            Value::List(cells) => {
                                let cells = cells.iter_mut().skip(known);
                                cells.for_each(|cell| replace(cell, PLACEHOLDER));
                            }
                            row => replace(row, PLACEHOLDER),
                        }
                    }
                }
                value if same("Processes", key) => replace(value, PLACEHOLDER),
                _ => {}
            }
        }
        Ok(())
    }
}

/// What the engine itself tells in the attributes of events, instead of labels of these keys.
const OWN: [&str; 6] = ["name", "image", "container", "type", "execID", "exitCode"];
/// Where something is mounted.
const PLACES: [&str; 2] = ["source", "destination"];

/// What `ps` calls columns that hold one word, and none that a command can choose.
const COLUMNS: [&str; 21] = [
    "C", "F", "GID", "NI", "PGID", "PID", "PPID", "PRI", "RSS", "S", "SID", "STAT", "STIME", "SZ",
    "TIME", "TTY", "UID", "USER", "VSZ", "%CPU", "%MEM",
];

fn any(globs: &[Glob], name: &str) -> bool {
    globs.iter().any(|glob| glob.fits(name))
}

/// Replaces the values whose names fit.
fn named(value: &mut Value, fits: &impl Fn(&str) -> bool, by: &str) {
    match value {
        Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                if fits(key) {
                    replace(value, by);
                }
            }
        }
        Value::List(list) => {
            for item in list {
                match item {
                    Value::Object(object) => {
                        let name = object.iter().find(|(key, _)| same("Name", key));
                        let name = name.and_then(|(_, name)| name.as_str());
                        if !name.is_none_or(fits) {
                            continue;
                        }
                        for (key, value) in object.iter_mut() {
                            if !same("Name", key) {
                                replace(value, by);
                            }
                        }
                    }
                    item => assigned(item, fits, by),
                }
            }
        }
        other => assigned(other, fits, by),
    }
}

/// `NAME=VALUE`
fn assigned(value: &mut Value, fits: &impl Fn(&str) -> bool, by: &str) {
    let Value::Text(text) = value else {
        return replace(value, by);
    };
    if let Some((name, value)) = text.split_once('=')
        && !value.is_empty()
        && fits(name)
    {
        *text = format!("{name}={by}");
    }
}

/// Replaces each text in a value, and each number by 0.
fn replace(value: &mut Value, by: &str) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Text(text) if text.is_empty() => {}
        Value::Text(text) => by.clone_into(text),
        Value::Number(_) => *value = 0.into(),
        Value::List(list) => list.iter_mut().for_each(|item| replace(item, by)),
        Value::Object(object) => {
            object.iter_mut().for_each(|(_, value)| replace(value, by));
        }
    }
}

/// Leaves only its type.
fn empty(value: &mut Value) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Text(text) => text.clear(),
        Value::Number(_) => *value = 0.into(),
        Value::List(list) => list.clear(),
        Value::Object(object) => *object = Default::default(),
    }
}

/// `SOURCE:TARGET[:OPTIONS]`, in a list.
fn sources(value: &mut Value) {
    match value {
        Value::List(list) => list.iter_mut().for_each(sources),
        Value::Text(text) => {
            let target = text.split_once(':').map(|(_, target)| target.to_owned());
            *text = match target {
                Some(target) => format!("{PLACEHOLDER}:{target}"),
                None => PLACEHOLDER.to_owned(),
            };
        }
        other => replace(other, PLACEHOLDER),
    }
}

/// `[NAME, VALUE]`, in a list.
fn pairs(value: &mut Value) {
    let Value::List(list) = value else {
        return replace(value, PLACEHOLDER);
    };
    for pair in list {
        match pair {
            Value::List(pair) => {
                let values = pair.iter_mut().skip(1);
                values.for_each(|value| replace(value, PLACEHOLDER));
            }
            other => replace(other, PLACEHOLDER),
        }
    }
}

/// `exec_create: COMMAND`
fn action(value: &mut Value) {
    let Value::Text(text) = value else {
        return replace(value, PLACEHOLDER);
    };
    if let Some((name, _)) = text.split_once(':')
        && name != "health_status"
    {
        *text = format!("{name}: {PLACEHOLDER}");
    }
}
