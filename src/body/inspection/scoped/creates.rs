//! The labels and the name of what a request makes or changes: those of its scope.

use super::{Finding, Request};

pub(super) fn settle(request: &mut Request) -> Finding {
    let _ = request;
    Finding::Nothing
}
