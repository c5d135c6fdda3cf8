//! Host names in lists of clients, and whose addresses they are now.
//!
//! What is known is read without a lock. It counts for a second; who needs it later asks for a lookup
//! and waits as long as it likes to. There is one lookup of a name at a time, which goes on when
//! nobody waits any more: a slow name server holds up only those that depend on one of its names.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::net::lookup_host;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::time::{sleep_until, timeout};

use crate::clients;

/// What was looked up counts for so long.
const FRESH: Duration = Duration::from_secs(1);
/// A name server may take this long.
pub(super) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// The same name's failure is said this often at most.
const WARN_EVERY: Duration = Duration::from_secs(10);
/// Who waits looks again so often, even without news: what was known grows old.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Host names of one list.
#[derive(Debug)]
pub(super) struct Names {
    all: HashMap<String, Arc<Name>>,
    /// What the list is called.
    list: &'static str,
    /// A lookup has ended.
    news: watch::Sender<()>,
}

impl Names {
    /// The names of `list`, of which nothing is known.
    pub(super) fn new<'a>(list: &'static str, hosts: impl IntoIterator<Item = &'a str>) -> Self {
        Names {
            all: HashMap::new(),
            list,
            news: watch::Sender::default(),
        }
        .replaced_by(hosts)
    }

    /// Other names in their place. Of those that stay, what is known stays too.
    pub(super) fn replaced_by<'a>(&self, hosts: impl IntoIterator<Item = &'a str>) -> Self {
        let all = hosts.into_iter().map(|host| {
            let known = self.all.get(host).cloned();
            (host.to_owned(), known.unwrap_or_default())
        });
        Names {
            all: all.collect(),
            list: self.list,
            news: self.news.clone(),
        }
    }

    /// All of them.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.all.keys().map(String::as_str)
    }

    /// Whether an address was one of a name's when that was looked up last, however long ago.
    pub(super) fn had(&self, address: IpAddr) -> bool {
        let mut names = self.all.values();
        names.any(|name| name.known.load().has(address))
    }

    /// Whether an address is one of a name's. `None`: some lookups are not of now. A name without an
    /// address is nobody's.
    pub(super) fn have(&self, address: IpAddr) -> Option<bool> {
        let mut all_fresh = true;
        for known in self.all.values().map(|name| name.known.load()) {
            match known.is_fresh() {
                true if known.has(address) => return Some(true),
                fresh => all_fresh &= fresh,
            }
        }
        all_fresh.then_some(false)
    }

    /// Has those names looked up that are not of now. Returns at once.
    pub(super) fn refresh<'a>(&self, hosts: impl IntoIterator<Item = &'a str>) {
        let known = hosts
            .into_iter()
            .filter_map(|host| self.all.get_key_value(host));
        for (host, name) in known.filter(|(_, name)| !name.known.load().is_fresh()) {
            // If somebody has it, that lookup is under way.
            if let Ok(warned) = Arc::clone(&name.lookup).try_lock_owned() {
                let (host, name, list) = (host.clone(), Arc::clone(name), self.list);
                let news = self.news.clone();
                tokio::spawn(async move {
                    name.look_up(&host, list, warned).await;
                    news.send_replace(());
                });
            }
        }
    }

    /// Hears of the lookups that end from now on, of these names and of those that replace them.
    pub(super) fn news(&self) -> News {
        News(self.news.subscribe())
    }
}

/// Lookups that end.
pub(super) struct News(watch::Receiver<()>);

impl News {
    /// Waits until it is worth another look, until `deadline` at most.
    pub(super) async fn wait(&mut self, deadline: Instant) {
        let until = deadline.min(Instant::now() + LOOK_AGAIN);
        tokio::select! {
            _ = self.0.changed() => {}
            () = sleep_until(until.into()) => {}
        }
    }
}

impl clients::Names for Names {
    fn has(&self, host: &str, address: IpAddr) -> Option<bool> {
        let known = self.all.get(host)?.known.load();
        let is_known = known.is_fresh() && !known.addresses.is_empty();
        is_known.then(|| known.has(address))
    }
}

/// A host name.
#[derive(Debug, Default)]
struct Name {
    known: ArcSwap<Known>,
    /// Held while it is looked up; when its failure was said last.
    lookup: Arc<Mutex<Option<Instant>>>,
}

/// What is known of a name.
#[derive(Debug, Default)]
struct Known {
    addresses: Vec<IpAddr>,
    looked_up: Option<Instant>,
}

impl Known {
    fn has(&self, client: IpAddr) -> bool {
        self.addresses.contains(&client.to_canonical())
    }

    fn is_fresh(&self) -> bool {
        self.looked_up.is_some_and(|at| at.elapsed() < FRESH)
    }
}

impl Name {
    async fn look_up(&self, host: &str, list: &str, mut warned: OwnedMutexGuard<Option<Instant>>) {
        let found = timeout(LOOKUP_TIMEOUT, lookup_host((host, 0))).await;
        let found = found.ok().and_then(Result::ok).into_iter().flatten();
        let addresses: Vec<IpAddr> = found.map(|found| found.ip().to_canonical()).collect();
        if addresses.is_empty() && warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            *warned = Some(Instant::now());
            log::warn!("{list}: cannot resolve {host}");
        }
        self.known.store(Arc::new(Known {
            addresses,
            looked_up: Some(Instant::now()),
        }));
    }
}

#[cfg(test)]
impl Names {
    /// As if these were its addresses, found now.
    pub(super) fn known(&self, host: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|one| one.parse().expect("an address"));
        self.all[host].known.store(Arc::new(Known {
            addresses: addresses.collect(),
            looked_up: Some(Instant::now()),
        }));
    }

    /// As if it were looked up now, and without an end.
    pub(super) async fn hold(&self, host: &str) -> impl Drop {
        Arc::clone(&self.all[host].lookup).lock_owned().await
    }
}
