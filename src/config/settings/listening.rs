//! Where dockgate listens: by variables, or by the `endpoints` of a file.

use std::sync::Arc;

use super::{Endpoint, tls};
use crate::config::diagnostics::{Diagnostic, Unfit};
use crate::config::engines::Engines;
use crate::config::file::{EndpointSpec, Written};
use crate::config::listen::Listen;
use crate::config::pems::Pems;
use crate::config::policies::{Policies, PolicyId};
use crate::config::table::Values;
use crate::config::values;
use crate::policy::{printable, value_reading};
use crate::tls::Server;

/// A Unix socket's mode, if nothing says another one.
const MODE: u32 = 0o660;

/// Puts what a file says in the place of `LISTEN`, so that what says the same in another dialect is
/// found. Beside the variable itself that is a mistake.
pub(super) fn take(specs: &[EndpointSpec], values: &mut Values, diagnostics: &mut Vec<Diagnostic>) {
    let Some(first) = specs.first() else {
        return;
    };
    let (listen, mode) = (&values.listen.by, &values.listen_mode.by);
    let [cert, key, ca] = tls::given(values).map(|(_, value)| &value.by);
    let auth = &values.tls_client_auth.by;
    for name in [listen, mode, cert, key, ca, auth].into_iter().flatten() {
        let problem = format!("{name} cannot be used with endpoints");
        let help = format!("remove {name}; each endpoint has its own listen, mode and tls");
        diagnostics.push(first.place.mistake(name, problem, help));
    }
    let listen = specs
        .iter()
        .filter_map(|spec| spec.listen.text.parse().ok());
    values.listen.put("endpoints", listen.collect());
    if values.disable_ipv6.set().is_some() {
        let name = "DISABLE_IPV6";
        let problem = "endpoints override DISABLE_IPV6, which is ignored";
        diagnostics.push(Diagnostic::warning(name, problem, "remove it"));
    }
}

/// Where a file says to listen.
pub(super) fn of_file(
    specs: &[EndpointSpec],
    engines: &Engines,
    policies: Option<&Policies>,
    pems: &Pems,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<Endpoint>> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for (number, spec) in specs.iter().enumerate() {
        let what = |key: &str| format!("endpoints[{number}].{key}");
        let unfit = |key: &str, written: &Written, unfit: Unfit| {
            let (text, what) = (printable(&written.text), what(key));
            let problem = format!("{what}: {text} {}", unfit.problem);
            written.place.mistake(&what, problem, unfit.help)
        };
        let mode = spec.mode.as_ref().map_or(Ok(MODE), |mode| {
            values::mode(&mode.text).map_err(|error| diagnostics.push(unfit("mode", mode, error)))
        });
        let listen = spec.listen.text.parse::<Listen>();
        let listen = listen.map_err(|error| {
            let error = match spec.listen.text.starts_with("unix://") {
                true => error,
                false => Unfit::new(
                    "is not an address",
                    "use tcp://ADDRESS:PORT or unix:///PATH",
                ),
            };
            diagnostics.push(unfit("listen", &spec.listen, error));
        });
        let policy = match &spec.policy {
            None => PolicyId::DEFAULT,
            Some(name) => policies.map_or(PolicyId::NONE, |all| all.named(name)),
        };
        let engine = spec.engine.as_ref();
        let engine = engine.and_then(|one| engines.of_endpoint(&what("engine"), one, diagnostics));
        let tls = match &spec.tls {
            None => Ok(None),
            Some(spec) => match tls::of_file(&what("tls"), spec, pems, diagnostics) {
                Some(server) => Ok(Some(server)),
                None => Err(()),
            },
        };
        let (Ok(listen), Ok(mode), Ok(tls)) = (listen, mode, tls) else {
            continue;
        };
        if !endpoints.iter().any(|one| one.listen == listen) {
            endpoints.push(Endpoint {
                listen,
                mode,
                policy,
                tls,
                engine,
            });
            continue;
        }
        let problem = format!("{}: {listen} is listed twice", what("listen"));
        let help = "use another address";
        let mistake = spec.listen.place.mistake(&what("listen"), problem, help);
        diagnostics.push(mistake);
    }
    (endpoints.len() == specs.len()).then_some(endpoints)
}

/// Where to listen: as `LISTEN` says, or as another dialect asks, or by default.
pub(super) fn of_variables(
    values: &Values,
    asked: Option<Vec<Listen>>,
    asked_mode: Option<u32>,
    tls: Option<Arc<Server>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<Endpoint>> {
    let own = &values.listen;
    let disable_ipv6 = disable_ipv6(values, diagnostics);
    let listen = match (&own.by, asked) {
        (None, Some(asked)) => asked,
        (Some(_), _) => own.get()?.clone(),
        (None, None) => own
            .get()?
            .iter()
            .map(|one| one.by_default(disable_ipv6))
            .collect(),
    };
    let own_mode = &values.listen_mode;
    // A default of the other dialect gives way to what is set in this one.
    let mode = match (&own_mode.by, asked_mode) {
        (None, Some(asked)) => asked,
        _ => *own_mode.get()?,
    };
    let endpoints = listen.into_iter();
    let policy = PolicyId::DEFAULT;
    let endpoint = |listen| Endpoint {
        tls: tls.clone().filter(|_| matches!(listen, Listen::Tcp { .. })),
        listen,
        mode,
        policy,
        engine: None,
    };
    Some(endpoints.map(endpoint).collect())
}

fn disable_ipv6(values: &Values, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let name = "DISABLE_IPV6";
    let Some(value) = values.disable_ipv6.set() else {
        return false;
    };
    let is = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    let on = is(&["1", "true", "yes"]);
    if !on && !is(&["0", "false", "no"]) {
        let problem = value_reading(name, value, false);
        diagnostics.push(Diagnostic::warning(name, problem, "use 1 or 0"));
    }
    if on && values.listen.by.is_some() {
        let problem = "LISTEN overrides DISABLE_IPV6, which is ignored";
        diagnostics.push(Diagnostic::warning(name, problem, ""));
    }
    on
}

/// What is wrong where the settings do not fit each other.
pub(super) fn compare(values: &Values, endpoints: &[Endpoint]) -> Vec<Diagnostic> {
    let is_socket = |one: &&Endpoint| matches!(one.listen, Listen::Unix(_));
    let sockets = endpoints.iter().filter(is_socket).count();
    let ignored = |name: &str, without: &str, add: &str| {
        let problem = format!("{name} is ignored without {without} to listen on");
        let help = format!("add {add} to LISTEN, or remove it");
        Diagnostic::warning(name, problem, help)
    };
    let mut diagnostics = Vec::new();
    if values.listen_mode.by.is_some() && sockets == 0 {
        diagnostics.push(ignored("LISTEN_MODE", "a Unix socket", "unix:///PATH"));
    }
    let [(cert, value), ..] = tls::given(values);
    if value.by.is_some() && sockets == endpoints.len() {
        diagnostics.push(ignored(cert, "a TCP address", "tcp://IP:PORT"));
    }
    diagnostics
}
