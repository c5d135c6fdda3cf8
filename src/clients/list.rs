//! Who may connect by TCP: a list of networks, addresses and host names.

use std::net::{IpAddr, Ipv6Addr};

/// A list of allowed clients. An invalid item matches no client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowFrom {
    /// As written.
    pub text: String,
    networks: Vec<Network>,
    /// Host names, whose addresses are looked up when a client connects.
    pub hosts: Vec<String>,
    /// What makes no sense.
    pub nobody: Vec<String>,
}

impl AllowFrom {
    /// Reads a comma-separated list. Nothing is trimmed, as in wollomatic/socket-proxy, so nothing
    /// matches here that would not match there.
    pub fn new(text: &str) -> AllowFrom {
        let mut list = AllowFrom {
            text: text.to_owned(),
            networks: Vec::new(),
            hosts: Vec::new(),
            nobody: Vec::new(),
        };
        for item in text.split(',') {
            match Network::parse(item) {
                Some(network) => list.networks.push(network),
                None if is_host(item) => list.hosts.push(item.to_owned()),
                None => list.nobody.push(item.to_owned()),
            }
        }
        list
    }

    /// Whether one of its networks or addresses contains this one, IPv4-mapped or not.
    pub fn has(&self, client: IpAddr) -> bool {
        self.networks.iter().any(|network| network.has(client))
    }

    /// Its networks and addresses, with the lengths of their prefixes.
    pub fn networks(&self) -> impl Iterator<Item = (IpAddr, u32)> {
        self.networks
            .iter()
            .map(|network| (network.address, network.prefix))
    }

    /// What was meant by one of its networks or addresses, if that is hardly what it is.
    pub fn mistaken(&self) -> Option<Mistaken> {
        self.networks.iter().find_map(Network::mistaken)
    }
}

/// A network or an address that matches none of the clients that it seems to be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistaken {
    /// `0.0.0.0` and `::` are for listeners: no client has such an address.
    Unspecified,
    /// `::10.0.0.1` and its like went out of use: no client has such an address.
    Compatible,
    /// `::ffff:10.0.0.0/90`: such a prefix spans more than the IPv4 addresses, so that it is none of
    /// theirs.
    Mapped,
}

/// `172.20.0.0/16`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    pub(super) fn parse(item: &str) -> Option<Network> {
        let (address, prefix) = match item.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (item, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= bits)?
            }
            Some(_) => return None,
            None => bits,
        };
        let mapped = address.is_ipv6() && address.to_canonical().is_ipv4() && prefix >= 96;
        Some(if mapped {
            Network {
                address: address.to_canonical(),
                prefix: prefix - 96,
            }
        } else {
            Network { address, prefix }
        })
    }

    fn mistaken(&self) -> Option<Mistaken> {
        let is_one = |bits| self.prefix == bits;
        match self.address {
            IpAddr::V4(own) => {
                (own.is_unspecified() && is_one(32)).then_some(Mistaken::Unspecified)
            }
            IpAddr::V6(own) if own.to_ipv4_mapped().is_some() => Some(Mistaken::Mapped),
            IpAddr::V6(own) if own.is_unspecified() && is_one(128) => Some(Mistaken::Unspecified),
            IpAddr::V6(own) => {
                let is_compatible = own.segments()[..6] == [0; 6] && self.prefix >= 96;
                let is_loopback = self.has(Ipv6Addr::LOCALHOST.into());
                (is_compatible && !is_loopback).then_some(Mistaken::Compatible)
            }
        }
    }

    pub(super) fn has(&self, client: IpAddr) -> bool {
        match (self.address, client.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(client)) => {
                let differ = own.to_bits() ^ client.to_bits();
                differ.checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(client)) => {
                let differ = own.to_bits() ^ client.to_bits();
                differ.checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// Whether it can be looked up as a name. A name that ends in a number would be read as an address
/// in an older notation.
fn is_host(item: &str) -> bool {
    let labels = item.strip_suffix('.').unwrap_or(item).split('.');
    let letters = |label: &str| {
        let fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.bytes().all(fit)
    };
    let number = |label: &str| {
        label.starts_with("0x") || label.starts_with("0X") || label.parse::<u64>().is_ok()
    };
    labels.clone().all(letters) && !labels.clone().next_back().is_some_and(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_addresses_match_as_written() {
        for (list, client, has) in [
            ("127.0.0.1/32", "127.0.0.1", true),
            ("127.0.0.1/32", "127.0.0.2", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "::ffff:127.0.0.1", true),
            ("::ffff:127.0.0.1/128", "127.0.0.1", true),
            ("::ffff:10.0.0.0/104", "10.9.9.9", true),
            ("::ffff:10.0.0.0/104", "11.0.0.1", false),
            ("127.0.0.9/24", "127.0.0.77", true),
            ("127.0.0.9/24", "127.0.1.1", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "127.0.0.1", false),
            ("::/0", "::1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("10.0.0.1,::1", "::1", true),
            ("10.0.0.1, 127.0.0.1", "127.0.0.1", false),
            ("127.0.0.1/33", "127.0.0.1", false),
            ("127.0.0.1/+8", "127.0.0.1", false),
            ("127.0.0.1/", "127.0.0.1", false),
            ("*", "127.0.0.1", false),
            ("", "127.0.0.1", false),
        ] {
            let client: IpAddr = client.parse().unwrap();
            assert_eq!(AllowFrom::new(list).has(client), has, "{list} {client}");
        }
    }

    #[test]
    fn networks_that_were_hardly_meant_are_found() {
        use Mistaken::{Compatible, Mapped, Unspecified};
        for (list, mistaken) in [
            ("0.0.0.0", Some(Unspecified)),
            ("0.0.0.0/32", Some(Unspecified)),
            ("::ffff:0.0.0.0", Some(Unspecified)),
            ("::", Some(Unspecified)),
            ("::/128", Some(Unspecified)),
            ("0.0.0.0/0", None),
            ("0.0.0.0/1", None),
            ("::ffff:0:0/96", None),
            ("::/0", None),
            ("::ffff:0:0/90", Some(Mapped)),
            ("::ffff:0:0/95", Some(Mapped)),
            ("::ffff:10.0.0.0/8", Some(Mapped)),
            ("::ffff:10.0.0.0/0", Some(Mapped)),
            ("::ffff:10.0.0.0/104", None),
            ("::10.0.0.1", Some(Compatible)),
            ("::10.0.0.0/104", Some(Compatible)),
            ("::1", None),
            ("::/96", None),
            ("::2", Some(Compatible)),
            ("fd00::/8", None),
            ("10.0.0.1,traefik,::ffff:0:0/90", Some(Mapped)),
            ("traefik", None),
            ("*", None),
        ] {
            assert_eq!(AllowFrom::new(list).mistaken(), mistaken, "{list}");
        }
        // What they match is as it was.
        let (list, local) = (AllowFrom::new("::ffff:0:0/80"), Ipv6Addr::LOCALHOST.into());
        assert!(list.has(local) && !list.has([10, 0, 0, 1].into()));
    }

    #[test]
    fn what_is_no_network_is_a_name_or_nobody() {
        let list = AllowFrom::new(
            "traefik,10.0.0.0/8,web_1.example.,3proxy,, a,*,127.1,0x7f.1,0X7f,10.0.0.1/99",
        );
        assert_eq!(list.hosts, ["traefik", "web_1.example.", "3proxy"]);
        assert_eq!(
            list.nobody,
            ["", " a", "*", "127.1", "0x7f.1", "0X7f", "10.0.0.1/99"]
        );
    }
}
