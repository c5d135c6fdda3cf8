//! Networks: which one a name means, now and when the engine looks it up again, what a network gets
//! at, and whose addresses it has.

use super::super::ANOTHERS;
use super::{Holder, Search, UNCLEAR, has_driver};
use crate::api::fields::Reach;
use crate::body::facts::{self, Answer, Fact, Name, network_id};
use crate::body::json::{Object, Value};
use crate::body::limits::Ruling;
use crate::body::reach::{Claim, What};

/// How the engine finds the network that was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// By the full ID, which is forwarded.
    Pinned,
    /// By the client's name, once more: at the latest when a container starts.
    Again,
}

impl Search<'_> {
    /// A network that a client could have made.
    pub(super) fn network(
        &mut self,
        name: &Name,
        by: Holder<'_>,
        claim: Option<&Claim>,
        lookup: Lookup,
    ) {
        let fact = Fact::Network(name.clone());
        let Some(network) = self.known(fact.clone(), by, claim) else {
            return;
        };
        if lookup == Lookup::Again && !self.is_meant(name, network, by, claim) {
            return;
        }
        if !self.is_new(fact, by) {
            return;
        }
        let of = format!("network {}", name.as_str());
        let holder = Holder::object(&of, by);
        self.apart(network, holder);
        if network.at("Driver").as_str() == Some("overlay") {
            self.joins(&["docker_gwbridge"], holder);
        }
        let mut network = network.clone();
        let of_engine = network.at("Name").as_str() == Some("bridge");
        if let Some(options) = network.at_mut("Options").and_then(Value::object_mut) {
            for own in FILLED_IN {
                options.remove(own);
            }
            if of_engine {
                *options = Object::default();
            }
        }
        let body = facts::network().filter(|_| has_driver(&network));
        self.made(body, &network, holder, "its inspect");
    }

    /// Whether no other network can come to be meant by a name. The engine looks for an ID, for a
    /// name, then for the beginning of an ID.
    fn is_meant(
        &mut self,
        name: &Name,
        network: &Value,
        by: Holder<'_>,
        claim: Option<&Claim>,
    ) -> bool {
        let place = claim.map_or("its network", |claim| &claim.path);
        let (id, text) = (network.at("Id"), name.as_str());
        if network_id(id).as_ref() == Some(name) {
            return true;
        }
        if network.at("Name").as_str() != Some(text) {
            let why = "is not the network's name, nor its whole ID";
            self.excess(by, place, text, why);
            return false;
        }
        self.begins_no_id(place, text, id, by)
    }

    /// Whether no ID of another network begins so.
    fn begins_no_id(&mut self, place: &str, text: &str, own: &Value, by: Holder<'_>) -> bool {
        let of_id = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
        if !text.bytes().all(of_id) {
            return true;
        }
        let all = match self.facts.answer(&Fact::Networks) {
            Some(answer) => answer.found().and_then(Value::as_list),
            None => {
                self.needs.insert(Fact::Networks);
                return false;
            }
        };
        let others = |one: &&Value| *one != own;
        let begins = |id: &Value| id.as_str().is_some_and(|id| id.starts_with(text));
        let why = match all {
            Some(all)
                if !all
                    .iter()
                    .map(|one| one.at("Id"))
                    .filter(others)
                    .any(begins) =>
            {
                return true;
            }
            Some(_) => "is also the beginning of another network's ID",
            None => UNCLEAR,
        };
        self.excess(by, place, text, why);
        false
    }

    /// A network that is to be made. Nobody is to join it who means another one.
    pub(super) fn new_network(&mut self, tree: &Value, holder: Holder<'_>) {
        let name = tree.at("Name").as_str().unwrap_or_default();
        if !name.is_empty() {
            self.begins_no_id("Name", name, &Value::Null, holder);
        }
        self.apart(tree, holder);
    }

    /// Nobody in a network may be taken for another client, or call dockgate as one.
    pub(super) fn apart(&mut self, network: &Value, holder: Holder<'_>) {
        if let Some(subnet) = self.others.reached_by(network) {
            self.excess(holder, "the subnet", &subnet, ANOTHERS);
        }
        self.not_met(network, holder);
    }

    /// Nobody in a network may call dockgate as another client.
    pub(super) fn not_met(&mut self, network: &Value, holder: Holder<'_>) {
        if self.others.meet_in(network) {
            let why = "has dockgate in it, which has several policies";
            self.excess(holder, "the network", "", why);
        }
    }

    /// What a request joins without naming it.
    pub(super) fn joins(&mut self, names: &[&str], holder: Holder<'_>) {
        if !self.others.are_met_in_networks() {
            return;
        }
        for fact in names.iter().filter_map(|name| Fact::network(name)) {
            match self.facts.answer(&fact) {
                Some(Answer::Found(network)) => self.apart(network, holder),
                Some(Answer::Missing(_)) => {}
                Some(Answer::Unclear) => self.excess(holder, "its network", "", UNCLEAR),
                None => {
                    self.needs.insert(fact);
                }
            }
        }
    }

    /// A network in the path that a container joins.
    pub(super) fn named_network(&mut self, name: &Name) {
        match self
            .limits
            .map(|limits| limits.ruling(&joined(name.as_str()), self.facts))
        {
            Some(Ruling::Allowed) => self.look_up(name),
            Some(Ruling::Refused(excess)) => self.beyond(Holder::REQUEST, &excess),
            Some(Ruling::Depends(fact, _)) => drop(self.needs.insert(fact)),
            _ if self.deny_root => self.network(name, Holder::REQUEST, None, Lookup::Pinned),
            _ => self.look_up(name),
        }
    }

    /// A network of which nothing but its ID counts, with which it is forwarded.
    fn look_up(&mut self, name: &Name) {
        self.known(Fact::Network(name.clone()), Holder::REQUEST, None);
    }

    /// The networks that a container has yet to join: the engine looks up their names at its start.
    pub(super) fn start(&mut self, name: &Name) {
        let Some(inspect) = self.known(Fact::Container(name.clone()), Holder::REQUEST, None) else {
            return;
        };
        let of = format!("container {}", name.as_str());
        let holder = Holder::object(&of, Holder::REQUEST);
        let Some(networks) = inspect.at("NetworkSettings.Networks").as_object() else {
            return self.excess(holder, "its networks", "", UNCLEAR);
        };
        for (key, endpoint) in networks.iter() {
            // It was joined before, and stays the one.
            if network_id(endpoint.at("NetworkID")).is_some() || OF_ENGINE.contains(&key) {
                continue;
            }
            let given = endpoint.at("NetworkID").as_str().unwrap_or_default();
            let text = if given.is_empty() { key } else { given };
            match self
                .limits
                .map(|limits| limits.ruling(&joined(text), self.facts))
            {
                Some(Ruling::Allowed) => continue,
                Some(Ruling::Depends(fact, _)) => drop(self.needs.insert(fact)),
                Some(Ruling::Refused(_) | Ruling::Silent) | None => {}
            }
            match Name::wide(text) {
                Some(name) => self.network(&name, holder, None, Lookup::Again),
                None => self.excess(holder, "its network", text, "is not a plain name"),
            }
        }
    }

    /// A build: its containers join the default network, and for an `ADD` of a URL the engine itself
    /// is a client, at an address of the host.
    pub(super) fn build(&mut self, in_network: bool) {
        if self.others.is_empty() {
            return;
        }
        if in_network {
            self.joins(&["bridge"], Holder::REQUEST);
        }
        let needs = [Fact::Info, Fact::Networks];
        let mut answers = needs.iter().filter_map(|need| self.facts.answer(need));
        match (answers.next(), answers.next()) {
            (Some(info), Some(networks)) => {
                let (info, networks) = (info.found(), networks.found());
                let (Some(info), Some(networks)) = (info, networks) else {
                    return self.excess(Holder::REQUEST, "its engine", "", UNCLEAR);
                };
                if self.others.may_be_host(info, networks) {
                    let why = "could fetch a URL as a client that has another policy";
                    self.excess(Holder::REQUEST, "a build", "", why);
                }
            }
            _ => self.needs.extend(needs),
        }
    }
}

/// That a container joins a network.
pub(in crate::body::inspection) fn joined(name: &str) -> Claim {
    Claim {
        path: "the network".to_owned(),
        value: name.to_owned(),
        reach: Reach::NETWORK,
        what: What::Network(name.to_owned()),
        unsettled: false,
    }
}

/// The engine's own networks, whose names are no others'.
const OF_ENGINE: [&str; 4] = ["bridge", "default", "host", "none"];

/// Options of a network that the engine fills in.
const FILLED_IN: &[&str] = &["com.docker.network.driver.overlay.vxlanid_list"];
