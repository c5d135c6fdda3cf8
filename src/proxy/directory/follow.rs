//! The task that follows the engine: its stream of events is opened first, then it is asked what there
//! is, and the events that come are applied to that. What was known ends with the stream.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::{Buf, BytesMut};
use hyper::body::Incoming;
use tokio::time::{sleep, timeout};

use super::question::{Failed, TIME, list};
use super::{Directory, View};
use crate::clients::containers::{Event, History, Known, Listing};
use crate::proxy::clearance::next;
use crate::proxy::engine::{Engine, EngineError, SameHost};
use crate::proxy::shared::Shared;
use crate::proxy::upstream::Upstream;

/// How long it waits before it tries again; doubled each time.
const RETRY: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];
/// The same trouble is said this often at most.
const WARN_EVERY: Duration = Duration::from_secs(60);
/// Of an event that is longer, only the beginning is read.
const LONGEST: usize = 1 << 20;
/// So much of it.
const BEGINNING: usize = 4 << 10;

/// Follows the default engine as long as it is polled, from the first time that something is needed.
pub(in crate::proxy) async fn follow(shared: Arc<Shared>) {
    let directory = &*shared.directory;
    let mut history = History::default();
    // Nothing is missed that has become of a connection.
    let mut until = now();
    directory.needed().await;
    let (mut pause, mut warned): (Duration, Option<Instant>) = (RETRY[0], None);
    loop {
        let mut is_listed = false;
        let engine = Arc::clone(shared.rulebook.load().default_engine());
        let one = Following {
            directory,
            engine: &engine,
            history: &mut history,
            until: &mut until,
            is_listed: &mut is_listed,
        };
        let lost = one.run().await.told(&engine);
        directory.know(View::Lost((&*lost).into()));
        if warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            warned = Some(Instant::now());
            log::warn!("cannot find out which containers clients are: {lost}; trying again");
        }
        pause = match is_listed {
            true => RETRY[0],
            false => (2 * pause).min(RETRY[1]),
        };
        sleep(pause).await;
    }
}

/// One stream of events.
struct Following<'a> {
    directory: &'a Directory,
    engine: &'a Arc<Engine>,
    history: &'a mut History,
    /// All events until then have been heard.
    until: &'a mut u64,
    /// Whether anything became known.
    is_listed: &'a mut bool,
}

/// A question that is being answered, and when it began.
type Asking<'a> =
    Pin<Box<dyn Future<Output = (Option<Upstream>, Result<Listing, Failed>)> + Send + 'a>>;

impl Following<'_> {
    /// Follows until the stream ends; says why.
    async fn run(self) -> Failed {
        match self.followed().await {
            Ok(never) => match never {},
            Err(failed) => failed,
        }
    }

    async fn followed(self) -> Result<std::convert::Infallible, Failed> {
        // What is listed has to be what the events are about.
        let same = &SameHost::of(self.engine);
        let mut stream = Upstream::own(self.engine, same).await?;
        let opened = timeout(TIME, Events::open(&mut stream, *self.until));
        let mut events = opened.await.unwrap_or(Err(Failed::Slow))?;
        let (engine, own) = (self.engine, &self.directory.own);
        let images = &self.directory.images;
        let ask = |kept: Option<Upstream>| -> (Instant, Asking<'_>) {
            let asking = async move {
                let mut kept = kept;
                let listing = list(&mut kept, engine, same, own, images).await;
                (kept, listing)
            };
            (Instant::now(), Box::pin(asking))
        };
        let mut known: Option<Known> = None;
        let mut kept = None;
        // What has been heard since the question began.
        let mut meanwhile = Vec::new();
        let mut asking = Some(ask(None));
        loop {
            tokio::select! {
                biased;
                event = events.next() => {
                    let (event, at) = event?;
                    *self.until = at.max(*self.until);
                    self.history.hear(&event);
                    let heard = Instant::now();
                    if let Some(before) = known.take() {
                        known = before.after(&event, heard);
                        self.publish(known.as_ref());
                    }
                    if asking.is_some() {
                        meanwhile.push((event, heard));
                    }
                }
                (connection, listing) = async {
                    match &mut asking {
                        Some((_, asking)) => asking.await,
                        None => std::future::pending().await,
                    }
                } => {
                    let began = asking.take().map_or_else(Instant::now, |(began, _)| began);
                    let mut listing = listing?;
                    self.history.date(&mut listing, now());
                    let listed = Some(Known::new(listing, began));
                    known = meanwhile.drain(..).fold(listed, |known, (event, heard)| {
                        known?.after(&event, heard)
                    });
                    *self.is_listed = true;
                    self.publish(known.as_ref());
                    kept = connection;
                }
                () = self.directory.needed(), if asking.is_none() => {
                    let is_enough = |known: &Known| !self.directory.needs_more_than(known.began());
                    if !known.as_ref().is_some_and(is_enough) {
                        asking = Some(ask(kept.take()));
                    }
                }
            }
            // Not even its own networks are known: that cannot wait until somebody asks.
            if known.is_none() && asking.is_none() {
                asking = Some(ask(kept.take()));
            }
        }
    }

    fn publish(&self, known: Option<&Known>) {
        self.directory.know(match known {
            Some(known) => View::Known(known.clone()),
            None => View::Lost("its networks are being listed anew".into()),
        });
    }
}

/// The engine's events, one a line.
struct Events {
    body: Incoming,
    bytes: BytesMut,
    /// The beginning of a line that is too long, until it ends.
    begun: Option<BytesMut>,
    read: VecDeque<(Event, u64)>,
}

impl Events {
    /// Opens the stream, with what has become of containers since a time in nanoseconds.
    async fn open(engine: &mut Upstream, since: u64) -> Result<Events, Failed> {
        let since = since.saturating_add(1);
        let (seconds, nanos) = (since / 1_000_000_000, since % 1_000_000_000);
        let filter = Event::FILTER.replace('{', "%7B").replace('}', "%7D");
        let filter = filter
            .replace('[', "%5B")
            .replace(']', "%5D")
            .replace('"', "%22");
        let path = format!("/events?since={seconds}.{nanos:09}&filters={filter}");
        let response = engine.get(&path).await?;
        if !response.status().is_success() {
            return Err(Failed::Unread("events"));
        }
        Ok(Events {
            body: response.into_body(),
            bytes: BytesMut::new(),
            begun: None,
            read: VecDeque::new(),
        })
    }

    /// The next one. Nothing is lost if this is dropped before it is done.
    async fn next(&mut self) -> Result<(Event, u64), Failed> {
        loop {
            if let Some(event) = self.read.pop_front() {
                return Ok(event);
            }
            let frame = next(&mut self.body).await.ok_or(EngineError::Gone)?;
            let frame = frame.map_err(|_| EngineError::Gone)?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            self.bytes.extend_from_slice(&data);
            while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line = self.bytes.split_to(end);
                self.bytes.advance(1);
                if let Some(begun) = self.begun.take() {
                    // When that was, stands at its end.
                    self.read.push_back((Event::begun(&begun), 0));
                } else if !line.trim_ascii().is_empty() {
                    let event = Event::read(&line).ok_or(Failed::Unread("events"))?;
                    self.read.push_back(event);
                }
            }
            if self.bytes.len() > LONGEST {
                let bytes = std::mem::take(&mut self.bytes);
                let begun = || BytesMut::from(&bytes[..BEGINNING]);
                self.begun.get_or_insert_with(begun);
            }
        }
    }
}

/// The time by the clock that the engine shares, in nanoseconds.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}
