//! What all connections share: the policies with their engines, who is let in, and the room there is. Only the rulebook changes while dockgate runs.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::admission::Admission;
use super::budget::Budget;
use super::directory::Directory;
use super::holders::{Held, Holders, Key};
use super::rulebook::{self, Rulebook};
use super::server::Room;
use super::slots::Slots;
use super::strangers::Strangers;
use super::wire::Socket;
use crate::config::Settings;
use crate::learn::Learner;
use crate::observe::access::{Explanation, Peer};
use crate::tls::Server;

/// See [`Shared::after_reload`].
const AFTER_RELOAD: Duration = Duration::from_secs(1);

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Decides. Loaded once for each decision.
    pub rulebook: ArcSwap<Rulebook>,
    /// What is under way at a reload may end by itself for so long, before it is decided on again.
    pub after_reload: Duration,
    /// Knows which containers clients are.
    pub directory: Arc<Directory>,
    /// Lets clients in; everybody if there is none.
    pub admission: Option<Admission>,
    /// Learns from what is forwarded, if that is wanted.
    pub learner: Option<Arc<Learner>>,
    /// The host names by which web pages may call.
    pub allowed_hosts: Vec<Box<str>>,
    /// How long a request's body may pause because of its client.
    pub upload_timeout: Option<Duration>,
    /// One for each connection that may be open.
    pub slots: Slots,
    /// What each client has.
    pub holders: Holders,
    /// The memory for bodies that are read as a whole.
    pub bodies: Budget,
    /// The memory for answers that are filtered.
    pub answers: Budget,
    /// How many connections one client may have.
    pub client_connections: Option<usize>,
    /// Where clients are turned away that have as many.
    pub excess: Strangers,
    /// How the log calls the endpoints, by their places.
    pub endpoints: Vec<Arc<str>>,
}

impl Shared {
    /// What the settings say, with room for so many connections, and strangers besides.
    pub(super) fn new(settings: &Settings, learner: Option<Arc<Learner>>, room: &Room) -> Self {
        let process = &settings.process;
        Self {
            rulebook: ArcSwap::from_pointee(Rulebook::new(settings)),
            after_reload: AFTER_RELOAD,
            directory: Arc::new(Directory::new(process.self_container.clone())),
            admission: settings
                .clients
                .clone()
                .map(|list| Admission::new(list, room.strangers)),
            learner,
            allowed_hosts: process.allowed_hosts.clone(),
            upload_timeout: process.upload_timeout,
            slots: Slots::new(room.connections, room.waiting),
            holders: Holders::new(process.client_rate),
            bodies: Budget::default(),
            answers: Budget::for_answers(),
            client_connections: process.client_connections,
            excess: Strangers::new(room.strangers),
            endpoints: (settings.endpoints.iter())
                .map(|endpoint| endpoint.listen.to_string().into())
                .collect(),
        }
    }

    /// What an endpoint does with TLS now, if it speaks that.
    pub(super) fn tls(&self, endpoint: usize) -> Option<Arc<Server>> {
        self.rulebook.load().tls(endpoint).cloned()
    }

    /// Which client a connection to this endpoint is of.
    pub(super) fn client(&self, socket: &Socket, peer: Peer, endpoint: usize) -> Key {
        let endpoint = self.endpoints.get(endpoint).cloned();
        Key::of(socket, peer, &endpoint.unwrap_or_default())
    }

    /// Whether a client is listed, or would have been admitted when that was last known. It does not count as a
    /// stranger, and is looked up again.
    pub(super) fn knows(&self, admission: &Admission, peer: Peer) -> bool {
        let had_list = |peer: Peer| match peer {
            Peer::Tcp(client) => {
                let had = self.directory.had(client.ip().to_canonical());
                self.rulebook.load().admits(had).is_ok_and(|admits| admits)
            }
            Peer::Unix(_) => false,
        };
        admission.knows(peer) || had_list(peer)
    }

    /// Whether a client that nobody knows yet may have a list by labels.
    pub(super) fn may_have_list(&self, peer: Peer) -> bool {
        let Peer::Tcp(client) = peer else {
            return false;
        };
        let address = client.ip().to_canonical();
        self.rulebook.load().has_lists() && self.directory.may_hold(address)
    }

    /// Whether a client that is not listed is admitted: by a name, or only by the labels of its container.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) async fn admits(
        &self,
        admission: &Admission,
        socket: &Socket,
        peer: Peer,
        time: Duration,
    ) -> Result<bool, Explanation> {
        let labels = rulebook::admits_in_time(self, socket, peer, time).await;
        match labels {
            Ok(true) => Ok(true),
            _ if admission.admits(peer, time).await => Ok(false),
            Ok(false) => Err(admission.refusal(peer)),
            Err(why) => Err(why),
        }
    }

    /// Whether a client has more connections than it may have.
    pub(super) fn has_enough(&self, held: &Held) -> bool {
        (self.client_connections).is_some_and(|most| held.connections() > most)
    }
}
