//! The settings: what dockgate listens on, which engine it guards, and the policy.
//!
//! An empty value of a setting is read as not set, with a warning; an empty section value is 0, as
//! in Tecnativa's proxy.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;

use super::{
    Diagnostic, Severity, Snapshot,
    dialect::sections::{Grants, POST, routes},
    names,
};
use crate::{
    api::sections::{ACTIONS, SECTIONS, Section},
    policy::{Policy, printable},
};

/// A variable that is no section and no action.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its value when it is not set.
    pub default: &'static str,
    /// One line for people.
    pub doc: &'static str,
}

/// Every variable but the sections and actions.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: POST,
        default: "0",
        doc: "Every method but GET and HEAD, in the sections that are granted",
    },
    Variable {
        name: "LISTEN",
        default: "tcp://[::]:2375",
        doc: "Where clients connect: a comma list of tcp://ADDRESS:PORT and unix:///PATH",
    },
    Variable {
        name: "LISTEN_MODE",
        default: "0660",
        doc: "The mode of Unix sockets that it listens on, in octal",
    },
    Variable {
        name: "DISABLE_IPV6",
        default: "0",
        doc: "1, true or yes: the default address is 0.0.0.0 (LISTEN wins over it)",
    },
    Variable {
        name: "SOCKET_PATH",
        default: "/var/run/docker.sock",
        doc: "The engine's Unix socket",
    },
    Variable {
        name: "MAX_CONNECTIONS",
        default: "10000",
        doc: "Clients at a time, tunnels counted",
    },
    Variable {
        name: "SHUTDOWN_GRACE",
        default: "5",
        doc: "Seconds that requests in progress may take to end when dockgate is stopped",
    },
    Variable {
        name: "LOG_LEVEL",
        default: "info",
        doc: "The least severe lines to log: debug, info, notice, warning, err, crit, alert, emerg",
    },
];

/// What dockgate runs with.
#[derive(Debug)]
pub struct Settings {
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// The mode of the Unix sockets among them.
    pub listen_mode: u32,
    /// The engine's socket.
    pub socket_path: PathBuf,
    /// How many clients it serves at a time.
    pub max_connections: usize,
    /// How long requests in progress may take to end at shutdown.
    pub shutdown_grace: Duration,
    /// The least severe lines to log.
    pub log_level: LogLevel,
    /// The decisions.
    pub policy: Arc<Policy>,
    /// What each granting variable was read as.
    pub grants: Grants,
    /// Mistakes that do not keep it from starting.
    pub warnings: Vec<Diagnostic>,
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `tcp://ADDRESS:PORT`
    Tcp {
        /// The address.
        addr: SocketAddr,
        /// Whether 0.0.0.0 will do where IPv6 is absent: for the default only.
        fallback_v4: bool,
    },
    /// `unix:///PATH`
    Unix(PathBuf),
}

/// The levels of syslog, as Tecnativa's variable names them; the least severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Headers and decision steps.
    Debug,
    /// Allowed requests.
    Info,
    /// Start and stop.
    Notice,
    /// Denied requests.
    Warning,
    /// Failures of the engine.
    Err,
    /// Failures of dockgate.
    Crit,
    /// Nothing logs at this level.
    Alert,
    /// Nothing logs at this level.
    Emerg,
}

impl Settings {
    /// Reads everything before it gives up: the errors are all there are, with the warnings.
    pub fn load(snapshot: &Snapshot) -> Result<Settings, Vec<Diagnostic>> {
        let mut diagnostics: Vec<Diagnostic> = names::check(snapshot).collect();
        let grants = Grants::read(snapshot, &mut diagnostics);
        let mut reader = Reader { diagnostics };
        let raw = reader.raw(snapshot);
        let listen_set = raw.listen.is_some();
        let disable_ipv6 = reader.disable_ipv6(raw.disable_ipv6, listen_set);
        let port = 2375;
        let default = if disable_ipv6 {
            Listen::Tcp {
                addr: (Ipv4Addr::UNSPECIFIED, port).into(),
                fallback_v4: false,
            }
        } else {
            Listen::Tcp {
                addr: (Ipv6Addr::UNSPECIFIED, port).into(),
                fallback_v4: true,
            }
        };
        let listen = reader
            .parse("LISTEN", raw.listen, listeners)
            .unwrap_or_else(|| vec![default]);
        let unix = listen
            .iter()
            .any(|listen| matches!(listen, Listen::Unix(_)));
        if raw.listen_mode.is_some() && !unix {
            reader.diagnostics.push(Diagnostic::warning(
                "LISTEN_MODE",
                "LISTEN_MODE has no effect without a Unix socket to listen on",
                "add unix:///PATH to LISTEN, or leave it out",
            ));
        }
        let listen_mode = reader
            .parse("LISTEN_MODE", raw.listen_mode, mode)
            .unwrap_or(0o660);
        let socket_path = reader.parse("SOCKET_PATH", raw.socket_path, engine_socket);
        let socket_path = socket_path.unwrap_or_else(|| "/var/run/docker.sock".into());
        if listen.contains(&Listen::Unix(socket_path.clone())) {
            reader.diagnostics.push(Diagnostic::error(
                "LISTEN",
                format!(
                    "LISTEN has {}, which is the engine's own socket",
                    socket_path.display()
                ),
                "write another path",
            ));
        }
        let max_connections = reader.parse("MAX_CONNECTIONS", raw.max_connections, |value| {
            number(value, 1, 1_000_000)
        });
        let shutdown_grace = reader.parse("SHUTDOWN_GRACE", raw.shutdown_grace, |value| {
            number(value, 0, 3600)
        });
        let log_level = reader.parse("LOG_LEVEL", raw.log_level, str::parse);
        let policy = Policy::new(&grants.rules());
        let policy = policy.map_err(|error| {
            let help = "this is a mistake in dockgate: please report it";
            reader
                .diagnostics
                .push(Diagnostic::error("POST", error.to_string(), help));
        });
        let mut warnings = reader.diagnostics;
        match policy {
            Ok(policy) if warnings.iter().all(|one| one.severity == Severity::Warning) => {
                Ok(Settings {
                    listen,
                    listen_mode,
                    socket_path,
                    max_connections: max_connections.unwrap_or(10_000),
                    shutdown_grace: Duration::from_secs(shutdown_grace.unwrap_or(5)),
                    log_level: log_level.unwrap_or(LogLevel::Info),
                    policy: Arc::new(policy),
                    grants,
                    warnings,
                })
            }
            _ => {
                warnings.sort_by_key(|one| std::cmp::Reverse(one.severity));
                Err(warnings)
            }
        }
    }

    /// What is granted, where it listens and which engine it guards, in a few lines.
    pub fn summary(&self) -> Vec<String> {
        let names = |sections: &[&Section]| match sections {
            [] => "none".to_owned(),
            some => some
                .iter()
                .map(|section| section.name)
                .collect::<Vec<_>>()
                .join(" "),
        };
        let granted: Vec<&Section> = self.granted_sections().collect();
        let writes = if self.grants.on(POST) {
            names(&granted)
        } else {
            "none (POST=0)".to_owned()
        };
        let mut lines = vec![
            format!("reads: {}", names(&granted)),
            format!("writes: {writes}"),
        ];
        for action in ACTIONS
            .iter()
            .filter(|action| self.grants.on(action.variable))
        {
            lines.push(format!("{}: {}", action.variable, routes(action)));
        }
        let listen: Vec<String> = self.listen.iter().map(ToString::to_string).collect();
        lines.push(format!("listening on: {}", listen.join(" ")));
        lines.push(format!("engine: {}", self.socket_path.display()));
        lines
    }

    /// A warning, if what is granted reaches root on the host.
    pub fn root_on_host(&self) -> Option<String> {
        let reaches = self.granted_sections().filter(|_| self.grants.on(POST));
        let reaches: Vec<String> = reaches
            .filter_map(|section| Some(format!("{} ({})", section.name, section.root_on_host?)))
            .collect();
        (!reaches.is_empty()).then(|| {
            let reaches = reaches.join(", ");
            format!("with POST=1 a client can become root on the host: {reaches}")
        })
    }

    fn granted_sections(&self) -> impl Iterator<Item = &'static Section> {
        SECTIONS
            .iter()
            .filter(|section| self.grants.on(section.name))
    }
}

/// The values as they are written. envy folds the case of names, so it is handed only those that
/// match exactly.
#[derive(Default, Deserialize)]
struct Raw {
    listen: Option<String>,
    listen_mode: Option<String>,
    disable_ipv6: Option<String>,
    socket_path: Option<String>,
    max_connections: Option<String>,
    shutdown_grace: Option<String>,
    log_level: Option<String>,
}

/// What is wrong with a value (`is no port`), and what to do.
type Unfit = (String, &'static str);

struct Reader {
    diagnostics: Vec<Diagnostic>,
}

impl Reader {
    fn raw(&mut self, snapshot: &Snapshot) -> Raw {
        let mut set = Vec::new();
        for Variable { name, default, .. } in VARIABLES.iter().filter(|known| known.name != POST) {
            match snapshot.get(name).map(|value| value.to_str()) {
                Some(Some("")) => self.diagnostics.push(Diagnostic::warning(
                    name,
                    format!("{name} is empty and read as not set: {default}"),
                    "give it a value or leave it out",
                )),
                Some(Some(value)) => set.push(((*name).to_owned(), value.to_owned())),
                Some(None) => self.diagnostics.push(Diagnostic::error(
                    name,
                    format!("the value of {name} is not UTF-8"),
                    "write it in UTF-8",
                )),
                None => {}
            }
        }
        envy::from_iter(set).expect("optional strings take every value")
    }

    fn parse<T>(
        &mut self,
        name: &str,
        value: Option<String>,
        parse: impl FnOnce(&str) -> Result<T, Unfit>,
    ) -> Option<T> {
        let value = value?;
        parse(&value)
            .map_err(|(what, help)| {
                let problem = format!("{name}={} {what}", printable(&value));
                self.diagnostics
                    .push(Diagnostic::error(name, problem, help));
            })
            .ok()
    }

    fn disable_ipv6(&mut self, value: Option<String>, listen_set: bool) -> bool {
        let name = "DISABLE_IPV6";
        let Some(value) = value else { return false };
        let is = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
        let on = is(&["1", "true", "yes"]);
        if !on && !is(&["0", "false", "no"]) {
            let problem = format!("{name}={} is read as 0", printable(&value));
            self.diagnostics
                .push(Diagnostic::warning(name, problem, "write 1 or 0"));
        }
        if on && listen_set {
            let problem = "LISTEN wins over DISABLE_IPV6, which has no effect";
            self.diagnostics
                .push(Diagnostic::warning(name, problem, "leave one of them out"));
        }
        on
    }
}

const LISTEN_FORMS: &str = "write tcp://ADDRESS:PORT (tcp://127.0.0.1:2375, tcp://[::1]:2375) \
                            or unix:///PATH, more than one with commas";

fn listeners(value: &str) -> Result<Vec<Listen>, Unfit> {
    let mut listen = Vec::new();
    for item in value.split(',') {
        let one: Listen = item.trim().parse()?;
        if listen.contains(&one) {
            return Err((
                format!("has {} twice", printable(item.trim())),
                "write it once",
            ));
        }
        listen.push(one);
    }
    Ok(listen)
}

impl FromStr for Listen {
    type Err = Unfit;

    fn from_str(item: &str) -> Result<Listen, Unfit> {
        if item.is_empty() {
            return Err(("has an empty item".to_owned(), LISTEN_FORMS));
        }
        if let Some(path) = item.strip_prefix("unix://") {
            return Ok(Listen::Unix(socket_file(path)?));
        }
        let address = item
            .strip_prefix("tcp://")
            .and_then(|address| address.parse().ok());
        match address {
            Some(addr) => Ok(Listen::Tcp {
                addr,
                fallback_v4: false,
            }),
            None => Err((
                format!("has {}, which is no address", printable(item)),
                LISTEN_FORMS,
            )),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp { addr, .. } => write!(f, "tcp://{addr}"),
            Listen::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

impl Listen {
    /// Where a client on this machine reaches it: of a wildcard, the loopback addresses.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        match self {
            Listen::Tcp { addr, .. } => match addr.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => {
                    vec![(Ipv4Addr::LOCALHOST, addr.port()).into()]
                }
                IpAddr::V6(ip) if ip.is_unspecified() => vec![
                    (Ipv6Addr::LOCALHOST, addr.port()).into(),
                    (Ipv4Addr::LOCALHOST, addr.port()).into(),
                ],
                _ => vec![*addr],
            },
            Listen::Unix(_) => Vec::new(),
        }
    }
}

/// `PATH` or `unix@PATH`, as HAProxy writes it.
fn engine_socket(value: &str) -> Result<PathBuf, Unfit> {
    socket_file(value.strip_prefix("unix@").unwrap_or(value))
}

/// A Unix socket's path: absolute, and short enough for the kernel.
fn socket_file(path: &str) -> Result<PathBuf, Unfit> {
    const LONGEST: usize = 107;
    if path.len() > LONGEST {
        return Err((
            format!("is longer than the {LONGEST} bytes of a socket's path"),
            "write a shorter path",
        ));
    }
    if !path.starts_with('/') || path.ends_with('/') || path.starts_with("//") {
        return Err((
            "is no absolute path of a Unix socket".to_owned(),
            "write it like /var/run/docker.sock; other kinds of address are not supported",
        ));
    }
    Ok(Path::new(path).to_owned())
}

fn mode(value: &str) -> Result<u32, Unfit> {
    let digits = value.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let mode = u32::from_str_radix(value, 8)
        .ok()
        .filter(|mode| digits && *mode <= 0o777);
    mode.ok_or_else(|| {
        (
            "is no file mode".to_owned(),
            "write octal digits, like 0660",
        )
    })
}

fn number<T: FromStr + PartialOrd + fmt::Display>(
    value: &str,
    least: T,
    most: T,
) -> Result<T, Unfit> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value
        .parse()
        .ok()
        .filter(|number| digits && *number >= least && *number <= most);
    number.ok_or_else(|| {
        (
            format!("is no whole number from {least} to {most}"),
            "write one in plain digits",
        )
    })
}

impl FromStr for LogLevel {
    type Err = Unfit;

    fn from_str(value: &str) -> Result<LogLevel, Unfit> {
        let level = match value.to_ascii_lowercase().as_str() {
            "debug" => LogLevel::Debug,
            "info" => LogLevel::Info,
            "notice" => LogLevel::Notice,
            "warning" => LogLevel::Warning,
            "err" => LogLevel::Err,
            "crit" => LogLevel::Crit,
            "alert" => LogLevel::Alert,
            "emerg" => LogLevel::Emerg,
            _ => {
                let levels = "write debug, info, notice, warning, err, crit, alert or emerg";
                return Err(("is no log level".to_owned(), levels));
            }
        };
        Ok(level)
    }
}
