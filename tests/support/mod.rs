//! What the black-box tests stand on: a scripted engine that records raw bytes, the real binary
//! with an environment, and raw connections to both.
//!
//! A test is one thread that plays both ends: it sends bytes as the client, accepts what dockgate
//! opens as the engine, and looks at what arrived. Whatever waits, waits for an event with a bound
//! ([`BOUND`] unless a test says otherwise) and panics with all that was seen until then.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses its own part of this"
)]

pub(crate) mod certificates;
pub(crate) mod dockgate;
pub(crate) mod engine;
pub(crate) mod gate;
pub(crate) mod wire;

pub(crate) use dockgate::Dockgate;
pub(crate) use engine::Engine;
pub(crate) use gate::{Gate, OPEN, OPEN_READS};
pub(crate) use wire::{BOUND, End, Message, Wire};
