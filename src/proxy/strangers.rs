//! Clients that are not admitted, or about which that is not known yet. They have places of their
//! own, so that they do not take up connections of other clients, and get an answer and one log
//! line a minute.

use std::collections::HashMap;
use std::future::ready;
use std::net::Ipv4Addr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::answer::Answer;
use super::handshake::shake;
use super::health::is_own_check;
use super::holders::Key;
use super::names::LOOKUP_TIMEOUT;
use super::respond;
use super::serving::{self, Answering};
use super::wire::{ClientLink, Socket};
use crate::observe::access::{Decision, Explanation, Peer, Reason, Record};
use crate::observe::log::ACCESS;
use crate::tls::Server;

/// At most this many are connected at a time; more are closed immediately.
pub(super) const PLACES: usize = 32;
/// This many more for clients on this host, for its health checks.
pub(super) const OWN_PLACES: usize = 4;
/// How long a client may take for its request, and then for the rest of it.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a client gets a log line.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// For how many clients that is tracked; all others count as one.
const MOST_TOLD: usize = 256;

/// The places of clients until they are admitted or turned away.
#[derive(Debug)]
pub(super) struct Strangers {
    places: Arc<Semaphore>,
    own_places: Arc<Semaphore>,
    told: Told,
}

impl Strangers {
    /// This many places.
    pub(super) fn new(places: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            own_places: Arc::new(Semaphore::new(OWN_PLACES)),
            told: Told::default(),
        }
    }

    /// A place, if there is one.
    pub(super) fn place(&self, socket: &Socket, peer: Peer) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let own_place = || {
            let own_places = is_own_host(socket, peer).then(|| Arc::clone(&self.own_places));
            own_places?.try_acquire_owned().ok()
        };
        place.ok().or_else(own_place)
    }

    /// Answers a client's request with a 403 that says `why`, and closes its connection. Does not
    /// wait for a client without a request.
    pub(super) async fn turn_away(
        &self,
        socket: Socket,
        peer: Peer,
        client: &Key,
        why: &Explanation,
        tls: Option<Arc<Server>>,
    ) {
        let socket = match tls {
            None => socket,
            // Boxed, since few connections come to it.
            Some(tls) => match timeout(PATIENCE, Box::pin(shake(socket, &tls, peer))).await {
                Ok(Ok((socket, _))) => socket,
                // Why it would not have been served in any case is what counts.
                Ok(Err(_)) | Err(_) => return self.tell(peer, client, why),
            },
        };
        let (link, asked) = (ClientLink::new(socket), AtomicBool::new(false));
        let answer = |request: Request<Incoming>, _| -> Answering<'_> {
            asked.store(true, Relaxed);
            let refusal = self.refuse(peer, client, &request, why).map(Answer::own);
            Box::pin(ready(Ok(refusal)))
        };
        let connection = serving::serve(serving::http_1().keep_alive(false), &link, answer);
        let ended = timeout(PATIENCE, connection).await;
        if link.take_refusal().is_some() {
            let answer = respond::raw_error(why);
            let _ = link.socket.try_write(&answer);
        }
        if !asked.load(Relaxed) {
            self.tell(peer, client, why);
        }
        if ended.is_ok() && (link.has_unread() || link.socket.has_bytes()) {
            let _ = timeout(PATIENCE, link.socket.linger()).await;
        }
        let _ = timeout(PATIENCE, link.socket.part()).await;
    }

    /// Logs a client that sent no request, if it gets a line.
    pub(super) fn tell(&self, peer: Peer, client: &Key, why: &Explanation) {
        if self.told.is_news(client) {
            Record::refuse(peer.to_string().into(), None, why.clone(), false);
        }
    }

    fn refuse(
        &self,
        peer: Peer,
        client: &Key,
        request: &Request<Incoming>,
        why: &Explanation,
    ) -> Response<String> {
        let response = respond::error(why, true);
        let own_check = is_own_check(peer, request);
        if own_check || self.told.is_news(client) {
            let (method, target) = (request.method().clone(), request.uri().clone());
            let peer = peer.to_string().into();
            let mut record = Record::new(peer, method, target, Arc::default());
            record.answered(why.status(), response.body().len());
            record.decision = Decision::Refused(why.clone());
            record.health_check = own_check;
        }
        response
    }
}

/// Why a client has no place until it is known which container it is.
pub(super) fn too_many(peer: Peer) -> Explanation {
    let text = format!(
        "the policy for {peer} depends on its container, and too many connections wait for theirs"
    );
    Explanation::new(Reason::PolicyUnknown, text)
}

/// How long a client may wait for a lookup. A client on this host waits no longer than a health
/// check would, for which any answer suffices.
pub(super) fn patience(socket: &Socket, peer: Peer) -> Duration {
    match is_own_host(socket, peer) {
        true => PATIENCE,
        false => LOOKUP_TIMEOUT,
    }
}

/// Whether a client is on the host that it connected to: it comes from the same address, or from
/// the source address for all of 127.0.0.0/8.
fn is_own_host(socket: &Socket, peer: Peer) -> bool {
    let Peer::Tcp(peer) = peer else {
        return false;
    };
    peer.ip() == Ipv4Addr::LOCALHOST || socket.local_ip() == Some(peer.ip())
}

/// The clients that got a line, each with the number of connections since. None: all others.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<HashMap<Option<Key>, u64>>>);

impl Told {
    fn counts(&self) -> MutexGuard<'_, HashMap<Option<Key>, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this client gets a line now. Otherwise it is counted, and the count is logged.
    fn is_news(&self, client: &Key) -> bool {
        let Some(client) = self.count(client) else {
            return false;
        };
        let told = self.clone();
        tokio::spawn(async move {
            let rest = async || {
                sleep(TOLD_EVERY).await;
                told.take(&client)
            };
            while let Some(count) = rest().await {
                let client = (client.as_ref()).map_or("other clients".to_owned(), Key::to_string);
                log::warn!(
                    target: ACCESS,
                    "{count} more connections of {client} were turned away in the last minute"
                );
            }
        });
        true
    }

    /// Counts a client. Returns its key in the counts if it is new there.
    fn count(&self, client: &Key) -> Option<Option<Key>> {
        let mut counts = self.counts();
        let client = Some(client.clone());
        let is_known = counts.contains_key(&client);
        let client = client.filter(|_| is_known || counts.len() < MOST_TOLD);
        if let Some(count) = counts.get_mut(&client) {
            *count += 1;
            return None;
        }
        counts.insert(client.clone(), 0);
        Some(client)
    }

    /// The counts since the last time. A client that did not return is forgotten.
    fn take(&self, client: &Option<Key>) -> Option<u64> {
        let mut counts = self.counts();
        let count = counts.remove(client).filter(|count| *count > 0)?;
        counts.insert(client.clone(), 0);
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(ip: [u8; 4]) -> Key {
        Key::Address(ip.into())
    }

    #[test]
    fn a_client_is_told_once_and_then_counted() {
        let user = Key::User {
            endpoint: "unix:///x".into(),
            user: Some(0),
        };
        for (one, two) in [
            (address([10, 0, 0, 1]), address([10, 0, 0, 2])),
            (user, address([10, 0, 0, 1])),
        ] {
            let told = Told::default();
            let [of_one, of_two] = [&one, &two].map(|client| Some(client.clone()));
            assert_eq!(told.count(&one).as_ref(), Some(&of_one));
            assert_eq!(told.count(&two).as_ref(), Some(&of_two));
            for _ in 0..5 {
                assert_eq!(told.count(&one), None);
            }
            assert_eq!(told.take(&of_one), Some(5));
            assert_eq!(told.count(&one), None, "in the next minute too");
            assert_eq!(told.take(&of_one), Some(1));
            assert_eq!(told.take(&of_one), None);
            assert_eq!(told.take(&of_two), None);
            assert!(told.counts().is_empty());
            assert_eq!(told.count(&one), Some(of_one));
        }
    }

    #[test]
    fn any_number_of_clients_takes_as_much_memory_as_some() {
        let told = Told::default();
        let all = (0..=255).flat_map(|a| (0..=255).map(move |b| address([10, 0, a, b])));
        let lines = all.filter(|client| told.count(client).is_some()).count();
        assert_eq!(lines, MOST_TOLD + 1);
        assert_eq!(told.take(&None), Some(65_536 - lines as u64));
    }
}
