//! Trees as policies, engines, endpoints and clients.

use super::tree::{self, Entry, Node, Value};
use super::{
    DEFAULT, Document, MiddlewareSpec, NONE, Place, PolicySpec, Refused, Source, VariableSpec,
    Written,
};
use crate::config::Diagnostic;
use crate::config::near::near;
use crate::policy::printable;

mod containers;
mod entries;
mod names;

use names::{LONGEST_NAME, Names};

/// The keys of a document.
const TOP: Keys = &[
    "policies",
    "endpoints",
    "clients",
    "engines",
    "gates",
    "mutators",
    "responseFilters",
];
/// Those of them that another dialect reads.
const MIDDLEWARE: [&str; 3] = ["gates", "mutators", "responseFilters"];
/// Those of a policy that are not variables.
const POLICY: Keys = &[BY_LABEL, "gates", "mutators", "responseFilters"];
const BY_LABEL: &str = "by_label";
/// So many policies may there be: each is compiled, and kept.
const MOST_POLICIES: usize = 1000;
/// So many engines: each is asked by health checks.
const MOST_ENGINES: usize = 100;

/// The variables of the whole process, and where what they are for belongs. A name that ends with `*`
/// is the beginning of several.
const OF_THE_PROCESS: &[(&str, &str)] = &[
    ("LISTEN*", "add an entry to endpoints"),
    ("DISABLE_IPV6", "add an entry to endpoints"),
    ("TLS_*", "add tls to an entry of endpoints"),
    ("SP_LISTENIP", "add an entry to endpoints"),
    ("SP_PROXYPORT", "add an entry to endpoints"),
    ("SP_PROXYSOCKETENDPOINT*", "add an entry to endpoints"),
    ("SP_ALLOWFROM", "add a rule with from to clients"),
    ("CETUSGUARD_FRONTEND_*", "add an entry to endpoints"),
    ("CETUSGUARD_BACKEND_*", ENVIRONMENT),
    ("CETUSGUARD_LOG_LEVEL", ENVIRONMENT),
    ("SOCKET_PATH", ENVIRONMENT),
    ("SP_SOCKETPATH", ENVIRONMENT),
    ("FORWARDING_SOCKET_PATH", ENVIRONMENT),
    ("ENGINE_*", "add an entry to engines"),
    ("LOG_*", ENVIRONMENT),
    ("SP_LOG*", ENVIRONMENT),
    ("MAX_CONNECTIONS", ENVIRONMENT),
    ("CLIENT_*", ENVIRONMENT),
    ("UPLOAD_TIMEOUT", ENVIRONMENT),
    ("ALLOWED_HOSTS", ENVIRONMENT),
    ("SELF_CONTAINER", ENVIRONMENT),
    ("SP_PROXYCONTAINERNAME", ENVIRONMENT),
    ("SP_DOCKERLABELPREFIX", ENVIRONMENT),
    ("SHUTDOWN_GRACE", ENVIRONMENT),
    ("SP_SHUTDOWNGRACETIME", ENVIRONMENT),
    ("SP_ALLOWHEALTHCHECK", ENVIRONMENT),
    ("SP_WATCHDOGINTERVAL", ENVIRONMENT),
    ("SP_STOPONWATCHDOG", ENVIRONMENT),
    ("CONFIG_*", ENVIRONMENT),
    ("LEARN", ENVIRONMENT),
];
const ENVIRONMENT: &str = "set it in the environment";

/// Reads documents as one.
///
/// # Errors
/// All mistakes in all of them.
pub fn read(sources: &[Source]) -> Result<Document, Refused> {
    let mut parts: Vec<Part<'_>> = sources.iter().map(Part::read).collect();
    let mut policies = Names::new("policy", "policies", MOST_POLICIES);
    let mut engines = Names::new("engine", "engines", MOST_ENGINES);
    for part in &mut parts {
        for policy in std::mem::take(&mut part.document.policies) {
            if policies.take(part, &policy.name, &policy.place) {
                part.document.policies.push(policy);
            }
        }
        for engine in std::mem::take(&mut part.document.engines) {
            if engines.take(part, &engine.name, &engine.place) {
                part.document.engines.push(engine);
            }
        }
    }
    let mut names: Vec<&str> = policies.all().collect();
    names.extend([DEFAULT, NONE]);
    names.sort_unstable();
    let (mut document, mut mistakes) = (Document::default(), Vec::new());
    for mut part in parts {
        part.check_names(&names);
        part.mistakes.sort_by_key(|(line, _)| *line);
        mistakes.extend(part.mistakes.into_iter().map(|(_, mistake)| mistake));
        document.policies.extend(part.document.policies);
        document.engines.extend(part.document.engines);
        document.endpoints.extend(part.document.endpoints);
        document.clients.extend(part.document.clients);
        document.middleware.extend(part.document.middleware);
    }
    if mistakes.is_empty() {
        return Ok(document);
    }
    let rest = Box::new(document);
    Err(Refused { mistakes, rest })
}

/// The keys that a map may have.
type Keys = &'static [&'static str];

/// One document of several.
struct Part<'a> {
    source: &'a Source,
    document: Document,
    /// With their lines.
    mistakes: Vec<(usize, Diagnostic)>,
}

impl<'a> Part<'a> {
    fn read(source: &'a Source) -> Part<'a> {
        let mut part = Part {
            source,
            document: Document::default(),
            mistakes: Vec::new(),
        };
        let (root, problems) = tree::parse(&source.bytes);
        let is_read = problems.is_empty();
        for problem in problems {
            part.mistake(problem.line, "", problem.what, problem.help);
        }
        match root {
            Some(root) if !root.is_null() => part.top(root),
            _ if is_read => part.mistake(1, "", "the file is empty", ONE_OF_TOP),
            _ => {}
        }
        part
    }

    fn place(&self, line: usize) -> Place {
        let file = self.source.name.clone();
        Place { file, line }
    }

    fn mistake(
        &mut self,
        line: usize,
        what: &str,
        problem: impl std::fmt::Display,
        help: impl Into<String>,
    ) {
        let mistake = self.place(line).mistake(what, problem, help);
        self.mistakes.push((line, mistake));
    }

    fn top(&mut self, root: Node) {
        let line = root.line;
        let Some(entries) = self.map(root, "", ONE_OF_TOP) else {
            return;
        };
        if entries.is_empty() {
            self.mistake(line, "", "the file is empty", ONE_OF_TOP);
        }
        for Entry { key, line, value } in entries {
            if let Some(own) = MIDDLEWARE.into_iter().find(|own| *own == key) {
                let spec = MiddlewareSpec {
                    key: own,
                    what: key,
                    place: self.place(line),
                    value,
                };
                self.document.middleware.push(spec);
                continue;
            }
            if !self.knows(TOP, "", &key, line) || self.is_empty(&key, line, &value) {
                continue;
            }
            match &*key {
                "policies" => self.policies(value),
                "engines" => {
                    let help = "use NAME: ADDRESS, or NAME: and the address and files of an engine";
                    for entry in self.map(value, "engines", help).unwrap_or_default() {
                        self.engine(entry);
                    }
                }
                "endpoints" => self.each(value, "endpoints", Part::endpoint),
                _ => self.each(value, "clients", Part::client),
            }
        }
    }

    /// Whether a key is one that can be read; if not, that is a mistake.
    fn knows(&mut self, keys: Keys, within: &str, key: &str, line: usize) -> bool {
        if keys.contains(&key) {
            return true;
        }
        let path = path(within, key);
        let help = match nearest(key, keys.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("use one of {}", keys.join(", ")),
        };
        self.mistake(line, &path, format!("unknown key {path}"), help);
        false
    }

    /// Whether nothing is written for a key that says nothing then.
    fn is_empty(&mut self, key: &str, line: usize, value: &Node) -> bool {
        let is_empty = match &value.value {
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
            _ => value.is_null(),
        };
        if is_empty {
            let help = "add an entry, or remove the key";
            self.mistake(line, key, format!("{key} is empty"), help);
        }
        is_empty
    }

    fn map(&mut self, node: Node, what: &str, help: &str) -> Option<Vec<Entry>> {
        match node.value {
            Value::Map(entries) => return Some(entries),
            Value::Refused => {}
            _ if what.is_empty() => {
                self.mistake(node.line, "", "the file must be a map of keys", help);
            }
            _ => self.mistake(
                node.line,
                what,
                format!("{what} must be a map of keys"),
                help,
            ),
        }
        None
    }

    /// One value of any kind, which is not null.
    fn scalar(&mut self, node: Node, what: &str, help: &str) -> Option<Written> {
        let (line, is_null) = (node.line, node.is_null());
        match node.value {
            _ if is_null => self.mistake(line, what, format!("{what} has no value"), help),
            Value::Scalar { text, .. } if text.contains('\0') => {
                self.mistake(line, what, format!("{what} contains a NUL"), "remove it");
            }
            Value::Scalar { text, .. } => {
                let place = self.place(line);
                return Some(Written { text, place });
            }
            Value::Refused => {}
            Value::List(_) | Value::Map(_) => {
                self.mistake(line, what, format!("{what} must be a single value"), help);
            }
        }
        None
    }

    fn policies(&mut self, node: Node) {
        let help = "use NAME: and the variables of the policy";
        for entry in self.map(node, "policies", help).unwrap_or_default() {
            self.policy(entry);
        }
    }

    fn policy(&mut self, Entry { key, line, value }: Entry) {
        let path = path("policies", &key);
        if key == NONE {
            let problem = format!("the policy name {NONE} is reserved: it refuses all requests");
            self.mistake(line, &path, problem, "use another name");
        } else if let Some(reserved) = differs_in_case(&key) {
            let problem = format!("the policy name {key} differs only in case from {reserved}");
            self.mistake(line, &path, problem, "use another name");
        } else if let Some((problem, help)) = names::unfit("policy", &key) {
            self.mistake(line, &path, problem, help);
        }
        let mut policy = PolicySpec {
            name: key,
            place: self.place(line),
            variables: Vec::new(),
            by_label: false,
            middleware: Vec::new(),
        };
        let help = "use NAME: VALUE for each variable, or {} for a policy that grants nothing";
        for Entry { key, line, value } in self.map(value, &path, help).unwrap_or_default() {
            let within = self::path(&path, &key);
            if key == BY_LABEL {
                policy.by_label = self.switch(value, &within).unwrap_or_default();
            } else if let Some(own) = POLICY.iter().find(|own| **own == key) {
                policy.middleware.push(MiddlewareSpec {
                    key: own,
                    what: within,
                    place: self.place(line),
                    value,
                });
            } else if self.may_set(&path, &key, line) {
                let help = "use a single value, with commas between the items of a list";
                if let Some(Written { text, .. }) = self.scalar(value, &within, help) {
                    policy.variables.push(VariableSpec {
                        name: key,
                        value: text,
                        place: self.place(line),
                    });
                }
            }
        }
        let is_name = names::unfit("policy", &policy.name).is_none();
        if policy.name != NONE && differs_in_case(&policy.name).is_none() && is_name {
            self.document.policies.push(policy);
        }
    }

    fn switch(&mut self, node: Node, what: &str) -> Option<bool> {
        const HELP: &str = "use true or false";
        let written = self.scalar(node, what, HELP)?;
        match &*written.text {
            "1" | "true" => return Some(true),
            "0" | "false" => return Some(false),
            text => {
                let problem = format!("{what} must be true or false, not {}", printable(text));
                self.mistake(written.place.line, what, problem, HELP);
            }
        }
        None
    }

    /// Whether a name can be a policy's variable; if not, that is a mistake.
    fn may_set(&mut self, policy: &str, name: &str, line: usize) -> bool {
        let path = path(policy, name);
        let of_the_process = OF_THE_PROCESS.iter().find(|(known, _)| {
            let begins = known.strip_suffix('*').map(|start| name.starts_with(start));
            begins.unwrap_or(name == *known)
        });
        if let Some((_, help)) = of_the_process {
            let problem = format!("{path} applies to the whole process, not to one policy");
            self.mistake(line, &path, problem, *help);
            return false;
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let has_name = name.bytes().all(fits);
        if has_name && name.starts_with(|first: char| first.is_ascii_uppercase()) {
            return true;
        }
        let help = match nearest(name, POLICY.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None if has_name && name.starts_with(|first: char| first.is_ascii_lowercase()) => {
                let upper = name.to_ascii_uppercase();
                format!("names are upper case: use {}", printable(&upper))
            }
            None => "use the name of a variable".to_owned(),
        };
        self.mistake(line, &path, format!("unknown variable {path}"), help);
        false
    }

    /// Reads each item of a list of maps.
    fn each(&mut self, node: Node, key: &str, read: fn(&mut Part<'a>, usize, &str, Vec<Entry>)) {
        let items = match node.value {
            Value::List(items) => items,
            Value::Refused => return,
            _ => {
                let help = "begin each entry with a hyphen";
                return self.mistake(node.line, key, format!("{key} must be a list"), help);
            }
        };
        for (number, item) in items.into_iter().enumerate() {
            let (line, what) = (item.line, format!("{key}[{number}]"));
            let help = "use KEY: VALUE pairs";
            if let Some(entries) = self.map(item, &what, help) {
                read(self, line, &what, entries);
            }
        }
    }

    /// Each policy that is named has to be there.
    fn check_names(&mut self, names: &[&str]) {
        let endpoints = self.document.endpoints.iter();
        let of_endpoints = endpoints.filter_map(|endpoint| endpoint.policy.as_ref());
        let of_clients = self.document.clients.iter().map(|client| &client.policy);
        let named = of_endpoints.chain(of_clients);
        let unknown = named.filter(|policy| !names.contains(&&*policy.text));
        let unknown: Vec<Written> = unknown.cloned().collect();
        for Written { text, place } in unknown {
            let help = match nearest(&text, names.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("add it to policies, or use one of {}", names.join(", ")),
            };
            let problem = format!("unknown policy {}", printable(&text));
            self.mistake(place.line, &text, problem, help);
        }
    }
}

const ONE_OF_TOP: &str = "add policies, endpoints or clients";

/// `policies.ci.PING`, on one line whatever the key is.
fn path(within: &str, key: &str) -> String {
    match within {
        "" => printable(key).into_owned(),
        within => format!("{within}.{}", printable(key)),
    }
}

/// The known name that is nearest to another one, in time even if that is long.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    (name.len() <= LONGEST_NAME)
        .then(|| near(name, known))
        .flatten()
}

/// The name with a meaning of its own that a name looks like.
fn differs_in_case(name: &str) -> Option<&'static str> {
    let mut own = [NONE, DEFAULT].into_iter();
    own.find(|own| name != *own && name.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests;
