//! A client, as far as it is known by its connection.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use super::Certificate;

/// What Linux shows by default for each user and group that a user namespace does not map.
const OVERFLOW_ID: u32 = 65534;
/// What the kernel shows where there is no user or group.
const NO_ID: u32 = u32::MAX;

/// The users and groups that the kernel shows for all those that a user namespace does not map. Each
/// stands for many, so no rule is for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmapped {
    /// The users.
    pub users: [u32; 2],
    /// The groups.
    pub groups: [u32; 2],
}

impl Unmapped {
    /// The ones of a kernel, besides those of every kernel that was not told otherwise.
    pub fn new(user: Option<u32>, group: Option<u32>) -> Unmapped {
        Unmapped {
            users: [OVERFLOW_ID, user.unwrap_or(OVERFLOW_ID)],
            groups: [OVERFLOW_ID, group.unwrap_or(OVERFLOW_ID)],
        }
    }
}

/// A client, as far as it is known by its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity(pub(super) Known, Option<Arc<Certificate>>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Never an IPv4-mapped one.
    Address(IpAddr),
    /// Its user and its groups, without an ID that stands for many. `None`: it is not known which.
    Process {
        user: Option<Vec<u32>>,
        groups: Option<Vec<u32>>,
    },
}

impl Identity {
    /// A client by TCP. An IPv4-mapped address is the IPv4 address that it stands for; a zone is no
    /// part of an address here.
    pub fn at(address: IpAddr) -> Identity {
        Identity(Known::Address(address.to_canonical()), None)
    }

    /// A client on a Unix socket: its user, and all of its groups, as far as they are known.
    pub fn process(user: Option<u32>, groups: Option<Vec<u32>>, unmapped: &Unmapped) -> Identity {
        let user = user.filter(|id| *id != NO_ID).map(|id| vec![id]);
        let without = |ids: Option<Vec<u32>>, many: &[u32]| {
            let mut ids = ids?;
            ids.retain(|id| !many.contains(id));
            Some(ids)
        };
        let process = Known::Process {
            user: without(user, &unmapped.users),
            groups: without(groups, &unmapped.groups),
        };
        Identity(process, None)
    }

    /// The same with a certificate, which was verified.
    #[must_use]
    pub fn with_certificate(self, certificate: Option<Arc<Certificate>>) -> Identity {
        Identity(self.0, certificate)
    }

    /// Its certificate, if it has shown one that was verified.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.1.as_deref()
    }

    /// The address of a client by TCP.
    pub fn address(&self) -> Option<IpAddr> {
        match self.0 {
            Known::Address(address) => Some(address),
            Known::Process { .. } => None,
        }
    }

    /// The user of a client on a Unix socket, if it is known and stands for one.
    pub fn user(&self) -> Option<u32> {
        match &self.0 {
            Known::Process { user, .. } => user.as_ref()?.first().copied(),
            Known::Address(_) => None,
        }
    }

    /// The groups of a client on a Unix socket, if they are known.
    pub fn groups(&self) -> Option<&[u32]> {
        match &self.0 {
            Known::Process { groups, .. } => groups.as_deref(),
            Known::Address(_) => None,
        }
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
