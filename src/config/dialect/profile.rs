//! Profile files: lines of `METHOD-regex URL-regex`, as knrdl/docker-socket-protector reads them.
//!
//! `PROFILE` names a file in `/profiles`, or one by its absolute path, or else one of those that this
//! program ships, which stand in `profiles/`, or a preset; `unprotected` allows all. A line is trimmed, and skipped if it is empty or begins with `#`. Both regexes match whole.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use super::{
    Line, Reach,
    presets::Preset,
    unmatched::{self, Written},
};
use crate::{
    api::Method,
    config::{Diagnostic, Snapshot, Variable, near::near, shown_path},
    policy::{Allowlist, Entry, Regex, Rule, Subject, TooComplex, printable},
};

/// Its variables.
pub const PROFILE_VARIABLES: &[Variable] = &[
    Variable {
        name: "PROFILE",
        default: "",
        doc: "A file in /profiles, a path, or a built-in one; unprotected allows all",
    },
    Variable {
        name: "LOG_REQUESTS",
        default: "false",
        doc: "true: logs each request as a line that could be put into a profile",
    },
];

/// Where files are looked for.
const FOLDER: &str = "/profiles";
/// The profile that allows everything.
const UNPROTECTED: &str = "unprotected";
/// The profiles that knrdl/docker-socket-protector ships, with the rights that they have there.
const BUILT_IN: &[(&str, &str)] = &[
    ("diun", include_str!("../../../profiles/diun")),
    (
        "portainer-ro",
        include_str!("../../../profiles/portainer-ro"),
    ),
    (
        "portainer-rw",
        include_str!("../../../profiles/portainer-rw"),
    ),
    ("promtail", include_str!("../../../profiles/promtail")),
    ("readonly", include_str!("../../../profiles/readonly")),
    ("telegraf", include_str!("../../../profiles/telegraf")),
    ("traefik", include_str!("../../../profiles/traefik")),
    (
        "traefik-swarm",
        include_str!("../../../profiles/traefik-swarm"),
    ),
    ("trivy", include_str!("../../../profiles/trivy")),
];
/// What they leave out here: a GET that writes to a container's stdin is no read.
const ATTACH_WS: &str = r"/[^?]*/attach/ws/?(\?.*)?";
/// No profile of a person is longer.
const LONGEST: u64 = 1 << 20;

/// What a profile allows.
#[derive(Debug, Default)]
pub struct Profile {
    /// The profile's name, if there is one.
    pub name: Option<String>,
    /// Whether each request is logged as a line of a profile.
    pub log_requests: bool,
    /// Its lines as they are written.
    pub lines: Vec<Line>,
    /// Whether it is one of those that knrdl/docker-socket-protector ships.
    pub built_in: bool,
    /// The preset that it names, if there is no such file and none is built in.
    pub preset: Option<&'static Preset>,
    entries: Vec<Entry>,
}

impl Profile {
    /// Reads the variables, and the file.
    pub(crate) fn read(snapshot: &Snapshot, diagnostics: &mut Vec<Diagnostic>) -> Profile {
        let mut profile = Profile::default();
        let text = |name: &str| Some(snapshot.get(name)?.to_string_lossy().into_owned());
        let mut error = |variable: &str, problem: String, help: &str| {
            diagnostics.push(Diagnostic::error(variable, problem, help));
        };
        match text("LOG_REQUESTS").as_deref() {
            None => {}
            Some("1" | "t" | "T" | "TRUE" | "true" | "True") => profile.log_requests = true,
            Some("0" | "f" | "F" | "FALSE" | "false" | "False") => {}
            Some(other) => {
                let problem = format!(
                    "LOG_REQUESTS={} is neither true nor false",
                    printable(other)
                );
                error("LOG_REQUESTS", problem, "write one of them");
            }
        }
        let Some(name) = text("PROFILE").filter(|name| !name.is_empty()) else {
            if snapshot
                .get("PROFILE")
                .or(snapshot.get("LOG_REQUESTS"))
                .is_some()
            {
                let problem = "LOG_REQUESTS and PROFILE belong together, and PROFILE names nothing";
                let help = "name a profile: unprotected allows all requests";
                error("PROFILE", problem.to_owned(), help);
            }
            return profile;
        };
        let shown = printable(&name);
        if name == UNPROTECTED && !profile.log_requests {
            let problem = "PROFILE=unprotected allows all requests, and nobody would know which";
            error(
                "PROFILE",
                problem.to_owned(),
                "set LOG_REQUESTS=true as well",
            );
        }
        let built_in = BUILT_IN.iter().find(|(known, _)| *known == name);
        let text = load(&name).or_else(|problem| {
            // A file that is there and cannot be read is not replaced.
            profile.built_in = problem.is_absent && built_in.is_some();
            let text = built_in.filter(|_| profile.built_in).map(|(_, text)| *text);
            text.map(str::to_owned).ok_or(problem)
        });
        match text {
            Ok(text) => {
                for problem in profile.parse(&text) {
                    let help = "write METHOD /URL, both as Go's regexp package has them";
                    error("PROFILE", format!("PROFILE={shown}, {problem}"), help);
                }
            }
            Err(problem) if problem.is_absent && Preset::find(&name).is_some() => {
                profile.preset = Preset::find(&name);
            }
            Err(Unread { problem, is_absent }) => {
                let names: Vec<&str> = BUILT_IN.iter().map(|(known, _)| *known).collect();
                let mut help = "mount it into /profiles, or give its absolute path".to_owned();
                if let Some(near) = near(&name, names.iter().copied()).filter(|_| is_absent) {
                    help = format!("did you mean {near}? Otherwise {help}");
                }
                help += &format!("; built in are {}", names.join(", "));
                error("PROFILE", format!("PROFILE={shown}: {problem}"), &help);
            }
        }
        for (entry, line) in profile.entries.iter().zip(&mut profile.lines) {
            let methods = entry.methods;
            let mut warning = |what: String, help: String| {
                let problem = format!("PROFILE={shown}, {} matches {what}", entry.origin);
                diagnostics.push(Diagnostic::warning("PROFILE", problem, help));
            };
            if !Method::ALL.into_iter().any(|one| methods.contains(one)) {
                let help = "write the methods like GET or GET|HEAD";
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
        profile.name = Some(name);
        profile
    }

    /// Takes the lines of a file; gives back what is wrong with them.
    fn parse(&mut self, text: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let mut rules = 0;
        // Editors of Windows begin a file with it.
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
            problems.push("which has no lines".to_owned());
        }
        problems
    }

    fn add(&mut self, number: usize, line: &str) -> Result<(), String> {
        let (method, url) = line
            .split_once(|c: char| c.is_ascii_whitespace())
            .map(|(method, url)| (method, url.trim_start()))
            .filter(|(_, url)| url.starts_with('/') && url.len() > 1)
            .ok_or("is no method and URL")?;
        let regex = |written: &str| {
            Regex::anchored(written)
                .map_err(|what| format!("has no regex in {}: {what}", printable(written)))
        };
        let (names, url_regex) = (regex(method)?, regex(url)?);
        let methods = Method::ALL
            .into_iter()
            .filter(|method| names.matches(method.as_str()));
        let methods: Vec<Method> = methods.collect();
        let origin = format!("profile line {number}");
        self.lines.push(Line {
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

    /// Whether it is made of lines, and no preset.
    pub(crate) fn is_file(&self) -> bool {
        self.name.is_some() && self.preset.is_none()
    }

    /// Where the lines of a built-in one come from.
    pub(crate) fn origin(&self) -> &'static str {
        if self.built_in {
            ", built in: the rights that knrdl/docker-socket-protector gives under this name, without \
             GET /containers/{id}/attach/ws"
        } else {
            ""
        }
    }

    /// What it is lowered to, if it is a preset.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        let rules = |preset: &Preset| preset.rules(&format!("PROFILE={}", preset.name));
        self.preset.map(rules).unwrap_or_default()
    }

    /// What it is lowered to, if it is a file.
    pub(crate) fn allowlist(&self) -> Result<Option<Allowlist>, TooComplex> {
        let line = |name: &String| format!("line of profile {}", printable(name));
        let Some(name) = self.name.as_ref().filter(|_| self.is_file()) else {
            return Ok(None);
        };
        let list = Allowlist::new(Subject::Target, &self.entries, |_| line(name))?;
        if !self.built_in {
            return Ok(Some(list));
        }
        let attach = Regex::new(ATTACH_WS).map_err(|_| TooComplex)?;
        list.without(&attach).map(Some)
    }
}

/// Why there is no text of a profile.
struct Unread {
    problem: String,
    is_absent: bool,
}

/// A profile's text, and where it stands.
fn load(name: &str) -> Result<String, Unread> {
    if name == UNPROTECTED {
        return Ok("[A-Z]+ /.*".to_owned());
    }
    let path = Path::new(FOLDER).join(name);
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text));
    let (problem, is_absent) = match read {
        Err(error) => {
            let is_absent = error.kind() == ErrorKind::NotFound;
            (
                format!("cannot read {}: {error}", shown_path(&path)),
                is_absent,
            )
        }
        Ok(length) if length as u64 > LONGEST => {
            (format!("{} is too long", shown_path(&path)), false)
        }
        Ok(_) => return Ok(text),
    };
    Err(Unread { problem, is_absent })
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
        assert_eq!(problems, ["line 6: \"[A-Z]+ ^/x.*$\" is no method and URL"]);
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
                "line 1: nonsense is no method and URL",
                "line 2: \"GET /\" is no method and URL",
                "line 3: \"[ /version\" has no regex in [: unclosed character class",
                "line 4: \"GET /version(\" has no regex in /version(: unclosed group",
                "line 6: \"/version GET\" is no method and URL",
            ]
        );
        assert_eq!(parsed("# nothing\n").1, ["which has no lines"]);
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
