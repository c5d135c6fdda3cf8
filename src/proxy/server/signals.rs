//! The signals that mean something, and what the process does about those that do not end it.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::reload::Asked;
use crate::learn::{Home, Learner};
use crate::observe::log as log_writer;

/// The signals that mean something.
pub(super) struct Signals {
    term: Signal,
    int: Signal,
    hangup: Signal,
    usr1: Signal,
    /// What SIGUSR1 asks.
    learner: Option<Arc<Learner>>,
    /// What SIGHUP asks.
    reloader: Option<Sender<Asked>>,
}

impl Signals {
    pub(super) fn new(learner: Option<Arc<Learner>>) -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            usr1: signal(SignalKind::user_defined1())?,
            learner,
            reloader: None,
        })
    }

    /// Whom SIGHUP asks to reload.
    pub(super) fn reload_by(&mut self, reloader: Sender<Asked>) {
        self.reloader = Some(reloader);
    }

    /// The name of the signal that ends the process.
    pub(super) async fn stop(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.term.recv() => return "SIGTERM",
                _ = self.int.recv() => return "SIGINT",
                _ = self.hangup.recv() => match &self.reloader {
                    Some(reloader) => if reloader.send(Asked).is_err() {
                        log::error!("cannot reload: the reload thread has ended");
                    },
                    None => log::info!(
                        "SIGHUP ignored: without CONFIG_FILE, CONFIG_DIR, CONFIG_DATA or TLS_CERT, \
                         the configuration is read at startup only"
                    ),
                },
                _ = self.usr1.recv() => match self.learner {
                    Some(_) => self.print_learned(),
                    None => log::info!("SIGUSR1 ignored: LEARN is not 1"),
                }
            }
        }
    }

    pub(super) fn print_learned(&self) {
        if let Some(learner) = &self.learner {
            log_writer::print(&learner.report(Home::Environment, ""));
        }
    }
}
