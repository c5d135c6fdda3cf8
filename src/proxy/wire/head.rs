//! A request's head as bytes: where it ends, and what hyper would silently refuse or repair.
//!
//! Nothing here decides what a request is: a head goes to hyper unchanged, except for a target that
//! must be encoded.

use std::borrow::Cow;
use std::time::Duration;

use memchr::{memchr, memchr_iter, memchr3};

use crate::api::target::{BadTarget, MAX_TARGET, encode_target};
use crate::observe::access::{Explanation, Part, Reason};

/// How long a request head may take, from its first byte.
pub(in crate::proxy) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest request head, in bytes.
pub(super) const MAX_HEAD: usize = 64 * 1024;
/// The largest number of header lines in a request.
const MAX_HEADERS: usize = 100;

/// What a connection refused to read. Its task answers once hyper is done with the connection.
#[derive(Debug)]
pub(in crate::proxy) struct Refusal {
    /// What is wrong, and what to send instead.
    pub why: Explanation,
    /// What the client has sent, if it only understands HTTP/2.
    pub http_2: Option<Vec<u8>>,
}

impl Refusal {
    /// A refusal in HTTP/1.1.
    pub(in crate::proxy) fn new(reason: Reason, text: impl Into<String>) -> Self {
        Self {
            why: Explanation::new(reason, text),
            http_2: None,
        }
    }

    pub(super) fn large_head() -> Self {
        Self::new(
            Reason::TooLarge(Part::Head),
            "the request headers exceed 64 KiB or 100 lines",
        )
    }
}

/// Where a head ends: after its first empty line, with the line endings that hyper's parser
/// accepts.
pub(super) fn head_end(bytes: &[u8]) -> Option<usize> {
    memchr_iter(b'\n', bytes).find_map(|lf| match &bytes[lf + 1..] {
        [b'\n', ..] => Some(lf + 2),
        [b'\r', b'\n', ..] => Some(lf + 3),
        _ => None,
    })
}

/// Whether a head can go to hyper unchanged: it is small, and no byte in its request line needs
/// attention.
pub(super) fn is_plain(head: &[u8]) -> bool {
    let line = request_line(head);
    head.len() <= 4096
        && head[0] > b' '
        && memchr3(b'"', b'<', b'>', line).is_none()
        && memchr(b'#', line).is_none()
        && line.is_ascii()
        && lines(head) <= MAX_HEADERS + 2
}

/// The number of lines in a head: the request line, one per header, and the empty one.
fn lines(head: &[u8]) -> usize {
    memchr_iter(b'\n', head).count()
}

fn request_line(head: &[u8]) -> &[u8] {
    memchr(b'\n', head).map_or(head, |end| &head[..end])
}

/// Refuses a head that hyper would silently refuse or repair; returns a new one if its target
/// needed encoding.
pub(super) fn checked_head(head: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
    if lines(head) > MAX_HEADERS + 2 {
        return Err(Refusal::large_head());
    }
    let line = request_line(head);
    // hyper refuses lines of any other shape.
    let (Some(first), Some(last)) = (
        line.iter().position(|&b| b == b' '),
        line.iter().rposition(|&b| b == b' '),
    ) else {
        return Ok(None);
    };
    if last <= first {
        return Ok(None);
    }
    match encode_target(&line[first + 1..last]) {
        Ok(Cow::Borrowed(_)) => Ok(None),
        Ok(Cow::Owned(target)) if target.len() > MAX_TARGET => Err(Refusal::new(
            Reason::TooLarge(Part::Target),
            BadTarget::Long.to_string(),
        )),
        Ok(Cow::Owned(target)) => Ok(Some([&head[..=first], &target, &head[last..]].concat())),
        Err(e) => Err(Refusal::new(Reason::Ambiguous, e.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_end_where_hyper_ends_them() {
        for (bytes, end) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], Some(18)),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest", Some(27)),
            (b"GET / HTTP/1.1\n\nrest", Some(16)),
            (b"GET / HTTP/1.1\n\r\nrest", Some(17)),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r", None),
            (b"GET / HTTP/1.1\r\n", None),
            (b"", None),
        ] {
            assert_eq!(head_end(bytes), end, "{}", bytes.escape_ascii());
        }
    }
}
