//! Since when containers have their addresses. A connection is of the container that has its address
//! only if that one had it when the connection was made: another one may have made it, and be gone.

use std::collections::HashMap;

use super::events::Event;
use super::listing::Listing;

/// What is known of the past, over lost streams of events too.
#[derive(Debug, Default)]
pub struct History {
    /// When containers got into networks, as far as no list has shown it yet: by both IDs.
    connected: HashMap<(String, String), u64>,
    /// When a container that is in a network got into one of its networks last: by its ID.
    started: HashMap<String, u64>,
    /// Since when the endpoints have been there that the last list showed, by their IDs.
    since: HashMap<String, Since>,
    /// Whether there has been a list.
    is_begun: bool,
}

/// Since when an endpoint has been there.
#[derive(Debug)]
struct Since {
    at: u64,
    /// Its container, if no event told of the endpoint itself.
    untold: Option<String>,
}

impl History {
    /// Learns of an event.
    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::Connected {
                network,
                container,
                at,
            } => {
                let key = (network.clone(), container.clone());
                self.connected.insert(key, *at);
                self.started.insert(container.clone(), *at);
            }
            Event::Disconnected { network, container } => {
                let key = (network.clone(), container.clone());
                self.connected.remove(&key);
                // It may get endpoints now of which no event tells.
                self.started.remove(container);
                (self.since).retain(|_, since| since.untold.as_ref() != Some(container));
            }
            _ => {}
        }
    }

    /// Dates what a list shows that was answered now. What was there before the first one was there
    /// before dockgate, unless an event says otherwise; what no event tells of is there from now on.
    pub fn date(&mut self, listing: &mut Listing, now: u64) {
        let unseen = if self.is_begun { now } else { 0 };
        let mut dated = HashMap::new();
        for endpoint in listing.endpoints_mut() {
            let key = (endpoint.network.clone(), endpoint.container.clone());
            let connected = self.connected.remove(&key);
            let known = self.since.get(&endpoint.id).map(|known| known.at);
            // A container is given all of its endpoints before that is told of any of them.
            let started = self.started.get(&endpoint.container).copied();
            let started = started.filter(|_| !endpoint.is_told);
            let at = match (known, connected) {
                (Some(known), Some(connected)) => known.min(connected),
                (Some(since), None) | (None, Some(since)) => since,
                // What a list without a stream says itself.
                (None, None) => endpoint.since.or(started).unwrap_or(unseen),
            };
            endpoint.since = Some(at);
            let untold = (!endpoint.is_told).then(|| endpoint.container.clone());
            dated.insert(endpoint.id.clone(), Since { at, untold });
        }
        self.since = dated;
        // What is not in any list is in no network of dockgate.
        let is_kept = |at: u64| now.saturating_sub(at) < KEPT;
        self.connected.retain(|_, at| is_kept(*at));
        self.started.retain(|_, at| is_kept(*at));
        self.is_begun = true;
        listing.index();
    }
}

/// An event waits so long for a list that shows what it tells of, in nanoseconds.
const KEPT: u64 = 60_000_000_000;
