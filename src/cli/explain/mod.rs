//! `dockgate explain METHOD PATH`: the verdict on a request, and what would change it; with its body,
//! what would be forwarded.

mod changes;
mod inspected;

use std::sync::Arc;

use clap::{Arg, ArgMatches, Command, ValueHint};

use super::output::{complain, print};
use super::usage::Suggesting;
use super::whose::{self, Client, Whose};
use super::with_settings;
use super::{FAILED, OK, WRONG_USAGE};
use crate::api::{Framing, Message, Method, Target};
use crate::body::inspection::Fact;
use crate::body::versions::{MIN, lowest};
use crate::config::{ConfiguredPolicy, Endpoint, Engine, PolicyId, Settings, Snapshot};
use crate::policy::{Denial, Passage, Verdict, printable};
use crate::proxy;
use inspected::{Case, Outcome, Sent};

/// The verdict depends on what is not known.
const UNDECIDED: u8 = 3;
/// Why no engine can be asked.
const DEPENDS: &str = "the engine depends on the endpoint; use --endpoint";

pub(super) fn command() -> Command {
    let method = Arg::new("method")
        .value_name("METHOD")
        .help("The method, in upper case")
        .required(true)
        .value_parser(Suggesting(Method::ALL.map(Method::as_str)))
        .hide_possible_values(true);
    let path = Arg::new("path")
        .value_name("PATH")
        .help("The path and query, or a full URL")
        .required(true);
    Command::new("explain")
        .about("Show whether a request is allowed, and what would allow it")
        .args([method, path])
        .args([
            Arg::new("body")
                .long("body")
                .value_name("FILE")
                .help("The request's body; - reads stdin")
                .value_hint(ValueHint::FilePath),
            Arg::new("policy")
                .long("policy")
                .value_name("NAME")
                .help("The policy of this name")
                .conflicts_with_all(["client", "endpoint"]),
            whose::option().help("The policy for an address or unix:UID[:GID,...]"),
            Arg::new("endpoint")
                .long("endpoint")
                .value_name("LISTEN")
                .help("The policy of this endpoint, or of --client at it"),
        ])
        .after_help(
            "Without --body, the request has no body. Without another option, the policy\n\
             default decides. If the verdict depends on what the request names, dockgate\n\
             asks the policy's engine.\n\n\
             Exit codes:\n  \
             0   allowed\n  \
             1   denied, or no policy can be named now\n  \
             2   refused by every policy, or the body cannot be read\n  \
             3   undecided: a body, a client or the engine's answer is missing\n  \
             78  invalid configuration\n\n\
             Examples:\n  \
             CONTAINERS=1 dockgate explain GET /v1.41/containers/json\n  \
             CONTAINERS=1 dockgate explain POST /containers/web/start\n  \
             echo {} | ALLOW_CREATE=1 dockgate explain POST /containers/create --body -\n  \
             dockgate explain GET http://dockgate:2375/info\n  \
             dockgate explain --client 172.20.0.5 GET /_ping",
        )
}

pub(super) fn run(matches: &ArgMatches, environment: &Snapshot) -> u8 {
    let value = |name| matches.get_one::<String>(name).map_or("", String::as_str);
    with_settings(environment, |settings| {
        let policy = match chosen(settings, matches) {
            Ok(policy) => policy,
            Err((code, problem)) => {
                complain(&problem);
                return code;
            }
        };
        let body = matches.get_one::<String>("body");
        match body.map(|file| Sent::read(file)).transpose() {
            Ok(body) => {
                let request = Request {
                    method: value("method"),
                    path: value("path"),
                    client: matches.get_one::<Client>("client"),
                    body,
                };
                explain(settings, policy, request)
            }
            Err(problem) => {
                complain(&problem);
                WRONG_USAGE
            }
        }
    })
}

/// What the options choose.
struct Chosen<'a> {
    policy: PolicyId,
    /// The client's own list in its place.
    list: Option<Box<ConfiguredPolicy>>,
    at: Option<&'a Endpoint>,
}

/// The policy that the options choose, or why there is none.
fn chosen<'a>(settings: &'a Settings, matches: &ArgMatches) -> Result<Chosen<'a>, (u8, String)> {
    let of = |policy, at| Chosen {
        policy,
        list: None,
        at,
    };
    let policies = &settings.policies;
    let value = |name| matches.get_one::<String>(name);
    if let Some(name) = value("policy") {
        let known = policies.iter().map(|(_, policy)| &*policy.name);
        let known: Vec<&str> = known.chain(["none"]).collect();
        let id = policies.id(name);
        let (shown, known) = (printable(name), known.join(", "));
        return id.map(|id| of(id, None)).ok_or_else(|| {
            let problem = format!("unknown policy {shown}; the policies are {known}");
            (WRONG_USAGE, problem)
        });
    }
    let endpoints = || {
        let all = settings.endpoints.iter();
        all.map(|one| one.listen.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let at = value("endpoint").map(|listen| {
        let mut all = settings.endpoints.iter();
        all.find(|one| one.listen.to_string() == *listen)
            .ok_or_else(|| {
                let (shown, known) = (printable(listen), endpoints());
                let problem = format!("unknown endpoint {shown}; the endpoints are {known}");
                (WRONG_USAGE, problem)
            })
    });
    let at = at.transpose()?;
    let Some(client) = matches.get_one::<Client>("client") else {
        return Ok(of(at.map_or(PolicyId::DEFAULT, |at| at.policy), at));
    };
    match client.whose(settings, at) {
        Whose::Policy(id, _) => Ok(of(id, at)),
        Whose::List(list, _) => Ok(Chosen {
            list: Some(list),
            ..of(PolicyId::NONE, at)
        }),
        Whose::Endpoints(_) => {
            let problem = format!(
                "no client rule matches, and the policy depends on the endpoint; use --endpoint \
                 with one of {}",
                endpoints()
            );
            Err((WRONG_USAGE, problem))
        }
        Whose::Refused(why) => Err((FAILED, why)),
    }
}

/// A request as the command line has it.
struct Request<'a> {
    method: &'a str,
    path: &'a str,
    client: Option<&'a Client>,
    body: Option<Sent>,
}

fn explain(
    settings: &Settings,
    Chosen {
        policy: id,
        list,
        at,
    }: Chosen<'_>,
    request: Request<'_>,
) -> u8 {
    let Request {
        method,
        path,
        client,
        body,
    } = request;
    let target = match Target::from_line(method, path_of(path)) {
        Ok(target) => target,
        Err(bad) => {
            complain(&format_args!("every policy refuses this with 400: {bad}"));
            return WRONG_USAGE;
        }
    };
    let Some(policy) = list.as_deref().or_else(|| settings.policies.get(id)) else {
        let verdict = Verdict::Deny(Denial::without_policy(target));
        // That it is denied, the exit code says.
        let _ = print(&format!("{verdict}\n"));
        return FAILED;
    };
    let message = Message::new(Framing::Empty);
    let message = match &body {
        None => message,
        Some(body) => message.into_json(body.start().len()),
    };
    let sent = target.clone();
    let engine = settings.engine_of(policy, at).ok_or(DEPENDS);
    let decided = raised(engine, policy, target.clone());
    let outcome = match decided.map(|target| policy.decide(target, message)) {
        Err(why) => Outcome::Undecided(why),
        Ok(Verdict::Allow(permit)) => {
            let seen = client.map(|client| proxy::seen_by_rules(client.identity()));
            let mut case = Case::new((settings, engine), (id, policy), &sent, &permit, body, seen);
            match permit.passage() {
                Passage::Stream(cleared) => case.allowed(cleared),
                Passage::Inspect(inspection) => case.judge(inspection),
            }
        }
        Ok(verdict) => Outcome::Denied(verdict.to_string()),
    };
    let (code, text) = match outcome {
        Outcome::Allowed(text) => (OK, text),
        Outcome::Denied(text) => (FAILED, text),
        Outcome::Undecided(text) => (UNDECIDED, text),
    };
    let printed = print(&format!("{text}\n"));
    for warning in settings.warnings_about(policy, &target) {
        // A denial may have said it already.
        if !text.contains(&warning.problem) {
            complain(&format_args!("warning: {warning}"));
        }
    }
    match code {
        OK => printed,
        code => code,
    }
}

/// The request in a version that the engine accepts, if the policy's bounds cover its version.
///
/// # Errors
/// The engine does not say which versions it accepts.
fn raised(
    engine: Result<&Arc<Engine>, &str>,
    policy: &ConfiguredPolicy,
    target: Target,
) -> Result<Target, String> {
    let Some(bounds) = policy.demands.versions.filter(|one| one.cover(&target)) else {
        return Ok(target);
    };
    let answers = engine.map_err(str::to_owned);
    let answers = answers.and_then(|engine| proxy::ask(engine, &[Fact::Version]));
    let answers = answers.map_err(|why| {
        format!(
            "undecided: {MIN} is set, and the engine does not say which versions it accepts: {why}"
        )
    })?;
    let lowest = answers.iter().find_map(|(_, answer)| lowest(answer));
    Ok(match lowest {
        Some(lowest) => bounds.raise(target, lowest),
        None => target,
    })
}

/// What a client sends for a whole address: `tcp://dockgate:2375/info`.
fn path_of(address: &str) -> &str {
    let schemes = ["http://", "https://", "tcp://"];
    let behind = schemes
        .iter()
        .find_map(|scheme| address.strip_prefix(scheme));
    match behind {
        Some(behind) => behind.find('/').map_or("/", |start| &behind[start..]),
        None => address,
    }
}
