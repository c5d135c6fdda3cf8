//! The engine goes and comes back; dockgate stays. Each test has an engine of its own.

use std::process::{Command, Output};

use crate::harness::{Engine, Gate};
use crate::wire::Wire;

const PING: &str = "GET /_ping HTTP/1.1\r\nHost: test\r\n\r\n";

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn an_engine_may_start_later_than_dockgate() {
    let engine = Engine::absent();
    let gate = Gate::before(&engine.socket(), "CONTAINERS");
    let early = gate.run("docker ps");
    assert_eq!(early.code, 1);
    assert!(
        early
            .stderr
            .contains(engine.socket().to_str().expect("plain")),
        "{early:?}"
    );
    assert_eq!(health(&gate, &engine).status.code(), Some(1));

    engine.start();
    assert_eq!(gate.sh("docker ps -q"), "");
    let healthy = health(&gate, &engine);
    assert_eq!(healthy.status.code(), Some(0), "{healthy:?}");

    engine.stop();
    assert_eq!(health(&gate, &engine).status.code(), Some(1));
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn followed_logs_end_with_the_engine() {
    let engine = Engine::fresh();
    let gate = Gate::before(&engine.socket(), "CONTAINERS POST");
    gate.sh("docker run -d --name $N --stop-signal KILL busybox sh -c 'echo up; sleep 600'");
    let mut logs = gate.stream("docker logs -f $N");
    assert_eq!(logs.line(), "up");
    engine.stop();
    assert_eq!(logs.end().stdout, "");

    engine.start();
    gate.sh("docker start $N");
    assert_eq!(gate.sh("docker logs --tail 1 $N"), "up");
    let mut logs = gate.stream("docker logs -f $N");
    assert_eq!(
        (logs.line(), logs.line()),
        ("up".to_owned(), "up".to_owned())
    );

    // A stream that breaks must not look like one that ends.
    engine.crash();
    let broken = logs.end();
    assert!(broken.stderr.contains("unexpected EOF"), "{broken:?}");
    engine.start();
    assert_eq!(gate.sh("docker logs --tail 1 $N"), "up");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn tunnels_end_with_the_engine() {
    let engine = Engine::fresh();
    let gate = Gate::before(&engine.socket(), "CONTAINERS EXEC POST");
    gate.sh("docker run -d --name $N --stop-signal KILL busybox sleep 600");
    let mut exec = gate.stream("docker exec -i $N cat");
    exec.write("still here");
    assert_eq!(exec.line(), "still here");
    engine.crash();
    assert_ne!(exec.end().code, 0);
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn idle_clients_outlive_the_engine() {
    let engine = Engine::fresh();
    let gate = Gate::before(&engine.socket(), "CONTAINERS");
    let mut idle = Wire::tcp(gate.address);
    let mut ping = || {
        idle.send(PING);
        idle.response()
    };
    assert_eq!(ping().text(), "OK");
    engine.stop();
    let away = ping();
    assert_eq!(away.status(), 503, "{away:?}");
    assert!(
        away.text()
            .contains(engine.socket().to_str().expect("plain")),
        "{away:?}"
    );
    engine.start();
    assert_eq!(ping().text(), "OK");
    // Nobody asked while it was away: the connection to the old engine is of no use any more.
    engine.stop();
    engine.start();
    assert_eq!(ping().text(), "OK");
}

/// The health check, with the variables that the server has.
fn health(gate: &Gate, engine: &Engine) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dockgate"))
        .arg("healthcheck")
        .env_clear()
        .env("LISTEN", format!("tcp://{}", gate.address))
        .env("SOCKET_PATH", engine.socket())
        .output()
        .expect("the binary starts")
}
