//! From a verdict to what may be forwarded: `Permit → Passage → Cleared`.
//!
//! Only the policy makes a [`Permit`], only a permit whose terms are met makes a [`Cleared`], and
//! only a `Cleared` is sent, once. It holds everything that changes what the engine understands,
//! exactly as it was decided on, so there is no second version that could be sent instead.
//!
//! Terms are data here. What judges them is a layer above, which alone can make the [proof](Met)
//! that they are met.

use std::fmt::Debug;
use std::sync::Arc;

use super::remedy::{Obstacle, Remedy, Unmet};
use super::rule::Body;
use super::verdict::Denial;
use crate::api::sections::{Check, Role, UNREAD};
use crate::api::{Framing, Message, Target};

/// The right to forward one request, once its terms are met.
#[derive(Debug)]
pub struct Permit {
    target: Target,
    message: Message,
    origin: Arc<str>,
    demand: Option<Box<Demand>>,
}

/// The terms of a request, and what becomes of one that does not meet them.
#[derive(Debug)]
pub(super) struct Demand {
    pub(super) terms: Terms,
    /// Whether it is forwarded nevertheless, since nothing is being protected.
    pub(super) waived: bool,
    /// The policy, if it has a name.
    pub(super) policy: Option<Arc<str>>,
}

impl Permit {
    pub(super) fn new(
        target: Target,
        message: Message,
        origin: Arc<str>,
        demand: Option<Box<Demand>>,
    ) -> Permit {
        Permit {
            message: message.at(&target),
            target,
            origin,
            demand,
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

    /// What it must meet besides.
    pub fn terms(&self) -> &[Term] {
        self.demand.as_ref().map_or(&[], |demand| &demand.terms.0)
    }

    /// How its terms are met. Without any, its body is streamed.
    pub fn passage(self) -> Passage {
        let Permit {
            target,
            message,
            demand,
            ..
        } = self;
        let cleared = Cleared {
            target,
            message,
            content: Content::AsSent,
            filter: None,
        };
        match demand {
            None => Passage::Stream(cleared),
            Some(demand) => Passage::Inspect(Inspection { cleared, demand }),
        }
    }
}

/// What an allow requires besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    /// That what is looked at gives no control of the host or of another container.
    DenyRoot(Check),
    /// That it asks for nothing beyond the limits that are set.
    Limits(Check),
    /// That mutators have changed it and no gate refuses it.
    Middleware,
    /// That the rule in CEL of this number holds.
    Rule(u16),
    /// That what is looked at is in the policy's scope.
    Scope(Role),
    /// That what is looked at has the labels by which a `labelFilter` shows it.
    LabelFilter(Role),
    /// That it neither sets nor takes away a label that dockgate alone sets.
    Reserved,
    /// That its answer is redacted.
    Redact,
    /// That it does not bring back what was redacted before.
    Placeholder,
    /// That it is what the older version of the API meant that it was raised from.
    Older,
    /// That its answer tells the versions of the API within the bounds.
    Versions,
}

impl Term {
    /// What sets it.
    pub fn variable(self) -> &'static str {
        match self {
            Term::DenyRoot(_) => "DENY_ROOT",
            Term::Limits(_) => "the limits",
            Term::Middleware => "a gate or mutator",
            Term::Rule(_) => "a rule",
            Term::Scope(_) | Term::Reserved => "SCOPE",
            Term::LabelFilter(_) => "a labelFilter",
            Term::Redact | Term::Placeholder => "REDACT",
            Term::Older | Term::Versions => "API_VERSION_MIN",
        }
    }

    /// Whether it changes a request or its answer, and is not about what may be asked for.
    pub fn only_changes(self) -> bool {
        matches!(self, Term::Middleware | Term::Older | Term::Versions)
    }

    /// What it removes from the answer, if it does: then no answer passes without a filter.
    pub fn removes(self) -> Option<&'static str> {
        match self {
            Term::DenyRoot(Check::JoinTokens) => Some("the join tokens"),
            Term::Scope(Role::List | Role::Events | Role::Info | Role::Usage) => {
                Some("what is out of scope")
            }
            Term::LabelFilter(Role::List) => Some("what it hides"),
            Term::Redact => Some("values that clients must not see"),
            Term::DenyRoot(_)
            | Term::Limits(_)
            | Term::Middleware
            | Term::Rule(_)
            | Term::Scope(_)
            | Term::LabelFilter(_)
            | Term::Reserved
            | Term::Placeholder
            | Term::Older
            | Term::Versions => None,
        }
    }
}

/// The terms at one end of the tree, or of a request: at least one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Terms(Arc<[Term]>);

impl Terms {
    /// All of these, if there are any.
    pub(super) fn all(terms: impl Iterator<Item = Term>) -> Option<Terms> {
        let terms: Arc<[Term]> = terms.collect();
        (!terms.is_empty()).then_some(Terms(terms))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Term> {
        self.0.iter()
    }

    /// Those that change what is forwarded.
    pub(super) fn changing(&self) -> Option<Terms> {
        let changes = |term: &&Term| term.only_changes();
        Terms::all(self.iter().filter(changes).copied())
    }

    /// These, if any, and one more.
    pub(super) fn with(own: Option<Terms>, more: Term) -> Terms {
        let own = own.iter().flat_map(Terms::iter).copied();
        Terms(own.chain([more]).collect())
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
    /// After its terms have been judged.
    Inspect(Inspection),
}

/// What is forwarded: a target, the message that was decided on with it, and its body, if that was
/// judged; and how its answer passes.
#[derive(Debug)]
pub struct Cleared {
    target: Target,
    message: Message,
    content: Content,
    filter: Option<Box<Filter>>,
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

    /// All of it, to be sent, and what the answer must pass.
    pub fn into_parts(self) -> (Target, Message, Content, Option<Box<Filter>>) {
        (self.target, self.message, self.content, self.filter)
    }

    /// With this in place of what was sent.
    fn written(self, written: Written) -> Cleared {
        let target = written.target.unwrap_or(self.target);
        let filter = written.filter;
        match written.body {
            None => Cleared {
                target,
                filter,
                ..self
            },
            Some(body) => Cleared {
                target,
                message: self.message.into_json(body.len()),
                content: Content::Whole(body),
                filter,
            },
        }
    }
}

/// Where the proof comes from that terms are met. The layer that judges them implements it for
/// [`Terms`], and only it can make such a proof. A second implementation is impossible, so this
/// guards the law without a lower layer that names a higher one.
pub trait Met {
    /// The proof: what was judged, as it is to be forwarded.
    type Proof: Into<Written>;
    /// What clients do not get of the engine's answer.
    type Filter: Debug + Send;
}

/// What clients do not get of the engine's answer.
pub type Filter = <Terms as Met>::Filter;

/// What is forwarded in place of what was sent.
#[derive(Debug, Default)]
pub struct Written {
    /// In place of the target.
    pub target: Option<Target>,
    /// In place of the body, as JSON.
    pub body: Option<Vec<u8>>,
    /// What the answer must pass.
    pub filter: Option<Box<Filter>>,
}

/// The body that follows a cleared head.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    /// The client's, as it is framed.
    AsSent,
    /// This one, which was judged.
    Whole(Vec<u8>),
}

/// A request whose terms are still to be met.
#[derive(Debug)]
pub struct Inspection {
    cleared: Cleared,
    demand: Box<Demand>,
}

impl Inspection {
    /// What is asked for.
    pub fn target(&self) -> &Target {
        &self.cleared.target
    }

    /// Framing, content type and protocol.
    pub fn message(&self) -> &Message {
        &self.cleared.message
    }

    /// What it must meet.
    pub fn terms(&self) -> &[Term] {
        &self.demand.terms.0
    }

    /// Whether it is forwarded even if it does not meet them, since nothing is being protected.
    pub fn is_waived(&self) -> bool {
        self.demand.waived
    }

    /// It meets them.
    pub fn meets(self, proof: <Terms as Met>::Proof) -> Judged {
        let written: Written = proof.into();
        let terms = &self.demand.terms.0;
        let removing = terms.iter().copied().find(|term| term.removes().is_some());
        match removing {
            // Whoever judges a request cannot forget what is hidden of its answer.
            Some(term) if written.filter.is_none() && !self.demand.waived => {
                let why = "what its response must not show cannot be removed";
                let unmet = Unmet::Unreadable(term.variable(), why.into());
                self.fails(unmet, Content::AsSent, Written::default())
            }
            _ => Judged::Clear(self.cleared.written(written)),
        }
    }

    /// It meets them as far as its head says. Its body is judged as it passes: whoever forwards it holds
    /// its end back until then.
    pub fn streams(self, proof: <Terms as Met>::Proof) -> (Cleared, Watched) {
        let watched = Watched {
            target: self.cleared.target.clone(),
            waived: self.demand.waived,
            policy: self.demand.policy,
        };
        (self.cleared.written(proof.into()), watched)
    }

    /// It does not meet them, for these reasons. `sent` is its body as it was sent. Where nothing is being
    /// protected, it is forwarded as mutators `edited` it.
    pub fn fails(self, unmet: Unmet, sent: Content, edited: Written) -> Judged {
        let remedy = Remedy::new(vec![Obstacle::Unmet(unmet)]).into();
        let denial = Denial::new(self.cleared.target.clone(), remedy, self.demand.policy);
        match self.demand.waived {
            true => {
                let cleared = Cleared {
                    content: sent,
                    ..self.cleared
                };
                Judged::WouldDeny(cleared.written(edited), denial)
            }
            false => Judged::Deny(denial),
        }
    }
}

/// A request that is on its way, and whose body is still to be judged.
#[derive(Debug)]
pub struct Watched {
    target: Target,
    waived: bool,
    policy: Option<Arc<str>>,
}

impl Watched {
    /// Whether it is forwarded whatever comes of it, since nothing is being protected.
    pub fn is_waived(&self) -> bool {
        self.waived
    }

    /// It does not meet its terms, for these reasons.
    pub fn denies(&self, unmet: Unmet) -> Denial {
        let remedy = Remedy::new(vec![Obstacle::Unmet(unmet)]).into();
        Denial::new(self.target.clone(), remedy, self.policy.clone())
    }
}

/// The result of an inspection.
#[derive(Debug)]
#[must_use]
pub enum Judged {
    /// Forward it.
    Clear(Cleared),
    /// Forward it and log what would have been answered, since nothing is being protected.
    WouldDeny(Cleared, Denial),
    /// Answer with the denial.
    Deny(Denial),
}

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
            let Passage::Stream(cleared) = permit.passage() else {
                panic!("it has no terms");
            };
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
