//! Which policy holds for which client, at one moment. A reload replaces all of it at once.
//!
//! **A request is decided by one policy of one rulebook.** Who a client is, is known once a
//! connection; which policy it has, is asked for each request. Where that cannot be said, because a
//! host name cannot be looked up, a container is not known or the kernel does not tell a client's groups,
//! no later rule and no other policy is tried.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::Client;
use super::names::Names;
use super::own_container;
use crate::api::{Message, Target};
use crate::body::demands::Demands;
use crate::body::inspection::{self, Others};
use crate::clients::containers::{Seen, Wanted};
use crate::clients::{self, Identity, Lookup, Rule, Rules, Unknown, Who};
use crate::config::{ConfiguredPolicy, Endpoint, Listen, Policies, PolicyId, Settings};
use crate::observe::access::{Explanation, Peer, PolicyName, Reason};
use crate::policy::{Body, Denial, Judged, Passage, Policy, Unprotected, Verdict};

/// A request waits so long for the names and containers on which its policy depends.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// What was allowed before a reload goes on for so long while it cannot be told whether it still is.
const DOUBT: Duration = Duration::from_secs(60);
/// What the names' list is called.
const CLIENTS: &str = "clients";

/// Which policy holds for which client.
#[derive(Debug)]
pub(super) struct Rulebook {
    /// Its number among those of the process.
    serial: u64,
    rules: Rules<Arc<Entry>>,
    /// The policy of each endpoint, for clients that no rule is for.
    endpoints: Vec<Arc<Entry>>,
    names: Names,
    /// What the settings call dockgate's own container, if they do.
    own: Option<String>,
    /// What has to be said of policies that protect nothing.
    alarms: Vec<String>,
}

/// A policy, as requests need it.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// None: every request is refused.
    policy: Option<Arc<Policy>>,
    /// How the log calls it, where there are several.
    pub name: Option<PolicyName>,
    /// Whether each request is logged as a line of a profile.
    pub logs_requests: bool,
    /// Whether it only learns.
    pub learns: bool,
    /// What it demands of requests that it allows.
    pub demands: Arc<Demands>,
    /// The clients that have other policies.
    pub others: Arc<Others>,
    /// Whether it is for clients that chose a policy which they may not choose.
    chosen_in_vain: bool,
}

/// Where a rulebook has the policy of a client, so that it need not be looked for at each request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// The rulebook's.
    serial: u64,
    /// The rule that is for the client, if any is.
    rule: Option<usize>,
}

/// Why it cannot be told now which policy a client has.
#[derive(Debug)]
pub(super) struct Untold {
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
        let own = settings.process.self_container.clone();
        Self::of(policies, rules, &settings.endpoints, names, own, 0)
    }

    /// The one that comes next. What is known of the names that stay is kept.
    pub(super) fn next(
        &self,
        policies: &Policies,
        rules: &Rules<PolicyId>,
        endpoints: &[Endpoint],
    ) -> Self {
        let names = self.names.replaced_by(rules.hosts());
        let own = self.own.clone();
        Self::of(policies, rules, endpoints, names, own, self.serial + 1)
    }

    fn of(
        policies: &Policies,
        rules: &Rules<PolicyId>,
        endpoints: &[Endpoint],
        names: Names,
        own: Option<String>,
        serial: u64,
    ) -> Self {
        let several = policies.iter().nth(1).is_some() || !rules.is_empty();
        let entry = |id: PolicyId| {
            let policy = policies.get(id);
            let unprotected = policy.and_then(|policy| policy.sources.unprotected);
            Arc::new(Entry {
                policy: policy.map(|policy| Arc::clone(&policy.compiled)),
                name: several.then(|| policies.name(id).into()),
                logs_requests: policy.is_some_and(|one| one.sources.profile.log_requests),
                learns: unprotected.map(Unprotected::from) == Some(Unprotected::Learn),
                demands: policy
                    .map(|one| Arc::clone(&one.demands))
                    .unwrap_or_default(),
                others: Arc::new(others(id, policies, rules, endpoints, own.as_deref())),
                chosen_in_vain: false,
            })
        };
        let in_vain = Who::Container(Box::new(Wanted::chosen_by_label(None)));
        let of_rules = rules.iter().map(|rule| Rule {
            who: rule.who.clone(),
            policy: match rule.who == in_vain {
                true => Arc::new(Entry {
                    name: Some(policies.name(rule.policy).into()),
                    chosen_in_vain: true,
                    ..Entry::default()
                }),
                false => entry(rule.policy),
            },
        });
        Self {
            serial,
            alarms: policies.iter().filter_map(|(_, one)| one.alarm()).collect(),
            rules: of_rules.collect(),
            endpoints: endpoints.iter().map(|one| entry(one.policy)).collect(),
            names,
            own,
        }
    }

    /// What has to be said of policies that protect nothing.
    pub(super) fn alarms(&self) -> &[String] {
        &self.alarms
    }

    /// The policy that holds for a client now: to decide on one request, at once. No policy, no access.
    ///
    /// # Errors
    /// Why that cannot be told. Names and containers that it depends on are being looked up then.
    pub(super) fn policy_of(&self, client: &Client) -> Result<Arc<Entry>, Untold> {
        let containers = |address| client.containers(address);
        let rule = self.rule_for(&client.identity, &mut client.found(), &containers)?;
        Ok(self.entry(rule, client.endpoint))
    }

    /// The policy of a rule; without one, of an endpoint.
    fn entry(&self, rule: Option<usize>, endpoint: usize) -> Arc<Entry> {
        let entry = match rule {
            Some(rule) => self.rules.iter().nth(rule).map(|rule| &rule.policy),
            None => self.endpoints.get(endpoint),
        };
        entry.cloned().unwrap_or_default()
    }

    /// The place of the rule that is for a client. It is not looked for again while this rulebook holds,
    /// unless it depends on names or containers, which come and go.
    fn rule_for(
        &self,
        client: &Identity,
        found: &mut Option<Found>,
        containers: &dyn Fn(IpAddr) -> Seen,
    ) -> Result<Option<usize>, Untold> {
        match *found {
            Some(Found { serial, rule }) if serial == self.serial => return Ok(rule),
            _ => *found = None,
        }
        let names = Asked {
            names: &self.names,
            containers,
            any: Cell::new(false),
        };
        let rule = match self.rules.lookup(client, &names) {
            Lookup::Decided { rule, .. } => Some(rule),
            Lookup::NoRule => None,
            Lookup::Unknown { on, .. } => return Err(self.untold(&on)),
        };
        if !names.any.get() {
            let serial = self.serial;
            *found = Some(Found { serial, rule });
        }
        Ok(rule)
    }

    /// What is unknown, which is looked up if that helps: with all other names, since what is known of
    /// one is old when a slow name server has answered for the next.
    fn untold(&self, unknown: &Unknown<'_>) -> Untold {
        const UNTOLD: &str = "which the kernel does not report";
        let (on, may_change) = match unknown {
            Unknown::Hosts(hosts) => {
                self.names.refresh(self.rules.hosts());
                let hosts = hosts.join(" and ");
                (format!("{hosts}, which cannot be resolved now"), true)
            }
            Unknown::User => (format!("its user, {UNTOLD}"), false),
            Unknown::Groups => (format!("its groups, {UNTOLD}"), false),
            Unknown::Container(why) => (format!("its container: {why}"), why.may_change()),
        };
        Untold { on, may_change }
    }
}

/// Names and a client's containers, and whether any of them was asked for.
struct Asked<'a> {
    names: &'a Names,
    containers: &'a dyn Fn(IpAddr) -> Seen,
    any: Cell<bool>,
}

impl clients::Names for Asked<'_> {
    fn has(&self, host: &str, address: IpAddr) -> Option<bool> {
        self.any.set(true);
        self.names.has(host, address)
    }

    fn containers(&self, address: IpAddr) -> Seen {
        self.any.set(true);
        (self.containers)(address)
    }
}

impl Entry {
    /// Decides on a request.
    pub(super) fn decide(&self, target: Target, message: impl Into<Message>) -> Verdict {
        match &self.policy {
            Some(policy) => policy.decide(target, message),
            None if self.chosen_in_vain => Verdict::Deny(Denial::without_choice(target)),
            None => Verdict::Deny(Denial::without_policy(target)),
        }
    }
}

/// By what clients are known for which not this policy holds. `container` is what the settings call
/// dockgate's own.
pub(crate) fn others(
    id: PolicyId,
    policies: &Policies,
    rules: &Rules<PolicyId>,
    endpoints: &[Endpoint],
    container: Option<&str>,
) -> Others {
    let of_others = rules.iter().filter(|rule| rule.policy != id);
    let lists = of_others.filter_map(|rule| match &rule.who {
        Who::From(list) => Some(list),
        Who::User(_) | Who::Group(_) | Who::Container(_) => None,
    });
    let lists: Vec<_> = lists.collect();
    let own = rules.iter().filter(|rule| rule.policy == id);
    let own = own.filter_map(|rule| match &rule.who {
        Who::From(list) => Some(list.networks()),
        Who::User(_) | Who::Group(_) | Who::Container(_) => None,
    });
    // Who is in no rule has the policy of the endpoint, which any container may call.
    let strangers = endpoints.iter().any(|endpoint| {
        let called = match &endpoint.listen {
            Listen::Tcp { addr, .. } => !addr.ip().is_loopback() && !own_container::is_apart(),
            Listen::Unix(_) => false,
        };
        let policy = policies.get(endpoint.policy);
        called && endpoint.policy != id && policy.is_some_and(ConfiguredPolicy::gives_control)
    });
    let mut all = (rules.iter().map(|rule| rule.policy))
        .chain(endpoints.iter().map(|endpoint| endpoint.policy));
    let own_container = || own_container::id().or_else(|| container.map(str::to_owned));
    let container = all.any(|other| other != id).then(own_container);
    let wanted = rules.iter().filter(|rule| rule.policy != id);
    let wanted = wanted.filter_map(|rule| match &rule.who {
        Who::Container(wanted) => Some(&**wanted),
        Who::From(_) | Who::User(_) | Who::Group(_) => None,
    });
    let wanted: Vec<&Wanted> = wanted.collect();
    Others {
        names: wanted.iter().filter_map(|one| one.names.clone()).collect(),
        labels: wanted.iter().flat_map(|one| one.taken_labels()).collect(),
        networks: lists.iter().flat_map(|list| list.networks()).collect(),
        hosts: lists.iter().flat_map(|list| list.hosts.clone()).collect(),
        container: container.flatten(),
        own: own.flatten().collect(),
        strangers,
    }
}

/// The policy that holds for a client, where that could not be told at once.
///
/// # Errors
/// Why that is still so after `patience`.
pub(super) async fn policy_in_time(
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
            let (who, on) = (who(client.peer), untold.on);
            let text = format!("the policy for {who} depends on {on}");
            return Err(Explanation::new(Reason::PolicyUnknown, text));
        }
        tokio::select! {
            () = news.wait(deadline) => {}
            _ = moves.changed() => {}
        }
    }
}

/// Why a request that was allowed is not allowed any more, if so.
/// What was `judged` then is not judged again.
pub(super) async fn denied_now(
    client: &Client,
    target: Target,
    body: Body,
    judged: bool,
) -> Option<Explanation> {
    let policy = client.shared.rulebook.load().policy_of(client);
    let policy = match policy {
        Ok(policy) => policy,
        Err(_) => match policy_in_time(client, DOUBT).await {
            Ok(policy) => policy,
            Err(why) => return Some(why),
        },
    };
    match policy.decide(target, body) {
        Verdict::Allow(permit) if !judged => match permit.passage() {
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

#[cfg(test)]
mod tests;
