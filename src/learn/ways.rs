//! The sets of variables that can allow a request, and the choice among them.

use std::{collections::BTreeSet, sync::Arc};

use super::{Kind, Place};
use crate::{
    api::{
        Method, Target,
        sections::{ACTIONS, REQUIREMENTS, Route, SECTIONS, Section, UPGRADES},
    },
    config::{Grants, POST, PRESETS, Piece, Preset},
    policy::{self, Body, Effect, Pattern, Policy, Rule, Slash, Step, Verdict},
};

/// Every set of variables that can allow something, the least first.
#[derive(Debug)]
pub(super) struct Ways(Vec<Way>);

#[derive(Debug)]
struct Way {
    variables: Vec<&'static str>,
    /// For an action: on how many routes.
    routes: Option<usize>,
    /// The first segments of the paths that it can allow.
    roots: BTreeSet<String>,
    /// What it allows.
    policy: Policy,
}

impl Ways {
    pub(super) fn of_table() -> Ways {
        let actions = ACTIONS
            .iter()
            .map(|action| Way::new(vec![action.allow], Some(action.routes.len())));
        let sections = SECTIONS.iter().flat_map(section_sets);
        let sections = sections.map(|variables| Way::new(variables, None));
        let mut ways: Vec<Way> = actions.chain(sections).collect();
        ways.sort_by_key(|way| (way.routes.is_none(), way.variables.len(), way.routes));
        Ways(ways)
    }

    /// The ways that allow a request, the least first.
    pub(super) fn that_allow(&self, target: &Target, body: Body) -> Vec<usize> {
        let root = first_segment(target.path());
        let allows = |way: &Way| {
            let verdict = || way.policy.decide(target.clone(), body);
            way.roots.contains(&*root) && matches!(verdict(), Verdict::Allow(_))
        };
        let ways = self.0.iter().enumerate();
        ways.filter(|(_, way)| allows(way))
            .map(|(index, _)| index)
            .collect()
    }

    /// The variables that let all of these requests pass for which there are any: actions, and
    /// sections only for what no action is for. None of them can be left out.
    pub(super) fn smallest<'a>(
        &self,
        kinds: impl Iterator<Item = &'a Kind> + Clone,
    ) -> BTreeSet<&'static str> {
        let passes = |kind: &Kind, chosen: &BTreeSet<&str>| {
            let complete = |way: &Way| way.variables.iter().all(|one| chosen.contains(one));
            kind.ways.iter().any(|way| complete(&self.0[*way]))
        };
        let mut chosen = BTreeSet::new();
        for by_action in [false, true] {
            let leasts = kinds.clone().filter_map(|kind| {
                let least = &self.0[*kind.ways.first()?];
                (least.routes.is_some() == by_action).then_some((kind, least))
            });
            for (kind, least) in leasts {
                if !passes(kind, &chosen) {
                    chosen.extend(&least.variables);
                }
            }
        }
        let mut widest_first: Vec<&'static str> = chosen.iter().copied().collect();
        widest_first.sort_by_key(|variable| std::cmp::Reverse(self.width(variable)));
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
    fn width(&self, variable: &str) -> usize {
        let own = |way: &&Way| way.variables == [variable];
        match self.0.iter().find(own) {
            Some(way) => way.routes.unwrap_or(usize::MAX - 1),
            None => usize::MAX,
        }
    }
}

/// A section by itself, and with each choice of what more its parts may need.
fn section_sets(section: &Section) -> impl Iterator<Item = Vec<&'static str>> + use<> {
    let own = REQUIREMENTS
        .iter()
        .filter(|hole| hole.section == section.name);
    let more: BTreeSet<&str> = own.map(|hole| hole.also).chain([POST]).collect();
    let more: Vec<&str> = more.into_iter().collect();
    let name = section.name;
    (0..1_usize << more.len()).map(move |choice| {
        let chosen = more.iter().enumerate();
        let chosen = chosen.filter(|(bit, _)| choice & 1 << bit != 0);
        [name]
            .into_iter()
            .chain(chosen.map(|(_, one)| *one))
            .collect()
    })
}

impl Way {
    fn new(variables: Vec<&'static str>, routes: Option<usize>) -> Way {
        let mut rules = Grants::only(&variables).rules(false);
        // The others could allow nothing, and would make the tree a hundred times as large.
        rules.retain(|rule| rule.missing.is_empty());
        let routes_of_all = rules.iter().flat_map(|rule| &rule.routes);
        let roots = routes_of_all.filter_map(|route| match route.pattern.steps.first() {
            Some(Step::Literal(root)) => Some(root.clone()),
            _ => None,
        });
        Way {
            variables,
            routes,
            roots: roots.collect(),
            policy: compile(&rules),
        }
    }
}

/// The presets, with what each allows.
#[derive(Debug)]
pub(super) struct Presets(Vec<(&'static Preset, Policy)>);

/// A preset that would do, or nearly.
pub(super) struct Near {
    pub(super) preset: &'static Preset,
    /// What more has to be granted.
    pub(super) lacks: BTreeSet<&'static str>,
    /// What of it was not needed.
    pub(super) unused: Vec<&'static str>,
}

impl Presets {
    pub(super) fn of_table() -> Presets {
        let compiled = |preset: &'static Preset| (preset, compile(&preset.rules(preset.name)));
        Presets(PRESETS.iter().map(compiled).collect())
    }

    /// The presets that allow a request.
    pub(super) fn that_allow(&self, target: &Target, body: Body) -> Vec<usize> {
        let presets = self.0.iter().enumerate();
        let allowing = presets.filter(|(_, (_, policy))| {
            matches!(policy.decide(target.clone(), body), Verdict::Allow(_))
        });
        allowing.map(|(index, _)| index).collect()
    }

    /// The preset of which the least is lacking or was not used; none if no preset spares a variable,
    /// or most of it was not used.
    pub(super) fn nearest<'a>(
        &self,
        kinds: impl Iterator<Item = &'a Kind> + Clone,
        ways: &Ways,
    ) -> Option<Near> {
        let all = ways.smallest(kinds.clone()).len();
        let near = self.0.iter().enumerate().map(|(index, (preset, _))| Near {
            preset,
            lacks: ways.smallest(kinds.clone().filter(|kind| !kind.presets.contains(&index))),
            unused: (preset.pieces())
                .filter(|piece| !kinds.clone().any(|kind| kind.is_of(*piece)))
                .map(Piece::name)
                .collect(),
        });
        let is_near = |near: &Near| {
            near.lacks.len() < all && near.unused.len() * 2 <= near.preset.pieces().count()
        };
        near.filter(is_near)
            .min_by_key(|near| (near.lacks.len() + near.unused.len(), near.unused.len()))
    }
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
pub(super) struct Places(Vec<Known>);

#[derive(Debug)]
struct Known {
    path: &'static str,
    method: Option<Method>,
    root: String,
    /// How many of its segments are literals.
    literals: usize,
    /// Allows exactly this.
    policy: Policy,
}

impl Places {
    pub(super) fn of_table() -> Places {
        let actions = ACTIONS.iter().map(|action| action.routes);
        let holes = REQUIREMENTS.iter().map(|hole| hole.routes);
        let upgrades = UPGRADES.iter().map(|upgrade| upgrade.routes);
        let reads = SECTIONS.iter().map(|section| section.routes);
        let routes = actions.chain(holes).chain(upgrades).chain(reads).flatten();
        let paths = SECTIONS.iter().flat_map(|section| section.paths);
        let known = routes
            .map(Known::route)
            .chain(paths.map(|path| Known::path(path)));
        let mut known: Vec<Known> = known.collect();
        known.sort_by_key(|known| std::cmp::Reverse(known.literals));
        Places(known)
    }

    /// The path of the route that a request is on; of more than one, that with the most literals.
    pub(super) fn find(&self, target: &Target) -> Option<&'static str> {
        let root = first_segment(target.path());
        let is = |known: &&Known| {
            let own_method = known.method.is_none() || known.method == target.method();
            let allowed = || known.policy.decide(target.clone(), Body::Empty);
            own_method && *known.root == *root && matches!(allowed(), Verdict::Allow(_))
        };
        self.0.iter().find(is).map(|known| known.path)
    }
}

impl Known {
    fn route(route: &'static Route) -> Known {
        let path = route.text.split_once(' ').map_or("", |(_, path)| path);
        Known::new(path, route.method, policy::Route::narrow(route))
    }

    fn path(path: &'static str) -> Known {
        let segments = path.split('/').filter(|segment| !segment.is_empty());
        let pattern = Pattern {
            steps: segments.map(|one| Step::Literal(one.to_owned())).collect(),
            slash: Slash::Never,
        };
        let methods = crate::api::Methods::ALL;
        Known::new(path, None, policy::Route { methods, pattern })
    }

    fn new(path: &'static str, method: Option<Method>, route: policy::Route) -> Known {
        let is_literal = |step: &&Step| matches!(step, Step::Literal(_));
        let literals = route.pattern.steps.iter().filter(is_literal).count();
        let rule = Rule {
            origin: Arc::from(path),
            effect: Effect::Allow,
            routes: vec![route],
            when: Vec::new(),
            missing: Vec::new(),
            holes: Vec::new(),
        };
        Known {
            path,
            method,
            root: first_segment(path.as_bytes()),
            literals,
            policy: compile(&[rule]),
        }
    }
}

fn compile(rules: &[Rule]) -> Policy {
    Policy::new(rules).expect("a part of the table's rules is no larger than all of them")
}

fn first_segment(path: &[u8]) -> String {
    let segment = path.split(|byte| *byte == b'/').nth(1).unwrap_or_default();
    String::from_utf8_lossy(segment).into_owned()
}
