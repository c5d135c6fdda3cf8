//! Gates, mutators and response filters from a YAML document, as mikesir87/docker-socket-proxy reads
//! them: `gates`, `mutators` and `responseFilters`, each a list of entries with a `type`.
//!
//! Several documents are one: their lists are joined in the order of the files. Where that proxy
//! starts without what it does not know, dockgate does not start.

mod entries;
#[cfg(test)]
mod tests;

use super::Diagnostic;
use crate::body::draft::Act;
use crate::body::edits::Mutator;
use crate::body::gates::Gate;
use crate::config::Listen;
use crate::config::file::{Document, MiddlewareSpec, PolicySpec, Value};
use crate::config::table::Values;
use entries::Reading;

/// What a document's middleware does to requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Middleware {
    /// What is changed, in this order, before the gates judge it.
    pub mutators: Vec<Mutator>,
    /// What is refused.
    pub gates: Vec<Gate>,
}

impl Middleware {
    /// The middleware at the top of a document, if it has any, even empty lists of it.
    ///
    /// # Errors
    /// All mistakes in it.
    pub fn of(document: &Document) -> Result<Option<Middleware>, Vec<Diagnostic>> {
        Middleware::read(&document.middleware)
    }

    /// That of a policy.
    pub(in crate::config) fn of_policy(
        policy: &PolicySpec,
    ) -> Result<Option<Middleware>, Vec<Diagnostic>> {
        Middleware::read(&policy.middleware)
    }

    fn read(specs: &[MiddlewareSpec]) -> Result<Option<Middleware>, Vec<Diagnostic>> {
        if specs.is_empty() {
            return Ok(None);
        }
        let (mut middleware, mut mistakes) = (Middleware::default(), Vec::new());
        for spec in specs {
            let mut reading = Reading {
                file: &spec.place.file,
                mistakes: &mut mistakes,
            };
            middleware.add(spec, &mut reading);
        }
        match mistakes.is_empty() {
            true => Ok(Some(middleware)),
            false => Err(mistakes),
        }
    }

    /// Whether a mutator or a gate looks at the body of such a request.
    pub fn reads_body(&self, act: &Act) -> bool {
        let edited = self.mutators.iter().any(|one| one.concerns(act));
        let judged = self.gates.iter().any(|one| one.reads_body(act));
        act.body().is_some() && edited || judged
    }

    fn add(&mut self, spec: &MiddlewareSpec, reading: &mut Reading<'_>) {
        let items = match &spec.value.value {
            Value::List(items) => items,
            Value::Refused => return,
            _ => {
                let problem = format!("{} must be a list", spec.what);
                let help = "begin each entry with a hyphen, or use [] for none";
                return reading.mistake(spec.place.line, &spec.what, problem, help);
            }
        };
        for (number, item) in items.iter().enumerate() {
            let what = format!("{}[{number}]", spec.what);
            match spec.key {
                "gates" => self.gates.extend(reading.gate(item, &what)),
                "mutators" => self.mutators.extend(reading.mutator(item, &what)),
                _ => reading.filter(item, &what),
            }
        }
    }
}

/// The folder that is read if no variable says where the documents are.
pub(in crate::config) const FOLDER: &str = "/etc/docker-socket-proxy/config.d";

/// The mode of its socket: whoever can reach that may connect, as there.
pub(in crate::config) const MODE: u32 = 0o666;

/// Where to listen, if its variable says so, or if middleware is `alone`: without a word, that opens
/// no port.
pub(in crate::config) fn listen(values: &Values, alone: bool) -> Option<Listen> {
    let own = &values.listen_socket_path;
    own.get().filter(|_| own.by.is_some() || alone).cloned()
}

/// Whether documents have middleware and nothing of dockgate's own.
pub(in crate::config) fn is_alone(document: &Document) -> bool {
    let own = (
        document.policies.len(),
        document.endpoints.len(),
        document.clients.len(),
    );
    !document.middleware.is_empty() && own == (0, 0, 0)
}

/// Why dockgate does not start with a document's middleware yet: no request is held to it. This is
/// the only place that says so.
pub(in crate::config) fn unsupported(document: &Document) -> impl Iterator<Item = Diagnostic> {
    let policies = document.policies.iter();
    let of_policies = policies.flat_map(|policy| &policy.middleware);
    document.middleware.iter().chain(of_policies).map(|spec| {
        let problem = format!(
            "{} is not supported yet; dockgate does not start with a rule that it cannot apply",
            spec.what
        );
        spec.place.mistake(&spec.what, problem, "remove it")
    })
}
