//! A request's way, step by step: head, target, verdict, engine, answer.
//!
//! The steps are [`answer`], from top to bottom. What is sent is what was cleared, and every way
//! out is an answer: the request's record is written when its [`InFlight`] is dropped.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::{Body, Incoming};

use super::answer::Answer;
use super::browser;
use super::clearance::{self, Unsettled};
use super::client::Client;
use super::engine::SameHost;
use super::filter::{Filtered, Reply, Unfiltered, Withheld};
use super::flight::InFlight;
use super::headers::{BadHead, Seen, log_head, rewrite_answer};
use super::health::{is_own_check, is_read};
use super::hijack::{self, Hijack};
use super::holders;
use super::records::Recorded;
use super::rulebook::{self, Entry};
use super::survey::survey;
use super::tunnel::Tunnel;
use super::upload::Upload;
use super::upstream::{self, Upstream};
use super::versions;
use crate::api::{Framing, Target};
use crate::observe::access::{self, Decision, EngineFault, Explanation};
use crate::observe::log::REQUESTS;
use crate::policy::{self, Passage, Verdict};

/// What a connection becomes when its last request is answered.
#[derive(Debug)]
pub(super) enum Handover {
    /// By a 101.
    Tunnel(Box<Tunnel>),
    /// By a 200 in its place.
    Hijack(Box<Hijack>),
}

/// Where an answer leaves what its connection becomes, for the task that serves the connection.
#[derive(Debug, Default)]
pub(super) struct HandoverSlot(Mutex<Option<Handover>>);

impl HandoverSlot {
    fn put(&self, handover: Handover) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(handover);
    }

    /// What the last answer made of the connection.
    pub(super) fn take(&self) -> Option<Handover> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Decides on a request, forwards it if it may pass, and gives back the answer's head with the
/// body that follows it. `framing` is how hyper framed its body; what its connection becomes goes
/// into `slot`.
///
/// # Errors
/// None: whatever goes wrong is an answer.
pub(super) async fn answer(
    client: Arc<Client>,
    slot: &HandoverSlot,
    mut request: Request<Incoming>,
    framing: Framing,
) -> Result<Response<Answer>, Infallible> {
    let mut flight = InFlight::begin(client, &request);
    flight.client().link.turn().await;
    // A body that nobody will read is not skipped: the connection ends behind the answer.
    let unread = framing != Framing::Empty;
    let own_check = is_own_check(flight.client().peer, &request);

    let seen = Seen::in_headers(request.headers());
    let target = match parse(&request, seen) {
        Ok(target) => target,
        Err(bad) => return Ok(flight.refused(bad.into(), true).map(Answer::own)),
    };
    if let Err(wait) = flight.client().held.request() {
        return Ok(flight
            .refused(holders::too_often(wait), unread)
            .map(Answer::own));
    }
    if seen.is_of_page()
        && let Err(intruder) =
            browser::check(request.headers(), &flight.client().shared.allowed_hosts)
    {
        return Ok(flight.refused(intruder.into(), unread).map(Answer::own));
    }
    let ping = target.path() == b"/_ping" && is_read(request.method());
    let message = seen.message(&request, framing);
    // The health check has to be answered soon, and any answer will do.
    let patience = if own_check {
        Duration::ZERO
    } else {
        rulebook::PATIENCE
    };
    let policy = match policy_now(flight.client(), patience).await {
        Ok(policy) => policy,
        Err(why) => {
            flight.is_health_check(own_check);
            let client = flight.client();
            let ends = unread || client.shared.rulebook.load().is_outdated(client);
            return Ok(flight.refused(why, ends).map(Answer::own));
        }
    };
    flight.decided_by(&policy);
    if policy.logs_requests {
        log_request(&target);
    }
    let same = SameHost::of(&policy.engine);
    let target = match policy
        .demands
        .versions
        .filter(|bounds| bounds.cover(&target))
    {
        None => target,
        // Boxed, since few come to it.
        Some(bounds) => match Box::pin(versions::raised(
            flight.client(),
            &policy.engine,
            bounds,
            target,
            &same,
        ))
        .await
        {
            Ok(target) => target,
            Err(why) => return Ok(flight.unsettled(why, unread).map(Answer::own)),
        },
    };
    let permit = match policy.decide(target, message) {
        Verdict::Allow(permit) => {
            flight.decided(Decision::Allowed(Arc::clone(permit.origin())));
            permit
        }
        Verdict::WouldDeny(permit, denial) => {
            flight.decided(Decision::WouldDeny((&denial).into()));
            permit
        }
        Verdict::Deny(denial) => {
            flight.is_health_check(own_check);
            return Ok(flight.refused((&denial).into(), unread).map(Answer::own));
        }
    };
    flight.is_health_check(own_check || ping && flight.client().peer.is_loopback());
    let shared = &flight.client().shared;
    // dockgate's own check needs no grant.
    let learner = shared.learner.as_ref();
    let learner = learner.filter(|_| policy.learns && !own_check).cloned();
    let mut wanted = None;
    if let Some(learner) = &learner {
        learner.saw(permit.target(), permit.message().into());
        let (target, message) = (permit.target(), permit.message());
        wanted = learner.surveys(target, message, &policy.demands);
    }
    flight.allowed(&permit, &policy.engine);

    let switches = permit.message().upgrade().is_some();
    let client_side = switches.then(|| hyper::upgrade::on(&mut request));
    let (head, body) = request.into_parts();
    log_head("request", &head.headers);
    let http_11 = head.version == Version::HTTP_11;
    let headers = seen.rest(head.headers);

    let state = &flight.client().upload;
    let mut upload = Upload::new(body, Arc::clone(state), shared.upload_timeout);
    if let (Some(learner), Some(wanted)) = (&learner, wanted) {
        let client = flight.client();
        // Boxed, since few come to it.
        let surveying = Box::pin(survey(client, &policy.engine, wanted, learner, upload));
        upload = match unless_denied(client, surveying).await {
            Ok(Ok(upload)) => upload,
            Ok(Err(why)) => return Ok(flight.unsettled(why, unread).map(Answer::own)),
            Err(why) => return Ok(flight.denied_now(&why, unread).map(Answer::own)),
        };
    }
    let (cleared, upload, doubts) = match permit.passage() {
        Passage::Stream(cleared) => (cleared, upload, None),
        Passage::Inspect(inspection) => {
            let client = flight.client();
            // Boxed, since few come to it.
            let settling = Box::pin(clearance::settle(
                client, inspection, &policy, &same, upload,
            ));
            match unless_denied(client, settling).await {
                Ok(Ok(settled)) => {
                    // What the rules would deny, they deny first.
                    if let Some(why) = settled.would_deny.filter(|_| flight.is_allowed()) {
                        flight.decided(Decision::WouldDeny(*why));
                    }
                    (settled.cleared, settled.upload, settled.doubts)
                }
                Ok(Err(why)) => {
                    let unread = unread && !flight.client().upload.has_ended();
                    return Ok(flight.unsettled(why, unread).map(Answer::own));
                }
                Err(why) => return Ok(flight.denied_now(&why, unread).map(Answer::own)),
            }
        }
    };
    let client = flight.client();
    let (state, engine) = (&client.upload, &policy.engine);
    let mut kept = flight.client().upstream().take();
    // Pinned where it is made, since it is large and moving it costs.
    let mut sent = unless_denied(
        flight.client(),
        pin!(upstream::send(
            &mut kept, engine, &same, cleared, headers, upload, state
        )),
    )
    .await;
    if let (Some(bounds), Ok(Ok(reply))) = (policy.demands.versions, &mut sent) {
        versions::tell(reply.headers_mut(), bounds);
    }
    let mut response = match sent {
        Ok(Ok(Reply::Passes(response, filter))) => {
            flight.holds(filter);
            response
        }
        Ok(Ok(Reply::Filters(unfiltered))) => {
            // Boxed, since few come to it.
            let answering = filtered(
                flight,
                kept,
                same,
                unfiltered,
                &head.method,
                unread,
                http_11,
            );
            return Ok(Box::pin(answering).await);
        }
        Ok(Err(e)) => {
            let why = doubts.and_then(|doubts| doubts.take());
            let why = why.unwrap_or(Unsettled::Failed(e));
            return Ok(flight.unsettled(why, unread).map(Answer::own));
        }
        Err(why) => return Ok(flight.denied_now(&why, unread).map(Answer::own)),
    };
    if let Some(Unsettled::Refused(why)) = doubts.and_then(|doubts| doubts.take()) {
        flight.decided(Decision::WouldDeny(why));
    }
    log_head("answer", response.headers());
    flight.streams(response.status());

    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let (Some(client_side), Some(upstream)) = (client_side, kept) else {
            let why = "the engine switched protocols without being asked to";
            let refusal = flight.engine_failed(EngineFault::Invalid, why, unread);
            return Ok(refusal.map(Answer::own));
        };
        let engine_side = hyper::upgrade::on(&mut response);
        let tunnel = Box::new(Tunnel::new(client_side, engine_side, upstream, flight));
        slot.put(Handover::Tunnel(tunnel));
        return Ok(response.map(|_| Answer::Whole(None)));
    }
    let open_ended = is_open_ended(response.body());
    let is_hijack = open_ended && {
        let asked = flight.client().asked();
        let target = asked.as_ref().map(|asked| &asked.target);
        target.is_some_and(|target| hijack::is_hijack(target, &response))
    };
    if !is_hijack {
        *flight.client().upstream() = kept.take();
    }
    if rewrite_answer(&mut response, open_ended, http_11) {
        flight.ends_with_connection();
        if http_11 {
            flight.client().link.next_answer_ends_with_the_connection();
        }
    }
    if is_hijack && let Some(upstream) = kept {
        // Boxed, since few come to it.
        return Ok(Box::pin(hijacked(flight, slot, upstream, response, unread)).await);
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

/// The policy that holds for a client now.
///
/// # Errors
/// Why that cannot be told within `patience`.
async fn policy_now(client: &Client, patience: Duration) -> Result<Arc<Entry>, Explanation> {
    // In a statement of its own, so that the rulebook is not held across the wait.
    let told = client.shared.rulebook.load().policy_of(client);
    match told {
        Ok(policy) => Ok(policy),
        // Boxed, since few come to it.
        Err(_) => Box::pin(rulebook::policy_in_time(client, patience)).await,
    }
}

/// What comes of `sending`, unless the request is denied meanwhile.
///
/// # Errors
/// Why it is denied now.
fn unless_denied<T>(
    client: &Client,
    mut sending: impl Future<Output = T> + Unpin,
) -> impl Future<Output = Result<T, Explanation>> {
    // The connection's task says so, and polls this.
    poll_fn(
        move |cx| match client.is_denied().then(|| client.take_denial()) {
            Some(Some(why)) => Poll::Ready(Err(why)),
            _ => Pin::new(&mut sending).poll(cx).map(Ok),
        },
    )
}

/// What is asked for, if the request can be read in one way only.
fn parse(request: &Request<Incoming>, seen: Seen) -> Result<Target, BadHead> {
    seen.check(request)?;
    Ok(Target::parse(request.method(), request.uri())?)
}

/// Whether the engine did not say how long a body is.
fn is_open_ended(body: &Incoming) -> bool {
    !body.is_end_stream() && body.size_hint().exact().is_none()
}

/// Answers a request with what its filter leaves of the engine's answer.
async fn filtered(
    mut flight: InFlight,
    kept: Option<Upstream>,
    same: SameHost,
    unfiltered: Unfiltered,
    method: &Method,
    unread: bool,
    http_11: bool,
) -> Response<Answer> {
    log_head("answer", unfiltered.headers());
    let client = Arc::clone(flight.client());
    let charge = client.shared.answers.charge(client.held.answers());
    let reading = Box::pin(unfiltered.read(method, charge));
    let filtered = match unless_denied(&client, reading).await {
        Ok(Ok(filtered)) => filtered,
        Ok(Err(Withheld::Engine(fault, why))) => {
            return flight.engine_failed(fault, &why, unread).map(Answer::own);
        }
        Ok(Err(Withheld::Refused(why))) => return flight.refused(why, unread).map(Answer::own),
        Err(why) => return flight.denied_now(&why, unread).map(Answer::own),
    };
    *client.upstream() = kept;
    match filtered {
        Filtered::Whole(mut response) => {
            // Its length is known to any client.
            rewrite_answer(&mut response, false, true);
            flight.answered_in_part(response.status(), response.body().len());
            response.map(|bytes| Answer::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())))
        }
        Filtered::Records(mut response, records, charge) => {
            flight.streams(response.status());
            if rewrite_answer(&mut response, true, http_11) {
                flight.ends_with_connection();
                if http_11 {
                    client.link.next_answer_ends_with_the_connection();
                }
            }
            response.map(|body| Answer::Records(Recorded::new(body, records, flight, same, charge)))
        }
    }
}

/// Answers a request with the 200 by which the engine took its connection over.
async fn hijacked(
    flight: InFlight,
    slot: &HandoverSlot,
    upstream: Upstream,
    response: Response<Incoming>,
    has_body: bool,
) -> Response<Answer> {
    let client = Arc::clone(flight.client());
    let upload = has_body.then_some(&*client.upload);
    let (head, body) = response.into_parts();
    match Hijack::begin(flight, upload, upstream, body).await {
        Ok((hijack, output)) => {
            slot.put(Handover::Hijack(hijack));
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

/// The request as a line of a profile.
fn log_request(target: &Target) {
    let line = access::profile_line(target.method_str(), target.path_and_query());
    if policy::is_literal(target) {
        log::info!(target: REQUESTS, "request rule: {line}");
    } else {
        log::info!(target: REQUESTS, "request rule: # no line matches such a path: {line}");
    }
}
