//! Whether a request meets its terms: its query, its body, and what the engine knows of the objects
//! that it names, judged step by step.
//!
//! [`begin`] looks at the head alone, so that a body that will not be forwarded is never asked for.
//! Then the caller does what each [`Step`] says, until there is a verdict. Only this module makes the
//! [`Proof`] that terms are met. Fails closed: what cannot be read in one way, what the table of
//! fields does not have, and what the engine does not answer are refused.
//!
//! The order is that of this page: the head, the body, what an older version of the API meant by it, what
//! mutators change in it, what limits write in; then all judges in rounds, until none has a question left;
//! then the rules in CEL, once, on what would be forwarded; then the pins. So whatever is judged is the
//! changed request, and that is forwarded.

mod answered;
mod archive;
mod build;
mod clients;
mod finding;
mod head;
mod limited;
mod middleware;
mod older;
mod others;
mod pin;
mod query;
mod reserved;
mod returned;
mod root;
mod rules;
mod scoped;
mod survey;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::sync::Arc;

use super::answer::Filter;
use super::demands::Demands;
use super::draft::Draft;
use super::facts::Facts;
pub use super::facts::{Answer, Arriving, Fact, Name};
use super::json::Value;
use super::reach::Claim;
use crate::api::sections::Route;
use crate::policy::{
    Cleared, Content, Excess, Inspection, Judged, Met, Term, Terms, Unmet, Written,
};
use archive::Archive;
pub use archive::{Ended, Watch};
use finding::Finding;
pub use finding::Told;
pub use others::{CHOOSES, Others, Values};
pub use rules::names_object;
use scoped::Scoped;
pub use scoped::{Made, Make};
pub use survey::{Survey, Want, edited};

/// What comes next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Read the whole body.
    Read(Reading),
    /// Ask the engine.
    Ask(Asking),
    /// Have the engine make these first.
    Make(Making),
    /// Answer as the engine would.
    Answer(Told),
    /// Forward it, and let this watch its body.
    Watch(Cleared, Box<Watch>),
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
    type Filter = Filter;
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

/// A request that meets its terms once these were made.
#[derive(Debug)]
pub struct Making {
    request: Request,
    makes: Vec<Make>,
}

/// A request as far as it was read.
#[derive(Debug)]
struct Request {
    inspection: Inspection,
    /// What is judged of it, and forwarded.
    draft: Draft,
    /// What its policy demands.
    demands: Arc<Demands>,
    /// The clients for which other policies hold.
    others: Arc<Others>,
    /// Who asks, if a rule may want to know.
    client: Value,
    /// What it names in its path and its query.
    subjects: Vec<Subject>,
    /// What limits are about in its path and its query.
    claims: Vec<Claim>,
    /// The archive that is its body, if images are looked for in it.
    archive: Option<Archive>,
    /// Its body as it was sent, if that was read.
    sent: Content,
    /// What mutators made of it, if it is forwarded even if it fails.
    edited: Written,
    /// Why it fails, whatever its body is.
    failed: Option<Unmet>,
    /// What its policy's scope makes of it.
    scoped: Scoped,
    /// Whether mutators have changed it, and before them what an older version meant was written in.
    is_complete: bool,
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
    /// A network in the path.
    Network(Name, &'static Route),
    /// A container in the path that is to be started.
    Start(Name, &'static Route),
    /// A build, whose containers may be in a network.
    Build {
        /// Whether they are.
        in_network: bool,
    },
    /// A service in the path, to be rolled back from this version. Its name stays: the engine holds it
    /// to the version.
    Rollback(Name, String),
    /// What a rule looks at, by the route that names it. Only a container and an exec are forwarded under
    /// full IDs.
    Object(Fact, &'static Route),
}

/// Judges what is in a request's head. `client` is who asks, as rules see it.
pub fn begin(
    inspection: Inspection,
    demands: Arc<Demands>,
    others: Arc<Others>,
    client: impl FnOnce() -> Value,
) -> Step {
    // Terms match with a slash at the end as well. Engines have no such routes but one, and where a
    // name may end so it is none.
    let path = inspection.target().path();
    if path.ends_with(b"/") && path != b"/networks/" && !inspection.is_waived() {
        return Step::Answer(Told::Missing("page not found".to_owned()));
    }
    let draft = Draft::new(inspection.target().clone());
    let (head, failed) = match head::judge(&inspection, &draft, &demands, &others) {
        Ok(head) => (head, None),
        // What is forwarded nevertheless is forwarded as mutators make it.
        Err(unmet) => match middleware::waived(&inspection, &draft, &demands) {
            Some(head) => (head, Some(unmet)),
            None => {
                let unmet = by_terms(unmet, &inspection);
                let (sent, edited) = (Content::AsSent, Written::default());
                return Step::Judged(inspection.fails(unmet, sent, edited));
            }
        },
    };
    let judged = inspection.terms().iter();
    let ruled = judged.copied().any(|term| matches!(term, Term::Rule(_)));
    let request = Request {
        inspection,
        draft,
        demands,
        others,
        client: if ruled { client() } else { Value::Null },
        subjects: head.subjects,
        claims: head.claims,
        archive: head.archive,
        sent: Content::AsSent,
        edited: Written::default(),
        failed,
        scoped: head.scoped,
        is_complete: false,
        facts: Facts::default(),
    };
    match head.reads {
        true => Step::Read(Reading(request)),
        false => request.complete(),
    }
}

/// A refusal by the term that the request has: what is unreadable is so to each of them.
fn by_terms(unmet: Unmet, inspection: &Inspection) -> Unmet {
    let terms = inspection.terms();
    let first = match terms.first() {
        Some(first) if !terms.iter().any(|term| matches!(term, Term::DenyRoot(_))) => first,
        _ => return unmet,
    };
    match unmet {
        Unmet::Excess(DENY_ROOT, excesses) => Unmet::Excess(first.variable(), excesses),
        Unmet::Unreadable(DENY_ROOT, why) => Unmet::Unreadable(first.variable(), why),
        other => other,
    }
}

/// What becomes of a request that is under way, and that was allowed when it had no terms to meet.
pub fn unjudged(inspection: Inspection) -> Judged {
    let unmet = too_much("the request", "", "began before it could be judged");
    let unmet = by_terms(unmet, &inspection);
    inspection.fails(unmet, Content::AsSent, Written::default())
}

impl Reading {
    /// Reads the body as the engine would.
    pub fn read(self, bytes: Vec<u8>) -> Step {
        let mut request = self.0;
        if request.draft.body().is_none() {
            request.sent = Content::Whole(bytes);
            return request.fails(unreadable("the body of this route is not known"));
        }
        let read = request.draft.read(&bytes);
        if read.is_err() || bytes.is_empty() || request.inspection.is_waived() {
            request.sent = Content::Whole(bytes);
        }
        match read {
            Ok(()) => request.complete(),
            Err(refusal) => request.fails(unreadable(refusal)),
        }
    }
}

impl Request {
    /// All of it has been read: it becomes what the version that was asked for meant, then mutators
    /// change it, once.
    fn complete(mut self) -> Step {
        match older::write(&mut self) {
            Finding::Nothing => self.is_complete = true,
            found => return self.follow(found),
        }
        let edited = returned::body(&self).and_then(|()| middleware::edit(&mut self));
        match self.failed.take().map_or(edited, Err) {
            Ok(()) => self.round(),
            Err(unmet) => self.fails(unmet),
        }
    }

    /// A round: by what the engine has said so far, the limits write in what is missing, and each judge
    /// says what it makes of the whole. What they ask is asked together.
    fn round(mut self) -> Step {
        match scoped::settle(&mut self) {
            Finding::Nothing if self.scoped.is_hidden => return self.hidden(),
            Finding::Nothing => {}
            found => return self.follow(found),
        }
        match reserved::settle(&mut self).and(|| clients::settle(&mut self)) {
            Finding::Nothing => {}
            found => return self.follow(found),
        }
        root::fill(&mut self);
        let found = root::judge(&self)
            .and(|| limited::judge(&self))
            .and(|| middleware::judge(&self))
            .and(|| rules::ask(&self));
        self.follow(found)
    }

    fn follow(self, found: Finding) -> Step {
        match found {
            Finding::Refused(unmet) => self.fails(unmet),
            Finding::Answer(_) if self.inspection.is_waived() => {
                self.fails(unreadable("what it names does not exist"))
            }
            Finding::Answer(told) => Step::Answer(told),
            Finding::Asks(needs) if self.facts.len() + needs.len() > MOST_FACTS => {
                let why = format_args!("depend on more than {MOST_FACTS} answers of the engine");
                self.fails(too_much("the objects that it names", "", why))
            }
            Finding::Asks(needs) => Step::Ask(Asking {
                needs: needs.into_iter().collect(),
                request: self,
            }),
            Finding::Nothing => self.meets(),
        }
    }

    /// What its path names is not seen: it is forwarded with a decoy instead, so that the engine says
    /// what it says of anything that does not exist. No other judge has to see it, since it does
    /// nothing.
    fn hidden(mut self) -> Step {
        if self.inspection.is_waived() {
            return self.fails(unreadable("what it names is out of scope"));
        }
        let proof = Proof(Written {
            target: self.draft.other_target().cloned(),
            body: self
                .draft
                .asked()
                .map(|(_, tree)| match self.draft.is_empty() {
                    true => Vec::new(),
                    false => tree.to_json().into_bytes(),
                }),
            filter: answered::filter(&mut self),
        });
        Step::Judged(self.inspection.meets(proof))
    }

    /// Nothing is left to be judged: what was judged is forwarded, under full IDs.
    fn meets(mut self) -> Step {
        if !self.scoped.makes.is_empty() && !self.inspection.is_waived() {
            let makes = std::mem::take(&mut self.scoped.makes);
            return Step::Make(Making {
                request: self,
                makes,
            });
        }
        if let Err(unmet) = self.prune().and_then(|()| rules::judge(&self)) {
            return self.fails(unmet);
        }
        let target = match pin::target(self.draft.target(), &self.subjects, &self.facts) {
            Ok(target) => target.or_else(|| self.draft.other_target().cloned()),
            Err(unmet) => return self.fails(unmet),
        };
        let body = match self.written() {
            Ok(body) => body,
            Err(unmet) => return self.fails(unmet),
        };
        let filter = answered::filter(&mut self);
        let proof = Proof(Written {
            target,
            body,
            filter,
        });
        let reserved = self.has(|term| term == Term::Reserved);
        match self.archive {
            None => Step::Judged(self.inspection.meets(proof)),
            Some(archive) => {
                let (cleared, watched) = self.inspection.streams(proof);
                let watch = archive.watch(watched, self.demands, self.facts, reserved);
                Step::Watch(cleared, Box::new(watch))
            }
        }
    }

    /// Leaves out of its body what engines do not know. Gates and mutators leave that.
    fn prune(&mut self) -> Result<(), Unmet> {
        let strict = self.is_deny_root();
        if !self.is_limited() || self.draft.is_empty() {
            return Ok(());
        }
        match self.draft.asked_mut() {
            Some((body, tree)) => pin::known(body, tree, strict),
            None => Ok(()),
        }
    }

    /// Its body as it is forwarded, if that was read.
    fn written(&mut self) -> Result<Option<Vec<u8>>, Unmet> {
        // Without any byte, it stays so.
        let is_empty = self.draft.is_empty();
        let (strict, is_limited) = (self.is_deny_root(), self.is_limited());
        let Some((body, tree)) = self.draft.asked_mut() else {
            return Ok(None);
        };
        if is_empty {
            return Ok(Some(Vec::new()));
        }
        pin::ids(tree, &self.facts);
        if is_limited {
            root::is_pinned(body, tree, &self.facts, strict)?;
        }
        Ok(Some(tree.to_json().into_bytes()))
    }

    fn fails(self, unmet: Unmet) -> Step {
        // A body that cannot be read does not say more than the head.
        let unmet = by_terms(self.failed.unwrap_or(unmet), &self.inspection);
        Step::Judged(self.inspection.fails(unmet, self.sent, self.edited))
    }

    /// Whether it has such a term.
    fn has(&self, is: impl Fn(Term) -> bool) -> bool {
        self.inspection.terms().iter().any(|term| is(*term))
    }

    /// Whether it is judged by what it asks for.
    fn is_limited(&self) -> bool {
        self.has(|term| !term.only_changes())
    }

    /// Whether it is judged by what it reaches.
    fn is_deny_root(&self) -> bool {
        self.has(|term| matches!(term, Term::DenyRoot(_)))
    }

    /// The container in its path.
    fn container(&self) -> Option<&Name> {
        self.subjects.iter().find_map(|subject| match subject {
            Subject::Container(name, _) => Some(name),
            _ => None,
        })
    }
}

impl Making {
    /// What is to be made, in this order.
    pub fn makes(&self) -> &[Make] {
        &self.makes
    }

    /// Goes on with what came of each.
    pub fn made(self, made: &[Made]) -> Step {
        let Making { request, makes } = self;
        let mut each = makes.iter().enumerate();
        let failed = each.find_map(|(at, make)| match made.get(at) {
            Some(made) => make.was_made(&request, made).err(),
            None => Some(Finding::Refused(unreadable("the engine did not answer"))),
        });
        match failed {
            None => request.meets(),
            Some(found) => request.follow(found),
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
        self.request.draft.tree().size() + self.request.facts.size()
    }

    /// Goes on with its answers, to all of these.
    pub fn answered(mut self, answers: impl IntoIterator<Item = (Fact, Answer)>) -> Step {
        for (fact, answer) in answers {
            self.request.facts.learn(fact, answer);
        }
        // Nothing is asked twice, so that this ends.
        let facts = &self.request.facts;
        match self.needs.iter().all(|fact| facts.answer(fact).is_some()) {
            true if !self.request.is_complete => self.request.complete(),
            true => self.request.round(),
            false => self.request.fails(unreadable("the engine did not answer")),
        }
    }
}

/// The engine is not asked for more than this about one request.
const MOST_FACTS: usize = 2_500;

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
        by: None,
    };
    Unmet::Excess(DENY_ROOT, vec![excess])
}
