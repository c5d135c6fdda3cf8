//! Clients as containers: what a rule says of them, and what is known of those that have an address.
//!
//! Addresses come and go, and the engine says whose they are. **Nothing that was said before a
//! connection was accepted decides for it**: see [`Known`].

mod answers;
mod events;
mod history;
mod images;
mod known;
mod listing;

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use crate::body::image::could_be_id;
use crate::body::inspection::{CHOOSES, Values};
use crate::body::limits::{ImageFrom, Mistake, Names};

pub use answers::{Inspect, Listed, Network, Task, read_listed};
pub use events::Event;
pub use history::History;
pub use images::{Made, MadeFrom};
pub use known::{Arrival, Known};
pub use listing::Listing;

/// Where Compose writes the name of a project.
const PROJECT: &str = "com.docker.compose.project";
/// Where it writes the name of a service.
const SERVICE: &str = "com.docker.compose.service";

/// A container, as far as rules go by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Its full ID.
    pub id: String,
    /// Without the slash at its beginning.
    pub name: String,
    /// As it was given at its creation, if that is known.
    pub image: Option<String>,
    /// All of its labels.
    pub labels: BTreeMap<String, String>,
}

impl Container {
    /// As messages call it.
    pub(crate) fn shown(&self) -> String {
        match self.name.as_str() {
            "" => self.id.chars().take(12).collect(),
            name => name.to_owned(),
        }
    }

    /// A label's value. An empty one counts as none.
    pub fn label(&self, key: &str) -> Option<&str> {
        let value = self.labels.get(key)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

/// The containers that a rule is for: those for which all of it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// They have all of these.
    pub labels: Vec<Label>,
    /// They have one of these names, if there are any; and so on.
    pub names: Option<Names>,
    /// Projects of Compose.
    pub projects: Option<Names>,
    /// Services of Compose.
    pub services: Option<Names>,
    /// Images.
    pub images: Option<Images>,
}

/// A label, with any value or with one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its key.
    pub key: String,
    /// Its value, unless any will do that is not empty.
    pub value: Option<String>,
}

/// Images by their names, as `IMAGE_FROM` lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images(ImageFrom);

impl Images {
    /// Reads a list of names.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(text: &str) -> Result<Images, Vec<Mistake>> {
        let is_id = |entry: &&str| {
            could_be_id(entry) && (entry.starts_with("sha256:") || [12, 64].contains(&entry.len()))
        };
        if let Some(id) = text.split(',').find(is_id) {
            return Err(vec![Mistake {
                entry: id.to_owned(),
                problem: "is an image's ID, and containers are known by the names of images"
                    .to_owned(),
                help: "use the name with which the container is created".to_owned(),
            }]);
        }
        let images = ImageFrom::parse(text)?;
        match images.allows_load() || images.allows_import() || !images.names_some() {
            false => Ok(Images(images)),
            true => Err(vec![Mistake {
                entry: text.to_owned(),
                problem: "is not the name of an image".to_owned(),
                help: "use names such as traefik, ghcr.io/me/** or traefik:v3*".to_owned(),
            }]),
        }
    }
}

impl Label {
    /// Reads `KEY` or `KEY=VALUE`.
    pub fn parse(text: &str) -> Option<Label> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (text, None),
        };
        let fits = !key.is_empty() && value != Some("") && !text.contains(char::is_control);
        fits.then(|| Label {
            key: key.to_owned(),
            value: value.map(str::to_owned),
        })
    }

    /// Whether a container has it.
    fn is_of(&self, container: &Container) -> bool {
        let own = container.label(&self.key);
        own.is_some_and(|own| self.value.as_deref().is_none_or(|value| value == own))
    }
}

impl Wanted {
    /// The containers that choose a policy themselves, by its name; without one, all that choose any.
    pub fn chosen_by_label(policy: Option<&str>) -> Wanted {
        let label = Label {
            key: CHOOSES.to_owned(),
            value: policy.map(str::to_owned),
        };
        Wanted {
            labels: vec![label],
            ..Wanted::default()
        }
    }

    /// Whether it says nothing, so that it would be for all.
    pub fn is_empty(&self) -> bool {
        *self == Wanted::default()
    }

    /// Whether it is for a container. `None`: that depends on its image, which is not known.
    pub fn has(&self, container: &Container) -> Option<bool> {
        let among = |list: &Option<Names>, own: Option<&str>| match list {
            None => true,
            Some(list) => own.is_some_and(|own| list.allows(own)),
        };
        let all_else = self.labels.iter().all(|label| label.is_of(container))
            && among(&self.names, Some(&container.name))
            && among(&self.projects, container.label(PROJECT))
            && among(&self.services, container.label(SERVICE));
        match &self.images {
            Some(images) if all_else => {
                let image = container.image.as_deref()?;
                Some(images.0.allows_unseen(image))
            }
            _ => Some(all_else),
        }
    }

    /// All but the labels: what it is about, and a list as it is written.
    pub fn lists(&self) -> impl Iterator<Item = (&'static str, String)> {
        let names = [
            ("name", &self.names),
            ("project", &self.projects),
            ("service", &self.services),
        ];
        let names = names
            .into_iter()
            .filter_map(|(kind, list)| Some((kind, list.as_ref()?.to_string())));
        let images = self.images.iter().map(|list| ("image", list.0.to_string()));
        names.chain(images)
    }

    /// The images that it goes by.
    pub fn taken_images(&self) -> Option<ImageFrom> {
        self.images.as_ref().map(|images| images.0.clone())
    }

    /// The labels that it goes by: their keys and values.
    pub fn taken_labels(&self) -> impl Iterator<Item = (String, Values)> {
        let own = self.labels.iter().map(|label| {
            let values = label.value.clone().map_or(Values::Any, Values::Is);
            (label.key.clone(), values)
        });
        let of_compose = [(&self.projects, PROJECT), (&self.services, SERVICE)];
        let of_compose = of_compose
            .into_iter()
            .filter_map(|(list, key)| Some((key.to_owned(), Values::Among(list.clone()?))));
        own.chain(of_compose)
    }
}

impl Display for Label {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.key),
            None => f.write_str(&self.key),
        }
    }
}

/// `label team=ci, name web-*`.
impl Display for Wanted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let labels = self.labels.iter().map(|label| format!("label {label}"));
        let lists = self.lists().map(|(kind, list)| format!("{kind} {list}"));
        let all: Vec<String> = labels.chain(lists).collect();
        f.write_str(&all.join(", "))
    }
}

/// What is known of the containers at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// No container is there.
    Nobody,
    /// All of these share it. Never none.
    These(Arc<[Arc<Container>]>),
    /// That cannot be said.
    Unknown(Why),
}

/// Why it cannot be said which container a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The engine is to be asked first, from this moment on.
    Unasked(std::time::Instant),
    /// The engine's events or answers do not come.
    Lost(Arc<str>),
    /// The engine knows no container at an address within a network of containers.
    Unheld,
    /// The labels of a container there are too long to be kept.
    TooLong,
    /// It is not known by which names the images of these containers were chosen: their IDs.
    Image(Vec<String>),
    /// Another container has got the address since the connection was made.
    Moved,
    /// An address that is valid on one link alone tells nothing.
    LinkLocal,
    /// Containers share the address, and a rule or a list is for one of them and not for the other.
    Differ(String, String),
}

impl Why {
    /// Whether it is worth waiting for.
    pub fn may_change(&self) -> bool {
        !matches!(self, Why::LinkLocal | Why::Differ(..))
    }
}

impl Display for Why {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Why::Unasked(_) => {
                f.write_str("the engine has not said yet which container has this address")
            }
            Why::Lost(why) => write!(f, "the engine cannot be asked: {why}"),
            Why::Unheld => f.write_str("the engine knows no container with this address"),
            Why::TooLong => f.write_str("the labels of that container have more than 64 KiB"),
            Why::Image(_) => {
                f.write_str("the engine has not said yet by which name its image was chosen")
            }
            Why::Moved => f.write_str(
                "another container has got this address since the connection was made; connect again",
            ),
            Why::LinkLocal => f.write_str(
                "a link-local address does not show it; use an address of a network",
            ),
            Why::Differ(one, other) => write!(
                f,
                "{one} and {other} share this address, and what holds for one does not hold for the other"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
