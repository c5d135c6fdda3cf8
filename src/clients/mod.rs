//! Who a client is, and which rule is for it. Pure: what host names stand for, and which containers have
//! an address, is asked of [`Names`].
//!
//! The first rule that matches is the one. **What cannot be decided never falls through**: a rule that
//! depends on a name which cannot be looked up now, on a container that is not known yet, or on what the
//! kernel does not tell of a client, is neither matched nor passed over, since a later rule may be wider.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

mod certificate;
pub mod containers;
mod identity;
mod list;

pub use certificate::{Certificate, CertificateRule, Fingerprint, NotOne, San};

use containers::{Seen, Wanted, Why};
use identity::Known;
pub use identity::{Identity, NotAnAddress, Unmapped};
pub use list::{AllowFrom, Mistaken};

/// What host names stand for now, and whose addresses are.
pub trait Names {
    /// Whether an address is one of a host's. `None`: that cannot be said now, because the name could
    /// not be looked up. A name without any address is such a one.
    fn has(&self, host: &str, address: IpAddr) -> Option<bool>;

    /// Which containers have the address of the client that is asked for.
    fn containers(&self, _: IpAddr) -> Seen {
        Seen::Unknown(Why::Lost("it was not asked".into()))
    }
}

/// What was answered when a host's IPv4 addresses, and then its IPv6 addresses, were asked for. `None`:
/// there was no answer.
pub type Answers<A = Vec<IpAddr>> = [Option<A>; 2];

/// Whether an address is one of a host's. It is none of them only if its own family was answered: half
/// an answer says nothing of the other half.
pub fn is_one<A: AsRef<[IpAddr]>>(address: IpAddr, answers: &Answers<A>) -> Option<bool> {
    let address = address.to_canonical();
    let all = answers.iter().flatten().flat_map(AsRef::as_ref);
    let mut all = all.map(IpAddr::to_canonical).peekable();
    all.peek()?;
    if all.any(|one| one == address) {
        return Some(true);
    }
    let [v4, v6] = answers;
    let own = if address.is_ipv4() { v4 } else { v6 };
    own.is_some().then_some(false)
}

/// A snapshot. A host that is missing could not be looked up, and of containers nothing is known.
impl Names for HashMap<String, Answers> {
    fn has(&self, host: &str, address: IpAddr) -> Option<bool> {
        is_one(address, self.get(host)?)
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
    /// Those with a verified certificate like this.
    Certificate(CertificateRule),
    /// The containers of which all of this holds.
    Container(Box<Wanted>),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::From(list) => write!(f, "from {}", list.text),
            Who::User(id) => write!(f, "user {id}"),
            Who::Group(id) => write!(f, "group {id}"),
            Who::Certificate(rule) => rule.fmt(f),
            Who::Container(wanted) => write!(f, "container {wanted}"),
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
    /// That cannot be said.
    Unknown {
        /// The place of the first rule that may be for it.
        rule: usize,
        /// What that depends on.
        on: Unknown<'a>,
    },
}

/// What is not known, so that it cannot be said whether a rule is for a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Unknown<'a> {
    /// These host names could not be looked up; never empty. That may change.
    Hosts(Vec<&'a str>),
    /// The client's user.
    User,
    /// The client's groups.
    Groups,
    /// Which container the client is.
    Container(Why),
}

/// Whether a rule is for a client.
enum Match<'a> {
    Yes,
    No,
    Unknown(Unknown<'a>),
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
                Match::Unknown(on) => return Lookup::Unknown { rule: index, on },
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

    /// All host names, which are to be looked up from time to time.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|rule| match &rule.who {
            Who::From(list) => list.hosts.iter().map(String::as_str),
            Who::User(_) | Who::Group(_) | Who::Certificate(_) | Who::Container(_) => {
                [].iter().map(String::as_str)
            }
        })
    }

    /// What is said of containers, which are to be known then.
    pub fn containers(&self) -> impl Iterator<Item = &Wanted> {
        self.0.iter().filter_map(|rule| match &rule.who {
            Who::Container(wanted) => Some(&**wanted),
            Who::From(_) | Who::User(_) | Who::Group(_) | Who::Certificate(_) => None,
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
        match (&self.who, &client.0) {
            (Who::Certificate(rule), _) => match client.certificate() {
                Some(certificate) if rule.is_for(certificate) => Match::Yes,
                _ => Match::No,
            },
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
                    false => Match::Unknown(Unknown::Hosts(unknown)),
                }
            }
            (Who::User(id), Known::Process { user, .. }) => is_among(*id, user, Unknown::User),
            (Who::Group(id), Known::Process { groups, .. }) => {
                is_among(*id, groups, Unknown::Groups)
            }
            (Who::Container(wanted), Known::Address(address)) => {
                is_for(wanted, names.containers(*address))
            }
            (Who::From(_) | Who::Container(_), Known::Process { .. })
            | (Who::User(_) | Who::Group(_), Known::Address(_)) => Match::No,
        }
    }
}

/// Whether a rule is for the containers that share an address: for all of them, or for none.
fn is_for<'a>(wanted: &Wanted, seen: Seen) -> Match<'a> {
    let all = match seen {
        Seen::Nobody => return Match::No,
        Seen::Unknown(why) => return Match::Unknown(Unknown::Container(why)),
        Seen::These(all) => all,
    };
    let first = |has| all.iter().find(|one| wanted.has(one) == has);
    let (has, lacks) = (first(Some(true)), first(Some(false)));
    if first(None).is_some() {
        let open = all.iter().filter(|one| wanted.has(one).is_none());
        let open = open.map(|one| one.id.clone()).collect();
        return Match::Unknown(Unknown::Container(Why::Image(open)));
    }
    match (has, lacks) {
        (Some(has), Some(lacks)) => {
            let why = Why::Differ(has.shown(), lacks.shown());
            Match::Unknown(Unknown::Container(why))
        }
        (Some(_), None) => Match::Yes,
        (None, _) => Match::No,
    }
}

/// Whether an ID is one of a process's.
fn is_among<'a>(id: u32, own: &Option<Vec<u32>>, otherwise: Unknown<'a>) -> Match<'a> {
    match own {
        Some(own) if own.contains(&id) => Match::Yes,
        Some(_) => Match::No,
        None => Match::Unknown(otherwise),
    }
}

#[cfg(test)]
mod tests;
