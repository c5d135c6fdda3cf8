//! The access record: one line a request, written when the request ends.

mod read;
mod record;
mod redact;

pub use read::{Line, Verdict};
pub use record::{Counters, Decision, End, NOT_LET_IN, Peer, Record, UploadFault};
pub use redact::profile_line;
