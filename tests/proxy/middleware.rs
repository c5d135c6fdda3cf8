//! Gates and mutators: what a client asks for is changed, judged and forwarded as it was judged. Both
//! as users of mikesir87/docker-socket-proxy start it, and beside grants.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;

use crate::policies::Many;
use crate::reload::reload;
use crate::support::gate::EMPTY;
use crate::support::wire::chunk;
use crate::support::{Dockgate, Engine, Gate, Message, Wire};

const CREATE: &str = "POST /v1.45/containers/create?name=web HTTP/1.1\r\nHost: docker\r\n";

const EDITS: &str = "\
mutators:
- { type: mountPath, from: /workspaces/app, to: /srv/app }
- { type: mountPath, from: /cache, to: caches/one }
- { type: addLabels, labels: { team: ci, n: 5 } }
- { type: addToNetwork, networks: [demo] }
- { type: remapImage, from: nginx, to: 'localhost:5000/nginx:1' }
";
const GATES: &str = "\
gates:
- { type: mountSource, allowedSources: [/srv/app, caches, 'label:team=ci'] }
- { type: registry, registries: [docker.io, 'localhost:5000'] }
";

fn json(head: &str, body: &str) -> String {
    let length = body.len();
    format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn line(request: &str) -> String {
    format!("{request} HTTP/1.1\r\nHost: docker\r\n\r\n")
}

fn gate(text: &str) -> Gate {
    Gate::open_with(&[("CONFIG_DATA", text)])
}

#[track_caller]
fn said(response: &Message) -> (u16, String) {
    let json: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
    let message = json["message"].as_str().expect("a message");
    (response.status(), message.to_owned())
}

#[test]
fn a_create_is_forwarded_as_mutators_made_it() {
    let gate = gate(&format!("{EDITS}{GATES}"));
    let body = r#"{"image":"nginx","HostConfig":{"Binds":["/workspaces/app:/app:ro","/cache/x:/c:ro"],"NetworkMode":"default","Memory":9007199254740993},"NetworkingConfig":{"EndpointsConfig":{"default":{}}},"Later":[1.50]}"#;
    let written = r#"{"Image":"localhost:5000/nginx:1","HostConfig":{"Binds":["/srv/app:/app:ro"],"NetworkMode":"demo","Memory":9007199254740993,"Mounts":[{"Type":"volume","Source":"caches","Target":"/c","ReadOnly":true,"VolumeOptions":{"Subpath":"one/x"}}]},"NetworkingConfig":{"EndpointsConfig":{"demo":{}}},"Later":[1.50],"Labels":{"team":"ci","n":"5"}}"#;
    let (start, end) = body.split_at(30);
    let chunked = [
        format!("{CREATE}Transfer-Encoding: chunked\r\n\r\n").as_bytes(),
        &chunk(start),
        &chunk(end),
        &chunk(""),
    ]
    .concat();
    for request in [json(CREATE, body).into_bytes(), chunked] {
        let (request, response) = gate.exchange(request, EMPTY);
        assert_eq!(request.text(), written);
        let length = written.len().to_string();
        let headers = [
            ("content-length", &*length),
            ("content-type", "application/json"),
            ("host", "docker"),
        ];
        assert_eq!(request.head.sorted(), headers);
        assert_eq!(response.status(), 200);
    }
    gate.still_works();
}

#[test]
fn a_target_is_forwarded_as_mutators_made_it() {
    let gate = gate(EDITS);
    for (sent, reached) in [
        (
            "POST /v1.41/images/create?fromImage=nginx&tag=latest",
            "POST /v1.41/images/create?fromImage=localhost%3A5000%2Fnginx&tag=1",
        ),
        (
            "GET /images/docker.io%2Flibrary%2Fnginx/json",
            "GET /images/localhost:5000/nginx:1/json",
        ),
        ("GET /images/alpine/json", "GET /images/alpine/json"),
        ("POST /containers/x/stop", "POST /containers/x/stop"),
    ] {
        let (request, _) = gate.exchange(line(sent), EMPTY);
        assert_eq!(request.head.line, format!("{reached} HTTP/1.1"));
        assert_eq!(request.text(), "");
    }
    gate.still_works();
}

#[test]
fn an_archive_streams_with_labels_in_its_query() {
    let gate = gate(EDITS);
    let head = "POST /build?t=x HTTP/1.1\r\nHost: docker\r\nContent-Type: application/x-tar\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let mut client = gate.sent([head.as_bytes(), &chunk("first")].concat());
    let mut engine = gate.engine.accept();
    let labelled =
        "POST /build?t=x&labels=%7B%22team%22%3A%22ci%22%2C%22n%22%3A%225%22%7D HTTP/1.1";
    assert_eq!(engine.head().line, labelled);
    // It arrives before the rest is sent.
    assert_eq!(engine.chunk().as_deref(), Some(&b"first"[..]));
    client.send([chunk("second"), chunk("")].concat());
    assert_eq!(engine.chunk().as_deref(), Some(&b"second"[..]));
    assert_eq!(engine.chunk(), None);
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    gate.still_works();
}

#[test]
fn a_refusal_names_the_gate_the_field_and_the_value() {
    let gate = gate(&format!("{EDITS}{GATES}"));
    let mut client = gate.client();
    let sources = "mountSource has /srv/app, caches, label:team=ci";
    for (request, why) in [
        (
            json(CREATE, r#"{"HostConfig":{"Binds":["/etc:/x:ro"]}}"#),
            format!("HostConfig.Binds[0]: /etc is not allowed: {sources}"),
        ),
        (
            json(
                CREATE,
                r#"{"hostconfig":{"mounts":[{"Type":"bind","Source":"/srv/app/../../etc","Target":"/x"}]}}"#,
            ),
            format!("HostConfig.Mounts[0]: /etc is not allowed: {sources}"),
        ),
        (
            line("POST /images/create?fromImage=quay.io%2Fx&tag=1"),
            "the parameter fromImage: quay.io/x is not allowed: registry has docker.io, \
             localhost:5000"
                .to_owned(),
        ),
    ] {
        client.send(request);
        let (status, text) = said(&client.response());
        let (_, told) = text.split_once(" is not allowed: ").expect("a denial");
        assert_eq!((status, told), (403, &*why));
    }
    for (request, why) in [
        (json(CREATE, "{"), "the body is not valid JSON"),
        (json(CREATE, r#"{"a":1,"A":1}"#), "duplicate key"),
    ] {
        let (status, text) = said(&gate.refusal(request));
        assert_eq!(status, 400, "{text}");
        assert!(
            text.contains("a gate or mutator cannot judge it: "),
            "{text}"
        );
        assert!(text.contains(why), "{text}");
    }
    // On the same connection.
    client.send(json(CREATE, r#"{"Image":"x"}"#));
    let (mut engine, _) = gate.engine.request();
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    gate.still_works();
}

#[test]
fn the_labels_of_a_volume_are_asked_for_each_time() {
    let gate = gate(GATES);
    let request = json(CREATE, r#"{"HostConfig":{"Binds":["data:/x"]}}"#);
    for (labels, allowed) in [(r#"{"team":"ci"}"#, true), ("null", false)] {
        let mut client = gate.sent(&request);
        let (mut facts, asked) = gate.engine.request();
        assert_eq!(asked.head.line, "GET /volumes/data HTTP/1.1");
        let volume = format!(r#"{{"Name":"data","Labels":{labels}}}"#);
        let length = volume.len();
        facts.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{volume}"
        ));
        if allowed {
            let (mut engine, _) = gate.engine.request();
            engine.send(EMPTY);
        }
        let status = client.response().status();
        assert_eq!(status, if allowed { 200 } else { 403 });
    }
    gate.still_works();
}

/// As their users start it: nothing but lists, a socket for everybody, and no port.
#[test]
fn alone_they_listen_on_a_socket_and_allow_what_no_gate_refuses() {
    let engine = Engine::start();
    let path = |name: &str| {
        let path = engine.directory().join(name);
        path.to_str().expect("a plain path").to_owned()
    };
    let (socket, file) = (path("proxy.sock"), path("config.yaml"));
    fs::write(&file, "gates: [{ type: readonly }]").expect("a file");
    let dockgate = Dockgate::start(&[
        ("CONFIG_FILE", &file),
        ("CONFIG_DATA", "gates: [{ type: nosuch }]"),
        ("LISTEN_SOCKET_PATH", &socket),
        ("FORWARDING_SOCKET_PATH", &path("engine.sock")),
    ]);
    dockgate.listens(&format!("unix://{socket}"));
    let log = dockgate.log();
    assert!(!log.contains("tcp://"), "{log}");
    for told in [
        "CONFIG_FILE overrides CONFIG_DATA, which is ignored",
        "nothing but gates grants anything, so every request that is not refused is allowed",
        "gate readonlyAccess",
    ] {
        assert!(log.contains(told), "{told}: {log}");
    }
    let mode = fs::metadata(&socket)
        .expect("a socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o666);
    for refused in [
        "POST /v1.41/containers/x/start",
        "DELETE /containers/x",
        "GET /containers/x/attach/ws",
        "PUT /anything",
    ] {
        let mut client = Wire::unix(socket.as_ref());
        client.send(line(refused));
        let (status, text) = said(&client.response());
        assert_eq!(status, 403);
        assert!(
            text.ends_with("is not allowed: readonlyAccess is in gates; remove it from gates to allow this request"),
            "{text}"
        );
    }
    let mut client = Wire::unix(socket.as_ref());
    client.send(line("GET /v1.41/anything/new?x=1"));
    let (mut wire, request) = engine.request();
    assert_eq!(request.head.line, "GET /v1.41/anything/new?x=1 HTTP/1.1");
    wire.send(EMPTY);
    assert_eq!(client.response().status(), 200);
}

/// Nothing is protected then, but what mutators make work still works: whatever would refuse it.
#[test]
fn what_would_be_refused_passes_as_mutators_made_it_where_nothing_is_protected() {
    let mutators = [
        ("MAP_PATH", "/workspaces/app=/srv/app"),
        ("REMAP_IMAGE", "nginx=localhost:5000/nginx:1"),
        ("ADD_LABELS", "team=ci"),
    ];
    let body = r#"{"image":"nginx","HostConfig":{"Binds":["/workspaces/app:/x"],"Privileged":true},"Later":[1.50]}"#;
    let written = r#"{"Image":"localhost:5000/nginx:1","HostConfig":{"Binds":["/srv/app:/x"],"Privileged":true},"Later":[1.50],"Labels":{"team":"ci"}}"#;
    let granted = [
        ("CONTAINERS", "1"),
        ("IMAGES", "1"),
        ("BUILD", "1"),
        ("POST", "1"),
    ];
    let gates = "gates: [{ type: mountSource, allowedSources: [/data] }]";
    for (mode, refuses, why) in [
        ("DRY_RUN", None, "not allowed: set "),
        ("LEARN", None, "not allowed: set "),
        (
            "DRY_RUN",
            Some(("CONFIG_DATA", gates)),
            "mountSource has /data",
        ),
        (
            "LEARN",
            Some(("CONFIG_DATA", gates)),
            "mountSource has /data",
        ),
        ("DRY_RUN", Some(("BIND_FROM", "/data")), "BIND_FROM"),
        ("LEARN", Some(("DENY_ROOT", "1")), "HostConfig.Privileged"),
        ("DRY_RUN", Some(("RULE_A", "method == 'GET'")), "RULE_A"),
        ("DRY_RUN", Some(("DENY_CREATE", "1")), "DENY_CREATE"),
    ] {
        let granted = granted.iter().filter(|_| refuses.is_some());
        let environment = mutators.iter().chain(granted).chain(&refuses).copied();
        let environment: Vec<_> = environment.chain([(mode, "1")]).collect();
        let engine = Engine::start();
        let (tell, told) = mpsc::channel();
        engine.serve(move |request| {
            let asked = (request.head.line.clone(), request.text());
            tell.send(asked).expect("the test runs");
            EMPTY.into()
        });
        let gate = Gate::before(engine, &environment);
        // The last that reaches the engine; before it, the engine may be asked about it.
        let reached = |request: String| {
            let response = gate.sent(request).response();
            assert_eq!(response.status(), 200, "{mode} {why}");
            told.try_iter().last().expect("a request")
        };
        assert_eq!(reached(json(CREATE, body)).1, written, "{mode} {why}");
        gate.dockgate
            .line(|line| line.contains("would deny: ") && line.contains(why));
        for (sent, written) in [
            (
                "POST /images/create?fromImage=nginx&tag=latest",
                "POST /images/create?fromImage=localhost%3A5000%2Fnginx&tag=1",
            ),
            // `DENY_ROOT` refuses what its query has.
            (
                "POST /build?networkmode=host",
                "POST /build?networkmode=host&labels=%7B%22team%22%3A%22ci%22%7D",
            ),
            ("GET /containers/json", "GET /containers/json"),
        ] {
            let (line, _) = reached(line(sent));
            assert_eq!(line, format!("{written} HTTP/1.1"), "{mode} {why}");
        }
        // What they cannot read is as it was sent.
        for body in ["{", r#"{"a":1,"A":2}"#] {
            assert_eq!(reached(json(CREATE, body)).1, body, "{mode} {why}");
        }
        let (_, filled) = reached(json(CREATE, ""));
        assert!(filled.starts_with(r#"{"Labels":{"team":"ci"}"#), "{filled}");
    }
}

/// What no mutator is for passes as it was sent.
#[test]
fn what_a_gate_would_refuse_passes_as_it_was_sent_where_nothing_is_protected() {
    let gate = Gate::open_with(&[("CONFIG_DATA", GATES), ("DRY_RUN", "1")]);
    let body = r#" {"hostconfig":{"Binds":["/etc:/x"]}}"#;
    let (request, response) = gate.exchange(json(CREATE, body), EMPTY);
    assert_eq!((request.text().as_str(), response.status()), (body, 200));
    gate.dockgate
        .line(|line| line.contains("would deny: ") && line.contains("/etc is not allowed"));
    gate.still_works();
}

#[test]
fn a_reload_brings_them_at_once() {
    const OPEN: &str = "policies: { one: { CONTAINERS: 1, POST: 1 } }\n\
                        endpoints: [{ listen: \"{tcp}\", policy: one }]\n";
    const EDITED: &str = "policies: { one: { CONTAINERS: 1, POST: 1, ADD_LABELS: a=b, \
                          gates: [{ type: mountSource, allowedSources: [] }] } }\n\
                          endpoints: [{ listen: \"{tcp}\", policy: one }]\n";
    let many = Many::start(OPEN);
    let body = r#"{"HostConfig":{"Binds":["/etc:/x"]}}"#;
    let mut client = Wire::tcp(many.tcp);
    let mut create = |body: &str| {
        client.send(json(CREATE, body));
        let (mut engine, request) = many.engine.request();
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
        request.text()
    };
    assert_eq!(create(body), body);
    reload(&many, EDITED);
    let mut refused = Wire::tcp(many.tcp);
    refused.send(json(CREATE, body));
    let (status, text) = said(&refused.response());
    assert_eq!(status, 403);
    assert!(text.contains("not allowed by policies.one in "), "{text}");
    assert!(
        text.contains("/etc is not allowed: mountSource has no sources"),
        "{text}"
    );
    let mut client = Wire::tcp(many.tcp);
    client.send(json(CREATE, "{}"));
    let (mut engine, request) = many.engine.request();
    assert_eq!(request.text(), r#"{"Labels":{"a":"b"}}"#);
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
}
