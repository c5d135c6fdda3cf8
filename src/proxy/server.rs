//! Listeners, workers, limits and the shutdown.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, SockAddr, SockRef, TcpKeepalive, Type};
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::connection::{self, Stage};
use super::service::Shared;
use super::upstream::{CONNECT_TIMEOUT, EngineError};
use super::wire::Socket;
use crate::config::{Listen, Settings};
use crate::observe::access::Peer;
use crate::observe::log as log_writer;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 4096;
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

/// Runs the proxy until SIGTERM or SIGINT has ended it.
///
/// # Errors
/// What keeps it from starting, in a sentence: a listener that cannot be bound, mostly.
pub fn serve(settings: Settings) -> Result<(), String> {
    log_writer::init(settings.log_level);
    for warning in &settings.warnings {
        log::warn!("{warning}");
    }
    for line in settings.summary() {
        log::info!("{line}");
    }
    if let Some(warning) = settings.root_on_host() {
        log::warn!("{warning}");
    }
    let result = start(&settings);
    log_writer::flush();
    result
}

fn start(settings: &Settings) -> Result<(), String> {
    let max_connections = fitting_connections(settings);
    let listeners = settings
        .listen
        .iter()
        .map(|listen| Listener::bind(listen, settings.listen_mode))
        .collect::<Result<Vec<_>, _>>()?;
    let shared = Arc::new(Shared {
        policy: Arc::clone(&settings.policy),
        socket_path: settings.socket_path.clone(),
        slots: Arc::new(Semaphore::new(max_connections)),
    });
    let (stage, stages) = watch::channel(Stage::Open);
    start_workers(&shared, &listeners, &stages)
        .and_then(|()| runtime::Builder::new_current_thread().enable_all().build())
        .and_then(|runtime| {
            let slots = Slots {
                all: max_connections,
                free: &shared.slots,
            };
            runtime.spawn(look_at_engine(settings.socket_path.clone()));
            runtime.block_on(run(listeners, slots, stage, settings.shutdown_grace))
        })
        .map_err(|e| format!("cannot start: {e}"))
}

/// Waits for the end and sees to it.
async fn run(
    listeners: Vec<Listener>,
    slots: Slots<'_>,
    stage: watch::Sender<Stage>,
    grace: Duration,
) -> io::Result<()> {
    let mut stop = Stop::new()?;
    let mut hangup = signal(SignalKind::hangup())?;
    for listener in &listeners {
        log::info!("listening on {}", listener.name);
    }
    let name = loop {
        tokio::select! {
            name = stop.signalled() => break name,
            _ = hangup.recv() => {
                log::info!("SIGHUP: nothing to reload, the policy is fixed at start");
            }
        }
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
        name = stop.signalled() => {
            log::warn!("{name} again: ending at once");
            log_writer::flush();
            std::process::exit(1);
        }
    }
    Ok(())
}

/// Says at start what the first request would find out.
async fn look_at_engine(path: PathBuf) {
    let connect = tokio::net::UnixStream::connect(&path);
    let Ok(Err(e)) = timeout(CONNECT_TIMEOUT, connect).await else {
        return;
    };
    let e = EngineError::Connect(path, e);
    log::warn!("{e}; until then requests get a 503");
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

/// The signals that end the process.
struct Stop {
    term: Signal,
    int: Signal,
}

impl Stop {
    fn new() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
        })
    }

    async fn signalled(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
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
    async fn run(self, sockets: Vec<Accepting>, mut queue: mpsc::UnboundedReceiver<Accepted>) {
        for socket in sockets {
            tokio::spawn(self.clone().accept(socket));
        }
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

    /// Keeps a connection, unless another worker has clearly fewer: kept ones arrive in bursts,
    /// which the kernel gives to whoever wakes first. (Without it, 32 kept connections on two
    /// workers reached 0.75 of the throughput.)
    fn deal_out(&self, socket: Socket, peer: Peer, slot: OwnedSemaphorePermit) {
        let open = |worker: &&Worker| worker.open.load(Relaxed);
        let own = &self.workers[self.own];
        match self.workers.iter().min_by_key(open) {
            Some(idlest) if open(&idlest) < open(&own) => {
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
        let (workers, own, mut over) = (Arc::clone(&self.workers), self.own, self.stages.clone());
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = connection::serve(shared, socket, peer, stages) => {}
                // Dropping it writes its request's line.
                _ = over.wait_for(|stage| *stage == Stage::Over) => {}
            }
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

/// A listener as a worker has it.
enum Accepting {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Accepting {
    async fn accept(&self) -> io::Result<(Socket, Peer)> {
        match self {
            Accepting::Tcp(listener) => {
                let (socket, addr) = listener.accept().await?;
                let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
                Ok((Socket::Tcp(socket), Peer::Tcp(addr)))
            }
            Accepting::Unix(listener) => {
                let (socket, _) = listener.accept().await?;
                let pid = socket.peer_cred().ok().and_then(|peer| peer.pid());
                Ok((Socket::Unix(socket), Peer::Unix(pid)))
            }
        }
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

/// Raises the soft file limit to the hard one; gives back how many connections of the wanted ones
/// fit under it.
fn fitting_connections(settings: &Settings) -> usize {
    let wanted = settings.max_connections;
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _ = setrlimit(Resource::Nofile, raised);
    let Some(files) = getrlimit(Resource::Nofile).current else {
        return wanted;
    };
    let a_worker = WORKER_RESERVE + settings.listen.len() as u64;
    let reserve = RESERVE + cores() as u64 * a_worker;
    // Two descriptors a client: its own and the engine's.
    let fitting = usize::try_from(files.saturating_sub(reserve) / 2)
        .unwrap_or(usize::MAX)
        .max(1);
    if fitting < wanted {
        log::warn!(
            "at most {fitting} connections instead of MAX_CONNECTIONS={wanted}: files are limited to \
             {files}, and each takes two; raise the limit (ulimits: nofile) for more"
        );
    }
    wanted.min(fitting)
}

struct Listener {
    socket: Bound,
    name: String,
    /// A Unix listener's file, and its inode: another one's file is not removed at the end.
    file: Option<(PathBuf, u64)>,
}

enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    fn bind(listen: &Listen, mode: u32) -> Result<Self, String> {
        match listen {
            Listen::Tcp { addr, fallback_v4 } => match tcp(*addr) {
                Err(e) if *fallback_v4 && lacks_ipv6(&e) => {
                    let v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), addr.port());
                    log::warn!("IPv6 is absent ({e}): listening on tcp://{v4} instead");
                    tcp(v4).map(|socket| (socket, v4))
                }
                bound => bound.map(|socket| (socket, *addr)),
            }
            .map(|(socket, addr)| Self {
                socket: Bound::Tcp(socket),
                name: format!("tcp://{addr}"),
                file: None,
            })
            .map_err(|e| format!("cannot listen on tcp://{addr}: {e}{}", hint(&e))),
            Listen::Unix(path) => unix(path, mode)
                .map(|(socket, inode)| Self {
                    socket: Bound::Unix(socket),
                    name: format!("unix://{}", path.display()),
                    file: Some((path.clone(), inode)),
                })
                .map_err(|e| format!("cannot listen on unix://{}: {e}", path.display())),
        }
    }

    /// One more descriptor of the socket, registered with the runtime that is entered.
    fn copy(&self) -> io::Result<Accepting> {
        Ok(match &self.socket {
            Bound::Tcp(socket) => {
                Accepting::Tcp(tokio::net::TcpListener::from_std(socket.try_clone()?)?)
            }
            Bound::Unix(socket) => {
                Accepting::Unix(tokio::net::UnixListener::from_std(socket.try_clone()?)?)
            }
        })
    }

    fn remove_file(&self) {
        if let Some((path, inode)) = &self.file
            && inode_of(path).is_ok_and(|now| now == *inode)
        {
            let _ = fs::remove_file(path);
        }
    }
}

fn hint(e: &io::Error) -> &'static str {
    match e.kind() {
        io::ErrorKind::AddrInUse => "; another program has the port: set LISTEN to a free one",
        io::ErrorKind::AddrNotAvailable => "; this host does not have the address",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need root",
        _ => "",
    }
}

fn lacks_ipv6(e: &io::Error) -> bool {
    let errno = rustix::io::Errno::from_io_error(e);
    matches!(
        errno,
        Some(rustix::io::Errno::AFNOSUPPORT | rustix::io::Errno::ADDRNOTAVAIL)
    )
}

/// Keepalive and no-delay are set on the listener, which hands them down: no call a connection.
fn tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket =
        socket2::Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    let listener = TcpListener::from(socket);
    let socket = SockRef::from(&listener);
    socket.set_tcp_nodelay(true)?;
    // A client that vanished without a word is found after a minute and a half.
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(listener)
}

/// Binds under another name first: the socket appears at its place with its mode already set, and
/// takes the place of a stale one at once.
fn unix(path: &Path, mode: u32) -> io::Result<(UnixListener, u64)> {
    match fs::symlink_metadata(path) {
        Ok(meta) if !meta.file_type().is_socket() => {
            return Err(io::Error::other(
                "a file that is not a socket stands there: remove it",
            ));
        }
        // Only a refusal says that nobody listens; not to be allowed to ask says nothing.
        Ok(_) => match knock(path) {
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(e) => {
                return Err(io::Error::other(format!(
                    "a socket stands there that may be in use ({e}): remove it if it is not"
                )));
            }
            Ok(()) => {
                return Err(io::Error::other(
                    "another program listens there: stop it first",
                ));
            }
        },
        Err(_) => {}
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let bound = UnixListener::bind(&temporary).and_then(|listener| {
        fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))?;
        fs::rename(&temporary, path)?;
        listener.set_nonblocking(true)?;
        Ok((listener, inode_of(path)?))
    });
    if bound.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    bound
}

/// Connects without waiting: a full backlog would keep dockgate from starting.
fn knock(path: &Path) -> io::Result<()> {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

fn inode_of(path: &Path) -> io::Result<u64> {
    fs::symlink_metadata(path).map(|meta| meta.ino())
}
