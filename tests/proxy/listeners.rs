//! Where dockgate listens: TCP of both families, Unix sockets, and what it never takes away.

use std::fs;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::support::dockgate::free_address;
use crate::support::{BOUND, Dockgate, Engine, Gate, Wire};

/// A directory with an engine, and the path of a listener in it.
fn place() -> (Engine, PathBuf) {
    let engine = Engine::start();
    let path = engine.directory().join("gate.sock");
    (engine, path)
}

/// Starts dockgate on these listeners.
fn start(engine: &Engine, listen: &str, more: &[(&str, &str)]) -> Dockgate {
    let path = engine.path().to_str().expect("a plain path");
    Dockgate::start(&[&[("LISTEN", listen), ("SOCKET_PATH", path)], more].concat())
}

fn unix(path: &Path) -> String {
    format!("unix://{}", path.display())
}

/// A request through a listener reaches the engine and is answered.
#[track_caller]
fn serves(engine: &Engine, mut client: Wire) {
    client.send("GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n");
    let (mut accepted, request) = engine.request();
    assert_eq!(request.head.line, "GET /_ping HTTP/1.1");
    accepted.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK");
    assert_eq!(client.response().text(), "OK");
}

/// Refuses to start, and names this.
#[track_caller]
fn refuses_to_start(mut dockgate: Dockgate, named: &str) {
    let (status, _) = dockgate.exit_within(BOUND);
    assert_ne!(status.code(), Some(0), "{}", dockgate.log());
    assert!(status.code().is_some(), "{status}");
    assert!(
        dockgate.log().contains(named),
        "{} does not name {named}",
        dockgate.log()
    );
}

#[test]
fn a_unix_listener_has_its_mode_serves_and_leaves_nothing_behind() {
    for (settings, mode) in [(&[][..], 0o660), (&[("LISTEN_MODE", "0600")][..], 0o600)] {
        let (engine, path) = place();
        let mut dockgate = start(&engine, &unix(&path), settings);
        dockgate.listens(&unix(&path));
        let metadata = fs::metadata(&path).expect("the socket");
        assert!(metadata.file_type().is_socket());
        assert_eq!(metadata.permissions().mode() & 0o777, mode);
        serves(&engine, Wire::unix(&path));
        dockgate.signal(Signal::TERM);
        assert_eq!(dockgate.exit_within(BOUND).0.code(), Some(0));
        assert!(!path.exists(), "the socket was left behind");
    }
}

#[test]
fn a_stale_socket_is_replaced() {
    let (engine, path) = place();
    drop(UnixListener::bind(&path).expect("bound"));
    let dockgate = start(&engine, &unix(&path), &[]);
    dockgate.listens(&unix(&path));
    serves(&engine, Wire::unix(&path));
    // And so is one that dockgate left when it was killed.
    drop(dockgate);
    assert!(path.exists());
    let dockgate = start(&engine, &unix(&path), &[]);
    dockgate.listens(&unix(&path));
    serves(&engine, Wire::unix(&path));
}

#[test]
fn a_live_socket_is_left_alone() {
    let (engine, path) = place();
    let first = start(&engine, &unix(&path), &[]);
    let name = path.to_str().expect("a plain path");
    first.listens(&unix(&path));
    refuses_to_start(start(&engine, &unix(&path), &[]), name);
    serves(&engine, Wire::unix(&path));
}

#[test]
fn what_is_no_socket_is_never_replaced() {
    let (engine, path) = place();
    let name = path.to_str().expect("a plain path");
    fs::write(&path, "precious").expect("written");
    refuses_to_start(start(&engine, &unix(&path), &[]), name);
    assert_eq!(fs::read_to_string(&path).expect("still there"), "precious");
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("made");
    refuses_to_start(start(&engine, &unix(&path), &[]), name);
    assert!(path.is_dir());
}

#[test]
fn a_listener_s_directory_must_exist() {
    let (engine, path) = place();
    let path = path.join("missing/gate.sock");
    let name = path.to_str().expect("a plain path");
    refuses_to_start(start(&engine, &unix(&path), &[]), name);
}

#[test]
fn several_listeners_serve_at_once() {
    let (engine, path) = place();
    let (one, two) = (free_address(), free_address());
    let all = [format!("tcp://{one}"), unix(&path), format!("tcp://{two}")];
    let dockgate = start(&engine, &all.join(","), &[]);
    for one in &all {
        dockgate.listens(one);
    }
    serves(&engine, Wire::tcp(one));
    serves(&engine, Wire::unix(&path));
    serves(&engine, Wire::tcp(two));
}

#[test]
fn an_ipv6_listener_serves() {
    // A port that is free for this test alone: nobody else uses this address.
    let probe = match TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        Ok(probe) => probe,
        Err(error) => return eprintln!("SKIPPED: this machine has no IPv6 loopback ({error})"),
    };
    let address: SocketAddr = probe.local_addr().expect("an address");
    drop(probe);
    let (engine, _) = place();
    let dockgate = start(&engine, &format!("tcp://{address}"), &[]);
    dockgate.listens(&format!("tcp://{address}"));
    serves(&engine, Wire::tcp(address));
}

#[test]
fn a_second_dockgate_on_the_same_port_does_not_start() {
    let gate = Gate::open();
    let listen = format!("tcp://{}", gate.address);
    refuses_to_start(start(&gate.engine, &listen, &[]), &gate.address.to_string());
    gate.still_works();
}

#[test]
fn a_socket_that_does_not_refuse_is_never_replaced() {
    let (engine, path) = place();
    let name = path.to_str().expect("a plain path");
    // A stream's connect fails here too, but not because nobody listens.
    let datagrams = UnixDatagram::bind(&path).expect("bound");
    refuses_to_start(start(&engine, &unix(&path), &[]), name);
    drop(datagrams);
    assert!(path.exists());
}

#[test]
fn port_0_is_logged_as_the_port_that_it_became() {
    let (engine, _) = place();
    let dockgate = start(&engine, "tcp://127.0.0.1:0", &[]);
    let line = dockgate.line(|line| line.contains("listening on tcp://127.0.0.1:"));
    let address = line.rsplit_once("tcp://").expect("an address").1;
    serves(&engine, Wire::tcp(address.parse().expect("an address")));
}

/// Who asked for more connections than fit is warned; the default just follows the limit.
#[test]
fn fewer_connections_are_a_warning_only_where_a_number_was_asked_for() {
    for (asked, level, told) in [
        (
            None,
            "info",
            "connections: the open file limit is 300 and each connection uses two descriptors",
        ),
        (
            Some("5000"),
            "warning",
            "connections instead of MAX_CONNECTIONS=5000: the open file limit is 300",
        ),
    ] {
        let (engine, path) = place();
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "ulimit -n 300 && exec \"$0\""])
            .arg(env!("CARGO_BIN_EXE_dockgate"))
            .env_clear()
            .env("LISTEN", unix(&path))
            .env("SOCKET_PATH", engine.path())
            .envs(asked.map(|asked| ("MAX_CONNECTIONS", asked)));
        let dockgate = Dockgate::spawn(&mut command);
        dockgate.listens(&unix(&path));
        let line = dockgate.line(|line| line.contains("at most "));
        assert!(line.contains(level) && line.contains(told), "{line}");
        serves(&engine, Wire::unix(&path));
    }
}
