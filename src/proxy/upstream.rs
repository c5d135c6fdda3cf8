//! The connection to the engine: one for each client connection, opened when first needed, kept
//! alive, reopened when the engine closed it.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;

use super::engine::{Engine, EngineError, SameHost, is_refusal};
use super::filter::Reply;
use super::headers::Headers;
use super::outgoing::Outgoing;
use super::upload::{Upload, UploadState};
use super::wire::{EngineIo, EngineLink, MAX_BUFFER, SentHead};
use crate::policy::Cleared;

/// A connection to the engine that no other client shares. Dropping it cuts it.
#[derive(Debug)]
pub(super) struct Upstream {
    /// Whose it is, and to which address, if by TCP.
    engine: Arc<Engine>,
    address: Option<SocketAddr>,
    sender: SendRequest<Upload>,
    link: Arc<EngineLink>,
    /// Its outcome reaches the request that waits for it, too.
    task: JoinHandle<hyper::Result<()>>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    /// Connects to an engine; `head` learns what becomes of each request's.
    ///
    /// # Errors
    /// Those of [`Engine::dial`], [`EngineError::Moved`] and [`EngineError::Garbage`].
    async fn connect(
        engine: &Arc<Engine>,
        same: &SameHost,
        head: Arc<SentHead>,
    ) -> Result<Self, EngineError> {
        let (socket, address) = engine.dial().await?;
        same.must_take(address)?;
        let link = EngineLink::new(socket, head);
        let io = TokioIo::new(EngineIo::new(Arc::clone(&link)));
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_BUFFER)
            .handshake(io)
            .await
            .map_err(EngineError::Garbage)?;
        let task = tokio::spawn(connection.with_upgrades());
        let engine = Arc::clone(engine);
        Ok(Self {
            engine,
            address,
            sender,
            link,
            task,
        })
    }

    /// A connection for dockgate's own questions.
    ///
    /// # Errors
    /// Those of [`Engine::dial`], [`EngineError::Moved`] and [`EngineError::Garbage`].
    pub(super) async fn own(engine: &Arc<Engine>, same: &SameHost) -> Result<Self, EngineError> {
        Self::connect(engine, same, Arc::default()).await
    }

    /// Gets what is at such a path of the engine.
    ///
    /// # Errors
    /// [`EngineError::Garbage`] and [`EngineError::Gone`].
    pub(super) async fn get(&mut self, path: &str) -> Result<Response<Incoming>, EngineError> {
        let mut request = Request::new(Upload::empty());
        *request.uri_mut() = path.parse().map_err(|_| EngineError::Gone)?;
        let host = HeaderValue::from_static("docker");
        request.headers_mut().insert(HOST, host);
        self.ask(request).await
    }

    /// Posts JSON to such a path of the engine.
    ///
    /// # Errors
    /// [`EngineError::Garbage`] and [`EngineError::Gone`].
    pub(super) async fn post(
        &mut self,
        path: &'static str,
        body: Vec<u8>,
    ) -> Result<Response<Incoming>, EngineError> {
        let length = body.len();
        let mut request = Request::new(Upload::empty().replaced_by(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static(path);
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_static("docker"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, length.into());
        self.ask(request).await
    }

    async fn ask(&mut self, request: Request<Upload>) -> Result<Response<Incoming>, EngineError> {
        let asked = match self.sender.ready().await {
            Ok(()) => self.sender.send_request(request).await,
            Err(e) => Err(e),
        };
        asked.map_err(|e| fault(&self.link, e))
    }

    /// What is known of the connection outside hyper.
    pub(super) fn link(&self) -> &EngineLink {
        &self.link
    }

    /// Whether it is a connection to this engine, as it is configured now and where it is now.
    fn is_to(&self, engine: &Arc<Engine>) -> bool {
        Arc::ptr_eq(&self.engine, engine) && engine.is_still_at(self.address)
    }

    /// Whether a request with such a body can go out on it. The kernel is asked, at the price of a
    /// call, only for a request that could not be sent again.
    async fn is_reusable(&mut self, without_body: bool) -> bool {
        self.sender.ready().await.is_ok() && (without_body || !self.link.socket.has_input())
    }
}

/// Sends what was cleared to an engine over `kept`, or over a new connection, and waits for the head of
/// the answer, which passes as the clearance says. On success the connection in use is in `kept`; in any
/// case `state` knows whether the engine got the request.
///
/// **What is kept of another engine, or of another host than was asked for the request, is dropped, and
/// never used.**
///
/// A request of which the engine took no byte is sent once more over a new connection: the engine
/// may close a kept one at any time. Nothing else is ever sent twice; what TLS was given to encrypt
/// counts as taken.
///
/// # Errors
/// All of [`EngineError`].
pub(super) async fn send(
    kept: &mut Option<Upstream>,
    engine: &Arc<Engine>,
    same: &SameHost,
    cleared: Cleared,
    headers: Headers,
    upload: Upload,
    state: &UploadState,
) -> Result<Reply, EngineError> {
    // A body that was not decided on stays behind.
    let upload = match cleared.message().length() {
        Some(0) => Upload::empty(),
        _ => upload,
    };
    let (mut request, filter) = Outgoing::new(cleared, headers).with(upload);
    if let Some(mut upstream) = kept.take().filter(|kept| kept.is_to(engine))
        && upstream.is_reusable(request.body().is_empty()).await
        && same.takes(upstream.address)
    {
        state.head.expect();
        let spare = request.body().is_empty().then(|| copy_of_head(&request));
        let before = upstream.link.accepted();
        match upstream.sender.try_send_request(request).await {
            Ok(response) => {
                *kept = Some(upstream);
                return Ok(Reply::new(response, filter));
            }
            Err(mut e) => {
                let link = &upstream.link;
                let untouched = link.accepted() == before && !link.socket.has_begun_write();
                match (e.take_message(), spare) {
                    (Some(unsent), _) => request = unsent,
                    (None, Some(spare)) if untouched => request = spare,
                    _ => return Err(fault(&upstream.link, e.into_error())),
                }
            }
        }
    }
    state.head.expect();
    let mut upstream = Upstream::connect(engine, same, Arc::clone(&state.head)).await?;
    let response = upstream.sender.send_request(request).await;
    let response = response.map_err(|e| fault(&upstream.link, e))?;
    *kept = Some(upstream);
    Ok(Reply::new(response, filter))
}

/// What is wrong with an engine that gives no answer over this connection.
fn fault(link: &EngineLink, e: hyper::Error) -> EngineError {
    if e.is_parse() {
        return EngineError::Garbage(e);
    }
    // That a certificate is refused, an engine may say behind the handshake (RFC 8446, section 4.4.2.4).
    let refusal = link.tls_error().filter(|e| is_refusal(e));
    refusal.map_or(EngineError::Gone, |e| EngineError::Tls(e.clone()))
}

fn copy_of_head(request: &Request<Upload>) -> Request<Upload> {
    let mut copy = Request::new(Upload::empty());
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    copy
}
