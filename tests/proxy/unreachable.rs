//! An engine that is not there, will not talk, or is not one: which status, and that it says why.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::support::dockgate::free_address;
use crate::support::{Dockgate, Engine, Gate, OPEN_READS};

const LIST: &str = "GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\n\r\n";

/// What a 503 says.
#[track_caller]
fn why_not(gate: &Gate) -> String {
    let response = gate.refusal(LIST);
    assert_eq!(response.status(), 503);
    assert_eq!(response.head.one("content-type"), Some("application/json"));
    let text = response.text();
    assert!(text.starts_with("{\"message\":\"dockgate: "), "{text}");
    let path = gate.engine.path().to_str().expect("a plain path");
    assert!(text.contains(path), "{text} does not name {path}");
    text
}

#[test]
fn an_absent_engine_is_a_503_until_it_comes() {
    let mut gate = Gate::before(Engine::absent(), OPEN_READS);
    why_not(&gate);
    // One client's connection, before and after.
    let mut client = gate.sent(LIST);
    assert_eq!(client.response().status(), 503);
    gate.engine.restart();
    client.send(LIST);
    let (mut engine, _) = gate.engine.request();
    engine.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]");
    assert_eq!(client.response().text(), "[]");
    gate.still_works();
}

#[test]
fn a_refusing_engine_is_a_503_until_it_is_back() {
    let mut gate = Gate::with(OPEN_READS);
    gate.still_works();
    gate.engine.stop();
    let refused = why_not(&gate);
    fs::remove_file(gate.engine.path()).expect("removed");
    let absent = why_not(&gate);
    assert_ne!(refused, absent, "the two have different remedies");
    gate.engine.restart();
    gate.still_works();
}

#[test]
fn what_is_no_socket_is_a_503_that_says_so() {
    let engine = Engine::absent();
    fs::write(engine.path(), "a file").expect("written");
    let mut gate = Gate::before(engine, OPEN_READS);
    why_not(&gate);
    fs::remove_file(gate.engine.path()).expect("removed");
    fs::create_dir(gate.engine.path()).expect("made");
    why_not(&gate);
    fs::remove_dir(gate.engine.path()).expect("removed");
    gate.engine.restart();
    gate.still_works();
}

#[test]
fn a_socket_that_may_not_be_used_is_a_503_with_its_group() {
    let engine = Engine::start();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("permissions");
    };
    mode(engine.path(), 0o660);
    let address = free_address();
    let listen = format!("tcp://{address}");
    let path = engine.path().to_str().expect("a plain path").to_owned();
    let environment = [
        OPEN_READS,
        &[("LISTEN", listen.as_str()), ("SOCKET_PATH", path.as_str())],
    ]
    .concat();
    let owner = fs::metadata(engine.path()).expect("the socket");
    let dockgate = if owner.uid() == 0 {
        // Root may use any socket, so dockgate runs as nobody, from where nobody can read it.
        let copy = engine.directory().join("dockgate");
        fs::copy(env!("CARGO_BIN_EXE_dockgate"), &copy).expect("a copy");
        mode(engine.directory(), 0o755);
        mode(&copy, 0o755);
        let mut command = std::process::Command::new(copy);
        command
            .env_clear()
            .envs(environment)
            .uid(65_534)
            .gid(65_534);
        Dockgate::spawn(&mut command)
    } else {
        mode(engine.path(), 0);
        Dockgate::start(&environment)
    };
    dockgate.listens(&listen);
    let gate = Gate {
        engine,
        dockgate,
        address,
    };
    let text = why_not(&gate);
    assert!(
        text.contains(&format!(" {}", owner.gid())),
        "{text} does not name the group's id"
    );
    mode(gate.engine.path(), 0o666);
    gate.still_works();
}

#[test]
fn a_hung_engine_does_not_keep_dockgate_from_starting() {
    let mut engine = Engine::absent();
    let waiting = engine.hang();
    let mut gate = Gate::before(engine, &[]);
    assert_eq!(gate.refusal(LIST).status(), 403);
    drop(waiting);
    gate.engine.restart();
    gate.still_works();
}

#[test]
fn a_denial_does_not_depend_on_the_engine() {
    let mut gate = Gate::before(Engine::absent(), &[]);
    assert_eq!(gate.refusal(LIST).status(), 403);
    gate.engine.restart();
    gate.still_works();
}

#[test]
fn an_upload_to_an_absent_engine_keeps_its_503() {
    let mut gate = Gate::before(Engine::absent(), &[("IMAGES", "1"), ("POST", "1")]);
    let length = 20 << 20;
    let head = "POST /v1.41/images/load HTTP/1.1\r\nHost: docker\r\n";
    let mut client = gate.sent(format!("{head}Content-Length: {length}\r\n\r\n"));
    client.send(vec![b'x'; length]);
    assert_eq!(client.response().status(), 503);
    gate.engine.restart();
    gate.still_works();
}
