//! Verdicts: what the policy decided, and why.

use std::fmt;
use std::sync::{Arc, LazyLock};

use super::clearance::Permit;
use super::explain;
use super::remedy::{Obstacle, Remedy};
use crate::api::Target;

/// What the policy decided. Each side carries the target and the reason.
#[must_use]
#[derive(Debug)]
pub enum Verdict {
    /// Forward it.
    Allow(Permit),
    /// Forward it and log what would have been answered, since nothing is being protected.
    WouldDeny(Permit, Denial),
    /// Answer 403.
    Deny(Denial),
}

impl Verdict {
    /// What was decided on.
    pub fn target(&self) -> &Target {
        match self {
            Verdict::Allow(permit) | Verdict::WouldDeny(permit, _) => permit.target(),
            Verdict::Deny(denial) => denial.target(),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Allow(permit) => {
                write!(f, "allowed by {}", permit.origin())?;
                let judging = permit.terms().iter().filter(|one| one.removes().is_none());
                let mut terms: Vec<&str> = judging.map(|one| one.variable()).collect();
                terms.dedup();
                if !terms.is_empty() {
                    let terms = terms.join(" or ");
                    write!(f, ", unless {terms} refuses what it asks for")?;
                }
                for term in permit.terms() {
                    if let Some(what) = term.removes() {
                        write!(f, "; {} removes {what} from the response", term.variable())?;
                    }
                }
                Ok(())
            }
            Verdict::WouldDeny(_, denial) => write!(f, "would deny: {}", denial.message()),
            Verdict::Deny(denial) => write!(f, "denied: {}", denial.message()),
        }
    }
}

/// Why a policy protects nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unprotected {
    /// It only learns what clients need.
    Learn,
    /// It only reports what it would deny.
    DryRun,
}

impl Unprotected {
    /// Both; the first one takes precedence.
    pub const ALL: [Unprotected; 2] = [Unprotected::Learn, Unprotected::DryRun];

    /// The variable that requests it.
    pub const fn variable(self) -> &'static str {
        match self {
            Unprotected::Learn => "LEARN",
            Unprotected::DryRun => "DRY_RUN",
        }
    }
}

impl fmt::Display for Unprotected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variable = self.variable();
        write!(f, "{variable}=1: NOTHING IS BEING PROTECTED: ")?;
        f.write_str(match self {
            Unprotected::Learn => {
                "every request is forwarded; SIGUSR1 prints what dockgate learned"
            }
            Unprotected::DryRun => "every request is forwarded; denials are logged as `would deny`",
        })
    }
}

/// A policy's protection. Only the type that [`Waived`] names for it can waive it.
#[derive(Debug)]
pub struct Protection;

/// Where a waiver of the protection comes from. The settings implement it for [`Protection`], and
/// only they can make such a waiver. A second implementation is impossible, so this guards the law
/// without a lower layer that names a higher one.
pub trait Waived {
    /// The right to make a policy that protects nothing.
    type Waiver: Into<Unprotected>;
}

/// A refusal.
#[derive(Debug)]
pub struct Denial {
    target: Target,
    remedy: Arc<Remedy>,
    /// The policy that refused it, if it has a name.
    policy: Option<Arc<str>>,
}

impl Denial {
    pub(super) fn new(target: Target, remedy: Arc<Remedy>, policy: Option<Arc<str>>) -> Denial {
        Denial {
            target,
            remedy,
            policy,
        }
    }

    /// A refusal of what comes from a client for which no policy holds.
    pub fn without_policy(target: Target) -> Denial {
        static REMEDY: LazyLock<Arc<Remedy>> =
            LazyLock::new(|| Remedy::new(vec![Obstacle::NoPolicy]).into());
        Denial::new(target, REMEDY.clone(), None)
    }

    /// A refusal of what comes from a client that chose a policy which it may not choose.
    pub fn without_choice(target: Target) -> Denial {
        static REMEDY: LazyLock<Arc<Remedy>> =
            LazyLock::new(|| Remedy::new(vec![Obstacle::NoChoice]).into());
        Denial::new(target, REMEDY.clone(), None)
    }

    /// A refusal of what comes from a client by whose labels nothing is allowed.
    pub fn by_labels(target: Target, why: &Arc<Remedy>) -> Denial {
        Denial::new(target, Arc::clone(why), None)
    }

    /// What was refused.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// One sentence for the client: `POST /containers/create is not allowed: set CONTAINERS=1 and
    /// POST=1`; `... is not allowed by policies.ci in /etc/dockgate.yml:3: set ALLOW_CREATE: 1`. Plain
    /// ASCII without quotes from the request; about 400 characters at most.
    pub fn message(&self) -> String {
        let method = explain::printable(self.target.method_str());
        let path = explain::path(self.target.path());
        let (by, policy) = match &self.policy {
            Some(name) => (" by ", &**name),
            None => ("", ""),
        };
        // One allocation, and nothing formatted: floods of denials are to cost little.
        let parts = [
            &*method,
            " ",
            &path,
            " is not allowed",
            by,
            policy,
            ": ",
            self.remedy.text(),
        ];
        parts.concat()
    }

    /// What is in the way, and what would allow it.
    pub fn remedy(&self) -> &Arc<Remedy> {
        &self.remedy
    }
}
