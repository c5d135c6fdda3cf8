//! More clients than there are descriptors or slots: who finds no room waits, at no cost.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::machine::{
    alone, at_rest, cpu, descriptors, eventually, eventually_within, gate_with_files, load, one_of,
    shared,
};
use crate::support::{BOUND, Gate, Wire};
use crate::traffic::{Background, Quick, Talk, get};

const SECOND: Duration = Duration::from_secs(1);

/// The number that a line of the log has behind a word.
#[track_caller]
fn number_behind(line: &str, word: &str) -> usize {
    let behind = line.split_once(word).expect("the word").1;
    let digits = behind.trim_start().split(|c: char| !c.is_ascii_digit());
    digits
        .clone()
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a number")
}

/// How many connections dockgate allows itself, for want of descriptors.
#[track_caller]
fn lowered(gate: &Gate) -> usize {
    let line = gate
        .dockgate
        .line(|line| line.contains(" info ") && line.contains(" connections: the open file limit"));
    number_behind(&line, "at most")
}

/// More clients than fit, of whom each leaves when it has its answer and is told to: those who fit
/// are answered, the others wait without a cost, and are answered when there is room.
fn are_all_served_in_turn(gate: &Gate, fitting: usize, clients: usize) {
    let pid = gate.dockgate.pid();
    let quick = Quick::start(&gate.engine);
    let address = gate.address;
    let (answered, may_leave) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (count, leave) = (Arc::clone(&answered), Arc::clone(&may_leave));
    let crowd = Background::start(move || async move {
        let mut all = JoinSet::new();
        for n in 0..clients {
            let (count, leave) = (Arc::clone(&count), Arc::clone(&leave));
            let path = format!("/v1.41/containers/waits{n}/json");
            all.spawn(async move {
                // Each at an address of its own: none of them has more than the others.
                let [high, low] = u16::try_from(n).expect("fewer").to_be_bytes();
                let source = Ipv4Addr::new(127, 77, high, low);
                let talk = Talk::from(source, address).await;
                let mut talk = talk.expect("a place in the backlog");
                talk.send(get(&path)).await.expect("sent");
                let (status, body) = talk.answer().await.expect("answered at last");
                assert_eq!((status, body), (200, path.into_bytes()));
                count.fetch_add(1, Relaxed);
                let _told = leave.acquire().await;
            });
        }
        all.join_all().await;
    });
    eventually("who fits is answered", || answered.load(Relaxed) == fitting);
    at_rest(pid);
    one_of(3, || match load(pid, SECOND) {
        share if share < 0.1 => Ok(()),
        share => Err(format!(
            "{share:.2} of a processor is used while clients wait"
        )),
    });
    assert_eq!(answered.load(Relaxed), fitting, "more are served than fit");
    assert_eq!(quick.open(), fitting, "each has one connection");
    may_leave.add_permits(clients);
    eventually_within(3 * BOUND, "all are answered", || {
        answered.load(Relaxed) == clients
    });
    drop(crowd);
    let log = gate.dockgate.log();
    assert!(!log.contains("cannot accept"), "{log}");
    let seen = quick.finish(|line| line.starts_with("GET /v1.41/containers/waits"));
    assert_eq!(seen.lines.len(), clients);
    assert!(seen.lines.values().all(|&times| times == 1), "sent twice");
    gate.still_works();
}

#[test]
fn sixty_four_descriptors_are_enough_for_any_number_of_clients() {
    let _alone = alone();
    let gate = gate_with_files(64);
    let fitting = lowered(&gate);
    assert!((1..=32).contains(&fitting), "{fitting}");
    are_all_served_in_turn(&gate, fitting, 150);
}

#[test]
fn a_thousand_and_twenty_four_descriptors_are_enough_too() {
    let _alone = alone();
    let gate = gate_with_files(1024);
    let fitting = lowered(&gate);
    assert!((100..=512).contains(&fitting), "{fitting}");
    are_all_served_in_turn(&gate, fitting, 1500);
}

#[test]
fn connections_beyond_the_maximum_wait_their_turn() {
    let _alone = alone();
    let gate = Gate::open_with(&[("MAX_CONNECTIONS", "50")]);
    are_all_served_in_turn(&gate, 50, 400);
}

#[test]
fn failing_accepts_neither_spin_nor_end_the_service() {
    let _alone = alone();
    let gate = Gate::open();
    let pid = gate.dockgate.pid();
    gate.still_works();
    let before = getrlimit(Resource::Nofile).maximum;
    let limit = |current| {
        let limit = Rlimit {
            current: Some(current),
            maximum: before,
        };
        prlimit(Some(pid), Resource::Nofile, limit).expect("a limit");
    };
    // Not one more than it has: every accept fails, and the clients stay in the backlog.
    limit(3);
    let waiting: Vec<Wire> = (0..50).map(|_| gate.sent(get("/v1.41/info"))).collect();
    gate.dockgate
        .line(|line| line.contains("cannot accept connections"));
    one_of(3, || match load(pid, 2 * SECOND) {
        share if share < 0.1 => Ok(()),
        share => Err(format!(
            "{share:.2} of a processor is used by failing accepts"
        )),
    });
    let warnings = gate.dockgate.log().matches("cannot accept").count();
    assert!(warnings <= 10, "{warnings} warnings in some seconds");
    limit(before.unwrap_or(1024));
    let quick = Quick::start(&gate.engine);
    for mut client in waiting {
        assert_eq!(client.response().status(), 200);
    }
    quick.finish(|line| line == "GET /v1.41/info HTTP/1.1");
    gate.still_works();
}

#[test]
fn an_engine_connection_without_a_descriptor_is_a_503() {
    let _shared = shared();
    let gate = Gate::open();
    let pid = gate.dockgate.pid();
    let mut client = gate.sent(get("/v1.41/info"));
    let (mut engine, _) = gate.engine.request();
    engine.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.response().status(), 200);
    assert_eq!(engine.ends(), crate::support::End::Closed);
    let before = getrlimit(Resource::Nofile).maximum;
    for (current, status) in [(Some(3), 503), (before, 200)] {
        let maximum = before;
        prlimit(Some(pid), Resource::Nofile, Rlimit { current, maximum }).expect("a limit");
        client.send(get("/v1.41/info"));
        if status == 200 {
            let (mut engine, _) = gate.engine.request();
            engine.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
        assert_eq!(client.response().status(), status);
    }
    gate.still_works();
}

#[test]
fn nothing_is_kept_of_clients_that_have_left() {
    let _alone = alone();
    let gate = Gate::open();
    gate.still_works();
    let pid = gate.dockgate.pid();
    let before = descriptors(pid);
    let partial = "GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\nX-A: ";
    let denied = "POST /nothing HTTP/1.1\r\nHost: docker\r\nContent-Length: 100\r\n\r\npart";
    for (sent, reset) in [
        ("", true),
        ("", false),
        ("G", true),
        (partial, true),
        (partial, false),
        ("G", false),
        (denied, true),
    ] {
        for _ in 0..50 {
            let client = gate.sent(sent);
            if reset {
                client.reset();
            }
        }
        eventually("all descriptors are free again", || {
            descriptors(pid) == before
        });
    }
    gate.still_works();
}

/// The processor time that it takes dockgate to read so many bytes of each client, one by one and in
/// turn, so that they are read by themselves.
fn cost_of_single_bytes(gate: &Gate, clients: &mut [Wire], count: usize) -> Duration {
    let before = cpu(gate.dockgate.pid());
    for _ in 0..count {
        for client in &mut *clients {
            client.send("x");
        }
        // Long enough for all of them to be read, or they would be read together.
        std::thread::sleep(SECOND / 500);
    }
    at_rest(gate.dockgate.pid()) - before
}

#[test]
fn the_end_of_a_long_head_costs_no_more_than_its_beginning() {
    let _alone = alone();
    let gate = Gate::open();
    one_of(3, || {
        let begun = "GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\nX-A: ";
        let mut clients: Vec<Wire> = (0..50).map(|_| gate.sent(begun)).collect();
        let beginning = cost_of_single_bytes(&gate, &mut clients, 300);
        for client in &mut clients {
            client.send(format!("{}X", "\r\nX:".repeat(14 << 10)));
        }
        at_rest(gate.dockgate.pid());
        let end = cost_of_single_bytes(&gate, &mut clients, 300);
        for client in &mut clients {
            client.send("\r\n\r\n");
            assert_eq!(client.response().status(), 431);
        }
        let figures = format!("15000 bytes: {beginning:?} at heads' beginnings, {end:?} at ends");
        eprintln!("{figures}");
        match end < 3 * beginning {
            true => Ok(()),
            false => Err(figures),
        }
    });
    gate.still_works();
}
