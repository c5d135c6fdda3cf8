//! Waiting for what a client's policy depends on, and what becomes of requests meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::Entry;
use crate::body::inspection;
use crate::clients::containers::{self, Arrival};
use crate::observe::access::{Explanation, Peer, Reason};
use crate::policy::{Judged, Passage, Verdict};
use crate::proxy::client::{Asked, Client};
use crate::proxy::shared::Shared;
use crate::proxy::wire::Socket;

/// A request waits so long for the names and containers on which its policy depends.
pub(in crate::proxy) const PATIENCE: Duration = Duration::from_secs(2);
/// What was allowed before a reload goes on for so long while it cannot be told whether it still is.
const DOUBT: Duration = Duration::from_secs(60);

/// Why it cannot be told now which policy a client has.
#[derive(Debug)]
pub(in crate::proxy) struct Untold {
    /// What it depends on, and what is wrong with that.
    pub(super) on: String,
    /// Whether it is worth waiting for.
    pub(super) may_change: bool,
    /// Whether a new connection is needed.
    pub(super) again: bool,
    /// What is asked for because a rule depends on it.
    pub(super) needs: Option<containers::Why>,
}

impl Untold {
    /// The same about a client.
    fn of(self, peer: Peer) -> Explanation {
        let (who, on) = (who(peer), self.on);
        let text = format!("the policy for {who} depends on {on}");
        let reason = match self.again {
            true => Reason::ConnectAgain,
            false => Reason::PolicyUnknown,
        };
        Explanation::new(reason, text)
    }
}

impl From<&containers::Why> for Untold {
    fn from(why: &containers::Why) -> Untold {
        Untold {
            on: format!("its container: {why}"),
            may_change: why.may_change(),
            again: matches!(why, containers::Why::Moved),
            needs: Some(why.clone()),
        }
    }
}

/// The policy that holds for a client, where that could not be told at once.
///
/// # Errors
/// Why that is still so after `patience`.
pub(in crate::proxy) async fn policy_in_time(
    client: &Client,
    patience: Duration,
) -> Result<Arc<Entry>, Explanation> {
    let deadline = Instant::now() + patience;
    let mut news = client.shared.rulebook.load().names.news();
    let mut moves = client.shared.directory.news();
    loop {
        // What is decided by is what holds now: it may have been reloaded meanwhile.
        let untold = match client.shared.rulebook.load().policy_of(client) {
            Ok(policy) => return Ok(policy),
            Err(untold) => untold,
        };
        if !untold.may_change || Instant::now() >= deadline {
            return Err(untold.of(client.peer));
        }
        tokio::select! {
            () = news.wait(deadline) => {}
            _ = moves.changed() => {}
        }
    }
}

/// Whether a client that is not admitted otherwise is so by the labels of its container.
///
/// # Errors
/// Why that cannot be told in time.
pub(in crate::proxy) async fn admits_in_time(
    shared: &Shared,
    socket: &Socket,
    peer: Peer,
    time: Duration,
) -> Result<bool, Explanation> {
    let Peer::Tcp(address) = peer else {
        return Ok(false);
    };
    if !shared.rulebook.load().has_lists() {
        return Ok(false);
    }
    let arrival = Arrival {
        accepted: Instant::now(),
        heard: socket.last_heard(),
        local: socket.local_ip(),
    };
    let deadline = Instant::now() + PATIENCE.min(time);
    let mut moves = shared.directory.news();
    loop {
        let seen = shared
            .directory
            .asked(address.ip().to_canonical(), &arrival);
        let untold = match shared.rulebook.load().admits(seen) {
            Ok(admits) => return Ok(admits),
            Err(untold) => untold,
        };
        let wait = timeout(deadline - Instant::now().min(deadline), moves.changed());
        if !untold.may_change || wait.await.is_err() {
            return Err(untold.of(peer));
        }
    }
}

/// Why a request that was allowed is not allowed any more, if so.
/// What was judged then is not judged again. What went to an engine that is not the client's any more
/// has no leave to go on there.
pub(in crate::proxy) async fn denied_now(client: &Client, earlier: Asked) -> Option<Explanation> {
    let policy = client.shared.rulebook.load().policy_of(client);
    let policy = match policy {
        Ok(policy) => policy,
        Err(_) => match policy_in_time(client, DOUBT).await {
            Ok(policy) => policy,
            Err(why) => return Some(why),
        },
    };
    // Who is at an address is another one, maybe, if another CA says who it is.
    let (was, engine) = (&earlier.engine.settings, &policy.engine.settings);
    let is_there = was.address == engine.address;
    if !is_there || was.tls != engine.tls {
        let who = who(client.peer);
        let text = match is_there {
            true => format!("the certificates for {engine} were replaced; send it again"),
            false => {
                format!("the requests of {who} go to another engine now: {engine}; send it again")
            }
        };
        return Some(Explanation::new(Reason::OtherEngine, text));
    }
    match policy.decide(earlier.target, earlier.body) {
        Verdict::Allow(permit) if !earlier.judged => match permit.passage() {
            Passage::Stream(_) => None,
            Passage::Inspect(inspection) => match inspection::unjudged(inspection) {
                Judged::Deny(denial) => Some((&denial).into()),
                Judged::Clear(_) | Judged::WouldDeny(..) => None,
            },
        },
        Verdict::Allow(_) | Verdict::WouldDeny(..) => None,
        Verdict::Deny(denial) => Some((&denial).into()),
    }
}

/// A client, as clients are told apart.
fn who(peer: Peer) -> String {
    match peer {
        Peer::Tcp(address) => address.ip().to_string(),
        Peer::Unix(_) => peer.to_string(),
    }
}
