//! `API_VERSION_MIN` and `API_VERSION_MAX`: which versions of the API clients are told, and what becomes
//! of a request for a version that is too old for the engine.
//!
//! Such a request is raised to the engine's lowest version before anything decides on it: its path, and
//! what the older version would have read in its query. What the older version would have read in its
//! body is written in once that is read, before anything else looks at it. So verdicts are about what is
//! forwarded. What differs between versions is data, in `table`.

mod query;
mod table;
#[cfg(test)]
mod tests;

use super::draft::Draft;
use super::facts::{Answer, Fact, Facts};
use super::json::Value;
use super::limits::Mistake;
use crate::api::{Target, Version};
use table::{BODIES, Difference, Older};

/// The versions within which clients are told the engine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    min: Option<Version>,
    max: Option<Version>,
}

/// The name of the lower bound.
pub const MIN: &str = "API_VERSION_MIN";
/// The name of the upper bound.
pub const MAX: &str = "API_VERSION_MAX";
/// What was older had bodies and rules of another kind, which no engine of today knows.
const LOWEST: Version = Version(1, 24);

impl Bounds {
    /// Reads both variables, of which at least one is there.
    ///
    /// # Errors
    /// All that is wrong with them, with the variable.
    pub fn read(
        min: Option<&str>,
        max: Option<&str>,
    ) -> Result<Bounds, Vec<(&'static str, Mistake)>> {
        let mut mistakes = Vec::new();
        let mut bound = |name, text: Option<&str>| {
            let read = version(text?);
            read.map_err(|mistake| mistakes.push((name, mistake))).ok()
        };
        let bounds = Bounds {
            min: bound(MIN, min),
            max: bound(MAX, max),
        };
        if let (Some(min), Some(max)) = (bounds.min, bounds.max)
            && max < min
        {
            let help = format!("set {MAX} to {min} or higher, or lower {MIN}");
            let problem = format!("is lower than {MIN}, which is {min}");
            mistakes.push((MAX, Mistake::new(&max.to_string(), &problem, help)));
        }
        match mistakes.is_empty() {
            true => Ok(bounds),
            false => Err(mistakes),
        }
    }

    /// Whether a request is raised if its version is too old for the engine.
    pub fn cover(&self, target: &Target) -> bool {
        let Some(min) = self.min else { return false };
        let asked = target.version();
        asked.is_some_and(|asked| min <= asked && self.reach(asked))
    }

    /// Whether a version is not above the upper bound.
    fn reach(&self, version: Version) -> bool {
        self.max.is_none_or(|max| version <= max)
    }

    /// The request for an engine whose lowest version is this: itself, unless its version is lower and
    /// covered. What cannot be raised stays as it is, and the engine refuses it.
    #[must_use]
    pub fn raise(&self, target: Target, lowest: Version) -> Target {
        match target.version() {
            Some(asked) if asked < lowest && self.cover(&target) && self.reach(lowest) => {
                query::raised(&target, asked, lowest).unwrap_or(target)
            }
            _ => target,
        }
    }

    /// What clients are told in place of the engine's newest version.
    pub fn newest(&self, engine: Version) -> Version {
        self.max.map_or(engine, |max| max.min(engine))
    }

    /// Puts what clients are told into an answer to `GET /version`.
    pub(super) fn tell(&self, answer: &mut Value) {
        self.tell_in(answer);
        answer.each_mut("Components[].Details", &mut |_, details| {
            self.tell_in(details);
        });
    }

    fn tell_in(&self, told: &mut Value) {
        let of = |key| told.at(key).as_str().and_then(stated);
        let (newest, oldest) = (of("ApiVersion"), of("MinAPIVersion"));
        let Some(newest) = newest.map(|newest| self.newest(newest)) else {
            return;
        };
        let Some(object) = told.object_mut() else {
            return;
        };
        object.set("ApiVersion", newest.to_string());
        if let (Some(_), Some(min)) = (oldest, self.min) {
            object.set("MinAPIVersion", min.min(newest).to_string());
        }
    }

    /// `clients see API versions from 1.24 to 1.44; requests for an older version than the engine
    /// accepts are raised to its lowest`
    pub fn told(&self) -> String {
        let raised =
            "requests for an older version than the engine accepts are raised to its lowest";
        match (self.min, self.max) {
            (Some(min), Some(max)) => {
                format!("clients see API versions from {min} to {max}; {raised}")
            }
            (Some(min), None) => format!("clients see API versions from {min}; {raised}"),
            (_, max) => {
                let max = max.map_or(String::new(), |max| format!(" up to {max}"));
                format!("clients see API versions{max}")
            }
        }
    }
}

/// A version as a policy writes it.
fn version(text: &str) -> Result<Version, Mistake> {
    let text = text.trim();
    let help = "use a version such as 1.44";
    match stated(text) {
        None => Err(Mistake::new(
            text,
            "is not a version of the Docker API",
            help,
        )),
        Some(version) if version < LOWEST => {
            let problem =
                format!("is lower than {LOWEST}, the lowest version that dockgate can raise");
            Err(Mistake::new(
                text,
                &problem,
                format!("use {LOWEST} or higher, and quote it in YAML, where 1.40 is 1.4"),
            ))
        }
        Some(version) => Ok(version),
    }
}

/// A version that is written in one way: `1.44`.
pub fn stated(text: &str) -> Option<Version> {
    let version = Version::parse(text);
    (version.to_string() == text && version.0 == 1).then_some(version)
}

/// The engine's lowest version, if it says one.
pub fn lowest(answer: &Answer) -> Option<Version> {
    stated(answer.found()?.at("MinAPIVersion").as_str()?)
}

/// What is written into a body.
fn differences(
    draft: &Draft,
    asked: Version,
    now: Version,
) -> impl Iterator<Item = &'static Older> {
    let route = draft.body().map(|body| body.route.text);
    let own = BODIES.iter().filter(move |(routes, _)| {
        let mut routes = routes.iter();
        routes.any(|one| Some(*one) == route)
    });
    own.flat_map(|(_, all)| *all)
        .filter(move |one| asked < one.since && one.since <= now)
}

/// Whether a body is another one to the older version.
pub(super) fn reads(draft: &Draft, asked: Version, now: Version) -> bool {
    differences(draft, asked, now).next().is_some()
}

/// Writes into a body what it meant to the version that was asked for. `keeps` is whether no default may be
/// written in that a judge would refuse.
///
/// # Errors
/// What the engine must be asked first, or what the newer version has no word for.
pub(super) fn write(
    draft: &mut Draft,
    (asked, now): (Version, Version),
    keeps: bool,
    facts: &Facts,
) -> Result<(), Unwritten> {
    let all: Vec<&Older> = differences(draft, asked, now).collect();
    let tree = draft.tree_mut();
    if tree.as_object().is_none() {
        return Ok(());
    }
    for older in all {
        let place = older.place;
        match older.difference {
            Difference::Ignored => tree.each_mut(place, &mut |_, value| *value = Value::Null),
            Difference::Default(default) => fill(tree, place, default),
            Difference::DefaultOnCgroupV1(default) => {
                if !keeps && tree.at(place).is_empty() {
                    let info = facts
                        .answer(&Fact::Info)
                        .ok_or(Unwritten::Asks(Fact::Info))?;
                    let version = info.found().map(|info| info.at("CgroupVersion"));
                    if version.and_then(Value::as_str) == Some("1") {
                        fill(tree, place, default);
                    }
                }
            }
            Difference::OnlyOf { kind, options } => tree.each_mut(place, &mut |_, item| {
                let is_other = item.at("Type").as_str() != Some(kind);
                if let Some(item) = item.object_mut().filter(|_| is_other) {
                    item.remove(options);
                }
            }),
            Difference::OnReadOnlyBinds(option) => tree.each_mut(place, &mut |_, item| {
                let is_bind = item.at("Type").as_str() == Some("bind");
                if is_bind
                    && item.at("ReadOnly").as_bool() == Some(true)
                    && let Some(options) = item.at_mut("BindOptions").and_then(Value::object_mut)
                {
                    options.set(option, true);
                }
            }),
            Difference::Instead(of) => {
                if tree.at(place).is_empty() {
                    let own = tree.at(of).clone();
                    if let (false, Some(value)) = (own.is_empty(), tree.at_mut(place)) {
                        *value = own;
                    }
                }
                if let Some(root) = tree.object_mut() {
                    root.remove(of);
                }
            }
            Difference::Gone => {
                let value = tree.at(place);
                if !value.is_empty() {
                    return Err(Unwritten::Gone(place, value.shown(), older.since));
                }
            }
        }
    }
    Ok(())
}

/// Why nothing can be written in now.
#[derive(Debug)]
pub(super) enum Unwritten {
    /// The engine must be asked this first.
    Asks(Fact),
    /// This value at this place has no counterpart since this version.
    Gone(&'static str, String, Version),
}

fn fill(tree: &mut Value, place: &'static str, default: &str) {
    if let Some(value) = tree.at_mut(place).filter(|value| value.is_empty()) {
        *value = default.into();
    }
}
