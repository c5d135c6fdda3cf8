//! The ways of writing a policy. Each is lowered to rules, or to an allowlist of patterns.
//!
//! A dialect is active when one of its granting variables or flags is set, to whatever value; the
//! section variables also when no other is. What the active ones allow adds up, and any deny wins.
//! The actions (`ALLOW_x`, `DENY_x`) hold beside any dialect and bring no defaults with them.

pub(super) mod presets;
pub(super) mod profile;
pub(super) mod regexes;
pub(super) mod sections;
mod unmatched;
pub(super) mod written;

use crate::policy::Reached;

/// The routes that a pattern can match.
pub type Reach = Vec<Reached<'static>>;

/// A pattern as somebody wrote it.
#[derive(Debug)]
pub struct Line {
    /// As verdicts name it: `SP_ALLOW_GET_1`.
    pub origin: String,
    /// The methods that it allows.
    pub methods: String,
    /// What it allows them on.
    pub pattern: String,
    /// The routes that it can match with these methods.
    pub reach: Reach,
}
