//! A path as the client sees it, and what the engine mounts in its place: another path of the host,
//! or a volume, or a folder of a volume.
//!
//! Sources of `Binds` and of `Mounts` that are binds are compared by their components, after the
//! engine's own cleaning. Read-only stays read-only, and all other options stay too. An engine that is
//! asked in an older version of its API would mount the whole volume in place of a folder.

use std::fmt::{self, Display, Formatter};

use crate::api::Version;
use crate::body::draft::{Draft, Objection};
use crate::body::json::{Object, Value};
use crate::body::reach::{clean, is_volume};

/// What a path stands for, with all that lies below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapPath {
    from: String,
    to: Place,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// A clean path of the host.
    Path(String),
    /// A volume, and a folder in it, if that is not empty.
    Volume { name: String, folder: String },
}

/// Why a path is not mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadMap {
    /// What the client sees is no absolute path.
    From,
    /// What is mounted is neither an absolute path nor a volume.
    To,
}

impl MapPath {
    /// What a path stands for: `/srv/x`, `volume`, `volume/folder`.
    pub fn new(from: &str, to: &str) -> Result<MapPath, BadMap> {
        let is_path = |path: &str| path.starts_with('/') && !path.contains([':', '\0']);
        if !is_path(from) {
            return Err(BadMap::From);
        }
        let to = match to.split_once('/') {
            Some(("", _)) if is_path(to) => Place::Path(clean(to)),
            _ => {
                let (name, folder) = to.split_once('/').unwrap_or((to, ""));
                let folder = clean(&format!("/{folder}"));
                let up = to.split('/').any(|part| part == "..");
                if !is_volume(name) || up || to.contains([':', '\0']) {
                    return Err(BadMap::To);
                }
                Place::Volume {
                    name: name.to_owned(),
                    folder: folder[1..].to_owned(),
                }
            }
        };
        Ok(MapPath {
            from: clean(from),
            to,
        })
    }

    pub(super) fn edit(&self, draft: &mut Draft) -> Result<(), Objection> {
        draft.has_one_host_config(&["Binds", "Mounts"])?;
        let too_old = folders_ignored(draft.target().version());
        let tree = draft.tree_mut();
        let (mut moved, mut objection) = (Vec::new(), None);
        tree.each_mut("HostConfig.Binds", &mut |path, binds| {
            let Value::List(binds) = binds else { return };
            let mut index = 0..;
            binds.retain_mut(|bind| {
                let path = path.index(index.next().unwrap_or_default());
                match bind.as_str().map(|text| self.bind(text)) {
                    None | Some(Bind::Stays) => true,
                    Some(Bind::Rewritten(text)) => {
                        *bind = text.into();
                        true
                    }
                    Some(Bind::Mount(mount)) if too_old.is_none() => {
                        moved.push(mount);
                        false
                    }
                    Some(other) => {
                        let why = match other {
                            Bind::Lossy(why) => why,
                            _ => too_old.clone().unwrap_or_default(),
                        };
                        let place = path.to_string();
                        objection.get_or_insert(Objection::new(place, bind.shown(), why));
                        true
                    }
                }
            });
        });
        tree.each_mut("HostConfig.Mounts[]", &mut |path, mount| {
            let source = mount.at("Source").shown();
            if self.mount(mount)
                && let Some(why) = &too_old
            {
                let place = path.to_string();
                objection.get_or_insert(Objection::new(place, source, why));
            }
        });
        if let Some(objection) = objection {
            return Err(objection);
        }
        if moved.is_empty() {
            return Ok(());
        }
        let mounts = tree.at_mut("HostConfig.Mounts").and_then(Value::list_mut);
        let unclear = || Objection::new("HostConfig.Mounts", "", "must be a list");
        mounts.ok_or_else(unclear)?.extend(moved);
        Ok(())
    }

    /// What a source stands for, if it is the path or lies below it.
    fn place_of(&self, source: &str) -> Option<Place> {
        if !source.starts_with('/') {
            return None;
        }
        let source = clean(source);
        let rest = match &*self.from {
            "/" => &source,
            from => source.strip_prefix(from)?,
        };
        if !rest.is_empty() && !rest.starts_with('/') {
            return None;
        }
        let rest = rest.trim_start_matches('/');
        Some(match &self.to {
            Place::Path(path) => Place::Path(clean(&format!("{path}/{rest}"))),
            Place::Volume { name, folder } => {
                let parts = [folder.as_str(), rest].into_iter();
                let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
                let (name, folder) = (name.clone(), parts.join("/"));
                Place::Volume { name, folder }
            }
        })
    }

    /// `SOURCE:TARGET` or `SOURCE:TARGET:OPTIONS`.
    fn bind(&self, text: &str) -> Bind {
        let Some((source, rest)) = text.split_once(':') else {
            return Bind::Stays;
        };
        match self.place_of(source) {
            None => Bind::Stays,
            Some(Place::Path(path)) => Bind::Rewritten(format!("{path}:{rest}")),
            Some(Place::Volume { name, folder }) if folder.is_empty() => {
                Bind::Rewritten(format!("{name}:{rest}"))
            }
            Some(Place::Volume { name, folder }) => {
                let (target, options) = rest.split_once(':').unwrap_or((rest, ""));
                match mount_of(&name, &folder, target, options) {
                    Ok(mount) => Bind::Mount(mount),
                    Err(option) => Bind::Lossy(format!(
                        "has the option {option}, which a folder of a volume cannot have"
                    )),
                }
            }
        }
    }

    /// Whether it is a folder of a volume now.
    fn mount(&self, mount: &mut Value) -> bool {
        if mount.at("Type").as_str() != Some("bind") {
            return false;
        }
        let source = mount.at("Source").as_str().unwrap_or_default();
        let (Some(place), Value::Object(mount)) = (self.place_of(source), mount) else {
            return false;
        };
        match place {
            Place::Path(path) => {
                mount.set("Source", path);
                false
            }
            Place::Volume { name, folder } => {
                mount.set("Type", "volume");
                mount.set("Source", name);
                // They are about the host's side of a bind.
                mount.remove("BindOptions");
                if !folder.is_empty() {
                    mount.set("VolumeOptions", subpath(&folder));
                }
                !folder.is_empty()
            }
        }
    }
}

/// The first version of the API that has folders of volumes.
const FOLDERS: Version = Version(1, 45);

/// Why a folder of a volume cannot be asked for, if this version of the API ignores it.
fn folders_ignored(version: Option<Version>) -> Option<String> {
    let version = version.filter(|version| *version < FOLDERS)?;
    Some(format!(
        "stands for a folder of a volume, which needs API {FOLDERS}, not {version}"
    ))
}

/// What becomes of an item of `Binds`.
enum Bind {
    Stays,
    Rewritten(String),
    /// It cannot be written as a bind.
    Mount(Value),
    /// Nor as a mount: why.
    Lossy(String),
}

/// A folder of a volume, mounted with the options of a bind, or the option that it cannot have.
fn mount_of<'o>(
    name: &str,
    folder: &str,
    target: &str,
    options: &'o str,
) -> Result<Value, &'o str> {
    let mut mount = Object::default();
    mount.set("Type", "volume");
    mount.set("Source", name);
    mount.set("Target", target);
    let mut of_volume = subpath(folder);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => mount.set("ReadOnly", true),
            "rw" => {}
            "nocopy" => of_volume.set("NoCopy", true),
            "consistent" | "cached" | "delegated" => mount.set("Consistency", option),
            _ => return Err(option),
        }
    }
    mount.set("VolumeOptions", of_volume);
    Ok(mount.into())
}

fn subpath(folder: &str) -> Object {
    let mut options = Object::default();
    options.set("Subpath", folder);
    options
}

impl BadMap {
    /// The one of both that is wrong.
    pub fn of<'t>(&self, from: &'t str, to: &'t str) -> &'t str {
        match self {
            BadMap::From => from,
            BadMap::To => to,
        }
    }
}

impl Display for BadMap {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadMap::From => "is not an absolute path without colons",
            BadMap::To => "is neither an absolute path nor a volume, without colons",
        })
    }
}

impl std::error::Error for BadMap {}

/// `mountPath: /workspaces/x=/srv/x`
impl Display for MapPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "mountPath: {}=", self.from)?;
        match &self.to {
            Place::Path(path) => f.write_str(path),
            Place::Volume { name, folder } if folder.is_empty() => f.write_str(name),
            Place::Volume { name, folder } => write!(f, "{name}/{folder}"),
        }
    }
}
