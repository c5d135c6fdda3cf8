//! The user's explicit request to protect nothing. Only reading the settings makes one.

use std::fmt;
use std::ops::Deref;

use crate::policy::{Protection, Unprotected, Waived};

/// Proof that the user waived the policy's protection, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiver(Unprotected);

impl Waiver {
    pub(super) fn by_user(why: Unprotected) -> Waiver {
        Waiver(why)
    }
}

impl Waived for Protection {
    type Waiver = Waiver;
}

impl From<Waiver> for Unprotected {
    fn from(waiver: Waiver) -> Unprotected {
        waiver.0
    }
}

impl Deref for Waiver {
    type Target = Unprotected;

    fn deref(&self) -> &Unprotected {
        &self.0
    }
}

impl fmt::Display for Waiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
