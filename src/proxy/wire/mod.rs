//! The one wrapper around both sockets: what hyper alone cannot do with them.
//!
//! Towards the client, [`ClientIo`] hands hyper whole request heads and exactly the bytes of a
//! body, so that it knows at any time whether a connection is idle, in mid-head or in mid-body.
//! That buys a 408 for a slow head only, requests that hyper's parser would refuse although the
//! engine takes them (raw quotes in a query), early bytes of a tunnel that stay where they are
//! until the engine's 101, and back-pressure without a lost FIN or reset.
//!
//! Its reading of the framing is never a decision: hyper's parser has the only say in what a
//! request is. Where the two should ever disagree the connection ends.
//!
//! Towards the engine, [`EngineIo`] goes on reading the answer after a write has failed: an engine
//! that answers early and closes (RFC 9112, section 9.6) would else take its answer with it.
//!
//! `socket` is the socket of either family, `client` and `engine` are what hyper reads and writes
//! of each side, `link` what the tasks around a client's connection see of it, `head` a request's
//! head as bytes, `chunks` the end of a chunked body, `opening` what no request begins with.

mod chunks;
mod client;
mod engine;
mod head;
mod link;
mod opening;
mod socket;

pub(super) use client::ClientIo;
pub(super) use engine::{EngineIo, EngineLink, SentHead};
pub(super) use head::Refusal;
pub(super) use link::{ClientLink, Notice};
pub(super) use opening::send_away;
pub(super) use socket::{Detached, Socket};

/// The most of a body that is read at a time, and that is held while nobody takes it. A transfer
/// that fills its buffer gets a larger one, up to this.
pub(super) const MAX_BUFFER: usize = 512 * 1024;
