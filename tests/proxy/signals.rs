//! Signals: what is under way may finish, and the end comes in time.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use socket2::Domain;

use crate::support::{BOUND, Dockgate, End, Engine, Gate, OPEN_READS, Wire};

const LIST: &str = "GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\n\r\n";
const EVENTS: &str = "GET /v1.41/events HTTP/1.1\r\nHost: docker\r\n\r\n";
const ATTACH: &str = "POST /v1.41/containers/c/attach HTTP/1.1\r\nHost: docker\r\n\
                      Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Waits until nobody listens there any more.
#[track_caller]
fn refuses(gate: &Gate) {
    let deadline = Instant::now() + BOUND;
    while Wire::connect(Domain::IPV4, &gate.address.into()).is_ok() {
        assert!(Instant::now() < deadline, "still accepts");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn sigterm_and_sigint_let_requests_finish() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut gate = Gate::with(OPEN_READS);
        let mut idle = gate.client();
        let (mut kept, mut kept_engine, _) = gate.asked(LIST);
        kept_engine.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(kept.response().status(), 200);
        let (mut client, mut engine, _) = gate.asked(LIST);
        gate.dockgate.signal(signal);
        refuses(&gate);
        assert_eq!(idle.ends(), End::Closed);
        assert_eq!(kept.ends(), End::Closed);
        engine.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(client.head().status(), 200);
        engine.send("whole");
        assert_eq!(client.take(5), b"whole");
        assert_eq!(client.ends(), End::Closed);
        let (status, _) = gate.dockgate.exit_within(BOUND);
        assert_eq!(status.code(), Some(0));
    }
}

#[test]
fn sigterm_ends_silent_streams_and_tunnels() {
    let mut gate = Gate::open_with(&[("SHUTDOWN_GRACE", "60")]);
    let (mut stream, mut stream_engine, _) = gate.asked(EVENTS);
    stream_engine.send(STREAM);
    assert_eq!(stream.head().status(), 200);
    let (mut tunnel, mut tunnel_engine, _) = gate.asked(ATTACH);
    tunnel_engine.send(SWITCHED);
    assert_eq!(tunnel.head().status(), 101);
    gate.dockgate.signal(Signal::TERM);
    let (status, _) = gate.dockgate.exit_within(BOUND);
    assert_eq!(status.code(), Some(0));
    let (rest, _) = stream.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "a false end");
    tunnel.rest();
    stream_engine.rest();
    tunnel_engine.rest();
    // Their lines are written before the end.
    for target in ["/v1.41/events 200", "/v1.41/containers/c/attach 101"] {
        gate.dockgate.line(|line| line.contains(target));
    }
}

#[test]
fn the_grace_cuts_what_goes_on() {
    let mut gate = Gate::with(&[("SHUTDOWN_GRACE", "2")]);
    let (mut client, mut engine, _) = gate.asked(EVENTS);
    engine.send(STREAM);
    assert_eq!(client.head().status(), 200);
    let (waiting, waiting_engine, _) = gate.asked(EVENTS);
    let ticking = std::thread::spawn(move || {
        while engine.try_send("4\r\ntick\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    gate.dockgate.signal(Signal::TERM);
    let (status, time) = gate.dockgate.exit_within(BOUND);
    assert_eq!(status.code(), Some(0));
    assert!(
        time > Duration::from_millis(1500) && time < Duration::from_secs(5),
        "took {time:?}"
    );
    ticking.join().expect("ended");
    assert!(!client.rest().0.ends_with(b"0\r\n\r\n"), "a false end");
    drop((waiting, waiting_engine));
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut gate = Gate::with(&[("SHUTDOWN_GRACE", "60")]);
    let (_client, _engine, _) = gate.asked(EVENTS);
    gate.dockgate.signal(Signal::TERM);
    refuses(&gate);
    gate.dockgate.signal(Signal::INT);
    let (_, time) = gate.dockgate.exit_within(BOUND);
    assert!(time < Duration::from_secs(2), "took {time:?}");
}

#[test]
fn what_a_second_signal_cuts_has_its_line() {
    let mut gate = Gate::open_with(&[("SHUTDOWN_GRACE", "600")]);
    let (mut client, _engine, _) = gate.asked(LIST);
    gate.dockgate.signal(Signal::TERM);
    refuses(&gate);
    gate.dockgate.signal(Signal::TERM);
    let (status, _) = gate.dockgate.exit_within(BOUND);
    assert_eq!(status.code(), Some(1));
    client.rest();
    let end = " allowed by CONTAINERS (ended early)";
    let line = gate.dockgate.line(|line| line.ends_with(end));
    assert!(line.contains("/v1.41/containers/json - "), "{line}");
}

#[test]
fn other_signals_harm_nothing() {
    let mut gate = Gate::with(OPEN_READS);
    let (mut client, mut engine, _) = gate.asked(LIST);
    for signal in [Signal::HUP, Signal::PIPE] {
        gate.dockgate.signal(signal);
        gate.still_works();
    }
    engine.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.response().text(), "ok");
    gate.dockgate.signal(Signal::TERM);
    assert_eq!(gate.dockgate.exit_within(BOUND).0.code(), Some(0));
}

#[test]
fn a_closed_stdout_harms_nothing() {
    let engine = Engine::start();
    let address = crate::support::dockgate::free_address();
    let listen = format!("tcp://{address}");
    let path = engine.path().to_str().expect("a plain path").to_owned();
    let environment = [("LISTEN", listen.as_str()), ("SOCKET_PATH", path.as_str())];
    let (dockgate, stdout) = Dockgate::unread(&mut Dockgate::command(&environment));
    // Nobody reads that it listens.
    drop(stdout);
    let deadline = Instant::now() + BOUND;
    while Wire::connect(Domain::IPV4, &address.into()).is_err() {
        assert!(Instant::now() < deadline, "does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    let gate = Gate {
        engine,
        dockgate,
        address,
    };
    for _ in 0..3 {
        assert_eq!(
            gate.refusal("GET /info HTTP/1.1\r\nHost: docker\r\n\r\n")
                .status(),
            403
        );
        gate.still_works();
    }
}

#[test]
fn a_signal_before_any_client_ends_it() {
    let mut gate = Gate::with(&[("SHUTDOWN_GRACE", "60")]);
    gate.dockgate.signal(Signal::TERM);
    let (status, _) = gate.dockgate.exit_within(BOUND);
    assert_eq!((status.code(), status.signal()), (Some(0), None));
}

#[test]
fn sigterm_lets_a_busy_tunnel_finish_even_if_it_was_silent_before() {
    let mut gate = Gate::open_with(&[("SHUTDOWN_GRACE", "60")]);
    let (mut client, mut engine, _) = gate.asked(ATTACH);
    engine.send(SWITCHED);
    assert_eq!(client.head().status(), 101);
    // Longer than a silence that would count at shutdown.
    assert!(client.is_silent(Duration::from_secs(1)));
    gate.dockgate.signal(Signal::TERM);
    refuses(&gate);
    for _ in 0..40 {
        engine.send("tick");
        assert_eq!(client.take(4), b"tick");
        assert!(client.is_silent(Duration::from_millis(50)));
    }
    drop(engine);
    assert_eq!(client.ends(), End::Closed);
    drop(client);
    let (status, _) = gate.dockgate.exit_within(BOUND);
    assert_eq!(status.code(), Some(0));
}

#[test]
fn what_is_cut_when_the_grace_is_over_has_its_line() {
    let mut gate = Gate::with(&[("CONTAINERS", "1"), ("SHUTDOWN_GRACE", "1")]);
    let (_client, _engine, _) = gate.asked(LIST);
    gate.dockgate.signal(Signal::TERM);
    let (status, _) = gate.dockgate.exit_within(BOUND);
    assert_eq!(status.code(), Some(0));
    gate.dockgate
        .line(|line| line.contains("/v1.41/containers/json - "));
}
