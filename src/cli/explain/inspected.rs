//! A request that a rule allows: what its terms make of it, and what would be forwarded.
//!
//! It is judged by the steps that judge a client's request, and the engine is asked for the same, so
//! that the verdict is the proxy's. What cannot be known is no verdict.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use super::super::output::{aligned, visible};
use super::changes;
use crate::api::Target;
use crate::api::sections::Check;
use crate::body::demands::Demands;
use crate::body::inspection::{self, Answer, Ended, Fact, Others, Reading, Step, Told, Watch};
use crate::body::json::{Limits, Value};
use crate::body::limits;
use crate::body::rules::Rule;
use crate::config::{ConfiguredPolicy, Engine, PolicyId, Settings};
use crate::observe::log::one_line;
use crate::policy::{
    Broken, Cleared, Content, Denial, Inspection, Judged, Obstacle, Permit, Term, Unmet, printable,
};
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
    /// Who is asked, or why that is not known.
    engine: Result<&'a Arc<Engine>, &'a str>,
    demands: Arc<Demands>,
    others: Arc<Others>,
    /// `by CONTAINERS`
    by: String,
    /// Where the policy is, if it is in a file.
    label: String,
    terms: Vec<Term>,
    /// As they were sent.
    line: String,
    body: Option<Sent>,
    /// Its client, as rules see it, if it is known.
    client: Option<Value>,
    /// The gates and mutators that look at it.
    middleware: Vec<[String; 2]>,
}

/// A body from a file or stdin.
pub(super) struct Sent {
    /// As much as is ever judged as a whole, and one byte more.
    start: Vec<u8>,
    /// What follows in an archive.
    rest: Box<dyn Read>,
    file: String,
}

impl Sent {
    /// Reads the start.
    pub(super) fn read(file: &str) -> Result<Sent, String> {
        let opened = match file {
            "-" => Ok(Box::new(io::stdin()) as Box<dyn Read>),
            path => File::open(path).map(|file| Box::new(file) as Box<dyn Read>),
        };
        let most = Limits::default().bytes as u64 + 1;
        let mut start = Vec::new();
        let read = opened.and_then(|mut rest| {
            rest.by_ref().take(most).read_to_end(&mut start)?;
            Ok(rest)
        });
        let file = file.to_owned();
        match read {
            Ok(rest) => Ok(Sent { start, rest, file }),
            Err(error) => Err(unreadable(&file, &error)),
        }
    }

    /// As much of it as was read.
    pub(super) fn start(&self) -> &[u8] {
        &self.start
    }

    /// Reads the next piece of the rest; without any byte at its end.
    fn next(&mut self) -> Result<Vec<u8>, String> {
        let mut piece = Vec::with_capacity(PIECE);
        let read = self
            .rest
            .by_ref()
            .take(PIECE as u64)
            .read_to_end(&mut piece);
        read.map_err(|error| unreadable(&self.file, &error))?;
        Ok(piece)
    }
}

/// So much of an archive is read at a time.
const PIECE: usize = 64 << 10;

fn unreadable(file: &str, error: &io::Error) -> String {
    format!("cannot read {}: {error}", printable(file))
}

impl<'a> Case<'a> {
    pub(super) fn new(
        (settings, engine): (&Settings, Result<&'a Arc<Engine>, &'a str>),
        (id, policy): (PolicyId, &ConfiguredPolicy),
        sent: &Target,
        permit: &Permit,
        body: Option<Sent>,
        client: Option<Value>,
    ) -> Case<'a> {
        let middleware = policy.sources.middleware.shown_for(permit.target());
        let middleware = middleware.map(|(kind, told)| [format!("  {kind}"), visible(&told)]);
        let label = policy.label();
        let label = label.map_or(String::new(), |label| format!(" ({label})"));
        Case {
            engine,
            demands: Arc::clone(&policy.demands),
            others: Arc::new(proxy::others(
                id,
                &settings.policies,
                &settings.rules,
                &settings.endpoints,
                settings.process.self_container.as_deref(),
                settings.process.label_prefix.as_deref(),
            )),
            by: format!("allowed by {}", permit.origin()),
            label,
            terms: permit.terms().to_vec(),
            line: format!("{} {}", sent.method_str(), sent.path_and_query()),
            body,
            client,
            middleware: middleware.collect(),
        }
    }

    /// Judges it step by step.
    pub(super) fn judge(&mut self, inspection: Inspection) -> Outcome {
        let (demands, others) = (Arc::clone(&self.demands), Arc::clone(&self.others));
        let client = || self.client.clone().unwrap_or_default();
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
                Step::Make(making) => {
                    let paths = making.makes().iter().map(|make| make.path);
                    let paths: Vec<&str> = paths.collect();
                    return Outcome::Undecided(format!(
                        "undecided: the engine would be asked first: POST {}",
                        paths.join(", POST ")
                    ));
                }
                Step::Answer(Told::Dangling(words)) => {
                    let words = one_line(&words).into_owned();
                    return Outcome::Undecided(format!(
                        "undecided: dockgate answers 400, as what its body refers to does not \
                         exist: {words}"
                    ));
                }
                Step::Answer(Told::Missing(words)) => {
                    let words = one_line(&words).into_owned();
                    return Outcome::Undecided(format!(
                        "undecided: dockgate answers 404, as what it names does not exist: {words}"
                    ));
                }
                Step::Answer(Told::Taken(words)) => {
                    let words = one_line(&words).into_owned();
                    return Outcome::Undecided(format!(
                        "undecided: dockgate answers 409, as the name is taken: {words}"
                    ));
                }
                Step::Watch(cleared, watch) => match self.watch(watch) {
                    Ok(()) => return self.passes(cleared),
                    Err(outcome) => return outcome,
                },
                Step::Judged(Judged::Clear(cleared)) => return self.passes(cleared),
                Step::Judged(Judged::Deny(denial)) => return self.fails("denied", &denial),
                Step::Judged(Judged::WouldDeny(_, denial)) => {
                    return self.fails("would deny", &denial);
                }
            };
        }
    }

    /// It meets its terms, unless a rule says otherwise of its client.
    fn passes(&self, cleared: Cleared) -> Outcome {
        match self.open_rules().next() {
            Some(_) => self.needs_client(),
            None => self.allowed(cleared),
        }
    }

    /// It does not meet its terms, unless nothing but rules that look at its client say so.
    fn fails(&self, how: &str, denial: &Denial) -> Outcome {
        let is_open = |broken: &Broken| self.open_rules().any(|rule| rule.name == broken.rule);
        let mut obstacles = denial.remedy().obstacles();
        let open = obstacles.all(|obstacle| match obstacle {
            Obstacle::Unmet(Unmet::Broken(broken)) => broken.iter().all(is_open),
            _ => false,
        });
        match open {
            true => self.needs_client(),
            false => Outcome::Denied(format!("{how}: {}", denial.message())),
        }
    }

    /// The rules that look at its client, if that is not known.
    fn open_rules(&self) -> impl Iterator<Item = &Rule> {
        let is_open = |rule: &&Rule| self.client.is_none() && rule.needs.client;
        self.rules().filter(is_open)
    }

    fn needs_client(&self) -> Outcome {
        let mut names: Vec<&str> = self.open_rules().map(|rule| &*rule.name).collect();
        names.sort_unstable();
        names.dedup();
        let verb = match names.len() {
            1 => "refuses",
            _ => "refuse",
        };
        Outcome::Undecided(format!(
            "undecided: {}, unless {} {verb} its client{}; use --client ADDRESS or --client \
             unix:UID[:GID,...]",
            self.by,
            names.join(" or "),
            self.label,
        ))
    }

    /// Reads the body, if there is one.
    fn read(&self, reading: Reading) -> Result<Step, Outcome> {
        match &self.body {
            Some(body) if body.start.len() > Limits::default().bytes => {
                let text = proxy::too_large();
                Err(Outcome::Denied(format!("denied: {}", text.text())))
            }
            Some(body) => Ok(reading.read(body.start.clone())),
            None => Err(self.needs_body()),
        }
    }

    /// Watches the archive of a build as it would pass, if there is one.
    fn watch(&mut self, mut watch: Box<Watch>) -> Result<(), Outcome> {
        let Some(body) = &mut self.body else {
            return Err(self.needs_body());
        };
        let mut piece = body.start.clone();
        while !piece.is_empty() {
            let read = watch.read(&piece);
            read.map_err(|denial| denied(&watch, &denial))?;
            let next = body.next();
            piece = next.map_err(|why| Outcome::Undecided(format!("undecided: {why}")))?;
        }
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
        let asked = self.engine.map_err(str::to_owned);
        asked
            .and_then(|engine| proxy::ask(engine, needs))
            .map_err(|why| {
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
        if !self.variables().is_empty() {
            let variables = self.variables().join(" and ");
            let verb = if self.are_several() { "do" } else { "does" };
            text += &format!("; {variables} {verb} not refuse it");
        }
        for term in &self.terms {
            if let Some(what) = term.removes() {
                let variable = term.variable();
                text += &format!("; {variable} removes {what} from the response");
            }
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
        let (target, _, content, _) = cleared.into_parts();
        let line = format!("{} {}", target.method_str(), target.path_and_query());
        let mut changes = Vec::new();
        if line != self.line {
            changes.push(format!("- {}", self.line));
            changes.push(format!("+ {line}"));
        }
        if let (Some(sent), Content::Whole(written)) = (&self.body, content) {
            changes.extend(changes::of(&sent.start, &written));
        }
        changes
    }

    /// What sets its terms.
    fn variables(&self) -> Vec<&str> {
        let judging = self.terms.iter().filter(|term| term.removes().is_none());
        let others = judging.filter(|term| !matches!(term, Term::Rule(_) | Term::Versions));
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
