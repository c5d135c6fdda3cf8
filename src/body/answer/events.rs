//! `GET /events`, one record at a time: what a client sees of each.
//!
//! Records of containers and images have the labels of their object, all others just its ID. So what is
//! in scope is remembered, from a list at the beginning on, and asked for where it is not known. What
//! is gone before it could be asked for stays hidden.

use std::mem;

use super::{Unfiltered, read};
use crate::api::{ObjectKind, Target};
use crate::body::facts::{Answer, Fact, Name};
use crate::body::json::{Object, Untyped, Value};
use crate::body::redaction::{PLACEHOLDER, Redaction};
use crate::body::scope::Sight;
use std::sync::Arc;

/// The most bytes of a record. One that is longer is hidden: whoever gives an object long labels ends no
/// stream of others.
const MOST: usize = 1 << 20;
/// The most objects of each kind that are remembered.
const REMEMBERED: usize = 10_000;
/// The record separator of `application/json-seq`.
const SEPARATOR: u8 = 0x1e;

/// A stream of records under way.
#[derive(Debug)]
pub struct Records {
    sight: Option<Sight>,
    redaction: Option<(Arc<Redaction>, Target)>,
    /// What has arrived and was not looked at.
    rest: Vec<u8>,
    /// Whether that is the rest of a record that is too long, up to the end of its line.
    skips: bool,
    /// A record that depends on something.
    open: Option<Record>,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// This is sent.
    Left(Vec<u8>),
    /// It depends on what the engine says of this.
    Asks(Fact),
    /// More has to arrive.
    Waits,
}

#[derive(Debug)]
struct Record {
    text: Vec<u8>,
    /// Whether a separator stands in front of it.
    separated: bool,
    tree: Value,
    /// What the engine said of what it depends on.
    answers: Vec<(Fact, Answer)>,
}

enum Verdict {
    Seen,
    Hidden,
    Asks(Fact),
}

impl Records {
    pub(super) fn new(
        sight: Option<Sight>,
        redaction: Option<(Arc<Redaction>, Target)>,
    ) -> Records {
        Records {
            sight,
            redaction,
            rest: Vec::new(),
            skips: false,
            open: None,
        }
    }

    /// Takes the next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    /// How much memory is held, roughly.
    pub fn held(&self) -> usize {
        let open = self.open.as_ref();
        self.rest.capacity() + open.map_or(0, |open| open.text.len() + open.tree.size())
    }

    /// Goes on with an answer to what was asked.
    pub fn answered(&mut self, fact: Fact, answer: Answer) {
        if let Some(open) = &mut self.open {
            open.answers.push((fact, answer));
        }
    }

    /// What comes next of what has arrived.
    ///
    /// # Errors
    /// It is not what events are. Nothing more may pass.
    pub fn proceed(&mut self) -> Result<Next, Unfiltered> {
        loop {
            let open = match self.open.take() {
                Some(open) => open,
                None => match self.record()? {
                    Some(record) => record,
                    None => return Ok(Next::Waits),
                },
            };
            match self.verdict(&open) {
                Verdict::Hidden => {}
                Verdict::Seen => return self.left(open).map(Next::Left),
                Verdict::Asks(fact) => {
                    self.open = Some(open);
                    return Ok(Next::Asks(fact));
                }
            }
        }
    }

    /// The next whole record.
    fn record(&mut self) -> Result<Option<Record>, Unfiltered> {
        if self.skips && !self.skip() {
            return Ok(None);
        }
        let is_gap = |byte: &u8| byte.is_ascii_whitespace() || *byte == SEPARATOR;
        let Some(start) = self.rest.iter().position(|byte| !is_gap(byte)) else {
            // A separator comes together with its record.
            let separated = self.rest.contains(&SEPARATOR);
            self.rest.clear();
            self.rest.extend(separated.then_some(SEPARATOR));
            return Ok(None);
        };
        if self.rest[start] != b'{' {
            return Err(Unfiltered::Unlike);
        }
        let end = super::items::end_of_nested(&self.rest[start..]);
        if end.unwrap_or(self.rest.len() - start) > MOST {
            self.rest.drain(..start);
            self.skips = true;
            return self.record();
        }
        let Some(end) = end else {
            return Ok(None);
        };
        let separated = self.rest[..start].contains(&SEPARATOR);
        let behind = self.rest.split_off(start + end + 1);
        let mut text = mem::replace(&mut self.rest, behind);
        text.drain(..start);
        let tree = read(&text, Untyped)?;
        Ok(Some(Record {
            text,
            separated,
            tree,
            answers: Vec::new(),
        }))
    }

    /// Drops what there is of a record that is too long; whether that was all of it. Engines end each with
    /// a line feed, and write none into it.
    fn skip(&mut self) -> bool {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        self.rest
            .drain(..end.map_or(self.rest.len(), |end| end + 1));
        self.skips = end.is_none();
        !self.skips
    }

    /// A record as it is sent.
    fn left(&self, mut record: Record) -> Result<Vec<u8>, Unfiltered> {
        let mut changed = self.sight.is_some() && without_command(&mut record.tree);
        if let Some((redaction, target)) = &self.redaction {
            redaction
                .apply(target, &mut record.tree)
                .map_err(Unfiltered::Odd)?;
            changed = true;
        }
        let mut left = Vec::with_capacity(record.text.len() + 2);
        left.extend(record.separated.then_some(SEPARATOR));
        match changed {
            true => left.extend_from_slice(record.tree.to_json().as_bytes()),
            false => left.append(&mut record.text),
        }
        left.push(b'\n');
        Ok(left)
    }

    fn verdict(&mut self, record: &Record) -> Verdict {
        let Some(sight) = &mut self.sight else {
            return Verdict::Seen;
        };
        let actor = record.tree.at("Actor");
        let id = actor.at("ID").as_str().unwrap_or_default();
        let attributes = actor.at("Attributes");
        let action = record.tree.at("Action").as_str().unwrap_or_default();
        let kind = match record.tree.at("Type").as_str() {
            Some("node" | "plugin" | "daemon" | "builder") => return Verdict::Seen,
            Some(word) => ObjectKind::of(word),
            None => None,
        };
        let Some(kind) = kind else {
            return Verdict::Hidden;
        };
        if !sight.covers(kind) {
            return Verdict::Seen;
        }
        let member = attributes.at("container").as_str();
        let member = member.filter(|_| kind != ObjectKind::Container);
        // Who joins a network or mounts a volume is to be seen as well.
        let member = member.map(|id| of(sight, record, ObjectKind::Container, id, Value::NULL));
        match member {
            None | Some(Verdict::Seen) => {}
            Some(verdict) => return verdict,
        }
        let verdict = match (kind, member) {
            // A volume without a name belongs to the container that mounts it.
            (ObjectKind::Volume, Some(Verdict::Seen)) if crate::body::scope::is_anonymous(id) => {
                remember(sight, kind, id);
                Verdict::Seen
            }
            _ => of(sight, record, kind, id, attributes),
        };
        if matches!(action, "destroy" | "remove" | "delete") {
            sight.forget(kind, id);
        }
        verdict
    }
}

/// Whether an object is seen.
fn of(
    sight: &mut Sight,
    record: &Record,
    kind: ObjectKind,
    id: &str,
    attributes: &Value,
) -> Verdict {
    if id.is_empty() {
        return Verdict::Hidden;
    }
    let is_seen = sight.knows(kind, id)
        || sight.sees(kind, kind.listed(), &told(sight, kind, id, attributes));
    if is_seen {
        remember(sight, kind, id);
        return Verdict::Seen;
    }
    // These say by themselves what they are.
    if kind == ObjectKind::Image || kind == ObjectKind::Container && tells(sight, attributes) {
        return Verdict::Hidden;
    }
    let Some(fact) = fact(kind, id) else {
        return Verdict::Hidden;
    };
    let mut answers = record.answers.iter();
    match answers.find(|(asked, _)| *asked == fact) {
        None => Verdict::Asks(fact),
        Some((_, answer)) => match answer.found() {
            Some(found) if sight.sees(kind, kind.inspected(), found) => {
                remember(sight, kind, id);
                Verdict::Seen
            }
            _ => Verdict::Hidden,
        },
    }
}

/// Whether a container's labels stand among the attributes of its record: those that have the names of
/// other attributes do not.
fn tells(sight: &Sight, attributes: &Value) -> bool {
    const OTHERS: [&str; 8] = [
        "name",
        "image",
        "oldName",
        "exitCode",
        "signal",
        "execID",
        "execDuration",
        "container",
    ];
    let mut labels = sight.labels(ObjectKind::Container).iter();
    attributes.as_object().is_some() && !labels.any(|(key, _)| OTHERS.contains(&key.as_str()))
}

/// What a record tells of its object, as an item of a list would.
fn told(sight: &Sight, kind: ObjectKind, id: &str, attributes: &Value) -> Value {
    let name = attributes.at("name");
    let mut object = Object::default();
    match kind {
        ObjectKind::Container => {
            let name = name.as_str().map(|name| Value::from(format!("/{name}")));
            object.set("Names", Value::List(name.into_iter().collect()));
            if tells(sight, attributes) {
                object.set("Labels", attributes.clone());
            }
        }
        ObjectKind::Image => {
            let names = [Value::from(id), name.clone()];
            object.set("RepoTags", Value::List(names.into()));
            object.set("Labels", attributes.clone());
        }
        ObjectKind::Volume => object.set("Name", id),
        ObjectKind::Network => object.set("Name", name.clone()),
        _ => {
            let mut spec = Object::default();
            spec.set("Name", name.clone());
            object.set("Spec", spec);
        }
    }
    object.into()
}

fn remember(sight: &mut Sight, kind: ObjectKind, id: &str) {
    // Whatever comes after so many is asked for each time.
    if sight.count(kind) < REMEMBERED {
        sight.learn(kind, id);
    }
}

fn fact(kind: ObjectKind, id: &str) -> Option<Fact> {
    match kind {
        ObjectKind::Container => Fact::container(id),
        ObjectKind::Network => Fact::network(id),
        ObjectKind::Volume => Fact::volume(id),
        ObjectKind::Service => Name::of(id).map(Fact::Service),
        ObjectKind::Secret => Name::of(id).map(Fact::Secret),
        ObjectKind::Config => Name::of(id).map(Fact::Config),
        ObjectKind::Exec | ObjectKind::Image | ObjectKind::Task => None,
    }
}

/// Removes the command line of an exec, if the record has one.
fn without_command(tree: &mut Value) -> bool {
    let mut changed = false;
    for place in ["Action", "status"] {
        let Some(value) = tree.at_mut(place) else {
            continue;
        };
        let text = value.as_str().unwrap_or_default();
        let action = ["exec_create: ", "exec_start: "];
        let action = action.into_iter().find(|action| text.starts_with(action));
        if let Some(action) = action {
            *value = format!("{action}{PLACEHOLDER}").into();
            changed = true;
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_too_long_hides_itself_alone() {
        let long = "x".repeat(MOST);
        let text = format!("{{\"a\":\"1\"}}\n\n{{\"a\":\"{long}\"}}\n{{\"a\":\"2\"}}\n");
        for size in [60_000, 100_000, text.len()] {
            let mut records = Records::new(None, None);
            let mut left = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                records.take(chunk);
                assert!(records.held() <= 2 * text.len());
                while let Next::Left(record) = records.proceed().expect("events") {
                    left.extend(record);
                }
            }
            assert_eq!(left, b"{\"a\":\"1\"}\n{\"a\":\"2\"}\n", "{size}");
        }
    }
}
