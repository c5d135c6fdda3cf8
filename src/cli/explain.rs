//! `dockgate explain METHOD PATH`: the verdict on a request, and what would change it.

use clap::{Arg, ArgMatches, Command};

use super::output::{complain, print, visible};
use super::usage::Suggesting;
use super::whose::{self, Client, Whose};
use super::with_settings;
use super::{FAILED, WRONG_USAGE};
use crate::api::{Method, Target};
use crate::config::{ConfiguredPolicy, PolicyId, Settings, Snapshot};
use crate::observe::log::one_line;
use crate::policy::{Body, Denial, Permit, Term, Verdict, printable};

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
            "The request counts as one without a body. Without an option, the policy default\n\
             decides.\n\n\
             Exit codes:\n  \
             0   allowed\n  \
             1   denied, or no policy can be named now\n  \
             2   refused by every policy\n  \
             78  invalid configuration\n\n\
             Examples:\n  \
             CONTAINERS=1 dockgate explain GET /v1.41/containers/json\n  \
             CONTAINERS=1 dockgate explain POST /containers/web/start\n  \
             dockgate explain GET http://dockgate:2375/info\n  \
             dockgate explain --client 172.20.0.5 GET /_ping",
        )
}

pub(super) fn run(matches: &ArgMatches, environment: &Snapshot) -> u8 {
    let value = |name| matches.get_one::<String>(name).map_or("", String::as_str);
    with_settings(environment, |settings| match chosen(settings, matches) {
        Ok(policy) => explain(settings, policy, value("method"), value("path")),
        Err((code, problem)) => {
            complain(&problem);
            code
        }
    })
}

/// The policy that the options choose, or why there is none.
fn chosen(settings: &Settings, matches: &ArgMatches) -> Result<PolicyId, (u8, String)> {
    let policies = &settings.policies;
    let value = |name| matches.get_one::<String>(name);
    if let Some(name) = value("policy") {
        let known = policies.iter().map(|(_, policy)| &*policy.name);
        let known: Vec<&str> = known.chain(["none"]).collect();
        let id = policies.id(name);
        let (shown, known) = (printable(name), known.join(", "));
        return id.ok_or_else(|| {
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
        return Ok(at.map_or(PolicyId::DEFAULT, |at| at.policy));
    };
    match client.whose(settings, at) {
        Whose::Policy(id, _) => Ok(id),
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

fn explain(settings: &Settings, policy: PolicyId, method: &str, path: &str) -> u8 {
    let target = match Target::from_line(method, path_of(path)) {
        Ok(target) => target,
        Err(bad) => {
            complain(&format_args!("every policy refuses this with 400: {bad}"));
            return WRONG_USAGE;
        }
    };
    let Some(policy) = settings.policies.get(policy) else {
        let verdict = Verdict::Deny(Denial::without_policy(target));
        // That it is denied, the exit code says.
        let _ = print(&format!("{verdict}\n"));
        return FAILED;
    };
    let verdict = policy.decide(target.clone(), Body::Empty);
    let mut text = verdict.to_string();
    if let (Verdict::Allow(_), Some(label)) = (&verdict, policy.label()) {
        text.push_str(&format!(" ({label})"));
    }
    if let Verdict::Allow(permit) = &verdict {
        if permit.terms().contains(&Term::Middleware) {
            for (kind, told) in policy.sources.middleware.shown_for(&target) {
                text.push_str(&format!("\n{kind} {}", one_line(&told)));
            }
        }
        for rule in rules(policy, permit) {
            text.push_str(&format!("\n{rule}"));
        }
    }
    let printed = print(&format!("{text}\n"));
    for warning in settings.warnings_about(policy, &target) {
        // A denial may have said it already.
        if !text.contains(&warning.problem) {
            complain(&format_args!("warning: {warning}"));
        }
    }
    if matches!(verdict, Verdict::Allow(_)) {
        printed
    } else {
        FAILED
    }
}

/// The rules that a request must not break.
fn rules(policy: &ConfiguredPolicy, permit: &Permit) -> impl Iterator<Item = String> {
    let numbers = permit.terms().iter().filter_map(|term| match term {
        Term::Rule(number) => Some(*number),
        _ => None,
    });
    let rules = numbers.filter_map(|number| policy.demands.rules.get(number));
    rules.map(|rule| match &*rule.told {
        "" => format!("{}: {}", rule.name, visible(&rule.source)),
        told => format!(
            "{}: {} ({})",
            rule.name,
            visible(&rule.source),
            visible(told)
        ),
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
