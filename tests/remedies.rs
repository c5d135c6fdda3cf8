//! Every remedy is true: what a denial says would allow the request does, and what it says cannot,
//! cannot. Followed by machine, for the API's routes in odd spellings under many policies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use dockgate::api::{Method, Methods, Target};
use dockgate::config::{Settings, Snapshot};
use dockgate::policy::{Allowlist, Body, Entry, Policy, Regex, Subject, Verdict};

const API: &str = include_str!("conformance/docker-api.tsv");

/// Variables with their values.
type Environment = BTreeMap<String, String>;

#[derive(Clone, Debug)]
struct Request {
    method: &'static str,
    path: String,
    query: &'static str,
    body: Body,
}

impl Request {
    fn target(&self) -> Target {
        let target = format!("{}{}", self.path, self.query);
        Target::from_line(self.method, &target).expect("a clean target")
    }
}

/// Policies that were made once are kept: most of the time goes into making them.
#[derive(Default)]
struct Policies(BTreeMap<Environment, Settings>);

impl Policies {
    fn of(&mut self, environment: &Environment) -> &Settings {
        self.0.entry(environment.clone()).or_insert_with(|| {
            let snapshot: Snapshot = environment.clone().into_iter().collect();
            Settings::load(&snapshot).expect("a configuration that starts")
        })
    }

    /// What would allow the request, or nothing if it is allowed.
    fn remedy(&mut self, environment: &Environment, request: &Request) -> Option<String> {
        let policy = self.of(environment).policies.default();
        match policy.decide(request.target(), request.body) {
            Verdict::Allow(_) => None,
            Verdict::Deny(denial) | Verdict::WouldDeny(_, denial) => {
                Some(denial.remedy().to_string())
            }
        }
    }
}

/// Requests on the API's routes, in several spellings, and on no route.
fn requests() -> Vec<Request> {
    let mut paths = BTreeSet::new();
    for row in API.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let method = columns[0];
        for name in [
            "c1",
            "reg.io:5000/a/b",
            "caf%c3%a9",
            "my%20net",
            "a%2fb",
            "a\"b",
        ] {
            let path = columns[1].replace("{id}", name).replace("{name}", name);
            let path = path.replace("{checkpoint}", "p1").replace("{rpc}", "Solve");
            paths.insert((method, path.replace("{path}", "anything")));
        }
    }
    for path in [
        "/",
        "/libpod",
        "/v1.41",
        "/a;b",
        "/x%3Fy",
        "/containersx",
        "/volumes/containers",
    ] {
        paths.insert(("GET", path.to_owned()));
    }
    let mut requests = Vec::new();
    let mut add = |method: &str, path: String, query, body| {
        let method = Method::from_name(method)
            .expect("one of the seven")
            .as_str();
        requests.push(Request {
            method,
            path,
            query,
            body,
        });
    };
    for (at, (method, path)) in paths.into_iter().enumerate() {
        add(method, path.clone(), "", Body::Empty);
        add(method, format!("/v1.41{path}"), "", Body::Other);
        // The rest in turn: all together are too many.
        let others = ["HEAD", "PUT", "PATCH", "OPTIONS", "DELETE", "POST", "GET"];
        add(others[at % others.len()], path.clone(), "?x=1", Body::Form);
        add(
            method,
            path.clone(),
            "?checkpoint=c&ps_args=a&fromSrc=-",
            Body::Form,
        );
        let prefix = PREFIXES[at % PREFIXES.len()];
        add(method, format!("{prefix}{path}"), "", Body::Empty);
        let slash = if path.ends_with('/') { "" } else { "/" };
        add(method, path + slash, "", Body::Empty);
    }
    requests
}

const PREFIXES: [&str; 9] = [
    "/libpod",
    "/v4.0.0/libpod",
    "/vv1.41",
    "/1.41",
    "/v%221.41%22",
    "/V1.41",
    "/v1.41x",
    "/v1.41/v1.41",
    "/vauto",
];

/// Whether a pattern or a line of a profile, alone, allows a request.
fn list_allows(subject: Subject, pattern: &str, request: &Request) -> bool {
    let entry = Entry {
        origin: "x".into(),
        methods: Methods::of(Method::from_name(request.method)),
        regex: Regex::new(pattern).expect(pattern),
    };
    let list = Allowlist::new(subject, &[entry], |_| String::new()).expect("a small one");
    let policy = Policy::new(&[]).expect("no rules").with(list);
    matches!(
        policy.decide(request.target(), request.body),
        Verdict::Allow(_)
    )
}

fn pattern_allows(request: &Request) -> bool {
    let path = String::from_utf8_lossy(request.target().whole_path()).into_owned();
    list_allows(Subject::Path, &regex::escape(&path), request)
}

fn line_allows(request: &Request) -> bool {
    let target = request.target().path_and_query().to_string();
    list_allows(Subject::Target, &regex::escape(&target), request)
}

/// Follows a remedy in each of its alternatives, and counts them by what they are.
fn follow(
    policies: &mut Policies,
    environment: &Environment,
    request: &Request,
    remedy: &str,
    followed: &mut BTreeMap<&'static str, usize>,
) {
    let context = format!("{environment:?} {request:?}: {remedy}");
    let mut count = |what| *followed.entry(what).or_default() += 1;
    if let Some((denies, rest)) =
        (remedy.split_once(" is set")).or_else(|| remedy.split_once(" are set"))
    {
        let mut without = environment.clone();
        for deny in denies.split(", ").flat_map(|denies| denies.split(" and ")) {
            // What no action has is refused by every deny that is set; not all of them are named.
            if let Some(more) = deny.strip_suffix(" more") {
                let before = without.len();
                without.retain(|name, _| !name.starts_with("DENY_"));
                assert_eq!((before - without.len()).to_string(), more, "{context}");
                continue;
            }
            assert!(
                without.remove(deny).is_some(),
                "{deny} is not set: {context}"
            );
        }
        let left = policies.remedy(&without, request);
        let rest = rest
            .strip_prefix("; unset it")
            .or(rest.strip_prefix("; unset them"))
            .unwrap_or(rest);
        match rest.strip_prefix(", then ") {
            Some(then) => follow(policies, &without, request, then, followed),
            None if rest == " to allow this request" => {
                assert_eq!(left, None, "{context}");
                count("a deny");
            }
            None => {
                assert_eq!(
                    rest, ", and no section or action covers this request",
                    "{context}"
                );
                assert!(left.is_some_and(|left| !left.contains("=1")), "{context}");
                count("a deny of what nothing covers");
            }
        }
        return;
    }
    for clause in remedy.split("; ") {
        let clause = clause.strip_prefix("otherwise ").unwrap_or(clause);
        if let Some(sets) = clause.strip_prefix("set ").or(clause.strip_prefix("use ")) {
            for alternative in sets.split(", or ") {
                let (grants, brings) = match alternative.split_once(", which also grants ") {
                    Some((grants, brings)) => (grants, brings),
                    None => (alternative, ""),
                };
                let mut with = environment.clone();
                for grant in grants.replace(" and ", ", ").split(", ") {
                    let name = grant
                        .strip_suffix("=1")
                        .unwrap_or_else(|| panic!("{context}"));
                    with.insert(name.to_owned(), "1".to_owned());
                }
                assert_eq!(policies.remedy(&with, request), None, "{grants}: {context}");
                count("variables");
                let brings = brings.split(" unless ").next().unwrap_or_default();
                let brings = brings.replace(" and ", ", ");
                for name in brings.split(", ").filter(|name| !name.is_empty()) {
                    assert!(
                        policies
                            .of(&with)
                            .policies
                            .default()
                            .sources
                            .grants
                            .on(name),
                        "{name}: {context}"
                    );
                    count("what comes with it");
                }
            }
        } else if let Some((_, limits)) = clause.split_once(" allows this request only ") {
            let mut kept = request.clone();
            if limits.contains("without a body") || limits.contains("or a form") {
                kept.body = Body::Empty;
            }
            if limits.contains("in the query") {
                kept.query = "";
            }
            assert_eq!(policies.remedy(environment, &kept), None, "{context}");
            count("a condition");
        } else if clause.contains(" is read as 0") {
            let (name, value) = clause.split_once('=').expect("a variable");
            let set = environment.get(name).unwrap_or_else(|| panic!("{context}"));
            assert!(
                value.starts_with(set.as_str()) || value.starts_with('"'),
                "{context}"
            );
        } else if clause.starts_with("no SP_ALLOW_") {
            let is_ascii = !clause.ends_with("with non-ASCII bytes");
            assert_eq!(pattern_allows(request), is_ascii, "{context}");
            count("a pattern");
        } else if clause.starts_with("no line of profile ") {
            let can = clause.ends_with("matches this request");
            assert_eq!(line_allows(request), can, "{context}");
            count("a line");
        } else if clause == "no section or action covers this request"
            || clause.starts_with("no section or action covers this request, and no pattern")
        {
            let mut all = environment.clone();
            all.extend(everything());
            assert!(policies.remedy(&all, request).is_some(), "{context}");
            if clause.ends_with("can allow it") {
                assert!(
                    !pattern_allows(request) && !line_allows(request),
                    "{context}"
                );
                count("nothing");
            }
        } else if clause.ends_with(" can allow it") {
            let by_pattern = clause.contains(&format!("an SP_ALLOW_{} pattern", request.method));
            assert_eq!(by_pattern, pattern_allows(request), "{context}");
            assert_eq!(
                clause.contains("a profile line"),
                line_allows(request),
                "{context}"
            );
            count("a pattern or a line");
        } else if clause.starts_with("the first path segment is not an API version") {
            let (_, rest) = request.path[1..].split_once('/').expect("more behind it");
            is_mended(policies, environment, request, format!("/v1.41/{rest}"));
            count("a version");
        } else if clause.starts_with("the path has two API versions") {
            let (_, rest) = request.path[1..].split_once('/').expect("more behind it");
            is_mended(policies, environment, request, format!("/{rest}"));
            count("two versions");
        } else {
            let more = [
                "DOCKER_API_VERSION must look like ",
                "remove the one in the client's address",
            ];
            assert!(
                more.iter().any(|more| clause.starts_with(more)),
                "{clause}: {context}"
            );
        }
    }
}

/// Once its version is mended, a request is allowed, or what it lacks is another thing.
fn is_mended(policies: &mut Policies, environment: &Environment, request: &Request, path: String) {
    let mended = Request {
        path,
        ..request.clone()
    };
    let left = policies.remedy(environment, &mended).unwrap_or_default();
    assert!(!left.contains("API version"), "{mended:?}: {left}");
}

/// Every section and action at 1, and nothing denied.
fn everything() -> Environment {
    let sections = dockgate::api::sections::SECTIONS
        .iter()
        .map(|section| section.name);
    let actions = dockgate::api::sections::ACTIONS
        .iter()
        .map(|action| action.allow);
    let names = sections.chain(actions).chain(["POST"]);
    names
        .map(|name| (name.to_owned(), "1".to_owned()))
        .collect()
}

/// Follows the remedies of all requests under one environment. Some are crawled whole, the others in
/// part.
fn crawl(
    at: usize,
    environment: &[(&str, &str)],
    requests: &[Request],
    followed: &mut BTreeMap<&'static str, usize>,
) {
    let pairs = environment.iter();
    let environment = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let environment: Environment = environment.collect();
    let mut policies = Policies::default();
    let step = if [0, 1, 5, 6].contains(&at) { 1 } else { 3 };
    for request in requests.iter().skip(at % step).step_by(step) {
        if let Some(remedy) = policies.remedy(&environment, request) {
            follow(&mut policies, &environment, request, &remedy, followed);
        }
    }
}

#[test]
fn every_remedy_is_true() {
    let folder = tempfile::tempdir().expect("a folder");
    let profile = folder.path().join("profile");
    std::fs::write(&profile, "GET /version\n").expect("a file");
    let profile = profile.to_str().expect("a plain path");
    let requests = requests();
    let environments = [
        &[][..],
        &[("PRESET", "autoheal")],
        &[("EVENTS", "0"), ("PING", "0"), ("VERSION", "0")],
        &[("CONTAINERS", "1"), ("POST", "1")],
        &[
            ("CONTAINERS", "yes"),
            ("POST", " 1"),
            ("ALLOW_KILL", "true"),
        ],
        &[
            ("EXEC", "1"),
            ("ALLOW_START", "1"),
            ("ALLOW_TOP", "1"),
            ("ALLOW_PULL", "1"),
        ],
        &[
            ("CONTAINERS", "1"),
            ("DENY_INSPECT", "1"),
            ("DENY_KILL", "1"),
            ("DENY_RESTARTS", "1"),
            ("DENY_EXEC", "1"),
            ("DENY_CREATE", "1"),
        ],
        &[
            ("PRESET", "dozzle-actions"),
            ("DENY_LIST", "1"),
            ("DENY_START", "1"),
        ],
        &[("PRESET", "")],
        &[
            ("SP_ALLOW_GET", "/version"),
            ("DENY_CREATE", "1"),
            ("DENY_INSPECT", "1"),
            ("DENY_REMOVE", "1"),
        ],
        &[
            ("SP_ALLOW_POST", "/.*/start"),
            ("CONTAINERS", "1"),
            ("DENY_START", "1"),
        ],
        &[("PROFILE", profile)],
        &[
            ("PROFILE", profile),
            ("PRESET", "traefik"),
            ("SP_ALLOW_GET", "/x"),
        ],
        &[("PROFILE", "autoheal"), ("ALLOW_START", "1")],
        &[("INFO", "1"), ("DRY_RUN", "1")],
    ];
    let (next, followed) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        let mut mine = BTreeMap::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(environment) = environments.get(at) else {
                break;
            };
            crawl(at, environment, &requests, &mut mine);
        }
        let mut followed = followed.lock().expect("no failed crawl");
        for (what, count) in mine {
            *followed.entry(what).or_default() += count;
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    let followed: BTreeMap<&str, usize> = followed.into_inner().expect("no failed crawl");
    println!("{} requests; followed: {followed:#?}", requests.len());
    for what in [
        "variables",
        "what comes with it",
        "a condition",
        "a deny",
        "a deny of what nothing covers",
        "a pattern",
        "a line",
        "a pattern or a line",
        "nothing",
        "a version",
        "two versions",
    ] {
        assert!(followed.contains_key(what), "there was not one of {what}");
    }
}
