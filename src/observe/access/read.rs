//! Reads log lines, as far as they say what was requested and decided.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::record::{
    ALLOWED, CERTIFICATE, DENIED, FAILED, FROM_PAGE, NOT_ADMITTED, POLICY, UNDECIDED, UNSENT,
    UploadFault, WOULD_DENY,
};
use super::redact::{HIDDEN, pairs};

/// A log line, as far as it says what was requested and decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged<'a> {
    /// As sent.
    pub method: &'a str,
    /// As sent, without the hidden parts of the query.
    pub target: Cow<'a, str>,
    /// How many bytes of the body were passed on.
    pub received: u64,
    /// Whether the body was incomplete.
    pub broke_off: bool,
    /// The verdict.
    pub verdict: LoggedVerdict,
    /// The policy that decided, if the line names one.
    pub policy: Option<&'a str>,
}

/// A policy's verdict on a request, as logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoggedVerdict {
    /// No policy could allow it, or none was consulted.
    None,
    /// To be forwarded.
    Passed,
    /// Denied, without a look at its body.
    Denied,
}

impl<'a> Logged<'a> {
    /// Reads a logged [`Record`](super::Record). Any other line gives none.
    pub fn read(line: &'a str) -> Option<Logged<'a>> {
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
        let (certificate, decision) = match decision.strip_prefix(CERTIFICATE) {
            Some(named) => named.split_once(' ')?,
            None => ("-", decision),
        };
        let (policy, decision) = match decision.strip_prefix(POLICY) {
            Some(named) => {
                let (policy, decision) = named.split_once(' ')?;
                (Some(policy), decision)
            }
            None => (None, decision),
        };
        let fits_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_policy = policy.is_none_or(|name| !name.is_empty() && name.bytes().all(fits_name));
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
            // What is refused to clients without a policy is wanted so.
            Some(_) if policy == Some("none") => LoggedVerdict::None,
            _ if [ALLOWED, WOULD_DENY, FAILED, UNSENT].iter().any(is) => LoggedVerdict::Passed,
            Some(why)
                if [NOT_ADMITTED, FROM_PAGE]
                    .iter()
                    .any(|one| why.starts_with(one)) =>
            {
                LoggedVerdict::None
            }
            Some(_) if status == "403" => LoggedVerdict::Denied,
            Some(_) => LoggedVerdict::None,
            None if is(&UNDECIDED) => LoggedVerdict::None,
            None => return None,
        };
        let fits = is_time && is_level && is_peer && is_status && is_number(sent);
        let fits = fits && is_duration && is_policy && !certificate.is_empty();
        let received: u64 = received.parse().ok()?;
        let mut faults = UploadFault::ALL.into_iter();
        let broke_off = faults.any(|fault| decision.ends_with(&format!("({})", fault.message())));
        fits.then(|| Logged {
            method,
            target: without_hidden(target),
            received,
            broke_off,
            verdict,
            policy,
        })
    }
}

/// A target without the completely hidden parts of its query, none of which had a value.
fn without_hidden(target: &str) -> Cow<'_, str> {
    let Some((path, query)) = target.split_once('?').filter(|_| target.contains(HIDDEN)) else {
        return target.into();
    };
    let shown = pairs(query).filter(|(pair, _)| *pair != HIDDEN);
    let shown: String = shown.flat_map(|(pair, end)| [pair, end]).collect();
    format!("{path}?{shown}").into()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::observe::access::record::tests::{here, line};
    use crate::observe::access::{Decision, End, EngineFault, Explanation, Peer, Reason};

    #[test]
    fn what_is_written_can_be_read() {
        let peers = [
            here(),
            Peer::Tcp("[::1]:1".parse().unwrap()),
            Peer::Unix(Some(7)),
            Peer::Unix(None),
        ];
        let decisions = || {
            let refused = |reason, text: &str| Decision::Refused(Explanation::new(reason, text));
            let not_admitted = format!("{NOT_ADMITTED}10.0.0.1 are not let in");
            [
                (Decision::None, None, LoggedVerdict::None),
                (
                    Decision::Allowed("VERSION".into()),
                    Some(200),
                    LoggedVerdict::Passed,
                ),
                (
                    Decision::WouldDeny(Explanation::new(Reason::NotAdmitted, "GET /x")),
                    Some(404),
                    LoggedVerdict::Passed,
                ),
                (
                    refused(Reason::NotAdmitted, "no"),
                    Some(403),
                    LoggedVerdict::Denied,
                ),
                (
                    refused(Reason::NotAdmitted, &not_admitted),
                    Some(403),
                    LoggedVerdict::None,
                ),
                (
                    refused(Reason::Ambiguous, "odd"),
                    Some(400),
                    LoggedVerdict::None,
                ),
            ]
        };
        let ends = || {
            [
                (End::Whole, false),
                (End::Cut, false),
                (End::Denied, false),
                (
                    End::Engine(Explanation::new(Reason::Engine(EngineFault::Gone), "gone")),
                    false,
                ),
                (End::Upload(UploadFault::Early), true),
                (End::Upload(UploadFault::Chunks), true),
                (End::Upload(UploadFault::Stalled), true),
            ]
        };
        for (peer, sent) in peers
            .into_iter()
            .flat_map(|peer| [(peer, true), (peer, false)])
        {
            for (decision, status, verdict) in decisions() {
                let passed = verdict == LoggedVerdict::Passed;
                for (end, broke_off) in ends().into_iter().take(if passed { 6 } else { 2 }) {
                    let line = line(peer, "/build?remote=secret&t=x", 5, |record| {
                        record.decision = decision.clone();
                        record.status = status.map(|status| StatusCode::from_u16(status).unwrap());
                        record.end = end;
                        record.sent = sent;
                    });
                    let expected = Logged {
                        method: "POST",
                        target: "/build?remote=…&t=x".into(),
                        received: 5,
                        broke_off,
                        verdict,
                        policy: None,
                    };
                    assert_eq!(Logged::read(&line), Some(expected), "{line}");
                }
            }
        }
    }

    #[test]
    fn the_policy_of_a_line_is_no_part_of_its_decision() {
        let refused = || Decision::Refused(Explanation::new(Reason::NotAdmitted, "no"));
        for (policy, decision, verdict) in [
            ("ci", Decision::Allowed("X".into()), LoggedVerdict::Passed),
            ("ci", refused(), LoggedVerdict::Denied),
            ("none", refused(), LoggedVerdict::None),
        ] {
            let line = line(here(), "/x", 0, |record| {
                record.decision = decision;
                record.policy = Some(policy.into());
                record.status = Some(StatusCode::FORBIDDEN);
                record.sent = true;
            });
            assert!(line.contains(&format!("ms policy={policy} ")), "{line}");
            let read = Logged::read(&line).expect("a line");
            assert_eq!((read.verdict, read.policy), (verdict, Some(policy)));
            // No policy has such a name.
            for odd in ["", "a:", "a\u{a0}b"] {
                let line = line.replace(&format!("policy={policy} "), &format!("policy={odd} "));
                assert_eq!(Logged::read(&line), None, "{line}");
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
            assert_eq!(Logged::read(&line).expect("a line").target, read);
        }
    }

    #[test]
    fn nothing_else_is_read_as_a_line() {
        let line = "2026-11-21T23:02:00.457Z info    172.20.0.3:44038 GET /version 200 in=0 \
                    out=792 7.26ms allowed by VERSION";
        assert!(Logged::read(line).is_some());
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
            assert_eq!(
                Logged::read(&line.replacen(from, to, 1)),
                None,
                "{from} {to}"
            );
        }
        for line in ["", "listening on tcp://[::]:2375", "…………………………………………………"]
        {
            assert_eq!(Logged::read(line), None);
        }
    }
}
