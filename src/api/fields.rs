//! The tables that `build/` makes of `fields.toml`: what the JSON bodies of the API hold, and what
//! each field gets at outside its container.
//!
//! They are facts. That a field has reach does not say that it is refused: a policy says that.
//! What cannot be said by a list of harmless values is judged by hand, in `body::reach`.

mod name;

use std::fmt;

use super::sections::{Route, Step};
use super::{Method, Target};
use name::hash_of_ascii;
pub use name::{fold, hash, same};

include!(concat!(env!("OUT_DIR"), "/fields.rs"));

/// A JSON body that the engine reads, or one that it answers with.
#[derive(Debug)]
pub struct Body {
    /// The requests that carry it, or that are answered so; placeholders are wide.
    pub route: Route,
    /// What it is. It has no name of its own.
    pub root: Field,
}

impl Body {
    /// The body that the engine reads from a request, if it reads one at all. What Podman has below
    /// `/libpod` is not among them: its bodies are of another shape.
    pub fn of(method: Method, target: &Target) -> Option<&'static Body> {
        let paths = [Some(target.path()), target.behind_other_version()];
        let fits = |body: &&Body| {
            let mut paths = paths.iter().flatten();
            paths.any(|path| body.route.spans(method, path))
        };
        // `POST /containers/create/start` starts a container of that name: of two routes that fit,
        // the engine's router takes the longer one.
        let fitting = BODIES.iter().filter(fits);
        fitting.max_by_key(|body| body.route.steps.len())
    }

    /// What the engine answers a request with, if that may disclose something.
    pub fn answered(target: &Target) -> Option<&'static Body> {
        let method = match target.method()? {
            Method::Head => Method::Get,
            other => other,
        };
        let path = target.path();
        // `GET /networks/` is a list.
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let fitting = ANSWERS.iter().filter(|body| body.route.spans(method, path));
        // Of two that fit, the one that says more of the path.
        let literals = |body: &&Body| {
            let steps = body.route.steps.iter();
            steps
                .filter(|step| matches!(step, Step::Literal(_)))
                .count()
        };
        fitting.max_by_key(literals)
    }

    /// All that it may disclose.
    pub fn disclosed(&self) -> Disclosed {
        self.root.all_disclosed(&mut Vec::new())
    }
}

/// The fields of a JSON object.
pub struct Object {
    /// As in `fields.toml`: `HostConfig`.
    pub name: &'static str,
    /// Whether a field that it does not know has no reach. In all others it may have any.
    pub open: bool,
    /// Objects whose fields engines up to 26 read here as well.
    pub legacy: &'static [&'static Object],
    /// Its fields, in the order of their names in lower case.
    pub fields: &'static [Field],
    /// Where among them the one with a name is, by its [`hash`].
    pub slots: &'static [u8],
}

impl Object {
    /// The field that every engine takes a name for, which counts in any case.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.hashed(name, hash(name))
    }

    /// The field that an engine takes a name for, and whether only those up to 26 do.
    pub fn any_field(&self, name: &str) -> Option<(&'static Field, bool)> {
        let hash = hash(name);
        let mut legacy = self.legacy.iter();
        match self.hashed(name, hash) {
            Some(field) => Some((field, false)),
            None => legacy.find_map(|object| Some((object.hashed(name, hash)?, true))),
        }
    }

    fn hashed(&self, name: &str, hash: u64) -> Option<&'static Field> {
        let mut slot = first_slot(hash, self.slots.len());
        loop {
            let at = usize::from(*self.slots.get(slot)?).checked_sub(1)?;
            let field = self.fields.get(at)?;
            if same(field.name, name) {
                return Some(field);
            }
            slot = (slot + 1) % self.slots.len();
        }
    }
}

/// The slots of fields with these names: each has its place plus one in the first slot that was free
/// from that of its hash on. As half of them stay 0, what has no slot is found out soon.
const fn slots<const N: usize>(names: &[&str]) -> [u8; N] {
    assert!(N.is_power_of_two() && N <= 256 && N >= 2 * names.len());
    let mut slots = [0; N];
    let mut place: u8 = 0;
    while (place as usize) < names.len() {
        let mut slot = first_slot(hash_of_ascii(names[place as usize]), N);
        while slots[slot] != 0 {
            slot = (slot + 1) % N;
        }
        place += 1;
        slots[slot] = place;
    }
    slots
}

/// Where to look first, of a power of two up to 256.
const fn first_slot(hash: u64, slots: usize) -> usize {
    hash.to_be_bytes()[0] as usize % slots
}

/// Objects can hold each other, so it shows its name alone.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// One field of an object.
#[derive(Debug)]
pub struct Field {
    /// As the engine spells it.
    pub name: &'static str,
    /// What stands in it.
    pub kind: Kind,
    /// What it gets at with a value that is not harmless. None of an object that it holds: that
    /// object's fields say it.
    pub reach: Reach,
    /// How its values are told apart.
    pub judged: Judged,
    /// The values without reach, besides the empty ones.
    pub harmless: &'static [Harmless],
    /// What it tells in an answer.
    pub disclosed: Disclosed,
    /// How that is redacted.
    pub form: Form,
    /// Whether an existing container is judged by it.
    pub held: bool,
    /// The API version whose document no longer has it, though older engines read it.
    pub retired: Option<&'static str>,
    /// Whether only the engine's source has it.
    pub undocumented: bool,
    /// The keys that have reach, though not to what is others'.
    pub own: &'static [&'static str],
}

impl Field {
    fn all_disclosed(&self, seen: &mut Vec<&'static str>) -> Disclosed {
        let mut kind = &self.kind;
        while let Kind::List(inner) | Kind::Map(inner) = kind {
            kind = inner;
        }
        match kind {
            Kind::Object(object) if !seen.contains(&object.name) => {
                seen.push(object.name);
                let fields = object.fields.iter();
                fields.fold(self.disclosed, |all, field| {
                    all.with(field.all_disclosed(seen))
                })
            }
            _ => self.disclosed,
        }
    }

    /// Whether a text is one of the values, items or keys without reach.
    pub fn is_harmless(&self, text: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        self.harmless.iter().any(|harmless| match harmless {
            Harmless::Text(own) => *own == text,
            Harmless::Start(start) => text
                .strip_prefix(start)
                .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(plain)),
            Harmless::Int(_) => false,
        })
    }
}

/// What stands in a field.
#[derive(Debug)]
pub enum Kind {
    /// A string.
    String,
    /// True or false.
    Bool,
    /// A number without a fraction.
    Int,
    /// A number.
    Float,
    /// Strings; engines up to 28 read a single one that stands for itself too.
    Words,
    /// Any JSON.
    Raw,
    /// A list.
    List(&'static Kind),
    /// An object with any keys. They are read exactly as they stand.
    Map(&'static Kind),
    /// An object with these fields.
    Object(&'static Object),
}

/// A value without reach.
#[derive(Debug)]
pub enum Harmless {
    /// This number.
    Int(i64),
    /// This text.
    Text(&'static str),
    /// A text that begins so and goes on with letters, digits, `_`, `.` and `-`.
    Start(&'static str),
}

/// How a field's values are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Reach, unless the value is empty or harmless. In a list each item counts, in a map each key or
    /// `KEY=VALUE`.
    Value,
    /// An address in a network of containers, which may stand for a client.
    Address,
    /// `SOURCE:TARGET[:OPTIONS]`: a path of the host or a volume.
    Binds,
    /// Capabilities in any case, with or without `CAP_`.
    Capabilities,
    /// A swarm's configs.
    Configs,
    /// A container.
    Container,
    /// GPUs and other devices that a driver chooses.
    DeviceRequests,
    /// Devices by their paths.
    Devices,
    /// Networks to join, by their names or IDs.
    Endpoints,
    /// Variables by which some runtimes add devices, unless the engine has none of those by default.
    Environment,
    /// An image.
    Image,
    /// An IPAM driver.
    IpamDriver,
    /// A list that the engine fills in by itself. One that misses an item of the engine's has
    /// reach, and so has an empty one.
    Keeps,
    /// `CONTAINER[:ALIAS]`.
    Links,
    /// A log driver. The engine's own default is harmless.
    LogDriver,
    /// The options of a log driver.
    LogOptions,
    /// A namespace of its own, of the host, or of another container.
    Mode(Namespace),
    /// What an inspect says is mounted.
    MountPoints,
    /// Mounts, each by its type.
    Mounts,
    /// A network, by its name or ID.
    Network,
    /// A network driver.
    NetworkDriver,
    /// A network of a service, by its name or ID. `host` is the host's.
    NetworkTarget,
    /// Host ports.
    Publish,
    /// A runtime. Only the engine's own default is harmless.
    Runtime,
    /// A swarm's secrets.
    Secrets,
    /// `KEY=VALUE` or `KEY:VALUE`. The seccomp profile that the engine uses by itself is harmless.
    Security,
    /// A subnet or an address in one. Private ones are harmless.
    Subnet,
    /// Kernel parameters, of which only some are the container's own.
    Sysctls,
    /// A volume driver.
    VolumeDriver,
    /// The options of `mount(2)` for a local volume, and others for other drivers.
    VolumeOptions,
    /// `CONTAINER[:OPTIONS]`: all its mounts.
    VolumesFrom,
}

/// The kinds of namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// The view of the cgroups.
    Cgroup,
    /// Shared memory and semaphores.
    Ipc,
    /// Interfaces, addresses, ports, abstract sockets.
    Network,
    /// Processes.
    Pid,
    /// The users' numbers.
    User,
    /// The host name.
    Uts,
}

impl Namespace {
    /// As a limit names it: `network`.
    pub fn name(self) -> &'static str {
        match self {
            Namespace::Cgroup => "cgroup",
            Namespace::Ipc => "ipc",
            Namespace::Network => "network",
            Namespace::Pid => "pid",
            Namespace::User => "user",
            Namespace::Uts => "uts",
        }
    }
}

/// What a field tells in an answer: any of eight things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disclosed(u8);

impl Disclosed {
    /// Nothing that anyone may not know.
    pub const NONE: Disclosed = Disclosed(0);
    /// Environment variables.
    pub const ENV: Disclosed = Disclosed(1);
    /// Command lines.
    pub const COMMANDS: Disclosed = Disclosed(1 << 1);
    /// What is mounted.
    pub const MOUNTS: Disclosed = Disclosed(1 << 2);
    /// Labels.
    pub const LABELS: Disclosed = Disclosed(1 << 3);
    /// Credentials.
    pub const TOKENS: Disclosed = Disclosed(1 << 4);
    /// The data of configs.
    pub const CONFIGS: Disclosed = Disclosed(1 << 5);
    /// Addresses and ports.
    pub const NETWORK: Disclosed = Disclosed(1 << 6);
    /// The host.
    pub const HOST: Disclosed = Disclosed(1 << 7);

    /// As `REDACT` names them.
    pub const NAMES: [(&'static str, Disclosed); 8] = [
        ("env", Disclosed::ENV),
        ("commands", Disclosed::COMMANDS),
        ("mounts", Disclosed::MOUNTS),
        ("labels", Disclosed::LABELS),
        ("tokens", Disclosed::TOKENS),
        ("configs", Disclosed::CONFIGS),
        ("network", Disclosed::NETWORK),
        ("host", Disclosed::HOST),
    ];

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Disclosed) -> Disclosed {
        Disclosed(self.0 | other.0)
    }

    /// Whether they have something in common.
    pub const fn meets(self, other: Disclosed) -> bool {
        self.0 & other.0 != 0
    }

    /// What of it is not in another one.
    #[must_use]
    pub const fn without(self, other: Disclosed) -> Disclosed {
        Disclosed(self.0 & !other.0)
    }
}

/// How a field is redacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// By what it discloses: of variables and labels those that were chosen, a network's as empty, and of
    /// all else each text in it.
    Value,
    /// Data that clients decode from base64.
    Base64,
    /// An event: `exec_create: COMMAND`, and attributes among which are the labels of its object.
    Event,
    /// A text, which no client parses and the engine ignores or refuses. With a network's it is replaced
    /// even if it is empty, so that nobody sends back what was emptied beside it.
    Mark,
    /// A list of names and values.
    Pairs,
    /// A table of processes, with the options of `ps` in the request.
    Processes,
    /// `SOURCE:TARGET[:OPTIONS]`
    Source,
    /// A sentence, which no client parses.
    Text,
}

/// What a field gets at outside its container: any of eight things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach(u8);

impl Reach {
    /// Nothing.
    pub const NONE: Reach = Reach(0);
    /// The files of the host.
    pub const HOST_FILES: Reach = Reach(1);
    /// The devices of the host.
    pub const DEVICES: Reach = Reach(1 << 1);
    /// The kernel: capabilities, confinement, parameters, the runtime.
    pub const KERNEL: Reach = Reach(1 << 2);
    /// Processes, users, host name, IPC or cgroups of the host or of another container.
    pub const NAMESPACES: Reach = Reach(1 << 3);
    /// The network of the host or of another container, and what the engine connects to.
    pub const NETWORK: Reach = Reach(1 << 4);
    /// Another container, its files, its memory, its secrets.
    pub const OTHER_CONTAINERS: Reach = Reach(1 << 5);
    /// What the host can run out of: memory, CPU, disk, ports.
    pub const RESOURCES: Reach = Reach(1 << 6);
    /// What runs or is trusted later: images, plugins, nodes.
    pub const SUPPLY: Reach = Reach(1 << 7);
    /// Everything.
    pub const ALL: Reach = Reach(u8::MAX);
    /// What takes over the host or another container: all but `RESOURCES` and `SUPPLY`.
    pub const CONTROL: Reach = Reach(0b11_1111);

    const NAMES: [(Reach, &'static str); 8] = [
        (Reach::HOST_FILES, "the host's files"),
        (Reach::DEVICES, "the host's devices"),
        (Reach::KERNEL, "the kernel"),
        (Reach::NAMESPACES, "namespaces of others"),
        (Reach::NETWORK, "networks of others"),
        (Reach::OTHER_CONTAINERS, "other containers"),
        (Reach::RESOURCES, "the host's resources"),
        (Reach::SUPPLY, "what runs later"),
    ];

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Reach) -> Reach {
        Reach(self.0 | other.0)
    }

    /// What both have.
    #[must_use]
    pub const fn within(self, other: Reach) -> Reach {
        Reach(self.0 & other.0)
    }

    /// Whether it is nothing.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether it has all that another one has.
    pub const fn contains(self, other: Reach) -> bool {
        self.0 & other.0 == other.0
    }
}

/// As people read it: `the host's files, the kernel`.
impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = Reach::NAMES.iter();
        let own: Vec<&str> = own
            .filter(|(reach, _)| self.contains(*reach))
            .map(|(_, name)| *name)
            .collect();
        if own.is_empty() {
            return f.write_str("nothing outside");
        }
        f.write_str(&own.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_the_engine_reads_them() {
        for name in ["HostConfig", "hostconfig", "HOSTCONFIG", "Ho\u{17f}tConfig"] {
            let field = CONTAINER_CREATE.field(name).expect(name);
            assert_eq!(field.name, "HostConfig");
        }
        let mode = HOST_CONFIG.field("Networ\u{212a}Mode");
        let mode = mode.expect("a field");
        assert_eq!(mode.name, "NetworkMode");
        for name in [
            "Host_Config",
            "HostConfig ",
            "",
            "HostConf\u{131}g",
            "Config",
        ] {
            assert!(CONTAINER_CREATE.field(name).is_none(), "{name}");
        }
    }

    #[test]
    fn old_engines_read_a_host_config_at_the_top() {
        assert!(CONTAINER_CREATE.field("privileged").is_none());
        for name in ["privileged", "binds", "devices", "cpuset", "kernelmemory"] {
            let found = CONTAINER_CREATE.any_field(name);
            assert!(found.is_some_and(|(_, legacy)| legacy), "{name}");
        }
        let image = CONTAINER_CREATE.any_field("image");
        assert!(image.is_some_and(|(_, legacy)| !legacy));
    }

    #[test]
    fn every_field_is_found_by_its_name() {
        fn all(kind: &'static Kind, seen: &mut Vec<&'static str>) {
            match kind {
                Kind::List(kind) | Kind::Map(kind) => all(kind, seen),
                Kind::Object(object) if !seen.contains(&object.name) => {
                    seen.push(object.name);
                    for field in object.fields {
                        for name in [field.name, &fold(field.name), &field.name.to_uppercase()] {
                            let found = object.field(name).expect(name);
                            assert!(std::ptr::eq(found, field), "{} {name}", object.name);
                        }
                        let other = field.name.to_owned() + "x";
                        let found = object.field(&other).map(|field| field.name);
                        assert!(found.is_none_or(|found| found == other), "{other}");
                        all(&field.kind, seen);
                    }
                }
                _ => {}
            }
        }
        let mut seen = Vec::new();
        for body in BODIES {
            all(&body.root.kind, &mut seen);
        }
        assert!(seen.len() > 80, "{seen:?}");
    }

    #[test]
    fn bodies_are_found_as_the_router_finds_them() {
        let body = |method: Method, path: &str| {
            let target = Target::from_line(method.as_str(), path).expect("a target");
            Body::of(method, &target).map(|body| body.route.text)
        };
        for (path, route) in [
            ("/containers/create", Some("POST /containers/create")),
            (
                "/v1.41/containers/create?name=x",
                Some("POST /containers/create"),
            ),
            (
                "/containers/create/start",
                Some("POST /containers/{id}/start"),
            ),
            ("/containers/a/b/exec", Some("POST /containers/{id}/exec")),
            ("/exec/x/start", Some("POST /exec/{id}/start")),
            (
                "/v1.41-x/containers/create",
                Some("POST /containers/create"),
            ),
            ("/containers/x/kill", None),
            ("/plugins/a/b:c/set", Some("POST /plugins/{name...}/set")),
        ] {
            assert_eq!(body(Method::Post, path), route, "{path}");
        }
        assert_eq!(body(Method::Get, "/containers/create"), None);
        assert_eq!(
            body(Method::Put, "/volumes/x"),
            Some("PUT /volumes/{name...}")
        );
    }

    #[test]
    fn reach_is_a_set() {
        let both = Reach::KERNEL.with(Reach::RESOURCES);
        assert_eq!(both.to_string(), "the kernel, the host's resources");
        assert_eq!(both.within(Reach::CONTROL), Reach::KERNEL);
        assert_eq!(Reach::NONE.to_string(), "nothing outside");
        let control = Reach::ALL.within(Reach::CONTROL);
        assert!(!control.contains(Reach::RESOURCES) && !control.contains(Reach::SUPPLY));
        assert!(control.contains(Reach::OTHER_CONTAINERS.with(Reach::HOST_FILES)));
    }
}
