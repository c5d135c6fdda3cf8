//! `PUBLISH`: the host ports that may be published.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::list::{self, Mistake};

/// What `PUBLISH` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish(Vec<Ports>);

/// `127.0.0.1:8000-8999`, `8080`, `[::1]:0`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ports {
    /// The one address; none is all of them.
    ip: Option<IpAddr>,
    /// 0 is one of the engine's choice.
    ports: RangeInclusive<u16>,
}

impl Publish {
    /// Reads the list.
    pub fn parse(text: &str) -> Result<Publish, Vec<Mistake>> {
        list::entries(text, Ports::parse).map(Publish)
    }

    /// Whether a port may be published at an address. Without one it is published at all; without a
    /// port, or at 0, the engine chooses.
    pub fn allows(&self, ip: &str, port: &str) -> bool {
        let asked = if port.is_empty() {
            Some(0..=0)
        } else {
            range(port)
        };
        let ip = match ip {
            "" => Some(None),
            ip => ip.parse().ok().map(Some),
        };
        let (Some(asked), Some(ip)) = (asked, ip) else {
            return false;
        };
        self.0.iter().any(|own| {
            let here = own.ip.is_none() || own.ip == ip;
            here && own.ports.contains(asked.start()) && own.ports.contains(asked.end())
        })
    }
}

impl Ports {
    fn parse(entry: &str) -> Result<Ports, Mistake> {
        let mistake = || {
            let help = "use PORT, FIRST-LAST or IP:PORT, like 127.0.0.1:8000-8999; 0 is a port that the engine chooses";
            Mistake::new(entry, "is not a port", help)
        };
        let (ip, ports) = match entry.rsplit_once(':') {
            Some((ip, ports)) => {
                let inner = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']'));
                let ip: IpAddr = inner.unwrap_or(ip).parse().map_err(|_| mistake())?;
                if inner.is_some() != ip.is_ipv6() {
                    return Err(mistake());
                }
                (Some(ip), ports)
            }
            None => (None, entry),
        };
        let ports = range(ports).ok_or_else(mistake)?;
        // Not all ports from the engine's choice on.
        if *ports.start() == 0 && *ports.end() != 0 {
            return Err(mistake());
        }
        Ok(Ports { ip, ports })
    }
}

/// A port or a range of them.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (u16, u16) = (number(first)?, number(last)?);
    (first <= last).then_some(first..=last)
}

impl Display for Ports {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]:")?,
            Some(ip) => write!(f, "{ip}:")?,
            None => {}
        }
        let (first, last) = (self.ports.start(), self.ports.end());
        match first == last {
            true => write!(f, "{first}"),
            false => write!(f, "{first}-{last}"),
        }
    }
}

impl Display for Publish {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list::show(f, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_listed() {
        let text = "127.0.0.1:8000-8999, 8080, [::1]:0, 10.0.0.1:1-65535";
        let own = Publish::parse(text).expect("a list");
        for (ip, port) in [
            ("127.0.0.1", "8000"),
            ("127.0.0.1", "8000-8999"),
            ("127.0.0.1", "08001"),
            ("", "8080"),
            ("0.0.0.0", "8080"),
            ("::1", ""),
            ("0:0:0:0:0:0:0:1", "0"),
            ("10.0.0.1", "65535"),
        ] {
            assert!(own.allows(ip, port), "{ip}:{port}");
        }
        for (ip, port) in [
            ("", "8000"),
            ("0.0.0.0", "8000"),
            ("127.0.0.1", "7999-8001"),
            ("127.0.0.1", "8999-8000"),
            ("127.0.0.1", ""),
            ("127.0.0.1", "0"),
            ("127.0.0.2", "8000"),
            ("::ffff:127.0.0.1", "8000"),
            ("localhost", "8080"),
            ("", "+8080"),
            ("", "8080/udp"),
            ("", "-"),
            ("", ""),
            ("10.0.0.1", "0"),
        ] {
            assert!(!own.allows(ip, port), "{ip}:{port}");
        }
        assert_eq!(own.to_string(), text);
        let nothing = Publish::parse("none").expect("a list");
        assert!(!nothing.allows("", "80") && !nothing.allows("", ""));
        let mistakes =
            Publish::parse("http, 80:80, ::1:80, [::1], 0-9, 9-1, 70000, 1-2-3, [1.2.3.4]:1");
        assert_eq!(mistakes.expect_err("mistakes").len(), 9);
    }
}
