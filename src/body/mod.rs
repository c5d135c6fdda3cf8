//! What the engine would read in a body. Pure over bytes: no tokio, no hyper, no clock.

pub mod json;
pub mod reach;
