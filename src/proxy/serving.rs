//! hyper's side of a client's connection: one kind for clients, strangers and health checks, so
//! that it is compiled once.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1::{Builder, UpgradeableConnection};
use hyper::service::Service;
use hyper_util::rt::TokioIo;

use super::answer::Answer;
use super::wire::{ClientIo, ClientLink, MAX_BUFFER};
use crate::api::Framing;

/// A future answer. It is boxed, so that a streaming or idle connection does not hold the memory of
/// all its steps.
pub(super) type Answering<'a> =
    Pin<Box<dyn Future<Output = Result<Response<Answer>, Infallible>> + Send + 'a>>;

type Answerer<'a> = dyn Fn(Request<Incoming>, Framing) -> Answering<'a> + Send + Sync + 'a;

/// Answers the requests of one connection.
pub(super) struct Answers<'a> {
    link: Arc<ClientLink>,
    answer: Box<Answerer<'a>>,
}

impl<'a> Service<Request<Incoming>> for Answers<'a> {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Answering<'a>;

    fn call(&self, request: Request<Incoming>) -> Answering<'a> {
        let framing = self.link.expect_body(request.body());
        (self.answer)(request, framing)
    }
}

/// How clients are served. Their heads have limits and timers of their own, in [`ClientIo`].
pub(super) fn http_1() -> Builder {
    let mut builder = Builder::new();
    builder
        .half_close(true)
        .header_read_timeout(None)
        .max_buf_size(MAX_BUFFER)
        .auto_date_header(false);
    builder
}

/// The connection over `link`, whose requests, framed as hyper found them, `answer` answers.
pub(super) fn serve<'a>(
    builder: &Builder,
    link: &Arc<ClientLink>,
    answer: impl Fn(Request<Incoming>, Framing) -> Answering<'a> + Send + Sync + 'a,
) -> UpgradeableConnection<TokioIo<ClientIo>, Answers<'a>> {
    let io = TokioIo::new(ClientIo::new(Arc::clone(link)));
    let answers = Answers {
        link: Arc::clone(link),
        answer: Box::new(answer),
    };
    builder.serve_connection(io, answers).with_upgrades()
}
