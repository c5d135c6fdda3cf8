//! Several engines behind one dockgate: which one a request goes to, that nothing of one is another's,
//! and what is said of one that is lost.

mod moved;
mod secure;
mod tls;

use std::fs;
use std::net::TcpListener;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use crate::policies::Many;
use crate::reload::{SWITCHED, reload};
use crate::support::gate::EMPTY;
use crate::support::{BOUND, Dockgate, End, Engine, Gate, Message, Wire};
use secure::{OWN, secure};
use tls::Server as _;

const GET: &str = "GET /containers/json HTTP/1.1\r\nHost: docker\r\n\r\n";
const POST: &str =
    "POST /containers/web/start HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n";
/// The policy `one` at `{tcp}` goes to the engine of the environment, `two` at `{second}` to another.
const TWO: &str = "engines: { other: \"unix://{other}\" }\n\
                   policies:\n  one: { CONTAINERS: 1 }\n  two: { CONTAINERS: 1, ENGINE: other }\n\
                   endpoints:\n- { listen: \"{tcp}\", policy: one }\n\
                   - { listen: \"{second}\", policy: two }\n";

/// A dockgate with two engines, the second of which is at `{other}` of its file.
fn two(text: &str) -> (Many, Engine) {
    let other = Engine::start();
    let many = Many::start(&placed(text, &other));
    (many, other)
}

fn placed(text: &str, other: &Engine) -> String {
    text.replace("{other}", other.path().to_str().expect("a plain path"))
}

/// An answer of an engine.
fn json(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// Sends a request that an engine gets and answers.
#[track_caller]
fn passes(client: &mut Wire, engine: &mut Wire) {
    client.send(GET);
    assert_eq!(engine.request().head.line, "GET /containers/json HTTP/1.1");
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
}

/// What a client gets that no engine answers.
#[track_caller]
fn refused(client: &mut Wire, request: &str) -> (u16, String) {
    client.send(request);
    let response = client.response();
    (response.status(), response.text())
}

#[test]
fn a_request_goes_to_the_engine_of_its_policy_and_to_no_other() {
    let (many, other) = two(TWO);
    let [mut one, mut two] = [many.tcp, many.second()].map(Wire::tcp);
    one.send(GET);
    let (mut first, _) = many.engine.request();
    first.send(EMPTY);
    assert_eq!(one.response().status(), 200);
    two.send(GET);
    let (mut second, _) = other.request();
    second.send(EMPTY);
    assert_eq!(two.response().status(), 200);
    // The connections are kept, each to its own.
    passes(&mut two, &mut second);
    passes(&mut one, &mut first);
    // One more may have looked whether it is there, at the start.
    let more = many.engine.accept_any(Duration::from_millis(1));
    assert!(more.is_none_or(|mut more| !more.has_more()));
}

#[test]
fn a_kept_connection_is_dropped_when_its_client_has_another_engine() {
    let (many, other) = two(TWO);
    let mut client = Wire::tcp(many.tcp);
    client.send(GET);
    let (mut first, _) = many.engine.request();
    first.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    let moved = TWO.replace(
        "one: { CONTAINERS: 1 }",
        "one: { CONTAINERS: 1, ENGINE: other }",
    );
    reload(&many, &placed(&moved, &other));
    client.send(GET);
    let (mut second, _) = other.request();
    second.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    assert_eq!(first.ends(), End::Closed);
    // The engine stays the same where only other things of a policy change.
    let more = moved.replace("one: { CONTAINERS: 1,", "one: { CONTAINERS: 1, INFO: 1,");
    reload(&many, &placed(&more, &other));
    passes(&mut client, &mut second);
    // And back, by the rules: the endpoint's policy is for nobody now.
    let ruled = format!("{TWO}clients: [{{ from: 127.0.0.0/8, policy: one }}]\n");
    reload(&many, &placed(&ruled, &other));
    client.send(GET);
    let (mut third, _) = many.engine.request();
    third.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    assert_eq!(second.ends(), End::Closed);
}

#[test]
fn what_is_under_way_at_an_engine_ends_when_its_client_has_another_one() {
    const EXEC: &str = "POST /exec/1/start HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\n\
                        Upgrade: tcp\r\nContent-Length: 2\r\n\r\n{}";
    let text = TWO.replace("CONTAINERS: 1", "CONTAINERS: 1, EXEC: 1, POST: 1");
    let (many, other) = two(&text);
    let tunnel = |engine: &Engine, address| {
        let mut client = Wire::tcp(address);
        client.send(EXEC);
        let (mut engine, _) = engine.request();
        engine.send(SWITCHED);
        assert_eq!(client.head().status(), 101);
        (client, engine)
    };
    let (mut client, mut engine) = tunnel(&many.engine, many.tcp);
    let (mut waits, mut at) = (Wire::tcp(many.tcp), Wire::tcp(many.second()));
    waits.send(GET);
    let (mut silent, _) = many.engine.request();
    let (mut stays, mut stays_at) = tunnel(&other, many.second());
    let moved = text.replace("one: { ", "one: { ENGINE: other, ");
    reload(&many, &placed(&moved, &other));
    // The engine that they were at has no more of them.
    engine.rest();
    client.rest();
    let response = waits.response();
    assert_eq!(response.status(), 503);
    let why = "go to another engine now: the engine other; send it again";
    assert!(response.text().contains(why), "{}", response.text());
    silent.rest();
    // Those that stay go on.
    stays.send("still");
    assert_eq!(stays_at.take(5), b"still");
    at.send(GET);
    let (mut engine, _) = other.request();
    engine.send(EMPTY);
    assert_eq!(at.response().status(), 200);
}

#[test]
fn a_policy_without_an_engine_has_that_of_the_endpoint() {
    let text = "engines: { other: \"unix://{other}\" }\npolicies: { all: { CONTAINERS: 1 } }\n\
                endpoints:\n- { listen: \"{tcp}\" }\n- { listen: \"{second}\", engine: other }\n\
                clients: [{ from: 127.0.0.0/8, policy: all }]\n";
    let (many, other) = two(text);
    for (address, engine) in [(many.tcp, &many.engine), (many.second(), &other)] {
        let mut client = Wire::tcp(address);
        client.send(GET);
        let (mut engine, _) = engine.request();
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
    }
}

/// An engine whose only container is such, and how often it was asked.
fn container(engine: &Engine, host_config: &'static str) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let id = "1".repeat(64);
    engine.serve(move |request: &Message| {
        count.fetch_add(1, SeqCst);
        match request.head.line.split(' ').nth(1) {
            Some("/containers/web/json") => json(&format!(
                r#"{{"Id":"{id}","Config":{{"Labels":{{}}}},"HostConfig":{host_config},"Mounts":[]}}"#
            )),
            Some("/containers/json?all=1") => json("[]"),
            _ => json("{}"),
        }
    });
    asked
}

#[test]
fn what_a_request_depends_on_is_asked_of_the_engine_that_it_goes_to() {
    let text = TWO.replace("CONTAINERS: 1", "CONTAINERS: 1, DENY_ROOT: 1");
    let (many, other) = two(&text);
    let harmless = container(&many.engine, r#"{"PidMode":""}"#);
    let privileged = container(&other, r#"{"PidMode":"","Privileged":true}"#);
    const EXPORT: &str = "GET /containers/web/export HTTP/1.1\r\nHost: docker\r\n\r\n";
    let (status, text) = refused(&mut Wire::tcp(many.second()), EXPORT);
    assert_eq!((status, harmless.load(SeqCst)), (403, 0), "{text}");
    let before = privileged.load(SeqCst);
    let mut client = Wire::tcp(many.tcp);
    client.send(EXPORT);
    assert_eq!(client.response().status(), 200);
    assert_eq!(privileged.load(SeqCst), before);
}

#[test]
fn what_was_pulled_on_one_engine_is_unknown_on_another() {
    let text = "engines: { other: \"unix://{other}\" }\n\
                policies: { ci: { IMAGES: 1, POST: 1, SCOPE: \"label:team=a\", SCOPE_IMAGES: 1 } }\n\
                endpoints:\n- { listen: \"{tcp}\", policy: ci }\n\
                - { listen: \"{second}\", policy: ci, engine: other }\n";
    let (many, other) = two(text);
    let digest = "0".repeat(64);
    let image = format!(
        r#"[{{"Id":"sha256:1","RepoTags":["new:1"],"RepoDigests":["new@sha256:{digest}"],"Labels":null}}]"#
    );
    for engine in [&many.engine, &other] {
        let image = image.clone();
        engine.serve(move |request| {
            match request.head.line.split(' ').nth(1).unwrap_or_default() {
                "/images/json" => json(&image),
                // It was not there before.
                path if path.ends_with("/new:1/json") => {
                    let body = r#"{"message":"no such image"}"#;
                    let length = body.len();
                    format!("HTTP/1.1 404 Not Found\r\nContent-Length: {length}\r\n\r\n{body}")
                        .into()
                }
                _ => json("{}"),
            }
        });
    }
    let list = |address| {
        refused(
            &mut Wire::tcp(address),
            "GET /images/json HTTP/1.1\r\nHost: d\r\n\r\n",
        )
        .1
    };
    let pull =
        "POST /images/create?fromImage=new&tag=1 HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(refused(&mut Wire::tcp(many.tcp), pull).0, 200);
    assert!(list(many.tcp).contains("new:1"));
    assert_eq!(list(many.second()), "[]");
    // Neither by a reload.
    reload(&many, &format!("{}# the same\n", placed(text, &other)));
    assert!(list(many.tcp).contains("new:1"));
    assert_eq!(list(many.second()), "[]");
    assert_eq!(refused(&mut Wire::tcp(many.second()), pull).0, 200);
    assert!(list(many.second()).contains("new:1"));
}

#[test]
fn a_lost_engine_is_named_and_the_clients_of_the_other_go_on() {
    let (many, mut other) = two(TWO);
    let [mut one, mut two] = [many.tcp, many.second()].map(Wire::tcp);
    one.send(GET);
    let (mut first, _) = many.engine.request();
    first.send(EMPTY);
    assert_eq!(one.response().status(), 200);
    // It breaks off in the middle of a request,
    two.send(GET);
    let (second, _) = other.request();
    drop(second);
    let response = two.response();
    let why = "the engine other closed the connection without responding";
    assert_eq!(response.status(), 502);
    assert!(response.text().contains(why), "{}", response.text());
    many.dockgate.line(|line| line.contains(why));
    // is stopped,
    other.stop();
    let (status, text) = refused(&mut two, GET);
    let socket = format!(
        "the socket {} of the engine other refuses",
        other.path().to_str().expect("plain")
    );
    assert_eq!(status, 503);
    assert!(text.contains(&socket), "{text}");
    passes(&mut one, &mut first);
    fs::remove_file(other.path()).expect("removed");
    let (_, text) = refused(&mut two, GET);
    assert!(text.contains("or set engines.other to its path"), "{text}");
    // and comes back.
    other.restart();
    two.send(GET);
    let (mut second, _) = other.request();
    second.send(EMPTY);
    assert_eq!(two.response().status(), 200);
    passes(&mut one, &mut first);
}

#[test]
fn an_engine_by_tcp_is_found_by_its_name_and_named_when_it_is_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let engine = format!("tcp://localhost:{port}");
    let gate = Gate::before(
        Engine::absent(),
        &[("CONTAINERS", "1"), ("SOCKET_PATH", &engine)],
    );
    let mut client = gate.client();
    let accepted = || Wire::new(listener.accept().expect("a connection").0.into());
    client.send(GET);
    let mut connection = loop {
        let mut one = accepted();
        // One only looks whether it is there, at the start.
        if one.has_more() {
            break one;
        }
    };
    connection.request();
    connection.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    passes(&mut client, &mut connection);
    drop((connection, listener));
    let (status, text) = refused(&mut client, GET);
    assert_eq!(status, 503);
    let why = format!("the engine at {engine} refuses connections: nothing is listening there");
    assert!(
        text.contains(&why) && text.contains("correct SOCKET_PATH"),
        "{text}"
    );
    let nowhere = [
        ("CONTAINERS", "1"),
        ("SOCKET_PATH", "tcp://name.invalid:2375"),
    ];
    let gate = Gate::before(Engine::absent(), &nowhere);
    let (status, text) = refused(&mut gate.client(), GET);
    assert_eq!(status, 503);
    assert!(
        text.contains("cannot be found: the name name.invalid cannot be resolved"),
        "{text}"
    );
    let open = "SOCKET_PATH: tcp://name.invalid:2375: the connection is not encrypted";
    gate.dockgate.line(|line| line.contains(open));
}

/// What `dockgate healthcheck` says of it.
fn health(many: &Many) -> (bool, String) {
    let file = many.file.display().to_string();
    let engine = many.engine.path().display().to_string();
    let own = [("CONFIG_FILE", file.as_str()), ("SOCKET_PATH", &engine)];
    let ran = Dockgate::command(&own).arg("healthcheck").output();
    let Output { status, stderr, .. } = ran.expect("it runs");
    (
        status.success(),
        String::from_utf8_lossy(&stderr).into_owned(),
    )
}

#[test]
fn a_health_check_asks_every_engine_in_use() {
    let other = Engine::start();
    let local = Engine::start();
    for engine in [&other, &local] {
        engine.serve(|_| json("OK"));
    }
    let many = Many::with(local, &placed(TWO, &other), &[]);
    assert_eq!(health(&many), (true, String::new()));
    let mut other = other;
    other.stop();
    fs::remove_file(other.path()).expect("removed");
    let (is_healthy, told) = health(&many);
    let why = format!(
        "the engine other at {}: No such file",
        other.path().display()
    );
    assert!(!is_healthy && told.contains(&why), "{told}");
    // Nobody uses it any more.
    let unused = TWO.replace("CONTAINERS: 1, ENGINE: other", "CONTAINERS: 1");
    reload(&many, &placed(&unused, &other));
    assert_eq!(health(&many), (true, String::new()));
}

#[test]
fn a_health_check_speaks_tls() {
    let secure = secure(|all| all.signs("localhost", None).server(Some(all)), OWN);
    assert_eq!(health(&secure.many), (true, String::new()));
    let expired = secure.authority.signs("localhost", Some(2020));
    secure.engine.becomes(expired.server(None));
    let (is_healthy, told) = health(&secure.many);
    assert!(
        !is_healthy && told.contains("the engine nas at tcp://localhost:"),
        "{told}"
    );
    assert!(told.contains("its certificate has expired"), "{told}");
}

#[test]
fn the_watchdog_tells_of_a_hung_engine_and_of_its_recovery() {
    let other = Engine::start();
    let local = Engine::start();
    local.serve(|_| json("OK"));
    let watch = [("SP_WATCHDOGINTERVAL", "1"), ("SP_STOPONWATCHDOG", "true")];
    let mut many = Many::with(local, &placed(TWO, &other), &watch);
    // It takes connections, and says nothing.
    let hung = other.accept();
    let line = many.dockgate.line_within(2 * BOUND, |line| {
        line.contains("watchdog: the engine other")
    });
    assert!(
        line.contains("did not answer /_ping within 10 seconds"),
        "{line}"
    );
    drop(hung);
    assert!(!many.dockgate.has_ended(), "it hangs, but it is there");
    other.serve(|_| json("OK"));
    many.dockgate.line(|line| {
        line.contains("watchdog: the engine other at ") && line.contains(" answers again")
    });
    let mut other = other;
    other.stop();
    fs::remove_file(other.path()).expect("removed");
    let (status, _) = many.dockgate.exit_within(BOUND);
    assert_eq!(status.code(), Some(10));
}
