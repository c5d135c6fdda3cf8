//! What the body of a request names: all of it is in scope, or shared, or the request is refused as the engine refuses what does not exist.

use super::{Finding, Request};

pub(super) fn settle(request: &mut Request) -> Finding {
    let _ = request;
    Finding::Nothing
}
