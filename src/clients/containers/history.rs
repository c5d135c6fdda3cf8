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
    /// Since when the endpoints have been there that the last list showed, by their IDs.
    since: HashMap<String, u64>,
    /// Whether there has been a list.
    is_begun: bool,
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
            }
            Event::Disconnected { network, container } => {
                let key = (network.clone(), container.clone());
                self.connected.remove(&key);
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
            let known = self.since.get(&endpoint.id).copied();
            let since = match (known, connected) {
                (Some(known), Some(connected)) => known.min(connected),
                (Some(since), None) | (None, Some(since)) => since,
                // What a list without a stream says itself.
                (None, None) => endpoint.since.unwrap_or(unseen),
            };
            endpoint.since = Some(since);
            dated.insert(endpoint.id.clone(), since);
        }
        self.since = dated;
        // What is not in any list is in no network of dockgate.
        self.connected
            .retain(|_, at| now.saturating_sub(*at) < KEPT);
        self.is_begun = true;
        listing.index();
    }
}

/// An event waits so long for a list that shows what it tells of, in nanoseconds.
const KEPT: u64 = 60_000_000_000;
