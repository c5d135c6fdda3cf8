//! The engine's socket as hyper reads and writes it.
//!
//! After a failed write, the upload is dropped but the answer is still read. The bytes that the
//! socket took are counted, since only a request of which it took none may be sent again.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::head::head_end;
use super::socket::Socket;

/// A part of a body that is at least this long waits a turn for the next part.
const BULK: Range<usize> = 16 * 1024..128 * 1024;

/// Whether the engine got a client's request, which it did if its socket took the whole head.
#[derive(Debug)]
pub(in crate::proxy) struct SentHead {
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
    /// None of it has been written, so its length is unknown.
    const UNKNOWN: usize = usize::MAX;
    /// No head: what is written is the rest of an earlier request.
    const NONE: usize = usize::MAX - 1;

    /// The next head is expected.
    pub(in crate::proxy) fn forget(&self) {
        self.left.store(Self::NONE, Relaxed);
    }

    /// The head is written next.
    pub(in crate::proxy) fn expect(&self) {
        self.left.store(Self::UNKNOWN, Relaxed);
    }

    /// Whether the engine has the head.
    pub(in crate::proxy) fn is_whole(&self) -> bool {
        self.left.load(Relaxed) == 0
    }

    /// Records that the socket took this many bytes of `bufs`. hyper writes a head in one piece,
    /// with or without what follows.
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
pub(in crate::proxy) struct EngineLink {
    /// The socket itself, for the tunnel and for a look before reuse.
    pub socket: Socket,
    accepted: AtomicU64,
    head: Arc<SentHead>,
    behind: AtomicBool,
    hijacked: AtomicBool,
    /// What TLS said when reading failed: hyper drops it where it waits for nothing yet.
    tls_error: OnceLock<rustls::Error>,
}

impl EngineLink {
    /// Wraps a connected socket; `head` learns what becomes of each request's.
    pub(in crate::proxy) fn new(socket: Socket, head: Arc<SentHead>) -> Arc<Self> {
        Arc::new(Self {
            socket,
            accepted: AtomicU64::new(0),
            head,
            behind: AtomicBool::new(false),
            hijacked: AtomicBool::new(false),
            tls_error: OnceLock::new(),
        })
    }

    /// Whether the engine's socket did not take all of the last write.
    pub(in crate::proxy) fn is_behind(&self) -> bool {
        self.behind.load(Relaxed)
    }

    /// From now on, writes bypass hyper, which must not end the connection.
    pub(in crate::proxy) fn hijack(&self) {
        self.hijacked.store(true, Relaxed);
    }

    /// Why TLS ended the connection, if it did.
    pub(in crate::proxy) fn tls_error(&self) -> Option<&rustls::Error> {
        self.tls_error.get()
    }

    /// Notes what TLS says.
    fn failed(&self, e: &io::Error) {
        let inner = e.get_ref().and_then(|inner| inner.downcast_ref());
        if let Some(tls) = inner.cloned() {
            let _ = self.tls_error.set(tls);
        }
    }

    /// The number of bytes that the engine's socket has taken.
    pub(in crate::proxy) fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }
}

/// The engine's socket as hyper reads and writes it.
#[derive(Debug)]
pub(in crate::proxy) struct EngineIo {
    link: Arc<EngineLink>,
    broken: bool,
    gathering: Gathering,
}

impl EngineIo {
    /// The reader and writer over `link`.
    pub(in crate::proxy) fn new(link: Arc<EngineLink>) -> Self {
        Self {
            link,
            broken: false,
            gathering: Gathering::default(),
        }
    }

    /// How many bytes of `parts` were taken or dropped.
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
                // From now on, the upload is dropped, and only the answer matters.
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
        let read = ready!(self.link.socket.poll_read(cx, buf));
        Poll::Ready(read.map(drop).inspect_err(|e| self.link.failed(e)))
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

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.link.hijacked.load(Relaxed) {
            ready!(self.link.socket.poll_shutdown_write(cx));
        }
        Poll::Ready(Ok(()))
    }
}

/// Combines the parts of a large upload, which hyper passes on one by one: each write would wake
/// the engine. Not used for answers, whose last part must never be held back.
#[derive(Debug, Default)]
struct Gathering {
    /// The number of bytes at the last turn.
    had: usize,
}

impl Gathering {
    /// Ready when `bytes` should be written: they are few or enough, or no more arrived in a turn.
    fn poll(&mut self, cx: &mut Context<'_>, bytes: usize) -> Poll<()> {
        if BULK.contains(&bytes) && bytes > self.had {
            self.had = bytes;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Records that this many bytes were not taken.
    fn left(&mut self, bytes: usize) {
        self.had = bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
