//! What a policy demands of requests besides what its rules say: the values behind its terms.
//!
//! A policy's terms say which requests are judged; this says by what. Both are made together from the
//! same sources, and a term without its value here fails.

use std::sync::Arc;

use super::draft::Act;
use super::edits::Mutator;
use super::gates::Gate;
use super::limits::Limits;
use super::redaction::Redaction;
use super::rules::Rules;
use super::scope::{HostAddress, LabelFilter, Scope};
use super::versions::Bounds;

/// The values behind the terms of one policy.
#[derive(Clone, Debug, Default)]
pub struct Demands {
    /// What may be asked for, if a limit is set.
    pub limits: Option<Limits>,
    /// What is changed, in this order, before anything is judged.
    pub mutators: Vec<Mutator>,
    /// What is refused of the changed request.
    pub gates: Vec<Gate>,
    /// What rules in CEL say of it.
    pub rules: Rules,
    /// Whose things its clients see and touch.
    pub scope: Option<Arc<Scope>>,
    /// What of its lists and inspects its clients see, by labels.
    pub label_filters: Arc<[LabelFilter]>,
    /// What of answers its clients are not told.
    pub redaction: Option<Arc<Redaction>>,
    /// Within which versions of the API they are told the engine's.
    pub versions: Option<Bounds>,
}

impl Demands {
    /// The same for requests that go to one engine, whose host has this address.
    #[must_use]
    pub fn on(&self, engine: &str, host: &HostAddress) -> Demands {
        let scope = self.scope.as_ref();
        Demands {
            scope: scope.map(|scope| Arc::new(scope.on(engine, host))),
            ..self.clone()
        }
    }

    /// Whether a mutator or a gate looks at such a request.
    pub fn concern(&self, act: &Act) -> bool {
        let edited = self.mutators.iter().any(|one| one.concerns(act));
        edited || self.gates.iter().any(|one| one.concerns(act))
    }
}
