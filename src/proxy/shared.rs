//! What all connections share: the policy, the admitted clients, the engine's address and the
//! limits. None of it changes while dockgate runs.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::admission::Admission;
use crate::config::Settings;
use crate::learn::Learner;
use crate::policy::Policy;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Decides on requests.
    pub policy: Arc<Policy>,
    /// Admits clients; all of them if there is none.
    pub admission: Option<Admission>,
    /// Whether each request is logged as a line of a profile.
    pub log_requests: bool,
    /// Learns from what is forwarded, with `LEARN=1`.
    pub learner: Option<Arc<Learner>>,
    /// The engine's socket.
    pub socket_path: PathBuf,
    /// One slot for each connection that may be open.
    pub slots: Arc<Semaphore>,
}

impl Shared {
    /// The settings' part, with room for this many connections and strangers.
    pub(super) fn new(
        settings: &Settings,
        learner: Option<Arc<Learner>>,
        connections: usize,
        strangers: usize,
    ) -> Self {
        Self {
            policy: Arc::clone(&settings.policy.compiled),
            admission: settings
                .clients
                .clone()
                .map(|list| Admission::new(list, strangers)),
            log_requests: settings.policy.sources.profile.log_requests,
            learner,
            socket_path: settings.engine.clone(),
            slots: Arc::new(Semaphore::new(connections)),
        }
    }
}
