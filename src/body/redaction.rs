//! `REDACT` and `REDACT_ENV`: what of the engine's answers clients are not told.

use super::json::Value;
use super::limits::Mistake;

/// What stands in place of a value.
pub const PLACEHOLDER: &str = "[redacted by dockgate]";

/// What is redacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {}

impl Redaction {
    /// Reads `REDACT` and `REDACT_ENV`.
    ///
    /// # Errors
    /// All that is wrong with them, with the variable.
    pub fn read(
        redact: &str,
        environment: Option<&str>,
    ) -> Result<Redaction, Vec<(&'static str, Mistake)>> {
        let _ = environment;
        Err(vec![("REDACT", Mistake::new(redact, "is unknown", ""))])
    }

    /// Redacts the answer to a request for this.
    pub fn apply(&self, target: &crate::api::Target, tree: &mut Value) {
        let _ = (target, tree);
    }

    /// Whether a body brings back what was redacted before: where.
    pub fn returned(tree: &Value) -> Option<String> {
        let mut found = None;
        let _ = (tree, &mut found);
        found
    }
}
