//! Names that look like variables of dockgate and are none: misspelt ones, those in another case,
//! and those of other proxies. Each one is a grant or a limit that somebody believes in.

use once_cell::sync::Lazy;

use super::{
    Diagnostic, FLAGS, PROFILE_VARIABLES, Snapshot, VARIABLES,
    dialect::{
        presets::PRESET,
        regexes,
        sections::{DENY, Grants, is_off},
    },
    flags::UNSUPPORTED,
};
use crate::api::sections::SECTIONS;
use crate::policy::printable;

/// Every name that means something.
static KNOWN: Lazy<Vec<&str>> = Lazy::new(|| {
    let settings = VARIABLES.iter().chain(PROFILE_VARIABLES);
    let settings = settings.map(|variable| variable.name);
    let mut names: Vec<&str> = Grants::variables()
        .map(|(name, _)| name)
        .chain(settings)
        .chain(FLAGS.iter().map(|flag| flag.variable))
        .chain(UNSUPPORTED.iter().map(|(_, variable)| *variable))
        .chain([PRESET])
        .collect();
    names.sort_unstable();
    names.dedup();
    names
});

/// What containers, shells and images commonly have. Never somebody's slip of the pen.
const COMMON: &[&str] = &[
    "PATH", "HOST", "HOME", "PORT", "LANG", "TERM", "TZ", "PUID", "PGID", "PWD", "OLDPWD", "USER",
    "UID", "GID", "PID", "UMASK", "SHELL", "SHLVL", "HOSTNAME", "LOGNAME", "MAIL", "NAME",
    "LANGUAGE", "LC_ALL", "EDITOR", "PAGER", "DISPLAY", "DEBUG", "ENV",
];

/// What other proxies of this kind read and this version does not.
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

/// Warns about each name in the environment that was probably meant for dockgate. Never shows the
/// value: it may be somebody else's secret.
pub(super) fn check(snapshot: &Snapshot) -> impl Iterator<Item = Diagnostic> {
    snapshot.names().filter_map(|name| {
        let known = |name: &str| KNOWN.binary_search(&name).is_ok();
        if known(name) || COMMON.contains(&name) || regexes::method_of(name).is_some() {
            return None;
        }
        // Who believes in a deny must not go without it.
        let value = snapshot.get(name).unwrap_or_default().to_string_lossy();
        let denies = name.starts_with(DENY) && !is_off(&value);
        let no_effect = |help: String| {
            // A name may hold any byte but NUL and `=`: no line of the log is forged by it.
            let problem = format!("{} is no variable of dockgate", printable(name));
            if denies {
                Diagnostic::error(name, problem + ": it denies nothing", help)
            } else {
                Diagnostic::warning(name, problem + ": no effect", help)
            }
        };
        if let Some(help) = section_meant_by(name) {
            return Some(no_effect(help));
        }
        if FOREIGN.contains(&name) {
            return Some(no_effect("`dockgate --help` lists what is".to_owned()));
        }
        let upper = name.to_ascii_uppercase();
        if known(&upper) {
            return Some(no_effect(format!("names are upper case: write {upper}")));
        }
        if let Some(meant) = meant_by(name) {
            return Some(no_effect(format!("is {meant} meant?")));
        }
        let foreign = FOREIGN_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix));
        foreign.then(|| no_effect("`dockgate --help` lists what is".to_owned()))
    })
}

/// `ALLOW_EVENTS` and `DENY_EVENTS`: sections that are no actions too.
fn section_meant_by(name: &str) -> Option<String> {
    let (word, value) = match name.strip_prefix("ALLOW_") {
        Some(word) => (word, 1),
        None => (name.strip_prefix(DENY)?, 0),
    };
    let section = SECTIONS.iter().find(|section| section.name == word)?;
    Some(format!("write {}={value}", section.name))
}

/// The known name that is one letter off, or two from six letters on; a swap counts as one.
fn meant_by(name: &str) -> Option<&'static str> {
    // Lower-case names are other programs' (Podman sets `container` in every container).
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
            let told = format!("{name} is no variable of dockgate: no effect; is {meant} meant?");
            assert_eq!(warnings(name), [told]);
        }
        assert_eq!(
            warnings("containers"),
            [
                "containers is no variable of dockgate: no effect; names are upper case: write CONTAINERS"
            ]
        );
    }

    #[test]
    fn sections_that_are_no_actions_are_told() {
        assert_eq!(
            warnings("ALLOW_EVENTS"),
            ["ALLOW_EVENTS is no variable of dockgate: no effect; write EVENTS=1"]
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
            "SP_ALLOW_get",
            "SP_ALLOW_GET2",
            "SP_ALLOWGET",
        ] {
            let told = format!(
                "{name} is no variable of dockgate: no effect; `dockgate --help` lists what is"
            );
            assert_eq!(warnings(name), [told]);
        }
    }

    #[test]
    fn a_name_cannot_forge_a_line() {
        let help = "`dockgate --help` lists what is";
        let told = format!(r#""ALLOW_\nX" is no variable of dockgate: no effect; {help}"#);
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
