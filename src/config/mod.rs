//! The environment as typed settings and rules. Decides nothing about requests.
//!
//! Every mistake is collected and told at once. Bad configuration does not start.

mod clients;
mod consequences;
mod diagnostics;
mod dialect;
mod env;
mod flags;
mod names;
mod settings;
mod socket_proxy;

pub use clients::AllowFrom;
pub use diagnostics::{Diagnostic, Severity};
pub use dialect::presets::{Extra, PRESETS, Piece, Preset, Presets};
pub use dialect::profile::{PROFILE_VARIABLES, Profile};
pub use dialect::regexes::Regexes;
pub(crate) use dialect::sections::POST;
pub use dialect::sections::{Grants, Switch};
pub use dialect::written::patterns;
pub use dialect::{Line, Reach};
pub use env::Snapshot;
pub use flags::{FLAGS, Flag};
pub use settings::{Listen, LogLevel, Settings, VARIABLES, Variable};
pub use socket_proxy::Watchdog;
