//! What clients requested, and the smallest grants that would have allowed all of it.
//!
//! Nothing here knows what a grant means: a policy that grants nothing is asked which sets of
//! variables would allow a request. Only the kind of a request is kept: method, route, and those
//! sets. Names of containers, images and so on are not kept, except what a limit would have to list.
//! Paths that match no route of `sections.toml` are kept, up to a limit.

mod limits;
mod print;
mod ways;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::{Message, Method, Target};
use crate::body::demands::Demands;
use crate::body::inspection::{Survey, Want, edited};
use crate::policy::{Alternative, Body, is_literal};
use limits::{Depends, Root, Wanted};
pub use print::Home;
pub use ways::Ways;
use ways::{Places, Presets};

/// The most kinds of requests that are kept on paths outside the table. The table's own routes
/// limit the others.
const MOST_OTHERS: usize = 256;
/// The longest such path that is kept.
const LONGEST_OTHER: usize = 256;

/// Learns from requests, and reports what it learned.
#[derive(Debug)]
pub struct Learner {
    table: Arc<Table>,
    seen: Mutex<Seen>,
}

/// All that there is to grant.
#[derive(Debug)]
struct Table {
    places: Places,
    ways: Ways,
    presets: Presets,
    root: Root,
}

#[derive(Debug, Default)]
struct Seen {
    kinds: BTreeMap<Kind, Traits>,
    requests: u64,
    /// Requests of kinds that were not kept.
    left_out: u64,
    /// What limits would have to list.
    wanted: Wanted,
}

/// What grants and patterns can distinguish.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    place: Place,
    method: Method,
    /// What would allow it, the least first.
    ways: Vec<Alternative>,
    /// The presets that allow it, as indexes of the table.
    presets: Vec<usize>,
}

/// A request's path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// A path of the table: `/containers/{id}/start`.
    Known(&'static str),
    /// Any other path, decoded and without its version.
    Other(Vec<u8>),
}

/// What else patterns depend on, for the requests of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Traits {
    /// Some had a query.
    query: bool,
    /// Some had a path without escapes.
    plain: bool,
    /// Some had a path with escapes for bytes that may need them, such as `%40`.
    escaped: bool,
    /// Some had what no profile line matches: unnecessary escapes, such as `%2F` and `%61`, or a
    /// form.
    unfit: bool,
}

impl Learner {
    /// A learner that has seen no request.
    #[expect(
        clippy::new_without_default,
        reason = "it compiles policies of all grants there are"
    )]
    pub fn new() -> Learner {
        let table = Table {
            places: Places::of_table(),
            ways: Ways::of_table(),
            presets: Presets::of_table(),
            root: Root::of_table(),
        };
        Learner {
            table: Arc::new(table),
            seen: Mutex::default(),
        }
    }

    /// Another one that has seen no request, for little.
    #[must_use]
    pub fn another(&self) -> Learner {
        Learner {
            table: Arc::clone(&self.table),
            seen: Mutex::default(),
        }
    }

    /// Learns from a request that was forwarded, or should have been.
    pub fn saw(&self, target: &Target, body: Body) {
        let Some(method) = target.method() else {
            return;
        };
        let place = self.table.place(target);
        let ways = self.table.ways.that_allow(target, body).to_vec();
        let presets = self.table.presets.that_allow(target, body);
        let traits = Traits::of(target, body);
        self.with(|seen| {
            seen.requests += 1;
            let kind = Kind {
                place,
                method,
                ways,
                presets,
            };
            if let Some(known) = seen.kinds.get_mut(&kind) {
                known.add(traits);
            } else if seen.has_room_for(&kind.place) {
                seen.kinds.insert(kind, traits);
            } else {
                seen.left_out += 1;
            }
        });
    }

    /// How to learn which limits a request wants under `DENY_ROOT`, if it depends on any. They see what
    /// the policy's mutators make of it.
    pub fn surveys(&self, target: &Target, message: &Message, demands: &Demands) -> Option<Survey> {
        let images = match edited(target, demands) {
            Ok(target) => limits::images(&target),
            Err(want) => vec![want],
        };
        if !images.is_empty() {
            self.wants(target, images);
        }
        match self.table.root.depends(target, message) {
            Depends::Nothing => None,
            Depends::Terms(inspection) => {
                let known = self.with(|seen| seen.wanted.needed());
                Some(Survey::begin(inspection, known, demands))
            }
            Depends::Refused(why) => {
                self.wants(target, vec![Want::Refused(why)]);
                None
            }
        }
    }

    /// Learns what a request wants of limits.
    pub fn wants(&self, target: &Target, wants: Vec<Want>) {
        let Some(method) = target.method() else {
            return;
        };
        let request = print::readable(method, &self.table.place(target));
        self.with(|seen| seen.wanted.add(&request, wants));
    }

    /// Whether a body would change which grants allow such a request.
    pub fn minds_body(&self, target: &Target) -> bool {
        let ways = |body| self.table.ways.that_allow(target, body);
        ways(Body::Empty) != ways(Body::Other)
    }

    /// What was learned, in several forms, each ready to paste. `more` is appended to the first
    /// line.
    pub fn report(&self, home: Home<'_>, more: &str) -> String {
        self.with(|seen| print::report(seen, home, more))
    }

    fn with<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Table {
    fn place(&self, target: &Target) -> Place {
        match self.places.find(target) {
            Some(path) => Place::Known(path),
            None => Place::Other(target.path().to_owned()),
        }
    }
}

impl Seen {
    fn has_room_for(&self, place: &Place) -> bool {
        let others = || {
            let places = self.kinds.keys().map(|kind| &kind.place);
            places.filter(|place| matches!(place, Place::Other(_)))
        };
        match place {
            Place::Known(_) => true,
            Place::Other(path) => path.len() <= LONGEST_OTHER && others().count() < MOST_OTHERS,
        }
    }
}

impl Traits {
    fn of(target: &Target, body: Body) -> Traits {
        let unfit = body.is_form() || !is_literal(target);
        let escaped = target.path_and_query().path().contains('%');
        Traits {
            query: target.query().is_some(),
            plain: !escaped && !unfit,
            escaped: escaped && !unfit,
            unfit,
        }
    }

    fn add(&mut self, more: Traits) {
        self.query |= more.query;
        self.plain |= more.plain;
        self.escaped |= more.escaped;
        self.unfit |= more.unfit;
    }
}
