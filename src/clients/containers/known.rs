//! Which containers have an address, by a list that may have become old.
//!
//! A list decides for a connection if the engine was asked for it after the connection was accepted, if
//! no event since says that those have changed who have the address, and if the container had the address already when the
//! connection was made. So it decides as long as the container keeps the address: whoever got into a network or came to
//! share the address later did not make the connection. An address
//! outside the networks is no container's, and needs no new list.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::events::Event;
use super::listing::{Holder, Listing};
use super::{Container, Seen, Why};

/// The kernel and the engine do not read the same clock to the nanosecond: a tick of the kernel's.
const TICK: u64 = 10_000_000;

/// What is known of a connection's making.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// It was accepted before this.
    pub accepted: Instant,
    /// The client was last heard of then, in nanoseconds by the clock that the engine shares.
    pub heard: u64,
    /// The address that it has connected to.
    pub local: Option<IpAddr>,
}

/// A list of the engine, and what has changed since.
#[derive(Clone, Debug)]
pub struct Known {
    listing: Arc<Listing>,
    /// When the engine was asked for it.
    began: Instant,
    /// Containers that have changed since.
    changed: HashSet<String>,
    /// Who got into which network since, and when that was heard of: by both IDs. Nobody else's
    /// addresses depend on it.
    lacks: HashMap<String, HashMap<String, Instant>>,
    /// When the last change was heard of.
    heard: Instant,
}

impl Known {
    /// A list for which the engine was asked at that time.
    pub fn new(listing: Listing, began: Instant) -> Known {
        Known {
            listing: Arc::new(listing),
            began,
            changed: HashSet::new(),
            lacks: HashMap::new(),
            heard: began,
        }
    }

    /// When the engine was asked.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// What is known after an event that was heard now. `None`: nothing, not even in which networks
    /// dockgate is.
    pub fn after(mut self, event: &Event, now: Instant) -> Option<Known> {
        let listing = &self.listing;
        let is_own = |id: &String| listing.own() == Some(id);
        match event {
            Event::Connected { container, .. } | Event::Disconnected { container, .. }
                if is_own(container) =>
            {
                return None;
            }
            Event::Networks if listing.own().is_none() => return None,
            Event::Unread => return None,
            Event::Connected {
                network,
                container,
                at,
            } if listing.has_network(network) && !listing.shows(network, container, *at) => {
                let lacks = self.lacks.entry(network.clone()).or_default();
                lacks.insert(container.clone(), now);
            }
            Event::Disconnected { network, container } => {
                if let Some(lacks) = self.lacks.get_mut(network) {
                    lacks.remove(container);
                }
                if listing.has_container(container) {
                    self.heard = now;
                    self.changed.insert(container.clone());
                }
            }
            Event::Changed(container) if listing.has_container(container) => {
                self.heard = now;
                self.changed.insert(container.clone());
            }
            _ => {}
        }
        Some(self)
    }

    /// Who had an address when that was listed last. It decides nothing.
    pub fn had(&self, address: IpAddr) -> Seen {
        let holder = self.listing.holder(address);
        let containers = holder.and_then(|holder| holder.containers.clone());
        containers.map_or(Seen::Nobody, Seen::These)
    }

    /// Whether an address is within one of the networks. It decides nothing.
    pub fn may_hold(&self, address: IpAddr) -> bool {
        self.listing.contains(address)
    }

    /// Who has an address, for a connection.
    pub fn whose(&self, address: IpAddr, arrival: &Arrival) -> Seen {
        let listing = &self.listing;
        let is_new = self.began > arrival.accepted;
        let unasked = Seen::Unknown(Why::Unasked(arrival.accepted));
        let is_loopback = matches!(address, IpAddr::V4(v4) if v4 == std::net::Ipv4Addr::LOCALHOST)
            || matches!(address, IpAddr::V6(v6) if v6.is_loopback());
        if !listing.contains(address) {
            let came_by_known = || arrival.local.is_some_and(|local| listing.is_own(local));
            return match address {
                _ if is_loopback => Seen::Nobody,
                IpAddr::V6(v6) if v6.is_unicast_link_local() => Seen::Unknown(Why::LinkLocal),
                _ if is_new || came_by_known() => Seen::Nobody,
                _ => unasked,
            };
        }
        if !is_new {
            return unasked;
        }
        // Not before: it may have become a container's.
        if listing.is_gateway(address) {
            return Seen::Nobody;
        }
        let Some((holder, containers)) = self.held(address) else {
            let holder = listing.holder(address);
            let otherwise = match holder.is_some_and(|holder| holder.is_cut) {
                true => Why::TooLong,
                false => Why::Unheld,
            };
            return Seen::Unknown(self.lacking(address, |_| true).unwrap_or(otherwise));
        };
        if !holder.ids.is_disjoint(&self.changed) {
            return Seen::Unknown(Why::Unasked(self.heard));
        }
        if holder.since > arrival.heard.saturating_add(TICK) {
            // An event may say that it has been there longer.
            let late = self.lacking(address, |container| holder.ids.contains(container));
            return Seen::Unknown(late.unwrap_or(Why::Moved));
        }
        Seen::These(Arc::clone(containers))
    }

    /// Who has an address, if all of them are known.
    fn held(&self, address: IpAddr) -> Option<(&Holder, &Arc<[Arc<Container>]>)> {
        let holder = self.listing.holder(address)?;
        Some((holder, holder.containers.as_ref()?))
    }

    /// That the engine is to be asked again, if such a container got into a network of an address since.
    fn lacking(&self, address: IpAddr, is: impl Fn(&String) -> bool) -> Option<Why> {
        let networks = self.listing.networks_of(address);
        let lacks = networks.filter_map(|network| self.lacks.get(network));
        let since = lacks.flatten().filter(|(container, _)| is(container));
        let since = since.map(|(_, since)| *since).max();
        since.map(Why::Unasked)
    }
}
