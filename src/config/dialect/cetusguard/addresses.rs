//! Where to listen and where the engine is, as hectorm/cetusguard has it.

use std::ffi::OsStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::path::Path;

use crate::config::diagnostics::Unfit;
use crate::config::engines::{Address, address};
use crate::config::paths::same_socket;
use crate::config::table::Values;
use crate::config::{Diagnostic, Listen, Severity, Snapshot};
use crate::policy::printable;

/// The mode of its sockets: as there, only their owner can connect.
pub(in crate::config) const MODE: u32 = 0o600;
/// Variables for clients of the engine, which say where it is if nothing else does.
pub(in crate::config) const OF_CLIENTS: [&str; 2] = ["CONTAINER_HOST", "DOCKER_HOST"];

const FRONTENDS: &str = "use tcp://IP:PORT, tcp://:PORT for all addresses, or unix:///PATH";
const BACKENDS: &str = "use unix:///PATH or tcp://HOST:PORT";

/// A list of addresses to listen on.
pub(in crate::config) fn frontends(value: &str) -> Result<Vec<Listen>, Unfit> {
    let mut listen = Vec::new();
    for item in value.split(',') {
        let one = frontend(item)?;
        if listen.contains(&one) {
            let problem = format!("lists {} twice", printable(item));
            return Err(Unfit::new(problem, "list it once"));
        }
        listen.push(one);
    }
    Ok(listen)
}

fn frontend(item: &str) -> Result<Listen, Unfit> {
    let Some(address) = item.strip_prefix("tcp://") else {
        return item.parse();
    };
    let address = address.strip_suffix('/').unwrap_or(address);
    let tcp = |addr, fallback_v4| Listen::Tcp { addr, fallback_v4 };
    let port = |text: &str| text.parse::<u16>().ok();
    if let Some(port) = address.strip_prefix(':').and_then(port) {
        return Ok(tcp((Ipv6Addr::UNSPECIFIED, port).into(), true));
    }
    if let Some(port) = address.strip_prefix("localhost:").and_then(port) {
        return Ok(tcp((Ipv4Addr::LOCALHOST, port).into(), false));
    }
    let plain = address.parse::<SocketAddr>();
    plain.map(|addr| tcp(addr, false)).map_err(|_| {
        let problem = format!(
            "contains {}, which is not a listen address",
            printable(item)
        );
        Unfit::new(problem, FRONTENDS)
    })
}

/// Where the engine is.
pub(in crate::config) fn backend(value: &str) -> Result<Address, Unfit> {
    match ["unix://", "tcp://"]
        .iter()
        .any(|form| value.starts_with(form))
    {
        true => address(value),
        false => Err(Unfit::new("is not the address of an engine", BACKENDS)),
    }
}

/// Where to listen, if that dialect says so. Its image sets another default than its program has.
pub(in crate::config) fn listen(
    values: &Values,
    active: bool,
    in_container: bool,
) -> Option<Vec<Listen>> {
    let own = &values.cetusguard_frontend_addr;
    let by_default = active && !in_container;
    own.get()
        .filter(|_| own.by.is_some() || by_default)
        .cloned()
}

/// Puts the engine of [`OF_CLIENTS`] in the place of the dialect's own, if nothing else says where it
/// is. What leads back to dockgate is passed over: all services of a compose file may have it.
pub(in crate::config) fn take(
    snapshot: &Snapshot,
    values: &mut Values,
    in_container: bool,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let named = [
        &values.socket_path.by,
        &values.sp_socketpath.by,
        &values.forwarding_socket_path.by,
        &values.cetusguard_backend_addr.by,
    ];
    if named.into_iter().any(Option::is_some) {
        return;
    }
    let listen = match &values.listen.by {
        Some(_) => values.listen.get().cloned(),
        None => listen(values, true, in_container).or_else(|| values.listen.get().cloned()),
    };
    let listen = listen.unwrap_or_default();
    for name in OF_CLIENTS {
        let value = snapshot.get(name).filter(|value| !value.is_empty());
        let Some(value) = value.map(OsStr::to_string_lossy) else {
            continue;
        };
        match is_own(&value, &listen) {
            Ok(true) => {
                let problem = format!("{name} leads to dockgate itself and is not used");
                diagnostics.push(Diagnostic {
                    severity: Severity::Note,
                    ..Diagnostic::warning(name, problem, "")
                });
            }
            Ok(false) => {
                match backend(&value) {
                    Ok(engine) => values.cetusguard_backend_addr.put(name, engine),
                    Err(unfit) => diagnostics.push(unfit.of(name, &value)),
                }
                return;
            }
            Err(error) => {
                let problem = format!(
                    "{name}={} cannot be looked up, so it may lead to dockgate itself: {error}",
                    printable(&value)
                );
                let help = "set CETUSGUARD_BACKEND_ADDR to the engine's address";
                diagnostics.push(Diagnostic::error(name, problem, help));
                return;
            }
        }
    }
}

/// Whether an address is one of those that dockgate listens on. Only names with a port of its own are
/// looked up.
fn is_own(value: &str, listen: &[Listen]) -> io::Result<bool> {
    if let Some(path) = value.strip_prefix("unix://") {
        let path = Path::new(path);
        let is_own = |one: &Listen| matches!(one, Listen::Unix(own) if same_socket(own, path));
        return Ok(listen.iter().any(is_own));
    }
    let address = value.strip_prefix("tcp://").unwrap_or(value);
    let address = address.split('/').next().unwrap_or_default();
    let Some((host, port)) = address.rsplit_once(':') else {
        return Ok(false);
    };
    let own: Vec<IpAddr> = listen
        .iter()
        .filter_map(|one| match one {
            Listen::Tcp { addr, .. } => (port.parse() == Ok(addr.port())).then(|| addr.ip()),
            Listen::Unix(_) => None,
        })
        .collect();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    Ok(match (own.as_slice(), bare) {
        ([], _) => false,
        (_, "") => true,
        (own, host) => {
            let mut found = (host, 0).to_socket_addrs()?.map(|found| found.ip());
            let any = own.iter().any(IpAddr::is_unspecified);
            found.any(|ip| own.contains(&ip) || any && is_of_this_host(ip))
        }
    })
}

/// Whether one of the interfaces has an address: no other can be bound.
fn is_of_this_host(ip: IpAddr) -> bool {
    ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok()
}
