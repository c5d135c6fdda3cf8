//! Filters: what is removed of the engine's answers, in front of an engine that a test plays. Here
//! the join tokens of a swarm under `DENY_ROOT`.

use crate::support::gate::EMPTY;
use crate::support::wire::chunk;
use crate::support::{Gate, Message};

const SWARM: &str = "GET /v1.41/swarm HTTP/1.1\r\nHost: docker\r\n\r\n";
const ANSWER: &str = r#"{"ID":"x","Version":{"Index":11},"JoinTokens":{"Worker":"SWMTKN-1-a","Manager":"SWMTKN-1-b"},"RootRotationInProgress":false}"#;
const LEFT: &str = r#"{"ID":"x","Version":{"Index":11},"RootRotationInProgress":false}"#;

fn gate() -> Gate {
    Gate::open_with(&[("DENY_ROOT", "1")])
}

/// An engine's answer with these headers besides.
fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

/// What the client gets, which holds no token in any case.
#[track_caller]
fn passed(gate: &Gate, request: &str, answer: impl AsRef<[u8]>) -> (u16, String) {
    let (_, response) = gate.exchange(request, answer);
    shown(&response)
}

#[track_caller]
fn shown(response: &Message) -> (u16, String) {
    let text = response.text();
    assert!(!text.contains("SWMTKN"), "{text}");
    (response.status(), text)
}

#[test]
fn a_swarm_is_shown_without_its_join_tokens() {
    let gate = gate();
    let sized = answer("200 OK", "Api-Version: 1.41\r\n", ANSWER);
    let (start, end) = ANSWER.split_at(70);
    let chunked = [
        b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        chunk(start),
        chunk(end),
        chunk(""),
    ]
    .concat();
    for answer in [sized.as_bytes(), &chunked] {
        let (request, response) = gate.exchange(SWARM, answer);
        assert_eq!(request.head.line, "GET /v1.41/swarm HTTP/1.1");
        assert_eq!(shown(&response), (200, LEFT.to_owned()));
        let head = &response.head;
        assert_eq!(head.one("content-length"), Some(&*LEFT.len().to_string()));
        assert_eq!(head.one("content-type"), Some("application/json"));
        assert_eq!(head.one("api-version"), Some("1.41"));
        assert_eq!(head.one("transfer-encoding"), None);
    }
    gate.dockgate
        .line(|line| line.contains("GET /v1.41/swarm") && line.contains(" 200 "));
    gate.still_works();
}

#[test]
fn no_spelling_shows_them() {
    let gate = gate();
    let ask = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: docker\r\n\r\n");
    for target in ["/swarm", "/v1.24/swarm", "/swarm?x=1", "/%73warm"] {
        let found = passed(&gate, &ask(target), answer("200 OK", "", ANSWER));
        assert_eq!(found, (200, LEFT.to_owned()), "{target}");
    }
    for key in ["jointokens", r"JoinTo\u212aens", r"JoinT\u006fkens"] {
        let odd = ANSWER.replace("JoinTokens", key);
        let odd = answer("200 OK", "", &odd);
        assert_eq!(passed(&gate, SWARM, odd), (200, LEFT.to_owned()), "{key}");
    }
    gate.still_works();
    let all = [("SP_ALLOW_GET", ".*"), ("DENY_ROOT", "1"), ("PING", "1")];
    let gate = Gate::with(&all);
    for (target, status) in [
        // Only other engines see a version in it.
        ("/v1.41-x/swarm", 400),
        ("/libpod/swarm", 403),
        ("/v4.0.0/libpod/swarm", 403),
        ("/swarm/unlockkey", 403),
    ] {
        let (told, text) = shown(&gate.refusal(ask(target)));
        assert_eq!(told, status, "{target}: {text}");
        assert!(text.contains("DENY_ROOT"), "{target}: {text}");
    }
    // No engine serves this.
    assert_eq!(shown(&gate.refusal(ask("/swarm/"))).0, 404);
    // Whether or not the engine serves these, what it says is filtered.
    for target in ["/v1.41.9/swarm", "/v1/swarm"] {
        let found = passed(&gate, &ask(target), answer("200 OK", "", ANSWER));
        assert_eq!(found, (200, LEFT.to_owned()), "{target}");
    }
    gate.still_works();
}

#[test]
fn no_header_gets_around_it() {
    let gate = gate();
    let request = "GET /swarm HTTP/1.1\r\nHost: docker\r\nAccept-Encoding: gzip\r\n\
                   Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    let (seen, response) = gate.exchange(request, answer("200 OK", "", ANSWER));
    assert_eq!(seen.head.sorted(), [("host", "docker")]);
    assert_eq!(shown(&response), (200, LEFT.to_owned()));
    let switched = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nSWMTKN";
    assert_eq!(passed(&gate, request, switched).0, 502);
    let request = "GET /swarm HTTP/1.0\r\nHost: docker\r\n\r\n";
    let (_, response) = gate.exchange(request, answer("200 OK", "", ANSWER));
    assert_eq!(shown(&response), (200, LEFT.to_owned()));

    let mut client = gate.sent("HEAD /swarm HTTP/1.1\r\nHost: docker\r\n\r\n");
    let (mut engine, _) = gate.engine.request();
    engine.send("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n");
    let head = client.head();
    assert_eq!(head.status(), 200);
    assert_ne!(head.one("content-length"), Some("999"));
    gate.still_works();
}

#[test]
fn what_cannot_be_read_is_withheld() {
    let gate = gate();
    let twice = ANSWER.replace("\"ID\"", "\"joinTokens\":1,\"ID\"");
    let ends_early = answer("200 OK", "", ANSWER).replace("ngth: 1", "ngth: 9");
    for (answer, why) in [
        (
            answer("200 OK", "", &ANSWER[..90]),
            "the body is not valid JSON",
        ),
        (answer("200 OK", "", &twice), "duplicate key"),
        (
            answer("200 OK", "", "[\"SWMTKN\"]"),
            "the body must be an object",
        ),
        (answer("200 OK", "", ""), "the body is empty"),
        (
            answer("200 OK", "Content-Encoding: gzip\r\n", ANSWER),
            "the body is encoded (gzip)",
        ),
        (
            answer("206 Partial Content", "", ANSWER),
            "its status is 206",
        ),
        (answer("203 Others", "", ANSWER), "its status is 203"),
        (answer("302 Found", "", ANSWER), "its status is 302"),
        (
            answer("500 Oops", "", ANSWER),
            "the body has no error message",
        ),
        (
            answer("500 Oops", "", "SWMTKN"),
            "the body is not valid JSON",
        ),
        (ends_early, "in the middle of its response"),
    ] {
        let (mut client, mut engine, _) = gate.asked(SWARM);
        engine.send(&answer);
        engine.half_close();
        let (status, text) = shown(&client.response());
        assert_eq!(status, 502, "{answer}: {text}");
        assert!(text.contains(why), "{answer}: {text}");
        assert!(
            text.contains("because DENY_ROOT removes the join tokens from it, and ")
                || why == "in the middle of its response",
            "{text}"
        );
        // Nothing is left of it for the next request.
        client.send("GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n");
        let (mut engine, request) = gate.engine.request();
        assert_eq!(request.head.line, "GET /_ping HTTP/1.1");
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
    }
    gate.still_works();
}

#[test]
fn an_answer_is_read_up_to_a_limit() {
    let gate = gate();
    let (mut client, mut engine, _) = gate.asked(SWARM);
    engine.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    let part = vec![b' '; 1 << 20];
    // The rest of these is not taken any more.
    for _ in 0..17 {
        if engine.try_send(chunk(&part)).is_err() {
            break;
        }
    }
    let (status, text) = shown(&client.response());
    assert_eq!(status, 502);
    assert!(text.contains("larger than 16777216 bytes"), "{text}");
    drop(engine);
    gate.still_works();
}

#[test]
fn of_an_error_the_message_passes() {
    let gate = gate();
    let message = r#"{"message":"This node is not a swarm manager."}"#;
    for body in [
        message.to_owned() + "\n",
        r#"{"message":"This node is not a swarm manager.","JoinTokens":{"Manager":"SWMTKN-1-b"}}"#
            .to_owned(),
    ] {
        let error = answer("503 Service Unavailable", "", &body);
        assert_eq!(passed(&gate, SWARM, error), (503, message.to_owned()));
    }
    gate.still_works();
}

/// A connection goes on, on both sides, behind an answer that was filtered.
#[test]
fn a_connection_is_kept() {
    let gate = gate();
    let mut client = gate.client();
    let mut engine = None;
    for _ in 0..2 {
        client.send(SWARM);
        let engine = match &mut engine {
            Some(engine) => engine,
            none => none.insert(gate.engine.accept()),
        };
        assert_eq!(engine.head().line, "GET /v1.41/swarm HTTP/1.1");
        engine.send(answer("200 OK", "", ANSWER));
        assert_eq!(shown(&client.response()), (200, LEFT.to_owned()));
    }
    drop((client, engine));
    gate.still_works();
}

#[test]
fn everything_passes_where_nothing_is_protected() {
    for settings in [
        &[][..],
        &[("DENY_ROOT", "1"), ("DRY_RUN", "1")],
        &[("DENY_ROOT", "1"), ("LEARN", "1")],
    ] {
        let gate = Gate::open_with(settings);
        let (_, response) = gate.exchange(SWARM, answer("200 OK", "", ANSWER));
        assert_eq!(
            (response.status(), response.text()),
            (200, ANSWER.to_owned())
        );
    }
}
