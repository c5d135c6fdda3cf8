//! What a request gets at, and all objects that it names: nothing of it may be beyond the limits, and
//! under `DENY_ROOT` nothing may control the host or another container.
//!
//! Each claim is the limits' first. What they list passes, whatever it reaches; of what the request
//! itself asks for, what they do not list is refused. What they say nothing of is `DENY_ROOT`'s.
//!
//! A container is judged by what it holds. If it holds a volume or a namespace of others, or others
//! hold its, these count too, and so on: all that is found is judged once, so circles end. What is
//! not known yet is asked for, one level at a time.

mod containers;
mod networks;
mod volumes;

use std::collections::BTreeSet;
use std::fmt::Display;

use super::finding::{Finding, Told};
use super::others::{self, Others};
use super::{ANOTHERS, DENY_ROOT, Request, Subject, too_much, unreadable};
use crate::api::Version;
use crate::api::fields::{Body, Reach};
use crate::body::facts::{self, Answer, Fact, Facts, Name, full_id};
use crate::body::json::{Object, Value};
use crate::body::limits::{self, Limits, Ruling, distinct};
use crate::body::reach::{self, Claim, Engine, Reference, What};
use crate::policy::{Excess, Unmet, printable};
use networks::Lookup;
pub(super) use networks::joined;

/// So far references are followed.
const DEEPEST: usize = 8;
/// More containers, volumes and networks than these are not judged for one request.
const MOST: usize = 256;

/// Writes in what the limits want to be there, as far as it is known by now.
pub(super) fn fill(request: &mut Request) {
    let container = request.container().cloned();
    if let (Some(limits), Some((body, tree))) = (&request.demands.limits, request.draft.asked_mut())
    {
        limits.fill(body, tree, container.as_ref(), &request.facts);
    }
}

/// Judges a request by what is known so far.
pub(super) fn judge(request: &Request) -> Finding {
    if !request.is_limited() {
        return Finding::Nothing;
    }
    let mut search = Search::of(request);
    if let Some((body, tree)) = request.draft.asked() {
        search.body(body, tree, request.container());
    }
    search.claims(&request.claims, Holder::REQUEST);
    for subject in &request.subjects {
        search.subject(subject);
    }
    // What is excessive whatever the engine says needs no question.
    if !search.excesses.is_empty() {
        return Finding::Refused(Unmet::Excess(DENY_ROOT, search.excesses));
    }
    match search.missing {
        Some(words) => Finding::Answer(Told::Missing(words)),
        None => Finding::asks(search.needs),
    }
}

/// What is too much of a part of a request under these limits, whatever the rest is, and what must be
/// asked for that.
pub(super) fn weigh<'a>(
    request: &'a Request,
    limits: Option<&'a Limits>,
    part: impl FnOnce(&mut Search<'a>),
) -> (Vec<Excess>, BTreeSet<Fact>) {
    let mut search = Search {
        limits,
        ..Search::of(request)
    };
    part(&mut search);
    (search.excesses, search.needs)
}

/// Whether what is forwarded names containers by full IDs alone, so that what was judged is what the
/// engine takes: all of them under `DENY_ROOT`, else those that it was asked about. Links in a network
/// are names that it looks up later, among those in that network.
pub(super) fn is_pinned(
    body: &Body,
    tree: &Value,
    facts: &Facts,
    strict: bool,
) -> Result<(), Unmet> {
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
                let asked = || Fact::container(name).is_some_and(|fact| facts.has(&fact));
                let counts = counts && (strict || asked());
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

pub(super) struct Search<'a> {
    /// Whether what has reach is refused.
    deny_root: bool,
    limits: Option<&'a Limits>,
    facts: &'a Facts,
    others: &'a Others,
    engine: Engine<'a>,
    /// The API version that the request asks for, if it does.
    version: Option<Version>,
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
    /// The body by which the request asks for it.
    body: Option<&'a Body>,
    /// Whether it is there already. Limits only open it then.
    exists: bool,
    /// How many references lead to it.
    depth: usize,
    /// Whether it may run on other machines, whose objects nobody knows.
    anywhere: bool,
}

impl Holder<'static> {
    const REQUEST: Holder<'static> = Holder {
        name: None,
        body: None,
        exists: false,
        depth: 0,
        anywhere: false,
    };
}

impl<'a> Holder<'a> {
    /// An object that is there, to which `by` leads.
    fn object(name: &'a str, by: Holder<'_>) -> Holder<'a> {
        Holder {
            name: Some(name),
            exists: true,
            depth: by.depth + 1,
            ..Holder::REQUEST
        }
    }
}

impl<'a> Search<'a> {
    fn of(request: &'a Request) -> Search<'a> {
        Search {
            deny_root: request.is_deny_root(),
            limits: request.demands.limits.as_ref(),
            facts: &request.facts,
            others: &request.others,
            engine: request.facts.engine().unwrap_or_default(),
            version: request.draft.target().version(),
            needs: BTreeSet::new(),
            seen: BTreeSet::new(),
            excesses: Vec::new(),
            missing: None,
        }
    }

    /// Some of what a request asks for, or what it gets into holds.
    pub(super) fn alone(&mut self, claims: &[Claim], anywhere: bool) {
        let holder = Holder {
            anywhere,
            ..Holder::REQUEST
        };
        self.claims(claims, holder);
    }

    /// What the body of a request asks for.
    fn body(&mut self, body: &Body, tree: &Value, container: Option<&Name>) {
        let holder = Holder {
            body: Some(body),
            anywhere: body.route.text.starts_with("POST /services/"),
            ..Holder::REQUEST
        };
        let user = |limits: &Limits| limits.user_of((body, tree), container, self.facts);
        let user = self.limits.and_then(user);
        self.asked(body, tree, holder, user.is_some());
        let limits = self.limits;
        match limits.map(|limits| limits.ignored((body, tree), self.version, self.facts)) {
            Some(Ok(excesses)) => excesses.iter().for_each(|one| self.beyond(holder, one)),
            Some(Err(fact)) => drop(self.needs.insert(fact)),
            None => {}
        }
        self.needs.extend(user);
        if !self.deny_root {
            return;
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

    /// What a request asks for by such a body, whose user may have to be asked for first.
    fn asked(&mut self, body: &Body, tree: &Value, holder: Holder<'_>, asks_user: bool) {
        match reach::asked(body, tree, &self.engine) {
            Ok(claims) => self.claims(&claims, holder),
            Err(too_many) => self.excess(holder, "the body", "", too_many),
        }
        let limits = self.limits.into_iter();
        for excess in limits.flat_map(|limits| limits.beyond_claims(body, tree, asks_user)) {
            self.beyond(holder, &excess);
        }
    }

    /// An object that is there, as if a request asked for it by such a body.
    fn made(&mut self, body: Option<&Body>, tree: &Value, holder: Holder<'_>, place: &str) {
        match body.map(|body| reach::asked(body, tree, &self.engine)) {
            Some(Ok(claims)) => self.claims(&claims, holder),
            _ => self.excess(holder, place, "", UNCLEAR),
        }
    }

    /// What a request names in its path or query.
    pub(super) fn subject(&mut self, subject: &Subject) {
        match subject {
            Subject::Container(name, _) | Subject::Commit(name) => self.named_container(name),
            Subject::Network(name, _) => self.named_network(name),
            Subject::Start(name, _) => self.start(name),
            Subject::Build { in_network } => self.build(*in_network),
            Subject::Object(..) => {}
            Subject::Rollback(name, version) => self.rollback(name, version),
            Subject::Exec(id, _) => self.exec(id),
        }
    }

    fn named_container(&mut self, name: &Name) {
        match self.deny_root {
            true => self.container(name, Holder::REQUEST, None),
            // It is there, and forwarded by its full ID.
            false => drop(self.known(Fact::Container(name.clone()), Holder::REQUEST, None)),
        }
    }

    /// A command that was created before.
    fn exec(&mut self, id: &Name) {
        let Some(exec) = self.known(Fact::Exec(id.clone()), Holder::REQUEST, None) else {
            return;
        };
        let of = format!("exec {}", id.as_str());
        let holder = Holder {
            name: Some(&of),
            ..Holder::REQUEST
        };
        let config = exec.at("ProcessConfig");
        let (privileged, user) = (config.at("privileged"), config.at("user"));
        if let Some((limits, body)) = self.limits.zip(facts::exec()) {
            let mut created = Object::default();
            let root = limits.root_user().map_or(Value::Null, Value::from);
            created.set("User", if user.is_empty() { root } else { user.clone() });
            // Under `DENY_ROOT` it is judged below.
            let judged = if self.deny_root {
                Value::NULL
            } else {
                privileged
            };
            created.set("Privileged", judged.clone());
            let arguments = config.at("arguments").items().iter().cloned();
            let command = [config.at("entrypoint").clone()]
                .into_iter()
                .chain(arguments);
            created.set("Cmd", Value::List(command.collect()));
            let holder = Holder {
                body: Some(body),
                ..holder
            };
            self.asked(body, &created.into(), holder, false);
        }
        if !self.deny_root {
            return;
        }
        if privileged.as_bool() != Some(false) {
            let reaches = reaches(Reach::DEVICES.with(Reach::KERNEL));
            self.excess(holder, "Privileged", &privileged.shown(), reaches);
        }
        match (full_id(exec.at("ID")), full_id(exec.at("ContainerID"))) {
            (Some(_), Some(container)) => self.named_container(&container),
            _ => self.excess(holder, "its container", "", UNCLEAR),
        }
    }

    fn claims(&mut self, claims: &[Claim], holder: Holder<'_>) {
        for claim in distinct(claims) {
            match self.ruling(claim, holder) {
                Ruling::Allowed => continue,
                Ruling::Refused(_) if claim.unsettled => {
                    self.needs.insert(Fact::Info);
                    continue;
                }
                Ruling::Refused(excess) if !holder.exists => {
                    self.beyond(holder, &excess);
                    continue;
                }
                // What `DENY_ROOT` will ask if the answer opens nothing is asked together with it.
                Ruling::Depends(fact, _) => drop(self.needs.insert(fact)),
                Ruling::Refused(_) | Ruling::Silent => {}
            }
            let harmless = claim.reach.within(Reach::CONTROL).is_none() || self.is_free(claim);
            if !self.deny_root || harmless {
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
                    let opener = self.limits.and_then(|limits| limits.opener(claim));
                    let opener = opener.map(|limit| format!(" ({limit} can allow it)"));
                    let why = why + &opener.unwrap_or_default();
                    self.excess(holder, &claim.path, &claim.value, why);
                }
            }
        }
    }

    /// What the limits say of a claim.
    fn ruling(&self, claim: &Claim, holder: Holder<'_>) -> Ruling {
        match (self.limits, holder.body) {
            (None, _) => Ruling::Silent,
            (Some(limits), Some(body)) => limits.ruling_in(body, claim, self.facts),
            (Some(limits), None) => limits.ruling(claim, self.facts),
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
            by: None,
        });
    }

    /// What is beyond a limit.
    fn beyond(&mut self, of: Holder<'_>, excess: &limits::Excess) {
        self.excesses.push(Excess {
            of: of.name.map(Into::into),
            ..excess.into()
        });
    }
}

impl From<&limits::Excess> for Excess {
    fn from(excess: &limits::Excess) -> Excess {
        let value = excess.value.as_deref();
        Excess {
            of: None,
            place: excess.place.as_str().into(),
            value: value.map(printable).unwrap_or_default().into(),
            why: excess.why().into(),
            by: Some(excess.bound.variable()),
        }
    }
}

/// Whether the engine says by which driver an object was made.
fn has_driver(inspect: &Value) -> bool {
    let driver = inspect.at("Driver").as_str();
    driver.is_some_and(|driver| !driver.is_empty())
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
