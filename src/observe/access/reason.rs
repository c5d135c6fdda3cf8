//! Why a request was not forwarded, or failed after it was: as a value for counters and answers,
//! with the sentence for the client and the log.

use std::sync::Arc;

use http::StatusCode;

use super::record::UploadFault;
use crate::policy::{Denial, Remedy};

/// Why dockgate answers a request itself. Can label a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The policy denies it; the remedy says what would allow it.
    Denied(Arc<Remedy>),
    /// A term of the policy cannot judge it, because it cannot be read in one way only.
    Unreadable(Arc<Remedy>),
    /// What it names does not exist.
    Missing,
    /// What it refers to does not exist.
    Dangling,
    /// The name that it gives is taken.
    Taken,
    /// There is no room for its body now; there may be in so many seconds.
    NoRoom {
        /// In seconds.
        retry_after: u64,
    },
    /// Its client is not allowed to connect.
    NotAdmitted,
    /// Which policy its client has depends on a name that cannot be looked up now.
    PolicyUnknown,
    /// Which policy its client has can be told for a new connection alone.
    ConnectAgain,
    /// It went to an engine that is not its policy's any more.
    OtherEngine,
    /// A web page sent it that has no business here.
    FromPage,
    /// Its client has as much as it may have, and can come again after so many seconds.
    TooMany {
        /// In seconds.
        retry_after: u64,
    },
    /// Its target has no single meaning that an engine would give it.
    Ambiguous,
    /// It does not speak TLS as it should; or not at all, where it should.
    Handshake,
    /// It is not HTTP/1.1, or violates it.
    Malformed,
    /// A part of it is too large.
    TooLarge(Part),
    /// Its head did not arrive in time.
    TimedOut,
    /// Its body is incomplete.
    Upload(UploadFault),
    /// The engine did not give an answer that could be passed on.
    Engine(EngineFault),
}

/// The part of a request that is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The request line's target.
    Target,
    /// The whole head.
    Head,
    /// The body, where it is read as a whole.
    Body,
}

/// What is wrong with the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineFault {
    /// Its socket cannot be reached.
    Unreachable,
    /// Its socket did not accept a connection in time.
    Hung,
    /// It closed the connection before its answer was complete.
    Gone,
    /// Its answer is not valid HTTP.
    Invalid,
    /// What must be removed from its answer cannot be found in it.
    Unfiltered,
}

impl Reason {
    /// The answer's status.
    pub fn status(&self) -> StatusCode {
        match self {
            Reason::PolicyUnknown
            | Reason::ConnectAgain
            | Reason::OtherEngine
            | Reason::NoRoom { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Reason::Missing => StatusCode::NOT_FOUND,
            Reason::Taken => StatusCode::CONFLICT,
            Reason::Denied(_) | Reason::NotAdmitted | Reason::FromPage => StatusCode::FORBIDDEN,
            Reason::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Reason::Upload(UploadFault::Stalled | UploadFault::Slow) => StatusCode::REQUEST_TIMEOUT,
            Reason::Dangling
            | Reason::Ambiguous
            | Reason::Malformed
            | Reason::Handshake
            | Reason::Unreadable(_)
            | Reason::Upload(_) => StatusCode::BAD_REQUEST,
            Reason::TooLarge(Part::Target) => StatusCode::URI_TOO_LONG,
            Reason::TooLarge(Part::Head) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Reason::TooLarge(Part::Body) => StatusCode::PAYLOAD_TOO_LARGE,
            Reason::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Reason::Engine(EngineFault::Unreachable) => StatusCode::SERVICE_UNAVAILABLE,
            Reason::Engine(EngineFault::Hung) => StatusCode::GATEWAY_TIMEOUT,
            Reason::Engine(EngineFault::Gone | EngineFault::Invalid | EngineFault::Unfiltered) => {
                StatusCode::BAD_GATEWAY
            }
        }
    }
}

/// A reason with its text, rendered once for the client and the log.
#[derive(Clone, Debug)]
pub struct Explanation {
    reason: Reason,
    text: String,
}

impl Explanation {
    /// What a client can read of a reason.
    pub fn new(reason: Reason, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { reason, text }
    }

    /// The reason.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// The answer's status.
    pub fn status(&self) -> StatusCode {
        self.reason.status()
    }

    /// In how many seconds the same request may be answered otherwise, if that is known.
    pub fn retry_after(&self) -> Option<u64> {
        match self.reason {
            Reason::TooMany { retry_after } | Reason::NoRoom { retry_after } => Some(retry_after),
            _ => None,
        }
    }

    /// Whether nothing else can come of other requests over the same connection.
    pub fn ends_connection(&self) -> bool {
        matches!(self.reason, Reason::ConnectAgain)
    }

    /// What to show.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl From<&Denial> for Explanation {
    fn from(denial: &Denial) -> Self {
        let remedy = Arc::clone(denial.remedy());
        let reason = match remedy.is_unreadable() {
            true => Reason::Unreadable(remedy),
            false => Reason::Denied(remedy),
        };
        Self::new(reason, denial.message())
    }
}

impl From<UploadFault> for Explanation {
    fn from(fault: UploadFault) -> Self {
        Self::new(Reason::Upload(fault), fault.message())
    }
}
