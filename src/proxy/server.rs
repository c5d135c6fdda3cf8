//! Workers, limits and the shutdown.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::admission::LOOKUP_TIMEOUT;
use super::connection::{self, Stage};
use super::health;
use super::listener::{Accepting, Listener};
use super::service::{Client, Shared};
use super::strangers;
use super::upstream::{self, EngineError};
use super::wire::{ClientLink, Socket};
use crate::config::{LogLevel, Settings, Severity};
use crate::learn::Learner;
use crate::observe::access::Peer;
use crate::observe::log as log_writer;
use crate::policy::Unprotected;

/// Descriptors that are not a client's: standard streams, signals, the listeners, some air.
const RESERVE: u64 = 32;
/// Those of a worker, besides its copies of the listeners: its runtime's, and a client that waits.
const WORKER_RESERVE: u64 = 5;
/// How long a failed accept (no descriptors, no memory) waits before the next.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// The same warning is said this often at most.
const WARN_EVERY: Duration = Duration::from_secs(10);
/// At shutdown kept connections may still bring a request that is under way.
const LAST_REQUESTS: Duration = Duration::from_millis(250);

/// How long the requests that are cut then may take to write their lines.
const LAST_LINES: Duration = Duration::from_millis(250);

/// How often it says that it protects nothing, if so.
const ALARM_EVERY: Duration = Duration::from_secs(600);

/// What ended the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// SIGTERM or SIGINT.
    Signal,
    /// The watchdog: the engine's socket was gone.
    Watchdog,
}

/// Runs the proxy until SIGTERM, SIGINT or the watchdog has ended it.
///
/// # Errors
/// What keeps it from starting, in a sentence: a listener that cannot be bound, mostly.
pub fn serve(settings: Settings) -> Result<End, String> {
    serve_and_tell(settings, |_| ())
}

/// The same, and tells once the names of its listeners when it listens: `tcp://127.0.0.1:2375`.
///
/// # Errors
/// As [`serve`].
pub fn serve_and_tell(settings: Settings, listening: impl FnOnce(&[&str])) -> Result<End, String> {
    // That nothing is being protected is said at every level.
    let quietest = settings
        .unprotected
        .map_or(LogLevel::Emerg, |_| LogLevel::Err);
    log_writer::init(settings.log_level.min(quietest), settings.log_json);
    for warning in &settings.warnings {
        match warning.severity {
            Severity::Note => log::info!("{warning}"),
            Severity::Warning | Severity::Error => log::warn!("{warning}"),
        }
    }
    for line in settings.summary() {
        log::info!("{line}");
    }
    for note in settings.notes() {
        log::info!("{note}");
    }
    if let Some(warning) = settings.root_on_host() {
        log::warn!("{warning}");
    }
    if let Some(why) = settings.unprotected {
        log::error!("{why}");
    }
    let result = start(&settings, listening);
    log_writer::flush();
    result
}

fn start(settings: &Settings, listening: impl FnOnce(&[&str])) -> Result<End, String> {
    let failed = |e| format!("cannot start: {e}");
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let learns = settings.unprotected == Some(Unprotected::Learn);
    let learner = learns.then(|| Arc::new(Learner::new()));
    // Before there is anything that a signal would leave behind.
    let mut signals = {
        let _registers_here = runtime.enter();
        Signals::new(learner.clone()).map_err(failed)?
    };
    let engine = settings.socket_path.as_path();
    if settings.engine_at_start {
        let found = runtime.block_on(async {
            tokio::select! {
                found = upstream::dial(engine) => Some(found),
                _ = signals.stop() => None,
            }
        });
        match found {
            Some(Ok(_)) => {}
            Some(Err(e)) => return Err(e.to_string()),
            None => return Ok(End::Signal),
        }
    } else {
        runtime.spawn(look_at_engine(engine.to_owned()));
    }
    if settings.health_listener {
        runtime.spawn(health::serve(health::bind()?, engine.to_owned()));
    }
    let room = Room::of(settings);
    let listeners = settings
        .listen
        .iter()
        .map(|listen| Listener::bind(listen, settings.listen_mode))
        .collect::<Result<Vec<_>, _>>()?;
    let shared = Arc::new(Shared::new(
        settings,
        learner,
        room.connections,
        room.strangers,
    ));
    let (stage, stages) = watch::channel(Stage::Open);
    start_workers(&shared, &listeners, &stages).map_err(failed)?;
    if let Some(why) = settings.unprotected {
        runtime.spawn(repeat(ALARM_EVERY, move || log::error!("{why}")));
    }
    let slots = Slots {
        all: room.connections,
        free: &shared.slots,
    };
    let names: Vec<&str> = listeners.iter().map(|one| one.name.as_str()).collect();
    listening(&names);
    Ok(runtime.block_on(run(
        signals,
        health::watch(settings.watchdog, engine),
        listeners,
        slots,
        stage,
        settings.shutdown_grace,
    )))
}

/// Waits for the end and sees to it.
async fn run(
    mut signals: Signals,
    watchdog: impl Future<Output = ()>,
    listeners: Vec<Listener>,
    slots: Slots<'_>,
    stage: watch::Sender<Stage>,
    grace: Duration,
) -> End {
    for listener in &listeners {
        log::info!("listening on {}", listener.name);
    }
    let (name, end) = tokio::select! {
        name = signals.stop() => (name, End::Signal),
        () = watchdog => ("watchdog", End::Watchdog),
    };
    log::info!(
        "{name}: no new connections; {} s grace for those that are open",
        grace.as_secs()
    );
    listeners.iter().for_each(Listener::remove_file);
    let drained = async {
        let _ = stage.send(Stage::Draining);
        drop(listeners);
        sleep(LAST_REQUESTS.min(grace)).await;
        let _ = stage.send(Stage::Closing);
        slots.all_free().await;
    };
    tokio::select! {
        ended = timeout(grace, drained) => match ended {
            Ok(()) => log::info!("all connections have ended"),
            Err(_) => {
                log::warn!("the grace is over: {} connections are cut", slots.taken());
                let _ = stage.send(Stage::Over);
                let _ = timeout(LAST_LINES, slots.all_free()).await;
            }
        },
        name = signals.stop() => {
            log::warn!("{name} again: ending at once");
            // What the engine got has its line, even so.
            let _ = stage.send(Stage::Over);
            let _ = timeout(LAST_LINES, slots.all_free()).await;
            signals.print_learned();
            log_writer::flush();
            std::process::exit(1);
        }
    }
    signals.print_learned();
    end
}

/// Does a thing again and again, first after such a time.
async fn repeat(every: Duration, act: impl Fn()) {
    loop {
        sleep(every).await;
        act();
    }
}

/// Says at start what the first request would find out.
async fn look_at_engine(path: PathBuf) {
    if let Err(e @ EngineError::Connect(..)) = upstream::dial(&path).await {
        log::warn!("{e}; until then requests get a 503");
    }
}

/// The slots that connections hold while they are open.
struct Slots<'a> {
    all: usize,
    free: &'a Semaphore,
}

impl Slots<'_> {
    fn taken(&self) -> usize {
        self.all - self.free.available_permits()
    }

    async fn all_free(&self) {
        let all = u32::try_from(self.all).unwrap_or(u32::MAX);
        let _ = self.free.acquire_many(all).await;
    }
}

/// The signals that mean something.
struct Signals {
    term: Signal,
    int: Signal,
    hangup: Signal,
    usr1: Signal,
    /// What SIGUSR1 asks.
    learner: Option<Arc<Learner>>,
}

impl Signals {
    fn new(learner: Option<Arc<Learner>>) -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            usr1: signal(SignalKind::user_defined1())?,
            learner,
        })
    }

    /// The name of the signal that ends the process.
    async fn stop(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.term.recv() => return "SIGTERM",
                _ = self.int.recv() => return "SIGINT",
                _ = self.hangup.recv() => {
                    log::info!("SIGHUP: nothing to reload, the policy is fixed at start");
                }
                _ = self.usr1.recv() => match self.learner {
                    Some(_) => self.print_learned(),
                    None => log::info!("SIGUSR1: nothing to print, LEARN is not 1"),
                }
            }
        }
    }

    fn print_learned(&self) {
        if let Some(learner) = &self.learner {
            log_writer::print(&learner.report(""));
        }
    }
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
    socket: Unregistered,
    peer: Peer,
    slot: OwnedSemaphorePermit,
}

/// Starts a worker for each core. Each accepts on a copy of each listener.
fn start_workers(
    shared: &Arc<Shared>,
    listeners: &[Listener],
    stages: &watch::Receiver<Stage>,
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
            stages: stages.clone(),
            workers: Arc::clone(&workers),
            own,
        };
        thread::Builder::new()
            .name(format!("worker-{own}"))
            .spawn(move || runtime.block_on(work.run(sockets, queue)))?;
    }
    Ok(())
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// What a worker knows.
#[derive(Clone)]
struct Work {
    shared: Arc<Shared>,
    stages: watch::Receiver<Stage>,
    workers: Arc<[Worker]>,
    own: usize,
}

impl Work {
    /// Works until all is over. What is still open then ends with the runtime: dropping a request
    /// writes its line.
    async fn run(self, sockets: Vec<Accepting>, queue: mpsc::UnboundedReceiver<Accepted>) {
        for socket in sockets {
            tokio::spawn(self.clone().accept(socket));
        }
        let mut stages = self.stages.clone();
        tokio::select! {
            () = self.take_over(queue) => {}
            _ = stages.wait_for(|stage| *stage == Stage::Over) => {}
        }
    }

    /// Serves what other workers accepted.
    async fn take_over(&self, mut queue: mpsc::UnboundedReceiver<Accepted>) {
        while let Some(Accepted { socket, peer, slot }) = queue.recv().await {
            match socket.register() {
                Ok(socket) => self.serve(socket, peer, slot),
                Err(e) => {
                    self.workers[self.own].open.fetch_sub(1, Relaxed);
                    log::warn!("{peer}: the connection was lost: {e}");
                }
            }
        }
    }

    /// Accepts until the listeners are closed.
    async fn accept(mut self, socket: Accepting) {
        let mut stages = self.stages.clone();
        tokio::select! {
            () = self.accept_all(&socket) => {}
            _ = stages.wait_for(|stage| *stage != Stage::Open) => {}
        }
    }

    async fn accept_all(&mut self, socket: &Accepting) {
        let mut warnings = Warnings::default();
        loop {
            let (socket, peer) = match socket.accept().await {
                Ok(accepted) => accepted,
                // The client gave up while it waited.
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(e) => {
                    warnings.warn(|| format!("cannot accept connections: {e}; trying on"));
                    sleep(ACCEPT_RETRY).await;
                    continue;
                }
            };
            if let Some(admission) = &self.shared.admission
                && !admission.knows(peer)
            {
                match admission.strangers.place(&socket, peer) {
                    Some(place) => drop(tokio::spawn(self.clone().meet(socket, peer, place))),
                    None => admission.strangers.tell(peer, &admission.refusal(peer)),
                }
                continue;
            }
            let slots = Arc::clone(&self.shared.slots);
            let slot = match slots.clone().try_acquire_owned() {
                Ok(slot) => slot,
                Err(_) => {
                    warnings.warn(|| {
                        "MAX_CONNECTIONS is reached: new connections wait until others end".into()
                    });
                    match slots.acquire_owned().await {
                        Ok(slot) => slot,
                        Err(_) => return,
                    }
                }
            };
            self.deal_out(socket, peer, slot);
        }
    }

    /// Lets a stranger in, which then waits for a slot as everybody does, or turns it away.
    async fn meet(self, socket: Socket, peer: Peer, place: OwnedSemaphorePermit) {
        let Some(admission) = &self.shared.admission else {
            return;
        };
        let patience = strangers::patience(&socket, peer);
        if !admission.admits(peer, patience).await {
            let why = admission.refusal(peer);
            admission.strangers.turn_away(socket, peer, &why).await;
        } else if let Ok(slot) = Arc::clone(&self.shared.slots).acquire_owned().await {
            drop(place);
            self.deal_out(socket, peer, slot);
        }
    }

    /// Keeps a connection, unless another worker has clearly fewer: kept ones arrive in bursts,
    /// which the kernel gives to whoever wakes first. (Without it, 32 kept connections on two
    /// workers reached 0.75 of the throughput.)
    fn deal_out(&self, socket: Socket, peer: Peer, slot: OwnedSemaphorePermit) {
        let open = |worker: &&Worker| worker.open.load(Relaxed);
        let own = &self.workers[self.own];
        match self.workers.iter().min_by_key(open) {
            Some(idlest) if open(&own) > open(&idlest) + open(&idlest) / 8 => {
                idlest.open.fetch_add(1, Relaxed);
                match Unregistered::from(socket) {
                    Ok(socket) => {
                        // A worker ends only with the process.
                        let _ = idlest.handed_over.send(Accepted { socket, peer, slot });
                    }
                    Err(e) => {
                        idlest.open.fetch_sub(1, Relaxed);
                        log::warn!("{peer}: the connection was lost: {e}");
                    }
                }
            }
            _ => {
                own.open.fetch_add(1, Relaxed);
                self.serve(socket, peer, slot);
            }
        }
    }

    fn serve(&self, socket: Socket, peer: Peer, slot: OwnedSemaphorePermit) {
        let (shared, stages) = (Arc::clone(&self.shared), self.stages.clone());
        let (workers, own) = (Arc::clone(&self.workers), self.own);
        tokio::spawn(async move {
            let unsure = shared.admission.as_ref().filter(|all| !all.lists(peer));
            match unsure {
                // Boxed, since few connections come to it.
                Some(admission) if !Box::pin(admission.admits(peer, LOOKUP_TIMEOUT)).await => {
                    let why = admission.refusal(peer);
                    Box::pin(admission.strangers.turn_away(socket, peer, &why)).await;
                }
                _ => {
                    let client = Client::new(shared, peer, ClientLink::new(socket));
                    connection::serve(client, stages).await;
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

/// A socket on its way from one runtime to another.
enum Unregistered {
    Tcp(std::net::TcpStream),
    Unix(UnixStream),
}

impl Unregistered {
    fn from(socket: Socket) -> io::Result<Self> {
        Ok(match socket {
            Socket::Tcp(socket) => Unregistered::Tcp(socket.into_std()?),
            Socket::Unix(socket) => Unregistered::Unix(socket.into_std()?),
        })
    }

    fn register(self) -> io::Result<Socket> {
        Ok(match self {
            Unregistered::Tcp(socket) => Socket::Tcp(tokio::net::TcpStream::from_std(socket)?),
            Unregistered::Unix(socket) => Socket::Unix(tokio::net::UnixStream::from_std(socket)?),
        })
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

/// How many connections there may be.
struct Room {
    /// Of clients.
    connections: usize,
    /// Of those that are not let in.
    strangers: usize,
}

impl Room {
    /// Raises the soft file limit to the hard one; as many of the wanted connections as fit under it.
    fn of(settings: &Settings) -> Room {
        let wanted = Room {
            connections: settings.max_connections,
            strangers: strangers::PLACES,
        };
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        let _ = setrlimit(Resource::Nofile, raised);
        let Some(files) = getrlimit(Resource::Nofile).current else {
            return wanted;
        };
        let count = |n| usize::try_from(n).unwrap_or(usize::MAX);
        let strangers = wanted.strangers.min(count(files / 16)).max(1);
        let a_worker = WORKER_RESERVE + settings.listen.len() as u64;
        let mut reserve = RESERVE + cores() as u64 * a_worker;
        if settings.allow_from.is_some() {
            reserve += (strangers + strangers::OWN_PLACES) as u64;
        }
        if settings.health_listener {
            reserve += health::DESCRIPTORS;
        }
        // Two descriptors a client: its own and the engine's.
        let fitting = count(files.saturating_sub(reserve) / 2).max(1);
        if fitting < wanted.connections {
            let why = format!("the limit of open files is {files}, and each connection takes two");
            if settings.max_connections_set {
                log::warn!(
                    "at most {fitting} connections instead of MAX_CONNECTIONS={}: {why}; raise the \
                     limit (ulimits: nofile) for more",
                    wanted.connections
                );
            } else {
                log::info!("at most {fitting} connections: {why}");
            }
        }
        Room {
            connections: wanted.connections.min(fitting),
            strangers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thing_is_done_again_and_again() {
        let (done, mut times) = mpsc::unbounded_channel();
        tokio::spawn(repeat(Duration::from_millis(1), move || {
            let _ = done.send(());
        }));
        for _ in 0..3 {
            let time = timeout(Duration::from_secs(10), times.recv()).await;
            assert_eq!(time, Ok(Some(())));
        }
    }
}
