//! Names that look like variables of dockgate but are not: misspelt names, names in the wrong case,
//! and variables of other proxies. A user relies on each of them.

use std::net::IpAddr;

use once_cell::sync::Lazy;

use super::diagnostics::Diagnostic;
use super::dialect::cetusguard::addresses::OF_CLIENTS;
use super::dialect::cetusguard::{self, RuleLines};
use super::dialect::presets::PRESET;
use super::dialect::sections::{DENY, Grants, POST, is_off};
use super::dialect::wollomatic::flags::{METHODS, method_of};
use super::rules;
use super::snapshot::Snapshot;
use super::table::SETTINGS;
use crate::api::sections::SECTIONS;
use crate::policy::{Notation, printable};

/// Every known name.
static KNOWN: Lazy<Vec<&str>> = Lazy::new(|| {
    let settings = SETTINGS.iter().map(|setting| setting.name);
    let grants = Grants::variables().map(|(name, _)| name);
    let mut names: Vec<&str> = grants.chain(settings).collect();
    names.sort_unstable();
    names.dedup();
    names
});

/// Names that are common in containers, shells and images, and never typos.
const COMMON: &[&str] = &[
    "PATH", "HOST", "HOME", "PORT", "LANG", "TERM", "TZ", "PUID", "PGID", "PWD", "OLDPWD", "USER",
    "UID", "GID", "PID", "UMASK", "SHELL", "SHLVL", "HOSTNAME", "LOGNAME", "MAIL", "NAME",
    "LANGUAGE", "LC_ALL", "EDITOR", "PAGER", "DISPLAY", "DEBUG", "ENV",
];

/// Further names that container engines, orchestrators and Rust itself set or read.
const SURROUNDINGS: &[&str] = &[
    "_",
    "container",
    "HOST_OS",
    "HOST_HOSTNAME",
    "HOST_CONTAINERNAME",
    "RUST_BACKTRACE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

/// The same, for whole families of names.
const SURROUNDING_PREFIXES: &[&str] = &["KUBERNETES_", "NOMAD_", "ECS_", "LC_"];

/// Variables of other proxies of this kind that dockgate does not read.
const FOREIGN: &[&str] = &[
    "ALLOW_DELETE",
    "BIND_CONFIG",
    "GET",
    "HEAD",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
];

/// The same for whole families of names.
const FOREIGN_PREFIXES: &[&str] = &["ALLOW_", "DENY_", "SP_", "CETUSGUARD_", "SOCKET_PROXY_"];

/// Warns about each name in the environment that was probably intended for dockgate. Never shows
/// the value, which may be another program's secret.
pub(super) fn check(snapshot: &Snapshot) -> impl Iterator<Item = Diagnostic> {
    snapshot.names().filter_map(|name| warning(snapshot, name))
}

/// Whether a name was probably intended to grant something: set beside it, nothing else may grant
/// all.
pub(super) fn meant_to_grant(snapshot: &Snapshot) -> bool {
    let grants = |name: &str| {
        let mut variables = Grants::variables().filter(|(own, _)| !begins_as_a_deny(own));
        let lists = [PRESET, "PROFILE", cetusguard::RULES, cetusguard::RULES_FILE];
        lists.contains(&name) || variables.any(|(own, _)| own == name)
    };
    let begins = |name: &str| {
        ["ALLOW_", "SP_ALLOW_"]
            .iter()
            .any(|own| name.starts_with(own))
    };
    check(snapshot).any(|one| begins(&one.variable) || one.meant.is_some_and(grants))
}

/// All other names that dockgate does not use, except those that are common in containers.
pub(super) fn unused(snapshot: &Snapshot) -> Vec<String> {
    let of_cetusguard = RuleLines::active(snapshot);
    let unused = snapshot.names().filter(|name| {
        let is_read = of_cetusguard && OF_CLIENTS.contains(name) || means_something(name);
        !is_read && !is_common(name) && warning(snapshot, name).is_none()
    });
    unused.map(|name| printable(name).into_owned()).collect()
}

/// A mistake, if a name means nothing in a policy of a file.
pub(super) fn unknown_in_file(name: &str) -> Option<Diagnostic> {
    let grants = || Grants::variables().any(|(known, _)| known == name);
    if grants() || is_of_family(name) {
        return None;
    }
    let setting = SETTINGS.iter().find(|setting| setting.name == name);
    if let Some(setting) = setting {
        if setting.in_policy {
            return None;
        }
        let problem = format!("{name} applies to the whole process, not to one policy");
        return Some(Diagnostic::error(name, problem, ""));
    }
    let (help, meant) = what_to_do(name, Notation::File)
        .unwrap_or_else(|| ("`dockgate --help` lists all variables".to_owned(), None));
    let problem = format!("{} is not a variable of a policy", printable(name));
    Some(Diagnostic {
        meant,
        ..Diagnostic::error(name, problem, help)
    })
}

fn is_known(name: &str) -> bool {
    KNOWN.binary_search(&name).is_ok()
}

fn means_something(name: &str) -> bool {
    is_known(name) || is_of_family(name)
}

/// Whether a name is one of a family: a pattern's, or a rule's.
fn is_of_family(name: &str) -> bool {
    method_of(name).is_some() || rules::is_name(name)
}

/// Whether the name is common in containers, whatever runs in them.
fn is_common(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    COMMON.contains(&name)
        || SURROUNDINGS.contains(&name)
        || (SURROUNDING_PREFIXES.iter()).any(|prefix| name.starts_with(prefix))
        || upper.ends_with("_PROXY")
        || name.ends_with("_SERVICE_HOST")
        || name.contains("_PORT")
}

fn warning(snapshot: &Snapshot, name: &str) -> Option<Diagnostic> {
    if means_something(name) || COMMON.contains(&name) {
        return None;
    }
    let value = snapshot.get(name).unwrap_or_default().to_string_lossy();
    if is_of_a_service(name, &value) {
        return None;
    }
    let protects = is_to_protect(snapshot, name);
    let see_all = || ("`dockgate --help` lists all variables".to_owned(), None);
    let help = what_to_do(name, Notation::Environment);
    let (help, meant) = help.or_else(|| protects.then(see_all))?;
    // A name may contain any byte except NUL and `=`, so it must not be able to forge a log line.
    let problem = format!("unknown variable {}", printable(name));
    // A user who relies on a deny must not go without it.
    let denies = begins_as_a_deny(name) || meant.is_some_and(begins_as_a_deny);
    let is_protection = |name| {
        let mut settings = SETTINGS.iter();
        settings.any(|one| one.name == name && one.protects)
    };
    let restricts = meant.is_some_and(|name| cetusguard::restricts(name) || is_protection(name));
    // The value of a rule is an expression: `false` refuses all.
    let diagnostic = if denies && !is_off(&value) || rules::begins_as_a_rule(name) {
        Diagnostic::error(name, problem + " denies nothing", help)
    } else if restricts && !value.is_empty() {
        Diagnostic::error(name, problem + " restricts nothing", help)
    } else if protects && !value.is_empty() {
        Diagnostic::error(name, problem + " would be ignored", help)
    } else {
        Diagnostic::warning(name, problem + " ignored", help)
    };
    Some(Diagnostic {
        meant,
        ..diagnostic
    })
}

/// Whether an unknown name can only be meant for dockgate, where it would protect something: another
/// proxy's, or one of TLS where that is used.
fn is_to_protect(snapshot: &Snapshot, name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let is_set = |other: &str| snapshot.get(other).is_some_and(|value| !value.is_empty());
    let by_tcp = || {
        let address = snapshot.get("SOCKET_PATH").unwrap_or_default();
        address.to_string_lossy().starts_with("tcp:")
    };
    upper.starts_with("CETUSGUARD_")
        || upper.starts_with("TLS_") && is_set("TLS_CERT")
        || upper.starts_with("ENGINE_") && (is_set("ENGINE_CA") || by_tcp())
}

/// What to use instead of a name that looks like one of dockgate's, and which one was intended.
fn what_to_do(name: &str, notation: Notation) -> Option<(String, Option<&'static str>)> {
    let see_all = || ("`dockgate --help` lists all variables".to_owned(), None);
    let is_meant = |meant: &'static str| (format!("did you mean {meant}?"), Some(meant));
    if let Some((section, value)) = section_meant_by(name) {
        let use_it = format!("use {}", notation.set(section, value));
        return Some((use_it, Some(section)));
    }
    match method_meant_by(name) {
        Some((false, "GET" | "HEAD")) => return Some(see_all()),
        Some((false, _)) => {
            let off = notation.set(POST, 0);
            let help = format!("use {off}, which limits sections to GET and HEAD");
            return Some((help, Some(POST)));
        }
        Some((true, POST)) => return Some(is_meant(POST)),
        Some((true, _)) => return Some(see_all()),
        None if FOREIGN.contains(&name) => return Some(see_all()),
        None => {}
    }
    let upper = name.to_ascii_uppercase();
    if means_something(&upper) {
        let known = KNOWN.iter().find(|known| **known == upper).copied();
        return Some((format!("names are upper case: use {upper}"), known));
    }
    if let Some(meant) = meant_by(name) {
        return Some(is_meant(meant));
    }
    if rules::begins_as_a_rule(name) {
        return Some((rules::NAMED.to_owned(), None));
    }
    let foreign = (FOREIGN_PREFIXES.iter()).any(|prefix| name.starts_with(prefix));
    (foreign || begins_as_a_deny(name)).then(see_all)
}

/// Whether it begins like a deny, in any letter case.
fn begins_as_a_deny(name: &str) -> bool {
    (name.get(..DENY.len())).is_some_and(|prefix| prefix.eq_ignore_ascii_case(DENY))
}

/// Whether it is one of the variables that Kubernetes creates for a service: by its name and its
/// value, so that a deny that a user set is never mistaken for one.
pub(super) fn is_of_a_service(name: &str, value: &str) -> bool {
    let is_protocol = |text: &str| ["tcp", "udp", "sctp"].contains(&text);
    let is_url = || (value.split_once("://")).is_some_and(|(scheme, _)| is_protocol(scheme));
    let is_number = || value.parse::<u16>().is_ok();
    let is_address = || value.parse::<IpAddr>().is_ok();
    let of_port = |rest: &str| {
        let (number, rest) = rest.split_once('_')?;
        number.parse::<u16>().ok()?;
        let mut protocols = ["TCP", "UDP", "SCTP"].iter();
        let what = protocols.find_map(|protocol| rest.strip_prefix(protocol))?;
        Some(match what {
            "" => is_url(),
            "_PROTO" => is_protocol(value),
            "_PORT" => is_number(),
            "_ADDR" => is_address(),
            _ => false,
        })
    };
    name.match_indices('_').any(|(at, _)| match &name[at..] {
        "_SERVICE_HOST" => is_address(),
        "_SERVICE_PORT" => is_number(),
        "_PORT" => is_url(),
        rest if rest.starts_with("_SERVICE_PORT_") => is_number(),
        rest => rest.strip_prefix("_PORT_").and_then(of_port) == Some(true),
    })
}

/// `ALLOW_EVENTS` and `DENY_EVENTS`: sections that are not actions too.
fn section_meant_by(name: &str) -> Option<(&'static str, u8)> {
    let (allows, word) = effect(name)?;
    let section = SECTIONS.iter().find(|section| section.name == word)?;
    Some((section.name, u8::from(allows)))
}

/// `ALLOW_POST` and `DENY_POST`: methods are not actions. Whether it allows, and the method.
fn method_meant_by(name: &str) -> Option<(bool, &'static str)> {
    let (allows, word) = effect(name)?;
    let method = METHODS.into_iter().find(|method| *method == word)?;
    Some((allows, method))
}

/// Whether a name allows or denies, and what.
fn effect(name: &str) -> Option<(bool, &str)> {
    match name.strip_prefix("ALLOW_") {
        Some(word) => Some((true, word)),
        None => Some((false, name.strip_prefix(DENY)?)),
    }
}

/// The known name that is one letter off, or two from six letters on; a swap counts as one.
fn meant_by(name: &str) -> Option<&'static str> {
    // Lower-case names belong to other programs (Podman sets `container` in every container).
    if name.contains(|letter: char| letter.is_lowercase()) {
        return None;
    }
    let near = KNOWN
        .iter()
        .map(|known| (strsim::osa_distance(name, known), *known));
    let near = near.filter(|(distance, known)| *distance <= if known.len() < 6 { 1 } else { 2 });
    near.min().map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Severity;

    fn warnings(name: &str) -> Vec<String> {
        let snapshot = Snapshot::from_iter([(name, "secret")]);
        check(&snapshot)
            .map(|diagnostic| diagnostic.to_string())
            .collect()
    }

    #[test]
    fn misspelt_names_are_told_with_the_right_one() {
        for (name, meant) in [
            ("IAMGES", "IMAGES"),
            ("CONTAINER", "CONTAINERS"),
            ("INF0", "INFO"),
            ("PSOT", "POST"),
            ("POSTS", "POST"),
            ("NETWROK", "NETWORKS"),
            ("ALLOW_RESTRAT", "ALLOW_RESTART"),
            ("ALLOW_LOG", "ALLOW_LOGS"),
            ("ALLOW_PAUSED", "ALLOW_PAUSE"),
            ("ALLOW_STRAT", "ALLOW_START"),
            ("LOGLEVEL", "LOG_LEVEL"),
            ("SOCKETPATH", "SOCKET_PATH"),
            ("LISTENS", "LISTEN"),
        ] {
            let told = format!("unknown variable {name} ignored; did you mean {meant}?");
            assert_eq!(warnings(name), [told]);
        }
        assert_eq!(
            warnings("containers"),
            ["unknown variable containers ignored; names are upper case: use CONTAINERS"]
        );
        assert_eq!(
            warnings("SP_ALLOW_get_2"),
            ["unknown variable SP_ALLOW_get_2 ignored; names are upper case: use SP_ALLOW_GET_2"]
        );
    }

    #[test]
    fn what_would_protect_is_an_error_if_it_is_misspelt() {
        for (given, told) in [
            (
                &[("TLS_CRT", "/x")][..],
                "TLS_CRT restricts nothing; did you mean TLS_CERT?",
            ),
            (
                &[("TLS_CLIENTCA", "/x")],
                "TLS_CLIENTCA restricts nothing; did you mean TLS_CLIENT_CA?",
            ),
            (
                &[("ENGINE_CACERT", "/x")],
                "ENGINE_CACERT restricts nothing; did you mean",
            ),
            (
                &[("CETUSGUARD_NO_DEFAULT_RULES", "1")],
                "CETUSGUARD_NO_DEFAULT_RULES would be ignored; `dockgate --help` lists all variables",
            ),
            (
                &[("TLS_CERT", "/x"), ("TLS_CA", "/x")],
                "TLS_CA would be ignored; ",
            ),
            (
                &[("SOCKET_PATH", "tcp://nas:1"), ("ENGINE_CA_FILE", "/x")],
                "ENGINE_CA_FILE would be ignored; ",
            ),
        ] {
            let all: Vec<_> = check(&given.iter().copied().collect()).collect();
            let wanted = format!("unknown variable {told}");
            let [one] = &*all else { panic!("{all:?}") };
            assert!(
                one.is_error() && one.to_string().starts_with(&wanted),
                "{one}"
            );
        }
        // Where it protects nothing, it may be somebody else's.
        for name in ["TLS_CA", "ENGINE_CA_FILE"] {
            assert_eq!(warnings(name), [""; 0]);
        }
    }

    #[test]
    fn sections_that_are_no_actions_are_told() {
        assert_eq!(
            warnings("ALLOW_EVENTS"),
            ["unknown variable ALLOW_EVENTS ignored; use EVENTS=1"]
        );
    }

    #[test]
    fn names_of_other_proxies_have_no_effect() {
        for name in [
            "ALLOW_DELETE",
            "ALLOW_NOTHING",
            "BIND_CONFIG",
            "PUT",
            "DELETE",
            "SP_ALLOW_GET2",
            "SP_ALLOWGET",
        ] {
            let told =
                format!("unknown variable {name} ignored; `dockgate --help` lists all variables");
            assert_eq!(warnings(name), [told]);
        }
    }

    #[test]
    fn methods_are_no_actions() {
        for (name, help) in [
            (
                "DENY_POST",
                "use POST=0, which limits sections to GET and HEAD",
            ),
            (
                "DENY_DELETE",
                "use POST=0, which limits sections to GET and HEAD",
            ),
            (
                "DENY_PUT",
                "use POST=0, which limits sections to GET and HEAD",
            ),
            ("DENY_GET", "`dockgate --help` lists all variables"),
            ("ALLOW_POST", "did you mean POST?"),
            ("ALLOW_PUT", "`dockgate --help` lists all variables"),
            ("ALLOW_GET", "`dockgate --help` lists all variables"),
        ] {
            let effect = match name.strip_prefix("DENY_") {
                Some(_) => "denies nothing",
                None => "ignored",
            };
            let told = format!("unknown variable {name} {effect}; {help}");
            assert_eq!(warnings(name), [told]);
        }
    }

    #[test]
    fn a_deny_in_another_spelling_is_an_error_too() {
        for name in [
            "deny_exec",
            "DNEY_EXEC",
            "DENY_EXCE",
            "Deny_Exec",
            // Not even the right spelling is a deny.
            "DENY_NETWORKS",
            "deny_networks",
            "Deny_Exce",
            "deny_é",
        ] {
            let severity = |value| {
                let snapshot = Snapshot::from_iter([(name, value)]);
                check(&snapshot).next().map(|told| told.severity)
            };
            assert_eq!(severity("1"), Some(Severity::Error), "{name}");
            assert_eq!(severity("0"), Some(Severity::Warning), "{name}");
        }
    }

    /// Whatever its value, which is an expression: `false` is no `off`.
    #[test]
    fn a_misspelt_rule_is_an_error() {
        for (name, help) in [
            ("RULE", rules::NAMED),
            ("RULES", rules::NAMED),
            ("RULES_X", rules::NAMED),
            ("RUEL_X", rules::NAMED),
            ("RULE-X", rules::NAMED),
            ("RULE_", rules::NAMED),
            ("Rule_X", "names are upper case: use RULE_X"),
            ("rule_x_on", "names are upper case: use RULE_X_ON"),
        ] {
            for value in ["x", "false", "0", ""] {
                let snapshot = Snapshot::from_iter([(name, value)]);
                let told: Vec<_> = check(&snapshot)
                    .map(|one| (one.severity, one.to_string()))
                    .collect();
                let text = format!("unknown variable {name} denies nothing; {help}");
                assert_eq!(told, [(Severity::Error, text)], "{name}={value}");
            }
        }
        for name in ["RULER_X", "ROLE_ARN", "ROLES", "LURE", "RULESET"] {
            assert_eq!(warnings(name), [""; 0], "{name}");
        }
    }

    /// What Kubernetes sets in every container for a service of that name.
    fn of_a_service(prefix: &str) -> Vec<(String, &'static str)> {
        [
            ("SERVICE_HOST", "10.96.0.7"),
            ("SERVICE_PORT", "2375"),
            ("SERVICE_PORT_DOCKER_API", "2375"),
            ("PORT", "tcp://10.96.0.7:2375"),
            ("PORT_2375_TCP", "tcp://10.96.0.7:2375"),
            ("PORT_2375_TCP_PROTO", "tcp"),
            ("PORT_2375_TCP_PORT", "2375"),
            ("PORT_2375_TCP_ADDR", "10.96.0.7"),
            ("PORT_53_UDP", "udp://[fd00::7]:53"),
            ("PORT_53_UDP_PROTO", "udp"),
            ("PORT_53_UDP_ADDR", "fd00::7"),
            ("PORT_9_SCTP", "sctp://10.96.0.7:9"),
        ]
        .map(|(name, value)| (format!("{prefix}_{name}"), value))
        .to_vec()
    }

    #[test]
    fn a_service_of_kubernetes_is_no_mistake_whatever_its_name() {
        // deny-x, deny, allow-start, sp-proxy, exec, deny-x-port
        for prefix in [
            "DENY_X",
            "DENY",
            "ALLOW_START",
            "SP_PROXY",
            "EXEC",
            "DENY_X_PORT",
        ] {
            for (name, value) in of_a_service(prefix) {
                let snapshot = Snapshot::from_iter([(name.clone(), value)]);
                assert_eq!(check(&snapshot).collect::<Vec<_>>(), [], "{name}={value}");
                assert_eq!(unused(&snapshot), [""; 0], "{name}");
            }
        }
        // Who writes a deny writes no address.
        for (name, value) in [
            ("DENY_X_PORT", "1"),
            ("DENY_X_SERVICE_HOST", "1"),
            ("DENY_X_PORT_2375_TCP", "1"),
            ("DENY_X_PORT_80_TCP_ADDR", "1"),
            ("DENY_X_PORTS", "tcp://10.96.0.7:80"),
            ("DENY_X", "10.96.0.7"),
        ] {
            let snapshot = Snapshot::from_iter([(name, value)]);
            let told: Vec<Severity> = check(&snapshot).map(|told| told.severity).collect();
            assert_eq!(told, [Severity::Error], "{name}={value}");
        }
    }

    #[test]
    fn what_is_used_for_nothing_is_listed() {
        let names = [
            "TLS",
            "METRICS",
            "CONTAINERS_FILE",
            "RUST_LOG",
            "A\nB",
            "APP_VERSION",
        ];
        let listed = [
            "\"A\\nB\"",
            "APP_VERSION",
            "CONTAINERS_FILE",
            "METRICS",
            "RUST_LOG",
            "TLS",
        ];
        let others = [
            "PATH",
            "HOSTNAME",
            "HOME",
            "TERM",
            "LC_CTYPE",
            "KUBERNETES_SERVICE_HOST",
            "KUBERNETES_PORT_443_TCP_PROTO",
            "WEB_SERVICE_HOST",
            "WEB_SERVICE_PORT_HTTP",
            "WEB_PORT_80_TCP_ADDR",
            "HTTP_PROXY",
            "no_proxy",
            "container",
            // Known, or warned about.
            "CONTAINERS",
            "SP_ALLOW_GET_7",
            "IAMGES",
            "ALLOW_DELETE",
            "containers",
        ];
        let snapshot = names.iter().chain(&others).map(|name| (*name, "secret"));
        assert_eq!(unused(&snapshot.collect()), listed);
    }

    #[test]
    fn a_name_cannot_forge_a_line() {
        let help = "`dockgate --help` lists all variables";
        let told = format!(r#"unknown variable "ALLOW_\nX" ignored; {help}"#);
        assert_eq!(warnings("ALLOW_\nX"), [told]);
    }

    #[test]
    fn what_every_container_has_is_no_mistake() {
        let names = [
            "PATH",
            "HOST",
            "HOME",
            "PORT",
            "LANG",
            "TERM",
            "TZ",
            "PUID",
            "PGID",
            "container",
        ];
        let others = [
            "HTTP_PROXY",
            "no_proxy",
            "RUST_LOG",
            "INVOCATION_ID",
            "APP_VERSION",
            "POSTGRES",
        ];
        for name in COMMON
            .iter()
            .chain(&names)
            .chain(&others)
            .chain(KNOWN.iter())
        {
            assert_eq!(warnings(name), [""; 0]);
        }
    }
}
