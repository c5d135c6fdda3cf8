//! Which engine connection carries what, and what becomes of it when a client or the engine goes.

use std::time::{Duration, Instant};

use crate::strangers::from;
use crate::support::gate::EMPTY;
use crate::support::wire::chunk;
use crate::support::{End, Gate};

const LIST: &str = "GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\n\r\n";
const EVENTS: &str = "GET /v1.41/events HTTP/1.1\r\nHost: docker\r\n\r\n";
const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn one_client_keeps_one_engine_connection() {
    let gate = Gate::open();
    let (mut client, mut engine, _) = gate.asked(LIST);
    engine.send(ok("0"));
    assert_eq!(client.response().text(), "0");
    for round in 1..4 {
        client.send(format!(
            "POST /v1.41/containers/c{round}/start HTTP/1.1\r\nHost: docker\r\n"
        ));
        client.send("Content-Length: 0\r\n\r\n");
        let request = engine.request();
        assert_eq!(
            request.head.line,
            format!("POST /v1.41/containers/c{round}/start HTTP/1.1")
        );
        engine.send(ok(&round.to_string()));
        let response = client.response();
        assert_eq!(response.text(), round.to_string());
        assert_eq!(response.head.one("connection"), None);
    }
    gate.still_works();
}

#[test]
fn clients_never_share_an_engine_connection() {
    let gate = Gate::open();
    let (mut first, mut engine_of_first, _) = gate.asked(LIST);
    engine_of_first.send(ok("first"));
    assert_eq!(first.response().text(), "first");
    // The first one's connection idles, and still the second gets another.
    let (mut second, mut engine_of_second, _) = gate.asked(LIST);
    engine_of_second.send(ok("second"));
    assert_eq!(second.response().text(), "second");
    first.send(LIST);
    engine_of_first.request();
    // What an engine says too much on one connection never reaches another client.
    engine_of_first.send([ok("first again"), ok("stray")].concat());
    assert_eq!(first.response().text(), "first again");
    second.send(LIST);
    engine_of_second.request();
    engine_of_second.send(ok("second again"));
    assert_eq!(second.response().text(), "second again");
    // Nor does it reach the same client's next request.
    first.send(LIST);
    let (mut fresh, _) = gate.engine.request();
    fresh.send(ok("clean"));
    assert_eq!(first.response().text(), "clean");
    // A client that leaves takes its engine connection with it.
    drop(second);
    assert_eq!(engine_of_second.ends(), End::Closed);
    gate.still_works();
}

#[test]
fn an_engine_connection_that_was_closed_meanwhile_is_replaced() {
    let gate = Gate::open();
    let (mut client, mut engine, _) = gate.asked(LIST);
    for request in [
        LIST,
        "POST /v1.41/containers/c/start HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n",
        "POST /v1.41/containers/c/start HTTP/1.1\r\nHost: docker\r\n\r\n",
        "POST /v1.41/volumes/create HTTP/1.1\r\nHost: docker\r\nContent-Length: 2\r\n\r\n{}",
    ] {
        engine.send(ok("before"));
        assert_eq!(client.response().text(), "before");
        drop(engine);
        client.send(request);
        engine = gate.engine.request().0;
    }
    engine.send(ok("after"));
    assert_eq!(client.response().text(), "after");
    gate.still_works();
}

#[test]
fn an_engine_that_closes_with_its_answer_does_not_close_the_client() {
    let gate = Gate::open();
    let (mut client, mut engine, _) = gate.asked(LIST);
    engine.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    drop(engine);
    assert_eq!(client.response().text(), "ok");
    client.send(LIST);
    let (mut engine, _) = gate.engine.request();
    engine.send(ok("again"));
    assert_eq!(client.response().text(), "again");
    gate.still_works();
}

#[test]
fn what_reached_the_engine_is_never_sent_twice() {
    let gate = Gate::open();
    for request in [
        LIST,
        "POST /v1.41/containers/c/start HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n",
        "POST /v1.41/volumes/create HTTP/1.1\r\nHost: docker\r\nContent-Length: 2\r\n\r\n{}",
    ] {
        // On a fresh connection and on a kept one.
        let (mut client, engine, _) = gate.asked(request);
        drop(engine);
        assert_eq!(client.response().status(), 502);
        let (mut client, mut engine, _) = gate.asked(LIST);
        engine.send(EMPTY);
        client.response();
        client.send(request);
        engine.request();
        drop(engine);
        assert_eq!(client.response().status(), 502);
    }
    gate.still_works();
}

#[test]
fn an_engine_restart_is_not_noticed_by_an_idle_client() {
    let mut gate = Gate::open();
    let (mut client, mut engine, _) = gate.asked(LIST);
    engine.send(ok("old"));
    assert_eq!(client.response().text(), "old");
    gate.engine.stop();
    drop(engine);
    gate.engine.restart();
    client.send("POST /v1.41/containers/c/stop HTTP/1.1\r\nHost: docker\r\n\r\n");
    let (mut engine, request) = gate.engine.request();
    assert_eq!(request.head.line, "POST /v1.41/containers/c/stop HTTP/1.1");
    engine.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.response().status(), 204);
    gate.still_works();
}

#[test]
fn a_client_may_ask_for_the_end_of_its_connection() {
    let gate = Gate::open();
    let request =
        "GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n";
    let (mut client, mut engine, _) = gate.asked(request);
    engine.send(ok("last"));
    assert_eq!(client.response().text(), "last");
    assert_eq!(client.ends(), End::Closed);
    assert_eq!(engine.ends(), End::Closed);
    gate.still_works();
}

#[test]
fn what_comes_behind_the_last_request_does_not_cost_its_answer() {
    let gate = Gate::open();
    let request =
        "GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n";
    let (mut client, mut engine, _) = gate.asked(request);
    client.send("more than was announced");
    engine.send(ok("last"));
    assert_eq!(client.response().text(), "last");
    // A reset could overtake the answer on its way.
    assert_eq!(client.ends(), End::Closed);
    gate.still_works();
}

#[test]
fn an_http_1_0_client_gets_no_chunks_and_then_the_end() {
    let gate = Gate::open();
    let request = "GET /v1.41/containers/json HTTP/1.0\r\n\r\n";
    let (mut client, mut engine, request) = gate.asked(request);
    assert_eq!(request.head.line, "GET /v1.41/containers/json HTTP/1.1");
    engine.send([STREAM.as_bytes(), &chunk("one"), &chunk("two"), &chunk("")].concat());
    let response = client.response();
    assert_eq!(
        (response.status(), response.text().as_str()),
        (200, "onetwo")
    );
    assert_eq!(response.head.one("transfer-encoding"), None);
    assert_eq!(client.ends(), End::Closed);
    gate.still_works();
}

#[test]
fn a_fin_behind_the_request_does_not_cancel_it() {
    let gate = Gate::open();
    let mut client = gate.sent(LIST);
    client.half_close();
    let (mut engine, _) = gate.engine.request();
    engine.send(STREAM);
    assert_eq!(client.head().status(), 200);
    engine.send_chunk("one");
    assert_eq!(client.chunked(3), b"one");
    engine.send([chunk("two"), chunk("")].concat());
    assert_eq!(client.chunk().as_deref(), Some(b"two".as_slice()));
    assert_eq!(client.chunk(), None);
    assert_eq!(client.ends(), End::Closed);
    gate.still_works();
}

#[test]
fn a_fin_behind_pipelined_requests_does_not_cancel_them() {
    let gate = Gate::open();
    let mut client = gate.sent([LIST, LIST].concat());
    client.half_close();
    let (mut engine, _) = gate.engine.request();
    engine.send(ok("one"));
    engine.request();
    engine.send(ok("two"));
    assert_eq!(
        (client.response().text(), client.response().text()),
        ("one".into(), "two".into())
    );
    assert_eq!(client.ends(), End::Closed);
    gate.still_works();
}

/// What a client had under way when it went, and what it had sent behind that.
fn is_released_after_a_reset(request: &str, behind: &[u8], answered: bool) {
    let gate = Gate::open();
    let (mut client, mut engine, _) = gate.asked(request);
    if answered {
        engine.send(STREAM);
        engine.send_chunk("event");
        client.head();
        assert_eq!(client.chunked(5), b"event");
    }
    client.send(behind);
    client.reset();
    let reset = Instant::now();
    engine.rest();
    assert!(
        reset.elapsed() < Duration::from_secs(3),
        "took {:?}",
        reset.elapsed()
    );
    gate.still_works();
}

#[test]
fn a_reset_before_the_answer_releases_the_engine() {
    is_released_after_a_reset(LIST, b"", false);
}

#[test]
fn a_reset_in_a_silent_stream_releases_the_engine() {
    is_released_after_a_reset(EVENTS, b"", true);
}

#[test]
fn a_reset_behind_pipelined_requests_releases_the_engine() {
    is_released_after_a_reset(EVENTS, LIST.repeat(1000).as_bytes(), true);
}

#[test]
fn a_reset_behind_a_stalled_upload_releases_the_engine() {
    let gate = Gate::open();
    let mut client = gate.sent("POST /v1.41/images/load HTTP/1.1\r\nHost: docker\r\n");
    client.send("Content-Length: 1000000000\r\n\r\n");
    let mut engine = gate.engine.accept();
    engine.head();
    // The engine reads nothing of it, so everything between the two fills up.
    client.patience(Duration::from_millis(500));
    let block = [b'x'; 1 << 16];
    while client.try_send(block).is_ok() {}
    client.reset();
    let reset = Instant::now();
    engine.rest();
    assert!(
        reset.elapsed() < Duration::from_secs(5),
        "took {:?}",
        reset.elapsed()
    );
    gate.still_works();
}

#[test]
fn a_client_that_closed_releases_an_engine_that_goes_on_sending() {
    let gate = Gate::open();
    let (mut client, mut engine, _) = gate.asked(EVENTS);
    engine.send(STREAM);
    assert_eq!(client.head().status(), 200);
    drop(client);
    engine.send_until_refused(chunk([b'x'; 1000]));
    gate.still_works();
}

#[test]
fn connections_beyond_the_maximum_wait_until_one_is_left() {
    let gate = Gate::open_with(&[("MAX_CONNECTIONS", "2")]);
    let attach = "POST /v1.41/containers/c/attach HTTP/1.1\r\nHost: docker\r\n\
                  Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    // Streams and tunnels count alike.
    let (mut tunnel, mut engine, _) = gate.asked(attach);
    engine.send("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    assert_eq!(tunnel.head().status(), 101);
    let mut stream = from([127, 9, 9, 7].into(), gate.address);
    stream.send(EVENTS);
    let (mut events, _) = gate.engine.request();
    events.send(STREAM);
    assert_eq!(stream.head().status(), 200);

    let mut third = from([127, 9, 9, 8].into(), gate.address);
    third.send(LIST);
    while let Some(mut other) = gate.engine.accept_any(Duration::from_millis(300)) {
        assert!(
            !other.has_more(),
            "the third one's request reached the engine"
        );
    }
    drop(tunnel);
    assert_eq!(engine.ends(), End::Closed);
    drop(engine);
    let (mut engine, _) = gate.engine.request();
    engine.send(ok("third"));
    assert_eq!(third.response().text(), "third");
    drop(stream);
    drop(third);
    drop(events);
    gate.still_works();
}
