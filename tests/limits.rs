//! The limits, the mutators and the settings are the same variables.

use dockgate::body::edits;
use dockgate::body::limits::Limits;
use dockgate::config::{Dialect, SETTINGS};

/// Until a limit is enforced, its setting keeps dockgate from starting.
#[test]
fn each_limit_is_a_setting_that_is_not_ignored() {
    let unsupported = SETTINGS
        .iter()
        .filter(|one| one.dialect == Dialect::Sections && !one.supported);
    let names: Vec<&str> = unsupported.map(|one| one.name).collect();
    assert_eq!(names, Limits::VARIABLES);
}

/// The same for mutators.
#[test]
fn each_mutator_is_a_setting_that_is_not_ignored() {
    let unsupported = SETTINGS
        .iter()
        .filter(|one| one.dialect == Dialect::Mikesir87 && !one.supported);
    let names: Vec<&str> = unsupported.map(|one| one.name).collect();
    assert_eq!(names, edits::VARIABLES);
}
