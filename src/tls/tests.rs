use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ED25519, SanType, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier as _;

use super::ca::Clients;
use super::*;
use crate::clients::San;

const CA: IsCa = IsCa::Ca(BasicConstraints::Unconstrained);

/// By `openssl req -x509 -addext keyUsage=critical,keyCertSign`.
const OPENSSL_CA: &str = "\
-----BEGIN CERTIFICATE-----
MIIBiTCCAS+gAwIBAgIUOi0yN7pqPxLmjkNs43uYNisXz4EwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGdGhlIENBMCAXDTI2MTEyNzA0MDQzN1oYDzIxMjYxMTAzMDQw
NDM3WjARMQ8wDQYDVQQDDAZ0aGUgQ0EwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAQwBdpmt2SK9yLwFQKA3q2yEBMDs75M8kekekg3/9s7/ZiW27x2EF0X3yNom7du
0JOrrDXmi5z4PWYjB3p64LqPo2MwYTAdBgNVHQ4EFgQUCzQXzTG1mtiwCx6MGfZO
vzTeV/UwHwYDVR0jBBgwFoAUCzQXzTG1mtiwCx6MGfZOvzTeV/UwDwYDVR0TAQH/
BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAgQwCgYIKoZIzj0EAwIDSAAwRQIhAKVQmM8m
MrvuubzvrR2q+YB5YasDPuBQMO0/hdZuGMjwAiAUXSRgaYuadmVTMkBzCfkObeWx
LlM/xhWS+XBxaD6jdg==
-----END CERTIFICATE-----
";

/// That CA's, by `openssl x509 -req` without extensions.
const VERSION_1: &str = "\
-----BEGIN CERTIFICATE-----
MIIBGzCBwQIURdiy2dbZAqxXMepvqj2tJLdp9g4wCgYIKoZIzj0EAwIwETEPMA0G
A1UEAwwGdGhlIENBMCAXDTI2MTEyNzA0MDQzN1oYDzIxMjYxMTAzMDQwNDM3WjAN
MQswCQYDVQQDDAJ2MTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABG8E1liSX7gM
f2UcxZNDCaFTX0GQSlMT5BAWI8YHDr9T+JVOE80YmKMCiosAb8UFpAO8fOjHLWwt
mZaJpCRALAgwCgYIKoZIzj0EAwIDSQAwRgIhAPJvmoOCWgjqy/Fbka4aCkfFlSn5
f0RZ4HOQvMeyBEpuAiEAsZJyGUrhgYCn7wFrv9rezfftikjvNw8i9UqkK8usSU0=
-----END CERTIFICATE-----
";

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn signed(change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let mut params = CertificateParams::default();
    change(&mut params);
    let key = KeyPair::generate().expect("a key");
    (
        params.self_signed(&key).expect("a certificate").pem(),
        key.serialize_pem(),
    )
}

fn mistakes(cert: &str, key: &str, ca: Option<&str>) -> Vec<String> {
    let parts = Parts {
        cert: cert.as_bytes(),
        key: key.as_bytes(),
        client_ca: ca.map(|ca| (ca.as_bytes(), ClientAuth::Required)),
    };
    let mistakes = Server::new(parts).err().unwrap_or_default();
    let told = mistakes
        .into_iter()
        .map(|one| format!("{} {}", one.part.key(), one.problem));
    told.collect()
}

#[test]
fn all_that_is_wrong_with_files_is_told_at_once() {
    let (cert, key) = signed(|_| ());
    let (other, _) = signed(|params| params.is_ca = CA);
    let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
    let broken = cert.replace("-----END CERTIFICATE-----", "");
    let of_other = KeyPair::generate_for(&PKCS_ED25519)
        .unwrap()
        .serialize_pem();
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
            &cert,
            &encrypted,
            Some(&cert),
            vec![
                "key is encrypted, and dockgate has no passphrase for it".to_owned(),
                "client_ca has a certificate that is not a CA's (CN=rcgen self signed cert): anyone with \
                 its key could sign any name"
                    .to_owned(),
            ],
        ),
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
    let (cert, key) = signed(|params| {
        params.is_ca = CA;
        params.not_before = (now - DAY).into();
        params.not_after = (now + DAY * 20).into();
    });
    let parts = Parts {
        cert: cert.as_bytes(),
        key: key.as_bytes(),
        client_ca: None,
    };
    let server = Server::new(parts).expect("files that fit");
    let told = |days| {
        server
            .expiring(now + DAY * days - DAY * 2)
            .map(|one| one.problem)
            .collect::<String>()
    };
    assert!(told(0).starts_with("is not valid before "), "{}", told(0));
    assert_eq!(told(7), "");
    assert!(
        told(9).starts_with("expires in 12 days, at "),
        "{}",
        told(9)
    );
    assert!(told(23).starts_with("expired at "), "{}", told(23));
    assert!(server.expires().is_some_and(|at| at.ends_with('Z')));
    // The same files are the same.
    assert_eq!(Server::new(parts).expect("files that fit"), server);
    let with_ca = Parts {
        client_ca: Some((cert.as_bytes(), ClientAuth::Required)),
        ..parts
    };
    let with_ca = Server::new(with_ca).expect("files that fit");
    assert!(with_ca != server && with_ca.trust.is_some() && server.trust.is_none());
}

#[test]
fn nobody_but_a_ca_vouches_for_clients() {
    let (with_usage, _) = signed(|params| {
        params.is_ca = CA;
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    });
    let (unlimited, _) = signed(|params| params.is_ca = CA);
    let (no_ca, _) = signed(|params| params.is_ca = IsCa::ExplicitNoCa);
    let (unsaid, _) = signed(|params| params.is_ca = IsCa::NoCa);
    let (signs_no_certificates, _) = signed(|params| {
        params.is_ca = CA;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
    });
    let (signs_without_being_a_ca, _) = signed(|params| {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    });
    for (pem, is_ca) in [
        (&*with_usage, true),
        (&unlimited, true),
        (OPENSSL_CA, true),
        (&no_ca, false),
        (&unsaid, false),
        (&signs_no_certificates, false),
        (&signs_without_being_a_ca, false),
        (VERSION_1, false),
    ] {
        let read = Ca::read(&der(pem));
        assert_eq!(read.is_ok(), is_ca, "{pem}");
        if let Err((problem, _)) = read {
            assert!(
                problem.starts_with("has a certificate that is not a CA's (CN="),
                "{problem}"
            );
        }
    }
    // One among others is enough for a mistake.
    let (cert, key) = signed(|_| ());
    let told = mistakes(&cert, &key, Some(&[&unlimited, VERSION_1].concat()));
    let [told] = &*told else {
        panic!("{told:?}");
    };
    assert!(
        told.starts_with("client_ca has a certificate that is not a CA's (CN=v1): "),
        "{told}"
    );
}

/// A CA of this key, from the beginning of a year to that of another.
fn ca(name: &str, key: &KeyPair, [from, until]: [i32; 2]) -> (Ca, CertificateParams) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = CA;
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let pem = params.self_signed(key).expect("a certificate").pem();
    (Ca::read(&der(&pem)).expect("a CA"), params)
}

#[test]
fn a_ca_vouches_for_clients_while_it_is_valid() {
    const VALID: [i32; 2] = [2020, 2999];
    let keys = [(); 4].map(|()| KeyPair::generate().expect("a key"));
    let made = [
        ca("old", &keys[0], [2020, 2021]),
        ca("valid", &keys[1], VALID),
        ca("future", &keys[2], [2998, 2999]),
        ca("unknown", &keys[3], VALID),
    ];
    let (renewed, _) = ca("old", &keys[0], VALID);
    let clients = made.iter().zip(&keys).map(|((_, params), key)| {
        let own = KeyPair::generate().expect("a key");
        let issuer = Issuer::from_params(params, key);
        let cert = CertificateParams::default().signed_by(&own, &issuer);
        cert.expect("a certificate").der().clone()
    });
    let clients: Vec<_> = clients.collect();
    let [old, valid, future, _] = made.map(|(ca, _)| ca);
    let now = UnixTime::now();
    let unknown = Some("is of an unknown CA: none in client_ca has signed it");
    let over = Some("is of a CA in client_ca that has expired");
    let too_early = Some("is of a CA in client_ca that is not valid yet");
    // Each with what is said of a client of the old CA, of the valid one, of the future one and another.
    for (cas, told) in [
        (vec![&valid], [unknown, None, unknown, unknown]),
        (vec![&old], [over, unknown, unknown, unknown]),
        (vec![&future], [unknown, unknown, too_early, unknown]),
        (vec![&old, &valid], [over, None, unknown, unknown]),
        (vec![&valid, &future], [unknown, None, too_early, unknown]),
        (vec![&old, &renewed], [None, unknown, unknown, unknown]),
    ] {
        let cas = cas.into_iter().cloned().collect();
        let verifier = Clients::new(cas, ClientAuth::Optional).expect("CAs");
        for (client, told) in clients.iter().zip(told) {
            let said = verifier.verify_client_cert(client, &[], now).err();
            let said = said.map(|e| refusal(&e));
            let told = told.map(|told| format!("the client's certificate {told}"));
            assert_eq!(said, told);
        }
    }
    assert!(Clients::new(Vec::new(), ClientAuth::Required).is_err());
}

#[test]
fn what_only_webpki_has_a_name_for_is_told_in_words() {
    let ca = Ca::read(&der(OPENSSL_CA)).expect("a CA");
    let clients = Clients::new(vec![ca], ClientAuth::Required).expect("CAs");
    for (pem, told) in [
        (VERSION_1, "is not of version 3 of X.509: make another one"),
        (
            OPENSSL_CA,
            "is that of a CA (CA:TRUE): have the CA sign another one",
        ),
    ] {
        let said = clients.verify_client_cert(&der(pem), &[], UnixTime::now());
        let said = refusal(&said.unwrap_err());
        assert_eq!(said, format!("the client's certificate {told}"));
    }
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
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
    let read = certificate(&der).unwrap();
    assert_eq!(read.common_names, ["Ci 1"]);
    let sans = ["ip:10.0.0.5", "ip:fd00::5", "uri:spiffe://example/ci"];
    let sans = sans.map(|san| san.parse().unwrap());
    assert_eq!(read.sans[0], San::Dns("*.ci.example".to_owned()));
    assert_eq!(read.sans[1..], sans);
    assert_eq!(certificate(&CertificateDer::from(vec![0x30, 0])), None);
}
