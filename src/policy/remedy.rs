//! What keeps a request from being allowed, and what would allow it, as data.
//!
//! A [`Remedy`] is built together with the policy, text included, so a denied request costs a
//! pointer. The 403, the log and `explain` show its text; `learn` and `presets` read its
//! alternatives. A new reason to deny is a new [`Obstacle`], with its words in [`explain`].

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::explain;
use super::notation::Notation;
use super::rule::{Condition, Grant};
use crate::api::Method;

/// Everything that is in the way of a denied request, in the order in which to clear it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Remedy {
    /// What the rules say, if allowlists were consulted too.
    rules: Option<Arc<Remedy>>,
    obstacles: Vec<Obstacle>,
    text: Box<str>,
}

/// One thing in the way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// These denies are set. If they are the only obstacle, it is allowed without them.
    Denied(Vec<Arc<str>>),
    /// A rule that is in force allows it only under conditions that are not met.
    Limited {
        /// The rule.
        origin: Arc<str>,
        /// The conditions that are not met.
        failed: Vec<Condition>,
    },
    /// No grant allows it. Each of these would, the smallest first.
    NotGranted(Vec<Alternative>),
    /// No section or action covers it. What else can allow it, unless something denies it.
    Uncovered(Option<Lists>),
    /// No section or action covers it because of its version.
    Version(BadVersion),
    /// An allowlist does not match it.
    Unmatched {
        /// What could: `SP_ALLOW_POST pattern`.
        what: Arc<str>,
        /// Why nothing matches.
        miss: Miss,
    },
    /// It does not meet a term.
    Unmet(Unmet),
    /// No policy holds for the client.
    NoPolicy,
    /// The client chose a policy that it may not choose.
    NoChoice,
    /// The labels that should make a list for the client's container are wrong.
    Labels(Box<str>),
    /// The Docker API has no such method.
    UnknownMethod,
}

/// Why a request does not meet its terms.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Unmet {
    /// It asks for more than the term of this variable lets pass.
    Excess(&'static str, Vec<Excess>),
    /// It cannot be judged by the term of this variable, because it cannot be read in one way only.
    Unreadable(&'static str, Box<str>),
    /// It breaks rules in CEL.
    Broken(Vec<Broken>),
}

/// A rule in CEL that a request breaks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Broken {
    /// Its variable: `RULE_MEMORY`.
    pub rule: Arc<str>,
    /// What it tells clients, and what was wrong if it could not be evaluated.
    pub why: Box<str>,
}

/// One thing that a request asks for too much.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Excess {
    /// In what it stands, if not in the request: `container web`.
    pub of: Option<Box<str>>,
    /// Where: `HostConfig.Binds[0]`.
    pub place: Box<str>,
    /// What is there; empty if nothing is.
    pub value: Box<str>,
    /// What is wrong with it: `reaches the host's files`.
    pub why: Box<str>,
    /// The limit that does not allow it, which `why` names.
    pub by: Option<&'static str>,
}

/// Grants that would allow a request together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alternative {
    /// What must be granted; never empty.
    pub grants: Vec<Grant>,
}

/// Which allowlists can allow a request that the rules do not cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lists {
    /// The request's method, which is in a pattern's name.
    pub method: Method,
    /// Whether a pattern can: they match ASCII paths.
    pub pattern: bool,
    /// Whether a profile line can: they match only what has a single spelling.
    pub line: bool,
}

/// What is wrong with an API version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadVersion {
    /// It is not one.
    Odd,
    /// It follows another one.
    Second,
}

/// Why nothing in an allowlist matches a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Miss {
    /// Its path, as verdicts show it.
    Path(Box<str>),
    /// Bytes that are not ASCII.
    NotAscii,
    /// Its target. It is not shown, since the query may hold a secret.
    Target,
    /// A form body.
    Form,
    /// A path that has more than one spelling.
    Escapes,
}

impl Remedy {
    pub(super) fn new(obstacles: Vec<Obstacle>) -> Remedy {
        let text = explain::obstacles(&obstacles, Notation::default()).into();
        Remedy {
            rules: None,
            obstacles,
            text,
        }
    }

    /// A mistake in the labels of a client's container is in the way.
    pub fn of_labels(wrong: &str) -> Remedy {
        Remedy::new(vec![Obstacle::Labels(wrong.into())])
    }

    /// The same, as it is written in another place.
    pub(super) fn written(&self, notation: Notation) -> Remedy {
        Remedy {
            text: explain::obstacles(&self.obstacles, notation).into(),
            ..self.clone()
        }
    }

    /// With more in the way than the rules say: allowlists, which are written in one way.
    pub(super) fn besides(rules: Option<&Arc<Remedy>>, obstacles: Vec<Obstacle>) -> Remedy {
        let mut text = rules.map_or(String::new(), |rules| format!("{}; ", rules.text));
        text += &explain::obstacles(&obstacles, Notation::default());
        Remedy {
            rules: rules.cloned(),
            obstacles,
            text: text.into(),
        }
    }

    /// What is in the way, in order.
    pub fn obstacles(&self) -> impl Iterator<Item = &Obstacle> {
        let rules = self.rules.iter().flat_map(|rules| &rules.obstacles);
        rules.chain(&self.obstacles)
    }

    /// The sets of grants that would each allow the request, once nothing denies it.
    pub fn alternatives(&self) -> &[Alternative] {
        let not_granted = self.obstacles().find_map(|obstacle| match obstacle {
            Obstacle::NotGranted(alternatives) => Some(&**alternatives),
            _ => None,
        });
        not_granted.unwrap_or_default()
    }

    /// Whether the request is at fault, not what it asks for.
    pub fn is_unreadable(&self) -> bool {
        let mut obstacles = self.obstacles();
        obstacles.any(|one| matches!(one, Obstacle::Unmet(Unmet::Unreadable(..))))
    }

    /// One sentence: `set CONTAINERS=1 and POST=1`.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Alternative {
    /// The variables to set.
    pub fn variables(&self) -> impl Iterator<Item = &str> + Clone {
        self.grants.iter().map(|grant| &*grant.variable)
    }

    /// The variables whose defaults it also grants.
    pub fn brings(&self) -> BTreeSet<&'static str> {
        let brings = self.grants.iter().flat_map(|grant| &grant.brings).copied();
        let own = |name: &&str| self.variables().any(|variable| variable == *name);
        brings.filter(|name| !own(name)).collect()
    }

    /// Whether one of its variables was set to grant but was misread.
    pub fn is_misread(&self) -> bool {
        self.grants.iter().any(|grant| grant.misread.is_some())
    }

    /// The alternatives worth showing: those with misread values; otherwise those that grant no
    /// more than was requested; otherwise all.
    pub(super) fn shown(all: &[Alternative]) -> impl Iterator<Item = &Alternative> {
        let is_wide = |one: &Alternative| one.grants.iter().any(|grant| !grant.brings.is_empty());
        let rank = move |one: &Alternative| (!one.is_misread(), !one.is_misread() && is_wide(one));
        let best = all.iter().map(rank).min();
        all.iter().filter(move |one| Some(rank(one)) == best)
    }
}
