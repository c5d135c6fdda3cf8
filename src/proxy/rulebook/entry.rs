//! A policy, as requests need it.

use std::sync::Arc;

use crate::api::{Message, Target};
use crate::body::demands::Demands;
use crate::body::inspection::Others;
use crate::config::ConfiguredPolicy;
use crate::observe::access::PolicyName;
use crate::policy::{Denial, Policy, Remedy, Unprotected, Verdict};
use crate::proxy::engine::Engine;

/// A policy, as requests need it that go to one engine.
#[derive(Debug)]
pub(in crate::proxy) struct Entry {
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
    /// Why there is no policy, if that is not what the settings say.
    refusal: Option<Refusal>,
}

/// Why no policy holds for a client.
#[derive(Debug)]
pub(in crate::proxy) enum Refusal {
    /// It chose one that it may not choose.
    Choice,
    /// The labels of its container are wrong.
    Labels(Arc<Remedy>),
}

impl Entry {
    /// A policy, with the clients that have others.
    pub(in crate::proxy) fn of(
        policy: &ConfiguredPolicy,
        engine: &Arc<Engine>,
        name: Option<PolicyName>,
        others: &Arc<Others>,
    ) -> Entry {
        let unprotected = policy.sources.unprotected;
        let key = engine.settings.key();
        Entry {
            policy: Some(Arc::clone(&policy.compiled)),
            engine: Arc::clone(engine),
            name,
            logs_requests: policy.sources.profile.log_requests,
            learns: unprotected.map(Unprotected::from) == Some(Unprotected::Learn),
            demands: Arc::new(policy.demands.on(&key, &engine.host)),
            others: Arc::clone(others),
            refusal: None,
        }
    }

    /// Without a policy, every request is refused.
    pub(in crate::proxy) fn refusing(
        engine: &Arc<Engine>,
        name: Option<PolicyName>,
        refusal: Option<Refusal>,
    ) -> Entry {
        Entry {
            policy: None,
            engine: Arc::clone(engine),
            name,
            logs_requests: false,
            learns: false,
            demands: Arc::default(),
            others: Arc::default(),
            refusal,
        }
    }

    /// Decides on a request.
    pub(in crate::proxy) fn decide(&self, target: Target, message: impl Into<Message>) -> Verdict {
        match &self.policy {
            Some(policy) => policy.decide(target, message),
            None => Verdict::Deny(match &self.refusal {
                Some(Refusal::Choice) => Denial::without_choice(target),
                Some(Refusal::Labels(why)) => Denial::by_labels(target, why),
                None => Denial::without_policy(target),
            }),
        }
    }
}
