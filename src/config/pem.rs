//! Certificates and keys in files, as one look found them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::look::bytes;

/// So many bytes may a file have. The certificates of all public authorities are a quarter of it.
const MOST: usize = 1 << 20;

/// What is in the files that a configuration names, or why they cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pems(BTreeMap<PathBuf, Result<Vec<u8>, String>>);

impl Pems {
    /// Reads these files.
    pub(super) fn load<'a>(paths: impl Iterator<Item = &'a Path>) -> Pems {
        let read = |path: &Path| {
            let bytes = bytes(path, MOST).map_err(|error| error.to_string())?;
            match bytes.len() > MOST {
                true => Err(format!("it is larger than {} KiB", MOST >> 10)),
                false => Ok(bytes),
            }
        };
        Pems(paths.map(|path| (path.to_owned(), read(path))).collect())
    }

    /// Reads the same files anew.
    pub(super) fn again(&self) -> Pems {
        Pems::load(self.0.keys().map(PathBuf::as_path))
    }

    /// What is in one of them.
    pub(super) fn get(&self, path: &Path) -> Result<&[u8], &str> {
        match self.0.get(path) {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(error)) => Err(error),
            None => Err("it was not read"),
        }
    }

    /// Every file.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.0.keys().cloned()
    }
}
