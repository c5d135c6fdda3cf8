//! One connection in-process, for the fuzz target that plays both of its ends. Only cargo-fuzz
//! builds it: with listeners and workers, its timers would run in real time, and a panic would be
//! lost in a worker's thread.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::sync::watch;

use super::client::Client;
use super::connection::{self, Now};
use super::handshake::Shown;
use super::holders::Key;
use super::server::Room;
use super::shared::Shared;
use super::wire::{ClientLink, Socket};
use crate::config::Settings;
use crate::observe::access::Peer;

/// Serves `client` until it is closed.
pub async fn serve_one(settings: &Settings, client: UnixStream) {
    let room = Room {
        connections: 1,
        strangers: 1,
        waiting: 1,
    };
    let shared = Arc::new(Shared::new(settings, None, &room));
    let held = shared
        .holders
        .hold(&Key::Address(Ipv4Addr::LOCALHOST.into()));
    let (_open, now) = watch::channel(Now::default());
    let link = ClientLink::new(Socket::Unix(client));
    connection::serve(
        Client::new(
            shared,
            Peer::Unix(None),
            0,
            link,
            held,
            Shown::default(),
            false,
        ),
        now,
    )
    .await;
}
