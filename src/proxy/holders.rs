//! What each client holds of what all share: its connections, and the rate of its requests.
//!
//! A client is an address, or a user at one Unix socket: containers that each have a socket of their
//! own are different clients, although most run as root. The table is asked once for a connection; a
//! request costs one atomic operation, and none where no rate is set.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::wire::Socket;
use crate::observe::access::{Explanation, Peer, Reason};

/// The table is cleared of clients that left, whenever it has doubled since, from this size on.
const SWEEP_FROM: usize = 1024;

/// Which client a connection is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Address(IpAddr),
    User {
        /// Where it has connected, as the log calls it.
        endpoint: Arc<str>,
        /// As the kernel tells it; none if it does not.
        user: Option<u32>,
    },
}

/// Why a request is refused that comes too early by so much.
pub(super) fn too_often(wait: Duration) -> Explanation {
    let retry_after = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let text = "this client sends more requests per second than CLIENT_RATE allows; retry later";
    Explanation::new(Reason::TooMany { retry_after }, text)
}

/// Why a connection is refused.
pub(super) fn too_many() -> Explanation {
    let text = "this client has as many connections as CLIENT_CONNECTIONS allows; close one first";
    Explanation::new(Reason::TooMany { retry_after: 1 }, text)
}

impl Key {
    /// Of which client a connection is.
    pub(super) fn of(socket: &Socket, peer: Peer, endpoint: &Arc<str>) -> Key {
        match peer {
            Peer::Tcp(address) => Key::Address(address.ip()),
            Peer::Unix(_) => Key::User {
                endpoint: Arc::clone(endpoint),
                user: socket.peer_user(),
            },
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Address(address) => address.fmt(f),
            Key::User { endpoint, user } => match user {
                Some(user) => write!(f, "user {user} on {endpoint}"),
                None => write!(f, "an unknown user on {endpoint}"),
            },
        }
    }
}

/// All clients that hold something.
#[derive(Debug)]
pub(super) struct Holders {
    table: Mutex<Table>,
    rate: Option<Rate>,
}

#[derive(Debug, Default)]
struct Table {
    holders: HashMap<Key, Arc<Holder>>,
    sweep_at: usize,
}

/// One client.
#[derive(Debug, Default)]
struct Holder {
    /// How much memory its requests' bodies take.
    bodies: Arc<AtomicUsize>,
    /// How much memory its answers take that are filtered.
    answers: Arc<AtomicUsize>,
    /// All, also those that wait or are turned away.
    connections: Count,
    /// Those that have a slot.
    slots: Count,
    /// Those that have a place in the waiting room.
    places: Count,
    /// When all requests so far would have been due at the rate, in nanoseconds since the start.
    due: AtomicU64,
}

/// How many of something a client has.
#[derive(Debug, Default)]
struct Count(Arc<AtomicUsize>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct One {
    count: Arc<AtomicUsize>,
    nth: usize,
}

/// Requests a second; as many may come at once.
#[derive(Clone, Copy, Debug)]
struct Rate {
    start: Instant,
    interval: Duration,
}

/// A connection's share of its client. Dropped, the client holds one connection less.
#[derive(Debug)]
pub(super) struct Held {
    holder: Arc<Holder>,
    _connection: One,
    rate: Option<Rate>,
}

impl Holders {
    /// With a limit of so many requests a second for each client, if there is one.
    pub(super) fn new(rate: Option<u32>) -> Self {
        let rate = rate.map(|rate| Rate {
            start: Instant::now(),
            interval: Duration::from_secs(1) / rate.max(1),
        });
        Self {
            table: Mutex::default(),
            rate,
        }
    }

    /// Counts one more connection of a client.
    pub(super) fn hold(&self, key: &Key) -> Held {
        let mut table = self.table();
        if table.holders.len() >= table.sweep_at {
            let now = self.rate.map_or(0, Rate::now);
            table.holders.retain(|_, holder| holder.is_needed(now));
            table.sweep_at = (2 * table.holders.len()).max(SWEEP_FROM);
        }
        let holder = match table.holders.get(key) {
            Some(holder) => Arc::clone(holder),
            None => Arc::clone(table.holders.entry(key.clone()).or_default()),
        };
        Held {
            _connection: holder.connections.one(),
            holder,
            rate: self.rate,
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holder {
    /// Whether it has a connection, or its requests are still to be held against it.
    fn is_needed(&self, now: u64) -> bool {
        self.connections.now() > 0 || self.due.load(Relaxed) > now
    }
}

impl Held {
    /// How many connections its client has, this one counted.
    pub(super) fn connections(&self) -> usize {
        self.holder.connections.now()
    }

    /// Counts a slot.
    pub(super) fn slot(&self) -> One {
        self.holder.slots.one()
    }

    /// Counts a place in the waiting room.
    pub(super) fn place(&self) -> One {
        self.holder.places.one()
    }

    /// How much memory the bodies of its client's requests take.
    pub(super) fn bodies(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.holder.bodies)
    }

    /// How much memory the answers to its client take that are filtered.
    pub(super) fn answers(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.holder.answers)
    }

    /// Counts a request.
    ///
    /// # Errors
    /// If it is one too many: in which time it would not be.
    pub(super) fn request(&self) -> Result<(), Duration> {
        let Some(rate) = self.rate else { return Ok(()) };
        rate.spend(&self.holder.due, rate.now())
    }
}

impl Count {
    fn now(&self) -> usize {
        self.0.load(Relaxed)
    }

    fn one(&self) -> One {
        One {
            nth: self.0.fetch_add(1, Relaxed) + 1,
            count: Arc::clone(&self.0),
        }
    }
}

impl One {
    /// How many its client had when it got this one, this one counted.
    pub(super) fn nth(&self) -> usize {
        self.nth
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Relaxed);
    }
}

impl Rate {
    /// What may come at once, as the nanoseconds in which that much is due.
    const BURST: u64 = 1_000_000_000;

    fn now(self) -> u64 {
        nanos(self.start.elapsed())
    }

    /// The generic cell rate algorithm (ITU-T I.371): a request is due one interval after the one
    /// before it, and may come earlier than that by the burst.
    fn spend(self, due: &AtomicU64, now: u64) -> Result<(), Duration> {
        let latest = now + Self::BURST;
        let next = |due: u64| due.max(now) + nanos(self.interval);
        let spend = |due| Some(next(due)).filter(|next| *next <= latest);
        match due.fetch_update(Relaxed, Relaxed, spend) {
            Ok(_) => Ok(()),
            Err(due) => Err(Duration::from_nanos(next(due) - latest)),
        }
    }
}

/// As a number, which lasts for 584 years.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = Rate::BURST;

    fn user(user: u32, endpoint: &str) -> Key {
        Key::User {
            endpoint: endpoint.into(),
            user: Some(user),
        }
    }

    #[test]
    fn a_client_holds_what_it_has_open() {
        let holders = Holders::new(None);
        let (one, two) = (Key::Address([10, 0, 0, 1].into()), user(0, "unix:///a"));
        let first = holders.hold(&one);
        let other = holders.hold(&two);
        let second = holders.hold(&one);
        assert_eq!((first.connections(), other.connections()), (2, 1));
        drop(second);
        assert_eq!((first.connections(), other.connections()), (1, 1));
        assert_eq!(first.request(), Ok(()));
    }

    #[test]
    fn the_same_user_on_another_socket_is_another_client() {
        let holders = Holders::new(Some(1));
        let [one, other] = ["unix:///a", "unix:///b"].map(|at| holders.hold(&user(0, at)));
        let same = holders.hold(&user(0, "unix:///a"));
        assert_eq!((same.connections(), other.connections()), (2, 1));
        assert_eq!(one.request(), Ok(()));
        assert!(same.request().is_err());
        assert_eq!(other.request(), Ok(()));
    }

    #[test]
    fn a_second_has_room_for_the_rate_and_for_no_more() {
        let rate = Holders::new(Some(4)).rate.expect("a rate");
        let due = AtomicU64::new(0);
        for _ in 0..4 {
            assert_eq!(rate.spend(&due, SECOND), Ok(()));
        }
        let quarter = Duration::from_millis(250);
        assert_eq!(rate.spend(&due, SECOND), Err(quarter));
        // A refused one costs nothing.
        assert_eq!(rate.spend(&due, SECOND), Err(quarter));
        let later = SECOND + nanos(quarter);
        assert_eq!(rate.spend(&due, later), Ok(()));
        assert_eq!(rate.spend(&due, later), Err(quarter));
        // A rest is no savings book.
        for _ in 0..4 {
            assert_eq!(rate.spend(&due, 100 * SECOND), Ok(()));
        }
        assert!(rate.spend(&due, 100 * SECOND).is_err());
    }

    #[test]
    fn clients_that_left_are_forgotten_and_their_requests_are_not() {
        let holders = Holders::new(Some(1));
        let key = |index: usize| user(u32::try_from(index).expect("a few"), "unix:///a");
        let stays = holders.hold(&key(0));
        assert_eq!(holders.hold(&key(1)).request(), Ok(()));
        assert!(
            holders.hold(&key(1)).request().is_err(),
            "over a new connection"
        );
        for index in 2..=4 * SWEEP_FROM {
            drop(holders.hold(&key(index)));
        }
        let table = holders.table();
        assert!(table.holders.len() <= SWEEP_FROM, "{}", table.holders.len());
        assert!(table.holders.contains_key(&key(0)), "{stays:?}");
        assert!(table.holders.contains_key(&key(1)));
    }
}
