//! `Term::Middleware`: mutators change a request once it was read, gates judge it in each round.

use super::finding::Finding;
use super::head::Head;
use super::{Request, older, rules, unreadable};
use crate::body::demands::Demands;
use crate::body::draft::{Draft, Objection};
use crate::body::edits;
use crate::body::gates::{self, Ruling};
use crate::policy::{Excess, Inspection, Term, Unmet, Written};

/// Whether a head can be judged: not below `/libpod`, whose bodies are of another shape; and only if
/// a mutator or a gate is there for it.
pub(super) fn head(
    head: &mut Head,
    inspection: &Inspection,
    draft: &Draft,
    demands: &Demands,
) -> Result<(), Unmet> {
    if draft.target().path().starts_with(b"/libpod/") {
        return Err(unreadable("it is a write of Podman's own API"));
    }
    if !demands.concern(draft.act()) {
        return Err(unreadable("nothing is there to judge it by"));
    }
    if !draft.act().only_reads() {
        super::head::no_form(inspection)?;
    }
    head.reads |= draft.act().has_body();
    Ok(())
}

/// What mutators and older versions need of a request whose head fails, if it is forwarded nevertheless.
pub(super) fn waived(inspection: &Inspection, draft: &Draft, demands: &Demands) -> Option<Head> {
    let is_edited = inspection.terms().contains(&Term::Middleware) && edits(demands, draft);
    let is_older = older::reads(inspection, draft);
    let mut needed = Head::default();
    let mut read = Ok(());
    if is_edited {
        read = head(&mut needed, inspection, draft, demands);
    }
    needed.reads |= is_older;
    (inspection.is_waived() && (is_edited || is_older) && read.is_ok()).then_some(needed)
}

/// Whether a mutator may change it.
fn edits(demands: &Demands, draft: &Draft) -> bool {
    let mut mutators = demands.mutators.iter();
    mutators.any(|one| one.concerns(draft.act()))
}

/// Lets the mutators change its target and its body.
pub(super) fn edit(request: &mut Request) -> Result<(), Unmet> {
    if !request.has(|term| term == Term::Middleware) {
        return Ok(());
    }
    let Request {
        inspection,
        draft,
        demands,
        subjects,
        edited,
        ..
    } = request;
    edits::edit(&demands.mutators, draft).map_err(|objection| unmet("mutators", objection))?;
    if inspection.is_waived() && edits(demands, draft) {
        *edited = Written {
            target: draft.other_target().cloned(),
            body: draft.asked().map(|(_, tree)| match draft.is_empty() {
                true => Vec::new(),
                false => tree.to_json().into_bytes(),
            }),
            filter: None,
        };
    }
    match draft.other_target() {
        Some(target) => rules::follow(subjects, target),
        None => Ok(()),
    }
}

/// What the gates make of the changed request.
pub(super) fn judge(request: &Request) -> Finding {
    if !request.has(|term| term == Term::Middleware) {
        return Finding::Nothing;
    }
    match gates::judge(&request.demands.gates, &request.draft, &request.facts) {
        Ruling::Passes => Finding::Nothing,
        Ruling::Refused(objection) => Finding::Refused(unmet("gates", objection)),
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
        by: Some(by),
    };
    Unmet::Excess(by, vec![excess])
}
