//! From the settings to a proxy that listens.
//!
//! The order matters: signals are caught before there is anything that one would leave behind, and
//! nothing listens until the engine was looked for where that is wanted.

use std::fmt;
use std::io;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::watch;
use tokio::time::sleep;

use super::limits::Room;
use super::reload::Reloader;
use super::shutdown::{End, run};
use super::signals::Signals;
use super::workers::start_workers;
use crate::config::{Endpoint, Listen, LogLevel, Settings, Severity, Snapshot};
use crate::learn::Learner;
use crate::observe::access::EngineFault;
use crate::observe::log::{self as log_writer, Levels};
use crate::policy::Unprotected;
use crate::proxy::connection::Now;
use crate::proxy::directory;
use crate::proxy::engine::Engine;
use crate::proxy::health;
use crate::proxy::listener::{Listener, NotBound};
use crate::proxy::notice::Notice;
use crate::proxy::shared::Shared;

/// How often it says that it protects nothing, if so.
const ALARM_EVERY: Duration = Duration::from_secs(600);

/// How often certificates are looked at for whether they expire.
const EXPIRY_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// What kept the proxy from starting.
#[derive(Debug)]
pub struct NotStarted(Cause);

#[derive(Debug)]
enum Cause {
    /// A listener could not be bound.
    Listener(NotBound),
    /// An engine was not found, where that is wanted: why.
    Engine(String),
    /// The system lacks something.
    System(io::Error),
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Listener(not_bound) => not_bound.fmt(f),
            Cause::Engine(why) => f.write_str(why),
            Cause::System(e) => write!(f, "cannot start: {e}"),
        }
    }
}

impl std::error::Error for NotStarted {}

impl From<NotBound> for NotStarted {
    fn from(not_bound: NotBound) -> Self {
        Self(Cause::Listener(not_bound))
    }
}

impl From<io::Error> for NotStarted {
    fn from(e: io::Error) -> Self {
        Self(Cause::System(e))
    }
}

/// Runs the proxy until SIGTERM, SIGINT or the watchdog has ended it. The settings are those of
/// `environment`, and are reloaded from there if they are in files.
///
/// # Errors
/// [`NotStarted`]: a listener that cannot be bound, mostly.
pub fn serve(settings: Settings, environment: &Snapshot) -> Result<End, NotStarted> {
    serve_by(settings, Some(environment), |_| ())
}

/// The same without reloads, and tells once the names of its listeners when it listens:
/// `tcp://127.0.0.1:2375`.
///
/// # Errors
/// As [`serve`].
pub fn serve_and_tell(
    settings: Settings,
    listening: impl FnOnce(&[&str]),
) -> Result<End, NotStarted> {
    serve_by(settings, None, listening)
}

fn serve_by(
    settings: Settings,
    environment: Option<&Snapshot>,
    listening: impl FnOnce(&[&str]),
) -> Result<End, NotStarted> {
    // That nothing is being protected is said at every level.
    let quietest = match settings.alarms().next() {
        Some(_) => LogLevel::Err,
        None => LogLevel::Emerg,
    };
    let process = &settings.process;
    log_writer::init(levels(process.log_level.min(quietest)), process.log_json);
    for warning in &settings.warnings {
        match warning.severity {
            Severity::Note => log::info!("{warning}"),
            Severity::Warning | Severity::Error => log::warn!("{warning}"),
        }
    }
    for line in settings.summary() {
        log::info!("{line}");
    }
    for note in settings.notes() {
        log::info!("{note}");
    }
    for warning in settings.dangers() {
        log::warn!("{warning}");
    }
    let result = start(&Arc::new(settings), environment, listening);
    log_writer::flush();
    result
}

/// syslog's names, as LOG_LEVEL has them, to the five levels of the facade. What is worse than an
/// error ends the process and is said on stderr.
fn levels(level: LogLevel) -> Levels {
    use log::LevelFilter::{Debug, Error, Info, Off, Warn};
    let (lifecycle, access) = match level {
        LogLevel::Debug => (Debug, Debug),
        LogLevel::Info => (Info, Info),
        LogLevel::Notice => (Info, Warn),
        LogLevel::Warning => (Warn, Warn),
        LogLevel::Err => (Error, Error),
        LogLevel::Crit | LogLevel::Alert | LogLevel::Emerg => (Off, Off),
    };
    Levels { lifecycle, access }
}

fn start(
    settings: &Arc<Settings>,
    environment: Option<&Snapshot>,
    listening: impl FnOnce(&[&str]),
) -> Result<End, NotStarted> {
    let room = Room::of(settings);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let unprotected = settings.policies.default().sources.unprotected;
    let learns = unprotected.map(Unprotected::from) == Some(Unprotected::Learn);
    let learner = learns.then(|| Arc::new(Learner::new()));
    let shared = Arc::new(Shared::new(settings, learner.clone(), &room));
    alarm(&shared);
    // Before there is anything that a signal would leave behind.
    let mut signals = {
        let _registers_here = runtime.enter();
        Signals::new(learner)?
    };
    for engine in shared.rulebook.load().engines() {
        if !settings.process.engine_at_start {
            runtime.spawn(look_at_engine(Arc::clone(engine)));
            continue;
        }
        let found = runtime.block_on(async {
            tokio::select! {
                found = engine.dial() => Some(found),
                _ = signals.stop() => None,
            }
        });
        match found {
            Some(Ok(_)) => {}
            Some(Err(e)) => {
                let why = engine.told(&e).to_string();
                return Err(NotStarted(Cause::Engine(why)));
            }
            None => return Ok(End::Signal),
        }
    }
    let by_tcp = |one: &Endpoint| matches!(one.listen, Listen::Tcp { .. });
    let by_labels = shared.rulebook.load().has_lists() && settings.endpoints.iter().any(by_tcp);
    if by_labels || settings.rules.containers().next().is_some() {
        // What is wrong with that is said at start.
        shared.directory.begin();
    }
    runtime.spawn(directory::follow(Arc::clone(&shared)));
    if settings.process.health_listener {
        runtime.spawn(health::serve(health::bind()?, Arc::clone(&shared)));
    }
    let listeners = settings
        .endpoints
        .iter()
        .map(|endpoint| Listener::bind(&endpoint.listen, endpoint.mode))
        .collect::<Result<Vec<_>, _>>()?;
    let has_files = environment.is_some() && settings.origin.is_some();
    let notices = has_files.then(|| {
        let engines = Notice::of_engines(&settings.engines())?;
        Ok::<_, io::Error>((Notice::of_endpoints(&listeners)?, engines))
    });
    let (_notice, engines) = match notices.transpose() {
        Ok(notices) => notices.unzip(),
        Err(e) => {
            log::warn!(
                "cannot record the endpoints for health checks, which read the files instead: {e}"
            );
            (None, None)
        }
    };
    let (now, hears) = watch::channel(Now::default());
    start_workers(&shared, &listeners, &hears)?;
    if !shared.rulebook.load().alarms().is_empty() {
        let shared = Arc::clone(&shared);
        runtime.spawn(repeat(ALARM_EVERY, move || alarm(&shared)));
    }
    runtime.spawn({
        let shared = Arc::clone(&shared);
        repeat(EXPIRY_EVERY, move || warn_of_expiry(&shared))
    });
    let reloader = environment.and_then(|all| Reloader::new(settings, all, &shared, &now, engines));
    if let Some(reloader) = reloader {
        let (asks, asked) = mpsc::channel();
        reloader.start(asked)?;
        signals.reload_by(asks);
    }
    let names: Vec<&str> = listeners.iter().map(|one| one.name.as_str()).collect();
    listening(&names);
    Ok(runtime.block_on(run(
        signals,
        health::watch(settings.process.watchdog, &shared),
        listeners,
        &shared.slots,
        now,
        settings.process.shutdown_grace,
    )))
}

/// Says at every level what protects nothing.
fn alarm(shared: &Shared) {
    for why in shared.rulebook.load().alarms() {
        log::error!("{why}");
    }
}

/// Says which certificates expire soon.
fn warn_of_expiry(shared: &Shared) {
    for why in shared.rulebook.load().expiring(&shared.endpoints) {
        log::warn!("{why}");
    }
}

/// Does a thing again and again, first after such a time.
async fn repeat(every: Duration, act: impl Fn()) {
    loop {
        sleep(every).await;
        act();
    }
}

/// Says at start what the first request would find out.
async fn look_at_engine(engine: Arc<Engine>) {
    if let Err(e) = engine.dial().await
        && e.fault() == EngineFault::Unreachable
    {
        log::warn!("{}; until then, requests get a 503", engine.told(&e));
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_thing_is_done_again_and_again() {
        let (done, mut times) = mpsc::unbounded_channel();
        tokio::spawn(repeat(Duration::from_millis(1), move || {
            let _ = done.send(());
        }));
        for _ in 0..3 {
            let time = timeout(Duration::from_secs(10), times.recv()).await;
            assert_eq!(time, Ok(Some(())));
        }
    }
}
