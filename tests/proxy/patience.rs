//! What only time shows: which silences end something, and which never do. The cases wait at the
//! same time, for their sum would be minutes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{End, Gate, OPEN_READS};

const LIST: &str = "GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\n\r\n";
const EVENTS: &str = "GET /v1.41/events HTTP/1.1\r\nHost: docker\r\n\r\n";
const ATTACH: &str = "POST /v1.41/containers/c/attach HTTP/1.1\r\nHost: docker\r\n\
                      Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn silences_end_what_they_should_and_nothing_else() {
    let cases: &[(&str, fn())] = &[
        ("a_head_has_ten_seconds", a_head_has_ten_seconds),
        (
            "a_head_that_trickles_has_ten_seconds",
            a_head_that_trickles_has_ten_seconds,
        ),
        ("an_idle_client_is_left_alone", an_idle_client_is_left_alone),
        (
            "an_idle_engine_connection_is_closed",
            an_idle_engine_connection_is_closed,
        ),
        ("a_hung_engine_is_a_504", a_hung_engine_is_a_504),
        (
            "a_hung_engine_that_wakes_up_answers",
            a_hung_engine_that_wakes_up_answers,
        ),
        (
            "behind_a_fin_silence_ends_the_request",
            behind_a_fin_silence_ends_the_request,
        ),
        ("an_answer_may_take_its_time", an_answer_may_take_its_time),
        (
            "a_silent_upload_is_left_alone",
            a_silent_upload_is_left_alone,
        ),
        (
            "a_silent_tunnel_is_left_alone",
            a_silent_tunnel_is_left_alone,
        ),
        (
            "a_denied_upload_without_end_is_cut",
            a_denied_upload_without_end_is_cut,
        ),
    ];
    let failed: Vec<&str> = thread::scope(|scope| {
        let case = |(name, case): &(&'static str, fn())| {
            let (name, case) = (*name, *case);
            scope.spawn(move || catch_unwind(AssertUnwindSafe(case)).err().map(|_| name))
        };
        let running: Vec<_> = cases.iter().map(case).collect();
        running
            .into_iter()
            .filter_map(|thread| thread.join().expect("caught"))
            .collect()
    });
    assert!(failed.is_empty(), "failed: {failed:?}");
}

/// Asserts that something which began then took about so many seconds.
#[track_caller]
fn took(since: Instant, seconds: u32) {
    let elapsed = since.elapsed();
    let wanted = SECOND * seconds;
    assert!(
        elapsed > wanted - SECOND / 2 && elapsed < wanted + 5 * SECOND,
        "took {elapsed:?}"
    );
}

fn a_head_has_ten_seconds() {
    let gate = Gate::with(OPEN_READS);
    let mut client = gate.sent("GET /version HTTP/1.1\r\nHost: do");
    client.patience(15 * SECOND);
    let since = Instant::now();
    let response = client.response();
    took(since, 10);
    assert_eq!(response.status(), 408);
    assert_eq!(response.head.one("content-type"), Some("application/json"));
    assert!(
        response.text().starts_with("{\"message\":\"dockgate: "),
        "{}",
        response.text()
    );
    assert_eq!(client.ends(), End::Closed);
    gate.dockgate.line(|line| line.contains("408"));
    gate.still_works();
}

fn a_head_that_trickles_has_ten_seconds() {
    let gate = Gate::with(OPEN_READS);
    // The second request of a connection that idled before it.
    let (mut client, mut engine, _) = gate.asked(LIST);
    engine.send(OK);
    assert_eq!(client.response().status(), 200);
    thread::sleep(3 * SECOND);
    client.send("GET /version HTTP/1.1\r\n");
    let since = Instant::now();
    while client.is_silent(SECOND) {
        assert!(since.elapsed() < 20 * SECOND, "trickles on");
        client.send("X");
    }
    took(since, 10);
    assert_eq!(client.response().status(), 408);
    gate.still_works();
}

fn an_idle_client_is_left_alone() {
    let gate = Gate::with(OPEN_READS);
    let mut fresh = gate.client();
    let (mut used, mut engine, _) = gate.asked(LIST);
    engine.send(OK);
    assert_eq!(used.response().status(), 200);
    assert!(fresh.is_silent(12 * SECOND));
    assert!(used.is_silent(SECOND));
    used.send(LIST);
    engine.request();
    engine.send(OK);
    assert_eq!(used.response().status(), 200);
    fresh.send(LIST);
    let (mut engine, _) = gate.engine.request();
    engine.send(OK);
    assert_eq!(fresh.response().status(), 200);
    gate.still_works();
}

fn an_idle_engine_connection_is_closed() {
    let gate = Gate::with(OPEN_READS);
    let (mut client, mut engine, _) = gate.asked(LIST);
    engine.send(OK);
    assert_eq!(client.response().status(), 200);
    let since = Instant::now();
    engine.patience(40 * SECOND);
    assert_eq!(engine.ends(), End::Closed);
    took(since, 30);
    client.send(LIST);
    let (mut engine, _) = gate.engine.request();
    engine.send(OK);
    assert_eq!(client.response().status(), 200);
    gate.still_works();
}

fn a_hung_engine_is_a_504() {
    let mut gate = Gate::with(OPEN_READS);
    let waiting = gate.engine.hang();
    let mut client = gate.sent(LIST);
    client.patience(15 * SECOND);
    let since = Instant::now();
    let response = client.response();
    took(since, 10);
    assert_eq!(response.status(), 504);
    assert_eq!(response.head.one("content-type"), Some("application/json"));
    assert!(
        response.text().starts_with("{\"message\":\"dockgate: "),
        "{}",
        response.text()
    );
    drop(waiting);
    gate.engine.restart();
    gate.still_works();
}

fn a_hung_engine_that_wakes_up_answers() {
    let mut gate = Gate::with(OPEN_READS);
    let waiting = gate.engine.hang();
    let mut client = gate.sent(LIST);
    assert!(client.is_silent(3 * SECOND));
    // It accepts again, and finds those who waited longer first.
    for _ in &waiting {
        gate.engine.accept_any(SECOND).expect("one that waits");
    }
    let (mut engine, _) = gate.engine.request();
    engine.send(OK);
    assert_eq!(client.response().status(), 200);
    drop(waiting);
    gate.engine.restart();
    gate.still_works();
}

fn behind_a_fin_silence_ends_the_request() {
    let gate = Gate::with(OPEN_READS);
    let (mut client, mut engine, _) = gate.asked(EVENTS);
    client.half_close();
    // As long as the engine says something now and then it goes on, however long that takes.
    thread::sleep(7 * SECOND);
    engine.send(STREAM);
    assert_eq!(client.head().status(), 200);
    thread::sleep(7 * SECOND);
    engine.send_chunk("event");
    assert_eq!(client.chunked(5), b"event");
    let since = Instant::now();
    engine.patience(15 * SECOND);
    engine.rest();
    took(since, 10);
    let (rest, _) = client.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "a false end");
    gate.still_works();
}

fn an_answer_may_take_its_time() {
    let gate = Gate::with(OPEN_READS);
    let (mut slow, mut slow_engine, _) = gate.asked(LIST);
    let (mut stream, mut stream_engine, _) = gate.asked(EVENTS);
    stream_engine.send(STREAM);
    assert_eq!(stream.head().status(), 200);
    // Longer than every timeout there is but that of idle clients.
    assert!(stream.is_silent(32 * SECOND));
    slow_engine.send(OK);
    assert_eq!(slow.response().text(), "OK");
    stream_engine.send_chunk("event");
    assert_eq!(stream.chunked(5), b"event");
    gate.still_works();
}

fn a_silent_upload_is_left_alone() {
    let gate = Gate::open();
    let head = "POST /v1.41/build HTTP/1.1\r\nHost: docker\r\nContent-Length: 8\r\n\r\n";
    let mut client = gate.sent(format!("{head}once"));
    let mut engine = gate.engine.accept();
    engine.head();
    assert_eq!(engine.take(4), b"once");
    assert!(engine.is_silent(12 * SECOND));
    client.send("more");
    assert_eq!(engine.take(4), b"more");
    engine.send(OK);
    assert_eq!(client.response().status(), 200);
    gate.still_works();
}

fn a_silent_tunnel_is_left_alone() {
    let gate = Gate::open();
    let (mut whole, mut whole_engine, _) = gate.asked(ATTACH);
    let (mut half, mut half_engine, _) = gate.asked(ATTACH);
    for (client, engine) in [
        (&mut whole, &mut whole_engine),
        (&mut half, &mut half_engine),
    ] {
        engine.send(SWITCHED);
        assert_eq!(client.head().status(), 101);
    }
    // The end of a container's stdin says nothing about its stdout.
    half.half_close();
    assert_eq!(half_engine.ends(), End::Closed);
    assert!(whole.is_silent(32 * SECOND));
    assert!(half.is_silent(SECOND));
    whole_engine.send("output");
    assert_eq!(whole.take(6), b"output");
    whole.send("input");
    assert_eq!(whole_engine.take(5), b"input");
    half_engine.send("output");
    drop(half_engine);
    assert_eq!(half.rest(), (b"output".to_vec(), End::Closed));
    gate.still_works();
}

fn a_denied_upload_without_end_is_cut() {
    let gate = Gate::with(OPEN_READS);
    let head = "POST /v1.41/build HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = gate.sent(head);
    assert_eq!(client.response().status(), 403);
    let since = Instant::now();
    // For a while it is read and dropped, so that the client may find the answer.
    while client.try_send("1\r\nx\r\n").is_ok() {
        assert!(since.elapsed() < 20 * SECOND, "goes on");
        thread::sleep(SECOND / 10);
    }
    took(since, 10);
    gate.still_works();
}
