//! From a verdict to what may be forwarded: `Permit → Passage → Cleared`.
//!
//! Only the policy makes a [`Permit`]; only a permit whose terms are met makes a [`Cleared`]; only a
//! `Cleared` is sent, once. It holds all that changes what the engine understands of a request, as it
//! was decided on, so that there is no second truth to send instead.

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

    /// What else of it was decided on.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The rule that allowed it: `CONTAINERS`, `ALLOW_START`; or what lets it pass in spite of all.
    pub fn origin(&self) -> &Arc<str> {
        &self.origin
    }

    /// How its terms are met. Without any, its body passes as it comes.
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

/// What an allow demands besides. There is none yet: each that comes is a variant, and says which
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

    /// Those of both.
    pub(super) fn and(&self, others: &Terms) -> Terms {
        Terms(self.0.iter().chain(&*others.0).copied().collect())
    }
}

/// How a request passes.
#[derive(Debug)]
#[must_use]
pub enum Passage {
    /// As it comes.
    Stream(Cleared),
    /// After its whole body was read and judged.
    Inspect(Inspection),
    /// While its tar stream is looked at.
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

/// A request whose body has to be read first: `parse → needs → judge`. No term asks for it yet.
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
    /// What has to be asked of the engine before it can be judged.
    pub fn needs(&self) -> &[Fact] {
        match *self {}
    }

    /// Judges it by what the engine answered.
    pub fn judge(self, _facts: &[Fact]) -> Judged {
        match self {}
    }
}

/// What a term has to know of the engine.
#[derive(Debug)]
pub enum Fact {}

/// What became of an inspection. What was judged is what is sent: a body comes with its clearance.
#[derive(Debug)]
#[must_use]
pub enum Judged {
    /// Forward it.
    Clear(Cleared, Vec<u8>),
    /// Forward it and say what would have been answered, since nothing is being protected.
    WouldDeny(Cleared, Vec<u8>, Denial),
    /// Answer 403.
    Deny(Denial),
}

/// Looks into a tar stream as it goes by, and can end it. No term asks for it yet.
#[derive(Debug)]
pub enum TarWatch {}

impl From<&Message> for Body {
    fn from(message: &Message) -> Body {
        Body::of(message.length(), message.is_form())
    }
}

/// One message of each kind, for those that have no head: `explain`, and tests.
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
