//! Paths as people see them, and those that nobody meant to write like that.

use std::{borrow::Cow, path::Path};

use super::{Diagnostic, Snapshot};

/// The variables whose values are paths, each with the flag that sets the same.
const PATHS: [(&str, Option<&str>); 4] = [
    ("SOCKET_PATH", None),
    ("SP_SOCKETPATH", Some("socketpath")),
    ("SP_PROXYSOCKETENDPOINT", Some("proxysocketendpoint")),
    ("PROFILE", None),
];

/// A path on one line: as it is if that is plain, else quoted and escaped, so that a blank at its end
/// is seen.
pub fn shown_path(path: &Path) -> Cow<'_, str> {
    match path.to_str() {
        Some(text) if is_plain(text) => text.into(),
        _ => format!("{path:?}").into(),
    }
}

/// No quotes are needed around it.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A warning for each path that ends with what can hardly be part of it.
pub(super) fn check(snapshot: &Snapshot) -> impl Iterator<Item = Diagnostic> {
    PATHS.iter().filter_map(|(variable, flag)| {
        let by_flag = flag.and_then(|flag| snapshot.flag(flag).next_back());
        let name = match (by_flag, flag) {
            (Some(_), Some(flag)) => format!("-{flag}"),
            _ => (*variable).to_owned(),
        };
        let path = by_flag.or_else(|| snapshot.get(variable))?.to_str()?;
        let (what, help) = oddity(path)?;
        let problem = format!("{name}={} {what}", shown_path(Path::new(path)));
        Some(Diagnostic::warning(&name, problem, help))
    })
}

/// What is odd about a path, and what to do.
fn oddity(path: &str) -> Option<(&'static str, &'static str)> {
    let what = match path.chars().next_back()? {
        '\r' => {
            let help = "remove it: a file with Windows line ends has one at the end of each line";
            return Some(("ends with a carriage return", help));
        }
        '\n' => "ends with a line feed",
        last if last.is_whitespace() => "ends with a blank",
        _ if path.contains(char::is_control) => "has a control character in it",
        _ => return None,
    };
    Some((what, "remove it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn paths_are_shown_on_one_line_with_their_ends() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        for (path, shown) in [
            (&b"/var/run/docker.sock"[..], "/var/run/docker.sock"),
            (b"/var/run/docker.sock\r", r#""/var/run/docker.sock\r""#),
            (b"/run/x ", r#""/run/x ""#),
            (b"/run/a b", r#""/run/a b""#),
            ("/run/bü".as_bytes(), r#""/run/bü""#),
            (b"/run/\n2026 forged", r#""/run/\n2026 forged""#),
            (b"/run/\x1b[1m", r#""/run/\u{1b}[1m""#),
            ("/run/\u{9b}\u{202e}".as_bytes(), r#""/run/\u{9b}\u{202e}""#),
            (b"/run/\xff", r#""/run/\xFF""#),
            (b"", r#""""#),
        ] {
            assert_eq!(shown_path(Path::new(OsStr::from_bytes(path))), shown);
        }
    }

    #[test]
    fn ends_that_nobody_meant_are_warned_about() {
        for (name, value, told) in [
            (
                "SOCKET_PATH",
                "/x.sock\r",
                "\"/x.sock\\r\" ends with a carriage return; remove it: ",
            ),
            (
                "SOCKET_PATH",
                "/x.sock ",
                "\"/x.sock \" ends with a blank; remove it",
            ),
            (
                "SOCKET_PATH",
                "/x\t",
                "\"/x\\t\" ends with a blank; remove it",
            ),
            (
                "SOCKET_PATH",
                "/x\n",
                "\"/x\\n\" ends with a line feed; remove it",
            ),
            (
                "SOCKET_PATH",
                "/x\u{7}y",
                "\"/x\\u{7}y\" has a control character in it; remove it",
            ),
            (
                "SP_SOCKETPATH",
                "/x\r",
                "\"/x\\r\" ends with a carriage return",
            ),
            (
                "SP_PROXYSOCKETENDPOINT",
                "/x\r",
                "\"/x\\r\" ends with a carriage return",
            ),
            (
                "-socketpath",
                "/x\r",
                "\"/x\\r\" ends with a carriage return",
            ),
        ] {
            let mut snapshot = Snapshot::from_iter([(name, value)]);
            if name.starts_with('-') {
                let flag = format!("{name}={value}").into();
                snapshot.take_flags([flag]).expect("a flag");
            }
            let settings = Settings::load(&snapshot).expect("it starts");
            let warnings: Vec<String> = settings.warnings.iter().map(ToString::to_string).collect();
            let told = format!("{name}={told}");
            assert!(
                warnings.iter().any(|one| one.starts_with(&told)),
                "{warnings:?}"
            );
        }
        for path in [
            "/var/run/docker.sock",
            "//var/run/docker.sock",
            "/a b/c",
            "/bü",
        ] {
            let settings = Settings::load(&Snapshot::from_iter([("SOCKET_PATH", path)]));
            assert_eq!(settings.expect("it starts").warnings, [], "{path}");
        }
    }
}
