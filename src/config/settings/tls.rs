//! The endpoints that speak TLS: their files, by variables or by the `tls` of a file.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::config::diagnostics::Diagnostic;
use crate::config::file::TlsSpec;
use crate::config::paths::shown_path;
use crate::config::pems::{Pems, VARIABLES};
use crate::config::snapshot::Snapshot;
use crate::config::table::Values;
use crate::config::values;
use crate::policy::printable;
use crate::tls::{ClientAuth, Part, Parts, Server};

/// What an endpoint's TLS is made of.
struct Files<'a> {
    cert: &'a Path,
    key: &'a Path,
    client_ca: Option<(&'a Path, ClientAuth)>,
}

impl Files<'_> {
    fn path(&self, part: Part) -> Option<&Path> {
        match part {
            Part::Cert => Some(self.cert),
            Part::Key => Some(self.key),
            Part::ClientCa => self.client_ca.map(|(path, _)| path),
        }
    }

    /// What is in them, or all that is wrong with them; `mistake` words what follows a file's name.
    fn read(
        &self,
        pems: &Pems,
        mistake: impl Fn(Part, String, &str) -> Diagnostic,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Arc<Server>> {
        let mut bytes = |part: Part| {
            pems.get(self.path(part)?)
                .map_err(|why| {
                    let help = "mount it, and let dockgate's user read it";
                    diagnostics.push(mistake(part, format!("cannot be read: {why}"), help));
                })
                .ok()
        };
        let (cert, key) = (bytes(Part::Cert), bytes(Part::Key));
        let client_ca = match self.client_ca {
            Some((_, auth)) => Some((bytes(Part::ClientCa)?, auth)),
            None => None,
        };
        let parts = Parts {
            cert: cert?,
            key: key?,
            client_ca,
        };
        let now = SystemTime::now();
        match Server::new(parts, now) {
            Ok(server) => {
                let soon = server
                    .expiring(now)
                    .map(|(part, problem)| mistake(part, problem, "renew it").into_warning());
                diagnostics.extend(soon);
                Some(Arc::new(server))
            }
            Err(mistakes) => {
                let mistakes = mistakes.into_iter();
                diagnostics.extend(mistakes.map(|one| mistake(one.part, one.problem, one.help)));
                None
            }
        }
    }
}

/// What the entry of a file says, `endpoints[0].tls`.
pub(super) fn of_file(
    what: &str,
    spec: &TlsSpec,
    pems: &Pems,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Arc<Server>> {
    let auth = match &spec.client_auth {
        None => Some(ClientAuth::Required),
        Some(written) => values::client_auth(&written.text)
            .map_err(|unfit| {
                let what = format!("{what}.client_auth");
                let problem = format!("{what}: {} {}", printable(&written.text), unfit.problem);
                diagnostics.push(written.place.mistake(&what, problem, unfit.help));
            })
            .ok(),
    };
    let client_ca = spec.client_ca.as_ref();
    let files = Files {
        cert: Path::new(&spec.cert.text),
        key: Path::new(&spec.key.text),
        client_ca: client_ca.map(|ca| (Path::new(&ca.text), auth.unwrap_or(ClientAuth::Required))),
    };
    let mistake = |part: Part, problem: String, help: &str| {
        let written = match part {
            Part::Cert => &spec.cert,
            Part::Key => &spec.key,
            Part::ClientCa => client_ca.unwrap_or(&spec.cert),
        };
        let what = format!("{what}.{}", part.key());
        let problem = format!("{what}: {} {problem}", shown_path(Path::new(&written.text)));
        written.place.mistake(&what, problem, help)
    };
    let server = files.read(pems, mistake, diagnostics);
    server.filter(|_| auth.is_some())
}

/// What the variables say. `Err`: they cannot be used, which is among the diagnostics.
pub(super) fn of_variables(
    values: &Values,
    snapshot: &Snapshot,
    pems: &Pems,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Option<Arc<Server>>, ()> {
    // An empty one would be an endpoint without TLS, or without certificates of clients.
    let empty = VARIABLES.into_iter().chain([CLIENT_AUTH]);
    let empty = empty.filter(|name| snapshot.get(name).is_some_and(OsStr::is_empty));
    let empty = empty.map(|name| {
        let problem = format!("{name} is empty");
        Diagnostic::error(name, problem, "set it to a value, or unset it")
    });
    let before = diagnostics.len();
    diagnostics.extend(empty);
    let [cert, key, client_ca] = [&values.tls_cert, &values.tls_key, &values.tls_client_ca]
        .map(|value| value.set().map(PathBuf::as_path));
    let [has_cert, has_key, has_ca] =
        [&values.tls_cert, &values.tls_key, &values.tls_client_ca].map(|one| one.by.is_some());
    let mut without = |name: &str, other: &str, is_without: bool| {
        if is_without {
            let problem = format!("{name} is set without {other}");
            let help = format!("set {other}, or unset {name}");
            diagnostics.push(Diagnostic::error(name, problem, help));
        }
    };
    without("TLS_CERT", "TLS_KEY", has_cert && !has_key);
    without("TLS_KEY", "TLS_CERT", has_key && !has_cert);
    without("TLS_CLIENT_CA", "TLS_CERT", has_ca && !has_cert);
    let has_auth = values.tls_client_auth.by.is_some();
    without(CLIENT_AUTH, "TLS_CLIENT_CA", has_auth && !has_ca);
    let auth = values.tls_client_auth.get().copied();
    let client_ca = client_ca.map(|ca| (ca, auth.unwrap_or(ClientAuth::Required)));
    let server = match (cert, key) {
        (Some(cert), Some(key)) => {
            let files = Files {
                cert,
                key,
                client_ca,
            };
            let mistake = |part: Part, problem: String, help: &str| {
                let name = match part {
                    Part::Cert => "TLS_CERT",
                    Part::Key => "TLS_KEY",
                    Part::ClientCa => "TLS_CLIENT_CA",
                };
                let path = files.path(part).map(shown_path).unwrap_or_default();
                Diagnostic::error(name, format!("{name}={path} {problem}"), help)
            };
            files.read(pems, mistake, diagnostics)
        }
        _ => None,
    };
    let is_fine = !diagnostics[before..].iter().any(Diagnostic::is_error);
    let is_read = server.is_some() || !has_cert;
    if is_fine && is_read {
        Ok(server)
    } else {
        Err(())
    }
}

const CLIENT_AUTH: &str = "TLS_CLIENT_AUTH";
