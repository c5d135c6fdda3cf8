//! What a body asks for beyond a limit, in a message's words.

use std::fmt::{self, Display, Formatter};

use crate::api::Version;
use crate::body::reach::{Claim, What};
use crate::policy::printable;

/// So much of a limit is shown.
const SHOWN: usize = 200;

/// One thing that a body asks for beyond a limit, or lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// The field: `HostConfig.Binds[0]`.
    pub place: String,
    /// What it has; none if it has to be there.
    pub value: Option<String>,
    /// What does not allow it.
    pub bound: Bound,
}

/// What does not allow something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A limit that is set.
    Limit {
        /// Its name: `BIND_FROM`.
        variable: &'static str,
        /// What it lists.
        has: String,
    },
    /// A limit that is set and lists it, for what has that name already.
    Listed(&'static str),
    /// A limit that needs a newer version of the API, because of what the field is like in this one.
    Version {
        /// The name of the limit.
        variable: &'static str,
        /// What the field is like in older ones: `is ignored`.
        before: &'static str,
        /// The oldest in which it is as the limit needs it.
        since: Version,
        /// That of the request; none if the engine does not say which one it takes.
        now: Option<Version>,
    },
    /// `DENY_ROOT`.
    DenyRoot {
        /// The limit that is not set, and could list it.
        unset: Option<&'static str>,
    },
}

impl Bound {
    pub(super) fn limit(variable: &'static str, entries: &impl Display) -> Bound {
        let mut has = entries.to_string();
        if let Some((end, _)) = has.char_indices().nth(SHOWN) {
            has.truncate(end);
            has.push('…');
        }
        Bound::Limit { variable, has }
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
}

impl Excess {
    /// `is not allowed: BIND_FROM has /srv/ci`.
    pub fn why(&self) -> String {
        match &self.value {
            _ if matches!(self.bound, Bound::Version { .. }) => self.bound.to_string(),
            Some(_) => format!("is not allowed: {}", self.bound),
            None => format!("is missing: {}", self.bound),
        }
    }
}

impl Display for Bound {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Limit { variable, has } => write!(f, "{variable} has {has}"),
            Bound::Listed(variable) => {
                write!(
                    f,
                    "{variable} lists it, so no container can be renamed to it"
                )
            }
            Bound::Version {
                variable,
                before,
                since,
                now,
            } => {
                match now {
                    Some(now) => write!(f, "{before} in version {now} of the API")?,
                    None => write!(f, "{before} in old versions of the API")?,
                }
                write!(f, ": {variable} needs {since} or later")?;
                match now {
                    Some(_) => Ok(()),
                    None => f.write_str(", and the engine does not say which one it has"),
                }
            }
            Bound::DenyRoot { unset: None } => f.write_str("DENY_ROOT is set"),
            Bound::DenyRoot { unset: Some(unset) } => {
                write!(f, "DENY_ROOT is set and {unset} is not")
            }
        }
    }
}

/// `HostConfig.Binds[0]: /etc is not allowed: BIND_FROM has /srv/ci`.
impl Display for Excess {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}: {} {}", self.place, printable(value), self.why()),
            None => write!(f, "{} {}", self.place, self.why()),
        }
    }
}
