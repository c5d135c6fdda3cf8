//! The settings: the process, where it listens, which engine it guards, for whom, and the policy.
//!
//! An empty value of a setting is read as not set, with a warning; an empty section value is 0, as
//! in Tecnativa's proxy.

mod summary;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::clients::AllowFrom;
use super::diagnostics::{Diagnostic, Severity};
use super::dialect::Source;
use super::dialect::wollomatic::listener::{Asked, Watchdog};
use super::listen::Listen;
use super::names;
use super::paths::{self, shown_path};
use super::snapshot::Snapshot;
use super::sources::{ConfiguredPolicy, Sources};
use super::table::{Dialect, SETTINGS, Values, Written};
use super::values::LogLevel;
use crate::policy::{printable, value_reading};

/// What dockgate runs with.
#[derive(Debug)]
pub struct Settings {
    /// What holds for the process.
    pub process: Process,
    /// The engine's socket.
    pub engine: PathBuf,
    /// Where it listens; never nowhere.
    pub endpoints: Vec<Endpoint>,
    /// Who may connect by TCP; everybody if there is no list.
    pub clients: Option<AllowFrom>,
    /// The decisions, and what they are made of.
    pub policy: ConfiguredPolicy,
    /// Mistakes that do not keep it from starting.
    pub warnings: Vec<Diagnostic>,
    /// The variables that are used for nothing, of an environment that was made for dockgate alone.
    pub unused: Vec<String>,
}

/// What holds for the process, whoever connects to it, until it is started anew.
#[derive(Debug)]
pub struct Process {
    /// How many clients it serves at a time.
    pub max_connections: usize,
    /// Whether somebody asked for so many.
    pub max_connections_set: bool,
    /// How long requests in progress may take to end at shutdown.
    pub shutdown_grace: Duration,
    /// How long a request's body may pause because of its client, if that is limited.
    pub upload_timeout: Option<Duration>,
    /// How many connections one client may have, if that is limited.
    pub client_connections: Option<usize>,
    /// How many requests a second one client may send, if that is limited.
    pub client_rate: Option<u32>,
    /// The host names by which web pages may call it, besides those that are safe.
    pub allowed_hosts: Vec<Box<str>>,
    /// The least severe lines to log.
    pub log_level: LogLevel,
    /// Whether each log line is a JSON object.
    pub log_json: bool,
    /// Whether it answers health checks on a port of its own too.
    pub health_listener: bool,
    /// Looks at the engine's socket from time to time.
    pub watchdog: Option<Watchdog>,
    /// Whether the engine has to be there when dockgate starts.
    pub engine_at_start: bool,
}

/// Where clients connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address or the socket.
    pub listen: Listen,
    /// The mode of the socket.
    pub mode: u32,
}

impl Settings {
    /// Reads everything before it gives up: the errors are all there are, with the warnings.
    pub fn load(snapshot: &Snapshot) -> Result<Settings, Vec<Diagnostic>> {
        let mut diagnostics: Vec<Diagnostic> = names::check(snapshot).collect();
        diagnostics.extend(odd_paths(snapshot));
        let sources = Sources::read(snapshot, &mut diagnostics);
        let mut values = Values::read(&written(snapshot, &mut diagnostics), &mut diagnostics);
        let in_container = snapshot.is_of_process_1();
        let active = sources.regexes.active;
        let asked = Asked::new(&mut values, active, in_container, &mut diagnostics);
        diagnostics.extend(values.twice());
        let endpoints = endpoints(&values, asked.listen, asked.mode, &mut diagnostics);
        let engine = values.socket_path.or_same(&values.sp_socketpath);
        if let (Some(endpoints), Some(engine)) = (&endpoints, engine) {
            diagnostics.extend(compare(&values, endpoints, engine));
        }
        let engine_at_start = active || sources.profile.active();
        let process = Process::of(&values, asked.watchdog, engine_at_start);
        let policy = sources.compile(&mut diagnostics);
        let settings = match (process, endpoints, engine, policy) {
            (Some(process), Some(endpoints), Some(engine), Some(policy))
                if !has_errors(&diagnostics) =>
            {
                diagnostics.extend(policy.idle_zeros());
                Settings {
                    process,
                    engine: engine.clone(),
                    endpoints,
                    clients: asked.clients,
                    policy,
                    warnings: diagnostics,
                    unused: if in_container {
                        names::unused(snapshot)
                    } else {
                        Vec::new()
                    },
                }
            }
            _ => {
                diagnostics.sort_by_key(|one| std::cmp::Reverse(one.severity));
                return Err(diagnostics);
            }
        };
        Ok(settings)
    }
}

fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    let mut all = diagnostics.iter();
    all.any(|one| one.severity == Severity::Error)
}

impl Process {
    fn of(values: &Values, watchdog: Option<Watchdog>, engine_at_start: bool) -> Option<Process> {
        let grace = values.shutdown_grace.or_same(&values.sp_shutdowngracetime);
        Some(Process {
            max_connections: *values.max_connections.get()?,
            max_connections_set: values.max_connections.by.is_some(),
            shutdown_grace: *grace?,
            upload_timeout: Some(*values.upload_timeout.get()?).filter(|time| !time.is_zero()),
            client_connections: Some(*values.client_connections.get()?).filter(|most| *most > 0),
            client_rate: Some(*values.client_rate.get()?).filter(|rate| *rate > 0),
            allowed_hosts: values.allowed_hosts.get()?.clone(),
            log_level: *values.log_level.or_same(&values.sp_loglevel)?,
            log_json: *values.sp_logjson.get()?,
            health_listener: *values.sp_allowhealthcheck.get()?,
            watchdog,
            engine_at_start,
        })
    }
}

/// What is written for each setting that has a value.
fn written(
    snapshot: &Snapshot,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<&'static str, Written> {
    let mut all = BTreeMap::new();
    for setting in SETTINGS
        .iter()
        .filter(|one| one.has_value || !one.supported)
    {
        let Some((by, value)) = snapshot.written(setting) else {
            continue;
        };
        let by_flag = by != setting.name;
        match value.to_str() {
            None => diagnostics.push(Diagnostic::not_utf8(&by)),
            // As if it were written out.
            Some("") if setting.dialect == Dialect::Sections && setting.default.is_empty() => {}
            Some("") if !by_flag => diagnostics.push(Diagnostic::warning(
                &by,
                match setting.dialect {
                    Dialect::Sections => {
                        format!(
                            "{by} is empty and treated as unset (default: {})",
                            setting.default
                        )
                    }
                    _ => format!("{by} is empty and treated as unset"),
                },
                "set a value or remove it",
            )),
            Some("") if !setting.supported => {}
            Some(text) if !setting.supported => {
                let problem = format!(
                    "{by}={} is not supported yet; dockgate does not start with a restriction that it cannot enforce",
                    printable(text)
                );
                let help = "";
                diagnostics.push(Diagnostic::error(&by, problem, help));
            }
            Some(text) => {
                let text = text.to_owned();
                all.insert(setting.name, Written { by, text, by_flag });
            }
        }
    }
    all
}

/// A warning for each path that ends with what can hardly be part of it.
fn odd_paths(snapshot: &Snapshot) -> impl Iterator<Item = Diagnostic> {
    let paths = SETTINGS.iter().filter(|setting| setting.is_path);
    paths.filter_map(|setting| {
        let (by, value) = snapshot.written(setting)?;
        paths::oddity(&by, value.to_str()?)
    })
}

/// Where to listen: as `LISTEN` says, or as another dialect asks, or by default.
fn endpoints(
    values: &Values,
    asked: Option<Listen>,
    asked_mode: Option<u32>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<Endpoint>> {
    let own = &values.listen;
    let disable_ipv6 = disable_ipv6(values, diagnostics);
    let listen = match (&own.by, asked) {
        (None, Some(asked)) => vec![asked],
        (Some(_), _) => own.get()?.clone(),
        (None, None) => own
            .get()?
            .iter()
            .map(|one| one.by_default(disable_ipv6))
            .collect(),
    };
    let own_mode = &values.listen_mode;
    // A default of the other dialect gives way to what is set in this one.
    let mode = match (&own_mode.by, asked_mode) {
        (None, Some(asked)) => asked,
        _ => *own_mode.get()?,
    };
    let endpoints = listen.into_iter();
    Some(endpoints.map(|listen| Endpoint { listen, mode }).collect())
}

fn disable_ipv6(values: &Values, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let name = "DISABLE_IPV6";
    let Some(value) = values.disable_ipv6.set() else {
        return false;
    };
    let is = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    let on = is(&["1", "true", "yes"]);
    if !on && !is(&["0", "false", "no"]) {
        let problem = value_reading(name, value, false);
        diagnostics.push(Diagnostic::warning(name, problem, "use 1 or 0"));
    }
    if on && values.listen.by.is_some() {
        let problem = "LISTEN overrides DISABLE_IPV6, which is ignored";
        diagnostics.push(Diagnostic::warning(name, problem, ""));
    }
    on
}

/// What is wrong where the settings do not fit each other.
fn compare(values: &Values, endpoints: &[Endpoint], engine: &PathBuf) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let mut sockets = endpoints.iter().filter_map(|one| match &one.listen {
        Listen::Unix(path) => Some(path),
        Listen::Tcp { .. } => None,
    });
    if values.listen_mode.by.is_some() && sockets.clone().next().is_none() {
        diagnostics.push(Diagnostic::warning(
            "LISTEN_MODE",
            "LISTEN_MODE is ignored without a Unix socket to listen on",
            "add unix:///PATH to LISTEN, or remove it",
        ));
    }
    if sockets.any(|path| path == engine) {
        let shown = shown_path(engine);
        let problem = format!("LISTEN contains {shown}, which is the engine's own socket");
        diagnostics.push(Diagnostic::error("LISTEN", problem, "use another path"));
    }
    diagnostics
}
