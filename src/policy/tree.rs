//! The decision tree: a deterministic automaton over path segments.
//!
//! Patterns are compiled by subset construction. A state is a set of places in patterns; its
//! alphabet is the literals that some pattern there waits for, and three classes for every other
//! segment. So a lookup is one pass over the path's bytes, whatever the path and however many the
//! patterns: no backtracking, no allocation.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::fmt;

use super::rule::{Class, Pattern, Segment, Slash};

/// A compiled set of patterns.
#[derive(Debug)]
pub(super) struct Tree {
    states: Vec<State>,
    /// The edges of all states; each state has a slice of them, sorted by [`order`].
    edges: Vec<Edge>,
}

#[derive(Debug)]
struct State {
    /// Its slice of the edges.
    edges: (usize, usize),
    /// Where a segment without an edge leads, by the or'ed [`CLASSES`] of its bytes.
    others: [usize; 4],
    /// The match set of a path that ends here.
    bare: usize,
    /// The match set of a path that ends here with a slash.
    slash: usize,
}

#[derive(Debug)]
struct Edge {
    literal: Box<[u8]>,
    to: usize,
}

/// The state from which nothing matches.
const DEAD: usize = 0;
const START: usize = 1;

/// An allow and a deny for every route of the API make 242 states with 7377 places.
const MAX_STATES: usize = 20_000;
const MAX_PLACES: usize = 2_000_000;

/// Rules whose tree would be too large to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooComplex;

impl fmt::Display for TooComplex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the rules are too many or too complex to compile; use fewer rules")
    }
}

impl std::error::Error for TooComplex {}

/// A place in a pattern: its index, and the number of segments done.
type Place = (usize, usize);

impl Tree {
    /// Compiles patterns. Also returns the match sets: sorted indexes of patterns, the first set
    /// empty.
    pub(super) fn new(patterns: &[&Pattern]) -> Result<(Tree, Vec<Vec<usize>>), TooComplex> {
        let start = close(
            patterns,
            patterns.iter().enumerate().map(|(index, _)| (index, 0)),
        );
        // The dead state has no places. It is first even if `start` is dead too.
        let mut sets = vec![Vec::new(), start.clone()];
        let mut ids = HashMap::from([(Vec::new(), DEAD)]);
        ids.entry(start).or_insert(START);
        let mut matches = vec![Vec::new()];
        let mut match_ids = HashMap::from([(Vec::new(), 0)]);
        let mut tree = Tree {
            states: Vec::new(),
            edges: Vec::new(),
        };
        let mut places = 0;
        while let Some(set) = sets.get(tree.states.len()).cloned() {
            places += set.len();
            if tree.states.len() >= MAX_STATES || places > MAX_PLACES {
                return Err(TooComplex);
            }
            let mut state_of = |set: Vec<Place>| {
                *ids.entry(set).or_insert_with_key(|set| {
                    sets.push(set.clone());
                    sets.len() - 1
                })
            };
            let others @ [id, name, any] =
                Class::ALL.map(|class| state_of(after(patterns, &set, None, class)));
            let first = tree.edges.len();
            let literals: BTreeSet<&str> = set
                .iter()
                .filter_map(|(index, done)| match patterns[*index].segments.get(*done) {
                    Some(Segment::Literal(literal)) => Some(literal.as_str()),
                    _ => None,
                })
                .collect();
            for literal in literals {
                let class = literal.bytes().map(Class::of).max().unwrap_or(Class::Id);
                let to = state_of(after(patterns, &set, Some(literal), class));
                // A literal that leads where the rest of its class does needs no edge.
                if to != others[class as usize] {
                    tree.edges.push(Edge {
                        literal: literal.as_bytes().into(),
                        to,
                    });
                }
            }
            tree.edges[first..].sort_by(|a, b| order(&a.literal, &b.literal));
            let mut match_of = |without: Slash| {
                let ended = set.iter().filter(|(index, done)| {
                    let pattern = patterns[*index];
                    *done == pattern.segments.len() && pattern.slash != without
                });
                let ended: Vec<usize> = ended.map(|(index, _)| *index).collect();
                *match_ids.entry(ended).or_insert_with_key(|ended| {
                    matches.push(ended.clone());
                    matches.len() - 1
                })
            };
            let (bare, slash) = (match_of(Slash::Always), match_of(Slash::Never));
            tree.states.push(State {
                edges: (first, tree.edges.len()),
                others: [id, name, any, any],
                bare,
                slash,
            });
        }
        Ok((tree, matches))
    }

    /// The index of the match set of a canonical path.
    pub(super) fn find(&self, path: &[u8]) -> usize {
        let mut state = &self.states[START];
        let mut rest = path.strip_prefix(b"/").unwrap_or(path);
        while !rest.is_empty() {
            let slash = memchr::memchr(b'/', rest);
            let (segment, after) = rest.split_at(slash.unwrap_or(rest.len()));
            let edges = &self.edges[state.edges.0..state.edges.1];
            let next = match edges.binary_search_by(|edge| order(&edge.literal, segment)) {
                Ok(found) => edges[found].to,
                Err(_) => state.others[classes(segment)],
            };
            state = &self.states[next];
            if next == DEAD || after.is_empty() {
                return state.bare;
            }
            rest = &after[1..];
        }
        state.slash
    }
}

/// Adds the places that a `Rest` allows skipping to.
fn close(patterns: &[&Pattern], places: impl Iterator<Item = Place>) -> Vec<Place> {
    let mut closed: Vec<Place> = Vec::new();
    for (index, mut done) in places {
        closed.push((index, done));
        while patterns[index].segments.get(done) == Some(&Segment::Rest) {
            done += 1;
            closed.push((index, done));
        }
    }
    closed.sort_unstable();
    closed.dedup();
    closed
}

/// Where a set of places leads on one segment: an expected literal, or any other of a class.
fn after(
    patterns: &[&Pattern],
    places: &[Place],
    literal: Option<&str>,
    class: Class,
) -> Vec<Place> {
    let next = places.iter().flat_map(|&(index, done)| {
        let (stays, goes) = match patterns[index].segments.get(done) {
            Some(Segment::Literal(own)) => (false, literal == Some(own.as_str())),
            Some(Segment::One(own)) => (false, class <= *own),
            Some(Segment::Run(own)) => (class <= *own, class <= *own),
            Some(Segment::Rest) => (true, false),
            None => (false, false),
        };
        [
            stays.then_some((index, done)),
            goes.then_some((index, done + 1)),
        ]
    });
    close(patterns, next.flatten())
}

/// Lengths first: most comparisons then never touch the bytes.
fn order(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// The or of a segment's [`CLASSES`], which takes a third less time for a name of 64 letters than
/// the maximum.
fn classes(segment: &[u8]) -> usize {
    let classes = segment.iter().map(|byte| CLASSES[usize::from(*byte)]);
    classes.fold(0, |classes, class| classes | class)
}

/// [`Class::of`] as a table, with the classes as bits.
const CLASSES: [usize; 256] = {
    let mut classes = [2; 256];
    let mut byte = 0_u8;
    while byte.is_ascii() {
        classes[byte as usize] = match Class::of(byte) {
            Class::Id => 0,
            Class::Name => 1,
            Class::Any => 2,
        };
        byte += 1;
    }
    classes
};
