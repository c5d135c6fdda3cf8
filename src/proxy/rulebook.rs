//! Which policy holds for which client, at one moment. A reload replaces all of it at once.
//!
//! **A request is decided by one policy of one rulebook.** Who a client is, is known once a
//! connection; which policy it has, is asked for each request. Where that cannot be said, because a
//! host name cannot be looked up, a container is not known or the kernel does not tell a client's groups,
//! no later rule and no other policy is tried.

use std::cell::Cell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::client::{Asked, Client};
use super::engine::Engine;
use super::names::Names;
use super::others::others;
use crate::api::{Message, Target};
use crate::body::demands::Demands;
use crate::body::inspection::{self, Others};
use crate::clients::containers::{Seen, Wanted, Why};
use crate::clients::{self, Identity, Lookup, Rule, Rules, Unknown, Who};
use crate::config::{self, Decisions, Endpoint, PolicyId, Settings};
use crate::observe::access::{Explanation, Peer, PolicyName, Reason};
use crate::observe::log::ACCESS;
use crate::policy::{Denial, Judged, Passage, Policy, Unprotected, Verdict};
use crate::tls::{Part, Server};

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
    /// With the policy at each endpoint, which may have an engine of its own.
    rules: Rules<Box<[Arc<Entry>]>>,
    /// The policy of each endpoint, for clients that no rule is for.
    endpoints: Vec<Arc<Entry>>,
    /// Refuses every request.
    none: Arc<Entry>,
    /// Those that requests can go to, each once.
    engines: Vec<Arc<Engine>>,
    /// What each endpoint does with TLS.
    tls: Vec<Option<Arc<Server>>>,
    names: Names,
    /// What the settings call dockgate's own container, if they do.
    own: Option<String>,
    /// What has to be said of policies that protect nothing.
    alarms: Vec<String>,
}

/// A policy, as requests need it that go to one engine.
#[derive(Debug)]
pub(super) struct Entry {
    /// None: every request is refused.
    policy: Option<Arc<Policy>>,
    /// Where they go.
    pub engine: Arc<Engine>,
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
    /// Whether a new connection is needed.
    again: bool,
}

impl Rulebook {
    /// As the settings say at start.
    pub(super) fn new(settings: &Settings) -> Self {
        let names = Names::new(CLIENTS, settings.rules.hosts());
        let own = settings.process.self_container.clone();
        Self::of(&settings.into(), names, own, 0, &[])
    }

    /// The one that comes next. What is known of the names and engines that stay is kept.
    pub(super) fn next(&self, decisions: &Decisions<'_>) -> Self {
        let names = self.names.replaced_by(decisions.rules.hosts());
        let own = self.own.clone();
        Self::of(decisions, names, own, self.serial + 1, &self.engines)
    }

    fn of(
        decisions: &Decisions<'_>,
        names: Names,
        own: Option<String>,
        serial: u64,
        known: &[Arc<Engine>],
    ) -> Self {
        let Decisions {
            policies,
            rules,
            endpoints,
            ..
        } = *decisions;
        let mut made = Made {
            decisions,
            several: policies.iter().nth(1).is_some() || !rules.is_empty(),
            own: own.as_deref(),
            known,
            engines: Vec::new(),
            entries: HashMap::new(),
        };
        let none = made.entry(PolicyId::NONE, decisions.engine);
        let in_vain = Who::Container(Box::new(Wanted::chosen_by_label(None)));
        let rules = rules.iter().map(|rule| {
            let at = endpoints.iter().map(|endpoint| match rule.who == in_vain {
                true => made.in_vain(rule.policy),
                false => made.entry_at(rule.policy, endpoint),
            });
            Rule {
                who: rule.who.clone(),
                policy: at.collect::<Box<[_]>>(),
            }
        });
        let rules = rules.collect();
        let tls = endpoints.iter().map(|one| one.tls.clone()).collect();
        let endpoints = endpoints.iter();
        let endpoints = endpoints
            .map(|one| made.entry_at(one.policy, one))
            .collect();
        let used = decisions.engines();
        let is_used = |engine: &Arc<Engine>| used.contains(&engine.settings);
        Self {
            serial,
            alarms: policies.iter().filter_map(|(_, one)| one.alarm()).collect(),
            rules,
            endpoints,
            none,
            engines: made.engines.into_iter().filter(is_used).collect(),
            tls,
            names,
            own,
        }
    }

    /// The engine of policies and endpoints that name none; requests may go to others alone.
    pub(super) fn default_engine(&self) -> &Arc<Engine> {
        &self.none.engine
    }

    /// The engines that requests can go to.
    pub(super) fn engines(&self) -> &[Arc<Engine>] {
        &self.engines
    }

    /// What has to be said of policies that protect nothing.
    pub(super) fn alarms(&self) -> &[String] {
        &self.alarms
    }

    /// What an endpoint does with TLS, if it speaks that.
    pub(super) fn tls(&self, endpoint: usize) -> Option<&Arc<Server>> {
        self.tls.get(endpoint)?.as_ref()
    }

    /// What is to be said of the certificates of endpoints, by their places.
    pub(super) fn expiring(&self) -> impl Iterator<Item = (usize, Part, String)> {
        let all = self.tls.iter().enumerate();
        all.flat_map(|(endpoint, tls)| {
            let tls = tls.as_ref().into_iter();
            let soon = tls.flat_map(|tls| tls.expiring(SystemTime::now()));
            soon.map(move |(part, problem)| (endpoint, part, problem))
        })
    }

    /// Whether a client was let in as its endpoint does not let clients in any more: then nothing says
    /// that its certificate would be accepted, or that it needs none.
    pub(super) fn is_outdated(&self, client: &Client) -> bool {
        self.tls(client.endpoint).and_then(|tls| tls.trust) != client.trust
    }

    /// The policy that holds for a client now: to decide on one request, at once. No policy, no access.
    ///
    /// # Errors
    /// Why that cannot be told. Names and containers that it depends on are being looked up then.
    pub(super) fn policy_of(&self, client: &Client) -> Result<Arc<Entry>, Untold> {
        if self.is_outdated(client) {
            return Err(Untold {
                on: "the client_ca of its endpoint, which was replaced: connect again".to_owned(),
                may_change: false,
                again: true,
            });
        }
        let containers = |address| client.containers(address);
        let rule = self.rule_for(&client.identity, &mut client.found(), &containers)?;
        Ok(self.entry(rule, client.endpoint))
    }

    /// The policy of a rule; without one, of an endpoint.
    fn entry(&self, rule: Option<usize>, endpoint: usize) -> Arc<Entry> {
        let entry = match rule {
            Some(rule) => {
                let rule = self.rules.iter().nth(rule);
                rule.and_then(|rule| rule.policy.get(endpoint))
            }
            None => self.endpoints.get(endpoint),
        };
        Arc::clone(entry.unwrap_or(&self.none))
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
        let names = AskedFor {
            names: &self.names,
            containers,
            any: Cell::new(false),
        };
        let rule = match self.rules.lookup(client, &names) {
            Lookup::Decided { rule, .. } => Some(rule),
            Lookup::NoRule => {
                if let Some(certificate) = client.certificate().filter(|_| self.asks_names()) {
                    let peer = client
                        .address()
                        .map_or_else(String::new, |one| one.to_string());
                    log::warn!(
                        target: ACCESS,
                        "{peer}: no client rule is for the certificate {certificate}: the policy of \
                         the endpoint holds"
                    );
                }
                None
            }
            Lookup::Unknown { on, .. } => return Err(self.untold(&on)),
        };
        if !names.any.get() {
            let serial = self.serial;
            *found = Some(Found { serial, rule });
        }
        Ok(rule)
    }

    /// Whether a rule asks for certificates.
    fn asks_names(&self) -> bool {
        (self.rules.iter()).any(|rule| matches!(rule.who, Who::Certificate(_)))
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
        Untold {
            on,
            may_change,
            again: matches!(unknown, Unknown::Container(Why::Moved)),
        }
    }
}

/// What a rulebook is being made of.
struct Made<'a> {
    decisions: &'a Decisions<'a>,
    /// Whether there are several policies.
    several: bool,
    /// What the settings call dockgate's own container, if they do.
    own: Option<&'a str>,
    /// The engines of the rulebook before.
    known: &'a [Arc<Engine>],
    engines: Vec<Arc<Engine>>,
    /// By the policy, and the place of the engine.
    entries: HashMap<(PolicyId, usize), Arc<Entry>>,
}

impl Made<'_> {
    /// A policy at an endpoint.
    fn entry_at(&mut self, id: PolicyId, endpoint: &Endpoint) -> Arc<Entry> {
        let (policies, default) = (self.decisions.policies, self.decisions.engine);
        let engine = policies
            .get(id)
            .map(|policy| policy.engine_at(endpoint, default));
        self.entry(id, engine.unwrap_or(default))
    }

    fn entry(&mut self, id: PolicyId, engine: &Arc<config::Engine>) -> Arc<Entry> {
        let place = self.engine(engine);
        let engine = &self.engines[place];
        let Decisions {
            policies,
            rules,
            endpoints,
            ..
        } = *self.decisions;
        let entry = self.entries.entry((id, place)).or_insert_with(|| {
            let policy = policies.get(id);
            let unprotected = policy.and_then(|policy| policy.sources.unprotected);
            let demands = policy.map(|one| one.demands.on(&engine.settings.key()));
            Arc::new(Entry {
                policy: policy.map(|policy| Arc::clone(&policy.compiled)),
                engine: Arc::clone(engine),
                name: self.several.then(|| policies.name(id).into()),
                logs_requests: policy.is_some_and(|one| one.sources.profile.log_requests),
                learns: unprotected.map(Unprotected::from) == Some(Unprotected::Learn),
                demands: Arc::new(demands.unwrap_or_default()),
                others: Arc::new(others(id, policies, rules, endpoints, self.own)),
                chosen_in_vain: false,
            })
        });
        Arc::clone(entry)
    }

    /// For clients that chose a policy which they may not choose.
    fn in_vain(&mut self, id: PolicyId) -> Arc<Entry> {
        let entry = self.entry(PolicyId::NONE, self.decisions.engine);
        Arc::new(Entry {
            policy: None,
            engine: Arc::clone(&entry.engine),
            name: Some(self.decisions.policies.name(id).into()),
            logs_requests: false,
            learns: false,
            demands: Arc::default(),
            others: Arc::default(),
            chosen_in_vain: true,
        })
    }

    /// The place of an engine. One that is as it was before a reload is the same.
    fn engine(&mut self, settings: &Arc<config::Engine>) -> usize {
        let is_same = |one: &&Arc<Engine>| one.settings == *settings;
        if let Some(place) = self.engines.iter().position(|one| is_same(&one)) {
            return place;
        }
        let known = self.known.iter().find(is_same).map(Arc::clone);
        let new = || Engine::new(settings, self.decisions.endpoints);
        self.engines.push(known.unwrap_or_else(new));
        self.engines.len() - 1
    }
}

/// Names and a client's containers, and whether any of them was asked for.
struct AskedFor<'a> {
    names: &'a Names,
    containers: &'a dyn Fn(IpAddr) -> Seen,
    any: Cell<bool>,
}

impl clients::Names for AskedFor<'_> {
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
            let reason = match untold.again {
                true => Reason::ConnectAgain,
                false => Reason::PolicyUnknown,
            };
            return Err(Explanation::new(reason, text));
        }
        tokio::select! {
            () = news.wait(deadline) => {}
            _ = moves.changed() => {}
        }
    }
}

/// Why a request that was allowed is not allowed any more, if so.
/// What was judged then is not judged again. What went to an engine that is not the client's any more
/// has no leave to go on there.
pub(super) async fn denied_now(client: &Client, earlier: Asked) -> Option<Explanation> {
    let policy = client.shared.rulebook.load().policy_of(client);
    let policy = match policy {
        Ok(policy) => policy,
        Err(_) => match policy_in_time(client, DOUBT).await {
            Ok(policy) => policy,
            Err(why) => return Some(why),
        },
    };
    if earlier.engine.address() != policy.engine.address() {
        let (who, engine) = (who(client.peer), &policy.engine.settings);
        let text =
            format!("the requests of {who} go to another engine now: {engine}; send it again");
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

#[cfg(test)]
mod tests;
