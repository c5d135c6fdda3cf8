//! A request's record, and how its line is written.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use http::{Method, StatusCode, Uri};

use super::reason::Explanation;
use super::redact::{beginning, loggable};
use crate::observe::log::ACCESS;

/// How a refusal of a web page's request begins.
pub const FROM_PAGE: &str = "a web page ";
/// How the text of [`NotAdmitted`](super::Reason::NotAdmitted) begins.
pub const NOT_ADMITTED: &str = "clients at ";
/// How the name of a request's policy begins.
pub(super) const POLICY: &str = "policy=";

/// How the name of a client's certificate begins.
pub(super) const CERTIFICATE: &str = "cert=";

/// Who connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A TCP client, with an IPv4-mapped address written as IPv4.
    Tcp(SocketAddr),
    /// A client of a Unix listener, with its process ID if the kernel reports it.
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
    /// It was not forwarded.
    Refused(Explanation),
    /// Allowed by the rule of this origin.
    Allowed(Arc<str>),
    /// Forwarded although it would be denied.
    WouldDeny(Explanation),
}

/// How a request ended that was to be forwarded.
#[derive(Debug)]
pub enum End {
    /// Completely, or refused.
    Whole,
    /// The client left, or dockgate was stopped.
    Cut,
    /// A reload brought a policy that denies it.
    Denied,
    /// Its tunnel ended with this error.
    Tunnel(&'static str),
    /// Its body was incomplete.
    Upload(UploadFault),
    /// The engine failed.
    Engine(Explanation),
}

/// What was wrong with a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadFault {
    /// The client left or closed its half of the connection.
    Early,
    /// Its chunked encoding is invalid.
    Chunks,
    /// The client sends nothing more.
    Stalled,
    /// The client sends too slowly, where the body is read as a whole.
    Slow,
}

impl UploadFault {
    /// All of them.
    pub const ALL: [UploadFault; 4] = [
        UploadFault::Early,
        UploadFault::Chunks,
        UploadFault::Stalled,
        UploadFault::Slow,
    ];

    /// As the client and the log get it.
    pub fn message(self) -> &'static str {
        match self {
            UploadFault::Early => "the request body ended early",
            UploadFault::Chunks => "the request body has an invalid chunked encoding",
            UploadFault::Stalled => {
                "the client sent nothing of the request body for UPLOAD_TIMEOUT"
            }
            UploadFault::Slow => "the request body did not arrive within a minute",
        }
    }
}

/// Counts of body or tunnel bytes, shared with the code that moves them.
#[derive(Debug, Default)]
pub struct Counters {
    /// From the client.
    pub received: AtomicU64,
    /// To the client.
    pub sent: AtomicU64,
}

/// A client's certificate as lines have it, put together once.
#[derive(Clone, Debug)]
pub struct CertificateName(Arc<str>);

impl From<&str> for CertificateName {
    /// `name` is one word.
    fn from(name: &str) -> Self {
        Self([CERTIFICATE, name, " "].concat().into())
    }
}

/// A policy's name as lines have it, put together once.
#[derive(Clone, Debug)]
pub struct PolicyName(Arc<str>);

impl From<&str> for PolicyName {
    fn from(name: &str) -> Self {
        Self([POLICY, name, " "].concat().into())
    }
}

/// Writes the request's line when it is dropped: when the answer's body or the tunnel ends, or when
/// the client leaves before that.
#[derive(Debug)]
pub struct Record {
    peer: Arc<str>,
    /// None if the client was refused before it made a request.
    request: Option<(Method, Uri)>,
    start: Instant,
    counters: Arc<Counters>,
    /// The answer's status, once there is one.
    pub status: Option<StatusCode>,
    /// The client's certificate, if it has shown one.
    pub certificate: Option<CertificateName>,
    /// The policy that decided, where there are several.
    pub policy: Option<PolicyName>,
    /// What was decided, and by which rule.
    pub decision: Decision,
    /// How it ended.
    pub end: End,
    /// Whether the engine got it: the whole head, upon which the engine acts.
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
            request: Some((method, target)),
            start: Instant::now(),
            counters,
            status: None,
            certificate: None,
            policy: None,
            decision: Decision::None,
            end: End::Whole,
            sent: false,
            health_check: false,
        }
    }

    /// Writes the line of a client that was refused before it made a request.
    pub fn refuse(
        peer: Arc<str>,
        status: Option<StatusCode>,
        why: Explanation,
        health_check: bool,
    ) {
        let mut record = Self::new(peer, Method::default(), Uri::default(), Arc::default());
        record.request = None;
        record.status = status;
        record.decision = Decision::Refused(why);
        record.health_check = health_check;
    }

    /// dockgate answered it itself, with this many bytes. The answer to a HEAD has none.
    pub fn answered(&mut self, status: StatusCode, length: usize) {
        let is_head = |(method, _): &(Method, Uri)| method == Method::HEAD;
        if !self.request.as_ref().is_some_and(is_head) {
            self.counters.sent.store(length as u64, Relaxed);
        }
        self.status = Some(status);
    }

    fn level(&self) -> log::Level {
        match (&self.decision, &self.end) {
            (_, End::Engine(_)) => log::Level::Error,
            _ if self.health_check => log::Level::Debug,
            (Decision::Allowed(_) | Decision::None, _) => log::Level::Info,
            _ => log::Level::Warn,
        }
    }

    /// The decision and how the request ended, as parts of the text. Only what the engine got is
    /// called allowed.
    fn told(&self) -> [&str; 6] {
        let (decided, why) = match (&self.decision, &self.end) {
            (_, End::Engine(why)) => (FAILED, why.text()),
            (Decision::None, _) => (UNDECIDED, ""),
            (Decision::Refused(why), _) => (DENIED, why.text()),
            (Decision::Allowed(origin), _) => (ALLOWED, &**origin),
            (Decision::WouldDeny(why), _) => (WOULD_DENY, why.text()),
        };
        let to_be_sent = [ALLOWED, WOULD_DENY].contains(&decided);
        let unsent = if to_be_sent && !self.sent { UNSENT } else { "" };
        let remark = match &self.end {
            End::Whole => return [unsent, decided, why, "", "", ""],
            End::Cut => "ended early",
            End::Denied => DENIED_NOW,
            End::Tunnel(how) => how,
            End::Upload(fault) => fault.message(),
            End::Engine(_) if self.sent => "the engine got the request",
            End::Engine(_) => "the engine did not get the request",
        };
        [unsent, decided, why, " (", remark, ")"]
    }
}

/// Why a request that was allowed ended.
pub const DENIED_NOW: &str = "denied since the configuration was reloaded";

// The beginnings of a line's last part.
pub(super) const ALLOWED: &str = "allowed by ";
pub(super) const WOULD_DENY: &str = "would deny: ";
pub(super) const FAILED: &str = "failed: ";
pub(super) const DENIED: &str = "denied: ";
pub(super) const UNDECIDED: &str = "undecided";
pub(super) const UNSENT: &str = "unsent: ";

impl Drop for Record {
    fn drop(&mut self) {
        log::log!(target: ACCESS, self.level(), "{self}");
    }
}

impl fmt::Display for Record {
    /// Writes one piece: passing each of the twenty parts through the formatter would cost more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.as_ref().map_or("-", StatusCode::as_str);
        let [unsent, decided, why, open, remark, close] = self.told();
        let Some((method, target)) = &self.request else {
            return write!(f, "{} - - {status} {decided}{why}", self.peer);
        };
        let (mut received, mut sent) = (itoa::Buffer::new(), itoa::Buffer::new());
        let received = received.format(self.counters.received.load(Relaxed));
        let sent = sent.format(self.counters.sent.load(Relaxed));
        let (target, took) = (loggable(target), took(self.start.elapsed()));
        let policy = self.policy.as_ref();
        let policy = policy.map_or("", |PolicyName(part)| part);
        let certificate = self.certificate.as_ref();
        let certificate = certificate.map_or("", |CertificateName(part)| part);
        let line = [
            &*self.peer,
            " ",
            beginning(method.as_str()),
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
            certificate,
            policy,
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

/// A duration with about three digits.
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::observe::access::{EngineFault, Reason};

    /// A record with these ends, and its line.
    pub(in crate::observe::access) fn line(
        peer: Peer,
        target: &str,
        received: u64,
        end: impl FnOnce(&mut Record),
    ) -> String {
        let counters = Arc::new(Counters::default());
        let (peer, target) = (peer.to_string().into(), target.parse().expect("a target"));
        let mut record = Record::new(peer, Method::POST, target, Arc::clone(&counters));
        counters.received.store(received, Relaxed);
        end(&mut record);
        format!("2026-11-21T23:02:00.457Z {:<7} {record}", "info")
    }

    pub(in crate::observe::access) fn here() -> Peer {
        Peer::Tcp("172.20.0.3:44038".parse().expect("an address"))
    }

    #[test]
    fn only_what_the_engine_got_is_called_allowed() {
        use Decision::{Allowed, None, Refused, WouldDeny};
        let allowed = || Allowed("VERSION".into());
        let would_deny = || WouldDeny(Explanation::new(Reason::Ambiguous, "no"));
        let chunks = End::Upload(UploadFault::Chunks);
        let early = || End::Upload(UploadFault::Early);
        let fault = Reason::Engine(EngineFault::Gone);
        let engine = || End::Engine(Explanation::new(fault.clone(), "gone"));
        for (decision, end, sent, told) in [
            (allowed(), End::Whole, true, "allowed by VERSION"),
            (
                allowed(),
                End::Cut,
                true,
                "allowed by VERSION (ended early)",
            ),
            (
                allowed(),
                End::Cut,
                false,
                "unsent: allowed by VERSION (ended early)",
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
                End::Tunnel("the client disconnected"),
                true,
                "allowed by VERSION (the client disconnected)",
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
            (
                Refused(Explanation::new(Reason::Ambiguous, "odd")),
                End::Whole,
                false,
                "denied: odd",
            ),
            (None, End::Cut, false, "undecided (ended early)"),
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
