//! Requests that a web page made a browser send never reach the engine.

use crate::support::Gate;
use crate::support::gate::{EMPTY, OPEN};

const PATH: &str = "POST /v1.41/containers/create HTTP/1.1\r\nContent-Length: 0";

#[test]
fn a_page_of_another_origin_is_refused_and_told_why() {
    let gate = Gate::open();
    for (headers, why) in [
        (
            "Host: localhost:2375\r\nOrigin: https://evil.example",
            "a web page of another origin sent this request: its Origin does not match its Host",
        ),
        (
            "Host: localhost:2375\r\nSec-Fetch-Site: cross-site",
            "a web page of another site sent this request (its Sec-Fetch-Site is cross-site)",
        ),
        (
            "Host: rebound.example\r\nOrigin: http://rebound.example",
            "add it to ALLOWED_HOSTS",
        ),
    ] {
        let answer = gate.refusal(format!("{PATH}\r\n{headers}\r\n\r\n"));
        assert_eq!(answer.status(), 403, "{headers}");
        assert!(answer.text().contains(why), "{}", answer.text());
        gate.dockgate
            .line(|line| line.contains("POST /v1.41/containers/create 403 ") && line.contains(why));
    }
    gate.still_works();
}

#[test]
fn a_page_is_refused_where_nothing_else_is() {
    for variable in ["DRY_RUN", "LEARN"] {
        let gate = Gate::with(&[(variable, "1")]);
        let page = "Host: localhost\r\nOrigin: https://evil.example";
        assert_eq!(
            gate.refusal(format!("{PATH}\r\n{page}\r\n\r\n")).status(),
            403
        );
        gate.still_works();
    }
}

#[test]
fn a_page_that_asks_first_is_not_let() {
    let gate = Gate::open();
    let preflight = "OPTIONS /v1.41/containers/json HTTP/1.1\r\nHost: localhost\r\n\
                     Origin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n\
                     Access-Control-Request-Headers: x-forwarded-for\r\n\r\n";
    let answer = gate.refusal(preflight);
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.head.one("access-control-allow-origin"), None);
    gate.still_works();
}

#[test]
fn programs_and_pages_of_this_host_pass() {
    let allowed = [OPEN, &[("ALLOWED_HOSTS", "docker.example, Other.Example")]].concat();
    let gate = Gate::with(&allowed);
    for headers in [
        "Host: anything.example",
        "Host: localhost:2375\r\nOrigin: http://localhost:2375\r\nSec-Fetch-Site: same-origin",
        "Host: dockgate:2375\r\nOrigin: http://dockgate:2375",
        "Host: docker.example:2375\r\nOrigin: http://docker.example:2375",
        "Host: other.example\r\nOrigin: http://other.example",
        // Portainer relays what its own page sent.
        "Host: dockgate:2375\r\nOrigin: https://portainer.example\r\nX-Forwarded-For: 10.0.0.9",
        // docker-py's WebSocket.
        "Host: dockgate:2375\r\nOrigin: http://dockgate:2375\r\nSec-WebSocket-Version: 13",
    ] {
        let (request, answer) = gate.exchange(format!("{PATH}\r\n{headers}\r\n\r\n"), EMPTY);
        assert_eq!(answer.status(), 200, "{headers}");
        let host = headers
            .split("\r\n")
            .next()
            .and_then(|host| host.strip_prefix("Host: "));
        assert_eq!(request.head.one("host"), host);
    }
    gate.still_works();
}
