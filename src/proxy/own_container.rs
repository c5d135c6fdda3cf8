//! The container that dockgate runs in.

use std::fs;
use std::sync::LazyLock;

/// Its full ID, if it is told by what the engine mounts into each container.
pub(super) fn id() -> Option<String> {
    static ID: LazyLock<Option<String>> =
        LazyLock::new(|| in_mounts(&fs::read_to_string("/proc/self/mountinfo").ok()?));
    ID.clone()
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
