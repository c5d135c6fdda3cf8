//! The objects that the path and the query of a request name.

use super::{Finding, Request};

pub(super) fn settle(request: &mut Request) -> Finding {
    let _ = request;
    Finding::Nothing
}
