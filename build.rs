//! Checks `sections.toml` and emits it as the static table that `api::sections` includes.
//!
//! Strict, because a slip in that file is a slip in every policy: unknown keys, duplicate names,
//! overlapping paths, undocumented entries and malformed routes are refused with file and line.
//! The tests include this file to try each refusal.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path, process::ExitCode};

use serde::Deserialize;
use toml::Spanned;

const FILE: &str = "sections.toml";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed={FILE}");
    let text = fs::read_to_string(FILE).expect("sections.toml stands beside Cargo.toml");
    match table(&text) {
        Ok(rust) => {
            let folder = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
            fs::write(Path::new(&folder).join("sections.rs"), rust).expect("OUT_DIR is writable");
            ExitCode::SUCCESS
        }
        Err(mistakes) => {
            for mistake in mistakes {
                println!("cargo::error={mistake}");
            }
            ExitCode::FAILURE
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    section: Vec<Section>,
    #[serde(default)]
    action: Vec<Action>,
    #[serde(default)]
    requires: Vec<Requires>,
    #[serde(default)]
    root: Vec<Root>,
    #[serde(default)]
    upgrade: Vec<Upgrade>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    name: Spanned<String>,
    default: bool,
    paths: Spanned<Vec<Spanned<String>>>,
    doc: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    name: Spanned<String>,
    section: Spanned<String>,
    routes: Spanned<Vec<Spanned<String>>>,
    deny_also: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    empty_body: bool,
    #[serde(default)]
    without_query: Vec<Spanned<String>>,
    #[serde(default)]
    reads_files: bool,
    #[serde(default)]
    tecnativa: bool,
    doc: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requires {
    routes: Spanned<Vec<Spanned<String>>>,
    also: Spanned<String>,
    doc: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Root {
    routes: Spanned<Vec<Spanned<String>>>,
    doc: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upgrade {
    routes: Spanned<Vec<Spanned<String>>>,
    protocols: Spanned<Vec<Spanned<String>>>,
}

/// The table as Rust source, or every mistake as `sections.toml:LINE: what is wrong`.
pub(crate) fn table(text: &str) -> Result<String, Vec<String>> {
    let file: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        vec![format!(
            "{FILE}:{}: {}",
            line(text, at),
            error.message().trim()
        )]
    })?;
    let mut check = Check {
        text,
        mistakes: Vec::new(),
    };
    check.names(&file);
    check.paths(&file);
    let rust = check.emit(&file);
    if check.mistakes.is_empty() {
        Ok(rust)
    } else {
        Err(check.mistakes)
    }
}

fn line(text: &str, at: usize) -> usize {
    text.as_bytes()[..at]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

struct Check<'a> {
    text: &'a str,
    mistakes: Vec<String>,
}

impl Check<'_> {
    fn mistake<T>(&mut self, at: &Spanned<T>, what: &str) {
        self.mistakes.push(format!(
            "{FILE}:{}: {what}",
            line(self.text, at.span().start)
        ));
    }

    /// Variables are unique, well-formed upper-case names, and what refers to one names a real one.
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
                self.mistake(name, &format!("{word:?} is no name: write A-Z, 0-9 and _"));
            }
            let here = line(self.text, name.span().start);
            match seen.insert(format!("{prefix}{word}"), here) {
                Some(0) => self.mistake(name, "POST is the switch for writes, not a section"),
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
                self.mistake(&action.section, "there is no such section");
            }
        }
        for requires in &file.requires {
            let also = requires.also.get_ref();
            if also != "POST"
                && !file
                    .section
                    .iter()
                    .any(|section| section.name.get_ref() == also)
            {
                self.mistake(&requires.also, "neither a section nor POST");
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
                        &format!("{text:?} is no path: write /segment[/segment...]"),
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

    fn emit(&mut self, file: &File) -> String {
        let mut rust = String::new();
        // Writing to a String cannot fail.
        let _ = self.emit_to(&mut rust, file);
        rust
    }

    fn emit_to(&mut self, rust: &mut String, file: &File) -> std::fmt::Result {
        writeln!(rust, "/// Every section, in the order of `sections.toml`.")?;
        writeln!(rust, "pub static SECTIONS: &[Section] = &[")?;
        for section in &file.section {
            let paths: Vec<&str> = section
                .paths
                .get_ref()
                .iter()
                .map(|p| p.get_ref().as_str())
                .collect();
            let doc = self.text_of(&section.doc);
            let (name, default) = (section.name.get_ref(), section.default);
            writeln!(
                rust,
                "Section {{ name: {name:?}, default: {default}, paths: &{paths:?}, doc: {doc:?} }},"
            )?;
        }
        writeln!(
            rust,
            "];\n/// Every action, in the order of `sections.toml`."
        )?;
        writeln!(rust, "pub static ACTIONS: &[Action] = &[")?;
        for action in &file.action {
            let routes = self.routes(&action.routes, false);
            let also = action.deny_also.as_ref();
            let also = also.map_or(String::new(), |also| self.routes(also, false));
            let keys: Vec<&str> = action
                .without_query
                .iter()
                .map(|k| k.get_ref().as_str())
                .collect();
            for key in &action.without_query {
                if !is_literal(key.get_ref()) {
                    self.mistake(key, "a query key is written with a-z, A-Z, 0-9, _, . and -");
                }
            }
            let doc = self.text_of(&action.doc);
            let (name, section) = (action.name.get_ref(), action.section.get_ref());
            let (empty_body, reads_files) = (action.empty_body, action.reads_files);
            let tecnativa = action.tecnativa;
            writeln!(
                rust,
                "Action {{ name: {name:?}, allow: \"ALLOW_{name}\", deny: \"DENY_{name}\", \
                 section: {section:?}, routes: &[{routes}], deny_also: &[{also}], \
                 empty_body: {empty_body}, without_query: &{keys:?}, \
                 reads_files: {reads_files}, tecnativa: {tecnativa}, doc: {doc:?} }},"
            )?;
        }
        writeln!(rust, "];\n/// The holes in what sections grant.")?;
        writeln!(rust, "pub static REQUIRES: &[Requires] = &[")?;
        for requires in &file.requires {
            let routes = self.routes(&requires.routes, true);
            let section = self.section_of(&requires.routes, &file.section);
            let (also, doc) = (requires.also.get_ref(), self.text_of(&requires.doc));
            writeln!(
                rust,
                "Requires {{ section: {section:?}, routes: &[{routes}], also: {also:?}, doc: {doc:?} }},"
            )?;
        }
        writeln!(rust, "];\n/// The routes that reach root on the host.")?;
        writeln!(rust, "pub static ROOTS: &[Root] = &[")?;
        for root in &file.root {
            let routes = self.routes(&root.routes, false);
            let doc = self.text_of(&root.doc);
            writeln!(rust, "Root {{ routes: &[{routes}], doc: {doc:?} }},")?;
        }
        writeln!(rust, "];\n/// The routes that switch protocols.")?;
        writeln!(rust, "pub static UPGRADES: &[Upgrade] = &[")?;
        for upgrade in &file.upgrade {
            let routes = self.routes(&upgrade.routes, false);
            self.not_empty(&upgrade.protocols);
            let protocols: Vec<&str> = upgrade
                .protocols
                .get_ref()
                .iter()
                .map(|p| p.get_ref().as_str())
                .collect();
            for protocol in upgrade.protocols.get_ref() {
                if !is_literal(protocol.get_ref())
                    || protocol.get_ref().contains(char::is_uppercase)
                {
                    self.mistake(protocol, "a protocol is written in lower case");
                }
            }
            writeln!(
                rust,
                "Upgrade {{ routes: &[{routes}], protocols: &{protocols:?} }},"
            )?;
        }
        writeln!(rust, "];")
    }

    fn not_empty<T>(&mut self, list: &Spanned<Vec<T>>) {
        if list.get_ref().is_empty() {
            self.mistake(list, "an empty list says nothing");
        }
    }

    fn text_of(&mut self, text: &Spanned<String>) -> String {
        if text.get_ref().trim().is_empty() {
            self.mistake(
                text,
                "undocumented: write one line for the people who read it",
            );
        }
        text.get_ref().clone()
    }

    /// The routes as the source of `Route`s.
    fn routes(&mut self, routes: &Spanned<Vec<Spanned<String>>>, any_method: bool) -> String {
        self.not_empty(routes);
        let mut rust = String::new();
        for route in routes.get_ref() {
            match parse_route(route.get_ref(), any_method) {
                Ok(source) => rust.push_str(&source),
                Err(what) => self.mistake(route, &what),
            }
        }
        rust
    }

    /// The section in which the routes of a hole lie; else they would be holes in nothing.
    fn section_of(
        &mut self,
        routes: &Spanned<Vec<Spanned<String>>>,
        sections: &[Section],
    ) -> String {
        let mut found = String::new();
        for route in routes.get_ref() {
            let path = route.get_ref().split_once(' ').map_or("", |(_, path)| path);
            let own = sections.iter().find(|section| {
                section
                    .paths
                    .get_ref()
                    .iter()
                    .any(|own| below(path, own.get_ref()))
            });
            match own.map(|section| section.name.get_ref()) {
                None => self.mistake(route, "lies below no section's path"),
                Some(name) if !found.is_empty() && found != *name => {
                    self.mistake(route, "lies in another section than the one before it");
                }
                Some(name) => found.clone_from(name),
            }
        }
        found
    }
}

/// Whether a path is another one or lies below it, in whole segments.
fn below(path: &str, other: &str) -> bool {
    path.strip_prefix(other)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn parse_route(text: &str, any_method: bool) -> Result<String, String> {
    let methods = ["Get", "Head", "Post", "Put", "Delete", "Patch", "Options"];
    let (method, path) = text
        .split_once(" /")
        .ok_or_else(|| format!("{text:?} is no route: write METHOD /path"))?;
    let method = match methods.iter().find(|known| known.to_uppercase() == method) {
        Some(known) => format!("Some(Method::{known})"),
        None if method == "*" && any_method => "None".to_owned(),
        None => {
            return Err(format!(
                "{method:?} is no method of the Docker API that fits here"
            ));
        }
    };
    let mut steps = String::new();
    for (position, segment) in path.split('/').enumerate() {
        let placeholder = segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        match placeholder.map(|name| (name.strip_suffix("..."), name)) {
            None if is_literal(segment) => {
                write!(steps, "Step::Literal({segment:?}),").map_err(|error| error.to_string())?;
            }
            Some((Some(name), _)) if position > 0 && is_word(name) => {
                steps.push_str("Step::Names,");
            }
            Some((None, name)) if position > 0 && is_word(name) => steps.push_str("Step::Id,"),
            Some((None, name)) if position > 0 && name.strip_suffix('!').is_some_and(is_word) => {
                steps.push_str("Step::One,");
            }
            _ => {
                return Err(format!(
                    "{segment:?} is no segment: write letters, {{id}}, {{id!}} or {{name...}}, letters first"
                ));
            }
        }
    }
    let text = text.replace("!}", "}");
    Ok(format!(
        "Route {{ text: {text:?}, method: {method}, steps: &[{steps}] }},"
    ))
}

fn is_literal(segment: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(plain)
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase())
}
