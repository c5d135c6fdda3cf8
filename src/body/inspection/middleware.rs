//! `Term::Middleware`: mutators change a request once it was read, gates judge it in each round.

use super::finding::Finding;
use super::{Request, unreadable};
use crate::policy::{Term, Unmet};

/// Lets the mutators change its target and its body.
pub(super) fn edit(request: &mut Request) -> Result<(), Unmet> {
    match request.has(|term| term == Term::Middleware) {
        true => Err(unreadable("it cannot be judged")),
        false => Ok(()),
    }
}

/// What the gates make of the changed request.
pub(super) fn judge(request: &Request) -> Finding {
    match request.has(|term| term == Term::Middleware) {
        true => Finding::Refused(unreadable("it cannot be judged")),
        false => Finding::Nothing,
    }
}
