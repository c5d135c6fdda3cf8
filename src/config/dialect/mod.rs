//! The ways of writing a policy. Each is lowered to rules, or to an allowlist of patterns.
//!
//! A dialect is active if one of its granting variables or flags is set, to any value; the section
//! variables are also active if no other dialect is. Allows add up, and any deny overrides them.
//! The actions (`ALLOW_x`, `DENY_x`) work next to any dialect and do not activate any defaults.
//!
//! Each dialect is a folder of the same shape: a type that reads its variables, reports what is
//! wrong with them, and is a [`Source`] of the policy.

pub(super) mod cetusguard;
pub(super) mod knrdl;
pub(super) mod mikesir87;
pub(super) mod presets;
pub(super) mod sections;
mod unmatched;
pub(super) mod wollomatic;

use super::diagnostics::Diagnostic;
use crate::policy::{Allowlist, Reached, Rule};

/// One dialect's part of a policy, and what it is lowered to.
pub(crate) trait Source {
    /// Its name in `check`.
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

    /// Whether a denial can suggest a pattern of this dialect.
    fn has_patterns(&self) -> bool {
        false
    }

    /// Its patterns as written.
    fn lines(&self) -> &[PatternLine] {
        &[]
    }
}

/// The routes that a pattern can match.
pub type Reach = Vec<Reached<'static>>;

/// A pattern as written.
#[derive(Debug)]
pub struct PatternLine {
    /// Its name in verdicts: `SP_ALLOW_GET_1`.
    pub origin: String,
    /// The methods that it allows.
    pub methods: String,
    /// The pattern.
    pub pattern: String,
    /// The routes that it can match with these methods.
    pub reach: Reach,
}
