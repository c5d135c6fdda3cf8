//! `dockgate explain METHOD PATH`: the verdict on a request, and what would change it.

use clap::{Arg, ArgMatches, Command};

use super::output::{complain, print};
use super::usage::Suggesting;
use super::with_settings;
use super::{FAILED, WRONG_USAGE};
use crate::api::{Method, Target};
use crate::config::{Settings, Snapshot};
use crate::policy::{Body, Verdict};

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
        .after_help(
            "The request is assumed to have no body.\n\n\
             Exit codes:\n  \
             0   allowed\n  \
             1   denied\n  \
             2   refused by every policy\n  \
             78  invalid configuration\n\n\
             Examples:\n  \
             CONTAINERS=1 dockgate explain GET /v1.41/containers/json\n  \
             CONTAINERS=1 dockgate explain POST /containers/web/start\n  \
             dockgate explain GET http://dockgate:2375/info",
        )
}

pub(super) fn run(matches: &ArgMatches, environment: &Snapshot) -> u8 {
    let value = |name| matches.get_one::<String>(name).map_or("", String::as_str);
    with_settings(environment, |settings| {
        explain(settings, value("method"), value("path"))
    })
}

fn explain(settings: &Settings, method: &str, path: &str) -> u8 {
    match Target::from_line(method, path_of(path)) {
        Ok(target) => {
            let verdict = settings.policy.decide(target.clone(), Body::Empty);
            let text = verdict.to_string();
            let printed = print(&format!("{text}\n"));
            for warning in settings.warnings_about(&target) {
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
        Err(bad) => {
            complain(&format_args!("every policy refuses this with 400: {bad}"));
            WRONG_USAGE
        }
    }
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
