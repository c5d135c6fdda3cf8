//! The body of any answer. What it holds of a request ends with it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::flight::{InFlight, poll_engine};
use super::hijack::Output;
use super::records::Recorded;

/// The body of an answer: dockgate's own, or the engine's as it comes.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are the large one, and a box would cost each of them an allocation"
)]
pub(super) enum Answer {
    /// The whole body, at once.
    Whole(Option<Bytes>),
    /// From the engine; the record of the request ends with it.
    Engine {
        /// The engine's body.
        body: Incoming,
        /// What ends when the body ends.
        request: InFlight,
        /// How the engine ended it early.
        broken: Option<hyper::Error>,
    },
    /// From an engine that took over its connection.
    Hijacked(Box<Output>),
    /// From the engine, filtered one record at a time.
    Records(Box<Recorded>),
}

impl Answer {
    /// In dockgate's own words.
    pub(super) fn own(words: String) -> Self {
        Answer::Whole(Some(words.into()))
    }
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
            Answer::Records(records) => records.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Answer::Whole(bytes) => bytes.is_none(),
            Answer::Engine { body, .. } => body.is_end_stream(),
            Answer::Hijacked(_) | Answer::Records(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Answer::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Answer::Engine { body, .. } => body.size_hint(),
            Answer::Hijacked(_) | Answer::Records(_) => SizeHint::default(),
        }
    }
}
