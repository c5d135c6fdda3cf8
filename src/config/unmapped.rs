//! Which IDs the kernel shows for users and groups that dockgate's user namespace does not map.

use std::fs;
use std::sync::LazyLock;

use crate::clients::Unmapped;

/// Those of this machine, read once. Where they cannot be read, they are the usual ones.
pub static UNMAPPED: LazyLock<Unmapped> = LazyLock::new(|| {
    let id = |name: &str| {
        let text = fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok()?;
        text.trim_end().parse().ok()
    };
    Unmapped::new(id("overflowuid"), id("overflowgid"))
});
