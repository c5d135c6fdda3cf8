//! Another configuration, without a restart: at SIGHUP, and when its files have changed.
//!
//! All or nothing: what has a mistake changes nothing. What is acted on was found by two looks that are
//! [`LOOK_EVERY`] apart, whoever asks: a file that is being written can be valid, and grant more than
//! the whole. A thread of its own looks and compiles, so that no request waits for it.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::config::{Diagnostic, Look, Reloaded, Settings, Severity, Snapshot, shown_path};
use crate::proxy::connection::{Now, Stage};
use crate::proxy::notice::Notice;
use crate::proxy::shared::Shared;

/// How often the files are looked at, and how long they have to stay the same before it acts.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Somebody asks for a reload.
pub(super) struct Asked;

/// Puts another configuration in force.
pub(super) struct Reloader {
    settings: Arc<Settings>,
    environment: Snapshot,
    shared: Arc<Shared>,
    now: watch::Sender<Now>,
    /// What health checks are told of the engines, if they are.
    engines: Option<Notice>,
    /// What holds now, if that is no more what it was started with.
    current: Option<Reloaded>,
    /// What was acted on last, whether it was good or not.
    done: Look,
    /// What was seen since, if that differs, and since when.
    seen: Option<(Look, Instant)>,
    /// Whether somebody waits for a reload.
    is_asked: bool,
    /// The files of which it was said that they were replaced behind their mounts.
    replaced: BTreeSet<PathBuf>,
}

impl Reloader {
    /// None, if the configuration is in the environment alone, which cannot change, with no certificates.
    pub(super) fn new(
        settings: &Arc<Settings>,
        environment: &Snapshot,
        shared: &Arc<Shared>,
        now: &watch::Sender<Now>,
        engines: Option<Notice>,
    ) -> Option<Self> {
        settings.has_files().then(|| Self {
            settings: Arc::clone(settings),
            environment: environment.clone(),
            shared: Arc::clone(shared),
            now: now.clone(),
            engines,
            current: None,
            done: settings.seen.clone(),
            seen: None,
            is_asked: false,
            replaced: BTreeSet::new(),
        })
    }

    /// Starts the thread. It ends when nobody can ask any more.
    pub(super) fn start(mut self, asked: Receiver<Asked>) -> io::Result<()> {
        let thread = thread::Builder::new().name("reload".into());
        let run = move || {
            loop {
                match asked.recv_timeout(self.until_next_look()) {
                    Ok(Asked) => {
                        // Those that came meanwhile ask for the same.
                        asked.try_iter().for_each(drop);
                        self.is_asked = true;
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                self.look();
            }
        };
        thread.spawn(run).map(drop)
    }

    fn until_next_look(&self) -> Duration {
        let since = self.seen.as_ref().map(|(_, since)| since.elapsed());
        LOOK_EVERY.saturating_sub(since.unwrap_or_default())
    }

    /// Reloads, if the files have changed and stay as they are, or if somebody wants that and they are
    /// what was acted on before.
    fn look(&mut self) {
        let begin = Instant::now();
        let last = self.seen.as_ref().map_or(&self.done, |(look, _)| look);
        let look = self.settings.look(&self.environment, last);
        self.look_behind_mounts(&look);
        if look == self.done {
            self.seen = None;
            if self.is_asked {
                self.reload(look);
            }
            return;
        }
        match &self.seen {
            Some((seen, since)) if *seen == look => {
                if begin.duration_since(*since) >= LOOK_EVERY {
                    self.reload(look);
                }
            }
            _ => self.seen = Some((look, Instant::now())),
        }
    }

    /// Puts in force what was found, if all of it is good.
    fn reload(&mut self, look: Look) {
        if self.now.borrow().stage != Stage::Open {
            return;
        }
        let current = self.current.as_ref();
        let reloaded = self
            .settings
            .reload(current, &self.environment, look.clone());
        (self.done, self.seen) = (look, None);
        self.is_asked = false;
        let reloaded = match reloaded {
            Ok(reloaded) => reloaded,
            Err(diagnostics) => {
                diagnostics.iter().for_each(say);
                log::error!("not reloaded: the configuration from before stays in force");
                return;
            }
        };
        reloaded.warnings.iter().for_each(say);
        let current = self.shared.rulebook.load();
        let next = current.next(&reloaded.decisions());
        // In this order: who hears of it finds it.
        self.shared.rulebook.store(Arc::new(next));
        self.now.send_modify(|now| now.reloads += 1);
        let engines = reloaded.engines();
        if self.engines.is_some()
            && let Ok(notice) = Notice::of_engines(&engines)
        {
            self.engines = Some(notice);
        }
        log::info!(
            "reloaded the configuration: {} policies",
            reloaded.policies.iter().count()
        );
        for endpoint in &reloaded.renewed {
            log::info!("{endpoint}");
        }
        for danger in reloaded.dangers.iter().chain(&reloaded.needs_restart) {
            log::warn!("{danger}");
        }
        self.current = Some(reloaded);
    }

    /// Says once of each file that is not the one that its path leads to outside: a mounted file stays
    /// what it was when it was mounted.
    fn look_behind_mounts(&mut self, look: &Look) {
        for path in look.files() {
            let is_replaced = path.metadata().is_ok_and(|meta| meta.nlink() == 0);
            if is_replaced && !self.replaced.contains(&path) {
                log::warn!(
                    "{} was replaced outside, and its mount still shows the old file: restart the \
                     container, and mount the file's directory to have changes reloaded",
                    shown_path(&path)
                );
                self.replaced.insert(path);
            }
        }
    }
}

fn say(diagnostic: &Diagnostic) {
    match diagnostic.severity {
        Severity::Error => log::error!("not reloaded: {diagnostic}"),
        Severity::Warning => log::warn!("{diagnostic}"),
        Severity::Note => log::info!("{diagnostic}"),
    }
}
