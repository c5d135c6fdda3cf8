//! Which clients are let in: a list of networks, addresses and host names. Only names take time, and
//! that is never taken where connections are accepted.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::strangers::Strangers;
use crate::config::AllowFrom;
use crate::observe::access::{NOT_LET_IN, Peer};

/// A name's addresses are looked up again for each connection, but no more often than this.
const FRESH: Duration = Duration::from_secs(1);
/// A name server may take this long; until then new clients of host names wait.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// The same name's failure is said this often at most.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// Lets in the clients of a list.
#[derive(Debug)]
pub(super) struct Admission {
    list: AllowFrom,
    names: Mutex<Names>,
    /// Held while names are looked up, which many clients may wait for.
    lookup: tokio::sync::Mutex<()>,
    /// All others.
    pub(super) strangers: Strangers,
}

#[derive(Debug, Default)]
struct Names {
    addresses: Vec<IpAddr>,
    looked_up: Option<Instant>,
    warned: Option<Instant>,
}

impl Admission {
    /// Lets in the clients of `list`; of others so many are there at the same time.
    pub(super) fn new(list: AllowFrom, strangers: usize) -> Self {
        Self {
            list,
            names: Mutex::default(),
            lookup: tokio::sync::Mutex::default(),
            strangers: Strangers::new(strangers),
        }
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a client is let in without a lookup. Who can open a Unix socket always is.
    pub(super) fn lists(&self, peer: Peer) -> bool {
        match peer {
            Peer::Tcp(client) => self.list.has(client.ip()),
            Peer::Unix(_) => true,
        }
    }

    /// Whether a client is listed, or was let in by name when that was asked last. It is no stranger,
    /// and is asked for again.
    pub(super) fn knows(&self, peer: Peer) -> bool {
        let is_named = |client: IpAddr| self.names().addresses.contains(&client);
        self.lists(peer) || matches!(peer, Peer::Tcp(client) if is_named(client.ip()))
    }

    /// Whether a client is let in.
    pub(super) async fn admits(&self, peer: Peer) -> bool {
        if self.lists(peer) || self.list.hosts.is_empty() {
            return self.lists(peer);
        }
        let _one_at_a_time = self.lookup.lock().await;
        let looked_up = self.names().looked_up;
        if looked_up.is_none_or(|at| at.elapsed() >= FRESH) {
            let (addresses, failed) = look_up(&self.list.hosts).await;
            let mut names = self.names();
            names.addresses = addresses;
            names.looked_up = Some(Instant::now());
            if !failed.is_empty() && names.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
                names.warned = Some(Instant::now());
                log::warn!(
                    "SP_ALLOWFROM: no address is found for {}",
                    failed.join(", ")
                );
            }
        }
        self.knows(peer)
    }

    /// Why it is not.
    pub(super) fn refusal(&self, peer: Peer) -> String {
        let client = match peer {
            Peer::Tcp(client) => client.ip().to_string(),
            Peer::Unix(_) => peer.to_string(),
        };
        format!(
            "{NOT_LET_IN}{client} are not let in: SP_ALLOWFROM (-allowfrom) is {}",
            crate::policy::printable(&self.list.text)
        )
    }
}

/// The addresses of hosts, and those that have none.
async fn look_up(hosts: &[String]) -> (Vec<IpAddr>, Vec<String>) {
    let mut lookups = JoinSet::new();
    for host in hosts.iter().cloned() {
        lookups.spawn(async move {
            let found = timeout(LOOKUP_TIMEOUT, lookup_host((host.as_str(), 0))).await;
            let found = found.ok().and_then(Result::ok).into_iter().flatten();
            let addresses: Vec<IpAddr> = found.map(|found| found.ip().to_canonical()).collect();
            (host, addresses)
        });
    }
    let (mut addresses, mut failed) = (Vec::new(), Vec::new());
    for (host, found) in lookups.join_all().await {
        if found.is_empty() {
            failed.push(host);
        }
        addresses.extend(found);
    }
    failed.sort_unstable();
    (addresses, failed)
}
