//! Networks that every new container joins, unless it uses the host's network or none.

use std::fmt::{self, Display, Formatter};

use crate::body::draft::{Draft, Objection};
use crate::body::json::Value;

/// Networks to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddToNetwork(Vec<String>);

/// What the CLI writes for the engine's choice, in both places.
const DEFAULT: &str = "default";

impl AddToNetwork {
    /// These networks, by their names. The first takes the place of the default one.
    pub fn new(networks: Vec<String>) -> AddToNetwork {
        AddToNetwork(networks)
    }

    pub(super) fn edit(&self, draft: &mut Draft) -> Result<(), Objection> {
        draft.has_one_host_config(&["NetworkMode"])?;
        let mode = draft.tree().at("HostConfig.NetworkMode").as_str();
        let is_default = mode == Some(DEFAULT);
        if matches!(mode, Some("host" | "none")) {
            return Ok(());
        }
        let unclear = |place| Objection::new(place, "", "must be an object");
        let tree = draft.tree_mut();
        if let (true, Some(first)) = (is_default, self.0.first()) {
            let mode = tree.at_mut("HostConfig.NetworkMode");
            *mode.ok_or_else(|| unclear("HostConfig"))? = first.as_str().into();
        }
        const ENDPOINTS: &str = "NetworkingConfig.EndpointsConfig";
        let endpoints = tree.at_mut(ENDPOINTS).and_then(Value::object_mut);
        let endpoints = endpoints.ok_or_else(|| unclear(ENDPOINTS))?;
        // What the client wants of the default network is for the one in its place.
        let mut settings = match is_default {
            true => endpoints.remove(DEFAULT),
            false => None,
        };
        for network in &self.0 {
            let settings = settings.take().unwrap_or_default();
            let endpoint = endpoints.entry(network.clone());
            if *endpoint == Value::Null {
                *endpoint = settings;
                endpoint.object_mut();
            }
        }
        Ok(())
    }
}

/// `addToNetwork: demo, other`
impl Display for AddToNetwork {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "addToNetwork: {}", self.0.join(", "))
    }
}
