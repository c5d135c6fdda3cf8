//! What a request gets at, and all objects that it names: nothing of it may control the host or
//! another container.
//!
//! A container is judged by what it holds. If it holds a volume or a namespace of others, or others
//! hold its, these count too, and so on: all that is found is judged once, so circles end. What is
//! not known yet is asked for, one level at a time.

mod containers;
mod networks;
mod volumes;

use std::collections::BTreeSet;
use std::fmt::Display;

use super::finding::Finding;
use super::others::{self, Others};
use super::{ANOTHERS, DENY_ROOT, Request, Subject, too_much, unreadable};
use crate::api::fields::{Body, Reach};
use crate::body::facts::{Answer, Fact, Facts, Name, full_id};
use crate::body::json::Value;
use crate::body::reach::{self, Claim, Engine, Reference, What};
use crate::policy::{Excess, Term, Unmet};
use networks::Lookup;

/// So far references are followed.
const DEEPEST: usize = 8;
/// More containers, volumes and networks than these are not judged for one request.
const MOST: usize = 256;

/// Writes in what the limits want to be there, as far as it is known by now.
pub(super) fn fill(request: &mut Request) {
    if !request.has(|term| matches!(term, Term::Limits(_))) {
        return;
    }
    let container = request.container().cloned();
    if let (Some(limits), Some((body, tree))) = (&request.demands.limits, &mut request.asked) {
        limits.fill(body, tree, container.as_ref(), &request.facts);
    }
}

/// Judges a request by what is known so far.
pub(super) fn judge(request: &Request) -> Finding {
    if !request.has(|term| matches!(term, Term::DenyRoot(_))) {
        return Finding::Nothing;
    }
    let mut search = Search {
        facts: &request.facts,
        others: &request.others,
        engine: request.facts.engine().unwrap_or_default(),
        needs: BTreeSet::new(),
        seen: BTreeSet::new(),
        excesses: Vec::new(),
        missing: None,
    };
    if let Some((body, tree)) = &request.asked {
        search.body(body, tree);
    }
    for subject in &request.subjects {
        search.subject(subject);
    }
    // What is excessive whatever the engine says needs no question.
    if !search.excesses.is_empty() {
        return Finding::Refused(Unmet::Excess(DENY_ROOT, search.excesses));
    }
    match search.missing {
        Some(words) => Finding::Missing(words),
        None => Finding::asks(search.needs),
    }
}

/// Whether what is forwarded names containers by full IDs alone, so that what was judged is what the
/// engine takes. Links in a network are names that it looks up later, among those in that network.
pub(super) fn is_pinned(body: &Body, tree: &Value, facts: &Facts) -> Result<(), Unmet> {
    if facts.is_empty() {
        return Ok(());
    }
    let claims = reach::asked(body, tree, &facts.engine().unwrap_or_default());
    let claims = claims.map_err(unreadable)?;
    let open = claims.iter().find(|claim| {
        let in_network =
            || claim.path.contains("EndpointsConfig") || claim.path.contains("EndpointConfig");
        let counts = !claim.reach.within(Reach::CONTROL).is_none();
        match claim.refers() {
            Some(Reference::Container(name)) => {
                counts && full_id(&name.into()).is_none() && !in_network()
            }
            _ => false,
        }
    });
    match open {
        Some(claim) => Err(too_much(
            &claim.path,
            &claim.value,
            "cannot be replaced by a full ID",
        )),
        None => Ok(()),
    }
}

struct Search<'a> {
    facts: &'a Facts,
    others: &'a Others,
    engine: Engine<'a>,
    needs: BTreeSet<Fact>,
    /// What was judged already: by its question, containers by their full IDs.
    seen: BTreeSet<Fact>,
    excesses: Vec<Excess>,
    missing: Option<String>,
}

/// In what a claim stands.
#[derive(Clone, Copy)]
struct Holder<'a> {
    /// `container web`; none is the request itself.
    name: Option<&'a str>,
    /// How many references lead to it.
    depth: usize,
    /// Whether it may run on other machines, whose objects nobody knows.
    anywhere: bool,
}

impl Holder<'static> {
    const REQUEST: Holder<'static> = Holder {
        name: None,
        depth: 0,
        anywhere: false,
    };
}

impl<'a> Search<'a> {
    /// What the body of a request asks for.
    fn body(&mut self, body: &Body, tree: &Value) {
        let holder = Holder {
            anywhere: body.route.text.starts_with("POST /services/"),
            ..Holder::REQUEST
        };
        match reach::asked(body, tree, &self.engine) {
            Ok(claims) => self.claims(&claims, holder),
            Err(too_many) => self.excess(holder, "the body", "", too_many),
        }
        if body.route.text == "POST /networks/create" {
            self.new_network(tree, holder);
        }
        if self.others.is_empty() {
            return;
        }
        if let Some((place, name)) = self.others.named(body, tree) {
            self.excess(holder, &place, &name, ANOTHERS);
        }
        self.joins(others::joined(body, tree), holder);
    }

    /// What a request names in its path or query.
    fn subject(&mut self, subject: &Subject) {
        match subject {
            Subject::Container(name, _) | Subject::Commit(name) => self.named_container(name),
            Subject::Network(name, _) => self.network(name, Holder::REQUEST, None, Lookup::Pinned),
            Subject::Start(name, _) => self.start(name),
            Subject::Build { in_network } => self.build(*in_network),
            Subject::Rollback(name, version) => self.rollback(name, version),
            Subject::Exec(id, _) => {
                let Some(exec) = self.known(Fact::Exec(id.clone()), Holder::REQUEST, None) else {
                    return;
                };
                let of = format!("exec {}", id.as_str());
                let holder = Holder {
                    name: Some(&of),
                    ..Holder::REQUEST
                };
                let privileged = exec.at("ProcessConfig.privileged");
                if privileged.as_bool() != Some(false) {
                    let reaches = reaches(Reach::DEVICES.with(Reach::KERNEL));
                    self.excess(holder, "Privileged", &privileged.shown(), reaches);
                }
                match (full_id(exec.at("ID")), full_id(exec.at("ContainerID"))) {
                    (Some(_), Some(container)) => self.named_container(&container),
                    _ => self.excess(holder, "its container", "", UNCLEAR),
                }
            }
        }
    }

    fn named_container(&mut self, name: &Name) {
        self.container(name, Holder::REQUEST, None);
    }

    fn claims(&mut self, claims: &[Claim], holder: Holder<'_>) {
        for claim in claims {
            if claim.reach.within(Reach::CONTROL).is_none() || self.is_free(claim) {
                continue;
            }
            if holder.depth >= DEEPEST && claim.refers().is_some() {
                let why = format_args!("is more than {DEEPEST} references away");
                self.excess(holder, &claim.path, &claim.value, why);
                continue;
            }
            let refers = claim.refers().map(|to| (to, name_of(to)));
            match refers {
                Some((_, None)) => {
                    self.excess(holder, &claim.path, &claim.value, "is not a plain name");
                }
                Some((Reference::Volume(_) | Reference::Container(_), Some(_)))
                    if holder.anywhere && !self.engine.known =>
                {
                    self.needs.insert(Fact::Info);
                }
                Some((Reference::Volume(_) | Reference::Container(_), Some(_)))
                    if holder.anywhere && !self.engine.alone =>
                {
                    let why = "may be another one on each node";
                    self.excess(holder, &claim.path, &claim.value, why);
                }
                Some((Reference::Volume(_), Some(name))) => self.volume(&name, holder, claim),
                Some((Reference::Container(_), Some(name))) => {
                    self.container(&name, holder, Some(claim));
                }
                Some((Reference::Network(_), Some(name))) => {
                    self.network(&name, holder, Some(claim), Lookup::Again);
                }
                None if claim.unsettled => {
                    self.needs.insert(Fact::Info);
                }
                None => {
                    let why = reaches(claim.reach.within(Reach::CONTROL));
                    self.excess(holder, &claim.path, &claim.value, why);
                }
            }
        }
    }

    /// Whether it is an address that makes nobody another client.
    fn is_free(&self, claim: &Claim) -> bool {
        matches!(&claim.what, What::Address(address) if !self.others.have_address(address))
    }

    /// What the engine says of an object, if it was asked and it has it.
    fn known(&mut self, fact: Fact, by: Holder<'_>, claim: Option<&Claim>) -> Option<&'a Value> {
        let (path, value) = claim.map_or(("", ""), |claim| (&*claim.path, &*claim.value));
        match self.facts.answer(&fact) {
            None => {
                self.needs.insert(fact);
                None
            }
            Some(Answer::Found(found)) => Some(found),
            Some(Answer::Missing(words)) if claim.is_none() => {
                self.missing = Some(words.clone());
                None
            }
            Some(Answer::Missing(_)) => {
                self.excess(by, path, value, "does not exist");
                None
            }
            Some(Answer::Unclear) => {
                let place = if path.is_empty() { "its target" } else { path };
                self.excess(by, place, value, UNCLEAR);
                None
            }
        }
    }

    /// Whether an object is to be judged: once, and not too many.
    fn is_new(&mut self, fact: Fact, by: Holder<'_>) -> bool {
        if self.seen.len() >= MOST {
            let why = format_args!("leads to more than {MOST} objects");
            self.excess(by, "what it names", "", why);
            return false;
        }
        self.seen.insert(fact)
    }

    fn excess(&mut self, of: Holder<'_>, place: &str, value: &str, why: impl Display) {
        self.excesses.push(Excess {
            of: of.name.map(Into::into),
            place: place.into(),
            value: value.into(),
            why: why.to_string().into(),
        });
    }
}

/// Why what the engine says does not count.
const UNCLEAR: &str = "cannot be judged by what the engine says of it";

fn reaches(reach: Reach) -> String {
    format!("reaches {reach}")
}

/// The name, if it is one.
fn name_of(reference: Reference<'_>) -> Option<Name> {
    match reference {
        Reference::Container(name) => Name::of(name),
        Reference::Network(name) | Reference::Volume(name) => Name::wide(name),
    }
}
