//! One client's connection: who it is, its two sockets, and where its request stands.
//!
//! It has one request at a time and one connection to the engine, which no other client shares. A
//! request holds its client, never the other way round: otherwise neither would ever be dropped.

use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::holders::Held;
use super::shared::Shared;
use super::upstream::{UploadState, Upstream};
use super::wire::ClientLink;
use crate::observe::access::{Counters, Peer};

/// One client's connection.
#[derive(Debug)]
pub(super) struct Client {
    /// What all connections share.
    pub shared: Arc<Shared>,
    /// Who it is.
    pub peer: Peer,
    /// The same, as text for the log: formatted once, not for each request.
    pub peer_text: Arc<str>,
    /// Its socket.
    pub link: Arc<ClientLink>,
    /// Its share of what its client has.
    pub held: Held,
    /// What is known of its request's body.
    pub upload: Arc<UploadState>,
    upstream: Mutex<Option<Upstream>>,
    phase: AtomicU8,
}

/// Where a connection's request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// No request.
    Idle,
    /// Being decided on, or waiting for the engine.
    Waiting,
    /// Its answer or its tunnel is in progress.
    Streaming,
}

impl Client {
    /// A connection that has sent nothing yet.
    pub(super) fn new(
        shared: Arc<Shared>,
        peer: Peer,
        link: Arc<ClientLink>,
        held: Held,
    ) -> Arc<Self> {
        Arc::new(Self {
            shared,
            peer,
            peer_text: peer.to_string().into(),
            link,
            held,
            upload: Arc::default(),
            upstream: Mutex::default(),
            phase: AtomicU8::new(Phase::Idle as u8),
        })
    }

    /// The engine's connection, kept for its next request.
    pub(super) fn upstream(&self) -> MutexGuard<'_, Option<Upstream>> {
        self.upstream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the engine's connection, if there is one.
    pub(super) fn drop_upstream(&self) {
        let _ = self.upstream().take();
    }

    /// Where the bytes of its requests are counted.
    pub(super) fn counters(&self) -> &Counters {
        &self.upload.counters
    }

    /// Where its request stands.
    pub(super) fn is_in(&self, phase: Phase) -> bool {
        self.phase.load(Relaxed) == phase as u8
    }

    /// A number that changes whenever bytes of an answer, an upload or a tunnel pass.
    pub(super) fn activity(&self) -> u64 {
        let counters = self.counters();
        counters.received.load(Relaxed) + counters.sent.load(Relaxed) + self.link.written()
    }

    /// Sets the phase of its request.
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }
}
