//! Upgraded connections: which routes get one, and that a tunnel is two independent streams of
//! bytes, none lost, none out of order.

use std::thread;

use crate::support::gate::EMPTY;
use crate::support::{Dockgate, End, Engine, Gate, Message, OPEN, Wire};

const ATTACH: &str = "POST /v1.41/containers/c/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: docker\r\n\
                      Content-Type: text/plain\r\nContent-Length: 0\r\n\
                      Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 UPGRADED\r\n\
                        Content-Type: application/vnd.docker.multiplexed-stream\r\n\
                        Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

/// Both ends of a tunnel, and the request that opened it.
#[track_caller]
fn tunnel(gate: &Gate, request: &str, switched: &str) -> (Wire, Wire, Message) {
    let (mut client, mut engine, request) = gate.asked(request);
    engine.send(switched);
    assert_eq!(client.head().status(), 101);
    (client, engine, request)
}

/// Passes something each way, ends the client's half, passes more, ends the engine's.
#[track_caller]
fn is_a_tunnel(mut client: Wire, mut engine: Wire) {
    client.send("ping\0\r\n\r\n");
    assert_eq!(engine.take(9), b"ping\0\r\n\r\n");
    engine.send("HTTP/1.1 pong");
    assert_eq!(client.take(13), b"HTTP/1.1 pong");
    client.half_close();
    assert_eq!(engine.ends(), End::Closed);
    engine.send("still here");
    assert_eq!(client.take(10), b"still here");
    drop(engine);
    assert_eq!(client.ends(), End::Closed);
}

#[test]
fn attach_opens_a_tunnel() {
    let gate = Gate::open();
    let (mut client, mut engine, request) = gate.asked(ATTACH);
    let line = "POST /v1.41/containers/c/attach?stream=1&stdin=1 HTTP/1.1";
    assert_eq!(request.head.line, line);
    assert_eq!(request.head.one("host"), Some("docker"));
    assert_eq!(request.head.one("content-type"), Some("text/plain"));
    assert_eq!(
        request
            .head
            .one("connection")
            .map(str::to_lowercase)
            .as_deref(),
        Some("upgrade")
    );
    assert_eq!(request.head.one("upgrade"), Some("tcp"));
    engine.send(SWITCHED);
    let head = client.head();
    assert_eq!(head.status(), 101);
    assert_eq!(
        head.one("connection").map(str::to_lowercase).as_deref(),
        Some("upgrade")
    );
    assert_eq!(head.one("upgrade"), Some("tcp"));
    assert_eq!(head.one("content-length"), None);
    assert_eq!(head.one("transfer-encoding"), None);
    assert_eq!(
        head.one("content-type"),
        Some("application/vnd.docker.multiplexed-stream")
    );
    is_a_tunnel(client, engine);
    gate.still_works();
}

#[test]
fn exec_start_opens_a_tunnel_behind_its_body() {
    let gate = Gate::open();
    let json = "{\"Detach\":false,\"Tty\":false}";
    let length = json.len();
    let head = "POST /v1.41/exec/0123abcd/start HTTP/1.1\r\nHost: docker\r\n\
                Content-Type: application/json\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n";
    let none = format!("{head}Content-Length: 0\r\n\r\n");
    let plain = format!("{head}Content-Length: {length}\r\n\r\n{json}");
    let chunked =
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{json}\r\n0\r\n\r\n");
    for (request, body) in [(none, ""), (plain, json), (chunked, json)] {
        let (client, engine, request) = tunnel(&gate, &request, SWITCHED);
        assert_eq!(request.text(), body);
        is_a_tunnel(client, engine);
    }
    gate.still_works();
}

#[test]
fn a_websocket_opens_a_tunnel() {
    let gate = Gate::open();
    let request = "GET /v1.41/containers/c/attach/ws?stream=1 HTTP/1.1\r\nHost: docker\r\n\
                   Origin: http://docker\r\nConnection: keep-alive, Upgrade\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                    Connection: Upgrade\r\n\
                    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let (mut client, mut engine, request) = gate.asked(request);
    assert_eq!(request.head.one("upgrade"), Some("websocket"));
    assert_eq!(request.head.one("sec-websocket-version"), Some("13"));
    assert_eq!(
        request.head.one("sec-websocket-key"),
        Some("dGhlIHNhbXBsZSBub25jZQ==")
    );
    assert_eq!(request.head.one("origin"), Some("http://docker"));
    engine.send(switched);
    let head = client.head();
    assert_eq!(head.status(), 101);
    assert_eq!(head.one("upgrade"), Some("websocket"));
    assert_eq!(
        head.one("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    is_a_tunnel(client, engine);
    gate.still_works();
}

#[test]
fn session_and_grpc_open_a_tunnel_with_an_empty_host() {
    let gate = Gate::open();
    for target in ["/session", "/grpc", "/v1.41/session", "/v1.41/grpc"] {
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\n\
             X-Docker-Expose-Session-Uuid: u\r\n\
             X-Docker-Expose-Session-Grpc-Method: /moby.filesync.v1.FileSync/DiffCopy\r\n\
             X-Docker-Expose-Session-Grpc-Method: /grpc.health.v1.Health/Check\r\n\
             Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        );
        let switched =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
        // The engine speaks first, in the same packet.
        let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let (mut client, mut engine, request) = gate.asked(request);
        assert_eq!(request.head.line, format!("POST {target} HTTP/1.1"));
        assert_eq!(request.head.one("host"), Some(""));
        assert_eq!(request.head.one("upgrade"), Some("h2c"));
        assert_eq!(
            request.head.all("x-docker-expose-session-grpc-method"),
            [
                "/moby.filesync.v1.FileSync/DiffCopy",
                "/grpc.health.v1.Health/Check"
            ]
        );
        engine.send([switched, preface].concat());
        assert_eq!(client.head().one("upgrade"), Some("h2c"));
        assert_eq!(client.take(preface.len()), preface.as_bytes());
        is_a_tunnel(client, engine);
    }
    gate.still_works();
}

#[test]
fn bytes_that_come_early_wait_for_the_101_and_keep_their_order() {
    let gate = Gate::open();
    let mut client = gate.sent([ATTACH, "early "].concat());
    let (mut engine, request) = gate.engine.request();
    assert!(request.raw.ends_with(b"\r\n\r\n"));
    client.send("and ");
    // An engine loses what comes before its 101.
    assert!(engine.is_silent(std::time::Duration::from_millis(200)));
    engine.send([SWITCHED, "output"].concat());
    assert_eq!(client.head().status(), 101);
    assert_eq!(client.take(6), b"output");
    client.send("late");
    assert_eq!(engine.take(14), b"early and late");
    is_a_tunnel(client, engine);

    // Even a stdin that ended before the 101.
    let mut client = gate.sent([ATTACH, "all of it"].concat());
    client.half_close();
    let (mut engine, _) = gate.engine.request();
    engine.send(SWITCHED);
    assert_eq!(client.head().status(), 101);
    assert_eq!(engine.take(9), b"all of it");
    assert_eq!(engine.ends(), End::Closed);
    engine.send("answer");
    drop(engine);
    assert_eq!(client.rest(), (b"answer".to_vec(), End::Closed));
    gate.still_works();
}

#[test]
fn the_engine_s_end_is_not_the_client_s() {
    let gate = Gate::open();
    let (mut client, mut engine, _) = tunnel(&gate, ATTACH, SWITCHED);
    engine.send("last words");
    engine.half_close();
    assert_eq!(client.take(10), b"last words");
    assert_eq!(client.ends(), End::Closed);
    client.send("more input");
    assert_eq!(engine.take(10), b"more input");
    client.half_close();
    assert_eq!(engine.ends(), End::Closed);
    gate.still_works();
}

#[test]
fn much_data_passes_both_ways_at_once_intact() {
    const BLOCKS: usize = 800;
    let gate = Gate::open();
    let (mut client, mut engine, _) = tunnel(&gate, ATTACH, SWITCHED);
    let block = |seed: u32| (0..16_000).flat_map(move |n: u32| ((n * n) ^ seed).to_be_bytes());
    let (up, down): (Vec<u8>, Vec<u8>) = (block(1).collect(), block(2).collect());
    let mut senders = [(client.twin(), &up), (engine.twin(), &down)];
    let (at_engine, at_client) = thread::scope(|scope| {
        for (wire, block) in &mut senders {
            scope.spawn(move || {
                for _ in 0..BLOCKS {
                    wire.send(*block);
                }
                wire.half_close();
            });
        }
        let at_engine = scope.spawn(|| engine.rest());
        let at_client = client.rest();
        (at_engine.join().expect("received"), at_client)
    });
    assert!(
        at_engine == (up.repeat(BLOCKS), End::Closed),
        "the input differs"
    );
    assert!(
        at_client == (down.repeat(BLOCKS), End::Closed),
        "the output differs"
    );
    gate.still_works();
}

#[test]
fn a_client_that_is_gone_ends_the_tunnel() {
    let gate = Gate::open();
    let (client, mut engine, _) = tunnel(&gate, ATTACH, SWITCHED);
    client.reset();
    engine.rest();
    let (client, mut engine, _) = tunnel(&gate, ATTACH, SWITCHED);
    drop(client);
    assert_eq!(engine.ends(), End::Closed);
    // Its input has ended; that it takes no output either shows when there is some.
    engine.send_until_refused("output");
    gate.still_works();
}

#[test]
fn an_engine_that_is_gone_ends_the_tunnel() {
    let gate = Gate::open();
    let (mut client, engine, _) = tunnel(&gate, ATTACH, SWITCHED);
    drop(engine);
    assert_eq!(client.ends(), End::Closed);
    // Nobody is there to take the client's input; a bounded part of it is dropped, so that the
    // client may find the end.
    client.send_until_refused([b'x'; 1 << 16]);
    gate.still_works();
}

#[test]
fn an_upgrade_is_dropped_where_nothing_upgrades() {
    let gate = Gate::open();
    for (request, protocol) in [
        ("GET /v1.41/containers/json", "tcp"),
        ("GET /v1.41/events", "h2c"),
        ("POST /v1.41/containers/create", "tcp"),
        ("POST /v1.41/containers/c/start", "tcp"),
        ("GET /v1.41/containers/c/attach/ws", "tcp"),
        ("POST /v1.41/containers/c/attach", "h2c"),
        ("POST /v1.41/containers/c/attach", "websocket"),
        ("POST /v1.41/exec/e/start", "websocket"),
        ("GET /v1.41/exec/e/json", "tcp"),
        ("POST /session", "tcp"),
        ("POST /grpc", "tcp"),
        ("POST /build", "h2c"),
    ] {
        let head = format!("{request} HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n");
        let upgrade = format!("Connection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n");
        let (seen, response) = gate.exchange(head.clone() + &upgrade, EMPTY);
        assert_eq!(seen.head.line, format!("{request} HTTP/1.1"));
        assert_eq!(seen.head.all("upgrade"), [""; 0], "{request} to {protocol}");
        assert_eq!(
            seen.head.all("connection"),
            [""; 0],
            "{request} to {protocol}"
        );
        assert_eq!(response.status(), 200);
        // A 101 all the same is not one that anybody asked for.
        let (_, response) = gate.exchange(head + &upgrade, SWITCHED);
        assert_eq!(response.status(), 502, "{request} to {protocol}");
    }
    gate.still_works();
}

#[test]
fn an_upgrade_without_its_connection_line_is_dropped_or_works() {
    let gate = Gate::open();
    let request = "POST /v1.41/containers/c/attach HTTP/1.1\r\nHost: docker\r\n\
                   Upgrade: tcp\r\n\r\n";
    let (mut client, mut engine, request) = gate.asked(request);
    // An engine looks at the Upgrade header alone.
    if request.head.one("upgrade").is_some() {
        engine.send(SWITCHED);
        assert_eq!(client.head().status(), 101);
        is_a_tunnel(client, engine);
    } else {
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
    }
    gate.still_works();
}

#[test]
fn a_101_that_nobody_asked_for_is_a_502() {
    let gate = Gate::open();
    let request = "POST /v1.41/containers/c/attach HTTP/1.1\r\nHost: docker\r\n\r\n";
    let (mut client, mut engine, _) = gate.asked(request);
    engine.send([SWITCHED, "secret output"].concat());
    let response = client.response();
    assert_eq!(response.status(), 502);
    assert_eq!(response.head.one("content-type"), Some("application/json"));
    assert!(
        response.text().starts_with("{\"message\":\"dockgate: "),
        "{}",
        response.text()
    );
    // What the client sends now is a request, not an input.
    engine.rest();
    gate.still_works();
}

#[test]
fn a_refused_upgrade_passes() {
    let gate = Gate::open();
    // Plain text up to the end, as attach does.
    let (mut client, mut engine, _) = gate.asked(ATTACH);
    engine
        .send("HTTP/1.1 404 Not Found\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n");
    engine.send("No such container: c\r\n");
    drop(engine);
    let response = client.response();
    assert_eq!(
        (response.status(), response.text().as_str()),
        (404, "No such container: c\r\n")
    );
    // JSON, as exec start does; the connection goes on.
    let (mut client, mut engine, _) = gate.asked(ATTACH);
    let message = "{\"message\":\"container c is paused\"}\n";
    let head = "HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\n";
    engine.send(format!(
        "{head}Content-Length: {}\r\n\r\n{message}",
        message.len()
    ));
    let response = client.response();
    assert_eq!(
        (response.status(), response.text().as_str()),
        (409, message)
    );
    client.send("GET /version HTTP/1.1\r\nHost: docker\r\n\r\n");
    let head = engine.request().head;
    assert_eq!(head.sorted(), [("host", "docker")]);
    engine.send(EMPTY);
    assert_eq!(client.response().status(), 200);
    gate.still_works();
}

#[test]
fn a_denied_upgrade_is_a_403_and_no_tunnel() {
    let gate = Gate::with(&[("CONTAINERS", "1")]);
    let mut client = gate.sent([ATTACH, "input"].concat());
    let response = client.response();
    assert_eq!(response.status(), 403);
    assert!(
        response.text().contains("set ALLOW_ATTACH=1, or POST=1"),
        "{}",
        response.text()
    );
    gate.still_works();
}

#[test]
fn a_switch_that_the_client_does_not_live_to_see_frees_the_engine() {
    let gate = Gate::open();
    let mut client = gate.sent(
        "POST /v1.41/containers/c/attach HTTP/1.1\r\nHost: docker\r\n\
         Content-Length: 100000000\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    );
    // It never reads the body, so the upload stalls and the switch never completes.
    let mut engine = gate.engine.accept();
    engine.head();
    engine.send(SWITCHED);
    assert_eq!(client.head().status(), 101);
    client.reset();
    engine.rest();
    let line = gate
        .dockgate
        .line(|line| line.contains("/containers/c/attach"));
    assert!(line.contains(" 101 "), "{line}");
    gate.still_works();
}

/// An engine, a dockgate on a Unix socket before it, and a client whose attach the engine has.
fn attached_by_a_unix_listener() -> (Engine, Dockgate, Wire, Wire) {
    let engine = Engine::start();
    let path = engine.directory().join("gate.sock");
    let listen = format!("unix://{}", path.display());
    let socket = engine.path().to_str().expect("a plain path").to_owned();
    let settings = [
        ("LISTEN", listen.as_str()),
        ("SOCKET_PATH", socket.as_str()),
    ];
    let dockgate = Dockgate::start(&[&settings, OPEN].concat());
    dockgate.listens(&listen);
    let mut client = Wire::unix(&path);
    client.send(ATTACH);
    let (connection, _) = engine.request();
    (engine, dockgate, client, connection)
}

#[test]
fn a_client_of_a_unix_listener_that_is_gone_ends_the_tunnel() {
    let (_engine, dockgate, mut client, mut engine) = attached_by_a_unix_listener();
    engine.send(SWITCHED);
    assert_eq!(client.head().status(), 101);
    // Such a close is no reset, and the engine has nothing to say that could fail.
    drop(client);
    assert_eq!(engine.ends(), End::Closed);
    dockgate.line(|line| line.contains("/containers/c/attach"));
}

#[test]
fn a_client_that_is_gone_before_the_101_frees_the_engine() {
    let (_engine, dockgate, client, mut engine) = attached_by_a_unix_listener();
    // No reset either, so the first to fail is the write of the 101.
    drop(client);
    engine.send(SWITCHED);
    assert_eq!(engine.ends(), End::Closed);
    let line = dockgate.line(|line| line.contains("/containers/c/attach"));
    assert!(line.contains(" 101 "), "{line}");
}
