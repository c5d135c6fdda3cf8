//! A message's headers: what is read from them, and what is removed and added on the way.
//!
//! The parts of a request's head that change what the engine understands go into a [`Message`],
//! which is decided on; the rest are [`Headers`]. What belongs to one connection never passes to
//! the other.

use std::fmt;

use http::header::Entry;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, ORIGIN, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderValue, Request, Response, Version};

use super::browser::SEC_FETCH_SITE;
use crate::api::{BadTarget, Framing, Message};
use crate::observe::access::{Explanation, Reason};

/// Headers that belong to one connection only (RFC 9110, section 7.6.1), besides those that a
/// Connection header names. `Expect` is one of them because dockgate answers it.
const HOP_BY_HOP: [HeaderName; 6] = [
    EXPECT,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Why a request's head is refused with 400. Its text says what is wrong and what to send instead.
#[derive(Clone, Copy, Debug)]
pub(super) enum BadHead {
    /// More than one Host header.
    Hosts,
    /// No Host header.
    NoHost,
    /// A Transfer-Encoding other than `chunked`.
    TransferEncoding,
    /// What Docker's router would not serve.
    Target(BadTarget),
}

impl From<BadTarget> for BadHead {
    fn from(bad: BadTarget) -> BadHead {
        BadHead::Target(bad)
    }
}

impl fmt::Display for BadHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadHead::Hosts => "the request has more than one Host header: send exactly one",
            BadHead::NoHost => {
                "the request has no Host header: HTTP/1.1 requires one, which may be empty"
            }
            BadHead::TransferEncoding => {
                "unsupported Transfer-Encoding: only a single `chunked` is accepted"
            }
            BadHead::Target(bad) => return bad.fmt(f),
        })
    }
}

impl From<BadHead> for Explanation {
    fn from(bad: BadHead) -> Explanation {
        let reason = match bad {
            BadHead::Target(_) => Reason::Ambiguous,
            BadHead::Hosts | BadHead::NoHost | BadHead::TransferEncoding => Reason::Malformed,
        };
        Explanation::new(reason, bad.to_string())
    }
}

/// Which of the headers that need attention a message has. One pass finds them, since most messages
/// have none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    host: bool,
    transfer_encoding: bool,
    upgrade: bool,
    connection: bool,
    content_length: bool,
    content_type: bool,
    /// A browser's, which a web page may have sent.
    page: bool,
    hop_by_hop: bool,
    /// Some header occurs more than once.
    repeated: bool,
}

impl Seen {
    pub(super) fn in_headers(headers: &HeaderMap) -> Self {
        let mut seen = Self {
            repeated: headers.len() > headers.keys_len(),
            ..Self::default()
        };
        for name in headers.keys() {
            seen.host |= name == HOST;
            seen.transfer_encoding |= name == TRANSFER_ENCODING;
            seen.upgrade |= name == UPGRADE;
            seen.connection |= name == CONNECTION;
            seen.content_length |= name == CONTENT_LENGTH;
            seen.content_type |= name == CONTENT_TYPE;
            seen.page |= name == ORIGIN || name == SEC_FETCH_SITE;
            seen.hop_by_hop |= HOP_BY_HOP.contains(name);
        }
        seen
    }

    /// Whether a web page may have sent it.
    pub(super) fn is_of_page(self) -> bool {
        self.page
    }

    /// What RFC 9112 calls a malformed head, where hyper is lenient.
    pub(super) fn check<B>(self, request: &Request<B>) -> Result<(), BadHead> {
        let headers = request.headers();
        if self.repeated && headers.get_all(HOST).iter().count() > 1 {
            return Err(BadHead::Hosts);
        }
        if !self.host && request.version() == Version::HTTP_11 {
            return Err(BadHead::NoHost);
        }
        if !self.transfer_encoding {
            return Ok(());
        }
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        match (codings.next(), codings.next()) {
            (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
            _ => Err(BadHead::TransferEncoding),
        }
    }

    /// What determines how the engine reads the request besides the target, with hyper's framing of
    /// the body: no header of the client's overrides its length.
    pub(super) fn message<B>(self, request: &Request<B>, framing: Framing) -> Message {
        let headers = request.headers();
        let mut message = Message::new(match framing {
            // Whether the client says so is part of what it says.
            Framing::Empty if self.content_length => Framing::Sized(0),
            framing => framing,
        });
        if self.content_type {
            let types = headers.get_all(CONTENT_TYPE).iter().cloned();
            message = message.with_content_types(types.collect());
        }
        if self.upgrade && request.version() == Version::HTTP_11 {
            let mut asked = headers.get_all(UPGRADE).iter();
            if let (Some(protocol), None) = (asked.next(), asked.next()) {
                message = message.with_upgrade(protocol.clone());
            }
        }
        message
    }

    /// The rest of a request's headers.
    pub(super) fn rest(self, mut headers: HeaderMap) -> Headers {
        self.strip_hop_by_hop(&mut headers);
        if self.content_length {
            headers.remove(CONTENT_LENGTH);
        }
        if self.content_type {
            headers.remove(CONTENT_TYPE);
        }
        if !self.host {
            headers.insert(HOST, HeaderValue::from_static("docker"));
        }
        Headers(headers)
    }

    /// Removes what belongs to one connection only: [`HOP_BY_HOP`], and what a Connection header
    /// names, but never a header that the message's meaning depends on.
    fn strip_hop_by_hop(self, headers: &mut HeaderMap) {
        if self.hop_by_hop {
            for name in &HOP_BY_HOP {
                headers.remove(name);
            }
        }
        if !self.connection {
            return;
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
}

/// The headers of a request that do not change what the engine understands. Framing, content type
/// and protocol are not among them, nor is what belongs to one connection only.
#[derive(Debug)]
pub struct Headers(HeaderMap);

impl Headers {
    /// Keeps those of a client's headers.
    pub fn new(headers: HeaderMap) -> Self {
        Seen::in_headers(&headers).rest(headers)
    }

    pub(super) fn into_map(self) -> HeaderMap {
        self.0
    }
}

/// Adapts the engine's answer, which is `open_ended` if its length is unknown, to a client that
/// speaks HTTP/1.1 (`http_11`) or less. True if only the end of the connection can end it.
pub(super) fn rewrite_answer<B>(
    response: &mut Response<B>,
    open_ended: bool,
    http_11: bool,
) -> bool {
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
        // So hyper writes the bytes as they come, for clients that read them raw, and then closes.
        *response.version_mut() = Version::HTTP_10;
    }
    ends_with_connection
}

/// Logs headers at `debug`, but never credentials.
pub(super) fn log_head(which: &str, headers: &HeaderMap) {
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
