//! The endpoints that speak TLS: their files, by variables or by the `tls` of a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::Endpoint;
use crate::clients::Who;
use crate::config::diagnostics::Diagnostic;
use crate::config::file::{Document, EndpointSpec, TlsSpec};
use crate::config::paths::shown_path;
use crate::config::pems::Pems;
use crate::config::snapshot::Snapshot;
use crate::config::table::{SETTINGS, Value, Values, of_either};
use crate::config::values;
use crate::policy::printable;
use crate::tls::{ClientAuth, Part, Parts, Server};

/// The variables that name such a file, and those of hectorm/cetusguard.
const VARIABLES: [&str; 3] = ["TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA"];
const OF_CETUSGUARD: [&str; 3] = [
    "CETUSGUARD_FRONTEND_TLS_CERT",
    "CETUSGUARD_FRONTEND_TLS_KEY",
    "CETUSGUARD_FRONTEND_TLS_CACERT",
];

/// The files that endpoints of a document, and the environment, name.
pub(in crate::config) fn files<'a>(
    specs: &'a [EndpointSpec],
    environment: &'a Snapshot,
) -> impl Iterator<Item = &'a Path> {
    let specs = specs.iter().filter_map(|one| one.tls.as_ref());
    let of_specs = specs.flat_map(|tls| tls.client_ca.iter().chain([&tls.cert, &tls.key]));
    let own = SETTINGS
        .iter()
        .filter(|one| VARIABLES.contains(&one.name) || OF_CETUSGUARD.contains(&one.name))
        .filter_map(|setting| environment.written(setting));
    let named = own
        .filter(|(_, path)| !path.is_empty())
        .map(|(_, path)| Path::new(path));
    of_specs.map(|one| Path::new(&one.text)).chain(named)
}

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
        match Server::new(parts) {
            Ok(server) => {
                let soon = server.expiring(SystemTime::now());
                diagnostics.extend(
                    soon.map(|one| mistake(one.part, one.problem, one.help).into_warning()),
                );
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

/// The certificate, the key and the CAs of clients, each with the name of its variable.
pub(super) fn given(values: &Values) -> [(&'static str, &Value<PathBuf>); 3] {
    let [cert, key, ca] = VARIABLES;
    let own = [
        (cert, &values.tls_cert),
        (key, &values.tls_key),
        (ca, &values.tls_client_ca),
    ];
    let [cert, key, ca] = OF_CETUSGUARD;
    of_either(
        own,
        [
            (cert, &values.cetusguard_frontend_tls_cert),
            (key, &values.cetusguard_frontend_tls_key),
            (ca, &values.cetusguard_frontend_tls_cacert),
        ],
    )
}

/// What the variables say. `Err`: they cannot be used, which is among the diagnostics.
pub(super) fn of_variables(
    values: &Values,
    pems: &Pems,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Option<Arc<Server>>, ()> {
    let before = diagnostics.len();
    let given = given(values);
    let [cert, key, client_ca] = given.map(|(_, value)| value.set().map(PathBuf::as_path));
    let [has_cert, has_key, has_ca] = given.map(|(_, value)| value.by.is_some());
    let [cert_name, key_name, ca_name] = given.map(|(name, _)| name);
    let mut without = |name: &str, other: &str, is_without: bool| {
        if is_without {
            let problem = format!("{name} is set without {other}");
            let help = format!("set {other}, or unset {name}");
            diagnostics.push(Diagnostic::error(name, problem, help));
        }
    };
    without(cert_name, key_name, has_cert && !has_key);
    without(key_name, cert_name, has_key && !has_cert);
    without(ca_name, cert_name, has_ca && !has_cert);
    let has_auth = values.tls_client_auth.by.is_some();
    without(CLIENT_AUTH, ca_name, has_auth && !has_ca);
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
                    Part::Cert => cert_name,
                    Part::Key => key_name,
                    Part::ClientCa => ca_name,
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

/// A warning for each rule by names alone, if one CA could sign what another one is trusted with.
pub(super) fn by_any_ca(document: &Document, endpoints: &[Endpoint]) -> Vec<Diagnostic> {
    let mut trusts = endpoints.iter().filter_map(|one| one.tls.as_ref()?.trust);
    let first = trusts.next();
    if trusts.all(|one| first.is_some_and(|first| one.is_by_same_ca(first))) {
        return Vec::new();
    }
    let rules = document.clients.iter().enumerate();
    let by_names = rules.filter(
        |(_, spec)| matches!(&spec.who, Who::Certificate(rule) if rule.fingerprint.is_none()),
    );
    let warnings = by_names.map(|(number, spec)| {
        let what = format!("clients[{number}].certificate");
        let problem = format!(
            "{what}: endpoints have different client CAs, and each of these can sign that name"
        );
        let help = "add the fingerprint, or use the same client_ca for all endpoints";
        spec.place.mistake(&what, problem, help).into_warning()
    });
    warnings.collect()
}

const CLIENT_AUTH: &str = "TLS_CLIENT_AUTH";
