//! A request's method and target, parsed once into exactly what the engine's router will match.
//!
//! The engine percent-decodes the path once, matches the decoded path after an optional version
//! segment (`v[0-9.]+`), and answers 301 when cleaning the path would change it. So a path is
//! decoded once here too, and what cleaning would change is refused: the engine serves no such
//! path. The query is neither decoded nor judged; it does not choose the route.

use std::borrow::Cow;
use std::fmt;

use http::Uri;
use http::uri::PathAndQuery;

use super::Method;
use super::Version;
use super::sections::UPGRADES;

/// The longest request target that hyper's parser accepts, in bytes.
pub const MAX_TARGET: usize = 65_534;

/// A parsed request line. Only [`Target::parse`] makes one, and nothing else is decided on or
/// forwarded.
#[derive(Debug, Clone)]
pub struct Target {
    method: http::Method,
    raw: PathAndQuery,
    /// The path decoded once, where that differs from the path as sent.
    decoded: Option<Box<[u8]>>,
    /// Where the canonical path begins: after the version segment, if there is one.
    start: usize,
    /// The version that was asked for, if it is an older one than the path has. Few have it.
    asked: Option<Box<Version>>,
}

impl Target {
    /// Parses what hyper's parser made of a request line. Does not allocate for a path without `%`.
    pub fn parse(method: &http::Method, uri: &Uri) -> Result<Target, BadTarget> {
        if method == http::Method::CONNECT {
            return Err(BadTarget::Connect);
        }
        let raw = uri.path_and_query().ok_or(BadTarget::Form)?;
        // `PathAndQuery::path` makes up a slash where there is none, so look at what was sent.
        if uri.scheme().is_some() || uri.authority().is_some() || !raw.as_str().starts_with('/') {
            return Err(BadTarget::Form);
        }
        let sent = raw.path().as_bytes();
        let decoded = if is_plain(sent) {
            None
        } else {
            Some(decode(sent)?)
        };
        let path = decoded.as_deref().unwrap_or(sent);
        check_segments(path)?;
        let start = version_length(path);
        Ok(Target {
            method: method.clone(),
            raw: raw.clone(),
            decoded,
            start,
            asked: None,
        })
    }

    /// Parses a raw request line as the wire would.
    pub fn from_line(method: &str, target: &str) -> Result<Target, BadTarget> {
        let method = http::Method::from_bytes(method.as_bytes()).map_err(|_| BadTarget::Method)?;
        if method == http::Method::CONNECT {
            return Err(BadTarget::Connect);
        }
        let target = encode_target(target.as_bytes())?;
        if target.len() > MAX_TARGET {
            return Err(BadTarget::Long);
        }
        let uri = Uri::try_from(&*target).map_err(|_| match target.first() {
            Some(b'/') => BadTarget::Character,
            _ => BadTarget::Form,
        })?;
        Target::parse(&method, &uri)
    }

    /// The method, if the Docker API knows it. Every policy denies all others.
    pub fn method(&self) -> Option<Method> {
        Method::from_name(self.method.as_str())
    }

    /// The method as sent.
    pub fn method_str(&self) -> &str {
        self.method.as_str()
    }

    /// The API version that it asks for. Without one, the engine takes its newest.
    pub fn version(&self) -> Option<Version> {
        let version = self.whole_path()[..self.start].strip_prefix(b"/v")?;
        Some(Version::parse(&String::from_utf8_lossy(version)))
    }

    /// The version that was asked for, if the request has been raised to a newer one.
    pub fn asked(&self) -> Option<Version> {
        self.asked.as_deref().copied()
    }

    /// The same in a newer version, with this query. Nothing if its version is not written plainly: then
    /// it is not what clients write.
    pub fn raised(&self, version: Version, query: Option<&str>) -> Option<Target> {
        let sent = self.raw.path();
        let asked = self.version().filter(|asked| *asked < version)?;
        let rest = sent.get(self.start..)?;
        if version_length(sent.as_bytes()) != self.start {
            return None;
        }
        let query = query.map_or(String::new(), |query| format!("?{query}"));
        let uri = Uri::try_from(format!("/v{version}{rest}{query}")).ok()?;
        let raised = Target::parse(&self.method, &uri).ok()?;
        // Nothing else may come of it.
        let is_same = raised.path() == self.path() && raised.version() == Some(version);
        is_same.then_some(Target {
            asked: Some(self.asked().unwrap_or(asked).into()),
            ..raised
        })
    }

    /// The same with another path behind the version, and the same query.
    pub fn with_path(&self, path: &str) -> Result<Target, BadTarget> {
        // A version is digits and dots.
        let version = String::from_utf8_lossy(&self.whole_path()[..self.start]);
        let query = self
            .query()
            .map_or(String::new(), |query| format!("?{query}"));
        let uri = Uri::try_from(format!("{version}{path}{query}"));
        Target::parse(&self.method, &uri.map_err(|_| BadTarget::Character)?)
    }

    /// The same with another query.
    pub fn with_query(&self, query: &str) -> Result<Target, BadTarget> {
        let path = self.raw.path();
        let uri = Uri::try_from(format!("{path}?{query}")).map_err(|_| BadTarget::Character)?;
        Target::parse(&self.method, &uri)
    }

    /// The parts of the request line, as forwarded.
    pub fn into_parts(self) -> (http::Method, PathAndQuery) {
        (self.method, self.raw)
    }

    /// Exactly what is forwarded.
    pub fn path_and_query(&self) -> &PathAndQuery {
        &self.raw
    }

    /// The canonical path: decoded once, without its version segment, beginning with `/`.
    pub fn path(&self) -> &[u8] {
        &self.whole_path()[self.start..]
    }

    /// The canonical path without a further version segment, as engines other than Docker's may
    /// spell it: `v` and a digit, and after that anything. Podman accepts letters and hyphens
    /// there.
    pub fn behind_other_version(&self) -> Option<&[u8]> {
        let [b'/', b'v', b'0'..=b'9', rest @ ..] = self.path() else {
            return None;
        };
        memchr::memchr(b'/', rest).map(|slash| &rest[slash..])
    }

    /// The path decoded once, with its version segment if it has one.
    pub fn whole_path(&self) -> &[u8] {
        self.decoded
            .as_deref()
            .unwrap_or(self.raw.path().as_bytes())
    }

    /// The query as sent.
    pub fn query(&self) -> Option<&str> {
        self.raw.query()
    }

    /// The protocols to which the engine switches on this route; elsewhere none.
    pub fn upgrade_protocols(&self) -> &'static [&'static str] {
        let Some(method) = self.method() else {
            return &[];
        };
        let path = self.path();
        UPGRADES
            .iter()
            .find(|upgrade| upgrade.routes.iter().any(|route| route.spans(method, path)))
            .map_or(&[], |upgrade| upgrade.protocols)
    }

    /// Whether the engine turns the connection into a raw stream on this route, even without a
    /// switch of protocols: where it would switch to `tcp`.
    pub fn is_hijacked(&self) -> bool {
        self.upgrade_protocols().contains(&"tcp")
    }
}

/// Why a request line is refused with 400. Its text says what is wrong and what to send instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadTarget {
    /// The method is not an HTTP token.
    Method,
    /// CONNECT.
    Connect,
    /// Absolute form, authority form or `*`.
    Form,
    /// Longer than hyper accepts.
    Long,
    /// A byte that must not occur in a request target.
    Character,
    /// A `#`.
    Fragment,
    /// `%` without two hexadecimal digits.
    Escape,
    /// A control byte or 0x7f, raw or decoded.
    Control,
    /// A raw byte above 0x7e.
    HighByte,
    /// A backslash, raw or decoded.
    Backslash,
    /// `.` or `..` as a segment.
    DotSegment,
    /// `//`.
    EmptySegment,
}

impl fmt::Display for BadTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadTarget::Method => "invalid method: must be an HTTP token such as GET or POST",
            BadTarget::Connect => "CONNECT is not supported: send the request itself",
            BadTarget::Form => "the request target must be a path that begins with /",
            BadTarget::Long => "the request target is longer than 65534 bytes",
            BadTarget::Character => {
                "the request target contains a character that must be percent-encoded"
            }
            BadTarget::Fragment => "the request target contains #: send it as %23 or remove it",
            BadTarget::Escape => {
                "the path contains % without two hexadecimal digits: send it as %25"
            }
            BadTarget::Control => "the path contains a control character: remove it",
            BadTarget::HighByte => "the path contains a byte above 0x7e: percent-encode it",
            BadTarget::Backslash => "the path contains a backslash: use / between segments",
            BadTarget::DotSegment => "the path contains a . or .. segment: send the resolved path",
            BadTarget::EmptySegment => "the path contains an empty segment: use single slashes",
        })
    }
}

impl std::error::Error for BadTarget {}

/// Prepares the raw bytes of a request target for hyper's parser. In the query, `"`, `<`, `>` and
/// raw bytes above 0x7f are percent-encoded: that parser refuses them or accepts them as UTF-8
/// only, but every engine decodes them. A `#` is refused, because the parser would silently cut the
/// target there. Borrowed if nothing changes.
pub fn encode_target(raw: &[u8]) -> Result<Cow<'_, [u8]>, BadTarget> {
    if raw.contains(&b'#') {
        return Err(BadTarget::Fragment);
    }
    let encoded = |byte: &u8| matches!(byte, b'"' | b'<' | b'>' | 0x80..);
    let query = raw
        .iter()
        .position(|byte| *byte == b'?')
        .unwrap_or(raw.len());
    if !raw[query..].iter().any(encoded) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut target = raw[..query].to_vec();
    for byte in &raw[query..] {
        if encoded(byte) {
            target.push(b'%');
            target.extend(
                [byte >> 4, byte & 15].map(|digit| b"0123456789ABCDEF"[usize::from(digit)]),
            );
        } else {
            target.push(*byte);
        }
    }
    Ok(Cow::Owned(target))
}

/// Whether no byte of a path can be refused or decoded. Checks all of it without branches, which
/// the compiler turns into a few vector instructions.
fn is_plain(path: &[u8]) -> bool {
    path.iter().fold(true, |plain, &byte| {
        plain & (byte > 0x1f) & (byte < 0x7f) & (byte != b'%') & (byte != b'\\')
    })
}

fn check_bytes(path: &[u8]) -> Result<(), BadTarget> {
    match path
        .iter()
        .find(|byte| byte.is_ascii_control() || **byte == b'\\')
    {
        Some(b'\\') => Err(BadTarget::Backslash),
        Some(_) => Err(BadTarget::Control),
        None => Ok(()),
    }
}

/// The path decoded once, unless one of its bytes is refused before or after.
fn decode(sent: &[u8]) -> Result<Box<[u8]>, BadTarget> {
    check_bytes(sent)?;
    if !sent.is_ascii() {
        return Err(BadTarget::HighByte);
    }
    let mut path = Vec::with_capacity(sent.len());
    let mut rest = sent;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_first_chunk::<2>().ok_or(BadTarget::Escape)?;
            path.push(hex(digits[0])? << 4 | hex(digits[1])?);
            rest = after;
        } else {
            path.push(byte);
        }
    }
    check_bytes(&path)?;
    Ok(path.into())
}

fn hex(digit: u8) -> Result<u8, BadTarget> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(BadTarget::Escape),
    }
}

/// Refuses what the engine's cleaning would change. One trailing slash is kept, as there.
fn check_segments(path: &[u8]) -> Result<(), BadTarget> {
    // Without branches too: only a segment that begins with a slash or a dot can be refused.
    let next = path.iter().skip(1);
    let suspicious = path.iter().zip(next).fold(false, |found, (&byte, &next)| {
        found | (byte == b'/') & ((next == b'/') | (next == b'.'))
    });
    if !suspicious {
        return Ok(());
    }
    let inner = &path[1..];
    for segment in inner
        .strip_suffix(b"/")
        .unwrap_or(inner)
        .split(|byte| *byte == b'/')
    {
        match segment {
            b"" => return Err(BadTarget::EmptySegment),
            b"." | b".." => return Err(BadTarget::DotSegment),
            _ => {}
        }
    }
    Ok(())
}

/// The length of a leading `/v[0-9.]+` that is followed by more path; 0 if there is none.
fn version_length(path: &[u8]) -> usize {
    let Some(rest) = path.strip_prefix(b"/v") else {
        return 0;
    };
    let digits = rest
        .iter()
        .take_while(|byte| byte.is_ascii_digit() || **byte == b'.')
        .count();
    if digits > 0 && rest.get(digits) == Some(&b'/') {
        digits + 2
    } else {
        0
    }
}
