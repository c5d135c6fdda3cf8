//! The addresses of an engine's host.
//!
//! The system's lookup blocks, so it runs on a thread that is made for such. An engine has one lookup at
//! a time, however many requests wait for it: a name server that does not answer takes one thread.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

/// What was looked up counts for so long, be it an address or none: bursts of new connections ask once.
const FRESH: Duration = Duration::from_secs(1);

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Addresses(Arc<Mutex<Option<(Instant, Found)>>>);

/// Its addresses, or why there are none.
type Found = Result<Vec<IpAddr>, Arc<str>>;

impl Addresses {
    /// The addresses that a name stands for now, in the order in which the system wants them tried.
    pub(super) async fn of(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut known = Arc::clone(&self.0).lock_owned().await;
        let found = match &*known {
            Some((at, found)) if at.elapsed() < FRESH => found.clone(),
            _ => {
                let name = name.to_owned();
                // Who waits may give up: the lookup keeps its turn until it ends.
                let lookup = spawn_blocking(move || {
                    let found = look_up(&name);
                    *known = Some((Instant::now(), found.clone()));
                    found
                });
                lookup.await.map_err(io::Error::other)?
            }
        };
        let found = found.map_err(|why| io::Error::other(&*why))?;
        Ok(found.iter().map(|ip| (*ip, port).into()).collect())
    }
}

#[cfg(test)]
impl Addresses {
    /// As if these were found now.
    pub(super) async fn play(&self, found: &[IpAddr]) {
        *self.0.lock().await = Some((Instant::now(), Ok(found.to_vec())));
    }
}

fn look_up(name: &str) -> Found {
    let found = (name, 0).to_socket_addrs();
    let found = found.map_err(|error| error.to_string())?;
    let found: Vec<IpAddr> = found.map(|one| one.ip()).collect();
    match found.is_empty() {
        true => Err("it has no address".into()),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_is_looked_up_once_for_all_who_wait() {
        let addresses = Addresses::default();
        let (one, other) = tokio::join!(addresses.of("localhost", 1), addresses.of("localhost", 2));
        let loopback = |found: io::Result<Vec<SocketAddr>>, port| {
            let found = found.expect("addresses");
            assert!(!found.is_empty());
            let fits = |one: &SocketAddr| one.ip().is_loopback() && one.port() == port;
            assert!(found.iter().all(fits), "{found:?}");
        };
        loopback(one, 1);
        loopback(other, 2);
        assert!(addresses.of("name.invalid", 1).await.is_ok(), "known still");
        let none = Addresses::default().of("name.invalid", 1).await;
        assert!(none.is_err());
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_turn_to_the_lookup() {
        let addresses = Addresses::default();
        let turn = Arc::clone(&addresses.0).lock_owned().await;
        let waits = addresses.of("localhost", 1);
        assert!(
            tokio::time::timeout(Duration::from_millis(1), waits)
                .await
                .is_err()
        );
        drop(turn);
        assert!(addresses.of("localhost", 1).await.is_ok());
    }
}
