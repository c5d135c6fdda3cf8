//! What the engine has to be asked about the objects that a request names, and its answers: one
//! vocabulary for all that judge it.
//!
//! A [`Name`] stands for one thing in a path, percent-encoded or not, so that a question is never
//! another one. What has no such name is never asked for, and counts as refused.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::image::{self, could_be_id};
use super::json::{self, Limits, Skimmer, Untyped, Value, Wanted};
use super::{Place, reach};
use crate::api::fields::{BODIES, Body};
use crate::api::{ObjectKind, Version};

/// What an object is called: one that stands for itself in a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// The name or ID of a container, an exec or a service, if it is one. A container's may have a
    /// slash in front.
    pub(super) fn of(text: &str) -> Option<Name> {
        let name = text.strip_prefix('/').unwrap_or(text);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let first = name.starts_with(|first: char| first.is_ascii_alphanumeric());
        let fits = first && name.len() <= LONGEST && name.bytes().all(plain);
        fits.then(|| Name(name.to_owned()))
    }

    /// The name of a volume or a network, if it is one: drivers and engines differ in what they take.
    pub(super) fn wide(text: &str) -> Option<Name> {
        let is_part = |part: &str| !["", ".", ".."].contains(&part);
        let fits = text.len() <= LONGEST && !text.contains(char::is_control);
        (fits && text.split('/').all(is_part)).then(|| Name(text.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it stands in a path.
    fn encoded(&self) -> String {
        encoded(&self.0, b"-._~/:@")
    }
}

/// Percent-encoded, but for letters, digits and what is plain.
pub(super) fn encoded(text: &str, plain: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            true => encoded.push(char::from(byte)),
            // To write to a string does not fail.
            false => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

/// No name is longer.
const LONGEST: usize = 255;

/// A question to the engine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// What it fills in by itself.
    Info,
    /// Which versions of the API it has.
    Version,
    /// A container.
    Container(Name),
    /// An exec.
    Exec(Name),
    /// A network.
    Network(Name),
    /// A service of the swarm.
    Service(Name),
    /// A volume.
    Volume(Name),
    /// The containers that have a volume mounted.
    UsersOf(Name),
    /// All containers.
    Containers,
    /// In whose namespaces a container is: nothing else of it, since all have to be asked.
    Modes(Name),
    /// All networks.
    Networks,
    /// All services of the swarm.
    Services,
    /// An image, by the very text that names it.
    Image(Name),
    /// A task of the swarm.
    Task(Name),
    /// A secret of the swarm.
    Secret(Name),
    /// A config of the swarm.
    Config(Name),
    /// The objects of a kind, with these filters: their marks, and what else a scope goes by. All
    /// containers count, not just those that run.
    Listed(ObjectKind, Filters),
}

/// The filters of a list, as JSON; empty for none.
pub type Filters = Box<str>;

impl Fact {
    /// A container by its name or ID.
    pub fn container(name: &str) -> Option<Fact> {
        Name::of(name).map(Fact::Container)
    }

    /// A network by its name or ID.
    pub fn network(name: &str) -> Option<Fact> {
        Name::wide(name).map(Fact::Network)
    }

    /// A volume.
    pub fn volume(name: &str) -> Option<Fact> {
        Name::wide(name).map(Fact::Volume)
    }

    /// An image by its name, its ID or the beginning of that.
    pub fn image(text: &str) -> Option<Fact> {
        let fits = image::Name::parse(text).is_ok() || could_be_id(text);
        fits.then(|| Fact::Image(Name(text.to_owned())))
    }

    /// What to get.
    pub fn path(&self) -> String {
        match self {
            Fact::Info => "/info".to_owned(),
            Fact::Version => "/version".to_owned(),
            Fact::Container(name) | Fact::Modes(name) => {
                format!("/containers/{}/json", name.encoded())
            }
            Fact::Containers => "/containers/json?all=1".to_owned(),
            Fact::Networks => "/networks".to_owned(),
            Fact::Services => "/services".to_owned(),
            Fact::Exec(id) => format!("/exec/{}/json", id.encoded()),
            Fact::Network(name) => format!("/networks/{}", name.encoded()),
            Fact::Service(name) => format!("/services/{}", name.encoded()),
            Fact::Volume(name) => format!("/volumes/{}", name.encoded()),
            Fact::UsersOf(Name(name)) => {
                let name = Value::from(name.as_str()).to_json();
                let filters = encoded(&format!(r#"{{"volume":[{name}]}}"#), b"-._~");
                format!("/containers/json?all=1&filters={filters}")
            }
            Fact::Image(name) => format!("/images/{}/json", name.encoded()),
            Fact::Task(name) => format!("/tasks/{}", name.encoded()),
            Fact::Secret(name) => format!("/secrets/{}", name.encoded()),
            Fact::Config(name) => format!("/configs/{}", name.encoded()),
            Fact::Listed(kind, filters) => {
                let path = match kind {
                    ObjectKind::Container => "/containers/json?all=1",
                    ObjectKind::Image => "/images/json?all=1",
                    ObjectKind::Network => "/networks",
                    ObjectKind::Volume => "/volumes",
                    ObjectKind::Service => "/services",
                    ObjectKind::Task => "/tasks",
                    ObjectKind::Secret => "/secrets",
                    ObjectKind::Config => "/configs",
                    // There is no such list; it is answered with a 404.
                    ObjectKind::Exec => "/exec",
                };
                let filters = encoded(filters, b"-._~");
                let mark = if path.contains('?') { '&' } else { '?' };
                match &*filters {
                    "" => path.to_owned(),
                    filters => format!("{path}{mark}filters={filters}"),
                }
            }
        }
    }

    /// What of its answer is read by any judge.
    fn wanted(&self) -> Wanted {
        match self {
            Fact::Containers | Fact::UsersOf(_) => IDS,
            Fact::Modes(_) => MODES,
            Fact::Networks => NETWORKS,
            Fact::Services => SERVICES,
            Fact::Version => VERSION,
            Fact::Listed(kind, _) => listed(*kind),
            Fact::Task(_) => TASK,
            Fact::Secret(_) | Fact::Config(_) => IN_SWARM,
            Fact::Info
            | Fact::Container(_)
            | Fact::Exec(_)
            | Fact::Network(_)
            | Fact::Service(_)
            | Fact::Volume(_)
            | Fact::Image(_) => Wanted::All,
        }
    }
}

/// The newest version of the API, and the oldest.
const VERSION: Wanted =
    Wanted::Fields(&[("ApiVersion", Wanted::All), ("MinAPIVersion", Wanted::All)]);
/// Of containers, of which each is asked.
const IDS: Wanted = Wanted::Items(&Wanted::Fields(&[("Id", Wanted::All)]));
/// In whose namespaces a container is.
const MODES: Wanted = Wanted::Fields(&[(
    "HostConfig",
    Wanted::Fields(&[
        ("PidMode", Wanted::All),
        ("IpcMode", Wanted::All),
        ("NetworkMode", Wanted::All),
    ]),
)]);
/// Which ID a name may begin, and which addresses are a network's.
const NETWORKS: Wanted = Wanted::Items(&Wanted::Fields(&[
    ("Id", Wanted::All),
    ("IPAM", Wanted::Fields(&[("Config", SUBNETS)])),
]));
const SUBNETS: Wanted = Wanted::Items(&Wanted::Fields(&[
    ("Subnet", Wanted::All),
    ("Gateway", Wanted::All),
]));
/// Which services have a volume mounted. Of these each is asked.
const SERVICES: Wanted = Wanted::Items(&Wanted::Fields(&[
    ("ID", Wanted::All),
    (
        "Spec",
        Wanted::Fields(&[(
            "TaskTemplate",
            Wanted::Fields(&[("ContainerSpec", Wanted::Fields(&[("Mounts", MOUNTS)]))]),
        )]),
    ),
]));
const MOUNTS: Wanted = Wanted::Items(&Wanted::Fields(&[("Source", Wanted::All)]));

/// What a scope goes by, of the items of a list.
fn listed(kind: ObjectKind) -> Wanted {
    match kind {
        ObjectKind::Container => Wanted::Items(&Wanted::Fields(&[
            ("Id", Wanted::All),
            ("Names", Wanted::All),
            ("Labels", Wanted::All),
            ("State", Wanted::All),
            ("ImageID", Wanted::All),
            (
                "Mounts",
                Wanted::Items(&Wanted::Fields(&[
                    ("Type", Wanted::All),
                    ("Name", Wanted::All),
                ])),
            ),
        ])),
        ObjectKind::Network => Wanted::Items(&Wanted::Fields(&[
            ("Id", Wanted::All),
            ("Name", Wanted::All),
            ("Labels", Wanted::All),
        ])),
        ObjectKind::Volume => Wanted::Fields(&[(
            "Volumes",
            Wanted::Items(&Wanted::Fields(&[
                ("Name", Wanted::All),
                ("Labels", Wanted::All),
            ])),
        )]),
        ObjectKind::Image => Wanted::Items(&Wanted::Fields(&[
            ("Id", Wanted::All),
            ("RepoTags", Wanted::All),
            ("RepoDigests", Wanted::All),
            ("Labels", Wanted::All),
        ])),
        ObjectKind::Task | ObjectKind::Exec => Wanted::Items(&TASK),
        ObjectKind::Service | ObjectKind::Secret | ObjectKind::Config => Wanted::Items(&IN_SWARM),
    }
}

/// What a task belongs to.
const TASK: Wanted = Wanted::Fields(&[("ID", Wanted::All), ("ServiceID", Wanted::All)]);
/// The marks of a service, a secret or a config.
const IN_SWARM: Wanted = Wanted::Fields(&[
    ("ID", Wanted::All),
    (
        "Spec",
        Wanted::Fields(&[("Name", Wanted::All), ("Labels", Wanted::All)]),
    ),
]);

/// What the engine says.
#[derive(Clone, Debug)]
pub enum Answer {
    /// What was asked for.
    Found(Value),
    /// It does not exist, in the engine's words.
    Missing(String),
    /// Nothing that can be judged.
    Unclear,
}

impl Answer {
    /// What was asked for, if it exists.
    pub fn found(&self) -> Option<&Value> {
        match self {
            Answer::Found(found) => Some(found),
            Answer::Missing(_) | Answer::Unclear => None,
        }
    }

    /// The most bytes that are kept of an answer.
    pub const MOST: usize = 16 << 20;

    /// Reads one.
    pub fn read(fact: &Fact, status: u16, bytes: &[u8]) -> Answer {
        let mut arriving = Arriving::new(fact, status);
        arriving.take(bytes);
        arriving.answer()
    }

    /// How much memory it takes, roughly.
    pub fn size(&self) -> usize {
        match self {
            Answer::Found(found) => found.size(),
            Answer::Missing(words) => words.len(),
            Answer::Unclear => 0,
        }
    }
}

/// An answer as it arrives. Of lists, and of what all have to be asked, only what is judged is kept:
/// who makes containers chooses how long the rest is.
#[derive(Debug)]
pub struct Arriving<'a> {
    fact: &'a Fact,
    status: u16,
    skimmer: Skimmer,
}

impl<'a> Arriving<'a> {
    /// An answer with this status.
    pub fn new(fact: &'a Fact, status: u16) -> Arriving<'a> {
        let wanted = match status {
            200 => fact.wanted(),
            _ => Wanted::Fields(&[("message", Wanted::All)]),
        };
        Arriving {
            fact,
            status,
            skimmer: Skimmer::new(wanted),
        }
    }

    /// Takes the next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        self.skimmer.take(bytes);
    }

    /// How many bytes are kept.
    pub fn held(&self) -> usize {
        self.skimmer.held()
    }

    /// The answer, once all of it has come.
    pub fn answer(self) -> Answer {
        let limits = Limits {
            bytes: Answer::MOST,
            values: 500_000,
        };
        let (fact, status) = (self.fact, self.status);
        let bytes = self.skimmer.end().unwrap_or_default();
        let value = match (fact, status, network()) {
            (Fact::Container(_), 200, _) => json::read(&bytes, limits, Place::of_inspect()),
            (Fact::Network(_), 200, Some(body)) => json::read(&bytes, limits, Place::of(body)),
            _ => json::read(&bytes, limits, Untyped),
        };
        match (value, status) {
            (Ok(value), 200) => match fact {
                Fact::Modes(_) if value.at("HostConfig").as_object().is_none() => Answer::Unclear,
                _ => Answer::Found(value),
            },
            (_, 404) if *fact == Fact::Services => Answer::Missing(String::new()),
            (Ok(value), 503) if *fact == Fact::Services => {
                let words = value.at("message").as_str().unwrap_or_default();
                match words.starts_with("This node is not a swarm manager.") {
                    true => Answer::Missing(words.to_owned()),
                    false => Answer::Unclear,
                }
            }
            (Ok(value), 404) => match value.at("message").as_str() {
                Some(words) => Answer::Missing(words.to_owned()),
                None => Answer::Unclear,
            },
            _ => Answer::Unclear,
        }
    }
}

/// What a network is made of: its inspect has the same fields.
pub(super) fn network() -> Option<&'static Body> {
    body("POST /networks/create")
}

/// What a container is made of.
pub(super) fn create() -> Option<&'static Body> {
    body("POST /containers/create")
}

/// What a command is made of.
pub(super) fn exec() -> Option<&'static Body> {
    body("POST /containers/{id}/exec")
}

/// What a service is made of.
pub(super) fn service() -> Option<&'static Body> {
    body("POST /services/create")
}

/// What a volume is made of.
pub(super) fn volume() -> Option<&'static Body> {
    body("POST /volumes/create")
}

fn body(route: &str) -> Option<&'static Body> {
    BODIES.iter().find(|body| body.route.text == route)
}

/// Runtimes that give a container the devices that it was created with, whatever its environment.
const PLAIN_RUNTIMES: [&str; 5] = ["crun", "io.containerd.runc.v2", "runc", "runsc", "youki"];

/// All that the engine has said so far about one request. It is asked anew for each.
#[derive(Clone, Debug, Default)]
pub struct Facts(BTreeMap<Fact, Answer>);

impl Facts {
    /// Remembers an answer; that on a container by its full ID as well.
    pub fn learn(&mut self, fact: Fact, answer: Answer) {
        if let (Fact::Container(_), Answer::Found(inspect)) = (&fact, &answer)
            && let Some(id) = full_id(inspect.at("Id"))
        {
            self.0.insert(Fact::Container(id), answer.clone());
        }
        self.0.insert(fact, answer);
    }

    /// Whether it was asked this.
    pub(super) fn has(&self, fact: &Fact) -> bool {
        self.0.contains_key(fact)
    }

    /// Whether it was asked nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many answers there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What it said.
    pub fn answer(&self, fact: &Fact) -> Option<&Answer> {
        self.0.get(fact)
    }

    /// The full ID of a container that was found.
    pub(super) fn container(&self, name: &Name) -> Option<Name> {
        self.id(&Fact::Container(name.clone()), "Id")
    }

    /// The full ID of a network that was found.
    pub(super) fn network(&self, name: &Name) -> Option<Name> {
        network_id(self.answer(&Fact::Network(name.clone()))?.found()?.at("Id"))
    }

    /// The full ID of an exec that was found.
    pub(super) fn exec(&self, id: &Name) -> Option<Name> {
        self.id(&Fact::Exec(id.clone()), "ID")
    }

    fn id(&self, fact: &Fact, key: &str) -> Option<Name> {
        full_id(self.answer(fact)?.found()?.at(key))
    }

    /// The newest version of the API that the engine has, if it was asked; none if it does not say.
    pub(super) fn newest(&self) -> Option<Option<Version>> {
        let answer = self.answer(&Fact::Version)?.found();
        let version = answer.and_then(|answer| answer.at("ApiVersion").as_str());
        Some(version.map(Version::parse))
    }

    /// What the engine fills in by itself, if it was asked.
    pub(super) fn engine(&self) -> Option<reach::Engine<'_>> {
        let info = self.answer(&Fact::Info)?.found().unwrap_or(Value::NULL);
        let options = info.at("SecurityOptions");
        let runtime = info.at("DefaultRuntime").as_str().unwrap_or_default();
        // What it runs may have another name.
        let program = info.at("Runtimes").as_object();
        let program = program.and_then(|all| all.get(runtime)?.at("path").as_str());
        let program = program.unwrap_or(runtime).rsplit('/').next();
        let told = options.as_list().is_some();
        let has = |names: &[&str]| {
            let parts = options.items().iter().filter_map(Value::as_str);
            let mut parts = parts.flat_map(|option| option.split(','));
            parts.any(|part| names.contains(&part))
        };
        let profiles = ["profile=builtin", "profile=default", "profile=unconfined"];
        Some(reach::Engine {
            known: true,
            runtime,
            log_driver: info.at("LoggingDriver").as_str().unwrap_or_default(),
            // It lists at least seccomp or AppArmor wherever it lists anything.
            alone: info.at("Swarm.ControlAvailable").as_bool() == Some(true)
                && info.at("Swarm.Nodes").as_i64() == Some(1),
            host_cgroups: told && !has(&["name=cgroupns"]),
            builtin_seccomp: told && (has(&profiles) || !has(&["name=seccomp"])),
            plain_runtime: program.is_some_and(|name| PLAIN_RUNTIMES.contains(&name)),
        })
    }

    /// How much memory they take, roughly.
    pub(super) fn size(&self) -> usize {
        self.0.values().map(Answer::size).sum()
    }
}

/// The ID of a network, which may be a swarm's: it is looked for before any name.
pub(super) fn network_id(value: &Value) -> Option<Name> {
    let id = value.as_str()?;
    let plain = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
    let of_swarm = id.len() == 25 && id.bytes().all(plain);
    let swarms = || of_swarm.then(|| Name(id.to_owned()));
    full_id(value).or_else(swarms)
}

/// An ID that no name and no prefix is taken for.
pub(super) fn full_id(value: &Value) -> Option<Name> {
    let id = value.as_str()?;
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (id.len() == 64 && id.bytes().all(hex)).then(|| Name(id.to_owned()))
}

#[cfg(test)]
mod tests;
