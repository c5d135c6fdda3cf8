//! One policy of a file: its variables as a snapshot that has nothing else, so that they are read as
//! those of the environment are; and what is wrong with them, with its place.
//!
//! Two things differ. A variable that is not written is 0, whatever its default. And the value of one
//! that is 0 or 1 has to be written plainly: where the environment's readings warn, a file is refused.

use std::sync::Arc;

use super::deny_root::DENY_ROOT;
use super::diagnostics::Diagnostic;
use super::dialect::sections::Grants;
use super::file::{Place, PolicySpec};
use super::names;
use super::snapshot::Snapshot;
use crate::policy::{Unprotected, printable};

/// A policy of a file.
pub(super) struct Scope<'a>(pub(super) &'a PolicySpec);

impl Scope<'_> {
    /// What its denials call it: `policies.ci in /etc/dockgate.yml:3`.
    pub(super) fn label(name: &str, place: &Place) -> Arc<str> {
        format!("policies.{name} in {place}").into()
    }

    /// Its variables, of which those that are 0 or 1 are just that.
    pub(super) fn snapshot(&self, diagnostics: &mut Vec<Diagnostic>) -> Snapshot {
        let mut variables = Vec::new();
        for variable in &self.0.variables {
            let name = variable.name.as_str();
            if let Some(unknown) = names::unknown_in_file(name) {
                diagnostics.push(unknown);
                continue;
            }
            let value = match (is_switch(name), variable.value.as_str()) {
                (false, value) => value,
                (true, "1" | "true") => "1",
                (true, "0" | "false") => "0",
                (true, value) => {
                    let problem = format!("{name} must be 0, 1, true or false, not {}", {
                        printable(value)
                    });
                    diagnostics.push(Diagnostic::error(name, problem, ""));
                    continue;
                }
            };
            variables.push((name, value));
        }
        Snapshot::of_file(variables)
    }

    /// A mistake in one of its variables, with its full name and its place.
    pub(super) fn place(&self, mistake: Diagnostic) -> Diagnostic {
        let PolicySpec {
            name,
            place,
            variables,
            ..
        } = self.0;
        let mut own = variables.iter();
        let own = own.find(|variable| variable.name == mistake.variable);
        let place = own.map_or(place, |variable| &variable.place);
        let problem = match mistake.problem.strip_prefix(&*mistake.variable) {
            Some(rest) if own.is_some() => format!("policies.{name}.{}{rest}", mistake.variable),
            _ => format!("policies.{name}: {}", mistake.problem),
        };
        Diagnostic {
            problem: format!("{place}: {problem}"),
            policy: Some(name.as_str().into()),
            ..mistake
        }
    }
}

/// Whether a variable is 0 or 1.
fn is_switch(name: &str) -> bool {
    let mut grants = Grants::variables();
    let mut waivers = Unprotected::ALL.iter();
    name == DENY_ROOT
        || grants.any(|(known, _)| known == name)
        || waivers.any(|why| why.variable() == name)
}
