//! What the fuzz targets share: the models from the tests, and policies to decide by.

#![allow(dead_code, reason = "each target uses its own part of this")]

#[path = "../../../tests/support/naive.rs"]
pub(crate) mod naive;
#[path = "../../../tests/support/router.rs"]
pub(crate) mod router;

use std::collections::BTreeSet;

use dockgate::config::{Settings, Snapshot};
use router::{Asked, VARIABLES};

/// Settings, with the variables that are granted in them.
pub(crate) struct Granted {
    on: BTreeSet<&'static str>,
    pub(crate) settings: Settings,
}

impl Granted {
    /// Exactly these variables.
    fn new(on: BTreeSet<&'static str>) -> Granted {
        let value = |name| if on.contains(name) { "1" } else { "0" };
        let switches = VARIABLES
            .iter()
            .map(|(name, _)| (*name, value(*name).to_owned()));
        // Where the target that needs an engine has its own.
        let engine = format!("/tmp/dockgate-fuzz-{}.sock", std::process::id());
        let snapshot: Snapshot = switches.chain([("SOCKET_PATH", engine)]).collect();
        let settings = Settings::load(&snapshot).expect("a configuration that starts");
        Granted { on, settings }
    }

    /// Whether that is meant to grant it.
    pub(crate) fn grants(&self, asked: Asked<'_>) -> bool {
        asked.is_granted(|name| self.on.contains(name))
    }

    /// Whether its sections are, whatever the actions do.
    pub(crate) fn sections_grant(&self, asked: Asked<'_>) -> bool {
        asked.by_section(|name| self.on.contains(name))
    }
}

/// Nothing, everything, and for each variable: it alone, it with POST, all but it.
pub(crate) fn policies() -> Vec<Granted> {
    let all: BTreeSet<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
    let mut sets = vec![BTreeSet::new(), all.clone()];
    for name in &all {
        sets.push([*name].into());
        sets.push([*name, "POST"].into());
        sets.push(all.iter().copied().filter(|other| other != name).collect());
    }
    sets.into_iter().map(Granted::new).collect()
}
