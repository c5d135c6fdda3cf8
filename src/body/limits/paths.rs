//! `BIND_FROM`: the paths of the host that may be mounted.
//!
//! Paths are compared by their components, after the engine's own cleaning. Symlinks are the
//! kernel's: who can write a folder can make one there that leads anywhere. So an entry stands for
//! the very path unless `/**` says otherwise, and none may lie below one that can be written.

use std::fmt::{self, Display, Formatter};

use super::list::{self, Mistake};
use crate::body::reach::clean;

/// What `BIND_FROM` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindFrom(Vec<HostPath>);

/// `/srv/ci`, `/srv/ci/**`, `/data:ro`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HostPath {
    path: String,
    /// Whether what lies below it counts too.
    below: bool,
    read_only: bool,
}

impl BindFrom {
    /// Reads the list.
    pub fn parse(text: &str) -> Result<BindFrom, Vec<Mistake>> {
        let paths = list::entries(text, HostPath::parse)?;
        let below = |path: &HostPath| {
            let mut above = paths.iter().filter(|above| !above.read_only);
            above.find(|above| above.path != path.path && is_below(&path.path, &above.path))
        };
        let planted: Vec<Mistake> = paths
            .iter()
            .filter_map(|path| {
                let above = below(path)?;
                let problem =
                    format!("is below {above}, where clients can replace it by a symlink");
                let help = format!(
                    "make {} read-only with :ro, or remove one of them",
                    above.path
                );
                Some(Mistake::new(&path.to_string(), &problem, help))
            })
            .collect();
        match planted.is_empty() {
            true => Ok(BindFrom(paths)),
            false => Err(planted),
        }
    }

    /// Reads a list as `wollomatic/socket-proxy` does: folders, each with all that lies below it.
    pub fn folders(text: &str) -> Result<BindFrom, Vec<Mistake>> {
        let folder = |entry: &str| match entry.starts_with('/') {
            true => Ok(HostPath {
                path: clean(entry),
                below: true,
                read_only: false,
            }),
            false => {
                let help = "use one like /srv/ci; only a comma separates two";
                Err(Mistake::new(entry, "is not an absolute path", help))
            }
        };
        list::all(text.split(','), folder).map(BindFrom)
    }

    /// Whether a clean path may be mounted.
    pub fn allows(&self, path: &str, read_only: bool) -> bool {
        self.0.iter().any(|own| {
            let here = own.path == path || own.below && is_below(path, &own.path);
            here && (read_only || !own.read_only)
        })
    }

    /// The first entry of another list that allows more than this one: it is not wholly within one of these.
    pub fn beyond<'o>(&self, other: &'o BindFrom) -> Option<impl Display + use<'o>> {
        let within = |one: &HostPath| {
            let fits = |own: &&HostPath| {
                let here = own.path == one.path || own.below && is_below(&one.path, &own.path);
                here && (own.below || !one.below) && (one.read_only || !own.read_only)
            };
            self.0.iter().any(|own| fits(&own))
        };
        other.0.iter().find(|one| !within(one))
    }

    /// The entries under which a container gets at the whole host, and how: those with `/**`, where a symlink
    /// leads anywhere, and those with what the host is run by.
    pub fn roots(&self) -> impl Iterator<Item = (impl Display, &'static str)> {
        self.0.iter().filter_map(|own| {
            let has = |path: &&str| own.path == **path || is_below(path, &own.path);
            let is_part = |path: &&str| has(path) || is_below(&own.path, path);
            let written = !own.read_only && HOST.iter().any(is_part);
            let how = match own.below {
                true => "who writes there can plant a symlink to any path of the host",
                false if SOCKETS.iter().any(has) => "the engine's socket is there",
                false if written => "the host runs what is there",
                false => return None,
            };
            Some((own, how))
        })
    }
}

/// Who can write here is root.
const HOST: [&str; 15] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/proc",
    "/root",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/lib/kubelet",
    "/var/spool/cron",
];

/// Who can open these is root, even where they are only read.
const SOCKETS: [&str; 4] = [
    "/run/containerd/containerd.sock",
    "/run/docker.sock",
    "/run/podman/podman.sock",
    "/var/run/docker.sock",
];

impl HostPath {
    fn parse(entry: &str) -> Result<HostPath, Mistake> {
        let mistake = |problem: &str, help: &str| Err(Mistake::new(entry, problem, help));
        let (path, read_only) = match entry.strip_suffix(":ro") {
            Some(path) => (path, true),
            None => (entry, false),
        };
        let (path, below) = match path.strip_suffix("/**") {
            Some(path) => (path, true),
            None => (path.strip_suffix('/').unwrap_or(path), false),
        };
        // What is left of the root.
        let path = if path.is_empty() { "/" } else { path };
        if !path.starts_with('/') {
            return mistake("is not an absolute path", "use one like /srv/ci");
        }
        if path.contains('*') {
            return mistake(
                "has a wildcard",
                "use /** at the end for all that lies below",
            );
        }
        if path.contains(':') {
            return mistake("has an unknown option", "use :ro, or none");
        }
        if path.contains(char::is_control) || path.ends_with(char::is_whitespace) {
            return mistake("has a character that cannot be listed", "");
        }
        if clean(path) != path {
            let help = format!("use {}", clean(path));
            return mistake("is not how the engine reads that path", &help);
        }
        Ok(HostPath {
            path: path.to_owned(),
            below,
            read_only,
        })
    }
}

/// Whether a clean path lies below another one.
fn is_below(path: &str, above: &str) -> bool {
    let rest = path.strip_prefix(above);
    rest.is_some_and(|rest| rest.starts_with('/') || above == "/" && !rest.is_empty())
}

impl Display for HostPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let path = if self.below && self.path == "/" {
            ""
        } else {
            &self.path
        };
        let below = if self.below { "/**" } else { "" };
        let read_only = if self.read_only { ":ro" } else { "" };
        write!(f, "{path}{below}{read_only}")
    }
}

impl Display for BindFrom {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list::show(f, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind_from(text: &str) -> BindFrom {
        BindFrom::parse(text).expect(text)
    }

    #[test]
    fn the_very_path_may_be_mounted() {
        let own = bind_from("/srv/ci, /data:ro\n/cache/**\n/lib/**:ro");
        for (path, read_only, allowed) in [
            ("/srv/ci", false, true),
            ("/srv/ci", true, true),
            ("/srv/ci/x", false, false),
            ("/srv/cix", false, false),
            ("/srv", false, false),
            ("/", true, false),
            ("/data", true, true),
            ("/data", false, false),
            ("/cache", false, true),
            ("/cache/a/b", false, true),
            ("/cacheb", false, false),
            ("/lib/a", true, true),
            ("/lib/a", false, false),
        ] {
            assert_eq!(own.allows(path, read_only), allowed, "{path} {read_only}");
        }
        assert_eq!(own.to_string(), "/srv/ci, /data:ro, /cache/**, /lib/**:ro");
        let roots = |text: &str| -> Vec<String> {
            let own = bind_from(text);
            own.roots().map(|(path, _)| path.to_string()).collect()
        };
        assert_eq!(
            roots("/srv/ci, /data:ro\n/cache/**\n/lib/**:ro"),
            ["/cache/**", "/lib/**:ro"]
        );
        let text = "/etc/x, /run:ro, /var/run/docker.sock:ro, /usr:ro, /home, /srv, /bin";
        assert_eq!(
            roots(text),
            ["/etc/x", "/run:ro", "/var/run/docker.sock:ro", "/bin"]
        );
        assert_eq!(roots("/:ro"), ["/:ro"]);
        assert_eq!(roots("/var"), ["/var"]);
    }

    #[test]
    fn the_root_is_a_path_too() {
        let root = bind_from("/");
        assert!(root.allows("/", false) && !root.allows("/etc", false));
        let all = bind_from("/**:ro");
        assert!(all.allows("/", true) && all.allows("/etc/x", true) && !all.allows("/etc", false));
        assert_eq!(all.to_string(), "/**:ro");
        let nothing = bind_from(" none ");
        assert!(!nothing.allows("/", true));
        assert_eq!(nothing.to_string(), "none");
        assert!(bind_from("/srv/ci/,").allows("/srv/ci", false));
    }

    #[test]
    fn folders_are_read_as_another_proxy_reads_them() {
        let own = BindFrom::folders("/home/../srv/,/srv/ci").expect("a list");
        assert!(own.allows("/srv/x", false) && !own.allows("/home", true));
        assert_eq!(own.to_string(), "/srv/**, /srv/ci/**");
        for text in ["home", "/home,", "/home, /srv", ""] {
            assert_eq!(BindFrom::folders(text).expect_err(text).len(), 1);
        }
    }

    #[test]
    fn mistakes_are_said_all_at_once() {
        let mistakes = |text: &str| -> Vec<String> {
            let mistakes = BindFrom::parse(text).expect_err(text);
            mistakes.iter().map(Mistake::to_string).collect()
        };
        assert_eq!(
            mistakes("srv, ~/x, /srv/*, /srv:rw, /srv/../etc, /srv//ci, /a/., none, C:\\x"),
            [
                "srv is not an absolute path; use one like /srv/ci",
                "~/x is not an absolute path; use one like /srv/ci",
                "/srv/* has a wildcard; use /** at the end for all that lies below",
                "/srv:rw has an unknown option; use :ro, or none",
                "/srv/../etc is not how the engine reads that path; use /etc",
                "/srv//ci is not how the engine reads that path; use /srv/ci",
                "/a/. is not how the engine reads that path; use /a",
                "none is not the only entry; remove it, or all others",
                "C:\\x is not an absolute path; use one like /srv/ci",
            ]
        );
        assert_eq!(
            mistakes(" \n"),
            ["\"\" is not a list; list what is allowed, or unset it"]
        );
        assert_eq!(
            mistakes("/srv, /srv/ci:ro, /a/**, /a/b"),
            [
                "/srv/ci:ro is below /srv, where clients can replace it by a symlink; make /srv read-only with :ro, or remove one of them",
                "/a/b is below /a/**, where clients can replace it by a symlink; make /a read-only with :ro, or remove one of them",
            ]
        );
        assert_eq!(mistakes("/, /etc").len(), 1);
        assert!(BindFrom::parse("/srv:ro, /srv/ci, /srvx, /srv").is_err());
        assert!(BindFrom::parse("/srv:ro, /srv/ci, /srvx").is_ok());
    }
}
