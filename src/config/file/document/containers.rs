//! What a client rule says of containers.

use super::super::tree::{Entry, Node, Value};
use super::{Keys, Part, path};
use crate::body::limits::{Mistake, Names};
use crate::clients::containers::{Images, Label, Wanted};
use crate::config::file::Written;
use crate::policy::printable;

const CONTAINER: Keys = &["label", "name", "project", "service", "image"];
/// Labels of this beginning are dockgate's own.
const OWN_LABELS: &str = "dockgate.";

/// Names of containers, as the engine lists them: `docker inspect` shows a slash before them.
fn names(text: &str) -> Result<Names, Vec<Mistake>> {
    let names = text.split(',');
    let slashed = names.filter_map(|name| Some((name, name.strip_prefix('/')?)));
    let mistakes = slashed.map(|(name, plain)| Mistake {
        entry: name.to_owned(),
        problem: "begins with a slash, and no name does".to_owned(),
        help: format!("use {plain}"),
    });
    let mistakes: Vec<Mistake> = mistakes.collect();
    match mistakes.is_empty() {
        true => Names::parse_some(text),
        false => Err(mistakes),
    }
}

/// Whether what is meant as a label's key or value has a blank beside the `=`.
fn has_blank(key: &str, value: Option<&str>) -> bool {
    key.ends_with(' ') || value.is_some_and(|value| value.starts_with(' '))
}

impl Part<'_> {
    /// Which containers a rule is for. All that is said of them has to hold.
    pub(super) fn container(&mut self, node: Node, what: &str) -> Option<Wanted> {
        let line = node.line;
        let help = "use label, name, project, service or image";
        let mut wanted = Wanted::default();
        let mut is_whole = true;
        let entries = self.map(node, what, help)?;
        if entries.is_empty() {
            self.mistake(line, what, format!("{what} is empty"), help);
            return None;
        }
        for Entry { key, line, value } in entries {
            if !self.knows(CONTAINER, what, &key, line) {
                is_whole = false;
                continue;
            }
            let path = path(what, &key);
            let read = match &*key {
                "label" => self.labels(value, &path).map(|list| wanted.labels = list),
                "name" => (self.list(value, &path, names)).map(|list| wanted.names = Some(list)),
                "project" => (self.list(value, &path, Names::parse_some))
                    .map(|list| wanted.projects = Some(list)),
                "service" => (self.list(value, &path, Names::parse_some))
                    .map(|list| wanted.services = Some(list)),
                _ => {
                    (self.list(value, &path, Images::parse)).map(|list| wanted.images = Some(list))
                }
            };
            is_whole &= read.is_some();
        }
        is_whole.then_some(wanted)
    }

    fn labels(&mut self, node: Node, what: &str) -> Option<Vec<Label>> {
        let mut labels: Vec<Label> = Vec::new();
        for Written { text, place } in self.texts(node, what)? {
            let label = Label::parse(&text);
            let shown = printable(&text);
            let (problem, help) = match &label {
                None => (
                    format!("{shown} is not a label"),
                    "use KEY=VALUE, or KEY for a label with any value that is not empty",
                ),
                Some(label) if label.key.starts_with(OWN_LABELS) => (
                    format!(
                        "{} is a label of dockgate's own, and no client's",
                        printable(&label.key)
                    ),
                    "use another label",
                ),
                Some(Label { key, value }) if has_blank(key, value.as_deref()) => {
                    (format!("{shown} has a blank beside its ="), "remove it")
                }
                Some(Label { key, value }) => {
                    let other = |one: &&Label| one.key == *key && one.value != *value;
                    match labels.iter().find(other) {
                        Some(other) if value.is_some() && other.value.is_some() => (
                            format!(
                                "no container has {} and {shown}",
                                printable(&other.to_string())
                            ),
                            "use one rule for each",
                        ),
                        _ => {
                            labels.extend(label);
                            continue;
                        }
                    }
                }
            };
            self.mistake(place.line, what, format!("{what}: {problem}"), help);
            return None;
        }
        Some(labels)
    }

    /// A list of which one item is enough, or one item.
    fn list<T>(
        &mut self,
        node: Node,
        what: &str,
        parse: fn(&str) -> Result<T, Vec<Mistake>>,
    ) -> Option<T> {
        let line = node.line;
        let items = self.texts(node, what)?;
        if let Some(item) = items.iter().find(|item| item.text.contains(',')) {
            let problem = format!("{what}: {} has a comma", printable(&item.text));
            self.mistake(item.place.line, what, problem, "use a list: [A, B]");
            return None;
        }
        let texts: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
        match parse(&texts.join(",")) {
            Ok(list) => return Some(list),
            Err(mistakes) => {
                for Mistake {
                    entry,
                    problem,
                    help,
                } in mistakes
                {
                    let problem = format!("{what}: {} {problem}", printable(&entry));
                    self.mistake(line, what, problem, help);
                }
            }
        }
        None
    }

    /// The items of a list, or one.
    fn texts(&mut self, node: Node, what: &str) -> Option<Vec<Written>> {
        let line = node.line;
        let items = match node.value {
            Value::List(items) => items,
            value => vec![Node { value, ..node }],
        };
        let count = items.len();
        let help = "use a text, or a list of texts";
        let texts: Vec<Written> = (items.into_iter())
            .filter_map(|item| self.scalar(item, what, help))
            .collect();
        if texts.is_empty() && count == 0 {
            self.mistake(line, what, format!("{what} is empty"), help);
        }
        let is_whole = count > 0 && texts.len() == count;
        let blank = texts
            .iter()
            .find(|one| one.text.trim() != one.text || one.text.is_empty());
        if let Some(Written { text, place }) = blank {
            let problem = match text.trim() {
                "" => format!("{what} is empty"),
                _ => format!("{what}: {} has a blank at its end", printable(text)),
            };
            self.mistake(place.line, what, problem, "remove it");
            return None;
        }
        is_whole.then_some(texts)
    }
}
