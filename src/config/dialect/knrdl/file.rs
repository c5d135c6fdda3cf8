//! The texts of the profiles that a configuration names.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::config::look::bytes;
use crate::config::shown_path;

/// Where profile files are.
const FOLDER: &str = "/profiles";
/// The profile that allows everything.
pub(super) const UNPROTECTED: &str = "unprotected";
/// The profiles that knrdl/docker-socket-protector ships, with the same rights.
pub(super) const BUILT_IN: &[(&str, &str)] = &[
    ("diun", include_str!("../../../../profiles/diun")),
    (
        "portainer-ro",
        include_str!("../../../../profiles/portainer-ro"),
    ),
    (
        "portainer-rw",
        include_str!("../../../../profiles/portainer-rw"),
    ),
    ("promtail", include_str!("../../../../profiles/promtail")),
    ("readonly", include_str!("../../../../profiles/readonly")),
    ("telegraf", include_str!("../../../../profiles/telegraf")),
    ("traefik", include_str!("../../../../profiles/traefik")),
    (
        "traefik-swarm",
        include_str!("../../../../profiles/traefik-swarm"),
    ),
    ("trivy", include_str!("../../../../profiles/trivy")),
];
/// Longer than any profile that is written by hand.
const LONGEST: usize = 1 << 20;
/// So many files are read.
const MOST: usize = 256;

/// The texts of profiles by their names, or why there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Profiles(BTreeMap<String, Result<String, Unread>>);

/// Why a profile could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unread {
    pub(super) problem: String,
    pub(super) is_absent: bool,
}

impl Profiles {
    /// Reads the profiles of these names.
    pub(crate) fn load(names: impl Iterator<Item = String>) -> Profiles {
        let names: BTreeSet<String> = names.filter(|name| name != UNPROTECTED).collect();
        let texts = names.into_iter().enumerate().map(|(index, name)| {
            let text = match index < MOST {
                true => text(&path(&name)),
                false => Err(Unread::new(format!("more than {MOST} profiles are used"))),
            };
            (name, text)
        });
        Profiles(texts.collect())
    }

    /// The same ones, read once more.
    pub(crate) fn again(&self) -> Profiles {
        Profiles::load(self.0.keys().cloned())
    }

    /// Their files, whether they are there or not.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.0.keys().map(|name| path(name))
    }

    /// A profile's text.
    pub(super) fn text(&self, name: &str) -> Result<&str, Unread> {
        if name == UNPROTECTED {
            return Ok("[A-Z]+ /.*");
        }
        match self.0.get(name) {
            Some(Ok(text)) => Ok(text),
            Some(Err(unread)) => Err(unread.clone()),
            None => Err(Unread::new(format!(
                "{} was not read",
                shown_path(&path(name))
            ))),
        }
    }
}

impl Unread {
    fn new(problem: String) -> Unread {
        let is_absent = false;
        Unread { problem, is_absent }
    }
}

/// Where the profile of that name is, if it is a file.
fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
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
    fn what_is_no_text_of_a_profile_is_told() {
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
            let name = path.to_str().unwrap();
            let profiles = Profiles::load([name.to_owned()].into_iter());
            let text = profiles.text(name).map(str::as_bytes);
            match (told, text) {
                (None, text) => assert_eq!(text, Ok(bytes)),
                (Some(told), Ok(_)) => panic!("{name}: {told}"),
                (Some(told), Err(unread)) => {
                    assert!(unread.problem.ends_with(told), "{unread:?}");
                    assert!(!unread.is_absent, "no preset takes its place");
                }
            }
        }
    }

    #[test]
    fn only_what_was_read_has_a_text() {
        let none = Profiles::default();
        assert!(none.text("/etc/hostname").is_err_and(|one| !one.is_absent));
        assert_eq!(none.text(UNPROTECTED), Ok("[A-Z]+ /.*"));
        let names = (0..=MOST).map(|number| format!("/nowhere/{number:03}"));
        let many = Profiles::load(names);
        assert!(many.text("/nowhere/255").is_err_and(|one| one.is_absent));
        assert!(many.text("/nowhere/256").is_err_and(|one| !one.is_absent));
        assert_eq!(many.again(), many);
        assert_eq!(many.files().count(), MOST + 1);
    }
}
