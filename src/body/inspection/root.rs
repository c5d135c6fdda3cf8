//! What a request gets at, and all objects that it names: nothing of it may be beyond the limits, and
//! under `DENY_ROOT` nothing may control the host or another container.
//!
//! Each claim is the limits' first. What they list passes, whatever it reaches; of what the request
//! itself asks for, what they do not list is refused. What they say nothing of is `DENY_ROOT`'s.
//!
//! A container is judged by what it holds. If it holds a volume or a namespace of others, these count
//! too, and so on: all that is found is judged once, so circles end. What is not known yet is asked
//! for, one level at a time.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::finding::Finding;
use super::others::Others;
use super::{ANOTHERS, DENY_ROOT, Request, Subject, too_much, unreadable};
use crate::api::fields::{Body, Namespace, Reach};
use crate::body::facts::{self, Answer, Fact, Facts, Name, full_id};
use crate::body::json::{Object, Value};
use crate::body::limits::{self, Bound, Limits, Ruling, distinct};
use crate::body::reach::{self, Claim, Engine, Reference, What};
use crate::policy::{Excess, Unmet, printable};

/// So far references are followed.
const DEEPEST: usize = 8;
/// More containers, volumes and networks than these are not judged for one request.
const MOST: usize = 256;

/// Writes in what the limits want to be there, as far as it is known by now.
pub(super) fn fill(request: &mut Request) {
    let container = request.container().cloned();
    if let (Some(limits), Some((body, tree))) = (&request.demands.limits, &mut request.asked) {
        limits.fill(body, tree, container.as_ref(), &request.facts);
    }
}

/// Judges a request by what is known so far.
pub(super) fn judge(request: &Request) -> Finding {
    let mut search = Search::of(request);
    if let Some((body, tree)) = &request.asked {
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
        Some(words) => Finding::Missing(words),
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

impl<'a> Search<'a> {
    fn of(request: &'a Request) -> Search<'a> {
        Search {
            deny_root: request.is_deny_root(),
            limits: request.demands.limits.as_ref(),
            facts: &request.facts,
            others: &request.others,
            engine: request.facts.engine().unwrap_or_default(),
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
        self.needs.extend(user);
        if self.others.is_empty() || !self.deny_root {
            return;
        }
        if let Some((place, name)) = self.others.named(body, tree) {
            self.excess(holder, &place, &name, ANOTHERS);
        }
        if body.route.text == "POST /networks/create" {
            self.apart(tree, holder);
        }
        let joined = self.others.default_network(tree);
        if let Some(name) = joined.filter(|_| body.route.text == "POST /containers/create") {
            let fact = Fact::Network(name);
            match self.facts.answer(&fact) {
                Some(Answer::Found(network)) => self.apart(network, holder),
                Some(Answer::Missing(_)) => {}
                Some(Answer::Unclear) => self.excess(holder, "its network", "", UNCLEAR),
                None => {
                    self.needs.insert(fact);
                }
            }
        }
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

    /// Nobody in a network may be taken for another client, or call dockgate as one.
    fn apart(&mut self, network: &Value, holder: Holder<'_>) {
        if let Some(subnet) = self.others.reached_by(network) {
            self.excess(holder, "the subnet", &subnet, ANOTHERS);
        }
        if self.others.meet_in(network) {
            let why = "has dockgate in it, which has several policies";
            self.excess(holder, "the network", "", why);
        }
    }

    /// What a request names in its path or query.
    pub(super) fn subject(&mut self, subject: &Subject) {
        match subject {
            Subject::Container(name, _) | Subject::Commit(name) => self.named_container(name),
            Subject::Network(name) => self.named_network(name),
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

    /// A network that a container joins.
    fn named_network(&mut self, name: &Name) {
        let joined = joined(name);
        match self.limits.map(|limits| limits.ruling(&joined, self.facts)) {
            Some(Ruling::Allowed) => {}
            Some(Ruling::Refused(excess)) => self.beyond(Holder::REQUEST, &excess),
            Some(Ruling::Depends(fact, _)) => drop(self.needs.insert(fact)),
            _ if self.deny_root => self.network(name, Holder::REQUEST, None),
            _ => {}
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

    /// What a service is rolled back to.
    fn rollback(&mut self, name: &Name, version: &str) {
        let Some(service) = self.known(Fact::Service(name.clone()), Holder::REQUEST, None) else {
            return;
        };
        let of = format!("service {}", name.as_str());
        let body = facts::service();
        let holder = Holder {
            name: Some(&of),
            body,
            exists: false,
            depth: 1,
            anywhere: true,
        };
        let now = service.at("Version.Index").as_number();
        if now.is_none_or(|now| now.as_str() != version) {
            return self.excess(holder, "its version", version, "is another one by now");
        }
        let previous = service.at("PreviousSpec");
        match body.filter(|_| *previous != Value::Null) {
            Some(body) => self.asked(body, previous, holder, false),
            None => self.excess(holder, "PreviousSpec", "", UNCLEAR),
        }
    }

    fn claims(&mut self, claims: &[Claim], holder: Holder<'_>) {
        for claim in distinct(claims) {
            match self.ruling(claim, holder) {
                Ruling::Allowed => continue,
                Ruling::Refused(_) if self.engine_decides(claim) => {
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
            if !self.deny_root || claim.reach.within(Reach::CONTROL).is_none() {
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
                    if holder.anywhere =>
                {
                    let why = "may be another one on each node";
                    self.excess(holder, &claim.path, &claim.value, why);
                }
                Some((Reference::Volume(_), Some(name))) => self.volume(&name, holder, claim),
                Some((Reference::Container(_), Some(name))) => {
                    self.container(&name, holder, Some(claim));
                }
                Some((Reference::Network(_), Some(name))) => {
                    self.network(&name, holder, Some(claim));
                }
                None if self.engine_decides(claim) => {
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

    /// Whether a value could be the engine's own, and it was not asked yet.
    fn engine_decides(&self, claim: &Claim) -> bool {
        let is_setting = match &claim.what {
            What::Runtime(_) | What::LogDriver(_) => true,
            What::Namespace { kind, of } => *kind == Namespace::Cgroup && of == "host",
            _ => false,
        };
        is_setting && self.facts.engine().is_none()
    }

    /// A container, and all that it holds. `by` names it, if the path does not.
    fn container(&mut self, name: &Name, by: Holder<'_>, claim: Option<&Claim>) {
        let Some(inspect) = self.known(Fact::Container(name.clone()), by, claim) else {
            return;
        };
        let of = format!("container {}", name.as_str());
        let holder = Holder {
            name: Some(&of),
            body: None,
            exists: true,
            depth: by.depth + 1,
            anywhere: false,
        };
        let Some(id) = full_id(inspect.at("Id")) else {
            return self.excess(holder, "its ID", "", UNCLEAR);
        };
        if !self.is_new(Fact::Container(id), by) {
            return;
        }
        match reach::held(inspect, &self.engine) {
            Some(claims) => self.claims(&claims, holder),
            None => self.excess(holder, "its inspect", "", UNCLEAR),
        }
    }

    /// A volume: a plain one, of which each container that has it mounted is harmless.
    fn volume(&mut self, name: &Name, by: Holder<'_>, claim: &Claim) {
        let fact = Fact::Volume(name.clone());
        // A request may name one that is to be made, as its body says.
        if by.name.is_none() && matches!(self.facts.answer(&fact), Some(Answer::Missing(_))) {
            return;
        }
        let users = Fact::UsersOf(name.clone());
        if self.facts.answer(&fact).is_none() {
            // Both at once, since most volumes are plain ones.
            self.needs.extend([fact, users]);
            return;
        }
        let Some(volume) = self.known(fact.clone(), by, Some(claim)) else {
            return;
        };
        let Some(users) = self.known(users, by, Some(claim)) else {
            return;
        };
        if !self.is_new(fact, by) {
            return;
        }
        let of = format!("volume {}", name.as_str());
        let holder = Holder {
            name: Some(&of),
            body: None,
            exists: true,
            depth: by.depth + 1,
            anywhere: false,
        };
        let mut made = Object::default();
        made.set("Driver", volume.at("Driver").clone());
        made.set("DriverOpts", volume.at("Options").clone());
        made.set("ClusterVolumeSpec", volume.at("ClusterVolume").clone());
        let named = volume
            .at("Driver")
            .as_str()
            .is_some_and(|driver| !driver.is_empty());
        let body = facts::volume().filter(|_| named);
        match body.map(|body| reach::asked(body, &made.into(), &self.engine)) {
            Some(Ok(claims)) => self.claims(&claims, holder),
            _ => self.excess(holder, "its inspect", "", UNCLEAR),
        }
        let Some(users) = users.as_list() else {
            return self.excess(holder, "its containers", "", UNCLEAR);
        };
        for user in users {
            match full_id(user.at("Id")) {
                Some(id) => self.container(&id, holder, Some(claim)),
                None => self.excess(holder, "its containers", "", UNCLEAR),
            }
        }
    }

    /// A network that a client could have made.
    fn network(&mut self, name: &Name, by: Holder<'_>, claim: Option<&Claim>) {
        let fact = Fact::Network(name.clone());
        let Some(network) = self.known(fact.clone(), by, claim) else {
            return;
        };
        if !self.is_new(fact, by) {
            return;
        }
        let of = format!("network {}", name.as_str());
        let holder = Holder {
            name: Some(&of),
            body: None,
            exists: true,
            depth: by.depth + 1,
            anywhere: false,
        };
        let named = network
            .at("Driver")
            .as_str()
            .is_some_and(|driver| !driver.is_empty());
        let body = facts::network().filter(|_| named);
        self.apart(network, holder);
        let mut network = network.clone();
        let of_engine = network.at("Name").as_str() == Some("bridge");
        if let Some(options) = network.at_mut("Options").and_then(Value::object_mut) {
            for own in FILLED_IN {
                options.remove(own);
            }
            if of_engine {
                *options = Object::default();
            }
        }
        match body.map(|body| reach::asked(body, &network, &self.engine)) {
            Some(Ok(claims)) => self.claims(&claims, holder),
            _ => self.excess(holder, "its inspect", "", UNCLEAR),
        }
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
            by: Some(match excess.bound {
                Bound::Limit { variable, .. } => variable,
                Bound::DenyRoot { .. } => DENY_ROOT,
            }),
        }
    }
}

/// What a request wants of a network in its path.
pub(super) fn joined(name: &Name) -> Claim {
    Claim {
        path: "the network".to_owned(),
        value: name.as_str().to_owned(),
        reach: Reach::NETWORK,
        what: What::Network(name.as_str().to_owned()),
    }
}

/// Options of a network that the engine fills in.
const FILLED_IN: &[&str] = &["com.docker.network.driver.overlay.vxlanid_list"];

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
