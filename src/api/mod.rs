//! Facts about the Docker API, and nothing about policy: the sections and actions of
//! `sections.toml`, the fields of `fields.toml`, the engine's methods, how its router reads a target,
//! what else of a message matters to it, and how engines read a query.

pub mod fields;
mod kind;
pub mod message;
mod method;
pub mod query;
pub mod sections;
pub mod target;
mod version;

pub use kind::{Marks, ObjectKind};
pub use message::{Framing, Message};
pub use method::{Method, Methods};
pub use target::{BadTarget, Target, encode_target};
pub use version::Version;
