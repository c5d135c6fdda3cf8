//! The environment as typed settings and rules. Decides nothing about requests.
//!
//! Every mistake is collected and told at once. Bad configuration does not start.

mod diagnostics;
mod dialect;
mod env;
mod names;
mod settings;

pub use diagnostics::{Diagnostic, Severity};
pub use dialect::sections::{Grants, Switch};
pub use env::Snapshot;
pub use settings::{Listen, LogLevel, Settings, VARIABLES, Variable};
