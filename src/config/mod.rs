//! The environment as typed settings and rules. Decides nothing about requests.
//!
//! Every mistake is collected and told at once. Bad configuration does not start.

mod bearing;
mod clients;
mod consequences;
mod diagnostics;
mod dialect;
mod env;
pub mod file;
mod flags;
mod names;
mod near;
mod paths;
mod settings;
mod socket_proxy;
mod stray;

pub use clients::AllowFrom;
pub use diagnostics::{Diagnostic, Severity};
pub use dialect::presets::{Extra, PRESETS, Piece, Preset, Presets};
pub use dialect::profile::{PROFILE_VARIABLES, Profile};
pub use dialect::regexes::{REACH, Regexes};
pub(crate) use dialect::sections::POST;
pub use dialect::sections::{Grants, Switch};
pub use dialect::written::patterns;
pub use dialect::{Line, Reach};
pub use env::Snapshot;
pub use flags::{COMMANDS, FLAGS, Flag};
pub use paths::shown_path;
pub use settings::{Listen, LogLevel, Settings, VARIABLES, Variable};
pub use socket_proxy::Watchdog;
