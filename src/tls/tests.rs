use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ED25519, SanType, date_time_ymd};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::*;
use crate::clients::San;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn signed(change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let mut params = CertificateParams::default();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn mistakes(cert: &str, key: &str, ca: Option<&str>) -> Vec<String> {
    let parts = Parts {
        cert: cert.as_bytes(),
        key: key.as_bytes(),
        client_ca: ca.map(|ca| (ca.as_bytes(), ClientAuth::Required)),
    };
    let mistakes = Server::new(parts, SystemTime::now())
        .err()
        .unwrap_or_default();
    let told = mistakes
        .into_iter()
        .map(|one| format!("{} {}", one.part.key(), one.problem));
    told.collect()
}

#[test]
fn all_that_is_wrong_with_files_is_told_at_once() {
    let (cert, key) = signed(|_| ());
    let (other, _) = signed(|_| ());
    let (expired, expired_key) = signed(|params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let (future, _) = signed(|params| params.not_before = date_time_ymd(2999, 1, 1));
    let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
    let broken = cert.replace("-----END CERTIFICATE-----", "");
    let of_other = KeyPair::generate_for(&PKCS_ED25519)
        .unwrap()
        .serialize_pem();
    let over = "expired at 2021-01-01T00:00:00Z";
    for (cert, key, ca, told) in [
        (&cert, &key, None, vec![]),
        (&cert, &key, Some(&other), vec![]),
        (
            &other,
            &key,
            None,
            vec!["key does not belong to the certificate".to_owned()],
        ),
        (
            &cert,
            &of_other,
            None,
            vec!["key does not belong to the certificate".to_owned()],
        ),
        (
            &key,
            &cert,
            Some(&String::new()),
            vec![
                "cert has a key, but no certificate".to_owned(),
                "key has a certificate, but no key".to_owned(),
                "client_ca has no certificate in PEM form".to_owned(),
            ],
        ),
        (
            &expired,
            &encrypted,
            Some(&future),
            vec![
                "key is encrypted, and dockgate has no passphrase for it".to_owned(),
                format!("cert {over}"),
                "client_ca is not valid before 2999-01-01T00:00:00Z".to_owned(),
            ],
        ),
        (&expired, &expired_key, None, vec![format!("cert {over}")]),
        (
            &broken,
            &"x".to_owned(),
            None,
            vec![
                "cert is not valid PEM: a section has no end".to_owned(),
                "key has no private key in PEM form".to_owned(),
            ],
        ),
    ] {
        assert_eq!(mistakes(cert, key, ca.map(String::as_str)), told);
    }
}

#[test]
fn an_end_is_told_two_weeks_before() {
    let now = SystemTime::now();
    let (cert, key) = signed(|params| params.not_after = (now + DAY * 20).into());
    let parts = Parts {
        cert: cert.as_bytes(),
        key: key.as_bytes(),
        client_ca: None,
    };
    let server = Server::new(parts, now).unwrap();
    let told = |days| {
        server
            .expiring(now + DAY * days)
            .map(|(_, told)| told)
            .collect::<String>()
    };
    assert_eq!(told(5), "");
    assert!(
        told(7).starts_with("expires in 12 days, at "),
        "{}",
        told(7)
    );
    assert!(told(21).starts_with("expired at "), "{}", told(21));
    assert!(server.expires().is_some_and(|at| at.ends_with('Z')));
    // The same files are the same.
    assert_eq!(Server::new(parts, now).unwrap(), server);
    let with_ca = Parts {
        client_ca: Some((cert.as_bytes(), ClientAuth::Required)),
        ..parts
    };
    let with_ca = Server::new(with_ca, now).unwrap();
    assert!(with_ca != server && with_ca.trust.is_some() && server.trust.is_none());
}

#[test]
fn names_are_read_as_they_are() {
    let (pem, _) = signed(|params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Ci 1");
        params.subject_alt_names = vec![
            SanType::DnsName("*.ci.example".try_into().unwrap()),
            SanType::IpAddress("10.0.0.5".parse().unwrap()),
            SanType::IpAddress("fd00::5".parse().unwrap()),
            SanType::URI("spiffe://example/ci".try_into().unwrap()),
            SanType::Rfc822Name("ci@example".try_into().unwrap()),
        ];
    });
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let read = certificate(&der).unwrap();
    assert_eq!(read.common_names, ["Ci 1"]);
    let sans = ["ip:10.0.0.5", "ip:fd00::5", "uri:spiffe://example/ci"];
    let sans = sans.map(|san| san.parse().unwrap());
    assert_eq!(read.sans[0], San::Dns("*.ci.example".to_owned()));
    assert_eq!(read.sans[1..], sans);
    assert_eq!(certificate(&CertificateDer::from(vec![0x30, 0])), None);
}
