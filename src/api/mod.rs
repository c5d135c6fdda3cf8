//! Facts about the Docker API, and nothing about policy: the sections and actions of
//! `sections.toml`, the methods that the engine knows, and what its router makes of a target.

mod method;
pub mod sections;
pub mod target;

pub use method::{Method, Methods};
pub use target::{BadTarget, Target, encode_target};
