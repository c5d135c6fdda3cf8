//! Where an engine is: `/PATH`, `unix:///PATH` or `tcp://HOST:PORT`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use crate::config::diagnostics::Unfit;
use crate::config::listen::Listen;
use crate::config::paths::{engine_path, same_socket, shown_path};

/// Where an engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// A host's port.
    Tcp {
        /// The host.
        host: Host,
        /// The port.
        port: u16,
    },
}

/// A host, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// By its address.
    Ip(IpAddr),
    /// By a name, in lower case, which is looked up for each connection.
    Name(Box<str>),
}

const TCP: &str = "tcp://";
const FORMS: &str = "use a path like /var/run/docker.sock, or tcp://HOST:PORT; \
                     SSH and other addresses are not supported";
const HOSTS: &str = "use a host name, an IPv4 address, or an IPv6 address in brackets";

/// `PATH`, `unix@PATH` as HAProxy writes it, `unix://PATH` or `tcp://HOST:PORT`.
pub(in crate::config) fn default_engine(value: &str) -> Result<Address, Unfit> {
    match value.strip_prefix("unix@") {
        Some(path) => only_path(path),
        None => address(value),
    }
}

/// A path, and nothing else.
pub(in crate::config) fn only_path(value: &str) -> Result<Address, Unfit> {
    engine_path(value).map(Address::Unix)
}

/// `PATH`, `unix://PATH` or `tcp://HOST:PORT`.
pub(in crate::config) fn address(value: &str) -> Result<Address, Unfit> {
    match value.strip_prefix(TCP) {
        Some(authority) => tcp(authority),
        None => {
            let path = value.strip_prefix("unix://").unwrap_or(value);
            engine_path(path).map(Address::Unix).map_err(|unfit| Unfit {
                help: FORMS,
                ..unfit
            })
        }
    }
}

fn tcp(authority: &str) -> Result<Address, Unfit> {
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let is_bare_v6 = authority.parse::<Ipv6Addr>().is_ok();
    let split = match authority.rsplit_once(':') {
        Some((host, port)) if !is_bare_v6 && !port.ends_with(']') => Some((host, port)),
        _ => None,
    };
    let Some((host, port)) = split else {
        let problem = match is_bare_v6 {
            true => "has an IPv6 address without brackets",
            false => "has no port",
        };
        let help = "use tcp://HOST:PORT; engines listen on 2376 with TLS, and on 2375 without; \
                    IPv6 addresses are in brackets";
        return Err(Unfit::new(problem, help));
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse::<u16>().ok().filter(|port| digits && *port > 0);
    let port = port.ok_or_else(|| Unfit::new("has no valid port", "use a port from 1 to 65535"))?;
    let host = host_of(host).ok_or_else(|| Unfit::new("has no valid host", HOSTS))?;
    match host {
        Host::Ip(ip) if ip.to_canonical().is_unspecified() => {
            let problem = "has an address that stands for all addresses of a host";
            Err(Unfit::new(problem, "use the address of the engine's host"))
        }
        host => Ok(Address::Tcp { host, port }),
    }
}

fn host_of(text: &str) -> Option<Host> {
    if let Some(v6) = text.strip_prefix('[') {
        let v6: Ipv6Addr = v6.strip_suffix(']')?.parse().ok()?;
        return Some(Host::Ip(v6.into()));
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return ip.is_ipv4().then_some(Host::Ip(ip));
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    // What ends with a number is an address that could not be read.
    let last = name.rsplit('.').next()?;
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    let is_name = name.len() <= 253 && !is_number && name.split('.').all(label);
    is_name.then(|| Host::Name(text.to_ascii_lowercase().into()))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => f.write_str(&shown_path(path)),
            Address::Tcp { host, port } => match host {
                Host::Ip(ip) => write!(f, "{TCP}{}", SocketAddr::new(*ip, *port)),
                Host::Name(name) => write!(f, "{TCP}{name}:{port}"),
            },
        }
    }
}

impl Address {
    /// The same as a configuration has it: a path is not as messages show it.
    pub fn written(&self) -> Vec<u8> {
        use std::os::unix::ffi::OsStrExt as _;
        match self {
            Address::Unix(path) => path.as_os_str().as_bytes().to_vec(),
            Address::Tcp { .. } => self.to_string().into_bytes(),
        }
    }

    /// Whether it leads over the network to what may be another host.
    pub fn is_remote(&self) -> bool {
        match self {
            Address::Unix(_) => false,
            Address::Tcp { host, .. } => match host {
                Host::Ip(ip) => !ip.to_canonical().is_loopback(),
                Host::Name(name) => !is_localhost(name),
            },
        }
    }

    /// Whether it is one that dockgate listens on itself, as far as that can be told without asking a
    /// name server. What a name stands for is looked at when it is connected to.
    pub(in crate::config) fn is(&self, listen: &Listen) -> bool {
        match (self, listen) {
            (Address::Unix(own), Listen::Unix(path)) => same_socket(own, path),
            (Address::Tcp { host, port }, Listen::Tcp { addr, .. }) => {
                let listens = addr.ip().to_canonical();
                let here = listens.is_unspecified() || listens.is_loopback();
                *port == addr.port()
                    && match host {
                        Host::Ip(ip) => {
                            let ip = ip.to_canonical();
                            ip == listens || listens.is_unspecified() && ip.is_loopback()
                        }
                        Host::Name(name) => is_localhost(name) && here,
                    }
            }
            _ => false,
        }
    }
}

/// Whether a name always stands for the own host (RFC 6761, section 6.3).
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_one_way() {
        for (text, shown) in [
            ("/var/run/docker.sock", "/var/run/docker.sock"),
            ("unix:///run/x.sock", "/run/x.sock"),
            ("tcp://nas:2376", "tcp://nas:2376"),
            ("tcp://NAS.example.:2376", "tcp://nas.example.:2376"),
            ("tcp://nas:2376/", "tcp://nas:2376"),
            ("tcp://10.0.0.1:2375", "tcp://10.0.0.1:2375"),
            ("tcp://[fd00::1]:2375", "tcp://[fd00::1]:2375"),
            ("tcp://my_dind:2375", "tcp://my_dind:2375"),
        ] {
            let read = address(text).map(|address| address.to_string());
            assert_eq!(read.as_deref(), Ok(shown), "{text}");
        }
        for (text, problem) in [
            ("", "is not an absolute path to a Unix socket"),
            ("docker.sock", "is not an absolute path to a Unix socket"),
            ("unix://x", "is not an absolute path to a Unix socket"),
            ("ssh://nas", "is not an absolute path to a Unix socket"),
            ("https://nas:1", "is not an absolute path to a Unix socket"),
            ("tcp://nas", "has no port"),
            ("tcp://[fd00::1]", "has no port"),
            ("tcp://fd00::1", "has an IPv6 address without brackets"),
            ("tcp://fd00::1:x", "has no valid port"),
            ("tcp://nas:0", "has no valid port"),
            ("tcp://nas:+1", "has no valid port"),
            ("tcp://nas:65536", "has no valid port"),
            ("tcp://nas:2375/x", "has no valid port"),
            ("tcp://:2375", "has no valid host"),
            ("tcp://user@nas:2375", "has no valid host"),
            ("tcp://a..b:2375", "has no valid host"),
            ("tcp://-a:2375", "has no valid host"),
            ("tcp://10.0.1:2375", "has no valid host"),
            ("tcp://0x7f000001:2375", "has no valid host"),
            ("tcp://[fe80::1%eth0]:2375", "has no valid host"),
            ("tcp://nas\n:2375", "has no valid host"),
            ("tcp://a,tcp://b:1", "has no valid host"),
            (
                "tcp://0.0.0.0:2375",
                "has an address that stands for all addresses of a host",
            ),
            (
                "tcp://[::]:2375",
                "has an address that stands for all addresses of a host",
            ),
        ] {
            let unfit = address(text).expect_err(text);
            assert_eq!(unfit.problem, problem, "{text}");
        }
    }

    #[test]
    fn dockgate_itself_is_no_engine() {
        for (engine, listen, is) in [
            ("tcp://127.0.0.1:2375", "tcp://[::]:2375", true),
            ("tcp://localhost:2375", "tcp://[::]:2375", true),
            ("tcp://localhost:2375", "tcp://127.0.0.1:2375", true),
            ("tcp://a.localhost:2375", "tcp://0.0.0.0:2375", true),
            (
                "tcp://[::ffff:127.0.0.1]:2375",
                "tcp://127.0.0.1:2375",
                true,
            ),
            ("tcp://10.0.0.1:2375", "tcp://10.0.0.1:2375", true),
            ("tcp://10.0.0.1:2376", "tcp://10.0.0.1:2375", false),
            ("tcp://10.0.0.2:2375", "tcp://10.0.0.1:2375", false),
            ("tcp://127.0.0.2:2375", "tcp://127.0.0.1:2375", false),
            ("tcp://nas:2375", "tcp://[::]:2375", false),
            ("/run/x.sock", "unix:///run/x.sock", true),
            ("/run/x.sock", "unix:///run/y.sock", false),
            ("/run/x.sock", "tcp://[::]:2375", false),
        ] {
            let engine = address(engine).expect("an address");
            let listen: Listen = listen.parse().expect("an address");
            assert_eq!(engine.is(&listen), is, "{engine} {listen}");
        }
    }

    #[test]
    fn what_stays_on_the_host_is_not_remote() {
        for (text, remote) in [
            ("/run/x.sock", false),
            ("tcp://127.0.0.1:1", false),
            ("tcp://[::1]:1", false),
            ("tcp://localhost:1", false),
            ("tcp://nas:1", true),
            ("tcp://10.0.0.1:1", true),
        ] {
            assert_eq!(address(text).expect("an address").is_remote(), remote);
        }
    }
}
