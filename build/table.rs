//! `sections.toml`: its form, and that its names and paths fit together.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::check::{Check, line, parse};
use super::routes::is_literal;

pub(super) const FILE: &str = "sections.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) section: Vec<Section>,
    #[serde(default)]
    pub(super) action: Vec<Action>,
    #[serde(default)]
    pub(super) requirement: Vec<Requirement>,
    #[serde(default)]
    pub(super) root: Vec<Root>,
    #[serde(default)]
    pub(super) control: Vec<Control>,
    pub(super) limit: Vec<Limit>,
    pub(super) scope: Vec<Scope>,
    #[serde(default)]
    pub(super) upgrade: Vec<Upgrade>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    pub(super) name: Spanned<String>,
    pub(super) default: bool,
    pub(super) paths: Spanned<Vec<Spanned<String>>>,
    pub(super) routes: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) doc: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Action {
    pub(super) name: Spanned<String>,
    pub(super) section: Spanned<String>,
    pub(super) routes: Spanned<Vec<Spanned<String>>>,
    pub(super) deny_also: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) podman: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) unread_body: bool,
    #[serde(default)]
    pub(super) without_query: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) reads_files: bool,
    #[serde(default)]
    pub(super) tecnativa: bool,
    pub(super) doc: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Requirement {
    pub(super) routes: Spanned<Vec<Spanned<String>>>,
    pub(super) also: Spanned<String>,
    pub(super) doc: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Root {
    pub(super) routes: Spanned<Vec<Spanned<String>>>,
    pub(super) doc: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Control {
    pub(super) routes: Spanned<Vec<Spanned<String>>>,
    pub(super) judged: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) doc: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limit {
    pub(super) routes: Spanned<Vec<Spanned<String>>>,
    pub(super) limits: Spanned<Vec<Spanned<String>>>,
    pub(super) judged: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) doc: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scope {
    pub(super) routes: Spanned<Vec<Spanned<String>>>,
    pub(super) kind: Option<Spanned<String>>,
    pub(super) judged: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) doc: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upgrade {
    pub(super) routes: Spanned<Vec<Spanned<String>>>,
    pub(super) protocols: Spanned<Vec<Spanned<String>>>,
}

/// The table as Rust source, or every mistake as `sections.toml:LINE: what is wrong`.
pub(crate) fn table(text: &str) -> Result<String, Vec<String>> {
    let file: File = parse(FILE, text)?;
    let mut check = Check {
        file: FILE,
        text,
        mistakes: Vec::new(),
    };
    check.names(&file);
    check.paths(&file);
    let rust = check.emit(&file);
    check.result(rust)
}

impl Check<'_> {
    /// Variables are unique, well-formed upper-case names, and references to them exist.
    fn names(&mut self, file: &File) {
        let mut seen = BTreeMap::from([("POST".to_owned(), 0)]);
        let sections = file.section.iter().map(|section| (&section.name, ""));
        let actions = file
            .action
            .iter()
            .flat_map(|action| [(&action.name, "ALLOW_"), (&action.name, "DENY_")]);
        for (name, prefix) in sections.chain(actions) {
            let word = name.get_ref();
            let upper =
                |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
            if !word.starts_with(|first: char| first.is_ascii_uppercase())
                || !word.bytes().all(upper)
            {
                self.mistake(
                    name,
                    &format!("invalid name {word:?}: only A-Z, 0-9 and _ are allowed"),
                );
            }
            let here = line(self.text, name.span().start);
            match seen.insert(format!("{prefix}{word}"), here) {
                Some(0) => self.mistake(name, "POST is reserved: it allows writes"),
                Some(first) => {
                    self.mistake(name, &format!("{word} is a duplicate of line {first}"));
                }
                None => {}
            }
        }
        for action in &file.action {
            if !file
                .section
                .iter()
                .any(|section| section.name == action.section)
            {
                self.mistake(&action.section, "unknown section");
            }
        }
        for section in file
            .section
            .iter()
            .filter(|section| section.routes.is_some())
        {
            if let Some(action) = file
                .action
                .iter()
                .find(|action| action.section == section.name)
            {
                self.mistake(
                    &action.section,
                    "this section lists its own routes, so it cannot have actions",
                );
            }
        }
        for requirement in &file.requirement {
            let also = requirement.also.get_ref();
            if also != "POST"
                && !file
                    .section
                    .iter()
                    .any(|section| section.name.get_ref() == also)
            {
                self.mistake(&requirement.also, "must be a section or POST");
            }
        }
    }

    /// Section paths are plain prefixes, and no request belongs to two sections.
    fn paths(&mut self, file: &File) {
        let mut seen: Vec<&str> = Vec::new();
        for section in &file.section {
            self.not_empty(&section.paths);
            for path in section.paths.get_ref() {
                let text = path.get_ref();
                if !text
                    .strip_prefix('/')
                    .is_some_and(|rest| rest.split('/').all(is_literal))
                {
                    self.mistake(
                        path,
                        &format!("invalid path {text:?}: must be /segment[/segment...]"),
                    );
                }
                if let Some(other) = seen
                    .iter()
                    .find(|other| below(text, other) || below(other, text))
                {
                    self.mistake(path, &format!("{text} overlaps {other}"));
                }
                seen.push(text);
            }
        }
    }
}

/// Whether a path equals another one or is below it, in whole segments.
pub(super) fn below(path: &str, other: &str) -> bool {
    path.strip_prefix(other)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
