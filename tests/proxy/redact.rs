//! `REDACT`: what is not told of the engine's answers, in front of an engine that a test plays, and
//! that nothing brings a placeholder back.

use crate::support::{Gate, Message};

const INSPECT: &str = "GET /v1.41/containers/web/json HTTP/1.1\r\nHost: docker\r\n\r\n";
const WEB: &str = r#"{"Id":"x","Path":"sh","Config":{"Env":["PATH=/bin","DB_PASSWORD=hunter2"],"Cmd":["hunter2"]}}"#;
const LEFT: &str = r#"{"Id":"x","Path":"sh","Config":{"Env":["PATH=/bin","DB_PASSWORD=[redacted by dockgate]"],"Cmd":["hunter2"]}}"#;

fn gate(redact: &str) -> Gate {
    Gate::open_with(&[("REDACT", redact)])
}

/// An engine's answer with these headers besides.
fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

fn told(response: &Message) -> (u16, String) {
    (response.status(), response.text())
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: docker\r\nAccept-Encoding: gzip\r\n\r\n")
}

fn post(target: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

#[test]
fn an_inspect_is_shown_without_its_secrets() {
    let gate = gate("env");
    let (request, response) =
        gate.exchange(INSPECT, answer("200 OK", "Api-Version: 1.41\r\n", WEB));
    assert_eq!(request.head.line, "GET /v1.41/containers/web/json HTTP/1.1");
    assert_eq!(told(&response), (200, LEFT.to_owned()));
    let head = &response.head;
    assert_eq!(head.one("content-length"), Some(&*LEFT.len().to_string()));
    assert_eq!(head.one("content-type"), Some("application/json"));
    assert_eq!(head.one("api-version"), Some("1.41"));
    for target in [
        "/containers/web/json",
        "/v1.24/containers/web/json?size=1",
        "/containers/web%2Fx/json",
        "/containers/w%65b/json",
    ] {
        let (request, response) = gate.exchange(get(target), answer("200 OK", "", WEB));
        assert_eq!(request.head.one("accept-encoding"), None, "{target}");
        assert_eq!(told(&response), (200, LEFT.to_owned()), "{target}");
    }
    gate.still_works();
}

#[test]
fn what_cannot_be_redacted_is_withheld() {
    let gate = gate("env");
    for (headers, body, why) in [
        ("", r#"{"Config":"hunter2"}"#, "Config is not an object"),
        ("", r#"["hunter2"]"#, "it is not an object"),
        (
            "",
            r#"{"Config":{"Env":["A_TOKEN=hunter2"]}"#,
            "not valid JSON",
        ),
        (
            "",
            r#"{"Config":{},"Config":{"Env":["A_TOKEN=hunter2"]}}"#,
            "duplicate key",
        ),
        (
            "Content-Encoding: gzip\r\n",
            "hunter2",
            "the body is encoded (gzip)",
        ),
    ] {
        let (_, response) = gate.exchange(INSPECT, answer("200 OK", headers, body));
        let (status, text) = told(&response);
        assert_eq!(status, 502, "{text}");
        assert!(text.contains("REDACT removes values from it"), "{text}");
        assert!(text.contains(why) && !text.contains("hunter2"), "{text}");
    }
    let missing = r#"{"message":"No such container: web"}"#;
    let (_, response) = gate.exchange(INSPECT, answer("404 Not Found", "", missing));
    assert_eq!(told(&response), (404, missing.to_owned()));
    // Podman's answers are not in the table.
    for target in ["/libpod/containers/web/json", "/v4.0.0/libpod/info"] {
        let (status, text) = told(&gate.refusal(get(target)));
        assert_eq!(status, 403, "{target}");
        assert!(text.contains("REDACT"), "{text}");
    }
    gate.still_works();
}

#[test]
fn answers_that_tell_nothing_of_it_pass_as_they_are() {
    let gate = gate("env");
    for (target, body) in [
        ("/containers/json", r#"[ {"Command":"hunter2"} ]"#),
        ("/version", r#"{ "KernelVersion":"6" }"#),
        ("/containers/web/logs?stdout=1", "hunter2"),
    ] {
        let (request, response) = gate.exchange(get(target), answer("200 OK", "", body));
        assert_eq!(
            request.head.one("accept-encoding"),
            Some("gzip"),
            "{target}"
        );
        assert_eq!(told(&response), (200, body.to_owned()), "{target}");
    }
    gate.still_works();
}

#[test]
fn a_placeholder_is_not_brought_back() {
    let gate = gate("env, mounts, configs");
    let body = |env: &str| format!(r#"{{"Image":"web","Env":["PATH=/bin","DB_PASSWORD={env}"]}}"#);
    let placeholder = "[redacted by dockgate]";
    for (target, body, place) in [
        ("/containers/create", body(placeholder), "Env[1]"),
        (
            "/v1.41/containers/create?name=web",
            body(r"\u005bredacted by dockgate]"),
            "Env[1]",
        ),
        (
            "/containers/create",
            format!(r#"{{"Image":"a","HostConfig":{{"Binds":["{placeholder}:/x"]}}}}"#),
            "HostConfig.Binds[0]",
        ),
        (
            "/services/abc/update?version=1",
            format!(r#"{{"TaskTemplate":{{"ContainerSpec":{{"Env":["A={placeholder}"]}}}}}}"#),
            "TaskTemplate.ContainerSpec.Env[0]",
        ),
        (
            "/configs/create",
            r#"{"Name":"c","Data":"W3JlZGFjdGVkIGJ5IGRvY2tnYXRlXQ=="}"#.to_owned(),
            "Data",
        ),
        (
            "/commit?container=web&changes=ENV%20A%3D%5Bredacted+by+dockgate%5D",
            "{}".to_owned(),
            "?changes",
        ),
        (
            "/build?buildargs=%7B%22A%22%3A%22%5Bredacted%20by%20dockgate%5D%22%7D",
            String::new(),
            "?buildargs",
        ),
    ] {
        let (status, text) = told(&gate.refusal(post(target, &body)));
        assert_eq!(status, 403, "{target}: {text}");
        let expected = format!("REDACT: {place} holds");
        let quoted = text.replace("\\\"", "\"");
        assert!(quoted.contains(&expected), "{target}: {text}");
        assert!(text.contains("send the value itself"), "{text}");
    }
    let (request, response) = gate.exchange(
        post("/containers/create", &body("hunter2")),
        answer("201 Created", "", r#"{"Id":"y","Warnings":[]}"#),
    );
    assert!(request.text().contains("DB_PASSWORD=hunter2"));
    assert_eq!(response.status(), 201);
    gate.still_works();
}

#[test]
fn a_volume_that_is_made_is_shown_as_any_other() {
    let gate = gate("host");
    let (_, response) = gate.exchange(
        post("/volumes/create", r#"{"Name":"v"}"#),
        answer(
            "201 Created",
            "",
            r#"{"Name":"v","Mountpoint":"/var/lib/docker/v"}"#,
        ),
    );
    let left = r#"{"Name":"v","Mountpoint":"[redacted by dockgate]"}"#;
    assert_eq!(told(&response), (201, left.to_owned()));
    gate.still_works();
}
