//! How many connections there may be, under the limit of open files.
//!
//! Each takes two descriptors. Those that the process itself needs are kept out of the count, so that
//! full of clients it can still answer, accept and end.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::workers::cores;
use crate::config::Settings;
use crate::proxy::listener::BACKLOG;
use crate::proxy::{budget, health, strangers};

/// Descriptors that are not a client's: standard streams, signals, the listeners, some air.
const RESERVE: u64 = 32;
/// Those of a worker, besides its copies of the listeners: its runtime's, and a client that waits.
const WORKER_RESERVE: u64 = 5;

/// As many connections wait at most as the kernel would hold.
const MOST_WAITING: usize = BACKLOG as usize;

/// How many connections there may be.
pub(in crate::proxy) struct Room {
    /// Of clients.
    pub(in crate::proxy) connections: usize,
    /// Of those that are not let in.
    pub(in crate::proxy) strangers: usize,
    /// Of those that wait because their client has its share.
    pub(in crate::proxy) waiting: usize,
}

impl Room {
    /// Raises the soft file limit to the hard one; as many of the wanted connections as fit under it.
    pub(super) fn of(settings: &Settings) -> Room {
        let wanted = Room {
            connections: settings.process.max_connections,
            strangers: strangers::PLACES,
            waiting: MOST_WAITING,
        };
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        let _ = setrlimit(Resource::Nofile, raised);
        let Some(files) = getrlimit(Resource::Nofile).current else {
            return wanted;
        };
        let count = |n| usize::try_from(n).unwrap_or(usize::MAX);
        let strangers = wanted.strangers.min(count(files / 16)).max(1);
        let a_worker = WORKER_RESERVE + settings.endpoints.len() as u64;
        let mut reserve = RESERVE + cores() as u64 * a_worker;
        let waiting = count(files / 64).clamp(1, MOST_WAITING);
        reserve += waiting as u64;
        if settings.process.client_connections.is_some() {
            reserve += (strangers + strangers::OWN_PLACES) as u64;
        }
        if settings.clients.is_some() {
            reserve += (strangers + strangers::OWN_PLACES) as u64;
        }
        if settings.process.health_listener {
            reserve += health::DESCRIPTORS;
        }
        let judges = settings
            .policies
            .iter()
            .any(|(_, one)| one.sources.deny_root);
        // A file may ask for it later.
        if judges || settings.origin.is_some() {
            reserve += (budget::ASKING * settings.engines().len().max(1)) as u64;
        }
        // Two descriptors a client: its own and the engine's.
        let fitting = count(files.saturating_sub(reserve) / 2).max(1);
        if fitting < wanted.connections {
            let why =
                format!("the open file limit is {files} and each connection uses two descriptors");
            if settings.process.max_connections_set {
                log::warn!(
                    "at most {fitting} connections instead of MAX_CONNECTIONS={}: {why}; raise the \
                     limit (ulimits: nofile) for more",
                    wanted.connections
                );
            } else {
                log::info!("at most {fitting} connections: {why}");
            }
        }
        let connections = wanted.connections.min(fitting);
        let left = 2 * fitting.saturating_sub(connections);
        Room {
            connections,
            strangers,
            waiting: (waiting + left).min(wanted.waiting),
        }
    }
}
