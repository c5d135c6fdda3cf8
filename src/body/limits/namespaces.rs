//! `NAMESPACES`: those of the host and of other containers that a container may share.

use std::fmt::{self, Display, Formatter};

use super::list::{self, Mistake};
use crate::api::fields::Namespace;
use crate::body::glob::Glob;

/// What `NAMESPACES` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespaces(Vec<Shared>);

/// `network:host`, `pid:container:web`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shared {
    kind: Namespace,
    /// A container's name; none is the host.
    container: Option<Glob>,
}

const KINDS: [Namespace; 6] = [
    Namespace::Cgroup,
    Namespace::Ipc,
    Namespace::Network,
    Namespace::Pid,
    Namespace::User,
    Namespace::Uts,
];

impl Namespaces {
    /// Reads the list.
    pub fn parse(text: &str) -> Result<Namespaces, Vec<Mistake>> {
        list::entries(text, Shared::parse).map(Namespaces)
    }

    /// Whether the host's namespace may be shared.
    pub fn allows_host(&self, kind: Namespace) -> bool {
        let mut own = self.0.iter();
        own.any(|own| own.kind == kind && own.container.is_none())
    }

    /// Whether that of a container of this name may be shared.
    pub fn allows_container(&self, kind: Namespace, name: &str) -> bool {
        self.0.iter().any(|own| {
            let container = own.container.as_ref();
            own.kind == kind && container.is_some_and(|own| own.fits(name))
        })
    }

    /// Whether it lists a container of this name.
    pub fn names(&self, name: &str) -> bool {
        let mut containers = self.0.iter().filter_map(|own| own.container.as_ref());
        containers.any(|own| own.fits(name))
    }
}

impl Shared {
    fn parse(entry: &str) -> Result<Shared, Mistake> {
        let mistake = || {
            let help = "use KIND:host or KIND:container:NAME, where KIND is cgroup, ipc, network, pid, user or uts";
            Mistake::new(entry, "is not a namespace", help)
        };
        let (kind, of) = entry.split_once(':').ok_or_else(mistake)?;
        let kind = KINDS.into_iter().find(|known| known.name() == kind);
        let container = match (of, of.strip_prefix("container:")) {
            ("host", _) => None,
            (_, Some(name)) if !name.is_empty() => Some(super::names::name(name)?),
            _ => return Err(mistake()),
        };
        let kind = kind.ok_or_else(mistake)?;
        Ok(Shared { kind, container })
    }
}

impl Display for Shared {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = self.kind.name();
        match &self.container {
            Some(container) => write!(f, "{kind}:container:{container}"),
            None => write!(f, "{kind}:host"),
        }
    }
}

impl Display for Namespaces {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list::show(f, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_listed() {
        let own = Namespaces::parse("network:host, pid:container:ci-*").expect("a list");
        assert!(own.allows_host(Namespace::Network) && !own.allows_host(Namespace::Pid));
        assert!(own.allows_container(Namespace::Pid, "ci-1"));
        assert!(!own.allows_container(Namespace::Pid, "web"));
        assert!(!own.allows_container(Namespace::Network, "ci-1"));
        assert!(own.names("ci-1") && !own.names("web") && !own.names("host"));
        assert_eq!(own.to_string(), "network:host, pid:container:ci-*");
        let mistakes = Namespaces::parse("host, net:host, pid:web, pid:container:, ipc:HOST");
        assert_eq!(mistakes.expect_err("mistakes").len(), 5);
    }
}
