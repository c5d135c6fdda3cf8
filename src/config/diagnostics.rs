//! What is wrong with a configuration, in words that say how to fix it.

use std::fmt;

use crate::policy::printable;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// dockgate starts, and mentions it at `info`.
    Note,
    /// dockgate starts, and warns.
    Warning,
    /// dockgate does not start.
    Error,
}

/// One mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The variable.
    pub variable: String,
    /// What is wrong, with the variable and its value: `LOG_LEVEL=loud is not a log level`.
    pub problem: String,
    /// What to do: `use info`; empty if the problem already says so.
    pub help: String,
    /// The variable that was probably intended, if it is another one.
    pub meant: Option<&'static str>,
}

impl Diagnostic {
    pub(super) fn error(
        variable: &str,
        problem: impl Into<String>,
        help: impl Into<String>,
    ) -> Diagnostic {
        let (variable, problem, help) = (variable.to_owned(), problem.into(), help.into());
        Diagnostic {
            severity: Severity::Error,
            variable,
            problem,
            help,
            meant: None,
        }
    }

    /// A value that cannot be read as text.
    pub(super) fn not_utf8(name: &str) -> Diagnostic {
        let problem = format!("the value of {} is not valid UTF-8", printable(name));
        Diagnostic::error(name, problem, "encode it as UTF-8")
    }

    pub(super) fn warning(
        variable: &str,
        problem: impl Into<String>,
        help: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error(variable, problem, help)
        }
    }
}

/// Why a value is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The words that follow the value: `is not a port`.
    pub(super) problem: String,
    /// What to do; empty if the problem already says so.
    pub(super) help: &'static str,
}

impl Unfit {
    pub(super) fn new(problem: impl Into<String>, help: &'static str) -> Unfit {
        let problem = problem.into();
        Unfit { problem, help }
    }

    /// The diagnostic for a setting with this value.
    pub(super) fn of(self, name: &str, value: &str) -> Diagnostic {
        let problem = format!("{name}={} {}", printable(value), self.problem);
        Diagnostic::error(name, problem, self.help)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        match self.help.as_str() {
            "" => Ok(()),
            help => write!(f, "; {help}"),
        }
    }
}
