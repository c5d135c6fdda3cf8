//! The command line: one file per command, with its arguments, its help and what it does.

mod certs;
mod check;
mod explain;
mod healthcheck;
mod learn;
mod output;
mod presets;
mod serve;
mod usage;
mod variables;
mod version;
mod whose;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{ArgMatches, Command};

use crate::config::{Diagnostic, Settings, Snapshot};
use output::complain;

pub use usage::command;

const OK: u8 = 0;
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
/// The configuration is invalid: `EX_CONFIG` of sysexits.h.
const BAD_CONFIGURATION: u8 = 78;

/// A command's arguments and help, and the function that runs it and returns the exit code.
type Entry = (fn() -> Command, fn(&ArgMatches, &Snapshot) -> u8);

/// Every command, in the order of the help. The first one is the default.
const COMMANDS: [Entry; 8] = [
    (serve::command, serve::run),
    (check::command, check::run),
    (explain::command, explain::run),
    (presets::command, presets::run),
    (learn::command, learn::run),
    (certs::command, certs::run),
    (healthcheck::command, healthcheck::run),
    (version::command, version::run),
];

/// Runs the command that a command line names, the program's own name first, and returns the exit
/// code.
pub fn run(words: impl IntoIterator<Item = OsString>, environment: &Snapshot) -> u8 {
    let mut words = words.into_iter();
    // wollomatic/socket-proxy has its health check in a program of its own.
    let program = words.next().unwrap_or_default();
    let name = Path::new(&program).file_name();
    let command = name.filter(|name| *name == healthcheck::NAME);
    let args = command.map(OsStr::to_owned).into_iter().chain(words);
    let mut environment = environment.clone();
    let matches = match usage::parse(&mut environment, args) {
        Ok(matches) => matches,
        Err(error) => return usage::end(&error),
    };
    let (name, matches) = matches.subcommand().unwrap_or((serve::NAME, &matches));
    if name != serve::NAME {
        environment.take_flags_of_process_1();
    }
    let mut commands = COMMANDS.iter();
    let entry = commands.find(|(command, _)| command().get_name() == name);
    entry.map_or(WRONG_USAGE, |(_, run)| run(matches, &environment))
}

fn with_settings(environment: &Snapshot, command: impl FnOnce(&Settings) -> u8) -> u8 {
    match Settings::load(environment) {
        Ok(settings) => command(&settings),
        Err(diagnostics) => refuse(&diagnostics),
    }
}

/// Prints every diagnostic at once.
fn refuse(diagnostics: &[Diagnostic]) -> u8 {
    for diagnostic in diagnostics {
        complain(&format_args!("{}: {diagnostic}", diagnostic.severity));
    }
    BAD_CONFIGURATION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    /// Among flags, only a word of that list is a command.
    #[test]
    fn flags_may_stand_before_and_behind_every_command() {
        let names = COMMANDS.map(|(command, _)| command().get_name().to_owned());
        for name in names.iter().map(String::as_str).chain(["help"]) {
            assert!(crate::config::COMMANDS.contains(&name), "{name}");
        }
        assert_eq!(crate::config::COMMANDS.len(), names.len() + 1);
    }
}
