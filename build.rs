//! Checks `sections.toml` and `presets/*.toml`, and emits them as the static tables that
//! `api::sections` and `config::dialect::presets` include.
//!
//! Strict, because a slip in these files is a slip in every policy: unknown keys, duplicate names,
//! overlapping paths, undocumented entries and malformed routes are refused with file and line.
//! The tests include this file to try each refusal.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path, process::ExitCode};

use serde::Deserialize;
use toml::Spanned;

const FILE: &str = "sections.toml";

/// Where presets stand, one in each file of its name.
const PRESETS: &str = "presets";

/// A key, a `=` and a value of one byte are longer than `api::sections::UNREAD` from here on.
const SHORTEST_KEY: usize = 6;

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed={FILE}");
    println!("cargo::rerun-if-changed={PRESETS}");
    let text = fs::read_to_string(FILE).expect("sections.toml stands beside Cargo.toml");
    let entries = fs::read_dir(PRESETS).expect("presets stand beside Cargo.toml");
    let files = entries.map(|entry| {
        let path = entry.expect("a readable folder").path();
        let file = path.file_name().expect("a name").to_string_lossy();
        let name = file.strip_suffix(".toml").unwrap_or(&file).to_owned();
        (name, fs::read_to_string(&path).expect("a readable preset"))
    });
    // In the order of their names, whatever the file system's is.
    let files: BTreeMap<String, String> = files.collect();
    let made = table(&text).and_then(|sections| Ok([sections, presets(&text, &files)?]));
    match made {
        Ok([sections, presets]) => {
            let folder = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
            let folder = Path::new(&folder);
            fs::write(folder.join("sections.rs"), sections).expect("OUT_DIR is writable");
            fs::write(folder.join("presets.rs"), presets).expect("OUT_DIR is writable");
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
    routes: Option<Spanned<Vec<Spanned<String>>>>,
    doc: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    name: Spanned<String>,
    section: Spanned<String>,
    routes: Spanned<Vec<Spanned<String>>>,
    deny_also: Option<Spanned<Vec<Spanned<String>>>>,
    podman: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    unread_body: bool,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Preset {
    doc: Spanned<String>,
    grants: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    unconditional: Vec<Spanned<String>>,
    #[serde(default)]
    option: Vec<PresetOption>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PresetOption {
    doc: Spanned<String>,
    grants: Spanned<Vec<Spanned<String>>>,
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

/// The presets as Rust source, or every mistake as `presets/NAME.toml:LINE: what is wrong`. They are
/// made of the actions of `sections`, and of its sections that have no action.
pub(crate) fn presets(
    sections: &str,
    files: &BTreeMap<String, String>,
) -> Result<String, Vec<String>> {
    let sections: File = parse(FILE, sections)?;
    let mut rust = "/// Every preset, by name.\npub static PRESETS: &[Preset] = &[\n".to_owned();
    let mut mistakes = Vec::new();
    for (name, text) in files {
        let path = format!("{PRESETS}/{name}.toml");
        let mut check = Check {
            file: &path,
            text,
            mistakes: Vec::new(),
        };
        let made = parse(&path, text).and_then(|preset: Preset| {
            let rust = check.preset(name, &preset, &sections);
            check.result(rust)
        });
        match made {
            Ok(preset) => rust += &preset,
            Err(more) => mistakes.extend(more),
        }
    }
    if mistakes.is_empty() {
        Ok(rust + "];\n")
    } else {
        Err(mistakes)
    }
}

fn parse<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T, Vec<String>> {
    toml::from_str(text).map_err(|error| {
        let at = line(text, error.span().map_or(0, |span| span.start));
        vec![format!("{file}:{at}: {}", error.message().trim())]
    })
}

fn line(text: &str, at: usize) -> usize {
    text.as_bytes()[..at]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

struct Check<'a> {
    file: &'a str,
    text: &'a str,
    mistakes: Vec<String>,
}

impl Check<'_> {
    fn mistake<T>(&mut self, at: &Spanned<T>, what: &str) {
        let line = line(self.text, at.span().start);
        self.mistakes.push(format!("{}:{line}: {what}", self.file));
    }

    fn result(self, rust: String) -> Result<String, Vec<String>> {
        if self.mistakes.is_empty() {
            Ok(rust)
        } else {
            Err(self.mistakes)
        }
    }

    /// A preset's name is its file's, and what it is about stands in the comment that it begins with.
    fn preset(&mut self, name: &str, preset: &Preset, sections: &File) -> String {
        let whole = Spanned::new(0..0, ());
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || !name.bytes().all(plain) {
            self.mistake(
                &whole,
                "a preset's file is called a-z, 0-9 and -, with .toml behind",
            );
        }
        let about = self.text.lines().map_while(|line| line.strip_prefix('#'));
        let about: Vec<&str> = about
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect();
        let about = about.join("\n");
        if about.is_empty() {
            self.mistake(
                &whole,
                "begin with a comment: what the program calls, and since when",
            );
        }
        let doc = self.text_of(&preset.doc);
        let grants = self.grants(&preset.grants, sections);
        for name in &preset.unconditional {
            let conditional =
                |action: &&Action| action.unread_body || !action.without_query.is_empty();
            let mut actions = sections.action.iter().filter(conditional);
            let own = preset.grants.get_ref().contains(name);
            if !own || !actions.any(|action| action.name == *name) {
                self.mistake(name, "is no action with conditions that is granted here");
            }
        }
        let unconditional: Vec<&String> =
            preset.unconditional.iter().map(Spanned::get_ref).collect();
        let mut options = String::new();
        for option in &preset.option {
            let (doc, grants) = (
                self.text_of(&option.doc),
                self.grants(&option.grants, sections),
            );
            options += &format!("Extra {{ doc: {doc:?}, grants: &{grants:?} }},");
        }
        format!(
            "Preset {{ name: {name:?}, doc: {doc:?}, about: {about:?}, grants: &{grants:?}, \
             unconditional: &{unconditional:?}, options: &[{options}] }},\n"
        )
    }

    /// Names of actions, and of sections that have none.
    fn grants(&mut self, grants: &Spanned<Vec<Spanned<String>>>, sections: &File) -> Vec<String> {
        self.not_empty(grants);
        let mut seen: Vec<String> = Vec::new();
        for grant in grants.get_ref() {
            let section = |section: &&Section| section.routes.is_some() && section.name == *grant;
            if !sections.action.iter().any(|action| action.name == *grant)
                && !sections.section.iter().any(|one| section(&one))
            {
                self.mistake(
                    grant,
                    "neither an action nor a section with routes of its own",
                );
            }
            if seen.contains(grant.get_ref()) {
                self.mistake(grant, "is granted twice");
            }
            seen.push(grant.get_ref().clone());
        }
        seen
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
                self.mistake(&action.section, "has routes of its own instead of actions");
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
            let routes = section.routes.as_ref();
            let routes = routes.map_or(String::new(), |routes| self.routes(routes, false));
            let doc = self.text_of(&section.doc);
            let (name, default) = (section.name.get_ref(), section.default);
            writeln!(
                rust,
                "Section {{ name: {name:?}, default: {default}, paths: &{paths:?}, \
                 routes: &[{routes}], doc: {doc:?} }},"
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
            let podman = action.podman.as_ref();
            let podman = podman.map_or(String::new(), |podman| self.routes(podman, false));
            let keys: Vec<&str> = action
                .without_query
                .iter()
                .map(|k| k.get_ref().as_str())
                .collect();
            for key in &action.without_query {
                if !is_literal(key.get_ref()) {
                    self.mistake(key, "a query key is written with a-z, A-Z, 0-9, _, . and -");
                }
                if key.get_ref().len() < SHORTEST_KEY {
                    self.mistake(
                        key,
                        "a form of 7 bytes, which is let through, could hold this key",
                    );
                }
            }
            let doc = self.text_of(&action.doc);
            let (name, section) = (action.name.get_ref(), action.section.get_ref());
            let (unread_body, reads_files) = (action.unread_body, action.reads_files);
            let tecnativa = action.tecnativa;
            writeln!(
                rust,
                "Action {{ name: {name:?}, allow: \"ALLOW_{name}\", deny: \"DENY_{name}\", \
                 section: {section:?}, routes: &[{routes}], deny_also: &[{also}], \
                 podman: &[{podman}], unread_body: {unread_body}, without_query: &{keys:?}, \
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
