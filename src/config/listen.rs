//! Where to listen: `tcp://IP:PORT` and `unix:///PATH`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use super::diagnostics::Unfit;
use super::paths::{shown_path, socket_file};
use super::values::number;
use crate::policy::printable;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `tcp://IP:PORT`
    Tcp {
        /// The address.
        addr: SocketAddr,
        /// Whether to fall back to 0.0.0.0 if IPv6 is not available: where no address was asked for.
        fallback_v4: bool,
    },
    /// `unix:///PATH`
    Unix(PathBuf),
}

const LISTEN_FORMS: &str = "use tcp://IP:PORT (tcp://127.0.0.1:2375, tcp://[::1]:2375) \
                            or unix:///PATH, separated by commas";

pub(super) fn listeners(value: &str) -> Result<Vec<Listen>, Unfit> {
    let mut listen = Vec::new();
    for item in value.split(',') {
        let one: Listen = item.trim().parse()?;
        if listen.contains(&one) {
            let problem = format!("lists {} twice", printable(item.trim()));
            return Err(Unfit::new(problem, "list it once"));
        }
        listen.push(one);
    }
    Ok(listen)
}

/// The path of a Unix socket, or the number of a port on all addresses.
pub(super) fn socket_or_port(value: &str) -> Result<Listen, Unfit> {
    if !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Listen::Unix(socket_file(value)?));
    }
    let port: u16 = number(value, 1, u16::MAX)?;
    Ok(Listen::Tcp {
        addr: (Ipv6Addr::UNSPECIFIED, port).into(),
        fallback_v4: true,
    })
}

impl FromStr for Listen {
    type Err = Unfit;

    fn from_str(item: &str) -> Result<Listen, Unfit> {
        if item.is_empty() {
            return Err(Unfit::new("contains an empty item", LISTEN_FORMS));
        }
        if let Some(path) = item.strip_prefix("unix://") {
            return Ok(Listen::Unix(socket_file(path)?));
        }
        let address = item
            .strip_prefix("tcp://")
            .and_then(|address| address.parse().ok());
        match address {
            Some(addr) => Ok(Listen::Tcp {
                addr,
                fallback_v4: false,
            }),
            None => {
                let problem = format!(
                    "contains {}, which is not a listen address",
                    printable(item)
                );
                Err(Unfit::new(problem, LISTEN_FORMS))
            }
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp { addr, .. } => write!(f, "tcp://{addr}"),
            Listen::Unix(path) => write!(f, "unix://{}", shown_path(path)),
        }
    }
}

impl Listen {
    /// The default address, which falls back to IPv4 or is IPv4 from the start.
    pub(super) fn by_default(&self, disable_ipv6: bool) -> Listen {
        let mut listen = self.clone();
        if let Listen::Tcp { addr, fallback_v4 } = &mut listen {
            *fallback_v4 = !disable_ipv6;
            if disable_ipv6 {
                addr.set_ip(Ipv4Addr::UNSPECIFIED.into());
            }
        }
        listen
    }

    /// Where a local client reaches it: for a wildcard, the loopback addresses.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        match self {
            Listen::Tcp { addr, .. } => match addr.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => {
                    vec![(Ipv4Addr::LOCALHOST, addr.port()).into()]
                }
                IpAddr::V6(ip) if ip.is_unspecified() => vec![
                    (Ipv6Addr::LOCALHOST, addr.port()).into(),
                    (Ipv4Addr::LOCALHOST, addr.port()).into(),
                ],
                _ => vec![*addr],
            },
            Listen::Unix(_) => Vec::new(),
        }
    }
}
