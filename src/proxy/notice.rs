//! Where a running dockgate listens and which engines it uses, said to its own health check: what its
//! files say by then may wait for a restart, or be refused.
//!
//! A notice is a file without a name, which the process keeps open. In `/proc`, those find it who may
//! look into the process: the same user, in a container.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, memfd_create};

use super::listener::Listener;
use crate::config::file::Origin;
use crate::config::{self, ENGINE_FIELDS, Engine, Listen};

const ENDPOINTS: &str = "dockgate-endpoints";
const ENGINES: &str = "dockgate-engines";
/// So many bytes are read of one.
const MOST: u64 = 1 << 20;

/// Is there for as long as it is held.
pub(super) struct Notice {
    _file: File,
}

impl Notice {
    /// Says where these listen.
    pub(super) fn of_endpoints(listeners: &[Listener]) -> io::Result<Notice> {
        Notice::post(ENDPOINTS, listeners.iter().map(address))
    }

    /// Says which engines requests go to.
    pub(super) fn of_engines(engines: &[Arc<Engine>]) -> io::Result<Notice> {
        Notice::post(ENGINES, engines.iter().flat_map(|engine| engine.record()))
    }

    fn post(name: &str, fields: impl Iterator<Item = Vec<u8>>) -> io::Result<Notice> {
        let text: Vec<u8> = fields.flat_map(|field| [field, vec![0]].concat()).collect();
        let mut file = File::from(memfd_create(name, MemfdFlags::CLOEXEC)?);
        file.write_all(&text)?;
        Ok(Notice { _file: file })
    }
}

/// An address as a configuration has it. A path is not as messages show it.
fn address(listener: &Listener) -> Vec<u8> {
    match listener.path() {
        Some(path) => [b"unix://", path.as_os_str().as_bytes()].concat(),
        None => listener.name.clone().into_bytes(),
    }
}

/// What running dockgates say.
#[derive(Debug, Default)]
pub struct Posted {
    /// Where they listen.
    pub listen: Vec<Listen>,
    /// The engines that they use, or what is wrong with the files of one.
    pub engines: Vec<Result<Engine, String>>,
}

/// What each running dockgate with these files says. None: there is none, or none that this process may
/// look into.
pub fn posted(origin: &Origin) -> Option<Posted> {
    let processes = fs::read_dir("/proc").ok()?;
    let is_number = |name: &OsStr| name.as_bytes().iter().all(u8::is_ascii_digit);
    let processes = processes
        .flatten()
        .filter(|one| is_number(&one.file_name()));
    let mut all = Posted::default();
    for process in processes.map(|one| one.path()) {
        if is_same_program(&process)
            && origin_of(&process).as_ref() == Some(origin)
            && let Some(said) = said(&process)
        {
            all.listen.extend(said.listen);
            all.engines.extend(said.engines);
        }
    }
    (!all.listen.is_empty()).then_some(all)
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
fn said(process: &Path) -> Option<Posted> {
    let endpoints = fields(process, ENDPOINTS)?;
    let listen = endpoints
        .iter()
        .map(|one| str::from_utf8(one).ok()?.parse().ok());
    let engines = fields(process, ENGINES)?;
    let engines = engines.chunks(ENGINE_FIELDS).map(|fields| {
        let fields: [&[u8]; ENGINE_FIELDS] =
            std::array::from_fn(|at| fields.get(at).map_or(&[][..], Vec::as_slice));
        Engine::of_record(&fields)
    });
    Some(Posted {
        listen: listen.collect::<Option<_>>()?,
        engines: engines.collect::<Option<_>>()?,
    })
}

/// The fields of a notice of a process.
fn fields(process: &Path, name: &str) -> Option<Vec<Vec<u8>>> {
    // What `/proc` shows for it.
    let shown = format!("/memfd:{name} (deleted)");
    let files = fs::read_dir(process.join("fd")).ok()?;
    let mut files = files.flatten().map(|file| file.path());
    let is_it = |file: &Path| fs::read_link(file).is_ok_and(|link| link == Path::new(&shown));
    let notice = files.find(|file| is_it(file))?;
    let mut text = Vec::new();
    File::open(notice)
        .ok()?
        .take(MOST)
        .read_to_end(&mut text)
        .ok()?;
    let fields = text.strip_suffix(&[0])?.split(|byte| *byte == 0);
    Some(fields.map(<[u8]>::to_vec).collect())
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
        let file = "engines: { nas: \"tcp://localhost:1\" }\npolicies: { a: { ENGINE: nas } }\n\
                    endpoints: [{ listen: \"unix:///x\" }, { listen: \"unix:///y\", policy: a }]";
        let variables = [("CONFIG_DATA", file), ("SOCKET_PATH", "/a b\n")];
        let settings = config::Settings::load(&config::Snapshot::from_iter(variables)).unwrap();
        let used = settings.engines();
        assert_eq!(used.len(), 2);
        assert!(said(own).is_none());
        let endpoints = Notice::of_endpoints(&listeners).unwrap();
        let engines = Notice::of_engines(&used).unwrap();
        let bound = listeners[1].name.parse().unwrap();
        let found = said(own).unwrap();
        assert_eq!(found.listen, [odd, bound]);
        let found: Vec<Engine> = found.engines.into_iter().map(Result::unwrap).collect();
        let used: Vec<Engine> = used.iter().map(|one| (**one).clone()).collect();
        assert_eq!(found, used);
        drop((endpoints, engines));
        assert!(said(own).is_none());
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
