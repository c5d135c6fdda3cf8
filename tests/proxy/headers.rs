//! Request heads: what reaches the engine of a head that the client sent.

use crate::support::gate::EMPTY;
use crate::support::{Gate, Message};

/// The request as it reached the engine, after which the client got its answer.
#[track_caller]
fn forwarded(gate: &Gate, request: impl AsRef<[u8]>) -> Message {
    let (request, response) = gate.exchange(request, EMPTY);
    assert_eq!(response.status(), 200);
    request
}

#[test]
fn a_plain_request_is_forwarded_as_it_came() {
    let gate = Gate::open();
    let request = forwarded(
        &gate,
        "POST /v1.41/containers/create?name=x&platform= HTTP/1.1\r\nHost: api.moby.localhost\r\n\
         User-Agent: Docker-Client/28.2.2 (linux)\r\nContent-Type: application/json\r\n\
         Content-Length: 17\r\n\r\n{\"Image\":\"alpine\"",
    );
    assert_eq!(
        request.head.line,
        "POST /v1.41/containers/create?name=x&platform= HTTP/1.1"
    );
    assert_eq!(
        request.head.sorted(),
        [
            ("content-length", "17"),
            ("content-type", "application/json"),
            ("host", "api.moby.localhost"),
            ("user-agent", "Docker-Client/28.2.2 (linux)"),
        ]
    );
    assert_eq!(request.text(), "{\"Image\":\"alpine\"");
    gate.still_works();
}

#[test]
fn a_target_is_forwarded_byte_for_byte() {
    let gate = Gate::open();
    for target in [
        "/v1.41/containers/json",
        "/containers/json?",
        "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D",
        "/containers/json?a=%zz&b=x;y&c=..//%00&d=%",
        "/containers/json?filters={'label':['x']}|^`\\",
        "/containers%2Fjson",
        "/%63ontainers/json",
        "/v1%2e41/containers/json",
        "/v1.41.../containers/json",
        "/images/reg.io:5000/a/b:t/json",
        "/images/a/b%40sha256:0123/json",
        "/images/a%252fb/json",
        "/containers/%C3%A9/json",
        "/networks/",
    ] {
        let request = forwarded(
            &gate,
            format!("GET {target} HTTP/1.1\r\nHost: docker\r\n\r\n"),
        );
        assert_eq!(request.head.line, format!("GET {target} HTTP/1.1"));
        assert_eq!(request.head.sorted(), [("host", "docker")]);
    }
    gate.still_works();
}

#[test]
fn quotes_and_angle_brackets_in_a_query_are_percent_encoded() {
    let gate = Gate::open();
    let raw = "GET /containers/json?filters={\"label\":[\"<a>\"]}&\"x\" HTTP/1.1\r\n\
               Host: docker\r\nX-Quoted: \"<kept>\"\r\n\r\n";
    let encoded = "GET /containers/json?filters={%22label%22:[%22%3Ca%3E%22]}&%22x%22 HTTP/1.1";
    let request = forwarded(&gate, raw);
    assert_eq!(request.head.line, encoded);
    assert_eq!(request.head.one("x-quoted"), Some("\"<kept>\""));

    // Byte by byte, and behind another request whose body has them too.
    let body = "POST /volumes/create HTTP/1.1\r\nHost: docker\r\nContent-Length: 15\r\n\r\n\
                {\"Name\":\"<?\">\"}";
    let chunked = "POST /volumes/create HTTP/1.1\r\nHost: docker\r\n\
                   Transfer-Encoding: chunked\r\n\r\n\
                   f\r\n{\"Name\":\"<?\">\"}\r\n0\r\n\r\n";
    let mut client = gate.client();
    for byte in [body, raw, chunked, raw].concat().bytes() {
        client.send([byte]);
    }
    let mut engine = gate.engine.accept();
    for wanted in ["{\"Name\":\"<?\">\"}", "", "{\"Name\":\"<?\">\"}", ""] {
        let request = engine.request();
        if wanted.is_empty() {
            assert_eq!(request.head.line, encoded);
        }
        assert_eq!(request.text(), wanted);
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
    }
    gate.still_works();
}

#[test]
fn repeated_headers_stay_repeated_and_in_order() {
    let gate = Gate::open();
    let request = forwarded(
        &gate,
        "GET /v1.53/events HTTP/1.1\r\nHost: docker\r\nAccept: application/jsonl\r\n\
         X-Other: 1\r\nACCEPT: application/x-ndjson;q=0.9\r\n\
         Accept: application/json-seq;q=0.5\r\n\r\n",
    );
    assert_eq!(
        request.head.all("accept"),
        [
            "application/jsonl",
            "application/x-ndjson;q=0.9",
            "application/json-seq;q=0.5"
        ]
    );
    gate.still_works();
}

#[test]
fn header_values_keep_their_bytes() {
    let gate = Gate::open();
    let head = b"GET /version HTTP/1.1\r\nHost: docker\r\nX-Name: caf\xc3\xa9 \xff\ta\"b\r\n\r\n";
    let request = forwarded(&gate, head);
    let bytes = b"caf\xc3\xa9 \xff\ta\"b".map(char::from);
    assert_eq!(
        request.head.one("x-name"),
        Some(String::from_iter(bytes).as_str())
    );
    gate.still_works();
}

#[test]
fn any_method_may_have_a_body() {
    let gate = Gate::open();
    for method in ["GET", "DELETE", "PUT", "PATCH", "OPTIONS"] {
        let head = format!("{method} /volumes/v HTTP/1.1\r\nHost: docker\r\n");
        let plain = forwarded(&gate, format!("{head}Content-Length: 4\r\n\r\nbody"));
        assert_eq!(
            (plain.text().as_str(), plain.head.is_chunked()),
            ("body", false)
        );
        let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n");
        let chunked = forwarded(&gate, chunked);
        assert_eq!(
            (chunked.text().as_str(), chunked.head.is_chunked()),
            ("body", true)
        );
    }
    gate.still_works();
}

#[test]
fn the_host_is_kept_and_may_be_empty() {
    let gate = Gate::open();
    for host in [
        "docker",
        "localhost:2375",
        "api.moby.localhost",
        "[::1]:2375",
        "",
    ] {
        let request = forwarded(
            &gate,
            format!("GET /version HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        );
        assert_eq!(request.head.sorted(), [("host", host)]);
    }
    let request = forwarded(&gate, "GET /version HTTP/1.1\r\nhOsT:\r\n\r\n");
    assert_eq!(request.head.sorted(), [("host", "")]);
    gate.still_works();
}

#[test]
fn http_1_0_without_a_host_gets_one() {
    let gate = Gate::open();
    for (headers, host) in [
        ("", "docker"),
        ("Host: mine\r\n", "mine"),
        ("Host:\r\n", ""),
    ] {
        let request = forwarded(&gate, format!("GET /version HTTP/1.0\r\n{headers}\r\n"));
        assert_eq!(request.head.line, "GET /version HTTP/1.1");
        assert_eq!(request.head.sorted(), [("host", host)]);
    }
    let request = forwarded(
        &gate,
        "POST /volumes/create HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}",
    );
    assert_eq!(
        request.head.sorted(),
        [("content-length", "2"), ("host", "docker")]
    );
    assert_eq!(request.text(), "{}");
    gate.still_works();
}

#[test]
fn hop_by_hop_headers_of_the_client_stay_behind() {
    let gate = Gate::open();
    let request = forwarded(
        &gate,
        "GET /version HTTP/1.1\r\nHost: docker\r\nConnection: keep-alive, X-One\r\nX-One: 1\r\n\
         X-End: kept\r\nconnection: x-two,X-Three\r\nX-Two: 2\r\nX-THREE: 3\r\nX-Two: 4\r\n\
         Keep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Connection: keep-alive\r\n\r\n",
    );
    assert_eq!(
        request.head.sorted(),
        [("host", "docker"), ("x-end", "kept")]
    );
    gate.still_works();
}

#[test]
fn a_connection_line_takes_nothing_away_that_the_engine_needs() {
    let gate = Gate::open();
    let request = forwarded(
        &gate,
        "POST /v1.41/images/create?fromImage=x HTTP/1.1\r\nHost: docker\r\n\
         X-Registry-Auth: e30=\r\nX-Registry-Config: e31=\r\nContent-Type: application/json\r\n\
         Content-Length: 2\r\nContent-Encoding: identity\r\n\
         Connection: X-Registry-Auth, x-registry-config, Host\r\n\
         Connection: content-type, content-length, content-encoding, close\r\n\r\n{}",
    );
    assert_eq!(
        request.head.sorted(),
        [
            ("content-encoding", "identity"),
            ("content-length", "2"),
            ("content-type", "application/json"),
            ("host", "docker"),
            ("x-registry-auth", "e30="),
            ("x-registry-config", "e31="),
        ]
    );
    assert_eq!(request.text(), "{}");
    gate.still_works();
}

#[test]
fn a_connection_line_cannot_take_the_framing_away() {
    let gate = Gate::open();
    let request = forwarded(
        &gate,
        "POST /volumes/create HTTP/1.1\r\nHost: docker\r\nConnection: Transfer-Encoding\r\n\
         Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    );
    assert_eq!(
        request.head.sorted(),
        [("host", "docker"), ("transfer-encoding", "chunked")]
    );
    assert_eq!(request.text(), "{}");
    gate.still_works();
}

#[test]
fn of_a_length_and_chunks_only_the_chunks_reach_the_engine() {
    let gate = Gate::open();
    for headers in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: Chunked\r\nContent-Length: 4\r\nConnection: Content-Length\r\n",
    ] {
        let request = format!(
            "POST /volumes/create HTTP/1.1\r\nHost: docker\r\n{headers}\r\n2\r\n{{}}\r\n0\r\n\r\n"
        );
        let request = forwarded(&gate, request);
        assert_eq!(
            request.head.sorted(),
            [("host", "docker"), ("transfer-encoding", "chunked")]
        );
        assert_eq!(request.text(), "{}");
    }
    gate.still_works();
}

#[test]
fn equal_lengths_reach_the_engine_as_one() {
    let gate = Gate::open();
    let request = forwarded(
        &gate,
        "POST /volumes/create HTTP/1.1\r\nHost: docker\r\nContent-Length: 2\r\n\
         Content-Length: 2\r\n\r\n{}",
    );
    assert_eq!(
        request.head.sorted(),
        [("content-length", "2"), ("host", "docker")]
    );
    gate.still_works();
}

#[test]
fn pipelined_requests_are_answered_in_order_and_denied_ones_never_reach_the_engine() {
    let gate = Gate::with(&[("CONTAINERS", "1")]);
    let get = |target| format!("GET {target} HTTP/1.1\r\nHost: docker\r\n\r\n");
    let targets = [
        "/containers/json?1",
        "/images/json?2",
        "/info?3",
        "/containers/json?4",
        "/secrets?5",
        "/version?6",
    ];
    let mut client = gate.sent(targets.map(get).concat());
    let mut engine = gate.engine.accept();
    for target in targets {
        if target.starts_with("/containers") || target.starts_with("/version") {
            assert_eq!(engine.request().head.line, format!("GET {target} HTTP/1.1"));
            let length = target.len();
            engine.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{target}"
            ));
            assert_eq!(client.response().text(), target);
        } else {
            let response = client.response();
            assert_eq!(response.status(), 403, "{target}");
            let path = target.split('?').next().unwrap_or_default();
            assert!(response.text().contains(path), "{}", response.text());
        }
    }
    gate.still_works();
}

#[test]
fn empty_lines_before_a_request_are_skipped() {
    let gate = Gate::open();
    let request = forwarded(
        &gate,
        "\r\n\r\nGET /version HTTP/1.1\r\nHost: docker\r\n\r\n",
    );
    assert_eq!(request.head.line, "GET /version HTTP/1.1");
    gate.still_works();
}

#[test]
fn bare_line_feeds_become_what_the_engine_cannot_misread() {
    let gate = Gate::open();
    let request = forwarded(
        &gate,
        "GET /version?\"x\" HTTP/1.1\nHost: docker\nX-End: 1\n\n",
    );
    assert_eq!(request.head.line, "GET /version?%22x%22 HTTP/1.1");
    assert_eq!(request.head.sorted(), [("host", "docker"), ("x-end", "1")]);
    gate.still_works();
}
