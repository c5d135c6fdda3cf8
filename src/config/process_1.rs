//! The command line of process 1, from `/proc/1/cmdline`. In a container, process 1 is dockgate,
//! perhaps under a small init.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The arguments of process 1, if it is dockgate.
pub(super) fn arguments() -> Option<Vec<OsString>> {
    let cmdline = std::fs::read("/proc/1/cmdline").unwrap_or_default();
    let arguments = flags_in(&cmdline);
    (std::process::id() == 1 || !arguments.is_empty()).then_some(arguments)
}

/// The arguments of dockgate in this command line, perhaps under a small init.
fn flags_in(cmdline: &[u8]) -> Vec<OsString> {
    let words = cmdline.split(|byte| *byte == 0).map(OsStr::from_bytes);
    let program = |word: &&OsStr| Path::new(word).file_name() != Some(OsStr::new("dockgate"));
    let words = words.skip_while(program).skip(1);
    words.map(OsStr::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_the_running_dockgate_are_found() {
        for (cmdline, flags) in [
            (
                &b"/dockgate\0-allowGET=/x\0-logjson\0"[..],
                &["-allowGET=/x", "-logjson", ""][..],
            ),
            (b"/sbin/docker-init\0--\0/dockgate\0serve\0", &["serve", ""]),
            (b"/sbin/init\0-allowGET=/x\0", &[]),
            (b"", &[]),
        ] {
            assert_eq!(flags_in(cmdline), flags);
        }
    }
}
