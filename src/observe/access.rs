//! The access record: one line a request, written when the request ends.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use http::{Method, StatusCode, Uri, uri::PathAndQuery};

use super::log::ACCESS;

/// Query keys whose values are logged; all others may carry a credential (`buildargs`, `remote`,
/// `fromSrc` …) and show as `…`.
const OPEN_KEYS: &[&str] = &[
    "all",
    "condition",
    "container",
    "details",
    "digests",
    "dockerfile",
    "filters",
    "follow",
    "force",
    "fromImage",
    "h",
    "limit",
    "link",
    "name",
    "names",
    "nocache",
    "noprune",
    "one-shot",
    "path",
    "platform",
    "pull",
    "q",
    "repo",
    "rm",
    "shared-size",
    "signal",
    "since",
    "size",
    "stderr",
    "stdin",
    "stdout",
    "stream",
    "t",
    "tag",
    "tail",
    "target",
    "term",
    "timestamps",
    "type",
    "until",
    "v",
    "version",
    "w",
];

/// A longer target is cut in the log, which one client could fill otherwise: such lines took most
/// of the time of a denied request.
const LONGEST_TARGET: usize = 2048;
/// How a cut one ends. No target holds a `#`, so none is ever taken for a whole one.
const CUT: &str = "…#cut";

/// A request as a line of a profile: its method and target as regexes that match them, and any
/// value where a value may be secret.
pub fn profile_line(method: &str, target: &PathAndQuery) -> String {
    let mut line = format!("{} {}", quoted(method), quoted(target.path()));
    let pairs = target
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'));
    for (i, pair) in pairs.enumerate() {
        line.push_str(if i == 0 { r"\?" } else { "&" });
        match hidden(pair) {
            Some(key) => line.push_str(&format!("{}=[^&]*", quoted(key))),
            None => line.push_str(&quoted(pair)),
        }
    }
    line
}

/// Text as a regex that matches it and nothing else.
fn quoted(text: &str) -> String {
    let mut regex = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            regex.push('\\');
        }
        regex.push(c);
    }
    regex
}

/// The key of a pair whose value may be secret.
fn hidden(pair: &str) -> Option<&str> {
    let (key, value) = pair.split_once('=')?;
    (!value.is_empty() && !OPEN_KEYS.contains(&key)).then_some(key)
}

/// Who connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A TCP client, with an IPv4-mapped address written as IPv4.
    Tcp(SocketAddr),
    /// A client of a Unix listener, with its process if the kernel tells.
    Unix(Option<i32>),
}

impl Peer {
    /// Whether the client is on this host.
    pub fn is_loopback(&self) -> bool {
        matches!(self, Peer::Tcp(addr) if addr.ip().is_loopback())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Tcp(addr) => addr.fmt(f),
            Peer::Unix(Some(pid)) => write!(f, "unix:{pid}"),
            Peer::Unix(None) => f.write_str("unix"),
        }
    }
}

/// How a request ended, as far as its line tells.
#[derive(Debug)]
pub enum Outcome {
    /// No verdict yet; the client went away before there was one.
    Undecided,
    /// Allowed by the rule of this origin.
    Allowed(Arc<str>),
    /// Forwarded although it would be denied; the text is what the client would be told.
    WouldDeny(String),
    /// Refused: by the policy, or as ambiguous. The text is what the client was told.
    Refused(String),
    /// The engine failed; the text is what the client was told.
    EngineFailed(String),
}

/// Bytes of bodies, or of a tunnel, as they pass; shared with whoever moves them.
#[derive(Debug, Default)]
pub struct Counters {
    /// From the client.
    pub received: AtomicU64,
    /// To the client.
    pub sent: AtomicU64,
}

/// Writes its request's line when it is dropped, which is when the answer's body or the tunnel
/// ends, or when the client went away before there was either.
#[derive(Debug)]
pub struct Record {
    peer: Arc<str>,
    method: Method,
    target: Uri,
    start: Instant,
    counters: Arc<Counters>,
    /// The answer's status, once there is one.
    pub status: Option<StatusCode>,
    /// What was decided, and by which rule.
    pub outcome: Outcome,
    /// How the transfer ended if it did not end well.
    pub broken: Option<&'static str>,
    /// A health check: logged at debug only.
    pub health_check: bool,
}

impl Record {
    /// Starts the record of a request of `peer`, a [`Peer`] as text; resets `counters`.
    pub fn new(peer: Arc<str>, method: Method, target: Uri, counters: Arc<Counters>) -> Self {
        counters.received.store(0, Relaxed);
        counters.sent.store(0, Relaxed);
        Self {
            peer,
            method,
            target,
            start: Instant::now(),
            counters,
            status: None,
            outcome: Outcome::Undecided,
            broken: None,
            health_check: false,
        }
    }

    /// Whether the request was a HEAD, whose answer has no body.
    pub fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    fn level(&self) -> log::Level {
        match self.outcome {
            Outcome::EngineFailed(_) => log::Level::Error,
            _ if self.health_check => log::Level::Debug,
            Outcome::Refused(_) | Outcome::WouldDeny(_) => log::Level::Warn,
            Outcome::Allowed(_) | Outcome::Undecided => log::Level::Info,
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        log::log!(target: ACCESS, self.level(), "{self}");
    }
}

impl fmt::Display for Record {
    /// In one piece: each of its twenty parts would cost more on its way through the formatter than
    /// it costs here.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.as_ref().map_or("-", StatusCode::as_str);
        let (mut received, mut sent) = (itoa::Buffer::new(), itoa::Buffer::new());
        let received = received.format(self.counters.received.load(Relaxed));
        let sent = sent.format(self.counters.sent.load(Relaxed));
        let (decided, why) = match &self.outcome {
            Outcome::Undecided => ("undecided", ""),
            Outcome::Allowed(origin) => ("allowed by ", &**origin),
            Outcome::WouldDeny(why) => ("would deny: ", why.as_str()),
            Outcome::Refused(why) => ("denied: ", why.as_str()),
            Outcome::EngineFailed(why) => ("failed: ", why.as_str()),
        };
        let [open, how, close] = self.broken.map_or([""; 3], |how| [" (", how, ")"]);
        let (target, took) = (loggable(&self.target), took(self.start.elapsed()));
        let line = [
            &*self.peer,
            " ",
            beginning(self.method.as_str()),
            " ",
            &target,
            " ",
            status,
            " in=",
            received,
            " out=",
            sent,
            " ",
            &took,
            " ",
            decided,
            why,
            open,
            how,
            close,
        ];
        f.write_str(&line.concat())
    }
}

/// A line of the log, as far as it tells what was asked and decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// As sent.
    pub method: &'a str,
    /// As sent, but for the values of the query that are not shown.
    pub target: &'a str,
    /// How many bytes of its body were passed on.
    pub received: u64,
    /// Whether a policy could have allowed it: it was forwarded, or is a 403.
    pub decided: bool,
}

impl<'a> Line<'a> {
    /// Reads a line of [`Record`]'s as the log has it. Anything else is none.
    pub fn read(line: &'a str) -> Option<Line<'a>> {
        let (time, rest) = line.split_at_checked("2026-11-21T23:02:00.457Z".len())?;
        let is_time = time.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            10 => byte == b'T',
            13 | 16 => byte == b':',
            19 => byte == b'.',
            23 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
        let (level, rest) = rest.strip_prefix(' ')?.split_at_checked("warning ".len())?;
        let mut fields = rest.splitn(8, ' ');
        let mut field = || fields.next();
        let (peer, method, target, status) = (field()?, field()?, field()?, field()?);
        let received = field()?.strip_prefix("in=")?;
        let sent = field()?.strip_prefix("out=")?;
        let (took, decision) = (field()?, field()?);
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let is_peer = match peer.strip_prefix("unix") {
            Some("") => true,
            Some(pid) => pid.strip_prefix(':').is_some_and(is_number),
            None => peer.parse::<SocketAddr>().is_ok(),
        };
        let took = took.strip_suffix("ms").or(took.strip_suffix('s'))?;
        let is_duration = took.split('.').all(is_number);
        let is_level = ["err", "warning", "info", "debug"].contains(&level.trim_end());
        let is_status = status == "-" || status.len() == 3 && is_number(status);
        let forwarded = ["allowed by ", "would deny: ", "failed: "];
        let forwarded = forwarded.iter().any(|start| decision.starts_with(start));
        let denied = decision.starts_with("denied: ");
        let undecided = decision.starts_with("undecided");
        let fits = is_time && is_level && is_peer && is_status && is_number(sent) && is_duration;
        (fits && (forwarded || denied || undecided)).then_some(Line {
            method,
            target,
            received: received.parse().ok()?,
            decided: forwarded || denied && status == "403",
        })
    }
}

/// A duration with three or so digits.
fn took(time: Duration) -> String {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (number, unit) = match micros {
        0..10_000_000 => (micros / 1000, "ms"),
        _ => (micros / 1_000_000, "s"),
    };
    let mut text = String::with_capacity(16);
    text.push_str(itoa::Buffer::new().format(number));
    if micros < 10_000 {
        text.push_str(if micros / 10 % 100 < 10 { ".0" } else { "." });
        text.push_str(itoa::Buffer::new().format(micros / 10 % 100));
    }
    text + unit
}

/// The target as it may stand in a log: visible ASCII, and no query values that may be secret.
fn loggable(target: &Uri) -> Cow<'_, str> {
    let Some(line) = target.path_and_query() else {
        return visible(&target.to_string()).into_owned().into();
    };
    let pairs = || line.query().into_iter().flat_map(|query| query.split('&'));
    let is_short = line.as_str().len() <= LONGEST_TARGET;
    let is_plain = is_short && target.scheme().is_none() && is_visible(line.as_str());
    if is_plain && pairs().all(|pair| hidden(pair).is_none()) {
        return line.as_str().into();
    }
    let mut text = match (target.scheme_str(), target.authority()) {
        (Some(scheme), Some(authority)) => format!("{scheme}://{}", visible(authority.host())),
        _ => String::new(),
    };
    text.push_str(&visible(beginning(line.path())));
    for (i, pair) in pairs().enumerate() {
        if text.len() > LONGEST_TARGET {
            break;
        }
        text.push(if i == 0 { '?' } else { '&' });
        match hidden(pair) {
            Some(key) => text.extend([&visible(beginning(key)), "=…"]),
            None => text.push_str(&visible(beginning(pair))),
        }
    }
    if text.len() > LONGEST_TARGET {
        text.truncate(beginning(&text).len());
        text.push_str(CUT);
    }
    text.into()
}

/// Not all of a longer text, but enough to see that it is longer.
fn beginning(text: &str) -> &str {
    let end = (LONGEST_TARGET + 1..text.len()).find(|end| text.is_char_boundary(*end));
    end.map_or(text, |end| &text[..end])
}

/// Text with everything but visible ASCII escaped, so that no line can be forged.
fn visible(text: &str) -> Cow<'_, str> {
    if is_visible(text) {
        text.into()
    } else {
        text.as_bytes().escape_ascii().to_string().into()
    }
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_values_that_may_be_secret_are_hidden() {
        for (target, logged) in [
            (
                "/containers/json?all=1&limit=2",
                "/containers/json?all=1&limit=2",
            ),
            (
                "/build?buildargs=%7B%22T%22%3A1%7D&t=x",
                "/build?buildargs=…&t=x",
            ),
            (
                "/images/create?fromSrc=http://u:p@h/&tag=",
                "/images/create?fromSrc=…&tag=",
            ),
            ("/containers/json?", "/containers/json?"),
        ] {
            let target: Uri = target.parse().expect("a target");
            assert_eq!(loggable(&target), logged);
        }
    }

    #[test]
    fn a_long_target_is_cut() {
        let logged = |target: &str| loggable(&target.parse().expect("a target")).into_owned();
        let path = format!("/{}", "x".repeat(LONGEST_TARGET - 1));
        assert_eq!(logged(&path), path);
        // What is hidden makes it no longer.
        let hidden = format!("/build?buildargs={path}&t=x");
        assert_eq!(logged(&hidden), "/build?buildargs=…&t=x");
        for long in [
            format!("{path}xx"),
            format!("/{}", "ü".repeat(LONGEST_TARGET)),
            format!("/x?{}", "a=b&".repeat(LONGEST_TARGET)),
            format!("/x?all={path}{path}"),
            format!("/x?{}", "&".repeat(LONGEST_TARGET)),
            format!("http://h{path}xx"),
        ] {
            let line = logged(&long);
            assert!(line.ends_with(CUT), "{line}");
            assert!(line.len() < LONGEST_TARGET + 20, "{}", line.len());
        }
    }

    #[test]
    fn requests_are_written_as_profile_lines() {
        for (target, line) in [
            (
                "/v1.41/containers/json?all=1",
                r"GET /v1\.41/containers/json\?all=1",
            ),
            (
                "/build?remote=http://u:p@h/&t=x",
                r"GET /build\?remote=[^&]*&t=x",
            ),
            ("/x?filters=%7B%7D&a&b=", r"GET /x\?filters=%7B%7D&a&b="),
            ("/version?", r"GET /version\?"),
        ] {
            let target: PathAndQuery = target.parse().expect("a target");
            assert_eq!(profile_line("GET", &target), line);
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let peers = [
            Peer::Tcp("172.20.0.3:44038".parse().unwrap()),
            Peer::Tcp("[::1]:1".parse().unwrap()),
            Peer::Unix(Some(7)),
            Peer::Unix(None),
        ];
        let outcomes = || {
            [
                (Outcome::Undecided, None, false),
                (Outcome::Allowed("VERSION".into()), Some(200), true),
                (
                    Outcome::WouldDeny("GET /x is not allowed".into()),
                    Some(404),
                    true,
                ),
                (Outcome::EngineFailed("gone".into()), Some(503), true),
                (Outcome::Refused("no".into()), Some(403), true),
                (Outcome::Refused("odd".into()), Some(400), false),
            ]
        };
        for peer in peers {
            for (outcome, status, decided) in outcomes() {
                let target = "/build?remote=secret&t=x".parse().unwrap();
                let counters = Arc::new(Counters::default());
                let peer = peer.to_string().into();
                let mut record = Record::new(peer, Method::POST, target, Arc::clone(&counters));
                counters.received.store(5, Relaxed);
                record.outcome = outcome;
                record.status = status.map(|status| StatusCode::from_u16(status).unwrap());
                record.broken = Some("cut before its end");
                let line = format!("2026-11-21T23:02:00.457Z {:<7} {record}", "info");
                let expected = Line {
                    method: "POST",
                    target: "/build?remote=…&t=x",
                    received: 5,
                    decided,
                };
                assert_eq!(Line::read(&line), Some(expected), "{line}");
            }
        }
    }

    #[test]
    fn nothing_else_is_read_as_a_line() {
        let line = "2026-11-21T23:02:00.457Z info    172.20.0.3:44038 GET /version 200 in=0 \
                    out=792 7.26ms allowed by VERSION";
        assert!(Line::read(line).is_some());
        for (from, to) in [
            ("2026", "x | 2026"),
            ("2026-", "2026/"),
            ("info   ", "loud   "),
            ("info   ", "info"),
            ("172.20.0.3:44038", "somebody"),
            ("172.20.0.3:44038", "unix:"),
            ("200", "20"),
            ("in=0", "in="),
            ("in=0", "in=-1"),
            ("out=792", "792"),
            ("7.26ms", "7.26"),
            ("7.26ms", ".ms"),
            ("allowed by", "liked by"),
            (" allowed by VERSION", ""),
            ("GET ", "GET  "),
        ] {
            assert_eq!(Line::read(&line.replacen(from, to, 1)), None, "{from} {to}");
        }
        for line in ["", "listening on tcp://[::]:2375", "…………………………………………………"]
        {
            assert_eq!(Line::read(line), None);
        }
    }

    #[test]
    fn durations_read_well() {
        for (micros, text) in [
            (0, "0.00ms"),
            (1_234, "1.23ms"),
            (9_999, "9.99ms"),
            (10_000, "10ms"),
            (1_500_000, "1500ms"),
            (75_000_000, "75s"),
        ] {
            assert_eq!(took(Duration::from_micros(micros)), text);
        }
    }
}
