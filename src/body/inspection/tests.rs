//! Requests against a played engine: what becomes of each, and what the engine was asked for it.

mod clients;
mod limits;
mod middleware;
mod objects;
mod other_scopes;
mod reserved;
mod scope;
mod scope_bodies;
mod scope_builds;
mod scope_images;
mod sharing;
mod versions;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Answer, Ended, Fact, Others, Step, Told, Watch, begin};
use crate::api::sections::Check;
use crate::api::{Framing, Message, Methods, Target};
use crate::body::demands::Demands;
use crate::body::json::Value;
use crate::policy::{
    Content, Denial, Effect, Judged, Matcher, Passage, Pattern, Policy, Rule, Term, Verdict,
};

/// A container's ID, by its last digit.
fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// What the engine has: answers by path. All else is missing.
#[derive(Default)]
struct Engine(BTreeMap<String, String>, Arc<Others>);

impl Engine {
    fn with(mut self, path: &str, answer: impl Into<String>) -> Engine {
        self.0.insert(path.to_owned(), answer.into());
        self
    }

    fn answer(&self, fact: &Fact, asked: &mut Vec<String>) -> Answer {
        let path = fact.path();
        let missing = r#"{"message":"no such thing"}"#;
        let (status, bytes) = match self.found(&path) {
            Some(answer) => (200, answer),
            None => (404, missing.to_owned()),
        };
        asked.push(path);
        Answer::read(fact, status, bytes.as_bytes())
    }

    /// What it answers: the lists are of all that it has.
    fn found(&self, path: &str) -> Option<String> {
        let all = |start: &str, end: &str| {
            let own = self.0.iter().filter(|(path, _)| {
                let name = path.strip_prefix(start).and_then(|it| it.strip_suffix(end));
                name.is_some_and(|name| start == "/networks/" || name.len() == 64)
            });
            let own: Vec<&str> = own.map(|(_, answer)| answer.as_str()).collect();
            Some(format!("[{}]", own.join(",")))
        };
        match (self.0.get(path), path) {
            (Some(answer), _) => Some(answer.clone()),
            (None, "/containers/json?all=1") => all("/containers/", "/json"),
            (None, "/networks") => all("/networks/", ""),
            _ => None,
        }
    }

    /// With a network of this name, of an ID with these digits, and such fields.
    fn network(self, name: &str, digits: &str, rest: &str) -> Engine {
        let id = digits.repeat(64 / digits.len());
        let network = format!(r#"{{"Name":"{name}","Id":"{id}","Driver":"bridge"{rest}}}"#);
        self.with(&format!("/networks/{id}"), network.clone())
            .with(&format!("/networks/{name}"), network)
    }

    /// With a container of this name and ID, of such a HostConfig and such Mounts.
    fn container(self, name: &str, digit: char, config: &str, mounts: &str) -> Engine {
        let id = id(digit);
        let inspect = format!(
            r#"{{"Id":"{id}","Name":"/{name}","HostConfig":{{{config}}},"Mounts":[{mounts}],"NetworkSettings":{{"Networks":{{}}}}}}"#
        );
        self.with(&format!("/containers/{name}/json"), inspect.clone())
            .with(&format!("/containers/{id}/json"), inspect)
    }

    /// With a volume of such options that these containers have mounted.
    fn volume(self, name: &str, rest: &str, users: &[char]) -> Engine {
        let users = users.iter();
        let users: Vec<String> = users
            .map(|one| format!(r#"{{"Id":"{}"}}"#, id(*one)))
            .collect();
        let volume = format!(r#"{{"Name":"{name}",{rest}}}"#);
        self.with(&format!("/volumes/{name}"), volume).with(
            &format!("/containers/json?all=1&filters=%7B%22volume%22%3A%5B%22{name}%22%5D%7D"),
            format!("[{}]", users.join(",")),
        )
    }
}

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
    let terms: Vec<Term> = checks.iter().copied().map(Term::DenyRoot).collect();
    told_by(&terms, Demands::default(), line, message, body, engine)
}

/// The same by these terms.
fn told_by(
    terms: &[Term],
    demands: impl Into<Arc<Demands>>,
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
    let terms = terms.iter().map(|term| Effect::Demand(*term));
    let rules: Vec<Rule> = [Effect::Allow].into_iter().chain(terms).map(rule).collect();
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
    let mut step = begin(inspection, demands.into(), engine.1.clone(), Value::default);
    loop {
        step = match step {
            Step::Read(reading) => reading.read(body.as_bytes().to_vec()),
            Step::Ask(asking) => {
                let answers: Vec<_> = asking
                    .needs()
                    .iter()
                    .map(|fact| (fact.clone(), engine.answer(fact, &mut asked)))
                    .collect();
                asking.answered(answers)
            }
            Step::Answer(Told::Missing(words)) => return (format!("404 {words}"), asked),
            Step::Answer(Told::Dangling(words)) => return (format!("400 {words}"), asked),
            Step::Answer(Told::Taken(words)) => return (format!("409 {words}"), asked),
            Step::Make(_) => panic!("nothing is to be made"),
            Step::Watch(cleared, mut watch) => {
                let told = watched(&mut watch, body, engine, &mut asked);
                let (written, ..) = cleared.into_parts();
                let written = written.path_and_query().to_string();
                return match &*told {
                    "passes" if !line.ends_with(&written) => (format!("{written} {told}"), asked),
                    _ => (told, asked),
                };
            }
            Step::Judged(Judged::Deny(denial)) => {
                let message = denial.message();
                let (_, why) = message.split_once(" is not allowed: ").expect("a denial");
                return (why.to_owned(), asked);
            }
            Step::Judged(Judged::Clear(cleared)) => {
                let (target, _, content, _) = cleared.into_parts();
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

/// What becomes of an archive with this Dockerfile.
fn watched(watch: &mut Watch, file: &str, engine: &Engine, asked: &mut Vec<String>) -> String {
    let why = |denial: Denial| {
        let message = denial.message();
        let (_, why) = message.split_once(" is not allowed: ").expect("a denial");
        why.to_owned()
    };
    let archive = tar(file);
    match watch.read(&archive) {
        Ok(allowed) => assert_eq!(allowed, 512 + file.len() as u64 - 1),
        Err(denial) => return why(denial),
    }
    loop {
        match watch.end() {
            Ok(Ended::Passes) => return "passes".to_owned(),
            Ok(Ended::Asks(needs)) => {
                for fact in needs {
                    let answer = engine.answer(&fact, asked);
                    watch.learn(fact, answer);
                }
            }
            Err(denial) => return why(denial),
        }
    }
}

/// An archive with a Dockerfile.
fn tar(file: &str) -> Vec<u8> {
    let mut header = [0; 512];
    header[..10].copy_from_slice(b"Dockerfile");
    header[124..136].copy_from_slice(format!("{:011o}\0", file.len()).as_bytes());
    header[148..156].fill(b' ');
    header[156] = b'0';
    header[257..263].copy_from_slice(b"ustar\0");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut archive = [&header[..], file.as_bytes()].concat();
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
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
#[test]
fn what_the_engine_fills_in_is_asked_only_where_it_counts() {
    let engine = Engine::default().with(
        "/info",
        r#"{"DefaultRuntime":"crun","LoggingDriver":"journald","SecurityOptions":["name=seccomp"]}"#,
    );
    let told = |body: &str| judged(&[Check::Body], "POST /containers/create", body, &engine);
    let own = r#"{"HostConfig":{"Runtime":"crun","LogConfig":{"Type":"journald"},"CgroupnsMode":"host"}}"#;
    assert_eq!(
        told(own),
        (
            format!("/containers/create {own}"),
            vec!["/info".to_owned()]
        )
    );
    for other in [
        "Runtime\":\"kata",
        "LogConfig\":{\"Type\":\"syslog\"},\"X\":\"",
    ] {
        let (text, asked) = told(&format!("{{\"HostConfig\":{{\"{other}\"}}}}"));
        assert!(text.starts_with("DENY_ROOT: HostConfig."), "{text}");
        assert_eq!(asked, ["/info"]);
    }
    // It may be less confined than the engine's own.
    let (text, asked) = told(r#"{"HostConfig":{"Runtime":"runc"}}"#);
    assert!(text.starts_with("DENY_ROOT: HostConfig.Runtime"), "{text}");
    assert_eq!(asked, ["/info"]);
    for (body, passes) in [
        (
            r#"{"Env":["NVIDIA_VISIBLE_DEVICES=all"],"HostConfig":{}}"#,
            true,
        ),
        (
            r#"{"HostConfig":{"SecurityOpt":["seccomp=builtin"]}}"#,
            false,
        ),
    ] {
        let (text, asked) = told(body);
        assert_eq!(text.starts_with("/containers/create"), passes, "{text}");
        assert_eq!(asked, ["/info"]);
    }
    assert_eq!(told(r#"{"Env":["A=b"],"HostConfig":{}}"#).1, [""; 0]);
}

#[test]
fn queries_are_judged() {
    let engine = Engine::default().container("web", '1', "", "").container(
        "root",
        '2',
        r#""Privileged":true"#,
        "",
    );
    let one = id('1');
    for (check, line, told) in [
        (
            Check::Build,
            "POST /build?t=a&rm=1&networkmode=default&version=1&remote=",
            "/build?",
        ),
        (
            Check::Build,
            "POST /build?remote=http%3A%2F%2Fx",
            "DENY_ROOT: the parameter remote http://x reaches networks of others",
        ),
        (
            Check::Build,
            "POST /build?rem%6fte=x",
            "DENY_ROOT: the parameter remote x reaches",
        ),
        (
            Check::Build,
            "POST /build?REMOTE=x",
            "DENY_ROOT: the parameter REMOTE x reaches",
        ),
        (
            Check::Build,
            "POST /build?networkmode=host",
            "DENY_ROOT: the parameter networkmode host reaches",
        ),
        (
            Check::Build,
            "POST /build?networkmode=bridge&networkmode=host",
            "DENY_ROOT: the parameter networkmode host",
        ),
        (
            Check::Build,
            "POST /build?version=2",
            "DENY_ROOT: the parameter version 2 chooses BuildKit",
        ),
        (
            Check::Build,
            "POST /build?cgroupparent=%2F",
            "DENY_ROOT: the parameter cgroupparent / reaches the kernel",
        ),
        (
            Check::Build,
            "POST /build?volume=%2F:%2Fx",
            "DENY_ROOT: the parameter volume /:/x is unknown",
        ),
        (
            Check::Import,
            "POST /images/create?fromImage=busybox&tag=1;x",
            "/images/create?fromImage=busybox&tag=1;x as sent",
        ),
        (
            Check::Import,
            "POST /images/create?fromSrc=-&repo=a",
            "/images/create?fromSrc=-&repo=a as sent",
        ),
        (
            Check::Import,
            "POST /images/create?fromSrc=-&fromSRC=http%3A%2F%2Fx",
            "DENY_ROOT: the parameter fromSrc http://x is fetched by the engine",
        ),
        (
            Check::Import,
            "POST /images/create?fromSrc=x;y",
            "DENY_ROOT cannot judge it: its query",
        ),
        (
            Check::Body,
            "POST /containers/create/",
            "404 page not found",
        ),
        (
            Check::Build,
            "POST /build?a;remote=x",
            "DENY_ROOT cannot judge it: its query",
        ),
        (
            Check::Build,
            "POST /build?t=%zz",
            "DENY_ROOT cannot judge it: its query",
        ),
        (
            Check::Start,
            "POST /containers/x/start?detachKeys=a",
            "/containers/x/start?detachKeys=a as sent",
        ),
        (
            Check::Start,
            "POST /containers/x/start?checkpoint-dir=a",
            "DENY_ROOT: the parameter checkpoint-dir reaches",
        ),
        (
            Check::Start,
            "POST /containers/x/start?CheckPoint=a",
            "DENY_ROOT: the parameter checkpoint reaches",
        ),
        (
            Check::Update,
            "POST /services/x/update?version=1",
            "/services/x/update?version=1 as sent",
        ),
        (
            Check::Update,
            "POST /services/x/update?rollback=previous",
            "DENY_ROOT cannot judge it: its query does not say which service to roll back",
        ),
        (
            Check::Commit,
            "POST /commit?repo=a&container=root",
            "DENY_ROOT: container root: HostConfig.Privileged",
        ),
        (
            Check::Commit,
            "POST /commit?container=web&container=root",
            "DENY_ROOT cannot judge it: its query does not name one container",
        ),
        (
            Check::Commit,
            "POST /commit?container=web&Container=root",
            "DENY_ROOT cannot judge it: its query does not name one container",
        ),
        (
            Check::Commit,
            "POST /commit",
            "DENY_ROOT cannot judge it: its query does not name one container",
        ),
    ] {
        let text = judged(&[check], line, "", &engine).0;
        assert!(text.starts_with(told), "{line}: {text}");
    }
    assert_eq!(
        judged(
            &[Check::Commit],
            "POST /v1.41/commit?repo=a%20b&c%6fntainer=web&tag=",
            "",
            &engine
        )
        .0,
        format!("/v1.41/commit?repo=a%20b&container={one}&tag= as sent")
    );
    let start = |framing| {
        let line = "POST /containers/x/start";
        told(&[Check::Start], line, Message::new(framing), "", &engine).0
    };
    assert!(start(Framing::Sized(7)).ends_with(" as sent"));
    for framing in [Framing::Sized(8), Framing::Chunked] {
        assert!(start(framing).starts_with("DENY_ROOT: a body of a start"));
    }
}
