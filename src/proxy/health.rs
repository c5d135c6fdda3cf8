//! `HEAD /health` on a port of its own, for health checks that were written for
//! wollomatic/socket-proxy, and the watchdog: the first checks whether each engine in use accepts
//! connections, the second whether it answers too. Also decides which of the proxy's own requests are
//! health checks.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::USER_AGENT;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::runtime;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::answer::Answer;
use super::engine::{Engine, EngineError, PING_TIMEOUT, SameHost};
use super::listener::{Listener, NotBound};
use super::respond;
use super::serving::{self, Answering};
use super::shared::Shared;
use super::upstream::Upstream;
use super::wire::{ClientLink, Socket};
use crate::config::{self, Watchdog};
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
pub(super) async fn serve(listener: Listener, shared: Arc<Shared>) -> io::Result<Infallible> {
    let listener = listener.copy()?;
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
        open.push_back(tokio::spawn(serve_one(socket, Arc::clone(&shared))).abort_handle());
    }
}

async fn serve_one(socket: Socket, shared: Arc<Shared>) {
    let link = ClientLink::new(socket);
    let answer = |request: Request<Incoming>, _| -> Answering<'_> {
        Box::pin(answer(request, Arc::clone(&shared)))
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
    shared: Arc<Shared>,
) -> Result<Response<Answer>, Infallible> {
    let status = match (request.method(), request.uri().path()) {
        (&Method::HEAD, "/health") => {
            let mut status = StatusCode::OK;
            let mut dials = JoinSet::new();
            for engine in in_use(&shared) {
                dials.spawn(async move { (engine.dial().await.map(drop), engine) });
            }
            while let Some(Ok((dialled, engine))) = dials.join_next().await {
                if let Err(e) = dialled {
                    log::error!("health check failed: {}", engine.told(&e));
                    status = StatusCode::SERVICE_UNAVAILABLE;
                }
            }
            status
        }
        (_, "/health") => StatusCode::METHOD_NOT_ALLOWED,
        _ => StatusCode::NOT_FOUND,
    };
    let mut response = Response::new(Answer::Whole(None));
    *response.status_mut() = status;
    Ok(response)
}

/// The engines that requests can go to now.
fn in_use(shared: &Shared) -> Vec<Arc<Engine>> {
    shared.rulebook.load().engines().to_vec()
}

/// Asks the engines in use at intervals. Returns when dockgate must exit because one cannot be connected
/// to.
pub(super) async fn watch(watchdog: Option<Watchdog>, shared: &Arc<Shared>) {
    let Some(Watchdog {
        interval: every,
        stop,
    }) = watchdog
    else {
        return std::future::pending().await;
    };
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is immediate, and startup has already checked.
    ticks.tick().await;
    let mut ill = HashSet::new();
    loop {
        ticks.tick().await;
        let mut pings = JoinSet::new();
        for engine in in_use(shared) {
            pings.spawn(async move { (ping(&engine).await, engine) });
        }
        while let Some(Ok((pong, engine))) = pings.join_next().await {
            let settings = &engine.settings;
            match pong {
                Ok(()) if ill.remove(&settings.name) => {
                    log::info!("watchdog: {settings} at {} answers again", settings.address);
                }
                Ok(()) => {}
                Err(e) => {
                    log::error!("watchdog: {}", engine.told(&e));
                    ill.insert(Arc::clone(&settings.name));
                    if stop && e.is_unconnected() {
                        return;
                    }
                }
            }
        }
    }
}

/// Whether an engine answers.
///
/// # Errors
/// Why it does not, within the time for connecting and that for an answer.
async fn ping(engine: &Arc<Engine>) -> Result<(), EngineError> {
    let mut connection = Upstream::own(engine, &SameHost::default()).await?;
    let pong = timeout(PING_TIMEOUT, connection.get("/_ping")).await;
    let status = pong.map_err(|_| EngineError::NoPing)??.status();
    match status.is_success() {
        true => Ok(()),
        false => Err(EngineError::BadPing(status)),
    }
}

/// Whether an engine answers, for a command: waits for it.
///
/// # Errors
/// Why it does not, and what to do.
pub(crate) fn ping_now(engine: &Arc<config::Engine>) -> Result<(), String> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| format!("cannot ask the engine: {e}"))?;
    let engine = Engine::new(engine, &[]);
    let pong = runtime.block_on(ping(&engine));
    // A lookup that does not end is not waited for.
    runtime.shutdown_background();
    pong.map_err(|e| engine.told(&e).to_string())
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
