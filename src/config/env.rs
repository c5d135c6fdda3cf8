//! One snapshot of the environment. Nothing reads the environment after it.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
};

/// The environment's variables at start. A name or value that is not UTF-8 is kept, not a panic.
#[derive(Clone, Debug, Default)]
pub struct Snapshot(BTreeMap<OsString, OsString>);

impl Snapshot {
    /// The environment of this process.
    pub fn of_environment() -> Snapshot {
        env::vars_os().collect()
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The names that are UTF-8; no other can be one that matters.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|name| name.to_str())
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Snapshot {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Snapshot {
        Snapshot(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}
