//! Paths: how they are shown, and how settings read them.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::diagnostics::{Diagnostic, Unfit};

/// A path on one line: unchanged if it is plain; otherwise quoted and escaped, so that a trailing
/// blank is visible.
pub fn shown_path(path: &Path) -> Cow<'_, str> {
    match path.to_str() {
        Some(text) if is_plain(text) => text.into(),
        _ => format!("{path:?}").into(),
    }
}

/// Whether it needs no quotes.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The path of the engine's Unix socket.
pub(super) fn engine_path(path: &str) -> Result<PathBuf, Unfit> {
    socket_path(
        path,
        "use a path like /var/run/docker.sock; TCP, SSH and other addresses are not supported",
    )
}

/// The path of a file.
pub(super) fn file(path: &str) -> Result<PathBuf, Unfit> {
    match path {
        "" => Err(Unfit::new(
            "is empty",
            "set it to the path of a file, or unset it",
        )),
        path => Ok(path.into()),
    }
}

/// The path of a Unix socket to listen on.
pub(super) fn socket_file(path: &str) -> Result<PathBuf, Unfit> {
    socket_path(path, "use a path like /run/dockgate/docker.sock")
}

/// A Unix socket's path: absolute, and short enough for the kernel. `help` says what to use
/// instead.
fn socket_path(path: &str, help: &'static str) -> Result<PathBuf, Unfit> {
    const LONGEST: usize = 107;
    if path.len() > LONGEST {
        let problem = format!("is longer than {LONGEST} bytes, the limit for a socket path");
        return Err(Unfit::new(problem, "use a shorter path"));
    }
    if !path.starts_with('/') || path.ends_with('/') {
        let problem = "is not an absolute path to a Unix socket";
        return Err(Unfit::new(problem, help));
    }
    Ok(Path::new(path).to_owned())
}

/// Whether two paths lead to one socket, whatever links their folders are. The socket itself need not
/// be there.
pub(super) fn same_socket(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| {
        let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
        match (folder, path.file_name()) {
            (Some(folder), Some(name)) => folder.join(name),
            _ => path.to_owned(),
        }
    };
    real(one) == real(other)
}

/// The same as [`socket_file`]; an empty value is none.
pub(super) fn optional_socket_file(path: &str) -> Result<Option<PathBuf>, Unfit> {
    (!path.is_empty()).then(|| socket_file(path)).transpose()
}

/// A warning, if a path ends with something that is hardly part of it.
pub(super) fn oddity(name: &str, path: &str) -> Option<Diagnostic> {
    let (what, help) = what_is_odd(path)?;
    let problem = format!("{name}={} {what}", shown_path(Path::new(path)));
    Some(Diagnostic::warning(name, problem, help))
}

fn what_is_odd(path: &str) -> Option<(&'static str, &'static str)> {
    let what = match path.chars().next_back()? {
        '\r' => {
            let help =
                "remove it: files with Windows line endings have one at the end of each line";
            return Some(("ends with a carriage return", help));
        }
        '\n' => "ends with a line feed",
        last if last.is_whitespace() => "ends with whitespace",
        _ if path.contains(char::is_control) => "contains a control character",
        _ => return None,
    };
    Some((what, "remove it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Settings, Snapshot};

    #[test]
    fn one_socket_has_many_paths() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("run")).expect("a folder");
        std::os::unix::fs::symlink("run", path("var-run")).expect("a link");
        for (one, other, same) in [
            ("run/x.sock", "var-run/x.sock", true),
            ("run/x.sock", "run/../var-run/./x.sock", true),
            ("run/x.sock", "var-run/y.sock", false),
            ("gone/x.sock", "gone/x.sock", true),
            ("gone/x.sock", "run/x.sock", false),
        ] {
            assert_eq!(same_socket(&path(one), &path(other)), same, "{one} {other}");
        }
    }

    #[test]
    fn paths_are_shown_on_one_line_with_their_ends() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
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
                "\"/x.sock \" ends with whitespace; remove it",
            ),
            (
                "SOCKET_PATH",
                "/x\t",
                "\"/x\\t\" ends with whitespace; remove it",
            ),
            (
                "SOCKET_PATH",
                "/x\n",
                "\"/x\\n\" ends with a line feed; remove it",
            ),
            (
                "SOCKET_PATH",
                "/x\u{7}y",
                "\"/x\\u{7}y\" contains a control character; remove it",
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
