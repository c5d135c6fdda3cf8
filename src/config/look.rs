//! All that the configuration has in files, as one look found it: the documents, and the profiles,
//! files of rules, certificates and keys that they and the environment name.
//!
//! **What is compiled is what a look holds.** Nothing is read a second time, so two equal looks say
//! that what came of them is what was there all the time in between.

use std::fs::File;
use std::io;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, open};

use super::dialect::cetusguard::RuleLines;
use super::dialect::knrdl::Profile;
use super::engines;
use super::file::{Document, Loaded, Origin, Refused};
use super::pems::Pems;
use super::scope::Scope;
use super::settings;
use super::snapshot::Snapshot;
use super::texts::Texts;

/// What was read in one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    documents: Loaded,
    /// What the documents say; shared, since most looks find the same.
    pub(super) document: Arc<Result<Document, Refused>>,
    /// The profiles and files of rules.
    pub(super) texts: Texts,
    /// The certificates and keys.
    pub(super) pems: Pems,
}

impl Look {
    /// Reads the documents, and the other files that they and the environment name. What equals the last
    /// look is not parsed again.
    pub(super) fn take(
        origin: Option<&Origin>,
        environment: &Snapshot,
        last: Option<&Look>,
    ) -> Look {
        let documents = origin.map(Origin::load).unwrap_or_default();
        if let Some(last) = last.filter(|last| last.documents == documents) {
            return Look {
                documents,
                document: Arc::clone(&last.document),
                texts: last.texts.again(),
                pems: last.pems.again(),
            };
        }
        let document = match origin {
            None => Ok(Document::default()),
            Some(_) => documents.read(),
        };
        // Of what is refused too: all mistakes are reported at once.
        let said = document.as_ref().unwrap_or_else(|refused| &refused.rest);
        let policies = said.policies.iter();
        // Who reads the policies tells of mistakes.
        let of_files = policies.flat_map(|policy| named(&Scope(policy).snapshot(&mut Vec::new())));
        Look {
            texts: Texts::load(of_files.chain(named(environment))),
            pems: Pems::load(
                engines::files(&said.engines, environment)
                    .chain(settings::tls_files(&said.endpoints, environment)),
            ),
            documents,
            document: Arc::new(document),
        }
    }

    /// Whether it has files that can change, though the configuration itself is in the environment.
    pub(super) fn has_pems(&self) -> bool {
        self.pems.files().next().is_some()
    }

    /// Every file that it has read, or tried to.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        let documents = self.documents.files.iter().cloned();
        documents.chain(self.texts.files()).chain(self.pems.files())
    }
}

/// The files that the variables of a policy name.
fn named(variables: &Snapshot) -> Vec<PathBuf> {
    let rules = RuleLines::files(variables).into_iter();
    rules.chain(Profile::file(variables)).collect()
}

/// What is in a regular file: at most so many bytes, and one more if there are more. Anything else,
/// such as a pipe, is not waited for.
pub(super) fn bytes(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    let kind = file.metadata()?.file_type();
    if !kind.is_file() {
        let what = match kind.is_dir() {
            true => "it is a directory",
            false => "it is not a regular file",
        };
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_regular_files_are_read_and_never_all_of_a_large_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let told = |path: &Path| bytes(path, 3).map_err(|error| error.to_string());
        fs::write(&path, "abcdefg").unwrap();
        assert_eq!(told(&path), Ok(b"abcd".to_vec()));
        assert_eq!(told(folder.path()), Err("it is a directory".to_owned()));
        assert_eq!(
            told("/dev/zero".as_ref()),
            Err("it is not a regular file".to_owned())
        );
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        assert_eq!(told(&pipe), Err("it is not a regular file".to_owned()));
    }

    #[test]
    fn profiles_and_files_of_rules_are_a_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let [of_file, of_environment] = ["a", "b"].map(|name| {
            let path = folder.path().join(name);
            fs::write(&path, "GET /info\n").unwrap();
            path
        });
        for name in ["PROFILE", "CETUSGUARD_RULES_FILE"] {
            are_a_part(name, &of_file, &of_environment);
        }
    }

    fn are_a_part(name: &str, of_file: &PathBuf, of_environment: &PathBuf) {
        let path = of_file.to_str().unwrap();
        let text = format!("policies: {{ a: {{ {name}: '{path}' }} }}");
        let origin = Origin::Data(text.into());
        let environment = [(name, of_environment)].into_iter().collect();
        let take = |last: Option<&Look>| Look::take(Some(&origin), &environment, last);
        let first = take(None);
        assert_eq!(
            first.files().collect::<Vec<_>>(),
            [of_file.clone(), of_environment.clone()]
        );
        assert_eq!(take(Some(&first)), first);
        for path in [of_file, of_environment] {
            fs::write(path, "GET /version\n").unwrap();
            assert_ne!(take(Some(&first)), first);
            assert_eq!(take(None), take(Some(&first)));
            fs::remove_file(path).unwrap();
            assert_ne!(take(Some(&first)), first);
            fs::write(path, "GET /info\n").unwrap();
            assert_eq!(take(Some(&first)), first);
        }
        // Other documents name other profiles.
        let others = Look::take(
            Some(&Origin::Data(b"{}".to_vec())),
            &environment,
            Some(&first),
        );
        assert!(others.files().eq([of_environment.clone()]));
    }
}
