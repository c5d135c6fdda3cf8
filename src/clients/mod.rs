//! Who a client is, and which rule is for it. Pure: what host names stand for is asked of [`Names`].
//!
//! The first rule that matches is the one. **What cannot be decided now never falls through**: a rule
//! that depends on a name which cannot be looked up is neither matched nor passed over, since a later
//! rule may be wider.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

mod list;

pub use list::AllowFrom;

/// The user and group that the kernel shows for each one that a user namespace does not map. It
/// stands for many, so it never matches.
pub const OVERFLOW_ID: u32 = 65534;
/// What the kernel shows where there is no user or group.
const NO_ID: u32 = u32::MAX;

/// A client, as far as it is known by its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity(Known);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    /// Never an IPv4-mapped one.
    Address(IpAddr),
    /// Never with an ID that stands for many.
    Process { user: Option<u32>, groups: Vec<u32> },
}

impl Identity {
    /// A client by TCP. An IPv4-mapped address is the IPv4 address that it stands for; a zone is no
    /// part of an address here.
    pub fn at(address: IpAddr) -> Identity {
        Identity(Known::Address(address.to_canonical()))
    }

    /// A client on a Unix socket of which the kernel says nothing: no rule is for it.
    pub fn unknown() -> Identity {
        Identity::process(NO_ID, [])
    }

    /// The address of a client by TCP.
    pub fn address(&self) -> Option<IpAddr> {
        match self.0 {
            Known::Address(address) => Some(address),
            Known::Process { .. } => None,
        }
    }

    /// A client on a Unix socket: its user, and all of its groups.
    pub fn process(user: u32, groups: impl IntoIterator<Item = u32>) -> Identity {
        let is_one = |id: &u32| ![OVERFLOW_ID, NO_ID].contains(id);
        Identity(Known::Process {
            user: Some(user).filter(is_one),
            groups: groups.into_iter().filter(is_one).collect(),
        })
    }
}

/// Reads an address: `172.20.0.5`, `fd00::5`, `[fd00::5]`, `::ffff:172.20.0.5` or `fe80::5%eth0`.
impl FromStr for Identity {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Identity, NotAnAddress> {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let address = match bare.unwrap_or(text).split_once('%') {
            Some((address, zone)) if !zone.is_empty() => {
                address.parse::<Ipv6Addr>().map(IpAddr::V6)
            }
            _ if bare.is_some() => bare.unwrap_or(text).parse::<Ipv6Addr>().map(IpAddr::V6),
            _ => text.parse(),
        };
        address.map(Identity::at).map_err(|_| NotAnAddress)
    }
}

/// A text that is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnAddress;

impl fmt::Display for NotAnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be an IP address")
    }
}

impl std::error::Error for NotAnAddress {}

/// What host names stand for now.
pub trait Names {
    /// Whether an address is one of a host's. `None`: that cannot be said now, because the name could
    /// not be looked up. A name without any address is such a one.
    fn has(&self, host: &str, address: IpAddr) -> Option<bool>;
}

/// A snapshot. A host that is missing, or has no addresses, could not be looked up.
impl Names for HashMap<String, Vec<IpAddr>> {
    fn has(&self, host: &str, address: IpAddr) -> Option<bool> {
        let known = self.get(host).filter(|known| !known.is_empty())?;
        let address = address.to_canonical();
        Some(known.iter().any(|known| known.to_canonical() == address))
    }
}

/// The clients that a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Those with one of these addresses.
    From(AllowFrom),
    /// On a Unix socket, the processes of this user.
    User(u32),
    /// On a Unix socket, the processes that are in this group.
    Group(u32),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::From(list) => write!(f, "from {}", list.text),
            Who::User(id) => write!(f, "user {id}"),
            Who::Group(id) => write!(f, "group {id}"),
        }
    }
}

/// Which policy is for which clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule<P> {
    /// The clients.
    pub who: Who,
    /// Their policy.
    pub policy: P,
}

/// Rules in the order in which they are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules<P>(Vec<Rule<P>>);

/// Which rule is for a client.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup<'a, P> {
    /// This one.
    Decided {
        /// Its place among the rules, from 0.
        rule: usize,
        /// The policy.
        policy: &'a P,
    },
    /// None: the endpoint's policy is for it.
    NoRule,
    /// That cannot be said now.
    Unknown {
        /// The place of the first rule that may be for it.
        rule: usize,
        /// The names that it depends on and that could not be looked up; never empty.
        hosts: Vec<&'a str>,
    },
}

/// Whether a rule is for a client.
enum Match<'a> {
    Yes,
    No,
    Unknown(Vec<&'a str>),
}

impl<P> Rules<P> {
    /// Finds the first rule that is for a client.
    pub fn lookup(&self, client: &Identity, names: &impl Names) -> Lookup<'_, P> {
        for (index, rule) in self.0.iter().enumerate() {
            match rule.matches(client, names) {
                Match::Yes => {
                    let policy = &rule.policy;
                    return Lookup::Decided {
                        rule: index,
                        policy,
                    };
                }
                Match::No => {}
                Match::Unknown(hosts) => return Lookup::Unknown { rule: index, hosts },
            }
        }
        Lookup::NoRule
    }

    /// Whether there are none, so that every client has its endpoint's policy.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rules in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Rule<P>> {
        self.0.iter()
    }

    /// The same rules with what `policy` makes of each policy.
    pub fn map<Q>(&self, policy: impl Fn(&P) -> Q) -> Rules<Q> {
        let rules = self.0.iter();
        let mapped = rules.map(|rule| Rule {
            who: rule.who.clone(),
            policy: policy(&rule.policy),
        });
        mapped.collect()
    }

    /// All host names, which are to be looked up from time to time.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|rule| match &rule.who {
            Who::From(list) => list.hosts.iter().map(String::as_str),
            Who::User(_) | Who::Group(_) => [].iter().map(String::as_str),
        })
    }
}

impl<P> Default for Rules<P> {
    fn default() -> Rules<P> {
        Rules(Vec::new())
    }
}

impl<P> FromIterator<Rule<P>> for Rules<P> {
    fn from_iter<I: IntoIterator<Item = Rule<P>>>(rules: I) -> Rules<P> {
        Rules(rules.into_iter().collect())
    }
}

impl<P> Rule<P> {
    fn matches(&self, client: &Identity, names: &impl Names) -> Match<'_> {
        let is = |matches| if matches { Match::Yes } else { Match::No };
        match (&self.who, &client.0) {
            (Who::From(list), Known::Address(address)) => {
                if list.has(*address) {
                    return Match::Yes;
                }
                let mut unknown = Vec::new();
                for host in &list.hosts {
                    match names.has(host, *address) {
                        Some(true) => return Match::Yes,
                        Some(false) => {}
                        None => unknown.push(host.as_str()),
                    }
                }
                match unknown.is_empty() {
                    true => Match::No,
                    false => Match::Unknown(unknown),
                }
            }
            (Who::User(id), Known::Process { user, .. }) => is(*user == Some(*id)),
            (Who::Group(id), Known::Process { groups, .. }) => is(groups.contains(id)),
            (Who::From(_), Known::Process { .. })
            | (Who::User(_) | Who::Group(_), Known::Address(_)) => Match::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(list: &str, policy: &'static str) -> Rule<&'static str> {
        let who = Who::From(AllowFrom::new(list));
        Rule { who, policy }
    }

    fn names(known: &[(&str, &[&str])]) -> HashMap<String, Vec<IpAddr>> {
        let addresses = |list: &[&str]| list.iter().map(|one| one.parse().unwrap()).collect();
        let known = known.iter();
        known
            .map(|(host, list)| ((*host).to_owned(), addresses(list)))
            .collect()
    }

    #[test]
    fn the_first_rule_that_matches_is_the_one() {
        let rules: Rules<_> = [
            from("10.0.0.1", "one"),
            from("10.0.0.0/24,fd00::/8", "net"),
            from("traefik", "traefik"),
            from("10.0.0.0/8", "wide"),
            Rule {
                who: Who::User(1000),
                policy: "user",
            },
            Rule {
                who: Who::Group(100),
                policy: "group",
            },
            Rule {
                who: Who::User(0),
                policy: "root",
            },
        ]
        .into_iter()
        .collect();
        let names = names(&[("traefik", &["10.1.0.7", "::ffff:10.1.0.8", "fe80::7"])]);
        for (client, policy) in [
            ("10.0.0.1", Some("one")),
            ("::ffff:10.0.0.1", Some("one")),
            ("[::ffff:10.0.0.1]", Some("one")),
            ("10.0.0.2", Some("net")),
            ("fd12::1", Some("net")),
            ("10.1.0.7", Some("traefik")),
            ("::ffff:10.1.0.7", Some("traefik")),
            ("10.1.0.8", Some("traefik")),
            ("fe80::7", Some("traefik")),
            ("fe80::7%eth0", Some("traefik")),
            ("10.1.0.9", Some("wide")),
            ("11.0.0.1", None),
            ("::10.0.0.1", None),
            ("127.0.0.1", None),
        ] {
            let client_is: Identity = client.parse().unwrap();
            let found = match rules.lookup(&client_is, &names) {
                Lookup::Decided { policy, .. } => Some(*policy),
                Lookup::NoRule => None,
                Lookup::Unknown { .. } => panic!("{client}"),
            };
            assert_eq!(found, policy, "{client}");
        }
        for (user, groups, policy) in [
            (1000, &[][..], Some("user")),
            (1000, &[100], Some("user")),
            (1001, &[5, 100], Some("group")),
            (0, &[100], Some("group")),
            (0, &[0], Some("root")),
            (100, &[1000], None),
            (1001, &[], None),
        ] {
            let client = Identity::process(user, groups.iter().copied());
            let found = match rules.lookup(&client, &names) {
                Lookup::Decided { policy, .. } => Some(*policy),
                Lookup::NoRule => None,
                Lookup::Unknown { .. } => panic!("{client:?}"),
            };
            assert_eq!(found, policy, "{client:?}");
        }
        assert_eq!(rules.hosts().collect::<Vec<_>>(), ["traefik"]);
    }

    #[test]
    fn what_cannot_be_decided_does_not_fall_through() {
        let rules: Rules<_> = [
            from("10.0.0.1", "one"),
            from("10.0.1.0/24,web,db,api", "hosts"),
            Rule {
                who: Who::User(7),
                policy: "user",
            },
            from("0.0.0.0/0", "all"),
        ]
        .into_iter()
        .collect();
        let unknown = |hosts: &[&'static str]| Lookup::Unknown {
            rule: 1,
            hosts: hosts.to_vec(),
        };
        let decided = |rule, policy| Lookup::Decided { rule, policy };
        let (web, db) = (&["10.9.0.1"][..], &["10.9.0.2"][..]);
        for (known, client, found) in [
            (&[][..], "10.0.0.1", decided(0, &"one")),
            (&[], "10.0.1.9", decided(1, &"hosts")),
            (&[], "10.9.0.1", unknown(&["web", "db", "api"])),
            (&[("web", web)], "10.9.0.1", decided(1, &"hosts")),
            (&[("web", web)], "10.9.0.2", unknown(&["db", "api"])),
            (&[("db", db)], "10.9.0.2", decided(1, &"hosts")),
            (&[("db", db)], "10.9.0.1", unknown(&["web", "api"])),
            // A name without an address is not one of which nobody is.
            (
                &[("web", web), ("db", db), ("api", &[])],
                "10.9.0.3",
                unknown(&["api"]),
            ),
            (
                &[("web", web), ("db", db), ("api", db)],
                "10.9.0.3",
                decided(3, &"all"),
            ),
        ] {
            let client: Identity = client.parse().unwrap();
            assert_eq!(
                rules.lookup(&client, &names(known)),
                found,
                "{known:?} {client:?}"
            );
        }
        // Which names there are is nothing to a Unix socket's clients.
        let user = Identity::process(7, []);
        assert_eq!(rules.lookup(&user, &names(&[])), decided(2, &"user"));
        let other = Identity::process(8, []);
        assert_eq!(rules.lookup(&other, &names(&[])), Lookup::NoRule);
    }

    #[test]
    fn an_id_that_stands_for_many_is_none() {
        for id in [OVERFLOW_ID, NO_ID] {
            let rules: Rules<_> = [Who::User(id), Who::Group(id)]
                .map(|who| Rule { who, policy: () })
                .into_iter()
                .collect();
            let client = Identity::process(id, [id]);
            assert_eq!(rules.lookup(&client, &names(&[])), Lookup::NoRule, "{id}");
        }
    }

    #[test]
    fn addresses_are_read_in_any_of_their_forms() {
        for (text, address) in [
            ("172.20.0.5", Some("172.20.0.5")),
            ("::ffff:172.20.0.5", Some("172.20.0.5")),
            ("fd00::5", Some("fd00::5")),
            ("[fd00::5]", Some("fd00::5")),
            ("fe80::5%eth0", Some("fe80::5")),
            ("[fe80::5%2]", Some("fe80::5")),
            ("fe80::5%", None),
            ("10.0.0.1%eth0", None),
            ("[10.0.0.1]", None),
            ("[fd00::5", None),
            ("fd00::5]", None),
            ("10.0.0.1:80", None),
            ("10.0.0.0/8", None),
            ("traefik", None),
            ("", None),
        ] {
            let known = address.map(|address| Identity::at(address.parse().unwrap()));
            assert_eq!(text.parse().ok(), known, "{text}");
        }
    }
}
