//! The flags of the command line: the settings of regex allowlists, as their dialect writes them.
//!
//! `-x=v`, `-x v`, `--x=v` and `--x v`; a switch is `-x` or `-x=true`. Anything else is left to
//! the commands.

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

/// The flag of that name.
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
    names.find(|known| *known == name)
}

/// A flag as it was given.
pub(super) type Given = (&'static str, OsString);

/// The flags among arguments, and the rest of them.
///
/// # Errors
/// A flag without its value.
pub(super) fn take(
    args: impl IntoIterator<Item = OsString>,
) -> Result<(Vec<Given>, Vec<OsString>), String> {
    let mut args = args.into_iter();
    let (mut flags, mut rest) = (Vec::new(), Vec::new());
    while let Some(arg) = args.next() {
        let Some((name, value)) = split(&arg) else {
            rest.push(arg);
            continue;
        };
        let value = match value {
            Some(value) => value,
            None if SWITCHES.contains(&name) => "true".into(),
            None => args.next().ok_or(format!("-{name} needs a value"))?,
        };
        flags.push((name, value));
    }
    Ok((flags, rest))
}

/// An argument as a flag with the value behind its `=`.
fn split(arg: &OsStr) -> Option<(&'static str, Option<OsString>)> {
    // A value that is not UTF-8 is a pattern or path that nobody means: it is told as unexpected.
    let text = arg.to_str()?.strip_prefix('-')?;
    let text = text.strip_prefix('-').unwrap_or(text);
    match text.split_once('=') {
        Some((name, value)) => Some((known(name)?, Some(value.into()))),
        None => Some((known(text)?, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(args: &[&str]) -> Result<(Vec<Given>, Vec<OsString>), String> {
        take(args.iter().map(OsString::from))
    }

    #[test]
    fn flags_are_written_in_four_ways() {
        for args in [
            &["-allowGET=/a=b"][..],
            &["-allowGET", "/a=b"],
            &["--allowGET=/a=b"],
            &["--allowGET", "/a=b"],
        ] {
            let expected = (vec![("allowGET", "/a=b".into())], vec![]);
            assert_eq!(taken(args), Ok(expected), "{args:?}");
        }
        let (flags, rest) = taken(&["check", "-logjson", "x", "-logjson=0", "-listenip="]).unwrap();
        let expected = [("logjson", "true"), ("logjson", "0"), ("listenip", "")];
        assert_eq!(flags, expected.map(|(name, value)| (name, value.into())));
        assert_eq!(rest, ["check", "x"]);
    }

    #[test]
    fn what_is_no_flag_is_left_alone() {
        for arg in [
            "-h",
            "--version",
            "-allowget=/",
            "-allowFOO",
            "allowGET=/",
            "---allowGET=/",
            "-",
        ] {
            assert_eq!(taken(&[arg]), Ok((vec![], vec![arg.into()])));
        }
        assert_eq!(
            taken(&["-proxyport"]),
            Err("-proxyport needs a value".to_owned())
        );
    }
}
