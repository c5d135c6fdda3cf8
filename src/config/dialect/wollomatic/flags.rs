//! Command-line flags: patterns and their settings in the syntax of wollomatic/socket-proxy, and
//! the names of the equivalent variables.
//!
//! `-x=v`, `-x v`, `--x=v` and `--x v`; a switch is `-x` or `-x=true`. Flags end where Go's flag
//! package ends them, at the first word that is not a flag. A command keeps its own words.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt;

use crate::config::table::SETTINGS;

/// The methods that patterns can be for. The Docker API has neither CONNECT nor TRACE.
pub(crate) const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "OPTIONS",
];

/// The prefix of pattern variables.
pub(crate) const PREFIX: &str = "SP_ALLOW_";

/// The method that a variable's patterns are for.
pub(crate) fn method_of(variable: &str) -> Option<&'static str> {
    let rest = variable.strip_prefix(PREFIX)?;
    let name = rest.split_once('_').map_or(rest, |(name, _)| name);
    METHODS.into_iter().find(|method| *method == name)
}

/// The flag of that name, in any letter case.
fn known(name: &str) -> Option<&'static str> {
    const PATTERNS: [&str; METHODS.len()] = [
        "allowGET",
        "allowHEAD",
        "allowPOST",
        "allowPUT",
        "allowPATCH",
        "allowDELETE",
        "allowCONNECT",
        "allowTRACE",
        "allowOPTIONS",
    ];
    let settings = SETTINGS.iter().filter_map(|setting| setting.flag);
    let mut names = settings.chain(PATTERNS);
    names.find(|known| known.eq_ignore_ascii_case(name))
}

/// The commands. After one of them, flags may appear anywhere.
pub const COMMANDS: [&str; 9] = [
    "serve",
    "check",
    "explain",
    "presets",
    "learn",
    "certs",
    "healthcheck",
    "version",
    "help",
];

/// What is wrong with a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadFlag {
    /// Its value is missing.
    NoValue(&'static str),
    /// A known flag in the wrong letter case.
    LetterCase {
        /// As written.
        given: String,
        /// The correct flag.
        known: &'static str,
    },
}

impl fmt::Display for BadFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadFlag::NoValue(flag) => write!(f, "-{flag} needs a value"),
            BadFlag::LetterCase { given, known } => write!(
                f,
                "unknown flag -{given}: flags are case-sensitive; use -{known}"
            ),
        }
    }
}

impl Error for BadFlag {}

/// A flag as given.
pub(crate) type Given = (&'static str, OsString);

/// A command line, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The flags.
    pub(crate) flags: Vec<Given>,
    /// A command with its arguments, and options that are not flags.
    pub(crate) rest: Vec<OsString>,
    /// A stray word after a flag, and everything after it.
    pub(crate) stray: Vec<OsString>,
}

/// Takes a command line apart.
///
/// # Errors
/// A flag without its value, or in the wrong letter case.
pub(crate) fn take(args: impl IntoIterator<Item = OsString>) -> Result<Taken, BadFlag> {
    let mut args = args.into_iter();
    let mut taken = Taken::default();
    let mut in_command = false;
    while let Some(arg) = args.next() {
        // Go's flag package reads one hyphen as two, as hectorm/cetusguard's users write it.
        if arg == "-version" && !in_command {
            taken.rest.push("--version".into());
            continue;
        }
        if let Some((name, value)) = split(&arg)? {
            let value = match value {
                Some(value) => value,
                None if is_switch(name) => "true".into(),
                None => args.next().ok_or(BadFlag::NoValue(name))?,
            };
            taken.flags.push((name, value));
            continue;
        }
        in_command |= COMMANDS.iter().any(|command| arg == *command);
        if in_command || taken.flags.is_empty() || is_option(&arg) {
            taken.rest.push(arg);
        } else {
            taken.stray = [arg].into_iter().chain(args).collect();
            break;
        }
    }
    Ok(taken)
}

/// Whether a flag needs no value.
fn is_switch(flag: &str) -> bool {
    let mut settings = SETTINGS.iter();
    settings.any(|setting| setting.flag == Some(flag) && setting.is_switch())
}

/// Whether Go's flag package would read an argument as a flag of any name.
fn is_option(arg: &OsStr) -> bool {
    let bytes = arg.as_encoded_bytes();
    bytes.starts_with(b"-") && bytes != b"-" && bytes != b"--"
}

/// The flag in an argument, with the value after its `=`.
///
/// # Errors
/// A known flag in the wrong letter case.
pub(crate) fn split(arg: &OsStr) -> Result<Option<(&'static str, Option<OsString>)>, BadFlag> {
    // A value that is not valid UTF-8 cannot be intended; it is reported as unexpected.
    let Some(text) = arg.to_str().and_then(|text| text.strip_prefix('-')) else {
        return Ok(None);
    };
    let text = text.strip_prefix('-').unwrap_or(text);
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.into())),
        None => (text, None),
    };
    match known(name) {
        Some(known) if known == name => Ok(Some((known, value))),
        Some(known) => Err(BadFlag::LetterCase {
            given: name.to_owned(),
            known,
        }),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(args: &[&str]) -> Result<Taken, String> {
        take(args.iter().map(OsString::from)).map_err(|bad| bad.to_string())
    }

    /// The flags, the rest and what is stray, as text.
    fn parts(args: &[&str]) -> [String; 3] {
        let Taken { flags, rest, stray } = taken(args).unwrap();
        let text = |words: &[OsString]| words.join(OsStr::new(" ")).into_string().unwrap();
        let flags: Vec<OsString> = (flags.into_iter())
            .map(|(name, value)| format!("{name}={}", value.to_string_lossy()).into())
            .collect();
        [text(&flags), text(&rest), text(&stray)]
    }

    #[test]
    fn flags_are_written_in_four_ways() {
        for args in [
            &["-allowGET=/a=b"][..],
            &["-allowGET", "/a=b"],
            &["--allowGET=/a=b"],
            &["--allowGET", "/a=b"],
        ] {
            assert_eq!(parts(args), ["allowGET=/a=b", "", ""], "{args:?}");
        }
        let args = ["check", "-logjson", "x", "-logjson=0", "-listenip="];
        let expected = ["logjson=true logjson=0 listenip=", "check x", ""];
        assert_eq!(parts(&args), expected);
    }

    #[test]
    fn what_is_no_flag_is_left_alone() {
        for arg in [
            "-h",
            "--version",
            "-allowFOO",
            "allowGET=/",
            "---allowGET=/",
            "-",
            "serv",
        ] {
            assert_eq!(parts(&[arg]), ["", arg, ""]);
        }
        assert_eq!(
            taken(&["-proxyport"]),
            Err("-proxyport needs a value".to_owned())
        );
    }

    #[test]
    fn flags_end_at_a_stray_word_unless_it_is_a_command() {
        let flag = "allowGET=/";
        for (args, expected) in [
            (
                &["-allowGET=/", "x", "-logjson"][..],
                [flag, "", "x -logjson"],
            ),
            (&["-allowGET", "/", "x", "check"], [flag, "", "x check"]),
            (
                &["-allowGET=/", "--", "-logjson"],
                [flag, "", "-- -logjson"],
            ),
            (&["-allowGET=/", "-"], [flag, "", "-"]),
            (&["-logjson", "true"], ["logjson=true", "", "true"]),
            (&["-allowGET=/", "check", "x"], [flag, "check x", ""]),
            (&["check", "x", "-allowGET=/"], [flag, "check x", ""]),
            (&["-allowGET=/", "-h", "x"], [flag, "-h", "x"]),
            // No flag before it: more likely a command that is misspelt.
            (&["x", "-allowGET=/"], [flag, "x", ""]),
            (&[], [""; 3]),
        ] {
            assert_eq!(parts(args), expected, "{args:?}");
        }
    }

    #[test]
    fn a_flag_in_the_wrong_letter_case_is_told() {
        let settings = SETTINGS.iter().filter_map(|setting| setting.flag);
        let patterns = METHODS.map(|method| format!("allow{method}"));
        for name in settings.chain(patterns.iter().map(String::as_str)) {
            let first = name[..1].to_uppercase();
            for wrong in [name.to_uppercase(), first + &name[1..]] {
                let told = format!("unknown flag -{wrong}: flags are case-sensitive; use -{name}");
                assert_eq!(taken(&[&format!("-{wrong}=x")]), Err(told.clone()));
                assert_eq!(taken(&[&format!("--{wrong}"), "x"]), Err(told));
            }
        }
        let told = "unknown flag -allowget: flags are case-sensitive; use -allowGET";
        assert_eq!(taken(&["-allowget=/"]), Err(told.to_owned()));
    }
}
