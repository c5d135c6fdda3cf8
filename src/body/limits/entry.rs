//! The entry of a limit that allows what a claim asks for: what a denial advises, and what learning
//! prints.

use super::Limits;
use super::ruling::Ruling;
use crate::body::facts::{Fact, Facts};
use crate::body::image::Name;
use crate::body::reach::{Claim, What};

/// A limit, and what it has to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `BIND_FROM`
    pub variable: &'static str,
    /// `/srv/ci:ro`
    pub text: String,
}

impl Entry {
    /// The smallest one that allows a claim. There is none where no limit is about it, or where
    /// what it names cannot be written in a list.
    pub fn of(claim: &Claim, facts: &Facts) -> Option<Entry> {
        let (variable, text) = entry(claim, facts)?;
        let of = |name: &str| (name == variable).then_some(text.as_str());
        let limits = Limits::read(false, of).ok()?;
        let allowed = limits.ruling(claim, facts) == Ruling::Allowed;
        allowed.then_some(Entry { variable, text })
    }
}

fn entry(claim: &Claim, facts: &Facts) -> Option<(&'static str, String)> {
    let name_of = |fact: Option<Fact>, asked: &str| {
        let found = fact.and_then(|fact| facts.answer(&fact)?.found());
        let name = found.map(|found| found.at("Name").as_str().unwrap_or_default());
        let name = name.map(|name| name.strip_prefix('/').unwrap_or(name));
        name.unwrap_or(asked).to_owned()
    };
    Some(match &claim.what {
        What::HostPath { path, read_only } => {
            let option = if *read_only { ":ro" } else { "" };
            ("BIND_FROM", format!("{path}{option}"))
        }
        What::Volume { name, .. } => ("VOLUMES_NAMED", name.clone()),
        What::VolumeDriver(name) => ("VOLUME_DRIVERS", name.clone()),
        What::Image(name) => {
            let name = Name::parse(name).ok()?;
            ("IMAGE_FROM", name.or_latest().to_string())
        }
        What::Capability(name) => ("CAP_ADD", name.clone()),
        What::Device(path) => ("DEVICES", path.clone()),
        What::DeviceRequest { driver, devices } => {
            let all = ["all".to_owned()];
            let devices = if devices.is_empty() {
                &all
            } else {
                &devices[..]
            };
            let entries = devices.iter().map(|device| format!("{driver}={device}"));
            ("DEVICES", entries.collect::<Vec<String>>().join(", "))
        }
        What::Namespace { kind, of } => {
            let of = match of.strip_prefix("container:") {
                Some(name) => {
                    format!("container:{}", name_of(Fact::container(name), name))
                }
                None => of.clone(),
            };
            ("NAMESPACES", format!("{}:{of}", kind.name()))
        }
        What::Security(option) => ("SECURITY", option.clone()),
        What::Runtime(name) => ("RUNTIMES", name.clone()),
        What::LogDriver(name) | What::LogOption(name) => ("LOG_DRIVERS", name.clone()),
        What::NetworkDriver(name) => ("NETWORK_DRIVERS", name.clone()),
        What::Network(name) => ("NETWORKS_JOINED", name_of(Fact::network(name), name)),
        What::Sysctl(name) => ("SYSCTLS", name.clone()),
        What::Publish { ip, port } => {
            let port = if port.is_empty() { "0" } else { port };
            let ip = match (ip.as_str(), ip.contains(':')) {
                ("", _) => String::new(),
                (ip, true) => format!("[{ip}]:"),
                (ip, false) => format!("{ip}:"),
            };
            ("PUBLISH", format!("{ip}{port}"))
        }
        _ => return None,
    })
}
