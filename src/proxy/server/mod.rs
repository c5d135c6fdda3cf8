//! The process as a whole: how it starts, what it may take, who works and how it ends.
//!
//! `startup` brings all of it up in its order, `limits` says how many connections there may be,
//! `workers` accept and serve, a runtime and a thread each, `signals` hears what the process is
//! told, `reload` puts another configuration in force, `shutdown` waits for the end and lets what is under way finish.

mod limits;
mod reload;
mod shutdown;
mod signals;
mod startup;
mod workers;

pub(super) use limits::Room;
pub use shutdown::End;
pub use startup::{NotStarted, serve, serve_and_tell};
