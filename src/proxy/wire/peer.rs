//! Who is at the other end of a Unix socket. The kernel noted it when that end connected, and what has
//! become of the process since does not matter.

use std::os::fd::AsRawFd;

use tokio::net::UnixStream;
use uapi::Errno;
use uapi::c::{ERANGE, SO_PEERGROUPS, SOL_SOCKET};

use crate::clients::Identity;
use crate::config::UNMAPPED;

/// Nearly every process is in fewer groups.
const FEW: usize = 64;
/// No process is in more: Linux's `NGROUPS_MAX`.
const MOST: usize = 65_536;

/// The process at the other end, with all of its groups. What the kernel does not tell is unknown.
pub(super) fn identity(socket: &UnixStream) -> Identity {
    let Ok(peer) = socket.peer_cred() else {
        return Identity::process(None, None, &UNMAPPED);
    };
    let groups = supplementary_groups(socket).map(|mut groups| {
        groups.push(peer.gid());
        groups
    });
    Identity::process(Some(peer.uid()), groups.ok(), &UNMAPPED)
}

fn supplementary_groups(socket: &UnixStream) -> Result<Vec<u32>, Errno> {
    match groups_into(socket, &mut [0; FEW]) {
        Err(Errno(ERANGE)) => groups_into(socket, &mut vec![0; MOST]),
        told => told,
    }
}

/// The groups, if there is room for all of them.
fn groups_into(socket: &UnixStream, room: &mut [u32]) -> Result<Vec<u32>, Errno> {
    let bytes = uapi::getsockopt(socket.as_raw_fd(), SOL_SOCKET, SO_PEERGROUPS, room)?;
    let groups = room.get(..bytes / size_of::<u32>());
    groups.map(<[u32]>::to_vec).ok_or(Errno(ERANGE))
}

#[cfg(test)]
mod tests {
    use rustix::process::{Gid, getegid, geteuid, getgroups};

    use super::*;

    #[tokio::test]
    async fn a_process_has_all_of_its_groups() {
        let (own, _other) = UnixStream::pair().expect("a pair");
        let groups = getgroups().expect("groups").into_iter();
        let groups = groups.chain([getegid()]).map(Gid::as_raw).collect();
        let user = Some(geteuid().as_raw());
        assert_eq!(
            identity(&own),
            Identity::process(user, Some(groups), &UNMAPPED)
        );
        let none = groups_into(&own, &mut []).map(|groups| groups.len());
        let has_none = getgroups().expect("groups").is_empty();
        assert_eq!(none, if has_none { Ok(0) } else { Err(Errno(ERANGE)) });
    }
}
