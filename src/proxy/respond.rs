//! What dockgate answers itself: Docker's own error document, which clients print.

use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::hijack::Output;
use super::service::InFlight;
use crate::observe::log::json_string;

/// The body of an answer: dockgate's own, or the engine's as it comes.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are the large one, and a box would cost each of them an allocation"
)]
pub(super) enum Answer {
    /// All of it, at once.
    Whole(Option<Bytes>),
    /// From the engine; the record of the request ends with it.
    Engine {
        /// The engine's body.
        body: Incoming,
        /// What ends when the body ends.
        request: InFlight,
        /// How the engine broke it off.
        broken: Option<hyper::Error>,
    },
    /// From an engine that took its connection over.
    Hijacked(Box<Output>),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Answer::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Answer::Engine {
                body,
                request,
                broken,
            } => poll_engine(body, request, broken, cx),
            Answer::Hijacked(output) => output.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Answer::Whole(bytes) => bytes.is_none(),
            Answer::Engine { body, .. } => body.is_end_stream(),
            Answer::Hijacked(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Answer::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Answer::Engine { body, .. } => body.size_hint(),
            Answer::Hijacked(_) => SizeHint::default(),
        }
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

/// `{"message": "dockgate: …"}`, with the Content-Type that the docker CLI compares for equality.
/// `close` says that the connection ends with it.
pub(super) fn error(status: StatusCode, message: &str, close: bool) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(Some(document(message).into())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if close {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The same as bytes, for a connection that hyper has given up.
pub(super) fn raw_error(status: StatusCode, message: &str) -> Vec<u8> {
    let body = document(message);
    format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        body.len(),
    )
    .into_bytes()
}

fn document(message: &str) -> String {
    let message = json_string(&["dockgate: ", message].concat());
    ["{\"message\":", &message, "}\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_json_whatever_the_message_holds() {
        let message = "a \"b\" \\ \n \u{7f} ü";
        let value: serde_json::Value = serde_json::from_str(&document(message)).expect("JSON");
        assert_eq!(value["message"], format!("dockgate: {message}"));
    }
}
