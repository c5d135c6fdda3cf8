//! A tunnel: a connection after the engine's 101.
//!
//! Bytes flow both ways until both ends are done. A FIN is passed on as a half-close only: the end
//! of a client's stdin is not the end of the container's stdout.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::BytesMut;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::Interest;

use super::flight::InFlight;
use super::upstream::Upstream;
use super::wire::{ClientIo, EngineIo, Socket};

/// How much is read at a time. Only an active direction holds a buffer.
const BUFFER: usize = 256 * 1024;
/// How often to check whether a half-closed side has closed completely: there is no event for that.
const GONE_CHECK: Duration = Duration::from_secs(1);

/// A tunnel that waits for both sides of the switch.
#[derive(Debug)]
pub(super) struct Tunnel {
    client: OnUpgrade,
    engine: OnUpgrade,
    upstream: Upstream,
    request: InFlight,
}

impl Tunnel {
    /// A tunnel for `request` between the two sides of a 101.
    pub(super) fn new(
        client: OnUpgrade,
        engine: OnUpgrade,
        upstream: Upstream,
        request: InFlight,
    ) -> Self {
        Self {
            client,
            engine,
            upstream,
            request,
        }
    }

    /// Moves bytes until both directions have ended, the client has disconnected, or `stop` says why.
    /// True if the client may still be sending then.
    pub(super) async fn run(self, stop: impl Future<Output = &'static str>) -> bool {
        let Self {
            client,
            engine,
            upstream,
            mut request,
        } = self;
        let (Ok(client), Ok(engine)) = (client.await, engine.await) else {
            request.broke_off("the protocol switch failed");
            return false;
        };
        let (Some(from_client), Some(from_engine)) = (
            early_bytes(client, ClientIo::into_ahead),
            early_bytes(engine, |_: EngineIo| BytesMut::new()),
        ) else {
            request.broke_off("the protocol switch failed");
            return false;
        };
        let peer = Arc::clone(request.client());
        let (client, engine) = (&peer.link.socket, &upstream.link().socket);
        let counters = request.counters();
        let down = async {
            match pump(engine, client, from_engine, &counters.sent).await {
                Ok(()) => Ok(()),
                Err(Side::Read) => {
                    client.reset_on_close();
                    Err("the engine broke the connection")
                }
                Err(Side::Write) => Err("the client disconnected"),
            }
        };
        let up = pump(client, engine, from_client, &counters.received);
        match exchange(client, engine, up, down, stop).await {
            Ok(client_done) => {
                request.complete();
                !client_done
            }
            Err(how) => {
                request.broke_off(how);
                false
            }
        }
    }
}

/// What a side sent right after its part of the switch; none if the connection is not over an `I`.
fn early_bytes<I>(upgraded: Upgraded, ahead: impl FnOnce(I) -> BytesMut) -> Option<Vec<u8>>
where
    TokioIo<I>: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
{
    let parts = upgraded.downcast::<TokioIo<I>>().ok()?;
    let mut early = parts.read_buf.to_vec();
    early.extend_from_slice(&ahead(parts.io.into_inner()));
    Some(early)
}

/// Moves both directions until both have ended, the client has disconnected, or `stop` completes.
/// True if the client's has ended too.
pub(super) async fn exchange(
    client: &Socket,
    engine: &Socket,
    up: impl Future<Output = Result<(), Side>>,
    down: impl Future<Output = Result<(), &'static str>>,
    stop: impl Future<Output = &'static str>,
) -> Result<bool, &'static str> {
    let mut up = pin!(async {
        // An engine that stopped reading may still have output, so this ends one direction only.
        let _ = up.await;
        engine.shutdown_write().await;
    });
    let both = async {
        let mut down = pin!(down);
        let mut up_done = false;
        loop {
            tokio::select! {
                ended = &mut down => break ended?,
                () = &mut up, if !up_done => up_done = true,
                () = gone(client), if up_done => return Err("the client disconnected"),
            }
        }
        let rest = async {
            tokio::select! {
                () = up, if !up_done => true,
                () = gone(engine), if !up_done => false,
                else => true,
            }
        };
        // A client may have to finish sending before it reads the end.
        let ((), up_done) = tokio::join!(client.shutdown_write(), rest);
        Ok(up_done)
    };
    tokio::select! {
        ended = both => ended,
        () = client.reset() => Err("the client reset the connection"),
        why = stop => Err(why),
    }
}

/// Which side of a direction failed.
pub(super) enum Side {
    Read,
    Write,
}

/// Moves `first` and then everything that `from` sends to `to`, until `from` ends.
pub(super) async fn pump(
    from: &Socket,
    to: &Socket,
    first: Vec<u8>,
    count: &AtomicU64,
) -> Result<(), Side> {
    let mut buffer = first;
    loop {
        write_all(to, &buffer).await.map_err(|_| Side::Write)?;
        count.fetch_add(buffer.len() as u64, Relaxed);
        buffer.clear();
        buffer.reserve(BUFFER);
        match from.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => tokio::task::coop::consume_budget().await,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                // A silent direction costs no buffer.
                buffer = Vec::new();
                from.ready(Interest::READABLE)
                    .await
                    .map_err(|_| Side::Read)?;
            }
            Err(_) => return Err(Side::Read),
        }
    }
}

async fn write_all(to: &Socket, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.try_write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                to.ready(Interest::WRITABLE).await?;
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Waits until a side has closed its socket completely, not only its output. (A client of a Unix
/// listener does not send a reset then.)
async fn gone(side: &Socket) {
    while side
        .ready(Interest::READABLE | Interest::WRITABLE)
        .await
        .is_ok_and(|ready| !ready.is_write_closed())
    {
        tokio::time::sleep(GONE_CHECK).await;
    }
}
