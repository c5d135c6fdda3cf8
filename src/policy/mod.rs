//! Rules compiled to one decision tree, and the verdicts that come out of it.
//!
//! Pure: no runtime, no clock, no environment. Rules are order-free: deny beats allow, and what
//! matches no rule is denied. Everything that a verdict says is worked out when the policy is
//! made, so a decision is one walk over the path's bytes without allocation, and a denial costs
//! no more than an allow.

mod allowlist;
mod explain;
mod portable;
mod reach;
mod remedy;
mod rule;
mod tree;
mod uncovered;
mod verdict;

use std::{collections::HashMap, sync::Arc};

use crate::api::{Method, Target};

pub use allowlist::{Allowlist, Entry, Regex, Subject, is_literal};
pub use explain::{printable, value_reading};
pub use portable::BadPattern;
pub use reach::Reached;
pub use remedy::{Alternative, BadVersion, Lists, Miss, Obstacle, Remedy};
pub use rule::{
    Body, Class, Condition, Effect, Grant, LIBPOD, Matcher, Pattern, Requirement, Rule, Segment,
    Slash,
};
pub use tree::TooComplex;
use tree::Tree;
use uncovered::Uncovered;
pub use verdict::{Denial, Permit, Unprotected, Verdict};

/// All rules, compiled. Shared by every connection; nothing in it changes.
#[derive(Debug)]
pub struct Policy {
    tree: Tree,
    /// For each set of patterns that a path can match: the outcome by method.
    rows: Vec<[usize; Method::ALL.len()]>,
    outcomes: Vec<Outcome>,
    /// What allows more, where nothing is forbidden.
    allowlists: Vec<Allowlist>,
    no_method: Arc<Remedy>,
    uncovered: Uncovered,
    /// Why it denies nothing, if so.
    unprotected: Option<Unprotected>,
}

/// What is decided at one end of the tree for one method.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Outcome {
    /// The conditions that matter here.
    conditions: Vec<Condition>,
    /// One ruling for each combination of failed conditions: bit `i` is `conditions[i]`.
    rulings: Vec<Ruling>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Ruling {
    /// By the rule of this origin.
    Allow(Arc<str>),
    /// By a deny, whatever else allows it: with what would grant it, and that if only the deny is
    /// in the way.
    Forbid {
        remedy: Arc<Remedy>,
        alone: Arc<Remedy>,
    },
    /// For want of an allow: with what would grant it, if any rule is about it.
    Deny(Option<Arc<Remedy>>),
}

/// No route is under so many different conditions; the table of rulings doubles with each.
const MAX_CONDITIONS: usize = 6;

impl Policy {
    /// Compiles rules, both those in force and those that only tell what would grant a request.
    pub fn new(rules: &[Rule]) -> Result<Policy, TooComplex> {
        let mut patterns: Vec<&Pattern> = rules
            .iter()
            .flat_map(|rule| {
                rule.matchers.iter().chain(
                    rule.requirements
                        .iter()
                        .map(|requirement| &requirement.matcher),
                )
            })
            .map(|matcher| &matcher.pattern)
            .collect();
        patterns.sort_unstable();
        patterns.dedup();
        let (tree, matches) = Tree::new(&patterns)?;
        let mut outcomes = Vec::new();
        let mut known: HashMap<Outcome, usize> = HashMap::new();
        let mut rows = Vec::with_capacity(matches.len());
        for matched in &matches {
            let matched: Vec<&Pattern> = matched.iter().map(|index| patterns[*index]).collect();
            let mut row = [0; Method::ALL.len()];
            for method in Method::ALL {
                let outcome = outcome(rules, &matched, method)?;
                row[method.index()] = *known.entry(outcome).or_insert_with_key(|outcome| {
                    outcomes.push(outcome.clone());
                    outcomes.len() - 1
                });
            }
            rows.push(row);
        }
        Ok(Policy {
            tree,
            rows,
            outcomes,
            allowlists: Vec::new(),
            no_method: Arc::new(Remedy::new(vec![Obstacle::UnknownMethod])),
            uncovered: Uncovered::new(),
            unprotected: None,
        })
    }

    /// The same policy with one more allowlist.
    #[must_use]
    pub fn with(mut self, allowlist: Allowlist) -> Policy {
        self.allowlists.push(allowlist);
        self
    }

    /// The same policy, protecting nothing: it says what it would deny, and lets it pass. The only
    /// way to such a policy; a test sees that only the settings take it.
    #[must_use]
    pub fn unprotected(self, why: Unprotected) -> Policy {
        Policy {
            unprotected: Some(why),
            ..self
        }
    }

    /// Decides on a target with such a body.
    pub fn decide(&self, target: Target, body: Body) -> Verdict {
        let verdict = self.judge(target, body);
        let Some(why) = self.unprotected else {
            return verdict;
        };
        match verdict {
            // No engine knows another method, so there is nothing to learn from forwarding it.
            Verdict::Deny(denial) if denial.target().method().is_some() => {
                let permit = Permit::new(denial.target().clone(), why.variable().into());
                Verdict::WouldDeny(permit, denial)
            }
            verdict => verdict,
        }
    }

    /// What would allow a request that is not allowed: sets of grants, the least first.
    pub fn alternatives(&self, target: &Target, body: Body) -> &[Alternative] {
        let ruling = target
            .method()
            .map(|method| self.ruling(method, target.path(), target, body));
        match ruling {
            Some(Ruling::Deny(Some(remedy)) | Ruling::Forbid { remedy, .. }) => {
                remedy.alternatives()
            }
            Some(Ruling::Allow(_) | Ruling::Deny(None)) | None => &[],
        }
    }

    /// Whether a deny refuses such a request, whatever allows it.
    pub fn forbids(&self, target: &Target) -> bool {
        let ruled = target.method().map(|method| {
            let row = &self.rows[self.tree.find(target.path())];
            // A deny knows no conditions, so all rulings of an outcome have it or none.
            &self.outcomes[row[method.index()]].rulings[0]
        });
        matches!(ruled, Some(Ruling::Forbid { .. }))
    }

    fn judge(&self, target: Target, body: Body) -> Verdict {
        let Some(method) = target.method() else {
            return Verdict::Deny(Denial::new(target, self.no_method.clone()));
        };
        let verdict = match self.ruling(method, target.path(), &target, body) {
            Ruling::Allow(origin) => Verdict::Allow(Permit::new(target, origin.clone())),
            Ruling::Forbid { remedy, alone } => {
                let remedy = match self.matched(method, &target, body) {
                    Some(_) => alone,
                    None => remedy,
                };
                return Verdict::Deny(Denial::new(target, remedy.clone()));
            }
            Ruling::Deny(remedy) => self.ask_allowlists(method, target, body, remedy.as_ref()),
        };
        let Verdict::Allow(permit) = verdict else {
            return verdict;
        };
        // A deny holds as well where only another engine than Docker's sees a version.
        let target = permit.target();
        let spelled = target.behind_other_version();
        match spelled.map(|path| self.ruling(method, path, target, body)) {
            Some(Ruling::Forbid { alone, .. }) => {
                Verdict::Deny(Denial::new(target.clone(), alone.clone()))
            }
            _ => Verdict::Allow(permit),
        }
    }

    /// What the rules say about such a request on this path.
    fn ruling(&self, method: Method, path: &[u8], target: &Target, body: Body) -> &Ruling {
        let row = &self.rows[self.tree.find(path)];
        let outcome = &self.outcomes[row[method.index()]];
        let failed = outcome
            .conditions
            .iter()
            .enumerate()
            .fold(0, |failed, (bit, condition)| {
                if condition.holds(target, body) {
                    failed
                } else {
                    failed | 1 << bit
                }
            });
        &outcome.rulings[failed]
    }

    /// By which allowlist's entry a target is allowed, if it is.
    fn matched(&self, method: Method, target: &Target, body: Body) -> Option<Arc<str>> {
        (self.allowlists.iter()).find_map(|list| list.allows(method, target, body))
    }

    /// For a target that the tree neither allows nor forbids.
    fn ask_allowlists(
        &self,
        method: Method,
        target: Target,
        body: Body,
        remedy: Option<&Arc<Remedy>>,
    ) -> Verdict {
        if let Some(origin) = self.matched(method, &target, body) {
            return Verdict::Allow(Permit::new(target, origin));
        }
        let version = || self.uncovered.version(&target);
        let remedy = match (remedy, self.allowlists.as_slice()) {
            (Some(remedy), []) => remedy.clone(),
            (None, []) => (version())
                .unwrap_or_else(|| self.uncovered.remedy(method, &target, body))
                .clone(),
            (remedy, lists) => {
                let missed = lists.iter().map(|list| list.miss(method, &target, body));
                Remedy::besides(remedy.or_else(version), missed.collect()).into()
            }
        };
        Verdict::Deny(Denial::new(target, remedy))
    }
}

/// What the rules say about a method on a path that matches exactly these patterns.
fn outcome(rules: &[Rule], matched: &[&Pattern], method: Method) -> Result<Outcome, TooComplex> {
    let applies = |matcher: &Matcher| {
        matcher.methods.contains(method) && matched.binary_search(&&matcher.pattern).is_ok()
    };
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    for rule in rules
        .iter()
        .filter(|rule| rule.matchers.iter().any(applies))
    {
        let mut missing: Vec<&Grant> = rule.missing.iter().collect();
        let requirements = rule.requirements.iter();
        for more in requirements.filter(|more| applies(&more.matcher)) {
            missing.extend(&more.missing);
        }
        missing.sort_unstable();
        missing.dedup();
        candidates.push(Candidate { rule, missing });
    }
    // Least privilege first: an action before a section, the narrower action before the wider. The
    // verdict and its text must not depend on the rules' order.
    candidates.sort_by_key(|Candidate { rule, missing }| {
        (rule.is_open(), missing.len(), rule.matchers.len(), *rule)
    });
    let mut conditions: Vec<Condition> = candidates
        .iter()
        .flat_map(|candidate| candidate.rule.when.iter().cloned())
        .collect();
    conditions.sort_unstable();
    conditions.dedup();
    if conditions.len() > MAX_CONDITIONS {
        return Err(TooComplex);
    }
    let rulings: Vec<Ruling> = (0..1_usize << conditions.len())
        .map(|failed| {
            let failed: Vec<&Condition> = (conditions.iter().enumerate())
                .filter_map(|(bit, condition)| (failed & 1 << bit != 0).then_some(condition))
                .collect();
            ruling(&candidates, &failed)
        })
        .collect();
    if rulings.iter().all(|ruling| *ruling == rulings[0]) {
        return Ok(Outcome {
            conditions: Vec::new(),
            rulings: vec![rulings[0].clone()],
        });
    }
    Ok(Outcome {
        conditions,
        rulings,
    })
}

/// A rule that matches a request, with what it lacks to be in force there.
struct Candidate<'a> {
    rule: &'a Rule,
    missing: Vec<&'a Grant>,
}

impl Candidate<'_> {
    fn in_force(&self) -> bool {
        self.missing.is_empty()
    }

    fn fails(&self, failed: &[&Condition]) -> bool {
        self.rule
            .when
            .iter()
            .any(|condition| failed.contains(&condition))
    }

    /// What of its conditions keeps it from allowing a request, since it is in force.
    fn limited(&self, failed: &[&Condition]) -> Obstacle {
        let conditions = self.rule.when.iter();
        Obstacle::Limited {
            origin: self.rule.origin.clone(),
            failed: conditions
                .filter(|condition| failed.contains(condition))
                .cloned()
                .collect(),
        }
    }

    /// What would put it in force.
    fn alternative(&self) -> Alternative {
        Alternative {
            grants: self.missing.iter().copied().cloned().collect(),
        }
    }
}

fn ruling(candidates: &[Candidate<'_>], failed: &[&Condition]) -> Ruling {
    let of = |effect| {
        candidates
            .iter()
            .filter(move |candidate| candidate.rule.effect == effect)
    };
    let holds = |candidate: &&Candidate<'_>| candidate.in_force() && !candidate.fails(failed);
    let denies = of(Effect::Deny).filter(holds);
    let mut denies: Vec<Arc<str>> = denies
        .map(|candidate| candidate.rule.origin.clone())
        .collect();
    denies.sort_unstable();
    denies.dedup();
    let allow = of(Effect::Allow).find(holds);
    if let (Some(allow), []) = (allow, &*denies) {
        return Ruling::Allow(allow.rule.origin.clone());
    }
    let mut lacking: Vec<Obstacle> = of(Effect::Allow)
        .filter(|candidate| allow.is_none() && candidate.in_force())
        .map(|candidate| candidate.limited(failed))
        .collect();
    lacking.dedup();
    let offers = of(Effect::Allow)
        .filter(|candidate| !candidate.in_force() && !candidate.fails(failed))
        .map(Candidate::alternative);
    let mut alternatives: Vec<Alternative> = Vec::new();
    for alternative in offers.filter(|_| allow.is_none()) {
        if !alternatives.contains(&alternative) {
            alternatives.push(alternative);
        }
    }
    if !alternatives.is_empty() {
        lacking.push(Obstacle::NotGranted(alternatives));
    }
    if denies.is_empty() {
        return Ruling::Deny((!lacking.is_empty()).then(|| Remedy::new(lacking).into()));
    }
    let denied = Obstacle::Denied(denies);
    if lacking.is_empty() && allow.is_none() {
        lacking.push(Obstacle::Uncovered(None));
    }
    lacking.insert(0, denied.clone());
    Ruling::Forbid {
        remedy: Remedy::new(lacking).into(),
        alone: Remedy::new(vec![denied]).into(),
    }
}
