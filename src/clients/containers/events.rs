//! The engine's events, as far as they tell of containers and their addresses.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Something that has become of a container or a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A container's name, or whether it is there, has changed.
    Changed(String),
    /// A container has got an address in a network.
    Connected {
        /// The network's ID.
        network: String,
        /// The container's ID.
        container: String,
        /// When, in nanoseconds by the engine's clock.
        at: u64,
    },
    /// A container has lost its address in a network.
    Disconnected {
        /// The network's ID.
        network: String,
        /// The container's ID.
        container: String,
    },
    /// There is another network, or one less.
    Networks,
    /// Anything else.
    Other,
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(rename = "Action")]
    action: String,
    #[serde(rename = "Actor")]
    actor: Actor,
    #[serde(rename = "timeNano")]
    at: u64,
}

#[derive(Deserialize)]
struct Actor {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Attributes", default)]
    attributes: Option<BTreeMap<String, String>>,
}

impl Event {
    /// What the engine is asked to tell, as a filter of its events.
    pub const FILTER: &str = r#"{"type":["container","network"],"event":["create","destroy","die","rename","connect","disconnect"]}"#;

    /// Reads one, with its time. `None`: it is none.
    pub fn read(line: &[u8]) -> Option<(Event, u64)> {
        let Message {
            kind,
            action,
            actor,
            at,
        } = serde_json::from_slice(line).ok()?;
        let attributes = actor.attributes.unwrap_or_default();
        let container = || attributes.get("container").cloned();
        let event = match (kind.as_str(), action.as_str()) {
            ("container", "die" | "destroy" | "rename") => Event::Changed(actor.id),
            ("network", "connect") => Event::Connected {
                network: actor.id,
                container: container()?,
                at,
            },
            ("network", "disconnect") => Event::Disconnected {
                network: actor.id,
                container: container()?,
            },
            ("network", "create" | "destroy") => Event::Networks,
            _ => Event::Other,
        };
        Some((event, at))
    }
}
