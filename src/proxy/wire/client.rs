//! The client's socket as hyper reads and writes it: whole heads, and exactly the bytes of a body.
//!
//! What is read ahead of hyper stays here until it is known to belong to a request or a tunnel.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::chunks::Fed;
use super::head::{HEAD_TIMEOUT, MAX_HEAD, Refusal, checked_head, head_end, is_plain};
use super::link::{AS_HTTP_11, ClientLink, Expect, HIJACKED, Notice};
use super::opening;
use crate::observe::access::Reason;

/// How long a client's connection may idle between requests.
const CLIENT_IDLE: Duration = Duration::from_secs(300);
/// How long an engine's connection may idle.
const ENGINE_IDLE: Duration = Duration::from_secs(30);

/// The client's socket as hyper reads and writes it.
#[derive(Debug)]
pub(in crate::proxy) struct ClientIo {
    link: Arc<ClientLink>,
    /// Bytes read from the socket that hyper may not have yet.
    ahead: BytesMut,
    /// How many bytes at the front of `ahead` do not contain the end of a head.
    searched: usize,
    /// How much of a checked head hyper does not have yet.
    cleared: BytesMut,
    /// Since when the reader has waited for the first byte of a head, or for its rest.
    waiting: Option<Instant>,
    idle: Option<Pin<Box<Sleep>>>,
    head: Option<Pin<Box<Sleep>>>,
}

impl ClientIo {
    /// The reader and writer over `link`.
    pub(in crate::proxy) fn new(link: Arc<ClientLink>) -> Self {
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

    /// The bytes that arrived after the last request, for the tunnel that follows it.
    pub(in crate::proxy) fn into_ahead(self) -> BytesMut {
        self.ahead
    }

    fn refuse(&self, refusal: Refusal) -> Poll<io::Result<()>> {
        let mut state = self.link.state();
        state.refusal = Some(refusal);
        state.unread = true;
        Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
    }

    /// Hands out up to `limit` bytes, starting with those read ahead.
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
            // It may have had a lot of room.
            self.ahead = BytesMut::new();
            match self.link.socket.poll_read(cx, buf) {
                Poll::Pending => return self.poll_idle(cx),
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
            }
            let read = &buf.filled()[start..];
            // The usual case: one read returned one plain head, which stays where it is.
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
            // Do not search all of it again if a client sends single bytes: the end may begin in
            // the last two bytes that were searched.
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
                            Reason::TimedOut,
                            "the request headers were not received within 10 seconds",
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

    /// Gives hyper as much of a checked head as it has room for. It decides once it has all of it.
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

    /// Waits for a head's first byte. On a timeout, closes the engine's connection, later the
    /// client's.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let since = *self.waiting.get_or_insert_with(Instant::now);
        let idle = self
            .idle
            .get_or_insert_with(|| Box::pin(sleep_until(since + ENGINE_IDLE)));
        // One timer per connection, reset only when it fires: requests do not touch it.
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
            // hyper wants more of a head that was complete, so the two readings differ; or it wants
            // bytes that belong to no request.
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
                // Look first: what follows the body stays where it is.
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
                        // The next request follows the body.
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
