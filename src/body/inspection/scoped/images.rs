//! The images that a request names, brings and makes, if the scope is about images.

use super::{Finding, Request};

pub(super) fn settle(request: &mut Request) -> Finding {
    let _ = request;
    Finding::Nothing
}
