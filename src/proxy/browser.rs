//! Requests that a web page made a browser send: refused, whatever the policy allows.
//!
//! A page can reach whatever its browser reaches. Of each request but a GET of its own origin, the
//! browser says so in `Origin`, and at addresses that it trusts in `Sec-Fetch-Site` too
//! (<https://www.w3.org/TR/fetch-metadata/>). `Host` has the name that the page used, also where a
//! name of its own now leads here (DNS rebinding).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use http::header::{FORWARDED, HOST, HeaderName, ORIGIN, VIA};
use http::{HeaderMap, HeaderValue};

use crate::observe::access::{Explanation, FROM_PAGE, Reason};

/// Every request of a browser to an address that it trusts has it.
pub(super) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Why a browser's request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intruder {
    /// The page is another site's.
    CrossSite,
    /// The page has another origin than the one that it asks.
    OtherOrigin,
    /// The page reached dockgate by a name that may be anybody's.
    UnknownHost,
}

impl From<Intruder> for Explanation {
    fn from(intruder: Intruder) -> Explanation {
        Explanation::new(Reason::FromPage, intruder.to_string())
    }
}

impl fmt::Display for Intruder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FROM_PAGE)?;
        f.write_str(match self {
            Intruder::CrossSite => {
                "of another site sent this request (its Sec-Fetch-Site is cross-site)"
            }
            Intruder::OtherOrigin => {
                "of another origin sent this request: its Origin does not match its Host"
            }
            Intruder::UnknownHost => {
                "sent this request to an unknown Host; if the name is yours, add it to ALLOWED_HOSTS"
            }
        })
    }
}

/// Refuses what a page of another origin sent, and what was sent to a host name that is neither
/// well known nor in `allowed`. For requests with one of the headers `Origin` and `Sec-Fetch-Site`.
pub(super) fn check(headers: &HeaderMap, allowed: &[Box<str>]) -> Result<(), Intruder> {
    // No browser's origin has a path, as some programs' have.
    let is_of_browser =
        |origin: &&[u8]| !authority(origin).is_some_and(|authority| authority.contains(&b'/'));
    let origins = headers.get_all(ORIGIN).iter().map(HeaderValue::as_bytes);
    let mut origins = origins.filter(is_of_browser).peekable();
    if origins.peek().is_none() && !headers.contains_key(SEC_FETCH_SITE) {
        return Ok(());
    }
    let site_is = |sites: &[&[u8]]| {
        let mut values = headers.get_all(SEC_FETCH_SITE).iter().peekable();
        values.peek().is_some() && values.all(|value| sites.contains(&value.as_bytes()))
    };
    let any_site_is = |site: &[u8]| (headers.get_all(SEC_FETCH_SITE).iter()).any(|one| one == site);
    if any_site_is(b"cross-site") {
        return Err(Intruder::CrossSite);
    }
    let host = headers.get(HOST).map_or(&b""[..], |host| host.as_bytes());
    // A page cannot add these without a preflight, which no policy allows.
    let relayed = || {
        let relays = [X_FORWARDED_FOR, FORWARDED, VIA];
        relays.iter().any(|name| headers.contains_key(name))
    };
    let is_own =
        |origin: &[u8]| authority(origin).is_some_and(|one| one.eq_ignore_ascii_case(host));
    if origins.any(|origin| !is_own(origin)) && !site_is(&[b"same-origin", b"none"]) && !relayed() {
        return Err(Intruder::OtherOrigin);
    }
    let host = std::str::from_utf8(host).unwrap_or_default();
    if is_known_host(host, allowed) {
        Ok(())
    } else {
        Err(Intruder::UnknownHost)
    }
}

/// What follows the scheme of an origin. `null` has none.
fn authority(origin: &[u8]) -> Option<&[u8]> {
    let colon = origin.iter().position(|byte| *byte == b':')?;
    origin[colon..].strip_prefix(b"://")
}

/// Whether a `Host` is one that no foreign page can have come by: an address, a name that never
/// leaves the machine, a name without a dot (such as a Compose service's, which the Internet's name
/// servers do not have), or one that is allowed.
fn is_known_host(host: &str, allowed: &[Box<str>]) -> bool {
    let name = without_port(host);
    if let Some(inner) = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let address = inner.split('%').next().unwrap_or_default();
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let is = |one: &str| name.eq_ignore_ascii_case(one);
    let is_plain = |name: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !name.is_empty() && name.bytes().all(plain)
    };
    name.parse::<Ipv4Addr>().is_ok()
        || is_plain(name)
        || is("host.docker.internal")
        || name.len() > ".localhost".len()
            && name.as_bytes()[name.len() - ".localhost".len()..]
                .eq_ignore_ascii_case(b".localhost")
        || allowed.iter().any(|one| is(one))
}

/// A `Host` without its port.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str, allowed: &[&str]) -> Result<(), Intruder> {
        let mut headers = HeaderMap::new();
        for line in text.split('|') {
            let (name, value) = line.split_once(": ").expect("a header");
            let name: HeaderName = name.parse().expect("a name");
            headers.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        let allowed: Vec<Box<str>> = allowed.iter().map(|one| (*one).into()).collect();
        check(&headers, &allowed)
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        use Intruder::{CrossSite, OtherOrigin};
        for (text, expected) in [
            ("Host: localhost:2375|Origin: http://localhost:2375", Ok(())),
            ("Host: LOCALHOST:2375|Origin: http://localhost:2375", Ok(())),
            (
                "Host: localhost:2375|Origin: http://localhost",
                Err(OtherOrigin),
            ),
            (
                "Host: localhost:2375|Origin: https://evil.example",
                Err(OtherOrigin),
            ),
            ("Host: localhost:2375|Origin: null", Err(OtherOrigin)),
            ("Host: localhost:2375|Origin: ", Err(OtherOrigin)),
            (
                "Host: localhost|Origin: http://localhost|Origin: http://evil.example",
                Err(OtherOrigin),
            ),
            ("Host: localhost|Sec-Fetch-Site: cross-site", Err(CrossSite)),
            (
                "Host: localhost|Origin: http://localhost|Sec-Fetch-Site: cross-site",
                Err(CrossSite),
            ),
            // A program's, since it has a path.
            ("Host: localhost:2375|Origin: http://localhost/", Ok(())),
            (
                "Host: localhost|Origin: http://localhost/|Origin: http://evil.example",
                Err(OtherOrigin),
            ),
            ("Host: localhost|Sec-Fetch-Site: none", Ok(())),
            ("Host: localhost|Sec-Fetch-Site: same-site", Ok(())),
            (
                "Host: localhost|Origin: http://a.localhost|Sec-Fetch-Site: same-site",
                Err(OtherOrigin),
            ),
            (
                "Host: localhost|Origin: http://evil.example|Sec-Fetch-Site: same-origin|Sec-Fetch-Site: cross-site",
                Err(CrossSite),
            ),
            // What Portainer relays of its own page.
            (
                "Host: dockgate:2375|Origin: https://portainer.example|X-Forwarded-For: 10.0.0.1",
                Ok(()),
            ),
            (
                "Host: dockgate:2375|Origin: https://portainer.example|Via: 1.1 x",
                Ok(()),
            ),
            (
                "Host: dockgate:2375|Origin: https://portainer.example|Sec-Fetch-Site: same-origin",
                Ok(()),
            ),
            (
                "Host: dockgate:2375|Origin: https://portainer.example|Sec-Fetch-Site: cross-site|Via: 1.1 x",
                Err(CrossSite),
            ),
        ] {
            assert_eq!(checked(text, &[]), expected, "{text}");
        }
    }

    #[test]
    fn a_page_names_a_host_that_is_known() {
        let known = [
            "127.0.0.1",
            "10.1.2.3:2375",
            "[::1]",
            "[::1]:2375",
            "[fe80::1%eth0]:1",
            "localhost",
            "localhost:80",
            "a.b.localhost",
            "localhost.",
            "host.docker.internal:2375",
            "dockgate",
            "Docker_Proxy:2375",
            "docker.example:2375",
            "DOCKER.example",
        ];
        let unknown = [
            "evil.example",
            "localhost.evil.example",
            "evillocalhost.example",
            ".localhost",
            "",
            "127.0.0.1.nip.io",
            "docker.example.evil",
            "::1",
            "[evil]",
            "a b",
            "1.2.3",
            "localhost:80:80",
            "host.docker.internal.evil.example",
        ];
        for (hosts, expected) in [
            (&known[..], Ok(())),
            (&unknown[..], Err(Intruder::UnknownHost)),
        ] {
            for host in hosts {
                for page in ["Origin: http://", "Sec-Fetch-Site: same-origin|X: "] {
                    let text = format!("Host: {host}|{page}{host}");
                    assert_eq!(checked(&text, &["docker.example"]), expected, "{text}");
                }
            }
        }
    }
}
