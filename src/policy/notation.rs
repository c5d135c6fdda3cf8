//! How a grant is written where the policy is.

use std::fmt::Display;

/// Where the variables of a policy are, which decides how one is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Notation {
    /// In the environment: `ALLOW_START=1`.
    #[default]
    Environment,
    /// In a YAML file: `ALLOW_START: 1`.
    File,
}

impl Notation {
    /// A variable with its value, to be copied to where the policy is.
    pub fn set(self, variable: &str, value: impl Display) -> String {
        match self {
            Notation::Environment => format!("{variable}={value}"),
            Notation::File => format!("{variable}: {value}"),
        }
    }
}
