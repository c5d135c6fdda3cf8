//! The connection to the engine: one for each client connection, opened when first needed, kept
//! alive, reopened when the engine closed it.

use std::error::Error;
use std::fmt;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep};

use super::budget::Charge;
use super::filter::Reply;
use super::headers::Headers;
use super::outgoing::Outgoing;
use super::shared::Shared;
use super::watched::{Doubts, Refused, Watched};
use super::wire::{EngineIo, EngineLink, MAX_BUFFER, SentHead, Socket};
use crate::body::inspection::Watch;
use crate::config::shown_path;
use crate::observe::access::{Counters, EngineFault, UploadFault};
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

/// A request's body on its way to the engine.
#[derive(Debug)]
pub(super) struct Upload {
    source: Source,
    /// The memory that it takes, if any, until the engine has it.
    _charge: Option<Charge>,
}

/// Where it comes from.
#[derive(Debug)]
enum Source {
    Nowhere,
    /// It was read before.
    Memory(Option<Bytes>),
    Client(Part),
    /// The client's, judged as it passes; nothing if all of it has come.
    Watched(Option<Part>, Box<Watched>),
}

#[derive(Debug)]
struct Part {
    /// What was read of it before.
    read: Option<Bytes>,
    body: Incoming,
    state: Arc<UploadState>,
    /// Of which of the connection's requests.
    request: u64,
    stall: Stall,
}

/// Waits with an upload for its client, and not for ever.
#[derive(Debug)]
struct Stall {
    /// No end, if there is none.
    timeout: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the client is waited for.
    waits: bool,
    /// Whether an answer was in progress meanwhile, so that not all of the time counts.
    excused: bool,
}

/// Why an upload cannot go on.
#[derive(Debug)]
pub(super) enum UploadError {
    /// Its client left, or what came is no body.
    Broken(hyper::Error),
    /// Its client sends nothing for too long.
    Stalled,
    /// What came may not pass.
    Refused,
}

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UploadError::Broken(e) => e.fmt(f),
            UploadError::Stalled => f.write_str("the client sends nothing"),
            UploadError::Refused => f.write_str("the body is refused"),
        }
    }
}

impl Error for UploadError {}

/// What is known of an upload outside hyper.
#[derive(Debug, Default)]
pub(super) struct UploadState {
    /// Where its bytes are counted.
    pub counters: Arc<Counters>,
    /// Whether the engine has the head before it.
    pub head: Arc<SentHead>,
    /// How many requests there were. A body may outlive its own, which was answered before its end.
    requests: AtomicU64,
    /// 0, or one more than an [`UploadFault`].
    fault: AtomicU8,
    ended: AtomicBool,
    /// Whether the engine's answer is under way: what the client sends meanwhile may take its time.
    answered: AtomicBool,
}

impl UploadState {
    /// What comes next belongs to another request.
    pub(super) fn begin(&self) {
        self.requests.fetch_add(1, Relaxed);
        self.head.forget();
        self.fault.store(0, Relaxed);
    }

    /// Whether the engine's answer is under way.
    pub(super) fn set_answered(&self, answered: bool) {
        self.answered.store(answered, Relaxed);
    }

    /// Which of the connection's requests it belongs to.
    pub(super) fn request(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// What was wrong with it, if the client broke it off or broke its framing.
    pub(super) fn fault(&self) -> Option<UploadFault> {
        let mut faults = UploadFault::ALL.into_iter();
        faults.find(|fault| self.fault.load(Relaxed) == *fault as u8 + 1)
    }

    fn broke(&self, e: &UploadError) {
        let fault = match e {
            UploadError::Refused => return,
            UploadError::Stalled => UploadFault::Stalled,
            UploadError::Broken(e) => {
                let kind = e.source().and_then(|e| e.downcast_ref::<io::Error>());
                match kind.map(io::Error::kind) {
                    Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
                        UploadFault::Chunks
                    }
                    _ => UploadFault::Early,
                }
            }
        };
        self.fault.store(fault as u8 + 1, Relaxed);
    }

    /// Whether all of a body was handed to the engine's connection.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }
}

impl Upload {
    /// No body.
    pub(super) fn empty() -> Self {
        Self::of(Source::Nowhere)
    }

    fn of(source: Source) -> Self {
        Self {
            source,
            _charge: None,
        }
    }

    /// The same, for which so much memory is taken.
    pub(super) fn charged(self, charge: Charge) -> Self {
        Self {
            _charge: Some(charge),
            ..self
        }
    }

    /// The rest of the client's body behind its beginning, which was read.
    pub(super) fn behind(mut self, beginning: Vec<u8>) -> Self {
        if let Source::Client(part) = &mut self.source {
            part.read = (!beginning.is_empty()).then(|| beginning.into());
        }
        self
    }

    /// These bytes instead of the client's.
    pub(super) fn replaced_by(self, bytes: Vec<u8>) -> Self {
        let source = match bytes.is_empty() {
            true => Source::Nowhere,
            false => Source::Memory(Some(bytes.into())),
        };
        Self { source, ..self }
    }

    /// The same, judged as it passes; and where is said what is wrong with it.
    pub(super) fn watched(
        self,
        watch: Box<Watch>,
        shared: &Arc<Shared>,
        charge: Charge,
    ) -> (Self, Arc<Doubts>) {
        let watched = Watched::new(watch, shared, charge);
        let doubts = watched.doubts();
        let part = match self.source {
            Source::Client(part) => Some(part),
            Source::Nowhere | Source::Memory(_) | Source::Watched(..) => None,
        };
        (Self::of(Source::Watched(part, Box::new(watched))), doubts)
    }

    /// The body that comes from the client, which may be silent for `timeout` while it is waited for.
    pub(super) fn new(body: Incoming, state: Arc<UploadState>, timeout: Option<Duration>) -> Self {
        if body.is_end_stream() {
            Self::empty()
        } else {
            state.ended.store(false, Relaxed);
            let request = state.requests.load(Relaxed);
            Self::of(Source::Client(Part {
                read: None,
                body,
                state,
                request,
                stall: Stall {
                    timeout,
                    timer: None,
                    waits: false,
                    excused: false,
                },
            }))
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self.source, Source::Nowhere)
    }
}

impl Stall {
    /// The client has sent something. What the engine takes its time for from now on does not count.
    fn ends(&mut self) {
        self.waits = false;
    }

    /// Waits for the client, from the first call on, unless there is an excuse. An excuse that ends is
    /// no event: the client then has all of the time again, and at most twice as much.
    fn poll(&mut self, cx: &mut Context<'_>, is_excused: impl Fn() -> bool) -> Poll<()> {
        let Some(timeout) = self.timeout else {
            return Poll::Pending;
        };
        let timer = match &mut self.timer {
            Some(timer) => timer,
            none => none.insert(Box::pin(sleep(timeout))),
        };
        if !self.waits {
            self.waits = true;
            self.excused = false;
            timer.as_mut().reset(Instant::now() + timeout);
        }
        self.excused |= is_excused();
        while timer.as_mut().poll(cx).is_ready() {
            if !std::mem::replace(&mut self.excused, is_excused()) {
                return Poll::Ready(());
            }
            timer.as_mut().reset(Instant::now() + timeout);
        }
        Poll::Pending
    }
}

impl Part {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        if let Some(bytes) = self.read.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let Part {
            body,
            state,
            request,
            stall,
            ..
        } = self;
        let frame = match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(frame) => {
                stall.ends();
                frame.map(|frame| frame.map_err(UploadError::Broken))
            }
            Poll::Pending => {
                // No answer ends because of what its client does not send. One that is whole is
                // written in any case.
                ready!(stall.poll(cx, || state.answered.load(Relaxed)));
                Some(Err(UploadError::Stalled))
            }
        };
        // Nobody decided on trailers, and no engine asks for any.
        let frame = match frame {
            Some(Ok(frame)) if frame.is_trailers() => None,
            frame => frame,
        };
        match &frame {
            _ if *request != state.requests.load(Relaxed) => {}
            Some(Ok(frame)) => {
                let n = frame.data_ref().map_or(0, Bytes::len);
                state.counters.received.fetch_add(n as u64, Relaxed);
                if body.is_end_stream() {
                    state.ended.store(true, Relaxed);
                }
            }
            Some(Err(e)) => state.broke(e),
            None => state.ended.store(true, Relaxed),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let read = self.read.as_ref().map_or(0, Bytes::len) as u64;
        let (lower, upper) = (hint.lower() + read, hint.upper());
        if let Some(upper) = upper {
            hint.set_upper(upper + read);
        }
        hint.set_lower(lower);
        hint
    }
}

/// The next part of a body that is judged as it passes.
fn poll_watched(
    part: &mut Option<Part>,
    watched: &mut Watched,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
    while let Some(client) = part {
        let follows = match ready!(client.poll_frame(cx)) {
            Some(frame) => match frame?.into_data() {
                Ok(data) => watched.comes(data),
                Err(_) => continue,
            },
            None => {
                *part = None;
                break;
            }
        };
        match follows {
            Ok(None) => {}
            Ok(Some(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
            Err(Refused) => return Poll::Ready(Some(Err(UploadError::Refused))),
        }
    }
    let rest = ready!(watched.ends(cx));
    let rest = rest.map(|rest| rest.map(Frame::data));
    Poll::Ready(rest.map(|rest| rest.map_err(|Refused| UploadError::Refused)))
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        match &mut self.source {
            Source::Nowhere => Poll::Ready(None),
            Source::Memory(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Source::Client(part) => part.poll_frame(cx),
            Source::Watched(part, watched) => poll_watched(part, watched, cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Nowhere => true,
            Source::Memory(bytes) => bytes.is_none(),
            Source::Client(part) => part.is_end_stream(),
            Source::Watched(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Nowhere => SizeHint::with_exact(0),
            Source::Memory(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64)
            }
            Source::Client(part) => part.size_hint(),
            Source::Watched(part, _) => part.as_ref().map_or(SizeHint::default(), Part::size_hint),
        }
    }
}
