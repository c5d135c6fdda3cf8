//! The filters of lists and prunes: they never lead out of scope.

use super::{Finding, Request};

pub(super) fn settle(request: &mut Request) -> Finding {
    let _ = request;
    Finding::Nothing
}
