//! That a request, with all that is asked for it, goes to one address.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use super::{Engine, EngineError};
use crate::config::{Address, Host};

/// The address of the first connection that is used for a request, which all others must have. Clones share
/// it. It costs nothing for an engine that is not found by a name.
#[derive(Clone, Debug, Default)]
pub(in crate::proxy) struct SameHost(Option<Arc<OnceLock<SocketAddr>>>);

impl SameHost {
    /// For a request to an engine; there was no connection yet.
    pub(in crate::proxy) fn of(engine: &Engine) -> SameHost {
        match engine.address() {
            Address::Tcp {
                host: Host::Name(_),
                ..
            } => SameHost(Some(Arc::default())),
            Address::Tcp {
                host: Host::Ip(_), ..
            }
            | Address::Unix(_) => SameHost(None),
        }
    }

    /// Whether a connection to this address may be used. If so, no other address may be from now on.
    pub(in crate::proxy) fn takes(&self, address: Option<SocketAddr>) -> bool {
        match (&self.0, address) {
            (None, _) => true,
            (Some(first), Some(address)) => *first.get_or_init(|| address) == address,
            (Some(_), None) => false,
        }
    }

    /// Likewise of a connection that was opened now.
    ///
    /// # Errors
    /// [`EngineError::Moved`].
    pub(in crate::proxy) fn must_take(
        &self,
        address: Option<SocketAddr>,
    ) -> Result<(), EngineError> {
        self.takes(address).then_some(()).ok_or(EngineError::Moved)
    }
}
