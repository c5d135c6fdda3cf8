//! The proxy itself: everything that touches a socket; hyper lives here only.
//!
//! `listener` binds, `server` starts, accepts and ends, `connection` carries one client from accept
//! to close, `admission` knows who is let in, `service` answers one request, `headers` knows what is
//! in its head, `upstream` is the engine's side, `tunnel` what a connection becomes after a 101,
//! `hijack` what it becomes where the engine takes it over without one, `wire` what hyper cannot do
//! with a socket, `respond` what dockgate says itself, `health` looks after the engine, `strangers`
//! turns away who is not let in.

mod admission;
mod connection;
#[cfg(fuzzing)]
pub mod fuzzing;
mod headers;
mod health;
mod hijack;
mod listener;
mod respond;
mod server;
mod service;
mod strangers;
mod tunnel;
mod upstream;
mod wire;

pub use server::{End, serve, serve_and_tell};
