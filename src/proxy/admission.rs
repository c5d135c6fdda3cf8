//! Which clients are admitted: a list of networks, addresses and host names. Only names take time,
//! and lookups never delay accepting connections.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::strangers::Strangers;
use crate::config::AllowFrom;
use crate::observe::access::{Explanation, NOT_ADMITTED, Peer, Reason};

/// A name is looked up again for each connection, but no more often than this.
const FRESH: Duration = Duration::from_secs(1);
/// How long a name server may take; until then, new clients that nothing else admits wait.
pub(super) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// A failure of the same name is logged at most this often.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// Admits the clients of a list.
#[derive(Debug)]
pub(super) struct Admission {
    list: AllowFrom,
    names: Vec<Arc<Name>>,
    /// The clients that are not admitted.
    pub(super) strangers: Strangers,
}

impl Admission {
    /// Admits the clients of `list`; at most this many others are connected at a time.
    pub(super) fn new(list: AllowFrom, strangers: usize) -> Self {
        Self {
            names: list.hosts.iter().map(|host| Name::new(host)).collect(),
            list,
            strangers: Strangers::new(strangers),
        }
    }

    /// Whether a client is admitted without a lookup. Clients of a Unix socket always are.
    pub(super) fn lists(&self, peer: Peer) -> bool {
        match peer {
            Peer::Tcp(client) => self.list.has(client.ip()),
            Peer::Unix(_) => true,
        }
    }

    /// Whether a client is listed, or was admitted by the last lookup of a name. It does not count
    /// as a stranger, and is looked up again.
    pub(super) fn knows(&self, peer: Peer) -> bool {
        let is_named = |client| self.names.iter().any(|name| name.known().has(client));
        self.lists(peer) || matches!(peer, Peer::Tcp(client) if is_named(client.ip()))
    }

    /// Whether a client is admitted, as far as can be determined in this time. A slow name server
    /// does not delay the clients of other names.
    pub(super) async fn admits(&self, peer: Peer, time: Duration) -> bool {
        let client = match peer {
            Peer::Tcp(client) if !self.lists(peer) => client.ip(),
            _ => return true,
        };
        let is_here = |known: &Known| known.is_fresh() && known.has(client);
        if self.names.iter().any(|name| is_here(&name.known())) {
            return true;
        }
        let mut lookups = JoinSet::new();
        for name in &self.names {
            let name = Arc::clone(name);
            lookups.spawn(async move { name.is_of(client).await });
        }
        let is_of_any = async {
            while let Some(is_of) = lookups.join_next().await {
                if is_of.unwrap_or_default() {
                    return true;
                }
            }
            false
        };
        let admits = timeout(time, is_of_any).await.unwrap_or_default();
        // Lookups in progress continue, for the next client.
        lookups.detach_all();
        admits
    }

    /// Why it is not admitted.
    pub(super) fn refusal(&self, peer: Peer) -> Explanation {
        let client = match peer {
            Peer::Tcp(client) => client.ip().to_string(),
            Peer::Unix(_) => peer.to_string(),
        };
        let text = format!(
            "{NOT_ADMITTED}{client} are not allowed: SP_ALLOWFROM (-allowfrom) is {}",
            crate::policy::printable(&self.list.text)
        );
        Explanation::new(Reason::NotAdmitted, text)
    }
}

/// A host name of the list.
#[derive(Debug)]
struct Name {
    host: String,
    known: Mutex<Known>,
    /// Held during a lookup, for which many clients may wait.
    lookup: tokio::sync::Mutex<()>,
}

/// What is known of a name.
#[derive(Debug, Default)]
struct Known {
    addresses: Vec<IpAddr>,
    looked_up: Option<Instant>,
    warned: Option<Instant>,
}

impl Known {
    fn has(&self, client: IpAddr) -> bool {
        self.addresses.contains(&client)
    }

    fn is_fresh(&self) -> bool {
        self.looked_up.is_some_and(|at| at.elapsed() < FRESH)
    }
}

impl Name {
    fn new(host: &str) -> Arc<Self> {
        Arc::new(Self {
            host: host.to_owned(),
            known: Mutex::default(),
            lookup: tokio::sync::Mutex::default(),
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the name resolves to a client's address, after a new lookup unless the last one is
    /// recent.
    async fn is_of(&self, client: IpAddr) -> bool {
        let _one_at_a_time = self.lookup.lock().await;
        if !self.known().is_fresh() {
            let found = timeout(LOOKUP_TIMEOUT, lookup_host((self.host.as_str(), 0))).await;
            let found = found.ok().and_then(Result::ok).into_iter().flatten();
            let addresses: Vec<IpAddr> = found.map(|found| found.ip().to_canonical()).collect();
            let mut known = self.known();
            if addresses.is_empty() && known.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
                known.warned = Some(Instant::now());
                log::warn!("SP_ALLOWFROM: cannot resolve {}", self.host);
            }
            known.addresses = addresses;
            known.looked_up = Some(Instant::now());
        }
        self.known().has(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_name_server_holds_up_no_client_of_another_name() {
        let admission = Admission::new(AllowFrom::new("slow.example,localhost"), 1);
        let peer = |address: &str| Peer::Tcp(address.parse().expect("an address"));
        // As if it were looked up now.
        let _slow = admission.names[0].lookup.lock().await;
        assert!(!admission.knows(peer("127.0.0.1:1")));
        let long = Duration::from_secs(60);
        let admits = timeout(LOOKUP_TIMEOUT, admission.admits(peer("127.0.0.1:1"), long)).await;
        assert_eq!(admits, Ok(true));
        assert!(admission.knows(peer("127.0.0.1:1")));
        // Another one waits, and no longer than it was said.
        let begin = Instant::now();
        let time = Duration::from_millis(100);
        assert!(!admission.admits(peer("10.0.0.1:1"), time).await);
        assert!(begin.elapsed() >= time);
    }
}
