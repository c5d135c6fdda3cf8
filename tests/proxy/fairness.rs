//! What one client can take of what all share.

use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::dockgate::free_address;
use crate::support::gate::{EMPTY, OPEN};
use crate::support::wire::Message;
use crate::support::{Dockgate, End, Engine, Gate, Wire};

const LIST: &str = "GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\n\r\n";
const BUILD: &str = "POST /v1.41/build HTTP/1.1\r\nHost: docker\r\nContent-Length: 8\r\n\r\n";
const SECOND: Duration = Duration::from_secs(1);

fn answering(settings: &[(&str, &str)]) -> Gate {
    let engine = Engine::start();
    engine.serve(|_| EMPTY.into());
    Gate::before(engine, &[OPEN, settings].concat())
}

/// A request of another client than all others of a test.
#[track_caller]
fn other(gate: &Gate) -> Wire {
    let mut client = Wire::tcp_from([127, 9, 9, 7].into(), gate.address);
    client.send(LIST);
    client
}

/// What a client that has asked gets before it leaves.
#[track_caller]
fn status_of(mut client: Wire) -> u16 {
    client.response().status()
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
    for all in ["2", "5", "10", "20"] {
        let gate = answering(&[("MAX_CONNECTIONS", all)]);
        let greedy: Vec<Wire> = (0..100).map(|_| gate.client()).collect();
        for _ in 0..5 {
            assert_eq!(status_of(other(&gate)), 200, "of {all}");
        }
        gate.dockgate
            .line(|line| line.contains("CLIENT_CONNECTIONS"));
        drop(greedy);
    }
}

#[test]
fn a_single_slot_serves_one_connection_after_the_other() {
    let gate = answering(&[("MAX_CONNECTIONS", "1")]);
    let mut clients: Vec<Wire> = (0..3).map(|_| gate.sent(LIST)).collect();
    clients.push(other(&gate));
    let answers = clients.into_iter().map(|client| {
        // The others go on only when this one has left.
        thread::spawn(move || status_of(client))
    });
    let answers: Vec<JoinHandle<u16>> = answers.collect();
    for answer in answers {
        assert_eq!(answer.join().expect("an answer"), 200);
    }
}

#[test]
fn one_client_that_fills_its_room_to_wait_leaves_some_to_others() {
    let engine = Engine::start();
    engine.serve(|_| EMPTY.into());
    let address = free_address();
    let listen = format!("tcp://{address}");
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "ulimit -n 300 && exec \"$0\""])
        .arg(env!("CARGO_BIN_EXE_dockgate"))
        .env_clear()
        .envs(OPEN.iter().copied())
        .env("LISTEN", &listen)
        .env("SOCKET_PATH", engine.path())
        .env("MAX_CONNECTIONS", "20");
    let dockgate = Dockgate::spawn(&mut command);
    dockgate.listens(&listen);
    let gate = Gate {
        engine,
        dockgate,
        address,
    };
    let greedy: Vec<Wire> = (0..300).map(|_| gate.client()).collect();
    let mut others: Vec<Wire> = (0..2).map(|_| other(&gate)).collect();
    for other in &mut others {
        assert_eq!(other.response().status(), 200);
    }
    // More than it can have now.
    let mut waiting = other(&gate);
    assert!(waiting.is_silent(SECOND / 2), "it is turned away");
    drop(greedy);
    assert_eq!(waiting.response().status(), 200);
}

/// Containers have a socket each, and most run as root.
#[test]
fn a_user_on_another_socket_is_another_client() {
    for limit in [
        ("MAX_CONNECTIONS", "20"),
        ("CLIENT_CONNECTIONS", "1"),
        ("CLIENT_RATE", "1"),
    ] {
        let engine = Engine::start();
        engine.serve(|_| EMPTY.into());
        let [one, two] = ["one", "two"].map(|name| engine.directory().join(name));
        let listeners = [&one, &two].map(|path| format!("unix://{}", path.display()));
        let path = engine.path().display().to_string();
        let own = [
            ("LISTEN", &*listeners.join(",")),
            ("SOCKET_PATH", &path),
            limit,
        ];
        let dockgate = Dockgate::start(&[OPEN, &own].concat());
        listeners.iter().for_each(|one| dockgate.listens(one));
        let mut greedy: Vec<Wire> = (0..40).map(|_| Wire::unix(&one)).collect();
        if limit.0 != "MAX_CONNECTIONS" {
            for client in &mut greedy[..2] {
                // It may have its answer before it asks.
                let _ = client.try_send(LIST.repeat(2));
            }
            let line = dockgate.line(|line| line.contains(limit.0) && line.contains("denied"));
            assert!(line.contains("unix:"), "{line}");
        }
        let mut other = Wire::unix(&two);
        other.send(LIST);
        assert_eq!(status_of(other), 200, "{}", limit.0);
    }
}

#[test]
fn a_user_that_is_turned_away_from_a_socket_is_logged_once() {
    let engine = Engine::start();
    engine.serve(|_| EMPTY.into());
    let socket = engine.directory().join("dockgate.sock");
    let listen = format!("unix://{}", socket.display());
    let path = engine.path().display().to_string();
    let own = [
        ("LISTEN", listen.as_str()),
        ("SOCKET_PATH", &path),
        ("CLIENT_CONNECTIONS", "1"),
    ];
    let dockgate = Dockgate::start(&[OPEN, &own].concat());
    dockgate.listens(&listen);
    let asking = || {
        let mut client = Wire::unix(&socket);
        client.send(LIST);
        client
    };
    let mut first = asking();
    assert_eq!(first.response().status(), 200);
    for _ in 0..3 {
        assert_eq!(status_of(asking()), 429);
    }
    dockgate.line(|line| line.contains(" 429 ") && line.contains("CLIENT_CONNECTIONS"));
    // Written after all of these.
    first.send(LIST.replace("containers/json", "info"));
    assert_eq!(first.response().status(), 200);
    dockgate.line(|line| line.contains(" /v1.41/info 200 "));
    let log = dockgate.log();
    assert_eq!(log.matches(" 429 ").count(), 1, "{log}");
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
