//! Gates: what a request must not ask for, judged after all mutators have changed it.
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
use crate::api::sections::REQUIREMENTS;
pub use mount_source::{BadSource, MountSource};

/// One gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Nothing but reading.
    ReadOnly,
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

/// Names the containers that were looked up by their full IDs, so that no other one gets the name
/// before the engine acts.
///
/// # Errors
/// One has no ID.
pub fn pin(draft: &mut Draft, facts: &Facts) -> Result<(), Objection> {
    let places = match draft.act() {
        Act::CreateContainer => "HostConfig.VolumesFrom[]",
        Act::StartContainer => "VolumesFrom[]",
        _ => return Ok(()),
    };
    let mut unknown = None;
    draft.tree_mut().each_mut(places, &mut |path, from| {
        let text = from.as_str().unwrap_or_default();
        let (name, options) = match text.split_once(':') {
            Some((name, options)) => (name, Some(options)),
            None => (text, None),
        };
        let answer = Fact::container(name).and_then(|fact| facts.answer(&fact));
        let Some(answer) = answer else {
            return;
        };
        let id = answer.found().and_then(|found| found.at("Id").as_str());
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let pinned = match id.filter(|id| id.len() == 64 && id.bytes().all(hex)) {
            None => {
                unknown = Some(Objection::new(path.to_string(), text, "has no ID"));
                return;
            }
            Some(id) => match options {
                None => id.to_owned(),
                Some(options) => format!("{id}:{options}"),
            },
        };
        *from = pinned.into();
    });
    unknown.map_or(Ok(()), Err)
}

impl Gate {
    /// Whether it looks at such a request.
    pub fn concerns(&self, act: &Act) -> bool {
        match self {
            Gate::ReadOnly => true,
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
            ),
            Gate::ImageLoading => matches!(act, Act::Load | Act::Pull),
        }
    }

    /// Whether it looks at the body of such a request.
    pub fn reads_body(&self, act: &Act) -> bool {
        *self != Gate::ReadOnly && self.concerns(act) && act.body().is_some()
    }

    fn judge(&self, draft: &Draft, facts: &Facts) -> Ruling {
        if !self.concerns(draft.act()) {
            return Ruling::Passes;
        }
        if self.reads_body(draft.act())
            && let Err(objection) = draft.was_read()
        {
            return Ruling::Refused(objection);
        }
        let judged = match self {
            Gate::ReadOnly => read_only(draft),
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

/// Refuses what does more than read: also the reads that write, such as `attach/ws`.
fn read_only(draft: &Draft) -> Result<(), Objection> {
    let target = draft.target();
    let writes = |method| {
        let routes = REQUIREMENTS
            .iter()
            .filter(|one| one.also == "POST")
            .flat_map(|one| one.routes);
        let paths = [Some(target.path()), target.behind_other_version()];
        let spans = |path: &&[u8]| routes.clone().any(|route| route.spans(method, path));
        paths.iter().flatten().any(spans)
    };
    match draft.act().only_reads() && !target.method().is_some_and(writes) {
        true => Ok(()),
        false => Err(Objection::new(
            "the request",
            "",
            "is not allowed: readonlyAccess allows only reads",
        )),
    }
}

/// `registry: docker.io, ghcr.io`
impl Display for Gate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Gate::ReadOnly => f.write_str("readonlyAccess"),
            Gate::Registry(all) => write!(f, "registry: {}", all.join(", ")),
            Gate::Namespace(all) => write!(f, "namespaceAllowlist: {}", all.join(", ")),
            Gate::MountSource(sources) => write!(f, "mountSource: {sources}"),
            Gate::ImageLoading => f.write_str("imageLoading"),
        }
    }
}
