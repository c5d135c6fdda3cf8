//! What every dialect is lowered to: rules. A rule is methods and path patterns, an effect and an
//! origin.
//!
//! A rule that lacks a grant is not in force; it is kept to say what would grant a request. So the
//! verdict, the text of the 403 and `explain` come from the same rules.

use std::sync::Arc;

use super::clearance::Term;
use crate::api::sections::UNREAD;
use crate::api::{self, Methods, Target, query};

/// The first path segment of Podman's own API, next to Docker's.
pub const LIBPOD: &str = "libpod";

/// Methods, paths, effect and origin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// The rule's name in verdicts: `CONTAINERS`, `ALLOW_START`.
    pub origin: Arc<str>,
    /// What it does.
    pub effect: Effect,
    /// What it matches.
    pub matchers: Vec<Matcher>,
    /// What else must be true of a request.
    pub when: Vec<Condition>,
    /// What must be granted for it to be in force; empty if it is.
    pub missing: Vec<Grant>,
    /// Where it needs one more grant to be in force.
    pub requirements: Vec<Requirement>,
}

impl Rule {
    /// Whether it matches whole trees of paths, as a section does.
    pub(super) fn is_open(&self) -> bool {
        let mut matchers = self.matchers.iter();
        matchers.any(|matcher| matcher.pattern.segments.contains(&Segment::Rest))
    }
}

/// What a rule does to the requests that it matches. Deny beats allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Allows them.
    Allow,
    /// Denies them, whatever else allows them, and however an engine may spell a version.
    Deny,
    /// Requires a term of them, whatever allows them; matched as widely as a deny.
    Demand(Term),
}

impl Effect {
    /// The term that it requires.
    pub(super) fn term(self) -> Option<Term> {
        match self {
            Effect::Allow | Effect::Deny => None,
            Effect::Demand(term) => Some(term),
        }
    }
}

/// Methods on the paths of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Matcher {
    /// The methods.
    pub methods: Methods,
    /// The paths.
    pub pattern: Pattern,
}

impl Matcher {
    /// The pattern of an allow: `{id}` is exactly one segment, and a trailing slash does not match.
    pub fn narrow(route: &api::sections::Route) -> Matcher {
        Matcher::with(route, Slash::Never, |step| match step {
            api::sections::Step::Literal(literal) => Segment::Literal(literal.to_owned()),
            api::sections::Step::Id | api::sections::Step::One => Segment::One(Class::Id),
            api::sections::Step::Names => Segment::Run(Class::Name),
        })
    }

    /// The pattern of a deny or a requirement: a placeholder is any run of segments, as in the
    /// engine's own router, so that neither a name with a slash nor a trailing slash can slip past.
    pub fn wide(route: &api::sections::Route) -> Matcher {
        Matcher::with(route, Slash::Optional, |step| match step {
            api::sections::Step::Literal(literal) => Segment::Literal(literal.to_owned()),
            api::sections::Step::One => Segment::One(Class::Any),
            api::sections::Step::Id | api::sections::Step::Names => Segment::Run(Class::Any),
        })
    }

    /// The pattern of a deny: wide, and also without a name, which an engine may read as the prefix
    /// of the only name there is (`DELETE /plugins/`). A GET without a name is a list.
    pub fn denied(route: &api::sections::Route) -> impl Iterator<Item = Matcher> {
        use api::sections::Step::{Id, Names};
        let named = Matcher::wide(route);
        let unnamed = match route.steps {
            [steps @ .., Id | Names] if route.method != Some(api::Method::Get) => {
                let mut unnamed = named.clone();
                unnamed.pattern.segments.truncate(steps.len());
                unnamed.pattern.slash = Slash::Always;
                Some(unnamed)
            }
            _ => None,
        };
        [named].into_iter().chain(unnamed)
    }

    /// The same below `/libpod`, where Podman serves most of Docker's routes again.
    #[must_use]
    pub fn below_libpod(mut self) -> Matcher {
        let libpod = Segment::Literal(LIBPOD.to_owned());
        self.pattern.segments.insert(0, libpod);
        self
    }

    fn with(
        route: &api::sections::Route,
        slash: Slash,
        segment: fn(api::sections::Step) -> Segment,
    ) -> Matcher {
        let segments = route.steps.iter().copied().map(segment).collect();
        Matcher {
            methods: Methods::of(route.method),
            pattern: Pattern { segments, slash },
        }
    }
}

/// Where a rule is in force only with one more grant, or leaves a deny to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requirement {
    /// Where.
    pub matcher: Matcher,
    /// What must be granted.
    pub missing: Vec<Grant>,
}

/// A variable that must be 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant {
    /// Its name.
    pub variable: Arc<str>,
    /// Its value, if it was misread: `true`.
    pub misread: Option<Arc<str>>,
    /// What else setting it grants: variables whose defaults count only then.
    pub brings: Vec<&'static str>,
}

impl Grant {
    /// A variable that is simply not set.
    pub fn of(variable: impl Into<Arc<str>>) -> Grant {
        Grant {
            variable: variable.into(),
            misread: None,
            brings: Vec::new(),
        }
    }
}

/// A path pattern over whole decoded segments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    /// The segments.
    pub segments: Vec<Segment>,
    /// The trailing slash.
    pub slash: Slash,
}

impl Pattern {
    /// A path and everything below it: what a section governs.
    pub fn below(path: &str) -> Pattern {
        let segments = path.split('/').filter(|segment| !segment.is_empty());
        let literals = segments.map(|segment| Segment::Literal(segment.to_owned()));
        Pattern {
            segments: literals.chain([Segment::Rest]).collect(),
            slash: Slash::Optional,
        }
    }
}

/// One part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// Exactly this segment.
    Literal(String),
    /// One segment of that class.
    One(Class),
    /// One or more segments of that class.
    Run(Class),
    /// Any number of segments, of any bytes.
    Rest,
}

/// Which bytes a segment may hold; each class includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// `[a-zA-Z0-9_.-]`: a container's name or an id.
    Id,
    /// `[a-zA-Z0-9_.:@-]`: a part of an image's name as well.
    Name,
    /// Any byte of a target.
    Any,
}

impl Class {
    /// All, in their order.
    pub const ALL: [Class; 3] = [Class::Id, Class::Name, Class::Any];

    /// The narrowest class that contains the byte.
    pub(super) const fn of(byte: u8) -> Class {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' => Class::Id,
            b':' | b'@' => Class::Name,
            _ => Class::Any,
        }
    }
}

/// Whether a pattern matches a path that ends with a slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slash {
    /// Only without one.
    Never,
    /// With and without.
    Optional,
    /// Only with one.
    Always,
}

/// What else must be true of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// It has no body that an engine would read at a start.
    UnreadBody,
    /// Neither its query nor a body that the engine would read as one has a value for these keys.
    WithoutQuery(&'static [&'static str]),
}

/// A request's body, as far as a decision depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// No body.
    Empty,
    /// One with a known length, so short that the engine does not read it at a start
    /// ([`UNREAD`]).
    Short,
    /// Such a short one, and a form.
    ShortForm,
    /// A form, by its Content-Type: the engine prefers its values to those in the query.
    Form,
    /// Any other.
    Other,
}

impl Body {
    /// All kinds.
    pub const ALL: [Body; 5] = [
        Body::Empty,
        Body::Short,
        Body::ShortForm,
        Body::Form,
        Body::Other,
    ];

    /// A body of that length, if it has one and is not in chunks.
    pub fn of(length: Option<u64>, form: bool) -> Body {
        match (length, form) {
            (Some(0), _) => Body::Empty,
            (Some(1..=UNREAD), false) => Body::Short,
            (Some(1..=UNREAD), true) => Body::ShortForm,
            (_, true) => Body::Form,
            (_, false) => Body::Other,
        }
    }

    /// Whether its values override those in the query.
    pub fn is_form(self) -> bool {
        matches!(self, Body::ShortForm | Body::Form)
    }
}

impl Condition {
    pub(super) fn holds(&self, target: &Target, body: Body) -> bool {
        match self {
            Condition::UnreadBody => matches!(body, Body::Empty | Body::Short | Body::ShortForm),
            // A short form has no room for a key and a value; build/ checks the keys.
            Condition::WithoutQuery(_) if body == Body::Form => false,
            Condition::WithoutQuery(keys) => (target.query())
                .is_none_or(|query| !keys.iter().any(|key| query::has_value(query, key))),
        }
    }
}
