//! What the engine is asked: dockgate's own container, its networks with who is in them, and all
//! containers, in this order. Who is in a network and not among the containers is gone by then.

use std::collections::HashSet;
use std::io::{BufReader, Read};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use tokio::runtime;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::clients::containers::{
    History, Inspect, Known, Listed, Listing, MadeFrom, Network, Seen, Task, read_listed,
};
use crate::config;
use crate::proxy::clearance::next;
use crate::proxy::engine::{Engine, EngineError, SameHost};
use crate::proxy::own_container::{self, Own};
use crate::proxy::upstream::Upstream;

/// All answers together have to be there in this time.
pub(super) const TIME: Duration = Duration::from_secs(30);

/// Why it is not known.
#[derive(Debug)]
pub(super) enum Failed {
    Engine(EngineError),
    /// What it answered to this cannot be read.
    Unread(&'static str),
    /// It says that it cannot answer this now.
    Unavailable(&'static str),
    /// It does not have the container that dockgate runs in.
    NoOwn(String),
    /// The one that should be dockgate's has none of its addresses.
    NotOwn(String),
    /// It did not answer in time.
    Slow,
}

impl From<EngineError> for Failed {
    fn from(e: EngineError) -> Self {
        Failed::Engine(e)
    }
}

impl Failed {
    /// What is wrong, of an engine, and what to do.
    pub(super) fn told(&self, engine: &Engine) -> String {
        let settings = &engine.settings;
        match self {
            Failed::Engine(e) => engine.told(e).to_string(),
            Failed::Unread(what) => format!("{settings}'s list of {what} cannot be read"),
            Failed::Unavailable(what) => format!("{settings} does not list its {what} now"),
            Failed::NoOwn(name) => format!(
                "{settings} has no container {name}: set SELF_CONTAINER or SP_PROXYCONTAINERNAME to the name of dockgate's own"
            ),
            Failed::NotOwn(name) => format!(
                "{settings}'s container {name} has none of dockgate's addresses: set SELF_CONTAINER or SP_PROXYCONTAINERNAME to the name of dockgate's own"
            ),
            Failed::Slow => {
                let seconds = TIME.as_secs();
                format!("{settings} did not answer within {seconds} seconds")
            }
        }
    }
}

/// Lists what there is now, over a connection that is opened if need be. `own` is dockgate's own
/// container.
pub(super) async fn list(
    kept: &mut Option<Upstream>,
    engine: &Arc<Engine>,
    same: &SameHost,
    own: &Own,
    images: &MadeFrom,
) -> Result<Listing, Failed> {
    let asked = timeout(TIME, async {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => Upstream::own(engine, same).await?,
        };
        let listing = asked(&mut connection, own, images).await?;
        *kept = Some(connection);
        Ok(listing)
    });
    asked.await.unwrap_or(Err(Failed::Slow))
}

async fn asked(engine: &mut Upstream, own: &Own, images: &MadeFrom) -> Result<Listing, Failed> {
    let own = own_inspect(engine, own).await?;
    let ids: Vec<String> = match &own {
        Some(own) => own.networks().map(str::to_owned).collect(),
        None => {
            let path = "/networks?filters=%7B%22driver%22%3A%5B%22bridge%22%5D%7D";
            let bridges: Option<Vec<Network>> = get(engine, path, "networks").await?;
            let bridges = bridges.ok_or(Failed::Unread("networks"))?.into_iter();
            bridges.map(|network| network.id).collect()
        }
    };
    let mut networks: Vec<Network> = Vec::new();
    for id in ids.iter().filter(|id| is_name(id)) {
        // One that is gone has nobody in it.
        networks.extend(get(engine, &format!("/networks/{id}"), "networks").await?);
    }
    let held: HashSet<String> = networks.iter().flat_map(Network::held).cloned().collect();
    let read = move |from: Fed| read_listed(BufReader::new(from), &held);
    let listed = read_at(engine, "/containers/json?all=1", "containers", read).await?;
    let mut listed: Vec<Listed> = listed.ok_or(Failed::Unread("containers"))?;
    for id in images.take(&listed).into_iter().filter(|id| is_name(id)) {
        let path = format!("/containers/{id}/json");
        // One that is gone is in the next list no more.
        if let Some(said) = get(engine, &path, "containers").await? {
            images.learn(id, said);
        }
    }
    images.complete(&mut listed);
    let tasks = match networks.iter().any(|network| network.driver == "overlay") {
        true => tasks(engine).await?,
        false => None,
    };
    let tasks = tasks.unwrap_or_default();
    let mut listing = Listing::of(own.as_ref(), networks, listed, tasks);
    if own.is_none() {
        listing.is_met_at(own_container::addresses());
    }
    Ok(listing)
}

/// The container whose networks dockgate is in. `None`: it is in those of the host.
async fn own_inspect(engine: &mut Upstream, own: &Own) -> Result<Option<Inspect>, Failed> {
    let Some((mut name, mut by_id)) = own.asked_by() else {
        return Ok(None);
    };
    let mut first = None;
    for _ in 0..2 {
        let path = format!("/containers/{name}/json");
        let inspect: Option<Inspect> = match is_name(&name) {
            true => get(engine, &path, "containers").await?,
            false => None,
        };
        let inspect = inspect.filter(|own| !by_id || own.id.starts_with(&name));
        let Some(inspect) = inspect else {
            return Err(Failed::NoOwn(name));
        };
        let id = first.get_or_insert_with(|| inspect.id.clone());
        match inspect.shares() {
            Some(other) => (name, by_id) = (other.to_owned(), false),
            None if inspect.is_in_host() => return Ok(None),
            // What has its name may be another one, in whose networks nobody calls.
            None if !own_container::has_some(inspect.addresses()) => {
                return Err(Failed::NotOwn(name));
            }
            None => {
                own.is(id);
                return Ok(Some(inspect));
            }
        }
    }
    Err(Failed::NoOwn(name))
}

/// Whether a text can stand in a path as it is.
fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

/// The tasks of a swarm; none, where the engine does not manage one.
async fn tasks(engine: &mut Upstream) -> Result<Option<Vec<Task>>, Failed> {
    match get(engine, "/tasks", "tasks").await {
        Err(Failed::Unavailable(_)) => Ok(None),
        asked => asked,
    }
}

/// Gets what is at a path, if something is there.
async fn get<T: DeserializeOwned + Send + 'static>(
    engine: &mut Upstream,
    path: &str,
    what: &'static str,
) -> Result<Option<T>, Failed> {
    let read = |from: Fed| serde_json::from_reader(BufReader::new(from));
    read_at(engine, path, what, read).await
}

/// The same, read in this way. Nothing is held of an answer but what is kept of it, since clients write
/// labels and the like into it, and it is read where nobody waits for that.
async fn read_at<T: Send + 'static>(
    engine: &mut Upstream,
    path: &str,
    what: &'static str,
    read: impl FnOnce(Fed) -> serde_json::Result<T> + Send + 'static,
) -> Result<Option<T>, Failed> {
    let response = engine.get(path).await?;
    let status = response.status();
    let mut body: Incoming = response.into_body();
    let (sender, frames) = channel(1);
    let reading = spawn_blocking(move || {
        let rest = Bytes::new();
        read(Fed { frames, rest })
    });
    while let Some(frame) = next(&mut body).await {
        let frame = frame.map_err(|_| EngineError::Gone)?;
        // What is wrong with it is known at the end.
        if let Ok(data) = frame.into_data() {
            let _ = sender.send(data).await;
        }
    }
    drop(sender);
    let read = reading.await;
    match status {
        StatusCode::OK => match read {
            Ok(Ok(read)) => Ok(Some(read)),
            Ok(Err(_)) | Err(_) => Err(Failed::Unread(what)),
        },
        StatusCode::NOT_FOUND => Ok(None),
        StatusCode::SERVICE_UNAVAILABLE => Err(Failed::Unavailable(what)),
        _ => Err(Failed::Unread(what)),
    }
}

/// An answer as it comes, for a thread that waits for it.
struct Fed {
    frames: Receiver<Bytes>,
    rest: Bytes,
}

impl Read for Fed {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.rest.is_empty() {
            match self.frames.blocking_recv() {
                Some(frame) => self.rest = frame,
                None => return Ok(0),
            }
        }
        let count = into.len().min(self.rest.len());
        into[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}

/// Asks an engine now, and waits for it: outside a server. `address` is that of the client that matters.
///
/// # Errors
/// Why it is not known.
pub(crate) fn ask_now(
    engine: &Arc<config::Engine>,
    own: Option<&str>,
    address: Option<IpAddr>,
) -> Result<Known, String> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| format!("cannot ask the engine: {e}"))?;
    let engine = Engine::new(engine, &[]);
    let (images, own) = (MadeFrom::default(), Own::called(own.map(str::to_owned)));
    let ask = || -> Result<Known, String> {
        let same = SameHost::default();
        let listing = runtime.block_on(list(&mut None, &engine, &same, &own, &images));
        let mut listing = listing.map_err(|failed| failed.told(&engine))?;
        History::default().date(&mut listing, 0);
        Ok(Known::new(listing, Instant::now()))
    };
    let known = ask()?;
    let Some(Seen::These(all)) = address.map(|address| known.had(address)) else {
        return Ok(known);
    };
    let open = all.iter().filter(|one| one.image.is_none());
    let open: Vec<String> = open.map(|one| one.id.clone()).collect();
    if open.is_empty() {
        return Ok(known);
    }
    images.want(&open);
    ask()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_put_into_paths() {
        for name in ["web", "web_1.x-2", "0123456789ab"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "a/b", "../x", "a?b", "a b", "%2e", "é"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
