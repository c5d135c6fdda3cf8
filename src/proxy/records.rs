//! An answer that is filtered one record at a time, as it arrives: events. What a record depends on is
//! asked for while the stream waits, so that no more than one is held.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};

use super::budget::Charge;
use super::clearance::Questions;
use super::client::Client;
use super::engine::{Engine, SameHost};
use super::flight::InFlight;
use crate::body::answer::{Next, Records};
use crate::body::inspection::{Answer, Fact};

/// An answer under way.
pub(super) struct Recorded {
    body: Incoming,
    records: Box<Records>,
    /// What ends when the answer ends.
    request: InFlight,
    /// Where it comes from.
    same: SameHost,
    /// The memory that it takes.
    charge: Charge,
    asking: Option<Asking>,
    has_ended: bool,
}

type Asking = Pin<Box<dyn Future<Output = Option<(Fact, Answer)>> + Send>>;

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded")
            .field("records", &self.records)
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

impl Recorded {
    /// The body of an answer, as it arrives.
    pub(super) fn new(
        body: Incoming,
        records: Box<Records>,
        request: InFlight,
        same: SameHost,
        charge: Charge,
    ) -> Box<Self> {
        Box::new(Self {
            body,
            records,
            request,
            same,
            charge,
            asking: None,
            has_ended: false,
        })
    }

    /// What is left of what comes next; nothing at the end.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        loop {
            if self.has_ended {
                return Poll::Ready(None);
            }
            if let Some(asking) = &mut self.asking {
                let answered = ready!(asking.as_mut().poll(cx));
                self.asking = None;
                match answered {
                    Some((fact, answer)) => self.records.answered(fact, answer),
                    None => {
                        self.end("the engine did not say whose object an event is about");
                        continue;
                    }
                }
            }
            match self.records.proceed() {
                Ok(Next::Left(bytes)) => {
                    let sent = &self.request.counters().sent;
                    sent.fetch_add(bytes.len() as u64, Relaxed);
                    return Poll::Ready(Some(Ok(Frame::data(bytes.into()))));
                }
                Ok(Next::Asks(fact)) => {
                    let client = Arc::clone(self.request.client());
                    let engine = self.request.engine().map(Arc::clone);
                    let asking = ask(client, engine, self.same.clone(), fact);
                    self.asking = Some(Box::pin(asking));
                    continue;
                }
                Ok(Next::Waits) => {}
                Err(why) => {
                    let why = format!("the engine's events were withheld from here on: {why}");
                    self.end(&why);
                    continue;
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    self.records.take(&data);
                    self.charge.shrink_to(0);
                    if self.charge.add(self.records.held()).is_err() {
                        self.end("the memory for the engine's events is in use");
                    }
                }
                Some(Err(e)) => {
                    self.request.engine_broke_off();
                    self.has_ended = true;
                    return Poll::Ready(Some(Err(e)));
                }
                None => {
                    self.request.complete();
                    self.has_ended = true;
                }
            }
        }
    }

    /// Ends it early.
    fn end(&mut self, why: &str) {
        self.request.withheld(why);
        self.has_ended = true;
    }
}

/// Asks the engine for one thing, over a connection of its own.
async fn ask(
    client: Arc<Client>,
    engine: Option<Arc<Engine>>,
    same: SameHost,
    fact: Fact,
) -> Option<(Fact, Answer)> {
    let engine = engine?;
    let mut charge = client.shared.bodies.charge(client.held.bodies());
    let mut questions = Questions::new(&engine, &same);
    let answers = questions.ask(&[fact], &mut charge).await.ok()?;
    answers.into_iter().next()
}
