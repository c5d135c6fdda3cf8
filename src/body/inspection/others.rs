//! By what other clients are told apart, so that no request makes one of them: a name or an address
//! that a rule of another policy is for, and the networks in which dockgate is met.

use std::net::IpAddr;

use crate::api::fields::Body;
use crate::body::facts::Name;
use crate::body::json::Value;

/// Those for which other policies hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// Their addresses: networks with the lengths of their prefixes.
    pub networks: Vec<(IpAddr, u32)>,
    /// Their host names.
    pub hosts: Vec<String>,
    /// The container that dockgate runs in, if that is known. Who joins its networks can call it.
    pub container: Option<String>,
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
        *self == Others::default()
    }

    /// Whether containers of that name would be taken for one.
    pub(super) fn have_name(&self, name: &str) -> bool {
        let name = name.trim_start_matches('/').to_ascii_lowercase();
        self.hosts.iter().any(|host| {
            let host = host.to_ascii_lowercase();
            let host = host.strip_suffix('.').unwrap_or(&host);
            let host = host.strip_prefix("tasks.").unwrap_or(host);
            // A name may be followed by that of the network.
            let rest = host.strip_prefix(&*name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// The first name in a body that would be taken for one: its place and its value.
    pub(super) fn named(&self, body: &Body, tree: &Value) -> Option<(String, String)> {
        let mut found = None;
        let of_service = body.route.text.starts_with("POST /services/");
        let own = ["Name"].iter().filter(|_| of_service);
        for places in NAMES.iter().chain(own) {
            tree.each(places, &mut |path, value| {
                if value.as_str().is_some_and(|name| self.have_name(name)) {
                    found.get_or_insert_with(|| (path.to_string(), value.shown()));
                }
            });
        }
        found
    }

    /// The first subnet of a network, of a body or an inspect, that has addresses of one.
    pub(super) fn reached_by(&self, network: &Value) -> Option<String> {
        if self.networks.is_empty() {
            return None;
        }
        let configs = network.at("IPAM.Config").items().iter();
        let subnets = configs.flat_map(|one| [one.at("Subnet"), one.at("IPRange")]);
        let mut subnets = subnets
            .filter_map(Value::as_str)
            .filter(|text| !text.is_empty());
        subnets.find(|text| self.overlap(text)).map(str::to_owned)
    }

    /// Whether a subnet has addresses of one. What cannot be read has.
    fn overlap(&self, subnet: &str) -> bool {
        let (address, length) = subnet.split_once('/').unwrap_or((subnet, "128"));
        let (Ok(address), Ok(length)) = (address.parse::<IpAddr>(), length.parse::<u32>()) else {
            return true;
        };
        self.networks
            .iter()
            .any(|(own, prefix)| match (own, address) {
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

    /// Whether dockgate is met in a network, by its inspect.
    pub(super) fn meet_in(&self, network: &Value) -> bool {
        let containers = network.at("Containers").as_object();
        let own = self.container.as_deref();
        own.is_some_and(|own| containers.is_some_and(|all| all.get(own).is_some()))
    }

    /// The network that a container joins if its body names none, if that counts.
    pub(super) fn default_network(&self, tree: &Value) -> Option<Name> {
        let mode = tree
            .at("HostConfig.NetworkMode")
            .as_str()
            .unwrap_or_default();
        let endpoints = tree.at("NetworkingConfig.EndpointsConfig").as_object();
        let has = |key: &&str| endpoints.is_some_and(|all| all.get(key).is_some());
        let joins =
            ["", "default", "bridge"].contains(&mode) || ["default", "bridge"].iter().any(has);
        let counts = !self.networks.is_empty() || self.container.is_some();
        Name::of("bridge").filter(|_| joins && counts)
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
            container: None,
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
            assert!(others.overlap(subnet), "{subnet}");
        }
        for subnet in ["172.21.0.0/16", "172.20.0.4/32", "11.0.0.0/8", "fe80::/10"] {
            assert!(!others.overlap(subnet), "{subnet}");
        }
        assert!(!Others::default().have_name("traefik"));
    }
}
