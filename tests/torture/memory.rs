//! Memory has bounds, whatever clients and the engine do: so much for each connection, and nothing
//! for the size of what passes.
//!
//! The bounds hold for the build with debug assertions that the tests run; an optimised one needs
//! less.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

use crate::machine::{affordable, alone, at_rest, memory, peak_memory};
use crate::support::gate::EMPTY;
use crate::support::wire::chunk;
use crate::support::{BOUND, Gate, Wire};
use crate::traffic::{Quick, Talk, get, run};

/// What a client costs that has sent a part of a head, in KiB, however often such clients come.
const HALF_OPEN: usize = 32;
/// What a client costs that waits for its answer, with its connection to the engine.
const WAITING: usize = 48;
/// The most that one can cost with a head without end: 64 KiB of it, in a buffer that doubles.
const WORST: usize = 160;
/// What a body costs that nobody takes, in KiB, whatever its size.
const STALLED: usize = 4 << 10;

/// What bodies that are judged may take together, in KiB.
const BODIES: usize = 64 << 10;

const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

/// Lets clients come that send this, some times over, and gives the last of them back when they
/// cost no more than `each`.
#[track_caller]
fn cost(gate: &Gate, count: usize, waves: usize, each: usize, sent: &[u8]) -> Vec<Wire> {
    let pid = gate.dockgate.pid();
    let before = memory(pid);
    let mut clients = Vec::new();
    for wave in 1..=waves {
        clients.clear();
        at_rest(pid);
        clients.extend((0..count).map(|_| gate.sent(sent)));
        at_rest(pid);
        let grown = memory(pid).saturating_sub(before);
        eprintln!(
            "wave {wave}: {count} clients cost {grown} KiB, {} each",
            grown / count
        );
        assert!(grown < count * each, "{count} clients cost {grown} KiB");
    }
    clients
}

#[test]
fn ten_thousand_half_open_requests_cost_32_kib_each_at_most() {
    let _alone = alone();
    let gate = Gate::open();
    let count = affordable(10_000, 2);
    let begun = b"GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\nX-A: ";
    cost(&gate, count, 2, HALF_OPEN, begun);
    gate.still_works();
}

#[test]
fn requests_that_wait_cost_48_kib_each_at_most() {
    let _alone = alone();
    let gate = Gate::open();
    let quick = Quick::start(&gate.engine);
    let wait = "POST /v1.41/containers/c/wait HTTP/1.1\r\nHost: docker\r\n\r\n";
    let count = affordable(2000, 2);
    let clients = cost(&gate, count, 1, WAITING, wait.as_bytes());
    assert_eq!(quick.seen().open, count);
    drop(clients);
    quick.finish(|line| line.starts_with("POST /v1.41/containers/c/wait "));
    gate.still_works();
}

/// All of them send almost 4 MiB slowly, and each is another client, so that none is refused for its
/// own part alone.
#[test]
#[ignore = "measures a release build: run scripts/test"]
fn bodies_that_are_judged_share_their_memory() {
    let _alone = alone();
    let gate = Gate::open_with(&[("DENY_ROOT", "1")]);
    let pid = gate.dockgate.pid();
    let before = memory(pid);
    let count = affordable(1000, 2);
    let head =
        "POST /containers/create HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut clients: Vec<Wire> = (0..count)
        .map(|index| {
            let [.., high, low] = (index + 1).to_be_bytes();
            let mut client = Wire::tcp_from(Ipv4Addr::new(127, 99, high, low), gate.address);
            client.send(head);
            client
        })
        .collect();
    let part = chunk(vec![b' '; 4 << 10]);
    for round in 0..1023 {
        // Who is refused may be cut off.
        clients.retain_mut(|client| client.try_send(&part).is_ok());
        // After 16 parts, they have sent all that there is room for.
        if round < 24 || round % 16 == 0 && round < 192 || round % 128 == 0 {
            at_rest(pid);
        }
    }
    at_rest(pid);
    let grown = peak_memory(pid).saturating_sub(before);
    let left = clients.len();
    clients.retain(Wire::is_unanswered);
    let sending = clients.len();
    eprintln!("{count} clients cost {grown} KiB, {left} are not cut off, {sending} not refused");
    assert!(
        (BODIES / 2..BODIES + (64 << 10)).contains(&grown),
        "{count} clients cost {grown} KiB"
    );
    // So many bodies have room, and no more.
    assert!((1..=BODIES / (3 << 10)).contains(&sending), "{sending}");
    drop(clients);
    at_rest(pid);
    gate.still_works();
}

#[test]
fn floods_of_headers_cost_160_kib_each_at_most_and_end_as_a_431() {
    let _alone = alone();
    let gate = Gate::open();
    let line = format!("X-A: {}\r\n", "a".repeat(994)).into_bytes();
    let head = b"GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\n";
    let almost = [head.as_slice(), &line.repeat(62)].concat();
    let mut clients = cost(&gate, 200, 2, WORST, &almost);
    for client in &mut clients {
        // Where the machine was too slow for it, the head's ten seconds are over.
        let _ = client.try_send(line.repeat(3));
        assert!(matches!(client.response().status(), 431 | 408));
    }
    drop(clients);
    at_rest(gate.dockgate.pid());
    // One that goes on and on is not listened to for long.
    let before = peak_memory(gate.dockgate.pid());
    let mut client = gate.sent(head);
    let flood = line.repeat(1000);
    let refused = (0..200).find_map(|_| client.try_send(&flood).err());
    assert!(refused.is_some(), "200 MB of headers were taken");
    let grown = peak_memory(gate.dockgate.pid()) - before;
    assert!(grown < STALLED, "200 MB of headers cost {grown} KiB");
    gate.still_works();
}

/// How a message of 1 GiB is framed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Framing {
    Sized,
    Chunked,
    Tunnel,
}

impl Framing {
    fn header(self) -> String {
        match self {
            Framing::Sized => format!("Content-Length: {GIB}\r\n\r\n"),
            Framing::Chunked => "Transfer-Encoding: chunked\r\n\r\n".into(),
            Framing::Tunnel => "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n".into(),
        }
    }
}

/// Sends 1 GiB and counts it.
async fn send_all<S>(mut talk: Talk<S>, framing: Framing, sent: Arc<AtomicUsize>) -> Talk<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let block = vec![b'x'; MIB];
    let block = match framing {
        Framing::Chunked => chunk(&block),
        Framing::Sized | Framing::Tunnel => block,
    };
    for _ in 0..GIB / MIB {
        talk.send(&block).await.expect("taken");
        sent.fetch_add(MIB, Relaxed);
    }
    if framing == Framing::Chunked {
        talk.send(chunk("")).await.expect("taken");
    }
    talk
}

/// Reads a little, stops until the sender has to stop too, and then reads all the rest.
async fn receive_all<S>(gate: &Gate, talk: &mut Talk<S>, framing: Framing, sent: &AtomicUsize)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let pid = gate.dockgate.pid();
    let before = peak_memory(pid);
    let mut received = receive(talk, framing, 16 * MIB).await.expect("16 MiB");
    let stopped = async {
        let mut last = 0;
        while std::mem::replace(&mut last, sent.load(Relaxed)) != last {
            sleep(Duration::from_millis(300)).await;
        }
        last
    };
    let last = timeout(BOUND, stopped)
        .await
        .expect("the sender has to wait");
    let ahead = last - received;
    assert!(ahead < 64 * MIB, "{ahead} bytes are under way");
    received += receive(talk, framing, GIB - received)
        .await
        .expect("the rest");
    assert_eq!(received, GIB);
    let grown = peak_memory(pid) - before;
    eprintln!("1 GiB {framing:?}: {ahead} bytes under way, {grown} KiB in dockgate");
    assert!(grown < STALLED, "1 GiB costs {grown} KiB");
}

/// Reads at least so many bytes, or up to the end of chunks.
async fn receive<S>(talk: &mut Talk<S>, framing: Framing, count: usize) -> io::Result<usize>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut received = 0;
    while received < count {
        received += match framing {
            Framing::Chunked => match timeout(BOUND, talk.chunk()).await??.len() {
                0 => break,
                length => length,
            },
            Framing::Sized | Framing::Tunnel => {
                let data = talk.take_all().len();
                if data == 0 && !timeout(BOUND, talk.more()).await?? {
                    break;
                }
                data
            }
        };
    }
    if framing == Framing::Chunked && received == GIB {
        assert_eq!(talk.chunk().await?, b"", "an end");
    }
    Ok(received)
}

/// A connection of each side, with the request's head passed on.
async fn asked(gate: &Gate, request: &str) -> (Talk<TcpStream>, Talk<UnixStream>) {
    let listener = gate.engine.listener();
    let mut client = Talk::to(gate.address).await.expect("accepted");
    client.send(request).await.expect("sent");
    // Blocks this thread until dockgate has connected.
    let (engine, _) = listener.accept().expect("a connection");
    engine.set_nonblocking(true).expect("non-blocking");
    let mut engine = Talk::new(UnixStream::from_std(engine).expect("a socket"));
    engine.head().await.expect("a head").expect("a request");
    (client, engine)
}

/// Moves 1 GiB from one side to the other, whose reader stops for a while; gives both back.
async fn stall<A, B>(gate: &Gate, from: Talk<A>, to: &mut Talk<B>, framing: Framing) -> Talk<A>
where
    A: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let sent = Arc::<AtomicUsize>::default();
    let sender = tokio::spawn(send_all(from, framing, Arc::clone(&sent)));
    receive_all(gate, to, framing, &sent).await;
    sender.await.expect("all was taken")
}

#[test]
fn a_gibibyte_waits_for_an_engine_that_has_stopped_reading() {
    let _alone = alone();
    let gate = Gate::open();
    gate.still_works();
    for framing in [Framing::Sized, Framing::Chunked] {
        let head = "POST /v1.41/images/load HTTP/1.1\r\nHost: docker\r\n".to_owned();
        run(async {
            let (client, mut engine) = asked(&gate, &(head + &framing.header())).await;
            let mut client = stall(&gate, client, &mut engine, framing).await;
            engine.send(EMPTY).await.expect("taken");
            let (status, _) = client.answer().await.expect("an answer");
            assert_eq!(status, 200);
        });
    }
    gate.still_works();
}

#[test]
fn a_gibibyte_waits_for_a_client_that_has_stopped_reading() {
    let _alone = alone();
    let gate = Gate::open();
    gate.still_works();
    for framing in [Framing::Sized, Framing::Chunked] {
        run(async {
            let (mut client, mut engine) = asked(&gate, &get("/v1.41/images/x/get")).await;
            let head = format!("HTTP/1.1 200 OK\r\n{}", framing.header());
            engine.send(head).await.expect("taken");
            client.head().await.expect("a head").expect("an answer");
            stall(&gate, engine, &mut client, framing).await;
        });
    }
    gate.still_works();
}

#[test]
fn a_gibibyte_waits_in_a_tunnel_either_way() {
    let _alone = alone();
    let gate = Gate::open();
    gate.still_works();
    run(async {
        let framing = Framing::Tunnel;
        let head = "POST /v1.41/containers/c/attach HTTP/1.1\r\nHost: docker\r\n".to_owned();
        let (mut client, mut engine) = asked(&gate, &(head + &framing.header())).await;
        let switched = format!("HTTP/1.1 101 UPGRADED\r\n{}", framing.header());
        engine.send(switched).await.expect("taken");
        client.head().await.expect("a head").expect("an answer");
        let mut client = stall(&gate, client, &mut engine, framing).await;
        stall(&gate, engine, &mut client, framing).await;
    });
    gate.still_works();
}
