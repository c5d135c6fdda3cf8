//! What a request wants of limits under `DENY_ROOT`: for learning, where nothing is refused.
//!
//! Each thing that it asks for, and that the containers hold which it gets into, is weighed by itself:
//! a limit that lists it lets it pass, or none does. Whatever cannot be read is told as such.

use std::collections::BTreeSet;
use std::slice;
use std::sync::Arc;

use super::{Content, Others, Request, Scoped, Subject, head, root};
use crate::api::Target;
use crate::api::fields::Body;
use crate::body::demands::Demands;
use crate::body::draft::{Draft, Objection};
use crate::body::edits::{self, Mutator};
use crate::body::facts::{Answer, Fact, Facts, Name};
use crate::body::json::Value;
use crate::body::limits::{self, Entry};
use crate::body::reach::{self, Claim, Reference, What};
use crate::policy::{Excess, Inspection, Unmet, Written};

/// So far references are followed.
const DEEPEST: usize = 8;
/// More things than these are not weighed for one request.
const MOST: usize = 1000;

/// One thing that a request wants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Want {
    /// What a limit can list, and whether it has to under `DENY_ROOT`.
    Entry(Entry, bool),
    /// What `DENY_ROOT` refuses, whatever limits list, without the value: `HostConfig.Privileged
    /// reaches …`.
    Refused(String),
    /// What this limit is about, and cannot list.
    Unlisted(&'static str),
    /// What mutators cannot change, without the value.
    Unedited(String),
    /// What could not be found out.
    Unknown,
}

/// The target of a request whose body counts for nothing, as mutators make it.
///
/// # Errors
/// Why they refuse it.
pub fn edited(target: &Target, demands: &Demands) -> Result<Target, Want> {
    let mut draft = Draft::new(target.clone());
    if draft.act().has_body() {
        return Ok(target.clone());
    }
    match edits::edit(&demands.mutators, &mut draft) {
        Ok(()) => Ok(draft.target().clone()),
        Err(objection) => Err(Want::Unedited(told(&objection))),
    }
}

fn told(objection: &Objection) -> String {
    let Objection { place, why, .. } = objection;
    format!("{place} {why}").trim_start().to_owned()
}

/// A request as far as it was read.
#[derive(Debug)]
pub struct Survey {
    request: Request,
    reads: bool,
    mutators: Vec<Mutator>,
    wants: Vec<Want>,
    /// What limits list in any case.
    known: Vec<Entry>,
}

impl Survey {
    /// Looks at its head. Its terms are those of `DENY_ROOT`, and limits list what is `known` already.
    /// What it wants is what its policy's mutators make of it.
    pub fn begin(inspection: Inspection, known: Vec<Entry>, demands: &Demands) -> Survey {
        let mutators = demands.mutators.clone();
        let (demands, others) = (Arc::<Demands>::default(), Arc::<Others>::default());
        let draft = Draft::new(inspection.target().clone());
        let (head, wants) = match head::judge(&inspection, &draft, &demands, &others) {
            Ok(head) => (head, Vec::new()),
            Err(unmet) => (head::Head::default(), refused(&unmet)),
        };
        let request = Request {
            inspection,
            draft,
            demands,
            others,
            client: Value::Null,
            subjects: head.subjects,
            claims: head.claims,
            archive: None,
            sent: Content::AsSent,
            edited: Written::default(),
            failed: None,
            scoped: Scoped::default(),
            // What it learns from is what was sent.
            is_complete: true,
            facts: Facts::default(),
        };
        Survey {
            request,
            reads: head.reads,
            mutators,
            wants,
            known,
        }
    }

    /// The request's.
    pub fn target(&self) -> &Target {
        self.request.inspection.target()
    }

    /// Whether its whole body is needed.
    pub fn reads(&self) -> bool {
        self.reads
    }

    /// Reads the body, and lets the mutators change it.
    pub fn read(&mut self, bytes: &[u8]) {
        let draft = &mut self.request.draft;
        if let Err(refusal) = draft.read(bytes) {
            self.wants.push(Want::Refused(refusal.to_string()));
        } else if let Err(objection) = edits::edit(&self.mutators, draft) {
            // Refused as it is, it wants nothing.
            *draft = Draft::new(draft.target().clone());
            self.wants.push(Want::Unedited(told(&objection)));
        }
    }

    /// What the engine must be asked. Its answers may raise further questions.
    pub fn needs(&self) -> Vec<Fact> {
        self.walk().needs.into_iter().collect()
    }

    /// Remembers what it answers.
    pub fn learn(&mut self, answers: impl IntoIterator<Item = (Fact, Answer)>) {
        for (fact, answer) in answers {
            self.request.facts.learn(fact, answer);
        }
    }

    /// All that it wants, by what the engine has said.
    pub fn wants(&self) -> Vec<Want> {
        let mut wants = self.wants.clone();
        let found = self.walk();
        wants.extend(found.wants);
        wants.extend((!found.needs.is_empty() || found.left == 0).then_some(Want::Unknown));
        wants.sort_unstable();
        wants.dedup();
        wants
    }

    fn walk(&self) -> Walk<'_> {
        let request = &self.request;
        let mut walk = Walk {
            request,
            needs: BTreeSet::new(),
            wants: Vec::new(),
            objects: Vec::new(),
            seen: BTreeSet::new(),
            left: MOST,
        };
        if let Some((body, tree)) = request.draft.asked() {
            walk.body(body, tree);
        }
        for subject in &request.subjects {
            walk.subject(subject);
        }
        walk.objects(&self.known);
        for subject in &request.subjects {
            walk.rest(subject, &self.known);
        }
        walk
    }
}

struct Walk<'a> {
    request: &'a Request,
    needs: BTreeSet<Fact>,
    wants: Vec<Want>,
    /// What stands for another object, and has an entry: whether that is needed depends on the others.
    objects: Vec<(Claim, Entry, Holder)>,
    /// The containers that were walked through.
    seen: BTreeSet<Name>,
    /// How many more are weighed.
    left: usize,
}

/// In what a claim stands.
#[derive(Clone, Copy, Debug)]
enum Holder {
    /// In the request, which may make what runs on other machines.
    Request { anywhere: bool },
    /// In a container that the request gets into: limits only open it.
    Container { depth: usize },
    /// In a container whose mounts the request asks for.
    Source { depth: usize },
}

impl Holder {
    fn depth(self) -> usize {
        match self {
            Holder::Request { .. } => 0,
            Holder::Container { depth } | Holder::Source { depth } => depth,
        }
    }

    fn is_anywhere(self) -> bool {
        matches!(self, Holder::Request { anywhere: true })
    }

    /// Whether a limit that is set must list it, though it is harmless.
    fn is_held_to_limits(self, claim: &Claim) -> bool {
        match self {
            Holder::Request { .. } => true,
            Holder::Container { .. } => false,
            Holder::Source { .. } => claim.path.starts_with("Mounts"),
        }
    }
}

impl Walk<'_> {
    fn body(&mut self, body: &Body, tree: &Value) {
        let engine = self.request.facts.engine().unwrap_or_default();
        let anywhere = body.route.text.starts_with("POST /services/");
        match reach::asked(body, tree, &engine) {
            Ok(claims) => self.claims(claims, Holder::Request { anywhere }),
            Err(too_many) => self.wants.push(Want::Refused(too_many.to_string())),
        }
    }

    /// What the path or the query names. It is got into, so that what a container holds is wanted.
    fn subject(&mut self, subject: &Subject) {
        let facts = &self.request.facts;
        let held = Holder::Container { depth: 1 };
        match subject {
            Subject::Container(name, _) | Subject::Commit(name) => self.container(name, held),
            Subject::Exec(id, _) => {
                let fact = Fact::Exec(id.clone());
                let Some(answer) = facts.answer(&fact) else {
                    self.needs.insert(fact);
                    return;
                };
                let exec = answer.found().unwrap_or(Value::NULL);
                if exec.at("ProcessConfig.privileged").as_bool() == Some(true) {
                    self.wants.push(Want::Refused("Privileged".to_owned()));
                }
                let container = exec.at("ContainerID").as_str().unwrap_or_default();
                if let Some(name) = Name::of(container) {
                    self.container(&name, held);
                }
            }
            Subject::Network(name, _) => {
                let joined = root::joined(name.as_str());
                self.claims(vec![joined], Holder::Request { anywhere: false });
            }
            // These are weighed as a whole, and only rules look at the last.
            Subject::Start(..)
            | Subject::Build { .. }
            | Subject::Rollback(..)
            | Subject::Object(..) => {}
        }
    }

    /// All that a container holds.
    fn container(&mut self, name: &Name, holder: Holder) {
        let facts = &self.request.facts;
        let fact = Fact::Container(name.clone());
        let Some(answer) = facts.answer(&fact) else {
            self.needs.insert(fact);
            return;
        };
        let engine = facts.engine().unwrap_or_default();
        let held = match answer {
            Answer::Found(found) => reach::held(found, &engine),
            // The engine refuses it by itself.
            Answer::Missing(_) => return,
            Answer::Unclear => None,
        };
        match held {
            Some(claims) if self.seen.insert(name.clone()) => self.claims(claims, holder),
            Some(_) => {}
            None => self.wants.push(Want::Unknown),
        }
    }

    fn claims(&mut self, claims: Vec<Claim>, holder: Holder) {
        for claim in claims {
            let Some(left) = self.left.checked_sub(1) else {
                return;
            };
            self.left = left;
            let facts = &self.request.facts;
            self.needs.extend(Entry::needs(&claim, facts));
            let mut entry = Entry::of(&claim, facts);
            if let (What::Namespace { .. }, Some(_)) = (&claim.what, claim.refers()) {
                // It opens no container: that is judged as well.
                let own = entry.take().filter(|_| holder.is_held_to_limits(&claim));
                self.wants.extend(own.map(|own| Want::Entry(own, false)));
            }
            match (entry, claim.refers()) {
                (Some(entry), Some(_)) => self.objects.push((claim, entry, holder)),
                (Some(entry), None) => {
                    let needed = !self.weigh(&claim, holder, None).is_empty();
                    if needed || holder.is_held_to_limits(&claim) {
                        self.wants.push(Want::Entry(entry, needed));
                    }
                }
                (None, _) if matches!(claim.what, What::Image(_)) => {
                    self.wants.push(Want::Unlisted("IMAGE_FROM"));
                }
                (None, Some(Reference::Container(name)))
                    if holder.depth() < DEEPEST && !holder.is_anywhere() =>
                {
                    let depth = holder.depth() + 1;
                    let inner = match (&claim.what, holder) {
                        (What::MountsOf { .. }, Holder::Request { .. } | Holder::Source { .. }) => {
                            Holder::Source { depth }
                        }
                        _ => Holder::Container { depth },
                    };
                    match Name::of(name) {
                        Some(name) => self.container(&name, inner),
                        None => self.refused(&claim, holder),
                    }
                }
                (None, _) => self.refused(&claim, holder),
            }
        }
    }

    /// Under the limits that all else needs, whether what stands for another object must be listed.
    fn objects(&mut self, known: &[Entry]) {
        let entries = self.needed(known);
        for (claim, entry, holder) in std::mem::take(&mut self.objects) {
            let limits = listing(&entries, Some(entry.variable));
            let needed = !self.weigh(&claim, holder, limits.as_ref()).is_empty();
            if needed || holder.is_held_to_limits(&claim) {
                self.wants.push(Want::Entry(entry, needed));
            }
        }
    }

    /// What is too much of a container or another object in the path under all limits that are needed,
    /// for example because of who shares its namespaces.
    fn rest(&mut self, subject: &Subject, known: &[Entry]) {
        let limits = listing(&self.needed(known), None);
        let weighed = root::weigh(self.request, limits.as_ref(), |search| {
            search.subject(subject);
        });
        let (excesses, needs) = weighed;
        self.needs.extend(needs);
        self.wants.extend(excesses.iter().map(beyond));
    }

    /// The entries that are needed so far, and those that are known.
    fn needed(&self, known: &[Entry]) -> Vec<Entry> {
        let needed = self.wants.iter().filter_map(|want| match want {
            Want::Entry(entry, true) => Some(entry),
            _ => None,
        });
        needed.chain(known).cloned().collect()
    }

    fn refused(&mut self, claim: &Claim, holder: Holder) {
        let excesses = self.weigh(claim, holder, None);
        self.wants.extend(excesses.iter().map(beyond));
    }

    /// What is too much of a claim by itself.
    fn weigh(
        &mut self,
        claim: &Claim,
        holder: Holder,
        limits: Option<&limits::Limits>,
    ) -> Vec<Excess> {
        let (excesses, needs) = root::weigh(self.request, limits, |search| {
            search.alone(slice::from_ref(claim), holder.is_anywhere());
        });
        self.needs.extend(needs);
        excesses
    }
}

/// Limits that list these, without one of them; none if they cannot be set together.
fn listing(entries: &[Entry], without: Option<&str>) -> Option<limits::Limits> {
    let of = |name: &str| {
        let own = entries.iter().filter(|one| one.variable == name);
        own.map(|one| one.text.as_str())
            .collect::<Vec<_>>()
            .join(",")
    };
    let set = limits::Limits::VARIABLES.iter();
    let set = set.filter(|name| Some(**name) != without);
    let texts: Vec<(&str, String)> = set.map(|name| (*name, of(name))).collect();
    let text = |name: &str| {
        let mut own = texts
            .iter()
            .filter(|(own, text)| *own == name && !text.is_empty());
        own.next().map(|(_, text)| text.as_str())
    };
    limits::Limits::read(true, text).ok()
}

/// Without the value, which may be a secret, and without the name of what has it.
fn beyond(excess: &Excess) -> Want {
    Want::Refused(format!("{} {}", excess.place, excess.why))
}

fn refused(unmet: &Unmet) -> Vec<Want> {
    match unmet {
        Unmet::Excess(_, excesses) => excesses.iter().map(beyond).collect(),
        Unmet::Unreadable(_, why) => vec![Want::Refused(why.to_string())],
        Unmet::Broken(_) => vec![Want::Unknown],
    }
}
