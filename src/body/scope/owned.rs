//! The containers that were found in a scope, by their full IDs. A container's labels never change, and no ID
//! is given twice, so this holds for good; and a container that removes itself can still be waited for.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// More are not remembered: they are asked for each time.
const MOST: usize = 10_000;

/// Their IDs. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Owned(Arc<Mutex<BTreeSet<String>>>);

impl Owned {
    /// Remembers one.
    pub(super) fn add(&self, id: &str) {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.len() >= MOST {
            // Most of them are long gone.
            ids.clear();
        }
        ids.insert(id.to_owned());
    }

    /// Whether it was found.
    pub(super) fn has(&self, id: &str) -> bool {
        let ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ids.contains(id)
    }
}

/// What is remembered does not make it another scope.
impl PartialEq for Owned {
    fn eq(&self, _: &Owned) -> bool {
        true
    }
}

impl Eq for Owned {}
