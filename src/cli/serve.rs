//! `dockgate serve`, and `dockgate` alone: guards the engine.

use super::{FAILED, OK, output::complain, refuse};
use crate::{
    config::{Settings, Snapshot},
    proxy::{self, End},
};

/// The watchdog did not find the engine's socket.
const ENGINE_GONE: u8 = 10;

pub(super) fn run(environment: &Snapshot) -> u8 {
    let settings = match Settings::load(environment) {
        Ok(settings) => settings,
        Err(diagnostics) => return refuse(&diagnostics),
    };
    match proxy::serve(settings) {
        Ok(End::Signal) => OK,
        Ok(End::Watchdog) => ENGINE_GONE,
        Err(error) => {
            complain(&error);
            FAILED
        }
    }
}
