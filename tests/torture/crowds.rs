//! Slow and many: thousands who only hold their connections, beside some who want an answer.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::machine::{affordable, alone, eventually_within, one_of};
use crate::support::Gate;
use crate::traffic::{Background, Quick, Talk, get, latencies, percentile};

const HONEST: usize = 200;
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn slow_clients_by_the_thousand_do_not_slow_honest_ones() {
    let _alone = alone();
    let gate = Gate::open();
    let quick = Quick::start(&gate.engine);
    let address = gate.address;
    one_of(3, || {
        let quiet = latencies(address, HONEST, 2 * SECOND);
        // A third of them holds an engine's connection too.
        let wanted = affordable(5000, 2);
        let connected = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connected);
        let crowd = Background::start(move || async move {
            let mut all = JoinSet::new();
            for n in 0..wanted {
                all.spawn(hold(address, n, Arc::clone(&counted)));
                // They come one by one, or the driver of the test would be what is slow.
                if n % 10 == 9 {
                    sleep(SECOND / 100).await;
                }
            }
            all.join_all().await;
        });
        eventually_within(20 * SECOND, "the crowd is there", || {
            connected.load(Relaxed) >= wanted
        });
        // Long enough that the first heads run out of time and their clients come again.
        let beset = latencies(address, HONEST, 7 * SECOND);
        drop(crowd);
        let [quiet_99, beset_99] = [&quiet, &beset].map(|all| percentile(all, 99));
        let figures = format!(
            "{wanted} slow clients: p99 of {HONEST} honest ones {beset_99:?}, undisturbed \
             {quiet_99:?}; {} and {} answers; {} connections in all",
            beset.len(),
            quiet.len(),
            connected.load(Relaxed),
        );
        match beset_99 < 4 * quiet_99 {
            true => {
                eprintln!("{figures}");
                Ok(())
            }
            false => Err(figures),
        }
    });
    quick.finish(|line| line.starts_with("GET /v1.41/containers/"));
    gate.still_works();
}

/// Holds a connection in one of three ways, and opens another when it was cut.
async fn hold(address: std::net::SocketAddr, n: usize, connected: Arc<AtomicUsize>) {
    loop {
        let Ok(mut talk) = connect(address).await else {
            sleep(SECOND).await;
            continue;
        };
        connected.fetch_add(1, Relaxed);
        let held = match n % 3 {
            0 => trickle(&mut talk).await,
            1 => {
                let begun = "GET /v1.41/containers/slow/json HTTP/1.1\r\nHost: docker\r\nX-A: ";
                match talk.send(begun).await {
                    Ok(()) => talk.more().await.map(drop),
                    Err(e) => Err(e),
                }
            }
            _ => match talk.send(get("/v1.41/containers/slow/logs")).await {
                // Its answer waits for ever.
                Ok(()) => std::future::pending().await,
                Err(e) => Err(e),
            },
        };
        // Cut, one way or another.
        let _ = held;
    }
}

async fn trickle(talk: &mut Talk<TcpStream>) -> std::io::Result<()> {
    for byte in get("/v1.41/containers/slow/json").repeat(2).bytes() {
        talk.send([byte]).await?;
        sleep(SECOND).await;
    }
    Ok(())
}

/// With a receive buffer so small that an unread answer fills it.
async fn connect(address: std::net::SocketAddr) -> std::io::Result<Talk<TcpStream>> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_recv_buffer_size(4096)?;
    socket.set_nonblocking(true)?;
    let stream = TcpSocket::from_std_stream(socket.into())
        .connect(address)
        .await?;
    Ok(Talk::new(stream))
}
