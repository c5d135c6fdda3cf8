//! From a verdict to what may be forwarded: `Permit → Passage → Cleared`.
//!
//! Only the policy makes a [`Permit`], only a permit whose terms are met makes a [`Cleared`], and
//! only a `Cleared` is sent, once. It holds everything that changes what the engine understands,
//! exactly as it was decided on, so there is no second version that could be sent instead.

use std::sync::Arc;

use super::rule::Body;
use super::verdict::Denial;
use crate::api::sections::UNREAD;
use crate::api::{Framing, Message, Target};

/// The right to forward one request, once its terms are met.
#[derive(Debug)]
pub struct Permit {
    target: Target,
    message: Message,
    origin: Arc<str>,
    terms: Option<Terms>,
}

impl Permit {
    pub(super) fn new(
        target: Target,
        message: Message,
        origin: Arc<str>,
        terms: Option<Terms>,
    ) -> Permit {
        Permit {
            message: message.at(&target),
            target,
            origin,
            terms,
        }
    }

    /// What may be forwarded.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The rest of what was decided on.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The rule that allowed it (`CONTAINERS`, `ALLOW_START`), or the variable that suspends the
    /// policy.
    pub fn origin(&self) -> &Arc<str> {
        &self.origin
    }

    /// How its terms are met. Without any, its body is streamed.
    pub fn passage(self) -> Passage {
        let Permit {
            target,
            message,
            terms,
            ..
        } = self;
        match terms.as_ref().and_then(|terms| terms.0.first()) {
            None => Passage::Stream(Cleared { target, message }),
            Some(term) => match *term {},
        }
    }
}

/// What an allow requires besides. There is none yet; each will be a variant that says which
/// passage it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {}

/// The terms at one end of the tree, or of a request: at least one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Terms(Arc<[Term]>);

impl Terms {
    /// All of these, if there are any.
    pub(super) fn all(terms: impl Iterator<Item = Term>) -> Option<Terms> {
        let terms: Arc<[Term]> = terms.collect();
        (!terms.is_empty()).then_some(Terms(terms))
    }

    /// The terms of both.
    pub(super) fn and(&self, others: &Terms) -> Terms {
        Terms(self.0.iter().chain(&*others.0).copied().collect())
    }
}

/// How a request passes.
#[derive(Debug)]
#[must_use]
pub enum Passage {
    /// As it arrives.
    Stream(Cleared),
    /// After its whole body has been read and judged.
    Inspect(Inspection),
    /// While its tar stream is inspected.
    Watch(TarWatch),
}

/// What is forwarded: a target, and the message that was decided on with it.
#[derive(Debug)]
pub struct Cleared {
    target: Target,
    message: Message,
}

impl Cleared {
    /// The request line.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Framing, content type and protocol.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Both, to be sent.
    pub fn into_parts(self) -> (Target, Message) {
        (self.target, self.message)
    }
}

/// A request whose body must be read first: `parse → needs → judge`. No term needs it yet.
#[derive(Debug)]
pub enum Inspection {}

impl Inspection {
    /// Reads the body as the engine would, or refuses it.
    pub fn parse(self, _body: &[u8]) -> Result<Asked, Denial> {
        match self {}
    }
}

/// What a body asks for.
#[derive(Debug)]
pub enum Asked {}

impl Asked {
    /// What the engine must be asked before it can be judged.
    pub fn needs(&self) -> &[Fact] {
        match *self {}
    }

    /// Judges it by the engine's answers.
    pub fn judge(self, _facts: &[Fact]) -> Judged {
        match self {}
    }
}

/// What a term must know from the engine.
#[derive(Debug)]
pub enum Fact {}

/// The result of an inspection. What was judged is what is sent: the body comes with the clearance.
#[derive(Debug)]
#[must_use]
pub enum Judged {
    /// Forward it.
    Clear(Cleared, Vec<u8>),
    /// Forward it and log what would have been answered, since nothing is being protected.
    WouldDeny(Cleared, Vec<u8>, Denial),
    /// Answer 403.
    Deny(Denial),
}

/// Inspects a tar stream as it passes, and can end it. No term needs it yet.
#[derive(Debug)]
pub enum TarWatch {}

impl From<&Message> for Body {
    fn from(message: &Message) -> Body {
        Body::of(message.length(), message.is_form())
    }
}

/// One message of each kind, for requests without a head: `explain`, and tests.
impl From<Body> for Message {
    fn from(body: Body) -> Message {
        let message = Message::new(match body {
            Body::Empty => Framing::Empty,
            Body::Short | Body::ShortForm => Framing::Sized(UNREAD),
            Body::Form | Body::Other => Framing::Chunked,
        });
        match body.is_form() {
            true => message.into_form(),
            false => message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_is_part_of_what_is_allowed_only_where_the_engine_serves_it() {
        for (line, protocol, is_served) in [
            ("/containers/c/attach", "tcp", true),
            ("/containers/c/attach", "TCP", true),
            ("/containers/c/attach", "websocket", false),
            ("/containers/json", "tcp", false),
        ] {
            let target = Target::from_line("POST", line).expect("a target");
            let asked = http::HeaderValue::from_static(protocol);
            let message = Message::new(Framing::Empty).with_upgrade(asked.clone());
            let permit = Permit::new(target, message, "X".into(), None);
            let Passage::Stream(cleared) = permit.passage();
            let settled = cleared.message().upgrade();
            assert_eq!(settled, is_served.then_some(&asked), "{line} {protocol}");
        }
    }

    #[test]
    fn every_kind_of_body_has_a_message() {
        for body in Body::ALL {
            assert_eq!(Body::from(&Message::from(body)), body);
        }
    }
}
