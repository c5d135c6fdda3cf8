//! The head that the engine gets, built from what was cleared and from headers that cannot
//! contradict it.

use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderValue, Request, Uri};

use super::headers::Headers;
use super::upload::Upload;
use crate::api::Framing;
use crate::policy::{Cleared, Content, Filter};

/// A request's head as the engine gets it, over HTTP/1.1, and what follows it.
#[derive(Debug)]
pub struct Outgoing {
    head: Request<()>,
    content: Content,
    filter: Option<Box<Filter>>,
}

impl Outgoing {
    /// The only way to make one.
    pub fn new(cleared: Cleared, headers: Headers) -> Self {
        let (target, message, content, filter) = cleared.into_parts();
        let (method, path_and_query) = target.into_parts();
        let mut headers = headers.into_map();
        match message.framing() {
            Framing::Empty => {}
            Framing::Sized(0) => {
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            Framing::Sized(length) => {
                headers.insert(CONTENT_LENGTH, length.into());
            }
            Framing::Chunked => {
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
        for content_type in message.content_types() {
            headers.append(CONTENT_TYPE, content_type.clone());
        }
        if filter.is_some() {
            // An encoded answer cannot be read.
            headers.remove(ACCEPT_ENCODING);
        }
        if let Some(protocol) = message.upgrade() {
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, protocol.clone());
        }
        let mut head = Request::new(());
        *head.method_mut() = method;
        *head.uri_mut() = Uri::from(path_and_query);
        *head.headers_mut() = headers;
        Self {
            head,
            content,
            filter,
        }
    }

    /// The head.
    pub fn request(&self) -> &Request<()> {
        &self.head
    }

    /// The head followed by the body that was judged, or by the client's, and what its answer must
    /// pass.
    pub(super) fn with(self, upload: Upload) -> (Request<Upload>, Option<Box<Filter>>) {
        let request = self.head.map(|()| match self.content {
            Content::AsSent => upload,
            Content::Whole(bytes) => upload.replaced_by(bytes),
        });
        (request, self.filter)
    }
}
