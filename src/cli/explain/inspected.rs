//! A request that a rule allows: what its terms make of it, and what would be forwarded.
//!
//! It is judged by the steps that judge a client's request, and the engine is asked for the same, so
//! that the verdict is the proxy's. What cannot be known is no verdict.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;

use super::super::output::{aligned, visible};
use super::changes;
use crate::api::sections::Check;
use crate::body::demands::Demands;
use crate::body::inspection::{self, Answer, Ended, Fact, Others, Reading, Step, Watch};
use crate::body::json::{Limits, Value};
use crate::body::limits;
use crate::body::rules::Rule;
use crate::config::{ConfiguredPolicy, PolicyId, Settings};
use crate::observe::log::one_line;
use crate::policy::{Cleared, Content, Denial, Inspection, Judged, Permit, Term, printable};
use crate::proxy;

/// What comes of a request, in words.
pub(super) enum Outcome {
    Allowed(String),
    Denied(String),
    /// It depends on what is not known.
    Undecided(String),
}

/// A request that is allowed, with all that its verdict depends on.
pub(super) struct Case<'a> {
    settings: &'a Settings,
    demands: Arc<Demands>,
    others: Arc<Others>,
    /// `by CONTAINERS`
    by: String,
    /// Where the policy is, if it is in a file.
    label: String,
    terms: Vec<Term>,
    /// As they were sent.
    line: String,
    body: Option<Vec<u8>>,
    /// Its client, as rules see it.
    client: Value,
    /// The gates and mutators that look at it.
    middleware: Vec<[String; 2]>,
}

/// Reads a body from a file or stdin: as much as is ever judged, and one byte more.
pub(super) fn read(file: &str) -> Result<Vec<u8>, String> {
    let most = Limits::default().bytes as u64 + 1;
    let mut body = Vec::new();
    let read = match file {
        "-" => io::stdin().lock().take(most).read_to_end(&mut body),
        path => File::open(path).and_then(|file| file.take(most).read_to_end(&mut body)),
    };
    match read {
        Ok(_) => Ok(body),
        Err(error) => Err(format!("cannot read {}: {error}", printable(file))),
    }
}

impl<'a> Case<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        (id, policy): (PolicyId, &ConfiguredPolicy),
        permit: &Permit,
        body: Option<Vec<u8>>,
        client: Value,
    ) -> Case<'a> {
        let middleware = policy.sources.middleware.shown_for(permit.target());
        let middleware = middleware.map(|(kind, told)| [format!("  {kind}"), visible(&told)]);
        let label = policy.label();
        let label = label.map_or(String::new(), |label| format!(" ({label})"));
        Case {
            settings,
            demands: Arc::clone(&policy.demands),
            others: Arc::new(proxy::others(
                id,
                &settings.policies,
                &settings.rules,
                &settings.endpoints,
            )),
            by: format!("allowed by {}", permit.origin()),
            label,
            terms: permit.terms().to_vec(),
            line: format!(
                "{} {}",
                permit.target().method_str(),
                permit.target().path_and_query()
            ),
            body,
            client,
            middleware: middleware.collect(),
        }
    }

    /// Judges it step by step.
    pub(super) fn judge(&self, inspection: Inspection) -> Outcome {
        let (demands, others) = (Arc::clone(&self.demands), Arc::clone(&self.others));
        let client = || self.client.clone();
        let mut step = inspection::begin(inspection, demands, others, client);
        loop {
            step = match step {
                Step::Read(reading) => match self.read(reading) {
                    Ok(next) => next,
                    Err(outcome) => return outcome,
                },
                Step::Ask(asking) => match self.ask(asking.needs()) {
                    Ok(answers) => asking.answered(answers),
                    Err(outcome) => return outcome,
                },
                Step::Missing(words) => {
                    let words = one_line(&words).into_owned();
                    return Outcome::Undecided(format!(
                        "undecided: dockgate answers 404, as what it names does not exist: {words}"
                    ));
                }
                Step::Watch(cleared, watch) => match self.watch(watch) {
                    Ok(()) => return self.allowed(cleared),
                    Err(outcome) => return outcome,
                },
                Step::Judged(Judged::Clear(cleared)) => return self.allowed(cleared),
                Step::Judged(Judged::Deny(denial)) => {
                    return Outcome::Denied(format!("denied: {}", denial.message()));
                }
                Step::Judged(Judged::WouldDeny(_, denial)) => {
                    return Outcome::Denied(format!("would deny: {}", denial.message()));
                }
            };
        }
    }

    /// Reads the body, if there is one.
    fn read(&self, reading: Reading) -> Result<Step, Outcome> {
        match &self.body {
            Some(body) if body.len() > Limits::default().bytes => {
                let text = proxy::too_large();
                Err(Outcome::Denied(format!("denied: {}", text.text())))
            }
            Some(body) => Ok(reading.read(body.clone())),
            None => Err(self.needs_body()),
        }
    }

    /// Watches the archive of a build as it would pass, if there is one.
    fn watch(&self, mut watch: Box<Watch>) -> Result<(), Outcome> {
        let body = self.body.as_ref().ok_or_else(|| self.needs_body())?;
        watch.read(body).map_err(|denial| denied(&watch, &denial))?;
        loop {
            let ended = watch.end();
            match ended.map_err(|denial| denied(&watch, &denial))? {
                Ended::Passes => return Ok(()),
                Ended::Asks(needs) => {
                    for (fact, answer) in self.ask(&needs)? {
                        watch.learn(fact, answer);
                    }
                }
            }
        }
    }

    fn needs_body(&self) -> Outcome {
        Outcome::Undecided(format!(
            "undecided: {}, unless {} its body{}; use --body FILE\n\
             terms in force:\n{}",
            self.by,
            self.refuse(),
            self.label,
            aligned(&self.in_force()).trim_end(),
        ))
    }

    /// Asks the engine.
    fn ask(&self, needs: &[Fact]) -> Result<Vec<(Fact, Answer)>, Outcome> {
        proxy::ask(&self.settings.engine, needs).map_err(|why| {
            let asked = needs.iter().map(|fact| format!("\n  GET {}", fact.path()));
            Outcome::Undecided(format!(
                "undecided: {}, unless {} what the engine answers{}: {why}\n\
                 the engine would be asked for:{}",
                self.by,
                self.refuse(),
                self.label,
                asked.collect::<String>(),
            ))
        })
    }

    /// It meets its terms.
    pub(super) fn allowed(&self, cleared: Cleared) -> Outcome {
        let mut text = self.by.clone();
        if !self.terms.is_empty() {
            let variables = self.variables().join(" and ");
            let verb = if self.are_several() { "do" } else { "does" };
            text += &format!("; {variables} {verb} not refuse it");
        }
        text += &self.label;
        if self.terms.is_empty() && self.body.is_none() {
            return Outcome::Allowed(text);
        }
        let changes = self.changes(cleared);
        text += match changes.is_empty() {
            true => "\nforwarded unchanged",
            false => "\nforwarded with these changes:",
        };
        for change in changes {
            text.push('\n');
            text += &one_line(&change);
        }
        Outcome::Allowed(text)
    }

    /// What is forwarded otherwise than it was sent.
    fn changes(&self, cleared: Cleared) -> Vec<String> {
        let (target, _, content, filter) = cleared.into_parts();
        let line = format!("{} {}", target.method_str(), target.path_and_query());
        let mut changes = Vec::new();
        if line != self.line {
            changes.push(format!("- {}", self.line));
            changes.push(format!("+ {line}"));
        }
        if let (Some(sent), Content::Whole(written)) = (&self.body, content) {
            changes.extend(changes::of(sent, &written));
        }
        changes.extend(filter.map(|hidden| format!("- {hidden}, in the engine's answer")));
        changes
    }

    /// What sets its terms.
    fn variables(&self) -> Vec<&str> {
        let others = self
            .terms
            .iter()
            .filter(|term| !matches!(term, Term::Rule(_)));
        let mut variables: Vec<&str> = others.map(|term| term.variable()).collect();
        variables.extend(self.rules().map(|rule| &*rule.name));
        variables.sort_unstable();
        variables.dedup();
        variables
    }

    /// The rules that judge it.
    fn rules(&self) -> impl Iterator<Item = &Rule> {
        let numbers = self.terms.iter().filter_map(|term| match term {
            Term::Rule(number) => Some(*number),
            _ => None,
        });
        numbers.filter_map(|number| self.demands.rules.get(number))
    }

    /// Whether what sets its terms is more than one thing.
    fn are_several(&self) -> bool {
        let variables = self.variables();
        variables.len() > 1 || variables == [Term::Limits(Check::Body).variable()]
    }

    /// `DENY_ROOT or the limits refuse`
    fn refuse(&self) -> String {
        let verb = if self.are_several() {
            "refuse"
        } else {
            "refuses"
        };
        format!("{} {verb}", self.variables().join(" or "))
    }

    /// What its terms demand.
    fn in_force(&self) -> Vec<[String; 2]> {
        let is_root = |term: &Term| matches!(term, Term::DenyRoot(_));
        let root = self.terms.iter().any(is_root);
        let root = root.then(|| ["  DENY_ROOT".to_owned(), "1".to_owned()]);
        let is_limit = |term: &Term| matches!(term, Term::DenyRoot(_) | Term::Limits(_));
        let limits = self.demands.limits.iter();
        let limits = limits.filter(|_| self.terms.iter().any(is_limit));
        let limits = limits.flat_map(limits::Limits::in_force);
        let limits = limits.map(|(name, entries)| [format!("  {name}"), entries]);
        let rules = self.rules().map(|rule| {
            let source = visible(&rule.source);
            let text = match &*rule.told {
                "" => source,
                told => format!("{source} ({})", visible(told)),
            };
            [format!("  {}", rule.name), text]
        });
        let is_one = self.terms.contains(&Term::Middleware);
        let middleware = self.middleware.iter().filter(|_| is_one).cloned();
        let limits = root.into_iter().chain(limits);
        limits.chain(middleware).chain(rules).collect()
    }
}

/// An archive does not pass.
fn denied(watch: &Watch, denial: &Denial) -> Outcome {
    let denied = if watch.is_waived() {
        "would deny"
    } else {
        "denied"
    };
    Outcome::Denied(format!("{denied}: {}", denial.message()))
}
