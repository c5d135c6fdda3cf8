//! The soak: all kinds of traffic for as long as wanted, with an engine that restarts now and
//! then. Memory and descriptors stay where they are, and nothing fails that was not made to.

use std::env;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::machine::{alone, cpu, descriptors, eventually_within, memory};
use crate::support::wire::{chunk, latin1};
use crate::support::{BOUND, Gate};
use crate::traffic::{Background, Quick, Talk, get};

const SECOND: Duration = Duration::from_secs(1);
/// How often the engine goes away and comes back.
const RESTART: Duration = Duration::from_secs(15);
/// How much more memory may be in use in the second half than in the first, in KiB, whenever the
/// engine is away and nothing is under way: what an allocator may still find room for.
const GROWTH: usize = 2 << 10;
/// How much more an upload or a tunnel may take while it is under way, in KiB.
const HELD: usize = 4 << 10;
/// How many clients of each kind there are.
const EACH: usize = 6;

/// What all clients share.
#[derive(Default)]
struct Course {
    /// Odd while the engine is away.
    epoch: AtomicUsize,
    stop: AtomicBool,
    done: [AtomicUsize; KINDS.len()],
    /// Failures while the engine went away.
    provoked: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

const KINDS: [&str; 7] = [
    "reads", "uploads", "denials", "streams", "tunnels", "new", "left",
];

impl Course {
    fn goes_on(&self) -> bool {
        !self.stop.load(SeqCst)
    }

    /// Counts how something of this kind ended that began in this epoch.
    fn count(&self, kind: usize, epoch: usize, end: io::Result<()>) {
        match end {
            Ok(()) => self.done[kind].fetch_add(1, SeqCst),
            Err(_) if epoch % 2 == 1 || epoch != self.epoch.load(SeqCst) => {
                self.provoked.fetch_add(1, SeqCst)
            }
            Err(e) => {
                let mut wrong = self.wrong.lock().expect("the list");
                wrong.push(format!("{}: {e}", KINDS[kind]));
                0
            }
        };
    }
}

/// One client of each kind, again and again.
async fn client(course: Arc<Course>, address: SocketAddr, kind: usize) {
    let mut kept = None;
    for n in 0.. {
        if !course.goes_on() {
            return;
        }
        let epoch = course.epoch.load(SeqCst);
        let end = timeout(3 * BOUND, turn(&course, address, kind, n, &mut kept)).await;
        let end = end.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if end.is_err() {
            kept = None;
        }
        course.count(kind, epoch, end);
        sleep(Duration::from_millis(5)).await;
    }
}

/// What one does before it is counted, for the time `n`.
async fn turn(
    course: &Course,
    address: SocketAddr,
    kind: usize,
    n: usize,
    kept: &mut Option<Talk<tokio::net::TcpStream>>,
) -> io::Result<()> {
    let mut talk = match kept.take() {
        Some(talk) => talk,
        None => Talk::to(address).await?,
    };
    let wants = |wanted: bool, got: &dyn std::fmt::Debug| match wanted {
        true => Ok(()),
        false => Err(io::Error::other(format!("got {got:?}"))),
    };
    match KINDS[kind] {
        "reads" | "new" => {
            let path = "/v1.41/containers/soaked/json";
            let (status, body) = talk.ask(get(path)).await?;
            wants(
                status == 200 && body == path.as_bytes(),
                &(status, latin1(&body)),
            )?;
            if KINDS[kind] == "reads" {
                *kept = Some(talk);
            }
        }
        "uploads" => {
            let path = "/v1.41/images/load";
            talk.send(format!(
                "POST {path} HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n"
            ))
            .await?;
            for _ in 0..16 {
                talk.send(chunk([b'x'; 64 << 10])).await?;
            }
            let (status, body) = talk.ask(chunk("")).await?;
            let wanted = format!("{path} {}", 1 << 20);
            wants(
                status == 200 && body == wanted.as_bytes(),
                &(status, latin1(&body)),
            )?;
            *kept = Some(talk).filter(|talk| !talk.closes);
        }
        "denials" => {
            let (status, _) = talk
                .ask("DELETE /v1.41/nothing HTTP/1.1\r\nHost: x\r\n\r\n")
                .await?;
            wants(status == 403, &status)?;
            *kept = Some(talk);
        }
        "streams" => {
            talk.send(get("/v1.41/events")).await?;
            let head = talk.head().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            wants(head.starts_with(b"HTTP/1.1 200"), &latin1(&head))?;
            for _ in 0..20 {
                if course.goes_on() {
                    let event = talk.chunk().await?;
                    wants(!event.is_empty(), &"an end")?;
                }
            }
        }
        "tunnels" => {
            talk.send(
                "POST /v1.41/containers/soaked/attach HTTP/1.1\r\nHost: docker\r\n\
                 Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
            )
            .await?;
            let head = talk.head().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            wants(head.starts_with(b"HTTP/1.1 101"), &latin1(&head))?;
            for n in 0..20 {
                let input = vec![n; 10_000];
                talk.send(&input).await?;
                let output = talk.take(input.len()).await?;
                wants(output == input, &"something else")?;
            }
            talk.half_close().await?;
            wants(!talk.more().await?, &"no end")?;
        }
        "left" => {
            let sent = [
                "GET /v1.41/containers/soaked/json HTTP/1.1\r\nHost:",
                "GET /v1.41/containers/soaked/logs HTTP/1.1\r\nHost: x\r\n\r\n",
                "POST /v1.41/images/load HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\npart",
                "POST /v1.41/containers/soaked/wait HTTP/1.1\r\nHost: x\r\n\r\n",
            ];
            talk.send(sent[n % sent.len()]).await?;
            // Ten seconds behind a FIN have to be few at a time.
            sleep(Duration::from_millis(100)).await;
            if !n.is_multiple_of(3) {
                talk.reset();
            }
        }
        other => unreachable!("no such kind: {other}"),
    }
    Ok(())
}

#[test]
#[ignore = "takes as long as it is told to: run scripts/soak SECONDS"]
fn nothing_grows_leaks_or_fails() {
    let _alone = alone();
    let seconds = env::var("DOCKGATE_SOAK_SECONDS").expect("run scripts/soak SECONDS");
    let time = SECOND
        * seconds
            .parse::<u32>()
            .expect("DOCKGATE_SOAK_SECONDS is a number");
    // A minute, as far as there is one.
    let warm_up = (time / 3).min(60 * SECOND);
    let mut gate = Gate::open();
    let (pid, address) = (gate.dockgate.pid(), gate.address);
    gate.still_works();
    let at_first = descriptors(pid);
    let course = Arc::<Course>::default();
    let mut quick = Some(Quick::start(&gate.engine));
    let load = {
        let course = Arc::clone(&course);
        Background::start(move || async move {
            let mut all = JoinSet::new();
            for n in 0..EACH * KINDS.len() {
                all.spawn(client(Arc::clone(&course), address, n % KINDS.len()));
            }
            all.join_all().await;
        })
    };
    let clean = |line: &str| line.contains(" /v1.41/") && !line.contains("nothing");
    let (start, mut restarts, mut peak, mut at_rest) = (Instant::now(), 0_u32, 0, Vec::new());
    eprintln!("  time    RSS  descriptors  restarts  CPU    provoked  wrong  {KINDS:?}");
    let step = (time / 60).max(SECOND);
    for n in 1.. {
        let next = (step * n).min(time);
        while start.elapsed() < next {
            thread::sleep(SECOND / 10);
            if start.elapsed() > RESTART * (restarts + 1) {
                restarts += 1;
                course.epoch.fetch_add(1, SeqCst);
                gate.engine.stop();
                quick.take().expect("there is one").finish(clean);
                thread::sleep(SECOND / 5);
                if start.elapsed() >= warm_up {
                    at_rest.push(memory(pid));
                }
                gate.engine.restart();
                quick = Some(Quick::start(&gate.engine));
                course.epoch.fetch_add(1, SeqCst);
            }
        }
        let rss = memory(pid);
        eprintln!(
            "{:>4} s {rss:>6} KiB  {:>6}  {restarts:>6} {:>6.1} s {:>6} {:>6}  {:?}",
            start.elapsed().as_secs(),
            descriptors(pid),
            cpu(pid).as_secs_f64(),
            course.provoked.load(SeqCst),
            course.wrong.lock().expect("the list").len(),
            course.done.each_ref().map(|count| count.load(SeqCst)),
        );
        peak = peak.max(rss);
        if start.elapsed() >= time {
            break;
        }
    }
    course.stop.store(true, SeqCst);
    eventually_within(4 * BOUND, "the clients end", || load.is_finished());
    load.join();
    quick.take().expect("there is one").finish(clean);
    eventually_within(2 * BOUND, "all descriptors are free again", || {
        descriptors(pid) <= at_first
    });
    gate.still_works();
    let wrong = course.wrong.lock().expect("the list");
    assert!(
        wrong.is_empty(),
        "{} failed unprovoked: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(20)]
    );
    for (kind, done) in KINDS.iter().zip(&course.done) {
        assert!(done.load(SeqCst) > 0, "no {kind} got through");
    }
    assert!(
        at_rest.len() > 1,
        "{time:?} are too few for a restart or two"
    );
    let (first, second) = at_rest.split_at(at_rest.len() / 2);
    let [first, second] = [first, second].map(median);
    assert!(
        second <= first + GROWTH,
        "memory at rest grew from {first} KiB to {second} KiB: {at_rest:?}"
    );
    assert!(
        peak <= first + 2 * EACH * HELD,
        "{first} KiB at rest, but {peak} KiB at most"
    );
    eprintln!("flat: {first} KiB at rest, later {second} KiB, {peak} KiB at most");
}

fn median(of: &[usize]) -> usize {
    let mut sorted = of.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}
