//! The command line: `dockgate [serve] | check | explain METHOD PATH | healthcheck | version`.

use std::{ffi::OsString, fmt::Write as _, io::Write as _};

use crate::{
    api::Target,
    config::{Settings, Severity, Snapshot},
    policy::Verdict,
    proxy,
};

/// The configuration is bad (`EX_CONFIG` of sysexits.h).
const BAD_CONFIGURATION: u8 = 78;
const WRONG_USAGE: u8 = 2;

/// Runs a command and returns its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>, environment: &Snapshot) -> u8 {
    let (code, out, err) = match parse(args) {
        Ok(Command::Serve) => return serve(environment),
        Ok(Command::Explain(method, path)) => explain(environment, &method, &path),
        Err(error) => (WRONG_USAGE, String::new(), format!("dockgate: {error}\n")),
    };
    // A reader that went away is no reason to fail.
    let _ = std::io::stdout().write_all(out.as_bytes());
    let _ = std::io::stderr().write_all(err.as_bytes());
    code
}

enum Command {
    Serve,
    Explain(String, String),
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, lexopt::Error> {
    use lexopt::prelude::*;
    let mut parser = lexopt::Parser::from_args(args);
    let mut words = Vec::new();
    while let Some(arg) = parser.next()? {
        match arg {
            Value(v) => words.push(v.string()?),
            _ => return Err(arg.unexpected()),
        }
    }
    match words
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] | ["serve"] => Ok(Command::Serve),
        ["explain", m, p] => Ok(Command::Explain((*m).to_owned(), (*p).to_owned())),
        _ => Err("unknown command".into()),
    }
}

fn serve(environment: &Snapshot) -> u8 {
    let settings = match Settings::load(environment) {
        Ok(settings) => settings,
        Err(diagnostics) => {
            let mut text = String::new();
            for diagnostic in diagnostics {
                let kind = if diagnostic.severity == Severity::Error {
                    "error"
                } else {
                    "warning"
                };
                let _ = writeln!(text, "dockgate: {kind}: {diagnostic}");
            }
            let _ = std::io::stderr().write_all(text.as_bytes());
            return BAD_CONFIGURATION;
        }
    };
    match proxy::serve(settings) {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "dockgate: {error}");
            1
        }
    }
}

fn explain(environment: &Snapshot, method: &str, path: &str) -> (u8, String, String) {
    let settings = match Settings::load(environment) {
        Ok(s) => s,
        Err(_) => return (78, String::new(), "bad\n".into()),
    };
    match Target::from_line(method, path) {
        Ok(target) => {
            let verdict = settings.policy.decide(target, true);
            let code = u8::from(matches!(verdict, Verdict::Deny(_)));
            (code, format!("{verdict}\n"), String::new())
        }
        Err(e) => (WRONG_USAGE, String::new(), format!("dockgate: {e}\n")),
    }
}
