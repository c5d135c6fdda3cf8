//! Another configuration, without a restart: at SIGHUP, and when its files have changed.
//!
//! All or nothing: what has a mistake changes nothing. What is acted on was found by two looks in a
//! row: a file that is being written can be valid, and grant more than the whole. A thread of its own
//! looks and compiles, so that no request waits for it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

use crate::config::file::{Loaded, Origin};
use crate::config::{Policies, Settings, Severity, Snapshot, shown_path};
use crate::proxy::connection::{Now, Stage};
use crate::proxy::shared::Shared;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The same, where somebody waits for it.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Somebody asks for a reload.
pub(super) struct Asked;

/// Puts another configuration in force.
pub(super) struct Reloader {
    settings: Arc<Settings>,
    environment: Snapshot,
    shared: Arc<Shared>,
    now: watch::Sender<Now>,
    /// What holds now, if that is no more what it was started with.
    policies: Option<Policies>,
    /// What was acted on last, whether it was good or not.
    done: Option<Loaded>,
    /// What was seen last, if that differs.
    seen: Option<Loaded>,
    /// Whether it was said that the file was replaced behind its mount.
    said_replaced: bool,
}

impl Reloader {
    /// None, if the configuration has no files.
    pub(super) fn new(
        settings: &Arc<Settings>,
        environment: &Snapshot,
        shared: &Arc<Shared>,
        now: &watch::Sender<Now>,
    ) -> Option<Self> {
        Some(Self {
            done: Some(settings.seen.clone()?),
            settings: Arc::clone(settings),
            environment: environment.clone(),
            shared: Arc::clone(shared),
            now: now.clone(),
            policies: None,
            seen: None,
            said_replaced: false,
        })
    }

    /// Starts the thread. It ends when nobody can ask any more.
    pub(super) fn start(mut self, asked: Receiver<Asked>) -> io::Result<()> {
        let thread = thread::Builder::new().name("reload".into());
        let run = move || {
            loop {
                match asked.recv_timeout(LOOK_EVERY) {
                    Ok(Asked) => {
                        // Those that came meanwhile ask for the same.
                        asked.try_iter().for_each(drop);
                        self.reload(self.settled());
                    }
                    Err(RecvTimeoutError::Timeout) => self.look(),
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        thread.spawn(run).map(drop)
    }

    /// What the files say, once two looks find the same.
    fn settled(&self) -> Option<Loaded> {
        let mut last = self.settings.look();
        loop {
            thread::sleep(LOOK_AGAIN);
            let look = self.settings.look();
            if look == last {
                return look;
            }
            last = look;
        }
    }

    /// Reloads, if the files have changed and stay as they are.
    fn look(&mut self) {
        let look = self.settings.look();
        self.look_behind_mount();
        if look == self.done {
            self.seen = None;
        } else if look == self.seen {
            self.reload(look);
        } else {
            self.seen = look;
        }
    }

    /// Puts in force what was found, if all of it is good.
    fn reload(&mut self, look: Option<Loaded>) {
        if self.now.borrow().stage != Stage::Open {
            return;
        }
        let current = self.policies.as_ref().unwrap_or(&self.settings.policies);
        let reloaded = self
            .settings
            .reload(current, &self.environment, look.clone());
        (self.done, self.seen) = (look, None);
        let reloaded = match reloaded {
            Ok(reloaded) => reloaded,
            Err(diagnostics) => {
                for one in &diagnostics {
                    match one.severity {
                        Severity::Error => log::error!("not reloaded: {one}"),
                        Severity::Warning | Severity::Note => log::warn!("{one}"),
                    }
                }
                log::error!("not reloaded: the configuration from before stays in force");
                return;
            }
        };
        for warning in &reloaded.warnings {
            match warning.severity {
                Severity::Note => log::info!("{warning}"),
                Severity::Warning | Severity::Error => log::warn!("{warning}"),
            }
        }
        let (policies, rules) = (&reloaded.policies, &reloaded.rules);
        let current = self.shared.rulebook.load();
        let next = current.next(policies, rules, &self.settings.endpoints);
        // In this order: who hears of it finds it.
        self.shared.rulebook.store(Arc::new(next));
        self.now.send_modify(|now| now.reloads += 1);
        log::info!(
            "reloaded the configuration: {} policies",
            policies.iter().count()
        );
        for what in &reloaded.needs_restart {
            log::warn!("{what} changed: restart dockgate to apply it");
        }
        self.policies = Some(reloaded.policies);
    }

    /// Says once if the file that is seen here is not the one that its path leads to outside: a
    /// mounted file stays what it was when it was mounted.
    fn look_behind_mount(&mut self) {
        let Some(Origin::File(path)) = &self.settings.origin else {
            return;
        };
        if !self.said_replaced && path.metadata().is_ok_and(|meta| meta.nlink() == 0) {
            self.said_replaced = true;
            let shown = shown_path(path);
            log::warn!(
                "CONFIG_FILE: {shown} was replaced outside, and its mount still shows the old file: \
                 restart the container, and mount the file's directory to have changes reloaded"
            );
        }
    }
}
