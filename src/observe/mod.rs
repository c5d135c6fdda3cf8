//! What dockgate says about its work: the log's writer and the access record, and the JSON of
//! both it and its answers.

pub mod access;
pub mod json;
pub mod log;
