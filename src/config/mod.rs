//! The environment and the flags as typed settings and a policy. Decides nothing about requests.
//!
//! All mistakes are collected and reported at once. An invalid configuration does not start.

mod bearing;
mod consequences;
mod deny_root;
mod diagnostics;
mod dialect;
pub mod file;
mod limits;
mod listen;
mod look;
mod names;
mod near;
mod nevertheless;
mod paths;
mod pems;
mod policies;
mod process_1;
mod rules;
mod scope;
mod settings;
mod shown;
mod snapshot;
mod sources;
mod table;
mod unmapped;
mod values;
mod versions;
mod waiver;

pub use crate::clients::AllowFrom;
pub(crate) use deny_root::rules as root_rules;
pub use diagnostics::{Diagnostic, Severity};
pub use dialect::knrdl::Profile;
pub use dialect::mikesir87::Middleware;
pub use dialect::presets::{PRESETS, Piece, Preset, PresetOption, Presets, UnderDenyRoot};
pub(crate) use dialect::sections::POST;
pub use dialect::sections::{Grants, Switch};
pub use dialect::wollomatic::flags::{BadFlag, COMMANDS};
pub use dialect::wollomatic::listener::Watchdog;
pub use dialect::wollomatic::written::patterns;
pub use dialect::wollomatic::{REACH, Regexes};
pub use dialect::{PatternLine, Reach};
pub use listen::Listen;
pub use look::Look;
pub use paths::shown_path;
pub use policies::{Policies, PolicyId};
pub use rules::RuleOn;
pub use settings::{Endpoint, Lasting, Process, Reloaded, Settings, origin_of};
pub use snapshot::Snapshot;
pub use sources::{ConfiguredPolicy, Sources};
pub use table::{Dialect, SETTINGS, Setting};
pub use unmapped::UNMAPPED;
pub use values::LogLevel;
pub use waiver::Waiver;
