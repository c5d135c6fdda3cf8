//! What is left of the engine's answers once a [`Filter`] has removed what clients must not get.
//!
//! An answer is read as strictly as a request's body, and written anew: what cannot be read in one way
//! only does not pass at all. Names of fields count in any case, as clients in Go read them. Of an
//! error, only the engine's message is left.

mod alias;

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use super::json::{self, Kind, Limits, Object, Shape, Untyped, Value};
use super::redaction::{self, Redaction};
use super::scope::Sight;
use crate::api::{ObjectKind, Target};
pub use alias::Alias;

/// The most bytes of an answer.
const MOST: usize = 16 << 20;
/// The most bytes of an error.
const MOST_OF_ERROR: usize = 64 << 10;
/// The most values of an answer.
const VALUES: usize = 500_000;

/// Why nothing of an answer passes.
#[derive(Debug)]
pub enum Unfiltered {
    /// It cannot be read in one way only.
    Unread(json::Refusal),
    /// It cannot be redacted.
    Odd(redaction::Odd),
    /// An error of the engine has a message, and this one has none.
    NoMessage,
    /// The engine gives no such answer, which may hold anything.
    Status(u16),
}

impl Display for Unfiltered {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Unfiltered::Unread(refusal) => refusal.fmt(f),
            Unfiltered::Odd(odd) => odd.fmt(f),
            Unfiltered::NoMessage => f.write_str("the body has no error message"),
            Unfiltered::Status(status) => write!(f, "its status is {status}"),
        }
    }
}

impl std::error::Error for Unfiltered {}

/// What of the engine's answer to one request does not reach the client, or reaches it otherwise.
#[derive(Debug, Default)]
pub struct Filter {
    /// Whether the tokens by which any host joins the swarm are removed.
    tokens: bool,
    /// The names that were replaced in the request, and are put back.
    aliases: Vec<Alias>,
    seen: Option<Seen>,
    redaction: Option<(Arc<Redaction>, Target)>,
}

/// What is seen of an answer.
#[derive(Debug)]
struct Seen {
    answered: Answered,
    sight: Sight,
    /// The most objects that are left of a list.
    limit: Option<usize>,
}

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// A list of objects of this kind.
    List(ObjectKind),
    /// An object of this kind, that is in scope or shared.
    Object(ObjectKind),
    /// That an object of this kind was made, or was there.
    Made(ObjectKind),
    /// `GET /system/df`
    Usage,
    /// `GET /info`
    Info,
    /// `GET /events`
    Events,
}

/// How an answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// As a whole, up to so many bytes.
    Whole(usize),
    /// One record at a time, as each arrives.
    Records,
}

/// What is left of an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Left {
    /// Its status.
    pub status: u16,
    /// Its body, which is JSON.
    pub body: Vec<u8>,
}

impl Filter {
    /// Removes the tokens by which any host joins the swarm.
    #[must_use]
    pub fn without_tokens(mut self) -> Filter {
        self.tokens = true;
        self
    }

    /// Puts these names back.
    #[must_use]
    pub fn with_names(mut self, aliases: Vec<Alias>) -> Filter {
        self.aliases = aliases;
        self
    }

    /// Leaves what is seen, and of a list no more objects than `limit`.
    #[must_use]
    pub fn seen(mut self, answered: Answered, sight: Sight, limit: Option<usize>) -> Filter {
        self.seen = Some(Seen {
            answered,
            sight,
            limit,
        });
        self
    }

    /// Redacts the answer to a request for this.
    #[must_use]
    pub fn redacted(mut self, redaction: Arc<Redaction>, target: Target) -> Filter {
        self.redaction = Some((redaction, target));
        self
    }

    /// Whether all passes as it is.
    pub fn is_empty(&self) -> bool {
        !self.tokens && self.aliases.is_empty() && self.seen.is_none() && self.redaction.is_none()
    }

    /// `DENY_ROOT removes the join tokens`
    pub fn told(&self) -> &'static str {
        match self {
            Filter { tokens: true, .. } => "DENY_ROOT removes the join tokens from it",
            Filter { seen: Some(_), .. } => "SCOPE removes what is out of scope from it",
            Filter {
                redaction: Some(_), ..
            } => "REDACT removes values from it",
            _ => "SCOPE puts names back in it",
        }
    }

    /// How an answer with this status is read.
    ///
    /// # Errors
    /// No engine gives such an answer.
    pub fn reads(&self, status: u16) -> Result<Reads, Unfiltered> {
        let redaction = self.redaction.as_ref();
        match status {
            200 if redaction.is_some_and(|(_, target)| Redaction::of_records(target)) => {
                Ok(Reads::Records)
            }
            200 | 201 => Ok(Reads::Whole(MOST)),
            400..=599 => Ok(Reads::Whole(MOST_OF_ERROR)),
            _ => Err(Unfiltered::Status(status)),
        }
    }

    /// What is left of an answer that was read as a whole.
    ///
    /// # Errors
    /// It cannot be read in one way only.
    pub fn whole(&self, status: u16, bytes: &[u8]) -> Result<Left, Unfiltered> {
        let most = match self.reads(status)? {
            Reads::Whole(most) => most,
            Reads::Records => return Err(Unfiltered::Status(status)),
        };
        let limits = Limits {
            bytes: most,
            values: VALUES,
        };
        let read =
            |field| json::read(bytes, limits, Field(Some(field))).map_err(Unfiltered::Unread);
        let tree = match status {
            200 | 201 if self.tokens => {
                let mut tree = read(JOIN_TOKENS)?;
                if let Some(swarm) = tree.object_mut() {
                    swarm.remove(JOIN_TOKENS);
                }
                self.redact(tree)?
            }
            200 | 201 if self.redaction.is_some() => {
                let tree = json::read(bytes, limits, Untyped).map_err(Unfiltered::Unread)?;
                self.redact(tree)?
            }
            200 | 201 => return Err(Unfiltered::Status(status)),
            _ => {
                let message = read(MESSAGE)?.at(MESSAGE).as_str().map(str::to_owned);
                let mut error = Object::default();
                error.set(MESSAGE, message.ok_or(Unfiltered::NoMessage)?);
                Value::Object(error)
            }
        };
        Ok(Left {
            status,
            body: tree.to_json().into_bytes(),
        })
    }

    /// An answer without what is not told of it.
    fn redact(&self, mut tree: Value) -> Result<Value, Unfiltered> {
        if let Some((redaction, target)) = &self.redaction {
            redaction
                .apply(target, &mut tree)
                .map_err(Unfiltered::Odd)?;
        }
        Ok(tree)
    }
}

/// Of a swarm.
const JOIN_TOKENS: &str = "JoinTokens";
/// Of an error.
const MESSAGE: &str = "message";

/// An object of which one field is known, or what is in that field.
#[derive(Clone, Copy)]
struct Field(Option<&'static str>);

impl Shape for Field {
    fn kind(self) -> Kind {
        match self.0 {
            Some(_) => Kind::Object,
            None => Kind::Any,
        }
    }

    fn field(self, name: &str) -> Option<(&'static str, Field)> {
        let known = self.0.filter(|own| crate::api::fields::same(own, name))?;
        Some((known, Field(None)))
    }

    fn element(self) -> Field {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swarm(answer: &str) -> Result<String, String> {
        of(200, answer.as_bytes())
    }

    fn of(status: u16, answer: &[u8]) -> Result<String, String> {
        let filtered = Filter::default().without_tokens().whole(status, answer);
        let filtered = filtered.map_err(|unfiltered| unfiltered.to_string())?;
        assert_eq!(filtered.status, status);
        Ok(String::from_utf8(filtered.body).expect("JSON"))
    }

    #[test]
    fn a_swarm_has_no_tokens_and_all_else_stays() {
        for (answer, left) in [
            (
                r#"{"ID":"x","Version":{"Index":11},"JoinTokens":{"Worker":"a","Manager":"b"},"DataPathPort":4789}"#,
                r#"{"ID":"x","Version":{"Index":11},"DataPathPort":4789}"#,
            ),
            (r#"{"jointokens":{"Manager":"b"}}"#, "{}"),
            (r#"{"JOINTO\u212aENS":"b","a":1.50}"#, r#"{"a":1.50}"#),
            (r#"{"JoinTo\u006bens":["b"]}"#, "{}"),
            (r#"{"JoinTokens":null}"#, "{}"),
            ("{}", "{}"),
            ("null", "{}"),
            // These are no fields of a swarm.
            (
                r#"{"Spec":{"JoinTokens":"x"},"JoinToken":"y"}"#,
                r#"{"Spec":{"JoinTokens":"x"},"JoinToken":"y"}"#,
            ),
        ] {
            assert_eq!(swarm(answer).as_deref(), Ok(left), "{answer}");
        }
    }

    #[test]
    fn what_cannot_be_read_in_one_way_does_not_pass() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(80), "]".repeat(80));
        for (answer, why) in [
            ("", "the body is empty"),
            ("x", "the body is not valid JSON"),
            (
                r#"{"JoinTokens":{"Manager":"b"}"#,
                "the body is not valid JSON",
            ),
            ("{}{}", "the body is not valid JSON"),
            ("[]", "the body must be an object, not a list"),
            (r#""SWMTKN""#, "the body must be an object, not a string"),
            (r#"{"JoinTokens":1,"joinTokens":2}"#, "duplicate key"),
            (r#"{"ID":1,"ID":2}"#, "duplicate key"),
            (&deep, "nested more than 64 levels"),
        ] {
            let refused = swarm(answer).expect_err(answer);
            assert!(refused.contains(why), "{answer}: {refused}");
            assert!(!refused.contains("SWMTKN"), "{refused}");
        }
        let refused = of(200, b"{\"a\":\"\xff\"}").expect_err("no UTF-8");
        assert!(refused.contains("not valid UTF-8"), "{refused}");
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(MOST));
        assert!(swarm(&large).is_err());
    }

    #[test]
    fn of_an_error_the_message_is_left() {
        let left = r#"{"message":"This node is not a swarm manager."}"#;
        for answer in [
            left,
            r#"{"cause":"x","message":"This node is not a swarm manager.","response":503}"#,
            r#"{"Message":"This node is not a swarm manager.","JoinTokens":{"Manager":"b"}}"#,
        ] {
            for status in [400, 404, 500, 503] {
                let found = of(status, answer.as_bytes());
                assert_eq!(found.as_deref(), Ok(left), "{status} {answer}");
            }
        }
        for (status, answer, why) in [
            (503, r#"{"JoinTokens":{"Manager":"b"}}"#, "no error message"),
            (503, r#"{"message":{"JoinTokens":"b"}}"#, "no error message"),
            (503, r#"{"message":null}"#, "no error message"),
            (404, "page not found", "not valid JSON"),
            (101, "", "its status is 101"),
            (206, "{}", "its status is 206"),
            (301, left, "its status is 301"),
        ] {
            let refused = of(status, answer.as_bytes()).expect_err(answer);
            assert!(refused.contains(why), "{answer}: {refused}");
        }
        let long = format!("{{\"message\":\"{}\"}}", "x".repeat(MOST_OF_ERROR));
        assert!(of(500, long.as_bytes()).is_err());
    }
}
