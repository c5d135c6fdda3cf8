//! The command line: `dockgate [serve] | check | explain METHOD PATH | learn FILE... | healthcheck |
//! version`.

mod check;
mod explain;
mod healthcheck;
mod help;
mod learn;
mod lines;
mod output;
mod presets;
mod serve;
mod words;

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use crate::config::{Diagnostic, Settings, Snapshot};
use output::{complain, print};
use words::{Command, HEALTHCHECK, parse};

const OK: u8 = 0;
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
/// The configuration is bad: `EX_CONFIG` of sysexits.h.
const BAD_CONFIGURATION: u8 = 78;

/// Runs the command that a command line names, the program's own name first, and returns the exit
/// code.
pub fn run(words: impl IntoIterator<Item = OsString>, environment: &Snapshot) -> u8 {
    let mut words = words.into_iter();
    // wollomatic/socket-proxy has its health check in a program of its own.
    let program = words.next().unwrap_or_default();
    let name = Path::new(&program).file_name();
    let command = name.filter(|name| *name == HEALTHCHECK);
    let args = command.map(OsStr::to_owned).into_iter().chain(words);
    let mut environment = environment.clone();
    let command = environment
        .take_flags(args)
        .map_err(|bad| lexopt::Error::from(bad.to_string()))
        .and_then(parse);
    if !matches!(command, Ok(Command::Serve)) {
        environment.take_flags_of_process_1();
    }
    let environment = &environment;
    match command {
        Ok(Command::Serve) => serve::run(environment),
        Ok(Command::Check) => with_settings(environment, check::run),
        Ok(Command::Explain { method, path }) => with_settings(environment, |settings| {
            explain::run(settings, &method, &path)
        }),
        Ok(Command::Presets { name }) => presets::run(name.as_deref()),
        Ok(Command::Learn { files }) => learn::run(&files),
        Ok(Command::Healthcheck) => healthcheck::run(environment),
        Ok(Command::Version) => print(help::version()),
        Ok(Command::Help) => print(&help::text()),
        Err(error) => {
            complain(&error);
            complain(&"`dockgate --help` tells how it is used");
            WRONG_USAGE
        }
    }
}

fn with_settings(environment: &Snapshot, command: impl FnOnce(&Settings) -> u8) -> u8 {
    match Settings::load(environment) {
        Ok(settings) => command(&settings),
        Err(diagnostics) => refuse(&diagnostics),
    }
}

/// Tells every mistake at once.
fn refuse(diagnostics: &[Diagnostic]) -> u8 {
    for diagnostic in diagnostics {
        complain(&format_args!("{}: {diagnostic}", diagnostic.severity));
    }
    BAD_CONFIGURATION
}
