//! An engine: what the configuration says of it, and what is known of it while dockgate runs.
//!
//! **Nothing of one engine is another's**: what it was asked, which versions it accepts, how many
//! questions it may be asked at a time, the connections to it. So a slow or lost one holds up only those
//! whose requests go to it.
//!
//! **An engine has one address at a time, and a request has one for good.** A name can stand for several
//! hosts, or for another one than before: what one of them says of its objects does not hold for another's.

mod dial;
mod fault;
mod hosts;
mod remote;
mod same_host;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::budget::ASKING;
use super::versions::Lowest;
use crate::body::scope::HostAddress;
use crate::config::{self, Address, Endpoint, Listen};
pub(super) use fault::{EngineError, PING_TIMEOUT};
use hosts::Addresses;
pub(super) use same_host::SameHost;
pub(super) use tls::is_refusal;

/// An engine that requests go to.
#[derive(Debug)]
pub(super) struct Engine {
    /// What the configuration says of it.
    pub settings: Arc<config::Engine>,
    /// Its lowest version of the API.
    pub lowest: Lowest,
    /// One for each connection on which it is asked what terms depend on.
    pub asking: Semaphore,
    /// The address of its host to which it was connected to last.
    pub host: HostAddress,
    /// The addresses of its host.
    addresses: Addresses,
    /// Where dockgate listens itself.
    own: Vec<SocketAddr>,
}

impl Engine {
    /// An engine of which nothing is known, for a dockgate that listens at these endpoints.
    pub(super) fn new(settings: &Arc<config::Engine>, endpoints: &[Endpoint]) -> Arc<Engine> {
        let own = endpoints
            .iter()
            .filter_map(|endpoint| match endpoint.listen {
                Listen::Tcp { addr, .. } => Some(addr),
                Listen::Unix(_) => None,
            });
        Arc::new(Engine {
            settings: Arc::clone(settings),
            lowest: Lowest::default(),
            asking: Semaphore::new(ASKING),
            host: HostAddress::default(),
            addresses: Addresses::default(),
            own: own.collect(),
        })
    }

    /// Whether a connection from here to there is one to dockgate itself.
    fn is_itself(&self, here: SocketAddr, there: SocketAddr) -> bool {
        let (here, there) = (here.ip().to_canonical(), there);
        let ip = there.ip().to_canonical();
        here == ip
            && self.own.iter().any(|own| {
                let listens = own.ip().to_canonical();
                own.port() == there.port() && (listens.is_unspecified() || listens == ip)
            })
    }

    /// It was connected to at this address. Another one than before can be another host, of which nothing
    /// is known.
    fn is_at(&self, address: SocketAddr) {
        if self.host.becomes(address) {
            self.lowest.forget();
        }
    }

    /// Whether a connection to this address is to its host as it is known now. A Unix socket has none.
    pub(super) fn is_still_at(&self, address: Option<SocketAddr>) -> bool {
        address.is_none() || address == self.host.now()
    }

    /// Its address.
    pub(super) fn address(&self) -> &Address {
        &self.settings.address
    }
}

#[cfg(test)]
mod tests;
