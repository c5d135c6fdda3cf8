//! Learning and dry run: everything is forwarded that a policy could allow, and dockgate says what
//! it would have denied and what would grant it.

use std::fmt::Write as _;
use std::process::Command;

use rustix::process::Signal;

use crate::learned::{Learned, pairs};
use crate::support::gate::EMPTY;
use crate::support::wire::chunk;
use crate::support::{BOUND, Dockgate, End, Engine, Gate};

const STOP: &str = "POST /v1.41/containers/web-1/stop HTTP/1.1\r\nHost: docker\r\n\
                    Content-Length: 0\r\n\r\n";
const LEARN: &[(&str, &str)] = &[("LEARN", "1")];
const DRY_RUN: &[(&str, &str)] = &[("DRY_RUN", "1")];

/// The reports so far, once there is one.
#[track_caller]
fn reports(gate: &Gate) -> Vec<String> {
    gate.dockgate
        .line(|line| line == "# End of what was learned.");
    let mut reports: Vec<String> = Vec::new();
    let mut inside = false;
    for line in gate.dockgate.lines() {
        if line.starts_with("# Learned from ") {
            reports.push(String::new());
            inside = true;
        }
        if let Some(report) = reports.last_mut().filter(|_| inside) {
            let _ = writeln!(report, "{line}");
        }
        inside &= line != "# End of what was learned.";
    }
    reports
}

/// What goes through in spite of the policy, and what does not.
#[test]
fn everything_that_could_be_granted_is_forwarded() {
    for (mode, variable) in [(LEARN, "LEARN"), (DRY_RUN, "DRY_RUN")] {
        let gate = Gate::with(mode);
        gate.dockgate.line(|line| {
            line.contains(" err ") && line.contains(&format!("{variable}=1: NOTHING IS BEING"))
        });
        assert_eq!(gate.exchange(STOP, EMPTY).1.status(), 200);
        let told = "POST /v1.41/containers/web-1/stop 200 in=0 out=0 ";
        let line = gate.dockgate.line(|line| line.contains(told));
        let denial = " would deny: POST /containers/web-1/stop is not allowed: set ALLOW_STOP=1";
        assert!(
            line.contains(" warning ") && line.contains(denial),
            "{line}"
        );
        // What is granted is no news.
        gate.exchange("GET /version HTTP/1.1\r\nHost: docker\r\n\r\n", EMPTY);
        let line = gate.dockgate.line(|line| line.contains("GET /version"));
        assert!(line.ends_with("allowed by VERSION"), "{line}");
        // Ambiguous, no method of the API, not HTTP.
        for (request, status) in [
            (
                "GET /containers//json HTTP/1.1\r\nHost: docker\r\n\r\n",
                400,
            ),
            (
                "GET /containers/../info HTTP/1.1\r\nHost: docker\r\n\r\n",
                400,
            ),
            ("CONNECT docker:80 HTTP/1.1\r\nHost: docker\r\n\r\n", 400),
            (
                "BREW /containers/json HTTP/1.1\r\nHost: docker\r\n\r\n",
                403,
            ),
            ("GET /info HTTP/1.1\r\n\r\n", 400),
        ] {
            assert_eq!(gate.refusal(request).status(), status, "{request}");
        }
        gate.still_works();
    }
}

#[test]
fn tunnels_stay_where_they_belong() {
    for mode in [LEARN, DRY_RUN] {
        let gate = Gate::with(mode);
        let upgrade = |path: &str| {
            format!(
                "POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
                 Content-Length: 0\r\n\r\n"
            )
        };
        // What it gets into, which goes on if it is not known.
        let looked_up = || {
            if mode == LEARN {
                let (mut inspect, request) = gate.engine.request();
                assert_eq!(request.head.line, "GET /containers/c/json HTTP/1.1");
                inspect.send("HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n{}");
                assert_eq!(inspect.ends(), End::Closed);
            }
        };
        let mut client = gate.sent(upgrade("/containers/c/start"));
        looked_up();
        let (mut engine, request) = gate.engine.request();
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
        assert_eq!(
            request.head.sorted(),
            [("content-length", "0"), ("host", "docker")]
        );
        let mut client = gate.sent(upgrade("/containers/c/attach"));
        looked_up();
        let (mut engine, _) = gate.engine.request();
        engine.send("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
        assert_eq!(client.head().status(), 101);
        client.send("in");
        assert_eq!(engine.take(2), b"in");
        engine.send("out");
        assert_eq!(client.take(3), b"out");
        client.half_close();
        drop(engine);
        client.ends();
        gate.still_works();
    }
}

#[test]
fn sigusr1_and_the_end_print_what_was_learned() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut gate = Gate::with(LEARN);
        gate.exchange(STOP, EMPTY);
        gate.dockgate.signal(Signal::USR1);
        let first = reports(&gate).remove(0);
        assert!(first.starts_with("# Learned from 1 requests.\n"), "{first}");
        let expected = "ALLOW_STOP=1 EVENTS=0 PING=0 VERSION=0";
        assert_eq!(variables(&first), expected);
        // Its own health check needs no grant.
        gate.exchange(
            "GET /_ping HTTP/1.1\r\nHost: docker\r\nUser-Agent: dockgate-healthcheck\r\n\r\n",
            EMPTY,
        );
        gate.exchange("GET /info HTTP/1.1\r\nHost: docker\r\n\r\n", EMPTY);
        gate.dockgate.signal(signal);
        assert_eq!(gate.dockgate.exit_within(BOUND).0.code(), Some(0));
        let [before, last] = <[String; 2]>::try_from(reports(&gate)).expect("two reports");
        assert_eq!(before, first);
        let expected = "ALLOW_STOP=1 EVENTS=0 INFO=1 PING=0 VERSION=0";
        assert_eq!(variables(&last), expected);
    }
}

fn variables(report: &str) -> String {
    let learned = Learned::read(report);
    let variables = learned.environment().into_iter();
    let variables: Vec<String> = variables
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    variables.join(" ")
}

#[test]
fn it_is_said_at_every_level_that_nothing_is_protected() {
    for (variable, level) in [
        ("LEARN", "emerg"),
        ("DRY_RUN", "crit"),
        ("DRY_RUN", "warning"),
    ] {
        let engine = Engine::start();
        let path = engine.path().to_str().expect("a plain path");
        let listen = format!("unix://{}", engine.directory().join("gate").display());
        let dockgate = Dockgate::start(&[
            ("LISTEN", &listen),
            ("SOCKET_PATH", path),
            (variable, "1"),
            ("LOG_LEVEL", level),
        ]);
        dockgate.line(|line| line.contains(&format!("{variable}=1: NOTHING IS BEING PROTECTED")));
    }
}

#[test]
fn an_impatient_end_prints_it_too() {
    let mut gate = Gate::with(&[("LEARN", "1"), ("SHUTDOWN_GRACE", "60")]);
    let (_client, _engine, _) = gate.asked(STOP);
    gate.dockgate.signal(Signal::TERM);
    gate.dockgate
        .line(|line| line.contains("not accepting new connections"));
    gate.dockgate.signal(Signal::TERM);
    gate.dockgate.exit_within(BOUND);
    assert_eq!(reports(&gate).len(), 1);
}

#[test]
fn without_learning_nothing_is_printed() {
    for mode in [DRY_RUN, &[]] {
        let mut gate = Gate::with(mode);
        if mode == DRY_RUN {
            gate.exchange(STOP, EMPTY);
        }
        gate.dockgate.signal(Signal::USR1);
        gate.dockgate
            .line(|line| line.ends_with("SIGUSR1 ignored: LEARN is not 1"));
        gate.still_works();
        gate.dockgate.signal(Signal::TERM);
        assert_eq!(gate.dockgate.exit_within(BOUND).0.code(), Some(0));
        assert!(
            !gate.dockgate.log().contains("earned"),
            "{}",
            gate.dockgate.log()
        );
    }
}

#[test]
fn learning_wins_over_a_dry_run() {
    let gate = Gate::with(&[("LEARN", "1"), ("DRY_RUN", "1")]);
    gate.dockgate
        .line(|line| line.contains("LEARN overrides DRY_RUN, which is ignored"));
    gate.exchange(STOP, EMPTY);
    gate.dockgate.signal(Signal::USR1);
    assert_eq!(reports(&gate).len(), 1);
    assert!(
        !gate.dockgate.log().contains("DRY_RUN=1"),
        "{}",
        gate.dockgate.log()
    );
    gate.still_works();
}

#[test]
fn only_a_plain_one_takes_the_protection_away() {
    for value in ["0", "", "true", "yes", " 1"] {
        let gate = Gate::with(&[("LEARN", value), ("DRY_RUN", value)]);
        assert_eq!(gate.refusal(STOP).status(), 403, "{value:?}");
        assert!(!gate.dockgate.log().contains("NOTHING IS BEING PROTECTED"));
        gate.still_works();
    }
}

/// Sends the requests of a recorded session one after the other: those that were not let through.
fn replay(gate: &Gate, session: &str) -> Vec<String> {
    let mut denied = Vec::new();
    for line in session.lines() {
        let (request, body) = match line.strip_suffix(" body") {
            Some(request) => (request, "{}"),
            None => (line, ""),
        };
        let length = body.len();
        let mut client = gate.sent(format!(
            "{request} HTTP/1.1\r\nHost: docker\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        let status = client.head().status();
        if status != 200 {
            denied.push(format!("{status}: {line}"));
        }
    }
    denied
}

fn with_engine(environment: &[(&str, &str)]) -> Gate {
    let engine = Engine::start();
    engine.serve(|_| EMPTY.into());
    Gate::before(engine, environment)
}

/// What was learned of a session, set in each way as it was printed, lets that session pass; and the
/// log tells the same as the program that wrote it.
#[test]
fn what_was_learned_is_what_is_needed() {
    for session in [
        include_str!("../sessions/docker-cli.txt"),
        include_str!("../sessions/docker-py.txt"),
        include_str!("../sessions/dockerode.txt"),
    ] {
        let gate = with_engine(&[("LEARN", "1"), ("LOG_LEVEL", "debug")]);
        assert_eq!(replay(&gate, session), [""; 0]);
        gate.dockgate.signal(Signal::USR1);
        let report = reports(&gate).remove(0);
        let learned = Learned::read(&report);

        assert!(!replay(&with_engine(&[]), session).is_empty());
        let mut patterns = pairs(&learned.patterns);
        // The listener is another one here.
        let reach = pairs(&learned.reach).into_iter();
        patterns.extend(reach.filter(|(name, _)| *name == "SP_ALLOWFROM"));
        let profile = gate.engine.directory().join("profile");
        let lines = learned.profile.iter();
        let lines = lines.map(|(method, pattern)| format!("{method} {pattern}\n"));
        std::fs::write(&profile, lines.collect::<String>()).expect("a file");
        let profile = [("PROFILE", profile.to_str().expect("a plain path"))];
        let preset = pairs(&learned.preset);
        assert_eq!(preset[0].0, "PRESET");
        for environment in [&*learned.environment(), &patterns, &profile, &preset] {
            let granted = with_engine(environment);
            assert_eq!(replay(&granted, session), [""; 0], "{environment:?}");
            let other = "GET /debug/vars HTTP/1.1\r\nHost: docker\r\n\r\n";
            assert_eq!(granted.refusal(other).status(), 403);
        }

        let log = gate.engine.directory().join("log");
        std::fs::write(&log, gate.dockgate.log()).expect("a file");
        let command = Command::new(env!("CARGO_BIN_EXE_dockgate"))
            .arg("learn")
            .arg(&log)
            .env_clear()
            .output()
            .expect("it runs");
        let from_log = String::from_utf8(command.stdout).expect("text");
        // A log has no bodies.
        let body = |report: &str| {
            let (_, body) = report.split_once('\n').expect("a heading");
            let end = body.find("#\n# 5. ").or(body.find("# End of"));
            body[..end.expect("an end")].to_owned()
        };
        assert_eq!(body(&from_log), body(&report));
    }
}

/// A client that is not let in would not be, whatever is granted.
#[test]
fn only_what_a_grant_could_have_changed_is_learned() {
    let gate = Gate::with(&[("LEARN", "1"), ("SP_ALLOWFROM", "10.0.0.0/8")]);
    assert_eq!(gate.refusal(STOP).status(), 403);
    gate.dockgate.signal(Signal::USR1);
    gate.dockgate
        .line(|line| line == "# Nothing was learned: no requests.");

    let gate = Gate::with(LEARN);
    let bad = "GET /containers//json HTTP/1.1\r\nHost: docker\r\n\r\n";
    assert_eq!(gate.refusal(bad).status(), 400);
    let head = STOP.replace("Length: 0", "Length: 9");
    let client = gate.sent(head + "part");
    let mut engine = gate.engine.accept();
    engine.head();
    client.half_close();
    engine.rest();
    gate.dockgate
        .line(|line| line.ends_with("(the request body ended early)"));
    gate.dockgate.signal(Signal::USR1);
    let report = reports(&gate).remove(0);
    assert!(
        report.starts_with("# Learned from 1 requests.\n"),
        "{report}"
    );
    assert_eq!(variables(&report), "ALLOW_STOP=1 EVENTS=0 PING=0 VERSION=0");
}

/// A body is read to learn from it, and goes on byte by byte, whatever it is.
#[test]
fn bodies_are_forwarded_as_they_come() {
    let gate = Gate::with(LEARN);
    let head = "POST /v1.41/containers/create HTTP/1.1\r\nHost: docker\r\n";
    let privileged = r#" {"Image":"","HOSTCONFIG":{"privileged":true,"Binds":["/srv/ci:/x"]}} "#;
    let large = format!("{{\"Frob\":\"{}\"}}", "x".repeat(5 << 20));
    for body in [privileged, "{", r#"{"a":1,"A":2}"#, "nul", &large] {
        let length = body.len();
        let (mut client, mut engine, request) =
            gate.asked(format!("{head}Content-Length: {length}\r\n\r\n{body}"));
        let headers = [("content-length", &*length.to_string()), ("host", "docker")];
        assert_eq!(request.head.sorted(), headers);
        assert!(
            request.text() == body,
            "{}",
            &request.text()[..body.len().min(100)]
        );
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
    }
    let (start, end) = privileged.split_at(9);
    let chunks = [chunk(start), chunk(end), chunk("")].concat();
    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    chunked.extend(chunks);
    assert_eq!(gate.exchange(chunked, EMPTY).0.text(), privileged);
    // What ends early is not forwarded as if it were whole.
    let mut client = gate.sent(format!("{head}Content-Length: 9\r\n\r\n{{}}"));
    client.half_close();
    assert_eq!(client.response().status(), 400);
    // A short one that comes slowly.
    let mut client = gate.sent(format!("{head}Content-Length: 2\r\n\r\n{{"));
    client.send("}");
    let (mut engine, request) = gate.engine.request();
    assert_eq!(request.text(), "{}");
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    gate.still_works();
    gate.dockgate.signal(Signal::USR1);
    let report = reports(&gate).remove(0);
    let limits = report.split_once("# 5. ").expect("limits").1;
    let told: Vec<&str> = limits.lines().skip(1).collect();
    assert_eq!(
        told,
        [
            "environment:",
            "  DENY_ROOT: 1",
            "  BIND_FROM: '/srv/ci'",
            "# DENY_ROOT would still refuse POST /containers/create: A: duplicate key (case \
             is ignored in field names)",
            "# DENY_ROOT would still refuse POST /containers/create: HostConfig.Privileged \
             reaches the host's devices, the kernel",
            "# DENY_ROOT would still refuse POST /containers/create: the body is not valid \
             JSON: EOF while parsing a value at line 1 column 3",
            "# DENY_ROOT would still refuse POST /containers/create: the body is not valid \
             JSON: EOF while parsing an object at line 1 column 1",
            "# Some of what was requested is NOT covered: it was too much, or not read",
            "# End of what was learned.",
        ],
        "{report}"
    );
    assert!(!gate.dockgate.log().contains("Privileged true"));
}
