//! The policies of a process, each under its name.
//!
//! What names a policy holds a [`PolicyId`]. An ID stands for the same name for as long as the process
//! runs, over reloads too; **one whose policy is gone has none, and is never given another**.

use std::sync::Arc;

use super::file::{DEFAULT, NONE, Written};
use super::sources::ConfiguredPolicy;

/// A policy's name in few bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PolicyId(usize);

impl PolicyId {
    /// The policy `default`.
    pub const DEFAULT: PolicyId = PolicyId(0);
    /// The policy `none`, which refuses all requests: no policy is ever found for it.
    pub const NONE: PolicyId = PolicyId(usize::MAX);
}

/// All policies. There always is one with the name `default`.
#[derive(Debug)]
pub struct Policies {
    default: ConfiguredPolicy,
    /// The others by their IDs, from 1: their names, and the policies unless they are gone.
    others: Vec<(Arc<str>, Option<ConfiguredPolicy>)>,
}

impl Policies {
    /// These policies. A name keeps the ID that it has among the current ones.
    pub(super) fn new(
        default: ConfiguredPolicy,
        others: Vec<ConfiguredPolicy>,
        current: Option<&Policies>,
    ) -> Policies {
        let known = current.iter().flat_map(|all| &all.others);
        let known = known.map(|(name, _)| (name.clone(), None));
        let mut policies = Policies {
            default,
            others: known.collect(),
        };
        for policy in others {
            let name = policy.name.clone();
            let mut slots = policies.others.iter_mut();
            match slots.find(|(known, _)| *known == name) {
                Some((_, slot)) => *slot = Some(policy),
                None => policies.others.push((name, Some(policy))),
            }
        }
        policies
    }

    /// The ID of a policy that a file names. For one that is not there, which a reader of files has
    /// reported, that is `none`.
    pub(super) fn named(&self, name: &Written) -> PolicyId {
        let id = self.id(&name.text);
        id.filter(|id| self.get(*id).is_some())
            .unwrap_or(PolicyId::NONE)
    }

    /// The policy that an ID stands for. `None`: every request is refused.
    pub fn get(&self, id: PolicyId) -> Option<&ConfiguredPolicy> {
        match id.0.checked_sub(1) {
            None => Some(&self.default),
            Some(index) => self.others.get(index)?.1.as_ref(),
        }
    }

    /// The policy `default`.
    pub fn default(&self) -> &ConfiguredPolicy {
        &self.default
    }

    /// The same, without the others.
    pub fn into_default(self) -> ConfiguredPolicy {
        self.default
    }

    /// The ID of a name that has a policy, or had one; of `none` too.
    pub fn id(&self, name: &str) -> Option<PolicyId> {
        match name {
            DEFAULT => Some(PolicyId::DEFAULT),
            NONE => Some(PolicyId::NONE),
            _ => {
                let index = self.others.iter().position(|(known, _)| **known == *name)?;
                Some(PolicyId(index + 1))
            }
        }
    }

    /// The name that an ID stands for.
    pub fn name(&self, id: PolicyId) -> &str {
        match id.0.checked_sub(1) {
            None => DEFAULT,
            Some(index) => (self.others.get(index)).map_or(NONE, |(name, _)| name),
        }
    }

    /// Every policy: `default`, and the others in the order of their IDs.
    pub fn iter(&self) -> impl Iterator<Item = (PolicyId, &ConfiguredPolicy)> {
        let others = self.others.iter().zip(1..);
        let others = others.filter_map(|((_, policy), id)| Some((PolicyId(id), policy.as_ref()?)));
        [(PolicyId::DEFAULT, &self.default)]
            .into_iter()
            .chain(others)
    }
}
