//! Host names in lists of clients, and whose addresses they are now.
//!
//! What is known is read without a lock. It counts for a second; who needs it later asks for a lookup
//! and waits as long as it likes to. The IPv4 and the IPv6 addresses of a name are looked up apart, each
//! once at a time. A lookup goes on when nobody waits any more: a slow name server holds up only those
//! that depend on one of its names, as long as there are fewer than [`LOOKUPS_AT_ONCE`].

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use dns_lookup::AddrFamily;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep_until, timeout};

use super::lookup::{FAMILIES, look_up};
use crate::clients;

/// What was looked up counts for so long.
const FRESH: Duration = Duration::from_secs(1);
/// A name server may take this long.
pub(super) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// A worker waits for so many at a time; each takes a thread.
pub(super) const LOOKUPS_AT_ONCE: usize = 32;
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
        let mut halves = self.all.values().flat_map(|name| &name.halves);
        halves.any(|half| half.known.load().has(address))
    }

    /// Whether an address is one of a name's. `None`: some lookups that matter are not of now. A name
    /// without an address is nobody's.
    pub(super) fn have(&self, address: IpAddr) -> Option<bool> {
        let mut all_fresh = true;
        for name in self.all.values() {
            let halves = name.halves.each_ref().map(|half| half.known.load());
            let mut fresh = halves.iter().filter(|half| half.is_fresh());
            if fresh.any(|half| half.has(address)) {
                return Some(true);
            }
            let own = usize::from(address.to_canonical().is_ipv6());
            all_fresh &= halves[own].is_fresh();
        }
        all_fresh.then_some(false)
    }

    /// Has those names looked up that are not of now. Returns at once.
    pub(super) fn refresh<'a>(&self, hosts: impl IntoIterator<Item = &'a str>) {
        let known = hosts
            .into_iter()
            .filter_map(|host| self.all.get_key_value(host));
        let halves = known.flat_map(|(host, name)| [(host, name, 0), (host, name, 1)]);
        let old = halves.filter(|(_, name, half)| !name.halves[*half].known.load().is_fresh());
        for (host, name, half) in old {
            // If somebody has it, that lookup is under way.
            if let Ok(turn) = Arc::clone(&name.halves[half].lookup).try_lock_owned() {
                let (host, name, list) = (host.clone(), Arc::clone(name), self.list);
                let news = self.news.clone();
                tokio::spawn(async move {
                    let own = &name.halves[half];
                    own.look_up(host.clone(), FAMILIES[half], turn).await;
                    name.warn(&host, list);
                    news.send_replace(());
                });
            }
        }
    }

    /// Where others say that it is worth another look.
    pub(super) fn told(&self) -> watch::Sender<()> {
        self.news.clone()
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
        let halves = self.all.get(host)?.halves.each_ref();
        let halves = halves.map(|half| half.known.load());
        let fresh = halves.each_ref().map(|half| half.fresh_answer());
        clients::is_one(address, &fresh)
    }
}

/// A host name.
#[derive(Debug, Default)]
struct Name {
    /// Its addresses, in the order of [`FAMILIES`].
    halves: [Half; 2],
    /// When it was said last that it has none.
    warned: std::sync::Mutex<Option<Instant>>,
}

/// A host name's addresses of one family.
#[derive(Debug, Default)]
struct Half {
    known: ArcSwap<Known>,
    /// Held while they are looked up, so that a lookup without an end takes one thread.
    lookup: Arc<Mutex<()>>,
}

/// What is known of them.
#[derive(Debug, Default)]
struct Known {
    answer: Option<Vec<IpAddr>>,
    looked_up: Option<Instant>,
}

impl Known {
    fn has(&self, client: IpAddr) -> bool {
        let answer = self.answer.as_ref();
        answer.is_some_and(|all| all.contains(&client.to_canonical()))
    }

    fn is_fresh(&self) -> bool {
        self.looked_up.is_some_and(|at| at.elapsed() < FRESH)
    }

    fn fresh_answer(&self) -> Option<&[IpAddr]> {
        self.answer.as_deref().filter(|_| self.is_fresh())
    }

    /// Whether a lookup found none.
    fn lacks(&self) -> bool {
        let is_empty = self.answer.as_ref().is_none_or(Vec::is_empty);
        self.looked_up.is_some() && is_empty
    }
}

impl Half {
    /// Takes what the system answers in time. It keeps its turn until then, even if that is too late.
    async fn look_up(&self, host: String, family: AddrFamily, turn: OwnedMutexGuard<()>) {
        let mut lookup = spawn_blocking(move || (look_up(&host, family), turn));
        let in_time = timeout(LOOKUP_TIMEOUT, &mut lookup).await;
        // If it has not begun, it leaves its place to those that are needed now.
        lookup.abort();
        let (answer, _turn) = in_time.ok().and_then(Result::ok).unzip();
        self.know(answer.flatten());
    }

    fn know(&self, answer: Option<Vec<IpAddr>>) {
        self.known.store(Arc::new(Known {
            answer,
            looked_up: Some(Instant::now()),
        }));
    }
}

impl Name {
    /// Says at times that it has no address, if so.
    fn warn(&self, host: &str, list: &str) {
        if !self.halves.iter().all(|half| half.known.load().lacks()) {
            return;
        }
        if let Ok(mut warned) = self.warned.lock()
            && warned.is_none_or(|at| at.elapsed() >= WARN_EVERY)
        {
            *warned = Some(Instant::now());
            log::warn!("{list}: cannot resolve {host}");
        }
    }
}

#[cfg(test)]
impl Names {
    /// As if these were its addresses of each family, found now.
    pub(super) fn known(&self, host: &str, answers: clients::Answers<&[&str]>) {
        let addresses = |all: &[&str]| {
            let all = all.iter().map(|one| one.parse().expect("an address"));
            all.collect()
        };
        for (half, answer) in self.all[host].halves.iter().zip(answers) {
            half.know(answer.map(addresses));
        }
    }

    /// As if it were looked up now, and without an end.
    pub(super) fn hold(&self, host: &str) -> impl Drop + use<> {
        let halves = self.all[host].halves.iter();
        let turns = halves.map(|half| Arc::clone(&half.lookup).try_lock_owned());
        turns.collect::<Result<Vec<_>, _>>().expect("nobody has it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_half_holds_up_no_client_of_the_other() {
        let names = Names::new("a list", ["web"]);
        let web = |client: &str| {
            let client = client.parse().expect("an address");
            let has = clients::Names::has(&names, "web", client);
            (has, names.have(client), names.had(client))
        };
        assert_eq!(web("10.0.0.1"), (None, None, false));
        names.known("web", [Some(&["10.0.0.1"]), None]);
        assert_eq!(web("10.0.0.1"), (Some(true), Some(true), true));
        assert_eq!(web("::ffff:10.0.0.1"), (Some(true), Some(true), true));
        assert_eq!(web("10.0.0.2"), (Some(false), Some(false), false));
        // No rule is passed over for it, and it is not let in.
        assert_eq!(web("fd00::1"), (None, Some(false), false));
        // Its IPv6 addresses are old.
        names.all["web"].halves[1].known.store(Arc::default());
        assert_eq!(web("10.0.0.2"), (Some(false), Some(false), false));
        assert_eq!(web("fd00::1"), (None, None, false));
    }
}
