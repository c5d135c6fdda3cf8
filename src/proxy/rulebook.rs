//! Which policy holds for which client, at one moment. A reload replaces all of it at once.
//!
//! **A request is decided by one policy of one rulebook.** Who a client is, is known once a
//! connection; which policy it has, is asked for each request. Where that cannot be said, because a
//! host name cannot be looked up, a container is not known or the kernel does not tell a client's groups,
//! no later rule and no other policy is tried.

mod entry;
mod waiting;

use std::cell::Cell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use super::client::Client;
use super::engine::Engine;
use super::lists::Lists;
use super::names::Names;
use super::others::others;
use crate::clients::containers::{Seen, Wanted};
use crate::clients::{self, Identity, Lookup, Rule, Rules, Unknown, Who};
use crate::config::{self, Decisions, Endpoint, LabelLists, OwnList, PolicyId, Settings};
use crate::observe::log::ACCESS;
use crate::tls::{Mistake, Server};

pub(super) use entry::{Entry, Refusal};
use waiting::Untold;
pub(super) use waiting::{PATIENCE, admits_in_time, denied_now, policy_in_time};

/// What the names' list is called.
const CLIENTS: &str = "clients";

/// Which policy holds for which client.
#[derive(Debug)]
pub(super) struct Rulebook {
    /// Its number among those of the process.
    serial: u64,
    /// With the policy at each endpoint, which may have an engine of its own.
    rules: Rules<Box<[Arc<Entry>]>>,
    /// The lists that containers have by their labels, before any rule.
    lists: Option<Arc<Lists>>,
    /// The policy of each endpoint, for clients that no rule is for.
    endpoints: Vec<Arc<Entry>>,
    /// Refuses every request.
    none: Arc<Entry>,
    /// Those that requests can go to, each once.
    engines: Vec<Arc<Engine>>,
    /// What each endpoint does with TLS.
    tls: Vec<Option<Arc<Server>>>,
    names: Names,
    containers: Containers,
    /// What has to be said of policies that protect nothing.
    alarms: Vec<String>,
}

/// What the settings say of containers, until dockgate is started anew.
#[derive(Clone, Debug)]
struct Containers {
    /// What they call dockgate's own, if they do.
    own: Option<String>,
    /// What the labels begin with that give one a list of its own, if they do.
    prefix: Option<String>,
}

/// Where a rulebook has the policy of a client, so that it need not be looked for at each request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// The rulebook's.
    serial: u64,
    /// The rule that is for the client, if any is.
    rule: Option<usize>,
}

impl Rulebook {
    /// As the settings say at start.
    pub(super) fn new(settings: &Settings) -> Self {
        let names = Names::new(CLIENTS, settings.rules.hosts());
        let containers = Containers {
            own: settings.process.self_container.clone(),
            prefix: settings.process.label_prefix.clone(),
        };
        Self::of(&settings.into(), names, containers, 0, &[])
    }

    /// The one that comes next. What is known of the names and engines that stay is kept.
    pub(super) fn next(&self, decisions: &Decisions<'_>) -> Self {
        let names = self.names.replaced_by(decisions.rules.hosts());
        let containers = self.containers.clone();
        Self::of(decisions, names, containers, self.serial + 1, &self.engines)
    }

    fn of(
        decisions: &Decisions<'_>,
        names: Names,
        containers: Containers,
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
            several: policies.iter().nth(1).is_some()
                || !rules.is_empty()
                || containers.prefix.is_some(),
            containers: &containers,
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
        let lists = containers.prefix.as_deref();
        let lists = lists.map(|prefix| {
            let own = LabelLists::new(prefix, policies.default());
            made.lists(own, names.told())
        });
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
            lists,
            endpoints,
            none,
            engines: made.engines.into_iter().filter(is_used).collect(),
            tls,
            names,
            containers,
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

    /// What is to be said of certificates that expire soon, or have: those of endpoints, by their `names`, and
    /// those for engines.
    pub(super) fn expiring(&self, names: &[Arc<str>]) -> Vec<String> {
        let now = SystemTime::now();
        let own = self.tls.iter().zip(names).flat_map(|(tls, name)| {
            let soon = tls.iter().flat_map(|tls| tls.expiring(now));
            soon.map(
                move |Mistake {
                          part,
                          problem,
                          help,
                      }| {
                    format!("endpoint {name}: its {} {problem}; {help}", part.key())
                },
            )
        });
        let of_engines = self.engines.iter().flat_map(|engine| {
            let tls = engine.settings.tls.iter();
            let soon = tls.flat_map(|tls| tls.expiring(now));
            soon.map(|one| {
                let (engine, key) = (&engine.settings, one.key);
                format!("{engine}: its {key} {}; {}", one.problem, one.help)
            })
        });
        own.chain(of_engines).collect()
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
                needs: None,
            });
        }
        let containers = |address| client.containers(address);
        if let Some(list) = self.list_of(client)? {
            return Ok(list);
        }
        let rule = self.rule_for(&client.identity, &mut client.found(), &containers);
        let rule = rule.inspect_err(|untold| {
            let needs = untold.needs.iter();
            needs.for_each(|why| client.shared.directory.need(why));
        })?;
        Ok(self.entry(rule, client.endpoint))
    }

    /// The list that a client's container has by its labels, if it has one.
    fn list_of(&self, client: &Client) -> Result<Option<Arc<Entry>>, Untold> {
        let (Some(lists), Some(address)) = (&self.lists, client.identity.address()) else {
            return Ok(None);
        };
        match lists.of(client.containers(address)) {
            OwnList::By { labels, container } => {
                match lists.get(labels, &container, client.endpoint) {
                    Some(list) => Ok(Some(list)),
                    None => Err(Untold {
                        on: format!(
                            "the labels of container {container}, whose list is being made"
                        ),
                        may_change: true,
                        again: false,
                        needs: None,
                    }),
                }
            }
            OwnList::None if client.by_labels => Err(Untold {
                on: "labels that its container has not any more: connect again".to_owned(),
                may_change: false,
                again: true,
                needs: None,
            }),
            OwnList::None => Ok(None),
            OwnList::Unknown(why) => Err((&why).into()),
        }
    }

    /// Whether a client that is not admitted otherwise is so by the labels of its container: it gets at its own
    /// list alone.
    ///
    /// # Errors
    /// Why that cannot be told.
    pub(super) fn admits(&self, seen: Seen) -> Result<bool, Untold> {
        match self.lists.as_ref().map(|lists| lists.of(seen)) {
            Some(OwnList::By { .. }) => Ok(true),
            Some(OwnList::Unknown(why)) => Err((&why).into()),
            Some(OwnList::None) | None => Ok(false),
        }
    }

    /// Whether containers may have lists by labels.
    pub(super) fn has_lists(&self) -> bool {
        self.lists.is_some()
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
            Unknown::Container(why) => return why.into(),
        };
        Untold {
            on,
            may_change,
            again: false,
            needs: None,
        }
    }
}

/// What a rulebook is being made of.
struct Made<'a> {
    decisions: &'a Decisions<'a>,
    /// Whether there are several policies.
    several: bool,
    containers: &'a Containers,
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
            let name = self.several.then(|| policies.name(id).into());
            let (own, prefix) = (&self.containers.own, &self.containers.prefix);
            let (own, prefix) = (own.as_deref(), prefix.as_deref());
            Arc::new(match policies.get(id) {
                Some(policy) => {
                    let others = others(id, policies, rules, endpoints, own, prefix);
                    Entry::of(policy, engine, name, &Arc::new(others))
                }
                None => Entry::refusing(engine, name, None),
            })
        });
        Arc::clone(entry)
    }

    /// The lists by labels, which go to the engines of the policy `default`.
    fn lists(&mut self, lists: LabelLists, news: watch::Sender<()>) -> Arc<Lists> {
        let Decisions {
            policies,
            rules,
            endpoints,
            ..
        } = *self.decisions;
        let engines = endpoints.iter().map(|endpoint| {
            let entry = self.entry_at(PolicyId::DEFAULT, endpoint);
            Arc::clone(&entry.engine)
        });
        let engines = engines.collect();
        let (own, prefix) = (&self.containers.own, &self.containers.prefix);
        let (own, prefix) = (own.as_deref(), prefix.as_deref());
        // All rules are of others.
        let others = others(PolicyId::NONE, policies, rules, endpoints, own, prefix);
        Lists::new(lists, engines, Arc::new(others), news)
    }

    /// For clients that chose a policy which they may not choose.
    fn in_vain(&mut self, id: PolicyId) -> Arc<Entry> {
        let entry = self.entry(PolicyId::NONE, self.decisions.engine);
        let name = self.decisions.policies.name(id).into();
        Arc::new(Entry::refusing(
            &entry.engine,
            Some(name),
            Some(Refusal::Choice),
        ))
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

#[cfg(test)]
mod tests;
