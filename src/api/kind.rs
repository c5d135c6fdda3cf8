//! The kinds of objects that an engine keeps for its clients, and where in what it says of one stand
//! its ID, its name and its labels. The fields are those of API 1.24 to 1.56.

use std::fmt;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A container.
    Container,
    /// A command that was created in a container.
    Exec,
    /// A network.
    Network,
    /// A volume.
    Volume,
    /// An image.
    Image,
    /// A service of a swarm.
    Service,
    /// One of a service's containers, as the swarm knows it.
    Task,
    /// A secret of a swarm.
    Secret,
    /// A config of a swarm.
    Config,
}

/// Where its marks stand, as paths of keys with dots between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Its full ID. A volume has none but its name.
    pub id: &'static str,
    /// Its name, or a list of its names. Those of a container begin with a slash. Empty if it has none
    /// of its own.
    pub name: &'static str,
    /// Its labels. Empty if it has none of its own.
    pub labels: &'static str,
    /// The ID of the object that it belongs to, and shares the fate of; empty if it stands for itself.
    pub owner: &'static str,
}

impl ObjectKind {
    /// All of them.
    pub const ALL: [ObjectKind; 9] = [
        ObjectKind::Container,
        ObjectKind::Exec,
        ObjectKind::Network,
        ObjectKind::Volume,
        ObjectKind::Image,
        ObjectKind::Service,
        ObjectKind::Task,
        ObjectKind::Secret,
        ObjectKind::Config,
    ];

    /// `container`
    pub const fn word(self) -> &'static str {
        match self {
            ObjectKind::Container => "container",
            ObjectKind::Exec => "exec",
            ObjectKind::Network => "network",
            ObjectKind::Volume => "volume",
            ObjectKind::Image => "image",
            ObjectKind::Service => "service",
            ObjectKind::Task => "task",
            ObjectKind::Secret => "secret",
            ObjectKind::Config => "config",
        }
    }

    /// The kind of this word.
    pub fn of(word: &str) -> Option<ObjectKind> {
        ObjectKind::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// What an object of this kind belongs to, if it does not stand for itself.
    pub const fn owner(self) -> Option<ObjectKind> {
        match self {
            ObjectKind::Exec => Some(ObjectKind::Container),
            ObjectKind::Task => Some(ObjectKind::Service),
            _ => None,
        }
    }

    /// Where its inspect has its marks.
    pub const fn inspected(self) -> Marks {
        match self {
            ObjectKind::Container => marks("Id", "Name", "Config.Labels", ""),
            ObjectKind::Image => marks("Id", "RepoTags", "Config.Labels", ""),
            ObjectKind::Exec => marks("ID", "", "", "ContainerID"),
            ObjectKind::Network
            | ObjectKind::Volume
            | ObjectKind::Service
            | ObjectKind::Task
            | ObjectKind::Secret
            | ObjectKind::Config => self.listed(),
        }
    }

    /// Where an item of a list has them.
    pub const fn listed(self) -> Marks {
        match self {
            ObjectKind::Container => marks("Id", "Names", "Labels", ""),
            ObjectKind::Network => marks("Id", "Name", "Labels", ""),
            ObjectKind::Volume => marks("Name", "Name", "Labels", ""),
            ObjectKind::Image => marks("Id", "RepoTags", "Labels", ""),
            ObjectKind::Task => marks("ID", "", "", "ServiceID"),
            ObjectKind::Service | ObjectKind::Secret | ObjectKind::Config => {
                marks("ID", "Spec.Name", "Spec.Labels", "")
            }
            // There is no list of them.
            ObjectKind::Exec => self.inspected(),
        }
    }
}

const fn marks(
    id: &'static str,
    name: &'static str,
    labels: &'static str,
    owner: &'static str,
) -> Marks {
    Marks {
        id,
        name,
        labels,
        owner,
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
