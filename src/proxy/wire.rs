//! The one wrapper around both sockets: what hyper alone cannot do with them.
//!
//! Towards the client, [`ClientIo`] hands hyper whole request heads and exactly the bytes of a
//! body, so that it knows at any time whether a connection is idle, in mid-head or in mid-body.
//! That buys a 408 for a slow head only, requests that hyper's parser would refuse although the
//! engine takes them (raw quotes in a query), early bytes of a tunnel that stay where they are
//! until the engine's 101, and back-pressure without a lost FIN or reset.
//!
//! Its reading of the framing is never a decision: hyper's parser has the only say in what a
//! request is. Where the two should ever disagree the connection ends.
//!
//! Towards the engine, [`EngineIo`] goes on reading the answer after a write has failed: an engine
//! that answers early and closes (RFC 9112, section 9.6) would else take its answer with it.

use std::borrow::Cow;
use std::io::{self, IoSlice};
use std::mem;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use http::StatusCode;
use memchr::{memchr, memchr_iter, memchr3};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep_until};

use super::opening;
use crate::api::target::{BadTarget, MAX_TARGET, encode_target};

/// A request head has this long from its first byte.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A client's connection may idle this long between requests.
pub(super) const CLIENT_IDLE: Duration = Duration::from_secs(300);
/// An engine's connection may idle this long.
pub(super) const ENGINE_IDLE: Duration = Duration::from_secs(30);
/// The largest request head, in bytes.
pub(super) const MAX_HEAD: usize = 64 * 1024;
/// The most header lines of a request.
pub(super) const MAX_HEADERS: usize = 100;
/// The most of a body that is read at a time, and that is held while nobody takes it. A transfer
/// that fills its buffer gets a larger one, up to this.
pub(super) const MAX_BUFFER: usize = 512 * 1024;
/// A part of a body that is as long as this waits a turn for the part behind it.
const BULK: Range<usize> = 16 * 1024..128 * 1024;
/// So many bytes are sooner copied together than handed to the kernel in pieces.
const SMALL: usize = 1024;
/// After an answer that left a request's body unread, this much of it is read and dropped, so that
/// the close that follows does not reset the answer away.
const LINGER_BYTES: usize = 64 * 1024 * 1024;
/// And for this long.
const LINGER_TIME: Duration = Duration::from_secs(10);

/// A stream socket of either family; all methods take `&self`, so that a watcher can share it.
#[derive(Debug)]
pub(super) enum Socket {
    /// A TCP client.
    Tcp(TcpStream),
    /// The engine, or a client of a Unix listener.
    Unix(UnixStream),
}

macro_rules! either {
    ($self:expr, $s:ident => $e:expr) => {
        match $self {
            Socket::Tcp($s) => $e,
            Socket::Unix($s) => $e,
        }
    };
}

impl Socket {
    /// Waits until one of `interest` is ready.
    pub(super) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        either!(self, s => s.ready(interest).await)
    }

    /// Reads what is there, at most what `buf` has room for; 0 is the end.
    pub(super) fn try_read(&self, buf: &mut impl BufMut) -> io::Result<usize> {
        let room = buf.chunk_mut().len();
        let n = either!(self, s => s.try_read_buf(buf))?;
        if 0 < n && n < room {
            // The socket is empty: forget its readiness, which saves the read that would find so.
            // New bytes raise it again, and only this thread takes the events.
            let _ = either!(self, s => s.try_io(Interest::READABLE, || {
                Err::<(), _>(io::ErrorKind::WouldBlock.into())
            }));
        }
        Ok(n)
    }

    /// Writes what the socket takes of `buf`.
    pub(super) fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        either!(self, s => s.try_write(buf))
    }

    fn poll_read(&self, cx: &mut Context<'_>, buf: &mut impl BufMut) -> Poll<io::Result<usize>> {
        loop {
            ready!(either!(self, s => s.poll_read_ready(cx)))?;
            match self.try_read(buf) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            ready!(either!(self, s => s.poll_write_ready(cx)))?;
            let written = match bufs {
                [only] => self.try_write(only),
                _ => match together(bufs, &mut [0; SMALL]) {
                    Some(bytes) => self.try_write(bytes),
                    None => either!(self, s => s.try_write_vectored(bufs)),
                },
            };
            match written {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// Whether the peer takes more bytes now.
    pub(super) fn is_writable(&self) -> bool {
        let ready = pin!(self.ready(Interest::WRITABLE));
        let mut cx = Context::from_waker(Waker::noop());
        ready.poll(&mut cx).is_ready()
    }

    /// Ends this side's half of the connection (a FIN); errors mean that it has ended anyway.
    pub(super) fn shutdown_write(&self) {
        let _ = either!(self, s => rustix::net::shutdown(s, rustix::net::Shutdown::Write));
    }

    /// Makes the close a reset, so that the peer cannot take it for a proper end.
    pub(super) fn reset_on_close(&self) {
        if let Socket::Tcp(s) = self {
            let _ = socket2::SockRef::from(s).set_linger(Some(Duration::ZERO));
        }
    }

    /// Whether anything, an end too, waits to be read; asks the kernel.
    pub(super) fn has_input(&self) -> bool {
        !matches!(self.peek(), Err(rustix::io::Errno::AGAIN))
    }

    /// Whether bytes wait to be read; behind an end there are none.
    pub(super) fn has_bytes(&self) -> bool {
        self.peek().is_ok_and(|n| n > 0)
    }

    fn peek(&self) -> rustix::io::Result<usize> {
        let mut byte = [0];
        let flags = rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT;
        either!(self, s => rustix::net::recv(s, &mut byte, flags)).map(|(n, _)| n)
    }

    /// Waits for the peer's FIN: true, or for its reset: false. Reads nothing.
    pub(super) async fn closed(&self) -> bool {
        // tokio's PRIORITY interest is the one that wakes for a closed read half, but not for
        // bytes that wait to be read; urgent data is not subscribed to at all.
        match self.ready(Interest::PRIORITY | Interest::ERROR).await {
            Ok(ready) => !ready.is_error(),
            Err(_) => false,
        }
    }

    /// Waits for the peer's reset.
    pub(super) async fn reset(&self) {
        let _ = self.ready(Interest::ERROR).await;
    }

    /// Reads and drops what the peer still sends, until its end or a bound.
    pub(super) async fn linger(&self) {
        self.shutdown_write();
        let drain = async {
            let mut scratch = Vec::with_capacity(16 * 1024);
            let mut left = LINGER_BYTES;
            while left > 0 && self.ready(Interest::READABLE).await.is_ok() {
                scratch.clear();
                match self.try_read(&mut scratch) {
                    Ok(0) => break,
                    Ok(n) => left = left.saturating_sub(n),
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => break,
                }
                tokio::task::coop::consume_budget().await;
            }
        };
        let _ = tokio::time::timeout(LINGER_TIME, drain).await;
    }
}

/// The bytes of `bufs` in one piece, if they are few.
fn together<'a>(bufs: &[IoSlice<'_>], small: &'a mut [u8; SMALL]) -> Option<&'a [u8]> {
    let mut end = 0;
    for buf in bufs {
        small.get_mut(end..end + buf.len())?.copy_from_slice(buf);
        end += buf.len();
    }
    Some(&small[..end])
}

/// Puts the parts of a large upload together, which hyper hands from one side to the other one by
/// one: each write would wake the engine. An answer has none of it, for what is written last of one
/// must never be left behind.
#[derive(Debug, Default)]
struct Gathering {
    /// How many bytes there were at the last turn.
    had: usize,
}

impl Gathering {
    /// Ready when `bytes` are to be written: they are few, or enough, or no more came in a turn.
    fn poll(&mut self, cx: &mut Context<'_>, bytes: usize) -> Poll<()> {
        if BULK.contains(&bytes) && bytes > self.had {
            self.had = bytes;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// So many bytes were not taken.
    fn left(&mut self, bytes: usize) {
        self.had = bytes;
    }
}

/// What the next bytes of a client are.
#[derive(Debug)]
enum Expect {
    /// A request head, or nothing for a while.
    Head,
    /// Nothing yet: a head was handed to hyper, which has not answered with its framing.
    Verdict,
    /// So many bytes of a body.
    Sized(u64),
    /// A chunked body.
    Chunked(Chunks),
    /// Broken framing, which hyper refuses in its own words.
    Broken,
    /// Nothing any more: what comes is the engine's, and goes past hyper.
    Nothing,
}

/// What a connection refused to read, answered by its task once hyper is out of the way.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The answer's status.
    pub status: StatusCode,
    /// What is wrong, and what to send instead.
    pub message: String,
    /// What the client has sent, if it reads HTTP/2 and nothing else.
    pub http_2: Option<Vec<u8>>,
}

impl Refusal {
    /// A refusal with this status and message, as HTTP/1.1 has it.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            http_2: None,
        }
    }

    fn large_head() -> Self {
        Self::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "the request's head is larger than 64 KiB or has more than 100 headers",
        )
    }
}

/// What a client's connection shares between hyper's reader and the tasks around it.
#[derive(Debug)]
pub(super) struct ClientLink {
    /// The socket itself, for watching, tunnelling and lingering.
    pub socket: Socket,
    state: Mutex<LinkState>,
    written: AtomicU64,
    unwritten: AtomicUsize,
    /// What is special about the next answer: [`AS_HTTP_11`], [`HIJACKED`].
    next_answer: AtomicU8,
    notice: AtomicU8,
    /// A request was begun since the connection's task was last woken.
    had_turn: AtomicBool,
}

/// Its head says HTTP/1.1 although hyper was told 1.0.
const AS_HTTP_11: u8 = 1;
/// With its head the reading of requests is over.
const HIJACKED: u8 = 2;

/// What the connection's task has to know besides what hyper tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Notice {
    /// Nothing.
    Nothing,
    /// The connection has idled for [`ENGINE_IDLE`].
    LongIdle,
    /// The head of the answer that follows [`ClientLink::hijack`] is written.
    Hijacked,
}

#[derive(Debug)]
struct LinkState {
    expect: Expect,
    refusal: Option<Refusal>,
    unread: bool,
    /// The close is to be a reset.
    cut: bool,
    /// What the reader had read of the bytes that are the engine's, once the answer's head is out.
    early: Option<BytesMut>,
}

/// How a request's body is framed, as hyper's parser decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// No body.
    Empty,
    /// A body of so many bytes.
    Sized(u64),
    /// A chunked body.
    Chunked,
}

impl ClientLink {
    /// Wraps an accepted socket.
    pub(super) fn new(socket: Socket) -> Arc<Self> {
        Arc::new(Self {
            socket,
            state: Mutex::new(LinkState {
                expect: Expect::Head,
                refusal: None,
                unread: false,
                cut: false,
                early: None,
            }),
            written: AtomicU64::new(0),
            unwritten: AtomicUsize::new(0),
            next_answer: AtomicU8::new(0),
            notice: AtomicU8::new(Notice::Nothing as u8),
            had_turn: AtomicBool::new(false),
        })
    }

    fn state(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the reader how the body behind the head that hyper just parsed is framed.
    pub(super) fn expect_body(&self, framing: Framing) {
        self.state().expect = match framing {
            Framing::Empty | Framing::Sized(0) => Expect::Head,
            Framing::Sized(n) => Expect::Sized(n),
            Framing::Chunked => Expect::Chunked(Chunks::default()),
        };
    }

    /// The next response head says HTTP/1.1 although hyper was told 1.0, which is how it is made
    /// to write a body that ends with the connection.
    pub(super) fn next_answer_ends_with_the_connection(&self) {
        self.next_answer.fetch_or(AS_HTTP_11, Relaxed);
        // Whatever the client says to the output's end, nobody reads it.
        self.state().unread = true;
    }

    /// Ends the reading of requests: what the client sends from here on is never one. False if it
    /// has not sent the whole of its last one.
    pub(super) fn hijack(&self) -> bool {
        let mut state = self.state();
        let whole = matches!(state.expect, Expect::Head);
        if whole {
            state.expect = Expect::Nothing;
            self.next_answer.fetch_or(HIJACKED, Relaxed);
        }
        whole
    }

    /// What had been read of the client behind its last request. There is none before
    /// [`Notice::Hijacked`]: the reader holds it, and what the socket still has is only its rest.
    pub(super) fn take_early(&self) -> Option<BytesMut> {
        self.state().early.take()
    }

    /// What was refused, if that is how the connection ended.
    pub(super) fn take_refusal(&self) -> Option<Refusal> {
        self.state().refusal.take()
    }

    /// Whether bytes of the client may still be under way that nobody will read.
    pub(super) fn has_unread(&self) -> bool {
        let state = self.state();
        state.unread || !matches!(state.expect, Expect::Head)
    }

    /// Makes the close a reset. Before it there must be no FIN, which would be a proper end.
    pub(super) fn cut(&self) {
        self.socket.reset_on_close();
        self.state().cut = true;
    }

    /// Whether the close is to be a reset.
    pub(super) fn is_cut(&self) -> bool {
        self.state().cut
    }

    /// Bytes that the client's socket took so far.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Whether the client's socket did not take all of the last write.
    pub(super) fn is_behind(&self) -> bool {
        self.unwritten.load(Relaxed) > 0
    }

    /// The connection's task was woken: it may begin one request.
    pub(super) fn begin_turn(&self) {
        self.had_turn.store(false, Relaxed);
    }

    /// Ready at once for the first request of a turn. Each further one, which a client sent without
    /// waiting for an answer, comes after all other connections and their sockets had a turn: hyper
    /// alone goes on for sixteen. (Beside four clients that pipeline denied requests of 8 KB, a
    /// quiet one's p99 fell from 200 ms to 10 ms.)
    pub(super) async fn turn(&self) {
        if self.had_turn.load(Relaxed) {
            // tokio looks for what has become ready on the sockets before it goes on here.
            yield_now().await;
        }
        self.had_turn.store(true, Relaxed);
    }

    /// What there is to know, once.
    pub(super) fn take_notice(&self) -> Notice {
        // A load first: it is asked after every poll of the connection.
        match self.notice.load(Relaxed) {
            0 => Notice::Nothing,
            _ => match self.notice.swap(Notice::Nothing as u8, Relaxed) {
                notice if notice == Notice::Hijacked as u8 => Notice::Hijacked,
                _ => Notice::LongIdle,
            },
        }
    }

    fn give_notice(&self, notice: Notice) {
        self.notice.store(notice as u8, Relaxed);
    }
}

/// The client's socket as hyper reads and writes it.
#[derive(Debug)]
pub(super) struct ClientIo {
    link: Arc<ClientLink>,
    /// Bytes read from the socket that hyper may not have yet.
    ahead: BytesMut,
    /// How many bytes at the front of `ahead` hold no head's end.
    searched: usize,
    /// What hyper does not have yet of a head that was checked.
    cleared: BytesMut,
    /// Since when the reader waits for a head: for its first byte, or for its rest.
    waiting: Option<Instant>,
    idle: Option<Pin<Box<Sleep>>>,
    head: Option<Pin<Box<Sleep>>>,
}

impl ClientIo {
    /// The reader and writer over `link`.
    pub(super) fn new(link: Arc<ClientLink>) -> Self {
        Self {
            link,
            ahead: BytesMut::new(),
            searched: 0,
            cleared: BytesMut::new(),
            waiting: None,
            idle: None,
            head: None,
        }
    }

    /// The bytes that arrived behind the last request, for the tunnel that follows it.
    pub(super) fn into_ahead(self) -> BytesMut {
        self.ahead
    }

    fn refuse(&self, refusal: Refusal) -> Poll<io::Result<()>> {
        let mut state = self.link.state();
        state.refusal = Some(refusal);
        state.unread = true;
        Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
    }

    /// Hands out up to `limit` bytes, first those read ahead.
    fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        limit: u64,
    ) -> Poll<io::Result<usize>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if self.ahead.is_empty() {
            return self.link.socket.poll_read(cx, &mut buf.limit(limit));
        }
        let n = limit.min(self.ahead.len()).min(buf.remaining());
        buf.put_slice(&self.ahead[..n]);
        self.ahead.advance(n);
        Poll::Ready(Ok(n))
    }

    fn poll_head(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let start = buf.filled().len();
        if self.ahead.is_empty() {
            // What it had room for may have been much.
            self.ahead = BytesMut::new();
            match self.link.socket.poll_read(cx, buf) {
                Poll::Pending => return self.poll_idle(cx),
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
            }
            let read = &buf.filled()[start..];
            // The usual case: one read brought one plain head, and it stays where it is.
            if head_end(read) == Some(read.len()) && is_plain(read) {
                return self.hand_over();
            }
            self.ahead.extend_from_slice(read);
            buf.set_filled(start);
            self.waiting = None;
        }
        loop {
            // RFC 9112, section 2.2: empty lines before a request line are ignored.
            let blank = self
                .ahead
                .iter()
                .take_while(|b| matches!(b, b'\r' | b'\n'))
                .count();
            self.ahead.advance(blank);
            self.searched = self.searched.saturating_sub(blank);
            if let Some(refusal) = opening::refusal(&self.ahead, self.link.written() == 0) {
                return self.refuse(refusal);
            }
            // Not all of it again for each byte of a client that sends them one by one: the end may
            // begin in the last two bytes that were looked at.
            let from = self.searched.saturating_sub(2);
            self.searched = self.ahead.len();
            if let Some(end) = head_end(&self.ahead[from..]).map(|end| from + end) {
                self.searched = 0;
                if end > MAX_HEAD {
                    return self.refuse(Refusal::large_head());
                }
                match checked_head(&self.ahead[..end]) {
                    Ok(None) => self.cleared = self.ahead.split_to(end),
                    Ok(Some(head)) => {
                        self.cleared = BytesMut::from(&*head);
                        self.ahead.advance(end);
                    }
                    Err(refusal) => return self.refuse(refusal),
                }
                return self.poll_cleared(buf);
            }
            if self.ahead.len() > MAX_HEAD {
                return self.refuse(Refusal::large_head());
            }
            self.ahead.reserve(4096);
            match self.link.socket.poll_read(cx, &mut self.ahead) {
                Poll::Pending if self.ahead.is_empty() => return self.poll_idle(cx),
                Poll::Pending => {
                    if self.head.is_none() {
                        self.head = Some(Box::pin(sleep_until(Instant::now() + HEAD_TIMEOUT)));
                    }
                    let expired = self
                        .head
                        .as_mut()
                        .is_some_and(|t| t.as_mut().poll(cx).is_ready());
                    if expired {
                        return self.refuse(Refusal::new(
                            StatusCode::REQUEST_TIMEOUT,
                            "the request's head did not arrive within 10 seconds of its first byte",
                        ));
                    }
                    return Poll::Pending;
                }
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
            }
        }
    }

    /// Gives hyper what it has room for of a checked head; the verdict comes when it has all.
    fn poll_cleared(&mut self, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let n = self.cleared.len().min(buf.remaining());
        buf.put_slice(&self.cleared[..n]);
        self.cleared.advance(n);
        if self.cleared.is_empty() {
            self.hand_over()
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn hand_over(&mut self) -> Poll<io::Result<()>> {
        self.waiting = None;
        self.head = None;
        self.link.state().expect = Expect::Verdict;
        Poll::Ready(Ok(()))
    }

    /// Waits for a head's first byte: ends the engine's connection, later the client's own.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let since = *self.waiting.get_or_insert_with(Instant::now);
        let idle = self
            .idle
            .get_or_insert_with(|| Box::pin(sleep_until(since + ENGINE_IDLE)));
        // One timer a connection, moved only when it fires: a request does not touch it.
        while idle.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if now >= since + CLIENT_IDLE {
                return Poll::Ready(Ok(()));
            }
            if now >= since + ENGINE_IDLE {
                self.link.give_notice(Notice::LongIdle);
                idle.as_mut().reset(since + CLIENT_IDLE);
            } else {
                idle.as_mut().reset(since + ENGINE_IDLE);
            }
        }
        Poll::Pending
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.cleared.is_empty() {
            return this.poll_cleared(buf);
        }
        let link = Arc::clone(&this.link);
        let mut state = link.state();
        match &mut state.expect {
            Expect::Head => {
                drop(state);
                this.poll_head(cx, buf)
            }
            // hyper asks for more of a head that was whole, so that the two readings differ; or for
            // what is not a request's.
            Expect::Verdict | Expect::Nothing => {
                state.unread = true;
                Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
            }
            Expect::Sized(left) => {
                let n = ready!(this.poll_bytes(cx, buf, *left))?;
                *left -= n as u64;
                if *left == 0 {
                    state.expect = Expect::Head;
                }
                Poll::Ready(Ok(()))
            }
            Expect::Chunked(chunks) => {
                let start = buf.filled().len();
                let was_ahead = !this.ahead.is_empty();
                // Looked at first: what stands behind the body stays where it is.
                let here = this.ahead.len().min(buf.remaining());
                let mut fed = chunks.feed(&this.ahead[..here]);
                let limit = if let Fed::End(end) = fed {
                    end
                } else {
                    usize::MAX
                };
                ready!(this.poll_bytes(cx, buf, limit as u64))?;
                if !was_ahead {
                    let read = &buf.filled()[start..];
                    fed = chunks.feed(read);
                    if let Fed::End(end) = fed {
                        // Behind the body stands the next request.
                        this.ahead.extend_from_slice(&read[end..]);
                        buf.set_filled(start + end);
                    }
                }
                match fed {
                    Fed::More => {}
                    Fed::End(_) => state.expect = Expect::Head,
                    Fed::Broken => state.expect = Expect::Broken,
                }
                Poll::Ready(Ok(()))
            }
            Expect::Broken => {
                ready!(this.poll_bytes(cx, buf, u64::MAX))?;
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        const OLD: &[u8] = b"HTTP/1.0 ";
        const NEW: &[u8] = b"HTTP/1.1 ";
        let all: usize = bufs.iter().map(|buf| buf.len()).sum();
        let link = &self.link;
        let first = bufs.first().map_or(&[][..], |b| b);
        let next = link.next_answer.load(Relaxed);
        link.unwritten.store(all, Relaxed);
        let n = if next & AS_HTTP_11 != 0 && first.starts_with(OLD) {
            let mut head = first.to_vec();
            head[..NEW.len()].copy_from_slice(NEW);
            let n = ready!(link.socket.poll_write(cx, &[IoSlice::new(&head)]))?;
            if n < NEW.len() {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            n
        } else {
            ready!(link.socket.poll_write(cx, bufs))?
        };
        link.written.fetch_add(n as u64, Relaxed);
        link.unwritten.store(all - n, Relaxed);
        if next != 0 {
            // Only one write can begin with that head.
            link.next_answer.store(0, Relaxed);
            if next & HIJACKED != 0 {
                let early = mem::take(&mut self.ahead);
                self.link.state().early = Some(early);
                self.link.give_notice(Notice::Hijacked);
            }
        }
        Poll::Ready(Ok(n))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Leaves the end to the connection's task, which knows whether to linger.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Whether the engine got a client's request: its socket took the whole head.
#[derive(Debug)]
pub(super) struct SentHead {
    /// How many of its bytes the socket has not taken.
    left: AtomicUsize,
}

impl Default for SentHead {
    fn default() -> Self {
        Self {
            left: AtomicUsize::new(Self::NONE),
        }
    }
}

impl SentHead {
    /// Nothing of it was written, so nobody knows how long it is.
    const UNKNOWN: usize = usize::MAX;
    /// There is none: what is written is what was left of an earlier request.
    const NONE: usize = usize::MAX - 1;

    /// Another one is to come.
    pub(super) fn forget(&self) {
        self.left.store(Self::NONE, Relaxed);
    }

    /// It is what is written next.
    pub(super) fn expect(&self) {
        self.left.store(Self::UNKNOWN, Relaxed);
    }

    /// Whether the engine has it.
    pub(super) fn is_whole(&self) -> bool {
        self.left.load(Relaxed) == 0
    }

    /// The socket took so many bytes of `bufs`. hyper writes a head in one piece, with or without
    /// what follows.
    fn took(&self, n: usize, bufs: &[IoSlice<'_>]) {
        let left = match self.left.load(Relaxed) {
            0 | Self::NONE => return,
            Self::UNKNOWN => {
                let first = bufs.first().map_or(&[][..], |buf| buf);
                head_end(first).unwrap_or(first.len())
            }
            left => left,
        };
        self.left.store(left.saturating_sub(n), Relaxed);
    }
}

/// What is known of an engine's connection outside hyper.
#[derive(Debug)]
pub(super) struct EngineLink {
    /// The socket itself, for the tunnel and for a look before reuse.
    pub socket: Socket,
    accepted: AtomicU64,
    head: Arc<SentHead>,
    behind: AtomicBool,
    hijacked: AtomicBool,
}

impl EngineLink {
    /// Wraps a connected socket; `head` learns what becomes of each request's.
    pub(super) fn new(socket: Socket, head: Arc<SentHead>) -> Arc<Self> {
        Arc::new(Self {
            socket,
            accepted: AtomicU64::new(0),
            head,
            behind: AtomicBool::new(false),
            hijacked: AtomicBool::new(false),
        })
    }

    /// Whether the engine's socket did not take all of the last write.
    pub(super) fn is_behind(&self) -> bool {
        self.behind.load(Relaxed)
    }

    /// From here on what is written goes past hyper, which must not end it.
    pub(super) fn hijack(&self) {
        self.hijacked.store(true, Relaxed);
    }

    /// Bytes that the engine's socket took so far.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }
}

/// The engine's socket as hyper reads and writes it.
#[derive(Debug)]
pub(super) struct EngineIo {
    link: Arc<EngineLink>,
    broken: bool,
    gathering: Gathering,
}

impl EngineIo {
    /// The reader and writer over `link`.
    pub(super) fn new(link: Arc<EngineLink>) -> Self {
        Self {
            link,
            broken: false,
            gathering: Gathering::default(),
        }
    }

    /// How many of all bytes of `parts` are taken, or dropped.
    fn poll_parts(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
        all: usize,
    ) -> Poll<usize> {
        if !self.broken {
            ready!(self.gathering.poll(cx, all));
            match ready!(self.link.socket.poll_write(cx, parts)) {
                Ok(n) => {
                    self.gathering.left(all - n);
                    self.link.head.took(n, parts);
                    self.link.accepted.fetch_add(n as u64, Relaxed);
                    return Poll::Ready(n);
                }
                // From here on the upload is dropped and only the answer counts.
                Err(_) => self.broken = true,
            }
        }
        Poll::Ready(all)
    }
}

impl AsyncRead for EngineIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.link.socket.poll_read(cx, buf).map_ok(|_| ())
    }
}

impl AsyncWrite for EngineIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = bufs.iter().map(|buf| buf.len()).sum();
        let written = self.poll_parts(cx, bufs, all);
        let is_whole = matches!(written, Poll::Ready(n) if n == all);
        self.link.behind.store(!is_whole, Relaxed);
        written.map(Ok)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.link.hijacked.load(Relaxed) {
            self.link.socket.shutdown_write();
        }
        Poll::Ready(Ok(()))
    }
}

/// Where a head ends: behind its first empty line, with the line ends that hyper's parser takes.
fn head_end(bytes: &[u8]) -> Option<usize> {
    memchr_iter(b'\n', bytes).find_map(|lf| match &bytes[lf + 1..] {
        [b'\n', ..] => Some(lf + 2),
        [b'\r', b'\n', ..] => Some(lf + 3),
        _ => None,
    })
}

/// Whether a head can go to hyper as it is: small, and no byte in its request line to look at.
fn is_plain(head: &[u8]) -> bool {
    let line = request_line(head);
    head.len() <= 4096
        && head[0] > b' '
        && memchr3(b'"', b'<', b'>', line).is_none()
        && memchr(b'#', line).is_none()
        && line.is_ascii()
        && lines(head) <= MAX_HEADERS + 2
}

/// The lines of a head: one for the request, one a header, and the empty one.
fn lines(head: &[u8]) -> usize {
    memchr_iter(b'\n', head).count()
}

fn request_line(head: &[u8]) -> &[u8] {
    memchr(b'\n', head).map_or(head, |end| &head[..end])
}

/// Refuses a head that hyper would refuse without a word or mend in silence; gives back another
/// one where its target needed encoding.
fn checked_head(head: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
    if lines(head) > MAX_HEADERS + 2 {
        return Err(Refusal::large_head());
    }
    let line = request_line(head);
    // A line of another shape is hyper's to refuse.
    let (Some(first), Some(last)) = (
        line.iter().position(|&b| b == b' '),
        line.iter().rposition(|&b| b == b' '),
    ) else {
        return Ok(None);
    };
    if last <= first {
        return Ok(None);
    }
    match encode_target(&line[first + 1..last]) {
        Ok(Cow::Borrowed(_)) => Ok(None),
        Ok(Cow::Owned(target)) if target.len() > MAX_TARGET => Err(Refusal::new(
            StatusCode::URI_TOO_LONG,
            BadTarget::Long.to_string(),
        )),
        Ok(Cow::Owned(target)) => Ok(Some([&head[..=first], &target, &head[last..]].concat())),
        Err(e) => Err(Refusal::new(StatusCode::BAD_REQUEST, e.to_string())),
    }
}

/// Finds the end of a chunked body (RFC 9112, section 7.1) as its bytes pass. hyper decodes the
/// body and is the judge of it; this only has to know where the next request begins.
#[derive(Debug, Default)]
struct Chunks {
    at: ChunkPart,
    size: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum ChunkPart {
    #[default]
    Size,
    Extension,
    Data,
    DataEnd,
    /// A trailer line; true: nothing of it but a CR has come.
    Trailer(bool),
}

enum Fed {
    More,
    End(usize),
    Broken,
}

impl Chunks {
    fn feed(&mut self, bytes: &[u8]) -> Fed {
        let mut i = 0;
        while i < bytes.len() {
            let byte = bytes[i];
            match (self.at, byte) {
                (ChunkPart::Data, _) => {
                    let here = bytes.len() - i;
                    let n = usize::try_from(self.size).map_or(here, |size| size.min(here));
                    self.size -= n as u64;
                    i += n;
                    if self.size == 0 {
                        self.at = ChunkPart::DataEnd;
                    }
                    continue;
                }
                (ChunkPart::Size | ChunkPart::Extension, b'\n') => {
                    self.at = if self.size == 0 {
                        ChunkPart::Trailer(true)
                    } else {
                        ChunkPart::Data
                    };
                }
                (ChunkPart::Size, _) => match char::from(byte).to_digit(16) {
                    Some(digit) if self.size >> 60 == 0 => {
                        self.size = self.size << 4 | u64::from(digit);
                    }
                    Some(_) => return Fed::Broken,
                    None => self.at = ChunkPart::Extension,
                },
                (ChunkPart::DataEnd, b'\n') => self.at = ChunkPart::Size,
                (ChunkPart::DataEnd, b'\r') | (ChunkPart::Extension, _) => {}
                (ChunkPart::DataEnd, _) => return Fed::Broken,
                (ChunkPart::Trailer(true), b'\n') => return Fed::End(i + 1),
                (ChunkPart::Trailer(_), b'\n') => self.at = ChunkPart::Trailer(true),
                (ChunkPart::Trailer(true), b'\r') => {}
                (ChunkPart::Trailer(_), _) => self.at = ChunkPart::Trailer(false),
            }
            i += 1;
        }
        Fed::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_end_where_hyper_ends_them() {
        for (bytes, end) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], Some(18)),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest", Some(27)),
            (b"GET / HTTP/1.1\n\nrest", Some(16)),
            (b"GET / HTTP/1.1\n\r\nrest", Some(17)),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r", None),
            (b"GET / HTTP/1.1\r\n", None),
            (b"", None),
        ] {
            assert_eq!(head_end(bytes), end, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn the_engine_has_a_request_when_it_has_its_whole_head() {
        let (head, body) = (&b"POST / HTTP/1.1\r\nHost: a\r\n\r\n"[..], &b"body"[..]);
        let message = [head, body].concat();
        let sent = SentHead::default();
        for taken in 0..=message.len() {
            sent.expect();
            // As one piece or two, and the rest in a second write.
            sent.took(taken, &[IoSlice::new(head), IoSlice::new(body)]);
            assert_eq!(sent.is_whole(), taken >= head.len(), "{taken}");
            sent.took(message.len() - taken, &[IoSlice::new(&message[taken..])]);
            assert!(sent.is_whole(), "{taken}");
            sent.expect();
            sent.took(taken, &[IoSlice::new(&message)]);
            assert_eq!(sent.is_whole(), taken >= head.len(), "{taken}");
        }
        sent.expect();
        assert!(!sent.is_whole());
        sent.forget();
        sent.took(body.len(), &[IoSlice::new(body)]);
        assert!(!sent.is_whole(), "it was the end of an earlier request");
    }

    #[test]
    fn chunked_bodies_end_wherever_they_are_cut() {
        for body in [
            &b"5\r\nhello\r\n0\r\n\r\n"[..],
            b"5;a=b\r\nhello\r\n0\r\n\r\n",
            b"A\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\nX: y\r\nZ: \r\n\r\n",
            b"0\r\n\r\n",
        ] {
            let stream = [body, b"GET / HTTP/1.1\r\n"].concat();
            for cut in 1..stream.len() {
                let mut chunks = Chunks::default();
                let end = match chunks.feed(&stream[..cut]) {
                    Fed::End(end) => end,
                    Fed::More => match chunks.feed(&stream[cut..]) {
                        Fed::End(end) => cut + end,
                        Fed::More | Fed::Broken => panic!("no end: {}", stream.escape_ascii()),
                    },
                    Fed::Broken => panic!("broken: {}", stream.escape_ascii()),
                };
                assert_eq!(end, body.len(), "{} cut at {cut}", stream.escape_ascii());
            }
        }
        let broken = Chunks::default().feed(b"11111111111111111\r\n");
        assert!(matches!(broken, Fed::Broken));
    }
}
