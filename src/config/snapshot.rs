//! A snapshot of the environment and the flags. Nothing reads either afterwards.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};

use super::dialect::wollomatic::flags::{self, BadFlag};
use super::process_1;
use super::table::Setting;

/// The environment variables at startup, and the command line's flags. Names and values that are
/// not UTF-8 are kept.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    variables: BTreeMap<OsString, OsString>,
    flags: Vec<flags::Given>,
    stray: Vec<OsString>,
    /// The command line of process 1, if that is dockgate: this process or another one.
    process_1: Option<Vec<OsString>>,
}

impl Snapshot {
    /// The environment of this process, with the command line of process 1.
    pub fn of_environment() -> Snapshot {
        Snapshot {
            process_1: process_1::arguments(),
            ..env::vars_os().collect()
        }
    }

    /// Removes the flags from a command line, with what is ignored after them, and returns the
    /// rest.
    ///
    /// # Errors
    /// What is wrong with a flag.
    pub fn take_flags(
        &mut self,
        args: impl IntoIterator<Item = OsString>,
    ) -> Result<Vec<OsString>, BadFlag> {
        let flags::Taken { flags, rest, stray } = flags::take(args)?;
        self.flags.extend(flags);
        self.stray.extend(stray);
        Ok(rest)
    }

    /// Takes the flags of process 1 unless there are others: `docker exec` and health checks have
    /// the environment, but not the command line.
    pub fn take_flags_of_process_1(&mut self) {
        if let Some(arguments) = self.process_1.clone().filter(|_| self.flags.is_empty()) {
            // Process 1 has reported what is wrong with them.
            let _ = self.take_flags(arguments);
        }
    }

    /// The same, as process 1.
    #[must_use]
    pub fn of_process_1(self) -> Snapshot {
        Snapshot {
            process_1: Some(Vec::new()),
            ..self
        }
    }

    /// Whether process 1 is dockgate, so that the environment is meant for it alone.
    pub(super) fn is_of_process_1(&self) -> bool {
        self.process_1.is_some()
    }

    /// The value of a setting, with the name that sets it: the last of its flags, or its variable.
    pub(super) fn written(&self, setting: &Setting) -> Option<(String, &OsStr)> {
        let by_flag = setting.flag.and_then(|flag| {
            let last = self.flag(flag).next_back()?;
            Some((format!("-{flag}"), last))
        });
        by_flag.or_else(|| Some((setting.name.to_owned(), self.get(setting.name)?)))
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
    }

    /// The values of a flag, in order.
    pub(super) fn flag(&self, name: &str) -> impl DoubleEndedIterator<Item = &OsStr> {
        let given = self.flags.iter().filter(move |(flag, _)| *flag == name);
        given.map(|(_, value)| value.as_os_str())
    }

    /// The word at which the flags ended too early, and what followed it.
    pub(super) fn stray(&self) -> &[OsString] {
        &self.stray
    }

    /// The names that are UTF-8; no others can matter.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().filter_map(|name| name.to_str())
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Snapshot {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Snapshot {
        let variables = variables.into_iter();
        Snapshot {
            variables: variables
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            ..Snapshot::default()
        }
    }
}
