//! The container that dockgate runs in, and its addresses.

use std::fs;
use std::net::IpAddr;
use std::sync::{LazyLock, OnceLock};

/// Its full ID, if it is told by what the engine mounts into each container.
pub(super) fn id() -> Option<String> {
    static ID: LazyLock<Option<String>> =
        LazyLock::new(|| in_mounts(&fs::read_to_string("/proc/self/mountinfo").ok()?));
    ID.clone()
}

/// What is known of it beforehand: what the settings call it, and its full ID once that was found. It keeps that, whatever
/// gets its name later.
#[derive(Debug, Default)]
pub(super) struct Own {
    name: Option<String>,
    id: OnceLock<String>,
}

impl Own {
    pub(super) fn called(name: Option<String>) -> Own {
        let id = OnceLock::new();
        Own { name, id }
    }

    /// By what the engine is asked for it, and whether that is its ID or the beginning of it. `None`: it is in none.
    pub(super) fn asked_by(&self) -> Option<(String, bool)> {
        let found = self.id.get().map(|id| (id.clone(), true));
        let given = || self.name.clone().map(|name| (name, false));
        // A hostname that is no ID could be another container's name.
        let guessed = || Some((id().or_else(hostname)?, true));
        found.or_else(given).or_else(guessed)
    }

    /// Learns its ID.
    pub(super) fn is(&self, id: &str) {
        self.id.get_or_init(|| id.to_owned());
    }
}

/// Whether a container with these addresses, or the one whose networks it shares, is dockgate's own.
pub(super) fn has_some(addresses: impl Iterator<Item = IpAddr>) -> bool {
    let own = self::addresses();
    let mut addresses = addresses;
    addresses.any(|one| one.is_loopback() || own.contains(&one))
}

/// The hostname, which an engine makes of a container's ID, if dockgate runs in a container.
pub(super) fn hostname() -> Option<String> {
    let marks = ["/.dockerenv", "/run/.containerenv"];
    let is_in_container = marks
        .iter()
        .any(|mark| fs::exists(mark).unwrap_or_default());
    let name = || fs::read_to_string("/proc/sys/kernel/hostname").ok();
    Some(is_in_container.then(name)??.trim().to_owned())
}

/// The addresses of this host, or of the container if it has a network of its own.
pub(super) fn addresses() -> Vec<IpAddr> {
    let v4 = fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let v6 = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    local_v4(&v4).chain(local_v6(&v6)).collect()
}

/// The kernel's table has each address on a line of its own, and below it what it is.
fn local_v4(trie: &str) -> impl Iterator<Item = IpAddr> {
    let lines = trie.lines().zip(trie.lines().skip(1));
    lines.filter_map(|(address, what)| {
        let address = address.trim_start().strip_prefix("|-- ")?;
        let is_local = what.trim() == "/32 host LOCAL";
        address.parse().ok().filter(|_| is_local)
    })
}

/// The kernel's list begins each line with an address of 32 digits.
fn local_v6(list: &str) -> impl Iterator<Item = IpAddr> {
    list.lines().filter_map(|line| {
        let bits = u128::from_str_radix(line.split(' ').next()?, 16).ok()?;
        Some(IpAddr::V6(bits.into()))
    })
}

/// Whether it has a network of its own, so that only those in that network can call it.
pub(super) fn is_apart() -> bool {
    static APART: LazyLock<bool> = LazyLock::new(|| {
        let interfaces = fs::read_to_string("/proc/net/dev").unwrap_or_default();
        id().is_some() && !has_bridges(&interfaces)
    });
    *APART
}

/// The engine's bridges are the host's interfaces.
fn has_bridges(interfaces: &str) -> bool {
    let mut names = interfaces.lines().filter_map(|line| line.split_once(':'));
    names.any(|(name, _)| {
        let name = name.trim();
        name == "docker0" || name.starts_with("br-")
    })
}

/// Docker mounts `…/containers/ID/hostname` to `/etc/hostname`, and Podman its like.
fn in_mounts(mounts: &str) -> Option<String> {
    const MOUNTED: [&str; 3] = ["/etc/hostname", "/etc/resolv.conf", "/etc/hosts"];
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_id = |part: &&str| part.len() == 64 && part.bytes().all(hex);
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, at) = (fields.next()?, fields.next()?);
        let id = root
            .split('/')
            .find(is_id)
            .filter(|_| MOUNTED.contains(&at));
        id.map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        let trie = "Local:\n  +-- 10.0.0.0/8 2 0 2\n     |-- 10.0.0.0\n        /8 link UNICAST\n     \
                    |-- 10.0.0.7\n        /32 host LOCAL\n     |-- 10.255.255.255\n        \
                    /32 link BROADCAST\n";
        let all: Vec<IpAddr> = local_v4(trie).collect();
        assert_eq!(all, ["10.0.0.7".parse::<IpAddr>().expect("an address")]);
        let list = "fd000214000900000000000000000002 07 40 00 82     eth0\n\n";
        let all: Vec<IpAddr> = local_v6(list).collect();
        assert_eq!(
            all,
            ["fd00:214:9::2".parse::<IpAddr>().expect("an address")]
        );
        assert!(addresses().contains(&IpAddr::from([127, 0, 0, 1])));
    }

    #[test]
    fn it_is_found_by_what_the_engine_mounts() {
        let id = "0123456789abcdef".repeat(4);
        let docker = format!(
            "700 690 8:1 /var/lib/docker/containers/{id}/hostname /etc/hostname rw - ext4 /dev/sda1 rw"
        );
        let root = format!("690 600 0:50 / / rw - overlay overlay rw,lowerdir=/x/{id}");
        assert_eq!(in_mounts(&format!("{root}\n{docker}\n")), Some(id.clone()));
        assert_eq!(in_mounts(&root), None);
        let volume =
            format!("1 2 8:1 /var/lib/docker/volumes/{id}/_data /data rw - ext4 /dev/sda1 rw");
        assert_eq!(in_mounts(&volume), None);
        assert_eq!(in_mounts("nonsense\n\n1 2"), None);
        assert!(has_bridges("Inter-|\n    lo: 1 2\n  br-0f3a: 0\n"));
        assert!(!has_bridges(
            "Inter-|   Receive\n face |bytes\n    lo: 1 2\n  eth0: 0\n"
        ));
    }
}
