//! A client's TLS handshake, before anything else of its connection, and who that shows it to be.
//!
//! It has as long as a request's head, and the slot of its connection. A client that fails is told why
//! as far as it understands that, and the log says it in words of its own.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use memchr::memmem;
use tokio::time::timeout;

use super::respond;
use super::wire::{HEAD_TIMEOUT, Socket};
use crate::clients::Certificate;
use crate::observe::access::{Explanation, Peer, Reason};
use crate::tls::{self, Server, Trust};

/// A client that failed may take so long to read why.
const PATIENCE: Duration = Duration::from_secs(1);
/// The first byte of a TLS record with a handshake.
const HANDSHAKE: u8 = 0x16;
/// What `dockgate healthcheck` says. It does not speak TLS: that this is answered is enough.
const OWN_CHECK: &[u8] = b"\r\nUser-Agent: dockgate-healthcheck\r\n";

/// What a client has shown in its handshake.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Its certificate, which was verified.
    pub certificate: Option<Arc<Certificate>>,
    /// By which certificates.
    pub trust: Option<Trust>,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct Failed {
    /// For the log. None: it left without a word.
    pub why: Option<Explanation>,
    /// Whether it was answered in plain HTTP.
    pub is_told: bool,
    /// Whether it is dockgate's own health check.
    pub is_own_check: bool,
}

/// Shakes hands over an accepted socket.
///
/// # Errors
/// [`Failed`], and the connection is closed.
pub(super) async fn shake(
    socket: Socket,
    server: &Server,
    peer: Peer,
) -> Result<(Socket, Shown), Failed> {
    let Ok(shaken) = timeout(HEAD_TIMEOUT, attempt(socket, server, peer)).await else {
        let text = "the TLS handshake was not completed within 10 seconds";
        return Err(failed(Explanation::new(Reason::TimedOut, text)));
    };
    shaken
}

async fn attempt(socket: Socket, server: &Server, peer: Peer) -> Result<(Socket, Shown), Failed> {
    let mut start = [0; 1024];
    let seen = socket.look_ahead(&mut start).await.unwrap_or(0);
    let start = &start[..seen];
    match start {
        [] => return Err(left()),
        [HANDSHAKE, ..] => {}
        [first, ..] if first.is_ascii_alphabetic() => {
            let text = "this endpoint uses TLS: use https://, or DOCKER_TLS_VERIFY=1 with the \
                        docker CLI";
            let why = Explanation::new(Reason::Handshake, text);
            let _ = socket.try_write(&respond::raw_error(&why));
            let is_own_check = peer.is_loopback() && memmem::find(start, OWN_CHECK).is_some();
            part(&socket).await;
            return Err(Failed {
                is_told: true,
                is_own_check,
                ..failed(why)
            });
        }
        _ => {
            let text = "this endpoint uses TLS, and the client speaks something else";
            return Err(failed(Explanation::new(Reason::Handshake, text)));
        }
    }
    let refused = |text: String| failed(Explanation::new(Reason::Handshake, text));
    let socket = socket.into_tls_server(Arc::clone(&server.config));
    let socket = socket.map_err(|e| refused(format!("TLS cannot be used: {e}")))?;
    if let Err(e) = socket.handshake().await {
        part(&socket).await;
        return Err(refused(why(&e)));
    }
    let certificate = match socket.peer_certificate().filter(|_| server.trust.is_some()) {
        None => None,
        Some(shown) => match tls::certificate(&shown) {
            Some(certificate) => Some(Arc::new(certificate)),
            None => {
                part(&socket).await;
                let text = "the names of the client's certificate cannot be read";
                return Err(refused(text.to_owned()));
            }
        },
    };
    let trust = server.trust;
    Ok((socket, Shown { certificate, trust }))
}

/// Lets a client read what it was told, which a close right away could keep from it.
async fn part(socket: &Socket) {
    let _ = timeout(PATIENCE, socket.linger()).await;
}

fn left() -> Failed {
    Failed {
        why: None,
        is_told: false,
        is_own_check: false,
    }
}

fn failed(why: Explanation) -> Failed {
    Failed {
        why: Some(why),
        ..left()
    }
}

fn why(e: &io::Error) -> String {
    let inner = e.get_ref().and_then(|inner| inner.downcast_ref());
    match (inner, e.kind()) {
        (Some(e), _) => tls::refusal(e),
        (None, io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
            "the client closed the connection during the TLS handshake".to_owned()
        }
        (None, _) => format!("the TLS handshake ended early: {e}"),
    }
}
