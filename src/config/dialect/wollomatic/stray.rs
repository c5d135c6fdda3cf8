//! A word on the command line that is not a flag. Go's flag package stops there, so
//! wollomatic/socket-proxy ignores it and everything after it, and so does dockgate, with a
//! warning. But it never ignores a restriction: if a flag there would narrow what is granted,
//! dockgate does not start.

use std::ffi::OsStr;

use super::flags::{self, method_of};
use crate::config::dialect::cetusguard::restricts;
use crate::config::table::{Dialect, SETTINGS, Setting};
use crate::config::{Diagnostic, Snapshot};
use crate::policy::printable;

/// The diagnostic about it.
pub(crate) fn check(snapshot: &Snapshot) -> impl Iterator<Item = Diagnostic> {
    let words = snapshot.stray().split_first();
    words.into_iter().flat_map(|(word, behind)| {
        let shown = printable(&word.to_string_lossy()).into_owned();
        let ignored = match behind {
            [] => "it is ignored".to_owned(),
            _ => {
                let behind: Vec<String> = (behind.iter())
                    .map(|word| printable(&word.to_string_lossy()).into_owned())
                    .collect();
                format!(
                    "it and everything after it are ignored: {}",
                    behind.join(" ")
                )
            }
        };
        let problem = format!("{shown} on the command line is not a flag; {ignored}");
        let missed: Vec<String> = (snapshot.stray().iter())
            .map(|word| word.to_string_lossy())
            .filter(|word| !word.starts_with('-'))
            .map(|word| format!("-{word}"))
            .filter(|flag| matches!(flags::split(OsStr::new(flag)), Ok(Some(_))))
            .map(|flag| printable(&flag).into_owned())
            .collect();
        let help = match missed.as_slice() {
            [] => "remove it".to_owned(),
            _ => format!("use {}", missed.join(" ")),
        };
        let warning = Diagnostic::warning(&shown, problem, help);
        let errors = snapshot.stray().iter().filter_map(|word| {
            let word = word.to_string_lossy();
            let is_bare = !word.starts_with('-');
            let flag = if is_bare {
                format!("-{word}")
            } else {
                word.clone().into_owned()
            };
            let (name, why) = limit(snapshot, flags::split(OsStr::new(&flag)).ok()??.0)?;
            let name = format!("-{name}");
            let (problem, help) = if is_bare {
                let word = printable(&word);
                let problem = format!("{word} is not a flag and would be ignored: {why}");
                (problem, format!("use {}, or remove it", printable(&flag)))
            } else {
                let problem = format!("{name} follows {shown} and would be ignored: {why}");
                (
                    problem,
                    format!("move {name} before it, or remove one of them"),
                )
            };
            Some(Diagnostic::error(&name, problem, help))
        });
        let errors: Vec<Diagnostic> = errors.collect();
        [warning].into_iter().chain(errors)
    })
}

/// Why an ignored flag would have been a restriction, if so.
fn limit(snapshot: &Snapshot, flag: &'static str) -> Option<(&'static str, String)> {
    let setting = SETTINGS.iter().find(|known| known.flag == Some(flag));
    let narrows = |setting: &Setting| {
        let of_another = setting.dialect == Dialect::Cetusguard && restricts(setting.name);
        let of_lists = ["SP_PROXYCONTAINERNAME", "SP_DOCKERLABELPREFIX"].contains(&setting.name);
        of_lists || setting.same_as == Some("BIND_FROM") || of_another
    };
    if setting.is_some_and(narrows) {
        return Some((flag, "dockgate does not ignore a restriction".to_owned()));
    }
    if flag == "proxysocketendpoint" {
        return Some((flag, "dockgate would listen on TCP".to_owned()));
    }
    let is_given = snapshot.flag(flag).next().is_some();
    let is_set = |name: &&str| snapshot.get(name).is_some_and(|value| !value.is_empty());
    let holds = match setting {
        Some(_) if is_given => format!("the -{flag} before it"),
        Some(setting) => {
            // Its other name could be set to something wider.
            let wider = |own: &&str| ["LISTEN", "LISTEN_MODE", "SOCKET_PATH"].contains(own);
            let mut names = [Some(setting.name), setting.same_as.filter(wider)].into_iter();
            names.find_map(|name| name.filter(is_set))?.to_owned()
        }
        None if is_given => return None,
        None => {
            let method = flag.strip_prefix("allow");
            let mut names = snapshot.names().filter(is_set);
            let name = names.find(|name| method_of(name) == method)?;
            printable(name).into_owned()
        }
    };
    Some((flag, format!("{holds} would apply")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Severity;

    fn told(env: &[(&str, &str)], args: &[&str]) -> Vec<(Severity, String)> {
        let mut snapshot: Snapshot = env.iter().copied().collect();
        let rest = snapshot.take_flags(args.iter().map(Into::into));
        assert_eq!(rest, Ok(Vec::new()));
        let told = check(&snapshot);
        told.map(|one| (one.severity, one.to_string())).collect()
    }

    #[test]
    fn a_stray_word_and_what_follows_it_are_ignored_with_a_warning() {
        for (args, warning) in [
            (
                &["-allowGET=/x", "watchdoginterval=3600", "-stoponwatchdog"][..],
                "watchdoginterval=3600 on the command line is not a flag; it and everything after it are \
                 ignored: -stoponwatchdog; use -watchdoginterval=3600",
            ),
            (
                &["-allowGET=/x", "watchdoginterval=9", "shutdowngracetime=5"],
                "watchdoginterval=9 on the command line is not a flag; it and everything after it are \
                 ignored: shutdowngracetime=5; use -watchdoginterval=9 -shutdowngracetime=5",
            ),
            (
                &["-logjson", "true"],
                "true on the command line is not a flag; it is ignored; remove it",
            ),
            (
                &[
                    "-allowGET=/x",
                    "a\nb",
                    "-allowGET=/y",
                    "-allowPOST=/y",
                    "c\n",
                ],
                "\"a\\nb\" on the command line is not a flag; it and everything after it are ignored: \
                 -allowGET=/y -allowPOST=/y \"c\\n\"; remove it",
            ),
        ] {
            assert_eq!(told(&[], args), [(Severity::Warning, warning.to_owned())]);
        }
        assert_eq!(told(&[], &["-allowGET=/x"]), []);
    }

    #[test]
    fn a_limit_behind_a_stray_word_is_never_lost() {
        let from = [("SP_ALLOWFROM", "0.0.0.0/0")];
        let get = [("SP_ALLOW_GET_2", ".*")];
        for (env, before, behind, why) in [
            (
                &[][..],
                "-logjson",
                "-allowbindmountfrom=/srv",
                Some("dockgate does not ignore a restriction"),
            ),
            (
                &[],
                "-logjson",
                "-proxycontainername=x",
                Some("dockgate does not ignore a restriction"),
            ),
            (
                &[],
                "-logjson",
                "-proxysocketendpoint=/x",
                Some("dockgate would listen on TCP"),
            ),
            (
                &from,
                "-logjson",
                "-allowfrom=traefik",
                Some("SP_ALLOWFROM would apply"),
            ),
            (
                &[],
                "-allowfrom=a",
                "-allowfrom=b",
                Some("the -allowfrom before it would apply"),
            ),
            (
                &get,
                "-logjson",
                "-allowGET=/version",
                Some("SP_ALLOW_GET_2 would apply"),
            ),
            // Nothing wider holds than would with them.
            (&get, "-allowGET=/version", "-allowGET=/info", None),
            (&get, "-logjson", "-allowPOST=/version", None),
            (
                &[("SP_ALLOWFROM", "")],
                "-logjson",
                "-allowfrom=traefik",
                None,
            ),
        ] {
            let told = told(env, &[before, "x", behind]);
            let errors = told.iter().filter(|one| one.0 == Severity::Error);
            let errors: Vec<&str> = errors.map(|one| one.1.as_str()).collect();
            let flag = behind.split('=').next().unwrap();
            let expected = why.map(|why| {
                format!(
                    "{flag} follows x and would be ignored: {why}; move {flag} before it, \
                     or remove one of them"
                )
            });
            assert_eq!(errors, expected.iter().collect::<Vec<_>>(), "{behind}");
        }
    }

    #[test]
    fn a_limit_is_not_lost_to_the_other_name_of_its_setting() {
        for (name, value, flag) in [
            ("LISTEN", "tcp://0.0.0.0:2375", "-listenip"),
            ("LISTEN", "tcp://0.0.0.0:2375", "-proxyport"),
            ("LISTEN_MODE", "0666", "-proxysocketendpointfilemode"),
            ("SOCKET_PATH", "/a", "-socketpath"),
        ] {
            let told = told(&[(name, value)], &["-logjson", "x", flag, "1"]);
            let errors = told.iter().filter(|one| one.0 == Severity::Error);
            let errors: Vec<&str> = errors.map(|one| one.1.as_str()).collect();
            let expected = format!(
                "{flag} follows x and would be ignored: {name} would apply; move {flag} before \
                 it, or remove one of them"
            );
            assert_eq!(errors, [expected], "{name}");
        }
    }

    #[test]
    fn a_limit_without_its_hyphen_is_never_lost() {
        let from = [("SP_ALLOWFROM", "0.0.0.0/0")];
        for (env, word, why) in [
            (
                &from[..],
                "allowfrom=traefik",
                Some("SP_ALLOWFROM would apply"),
            ),
            (&from, "allowfrom", Some("SP_ALLOWFROM would apply")),
            (
                &[],
                "allowbindmountfrom=/srv",
                Some("dockgate does not ignore a restriction"),
            ),
            (&[], "allowfrom=traefik", None),
            (&from, "listenip=127.0.0.1", None),
        ] {
            for args in [&["-logjson", word][..], &["-logjson", "x", word]] {
                let told = told(env, args);
                let errors = told.iter().filter(|one| one.0 == Severity::Error);
                let errors: Vec<&str> = errors.map(|one| one.1.as_str()).collect();
                let expected = why.map(|why| {
                    format!(
                        "{word} is not a flag and would be ignored: {why}; use -{word}, or remove it"
                    )
                });
                assert_eq!(errors, expected.iter().collect::<Vec<_>>(), "{args:?}");
            }
        }
    }
}
