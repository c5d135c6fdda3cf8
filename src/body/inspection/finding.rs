//! What judges make of a request by what is known so far.

use std::collections::BTreeSet;

use crate::body::facts::Fact;
use crate::policy::Unmet;

/// What a judge, or all of them, make of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// It is as it has to be.
    Nothing,
    /// It is refused, whatever the engine says.
    Refused(Unmet),
    /// The engine must be asked first.
    Asks(BTreeSet<Fact>),
    /// What it names itself does not exist, in the engine's words.
    Missing(String),
}

impl Finding {
    /// Together with what the next judge makes of it. What one refuses the next is not asked about.
    pub(super) fn and(self, next: impl FnOnce() -> Finding) -> Finding {
        if let Finding::Refused(_) = self {
            return self;
        }
        match (self, next()) {
            (Finding::Nothing, other) | (other, Finding::Nothing) => other,
            (_, refused @ Finding::Refused(_)) => refused,
            (missing @ Finding::Missing(_), _) | (_, missing @ Finding::Missing(_)) => missing,
            (Finding::Asks(mut needs), Finding::Asks(more)) => {
                needs.extend(more);
                Finding::Asks(needs)
            }
            (refused @ Finding::Refused(_), _) => refused,
        }
    }

    /// That the engine must be asked this, if it is anything.
    pub(super) fn asks(needs: BTreeSet<Fact>) -> Finding {
        match needs.is_empty() {
            true => Finding::Nothing,
            false => Finding::Asks(needs),
        }
    }
}
