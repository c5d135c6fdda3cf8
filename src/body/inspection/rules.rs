//! `Term::Rules`: the rules in CEL judge the changed request in each round.

use super::finding::Finding;
use super::{Request, unreadable};
use crate::policy::Term;

/// What the rules make of it.
pub(super) fn judge(request: &Request) -> Finding {
    match request.has(|term| term == Term::Rules) {
        true => Finding::Refused(unreadable("it cannot be judged")),
        false => Finding::Nothing,
    }
}
