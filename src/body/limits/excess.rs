//! What a body asks for beyond a limit, in a message's words.

use std::fmt::Display;

use super::Limit;
use crate::body::reach::{Claim, What};

/// So much of a limit is shown.
const SHOWN: usize = 200;

/// One thing that a body asks for beyond a limit, or lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// The field: `HostConfig.Binds[0]`.
    pub place: String,
    /// What it has; none if it has to be there.
    pub value: Option<String>,
    /// The limit.
    pub bound: Bound,
}

/// A limit that does not allow something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Its name: `BIND_FROM`.
    pub variable: &'static str,
    /// What it lists.
    has: String,
}

impl<T: Display> From<&Limit<T>> for Bound {
    fn from(limit: &Limit<T>) -> Bound {
        let entries = limit.entries.as_ref();
        // One that is not set is not asked.
        let mut has = entries.map_or("none".to_owned(), T::to_string);
        if let Some((end, _)) = has.char_indices().nth(SHOWN) {
            has.truncate(end);
            has.push('…');
        }
        let variable = limit.variable;
        Bound { variable, has }
    }
}

impl Excess {
    /// A value of a field as JSON, or what is missing there.
    pub(super) fn new(place: &str, json: Option<&str>, bound: Bound) -> Excess {
        // A string without its quotes, if that is clear.
        let text = |json: &str| {
            let inner = json
                .strip_prefix('"')
                .and_then(|json| json.strip_suffix('"'));
            let inner = inner.filter(|inner| !inner.is_empty() && !inner.contains(['"', '\\']));
            inner.unwrap_or(json).to_owned()
        };
        Excess {
            place: place.to_owned(),
            value: json.map(text),
            bound,
        }
    }

    /// What a claim is about.
    pub(super) fn of(claim: &Claim, bound: Bound) -> Excess {
        let value = match &claim.what {
            What::HostPath { path, .. } => path,
            What::Volume { name, .. }
            | What::VolumeDriver(name)
            | What::Image(name)
            | What::Capability(name)
            | What::Device(name)
            | What::Security(name)
            | What::Runtime(name)
            | What::LogDriver(name)
            | What::NetworkDriver(name)
            | What::IpamDriver(name)
            | What::Network(name)
            | What::Container(name)
            | What::Address(name)
            | What::Subnet(name)
            | What::Sysctl(name)
            | What::Secret(name)
            | What::Config(name)
            | What::MountsOf {
                container: name, ..
            }
            | What::Namespace { of: name, .. } => name,
            // The values of options may be secrets.
            What::LogOption(option) => option.split('=').next().unwrap_or_default(),
            What::VolumeOption(key) => key,
            What::DeviceRequest { driver, devices } => &format!("{driver}={}", devices.join(",")),
            What::Publish { ip, port } => {
                let port = if port.is_empty() { "0" } else { port };
                match ip.is_empty() {
                    true => port,
                    false => &format!("{ip}:{port}"),
                }
            }
            What::Field | What::Unknown => {
                return Excess::new(&claim.path, Some(&claim.value), bound);
            }
        };
        Excess {
            place: claim.path.clone(),
            value: Some(value.to_owned()),
            bound,
        }
    }

    /// `is not allowed: BIND_FROM has /srv/ci`.
    pub fn why(&self) -> String {
        let Bound { variable, has } = &self.bound;
        let what = if self.value.is_some() {
            "not allowed"
        } else {
            "missing"
        };
        format!("is {what}: {variable} has {has}")
    }
}
