//! What all connections share: the policy, who is let in, where the engine is, and the room there is.
//! Nothing of it changes while dockgate runs.

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
    /// Decides.
    pub policy: Arc<Policy>,
    /// Lets clients in; everybody if there is none.
    pub admission: Option<Admission>,
    /// Whether each request is logged as a line of a profile.
    pub log_requests: bool,
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
            policy: Arc::clone(&settings.policies.default().compiled),
            admission: settings
                .clients
                .clone()
                .map(|list| Admission::new(list, strangers)),
            log_requests: settings.policies.default().sources.profile.log_requests,
            learner,
            socket_path: settings.engine.clone(),
            slots: Arc::new(Semaphore::new(connections)),
        }
    }
}
