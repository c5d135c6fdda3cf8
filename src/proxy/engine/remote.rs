//! Connecting by TCP: to each address of a host in turn, and by TLS on top.
//!
//! A lost engine is found by keepalives where nothing is under way, and by unacknowledged bytes where
//! something is. Neither ends a connection that only has nothing to say.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::dial::CONNECT_TIMEOUT;
use super::{Engine, EngineError, tls};
use crate::config::Host;
use crate::proxy::wire::Socket;

/// A lost engine is found after a minute.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEPALIVES: u32 = 3;
/// Bytes may be on their way for so long.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// Connects to a port of an engine's host, until a time; to which address. The one before is tried first, as long as the
/// host has it: others can be other hosts.
pub(super) async fn dial(
    engine: &Arc<Engine>,
    host: &Host,
    port: u16,
    until: Instant,
) -> Result<(Socket, SocketAddr), EngineError> {
    let mut addresses = match host {
        Host::Ip(ip) => vec![SocketAddr::new(*ip, port)],
        Host::Name(name) => {
            let found = engine.addresses.of(name, port).await;
            found.map_err(EngineError::NoHost)?
        }
    };
    // Those that are equal stay in the order in which the system wants them tried.
    let last = engine.host.now();
    addresses.sort_by_key(|address| Some(*address) != last);
    let (stream, address) = connect(engine, &addresses).await?;
    let Some(tls) = &engine.settings.tls else {
        return Ok((Socket::Tcp(stream), address));
    };
    let socket = Socket::tls_client(stream, Arc::clone(&tls.client), tls.host.clone());
    let socket = socket.map_err(EngineError::Tls)?;
    let shaken = timeout_at(until, socket.handshake()).await;
    let shaken = shaken.map_err(|_| EngineError::HungInHandshake)?;
    shaken.map_err(tls::failed)?;
    Ok((socket, address))
}

/// The first of these that takes a connection. One that does not answer leaves time for the others.
async fn connect(
    engine: &Engine,
    addresses: &[SocketAddr],
) -> Result<(TcpStream, SocketAddr), EngineError> {
    let until = Instant::now() + CONNECT_TIMEOUT;
    let mut failed = EngineError::Hung;
    for (at, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        let own = until.saturating_duration_since(Instant::now()) / left;
        match timeout_at(Instant::now() + own, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let here = stream.local_addr().map_err(EngineError::Connect)?;
                if engine.is_itself(here, *address) {
                    return Err(EngineError::Itself(*address));
                }
                tune(&stream).map_err(EngineError::Connect)?;
                return Ok((stream, *address));
            }
            Ok(Err(e)) => failed = EngineError::Connect(e),
            Err(_) => failed = EngineError::Hung,
        }
    }
    Err(failed)
}

fn tune(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(KEEPALIVES);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))
}
