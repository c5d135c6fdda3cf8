//! The command line's words, as the command that they name.

use std::ffi::OsString;

use lexopt::{Arg, Parser, ValueExt as _};

use crate::policy::printable;

/// A command, and the name under which the program is that command alone.
pub(super) const HEALTHCHECK: &str = "healthcheck";

pub(super) enum Command {
    Serve,
    Check,
    Presets { name: Option<String> },
    Explain { method: String, path: String },
    Learn { files: Vec<String> },
    Healthcheck,
    Version,
    Help,
}

pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, lexopt::Error> {
    let mut parser = Parser::from_args(args);
    let mut words = Vec::new();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Version),
            Arg::Value(word) => words.push(word.string()?),
            Arg::Short(_) | Arg::Long(_) => return Err(arg.unexpected()),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match *words.as_slice() {
        [] | ["serve"] => Ok(Command::Serve),
        ["check"] => Ok(Command::Check),
        ["explain", method, path] => Ok(Command::Explain {
            method: method.to_owned(),
            path: path.to_owned(),
        }),
        ["presets"] => Ok(Command::Presets { name: None }),
        ["presets", name] => Ok(Command::Presets {
            name: Some(name.to_owned()),
        }),
        ["explain", ..] => Err("explain takes a method and a path".into()),
        ["presets", _, extra, ..] => Err(unexpected(extra)),
        ["learn"] => Err("learn takes the files of a log, or - for stdin".into()),
        ["learn", ref files @ ..] => Ok(Command::Learn {
            files: files.iter().map(|&file| file.to_owned()).collect(),
        }),
        [HEALTHCHECK] => Ok(Command::Healthcheck),
        ["version"] => Ok(Command::Version),
        ["help"] => Ok(Command::Help),
        [
            "serve" | "check" | HEALTHCHECK | "version" | "help",
            extra,
            ..,
        ]
        | [extra, ..] => Err(unexpected(extra)),
    }
}

fn unexpected(extra: &str) -> lexopt::Error {
    format!("unexpected argument {}", printable(extra)).into()
}
