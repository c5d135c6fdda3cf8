//! A message's headers: what is looked for in them, and what is taken out and put in on the way.
//!
//! A request's framing is what hyper made of it, and goes out as just that: no header that a client
//! sent says anew how long a body is. What belongs to one connection never passes to the other.

use http::header::Entry;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderValue, Request, Response, Version};
use hyper::body::{Body, Incoming};

use super::wire::Framing;
use crate::policy::{self, Permit};

/// What belongs to one connection only (RFC 9110, section 7.6.1), besides what a Connection header
/// names. `Expect` is among them because it is answered here.
const HOP_BY_HOP: [HeaderName; 6] = [
    EXPECT,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Which headers a message has of those that its way through depends on. They are found in one
/// look at each, since most messages have none of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    host: bool,
    transfer_encoding: bool,
    upgrade: bool,
    connection: bool,
    hop_by_hop: bool,
    /// Some header stands there more than once.
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
            seen.hop_by_hop |= HOP_BY_HOP.contains(name);
        }
        seen
    }

    /// What RFC 9112 calls a malformed head, where hyper is lenient.
    pub(super) fn check<B>(self, request: &Request<B>) -> Result<(), &'static str> {
        let headers = request.headers();
        if self.repeated && headers.get_all(HOST).iter().count() > 1 {
            return Err("the request has more than one Host header: send exactly one");
        }
        if !self.host && request.version() == Version::HTTP_11 {
            return Err("the request has no Host header: HTTP/1.1 needs one, if only an empty one");
        }
        if !self.transfer_encoding {
            return Ok(());
        }
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        match (codings.next(), codings.next()) {
            (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
            _ => Err("the only Transfer-Encoding that is accepted is one `chunked`"),
        }
    }

    /// Makes a request's headers those that the engine gets: with what its connection needs instead
    /// of what the client's needed.
    pub(super) fn rewrite_request(
        self,
        headers: &mut HeaderMap,
        framing: Framing,
        protocol: Option<HeaderValue>,
    ) {
        self.strip_hop_by_hop(headers);
        if framing == Framing::Chunked {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if !self.host {
            headers.insert(HOST, HeaderValue::from_static("docker"));
        }
        if let Some(protocol) = protocol {
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, protocol);
        }
    }

    /// Removes what belongs to one connection only: [`HOP_BY_HOP`], and what a Connection header
    /// names, but never a header that the message's meaning hangs on.
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

/// Makes the engine's answer, which is `open_ended` if nobody knows its length, one for a client that
/// speaks `http_11` or less. True if only the connection's end can end it.
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

/// The protocol to ask the engine for: what the client asks for, where the table has it.
pub(super) fn wanted_protocol<B>(
    request: &Request<B>,
    seen: Seen,
    permit: &Permit,
) -> Option<HeaderValue> {
    if !seen.upgrade {
        return None;
    }
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

/// How hyper framed the body of a request.
pub(super) fn framing(request: &Request<Incoming>) -> Framing {
    let body = request.body();
    match body.size_hint().exact() {
        _ if body.is_end_stream() => Framing::Empty,
        Some(n) => Framing::Sized(n),
        None => Framing::Chunked,
    }
}

/// The body as the policy asks for it.
pub(super) fn body_kind(framing: Framing, headers: &HeaderMap) -> policy::Body {
    match framing {
        Framing::Empty => policy::Body::Empty,
        Framing::Sized(n) => policy::Body::of(Some(n), has_form(headers)),
        Framing::Chunked => policy::Body::of(None, has_form(headers)),
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

/// Headers at debug; credentials never.
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
