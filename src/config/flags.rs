//! The flags of the command line: the settings of regex allowlists, as their dialect writes them.
//!
//! `-x=v`, `-x v`, `--x=v` and `--x v`; a switch is `-x` or `-x=true`. Flags end where Go's flag
//! package ends them, at the first word that is none. The words of a command are left to it.

use std::ffi::{OsStr, OsString};

/// A flag, and the variable that means the same.
#[derive(Debug)]
pub struct Flag {
    /// Its name, without hyphens.
    pub name: &'static str,
    /// The variable.
    pub variable: &'static str,
    /// Its value when neither is given.
    pub default: &'static str,
    /// One line for people.
    pub doc: &'static str,
}

/// Every flag but those of the patterns, `-allowGET` and so on.
pub const FLAGS: &[Flag] = &[
    Flag {
        name: "allowfrom",
        variable: "SP_ALLOWFROM",
        default: "127.0.0.1/32",
        doc: "Who may connect by TCP: networks, addresses, hosts",
    },
    Flag {
        name: "listenip",
        variable: "SP_LISTENIP",
        default: "127.0.0.1",
        doc: "The address to listen on",
    },
    Flag {
        name: "proxyport",
        variable: "SP_PROXYPORT",
        default: "2375",
        doc: "The port to listen on",
    },
    Flag {
        name: "proxysocketendpoint",
        variable: "SP_PROXYSOCKETENDPOINT",
        default: "",
        doc: "A Unix socket to listen on instead",
    },
    Flag {
        name: "proxysocketendpointfilemode",
        variable: "SP_PROXYSOCKETENDPOINTFILEMODE",
        default: "0600",
        doc: "Its mode, in octal",
    },
    Flag {
        name: "socketpath",
        variable: "SP_SOCKETPATH",
        default: "/var/run/docker.sock",
        doc: "The engine's Unix socket, as SOCKET_PATH",
    },
    Flag {
        name: "loglevel",
        variable: "SP_LOGLEVEL",
        default: "INFO",
        doc: "DEBUG, INFO, WARN or ERROR",
    },
    Flag {
        name: "logjson",
        variable: "SP_LOGJSON",
        default: "false",
        doc: "true: each log line is a JSON object",
    },
    Flag {
        name: "shutdowngracetime",
        variable: "SP_SHUTDOWNGRACETIME",
        default: "5",
        doc: "Seconds, as SHUTDOWN_GRACE",
    },
    Flag {
        name: "allowhealthcheck",
        variable: "SP_ALLOWHEALTHCHECK",
        default: "false",
        doc: "true: HEAD /health on 127.0.0.1:55555 too",
    },
    Flag {
        name: "watchdoginterval",
        variable: "SP_WATCHDOGINTERVAL",
        default: "0",
        doc: "Seconds between looks at the engine's socket; 0: never",
    },
    Flag {
        name: "stoponwatchdog",
        variable: "SP_STOPONWATCHDOG",
        default: "false",
        doc: "true: exit with 10 when the watchdog finds none",
    },
];

/// Flags that this version does not honour. A limit that is not kept must not seem to be.
pub(super) const UNSUPPORTED: &[(&str, &str)] = &[
    ("allowbindmountfrom", "SP_ALLOWBINDMOUNTFROM"),
    ("proxycontainername", "SP_PROXYCONTAINERNAME"),
    ("dockerlabelprefix", "SP_DOCKERLABELPREFIX"),
];

/// The flags that need no value.
const SWITCHES: [&str; 3] = ["logjson", "allowhealthcheck", "stoponwatchdog"];

/// The methods that patterns are written for. The Docker API has neither CONNECT nor TRACE.
pub(super) const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "OPTIONS",
];

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
    let settings = FLAGS.iter().map(|flag| flag.name);
    let unsupported = UNSUPPORTED.iter().map(|(name, _)| *name);
    let mut names = settings.chain(unsupported).chain(PATTERNS);
    names.find(|known| known.eq_ignore_ascii_case(name))
}

/// The words that are commands. Behind one of them flags may stand anywhere.
pub const COMMANDS: [&str; 8] = [
    "serve",
    "check",
    "explain",
    "presets",
    "learn",
    "healthcheck",
    "version",
    "help",
];

/// A flag as it was given.
pub(super) type Given = (&'static str, OsString);

/// A command line, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// The flags.
    pub(super) flags: Vec<Given>,
    /// A command with its own arguments, and what looks like an option and is no flag.
    pub(super) rest: Vec<OsString>,
    /// A stray word behind a flag, and all that stands behind it.
    pub(super) stray: Vec<OsString>,
}

/// Takes a command line apart.
///
/// # Errors
/// A flag without its value, or in the wrong letter case.
pub(super) fn take(args: impl IntoIterator<Item = OsString>) -> Result<Taken, String> {
    let mut args = args.into_iter();
    let mut taken = Taken::default();
    let mut in_command = false;
    while let Some(arg) = args.next() {
        if let Some((name, value)) = split(&arg)? {
            let value = match value {
                Some(value) => value,
                None if SWITCHES.contains(&name) => "true".into(),
                None => args.next().ok_or(format!("-{name} needs a value"))?,
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

/// Whether Go's flag package would take an argument for a flag of any name.
fn is_option(arg: &OsStr) -> bool {
    let bytes = arg.as_encoded_bytes();
    bytes.starts_with(b"-") && bytes != b"-" && bytes != b"--"
}

/// The flag that an argument is, with the value behind its `=`.
///
/// # Errors
/// It would be one in another letter case.
pub(super) fn split(arg: &OsStr) -> Result<Option<(&'static str, Option<OsString>)>, String> {
    // A value that is not UTF-8 is a pattern or path that nobody means: it is told as unexpected.
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
        Some(known) => Err(format!(
            "unknown flag -{name}: letter case matters; write -{known}"
        )),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(args: &[&str]) -> Result<Taken, String> {
        take(args.iter().map(OsString::from))
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
        let unsupported = UNSUPPORTED.iter().map(|(flag, _)| *flag);
        let settings = FLAGS.iter().map(|flag| flag.name).chain(unsupported);
        let patterns = METHODS.map(|method| format!("allow{method}"));
        for name in settings.chain(patterns.iter().map(String::as_str)) {
            let first = name[..1].to_uppercase();
            for wrong in [name.to_uppercase(), first + &name[1..]] {
                let told = format!("unknown flag -{wrong}: letter case matters; write -{name}");
                assert_eq!(taken(&[&format!("-{wrong}=x")]), Err(told.clone()));
                assert_eq!(taken(&[&format!("--{wrong}"), "x"]), Err(told));
            }
        }
        let told = "unknown flag -allowget: letter case matters; write -allowGET";
        assert_eq!(taken(&["-allowget=/"]), Err(told.to_owned()));
    }
}
