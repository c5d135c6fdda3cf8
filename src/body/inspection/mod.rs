//! Whether a request meets its terms: its query, its body, and what the engine knows of the objects
//! that it names, judged step by step.
//!
//! [`begin`] looks at the head alone, so that a body that will not be forwarded is never asked for.
//! Then the caller does what each [`Step`] says, until there is a verdict. Only this module makes the
//! [`Proof`] that terms are met. Fails closed: what cannot be read in one way, what the table of
//! fields does not have, and what the engine does not answer are refused.

mod facts;
mod others;
mod pin;
mod query;
mod root;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::sync::Arc;

use super::Place;
use super::demands::Demands;
use super::json::{self, Limits, Value};
use crate::api::fields::Body;
use crate::api::sections::{CONTROLS, Check, Route};
use crate::policy::{self, Content, Excess, Inspection, Judged, Met, Term, Terms, Unmet, Written};
use facts::Facts;
pub use facts::{Answer, Fact, Name};
pub use others::Others;
use root::Finding;

/// What comes next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Read the whole body.
    Read(Reading),
    /// Ask the engine.
    Ask(Asking),
    /// Answer 404 with these words of the engine: what the request names does not exist.
    Missing(String),
    /// This is the verdict.
    Judged(Judged),
}

/// Proof that a request meets its terms, with what of it was judged.
#[derive(Debug)]
pub struct Proof(Written);

impl From<Proof> for Written {
    fn from(proof: Proof) -> Written {
        proof.0
    }
}

impl Met for Terms {
    type Proof = Proof;
}

/// A request whose body is needed.
#[derive(Debug)]
pub struct Reading(Request);

/// A request that depends on what the engine says.
#[derive(Debug)]
pub struct Asking {
    request: Request,
    needs: Vec<Fact>,
}

/// A request as far as it was read.
#[derive(Debug)]
struct Request {
    inspection: Inspection,
    /// What its policy demands.
    demands: Arc<Demands>,
    /// The clients for which other policies hold.
    others: Arc<Others>,
    /// What it names in its path and its query.
    subjects: Vec<Subject>,
    /// What its body is to the engine, and holds.
    asked: Option<(&'static Body, Value)>,
    /// Its body as it was sent, if that was read.
    sent: Content,
    facts: Facts,
}

/// What a request names in its path or its query.
#[derive(Debug)]
enum Subject {
    /// A container in the path.
    Container(Name, &'static Route),
    /// An exec in the path.
    Exec(Name, &'static Route),
    /// A container in the query.
    Commit(Name),
    /// A network in the path. Its name stays.
    Network(Name),
    /// A service in the path, to be rolled back from this version. Its name stays: the engine holds it
    /// to the version.
    Rollback(Name, String),
}

/// Judges what is in a request's head.
pub fn begin(inspection: Inspection, demands: Arc<Demands>, others: Arc<Others>) -> Step {
    match head(&inspection, &others) {
        Ok((subjects, reads)) => {
            let request = Request {
                inspection,
                demands,
                others,
                subjects,
                asked: None,
                sent: Content::AsSent,
                facts: Facts::default(),
            };
            match reads {
                true => Step::Read(Reading(request)),
                false => request.next(),
            }
        }
        Err(unmet) => Step::Judged(inspection.fails(unmet, Content::AsSent)),
    }
}

/// What becomes of a request that is under way, and that was allowed when it had no terms to meet.
pub fn unjudged(inspection: Inspection) -> Judged {
    let unmet = too_much("the request", "", "began before it could be judged");
    inspection.fails(unmet, Content::AsSent)
}

/// What the head names, and whether the body counts.
fn head(inspection: &Inspection, others: &Others) -> Result<(Vec<Subject>, bool), Unmet> {
    let (target, message) = (inspection.target(), inspection.message());
    if target.behind_other_version().is_some() {
        return Err(unreadable(
            "its path has another version than those of Docker",
        ));
    }
    let mut reads = false;
    let mut subjects = Vec::new();
    for term in inspection.terms() {
        let Term::DenyRoot(check) = *term else {
            return Err(unreadable("it cannot be judged"));
        };
        // A form of up to 7 bytes has no room for what a start must not have.
        if message.is_form() && message.length() != Some(0) && check != Check::Start {
            return Err(unreadable(
                "its Content-Type is that of a form, whose values the engine would prefer to those \
                 of the query",
            ));
        }
        match check {
            Check::Body => reads = true,
            Check::Name => query::name(target, others)?,
            Check::Build => query::build(target)?,
            Check::Start => query::start(target, policy::Body::from(message))?,
            Check::Update => {
                if let Some(version) = query::rollback(target)? {
                    subjects.push(Subject::Rollback(named(inspection, check)?.0, version));
                }
            }
            Check::Commit => subjects.push(Subject::Commit(query::commit(target)?)),
            Check::Container => {
                let (name, route) = named(inspection, check)?;
                subjects.push(Subject::Container(name, route));
            }
            Check::Exec => {
                let (name, route) = named(inspection, check)?;
                subjects.push(Subject::Exec(name, route));
            }
            Check::Network => subjects.push(Subject::Network(named(inspection, check)?.0)),
            // What it may show is in its answer.
            Check::JoinTokens => {}
        }
    }
    Ok((subjects, reads))
}

/// What the path of a request names, and the route that says so.
fn named(inspection: &Inspection, check: Check) -> Result<(Name, &'static Route), Unmet> {
    let target = inspection.target();
    let controls = CONTROLS.iter().filter(|one| one.judged.contains(&check));
    let mut routes = controls.flat_map(|control| control.routes);
    let found = routes.find_map(|route| {
        let fits = route.method.is_none() || route.method == target.method();
        let name = route.name_in(target.path()).filter(|_| fits)?;
        Some((Name::of(str::from_utf8(name).ok()?)?, route))
    });
    found.ok_or_else(|| unreadable("its path names nothing that the engine could have"))
}

impl Reading {
    /// Reads the body as the engine would.
    pub fn read(self, bytes: Vec<u8>) -> Step {
        let mut request = self.0;
        let target = request.inspection.target();
        let body = target.method().and_then(|method| Body::of(method, target));
        let Some(body) = body else {
            return request.fails(unreadable("the body of this route is not known"));
        };
        match json::read(&bytes, Limits::default(), Place::of(body)) {
            Ok(tree) => {
                request.asked = Some((body, tree));
                if request.inspection.is_waived() {
                    request.sent = Content::Whole(bytes);
                }
                request.next()
            }
            // To most routes it is `{}`, and the others refuse it.
            Err(json::Refusal::Empty) => {
                request.sent = Content::Whole(Vec::new());
                request.next()
            }
            Err(refusal) => {
                request.sent = Content::Whole(bytes);
                request.fails(unreadable(refusal))
            }
        }
    }
}

impl Asking {
    /// What the engine must be asked.
    pub fn needs(&self) -> &[Fact] {
        &self.needs
    }

    /// How much memory is held meanwhile, roughly.
    pub fn size(&self) -> usize {
        let tree = self.request.asked.as_ref();
        tree.map_or(0, |(_, tree)| tree.size()) + self.request.facts.size()
    }

    /// Goes on with its answers, to all of these.
    pub fn answered(mut self, answers: impl IntoIterator<Item = (Fact, Answer)>) -> Step {
        for (fact, answer) in answers {
            self.request.facts.learn(fact, answer);
        }
        // Nothing is asked twice, so that this ends.
        let facts = &self.request.facts;
        match self.needs.iter().all(|fact| facts.answer(fact).is_some()) {
            true => self.request.next(),
            false => self.request.fails(unreadable("the engine did not answer")),
        }
    }
}

impl Request {
    fn next(self) -> Step {
        match root::find(
            &self.subjects,
            self.asked.as_ref(),
            &self.facts,
            &self.others,
        ) {
            Finding::Excess(excesses) => self.fails(Unmet::Excess(DENY_ROOT, excesses)),
            Finding::Ask(needs) => Step::Ask(Asking {
                request: self,
                needs,
            }),
            Finding::Missing(_) if self.inspection.is_waived() => {
                self.fails(unreadable("what it names does not exist"))
            }
            Finding::Missing(words) => Step::Missing(words),
            Finding::Nothing => self.meets(),
        }
    }

    fn meets(mut self) -> Step {
        let target = match pin::target(self.inspection.target(), &self.subjects, &self.facts) {
            Ok(target) => target,
            Err(unmet) => return self.fails(unmet),
        };
        let body = match (&mut self.asked, &self.sent) {
            (Some((body, tree)), _) => {
                let written = pin::body(body, tree, &self.facts);
                if let Err(unmet) = written.and_then(|()| root::is_pinned(body, tree, &self.facts))
                {
                    return self.fails(unmet);
                }
                Some(tree.to_json().into_bytes())
            }
            (None, Content::Whole(_)) => Some(Vec::new()),
            (None, Content::AsSent) => None,
        };
        let proof = Proof(Written { target, body });
        Step::Judged(self.inspection.meets(proof))
    }

    fn fails(self, unmet: Unmet) -> Step {
        Step::Judged(self.inspection.fails(unmet, self.sent))
    }
}

/// Why a name is not given, and a network is not made or joined.
const ANOTHERS: &str = "belongs to a client that has another policy";

/// The term that all of this judges.
const DENY_ROOT: &str = "DENY_ROOT";

fn unreadable(why: impl Display) -> Unmet {
    Unmet::Unreadable(DENY_ROOT, why.to_string().into())
}

/// One thing too much.
fn too_much(place: &str, value: &str, why: impl Display) -> Unmet {
    let excess = Excess {
        of: None,
        place: place.into(),
        value: value.into(),
        why: why.to_string().into(),
    };
    Unmet::Excess(DENY_ROOT, vec![excess])
}
