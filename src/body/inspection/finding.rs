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
    /// It is answered as the engine would answer it.
    Answer(Told),
}

/// What the engine would say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// What the request names does not exist: 404.
    Missing(String),
    /// What its body refers to does not exist: 400. With a 404, the docker CLI would pull the image.
    Dangling(String),
    /// The name that it gives is another object's: 409.
    Taken(String),
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
            (told @ Finding::Answer(_), _) | (_, told @ Finding::Answer(_)) => told,
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
