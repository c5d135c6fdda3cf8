//! What all connections share: the policies, who is let in, where the engine is, and the room there
//! is. Only the rulebook changes while dockgate runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::admission::Admission;
use super::holders::{Held, Holders};
use super::rulebook::Rulebook;
use super::server::Room;
use super::strangers::Strangers;
use crate::config::Settings;
use crate::learn::Learner;

/// See [`Shared::after_reload`].
const AFTER_RELOAD: Duration = Duration::from_secs(1);

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Decides. Loaded once for each decision.
    pub rulebook: ArcSwap<Rulebook>,
    /// What is under way at a reload may end by itself for so long, before it is decided on again.
    pub after_reload: Duration,
    /// Lets clients in; everybody if there is none.
    pub admission: Option<Admission>,
    /// Learns from what is forwarded, if that is wanted.
    pub learner: Option<Arc<Learner>>,
    /// The engine's socket.
    pub socket_path: PathBuf,
    /// The host names by which web pages may call.
    pub allowed_hosts: Vec<Box<str>>,
    /// How long a request's body may pause because of its client.
    pub upload_timeout: Option<Duration>,
    /// One for each connection that may be open.
    pub slots: Arc<Semaphore>,
    /// How many there are of these.
    pub connections: usize,
    /// What each client has of them.
    pub holders: Holders,
    /// How many of them one client may have.
    pub client_connections: Option<usize>,
    /// Where clients are turned away that have as many.
    pub excess: Strangers,
    /// Where the connections wait of a client that has most of all.
    pub waiting: Arc<Semaphore>,
}

impl Shared {
    /// What the settings say, with room for so many connections, and strangers besides.
    pub(super) fn new(settings: &Settings, learner: Option<Arc<Learner>>, room: &Room) -> Self {
        let process = &settings.process;
        Self {
            rulebook: ArcSwap::from_pointee(Rulebook::new(settings)),
            after_reload: AFTER_RELOAD,
            admission: settings
                .clients
                .clone()
                .map(|list| Admission::new(list, room.strangers)),
            learner,
            socket_path: settings.engine.clone(),
            allowed_hosts: process.allowed_hosts.clone(),
            upload_timeout: process.upload_timeout,
            slots: Arc::new(Semaphore::new(room.connections)),
            connections: room.connections,
            holders: Holders::new(process.client_rate),
            client_connections: process.client_connections,
            excess: Strangers::new(room.strangers),
            waiting: Arc::new(Semaphore::new(room.waiting)),
        }
    }

    /// Whether a client has more connections than it may have.
    pub(super) fn has_enough(&self, held: &Held) -> bool {
        (self.client_connections).is_some_and(|most| held.connections() > most)
    }

    /// Whether a connection must wait until there is more room: while less than a tenth of it is left,
    /// for a client that has more than a tenth, and more than one. So a client that opens all it can
    /// leaves some to others.
    pub(super) fn is_to_wait(&self, held: &Held) -> bool {
        let (free, connections) = (self.slots.available_permits(), held.connections());
        let is_scarce = free * 10 < self.connections;
        is_scarce && connections > 1 && connections * 10 > self.connections
    }
}
