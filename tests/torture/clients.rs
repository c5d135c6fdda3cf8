//! Clients that go, at every stage of a request, and clients that send what nobody asked for.

use std::thread;
use std::time::{Duration, Instant};

use crate::machine::{one_of, shared};
use crate::support::gate::EMPTY;
use crate::support::wire::chunk;
use crate::support::{End, Gate, Wire};
use crate::traffic::get;

const LIST: &str = "GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\n\r\n";
const LOAD: &str = "POST /v1.41/images/load HTTP/1.1\r\nHost: docker\r\n";
const ATTACH: &str = "POST /v1.41/containers/c/attach HTTP/1.1\r\nHost: docker\r\n\
                      Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
const SECOND: Duration = Duration::from_secs(1);

/// Both ends of a request that is under way.
type Ends = (Wire, Wire);

/// Brings a request so far.
type Stage = fn(&Gate) -> Ends;

/// The stages at which a client can go, and what it may have left behind it.
const STAGES: &[(&str, Stage)] = &[
    ("before the answer", waiting),
    ("before the answer, with requests behind", |gate| {
        pipelined(waiting(gate))
    }),
    ("in a silent stream", streaming),
    ("in a silent stream, with requests behind", |gate| {
        pipelined(streaming(gate))
    }),
    ("in an upload", uploading),
    ("in an upload that is answered already", |gate| {
        let (mut client, mut engine) = uploading(gate);
        engine.send(STREAM);
        assert_eq!(client.head().status(), 200);
        (client, engine)
    }),
    ("in a stalled upload with a length", |gate| {
        let (client, engine) = asked_to_load(gate, "Content-Length: 1000000000\r\n\r\n");
        (stuffed(client, &[b'x'; 1 << 16]), engine)
    }),
    ("in a stalled upload in chunks", |gate| {
        let (client, engine) = asked_to_load(gate, "Transfer-Encoding: chunked\r\n\r\n");
        (stuffed(client, &chunk([b'x'; 1 << 16])), engine)
    }),
    ("with an answer that it does not read", |gate| {
        let (client, mut engine) = streaming(gate);
        engine.patience(SECOND / 2);
        let block = chunk([b'x'; 1 << 16]);
        while engine.try_send(&block).is_ok() {}
        engine.patience(crate::support::BOUND);
        (client, engine)
    }),
    ("before the switch, with bytes behind", |gate| {
        let (mut client, engine, _) = gate.asked(ATTACH);
        client.send("early");
        (client, engine)
    }),
    ("in a silent tunnel", tunnel),
    ("in a tunnel whose input nobody reads", |gate| {
        let (client, engine) = tunnel(gate);
        (stuffed(client, &[b'x'; 1 << 16]), engine)
    }),
    ("in a tunnel whose output it does not read", |gate| {
        let (client, engine) = tunnel(gate);
        (client, stuffed(engine, &[b'x'; 1 << 16]))
    }),
];

fn waiting(gate: &Gate) -> Ends {
    let (client, engine, _) = gate.asked(LIST);
    (client, engine)
}

fn pipelined((mut client, engine): Ends) -> Ends {
    client.send(LIST.repeat(1000));
    (client, engine)
}

fn streaming(gate: &Gate) -> Ends {
    let (mut client, mut engine, _) = gate.asked(get("/v1.41/events"));
    engine.send(STREAM);
    assert_eq!(client.head().status(), 200);
    (client, engine)
}

fn asked_to_load(gate: &Gate, framing: &str) -> Ends {
    let client = gate.sent([LOAD, framing].concat());
    let mut engine = gate.engine.accept();
    engine.head();
    (client, engine)
}

fn uploading(gate: &Gate) -> Ends {
    let (mut client, mut engine) = asked_to_load(gate, "Content-Length: 100\r\n\r\n");
    client.send("part");
    engine.take(4);
    (client, engine)
}

fn tunnel(gate: &Gate) -> Ends {
    let (mut client, mut engine, _) = gate.asked(ATTACH);
    engine.send(SWITCHED);
    assert_eq!(client.head().status(), 101);
    (client, engine)
}

/// Sends until nothing more is taken.
fn stuffed(mut wire: Wire, block: &[u8]) -> Wire {
    wire.patience(SECOND / 2);
    while wire.try_send(block).is_ok() {}
    wire.patience(crate::support::BOUND);
    wire
}

#[test]
fn a_reset_releases_the_engine_within_a_second_at_every_stage() {
    let _shared = shared();
    let gate = Gate::open();
    for (stage, set) in STAGES {
        one_of(3, || {
            let (client, mut engine) = set(&gate);
            client.reset();
            let reset = Instant::now();
            engine.rest();
            match reset.elapsed() {
                took if took < SECOND => Ok(()),
                took => Err(format!("released {took:?} after a reset {stage}")),
            }
        });
        gate.still_works();
    }
}

#[test]
fn a_failed_write_releases_the_engine_within_a_second() {
    let _shared = shared();
    let gate = Gate::open();
    for set in [streaming as fn(&Gate) -> Ends, tunnel] {
        one_of(3, || {
            let (client, mut engine) = set(&gate);
            // A FIN at first; what is sent now, the client's kernel answers with a reset.
            drop(client);
            let written = Instant::now();
            engine.send_until_refused(chunk([b'x'; 1000]));
            match written.elapsed() {
                took if took < SECOND => Ok(()),
                took => Err(format!("released {took:?} after the first write")),
            }
        });
        gate.still_works();
    }
}

/// Run beside other tests that wait.
pub(crate) fn silence_behind_a_fin_ends_what_is_under_way() {
    let gate = Gate::open();
    let under_way: &[fn(&Gate) -> Ends] = &[
        waiting,
        streaming,
        |gate| pipelined(waiting(gate)),
        |gate| pipelined(streaming(gate)),
    ];
    let mut all: Vec<Ends> = under_way.iter().map(|set| set(&gate)).collect();
    let fin = Instant::now();
    for (client, _) in &all {
        client.half_close();
    }
    for (client, engine) in &mut all {
        engine.patience(3 * crate::support::BOUND);
        engine.rest();
        let took = fin.elapsed();
        assert!(
            took > 9 * SECOND && took < 15 * SECOND,
            "released {took:?} after a FIN"
        );
        let (rest, _) = client.rest();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "a false end");
    }
    drop(all);
    gate.still_works();
}

/// Run beside other tests that wait.
pub(crate) fn a_fin_in_a_tunnel_is_no_more_than_that() {
    let gate = Gate::open();
    let (mut client, mut engine) = tunnel(&gate);
    client.send("last input");
    client.half_close();
    assert_eq!(engine.take(10), b"last input");
    assert_eq!(engine.ends(), End::Closed);
    thread::sleep(12 * SECOND);
    engine.send("output");
    assert_eq!(client.take(6), b"output");
    drop(engine);
    assert_eq!(client.ends(), End::Closed);
    gate.still_works();
}

#[test]
fn a_fin_right_behind_a_request_costs_no_answer() {
    let _shared = shared();
    let gate = Gate::open();
    let chunked = format!("{LOAD}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n");
    for request in [
        LIST,
        "GET /v1.41/containers/json HTTP/1.0\r\n\r\n",
        "GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n",
        &format!("{LOAD}Content-Length: 4\r\n\r\nbody"),
        &chunked,
    ] {
        for _ in 0..10 {
            let mut client = gate.sent(request);
            client.half_close();
            let (mut engine, seen) = gate.engine.request();
            assert!(matches!(seen.text().as_str(), "" | "body"));
            engine.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole");
            assert_eq!(client.response().text(), "whole");
            assert_eq!(client.ends(), End::Closed);
            assert_eq!(engine.ends(), End::Closed);
        }
    }
    // A denial is an answer too.
    let mut client = gate.sent(get("/nothing"));
    client.half_close();
    assert_eq!(client.response().status(), 403);
    assert_eq!(client.ends(), End::Closed);
    gate.still_works();
}

#[test]
fn a_hundred_pipelined_requests_are_answered_in_order() {
    let _shared = shared();
    let gate = Gate::with(&[("CONTAINERS", "1"), ("POST", "1")]);
    let request = |n: usize| match n % 6 {
        0 | 3 => get(&format!("/v1.41/secrets/{n}")),
        1 => get(&format!("/v1.41/containers/{n}/json")),
        2 => format!(
            "POST /v1.41/containers/{n}/update HTTP/1.1\r\nHost: docker\r\n\
             Content-Length: 31\r\n\r\nGET /v1.41/secrets HTTP/1.1\r\n\r\n"
        ),
        4 => format!(
            "POST /v1.41/containers/{n}/update HTTP/1.1\r\nHost: docker\r\n\
             Transfer-Encoding: chunked\r\n\r\n1f\r\nGET /v1.41/secrets HTTP/1.1\r\n\r\n\r\n\
             0\r\n\r\n"
        ),
        _ => format!("HEAD /v1.41/containers/{n}/archive?path=/ HTTP/1.1\r\nHost: docker\r\n\r\n"),
    };
    let all: String = (0..100).map(request).collect();
    // In one piece, and in pieces that end anywhere.
    for piece in [all.len(), 1000, 77] {
        let mut client = gate.client();
        let mut sending = client.twin();
        thread::scope(|scope| {
            scope.spawn(|| {
                for piece in all.as_bytes().chunks(piece) {
                    sending.send(piece);
                }
            });
            let mut engine = gate.engine.accept();
            for n in (0..100).filter(|n| n % 3 != 0) {
                let seen = engine.request();
                let wanted = request(n);
                assert_eq!(Some(seen.head.line.as_str()), wanted.lines().next());
                engine.send(format!(
                    "HTTP/1.1 200 OK\r\nX-N: {n}\r\nContent-Length: 0\r\n\r\n"
                ));
            }
            for n in 0..100 {
                let response = client.response();
                match n % 3 {
                    0 => assert_eq!(response.status(), 403, "{n}"),
                    _ => assert_eq!(response.head.one("x-n"), Some(n.to_string().as_str())),
                }
            }
            client.half_close();
            assert_eq!(client.ends(), End::Closed);
            assert_eq!(engine.ends(), End::Closed);
        });
    }
    gate.still_works();
}

/// Kinds of routes, and the protocol to which the engine switches there, if it does.
const ROUTES: &[(&str, Option<&str>)] = &[
    ("GET /v1.41/containers/json", None),
    ("GET /v1.41/events", None),
    ("POST /v1.41/containers/c/start", None),
    ("POST /v1.41/containers/c/exec", None),
    ("DELETE /v1.41/containers/c", None),
    ("GET /v1.41/containers/c/attach", None),
    ("GET /v1.41/exec/e/start", None),
    ("POST /v1.41/containers/c/attach", Some("tcp")),
    ("POST /v1.41/exec/e/start", Some("tcp")),
    ("GET /v1.41/containers/c/attach/ws", Some("websocket")),
    ("POST /v1.41/session", Some("h2c")),
    ("POST /grpc", Some("h2c")),
];

#[test]
fn an_upgrade_never_changes_the_verdict_and_passes_only_where_it_means_something() {
    let _shared = shared();
    let protocols = [
        "h2c",
        "websocket",
        "tcp",
        "junk",
        "TLS/1.0, HTTP/2.0",
        "tcp, h2c",
        "",
        "TCP",
    ];
    let gate = Gate::open();
    let closed = Gate::with(&[]);
    for (route, switches_to) in ROUTES {
        for protocol in protocols {
            let request = format!(
                "{route} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                 Upgrade: {protocol}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
            );
            if !route.ends_with("/events") {
                assert_eq!(
                    closed.refusal(&request).status(),
                    403,
                    "{protocol:?} {route}"
                );
            }
            let (mut client, mut engine, seen) = gate.asked(&request);
            assert_eq!(seen.head.line, format!("{route} HTTP/1.1"));
            let meant = switches_to.is_some_and(|known| known.eq_ignore_ascii_case(protocol));
            assert_eq!(
                seen.head.one("upgrade"),
                meant.then_some(protocol),
                "{route}"
            );
            assert_eq!(seen.head.one("http2-settings"), None);
            // An engine that switches all the same finds nobody who follows.
            engine.send(SWITCHED);
            assert_eq!(
                client.head().status(),
                if meant { 101 } else { 502 },
                "{protocol:?} {route}"
            );
            engine.half_close();
            engine.try_send("").ok();
            client.half_close();
            client.rest();
            engine.rest();
        }
    }
    closed.still_works();
    gate.still_works();
}

#[test]
fn a_request_behind_an_upgrade_is_input_or_is_decided_on() {
    let _shared = shared();
    let gate = Gate::with(&[("CONTAINERS", "1"), ("POST", "1")]);
    let secrets = get("/v1.41/secrets");
    // The engine switches: what follows is the tunnel's, and not before the 101.
    let (mut client, mut engine, _) = gate.asked([ATTACH, &secrets].concat());
    assert!(engine.is_silent(SECOND / 5));
    engine.send(SWITCHED);
    assert_eq!(client.head().status(), 101);
    assert_eq!(engine.take(secrets.len()), secrets.as_bytes());
    drop(engine);
    client.rest();
    // It does not: what follows is a request like any other.
    for refusal in ["404 Not Found", "409 Conflict", "400 Bad Request"] {
        let (mut client, mut engine, _) =
            gate.asked([ATTACH, &secrets, &get("/v1.41/containers/json")].concat());
        engine.send(format!("HTTP/1.1 {refusal}\r\nContent-Length: 2\r\n\r\nno"));
        assert_eq!(client.response().text(), "no");
        assert_eq!(client.response().status(), 403);
        assert_eq!(
            engine.request().head.line,
            "GET /v1.41/containers/json HTTP/1.1"
        );
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
    }
    // It streams instead, to the connection's end: what follows is the stream's.
    let raw = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nout";
    let (mut client, mut engine, _) = gate.asked([ATTACH, &secrets].concat());
    assert!(engine.is_silent(SECOND / 5));
    engine.send(raw);
    assert_eq!(client.head().status(), 200);
    assert_eq!(engine.take(secrets.len()), secrets.as_bytes());
    drop(engine);
    assert_eq!(client.rest().0, b"out");
    // Or it streams something that is none of a client's input: nothing that follows is read.
    let (mut client, mut engine, _) = gate.asked([ATTACH, &secrets].concat());
    engine.send(raw.replace("raw-stream", "other"));
    engine.half_close();
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.rest().0, b"out");
    assert_eq!(engine.rest().0, b"");
    // No switch where there is none: decided on at once, whatever it said.
    let upgrade = "GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\n\
                   Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    let (mut client, mut engine, _) = gate.asked([upgrade, &secrets].concat());
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    assert_eq!(client.response().status(), 403);
    gate.still_works();
}

#[test]
fn http_2_is_refused_and_nothing_of_it_forwarded() {
    let _shared = shared();
    let gate = Gate::open();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    let headers = b"\0\0\x01\x01\x05\0\0\0\x01\x82";
    for sent in [
        [preface.as_slice(), settings, headers].concat(),
        [preface.as_slice(), headers, LIST.as_bytes()].concat(),
        [b"\r\n".as_slice(), preface, headers, LIST.as_bytes()].concat(),
    ] {
        let (answer, end) = gate.sent(sent).rest();
        assert!(answer.starts_with(settings), "{}", answer.escape_ascii());
        assert!(
            answer.ends_with(b"use HTTP/1.1"),
            "{}",
            answer.escape_ascii()
        );
        assert_eq!(end, End::Closed);
    }
    // Nor behind a good request.
    let (mut client, mut engine, _) = gate.asked([LIST.as_bytes(), preface].concat());
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    assert_eq!(client.response().status(), 400);
    gate.still_works();
}
