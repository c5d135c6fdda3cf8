//! Gates: what a request must not ask for, judged after all mutators have changed it. The one that
//! allows nothing but reads is not among them: a rule denies all else before anything is read.
//!
//! Pure: what a gate must know of the engine is a [`Fact`], which the caller looks up for this one
//! request. Fails closed: what is not known is refused.

mod images;
mod mount_source;
mod sources;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

use super::draft::{Act, Draft, Objection};
use super::facts::{Fact, Facts};
pub use mount_source::{BadSource, MountSource};

/// One gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Images only from these registries: `docker.io`, `localhost:5000`.
    Registry(Vec<String>),
    /// Images only of these namespaces, whatever their registry: `library`, `a/b`. Without one, an
    /// image has the empty namespace.
    Namespace(Vec<String>),
    /// Mounts only of these paths and volumes.
    MountSource(MountSource),
    /// No images from an archive.
    ImageLoading,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Ruling {
    /// No gate refuses it.
    Passes,
    /// One does.
    Refused(Objection),
    /// The engine must be asked.
    Needs(BTreeSet<Fact>),
}

/// Judges a request by all gates, in their order.
pub fn judge(gates: &[Gate], draft: &Draft, facts: &Facts) -> Ruling {
    let mut needs = BTreeSet::new();
    for gate in gates {
        match gate.judge(draft, facts) {
            Ruling::Passes => {}
            Ruling::Needs(more) => needs.extend(more),
            refused @ Ruling::Refused(_) => return refused,
        }
    }
    match needs.len() {
        0 => Ruling::Passes,
        1..=MOST => Ruling::Needs(needs),
        _ => {
            let why = format!("names more than {MOST} volumes and containers to be looked up");
            Ruling::Refused(Objection::new("the body", "", why))
        }
    }
}

/// The engine is asked at most so many things at a time.
const MOST: usize = 64;

impl Gate {
    /// Whether it looks at such a request.
    pub fn concerns(&self, act: &Act) -> bool {
        match self {
            Gate::Registry(_) | Gate::Namespace(_) => matches!(
                act,
                Act::Pull | Act::PullPlugin | Act::CreateService | Act::UpdateService
            ),
            Gate::MountSource(_) => matches!(
                act,
                Act::CreateContainer
                    | Act::StartContainer
                    | Act::CreateVolume
                    | Act::CreateService
                    | Act::UpdateService
                    | Act::Build
                    | Act::PullPlugin
                    | Act::SetUpPlugin
            ),
            Gate::ImageLoading => matches!(act, Act::Load | Act::Pull),
        }
    }

    fn judge(&self, draft: &Draft, facts: &Facts) -> Ruling {
        if !self.concerns(draft.act()) {
            return Ruling::Passes;
        }
        if let Err(objection) = draft.was_read() {
            return Ruling::Refused(objection);
        }
        if let Err(objection) = no_rollback(draft) {
            return Ruling::Refused(objection);
        }
        let judged = match self {
            Gate::Registry(registries) => images::registry(registries, draft),
            Gate::Namespace(namespaces) => images::namespace(namespaces, draft),
            Gate::ImageLoading => images::loading(draft),
            Gate::MountSource(sources) => return sources.judge(draft, facts),
        };
        match judged {
            Ok(()) => Ruling::Passes,
            Err(objection) => Ruling::Refused(objection),
        }
    }
}

/// Refuses what is about no body that could be judged: the engine takes the service's last one.
fn no_rollback(draft: &Draft) -> Result<(), Objection> {
    const KEY: &str = "rollback";
    let rolls_back = *draft.act() == Act::UpdateService && draft.parameter(KEY)?.is_some();
    match rolls_back {
        false => Ok(()),
        true => {
            let why = "brings back a service that no gate can judge";
            Err(Objection::new(format!("the parameter {KEY}"), "", why))
        }
    }
}

/// What is listed; the empty namespace has a name of its own.
fn shown(all: &[String], none: &str) -> String {
    let shown = all.iter().map(|one| match &**one {
        "" => "\"\"",
        one => one,
    });
    match all {
        [] => none.to_owned(),
        _ => shown.collect::<Vec<_>>().join(", "),
    }
}

/// `registry: docker.io, ghcr.io`
impl Display for Gate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Gate::Registry(all) => write!(f, "registry: {}", shown(all, "no registries")),
            Gate::Namespace(all) => {
                write!(f, "namespaceAllowlist: {}", shown(all, "no namespaces"))
            }
            Gate::MountSource(sources) => write!(f, "mountSource: {sources}"),
            Gate::ImageLoading => f.write_str("imageLoading"),
        }
    }
}
