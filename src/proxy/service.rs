//! A request's way, step by step: head, target, verdict, engine, answer.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE, USER_AGENT};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::{Body, Incoming};
use tokio::sync::Semaphore;

use super::admission::Admission;
use super::headers::{Seen, has_form, log_head, wanted_protocol};
use super::hijack::{self, Hijack};
use super::respond::{self, Answer};
use super::tunnel::Tunnel;
use super::upstream::{self, Upload, UploadState, Upstream};
use super::wire::{ClientLink, Framing};
use crate::api::target::Target;
use crate::config::Settings;
use crate::learn::Learner;
use crate::observe::access::{self, Counters, Decision, End, Peer, Record, UploadFault};
use crate::observe::log::REQUESTS;
use crate::policy::{self, Policy, Verdict};

/// The user agent of `dockgate healthcheck`, whose pings are not worth a line at info.
const HEALTH_CHECK_AGENT: &str = "dockgate-healthcheck";

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Decides.
    pub policy: Arc<Policy>,
    /// Lets clients in; everybody if there is none.
    pub admission: Option<Admission>,
    /// Whether each request is logged as a line of a profile.
    pub log_requests: bool,
    /// Learns from what is forwarded, if that is wanted.
    pub learner: Option<Arc<Learner>>,
    /// The engine's socket.
    pub socket_path: PathBuf,
    /// One for each connection that may be open.
    pub(super) slots: Arc<Semaphore>,
}

impl Shared {
    /// What the settings say, with room for so many connections, and strangers besides.
    pub(super) fn new(
        settings: &Settings,
        learner: Option<Arc<Learner>>,
        connections: usize,
        strangers: usize,
    ) -> Self {
        Self {
            policy: Arc::clone(&settings.policy),
            admission: settings
                .allow_from
                .clone()
                .map(|list| Admission::new(list, strangers)),
            log_requests: settings.profile.log_requests,
            learner,
            socket_path: settings.socket_path.clone(),
            slots: Arc::new(Semaphore::new(connections)),
        }
    }
}

/// Where a connection's request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// There is none.
    Idle,
    /// It is decided on, or waits for the engine.
    Waiting,
    /// Its answer, or its tunnel, is under way.
    Streaming,
}

/// What a connection becomes when its last request is answered.
#[derive(Debug)]
pub(super) enum Handover {
    /// By a 101.
    Tunnel(Box<Tunnel>),
    /// By a 200 in its place.
    Hijack(Box<Hijack>),
}

/// One client's connection.
#[derive(Debug)]
pub(super) struct Client {
    /// What all connections share.
    pub shared: Arc<Shared>,
    /// Who it is.
    pub(super) peer: Peer,
    /// The same as the log has it: written once, not for each request.
    peer_text: Arc<str>,
    /// Its socket.
    pub link: Arc<ClientLink>,
    upload: Arc<UploadState>,
    upstream: Mutex<Option<Upstream>>,
    handover: Mutex<Option<Handover>>,
    phase: AtomicU8,
}

impl Client {
    /// A connection that has sent nothing yet.
    pub(super) fn new(shared: Arc<Shared>, peer: Peer, link: Arc<ClientLink>) -> Arc<Self> {
        Arc::new(Self {
            shared,
            peer,
            peer_text: peer.to_string().into(),
            link,
            upload: Arc::default(),
            upstream: Mutex::default(),
            handover: Mutex::default(),
            phase: AtomicU8::new(Phase::Idle as u8),
        })
    }

    fn upstream(&self) -> MutexGuard<'_, Option<Upstream>> {
        self.upstream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the engine's connection, if there is one.
    pub(super) fn drop_upstream(&self) {
        let _ = self.upstream().take();
    }

    fn handover(&self) -> MutexGuard<'_, Option<Handover>> {
        self.handover.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the last answer made of the connection.
    pub(super) fn take_handover(&self) -> Option<Handover> {
        self.handover().take()
    }

    /// Where the bytes of its requests are counted.
    pub(super) fn counters(&self) -> &Counters {
        &self.upload.counters
    }

    /// Where its request stands.
    pub(super) fn is_in(&self, phase: Phase) -> bool {
        self.phase.load(Relaxed) == phase as u8
    }

    /// A number that changes whenever bytes of an answer, an upload or a tunnel pass.
    pub(super) fn activity(&self) -> u64 {
        let counters = self.counters();
        counters.received.load(Relaxed) + counters.sent.load(Relaxed) + self.link.written()
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }
}

/// A request under way. Dropping it before [`InFlight::complete`] cuts the engine's connection and
/// says so in the log.
#[derive(Debug)]
pub(super) struct InFlight {
    client: Arc<Client>,
    record: Record,
    completed: bool,
    /// The answer ends with the connection, so that only a reset can tell a broken one.
    ends_with_connection: bool,
}

impl InFlight {
    fn begin(client: Arc<Client>, request: &Request<Incoming>) -> Self {
        let counters = Arc::clone(&client.upload.counters);
        let (method, target) = (request.method().clone(), request.uri().clone());
        let record = Record::new(Arc::clone(&client.peer_text), method, target, counters);
        client.upload.begin();
        client.enter(Phase::Waiting);
        Self {
            client,
            record,
            completed: false,
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

    /// It ended well.
    pub(super) fn complete(&mut self) {
        self.completed = true;
    }

    /// The engine's answer ended before its end, perhaps because the request's body did.
    pub(super) fn engine_broke_off(&mut self) {
        self.record.end = match self.client.upload.fault() {
            Some(fault) => End::Upload(fault),
            None => End::Engine("the engine broke off its answer".into()),
        };
    }

    /// Its tunnel ended in this way instead of well.
    pub(super) fn broke_off(&mut self, how: &'static str) {
        self.record.end = End::Tunnel(how);
    }

    /// Refuses it, since it is ambiguous.
    fn ambiguous(mut self, why: String) -> Response<Answer> {
        let response = self.answer(StatusCode::BAD_REQUEST, &why, true);
        self.record.decision = Decision::Ambiguous(why);
        response
    }

    /// Says what is wrong with its body.
    fn bad_upload(mut self, fault: UploadFault) -> Response<Answer> {
        self.record.end = End::Upload(fault);
        self.answer(StatusCode::BAD_REQUEST, fault.message(), true)
    }

    /// Says what is wrong with the engine.
    fn engine_failed(mut self, status: StatusCode, why: String, close: bool) -> Response<Answer> {
        let response = self.answer(status, &why, close);
        self.record.end = End::Engine(why);
        response
    }

    /// The end of it, in dockgate's own words.
    fn answer(&mut self, status: StatusCode, message: &str, close: bool) -> Response<Answer> {
        let response = respond::error(status, message, close);
        if !self.record.is_head() {
            let length = response.body().size_hint().exact().unwrap_or_default();
            self.counters().sent.store(length, Relaxed);
        }
        self.record.status = Some(status);
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
                self.record.end = End::Cut;
            }
        }
        self.record.sent = self.client.upload.head.is_whole();
        self.client.enter(Phase::Idle);
    }
}

/// How hyper framed the body of a request.
pub(super) fn framing(request: &Request<Incoming>) -> Framing {
    let body = request.body();
    match body.size_hint().exact() {
        _ if body.is_end_stream() => Framing::Empty,
        Some(n) => Framing::Sized(n),
        None => Framing::Chunked,
    }
}

/// Decides on a request, forwards it if it may pass, and gives back the answer's head with the
/// body that follows it.
///
/// # Errors
/// None: whatever goes wrong is an answer.
pub(super) async fn answer(
    client: Arc<Client>,
    mut request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    let mut flight = InFlight::begin(client, &request);
    flight.client.link.turn().await;
    let framing = framing(&request);
    // A body that nobody will read is not skipped: the connection ends behind the answer.
    let unread = framing != Framing::Empty;
    let own_check = is_own_check(flight.client.peer, &request);

    let seen = Seen::in_headers(request.headers());
    if let Err(why) = seen.check(&request) {
        return Ok(flight.ambiguous(why.into()));
    }
    let target = match Target::parse(request.method(), request.uri()) {
        Ok(target) => target,
        Err(bad) => return Ok(flight.ambiguous(bad.to_string())),
    };
    if flight.client.shared.log_requests {
        log_request(&target);
    }
    let ping = target.path() == b"/_ping" && is_read(request.method());
    let kind = match framing {
        Framing::Empty => policy::Body::Empty,
        Framing::Sized(n) => policy::Body::of(Some(n), has_form(request.headers())),
        Framing::Chunked => policy::Body::of(None, has_form(request.headers())),
    };
    let permit = match flight.client.shared.policy.decide(target, kind) {
        Verdict::Allow(permit) => {
            flight.record.decision = Decision::Allowed(Arc::clone(permit.origin()));
            permit
        }
        Verdict::WouldDeny(permit, denial) => {
            flight.record.decision = Decision::WouldDeny(denial.message());
            permit
        }
        Verdict::Deny(denial) => {
            flight.record.health_check = own_check;
            let why = denial.message();
            let response = flight.answer(StatusCode::FORBIDDEN, &why, unread);
            flight.record.decision = Decision::Denied(why);
            return Ok(response);
        }
    };
    flight.record.health_check = own_check || ping && flight.client.peer.is_loopback();
    // dockgate's own check needs no grant.
    if let Some(learner) = flight.client.shared.learner.as_ref().filter(|_| !own_check) {
        learner.saw(permit.target(), kind);
    }

    let protocol = wanted_protocol(&request, seen, &permit);
    let client_side = protocol.is_some().then(|| hyper::upgrade::on(&mut request));
    let (mut head, body) = request.into_parts();
    log_head("request", &head.headers);
    let http_11 = head.version == Version::HTTP_11;
    seen.strip_hop_by_hop(&mut head.headers);
    if framing == Framing::Chunked {
        head.headers
            .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if !seen.host {
        head.headers
            .insert(HOST, HeaderValue::from_static("docker"));
    }
    if let Some(protocol) = protocol {
        head.headers
            .insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        head.headers.insert(UPGRADE, protocol);
    }

    let upload = Upload::new(body, Arc::clone(&flight.client.upload));
    let mut kept = flight.client.upstream().take();
    let socket = &flight.client.shared.socket_path;
    let state = &flight.client.upload;
    let mut response = match upstream::send(&mut kept, socket, &permit, head, upload, state).await {
        Ok(response) => response,
        Err(e) => match state.fault() {
            Some(fault) => return Ok(flight.bad_upload(fault)),
            None => return Ok(flight.engine_failed(e.status(), e.to_string(), unread)),
        },
    };
    log_head("answer", response.headers());
    let status = response.status();
    flight.record.status = Some(status);
    flight.client.enter(Phase::Streaming);

    if status == StatusCode::SWITCHING_PROTOCOLS {
        let (Some(client_side), Some(upstream)) = (client_side, kept) else {
            let why = "the engine switched protocols although nobody asked it to".into();
            return Ok(flight.engine_failed(StatusCode::BAD_GATEWAY, why, unread));
        };
        let engine_side = hyper::upgrade::on(&mut response);
        let client = Arc::clone(&flight.client);
        let tunnel = Box::new(Tunnel::new(client_side, engine_side, upstream, flight));
        *client.handover() = Some(Handover::Tunnel(tunnel));
        return Ok(response.map(|_| Answer::Whole(None)));
    }
    let open_ended =
        !response.body().is_end_stream() && response.body().size_hint().exact().is_none();
    let is_hijack = open_ended && hijack::is_hijack(&permit, &response);
    if !is_hijack {
        *flight.client.upstream() = kept.take();
    }

    let seen = Seen::in_headers(response.headers());
    let chunked = seen.transfer_encoding;
    seen.strip_hop_by_hop(response.headers_mut());
    if chunked {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    // A body that only the connection's end can end: of the 200 instead of a 101, of an attach's
    // error, and of everything without a length for a client that does not know chunks.
    let ends_with_connection = open_ended && (!chunked || !http_11);
    *response.version_mut() = Version::HTTP_11;
    if ends_with_connection {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
        flight.ends_with_connection = true;
        // So hyper writes the bytes as they come, for clients that read them raw, and then closes.
        *response.version_mut() = Version::HTTP_10;
        if http_11 {
            flight.client.link.next_answer_ends_with_the_connection();
        }
    }
    if is_hijack && let Some(upstream) = kept {
        // Boxed, since few come to it.
        return Ok(Box::pin(hijacked(flight, upstream, response, unread)).await);
    }
    if response.body().is_end_stream() {
        flight.complete();
    }
    Ok(response.map(|body| Answer::Engine {
        body,
        request: flight,
        broken: None,
    }))
}

/// Answers a request with the 200 by which the engine took its connection over.
async fn hijacked(
    flight: InFlight,
    upstream: Upstream,
    response: Response<Incoming>,
    has_body: bool,
) -> Response<Answer> {
    let client = Arc::clone(&flight.client);
    let upload = has_body.then_some(&*client.upload);
    let (head, body) = response.into_parts();
    match Hijack::begin(flight, upload, upstream, body).await {
        Ok((hijack, output)) => {
            *client.handover() = Some(Handover::Hijack(hijack));
            Response::from_parts(head, Answer::Hijacked(output))
        }
        // Such an engine takes the rest of the body for input, framed as it is, and so it goes on as
        // a body. Nothing behind it is read.
        Err((request, upstream, body)) => {
            *client.upstream() = Some(upstream);
            let answer = Answer::Engine {
                body,
                request,
                broken: None,
            };
            Response::from_parts(head, answer)
        }
    }
}

/// Whether `dockgate healthcheck` asks: its ping is no news, whatever the verdict.
pub(super) fn is_own_check(peer: Peer, request: &Request<Incoming>) -> bool {
    let agent = request.headers().get(USER_AGENT);
    request.uri().path() == "/_ping"
        && is_read(request.method())
        && (peer.is_loopback() || matches!(peer, Peer::Unix(_)))
        && agent.is_some_and(|agent| agent == HEALTH_CHECK_AGENT)
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// The request as a line of a profile.
fn log_request(target: &Target) {
    let line = access::profile_line(target.method_str(), target.path_and_query());
    if policy::is_literal(target) {
        log::info!(target: REQUESTS, "request rule: {line}");
    } else {
        log::info!(target: REQUESTS, "request rule: # no line matches such a path: {line}");
    }
}
