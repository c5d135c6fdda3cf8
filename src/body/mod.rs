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
pub mod image;
pub mod inspection;
pub mod json;
pub mod limits;
mod place;
pub mod reach;
pub mod rules;
#[cfg(test)]
mod tests;

use std::fmt::{self, Display, Formatter};

use crate::api::fields::Body;
use json::{Limits, Value};
pub use place::Place;
use reach::{Claim, Engine, TooMany};

/// What a request asks for in its body.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What the engine reads, to be edited and forwarded. After an edit, [`reach::asked`] finds the
    /// claims again.
    pub tree: Value,
    /// All that it asks for outside its container, and all that a limit may be about.
    pub claims: Vec<Claim>,
}

/// Reads a body as the engine would, and finds what it asks for.
pub fn asked(
    body: &'static Body,
    bytes: &[u8],
    limits: Limits,
    engine: &Engine<'_>,
) -> Result<Asked, Refusal> {
    let tree = json::read(bytes, limits, Place::of(body)).map_err(Refusal::Unread)?;
    let claims = reach::asked(body, &tree, engine).map_err(Refusal::TooMany)?;
    Ok(Asked { tree, claims })
}

/// Why a body is not judged.
#[derive(Debug)]
pub enum Refusal {
    /// It cannot be read in one way only. One without any bytes is among them
    /// ([`json::Refusal::Empty`]): most routes take it for `{}`.
    Unread(json::Refusal),
    /// It asks for too much.
    TooMany(TooMany),
}

impl Display for Refusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Unread(refusal) => refusal.fmt(f),
            Refusal::TooMany(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}
