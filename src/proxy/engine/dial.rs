//! Connecting to an engine, without holding up a worker, and within a time.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::{Engine, EngineError, remote};
use crate::config::Address;
use crate::proxy::wire::Socket;

/// Connecting to the engine may take this long; a full backlog is asked again meanwhile.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before a full backlog is asked again.
const BACKLOG_RETRY: Duration = Duration::from_millis(20);

impl Engine {
    /// Connects to it; to which address, if by TCP.
    ///
    /// # Errors
    /// Why it cannot be connected to.
    pub(in crate::proxy) async fn dial(
        self: &Arc<Self>,
    ) -> Result<(Socket, Option<SocketAddr>), EngineError> {
        match self.address() {
            Address::Unix(path) => Ok((unix(path).await?, None)),
            Address::Tcp { host, port } => {
                // Boxed, since it is large and most engines are on a Unix socket.
                let until = Instant::now() + CONNECT_TIMEOUT;
                let dialling = Box::pin(remote::dial(self, host, *port, until));
                let dialled = timeout_at(until, dialling).await;
                let (socket, address) = dialled.unwrap_or(Err(EngineError::Hung))?;
                self.is_at(address);
                Ok((socket, Some(address)))
            }
        }
    }
}

async fn unix(path: &Path) -> Result<Socket, EngineError> {
    let start = Instant::now();
    loop {
        match Socket::connect_unix(path) {
            Ok(socket) => return Ok(socket),
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => {
                return Err(EngineError::Connect(e));
            }
            Err(_) if start.elapsed() >= CONNECT_TIMEOUT => return Err(EngineError::Hung),
            // A Unix socket's full backlog does not block, it says EAGAIN.
            Err(_) => sleep(BACKLOG_RETRY).await,
        }
    }
}
