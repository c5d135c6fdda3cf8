//! `HEAD /health` on a port of its own, for health checks that were written for another proxy, and
//! the watchdog: both only look whether the engine's socket can be connected to. And what of the
//! proxy's own requests is a health check.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::header::USER_AGENT;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{interval, sleep, timeout};

use super::upstream;
use crate::config::Watchdog;
use crate::observe::access::Peer;

/// The user agent of `dockgate healthcheck`, whose pings are not worth a line at info.
const HEALTH_CHECK_AGENT: &str = "dockgate-healthcheck";
/// Where it answers.
const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 55555);
/// A check is one short request.
const LIMIT: Duration = Duration::from_secs(15);
/// So many connections are open at the same time; the oldest makes room for one more.
const MOST: usize = 16;
/// All that they take: each its own and one to the engine, and the listener.
pub(super) const DESCRIPTORS: u64 = 2 * MOST as u64 + 1;

/// Binds the port.
///
/// # Errors
/// In a sentence.
pub(super) fn bind() -> Result<TcpListener, String> {
    let bound = TcpListener::bind(ADDRESS).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|e| format!("cannot listen on {ADDRESS} for SP_ALLOWHEALTHCHECK: {e}"))
}

/// Answers checks for as long as it is polled, whoever else is connected.
///
/// # Errors
/// If the listener cannot be used.
pub(super) async fn serve(listener: TcpListener, engine: PathBuf) -> io::Result<Infallible> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
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

async fn serve_one(socket: TcpStream, engine: Arc<Path>) {
    let service = service_fn(|request| answer(request, &engine));
    let connection = http1::Builder::new()
        .keep_alive(false)
        .serve_connection(TokioIo::new(socket), service);
    // Whoever asks and goes away has its answer.
    let _ = timeout(LIMIT, connection).await;
}

async fn answer(request: Request<Incoming>, engine: &Path) -> Result<Response<String>, Infallible> {
    let status = match (request.method(), request.uri().path()) {
        (&Method::HEAD, "/health") => match upstream::dial(engine).await {
            Ok(_) => StatusCode::OK,
            Err(e) => {
                log::error!("health check failed: {e}");
                StatusCode::SERVICE_UNAVAILABLE
            }
        },
        (_, "/health") => StatusCode::METHOD_NOT_ALLOWED,
        _ => StatusCode::NOT_FOUND,
    };
    let mut response = Response::new(String::new());
    *response.status_mut() = status;
    Ok(response)
}

/// Looks at the engine's socket from time to time. Returns when dockgate has to end for its absence.
pub(super) async fn watch(watchdog: Option<Watchdog>, engine: &Path) {
    let Some(Watchdog {
        interval: every,
        stop,
    }) = watchdog
    else {
        return std::future::pending().await;
    };
    let mut ticks = interval(every);
    // The first tick comes at once, and the start has looked.
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

/// Whether `dockgate healthcheck` asks: its ping is no news, whatever the verdict.
pub(super) fn is_own_check(peer: Peer, request: &Request<Incoming>) -> bool {
    let agent = || request.headers().get(USER_AGENT);
    request.uri().path() == "/_ping"
        && is_read(request.method())
        && (peer.is_loopback() || matches!(peer, Peer::Unix(_)))
        && agent().is_some_and(|agent| agent == HEALTH_CHECK_AGENT)
}

/// Whether a request changes nothing.
pub(super) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
