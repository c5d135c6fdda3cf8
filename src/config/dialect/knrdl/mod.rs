//! Profile files: lines of `METHOD-regex URL-regex`, as knrdl/docker-socket-protector reads them.
//!
//! `PROFILE` names a file in `/profiles`, an absolute path, a built-in profile (from `profiles/`)
//! or a preset; `unprotected` allows all. Lines are trimmed; empty lines and those that begin with
//! `#` are skipped. Both regexes must match completely.

mod file;

use std::fmt;
use std::path::PathBuf;

use super::presets::Preset;
use super::unmatched::{self, Written};
use super::{PatternLine, Reach, Source};
use crate::api::Method;
use crate::config::near::near;
use crate::config::texts::{Texts, Unread};
use crate::config::values::go_bool;
use crate::config::{Diagnostic, Snapshot};
use crate::policy::{
    Allowlist, BadPattern, Entry, Notation, Regex, Rule, Subject, TooComplex, printable,
};
use file::{BUILT_IN, UNPROTECTED};

/// The variable that names a profile.
pub(crate) const PROFILE: &str = "PROFILE";
/// What the built-in profiles exclude here: a GET that writes to a container's stdin is not a read.
const ATTACH_WS: &str = r"/[^?]*/attach/ws/?(\?.*)?";

/// What a profile allows.
#[derive(Debug, Default)]
pub struct Profile {
    /// The profile's name, if there is one.
    pub name: Option<String>,
    /// Whether each request is logged as a line of a profile.
    pub log_requests: bool,
    /// Its lines as written.
    pub lines: Vec<PatternLine>,
    /// Whether it is one of those that knrdl/docker-socket-protector ships.
    pub built_in: bool,
    /// The preset that it names, if there is no file or built-in profile of that name.
    pub preset: Option<&'static Preset>,
    entries: Vec<Entry>,
}

impl Profile {
    /// One that allows nothing, with as much logged.
    pub(in crate::config) fn log_only(&self) -> Profile {
        Profile {
            log_requests: self.log_requests,
            ..Profile::default()
        }
    }

    /// The profile that the variables name.
    fn name(snapshot: &Snapshot) -> Option<String> {
        let name = snapshot.get(PROFILE)?.to_string_lossy();
        (!name.is_empty()).then(|| name.into_owned())
    }

    /// The file in which the profile is that the variables name.
    pub(crate) fn file(snapshot: &Snapshot) -> Option<PathBuf> {
        file::path(&Profile::name(snapshot)?)
    }

    /// Reads the variables, and the text of the profile that they name.
    pub(crate) fn read(
        snapshot: &Snapshot,
        texts: &Texts,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Profile {
        let mut profile = Profile::default();
        let log_requests = snapshot.get("LOG_REQUESTS");
        let log_requests = log_requests.map(|value| value.to_string_lossy().into_owned());
        if let Some(text) = &log_requests {
            match go_bool(text) {
                Ok(on) => profile.log_requests = on,
                Err(unfit) => diagnostics.push(unfit.of("LOG_REQUESTS", text)),
            }
        }
        let Some(name) = Profile::name(snapshot) else {
            if snapshot.get(PROFILE).is_some() || log_requests.is_some() {
                let problem =
                    "LOG_REQUESTS and PROFILE belong together, and PROFILE is empty or unset";
                let (problem, help) = match snapshot.notation() {
                    Notation::Environment => (
                        problem,
                        "set PROFILE to a profile; unprotected allows all requests",
                    ),
                    Notation::File => ("PROFILE is empty", "name a profile or remove it"),
                };
                diagnostics.push(Diagnostic::error(PROFILE, problem, help));
            }
            return profile;
        };
        if name == UNPROTECTED && !profile.log_requests {
            let problem = "PROFILE=unprotected allows all requests, so they must be logged";
            let help = match snapshot.notation() {
                Notation::Environment => "set LOG_REQUESTS=true as well",
                Notation::File => "set both in the environment",
            };
            diagnostics.push(Diagnostic::error(PROFILE, problem, help));
        }
        profile.take(&name, texts, diagnostics);
        profile.compare_with_api(&name, diagnostics);
        profile.name = Some(name);
        profile
    }

    /// Takes the profile of that name: a file, a built-in profile or a preset.
    fn take(&mut self, name: &str, texts: &Texts, diagnostics: &mut Vec<Diagnostic>) {
        let shown = printable(name);
        let built_in = BUILT_IN.iter().find(|(known, _)| *known == name);
        let text = file::text(name, texts).or_else(|problem| {
            // A file that exists but cannot be read is not replaced.
            self.built_in = problem.is_absent && built_in.is_some();
            let text = built_in.filter(|_| self.built_in).map(|(_, text)| *text);
            text.ok_or(problem)
        });
        match text {
            Ok(text) => {
                for problem in self.parse(text) {
                    let problem = format!("PROFILE={shown}, {problem}");
                    let help = "use METHOD /URL, both in the syntax of Go's regexp package";
                    diagnostics.push(Diagnostic::error(PROFILE, problem, help));
                }
            }
            Err(problem) if problem.is_absent && Preset::find(name).is_some() => {
                self.preset = Preset::find(name);
            }
            Err(Unread { problem, is_absent }) => {
                let names: Vec<&str> = BUILT_IN.iter().map(|(known, _)| *known).collect();
                let mut help = "use a file of METHOD /URL lines that this user can read".to_owned();
                if is_absent {
                    help = "mount it into /profiles or use its absolute path".to_owned();
                    if let Some(near) = near(name, names.iter().copied()) {
                        help = format!("did you mean {near}? Otherwise {help}");
                    }
                    help += &format!("; built-in profiles: {}", names.join(", "));
                }
                let problem = format!("PROFILE={shown}: {problem}");
                diagnostics.push(Diagnostic::error(PROFILE, problem, help));
            }
        }
    }

    /// Finds what each line can match, and warns about lines that match nothing.
    fn compare_with_api(&mut self, name: &str, diagnostics: &mut Vec<Diagnostic>) {
        let shown = printable(name);
        for (entry, line) in self.entries.iter().zip(&mut self.lines) {
            let methods = entry.methods;
            let mut warning = |what: String, help: String| {
                let problem = format!("PROFILE={shown}, {} matches {what}", entry.origin);
                diagnostics.push(Diagnostic::warning(PROFILE, problem, help));
            };
            if !Method::ALL.into_iter().any(|one| methods.contains(one)) {
                let help = "use methods like GET or GET|HEAD";
                warning("no method of the Docker API".to_owned(), help.to_owned());
                continue;
            }
            line.reach = unmatched::reach(&entry.regex, Subject::Target, methods);
            let written = Written {
                pattern: &line.pattern,
                subject: Subject::Target,
                methods,
                read: Regex::anchored,
            };
            if line.reach.is_empty()
                && let Some((why, help)) = written.unmatched()
            {
                let with = printable(&line.methods);
                warning(format!("no {with} route of the Docker API{why}"), help);
            }
        }
    }

    /// Reads the lines of a file, and returns what is wrong with them.
    fn parse(&mut self, text: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let mut rules = 0;
        // Windows editors begin files with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in (1..).zip(text.split('\n')) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            rules += 1;
            if let Err(problem) = self.add(number, line) {
                problems.push(format!("line {number}: {} {problem}", printable(line)));
            }
        }
        if rules == 0 {
            problems.push("the profile has no lines".to_owned());
        }
        problems
    }

    fn add<'l>(&mut self, number: usize, line: &'l str) -> Result<(), BadLine<'l>> {
        let (method, url) = line
            .split_once(|c: char| c.is_ascii_whitespace())
            .map(|(method, url)| (method, url.trim_start()))
            .filter(|(_, url)| url.starts_with('/') && url.len() > 1)
            .ok_or(BadLine::Shape)?;
        let regex = |written: &'l str| {
            Regex::anchored(written).map_err(|problem| BadLine::Regex { written, problem })
        };
        let (names, url_regex) = (regex(method)?, regex(url)?);
        let methods = Method::ALL
            .into_iter()
            .filter(|method| names.matches(method.as_str()));
        let methods: Vec<Method> = methods.collect();
        let origin = format!("profile line {number}");
        self.lines.push(PatternLine {
            origin: origin.clone(),
            methods: method.to_owned(),
            pattern: url.to_owned(),
            reach: Reach::new(),
        });
        self.entries.push(Entry {
            origin: origin.into(),
            methods: methods.into_iter().collect(),
            regex: url_regex,
        });
        Ok(())
    }

    /// Whether it consists of lines, not of a preset.
    fn is_file(&self) -> bool {
        self.name.is_some() && self.preset.is_none()
    }
}

/// What is wrong with a line.
enum BadLine<'l> {
    Shape,
    Regex {
        written: &'l str,
        problem: BadPattern,
    },
}

impl fmt::Display for BadLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadLine::Shape => f.write_str("is not a method and a URL"),
            BadLine::Regex { written, problem } => {
                write!(f, "has an invalid regex, {}: {problem}", printable(written))
            }
        }
    }
}

impl Source for Profile {
    fn name(&self) -> &'static str {
        "profile"
    }

    fn active(&self) -> bool {
        self.name.is_some()
    }

    fn contributes(&self) -> Vec<String> {
        let origin = if self.built_in {
            ", built in: the same rights as in knrdl/docker-socket-protector, except \
             GET /containers/{id}/attach/ws"
        } else {
            ""
        };
        let lines = self.lines.len();
        let name = self.name.iter();
        name.map(|name| match self.preset {
            Some(_) => format!("{PROFILE}={name}, a preset"),
            None => format!("{PROFILE}={}, {lines} lines{origin}", printable(name)),
        })
        .collect()
    }

    fn rules(&self) -> Vec<Rule> {
        let rules = |preset: &Preset| preset.rules(&format!("{PROFILE}={}", preset.name));
        self.preset.map(rules).unwrap_or_default()
    }

    fn allowlist(&self) -> Result<Option<Allowlist>, Diagnostic> {
        let Some(name) = self.name.as_ref().filter(|_| self.is_file()) else {
            return Ok(None);
        };
        let line = |_| format!("line of profile {}", printable(name));
        let list = Allowlist::new(Subject::Target, &self.entries, line).and_then(|list| {
            if !self.built_in {
                return Ok(list);
            }
            let attach = Regex::new(ATTACH_WS).map_err(|_| TooComplex)?;
            list.without(&attach)
        });
        list.map(Some).map_err(|error| {
            let problem = format!("PROFILE: {error}");
            Diagnostic::error(PROFILE, problem, "use fewer or simpler lines")
        })
    }

    fn has_patterns(&self) -> bool {
        self.is_file()
    }

    fn lines(&self) -> &[PatternLine] {
        &self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Methods;

    fn parsed(text: &str) -> (Profile, Vec<String>) {
        let mut profile = Profile::default();
        let problems = profile.parse(text);
        (profile, problems)
    }

    #[test]
    fn lines_are_rules_comments_or_nothing() {
        let text = "# comment\r\n\r\n  GET\t /version \r\n GET|HEAD   /_ping\n\n[A-Z]+ ^/x.*$\n";
        let (_, problems) = parsed(text);
        assert_eq!(
            problems,
            ["line 6: \"[A-Z]+ ^/x.*$\" is not a method and a URL"]
        );
        let (profile, problems) = parsed("#\n\nGET|HEAD /_ping # c\n^P.+$ /b\\$\nGETX /a");
        assert_eq!(problems, [""; 0]);
        let methods: Vec<Methods> = profile.entries.iter().map(|entry| entry.methods).collect();
        let set = |names: &[&str]| {
            names
                .iter()
                .filter_map(|name| Method::from_name(name))
                .collect()
        };
        assert_eq!(
            methods,
            [Methods::READS, set(&["POST", "PUT", "PATCH"]), set(&[])]
        );
        let regexes: Vec<&Regex> = profile.entries.iter().map(|entry| &entry.regex).collect();
        assert!(regexes[0].matches("/_ping # c") && !regexes[0].matches("/_ping"));
        assert!(regexes[1].matches("/b$") && !regexes[1].matches("/b"));
        let origins = profile.lines.iter().map(|line| line.origin.as_str());
        assert_eq!(
            origins.collect::<Vec<_>>(),
            ["profile line 3", "profile line 4", "profile line 5"]
        );
    }

    #[test]
    fn a_byte_order_mark_costs_no_line() {
        for text in [
            "\u{feff}GET /version\nGET /info",
            "\u{feff}# all\nGET /version\nGET /info",
        ] {
            let (profile, problems) = parsed(text);
            assert_eq!(problems, [""; 0]);
            let patterns = profile.lines.iter().map(|line| line.pattern.as_str());
            assert_eq!(patterns.collect::<Vec<_>>(), ["/version", "/info"]);
            assert!(profile.entries[0].methods.contains(Method::Get));
        }
        // Anywhere else it is a part of the line.
        assert_eq!(parsed("GET /info\n\u{feff}# all").1.len(), 1);
    }

    #[test]
    fn lines_that_make_no_sense_are_all_told() {
        let (_, problems) =
            parsed("nonsense\nGET /\n[ /version\nGET /version(\nGET /ok\n/version GET");
        assert_eq!(
            problems,
            [
                "line 1: nonsense is not a method and a URL",
                "line 2: \"GET /\" is not a method and a URL",
                "line 3: \"[ /version\" has an invalid regex, [: unclosed character class",
                "line 4: \"GET /version(\" has an invalid regex, /version(: unclosed group",
                "line 6: \"/version GET\" is not a method and a URL",
            ]
        );
        assert_eq!(parsed("# nothing\n").1, ["the profile has no lines"]);
    }

    #[test]
    fn the_built_in_ones_have_lines_that_make_sense() {
        for (name, text) in BUILT_IN {
            let (profile, problems) = parsed(text);
            assert_eq!(problems, [""; 0], "{name}");
            let known = |entry: &Entry| Method::ALL.iter().any(|one| entry.methods.contains(*one));
            assert!(profile.entries.iter().all(known), "{name}");
        }
    }
}
