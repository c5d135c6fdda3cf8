//! Rules compiled to one decision tree, and the verdicts that come out of it.
//!
//! Pure: no runtime, no clock, no environment. Rules are order-free: deny beats allow, and what
//! matches no rule is denied. Everything that a verdict says is worked out when the policy is
//! made, so a decision is one walk over the path's bytes without allocation, and a denial costs
//! no more than an allow.

mod allowlist;
mod clearance;
mod explain;
mod notation;
mod portable;
mod reach;
mod remedy;
mod rule;
mod tree;
mod uncovered;
mod verdict;

use std::collections::HashMap;
use std::sync::Arc;

use crate::api::{Message, Method, Target};
use clearance::Demand;

pub use allowlist::{Allowlist, Entry, Regex, Subject, is_literal};
pub use clearance::{
    Cleared, Content, Filter, Inspection, Judged, Met, Passage, Permit, Term, Terms, Watched,
    Written,
};
pub use explain::{printable, value_reading};
pub use notation::Notation;
pub use portable::{BadPattern, check as check_pattern};
pub use reach::Reached;
pub use remedy::{Alternative, BadVersion, Broken, Excess, Lists, Miss, Obstacle, Remedy, Unmet};
pub use rule::{
    Body, Class, Condition, Effect, Grant, LIBPOD, Matcher, Pattern, Requirement, Rule, Segment,
    Slash,
};
pub use tree::TooComplex;
use tree::Tree;
use uncovered::Uncovered;
pub use verdict::{Denial, Protection, Unprotected, Verdict, Waived};

/// All rules, compiled. Shared by every connection; nothing in it changes.
#[derive(Debug)]
pub struct Policy {
    tree: Tree,
    /// For each set of patterns that a path can match: the outcome by method.
    rows: Vec<[usize; Method::ALL.len()]>,
    outcomes: Vec<Outcome>,
    /// What else allows a request, where nothing denies it.
    allowlists: Vec<Allowlist>,
    no_method: Arc<Remedy>,
    uncovered: Uncovered,
    /// Whether any request has a term to meet.
    demands: bool,
    /// Why it denies nothing, if so.
    unprotected: Option<Unprotected>,
    /// What denials call it, if it is one of several.
    name: Option<Arc<str>>,
}

/// The decision at one end of the tree, for one method.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Outcome {
    /// The conditions that matter here.
    conditions: Vec<Condition>,
    /// One ruling for each combination of failed conditions: bit `i` is `conditions[i]`.
    rulings: Vec<Ruling>,
    /// What an allow requires here besides.
    terms: Option<Terms>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Ruling {
    /// By the rule of this origin.
    Allow(Arc<str>),
    /// By a deny, whatever else allows it. `alone` is the remedy if nothing but the deny is in the
    /// way.
    Forbid {
        remedy: Arc<Remedy>,
        alone: Arc<Remedy>,
    },
    /// Because nothing allows it; with the remedy, if any rule covers it.
    Deny(Option<Arc<Remedy>>),
}

/// No route has more conditions than this; each one doubles the table of rulings.
const MAX_CONDITIONS: usize = 6;

impl Policy {
    /// Compiles rules, both those in force and those that only say what would grant a request.
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
            demands: outcomes.iter().any(|outcome| outcome.terms.is_some()),
            outcomes,
            allowlists: Vec::new(),
            no_method: Arc::new(Remedy::new(vec![Obstacle::UnknownMethod])),
            uncovered: Uncovered::new(),
            unprotected: None,
            name: None,
        })
    }

    /// The same policy with one more allowlist.
    #[must_use]
    pub fn with(mut self, allowlist: Allowlist) -> Policy {
        self.allowlists.push(allowlist);
        self
    }

    /// The same policy as one in a file: its denials name it, and say what to write there.
    #[must_use]
    pub fn in_file(mut self, name: Arc<str>) -> Policy {
        let rulings = self.outcomes.iter_mut();
        for ruling in rulings.flat_map(|outcome| &mut outcome.rulings) {
            let remedies = match ruling {
                Ruling::Allow(_) | Ruling::Deny(None) => vec![],
                Ruling::Forbid { remedy, alone } => vec![remedy, alone],
                Ruling::Deny(Some(remedy)) => vec![remedy],
            };
            for remedy in remedies {
                *remedy = remedy.written(Notation::File).into();
            }
        }
        self.name = Some(name);
        self
    }

    /// The same policy, protecting nothing: it says what it would deny, and lets it pass. The only
    /// way to such a policy.
    #[must_use]
    pub fn unprotected(self, waiver: <Protection as Waived>::Waiver) -> Policy {
        Policy {
            unprotected: Some(waiver.into()),
            ..self
        }
    }

    /// Decides on a request: its target, and whatever else affects how the engine reads it.
    pub fn decide(&self, target: Target, message: impl Into<Message>) -> Verdict {
        let message = message.into();
        match (self.judge(&target, Body::from(&message)), self.unprotected) {
            (Ok(origin), _) => Verdict::Allow(self.permit(target, message, origin)),
            // No engine knows any other method, so forwarding it would teach nothing.
            (Err(remedy), Some(why)) if target.method().is_some() => {
                // It is denied whatever its terms are, but what changes it holds.
                let terms = self.terms(&target).and_then(|terms| terms.changing());
                let origin = why.variable().into();
                let permit = Permit::new(target.clone(), message, origin, self.demand(terms));
                Verdict::WouldDeny(permit, self.denial(target, remedy))
            }
            (Err(remedy), _) => Verdict::Deny(self.denial(target, remedy)),
        }
    }

    fn denial(&self, target: Target, remedy: Arc<Remedy>) -> Denial {
        Denial::new(target, remedy, self.name.clone())
    }

    /// The one place where permits are made: whatever allows a request, its terms are attached.
    fn permit(&self, target: Target, message: Message, origin: Arc<str>) -> Permit {
        let demand = self.demand(self.terms(&target));
        Permit::new(target, message, origin, demand)
    }

    fn demand(&self, terms: Option<Terms>) -> Option<Box<Demand>> {
        terms.map(|terms| {
            Box::new(Demand {
                terms,
                waived: self.unprotected.is_some(),
                policy: self.name.clone(),
            })
        })
    }

    /// The terms of such a request, even where only an engine other than Docker's sees a version.
    fn terms(&self, target: &Target) -> Option<Terms> {
        let own = self.own_terms(target);
        match target.asked() {
            None => own,
            // Whatever allows it, it is forwarded as the version meant it that was asked for.
            Some(_) => Some(Terms::with(own, Term::Older)),
        }
    }

    fn own_terms(&self, target: &Target) -> Option<Terms> {
        // Without any, no path is walked a second time.
        let method = target.method().filter(|_| self.demands)?;
        let at = |path| self.outcome(method, path).terms.as_ref();
        match (
            at(target.path()),
            target.behind_other_version().and_then(at),
        ) {
            (Some(own), Some(spelled)) => Some(own.and(spelled)),
            (own, spelled) => own.or(spelled).cloned(),
        }
    }

    /// The sets of grants that would allow a request that is not allowed, the smallest first.
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

    /// Whether such a request gives no control of the host, even if it is allowed.
    pub fn denies_root(&self, target: &Target) -> bool {
        let terms = self.terms(target);
        let is_one = |term: &Term| matches!(term, Term::DenyRoot(_));
        self.forbids(target) || terms.is_some_and(|terms| terms.iter().any(is_one))
    }

    /// Whether a deny refuses such a request, whatever allows it.
    pub fn forbids(&self, target: &Target) -> bool {
        let ruled = target.method().map(|method| {
            // A deny has no conditions, so either all rulings of an outcome have it, or none.
            &self.outcome(method, target.path()).rulings[0]
        });
        matches!(ruled, Some(Ruling::Forbid { .. }))
    }

    /// What allows a request, or what would grant it.
    fn judge(&self, target: &Target, body: Body) -> Result<Arc<str>, Arc<Remedy>> {
        let method = target.method().ok_or_else(|| self.no_method.clone())?;
        let origin = match self.ruling(method, target.path(), target, body) {
            Ruling::Allow(origin) => origin.clone(),
            Ruling::Forbid { remedy, alone } => {
                return Err(match self.matched(method, target, body) {
                    Some(_) => alone.clone(),
                    None => remedy.clone(),
                });
            }
            Ruling::Deny(remedy) => self.ask_allowlists(method, target, body, remedy.as_ref())?,
        };
        // A deny also holds where only an engine other than Docker's sees a version.
        let spelled = target.behind_other_version();
        match spelled.map(|path| self.ruling(method, path, target, body)) {
            Some(Ruling::Forbid { alone, .. }) => Err(alone.clone()),
            _ => Ok(origin),
        }
    }

    /// The rules' decision on such a request, for this path.
    fn ruling(&self, method: Method, path: &[u8], target: &Target, body: Body) -> &Ruling {
        let outcome = self.outcome(method, path);
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

    /// The outcome at the end of the tree for this method and path.
    fn outcome(&self, method: Method, path: &[u8]) -> &Outcome {
        let row = &self.rows[self.tree.find(path)];
        &self.outcomes[row[method.index()]]
    }

    /// The allowlist entry that allows a target, if any.
    fn matched(&self, method: Method, target: &Target, body: Body) -> Option<Arc<str>> {
        (self.allowlists.iter()).find_map(|list| list.allows(method, target, body))
    }

    /// Decides on a target that the tree neither allows nor denies.
    fn ask_allowlists(
        &self,
        method: Method,
        target: &Target,
        body: Body,
        remedy: Option<&Arc<Remedy>>,
    ) -> Result<Arc<str>, Arc<Remedy>> {
        if let Some(origin) = self.matched(method, target, body) {
            return Ok(origin);
        }
        let version = || self.uncovered.version(target);
        Err(match (remedy, self.allowlists.as_slice()) {
            (Some(remedy), []) => remedy.clone(),
            (None, []) => (version())
                .unwrap_or_else(|| self.uncovered.remedy(method, target, body))
                .clone(),
            (remedy, lists) => {
                let missed = lists.iter().map(|list| list.miss(method, target, body));
                Remedy::besides(remedy.or_else(version), missed.collect()).into()
            }
        })
    }
}

/// The rules' decision on a method, for a path that matches exactly these patterns.
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
    let in_force = candidates.iter().filter(|candidate| candidate.in_force());
    let terms = Terms::all(in_force.filter_map(|candidate| candidate.rule.effect.term()));
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
            terms,
        });
    }
    Ok(Outcome {
        conditions,
        rulings,
        terms,
    })
}

/// A rule that matches a request, with the grants that it lacks to be in force there.
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

    /// The conditions that keep it from allowing a request although it is in force.
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
