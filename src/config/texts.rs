//! The texts of the files that dialects have besides the documents: profiles, and files of rules.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::look::bytes;
use super::paths::shown_path;

/// Longer than any such file that is written by hand.
const LONGEST: usize = 1 << 20;
/// So many files are read.
const MOST: usize = 256;

/// The texts of files, or why there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts(BTreeMap<PathBuf, Result<String, Unread>>);

/// Why a file could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unread {
    pub(super) problem: String,
    pub(super) is_absent: bool,
}

impl Texts {
    /// Reads these files.
    pub(super) fn load(paths: impl Iterator<Item = PathBuf>) -> Texts {
        let paths: BTreeSet<PathBuf> = paths.collect();
        let texts = paths.into_iter().enumerate().map(|(index, path)| {
            let text = match index < MOST {
                true => text(&path),
                false => Err(Unread::new(format!("more than {MOST} files are used"))),
            };
            (path, text)
        });
        Texts(texts.collect())
    }

    /// The same ones, read once more.
    pub(super) fn again(&self) -> Texts {
        Texts::load(self.0.keys().cloned())
    }

    /// The files, whether they are there or not.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.0.keys().cloned()
    }

    /// A file's text.
    pub(super) fn text(&self, path: &Path) -> Result<&str, Unread> {
        match self.0.get(path) {
            Some(Ok(text)) => Ok(text),
            Some(Err(unread)) => Err(unread.clone()),
            None => Err(Unread::new(format!("{} was not read", shown_path(path)))),
        }
    }
}

impl Unread {
    fn new(problem: String) -> Unread {
        let is_absent = false;
        Unread { problem, is_absent }
    }
}

fn text(path: &Path) -> Result<String, Unread> {
    let shown = shown_path(path);
    let bytes = bytes(path, LONGEST).map_err(|error| Unread {
        problem: format!("cannot read {shown}: {error}"),
        is_absent: error.kind() == io::ErrorKind::NotFound,
    })?;
    if bytes.len() > LONGEST {
        return Err(Unread::new(format!("{shown} is too long")));
    }
    String::from_utf8(bytes).map_err(|_| Unread::new(format!("{shown} is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_no_text_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let long = vec![b'#'; LONGEST + 1];
        for (name, bytes, told) in [
            ("text", &b"GET /info\n"[..], None),
            ("longest", &long[1..], None),
            ("long", &long, Some("/long is too long")),
            (
                "latin1",
                b"# \xe9\nGET /info\n",
                Some("/latin1 is not UTF-8"),
            ),
        ] {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            let texts = Texts::load([path.clone()].into_iter());
            let text = texts.text(&path).map(str::as_bytes);
            match (told, text) {
                (None, text) => assert_eq!(text, Ok(bytes)),
                (Some(told), Ok(_)) => panic!("{name}: {told}"),
                (Some(told), Err(unread)) => {
                    assert!(unread.problem.ends_with(told), "{unread:?}");
                    assert!(!unread.is_absent, "nothing takes its place");
                }
            }
        }
    }

    #[test]
    fn only_what_was_read_has_a_text() {
        let none = Texts::default();
        let text = none.text("/etc/hostname".as_ref());
        assert!(text.is_err_and(|one| !one.is_absent));
        let path = |number: usize| PathBuf::from(format!("/nowhere/{number:03}"));
        let many = Texts::load((0..=MOST).map(path));
        let is_absent = |number| many.text(&path(number)).unwrap_err().is_absent;
        assert!(is_absent(MOST - 1) && !is_absent(MOST));
        assert_eq!(many.again(), many);
        assert_eq!(many.files().count(), MOST + 1);
    }
}
