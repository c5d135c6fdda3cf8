//! Requests to an engine or through a dockgate, over a connection that is kept.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::wire::{Wire, latin1};

/// What a connection may have brought before another takes its place: it keeps every byte.
const KEPT: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// Where requests go.
#[derive(Clone)]
pub(super) enum To {
    Engine(PathBuf),
    Gate(SocketAddr),
}

/// One client.
pub(super) struct Talk {
    to: To,
    wire: Option<Wire>,
}

/// What was answered.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The head as it came, but for the line with the date.
    pub(super) head: String,
    pub(super) body: String,
}

impl Talk {
    pub(super) fn new(to: To) -> Talk {
        Talk { to, wire: None }
    }

    /// Sends a request with a JSON body, or with none.
    #[track_caller]
    pub(super) fn ask(&mut self, line: &str, body: &str) -> Answer {
        let kind = match body {
            "" => "",
            _ => "Content-Type: application/json\r\n",
        };
        self.send(line, kind, body.as_bytes())
    }

    /// Sends a request with these headers besides, each with CRLF behind it.
    #[track_caller]
    pub(super) fn send(&mut self, line: &str, headers: &str, body: &[u8]) -> Answer {
        let mut wire = self.wire.take().unwrap_or_else(|| self.connect());
        let length = body.len();
        let head =
            format!("{line} HTTP/1.1\r\nHost: docker\r\n{headers}Content-Length: {length}\r\n\r\n");
        wire.send([head.as_bytes(), body].concat());
        let (head, body) = match line.starts_with("HEAD ") {
            true => (wire.head(), Vec::new()),
            false => {
                let message = wire.response();
                (message.head, message.body)
            }
        };
        let status = head.status();
        let is_framed = head.is_chunked() || head.one("content-length").is_some() || status == 204;
        let is_closed = head.one("connection").is_some_and(|it| it != "keep-alive");
        let is_kept = (is_framed || status == 304) && !is_closed && !line.starts_with("HEAD ");
        if is_kept && wire.seen().len() < KEPT {
            self.wire = Some(wire);
        }
        let mut text = format!("{status}\n");
        for (name, value) in head.sorted() {
            if !name.eq_ignore_ascii_case("date") {
                let _ = writeln!(text, "{name}: {value}");
            }
        }
        Answer {
            status,
            head: text,
            body: latin1(&body),
        }
    }

    fn connect(&self) -> Wire {
        let wire = match &self.to {
            To::Engine(socket) => Wire::unix(socket),
            To::Gate(address) => Wire::tcp(*address),
        };
        wire.patience(PATIENCE);
        wire
    }

    /// What an engine says to something that has to succeed.
    #[track_caller]
    pub(super) fn must(&mut self, line: &str, body: &str) -> Value {
        let answer = self.ask(line, body);
        let is_done = (200..300).contains(&answer.status) || answer.status == 304;
        assert!(is_done, "{line} {body}\n{}{}", answer.head, answer.body);
        answer.json()
    }

    /// The ID of what that makes.
    #[track_caller]
    pub(super) fn makes(&mut self, line: &str, body: &Value) -> String {
        let made = self.must(line, &body.to_string());
        let id = ["Id", "ID", "Name"]
            .iter()
            .find_map(|key| made[key].as_str());
        id.unwrap_or_else(|| panic!("{line}: {made}")).to_owned()
    }
}

impl Answer {
    /// The body as JSON; null, if it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// For a query.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                encoded.push(char::from(byte));
            }
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}
