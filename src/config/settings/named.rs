//! The policies of the environment and of a file, the rules that give them to clients, and what is
//! wrong where these do not fit each other.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Endpoint, tls};
use crate::clients::containers::Wanted;
use crate::clients::{Rule, Rules, Who};
use crate::config::becoming::{BECOMES, CONNECTS, Does, GETS_IN, RENAMES, is_held, who_can};
use crate::config::diagnostics::Diagnostic;
use crate::config::dialect::cetusguard;
use crate::config::dialect::mikesir87::Middleware;
use crate::config::dialect::sections::Grants;
use crate::config::dialect::wollomatic::flags::{METHODS, method_of};
use crate::config::dialect::wollomatic::labels::LabelLists;
use crate::config::engines::{Engine, Engines};
use crate::config::file::{DEFAULT, Document, Place, PolicySpec};
use crate::config::limits::FOLDERS;
use crate::config::listen::Listen;
use crate::config::policies::{Policies, PolicyId};
use crate::config::scope::Scope;
use crate::config::snapshot::Snapshot;
use crate::config::sources::{ConfiguredPolicy, Sources};
use crate::config::table::SETTINGS;
use crate::config::texts::Texts;
use crate::policy::{Unprotected, printable};

/// All policies, and what of them holds only after a restart. `None`: one of them cannot be made, which
/// is among the diagnostics.
pub(super) fn read(
    document: &Document,
    texts: &Texts,
    engines: &Engines,
    snapshot: &Snapshot,
    of_environment: Sources,
    current: Option<&Policies>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Policies, Vec<String>)> {
    let mut needs_restart = Vec::new();
    let protects = |name: &str| {
        let policy = current.and_then(|all| all.get(all.id(name)?));
        policy.is_none_or(|policy| policy.sources.unprotected.is_none())
    };
    let mut others = Vec::new();
    let mut default = None;
    let mut of_environment = of_environment;
    let mut read = Vec::new();
    for spec in &document.policies {
        let scope = Scope(spec);
        let mut own = Vec::new();
        let middleware = Middleware::of_policy(spec, document, diagnostics);
        let snapshot = scope.snapshot(&mut own);
        let mut sources = Sources::read(&spec.name, &snapshot, middleware, texts, &mut own);
        sources.engine = engines.of_policy(&snapshot, &mut own);
        let former = current.and_then(|all| all.get(all.id(&spec.name)?));
        if let Some(former) = former {
            sources.shown.keep(&former.sources.shown);
        }
        if current.is_some() && protects(&spec.name) && sources.unprotected.take().is_some() {
            let name = &spec.name;
            needs_restart.push(format!(
                "policies.{name}.DRY_RUN changed: restart dockgate to apply it; until then, policy \
                 {name} denies what it does not grant"
            ));
        }
        read.push((spec, sources, own));
    }
    let has_default = read.iter().any(|(spec, ..)| spec.name == DEFAULT);
    let of_file = read.iter().map(|(_, sources, _)| sources);
    let all = of_file.chain((!has_default).then_some(&of_environment));
    let names = read.iter().map(|(spec, ..)| &*spec.name);
    let names = names.chain((!has_default).then_some(DEFAULT));
    let scopes = names.zip(all.clone()).filter_map(|(name, sources)| {
        let scope = sources.shown.scope.as_ref()?;
        Some((name, Arc::clone(scope)))
    });
    let scopes: Vec<_> = scopes.collect();
    // It holds for the clients of every policy.
    let chooses = document.policies.iter().any(|spec| spec.by_label);
    let reserves = chooses || all.into_iter().any(|sources| sources.shown.reserves());
    of_environment.shown.beside(&scopes, DEFAULT);
    for (spec, mut sources, mut own) in read {
        let scope = Scope(spec);
        sources.shown.beside(&scopes, &spec.name);
        let policy = sources.compile(&spec.name, Some(&spec.place), reserves, &mut own);
        diagnostics.extend(own.into_iter().map(|mistake| scope.place(mistake)));
        match spec.name == DEFAULT {
            true => default = Some((spec, policy)),
            false => others.push(policy),
        }
    }
    let default = match default {
        Some((spec, policy)) => {
            diagnostics.extend(both(spec, snapshot));
            policy
        }
        None => of_environment.compile(DEFAULT, None, reserves, diagnostics),
    };
    let others: Option<Vec<ConfiguredPolicy>> = others.into_iter().collect();
    Some((Policies::new(default?, others?, current), needs_restart))
}

/// A variable or a flag by which the environment has a policy.
fn written_outside(snapshot: &Snapshot) -> Option<String> {
    let is_set = |name: &&str| snapshot.get(name).is_some();
    let mut own = Grants::variables().map(|(name, _)| name);
    let of_policies = SETTINGS.iter().filter(|one| one.in_policy);
    let mut others = of_policies.map(|one| one.name).chain([
        "LOG_REQUESTS",
        FOLDERS,
        Unprotected::Learn.variable(),
    ]);
    let flags = METHODS.map(|method| format!("allow{method}"));
    (own.find(is_set).or_else(|| others.find(is_set)))
        .or_else(|| snapshot.names().find(|name| method_of(name).is_some()))
        .map(|name| printable(name).into_owned())
        .or_else(|| {
            let mut flags = flags
                .iter()
                .map(String::as_str)
                .chain(["allowbindmountfrom"])
                .chain(cetusguard::OF_POLICIES);
            let flag = flags.find(|flag| snapshot.flag(flag).next().is_some())?;
            Some(format!("-{flag}"))
        })
}

/// A mistake, if the environment has a policy beside a file's `default`.
fn both(spec: &PolicySpec, snapshot: &Snapshot) -> Option<Diagnostic> {
    let name = written_outside(snapshot)?;
    let problem = format!(
        "policies.{DEFAULT} cannot be used with {name}, which is set for the same policy outside \
         the file"
    );
    let help = "use one of them";
    Some(spec.place.mistake(&name, problem, help))
}

/// What the author of each policy may overlook.
pub(super) fn consequences(document: &Document, policies: &Policies) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for (_, policy) in policies.iter() {
        let mut specs = document.policies.iter();
        let scope = specs.find(|spec| *spec.name == *policy.name).map(Scope);
        let overlooked = policy.idle_zeros().chain(policy.movable_images());
        let overlooked = overlooked.chain(policy.told_nevertheless());
        diagnostics.extend(overlooked.map(|mistake| match &scope {
            Some(scope) => scope.place(mistake),
            None => mistake,
        }));
    }
    diagnostics
}

/// The rules: those of the files and then, if a label may choose policies, one for each of these. Who
/// has the label with anything else is refused.
pub(super) fn rules(document: &Document, policies: &Policies) -> Rules<PolicyId> {
    let rules = document.clients.iter().map(|spec| Rule {
        who: spec.who.clone(),
        policy: policies.named(&spec.policy),
    });
    let by_label = |value: Option<&str>, policy| Rule {
        who: Who::Container(Box::new(Wanted::chosen_by_label(value))),
        policy,
    };
    let chosen = document.policies.iter().filter(|spec| spec.by_label);
    let chosen = chosen.filter_map(|spec| Some((&*spec.name, policies.id(&spec.name)?)));
    let chosen: Vec<_> = chosen.map(|(name, id)| by_label(Some(name), id)).collect();
    let others = (!chosen.is_empty()).then(|| by_label(None, PolicyId::NONE));
    rules.chain(chosen).chain(others).collect()
}

/// What is said of containers where those of the engine are no clients.
fn elsewhere(document: &Document, engine: &Engine) -> Vec<Diagnostic> {
    if !engine.address.is_remote() {
        return Vec::new();
    }
    let clients = document.clients.iter().enumerate();
    let rules = clients.filter(|(_, spec)| matches!(spec.who, Who::Container(_)));
    let rules = rules.map(|(number, spec)| (format!("clients[{number}].container"), &spec.place));
    let policies = document.policies.iter().filter(|spec| spec.by_label);
    let policies = policies.map(|spec| (format!("policies.{}.by_label", spec.name), &spec.place));
    let mistake = |(what, place): (String, &Place)| {
        let problem = format!(
            "{what}: {engine} at {} is on another host, whose containers are not the clients here",
            engine.address
        );
        let help = "set SOCKET_PATH to the socket of this host's engine, and name the other one in engines";
        place.mistake(&what, problem, help)
    };
    rules.chain(policies).map(mistake).collect()
}

/// A warning for each label by which a rule matches nobody, or hardly whom it seems to.
fn labels_in_vain(document: &Document, lists: Option<&str>) -> Vec<Diagnostic> {
    let granting = lists.map(|prefix| format!("{}.", LabelLists::stem(prefix)));
    let mut diagnostics = Vec::new();
    for (number, spec) in document.clients.iter().enumerate() {
        let Who::Container(wanted) = &spec.who else {
            continue;
        };
        let what = format!("clients[{number}].container.label");
        let mut warn = |problem: String, help: &str| {
            diagnostics.push(spec.place.mistake(&what, problem, help).into_warning());
        };
        for label in &wanted.labels {
            let (key, value) = (printable(&label.key), label.value.as_deref());
            if granting.as_ref().is_some_and(|own| key.starts_with(own)) {
                let problem =
                    format!("{what}: a container with {key} has a list of its own, and no rule");
                warn(problem, "remove the rule, or use another label");
            }
            if let Some(value) = value.filter(|value| value.contains('*')) {
                let value = printable(value);
                let problem = format!("{what}: {key}={value} is compared as it is, with its *");
                warn(
                    problem,
                    "use the whole value, or the key alone for any value",
                );
            }
        }
    }
    diagnostics
}

/// What does not fit: rules that match nobody, policies that nothing names, and addresses that do not
/// tell clients apart. `lists` is what labels begin with that make lists, if any do: what the policy
/// `default` denies holds for them.
pub(super) fn compare(
    document: &Document,
    snapshot: &Snapshot,
    policies: &Policies,
    endpoints: &[Endpoint],
    rules: &Rules<PolicyId>,
    engine: &Engine,
    lists: Option<&str>,
) -> Vec<Diagnostic> {
    let mut diagnostics = elsewhere(document, engine);
    diagnostics.extend(labels_in_vain(document, lists));
    let is_unix = |one: &Endpoint| matches!(one.listen, Listen::Unix(_));
    let (by_unix, by_tcp) = (
        endpoints.iter().any(is_unix),
        !endpoints.iter().all(is_unix),
    );
    let asks = |one: &Endpoint| one.tls.as_ref().is_some_and(|tls| tls.trust.is_some());
    let by_certificate = endpoints.iter().any(asks);
    for (number, spec) in document.clients.iter().enumerate() {
        let (key, fits) = match &spec.who {
            Who::From(_) => ("from", by_tcp),
            Who::User(_) => ("user", by_unix),
            Who::Group(_) => ("group", by_unix),
            Who::Certificate(_) => ("certificate", by_certificate),
            Who::Container(_) => ("container", by_tcp),
        };
        if fits {
            continue;
        }
        let what = format!("clients[{number}].{key}");
        let (kind, example) = match spec.who {
            Who::From(_) | Who::Container(_) => ("a TCP address", "tcp://[::]:2375"),
            Who::User(_) | Who::Group(_) => ("a Unix socket", "unix:///run/dockgate.sock"),
            Who::Certificate(_) => {
                let problem =
                    format!("{what} never matches: no endpoint asks clients for a certificate");
                let help = "add tls with client_ca to an endpoint, or remove the rule";
                diagnostics.push(spec.place.mistake(&what, problem, help));
                continue;
            }
        };
        let problem = format!("{what} never matches: no endpoint is {kind}");
        let help = format!("add an endpoint with listen: \"{example}\", or remove the rule");
        diagnostics.push(spec.place.mistake(&what, problem, help));
    }
    let of_endpoints = endpoints.iter().map(|endpoint| endpoint.policy);
    let used: Vec<PolicyId> = of_endpoints
        .chain(rules.iter().map(|rule| rule.policy))
        .collect();
    let is_needed =
        |id: &PolicyId| used.contains(id) || lists.is_some() && *id == PolicyId::DEFAULT;
    for spec in document.policies.iter().filter(|spec| !spec.by_label) {
        let id = policies.id(&spec.name);
        if id.is_some_and(|id| is_needed(&id)) {
            continue;
        }
        let what = format!("policies.{}", spec.name);
        let problem = format!("{what} is not used: no endpoint and no client rule names it");
        let help = "name it in endpoints or clients, or remove it";
        diagnostics.push(spec.place.mistake(&what, problem, help).into_warning());
    }
    if !is_needed(&PolicyId::DEFAULT)
        && policies.default().place.is_none()
        && let Some(name) = written_outside(snapshot)
    {
        let problem = format!(
            "{name} is ignored: it belongs to the policy {DEFAULT}, which no endpoint and no \
             client rule names"
        );
        let help = "set it in a policy of the file, or remove it";
        diagnostics.push(Diagnostic::warning(&name, problem, help));
    }
    if let Some(list) = document.middleware.first()
        && !is_needed(&PolicyId::DEFAULT)
    {
        let what = &list.what;
        let problem = format!(
            "{what} is unused: it belongs to the policy {DEFAULT}, which no endpoint and no \
             client rule names"
        );
        let help = "move it to a policy that is used";
        diagnostics.push(list.place.mistake(what, problem, help));
    }
    for spec in document
        .policies
        .iter()
        .filter(|spec| spec.by_label && !by_tcp)
    {
        let what = format!("policies.{}.by_label", spec.name);
        let problem = format!("{what} is ignored: no endpoint is a TCP address");
        let help = "add an endpoint with listen: \"tcp://[::]:2375\", or remove it";
        diagnostics.push(spec.place.mistake(&what, problem, help).into_warning());
    }
    diagnostics.extend(told_apart(document, policies, &used));
    diagnostics.extend(takes_marks(document, policies, &used));
    diagnostics.extend(tls::by_any_ca(document, endpoints));
    diagnostics
}

/// What it does to give an image another one's name.
const NAMES_IMAGES: [Does; 5] = [
    ("TAG", "tag images"),
    ("BUILD", "build images"),
    ("COMMIT", "commit containers"),
    ("LOAD", "load images"),
    ("PULL", "pull images"),
];

/// A warning for each rule by what a container is, if a client of another policy could make a container
/// be that. With `DENY_ROOT` or a scope it cannot, but for images, whose names it can give to others.
fn takes_marks(document: &Document, policies: &Policies, used: &[PolicyId]) -> Vec<Diagnostic> {
    // By which of these the clients of each other policy do it, held or not.
    let by = |own: &str, held: bool, does: &[Does]| -> Option<String> {
        let own = policies.id(own);
        let others = policies.iter().filter(|(id, policy)| {
            used.contains(id) && Some(*id) != own && is_held(policy) == held
        });
        who_can(others.map(|(_, policy)| policy), does)
    };
    const HELP: &str =
        "set DENY_ROOT or SCOPE in those policies, or give each client a Unix socket of its own";
    let mut diagnostics = Vec::new();
    for (number, spec) in document.clients.iter().enumerate() {
        let Who::Container(wanted) = &spec.who else {
            continue;
        };
        let (what, policy) = (format!("clients[{number}].container"), &spec.policy.text);
        let renames = wanted.names.iter().map(|_| RENAMES);
        let does: Vec<_> = BECOMES
            .into_iter()
            .chain(renames)
            .chain([CONNECTS])
            .collect();
        if let Some(by) = by(policy, false, &does) {
            let problem = format!(
                "clients of other policies can become container {wanted} (policy {policy}): {by}"
            );
            diagnostics.push(spec.place.mistake(&what, problem, HELP).into_warning());
        }
        if wanted.images.is_some()
            && let Some(by) = by(policy, true, &NAMES_IMAGES)
        {
            let problem = format!(
                "clients of other policies can give their images the name that container {wanted} \
                 (policy {policy}) is known by: {by}"
            );
            let help = "use a label or a name in the rule instead of the image";
            diagnostics.push(spec.place.mistake(&what, problem, help).into_warning());
        }
    }
    // No client of any policy sets that label.
    for spec in document.policies.iter().filter(|spec| spec.by_label) {
        let what = format!("policies.{}.by_label", spec.name);
        if let Some(by) = by(&spec.name, false, &[GETS_IN, CONNECTS]) {
            let problem =
                format!("{what}: clients of other policies can become one that chose it: {by}");
            diagnostics.push(spec.place.mistake(&what, problem, HELP).into_warning());
        }
    }
    diagnostics
}

/// What a client does to get another address, or another's.
const CHOOSES_ADDRESS: [Does; 5] = [
    ("BUILD", "build images"),
    ("CREATE", "create containers"),
    ("NETWORK_CONNECT", "connect networks"),
    ("SERVICE_CREATE", "create services"),
    ("SERVICE_UPDATE", "update services"),
];
/// A warning, if clients are told apart by an address that one of them could choose.
fn told_apart(document: &Document, policies: &Policies, used: &[PolicyId]) -> Option<Diagnostic> {
    let lists = || {
        let rules = document.clients.iter();
        rules.filter_map(|rule| match &rule.who {
            Who::From(list) => Some((rule, list)),
            Who::User(_) | Who::Group(_) | Who::Container(_) | Who::Certificate(_) => None,
        })
    };
    let (first, _) = lists().next()?;
    let by_name = lists().any(|(_, list)| !list.hosts.is_empty());
    let mut by = BTreeSet::new();
    for (_, policy) in policies.iter().filter(|(id, _)| used.contains(id)) {
        let names = by_name.then_some(RENAMES);
        for (action, does) in CHOOSES_ADDRESS.into_iter().chain(names) {
            if policy.reaches(action) {
                by.insert(format!("{} can {does}", policy.name));
            }
        }
    }
    let by = by.into_iter().collect::<Vec<_>>().join(", ");
    let problem = format!(
        "client rules use addresses, which a client can choose ({by}), and forge with the \
         capability NET_RAW"
    );
    let help = "give each client a Unix socket of its own";
    (!by.is_empty()).then(|| first.place.mistake("clients", problem, help).into_warning())
}
