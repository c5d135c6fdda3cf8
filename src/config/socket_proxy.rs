//! The settings that go with regex allowlists, from flags and `SP_` variables, as
//! wollomatic/socket-proxy reads them: a flag wins over its variable, and an empty variable is not
//! set. A value that makes no sense keeps dockgate from starting.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use super::{
    AllowFrom, Diagnostic, Listen, LogLevel, Snapshot,
    flags::{FLAGS, Flag, UNSUPPORTED},
    settings::{Unfit, mode, number, socket_file},
    stray,
};
use crate::policy::printable;

/// Looks at the engine's socket from time to time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watchdog {
    /// How often.
    pub interval: Duration,
    /// Whether dockgate ends when it does not find the engine.
    pub stop: bool,
}

/// What was read. `None` is what nobody set.
#[derive(Debug, Default)]
pub(super) struct SocketProxy {
    pub(super) listen: Option<(String, Listen)>,
    pub(super) listen_mode: Option<(String, u32)>,
    pub(super) socket_path: Option<(String, PathBuf)>,
    pub(super) log_level: Option<(String, LogLevel)>,
    pub(super) shutdown_grace: Option<(String, Duration)>,
    pub(super) allow_from: Option<AllowFrom>,
    pub(super) log_json: bool,
    pub(super) health_listener: bool,
    pub(super) watchdog: Option<Watchdog>,
}

impl SocketProxy {
    /// Reads them all. `active`: whether there is a regex allowlist, which makes defaults count.
    pub(super) fn read(
        snapshot: &Snapshot,
        active: bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> SocketProxy {
        diagnostics.extend(stray::check(snapshot));
        let mut reader = Reader {
            snapshot,
            diagnostics,
        };
        for (flag, variable) in UNSUPPORTED {
            if let Some(Given { name, value, .. }) = reader.given(flag, variable)
                && !value.is_empty()
            {
                let problem = format!(
                    "{name}={} is not supported by this version, and a limit is never ignored",
                    printable(&value)
                );
                reader.error(&name, problem, "leave it out if you can do without");
            }
        }
        let seconds = |given: &Given| number(&given.value, 0, 3600).map(Duration::from_secs);
        let interval = reader.value("watchdoginterval", |given| number(&given.value, 0, 86_400));
        let stop = reader.switch("stoponwatchdog");
        let interval = interval.map_or(0, |(_, seconds)| seconds);
        if stop && interval == 0 {
            let problem = "SP_STOPONWATCHDOG has no effect without SP_WATCHDOGINTERVAL";
            reader.warning("SP_STOPONWATCHDOG", problem, "set the interval in seconds");
        }
        let listen = reader.listen(active);
        let unix = matches!(listen, Some((_, Listen::Unix(_))));
        let listen_mode = reader.value("proxysocketendpointfilemode", file_mode);
        if let Some((name, _)) = listen_mode.as_ref().filter(|_| !unix) {
            let problem = format!("{name} has no effect without SP_PROXYSOCKETENDPOINT");
            reader.warning(&name.clone(), problem, "set that too, or leave it out");
        }
        let default_mode = || unix.then(|| (String::new(), 0o600));
        let allow_from = reader.allow_from(active);
        if snapshot.is_of_process_1() {
            let listen = listen.as_ref().map(|(_, listen)| listen);
            reader.within_a_container(listen, active);
        }
        SocketProxy {
            listen,
            listen_mode: listen_mode.filter(|_| unix).or_else(default_mode),
            socket_path: reader.value("socketpath", |given| socket_file(&given.value)),
            log_level: reader.value("loglevel", log_level),
            shutdown_grace: reader.value("shutdowngracetime", seconds),
            allow_from,
            log_json: reader.switch("logjson"),
            health_listener: reader.switch("allowhealthcheck"),
            watchdog: (interval > 0).then(|| Watchdog {
                interval: Duration::from_secs(interval),
                stop,
            }),
        }
    }
}

/// A value, with the name that it was given by.
struct Given {
    name: String,
    value: String,
    by_flag: bool,
}

struct Reader<'a> {
    snapshot: &'a Snapshot,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    /// The last flag of that name, or else the variable if it is not empty.
    fn given(&mut self, flag: &str, variable: &str) -> Option<Given> {
        let last = self.snapshot.flag(flag).next_back();
        let by_flag = last.is_some();
        let name = if by_flag {
            format!("-{flag}")
        } else {
            variable.to_owned()
        };
        match last.or_else(|| self.snapshot.get(variable))?.to_str() {
            Some("") if !by_flag => {
                let problem = format!("{name} is empty and read as not set");
                self.warning(&name, problem, "give it a value or leave it out");
                None
            }
            Some(value) => Some(Given {
                name,
                value: value.to_owned(),
                by_flag,
            }),
            None => {
                let problem = format!("the value of {name} is not UTF-8");
                self.error(&name, problem, "write it in UTF-8");
                None
            }
        }
    }

    /// What a value means, with its name.
    fn value<T>(
        &mut self,
        flag: &str,
        parse: impl FnOnce(&Given) -> Result<T, Unfit>,
    ) -> Option<(String, T)> {
        let Flag { variable, .. } = FLAGS.iter().find(|known| known.name == flag)?;
        let given = self.given(flag, variable)?;
        match parse(&given) {
            Ok(value) => Some((given.name, value)),
            Err((what, help)) => {
                let Given { name, value, .. } = given;
                self.error(&name, format!("{name}={} {what}", printable(&value)), help);
                None
            }
        }
    }

    fn switch(&mut self, flag: &str) -> bool {
        let read = |given: &Given| match given.value.as_str() {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
            _ => Err(("is neither true nor false".to_owned(), "write one of them")),
        };
        self.value(flag, read).is_some_and(|(_, on)| on)
    }

    /// Where to listen, if anything says so.
    fn listen(&mut self, active: bool) -> Option<(String, Listen)> {
        let endpoint = self.value("proxysocketendpoint", |given| match given.value.as_str() {
            "" => Ok(None),
            path => socket_file(path).map(Some),
        });
        let ip = self.value("listenip", |given| {
            let unfit = |_| ("is no IP address".to_owned(), "write one, like 0.0.0.0");
            given.value.parse::<IpAddr>().map_err(unfit)
        });
        let port = self.value("proxyport", |given| number(&given.value, 1, u16::MAX));
        if let Some((name, Some(path))) = endpoint {
            let idle = ip.map(|(name, _)| name);
            for idle in idle.into_iter().chain(port.map(|(name, _)| name)) {
                let problem = format!("{name} wins over {idle}, which has no effect");
                self.warning(&idle, problem, "leave one of them out");
            }
            return Some((name, Listen::Unix(path)));
        }
        let name = ip
            .as_ref()
            .map(|(name, _)| name)
            .or(port.as_ref().map(|(name, _)| name));
        if name.is_none() && !active {
            return None;
        }
        let name = name.cloned().unwrap_or_default();
        let ip = ip.map_or(IpAddr::from([127, 0, 0, 1]), |(_, ip)| ip);
        let port = port.map_or(2375, |(_, port)| port);
        let listen = Listen::Tcp {
            addr: (ip, port).into(),
            fallback_v4: false,
        };
        Some((name, listen))
    }

    fn allow_from(&mut self, active: bool) -> Option<AllowFrom> {
        let given = self.value("allowfrom", |given| Ok(AllowFrom::new(&given.value)));
        if let Some((name, list)) = &given {
            for item in &list.nobody {
                let problem = format!("{name} has {}, which matches nobody", printable(item));
                let help = "write networks, addresses or host names, with commas and no blanks";
                self.diagnostics
                    .push(Diagnostic::warning(name, problem, help));
            }
        }
        let by_default = || active.then(|| AllowFrom::new("127.0.0.1/32"));
        given.map(|(_, list)| list).or_else(by_default)
    }

    /// The defaults of this dialect are made for a host: in a container they leave everybody out.
    fn within_a_container(&mut self, listen: Option<&Listen>, active: bool) {
        let set = |variable| {
            self.snapshot
                .get(variable)
                .filter(|value| !value.is_empty())
        };
        let given = |flag| self.snapshot.flag(flag).next().is_some();
        let by_tcp = match (listen, set("LISTEN")) {
            (Some(Listen::Unix(_)), _) => false,
            (_, Some(value)) => value.to_string_lossy().contains("tcp://"),
            (listen, None) => listen.is_some(),
        };
        let ip_set = set("LISTEN").or(set("SP_LISTENIP")).is_some() || given("listenip");
        let from_set = set("SP_ALLOWFROM").is_some() || given("allowfrom");
        let (variable, defaults, help) = match (by_tcp && !ip_set, active && by_tcp && !from_set) {
            (true, true) => (
                "SP_LISTENIP",
                "listens on 127.0.0.1 and lets only 127.0.0.1/32 in",
                "set SP_LISTENIP=0.0.0.0, and SP_ALLOWFROM to the clients' network or names",
            ),
            (true, false) => (
                "SP_LISTENIP",
                "listens on 127.0.0.1",
                "set SP_LISTENIP=0.0.0.0",
            ),
            (false, true) => (
                "SP_ALLOWFROM",
                "lets only 127.0.0.1/32 in",
                "set SP_ALLOWFROM to the clients' network or names",
            ),
            (false, false) => return,
        };
        let problem = format!(
            "clients outside this container cannot connect: by default dockgate {defaults}"
        );
        self.warning(variable, problem, help);
    }

    fn error(&mut self, name: &str, problem: impl Into<String>, help: &str) {
        self.diagnostics
            .push(Diagnostic::error(name, problem, help));
    }

    fn warning(&mut self, name: &str, problem: impl Into<String>, help: &str) {
        self.diagnostics
            .push(Diagnostic::warning(name, problem, help));
    }
}

fn log_level(given: &Given) -> Result<LogLevel, Unfit> {
    match given.value.to_ascii_uppercase().as_str() {
        "DEBUG" => Ok(LogLevel::Debug),
        "INFO" => Ok(LogLevel::Info),
        "WARN" => Ok(LogLevel::Warning),
        "ERROR" => Ok(LogLevel::Err),
        _ => Err((
            "is no log level".to_owned(),
            "write DEBUG, INFO, WARN or ERROR",
        )),
    }
}

/// A variable's mode is octal; a flag's is a number as Go writes them.
fn file_mode(given: &Given) -> Result<u32, Unfit> {
    let value = given.value.as_str();
    if !given.by_flag {
        return mode(value);
    }
    let lower = value.to_ascii_lowercase();
    let prefixes = [("0x", 16), ("0b", 2), ("0o", 8), ("0", 8)];
    let prefixed = prefixes.iter().find_map(|(prefix, radix)| {
        let digits = lower.strip_prefix(prefix).filter(|rest| !rest.is_empty())?;
        Some((digits, *radix))
    });
    let (digits, radix) = prefixed.unwrap_or((&lower, 10));
    let signed = digits.starts_with('+');
    let number = u32::from_str_radix(digits, radix).ok();
    number
        .filter(|mode| !signed && *mode <= 0o777)
        .ok_or_else(|| {
            let what = "is no file mode (digits without a 0 before them are decimal)";
            (
                what.to_owned(),
                "write octal digits with a 0 before them, like 0660",
            )
        })
}

#[cfg(test)]
mod tests {
    use crate::config::{Settings, Severity, Snapshot};

    fn load(env: &[(&str, &str)], flags: &[&str]) -> Result<Settings, Vec<String>> {
        let mut snapshot: Snapshot = env.iter().copied().collect();
        snapshot.take_flags(flags.iter().map(Into::into)).unwrap();
        Settings::load(&snapshot).map_err(|told| {
            let errors = told.iter().filter(|one| one.severity == Severity::Error);
            errors.map(ToString::to_string).collect()
        })
    }

    /// Where it listens, and from where it lets clients in.
    fn reached(env: &[(&str, &str)], flags: &[&str]) -> (String, Option<String>) {
        let settings = load(env, flags).unwrap();
        let listen: Vec<String> = settings.listen.iter().map(ToString::to_string).collect();
        (listen.join(" "), settings.allow_from.map(|list| list.text))
    }

    #[test]
    fn patterns_bring_the_defaults_of_their_dialect() {
        let (all, own) = ("tcp://[::]:2375", "tcp://127.0.0.1:2375");
        let here = Some("127.0.0.1/32");
        for (env, flags, listen, from) in [
            (&[][..], &[][..], all, None),
            (&[("SP_LOGLEVEL", "WARN")], &[], all, None),
            (&[("SP_ALLOW_GET", "/x")], &[], own, here),
            (&[("SP_ALLOW_GET", "")], &[], own, here),
            (&[], &["-allowPOST=/x"], own, here),
            (&[("SP_PROXYPORT", "1")], &[], "tcp://127.0.0.1:1", None),
            (
                &[("SP_LISTENIP", "::"), ("LOG_LEVEL", "info")],
                &["-allowfrom=10.0.0.0/8"],
                all,
                Some("10.0.0.0/8"),
            ),
            (
                &[("LISTEN", "tcp://[::]:2375"), ("SP_ALLOW_GET", "/x")],
                &[],
                all,
                here,
            ),
            (
                &[("SP_LISTENIP", "10.0.0.1")],
                &["-listenip=0.0.0.0"],
                "tcp://0.0.0.0:2375",
                None,
            ),
            (
                &[
                    ("SP_ALLOW_GET", "/x"),
                    ("SP_PROXYSOCKETENDPOINT", "/run/x.sock"),
                ],
                &[],
                "unix:///run/x.sock",
                here,
            ),
        ] {
            let expected = (listen.to_owned(), from.map(str::to_owned));
            assert_eq!(reached(env, flags), expected, "{env:?} {flags:?}");
        }
        let unix = [("SP_PROXYSOCKETENDPOINT", "/run/x.sock")];
        assert_eq!(load(&unix, &[]).unwrap().listen_mode, 0o600);
        let mode = [unix[0], ("SP_PROXYSOCKETENDPOINTFILEMODE", "666")];
        assert_eq!(load(&mode, &[]).unwrap().listen_mode, 0o666);
    }

    /// The warnings about who can connect, in a container and outside one.
    fn unreachable(env: &[(&str, &str)], flags: &[&str]) -> Vec<String> {
        let told = |in_container: bool| {
            let mut snapshot: Snapshot = env.iter().copied().collect();
            snapshot.take_flags(flags.iter().map(Into::into)).unwrap();
            if in_container {
                snapshot = snapshot.of_process_1();
            }
            let warnings = Settings::load(&snapshot).unwrap().warnings.into_iter();
            let warnings = warnings.map(|one| one.to_string());
            let warnings = warnings.filter(|one| one.starts_with("clients outside"));
            warnings.collect::<Vec<String>>()
        };
        assert_eq!(told(false), [""; 0], "a host's defaults fit a host");
        told(true)
    }

    #[test]
    fn a_container_that_nobody_can_connect_to_is_warned_about() {
        let told = |what: &str, help: &str| {
            format!(
                "clients outside this container cannot connect: by default dockgate {what}; {help}"
            )
        };
        let both = told(
            "listens on 127.0.0.1 and lets only 127.0.0.1/32 in",
            "set SP_LISTENIP=0.0.0.0, and SP_ALLOWFROM to the clients' network or names",
        );
        let address = told("listens on 127.0.0.1", "set SP_LISTENIP=0.0.0.0");
        let clients = told(
            "lets only 127.0.0.1/32 in",
            "set SP_ALLOWFROM to the clients' network or names",
        );
        let pattern = ("SP_ALLOW_GET", "/info");
        for (env, flags, expected) in [
            (&[("CONTAINERS", "1"), pattern][..], &[][..], Some(&both)),
            (&[pattern], &[], Some(&both)),
            (&[("SP_ALLOW_GET", "")], &[], Some(&both)),
            (&[], &["-allowGET=/info"], Some(&both)),
            (&[("SP_PROXYPORT", "2376"), pattern], &[], Some(&both)),
            (&[("SP_PROXYPORT", "2376")], &[], Some(&address)),
            (&[("SP_ALLOWFROM", "traefik"), pattern], &[], Some(&address)),
            (&[pattern], &["-allowfrom=traefik"], Some(&address)),
            (&[("SP_LISTENIP", "0.0.0.0"), pattern], &[], Some(&clients)),
            (&[pattern], &["-listenip=0.0.0.0"], Some(&clients)),
            (
                &[("LISTEN", "tcp://[::]:2375"), pattern],
                &[],
                Some(&clients),
            ),
            // These are meant so, or concern no client by TCP.
            (
                &[
                    ("SP_LISTENIP", "127.0.0.1"),
                    ("SP_ALLOWFROM", "127.0.0.1"),
                    pattern,
                ],
                &[],
                None,
            ),
            (&[("LISTEN", "unix:///run/x.sock"), pattern], &[], None),
            (
                &[("SP_PROXYSOCKETENDPOINT", "/run/x.sock"), pattern],
                &[],
                None,
            ),
            (&[("CONTAINERS", "1")], &[], None),
            (&[("LISTEN", "tcp://127.0.0.1:2375")], &[], None),
        ] {
            let expected: Vec<&String> = expected.into_iter().collect();
            let is = unreachable(env, flags);
            assert_eq!(is.iter().collect::<Vec<_>>(), expected, "{env:?} {flags:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (env, flags, told) in [
            (
                &[("SP_LISTENIP", "localhost")][..],
                &[][..],
                "SP_LISTENIP=localhost is no IP address",
            ),
            (&[], &["-listenip="], "-listenip=\"\" is no IP address"),
            (
                &[],
                &["-proxyport=0"],
                "-proxyport=0 is no whole number from 1 to 65535",
            ),
            (
                &[("SP_LOGLEVEL", "verbose")],
                &[],
                "SP_LOGLEVEL=verbose is no log level",
            ),
            (
                &[],
                &["-shutdowngracetime=-1"],
                "-shutdowngracetime=-1 is no whole number",
            ),
            (
                &[],
                &["-watchdoginterval=5s"],
                "-watchdoginterval=5s is no whole number",
            ),
            (
                &[("SP_LOGJSON", "yes")],
                &[],
                "SP_LOGJSON=yes is neither true nor false",
            ),
            (
                &[],
                &["-proxysocketendpointfilemode=600"],
                "=600 is no file mode",
            ),
            (
                &[],
                &["-proxysocketendpointfilemode=rw"],
                "=rw is no file mode",
            ),
            (
                &[("SP_PROXYSOCKETENDPOINT", "x")],
                &[],
                "is no absolute path of a Unix socket",
            ),
            (
                &[("SP_ALLOW_GET", "[")],
                &[],
                "SP_ALLOW_GET=[ is no pattern: unclosed character class",
            ),
            (
                &[("SP_ALLOW_TRACE", "[")],
                &[],
                "SP_ALLOW_TRACE=[ is no pattern",
            ),
            (
                &[("LISTEN", "tcp://[::]:1"), ("SP_PROXYPORT", "1")],
                &[],
                "LISTEN and SP_PROXYPORT are both set and say the same thing",
            ),
            (
                &[("LOG_LEVEL", "info")],
                &["-loglevel=INFO"],
                "LOG_LEVEL and -loglevel are both set and say the same thing",
            ),
            (
                &[("SP_ALLOWBINDMOUNTFROM", "/srv")],
                &[],
                "SP_ALLOWBINDMOUNTFROM=/srv is not supported by this version",
            ),
        ] {
            let errors = load(env, flags).unwrap_err();
            assert!(
                errors[0].contains(told) && errors.len() == 1,
                "{told}: {errors:?}"
            );
        }
        // All at once.
        let flags = ["-proxyport=0", "-listenip=x", "-allowGET=(", "-loglevel=x"];
        assert_eq!(load(&[], &flags).unwrap_err().len(), 4);
        // What a later flag says, counts.
        assert!(load(&[], &["-proxyport=0", "-proxyport=1"]).is_ok());
    }
}
