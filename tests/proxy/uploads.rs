//! Request bodies: streamed as they come, cut where the client broke them, and outlived by early
//! answers and denials.

use std::thread;
use std::time::Duration;

use crate::support::gate::EMPTY;
use crate::support::wire::{Wire, chunk};
use crate::support::{End, Gate};

const LOAD: &str = "POST /v1.41/images/load HTTP/1.1\r\nHost: docker\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n";
const LARGE: usize = 30 << 20;

/// Bytes of which none is where it would be after a shift.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

#[test]
fn chunks_reach_the_engine_before_the_next_one_is_sent() {
    let gate = Gate::open();
    for target in [
        "/v1.41/build?t=x",
        "/v1.41/images/load",
        "/v1.41/images/create?fromSrc=-",
    ] {
        let head = format!("POST {target} HTTP/1.1\r\nHost: docker\r\n{CHUNKED}");
        let mut client = gate.sent(head);
        let mut engine = gate.engine.accept();
        let head = engine.head();
        assert_eq!(head.line, format!("POST {target} HTTP/1.1"));
        assert_eq!(
            head.sorted(),
            [("host", "docker"), ("transfer-encoding", "chunked")]
        );
        for part in ["first", "second", "third"] {
            client.send_chunk(part);
            assert_eq!(engine.chunked(part.len()), part.as_bytes());
        }
        client.send_chunk("");
        assert_eq!(engine.chunk(), None);
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
    }
    gate.still_works();
}

#[test]
fn a_body_with_a_length_reaches_the_engine_as_it_comes() {
    let gate = Gate::open();
    let head = "PUT /v1.41/containers/c/archive?path=%2F HTTP/1.1\r\nHost: docker\r\n";
    let mut client = gate.sent(format!("{head}Content-Length: 6\r\n\r\n"));
    let mut engine = gate.engine.accept();
    let head = engine.head();
    assert_eq!(
        head.line,
        "PUT /v1.41/containers/c/archive?path=%2F HTTP/1.1"
    );
    assert_eq!(head.sorted(), [("content-length", "6"), ("host", "docker")]);
    for part in ["one", "two"] {
        client.send(part);
        assert_eq!(engine.take(3), part.as_bytes());
    }
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    gate.still_works();
}

#[test]
fn large_uploads_arrive_whole() {
    let gate = Gate::open();
    let data = noise(LARGE);
    let length = format!("Content-Length: {LARGE}\r\n\r\n");
    let pieces: Vec<u8> = data
        .chunks(100_000)
        .chain([&[][..]])
        .flat_map(chunk)
        .collect();
    for (framing, body) in [(length.as_str(), &data), (CHUNKED, &pieces)] {
        let mut client = gate.sent([LOAD, framing].concat());
        let received = thread::scope(|scope| {
            let sender = scope.spawn(|| client.send(body));
            let (mut engine, request) = gate.engine.request();
            sender.join().expect("sent");
            engine.send(EMPTY);
            request.body
        });
        assert!(received == data, "the body differs");
        assert_eq!(client.response().status(), 200);
    }
    gate.still_works();
}

#[test]
fn an_upload_waits_for_an_engine_that_does_not_read() {
    let gate = Gate::open();
    let mut client = gate.sent(format!("{LOAD}Content-Length: 1000000000\r\n\r\n"));
    let mut engine = gate.engine.accept();
    engine.head();
    client.patience(Duration::from_millis(500));
    let block = [b'x'; 1 << 16];
    // What all buffers on the way hold; an endless one would take far more.
    let taken = std::iter::repeat_with(|| client.try_send(block))
        .take_while(Result::is_ok)
        .count();
    assert!(
        taken * block.len() < 64 << 20,
        "{taken} blocks of 64 KiB were taken"
    );
    drop(engine);
    gate.still_works();
}

#[test]
fn a_client_that_expects_100_gets_it_from_dockgate() {
    let gate = Gate::open();
    let head = format!("{LOAD}Expect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    let mut client = gate.sent(head);
    let mut engine = gate.engine.accept();
    let head = engine.head();
    assert_eq!(head.sorted(), [("content-length", "4"), ("host", "docker")]);
    assert_eq!(client.head().line, "HTTP/1.1 100 Continue");
    client.send("body");
    assert_eq!(engine.take(4), b"body");
    // One of the engine's own is not for the client, who got one already.
    engine.send(["HTTP/1.1 100 Continue\r\n\r\n", EMPTY].concat());
    assert_eq!(client.response().status(), 200);
    gate.still_works();
}

#[test]
fn a_denied_client_that_expects_100_gets_403_instead() {
    let gate = Gate::with(&[]);
    let head = format!("{LOAD}Expect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    assert_eq!(gate.sent(head).response().status(), 403);
    gate.still_works();
}

#[test]
fn an_early_answer_arrives_while_the_upload_runs() {
    let gate = Gate::open();
    let mut client = gate.sent([LOAD, CHUNKED].concat());
    client.send_chunk("first");
    let mut engine = gate.engine.accept();
    engine.head();
    assert_eq!(engine.chunked(5), b"first");
    // As build does: the answer streams while the body still comes.
    engine.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    engine.send_chunk("step 1");
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.chunked(6), b"step 1");
    client.send_chunk("second");
    assert_eq!(engine.chunked(6), b"second");
    engine.send_chunk("step 2");
    assert_eq!(client.chunked(6), b"step 2");
    client.send_chunk("");
    assert_eq!(engine.chunk(), None);
    engine.send_chunk("");
    assert_eq!(client.chunk(), None);
    gate.still_works();
}

#[test]
fn an_early_whole_answer_arrives_before_the_upload_ends() {
    let gate = Gate::open();
    let mut client = gate.sent([LOAD, CHUNKED].concat());
    client.send_chunk("first");
    let mut engine = gate.engine.accept();
    engine.head();
    assert_eq!(engine.chunked(5), b"first");
    engine.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nbad");
    let response = client.response();
    assert_eq!((response.status(), response.text().as_str()), (400, "bad"));
    gate.still_works();
}

#[test]
fn the_answer_of_an_engine_that_closes_in_mid_upload_arrives_whole() {
    let gate = Gate::open();
    let answer = "no space left on device ".repeat(400);
    let length = format!("Content-Length: {LARGE}\r\n\r\n");
    let data = noise(LARGE);
    let pieces: Vec<u8> = data
        .chunks(30_000)
        .chain([&[][..]])
        .flat_map(chunk)
        .collect();
    for round in 0..10 {
        let (framing, body) = if round % 2 == 0 {
            (length.as_str(), &data)
        } else {
            (CHUNKED, &pieces)
        };
        let mut client = gate.sent([LOAD, framing].concat());
        let mut sending = client.twin();
        thread::scope(|scope| {
            // Fails when dockgate closes, and may.
            scope.spawn(move || sending.try_send(body));
            let mut engine = gate.engine.accept();
            engine.head();
            engine.take(round * 100_000 + 1);
            let head = "HTTP/1.1 500 Internal Server Error\r\n";
            engine.send(format!(
                "{head}Content-Length: {}\r\n\r\n{answer}",
                answer.len()
            ));
            drop(engine);
            let response = client.response();
            assert_eq!((response.status(), response.text() == answer), (500, true));
            drop(client);
        });
    }
    gate.still_works();
}

#[test]
fn a_client_that_reads_only_when_it_has_sent_all_finds_the_early_answer() {
    let gate = Gate::open();
    let data = noise(LARGE);
    let pieces: Vec<u8> = data
        .chunks(30_000)
        .chain([&[][..]])
        .flat_map(chunk)
        .collect();
    let length = format!("Content-Length: {LARGE}\r\n\r\n");
    let answer = "HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 4\r\n\r\nfull";
    for (framing, body) in [(length.as_str(), &data), (CHUNKED, &pieces)] {
        let mut client = gate.sent([LOAD, framing].concat());
        thread::scope(|scope| {
            scope.spawn(|| client.send(body));
            let mut engine = gate.engine.accept();
            engine.head();
            engine.take(100_000);
            engine.send(answer);
        });
        let response = client.response();
        assert_eq!((response.status(), response.text().as_str()), (507, "full"));
    }
    gate.still_works();
}

#[test]
fn chunk_extensions_and_trailers_do_not_change_the_body() {
    let gate = Gate::open();
    let mut client = gate.sent([LOAD, CHUNKED].concat());
    client.send("4;name=\"va;lue\"\r\nbody\r\n0\r\nHost: second\r\nX-Trailer: x\r\n\r\n");
    let (mut engine, request) = gate.engine.request();
    assert_eq!(
        request.head.sorted(),
        [("host", "docker"), ("transfer-encoding", "chunked")]
    );
    assert_eq!(request.text(), "body");
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    // The connection knows where the body ended.
    client.send("GET /version?\"x\" HTTP/1.1\r\nHost: docker\r\n\r\n");
    assert_eq!(engine.request().head.line, "GET /version?%22x%22 HTTP/1.1");
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    gate.still_works();
}

#[test]
fn trailers_end_here_even_if_they_were_announced() {
    let gate = Gate::open();
    let mut client = gate.sent([LOAD, "Trailer: X-Sum\r\n", CHUNKED].concat());
    client.send("4\r\nbody\r\n0\r\nX-Sum: 1\r\n\r\n");
    let mut engine = gate.engine.accept();
    engine.head();
    assert_eq!(engine.chunked(4), b"body");
    assert_eq!(engine.take(5), b"0\r\n\r\n");
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    gate.still_works();
}

#[test]
fn where_a_chunked_body_ends_is_seen_in_one_way_only() {
    let gate = Gate::open();
    let end = "0\r\n\r\n";
    for body in [
        format!("0005\r\nh\"l<o\r\n{end}"),
        format!("5 \r\nh\"l<o\r\n{end}"),
        format!("5\t\r\nh\"l<o\r\n{end}"),
        format!("5 ;x\r\nh\"l<o\r\n{end}"),
        format!("5;x=\"0\r\nh\"l<o\r\n{end}"),
        format!("5;x\nh\"l<o\r\n{end}"),
        format!("5\nh\"l<o\n{end}"),
        format!("5\r\nh\"l<o\n{end}"),
        format!(" 5\r\nh\"l<o\r\n{end}"),
        format!("+5\r\nh\"l<o\r\n{end}"),
        format!("0x5\r\nh\"l<o\r\n{end}"),
        format!("5_\r\nh\"l<o\r\n{end}"),
        format!("\r\nh\"l<o\r\n{end}"),
        format!("10000000000000005\r\nh\"l<o\r\n{end}"),
        "5\r\nh\"l<o\r\n00000\r\n\r\n".to_owned(),
        "5\r\nh\"l<o\r\n0;x\r\n\r\n".to_owned(),
        "5\r\nh\"l<o\r\n0 \r\n\r\n".to_owned(),
        "5\r\nh\"l<o\r\n0\n\n".to_owned(),
        "5\r\nh\"l<o\r\n0\r\n\n".to_owned(),
        "5\r\nh\"l<o\r\n0\n\r\n".to_owned(),
        "5\r\nh\"l<o\r\n0\r\nA: 1\r\n\r\n".to_owned(),
        "5\r\nh\"l<o\r\n0\r\nA: 1\n\r\n".to_owned(),
        "5\r\nh\"l<o\r\n0\r\nA: 1\r\n\n".to_owned(),
        "5\r\nh\"l<o\r\n0\r\nA: 1\rGET / HTTP/1.1\r\n\r\n".to_owned(),
        "5\r\nh\"l<o\r\n0\r\n\rGET / HTTP/1.1\r\n\r\n".to_owned(),
        "5\r\nh\"l<o\r\n0\r\nno colon\r\n\r\n".to_owned(),
    ] {
        eprintln!("sending {body:?}");
        let next = "GET /version?\"x\" HTTP/1.1\r\nHost: docker\r\n\r\n";
        let mut client = gate.sent([LOAD, CHUNKED].concat());
        let mut engine = gate.engine.accept();
        engine.head();
        client.send(body + next);
        client.half_close();
        // Either the body is a whole one, and what follows it is the next request or nothing …
        if engine.reaches(b"\r\n0\r\n\r\n") {
            assert_eq!(engine.chunked(5), b"h\"l<o");
            assert_eq!(engine.chunk(), None);
            engine.send(EMPTY);
            assert_eq!(client.response().status(), 200);
            if engine.has_more() {
                assert_eq!(engine.request().head.line, "GET /version?%22x%22 HTTP/1.1");
                engine.send(EMPTY);
                assert_eq!(client.response().status(), 200);
            }
        } else {
            // … or it is a broken one.
            assert_eq!(client.response().status(), 400);
        }
        assert_eq!(client.ends(), End::Closed);
    }
    gate.still_works();
}

#[test]
fn bad_chunking_cuts_the_engine_and_is_a_400() {
    let gate = Gate::open();
    for bad in [
        "zz\r\n",
        "5 5\r\nhello\r\n",
        "-1\r\n",
        "3\r\nabcd\r\n",
        "ffffffffffffffffff\r\n",
    ] {
        let mut client = gate.sent([LOAD, CHUNKED].concat());
        client.send_chunk("good");
        let mut engine = gate.engine.accept();
        engine.head();
        assert_eq!(engine.chunked(4), b"good");
        client.send(bad);
        let (rest, _) = engine.rest();
        assert!(
            !rest.ends_with(b"0\r\n\r\n"),
            "{bad:?} looked like a whole body"
        );
        let response = client.response();
        assert_eq!(response.status(), 400, "{bad:?}");
        assert!(
            response.text().starts_with("{\"message\":\"dockgate: "),
            "{}",
            response.text()
        );
        client.rest();
    }
    gate.still_works();
}

#[test]
fn bad_chunking_behind_an_answer_s_head_breaks_the_answer_off() {
    let gate = Gate::open();
    let mut client = gate.sent([LOAD, CHUNKED].concat());
    client.send_chunk("good");
    let mut engine = gate.engine.accept();
    engine.head();
    assert_eq!(engine.chunked(4), b"good");
    engine.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    engine.send_chunk("step 1");
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.chunked(6), b"step 1");
    client.send("zz\r\n");
    let (rest, _) = engine.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"));
    let (rest, _) = client.rest();
    assert_eq!(
        String::from_utf8_lossy(&rest),
        "",
        "neither an end nor a second answer"
    );
    gate.still_works();
}

/// A client that goes before its body is whole must not look like one that has sent all.
fn is_cut_off(framing: &str, part: &[u8], leave: impl Fn(Wire) -> Option<Wire>) {
    let gate = Gate::open();
    let mut client = gate.sent([LOAD, framing].concat());
    client.send(part);
    let mut engine = gate.engine.accept();
    engine.head();
    engine.take(4);
    let kept = leave(client);
    let (rest, _) = engine.rest();
    assert!(
        !rest.ends_with(b"0\r\n\r\n") && rest.len() < 100,
        "{}",
        engine.seen().len()
    );
    drop(kept);
    gate.still_works();
}

#[test]
fn a_client_that_leaves_in_mid_upload_cuts_the_engine() {
    let half_close = |client: Wire| {
        client.half_close();
        Some(client)
    };
    let reset = |client: Wire| {
        client.reset();
        None
    };
    is_cut_off("Content-Length: 100\r\n\r\n", b"part", half_close);
    is_cut_off("Content-Length: 100\r\n\r\n", b"part", reset);
    is_cut_off(CHUNKED, &chunk("part"), half_close);
    is_cut_off(CHUNKED, &chunk("part"), reset);
    is_cut_off(CHUNKED, b"10\r\npart", half_close);
}

#[test]
fn a_denied_upload_keeps_its_403() {
    let gate = Gate::with(&[]);
    let data = noise(LARGE);
    let length = format!("Content-Length: {LARGE}\r\n\r\n");
    let pieces: Vec<u8> = data
        .chunks(30_000)
        .chain([&[][..]])
        .flat_map(chunk)
        .collect();
    for round in 0..6 {
        let (framing, body) = if round % 2 == 0 {
            (length.as_str(), &data)
        } else {
            (CHUNKED, &pieces)
        };
        // The whole body before a look at the answer, as simple clients do it.
        let mut client = gate.sent([LOAD, framing].concat());
        client.send(body);
        let response = client.response();
        assert_eq!(response.status(), 403);
        assert!(
            response
                .text()
                .contains("set ALLOW_LOAD=1, or IMAGES=1 and POST=1"),
            "{}",
            response.text()
        );
    }
    gate.still_works();
}

#[test]
fn a_denial_does_not_wait_for_the_upload() {
    let gate = Gate::with(&[]);
    for framing in ["Content-Length: 1000\r\n\r\n", CHUNKED] {
        let mut client = gate.sent([LOAD, framing].concat());
        assert_eq!(client.response().status(), 403);
    }
    gate.still_works();
}

#[test]
fn what_follows_a_denied_upload_is_never_taken_for_a_request() {
    let gate = Gate::with(&[]);
    let inner = "GET /version HTTP/1.1\r\nHost: docker\r\n\r\n";
    let mut client = gate.sent(format!(
        "{LOAD}Content-Length: {}\r\n\r\n{inner}",
        inner.len()
    ));
    assert_eq!(client.response().status(), 403);
    client.half_close();
    assert_eq!(client.ends(), End::Closed);
    gate.still_works();
}
