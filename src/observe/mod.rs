//! What dockgate says about its work: the log's writer and the access record.

pub mod access;
pub mod log;
