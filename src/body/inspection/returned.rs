//! Nothing brings back what `REDACT` put in place of a value: a program that copies what it was shown
//! would lose that value for good.

use super::Request;
use crate::api::query;
use crate::body::redaction::{has_placeholder, returned};
use crate::policy::{Excess, Inspection, Term, Unmet};

const REDACT: &str = "REDACT";

/// Looks in the query: arguments and labels of a build, changes of a commit.
pub(super) fn query(inspection: &Inspection) -> Result<(), Unmet> {
    let Some(text) = inspection.target().query() else {
        return Ok(());
    };
    let Some(pairs) = query::pairs(text) else {
        let why = "its query cannot be read in one way only";
        return Err(Unmet::Unreadable(REDACT, why.into()));
    };
    let mut pairs = pairs.into_iter();
    let found = pairs.find(|(key, value)| has_placeholder(key) || has_placeholder(value));
    found.map_or(Ok(()), |(key, _)| Err(lost(&format!("?{key}"))))
}

/// Looks in the body, if that was read.
pub(super) fn body(request: &Request) -> Result<(), Unmet> {
    if !request.has(|term| term == Term::Placeholder) {
        return Ok(());
    }
    returned(request.draft.tree()).map_or(Ok(()), |place| Err(lost(&place)))
}

fn lost(place: &str) -> Unmet {
    let why = "holds \"[redacted by dockgate]\" instead of the value that REDACT hides; send the \
               value itself, or use a policy without REDACT for this client";
    let excess = Excess {
        of: None,
        place: place.into(),
        value: "".into(),
        why: why.into(),
        by: None,
    };
    Unmet::Excess(REDACT, vec![excess])
}
