//! Facts about the Docker API, and nothing about policy: the sections and actions of
//! `sections.toml`, the fields of `fields.toml`, the methods that the engine knows, what its router
//! makes of a target, what a message says besides, and what engines read in a query.

pub mod fields;
pub mod message;
mod method;
pub mod query;
pub mod sections;
pub mod target;

pub use message::{Framing, Message};
pub use method::{Method, Methods};
pub use target::{BadTarget, Target, encode_target};
