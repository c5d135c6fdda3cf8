//! Which clients are let in: a list of networks, addresses and host names.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use tokio::net::lookup_host;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

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
}

#[derive(Debug, Default)]
struct Names {
    addresses: Vec<IpAddr>,
    looked_up: Option<Instant>,
    warned: Option<Instant>,
}

impl Admission {
    pub(super) fn new(list: AllowFrom) -> Self {
        Self {
            list,
            names: Mutex::default(),
        }
    }

    /// Whether a client is let in. Who can open a Unix socket always is.
    pub(super) async fn admits(&self, peer: Peer) -> bool {
        let Peer::Tcp(client) = peer else { return true };
        self.list.has(client.ip()) || self.is_named(client.ip()).await
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

    async fn is_named(&self, client: IpAddr) -> bool {
        if self.list.hosts.is_empty() {
            return false;
        }
        let mut names = self.names.lock().await;
        if names.looked_up.is_none_or(|at| at.elapsed() >= FRESH) {
            let (addresses, failed) = look_up(&self.list.hosts).await;
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
        names.addresses.contains(&client)
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
