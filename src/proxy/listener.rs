//! Listeners: bound once; every worker accepts on them.

use std::fmt;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket as RawSocket, TcpKeepalive, Type};

use super::wire::Socket;
use crate::config::{Listen, shown_path};
use crate::observe::access::Peer;

/// Connections that the kernel holds until they are accepted.
pub(super) const BACKLOG: i32 = 4096;

/// A bound socket, and its file, if any.
pub(super) struct Listener {
    socket: Bound,
    /// Its address: `tcp://127.0.0.1:2375`.
    pub(super) name: String,
    /// A Unix listener's file and its inode, so that another listener's file is never removed.
    file: Option<(PathBuf, u64)>,
}

enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Binds an address; a Unix socket's file gets `mode`.
    ///
    /// # Errors
    /// [`NotBound`].
    pub(super) fn bind(listen: &Listen, mode: u32) -> Result<Self, NotBound> {
        match listen {
            Listen::Tcp { addr, fallback_v4 } => match Self::bind_tcp(*addr) {
                Err(e) if *fallback_v4 && lacks_ipv6(&e) => {
                    let v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), addr.port());
                    log::warn!("IPv6 is not available ({e}): listening on tcp://{v4} instead");
                    Self::bind_tcp(v4)
                }
                bound => bound,
            }
            .map_err(|e| NotBound::Tcp(*addr, e)),
            Listen::Unix(path) => unix(path, mode)
                .map(|(socket, inode)| Self {
                    socket: Bound::Unix(socket),
                    name: format!("unix://{}", shown_path(path)),
                    file: Some((path.clone(), inode)),
                })
                .map_err(|e| NotBound::Unix(path.clone(), e)),
        }
    }

    /// Binds a TCP address.
    pub(super) fn bind_tcp(addr: SocketAddr) -> io::Result<Self> {
        let socket = tcp(addr)?;
        Ok(Self {
            // Port 0 asks the kernel for one.
            name: format!("tcp://{}", socket.local_addr()?),
            socket: Bound::Tcp(socket),
            file: None,
        })
    }

    /// The file of a Unix listener.
    pub(super) fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|(path, _)| path.as_path())
    }

    /// A further descriptor of the socket, registered with the current runtime.
    pub(super) fn copy(&self) -> io::Result<Accepting> {
        Ok(match &self.socket {
            Bound::Tcp(socket) => {
                Accepting::Tcp(tokio::net::TcpListener::from_std(socket.try_clone()?)?)
            }
            Bound::Unix(socket) => {
                Accepting::Unix(tokio::net::UnixListener::from_std(socket.try_clone()?)?)
            }
        })
    }

    /// Removes its file, unless it has been replaced.
    pub(super) fn remove_file(&self) {
        if let Some((path, inode)) = &self.file
            && inode_of(path).is_ok_and(|now| now == *inode)
        {
            let _ = fs::remove_file(path);
        }
    }
}

/// Why a listener could not be bound.
#[derive(Debug)]
pub(super) enum NotBound {
    Tcp(SocketAddr, io::Error),
    Unix(PathBuf, io::Error),
    /// The listener for health checks.
    Health(SocketAddr, io::Error),
}

impl fmt::Display for NotBound {
    /// Names the listener, the problem and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotBound::Tcp(addr, e) => write!(f, "cannot listen on tcp://{addr}: {e}{}", hint(e)),
            NotBound::Unix(path, e) => {
                let hint = unix_hint(e, path);
                write!(f, "cannot listen on unix://{}: {e}{hint}", shown_path(path))
            }
            NotBound::Health(addr, e) => {
                write!(f, "cannot listen on {addr} for SP_ALLOWHEALTHCHECK: {e}")
            }
        }
    }
}

fn hint(e: &io::Error) -> &'static str {
    match e.kind() {
        io::ErrorKind::AddrInUse => {
            "; the port is already in use: choose another port, or stop the program that \
             listens on it"
        }
        io::ErrorKind::AddrNotAvailable => {
            "; this host does not have that address: use one of its own, or 0.0.0.0"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 need root: use a higher port",
        _ => "",
    }
}

/// What to do about a Unix socket's directory.
fn unix_hint(e: &io::Error, path: &Path) -> String {
    let directory = path.parent().unwrap_or(path);
    let shown = shown_path(directory);
    match e.kind() {
        io::ErrorKind::PermissionDenied => {
            let user = rustix::process::geteuid().as_raw();
            let owner = fs::metadata(directory)
                .map(|meta| format!(", which is owned by user {}", meta.uid()));
            format!(
                "; user {user} cannot write to {shown}{}: chown it to {user}, or run dockgate as \
                 another user. In a container of the image, mount the volume at /run/dockgate and \
                 run as user 65534, which owns new volumes there",
                owner.unwrap_or_default()
            )
        }
        io::ErrorKind::NotFound => {
            format!("; directory {shown} does not exist: create it, or mount a volume there")
        }
        io::ErrorKind::ReadOnlyFilesystem => format!("; mount a volume at {shown}"),
        _ => String::new(),
    }
}

fn lacks_ipv6(e: &io::Error) -> bool {
    let errno = rustix::io::Errno::from_io_error(e);
    matches!(
        errno,
        Some(rustix::io::Errno::AFNOSUPPORT | rustix::io::Errno::ADDRNOTAVAIL)
    )
}

/// Keepalive and no-delay are set on the listener and inherited, which saves a call per connection.
fn tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = RawSocket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    let listener = TcpListener::from(socket);
    let socket = SockRef::from(&listener);
    socket.set_tcp_nodelay(true)?;
    // A client that vanished silently is detected after a minute and a half.
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

/// Binds under another name first, so that the socket appears with its final mode, and replaces a
/// stale one atomically.
fn unix(path: &Path, mode: u32) -> io::Result<(UnixListener, u64)> {
    make_room(path)?;
    // As short as possible: socket paths are limited to 107 bytes.
    let temporary = path.with_file_name(format!(".{}", std::process::id()));
    make_room(&temporary)?;
    let _ = fs::remove_file(&temporary);
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(&temporary)?)?;
    let bound = fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))
        .and_then(|()| socket.listen(BACKLOG))
        .and_then(|()| socket.set_nonblocking(true))
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| inode_of(path));
    if bound.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    Ok((socket.into(), bound?))
}

/// Refuses to replace anything except a socket that no process listens on.
fn make_room(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(_) => return Ok(()),
        Ok(meta) if meta.file_type().is_socket() => {}
        Ok(_) => {
            return Err(occupied(
                path,
                "exists and is not a socket: remove it or choose another path",
            ));
        }
    }
    // Only a refused connection shows that no process listens; a lack of permission does not.
    match knock(path) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(e) => Err(occupied(
            path,
            &format!("may be in use ({e}): remove it if it is not"),
        )),
        Ok(()) => Err(occupied(
            path,
            "is in use by another program: stop that program first",
        )),
    }
}

fn occupied(path: &Path, why: &str) -> io::Error {
    io::Error::other(format!("{} {why}", shown_path(path)))
}

/// Connects without waiting: a full backlog would keep dockgate from starting.
fn knock(path: &Path) -> io::Result<()> {
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

fn inode_of(path: &Path) -> io::Result<u64> {
    fs::symlink_metadata(path).map(|meta| meta.ino())
}

/// A worker's copy of a listener.
pub(super) enum Accepting {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Accepting {
    /// Waits for the next connection.
    pub(super) async fn accept(&self) -> io::Result<(Socket, Peer)> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_takes_no_socket_is_told_with_what_to_do() {
        let user = rustix::process::geteuid().as_raw();
        let hint = |kind: io::ErrorKind, path: &str| unix_hint(&kind.into(), Path::new(path));
        let told = hint(io::ErrorKind::PermissionDenied, "/etc/dockgate.sock");
        let start =
            format!("; user {user} cannot write to /etc, which is owned by user 0: chown it to ");
        assert!(told.starts_with(&start), "{told}");
        let told = hint(io::ErrorKind::PermissionDenied, "/no such/x");
        assert!(
            told.contains("cannot write to \"/no such\": chown"),
            "{told}"
        );
        assert_eq!(
            hint(io::ErrorKind::NotFound, "/run/x/y"),
            "; directory /run/x does not exist: create it, or mount a volume there"
        );
        assert_eq!(
            hint(io::ErrorKind::ReadOnlyFilesystem, "/run/x/y"),
            "; mount a volume at /run/x"
        );
        assert_eq!(hint(io::ErrorKind::AddrInUse, "/run/x/y"), "");
    }
}
