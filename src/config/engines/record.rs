//! An engine as a running dockgate notes it for its own health check, which reads no configuration.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::address;
use super::{Address, Engine, Pems, Tls, TlsFiles};

/// So many fields has one.
pub const FIELDS: usize = 6;

impl Engine {
    /// Its fields: its name if there are several, its address, and its files. A key is not among them.
    pub fn record(&self) -> [Vec<u8>; FIELDS] {
        let files = self.tls.as_ref().map(|tls| &tls.files);
        let own = files.and_then(|files| files.own.as_ref());
        let bytes = |path: Option<&PathBuf>| {
            let bytes = path.map(|path| path.as_os_str().as_bytes().to_vec());
            bytes.unwrap_or_default()
        };
        [
            self.name.as_bytes().to_vec(),
            vec![b'0' + u8::from(self.is_named)],
            self.address.written(),
            bytes(files.map(|files| &files.ca)),
            bytes(own.map(|(cert, _)| cert)),
            bytes(own.map(|(_, key)| key)),
        ]
    }

    /// The engine of such fields. Its files are read anew.
    ///
    /// # Errors
    /// What is wrong with its files. None: these are no fields of an engine.
    pub fn of_record(fields: &[&[u8]; FIELDS]) -> Option<Result<Engine, String>> {
        let [name, is_named, at, ca, cert, key] = fields;
        let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
        let address = match at.strip_prefix(b"/") {
            Some(_) => Address::Unix(path(at)),
            None => address::address(str::from_utf8(at).ok()?).ok()?,
        };
        let mut engine = Engine {
            name: str::from_utf8(name).ok()?.into(),
            is_named: *is_named == b"1",
            address,
            tls: None,
        };
        if ca.is_empty() {
            return Some(Ok(engine));
        }
        let files = TlsFiles {
            ca: path(ca),
            own: (!cert.is_empty()).then(|| (path(cert), path(key))),
        };
        let own = files.own.iter().flat_map(|(cert, key)| [cert, key]);
        let all = std::iter::once(&files.ca).chain(own);
        let pems = Pems::load(all.map(PathBuf::as_path));
        let Address::Tcp { host, .. } = &engine.address else {
            return None;
        };
        Some(match Tls::read(files, host, &pems) {
            Ok(tls) => {
                engine.tls = Some(tls);
                Ok(engine)
            }
            Err(wrong) => {
                let wrong: Vec<String> = wrong.into_iter().map(|one| one.problem).collect();
                Err(format!("{engine}: {}", wrong.join("; ")))
            }
        })
    }
}
