//! The workers: for each core a thread with a runtime of its own, which accepts and serves.
//!
//! A connection stays with one worker from its first byte to its close, holds a slot as long, and is
//! handed to another one at most once, before it is served.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::observe::access::{Peer, Record};
use crate::proxy::client::Client;
use crate::proxy::connection::{self, Now, Stage};
use crate::proxy::handshake::{self, Shown};
use crate::proxy::holders::{self, Held, Key};
use crate::proxy::listener::{Accepting, Listener};
use crate::proxy::names::{LOOKUP_TIMEOUT, LOOKUPS_AT_ONCE};
use crate::proxy::shared::Shared;
use crate::proxy::slots::{Lack, Taken};
use crate::proxy::strangers;
use crate::proxy::wire::{ClientLink, Detached, Socket};
use crate::tls::Server;

/// How long a failed accept (no descriptors, no memory) waits before the next.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// The same warning is said this often at most.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// Starts a worker for each core. Each accepts on a copy of each listener.
pub(super) fn start_workers(
    shared: &Arc<Shared>,
    listeners: &[Listener],
    now: &watch::Receiver<Now>,
) -> io::Result<()> {
    let (workers, queues): (Vec<_>, Vec<_>) = (0..cores())
        .map(|_| {
            let (handed_over, queue) = mpsc::unbounded_channel();
            (
                Worker {
                    open: AtomicUsize::new(0),
                    handed_over,
                },
                queue,
            )
        })
        .unzip();
    let workers: Arc<[Worker]> = workers.into();
    for (own, queue) in queues.into_iter().enumerate() {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(LOOKUPS_AT_ONCE)
            .build()?;
        let sockets = {
            let _registers_here = runtime.enter();
            listeners
                .iter()
                .map(Listener::copy)
                .collect::<io::Result<Vec<_>>>()?
        };
        let work = Work {
            shared: Arc::clone(shared),
            now: now.clone(),
            workers: Arc::clone(&workers),
            own,
        };
        thread::Builder::new()
            .name(format!("worker-{own}"))
            .spawn(move || runtime.block_on(work.run(sockets, queue)))?;
    }
    Ok(())
}

pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// A thread with a runtime of its own, as the others see it.
struct Worker {
    /// The connections that it has.
    open: AtomicUsize,
    /// Takes connections that another worker accepted.
    handed_over: mpsc::UnboundedSender<Accepted>,
}

/// A connection that no runtime has yet.
struct Accepted {
    socket: Detached,
    peer: Peer,
    seat: Seat,
}

/// Where a connection came in, and what it takes of the room that there is.
struct Seat {
    endpoint: usize,
    /// Whether it was let in only because its container has a list by labels.
    by_labels: bool,
    slot: Taken,
    held: Held,
}

/// What a worker knows.
#[derive(Clone)]
struct Work {
    shared: Arc<Shared>,
    now: watch::Receiver<Now>,
    workers: Arc<[Worker]>,
    own: usize,
}

impl Work {
    /// Works until all is over. What is still open then ends with the runtime: dropping a request
    /// writes its line.
    async fn run(self, sockets: Vec<Accepting>, queue: mpsc::UnboundedReceiver<Accepted>) {
        for (endpoint, socket) in sockets.into_iter().enumerate() {
            tokio::spawn(self.clone().accept(socket, endpoint));
        }
        let mut now = self.now.clone();
        tokio::select! {
            () = self.take_over(queue) => {}
            _ = now.wait_for(|now| now.stage == Stage::Over) => {}
        }
    }

    /// Serves what other workers accepted.
    async fn take_over(&self, mut queue: mpsc::UnboundedReceiver<Accepted>) {
        while let Some(Accepted { socket, peer, seat }) = queue.recv().await {
            match socket.attach() {
                Ok(socket) => self.serve(socket, peer, seat),
                Err(e) => {
                    self.workers[self.own].open.fetch_sub(1, Relaxed);
                    log::warn!("{peer}: the connection was lost: {e}");
                }
            }
        }
    }

    /// Accepts until the listeners are closed.
    async fn accept(mut self, socket: Accepting, endpoint: usize) {
        let mut now = self.now.clone();
        tokio::select! {
            () = self.accept_all(&socket, endpoint) => {}
            _ = now.wait_for(|now| now.stage != Stage::Open) => {}
        }
    }

    async fn accept_all(&mut self, socket: &Accepting, endpoint: usize) {
        let mut warnings = Warnings::default();
        loop {
            let (socket, peer) = match socket.accept().await {
                Ok(accepted) => accepted,
                // The client gave up while it waited.
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(e) => {
                    warnings.warn(|| format!("cannot accept connections: {e}; retrying"));
                    sleep(ACCEPT_RETRY).await;
                    continue;
                }
            };
            let client = self.shared.client(&socket, peer, endpoint);
            if let Some(admission) = &self.shared.admission
                && !self.shared.knows(admission, peer)
            {
                // Who may have a list by labels waits in the room for all clients, of which each has a
                // share: no neighbour keeps it out, and nobody outside the containers' networks.
                let may_have_list = self.shared.may_have_list(peer);
                let held = may_have_list.then(|| self.shared.holders.hold(&client));
                let room = held.and_then(|held| Some((self.shared.slots.place(&held)?, held)));
                let strangers = &admission.strangers;
                if let Some((place, held)) = room {
                    let own = Some(held);
                    tokio::spawn(self.clone().meet(socket, peer, endpoint, own, place));
                } else if let Some(place) = strangers.place(&socket, peer) {
                    tokio::spawn(self.clone().meet(socket, peer, endpoint, None, place));
                } else {
                    let why = match may_have_list {
                        true => strangers::too_many(peer),
                        false => admission.refusal(peer),
                    };
                    strangers.tell(peer, &client, &why);
                }
                continue;
            }
            let held = self.shared.holders.hold(&client);
            if self.shared.has_enough(&held) {
                let (excess, why) = (&self.shared.excess, holders::too_many());
                match excess.place(&socket, peer) {
                    Some(place) => {
                        let tls = self.shared.tls(endpoint);
                        tokio::spawn(self.clone().send_away(socket, peer, client, place, tls));
                    }
                    None => excess.tell(peer, &client, &why),
                }
                continue;
            }
            let slots = &self.shared.slots;
            let slot = match slots.take(&held) {
                Ok(slot) => slot,
                Err(Lack::ForItsClient) => {
                    let (connections, all) = (held.connections(), slots.all());
                    warnings.warn(|| {
                        format!(
                            "{peer}: this client has {connections} connections, and MAX_CONNECTIONS \
                             allows {all} for all clients: its new connections wait; to limit each \
                             client, set CLIENT_CONNECTIONS"
                        )
                    });
                    // Without a place to wait in, its connection ends.
                    if let Some(place) = slots.place(&held) {
                        tokio::spawn(self.clone().wait(
                            socket,
                            peer,
                            (endpoint, false),
                            held,
                            place,
                        ));
                    }
                    continue;
                }
                Err(Lack::ForAll(next)) => {
                    warnings.warn(|| {
                        "MAX_CONNECTIONS is reached: new connections wait until others close".into()
                    });
                    match slots.next(next).await {
                        Some(slot) => slot,
                        None => return,
                    }
                }
            };
            let seat = Seat {
                endpoint,
                by_labels: false,
                slot,
                held,
            };
            self.deal_out(socket, peer, seat);
        }
    }

    /// Has a connection wait for a slot, in a place that it has until then.
    async fn wait<P>(
        self,
        socket: Socket,
        peer: Peer,
        (endpoint, by_labels): (usize, bool),
        held: Held,
        place: P,
    ) {
        let mut now = self.now.clone();
        let slot = tokio::select! {
            slot = self.shared.slots.wait(&held) => slot,
            () = gone(&socket) => None,
            _ = now.wait_for(|now| now.stage != Stage::Open) => None,
        };
        let Some(slot) = slot else { return };
        drop(place);
        let seat = Seat {
            endpoint,
            by_labels,
            slot,
            held,
        };
        self.deal_out(socket, peer, seat);
    }

    /// Turns a connection away whose client has enough of them.
    async fn send_away<P>(
        self,
        socket: Socket,
        peer: Peer,
        client: Key,
        _place: P,
        tls: Option<Arc<Server>>,
    ) {
        let (excess, why) = (&self.shared.excess, holders::too_many());
        excess.turn_away(socket, peer, &client, &why, tls).await;
    }

    /// Lets a stranger in, which then waits for a slot as everybody does, or turns it away.
    async fn meet<P>(
        self,
        socket: Socket,
        peer: Peer,
        endpoint: usize,
        held: Option<Held>,
        place: P,
    ) {
        let Some(admission) = &self.shared.admission else {
            return;
        };
        let patience = strangers::patience(&socket, peer);
        let client = self.shared.client(&socket, peer, endpoint);
        let tls = self.shared.tls(endpoint);
        match self.shared.admits(admission, &socket, peer, patience).await {
            Err(why) => {
                let strangers = &admission.strangers;
                strangers.turn_away(socket, peer, &client, &why, tls).await;
            }
            Ok(by_labels) => {
                let held = held.unwrap_or_else(|| self.shared.holders.hold(&client));
                match self.shared.has_enough(&held) {
                    true => self.send_away(socket, peer, client, place, tls).await,
                    false => {
                        self.wait(socket, peer, (endpoint, by_labels), held, place)
                            .await;
                    }
                }
            }
        }
    }

    /// Keeps a connection, unless another worker has clearly fewer: kept ones arrive in bursts,
    /// which the kernel gives to whoever wakes first. (Without it, 32 kept connections on two
    /// workers reached 0.75 of the throughput.)
    fn deal_out(&self, socket: Socket, peer: Peer, seat: Seat) {
        let open = |worker: &&Worker| worker.open.load(Relaxed);
        let own = &self.workers[self.own];
        match self.workers.iter().min_by_key(open) {
            Some(idlest) if open(&own) > open(&idlest) + open(&idlest) / 8 => {
                idlest.open.fetch_add(1, Relaxed);
                match socket.detach() {
                    Ok(socket) => {
                        // A worker ends only with the process.
                        let _ = idlest.handed_over.send(Accepted { socket, peer, seat });
                    }
                    Err(e) => {
                        idlest.open.fetch_sub(1, Relaxed);
                        log::warn!("{peer}: the connection was lost: {e}");
                    }
                }
            }
            _ => {
                own.open.fetch_add(1, Relaxed);
                self.serve(socket, peer, seat);
            }
        }
    }

    fn serve(&self, socket: Socket, peer: Peer, seat: Seat) {
        let Seat {
            endpoint,
            by_labels,
            slot,
            held,
        } = seat;
        let (shared, now) = (Arc::clone(&self.shared), self.now.clone());
        let (workers, own) = (Arc::clone(&self.workers), self.own);
        tokio::spawn(async move {
            let unsure = shared.admission.as_ref();
            let unsure = unsure.filter(|all| !by_labels && !all.lists(peer));
            let admitted = match unsure {
                // Boxed, since few connections come to it.
                Some(all) => Box::pin(shared.admits(all, &socket, peer, LOOKUP_TIMEOUT))
                    .await
                    .map_err(|why| (all, why)),
                None => Ok(by_labels),
            };
            match admitted {
                Err((admission, why)) => {
                    let client = shared.client(&socket, peer, endpoint);
                    let strangers = &admission.strangers;
                    let tls = shared.tls(endpoint);
                    Box::pin(strangers.turn_away(socket, peer, &client, &why, tls)).await;
                }
                Ok(by_labels) => {
                    let secured = match shared.tls(endpoint) {
                        None => Some((socket, Shown::default())),
                        // Boxed, so that a connection does not hold the room of its handshake.
                        Some(tls) => Box::pin(secure(socket, tls, peer, now.clone())).await,
                    };
                    if let Some((socket, shown)) = secured {
                        let link = ClientLink::new(socket);
                        let client =
                            Client::new(shared, peer, endpoint, link, held, shown, by_labels);
                        connection::serve(client, now).await;
                    }
                }
            }
            // The engine's side closes in a task of its own, which is queued before this goes on: a
            // slot is free when both of its descriptors are.
            tokio::task::yield_now().await;
            workers[own].open.fetch_sub(1, Relaxed);
            drop(slot);
        });
    }
}

/// A client's handshake, unless there is a shutdown meanwhile; says why it failed.
async fn secure(
    socket: Socket,
    tls: Arc<Server>,
    peer: Peer,
    mut now: watch::Receiver<Now>,
) -> Option<(Socket, Shown)> {
    let shaken = tokio::select! {
        shaken = handshake::shake(socket, &tls, peer) => shaken,
        _ = now.wait_for(|now| now.stage >= Stage::Closing) => return None,
    };
    let failed = match shaken {
        Ok(secured) => return Some(secured),
        Err(failed) => failed,
    };
    if let Some(why) = failed.why {
        let status = failed.is_told.then(|| why.status());
        Record::refuse(peer.to_string().into(), status, why, failed.is_own_check);
    }
    None
}

/// Waits until a client that has sent nothing has left. Behind a FIN its request may still be answered.
async fn gone(socket: &Socket) {
    if socket.closed().await && socket.has_bytes() {
        socket.reset().await;
    }
}

/// Says a thing that clients can provoke at most every [`WARN_EVERY`].
#[derive(Default)]
struct Warnings(Option<Instant>);

impl Warnings {
    fn warn(&mut self, message: impl FnOnce() -> String) {
        if self.0.is_none_or(|last| last.elapsed() >= WARN_EVERY) {
            self.0 = Some(Instant::now());
            log::warn!("{}", message());
        }
    }
}
