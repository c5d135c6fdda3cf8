//! Which policy holds for which client, at one moment. A reload replaces all of it at once.
//!
//! **A request is decided by one policy of one rulebook.** Who a client is, is known once a
//! connection; which policy it has, is asked for each request. Where that cannot be said, because a
//! host name cannot be looked up or the kernel does not tell a client's groups, no later rule and no
//! other policy is tried.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::Client;
use super::names::Names;
use crate::api::{Message, Target};
use crate::clients::{Identity, Lookup, Rules, Unknown};
use crate::config::{Endpoint, Policies, PolicyId, Settings};
use crate::observe::access::{Explanation, Peer, Reason};
use crate::policy::{Body, Denial, Policy, Unprotected, Verdict};

/// A request waits so long for the names on which its policy depends.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// What the names' list is called.
const CLIENTS: &str = "clients";

/// Which policy holds for which client.
#[derive(Debug)]
pub(super) struct Rulebook {
    rules: Rules<Entry>,
    /// The policy of each endpoint, for clients that no rule is for.
    endpoints: Vec<Entry>,
    names: Names,
    /// What has to be said of policies that protect nothing.
    alarms: Vec<String>,
}

/// A policy, as requests need it.
#[derive(Clone, Debug)]
struct Entry {
    /// None: every request is refused.
    policy: Option<Arc<Policy>>,
    /// How the log calls it, where there are several.
    name: Option<Arc<str>>,
    /// Whether each request is logged as a line of a profile.
    logs_requests: bool,
    /// Whether it only learns.
    learns: bool,
}

/// What one policy made of a request.
#[derive(Debug)]
pub(super) struct Ruling {
    /// What it decided.
    pub verdict: Verdict,
    /// Its name, where there are several.
    pub policy: Option<Arc<str>>,
    /// Whether the request is logged as a line of a profile.
    pub logs_request: bool,
    /// Whether something is to be learned from what is forwarded.
    pub learns: bool,
}

/// A request whose policy cannot be told now.
#[derive(Debug)]
pub(super) struct Undecided {
    target: Target,
    message: Message,
    /// What it depends on, and what is wrong with that.
    on: String,
    /// Whether it is worth waiting for.
    may_change: bool,
}

impl Rulebook {
    /// As the settings say at start.
    pub(super) fn new(settings: &Settings) -> Self {
        let names = Names::new(CLIENTS, settings.rules.hosts());
        let (policies, rules) = (&settings.policies, &settings.rules);
        Self::of(policies, rules, &settings.endpoints, names)
    }

    /// The one that comes next. What is known of the names that stay is kept.
    pub(super) fn next(
        &self,
        policies: &Policies,
        rules: &Rules<PolicyId>,
        endpoints: &[Endpoint],
    ) -> Self {
        let names = self.names.replaced_by(rules.hosts());
        Self::of(policies, rules, endpoints, names)
    }

    fn of(
        policies: &Policies,
        rules: &Rules<PolicyId>,
        endpoints: &[Endpoint],
        names: Names,
    ) -> Self {
        let several = policies.iter().nth(1).is_some() || !rules.is_empty();
        let entry = |id: PolicyId| {
            let policy = policies.get(id);
            let unprotected = policy.and_then(|policy| policy.sources.unprotected);
            Entry {
                policy: policy.map(|policy| Arc::clone(&policy.compiled)),
                name: several.then(|| policies.name(id).into()),
                logs_requests: policy.is_some_and(|one| one.sources.profile.log_requests),
                learns: unprotected.map(Unprotected::from) == Some(Unprotected::Learn),
            }
        };
        Self {
            alarms: policies.iter().filter_map(|(_, one)| one.alarm()).collect(),
            rules: rules.map(|id| entry(*id)),
            endpoints: endpoints.iter().map(|one| entry(one.policy)).collect(),
            names,
        }
    }

    /// What has to be said of policies that protect nothing.
    pub(super) fn alarms(&self) -> &[String] {
        &self.alarms
    }

    /// The policy that holds for a client of an endpoint; or on what that depends. No policy, no
    /// access.
    fn entry_of(&self, client: &Identity, endpoint: usize) -> Result<Option<&Entry>, Unknown<'_>> {
        match self.rules.lookup(client, &self.names) {
            Lookup::Decided { policy, .. } => Ok(Some(policy)),
            Lookup::NoRule => Ok(self.endpoints.get(endpoint)),
            Lookup::Unknown { on, .. } => Err(on),
        }
    }

    /// Has looked up what is unknown, if that helps. What it is, and whether that may change.
    fn ask(&self, unknown: &Unknown<'_>) -> (String, bool) {
        const UNTOLD: &str = "which the kernel does not report";
        match unknown {
            Unknown::Hosts(hosts) => {
                self.names.refresh(hosts.iter().copied());
                let hosts = hosts.join(" and ");
                (format!("{hosts}, which cannot be resolved now"), true)
            }
            Unknown::User => (format!("its user, {UNTOLD}"), false),
            Unknown::Groups => (format!("its groups, {UNTOLD}"), false),
        }
    }

    /// Decides on a request of `client`.
    ///
    /// # Errors
    /// All that was given, if its policy cannot be told now. The names are being looked up then.
    pub(super) fn decide(
        &self,
        client: &Client,
        target: Target,
        message: Message,
    ) -> Result<Ruling, Box<Undecided>> {
        let entry = match self.entry_of(&client.identity, client.endpoint) {
            Ok(entry) => entry,
            Err(unknown) => {
                let (on, may_change) = self.ask(&unknown);
                return Err(Box::new(Undecided {
                    target,
                    message,
                    on,
                    may_change,
                }));
            }
        };
        Ok(Ruling {
            verdict: match entry.and_then(|entry| entry.policy.as_ref()) {
                Some(policy) => policy.decide(target, message),
                None => Verdict::Deny(Denial::without_policy(target)),
            },
            policy: entry.and_then(|entry| entry.name.clone()),
            logs_request: entry.is_some_and(|entry| entry.logs_requests),
            learns: entry.is_some_and(|entry| entry.learns),
        })
    }
}

/// Decides on a request whose policy could not be told at once.
///
/// # Errors
/// Why that is still so after `patience`.
pub(super) async fn decide_in_time(
    client: &Client,
    mut undecided: Box<Undecided>,
    patience: Duration,
) -> Result<Ruling, Explanation> {
    let deadline = Instant::now() + patience;
    let mut news = client.shared.rulebook.load().names.news();
    loop {
        let Undecided {
            target, message, ..
        } = *undecided;
        // What is decided by is what holds now: it may have been reloaded meanwhile.
        undecided = match client
            .shared
            .rulebook
            .load()
            .decide(client, target, message)
        {
            Ok(ruling) => return Ok(ruling),
            Err(undecided) if !undecided.may_change || Instant::now() >= deadline => {
                let (who, on) = (who(client.peer), &undecided.on);
                let text = format!("the policy for {who} depends on {on}");
                return Err(Explanation::new(Reason::PolicyUnknown, text));
            }
            Err(undecided) => undecided,
        };
        news.wait(deadline).await;
    }
}

/// Why a request that was allowed is not allowed any more, if so.
pub(super) async fn denied_now(client: &Client, target: Target, body: Body) -> Option<Explanation> {
    let ruling = client
        .shared
        .rulebook
        .load()
        .decide(client, target, body.into());
    let ruling = match ruling {
        Ok(ruling) => Ok(ruling),
        Err(undecided) => decide_in_time(client, undecided, PATIENCE).await,
    };
    match ruling.map(|ruling| ruling.verdict) {
        Ok(Verdict::Allow(_) | Verdict::WouldDeny(..)) => None,
        Ok(Verdict::Deny(denial)) => Some((&denial).into()),
        Err(why) => Some(why),
    }
}

/// A client, as clients are told apart.
fn who(peer: Peer) -> String {
    match peer {
        Peer::Tcp(address) => address.ip().to_string(),
        Peer::Unix(_) => peer.to_string(),
    }
}

#[cfg(test)]
mod tests;
