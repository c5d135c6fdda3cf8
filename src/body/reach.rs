//! What a body asks for outside its container: every [`Claim`] that the fields of `fields.toml`
//! make, with its path, its value and its reach.
//!
//! A claim is no verdict. Values that a limit could be about are claimed even if they are harmless
//! (with no reach at all), so that a list of allowed drivers sees the driver that everybody may use.
//!
//! Fails closed: a value of another kind than the table's, a spelling that the engine would refuse,
//! and a field that the table does not know in a closed object all have reach. A claim that names
//! another object ([`Claim::refers`]) has the reach of the worst such object; only looking it up
//! can take that back.

mod json;
mod judge;
mod mounts;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::api::fields::{Body, Field, Harmless, INSPECT, Judged, Kind, Namespace, Object, Reach};
pub use json::Json;

/// One thing that a body asks for, or that a container holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Where it stands: `HostConfig.Binds[0]`, `HostConfig.Sysctls[net.core.somaxconn]`.
    pub path: String,
    /// The value there, as JSON.
    pub value: String,
    /// What it gets at. Nothing, if the value is harmless.
    pub reach: Reach,
    /// What it is about.
    pub what: What,
}

/// What a claim is about, as a limit would name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The field itself, by its path: `HostConfig.Privileged`.
    Field,
    /// A field that the table does not know.
    Unknown,
    /// A path of the host. It is cleaned as the engine cleans it, and its symlinks are not followed.
    HostPath {
        /// Absolute, without `.`, `..` and double slashes.
        path: String,
        /// Whether nothing can be written there. Engines up to 24 leave what is mounted below it
        /// writable.
        read_only: bool,
    },
    /// A volume by its name. It may exist, and be anything, or be made as a plain one.
    Volume {
        /// Its name.
        name: String,
        /// Whether it is mounted for reading alone.
        read_only: bool,
    },
    /// All that another container has mounted.
    MountsOf {
        /// Its name or ID.
        container: String,
        /// Whether they are mounted for reading alone.
        read_only: bool,
    },
    /// A volume driver.
    VolumeDriver(String),
    /// An option of a volume that is no mount of a host path: its key.
    VolumeOption(String),
    /// An image by the name that was given.
    Image(String),
    /// A capability: upper case, without `CAP_`.
    Capability(String),
    /// A device of the host: its path, as it was given.
    Device(String),
    /// Devices that a driver chooses.
    DeviceRequest {
        /// The driver; none is the engine's choice by capabilities.
        driver: String,
        /// The devices: `all`, a number, or their names.
        devices: Vec<String>,
    },
    /// A namespace.
    Namespace {
        /// Which one.
        kind: Namespace,
        /// Whose: `host`, `container:web`, `private`.
        of: String,
    },
    /// A security option with `=`: `seccomp=unconfined`. Missing masks of paths are
    /// `systempaths=unconfined`, as the docker CLI writes them.
    Security(String),
    /// A runtime.
    Runtime(String),
    /// A log driver.
    LogDriver(String),
    /// A network driver.
    NetworkDriver(String),
    /// An IPAM driver.
    IpamDriver(String),
    /// A network by its name or ID.
    Network(String),
    /// A container by its name or ID.
    Container(String),
    /// An address in a network: IPv4, IPv6 or MAC.
    Address(String),
    /// A subnet that is not private.
    Subnet(String),
    /// A kernel parameter.
    Sysctl(String),
    /// A host port.
    Publish {
        /// The host's address; none is all of them.
        ip: String,
        /// `8080` or `8000-8010`; none is one of the engine's choice.
        port: String,
    },
    /// A swarm's secret by its ID, or its name if there is none.
    Secret(String),
    /// A swarm's config by its ID, or its name if there is none.
    Config(String),
}

/// An object that has to be looked up to know what a claim reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    /// A container by its name or ID.
    Container(&'a str),
    /// A network by its name or ID.
    Network(&'a str),
    /// A volume by its name.
    Volume(&'a str),
}

impl Claim {
    /// The object that decides whether this has reach indeed.
    pub fn refers(&self) -> Option<Reference<'_>> {
        match &self.what {
            What::Volume { name, .. } => Some(Reference::Volume(name)),
            What::MountsOf { container, .. } | What::Container(container) => {
                Some(Reference::Container(container))
            }
            What::Namespace { of, .. } => of.strip_prefix("container:").map(Reference::Container),
            What::Network(name) if !self.reach.is_none() => Some(Reference::Network(name)),
            _ => None,
        }
    }
}

/// As people read it: `HostConfig.Binds[0]: "/etc:/x" reaches the host's files`.
impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} reaches {}", self.path, self.value, self.reach)
    }
}

/// What the engine fills in by itself, from `GET /info`. A value that is the engine's own gives
/// nothing. By default nothing is known of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Engine<'a> {
    /// `DefaultRuntime`.
    pub runtime: &'a str,
    /// `LoggingDriver`.
    pub log_driver: &'a str,
    /// Whether every container sees the host's cgroups, because `SecurityOptions` lacks
    /// `name=cgroupns`.
    pub host_cgroups: bool,
}

/// What a request's body asks for.
pub fn asked<J: Json>(body: &Body, value: &J, engine: &Engine<'_>) -> Vec<Claim> {
    let mut walk = Walk {
        engine,
        held: false,
        claims: Vec::new(),
    };
    walk.field(&body.root, value, "");
    walk.claims
}

/// What a container holds, by its inspect, or nothing if this is no inspect.
pub fn held<J: Json>(inspect: &J, engine: &Engine<'_>) -> Option<Vec<Claim>> {
    json::get(inspect, "HostConfig").filter(|config| config.entries().is_some())?;
    json::get(inspect, "Mounts").filter(|mounts| mounts.is_null() || mounts.items().is_some())?;
    let mut walk = Walk {
        engine,
        held: true,
        claims: Vec::new(),
    };
    walk.object(INSPECT, inspect, "", &[]);
    Some(walk.claims)
}

struct Walk<'a> {
    engine: &'a Engine<'a>,
    /// Whether an existing container is judged, not a request.
    held: bool,
    claims: Vec<Claim>,
}

impl Walk<'_> {
    fn claim<J: Json>(&mut self, path: &str, value: &J, reach: Reach, what: What) {
        self.claims.push(Claim {
            path: path.to_owned(),
            value: value.shown(),
            reach,
            what,
        });
    }

    /// Each field of an object, except those that the caller has judged.
    fn object<J: Json>(&mut self, object: &Object, value: &J, path: &str, except: &[&str]) {
        let Some(entries) = value.entries() else {
            return self.misread(value, path);
        };
        for (key, value) in entries {
            let own = object.field(key).or_else(|| object.legacy_field(key));
            match own {
                Some(field) if except.contains(&field.name) || self.held && !field.held => {}
                Some(field) => self.field(field, value, &join(path, field.name)),
                None if self.held || value.is_empty() => {}
                None => {
                    let reach = if object.open { Reach::NONE } else { Reach::ALL };
                    self.claim(&join(path, key), value, reach, What::Unknown);
                }
            }
        }
    }

    /// A value of another kind than the engine reads there: it would refuse it, this does too.
    fn misread<J: Json>(&mut self, value: &J, path: &str) {
        if !value.is_null() {
            self.claim(path, value, Reach::ALL, What::Field);
        }
    }

    fn field<J: Json>(&mut self, field: &Field, value: &J, path: &str) {
        match (field.judged, &field.kind) {
            _ if value.is_null() => {}
            (Judged::Value, kind) if field.reach.is_none() => self.inside(kind, value, path),
            (Judged::Value, kind) => self.value(field, kind, value, path),
            (Judged::Mounts, kind) => self.mounts(kind, value, path),
            (Judged::MountPoints, _) => self.mount_points(field, value, path),
            (Judged::Endpoints, kind) => self.endpoints(field, kind, value, path),
            (Judged::Publish, _) => self.publish(field, value, path),
            (Judged::Keeps, _) => self.keeps(field, value, path),
            (Judged::VolumeOptions, _) => self.volume_options(field, value, path),
            (Judged::Sysctls, _) => self.sysctls(field, value, path),
            (Judged::Devices, _) => self.each(value, path, |walk, item, path| {
                let device = json::text_of(item, "PathOnHost");
                walk.claim(path, item, field.reach, What::Device(device));
            }),
            (Judged::DeviceRequests, _) => self.each(value, path, |walk, item, path| {
                walk.device_request(field, item, path);
            }),
            (Judged::Secrets, _) => self.each(value, path, |walk, item, path| {
                let secret = json::either(item, "SecretID", "SecretName");
                walk.claim(path, item, field.reach, What::Secret(secret));
            }),
            (Judged::Configs, _) => self.each(value, path, |walk, item, path| {
                let config = json::either(item, "ConfigID", "ConfigName");
                walk.claim(path, item, field.reach, What::Config(config));
            }),
            (_, Kind::List(_)) => self.each(value, path, |walk, item, path| {
                walk.text(field, item, path);
            }),
            (_, Kind::Words) if value.items().is_some() => {
                self.each(value, path, |walk, item, path| walk.text(field, item, path));
            }
            _ => self.text(field, value, path),
        }
    }

    /// Each item of a list.
    fn each<J: Json>(&mut self, value: &J, path: &str, judge: impl Fn(&mut Self, &J, &str)) {
        let Some(items) = value.items() else {
            return self.misread(value, path);
        };
        for (at, item) in items.iter().enumerate() {
            judge(self, item, &format!("{path}[{at}]"));
        }
    }

    /// A field without reach of its own: the objects in it.
    fn inside<J: Json>(&mut self, kind: &Kind, value: &J, path: &str) {
        match kind {
            Kind::Object(object) => self.object(object, value, path, &[]),
            Kind::List(kind) => self.each(value, path, |walk, item, path| {
                walk.inside(kind, item, path);
            }),
            Kind::Map(kind) => match value.entries() {
                Some(entries) => {
                    for (key, value) in entries {
                        self.inside(kind, value, &format!("{path}[{key}]"));
                    }
                }
                None => self.misread(value, path),
            },
            _ => {}
        }
    }

    /// A field with reach, unless its value, item or key is empty or harmless.
    fn value<J: Json>(&mut self, field: &Field, kind: &Kind, value: &J, path: &str) {
        match (kind, value.entries(), value.items()) {
            _ if value.is_empty() => {}
            (Kind::Map(_), Some(entries), _) => {
                for (key, value) in entries {
                    if !field.is_harmless(key) {
                        self.claim(&format!("{path}[{key}]"), value, field.reach, What::Field);
                    }
                }
            }
            (Kind::List(kind), _, Some(items)) => {
                for (at, item) in items.iter().enumerate() {
                    self.value(field, kind, item, &format!("{path}[{at}]"));
                }
            }
            (Kind::Words, _, Some(items)) => {
                for (at, item) in items.iter().enumerate() {
                    self.value(field, &Kind::String, item, &format!("{path}[{at}]"));
                }
            }
            _ => {
                let text = value.text().is_some_and(|text| field.is_harmless(text));
                let number = |int: i64| {
                    let mut harmless = field.harmless.iter();
                    harmless.any(|own| matches!(own, Harmless::Int(own) if *own == int))
                };
                if !text && !value.int().is_some_and(number) {
                    self.claim(path, value, field.reach, What::Field);
                }
            }
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
