//! Listeners, workers, limits and the shutdown.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{SocketFlags, acceptfrom_with, sockopt::socket_peercred};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, SockRef, TcpKeepalive, Type};
use tokio::io::unix::AsyncFd;
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::connection;
use super::service::Shared;
use super::wire::Socket;
use crate::config::{Listen, Settings};
use crate::observe::access::Peer;
use crate::observe::log as log_writer;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 4096;
/// Descriptors that are not a client's: listeners, runtimes, standard streams, some air.
const RESERVE: u64 = 32;
/// How long a failed accept (no descriptors, no memory) waits before the next.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// The same warning is said this often at most.
const WARN_EVERY: Duration = Duration::from_secs(10);
/// At shutdown kept connections may still bring a request that is under way.
const LAST_REQUESTS: Duration = Duration::from_millis(250);

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
    let max_connections = fitting_connections(settings.max_connections);
    let listeners = settings
        .listen
        .iter()
        .map(|listen| Listener::bind(listen, settings.listen_mode))
        .collect::<Result<Vec<_>, _>>()?;
    if let Err(e) = UnixStream::connect(&settings.socket_path) {
        let path = settings.socket_path.display();
        log::warn!("the engine's socket {path} does not answer yet ({e}): requests get a 503");
    }
    let shared = Arc::new(Shared {
        policy: Arc::clone(&settings.policy),
        socket_path: settings.socket_path.clone(),
    });
    let (close, closing) = watch::channel(false);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let workers = (0..workers)
        .map(|n| Worker::start(n, Arc::clone(&shared), closing.clone()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(|e| format!("cannot start a worker: {e}"))?;
    let gate = Acceptor { slots: Arc::new(Semaphore::new(max_connections)), workers };
    runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| {
            runtime.block_on(run(&listeners, &gate, max_connections, close, settings.shutdown_grace))
        })
        .map_err(|e| format!("cannot start: {e}"))
}

async fn run(
    listeners: &[Listener],
    gate: &Acceptor,
    max_connections: usize,
    close: watch::Sender<bool>,
    grace: Duration,
) -> io::Result<()> {
    let mut stop = Stop::new()?;
    let mut hangup = signal(SignalKind::hangup())?;
    let sockets = listeners
        .iter()
        .map(|listener| AsyncFd::new(listener.fd.as_fd()))
        .collect::<io::Result<Vec<_>>>()?;
    for listener in listeners {
        log::info!("listening on {}", listener.name);
    }
    let accepting = async {
        // Each listener has an endless loop; the join of them never ends.
        let mut loops: Vec<_> = sockets.iter().map(|socket| Box::pin(gate.accept(socket))).collect();
        std::future::poll_fn(|cx| {
            for accept in &mut loops {
                let _ = accept.as_mut().poll(cx);
            }
            std::task::Poll::<()>::Pending
        })
        .await;
    };
    tokio::select! {
        () = accepting => {}
        name = stop.signalled() => log::info!("{name}: closing; {} s grace", grace.as_secs()),
        () = async { loop {
            hangup.recv().await;
            log::info!("SIGHUP: nothing to reload, the policy is fixed at start");
        } } => {}
    }
    drop(sockets);
    let drained = async {
        sleep(LAST_REQUESTS.min(grace)).await;
        let _ = close.send(true);
        let all = u32::try_from(max_connections).unwrap_or(u32::MAX);
        let _ = gate.slots.acquire_many(all).await;
    };
    tokio::select! {
        ended = timeout(grace, drained) => match ended {
            Ok(()) => log::info!("all connections have ended"),
            Err(_) => {
                let open = max_connections - gate.slots.available_permits();
                log::warn!("the grace is over: {open} connections are cut");
            }
        },
        name = stop.signalled() => {
            log::warn!("{name} again: ending at once");
            log_writer::flush();
            listeners.iter().for_each(Listener::remove_file);
            std::process::exit(1);
        }
    }
    listeners.iter().for_each(Listener::remove_file);
    Ok(())
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

/// An accepted connection on its way to a worker. Its slot is free again when it has ended.
struct Accepted {
    socket: OwnedFd,
    peer: Peer,
    slot: OwnedSemaphorePermit,
}

/// A thread with a runtime of its own; a connection never leaves it.
struct Worker(mpsc::UnboundedSender<Accepted>);

impl Worker {
    fn start(n: usize, shared: Arc<Shared>, closing: watch::Receiver<bool>) -> io::Result<Self> {
        let (sender, mut accepted) = mpsc::unbounded_channel::<Accepted>();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name(format!("worker-{n}")).spawn(move || {
            runtime.block_on(async move {
                while let Some(Accepted { socket, peer, slot }) = accepted.recv().await {
                    let (shared, closing) = (Arc::clone(&shared), closing.clone());
                    tokio::spawn(async move {
                        match registered(socket, peer) {
                            Ok(socket) => connection::serve(shared, socket, peer, closing).await,
                            Err(e) => log::warn!("{peer}: the connection was lost: {e}"),
                        }
                        drop(slot);
                    });
                }
            });
        })?;
        Ok(Self(sender))
    }
}

fn registered(socket: OwnedFd, peer: Peer) -> io::Result<Socket> {
    Ok(match peer {
        Peer::Tcp(_) => Socket::Tcp(tokio::net::TcpStream::from_std(TcpStream::from(socket))?),
        Peer::Unix(_) => Socket::Unix(tokio::net::UnixStream::from_std(UnixStream::from(socket))?),
    })
}

/// Accepts connections while there are slots, and deals them out to the workers in turn.
struct Acceptor {
    slots: Arc<Semaphore>,
    workers: Vec<Worker>,
}

impl Acceptor {
    async fn accept(&self, listener: &AsyncFd<std::os::fd::BorrowedFd<'_>>) {
        let mut warnings = Warnings::default();
        for worker in self.workers.iter().cycle() {
            let slot = match Arc::clone(&self.slots).try_acquire_owned() {
                Ok(slot) => slot,
                Err(_) => {
                    warnings.warn(|| {
                        "MAX_CONNECTIONS is reached: new connections wait until others end".into()
                    });
                    match Arc::clone(&self.slots).acquire_owned().await {
                        Ok(slot) => slot,
                        Err(_) => return,
                    }
                }
            };
            let (socket, peer) = loop {
                let accepted = listener.async_io(tokio::io::Interest::READABLE, accept_one).await;
                match accepted {
                    Ok(accepted) => break accepted,
                    // The client gave up while it waited.
                    Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(e) => {
                        warnings.warn(|| format!("cannot accept connections: {e}; trying on"));
                        sleep(ACCEPT_RETRY).await;
                    }
                }
            };
            // A worker ends only with the process.
            let _ = worker.0.send(Accepted { socket, peer, slot });
        }
    }
}

fn accept_one(listener: &std::os::fd::BorrowedFd<'_>) -> io::Result<(OwnedFd, Peer)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (socket, address) = acceptfrom_with(listener, flags)?;
    let peer = match address.and_then(|address| SocketAddr::try_from(address).ok()) {
        Some(addr) => Peer::Tcp(SocketAddr::new(addr.ip().to_canonical(), addr.port())),
        None => Peer::Unix(
            socket_peercred(&socket).ok().map(|peer| peer.pid.as_raw_nonzero().get()),
        ),
    };
    Ok((socket, peer))
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
fn fitting_connections(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = setrlimit(Resource::Nofile, raised);
    let Some(files) = getrlimit(Resource::Nofile).current else { return wanted };
    // Two descriptors a client: its own and the engine's.
    let fitting = usize::try_from(files.saturating_sub(RESERVE) / 2).unwrap_or(usize::MAX).max(1);
    if fitting < wanted {
        log::warn!(
            "MAX_CONNECTIONS={wanted} is lowered to {fitting}: the limit of open files is {files}; \
             raise it (ulimits: nofile) for more"
        );
    }
    wanted.min(fitting)
}

struct Listener {
    fd: OwnedFd,
    name: String,
    /// A Unix listener's file, and its inode: another one's file is not removed at the end.
    file: Option<(PathBuf, u64)>,
}

impl Listener {
    fn bind(listen: &Listen, mode: u32) -> Result<Self, String> {
        match listen {
            Listen::Tcp { addr, fallback_v4 } => {
                match tcp(*addr) {
                    Err(e) if *fallback_v4 && lacks_ipv6(&e) => {
                        let v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), addr.port());
                        log::warn!("IPv6 is absent ({e}): listening on tcp://{v4} instead");
                        tcp(v4).map(|fd| (fd, v4))
                    }
                    bound => bound.map(|fd| (fd, *addr)),
                }
                .map(|(fd, addr)| Self { fd, name: format!("tcp://{addr}"), file: None })
                .map_err(|e| format!("cannot listen on tcp://{addr}: {e}{}", hint(&e)))
            }
            Listen::Unix(path) => unix(path, mode)
                .map(|(fd, inode)| Self {
                    fd,
                    name: format!("unix://{}", path.display()),
                    file: Some((path.clone(), inode)),
                })
                .map_err(|e| format!("cannot listen on unix://{}: {e}", path.display())),
        }
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
    matches!(errno, Some(rustix::io::Errno::AFNOSUPPORT | rustix::io::Errno::ADDRNOTAVAIL))
}

/// Keepalive and no-delay are set on the listener, which hands them down: no call a connection.
fn tcp(addr: SocketAddr) -> io::Result<OwnedFd> {
    let socket = socket2::Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
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
    Ok(listener.into())
}

/// Binds under another name first: the socket appears at its place with its mode already set, and
/// takes the place of a stale one at once.
fn unix(path: &Path, mode: u32) -> io::Result<(OwnedFd, u64)> {
    match fs::symlink_metadata(path) {
        Ok(meta) if !meta.file_type().is_socket() => {
            return Err(io::Error::other("a file that is not a socket stands there: remove it"));
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            return Err(io::Error::other("another program listens there: stop it first"));
        }
        _ => {}
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let bound = UnixListener::bind(&temporary).and_then(|listener| {
        fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))?;
        fs::rename(&temporary, path)?;
        listener.set_nonblocking(true)?;
        Ok((OwnedFd::from(listener), inode_of(path)?))
    });
    if bound.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    bound
}

fn inode_of(path: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    fs::symlink_metadata(path).map(|meta| meta.ino())
}
