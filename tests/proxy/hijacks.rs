//! Attach and the start of an exec without `Upgrade`: the engine takes its connection over with a
//! 200, and what the client sends from then on is the input, and never a request.

use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::gate::EMPTY;
use crate::support::{BOUND, Dockgate, End, Engine, Gate, OPEN, Wire};

const ATTACH: &str = "POST /v1.24/containers/c/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\n\
                      Host: docker\r\nContent-Length: 0\r\n\r\n";
const EXEC: &str = "POST /exec/e/start HTTP/1.1\r\nHost: docker\r\n\
                    Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
const CHUNKED_EXEC: &str = "POST /v1.41/exec/e/start HTTP/1.1\r\nHost: docker\r\n\
                            Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
const UPGRADE: &str = "POST /v1.41/containers/c/attach HTTP/1.1\r\nHost: docker\r\n\
                       Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
const OLD: &str = "POST /containers/c/attach HTTP/1.0\r\n\r\n";
const RAW: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n";
const MULTIPLEXED: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n\r\n";
/// A request that would be allowed, and must not be read as one.
const REQUEST: &str = "GET /version HTTP/1.1\r\nHost: docker\r\n\r\n";

/// Both ends of a connection that was hijacked with `answer`.
#[track_caller]
fn hijacked(gate: &Gate, request: &str, answer: &str) -> (Wire, Wire) {
    let (mut client, mut engine, _) = gate.asked(request);
    engine.send(answer);
    let head = client.head();
    assert_eq!(head.status(), 200);
    let kind = head.one("content-type").unwrap_or_default();
    assert!(answer.contains(kind) && kind.ends_with("-stream"), "{kind}");
    assert_eq!(head.one("content-length"), None);
    assert_eq!(head.one("transfer-encoding"), None);
    (client, engine)
}

#[test]
fn what_a_client_sends_behind_a_200_reaches_the_engine() {
    let gate = Gate::open();
    for request in [ATTACH, EXEC, CHUNKED_EXEC, UPGRADE, OLD] {
        for answer in [RAW, MULTIPLEXED] {
            let (mut client, mut engine) = hijacked(&gate, request, answer);
            client.send("ping\0\r\n\r\n");
            assert_eq!(engine.take(9), b"ping\0\r\n\r\n");
            engine.send("HTTP/1.1 pong");
            assert_eq!(client.take(13), b"HTTP/1.1 pong");
            client.send(REQUEST);
            assert_eq!(engine.take(REQUEST.len()), REQUEST.as_bytes());
            // The end of the input is not the end of the output.
            client.half_close();
            assert_eq!(engine.ends(), End::Closed);
            engine.send("still here");
            assert_eq!(client.take(10), b"still here");
            drop(engine);
            assert_eq!(client.ends(), End::Closed);
        }
    }
    gate.still_works();
}

#[test]
fn input_that_comes_early_waits_for_the_200_and_keeps_its_order() {
    let gate = Gate::open();
    for request in [ATTACH, EXEC, CHUNKED_EXEC, UPGRADE] {
        let mut client = gate.sent([request, REQUEST].concat());
        let (mut engine, request) = gate.engine.request();
        assert_eq!(request.head.line.split(' ').next(), Some("POST"));
        client.send("and ");
        // An engine loses what comes before its 200.
        assert!(engine.is_silent(Duration::from_millis(100)));
        engine.send([RAW, "output"].concat());
        assert_eq!(client.head().status(), 200);
        assert_eq!(client.take(6), b"output");
        client.send("late");
        let all = [REQUEST, "and late"].concat();
        assert_eq!(engine.take(all.len()), all.as_bytes());
        drop(client);
        engine.rest();
    }
    // Even an input that ended before the 200.
    let mut client = gate.sent([ATTACH, "all of it"].concat());
    client.half_close();
    let (mut engine, _) = gate.engine.request();
    engine.send(RAW);
    assert_eq!(client.head().status(), 200);
    assert_eq!(engine.take(9), b"all of it");
    assert_eq!(engine.ends(), End::Closed);
    engine.send("answer");
    drop(engine);
    assert_eq!(client.rest(), (b"answer".to_vec(), End::Closed));
    gate.still_works();
}

#[test]
fn an_engine_that_is_done_at_once_is_no_less_hijacked() {
    let gate = Gate::open();
    let (mut client, mut engine, _) = gate.asked([ATTACH, "input"].concat());
    engine.send([RAW, "output"].concat());
    engine.half_close();
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.rest(), (b"output".to_vec(), End::Closed));
    assert_eq!(engine.take(5), b"input");
    client.send("more");
    assert_eq!(engine.take(4), b"more");
    client.half_close();
    assert_eq!(engine.ends(), End::Closed);
    gate.still_works();
}

#[test]
fn nothing_follows_an_answer_that_is_no_hijack() {
    let gate = Gate::open();
    let logs = "GET /v1.41/containers/c/logs HTTP/1.1\r\nHost: docker\r\n\r\n";
    let wait = "POST /v1.41/containers/c/wait HTTP/1.1\r\nHost: docker\r\n\r\n";
    let html = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n";
    let untyped = "HTTP/1.1 200 OK\r\n\r\n";
    let created = RAW.replace("200 OK", "201 Created");
    let missing = RAW.replace("200 OK", "404 Not Found");
    let old = RAW.replace("HTTP/1.1", "HTTP/1.0");
    let typed_twice = MULTIPLEXED.replace("\r\n\r\n", "\r\nContent-Type: text/html\r\n\r\n");
    let parameter = RAW.replace("raw-stream", "raw-stream; charset=utf-8");
    for (request, answer) in [
        (logs, RAW),
        (wait, RAW),
        (ATTACH, html),
        (EXEC, untyped),
        (ATTACH, &created),
        (UPGRADE, &missing),
        (ATTACH, &old),
        (EXEC, &typed_twice),
        (ATTACH, &parameter),
    ] {
        let (mut client, mut engine, _) = gate.asked([request, REQUEST].concat());
        engine.send([answer, "output"].concat());
        client.head();
        assert_eq!(client.take(6), b"output", "{request}{answer}");
        client.send(REQUEST);
        let nothing = engine.is_silent(Duration::from_millis(50));
        assert!(nothing, "input behind {request}{answer}");
        drop(engine);
        client.rest();
    }
    // Where the answer has an end, what follows is a request.
    for (length, body) in [
        ("Content-Length: 2", "ok"),
        ("Transfer-Encoding: chunked", "2\r\nok\r\n0\r\n\r\n"),
    ] {
        let answer = RAW.replace("\r\n\r\n", &format!("\r\n{length}\r\n\r\n{body}"));
        let (mut client, mut engine, _) = gate.asked([ATTACH, REQUEST].concat());
        engine.send(answer);
        assert_eq!(client.response().text(), "ok");
        assert_eq!(engine.request().head.line, "GET /version HTTP/1.1");
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
    }
    gate.still_works();
}

#[test]
fn a_denied_request_hijacks_nothing() {
    let gate = Gate::with(&[("CONTAINERS", "1")]);
    for request in [ATTACH, EXEC, CHUNKED_EXEC, UPGRADE, OLD] {
        let mut client = gate.sent([request, "input"].concat());
        assert_eq!(client.response().status(), 403);
    }
    gate.still_works();
}

#[test]
fn a_body_that_is_not_whole_goes_on_as_a_body() {
    let gate = Gate::open();
    let first = "2\r\n{}\r\n";
    for (head, part, rest) in [
        ("Content-Length: 10", "{}", "the rest"),
        ("Transfer-Encoding: chunked", first, "1\r\n \r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "", "1\r\n \r\n0\r\n\r\n"),
    ] {
        let head = format!("POST /exec/e/start HTTP/1.1\r\nHost: docker\r\n{head}\r\n\r\n");
        let mut client = gate.sent(head + part);
        let mut engine = gate.engine.accept();
        engine.head();
        engine.take(part.len());
        engine.send([RAW, "output"].concat());
        assert_eq!(client.head().status(), 200);
        assert_eq!(client.take(6), b"output");
        client.send([rest, REQUEST].concat());
        assert_eq!(engine.take(rest.len()), rest.as_bytes());
        // What follows it is neither input nor a request.
        assert!(engine.is_silent(Duration::from_millis(50)));
        engine.send("more");
        assert_eq!(client.take(4), b"more");
        drop(engine);
        assert_eq!(client.rest().0, b"");
        gate.dockgate
            .line(|line| line.contains(" 200 ") && line.contains("out=10"));
    }
    // A client that breaks it off ends it.
    let mut client = gate.sent([&CHUNKED_EXEC[..CHUNKED_EXEC.len() - 5], "5\r\nhe"].concat());
    let mut engine = gate.engine.accept();
    engine.head();
    engine.take(first.len());
    engine.send(RAW);
    assert_eq!(client.head().status(), 200);
    drop(client);
    assert!(!engine.rest().0.ends_with(b"0\r\n\r\n"));
    gate.still_works();
}

#[test]
fn a_body_whose_end_comes_a_little_late_is_waited_for() {
    let gate = Gate::open();
    // An engine that needs no more of it than it has understood.
    let head = "POST /exec/e/start HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = gate.sent([head, "2\r\n{}\r\n"].concat());
    let mut engine = gate.engine.accept();
    engine.head();
    engine.take(7);
    engine.send([RAW, "output"].concat());
    client.send("0\r\n\r\ninput");
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.take(6), b"output");
    assert_eq!(engine.take(10), b"0\r\n\r\ninput");
    client.half_close();
    assert_eq!(engine.ends(), End::Closed);
    gate.still_works();
}

#[test]
fn much_input_and_output_pass_at_once_intact() {
    const BLOCKS: usize = 400;
    let gate = Gate::open();
    let (mut client, mut engine) = hijacked(&gate, EXEC, RAW);
    let block = |seed: u32| (0..16_000).flat_map(move |n: u32| ((n * n) ^ seed).to_be_bytes());
    let (up, down): (Vec<u8>, Vec<u8>) = (block(1).collect(), block(2).collect());
    let mut senders = [(client.twin(), &up), (engine.twin(), &down)];
    let (at_engine, at_client) = thread::scope(|scope| {
        for (wire, block) in &mut senders {
            scope.spawn(move || {
                for _ in 0..BLOCKS {
                    wire.send(*block);
                }
                wire.half_close();
            });
        }
        let at_engine = scope.spawn(|| engine.rest());
        let at_client = client.rest();
        (at_engine.join().expect("received"), at_client)
    });
    let sent = (up.repeat(BLOCKS), End::Closed);
    assert!(at_engine == sent, "the input differs");
    let sent = (down.repeat(BLOCKS), End::Closed);
    assert!(at_client == sent, "the output differs");
    gate.still_works();
}

#[test]
fn input_passes_while_nobody_reads_the_output() {
    let gate = Gate::open();
    let (mut client, mut engine) = hijacked(&gate, ATTACH, RAW);
    engine.patience(Duration::from_millis(500));
    while engine.try_send([b'x'; 1 << 16]).is_ok() {}
    engine.patience(BOUND);
    client.send("input");
    assert_eq!(engine.take(5), b"input");
    drop(client);
    engine.rest();
    gate.still_works();
}

#[test]
fn a_hijack_is_one_line_when_both_directions_have_ended() {
    let gate = Gate::open();
    let lines = || {
        let lines = gate.dockgate.lines();
        let is_its = |line: &String| line.contains("/exec/e/start");
        lines.into_iter().filter(is_its).collect::<Vec<_>>()
    };
    let (mut client, mut engine) = hijacked(&gate, EXEC, RAW);
    client.send("x".repeat(12345));
    engine.take(12345);
    engine.send("y".repeat(54321));
    client.take(54321);
    engine.half_close();
    assert_eq!(client.ends(), End::Closed);
    client.send("z");
    engine.take(1);
    assert_eq!(lines(), [""; 0]);
    client.half_close();
    let line = gate.dockgate.line(|line| line.contains("/exec/e/start"));
    // Two of them are the request's own body.
    for part in [
        " info ",
        " 200 ",
        "in=12348",
        "out=54321",
        "allowed by EXEC",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    gate.still_works();
    assert_eq!(lines(), [line]);
}

#[test]
fn whoever_is_gone_ends_the_hijack() {
    let gate = Gate::open();
    let (client, mut engine) = hijacked(&gate, ATTACH, RAW);
    client.reset();
    engine.rest();
    let (client, mut engine) = hijacked(&gate, ATTACH, RAW);
    drop(client);
    assert_eq!(engine.ends(), End::Closed);
    engine.send_until_refused("output");
    let (mut client, engine) = hijacked(&gate, ATTACH, RAW);
    drop(engine);
    assert_eq!(client.ends(), End::Closed);
    client.send_until_refused([b'x'; 1 << 16]);
    // An engine that dies with input unread has not ended its output.
    let (mut client, mut engine) = hijacked(&gate, ATTACH, RAW);
    client.send("input");
    assert!(!engine.is_silent(BOUND));
    drop(engine);
    assert_eq!(client.ends(), End::Reset);
    gate.still_works();
}

#[test]
fn a_client_of_a_unix_listener_that_is_gone_ends_the_hijack() {
    let engine = Engine::start();
    let path = engine.directory().join("gate.sock");
    let listen = format!("unix://{}", path.display());
    let socket = engine.path().to_str().expect("a plain path").to_owned();
    let own = [("LISTEN", &*listen), ("SOCKET_PATH", &*socket)];
    let dockgate = Dockgate::start(&[&own, OPEN].concat());
    dockgate.listens(&listen);
    let mut client = Wire::unix(&path);
    client.send(ATTACH);
    let (mut connection, _) = engine.request();
    connection.send(RAW);
    assert_eq!(client.head().status(), 200);
    // Such a close is no reset, and the engine has nothing to say that could fail.
    drop(client);
    assert_eq!(connection.ends(), End::Closed);
    dockgate.line(|line| line.contains("/containers/c/attach"));
}

#[test]
fn what_breaks_off_is_a_reset_hijacked_or_not() {
    let gate = Gate::open();
    let missing = RAW.replace("200 OK", "404 Not Found");
    let html = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n";
    for answer in [RAW, &missing, html] {
        let mut client = gate.sent(ATTACH.replace("Length: 0", "Length: 4"));
        let mut engine = gate.engine.accept();
        engine.head();
        client.send("body");
        // What it leaves unread makes its close a reset.
        assert!(!engine.is_silent(BOUND));
        engine.send([answer, "part"].concat());
        client.head();
        assert_eq!(client.take(4), b"part");
        drop(engine);
        assert_eq!(client.ends(), End::Reset, "{answer}");
    }
    gate.still_works();
}

#[test]
fn a_client_that_breaks_its_body_off_is_no_engine_s_fault() {
    let gate = Gate::open();
    let head = "POST /exec/e/start HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = gate.sent([head, "2\r\n{}\r\n"].concat());
    let mut engine = gate.engine.accept();
    engine.head();
    engine.take(7);
    engine.send(RAW);
    assert_eq!(client.head().status(), 200);
    client.send("zz\r\n");
    assert_eq!(engine.rest().0, b"");
    let line = gate.dockgate.line(|line| line.contains("/exec/e/start"));
    assert!(line.contains("invalid chunked encoding"), "{line}");
    assert!(!line.contains("engine"), "{line}");
    gate.still_works();
}

#[test]
fn input_without_its_beginning_is_no_input() {
    let engine = Engine::start();
    let path = engine.directory().join("gate.sock");
    let listen = format!("unix://{}", path.display());
    let socket = engine.path().to_str().expect("a plain path").to_owned();
    let own = [("LISTEN", &*listen), ("SOCKET_PATH", &*socket)];
    let dockgate = Dockgate::start(&[&own, OPEN].concat());
    dockgate.listens(&listen);
    // Which direction is looked at first is left to chance.
    for _ in 0..20 {
        let mut client = Wire::unix(&path);
        client.send([ATTACH, "rm -rf /tmp"].concat());
        let (mut connection, _) = engine.request();
        client.send("/rubbish");
        // The 200 cannot be written to it any more, but what it sent can be read.
        drop(client);
        connection.send(RAW);
        assert_eq!(connection.rest().0.escape_ascii().to_string(), "");
        let line = dockgate.line(|line| line.contains("/containers/c/attach"));
        assert!(line.contains("the client disconnected"), "{line}");
    }
}

#[test]
fn sigterm_ends_a_silent_hijack() {
    let mut gate = Gate::open_with(&[("SHUTDOWN_GRACE", "60")]);
    let (mut client, mut engine) = hijacked(&gate, ATTACH, RAW);
    gate.dockgate.signal(Signal::TERM);
    client.rest();
    engine.rest();
    let (status, _) = gate.dockgate.exit_within(BOUND);
    assert_eq!(status.code(), Some(0));
    let line = gate.dockgate.line(|line| line.contains("/attach"));
    assert!(line.contains("idle at shutdown"), "{line}");
}
