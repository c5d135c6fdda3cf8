//! `dockgate explain METHOD PATH`: the verdict on a request, and what would change it.

use super::{
    FAILED, WRONG_USAGE,
    output::{complain, print},
};
use crate::{
    api::Target,
    config::Settings,
    policy::{Body, Verdict},
};

pub(super) fn run(settings: &Settings, method: &str, path: &str) -> u8 {
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
            complain(&format_args!("refused with 400 under every policy: {bad}"));
            WRONG_USAGE
        }
    }
}

/// What a client sends for an address that somebody copied whole: `tcp://dockgate:2375/info`.
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
