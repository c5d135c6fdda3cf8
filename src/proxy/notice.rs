//! Where a running dockgate listens, said to its own health check: what its files say by then may
//! wait for a restart, or be refused.
//!
//! A notice is a file without a name, which the process keeps open. In `/proc`, those find it who may
//! look into the process: the same user, in a container.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{MemfdFlags, memfd_create};

use super::listener::Listener;
use crate::config::file::Origin;
use crate::config::{self, Listen};

const NAME: &str = "dockgate-endpoints";
/// What `/proc` shows for it.
const LINK: &str = "/memfd:dockgate-endpoints (deleted)";
/// So many bytes are read of one.
const MOST: u64 = 1 << 20;

/// Is there for as long as it is held.
pub(super) struct Notice {
    _file: File,
}

impl Notice {
    /// Says where these listen.
    pub(super) fn post(listeners: &[Listener]) -> io::Result<Notice> {
        let text: Vec<u8> = listeners.iter().flat_map(record).collect();
        let mut file = File::from(memfd_create(NAME, MemfdFlags::CLOEXEC)?);
        file.write_all(&text)?;
        Ok(Notice { _file: file })
    }
}

/// An address as a configuration has it, and a NUL. A path is not as messages show it.
fn record(listener: &Listener) -> Vec<u8> {
    let address = match listener.path() {
        Some(path) => [b"unix://", path.as_os_str().as_bytes()].concat(),
        None => listener.name.clone().into_bytes(),
    };
    [address, vec![0]].concat()
}

/// Where each running dockgate with these files listens. Nowhere: there is none, or none that this
/// process may look into.
pub fn listening(origin: &Origin) -> Vec<Listen> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let is_number = |name: &OsStr| name.as_bytes().iter().all(u8::is_ascii_digit);
    let processes = processes
        .flatten()
        .filter(|one| is_number(&one.file_name()));
    let found = processes.filter_map(|one| {
        let process = one.path();
        let is_one = is_same_program(&process) && origin_of(&process).as_ref() == Some(origin);
        is_one.then(|| posted(&process)).flatten()
    });
    found.flatten().collect()
}

fn is_same_program(process: &Path) -> bool {
    let program = |process: &Path| {
        let file = fs::metadata(process.join("exe")).ok()?;
        Some((file.dev(), file.ino()))
    };
    let own = program("/proc/self".as_ref());
    own.is_some() && program(process) == own
}

/// Where a process had its files when it started.
fn origin_of(process: &Path) -> Option<Origin> {
    let environment = fs::read(process.join("environ")).ok()?;
    let get = |name: &str| {
        let variables = environment.split(|byte| *byte == 0);
        let mut values = variables.filter_map(|one| {
            let value = one.strip_prefix(name.as_bytes())?;
            value.strip_prefix(b"=")
        });
        values.next().map(OsStr::from_bytes)
    };
    config::origin_of(get)
}

/// What a process says, if it says something that can be read.
fn posted(process: &Path) -> Option<Vec<Listen>> {
    let files = fs::read_dir(process.join("fd")).ok()?;
    let mut files = files.flatten().map(|file| file.path());
    let notice =
        files.find(|file| fs::read_link(file).is_ok_and(|link| link == Path::new(LINK)))?;
    let mut text = Vec::new();
    File::open(notice)
        .ok()?
        .take(MOST)
        .read_to_end(&mut text)
        .ok()?;
    let records = text.strip_suffix(&[0])?.split(|byte| *byte == 0);
    records
        .map(|one| str::from_utf8(one).ok()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_posted_can_be_read_while_it_is_there() {
        let own = Path::new("/proc/self");
        let folder = tempfile::tempdir().unwrap();
        let odd = Listen::Unix(folder.path().join("a b,\n\u{202e}"));
        let tcp = "tcp://127.0.0.1:0".parse().unwrap();
        let listeners = [odd.clone(), tcp].map(|one| Listener::bind(&one, 0o600).unwrap());
        assert_eq!(posted(own), None);
        let notice = Notice::post(&listeners).unwrap();
        let bound = listeners[1].name.parse().unwrap();
        assert_eq!(posted(own), Some(vec![odd, bound]));
        drop(notice);
        assert_eq!(posted(own), None);
        assert!(is_same_program(own));
        assert!(!is_same_program(Path::new("/proc/nowhere")));
    }

    #[test]
    fn the_files_are_those_of_the_environment() {
        let process = tempfile::tempdir().unwrap();
        let of = |environ: &str| {
            fs::write(process.path().join("environ"), environ).unwrap();
            origin_of(process.path())
        };
        let file = |path: &str| Some(Origin::File(path.into()));
        assert_eq!(
            of("A=CONFIG_FILE=/b\0CONFIG_FILE=/a=b\0B=1\0"),
            file("/a=b")
        );
        for none in [
            "",
            "XCONFIG_FILE=/a\0",
            "CONFIG_FILES=/a\0",
            "CONFIG_FILE\0",
        ] {
            assert_eq!(of(none), None);
        }
    }
}
