//! The ways of writing a policy. Each is lowered to rules, or to an allowlist of patterns.
//!
//! A dialect is active when one of its granting variables or flags is set, to whatever value; the
//! section variables also when no other is. What the active ones allow adds up, and any deny wins.
//! The actions (`ALLOW_x`, `DENY_x`) hold beside any dialect and bring no defaults with them.
//!
//! Each is a folder of one shape: a type that reads its variables and says what is wrong with them,
//! and that is a [`Source`] of the policy.

pub(super) mod knrdl;
pub(super) mod presets;
pub(super) mod sections;
mod unmatched;
pub(super) mod wollomatic;

use super::diagnostics::Diagnostic;
use crate::policy::{Allowlist, Reached, Rule};

/// What one dialect says, and what it is lowered to.
pub(crate) trait Source {
    /// As `check` names it.
    fn name(&self) -> &'static str;

    /// Whether any of its granting variables or flags is set.
    fn active(&self) -> bool;

    /// What it grants, in its own words.
    fn contributes(&self) -> Vec<String>;

    /// The rules that it is lowered to.
    fn rules(&self) -> Vec<Rule> {
        Vec::new()
    }

    /// The allowlist that it is lowered to.
    fn allowlist(&self) -> Result<Option<Allowlist>, Diagnostic> {
        Ok(None)
    }

    /// Whether a pattern can be offered to those whose request is denied.
    fn has_patterns(&self) -> bool {
        false
    }

    /// Its patterns as they are written.
    fn lines(&self) -> &[PatternLine] {
        &[]
    }
}

/// The routes that a pattern can match.
pub type Reach = Vec<Reached<'static>>;

/// A pattern as somebody wrote it.
#[derive(Debug)]
pub struct PatternLine {
    /// As verdicts name it: `SP_ALLOW_GET_1`.
    pub origin: String,
    /// The methods that it allows.
    pub methods: String,
    /// What it allows them on.
    pub pattern: String,
    /// The routes that it can match with these methods.
    pub reach: Reach,
}
