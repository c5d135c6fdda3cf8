//! Clients that `SP_ALLOWFROM` does not list: what they get, and that the others notice nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::dockgate::free_address;
use crate::support::{BOUND, Dockgate, End, Engine, Wire};

const GET: &str = "GET /x HTTP/1.1\r\nHost: docker\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 9, 9, 9);
const LISTED: Ipv4Addr = Ipv4Addr::new(127, 9, 9, 8);
/// As many as are there at the same time.
const PLACES: usize = 32;
const SECOND: Duration = Duration::from_secs(1);

/// Lets in [`LISTED`] alone, for `GET /x`.
fn start(engine: &Engine, more: &[(&str, &str)]) -> (Dockgate, SocketAddr) {
    let address = free_address();
    let (ip, list) = (address.ip().to_string(), LISTED.to_string());
    let path = engine.path().display().to_string();
    let own = [
        ("SP_LISTENIP", ip.as_str()),
        ("SP_ALLOWFROM", list.as_str()),
        ("SP_ALLOW_GET", "/x"),
        ("SOCKET_PATH", path.as_str()),
    ];
    let dockgate = Dockgate::start(&[&own, more].concat());
    dockgate.listens(&format!("tcp://{address}"));
    (dockgate, address)
}

/// A new client with this address.
#[track_caller]
pub(crate) fn from(source: Ipv4Addr, address: SocketAddr) -> Wire {
    Wire::tcp_from(source, address)
}

#[track_caller]
fn is_served(engine: &Engine, address: SocketAddr) {
    let mut client = from(LISTED, address);
    client.send(GET);
    let (mut accepted, _) = engine.request();
    accepted.send(OK);
    assert_eq!(client.response().text(), "OK");
}

#[test]
fn idle_strangers_take_no_place_of_the_clients_that_are_listed() {
    let engine = Engine::start();
    let (dockgate, address) = start(&engine, &[("MAX_CONNECTIONS", "6")]);
    let begin = Instant::now();
    let idle: Vec<Wire> = (0..3 * PLACES).map(|_| from(STRANGER, address)).collect();
    let _kept: Vec<Wire> = (0..5)
        .map(|_| {
            let mut client = from(LISTED, address);
            client.send(GET);
            let (mut accepted, _) = engine.request();
            accepted.send(OK);
            assert_eq!(client.response().text(), "OK");
            client
        })
        .collect();
    // Those beyond the budget at once, the others soon, and all of them without a word.
    let ends: Vec<Duration> = idle
        .into_iter()
        .map(|mut client| {
            assert_eq!(client.ends(), End::Closed);
            begin.elapsed()
        })
        .collect();
    let last = ends[3 * PLACES - 1];
    assert!(SECOND / 2 < last && last < 5 * SECOND, "{ends:?}");
    dockgate.line(|line| line.contains(" - - - denied: clients at 127.9.9.9 are not allowed"));
    let log = dockgate.log();
    assert_eq!(log.matches("are not allowed").count(), 1, "{log}");
    assert!(!log.contains("MAX_CONNECTIONS is reached"), "{log}");
}

#[test]
fn strangers_beyond_their_budget_are_closed_at_once() {
    let engine = Engine::start();
    let (_dockgate, address) = start(&engine, &[]);
    let (ended, ends) = mpsc::channel();
    for mut client in (0..=PLACES).map(|_| from(STRANGER, address)) {
        let ended = ended.clone();
        thread::spawn(move || {
            assert_eq!(client.ends(), End::Closed);
            let _ = ended.send(Instant::now());
        });
    }
    // One of them is beyond the budget, whichever worker is the slower one. All others have their
    // time, so what counts is how long before them it was closed, not how fast this machine is.
    let beyond = ends.recv_timeout(BOUND).expect("one is closed");
    let others = ends.recv_timeout(BOUND).expect("the others are closed");
    let earlier = others - beyond;
    assert!(earlier > SECOND / 2, "{earlier:?}");
    is_served(&engine, address);
}

#[test]
fn a_stranger_has_its_403_without_a_wait_for_its_body() {
    let engine = Engine::start();
    let (dockgate, address) = start(&engine, &[]);
    let upload = "POST /build HTTP/1.1\r\nHost: docker\r\nContent-Length: 1000000\r\n\r\npart";
    let chunked = "POST /x HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe";
    let odd = "GET /x#y HTTP/1.1\r\nHost: docker\r\n\r\n";
    for request in [GET, upload, chunked, odd, "GET /?\"<> HTTP/1.0\r\n\r\n"] {
        let begin = Instant::now();
        let mut client = from(STRANGER, address);
        client.send(request);
        let answer = client.response();
        assert!(begin.elapsed() < 5 * SECOND, "{:?}", begin.elapsed());
        assert_eq!(answer.status(), 403, "{request}");
        assert_eq!(answer.head.one("connection"), Some("close"));
        let told = "{\"message\":\"dockgate: clients at 127.9.9.9 are not allowed: ";
        assert!(answer.text().starts_with(told), "{}", answer.text());
        client.half_close();
        assert_eq!(client.ends(), End::Closed);
    }
    // A HEAD has no body, and is no news either.
    let mut client = from(STRANGER, address);
    client.send("HEAD /x HTTP/1.1\r\nHost: docker\r\n\r\n");
    assert_eq!(client.head().status(), 403);
    assert_eq!(client.ends(), End::Closed);
    // That one has its line says that all before had theirs.
    is_served(&engine, address);
    dockgate.line(|line| line.contains("allowed by SP_ALLOW_GET"));
    let log = dockgate.log();
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("not allowed"))
        .collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains(" GET /x 403 in=0 out=101 "), "{log}");
    assert!(
        lines[0].contains(" denied: clients at 127.9.9.9 are not allowed"),
        "{log}"
    );
}

#[test]
fn healthcheck_is_healthy_where_this_host_is_not_listed() {
    let engine = Engine::start();
    let (dockgate, address) = start(&engine, &[]);
    let check = || {
        let path = engine.path().display().to_string();
        let checking = Command::new(env!("CARGO_BIN_EXE_dockgate"))
            .arg("healthcheck")
            .env_clear()
            .envs([
                ("SP_LISTENIP", address.ip().to_string()),
                ("SP_ALLOWFROM", LISTED.to_string()),
                ("SP_ALLOW_GET", "/x".into()),
                ("SOCKET_PATH", path),
            ])
            .spawn()
            .expect("the binary starts");
        let (mut accepted, request) = engine.request();
        assert_eq!(request.head.line, "GET /_ping HTTP/1.1");
        accepted.send(OK);
        let ended = checking.wait_with_output().expect("its output");
        assert!(ended.status.success(), "{ended:?}");
    };
    check();
    // All places of strangers are taken, and still.
    let idle: Vec<Wire> = (0..2 * PLACES).map(|_| from(STRANGER, address)).collect();
    check();
    drop(idle);
    let log = dockgate.log();
    assert!(!log.contains("127.0.0.1 are not allowed"), "{log}");
    is_served(&engine, address);
}
