//! Requests made to be read in two ways. The engine never sees one that dockgate did not decide
//! on: it gets what was allowed, in one plain reading, or nothing.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::machine::shared;
use crate::support::dockgate::free_address;
use crate::support::gate::EMPTY;
use crate::support::wire::latin1;
use crate::support::{Dockgate, Gate, Wire};
use crate::traffic::fault;

/// What dockgate grants here: containers, so `/secrets` is what must not be reached.
const GRANTS: &[(&str, &str)] = &[("CONTAINERS", "1"), ("POST", "1")];

const HOST: &str = "Host: docker\r\n";
const LIST: &str = "GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\n\r\n";
const UPDATE: &str = "POST /v1.41/containers/c/update HTTP/1.1\r\nHost: docker\r\n";
const SECRETS: &str = "GET /v1.41/secrets HTTP/1.1\r\nHost: docker\r\n\r\n";

/// For what has come already, if it comes at all.
const MOMENT: Duration = Duration::from_millis(1);

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// Refused with this status; the connection ends.
    Refused(u16),
    /// Denied with 403, and so is [`SECRETS`] behind it.
    Denied,
    /// Passes, with a body of so many bytes; [`SECRETS`] behind it is denied.
    Passes(usize),
    /// Passes in part; the connection ends before its end, with this status if it gets one.
    Cut(u16),
}

use Fate::{Cut, Denied, Passes, Refused};

/// The table. Each comes with [`SECRETS`] right behind it.
fn table() -> Vec<(String, Vec<u8>, Fate)> {
    let mut table = Vec::new();
    let mut add = |name: &str, raw: &[u8], fate| table.push((name.into(), raw.to_vec(), fate));

    // Two framings, or one that is none. The bodies hold a request.
    let length = SECRETS.len();
    let chunked = format!("{length:x}\r\n{SECRETS}\r\n0\r\n\r\n");
    let te = "Transfer-Encoding: chunked\r\n";
    for (name, headers, body, fate) in [
        (
            "one length",
            format!("Content-Length: {length}\r\n"),
            SECRETS,
            Passes(length),
        ),
        ("chunked", te.into(), chunked.as_str(), Passes(length)),
        (
            "chunked in capitals",
            "Transfer-Encoding: CHUNKED\r\n".into(),
            &chunked,
            Passes(length),
        ),
        (
            "tab before chunked",
            "Transfer-Encoding:\tchunked\r\n".into(),
            &chunked,
            Passes(length),
        ),
        (
            "CL.TE",
            format!("Content-Length: 4\r\n{te}"),
            &chunked,
            Passes(length),
        ),
        (
            "TE.CL",
            format!("{te}Content-Length: 4\r\n"),
            &chunked,
            Passes(length),
        ),
        (
            "CL.TE, zero",
            format!("Content-Length: 0\r\n{te}"),
            &chunked,
            Passes(length),
        ),
        ("length 0", "Content-Length: 0\r\n".into(), "", Passes(0)),
        ("no framing", String::new(), "", Passes(0)),
        (
            "two equal lengths",
            format!("Content-Length: {length}\r\n").repeat(2),
            SECRETS,
            Passes(length),
        ),
        (
            "two lengths",
            format!("Content-Length: 0\r\nContent-Length: {length}\r\n"),
            SECRETS,
            Refused(400),
        ),
        (
            "list of lengths",
            format!("Content-Length: 0, {length}\r\n"),
            SECRETS,
            Refused(400),
        ),
        (
            "list of equal lengths",
            format!("Content-Length: {length}, {length}\r\n"),
            SECRETS,
            Refused(400),
        ),
        (
            "length with sign",
            format!("Content-Length: +{length}\r\n"),
            SECRETS,
            Refused(400),
        ),
        (
            "negative length",
            "Content-Length: -1\r\n".into(),
            SECRETS,
            Refused(400),
        ),
        (
            "length in hex",
            "Content-Length: 0x0\r\n".into(),
            SECRETS,
            Refused(400),
        ),
        (
            "length with space",
            "Content-Length: 1 0\r\n".into(),
            SECRETS,
            Refused(400),
        ),
        (
            "length with underscore",
            "Content-Length: 1_0\r\n".into(),
            SECRETS,
            Refused(400),
        ),
        (
            "length beyond 64 bits",
            "Content-Length: 18446744073709551616\r\n".into(),
            "",
            Refused(400),
        ),
        (
            "length with zeros",
            format!("Content-Length: 000{length}\r\n"),
            SECRETS,
            Passes(length),
        ),
        (
            "no length",
            "Content-Length:\r\n".into(),
            SECRETS,
            Refused(400),
        ),
        (
            "space before CL's colon",
            format!("Content-Length : {length}\r\n"),
            SECRETS,
            Refused(400),
        ),
        (
            "space before TE's colon",
            "Transfer-Encoding : chunked\r\n".into(),
            &chunked,
            Refused(400),
        ),
        (
            "tab before TE's colon",
            "Transfer-Encoding\t: chunked\r\n".into(),
            &chunked,
            Refused(400),
        ),
        (
            "space before TE",
            " Transfer-Encoding: chunked\r\n".into(),
            &chunked,
            Refused(400),
        ),
        (
            "folded TE",
            "Transfer-Encoding:\r\n chunked\r\n".into(),
            &chunked,
            Refused(400),
        ),
        (
            "folded CL",
            format!("Content-Length:\r\n {length}\r\n"),
            SECRETS,
            Refused(400),
        ),
        (
            "folded X",
            "X-A: b\r\n Content-Length: 9\r\n".into(),
            "",
            Refused(400),
        ),
        (
            "bare LF before TE",
            "X-A: b\nTransfer-Encoding: chunked\r\n".into(),
            &chunked,
            Passes(length),
        ),
        (
            "bare CR before TE",
            "X-A: b\rTransfer-Encoding: chunked\r\n".into(),
            "",
            Refused(400),
        ),
        ("NUL in a value", "X-A: b\0c\r\n".into(), "", Refused(400)),
        ("NUL in a name", "X\0A: b\r\n".into(), "", Refused(400)),
        (
            "NUL behind chunked",
            "Transfer-Encoding: chunked\0\r\n".into(),
            &chunked,
            Refused(400),
        ),
        (
            "vertical tab",
            "Transfer-Encoding: \u{b}chunked\r\n".into(),
            &chunked,
            Refused(400),
        ),
        ("TE twice", te.repeat(2), &chunked, Refused(400)),
        (
            "TE list",
            "Transfer-Encoding: chunked, chunked\r\n".into(),
            &chunked,
            Refused(400),
        ),
        (
            "gzip, chunked",
            "Transfer-Encoding: gzip, chunked\r\n".into(),
            &chunked,
            Refused(400),
        ),
        (
            "chunked, identity",
            "Transfer-Encoding: chunked, identity\r\n".into(),
            &chunked,
            Refused(400),
        ),
        (
            "identity",
            format!("Transfer-Encoding: identity\r\nContent-Length: {length}\r\n"),
            SECRETS,
            Refused(400),
        ),
        (
            "identity and chunked",
            format!("Transfer-Encoding: identity\r\n{te}"),
            &chunked,
            Refused(400),
        ),
        (
            "xchunked",
            "Transfer-Encoding: xchunked\r\n".into(),
            &chunked,
            Refused(400),
        ),
        (
            "chunked with parameter",
            "Transfer-Encoding: chunked;a=b\r\n".into(),
            &chunked,
            Refused(400),
        ),
        (
            "quoted chunked",
            "Transfer-Encoding: \"chunked\"\r\n".into(),
            &chunked,
            Refused(400),
        ),
        (
            "TE in a Connection",
            format!("Connection: Transfer-Encoding\r\n{te}"),
            &chunked,
            Passes(length),
        ),
        (
            "CL in a Connection",
            format!("Connection: Content-Length\r\nContent-Length: {length}\r\n"),
            SECRETS,
            Passes(length),
        ),
        (
            "Host in a Connection",
            "Connection: Host\r\n".into(),
            "",
            Passes(0),
        ),
        (
            "TE with underscore",
            "Transfer_Encoding: chunked\r\n".into(),
            "",
            Passes(0),
        ),
        ("two Hosts", HOST.into(), "", Refused(400)),
        ("another Host", "Host: evil\r\n".into(), "", Refused(400)),
        (
            "Host with a space",
            "Host : evil\r\n".into(),
            "",
            Refused(400),
        ),
        (
            "Expect",
            format!("Expect: 100-continue\r\nContent-Length: {length}\r\n"),
            SECRETS,
            Passes(length),
        ),
        (
            "method override",
            "X-HTTP-Method-Override: DELETE\r\n".into(),
            "",
            Passes(0),
        ),
        (
            "a URL to rewrite to",
            "X-Original-URL: /secrets\r\nX-Rewrite-URL: /secrets\r\n".into(),
            "",
            Passes(0),
        ),
    ] {
        add(
            name,
            format!("{UPDATE}{headers}\r\n{body}").as_bytes(),
            fate,
        );
    }

    // Chunks: extensions, signs, overflow, other line ends.
    for (name, body, fate) in [
        ("an extension", "4;a=b\r\nbody\r\n0\r\n\r\n", Passes(4)),
        (
            "an extension with quotes",
            "4;a=\"\\\"b\"\r\nbody\r\n0;c\r\n\r\n",
            Passes(4),
        ),
        ("leading zeros", "0004\r\nbody\r\n000\r\n\r\n", Passes(4)),
        (
            "trailers",
            "4\r\nbody\r\n0\r\nContent-Length: 9\r\nHost: evil\r\n\r\n",
            Passes(4),
        ),
        (
            "a space behind the size",
            "4 \r\nbody\r\n0\r\n\r\n",
            Passes(4),
        ),
        ("a sign", "+4\r\nbody\r\n0\r\n\r\n", Cut(400)),
        ("a minus", "-4\r\nbody\r\n0\r\n\r\n", Cut(400)),
        ("0x", "0x4\r\nbody\r\n0\r\n\r\n", Cut(400)),
        (
            "overflow by one digit",
            "10000000000000004\r\nbody\r\n0\r\n\r\n",
            Cut(400),
        ),
        (
            "overflow by many",
            "fffffffffffffffffffff4\r\nbody\r\n0\r\n\r\n",
            Cut(400),
        ),
        ("no size", "\r\nbody\r\n0\r\n\r\n", Cut(400)),
        ("bare LF behind the size", "4\nbody\r\n0\r\n\r\n", Cut(400)),
        ("bare LF behind the data", "4\r\nbody\n0\r\n\r\n", Cut(400)),
        (
            "LF in an extension",
            "4;a\nb\r\nbody\r\n0\r\n\r\n",
            Cut(400),
        ),
        (
            "CR in an extension",
            "4;a\rb\r\nbody\r\n0\r\n\r\n",
            Cut(400),
        ),
        ("too much data", "4\r\nbody too long\r\n0\r\n\r\n", Cut(400)),
        (
            "a request for a size",
            "GET /v1.41/secrets HTTP/1.1\r\n\r\n",
            Cut(400),
        ),
    ] {
        let head = format!("{UPDATE}Transfer-Encoding: chunked\r\n\r\n");
        add(
            &format!("chunks: {name}"),
            format!("{head}{body}").as_bytes(),
            fate,
        );
    }

    // Request lines.
    for (name, line, fate) in [
        (
            "absolute",
            "GET http://docker/v1.41/containers/json HTTP/1.1",
            Refused(400),
        ),
        (
            "absolute, secrets",
            "GET http://docker/v1.41/secrets HTTP/1.1",
            Refused(400),
        ),
        (
            "absolute without path",
            "GET http://docker HTTP/1.1",
            Refused(400),
        ),
        (
            "unix scheme",
            "GET unix:/v1.41/secrets HTTP/1.1",
            Refused(400),
        ),
        ("authority", "CONNECT docker:2375 HTTP/1.1", Refused(400)),
        ("asterisk", "OPTIONS * HTTP/1.1", Refused(400)),
        (
            "no slash",
            "GET v1.41/containers/json HTTP/1.1",
            Refused(400),
        ),
        (
            "two spaces",
            "GET  /v1.41/containers/json HTTP/1.1",
            Refused(400),
        ),
        ("tab", "GET\t/v1.41/containers/json HTTP/1.1", Refused(400)),
        (
            "two lines in one",
            "GET /v1.41/containers/json HTTP/1.1 GET /secrets HTTP/1.1",
            Refused(400),
        ),
        (
            "bare CR",
            "GET /v1.41/containers/json HTTP/1.1\rGET /v1.41/secrets HTTP/1.1",
            Refused(400),
        ),
        ("HTTP/0.9", "GET /v1.41/containers/json", Refused(400)),
        (
            "HTTP/1.2",
            "GET /v1.41/containers/json HTTP/1.2",
            Refused(400),
        ),
        (
            "HTTP/1.10",
            "GET /v1.41/containers/json HTTP/1.10",
            Refused(400),
        ),
        (
            "HTTP/2.0",
            "GET /v1.41/containers/json HTTP/2.0",
            Refused(400),
        ),
        (
            "http/1.1",
            "GET /v1.41/containers/json http/1.1",
            Refused(400),
        ),
        (
            "lower method",
            "get /v1.41/containers/json HTTP/1.1",
            Denied,
        ),
        (
            "unknown method",
            "SEARCH /v1.41/containers/json HTTP/1.1",
            Denied,
        ),
        (
            "fragment",
            "GET /v1.41/containers/json#/../../secrets HTTP/1.1",
            Refused(400),
        ),
        (
            "parameters",
            "GET /v1.41/containers/json;/../secrets HTTP/1.1",
            Refused(400),
        ),
        (
            "a target in the query",
            "GET /v1.41/containers/json?/../../secrets HTTP/1.1",
            Passes(0),
        ),
        (
            "CRLF in the query",
            "GET /v1.41/containers/json?%0d%0aGET%20/secrets HTTP/1.1",
            Passes(0),
        ),
        (
            "encoded slash",
            "GET /v1.41/containers%2Fjson HTTP/1.1",
            Passes(0),
        ),
        (
            "encoded slash, secrets",
            "GET /v1.41%2fsecrets HTTP/1.1",
            Denied,
        ),
        (
            "slash in a name",
            "GET /v1.41/containers/..%2f..%2fsecrets HTTP/1.1",
            Refused(400),
        ),
        (
            "%2f..%2f",
            "GET /v1.41/containers/c%2f..%2f..%2fsecrets HTTP/1.1",
            Refused(400),
        ),
        (
            "encoded dots",
            "GET /v1.41/containers/%2e%2e/secrets HTTP/1.1",
            Refused(400),
        ),
        (
            "half encoded dots",
            "GET /v1.41/containers/.%2E/secrets HTTP/1.1",
            Refused(400),
        ),
        (
            "dots before the version",
            "GET /containers/../v1.41/secrets HTTP/1.1",
            Refused(400),
        ),
        (
            "twice encoded dots",
            "GET /v1.41/containers/%252e%252e/secrets/json HTTP/1.1",
            Passes(0),
        ),
        (
            "twice encoded slash",
            "GET /v1.41/containers/..%252f..%252fsecrets/json HTTP/1.1",
            Passes(0),
        ),
        (
            "overlong dots",
            "GET /v1.41/containers/%c0%ae%c0%ae/secrets/json HTTP/1.1",
            Passes(0),
        ),
        (
            "overlong slash",
            "GET /v1.41/containers/..%c0%af..%c0%afsecrets/json HTTP/1.1",
            Passes(0),
        ),
        (
            "overlong in three bytes",
            "GET /v1.41/containers/%e0%80%ae./secrets/json HTTP/1.1",
            Passes(0),
        ),
        (
            "wide slash",
            "GET /v1.41/containers/..%ef%bc%8fsecrets/json HTTP/1.1",
            Passes(0),
        ),
        (
            "%u002e",
            "GET /v1.41/containers/%u002e%u002e/secrets HTTP/1.1",
            Refused(400),
        ),
        (
            "backslash",
            "GET /v1.41/containers/..\\..\\secrets HTTP/1.1",
            Refused(400),
        ),
        (
            "encoded backslash",
            "GET /v1.41/containers/..%5c..%5csecrets HTTP/1.1",
            Refused(400),
        ),
        (
            "NUL in a path",
            "GET /v1.41/containers/json%00/secrets HTTP/1.1",
            Refused(400),
        ),
        (
            "CRLF in a path",
            "GET /v1.41/containers/c%0d%0aX:%20y/json HTTP/1.1",
            Refused(400),
        ),
        ("two slashes", "GET //v1.41/secrets HTTP/1.1", Refused(400)),
        (
            "a host in a path",
            "GET //containers/v1.41/secrets HTTP/1.1",
            Refused(400),
        ),
        (
            "two versions",
            "GET /v1.41/v1.41/containers/json HTTP/1.1",
            Denied,
        ),
        ("a version of dots", "GET /v...../secrets HTTP/1.1", Denied),
        (
            "an encoded version",
            "GET /%76%31.41/secrets HTTP/1.1",
            Denied,
        ),
        (
            "a version and a section",
            "GET /v1.41/containers/../v1.41/secrets HTTP/1.1",
            Refused(400),
        ),
        (
            "a section in capitals",
            "GET /v1.41/SECRETS HTTP/1.1",
            Denied,
        ),
        (
            "a long section",
            "GET /v1.41/containersecrets HTTP/1.1",
            Denied,
        ),
        ("secrets, slash", "GET /v1.41/secrets/ HTTP/1.1", Denied),
    ] {
        add(
            &format!("line: {name}"),
            format!("{line}\r\n{HOST}\r\n").as_bytes(),
            fate,
        );
    }
    for (digits, path, fate) in [
        (60_000, "secrets", Denied),
        (60_000, "containers/json", Passes(0)),
    ] {
        let version = "1.".repeat(digits / 2);
        let name = format!("line: a version of {digits} bytes, {path}");
        add(
            &name,
            format!("GET /v{version}/{path} HTTP/1.1\r\n{HOST}\r\n").as_bytes(),
            fate,
        );
    }

    // Line ends and what stands before a request.
    for (name, raw, fate) in [
        ("empty lines before", format!("\r\n\r\n{LIST}"), Passes(0)),
        ("bare LF everywhere", LIST.replace("\r\n", "\n"), Passes(0)),
        (
            "bare CR everywhere",
            LIST.replace("\r\n", "\r"),
            Refused(400),
        ),
        (
            "a folded first header",
            format!("GET /v1.41/info HTTP/1.1\r\n {HOST}\r\n"),
            Refused(400),
        ),
        (
            "HTTP/1.0 with chunks",
            format!("{UPDATE}Transfer-Encoding: chunked\r\n\r\n{chunked}").replace("/1.1", "/1.0"),
            Refused(400),
        ),
        (
            "HTTP/1.0 kept alive",
            format!("GET /v1.41/containers/json HTTP/1.0\r\n{HOST}Connection: keep-alive\r\n\r\n"),
            Passes(0),
        ),
        (
            "no Host",
            "GET /v1.41/containers/json HTTP/1.1\r\n\r\n".into(),
            Refused(400),
        ),
        (
            "a body on a GET",
            format!(
                "GET /v1.41/containers/json HTTP/1.1\r\n{HOST}Content-Length: {length}\r\n\r\n\
                     {SECRETS}"
            ),
            Passes(length),
        ),
        (
            "chunks on a GET",
            format!("GET /v1.41/containers/json HTTP/1.1\r\n{HOST}{te}\r\n{chunked}"),
            Passes(length),
        ),
    ] {
        add(name, raw.as_bytes(), fate);
    }
    table
}

/// Sends one with [`SECRETS`] behind it; says whether anything of it passed, and checks that what
/// the client got is what becomes of it.
#[track_caller]
fn client_gets(client: &mut Wire, raw: &[u8], fate: Fate, name: &str) {
    // Fails if dockgate has closed already, and may.
    let _ = client.try_send([raw, SECRETS.as_bytes()].concat());
    let mut answer = client.response();
    if answer.status() == 100 {
        answer = client.response();
    }
    match fate {
        Refused(status) | Cut(status) => assert_eq!(answer.status(), status, "{name}"),
        Denied => assert_eq!(answer.status(), 403, "{name}"),
        Passes(_) => {
            let text = answer.text();
            assert!(!matches!(answer.status(), 403 | 502), "{name}: {text}");
            assert!(
                !text.starts_with("400 Bad Request"),
                "{name} is malformed: {text}"
            );
        }
    }
    // A doubtful one that passes may end the connection too.
    let ends = answer.head.one("connection") == Some("close");
    assert!(
        ends || !matches!(fate, Refused(_) | Cut(_)),
        "{name} ends the connection"
    );
    if !ends {
        assert_eq!(client.response().status(), 403, "behind {name}");
    }
    client.half_close();
    assert_eq!(latin1(&client.rest().0), "", "behind {name}");
}

#[test]
fn nothing_undecided_reaches_the_engine() {
    let _shared = shared();
    let gate = Gate::with(GRANTS);
    let table = table();
    assert!(table.len() >= 60, "{}", table.len());
    for (name, raw, fate) in &table {
        thread::scope(|scope| {
            let mut client = gate.client();
            let client = scope.spawn(move || client_gets(&mut client, raw, *fate, name));
            match fate {
                Passes(length) => {
                    let (mut engine, seen) = gate.engine.request();
                    let head_length = seen.raw.windows(4).position(|w| w == b"\r\n\r\n");
                    let head = &seen.raw[..head_length.expect("an end") + 4];
                    assert_eq!(fault(head), None, "{name}");
                    assert!(!seen.head.line.contains(" /v1.41/secrets"), "{name}");
                    assert_eq!(seen.body.len(), *length, "{name}");
                    engine.send(EMPTY);
                    assert_eq!(latin1(&engine.rest().0), "", "behind {name}");
                }
                Refused(_) | Denied | Cut(_) => {}
            }
            client.join().unwrap_or_else(|_| panic!("{name}"));
        });
        // What broke off may have reached the engine in part, or not at all.
        if let (Cut(_), Some(mut engine)) = (fate, gate.engine.accept_any(MOMENT))
            && engine.has_more()
        {
            assert_eq!(engine.head().line, UPDATE.lines().next().expect("a line"));
            let rest = latin1(&engine.rest().0);
            assert!(!rest.ends_with("0\r\n\r\n"), "{name} looks whole: {rest:?}");
            assert!(!rest.contains("secrets"), "{name}: {rest:?}");
        }
        gate.still_works();
    }
    let passed = table
        .iter()
        .filter(|(_, _, fate)| matches!(fate, Passes(_)))
        .count();
    eprintln!("{} requests, of which {passed} pass", table.len());
}

#[test]
fn every_encoding_of_every_byte_is_decided_on_as_the_engine_reads_it() {
    let _shared = shared();
    let gate = Gate::with(GRANTS);
    // As a name of its own: what cannot stand there is refused, all else passes as it was sent.
    let mut client = gate.client();
    let mut engine: Option<Wire> = None;
    for byte in 0..=255_u8 {
        for escape in [format!("%{byte:02x}"), format!("%{byte:02X}")] {
            let line = format!("GET /v1.41/containers/{escape}/json HTTP/1.1");
            let request = format!("{line}\r\n{HOST}\r\n");
            if matches!(byte, 0..=0x1f | 0x7f | b'\\' | b'/' | b'.') {
                assert_eq!(gate.refusal(request).status(), 400, "{line}");
                continue;
            }
            client.send(request);
            let kept = engine.get_or_insert_with(|| gate.engine.accept());
            assert_eq!(kept.request().head.line, line);
            kept.send(EMPTY);
            assert_eq!(client.response().status(), 200);
        }
    }
    // In a section's name: one letter encoded, or all of them, changes nothing.
    let encode = |path: &str, which: &dyn Fn(usize) -> bool| {
        let byte = |(at, byte): (usize, u8)| match which(at) {
            true => format!("%{byte:02x}"),
            false => char::from(byte).to_string(),
        };
        path.bytes().enumerate().map(byte).collect::<String>()
    };
    for (path, granted) in [("v1.41/containers/json", true), ("v1.41/secrets", false)] {
        for which in 0..=path.len() {
            let encoded = encode(path, &|at| at == which || which == path.len());
            let line = format!("GET /{encoded} HTTP/1.1");
            client.send(format!("{line}\r\n{HOST}\r\n"));
            if granted {
                let kept = engine.as_mut().expect("it is open");
                assert_eq!(kept.request().head.line, line);
                kept.send(EMPTY);
            }
            let status = client.response().status();
            assert_eq!(status, if granted { 200 } else { 403 }, "{line}");
        }
    }
    drop(client);
    gate.still_works();
}

/// Between dockgate and a real engine: passes everything on and keeps a copy of it.
struct Tap {
    path: PathBuf,
    _directory: tempfile::TempDir,
    seen: Arc<Mutex<Vec<Connection>>>,
}

/// What went through one connection.
#[derive(Default)]
struct Connection {
    to_engine: Vec<u8>,
    from_engine: Vec<u8>,
    ended: usize,
}

impl Tap {
    fn before(engine: PathBuf) -> Tap {
        let directory = tempfile::Builder::new()
            .prefix("dockgate-")
            .tempdir()
            .expect("a directory");
        let path = directory.path().join("tap.sock");
        let listener = UnixListener::bind(&path).expect("a free path");
        let seen = Arc::<Mutex<Vec<Connection>>>::default();
        let all = Arc::clone(&seen);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let engine = UnixStream::connect(&engine).expect("the engine listens");
                let mut connections = all.lock().expect("the copies");
                let number = connections.len();
                connections.push(Connection::default());
                drop(connections);
                let copies = [client.try_clone(), engine.try_clone()].map(|s| s.expect("a clone"));
                let [from_client, from_engine] = copies;
                for (from, to, up) in [(from_client, engine, true), (from_engine, client, false)] {
                    let all = Arc::clone(&all);
                    thread::spawn(move || pass_on(from, to, &all, number, up));
                }
            }
        });
        Tap {
            path,
            _directory: directory,
            seen,
        }
    }

    fn path(&self) -> &Path {
        &self.path
    }

    /// All connections on which something went through, when they have ended.
    #[track_caller]
    fn take(&self) -> Vec<Connection> {
        crate::machine::eventually("the engine's connections end", || {
            let seen = self.seen.lock().expect("the copies");
            seen.iter().all(|connection| connection.ended == 2)
        });
        let mut seen = self.seen.lock().expect("the copies");
        // The numbers of connections stay what they are.
        let taken = seen.iter_mut().map(|connection| {
            let ended = connection.ended;
            std::mem::replace(
                connection,
                Connection {
                    ended,
                    ..Connection::default()
                },
            )
        });
        taken
            .filter(|connection| !connection.to_engine.is_empty())
            .collect()
    }
}

fn pass_on(
    mut from: UnixStream,
    mut to: UnixStream,
    all: &Mutex<Vec<Connection>>,
    number: usize,
    up: bool,
) {
    let mut block = [0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut block) {
        let mut all = all.lock().expect("the copies");
        let copy = match up {
            true => &mut all[number].to_engine,
            false => &mut all[number].from_engine,
        };
        copy.extend(&block[..count]);
        drop(all);
        if to.write_all(&block[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    all.lock().expect("the copies")[number].ended += 1;
}

/// The answers in what an engine said, by their status lines: none of these bodies holds such a
/// line.
fn answers(bytes: &[u8]) -> usize {
    let text = latin1(bytes);
    text.match_indices("HTTP/1.1 ")
        .filter(|(at, _)| !text[*at..].starts_with("HTTP/1.1 100"))
        .count()
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_real_engine_reads_what_passes_as_dockgate_did() {
    let _shared = shared();
    let directory = std::env::var_os("DOCKGATE_TEST_ENGINE")
        .expect("DOCKGATE_TEST_ENGINE is not set: run scripts/test");
    let tap = Tap::before(PathBuf::from(directory).join("docker.sock"));
    let address = free_address();
    let listen = format!("tcp://{address}");
    let path = tap.path().to_str().expect("a plain path");
    let own = [("LISTEN", listen.as_str()), ("SOCKET_PATH", path)];
    let dockgate = Dockgate::start(&[GRANTS, &own].concat());
    dockgate.listens(&listen);
    let mut passed = 0;
    for (name, raw, fate) in table() {
        let mut client = Wire::tcp(address);
        client_gets(&mut client, &raw, fate, &name);
        drop(client);
        for connection in tap.take() {
            assert!(
                matches!(fate, Passes(_) | Cut(_)),
                "{name} reached the engine"
            );
            let count = answers(&connection.from_engine);
            let most = usize::from(matches!(fate, Passes(_)));
            assert!(
                count == most || (count <= 1 && most == 0),
                "{name}: the engine read {count} requests in {:?} and said {:?}",
                latin1(&connection.to_engine),
                latin1(&connection.from_engine)
            );
            passed += most;
        }
    }
    eprintln!("{passed} requests passed to the real engine, each read as one");
    assert!(passed >= 25, "{passed}");
    // And every byte of a name, for which the engine answers that there is no such container: no
    // ID begins with a z, whatever containers there are.
    let mut client = Wire::tcp(address);
    let names = (0x20..=255_u8).filter(|byte| !b"./\\\x7f".contains(byte));
    let count = names.clone().count();
    for byte in names {
        let request = format!("GET /v1.41/containers/zz%{byte:02x}/json HTTP/1.1\r\n{HOST}\r\n");
        client.send(request);
        let status = client.response().status();
        assert!(matches!(status, 400 | 404), "%{byte:02x} got {status}");
        client.send(SECRETS);
        assert_eq!(client.response().status(), 403);
    }
    drop(client);
    let answered: usize = tap.take().iter().map(|c| answers(&c.from_engine)).sum();
    assert_eq!(answered, count, "the engine's answers");
    let mut client = Wire::tcp(address);
    client.send("GET /_ping HTTP/1.1\r\nHost: clean\r\n\r\n");
    assert_eq!(client.response().text(), "OK");
}
