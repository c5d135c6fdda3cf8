//! The entry of a limit that allows what a claim asks for: what a denial advises, and what learning
//! prints.

use super::Limits;
use super::ruling::Ruling;
use crate::body::facts::{Fact, Facts};
use crate::body::image::{Name, could_be_id};
use crate::body::json::Value;
use crate::body::reach::{Claim, What};

/// A limit, and what it has to list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
        let (entry, limits) = Entry::alone(claim, facts)?;
        let allowed = match limits.ruling(claim, facts) {
            Ruling::Allowed => true,
            // It opens no container, but without it no namespace of one may be shared.
            Ruling::Silent => {
                matches!(&claim.what, What::Namespace { of, .. } if of.starts_with("container:"))
            }
            Ruling::Refused(_) | Ruling::Depends(..) => false,
        };
        allowed.then_some(entry)
    }

    /// What the engine must be asked to know whether that one allows it.
    pub fn needs(claim: &Claim, facts: &Facts) -> Option<Fact> {
        if let What::Image(text) = &claim.what {
            return Fact::image(text).filter(|fact| facts.answer(fact).is_none());
        }
        let (_, limits) = Entry::alone(claim, facts)?;
        match limits.ruling(claim, facts) {
            Ruling::Depends(fact, _) => Some(fact),
            _ => None,
        }
    }

    /// The smallest one that allows a pull, by its `fromImage` and `tag`.
    pub fn of_pull(image: &str, tag: &str) -> Option<Entry> {
        let name = Name::parse(image.strip_suffix(':').unwrap_or(image)).ok()?;
        let name = match tag {
            "" => name,
            tag => name.with(tag).ok()?,
        };
        let (variable, text) = ("IMAGE_FROM", name.to_string());
        let limits = Limits::read(false, |name| (name == variable).then_some(&*text)).ok()?;
        let allowed = limits.pulled(image, tag).is_none();
        allowed.then_some(Entry { variable, text })
    }

    /// The entry, and the limit that lists it alone.
    fn alone(claim: &Claim, facts: &Facts) -> Option<(Entry, Limits)> {
        let (variable, text) = entry(claim, facts)?;
        let of = |name: &str| (name == variable).then_some(text.as_str());
        let limits = Limits::read(false, of).ok()?;
        Some((Entry { variable, text }, limits))
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
        What::Image(text) => {
            let found = Fact::image(text).and_then(|fact| facts.answer(&fact)?.found());
            let name = found.and_then(|found| tag_of_id(text, found));
            let name = Name::parse(name.unwrap_or(text)).ok()?;
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

/// The first name of the image that the engine found by its ID.
fn tag_of_id<'a>(text: &str, found: &'a Value) -> Option<&'a str> {
    let hex = |id: &'a str| id.strip_prefix("sha256:").unwrap_or(id);
    let id = hex(found.at("Id").as_str()?);
    let asked = text.strip_prefix("sha256:").unwrap_or(text);
    let is_id = could_be_id(text) && id.starts_with(asked);
    found
        .at("RepoTags")
        .items()
        .first()?
        .as_str()
        .filter(|_| is_id)
}
