//! Patterns that match no request of the Docker API, and what was probably intended. A user relies
//! on each of them.

use super::Reach;
use crate::api::sections::{ACTIONS, Action, Route, SECTIONS, Step};
use crate::api::{Method, Methods};
use crate::policy::{BadPattern, Regex, Subject, printable};

/// Further routes of engines, which no section or action grants.
static OTHERS: &[Route] = &[
    Route {
        text: "GET /networks/",
        method: Some(Method::Get),
        steps: &[Step::Literal("networks"), Step::Literal("")],
    },
    Route {
        text: "GET /debug/{name...}",
        method: Some(Method::Get),
        steps: &[Step::Literal("debug"), Step::Names],
    },
    Route {
        text: "GET /debug/pprof/",
        method: Some(Method::Get),
        steps: &[
            Step::Literal("debug"),
            Step::Literal("pprof"),
            Step::Literal(""),
        ],
    },
    Route {
        text: "OPTIONS /{path...}",
        method: Some(Method::Options),
        steps: &[Step::Names],
    },
];

/// All routes with one of these methods.
fn routes(methods: Methods) -> impl Iterator<Item = &'static Route> + Clone {
    let actions = ACTIONS.iter().flat_map(Action::denied);
    let sections = SECTIONS.iter().flat_map(|section| section.routes);
    let all = actions.chain(sections).chain(OTHERS);
    all.filter(move |route| route.method.is_some_and(|method| methods.contains(method)))
}

/// What a pattern can match.
pub(super) fn reach(regex: &Regex, subject: Subject, methods: Methods) -> Reach {
    regex.reaches(subject, routes(methods))
}

/// A pattern as written.
pub(super) struct Written<'a> {
    pub(super) pattern: &'a str,
    pub(super) subject: Subject,
    pub(super) methods: Methods,
    /// What it is matched against.
    pub(super) read: fn(&str) -> Result<Regex, BadPattern>,
}

impl Written<'_> {
    fn matches_something(&self, pattern: &str) -> bool {
        (self.read)(pattern).is_ok_and(|regex| {
            let known = reach(&regex, self.subject, self.methods);
            !known.is_empty() || regex.reaches_libpod(self.subject)
        })
    }

    /// If it matches nothing: why, if that can be determined (`: the quotes are part of it`), and
    /// what to do.
    pub(super) fn unmatched(&self) -> Option<(String, String)> {
        if self.matches_something(self.pattern) {
            return None;
        }
        if let Some(name) = unreplaced(self.pattern) {
            return Some((
                format!(": ${} was not substituted", printable(name)),
                "use its value".to_owned(),
            ));
        }
        if let Some((reasons, mended)) = self.mended() {
            return Some((
                format!(": {}", reasons.join(", ")),
                format!("use {}", whole(&mended)),
            ));
        }
        let query = match self.subject {
            Subject::Path => "without the query",
            Subject::Target => "with its query",
        };
        Some((
            String::new(),
            format!("it must match the whole path, with its version and {query}"),
        ))
    }

    /// The fixes that make it match something: one, or as few as possible, in order.
    fn mended(&self) -> Option<(Vec<&'static str>, String)> {
        let mut single = MENDS.iter().flat_map(|(reason, mend)| {
            let candidates = mend(self.pattern, self.subject).into_iter();
            candidates.map(|candidate| (vec![*reason], candidate))
        });
        if let Some(found) = single.find(|(_, candidate)| self.matches_something(candidate)) {
            return Some(found);
        }
        let (mut reasons, mut pattern) = (Vec::new(), self.pattern.to_owned());
        for (reason, mend) in MENDS {
            let candidates = mend(&pattern, self.subject);
            let matching = candidates.iter().find(|one| self.matches_something(one));
            let done = matching.is_some();
            if let Some(candidate) = matching.or(candidates.first()) {
                reasons.push(*reason);
                pattern.clone_from(candidate);
            }
            if done {
                return Some((reasons, pattern));
            }
        }
        None
    }

    /// The methods with which it would match something.
    pub(super) fn matching_methods(&self) -> Vec<Method> {
        let Ok(regex) = (self.read)(self.pattern) else {
            return Vec::new();
        };
        let with = |method: &Method| {
            let methods = Methods::of(Some(*method));
            // All of those are one route.
            *method != Method::Options && !reach(&regex, self.subject, methods).is_empty()
        };
        Method::ALL.into_iter().filter(with).collect()
    }
}

/// What a pattern may become by one fix, the most probable first.
type Mend = fn(&str, Subject) -> Vec<String>;

/// What goes wrong on the way into a variable or a file, and common misunderstandings of patterns.
const MENDS: &[(&str, Mend)] = &[
    (
        "leading and trailing whitespace is part of the pattern",
        |pattern, _| changed(pattern, pattern.trim()),
    ),
    (
        "the trailing comment is part of the pattern",
        |pattern, _| {
            let before = pattern.find([' ', '\t']).map(|end| pattern.split_at(end));
            let before = before.filter(|(_, rest)| rest.trim_start().starts_with('#'));
            before
                .map(|(before, _)| before.to_owned())
                .into_iter()
                .collect()
        },
    ),
    (
        "the surrounding quotes are part of the pattern",
        |pattern, _| {
            let inner = |quote| pattern.strip_prefix(quote)?.strip_suffix(quote);
            let inner = ['"', '\'', '`'].into_iter().find_map(inner);
            inner.map(ToOwned::to_owned).into_iter().collect()
        },
    ),
    ("its backslashes are doubled", |pattern, _| {
        changed(pattern, &pattern.replace(r"\\", r"\"))
    }),
    ("a path starts with /", |pattern, _| {
        let (anchor, rest) = match pattern.strip_prefix('^') {
            Some(rest) => ("^", rest),
            None => ("", pattern),
        };
        let lacks = rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
        lacks
            .then(|| format!("{anchor}/{rest}"))
            .into_iter()
            .collect()
    }),
    ("a query is not part of the path", |pattern, subject| {
        let marks = pattern
            .match_indices('?')
            .filter(|_| subject == Subject::Path);
        marks
            .map(|(at, _)| pattern[..at].trim_end_matches('\\').to_owned())
            .collect()
    }),
    (
        r"the ? before a query must be escaped as \?",
        |pattern, subject| {
            let marks = pattern
                .match_indices('?')
                .filter(|_| subject == Subject::Target);
            marks
                .map(|(at, _)| format!(r"{}\{}", &pattern[..at], &pattern[at..]))
                .collect()
        },
    ),
    ("* repeats the preceding character", |pattern, _| {
        changed(pattern, &pattern.replace("/*", "/.*"))
    }),
    ("no route ends with /", |pattern, _| {
        let (start, end) = anchored_end(pattern);
        let bare = start.strip_suffix('/');
        bare.map(|bare| format!("{bare}{end}"))
            .into_iter()
            .collect()
    }),
    ("it must match the whole path", |pattern, _| {
        let (start, end) = anchored_end(pattern);
        let start = start.strip_suffix('/').unwrap_or(start);
        vec![format!("{start}/.*{end}")]
    }),
];

fn changed(before: &str, after: &str) -> Vec<String> {
    (before != after)
        .then(|| after.to_owned())
        .into_iter()
        .collect()
}

/// A pattern without the anchor at its end, and that anchor.
fn anchored_end(pattern: &str) -> (&str, &str) {
    pattern.split_at(pattern.strip_suffix('$').unwrap_or(pattern).len())
}

/// The name after a `$` that neither ends the pattern nor is escaped.
fn unreplaced(pattern: &str) -> Option<&str> {
    let mut dollars = pattern.match_indices('$');
    dollars.find_map(|(at, _)| {
        let (before, rest) = (&pattern[..at], &pattern[at + 1..]);
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let name = &rest[..end.unwrap_or(rest.len())];
        (!before.ends_with('\\') && !name.is_empty()).then_some(name)
    })
}

/// A pattern to copy, unchanged if it fits a line of the log.
fn whole(pattern: &str) -> String {
    let fits = pattern.len() < 400 && pattern.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if fits {
        pattern.to_owned()
    } else {
        printable(pattern).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PRESETS, Piece, Settings, Snapshot, patterns};

    fn warnings(env: &[(&str, &str)], flags: &[&str]) -> Vec<String> {
        let mut snapshot: Snapshot = env.iter().copied().collect();
        snapshot.take_flags(flags.iter().map(Into::into)).unwrap();
        let settings = Settings::load(&snapshot).unwrap();
        settings.warnings.iter().map(ToString::to_string).collect()
    }

    fn profile(text: &str) -> Vec<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, text).unwrap();
        let path = file.path().to_str().unwrap();
        let told = warnings(&[("PROFILE", path)], &[]).into_iter();
        let name = format!("PROFILE={}, profile ", printable(path));
        told.map(|told| told.strip_prefix(&name).unwrap_or(&told).to_owned())
            .collect()
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_told_with_what_was_meant() {
        const BLANKS: &str = "leading and trailing whitespace is part of the pattern";
        const QUOTES: &str = "the surrounding quotes are part of the pattern";
        const DOUBLED: &str = "its backslashes are doubled";
        const SLASH: &str = "a path starts with /";
        const QUERY: &str = "a query is not part of the path";
        const WHOLE: &str = "it must match the whole path";
        for (pattern, why, mended) in [
            ("'/info'", QUOTES, "/info"),
            (r#""/v1\..+/info""#, QUOTES, r"/v1\..+/info"),
            ("/info ", BLANKS, "/info"),
            ("/info\r", BLANKS, "/info"),
            ("/info\n", BLANKS, "/info"),
            ("\t/info", BLANKS, "/info"),
            (r"/v1\\.[0-9]+/info", DOUBLED, r"/v1\.[0-9]+/info"),
            (r"v1\.[0-9]+/info", SLASH, r"/v1\.[0-9]+/info"),
            ("^info$", SLASH, "^/info$"),
            ("/containers/json?all=1", QUERY, "/containers/json"),
            (r"/containers/json\?all=1", QUERY, "/containers/json"),
            (
                r"(/v1)?/containers/json\?.*",
                QUERY,
                "(/v1)?/containers/json",
            ),
            (
                "/info # for the dashboard",
                "the trailing comment is part of the pattern",
                "/info",
            ),
            (
                "/containers/*",
                "* repeats the preceding character",
                "/containers/.*",
            ),
            ("/info/", "no route ends with /", "/info"),
            ("/containers", WHOLE, "/containers/.*"),
            ("^/images/$", WHOLE, "^/images/.*$"),
            (r"/v1\.41", WHOLE, r"/v1\.41/.*"),
            (
                "\"v1\\\\.[0-9]+/info\" # all",
                "the trailing comment is part of the pattern, the surrounding quotes are part of the pattern, \
                 its backslashes are doubled, a path starts with /",
                r"/v1\.[0-9]+/info",
            ),
        ] {
            let shown = printable(pattern);
            let told = |name| {
                format!(
                    "{name}={shown} matches no GET route of the Docker API: {why}; use {mended}"
                )
            };
            assert_eq!(
                warnings(&[("SP_ALLOW_GET_1", pattern)], &[]),
                [told("SP_ALLOW_GET_1")]
            );
            let flag = format!("-allowGET={pattern}");
            assert_eq!(warnings(&[], &[&flag]), [told("-allowGET")]);
            assert_eq!(
                warnings(&[("SP_ALLOW_GET", mended)], &[]),
                [""; 0],
                "{mended}"
            );
        }
        for (name, pattern, what) in [
            (
                "SP_ALLOW_POST",
                "/containers/$NAME/start",
                " matches no POST route of the Docker API: $NAME was not substituted; \
                 use its value",
            ),
            (
                "SP_ALLOW_GET",
                "/nonsense",
                " matches no GET route of the Docker API; it must match the whole path, with its \
                 version and without the query",
            ),
            (
                "SP_ALLOW_POST",
                "/containers/[a-z]+/json",
                " matches no POST route of the Docker API, but routes with GET; \
                 use SP_ALLOW_GET for those",
            ),
            (
                "SP_ALLOW_PATCH",
                "/nonsense",
                " matches no PATCH route of the Docker API; it must match the whole path, with \
                 its version and without the query",
            ),
        ] {
            assert_eq!(
                warnings(&[(name, pattern)], &[]),
                [format!("{name}={pattern}{what}")]
            );
        }
        assert_eq!(
            warnings(&[], &["-allowPOST=/events"]),
            [
                "-allowPOST=/events matches no POST route of the Docker API, but routes with GET; \
              use -allowGET for those"
            ]
        );
    }

    #[test]
    fn a_profile_line_that_matches_nothing_is_told_with_what_was_meant() {
        let text = "GET /info\nGET /containers/json?all=1\nGET|HEAD /info # all\n\
                    POST /containers/$NAME/start\nGET /containers\nGET /v1\\\\.[0-9]+/info\n\
                    GET /nonsense\nGETT /info\n";
        assert_eq!(
            profile(text),
            [
                r"line 2 matches no GET route of the Docker API: the ? before a query must be escaped as \?; use /containers/json\?all=1",
                "line 3 matches no GET|HEAD route of the Docker API: the trailing comment is part of the pattern; use /info",
                "line 4 matches no POST route of the Docker API: $NAME was not substituted; use its value",
                "line 5 matches no GET route of the Docker API: it must match the whole path; use /containers/.*",
                r"line 6 matches no GET route of the Docker API: its backslashes are doubled; use /v1\.[0-9]+/info",
                "line 7 matches no GET route of the Docker API; it must match the whole path, with its version and with its query",
                "line 8 matches no method of the Docker API; use methods like GET or GET|HEAD",
            ]
        );
    }

    #[test]
    fn a_pattern_that_matches_something_is_no_mistake() {
        let by_preset = PRESETS.iter().flat_map(|preset| {
            let own = patterns(preset.pieces().flat_map(Piece::routes)).into_iter();
            own.map(|(method, pattern)| (method.as_str(), pattern))
        });
        let by_hand = [
            ("GET", r"/v1\..{1,2}/(version|containers/.*|events.*)"),
            ("GET", "/containers/web-[0-9]+/json"),
            ("GET", "/images/nginx:.*/json"),
            (
                "GET",
                "/images/(docker.io/)?library/nginx@sha256:[0-9a-f]{64}/json",
            ),
            ("GET", "^(/v1.[0-9]+)?/(_ping|info)$"),
            ("GET", r"/v\d+\.\d+/containers/[a-zA-Z0-9_.-]+/logs"),
            ("GET", "/containers/[^/]*/top"),
            ("GET", "/networks/"),
            ("GET", "/debug/pprof/heap"),
            ("GET", r"/v4\.0\.0/libpod/pods/.*"),
            ("GET", ".*"),
            ("HEAD", "/_ping"),
            ("HEAD", ".*"),
            ("POST", "/plugins/vieux/sshfs:latest/enable"),
            ("PUT", "/containers/x/archive"),
            ("PATCH", ".*"),
            ("DELETE", r"/v1\.\d\d/volumes/my[_-]volume"),
            ("OPTIONS", "/anything"),
        ];
        let by_hand = by_hand.map(|(method, pattern)| (method, pattern.to_owned()));
        for (method, pattern) in by_preset.chain(by_hand) {
            let name = format!("SP_ALLOW_{method}");
            assert_eq!(warnings(&[(&name, &pattern)], &[]), [""; 0], "{pattern}");
        }
        assert_eq!(
            profile(
                "GET /containers/json(\\?.*)?\nGET /events\\?filters=%7B.*\n\
                 GET /images/[^/]+%3Alatest/json\n[A-Z]+ /.*\nHEAD|GET /_ping$\nPOST /build.+"
            ),
            [""; 0]
        );
    }

    /// Every route that an engine of today serves to HTTP/1.1 is known, whoever grants it.
    #[test]
    fn every_route_of_the_api_is_known() {
        let api = include_str!("../../../tests/conformance/docker-api.tsv");
        for row in api.lines().skip(1) {
            let row: Vec<&str> = row.split('\t').collect();
            let (method, path, until) = (row[0], row[1], row[4]);
            if !until.is_empty() || path.contains("{rpc}") {
                continue;
            }
            let mut pattern = String::new();
            for part in path.split_inclusive(['{', '}']) {
                match part.strip_suffix('}') {
                    Some(_) => pattern.push_str("web"),
                    None => pattern.push_str(part.trim_end_matches('{')),
                }
            }
            for path in [&pattern, &format!("/v1.41{pattern}")] {
                let name = format!("SP_ALLOW_{method}");
                assert_eq!(warnings(&[(&name, path)], &[]), [""; 0]);
            }
        }
    }

    /// However large and odd, a pattern is looked at in time, and what is not clear is no mistake.
    #[test]
    fn a_pattern_of_too_many_states_is_no_mistake() {
        for pattern in [
            "/containers/(a|b)*a(a|b){40}/nonsense",
            "(.*a){30}/x",
            "((a?){30}){30}",
        ] {
            let started = std::time::Instant::now();
            warnings(&[("SP_ALLOW_GET", pattern)], &[]);
            assert!(started.elapsed().as_secs() < 20, "{pattern}");
        }
    }
}
