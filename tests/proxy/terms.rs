//! Terms: what a request asks for is read, judged, written anew and forwarded, or refused. Here
//! under `DENY_ROOT`, in front of an engine that a test plays.

use std::thread;
use std::time::Duration;

use crate::policies::Many;
use crate::reload::{ALL, SWITCHED, reload};
use crate::support::gate::EMPTY;
use crate::support::wire::chunk;
use crate::support::{End, Gate, Message, Wire};

const CREATE: &str = "POST /v1.41/containers/create?name=web HTTP/1.1\r\nHost: docker\r\n";

/// A request with a JSON body.
fn json(head: &str, body: &str) -> String {
    let length = body.len();
    format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn gate() -> Gate {
    Gate::open_with(&[("DENY_ROOT", "1")])
}

/// What a refusal says.
#[track_caller]
fn refused(gate: &Gate, request: impl AsRef<[u8]>) -> (u16, String) {
    said(&gate.refusal(request))
}

#[track_caller]
fn said(response: &Message) -> (u16, String) {
    let json: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
    let message = json["message"].as_str().expect("a message");
    (response.status(), message.to_owned())
}

#[test]
fn a_body_is_forwarded_as_it_was_judged() {
    let gate = gate();
    let body = r#" {"image":"alpine","hostconfig":{"memory":7,"binds":[]},"Nothing":null} "#;
    let written = r#"{"Image":"alpine","HostConfig":{"Memory":7,"Binds":[]}}"#;
    let sized = json(CREATE, body);
    let (start, end) = body.split_at(20);
    let chunks = [chunk(start), chunk(end), chunk("")].concat();
    let mut chunked =
        format!("{CREATE}content-type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
            .into_bytes();
    chunked.extend(chunks);
    for request in [sized.into_bytes(), chunked] {
        let (request, response) = gate.exchange(request, EMPTY);
        let head = &request.head;
        assert_eq!(head.line, "POST /v1.41/containers/create?name=web HTTP/1.1");
        assert_eq!(request.text(), written);
        let length = written.len().to_string();
        let headers = [
            ("content-length", &*length),
            ("content-type", "application/json"),
            ("host", "docker"),
        ];
        assert_eq!(head.sorted(), headers);
        assert_eq!(response.status(), 200);
    }
    gate.still_works();
}

#[test]
fn a_connection_goes_on_behind_a_judged_body() {
    let gate = gate();
    let mut client = gate.client();
    for _ in 0..2 {
        client.send(json(CREATE, r#"{"HostConfig":{"Privileged":true}}"#));
        let (status, text) = said(&client.response());
        assert_eq!(status, 403);
        assert_eq!(
            text,
            "dockgate: POST /containers/create is not allowed: DENY_ROOT: HostConfig.Privileged true \
             reaches the host's devices, the kernel"
        );
        client.send(json(CREATE, "{}"));
        let (mut engine, request) = gate.engine.request();
        assert_eq!(request.text(), r#"{"HostConfig":{}}"#);
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
    }
    gate.still_works();
}

#[test]
fn what_cannot_be_judged_is_refused_with_its_status() {
    let gate = gate();
    let unreadable =
        "dockgate: POST /containers/create is not allowed: DENY_ROOT cannot judge it: ";
    for (request, status, why) in [
        (json(CREATE, "{"), 400, "the body is not valid JSON"),
        (json(CREATE, r#"{"a":1,"A":2}"#), 400, "duplicate key"),
        (json(CREATE, "{}{}"), 400, "the body is not valid JSON"),
        (
            json(CREATE, r#"{"HostConfig":[]}"#),
            400,
            "HostConfig must be an object",
        ),
        (
            format!(
                "{CREATE}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2\r\n\r\n{{}}"
            ),
            400,
            "its Content-Type is that of a form",
        ),
        (json(&CREATE.replace("/v1.41", "/v1.41-x"), "{}"), 403, ""),
    ] {
        let (told, text) = refused(&gate, &request);
        assert_eq!(told, status, "{request}: {text}");
        if status == 400 {
            assert!(text.starts_with(unreadable) && text.contains(why), "{text}");
        }
    }
    gate.still_works();
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let gate = gate();
    let (status, text) = refused(&gate, format!("{CREATE}Content-Length: 4194305\r\n\r\n"));
    assert_eq!(
        (status, &*text),
        (
            413,
            "dockgate: the request body is larger than 4 MiB, and it is judged as a whole"
        )
    );
    let mut client = gate.sent(format!("{CREATE}Transfer-Encoding: chunked\r\n\r\n"));
    for _ in 0..5 {
        client.send_chunk(vec![b' '; 1 << 20]);
    }
    assert_eq!(client.response().status(), 413);
    gate.still_works();
}

#[test]
fn one_client_has_a_part_of_the_memory_for_bodies() {
    let gate = gate();
    let head = format!("{CREATE}Transfer-Encoding: chunked\r\n\r\n");
    let mut slow = Vec::new();
    let refusal = loop {
        assert!(slow.len() < 8, "nothing is refused");
        let mut client = gate.sent(&head);
        for _ in 0..3 {
            client.send_chunk(vec![b' '; 1 << 20]);
        }
        if !client.is_silent(Duration::from_millis(500)) {
            break client.response();
        }
        slow.push(client);
    };
    assert_eq!(refusal.head.one("retry-after"), Some("1"));
    let text = "dockgate: the memory for this client's request bodies is in use; retry later";
    assert_eq!(said(&refusal), (503, text.to_owned()));
    // What ends makes room.
    let (mut first, mut second) = (slow.remove(0), slow.remove(0));
    second.half_close();
    assert_eq!(second.response().status(), 400);
    first.send_chunk("{}");
    first.send_chunk("");
    let (mut engine, _) = gate.engine.request();
    engine.send(EMPTY);
    assert_eq!(first.response().status(), 200);
    drop(slow);
    gate.still_works();
}

#[test]
fn a_body_that_stalls_or_ends_early_is_refused() {
    let gate = Gate::open_with(&[("DENY_ROOT", "1"), ("UPLOAD_TIMEOUT", "1")]);
    let head = format!("{CREATE}Content-Length: 9\r\n\r\n");
    let mut client = gate.sent(format!("{head}{{"));
    assert_eq!(client.response().status(), 408);
    let mut client = gate.sent(format!("{head}{{"));
    client.half_close();
    assert_eq!(client.response().status(), 400);
    let mut client = gate.sent(format!("{CREATE}Transfer-Encoding: chunked\r\n\r\nzz\r\n"));
    assert_eq!(client.response().status(), 400);
    gate.still_works();
}

#[test]
fn a_body_is_asked_for_only_where_it_counts() {
    let gate = gate();
    let expects = "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    for target in ["plugins/pull", "swarm/init"] {
        let mut client = gate.sent(format!(
            "POST /{target} HTTP/1.1\r\nHost: docker\r\n{expects}"
        ));
        assert_eq!(client.response().status(), 403);
    }
    let mut client = gate.sent(format!("{CREATE}{expects}"));
    assert_eq!(client.head().line, "HTTP/1.1 100 Continue");
    client.send("{}");
    let (mut engine, request) = gate.engine.request();
    assert_eq!(request.head.one("expect"), None);
    assert_eq!(request.text(), r#"{"HostConfig":{}}"#);
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    gate.still_works();
}

#[test]
fn no_header_and_no_dialect_skips_a_term() {
    let body = r#"{"HostConfig":{"Privileged":true}}"#;
    for environment in [
        &[("CONTAINERS", "1"), ("POST", "1")][..],
        &[("ALLOW_CREATE", "1")],
        &[("SP_ALLOW_POST", ".*"), ("SP_ALLOW_GET", ".*")],
    ] {
        let root = [("DENY_ROOT", "1"), ("VERSION", "1"), ("PING", "1")];
        let gate = Gate::with(&[environment, &root].concat());
        for headers in [
            "",
            "Upgrade: tcp\r\nConnection: Upgrade\r\n",
            "Upgrade: websocket\r\nConnection: Upgrade\r\n",
        ] {
            let (status, text) = refused(&gate, json(&format!("{CREATE}{headers}"), body));
            assert_eq!(status, 403);
            assert!(text.contains("HostConfig.Privileged"), "{text}");
        }
        gate.still_works();
    }
}

#[test]
fn what_would_be_refused_passes_as_it_was_sent_where_nothing_is_protected() {
    for mode in ["DRY_RUN", "LEARN"] {
        let gate = Gate::open_with(&[("DENY_ROOT", "1"), (mode, "1")]);
        for (body, why) in [
            (
                r#"{"hostconfig":{"privileged":true}}"#,
                "HostConfig.Privileged true reaches",
            ),
            ("{", "the body is not valid JSON"),
        ] {
            let (request, response) = gate.exchange(json(CREATE, body), EMPTY);
            assert_eq!((request.text().as_str(), response.status()), (body, 200));
            gate.dockgate
                .line(|line| line.contains("would deny: ") && line.contains(why));
        }
        let (request, _) = gate.exchange(json(CREATE, r#"{"hostname":"a"}"#), EMPTY);
        assert_eq!(request.text(), r#"{"Hostname":"a","HostConfig":{}}"#);
    }
}

#[test]
fn routes_that_cannot_be_harmless_say_why() {
    let gate = gate();
    for (line, why) in [
        (
            "POST /v1.41/plugins/pull?remote=x",
            "DENY_ROOT (a plugin runs as root on the host) is set; unset it to allow this request",
        ),
        (
            "POST /session",
            "DENY_ROOT (BuildKit's own calls cannot be judged; set DOCKER_BUILDKIT=0 where the \
             client runs) is set; unset it to allow this request",
        ),
        (
            "POST /nodes/x/update",
            "DENY_ROOT (a manager of the swarm can run anything on this host) is set; unset it to \
             allow this request",
        ),
    ] {
        let (status, text) = refused(&gate, format!("{line} HTTP/1.1\r\nHost: docker\r\n\r\n"));
        let (_, told) = text.split_once(" is not allowed: ").expect("a denial");
        assert_eq!((status, told), (403, why));
    }
    gate.still_works();
}

#[test]
fn a_policy_of_a_file_has_it_for_itself() {
    let file = "\
policies:
  all: { CONTAINERS: 1, POST: 1 }
  safe: { CONTAINERS: 1, POST: 1, DENY_ROOT: 1 }
endpoints:
  - { listen: \"{tcp}\", policy: safe }
  - { listen: \"{second}\", policy: all }
";
    let many = Many::start(file);
    let request = json(CREATE, r#"{"HostConfig":{"Privileged":true}}"#);
    let mut client = Wire::tcp(many.tcp);
    client.send(&request);
    let (status, text) = said(&client.response());
    assert_eq!(status, 403);
    assert!(
        text.contains(" is not allowed by policies.safe in "),
        "{text}"
    );
    many.dockgate
        .line(|line| line.contains("policy all: a client can become root on the host"));
    let log = many.dockgate.log();
    assert!(
        !log.contains("policy safe: a client can become root"),
        "{log}"
    );
    assert!(
        log.contains("policy safe: DENY_ROOT does not cover "),
        "{log}"
    );
}

const WEB: &str = "1111111111111111111111111111111111111111111111111111111111111111";

/// An engine's answer of this status.
fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Answers what is asked behind an inspect: that there is no other container.
#[track_caller]
fn alone(facts: &mut Wire) {
    assert_eq!(facts.head().line, "GET /containers/json?all=1 HTTP/1.1");
    facts.send(answer("200 OK", &format!(r#"[{{"Id":"{WEB}"}}]"#)));
}

fn inspect(config: &str) -> String {
    answer(
        "200 OK",
        &format!(r#"{{"Id":"{WEB}","HostConfig":{{{config}}},"Mounts":[]}}"#),
    )
}

/// The engine is asked over a connection of its own, for each request anew.
#[test]
fn what_a_path_names_is_inspected_and_pinned() {
    let gate = gate();
    for (line, body) in [
        ("PUT /v1.41/containers/web/archive?path=%2Ftmp", "a tar"),
        ("GET /containers/web/export", ""),
        ("HEAD /containers/web/archive?path=/", ""),
    ] {
        let length = body.len();
        let mut client = gate.sent(format!(
            "{line} HTTP/1.1\r\nHost: docker\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        let (mut facts, question) = gate.engine.request();
        assert_eq!(question.head.line, "GET /containers/web/json HTTP/1.1");
        assert_eq!(question.head.sorted(), [("host", "docker")]);
        facts.send(inspect(""));
        alone(&mut facts);
        let (mut engine, request) = gate.engine.request();
        let pinned = line.replace("/web/", &format!("/{WEB}/"));
        assert_eq!(request.head.line, format!("{pinned} HTTP/1.1"));
        assert_eq!(request.text(), body);
        assert_eq!(facts.ends(), End::Closed);
        engine.send(EMPTY);
        assert_eq!(client.head().line, "HTTP/1.1 200 OK");
    }
    let line = "GET /containers/web/export HTTP/1.1\r\nHost: docker\r\n\r\n";
    for (told, status, why) in [
        (
            inspect(r#""Privileged":true"#),
            403,
            "container web: HostConfig.Privileged true reaches",
        ),
        (
            answer("404 Not Found", r#"{"message":"No such container: web"}"#),
            404,
            "dockgate: No such container: web",
        ),
        (
            answer("500 Oops", "{}"),
            403,
            "cannot be judged by what the engine says of it",
        ),
        (
            answer("200 OK", "<html>"),
            403,
            "cannot be judged by what the engine says of it",
        ),
        ("nonsense\r\n\r\n".to_owned(), 502, "not valid HTTP"),
    ] {
        let mut client = gate.sent(line);
        let (mut facts, _) = gate.engine.request();
        facts.send(told);
        let (told, text) = said(&client.response());
        assert_eq!(told, status, "{text}");
        assert!(text.contains(why), "{text}");
    }
    gate.still_works();
}

/// A stream that the engine takes over goes on as ever, behind its judgement.
#[test]
fn an_attach_is_judged_and_then_a_tunnel() {
    let gate = gate();
    let upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    let attach = "POST /v1.41/containers/web/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: docker\r\n";
    let mut client = gate.sent(format!("{attach}{upgrade}"));
    let (mut facts, _) = gate.engine.request();
    facts.send(inspect(""));
    alone(&mut facts);
    let mut engine = gate.engine.accept();
    let head = engine.head();
    let line = format!("POST /v1.41/containers/{WEB}/attach?stream=1&stdin=1 HTTP/1.1");
    assert_eq!(head.line, line);
    assert_eq!(head.one("upgrade"), Some("tcp"));
    engine.send("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    assert_eq!(client.head().status(), 101);
    client.send("in");
    assert_eq!(engine.take(2), b"in");
    engine.send("out");
    assert_eq!(client.take(3), b"out");
    drop((client, engine));
    let mut client = gate.sent(format!("{attach}{upgrade}"));
    let (mut facts, _) = gate.engine.request();
    facts.send(inspect(r#""PidMode":"host""#));
    assert_eq!(client.response().status(), 403);
    gate.still_works();
}

#[test]
fn an_engine_that_cannot_be_asked_is_told_of() {
    let mut gate = gate();
    gate.engine.stop();
    let line = "GET /containers/web/export HTTP/1.1\r\nHost: docker\r\n\r\n";
    assert_eq!(gate.refusal(line).status(), 503);
    gate.engine.restart();
    gate.still_works();
}

/// Whoever may create containers could otherwise make one that counts as another client.
#[test]
fn no_container_takes_the_name_or_the_address_of_another_client() {
    let file = "\
policies:
  all: { CONTAINERS: 1, POST: 1 }
  safe: { CONTAINERS: 1, NETWORKS: 1, POST: 1, DENY_ROOT: 1 }
endpoints:
  - { listen: \"{tcp}\", policy: safe }
clients:
  - { from: [172.20.0.5], policy: all }
  - { from: [127.0.0.1], policy: safe }
";
    let many = Many::start(file);
    let ask = |head: &str, body: &str| {
        let mut client = Wire::tcp(many.tcp);
        client.send(json(head, body));
        client
    };
    let network = "POST /networks/create HTTP/1.1\r\nHost: docker\r\n";
    let body = r#"{"Name":"n","IPAM":{"Config":[{"Subnet":"172.20.0.0/16"}]}}"#;
    let (status, text) = said(&ask(network, body).response());
    assert_eq!(status, 403);
    assert!(
        text.ends_with(
            "DENY_ROOT: the subnet 172.20.0.0/16 belongs to a client that has another policy"
        ),
        "{text}"
    );
    // Which network a container joins without a word is looked up then.
    let mut client = ask(CREATE, "{}");
    let (mut facts, question) = many.engine.request();
    assert_eq!(question.head.line, "GET /networks/bridge HTTP/1.1");
    facts.send(answer(
        "200 OK",
        r#"{"Name":"bridge","IPAM":{"Config":[{"Subnet":"172.17.0.0/16"}]}}"#,
    ));
    let (mut engine, _) = many.engine.request();
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
}

/// What began without a judgement ends when one is demanded; what was judged goes on.
#[test]
fn a_reload_ends_what_was_never_judged() {
    const JUDGED: &str = "policies: { one: { CONTAINERS: 1, POST: 1, EVENTS: 1, DENY_ROOT: 1 } }\n\
                          endpoints: [{ listen: \"{tcp}\", policy: one }]\n";
    let many = Many::start(ALL);
    let host = "HTTP/1.1\r\nHost: docker\r\n";
    let attach =
        format!("POST /containers/web/attach {host}Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    let switched = |mut client: Wire, mut engine: Wire| {
        engine.send(SWITCHED);
        assert_eq!(client.head().status(), 101);
        (client, engine)
    };
    let mut client = Wire::tcp(many.tcp);
    client.send(&attach);
    let (mut unjudged, mut unjudged_engine) = switched(client, many.engine.request().0);
    reload(&many, JUDGED);
    unjudged.rest();
    unjudged_engine.rest();
    let mut client = Wire::tcp(many.tcp);
    client.send(&attach);
    let (mut facts, _) = many.engine.request();
    facts.send(inspect(""));
    alone(&mut facts);
    let (mut judged, mut judged_engine) = switched(client, many.engine.accept());
    judged_engine.head();
    reload(&many, &format!("{JUDGED}# again\n"));
    for _ in 0..15 {
        judged_engine.send("tick");
        assert_eq!(judged.take(4), b"tick");
        thread::sleep(Duration::from_millis(100));
    }
}
