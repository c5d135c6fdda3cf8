//! Asks the system for the addresses of a host, for each family by itself.
//!
//! Asked for both at once, it passes the half that was answered for the whole, and a client of the other
//! half would get the policy of a later rule.

use std::collections::HashMap;
use std::net::IpAddr;
use std::thread;

use dns_lookup::{AddrFamily, AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};

use crate::clients::Answers;

/// In the order of [`Answers`].
pub(super) const FAMILIES: [AddrFamily; 2] = [AddrFamily::Inet, AddrFamily::Inet6];
/// So many hosts are looked up at once by [`look_up_all`].
const AT_ONCE: usize = 32;

/// The addresses of a host that are of this family; it may have none. `None`: no answer, or one that hides
/// the true one: a name server that blocks a name says `0.0.0.0` or `::`. Takes as long as the system
/// waits for name servers.
pub(super) fn look_up(host: &str, family: AddrFamily) -> Option<Vec<IpAddr>> {
    let hints = AddrInfoHints {
        address: family.into(),
        socktype: SockType::Stream.into(),
        ..AddrInfoHints::default()
    };
    let found = match getaddrinfo(Some(host), None, Some(hints)) {
        Ok(found) => found.collect::<Result<Vec<_>, _>>().ok()?,
        Err(e) => match e.kind() {
            LookupErrorKind::NoName | LookupErrorKind::NoData => return Some(Vec::new()),
            _ => return None,
        },
    };
    usable(found.iter().map(|one| one.sockaddr.ip()))
}

/// What is not a sinkhole's, if anything.
fn usable(found: impl Iterator<Item = IpAddr>) -> Option<Vec<IpAddr>> {
    let found = found.map(|one| one.to_canonical());
    let usable: Vec<IpAddr> = found.filter(|one| !one.is_unspecified()).collect();
    (!usable.is_empty()).then_some(usable)
}

/// What these hosts stand for now, as requests would be decided by it.
pub(crate) fn look_up_all(hosts: &[&str]) -> HashMap<String, Answers> {
    let mut all = HashMap::new();
    for some in hosts.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let asked = some.iter().map(|host| {
                let ask = |family| scope.spawn(move || look_up(host, family));
                (*host, FAMILIES.map(ask))
            });
            // All of them are asked before one is waited for.
            let asked: Vec<_> = asked.collect();
            for (host, halves) in asked {
                let answers = halves.map(|half| half.join().ok().flatten());
                all.insert(host.to_owned(), answers);
            }
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_is_answered_by_itself() {
        let known = look_up_all(&["localhost", "name.invalid"]);
        let [v4, v6] = &known["localhost"];
        let v4 = v4.as_ref().expect("an answer");
        assert!(v4.contains(&"127.0.0.1".parse().expect("an address")));
        assert!(v4.iter().all(IpAddr::is_ipv4));
        assert!(v6.iter().flatten().all(IpAddr::is_ipv6));
        // Whether there is a name server or none.
        let nobody = known["name.invalid"].iter().flatten().flatten();
        assert_eq!(nobody.count(), 0);
    }

    #[test]
    fn a_sinkhole_is_no_answer() {
        for (found, usable) in [
            (&["10.0.0.1"][..], Some(&["10.0.0.1"][..])),
            (&["0.0.0.0", "10.0.0.1"], Some(&["10.0.0.1"])),
            (&["::ffff:10.0.0.1"], Some(&["10.0.0.1"])),
            (&["0.0.0.0"], None),
            (&["::"], None),
            (&["::ffff:0.0.0.0"], None),
        ] {
            let parsed = |all: &[&str]| -> Vec<IpAddr> {
                let all = all.iter().map(|one| one.parse().expect("an address"));
                all.collect()
            };
            let found = parsed(found);
            assert_eq!(super::usable(found.into_iter()), usable.map(parsed));
        }
    }
}
