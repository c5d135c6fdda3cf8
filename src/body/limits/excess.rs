//! What a body asks for beyond a limit, in a message's words.

use std::fmt::Display;

use super::Limit;
use crate::api::Version;
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
pub enum Bound {
    /// It does not list it.
    Limit {
        /// Its name: `BIND_FROM`.
        variable: &'static str,
        /// What it lists.
        has: String,
    },
    /// It lists it, for what has that name already.
    Listed(&'static str),
    /// It needs a newer version of the API, because of what the field is like in this one.
    Version {
        /// Its name.
        variable: &'static str,
        /// What the field is like in older ones: `is ignored`.
        before: &'static str,
        /// The oldest in which it is as the limit needs it.
        since: Version,
        /// That of the request; none if the engine does not say which one it takes.
        now: Option<Version>,
    },
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
        Bound::Limit { variable, has }
    }
}

impl Bound {
    /// The limit's name.
    pub fn variable(&self) -> &'static str {
        match self {
            Bound::Limit { variable, .. }
            | Bound::Listed(variable)
            | Bound::Version { variable, .. } => variable,
        }
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
        match (&self.bound, &self.value) {
            (Bound::Limit { variable, has }, Some(_)) => {
                format!("is not allowed: {variable} has {has}")
            }
            (Bound::Limit { variable, has }, None) => format!("is missing: {variable} has {has}"),
            (Bound::Listed(variable), _) => {
                format!("is not allowed: {variable} lists it, so no container can be renamed to it")
            }
            (
                Bound::Version {
                    variable,
                    before,
                    since,
                    now: Some(now),
                },
                _,
            ) => {
                format!("{before} in version {now} of the API: {variable} needs {since} or later")
            }
            (
                Bound::Version {
                    variable,
                    before,
                    since,
                    now: None,
                },
                _,
            ) => {
                format!(
                    "{before} in old versions of the API: {variable} needs {since} or later, and \
                     the engine does not say which one it has"
                )
            }
        }
    }
}
