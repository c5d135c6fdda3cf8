//! Whom certificates are for: hosts and clients, as the command line names them.

use std::fmt;
use std::fs;
use std::net::IpAddr;

use crate::policy::printable;

/// A DNS name or an IP address of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Dns(String),
    Ip(IpAddr),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Dns(name) => f.write_str(name),
            Name::Ip(address) => address.fmt(f),
        }
    }
}

impl Name {
    /// A host that clients connect to.
    ///
    /// # Errors
    /// It is neither name nor address, or an address to listen on.
    pub(super) fn host(text: &str) -> Result<Name, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            // A client that was given the mapped form connects to, and compares, the IPv4 address.
            let address = address.to_canonical();
            if address.is_unspecified() {
                return Err("clients can't connect to it: use the addresses of this host".into());
            }
            return Ok(Name::Ip(address));
        }
        if !is_dns(text.strip_prefix("*.").unwrap_or(text)) {
            return Err(format!(
                "{} is neither a DNS name nor an IP address: use it alone, without a scheme or a \
                 port, such as nas.lan or fd00::5",
                printable(text)
            ));
        }
        Ok(Name::Dns(text.to_ascii_lowercase()))
    }

    /// A client's name. It is a folder, a common name and a DNS name at once. Two that differ only
    /// in case would be one for DNS, so there is one case.
    ///
    /// # Errors
    /// It can't be all of them.
    pub(super) fn client(text: &str) -> Result<Name, String> {
        let is_upper = |byte: u8| byte.is_ascii_uppercase();
        if text.len() > LONGEST_COMMON || !is_dns(text) || text.bytes().any(is_upper) {
            return Err(format!(
                "{} is not a client's name: use at most {LONGEST_COMMON} lowercase letters, digits \
                 and - _, with dots between parts, and no number as the last part",
                printable(text)
            ));
        }
        Ok(Name::Dns(text.to_owned()))
    }

    /// This machine, as its own programs call it.
    pub(super) fn loopback() -> [Name; 3] {
        let ip = |address: [u16; 8]| Name::Ip(IpAddr::from(address).to_canonical());
        [
            Name::Dns("localhost".to_owned()),
            ip([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1]),
            ip([0, 0, 0, 0, 0, 0, 0, 1]),
        ]
    }

    /// This machine, as it calls itself, if others can call it the same.
    pub(super) fn machine() -> Option<Name> {
        let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
        Name::host(name.trim_end()).ok()
    }
}

/// `ub-common-name` of RFC 5280.
pub(super) const LONGEST_COMMON: usize = 64;

/// Underscores are not for host names (RFC 1123), but services of Compose have them, and clients
/// compare them like letters.
fn is_dns(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // With a number as its last part, it would be read as an address.
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253
        && name.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_are_names_and_addresses() {
        let longest = format!("{}.lan", "a".repeat(63));
        let longer = format!("{}.lan", "a".repeat(64));
        let all_too_long = ["a".repeat(63).as_str(); 4].join(".");
        for (text, read) in [
            ("localhost", Some("localhost")),
            ("NAS.lan", Some("nas.lan")),
            ("docker_proxy", Some("docker_proxy")),
            ("*.example.org", Some("*.example.org")),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("3com.example", Some("3com.example")),
            ("192.168.1.5", Some("192.168.1.5")),
            ("FD00::0:1", Some("fd00::1")),
            ("::ffff:10.0.0.1", Some("10.0.0.1")),
            (&longest, Some(&longest)),
            (&longer, None),
            (&all_too_long, None),
            ("", None),
            (".", None),
            ("nas.", None),
            ("a..b", None),
            ("-a", None),
            ("a-", None),
            ("*", None),
            ("*.*.org", None),
            ("a.*.org", None),
            ("b\u{fc}cher.example", None),
            ("a b", None),
            ("a\nb", None),
            ("a,b", None),
            ("1.2.3.999", None),
            ("1234", None),
            ("tcp://nas:2376", None),
            ("nas:2376", None),
            ("[::1]", None),
            ("fe80::1%eth0", None),
            ("0.0.0.0", None),
            ("::", None),
            ("::ffff:0.0.0.0", None),
        ] {
            let host = Name::host(text).ok().map(|host| host.to_string());
            assert_eq!(host.as_deref(), read, "{text}");
        }
    }

    #[test]
    fn clients_are_folders_and_names() {
        for text in ["ci", "ci-2", "ci.example.org", "docker_proxy", "7a"] {
            assert_eq!(Name::client(text), Ok(Name::Dns(text.to_owned())));
        }
        let long = format!("{}.b", "a".repeat(63));
        for text in [
            "", ".", "..", ".a", "a.", "-a", "a/b", "../a", "a b", "\u{e4}", "a\n", "a\0", "Ci",
            "*.a", "7", "10.0.0.1", "::1", &long,
        ] {
            assert!(Name::client(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_loopback_has_all_its_names() {
        let names = Name::loopback().map(|name| name.to_string());
        assert_eq!(names, ["localhost", "127.0.0.1", "::1"]);
    }

    proptest! {
        #[test]
        fn a_client_is_one_folder_and_as_it_was_named(text in r"(\PC|[a-z0-9._/*-]|\s){0,70}") {
            if let Ok(name) = Name::client(&text) {
                let path = Path::new(&text);
                let is_normal = |part| matches!(part, Component::Normal(_));
                prop_assert_eq!(path.components().filter(|&part| is_normal(part)).count(), 1);
                prop_assert_eq!(path.components().count(), 1);
                prop_assert_eq!(name.to_string(), text.clone());
                prop_assert_eq!(Name::host(&text), Ok(name));
            }
        }

        #[test]
        fn a_host_is_read_as_it_is_shown(text in r"[a-fA-F0-9._:*-]{1,40}") {
            if let Ok(name) = Name::host(&text) {
                prop_assert_eq!(Name::host(&name.to_string()), Ok(name));
            }
        }
    }
}
