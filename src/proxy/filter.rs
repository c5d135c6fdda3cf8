//! An answer of which its client must not get everything. It is read as a whole, within limits of size
//! and memory, and what is left of it is sent with a length of its own. What cannot be read is
//! withheld: nothing here gives out an answer with a filter unfiltered.

use std::fmt::Display;
use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use hyper::body::{Body, Incoming};

use super::budget::{Charge, NoRoom};
use crate::body::answer::{Reads, Records};
use crate::observe::access::{EngineFault, Explanation};
use crate::policy::Filter;

/// What the engine answers.
#[derive(Debug)]
pub(super) enum Reply {
    /// As it comes. The filter is there until it ends.
    Passes(Response<Incoming>, Option<Box<Filter>>),
    /// Not before its filter has seen it.
    Filters(Unfiltered),
}

impl Reply {
    /// An answer, and what it must pass.
    pub(super) fn new(response: Response<Incoming>, filter: Option<Box<Filter>>) -> Self {
        if let Some(filter) = &filter {
            filter.begins(response.status().as_u16());
        }
        match filter {
            Some(filter) if !filter.passes_all() => Reply::Filters(Unfiltered { response, filter }),
            filter => Reply::Passes(response, filter),
        }
    }

    /// Its headers, which no filter sees.
    pub(super) fn headers_mut(&mut self) -> &mut HeaderMap {
        match self {
            Reply::Passes(response, _) => response.headers_mut(),
            Reply::Filters(unfiltered) => unfiltered.response.headers_mut(),
        }
    }
}

/// An answer with a filter. Only [`Unfiltered::read`] leads out of it.
#[derive(Debug)]
pub(super) struct Unfiltered {
    response: Response<Incoming>,
    filter: Box<Filter>,
}

/// Why nothing of an answer is sent.
#[derive(Debug)]
pub(super) enum Withheld {
    /// The engine is at fault, in these words.
    Engine(EngineFault, String),
    /// There is no room for it.
    Refused(Explanation),
}

/// What is sent, with the memory that it takes until then.
struct Charged(
    Vec<u8>,
    #[expect(dead_code, reason = "its drop counts")] Charge,
);

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Unfiltered {
    /// Its headers.
    pub(super) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// What of it may pass as the answer to a request with this method: all of it at once, or its records
    /// as they arrive.
    ///
    /// # Errors
    /// Why nothing does.
    pub(super) async fn read(
        self,
        method: &Method,
        mut charge: Charge,
    ) -> Result<Filtered, Withheld> {
        let filter = self.filter;
        let why_read = filter.told();
        let withheld = |why: &dyn Display| {
            let text = format!("the engine's response was withheld, because {why_read}, and {why}");
            Withheld::Engine(EngineFault::Unfiltered, text)
        };
        let (mut head, mut body) = self.response.into_parts();
        let status = head.status.as_u16();
        let reads = filter.reads(status).map_err(|why| withheld(&why))?;
        if let Some(encoding) = encoding(&head.headers) {
            let encoding = encoding.as_bytes().escape_ascii();
            return Err(withheld(&format_args!("the body is encoded ({encoding})")));
        }
        head.headers.remove(CONTENT_LENGTH);
        let most = match reads {
            Reads::Whole(most) => most,
            Reads::Records => {
                let response = Response::from_parts(head, body);
                return Ok(Filtered::Records(response, filter.records().into(), charge));
            }
        };
        let mut bytes = Vec::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let frame = frame.map_err(|_| {
                let why = "the engine closed the connection in the middle of its response";
                Withheld::Engine(EngineFault::Gone, why.to_owned())
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if bytes.len() + data.len() > most {
                let why = format_args!("the body is larger than {most} bytes");
                return Err(withheld(&why));
            }
            charge.add(data.len()).map_err(no_room)?;
            bytes.extend_from_slice(&data);
        }
        if method == Method::HEAD {
            return Ok(Filtered::Whole(Response::from_parts(head, Bytes::new())));
        }
        // Until it is written anew, there are two of it.
        let length = bytes.len();
        charge.add(length).map_err(no_room)?;
        let left = filter.whole(status, bytes).map_err(|why| withheld(&why))?;
        head.status = StatusCode::from_u16(left.status).map_err(|why| withheld(&why))?;
        if left.is_json {
            let json = HeaderValue::from_static("application/json");
            head.headers.insert(CONTENT_TYPE, json);
        }
        let left = left.body;
        // Escapes may have become longer.
        let longer = left.len().saturating_sub(2 * length);
        charge.add(longer).map_err(no_room)?;
        charge.shrink_to(left.len());
        // Without a body, there is none to be told of.
        if !matches!(
            head.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        ) {
            head.headers.insert(CONTENT_LENGTH, left.len().into());
        }
        let left = Bytes::from_owner(Charged(left, charge));
        Ok(Filtered::Whole(Response::from_parts(head, left)))
    }
}

/// What passes of an answer.
#[derive(Debug)]
pub(super) enum Filtered {
    /// This.
    Whole(Response<Bytes>),
    /// What is left of its records, and the memory that they take.
    Records(Response<Incoming>, Box<Records>, Charge),
}

/// How a body is encoded, if it is.
fn encoding(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut all = headers.get_all(CONTENT_ENCODING).iter();
    all.find(|one| !one.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn no_room(no_room: NoRoom) -> Withheld {
    let refusal = no_room.refusal("this client's requests", "requests", |whose| {
        format!(
            "the memory for {whose} is in use, and the engine's response must be read as a whole; \
             retry later"
        )
    });
    Withheld::Refused(refusal)
}
