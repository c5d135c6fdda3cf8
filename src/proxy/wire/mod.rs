//! The wrapper around both sockets, for what hyper alone cannot do with them.
//!
//! Towards the client, [`ClientIo`] hands hyper whole request heads and exactly the bytes of a
//! body, so it always knows whether a connection is idle, inside a head or inside a body. So only a
//! slow head gets a 408; requests that the engine accepts but hyper's parser refuses (raw quotes in
//! a query) get through; early bytes of a tunnel stay in place until the engine's 101; and
//! back-pressure does not hide a FIN or reset.
//!
//! Its own reading of the framing never decides anything: only hyper's parser determines what a
//! request is. If the two ever disagree, the connection ends.
//!
//! Towards the engine, [`EngineIo`] keeps reading the answer after a failed write: otherwise the
//! answer of an engine that answers early and closes (RFC 9112, section 9.6) would be lost.
//!
//! `socket` is a socket of either family, `tls` is TLS over one, `peer` tells who is at its other end, `client` and `engine` are what hyper reads and writes on
//! each side, `link` is what the tasks around a client's connection see of it, `head` handles a
//! request's head as bytes, `chunks` finds the end of a chunked body, `opening` recognizes what is
//! not HTTP/1.

mod chunks;
mod client;
mod engine;
mod head;
mod link;
mod opening;
mod peer;
mod socket;
mod tls;

pub(super) use client::ClientIo;
pub(super) use engine::{EngineIo, EngineLink, SentHead};
pub(super) use head::{HEAD_TIMEOUT, Refusal};
pub(super) use link::{ClientLink, Notice};
pub(super) use opening::send_away;
pub(super) use socket::{Detached, Socket};

/// The largest part of a body that is read at a time, and that is held while the receiver stalls. A
/// transfer that fills its buffer gets a larger one, up to this.
pub(super) const MAX_BUFFER: usize = 512 * 1024;
