//! Rules in CEL: what they see of a request, and what they let pass, in front of an engine that a test
//! plays.

use crate::policies::Many;
use crate::support::Gate;
use crate::support::gate::EMPTY;
use crate::support::{Message, Wire};

const CREATE: &str = "POST /v1.41/containers/create?name=web HTTP/1.1\r\nHost: docker\r\n";
const ON_CREATE: (&str, &str) = ("RULE_MEMORY_ON", "POST /containers/create");

/// A request with a JSON body.
fn json(head: &str, body: &str) -> String {
    let length = body.len();
    format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// What a refusal says, without what all of them say.
#[track_caller]
fn refused(gate: &Gate, request: impl AsRef<[u8]>) -> (u16, String) {
    said(&gate.refusal(request))
}

#[track_caller]
fn said(response: &Message) -> (u16, String) {
    let json: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
    let message = json["message"].as_str().expect("a message");
    let why = message
        .split_once(": ")
        .and_then(|(_, rest)| rest.split_once(": "));
    (
        response.status(),
        why.map_or(message, |(_, why)| why).to_owned(),
    )
}

#[test]
fn a_body_that_breaks_a_rule_does_not_reach_the_engine() {
    let gate = Gate::open_with(&[
        (
            "RULE_MEMORY",
            "body.HostConfig.Memory <= 2147483648 : \"at most 2 GiB\"",
        ),
        ON_CREATE,
        ("SP_ALLOW_POST", "/libpod/.*"),
        ("RULE_IMAGE", "body.Image.startsWith('ghcr.io/me/')"),
        ("RULE_IMAGE_ON", "POST /containers/create"),
        (
            "RULE_NAME",
            "query.name.matches('^[a-z]+$') : 'give it a plain name'",
        ),
        ("RULE_NAME_ON", "POST /containers/create"),
    ]);
    let good = r#"{"Image":"ghcr.io/me/app","HostConfig":{"Memory":2147483648}}"#;
    let (request, response) = gate.exchange(json(CREATE, good), EMPTY);
    assert_eq!((request.text().as_str(), response.status()), (good, 200));
    let image = r#""Image":"ghcr.io/me/app""#;
    let name = "RULE_NAME: give it a plain name";
    for (head, body, why) in [
        (
            CREATE,
            format!("{{{image},\"HostConfig\":{{\"Memory\":2147483649}}}}"),
            "RULE_MEMORY: at most 2 GiB",
        ),
        // Fields at the top count for old engines: they are not forwarded, and not looked at.
        (
            CREATE,
            format!("{{{image},\"Memory\":1}}"),
            "RULE_MEMORY: at most 2 GiB (no field Memory)",
        ),
        (
            CREATE,
            r#"{"hostconfig":{"MEMORY":1},"image":"nginx"}"#.to_owned(),
            "RULE_IMAGE: body.Image.startsWith('ghcr.io/me/') is not true",
        ),
        (
            CREATE,
            String::new(),
            "RULE_IMAGE: body.Image.startsWith('ghcr.io/me/') is not true (no field Image); \
             RULE_MEMORY: at most 2 GiB (no field Memory)",
        ),
        (&CREATE.replace("=web", "=WEB"), good.to_owned(), name),
        (
            &CREATE.replace("?name=web", ""),
            good.to_owned(),
            "RULE_NAME: give it a plain name (no field name)",
        ),
        (
            &CREATE.replace("?name", "?NAME"),
            good.to_owned(),
            "RULE_NAME: the query has NAME in another case",
        ),
        (
            &CREATE.replace("=web", "=web&Name=x"),
            good.to_owned(),
            "RULE_NAME: the query cannot be read in one way, or repeats a name",
        ),
        (
            &CREATE.replace("/v1.41/", "/libpod/"),
            good.to_owned(),
            "RULE_IMAGE: such a request has no body that can be judged",
        ),
    ] {
        assert_eq!(
            refused(&gate, json(head, &body)),
            (403, why.to_owned()),
            "{head}"
        );
    }
    let form = format!(
        "{CREATE}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    let (status, why) = refused(&gate, form);
    assert!(
        status == 400 && why.contains("its Content-Type is that of a form"),
        "{why}"
    );
    let (status, _) = refused(&gate, json(CREATE, "{\"Image\":1,}"));
    assert_eq!(status, 400);
    gate.still_works();
}

#[test]
fn what_the_path_names_is_inspected_and_pinned() {
    let gate = Gate::open_with(&[
        (
            "RULE_TEAM",
            "object.Config.Labels.team == 'ci' : 'only containers of team ci'",
        ),
        (
            "RULE_TEAM_ON",
            "POST /containers/{id}/stop, POST /containers/{id}/exec",
        ),
        (
            "RULE_PULLED",
            "object.RepoTags.all(tag, !tag.startsWith('base:')) : 'base stays'",
        ),
        ("RULE_PULLED_ON", "DELETE /images/{name...}"),
    ]);
    let id = "5".repeat(64);
    let answer = |json: &str| {
        let length = json.len();
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{json}"
        )
    };
    let stop = "POST /v1.41/containers/web/stop?t=1 HTTP/1.1\r\nHost: docker\r\n\r\n";
    let of = |team: &str| {
        format!(r#"{{"Id":"{id}","Config":{{"Labels":{{"team":"{team}"}}}},"HostConfig":{{}}}}"#)
    };
    let mut client = gate.sent(stop);
    let (mut facts, question) = gate.engine.request();
    assert_eq!(question.head.line, "GET /containers/web/json HTTP/1.1");
    facts.send(answer(&of("ci")));
    let (mut engine, request) = gate.engine.request();
    let line = format!("POST /v1.41/containers/{id}/stop?t=1 HTTP/1.1");
    assert_eq!(request.head.line, line);
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    for (told, why) in [
        (of("web"), "RULE_TEAM: only containers of team ci"),
        (
            format!(r#"{{"Id":"{id}","HostConfig":{{}}}}"#),
            "RULE_TEAM: only containers of team ci (no field Config)",
        ),
        (
            "[".to_owned(),
            "RULE_TEAM: the engine's answer cannot be judged",
        ),
    ] {
        let mut client = gate.sent(stop);
        let (mut facts, _) = gate.engine.request();
        facts.send(answer(&told));
        assert_eq!(said(&client.response()), (403, why.to_owned()));
    }
    let mut client = gate.sent(stop);
    let (mut facts, _) = gate.engine.request();
    let missing =
        answer(r#"{"message":"No such container: web"}"#).replace("200 OK", "404 Not Found");
    facts.send(missing);
    assert_eq!(client.response().status(), 404);
    let mut client =
        gate.sent("DELETE /images/localhost:5000/base:1 HTTP/1.1\r\nHost: docker\r\n\r\n");
    let (mut facts, question) = gate.engine.request();
    assert_eq!(
        question.head.line,
        "GET /images/localhost:5000/base:1/json HTTP/1.1"
    );
    facts.send(answer(r#"{"Id":"sha256:1","RepoTags":["base:1","x:2"]}"#));
    assert_eq!(
        said(&client.response()),
        (403, "RULE_PULLED: base stays".to_owned())
    );
    gate.still_works();
}

#[test]
fn a_rule_without_a_body_lets_bodies_stream() {
    let gate = Gate::open_with(&[(
        "RULE_HERE",
        "client.address == '127.0.0.1' && method != 'PUT'",
    )]);
    let (request, response) = gate.exchange(
        json("POST /v1.41/build HTTP/1.1\r\nHost: a\r\n", "tar"),
        EMPTY,
    );
    assert_eq!((request.text().as_str(), response.status()), ("tar", 200));
    let put = json("PUT /containers/x/archive HTTP/1.1\r\nHost: a\r\n", "tar");
    let why = "RULE_HERE: client.address == '127.0.0.1' && method != 'PUT' is not true";
    assert_eq!(refused(&gate, put), (403, why.to_owned()));
    gate.still_works();
}

#[test]
fn a_policy_of_a_file_has_rules_of_its_own() {
    let many = Many::start(
        "endpoints:\n  - { listen: \"{tcp}\", policy: ci }\n\
         policies:\n  ci:\n    CONTAINERS: 1\n    POST: 1\n    \
         RULE_IMAGE: 'body.Image in [\"alpine\", \"busybox\"] : \"alpine or busybox\"'\n    \
         RULE_IMAGE_ON: 'POST /containers/create'\n",
    );
    let mut client = Wire::tcp(many.tcp);
    client.send(json(CREATE, r#"{"Image":"nginx"}"#));
    assert_eq!(
        said(&client.response()),
        (403, "RULE_IMAGE: alpine or busybox".to_owned())
    );
    client.send(json(CREATE, r#"{"Image":"alpine"}"#));
    let (mut engine, request) = many.engine.request();
    assert_eq!(request.text(), r#"{"Image":"alpine","HostConfig":{}}"#);
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
}

#[test]
fn a_rule_knows_the_user_and_the_groups_of_a_client() {
    let many = Many::start(
        "endpoints:\n  - { listen: \"{unix}\", policy: ci }\n\
         policies:\n  ci:\n    INFO: 1\n    VERSION: 1\n    \
         RULE_INFO: '!has(client.address) && client.user == 0 && 0 in client.groups'\n    \
         RULE_INFO_ON: 'GET /info'\n    \
         RULE_VERSION: 'client.user != 0 : \"not for root\"'\n    RULE_VERSION_ON: 'GET /version'\n",
    );
    let socket = many.engine.directory().join("dockgate.sock");
    let mut client = Wire::unix(&socket);
    client.send("GET /version HTTP/1.1\r\nHost: a\r\n\r\n");
    let refused = said(&client.response());
    assert_eq!(refused, (403, "RULE_VERSION: not for root".to_owned()));
    client.send("GET /info HTTP/1.1\r\nHost: a\r\n\r\n");
    let (mut engine, request) = many.engine.request();
    assert_eq!(request.head.line, "GET /info HTTP/1.1");
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
}
