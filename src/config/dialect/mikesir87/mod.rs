//! Gates, mutators and response filters from a YAML document, as mikesir87/docker-socket-proxy reads
//! them: `gates`, `mutators` and `responseFilters`, each a list of entries with a `type`.
//!
//! Several documents are one: their lists are joined in the order of the files. Where that proxy
//! starts without what it does not know, dockgate does not start. A policy can have lists of its own,
//! and mutators as variables.
//!
//! Alone, the lists at the top of a document grant what their gates do not refuse, as there. Beside
//! any other grant, and beside policies, they only limit and edit. Whatever allows a request, a gate
//! and a mutator holds for it: by a rule that denies, or by a term.

mod entries;
#[cfg(test)]
mod tests;

use super::{Diagnostic, Source};
use crate::api::sections::{ACTIONS, REQUIREMENTS, Role, Route, SCOPED};
use crate::api::{Methods, ObjectKind, Target};
use crate::body::draft::Act;
use crate::body::edits::{self, Mutator};
use crate::body::gates::Gate;
use crate::body::scope::LabelFilter;
use crate::config::file::{DEFAULT, Document, MiddlewareSpec, Place, PolicySpec, Value};
use crate::config::table::Values;
use crate::config::{Listen, Snapshot};
use crate::policy::{Effect, LIBPOD, Matcher, Pattern, Rule, Term, printable};
use entries::{Reading, Refusal};

/// The mutators and gates of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Middleware {
    /// What is changed, in this order, before the gates judge it.
    pub mutators: Vec<Mutator>,
    /// What is refused.
    pub gates: Vec<Gate>,
    /// What lists and inspects show.
    pub filters: Vec<LabelFilter>,
    /// Whether nothing but reads is allowed.
    pub read_only: bool,
    /// Where the lists begin, if they grant all that the gates do not refuse.
    pub(in crate::config) alone: Option<(Place, String)>,
}

impl Middleware {
    /// The lists of a document that hold for the environment's policy: those at its top, unless it
    /// has a policy of that name.
    pub(in crate::config) fn of_environment(
        document: &Document,
        mistakes: &mut Vec<Diagnostic>,
    ) -> Middleware {
        let top = || document.middleware.iter();
        let lists = top().filter(|_| !document.policies.iter().any(is_default));
        let alone = top().next().filter(|_| document.policies.is_empty());
        Middleware {
            alone: alone.map(|spec| (spec.place.clone(), spec.what.clone())),
            ..Middleware::of(lists, mistakes)
        }
    }

    /// Those that hold for a policy of the document.
    pub(in crate::config) fn of_policy(
        policy: &PolicySpec,
        document: &Document,
        mistakes: &mut Vec<Diagnostic>,
    ) -> Middleware {
        let top = document.middleware.iter().filter(|_| is_default(policy));
        Middleware::of(top.chain(&policy.middleware), mistakes)
    }

    fn of<'a>(
        lists: impl Iterator<Item = &'a MiddlewareSpec>,
        mistakes: &mut Vec<Diagnostic>,
    ) -> Middleware {
        let mut middleware = Middleware::default();
        for spec in lists {
            let mut reading = Reading {
                file: &spec.place.file,
                mistakes,
            };
            middleware.add(spec, &mut reading);
        }
        middleware
    }

    /// With what the policy has as variables, and as one that grants nothing if another does.
    #[must_use]
    pub(in crate::config) fn beside(
        mut self,
        snapshot: &Snapshot,
        granted: bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Middleware {
        let mut values = Vec::new();
        for name in edits::VARIABLES {
            match snapshot.get(name).map(|value| value.to_str()) {
                Some(Some(value)) => values.push((name, value)),
                Some(None) => diagnostics.push(Diagnostic::not_utf8(name)),
                None => {}
            }
        }
        let of = |name: &str| values.iter().find(|(own, _)| *own == name).map(|own| own.1);
        match edits::read(of) {
            Ok(mutators) => self.mutators.extend(mutators),
            Err(wrong) => diagnostics.extend(wrong.into_iter().map(|(name, mistake)| {
                let entry = printable(&mistake.entry);
                let problem = format!("{name}: {entry} {}", mistake.problem);
                Diagnostic::error(name, problem, mistake.help)
            })),
        }
        self.alone = self.alone.filter(|_| !granted);
        diagnostics.extend(self.alone.as_ref().map(|(place, what)| {
            let problem = format!(
                "nothing but {what} grants anything, so every request that is not refused is allowed"
            );
            // Beside a grant, the listener is that of the grant.
            let says_where = ["LISTEN", "LISTEN_SOCKET_PATH"].map(|name| snapshot.get(name).is_some());
            let socket = match says_where {
                [false, false] => ", and set LISTEN_SOCKET_PATH=/tmp/docker.sock to stay on that socket",
                _ => "",
            };
            let help =
                format!("grant what is needed with PRESET, ALLOW_x or another variable{socket}");
            place.mistake(what, problem, help).into_warning()
        }));
        self
    }

    /// Each of them as it is shown, in the order in which they are applied.
    pub fn shown(&self) -> impl Iterator<Item = (&'static str, String)> {
        let filters = self.filters.iter().map(|one| ("filter", one.to_string()));
        self.shown_if(|_| true, |_| true, self.read_only)
            .chain(filters)
    }

    /// The same, of those that look at such a request after it was allowed.
    pub fn shown_for(&self, target: &Target) -> impl Iterator<Item = (&'static str, String)> {
        let act = Act::of(target.method(), target.path());
        let (for_mutators, for_gates) = (act.clone(), act);
        self.shown_if(
            move |one| one.concerns(&for_mutators),
            move |one| one.concerns(&for_gates),
            false,
        )
    }

    fn shown_if(
        &self,
        edits: impl Fn(&Mutator) -> bool,
        judges: impl Fn(&Gate) -> bool,
        read_only: bool,
    ) -> impl Iterator<Item = (&'static str, String)> {
        let mutators = self.mutators.iter().filter(move |one| edits(one));
        let gates = self.gates.iter().filter(move |one| judges(one));
        let mutators = mutators.map(|one| ("mutator", one.to_string()));
        let gates = gates.map(|one| ("gate", one.to_string()));
        let read_only = read_only.then(|| ("gate", READ_ONLY.to_owned()));
        mutators.chain(read_only).chain(gates)
    }

    /// What lists and inspects must pass. Podman's own answers have another shape.
    fn filtered(&self) -> Vec<Rule> {
        if self.filters.is_empty() {
            return Vec::new();
        }
        let is_filtered = |kind: Option<ObjectKind>| {
            let mut filters = self.filters.iter();
            kind.is_some_and(|kind| filters.any(|one| one.kinds.contains(&kind)))
        };
        let of = |role: Role| {
            let own = SCOPED.iter();
            let own = own.filter(|one| one.judged.contains(&role) && is_filtered(one.kind));
            let routes = own.flat_map(|one| one.routes);
            let routes =
                routes.filter(|route| role == Role::List || INSPECTS.contains(&route.text));
            let matchers = routes.flat_map(Matcher::denied).collect();
            rule(FILTER, Effect::Demand(Term::LabelFilter(role)), matchers)
        };
        let podman = Matcher {
            methods: Methods::of(None),
            pattern: Pattern::below(LIBPOD),
        };
        let why = format!("{FILTER} (Podman's own calls cannot be filtered)");
        let podman = rule(&why, Effect::Deny, vec![podman]);
        vec![of(Role::List), of(Role::Object), podman]
    }

    /// Whether a mutator or a gate looks at such a request.
    fn concerns(&self, act: &Act) -> bool {
        let edited = self.mutators.iter().any(|one| one.concerns(act));
        edited || self.gates.iter().any(|one| one.concerns(act))
    }

    /// What it must meet, matched as widely as a deny: the routes that a mutator or a gate looks at,
    /// and each write of Podman's own, which could do the same.
    fn demand(&self) -> Option<Rule> {
        let concerned = |route: &&Route| {
            let mut samples = route.samples().into_iter();
            samples.any(|(method, path)| self.concerns(&Act::of(Some(method), path.as_bytes())))
        };
        let routes = ACTIONS.iter().flat_map(|action| action.routes);
        let routes = routes.filter(concerned).flat_map(Matcher::denied);
        let mut matchers: Vec<Matcher> = routes.collect();
        if matchers.is_empty() {
            return None;
        }
        matchers.push(Matcher {
            methods: Methods::WRITES,
            pattern: Pattern::below(LIBPOD),
        });
        Some(rule(NAME, Effect::Demand(Term::Middleware), matchers))
    }

    fn add(&mut self, spec: &MiddlewareSpec, reading: &mut Reading<'_>) {
        let items = match &spec.value.value {
            Value::List(items) => items,
            Value::Refused => return,
            _ => {
                let problem = format!("{} must be a list", spec.what);
                let help = "begin each entry with a hyphen, or use [] for none";
                return reading.mistake(spec.place.line, &spec.what, problem, help);
            }
        };
        for (number, item) in items.iter().enumerate() {
            let what = format!("{}[{number}]", spec.what);
            match spec.key {
                "gates" => match reading.gate(item, &what) {
                    Some(Refusal::OfWrites) => self.read_only = true,
                    Some(Refusal::By(gate)) => self.gates.push(gate),
                    None => {}
                },
                "mutators" => self.mutators.extend(reading.mutator(item, &what)),
                _ => self.filters.extend(reading.filter(item, &what)),
            }
        }
    }
}

fn is_default(policy: &PolicySpec) -> bool {
    policy.name == DEFAULT
}

/// What messages and verdicts call it.
const NAME: &str = "middleware";
/// The only type of filter.
const FILTER: &str = "labelFilter";
/// The inspects of what can be filtered.
const INSPECTS: [&str; 4] = [
    "GET /containers/{id}/json",
    "GET /images/{name...}/json",
    "GET /networks/{id}",
    "GET /volumes/{name...}",
];
/// The gate that is a rule.
const READ_ONLY: &str = "readonlyAccess";

impl Source for Middleware {
    fn name(&self) -> &'static str {
        NAME
    }

    fn active(&self) -> bool {
        self.alone.is_some()
    }

    fn contributes(&self) -> Vec<String> {
        match self.active() {
            true => vec!["everything that no gate refuses".to_owned()],
            false => Vec::new(),
        }
    }

    fn rules(&self) -> Vec<Rule> {
        let everything = |methods| Matcher {
            methods,
            pattern: Pattern::below("/"),
        };
        let alone = self.active();
        let alone = alone.then(|| rule(NAME, Effect::Allow, vec![everything(Methods::ALL)]));
        let read_only = self.read_only.then(|| {
            let mut matchers = vec![everything(Methods::WRITES)];
            for one in REQUIREMENTS.iter().filter(|one| one.also == "POST") {
                let own: Vec<Matcher> = one.routes.iter().flat_map(Matcher::denied).collect();
                matchers.extend(own.iter().cloned().map(Matcher::below_libpod));
                matchers.extend(own);
            }
            rule(READ_ONLY, Effect::Deny, matchers)
        });
        let rules = alone.into_iter().chain(read_only);
        rules.chain(self.demand()).chain(self.filtered()).collect()
    }
}

fn rule(origin: &str, effect: Effect, matchers: Vec<Matcher>) -> Rule {
    Rule {
        origin: origin.into(),
        effect,
        matchers,
        when: Vec::new(),
        missing: Vec::new(),
        requirements: Vec::new(),
    }
}

/// The folder that is read if no variable says where the documents are.
pub(in crate::config) const FOLDER: &str = "/etc/docker-socket-proxy/config.d";

/// The mode of its socket: whoever can reach that may connect, as there.
pub(in crate::config) const MODE: u32 = 0o666;

/// Where to listen, if its variable says so, or if middleware is `alone`: without a word, that opens
/// no port.
pub(in crate::config) fn listen(values: &Values, alone: bool) -> Option<Listen> {
    let own = &values.listen_socket_path;
    own.get().filter(|_| own.by.is_some() || alone).cloned()
}

/// Whether documents have middleware and nothing of dockgate's own.
pub(in crate::config) fn is_alone(document: &Document) -> bool {
    let own = (
        document.policies.len(),
        document.endpoints.len(),
        document.clients.len(),
    );
    !document.middleware.is_empty() && own == (0, 0, 0)
}
