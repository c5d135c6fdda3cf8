//! The end under load, and a log that nobody reads.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use socket2::Domain;
use tokio::task::JoinSet;

use crate::machine::{alone, eventually, eventually_within, one_of, shared};
use crate::support::dockgate::free_address;
use crate::support::gate::EMPTY;
use crate::support::{BOUND, Dockgate, End, Engine, Gate, OPEN_READS, Wire};
use crate::traffic::{Background, Quick, Talk, get, latencies, percentile};

const LIST: &str = "GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\n\r\n";
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn sigterm_under_load_loses_no_request_that_was_read() {
    const CLIENTS: usize = 60;
    let _alone = alone();
    for signal in [Signal::TERM, Signal::INT] {
        let mut gate = Gate::open_with(&[("SHUTDOWN_GRACE", "10")]);
        let quick = Quick::start(&gate.engine);
        let address = gate.address;
        let answered = Arc::<Mutex<HashSet<String>>>::default();
        let count = Arc::clone(&answered);
        let load = Background::start(move || async move {
            let mut all = JoinSet::new();
            for client in 0..CLIENTS {
                let answered = Arc::clone(&count);
                all.spawn(async move {
                    let mut kept = None;
                    for n in 0.. {
                        let talk = match kept.take() {
                            Some(talk) => Ok(talk),
                            None => Talk::to(address).await,
                        };
                        // Nobody listens any more.
                        let Ok(mut talk) = talk else { return };
                        let path = format!("/v1.41/containers/last-{client}-{n}/top");
                        if let Ok((status, body)) = talk.ask(get(&path)).await {
                            assert_eq!((status, &body), (200, &path.clone().into_bytes()));
                            answered.lock().expect("counted").insert(path);
                            // Half of them come on new connections.
                            kept = Some(talk).filter(|talk| !talk.closes && client % 2 == 0);
                        }
                    }
                });
            }
            all.join_all().await;
        });
        let done = || answered.lock().expect("counted").len();
        eventually("the load goes on", || done() > 3 * CLIENTS);
        gate.dockgate.signal(signal);
        let (status, took) = gate.dockgate.exit_within(2 * BOUND);
        assert_eq!(status.code(), Some(0));
        assert!(took < 5 * SECOND, "no request takes that long: {took:?}");
        load.join();
        let seen = quick.finish(|line| line.contains("/v1.41/containers/last-"));
        let answered = answered.lock().expect("counted");
        let lost: Vec<_> = seen
            .lines
            .keys()
            .filter(|line| !answered.contains(line.split(' ').nth(1).unwrap_or_default()))
            .collect();
        assert!(
            lost.is_empty(),
            "{} of {}: {lost:?}",
            lost.len(),
            seen.lines.len()
        );
        // The next one on the same address serves the next client.
        let listen = format!("tcp://{address}");
        let path = gate
            .engine
            .path()
            .to_str()
            .expect("a plain path")
            .to_owned();
        let own = [("LISTEN", listen.as_str()), ("SOCKET_PATH", path.as_str())];
        gate.dockgate = Dockgate::start(&own);
        gate.dockgate.listens(&listen);
        gate.still_works();
    }
}

#[test]
fn kept_connections_may_bring_a_request_that_was_under_way() {
    let _alone = alone();
    one_of(3, || {
        let mut gate = Gate::with(OPEN_READS);
        let mut kept: Vec<(Wire, Wire)> = (0..4)
            .map(|_| {
                let (mut client, mut engine, _) = gate.asked(LIST);
                engine.send(EMPTY);
                assert_eq!(client.response().status(), 200);
                (client, engine)
            })
            .collect();
        // Two are in mid-head, two idle.
        for (client, _) in &mut kept[..2] {
            client.send(&LIST[..20]);
        }
        gate.dockgate.signal(Signal::TERM);
        gate.dockgate
            .line(|line| line.contains("not accepting new connections"));
        for (n, (client, engine)) in kept.iter_mut().enumerate() {
            let rest = if n < 2 { &LIST[20..] } else { LIST };
            if client.try_send(rest).is_err() || !engine.has_more() {
                return Err(format!("connection {n} was closed already"));
            }
            engine.request();
        }
        // Longer than the 250 ms: what was read has the grace.
        thread::sleep(SECOND / 2);
        for (client, engine) in &mut kept {
            engine.send(EMPTY);
            assert_eq!(client.response().status(), 200);
            assert_eq!(client.ends(), End::Closed);
        }
        assert_eq!(gate.dockgate.exit_within(BOUND).0.code(), Some(0));
        Ok(())
    });
}

#[test]
fn the_grace_ends_whatever_goes_on() {
    let _alone = alone();
    let mut gate = Gate::open_with(&[("SHUTDOWN_GRACE", "2")]);
    let quick = Quick::start(&gate.engine);
    let mut streams: Vec<Wire> = (0..100).map(|_| gate.sent(get("/v1.41/events"))).collect();
    let waiting: Vec<Wire> = (0..100)
        .map(|_| gate.sent(get("/v1.41/containers/c/wait")))
        .collect();
    for stream in &mut streams {
        assert_eq!(stream.head().status(), 200);
    }
    eventually("all have reached the engine", || quick.seen().open == 200);
    gate.dockgate.signal(Signal::TERM);
    let (status, took) = gate.dockgate.exit_within(BOUND);
    assert_eq!(status.code(), Some(0));
    assert!(took > SECOND * 3 / 2 && took < 6 * SECOND, "took {took:?}");
    for mut stream in streams {
        assert!(!stream.rest().0.ends_with(b"0\r\n\r\n"), "a false end");
    }
    drop(waiting);
    quick.finish(|line| line.starts_with("GET /v1.41/"));
}

/// Reads what dockgate writes, when it is told to.
struct Reader {
    may_read: Arc<Mutex<()>>,
    /// Requests that have their line.
    lines: Arc<AtomicUsize>,
    /// Lines that dockgate says it has dropped.
    dropped: Arc<AtomicUsize>,
}

impl Reader {
    fn of(stdout: std::process::ChildStdout) -> Reader {
        let reader = Reader {
            may_read: Arc::default(),
            lines: Arc::default(),
            dropped: Arc::default(),
        };
        let (may_read, lines, dropped) = (
            Arc::clone(&reader.may_read),
            Arc::clone(&reader.lines),
            Arc::clone(&reader.dropped),
        );
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                drop(may_read.lock());
                match line.split_once(" log lines dropped") {
                    Some((before, _)) => {
                        let count = before.rsplit(' ').next().and_then(|n| n.parse().ok());
                        dropped.fetch_add(count.expect("a count"), Relaxed);
                    }
                    None if line.contains(" 200 ") || line.contains(" 403 ") => {
                        lines.fetch_add(1, Relaxed);
                    }
                    None => {}
                }
            }
        });
        reader
    }
}

#[test]
fn a_stalled_log_delays_nobody_and_every_lost_line_is_counted() {
    let _alone = alone();
    let engine = Engine::start();
    let address = free_address();
    let listen = format!("tcp://{address}");
    let path = engine.path().to_str().expect("a plain path").to_owned();
    let own = [("LISTEN", listen.as_str()), ("SOCKET_PATH", path.as_str())];
    let (dockgate, stdout) = Dockgate::unread(&mut Dockgate::command(&[OPEN_READS, &own].concat()));
    eventually("it listens", || {
        Wire::connect(Domain::IPV4, &address.into()).is_ok()
    });
    let gate = Gate {
        engine,
        dockgate,
        address,
    };
    let reader = Reader::of(stdout);
    let quick = Quick::start(&gate.engine);
    let mut asked = 0;
    // Each line is as long as its target: more than all buffers on the way hold.
    let fill = |asked: &mut usize| {
        let denied = get(&format!("/{}", "x".repeat(2000))).repeat(10);
        let mut client = gate.client();
        for _ in 0..300 {
            client.send(&denied);
            for _ in 0..10 {
                assert_eq!(client.response().status(), 403);
            }
        }
        *asked += 3000;
    };
    one_of(5, || {
        let read = latencies(address, 100, SECOND);
        let stalled = reader.may_read.lock().expect("nobody failed");
        fill(&mut asked);
        let unread = latencies(address, 100, SECOND);
        drop(stalled);
        asked += read.len() + unread.len();
        let [read, unread] = [&read, &unread].map(|all| percentile(all, 99));
        let figures = format!("p99 {unread:?} while nobody reads the log, else {read:?}");
        eprintln!("{figures}");
        match unread < 4 * read {
            true => Ok(()),
            false => Err(figures),
        }
    });
    // A reader that stalls again in the middle of a batch, when the buffer behind it is full too.
    for _ in 0..4 {
        let before = reader.lines.load(Relaxed);
        let stalled = reader.may_read.lock().expect("nobody failed");
        fill(&mut asked);
        drop(stalled);
        eventually("it reads on", || reader.lines.load(Relaxed) > before + 700);
    }
    let (start, counted) = (Instant::now(), || {
        (reader.lines.load(Relaxed), reader.dropped.load(Relaxed))
    });
    eventually_within(2 * BOUND, "each line is there or counted", || {
        let (lines, dropped) = counted();
        if start.elapsed() > BOUND {
            eprintln!("{lines} lines and {dropped} dropped of {asked}");
        }
        lines + dropped == asked
    });
    let (lines, dropped) = counted();
    eprintln!("{asked} requests: {lines} lines, {dropped} dropped and counted");
    assert!(dropped > 0, "nothing was dropped, so nothing was tested");
    quick.finish(|line| line.starts_with("GET /v1.41/containers/honest"));
    gate.still_works();
}

#[test]
fn a_stalled_log_does_not_keep_it_from_ending() {
    let _shared = shared();
    let engine = Engine::start();
    let address = free_address();
    let listen = format!("tcp://{address}");
    let path = engine.path().to_str().expect("a plain path").to_owned();
    let own = [("LISTEN", listen.as_str()), ("SOCKET_PATH", path.as_str())];
    let (mut dockgate, stdout) = Dockgate::unread(&mut Dockgate::command(&own));
    eventually("it listens", || {
        Wire::connect(Domain::IPV4, &address.into()).is_ok()
    });
    let mut client = Wire::tcp(address);
    let denied = get(&format!("/{}", "x".repeat(2000)));
    for _ in 0..2000 {
        client.send(&denied);
        assert_eq!(client.response().status(), 403);
    }
    dockgate.signal(Signal::TERM);
    assert_eq!(client.ends(), End::Closed);
    let start = Instant::now();
    let status = dockgate.wait();
    assert_eq!(status.code(), Some(0));
    assert!(start.elapsed() < 5 * SECOND, "took {:?}", start.elapsed());
    drop(stdout);
}
