//! The proxy itself: everything that touches a socket. Only this module uses hyper.
//!
//! `listener` binds, `server` starts, accepts and stops, `connection` carries one client from
//! accept to close, `client` is the state of that connection, `shared` what all of them have in
//! common, `slots` and `holders` what of it each client may take. `admission` knows which clients are
//! allowed, and `strangers` turns the others away. `names` knows what host names stand for now, and
//! `lookup` asks the system for it. `directory` knows which containers clients are, and asks the engine.
//! `rulebook` says which policy a client has, and `lists` holds those that containers have by their labels.
//! `handshake` is a client's, where it speaks TLS.
//! `serving` is hyper's side of all of these, `service` answers one request, `flight` is a request
//! in progress, `headers` reads and rewrites heads, `outgoing` builds the engine's head from what
//! was cleared, `clearance` reads and asks what terms depend on, within the `budget` for bodies,
//! and `survey` does so to learn, `filter` removes from an answer what its client must not get,
//! `upload` is the body that goes to the engine, `watched` judges one as it passes,
//! `engine` is one of the engines, with what is known of it and how it is connected to, `upstream` a
//! connection to it, `tunnel` is a connection after a 101, `hijack` one
//! that the engine took over without a 101. `answer` is the body of any answer, `respond` builds
//! dockgate's own answers. `wire` does what hyper cannot do with a socket, `health` checks the
//! engine, `notice` says where dockgate listens, and `own_container` finds the one that it runs in.
//!
//! Each names only those below it: `server`, `connection`, `service`, `serving`, `answer`,
//! `hijack`, `tunnel`, `flight`, `survey`, `clearance`, `client`, `shared`, `admission`, `strangers`, then the
//! rest, some of which name each other; except that `strangers` and `health` use `serving` too.

mod admission;
mod answer;
mod browser;
mod budget;
mod clearance;
mod client;
mod connection;
mod directory;
mod engine;
mod filter;
mod flight;
#[cfg(fuzzing)]
pub mod fuzzing;
mod handshake;
mod headers;
mod health;
mod hijack;
mod holders;
mod listener;
mod lists;
mod lookup;
mod names;
mod notice;
mod others;
mod outgoing;
mod own_container;
mod parts;
mod records;
mod respond;
mod rulebook;
mod server;
mod service;
mod serving;
mod shared;
mod slots;
mod strangers;
mod survey;
mod tunnel;
mod upload;
mod upstream;
mod versions;
mod watched;
mod wire;

pub(crate) use clearance::{ask_now as ask, seen_by_rules, too_large};
pub(crate) use directory::ask_now as list_containers;
pub use headers::Headers;
pub(crate) use health::ping_now as ping;
pub(crate) use lookup::look_up_all;
pub use notice::{Posted, posted};
pub(crate) use others::others;
pub use outgoing::Outgoing;
pub use server::{End, NotStarted, serve, serve_and_tell};
