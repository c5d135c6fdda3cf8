//! What is left of the engine's answers once a [`Filter`] has removed what clients must not get.
//!
//! An answer is read as strictly as a request's body: what cannot be read in one way only does not pass
//! at all. What a client sees of a list stays as the engine wrote it; whatever is changed is written
//! anew. Of an error, only the engine's message is left.

mod alias;
mod events;
mod items;
mod seen;
#[cfg(test)]
mod tests;
mod usage;

use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::sync::Arc;

use super::json::{self, Kind, Limits, Object, Shape, Untyped, Value};
use super::redaction::{self, PLACEHOLDER, Redaction};
use super::scope::{Giving, Scope, Sight};
use super::versions::Bounds;
use crate::api::{ObjectKind, Target};
pub use alias::Alias;
pub use events::{Next, Records};
use seen::Seen;

/// The most bytes of an answer.
const MOST: usize = 16 << 20;
/// The most bytes of an error.
const MOST_OF_ERROR: usize = 64 << 10;
/// The most values of an answer.
const VALUES: usize = 2_000_000;

/// Why nothing of an answer passes.
#[derive(Debug)]
pub enum Unfiltered {
    /// It cannot be read in one way only.
    Unread(json::Refusal),
    /// It is not what the engine answers to such a request.
    Unlike,
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
            Unfiltered::Unlike => {
                f.write_str("the body is not what such a request is answered with")
            }
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
    /// Within which versions the engine's are told.
    versions: Option<Bounds>,
    pulled: Option<Pulled>,
    /// The names that images get until the answer ends.
    giving: Vec<Giving>,
}

/// The images that come into scope with an answer.
#[derive(Debug)]
struct Pulled {
    scope: Arc<Scope>,
    names: Vec<String>,
    /// The status that it has to have.
    by: u16,
    /// The address of the host that has them.
    host: Option<SocketAddr>,
}

impl Pulled {
    fn new(scope: Arc<Scope>, names: Vec<String>, by: u16) -> Pulled {
        Pulled {
            host: scope.host(),
            scope,
            names,
            by,
        }
    }
}

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// A list of objects of this kind.
    List(ObjectKind),
    /// An object of this kind, that is in scope or shared.
    Object(ObjectKind),
    /// What came of an act on an object of this kind: it was made, its name is taken, it is in use.
    Act(ObjectKind),
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
    /// Its body.
    pub body: Vec<u8>,
    /// Whether the body was written anew, as JSON.
    pub is_json: bool,
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
            written: Default::default(),
        });
        self
    }

    /// Leaves in errors what could be IDs, if it is in one of these texts of the request.
    #[must_use]
    pub fn written(mut self, texts: &[&str]) -> Filter {
        if let Some(seen) = &mut self.seen {
            let words = texts.iter().flat_map(|text| seen::ids_in(text));
            seen.written.extend(words.map(str::to_owned));
        }
        self
    }

    /// Redacts the answer to a request for this.
    #[must_use]
    pub fn redacted(mut self, redaction: Arc<Redaction>, target: Target) -> Filter {
        self.redaction = Some((redaction, target));
        self
    }

    /// Tells the engine's versions within these.
    #[must_use]
    pub fn telling(mut self, versions: Bounds) -> Filter {
        self.versions = Some(versions);
        self
    }

    /// Has the scope remember an image of this name, if the engine pulls it.
    #[must_use]
    pub fn remembering(mut self, scope: Arc<Scope>, name: String) -> Filter {
        self.pulled = Some(Pulled::new(scope, vec![name], 200));
        self
    }

    /// Has the scope remember these again, if the engine says that they are in use and stay.
    #[must_use]
    pub fn restoring(mut self, scope: Arc<Scope>, names: Vec<String>) -> Filter {
        if !names.is_empty() {
            self.pulled = Some(Pulled::new(scope, names, 409));
        }
        self
    }

    /// Keeps others from giving these names while it is there.
    #[must_use]
    pub fn giving(mut self, names: Vec<Giving>) -> Filter {
        self.giving = names;
        self
    }

    /// Takes note of the status. An engine that cannot get an image says so before it says anything else,
    /// so that nobody lays claim to what others pull later.
    pub fn begins(&self, status: u16) {
        let pulled = self.pulled.iter().filter(|pulled| pulled.by == status);
        for Pulled {
            scope, names, host, ..
        } in pulled
        {
            names.iter().for_each(|name| scope.pulls(name, *host));
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.passes_all() && self.pulled.is_none() && self.giving.is_empty()
    }

    /// Whether all passes as it is.
    pub fn passes_all(&self) -> bool {
        !self.removes() && self.aliases.is_empty()
    }

    /// Whether something is removed, rather than put back.
    fn removes(&self) -> bool {
        self.tokens || self.seen.is_some() || self.redaction.is_some() || self.versions.is_some()
    }

    /// `DENY_ROOT removes the join tokens from it`
    pub fn told(&self) -> &'static str {
        match self {
            Filter { tokens: true, .. } => "DENY_ROOT removes the join tokens from it",
            Filter {
                seen: Some(seen), ..
            } if seen.sight.is_scoped() => "SCOPE removes what is out of scope from it",
            Filter { seen: Some(_), .. } => "a labelFilter removes what it hides from it",
            Filter {
                redaction: Some(_), ..
            } => "REDACT removes values from it",
            Filter {
                versions: Some(_), ..
            } => "API_VERSION_MIN and API_VERSION_MAX change the versions in it",
            _ => "SCOPE puts a name back into it",
        }
    }

    /// How an answer with this status is read.
    ///
    /// # Errors
    /// No engine gives such an answer.
    pub fn reads(&self, status: u16) -> Result<Reads, Unfiltered> {
        let redaction = self.redaction.as_ref();
        match (&self.seen, status) {
            (Some(seen), 200) if seen.answered == Answered::Events => Ok(Reads::Records),
            (_, 200) if redaction.is_some_and(|(_, target)| Redaction::of_records(target)) => {
                Ok(Reads::Records)
            }
            _ if !self.removes() => Ok(Reads::Whole(MOST_OF_ERROR)),
            (_, 200 | 201) => Ok(Reads::Whole(MOST)),
            (_, 204 | 304 | 400..=599) => Ok(Reads::Whole(MOST_OF_ERROR)),
            _ => Err(Unfiltered::Status(status)),
        }
    }

    /// What is left of records as they arrive.
    pub fn records(self) -> Records {
        Records::new(self.seen.map(|seen| seen.sight), self.redaction)
    }

    /// What is left of an answer that was read as a whole.
    ///
    /// # Errors
    /// It cannot be read in one way only.
    pub fn whole(&self, status: u16, bytes: Vec<u8>) -> Result<Left, Unfiltered> {
        let as_it_is = |body| Left {
            status,
            body,
            is_json: false,
        };
        let left = match status {
            _ if !self.removes() => as_it_is(bytes),
            200 | 201 => self.left(status, bytes)?,
            204 | 304 if bytes.is_empty() => as_it_is(bytes),
            400..=599 => self.error(status, &bytes)?,
            _ => return Err(Unfiltered::Status(status)),
        };
        Ok(Left {
            body: alias::put_back(&self.aliases, left.body),
            ..left
        })
    }

    /// What is left of what was asked for.
    fn left(&self, status: u16, bytes: Vec<u8>) -> Result<Left, Unfiltered> {
        let left = match &self.seen {
            Some(seen) => seen.left(status, bytes)?,
            None => Left {
                status,
                body: bytes,
                is_json: true,
            },
        };
        let is_as_left = !self.tokens && self.redaction.is_none() && self.versions.is_none();
        if left.status != status || is_as_left {
            return Ok(left);
        }
        let mut tree = match self.tokens {
            true => read(&left.body, Field(Some(JOIN_TOKENS)))?,
            false => read(&left.body, Untyped)?,
        };
        if self.tokens
            && let Some(swarm) = tree.object_mut()
        {
            swarm.remove(JOIN_TOKENS);
        }
        if let Some((redaction, target)) = &self.redaction {
            redaction
                .apply(target, &mut tree)
                .map_err(Unfiltered::Odd)?;
        }
        if let Some(versions) = self.versions {
            versions.tell(&mut tree);
        }
        Ok(Left {
            status,
            body: tree.to_json().into_bytes(),
            is_json: true,
        })
    }

    /// The message of an error, and nothing else of it.
    fn error(&self, status: u16, bytes: &[u8]) -> Result<Left, Unfiltered> {
        if bytes.len() > MOST_OF_ERROR {
            return Err(Unfiltered::Unread(json::Refusal::TooLarge(MOST_OF_ERROR)));
        }
        let is_hidden = self.redaction.is_some() && status != 404;
        // Before API 1.24, it is plain text.
        if let (Some(seen), Ok(text)) = (&self.seen, str::from_utf8(bytes))
            && !is_hidden
            && !text.trim_start().starts_with(['{', '[', '"'])
            && !text.trim().is_empty()
        {
            return Ok(Left {
                status,
                body: seen.error(text.to_owned()).into_bytes(),
                is_json: false,
            });
        }
        let tree = read(bytes, Field(Some(MESSAGE)))?;
        let message = tree.at(MESSAGE).as_str().ok_or(Unfiltered::NoMessage)?;
        let message = match &self.seen {
            // The engine quotes what it stumbles over: of a command line, of a mount.
            _ if is_hidden => PLACEHOLDER.to_owned(),
            Some(seen) => seen.error(message.to_owned()),
            None => message.to_owned(),
        };
        let mut error = Object::default();
        error.set(MESSAGE, message);
        Ok(Left {
            status,
            body: Value::from(error).to_json().into_bytes(),
            is_json: true,
        })
    }
}

/// An answer, read as strictly as a body.
fn read(bytes: &[u8], shape: impl Shape) -> Result<Value, Unfiltered> {
    let limits = Limits {
        bytes: MOST,
        values: VALUES,
    };
    json::read(bytes, limits, shape).map_err(Unfiltered::Unread)
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
