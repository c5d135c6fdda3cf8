//! Settings that go with patterns: where to listen, for which clients, and the watchdog. With
//! patterns, the defaults are those of wollomatic/socket-proxy, which are made for a host.

use std::time::Duration;

use crate::config::table::{Value, Values};
use crate::config::{AllowFrom, Diagnostic, Listen};
use crate::policy::printable;

/// Checks the engine's socket at intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watchdog {
    /// The interval.
    pub interval: Duration,
    /// Whether dockgate exits when it does not find the engine.
    pub stop: bool,
}

/// These settings; `None` if not set.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) listen: Option<Listen>,
    /// The mode of that socket.
    pub(crate) mode: Option<u32>,
    pub(crate) clients: Option<AllowFrom>,
    pub(crate) watchdog: Option<Watchdog>,
}

impl Asked {
    /// Reads the settings. `active`: whether there are patterns, so that the defaults count.
    pub(crate) fn new(
        values: &mut Values,
        active: bool,
        in_container: bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Asked {
        let watchdog = watchdog(values, diagnostics);
        let listen = listen(values, active, diagnostics);
        let is_socket = matches!(listen, Some(Listen::Unix(_)));
        let mode = &mut values.sp_proxysocketendpointfilemode;
        if let Some(name) = mode.by.clone().filter(|_| !is_socket) {
            let problem = format!("{name} is ignored without SP_PROXYSOCKETENDPOINT");
            let help = "set that too, or remove it";
            diagnostics.push(Diagnostic::warning(&name, problem, help));
            mode.unset();
        }
        let clients = clients(&values.sp_allowfrom, active, diagnostics);
        if in_container {
            diagnostics.extend(unreachable(values, listen.as_ref(), active));
        }
        Asked {
            mode: values
                .sp_proxysocketendpointfilemode
                .get()
                .copied()
                .filter(|_| is_socket),
            listen,
            clients,
            watchdog,
        }
    }
}

fn watchdog(values: &Values, diagnostics: &mut Vec<Diagnostic>) -> Option<Watchdog> {
    let interval = values.sp_watchdoginterval.get().copied()?;
    let stop = values.sp_stoponwatchdog.get().copied()?;
    if stop && interval.is_zero() {
        let name = "SP_STOPONWATCHDOG";
        let problem = format!("{name} is ignored without SP_WATCHDOGINTERVAL");
        diagnostics.push(Diagnostic::warning(
            name,
            problem,
            "set the interval in seconds",
        ));
    }
    (!interval.is_zero()).then_some(Watchdog { interval, stop })
}

/// Where to listen, if a setting says so.
fn listen(values: &mut Values, active: bool, diagnostics: &mut Vec<Diagnostic>) -> Option<Listen> {
    let endpoint = &mut values.sp_proxysocketendpoint;
    if endpoint.set() == Some(&None) {
        endpoint.unset();
    }
    let (ip, port) = (&values.sp_listenip, &values.sp_proxyport);
    let mut named = [&ip.by, &port.by].into_iter().flatten();
    if let (Some(name), Some(Some(path))) = (&endpoint.by, endpoint.set()) {
        for idle in named {
            let problem = format!("{name} overrides {idle}, which is ignored");
            let help = "";
            diagnostics.push(Diagnostic::warning(idle, problem, help));
        }
        return Some(Listen::Unix(path.clone()));
    }
    if named.next().is_none() && !active {
        return None;
    }
    Some(Listen::Tcp {
        addr: (*ip.get()?, *port.get()?).into(),
        fallback_v4: false,
    })
}

/// Which clients may connect by TCP, if that is limited.
fn clients(
    written: &Value<AllowFrom>,
    active: bool,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<AllowFrom> {
    if let (Some(name), Some(list)) = (&written.by, written.set()) {
        for item in &list.nobody {
            let problem = format!(
                "{name} contains {}, which matches no client",
                printable(item)
            );
            let help = "use networks, addresses or host names, separated by commas without spaces";
            diagnostics.push(Diagnostic::warning(name, problem, help));
        }
    }
    written
        .get()
        .filter(|_| active || written.by.is_some())
        .cloned()
}

/// Warns about defaults in a container: they are made for a host, and exclude every client outside.
fn unreachable(values: &Values, asked: Option<&Listen>, active: bool) -> Option<Diagnostic> {
    let own = &values.listen;
    let by_tcp = match (asked, own.set()) {
        (Some(Listen::Unix(_)), _) => false,
        (_, Some(listen)) => listen.iter().any(|one| matches!(one, Listen::Tcp { .. })),
        (listen, None) => listen.is_some(),
    };
    let by_default = own.by.is_none() && values.sp_listenip.by.is_none();
    // Whoever has a list by labels is let in.
    let for_default =
        active && values.sp_allowfrom.by.is_none() && values.sp_proxycontainername.by.is_none();
    let (variable, defaults, help) = match (by_tcp && by_default, by_tcp && for_default) {
        (true, true) => (
            "SP_LISTENIP",
            "listens on 127.0.0.1 and allows only 127.0.0.1/32",
            "set SP_LISTENIP=0.0.0.0, and SP_ALLOWFROM to the clients' network or names",
        ),
        (true, false) => (
            "SP_LISTENIP",
            "listens on 127.0.0.1",
            "set SP_LISTENIP=0.0.0.0",
        ),
        (false, true) => (
            "SP_ALLOWFROM",
            "allows only 127.0.0.1/32",
            "set SP_ALLOWFROM to the clients' network or names",
        ),
        (false, false) => return None,
    };
    let problem =
        format!("clients outside this container cannot connect: by default dockgate {defaults}");
    Some(Diagnostic::warning(variable, problem, help))
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
        let endpoints = settings.endpoints.iter();
        let listen: Vec<String> = endpoints.map(|one| one.listen.to_string()).collect();
        (listen.join(" "), settings.clients.map(|list| list.text))
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
        assert_eq!(load(&unix, &[]).unwrap().endpoints[0].mode, 0o600);
        let mode = [unix[0], ("SP_PROXYSOCKETENDPOINTFILEMODE", "666")];
        assert_eq!(load(&mode, &[]).unwrap().endpoints[0].mode, 0o666);
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
            "listens on 127.0.0.1 and allows only 127.0.0.1/32",
            "set SP_LISTENIP=0.0.0.0, and SP_ALLOWFROM to the clients' network or names",
        );
        let address = told("listens on 127.0.0.1", "set SP_LISTENIP=0.0.0.0");
        let clients = told(
            "allows only 127.0.0.1/32",
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
                "SP_LISTENIP=localhost is not an IP address",
            ),
            (&[], &["-listenip="], "-listenip=\"\" is not an IP address"),
            (
                &[],
                &["-proxyport=0"],
                "-proxyport=0 must be a whole number from 1 to 65535",
            ),
            (
                &[("SP_LOGLEVEL", "verbose")],
                &[],
                "SP_LOGLEVEL=verbose is not a log level",
            ),
            (
                &[],
                &["-shutdowngracetime=-1"],
                "-shutdowngracetime=-1 must be a whole number",
            ),
            (
                &[],
                &["-watchdoginterval=5s"],
                "-watchdoginterval=5s must be a whole number",
            ),
            (
                &[("SP_LOGJSON", "yes")],
                &[],
                "SP_LOGJSON=yes is not a boolean",
            ),
            (
                &[],
                &["-proxysocketendpointfilemode=600"],
                "=600 is not a file mode",
            ),
            (
                &[],
                &["-proxysocketendpointfilemode=rw"],
                "=rw is not a file mode",
            ),
            (
                &[("SP_PROXYSOCKETENDPOINT", "x")],
                &[],
                "is not an absolute path to a Unix socket",
            ),
            (
                &[("SP_ALLOW_GET", "[")],
                &[],
                "SP_ALLOW_GET=[ is not a valid pattern: unclosed character class",
            ),
            (
                &[("SP_ALLOW_TRACE", "[")],
                &[],
                "SP_ALLOW_TRACE=[ is not a valid pattern",
            ),
            (
                &[("LISTEN", "tcp://[::]:1"), ("SP_PROXYPORT", "1")],
                &[],
                "LISTEN and SP_PROXYPORT are both set",
            ),
            (
                &[("LOG_LEVEL", "info")],
                &["-loglevel=INFO"],
                "LOG_LEVEL and -loglevel are both set",
            ),
            (
                &[("SP_ALLOWBINDMOUNTFROM", "srv")],
                &[],
                "SP_ALLOWBINDMOUNTFROM: srv is not an absolute path",
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
