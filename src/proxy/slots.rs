//! The slots that connections hold while they are open, and the room in which connections wait for
//! one.
//!
//! **No client takes all of either.** A client has a share of both, a tenth. Beyond its share it gets
//! a slot only if as many stay free for others; beyond its share of the room, nothing. Both shares
//! are at least one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::holders::{Held, One};

/// How often a connection beyond its client's share looks whether there is a slot for it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// All slots and the waiting room.
#[derive(Debug)]
pub(super) struct Slots {
    all: usize,
    free: Arc<Semaphore>,
    room: Arc<Semaphore>,
    /// A client's share of the room.
    room_share: usize,
}

/// A slot, or a place in the waiting room, until it is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    // In this order: a client never has more than is counted.
    _permit: OwnedSemaphorePermit,
    _one: One,
}

/// Why a connection cannot have a slot now.
#[derive(Debug)]
pub(super) enum Lack {
    /// Its client has its share, and too few are left for others.
    ForItsClient,
    /// All are taken. It is next in its client's share.
    ForAll(Next),
}

/// A connection that gets the next slot that is free, as one of its client's share.
#[derive(Debug)]
pub(super) struct Next(One);

impl Slots {
    /// So many slots, and a room for so many connections.
    pub(super) fn new(slots: usize, room: usize) -> Self {
        Self {
            all: slots,
            free: Arc::new(Semaphore::new(slots)),
            room: Arc::new(Semaphore::new(room)),
            room_share: (room / 10).max(1),
        }
    }

    /// How many there are.
    pub(super) fn all(&self) -> usize {
        self.all
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.all - self.free.available_permits()
    }

    /// Waits until all are free.
    pub(super) async fn all_free(&self) {
        let all = u32::try_from(self.all).unwrap_or(u32::MAX);
        let _ = self.free.acquire_many(all).await;
    }

    /// How many a client can have whatever is left.
    fn share(&self) -> usize {
        (self.all / 10).max(1)
    }

    /// How many stay free when a client gets one beyond its share. A single slot can serve all the
    /// same.
    fn kept_free(&self) -> usize {
        self.all.div_ceil(10).min(self.all.saturating_sub(1))
    }

    /// A slot for a connection.
    ///
    /// # Errors
    /// If there is none for it now.
    pub(super) fn take(&self, held: &Held) -> Result<Taken, Lack> {
        let one = held.slot();
        let is_beyond = one.nth() > self.share();
        let kept_free = if is_beyond { self.kept_free() } else { 0 };
        // Taken together, so that two at the same time cannot both leave too few.
        let wanted = u32::try_from(kept_free + 1).unwrap_or(u32::MAX);
        match Arc::clone(&self.free).try_acquire_many_owned(wanted) {
            Ok(mut permit) => {
                drop(permit.split(kept_free));
                Ok(Taken::new(permit, one))
            }
            Err(_) if is_beyond => Err(Lack::ForItsClient),
            Err(_) => Err(Lack::ForAll(Next(one))),
        }
    }

    /// Waits for the next slot that is free. None: there will be none.
    pub(super) async fn next(&self, next: Next) -> Option<Taken> {
        let permit = Arc::clone(&self.free).acquire_owned().await.ok()?;
        Some(Taken::new(permit, next.0))
    }

    /// Waits for a slot that a connection can have. None: there will be none.
    pub(super) async fn wait(&self, held: &Held) -> Option<Taken> {
        loop {
            match self.take(held) {
                Ok(slot) => return Some(slot),
                Err(Lack::ForAll(next)) => return self.next(next).await,
                Err(Lack::ForItsClient) => sleep(LOOK_EVERY).await,
            }
        }
    }

    /// A place to wait in, if there is one for this client.
    pub(super) fn place(&self, held: &Held) -> Option<Taken> {
        let one = held.place();
        if one.nth() > self.room_share {
            return None;
        }
        let permit = Arc::clone(&self.room).try_acquire_owned().ok()?;
        Some(Taken::new(permit, one))
    }
}

impl Taken {
    fn new(permit: OwnedSemaphorePermit, one: One) -> Self {
        Self {
            _permit: permit,
            _one: one,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::proxy::holders::{Holders, Key};

    /// As many slots as a client gets that takes all it can.
    fn all_for(slots: &Slots, held: &Held) -> Vec<Taken> {
        std::iter::from_fn(|| slots.take(held).ok()).collect()
    }

    fn clients<const N: usize>() -> [Held; N] {
        let holders = Holders::new(None);
        let mut last = 0;
        [(); N].map(|()| {
            last += 1;
            holders.hold(&Key::Address([10, 0, 0, last].into()))
        })
    }

    #[test]
    fn one_client_leaves_a_tenth_and_at_least_one_to_others() {
        for (all, one_gets, other_gets) in [
            (1, 1, 0),
            (2, 1, 1),
            (5, 4, 1),
            (10, 9, 1),
            (11, 9, 1),
            (20, 18, 2),
            (95, 85, 9),
            (100, 90, 10),
            (10_000, 9_000, 1_000),
        ] {
            let (slots, [one, other]) = (Slots::new(all, 1), clients());
            let ones = all_for(&slots, &one);
            let others = all_for(&slots, &other);
            let got = (ones.len(), others.len());
            assert_eq!(got, (one_gets, other_gets), "of {all}");
            assert_eq!(slots.taken(), one_gets + other_gets);
            drop((ones, others));
            assert_eq!(slots.taken(), 0);
            assert_eq!(all_for(&slots, &one).len(), one_gets, "again");
        }
    }

    #[test]
    fn connections_that_wait_do_not_count_against_their_clients_share() {
        let (slots, [greedy, held]) = (Slots::new(20, 100), clients());
        let _most = all_for(&slots, &greedy);
        let places: Vec<Taken> = (0..5).filter_map(|_| slots.place(&held)).collect();
        assert_eq!(places.len(), 5);
        assert_eq!(all_for(&slots, &held).len(), 2);
    }

    #[tokio::test]
    async fn what_is_given_back_goes_on() {
        let (slots, [one, other, third]) = (Slots::new(10, 1), clients());
        let ones = all_for(&slots, &one);
        let others = all_for(&slots, &other);
        assert!(matches!(slots.take(&third), Err(Lack::ForAll(_))));
        let soon = 2 * LOOK_EVERY;
        for held in [&one, &other] {
            let waits = timeout(soon, slots.wait(held)).await;
            assert!(waits.is_err(), "{waits:?}");
        }
        assert!(matches!(slots.take(&other), Err(Lack::ForItsClient)));
        drop(others);
        assert!(matches!(slots.take(&one), Err(Lack::ForItsClient)));
        let again = timeout(soon, slots.wait(&other)).await;
        assert!(matches!(again, Ok(Some(_))), "{again:?}");
        drop(ones);
        let again = timeout(soon, slots.wait(&one)).await;
        assert!(matches!(again, Ok(Some(_))), "{again:?}");
    }

    #[test]
    fn one_client_leaves_room_to_wait_to_others() {
        for (room, share) in [(1, 1), (9, 1), (100, 10), (4096, 409)] {
            let (slots, [one, other]) = (Slots::new(1, room), clients());
            let places = |held| std::iter::from_fn(|| slots.place(held)).collect::<Vec<_>>();
            let ones = places(&one);
            assert_eq!(ones.len(), share, "of {room}");
            assert_eq!(places(&other).len(), share.min(room - share), "of {room}");
        }
    }
}
