//! Engines that die, hang, lie and come back: what a request was denied by that is seen, and
//! nothing of it reaches the next one.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::machine::{alone, eventually, shared};
use crate::support::gate::EMPTY;
use crate::support::wire::{chunk, latin1};
use crate::support::{BOUND, End, Engine, Gate, Wire};
use crate::traffic::{Background, Quick, Talk, get};

const LIST: &str = "GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\n\r\n";
const SECOND: Duration = Duration::from_secs(1);

/// How the requests under load ended.
#[derive(Debug, Default)]
struct Ends {
    /// With the whole answer.
    answered: usize,
    /// With an error of dockgate's, or a connection that broke.
    failed: usize,
    /// Failed although the engine was there from beginning to end.
    wronged: Vec<String>,
}

#[test]
fn an_engine_that_dies_twenty_times_fails_only_what_is_in_flight() {
    const CLIENTS: usize = 24;
    let _alone = alone();
    let mut gate = Gate::open();
    let address = gate.address;
    // Odd while the engine is away: a request that saw the same even number at both its ends had
    // an engine all the time.
    let epoch = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let ends = Arc::<Mutex<Ends>>::default();
    let mut quick = Quick::start(&gate.engine);
    let load = {
        let (epoch, stop, ends) = (Arc::clone(&epoch), Arc::clone(&stop), Arc::clone(&ends));
        Background::start(move || async move {
            let mut all = JoinSet::new();
            for client in 0..CLIENTS {
                all.spawn(ask_on(
                    address,
                    client,
                    Arc::clone(&epoch),
                    Arc::clone(&stop),
                    Arc::clone(&ends),
                ));
            }
            all.join_all().await;
        })
    };
    let mut sent = HashMap::<String, usize>::new();
    for round in 0..20 {
        let answered = || ends.lock().expect("counted").answered;
        let before = answered();
        eventually("the load goes on", || answered() > before + 5 * CLIENTS);
        epoch.fetch_add(1, SeqCst);
        gate.engine.stop();
        for (line, times) in quick.finish(is_load).lines {
            *sent.entry(line).or_default() += times;
        }
        if round % 2 == 0 {
            // Not even its file is there for a while.
            std::fs::remove_file(gate.engine.path()).expect("removed");
            let failed = || ends.lock().expect("counted").failed;
            let before = failed();
            eventually("requests fail", || failed() > before + CLIENTS);
        }
        gate.engine.restart();
        quick = Quick::start(&gate.engine);
        epoch.fetch_add(1, SeqCst);
    }
    let answered = || ends.lock().expect("counted").answered;
    let before = answered();
    eventually("the load goes on", || answered() > before + 5 * CLIENTS);
    stop.store(true, SeqCst);
    // Its clients stop by themselves, each between two requests.
    load.join();
    for (line, times) in quick.finish(is_load).lines {
        *sent.entry(line).or_default() += times;
    }
    let twice: Vec<_> = sent.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "sent twice: {twice:?}");
    let ends = ends.lock().expect("counted");
    eprintln!(
        "20 restarts: {} answered, {} failed",
        ends.answered, ends.failed
    );
    assert!(ends.wronged.is_empty(), "{:#?}", ends.wronged);
    gate.still_works();
}

fn is_load(line: &str) -> bool {
    line.contains(" /v1.41/containers/load-")
}

/// Asks again and again, every third time with a body, and looks at how each request ends.
async fn ask_on(
    address: SocketAddr,
    client: usize,
    epoch: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    ends: Arc<Mutex<Ends>>,
) {
    let mut kept = None;
    for n in 0.. {
        if stop.load(SeqCst) {
            return;
        }
        let mut talk = match kept.take() {
            Some(talk) => talk,
            None => Talk::to(address).await.expect("dockgate listens"),
        };
        let path = format!("/v1.41/containers/load-{client}-{n}/update");
        let (request, wanted) = match n % 3 {
            0 => {
                let head = format!("POST {path} HTTP/1.1\r\nHost: docker\r\n");
                (
                    format!("{head}Content-Length: 2\r\n\r\n{{}}"),
                    format!("{path} 2"),
                )
            }
            _ => (get(&path), path),
        };
        let before = epoch.load(SeqCst);
        let end = talk.ask(&request).await;
        let after = epoch.load(SeqCst);
        let there = before == after && before.is_multiple_of(2);
        if ends.lock().expect("counted").count(end, &wanted, there) {
            kept = Some(talk).filter(|talk| !talk.closes);
        } else {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Ends {
    /// Counts how a request ended, during which the engine was there all the time, or was not;
    /// whether the connection can go on.
    fn count(&mut self, end: io::Result<(u16, Vec<u8>)>, wanted: &str, there: bool) -> bool {
        match end {
            Ok((200, body)) if body == wanted.as_bytes() => self.answered += 1,
            Ok((502 | 503, body)) if !there && latin1(&body).contains("dockgate: ") => {
                self.failed += 1;
            }
            Err(_) if !there => {
                self.failed += 1;
                return false;
            }
            other => {
                self.wronged.push(format!("{wanted} got {other:?}"));
                return false;
            }
        }
        true
    }
}

#[test]
fn a_replaced_socket_is_found_by_new_connections() {
    let _shared = shared();
    let mut gate = Gate::open();
    let (mut kept, mut old, _) = gate.asked(LIST);
    old.send(EMPTY);
    assert_eq!(kept.response().status(), 200);
    // The old engine lives on behind its connections, as it does while it shuts down.
    gate.engine.restart();
    let (_, response) = gate.exchange(LIST, EMPTY);
    assert_eq!(response.status(), 200);
    kept.send(LIST);
    assert_eq!(
        old.request().head.line,
        "GET /v1.41/containers/json HTTP/1.1"
    );
    old.send(EMPTY);
    assert_eq!(kept.response().status(), 200);
    drop(old);
    kept.send(LIST);
    let (mut new, _) = gate.engine.request();
    new.send(EMPTY);
    assert_eq!(kept.response().status(), 200);
    gate.still_works();
}

#[test]
fn a_hung_engine_costs_each_client_its_own_ten_seconds_and_no_more() {
    let _shared = shared();
    thread::scope(|scope| {
        scope.spawn(hangs_before_accept);
        scope.spawn(hangs_later);
        // Those whose clients go have their time meanwhile too.
        scope.spawn(crate::clients::silence_behind_a_fin_ends_what_is_under_way);
        scope.spawn(crate::clients::a_fin_in_a_tunnel_is_no_more_than_that);
    });
}

fn hangs_before_accept() {
    let mut gate = Gate::open();
    let waiting = gate.engine.hang();
    let start = Instant::now();
    let mut clients: Vec<Wire> = (0..50).map(|_| gate.sent(LIST)).collect();
    for client in &mut clients {
        client.patience(2 * BOUND);
        assert_eq!(client.response().status(), 504);
    }
    let took = start.elapsed();
    assert!(
        took > 9 * SECOND && took < 16 * SECOND,
        "all had their 504 in {took:?}"
    );
    drop(waiting);
    gate.engine.restart();
    // Their connections are as good as before.
    for client in &mut clients {
        client.send(LIST);
        let (mut engine, _) = gate.engine.request();
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
    }
    drop(clients);
    gate.still_works();
}

/// After the accept, in mid-head, in mid-body: an engine is waited for as long as the client stays.
fn hangs_later() {
    let gate = Gate::open();
    let stages = [
        [
            "",
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
        ],
        [
            "HTTP/1.1 200 OK\r\nContent-Le",
            "ngth: 10\r\n\r\n0123456789",
        ],
        [
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234",
            "56789",
        ],
        [
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123",
            "456789\r\n0\r\n\r\n",
        ],
    ];
    let mut hung: Vec<_> = stages.iter().map(|_| gate.asked(LIST)).collect();
    let mut left: Vec<_> = stages.iter().map(|_| gate.asked(LIST)).collect();
    for (stage, ((_, one, _), (_, other, _))) in stages.iter().zip(hung.iter_mut().zip(&mut left)) {
        one.send(stage[0]);
        other.send(stage[0]);
    }
    thread::sleep(12 * SECOND);
    for (client, mut engine, _) in left {
        client.reset();
        let start = Instant::now();
        engine.rest();
        assert!(
            start.elapsed() < 3 * SECOND,
            "released after {:?}",
            start.elapsed()
        );
    }
    for (stage, (client, engine, _)) in stages.iter().zip(&mut hung) {
        engine.send(stage[1]);
        let response = client.response();
        assert_eq!(
            (response.status(), response.text().as_str()),
            (200, "0123456789")
        );
    }
    drop(hung);
    gate.still_works();
}

#[test]
fn lies_and_broken_answers_are_seen_and_reach_nobody_else() {
    let _shared = shared();
    let gate = Gate::open();
    for garbage in [
        "garbage\r\n\r\n",
        "\0\0\0\0\0\0\0\0\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nxy",
        "HTTP/1.1 200 OK\r\nContent Length: 1\r\n\r\nx",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nx",
        // Truncated.
        "",
        "HTTP",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
        // Announcements only.
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let name = &garbage[..garbage.len().min(70)];
        let (mut client, mut engine, _) = gate.asked(LIST);
        engine.send(garbage);
        engine.half_close();
        let response = client.response();
        assert_eq!(response.status(), 502, "{name:?}");
        assert_eq!(response.head.one("content-type"), Some("application/json"));
        // The engine's connection is of no use any more, the client's is.
        engine.rest();
        client.send(LIST);
        let (mut engine, _) = gate.engine.request();
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200, "behind {name:?}");
    }
    gate.still_works();
}

#[test]
fn an_answer_s_head_without_end_is_cut() {
    let _shared = shared();
    let gate = Gate::open();
    for endless in ["X-A: ", "X-A: 1\r\n"] {
        let (mut client, mut engine, _) = gate.asked(LIST);
        engine.send("HTTP/1.1 200 OK\r\nX-A: ");
        engine.send_until_refused(endless.repeat(1000));
        assert_eq!(client.response().status(), 502);
    }
    gate.still_works();
}

#[test]
fn an_answer_that_ends_early_never_looks_whole() {
    let _shared = shared();
    let gate = Gate::open();
    for (head, part) in [
        ("Content-Length: 10\r\n\r\n", "01234"),
        ("Content-Length: 10\r\n\r\n", ""),
        ("Transfer-Encoding: chunked\r\n\r\n", "a\r\n01234"),
        ("Transfer-Encoding: chunked\r\n\r\n", "5\r\n01234\r\n"),
        ("Transfer-Encoding: chunked\r\n\r\n", "5\r\n01234\r\n0\r\n"),
        ("Transfer-Encoding: chunked\r\n\r\n", "5\r\n01234\r\nzz\r\n"),
        (
            "Transfer-Encoding: chunked\r\n\r\n",
            "5\r\n0123456789\r\n0\r\n\r\n",
        ),
        (
            "Transfer-Encoding: chunked\r\n\r\n",
            "ffffffffffffffffff\r\n01234",
        ),
    ] {
        let (mut client, mut engine, _) = gate.asked(LIST);
        engine.send(format!("HTTP/1.1 200 OK\r\n{head}{part}"));
        engine.half_close();
        if !client.has_more() {
            continue;
        }
        let head = client.head();
        assert_eq!(head.status(), 200);
        let (rest, _) = client.rest();
        let whole = match head.is_chunked() {
            true => rest.ends_with(b"0\r\n\r\n"),
            false => rest.len() == head.length(),
        };
        assert!(
            !whole,
            "{part:?} looks like a whole answer: {:?}",
            latin1(&rest)
        );
    }
    gate.still_works();
}

#[test]
fn more_than_one_answer_is_not_for_the_next_request() {
    let _shared = shared();
    let gate = Gate::open();
    let ok = |text: &str| {
        let length = text.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}")
    };
    let chunked = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice(),
        &chunk("one"),
        &chunk(""),
    ]
    .concat();
    for (first, stray) in [
        (ok("one").into_bytes(), ok("two")),
        (ok("one").into_bytes(), "three bytes too many".into()),
        (ok("one").into_bytes(), "\r\n".into()),
        (chunked.clone(), ok("two")),
        (chunked, "0\r\n\r\n".into()),
        (
            ok("one").into_bytes(),
            "HTTP/1.1 100 Continue\r\n\r\n".into(),
        ),
    ] {
        for late in [false, true] {
            let (mut client, mut engine, _) = gate.asked(LIST);
            match late {
                false => engine.send([&first, stray.as_bytes()].concat()),
                true => engine.send(&first),
            }
            assert_eq!(client.response().text(), "one");
            if late && engine.try_send(&stray).is_err() {
                continue;
            }
            client.send(LIST);
            // On a new connection, or on the old one if the stray bytes are of no meaning.
            let (mut new, _) = gate.engine.request();
            new.send(ok("clean"));
            assert_eq!(client.response().text(), "clean", "behind {stray:?}");
            engine.rest();
        }
    }
    gate.still_works();
}

#[test]
fn an_answer_before_the_request_is_nobody_s() {
    let _shared = shared();
    let gate = Gate::open();
    // On a connection that is kept it is seen before the request goes out; on a new one the
    // request may be on its way already.
    for _ in 0..20 {
        let mut client = gate.sent(LIST);
        let mut engine = gate.engine.accept();
        engine.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst");
        engine.request();
        engine.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond");
        assert_eq!(client.response().text(), "first");
        client.send(LIST);
        let (mut new, _) = gate.engine.request();
        new.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nclean");
        assert_eq!(client.response().text(), "clean");
        engine.rest();
    }
    gate.still_works();
}

#[test]
fn sixty_of_sixty_early_answers_arrive_whole() {
    const LARGE: usize = 30 << 20;
    let _alone = alone();
    let gate = Gate::open();
    let answer = "no space left on device ".repeat(400);
    let block = vec![b'x'; 30_000];
    let piece = chunk(&block);
    for round in 0..60 {
        let (framing, block) = match round % 2 {
            0 => (format!("Content-Length: {LARGE}\r\n\r\n"), &block),
            _ => ("Transfer-Encoding: chunked\r\n\r\n".to_owned(), &piece),
        };
        let head = "POST /v1.41/images/load HTTP/1.1\r\nHost: docker\r\n";
        let mut client = gate.sent([head, &framing].concat());
        let mut sending = client.twin();
        thread::scope(|scope| {
            // Fails when dockgate closes, and may.
            scope.spawn(move || {
                (0..LARGE / 30_000).all(|_| sending.try_send(block).is_ok());
            });
            let mut engine = gate.engine.accept();
            engine.head();
            engine.take(round * 20_000 + 1);
            let length = answer.len();
            engine.send(format!(
                "HTTP/1.1 500 Oh\r\nContent-Length: {length}\r\n\r\n{answer}"
            ));
            drop(engine);
            let response = client.response();
            assert_eq!(
                (response.status(), response.text() == answer),
                (500, true),
                "{round}"
            );
            drop(client);
        });
    }
    gate.still_works();
}

#[test]
fn a_kept_connection_that_closes_just_as_a_request_comes_harms_nothing() {
    let _shared = shared();
    let gate = Gate::open();
    let (mut again, mut lost) = (0, 0);
    for round in 0..300_u64 {
        let (mut client, mut engine, _) = gate.asked(LIST);
        engine.send(EMPTY);
        assert_eq!(client.response().status(), 200);
        let path = format!("/v1.41/containers/race{round}/start");
        let request = match round % 3 {
            0 => get(&path),
            1 => format!("POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n"),
            _ => format!("POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Length: 2\r\n\r\n{{}}"),
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                // The two come closer and farther, either way.
                thread::sleep(Duration::from_micros(round * 7 % 200));
                drop(engine);
            });
            thread::sleep(Duration::from_micros(round * 13 % 200));
            client.send(&request);
        });
        // Sent again if the engine can't have seen it, and else visibly lost.
        loop {
            if let Some(mut engine) = gate.engine.accept_any(SECOND / 50) {
                assert!(engine.request().head.line.contains(&path));
                engine.send(EMPTY);
                again += 1;
                break;
            }
            if !client.is_unanswered() {
                lost += 1;
                break;
            }
        }
        let status = client.response().status();
        assert!(matches!(status, 200 | 502), "{status}");
        drop(client);
        while gate.engine.accept_any(Duration::from_millis(1)).is_some() {}
    }
    eprintln!("closed as a request came: {again} sent again, {lost} lost visibly");
    assert!(again > 0);
    gate.still_works();
}

#[test]
fn dockgate_outlives_an_engine_that_cuts_everything_at_once() {
    let _shared = shared();
    let mut gate = Gate::before(Engine::start(), crate::support::OPEN);
    let attach = "POST /v1.41/containers/c/attach HTTP/1.1\r\nHost: docker\r\n\
                  Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    let load = "POST /v1.41/images/load HTTP/1.1\r\nHost: docker\r\nContent-Length: 9\r\n\r\npart";
    let (mut stream, mut events, _) = gate.asked(get("/v1.41/events"));
    events.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(stream.head().status(), 200);
    let (mut tunnel, mut attached, _) = gate.asked(attach);
    attached.send("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    assert_eq!(tunnel.head().status(), 101);
    let mut upload = gate.sent(load);
    let mut loading = gate.engine.accept();
    loading.head();
    let (mut waiting, asked, _) = gate.asked(LIST);
    gate.engine.stop();
    drop((events, attached, loading, asked));
    assert!(!stream.rest().0.ends_with(b"0\r\n\r\n"), "a false end");
    assert!(matches!(tunnel.rest(), (rest, End::Closed | End::Reset) if rest.is_empty()));
    assert_eq!(waiting.response().status(), 502);
    assert_eq!(upload.response().status(), 502);
    gate.engine.restart();
    gate.still_works();
}
