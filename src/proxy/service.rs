//! A request's way, step by step: head, target, verdict, engine, answer.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::header::Entry;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, TE,
    TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::{Body, Incoming};
use tokio::sync::{OnceCell, Semaphore};

use super::admission::Admission;
use super::respond::{self, Answer};
use super::tunnel::Tunnel;
use super::upstream::{self, Upload, UploadState, Upstream};
use super::wire::{ClientLink, Framing};
use crate::api::target::Target;
use crate::config::Settings;
use crate::learn::Learner;
use crate::observe::access::{self, Counters, Outcome, Peer, Record};
use crate::observe::log::REQUESTS;
use crate::policy::{self, Permit, Policy, Verdict};

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
    /// What the settings say, with room for so many connections.
    pub(super) fn new(
        settings: &Settings,
        learner: Option<Arc<Learner>>,
        connections: usize,
    ) -> Self {
        Self {
            policy: Arc::clone(&settings.policy),
            admission: settings.allow_from.clone().map(Admission::new),
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
    /// Whether it was let in, once that is known.
    admitted: OnceCell<bool>,
    upload: Arc<UploadState>,
    upstream: Mutex<Option<Upstream>>,
    tunnel: Mutex<Option<Tunnel>>,
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
            admitted: OnceCell::new(),
            upload: Arc::default(),
            upstream: Mutex::default(),
            tunnel: Mutex::default(),
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

    /// The tunnel that the last answer opened.
    pub(super) fn take_tunnel(&self) -> Option<Tunnel> {
        self.tunnel
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Why the client is not let in, if so. Asked once a connection: the address stays the same.
    async fn refused(&self) -> Option<String> {
        let admission = self.shared.admission.as_ref()?;
        let admitted = self.admitted.get_or_init(|| admission.admits(self.peer));
        (!admitted.await).then(|| admission.refusal(self.peer))
    }

    /// Where its request stands.
    pub(super) fn is_in(&self, phase: Phase) -> bool {
        self.phase.load(Relaxed) == phase as u8
    }

    /// A number that changes whenever bytes of an answer, an upload or a tunnel pass.
    pub(super) fn activity(&self) -> u64 {
        let counters = &self.upload.counters;
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
        client.upload.failed.store(false, Relaxed);
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
        &self.client.upload.counters
    }

    /// The connection that it came on.
    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// It ended well.
    pub(super) fn complete(&mut self) {
        self.completed = true;
    }

    /// The engine's answer ended before its end.
    pub(super) fn engine_broke_off(&mut self) {
        self.record.outcome = Outcome::EngineFailed("the engine broke off its answer".into());
    }

    /// It ended in this way instead of well.
    pub(super) fn broke_off(&mut self, how: &'static str) {
        self.record.broken = Some(how);
    }

    /// Answers with dockgate's own words and ends the request.
    fn refuse(mut self, status: StatusCode, outcome: Outcome, close: bool) -> Response<Answer> {
        let (Outcome::Refused(message) | Outcome::EngineFailed(message)) = &outcome else {
            unreachable!("a refusal has a message");
        };
        let response = respond::error(status, message, close);
        if !self.record.is_head() {
            let length = response.body().size_hint().exact().unwrap_or_default();
            self.counters().sent.store(length, Relaxed);
        }
        self.record.status = Some(status);
        self.record.outcome = outcome;
        self.completed = true;
        response
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.completed {
            self.client.drop_upstream();
            if self.ends_with_connection {
                self.client.link.socket.reset_on_close();
            }
            if self.record.broken.is_none() {
                self.record.broken = Some("cut before its end");
            }
        }
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

/// Whether the engine may read the body as a form, which overrides the query. Any Content-Type that
/// looks like one counts: those that do and are none are no client's.
fn has_form(headers: &HeaderMap) -> bool {
    let form = |value: &HeaderValue| {
        let value = value.as_bytes().to_ascii_lowercase();
        let has = |word: &[u8]| value.windows(word.len()).any(|part| part == word);
        has(b"form") || has(b"multipart")
    };
    headers.get_all(CONTENT_TYPE).iter().any(form)
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
    let framing = framing(&request);
    // A body that nobody will read is not skipped: the connection ends behind the answer.
    let unread = framing != Framing::Empty;
    let ambiguous = |flight: InFlight, why: String| {
        flight.refuse(StatusCode::BAD_REQUEST, Outcome::Refused(why), true)
    };

    if let Some(why) = flight.client.refused().await {
        flight.record.health_check = is_own_check(flight.client.peer, request.headers());
        return Ok(flight.refuse(StatusCode::FORBIDDEN, Outcome::Refused(why), true));
    }
    if let Err(why) = check_head(&request) {
        return Ok(ambiguous(flight, why.into()));
    }
    let target = match Target::parse(request.method(), request.uri()) {
        Ok(target) => target,
        Err(bad) => return Ok(ambiguous(flight, bad.to_string())),
    };
    if flight.client.shared.log_requests {
        log_request(&target);
    }
    let ping =
        target.path() == b"/_ping" && matches!(*request.method(), Method::GET | Method::HEAD);
    let own_check = ping && is_own_check(flight.client.peer, request.headers());
    let kind = match framing {
        Framing::Empty => policy::Body::Empty,
        _ if has_form(request.headers()) => policy::Body::Form,
        _ => policy::Body::Other,
    };
    let permit = match flight.client.shared.policy.decide(target, kind) {
        Verdict::Allow(permit) => {
            flight.record.outcome = Outcome::Allowed(Arc::clone(permit.origin()));
            permit
        }
        Verdict::WouldDeny(permit, denial) => {
            flight.record.outcome = Outcome::WouldDeny(denial.message());
            permit
        }
        Verdict::Deny(denial) => {
            flight.record.health_check = own_check;
            let why = Outcome::Refused(denial.message().to_string());
            return Ok(flight.refuse(StatusCode::FORBIDDEN, why, unread));
        }
    };
    flight.record.health_check = own_check || ping && flight.client.peer.is_loopback();
    // dockgate's own check needs no grant.
    if let Some(learner) = flight.client.shared.learner.as_ref().filter(|_| !own_check) {
        learner.saw(permit.target(), kind);
    }

    let protocol = wanted_protocol(&request, &permit);
    let client_side = protocol.is_some().then(|| hyper::upgrade::on(&mut request));
    let (mut head, body) = request.into_parts();
    log_head("request", &head.headers);
    let http_11 = head.version == Version::HTTP_11;
    strip_hop_by_hop(&mut head.headers);
    head.headers.remove(EXPECT);
    if framing == Framing::Chunked {
        head.headers
            .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if !head.headers.contains_key(HOST) {
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
    let mut response = match upstream::send(&mut kept, socket, &permit, head, upload).await {
        Ok(response) => response,
        Err(_) if flight.client.upload.failed.load(Relaxed) => {
            let why = "the request's body broke off or its chunks are malformed";
            return Ok(ambiguous(flight, why.into()));
        }
        Err(e) => {
            let why = Outcome::EngineFailed(e.to_string());
            return Ok(flight.refuse(e.status(), why, unread));
        }
    };
    log_head("answer", response.headers());
    let status = response.status();
    flight.record.status = Some(status);
    flight.client.enter(Phase::Streaming);

    if status == StatusCode::SWITCHING_PROTOCOLS {
        let (Some(client_side), Some(upstream)) = (client_side, kept) else {
            let why = "the engine switched protocols although nobody asked it to";
            let why = Outcome::EngineFailed(why.into());
            return Ok(flight.refuse(StatusCode::BAD_GATEWAY, why, unread));
        };
        let engine_side = hyper::upgrade::on(&mut response);
        let client = Arc::clone(&flight.client);
        let tunnel = Tunnel::new(client_side, engine_side, upstream, flight);
        *client.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
        return Ok(response.map(|_| Answer::Whole(None)));
    }
    *flight.client.upstream() = kept;

    let chunked = response.headers().contains_key(TRANSFER_ENCODING);
    strip_hop_by_hop(response.headers_mut());
    if chunked {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    let open_ended =
        !response.body().is_end_stream() && response.body().size_hint().exact().is_none();
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
    if response.body().is_end_stream() {
        flight.complete();
    }
    Ok(response.map(|body| Answer::Engine {
        body,
        request: flight,
    }))
}

/// What RFC 9112 calls a malformed head, where hyper is lenient.
fn check_head(request: &Request<Incoming>) -> Result<(), &'static str> {
    let headers = request.headers();
    let hosts = headers.get_all(HOST).iter().count();
    if hosts > 1 {
        return Err("the request has more than one Host header: send exactly one");
    }
    if hosts == 0 && request.version() == Version::HTTP_11 {
        return Err("the request has no Host header: HTTP/1.1 needs one, if only an empty one");
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err("the only Transfer-Encoding that is accepted is one `chunked`"),
    }
}

/// Whether `dockgate healthcheck` asks: its ping is no news, whatever the verdict.
fn is_own_check(peer: Peer, headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT);
    (peer.is_loopback() || matches!(peer, Peer::Unix(_)))
        && agent.is_some_and(|agent| agent == HEALTH_CHECK_AGENT)
}

/// The protocol to ask the engine for: what the client asks for, where the table has it.
fn wanted_protocol(request: &Request<Incoming>, permit: &Permit) -> Option<HeaderValue> {
    let mut wanted = request.headers().get_all(UPGRADE).iter();
    let (protocol, None) = (wanted.next()?, wanted.next()) else {
        return None;
    };
    let known = permit.target().upgrade_protocols();
    (request.version() == Version::HTTP_11
        && known
            .iter()
            .any(|known| protocol.as_bytes().eq_ignore_ascii_case(known.as_bytes())))
    .then(|| protocol.clone())
}

/// Removes what belongs to one connection only (RFC 9110, section 7.6.1): the fixed names, and
/// those that a Connection header names, but never one that the message's meaning hangs on.
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    const FIXED: [HeaderName; 5] = [
        TE,
        TRANSFER_ENCODING,
        UPGRADE,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ];
    // One look at each header, since most messages have none of these.
    if headers.keys().any(|name| FIXED.contains(name)) {
        for name in &FIXED {
            headers.remove(name);
        }
    }
    let Entry::Occupied(connection) = headers.entry(CONNECTION) else {
        return;
    };
    let (_, lines) = connection.remove_entry_mult();
    let named: Vec<HeaderName> = lines
        .flat_map(|line| {
            let names = line
                .as_bytes()
                .split(|&b| b == b',')
                .map(<[u8]>::trim_ascii);
            names
                .filter_map(|name| HeaderName::from_bytes(name).ok())
                .collect::<Vec<_>>()
        })
        .filter(|name| {
            let name = name.as_str();
            name != "host" && !name.starts_with("content-") && !name.starts_with("x-registry-")
        })
        .collect();
    for name in &named {
        headers.remove(name);
    }
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

/// Headers at debug; credentials never.
fn log_head(which: &str, headers: &HeaderMap) {
    if !log::log_enabled!(log::Level::Debug) {
        return;
    }
    let secret = |name: &str| {
        name.starts_with("x-registry-")
            || [
                "authorization",
                "cookie",
                "set-cookie",
                "proxy-authorization",
            ]
            .contains(&name)
    };
    let shown: Vec<String> = headers
        .iter()
        .map(|(name, value)| match name.as_str() {
            name if secret(name) => format!("{name}: …"),
            name => format!("{name}: {}", value.as_bytes().escape_ascii()),
        })
        .collect();
    log::debug!("{which} headers: {}", shown.join(", "));
}
