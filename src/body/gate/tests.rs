//! Requests against a played engine: what becomes of each, and what the engine was asked for it.

use std::collections::BTreeMap;

use super::{Answer, Step, begin};
use crate::api::sections::Check;
use crate::api::{Framing, Message, Methods, Target};
use crate::policy::{
    Content, Effect, Judged, Matcher, Passage, Pattern, Policy, Rule, Term, Verdict,
};

/// What the engine has: answers by path. All else is missing.
#[derive(Default)]
struct Engine(BTreeMap<String, String>);

/// The first line and the body that are forwarded, or why nothing is; and what the engine was asked.
fn judged(checks: &[Check], line: &str, body: &str, engine: &Engine) -> (String, Vec<String>) {
    let message = match body {
        "" => Message::new(Framing::Empty),
        _ => Message::new(Framing::Chunked),
    };
    told(checks, line, message, body, engine)
}

fn told(
    checks: &[Check],
    line: &str,
    message: Message,
    body: &str,
    engine: &Engine,
) -> (String, Vec<String>) {
    let all = || Matcher {
        methods: Methods::of(None),
        pattern: Pattern::below(""),
    };
    let rule = |effect| Rule {
        origin: "ALL".into(),
        effect,
        matchers: vec![all()],
        when: Vec::new(),
        missing: Vec::new(),
        requirements: Vec::new(),
    };
    let demands = checks
        .iter()
        .map(|check| Effect::Demand(Term::DenyRoot(*check)));
    let rules: Vec<Rule> = [Effect::Allow]
        .into_iter()
        .chain(demands)
        .map(rule)
        .collect();
    let policy = Policy::new(&rules).expect("a policy");
    let (method, target) = line.split_once(' ').expect("a line");
    let target = Target::from_line(method, target).expect("a target");
    let Verdict::Allow(permit) = policy.decide(target, message) else {
        panic!("allowed");
    };
    let Passage::Inspect(inspection) = permit.passage() else {
        panic!("it has terms");
    };
    let mut asked = Vec::new();
    let mut step = begin(inspection);
    loop {
        step = match step {
            Step::Read(reading) => reading.read(body.as_bytes().to_vec()),
            Step::Ask(asking) => {
                let answers: Vec<_> = asking
                    .needs()
                    .iter()
                    .map(|fact| {
                        let path = fact.path();
                        let missing = r#"{"message":"no such thing"}"#;
                        let (status, bytes) = match engine.0.get(&path) {
                            Some(answer) => (200, answer.as_str()),
                            None => (404, missing),
                        };
                        asked.push(path);
                        (fact.clone(), Answer::read(fact, status, bytes.as_bytes()))
                    })
                    .collect();
                asking.answered(answers)
            }
            Step::Missing(words) => return (format!("404 {words}"), asked),
            Step::Judged(Judged::Deny(denial)) => {
                let message = denial.message();
                let (_, why) = message.split_once(" is not allowed: ").expect("a denial");
                return (why.to_owned(), asked);
            }
            Step::Judged(Judged::Clear(cleared)) => {
                let (target, _, content) = cleared.into_parts();
                let content = match content {
                    Content::AsSent => "as sent".to_owned(),
                    Content::Whole(bytes) => String::from_utf8(bytes).expect("JSON"),
                };
                let text = format!("{} {content}", target.path_and_query());
                return (text, asked);
            }
            Step::Judged(Judged::WouldDeny(..)) => panic!("nothing is waived"),
        };
    }
}

fn create(body: &str) -> String {
    judged(
        &[Check::Body],
        "POST /containers/create",
        body,
        &Engine::default(),
    )
    .0
}

#[test]
fn what_is_judged_is_what_is_written() {
    for (sent, written) in [
        ("{}", r#"{"HostConfig":{}}"#),
        ("null", r#"{"HostConfig":{}}"#),
        (
            r#"{"image":"a","hostconfig":null}"#,
            r#"{"Image":"a","HostConfig":{}}"#,
        ),
        // What no engine knows, and what only old ones read at the top, stay behind.
        (
            r#"{"Image":"a","Memory":5,"Foo":{"a":1},"HostConfig":{"Memory":1e0,"Bar":0}}"#,
            "DENY_ROOT cannot judge it: HostConfig.Memory must be an integer, not a number with a \
             fraction, an exponent or more than 64 bits",
        ),
        (
            r#"{"Image":"a","Memory":5,"Foo":{"a":1},"HostConfig":{"Memory":7,"Bar":0}}"#,
            r#"{"Image":"a","HostConfig":{"Memory":7}}"#,
        ),
        ("  ", ""),
    ] {
        let told = create(sent);
        let told = told.strip_prefix("/containers/create ").unwrap_or(&told);
        assert_eq!(told, written, "{sent}");
    }
}

#[test]
fn a_body_that_reaches_something_is_refused_by_name() {
    for (sent, why) in [
        (
            r#"{"HostConfig":{"Privileged":true}}"#,
            "DENY_ROOT: HostConfig.Privileged true reaches the host's devices, the kernel",
        ),
        (
            r#"{"Privileged":true}"#,
            "DENY_ROOT: Privileged true reaches the host's devices, the kernel",
        ),
        (
            r#"{"HostConfig":{"Binds":["/:/h","a b:/x"]}}"#,
            "DENY_ROOT: HostConfig.Binds[0] \"/:/h\" reaches the host's files; \
             HostConfig.Binds[1] \"a b:/x\" reaches the host's files",
        ),
        (
            r#"{"HostConfig":{"NextYear":"x"}}"#,
            "DENY_ROOT: HostConfig.NextYear \"x\" reaches the host's files, the host's devices, the \
             kernel, namespaces of others, networks of others, other containers",
        ),
        (
            r#"{"HostConfig":{"Privileged":false,"privileged":true}}"#,
            "DENY_ROOT cannot judge it: HostConfig.Privileged: duplicate key (case is ignored in \
             field names)",
        ),
        (
            r#"{"HostConfig":{"VolumesFrom":["../../info"]}}"#,
            "DENY_ROOT: HostConfig.VolumesFrom[0] \"../../info\" is not a plain name",
        ),
    ] {
        assert_eq!(create(sent), why, "{sent}");
    }
}
