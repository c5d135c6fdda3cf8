//! Requests that two parsers could read in two ways, or that are none: answered by dockgate, the
//! connection closed, and nothing of them forwarded.

use crate::support::{Gate, Wire};

/// Sends something, then a clean request behind it, and wants one refusal and no second answer.
#[track_caller]
fn is_refused(gate: &Gate, request: impl AsRef<[u8]>, statuses: &[u16]) {
    let request = request.as_ref();
    let name = String::from_utf8_lossy(&request[..request.len().min(200)]);
    eprintln!("sending {name:?}");
    let mut client = gate.sent(request);
    // Fails if dockgate has closed already, and may.
    let _ = client.try_send("GET /version HTTP/1.1\r\nHost: smuggled\r\n\r\n");
    let response = client.response();
    assert!(
        statuses.contains(&response.status()),
        "{name:?} got {:?}",
        response.head.line
    );
    assert_closed(&mut client, &name);
}

#[track_caller]
fn assert_closed(client: &mut Wire, name: &str) {
    let (rest, _) = client.rest();
    let rest = String::from_utf8_lossy(&rest);
    assert_eq!(rest, "", "the connection went on after {name:?}");
}

#[test]
fn targets_that_are_ambiguous_or_none_are_refused() {
    let gate = Gate::open();
    for target in [
        "http://docker/containers/json",
        "http://docker",
        "docker:2375",
        "*",
        "containers/json",
        "?all=1",
        "//containers/json",
        "/containers//json",
        "/./containers/json",
        "/containers/../images/json",
        "/containers/%2e%2E/images/json",
        "/containers/..%2fimages/json",
        "/containers/%2Fc/json",
        "/containers/c/.",
        "/containers/c%5cjson",
        "/containers/c\\json",
        "/containers/%zz/json",
        "/containers/%4/json",
        "/containers/%",
        "/containers/%00/json",
        "/containers/a%0Ab/json",
        "/containers/a%7Fb/json",
        "/containers/json#x",
        "/containers/json?all=1#x",
        "/containers/json%2F%2F",
        "/containers/ json",
        "/containers/json?a b",
    ] {
        is_refused(
            &gate,
            format!("GET {target} HTTP/1.1\r\nHost: docker\r\n\r\n"),
            &[400],
        );
    }
    for bytes in [
        b"GET /containers/\xc3\xa9/json HTTP/1.1\r\nHost: docker\r\n\r\n".as_slice(),
        b"GET /containers/\x01/json HTTP/1.1\r\nHost: docker\r\n\r\n",
        b"GET /containers/\x7f/json HTTP/1.1\r\nHost: docker\r\n\r\n",
        b"GET /containers/json?\x01 HTTP/1.1\r\nHost: docker\r\n\r\n",
        b"GET /containers/json\t HTTP/1.1\r\nHost: docker\r\n\r\n",
        b"CONNECT docker:2375 HTTP/1.1\r\nHost: docker\r\n\r\n",
        b"CONNECT /containers/json HTTP/1.1\r\nHost: docker\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: docker\r\n\r\n",
    ] {
        is_refused(&gate, bytes, &[400]);
    }
    gate.still_works();
}

#[test]
fn a_missing_or_second_host_is_refused() {
    let gate = Gate::open();
    for headers in [
        "",
        "Accept: */*\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: a\r\nhost: a\r\n",
        "Host:\r\nHost:\r\n",
        "Host : docker\r\n",
    ] {
        is_refused(
            &gate,
            format!("GET /version HTTP/1.1\r\n{headers}\r\n"),
            &[400],
        );
    }
    is_refused(
        &gate,
        "GET /version HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        &[400],
    );
    gate.still_works();
}

#[test]
fn lengths_that_conflict_or_are_none_are_refused() {
    let gate = Gate::open();
    for headers in [
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2, 3\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x2\r\n",
        "Content-Length: 2 2\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Content-Length : 2\r\n",
    ] {
        let head = "POST /volumes/create HTTP/1.1\r\nHost: docker\r\n";
        is_refused(&gate, format!("{head}{headers}\r\n{{}}"), &[400]);
    }
    gate.still_works();
}

#[test]
fn any_transfer_coding_but_one_chunked_is_refused() {
    let gate = Gate::open();
    for coding in [
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Connection: Transfer-Encoding\r\nTransfer-Encoding: identity\r\n",
        "Content-Length: 12\r\nTransfer-Encoding: identity\r\n",
    ] {
        for method in ["POST /volumes/create", "GET /version"] {
            let head = format!("{method} HTTP/1.1\r\nHost: docker\r\n{coding}\r\n");
            is_refused(&gate, head + "2\r\n{}\r\n0\r\n\r\n", &[400]);
        }
    }
    // HTTP/1.0 knows no transfer coding; the engine would see an empty body.
    let head = "POST /volumes/create HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    is_refused(&gate, format!("{head}2\r\n{{}}\r\n0\r\n\r\n"), &[400]);
    gate.still_works();
}

#[test]
fn heads_that_are_none_are_refused() {
    let gate = Gate::open();
    for head in [
        b"GET  /version HTTP/1.1\r\nHost: docker\r\n\r\n".as_slice(),
        b"GET /version\r\n\r\n",
        b"GET /version HTTP/1.2\r\nHost: docker\r\n\r\n",
        b"GET /version HTTP/2.0\r\nHost: docker\r\n\r\n",
        b"GET /version http/1.1\r\nHost: docker\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client\r\n\r\n",
        b"GET /version HTTP/1.1\r\nHost: docker\r\nno colon\r\n\r\n",
        b"GET /version HTTP/1.1\r\nHost: docker\r\n: no name\r\n\r\n",
        b"GET /version HTTP/1.1\r\nHost: docker\r\nX-A: 1\r\n folded\r\n\r\n",
        b"GET /version HTTP/1.1\r\n folded: 1\r\nHost: docker\r\n\r\n",
        b"GET /version HTTP/1.1\r\nHost: docker\r\nX-A: a\0b\r\n\r\n",
        b"GET /version HTTP/1.1\r\nHost: docker\r\nX-A: a\rb\r\n\r\n",
        b"GET /version HTTP/1.1\r\nHost: docker\r\nX A: 1\r\n\r\n",
        b"GET /version HTTP/1.1\rHost: docker\r\n\r\n",
    ] {
        is_refused(&gate, head, &[400]);
    }
    gate.still_works();
}

#[test]
fn methods_that_the_engine_does_not_have_are_denied() {
    let gate = Gate::open();
    for method in ["get", "TRACE", "FOO", "PROPFIND", "M-SEARCH"] {
        let request = format!("{method} /version HTTP/1.1\r\nHost: docker\r\n\r\n");
        assert_eq!(gate.refusal(request).status(), 403, "{method}");
    }
    gate.still_works();
}

#[test]
fn a_target_that_grows_too_long_when_it_is_encoded_is_a_414() {
    let gate = Gate::open();
    let quotes = "\"".repeat(30_000);
    let request = format!("GET /version?{quotes} HTTP/1.1\r\nHost: docker\r\n\r\n");
    is_refused(&gate, request, &[414]);
    gate.dockgate.line(|line| line.contains(" 414 "));
}

#[test]
fn heads_that_are_too_large_are_a_431() {
    let gate = Gate::open();
    let large = "a".repeat(65 << 10);
    is_refused(
        &gate,
        format!("GET /version?{large} HTTP/1.1\r\nHost: docker\r\n\r\n"),
        &[431],
    );
    is_refused(
        &gate,
        format!("GET /version HTTP/1.1\r\nHost: docker\r\nX: {large}\r\n\r\n"),
        &[431],
    );
    // Even one that never ends.
    is_refused(
        &gate,
        format!("GET /version HTTP/1.1\r\nHost: docker\r\nX: {large}"),
        &[431],
    );
    let headers = |count| {
        (0..count)
            .map(|n| format!("X-{n}: {n}\r\n"))
            .collect::<String>()
    };
    let request = |n| {
        format!(
            "GET /version HTTP/1.1\r\nHost: docker\r\n{}\r\n",
            headers(n)
        )
    };
    is_refused(&gate, request(100), &[431]);

    gate.dockgate.line(|line| line.contains(" 431 "));

    // What is just small enough passes.
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (seen, _) = gate.exchange(request(99), answer);
    assert_eq!(seen.head.sorted().len(), 100);
    let large = &large[..62 << 10];
    let line = format!("GET /version?{large} HTTP/1.1");
    let (seen, _) = gate.exchange(format!("{line}\r\nHost: docker\r\n\r\n"), answer);
    assert_eq!(seen.head.line, line);
    gate.still_works();
}

#[test]
fn refusals_of_requests_are_docker_s_json() {
    let gate = Gate::open();
    let response = gate.refusal("GET /containers//json HTTP/1.1\r\nHost: docker\r\n\r\n");
    assert_eq!(response.status(), 400);
    assert_eq!(response.head.one("content-type"), Some("application/json"));
    let length = response.body.len().to_string();
    assert_eq!(response.head.one("content-length"), Some(length.as_str()));
    assert!(
        response.text().starts_with("{\"message\":\"dockgate: "),
        "{}",
        response.text()
    );
    gate.still_works();
}
