//! By what other clients are told apart, so that no request makes one of them: a name or an address
//! that a rule of another policy is for, and the networks in which dockgate is met.

use std::net::IpAddr;

use crate::api::fields::Body;
use crate::body::json::{Object, Value};
use crate::body::limits::{ImageFrom, Names};

/// Those for which other policies hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// Their addresses: networks with the lengths of their prefixes.
    pub networks: Vec<(IpAddr, u32)>,
    /// Their host names.
    pub hosts: Vec<String>,
    /// The names of their containers.
    pub names: Vec<Names>,
    /// The names that rules of all policies go by, the asking one's too: who has one keeps it.
    pub kept_names: Vec<Names>,
    /// The same of host names.
    pub kept_hosts: Vec<String>,
    /// The images of their containers.
    pub images: Vec<ImageFrom>,
    /// The labels of their containers.
    pub labels: Vec<(String, Values)>,
    /// What those of their labels begin with that grant, if any do: `socket-proxy.allow`.
    pub granting: Option<String>,
    /// The container that dockgate runs in, if that is known: its ID, or its name as it is given. Who
    /// joins its networks can call it.
    pub container: Option<String>,
    /// Whether everybody who is in no rule is one.
    pub strangers: bool,
    /// The addresses of those who are none even so.
    pub own: Vec<(IpAddr, u32)>,
}

/// The label by which a client's container chooses its policy.
pub const CHOOSES: &str = "dockgate.policy";

/// What the keys of labels begin with that a swarm gives to the containers of a service.
const OF_SWARM: &str = "com.docker.swarm.";

/// The values of a label by which a client is known.
#[derive(Debug, PartialEq, Eq)]
pub enum Values {
    /// All that are not empty.
    Any,
    /// One.
    Is(String),
    /// Some.
    Among(Names),
}

/// Where a body gives names by which its container or service is found in a network.
const NAMES: &[&str] = &[
    "Hostname",
    "NetworkingConfig.EndpointsConfig{}.Aliases[]",
    "NetworkingConfig.EndpointsConfig{}.DNSNames[]",
    "EndpointConfig.Aliases[]",
    "EndpointConfig.DNSNames[]",
    "TaskTemplate.ContainerSpec.Hostname",
    "TaskTemplate.Networks[].Aliases[]",
    "Networks[].Aliases[]",
];

impl Others {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        !self.strangers
            && self.networks.is_empty()
            && self.hosts.is_empty()
            && self.names.is_empty()
            && self.images.is_empty()
            && self.labels.is_empty()
            && self.granting.is_none()
            && self.container.is_none()
    }

    /// Whether containers of that name would be taken for one.
    pub(super) fn have_name(&self, name: &str) -> bool {
        is_host(&self.hosts, name)
    }

    /// Whether any name is kept.
    pub(super) fn keep_names(&self) -> bool {
        !self.kept_names.is_empty() || !self.kept_hosts.is_empty()
    }

    /// Whether a container keeps its name: a rule goes by it that would not go by the new one, and without that rule its
    /// policy may be wider.
    pub(super) fn keep(&self, name: &str, new: &str) -> bool {
        let [name, new] = [name, new].map(|name| name.trim_start_matches('/'));
        let mut lists = self.kept_names.iter();
        lists.any(|list| list.allows(name) && !list.allows(new)) || is_host(&self.kept_hosts, name)
    }

    /// Whether a container of that name would be one.
    pub(super) fn have_container(&self, name: &str) -> bool {
        let name = name.trim_start_matches('/');
        self.names.iter().any(|list| list.allows(name))
    }

    /// Whether a container with such a label would be one, or could be with others beside it.
    pub(super) fn have_label(&self, key: &str, value: &str) -> bool {
        let is_known = || {
            self.labels.iter().any(|(own, values)| {
                let fits = || match values {
                    Values::Any => true,
                    Values::Is(one) => one == value,
                    Values::Among(list) => list.allows(value),
                };
                own == key && fits()
            })
        };
        let grants = || {
            let rest = self
                .granting
                .as_ref()
                .and_then(|own| key.strip_prefix(&**own));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        !value.is_empty() && (is_known() || grants())
    }

    /// The keys of the labels by which they are known. Those that grant are too many to be named: one stands
    /// for them, and where a container has it, the others are its image's.
    pub(super) fn label_keys(&self) -> impl Iterator<Item = &str> {
        let known = self.labels.iter().map(|(key, _)| key.as_str());
        known.chain(self.granting.as_deref())
    }

    /// Whether an address is one of theirs. What cannot be read is.
    pub(super) fn have_address(&self, address: &str) -> bool {
        self.may_be_in(address)
    }

    /// Whether the containers of a service of that name would be one, or could be with others beside them:
    /// by the names and the labels that a swarm gives them.
    fn have_service(&self, name: &str) -> bool {
        let by_label = |(key, values): &(String, Values)| match key.strip_prefix(OF_SWARM) {
            None => false,
            Some("service.name") => name.is_empty() || self.have_label(key, name),
            Some("task.name") => match values {
                Values::Is(task) => {
                    let rest = task.strip_prefix(name);
                    rest.is_some_and(|rest| name.is_empty() || rest.starts_with('.'))
                }
                Values::Any | Values::Among(_) => true,
            },
            // IDs that nobody knows before.
            Some(_) => true,
        };
        // The engine calls a task's container NAME.SLOT.ID or NAME.NODE.ID.
        let of_task = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
        let start = format!("{name}.");
        let by_name = |list: &Names| list.may_go_on(&start, of_task);
        self.names.iter().any(by_name) || self.labels.iter().any(by_label)
    }

    /// Whether a container of that image would be one.
    fn have_image(&self, image: &str) -> bool {
        self.images.iter().any(|list| list.allows_unseen(image))
    }

    /// The first name in a body that would be taken for one: its place and its value.
    pub(super) fn named(&self, body: &Body, tree: &Value) -> Option<(String, String)> {
        let mut found = None;
        let of_service = body.route.text.starts_with("POST /services/");
        let mut look = |places: &[&str], is_taken: &dyn Fn(&str) -> bool| {
            for place in places {
                tree.each(place, &mut |path, value| {
                    if value.as_str().is_some_and(is_taken) {
                        found.get_or_insert_with(|| (path.to_string(), value.shown()));
                    }
                });
            }
        };
        look(NAMES, &|name| self.have_name(name));
        if of_service {
            look(&["Name"], &|name| self.have_name(name));
            let image = |image: &str| self.images.iter().any(|list| list.could_allow(image));
            look(&["TaskTemplate.ContainerSpec.Image"], &image);
            let name = tree.at("Name");
            if self.have_service(name.as_str().unwrap_or_default()) {
                found.get_or_insert_with(|| ("Name".to_owned(), name.shown()));
            }
        } else {
            look(&["Image"], &|image| self.have_image(image));
        }
        found
    }

    /// The first subnet of a network, of a body or an inspect, that has addresses of one.
    pub(super) fn reached_by(&self, network: &Value) -> Option<String> {
        let configs = network.at("IPAM.Config").items().iter();
        let subnets = configs.flat_map(|one| [one.at("Subnet"), one.at("IPRange")]);
        let mut subnets = subnets
            .filter_map(Value::as_str)
            .filter(|text| !text.is_empty());
        subnets.find(|text| self.may_be_in(text)).map(str::to_owned)
    }

    /// Whether some of a subnet's addresses, or this address, are theirs.
    fn may_be_in(&self, subnet: &str) -> bool {
        let theirs = !self.networks.is_empty() && overlap(&self.networks, subnet);
        let wholly = |own: &(IpAddr, u32)| {
            let length = subnet
                .split_once('/')
                .map_or(Ok(128), |(_, it)| it.parse::<u32>());
            length.is_ok_and(|length| length >= own.1) && overlap(&[*own], subnet)
        };
        theirs || self.strangers && !self.own.iter().any(wholly)
    }

    /// Whether dockgate is met in a network, by its inspect.
    pub(super) fn meet_in(&self, network: &Value) -> bool {
        let containers = network.at("Containers").as_object();
        let own = self.container.as_deref();
        own.is_some_and(|own| {
            let is_own = |(id, one): (&str, &Value)| {
                id.starts_with(own) || one.at("Name").as_str() == Some(own)
            };
            containers.is_some_and(|all| all.iter().any(is_own))
        })
    }

    /// Whether it counts in which networks a container is.
    pub(super) fn are_met_in_networks(&self) -> bool {
        !self.networks.is_empty() || self.container.is_some() || self.strangers
    }

    /// By what of its inspect a container is one of them: the places and the values.
    pub(super) fn known_as<'v>(&self, inspect: &'v Value) -> Vec<(&'static str, &'v str)> {
        let endpoints = inspect.at("NetworkSettings.Networks").as_object();
        let endpoints = || endpoints.into_iter().flat_map(Object::iter);
        let each =
            |key: &'static str| endpoints().map(move |(_, endpoint)| (key, endpoint.at(key)));
        let all = |key: &'static str| {
            let lists = endpoints().flat_map(move |(_, endpoint)| endpoint.at(key).items());
            lists.map(move |name| (key, name))
        };
        let own = ["Name", "Config.Hostname"].map(|key| (key, inspect.at(key)));
        let names = own.into_iter().chain(all("Aliases")).chain(all("DNSNames"));
        let names = names.filter(|(_, name)| name.as_str().is_some_and(|it| self.have_name(it)));
        let addresses = each("IPAddress").chain(each("GlobalIPv6Address"));
        let addresses = addresses.filter(|(_, address)| {
            let address = address.as_str().filter(|address| !address.is_empty());
            address.is_some_and(|address| self.have_address(address))
        });
        let name = [("Name", inspect.at("Name"))].into_iter();
        let name = name.filter(|(_, name)| name.as_str().is_some_and(|it| self.have_container(it)));
        let image = [("Config.Image", inspect.at("Config.Image"))].into_iter();
        let image = image.filter(|(_, image)| image.as_str().is_some_and(|it| self.have_image(it)));
        let labels = inspect.at("Config.Labels").as_object().into_iter();
        let labels = labels.flat_map(Object::iter).filter(|(key, value)| {
            value
                .as_str()
                .is_some_and(|value| self.have_label(key, value))
        });
        let labels = labels.map(|(_, value)| ("Config.Labels", value));
        let found = names
            .chain(addresses)
            .chain(name)
            .chain(image)
            .chain(labels);
        found
            .filter_map(|(place, value)| Some((place, value.as_str()?)))
            .collect()
    }

    /// Whether the host itself may be one: by an address that no container can have, or by its name.
    pub(super) fn may_be_host(&self, info: &Value, networks: &Value) -> bool {
        let subnets = || {
            let configs = networks
                .items()
                .iter()
                .map(|network| network.at("IPAM.Config"));
            configs.flat_map(Value::items)
        };
        let of_containers = |one: &(IpAddr, u32)| {
            let inside = |subnet: &str| {
                let length = subnet
                    .split_once('/')
                    .and_then(|(_, length)| length.parse().ok());
                length.is_some_and(|length: u32| length <= one.1) && overlap(&[*one], subnet)
            };
            subnets().any(|config| {
                let gateway = config
                    .at("Gateway")
                    .as_str()
                    .filter(|text| !text.is_empty());
                config.at("Subnet").as_str().is_some_and(inside)
                    && gateway.is_some_and(|gateway| !overlap(&[*one], gateway))
            })
        };
        let name = info.at("Name").as_str().unwrap_or_default();
        self.strangers || !self.networks.iter().all(of_containers) || self.have_name(name)
    }
}

/// Whether one of these host names is that of containers with this name.
fn is_host(hosts: &[String], name: &str) -> bool {
    let name = name.trim_start_matches('/').to_ascii_lowercase();
    hosts.iter().any(|host| {
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let host = host.strip_prefix("tasks.").unwrap_or(host);
        // A name may be followed by that of the network.
        let rest = host.strip_prefix(&*name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// Whether a subnet has addresses of one of these. What cannot be read has.
fn overlap(networks: &[(IpAddr, u32)], subnet: &str) -> bool {
    let (address, length) = subnet.split_once('/').unwrap_or((subnet, "128"));
    let (Ok(address), Ok(length)) = (address.parse::<IpAddr>(), length.parse::<u32>()) else {
        return true;
    };
    networks.iter().any(|(own, prefix)| match (own, address) {
        (IpAddr::V4(own), IpAddr::V4(address)) => {
            let differ = own.to_bits() ^ address.to_bits();
            let common = length.min(*prefix).min(32);
            differ.checked_shr(32 - common).unwrap_or(0) == 0
        }
        (IpAddr::V6(own), IpAddr::V6(address)) => {
            let differ = own.to_bits() ^ address.to_bits();
            let common = length.min(*prefix).min(128);
            differ.checked_shr(128 - common).unwrap_or(0) == 0
        }
        _ => false,
    })
}

/// The networks that a body has a container join without naming them.
pub(super) fn joined(body: &Body, tree: &Value) -> &'static [&'static str] {
    let text = |key: &str| tree.at(key).as_str().unwrap_or_default();
    match body.route.text {
        "POST /containers/create" => {
            let endpoints = tree.at("NetworkingConfig.EndpointsConfig").as_object();
            let has = |key: &&str| endpoints.is_some_and(|all| all.get(key).is_some());
            let own = ["", "default", "bridge"].contains(&text("HostConfig.NetworkMode"));
            match own || ["default", "bridge"].iter().any(has) {
                true => &["bridge"],
                false => &[],
            }
        }
        "POST /services/create" | "POST /services/{id!}/update" => {
            let named = ["TaskTemplate.Networks", "Networks"].map(|key| tree.at(key).items());
            match named.iter().all(|list| list.is_empty()) {
                true => &["bridge", "docker_gwbridge", "ingress"],
                false => &["docker_gwbridge", "ingress"],
            }
        }
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_of_others_are_known() {
        let others = Others {
            networks: vec![
                ("172.20.0.5".parse().expect("an address"), 32),
                ("10.0.0.0".parse().expect("an address"), 8),
                ("fd00::".parse().expect("an address"), 16),
            ],
            hosts: ["traefik", "db.internal.", "tasks.web"]
                .map(str::to_owned)
                .to_vec(),
            ..Others::default()
        };
        for name in ["traefik", "/Traefik", "db", "db.internal", "web"] {
            assert!(others.have_name(name), "{name}");
        }
        for name in ["", "traefi", "traefik2", "internal", "tasks"] {
            assert!(!others.have_name(name), "{name}");
        }
        for subnet in [
            "172.20.0.0/16",
            "172.20.0.5/32",
            "0.0.0.0/0",
            "10.9.0.0/24",
            "fd00:1::/64",
            "nonsense",
            "172.21.0.0/x",
        ] {
            assert!(others.may_be_in(subnet), "{subnet}");
        }
        for subnet in ["172.21.0.0/16", "172.20.0.4/32", "11.0.0.0/8", "fe80::/10"] {
            assert!(!others.may_be_in(subnet), "{subnet}");
        }
        assert!(!Others::default().have_name("traefik"));
    }
}
