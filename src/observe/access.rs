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

/// What stands in a log for what may be secret.
const HIDDEN: &str = "…";
/// A longer target is cut in the log, which one client could fill otherwise: such lines took most
/// of the time of a denied request.
const LONGEST_TARGET: usize = 2048;
/// How a cut one ends. No target holds a `#`, so none is ever taken for a whole one.
const CUT: &str = "…#cut";

/// A request as a line of a profile: its method and target as regexes that match them, and any
/// value where a value may be secret.
pub fn profile_line(method: &str, target: &PathAndQuery) -> String {
    let mut line = format!("{} {}", quoted(method), quoted(target.path()));
    let Some(query) = target.query() else {
        return line;
    };
    line.push_str(r"\?");
    for (pair, end) in pairs(query) {
        let (shown, hidden) = shown(pair);
        line.push_str(&quoted(shown));
        line.push_str(if hidden { "[^&]*" } else { "" });
        line.push_str(end);
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

/// The pairs of a query, each with what ends it. Old engines take a semicolon for an end too.
fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split_inclusive(['&', ';']).map(|pair| {
        let end = pair.trim_end_matches(['&', ';']).len();
        pair.split_at(end)
    })
}

/// What may be shown of a pair, and whether that is not all of it. A key without a value may be a
/// secret itself that was pasted there, in base64 too, with its `=` at the end.
fn shown(pair: &str) -> (&str, bool) {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    if pair.is_empty() || OPEN_KEYS.contains(&key) {
        (pair, false)
    } else if value.bytes().all(|byte| byte == b'=') {
        ("", true)
    } else {
        (&pair[..=key.len()], true)
    }
}

/// How a refusal of a client begins that is not let in.
pub const NOT_LET_IN: &str = "clients at ";

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

/// What was decided on a request.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Nothing yet; the client went away before there was a verdict.
    None,
    /// Its client is not let in. The text is what the client was told.
    NotLetIn(String),
    /// It is ambiguous or malformed. The text is what the client was told.
    Ambiguous(String),
    /// The policy denies it. The text is what the client was told.
    Denied(String),
    /// Allowed by the rule of this origin.
    Allowed(Arc<str>),
    /// To be forwarded although it would be denied; the text is what the client would be told.
    WouldDeny(String),
}

/// How a request ended that was to be forwarded.
#[derive(Debug)]
pub enum End {
    /// With the end of its answer or tunnel, or without either if it was refused.
    Whole,
    /// Its client left, or dockgate was stopped.
    Cut,
    /// Its tunnel ended in this way.
    Tunnel(&'static str),
    /// Its body did not come whole.
    Upload(UploadFault),
    /// The engine failed; the text is what the client was told.
    Engine(String),
}

/// What was wrong with a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadFault {
    /// The client left, or closed its half of the connection.
    Early,
    /// Its chunks are none.
    Chunks,
}

impl UploadFault {
    /// As the client is told, and the log.
    pub fn message(self) -> &'static str {
        match self {
            UploadFault::Early => "the request body ended early",
            UploadFault::Chunks => "the request body has an invalid chunked encoding",
        }
    }
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
    pub decision: Decision,
    /// How it ended.
    pub end: End,
    /// Whether the engine got it: its whole head, behind which the engine acts.
    pub sent: bool,
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
            decision: Decision::None,
            end: End::Whole,
            sent: false,
            health_check: false,
        }
    }

    /// Whether the request was a HEAD, whose answer has no body.
    pub fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    fn level(&self) -> log::Level {
        match (&self.decision, &self.end) {
            (_, End::Engine(_)) => log::Level::Error,
            _ if self.health_check => log::Level::Debug,
            (Decision::Allowed(_) | Decision::None, _) => log::Level::Info,
            _ => log::Level::Warn,
        }
    }

    /// What was decided and how that ended, in the parts of its text. Only what the engine got is
    /// called allowed.
    fn told(&self) -> [&str; 6] {
        let (decided, why) = match (&self.decision, &self.end) {
            (_, End::Engine(why)) => (FAILED, why.as_str()),
            (Decision::None, _) => (UNDECIDED, ""),
            (Decision::NotLetIn(why) | Decision::Ambiguous(why) | Decision::Denied(why), _) => {
                (DENIED, why.as_str())
            }
            (Decision::Allowed(origin), _) => (ALLOWED, &**origin),
            (Decision::WouldDeny(why), _) => (WOULD_DENY, why.as_str()),
        };
        let to_be_sent = [ALLOWED, WOULD_DENY].contains(&decided);
        let unsent = if to_be_sent && !self.sent { UNSENT } else { "" };
        let remark = match &self.end {
            End::Whole => return [unsent, decided, why, "", "", ""],
            End::Cut => "cut before its end",
            End::Tunnel(how) => how,
            End::Upload(fault) => fault.message(),
            End::Engine(_) if self.sent => "the engine got the request",
            End::Engine(_) => "the engine did not get the request",
        };
        [unsent, decided, why, " (", remark, ")"]
    }
}

// How a line's last part begins.
const ALLOWED: &str = "allowed by ";
const WOULD_DENY: &str = "would deny: ";
const FAILED: &str = "failed: ";
const DENIED: &str = "denied: ";
const UNDECIDED: &str = "undecided";
const UNSENT: &str = "unsent: ";

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
        let [unsent, decided, why, open, remark, close] = self.told();
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
            unsent,
            decided,
            why,
            open,
            remark,
            close,
        ];
        f.write_str(&line.concat())
    }
}

/// A line of the log, as far as it tells what was asked and decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// As sent.
    pub method: &'a str,
    /// As sent, without what of the query is not shown.
    pub target: Cow<'a, str>,
    /// How many bytes of its body were passed on.
    pub received: u64,
    /// Whether more of its body was to come.
    pub broke_off: bool,
    /// What a policy can do about it.
    pub verdict: Verdict,
}

/// What a policy said to a request, as a line has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// None could allow it, or none was asked.
    None,
    /// It was to be forwarded.
    Passed,
    /// It was denied. Its body was never looked at.
    Denied,
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
        let is = |start: &&str| decision.starts_with(*start);
        let verdict = match decision.strip_prefix(DENIED) {
            _ if [ALLOWED, WOULD_DENY, FAILED, UNSENT].iter().any(is) => Verdict::Passed,
            Some(why) if status == "403" && !why.starts_with(NOT_LET_IN) => Verdict::Denied,
            Some(_) => Verdict::None,
            None if is(&UNDECIDED) => Verdict::None,
            None => return None,
        };
        let fits = is_time && is_level && is_peer && is_status && is_number(sent) && is_duration;
        let received: u64 = received.parse().ok()?;
        let mut faults = [UploadFault::Early, UploadFault::Chunks].into_iter();
        let broke_off = faults.any(|fault| decision.ends_with(&format!("({})", fault.message())));
        fits.then(|| Line {
            method,
            target: without_hidden(target),
            received,
            broke_off,
            verdict,
        })
    }
}

/// A target without the parts of its query that were hidden whole: none of them had a value.
fn without_hidden(target: &str) -> Cow<'_, str> {
    let Some((path, query)) = target.split_once('?').filter(|_| target.contains(HIDDEN)) else {
        return target.into();
    };
    let shown = pairs(query).filter(|(pair, _)| *pair != HIDDEN);
    let shown: String = shown.flat_map(|(pair, end)| [pair, end]).collect();
    format!("{path}?{shown}").into()
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

/// The target as it may stand in a log: visible ASCII, and of its query nothing that may be secret.
fn loggable(target: &Uri) -> Cow<'_, str> {
    // Without a user and a password.
    let host = || {
        let authority = target
            .authority()
            .map_or("", |authority| authority.as_str());
        authority.rsplit('@').next().unwrap_or_default()
    };
    let Some(line) = target.path_and_query() else {
        return visible(beginning(host())).into_owned().into();
    };
    let query = line.query().unwrap_or_default();
    let is_short = line.as_str().len() <= LONGEST_TARGET;
    let is_plain = is_short && target.scheme().is_none() && is_visible(line.as_str());
    if is_plain && pairs(query).all(|(pair, _)| !shown(pair).1) {
        return line.as_str().into();
    }
    let mut text = match target.scheme_str() {
        Some(scheme) => format!("{scheme}://{}", visible(host())),
        None => String::new(),
    };
    text.push_str(&visible(beginning(line.path())));
    text.push_str(if line.query().is_some() { "?" } else { "" });
    for (pair, end) in pairs(query) {
        if text.len() > LONGEST_TARGET {
            break;
        }
        let (shown, hidden) = shown(pair);
        text.push_str(&visible(beginning(shown)));
        text.extend([if hidden { HIDDEN } else { "" }, end]);
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
    fn what_may_be_secret_in_a_query_is_hidden() {
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
            // Behind semicolons, in front of them, and with them alone.
            ("/x?all=1;token=secret", "/x?all=1;token=…"),
            ("/x?token=secret;all=1;;&", "/x?token=…;all=1;;&"),
            ("/x?all=1;secret", "/x?all=1;…"),
            ("/x?filters=a;secret;t=b", "/x?filters=a;…;t=b"),
            // Without a key, or with one that is all there is.
            ("/x?secret", "/x?…"),
            ("/x?all&secret&force", "/x?all&…&force"),
            ("/x?secret=", "/x?…"),
            ("/x?c2VjcmV0==", "/x?…"),
            ("/x?=secret", "/x?=…"),
            ("/x?a=b=c", "/x?a=…"),
            // Not spelled as it is known.
            ("/x?%74=secret", "/x?%74=…"),
            ("/x?T=secret", "/x?T=…"),
            ("/x?all%3Dsecret", "/x?…"),
            ("/x?%61ll", "/x?…"),
            // In other forms of a target.
            ("http://u:secret@h:1/x?secret", "http://h:1/x?…"),
            ("u:secret@docker:2375", "docker:2375"),
            ("docker:2375", "docker:2375"),
            ("*", "*"),
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
            (
                "/x?filters=%7B%7D&a&b=&all;c=secret;t=1",
                r"GET /x\?filters=%7B%7D&[^&]*&[^&]*&all;c=[^&]*;t=1",
            ),
            ("/version?", r"GET /version\?"),
            ("/version", r"GET /version"),
        ] {
            let target: PathAndQuery = target.parse().expect("a target");
            assert_eq!(profile_line("GET", &target), line);
        }
    }

    /// A record with these ends, and its line.
    fn line(peer: Peer, target: &str, received: u64, end: impl FnOnce(&mut Record)) -> String {
        let counters = Arc::new(Counters::default());
        let (peer, target) = (peer.to_string().into(), target.parse().expect("a target"));
        let mut record = Record::new(peer, Method::POST, target, Arc::clone(&counters));
        counters.received.store(received, Relaxed);
        end(&mut record);
        format!("2026-11-21T23:02:00.457Z {:<7} {record}", "info")
    }

    fn here() -> Peer {
        Peer::Tcp("172.20.0.3:44038".parse().expect("an address"))
    }

    #[test]
    fn only_what_the_engine_got_is_called_allowed() {
        use Decision::{Allowed, Ambiguous, Denied, None, NotLetIn, WouldDeny};
        let allowed = || Allowed("VERSION".into());
        let would_deny = || WouldDeny("no".into());
        let chunks = End::Upload(UploadFault::Chunks);
        let early = || End::Upload(UploadFault::Early);
        let engine = || End::Engine("gone".into());
        for (decision, end, sent, told) in [
            (allowed(), End::Whole, true, "allowed by VERSION"),
            (
                allowed(),
                End::Cut,
                true,
                "allowed by VERSION (cut before its end)",
            ),
            (
                allowed(),
                End::Cut,
                false,
                "unsent: allowed by VERSION (cut before its end)",
            ),
            (
                allowed(),
                early(),
                true,
                "allowed by VERSION (the request body ended early)",
            ),
            (
                allowed(),
                chunks,
                true,
                "allowed by VERSION (the request body has an invalid chunked encoding)",
            ),
            (
                allowed(),
                early(),
                false,
                "unsent: allowed by VERSION (the request body ended early)",
            ),
            (
                allowed(),
                End::Tunnel("the client is gone"),
                true,
                "allowed by VERSION (the client is gone)",
            ),
            (
                allowed(),
                engine(),
                true,
                "failed: gone (the engine got the request)",
            ),
            (
                would_deny(),
                engine(),
                false,
                "failed: gone (the engine did not get the request)",
            ),
            (would_deny(), End::Whole, true, "would deny: no"),
            (
                would_deny(),
                early(),
                false,
                "unsent: would deny: no (the request body ended early)",
            ),
            (Denied("no".into()), End::Whole, false, "denied: no"),
            (Ambiguous("odd".into()), End::Whole, false, "denied: odd"),
            (NotLetIn("out".into()), End::Whole, false, "denied: out"),
            (None, End::Cut, false, "undecided (cut before its end)"),
        ] {
            let line = line(here(), "/version", 0, |record| {
                record.decision = decision;
                record.end = end;
                record.sent = sent;
            });
            assert!(line.ends_with(&format!("ms {told}")), "{line}: {told}");
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let peers = [
            here(),
            Peer::Tcp("[::1]:1".parse().unwrap()),
            Peer::Unix(Some(7)),
            Peer::Unix(None),
        ];
        let decisions = || {
            let not_let_in = format!("{NOT_LET_IN}10.0.0.1 are not let in");
            [
                (Decision::None, None, Verdict::None),
                (
                    Decision::Allowed("VERSION".into()),
                    Some(200),
                    Verdict::Passed,
                ),
                (
                    Decision::WouldDeny("GET /x is not allowed".into()),
                    Some(404),
                    Verdict::Passed,
                ),
                (Decision::Denied("no".into()), Some(403), Verdict::Denied),
                (Decision::NotLetIn(not_let_in), Some(403), Verdict::None),
                (Decision::Ambiguous("odd".into()), Some(400), Verdict::None),
            ]
        };
        let ends = || {
            [
                (End::Whole, false),
                (End::Cut, false),
                (End::Engine("gone".into()), false),
                (End::Upload(UploadFault::Early), true),
                (End::Upload(UploadFault::Chunks), true),
            ]
        };
        for (peer, sent) in peers
            .into_iter()
            .flat_map(|peer| [(peer, true), (peer, false)])
        {
            for (decision, status, verdict) in decisions() {
                let passed = verdict == Verdict::Passed;
                for (end, broke_off) in ends().into_iter().take(if passed { 5 } else { 2 }) {
                    let line = line(peer, "/build?remote=secret&t=x", 5, |record| {
                        record.decision = decision.clone();
                        record.status = status.map(|status| StatusCode::from_u16(status).unwrap());
                        record.end = end;
                        record.sent = sent;
                    });
                    let expected = Line {
                        method: "POST",
                        target: "/build?remote=…&t=x".into(),
                        received: 5,
                        broke_off,
                        verdict,
                    };
                    assert_eq!(Line::read(&line), Some(expected), "{line}");
                }
            }
        }
    }

    #[test]
    fn what_was_hidden_whole_is_not_read() {
        for (target, read) in [
            ("/x?secret", "/x?"),
            ("/x?secret&all;fromSrc=;t=1", "/x?all;t=1"),
            ("/x?fromSrc=secret", "/x?fromSrc=…"),
            ("/x?all=1", "/x?all=1"),
        ] {
            let line = line(here(), target, 0, |record| {
                record.decision = Decision::Allowed("X".into());
            });
            assert_eq!(Line::read(&line).expect("a line").target, read);
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
