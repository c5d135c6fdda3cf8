//! `Term::Older`: a request that was raised to a newer version of the API becomes what the version meant
//! that was asked for, before anything else looks at its body.

use super::finding::Finding;
use super::{Request, head};
use crate::api::Version;
use crate::body::draft::Draft;
use crate::body::versions::{self, Unwritten};
use crate::policy::{Excess, Inspection, Term, Unmet, Written};

/// Whether its body is needed.
pub(super) fn head(inspection: &Inspection, draft: &Draft) -> Result<bool, Unmet> {
    head::no_form(inspection)?;
    Ok(reads(inspection, draft))
}

/// Whether its body is another one to the version that was asked for.
pub(super) fn reads(inspection: &Inspection, draft: &Draft) -> bool {
    let is_raised = inspection.terms().contains(&Term::Older);
    let raised = raised(inspection).filter(|_| is_raised);
    raised.is_some_and(|(asked, now)| versions::reads(draft, asked, now))
}

/// Writes in what is meant.
pub(super) fn write(request: &mut Request) -> Finding {
    if !reads(&request.inspection, &request.draft) {
        return Finding::Nothing;
    }
    let Some(raised) = raised(&request.inspection) else {
        return Finding::Nothing;
    };
    let keeps = request.is_deny_root();
    match versions::write(&mut request.draft, raised, keeps, &request.facts) {
        Ok(()) => {}
        Err(Unwritten::Asks(fact)) => return Finding::asks([fact].into()),
        Err(Unwritten::Gone(place, value, since)) => {
            return Finding::Refused(gone(place, value, since));
        }
    }
    // What is forwarded whatever comes of it is forwarded so.
    if request.inspection.is_waived() {
        request.edited = Written {
            target: None,
            body: request
                .draft
                .asked()
                .map(|(_, tree)| tree.to_json().into_bytes()),
            filter: None,
        };
    }
    Finding::Nothing
}

/// The version that was asked for, and the one that is forwarded.
fn raised(inspection: &Inspection) -> Option<(Version, Version)> {
    let target = inspection.target();
    Some((target.asked()?, target.version()?))
}

fn gone(place: &str, value: String, since: Version) -> Unmet {
    let excess = Excess {
        of: None,
        place: place.into(),
        value: value.into(),
        why: format!(
            "cannot be asked for in API {since}, which is the least that the engine accepts"
        )
        .into(),
        by: Some(versions::MIN),
    };
    Unmet::Excess(versions::MIN, vec![excess])
}
