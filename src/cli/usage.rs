//! Parses the command line, and reports wrong usage.
//!
//! The flags of wollomatic/socket-proxy (`-allowGET=/x`, Go's syntax) are not for clap: they are
//! removed from the command line first.

use std::ffi::{OsStr, OsString};

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, Error};

use super::output::{complain_in_lines, print};
use super::variables;
use super::version;
use super::{COMMANDS, WRONG_USAGE};
use crate::api::Method;
use crate::config::{SETTINGS, Snapshot};

const ABOUT: &str = "\
A security proxy for the Docker socket. It forwards the requests that its
environment variables allow and denies all others.";

const EXAMPLES: &str = "\
Examples:
  CONTAINERS=1 NETWORKS=1 dockgate
  CONTAINERS=1 dockgate check
  CONTAINERS=1 dockgate explain POST /containers/create";

/// The command line: the commands, and the variables in the long help.
pub fn command() -> Command {
    let commands = COMMANDS.map(|(command, _)| {
        let version = version_flag().hide(true);
        command()
            .version(version::NUMBER)
            .disable_version_flag(true)
            .arg(version)
    });
    Command::new("dockgate")
        .about(ABOUT)
        .version(version::NUMBER)
        .disable_version_flag(true)
        .arg(version_flag())
        .subcommands(commands)
        .after_help(format!(
            "{EXAMPLES}\n\n\
             Run 'dockgate --help' for the variables, 'dockgate COMMAND --help' for more\n\
             about a command."
        ))
        .after_long_help(format!("{EXAMPLES}\n\n{}", variables::text()))
}

fn version_flag() -> Arg {
    Arg::new("version")
        .short('V')
        .long("version")
        .help("Print version")
        .action(ArgAction::Version)
}

/// Removes the flags from a command line, and finds the command in the rest.
///
/// # Errors
/// Wrong usage; or the help or version that was requested.
pub(super) fn parse(
    environment: &mut Snapshot,
    args: impl Iterator<Item = OsString>,
) -> Result<ArgMatches, Error> {
    let mut program = command();
    let rest = environment
        .take_flags(args)
        .map_err(|error| program.error(ErrorKind::UnknownArgument, error))?;
    let words = match &*rest {
        [first, second, ..] if first == "--" && second == "--" => {
            return Err(program.error(ErrorKind::UnknownArgument, "unexpected argument '--' found"));
        }
        [first, words @ ..] if first == "--" => words,
        words => words,
    };
    let words = [OsStr::new("dockgate")]
        .into_iter()
        .chain(words.iter().map(OsString::as_os_str));
    let parsed = program.try_get_matches_from_mut(words);
    parsed.map_err(|error| match rest.iter().find_map(|word| misspelt(word)) {
        Some((word, flag)) if error.kind() == ErrorKind::UnknownArgument => {
            let problem = format!(
                "unexpected argument '{word}' found\n\n  tip: a similar argument exists: '-{flag}'"
            );
            program.error(ErrorKind::UnknownArgument, problem)
        }
        _ => error,
    })
}

/// A word that is nearly a flag, and that flag.
fn misspelt(word: &OsStr) -> Option<(&str, String)> {
    let (word, _) = word
        .to_str()?
        .split_once('=')
        .unwrap_or((word.to_str()?, ""));
    let name = word.trim_start_matches('-').to_lowercase();
    if !word.starts_with('-') || name.len() < 4 {
        return None;
    }
    let settings = SETTINGS
        .iter()
        .filter_map(|setting| setting.flag)
        .map(str::to_owned);
    let flags = settings.chain(Method::ALL.map(|method| format!("allow{method}")));
    let near = flags.map(|flag| (strsim::osa_distance(&name, &flag.to_lowercase()), flag));
    let (off, flag) = near.min()?;
    (off <= 2).then_some((word, flag))
}

/// Prints the requested help or version, or what is wrong, and returns the exit code.
pub(super) fn end(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::DisplayVersion => print(version::TEXT),
        ErrorKind::DisplayHelp => print(&error.render().to_string()),
        _ => {
            complain_in_lines(&error.render().to_string());
            WRONG_USAGE
        }
    }
}

/// Accepts any text, and suggests these words for completion.
#[derive(Clone)]
pub(super) struct Suggesting<const N: usize>(pub(super) [&'static str; N]);

impl<const N: usize> TypedValueParser for Suggesting<N> {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(PossibleValue::new)))
    }
}
