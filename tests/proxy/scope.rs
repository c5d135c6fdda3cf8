//! A scope, in front of an engine that a test plays: what of its answers reaches the client, and what
//! reaches the engine instead of what is hidden.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::wire::chunk;
use crate::support::{Engine, Gate, Message};

const SCOPE: (&str, &str) = ("SCOPE", "label:team=a");
const SECTIONS: [(&str, &str); 6] = [
    ("CONTAINERS", "1"),
    ("NETWORKS", "1"),
    ("VOLUMES", "1"),
    ("SYSTEM", "1"),
    ("INFO", "1"),
    ("POST", "1"),
];

fn id(digit: u8) -> String {
    format!("{digit}").repeat(64)
}

/// The engine has a container, a network and a volume of each team.
fn engine(line: &str) -> (u16, Value) {
    let path = line.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let labels = |digit: u8| json!({"team": if digit == 1 { "a" } else { "b" }});
    let [own, other] = [1, 2].map(|digit| {
        json!({"Id": id(digit), "Name": format!("/c{digit}"), "Config": {"Labels": labels(digit)},
               "HostConfig": {}, "Mounts": [], "NetworkSettings": {"Networks": {}}})
    });
    let item = |digit: u8| {
        json!({"Id": id(digit), "Names": [format!("/c{digit}")], "Labels": labels(digit), "State": "running",
               "Mounts": []})
    };
    let volume = |digit: u8| json!({"Name": format!("v{digit}"), "Labels": labels(digit)});
    match path.trim_start_matches("/v1.41") {
        "/containers/json" => (200, json!([item(2), item(1)])),
        "/containers/c1/json" => (200, own),
        "/containers/c2/json" => (200, other),
        "/volumes" => (
            200,
            json!({"Volumes": [volume(1), volume(2)], "Warnings": ["v2"]}),
        ),
        "/volumes/v2" => (200, volume(2)),
        line if line == "/networks/bridge" || line == format!("/networks/{}", id(3)) => (
            200,
            json!({"Name": "bridge", "Id": id(3), "Containers": {id(1): {"Name": "c1"}, id(2): {"Name": "c2"}}}),
        ),
        "/info" => (
            200,
            json!({"Containers": 2, "ContainersRunning": 2, "Name": "host"}),
        ),
        _ => match path.rsplit('/').find(|part| part.len() == 64) {
            Some(name) if *name == id(1) => (204, Value::Null),
            Some(name) => (
                404,
                json!({"message": format!("No such container: {name}")}),
            ),
            None => (404, json!({"message": "page not found"})),
        },
    }
}

/// A gate in front of it, and the lines that reach the engine.
fn gate(settings: &[(&str, &str)]) -> (Gate, Arc<Mutex<Vec<Message>>>) {
    let played = Engine::start();
    let reached = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&reached);
    played.serve(move |request| {
        keep.lock().expect("lines").push(request.clone());
        let created = request.head.line.starts_with("POST /volumes/create")
            || request.head.line.contains("/containers/create");
        let (status, body) = match created {
            true => (201, serde_json::from_slice(&request.body).unwrap_or_default()),
            false => engine(&request.head.line),
        };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    });
    let gate = Gate::before(played, &[&SECTIONS, settings].concat());
    (gate, reached)
}

fn ask(gate: &Gate, line: &str) -> Message {
    gate.sent(format!("{line} HTTP/1.1\r\nHost: docker\r\n\r\n"))
        .response()
}

fn post(gate: &Gate, path: &str, body: &Value) -> Message {
    let body = body.to_string();
    gate.sent(format!(
        "POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
    .response()
}

#[test]
fn lists_and_counts_have_nothing_else() {
    let (gate, _) = gate(&[SCOPE]);
    for line in [
        "GET /containers/json",
        "GET /v1.41/containers/json?all=1",
        "GET /containers/json?limit=1",
        "GET /volumes",
        "GET /networks/bridge",
        "GET /info",
    ] {
        let response = ask(&gate, line);
        let text = response.text();
        assert_eq!(response.status(), 200, "{line}: {text}");
        assert_eq!(response.head.length(), text.len(), "{line}");
        for foreign in [&*id(2), "c2", "v2"] {
            assert!(!text.contains(foreign), "{line}: {text}");
        }
        let own = text.contains("c1") || text.contains("v1") || text.contains(r#""Containers":1"#);
        assert!(own, "{line}: {text}");
    }
}

#[test]
fn what_is_hidden_is_answered_as_what_is_absent() {
    let (gate, reached) = gate(&[SCOPE]);
    for name in ["c2", "nothing", "%22"] {
        let response = ask(&gate, &format!("POST /containers/{name}/stop"));
        let shown = name.replace("%22", "\\\"");
        assert_eq!(
            (response.status(), response.text()),
            (
                404,
                format!(r#"{{"message":"No such container: {shown}"}}"#)
            )
        );
    }
    assert_eq!(ask(&gate, "POST /containers/c1/stop").status(), 204);
    let reached = reached.lock().expect("lines");
    let acts: Vec<&str> = reached
        .iter()
        .map(|request| &*request.head.line)
        .filter(|line| line.starts_with("POST"))
        .collect();
    assert_eq!(acts.len(), 4, "{acts:?}");
    assert_eq!(acts[3], format!("POST /containers/{}/stop HTTP/1.1", id(1)));
    for act in &acts[..3] {
        let name = act.split('/').nth(2).expect("a name");
        assert!(name.len() == 64 && name != id(2), "{act}");
    }
}

#[test]
fn a_new_volume_is_made_first() {
    let (gate, reached) = gate(&[SCOPE]);
    let create = json!({"Image": "i", "HostConfig": {"Binds": ["new:/x", "new:/y:ro"]}});
    assert_eq!(post(&gate, "/containers/create", &create).status(), 201);
    let taken = json!({"Image": "i", "HostConfig": {"Binds": ["v2:/x"]}});
    let refused = post(&gate, "/containers/create", &taken);
    assert_eq!(refused.status(), 409, "{}", refused.text());
    let reached = reached.lock().expect("lines");
    let posts: Vec<(&str, Value)> = reached
        .iter()
        .filter(|request| request.head.line.starts_with("POST"))
        .map(|request| {
            let body = serde_json::from_slice(&request.body).expect("JSON");
            (&*request.head.line, body)
        })
        .collect();
    let labels = json!({"team": "a"});
    assert_eq!(posts.len(), 2, "{posts:?}");
    assert_eq!(posts[0].0, "POST /volumes/create HTTP/1.1");
    assert_eq!(posts[0].1, json!({"Name": "new", "Labels": labels}));
    assert_eq!(posts[1].0, "POST /containers/create HTTP/1.1");
    assert_eq!(posts[1].1["Labels"], labels);
}

#[test]
fn what_cannot_be_filtered_is_withheld() {
    for body in ["{", "[{]", "7", r#"{"message":"x"}"#, r#"[{"Id":1},"#] {
        let gate = Gate::with(&[&SECTIONS, &[SCOPE][..]].concat());
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let (_, response) = gate.exchange(
            "GET /containers/json HTTP/1.1\r\nHost: docker\r\n\r\n",
            answer,
        );
        let text = response.text();
        assert_eq!(response.status(), 502, "{body}: {text}");
        assert!(
            text.contains("SCOPE removes what is out of scope"),
            "{text}"
        );
        gate.still_works();
    }
}

#[test]
fn events_pass_one_by_one_however_they_arrive() {
    let gate = Gate::with(&[("EVENTS", "1"), SCOPE]);
    let event = |team: &str, number: u32| {
        json!({"Type": "container", "Action": "exec_create: secret", "status": "exec_create: secret",
               "id": team.repeat(64), "time": number,
               "Actor": {"ID": team.repeat(64), "Attributes": {"team": team, "name": "c"}}})
        .to_string()
    };
    let mut client = gate.sent("GET /events HTTP/1.1\r\nHost: docker\r\n\r\n");
    // What is in scope already is asked for first.
    let (mut asked, mut request) = gate.engine.request();
    let mut questions = Vec::new();
    loop {
        questions.push(request.head.line.clone());
        asked.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]");
        match asked.try_request() {
            Some(next) => request = next,
            None => break,
        }
    }
    assert_eq!(questions.len(), 6, "{questions:?}");
    let (mut stream, request) = gate.engine.request();
    assert_eq!(request.head.line, "GET /events HTTP/1.1");
    stream.send(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    let head = client.head();
    assert_eq!((head.status(), head.is_chunked()), (200, true));
    let text = format!("{}\n{}\n{}\n", event("a", 1), event("b", 2), event("a", 3));
    for part in text.as_bytes().chunks(7) {
        stream.send(chunk(part));
    }
    for number in [1, 3] {
        let part = client.chunk().expect("a record");
        let seen: Value = serde_json::from_slice(&part).expect("one record");
        assert_eq!(seen["time"], number);
        assert_eq!(seen["Action"], "exec_create: [redacted by dockgate]");
        assert!(!String::from_utf8_lossy(&part).contains("secret"));
    }
    // What is no event ends the stream, and does not pass.
    stream.send(chunk("[1]"));
    assert_eq!(client.chunk(), None);
    gate.dockgate
        .line(|line| line.contains("events were withheld"));
}
