//! Why an engine gave no answer, in words that say which engine, and what to do.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

use http::StatusCode;

use super::dial::CONNECT_TIMEOUT;
use super::{Engine, tls};
use crate::config::{self, Address, Host};
use crate::observe::access::EngineFault;

/// A ping may take this long, once the engine is connected to.
pub(in crate::proxy) const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the engine gave no answer.
#[derive(Debug)]
pub(in crate::proxy) enum EngineError {
    /// It could not be connected to.
    Connect(io::Error),
    /// Its host's name stands for no address now.
    NoHost(io::Error),
    /// Its address leads back to dockgate.
    Itself(SocketAddr),
    /// TLS failed.
    Tls(rustls::Error),
    /// The connection broke during the handshake.
    Handshake(io::Error),
    /// It did not take the connection in time.
    Hung,
    /// It took the connection, and did not do its part of the TLS handshake in time.
    HungInHandshake,
    /// It did not answer dockgate's own questions in time.
    Silent,
    /// Its host had another address in the middle of a request.
    Moved,
    /// It took a connection, and did not answer `/_ping` in time.
    NoPing,
    /// It answered `/_ping` with this status.
    BadPing(StatusCode),
    /// It closed or broke the connection before its answer's head was whole.
    Gone,
    /// Its answer was not HTTP.
    Garbage(hyper::Error),
}

impl EngineError {
    /// What is wrong with the engine.
    pub(in crate::proxy) fn fault(&self) -> EngineFault {
        match self {
            EngineError::Connect(_)
            | EngineError::NoHost(_)
            | EngineError::Itself(_)
            | EngineError::Tls(_)
            | EngineError::Handshake(_)
            | EngineError::Moved => EngineFault::Unreachable,
            EngineError::Hung
            | EngineError::HungInHandshake
            | EngineError::Silent
            | EngineError::NoPing => EngineFault::Hung,
            EngineError::Gone => EngineFault::Gone,
            EngineError::Garbage(_) | EngineError::BadPing(_) => EngineFault::Invalid,
        }
    }

    /// Whether it could not even be connected to.
    pub(in crate::proxy) fn is_unconnected(&self) -> bool {
        match self {
            EngineError::Connect(_)
            | EngineError::NoHost(_)
            | EngineError::Itself(_)
            | EngineError::Tls(_)
            | EngineError::Handshake(_)
            | EngineError::Hung
            | EngineError::HungInHandshake => true,
            EngineError::Moved
            | EngineError::Silent
            | EngineError::NoPing
            | EngineError::BadPing(_)
            | EngineError::Gone
            | EngineError::Garbage(_) => false,
        }
    }
}

impl Engine {
    /// What is wrong with it, and what to do.
    pub(in crate::proxy) fn told<'a>(&'a self, error: &'a EngineError) -> Told<'a> {
        Told {
            engine: &self.settings,
            error,
        }
    }
}

/// An error of one engine.
#[derive(Debug)]
pub(in crate::proxy) struct Told<'a> {
    engine: &'a config::Engine,
    error: &'a EngineError,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = self.engine;
        match (self.error, &engine.address) {
            (EngineError::Connect(e), Address::Unix(path)) => {
                write!(f, "{} ", Socket(engine))?;
                unix(engine, path, e, f)
            }
            (EngineError::Hung, Address::Unix(_)) => write!(
                f,
                "{} did not accept a connection within {} seconds: the engine is overloaded or not \
                 responding",
                Socket(engine),
                CONNECT_TIMEOUT.as_secs()
            ),
            (EngineError::Connect(e), Address::Tcp { .. }) => {
                write!(f, "{engine} at {} ", engine.address)?;
                tcp(engine, e, f)
            }
            (EngineError::Hung, Address::Tcp { .. }) => write!(
                f,
                "{engine} at {} did not take a connection within {} seconds: check that its host \
                 runs, that no firewall drops the connection, and {}",
                engine.address,
                CONNECT_TIMEOUT.as_secs(),
                engine.setting()
            ),
            (EngineError::HungInHandshake, address) => write!(
                f,
                "{engine} at {address} took a connection, but did not complete the TLS handshake \
                 within {} seconds: check that it speaks TLS on that port, and its log",
                CONNECT_TIMEOUT.as_secs()
            ),
            (EngineError::NoHost(e), address) => {
                let name = match address {
                    Address::Tcp {
                        host: Host::Name(name),
                        ..
                    } => name,
                    _ => "its host",
                };
                write!(
                    f,
                    "{engine} at {address} cannot be found: the name {name} cannot be resolved ({e}); \
                     check {}, and the name server",
                    engine.setting()
                )
            }
            (EngineError::Itself(own), address) => write!(
                f,
                "{engine} at {address} is dockgate itself ({own}): set {} to the address of the engine",
                engine.setting()
            ),
            (EngineError::Tls(e), address) => {
                write!(f, "{engine} at {address} cannot be connected to by TLS: ")?;
                tls::told(engine, e, f)
            }
            (EngineError::Handshake(e), address) => write!(
                f,
                "{engine} at {address} ended the TLS handshake ({e}): check that it speaks TLS on \
                 that port, and its log"
            ),
            (EngineError::Silent, address) => write!(
                f,
                "{engine} at {address} did not say in time what the request depends on"
            ),
            (EngineError::Moved, address) => write!(
                f,
                "the address of {engine} at {address} changed during the request; try again"
            ),
            (EngineError::NoPing, address) => write!(
                f,
                "{engine} at {address} accepts connections, but did not answer /_ping within {} \
                 seconds: it is overloaded or hangs; check its log",
                PING_TIMEOUT.as_secs()
            ),
            (EngineError::BadPing(status), address) => write!(
                f,
                "{engine} at {address} answered /_ping with status {}: check its log",
                status.as_u16()
            ),
            (EngineError::Gone, _) => write!(
                f,
                "{engine} closed the connection without responding: it may be restarting; check its \
                 log"
            ),
            (EngineError::Garbage(e), _) => {
                write!(f, "{engine}'s response is not valid HTTP: {e}")
            }
        }
    }
}

/// `the engine's socket PATH`, or with its name.
struct Socket<'a>(&'a config::Engine);

impl fmt::Display for Socket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Socket(engine) = self;
        match engine.is_named {
            true => write!(f, "the socket {} of {engine}", engine.address),
            false => write!(f, "the engine's socket {}", engine.address),
        }
    }
}

/// Why a Unix socket cannot be connected to.
fn unix(
    engine: &config::Engine,
    path: &Path,
    e: &io::Error,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let setting = engine.setting();
    match e.kind() {
        io::ErrorKind::NotFound => write!(
            f,
            "does not exist: mount it into the container, or set {setting} to its path"
        ),
        io::ErrorKind::PermissionDenied => permission_hint(path, f),
        io::ErrorKind::ConnectionRefused if is_socket(path) => {
            f.write_str("refuses connections: nothing is listening on it; start the engine")
        }
        io::ErrorKind::ConnectionRefused => write!(
            f,
            "is not a socket: mount the engine's socket there, or set {setting}"
        ),
        _ => write!(f, "cannot be reached: {e}"),
    }
}

/// Why a host cannot be connected to.
fn tcp(engine: &config::Engine, e: &io::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match e.kind() {
        io::ErrorKind::ConnectionRefused => write!(
            f,
            "refuses connections: nothing is listening there; start the engine, have it listen on \
             that port, or correct {}",
            engine.setting()
        ),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => write!(
            f,
            "cannot be reached: {e}; check the network, and {}",
            engine.setting()
        ),
        _ => write!(f, "cannot be reached: {e}"),
    }
}

fn permission_hint(path: &Path, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("is not accessible to this user: ")?;
    match std::fs::metadata(path) {
        Ok(meta) if meta.mode() & 0o020 != 0 => write!(
            f,
            "run dockgate with its group (group_add: [\"{0}\"], or --group-add {0}) or as root",
            meta.gid()
        ),
        _ => f.write_str("run dockgate as the socket's owner or as root"),
    }
}

fn is_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
}
