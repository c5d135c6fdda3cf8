//! Clients that send denied requests one behind the other and wait for no answer: what they cost
//! one that waits for each of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::machine::{alone, eventually, one_of};
use crate::support::dockgate::free_address;
use crate::support::{Dockgate, Engine, Gate};
use crate::traffic::{Background, Quick, Talk, get, percentile, run};

const FLOODERS: usize = 4;
const SAMPLES: usize = 500;
const SECOND: Duration = Duration::from_secs(1);
/// So many denied requests may be answered for one of the quiet client: a turn of each flooder for
/// each of its steps. They are some ten; without turns some hundred.
const MOST: usize = 30;

#[test]
fn clients_that_pipeline_denied_requests_do_not_slow_a_quiet_one() {
    let _alone = alone();
    let gate = silent_gate();
    let quick = Quick::start(&gate.engine);
    let address = gate.address;
    for (what, target) in [
        ("8 KB", format!("/secrets/{}", "x".repeat(8 << 10))),
        ("60 KB", format!("/secrets/{}", "x".repeat(60_000))),
        ("pairs", format!("/secrets?{}", "a=b&".repeat(15_000))),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: docker\r\n\r\n");
        let answer = gate.refusal(&request).raw.len();
        one_of(3, || {
            let block = request.repeat((1 << 20) / request.len()).into_bytes();
            let bytes = Arc::<AtomicUsize>::default();
            let counted = Arc::clone(&bytes);
            let crowd = Background::start(move || async move {
                let mut all = JoinSet::new();
                for _ in 0..FLOODERS {
                    all.spawn(flood(address, block.clone(), Arc::clone(&counted)));
                }
                all.join_all().await;
            });
            let (before, times) = (bytes.load(Relaxed), quiet(address));
            let denied = (bytes.load(Relaxed) - before) / answer;
            assert!(!crowd.is_finished(), "their connections were kept");
            drop(crowd);
            let (each, p99) = (denied / times.len(), percentile(&times, 99));
            let figures = format!(
                "{what}: {each} denied for each of {} answers, p99 {p99:?}",
                times.len()
            );
            match each < MOST {
                true => {
                    eprintln!("{figures}");
                    Ok(())
                }
                false => Err(figures),
            }
        });
    }
    quick.finish(|line| line.starts_with("GET /v1.41/containers/quiet/"));
    gate.still_works();
}

/// One whose log says nothing, which would be the most of what the test costs.
fn silent_gate() -> Gate {
    let (engine, address) = (Engine::start(), free_address());
    let dockgate = Dockgate::start(&[
        ("LISTEN", &format!("tcp://{address}")),
        ("SOCKET_PATH", &engine.path().display().to_string()),
        ("CONTAINERS", "1"),
        ("LOG_LEVEL", "err"),
    ]);
    eventually("it listens", || {
        std::net::TcpStream::connect(address).is_ok()
    });
    Gate {
        engine,
        dockgate,
        address,
    }
}

/// Sends the same again and again, and counts the bytes of the answers.
async fn flood(address: SocketAddr, block: Vec<u8>, bytes: Arc<AtomicUsize>) {
    let client = TcpStream::connect(address).await.expect("accepted");
    let (mut answers, mut requests) = client.into_split();
    let read = async {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(n @ 1..) = answers.read(&mut buffer).await {
            bytes.fetch_add(n, Relaxed);
        }
    };
    let write = async { while requests.write_all(&block).await.is_ok() {} };
    tokio::join!(read, write);
}

/// How long each of some answers took, in order of length.
#[track_caller]
fn quiet(address: SocketAddr) -> Vec<Duration> {
    let mut times = run(async {
        let mut talk = Talk::to(address).await.expect("accepted");
        let (mut times, begin) = (Vec::new(), Instant::now());
        while times.len() < SAMPLES && begin.elapsed() < 10 * SECOND {
            let start = Instant::now();
            let asked = talk.ask(get("/v1.41/containers/quiet/json")).await;
            assert_eq!(asked.expect("answered").0, 200);
            times.push(start.elapsed());
        }
        times
    });
    times.sort();
    times
}
