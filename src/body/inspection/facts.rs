//! What the engine has to be asked about the objects that a request names, and its answers.

use std::collections::BTreeMap;

use crate::api::fields::{BODIES, Body};
use crate::body::json::{self, Limits, Untyped, Value};
use crate::body::{Place, reach};

/// The name or ID of a container, an exec, a network or a volume: one that stands for itself in a
/// path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// If it is one. A container's may have a slash in front.
    pub(super) fn of(text: &str) -> Option<Name> {
        let name = text.strip_prefix('/').unwrap_or(text);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let first = name.starts_with(|first: char| first.is_ascii_alphanumeric());
        let fits = first && name.len() <= 255 && name.bytes().all(plain);
        fits.then(|| Name(name.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A question to the engine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// What it fills in by itself.
    Info,
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
}

impl Fact {
    /// What to get.
    pub fn path(&self) -> String {
        match self {
            Fact::Info => "/info".to_owned(),
            Fact::Container(Name(name)) => format!("/containers/{name}/json"),
            Fact::Exec(Name(id)) => format!("/exec/{id}/json"),
            Fact::Network(Name(name)) => format!("/networks/{name}"),
            Fact::Service(Name(name)) => format!("/services/{name}"),
            Fact::Volume(Name(name)) => format!("/volumes/{name}"),
            // {"volume":["NAME"]}
            Fact::UsersOf(Name(name)) => {
                format!("/containers/json?all=1&filters=%7B%22volume%22%3A%5B%22{name}%22%5D%7D")
            }
        }
    }
}

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
    /// The most bytes of an answer that are read.
    pub const MOST: usize = 16 << 20;

    /// Reads one.
    pub fn read(fact: &Fact, status: u16, bytes: &[u8]) -> Answer {
        let limits = Limits {
            bytes: Answer::MOST,
            values: 500_000,
        };
        let value = match (fact, status, network()) {
            (Fact::Container(_), 200, _) => json::read(bytes, limits, Place::of_inspect()),
            (Fact::Network(_), 200, Some(body)) => json::read(bytes, limits, Place::of(body)),
            _ => json::read(bytes, limits, Untyped),
        };
        match (value, status) {
            (Ok(value), 200) => Answer::Found(value),
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

/// All that the engine has said so far.
#[derive(Debug, Default)]
pub(super) struct Facts(BTreeMap<Fact, Answer>);

impl Facts {
    /// Remembers an answer; that on a container by its full ID as well.
    pub(super) fn learn(&mut self, fact: Fact, answer: Answer) {
        if let (Fact::Container(_), Answer::Found(inspect)) = (&fact, &answer)
            && let Some(id) = full_id(inspect.at("Id"))
        {
            self.0.insert(Fact::Container(id), answer.clone());
        }
        self.0.insert(fact, answer);
    }

    /// Whether it was asked nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What it said.
    pub(super) fn answer(&self, fact: &Fact) -> Option<&Answer> {
        self.0.get(fact)
    }

    /// The full ID of a container that was found.
    pub(super) fn container(&self, name: &Name) -> Option<Name> {
        self.id(&Fact::Container(name.clone()), "Id")
    }

    /// The full ID of an exec that was found.
    pub(super) fn exec(&self, id: &Name) -> Option<Name> {
        self.id(&Fact::Exec(id.clone()), "ID")
    }

    fn id(&self, fact: &Fact, key: &str) -> Option<Name> {
        match self.answer(fact) {
            Some(Answer::Found(found)) => full_id(found.at(key)),
            _ => None,
        }
    }

    /// What the engine fills in by itself, if it was asked.
    pub(super) fn engine(&self) -> Option<reach::Engine<'_>> {
        let info = match self.answer(&Fact::Info)? {
            Answer::Found(info) => info,
            _ => Value::NULL,
        };
        let options = info.at("SecurityOptions");
        let has = |option: &Value| {
            let option = option.as_str().unwrap_or_default();
            option.split(',').any(|part| part == "name=cgroupns")
        };
        Some(reach::Engine {
            runtime: info.at("DefaultRuntime").as_str().unwrap_or_default(),
            log_driver: info.at("LoggingDriver").as_str().unwrap_or_default(),
            // It lists at least seccomp or AppArmor wherever it lists anything.
            host_cgroups: options.as_list().is_some() && !options.items().iter().any(has),
        })
    }

    /// How much memory they take, roughly.
    pub(super) fn size(&self) -> usize {
        let answers = self.0.values().map(|answer| match answer {
            Answer::Found(found) => found.size(),
            Answer::Missing(words) => words.len(),
            Answer::Unclear => 0,
        });
        answers.sum()
    }
}

/// An ID that no name and no prefix is taken for.
pub(super) fn full_id(value: &Value) -> Option<Name> {
    let id = value.as_str()?;
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (id.len() == 64 && id.bytes().all(hex)).then(|| Name(id.to_owned()))
}
