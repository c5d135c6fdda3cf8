//! Rules of a method list and a pattern, as hectorm/cetusguard reads them: in `CETUSGUARD_RULES` and
//! `-rules`, in the files that `CETUSGUARD_RULES_FILE` and `-rules-file` name, and six built-in ones.
//!
//! Any `CETUSGUARD_` variable or flag makes the dialect active. A pattern matches the whole decoded
//! path, grouped before it is anchored. A flag replaces its variable.

pub(in crate::config) mod addresses;
mod line;
#[cfg(test)]
mod tests;
mod variables;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::unmatched::{self, Written};
use super::{PatternLine, Source};
use crate::api::{Method, Methods};
use crate::config::names::is_of_a_service;
use crate::config::table::{Dialect, SETTINGS};
use crate::config::texts::Texts;
use crate::config::values::go_bool;
use crate::config::{Diagnostic, Snapshot, shown_path};
use crate::policy::{Allowlist, BadPattern, Entry, Regex, Subject, printable};
use line::{Line, NoRule, lines};

/// How the names of its variables begin.
pub(in crate::config) const PREFIX: &str = "CETUSGUARD_";
/// The variable that has rules.
pub(in crate::config) const RULES: &str = "CETUSGUARD_RULES";
/// The variable that names a file of them.
pub(in crate::config) const RULES_FILE: &str = "CETUSGUARD_RULES_FILE";
const NO_BUILT_IN: &str = "CETUSGUARD_NO_BUILTIN_RULES";
/// The flags that say what the policy is made of.
pub(in crate::config) const OF_POLICIES: [&str; 3] = ["rules", "rules-file", "no-builtin-rules"];

/// Whether a variable of this dialect narrows what would hold without it.
pub(in crate::config) fn restricts(variable: &str) -> bool {
    let grants = [RULES, RULES_FILE, "CETUSGUARD_LOG_LEVEL"];
    variable.starts_with(PREFIX) && !grants.contains(&variable)
}

/// What is allowed unless that is switched off.
const BUILT_IN: [(&str, &str); 6] = [
    ("GET,HEAD", "%API_PREFIX_PING%"),
    ("GET,HEAD", "%API_PREFIX_LIBPOD_PING%"),
    ("GET", "%API_PREFIX_VERSION%"),
    ("GET", "%API_PREFIX_LIBPOD_VERSION%"),
    ("GET", "%API_PREFIX_INFO%"),
    ("GET", "%API_PREFIX_LIBPOD_INFO%"),
];

/// What the rules allow.
#[derive(Debug, Default)]
pub struct RuleLines {
    /// Whether any variable or flag of the dialect is set.
    pub active: bool,
    /// Each rule as written.
    pub lines: Vec<PatternLine>,
    entries: Vec<Entry>,
    /// Where they are, and how many there.
    places: Vec<(String, usize)>,
}

impl RuleLines {
    /// The files of rules that the variables or flags name.
    pub(in crate::config) fn files(snapshot: &Snapshot) -> Vec<PathBuf> {
        let given = Given::of(snapshot, RULES_FILE, "-rules-file");
        let named = given.values.iter().filter(|path| !path.is_empty());
        named.map(PathBuf::from).collect()
    }

    /// Whether a variable or flag of the dialect is set.
    pub(in crate::config) fn active(snapshot: &Snapshot) -> bool {
        let is_own = |name: &str| {
            let value = snapshot.get(name).unwrap_or_default().to_string_lossy();
            name.starts_with(PREFIX) && !is_of_a_service(name, &value)
        };
        let mut flags = (SETTINGS
            .iter()
            .filter(|one| one.dialect == Dialect::Cetusguard))
        .filter_map(|one| one.flag);
        snapshot.names().any(is_own) || flags.any(|flag| snapshot.flag(flag).next().is_some())
    }

    /// Reads all rules, those of files from their texts.
    pub(in crate::config) fn read(
        snapshot: &Snapshot,
        texts: &Texts,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> RuleLines {
        let mut rules = RuleLines {
            active: RuleLines::active(snapshot),
            ..RuleLines::default()
        };
        if !rules.active {
            return rules;
        }
        if !no_built_in(snapshot, diagnostics) {
            for (number, (methods, pattern)) in (1..).zip(BUILT_IN) {
                let origin = format!("built-in rule {number}");
                rules.add(RULES, &origin, Line { methods, pattern }, diagnostics);
            }
            rules.places.push(("built in".to_owned(), BUILT_IN.len()));
        }
        let given = Given::of(snapshot, RULES, "-rules");
        diagnostics.extend(given.replaced());
        for (index, value) in given.values.iter().enumerate() {
            let place = match given.values.len() {
                1 => given.name.to_owned(),
                _ => format!("{}[{index}]", given.name),
            };
            match value.to_str() {
                Some(text) => rules.add_text(given.name, &place, text, diagnostics),
                None => diagnostics.push(Diagnostic::not_utf8(given.name)),
            }
        }
        let given = Given::of(snapshot, RULES_FILE, "-rules-file");
        diagnostics.extend(given.replaced());
        for path in &given.values {
            let Some(path) = Some(Path::new(path)).filter(|_| !path.is_empty()) else {
                let problem = format!("{} is empty and treated as unset", given.name);
                let help = "name a file or remove it";
                diagnostics.push(Diagnostic::warning(given.name, problem, help));
                continue;
            };
            let place = shown_path(path);
            match texts.text(path) {
                Ok(text) => {
                    // Windows editors begin files with a byte order mark, and a reader of files
                    // takes the carriage return of a last line for an end.
                    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
                    let text = text.strip_suffix('\r').unwrap_or(text);
                    rules.add_text(given.name, &place, text, diagnostics);
                }
                Err(unread) => {
                    let set = snapshot.notation().set(given.name, &place);
                    let problem = format!("{set}: {}", unread.problem);
                    let help = "use a file of rules that this user can read";
                    diagnostics.push(Diagnostic::error(given.name, problem, help));
                }
            }
        }
        rules
    }

    /// Adds the rules of a text, which is in that place by that variable or flag.
    fn add_text(&mut self, name: &str, place: &str, text: &str, diagnostics: &mut Vec<Diagnostic>) {
        let before = self.lines.len();
        for (number, line) in lines(text) {
            let origin = format!("{place}:{number}");
            match Line::read(line) {
                Ok(None) => {}
                Ok(Some(rule)) => self.add(name, &origin, rule, diagnostics),
                Err(NoRule(help)) => {
                    let problem = format!("{origin}: {} is not a rule", printable(line));
                    diagnostics.push(Diagnostic::error(name, problem, help));
                }
            }
        }
        let place = place.to_owned();
        self.places.push((place, self.lines.len() - before));
    }

    fn add(
        &mut self,
        name: &str,
        origin: &str,
        Line { methods, pattern }: Line<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let shown = printable(pattern);
        let regex = match read(pattern) {
            Ok(regex) => regex,
            Err(what) => {
                let problem = format!("{origin}: {shown} is not a valid pattern: {what}");
                let help = "use the syntax of Go's regexp package";
                diagnostics.push(Diagnostic::error(name, problem, help));
                return;
            }
        };
        let mut known = Vec::new();
        for method in methods.split(',') {
            known.extend(Method::from_name(method));
            if Method::from_name(method).is_none() {
                let problem = format!("{origin}: the Docker API has no {method}");
                diagnostics.push(Diagnostic::warning(name, problem, "remove it"));
            }
        }
        let has_method = !known.is_empty();
        let known: Methods = known.into_iter().collect();
        let reach = unmatched::reach(&regex, Subject::Path, known);
        if let Some((unknown, near)) = variables::unknown(pattern) {
            let problem = format!("{origin}: %{unknown}% is not a variable and stands for itself");
            let help = near.map_or(String::new(), |near| format!("did you mean %{near}%?"));
            diagnostics.push(Diagnostic::warning(name, problem, help));
        } else if reach.is_empty() && has_method {
            let written = Written {
                pattern,
                subject: Subject::Path,
                methods: known,
                read,
            };
            diagnostics.extend(written.unmatched().map(|(why, help)| {
                let problem = format!("{origin} matches no {methods} route of the Docker API");
                match written.matching_methods().as_slice() {
                    [] => Diagnostic::warning(name, problem + &why, help),
                    others => {
                        let others: Vec<&str> = others.iter().map(|one| one.as_str()).collect();
                        let problem = format!("{problem}, but routes with {}", others.join(", "));
                        let help = format!("use {} for those", others.join(","));
                        Diagnostic::warning(name, problem, help)
                    }
                }
            }));
        }
        self.entries.push(Entry {
            origin: origin.into(),
            methods: known,
            regex,
        });
        self.lines.push(PatternLine {
            origin: origin.to_owned(),
            methods: methods.to_owned(),
            pattern: pattern.to_owned(),
            reach,
        });
    }
}

/// The values of a variable, or those of the flag that replaces it.
struct Given<'s> {
    /// The name that they are by.
    name: &'static str,
    values: Vec<&'s OsStr>,
    /// The variable, if the flag replaces it.
    replaced: Option<&'static str>,
}

impl<'s> Given<'s> {
    /// `flag` with its hyphen.
    fn of(snapshot: &'s Snapshot, variable: &'static str, flag: &'static str) -> Given<'s> {
        let values: Vec<&OsStr> = snapshot.flag(&flag[1..]).collect();
        let value = snapshot.get(variable);
        if values.is_empty() {
            return Given {
                name: variable,
                values: value.into_iter().collect(),
                replaced: None,
            };
        }
        Given {
            name: flag,
            values,
            replaced: value.map(|_| variable),
        }
    }

    /// A warning, if what a variable says does not count.
    fn replaced(&self) -> Option<Diagnostic> {
        let (variable, flag) = (self.replaced?, self.name);
        let problem = format!("{variable} is ignored: {flag} is set on the command line");
        Some(Diagnostic::warning(
            variable,
            problem,
            "use only one of them",
        ))
    }
}

/// Whether the built-in rules are switched off.
fn no_built_in(snapshot: &Snapshot, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let given = Given::of(snapshot, NO_BUILT_IN, "-no-builtin-rules");
    let Some(value) = given.values.last().filter(|value| !value.is_empty()) else {
        return false;
    };
    let text = value.to_string_lossy();
    go_bool(&text).unwrap_or_else(|unfit| {
        diagnostics.push(unfit.of(given.name, &text));
        true
    })
}

/// A pattern with what its variables stand for.
fn read(pattern: &str) -> Result<Regex, BadPattern> {
    Regex::new(&variables::expand(pattern)?)
}

impl Source for RuleLines {
    fn name(&self) -> &'static str {
        "cetusguard"
    }

    fn active(&self) -> bool {
        self.active
    }

    fn contributes(&self) -> Vec<String> {
        let places = self.places.iter().enumerate();
        let shown = places.map(|(at, (place, rules))| {
            let comma = if at + 1 < self.places.len() { "," } else { "" };
            let s = if *rules == 1 { "" } else { "s" };
            format!("{place} ({rules} rule{s}){comma}")
        });
        shown.collect()
    }

    fn allowlist(&self) -> Result<Option<Allowlist>, Diagnostic> {
        if !self.active {
            return Ok(None);
        }
        let rule = |method| format!("{RULES} rule for {method}");
        let list = Allowlist::new(Subject::Path, &self.entries, rule);
        list.map(Some).map_err(|error| {
            let problem = format!("{RULES}: {error}");
            Diagnostic::error(RULES, problem, "use fewer or simpler rules")
        })
    }

    fn has_patterns(&self) -> bool {
        self.active
    }

    fn lines(&self) -> &[PatternLine] {
        &self.lines
    }
}
