//! Which containers clients are: what is known of the engine's containers and their addresses.
//!
//! What is known is read without a lock. Whoever needs to know more says so and waits as long as it
//! likes to; one task asks the engine, for all of them at once.

mod follow;
mod question;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use super::own_container::Own;
use crate::clients::containers::{Arrival, Known, MadeFrom, Seen, Why};

pub(super) use follow::follow;
pub(crate) use question::ask_now;

/// What is known of the engine's containers.
#[derive(Debug)]
pub(super) struct Directory {
    view: ArcSwap<View>,
    /// What is known has changed.
    news: watch::Sender<()>,
    /// Since when something is needed that is not known.
    needed: Mutex<Option<Instant>>,
    needs: Notify,
    images: MadeFrom,
    /// dockgate's own container.
    own: Own,
}

/// What is known now.
#[derive(Debug)]
enum View {
    /// Nothing, and why.
    Lost(Arc<str>),
    Known(Known),
}

impl Directory {
    /// Knows nothing yet. `own` is the name or the ID of dockgate's own container, if it is given.
    pub(super) fn new(own: Option<String>) -> Self {
        let nothing = View::Lost("its containers have not been listed yet".into());
        Self {
            view: ArcSwap::from_pointee(nothing),
            news: watch::Sender::default(),
            needed: Mutex::default(),
            needs: Notify::new(),
            images: MadeFrom::default(),
            own: Own::called(own),
        }
    }

    /// Who has an address, for a connection.
    fn whose(&self, address: IpAddr, arrival: &Arrival) -> Seen {
        match &**self.view.load() {
            View::Lost(why) => Seen::Unknown(Why::Lost(Arc::clone(why))),
            View::Known(known) => known.whose(address, arrival),
        }
    }

    /// Who had an address when that was listed last. It decides nothing.
    pub(super) fn had(&self, address: IpAddr) -> Seen {
        match &**self.view.load() {
            View::Lost(_) => Seen::Nobody,
            View::Known(known) => known.had(address),
        }
    }

    /// Whether a container may have an address, as far as that is known. It decides nothing.
    pub(super) fn may_hold(&self, address: IpAddr) -> bool {
        match &**self.view.load() {
            View::Lost(_) => true,
            View::Known(known) => known.may_hold(address),
        }
    }

    /// Who has it for a connection, too. If that is not known, it is being asked for.
    pub(super) fn asked(&self, address: IpAddr, arrival: &Arrival) -> Seen {
        let seen = self.whose(address, arrival);
        if let Seen::Unknown(why) = &seen {
            self.need(why);
        }
        seen
    }

    /// Has the engine asked, if that helps. Returns at once.
    pub(super) fn need(&self, why: &Why) {
        let since = match why {
            Why::Unasked(since) => *since,
            // That is being tried anyway, once it was begun.
            Why::Lost(_) => Instant::now(),
            Why::Image(containers) => {
                self.images.want(containers);
                return self.needs.notify_one();
            }
            Why::Unheld | Why::TooLong | Why::Moved | Why::LinkLocal | Why::Differ(..) => return,
        };
        {
            let mut needed = self.needed.lock().unwrap_or_else(PoisonError::into_inner);
            *needed = (*needed).max(Some(since));
        }
        self.needs.notify_one();
    }

    /// Has the engine followed before anybody needs to know more.
    pub(super) fn begin(&self) {
        self.needs.notify_one();
    }

    /// Hears whenever what is known changes from now on.
    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Whether an answer is needed to a question that begins after this.
    fn needs_more_than(&self, began: Instant) -> bool {
        let needed = self.needed.lock().unwrap_or_else(PoisonError::into_inner);
        needed.is_some_and(|since| since >= began) || self.images.is_wanted()
    }

    /// Waits until something is needed.
    async fn needed(&self) {
        self.needs.notified().await;
    }

    fn know(&self, view: View) {
        self.view.store(Arc::new(view));
        self.news.send_replace(());
    }
}
