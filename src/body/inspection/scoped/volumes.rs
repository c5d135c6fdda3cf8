//! The named volumes that a container mounts and that do not exist: they are made first, with the
//! scope's labels, because the engine would make them without.

use super::{Finding, Request};

/// What the engine is asked to make before a request is forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Make {
    /// Where: `/volumes/create`.
    pub path: &'static str,
    /// As JSON.
    pub body: Vec<u8>,
    /// What it is called.
    pub(super) name: String,
}

/// What the engine said of it: the status and the body.
pub type Made = (u16, Vec<u8>);

pub(super) fn settle(request: &mut Request) -> Finding {
    let _ = request;
    Finding::Nothing
}

impl Make {
    /// Whether it was made, in scope.
    ///
    /// # Errors
    /// What is answered instead.
    pub(in super::super) fn was_made(&self, request: &Request, made: &Made) -> Result<(), Finding> {
        let _ = (request, made, &self.name);
        Err(Finding::Nothing)
    }
}
