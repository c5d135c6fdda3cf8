//! What the engine would read in a body, and what that reaches outside its container. Pure over
//! bytes: no tokio, no hyper, no clock.

pub mod answer;
pub mod context;
pub mod demands;
pub mod dockerfile;
pub mod draft;
pub mod edits;
pub mod facts;
pub mod gates;
mod glob;
pub mod image;
pub mod inspection;
pub mod json;
pub mod limits;
mod place;
pub mod reach;
pub mod redaction;
pub mod rules;
pub mod scope;
#[cfg(test)]
mod tests;
pub mod versions;

pub use place::Place;
