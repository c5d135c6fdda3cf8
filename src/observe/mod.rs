//! Observability: the log's writer, the access record, and the JSON of the log and of dockgate's
//! own answers.

pub mod access;
pub mod json;
pub mod log;
