//! What a hostile client and a dying engine can do, and that dockgate outlives it: the real binary
//! between raw clients, many of them, and a scripted engine. Each test is bounded in count and
//! time, looks at what reached the engine, and ends with a clean request on a new connection.
//!
//! Whatever is measured is compared with an undisturbed measurement of the same run, and tried
//! again a few times, for the machine may be busy with other things too.

#![allow(
    clippy::print_stderr,
    reason = "figures, and what a failing test has seen"
)]

#[path = "../support/mod.rs"]
mod support;

mod clients;
mod crowds;
mod engines;
mod floods;
mod ledger;
mod limits;
mod machine;
mod memory;
mod shutdown;
mod smuggling;
mod soak;
mod traffic;
