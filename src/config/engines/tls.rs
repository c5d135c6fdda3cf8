//! How an engine proves who it is, and how dockgate does.
//!
//! **An engine's certificate is always verified**: against the authorities in a file, and for the host
//! of its address. There is no option not to.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::address::Host;
use crate::config::paths::shown_path;
use crate::config::pems::Pems;
use crate::tls::{Ca, Validity, certificates, protocols, provider};

/// The files that say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authorities of the engine's certificate.
    pub ca: PathBuf,
    /// dockgate's own certificate and its key, if the engine wants one.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// How an engine is connected to.
#[derive(Clone)]
pub struct Tls {
    /// What rustls makes of the files.
    pub client: Arc<ClientConfig>,
    /// The name that the engine's certificate has to have.
    pub host: ServerName<'static>,
    /// Where that is from.
    pub files: TlsFiles,
    /// What is in the files.
    read: Vec<Vec<u8>>,
    /// How long the certificates hold: those of the authorities, and dockgate's own.
    validities: [Vec<Validity>; 2],
}

/// The same files with the same content make the same connections.
impl PartialEq for Tls {
    fn eq(&self, other: &Tls) -> bool {
        (&self.host, &self.files, &self.read) == (&other.host, &other.files, &other.read)
    }
}

impl Eq for Tls {}

/// A key is shown nowhere.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

/// What is wrong with one of the files.
pub struct Unusable {
    /// Which one: `ca`, `cert` or `key`.
    pub key: &'static str,
    /// Its path, and why.
    pub problem: String,
    /// What to do.
    pub help: &'static str,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub(super) fn read(files: TlsFiles, host: &Host, pems: &Pems) -> Result<Tls, Vec<Unusable>> {
        let mut wrong = Vec::new();
        let cas = authorities(&files.ca, pems).map_err(|unusable| wrong.push(unusable));
        let own = files.own.as_ref().map(|(cert, key)| {
            let cert = chain("cert", cert, pems).map_err(|unusable| wrong.push(unusable));
            let key = private_key(key, pems).map_err(|unusable| wrong.push(unusable));
            Some((cert.ok()?, key.ok()?))
        });
        let (Ok(cas), true) = (cas, wrong.is_empty()) else {
            return Err(wrong);
        };
        let own = own.flatten();
        let chain = own.iter().flat_map(|(chain, _)| chain);
        let validities = [
            cas.iter().map(|ca| ca.validity).collect(),
            chain.filter_map(|one| Validity::of(one).ok()).collect(),
        ];
        let roots = cas.into_iter().map(|ca| ca.anchor).collect();
        let builder = ClientConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions();
        let builder =
            builder.map_err(|error| vec![unfit("ca", &files.ca, &error.to_string(), OTHER)])?;
        let builder = builder.with_root_certificates(RootCertStore { roots });
        let client = match own {
            None => Ok(builder.with_no_client_auth()),
            Some((cert, key)) => builder.with_client_auth_cert(cert, key),
        };
        let mut client = client.map_err(|error| {
            let (cert, key) = files.own.clone().unwrap_or_default();
            let why = match error {
                rustls::Error::InconsistentKeys(_) => {
                    format!("does not belong to the certificate, {}", shown_path(&cert))
                }
                other => other.to_string(),
            };
            vec![unfit(
                "key",
                &key,
                &why,
                "use the key with which it was requested",
            )]
        })?;
        client.alpn_protocols = protocols();
        let named = |path: &Path| pems.get(path).unwrap_or_default().to_vec();
        let own = files.own.iter().flat_map(|(cert, key)| [cert, key]);
        let read = std::iter::once(&files.ca).chain(own);
        Ok(Tls {
            client: Arc::new(client),
            host: server_name(host).ok_or_else(|| {
                vec![Unusable {
                    key: "address",
                    problem: "has a host that no certificate can be for".to_owned(),
                    help: "use another name of the host, without _",
                }]
            })?,
            read: read.map(|path| named(path)).collect(),
            validities,
            files,
        })
    }

    /// What is to be said of certificates that expire soon, or have, or are not valid yet. The engine says
    /// of dockgate's own whether it takes it.
    pub fn expiring(&self, now: SystemTime) -> impl Iterator<Item = Unusable> {
        let own = self.files.own.as_ref().map(|(cert, _)| cert);
        let files = [("ca", Some(&self.files.ca)), ("cert", own)];
        let all = files.into_iter().zip(&self.validities);
        all.flat_map(move |((key, path), validities)| {
            let path = path.map_or(Path::new(""), |path| path);
            let told = validities.iter().filter_map(move |one| one.told(now));
            told.map(move |(problem, help)| unfit(key, path, &problem, help))
        })
    }
}

fn server_name(host: &Host) -> Option<ServerName<'static>> {
    match host {
        Host::Ip(ip) => Some(ServerName::IpAddress((*ip).into())),
        // A certificate has no dot at the end of its names.
        Host::Name(name) => {
            let name = name.strip_suffix('.').unwrap_or(name).to_owned();
            ServerName::try_from(name).ok()
        }
    }
}

/// The authorities in a file.
fn authorities(path: &Path, pems: &Pems) -> Result<Vec<Ca>, Unusable> {
    let all = chain("ca", path, pems)?;
    let cas = all.iter().map(Ca::read);
    let cas: Result<_, _> = cas.collect();
    cas.map_err(|(problem, help): (String, _)| unfit("ca", path, &problem, help))
}

/// The certificates in a file; there is one at least.
fn chain(
    key: &'static str,
    path: &Path,
    pems: &Pems,
) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let bytes = pems.get(path).map_err(|error| unread(key, path, error))?;
    certificates(bytes).map_err(|(problem, help)| unfit(key, path, &problem, help))
}

fn private_key(path: &Path, pems: &Pems) -> Result<PrivateKeyDer<'static>, Unusable> {
    let bytes = pems.get(path).map_err(|error| unread("key", path, error))?;
    crate::tls::private_key(bytes).map_err(|(problem, help)| unfit("key", path, &problem, help))
}

fn unread(key: &'static str, path: &Path, error: &str) -> Unusable {
    let problem = format!("cannot be read: {error}");
    unfit(
        key,
        path,
        &problem,
        "mount it, and let dockgate's user read it",
    )
}

fn unfit(key: &'static str, path: &Path, problem: &str, help: &'static str) -> Unusable {
    Unusable {
        key,
        problem: format!("{} {problem}", shown_path(path)),
        help,
    }
}

const OTHER: &str = "use files in PEM form, as `docker --tlsverify` takes them";
