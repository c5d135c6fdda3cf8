//! The settings: the process, where it listens, which engine it guards, for whom, and the policy.
//!
//! An empty value of a setting is read as not set, with a warning; an empty section value is 0, as
//! in Tecnativa's proxy.

mod lasting;
mod listening;
mod named;
mod reload;
mod summary;
#[cfg(test)]
mod tests;
mod tls;

pub use lasting::{Lasting, origin_of};
pub use reload::{Decisions, Reloaded};
pub(super) use tls::files as tls_files;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

use super::diagnostics::Diagnostic;
use super::dialect::Source as _;
use super::dialect::cetusguard::addresses;
use super::dialect::mikesir87::{self, Middleware};
use super::dialect::wollomatic::labels;
use super::dialect::wollomatic::listener::{Asked, Watchdog};
use super::engines::{Engine, Engines};
use super::file::{Chosen, DEFAULT, Document, Origin, Place};
use super::listen::Listen;
use super::look::Look;
use super::names;
use super::paths;
use super::policies::{Policies, PolicyId};
use super::snapshot::Snapshot;
use super::sources::{ConfiguredPolicy, Sources};
use super::table::{Dialect, SETTINGS, Values, Written};
use super::values::LogLevel;
use crate::clients::{AllowFrom, Rules};
use crate::tls::Server;

/// What dockgate runs with.
#[derive(Debug)]
pub struct Settings {
    /// What holds for the process.
    pub process: Process,
    /// The engine of policies and endpoints that name none: `SOCKET_PATH`'s.
    pub engine: Arc<Engine>,
    /// Where it listens; never nowhere.
    pub endpoints: Vec<Endpoint>,
    /// Who may connect by TCP; everybody if there is no list.
    pub clients: Option<AllowFrom>,
    /// Which clients have which policy; others have their endpoint's. Empty without a file.
    pub rules: Rules<PolicyId>,
    /// Where each rule is.
    pub rule_places: Vec<Place>,
    /// The decisions, and what they are made of.
    pub policies: Policies,
    /// Where the configuration's files are, if there are any.
    pub origin: Option<Origin>,
    /// What was read of them.
    pub seen: Look,
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
    /// The name or the ID of its own container, if that is given.
    pub self_container: Option<String>,
    /// What the labels begin with that give a client's container a list of its own, if they do.
    pub label_prefix: Option<String>,
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
    /// The policy of clients that no rule is for.
    pub policy: PolicyId,
    /// The engine of policies that name none, if it is not the default one.
    pub engine: Option<Arc<Engine>>,
    /// What it does with TLS, if it speaks that.
    pub tls: Option<Arc<Server>>,
}

impl Settings {
    /// Reads everything before it gives up: the errors are all there are, with the warnings.
    pub fn load(snapshot: &Snapshot) -> Result<Settings, Vec<Diagnostic>> {
        let chosen = Chosen::of(|name| snapshot.get(name), mikesir87::FOLDER.as_ref());
        let seen = Look::take(chosen.origin.as_ref(), snapshot, None);
        let (settings, _) = Settings::read(snapshot, chosen, seen, None)?;
        Ok(settings)
    }

    /// The engines that requests can go to, each once.
    pub fn engines(&self) -> Vec<Arc<Engine>> {
        Decisions::from(self).engines()
    }

    /// The engine that a policy's requests go to, at one endpoint or at any. None: that depends on the
    /// endpoint.
    pub fn engine_of<'a>(
        &'a self,
        policy: &'a ConfiguredPolicy,
        at: Option<&Endpoint>,
    ) -> Option<&'a Arc<Engine>> {
        let endpoints = self.endpoints.iter();
        let endpoints = endpoints.filter(|one| at.is_none_or(|at| at == *one));
        let mut engines = endpoints.map(|one| policy.engine_at(one, &self.engine));
        let first = engines.next()?;
        engines.all(|other| other == first).then_some(first)
    }

    /// The settings, and what of them holds only after a restart.
    fn read(
        snapshot: &Snapshot,
        Chosen { origin, conflict }: Chosen,
        seen: Look,
        current: Option<&Policies>,
    ) -> Result<(Settings, Vec<String>), Vec<Diagnostic>> {
        let mut diagnostics: Vec<Diagnostic> = names::check(snapshot).collect();
        diagnostics.extend(odd_paths(snapshot));
        // Without what is refused, only to find more mistakes.
        let (mut document, mut mistakes) = match (*seen.document).clone() {
            Ok(document) => (document, Vec::new()),
            Err(refused) => (*refused.rest, refused.mistakes),
        };
        match conflict {
            Some(conflict) if mikesir87::is_alone(&document) => diagnostics.push(conflict.reading),
            // Which documents count is not known.
            Some(conflict) => {
                (document, mistakes) = (Document::default(), vec![conflict.mistake]);
            }
            None => {}
        }
        diagnostics.extend(mistakes);
        let middleware = Middleware::of_environment(&document, &mut diagnostics);
        let mut sources =
            Sources::read(DEFAULT, snapshot, middleware, &seen.texts, &mut diagnostics);
        let mut values = Values::read(&written(snapshot, &mut diagnostics), &mut diagnostics);
        let in_container = snapshot.is_of_process_1();
        listening::take(&document.endpoints, &mut values, &mut diagnostics);
        let of_cetusguard = sources.rule_lines.active;
        if of_cetusguard {
            addresses::take(snapshot, &mut values, in_container, &mut diagnostics);
        }
        let engines = Engines::read(&values, &document.engines, &seen.pems, &mut diagnostics);
        sources.engine = engines.of_policy(snapshot, &mut diagnostics);
        let active = sources.regexes.active;
        let asked = Asked::new(&mut values, active, in_container, &mut diagnostics);
        diagnostics.extend(values.twice());
        let engine_at_start = active || sources.profile.active();
        let process = Process::of(&values, asked.watchdog, engine_at_start);
        let specs = document.endpoints.as_slice();
        let mut endpoints = None;
        if specs.is_empty() {
            let alone = sources.middleware.active();
            let of_own = values.listen.by.is_none();
            let (listen, mode) = match mikesir87::listen(&values, alone && of_own) {
                Some(listen) => (Some(vec![listen]), Some(mikesir87::MODE)),
                None => (asked.listen.map(|listen| vec![listen]), asked.mode),
            };
            let of_cetusguard = of_cetusguard && of_own;
            let (listen, mode) = match addresses::listen(&values, of_cetusguard, in_container) {
                Some(own) if listen.is_none() => (Some(own), Some(addresses::MODE)),
                _ => (listen, mode),
            };
            let tls = tls::of_variables(&values, &seen.pems, &mut diagnostics);
            endpoints = tls.ok().and_then(|tls| {
                listening::of_variables(&values, listen, mode, tls, &mut diagnostics)
            });
            if let Some(endpoints) = &endpoints {
                diagnostics.extend(listening::compare(&values, endpoints));
            }
        }
        let named = named::read(
            &document,
            &seen.texts,
            &engines,
            snapshot,
            sources,
            current,
            &mut diagnostics,
        );
        let policies = named.as_ref().map(|(policies, _)| policies);
        if !specs.is_empty() {
            endpoints = listening::of_file(specs, &engines, policies, &seen.pems, &mut diagnostics);
        }
        if let Some(endpoints) = &endpoints {
            diagnostics.extend(engines.beside(endpoints, specs, &values));
        }
        let (Some(process), Some(engine), Some(endpoints), Some((policies, needs_restart))) =
            (process, engines.default.clone(), endpoints, named)
        else {
            return Err(sorted(diagnostics));
        };
        let rules = named::rules(&document, &policies);
        let prefix = values.sp_dockerlabelprefix.get();
        let lists = prefix.filter(|_| labels::grant(&values));
        diagnostics.extend(named::compare(
            &document,
            snapshot,
            &policies,
            &endpoints,
            &rules,
            &engine,
            lists.map(String::as_str),
        ));
        diagnostics.extend(labels::compare(&values, &endpoints, &policies, &engine));
        if diagnostics.iter().any(Diagnostic::is_error) {
            return Err(sorted(diagnostics));
        }
        diagnostics.extend(named::consequences(&document, &policies));
        let used = Decisions {
            policies: &policies,
            rules: &rules,
            endpoints: &endpoints,
            engine: &engine,
        };
        diagnostics.extend(engines.unused(&used.engines(), &values));
        let unused = match in_container {
            true => names::unused(snapshot),
            false => Vec::new(),
        };
        let settings = Settings {
            process,
            engine,
            endpoints,
            clients: asked.clients,
            rules,
            rule_places: document
                .clients
                .into_iter()
                .map(|spec| spec.place)
                .collect(),
            policies,
            origin,
            seen,
            warnings: diagnostics,
            unused,
        };
        Ok((settings, needs_restart))
    }
}

/// The errors first.
fn sorted(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|one| std::cmp::Reverse(one.severity));
    diagnostics
}

impl Process {
    fn of(values: &Values, watchdog: Option<Watchdog>, engine_at_start: bool) -> Option<Process> {
        let grace = values.shutdown_grace.or_same(&values.sp_shutdowngracetime);
        let own = values
            .self_container
            .or_same(&values.sp_proxycontainername)?;
        Some(Process {
            max_connections: *values.max_connections.get()?,
            max_connections_set: values.max_connections.by.is_some(),
            shutdown_grace: *grace?,
            upload_timeout: Some(*values.upload_timeout.get()?).filter(|time| !time.is_zero()),
            client_connections: Some(*values.client_connections.get()?).filter(|most| *most > 0),
            client_rate: Some(*values.client_rate.get()?).filter(|rate| *rate > 0),
            allowed_hosts: values.allowed_hosts.get()?.clone(),
            self_container: Some(own.clone()).filter(|name| !name.is_empty()),
            label_prefix: Some(values.sp_dockerlabelprefix.get()?.clone())
                .filter(|_| labels::grant(values)),
            log_level: *match &values.cetusguard_log_level {
                own if own.by.is_some() => own.get()?,
                _ => values.log_level.or_same(&values.sp_loglevel)?,
            },
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
    for setting in SETTINGS.iter().filter(|one| one.has_value) {
        let Some((by, value)) = snapshot.written(setting) else {
            continue;
        };
        let by_flag = by != setting.name;
        let all_given = match setting.flag.filter(|_| by_flag && setting.adds_up) {
            Some(flag) => snapshot
                .flag(flag)
                .collect::<Vec<_>>()
                .join(OsStr::new(",")),
            None => value.to_owned(),
        };
        match all_given.to_str() {
            None => diagnostics.push(Diagnostic::not_utf8(&by)),
            Some("") if setting.protects => {
                let help = "set it to a value, or unset it";
                diagnostics.push(Diagnostic::error(&by, format!("{by} is empty"), help));
            }
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
