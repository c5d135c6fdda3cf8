//! The harness held against itself, with nothing between its two ends.

use std::io::ErrorKind;
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockAddr};

use crate::support::wire::{Wire, chunk};
use crate::support::{BOUND, End, Engine};

fn ends() -> (Engine, Wire, Wire) {
    let engine = Engine::start();
    let client = Wire::unix(engine.path());
    let accepted = engine.accept_any(BOUND).expect("a connection");
    (engine, client, accepted)
}

#[test]
fn messages_end_where_their_framing_says() {
    let (_engine, mut client, mut engine) = ends();
    client
        .send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n\r\n");
    client.send("PUT /c HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n");
    client.send("1\r\nd\r\n0\r\nTrailer: t\r\n\r\nGET /d HTTP/1.1\r\n\r\n");
    let requests = [
        engine.request(),
        engine.request(),
        engine.request(),
        engine.request(),
    ];
    let found = requests.map(|request| (request.head.line.clone(), request.text()));
    let wanted = [
        ("POST /a", "abc"),
        ("GET /b", ""),
        ("PUT /c", "abcd"),
        ("GET /d", ""),
    ];
    assert_eq!(
        found,
        wanted.map(|(line, body)| (format!("{line} HTTP/1.1"), body.to_owned()))
    );

    engine.send("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    engine.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: 1\r\nB: 2\r\na: 3\r\n\r\n");
    engine.send([chunk("one"), chunk("two"), chunk("")].concat());
    engine.send("HTTP/1.1 404 Not Found\r\n\r\nto the end");
    drop(engine);
    assert_eq!(
        (client.response().status(), client.response().text()),
        (204, "ok".to_owned())
    );
    let chunked = client.response();
    assert_eq!(chunked.text(), "onetwo");
    assert_eq!(chunked.head.all("a"), ["1", "3"]);
    assert_eq!(client.response().text(), "to the end");
    assert_eq!(client.ends(), End::Closed);
}

#[test]
fn closing_half_closing_and_resetting_are_told_apart() {
    let (_engine, mut client, mut engine) = ends();
    client.half_close();
    assert_eq!(engine.ends(), End::Closed);
    engine.send("late");
    assert_eq!(client.take(4), b"late");
    assert!(client.is_silent(Duration::from_millis(1)));
    // Closing a Unix socket with unread bytes resets it.
    let (_engine, mut client, engine) = ends();
    client.send("unread");
    drop(engine);
    assert_eq!(client.ends(), End::Reset);
    assert!(client.try_send("x").is_err());

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let client = Wire::tcp(listener.local_addr().expect("an address"));
    let mut accepted = Wire::new(listener.accept().expect("a connection").0.into());
    client.reset();
    assert_eq!(accepted.ends(), End::Reset);
}

#[test]
fn an_engine_stops_hangs_and_comes_back_at_the_same_path() {
    let mut engine = Engine::start();
    let address = SockAddr::unix(engine.path()).expect("a short path");
    let connect = || {
        Wire::connect(Domain::UNIX, &address)
            .map(drop)
            .map_err(|e| e.kind())
    };
    assert_eq!(connect(), Ok(()));
    engine.stop();
    assert_eq!(connect(), Err(ErrorKind::ConnectionRefused));
    let waiting = engine.hang();
    assert!(!waiting.is_empty());
    engine.restart();
    assert_eq!(connect(), Ok(()));
    assert!(engine.accept_any(Duration::from_millis(1)).is_some());
    assert!(engine.accept_any(Duration::from_millis(1)).is_none());
}

#[test]
fn a_served_engine_answers_every_connection() {
    let engine = Engine::start();
    engine.serve(|request| {
        let body = &request.head.line;
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    });
    thread::scope(|scope| {
        for name in ["a", "b"] {
            let mut client = Wire::unix(engine.path());
            scope.spawn(move || {
                for round in 0..2 {
                    let line = format!("GET /{name}{round} HTTP/1.1");
                    client.send(format!("{line}\r\n\r\n"));
                    assert_eq!(client.response().text(), line);
                }
            });
        }
    });
}
