//! Policies, endpoints and clients from YAML: the file of `CONFIG_FILE`, the text of `CONFIG_DATA` or
//! the files of `CONFIG_DIR`.
//!
//! [`Origin`] reads the bytes, [`read`] makes a [`Document`] of them: what is written, and where. It
//! knows the shape of a document. What a variable's value means, and how an address is written, is
//! for those who read the same in the environment.
//!
//! Lists of middleware are kept as they are, for the dialect that reads them.
//!
//! Nothing in a document is ignored: what is unknown, not supported yet, or of no effect is a mistake.
//! All mistakes of all files are reported at once, each as `FILE:LINE: problem; remedy`.

mod document;
mod origin;
mod tree;

use std::fmt;
use std::sync::Arc;

pub use document::read;
pub(super) use origin::Chosen;
pub use origin::{Loaded, Origin, Source};
pub(super) use tree::{Entry, Node, Value};

use super::Diagnostic;
use crate::clients::Who;

/// The policy that is made of the environment's variables, if no file has one of that name.
pub const DEFAULT: &str = "default";
/// The policy that refuses everything. No file can have one of that name.
pub const NONE: &str = "none";

/// What all files together say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// In the order in which they are written. No two have the same name.
    pub policies: Vec<PolicySpec>,
    /// In the order in which they are written. No two have the same name.
    pub engines: Vec<EngineSpec>,
    /// In the order in which they are written.
    pub endpoints: Vec<EndpointSpec>,
    /// In the order in which they are written, which is the order in which they are tried. With
    /// several files that is the order of the files' names.
    pub clients: Vec<ClientSpec>,
    /// Lists of gates, mutators and response filters, in the order in which they are written.
    pub(super) middleware: Vec<MiddlewareSpec>,
}

impl Document {
    /// What is read here: all but the lists of middleware, which stay as they are for their dialect.
    #[must_use]
    pub fn without_middleware(mut self) -> Document {
        self.middleware.clear();
        for policy in &mut self.policies {
            policy.middleware.clear();
        }
        self
    }
}

/// A list of middleware, as it is written. The dialect that it belongs to reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MiddlewareSpec {
    /// `gates`, `mutators` or `responseFilters`.
    pub(super) key: &'static str,
    /// What messages call it: `gates`, `policies.ci.gates`.
    pub(super) what: String,
    /// Where it begins.
    pub(super) place: Place,
    /// What is written for it.
    pub(super) value: Node,
}

/// A policy: a name and its variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySpec {
    /// Letters, digits, `-`, `_` and `.`; not `none`.
    pub name: String,
    /// Where the policy begins.
    pub place: Place,
    /// In the order in which they are written. No two have the same name.
    pub variables: Vec<VariableSpec>,
    /// Whether a label on a client's container may choose it.
    pub by_label: bool,
    /// Its lists of gates and mutators.
    pub(super) middleware: Vec<MiddlewareSpec>,
}

/// A variable of a policy, as it is written: YAML's `1` and `"1"` are the same text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableSpec {
    /// Its name: upper-case letters first, not one that belongs to the whole process.
    pub name: String,
    /// Its value, without NUL.
    pub value: String,
    /// Where it is set.
    pub place: Place,
}

/// An engine besides that of the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSpec {
    /// Letters, digits, `-`, `_` and `.`; not `default`.
    pub name: String,
    /// Where the entry begins.
    pub place: Place,
    /// Where it is, as `SOCKET_PATH` has it.
    pub address: Written,
    /// The file of the authority of its certificate.
    pub ca: Option<Written>,
    /// The file of dockgate's own certificate.
    pub cert: Option<Written>,
    /// The file of the key of that.
    pub key: Option<Written>,
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSpec {
    /// One address, as an item of `LISTEN` has it.
    pub listen: Written,
    /// A Unix socket's mode, as `LISTEN_MODE` has it.
    pub mode: Option<Written>,
    /// The policy of clients that no rule is for.
    pub policy: Option<Written>,
    /// The engine of policies that name none.
    pub engine: Option<Written>,
    /// The files of TLS, if it is spoken there.
    pub tls: Option<TlsSpec>,
    /// Where the entry begins.
    pub place: Place,
}

/// The files of TLS, and whom they ask for a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSpec {
    /// The certificate's.
    pub cert: Written,
    /// Its key's.
    pub key: Written,
    /// Of who vouches for clients.
    pub client_ca: Option<Written>,
    /// `required` or `optional`.
    pub client_auth: Option<Written>,
}

/// A rule: which policy holds for which clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSpec {
    /// The clients.
    pub who: Who,
    /// The policy's name.
    pub policy: Written,
    /// Where the entry begins.
    pub place: Place,
}

/// A value, and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// As it is written.
    pub text: String,
    /// Where.
    pub place: Place,
}

/// A line of a file: `/etc/dockgate.yml:7`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's path, or `CONFIG_DATA`; on one line in any case.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Files that dockgate does not start with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong with them; in the order of the files and their lines.
    pub mistakes: Vec<Diagnostic>,
    /// The rest of what they say: to find more mistakes in, not to start with.
    pub rest: Box<Document>,
}

impl Place {
    /// A mistake here. `what` is the thing that it is in: `policies.ci.PING`.
    pub(super) fn mistake(
        &self,
        what: &str,
        problem: impl fmt::Display,
        help: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic::error(what, format!("{self}: {problem}"), help)
    }
}
