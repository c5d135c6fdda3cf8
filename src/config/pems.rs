//! The files of certificates and keys, as one look found them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::Document;
use super::look::bytes;
use super::snapshot::Snapshot;

/// The variables that name such a file.
pub(super) const VARIABLES: [&str; 3] = ["TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA"];
/// So many bytes may one have.
const MOST: usize = 1 << 20;

/// Each file, with what is in it or why it cannot be read.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Pems(BTreeMap<PathBuf, Result<Arc<[u8]>, String>>);

impl Pems {
    /// Reads the files that endpoints of the document, and the environment, name.
    pub(super) fn load(document: &Document, environment: &Snapshot) -> Pems {
        let specs = document.endpoints.iter().filter_map(|one| one.tls.as_ref());
        let of_specs = specs.flat_map(|tls| {
            let ca = tls.client_ca.iter();
            ca.chain([&tls.cert, &tls.key])
                .map(|one| PathBuf::from(&one.text))
        });
        let variables = VARIABLES.iter().filter_map(|name| environment.get(name));
        let named = variables.filter(|path| !path.is_empty()).map(PathBuf::from);
        Pems(of_specs.chain(named).map(read).collect())
    }

    /// Reads the same files once more.
    pub(super) fn again(&self) -> Pems {
        Pems(self.files().map(read).collect())
    }

    /// What is in a file.
    pub(super) fn get(&self, path: &Path) -> Result<&[u8], &str> {
        match self.0.get(path) {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(why)) => Err(why),
            None => Err("it was not there at the last look"),
        }
    }

    /// All of them.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.0.keys().cloned()
    }
}

fn read(path: PathBuf) -> (PathBuf, Result<Arc<[u8]>, String>) {
    let read = match bytes(&path, MOST) {
        Ok(bytes) if bytes.len() > MOST => Err("it is larger than 1 MiB".to_owned()),
        Ok(bytes) => Ok(bytes.into()),
        Err(e) => Err(e.to_string()),
    };
    (path, read)
}

impl fmt::Debug for Pems {
    /// Keys are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
