//! Denials: Docker's JSON with exactly the headers that the CLI wants, and what would grant it.

use crate::support::gate::EMPTY;
use crate::support::{End, Gate, Message};

#[track_caller]
fn is_denial(response: &Message, message: &str) {
    let body = format!("{{\"message\":\"dockgate: {message}\"}}");
    assert_eq!(response.head.line, "HTTP/1.1 403 Forbidden");
    assert_eq!(response.text().trim_end(), body);
    assert_eq!(response.head.one("content-type"), Some("application/json"));
    let length = response.body.len().to_string();
    assert_eq!(response.head.one("content-length"), Some(length.as_str()));
}

#[test]
fn a_denial_says_what_would_grant_it() {
    let gate = Gate::with(&[]);
    let message = "POST /containers/create is not allowed: \
                   set ALLOW_CREATE=1, or CONTAINERS=1 and POST=1";
    let head = "POST /containers/create HTTP/1.1\r\nHost: docker\r\n";
    let response = gate.refusal(format!("{head}Content-Length: 0\r\n\r\n"));
    is_denial(&response, message);
    assert_eq!(
        response.head.sorted().len(),
        2,
        "{:?}",
        response.head.sorted()
    );
    // A body that nobody reads costs the connection.
    let response = gate.refusal(format!("{head}Content-Length: 2\r\n\r\n{{}}"));
    is_denial(&response, message);
    gate.still_works();
}

#[test]
fn a_denial_that_nothing_would_grant_says_so() {
    let gate = Gate::open();
    for target in [
        "/debug/pprof/",
        "/",
        "/nothing",
        "/containersfoo",
        "/CONTAINERS/json",
    ] {
        let response = gate.refusal(format!("GET {target} HTTP/1.1\r\nHost: docker\r\n\r\n"));
        assert_eq!(response.status(), 403, "{target}");
        let text = response.text();
        assert!(
            text.starts_with(&format!("{{\"message\":\"dockgate: GET {target} ")),
            "{text}"
        );
        assert!(!text.contains("=1"), "{text}");
    }
    gate.still_works();
}

#[test]
fn a_denied_head_gets_a_head_alone_and_the_connection_goes_on() {
    let gate = Gate::with(&[]);
    let mut client = gate.sent("HEAD /v1.41/images/json HTTP/1.1\r\nHost: docker\r\n\r\n");
    let head = client.head();
    assert_eq!(head.line, "HTTP/1.1 403 Forbidden");
    assert_eq!(head.one("content-type"), Some("application/json"));
    client.send("GET /version HTTP/1.1\r\nHost: docker\r\n\r\n");
    let (mut engine, _) = gate.engine.request();
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    gate.still_works();
}

#[test]
fn a_denial_without_a_body_keeps_the_connection() {
    let gate = Gate::with(&[]);
    let mut client = gate.client();
    for _ in 0..3 {
        client.send("DELETE /v1.41/containers/c HTTP/1.1\r\nHost: docker\r\n\r\n");
        let response = client.response();
        is_denial(
            &response,
            "DELETE /containers/c is not allowed: set ALLOW_REMOVE=1, or CONTAINERS=1 and POST=1",
        );
    }
    client.half_close();
    assert_eq!(client.ends(), End::Closed);
    gate.still_works();
}

#[test]
fn a_denial_cannot_be_made_to_say_something_else() {
    let gate = Gate::with(&[]);
    for target in [
        "/images/%22,%22x%22:%22/json",
        "/images/a'b/json",
        "/images/%5B\u{fc}/json",
    ] {
        let response = gate.refusal(format!("GET {target} HTTP/1.1\r\nHost: docker\r\n\r\n"));
        assert!(
            [400, 403].contains(&response.status()),
            "{}",
            response.head.line
        );
        let parsed: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
        assert_eq!(
            parsed.as_object().map(serde_json::Map::len),
            Some(1),
            "{parsed}"
        );
    }
    gate.still_works();
}

/// Ansible, Portainer and Ruby's client send `{}` with a start, and the engine leaves it unread.
#[test]
fn a_body_that_the_engine_leaves_unread_is_forwarded_as_it_was_sent() {
    let gate = Gate::with(&[("ALLOW_START", "1"), ("VERSION", "1")]);
    let start = "POST /v1.41/containers/x/start HTTP/1.1\r\nHost: docker\r\n";
    for (kind, body) in [
        ("Content-Type: application/json\r\n", "{}"),
        ("Content-Type: application/x-www-form-urlencoded\r\n", "{}"),
        ("", "1234567"),
    ] {
        let length = body.len();
        let mut client = gate.sent(format!(
            "{start}{kind}Content-Length: {length}\r\n\r\n{body}"
        ));
        let (mut engine, request) = gate.engine.request();
        assert_eq!(request.body, body.as_bytes());
        let head = &request.head;
        assert_eq!(
            head.one("content-length"),
            Some(length.to_string().as_str())
        );
        assert_eq!(head.one("transfer-encoding"), None);
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
    }
    for rest in [
        "Content-Length: 8\r\n\r\n12345678",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let response = gate.refusal(format!("{start}{rest}"));
        assert_eq!(response.status(), 403, "{rest}");
        let told = "ALLOW_START allows this request only without a body over 7 bytes or in chunks";
        assert!(response.text().contains(told), "{}", response.text());
    }
    gate.still_works();
}

/// The engine would take what a form holds before what the query holds.
#[test]
fn a_form_is_denied_where_a_rule_looked_at_the_query() {
    let gate = Gate::with(&[("ALLOW_PULL", "1"), ("VERSION", "1")]);
    let pull = |kind: &str| {
        let head = "POST /images/create?fromImage=a HTTP/1.1\r\nHost: docker\r\n";
        format!("{head}{kind}Content-Length: 9\r\n\r\nfromSrc=-")
    };
    for kind in [
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "content-type: Application/X-WWW-FORM-urlencoded; charset=utf-8\r\n",
        "Content-Type: multipart/form-data; boundary=x\r\n",
        "Content-Type: application/json\r\nContent-Type: multipart/form-data\r\n",
    ] {
        let response = gate.refusal(pull(kind));
        assert_eq!(response.status(), 403, "{kind}");
        assert!(
            response
                .text()
                .contains("without fromSrc in the query or a form")
        );
    }
    for kind in ["Content-Type: application/json\r\n", ""] {
        let mut client = gate.sent(pull(kind));
        let (mut engine, request) = gate.engine.request();
        assert_eq!(request.body, b"fromSrc=-");
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
    }
    gate.still_works();
}
