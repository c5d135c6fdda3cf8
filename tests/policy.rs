//! The policy: the tree against a naive interpreter, what each section grants, what verdicts say.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};

use dockgate::api::{Method, Methods, Target};
use dockgate::config::{Settings, Snapshot, Waiver};
use dockgate::policy::{
    Body, Class, Condition, Effect, Grant, Matcher, Pattern, Policy, Requirement, Rule, Segment,
    Slash, Unprotected, Verdict,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

#[path = "support/naive.rs"]
mod naive;

use naive::naive;

const API: &str = include_str!("conformance/docker-api.tsv");

const SECTIONS: [&str; 23] = [
    "AUTH",
    "BUILD",
    "COMMIT",
    "CONFIGS",
    "CONTAINERS",
    "DISTRIBUTION",
    "EVENTS",
    "EXEC",
    "GRPC",
    "IMAGES",
    "INFO",
    "NETWORKS",
    "NODES",
    "PING",
    "PLUGINS",
    "SECRETS",
    "SERVICES",
    "SESSION",
    "SWARM",
    "SYSTEM",
    "TASKS",
    "VERSION",
    "VOLUMES",
];

// The rules by themselves: tree and naive interpreter.

const WORDS: &[&str] = &["a", "b", "ab", "a:b", "b@", "é", "a b", "v1", "v1x"];

fn rule() -> impl Strategy<Value = Rule> {
    let class = || select(&Class::ALL[..]);
    let step = prop_oneof![
        4 => select(WORDS).prop_map(|word| Segment::Literal(word.to_owned())),
        2 => class().prop_map(Segment::One),
        2 => class().prop_map(Segment::Run),
        1 => Just(Segment::Rest),
    ];
    let slash = select(&[Slash::Never, Slash::Optional, Slash::Always][..]);
    let pattern =
        (vec(step, 0..5), slash).prop_map(|(segments, slash)| Pattern { segments, slash });
    let methods = prop_oneof![
        Just(Methods::ALL),
        Just(Methods::READS),
        Just(Methods::WRITES),
        select(&Method::ALL[..]).prop_map(|method| Methods::of(Some(method))),
    ];
    let matcher = (methods, pattern).prop_map(|(methods, pattern)| Matcher { methods, pattern });
    let condition = prop_oneof![
        Just(Condition::UnreadBody),
        select(&[&["k"] as &[&str], &["k", "l"]][..]).prop_map(Condition::WithoutQuery),
    ];
    let grant = select(&["X", "Y"][..]).prop_map(|variable| Grant {
        variable: variable.into(),
        misread: None,
        brings: Vec::new(),
    });
    let requirement = (matcher.clone(), vec(grant.clone(), 0..2));
    let requirement = requirement.prop_map(|(matcher, missing)| Requirement { matcher, missing });
    (
        select(&["R1", "R2", "R3", "R4"][..]),
        prop_oneof![3 => Just(Effect::Allow), 1 => Just(Effect::Deny)],
        vec(matcher, 1..3),
        vec(condition, 0..3),
        prop_oneof![4 => Just(Vec::new()), 1 => vec(grant, 1..3)],
        vec(requirement, 0..3),
    )
        .prop_map(
            |(origin, effect, matchers, when, missing, requirements)| Rule {
                origin: Arc::from(origin),
                effect,
                matchers,
                when,
                missing,
                requirements,
            },
        )
}

fn target() -> impl Strategy<Value = Target> {
    let words = prop_oneof![5 => select(WORDS), 1 => select(&["zz", "z:z", "z z"][..])];
    let queries = &[
        "",
        "?",
        "?k=1",
        "?k=",
        "?k=&K=1",
        "?m=1",
        "?m=1;l",
        "?m=1;l=%zz",
        "?%6b=1",
        "?%4B=",
        "?%e2%84%aa=1",
        "?m=%6b&k+=2",
        "?k%=1",
    ][..];
    (
        select(&Method::ALL[..]),
        vec(words, 0..6),
        any::<bool>(),
        select(queries),
    )
        .prop_map(|(method, words, slash, query)| {
            let mut line = String::new();
            for word in &words {
                line.push('/');
                for byte in word.bytes() {
                    if byte.is_ascii_alphanumeric() || b":@".contains(&byte) {
                        line.push(char::from(byte));
                    } else {
                        line.push_str(&format!("%{byte:02x}"));
                    }
                }
            }
            if slash || words.is_empty() {
                line.push('/');
            }
            Target::from_line(method.as_str(), &(line + query)).expect("a clean target")
        })
}

fn body() -> impl Strategy<Value = Body> {
    select(&Body::ALL[..])
}

fn policy(rules: &[Rule]) -> Policy {
    Policy::new(rules).expect("few rules compile")
}

/// The origin, or the remedy.
fn decide(policy: &Policy, target: &Target, body: Body) -> Result<String, String> {
    match policy.decide(target.clone(), body) {
        Verdict::Allow(permit) => Ok(permit.origin().to_string()),
        Verdict::Deny(denial) | Verdict::WouldDeny(_, denial) => Err(denial.remedy().to_string()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn tree_and_naive_interpreter_agree(
        rules in vec(rule(), 0..7),
        targets in vec((target(), body()), 40),
    ) {
        let policy = policy(&rules);
        for (target, body) in targets {
            let origins = naive(&rules, &target, body);
            match decide(&policy, &target, body) {
                Ok(origin) => prop_assert!(origins.contains(&origin.as_str()), "{target:?}"),
                Err(_) => prop_assert!(origins.is_empty(), "{target:?}"),
            }
        }
    }

    #[test]
    fn a_policy_that_protects_nothing_says_the_same_and_lets_all_pass(
        rules in vec(rule(), 0..7),
        targets in vec((target(), body()), 20),
    ) {
        let enforced = policy(&rules);
        for waiver in *WAIVERS {
            let unprotected = policy(&rules).unprotected(waiver);
            for (target, body) in &targets {
                let verdict = unprotected.decide(target.clone(), *body);
                let said = match enforced.decide(target.clone(), *body) {
                    Verdict::Allow(permit) => format!("allowed by {}", permit.origin()),
                    Verdict::Deny(denial) => format!("would deny: {}", denial.message()),
                    Verdict::WouldDeny(..) => unreachable!("nobody took the protection away"),
                };
                prop_assert_eq!(verdict.to_string(), said);
                let (Verdict::Allow(permit) | Verdict::WouldDeny(permit, _)) = verdict else {
                    return Err(TestCaseError::fail("denied"));
                };
                prop_assert_eq!(permit.target().path_and_query(), target.path_and_query());
            }
            let other = Target::from_line("BREW", "/info").expect("a clean target");
            let verdict = unprotected.decide(other, Body::Empty);
            prop_assert!(matches!(verdict, Verdict::Deny(_)), "{}", verdict);
        }
    }

    #[test]
    fn the_order_of_rules_does_not_matter(
        (rules, shuffled) in vec(rule(), 0..7)
            .prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle())),
        targets in vec((target(), body()), 20),
    ) {
        let (one, other) = (policy(&rules), policy(&shuffled));
        for (target, body) in targets {
            prop_assert_eq!(decide(&one, &target, body), decide(&other, &target, body));
        }
    }

    #[test]
    fn one_more_deny_or_one_less_allow_never_allows_more(
        rules in vec(rule(), 1..7),
        mut deny in rule(),
        targets in vec((target(), body()), 20),
    ) {
        deny.effect = Effect::Deny;
        let more = policy(&[&rules[..], &[deny]].concat());
        let first_is_allow = rules[0].effect == Effect::Allow;
        let less = policy(if first_is_allow { &rules[1..] } else { &rules });
        let before = policy(&rules);
        for (target, body) in targets {
            if decide(&before, &target, body).is_err() {
                prop_assert!(decide(&more, &target, body).is_err(), "{target:?}");
                prop_assert!(decide(&less, &target, body).is_err(), "{target:?}");
            }
        }
    }
}

#[test]
fn a_deny_beats_an_allow_and_says_so() {
    let rule = |origin: &str, effect, methods| Rule {
        origin: origin.into(),
        effect,
        matchers: vec![Matcher {
            methods,
            pattern: Pattern::below("/a"),
        }],
        when: Vec::new(),
        missing: Vec::new(),
        requirements: Vec::new(),
    };
    let allow = rule("A", Effect::Allow, Methods::ALL);
    let deny = rule("D", Effect::Deny, Methods::WRITES);
    let policy = policy(&[allow, deny]);
    let verdict = |method| {
        decide(
            &policy,
            &Target::from_line(method, "/a/b").unwrap(),
            Body::Empty,
        )
    };
    assert_eq!(verdict("GET"), Ok("A".to_owned()));
    assert_eq!(
        verdict("POST"),
        Err("D is set; unset it to allow this request".to_owned())
    );
}

/// Subset construction can explode; then the policy must be refused, and soon.
#[test]
fn a_policy_that_explodes_is_refused() {
    let literal = |text: &str| Segment::Literal(text.to_owned());
    let mut segments = vec![Segment::Rest, literal("a")];
    segments.extend((0..30).map(|_| Segment::One(Class::Any)));
    let pattern = Pattern {
        segments,
        slash: Slash::Never,
    };
    let rule = Rule {
        origin: "R".into(),
        effect: Effect::Allow,
        matchers: vec![Matcher {
            methods: Methods::ALL,
            pattern,
        }],
        when: Vec::new(),
        missing: Vec::new(),
        requirements: Vec::new(),
    };
    let error = Policy::new(&[rule]).expect_err("2^30 states");
    assert!(
        error.to_string().contains("too many or too complex"),
        "{error}"
    );
}

/// There is room for an action and a deny on every single route of the API.
#[test]
fn a_rule_and_a_deny_for_every_route_compile_and_agree() {
    let mut rules = Vec::new();
    for (row, class, run, slash) in API.lines().skip(1).flat_map(|row| {
        [
            (row, Class::Id, false, Slash::Never),
            (row, Class::Any, true, Slash::Optional),
        ]
    }) {
        let columns: Vec<&str> = row.split('\t').collect();
        let segments = columns[1].split('/').filter(|segment| !segment.is_empty());
        let segments = segments.map(|segment| match segment {
            "{name}" => Segment::Run(class.max(Class::Name)),
            _ if segment.starts_with('{') && run => Segment::Run(class),
            _ if segment.starts_with('{') => Segment::One(class),
            literal => Segment::Literal(literal.to_owned()),
        });
        let pattern = Pattern {
            segments: segments.collect(),
            slash,
        };
        rules.push(Rule {
            origin: columns[1].into(),
            effect: if run && rules.len() % 4 == 1 {
                Effect::Deny
            } else {
                Effect::Allow
            },
            matchers: vec![Matcher {
                methods: Methods::of(Method::from_name(columns[0])),
                pattern,
            }],
            when: if run {
                Vec::new()
            } else {
                vec![Condition::UnreadBody]
            },
            missing: Vec::new(),
            requirements: Vec::new(),
        });
    }
    let begin = std::time::Instant::now();
    let policy = policy(&rules);
    println!("{} rules in {:?}", rules.len(), begin.elapsed());
    for (method, path, _) in api_routes() {
        for suffix in ["", "/", "/json", "/a/b/start"] {
            let Ok(target) = Target::from_line(method, &(path.clone() + suffix)) else {
                continue;
            };
            let verdict = decide(&policy, &target, Body::Empty);
            let origins = naive(&rules, &target, Body::Empty);
            assert_eq!(
                verdict.is_ok(),
                !origins.is_empty(),
                "{method} {path}{suffix}: {verdict:?}"
            );
        }
    }
}

// The section variables.

/// A user's word that nothing is to be protected, both of them.
static WAIVERS: LazyLock<[Waiver; 2]> = LazyLock::new(|| {
    Unprotected::ALL.map(|why| {
        let waiver = settings(&[(why.variable(), "1")])
            .policy
            .sources
            .unprotected;
        waiver.expect("a waiver")
    })
});

fn settings(env: &[(&str, &str)]) -> Settings {
    Settings::load(&env.iter().copied().collect::<Snapshot>()).expect("a configuration that starts")
}

/// A policy of exactly these variables, the defaults switched off.
fn only(variables: &[&str]) -> Settings {
    let off = ["EVENTS", "PING", "VERSION"]
        .into_iter()
        .filter(|name| !variables.contains(name));
    let off = off.map(|name| (name, "0"));
    settings(
        &variables
            .iter()
            .map(|name| (*name, "1"))
            .chain(off)
            .collect::<Vec<_>>(),
    )
}

/// The routes of the Docker API, with placeholders filled in: (method, path, section).
fn api_routes() -> Vec<(&'static str, String, &'static str)> {
    let rows = API
        .lines()
        .skip(1)
        .map(|row| row.split('\t').collect::<Vec<_>>());
    rows.map(|row| {
        let path = row[1]
            .replace("{id}", "c1")
            .replace("{name}", "reg.io:5000/a/b");
        let path = path.replace("{checkpoint}", "p1").replace("{rpc}", "Solve");
        (row[0], path.replace("{path}", "anything"), row[2])
    })
    .collect()
}

/// What a section grants, written down again by hand: not from `sections.toml`.
fn contract(section: &str, post: bool, method: &str, path: &str) -> bool {
    let prefix = match section {
        "PING" => "/_ping".to_owned(),
        _ => format!("/{}", section.to_lowercase()),
    };
    let inside = path == prefix || path.starts_with(&(prefix + "/"));
    let exec_create = path.starts_with("/containers/") && path.ends_with("/exec");
    let attach_ws = path.starts_with("/containers/") && path.ends_with("/attach/ws");
    inside && (post || (matches!(method, "GET" | "HEAD") && !attach_ws)) && !exec_create
}

#[test]
fn each_section_alone_grants_nothing_more() {
    let routes = api_routes();
    assert!(routes.len() > 120, "{}", routes.len());
    let (mut verdicts, mut grants) = (0, 0);
    for section in SECTIONS {
        for post in [false, true] {
            let settings = only(if post { &["POST"][..] } else { &[] });
            let nothing = &settings.policy;
            let variables = if post {
                vec![section, "POST"]
            } else {
                vec![section]
            };
            let settings = only(&variables);
            let mut allowed = 0;
            for (method, path, _) in &routes {
                for prefix in ["", "/v1.41"] {
                    let target = Target::from_line(method, &format!("{prefix}{path}")).unwrap();
                    let expected = contract(section, post, method, path);
                    let verdict = decide(&settings.policy, &target, Body::Empty);
                    assert_eq!(
                        verdict.is_ok(),
                        expected,
                        "{variables:?} {method} {path}: {verdict:?}"
                    );
                    assert!(
                        decide(nothing, &target, Body::Empty).is_err(),
                        "{method} {path}"
                    );
                    verdicts += 1;
                    allowed += usize::from(expected);
                }
            }
            println!(
                "{section:13} POST={}: {:3} routes",
                u8::from(post),
                allowed / 2
            );
            grants += allowed;
        }
    }
    println!(
        "{verdicts} verdicts on {} routes; {grants} allow",
        routes.len()
    );
    assert!(grants > 200, "{grants}");
}

/// The recorded facts and the table agree on what belongs where, and on what reaches root.
#[test]
fn the_table_has_every_route_of_the_api_and_what_reaches_root() {
    for (method, path, section) in api_routes() {
        if section == "NONE" {
            continue;
        }
        let exec = if path.ends_with("/exec") {
            "EXEC"
        } else {
            section
        };
        let settings = only(&[section, exec, "POST"]);
        let target = Target::from_line(method, &path).unwrap();
        assert_eq!(
            decide(&settings.policy, &target, Body::Empty),
            Ok(section.to_owned()),
            "{path}"
        );
    }
    let roots = API.lines().map(|row| row.split('\t').collect::<Vec<_>>());
    let roots = roots
        .filter(|row| row[6].contains("root-on-host"))
        .map(|row| row[2]);
    let roots: Vec<&str> = roots
        .chain(["EXEC"])
        .filter(|section| *section != "NONE")
        .collect();
    for section in SECTIONS {
        let reaches = only(&[section, "POST"]).policy.root_on_host();
        assert_eq!(
            reaches.is_some(),
            roots.contains(&section),
            "{section}: {reaches:?}"
        );
        assert_eq!(only(&[section]).policy.root_on_host(), None, "{section}");
    }
}

/// The text of a denial, after `POST /path is not allowed: `.
fn told(env: &[(&str, &str)], method: &str, target: &str, body: Body) -> String {
    let target = Target::from_line(method, target).expect("a clean target");
    match settings(env).policy.decide(target, body) {
        Verdict::Allow(permit) => format!("allowed by {}", permit.origin()),
        Verdict::Deny(denial) | Verdict::WouldDeny(_, denial) => {
            let message = denial.message();
            assert!(message.ends_with(denial.remedy().text()), "{message}");
            message
        }
    }
}

macro_rules! told {
    ($($name:ident: $env:expr, $method:literal $target:literal => $text:expr;)*) => {$(
        #[test]
        fn $name() {
            let env: &[(&str, &str)] = &$env;
            let text = told(env, $method, $target, Body::Empty);
            let text = text.strip_prefix(concat!($method, " ", $target, " is not allowed: "));
            assert_eq!(text, Some($text));
        }
    )*};
}

const ODD_VERSION: &str = "the first path segment is not an API version like v1.41; \
                           DOCKER_API_VERSION must look like 1.41, without v or quotes";

told! {
    nothing_is_granted: [], "POST" "/containers/create" =>
        "set ALLOW_CREATE=1, or CONTAINERS=1 and POST=1";
    a_read: [], "GET" "/containers/json" => "set ALLOW_LIST=1, or CONTAINERS=1";
    what_is_there_is_not_repeated: [("CONTAINERS", "1")],
        "POST" "/containers/create" => "set ALLOW_CREATE=1, or POST=1";
    nor_is_post: [("POST", "1")], "POST" "/containers/create" =>
        "set ALLOW_CREATE=1, or CONTAINERS=1";
    a_default_that_is_off: [("EVENTS", "0")], "GET" "/events" => "set EVENTS=1";
    alternatives: [], "POST" "/containers/x/start" =>
        "set ALLOW_START=1, or CONTAINERS=1 and POST=1";
    narrow_ones_first: [("CONTAINERS", "1")], "POST" "/containers/x/stop" =>
        "set ALLOW_STOP=1, or ALLOW_RESTARTS=1, or POST=1";
    a_hole_names_all: [], "POST" "/containers/x/exec" =>
        "set ALLOW_EXEC=1, or CONTAINERS=1, EXEC=1 and POST=1";
    a_hole_in_a_read: [("CONTAINERS", "1")], "GET" "/containers/x/attach/ws" =>
        "set ALLOW_ATTACH=1, or POST=1";
    only_the_hole: [("CONTAINERS", "1"), ("POST", "1")], "POST" "/containers/a/b/exec" =>
        "set EXEC=1";
    a_misread_value: [("CONTAINERS", "true")], "GET" "/containers/json" =>
        "CONTAINERS=true is read as 0; use CONTAINERS=1";
    a_misread_value_and_more: [("CONTAINERS", "yes")], "DELETE" "/containers/x" =>
        "CONTAINERS=yes is read as 0; use CONTAINERS=1 and POST=1";
    two_misread_values: [("CONTAINERS", "yes"), ("POST", " 1")], "DELETE" "/containers/x" =>
        "CONTAINERS=yes is read as 0 and POST=\" 1\" is read as 0; use CONTAINERS=1 and POST=1";
    off_is_no_misreading: [("CONTAINERS", "off")], "GET" "/containers/json" =>
        "set ALLOW_LIST=1, or CONTAINERS=1";
    a_deny: [("CONTAINERS", "1"), ("DENY_LOGS", "1")], "GET" "/containers/x/logs" =>
        "DENY_LOGS is set; unset it to allow this request";
    two_denies: [("ALLOW_KILL", "1"), ("DENY_KILL", "1"), ("DENY_RESTARTS", "1")],
        "POST" "/containers/x/kill" =>
        "DENY_KILL and DENY_RESTARTS are set; unset them to allow this request";
    a_deny_of_what_nothing_allows: [("DENY_EXEC", "1")], "POST" "/exec/x/start" =>
        "DENY_EXEC is set; unset it, then set ALLOW_EXEC=1, or EXEC=1 and POST=1";
    unknown_path: [("POST", "1")], "GET" "/libpod/info" =>
        "no section or action covers this request; an SP_ALLOW_GET pattern or a profile line can allow it";
    root_path: [], "GET" "/" =>
        "no section or action covers this request; an SP_ALLOW_GET pattern or a profile line can allow it";
    debug_path: [("POST", "1")], "HEAD" "/debug/pprof/heap" =>
        "no section or action covers this request; an SP_ALLOW_HEAD pattern or a profile line can allow it";
    no_ascii: [], "GET" "/libpod/caf%C3%A9" =>
        "no section or action covers this request; a profile line can allow it";
    the_v_twice: [], "GET" "/vv1.41/_ping" => ODD_VERSION;
    no_v: [], "HEAD" "/1.41/_ping" => ODD_VERSION;
    a_version_in_quotes: [], "GET" "/v%221.41%22/_ping" => ODD_VERSION;
    a_capital_v: [], "POST" "/V1.41/libpod/pods/create" => ODD_VERSION;
    a_version_of_no_docker: [], "GET" "/v1.41x/containers/json" => ODD_VERSION;
    a_version_and_a_preset: [("PRESET", "autoheal")], "GET" "/vv1.41/_ping" => ODD_VERSION;
    a_number_that_is_no_version: [], "GET" "/1.41/nowhere" =>
        "no section or action covers this request; an SP_ALLOW_GET pattern or a profile line can allow it";
    beside_a_preset_a_narrow_grant_is_offered: [("PRESET", "autoheal")],
        "POST" "/containers/x/kill" => "set ALLOW_KILL=1, or ALLOW_RESTARTS=1";
    beside_a_preset_a_section_is_the_last_resort: [("PRESET", "autoheal")], "GET" "/info" =>
        "set INFO=1, which also grants EVENTS, PING and VERSION unless they are 0";
    and_says_what_else_it_brings: [("PRESET", "autoheal")], "GET" "/events" =>
        "set EVENTS=1, which also grants PING and VERSION unless they are 0";
    a_deny_of_what_nothing_covers: [("SP_ALLOW_GET", "/version"), ("DENY_INSPECT", "1")],
        "GET" "/containers/a/b/json" => "DENY_INSPECT is set, and no section or action covers this request";
    no_pattern_takes_these_bytes: [("SP_ALLOW_GET", "/version")], "GET" "/libpod/caf%C3%A9" =>
        "no SP_ALLOW_GET pattern matches a path with non-ASCII bytes";
    unknown_method: [("CONTAINERS", "1"), ("POST", "1")], "PROPFIND" "/containers/json" =>
        "unknown method; use GET, HEAD, POST, PUT, DELETE, PATCH or OPTIONS";
}

#[test]
fn what_is_wrong_with_a_path_is_told_where_a_denial_shows_it_in_another_spelling() {
    for (sent, shown, remedy) in [
        (
            "/v1.41/v1.51/_ping",
            "/v1.51/_ping",
            "the path has two API versions; remove the one in the client's address",
        ),
        (
            "/libpod%2Finfo",
            "/libpod/info",
            "no section or action covers this request; an SP_ALLOW_GET pattern can allow it",
        ),
        (
            "/libpod%2Fcaf%c3%a9",
            "/libpod/caf%C3%A9",
            "no section or action covers this request, and no pattern or profile line can allow it",
        ),
    ] {
        let text = format!("GET {shown} is not allowed: {remedy}");
        assert_eq!(told(&[], "GET", sent, Body::Empty), text);
    }
}

#[test]
fn a_failed_condition_is_told() {
    let start = [("ALLOW_START", "1")];
    let path = "/containers/x/start";
    assert_eq!(
        told(&start, "POST", path, Body::Empty),
        "allowed by ALLOW_START"
    );
    assert_eq!(
        told(&start, "POST", path, Body::Other),
        "POST /containers/x/start is not allowed: ALLOW_START allows this request only without a body over 7 bytes or in \
         chunks; otherwise set CONTAINERS=1 and POST=1"
    );
    assert_eq!(
        told(
            &start,
            "POST",
            "/v1.41/containers/x/start?checkpoint=c",
            Body::Other
        ),
        "POST /containers/x/start is not allowed: ALLOW_START allows this request only without a body over 7 bytes or in \
         chunks and without checkpoint or checkpoint-dir in the query or a form; otherwise set CONTAINERS=1 and POST=1"
    );
    // What would not help is not offered.
    assert_eq!(
        told(&[], "POST", path, Body::Other),
        "POST /containers/x/start is not allowed: set CONTAINERS=1 and POST=1"
    );
    let both = [("ALLOW_START", "1"), ("CONTAINERS", "1"), ("POST", "1")];
    assert_eq!(
        told(&both, "POST", path, Body::Other),
        "allowed by CONTAINERS"
    );
}

/// A path is shown without version and query, in plain characters, and cut short.
#[test]
fn the_path_in_a_denial_is_plain_and_short() {
    assert_eq!(
        told(
            &[],
            "GET",
            "/v1.41/images/caf%c3%a9%22%20%e2%80%ae/json?secret=1",
            Body::Empty
        ),
        "GET /images/caf%C3%A9%22%20%E2%80%AE/json is not allowed: set IMAGES=1"
    );
    let long = format!("/images/{}", "x".repeat(60_000));
    let message = told(&[], "GET", &long, Body::Empty);
    assert_eq!(
        message,
        format!("GET {}... is not allowed: set IMAGES=1", &long[..200])
    );
    let message = told(&[], &"M".repeat(1000), "/version", Body::Empty);
    assert!(message.len() < 300, "{message}");
}

// The cost of a decision.

const COSTLY: &str = "/v1.41/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/attach/ws?stdin=1";

#[test]
fn a_decision_allocates_nothing() {
    let everything: Vec<&str> = SECTIONS
        .into_iter()
        .chain(["POST", "ALLOW_START"])
        .collect();
    let limited = only(&["ALLOW_START", "ALLOW_PULL", "DENY_CREATE"]);
    for settings in [only(&everything), only(&[]), limited] {
        for line in [
            COSTLY,
            "/_ping",
            "/v1.41/containers/x/start?t=1",
            "/v1.41/containers/x/start?chec%6Bpoint=&CHECKPOINT-DIR=/&a=%zz;b",
            "/v1.41/images/create?fromImage=a&tag=b+c&from%C5%BFrc=-",
            "/v1.41x/libpod/pods/create",
            "/nothing",
            "/images/a/b/json",
        ] {
            for method in [http::Method::GET, http::Method::POST] {
                let uri: http::Uri = line.parse().unwrap();
                // hyper's targets share the request's bytes already; the first clone makes these do so.
                let _shared = uri.clone();
                let verdict = RefCell::new(None);
                let cost = allocation_counter::measure(|| {
                    let target = Target::parse(&method, &uri).unwrap();
                    *verdict.borrow_mut() = Some(settings.policy.decide(target, Body::Short));
                });
                assert_eq!(cost.count_total, 0, "{method} {line} {verdict:?}");
            }
        }
    }
}

/// Thirty thousand segments cost what their bytes cost, with every rule in force.
#[test]
fn a_long_path_is_cheap() {
    let everything: Vec<&str> = SECTIONS
        .into_iter()
        .chain(["POST", "ALLOW_START"])
        .collect();
    let settings = only(&everything);
    let line = format!("/containers{}/attach/ws/exec", "/x".repeat(30_000));
    let target = Target::from_line("GET", &line).unwrap();
    let begin = std::time::Instant::now();
    for _ in 0..10 {
        assert!(decide(&settings.policy, &target, Body::Empty).is_ok());
    }
    // Some 3 ms each when built without optimisation; a quadratic walk would take minutes.
    assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
}
