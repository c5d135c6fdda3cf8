//! The sets of variables that can allow a request, and the choice among them.
//!
//! A policy that grants nothing knows what would: each of its denials lists the sets of grants of
//! which any one is enough. So one policy is asked for the variables, one for the presets, and one
//! for the routes.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::{Kind, Place};
use crate::api::sections::{ACTIONS, Action, REQUIREMENTS, SECTIONS, UPGRADES};
use crate::api::{Methods, Target};
use crate::config::{Grants, PRESETS, Piece, Preset};
use crate::policy::{
    Alternative, Body, Effect, Grant, Matcher, Pattern, Policy, Rule, Segment, Slash,
};

/// Every set of variables that can allow something.
#[derive(Debug)]
pub struct Ways(Policy);

impl Ways {
    /// Those made of sections and actions.
    pub fn of_table() -> Ways {
        Ways(compile(&Grants::only(&[]).rules(true)))
    }

    /// The sets that allow a request, the smallest first.
    pub fn that_allow(&self, target: &Target, body: Body) -> &[Alternative] {
        self.0.alternatives(target, body)
    }
}

/// The variables that allow all of these requests, except those that no variable allows: actions,
/// and sections only where there is no action. None of the variables is redundant.
pub(super) fn smallest<'a>(kinds: impl Iterator<Item = &'a Kind> + Clone) -> BTreeSet<&'a str> {
    let passes = |kind: &Kind, chosen: &BTreeSet<&str>| {
        let mut ways = kind.ways.iter();
        ways.any(|way| way.variables().all(|one| chosen.contains(one)))
    };
    let mut chosen = BTreeSet::new();
    for by_action in [false, true] {
        let leasts = kinds.clone().filter_map(|kind| {
            let least = kind.ways.first()?;
            let is_action = least.variables().all(|name| action(name).is_some());
            (is_action == by_action).then_some((kind, least))
        });
        for (kind, least) in leasts {
            if !passes(kind, &chosen) {
                chosen.extend(least.variables());
            }
        }
    }
    let mut widest_first: Vec<&str> = chosen.iter().copied().collect();
    widest_first.sort_by_key(|variable| Reverse(width(variable)));
    for variable in widest_first {
        let mut fewer = chosen.clone();
        fewer.remove(variable);
        let mut needy = kinds.clone().filter(|kind| passes(kind, &chosen));
        if needy.all(|kind| passes(kind, &fewer)) {
            chosen = fewer;
        }
    }
    chosen
}

/// How much a variable grants: an action its routes, a section more, and POST most.
fn width(variable: &str) -> usize {
    let is_section = || SECTIONS.iter().any(|section| section.name == variable);
    match action(variable) {
        Some(action) => action.routes.len(),
        None if is_section() => usize::MAX - 1,
        None => usize::MAX,
    }
}

fn action(variable: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.allow == variable)
}

/// The presets, each as a grant.
#[derive(Debug)]
pub(super) struct Presets(Policy);

/// A preset that allows the requests, or nearly all of them.
pub(super) struct Near<'a> {
    pub(super) preset: &'static Preset,
    /// What must be granted in addition.
    pub(super) lacks: BTreeSet<&'a str>,
    /// Which of its grants were not used.
    pub(super) unused: Vec<&'static str>,
}

impl Presets {
    pub(super) fn of_table() -> Presets {
        let rules = PRESETS.iter().flat_map(|preset| {
            let missing = vec![Grant::of(preset.name)];
            let rules = preset.rules(preset.name).into_iter();
            rules.map(move |rule| Rule {
                missing: missing.clone(),
                ..rule
            })
        });
        Presets(compile(&rules.collect::<Vec<_>>()))
    }

    /// The presets that allow a request, as indexes of [`PRESETS`].
    pub(super) fn that_allow(&self, target: &Target, body: Body) -> Vec<usize> {
        let allowing = self.0.alternatives(target, body);
        let allows = |preset: &Preset| {
            let mut names = allowing.iter().flat_map(Alternative::variables);
            names.any(|name| name == preset.name)
        };
        (0..PRESETS.len())
            .filter(|index| allows(&PRESETS[*index]))
            .collect()
    }
}

/// The preset with the fewest missing or unused grants; none if no preset saves a variable, or if
/// most of it was unused. One that sets `DENY_ROOT` could refuse what was seen.
pub(super) fn nearest<'a>(kinds: impl Iterator<Item = &'a Kind> + Clone) -> Option<Near<'a>> {
    let all = smallest(kinds.clone()).len();
    let presets = PRESETS.iter().enumerate();
    let presets = presets.filter(|(_, preset)| !preset.sets_deny_root());
    let near = presets.map(|(index, preset)| Near {
        preset,
        lacks: smallest(kinds.clone().filter(|kind| !kind.presets.contains(&index))),
        unused: (preset.pieces())
            .filter(|piece| !kinds.clone().any(|kind| kind.is_of(*piece)))
            .map(Piece::name)
            .collect(),
    });
    let is_near = |near: &Near<'_>| {
        near.lacks.len() < all && near.unused.len() * 2 <= near.preset.pieces().count()
    };
    near.filter(is_near)
        .min_by_key(|near| (near.lacks.len() + near.unused.len(), near.unused.len()))
}

impl Kind {
    /// Whether it is on a route of the piece.
    fn is_of(&self, piece: Piece) -> bool {
        let Place::Known(path) = self.place else {
            return false;
        };
        let mut routes = piece.routes().iter();
        routes.any(|route| route.text.split_once(' ') == Some((self.method.as_str(), path)))
    }
}

/// The paths of the table's routes.
#[derive(Debug)]
pub(super) struct Places {
    /// Those with the most literals first.
    paths: Vec<&'static str>,
    /// Each of them as a grant.
    policy: Policy,
}

impl Places {
    pub(super) fn of_table() -> Places {
        let actions = ACTIONS.iter().map(|action| action.routes);
        let requirements = REQUIREMENTS.iter().map(|one| one.routes);
        let upgrades = UPGRADES.iter().map(|upgrade| upgrade.routes);
        let reads = SECTIONS.iter().map(|section| section.routes);
        let routes = actions.chain(requirements).chain(upgrades).chain(reads);
        let routes = routes.flatten().map(|route| {
            let path = route.text.split_once(' ').map_or("", |(_, path)| path);
            (path, Matcher::narrow(route))
        });
        let paths = SECTIONS.iter().flat_map(|section| section.paths);
        let paths = paths.map(|path| (*path, whole(path)));
        let mut known: Vec<(&str, Matcher)> = routes.chain(paths).collect();
        let is_literal = |segment: &&Segment| matches!(segment, Segment::Literal(_));
        let literals =
            |matcher: &Matcher| matcher.pattern.segments.iter().filter(is_literal).count();
        known.sort_by_key(|(_, matcher)| Reverse(literals(matcher)));
        let rules = known.iter().map(|(path, matcher)| Rule {
            origin: (*path).into(),
            effect: Effect::Allow,
            matchers: vec![matcher.clone()],
            when: Vec::new(),
            missing: vec![Grant::of(*path)],
            requirements: Vec::new(),
        });
        Places {
            policy: compile(&rules.collect::<Vec<_>>()),
            paths: known.into_iter().map(|(path, _)| path).collect(),
        }
    }

    /// The path of the route that a request matches; of several, the one with the most literals.
    pub(super) fn find(&self, target: &Target) -> Option<&'static str> {
        let matching = self.policy.alternatives(target, Body::Empty);
        let is = |path: &&&str| {
            let mut names = matching.iter().flat_map(Alternative::variables);
            names.any(|name| name == **path)
        };
        self.paths.iter().find(is).copied()
    }
}

/// Exactly this path.
fn whole(path: &str) -> Matcher {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    Matcher {
        methods: Methods::ALL,
        pattern: Pattern {
            segments: segments
                .map(|one| Segment::Literal(one.to_owned()))
                .collect(),
            slash: Slash::Never,
        },
    }
}

pub(super) fn compile(rules: &[Rule]) -> Policy {
    Policy::new(rules).expect("no more rules than an empty environment makes")
}
