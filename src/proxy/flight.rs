//! A request under way, from its head to the last byte of its answer or its tunnel.
//!
//! Whoever holds it is answerable for its end. Dropped in any other way it cuts the engine's
//! connection, since what is left there could be taken for the next request's answer. Its line in the
//! log is written by that drop too, so that there is one for each request and never two.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::{Body, Frame, Incoming};

use super::clearance::Unsettled;
use super::client::{Asked, Client, Phase};
use super::engine::{Engine, EngineError};
use super::respond;
use super::rulebook::Entry;
use crate::observe::access::{
    Counters, Decision, End, EngineFault, Explanation, Reason, Record, UploadFault,
};
use crate::policy::{Filter, Permit};

/// A request under way. Dropping it before [`InFlight::complete`] cuts the engine's connection and
/// says so in the log.
#[derive(Debug)]
pub(super) struct InFlight {
    client: Arc<Client>,
    record: Record,
    /// Where it goes, once that is known.
    engine: Option<Arc<Engine>>,
    completed: bool,
    /// What its answer has to pass, which may keep other requests from something until it ends.
    held: Option<Box<Filter>>,
    /// The answer ends with the connection, so that only a reset can tell a broken one.
    ends_with_connection: bool,
}

impl InFlight {
    /// The request that `client` has sent now.
    pub(super) fn begin(client: Arc<Client>, request: &Request<Incoming>) -> Self {
        let counters = Arc::clone(&client.upload.counters);
        let (method, target) = (request.method().clone(), request.uri().clone());
        let mut record = Record::new(Arc::clone(&client.peer_text), method, target, counters);
        record.certificate.clone_from(&client.certificate);
        client.upload.begin();
        client.enter(Phase::Waiting);
        Self {
            client,
            record,
            engine: None,
            completed: false,
            held: None,
            ends_with_connection: false,
        }
    }

    /// Where its bytes are counted.
    pub(super) fn counters(&self) -> &Counters {
        self.client.counters()
    }

    /// The connection that it came on.
    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// The policy that decides on it, and says where it goes.
    pub(super) fn decided_by(&mut self, policy: &Entry) {
        self.record.policy.clone_from(&policy.name);
        self.engine = Some(Arc::clone(&policy.engine));
    }

    /// Where it goes, once that is known.
    pub(super) fn engine(&self) -> Option<&Arc<Engine>> {
        self.engine.as_ref()
    }

    /// What is said of the engine, with its name where there are several.
    fn named(&self, why: &str) -> String {
        match self.engine.as_ref().map(|engine| &engine.settings) {
            Some(engine) if engine.is_named => why.replacen("the engine", &engine.to_string(), 1),
            _ => why.to_owned(),
        }
    }

    /// Keeps what its answer has to pass until it ends.
    pub(super) fn holds(&mut self, filter: Option<Box<Filter>>) {
        self.held = filter;
    }

    /// What the policy made of it.
    pub(super) fn decided(&mut self, decision: Decision) {
        self.record.decision = decision;
    }

    /// Whether no rule would deny it.
    pub(super) fn is_allowed(&self) -> bool {
        matches!(self.record.decision, Decision::Allowed(_))
    }

    /// This of it was allowed, with terms to meet or without.
    pub(super) fn allowed(&self, permit: &Permit, engine: &Arc<Engine>) {
        *self.client.asked() = Some(Asked {
            target: permit.target().clone(),
            body: permit.message().into(),
            judged: !permit.terms().is_empty(),
            engine: Arc::clone(engine),
        });
    }

    /// Whether it only looks whether the engine is there, which is worth no line at info.
    pub(super) fn is_health_check(&mut self, is_one: bool) {
        self.record.health_check = is_one;
    }

    /// The engine answered it with `status`; what follows is under way.
    pub(super) fn streams(&mut self, status: StatusCode) {
        self.record.status = Some(status);
        self.client.upload.set_answered(true);
        self.client.enter(Phase::Streaming);
    }

    /// Its answer ends with the connection.
    pub(super) fn ends_with_connection(&mut self) {
        self.ends_with_connection = true;
    }

    /// It ended well.
    pub(super) fn complete(&mut self) {
        self.completed = true;
    }

    /// The rest of the engine's answer is not passed on, for this reason.
    pub(super) fn withheld(&mut self, why: &str) {
        let reason = Reason::Engine(EngineFault::Unfiltered);
        self.record.end = End::Engine(Explanation::new(reason, self.named(why)));
    }

    /// The engine's answer ended before its end, perhaps because the request's body did.
    pub(super) fn engine_broke_off(&mut self) {
        self.record.end = match self.client.upload.fault() {
            Some(fault) => End::Upload(fault),
            None => {
                let reason = Reason::Engine(EngineFault::Gone);
                let why = "the engine closed the connection in the middle of its response";
                End::Engine(Explanation::new(reason, self.named(why)))
            }
        };
    }

    /// Its tunnel ended in this way instead of well.
    pub(super) fn broke_off(&mut self, how: &'static str) {
        self.record.end = End::Tunnel(how);
    }

    /// Refuses it.
    pub(super) fn refused(mut self, why: Explanation, close: bool) -> Response<String> {
        let response = self.answer(&why, close);
        self.record.decision = Decision::Refused(why);
        response
    }

    /// Says why it is not allowed any more, although the engine may have it.
    pub(super) fn denied_now(mut self, why: &Explanation, close: bool) -> Response<String> {
        self.record.end = End::Denied;
        self.answer(why, close)
    }

    /// Says why there is no answer: its body, if that was at fault, or else the engine.
    pub(super) fn unanswered(self, e: &EngineError, close: bool) -> Response<String> {
        match self.client.upload.fault() {
            Some(fault) => self.upload_failed(fault),
            None => {
                let told = self.engine.as_ref().map(|one| one.told(e).to_string());
                self.failed(e.fault(), told.unwrap_or_default(), close)
            }
        }
    }

    /// Says why its terms could not be met.
    pub(super) fn unsettled(self, why: Unsettled, close: bool) -> Response<String> {
        match why {
            Unsettled::Refused(why) => self.refused(why, close),
            Unsettled::Slow => self.upload_failed(UploadFault::Slow),
            Unsettled::Failed(e) => self.unanswered(&e, close),
        }
    }

    /// Its answer is this much of the engine's, which has ended.
    pub(super) fn answered_in_part(mut self, status: StatusCode, length: usize) {
        self.record.answered(status, length);
        self.completed = true;
    }

    fn upload_failed(mut self, fault: UploadFault) -> Response<String> {
        self.record.end = End::Upload(fault);
        self.answer(&fault.into(), true)
    }

    /// Says what is wrong with the engine.
    pub(super) fn engine_failed(
        self,
        fault: EngineFault,
        why: &str,
        close: bool,
    ) -> Response<String> {
        let why = self.named(why);
        self.failed(fault, why, close)
    }

    fn failed(mut self, fault: EngineFault, why: String, close: bool) -> Response<String> {
        let why = Explanation::new(Reason::Engine(fault), why);
        let response = self.answer(&why, close);
        self.record.end = End::Engine(why);
        response
    }

    /// The end of it, in dockgate's own words.
    fn answer(&mut self, why: &Explanation, close: bool) -> Response<String> {
        let response = respond::error(why, close);
        self.record.answered(why.status(), response.body().len());
        self.completed = true;
        response
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.completed {
            self.client.drop_upstream();
            if self.ends_with_connection {
                self.client.link.cut();
            }
            if matches!(self.record.end, End::Whole) {
                self.record.end = match self.client.is_denied() {
                    true => End::Denied,
                    false => End::Cut,
                };
            }
        }
        self.client.upload.set_answered(false);
        self.record.sent = self.client.upload.head.is_whole();
        self.client.asks_nothing();
        self.client.enter(Phase::Idle);
    }
}

/// The next part of the engine's body, as it passes by `request`'s record.
pub(super) fn poll_engine(
    body: &mut Incoming,
    request: &mut InFlight,
    broken: &mut Option<hyper::Error>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
    if broken.is_some() {
        // hyper writes on, and asks again when all is written.
        return match request.client().link.is_behind() {
            true => Poll::Pending,
            false => Poll::Ready(broken.take().map(Err)),
        };
    }
    let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
    match &frame {
        Some(Ok(frame)) => {
            let n = frame.data_ref().map_or(0, Bytes::len);
            request.counters().sent.fetch_add(n as u64, Relaxed);
            // hyper asks for no more after the trailers.
            if frame.is_trailers() || body.is_end_stream() {
                request.complete();
            }
        }
        Some(Err(_)) => request.engine_broke_off(),
        None => request.complete(),
    }
    if let Some(Err(e)) = frame {
        // At an error hyper drops what it has not written yet: that comes first.
        *broken = Some(e);
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    Poll::Ready(frame)
}
