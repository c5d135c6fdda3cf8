//! Folders of certificates: whole or not there, and never in the place of others.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::config::shown_path;

const FOLDER_MODE: u32 = 0o700;

/// What becomes of the path, and what to do about it.
pub(super) fn failed<T>(path: &Path, done: io::Result<T>) -> Result<T, String> {
    done.map_err(|error| {
        let help = match error.kind() {
            ErrorKind::PermissionDenied => "; run this as the folder's owner",
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory | ErrorKind::ReadOnlyFilesystem => {
                "; use another folder"
            }
            ErrorKind::DirectoryNotEmpty => "; it was made just now by another run",
            _ => "",
        };
        format!("{}: {error}{help}", shown_path(path))
    })
}

/// The full path of the folder for all certificates, which may be made.
pub(super) fn open(folder: &Path, make: bool) -> Result<PathBuf, String> {
    if make {
        failed(folder, make_folder(folder))?;
    }
    let folder = failed(folder, folder.canonicalize())?;
    let shown = shown_path(&folder);
    let is_line = |text: &str| !text.contains(char::is_control);
    if !folder.to_str().is_some_and(is_line) {
        return Err(format!(
            "{shown} is not UTF-8, or has control characters; use another folder"
        ));
    }
    Ok(folder)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made,
    }
}

/// Whether there is anything of that name, even a broken link.
pub(super) fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

pub(super) fn read(path: &Path) -> Result<String, String> {
    failed(path, fs::read_to_string(path))
}

/// New files and folders, written where nothing else looks, which then get their names one by one.
pub(super) struct Stage {
    folder: PathBuf,
    staged: Vec<(PathBuf, PathBuf)>,
}

impl Stage {
    /// Stages in a folder that is not there yet, on the file system of all names.
    pub(super) fn new(folder: PathBuf) -> Result<Stage, String> {
        failed(&folder, DirBuilder::new().mode(FOLDER_MODE).create(&folder))?;
        Ok(Stage {
            folder,
            staged: Vec::new(),
        })
    }

    /// A new folder with these files.
    pub(super) fn folder(&mut self, folder: PathBuf, files: &[(&str, &str)]) -> Result<(), String> {
        let staged = self.add(folder);
        failed(&staged, make_folder(&staged))?;
        for (name, text) in files {
            let file = staged.join(name);
            failed(&file, write(&file, text))?;
        }
        failed(&staged, sync(&staged))
    }

    /// A file for the place of another one.
    pub(super) fn file(&mut self, file: PathBuf, text: &str) -> Result<(), String> {
        let staged = self.add(file);
        failed(&staged, write(&staged, text))
    }

    fn add(&mut self, path: PathBuf) -> PathBuf {
        let staged = self.folder.join(self.staged.len().to_string());
        self.staged.push((staged.clone(), path));
        staged
    }

    /// Gives everything its name. A folder that has been made meanwhile is an error.
    pub(super) fn publish(self) -> Result<(), String> {
        for (staged, path) in &self.staged {
            let parent = path.parent().unwrap_or(path);
            let published = || {
                make_folder(parent)?;
                fs::rename(staged, path)?;
                sync(parent)
            };
            failed(path, published())?;
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What is left is as unreadable to others as all else here.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new();
    let mut file = file.write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Makes names in a folder last.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
