//! The memory for bodies that are read as a whole, for what their terms depend on, and for answers that
//! are filtered: so much for all clients together, and a part of it for each. It is charged as bytes
//! arrive, and who finds none left is refused, never made to wait: a client that sends slowly would hold
//! up all others.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use crate::observe::access::{Explanation, Reason};

/// The engine is asked for so many requests at a time; the others wait. Each takes a descriptor.
pub(super) const ASKING: usize = 64;

/// When a request that found no room may come again, in seconds.
const RETRY_AFTER: u64 = 1;
/// For all clients.
const ALL: usize = 64 << 20;
/// For each client.
const EACH: usize = ALL / 4;

/// For one client's answers: one of the largest, while it is written anew.
const OF_ANSWERS: usize = ALL / 2;

/// What all requests take.
#[derive(Debug)]
pub(super) struct Budget {
    taken: Arc<AtomicUsize>,
    /// The most bytes for one client.
    each: usize,
}

/// For bodies that are read as a whole, and for what their terms depend on.
impl Default for Budget {
    fn default() -> Self {
        Self::of(EACH)
    }
}

/// There is no more room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// For this client.
    Own,
    /// For anybody.
    All,
}

impl NoRoom {
    /// The refusal of a request, in words about whose requests take the memory: `own`, or `all`.
    pub(super) fn refusal(
        self,
        own: &str,
        all: &str,
        text: impl FnOnce(&str) -> String,
    ) -> Explanation {
        let whose = match self {
            NoRoom::Own => own,
            NoRoom::All => all,
        };
        let retry_after = RETRY_AFTER;
        Explanation::new(Reason::NoRoom { retry_after }, text(whose))
    }
}

/// What one request takes. Dropped, its room is free again.
#[derive(Debug)]
pub(super) struct Charge {
    all: Arc<AtomicUsize>,
    own: Arc<AtomicUsize>,
    each: usize,
    bytes: usize,
}

impl Budget {
    fn of(each: usize) -> Self {
        let taken = Arc::default();
        Self { taken, each }
    }

    /// For answers that are filtered.
    pub(super) fn for_answers() -> Self {
        Self::of(OF_ANSWERS)
    }

    /// A request of a client that takes `own` with all its requests; nothing yet.
    pub(super) fn charge(&self, own: Arc<AtomicUsize>) -> Charge {
        Charge {
            all: Arc::clone(&self.taken),
            own,
            each: self.each,
            bytes: 0,
        }
    }
}

impl Charge {
    /// Takes so many bytes more.
    ///
    /// # Errors
    /// If there is no room for them. Nothing more is taken then.
    pub(super) fn add(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let take = |from: &AtomicUsize, most: usize| {
            let more = |taken: usize| taken.checked_add(bytes).filter(|all| *all <= most);
            from.fetch_update(Relaxed, Relaxed, more).is_ok()
        };
        if !take(&self.own, self.each) {
            return Err(NoRoom::Own);
        }
        if !take(&self.all, ALL) {
            self.own.fetch_sub(bytes, Relaxed);
            return Err(NoRoom::All);
        }
        self.bytes += bytes;
        Ok(())
    }

    /// How much it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives back what it takes beyond so much.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.own.fetch_sub(less, Relaxed);
        self.all.fetch_sub(less, Relaxed);
        self.bytes -= less;
    }

    /// Another one of the same request; nothing yet.
    pub(super) fn another(&self) -> Charge {
        Charge {
            all: Arc::clone(&self.all),
            own: Arc::clone(&self.own),
            each: self.each,
            bytes: 0,
        }
    }

    /// Takes over what another one of the same request takes.
    pub(super) fn take_over(&mut self, mut other: Charge) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.own.fetch_sub(self.bytes, Relaxed);
        self.all.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_a_quarter_and_all_have_the_whole() {
        let budget = Budget::default();
        let client = || Arc::new(AtomicUsize::new(0));
        let first = client();
        let mut charge = budget.charge(Arc::clone(&first));
        assert_eq!(charge.add(EACH - 1), Ok(()));
        let mut second = budget.charge(Arc::clone(&first));
        assert_eq!(second.add(2), Err(NoRoom::Own));
        assert_eq!(second.add(1), Ok(()));
        assert_eq!(charge.add(usize::MAX), Err(NoRoom::Own));
        let others: Vec<Charge> = (0..3)
            .map(|_| {
                let mut other = budget.charge(client());
                assert_eq!(other.add(EACH), Ok(()));
                other
            })
            .collect();
        let mut last = budget.charge(client());
        assert_eq!(last.add(1), Err(NoRoom::All));
        drop(second);
        assert_eq!(last.add(1), Ok(()));
        // What is given back serves the others, and what is taken over counts once.
        charge.shrink_to(9);
        charge.shrink_to(20);
        let mut more = charge.another();
        assert_eq!(more.add(1), Ok(()));
        charge.take_over(more);
        assert_eq!((charge.bytes(), first.load(Relaxed)), (10, 10));
        assert_eq!(last.add(EACH - 11), Ok(()));
        drop((charge, others, last));
        assert_eq!((budget.taken.load(Relaxed), first.load(Relaxed)), (0, 0));
    }
}
