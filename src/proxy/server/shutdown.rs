//! What ends the proxy, and how: what is under way may finish within the grace.
//!
//! In stages: no new connections; a moment later no new requests and no silent streams; at the end of
//! the grace nothing any more. A second signal ends it at once.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::signals::Signals;
use crate::observe::log as log_writer;
use crate::proxy::connection::{Now, Stage};
use crate::proxy::listener::Listener;
use crate::proxy::slots::Slots;

/// At shutdown kept connections may still bring a request that is under way.
const LAST_REQUESTS: Duration = Duration::from_millis(250);

/// How long the requests that are cut then may take to write their lines.
const LAST_LINES: Duration = Duration::from_millis(250);

/// What ended the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// SIGTERM or SIGINT.
    Signal,
    /// The watchdog: the engine's socket was gone.
    Watchdog,
}

/// Waits for the end and sees to it.
pub(super) async fn run(
    mut signals: Signals,
    watchdog: impl Future<Output = ()>,
    listeners: Vec<Listener>,
    slots: &Slots,
    now: watch::Sender<Now>,
    grace: Duration,
) -> End {
    let enter = |stage| now.send_modify(|now| now.stage = stage);
    for listener in &listeners {
        log::info!("listening on {}", listener.name);
    }
    let (name, end) = tokio::select! {
        name = signals.stop() => (name, End::Signal),
        () = watchdog => ("watchdog", End::Watchdog),
    };
    log::info!(
        "{name}: not accepting new connections; open ones have {} s to finish",
        grace.as_secs()
    );
    listeners.iter().for_each(Listener::remove_file);
    let drained = async {
        enter(Stage::Draining);
        drop(listeners);
        sleep(LAST_REQUESTS.min(grace)).await;
        enter(Stage::Closing);
        slots.all_free().await;
    };
    tokio::select! {
        ended = timeout(grace, drained) => match ended {
            Ok(()) => log::info!("all connections closed"),
            Err(_) => {
                log::warn!("grace period expired; closing {} connections", slots.taken());
                enter(Stage::Over);
                let _ = timeout(LAST_LINES, slots.all_free()).await;
            }
        },
        name = signals.stop() => {
            log::warn!("{name} received again; exiting immediately");
            // What the engine got has its line, even so.
            enter(Stage::Over);
            let _ = timeout(LAST_LINES, slots.all_free()).await;
            signals.print_learned();
            log_writer::flush();
            std::process::exit(1);
        }
    }
    signals.print_learned();
    end
}
