//! A message's headers: what is looked for in them, and what is taken out on the way.

use http::header::Entry;
use http::header::{
    CONNECTION, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderValue, Request, Version};
use hyper::body::{Body, Incoming};

use super::wire::Framing;
use crate::policy::Permit;

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
    pub(super) host: bool,
    pub(super) transfer_encoding: bool,
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

    /// Removes what belongs to one connection only: [`HOP_BY_HOP`], and what a Connection header
    /// names, but never a header that the message's meaning hangs on.
    pub(super) fn strip_hop_by_hop(self, headers: &mut HeaderMap) {
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

/// Whether the engine may read the body as a form, which overrides the query. Any Content-Type that
/// looks like one counts: those that do and are none are no client's.
pub(super) fn has_form(headers: &HeaderMap) -> bool {
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
