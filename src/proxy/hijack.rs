//! A connection that the engine took over with a 200: attach and the start of an exec, for a client
//! that did not request an upgrade.
//!
//! hyper releases a connection only after a 101. So the answer remains a body, which ends with the
//! connection, and in parallel, what the client sends goes to the engine unchanged. None of it is
//! ever read as a request: the reader of requests is closed before the answer's head is written,
//! the request's own body has been sent completely by then, and neither connection is used again.
//! If the body has not been sent completely, there is no hijack: it continues as a body, and
//! nothing follows it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{Response, StatusCode, Version};
use hyper::body::{Frame, Incoming};
use tokio::time::sleep;

use super::flight::{InFlight, poll_engine};
use super::tunnel::{exchange, pump};
use super::upload::UploadState;
use super::upstream::Upstream;
use crate::api::Target;

/// The content types of raw streams; the second has frames, for a client without a terminal.
const STREAMS: [&[u8]; 2] = [
    b"application/vnd.docker.raw-stream",
    b"application/vnd.docker.multiplexed-stream",
];
/// An engine may answer slightly before it has received the end of the body.
const BODY_PATIENCE: Duration = Duration::from_secs(1);
/// How often to check for that.
const LOOKS: u32 = 100;

/// Whether this answer, with the headers that the engine sent, is a hijack. After any other answer,
/// the engine would read input as a request.
pub(super) fn is_hijack(target: &Target, response: &Response<Incoming>) -> bool {
    let headers = response.headers();
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    response.status() == StatusCode::OK
        && response.version() == Version::HTTP_11
        && !headers.contains_key(CONTENT_LENGTH)
        && !headers.contains_key(TRANSFER_ENCODING)
        && matches!((types.next(), types.next()), (Some(own), None) if STREAMS.contains(&own.as_bytes()))
        && target.is_hijacked()
}

/// The client's side of a hijacked connection.
#[derive(Debug)]
pub(super) struct Hijack {
    upstream: Upstream,
    request: Arc<Mutex<InFlight>>,
}

impl Hijack {
    /// Hijacks the connection of `request`, whose body `upload` is if it has one, together with the
    /// engine's.
    ///
    /// # Errors
    /// Returns everything if the request's body is incomplete: what follows does not belong to the
    /// stream.
    pub(super) async fn begin(
        request: InFlight,
        upload: Option<&UploadState>,
        upstream: Upstream,
        body: Incoming,
    ) -> Result<(Box<Self>, Box<Output>), (InFlight, Upstream, Incoming)> {
        let link = Arc::clone(&request.client().link);
        let is_whole = || {
            let is_sent = upload.is_none_or(UploadState::has_ended);
            is_sent && !upstream.link().is_behind() && link.hijack()
        };
        let mut looks = 0;
        // There is no event for it, and hardly ever anything to wait for.
        while !is_whole() {
            if looks == LOOKS {
                return Err((request, upstream, body));
            }
            looks += 1;
            sleep(BODY_PATIENCE / LOOKS).await;
        }
        upstream.link().hijack();
        let request = Arc::new(Mutex::new(request));
        let output = Output {
            body,
            request: Arc::clone(&request),
            broken: None,
        };
        Ok((Box::new(Self { upstream, request }), Box::new(output)))
    }

    /// Continues `answer`, which writes what the engine sends, and in parallel moves what the
    /// client sends, until both have ended, the client has disconnected, or `stop` completes. True
    /// if the client may still be sending then.
    pub(super) async fn run(
        self,
        answer: impl Future<Output = hyper::Result<()>>,
        stop: impl Future<Output = &'static str>,
    ) -> bool {
        let Self { upstream, request } = self;
        let peer = Arc::clone(lock(&request).client());
        let (client, engine) = (&peer.link.socket, &upstream.link().socket);
        let Some(early) = peer.link.take_early() else {
            // No head was written, so the beginning of the input is lost: none of it is passed on.
            lock(&request).broke_off("the client disconnected");
            return false;
        };
        let up = pump(client, engine, early.to_vec(), &peer.counters().received);
        let down = async {
            answer.await.map_err(|e| match e.is_user() {
                true => "ended early",
                false => "the client disconnected",
            })
        };
        match exchange(client, engine, up, down, stop).await {
            Ok(client_done) => !client_done,
            Err(how) => {
                lock(&request).broke_off(how);
                false
            }
        }
    }
}

/// The engine's side of a hijacked connection.
#[derive(Debug)]
pub(super) struct Output {
    body: Incoming,
    request: Arc<Mutex<InFlight>>,
    broken: Option<hyper::Error>,
}

impl Output {
    /// The next part of it.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        poll_engine(
            &mut self.body,
            &mut lock(&self.request),
            &mut self.broken,
            cx,
        )
    }
}

fn lock(request: &Mutex<InFlight>) -> MutexGuard<'_, InFlight> {
    request.lock().unwrap_or_else(PoisonError::into_inner)
}
