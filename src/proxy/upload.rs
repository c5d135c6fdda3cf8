//! A request's body on its way to the engine: none, the client's as it comes, one that was read before,
//! or one that is judged as it passes; and what is known of it outside hyper.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use super::budget::Charge;
use super::engine::{Engine, SameHost};
use super::watched::{Doubts, Refused, Watched};
use super::wire::SentHead;
use crate::body::inspection::Watch;
use crate::observe::access::{Counters, UploadFault};

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
        engine: &Arc<Engine>,
        same: &SameHost,
        charge: Charge,
    ) -> (Self, Arc<Doubts>) {
        let watched = Watched::new(watch, engine, same, charge);
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

    /// Whether nothing comes.
    pub(super) fn is_empty(&self) -> bool {
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
