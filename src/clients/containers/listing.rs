//! What the engine's lists say at one time: the networks, who has which address in them, and what is
//! known of those containers.
//!
//! Addresses are those of the networks' own inspects: they have a container before its first process
//! runs, where a list of containers has it only after.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::Container;
use super::answers::{Inspect, Listed, Network, Task, plain};
use crate::clients::list::Network as Subnet;

/// The bridge by which a swarm's containers reach the host. No event tells who gets into it.
const GATEWAY_BRIDGE: &str = "docker_gwbridge";

/// What the engine's lists say at one time.
#[derive(Debug, Default)]
pub struct Listing {
    /// dockgate's own container, if it is in one.
    own: Option<String>,
    /// Its addresses.
    own_addresses: HashSet<IpAddr>,
    /// The IDs of the networks.
    networks: HashSet<String>,
    /// With the IDs of the networks that they are of.
    subnets: Vec<(Subnet, String)>,
    gateways: HashSet<IpAddr>,
    endpoints: Vec<Endpoint>,
    containers: HashMap<String, Arc<Container>>,
    /// Who shares whose addresses: by the ID of the container that has them.
    sharers: HashMap<String, Vec<String>>,
    /// Those whose labels were too long.
    cut: HashSet<String>,
    /// Those of whom it cannot be said whose addresses they share.
    loose: Vec<String>,
    holders: HashMap<IpAddr, Holder>,
}

/// A container's place in a network.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) id: String,
    pub(super) network: String,
    pub(super) container: String,
    /// Since when it has been there, in nanoseconds.
    pub(super) since: Option<u64>,
    /// Whether an event tells when its container gets into the network.
    pub(super) is_told: bool,
    addresses: Vec<IpAddr>,
}

/// Who has an address.
#[derive(Debug)]
pub(super) struct Holder {
    /// All that share it. `None`: not all of them are known.
    pub(super) containers: Option<Arc<[Arc<Container>]>>,
    /// Whether the labels of one of them were too long.
    pub(super) is_cut: bool,
    /// Their IDs.
    pub(super) ids: HashSet<String>,
    pub(super) since: u64,
}

/// Whose networks a container that names another one's is in.
#[derive(Clone, Copy)]
enum Shares<'a> {
    /// That one's, which has its own.
    With(&'a str),
    /// It is in none: what it names does not exist, or leads back to itself.
    Nothing,
    /// That cannot be said.
    Unknown,
}

impl Listing {
    /// What these answers say together. `own` is dockgate's container, unless it is in the networks of
    /// the host.
    pub fn of(
        own: Option<&Inspect>,
        networks: Vec<Network>,
        listed: Vec<Listed>,
        tasks: Vec<Task>,
    ) -> Listing {
        let mut listing = Listing {
            own: own.map(|own| own.id.clone()),
            ..Listing::default()
        };
        for endpoint in own.iter().flat_map(|own| own.settings.networks.values()) {
            listing.own_addresses.extend(endpoint.addresses());
            // Where a subnet was given without a gateway, the network's inspect has none. That of another
            // container does not count: whoever creates one writes what it likes.
            listing.gateways.extend(endpoint.gateways());
        }
        for network in networks.into_iter().filter(|network| !network.ingress) {
            listing.add_network(network);
        }
        listing.add_containers(&listed);
        listing.add_sharers(&listed);
        for task in &tasks {
            listing.add_task(task);
        }
        listing
    }

    /// The addresses of the host, which are its own in the networks as well.
    pub fn is_met_at(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.gateways.extend(addresses);
    }

    fn add_network(&mut self, network: Network) {
        for config in network.ipam.config.unwrap_or_default() {
            let subnet = Subnet::parse(&config.subnet);
            let gateway = plain(&config.gateway);
            let is_within = |gateway: &IpAddr| subnet.is_some_and(|subnet| subnet.has(*gateway));
            self.gateways.extend(gateway.filter(is_within));
            self.subnets
                .extend(subnet.map(|subnet| (subnet, network.id.clone())));
        }
        for (container, one) in network.containers.unwrap_or_default() {
            let addresses = [&one.v4, &one.v6]
                .into_iter()
                .filter_map(|text| plain(text));
            self.endpoints.push(Endpoint {
                id: one.id,
                network: network.id.clone(),
                container,
                since: None,
                is_told: network.name != GATEWAY_BRIDGE,
                addresses: addresses.collect(),
            });
        }
        self.networks.insert(network.id);
    }

    fn add_containers(&mut self, listed: &[Listed]) {
        for one in listed {
            let names = one.names.iter().flatten();
            // Others are those of links: /web/db.
            let mut names = names.map(|name| name.trim_start_matches('/'));
            let container = Container {
                id: one.id.clone(),
                name: names
                    .find(|name| !name.contains('/'))
                    .unwrap_or_default()
                    .to_owned(),
                image: one.image.clone(),
                labels: one.labels.all.clone(),
            };
            if one.labels.is_cut {
                self.cut.insert(one.id.clone());
            }
            self.containers.insert(one.id.clone(), Arc::new(container));
        }
    }

    fn add_sharers(&mut self, listed: &[Listed]) {
        // Whose networks a mode means now: an ID, a name, or the beginning of an ID.
        let meant = |mode: &str| -> Option<&str> {
            let mode = mode.trim_start_matches('/');
            let by_id = || self.containers.keys().find(|id| id.starts_with(mode));
            let by_name = || {
                self.containers
                    .values()
                    .find(|one| one.name == mode)
                    .map(|one| &one.id)
            };
            let whole = self.containers.get_key_value(mode).map(|(id, _)| id);
            whole.or_else(by_name).or_else(by_id).map(String::as_str)
        };
        let modes: HashMap<&str, (Option<&str>, bool)> = listed
            .iter()
            .filter_map(|one| {
                let mode = one.host_config.shared()?;
                // One that runs shares with who had that name when it was started. An ID stays one
                // container's, and once that is gone nobody has its addresses.
                let is_past =
                    one.runs() && !is_full_id(mode) && !self.containers.contains_key(mode);
                Some((one.id.as_str(), (meant(mode), is_past)))
            })
            .collect();
        let running = listed.iter().filter(|one| one.runs());
        let running: HashSet<&str> = running.map(|one| one.id.as_str()).collect();
        let mut ends: HashMap<&str, Shares<'_>> = HashMap::new();
        for id in modes.keys() {
            let (mut way, mut at) = (Vec::new(), *id);
            let end = loop {
                if let Some(known) = ends.get(at) {
                    // The engine starts none on the way back to itself.
                    let is_odd = || way.contains(&at) && way.iter().any(|id| running.contains(id));
                    break if is_odd() { Shares::Unknown } else { *known };
                }
                let Some((next, is_past)) = modes.get(at) else {
                    break Shares::With(at);
                };
                // On the way back to itself, until it is known what is at its end.
                ends.insert(at, Shares::Nothing);
                way.push(at);
                match next {
                    _ if *is_past => break Shares::Unknown,
                    // What it would share does not exist.
                    None => break Shares::Nothing,
                    Some(next) => at = next,
                }
            };
            ends.extend(way.into_iter().map(|at| (at, end)));
        }
        let (mut sharers, mut loose) = (HashMap::<String, Vec<String>>::new(), Vec::new());
        for (id, end) in ends {
            match end {
                Shares::Unknown => loose.push(id.to_owned()),
                Shares::With(at) => sharers
                    .entry(at.to_owned())
                    .or_default()
                    .push(id.to_owned()),
                Shares::Nothing => {}
            }
        }
        (self.sharers, self.loose) = (sharers, loose);
    }

    /// A task of a swarm, which may run on another node.
    fn add_task(&mut self, task: &Task) {
        let container = task
            .status
            .container
            .as_ref()
            .map(|status| status.id.as_str());
        let id = container.filter(|id| !id.is_empty()).unwrap_or(&task.id);
        let is_here = self.containers.contains_key(id);
        if is_here || task.is_over() {
            return;
        }
        let spec = &task.spec.container;
        let mut labels = spec.labels.clone().unwrap_or_default();
        labels.insert("com.docker.swarm.task.id".to_owned(), task.id.clone());
        let container = Container {
            id: id.to_owned(),
            name: String::new(),
            image: Some(spec.image.clone()),
            labels,
        };
        let mut has_any = false;
        for attached in task.networks.iter().flatten() {
            let network = &attached.network.id;
            if self.networks.contains(network) {
                has_any = true;
                self.endpoints.push(Endpoint {
                    id: format!("{}/{network}", task.id),
                    network: network.clone(),
                    container: id.to_owned(),
                    since: task.created(),
                    is_told: true,
                    addresses: attached
                        .addresses
                        .iter()
                        .flatten()
                        .filter_map(|one| plain(one))
                        .collect(),
                });
            }
        }
        if has_any {
            self.containers.insert(id.to_owned(), Arc::new(container));
        }
    }

    pub(super) fn endpoints_mut(&mut self) -> impl Iterator<Item = &mut Endpoint> {
        self.endpoints.iter_mut()
    }

    /// Finds out who has each address, once all endpoints are dated.
    pub(super) fn index(&mut self) {
        let mut holders: HashMap<IpAddr, (HashSet<String>, u64)> = HashMap::new();
        for endpoint in &self.endpoints {
            for address in &endpoint.addresses {
                let (ids, since) = holders.entry(*address).or_default();
                ids.insert(endpoint.container.clone());
                ids.extend(
                    self.sharers
                        .get(&endpoint.container)
                        .into_iter()
                        .flatten()
                        .cloned(),
                );
                ids.extend(self.loose.iter().cloned());
                *since = endpoint.since.unwrap_or(u64::MAX).max(*since);
            }
        }
        let known = holders.into_iter().map(|(address, (ids, since))| {
            let containers = ids.iter().map(|id| self.containers.get(id).cloned());
            let containers: Option<Vec<Arc<Container>>> = containers.collect();
            let is_cut = !ids.is_disjoint(&self.cut);
            let holder = Holder {
                containers: containers.filter(|_| !is_cut).map(Arc::from),
                is_cut,
                ids,
                since,
            };
            (address, holder)
        });
        self.holders = known.collect();
    }

    pub(super) fn holder(&self, address: IpAddr) -> Option<&Holder> {
        self.holders.get(&address)
    }

    /// Whether an address is within one of the networks.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.networks_of(address).next().is_some()
    }

    /// The IDs of the networks that have an address.
    pub(super) fn networks_of(&self, address: IpAddr) -> impl Iterator<Item = &str> {
        let subnets = self.subnets.iter();
        let subnets = subnets.filter(move |(subnet, _)| subnet.has(address));
        subnets.map(|(_, network)| network.as_str())
    }

    pub(super) fn is_gateway(&self, address: IpAddr) -> bool {
        self.gateways.contains(&address) && !self.holders.contains_key(&address)
    }

    pub(super) fn is_own(&self, address: IpAddr) -> bool {
        self.own_addresses.contains(&address)
    }

    pub(super) fn own(&self) -> Option<&str> {
        self.own.as_deref()
    }

    pub(super) fn has_network(&self, id: &str) -> bool {
        self.networks.contains(id)
    }

    pub(super) fn has_container(&self, id: &str) -> bool {
        self.containers.contains_key(id)
    }

    /// Whether it shows that a container got into a network at that time.
    pub(super) fn shows(&self, network: &str, container: &str, at: u64) -> bool {
        self.endpoints.iter().any(|one| {
            one.network == network && one.container == container && one.since == Some(at)
        })
    }
}

fn is_full_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
