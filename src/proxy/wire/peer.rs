//! What the kernel knows of the other end of a socket: of a Unix socket, who it was when it connected,
//! whatever has become of the process since; of a TCP socket, when something came from it last.

use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::{TcpStream, UnixStream};
use uapi::Errno;
use uapi::c::{ERANGE, IPPROTO_TCP, SO_PEERGROUPS, SOL_SOCKET, TCP_INFO};

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

/// When something came from it last, by the clock that tells the time, in nanoseconds; 0 if that is not
/// known.
pub(super) fn last_heard(socket: &TcpStream) -> u64 {
    // `tcpi_last_ack_recv` of Linux's `struct tcp_info`, behind 8 bytes and 12 numbers: milliseconds.
    const LAST_ACK: usize = 14;
    let mut info = [0_u32; LAST_ACK + 1];
    let read = uapi::getsockopt(socket.as_raw_fd(), IPPROTO_TCP, TCP_INFO, &mut info[..]);
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    match (read, since_1970) {
        (Ok(bytes), Ok(now)) if bytes == size_of_val(&info) => {
            let age = Duration::from_millis(info[LAST_ACK].into());
            let heard = now.saturating_sub(age);
            u64::try_from(heard.as_nanos()).unwrap_or(0)
        }
        _ => 0,
    }
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
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::time::sleep;

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

    #[tokio::test]
    async fn what_came_last_came_then() {
        let now = || {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .expect("a time");
            i128::try_from(now.as_millis()).expect("a time")
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let mut client = TcpStream::connect(address).await.expect("a connection");
        let connected = now();
        let (socket, _) = listener.accept().await.expect("a connection");
        let heard = || i128::from(last_heard(&socket) / 1_000_000);
        // It is a time and not an age.
        for _ in 0..3 {
            sleep(Duration::from_millis(40)).await;
            assert!((heard() - connected).abs() <= 20, "{} {connected}", heard());
        }
        client.write_all(b"x").await.expect("sent");
        let sent = now();
        socket.readable().await.expect("it came");
        assert!((heard() - sent).abs() <= 20, "{} {sent}", heard());
    }
}
