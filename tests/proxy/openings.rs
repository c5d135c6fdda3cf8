//! Clients that begin with something else than an HTTP/1 request, and would wait for an answer: they
//! get one at once that they can show.

use std::time::{Duration, Instant};

use crate::support::{End, Gate, Wire};

/// All that a head may take is ten seconds.
const AT_ONCE: Duration = Duration::from_secs(5);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
const HTTP_2: &str = "HTTP/2 is not supported: use HTTP/1.1";

/// Sends an opening that is answered by a 400 with this message, which the log has too.
#[track_caller]
fn is_refused(gate: &Gate, opening: &[u8], message: &str) {
    let since = Instant::now();
    let mut client = gate.sent(opening);
    let response = client.response();
    let name = opening.escape_ascii();
    assert!(since.elapsed() < AT_ONCE, "{name} waited");
    assert_eq!(response.status(), 400, "{name}");
    let body = format!("{{\"message\":\"dockgate: {message}\"}}\n");
    assert_eq!(response.text(), body, "{name}");
    // What is sent meanwhile does not reset the answer away, and is no request.
    client.send("GET /version HTTP/1.1\r\nHost: docker\r\n\r\n");
    assert_eq!(client.ends(), End::Closed);
    let said = format!(" - - 400 denied: {message}");
    gate.dockgate.line(|line| line.ends_with(&said));
}

#[test]
fn a_tls_client_is_told_at_once() {
    let gate = Gate::open();
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a hello without an end of a line";
    let message = "this endpoint does not use TLS: use http:// or tcp:// without TLS";
    for opening in [&hello[..], &hello[..1], &hello[..3]] {
        is_refused(&gate, opening, message);
    }
    // What Go looks for in the header of a record: five bytes.
    let mut client = gate.sent(hello);
    assert_eq!(client.take(5), b"HTTP/");
    gate.still_works();
}

#[test]
fn what_cannot_be_a_request_is_refused_at_once() {
    let gate = Gate::open();
    for opening in [
        &b"\0"[..],
        b"\x80\x2e\x01\x03\x01",
        b"\xff\xfb\x01",
        b" ",
        b"{\"method\":",
        b"GET\t",
        b"GET\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"GET /version\r\n",
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    ] {
        let message = "this is not an HTTP request: send HTTP/1.1";
        is_refused(&gate, opening, message);
    }
    gate.still_works();
}

#[test]
fn a_slow_request_is_none_of_these() {
    let gate = Gate::open();
    let request = b"\r\nGET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n";
    let mut client = gate.client();
    for byte in request.chunks(1) {
        client.send(byte);
    }
    let (mut engine, request) = gate.engine.request();
    assert_eq!(request.head.line, "GET /_ping HTTP/1.1");
    engine.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK");
    assert_eq!(client.response().text(), "OK");
    gate.still_works();
}

/// Wants settings; then, once `request` is sent, a GOAWAY with its stream and the reason; then the
/// end.
#[track_caller]
fn is_sent_away(client: &mut Wire, request: &[u8], stream: u8) {
    assert_eq!(client.take(9), SETTINGS);
    client.send(request);
    let [length] = u8::try_from(8 + HTTP_2.len()).expect("short").to_be_bytes();
    let header = [0, 0, length, 7, 0, 0, 0, 0, 0, 0, 0, 0, stream, 0, 0, 0, 13];
    assert_eq!(client.take(17), header);
    assert_eq!(client.take(HTTP_2.len()), HTTP_2.as_bytes());
    // A client that acknowledges and goes on for a while finds the reason all the same.
    client.send(b"\0\0\0\x04\x01\0\0\0\0");
    assert_eq!(client.ends(), End::Closed);
}

#[test]
fn an_http_2_client_is_told_in_http_2() {
    let gate = Gate::open();
    let update = b"\0\0\x04\x08\0\0\0\0\0\0\x0f\0\x01";
    let headers = b"\0\0\x01\x01\x05\0\0\0\x03\x82";
    // All at once, as many do.
    let all = [PREFACE, SETTINGS, update, headers].concat();
    is_sent_away(&mut gate.sent(all), b"", 3);
    // The request when the settings have come, as gRPC does: before it, it would not fail.
    let mut client = gate.sent([PREFACE, SETTINGS].concat());
    is_sent_away(&mut client, &[&update[..], headers].concat(), 3);
    // Byte by byte.
    let mut client = gate.client();
    for byte in PREFACE.chunks(1) {
        client.send(byte);
    }
    is_sent_away(&mut client, &[SETTINGS, headers].concat(), 3);
    gate.dockgate
        .line(|line| line.ends_with(&format!(" - - 400 denied: {HTTP_2}")));
    gate.still_works();
}

#[test]
fn http_2_behind_a_request_is_a_400() {
    let gate = Gate::open();
    let first = b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n";
    let (mut client, mut engine, _) = gate.asked([&first[..], PREFACE].concat());
    engine.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK");
    assert_eq!(client.response().status(), 200);
    let response = client.response();
    assert_eq!(response.status(), 400);
    assert!(response.text().contains(HTTP_2), "{}", response.text());
    assert_eq!(client.ends(), End::Closed);
    gate.still_works();
}
