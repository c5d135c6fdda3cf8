//! Regex allowlists and their settings in the running program: flags, clients, health, watchdog.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;

use crate::support::dockgate::free_address;
use crate::support::{BOUND, Dockgate, End, Engine, Wire};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";

/// Starts dockgate with these flags and the engine's socket.
fn start(engine: &Engine, flags: &[&str]) -> Dockgate {
    start_with(engine, flags, &[])
}

fn start_with(engine: &Engine, flags: &[&str], env: &[(&str, &str)]) -> Dockgate {
    let socket = format!("-socketpath={}", engine.path().display());
    Dockgate::spawn(Dockgate::command(env).arg(socket).args(flags))
}

/// The same, listening on an address of its own.
fn listening(engine: &Engine, flags: &[&str]) -> (Dockgate, SocketAddr) {
    let address = free_address();
    let listen = format!("-listenip={}", address.ip());
    let dockgate = start(engine, &[&[listen.as_str()], flags].concat());
    dockgate.listens(&format!("tcp://{address}"));
    (dockgate, address)
}

fn asked(address: SocketAddr, line: &str) -> Wire {
    let mut client = Wire::tcp(address);
    client.send(format!("{line} HTTP/1.1\r\nHost: docker\r\n\r\n"));
    client
}

/// Answered by dockgate with a 403 that says this.
#[track_caller]
fn is_denied(address: SocketAddr, line: &str, why: &str) {
    let response = asked(address, line).response();
    let document = format!("{{\"message\":\"dockgate: {why}\"}}\n");
    assert_eq!((response.status(), response.text()), (403, document));
}

/// The next request that reaches the engine is this one, and it is answered.
#[track_caller]
fn is_allowed(engine: &Engine, address: SocketAddr, line: &str) {
    let mut client = asked(address, line);
    let (mut accepted, request) = engine.request();
    assert_eq!(request.head.line, format!("{line} HTTP/1.1"));
    accepted.send(OK);
    assert_eq!(client.response().text(), "OK");
}

#[test]
fn flags_and_variables_allow_what_matches_and_nothing_else() {
    let engine = Engine::start();
    let address = free_address();
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let dockgate = start_with(
        &engine,
        &[
            "--allowGET",
            r"/v1\.[0-9]+/containers/.*",
            "-allowGET=/info",
        ],
        &[
            ("SP_LISTENIP", ip.as_str()),
            ("SP_PROXYPORT", port.as_str()),
            ("SP_ALLOW_POST_2", "/containers/[a-z]+/start"),
            ("SP_ALLOW_GET", "/never"),
        ],
    );
    dockgate.listens(&format!("tcp://{address}"));
    for (line, why) in [
        (
            "GET /version",
            "GET /version is not allowed: no SP_ALLOW_GET pattern matches /version",
        ),
        (
            "GET /never",
            "GET /never is not allowed: no SP_ALLOW_GET pattern matches /never",
        ),
        (
            "POST /v1.41/containers/create?name=x",
            "POST /containers/create is not allowed: set ALLOW_CREATE=1; no SP_ALLOW_POST pattern \
             matches /v1.41/containers/create",
        ),
    ] {
        is_denied(address, line, why);
    }
    assert_eq!(asked(address, "HEAD /info").head().status(), 403);
    is_allowed(&engine, address, "GET /v1.41/containers/json?all=1");
    is_allowed(&engine, address, "GET /info");
    is_allowed(&engine, address, "POST /containers/web/start");
    dockgate.line(|line| line.ends_with(" allowed by -allowGET=/info"));
    dockgate.line(|line| line.ends_with(" allowed by SP_ALLOW_POST_2"));
    dockgate.line(|line| line.contains("SP_ALLOW_GET is ignored: -allowGET is set on the command"));
}

#[test]
fn clients_that_are_not_on_the_list_are_told_so() {
    let engine = Engine::start();
    for (list, admitted) in [
        ("127.0.0.1/32", true),
        ("::ffff:127.0.0.0/104", true),
        ("10.0.0.0/8,localhost", true),
        ("10.0.0.0/8", false),
        ("::/0", false),
        ("*", false),
        ("nowhere.invalid", false),
        (" 127.0.0.1", false),
        ("", false),
    ] {
        let flag = format!("-allowfrom={list}");
        let (_dockgate, address) = listening(&engine, &[&flag, "-allowGET=/x"]);
        if admitted {
            is_allowed(&engine, address, "GET /x");
            continue;
        }
        // For whatever they ask, and on the same connection nothing more.
        for line in ["GET /x", "FOO /x", "GET /../x"] {
            let mut client = asked(address, line);
            let response = client.response();
            let told = "{\"message\":\"dockgate: clients at 127.0.0.1 are not allowed: ";
            assert_eq!(response.status(), 403);
            assert!(response.text().starts_with(told), "{}", response.text());
            assert_eq!(client.ends(), End::Closed);
        }
    }
    // By default it is this host alone; all of the above is the proof that nothing came through.
    let (dockgate, address) = listening(&engine, &["-allowGET=/x"]);
    is_allowed(&engine, address, "GET /x");
    dockgate.line(|line| line.ends_with("TCP clients: 127.0.0.1/32"));
}

#[test]
fn a_unix_endpoint_is_there_instead_of_the_port() {
    let engine = Engine::start();
    let path = engine.directory().join("filtered.sock");
    let endpoint = format!("-proxysocketendpoint={}", path.display());
    for (mode, expected) in [
        (None, 0o600),
        (Some("-proxysocketendpointfilemode=0660"), 0o660),
        (Some("-proxysocketendpointfilemode=384"), 0o600),
        (Some("-proxysocketendpointfilemode=0xff"), 0o377),
    ] {
        let flags = [Some(endpoint.as_str()), Some("-allowGET=/x"), mode];
        let dockgate = start(&engine, &flags.into_iter().flatten().collect::<Vec<_>>());
        dockgate.listens(&format!("unix://{}", path.display()));
        let is = fs::metadata(&path)
            .expect("the socket")
            .permissions()
            .mode();
        assert_eq!(is & 0o777, expected);
        assert!(!dockgate.log().contains("listening on tcp"));
        let mut client = Wire::unix(&path);
        client.send("GET /x HTTP/1.1\r\nHost: docker\r\n\r\n");
        let (mut accepted, _) = engine.request();
        accepted.send(OK);
        assert_eq!(client.response().text(), "OK");
    }
}

#[test]
fn every_line_is_a_json_object_if_asked() {
    let engine = Engine::start();
    let address = free_address();
    let listen = format!("-listenip={}", address.ip());
    let flags = ["-logjson", "-allowGET=/x", "-loglevel=debug", &listen];
    let dockgate = start(&engine, &flags);
    dockgate.line(|line| line.ends_with(&format!("\"listening on tcp://{address}\"}}")));
    is_denied(
        address,
        "GET /a%22b",
        "GET /a%22b is not allowed: no SP_ALLOW_GET pattern matches /a%22b",
    );
    is_allowed(&engine, address, "GET /x?a=1");
    dockgate.line(|line| line.contains("allowed by -allowGET=/x"));
    for line in dockgate.lines() {
        let value: serde_json::Value = serde_json::from_str(&line).expect("an object");
        for key in ["time", "level", "msg"] {
            assert!(value[key].is_string(), "{line}");
        }
    }
}

#[test]
fn health_is_answered_on_a_port_of_its_own() {
    let mut engine = Engine::start();
    let health = SocketAddr::from(([127, 0, 0, 1], 55555));
    let (dockgate, address) = listening(&engine, &["-allowhealthcheck", "-allowGET=/x"]);
    let status = |line: &str| asked(health, line).head().status();
    assert_eq!(status("HEAD /health"), 200);
    assert_eq!(status("GET /health"), 405);
    assert_eq!(status("HEAD /other"), 404);
    is_allowed(&engine, address, "GET /x");
    // Whoever holds connections does not keep the others from theirs.
    let mut idle: Vec<Wire> = (0..100).map(|_| Wire::tcp(health)).collect();
    assert_eq!(status("HEAD /health"), 200);
    let mut last = idle.pop().expect("the last");
    last.send("HEAD /health HTTP/1.1\r\nHost: docker\r\n\r\n");
    assert_eq!(last.head().status(), 200);
    assert_eq!(idle[0].ends(), End::Closed);
    engine.stop();
    assert_eq!(status("HEAD /health"), 503);
    dockgate.line(|line| line.contains("health check failed: the engine's socket"));
    let mut second = start(&engine, &["-allowhealthcheck", "-loglevel=error"]);
    let (status, _) = second.exit_within(BOUND);
    assert_eq!(status.code(), Some(1), "{}", second.log());
}

#[test]
fn the_watchdog_ends_dockgate_when_the_engine_is_gone() {
    let mut engine = Engine::start();
    let (mut dockgate, address) = listening(
        &engine,
        &["-watchdoginterval=1", "-stoponwatchdog", "-allowGET=/x"],
    );
    is_allowed(&engine, address, "GET /x");
    engine.stop();
    fs::remove_file(engine.path()).expect("the socket");
    let (status, _) = dockgate.exit_within(BOUND);
    assert_eq!(status.code(), Some(10), "{}", dockgate.log());
    assert!(
        dockgate.log().contains("watchdog: the engine's socket"),
        "{}",
        dockgate.log()
    );
}

#[test]
fn what_keeps_it_from_starting_is_told() {
    let engine = Engine::start();
    let address = free_address();
    let _taken = TcpListener::bind(address).expect("a free port");
    let taken = format!("-listenip={}", address.ip());
    for (flags, code, told) in [
        (
            &["-socketpath=/run/nosuch.sock", "-allowGET=/x"][..],
            1,
            "/run/nosuch.sock does not exist",
        ),
        (
            &["-listenip=192.0.2.99", "-allowGET=/x"],
            1,
            "this host does not have that address",
        ),
        (
            &[taken.as_str(), "-allowGET=/x"],
            1,
            "the port is already in use",
        ),
        (
            &["-allowGET=("],
            78,
            "-allowGET=( is not a valid pattern: unclosed group",
        ),
        (&["-allowGET"], 2, "-allowGET needs a value"),
        (
            &["-allowGET=/x", "stray", "-allowbindmountfrom=/y"],
            78,
            "-allowbindmountfrom follows stray and would be ignored: dockgate does not ignore a restriction",
        ),
        (
            &["-allowFOO=/x"],
            2,
            "unexpected argument '-allowFOO' found",
        ),
        (&["-logjson=yes"], 78, "-logjson=yes is not a boolean"),
        (
            &["-allowbindmountfrom=home"],
            78,
            "home is not an absolute path",
        ),
        (
            &["-proxycontainername=x/y"],
            78,
            "-proxycontainername=x/y is not the name or the ID of a container",
        ),
        (
            &["-dockerlabelprefix=X"],
            78,
            "-dockerlabelprefix=X is not a prefix of labels",
        ),
    ] {
        let mut dockgate = start(&engine, flags);
        let (status, _) = dockgate.exit_within(BOUND);
        assert_eq!(status.code(), Some(code), "{flags:?}: {}", dockgate.log());
        assert!(
            dockgate.log().contains(told),
            "{flags:?}: {}",
            dockgate.log()
        );
    }
}
