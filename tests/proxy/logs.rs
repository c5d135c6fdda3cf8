//! The log: one line a request when it ends, that nobody can forge, flood or block.

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::dockgate::free_address;
use crate::support::gate::EMPTY;
use crate::support::{BOUND, Dockgate, Engine, Gate, OPEN, OPEN_READS, Wire};

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: docker\r\n\r\n")
}

/// The lines that name a target, once a later request's line is there too.
#[track_caller]
fn lines_of(gate: &Gate, target: &str) -> Vec<String> {
    gate.refusal(get("/nothing-after-this"));
    gate.dockgate
        .line(|line| line.contains("/nothing-after-this"));
    gate.dockgate
        .lines()
        .into_iter()
        .filter(|line| line.contains(target))
        .collect()
}

/// Whether a line has all of these words.
#[track_caller]
fn has(line: &str, words: &[&str]) {
    for word in words {
        assert!(line.contains(word), "no {word:?} in {line:?}");
    }
}

/// What grants more than its author believes is said at start; the zeros of Tecnativa's image only
/// to those who read everything.
#[test]
fn grants_that_go_further_than_they_look_are_told_at_start() {
    let env = [
        ("CONTAINERS", "1"),
        ("POST", "1"),
        ("DENY_CREATE", "1"),
        ("ALLOW_LOGS", "0"),
        ("ALLOW_RESTARTS", "0"),
        ("SP_ALLOW_GET", "'/info'"),
        ("SP_ALLOW_POST", r"/v1\.[0-9]+/volumes/create"),
    ];
    let gate = Gate::with(&env);
    for (level, text) in [
        (
            "warning",
            "ALLOW_LOGS=0 denies nothing: CONTAINERS grants it; set DENY_LOGS=1",
        ),
        (
            "info",
            "ALLOW_RESTARTS=0 denies nothing: CONTAINERS grants it; set DENY_RESTARTS=1",
        ),
        (
            "warning",
            "SP_ALLOW_GET='/info' matches no GET route of the Docker API: the surrounding quotes \
             are part of the pattern; use /info",
        ),
        (
            "warning",
            "a client can become root on the host: SP_ALLOW_POST (a volume can expose any \
             directory of the host)",
        ),
    ] {
        let line = gate.dockgate.line(|line| line.contains(text));
        has(&line, &[&format!(" {level} ")]);
    }
    gate.still_works();
}

#[test]
fn an_allowed_request_is_one_line_at_info() {
    let gate = Gate::with(&[("VOLUMES", "1"), ("POST", "1")]);
    let request = "POST /volumes/create?all=1 HTTP/1.1\r\nHost: docker\r\n\
                   Content-Length: 12\r\n\r\n{\"Name\":\"v\"}";
    let answer = "HTTP/1.1 201 Created\r\nContent-Length: 7\r\n\r\ncreated";
    let (mut client, mut engine, _) = gate.asked(request);
    engine.send(answer);
    assert_eq!(client.response().status(), 201);
    let line = gate.dockgate.line(|line| line.contains("/volumes/create"));
    has(
        &line,
        &[
            " info ",
            "127.0.0.1:",
            "POST",
            "/volumes/create?all=1",
            " 201 ",
            "in=12",
            "out=7",
            "VOLUMES",
        ],
    );
    assert_eq!(lines_of(&gate, "/volumes/create"), [line]);
    gate.still_works();
}

#[test]
fn the_line_comes_when_the_answer_ends() {
    let gate = Gate::with(OPEN_READS);
    let (mut client, mut engine, _) = gate.asked(get("/events"));
    engine.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    engine.send_chunk("event");
    client.head();
    assert_eq!(client.chunked(5), b"event");
    assert_eq!(lines_of(&gate, "/events"), [""; 0]);
    engine.send_chunk("another event");
    engine.send_chunk("");
    assert_eq!(client.chunked(13), b"another event");
    assert_eq!(client.chunk(), None);
    has(
        &gate.dockgate.line(|line| line.contains("/events")),
        &[" info ", " 200 ", "out=18"],
    );
    gate.still_works();
}

#[test]
fn a_stream_that_the_client_left_has_its_line() {
    let gate = Gate::with(OPEN_READS);
    let (mut client, mut engine, _) = gate.asked(get("/events"));
    engine.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    engine.send_chunk("event");
    client.head();
    assert_eq!(client.chunked(5), b"event");
    client.reset();
    engine.rest();
    has(
        &gate.dockgate.line(|line| line.contains("/events")),
        &[" 200 ", "out=5"],
    );
    // And a request that had no answer yet.
    let (client, mut engine, _) = gate.asked(get("/containers/json?name=left"));
    client.reset();
    engine.rest();
    has(
        &gate.dockgate.line(|line| line.contains("?name=left")),
        &["GET"],
    );
    gate.still_works();
}

#[test]
fn a_tunnel_is_one_line_when_it_ends() {
    let gate = Gate::with(OPEN);
    let attach = "POST /containers/c/attach HTTP/1.1\r\nHost: docker\r\n\
                  Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    let (mut client, mut engine, _) = gate.asked(attach);
    engine.send("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    assert_eq!(client.head().status(), 101);
    client.send("x".repeat(12345));
    engine.take(12345);
    engine.send("y".repeat(54321));
    client.take(54321);
    assert_eq!(lines_of(&gate, "/attach"), [""; 0]);
    client.half_close();
    drop(engine);
    client.ends();
    let line = gate.dockgate.line(|line| line.contains("/attach"));
    has(&line, &[" info ", "POST", " 101 ", "in=12345", "out=54321"]);
    assert_eq!(lines_of(&gate, "/attach"), [line]);
    gate.still_works();
}

#[test]
fn a_denial_is_a_warning_with_its_remedy() {
    let gate = Gate::with(&[]);
    gate.refusal("POST /v1.41/images/create HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n");
    let line = gate.dockgate.line(|line| line.contains("/images/create"));
    has(
        &line,
        &[
            " warning ",
            "127.0.0.1",
            "POST",
            " 403 ",
            "set ALLOW_PULL=1, or IMAGES=1 and POST=1",
        ],
    );
    assert_eq!(lines_of(&gate, "/images/create"), [line]);
    gate.still_works();
}

#[test]
fn a_refused_request_and_a_failing_engine_are_in_the_log() {
    let mut gate = Gate::with(OPEN_READS);
    gate.refusal(get("/containers//json"));
    has(
        &gate
            .dockgate
            .line(|line| line.contains("/containers//json")),
        &["400"],
    );
    gate.refusal("GET /version HTTP/1.1\r\nHost: a\r\nBroken Header\r\n\r\n");
    gate.dockgate
        .line(|line| line.contains("400") && !line.contains("/containers//json"));
    gate.engine.stop();
    gate.refusal(get("/containers/json?name=stopped"));
    has(
        &gate.dockgate.line(|line| line.contains("?name=stopped")),
        &[" err ", " 503 "],
    );
    gate.engine.restart();
    let (mut client, mut engine, _) = gate.asked(get("/containers/json?name=garbage"));
    engine.send("garbage\r\n");
    drop(engine);
    assert_eq!(client.response().status(), 502);
    has(
        &gate.dockgate.line(|line| line.contains("?name=garbage")),
        &[" err ", " 502 "],
    );
    gate.still_works();
}

#[test]
fn a_line_cannot_be_forged() {
    let gate = Gate::with(OPEN_READS);
    for target in [
        "/containers/x%0a2026-01-01%20forged/json",
        "/containers/json?\u{1b}[31mforged",
    ] {
        assert_eq!(gate.refusal(get(target)).status(), 400);
    }
    for target in [
        "/containers/json?%0d%0aforged",
        "/containers/json?\u{9b}forged",
    ] {
        gate.exchange(get(target), EMPTY);
    }
    let header = "GET /nothing HTTP/1.1\r\nHost: docker\r\nUser-Agent: a\tforged\r\n\
                  X-A: \u{1b}forged\r\n\r\n";
    gate.sent(header).head();
    gate.dockgate
        .line(|line| line.contains("/nothing") || line.contains("400"));
    lines_of(&gate, "");
    for line in gate.dockgate.lines() {
        assert!(
            !line.starts_with("forged") && !line.contains("\nforged"),
            "{line:?}"
        );
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    gate.still_works();
}

#[test]
fn health_checks_are_logged_at_debug_only() {
    for (level, expected) in [("info", false), ("debug", true)] {
        let gate = Gate::with(&[("LOG_LEVEL", level)]);
        for method in ["GET", "HEAD"] {
            let request = format!("{method} /_ping HTTP/1.1\r\nHost: docker\r\n\r\n");
            let (mut client, mut engine, _) = gate.asked(request);
            engine.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(client.head().status(), 200);
        }
        gate.still_works();
        let lines = lines_of(&gate, "/_ping");
        assert_eq!(!lines.is_empty(), expected, "{level}: {lines:?}");
        // A denied one is none.
        let gate = Gate::with(&[("LOG_LEVEL", level), ("PING", "0")]);
        gate.refusal(get("/_ping"));
        has(
            &gate.dockgate.line(|line| line.contains("/_ping")),
            &[" warning ", " 403 ", "PING=1"],
        );
    }
}

#[test]
fn notice_drops_allowed_requests_and_keeps_the_rest() {
    let gate = Gate::with(&[("LOG_LEVEL", "notice")]);
    gate.exchange(get("/version"), EMPTY);
    gate.refusal(get("/info"));
    gate.dockgate
        .line(|line| line.contains("/info") && line.contains(" 403 "));
    assert_eq!(lines_of(&gate, "/version"), [""; 0]);
    gate.still_works();
}

#[test]
fn err_drops_denials() {
    let engine = Engine::start();
    let address = free_address();
    let listen = format!("tcp://{address}");
    let path = engine.path().to_str().expect("a plain path").to_owned();
    let dockgate = Dockgate::start(&[
        ("LISTEN", listen.as_str()),
        ("SOCKET_PATH", path.as_str()),
        ("LOG_LEVEL", "err"),
    ]);
    wait_for(address);
    let mut gate = Gate {
        engine,
        dockgate,
        address,
    };
    gate.refusal(get("/info"));
    gate.still_works();
    gate.engine.stop();
    gate.refusal(get("/version?name=stopped"));
    gate.dockgate.line(|line| line.contains("?name=stopped"));
    let log = gate.dockgate.log();
    assert!(!log.contains("/info") && !log.contains("/_ping"), "{log}");
    gate.engine.restart();
    gate.still_works();
}

#[test]
fn debug_never_shows_credentials() {
    let gate = Gate::open_with(&[("LOG_LEVEL", "debug")]);
    let request = "POST /images/create?fromImage=x HTTP/1.1\r\nHost: docker\r\n\
                   X-Registry-Auth: c2VjcmV0LTE=\r\nX-Registry-Config: c2VjcmV0LTI=\r\n\
                   Authorization: Basic c2VjcmV0LTM=\r\nCookie: c2VjcmV0LTQ=\r\n\
                   Proxy-Authorization: Basic c2VjcmV0LTU=\r\n\
                   Content-Type: application/json\r\nX-Plain: visible\r\n\
                   Content-Length: 24\r\n\r\n{\"password\":\"c2VjcmV0N\"}";
    let answer = "HTTP/1.1 200 OK\r\nSet-Cookie: c2VjcmV0LTY=\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(gate.exchange(request, answer).1.status(), 200);
    gate.exchange(get("/build?remote=https://user:c2VjcmV0LTc=@host/"), EMPTY);
    lines_of(&gate, "");
    let log = gate.dockgate.log();
    assert!(
        log.contains("visible"),
        "headers are shown at debug:\n{log}"
    );
    assert!(!log.contains("c2VjcmV0"), "{log}");
    gate.still_works();
}

#[test]
fn nobody_reading_the_log_delays_nobody() {
    let engine = Engine::start();
    let address = free_address();
    let listen = format!("tcp://{address}");
    let path = engine.path().to_str().expect("a plain path").to_owned();
    let environment = [("LISTEN", listen.as_str()), ("SOCKET_PATH", path.as_str())];
    let (dockgate, mut stdout) = Dockgate::unread(&mut Dockgate::command(&environment));
    wait_for(address);
    let gate = Gate {
        engine,
        dockgate,
        address,
    };
    // Far more than a pipe and any bounded queue hold.
    let denied = get(&format!("/{}", "x".repeat(1000))).repeat(20);
    let mut client = gate.client();
    let start = Instant::now();
    for _ in 0..500 {
        client.send(&denied);
        for _ in 0..20 {
            assert_eq!(client.response().status(), 403);
        }
    }
    gate.still_works();
    assert!(start.elapsed() < 2 * BOUND, "took {:?}", start.elapsed());
    // A reader that comes back is told how much it missed.
    let reader = thread::spawn(move || {
        let mut log = Vec::new();
        let mut block = [0; 1 << 16];
        while !String::from_utf8_lossy(&log).contains("dropped") {
            match stdout.read(&mut block) {
                Ok(0) | Err(_) => break,
                Ok(count) => log = [&log[log.len().min(20)..], &block[..count]].concat(),
            }
        }
        String::from_utf8_lossy(&log).into_owned()
    });
    let deadline = Instant::now() + BOUND;
    while !reader.is_finished() {
        assert!(Instant::now() < deadline, "no word about what was dropped");
        gate.refusal(get("/info"));
        thread::sleep(Duration::from_millis(10));
    }
    assert!(reader.join().expect("read").contains("dropped"));
    gate.still_works();
}

/// Waits until somebody accepts there: for a dockgate whose log nobody reads.
fn wait_for(address: std::net::SocketAddr) {
    let deadline = Instant::now() + BOUND;
    while Wire::connect(socket2::Domain::IPV4, &address.into()).is_err() {
        assert!(Instant::now() < deadline, "does not listen");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_answer_with_trailers_ended_well() {
    let gate = Gate::open();
    let (mut client, mut engine, _) = gate.asked(get("/v1.41/containers/json"));
    engine.send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
         2\r\n[]\r\n0\r\nX-Sum: 1\r\n\r\n",
    );
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.chunked(2), b"[]");
    let line = gate
        .dockgate
        .line(|line| line.contains("/v1.41/containers/json"));
    assert!(line.ends_with("allowed by CONTAINERS"), "{line}");
}

const STOP: &str = "POST /v1.41/containers/x/stop HTTP/1.1\r\nHost: docker\r\n";
const BUILD: &str = "POST /v1.41/build HTTP/1.1\r\nHost: docker\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n";

/// A body that breaks off does not undo what the engine does at the request's head.
#[test]
fn what_the_engine_got_is_allowed_although_its_body_broke_off() {
    for (variable, decision) in [
        ("ALLOW_STOP", "allowed by ALLOW_STOP"),
        ("DRY_RUN", "or CONTAINERS=1 and POST=1"),
    ] {
        let gate = Gate::with(&[(variable, "1")]);
        let chunks = "the request body has an invalid chunked encoding";
        let early = "the request body ended early";
        for (framing, part, rest, fault) in [
            (CHUNKED, "5\r\nhello\r\n", "ZZ\r\n", chunks),
            (CHUNKED, "5\r\nhello\r\n", "5\r\nhel", early),
            ("Content-Length: 100\r\n\r\n", "hello", "he", early),
        ] {
            let mut client = gate.sent([STOP, framing, part].concat());
            let mut engine = gate.engine.accept();
            engine.head();
            assert!(engine.reaches(b"hello"));
            client.send(rest);
            client.half_close();
            let response = client.response();
            assert_eq!(response.status(), 400);
            assert!(response.text().contains(fault), "{}", response.text());
            engine.rest();
            let end = format!("{decision} ({fault})");
            let line = gate.dockgate.line(|line| line.ends_with(&end));
            has(&line, &["POST /v1.41/containers/x/stop 400 in="]);
            client.rest();
        }
        assert!(!gate.dockgate.log().contains(" denied: "));
        gate.still_works();
    }
}

#[test]
fn an_answer_that_a_broken_body_cut_is_not_the_engine_s_fault() {
    let gate = Gate::open();
    let mut client = gate.sent([STOP, CHUNKED, "5\r\nhello\r\n"].concat());
    let mut engine = gate.engine.accept();
    engine.head();
    engine.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    engine.send_chunk("step 1");
    client.head();
    assert_eq!(client.chunked(6), b"step 1");
    client.send("ZZ\r\n");
    engine.rest();
    let line = gate.dockgate.line(|line| line.contains("/x/stop"));
    has(&line, &[" info ", " 200 ", "allowed by CONTAINERS ("]);
    gate.still_works();
}

#[test]
fn failures_say_whether_the_engine_got_the_request() {
    let (got, not) = (
        "the engine got the request",
        "the engine did not get the request",
    );
    let mut gate = Gate::with(OPEN_READS);
    let fails = |gate: &Gate, target: &str, whether: &str| {
        let line = gate.dockgate.line(|line| line.contains(target));
        has(&line, &[" err ", " failed: "]);
        assert!(line.ends_with(&format!(" ({whether})")), "{line}");
    };
    for (target, answer) in [
        ("/containers/json?name=gone", ""),
        ("/containers/json?name=none", "garbage\r\n\r\n"),
        (
            "/containers/json?name=unasked",
            "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n\r\n",
        ),
        (
            "/containers/json?name=short",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        ),
    ] {
        let (mut client, mut engine, _) = gate.asked(get(target));
        engine.send(answer);
        drop(engine);
        client.head();
        fails(&gate, target, got);
    }
    gate.engine.stop();
    gate.refusal(get("/containers/json?name=stopped"));
    fails(&gate, "?name=stopped", not);
    gate.engine.restart();
    gate.still_works();
}

#[test]
fn what_the_engine_never_got_is_not_called_allowed() {
    let mut gate = Gate::with(&[("CONTAINERS", "1"), ("LOG_LEVEL", "debug")]);
    let waiting = gate.engine.hang();
    let client = gate.sent(get("/containers/json?name=left"));
    // It is with dockgate when its headers are logged.
    gate.dockgate
        .line(|line| line.contains("request headers: host: docker"));
    client.reset();
    let line = gate.dockgate.line(|line| line.contains("?name=left"));
    let end = " unsent: allowed by CONTAINERS (ended early)";
    assert!(line.contains(" info ") && line.ends_with(end), "{line}");
    drop(waiting);
    gate.engine.restart();
    gate.still_works();
}

/// An engine may answer before it has a body, and take the rest of that when the next request is there.
#[test]
fn the_rest_of_an_earlier_body_is_none_of_the_next_request() {
    let gate = Gate::open();
    let body = vec![b'x'; 2 << 20];
    let mut client = gate.sent(format!("{BUILD}Content-Length: {}\r\n\r\n", body.len()));
    let mut engine = gate.engine.accept();
    engine.head();
    engine.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno");
    assert_eq!(client.response().text(), "no");
    // Until here the engine has taken nothing of it, and now as much as makes room for all.
    let mut taker = engine.twin();
    let taking = thread::spawn(move || taker.take(1 << 20));
    client.send(&body);
    client.send([STOP, "\r\n"].concat());
    taking.join().expect("it came");
    // The next request waits for the rest. Part of that goes out beside it.
    thread::sleep(Duration::from_millis(500));
    engine.take(200 << 10);
    thread::sleep(Duration::from_millis(200));
    client.reset();
    let line = gate.dockgate.line(|line| line.contains("/x/stop"));
    let end = " unsent: allowed by CONTAINERS (ended early)";
    assert!(line.contains(" - in=0 ") && line.ends_with(end), "{line}");
    let (rest, _) = engine.rest();
    assert!(!rest.windows(4).any(|part| part == b"POST"));
}

#[test]
fn only_pings_of_the_health_check_are_worth_no_line() {
    let agent = "Host: docker\r\nUser-Agent: dockgate-healthcheck\r\n";
    // Refused by the policy, as a client that is not let in, and let through.
    for environment in [
        &[("PING", "0")][..],
        &[("SP_ALLOW_GET", "/_ping"), ("SP_ALLOWFROM", "10.0.0.0/8")],
        &[("CONTAINERS", "1"), ("POST", "1")],
    ] {
        let engine = Engine::start();
        engine.serve(|_| EMPTY.into());
        let gate = Gate::before(engine, environment);
        // Of those that are not let in, one line a minute is enough.
        let one_line = environment.iter().any(|(name, _)| *name == "SP_ALLOWFROM");
        for line in [
            "GET /_ping",
            "HEAD /_ping",
            "POST /_ping",
            "POST /containers/x/kill",
            "GET /containers/json",
            "GET /_ping/x",
            "DELETE /containers/x",
        ] {
            let request = format!("{line} HTTP/1.1\r\n{agent}Content-Length: 0\r\n\r\n");
            gate.sent(request).head();
            let is_worth_one = !line.ends_with(" /_ping") || line.starts_with("POST");
            if line == "POST /_ping" || is_worth_one && !one_line {
                gate.dockgate
                    .line(|logged| logged.contains(&format!("{line} ")));
            }
        }
        let log = gate.dockgate.log();
        for ping in ["GET /_ping ", "HEAD /_ping "] {
            assert!(!log.contains(ping), "{log}");
        }
    }
}
