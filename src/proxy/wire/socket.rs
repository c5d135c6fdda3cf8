//! A stream socket, TCP or Unix, or TLS over TCP: the only place that distinguishes them. Every socket
//! to a client or the engine is a [`Socket`].
//!
//! Everything is based on readiness and takes `&self`, so that hyper, a watcher and a tunnel can
//! share one. Writes are never held back here.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{self, IpAddr};
use std::os::unix;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::BufMut;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use socket2::{Domain, SockAddr, Type};
use tokio::io::{Interest, Ready};
use tokio::net::{TcpStream, UnixStream};

use super::peer;
use super::tls::{Session, TlsSocket};
use crate::clients::Identity;
use crate::config::UNMAPPED;
use crate::observe::access::Peer;

/// So many bytes are sooner copied together than handed to the kernel in pieces.
const SMALL: usize = 1024;
/// After an answer that left a request's body unread, this much of it is read and dropped, so that
/// the close that follows does not reset the connection before the client has the answer.
const LINGER_BYTES: usize = 64 * 1024 * 1024;
/// How long that may take.
const LINGER_TIME: Duration = Duration::from_secs(10);

/// A stream socket of either family; all methods take `&self`, so that a watcher can share it.
#[derive(Debug)]
pub(in crate::proxy) enum Socket {
    /// A TCP client.
    Tcp(TcpStream),
    /// The engine, or a client of a Unix listener.
    Unix(UnixStream),
    /// Either side of TLS.
    Tls(Box<TlsSocket>),
}

/// The same with the kernel's socket, whichever it is.
macro_rules! either {
    ($self:expr, $s:ident => $e:expr) => {
        match $self {
            Socket::Tcp($s) => $e,
            Socket::Unix($s) => $e,
            Socket::Tls(tls) => {
                let $s = &tls.raw;
                $e
            }
        }
    };
}

impl Socket {
    /// Connects to a Unix socket, without waiting: there is no event to wait for.
    pub(in crate::proxy) fn connect_unix(path: &Path) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
        socket.connect(&SockAddr::unix(path)?)?;
        UnixStream::from_std(socket.into()).map(Socket::Unix)
    }

    /// A client's side of TLS over a connected socket, as which [`Socket::handshake`] is to be called
    /// first. The other end's certificate has to be for `name`.
    ///
    /// # Errors
    /// A configuration with which there is nothing to say.
    #[allow(
        dead_code,
        reason = "only connections to remote engines and tests are made so"
    )]
    pub(in crate::proxy) fn tls_client(
        socket: TcpStream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, rustls::Error> {
        let connection = ClientConnection::new(config, name)?;
        Ok(Self::tls(socket, connection.into()))
    }

    /// A server's side of TLS over an accepted TCP socket, as which [`Socket::handshake`] is to be
    /// called first.
    ///
    /// # Errors
    /// A configuration with which there is nothing to say, or another kind of socket.
    pub(in crate::proxy) fn into_tls_server(
        self,
        config: Arc<ServerConfig>,
    ) -> Result<Self, rustls::Error> {
        let connection = ServerConnection::new(config)?;
        match self {
            Socket::Tcp(socket) => Ok(Self::tls(socket, connection.into())),
            Socket::Unix(_) | Socket::Tls(_) => {
                Err(rustls::Error::General("TLS is for TCP sockets".to_owned()))
            }
        }
    }

    /// Waits for bytes, and looks at them, as far as there is room; 0 is the end. They can be read still.
    pub(in crate::proxy) async fn look_ahead(&self, room: &mut [u8]) -> io::Result<usize> {
        let flags = rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT;
        loop {
            self.ready(Interest::READABLE).await?;
            let seen = either!(self, s => s.try_io(Interest::READABLE, || {
                Ok(rustix::net::recv(s, &mut *room, flags)?.0)
            }));
            match seen {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }

    fn tls(socket: TcpStream, connection: rustls::Connection) -> Self {
        Socket::Tls(Box::new(TlsSocket::new(socket, Session::new(connection))))
    }

    /// Shakes hands, if it speaks TLS. The caller limits the time.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] with a [`rustls::Error`] inside, of which the peer was told: it
    /// reads that only if the close does not reset the connection, see [`Socket::linger`]. Or what the
    /// kernel says.
    pub(in crate::proxy) async fn handshake(&self) -> io::Result<()> {
        match self {
            Socket::Tls(tls) => tls.handshake().await,
            Socket::Tcp(_) | Socket::Unix(_) => Ok(()),
        }
    }

    /// The certificate that the other end has proved to have, and that was verified: the first of its
    /// chain.
    pub(in crate::proxy) fn peer_certificate(&self) -> Option<CertificateDer<'static>> {
        match self {
            Socket::Tls(tls) => tls.look(|connection| {
                let chain = connection.peer_certificates()?;
                Some(chain.first()?.clone())
            }),
            Socket::Tcp(_) | Socket::Unix(_) => None,
        }
    }

    /// Detaches it from its runtime, to move it to another one.
    pub(in crate::proxy) fn detach(self) -> io::Result<Detached> {
        Ok(match self {
            Socket::Tcp(socket) => Detached::Tcp(socket.into_std()?),
            Socket::Unix(socket) => Detached::Unix(socket.into_std()?),
            Socket::Tls(tls) => {
                let (socket, session) = tls.into_parts();
                Detached::Tls(socket.into_std()?, Box::new(session))
            }
        })
    }

    /// Who `peer` is, as rules for clients have it. Of a Unix socket's clients, the user and the groups
    /// are those with which they connected.
    pub(in crate::proxy) fn identity(&self, peer: Peer) -> Identity {
        match (peer, self) {
            (Peer::Tcp(address), _) => Identity::at(address.ip()),
            (Peer::Unix(_), Socket::Unix(socket)) => peer::identity(socket),
            (Peer::Unix(_), Socket::Tcp(_) | Socket::Tls(_)) => {
                Identity::process(None, None, &UNMAPPED)
            }
        }
    }

    /// The address that a TCP client has connected to, IPv4 as such.
    pub(in crate::proxy) fn local_ip(&self) -> Option<IpAddr> {
        let address = match self {
            Socket::Tcp(socket) => socket.local_addr(),
            Socket::Tls(tls) => tls.raw.local_addr(),
            Socket::Unix(_) => return None,
        };
        Some(address.ok()?.ip().to_canonical())
    }

    /// The user at the other end of a Unix socket.
    pub(in crate::proxy) fn peer_user(&self) -> Option<u32> {
        match self {
            Socket::Tcp(_) | Socket::Tls(_) => None,
            Socket::Unix(s) => s.peer_cred().ok().map(|peer| peer.uid()),
        }
    }

    /// Waits until one of `interest` is ready.
    pub(in crate::proxy) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        if let Socket::Tls(tls) = self
            && interest.is_readable()
            && tls.has_news()
        {
            return Ok(Ready::READABLE);
        }
        either!(self, s => s.ready(interest).await)
    }

    /// Reads what is available, at most what `buf` has room for; 0 is the end.
    pub(in crate::proxy) fn try_read(&self, buf: &mut impl BufMut) -> io::Result<usize> {
        let room = buf.chunk_mut().len();
        let n = match self {
            Socket::Tcp(s) => s.try_read_buf(buf)?,
            Socket::Unix(s) => s.try_read_buf(buf)?,
            Socket::Tls(tls) => return tls.try_read(buf),
        };
        if 0 < n && n < room {
            // The socket is empty: clear its readiness, which saves the read that would find out.
            // New bytes set it again, and only this thread handles the events.
            let _ = either!(self, s => s.try_io(Interest::READABLE, || {
                Err::<(), _>(io::ErrorKind::WouldBlock.into())
            }));
        }
        Ok(n)
    }

    /// Writes what the socket takes of `buf`. What would block has to be written again as it is.
    pub(in crate::proxy) fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.try_write(buf),
            Socket::Unix(s) => s.try_write(buf),
            Socket::Tls(tls) => tls.try_write(&[IoSlice::new(buf)]),
        }
    }

    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut impl BufMut,
    ) -> Poll<io::Result<usize>> {
        if let Socket::Tls(tls) = self {
            return tls.poll_read(cx, buf);
        }
        loop {
            ready!(either!(self, s => s.poll_read_ready(cx)))?;
            match self.try_read(buf) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Socket::Tls(tls) = self {
            return tls.poll_write(cx, bufs);
        }
        loop {
            ready!(either!(self, s => s.poll_write_ready(cx)))?;
            let written = match bufs {
                [only] => self.try_write(only),
                _ => match together(bufs, &mut [0; SMALL]) {
                    Some(bytes) => self.try_write(bytes),
                    None => either!(self, s => s.try_write_vectored(bufs)),
                },
            };
            match written {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// Whether the peer can take more bytes now.
    pub(in crate::proxy) fn is_writable(&self) -> bool {
        let ready = pin!(self.ready(Interest::WRITABLE));
        let mut cx = Context::from_waker(Waker::noop());
        ready.poll(&mut cx).is_ready()
    }

    /// Ends this side's half of the connection (a FIN); errors mean that it has ended anyway. Over TLS,
    /// a close_notify comes first, which may have to wait for the peer.
    pub(in crate::proxy) fn poll_shutdown_write(&self, cx: &mut Context<'_>) -> Poll<()> {
        if let Socket::Tls(tls) = self {
            ready!(tls.poll_close_notify(cx));
        }
        self.send_fin();
        Poll::Ready(())
    }

    /// The same. A peer that does not read in time gets no close_notify.
    pub(in crate::proxy) async fn shutdown_write(&self) {
        match self {
            Socket::Tls(_) => {
                let shutdown = poll_fn(|cx| self.poll_shutdown_write(cx));
                if tokio::time::timeout(LINGER_TIME, shutdown).await.is_err() {
                    self.send_fin();
                }
            }
            Socket::Tcp(_) | Socket::Unix(_) => self.send_fin(),
        }
    }

    pub(super) fn send_fin(&self) {
        let _ = either!(self, s => rustix::net::shutdown(s, rustix::net::Shutdown::Write));
    }

    /// Before the close: what has to be said over TLS, so that the end is a proper one.
    pub(in crate::proxy) async fn part(&self) {
        if let Socket::Tls(tls) = self {
            let parting = poll_fn(|cx| tls.poll_close_notify(cx));
            let _ = tokio::time::timeout(LINGER_TIME, parting).await;
        }
    }

    /// Closes with a reset, so that the peer cannot mistake it for a proper end.
    pub(in crate::proxy) fn reset_on_close(&self) {
        let socket = match self {
            Socket::Tcp(socket) => socket,
            Socket::Tls(tls) => {
                tls.cut();
                &tls.raw
            }
            Socket::Unix(_) => return,
        };
        let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
    }

    /// Whether anything, including an end, can be read; asks the kernel.
    pub(in crate::proxy) fn has_input(&self) -> bool {
        match self {
            Socket::Tls(tls) => tls.peek().0,
            Socket::Tcp(_) | Socket::Unix(_) => {
                !matches!(self.peek(), Err(rustix::io::Errno::AGAIN))
            }
        }
    }

    /// Whether bytes can be read; after an end, there are none.
    pub(in crate::proxy) fn has_bytes(&self) -> bool {
        match self {
            Socket::Tls(tls) => tls.peek().1,
            Socket::Tcp(_) | Socket::Unix(_) => self.peek().is_ok_and(|n| n > 0),
        }
    }

    fn peek(&self) -> rustix::io::Result<usize> {
        let mut byte = [0];
        let flags = rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT;
        either!(self, s => rustix::net::recv(s, &mut byte, flags)).map(|(n, _)| n)
    }

    /// Waits for the peer's FIN (true) or reset (false). Reads nothing.
    pub(in crate::proxy) async fn closed(&self) -> bool {
        // tokio's PRIORITY interest wakes for a closed read half, but not for available bytes;
        // urgent data is not subscribed to at all.
        match self.ready(Interest::PRIORITY | Interest::ERROR).await {
            Ok(ready) => !ready.is_error(),
            Err(_) => false,
        }
    }

    /// Waits for the peer's reset.
    pub(in crate::proxy) async fn reset(&self) {
        let _ = self.ready(Interest::ERROR).await;
    }

    /// Reads and drops what the peer still sends, until its end or a limit.
    pub(in crate::proxy) async fn linger(&self) {
        let drain = async {
            self.shutdown_write().await;
            let mut left = LINGER_BYTES;
            while left > 0 && self.ready(Interest::READABLE).await.is_ok() {
                // Its room is not kept while it waits: a crowd that is refused would take a lot.
                let read = self.try_read(&mut Vec::with_capacity(16 * 1024));
                match read {
                    Ok(0) => break,
                    Ok(n) => left = left.saturating_sub(n),
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => break,
                }
                tokio::task::coop::consume_budget().await;
            }
        };
        let _ = tokio::time::timeout(LINGER_TIME, drain).await;
    }
}

/// A socket that moves from one runtime to another.
#[derive(Debug)]
pub(in crate::proxy) enum Detached {
    Tcp(net::TcpStream),
    Unix(unix::net::UnixStream),
    Tls(net::TcpStream, Box<Session>),
}

impl Detached {
    /// Registers it with the current runtime.
    pub(in crate::proxy) fn attach(self) -> io::Result<Socket> {
        Ok(match self {
            Detached::Tcp(socket) => Socket::Tcp(TcpStream::from_std(socket)?),
            Detached::Unix(socket) => Socket::Unix(UnixStream::from_std(socket)?),
            Detached::Tls(socket, session) => {
                let socket = TcpStream::from_std(socket)?;
                Socket::Tls(Box::new(TlsSocket::new(socket, *session)))
            }
        })
    }
}

/// The bytes of `bufs` in one piece, if they are few.
fn together<'a>(bufs: &[IoSlice<'_>], small: &'a mut [u8; SMALL]) -> Option<&'a [u8]> {
    let mut end = 0;
    for buf in bufs {
        small.get_mut(end..end + buf.len())?.copy_from_slice(buf);
        end += buf.len();
    }
    Some(&small[..end])
}
