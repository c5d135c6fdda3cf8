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
    AllowFrom, Diagnostic, Presets, Profile, Regexes, Severity, Snapshot, Watchdog,
    dialect::sections::{Grants, POST, Switch},
    names,
    paths::{self, shown_path},
    socket_proxy::SocketProxy,
    waiver::Waiver,
};
use crate::{
    api::sections::{ACTIONS, Route, SECTIONS, Section},
    policy::{Policy, Rule, Unprotected, printable, value_reading},
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
        doc: "A comma list of tcp://ADDRESS:PORT and unix:///PATH",
    },
    Variable {
        name: "LISTEN_MODE",
        default: "0660",
        doc: "The mode of Unix sockets that it listens on, in octal",
    },
    Variable {
        name: "DISABLE_IPV6",
        default: "0",
        doc: "1, true or yes: listen on 0.0.0.0 instead of [::] (LISTEN wins)",
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
        doc: "Seconds for requests in progress to end at shutdown",
    },
    Variable {
        name: "LOG_LEVEL",
        default: "info",
        doc: "debug, info, notice, warning, err, crit, alert or emerg",
    },
    Variable {
        name: "LEARN",
        default: "0",
        doc: "1: protect nothing, and print the smallest grants that would do",
    },
    Variable {
        name: "DRY_RUN",
        default: "0",
        doc: "1: protect nothing, and log what would be denied",
    },
];

/// Those of them that are read as a section's variable is.
const SWITCHES: [&str; 3] = [
    POST,
    Unprotected::Learn.variable(),
    Unprotected::DryRun.variable(),
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
    /// Whether somebody asked for so many.
    pub max_connections_set: bool,
    /// How long requests in progress may take to end at shutdown.
    pub shutdown_grace: Duration,
    /// The least severe lines to log.
    pub log_level: LogLevel,
    /// The decisions.
    pub policy: Arc<Policy>,
    /// Why it denies nothing, if so.
    pub unprotected: Option<Waiver>,
    /// What each granting variable was read as.
    pub grants: Grants,
    /// The presets.
    pub presets: Presets,
    /// The regex allowlists.
    pub regexes: Regexes,
    /// The profile.
    pub profile: Profile,
    /// Who may connect by TCP; everybody if there is no list.
    pub allow_from: Option<AllowFrom>,
    /// Whether each log line is a JSON object.
    pub log_json: bool,
    /// Whether it answers health checks on a port of its own too.
    pub health_listener: bool,
    /// Looks at the engine's socket from time to time.
    pub watchdog: Option<Watchdog>,
    /// Whether the engine has to be there when dockgate starts.
    pub engine_at_start: bool,
    /// Mistakes that do not keep it from starting.
    pub warnings: Vec<Diagnostic>,
    /// The variables that are used for nothing, of an environment that was made for dockgate alone.
    pub unused: Vec<String>,
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
        let mut settings = Settings::read(snapshot)?;
        let zeros: Vec<Diagnostic> = settings.idle_zeros().collect();
        settings.warnings.extend(zeros);
        Ok(settings)
    }

    fn read(snapshot: &Snapshot) -> Result<Settings, Vec<Diagnostic>> {
        let checked = names::check(snapshot).chain(paths::check(snapshot));
        let mut diagnostics: Vec<Diagnostic> = checked.collect();
        let presets = Presets::read(snapshot, &mut diagnostics);
        let regexes = Regexes::read(snapshot, &mut diagnostics);
        let profile = Profile::read(snapshot, &mut diagnostics);
        let alone = !presets.active && !regexes.active && profile.name.is_none();
        let grants = Grants::read(snapshot, alone, &mut diagnostics);
        let sp = SocketProxy::read(snapshot, regexes.active, &mut diagnostics);
        let mut reader = Reader { diagnostics };
        let raw = reader.raw(snapshot);
        let listen_set = raw.listen.is_some();
        let disable_ipv6 = reader.disable_ipv6(raw.disable_ipv6, listen_set);
        let mode_set = raw.listen_mode.is_some();
        let mode_of = sp
            .listen_mode
            .filter(|(name, _)| !(name.is_empty() && mode_set));
        let listen = reader.parse("LISTEN", raw.listen, listeners);
        let listen = listen.map(|listen| {
            if listen_set {
                listen
            } else {
                by_default(listen, disable_ipv6)
            }
        });
        // A default of the other dialect gives way to what is set in this one.
        let elsewhere = sp
            .listen
            .filter(|(name, _)| !(name.is_empty() && listen_set));
        let elsewhere = elsewhere.map(|(name, one)| (name, vec![one]));
        let listen = reader.either("LISTEN", listen_set, listen, elsewhere);
        let listen_mode = reader.parse("LISTEN_MODE", raw.listen_mode, mode);
        let listen_mode = reader.either("LISTEN_MODE", mode_set, listen_mode, mode_of);
        let path_set = raw.socket_path.is_some();
        let socket_path = reader.parse("SOCKET_PATH", raw.socket_path, engine_socket);
        let socket_path = reader.either("SOCKET_PATH", path_set, socket_path, sp.socket_path);
        let connections = |value: &str| number(value, 1, 1_000_000);
        let max_connections_set = raw.max_connections.is_some();
        let max_connections = reader.parse("MAX_CONNECTIONS", raw.max_connections, connections);
        let seconds = |value: &str| number(value, 0, 3600).map(Duration::from_secs);
        let grace_set = raw.shutdown_grace.is_some();
        let grace = reader.parse("SHUTDOWN_GRACE", raw.shutdown_grace, seconds);
        let shutdown_grace = reader.either("SHUTDOWN_GRACE", grace_set, grace, sp.shutdown_grace);
        let level_set = raw.log_level.is_some();
        let level = reader.parse("LOG_LEVEL", raw.log_level, str::parse);
        let log_level = reader.either("LOG_LEVEL", level_set, level, sp.log_level);
        if let (Some(listen), Some(engine)) = (&listen, &socket_path) {
            reader.compare(listen, mode_set, engine);
        }
        let unprotected = reader.unprotected(snapshot);
        let patterns_are_offered = regexes.active || profile.is_file();
        let rules = grants.rules(!patterns_are_offered).into_iter();
        let rules: Vec<Rule> = rules
            .chain(presets.rules())
            .chain(profile.rules())
            .collect();
        let policy = Policy::new(&rules).map_err(|error| {
            let help = "this is a mistake in dockgate: please report it";
            reader.error("POST", error.to_string(), help);
        });
        let patterns = regexes.allowlist().map_err(|error| {
            let problem = format!("SP_ALLOW_...: {error}");
            reader.error("SP_ALLOW_", problem, "write fewer or simpler patterns");
        });
        let lines = profile.allowlist().map_err(|error| {
            let problem = format!("PROFILE: {error}");
            reader.error("PROFILE", problem, "write fewer or simpler lines");
        });
        let mut warnings = reader.diagnostics;
        let errors = warnings.iter().any(|one| one.severity == Severity::Error);
        let parts = (
            listen,
            listen_mode,
            socket_path,
            max_connections,
            shutdown_grace,
            log_level,
            policy,
            patterns,
            lines,
        );
        match parts {
            (
                Some(listen),
                Some(listen_mode),
                Some(socket_path),
                Some(max_connections),
                Some(shutdown_grace),
                Some(log_level),
                Ok(policy),
                Ok(patterns),
                Ok(lines),
            ) if !errors => Ok(Settings {
                listen,
                listen_mode,
                socket_path,
                max_connections,
                max_connections_set,
                shutdown_grace,
                log_level,
                policy: Arc::new({
                    let lists = patterns.into_iter().chain(lines);
                    let policy = lists.fold(policy, Policy::with);
                    match unprotected {
                        Some(waiver) => policy.unprotected(waiver),
                        None => policy,
                    }
                }),
                unprotected,
                engine_at_start: regexes.active || profile.name.is_some(),
                grants,
                presets,
                regexes,
                profile,
                allow_from: sp.allow_from,
                log_json: sp.log_json,
                health_listener: sp.health_listener,
                watchdog: sp.watchdog,
                warnings,
                unused: if snapshot.is_of_process_1() {
                    names::unused(snapshot)
                } else {
                    Vec::new()
                },
            }),
            _ => {
                warnings.sort_by_key(|one| std::cmp::Reverse(one.severity));
                Err(warnings)
            }
        }
    }

    /// The dialects: whether each is active, and what it contributes.
    pub fn dialects(&self) -> Vec<(&'static str, bool, String)> {
        let granted = self.granted_sections().map(|section| section.name);
        let actions = ACTIONS
            .iter()
            .flat_map(|action| [action.allow, action.deny]);
        let switches = [POST].into_iter().chain(actions);
        let grants: Vec<&str> = granted
            .chain(switches.filter(|variable| self.grants.on(variable)))
            .collect();
        let patterns: Vec<&str> = (self.regexes.lines.iter())
            .map(|line| line.origin.as_str())
            .collect();
        let or_nothing = |names: &[&str]| match names {
            [] => "nothing".to_owned(),
            names => names.join(" "),
        };
        let profile = match &self.profile.name {
            Some(name) if self.profile.preset.is_some() => format!("PROFILE={name}, a preset"),
            Some(name) => {
                let (name, lines) = (printable(name), self.profile.lines.len());
                format!("PROFILE={name}, {lines} lines{}", self.profile.origin())
            }
            None => "nothing".to_owned(),
        };
        let presets = self.presets.chosen.iter().map(|preset| preset.name);
        let presets = or_nothing(&presets.collect::<Vec<_>>());
        vec![
            ("sections", self.grants.active, or_nothing(&grants)),
            ("presets", self.presets.active, presets),
            ("patterns", self.regexes.active, or_nothing(&patterns)),
            ("profile", self.profile.name.is_some(), profile),
        ]
    }

    /// What is granted and which engine it guards, in a few lines. Where it really listens is told
    /// by who listens.
    pub fn summary(&self) -> Vec<String> {
        let mut lines = self.granted();
        if let Some(why) = self.unprotected {
            // What the variables grant is not what is allowed then.
            let without = format!("without {}: ", why.variable());
            lines
                .iter_mut()
                .for_each(|line| line.insert_str(0, &without));
            let all = format!("reads and writes: everything ({}=1)", why.variable());
            lines.insert(0, all);
        }
        if let Some(list) = &self.allow_from {
            lines.push(format!("clients by TCP: {}", printable(&list.text)));
        }
        lines.push(format!("engine: {}", shown_path(&self.socket_path)));
        lines
    }

    /// What each dialect grants.
    fn granted(&self) -> Vec<String> {
        let mut lines = self.granted_by_variables();
        for (dialect, active, contributes) in self.dialects().iter().skip(1) {
            let named_below = *dialect == "presets" && !self.presets.chosen.is_empty();
            if *active && !named_below {
                lines.push(format!("{dialect}: {contributes}"));
            }
        }
        lines.extend(self.presets_granted());
        lines
    }

    /// What each preset grants: `preset traefik: PING VERSION EVENTS LIST INSPECT`.
    pub fn presets_granted(&self) -> impl Iterator<Item = String> {
        let presets = self.presets.chosen.iter().chain(&self.profile.preset);
        presets.map(|preset| format!("preset {}: {}", preset.name, preset.grants.join(" ")))
    }

    /// What the section variables and actions grant.
    fn granted_by_variables(&self) -> Vec<String> {
        let names = |sections: &[&Section]| match sections {
            [] => "none".to_owned(),
            some => some
                .iter()
                .map(|section| section.name)
                .collect::<Vec<_>>()
                .join(" "),
        };
        let granted: Vec<&Section> = self.granted_sections().collect();
        let others = self.dialects().iter().skip(1).any(|(_, active, _)| *active)
            || ACTIONS.iter().any(|action| self.grants.on(action.allow));
        let writes = match (self.grants.on(POST), others) {
            (true, _) => names(&granted),
            (false, false) => "none (POST=0)".to_owned(),
            // Some of those may be writes.
            (false, true) => "none but the following (POST=0)".to_owned(),
        };
        let mut lines = Vec::new();
        if self.grants.active {
            lines.push(format!("reads: {}", names(&granted)));
            lines.push(format!("writes: {writes}"));
        }
        for action in ACTIONS {
            let (allow, deny) = (action.allow, action.deny);
            if self.grants.on(deny) {
                lines.push(format!("{deny}: {}", Route::list(action.denied())));
            } else if self.grants.on(allow) {
                lines.push(format!("{allow}: {}", Route::list(action.routes)));
            }
        }
        lines
    }

    /// A note, if variables are used for nothing: some of them, in one line.
    pub fn used_for_nothing(&self) -> Option<String> {
        const MOST: usize = 20;
        let shown = self.unused.get(..MOST).unwrap_or(&self.unused).join(" ");
        let more = match self.unused.len().saturating_sub(MOST) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (!shown.is_empty()).then(|| format!("variables without effect: {shown}{more}"))
    }

    pub(super) fn granted_sections(&self) -> impl Iterator<Item = &'static Section> {
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
pub(super) type Unfit = (String, &'static str);

struct Reader {
    diagnostics: Vec<Diagnostic>,
}

impl Reader {
    fn raw(&mut self, snapshot: &Snapshot) -> Raw {
        let mut set = Vec::new();
        for Variable { name, default, .. } in VARIABLES
            .iter()
            .filter(|known| !SWITCHES.contains(&known.name))
        {
            match snapshot.get(name).map(|value| value.to_str()) {
                Some(Some("")) => self.warning(
                    name,
                    format!("{name} is empty and read as not set: {default}"),
                    "give it a value or leave it out",
                ),
                Some(Some(value)) => set.push(((*name).to_owned(), value.to_owned())),
                Some(None) => self.error(
                    name,
                    format!("the value of {name} is not UTF-8"),
                    "write it in UTF-8",
                ),
                None => {}
            }
        }
        envy::from_iter(set).expect("optional strings take every value")
    }

    /// Whether it is to deny nothing, and why.
    fn unprotected(&mut self, snapshot: &Snapshot) -> Option<Waiver> {
        let mut asked = Unprotected::ALL
            .into_iter()
            .filter(|why| Switch::read(snapshot, why.variable(), false, &mut self.diagnostics).on);
        let (first, second) = (asked.next()?, asked.next());
        if let Some(second) = second {
            let (first, second) = (first.variable(), second.variable());
            let problem = format!("{first} wins over {second}, which has no effect");
            self.warning(second, problem, "leave one of them out");
        }
        Some(Waiver::by_user(first))
    }

    /// The value, or else the default, as what it means. What is wrong with it is noted.
    fn parse<T>(
        &mut self,
        name: &str,
        value: Option<String>,
        parse: impl FnOnce(&str) -> Result<T, Unfit>,
    ) -> Option<T> {
        let default = || {
            VARIABLES
                .iter()
                .find(|known| known.name == name)
                .map(|known| known.default)
        };
        parse(value.as_deref().or_else(default)?)
            .map_err(|(what, help)| {
                let value = value.unwrap_or_default();
                self.error(name, format!("{name}={} {what}", printable(&value)), help);
            })
            .ok()
    }

    /// A setting that has two names, by whichever it is set. One name takes part in `set`, the other
    /// comes with its value.
    fn either<T>(
        &mut self,
        name: &str,
        set: bool,
        value: Option<T>,
        other: Option<(String, T)>,
    ) -> Option<T> {
        match other {
            Some((other, _)) if set => {
                let problem = format!("{name} and {other} are both set and say the same thing");
                self.error(name, problem, "leave one of them out");
                None
            }
            Some((_, value)) => Some(value),
            None => value,
        }
    }

    /// Looks at settings that do not fit each other.
    fn compare(&mut self, listen: &[Listen], mode_set: bool, engine: &Path) {
        let mut sockets = listen.iter().filter_map(|listen| match listen {
            Listen::Unix(path) => Some(path),
            Listen::Tcp { .. } => None,
        });
        if mode_set && sockets.clone().next().is_none() {
            self.warning(
                "LISTEN_MODE",
                "LISTEN_MODE has no effect without a Unix socket to listen on",
                "add unix:///PATH to LISTEN, or leave it out",
            );
        }
        if sockets.any(|path| path == engine) {
            let problem = format!(
                "LISTEN has {}, which is the engine's own socket",
                shown_path(engine)
            );
            self.error("LISTEN", problem, "write another path");
        }
    }

    fn error(&mut self, name: &str, problem: impl Into<String>, help: &str) {
        self.diagnostics
            .push(Diagnostic::error(name, problem, help));
    }

    fn warning(&mut self, name: &str, problem: impl Into<String>, help: &str) {
        self.diagnostics
            .push(Diagnostic::warning(name, problem, help));
    }

    fn disable_ipv6(&mut self, value: Option<String>, listen_set: bool) -> bool {
        let name = "DISABLE_IPV6";
        let Some(value) = value else { return false };
        let is = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
        let on = is(&["1", "true", "yes"]);
        if !on && !is(&["0", "false", "no"]) {
            self.warning(name, value_reading(name, &value, false), "write 1 or 0");
        }
        if on && listen_set {
            let problem = "LISTEN wins over DISABLE_IPV6, which has no effect";
            self.warning(name, problem, "leave one of them out");
        }
        on
    }
}

/// The default address falls back to IPv4, or is that from the start.
fn by_default(mut listen: Vec<Listen>, disable_ipv6: bool) -> Vec<Listen> {
    for one in &mut listen {
        if let Listen::Tcp { addr, fallback_v4 } = one {
            *fallback_v4 = !disable_ipv6;
            if disable_ipv6 {
                addr.set_ip(Ipv4Addr::UNSPECIFIED.into());
            }
        }
    }
    listen
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
            Listen::Unix(path) => write!(f, "unix://{}", shown_path(path)),
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
pub(super) fn socket_file(path: &str) -> Result<PathBuf, Unfit> {
    const LONGEST: usize = 107;
    if path.len() > LONGEST {
        return Err((
            format!("is longer than the {LONGEST} bytes of a socket's path"),
            "write a shorter path",
        ));
    }
    if !path.starts_with('/') || path.ends_with('/') {
        return Err((
            "is no absolute path of a Unix socket".to_owned(),
            "write it like /var/run/docker.sock; other kinds of address are not supported",
        ));
    }
    Ok(Path::new(path).to_owned())
}

pub(super) fn mode(value: &str) -> Result<u32, Unfit> {
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

pub(super) fn number<T: FromStr + PartialOrd + fmt::Display>(
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

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    use super::*;

    fn load(env: &[(&str, &str)]) -> Result<Settings, Vec<Diagnostic>> {
        Settings::load(&env.iter().copied().collect())
    }

    fn good(env: &[(&str, &str)]) -> Settings {
        load(env).unwrap()
    }

    fn warnings(env: &[(&str, &str)]) -> Vec<String> {
        good(env).warnings.iter().map(ToString::to_string).collect()
    }

    fn tcp(address: &str) -> Listen {
        Listen::Tcp {
            addr: address.parse().unwrap(),
            fallback_v4: false,
        }
    }

    #[test]
    fn defaults_are_as_documented() {
        let settings = good(&[]);
        let addr = "[::]:2375".parse().unwrap();
        assert_eq!(
            settings.listen,
            [Listen::Tcp {
                addr,
                fallback_v4: true
            }]
        );
        assert_eq!(settings.listen_mode, 0o660);
        assert_eq!(settings.socket_path, Path::new("/var/run/docker.sock"));
        assert_eq!(settings.max_connections, 10_000);
        assert_eq!(settings.shutdown_grace, Duration::from_secs(5));
        assert_eq!(settings.log_level, LogLevel::Info);
        assert_eq!(settings.warnings, []);
        // Written out, they are the same, but that nothing falls back.
        let all: Vec<(&str, &str)> = VARIABLES
            .iter()
            .map(|one| (one.name, one.default))
            .collect();
        let written = good(
            &all.iter()
                .copied()
                .filter(|one| one.0 != "LISTEN_MODE")
                .collect::<Vec<_>>(),
        );
        assert_eq!(written.listen, [tcp("[::]:2375")]);
        assert_eq!(written.warnings, []);
        let values = |one: &Settings| {
            let numbers = (
                one.max_connections,
                one.shutdown_grace,
                one.log_level,
                one.listen_mode,
            );
            (one.socket_path.clone(), numbers)
        };
        assert_eq!(values(&written), values(&settings));
        assert_eq!(mode("0660"), Ok(settings.listen_mode));
    }

    #[test]
    fn a_wildcard_is_reached_on_loopback() {
        let local = |listen: &Listen| {
            let addresses = listen.local_addresses();
            addresses
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            local(&good(&[]).listen[0]),
            ["[::1]:2375", "127.0.0.1:2375"]
        );
        assert_eq!(local(&tcp("0.0.0.0:1")), ["127.0.0.1:1"]);
        assert_eq!(local(&tcp("10.0.0.1:1")), ["10.0.0.1:1"]);
    }

    #[test]
    fn values_that_make_sense_are_taken() {
        let listen = |value| good(&[("LISTEN", value)]).listen;
        let unix = |path: &str| Listen::Unix(path.into());
        assert_eq!(listen("tcp://127.0.0.1:2375"), [tcp("127.0.0.1:2375")]);
        assert_eq!(
            listen("tcp://[::1]:1, unix:///run/d.sock"),
            [tcp("[::1]:1"), unix("/run/d.sock")]
        );
        assert_eq!(
            good(&[("SOCKET_PATH", "unix@/x/y")]).socket_path,
            Path::new("/x/y")
        );
        assert_eq!(
            good(&[("SOCKET_PATH", "/x/y")]).socket_path,
            Path::new("/x/y")
        );
        assert_eq!(good(&[("MAX_CONNECTIONS", "1")]).max_connections, 1);
        assert_eq!(
            good(&[("SHUTDOWN_GRACE", "0")]).shutdown_grace,
            Duration::ZERO
        );
        assert_eq!(good(&[("LOG_LEVEL", "err")]).log_level, LogLevel::Err);
        assert_eq!(good(&[("LOG_LEVEL", "DEBUG")]).log_level, LogLevel::Debug);
        let env = [("LISTEN", "unix:///x"), ("LISTEN_MODE", "600")];
        assert_eq!(good(&env).listen_mode, 0o600);
        for value in ["1", "true", "TRUE", "yes", "Yes"] {
            assert_eq!(
                good(&[("DISABLE_IPV6", value)]).listen,
                [tcp("0.0.0.0:2375")],
                "{value}"
            );
        }
        assert!(LogLevel::Debug < LogLevel::Info && LogLevel::Err < LogLevel::Emerg);
    }

    macro_rules! refused {
        ($($name:ident: $variable:literal $value:expr => $problem:literal;)*) => {$(
            #[test]
            fn $name() {
                let mut errors = load(&[($variable, $value)]).unwrap_err();
                errors.retain(|one| one.severity == Severity::Error);
                let [error] = errors.as_slice() else { panic!("{errors:?}") };
                assert_eq!(error.variable, $variable);
                assert_eq!(error.problem, format!("{}{}", $variable, $problem));
                assert!(error.help.starts_with("write "), "{}", error.help);
            }
        )*};
    }

    refused! {
        no_scheme: "LISTEN" "127.0.0.1:2375" =>
            "=127.0.0.1:2375 has 127.0.0.1:2375, which is no address";
        host_name: "LISTEN" "tcp://localhost:2375" =>
            "=tcp://localhost:2375 has tcp://localhost:2375, which is no address";
        no_port: "LISTEN" "tcp://0.0.0.0" => "=tcp://0.0.0.0 has tcp://0.0.0.0, which is no address";
        large_port: "LISTEN" "tcp://[::]:65536" =>
            "=tcp://[::]:65536 has tcp://[::]:65536, which is no address";
        other_scheme: "LISTEN" "https://[::]:1" =>
            "=https://[::]:1 has https://[::]:1, which is no address";
        empty_item: "LISTEN" "tcp://[::]:1," => "=tcp://[::]:1, has an empty item";
        twice: "LISTEN" "unix:///a,unix:///a" => "=unix:///a,unix:///a has unix:///a twice";
        relative_socket: "LISTEN" "unix://a" => "=unix://a is no absolute path of a Unix socket";
        folder: "LISTEN" "unix:///run/" => "=unix:///run/ is no absolute path of a Unix socket";
        own_engine: "LISTEN" "unix:///var/run/docker.sock" =>
            " has /var/run/docker.sock, which is the engine's own socket";
        file_mode: "LISTEN_MODE" "rw" => "=rw is no file mode";
        large_mode: "LISTEN_MODE" "1777" => "=1777 is no file mode";
        signed_mode: "LISTEN_MODE" "+660" => "=+660 is no file mode";
        docker_host: "SOCKET_PATH" "unix:///var/run/docker.sock" =>
            "=unix:///var/run/docker.sock is no absolute path of a Unix socket";
        tcp_engine: "SOCKET_PATH" "tcp://10.0.0.1:2375" =>
            "=tcp://10.0.0.1:2375 is no absolute path of a Unix socket";
        haproxy_ipv4: "SOCKET_PATH" "ipv4@10.0.0.1:2375" =>
            "=ipv4@10.0.0.1:2375 is no absolute path of a Unix socket";
        haproxy_abstract: "SOCKET_PATH" "abns@docker" =>
            "=abns@docker is no absolute path of a Unix socket";
        haproxy_fd: "SOCKET_PATH" "fd@3" => "=fd@3 is no absolute path of a Unix socket";
        relative_engine: "SOCKET_PATH" "unix@docker.sock" =>
            "=unix@docker.sock is no absolute path of a Unix socket";
        no_connections: "MAX_CONNECTIONS" "0" => "=0 is no whole number from 1 to 1000000";
        fewer_connections: "MAX_CONNECTIONS" "-1" => "=-1 is no whole number from 1 to 1000000";
        word_connections: "MAX_CONNECTIONS" "10k" => "=10k is no whole number from 1 to 1000000";
        signed_connections: "MAX_CONNECTIONS" "+5" => "=+5 is no whole number from 1 to 1000000";
        huge: "MAX_CONNECTIONS" "99999999999999999999" =>
            "=99999999999999999999 is no whole number from 1 to 1000000";
        grace_unit: "SHUTDOWN_GRACE" "5s" => "=5s is no whole number from 0 to 3600";
        grace_spaces: "SHUTDOWN_GRACE" " 5" => "=\" 5\" is no whole number from 0 to 3600";
        level: "LOG_LEVEL" "loud" => "=loud is no log level";
        long_level: "LOG_LEVEL" "error\n" => "=\"error\\n\" is no log level";
    }

    #[test]
    fn a_long_socket_path_is_refused() {
        let fits = format!("/{}", "x".repeat(106));
        assert_eq!(
            good(&[("SOCKET_PATH", &fits)]).socket_path,
            Path::new(&fits)
        );
        let errors = load(&[("SOCKET_PATH", &format!("{fits}x"))]).unwrap_err();
        assert!(
            errors[0]
                .problem
                .ends_with("... is longer than the 107 bytes of a socket's path")
        );
    }

    #[test]
    fn all_mistakes_are_told_at_once_errors_first() {
        let env = [
            ("CONTAINERS", "true"),
            ("LISTEN", "x"),
            ("LOG_LEVEL", "x"),
            ("MAX_CONNECTIONS", "x"),
            ("SHUTDOWN_GRACE", "x"),
            ("SOCKET_PATH", "x"),
            ("LISTEN_MODE", "x"),
            ("IAMGES", "1"),
        ];
        let told = load(&env).unwrap_err();
        let variables: Vec<&str> = told.iter().map(|one| one.variable.as_str()).collect();
        assert_eq!(
            variables,
            [
                "LISTEN",
                "LISTEN_MODE",
                "SOCKET_PATH",
                "MAX_CONNECTIONS",
                "SHUTDOWN_GRACE",
                "LOG_LEVEL",
                "IAMGES",
                "CONTAINERS",
            ]
        );
    }

    #[test]
    fn odd_values_are_warned_about() {
        for (variable, value, warning) in [
            (
                "CONTAINERS",
                "true",
                "CONTAINERS=true is read as 0; write CONTAINERS=1",
            ),
            ("POST", "\"1\"", "POST=\"1\" is read as 0; write POST=1"),
            ("POST", "off", "POST=off is read as 0; write POST=0"),
            ("POST", " 1", "POST=\" 1\" is read as 0; write POST=1"),
            ("EVENTS", "", "EVENTS=\"\" is read as 0; write EVENTS=0"),
            ("INFO", "2", "INFO=2 is read as 1; write INFO=1"),
            ("INFO", "00", "INFO=00 is read as 0; write INFO=0"),
            (
                "DISABLE_IPV6",
                "maybe",
                "DISABLE_IPV6=maybe is read as 0; write 1 or 0",
            ),
            (
                "LOG_LEVEL",
                "",
                "LOG_LEVEL is empty and read as not set: info; give it a value or leave it out",
            ),
            (
                "LISTEN_MODE",
                "0600",
                "LISTEN_MODE has no effect without a Unix socket to listen on; add unix:///PATH to LISTEN, or leave it out",
            ),
            (
                "ALLOW_START",
                "1",
                "ALLOW_START=1 has no effect in Tecnativa's proxy without POST=1; here it allows POST /containers/{id}/start all the same",
            ),
        ] {
            assert_eq!(warnings(&[(variable, value)]), [warning]);
        }
        assert_eq!(warnings(&[("ALLOW_START", "1"), ("POST", "1")]), [""; 0]);
        let both = [("LISTEN", "tcp://[::]:1"), ("DISABLE_IPV6", "1")];
        assert_eq!(
            warnings(&both),
            ["LISTEN wins over DISABLE_IPV6, which has no effect; leave one of them out"]
        );
        assert_eq!(good(&both).listen, [tcp("[::]:1")]);
    }

    #[test]
    fn a_deny_that_would_not_deny_is_refused() {
        for value in ["true", "yes", " 1", "\"1\"", "on"] {
            let errors = load(&[("DENY_EXEC", value)]).unwrap_err();
            let [error] = &*errors else {
                panic!("{errors:?}")
            };
            assert_eq!(
                (error.severity, &*error.variable),
                (Severity::Error, "DENY_EXEC")
            );
            assert_eq!(error.help, "write DENY_EXEC=1");
        }
        for value in ["0", "", "false", "no", "off", "00"] {
            assert!(
                !good(&[("DENY_EXEC", value)]).grants.on("DENY_EXEC"),
                "{value}"
            );
        }
        let told = |name| match load(&[(name, "1")]) {
            Ok(settings) => panic!("{:?}", settings.warnings),
            Err(errors) => errors[0].to_string(),
        };
        assert_eq!(
            told("DENY_EXCE"),
            "DENY_EXCE is no variable of dockgate: it denies nothing; is DENY_EXEC meant?"
        );
        assert_eq!(
            told("DENY_EVENTS"),
            "DENY_EVENTS is no variable of dockgate: it denies nothing; write EVENTS=0"
        );
        assert_eq!(good(&[("DENY_EXCE", "0")]).warnings.len(), 1);
    }

    #[test]
    fn a_deny_wins_over_its_allow_and_says_so() {
        let both = [("ALLOW_START", "1"), ("DENY_START", "1")];
        assert_eq!(
            warnings(&both),
            ["DENY_START=1 wins over ALLOW_START=1, which has no effect; take one of them out"]
        );
    }

    #[test]
    fn reading_files_without_post_is_noted_with_what_closes_it() {
        let note = |env: &[(&str, &str)]| good(env).files_readable();
        assert_eq!(
            note(&[("CONTAINERS", "1"), ("IMAGES", "1")]).unwrap(),
            "POST=0 leaves the contents of files readable (GET /containers/{id}/archive, \
             HEAD /containers/{id}/archive, GET /containers/{id}/export, GET /images/get, \
             GET /images/{name...}/get); to close that: DENY_ARCHIVE=1 DENY_EXPORT=1 DENY_SAVE=1"
        );
        assert_eq!(
            note(&[("CONTAINERS", "1"), ("DENY_ARCHIVE", "1")]).unwrap(),
            "POST=0 leaves the contents of files readable (GET /containers/{id}/export); \
             to close that: DENY_EXPORT=1"
        );
        let closed = [
            ("CONTAINERS", "1"),
            ("DENY_ARCHIVE", "1"),
            ("DENY_EXPORT", "1"),
        ];
        assert_eq!(note(&closed), None);
        // Those who asked for it know.
        assert_eq!(note(&[("ALLOW_ARCHIVE", "1")]), None);
        assert_eq!(note(&[("CONTAINERS", "1"), ("POST", "1")]), None);
        assert_eq!(note(&[]), None);
    }

    #[test]
    fn values_that_are_not_utf_8_do_no_harm() {
        let odd = OsStr::from_bytes(b"1\xff");
        let one = |name: &str| Settings::load(&Snapshot::from_iter([(name, odd)]));
        assert!(one("CONTAINERS").unwrap().grants.on("CONTAINERS"));
        assert!(one("SOMETHING").unwrap().warnings.is_empty());
        let errors = one("SOCKET_PATH").unwrap_err();
        assert_eq!(
            errors[0].to_string(),
            "the value of SOCKET_PATH is not UTF-8; write it in UTF-8"
        );
        let name = OsStr::from_bytes(b"CONTAINERS\xff");
        assert!(Settings::load(&Snapshot::from_iter([(name, odd)])).is_ok());
    }

    #[test]
    fn the_summary_does_not_deny_what_an_unprotected_policy_allows() {
        for variable in ["LEARN", "DRY_RUN"] {
            assert_eq!(
                good(&[("PRESET", "trivy"), (variable, "1"), ("INFO", "1")]).summary(),
                [
                    &format!("reads and writes: everything ({variable}=1)"),
                    &format!("without {variable}: reads: EVENTS INFO PING VERSION"),
                    &format!("without {variable}: writes: none but the following (POST=0)"),
                    &format!("without {variable}: preset trivy: PING IMAGE_INSPECT HISTORY SAVE"),
                    "engine: /var/run/docker.sock",
                ]
            );
        }
    }

    #[test]
    fn the_summary_tells_what_is_granted() {
        assert_eq!(
            good(&[("CONTAINERS", "1")]).summary(),
            [
                "reads: CONTAINERS EVENTS PING VERSION",
                "writes: none (POST=0)",
                "engine: /var/run/docker.sock"
            ]
        );
        let env = [
            ("POST", "1"),
            ("BUILD", "1"),
            ("EVENTS", "0"),
            ("ALLOW_STOP", "1"),
            ("DENY_ARCHIVE", "1"),
        ];
        let settings = good(&env);
        assert_eq!(
            settings.summary(),
            [
                "reads: BUILD PING VERSION",
                "writes: BUILD PING VERSION",
                "DENY_ARCHIVE: GET /containers/{id}/archive, HEAD /containers/{id}/archive, \
                 POST /containers/{id}/copy",
                "ALLOW_STOP: POST /containers/{id}/stop",
                "engine: /var/run/docker.sock",
            ]
        );
        assert_eq!(
            settings.root_on_host().unwrap(),
            "a client can become root on the host: \
             BUILD (a build runs code as root and can join the host's network)"
        );
        assert_eq!(
            good(&[("CONTAINERS", "1"), ("PRESET", "autoheal")]).summary(),
            [
                "reads: CONTAINERS EVENTS PING VERSION",
                "writes: none but the following (POST=0)",
                "preset autoheal: LIST RESTART",
                "engine: /var/run/docker.sock",
            ]
        );
        assert_eq!(good(&[("POST", "1")]).root_on_host(), None);
        assert_eq!(
            good(&[("CONTAINERS", "1"), ("EXEC", "1")]).root_on_host(),
            None
        );
    }
}
