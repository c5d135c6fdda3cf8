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
    /// It is too long to be read: anything may have changed.
    Unread,
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

    /// Reads the beginning of one that is too long, by the labels of a container: what it is about stands
    /// before them.
    pub fn begun(line: &[u8]) -> Event {
        let line = String::from_utf8_lossy(line);
        let Some((before, actor)) = line.split_once(r#""Actor":{"ID":""#) else {
            return Event::Unread;
        };
        let id = actor.split('"').next().unwrap_or_default();
        let has = |field: &str| before.contains(field);
        let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let changes = || {
            ["die", "destroy", "rename"]
                .iter()
                .any(|action| has(&format!(r#""Action":"{action}""#)))
        };
        match is_id && has(r#""Type":"container""#) {
            true if has(r#""Action":"create""#) => Event::Other,
            true if changes() => Event::Changed(id.to_owned()),
            _ => Event::Unread,
        }
    }
}
