//! `HEAD /health` on a port of its own, for health checks that were written for
//! wollomatic/socket-proxy, and the watchdog: both only check whether the engine's socket accepts
//! connections. Also decides which of the proxy's own requests are health checks.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::header::USER_AGENT;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::task::AbortHandle;
use tokio::time::{interval, sleep, timeout};

use super::answer::Answer;
use super::listener::{Listener, NotBound};
use super::respond;
use super::serving::{self, Answering};
use super::upstream;
use super::wire::{ClientLink, Socket};
use crate::config::Watchdog;
use crate::observe::access::Peer;

/// The user agent of `dockgate healthcheck`, whose pings are not logged at `info`.
const HEALTH_CHECK_AGENT: &str = "dockgate-healthcheck";
/// The address of the health port.
const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 55555);
/// The time limit of a check, which is one short request.
const LIMIT: Duration = Duration::from_secs(15);
/// At most this many connections are open at a time; a new one replaces the oldest.
const MOST: usize = 16;
/// The descriptors that they take: two each, and the listener.
pub(super) const DESCRIPTORS: u64 = 2 * MOST as u64 + 1;

/// Binds the port.
///
/// # Errors
/// Why the port cannot be bound.
pub(super) fn bind() -> Result<Listener, NotBound> {
    Listener::bind_tcp(ADDRESS).map_err(|e| NotBound::Health(ADDRESS, e))
}

/// Answers checks for as long as it is polled.
///
/// # Errors
/// If the listener cannot be used.
pub(super) async fn serve(listener: Listener, engine: PathBuf) -> io::Result<Infallible> {
    let listener = listener.copy()?;
    let engine: Arc<Path> = engine.into();
    let mut open = VecDeque::with_capacity(MOST);
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        if open.len() == MOST {
            let oldest: Option<AbortHandle> = open.pop_front();
            oldest.inspect(AbortHandle::abort);
        }
        open.push_back(tokio::spawn(serve_one(socket, Arc::clone(&engine))).abort_handle());
    }
}

async fn serve_one(socket: Socket, engine: Arc<Path>) {
    let link = ClientLink::new(socket);
    let answer = |request: Request<Incoming>, _| -> Answering<'_> {
        Box::pin(answer(request, Arc::clone(&engine)))
    };
    let mut builder = serving::http_1();
    builder
        .keep_alive(false)
        .half_close(false)
        .auto_date_header(true);
    // A client that leaves needs no answer.
    let _ = timeout(LIMIT, serving::serve(&builder, &link, answer)).await;
    if let Some(refusal) = link.take_refusal() {
        let answer = respond::raw_error(&refusal.why);
        let _ = link.socket.try_write(&answer);
    }
}

async fn answer(
    request: Request<Incoming>,
    engine: Arc<Path>,
) -> Result<Response<Answer>, Infallible> {
    let status = match (request.method(), request.uri().path()) {
        (&Method::HEAD, "/health") => match upstream::dial(&engine).await {
            Ok(_) => StatusCode::OK,
            Err(e) => {
                log::error!("health check failed: {e}");
                StatusCode::SERVICE_UNAVAILABLE
            }
        },
        (_, "/health") => StatusCode::METHOD_NOT_ALLOWED,
        _ => StatusCode::NOT_FOUND,
    };
    let mut response = Response::new(Answer::Whole(None));
    *response.status_mut() = status;
    Ok(response)
}

/// Checks the engine's socket at intervals. Returns when dockgate must exit because it is gone.
pub(super) async fn watch(watchdog: Option<Watchdog>, engine: &Path) {
    let Some(Watchdog {
        interval: every,
        stop,
    }) = watchdog
    else {
        return std::future::pending().await;
    };
    let mut ticks = interval(every);
    // The first tick is immediate, and startup has already checked.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if let Err(e) = upstream::dial(engine).await {
            log::error!("watchdog: {e}");
            if stop {
                return;
            }
        }
    }
}

/// Whether the request is from `dockgate healthcheck`: its ping is not worth a line, whatever the
/// verdict.
pub(super) fn is_own_check(peer: Peer, request: &Request<Incoming>) -> bool {
    let agent = || request.headers().get(USER_AGENT);
    request.uri().path() == "/_ping"
        && is_read(request.method())
        && (peer.is_loopback() || matches!(peer, Peer::Unix(_)))
        && agent().is_some_and(|agent| agent == HEALTH_CHECK_AGENT)
}

/// Whether a method only reads.
pub(super) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
