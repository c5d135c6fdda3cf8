//! What a body asks for outside its container: every [`Claim`] that the fields of `fields.toml`
//! make, with its path, its value and its reach.
//!
//! A claim is no verdict. Values that a limit could be about are claimed even if they are harmless
//! (with no reach at all), so that a list of allowed drivers sees the driver that everybody may use.
//!
//! What is judged is a tree that was read with the shape of the same table, a [`Place`](super::Place):
//! its fields have the engine's spelling and their kinds. Fails closed: what the reader would not
//! have left so, and a field that the table does not know in a closed object, all have reach. A
//! claim that names another object ([`Claim::refers`]) has the reach of the worst such object; only
//! looking it up can take that back.

mod judge;
mod mounts;
#[cfg(test)]
mod tests;

use std::fmt;

use super::json::{Path, Value};
use crate::api::fields::{Body, Field, Harmless, INSPECT, Judged, Kind, Namespace, Object, Reach};
pub(super) use mounts::{clean, is_volume, mounted};

/// More claims than these are not made: a list of a body's size could take all memory.
const CLAIMS: usize = 10_000;

/// One thing that a body asks for, or that a container holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Where it stands: `HostConfig.Binds[0]`, `HostConfig.Sysctls["net.core.somaxconn"]`.
    pub path: String,
    /// The value there, as JSON; only its beginning if it is long.
    pub value: String,
    /// What it gets at. Nothing, if the value is harmless.
    pub reach: Reach,
    /// What it is about.
    pub what: What,
    /// Whether it would have no reach if the engine's own settings were such, and they are not known.
    pub unsettled: bool,
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
        /// The driver; none is the engine's choice by capabilities, and `gpu` if each of these is
        /// one of GPUs.
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
    /// An option of a log driver: `KEY=VALUE`.
    LogOption(String),
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
    /// Whether it was asked.
    pub known: bool,
    /// `DefaultRuntime`.
    pub runtime: &'a str,
    /// `LoggingDriver`.
    pub log_driver: &'a str,
    /// Whether it is the only node of its swarm.
    pub alone: bool,
    /// Whether every container sees the host's cgroups, because `SecurityOptions` lacks
    /// `name=cgroupns`.
    pub host_cgroups: bool,
    /// Whether its seccomp profile is the built-in one, or none.
    pub builtin_seccomp: bool,
    /// Whether no variable of a container steers its default runtime.
    pub plain_runtime: bool,
}

/// A body asks for more than this can judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the body asks for more than {CLAIMS} things")
    }
}

impl std::error::Error for TooMany {}

/// What a request's body asks for.
pub fn asked(body: &Body, tree: &Value, engine: &Engine<'_>) -> Result<Vec<Claim>, TooMany> {
    let mut walk = Walk::new(engine, false);
    walk.field(&body.root, tree, &Path::ROOT);
    walk.done()
}

/// What a container holds, by its inspect, or nothing if this is no inspect that can be judged.
pub fn held(inspect: &Value, engine: &Engine<'_>) -> Option<Vec<Claim>> {
    let fields = inspect.as_object()?;
    fields.get("HostConfig")?.as_object()?;
    let mounts = fields.get("Mounts")?;
    let mut walk = Walk::new(engine, true);
    walk.field(&INSPECT, inspect, &Path::ROOT);
    let known = *mounts == Value::Null || mounts.as_list().is_some();
    walk.done().ok().filter(|_| known)
}

struct Walk<'a> {
    engine: &'a Engine<'a>,
    /// Whether an existing container is judged, not a request.
    held: bool,
    claims: Vec<Claim>,
}

impl<'a> Walk<'a> {
    fn new(engine: &'a Engine<'a>, held: bool) -> Walk<'a> {
        Walk {
            engine,
            held,
            claims: Vec::new(),
        }
    }

    fn done(self) -> Result<Vec<Claim>, TooMany> {
        match self.claims.len() > CLAIMS {
            true => Err(TooMany),
            false => Ok(self.claims),
        }
    }

    fn claim(&mut self, path: &Path<'_>, value: &Value, reach: Reach, what: What) {
        if self.claims.len() > CLAIMS {
            return;
        }
        self.claims.push(Claim {
            path: path.text(),
            value: value.shown(),
            reach,
            what,
            unsettled: false,
        });
    }

    /// A claim without reach if the engine's settings are such.
    fn claim_unless(
        &mut self,
        engines: bool,
        path: &Path<'_>,
        value: &Value,
        reach: Reach,
        what: What,
    ) {
        let reach = if engines { Reach::NONE } else { reach };
        self.claim(path, value, reach, what);
        if let Some(claim) = self.claims.last_mut() {
            claim.unsettled = !engines && !self.engine.known;
        }
    }

    /// Each field of an object, except those that the caller has judged.
    fn object(&mut self, object: &Object, value: &Value, path: &Path<'_>, except: &[&str]) {
        let Some(entries) = value.as_object() else {
            return self.misread(value, path);
        };
        for (key, value) in entries.iter() {
            // Neither a field nor an unknown one makes a claim then; many of a client's are so.
            if *value == Value::Null {
                continue;
            }
            let path = path.key(key);
            match object.any_field(key).map(|(field, _)| field) {
                Some(field) if field.name != key => self.misread(value, &path),
                Some(field) if except.contains(&field.name) || self.held && !field.held => {}
                Some(field) => self.field(field, value, &path),
                None if self.held || value.is_empty() => {}
                None => {
                    let reach = if object.open { Reach::NONE } else { Reach::ALL };
                    self.claim(&path, value, reach, What::Unknown);
                }
            }
        }
    }

    /// A value of another kind than the reader leaves there, or in another spelling.
    fn misread(&mut self, value: &Value, path: &Path<'_>) {
        if *value != Value::Null {
            self.claim(path, value, Reach::ALL, What::Field);
        }
    }

    fn field(&mut self, field: &Field, value: &Value, path: &Path<'_>) {
        match (field.judged, &field.kind) {
            _ if *value == Value::Null => {}
            (Judged::Value, kind) if field.reach.is_none() => self.inside(kind, value, path),
            (Judged::Value, kind) => self.value(field, kind, value, path),
            (Judged::Mounts, kind) => self.mounts(kind, value, path),
            (Judged::MountPoints, _) => self.mount_points(field, value, path),
            (Judged::Endpoints, kind) => self.endpoints(field, kind, value, path),
            (Judged::Publish, _) => self.publish(field, value, path),
            (Judged::Keeps, _) => self.keeps(field, value, path),
            (Judged::VolumeOptions, _) => self.volume_options(field, value, path),
            (Judged::LogOptions, _) => self.log_options(field, value, path),
            (Judged::Sysctls, _) => self.sysctls(field, value, path),
            (Judged::Devices, _) => self.each(value, path, |walk, item, path| {
                let device = text_of(item, "PathOnHost");
                walk.claim(path, item, field.reach, What::Device(device.to_owned()));
            }),
            (Judged::DeviceRequests, _) => self.each(value, path, |walk, item, path| {
                walk.device_request(field, item, path);
            }),
            (Judged::Environment, _) => self.each(value, path, |walk, item, path| {
                walk.variable(field, item, path);
            }),
            (Judged::Secrets, _) => self.each(value, path, |walk, item, path| {
                let secret = either(item, "SecretID", "SecretName");
                walk.claim(path, item, field.reach, What::Secret(secret));
            }),
            (Judged::Configs, _) => self.each(value, path, |walk, item, path| {
                let config = either(item, "ConfigID", "ConfigName");
                walk.claim(path, item, field.reach, What::Config(config));
            }),
            (_, Kind::List(_) | Kind::Words) => self.each(value, path, |walk, item, path| {
                walk.text(field, item, path);
            }),
            _ => self.text(field, value, path),
        }
    }

    /// Each item of a list.
    fn each(
        &mut self,
        value: &Value,
        path: &Path<'_>,
        judge: impl Fn(&mut Self, &Value, &Path<'_>),
    ) {
        let Some(items) = value.as_list() else {
            return self.misread(value, path);
        };
        for (at, item) in items.iter().enumerate() {
            judge(self, item, &path.index(at));
        }
    }

    /// A field without reach of its own: the objects in it.
    fn inside(&mut self, kind: &Kind, value: &Value, path: &Path<'_>) {
        match kind {
            Kind::Object(object) => self.object(object, value, path, &[]),
            Kind::List(kind) => self.each(value, path, |walk, item, path| {
                walk.inside(kind, item, path);
            }),
            Kind::Map(kind) => match value.as_object() {
                Some(entries) => {
                    for (key, value) in entries.iter() {
                        self.inside(kind, value, &path.key(key));
                    }
                }
                None => self.misread(value, path),
            },
            _ => {}
        }
    }

    /// A field with reach, unless its value, item or key is empty or harmless.
    fn value(&mut self, field: &Field, kind: &Kind, value: &Value, path: &Path<'_>) {
        match (kind, value) {
            _ if value.is_empty() => {}
            (Kind::Map(_), Value::Object(entries)) => {
                for (key, value) in entries.iter() {
                    let text = value.as_str();
                    let exact = text.map(|text| format!("{key}={text}"));
                    if !field.is_harmless(key) && !exact.is_some_and(|it| field.is_harmless(&it)) {
                        self.claim(&path.key(key), value, field.reach, What::Field);
                    }
                }
            }
            (Kind::List(kind), Value::List(_)) => self.each(value, path, |walk, item, path| {
                walk.value(field, kind, item, path);
            }),
            (Kind::Words, Value::List(_)) => self.each(value, path, |walk, item, path| {
                walk.value(field, &Kind::String, item, path);
            }),
            _ => {
                let text = value.as_str().is_some_and(|text| field.is_harmless(text));
                let number = |int: i64| {
                    let mut harmless = field.harmless.iter();
                    harmless.any(|own| matches!(own, Harmless::Int(own) if *own == int))
                };
                if !text && !value.as_i64().is_some_and(number) {
                    self.claim(path, value, field.reach, What::Field);
                }
            }
        }
    }
}

/// A field's string, or an empty one.
fn text_of<'v>(value: &'v Value, name: &str) -> &'v str {
    value.at(name).as_str().unwrap_or_default()
}

/// The first of two strings that says something.
fn either(value: &Value, first: &str, second: &str) -> String {
    let texts = [first, second].map(|name| text_of(value, name));
    let found = texts.into_iter().find(|text| !text.is_empty());
    found.unwrap_or_default().to_owned()
}

/// Whether a field is `true`.
fn is_true(value: &Value, name: &str) -> bool {
    value.at(name).as_bool() == Some(true)
}
