//! Containers: what one holds, whose namespaces it is in, who is in its, and whether it is a client.

use super::super::ANOTHERS;
use super::{DEEPEST, Holder, Search, UNCLEAR};
use crate::body::facts::{Answer, Fact, Name, full_id, network_id};
use crate::body::json::Value;
use crate::body::reach::{self, Claim};

impl Search<'_> {
    /// A container, and all that it holds. `by` names it, if the path does not.
    pub(super) fn container(&mut self, name: &Name, by: Holder<'_>, claim: Option<&Claim>) {
        let Some(inspect) = self.known(Fact::Container(name.clone()), by, claim) else {
            return;
        };
        let of = format!("container {}", name.as_str());
        let holder = Holder::object(&of, by);
        let Some(id) = full_id(inspect.at("Id")) else {
            return self.excess(holder, "its ID", "", UNCLEAR);
        };
        if !self.is_new(Fact::Container(id.clone()), by) {
            return;
        }
        match reach::held(inspect, &self.engine) {
            Some(claims) => self.claims(&claims, holder),
            None => self.excess(holder, "its inspect", "", UNCLEAR),
        }
        self.is_no_client(inspect, holder);
        self.sharers(&id, inspect, holder);
    }

    /// Who controls a container that is a client is that client.
    fn is_no_client(&mut self, inspect: &Value, holder: Holder<'_>) {
        if self.others.is_empty() {
            return;
        }
        for (place, value) in self.others.known_as(inspect) {
            self.excess(holder, place, value, ANOTHERS);
        }
        let Some(networks) = inspect.at("NetworkSettings.Networks").as_object() else {
            return self.excess(holder, "its networks", "", UNCLEAR);
        };
        for (key, endpoint) in networks.iter() {
            let name = network_id(endpoint.at("NetworkID")).or_else(|| Name::wide(key));
            let Some(fact) = name.map(Fact::Network) else {
                return self.excess(holder, "its network", key, "is not a plain name");
            };
            match self.facts.answer(&fact) {
                // Without an address it will get any.
                Some(Answer::Found(network)) if endpoint.at("IPAddress").is_empty() => {
                    self.apart(network, holder);
                }
                Some(Answer::Found(network)) => self.not_met(network, holder),
                Some(Answer::Missing(_)) => {}
                Some(Answer::Unclear) => self.excess(holder, "its network", key, UNCLEAR),
                None => {
                    self.needs.insert(fact);
                }
            }
        }
    }

    /// The containers that are in a namespace of a container: who controls it gets at their
    /// processes. Only they know, so each is asked.
    fn sharers(&mut self, id: &Name, inspect: &Value, holder: Holder<'_>) {
        let all = match self.facts.answer(&Fact::Containers) {
            Some(Answer::Found(all)) => all.as_list(),
            Some(_) => None,
            None => {
                self.needs.insert(Fact::Containers);
                return;
            }
        };
        let Some(all) = all else {
            return self.excess(holder, ALL_CONTAINERS, "", UNCLEAR);
        };
        let name = inspect.at("Name").as_str().unwrap_or_default();
        let name = name.trim_start_matches('/');
        for other in all {
            let Some(other) = full_id(other.at("Id")) else {
                return self.excess(holder, ALL_CONTAINERS, "", UNCLEAR);
            };
            let modes = Fact::Modes(other.clone());
            match self.facts.answer(&modes) {
                _ if other == *id => {}
                Some(Answer::Found(modes)) if shares(modes, id, name) => {
                    self.sharer(&other, holder);
                }
                Some(Answer::Found(_) | Answer::Missing(_)) => {}
                Some(Answer::Unclear) => {
                    self.excess(holder, "container", other.as_str(), UNCLEAR);
                }
                None => {
                    self.needs.insert(modes);
                }
            }
        }
    }

    fn sharer(&mut self, other: &Name, holder: Holder<'_>) {
        if holder.depth >= DEEPEST {
            let why = format_args!("is more than {DEEPEST} references away");
            return self.excess(holder, "container", other.as_str(), why);
        }
        // It may have ended since, and then it is in no namespace.
        let fact = Fact::Container(other.clone());
        if !matches!(self.facts.answer(&fact), Some(Answer::Missing(_))) {
            self.container(other, holder, None);
        }
    }
}

/// Where the other containers stand, in the engine's words.
const ALL_CONTAINERS: &str = "the engine's list of all containers";

/// Whether a container with these modes is in a namespace of the one with this ID and name. The engine
/// keeps a name if the container did not exist at first.
fn shares(modes: &Value, id: &Name, name: &str) -> bool {
    let kinds = ["PidMode", "IpcMode", "NetworkMode"];
    let config = modes.at("HostConfig");
    let mut modes = kinds.iter().filter_map(|kind| config.at(kind).as_str());
    modes.any(|mode| {
        let of = mode
            .strip_prefix("container:")
            .map(|of| of.trim_start_matches('/'));
        // One that names none never starts.
        let of = of.filter(|of| !of.is_empty());
        of.is_some_and(|of| of == name || id.as_str().starts_with(of))
    })
}
