//! dockgate's own answers: Docker's error document, which clients print.

use std::fmt::Arguments;

use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response};
use serde::Serialize;

use crate::observe::access::Explanation;
use crate::observe::json;

/// `{"message": "dockgate: …"}`, with exactly the Content-Type that the docker CLI expects. `close`
/// ends the connection after it.
pub(super) fn error(why: &Explanation, close: bool) -> Response<String> {
    let mut response = Response::new(document(why.text()));
    *response.status_mut() = why.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = why.retry_after() {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    if close || why.ends_connection() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The same as bytes, for a connection that hyper has abandoned.
pub(super) fn raw_error(why: &Explanation) -> Vec<u8> {
    let (status, body) = (why.status(), document(why.text()));
    format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        body.len(),
    )
    .into_bytes()
}

#[derive(Serialize)]
struct Document<'a> {
    message: Arguments<'a>,
}

fn document(message: &str) -> String {
    // Nearly every message is plain, and floods of denials are to cost little.
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\');
    if message.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        return ["{\"message\":\"dockgate: ", message, "\"}\n"].concat();
    }
    let mut json = Vec::with_capacity(message.len() + 64);
    // Writing to a Vec cannot fail, and JSON is UTF-8.
    let message = format_args!("dockgate: {message}");
    let _ = json::write(&mut json, &Document { message });
    json.push(b'\n');
    String::from_utf8(json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_json_whatever_the_message_holds() {
        let plain: String = (' '..='~').filter(|c| !['"', '\\'].contains(c)).collect();
        for message in [
            "a \"b\" \\ \n \u{7f} ü",
            "\"",
            "\\",
            "\u{1f}",
            "\u{7f}",
            "ü",
            "",
            &plain,
        ] {
            let document = document(message);
            let value: serde_json::Value = serde_json::from_str(&document).expect("JSON");
            assert_eq!(value["message"], format!("dockgate: {message}"));
            let written = serde_json::json!({ "message": format!("dockgate: {message}") });
            assert!(message.contains('\u{7f}') || document == format!("{written}\n"));
        }
    }
}
