//! What a client's connection shares between hyper's reader and the tasks around it.
//!
//! The tasks set how a body is framed and how the next answer is written; the reader reports what
//! it refused, what has not been read, and events. Their lock is never held across an await.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use hyper::body::{Body, Incoming};
use tokio::task::yield_now;

use super::chunks::Chunks;
use super::head::Refusal;
use super::socket::Socket;
use crate::api::Framing;

/// What a client's connection shares between hyper's reader and the tasks around it.
#[derive(Debug)]
pub(in crate::proxy) struct ClientLink {
    /// The socket itself, for watching, tunnelling and lingering.
    pub socket: Socket,
    state: Mutex<LinkState>,
    pub(super) written: AtomicU64,
    pub(super) unwritten: AtomicUsize,
    /// What is special about the next answer: [`AS_HTTP_11`], [`HIJACKED`].
    pub(super) next_answer: AtomicU8,
    notice: AtomicU8,
    /// Whether a request has begun since the connection's task was last woken.
    had_turn: AtomicBool,
}

/// Its head says HTTP/1.1 although hyper writes 1.0.
pub(super) const AS_HTTP_11: u8 = 1;
/// With its head, the reading of requests ends.
pub(super) const HIJACKED: u8 = 2;

/// What the connection's task must know besides what hyper reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::proxy) enum Notice {
    /// Nothing.
    Nothing,
    /// The connection has idled for `ENGINE_IDLE`.
    LongIdle,
    /// The head of the answer after [`ClientLink::hijack`] has been written.
    Hijacked,
}

/// What a client's next bytes are.
#[derive(Debug)]
pub(super) enum Expect {
    /// A request head, or nothing for a while.
    Head,
    /// Unknown: a head was handed to hyper, which has not reported its framing yet.
    Verdict,
    /// This many bytes of a body.
    Sized(u64),
    /// A chunked body.
    Chunked(Chunks),
    /// Invalid framing, which hyper refuses itself.
    Broken,
    /// No more requests: the bytes are for the engine, and bypass hyper.
    Nothing,
}

#[derive(Debug)]
pub(super) struct LinkState {
    pub(super) expect: Expect,
    pub(super) refusal: Option<Refusal>,
    pub(super) unread: bool,
    /// Whether to close with a reset.
    cut: bool,
    /// What the reader had already read of the engine's bytes, once the answer's head is written.
    pub(super) early: Option<BytesMut>,
}

impl ClientLink {
    /// Wraps an accepted socket.
    pub(in crate::proxy) fn new(socket: Socket) -> Arc<Self> {
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

    pub(super) fn state(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets and returns how the body after the head that hyper just parsed is framed: as hyper's
    /// parser decided.
    pub(in crate::proxy) fn expect_body(&self, body: &Incoming) -> Framing {
        let framing = match body.size_hint().exact() {
            _ if body.is_end_stream() => Framing::Empty,
            Some(length) => Framing::Sized(length),
            None => Framing::Chunked,
        };
        self.state().expect = match framing {
            Framing::Empty | Framing::Sized(0) => Expect::Head,
            Framing::Sized(length) => Expect::Sized(length),
            Framing::Chunked => Expect::Chunked(Chunks::default()),
        };
        framing
    }

    /// Makes the next response head say HTTP/1.1 although hyper writes 1.0, which is how it is made
    /// to write a body that ends with the connection.
    pub(in crate::proxy) fn next_answer_ends_with_the_connection(&self) {
        self.next_answer.fetch_or(AS_HTTP_11, Relaxed);
        // Nothing that the client sends until the end of the output is read.
        self.state().unread = true;
    }

    /// Ends the reading of requests: nothing that the client sends from now on is one. False if its
    /// last request is incomplete.
    pub(in crate::proxy) fn hijack(&self) -> bool {
        let mut state = self.state();
        let whole = matches!(state.expect, Expect::Head);
        if whole {
            state.expect = Expect::Nothing;
            self.next_answer.fetch_or(HIJACKED, Relaxed);
        }
        whole
    }

    /// What had been read from the client after its last request. Empty before
    /// [`Notice::Hijacked`]: until then, the reader holds it, and the socket only has the rest.
    pub(in crate::proxy) fn take_early(&self) -> Option<BytesMut> {
        self.state().early.take()
    }

    /// What was refused, if that ended the connection.
    pub(in crate::proxy) fn take_refusal(&self) -> Option<Refusal> {
        self.state().refusal.take()
    }

    /// Whether the client may still be sending bytes that will not be read.
    pub(in crate::proxy) fn has_unread(&self) -> bool {
        let state = self.state();
        state.unread || !matches!(state.expect, Expect::Head)
    }

    /// Closes with a reset. No FIN must precede it, because that would be a proper end.
    pub(in crate::proxy) fn cut(&self) {
        self.socket.reset_on_close();
        self.state().cut = true;
    }

    /// Whether the close is to be a reset.
    pub(in crate::proxy) fn is_cut(&self) -> bool {
        self.state().cut
    }

    /// The number of bytes that the client's socket has taken.
    pub(in crate::proxy) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Whether the client's socket did not take all of the last write.
    pub(in crate::proxy) fn is_behind(&self) -> bool {
        self.unwritten.load(Relaxed) > 0
    }

    /// The connection's task was woken: it may begin one request.
    pub(in crate::proxy) fn begin_turn(&self) {
        self.had_turn.store(false, Relaxed);
    }

    /// Ready at once for the first request of a turn. Each further one, which a client sent without
    /// waiting for an answer, waits until all other connections and their sockets have had a turn:
    /// hyper alone would continue for sixteen. (Beside four clients that pipeline denied requests
    /// of 8 KB, a quiet one's p99 fell from 200 ms to 10 ms.)
    pub(in crate::proxy) async fn turn(&self) {
        if self.had_turn.load(Relaxed) {
            // tokio checks the sockets for readiness before it continues here.
            yield_now().await;
        }
        self.had_turn.store(true, Relaxed);
    }

    /// The pending notice, once.
    pub(in crate::proxy) fn take_notice(&self) -> Notice {
        // A load first: this runs after every poll of the connection.
        match self.notice.load(Relaxed) {
            0 => Notice::Nothing,
            _ => match self.notice.swap(Notice::Nothing as u8, Relaxed) {
                notice if notice == Notice::Hijacked as u8 => Notice::Hijacked,
                _ => Notice::LongIdle,
            },
        }
    }

    pub(super) fn give_notice(&self, notice: Notice) {
        self.notice.store(notice as u8, Relaxed);
    }
}
