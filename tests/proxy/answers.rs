//! Answers: delivered as they come, without a byte too much, and never with a false end.

use std::thread;
use std::time::Duration;

use crate::support::gate::EMPTY;
use crate::support::wire::chunk;
use crate::support::{End, Gate};

const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: docker\r\n\r\n")
}

fn post(target: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n")
}

#[test]
fn streams_arrive_head_first_and_piece_by_piece() {
    let gate = Gate::open();
    for request in [
        get("/v1.41/events"),
        get("/v1.41/containers/c/logs?follow=1&stdout=1"),
        get("/v1.41/containers/c/stats"),
        post("/v1.41/images/create?fromImage=x"),
        post("/v1.41/build"),
        post("/v1.41/containers/c/wait?condition=next-exit"),
    ] {
        let (mut client, mut engine, _) = gate.asked(&request);
        engine.send(STREAM);
        assert_eq!(client.head().status(), 200);
        for part in ["one", "two", "three"] {
            engine.send_chunk(part);
            assert_eq!(client.chunked(part.len()), part.as_bytes());
        }
        engine.send_chunk("");
        assert_eq!(client.chunk(), None);
        // The end was one: the connection goes on.
        client.send(get("/version"));
        engine.request();
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
    }
    gate.still_works();
}

#[test]
fn an_answer_with_a_length_arrives_piece_by_piece() {
    let gate = Gate::open();
    let (mut client, mut engine, _) = gate.asked(get("/v1.41/containers/c/export"));
    engine.send("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n");
    engine.send("Content-Length: 6\r\n\r\n");
    let head = client.head();
    assert_eq!(
        head.sorted(),
        [
            ("content-length", "6"),
            ("content-type", "application/octet-stream")
        ]
    );
    for part in ["one", "two"] {
        engine.send(part);
        assert_eq!(client.take(3), part.as_bytes());
    }
    client.send(get("/version"));
    engine.request();
    gate.still_works();
}

#[test]
fn of_a_length_and_chunks_only_the_chunks_reach_the_client() {
    let gate = Gate::open();
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nTransfer-Encoding: chunked\r\n\r\n\
                  5\r\nhello\r\n0\r\n\r\n";
    let (_, response) = gate.exchange(get("/v1.41/containers/json"), answer);
    assert_eq!(response.head.sorted(), [("transfer-encoding", "chunked")]);
    assert_eq!(response.text(), "hello");
    gate.still_works();
}

#[test]
fn an_http_1_0_client_may_keep_its_connection() {
    let gate = Gate::open();
    let request = "GET /v1.41/containers/json HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let (mut client, mut engine, _) = gate.asked(request);
    engine.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]");
    let response = client.response();
    assert_eq!(response.text(), "[]");
    if response.head.one("connection") == Some("keep-alive") {
        client.send(request);
        engine.request();
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
    } else {
        assert_eq!(client.ends(), End::Closed);
    }
    gate.still_works();
}

#[test]
fn an_answer_without_framing_arrives_to_its_end() {
    let gate = Gate::open();
    let (mut client, mut engine, _) = gate.asked(get("/v1.41/containers/c/logs"));
    engine.send("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nline\n");
    engine.send("another\n");
    drop(engine);
    let response = client.response();
    assert_eq!(
        (response.status(), response.text().as_str()),
        (200, "line\nanother\n")
    );
    gate.still_works();
}

#[test]
fn a_head_request_gets_a_head_alone() {
    let gate = Gate::open();
    let head = "HEAD /v1.41/containers/c/archive?path=/etc HTTP/1.1\r\nHost: docker\r\n\r\n";
    let (mut client, mut engine, request) = gate.asked(head);
    assert_eq!(
        request.head.line,
        "HEAD /v1.41/containers/c/archive?path=/etc HTTP/1.1"
    );
    engine.send(
        "HTTP/1.1 200 OK\r\nX-Docker-Container-Path-Stat: e30=\r\nContent-Length: 512\r\n\r\n",
    );
    let head_of_answer = client.head();
    assert_eq!(
        head_of_answer.sorted(),
        [
            ("content-length", "512"),
            ("x-docker-container-path-stat", "e30=")
        ]
    );
    // What follows is the next answer, on the same two connections.
    client.send("HEAD /_ping HTTP/1.1\r\nHost: docker\r\n\r\n");
    engine.request();
    engine.send("HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(client.head().one("api-version"), Some("1.41"));
    client.send(get("/_ping"));
    engine.request();
    engine.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK");
    assert_eq!(client.response().text(), "OK");
    gate.still_works();
}

#[test]
fn answers_that_never_have_a_body_do_not_end_the_connection() {
    let gate = Gate::open();
    let (mut client, mut engine, _) = gate.asked(post("/v1.41/containers/c/start"));
    for answer in [
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nEtag: \"x\"\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ] {
        engine.send(answer);
        let response = client.response();
        assert_eq!(response.status().to_string(), answer[9..12]);
        assert_eq!(response.head.one("transfer-encoding"), None);
        client.send(post("/v1.41/containers/c/start"));
        engine.request();
    }
    gate.still_works();
}

#[test]
fn nothing_is_added_to_an_answer_and_repeated_headers_stay() {
    let gate = Gate::open();
    let answer = "HTTP/1.1 409 Conflict\r\nApi-Version: 1.41\r\nWarning: one\r\n\
                  Server: Docker/1\r\nWarning: two\r\nX-Empty:\r\nContent-Type: application/json\r\n\
                  Content-Length: 2\r\n\r\n{}";
    let (_, response) = gate.exchange(get("/v1.41/containers/json"), answer);
    assert_eq!(response.status(), 409);
    assert_eq!(
        response.head.sorted(),
        [
            ("api-version", "1.41"),
            ("content-length", "2"),
            ("content-type", "application/json"),
            ("server", "Docker/1"),
            ("warning", "one"),
            ("warning", "two"),
            ("x-empty", ""),
        ]
    );
    gate.still_works();
}

#[test]
fn hop_by_hop_headers_of_the_engine_stay_behind() {
    let gate = Gate::open();
    let answer = "HTTP/1.1 200 OK\r\nConnection: X-Hop, Keep-Alive\r\nKeep-Alive: timeout=5\r\n\
                  X-Hop: 1\r\nX-End: 2\r\nContent-Length: 2\r\n\r\nok";
    let (_, response) = gate.exchange(get("/v1.41/containers/json"), answer);
    assert_eq!(
        response.head.sorted(),
        [("content-length", "2"), ("x-end", "2")]
    );
    gate.still_works();
}

#[test]
fn an_engine_gone_in_mid_answer_is_a_broken_stream_and_no_end() {
    let gate = Gate::open();
    let (mut client, mut engine, _) = gate.asked(get("/v1.41/containers/json"));
    engine.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    drop(engine);
    assert_eq!(client.head().one("content-length"), Some("10"));
    assert_eq!(client.rest().0, b"half");

    for cut in ["", "5\r\nlo", "zz\r\n", "0\r\n", "5\r\nhello"] {
        let (mut client, mut engine, _) = gate.asked(get("/v1.41/events"));
        engine.send(STREAM);
        engine.send_chunk("event");
        engine.send(cut);
        drop(engine);
        client.head();
        assert_eq!(client.chunked(5), b"event");
        let (rest, _) = client.rest();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "a false end after {cut:?}");
    }
    gate.still_works();
}

#[test]
fn all_that_came_before_an_answer_broke_off_arrives() {
    let gate = Gate::open();
    for (size, wait) in [(300_000, 0), (300_000, 0), (300_000, 0), (9_000_000, 300)] {
        let length = "HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n".to_owned();
        for head in [length, format!("{STREAM}{size:x}\r\n")] {
            let (mut client, mut engine, _) = gate.asked(get("/v1.41/containers/c/logs?stdout=1"));
            let sending = thread::spawn(move || {
                engine.send(head);
                engine.send("x".repeat(size));
            });
            thread::sleep(Duration::from_millis(wait));
            client.head();
            let (rest, _) = client.rest();
            assert_eq!(rest.iter().filter(|byte| **byte == b'x').count(), size);
            sending.join().expect("the engine");
        }
    }
    gate.still_works();
}

#[test]
fn a_refusal_of_an_upgrade_arrives_whole_although_its_body_was_not_read() {
    const SIZE: usize = 60_000;
    let gate = Gate::open();
    for _ in 0..5 {
        let mut client = gate.sent(
            "POST /v1.41/exec/e/start HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\n\
             Upgrade: tcp\r\nContent-Length: 30000\r\n\r\n",
        );
        let mut engine = gate.engine.accept();
        engine.head();
        engine.send(format!(
            "HTTP/1.1 404 Not Found\r\nContent-Length: {SIZE}\r\n\r\n"
        ));
        engine.send("x".repeat(SIZE));
        drop(engine);
        assert_eq!(client.head().status(), 404);
        assert_eq!(client.take(SIZE), vec![b'x'; SIZE]);
    }
    gate.still_works();
}

#[test]
fn an_http_1_0_client_sees_a_broken_stream_too() {
    let gate = Gate::open();
    let (mut client, mut engine, _) = gate.asked("GET /v1.41/events HTTP/1.0\r\n\r\n");
    engine.send(STREAM);
    engine.send_chunk("event");
    client.head();
    assert_eq!(client.take(5), b"event");
    drop(engine);
    assert_eq!(
        client.rest(),
        (Vec::new(), End::Reset),
        "an end would look like a whole answer"
    );
    gate.still_works();
}

#[test]
fn what_is_no_answer_is_a_502() {
    let gate = Gate::open();
    for garbage in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1",
        "",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
        "\0\0\0\x04\0\0\0\0\0",
    ] {
        let (mut client, mut engine, _) = gate.asked(get("/v1.41/containers/json"));
        engine.send(garbage);
        drop(engine);
        let response = client.response();
        assert_eq!(response.status(), 502, "{garbage:?}");
        assert_eq!(response.head.one("content-type"), Some("application/json"));
        assert!(
            response.text().starts_with("{\"message\":\"dockgate: "),
            "{}",
            response.text()
        );
    }
    gate.still_works();
}

#[test]
fn a_large_answer_arrives_whole_and_waits_for_a_slow_reader() {
    let gate = Gate::open();
    let (mut client, mut engine, _) = gate.asked(get("/v1.41/images/x/get"));
    engine.send(STREAM);
    assert_eq!(client.head().status(), 200);
    let block: Vec<u8> = (0..1_u32 << 14).flat_map(u32::to_be_bytes).collect();
    let bytes = chunk(&block);
    engine.patience(Duration::from_millis(500));
    // What all buffers on the way hold, while nobody reads; an endless one would take far more.
    let mut sent = 0;
    let partly = loop {
        // A failed write may have taken a part: what is sent next must go on there.
        let before = engine.sent();
        if engine.try_send(&bytes).is_err() {
            break engine.sent() - before;
        }
        sent += 1;
        assert!(sent < 1024, "64 MiB were taken while nobody read");
    };
    engine.patience(crate::support::BOUND);
    let received = thread::scope(|scope| {
        scope.spawn(|| {
            engine.send(&bytes[partly..]);
            for _ in 0..200 {
                engine.send(&bytes);
            }
            engine.send_chunk("");
        });
        client.chunked((sent + 201) * block.len())
    });
    assert!(received == block.repeat(sent + 201), "the answer differs");
    assert_eq!(client.chunk(), None);
    gate.still_works();
}

#[test]
fn an_http_1_0_client_that_would_keep_on_is_told_of_the_end_alone() {
    let gate = Gate::open();
    let request = "GET /v1.41/containers/json HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let (mut client, mut engine, _) = gate.asked(request);
    engine.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n");
    let head = client.head();
    assert_eq!(head.one("connection"), Some("close"));
    assert_eq!(client.rest(), (b"[]".to_vec(), End::Closed));
    gate.still_works();
}
