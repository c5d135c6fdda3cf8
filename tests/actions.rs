//! The actions: what an `ALLOW_` grants by itself, and that no spelling of a target dodges a
//! `DENY_`.

use std::collections::BTreeSet;

use dockgate::api::Target;
use dockgate::api::sections::{ACTIONS, Action, Route, SECTIONS, Step};
use dockgate::config::{Settings, Snapshot};
use dockgate::policy::{Body, Policy, Verdict};

const API: &str = include_str!("conformance/docker-api.tsv");

/// The routes that Podman registers besides Docker's, 1.8 to 5.8, and which denies take each away.
const PODMAN: &str = include_str!("conformance/podman-api.tsv");

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
    std::sync::Arc::into_inner(settings.policies.into_default().compiled)
        .expect("nobody else has it")
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
        Verdict::Deny(denial) | Verdict::WouldDeny(_, denial) => Err(denial.remedy().to_string()),
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
    let below = if route.text.contains(" /libpod/") {
        ""
    } else {
        "/libpod"
    };
    let libpod = |path: &String| [path.clone(), format!("{below}{path}")];
    let paths: Vec<String> = paths.iter().flat_map(libpod).collect();
    let encoded = |path: &str| path.replacen("/", "%2F", 2).replacen("%2F", "/", 1);
    let spellings = |path: &String| {
        let escaped = path.replacen("e", "%65", 1);
        [
            path.clone(),
            format!("{path}/"),
            format!("/v1.41{path}"),
            // Podman's router takes these.
            format!("/v1.41x{path}"),
            format!("/v4.0.0-rc1{path}"),
            format!("/%764%2D{path}"),
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
        let policy = everywhere(&[action.deny]);
        for route in action.denied().chain(action.podman) {
            let method = route.method.expect("an action has methods").as_str();
            for target in dodges(route) {
                let verdict = decide(&policy, method, &target, Body::Empty);
                // A pattern matches ASCII alone, so nothing allows the others.
                if target.contains("%c3") {
                    assert!(verdict.is_err(), "{method} {target}");
                } else {
                    let told = format!("{} is set; unset it to allow this request", action.deny);
                    assert_eq!(verdict, Err(told), "{method} {target}");
                }
                tried += 1;
            }
        }
    }
    println!("{tried} requests denied");
    assert!(tried > 10_000, "{tried}");
}

/// All that can be granted, every path by a pattern, and these denies.
fn everywhere(denies: &[&str]) -> Policy {
    let patterns = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    let patterns = patterns.map(|method| (format!("SP_ALLOW_{method}"), ".*"));
    let patterns = patterns.iter().map(|(name, all)| (name.as_str(), *all));
    let ones = everything(denies).map(|name| (name, "1"));
    let settings = Settings::load(&ones.chain(patterns).collect::<Snapshot>());
    std::sync::Arc::into_inner(
        settings
            .expect("it starts")
            .policies
            .into_default()
            .compiled,
    )
    .expect("nobody else has it")
}

/// Method and path of Podman's routes, and the actions whose denies take them away.
fn podman() -> impl Iterator<Item = (&'static str, String, Vec<&'static str>)> {
    PODMAN.lines().skip(1).map(|row| {
        let columns: Vec<&str> = row.split('\t').collect();
        let path = columns[1].replace("{destination}", "reg.io:5000/a/b");
        let images = [
            "/libpod/images/",
            "/libpod/manifests/",
            "/libpod/artifacts/",
        ];
        let name = match images.iter().any(|prefix| path.starts_with(prefix)) {
            true => "reg.io:5000/a/b",
            false => "c1",
        };
        let path = path.replace("{name}", name).replace("{id}", "c1");
        (columns[0], path, columns[4].split_whitespace().collect())
    })
}

/// What Podman has besides Docker's routes is written down again by hand.
#[test]
fn each_route_of_podman_is_taken_away_by_the_denies_that_are_meant() {
    for action in ACTIONS {
        let policy = everywhere(&[action.deny]);
        for (method, path, denies) in podman() {
            for target in [
                path.clone(),
                format!("/v4.0.0{path}"),
                format!("/v4x{path}"),
            ] {
                let verdict = decide(&policy, method, &target, Body::Other);
                let expected = denies.contains(&action.name) || denies == ["any"];
                let deny = action.deny;
                assert_eq!(
                    verdict.is_err(),
                    expected,
                    "{deny} {method} {target}: {verdict:?}"
                );
            }
        }
    }
    // Without a deny, all of them pass, and without the patterns none does.
    let (open, sections) = (everywhere(&[]), policy(everything(&[])));
    for (method, path, _) in podman().filter(|(_, path, _)| path.starts_with("/libpod")) {
        for target in [
            path.clone(),
            format!("/v4.0.0{path}"),
            format!("/v4x{path}"),
        ] {
            assert!(
                decide(&open, method, &target, Body::Other).is_ok(),
                "{target}"
            );
            assert!(
                decide(&sections, method, &target, Body::Other).is_err(),
                "{target}"
            );
        }
    }
}

#[test]
fn a_write_below_libpod_that_no_action_has_is_denied_while_any_deny_is_set() {
    let (open, one) = (everywhere(&[]), everywhere(&["DENY_HISTORY"]));
    let many = everywhere(&[
        "DENY_HISTORY",
        "DENY_LOGS",
        "DENY_STATS",
        "DENY_TOP",
        "DENY_WAIT",
    ]);
    let denied = "DENY_HISTORY is set; unset it to allow this request";
    let denied_by_many = "DENY_HISTORY, DENY_LOGS, DENY_STATS and 2 more are set; unset them to \
         allow this request";
    for path in [
        "/libpod",
        "/libpod/",
        "/libpod/machines/create",
        "/libpod/containers/c1/clone",
        "/libpod/containers/c1/",
        // No name that an action grants: it may be anything to an engine.
        "/libpod/containers/a/b/start",
        "/libpod/containers/a%20b/start",
    ] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            for version in ["", "/v4.0.0", "/v4.0.0-rc1"] {
                let target = format!("{version}{path}");
                assert!(
                    decide(&open, method, &target, Body::Empty).is_ok(),
                    "{target}"
                );
                for (policy, told) in [(&one, denied), (&many, denied_by_many)] {
                    let verdict = decide(policy, method, &target, Body::Empty);
                    assert_eq!(verdict, Err(told.to_owned()), "{method} {target}");
                }
            }
        }
        for method in ["GET", "HEAD"] {
            assert!(decide(&one, method, path, Body::Empty).is_ok(), "{path}");
        }
    }
    // What actions have is left to their own denies.
    let all: Vec<&str> = ACTIONS.iter().map(|action| action.deny).collect();
    let verdict = decide(&everywhere(&all), "POST", "/v4/libpod/commit", Body::Empty);
    let denied = "DENY_COMMIT is set; unset it to allow this request";
    assert_eq!(verdict, Err(denied.to_owned()));
    let created = decide(&one, "POST", "/v4.0.0/libpod/pods/create", Body::Other);
    assert!(created.is_ok(), "{created:?}");
}

/// To spell a version in another way takes something away, and never grants.
#[test]
fn no_other_spelling_of_a_version_is_granted() {
    let policy = policy(everything(&[]));
    for version in [
        "/v1.41x",
        "/v4.0.0-rc1",
        "/v1_41",
        "/v1:41",
        "/v1%2041",
        "/v1.41/v2",
    ] {
        for (method, path, _) in api(false) {
            let target = version.to_owned() + &named(path);
            assert!(
                decide(&policy, method, &target, Body::Empty).is_err(),
                "{target}"
            );
        }
    }
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
    for warning in &settings.warnings {
        assert!(
            warning
                .problem
                .ends_with("=0 denies nothing: CONTAINERS grants it"),
            "{warning}"
        );
    }
    let plain = policy(["CONTAINERS", "POST", "EVENTS", "PING", "VERSION"]);
    for (method, path, _) in api(false) {
        let both = [&*settings.policies.default().compiled, &plain]
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
