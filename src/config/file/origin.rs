//! Where the documents come from, and their bytes.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::read;
use super::tree::MAX_BYTES;
use super::{Document, Refused};
use crate::config::look::bytes;
use crate::config::{Diagnostic, shown_path};

/// The variables, of which one can be set.
pub(super) const VARIABLES: [&str; 3] = ["CONFIG_FILE", "CONFIG_DATA", "CONFIG_DIR"];
/// So many files may a folder have.
const MAX_FILES: usize = 256;
/// So many bytes may they have together.
const MAX_TOTAL: usize = 8 * MAX_BYTES;

/// Where the configuration's documents are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `CONFIG_FILE`: one file.
    File(PathBuf),
    /// `CONFIG_DATA`: the text itself.
    Data(Vec<u8>),
    /// `CONFIG_DIR`: each `*.yml` and `*.yaml` in a folder, in the order of their names. Those that
    /// begin with a dot are not for people: editors and Kubernetes (`..data`) make them.
    Dir(PathBuf),
}

/// One document's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What messages call it: its path, on one line.
    pub name: Arc<str>,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// The documents' bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// In the order in which they count.
    pub sources: Vec<Source>,
    /// What could not be read.
    pub mistakes: Vec<Diagnostic>,
    /// The files that there are, whether they could be read or not.
    pub(in crate::config) files: Vec<PathBuf>,
}

/// Where the documents are, as the environment says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::config) struct Chosen {
    /// By the first variable that is not empty, or in the folder that is read without one.
    pub(in crate::config) origin: Option<Origin>,
    /// What is wrong with the variables.
    pub(in crate::config) conflict: Option<Conflict>,
}

/// Two variables are set, or one is empty: what it was to restrict must not be without it. For
/// documents of middleware that is how the proxy that they were written for reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct Conflict {
    /// What is wrong.
    pub(in crate::config) mistake: Diagnostic,
    /// What is done in spite of it.
    pub(in crate::config) reading: Diagnostic,
}

impl Chosen {
    /// What the variables say. `folder` is read if none of them says anything, and documents are in it.
    pub(in crate::config) fn of<'a>(
        get: impl Fn(&str) -> Option<&'a OsStr>,
        folder: &Path,
    ) -> Chosen {
        let set = VARIABLES.map(|name| get(name).map(|value| (name, value)));
        let set: Vec<(&str, &OsStr)> = set.into_iter().flatten().collect();
        let mut full = set.iter().filter(|(_, value)| !value.is_empty());
        let chosen = full.next();
        let origin = match chosen {
            Some((name, value)) => Some(match *name {
                "CONFIG_FILE" => Origin::File(value.into()),
                "CONFIG_DATA" => Origin::Data(value.as_bytes().to_vec()),
                _ => Origin::Dir(value.into()),
            }),
            None => has_documents(folder).then(|| Origin::Dir(folder.to_owned())),
        };
        let conflict = match *set {
            [] => None,
            [(name, value)] if value.is_empty() => Some(Conflict {
                mistake: Diagnostic::error(
                    name,
                    format!("{name} is empty"),
                    "set it to a value, or unset it",
                ),
                reading: Diagnostic::warning(
                    name,
                    format!("{name} is empty and treated as unset"),
                    "set a value or remove it",
                ),
            }),
            [_] => None,
            [(first, _), .., (last, _)] => {
                let names: Vec<&str> = set.iter().map(|(name, _)| *name).collect();
                let own = chosen.map_or(first, |(name, _)| *name);
                let others = names.iter().copied().filter(|name| *name != own);
                let others: Vec<&str> = others.collect();
                let are = if others.len() == 1 { "is" } else { "are" };
                Some(Conflict {
                    mistake: Diagnostic::error(
                        first,
                        format!("{} cannot be used together", names.join(" and ")),
                        format!("unset {first} or {last}"),
                    ),
                    reading: Diagnostic::warning(
                        own,
                        format!(
                            "{own} overrides {}, which {are} ignored",
                            others.join(" and ")
                        ),
                        format!("unset {}", others.join(" and ")),
                    ),
                })
            }
        };
        Chosen { origin, conflict }
    }
}

impl Origin {
    /// Reads the bytes.
    pub fn load(&self) -> Loaded {
        let mut loaded = Loaded::default();
        match self {
            Origin::File(path) => loaded.add("CONFIG_FILE", path),
            Origin::Data(bytes) => loaded.sources.push(Source {
                name: "CONFIG_DATA".into(),
                bytes: bytes.clone(),
            }),
            Origin::Dir(path) => loaded.add_folder(path),
        }
        loaded
    }
}

impl Loaded {
    /// What the documents say.
    ///
    /// # Errors
    /// All mistakes, those of reading the files first.
    pub fn read(&self) -> Result<Document, Refused> {
        let document = read(&self.sources);
        if self.mistakes.is_empty() {
            return document;
        }
        let mut mistakes = self.mistakes.clone();
        let rest = match document {
            Ok(document) => Box::new(document),
            Err(refused) => {
                mistakes.extend(refused.mistakes);
                refused.rest
            }
        };
        Err(Refused { mistakes, rest })
    }

    fn add(&mut self, variable: &str, path: &Path) {
        let name = shown_path(path);
        self.files.push(path.to_owned());
        match bytes(path, MAX_BYTES) {
            Ok(bytes) => self.sources.push(Source {
                name: name.into(),
                bytes,
            }),
            Err(error) => {
                let help = format!("check the path in {variable}, the mount and its permissions");
                self.fail(variable, format!("cannot read {name}: {error}"), &help);
            }
        }
    }

    fn add_folder(&mut self, folder: &Path) {
        const NAME: &str = "CONFIG_DIR";
        let shown = shown_path(folder);
        match documents(folder) {
            Ok(names) if names.is_empty() => {
                let problem = format!("{shown} has no *.yml or *.yaml file");
                self.fail(NAME, problem, "add one, or unset CONFIG_DIR");
            }
            Ok(names) if names.len() > MAX_FILES => {
                let problem = format!("{shown} has more than {MAX_FILES} files");
                self.fail(NAME, problem, "use fewer files");
            }
            Ok(names) => {
                for name in names {
                    self.add(NAME, &folder.join(name));
                    let sizes = self.sources.iter().map(|source| source.bytes.len());
                    if sizes.sum::<usize>() > MAX_TOTAL {
                        self.sources.clear();
                        let problem = format!("the files in {shown} exceed 8 MiB in total");
                        return self.fail(NAME, problem, "remove the files that are not needed");
                    }
                }
            }
            Err(error) => {
                let help = "check the path in CONFIG_DIR, the mount and its permissions";
                self.fail(NAME, format!("cannot read {shown}: {error}"), help);
            }
        }
    }

    fn fail(&mut self, variable: &str, problem: String, help: &str) {
        self.mistakes
            .push(Diagnostic::error(variable, problem, help));
    }
}

/// Whether a folder is to be read: also if it cannot be, so that this is told.
fn has_documents(folder: &Path) -> bool {
    match documents(folder) {
        Ok(names) => !names.is_empty(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// The names of a folder's documents, in order. With too many of them, not all.
fn documents(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let bytes = name.as_bytes();
        // In any case: a deny list that is left out would grant more.
        let extension = Path::new(&name).extension();
        let is_yaml = ["yml", "yaml"]
            .into_iter()
            .any(|yaml| extension.is_some_and(|own| own.eq_ignore_ascii_case(yaml)));
        if is_yaml && !bytes.starts_with(b".") {
            names.push(name);
        }
        if names.len() > MAX_FILES {
            break;
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn one_variable_says_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        const EMPTY: &str = "CONFIG_DATA is empty; set it to a value, or unset it";
        const AS_UNSET: &str =
            "CONFIG_DATA is empty and treated as unset; set a value or remove it";
        const FILE: &str = "unset CONFIG_FILE or CONFIG_D";
        let file = || Some(Origin::File("/a.yml".into()));
        let of = |set: &[(&str, &str)]| {
            let get = |name: &str| {
                let found = set.iter().find(|(known, _)| *known == name)?;
                Some(OsStr::new(found.1))
            };
            let Chosen { origin, conflict } = Chosen::of(get, path);
            let conflict =
                conflict.map(|one| [one.mistake, one.reading].map(|one| one.to_string()));
            (origin, conflict)
        };
        for (set, origin, conflict) in [
            (&[][..], None, None),
            (&[("CONFIG_FILE", "/a.yml")], file(), None),
            (
                &[("CONFIG_DATA", "a: 1")],
                Some(Origin::Data(b"a: 1".to_vec())),
                None,
            ),
            (
                &[("CONFIG_DIR", "/a")],
                Some(Origin::Dir("/a".into())),
                None,
            ),
            (
                &[("CONFIG_DATA", "")],
                None,
                Some([EMPTY.to_owned(), AS_UNSET.to_owned()]),
            ),
            (
                &[("CONFIG_FILE", "/a.yml"), ("CONFIG_DIR", "/a")],
                file(),
                Some([
                    format!("CONFIG_FILE and CONFIG_DIR cannot be used together; {FILE}IR"),
                    "CONFIG_FILE overrides CONFIG_DIR, which is ignored; unset CONFIG_DIR"
                        .to_owned(),
                ]),
            ),
            (
                &[("CONFIG_FILE", ""), ("CONFIG_DATA", "a: 1")],
                Some(Origin::Data(b"a: 1".to_vec())),
                Some([
                    format!("CONFIG_FILE and CONFIG_DATA cannot be used together; {FILE}ATA"),
                    "CONFIG_DATA overrides CONFIG_FILE, which is ignored; unset CONFIG_FILE"
                        .to_owned(),
                ]),
            ),
            (
                &[
                    ("CONFIG_DIR", "/a"),
                    ("CONFIG_DATA", "x"),
                    ("CONFIG_FILE", "/a.yml"),
                ],
                file(),
                Some([
                    format!(
                        "CONFIG_FILE and CONFIG_DATA and CONFIG_DIR cannot be used together; {FILE}IR"
                    ),
                    "CONFIG_FILE overrides CONFIG_DATA and CONFIG_DIR, which are ignored; unset \
                     CONFIG_DATA and CONFIG_DIR"
                        .to_owned(),
                ]),
            ),
        ] {
            assert_eq!(of(set), (origin, conflict), "{set:?}");
        }
        // The folder counts if nothing else does, and has documents.
        fs::write(path.join("a.txt"), "").unwrap();
        assert_eq!(of(&[]).0, None);
        fs::write(path.join("a.yaml"), "").unwrap();
        assert_eq!(of(&[]).0, Some(Origin::Dir(path.to_owned())));
        assert_eq!(
            of(&[("CONFIG_DATA", "")]).0,
            Some(Origin::Dir(path.to_owned()))
        );
        assert_eq!(of(&[("CONFIG_FILE", "/a.yml")]).0, file());
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_names_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        // As Kubernetes mounts a ConfigMap.
        let data = path.join("..2026_11_26");
        fs::create_dir(&data).unwrap();
        symlink("..2026_11_26", path.join("..data")).unwrap();
        for name in ["b.yml", "a.yaml", "c.YML"] {
            fs::write(data.join(name), name).unwrap();
            symlink(Path::new("..data").join(name), path.join(name)).unwrap();
        }
        for name in ["10.yml", "9.yml", ".#b.yml", "b.yml~", "README", "yml"] {
            fs::write(path.join(name), name).unwrap();
        }
        let loaded = Origin::Dir(path.to_owned()).load();
        assert_eq!(loaded.mistakes, []);
        let names: Vec<&str> = (loaded.sources.iter())
            .map(|source| str::from_utf8(&source.bytes).unwrap())
            .collect();
        assert_eq!(names, ["10.yml", "9.yml", "a.yaml", "b.yml", "c.YML"]);
        assert_eq!(
            &*loaded.sources[2].name,
            path.join("a.yaml").to_str().unwrap()
        );
        assert_eq!(loaded, Origin::Dir(path.to_owned()).load());
        fs::write(data.join("b.yml"), "").unwrap();
        assert_ne!(loaded, Origin::Dir(path.to_owned()).load());
    }

    #[test]
    fn a_folder_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let shown = path.to_str().unwrap();
        let load = || Origin::Dir(path.to_owned()).load();
        for number in 0..8 {
            fs::write(path.join(format!("{number}.yml")), vec![b'#'; MAX_BYTES]).unwrap();
        }
        assert_eq!((load().sources.len(), load().mistakes), (8, Vec::new()));
        fs::write(path.join("8.yml"), "#").unwrap();
        assert_eq!(load().sources, []);
        assert_eq!(
            load().mistakes[0].problem,
            format!("the files in {shown} exceed 8 MiB in total")
        );
        for number in 9..=MAX_FILES {
            fs::write(path.join(format!("{number}.yml")), "").unwrap();
        }
        assert_eq!(
            load().mistakes[0].problem,
            format!("{shown} has more than 256 files")
        );
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let shown = path.to_str().unwrap();
        let mistakes = |origin: Origin| -> Vec<String> {
            let loaded = origin.load();
            loaded.mistakes.iter().map(ToString::to_string).collect()
        };
        const CHECK: &str = "the mount and its permissions";
        assert_eq!(
            mistakes(Origin::Dir(path.to_owned())),
            [format!(
                "{shown} has no *.yml or *.yaml file; add one, or unset CONFIG_DIR"
            )]
        );
        assert_eq!(
            mistakes(Origin::Dir(path.join("gone"))),
            [format!(
                "cannot read {shown}/gone: No such file or directory (os error 2); check the path \
                 in CONFIG_DIR, {CHECK}"
            )]
        );
        symlink("gone", path.join("a.yml")).unwrap();
        fs::create_dir(path.join("b.yml")).unwrap();
        fs::write(path.join("c.yml"), "polices:").unwrap();
        let origin = Origin::Dir(path.to_owned());
        assert_eq!(
            mistakes(origin.clone()),
            [
                format!(
                    "cannot read {shown}/a.yml: No such file or directory (os error 2); check the \
                     path in CONFIG_DIR, {CHECK}"
                ),
                format!(
                    "cannot read {shown}/b.yml: it is a directory; check the path in CONFIG_DIR, \
                     {CHECK}"
                ),
            ]
        );
        // With those of the files that can be read.
        let refused = origin.load().read().unwrap_err();
        assert_eq!(refused.mistakes.len(), 3, "{refused:?}");
        assert_eq!(
            mistakes(Origin::File("/dev/zero".into())),
            [format!(
                "cannot read /dev/zero: it is not a regular file; check the path in CONFIG_FILE, \
                 {CHECK}"
            )]
        );
    }
}
