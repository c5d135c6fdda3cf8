//! Openings that cannot be an HTTP/1 request: a TLS client, an HTTP/2 client, anything binary.
//!
//! Such a client would wait, so it gets an immediate answer that it will show: Go's TLS clients
//! look for `HTTP/` where a record's header should be, and HTTP/2 clients print the reason in a
//! GOAWAY (RFC 9113, sections 3.4 and 6.8).

use std::io;

use memchr::memchr;
use tokio::io::Interest;
use tokio::time::timeout;

use super::head::{HEAD_TIMEOUT, MAX_HEAD, Refusal};
use super::socket::Socket;
use crate::observe::access::Reason;

/// The longest method; an endless one is not searched again for each byte.
const LONGEST_METHOD: usize = 32;
/// The part of HTTP/2's preface that looks like a head.
const HTTP_2_HEAD: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";
/// The length of the whole preface: `SM` and an empty line follow.
const HTTP_2_PREFACE: usize = HTTP_2_HEAD.len() + 6;
/// A SETTINGS frame that keeps all defaults.
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
const HEADERS: u8 = 1;
const GOAWAY: u8 = 7;
const HTTP_1_1_REQUIRED: u32 = 0xd;
const LAST_STREAM: [u8; 4] = i32::MAX.to_be_bytes();

/// Why `bytes`, the beginning of a head, will never be the head of an HTTP/1 request; `first` on
/// their connection.
pub(super) fn refusal(bytes: &[u8], first: bool) -> Option<Refusal> {
    if bytes.starts_with(HTTP_2_HEAD) {
        return Some(Refusal {
            http_2: first.then(|| bytes.to_vec()),
            ..refused("HTTP/2 is not supported: use HTTP/1.1")
        });
    }
    if let [0x16] | [0x16, 3, ..] = bytes {
        return Some(refused(
            "this endpoint does not use TLS: use http:// or tcp:// without TLS",
        ));
    }
    let method = &bytes[..bytes.len().min(LONGEST_METHOD)];
    let end = method.iter().position(|&byte| !is_token(byte));
    let line = memchr(b'\n', bytes).map(|end| bytes[..end].trim_ascii_end());
    let is_none = end.is_some_and(|end| end == 0 || method[end] != b' ')
        || line.is_some_and(|line| !has_version(line));
    is_none.then(|| refused("this is not an HTTP request: send HTTP/1.1"))
}

/// Turns away an HTTP/2 client on `socket`, from which `read` has been read: sends settings, and,
/// once there is a request, ends the connection with a reason. Without a request to end, the client
/// would reconnect immediately, again and again.
pub(in crate::proxy) async fn send_away(socket: &Socket, mut read: Vec<u8>, reason: &str) {
    // A client that does not read now would not read later.
    let _ = socket.try_write(&SETTINGS);
    let request = timeout(HEAD_TIMEOUT, first_request(socket, &mut read)).await;
    // No stream is excluded, since the client would send it again.
    let last = request.ok().flatten().unwrap_or(LAST_STREAM);
    let _ = socket.try_write(&goaway(last, reason));
}

/// The stream of the first request, if one comes.
async fn first_request(socket: &Socket, read: &mut Vec<u8>) -> Option<[u8; 4]> {
    let mut at = HTTP_2_PREFACE;
    while read.len() < MAX_HEAD {
        if let Some(stream) = stream_of_headers(read, &mut at) {
            return Some(stream);
        }
        read.reserve(4096);
        match socket.try_read(read) {
            Ok(0) => break,
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                socket.ready(Interest::READABLE).await.ok()?;
            }
            Err(_) => break,
        }
    }
    None
}

/// The stream of the first HEADERS frame at or after the frame at `at`; moves `at` past other
/// frames.
fn stream_of_headers(bytes: &[u8], at: &mut usize) -> Option<[u8; 4]> {
    loop {
        let header = bytes.get(*at..)?.first_chunk::<9>()?;
        let &[a, b, c, kind, _, stream @ ..] = header;
        if kind == HEADERS {
            return Some(stream);
        }
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
        *at += header.len() + length;
    }
}

fn goaway(last: [u8; 4], reason: &str) -> Vec<u8> {
    let code = HTTP_1_1_REQUIRED.to_be_bytes();
    // Far below the frame size that every client accepts.
    let length = u16::try_from(last.len() + code.len() + reason.len()).unwrap_or_default();
    let [high, low] = length.to_be_bytes();
    let header = [0, high, low, GOAWAY, 0, 0, 0, 0, 0];
    [&header, &last[..], &code, reason.as_bytes()].concat()
}

fn refused(message: &str) -> Refusal {
    Refusal::new(Reason::Malformed, message)
}

/// Whether a byte is allowed in a method (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether the last word of a request line is an HTTP version.
fn has_version(line: &[u8]) -> bool {
    let mut words = line.rsplit(|&byte| byte == b' ');
    words.next().is_some_and(|word| word.starts_with(b"HTTP/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_become_a_request_is_refused_by_its_first_bytes() {
        let tls = "this endpoint does not use TLS: use http:// or tcp:// without TLS";
        let none = "this is not an HTTP request: send HTTP/1.1";
        for (bytes, why) in [
            (&b"\x16"[..], Some(tls)),
            (b"\x16\x03", Some(tls)),
            (b"\x16\x03\x01\x02\x00\x01", Some(tls)),
            (b"\x16\x04", Some(none)),
            (b"\x80\x2e\x01", Some(none)),
            (b"\0", Some(none)),
            (b" GET /", Some(none)),
            (b"GET\t/", Some(none)),
            (b"GET\r\n", Some(none)),
            (b"{\"a\":1}", Some(none)),
            (b"*1\r\n$4\r\nPING\r\n", Some(none)),
            (b"GET /\r\n", Some(none)),
            (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", Some(none)),
            (b"", None),
            (b"G", None),
            (b"get", None),
            (b"M-SEARCH /", None),
            (b"GET /a\xff", None),
            (b"GET / HTTP/1.1\r\n", None),
            (b"GET / b HTTP/1.1\n", None),
            (b"PRI * HTTP/2.0\r\n", None),
        ] {
            let said = refusal(bytes, true).map(|refusal| refusal.why.text().to_owned());
            assert_eq!(said.as_deref(), why, "{}", bytes.escape_ascii());
        }
        let endless = [b'A'; 100];
        assert!(refusal(&endless, true).is_none());
    }

    #[test]
    fn only_the_opening_is_http_2_s() {
        for first in [true, false] {
            let refusal = refusal(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", first);
            let read = refusal.and_then(|refusal| refusal.http_2);
            assert_eq!(read.is_some(), first);
        }
    }

    #[test]
    fn a_request_of_http_2_is_found_behind_other_frames() {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let settings = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64";
        let headers = b"\0\0\x01\x01\x05\0\0\0\x07\x82";
        let all = [&preface[..], settings, headers].concat();
        let known = preface.len() + settings.len() + 9;
        for cut in 0..=all.len() {
            let stream = (cut >= known).then_some([0, 0, 0, 7]);
            let mut at = preface.len();
            assert_eq!(stream_of_headers(&all[..cut], &mut at), stream, "{cut}");
        }
    }

    #[test]
    fn a_goaway_has_its_length() {
        let frame = goaway([0, 0, 0, 1], "why");
        assert_eq!(frame, *b"\0\0\x0b\x07\0\0\0\0\0\0\0\0\x01\0\0\0\x0dwhy");
    }
}
