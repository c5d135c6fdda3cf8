//! Every policy of a small scope on every path of it: tree and naive interpreter agree on all.

use std::collections::BTreeSet;
use std::thread;

use dockgate::api::{Method, Methods, Target, sections};
use dockgate::policy::{
    Body, Condition, Effect, Grant, Matcher, Pattern, Policy, Requirement, Rule, Verdict,
};

#[path = "support/naive.rs"]
mod naive;

use naive::naive;

/// Three sections, with POST for their writes.
const SECTIONS: [&str; 3] = ["a", "b", "c"];

/// Two actions: one of either placeholder, and one under a condition.
const ACTIONS: [(&str, sections::Route); 2] = [
    (
        "ALLOW_ONE",
        sections::Route {
            text: "POST /a/{id}/b",
            method: Some(Method::Post),
            steps: &[
                sections::Step::Literal("a"),
                sections::Step::Id,
                sections::Step::Literal("b"),
            ],
        },
    ),
    (
        "ALLOW_RUN",
        sections::Route {
            text: "PUT /b/{name...}",
            method: Some(Method::Put),
            steps: &[sections::Step::Literal("b"), sections::Step::Names],
        },
    ),
];

/// One hole, in the first section.
const HOLE: sections::Route = sections::Route {
    text: "* /a/{id}/c",
    method: None,
    steps: &[
        sections::Step::Literal("a"),
        sections::Step::Id,
        sections::Step::Literal("c"),
    ],
};

/// What closes it: another section, or POST.
const CLOSES: [&str; 2] = ["c", "POST"];

/// What is denied: the first action, and every write below one section but that of the second.
const DENY: &str = "DENY_ONE";

/// The sections' names, and a segment of every class that the tree tells apart.
const ALPHABET: [&str; 6] = ["a", "b", "c", "x1", "x:1", "x%201"];
const LONGEST: usize = 4;

/// What only a deny takes for a version, with up to so many segments behind it.
const VERSION: &str = "/v1x";
const LONGEST_BEHIND: usize = 3;

/// A read, a write, and the methods of the two actions.
const METHODS: [Method; 4] = [Method::Get, Method::Delete, Method::Post, Method::Put];

/// The rules of a policy, as the section variables are lowered to them.
fn rules(on: &BTreeSet<&str>, closes: &'static str) -> Vec<Rule> {
    let missing = |needs: &[&'static str]| -> Vec<Grant> {
        let off = needs.iter().filter(|name| !on.contains(*name));
        off.map(|name| Grant {
            variable: (*name).into(),
            misread: None,
            brings: Vec::new(),
        })
        .collect()
    };
    let mut rules = Vec::new();
    for section in SECTIONS {
        for (methods, needs) in [
            (Methods::READS, &[section][..]),
            (Methods::WRITES, &[section, "POST"]),
        ] {
            let hole = Requirement {
                matcher: Matcher::wide(&HOLE),
                missing: missing(&[closes]),
            };
            rules.push(Rule {
                origin: section.into(),
                effect: Effect::Allow,
                // The last one governs what a deny has to see through.
                matchers: [section, VERSION]
                    .into_iter()
                    .take(if section == "c" { 2 } else { 1 })
                    .map(|path| Matcher {
                        methods,
                        pattern: Pattern::below(path),
                    })
                    .collect(),
                when: Vec::new(),
                missing: missing(needs),
                requirements: if section == "a" {
                    vec![hole]
                } else {
                    Vec::new()
                },
            });
        }
    }
    for (name, route) in &ACTIONS {
        rules.push(Rule {
            origin: (*name).into(),
            effect: Effect::Allow,
            matchers: vec![Matcher::narrow(route)],
            when: if *name == "ALLOW_ONE" {
                vec![Condition::UnreadBody]
            } else {
                Vec::new()
            },
            missing: missing(&[name]),
            requirements: Vec::new(),
        });
    }
    if on.contains(DENY) {
        let deny = |matchers, requirements| Rule {
            origin: DENY.into(),
            effect: Effect::Deny,
            matchers,
            when: Vec::new(),
            missing: Vec::new(),
            requirements,
        };
        let [(_, one), (_, run)] = &ACTIONS;
        rules.push(deny(Matcher::denied(one).collect(), Vec::new()));
        let writes = Matcher {
            methods: Methods::WRITES,
            pattern: Pattern::below(SECTIONS[1]),
        };
        let known = Requirement {
            matcher: Matcher::narrow(run),
            missing: missing(&["DENY_RUN"]),
        };
        rules.push(deny(vec![writes], vec![known]));
    }
    rules
}

/// Every path of up to [`LONGEST`] segments, and some behind [`VERSION`], with and without a trailing slash, for each method.
fn targets() -> Vec<Target> {
    let mut paths = Vec::new();
    for (begin, length) in [("", LONGEST), (VERSION, LONGEST_BEHIND)] {
        let mut longest = vec![begin.to_owned()];
        paths.extend_from_slice(&longest);
        for _ in 0..length {
            longest = longest
                .iter()
                .flat_map(|path| ALPHABET.map(|segment| format!("{path}/{segment}")))
                .collect();
            paths.extend_from_slice(&longest);
        }
    }
    let lines = paths
        .iter()
        .flat_map(|path| [path.clone(), format!("{path}/")]);
    let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    METHODS
        .iter()
        .flat_map(|method| {
            lines
                .iter()
                .map(|line| Target::from_line(method.as_str(), line))
        })
        .map(|target| target.expect("a clean target"))
        .collect()
}

/// Compares all verdicts of a policy; how many there are, and how many of them allow.
fn compare(on: &BTreeSet<&str>, closes: &'static str, targets: &[Target]) -> [usize; 2] {
    let rules = rules(on, closes);
    let policy = Policy::new(&rules).expect("few rules compile");
    let mut counts = [0; 2];
    for target in targets {
        // Only the method of the action with a condition can tell bodies apart.
        let bodies = match target.method() {
            Some(Method::Post) => &Body::ALL[..],
            _ => &[Body::Empty],
        };
        for &body in bodies {
            let origins = naive(&rules, target, body);
            let verdict = policy.decide(target.clone(), body);
            let agrees = match &verdict {
                Verdict::Allow(permit) => origins.contains(&&**permit.origin()),
                Verdict::Deny(_) => origins.is_empty(),
                Verdict::WouldDeny(..) => false,
            };
            assert!(
                agrees,
                "{on:?}, {target:?}: {verdict} by the tree, {origins:?} by the rules"
            );
            counts[0] += 1;
            counts[1] += usize::from(!origins.is_empty());
        }
    }
    counts
}

#[test]
fn tree_and_naive_interpreter_agree_on_every_policy_and_path() {
    let names = [
        SECTIONS[0],
        SECTIONS[1],
        SECTIONS[2],
        "POST",
        "ALLOW_ONE",
        "ALLOW_RUN",
        DENY,
    ];
    let mut policies = Vec::new();
    for bits in 0..1 << names.len() {
        let on = (0..names.len()).filter(|bit| bits & 1 << bit != 0);
        let on: BTreeSet<&str> = on.map(|bit| names[bit]).collect();
        policies.extend(CLOSES.map(|closes| (on.clone(), closes)));
    }
    let targets = targets();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let share = policies.len().div_ceil(workers);
    let counts = thread::scope(|scope| {
        let shares: Vec<_> = policies
            .chunks(share)
            .map(|share| {
                let targets = &targets;
                scope.spawn(move || {
                    share.iter().fold([0, 0], |all, (on, closes)| {
                        let [verdicts, allow] = compare(on, closes, targets);
                        [all[0] + verdicts, all[1] + allow]
                    })
                })
            })
            .collect();
        shares.into_iter().fold([0, 0], |all, share| {
            let [verdicts, allow] = share.join().expect("no disagreement");
            [all[0] + verdicts, all[1] + allow]
        })
    });
    println!(
        "{} policies, {} targets, {} verdicts, {} of them allow",
        policies.len(),
        targets.len(),
        counts[0],
        counts[1]
    );
    let lines = 2 * (1555 + 259) - 1;
    assert_eq!(policies.len(), 256);
    assert_eq!(targets.len(), 4 * lines);
    assert_eq!(counts[0], 256 * (3 + Body::ALL.len()) * lines);
}
