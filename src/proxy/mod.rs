//! The proxy itself: everything that touches a socket; hyper lives here only.
//!
//! `listener` binds, `server` starts, accepts and ends, `connection` carries one client from accept
//! to close, `client` is what is known of it and `shared` what all have in common, `admission` knows
//! who is allowed and `strangers` turns away who is not. `serving` is hyper's side of all of these,
//! `service` answers one request, `flight` is the request on its way, `headers` knows what is in its
//! head, `outgoing` builds the head that the engine gets from what was cleared, `upstream` is the
//! engine's side, `tunnel` what a connection becomes after a 101, `hijack` what it becomes where the
//! engine takes it over without one. `answer` is the body of any answer, `respond` what dockgate says
//! itself. `wire` is what hyper cannot do with a socket, `health` looks after the engine.
//!
//! Each names only those below it: `server`, `connection`, `service`, `serving`, `answer`, `hijack`,
//! `tunnel`, `flight`, `client`, `shared`, `admission`, `strangers`, then the rest; but `strangers`
//! and `health` are served by `serving` too.

mod admission;
mod answer;
mod browser;
mod client;
mod connection;
mod flight;
#[cfg(fuzzing)]
pub mod fuzzing;
mod headers;
mod health;
mod hijack;
mod holders;
mod listener;
mod names;
mod outgoing;
mod respond;
mod rulebook;
mod server;
mod service;
mod serving;
mod shared;
mod strangers;
mod tunnel;
mod upstream;
mod wire;

pub use headers::Headers;
pub use outgoing::Outgoing;
pub use server::{End, NotStarted, serve, serve_and_tell};
