//! Mutators: what is changed in a request before gates judge it.
//!
//! Each changes only what it is for. All else stays as the client sent it, and what cannot be changed
//! without loss is refused.

mod add_labels;
mod add_to_network;
mod lists;
mod map_path;
mod remap_image;
#[cfg(test)]
mod tests;

use std::fmt::{self, Display, Formatter};

use super::draft::{Act, Draft, Objection};
pub use add_labels::AddLabels;
pub use add_to_network::AddToNetwork;
pub use lists::{VARIABLES, read};
pub use map_path::{BadMap, MapPath};
pub use remap_image::{BadRemap, RemapImage};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mutator {
    /// Labels of what is created.
    AddLabels(AddLabels),
    /// Networks of containers.
    AddToNetwork(AddToNetwork),
    /// Paths that are mounted.
    MapPath(MapPath),
    /// Images.
    RemapImage(RemapImage),
}

/// Makes all changes, in their order: each sees what those before it have made.
///
/// # Errors
/// The request cannot be changed as it must be.
pub fn edit(mutators: &[Mutator], draft: &mut Draft) -> Result<(), Objection> {
    for mutator in mutators {
        if !mutator.concerns(draft.act()) {
            continue;
        }
        draft.was_read()?;
        match mutator {
            Mutator::AddLabels(labels) => labels.edit(draft)?,
            Mutator::AddToNetwork(networks) => networks.edit(draft)?,
            Mutator::MapPath(map) => map.edit(draft)?,
            Mutator::RemapImage(images) => images.edit(draft)?,
        }
    }
    Ok(())
}

impl Mutator {
    /// Whether it may change such a request.
    pub fn concerns(&self, act: &Act) -> bool {
        match self {
            _ if *act == Act::CreateContainer => true,
            Mutator::AddLabels(_) => {
                matches!(act, Act::CreateNetwork | Act::CreateVolume | Act::Build)
            }
            Mutator::RemapImage(_) => matches!(act, Act::Pull | Act::InspectImage(_)),
            Mutator::AddToNetwork(_) | Mutator::MapPath(_) => false,
        }
    }
}

impl Display for Mutator {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Mutator::AddLabels(labels) => labels.fmt(f),
            Mutator::AddToNetwork(networks) => networks.fmt(f),
            Mutator::MapPath(map) => map.fmt(f),
            Mutator::RemapImage(images) => images.fmt(f),
        }
    }
}
