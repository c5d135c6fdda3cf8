//! What all connections share: the policies, who is let in, where the engine is, and the room there
//! is. Only the rulebook changes while dockgate runs.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::admission::Admission;
use super::rulebook::Rulebook;
use crate::config::Settings;
use crate::learn::Learner;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Decides. Loaded once for each decision.
    pub rulebook: ArcSwap<Rulebook>,
    /// Lets clients in; everybody if there is none.
    pub admission: Option<Admission>,
    /// Learns from what is forwarded, if that is wanted.
    pub learner: Option<Arc<Learner>>,
    /// The engine's socket.
    pub socket_path: PathBuf,
    /// One for each connection that may be open.
    pub slots: Arc<Semaphore>,
}

impl Shared {
    /// What the settings say, with room for so many connections, and strangers besides.
    pub(super) fn new(
        settings: &Settings,
        learner: Option<Arc<Learner>>,
        connections: usize,
        strangers: usize,
    ) -> Self {
        Self {
            rulebook: ArcSwap::from_pointee(Rulebook::new(settings)),
            admission: settings
                .clients
                .clone()
                .map(|list| Admission::new(list, strangers)),
            learner,
            socket_path: settings.engine.clone(),
            slots: Arc::new(Semaphore::new(connections)),
        }
    }
}
