//! What a reload changes, and what waits for a restart.
//!
//! **No client loses protection by a reload.** A policy that asks for DRY_RUN now goes on to protect
//! until dockgate is started anew. And a policy that denies nothing, by LEARN or DRY_RUN since the
//! start, gets no client that had another one: a change of rules that would do that is a mistake.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use super::{Endpoint, Settings, sorted};
use crate::clients::Rules;
use crate::config::diagnostics::Diagnostic;
use crate::config::engines::Engine;
use crate::config::file::Chosen;
use crate::config::look::Look;
use crate::config::policies::{Policies, PolicyId};
use crate::config::snapshot::Snapshot;

/// What a reload brings, all of it or nothing.
#[derive(Debug)]
pub struct Reloaded {
    /// The decisions. IDs stand for the same names as before.
    pub policies: Policies,
    /// Which clients have which policy.
    pub rules: Rules<PolicyId>,
    /// Where dockgate has listened since it was started, each with the policy and engine that it has now.
    pub endpoints: Vec<Endpoint>,
    /// The engine of policies and endpoints that name none.
    pub engine: Arc<Engine>,
    /// What differs and holds only for a process that is started anew, as sentences.
    pub needs_restart: Vec<String>,
    /// What endpoints do with TLS by now, where that has changed.
    pub renewed: Vec<String>,
    /// Mistakes that do not keep it from being used.
    pub warnings: Vec<Diagnostic>,
    /// Which policies reach root on the host.
    pub dangers: Vec<String>,
}

impl Settings {
    /// Whether there is anything in files, which can change.
    pub fn has_files(&self) -> bool {
        self.origin.is_some() || self.seen.has_pems()
    }

    /// What the files say now, to be compared with another look.
    pub fn look(&self, environment: &Snapshot, last: &Look) -> Look {
        Look::take(self.origin.as_ref(), environment, Some(last))
    }

    /// Reads the policies and rules once more, from what looks saw of the files. `current` is what
    /// was reloaded last; if nothing was, what these settings say holds.
    ///
    /// # Errors
    /// All mistakes, with the warnings. What held goes on to hold.
    pub fn reload(
        &self,
        current: Option<&Reloaded>,
        environment: &Snapshot,
        look: Look,
    ) -> Result<Reloaded, Vec<Diagnostic>> {
        let current = current.map_or_else(|| Decisions::from(self), Reloaded::decisions);
        let chosen = Chosen {
            origin: self.origin.clone(),
            conflict: None,
        };
        let (new, mut needs_restart) =
            Settings::read(environment, chosen, look, Some(current.policies))?;
        let endpoints = current.endpoints.iter().map(|old| {
            let mut listed = new.endpoints.iter();
            let Some(one) = listed.find(|one| one.is_at(old)) else {
                return old.clone();
            };
            // One that speaks TLS goes on to, with the files as they are now.
            let tls = match (&old.tls, &one.tls) {
                (Some(old), Some(new)) if old == new => Some(Arc::clone(old)),
                (Some(_), Some(new)) => Some(Arc::clone(new)),
                (old, _) => old.clone(),
            };
            Endpoint {
                policy: one.policy,
                engine: one.engine.clone(),
                tls,
                ..old.clone()
            }
        });
        let endpoints: Vec<Endpoint> = endpoints.collect();
        let next = Decisions {
            policies: &new.policies,
            rules: &new.rules,
            endpoints: &endpoints,
            engine: &new.engine,
        };
        let extended = current.extended(&next, &new);
        if !extended.is_empty() {
            return Err(sorted(new.warnings.into_iter().chain(extended).collect()));
        }
        needs_restart.extend(waiting(&endpoints, &new));
        let both = current.endpoints.iter().zip(&endpoints);
        let renewed = both.filter(|(old, new)| old.tls != new.tls);
        let renewed = renewed.filter_map(|(_, new)| new.of_tls()).collect();
        Ok(Reloaded {
            dangers: new.dangers().collect(),
            policies: new.policies,
            rules: new.rules,
            renewed,
            endpoints,
            engine: new.engine,
            needs_restart,
            warnings: new.warnings,
        })
    }
}

impl Reloaded {
    /// The engines that requests can go to, each once.
    pub fn engines(&self) -> Vec<Arc<Engine>> {
        self.decisions().engines()
    }

    /// What decides on requests from now on.
    pub fn decisions(&self) -> Decisions<'_> {
        Decisions {
            policies: &self.policies,
            rules: &self.rules,
            endpoints: &self.endpoints,
            engine: &self.engine,
        }
    }
}

/// What decides on requests, and says where they go.
#[derive(Clone, Copy, Debug)]
pub struct Decisions<'a> {
    /// The policies.
    pub policies: &'a Policies,
    /// Which clients have which policy.
    pub rules: &'a Rules<PolicyId>,
    /// Where clients connect.
    pub endpoints: &'a [Endpoint],
    /// The engine of policies and endpoints that name none.
    pub engine: &'a Arc<Engine>,
}

impl<'a> From<&'a Settings> for Decisions<'a> {
    fn from(settings: &'a Settings) -> Self {
        Self {
            policies: &settings.policies,
            rules: &settings.rules,
            endpoints: &settings.endpoints,
            engine: &settings.engine,
        }
    }
}

impl Decisions<'_> {
    /// The engines that requests can go to, each once.
    pub fn engines(&self) -> Vec<Arc<Engine>> {
        let mut used: Vec<Arc<Engine>> = Vec::new();
        let by_rules: Vec<PolicyId> = self.rules.iter().map(|rule| rule.policy).collect();
        for endpoint in self.endpoints {
            for policy in by_rules.iter().chain([&endpoint.policy]) {
                // Who has no policy gets nowhere.
                let Some(policy) = self.policies.get(*policy) else {
                    continue;
                };
                let engine = policy.engine_at(endpoint, self.engine);
                if !used.contains(engine) {
                    used.push(Arc::clone(engine));
                }
            }
        }
        used
    }

    /// Whether a policy denies nothing.
    fn is_open(&self, id: PolicyId) -> bool {
        let policy = self.policies.get(id);
        policy.is_some_and(|policy| policy.sources.unprotected.is_some())
    }

    /// The rules and endpoints of `next` that may give a policy which denies nothing to clients that
    /// have one which denies something.
    ///
    /// They give it to no others if they did so before, and if each rule before them that gave a
    /// policy which denies something is still before them: who reaches them now, reached them then.
    fn extended(&self, next: &Decisions<'_>, new: &Settings) -> Vec<Diagnostic> {
        let mut guards = HashMap::new();
        for (index, rule) in next.rules.iter().enumerate() {
            if !next.is_open(rule.policy) {
                guards.entry(rule.who.to_string()).or_insert(index + 1);
            }
        }
        // For each rule that gave such a policy, how many of the new rules have to be before it. None:
        // one of those that were before it is gone.
        let mut behind = Some(0);
        let mut before = HashMap::new();
        for rule in self.rules.iter() {
            let who = rule.who.to_string();
            match (self.is_open(rule.policy), before.entry(who)) {
                (true, Slot::Vacant(slot)) => drop(slot.insert(behind)),
                (true, Slot::Occupied(_)) => {}
                (false, slot) => {
                    let guard = guards.get(slot.key());
                    behind = behind.and_then(|most: usize| guard.map(|one| most.max(*one)));
                }
            }
        }
        let mut mistakes = Vec::new();
        for (index, rule) in next.rules.iter().enumerate() {
            let is_before = || {
                let behind = before.get(&rule.who.to_string()).copied().flatten();
                behind.is_some_and(|most| most <= index)
            };
            if next.is_open(rule.policy) && !is_before() {
                let (what, problem) = next.extends(rule.policy, format!("clients[{index}]"));
                mistakes.push(match new.rule_places.get(index) {
                    Some(place) => place.mistake(&what, problem, RESTART),
                    None => Diagnostic::error(&what, problem, RESTART),
                });
            }
        }
        for (old, one) in self.endpoints.iter().zip(next.endpoints) {
            let is_before = self.is_open(old.policy) && behind.is_some();
            if next.is_open(one.policy) && !is_before {
                let (what, problem) =
                    next.extends(one.policy, format!("the endpoint {}", one.listen));
                mistakes.push(Diagnostic::error(&what, problem, RESTART));
            }
        }
        mistakes
    }

    /// What is wrong where a policy that denies nothing gets clients.
    fn extends(&self, id: PolicyId, what: String) -> (String, String) {
        let policy = self.policies.get(id);
        let why = policy.and_then(|policy| {
            let why = policy.sources.unprotected?;
            Some(format!(" ({})", policy.notation().set(why.variable(), 1)))
        });
        let (name, why) = (self.policies.name(id), why.unwrap_or_default());
        let problem = format!(
            "{what} could extend policy {name}, which denies nothing{why}, to more clients"
        );
        (what, problem)
    }
}

const RESTART: &str = "restart dockgate to apply the change";

impl Endpoint {
    /// Whether both are in the same place.
    fn is_at(&self, other: &Endpoint) -> bool {
        self.listen.to_string() == other.listen.to_string()
    }
}

/// What of the endpoints holds only after a restart. `bound` are those that have been there since the
/// start.
fn waiting(bound: &[Endpoint], new: &Settings) -> Vec<String> {
    let mut sentences = Vec::new();
    for old in bound {
        let listen = &old.listen;
        match new.endpoints.iter().find(|one| one.is_at(old)) {
            None => {
                let policy = new.policies.name(old.policy);
                sentences.push(format!(
                    "endpoint {listen} was removed: restart dockgate to close it; until then, it \
                     keeps policy {policy}"
                ));
            }
            Some(one) if one.mode != old.mode => sentences.push(format!(
                "the mode of endpoint {listen} changed: restart dockgate to apply it"
            )),
            Some(one) if one.tls.is_some() != old.tls.is_some() => {
                let does = if old.tls.is_some() {
                    "removed from"
                } else {
                    "added to"
                };
                sentences.push(format!(
                    "tls was {does} endpoint {listen}: restart dockgate to apply it"
                ));
            }
            Some(_) => {}
        }
    }
    for one in &new.endpoints {
        if !bound.iter().any(|old| old.is_at(one)) {
            let listen = &one.listen;
            sentences.push(format!(
                "endpoint {listen} was added: restart dockgate to listen there"
            ));
        }
    }
    sentences
}
