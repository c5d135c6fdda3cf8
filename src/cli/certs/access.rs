//! Who can change what a run uses: only the user that runs it, or another user could put a link where a
//! certificate is about to be written, or the names that the CA is about to sign.

use std::fs::{FileType, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::files::failed;
use crate::config::shown_path;

/// What a path is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    Certificate,
    Key,
}

/// What is wrong with the folder for all certificates, and with what is used below it, folders first,
/// if it is there. Links are not followed.
pub(super) fn wrong(dir: &Path, used: &[(PathBuf, Kind)]) -> Vec<String> {
    let top = match failed(dir, dir.symlink_metadata()) {
        Ok(top) => top,
        Err(problem) => return vec![problem],
    };
    let user = geteuid().as_raw();
    let mut problems = Vec::new();
    if top.uid() != user {
        problems.push(format!(
            "{} belongs to user {}, and this runs as user {user}; run it as its owner",
            shown_path(dir),
            top.uid()
        ));
    }
    problems.extend(open_to_others(dir, Kind::Folder, &top));
    let mut of_others: Vec<&Path> = Vec::new();
    for (path, kind) in used {
        let found = match path.symlink_metadata() {
            Ok(found) => found,
            // What must be there is missed when it is read, and a file in the place of its folder
            // has been found.
            Err(error)
                if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) =>
            {
                continue;
            }
            Err(error) => {
                problems.extend(failed(path, Err::<(), _>(error)).err());
                continue;
            }
        };
        if let Some(problem) = misplaced(path, *kind, found.file_type()) {
            problems.push(problem);
            continue;
        }
        let is_covered = of_others.iter().any(|folder| path.starts_with(folder));
        if found.uid() != top.uid() && !is_covered {
            problems.push(of_another(path, found.uid(), top.uid()));
            of_others.push(path);
        }
        problems.extend(open_to_others(path, *kind, &found));
    }
    problems
}

fn misplaced(path: &Path, kind: Kind, found: FileType) -> Option<String> {
    let (expected, is_it) = match kind {
        Kind::Folder => ("a folder", found.is_dir()),
        Kind::Certificate | Kind::Key => ("a file", found.is_file()),
    };
    let shown = shown_path(path);
    match found.is_symlink() {
        _ if is_it => None,
        true => Some(format!(
            "{shown} is a link; replace it with {expected} of its own"
        )),
        false => Some(format!("{shown} is not {expected}; move it away")),
    }
}

fn of_another(path: &Path, owner: u32, expected: u32) -> String {
    format!(
        "{} belongs to user {owner}, and the folder for all certificates to user {expected}; run \
         chown -R {expected} on it, and give it back afterwards if that user needs it",
        shown_path(path)
    )
}

fn open_to_others(path: &Path, kind: Kind, found: &Metadata) -> Option<String> {
    let shown = shown_path(path);
    let (closed, problem) = match kind {
        Kind::Folder | Kind::Certificate => (
            0o022,
            format!("other users can write to {shown}; run chmod go-w on it"),
        ),
        Kind::Key => (
            0o077,
            format!(
                "other users have access to {shown}; run chmod go= on it, and make another key if \
                 they may have used it"
            ),
        ),
    };
    (found.mode() & closed != 0).then_some(problem)
}
