//! What one client can take of what all share.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::gate::{EMPTY, OPEN};
use crate::support::wire::Message;
use crate::support::{End, Engine, Gate, Wire};

const LIST: &str = "GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\n\r\n";
const BUILD: &str = "POST /v1.41/build HTTP/1.1\r\nHost: docker\r\nContent-Length: 8\r\n\r\n";
const SECOND: Duration = Duration::from_secs(1);

fn answering(settings: &[(&str, &str)]) -> Gate {
    let engine = Engine::start();
    engine.serve(|_| EMPTY.into());
    Gate::before(engine, &[OPEN, settings].concat())
}

#[test]
fn a_client_that_asks_too_often_is_told_when_to_come_again() {
    let gate = answering(&[("CLIENT_RATE", "2")]);
    let mut client = gate.client();
    // So many that a slow machine does not make them slow enough, also over another connection.
    for (mut asking, at_once) in [(client.twin(), 2), (gate.client(), 0)] {
        asking.send(LIST.repeat(40));
        let answers: Vec<Message> = (0..40).map(|_| asking.response()).collect();
        assert!(
            answers[..at_once]
                .iter()
                .all(|answer| answer.status() == 200)
        );
        let refused = answers.iter().find(|answer| answer.status() == 429);
        let refused = refused.expect("one too many");
        assert_eq!(refused.head.one("retry-after"), Some("1"));
        assert!(refused.text().contains("CLIENT_RATE"), "{}", refused.text());
    }
    gate.dockgate
        .line(|line| line.contains(" 429 ") && line.contains("CLIENT_RATE"));
    // The connection goes on, and after a second so do its requests.
    thread::sleep(SECOND + SECOND / 2);
    client.send(LIST);
    assert_eq!(client.response().status(), 200);
}

#[test]
fn a_client_has_no_more_connections_than_it_may() {
    let gate = answering(&[("CLIENT_CONNECTIONS", "2")]);
    let mut clients = [gate.sent(LIST), gate.sent(LIST)];
    for client in &mut clients {
        assert_eq!(client.response().status(), 200);
    }
    let mut third = gate.sent(LIST);
    let answer = third.response();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.head.one("retry-after"), Some("1"));
    assert!(
        answer.text().contains("CLIENT_CONNECTIONS"),
        "{}",
        answer.text()
    );
    assert_eq!(third.ends(), End::Closed);
    let [first, _second] = clients;
    drop(first);
    let begin = Instant::now();
    while gate.sent(LIST).response().status() == 429 {
        assert!(begin.elapsed() < 10 * SECOND, "the place is not given back");
    }
}

#[test]
fn one_client_that_opens_all_it_can_leaves_others_served() {
    let gate = answering(&[("MAX_CONNECTIONS", "20")]);
    let greedy: Vec<Wire> = (0..100).map(|_| gate.client()).collect();
    for _ in 0..5 {
        let mut other = Wire::tcp_from([127, 9, 9, 7].into(), gate.address);
        other.send(LIST);
        assert_eq!(other.response().status(), 200);
    }
    drop(greedy);
    gate.dockgate
        .line(|line| line.contains("CLIENT_CONNECTIONS"));
}

#[test]
fn an_upload_whose_client_stalls_ends_with_a_408() {
    let gate = Gate::open_with(&[("UPLOAD_TIMEOUT", "1")]);
    for sent in ["", "once"] {
        let begin = Instant::now();
        let mut client = gate.sent([BUILD, sent].concat());
        let mut engine = gate.engine.accept();
        engine.head();
        assert_eq!(engine.take(sent.len()), sent.as_bytes());
        let answer = client.response();
        assert_eq!(answer.status(), 408);
        assert!(
            answer.text().contains("UPLOAD_TIMEOUT"),
            "{}",
            answer.text()
        );
        assert!(begin.elapsed() > SECOND / 2);
        assert_eq!(client.ends(), End::Closed);
        gate.dockgate
            .line(|line| line.contains(" POST /v1.41/build 408 in="));
    }
    gate.still_works();
}

#[test]
fn neither_a_pause_of_the_engine_nor_an_answer_nor_a_tunnel_is_a_stalled_upload() {
    let gate = Gate::open_with(&[("UPLOAD_TIMEOUT", "3")]);
    // More than all buffers between the two hold.
    let size = 16 << 20;
    let head =
        format!("POST /v1.41/build HTTP/1.1\r\nHost: docker\r\nContent-Length: {size}\r\n\r\n");
    let mut uploading = gate.sent(head);
    let mut engine = gate.engine.accept();
    engine.head();
    let mut writer = uploading.twin();
    let sending = thread::spawn(move || writer.send(vec![b'x'; size]));
    let (mut streamed, mut streaming, _) = gate.asked(LIST);
    streaming.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    let (mut attached, mut tunnel, _) = gate.asked(
        "POST /v1.41/containers/c/attach HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    );
    tunnel.send("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    assert_eq!(attached.head().status(), 101);
    thread::sleep(5 * SECOND);
    assert_eq!(engine.take(size).len(), size);
    sending.join().expect("all is sent");
    engine.send(EMPTY);
    assert_eq!(uploading.response().status(), 200);
    streaming.send("0\r\n\r\n");
    assert_eq!(streamed.response().status(), 200);
    tunnel.send("out");
    assert_eq!(attached.take(3), b"out");
    attached.send("in");
    assert_eq!(tunnel.take(2), b"in");
    drop((attached, tunnel));
    gate.still_works();
}

/// The engine's connection is kept, so nothing but the timeout would ever end such an upload.
#[test]
fn an_upload_that_stalls_behind_its_whole_answer_ends() {
    let gate = Gate::open_with(&[("UPLOAD_TIMEOUT", "2")]);
    for framing in ["Content-Length: 8", "Transfer-Encoding: chunked"] {
        let mut client = gate.sent(format!(
            "POST /v1.41/build HTTP/1.1\r\nHost: docker\r\n{framing}\r\n\r\n"
        ));
        let mut engine = gate.engine.accept();
        engine.head();
        engine.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nbad");
        let response = client.response();
        assert_eq!((response.status(), response.text().as_str()), (400, "bad"));
        let begin = Instant::now();
        let (rest, _) = engine.rest();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "looks like a whole body");
        assert_eq!(client.ends(), End::Closed);
        let elapsed = begin.elapsed();
        assert!(elapsed > SECOND && elapsed < 8 * SECOND, "{elapsed:?}");
    }
    gate.still_works();
}

#[test]
fn an_upload_that_goes_on_behind_its_whole_answer_is_left_alone() {
    let gate = Gate::open_with(&[("UPLOAD_TIMEOUT", "3")]);
    let mut client = gate.sent(BUILD);
    let mut engine = gate.engine.accept();
    engine.head();
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    for byte in ["o", "n", "c", "e", "m", "o", "r", "e"] {
        thread::sleep(SECOND);
        client.send(byte);
        assert_eq!(engine.take(1), byte.as_bytes());
    }
    client.send(LIST);
    assert!(
        engine
            .request()
            .head
            .line
            .starts_with("GET /v1.41/containers/json ")
    );
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
}

/// Neither while the engine still answers nor while the client still has to read the answer.
#[test]
fn an_answer_in_progress_is_not_ended_by_its_upload() {
    let gate = Gate::open_with(&[("UPLOAD_TIMEOUT", "1")]);
    let mut streamed = gate.sent(BUILD);
    let mut streaming = gate.engine.accept();
    streaming.head();
    streaming.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    streaming.send_chunk("step 1");
    assert_eq!(streamed.head().status(), 200);
    assert_eq!(streamed.chunked(6), b"step 1");
    let answered = |length: usize| {
        let client = gate.sent(BUILD);
        let mut engine = gate.engine.accept();
        engine.head();
        engine.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"
        ));
        (client, engine)
    };
    // What all buffers on the way to the client hold; the engine's part of that is the least.
    let (filled, mut engine) = answered(1 << 30);
    engine.patience(SECOND / 2);
    let block = [b'x'; 1 << 16];
    let blocks = std::iter::repeat_with(|| engine.try_send(block))
        .take_while(Result::is_ok)
        .count();
    drop((filled, engine));
    // Where it fills the engine's side of dockgate, the client's, or the client's socket.
    let lengths = (1..=8).map(|less| blocks.saturating_sub(less * 4) * block.len());
    let unread: Vec<(usize, Wire, JoinHandle<Wire>)> = lengths
        .map(|length| {
            let (client, mut engine) = answered(length);
            let sending = thread::spawn(move || {
                engine.send(vec![b'x'; length]);
                engine
            });
            (length, client, sending)
        })
        .collect();
    thread::sleep(5 * SECOND);
    streaming.send_chunk("step 2");
    assert_eq!(streamed.chunked(6), b"step 2");
    for (length, mut client, sending) in unread {
        let read = client.response();
        assert_eq!((read.status(), read.body.len()), (200, length));
        // From here on it waits for nothing but the client.
        let _engine = sending.join().expect("all is sent");
        assert_eq!(client.ends(), End::Closed);
    }
    streaming.send_chunk("");
    assert_eq!(streamed.chunk(), None);
    assert_eq!(streamed.ends(), End::Closed);
    gate.still_works();
}
