//! The engines: that of the environment, which is the default, and those of a file, which policies and
//! endpoints choose by their names.

mod address;
mod record;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

pub use address::{Address, Host};
pub(super) use address::{address, default_engine, only_path};
pub use record::FIELDS;
use tls::Unusable;
pub use tls::{Tls, TlsFiles};

use super::diagnostics::Diagnostic;
use super::file::{DEFAULT, EndpointSpec, EngineSpec, Place, Written};
use super::listen::Listen;
use super::near::near;
use super::pems::Pems;
use super::settings::Endpoint;
use super::snapshot::Snapshot;
use super::table::{SETTINGS, Values, of_either};
use crate::policy::{Notation, printable};

/// The variable by which a policy chooses one.
pub(super) const ENGINE: &str = "ENGINE";
/// The variables of the default engine's files: the authority, the certificate and the key.
const FILES: [&str; 3] = ["ENGINE_CA", "ENGINE_CERT", "ENGINE_KEY"];
/// The same in another dialect.
const FILES_OF_CETUSGUARD: [&str; 3] = [
    "CETUSGUARD_BACKEND_TLS_CACERT",
    "CETUSGUARD_BACKEND_TLS_CERT",
    "CETUSGUARD_BACKEND_TLS_KEY",
];

/// An engine that requests can go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Its name; that of the environment's is `default`.
    pub name: Arc<str>,
    /// Whether there are others, so that messages name it.
    pub is_named: bool,
    /// Where it is.
    pub address: Address,
    /// How it is connected to, if by TLS.
    pub tls: Option<Tls>,
}

impl Engine {
    /// What tells it from others, whatever its name is.
    pub fn key(&self) -> String {
        self.address.to_string()
    }

    /// What its address is set by.
    pub fn setting(&self) -> String {
        match &*self.name {
            DEFAULT => "SOCKET_PATH".to_owned(),
            name => format!("engines.{name}"),
        }
    }

    /// Whether anybody on the network between could read and change what is sent.
    fn is_open(&self) -> bool {
        self.tls.is_none() && self.address.is_remote()
    }
}

/// `the engine nas`; where there is only one, `the engine`.
impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_named {
            true => write!(f, "the engine {}", self.name),
            false => f.write_str("the engine"),
        }
    }
}

/// All engines.
#[derive(Debug)]
pub(super) struct Engines {
    /// That of the environment, unless something is wrong with it.
    pub(super) default: Option<Arc<Engine>>,
    /// Those of the files, with their places. None: something is wrong with it.
    named: Vec<(String, Place, Option<Arc<Engine>>)>,
}

impl Engines {
    /// Reads them.
    pub(super) fn read(
        values: &Values,
        specs: &[EngineSpec],
        pems: &Pems,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Engines {
        let is_named = !specs.is_empty();
        let default = of_environment(values, is_named, pems, diagnostics);
        let named = specs.iter().map(|spec| {
            let engine = of_file(spec, pems, diagnostics);
            (spec.name.clone(), spec.place.clone(), engine.map(Arc::new))
        });
        Engines {
            named: named.collect(),
            default: default.map(Arc::new),
        }
    }

    /// The engine that a policy's `ENGINE` names, if it names one.
    pub(super) fn of_policy(
        &self,
        snapshot: &Snapshot,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Arc<Engine>> {
        match snapshot.get(ENGINE)?.to_str() {
            Some("") if snapshot.notation() == Notation::Environment => None,
            Some("") => {
                let problem = format!("{ENGINE} is empty");
                diagnostics.push(Diagnostic::error(ENGINE, problem, "set it, or remove it"));
                None
            }
            Some(name) => self.find(name, |known| {
                let problem = format!("{ENGINE}={}: unknown engine", printable(name));
                diagnostics.push(Diagnostic::error(ENGINE, problem, known));
            }),
            None => {
                diagnostics.push(Diagnostic::not_utf8(ENGINE));
                None
            }
        }
    }

    /// The engine that an endpoint names.
    pub(super) fn of_endpoint(
        &self,
        what: &str,
        name: &Written,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Arc<Engine>> {
        self.find(&name.text, |known| {
            let problem = format!("{what}: unknown engine {}", printable(&name.text));
            diagnostics.push(name.place.mistake(what, problem, known));
        })
    }

    fn find(&self, name: &str, unknown: impl FnOnce(String)) -> Option<Arc<Engine>> {
        if name == DEFAULT {
            return self.default.clone();
        }
        let mut named = self.named.iter();
        if let Some((.., engine)) = named.find(|(known, ..)| known == name) {
            return engine.clone();
        }
        let known = self.named.iter().map(|(known, ..)| known.as_str());
        let known: Vec<&str> = known.chain([DEFAULT]).collect();
        unknown(match near(name, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("add it to engines, or use one of {}", known.join(", ")),
        });
        None
    }

    /// What is wrong where an engine and an endpoint are one, so that requests would come back for ever.
    pub(super) fn beside(
        &self,
        endpoints: &[Endpoint],
        specs: &[EndpointSpec],
        values: &Values,
    ) -> Vec<Diagnostic> {
        let mut mistakes = Vec::new();
        for (at, endpoint) in endpoints.iter().enumerate() {
            let listen = &endpoint.listen;
            let is_own = |engine: &&Arc<Engine>| engine.address.is(listen);
            if let Some(engine) = self.default.as_ref().filter(is_own) {
                let own = match listen {
                    Listen::Unix(_) => "the engine's own socket",
                    Listen::Tcp { .. } => "the engine's own address",
                };
                mistakes.push(match specs.get(at) {
                    Some(spec) => {
                        let what = format!("endpoints[{at}].listen");
                        let problem = format!("{what}: {listen} is {own}");
                        let place = &spec.listen.place;
                        place.mistake(&what, problem, "use another address")
                    }
                    None => {
                        let by = values.listen.by.as_deref().unwrap_or("LISTEN");
                        let shown = engine.address.to_string();
                        let (problem, help) = match listen {
                            Listen::Unix(_) => ("contains", "use another path"),
                            Listen::Tcp { .. } => ("covers", "use another address"),
                        };
                        let problem = format!("{by} {problem} {shown}, which is {own}");
                        Diagnostic::error(by, problem, help)
                    }
                });
            }
            for (_, place, engine) in &self.named {
                let Some(engine) = engine.as_ref().filter(is_own) else {
                    continue;
                };
                let what = engine.setting();
                let problem = format!("{what}: {} is dockgate's own endpoint", engine.address);
                let help = format!("use the address of the engine, not {listen}");
                mistakes.push(place.mistake(&what, problem, help));
            }
        }
        mistakes
    }

    /// What nobody uses, given those that are used.
    pub(super) fn unused<'a>(
        &'a self,
        used: &'a [Arc<Engine>],
        values: &'a Values,
    ) -> impl Iterator<Item = Diagnostic> + 'a {
        let is_unused = |name: &str| !used.iter().any(|one| *one.name == *name);
        let named = self.named.iter().filter(move |(name, ..)| is_unused(name));
        let named = named.map(|(name, place, _)| {
            let what = format!("engines.{name}");
            let problem = format!("{what} is not used: no policy and no endpoint names it");
            let help = "name it in a policy's ENGINE or an endpoint's engine, or remove it";
            place.mistake(&what, problem, help).into_warning()
        });
        let by = values.socket_path.by.as_deref();
        let by = by.filter(move |_| is_unused(DEFAULT)).map(|by| {
            let problem = format!("{by} is not used: every policy and endpoint has another engine");
            Diagnostic::warning(by, problem, "remove it")
        });
        named.chain(by)
    }
}

/// The engine of the environment.
fn of_environment(
    values: &Values,
    is_named: bool,
    pems: &Pems,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Engine> {
    let others = [
        &values.forwarding_socket_path,
        &values.cetusguard_backend_addr,
    ];
    let other = others.into_iter().find(|other| other.by.is_some());
    let (by, address) = match other {
        Some(other) => (other.by.as_deref().unwrap_or_default(), other.get()),
        None => {
            let (own, other) = (&values.socket_path, &values.sp_socketpath);
            let by = other.by.as_deref().or(own.by.as_deref());
            (by.unwrap_or("SOCKET_PATH"), own.or_same(other))
        }
    };
    let [ca, cert, key] = FILES;
    let own = [
        (ca, &values.engine_ca),
        (cert, &values.engine_cert),
        (key, &values.engine_key),
    ];
    let [ca, cert, key] = FILES_OF_CETUSGUARD;
    let of_cetusguard = [
        (ca, &values.cetusguard_backend_tls_cacert),
        (cert, &values.cetusguard_backend_tls_cert),
        (key, &values.cetusguard_backend_tls_key),
    ];
    let given = of_either(own, of_cetusguard);
    let names = given.map(|(name, _)| name);
    let files = given.map(|(_, value)| value.set().cloned());
    let written = Entry::Environment { by, names };
    written.engine(
        DEFAULT,
        is_named,
        address?.clone(),
        files,
        pems,
        diagnostics,
    )
}

/// An engine of a file.
fn of_file(spec: &EngineSpec, pems: &Pems, diagnostics: &mut Vec<Diagnostic>) -> Option<Engine> {
    let entry = Entry::File(spec);
    let address = address::address(&spec.address.text).map_err(|unfit| {
        let problem = format!("{} {}", printable(&spec.address.text), unfit.problem);
        diagnostics.push(entry.mistake("address", &problem, unfit.help));
    });
    let files = [&spec.ca, &spec.cert, &spec.key];
    let files = files.map(|file| file.as_ref().map(|file| PathBuf::from(&file.text)));
    entry.engine(&spec.name, true, address.ok()?, files, pems, diagnostics)
}

/// Where an engine is written, for messages.
enum Entry<'a> {
    /// In the environment: its address by this variable, its files by these.
    Environment {
        by: &'a str,
        names: [&'static str; 3],
    },
    File(&'a EngineSpec),
}

impl Entry<'_> {
    /// `ENGINE_CA`, or `engines.nas.ca`.
    fn what(&self, key: &str) -> String {
        match self {
            Entry::Environment {
                by,
                names: [ca, cert, own],
            } => match key {
                "ca" => ca,
                "cert" => cert,
                "key" => own,
                _ => *by,
            }
            .to_owned(),
            Entry::File(spec) => format!("engines.{}.{key}", spec.name),
        }
    }

    fn mistake(&self, key: &str, problem: &str, help: &str) -> Diagnostic {
        let what = self.what(key);
        let problem = format!("{what}: {problem}");
        match self {
            Entry::Environment { .. } => Diagnostic::error(&what, problem, help),
            Entry::File(spec) => {
                let own = match key {
                    "ca" => &spec.ca,
                    "cert" => &spec.cert,
                    "key" => &spec.key,
                    _ => &None,
                };
                let own = own.as_ref().unwrap_or(&spec.address);
                own.place.mistake(&what, problem, help)
            }
        }
    }

    /// The engine, unless something is wrong with it.
    fn engine(
        &self,
        name: &str,
        is_named: bool,
        address: Address,
        files: [Option<PathBuf>; 3],
        pems: &Pems,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Engine> {
        let before = diagnostics.len();
        let tls = self.tls(&address, files, pems, diagnostics);
        if diagnostics.len() > before {
            return None;
        }
        let soon = tls.iter().flat_map(|tls| tls.expiring(SystemTime::now()));
        diagnostics.extend(soon.map(|Unusable { key, problem, help }| {
            self.mistake(key, &problem, help).into_warning()
        }));
        let engine = Engine {
            name: name.into(),
            is_named,
            address,
            tls,
        };
        if engine.is_open() {
            let problem = format!("{}: {OPEN}", engine.address);
            let help = format!(
                "set {}, and {} and {} if the engine wants a certificate",
                self.what("ca"),
                self.what("cert"),
                self.what("key")
            );
            let mistake = self.mistake("address", &problem, &help);
            diagnostics.push(mistake.into_warning());
        }
        Some(engine)
    }

    fn tls(
        &self,
        address: &Address,
        [ca, cert, key]: [Option<PathBuf>; 3],
        pems: &Pems,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Tls> {
        let mut mistake = |key: &str, problem: &str, help: &str| {
            diagnostics.push(self.mistake(key, problem, help));
        };
        let host = match address {
            Address::Tcp { host, .. } => host,
            Address::Unix(_) => {
                let all = [("ca", &ca), ("cert", &cert), ("key", &key)];
                for (key, _) in all.into_iter().filter(|(_, file)| file.is_some()) {
                    let problem = "the engine is at a Unix socket, which has no TLS";
                    mistake(key, problem, "remove it, or use tcp://HOST:PORT");
                }
                return None;
            }
        };
        let own = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            (Some(_), None) => {
                let problem = format!("it is set without {}", self.what("key"));
                mistake("cert", &problem, "set both, or none of them");
                return None;
            }
            (None, Some(_)) => {
                let problem = format!("it is set without {}", self.what("cert"));
                mistake("key", &problem, "set both, or none of them");
                return None;
            }
        };
        let Some(ca) = ca else {
            if own.is_some() {
                let problem = format!("it is set without {}", self.what("ca"));
                let help =
                    "set it to the file of the authority that signed the engine's certificate";
                mistake("cert", &problem, help);
            }
            return None;
        };
        match Tls::read(TlsFiles { ca, own }, host, pems) {
            Ok(tls) => Some(tls),
            Err(wrong) => {
                for Unusable { key, problem, help } in wrong {
                    mistake(key, &problem, help);
                }
                None
            }
        }
    }
}

/// The files that engines' entries and the environment name.
pub(super) fn files<'a>(
    specs: &'a [EngineSpec],
    environment: &'a Snapshot,
) -> impl Iterator<Item = &'a Path> {
    let of_files = specs
        .iter()
        .flat_map(|spec| [&spec.ca, &spec.cert, &spec.key]);
    let of_files = of_files.flatten().map(|file| Path::new(&file.text));
    let own = SETTINGS
        .iter()
        .filter(|one| FILES.contains(&one.name) || FILES_OF_CETUSGUARD.contains(&one.name))
        .filter_map(|setting| environment.written(setting));
    of_files.chain(own.map(|(_, path)| Path::new(path)))
}

/// What follows where TLS is missing.
const OPEN: &str = "the connection is not encrypted: anyone on the network between can read it, \
                    change it, and so control the engine's host";
