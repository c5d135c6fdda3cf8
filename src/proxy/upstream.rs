//! The connection to the engine: one for each client connection, opened when first needed, kept
//! alive, reopened when the engine closed it.

use std::fmt;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::filter::Reply;
use super::headers::Headers;
use super::outgoing::Outgoing;
use super::upload::{Upload, UploadState};
use super::wire::{EngineIo, EngineLink, MAX_BUFFER, SentHead, Socket};
use crate::config::shown_path;
use crate::observe::access::EngineFault;
use crate::policy::Cleared;

/// Connecting to the engine may take this long; a full backlog is asked again meanwhile.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before a full backlog is asked again.
const BACKLOG_RETRY: Duration = Duration::from_millis(20);

/// Why the engine gave no answer.
#[derive(Debug)]
pub(super) enum EngineError {
    /// Its socket could not be connected to.
    Connect(PathBuf, io::Error),
    /// Its socket did not take the connection in time.
    Hung(PathBuf),
    /// It did not answer dockgate's own questions in time.
    Silent(PathBuf),
    /// It closed or broke the connection before its answer's head was whole.
    Gone,
    /// Its answer was not HTTP.
    Garbage(hyper::Error),
}

impl EngineError {
    /// What is wrong with the engine.
    pub(super) fn fault(&self) -> EngineFault {
        match self {
            EngineError::Connect(..) => EngineFault::Unreachable,
            EngineError::Hung(_) | EngineError::Silent(_) => EngineFault::Hung,
            EngineError::Gone => EngineFault::Gone,
            EngineError::Garbage(_) => EngineFault::Invalid,
        }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineError::Connect(path, e) => {
                write!(f, "the engine's socket {} ", shown_path(path))?;
                match e.kind() {
                    io::ErrorKind::NotFound => f.write_str(
                        "does not exist: mount it into the container, or set SOCKET_PATH to its path",
                    ),
                    io::ErrorKind::PermissionDenied => permission_hint(path, f),
                    io::ErrorKind::ConnectionRefused if is_socket(path) => f.write_str(
                        "refuses connections: nothing is listening on it; start the engine",
                    ),
                    io::ErrorKind::ConnectionRefused => f.write_str(
                        "is not a socket: mount the engine's socket there, or set SOCKET_PATH",
                    ),
                    _ => write!(f, "cannot be reached: {e}"),
                }
            }
            EngineError::Hung(path) => write!(
                f,
                "the engine's socket {} did not accept a connection within {} seconds: the engine \
                 is overloaded or not responding",
                shown_path(path),
                CONNECT_TIMEOUT.as_secs()
            ),
            EngineError::Silent(path) => write!(
                f,
                "the engine at {} did not say in time what the request depends on",
                shown_path(path)
            ),
            EngineError::Gone => f.write_str(
                "the engine closed the connection without responding: it may be restarting; \
                 check its log",
            ),
            EngineError::Garbage(e) => write!(f, "the engine's response is not valid HTTP: {e}"),
        }
    }
}

fn permission_hint(path: &Path, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("is not accessible to this user: ")?;
    match std::fs::metadata(path) {
        Ok(meta) if meta.mode() & 0o020 != 0 => write!(
            f,
            "run dockgate with its group (group_add: [\"{0}\"], or --group-add {0}) or as root",
            meta.gid()
        ),
        _ => f.write_str("run dockgate as the socket's owner or as root"),
    }
}

fn is_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
}

/// A connection to the engine that no other client shares. Dropping it cuts it.
#[derive(Debug)]
pub(super) struct Upstream {
    sender: SendRequest<Upload>,
    link: Arc<EngineLink>,
    /// Its outcome reaches the request that waits for it, too.
    task: JoinHandle<hyper::Result<()>>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects to the engine's socket at `path`.
///
/// # Errors
/// [`EngineError::Connect`] and [`EngineError::Hung`].
pub(super) async fn dial(path: &Path) -> Result<Socket, EngineError> {
    let start = Instant::now();
    loop {
        match Socket::connect_unix(path) {
            Ok(socket) => return Ok(socket),
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => {
                return Err(EngineError::Connect(path.to_owned(), e));
            }
            Err(_) if start.elapsed() >= CONNECT_TIMEOUT => {
                return Err(EngineError::Hung(path.to_owned()));
            }
            // A Unix socket's full backlog does not block, it says EAGAIN.
            Err(_) => sleep(BACKLOG_RETRY).await,
        }
    }
}

impl Upstream {
    /// Connects to the engine's socket at `path`; `head` learns what becomes of each request's.
    ///
    /// # Errors
    /// Those of [`dial`], and [`EngineError::Garbage`].
    async fn connect(path: &Path, head: Arc<SentHead>) -> Result<Self, EngineError> {
        let link = EngineLink::new(dial(path).await?, head);
        let io = TokioIo::new(EngineIo::new(Arc::clone(&link)));
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_BUFFER)
            .handshake(io)
            .await
            .map_err(EngineError::Garbage)?;
        let task = tokio::spawn(connection.with_upgrades());
        Ok(Self { sender, link, task })
    }

    /// A connection for dockgate's own questions.
    ///
    /// # Errors
    /// Those of [`dial`], and [`EngineError::Garbage`].
    pub(super) async fn own(path: &Path) -> Result<Self, EngineError> {
        Self::connect(path, Arc::default()).await
    }

    /// Gets what is at such a path of the engine.
    ///
    /// # Errors
    /// [`EngineError::Garbage`] and [`EngineError::Gone`].
    pub(super) async fn get(&mut self, path: &str) -> Result<Response<Incoming>, EngineError> {
        let mut request = Request::new(Upload::empty());
        *request.uri_mut() = path.parse().map_err(|_| EngineError::Gone)?;
        let host = HeaderValue::from_static("docker");
        request.headers_mut().insert(HOST, host);
        self.sender.ready().await.map_err(fault)?;
        self.sender.send_request(request).await.map_err(fault)
    }

    /// Posts JSON to such a path of the engine.
    ///
    /// # Errors
    /// [`EngineError::Garbage`] and [`EngineError::Gone`].
    pub(super) async fn post(
        &mut self,
        path: &'static str,
        body: Vec<u8>,
    ) -> Result<Response<Incoming>, EngineError> {
        let length = body.len();
        let mut request = Request::new(Upload::empty().replaced_by(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static(path);
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_static("docker"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, length.into());
        self.sender.ready().await.map_err(fault)?;
        self.sender.send_request(request).await.map_err(fault)
    }

    /// What is known of the connection outside hyper.
    pub(super) fn link(&self) -> &EngineLink {
        &self.link
    }

    /// Whether a request with such a body can go out on it. The kernel is asked, at the price of a
    /// call, only for a request that could not be sent again.
    async fn is_reusable(&mut self, without_body: bool) -> bool {
        self.sender.ready().await.is_ok() && (without_body || !self.link.socket.has_input())
    }
}

/// Sends what was cleared over `kept`, or over a new connection, and waits for the head of the
/// answer, which passes as the clearance says. On success the connection in use is in `kept`; in any case `state` knows whether the
/// engine got the request.
///
/// A request of which the engine took no byte is sent once more over a new connection: the engine
/// may close a kept one at any time. Nothing else is ever sent twice.
///
/// # Errors
/// All of [`EngineError`].
pub(super) async fn send(
    kept: &mut Option<Upstream>,
    path: &Path,
    cleared: Cleared,
    headers: Headers,
    upload: Upload,
    state: &UploadState,
) -> Result<Reply, EngineError> {
    // A body that was not decided on stays behind.
    let upload = match cleared.message().length() {
        Some(0) => Upload::empty(),
        _ => upload,
    };
    let (mut request, filter) = Outgoing::new(cleared, headers).with(upload);
    if let Some(mut upstream) = kept.take()
        && upstream.is_reusable(request.body().is_empty()).await
    {
        state.head.expect();
        let spare = request.body().is_empty().then(|| copy_of_head(&request));
        let before = upstream.link.accepted();
        match upstream.sender.try_send_request(request).await {
            Ok(response) => {
                *kept = Some(upstream);
                return Ok(Reply::new(response, filter));
            }
            Err(mut e) => {
                let untouched = upstream.link.accepted() == before;
                match (e.take_message(), spare) {
                    (Some(unsent), _) => request = unsent,
                    (None, Some(spare)) if untouched => request = spare,
                    _ => return Err(fault(e.into_error())),
                }
            }
        }
    }
    state.head.expect();
    let mut upstream = Upstream::connect(path, Arc::clone(&state.head)).await?;
    let response = upstream.sender.send_request(request).await.map_err(fault)?;
    *kept = Some(upstream);
    Ok(Reply::new(response, filter))
}

fn fault(e: hyper::Error) -> EngineError {
    if e.is_parse() {
        EngineError::Garbage(e)
    } else {
        EngineError::Gone
    }
}

fn copy_of_head(request: &Request<Upload>) -> Request<Upload> {
    let mut copy = Request::new(Upload::empty());
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    copy
}
