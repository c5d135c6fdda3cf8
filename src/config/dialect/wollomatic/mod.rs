//! Regex allowlists: `SP_ALLOW_GET`, `SP_ALLOW_POST_2`, … and `-allowGET=…`, as
//! wollomatic/socket-proxy reads them.
//!
//! The text between `SP_ALLOW_` and the next `_` is the method. A flag for a method replaces all
//! its variables, and an empty pattern allows nothing.

pub(in crate::config) mod flags;
pub(in crate::config) mod labels;
pub(in crate::config) mod listener;
mod stray;
pub(in crate::config) mod written;

use super::cetusguard::RuleLines;
use super::unmatched::{self, Written};
use super::{PatternLine, Reach, Source};
use crate::api::{Method, Methods};
use crate::config::{Diagnostic, Snapshot};
use crate::policy::{Allowlist, Entry, Notation, Regex, Subject, printable};
use flags::{METHODS, PREFIX, method_of};

/// Settings that patterns need in a container, where the defaults exclude every client outside.
pub const REACH: [(&str, &str); 2] = [("SP_LISTENIP", "0.0.0.0"), ("SP_ALLOWFROM", "0.0.0.0/0")];

/// What the patterns allow.
#[derive(Debug, Default)]
pub struct Regexes {
    /// Whether there are any, even if they are empty.
    pub active: bool,
    /// Each pattern as written.
    pub lines: Vec<PatternLine>,
    entries: Vec<Entry>,
    /// What the labels of a container begin with, if these are its patterns.
    of_labels: Option<String>,
}

impl Regexes {
    /// Reads them all.
    pub(crate) fn read(snapshot: &Snapshot, diagnostics: &mut Vec<Diagnostic>) -> Regexes {
        diagnostics.extend(stray::check(snapshot));
        let mut regexes = Regexes {
            // A stray word may have ended the flags before the patterns. Then nothing is granted, as
            // in wollomatic/socket-proxy. Where labels grant, nothing else does unless it is asked for.
            active: !snapshot.stray().is_empty() && !RuleLines::active(snapshot)
                || labels::are_read(snapshot),
            ..Regexes::default()
        };
        for method in METHODS {
            let flag = format!("-allow{method}");
            for value in snapshot.flag(&flag[1..]) {
                regexes.add(&flag, None, method, value.to_str(), diagnostics);
            }
            let replaced = snapshot.flag(&flag[1..]).next().is_some();
            for name in snapshot
                .names()
                .filter(|name| method_of(name) == Some(method))
            {
                if replaced {
                    let shown = printable(name);
                    let problem = format!("{shown} is ignored: {flag} is set on the command line");
                    diagnostics.push(Diagnostic::warning(name, problem, "use only one of them"));
                } else {
                    let value = snapshot.get(name).and_then(|value| value.to_str());
                    let notation = snapshot.notation();
                    regexes.add(name, Some(notation), method, value, diagnostics);
                }
            }
        }
        regexes
    }

    /// Adds a pattern of a variable, or of a flag, which has no notation. A flag can be repeated, so
    /// its pattern is part of the origin.
    fn add(
        &mut self,
        name: &str,
        notation: Option<Notation>,
        method: &'static str,
        value: Option<&str>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        self.active = true;
        let shown = printable(name);
        let Some(value) = value else {
            diagnostics.push(Diagnostic::not_utf8(name));
            return;
        };
        if value.is_empty() {
            let problem = format!("{shown} is empty and allows nothing");
            let help = "set a pattern or remove it";
            diagnostics.push(Diagnostic::warning(name, problem, help));
            return;
        }
        let is_flag = notation.is_none();
        let given = notation.unwrap_or_default().set(&shown, printable(value));
        let Some(regex) = read(name, &given, value, diagnostics) else {
            return;
        };
        let origin = if is_flag {
            given.clone()
        } else {
            shown.to_string()
        };
        let mut reach = Reach::new();
        if let Some(method) = of_api(method, name, diagnostics) {
            let methods = Methods::of(Some(method));
            reach = unmatched::reach(&regex, Subject::Path, methods);
            if reach.is_empty() {
                diagnostics.extend(unmatched_by(name, is_flag, value, &given, method));
            }
            self.entries.push(Entry {
                origin: origin.as_str().into(),
                methods,
                regex,
            });
        }
        self.lines.push(PatternLine {
            origin,
            methods: method.to_owned(),
            pattern: value.to_owned(),
            reach,
        });
    }

    /// Adds the pattern of a container's label. What it can reach is not looked for: that takes its time,
    /// and a container is waiting.
    fn add_label(
        &mut self,
        label: &str,
        method: &'static str,
        pattern: &str,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let shown = printable(label);
        let given = format!("{shown}={}", printable(pattern));
        let regex = read(label, &given, pattern, diagnostics);
        let method = of_api(method, label, diagnostics);
        self.entries
            .extend(regex.zip(method).map(|(regex, method)| Entry {
                origin: shown.into(),
                methods: Methods::of(Some(method)),
                regex,
            }));
    }
}

/// A pattern, or what is wrong with it.
fn read(
    name: &str,
    given: &str,
    pattern: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Regex> {
    let regex = Regex::new(pattern).map_err(|what| {
        let problem = format!("{given} is not a valid pattern: {what}");
        let help = "use the syntax of Go's regexp package";
        diagnostics.push(Diagnostic::error(name, problem, help));
    });
    regex.ok()
}

/// A method of the Docker API, or a warning that it has none such.
fn of_api(method: &str, name: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<Method> {
    let own = Method::from_name(method);
    if own.is_none() {
        let shown = printable(name);
        let problem = format!("{shown} is ignored: the Docker API has no {method}");
        diagnostics.push(Diagnostic::warning(name, problem, "remove it"));
    }
    own
}

impl Source for Regexes {
    fn name(&self) -> &'static str {
        "patterns"
    }

    fn active(&self) -> bool {
        self.active
    }

    fn contributes(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.origin.clone()).collect()
    }

    fn allowlist(&self) -> Result<Option<Allowlist>, Diagnostic> {
        if !self.active {
            return Ok(None);
        }
        if let Some(prefix) = &self.of_labels {
            let what = |method: Method| {
                let method = method.as_str().to_ascii_lowercase();
                format!("label {prefix}{method} of this client's container")
            };
            let list = Allowlist::within(labels::SIZE_LIMIT, Subject::Path, &self.entries, what);
            return list.map(Some).map_err(|error| {
                let problem = format!("{prefix}...: {error}");
                Diagnostic::error(prefix, problem, "use fewer or simpler patterns")
            });
        }
        let pattern = |method| format!("{PREFIX}{method} pattern");
        let list = Allowlist::new(Subject::Path, &self.entries, pattern);
        list.map(Some).map_err(|error| {
            let problem = format!("SP_ALLOW_...: {error}");
            Diagnostic::error(PREFIX, problem, "use fewer or simpler patterns")
        })
    }

    fn has_patterns(&self) -> bool {
        self.active
    }

    fn lines(&self) -> &[PatternLine] {
        &self.lines
    }
}

/// A warning about a pattern that matches nothing, not even Podman's own routes.
fn unmatched_by(
    name: &str,
    is_flag: bool,
    pattern: &str,
    given: &str,
    method: Method,
) -> Option<Diagnostic> {
    let written = Written {
        pattern,
        subject: Subject::Path,
        methods: Methods::of(Some(method)),
        read: Regex::new,
    };
    let (why, help) = written.unmatched()?;
    let problem = format!("{given} matches no {method} route of the Docker API");
    let others = written.matching_methods();
    Some(match others.as_slice() {
        [] => Diagnostic::warning(name, problem + &why, help),
        [first, ..] => {
            let all: Vec<&str> = others.iter().map(|method| method.as_str()).collect();
            let prefix = if is_flag { "-allow" } else { PREFIX };
            let problem = format!("{problem}, but routes with {}", all.join(", "));
            Diagnostic::warning(name, problem, format!("use {prefix}{first} for those"))
        }
    })
}
