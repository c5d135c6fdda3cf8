//! `SCOPE`: whose things the clients of a policy see and touch.
//!
//! An object is in scope by its labels or by its name, as an inspect or an item of a list shows them.
//! Kinds that have neither share the fate of what they belong to: a command that of its container, a
//! task that of its service. What cannot be told is out of scope.

mod giving;
mod label_filter;
mod others;
mod owned;
mod pulled;
mod sight;
#[cfg(test)]
mod tests;

use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::sync::Arc;

use super::facts::full_id;
use super::glob::Glob;
use super::image;
use super::json::Value;
use super::limits::{self, Mistake};
use crate::api::{Marks, ObjectKind};
use giving::Given;
pub use giving::Giving;
pub use label_filter::LabelFilter;
pub use others::Other;
use owned::Owned;
pub use pulled::HostAddress;
use pulled::{Pulled, PulledOn};
pub use sight::Sight;

/// The scope of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    by: By,
    shared: Vec<Shared>,
    images: bool,
    pulled: Pulled,
    /// What was pulled on each engine: another one has other images under the same names.
    pulled_on: PulledOn,
    owned: Owned,
    /// The scopes of other policies.
    others: Arc<[Other]>,
    given: Given,
    /// As it is written, for messages.
    text: String,
}

/// By what an object is in scope.
#[derive(Clone, Debug, PartialEq, Eq)]
enum By {
    /// It has all of these labels, with these values.
    Labels {
        all: Vec<(String, String)>,
        of_images: Vec<(String, String)>,
    },
    /// It has a name that one of these fits.
    Names(Vec<Glob>),
}

/// What is not in scope, and may be seen, joined and mounted nevertheless.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shared {
    kind: ObjectKind,
    name: Glob,
}

/// The label of what a policy with `SCOPE: created` makes. Its value is the policy's name.
pub const CREATED_BY: &str = "dockgate.created-by";
/// The same of the images that it makes. A container inherits the labels of its image, in builds of others
/// too, so an image has another one than all else: it puts no container into a scope.
pub const IMAGE_CREATED_BY: &str = "dockgate.image-created-by";
/// What the labels begin with that no client sets.
pub const OWN_LABELS: &str = "dockgate.";
/// The label by which Compose marks the objects of a project.
const PROJECT: &str = "com.docker.compose.project";
/// Where the names of an image stand.
const IMAGE_NAMES: &str = "RepoTags";
/// The networks that every engine has for everybody.
const EVERYBODYS: [&str; 2] = ["bridge", "none"];

impl Scope {
    /// Reads `SCOPE` and `SCOPE_SHARED` of the policy of this name. `images` is whether images are
    /// anybody's as well.
    ///
    /// # Errors
    /// All that is wrong with them, with the variable.
    pub fn read(
        policy: &str,
        scope: &str,
        shared: Option<&str>,
        images: bool,
    ) -> Result<Scope, Vec<(&'static str, Mistake)>> {
        let by = By::read(policy, scope).map_err(|all| named("SCOPE", all));
        let shared = shared.map_or(Ok(Vec::new()), |text| limits::some(text, Shared::read));
        let shared = shared.map_err(|all| named("SCOPE_SHARED", all));
        match (by, shared) {
            (Ok(by), Ok(shared)) => Ok(Scope {
                by,
                shared,
                images,
                pulled: Pulled::default(),
                pulled_on: PulledOn::default(),
                owned: Owned::default(),
                others: Arc::default(),
                given: Given::default(),
                text: scope.trim().to_owned(),
            }),
            (by, shared) => {
                let wrong = [by.err(), shared.err()].into_iter().flatten();
                Err(wrong.flatten().collect())
            }
        }
    }

    /// Whether objects of such a kind are anybody's. Others are everybody's.
    pub fn covers(&self, kind: ObjectKind) -> bool {
        kind != ObjectKind::Image || self.images
    }

    /// That the container of this full ID was found in scope.
    pub fn found(&self, id: &str) {
        if let By::Labels { .. } = self.by {
            self.owned.add(id);
        }
    }

    /// Whether the container of this full ID is known to be in scope: what puts it there never changes.
    pub fn has_found(&self, id: &str) -> bool {
        self.owned.has(id)
    }

    /// The address of the engine's host now, if it is known by one.
    pub fn host(&self) -> Option<SocketAddr> {
        self.pulled.host()
    }

    /// That an image of this name, which was not there, is pulled: it is in scope from now on, unless the
    /// engine's host has another address than when that was found out.
    pub fn pulls(&self, name: &str, host: Option<SocketAddr>) {
        self.pulled.add(name, host);
    }

    /// That a request of its policy gives an image this name, or pulls it. Nothing, if one of another scope
    /// that is under way does.
    pub fn gives(&self, name: &str, pulls: bool) -> Option<Giving> {
        self.given.begin(name, &self.by, pulls)
    }

    /// That an image is removed, or loses a name, by this text: its names that are in scope no more, since
    /// others may pull them next. This is so before the engine does it: its answer may never arrive.
    pub fn removes(&self, text: &str, image: &Value) -> Vec<String> {
        self.pulled.remove(text, image)
    }

    /// The same scope, with what its clients pulled before a reload.
    #[must_use]
    pub fn with_pulled_of(&self, former: &Scope) -> Scope {
        let same = self.by == former.by;
        let known = if same { former } else { self };
        Scope {
            pulled: known.pulled.clone(),
            pulled_on: known.pulled_on.clone(),
            ..self.clone()
        }
    }

    /// The same scope on one engine, whose host has this address, with what its clients pulled there. What
    /// was found on another one is unknown there.
    #[must_use]
    pub fn on(&self, engine: &str, host: &HostAddress) -> Scope {
        Scope {
            pulled: self.pulled_on.of(engine, host),
            owned: Owned::default(),
            given: host.given.clone(),
            ..self.clone()
        }
    }

    /// Whether an object that has its marks there is in scope by itself.
    pub fn owns(&self, marks: Marks, object: &Value) -> bool {
        let is_image = marks.name == IMAGE_NAMES;
        if is_image && self.images && self.pulled.has(object) {
            return true;
        }
        match &self.by {
            By::Labels { all, of_images } if !marks.labels.is_empty() => {
                let labels = if is_image { of_images } else { all };
                let own = object.at(marks.labels).as_object();
                own.is_some_and(|own| {
                    let has = |(key, value): &(String, String)| {
                        own.get(key).and_then(Value::as_str) == Some(value)
                    };
                    labels.iter().all(has)
                })
            }
            // The name of a volume that was made without one says nothing.
            By::Names(globs) => names_of(marks, object).iter().any(|name| {
                let fits =
                    |glob: &Glob| glob.fits(name) && (glob.is_anything() || !is_anonymous(name));
                globs.iter().any(fits)
            }),
            By::Labels { .. } => false,
        }
    }

    /// Whether an object that has its marks there may be seen and used, though it is not in scope.
    /// It may not be changed.
    pub fn shares(&self, kind: ObjectKind, marks: Marks, object: &Value) -> bool {
        let names = names_of(marks, object);
        let shared = |name: &&str| {
            let of_all = kind == ObjectKind::Network && EVERYBODYS.contains(name);
            let full = (kind == ObjectKind::Image).then(|| image::Name::parse(name).ok());
            let full = full.flatten().map(|name| name.or_latest().to_string());
            let fits = |shared: &Shared| {
                let fits = |name: &str| shared.name.fits(name);
                shared.kind == kind && (fits(name) || full.as_deref().is_some_and(fits))
            };
            of_all || self.shared.iter().any(fits)
        };
        names.iter().any(shared)
    }

    /// The labels by which an object of such a kind is in scope: none, if it is by its name, or everybody's.
    pub fn labels(&self, kind: ObjectKind) -> &[(String, String)] {
        match &self.by {
            By::Labels { of_images, .. } if kind == ObjectKind::Image && self.images => of_images,
            By::Labels { all, .. } if kind != ObjectKind::Image => all,
            By::Labels { .. } | By::Names(_) => &[],
        }
    }

    /// Whether anything of this name may be used, whatever it is: the name is in scope, or shared.
    pub fn names(&self, kind: ObjectKind, name: &str) -> bool {
        let fits = |name: &str| {
            let shares = |shared: &Shared| shared.kind == kind && shared.name.fits(name);
            let is_own = matches!(self.by, By::Names(_)) && self.admits(name);
            is_own || self.shared.iter().any(shares)
        };
        if kind != ObjectKind::Image {
            return fits(name);
        }
        let full = image::Name::parse(name).map(|name| name.or_latest().to_string());
        full.is_ok_and(|full| {
            let short = full.strip_prefix("docker.io/");
            let short = short.map(|short| short.strip_prefix("library/").unwrap_or(short));
            fits(&full) || short.is_some_and(fits)
        })
    }

    /// Whether an object may be given this name.
    pub fn admits(&self, name: &str) -> bool {
        match &self.by {
            By::Labels { .. } => true,
            By::Names(globs) => globs.iter().any(|glob| glob.fits(name)),
        }
    }
}

/// What an object is called, without the slash in front of a container's name. A container has the
/// names by which links lead to it too, which are not its own.
fn names_of(marks: Marks, object: &Value) -> Vec<&str> {
    let own = |name: &&str| {
        !name
            .strip_prefix('/')
            .is_some_and(|rest| rest.contains('/'))
    };
    let names: Vec<&str> = match object.at(marks.name) {
        _ if marks.name.is_empty() => Vec::new(),
        Value::List(list) => list.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let names = names.into_iter().filter(own);
    names
        .map(|name| name.strip_prefix('/').unwrap_or(name))
        .collect()
}

/// Whether a volume has the name of one that was made without a name.
pub(super) fn is_anonymous(volume: &str) -> bool {
    full_id(&volume.into()).is_some()
}

fn named(variable: &'static str, mistakes: Vec<Mistake>) -> Vec<(&'static str, Mistake)> {
    mistakes.into_iter().map(|one| (variable, one)).collect()
}

impl By {
    /// The names.
    fn globs(&self) -> &[Glob] {
        match self {
            By::Labels { .. } => &[],
            By::Names(globs) => globs,
        }
    }

    fn read(policy: &str, text: &str) -> Result<By, Vec<Mistake>> {
        let mut labels: Vec<(String, String)> = Vec::new();
        let mut names = Vec::new();
        // An entry without a word in front goes on with the names of the one before.
        let mut in_names = false;
        let mut mistakes = Vec::new();
        let entries = text.split([',', '\n']).map(str::trim);
        for entry in entries.filter(|entry| !entry.is_empty()) {
            let label = match entry.split_once(':') {
                _ if entry == "created" => Some((CREATED_BY, policy)),
                Some(("label", label)) => match label.split_once('=') {
                    // An empty value is what keeps something out of a scope.
                    Some((key, value)) if !key.is_empty() && !value.is_empty() => {
                        Some((key, value))
                    }
                    _ => {
                        mistakes.push(Mistake::new(entry, "is not a label with a value", LABEL));
                        continue;
                    }
                },
                Some(("compose", project)) if !project.is_empty() => Some((PROJECT, project)),
                Some(("name", name)) => {
                    in_names = true;
                    match limits::name(name) {
                        Ok(glob) if !name.is_empty() => names.push(glob),
                        Ok(_) => mistakes.push(Mistake::new(entry, "has no name", NAMES)),
                        Err(mistake) => mistakes.push(mistake),
                    }
                    continue;
                }
                // Images have tags.
                None | Some(_) if in_names => {
                    match limits::name(entry) {
                        Ok(glob) => names.push(glob),
                        Err(mistake) => mistakes.push(mistake),
                    }
                    continue;
                }
                _ => {
                    mistakes.push(Mistake::new(entry, "is not a scope", SCOPES));
                    continue;
                }
            };
            in_names = false;
            if let Some((key, value)) = label {
                match labels.iter().find(|(own, _)| own == key) {
                    Some((_, other)) if other != value => {
                        let help = "an object has one value for each label";
                        mistakes.push(Mistake::new(entry, "excludes another entry", help));
                    }
                    Some(_) => {}
                    None => labels.push((key.to_owned(), value.to_owned())),
                }
            }
        }
        if !labels.is_empty() && !names.is_empty() {
            let help = "use either labels or names";
            mistakes.push(Mistake::new(text, "mixes labels and names", help));
        }
        match (labels.is_empty(), names.is_empty()) {
            _ if !mistakes.is_empty() => Err(mistakes),
            (true, true) => Err(vec![Mistake::new(text, "is not a scope", SCOPES)]),
            (false, _) => Ok(By::Labels {
                of_images: labels.iter().map(of_image).collect(),
                all: labels,
            }),
            (true, false) => Ok(By::Names(names)),
        }
    }
}

/// The label of an image in place of one of all else.
fn of_image((key, value): &(String, String)) -> (String, String) {
    let key = match &**key {
        CREATED_BY => IMAGE_CREATED_BY,
        key => key,
    };
    (key.to_owned(), value.clone())
}

const SCOPES: &str = "use label:KEY=VALUE, name:NAME, compose:PROJECT or created";
const LABEL: &str = "use label:KEY=VALUE";
const NAMES: &str = "use name:NAME; * is any run of characters";

impl Shared {
    fn read(entry: &str) -> Result<Shared, Mistake> {
        const HELP: &str = "use network:NAME, volume:NAME, image:NAME, secret:NAME or config:NAME";
        let shares = |kind: &ObjectKind| {
            matches!(
                kind,
                ObjectKind::Network
                    | ObjectKind::Volume
                    | ObjectKind::Image
                    | ObjectKind::Secret
                    | ObjectKind::Config
            )
        };
        let (word, name) = entry
            .split_once(':')
            .ok_or_else(|| Mistake::new(entry, "is not something to share", HELP))?;
        let kind = ObjectKind::of(word).filter(shares);
        let kind = kind.ok_or_else(|| Mistake::new(entry, "is not something to share", HELP))?;
        if name.is_empty() {
            return Err(Mistake::new(entry, "has no name", HELP));
        }
        Ok(Shared {
            kind,
            name: limits::name(name)?,
        })
    }
}

/// As it is written: `label:team=ci`.
impl Display for Scope {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
