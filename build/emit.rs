//! The table as Rust source.

use std::fmt::Write as _;

use toml::Spanned;

use super::check::Check;
use super::routes::is_literal;
use super::table::File;

/// From this length on, a key with `=` and one byte of value is longer than
/// `api::sections::UNREAD`.
const SHORTEST_KEY: usize = 6;

/// The words of `judged`, and what they are in `api::sections`.
const CHECKS: [(&str, &str); 15] = [
    ("body", "Check::Body"),
    ("build", "Check::Build"),
    ("commit", "Check::Commit"),
    ("container", "Check::Container"),
    ("exec", "Check::Exec"),
    ("import", "Check::Import"),
    ("join-tokens", "Check::JoinTokens"),
    ("joins", "Check::Joins"),
    ("load", "Check::Load"),
    ("name", "Check::Name"),
    ("network", "Check::Network"),
    ("pull", "Check::Pull"),
    ("start", "Check::Start"),
    ("tag", "Check::Tag"),
    ("update", "Check::Update"),
];

/// The words of `kind`.
const KINDS: [(&str, &str); 9] = [
    ("config", "ObjectKind::Config"),
    ("container", "ObjectKind::Container"),
    ("exec", "ObjectKind::Exec"),
    ("image", "ObjectKind::Image"),
    ("network", "ObjectKind::Network"),
    ("secret", "ObjectKind::Secret"),
    ("service", "ObjectKind::Service"),
    ("task", "ObjectKind::Task"),
    ("volume", "ObjectKind::Volume"),
];

/// The words of a scope's `judged`.
const ROLES: [(&str, &str); 17] = [
    ("body", "Role::Body"),
    ("build", "Role::Build"),
    ("commit", "Role::Commit"),
    ("created", "Role::Created"),
    ("events", "Role::Events"),
    ("info", "Role::Info"),
    ("list", "Role::List"),
    ("load", "Role::Load"),
    ("named", "Role::Named"),
    ("nothing", "Role::Nothing"),
    ("object", "Role::Object"),
    ("pruned", "Role::Pruned"),
    ("pull", "Role::Pull"),
    ("save", "Role::Save"),
    ("start", "Role::Start"),
    ("tag", "Role::Tag"),
    ("usage", "Role::Usage"),
];

impl Check<'_> {
    pub(super) fn emit(&mut self, file: &File) -> String {
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
                    self.mistake(
                        key,
                        "a query key may contain only a-z, A-Z, 0-9, _, . and -",
                    );
                }
                if key.get_ref().len() < SHORTEST_KEY {
                    self.mistake(
                        key,
                        "key too short: a form of 7 bytes, which is allowed, could contain it",
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
        writeln!(
            rust,
            "];\n/// What sections grant only with one more variable."
        )?;
        writeln!(rust, "pub static REQUIREMENTS: &[Requirement] = &[")?;
        for requirement in &file.requirement {
            let routes = self.routes(&requirement.routes, true);
            let section = self.section_of(&requirement.routes, &file.section);
            let (also, doc) = (requirement.also.get_ref(), self.text_of(&requirement.doc));
            writeln!(
                rust,
                "Requirement {{ section: {section:?}, routes: &[{routes}], also: {also:?}, doc: {doc:?} }},"
            )?;
        }
        writeln!(rust, "];\n/// The routes that reach root on the host.")?;
        writeln!(rust, "pub static ROOTS: &[Root] = &[")?;
        for root in &file.root {
            let routes = self.routes(&root.routes, false);
            let doc = self.text_of(&root.doc);
            writeln!(rust, "Root {{ routes: &[{routes}], doc: {doc:?} }},")?;
        }
        writeln!(
            rust,
            "];\n/// The routes by which a client can take control."
        )?;
        writeln!(rust, "pub static CONTROLS: &[Control] = &[")?;
        for control in &file.control {
            let routes = self.routes(&control.routes, false);
            let judged = control.judged.as_ref();
            let judged = judged.map_or(String::new(), |judged| self.checks(judged));
            let doc = self.text_of(&control.doc);
            writeln!(
                rust,
                "Control {{ routes: &[{routes}], judged: &[{judged}], doc: {doc:?} }},"
            )?;
        }
        writeln!(rust, "];\n/// The routes that limits are about.")?;
        writeln!(rust, "pub static LIMITED: &[Limited] = &[")?;
        for limit in &file.limit {
            let routes = self.routes(&limit.routes, false);
            self.not_empty(&limit.limits);
            let words = limit.limits.get_ref().iter();
            let limits: Vec<&str> = words.map(|word| word.get_ref().as_str()).collect();
            let judged = limit.judged.as_ref();
            let judged = judged.map_or(String::new(), |judged| self.checks(judged));
            let doc = match (&limit.doc, &limit.judged) {
                (Some(doc), None) => self.text_of(doc),
                (None, Some(_)) => String::new(),
                _ => {
                    self.mistake(&limit.limits, "give either judged or doc");
                    String::new()
                }
            };
            writeln!(
                rust,
                "Limited {{ routes: &[{routes}], limits: &{limits:?}, judged: &[{judged}], doc: {doc:?} }},"
            )?;
        }
        writeln!(rust, "];\n/// What a scope makes of each route.")?;
        writeln!(rust, "pub static SCOPED: &[Scoped] = &[")?;
        for scope in &file.scope {
            let routes = self.routes(&scope.routes, false);
            let kind = scope
                .kind
                .as_ref()
                .map(|kind| self.word(kind, &KINDS, "kind"));
            let kind = kind.map_or("None".to_owned(), |kind| format!("Some({kind})"));
            let judged = scope.judged.as_ref();
            let judged = judged.map_or(String::new(), |judged| self.words(judged, &ROLES, "role"));
            let doc = match (&scope.doc, &scope.judged) {
                (Some(doc), None) => self.text_of(doc),
                (None, Some(_)) => String::new(),
                _ => {
                    self.mistake(&scope.routes, "give either judged or doc");
                    String::new()
                }
            };
            writeln!(
                rust,
                "Scoped {{ routes: &[{routes}], kind: {kind}, judged: &[{judged}], doc: {doc:?} }},"
            )?;
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
                    self.mistake(protocol, "a protocol must be lower case");
                }
            }
            writeln!(
                rust,
                "Upgrade {{ routes: &[{routes}], protocols: &{protocols:?} }},"
            )?;
        }
        writeln!(rust, "];")
    }

    fn checks(&mut self, judged: &Spanned<Vec<Spanned<String>>>) -> String {
        self.words(judged, &CHECKS, "check")
    }

    fn words(
        &mut self,
        words: &Spanned<Vec<Spanned<String>>>,
        known: &[(&str, &'static str)],
        what: &str,
    ) -> String {
        self.not_empty(words);
        let words = words.get_ref().iter();
        let words: Vec<&str> = words.map(|word| self.word(word, known, what)).collect();
        words.join(",")
    }

    fn word(
        &mut self,
        word: &Spanned<String>,
        known: &[(&str, &'static str)],
        what: &str,
    ) -> &'static str {
        match known.iter().find(|(known, _)| known == word.get_ref()) {
            Some((_, rust)) => rust,
            None => {
                self.mistake(word, &format!("unknown {what}"));
                ""
            }
        }
    }
}
