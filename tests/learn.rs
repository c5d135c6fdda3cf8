//! Learning, by the library: what was learned grants all that was seen, and no part of it does.

#[path = "support/learned.rs"]
mod learned;

use std::sync::Arc;

use dockgate::api::sections::{ACTIONS, SECTIONS};
use dockgate::api::{Framing, Message, Target};
use dockgate::body::inspection::{self, Answer, Fact, Step, Told};
use dockgate::body::json::Value;
use dockgate::config::{Settings, Snapshot};
use dockgate::learn::{Home, Learner};
use dockgate::policy::{Body, Judged, Passage, Policy, Verdict, is_literal};
use learned::{Learned, pairs};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use regex::Regex;

const SESSIONS: [&str; 3] = [
    include_str!("sessions/docker-cli.txt"),
    include_str!("sessions/docker-py.txt"),
    include_str!("sessions/dockerode.txt"),
];

type Request = (Target, Body);

fn request(line: &str) -> Request {
    let words: Vec<&str> = line.split(' ').collect();
    let body = match words[2..] {
        [] => Body::Empty,
        ["short"] => Body::Short,
        ["body"] => Body::Other,
        ["form"] => Body::Form,
        _ => panic!("{line}"),
    };
    let target = Target::from_line(words[0], words[1]);
    (target.unwrap_or_else(|bad| panic!("{line}: {bad}")), body)
}

fn report(session: &[Request]) -> String {
    let learner = Learner::new();
    for (target, body) in session {
        learner.saw(target, *body);
    }
    learner.report(Home::Environment, "")
}

fn learn(session: &[Request]) -> Learned {
    Learned::read(&report(session))
}

fn policy<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Policy {
    let settings = Settings::load(&Snapshot::from_iter(variables)).expect("good settings");
    std::sync::Arc::into_inner(settings.policies.into_default().compiled).expect("one owner")
}

fn passes(policy: &Policy, (target, body): &Request) -> bool {
    matches!(policy.decide(target.clone(), *body), Verdict::Allow(_))
}

/// Nothing at all, not even what is granted by default.
fn nothing() -> impl Iterator<Item = (&'static str, &'static str)> {
    SECTIONS.iter().map(|section| (section.name, "0"))
}

/// The requests that some variable grants.
fn grantable(session: &[Request]) -> Vec<Request> {
    let sections = SECTIONS.iter().map(|section| (section.name, "1"));
    let actions = ACTIONS.iter().map(|action| (action.allow, "1"));
    let all = policy(sections.chain(actions).chain([("POST", "1")]));
    session
        .iter()
        .filter(|one| passes(&all, one))
        .cloned()
        .collect()
}

/// The least of it: every request passes, and with any one variable less some do not. Fewer
/// variables never allow more, so no smaller part will do either.
fn is_smallest(session: &[Request], learned: &Learned) {
    let session = grantable(session);
    let granted = policy(learned.environment());
    for one in &session {
        assert!(passes(&granted, one), "{one:?}\n{learned:#?}");
    }
    for (left_out, _) in learned.variables.iter().filter(|(_, value)| value == "1") {
        let rest = learned.environment().into_iter();
        let fewer = policy(
            rest.filter(|(name, _)| name != left_out)
                .chain([(&**left_out, "0")]),
        );
        let needed = session.iter().any(|one| !passes(&fewer, one));
        assert!(needed, "{left_out} is not needed\n{learned:#?}");
    }
}

/// A section is there only for what no action is for, and POST only for such a write.
fn takes_actions_first(session: &[Request], learned: &Learned) {
    let actions = ACTIONS.iter().map(|action| (action.allow, "1"));
    let actions = policy(nothing().chain(actions));
    let sections_only: Vec<Request> = grantable(session)
        .into_iter()
        .filter(|one| !passes(&actions, one))
        .collect();
    for (name, _) in learned.variables.iter().filter(|(_, value)| value == "1") {
        if ACTIONS.iter().any(|action| action.allow == name) {
            continue;
        }
        let all = SECTIONS.iter().map(|section| (section.name, "1"));
        let without = policy(all.chain([("POST", "1"), (name, "0")]));
        let needed = sections_only.iter().any(|one| !passes(&without, one));
        assert!(needed, "actions would do instead of {name}\n{learned:#?}");
    }
}

/// The nearest preset with what it lacks is enough too, and no part of what it lacks will do.
fn preset_is_enough(session: &[Request], learned: &Learned) {
    let Some(((name, preset), _)) = learned.preset.split_first() else {
        return;
    };
    assert_eq!(name, "PRESET");
    let session = grantable(session);
    let granted = policy(pairs(&learned.preset));
    for one in &session {
        assert!(passes(&granted, one), "{one:?}\n{learned:#?}");
    }
    let lacks = learned.preset.iter().filter(|(_, value)| value == "1");
    for (left_out, _) in lacks {
        let rest = pairs(&learned.preset).into_iter();
        let fewer = policy(
            rest.filter(|(name, _)| name != left_out)
                .chain([(&**left_out, "0")]),
        );
        let needed = session.iter().any(|one| !passes(&fewer, one));
        assert!(needed, "{preset} does not lack {left_out}\n{learned:#?}");
    }
}

/// In a container, the regexes that were learned let clients connect.
#[test]
fn learned_regexes_come_with_a_listener_and_clients() {
    let learned = learn(&[request("GET /v1.41/containers/json")]);
    let variables = [&learned.reach[..], &learned.patterns].concat();
    let snapshot = pairs(&variables).into_iter().collect::<Snapshot>();
    let settings = Settings::load(&snapshot.of_process_1()).expect("good settings");
    assert_eq!(settings.warnings, []);
    assert_eq!(
        settings.endpoints[0].listen.to_string(),
        "tcp://0.0.0.0:2375"
    );
    let clients = settings.clients.expect("a list");
    assert!(clients.has([172, 20, 0, 3].into()));
}

/// Each request is allowed by some pattern of its method, where one can be written at all; each
/// pattern is needed.
fn patterns_match(session: &[Request], learned: &Learned) {
    let whole = |pattern: &str| Regex::new(&format!("^(?:{pattern})$")).expect("a pattern");
    let allowlist = learned.patterns.iter().map(|(name, pattern)| {
        let method = name.strip_prefix("SP_ALLOW_").expect("its name");
        let method = method.split('_').next().expect("a method");
        (method, whole(pattern))
    });
    let profile = learned.profile.iter();
    let profile = profile.map(|(method, pattern)| (&**method, whole(pattern)));
    let decoded = |(target, _): &Request| {
        let raw = target.path_and_query().path();
        let version = raw.starts_with("/v1.41/").then_some("/v1.41");
        let path = String::from_utf8(target.path().to_vec()).ok()?;
        path.is_ascii()
            .then(|| version.unwrap_or_default().to_owned() + &path)
    };
    let raw = |(target, body): &Request| {
        let fit = !body.is_form() && is_literal(target);
        fit.then(|| target.path_and_query().to_string())
    };
    let granted = policy(pairs(&learned.patterns));
    every_one_is_matched(session, &allowlist.collect::<Vec<_>>(), &granted, decoded);

    let granted = profile_policy(learned);
    every_one_is_matched(session, &profile.collect::<Vec<_>>(), &granted, raw);
}

fn profile_policy(learned: &Learned) -> Policy {
    let file = tempfile::NamedTempFile::new().expect("a file");
    // A profile without lines would be a mistake.
    let lines = learned.profile.iter();
    let lines = lines.map(|(method, pattern)| format!("{method} {pattern}\n"));
    let text: String = lines.chain(["GET /none\n".to_owned()]).collect();
    std::fs::write(&file, text).expect("a file");
    policy([("PROFILE", file.path().to_str().expect("a plain path"))])
}

/// That each of them lets all pass is said where it is so, and nowhere else.
fn heading_is_true(session: &[Request], learned: &Learned) {
    let variables = [
        learned.environment(),
        pairs(&learned.patterns),
        pairs(&learned.preset),
    ];
    let given = variables.into_iter().filter(|some| !some.is_empty());
    let policies = given.map(policy).chain([profile_policy(learned)]);
    let mut all = !learned.patterns.is_empty();
    for policy in policies {
        all &= session.iter().all(|one| passes(&policy, one));
    }
    let exceptions = if all { "" } else { ", except those it names" };
    let heading = format!("# Each of these allows all of them{exceptions}.");
    assert_eq!(learned.comments[1], heading, "{session:?}\n{learned:#?}");
}

fn every_one_is_matched(
    session: &[Request],
    patterns: &[(&str, Regex)],
    granted: &Policy,
    subject: impl Fn(&Request) -> Option<String>,
) {
    let mut needed = vec![false; patterns.len()];
    for one in session {
        let Some(subject) = subject(one) else {
            continue;
        };
        let matches = |(method, pattern): &(&str, Regex)| {
            *method == one.0.method_str() && pattern.is_match(&subject)
        };
        let matching: Vec<usize> = (0..patterns.len())
            .filter(|index| matches(&patterns[*index]))
            .collect();
        assert!(!matching.is_empty(), "{one:?}: {subject}\n{patterns:#?}");
        assert!(passes(granted, one), "{one:?}\n{patterns:#?}");
        if let [only] = *matching {
            needed[only] = true;
        }
    }
    let useless = patterns.iter().zip(needed).find(|(_, needed)| !needed);
    assert!(useless.is_none(), "not needed: {useless:?}");
}

#[test]
fn recorded_sessions_are_granted_and_no_part_of_the_grants_will_do() {
    for session in SESSIONS {
        let session: Vec<Request> = session.lines().map(request).collect();
        assert_eq!(grantable(&session).len(), session.len());
        let learned = learn(&session);
        is_smallest(&session, &learned);
        takes_actions_first(&session, &learned);
        patterns_match(&session, &learned);
        preset_is_enough(&session, &learned);
        heading_is_true(&session, &learned);
        assert!(
            learned.variables.iter().all(|(name, _)| name != "POST"),
            "{learned:#?}"
        );
    }
}

/// Routes of the API, with names for their placeholders, and paths that no route has.
fn requests() -> impl Strategy<Value = Vec<Request>> {
    let routes: Vec<(&str, &str)> = include_str!("conformance/docker-api.tsv")
        .lines()
        .skip(1)
        .map(|line| {
            let mut columns = line.split('\t');
            (
                columns.next().expect("a method"),
                columns.next().expect("a path"),
            )
        })
        .chain([
            ("GET", "/debug/{x}"),
            ("GET", "/"),
            ("OPTIONS", "/info"),
            ("GET", "/x/$y'z|"),
        ])
        .collect();
    let names = [
        "web",
        "web",
        "0123abcd",
        "a/b:tag",
        "a/b%40c",
        "a%3ab%3A1",
        "my%20net",
        "x%2Fy",
        "%77eb",
        "caf%C3%A9",
        "tést".trim_end_matches("ést"),
        "json",
        "$x'y",
        "(a*",
    ];
    let queries = [
        "",
        "?all=1",
        "?checkpoint=c",
        "?fromSrc=x",
        "?a%20b=1&c",
        "?ps_args=x",
    ];
    let one = (
        select(routes),
        select(names.to_vec()),
        any::<bool>(),
        option::weighted(0.1, Just("/")),
        select(queries.to_vec()),
        select(&["", "", "", " short", " body", " form"][..]),
    );
    let line = one.prop_map(|((method, route), name, versioned, slash, query, body)| {
        let version = if versioned { "/v1.41" } else { "" };
        let segments = route
            .split('/')
            .map(|segment| match segment.starts_with('{') {
                true => name,
                false => segment,
            });
        let path = segments.collect::<Vec<_>>().join("/");
        let slash = slash.filter(|_| !path.ends_with('/')).unwrap_or_default();
        request(&format!("{method} {version}{path}{slash}{query}{body}"))
    });
    vec(line, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn what_is_learned_is_the_smallest(session in requests()) {
        let learned = learn(&session);
        is_smallest(&session, &learned);
        takes_actions_first(&session, &learned);
        patterns_match(&session, &learned);
        preset_is_enough(&session, &learned);
        heading_is_true(&session, &learned);
    }

    #[test]
    fn the_order_of_requests_does_not_matter(
        (session, shuffled) in requests()
            .prop_flat_map(|session| (Just(session.clone()), Just(session).prop_shuffle())),
    ) {
        prop_assert_eq!(report(&session), report(&shuffled));
    }
}

macro_rules! variables {
    ($($name:ident: [$($line:literal),*] => $expected:literal;)*) => {$(
        #[test]
        fn $name() {
            let learned = learn(&[$(request($line)),*]);
            let variables = learned.variables.iter().map(|(name, value)| format!("{name}={value}"));
            assert_eq!(variables.collect::<Vec<_>>().join(" "), $expected);
        }
    )*};
}

variables! {
    a_read_is_an_action: ["GET /containers/json"] => "ALLOW_LIST=1 EVENTS=0 PING=0 VERSION=0";
    defaults_are_kept_where_they_were_needed:
        ["HEAD /_ping", "GET /version"] => "EVENTS=0 PING=1 VERSION=1";
    a_section_where_there_is_no_action: ["GET /info", "GET /v1.41/system/df"]
        => "EVENTS=0 INFO=1 PING=0 SYSTEM=1 VERSION=0";
    a_write_without_an_action_takes_post: ["PATCH /containers/a/b"]
        => "CONTAINERS=1 EVENTS=0 PING=0 VERSION=0 POST=1";
    and_then_no_action_in_that_section:
        ["PATCH /containers/a/b", "POST /containers/a/stop", "GET /containers/json"]
        => "CONTAINERS=1 EVENTS=0 PING=0 VERSION=0 POST=1";
    but_those_of_others: ["PATCH /containers/a/b", "POST /images/create", "GET /info"]
        => "ALLOW_PULL=1 CONTAINERS=1 EVENTS=0 INFO=1 PING=0 VERSION=0 POST=1";
    a_section_that_is_read_leaves_writes_to_actions:
        ["GET /containers/a/b", "POST /containers/a/stop"]
        => "ALLOW_STOP=1 CONTAINERS=1 EVENTS=0 PING=0 VERSION=0";
    a_section_and_its_hole: ["GET /containers/a/exec"]
        => "CONTAINERS=1 EVENTS=0 EXEC=1 PING=0 VERSION=0";
    the_narrower_of_two_actions: ["POST /containers/a/stop"]
        => "ALLOW_STOP=1 EVENTS=0 PING=0 VERSION=0";
    one_wide_action_is_no_better_than_narrow_ones:
        ["POST /containers/a/stop", "POST /containers/a/kill"]
        => "ALLOW_STOP=1 ALLOW_KILL=1 EVENTS=0 PING=0 VERSION=0";
    conditions_count: ["POST /containers/a/start"]
        => "ALLOW_START=1 EVENTS=0 PING=0 VERSION=0";
    a_body_that_no_engine_reads_is_as_good_as_none: ["POST /containers/a/start short"]
        => "ALLOW_START=1 EVENTS=0 PING=0 VERSION=0";
    a_condition_that_fails_takes_the_section: ["POST /containers/a/start?checkpoint=b"]
        => "CONTAINERS=1 EVENTS=0 PING=0 VERSION=0 POST=1";
    so_does_a_body: ["POST /containers/a/start", "POST /containers/a/start body"]
        => "CONTAINERS=1 EVENTS=0 PING=0 VERSION=0 POST=1";
    a_trailing_slash_is_no_action: ["GET /networks/"]
        => "EVENTS=0 NETWORKS=1 PING=0 VERSION=0";
    what_nothing_grants_is_left_out: ["GET /debug/vars", "GET /info"]
        => "EVENTS=0 INFO=1 PING=0 VERSION=0";
}

#[test]
fn a_report_reads_well() {
    let session = [
        "HEAD /_ping",
        "GET /v1.41/containers/json?all=1",
        "GET /v1.41/containers/json",
        "POST /v1.41/containers/web-1/restart?t=5",
        "GET /images/reg.io:5000/a/b%40sha256:12/json",
        "GET /networks/my%20net",
        "GET /networks/caf%C3%A9",
        "GET /v1.41/containers%2Fweb/json",
        "GET /debug/vars",
    ];
    let expected = r"# Learned from 9 requests.
# Each of these allows all of them, except those it names.
#
# 1. Variables:
environment:
  ALLOW_LIST: 1
  ALLOW_INSPECT: 1
  ALLOW_RESTART: 1
  ALLOW_IMAGE_INSPECT: 1
  EVENTS: 0
  NETWORKS: 1
  PING: 1
  VERSION: 0
# no section or action covers GET /debug/vars
#
# 2. Regex allowlists (replace 0.0.0.0/0 with the client's name or network):
environment:
  SP_LISTENIP: '0.0.0.0'
  SP_ALLOWFROM: '0.0.0.0/0'
  SP_ALLOW_GET: '/(v[0-9.]+/)?containers/json'
  SP_ALLOW_GET_2: '/(v[0-9.]+/)?containers/[a-zA-Z0-9_.-]+/json'
  SP_ALLOW_GET_3: '/(v[0-9.]+/)?images/[a-zA-Z0-9_.:@-]+(/[a-zA-Z0-9_.:@-]+)*/json'
  SP_ALLOW_GET_4: '/(v[0-9.]+/)?debug/vars'
# no pattern matches non-ASCII bytes: GET /networks/caf\xc3\xa9
  SP_ALLOW_GET_5: '/(v[0-9.]+/)?networks/my\x20net'
  SP_ALLOW_HEAD: '/(v[0-9.]+/)?_ping'
  SP_ALLOW_POST: '/(v[0-9.]+/)?containers/[a-zA-Z0-9_.-]+/restart'
#
# 3. A profile file:
GET /(v[0-9.]+/)?containers/json(\?.*)?
# no profile line matches a form body, or unnecessary or missing escapes: GET /containers/{id}/json
GET /(v[0-9.]+/)?images/([a-zA-Z0-9_.:@-]|%3[Aa]|%40)+(/([a-zA-Z0-9_.:@-]|%3[Aa]|%40)+)*/json
GET /(v[0-9.]+/)?debug/vars
GET /(v[0-9.]+/)?networks/caf%[Cc]3%[Aa]9
GET /(v[0-9.]+/)?networks/my%20net
HEAD /(v[0-9.]+/)?_ping
POST /(v[0-9.]+/)?containers/[a-zA-Z0-9_.-]+/restart(\?.*)?
#
# 4. The nearest preset, with what it lacks:
environment:
  PRESET: autoheal
  ALLOW_INSPECT: 1
  ALLOW_IMAGE_INSPECT: 1
  EVENTS: 0
  NETWORKS: 1
  PING: 1
  VERSION: 0
# no preset grants GET /debug/vars
# End of what was learned.
";
    assert_eq!(report(&session.map(request)), expected);
    assert_eq!(report(&[]), "# Nothing was learned: no requests.\n");
}

#[test]
fn the_nearest_preset_is_told_with_what_it_lacks() {
    for (session, preset) in [
        (
            &[
                "HEAD /_ping",
                "GET /version",
                "GET /events",
                "GET /containers/json",
                "GET /containers/a/json",
            ][..],
            "PRESET=traefik",
        ),
        (
            &["GET /containers/json", "POST /containers/a/restart"],
            "PRESET=autoheal",
        ),
        (
            &[
                "GET /containers/json",
                "GET /containers/a/json",
                "POST /containers/a/pause",
                "GET /_ping",
            ],
            "PRESET=uptime-kuma ALLOW_PAUSE=1 EVENTS=0 PING=1 VERSION=0",
        ),
        (&["POST /swarm/join", "GET /debug/vars"], ""),
        // Nobody who renames a container is to be offered what else Watchtower does.
        (&["POST /containers/a/rename?name=b"], ""),
    ] {
        let session: Vec<Request> = session.iter().map(|line| request(line)).collect();
        let learned = learn(&session);
        preset_is_enough(&session, &learned);
        let told = learned
            .preset
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        assert_eq!(told.collect::<Vec<_>>().join(" "), preset);
    }
    let learned = learn(&["GET /containers/json", "GET /containers/a/json"].map(request));
    let told = "# 4. The nearest preset, with what it lacks:";
    assert!(
        learned.comments.iter().any(|line| line == told),
        "{learned:#?}"
    );
    let session = [
        "HEAD /_ping",
        "GET /version",
        "GET /info",
        "GET /events",
        "GET /containers/json",
        "GET /containers/a/json",
        "GET /containers/a/logs?follow=1",
    ];
    let learned = learn(&session.map(request));
    assert_eq!(pairs(&learned.preset), [("PRESET", "dozzle")]);
    let told = "# 4. The nearest preset, with what it lacks (unused: STATS):";
    assert!(
        learned.comments.iter().any(|line| line == told),
        "{learned:#?}"
    );
}

#[test]
fn unknown_paths_are_kept_up_to_a_bound_and_routes_always() {
    let learner = Learner::new();
    let see = |line: &str| {
        let (target, body) = request(line);
        learner.saw(&target, body);
    };
    for number in 0..1000 {
        see(&format!("GET /scan/{number}"));
        see(&format!("GET /containers/c{number}/json"));
    }
    see(&format!("GET /{}", "x".repeat(1000)));
    see("GET /info");
    let report = learner.report(Home::Environment, "");
    assert!(report.len() < 100_000, "{}", report.len());
    let learned = Learned::read(&report);
    let told = "# 745 of them are NOT covered: dockgate keeps at most 256 unknown paths, each of at most 256 bytes.";
    assert!(
        learned.comments.iter().any(|line| line == told),
        "{:?}",
        &learned.comments[..3]
    );
    let heading = "# Each of these allows the others, except those it names.";
    assert_eq!(learned.comments[2], heading);
    assert!(learned.environment().contains(&("ALLOW_INSPECT", "1")));
    assert!(learned.environment().contains(&("INFO", "1")));
    // The API's routes are few, and their names are not kept.
    assert!(!report.contains("c999"));
}

/// What an engine has, by its paths.
type Engine<'a> = &'a [(&'a str, &'a str)];

/// Learns from requests with bodies, in front of such an engine.
fn survey(requests: &[(&str, &str)], engine: Engine<'_>) -> Learned {
    beside(&[], requests, engine)
}

/// The same beside mutators.
fn beside(
    mutators: &[(&'static str, &'static str)],
    requests: &[(&str, &str)],
    engine: Engine<'_>,
) -> Learned {
    let settings = Settings::load(&mutators.iter().copied().collect()).expect("good settings");
    let policy = settings.policies.into_default();
    let learner = Learner::new();
    for (line, body) in requests {
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let target = Target::from_line(method, path).expect("a target");
        let message = Message::new(Framing::Sized(body.len() as u64));
        learner.saw(&target, Body::from(&message));
        let Some(mut survey) = learner.surveys(&target, &message, &policy.demands) else {
            continue;
        };
        if survey.reads() {
            survey.read(body.as_bytes());
        }
        loop {
            let needs = survey.needs();
            if needs.is_empty() {
                break;
            }
            survey.learn(needs.into_iter().map(|fact| answered(fact, engine)));
        }
        learner.wants(&target, survey.wants());
    }
    Learned::read(&learner.report(Home::Environment, ""))
}

/// What such an engine says.
fn answered(fact: Fact, engine: Engine<'_>) -> (Fact, Answer) {
    let path = fact.path();
    let found = engine.iter().find(|(own, _)| *own == path);
    let (status, text) = match found {
        Some((_, text)) => (200, *text),
        None => (404, r#"{"message":"none"}"#),
    };
    let answer = Answer::read(&fact, status, text.as_bytes());
    (fact, answer)
}

/// Whether a request passes under what was learned, or why it does not.
fn held(learned: &Learned, request: (&str, &str), engine: Engine<'_>) -> Result<(), String> {
    held_beside(&[], learned, request, engine)
}

/// The same beside mutators.
fn held_beside(
    mutators: &[(&str, &str)],
    learned: &Learned,
    (line, body): (&str, &str),
    engine: Engine<'_>,
) -> Result<(), String> {
    let limits = pairs(&learned.limits);
    let variables = [&learned.environment(), &limits, mutators].concat();
    let settings = Settings::load(&variables.into_iter().collect()).expect("good settings");
    let policy = settings.policies.into_default();
    let (method, path) = line.split_once(' ').expect("a method and a path");
    let target = Target::from_line(method, path).expect("a target");
    let message = Message::new(Framing::Sized(body.len() as u64));
    let permit = match policy.decide(target, message) {
        Verdict::Allow(permit) => permit,
        verdict => return Err(verdict.to_string()),
    };
    let Passage::Inspect(inspection) = permit.passage() else {
        return Ok(());
    };
    let mut step = inspection::begin(
        inspection,
        policy.demands.clone(),
        Arc::default(),
        Value::default,
    );
    loop {
        step = match step {
            Step::Read(reading) => reading.read(body.into()),
            Step::Ask(asking) => {
                let needs = asking.needs().to_vec();
                asking.answered(needs.into_iter().map(|fact| answered(fact, engine)))
            }
            Step::Answer(Told::Missing(words) | Told::Dangling(words) | Told::Taken(words)) => {
                return Err(words);
            }
            Step::Make(making) => panic!("{:?} has to be made first", making.makes()),
            // Its archive is not learned from.
            Step::Watch(..) | Step::Judged(Judged::Clear(_)) => return Ok(()),
            Step::Judged(Judged::Deny(denial) | Judged::WouldDeny(_, denial)) => {
                return Err(denial.message());
            }
        };
    }
}

/// The limits as `NAME=VALUE`, and what is said about them.
fn limits(learned: &Learned) -> (String, String) {
    let limits = learned
        .limits
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let told = learned
        .comments
        .iter()
        .skip_while(|line| !line.starts_with("# 5. "));
    let told: Vec<&str> = told
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| !line.starts_with("5. ") && !line.starts_with("End of"))
        .collect();
    (limits.collect::<Vec<_>>().join("; "), told.join("; "))
}

const ID: &str = "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a";

#[test]
fn limits_are_learned_from_what_is_asked_for() {
    let web = format!(
        r#"{{"Id":"{ID}","Name":"/web","HostConfig":{{"CapAdd":["CAP_NET_ADMIN"]}},"Mounts":[{{"Type":"bind","Source":"/srv/web","Destination":"/x","RW":false}}]}}"#
    );
    let root = format!(
        r#"{{"Id":"{}","Name":"/root","HostConfig":{{"Privileged":true}},"Mounts":[]}}"#,
        ID.replace('1', "2")
    );
    let users = "/containers/json?all=1&filters=%7B%22volume%22%3A%5B%22shared%22%5D%7D";
    let owners = "/containers/json?all=1&filters=%7B%22volume%22%3A%5B%22own%22%5D%7D";
    let owner = format!(r#"[{{"Id":"{ID}"}}]"#);
    let root_id = format!("/containers/{}/json", ID.replace('1', "2"));
    let web_id = format!("/containers/{ID}/json");
    let user = format!(r#"[{{"Id":"{}"}}]"#, ID.replace('1', "2"));
    let engine = [
        ("/containers/web/json", &*web),
        (&*web_id, &*web),
        ("/containers/root/json", &*root),
        (&*root_id, &*root),
        ("/volumes/shared", r#"{"Name":"shared","Driver":"local"}"#),
        (users, &*user),
        ("/containers/json?all=1", "[]"),
        ("/volumes/own", r#"{"Name":"own","Driver":"local"}"#),
        (owners, &*owner),
        (
            "/images/cafe0123/json",
            r#"{"Id":"sha256:cafe0123","RepoTags":["ghcr.io/me/app:1"]}"#,
        ),
    ];
    const CREATE: &str = "POST /v1.51/containers/create";
    let create = |body: &'static str| vec![(CREATE, body)];
    for (requests, expected, told) in [
        (vec![("GET /containers/json", "")], "", ""),
        (create("{}"), "DENY_ROOT=1", ""),
        (
            create(
                r#"{"Image":"nginx","HostConfig":{"Binds":["/srv/ci:/x","/etc/x:/y:ro","/etc/x:/z:ro"],"PortBindings":{"80/tcp":[{"HostPort":"8080"}]}}}"#,
            ),
            "DENY_ROOT=1; BIND_FROM=/etc/x:ro, /srv/ci; IMAGE_FROM=docker.io/library/nginx:latest; PUBLISH=8080",
            "",
        ),
        (
            create(r#"{"Image":"cafe0123"}"#),
            "DENY_ROOT=1; IMAGE_FROM=ghcr.io/me/app:1",
            "",
        ),
        (
            create(r#"{"Image":"cafe0124@sha256:1"}"#),
            "DENY_ROOT=1",
            "IMAGE_FROM cannot list what POST /containers/create uses: it has no name, or is not known",
        ),
        (
            create(r#"{"HostConfig":{"Privileged":true,"CapAdd":["ALL"],"PidMode":"host"}}"#),
            "DENY_ROOT=1; CAP_ADD=ALL; NAMESPACES=pid:host",
            "CAP_ADD with ALL gives control of the host: a container with it can get out; NAMESPACES with \
             pid:host gives control of the host: a container can control the processes of the host; DENY_ROOT would still refuse POST /containers/create: \
             HostConfig.Privileged reaches the host's devices, the kernel",
        ),
        // Harmless ones are listed beside one that needs its limit.
        (
            create(r#"{"HostConfig":{"LogConfig":{"Type":"json-file"}}}"#),
            "DENY_ROOT=1",
            "",
        ),
        (
            vec![
                (
                    CREATE,
                    r#"{"HostConfig":{"LogConfig":{"Type":"json-file"}}}"#,
                ),
                (CREATE, r#"{"HostConfig":{"LogConfig":{"Type":"syslog"}}}"#),
            ],
            "DENY_ROOT=1; LOG_DRIVERS=json-file, syslog",
            "",
        ),
        // A writable one needs no second entry, and what lies below one cannot be listed.
        (
            create(r#"{"HostConfig":{"Binds":["/srv:/a:ro","/srv:/b"]}}"#),
            "DENY_ROOT=1; BIND_FROM=/srv",
            "",
        ),
        (
            create(r#"{"HostConfig":{"Binds":["/srv/ci:/a","/srv:/b"]}}"#),
            "DENY_ROOT=1",
            "BIND_FROM: /srv/ci is below /srv, where clients can replace it by a symlink; make /srv \
             read-only with :ro, or remove one of them",
        ),
        // What a container holds counts for who gets into it, or takes its mounts.
        (
            vec![("POST /containers/web/exec", r#"{"Cmd":["id"]}"#)],
            "DENY_ROOT=1; BIND_FROM=/srv/web:ro; CAP_ADD=NET_ADMIN",
            "",
        ),
        (
            vec![("POST /containers/web/attach", "")],
            "DENY_ROOT=1; BIND_FROM=/srv/web:ro; CAP_ADD=NET_ADMIN",
            "",
        ),
        (
            create(r#"{"HostConfig":{"VolumesFrom":["web"]}}"#),
            "DENY_ROOT=1; BIND_FROM=/srv/web:ro; CAP_ADD=NET_ADMIN",
            "",
        ),
        (
            create(r#"{"HostConfig":{"NetworkMode":"container:root"}}"#),
            "DENY_ROOT=1",
            "DENY_ROOT would still refuse POST /containers/create: HostConfig.Privileged reaches the \
             host's devices, the kernel",
        ),
        // A volume that a powerful container has must be listed, a new one need not.
        (
            create(r#"{"HostConfig":{"Binds":["cache:/x"]}}"#),
            "DENY_ROOT=1",
            "",
        ),
        (
            create(r#"{"HostConfig":{"Binds":["shared:/x"]}}"#),
            "DENY_ROOT=1; VOLUMES_NAMED=shared",
            "",
        ),
        // Unless what that container has is listed in any case.
        (
            create(
                r#"{"HostConfig":{"CapAdd":["NET_ADMIN"],"Binds":["own:/x","/srv/web:/y:ro"]}}"#,
            ),
            "DENY_ROOT=1; BIND_FROM=/srv/web:ro; CAP_ADD=NET_ADMIN",
            "",
        ),
        (
            vec![
                ("POST /containers/web/exec", r#"{"Cmd":["id"]}"#),
                (CREATE, r#"{"HostConfig":{"Binds":["own:/x"]}}"#),
            ],
            "DENY_ROOT=1; BIND_FROM=/srv/web:ro; CAP_ADD=NET_ADMIN",
            "",
        ),
        (
            create(r#"{"HostConfig":{"Binds":["own:/x"]}}"#),
            "DENY_ROOT=1; VOLUMES_NAMED=own",
            "",
        ),
        (
            vec![("POST /images/create?fromImage=nginx&tag=1.27", "")],
            "DENY_ROOT=1; IMAGE_FROM=docker.io/library/nginx:1.27",
            "",
        ),
        (
            vec![("POST /images/load", "")],
            "DENY_ROOT=1; IMAGE_FROM=load",
            "",
        ),
        (
            vec![("POST /build?version=2", "")],
            "DENY_ROOT=1",
            "IMAGE_FROM cannot list what POST /build uses: it has no name, or is not known; DENY_ROOT would still refuse POST /build: the parameter version chooses BuildKit, which \
             cannot be judged; set DOCKER_BUILDKIT=0",
        ),
        (
            vec![("POST /swarm/init", "{}")],
            "DENY_ROOT=1",
            "DENY_ROOT would still refuse POST /swarm/init: a manager of the swarm can run \
             anything on this host",
        ),
    ] {
        let learned = survey(&requests, &engine);
        let (limits, comments) = limits(&learned);
        assert_eq!((&*limits, &*comments), (expected, told), "{requests:?}");
        let is_whole = ["would still refuse", "cannot list", "is below"];
        if is_whole.iter().any(|words| comments.contains(words)) {
            continue;
        }
        for request in &requests {
            assert_eq!(
                held(&learned, *request, &engine),
                Ok(()),
                "{request:?} {limits}"
            );
        }
        // No entry is more than is needed.
        for (name, value) in learned
            .limits
            .iter()
            .filter(|(name, _)| name != "DENY_ROOT")
        {
            for entry in value.split(", ") {
                let mut fewer = learned.clone();
                let own = fewer.limits.iter_mut().find(|(own, _)| own == name);
                let list = &mut own.expect("the limit").1;
                let rest: Vec<&str> = value.split(", ").filter(|one| *one != entry).collect();
                *list = match rest.as_slice() {
                    [] => "none".to_owned(),
                    rest => rest.join(", "),
                };
                let passes = |request: &(&str, &str)| held(&fewer, *request, &engine).is_ok();
                assert!(
                    !requests.iter().all(passes),
                    "{entry} of {name}: {requests:?}"
                );
            }
        }
    }
}

/// Limits judge what mutators made, so that is what they have to list.
#[test]
fn limits_are_learned_of_what_mutators_made() {
    let mutators = [
        ("MAP_PATH", "/workspaces/app=/srv/a,/cache=caches/one"),
        ("REMAP_IMAGE", "nginx=mirror.lan/nginx:1"),
        ("ADD_TO_NETWORK", "demo"),
    ];
    let requests = [
        ("POST /images/create?fromImage=nginx&tag=latest", ""),
        ("GET /images/nginx/json", ""),
        (
            "POST /v1.47/containers/create",
            r#"{"Image":"nginx","HostConfig":{"Binds":["/workspaces/app/x:/x","/cache:/c:ro"]}}"#,
        ),
    ];
    let engine = [
        (
            "/networks/demo",
            r#"{"Name":"demo","Id":"0","Driver":"bridge"}"#,
        ),
        ("/volumes/caches", r#"{"Name":"caches","Driver":"local"}"#),
        (
            "/containers/json?all=1&filters=%7B%22volume%22%3A%5B%22caches%22%5D%7D",
            "[]",
        ),
    ];
    let learned = beside(&mutators, &requests, &engine);
    let (found, told) = limits(&learned);
    for entry in ["BIND_FROM=/srv/a/x", "IMAGE_FROM=mirror.lan/nginx:1"] {
        assert!(found.split("; ").any(|own| own == entry), "{found}");
    }
    assert_eq!(told, "");
    for request in requests {
        let held = held_beside(&mutators, &learned, request, &engine);
        assert_eq!(held, Ok(()), "{request:?} {found}");
    }
    // What they cannot change, limits do not help.
    let refused = [(
        "POST /containers/create",
        r#"{"HostConfig":{"Binds":["/cache/x:/c:z","/etc:/etc"]}}"#,
    )];
    let (found, told) = limits(&beside(&mutators, &refused, &[]));
    assert_eq!(found, "DENY_ROOT=1");
    assert_eq!(
        told,
        "The mutators would still refuse POST /containers/create: HostConfig.Binds[0] has the \
         option z, which a folder of a volume cannot have"
    );
}

#[test]
fn what_limits_would_list_is_kept_up_to_a_bound() {
    let bodies: Vec<String> = (0..1000)
        .map(|number| {
            let more = format!(r#""Sysctls":{{"kernel.x{number}":"1"}},"Frob{number}":1"#);
            format!(r#"{{"HostConfig":{{"Binds":["/srv/{number}:/x"],{more}}}}}"#)
        })
        .collect();
    let long = format!(
        r#"{{"HostConfig":{{"Binds":["/{}:/x"]}}}}"#,
        "x".repeat(1000)
    );
    let bodies = bodies.iter().chain([&long]);
    let requests: Vec<(&str, &str)> = bodies
        .map(|body| ("POST /containers/create", body.as_str()))
        .collect();
    let learned = survey(&requests, &[]);
    let entries = |name: &str| {
        let mut own = learned.limits.iter().filter(|(own, _)| own == name);
        own.next().map_or(0, |(_, value)| value.split(", ").count())
    };
    assert_eq!((entries("BIND_FROM"), entries("SYSCTLS")), (256, 256));
    let told = |start: &str| {
        learned
            .comments
            .iter()
            .filter(|line| line.starts_with(start))
            .count()
    };
    assert_eq!(told("# DENY_ROOT would still refuse"), 64);
    assert_eq!(told("# Some of what was requested is NOT covered"), 1);
}
