//! The files of certificates and keys, as one look found them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::look::bytes;

/// So many bytes may one have.
const MOST: usize = 1 << 20;

/// Each file, with what is in it or why it cannot be read.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Pems(BTreeMap<PathBuf, Result<Arc<[u8]>, String>>);

impl Pems {
    /// Reads these files.
    pub(super) fn load<'a>(paths: impl Iterator<Item = &'a Path>) -> Pems {
        Pems(paths.map(read).collect())
    }

    /// Reads the same files once more.
    pub(super) fn again(&self) -> Pems {
        Pems::load(self.0.keys().map(PathBuf::as_path))
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

fn read(path: &Path) -> (PathBuf, Result<Arc<[u8]>, String>) {
    let read = match bytes(path, MOST) {
        Ok(bytes) if bytes.len() > MOST => Err("it is larger than 1 MiB".to_owned()),
        Ok(bytes) => Ok(bytes.into()),
        Err(e) => Err(e.to_string()),
    };
    (path.to_owned(), read)
}

impl fmt::Debug for Pems {
    /// Keys are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
