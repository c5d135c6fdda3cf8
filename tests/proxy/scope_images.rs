//! Labels that dockgate alone sets, in policies beside the one that goes by them; and images that come into
//! scope by a pull.

use crate::policies::Many;
use crate::reload::reload;
use crate::support::Wire;
use crate::support::gate::EMPTY;

const ALONE: &str = "policies: { one: { VOLUMES: 1, POST: 1 } }\n\
                     endpoints: [{ listen: \"{tcp}\", policy: one }]\n";
const BESIDE: &str = "policies: { one: { VOLUMES: 1, POST: 1 }, ci: { VOLUMES: 1, POST: 1, SCOPE: created } }\n\
                      endpoints: [{ listen: \"{tcp}\", policy: one }]\n\
                      clients: [{ from: \"192.0.2.1\", policy: ci }]\n";
const LABEL: &str = r#"{"Name":"v","Labels":{"dockgate.created-by":"ci"}}"#;

/// A client that has sent this request with a body.
fn post(many: &Many, path: &str, body: &str) -> Wire {
    let mut client = Wire::tcp(many.tcp);
    client.send(format!(
        "POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    client
}

/// A response of the engine.
fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_policy_that_is_added_keeps_its_labels_from_the_others() {
    let many = Many::start(ALONE);
    let passes = |body: &str| {
        let mut client = post(&many, "/volumes/create", body);
        let (mut engine, request) = many.engine.request();
        assert_eq!(String::from_utf8_lossy(&request.body), body);
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
    };
    passes(LABEL);
    reload(&many, BESIDE);
    let response = post(&many, "/volumes/create", LABEL).response();
    assert_eq!(response.status(), 403);
    let told = String::from_utf8_lossy(&response.body).into_owned();
    let why = "SCOPE: the label dockgate.created-by=ci can only be set by dockgate (SCOPE: created); remove it";
    assert!(told.contains(why), "{told}");
    passes(r#"{"Name":"v","Labels":{"team":"ci"}}"#);
    reload(&many, ALONE);
    passes(LABEL);
}

const SCOPED: &str = "policies: { one: { VOLUMES: 1, POST: 1, SCOPE: \"label:team=a\" } }\n\
                      endpoints: [{ listen: \"{tcp}\", policy: one }]\n";
const BOTH: &str = "policies: { one: { VOLUMES: 1, POST: 1, SCOPE: \"label:team=a\" }, \
                    web: { VOLUMES: 1, POST: 1, SCOPE: \"label:tier=web\" } }\n\
                    endpoints: [{ listen: \"{tcp}\", policy: one }]\n\
                    clients: [{ from: \"192.0.2.1\", policy: web }]\n";

#[test]
fn a_scope_that_is_added_is_kept_from_the_clients_of_others() {
    let many = Many::start(SCOPED);
    let body = r#"{"Labels":{"tier":"web","team":"a"}}"#;
    let passes = || {
        let mut client = post(&many, "/volumes/create", body);
        let (mut engine, request) = many.engine.request();
        assert_eq!(String::from_utf8_lossy(&request.body), body);
        engine.send(answer(
            "201 Created",
            r#"{"Name":"v","Labels":{"team":"a"}}"#,
        ));
        assert_eq!(client.response().status(), 201);
    };
    passes();
    reload(&many, BOTH);
    let response = post(&many, "/volumes/create", body).response();
    assert_eq!(response.status(), 403);
    let told = String::from_utf8_lossy(&response.body).into_owned();
    let why = "web is in the scope of policy web (label:tier=web); remove the label";
    assert!(told.contains(why), "{told}");
    reload(&many, SCOPED);
    passes();
}

const IMAGES: &str = "policies: { ci: { IMAGES: 1, POST: 1, SCOPE: \"label:team=a\", SCOPE_IMAGES: 1 } }\n\
                      endpoints: [{ listen: \"{tcp}\", policy: ci }]\n";
const PULLED: &str = r#"[{"Id":"sha256:1","RepoTags":["new:1"],"RepoDigests":["new@sha256:0000000000000000000000000000000000000000000000000000000000000000"],"Labels":null}]"#;

#[test]
fn an_image_is_in_scope_once_the_engine_pulls_it() {
    let many = Many::start(IMAGES);
    let pull = |inspected: &str, pulled: &str| {
        let mut client = post(&many, "/images/create?fromImage=new&tag=1", "");
        let (mut engine, request) = many.engine.request();
        let line = "GET /images/docker.io/library/new:1/json ";
        assert!(
            request.raw.starts_with(line.as_bytes()),
            "{:?}",
            request.head
        );
        engine.send(inspected);
        let (mut engine, request) = many.engine.request();
        let line = "POST /images/create?fromImage=new&tag=1 ";
        assert!(
            request.raw.starts_with(line.as_bytes()),
            "{:?}",
            request.head
        );
        engine.send(pulled);
        client.response().status()
    };
    let list = || {
        let mut client = Wire::tcp(many.tcp);
        client.send("GET /images/json HTTP/1.1\r\nHost: docker\r\n\r\n");
        let (mut engine, _) = many.engine.request();
        engine.send(answer("200 OK", PULLED));
        String::from_utf8_lossy(&client.response().body).into_owned()
    };
    let missing = answer("404 Not Found", r#"{"message":"no such image"}"#);
    assert_eq!(list(), "[]");
    // That a pull is tried lays no claim to a name.
    assert_eq!(pull(&missing, &missing), 404);
    assert_eq!(list(), "[]");
    // Somebody has it already.
    let there = PULLED.trim_matches(['[', ']']);
    assert!(there.contains("new@sha256:"));
    let there = answer(
        "200 OK",
        &there.replace(r#""Labels":null"#, r#""Config":{}"#),
    );
    assert_eq!(pull(&there, &answer("200 OK", "{}")), 200);
    assert_eq!(list(), "[]");
    assert_eq!(pull(&missing, &answer("200 OK", "{}")), 200);
    assert!(list().contains("new:1"));
    reload(&many, &format!("{IMAGES}# the same\n"));
    assert!(list().contains("new:1"));
    // It stays while it is in use, and is anybody's once it is removed, even if no answer says so.
    let remove = |status: &str| {
        let mut client = Wire::tcp(many.tcp);
        client.send("DELETE /images/new:1 HTTP/1.1\r\nHost: docker\r\n\r\n");
        let (mut engine, _) = many.engine.request();
        engine.send(there.clone());
        let (mut engine, request) = many.engine.request();
        assert!(
            request.raw.starts_with(b"DELETE /images/new:1 "),
            "{:?}",
            request.head
        );
        engine.send(answer(status, r#"{"message":"it is so"}"#));
        client.response().status()
    };
    assert_eq!(remove("409 Conflict"), 409);
    assert!(list().contains("new:1"));
    assert_eq!(remove("500 Internal Server Error"), 500);
    assert_eq!(list(), "[]");
    assert_eq!(pull(&missing, &answer("200 OK", "{}")), 200);
    assert!(list().contains("new:1"));
    let other = IMAGES.replace("team=a", "team=b");
    reload(&many, &other);
    assert_eq!(list(), "[]");
}

const TEAMS: &str = "policies: { a: { IMAGES: 1, POST: 1, SCOPE: \"label:team=a\", SCOPE_IMAGES: 1 }, \
                     b: { IMAGES: 1, POST: 1, SCOPE: \"label:team=b\", SCOPE_IMAGES: 1 } }\n\
                     endpoints: [{ listen: \"{tcp}\", policy: a }, { listen: \"{second}\", policy: b }]\n";

#[test]
fn a_name_is_anothers_while_a_request_gives_it() {
    let many = Many::start(TEAMS);
    let asked = |line: &str, answer: &str| {
        let (mut engine, request) = many.engine.request();
        assert!(
            request.raw.starts_with(line.as_bytes()),
            "{:?}",
            request.head
        );
        engine.send(answer);
        engine
    };
    let missing = answer("404 Not Found", r#"{"message":"no such image"}"#);
    let own = answer(
        "200 OK",
        r#"{"Id":"sha256:1","RepoTags":["own:1"],"Config":{"Labels":{"team":"b"}}}"#,
    );
    let new = "GET /images/docker.io/library/new:1/json ";
    let tag = || {
        let mut client = Wire::tcp(many.second());
        client.send("POST /images/own:1/tag?repo=new&tag=1 HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n");
        let engine = asked("GET /images/own:1/json ", &own);
        (client, engine)
    };
    let mut pull = post(&many, "/images/create?fromImage=new&tag=1", "");
    asked(new, &missing);
    let begun = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n";
    let mut engine = asked("POST /images/create?fromImage=new&tag=1 ", begun);
    let response = tag().0.response();
    assert_eq!(response.status(), 409);
    let told = String::from_utf8_lossy(&response.body).into_owned();
    assert!(
        told.contains("image with name docker.io/library/new:1 already exists"),
        "{told}"
    );
    engine.send("0\r\n\r\n");
    assert_eq!(pull.response().status(), 200);
    // The next response comes once all of the one before is gone.
    pull.send("GET /containers/json HTTP/1.1\r\nHost: docker\r\n\r\n");
    assert_eq!(pull.response().status(), 403);
    let (mut client, mut engine) = tag();
    let request = engine.request();
    assert!(
        request.raw.starts_with(new.as_bytes()),
        "{:?}",
        request.head
    );
    engine.send(missing);
    asked("POST /images/own:1/tag?repo=new&tag=1 ", EMPTY);
    assert_eq!(client.response().status(), 200);
}
