//! What a client's connection shares between hyper's reader and the tasks around it.
//!
//! The tasks say how a body is framed and what becomes of the next answer; the reader says what it
//! refused, what nobody has read, and what there is to know. Their lock is never held across an
//! await.

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
    /// A request was begun since the connection's task was last woken.
    had_turn: AtomicBool,
}

/// Its head says HTTP/1.1 although hyper was told 1.0.
pub(super) const AS_HTTP_11: u8 = 1;
/// With its head the reading of requests is over.
pub(super) const HIJACKED: u8 = 2;

/// What the connection's task has to know besides what hyper tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::proxy) enum Notice {
    /// Nothing.
    Nothing,
    /// The connection has idled for `ENGINE_IDLE`.
    LongIdle,
    /// The head of the answer that follows [`ClientLink::hijack`] is written.
    Hijacked,
}

/// What the next bytes of a client are.
#[derive(Debug)]
pub(super) enum Expect {
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

#[derive(Debug)]
pub(super) struct LinkState {
    pub(super) expect: Expect,
    pub(super) refusal: Option<Refusal>,
    pub(super) unread: bool,
    /// The close is to be a reset.
    cut: bool,
    /// What the reader had read of the bytes that are the engine's, once the answer's head is out.
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

    /// Tells the reader how the body behind the head that hyper just parsed is framed, and whoever
    /// asks: as hyper's parser decided.
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

    /// The next response head says HTTP/1.1 although hyper was told 1.0, which is how it is made
    /// to write a body that ends with the connection.
    pub(in crate::proxy) fn next_answer_ends_with_the_connection(&self) {
        self.next_answer.fetch_or(AS_HTTP_11, Relaxed);
        // Whatever the client says to the output's end, nobody reads it.
        self.state().unread = true;
    }

    /// Ends the reading of requests: what the client sends from here on is never one. False if it
    /// has not sent the whole of its last one.
    pub(in crate::proxy) fn hijack(&self) -> bool {
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
    pub(in crate::proxy) fn take_early(&self) -> Option<BytesMut> {
        self.state().early.take()
    }

    /// What was refused, if that is how the connection ended.
    pub(in crate::proxy) fn take_refusal(&self) -> Option<Refusal> {
        self.state().refusal.take()
    }

    /// Whether bytes of the client may still be under way that nobody will read.
    pub(in crate::proxy) fn has_unread(&self) -> bool {
        let state = self.state();
        state.unread || !matches!(state.expect, Expect::Head)
    }

    /// Makes the close a reset. Before it there must be no FIN, which would be a proper end.
    pub(in crate::proxy) fn cut(&self) {
        self.socket.reset_on_close();
        self.state().cut = true;
    }

    /// Whether the close is to be a reset.
    pub(in crate::proxy) fn is_cut(&self) -> bool {
        self.state().cut
    }

    /// Bytes that the client's socket took so far.
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
    /// waiting for an answer, comes after all other connections and their sockets had a turn: hyper
    /// alone goes on for sixteen. (Beside four clients that pipeline denied requests of 8 KB, a
    /// quiet one's p99 fell from 200 ms to 10 ms.)
    pub(in crate::proxy) async fn turn(&self) {
        if self.had_turn.load(Relaxed) {
            // tokio looks for what has become ready on the sockets before it goes on here.
            yield_now().await;
        }
        self.had_turn.store(true, Relaxed);
    }

    /// What there is to know, once.
    pub(in crate::proxy) fn take_notice(&self) -> Notice {
        // A load first: it is asked after every poll of the connection.
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
