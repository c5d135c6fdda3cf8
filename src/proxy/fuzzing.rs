//! One connection in-process, for the fuzz target that plays both of its ends. It is built by
//! cargo-fuzz alone: through listeners and workers one input would take a thousand times as long,
//! its timers would run in real time, and a panic would be lost in a worker's thread.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::sync::{Semaphore, watch};

use super::connection::{self, Stage};
use super::service::Shared;
use super::wire::Socket;
use crate::observe::access::Peer;
use crate::policy::Policy;

/// Serves `client` by `policy`, with the engine at `socket_path`, until it is closed.
pub async fn serve_one(policy: Arc<Policy>, socket_path: PathBuf, client: UnixStream) {
    let shared = Arc::new(Shared {
        policy,
        admission: None,
        log_requests: false,
        socket_path,
        slots: Arc::new(Semaphore::new(1)),
    });
    let (_open, stages) = watch::channel(Stage::Open);
    connection::serve(shared, Socket::Unix(client), Peer::Unix(None), stages).await;
}
