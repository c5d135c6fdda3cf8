//! The actions: what an `ALLOW_` grants by itself, and that no spelling of a target dodges a
//! `DENY_`.

use std::collections::BTreeSet;

use dockgate::{
    api::{
        Target,
        sections::{ACTIONS, Action, Route, SECTIONS, Step},
    },
    config::{Settings, Snapshot},
    policy::{Body, Policy, Verdict},
};

const API: &str = include_str!("conformance/docker-api.tsv");

/// Sections of one route that is only read: they are as narrow as an action.
const READ_ONLY: [&str; 6] = [
    "DISTRIBUTION",
    "EVENTS",
    "INFO",
    "PING",
    "SYSTEM",
    "VERSION",
];

/// Method, path and section of the API's routes as today's engines have them, and of those that
/// only old ones have.
fn api(old: bool) -> Vec<(&'static str, &'static str, &'static str)> {
    let rows = API.lines().skip(1);
    let rows = rows.map(|row| row.split('\t').collect::<Vec<_>>());
    let rows = rows.filter(|row| row[4].is_empty() != old && row[2] != "NONE");
    rows.map(|row| (row[0], row[1], row[2])).collect()
}

/// A route in the words of that table.
fn plain(route: &Route) -> String {
    let path = route.text.replace("{name...}", "{name}");
    path.replace("/volumes/{id}", "/volumes/{name}")
}

fn policy<'a>(variables: impl IntoIterator<Item = &'a str>) -> Policy {
    let variables = variables.into_iter().map(|name| (name, "1"));
    let off = ["EVENTS", "PING", "VERSION"].map(|name| (name, "0"));
    // The later of two wins.
    let snapshot: Snapshot = off.into_iter().chain(variables).collect();
    let settings = Settings::load(&snapshot).expect("a configuration that starts");
    std::sync::Arc::into_inner(settings.policy).expect("nobody else has it")
}

/// All that can be granted, and these besides.
fn everything<'a>(more: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    let sections = SECTIONS.iter().map(|section| section.name);
    let actions = ACTIONS.iter().map(|action| action.allow);
    sections
        .chain(actions)
        .chain(["POST"])
        .chain(more.iter().copied())
}

/// The origin, or the remedy.
fn decide(policy: &Policy, method: &str, target: &str, body: Body) -> Result<String, String> {
    let target = Target::from_line(method, target).expect("a clean target");
    match policy.decide(target, body) {
        Verdict::Allow(permit) => Ok(permit.origin().to_string()),
        Verdict::Deny(denial) | Verdict::WouldDeny(_, denial) => Err(denial.remedy().to_owned()),
    }
}

fn named(path: &str) -> String {
    let path = path.replace("{id}", "c1").replace("{checkpoint}", "p1");
    let path = path.replace("/volumes/{name}", "/volumes/v1");
    path.replace("{name}", "reg.io:5000/a/b")
}

fn action(name: &str) -> &'static Action {
    ACTIONS
        .iter()
        .find(|action| action.name == name)
        .expect("such an action")
}

/// The words, written down again by hand.
#[test]
fn the_actions_of_containers_are_as_promised() {
    for (name, routes) in [
        ("START", &["POST start"][..]),
        ("STOP", &["POST stop"]),
        ("RESTART", &["POST restart"]),
        ("KILL", &["POST kill"]),
        ("RESTARTS", &["POST stop", "POST restart", "POST kill"]),
        ("PAUSE", &["POST pause"]),
        ("UNPAUSE", &["POST unpause"]),
        ("INSPECT", &["GET json"]),
        ("LOGS", &["GET logs"]),
        ("STATS", &["GET stats"]),
        ("TOP", &["GET top"]),
        ("CHANGES", &["GET changes"]),
        ("ARCHIVE", &["GET archive", "HEAD archive"]),
        ("COPY", &["PUT archive"]),
        ("EXPORT", &["GET export"]),
        ("ATTACH", &["POST attach", "GET attach/ws"]),
        ("WAIT", &["POST wait"]),
        ("RESIZE", &["POST resize"]),
        ("RENAME", &["POST rename"]),
        ("UPDATE", &["POST update"]),
    ] {
        let routes = routes
            .iter()
            .map(|route| route.replace(' ', " /containers/{id}/"));
        let routes: Vec<String> = routes.collect();
        assert_eq!(
            Route::list(action(name).routes),
            routes.join(", "),
            "{name}"
        );
    }
    for (name, routes) in [
        ("LIST", "GET /containers/json"),
        ("CREATE", "POST /containers/create"),
        ("REMOVE", "DELETE /containers/{id}"),
        ("PRUNE", "POST /containers/prune"),
        (
            "EXEC",
            "POST /containers/{id}/exec, POST /exec/{id}/start, POST /exec/{id}/resize, \
             GET /exec/{id}/json",
        ),
        ("JOIN_TOKENS", "GET /swarm, GET /swarm/unlockkey"),
        ("SAVE", "GET /images/get, GET /images/{name...}/get"),
    ] {
        assert_eq!(Route::list(action(name).routes), routes, "{name}");
    }
}

#[test]
fn each_route_of_the_api_has_an_action_and_none_has_another() {
    let known: BTreeSet<String> = api(false)
        .iter()
        .map(|(m, p, _)| format!("{m} {p}"))
        .collect();
    let old: BTreeSet<String> = api(true)
        .iter()
        .map(|(m, p, _)| format!("{m} {p}"))
        .collect();
    let mut covered: BTreeSet<String> = BTreeSet::new();
    for action in ACTIONS {
        for route in action.routes {
            assert!(
                known.contains(&plain(route)),
                "{}: {}",
                action.name,
                plain(route)
            );
            covered.insert(plain(route));
        }
        for route in action.deny_also {
            assert!(
                old.contains(&plain(route)),
                "{}: {}",
                action.name,
                plain(route)
            );
        }
    }
    for (method, path, section) in api(false) {
        // The list with a slash is the same list.
        let route = format!("{method} {path}");
        let exempt = READ_ONLY.contains(&section) || route == "GET /networks/";
        assert!(covered.contains(&route) != exempt, "{route}");
    }
}

#[test]
fn an_allow_grants_its_routes_alone() {
    for action in ACTIONS {
        let policy = policy([action.allow]);
        let own: Vec<String> = action.routes.iter().map(plain).collect();
        for (method, path, _) in api(false).into_iter().chain(api(true)) {
            let verdict = decide(&policy, method, &named(path), Body::Empty);
            let granted = own.contains(&format!("{method} {path}"));
            assert_eq!(
                verdict.is_ok(),
                granted,
                "{} {method} {path}: {verdict:?}",
                action.allow
            );
            if granted {
                assert_eq!(verdict.as_deref(), Ok(action.allow));
                // Where the target ends with a name, a slash behind it is another target.
                let slash = decide(&policy, method, &(named(path) + "/"), Body::Empty);
                assert!(slash.is_err(), "{} {method} {path}/", action.allow);
            }
        }
    }
}

/// Names of one and of several segments, with bytes that names have not, and words of the API.
const ONE_SEGMENT: &[&str] = &[
    "c1",
    "json",
    "create",
    "a:b",
    "a@b",
    "a%20b",
    "caf%c3%a9",
    "a%252fb",
    "...",
    "%00a",
    "a;b",
    "a%3Fb",
    "-",
    "prune",
    "exec",
    "start",
];
const MORE_SEGMENTS: &[&str] = &[
    "a/b",
    "a%2Fb",
    "a%2fb",
    "a/b/c",
    "create/c1",
    "json/json",
    "x/exec",
    "a%20/b",
    "a:b/c@d",
];

/// Every way to write a target that an engine might take for this route.
fn dodges(route: &Route) -> Vec<String> {
    let mut paths = vec![String::new()];
    for step in route.steps {
        let segments: Vec<&str> = match step {
            Step::Literal(literal) => vec![literal],
            Step::One => ONE_SEGMENT.to_vec(),
            Step::Id | Step::Names => [ONE_SEGMENT, MORE_SEGMENTS].concat(),
        };
        let longer = |path: &String| {
            segments
                .iter()
                .map(|segment| format!("{path}/{segment}"))
                .collect::<Vec<_>>()
        };
        paths = paths.iter().flat_map(longer).collect();
    }
    let encoded = |path: &str| path.replacen("/", "%2F", 2).replacen("%2F", "/", 1);
    let spellings = |path: &String| {
        let escaped = path.replacen("e", "%65", 1);
        [
            path.clone(),
            format!("{path}/"),
            format!("/v1.41{path}"),
            encoded(path),
            escaped,
        ]
    };
    let dodges = paths.iter().flat_map(spellings);
    let clean = |path: &String| Target::from_line("GET", path).is_ok();
    dodges.filter(clean).collect()
}

#[test]
fn no_spelling_dodges_a_deny() {
    let mut tried = 0;
    for action in ACTIONS {
        let policy = policy(everything(&[action.deny]));
        for route in action.denied() {
            let method = route.method.expect("an action has methods").as_str();
            for target in dodges(route) {
                for body in Body::ALL {
                    let verdict = decide(&policy, method, &target, body);
                    let told = format!("{} denies it; take that out to allow it", action.deny);
                    assert_eq!(verdict, Err(told), "{method} {target}");
                    tried += 1;
                }
            }
        }
    }
    println!("{tried} requests denied");
    assert!(tried > 10_000, "{tried}");
}

/// An engine may take an empty name for the beginning of the only one there is.
#[test]
fn a_missing_name_does_not_dodge_a_deny() {
    for (deny, target) in [
        ("DENY_PLUGIN_REMOVE", "/plugins/"),
        ("DENY_NETWORK_REMOVE", "/networks/"),
        ("DENY_NETWORK_REMOVE", "/v1.41/networks%2F"),
        ("DENY_REMOVE", "/containers/"),
        ("DENY_IMAGE_REMOVE", "/images/"),
        ("DENY_VOLUME_REMOVE", "/volumes/"),
    ] {
        let verdict = decide(&policy(everything(&[deny])), "DELETE", target, Body::Empty);
        assert!(verdict.is_err(), "{deny} {target}: {verdict:?}");
    }
    // Other lists are not taken away with it.
    let policy = policy(everything(&["DENY_NETWORK_INSPECT", "DENY_VOLUME_INSPECT"]));
    for target in ["/networks", "/networks/", "/volumes"] {
        assert!(
            decide(&policy, "GET", target, Body::Empty).is_ok(),
            "{target}"
        );
    }
}

#[test]
fn a_deny_takes_nothing_else_away() {
    for action in ACTIONS {
        let policy = policy(everything(&[action.deny]));
        let own: Vec<String> = action.denied().map(plain).collect();
        for (method, path, _) in api(false).into_iter().chain(api(true)) {
            // A container's name may have a slash in it, so these two cannot be told apart; and a
            // slash behind the networks' list makes it no other list.
            let same = (action.name, path.ends_with("{checkpoint}")) == ("REMOVE", true)
                || (action.name, path) == ("NETWORK_LIST", "/networks/");
            let denied = same || own.contains(&format!("{method} {path}"));
            let verdict = decide(&policy, method, &named(path), Body::Empty);
            assert_eq!(
                verdict.is_err(),
                denied,
                "{} {method} {path}: {verdict:?}",
                action.deny
            );
        }
    }
}

#[test]
fn zero_and_unset_do_nothing() {
    let zeros = ACTIONS
        .iter()
        .flat_map(|action| [(action.allow, "0"), (action.deny, "0")]);
    let snapshot: Snapshot = zeros.chain([("CONTAINERS", "1"), ("POST", "1")]).collect();
    let settings = Settings::load(&snapshot).expect("a configuration that starts");
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    let plain = policy(["CONTAINERS", "POST", "EVENTS", "PING", "VERSION"]);
    for (method, path, _) in api(false) {
        let both = [&*settings.policy, &plain]
            .map(|policy| decide(policy, method, &named(path), Body::Empty));
        assert_eq!(both[0], both[1], "{method} {path}");
    }
}

#[test]
fn conditions_hold_for_the_allow_alone() {
    let [pull, top] = ["ALLOW_PULL", "ALLOW_TOP"].map(|allow| policy([allow]));
    let create = |query: &str| format!("/v1.41/images/create?{query}");
    for (query, body, allowed) in [
        ("fromImage=alpine&tag=latest", Body::Empty, true),
        // dockerode repeats its query as a document.
        ("fromImage=alpine&tag=latest", Body::Other, true),
        ("fromImage=alpine", Body::Form, false),
        ("fromSrc=-&repo=x", Body::Other, false),
        ("fromSrc=http%3A%2F%2Fhost%2Fx", Body::Empty, false),
        ("from%53rc=-", Body::Empty, false),
        ("fromImage=&fromSrc=-", Body::Other, false),
        ("fromImage=;fromSrc=-", Body::Other, false),
    ] {
        let verdict = decide(&pull, "POST", &create(query), body);
        assert_eq!(verdict.is_ok(), allowed, "{query} {body:?}: {verdict:?}");
    }
    let imports = policy(["IMAGES", "POST", "DENY_PULL"]);
    assert!(decide(&imports, "POST", &create("fromSrc=-"), Body::Other).is_err());
    assert!(decide(&top, "GET", "/containers/c/top", Body::Empty).is_ok());
    assert!(decide(&top, "GET", "/containers/c/top?ps_args=axe", Body::Empty).is_err());
}

/// An action before a section, the narrower action before the wider.
#[test]
fn remedies_name_the_least_privilege_first() {
    let policy = policy([]);
    for (method, path, section) in api(false) {
        let remedy = decide(&policy, method, &named(path), Body::Empty).expect_err("nothing");
        let alternatives = remedy
            .strip_prefix("set ")
            .expect("an offer")
            .split(", or ");
        let widths: Vec<usize> = alternatives
            .map(|one| {
                match ACTIONS
                    .iter()
                    .find(|action| format!("{}=1", action.allow) == one)
                {
                    Some(action) => action.routes.len(),
                    None => usize::MAX,
                }
            })
            .collect();
        assert!(widths.is_sorted(), "{method} {path}: {remedy}");
        assert_eq!(
            widths.last(),
            Some(&usize::MAX),
            "{method} {path}: {remedy}"
        );
        let narrow = READ_ONLY.contains(&section) || path == "/networks/";
        assert_eq!(widths.len() > 1, !narrow, "{method} {path}: {remedy}");
    }
}
