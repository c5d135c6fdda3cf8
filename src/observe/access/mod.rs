//! The access record: one line per request, written when the request ends.

mod read;
mod reason;
mod record;
mod redact;

pub use read::{Logged, LoggedVerdict};
pub use reason::{EngineFault, Explanation, Part, Reason};
pub use record::{
    CertificateName, Counters, DENIED_NOW, Decision, End, FROM_PAGE, NOT_ADMITTED, Peer,
    PolicyName, Record, UploadFault,
};
pub use redact::profile_line;
