//! `Term::Middleware`: mutators change a request once it was read, gates judge it in each round.

use super::finding::Finding;
use super::head::Head;
use super::{Request, unreadable_by};
use crate::body::demands::Demands;
use crate::body::draft::{Draft, Objection};
use crate::body::edits;
use crate::body::gates::{self, Ruling};
use crate::policy::{Excess, Inspection, Term, Unmet};

/// Who judges, in messages.
const MIDDLEWARE: &str = "middleware";
const MUTATORS: &str = "mutators";
const GATES: &str = "gates";

/// Whether a head can be judged: not below `/libpod`, whose bodies are of another shape; and only if
/// a mutator or a gate is there for it.
pub(super) fn head(
    head: &mut Head,
    inspection: &Inspection,
    draft: &Draft,
    demands: &Demands,
) -> Result<(), Unmet> {
    let unreadable = |why| Err(unreadable_by(MIDDLEWARE, why));
    if draft.target().path().starts_with(b"/libpod/") {
        return unreadable("it is a write of Podman's own API");
    }
    if !demands.concern(draft.act()) {
        return unreadable("nothing is there to judge it by");
    }
    if !draft.act().only_reads() {
        super::head::no_form(MIDDLEWARE, inspection)?;
    }
    head.reads |= draft.act().has_body();
    Ok(())
}

/// Lets the mutators change its target and its body.
pub(super) fn edit(request: &mut Request) -> Result<(), Unmet> {
    match request.has(|term| term == Term::Middleware) {
        true => edits::edit(&request.demands.mutators, &mut request.draft)
            .map_err(|objection| unmet(MUTATORS, objection)),
        false => Ok(()),
    }
}

/// What the gates make of the changed request.
pub(super) fn judge(request: &Request) -> Finding {
    if !request.has(|term| term == Term::Middleware) {
        return Finding::Nothing;
    }
    match gates::judge(&request.demands.gates, &request.draft, &request.facts) {
        Ruling::Passes => Finding::Nothing,
        Ruling::Refused(objection) => Finding::Refused(unmet(GATES, objection)),
        Ruling::Needs(needs) => Finding::asks(needs),
    }
}

fn unmet(by: &'static str, objection: Objection) -> Unmet {
    let Objection { place, value, why } = objection;
    let excess = Excess {
        of: None,
        place: place.into(),
        value: value.into(),
        why: why.into(),
    };
    Unmet::Excess(by, vec![excess])
}
