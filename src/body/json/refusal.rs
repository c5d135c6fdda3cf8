//! Why a body is not read, in a message's words.

use std::fmt::{self, Display, Formatter};

use super::DEPTH;

/// Why a body is not read. A 413 for what is too large, and a 400 for all others.
#[derive(Debug)]
pub enum Refusal {
    /// Nothing but blanks, which is no error to most routes of the engine.
    Empty,
    /// It has more bytes than these.
    TooLarge(usize),
    /// It has more values than these.
    TooMany(usize),
    /// Lists and objects stand in one another more than [`DEPTH`] deep.
    TooDeep,
    /// So many bytes are well-formed. Go would replace the next.
    NotUtf8(usize),
    /// Also a lone surrogate, which Go would replace, what follows the value, and a number that
    /// no field can hold.
    Syntax(serde_json::Error),
    /// Two keys of an object are the same to Go: the path of one.
    Twice(String),
    /// The field has another type.
    Wrong {
        /// Its path; empty for the whole body.
        at: String,
        /// What the engine reads there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
}

impl Display for Refusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Empty => write!(f, "the body is empty"),
            Refusal::TooLarge(limit) => write!(f, "the body is larger than {limit} bytes"),
            Refusal::TooMany(limit) => write!(f, "the body has more than {limit} values"),
            Refusal::TooDeep => write!(f, "the body is nested more than {DEPTH} levels deep"),
            Refusal::NotUtf8(at) => write!(f, "the body is not valid UTF-8 at byte {at}"),
            Refusal::Syntax(error) => write!(f, "the body is not valid JSON: {error}"),
            Refusal::Twice(at) => write!(f, "{at}: duplicate key (case is ignored in field names)"),
            Refusal::Wrong {
                at,
                expected,
                found,
            } => {
                let at = if at.is_empty() { "the body" } else { at };
                write!(f, "{at} must be {expected}, not {found}")
            }
        }
    }
}

impl std::error::Error for Refusal {}
