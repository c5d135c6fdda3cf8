//! Which policy holds for a client, and why.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Instant;

use clap::Arg;

use crate::clients::containers::{Arrival, Known, Seen, Why};
use crate::clients::{Answers, Identity, Lookup, Names, Unknown};
use crate::config::{
    ConfiguredPolicy, Endpoint, LabelLists, Listen, OwnList, PolicyId, Settings, UNMAPPED,
};
use crate::proxy::{list_containers, look_up_all};

/// A client as the command line names it.
#[derive(Clone, Debug)]
pub(super) struct Client {
    identity: Identity,
    /// If it is one by TCP.
    address: Option<IpAddr>,
}

/// What the command line names is not a client.
#[derive(Debug)]
pub(super) struct NotAClient;

impl fmt::Display for NotAClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("use an address such as 172.20.0.5, or unix:UID, or unix:UID:GID,GID")
    }
}

impl std::error::Error for NotAClient {}

/// `172.20.0.5`, `unix:1000` or `unix:1000:1000,998`.
impl FromStr for Client {
    type Err = NotAClient;

    fn from_str(text: &str) -> Result<Client, NotAClient> {
        let Some(ids) = text.strip_prefix("unix:") else {
            let identity: Identity = text.parse().map_err(|_| NotAClient)?;
            let address = identity.address();
            return Ok(Client { identity, address });
        };
        let id = |text: &str| text.parse::<u32>().map_err(|_| NotAClient);
        let (user, groups) = match ids.split_once(':') {
            Some((user, groups)) => (user, Some(groups)),
            None => (ids, None),
        };
        let groups = groups.map(|groups| groups.split(',').map(id).collect());
        Ok(Client {
            identity: Identity::process(Some(id(user)?), groups.transpose()?, &UNMAPPED),
            address: None,
        })
    }
}

/// The option that names one.
pub(super) fn option() -> Arg {
    Arg::new("client")
        .long("client")
        .value_name("CLIENT")
        .value_parser(|text: &str| text.parse::<Client>())
}

/// What holds now.
struct Now {
    names: HashMap<String, Answers>,
    /// Before the engine was asked.
    asked: Instant,
    /// The engine's containers, if a rule goes by them.
    containers: Option<Result<Known, String>>,
}

impl Names for Now {
    fn has(&self, host: &str, address: IpAddr) -> Option<bool> {
        self.names.has(host, address)
    }

    fn containers(&self, address: IpAddr) -> Seen {
        let arrival = Arrival {
            accepted: self.asked,
            heard: u64::MAX,
            local: None,
        };
        match &self.containers {
            Some(Ok(known)) => known.whose(address, &arrival),
            Some(Err(why)) => Seen::Unknown(Why::Lost(why.as_str().into())),
            None => Seen::Nobody,
        }
    }
}

/// Which policy holds for a client.
pub(super) enum Whose<'a> {
    /// One, by a rule or because all of its endpoints have it.
    Policy(PolicyId, String),
    /// The list of its container, by its labels.
    List(Box<ConfiguredPolicy>, String),
    /// That of the endpoint where it connects; of these it can choose, and they differ.
    Endpoints(Vec<&'a Endpoint>),
    /// None, and why.
    Refused(String),
}

impl Client {
    /// Who it is.
    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Looks up what holds for it now, where it can connect or at one endpoint.
    pub(super) fn whose<'a>(&self, settings: &'a Settings, at: Option<&'a Endpoint>) -> Whose<'a> {
        let admission = settings.clients.iter();
        let hosts = admission.flat_map(|list| list.hosts.iter().map(String::as_str));
        let hosts = hosts.chain(settings.rules.hosts());
        let hosts: Vec<&str> = hosts.collect();
        let names = Now {
            names: look_up_all(&hosts),
            asked: Instant::now(),
            containers: (settings.process.label_prefix.is_some()
                || settings.rules.containers().next().is_some())
            .then(|| {
                let own = settings.process.self_container.as_deref();
                list_containers(&settings.engine, own, self.address)
            }),
        };
        if let Some(list) = self.list(settings, &names) {
            return list;
        }
        if let (Some(address), Some(list)) = (self.address, &settings.clients) {
            let mut hosts = list.hosts.iter();
            let admitted =
                list.has(address) || hosts.any(|host| names.has(host, address) == Some(true));
            if !admitted {
                return Whose::Refused("SP_ALLOWFROM does not allow this client".to_owned());
            }
        }
        match settings.rules.lookup(&self.identity, &names) {
            Lookup::Decided { rule, policy } => {
                let who = settings
                    .rules
                    .iter()
                    .nth(rule)
                    .map(|rule| rule.who.to_string());
                let who = who.unwrap_or_default();
                // A rule of a label that chooses is in no file.
                let why = match settings.rule_places.get(rule) {
                    Some(place) => format!("clients[{rule}] in {place}: {who}"),
                    None => who,
                };
                Whose::Policy(*policy, why)
            }
            Lookup::Unknown { rule, on } => Whose::Refused(match on {
                Unknown::Hosts(hosts) => format!(
                    "cannot be decided now: clients[{rule}] depends on {}, which cannot be looked \
                     up; requests get a 503 until it can be",
                    hosts.join(", ")
                ),
                Unknown::Container(why) => format!(
                    "cannot be decided now: clients[{rule}] depends on the client's container: \
                     {why}; requests get a 503 until it can be"
                ),
                Unknown::User | Unknown::Groups => format!(
                    "cannot be decided: clients[{rule}] depends on the client's groups; add all of \
                     them: unix:UID:GID,GID"
                ),
            }),
            Lookup::NoRule => self.of_endpoint(settings, at),
        }
    }

    /// The list of its container, if it has one or that cannot be said.
    fn list<'a>(&self, settings: &Settings, names: &Now) -> Option<Whose<'a>> {
        let (prefix, address) = (settings.process.label_prefix.as_ref()?, self.address?);
        let lists = LabelLists::new(prefix, settings.policies.default());
        match lists.of(names.containers(address)) {
            OwnList::None => None,
            OwnList::By { labels, container } => {
                let mut diagnostics = Vec::new();
                let list = lists.compile(&labels, &mut diagnostics);
                let wrong = diagnostics.iter().find(|one| one.is_error());
                Some(match list {
                    Some(list) => Whose::List(
                        Box::new(list),
                        format!("the labels of container {container}"),
                    ),
                    None => Whose::Refused(format!(
                        "labels of container {container} cannot be used: {}",
                        wrong.map_or_else(String::new, ToString::to_string)
                    )),
                })
            }
            OwnList::Unknown(why) => Some(Whose::Refused(format!(
                "cannot be decided now: labels of the client's container count, and {why}; requests \
                 get a 503 until that is known"
            ))),
        }
    }

    /// Without a rule, its endpoint's policy holds.
    fn of_endpoint<'a>(&self, settings: &'a Settings, at: Option<&'a Endpoint>) -> Whose<'a> {
        let fits =
            |one: &&Endpoint| matches!(one.listen, Listen::Tcp { .. }) == self.address.is_some();
        let endpoints: Vec<&Endpoint> = match at {
            Some(at) => Some(at).into_iter().filter(fits).collect(),
            None => settings.endpoints.iter().filter(fits).collect(),
        };
        match endpoints.as_slice() {
            [] => Whose::Refused("no endpoint is for such a client".to_owned()),
            [first, rest @ ..] if rest.iter().all(|one| one.policy == first.policy) => {
                let listen = first.listen.to_string();
                let why = format!("no client rule matches, and the endpoint {listen} has it");
                Whose::Policy(first.policy, why)
            }
            _ => Whose::Endpoints(endpoints),
        }
    }
}
