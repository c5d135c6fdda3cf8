//! `dockgate serve`, and `dockgate` alone: runs the proxy.

use clap::{ArgMatches, Command};

use super::output::complain;
use super::refuse;
use super::{FAILED, OK};
use crate::config::{Settings, Snapshot};
use crate::proxy::{self, End};

pub(super) const NAME: &str = "serve";

/// The watchdog did not find the engine's socket.
const ENGINE_GONE: u8 = 10;

pub(super) fn command() -> Command {
    Command::new(NAME)
        .about("Start the proxy (the default)")
        .after_help(
            "Exit codes:\n  \
             0   stopped by a signal\n  \
             1   cannot start\n  \
             10  stopped by the watchdog\n  \
             78  invalid configuration\n\n\
             Examples:\n  \
             CONTAINERS=1 NETWORKS=1 dockgate serve\n  \
             PRESET=traefik LISTEN=unix:///run/dockgate.sock dockgate serve",
        )
}

pub(super) fn run(_: &ArgMatches, environment: &Snapshot) -> u8 {
    let settings = match Settings::load(environment) {
        Ok(settings) => settings,
        Err(diagnostics) => return refuse(&diagnostics),
    };
    match proxy::serve(settings) {
        Ok(End::Signal) => OK,
        Ok(End::Watchdog) => ENGINE_GONE,
        Err(error) => {
            complain(&error.to_string());
            FAILED
        }
    }
}
