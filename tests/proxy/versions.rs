//! Versions of the API: what clients are told within the bounds, and old clients in front of an engine
//! that refuses their version. A test plays the engine, here Engine 29.

use crate::support::gate::EMPTY;
use crate::support::{End, Gate, Message};

const BOUNDS: [(&str, &str); 2] = [("API_VERSION_MIN", "1.24"), ("API_VERSION_MAX", "1.47")];

/// An answer of that engine.
fn answer(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nApi-Version: 1.52\r\nServer: Docker/29.0.0 (linux)\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// What Engine 29.0 says: its versions, that a version is too old, or what it was asked.
fn engine(asked: &Message) -> Vec<u8> {
    let line = asked.head.line.as_str();
    let path = line.split(' ').nth(1).unwrap_or_default();
    let minor = path
        .strip_prefix("/v1.")
        .and_then(|rest| rest.split('/').next()?.parse::<u32>().ok());
    let route = minor.map_or(path, |_| {
        &path[path[1..].find('/').map_or(0, |at| at + 1)..]
    });
    match (minor, route) {
        (Some(..44), _) => answer(
            "400 Bad Request",
            r#"{"message":"client version is too old. Minimum supported API version is 1.44"}"#,
        ),
        (_, "/version") => answer(
            "200 OK",
            r#"{"Version":"29.0.0","ApiVersion":"1.52","MinAPIVersion":"1.44","Components":[{"Name":"Engine","Details":{"ApiVersion":"1.52","MinAPIVersion":"1.44"}}]}"#,
        ),
        (_, "/info") => answer("200 OK", r#"{"CgroupVersion":"1"}"#),
        _ if line.starts_with("HEAD ") => {
            b"HTTP/1.1 200 OK\r\nApi-Version: 1.52\r\nContent-Length: 0\r\n\r\n".to_vec()
        }
        _ => answer("200 OK", &format!("{line}\n{}", asked.text())),
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: docker\r\n\r\n")
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

fn told(gate: &Gate, request: &str) -> (u16, String) {
    let response = gate.sent(request).response();
    assert_ne!(response.head.one("api-version"), Some("1.52"), "{request}");
    (response.status(), response.text())
}

#[test]
fn clients_are_told_versions_within_the_bounds() {
    let gate = Gate::open_with(&BOUNDS);
    gate.engine.serve(engine);
    for request in [
        get("/_ping"),
        get("/_ping").replace("GET", "HEAD"),
        get("/v1.24/_ping"),
        get("/containers/json"),
        get("/v1.20/containers/json"),
        get("/version"),
    ] {
        let mut client = gate.sent(&request);
        let head = client.head();
        assert_eq!(head.one("api-version"), Some("1.47"), "{request}");
    }
    for path in ["/version", "/v1.24/version"] {
        let (status, text) = told(&gate, &get(path));
        assert_eq!(status, 200, "{text}");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        for own in [&json, &json["Components"][0]["Details"]] {
            assert_eq!(own["ApiVersion"], "1.47", "{text}");
            assert_eq!(own["MinAPIVersion"], "1.24", "{text}");
        }
        assert_eq!(json["Version"], "29.0.0");
    }
}

#[test]
fn old_clients_work_in_front_of_an_engine_that_is_too_new_for_them() {
    let gate = Gate::open_with(&BOUNDS);
    gate.engine.serve(engine);
    for (request, forwarded) in [
        // docker-py and Watchtower.
        (
            get("/v1.24/containers/json?all=1"),
            "GET /v1.44/containers/json?all=1 HTTP/1.1\n",
        ),
        (
            post(
                "/v1.24/containers/create?name=a",
                r#"{"Image":"busybox","HostConfig":{"AutoRemove":true}}"#,
            ),
            "POST /v1.44/containers/create?name=a HTTP/1.1\n{\"Image\":\"busybox\",\"HostConfig\":{\"AutoRemove\":null,\"IpcMode\":\"shareable\",\"CgroupnsMode\":\"host\"}}",
        ),
        (
            post("/v1.24/containers/a/start", ""),
            "POST /v1.44/containers/a/start HTTP/1.1\n",
        ),
        // The CLI of 20.10.
        (
            post(
                "/v1.41/containers/create?platform=linux%2Famd64",
                r#"{"Image":"busybox","HostConfig":{"ConsoleSize":[1,2],"CgroupnsMode":""}}"#,
            ),
            "POST /v1.44/containers/create?platform=linux%2Famd64 HTTP/1.1\n{\"Image\":\"busybox\",\"HostConfig\":{\"ConsoleSize\":null,\"CgroupnsMode\":\"\"}}",
        ),
        (
            post("/v1.41/volumes/prune", ""),
            "POST /v1.44/volumes/prune?filters=%7B%22all%22%3A%5B%22true%22%5D%7D HTTP/1.1\n",
        ),
        (
            post("/v1.43/containers/a/stop?signal=9", ""),
            "POST /v1.43/containers/a/stop?signal=9",
        ),
        // The engine accepts these as they are.
        (get("/v1.44/info/x"), "GET /v1.44/info/x HTTP/1.1\n"),
        (get("/containers/json"), "GET /containers/json HTTP/1.1\n"),
    ] {
        let (status, text) = told(&gate, &request);
        let forwarded = forwarded.replace("/v1.43/", "/v1.44/");
        assert_eq!(
            (status, text.starts_with(&forwarded)),
            (200, true),
            "{request}: {text}"
        );
    }
    // What is outside the bounds is the engine's to refuse.
    assert_eq!(told(&gate, &get("/v1.23/containers/json")).0, 400);
}

#[test]
fn what_is_judged_is_what_is_forwarded() {
    let grants = [
        ("SP_ALLOW_GET", "/v1\\.44/.*"),
        ("API_VERSION_MIN", "1.24"),
        ("API_VERSION_MAX", "1.44"),
        ("ALLOW_CREATE", "1"),
        ("CONTAINERS", "0"),
    ];
    let gate = Gate::with(&grants);
    gate.engine.serve(engine);
    // The regex is about the path that is forwarded.
    assert_eq!(told(&gate, &get("/v1.24/containers/json")).0, 200);
    assert_eq!(told(&gate, &get("/containers/json")).0, 403);
    // A policy judges what is written in, and what is no longer there.
    let limited = [
        (
            "RULE_IPC",
            "body.HostConfig.IpcMode != 'shareable' : \"not so\"",
        ),
        ("RULE_IPC_ON", "POST /containers/create"),
        ("DENY_ROOT", "1"),
        ("API_VERSION_MIN", "1.24"),
        ("API_VERSION_MAX", "1.44"),
    ];
    let gate = Gate::open_with(&limited);
    gate.engine.serve(engine);
    let create = |version: &str| post(&format!("/{version}/containers/create"), r#"{"Image":"a"}"#);
    let (status, text) = told(&gate, &create("v1.24"));
    assert_eq!(status, 403, "{text}");
    assert!(text.contains("IPC"), "{text}");
    let privileged = post(
        "/v1.24/containers/create",
        r#"{"HostConfig":{"Privileged":true}}"#,
    );
    let (status, text) = told(&gate, &privileged);
    assert!(status == 403 && text.contains("Privileged"), "{text}");
    // Nor does a form hide anything.
    let form = post("/v1.24/containers/a/stop", "signal=9")
        .replace("application/json", "application/x-www-form-urlencoded");
    let (status, text) = told(&gate, &form);
    assert!(status == 400 && text.contains("form"), "{status} {text}");
}

#[test]
fn a_dry_run_forwards_what_is_meant_too() {
    let gate = Gate::with(&[
        ("API_VERSION_MIN", "1.24"),
        ("API_VERSION_MAX", "1.44"),
        ("DENY_ROOT", "1"),
        ("DRY_RUN", "1"),
    ]);
    gate.engine.serve(engine);
    let create = post(
        "/v1.41/containers/create",
        r#"{"HostConfig":{"Privileged":true,"ConsoleSize":[1,2]}}"#,
    );
    let (status, text) = told(&gate, &create);
    let forwarded = "POST /v1.44/containers/create HTTP/1.1\n\
                     {\"HostConfig\":{\"Privileged\":true,\"ConsoleSize\":null}}";
    assert_eq!((status, &*text), (200, forwarded));
    let (_, version) = told(&gate, &get("/version"));
    assert!(
        version.contains(r#""ApiVersion":"1.44","MinAPIVersion":"1.24""#),
        "{version}"
    );
}

#[test]
fn without_bounds_nothing_changes() {
    let gate = Gate::open();
    gate.engine.serve(engine);
    let response = gate.sent(get("/v1.24/containers/json")).response();
    assert_eq!(response.status(), 400);
    assert_eq!(response.head.one("api-version"), Some("1.52"));
    let response = gate.sent(get("/version")).response();
    assert!(
        response
            .text()
            .contains(r#""ApiVersion":"1.52","MinAPIVersion":"1.44""#)
    );
}

#[test]
fn tunnels_and_hijacks_tell_the_version_as_well() {
    let gate = Gate::open_with(&[("API_VERSION_MAX", "1.40")]);
    let attach = "POST /v1.40/containers/c/attach?stream=1 HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n";
    for (switch, answer, status) in [
        (
            "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
            "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nApi-Version: 1.52\r\n\r\n",
            101,
        ),
        (
            "\r\n",
            "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\nApi-Version: 1.52\r\n\r\n",
            200,
        ),
    ] {
        let (mut client, mut engine, _) = gate.asked(format!("{attach}{switch}"));
        engine.send(answer);
        let head = client.head();
        assert_eq!(
            (head.status(), head.one("api-version")),
            (status, Some("1.40"))
        );
        engine.send("pong");
        assert_eq!(client.take(4), b"pong");
        drop(engine);
        assert_eq!(client.ends(), End::Closed);
    }
    gate.still_works();
}

#[test]
fn a_raised_request_opens_a_tunnel() {
    let gate = Gate::open_with(&BOUNDS);
    let request = "POST /v1.24/containers/c/attach?stream=1 HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    let mut client = gate.sent(request);
    let (mut asked, version) = gate.engine.request();
    assert_eq!(version.head.line, "GET /version HTTP/1.1");
    asked.send(answer(
        "200 OK",
        r#"{"ApiVersion":"1.52","MinAPIVersion":"1.44"}"#,
    ));
    let (mut engine, attach) = gate.engine.request();
    assert_eq!(
        attach.head.line,
        "POST /v1.44/containers/c/attach?stream=1 HTTP/1.1"
    );
    assert_eq!(attach.head.one("upgrade"), Some("tcp"));
    engine.send("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    assert_eq!(client.head().status(), 101);
    client.send("ping");
    assert_eq!(engine.take(4), b"ping");
    drop((client, engine));
    // The engine is not asked again so soon.
    let (_, engine, again) = gate.asked(get("/v1.24/containers/json"));
    assert_eq!(again.head.line, "GET /v1.44/containers/json HTTP/1.1");
    drop(engine);
}

#[test]
fn an_engine_that_is_down_is_a_502_or_503_for_old_clients_too() {
    let mut gate = Gate::open_with(&BOUNDS);
    gate.engine.stop();
    let response = gate.sent(get("/v1.24/containers/json")).response();
    assert!(
        (502..=504).contains(&response.status()),
        "{}",
        response.text()
    );
    let modern = gate.sent(get("/containers/json")).response();
    assert_eq!(modern.status(), response.status());
}

#[test]
fn an_engine_that_tells_no_lowest_version_gets_requests_as_they_are() {
    let gate = Gate::open_with(&BOUNDS);
    gate.engine.serve(|asked| match asked.head.line.as_str() {
        "GET /version HTTP/1.1" => answer("500 Internal Server Error", r#"{"message":"no"}"#),
        _ => EMPTY.as_bytes().to_vec(),
    });
    let response = gate.sent(get("/v1.24/containers/json")).response();
    assert_eq!(response.status(), 200);
}

#[test]
fn an_engine_that_cannot_say_its_versions_now_is_asked_again() {
    let gate = Gate::open_with(&BOUNDS);
    let versions = r#"{"ApiVersion":"1.52","MinAPIVersion":"1.44"}"#;
    for (said, forwarded) in [
        (
            answer("503 Service Unavailable", r#"{"message":"starting"}"#),
            "/v1.24/info",
        ),
        (answer("200 OK", versions), "/v1.44/info"),
    ] {
        let mut client = gate.sent(get("/v1.24/info"));
        let (mut asked, version) = gate.engine.request();
        assert_eq!(version.head.line, "GET /version HTTP/1.1");
        asked.send(said);
        let (mut engine, request) = gate.engine.request();
        assert_eq!(request.head.line, format!("GET {forwarded} HTTP/1.1"));
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
    }
    gate.still_works();
}
