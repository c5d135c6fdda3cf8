//! Which clients are admitted: a list of networks, addresses and host names. Only names take time,
//! and lookups never delay accepting connections.

use std::time::{Duration, Instant};

use super::names::Names;
use super::strangers::Strangers;
use crate::config::AllowFrom;
use crate::observe::access::{Explanation, NOT_ADMITTED, Peer, Reason};

/// Lets in the clients of a list.
#[derive(Debug)]
pub(super) struct Admission {
    list: AllowFrom,
    names: Names,
    /// All others.
    pub(super) strangers: Strangers,
}

impl Admission {
    /// Admits the clients of `list`; at most this many others are connected at a time.
    pub(super) fn new(list: AllowFrom, strangers: usize) -> Self {
        Self {
            names: Names::new("SP_ALLOWFROM", list.hosts.iter().map(String::as_str)),
            list,
            strangers: Strangers::new(strangers),
        }
    }

    /// Whether a client is admitted without a lookup. Clients of a Unix socket always are.
    pub(super) fn lists(&self, peer: Peer) -> bool {
        match peer {
            Peer::Tcp(client) => self.list.has(client.ip()),
            Peer::Unix(_) => true,
        }
    }

    /// Whether a client is listed, or was admitted by the last lookup of a name. It does not count
    /// as a stranger, and is looked up again.
    pub(super) fn knows(&self, peer: Peer) -> bool {
        self.lists(peer) || matches!(peer, Peer::Tcp(client) if self.names.had(client.ip()))
    }

    /// Whether a client is admitted, as far as can be determined in this time. A slow name server
    /// does not delay the clients of other names.
    pub(super) async fn admits(&self, peer: Peer, time: Duration) -> bool {
        let client = match peer {
            Peer::Tcp(client) if !self.lists(peer) => client.ip(),
            _ => return true,
        };
        let (mut news, deadline) = (self.names.news(), Instant::now() + time);
        loop {
            let of = self.names.have(client);
            if of.is_some() || Instant::now() >= deadline {
                return of.unwrap_or_default();
            }
            self.names.refresh(self.names.hosts());
            news.wait(deadline).await;
        }
    }

    /// Why it is not admitted.
    pub(super) fn refusal(&self, peer: Peer) -> Explanation {
        let client = match peer {
            Peer::Tcp(client) => client.ip().to_string(),
            Peer::Unix(_) => peer.to_string(),
        };
        let text = format!(
            "{NOT_ADMITTED}{client} are not allowed: SP_ALLOWFROM (-allowfrom) is {}",
            crate::policy::printable(&self.list.text)
        );
        Explanation::new(Reason::NotAdmitted, text)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::proxy::names::LOOKUP_TIMEOUT;

    #[tokio::test]
    async fn a_slow_name_server_holds_up_no_client_of_another_name() {
        let admission = Admission::new(AllowFrom::new("slow.example,localhost"), 1);
        let peer = |address: &str| Peer::Tcp(address.parse().expect("an address"));
        // As if it were looked up now.
        let _slow = admission.names.hold("slow.example");
        assert!(!admission.knows(peer("127.0.0.1:1")));
        let long = Duration::from_secs(60);
        let admits = timeout(LOOKUP_TIMEOUT, admission.admits(peer("127.0.0.1:1"), long)).await;
        assert_eq!(admits, Ok(true));
        assert!(admission.knows(peer("127.0.0.1:1")));
        // Another one waits, and no longer than it was said.
        let begin = Instant::now();
        let time = Duration::from_millis(100);
        assert!(!admission.admits(peer("10.0.0.1:1"), time).await);
        assert!(begin.elapsed() >= time);
    }
}
