//! A client's certificate: whatever is in it, its names are read or it is refused, without a panic; in
//! the log they are one word; and a rule is for it by nothing but a name that is in it as it is.
#![no_main]

use dockgate::clients::{CertificateRule, San};
use dockgate::tls::certificate;
use libfuzzer_sys::fuzz_target;
use rustls_pki_types::CertificateDer;

fuzz_target!(|bytes: &[u8]| {
    let Some(read) = certificate(&CertificateDer::from(bytes)) else {
        return;
    };
    let word = read.to_string();
    let is_graphic = |byte: u8| byte.is_ascii_graphic();
    assert!(word.bytes().all(is_graphic), "{word:?}");
    let has = |name: &str| {
        bytes
            .windows(name.len())
            .any(|part| part == name.as_bytes())
    };
    for san in &read.sans {
        match san {
            San::Dns(name) | San::Uri(name) => assert!(has(name), "{name:?}"),
            San::Ip(_) => {}
        }
        let rule = |san: &San| CertificateRule {
            san: Some(san.clone()),
            ..CertificateRule::default()
        };
        assert!(rule(san).is_for(&read), "{san}");
        if let San::Dns(name) = san {
            // No wildcard is for more than itself.
            let below = San::Dns(name.replacen('*', "a", 1));
            assert_eq!(
                rule(&below).is_for(&read),
                read.sans.contains(&below),
                "{below}"
            );
        }
    }
    let other = read.sans.iter().map(San::to_string).collect::<String>() + "x";
    let rule = CertificateRule {
        common_name: Some(other),
        ..CertificateRule::default()
    };
    assert!(!rule.is_for(&read) || read.common_names.len() == 1);
    assert!(!CertificateRule::default().is_for(&read));
    let by_key = CertificateRule {
        fingerprint: Some(read.fingerprint),
        ..CertificateRule::default()
    };
    assert!(by_key.is_for(&read));
});
