//! A folder of certificates that a test makes, and handshakes with what is in it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use tempfile::TempDir;
use x509_cert::Certificate;
use x509_cert::der::DecodePem;

/// A folder that dockgate may make, below one that is removed.
pub(crate) struct Certs {
    _parent: TempDir,
    pub(crate) dir: PathBuf,
}

impl Certs {
    pub(crate) fn new() -> Certs {
        Certs::named("certs")
    }

    /// One with a folder of that name.
    pub(crate) fn named(name: &str) -> Certs {
        let parent = tempfile::tempdir().expect("a folder");
        let dir = parent.path().canonicalize().expect("a path").join(name);
        Certs {
            _parent: parent,
            dir,
        }
    }

    /// One whose first run had these arguments.
    #[track_caller]
    pub(crate) fn made(args: &[&str]) -> Certs {
        let certs = Certs::new();
        certs.run(args).expect("certificates");
        certs
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dockgate"));
        command.env_clear().arg("certs").arg(&self.dir).args(args);
        command
    }

    /// What it prints, or its exit code with what is wrong.
    pub(crate) fn run(&self, args: &[&str]) -> Result<String, (i32, String)> {
        let run = self.command(args).output().expect("the program runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let Output {
            status,
            stdout,
            stderr,
        } = run;
        match status.code().expect("an exit code") {
            0 => Ok(text(stdout)),
            code => Err((code, text(stderr))),
        }
    }

    /// It fails, says so, and nothing changes.
    #[track_caller]
    pub(crate) fn refuses(&self, args: &[&str], told: &[&str]) {
        let before = self.files();
        let (code, error) = self.run(args).expect_err("a refusal");
        assert_eq!(code, 1, "{error}");
        for told in told {
            let told = told.replace("DIR", self.dir.to_str().expect("UTF-8"));
            assert!(error.contains(&told), "{told} is not in\n{error}");
        }
        assert_eq!(error.lines().count(), told.len(), "{error}");
        assert!(before == self.files(), "{args:?} changed files");
    }

    /// Everything in the folder: mode and contents, none of a folder.
    pub(crate) fn files(&self) -> BTreeMap<String, (u32, Option<String>)> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.dir.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.expect("an entry").path();
                let metadata = path.symlink_metadata().expect("metadata");
                let contents = metadata
                    .is_file()
                    .then(|| fs::read_to_string(&path).expect("a text"));
                if metadata.is_dir() {
                    folders.push(path.clone());
                }
                let name = path.strip_prefix(&self.dir).expect("a path below");
                let mode = metadata.permissions().mode() & 0o7777;
                found.insert(name.display().to_string(), (mode, contents));
            }
        }
        found
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.dir.join(path)).expect(path)
    }

    pub(crate) fn certificate(&self, path: &str) -> Certificate {
        Certificate::from_pem(self.read(path)).expect(path)
    }

    /// A TLS handshake in which this is the server, and a client with a certificate asks for a host.
    pub(crate) fn greets(&self, host: &str, client: &Path) -> Result<(), rustls::Error> {
        greet(&self.dir.join("server"), host, client)
    }

    pub(crate) fn client(&self, name: &str) -> PathBuf {
        self.dir.join("clients").join(name)
    }
}

/// A handshake in memory, in which each side is a folder and trusts the CA in it.
pub(crate) fn greet(server: &Path, host: &str, client: &Path) -> Result<(), rustls::Error> {
    let own = |folder: &Path| {
        let cert = CertificateDer::from_pem_file(folder.join("cert.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).expect("a key");
        (vec![cert], key)
    };
    let trusted = |folder: &Path| {
        let mut store = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(folder.join("ca.pem")).expect("a CA");
        store.add(ca).expect("a CA");
        Arc::new(store)
    };
    let (cert, key) = own(server);
    let verifier = WebPkiClientVerifier::builder(trusted(server)).build();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier.expect("a verifier"))
        .with_single_cert(cert, key)?;
    let mut server = ServerConnection::new(Arc::new(config))?;
    let (cert, key) = own(client);
    let config = ClientConfig::builder()
        .with_root_certificates(trusted(client))
        .with_client_auth_cert(cert, key)?;
    let host = ServerName::try_from(host.to_owned()).expect("a host");
    let mut client = ClientConnection::new(Arc::new(config), host)?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).expect("memory");
        }
        server.read_tls(&mut &*bytes).expect("memory");
        server.process_new_packets()?;
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes).expect("memory");
        }
        client.read_tls(&mut &*bytes).expect("memory");
        client.process_new_packets()?;
    }
    Ok(())
}
