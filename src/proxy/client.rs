//! One client's connection: who it is, its two sockets, and where its request stands.
//!
//! It has one request at a time and one connection to the engine, which no other client shares. A
//! request holds its client, never the other way round: else neither would ever be dropped. What of
//! a request may be decided on again, after a reload, is here as long as it is under way.

use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use super::engine::Engine;
use super::handshake::Shown;
use super::holders::Held;
use super::rulebook::Found;
use super::shared::Shared;
use super::upload::UploadState;
use super::upstream::Upstream;
use super::wire::ClientLink;
use crate::api::Target;
use crate::clients::Identity;
use crate::clients::containers::{Arrival, Seen};
use crate::observe::access::{CertificateName, Counters, Explanation, Peer};
use crate::policy::Body;
use crate::tls::Trust;

/// One client's connection.
#[derive(Debug)]
pub(super) struct Client {
    /// What all connections share.
    pub shared: Arc<Shared>,
    /// Who it is.
    pub peer: Peer,
    /// The same as rules have it.
    pub identity: Identity,
    /// By which certificates its endpoint verified its own when it connected.
    pub trust: Option<Trust>,
    /// Where it has connected, as a place among the endpoints.
    pub endpoint: usize,
    /// Whether it was let in only because its container has a list by labels.
    pub by_labels: bool,
    /// It was accepted before this.
    accepted: Instant,
    /// When it was heard of last, as far as that was needed once.
    heard: OnceLock<u64>,
    /// The same as the log has it: written once, not for each request.
    pub peer_text: Arc<str>,
    /// Its certificate as the log has it.
    pub certificate: Option<CertificateName>,
    /// Its socket.
    pub link: Arc<ClientLink>,
    /// Its share of what its client has.
    pub held: Held,
    /// What is known of its request's body.
    pub upload: Arc<UploadState>,
    found: Mutex<Option<Found>>,
    upstream: Mutex<Option<Upstream>>,
    phase: AtomicU8,
    asked: Mutex<Option<Asked>>,
    /// Why that is not allowed any more, until the client has been told.
    denial: Mutex<Option<Explanation>>,
    /// Whether it is not.
    denied: AtomicBool,
}

/// What was allowed of a request that is under way.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// What it is for.
    pub target: Target,
    /// Its body.
    pub body: Body,
    /// Whether it had terms to meet.
    pub judged: bool,
    /// Where it went.
    pub engine: Arc<Engine>,
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
    /// A connection that has sent nothing yet, but perhaps has shown something.
    pub(super) fn new(
        shared: Arc<Shared>,
        peer: Peer,
        endpoint: usize,
        link: Arc<ClientLink>,
        held: Held,
        Shown { certificate, trust }: Shown,
        by_labels: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            shared,
            peer,
            trust,
            certificate: certificate.as_ref().map(|own| (&*own.to_string()).into()),
            identity: link.socket.identity(peer).with_certificate(certificate),
            endpoint,
            by_labels,
            accepted: Instant::now(),
            heard: OnceLock::new(),
            peer_text: peer.to_string().into(),
            link,
            held,
            upload: Arc::default(),
            found: Mutex::default(),
            upstream: Mutex::default(),
            phase: AtomicU8::new(Phase::Idle as u8),
            asked: Mutex::default(),
            denial: Mutex::default(),
            denied: AtomicBool::new(false),
        })
    }

    /// Who has its address, as far as that is known. If it is not, it is being asked for.
    pub(super) fn containers(&self, address: IpAddr) -> Seen {
        let arrival = Arrival {
            accepted: self.accepted,
            // Not again: who has its address later is another one.
            heard: *self.heard.get_or_init(|| self.link.socket.last_heard()),
            local: self.link.socket.local_ip(),
        };
        self.shared.directory.asked(address, &arrival)
    }

    /// Where its policy was found last.
    pub(super) fn found(&self) -> MutexGuard<'_, Option<Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to its engine, kept for its next request. Who has another engine by then does not use it.
    pub(super) fn upstream(&self) -> MutexGuard<'_, Option<Upstream>> {
        self.upstream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was allowed of its request that is under way.
    pub(super) fn asked(&self) -> MutexGuard<'_, Option<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn denial(&self) -> MutexGuard<'_, Option<Explanation>> {
        self.denial.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was allowed is not allowed any more.
    pub(super) fn deny(&self, why: Explanation) {
        *self.denial() = Some(why);
        self.denied.store(true, Relaxed);
    }

    /// Whether what was allowed is not allowed any more.
    pub(super) fn is_denied(&self) -> bool {
        self.denied.load(Relaxed)
    }

    /// Why it is not, once.
    pub(super) fn take_denial(&self) -> Option<Explanation> {
        self.denial().take()
    }

    /// There is no request.
    pub(super) fn asks_nothing(&self) {
        *self.asked() = None;
        // Hardly ever, so that it is not written for each request.
        if self.is_denied() {
            self.denied.store(false, Relaxed);
            *self.denial() = None;
        }
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
