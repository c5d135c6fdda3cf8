//! Engines by TCP and TLS: what their files have to be, and what comes of connecting to them.

use std::fs;
use std::net::{IpAddr, TcpListener};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

use super::*;
use crate::config::{Diagnostic, Settings, Severity, Snapshot};

fn load(variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let told = |all: Vec<Diagnostic>| {
        let errors = all.into_iter().filter(Diagnostic::is_error);
        errors.map(|one| one.to_string()).collect()
    };
    Settings::load(&Snapshot::from_iter(variables.iter().copied())).map_err(told)
}

fn warnings(settings: &Settings) -> Vec<String> {
    let warnings = settings.warnings.iter();
    let warnings = warnings.filter(|one| one.severity == Severity::Warning);
    warnings.map(ToString::to_string).collect()
}

#[test]
fn a_connection_to_dockgate_itself_is_found_by_its_ends() {
    let endpoint = |listen: &str| Endpoint {
        tls: None,
        listen: listen.parse().expect("an address"),
        mode: 0,
        policy: config::PolicyId::DEFAULT,
        engine: None,
    };
    let settings = config::Settings::load(&config::Snapshot::from_iter([("X", "")]));
    let engine = settings.expect("settings").engine;
    for (listen, here, there, is) in [
        ("tcp://[::]:2375", "10.0.0.1:9", "10.0.0.1:2375", true),
        ("tcp://[::]:2375", "[fd00::1]:9", "[fd00::1]:2375", true),
        ("tcp://[::]:2375", "10.0.0.1:9", "10.0.0.2:2375", false),
        ("tcp://[::]:2375", "10.0.0.1:9", "10.0.0.1:2376", false),
        ("tcp://127.0.0.1:1", "127.0.0.1:9", "127.0.0.1:1", true),
        ("tcp://127.0.0.1:1", "127.0.0.2:9", "127.0.0.2:1", false),
        ("unix:///x", "127.0.0.2:9", "127.0.0.2:1", false),
    ] {
        let engine = Engine::new(&engine, &[endpoint(listen)]);
        let address = |text: &str| text.parse().expect("an address");
        let found = engine.is_itself(address(here), address(there));
        assert_eq!(found, is, "{listen} {here} {there}");
    }
}

#[test]
fn certificates_and_keys_are_looked_into_at_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = [(); 2].map(|()| KeyPair::generate().expect("a key"));
    let cert = |is_ca| {
        let mut params = CertificateParams::new(["nas".to_owned()]).expect("a name");
        params.is_ca = is_ca;
        params.self_signed(&keys[0]).expect("a certificate").pem()
    };
    let no_ca = cert(IsCa::NoCa);
    let cert = cert(IsCa::Ca(BasicConstraints::Unconstrained));
    let path = |name: &str| format!("{}/{name}", folder.path().to_str().expect("a plain path"));
    let (own, other) = (keys[0].serialize_pem(), keys[1].serialize_pem());
    for (name, text) in [
        ("cert", cert.as_str()),
        ("no-ca", &no_ca),
        ("key", &own),
        ("other", &other),
        ("empty", ""),
        (
            "locked",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n",
        ),
    ] {
        fs::write(path(name), text).expect("written");
    }
    let with = |ca: &str, cert: &str, key: &str| {
        load(&[
            ("SOCKET_PATH", "tcp://nas:1"),
            ("ENGINE_CA", &path(ca)),
            ("ENGINE_CERT", &path(cert)),
            ("ENGINE_KEY", &path(key)),
        ])
    };
    let good = with("cert", "cert", "key").expect("settings");
    assert!(good.engine.tls.is_some());
    assert_eq!(warnings(&good), [""; 0]);
    // What a key is, is shown nowhere.
    assert!(!format!("{:?}", good.engine).contains("BEGIN"));
    for (files, mistakes) in [
        (
            ["key", "cert", "key"],
            &["ENGINE_CA: {}/key has a key, but no certificate"][..],
        ),
        (
            ["no-ca", "no-ca", "key"],
            &[
                "ENGINE_CA: {}/no-ca has a certificate that is not a CA's (CN=rcgen self signed cert): ",
            ],
        ),
        (
            ["cert", "cert", "other"],
            &["ENGINE_KEY: {}/other does not belong to the certificate"],
        ),
        (
            ["cert", "cert", "locked"],
            &["ENGINE_KEY: {}/locked is encrypted"],
        ),
        (
            ["empty", "gone", "cert"],
            &[
                "ENGINE_CA: {}/empty has no certificate",
                "ENGINE_CERT: {}/gone cannot be read: No such file",
                "ENGINE_KEY: {}/cert has a certificate, but no key",
            ],
        ),
    ] {
        let told = with(files[0], files[1], files[2]).expect_err("mistakes");
        assert_eq!(told.len(), mistakes.len(), "{told:?}");
        for (told, mistake) in told.iter().zip(mistakes) {
            let mistake = mistake.replace("{}", folder.path().to_str().expect("a plain path"));
            assert!(told.starts_with(&mistake), "{told}");
        }
    }
    let unix = load(&[("ENGINE_CA", &path("cert"))]).expect_err("a mistake");
    assert!(unix[0].starts_with("ENGINE_CA: the engine is at a Unix socket"));
    let odd = [
        ("SOCKET_PATH", "tcp://my_nas.:1"),
        ("ENGINE_CA", &path("cert")),
    ];
    assert!(load(&odd).is_ok(), "rustls takes such names");
}

#[tokio::test]
async fn an_engine_stays_at_its_address_as_long_as_its_name_has_it() {
    let ips: [IpAddr; 2] = ["127.0.0.1", "127.0.0.2"].map(|ip| ip.parse().expect("an address"));
    let first = TcpListener::bind((ips[0], 0)).expect("a port");
    let port = first.local_addr().expect("an address").port();
    let second = TcpListener::bind((ips[1], port)).expect("the same port");
    let settings = load(&[("SOCKET_PATH", &format!("tcp://nas.test:{port}"))]).expect("settings");
    let engine = Engine::new(&settings.engine, &[]);
    let at = async |found: &[IpAddr]| {
        engine.addresses.play(found).await;
        let (_, address) = engine.dial().await.expect("a connection");
        assert!(engine.is_still_at(address));
        address.map(|one| one.ip())
    };
    let [one, two] = ips;
    assert_eq!(at(&[one, two]).await, Some(one));
    assert_eq!(at(&[two, one]).await, Some(one));
    let (request, other) = (SameHost::of(&engine), SameHost::of(&engine));
    let [here, there] = ips.map(|ip| Some(SocketAddr::new(ip, port)));
    assert!(request.takes(here) && request.clone().takes(here));
    assert_eq!(at(&[two]).await, Some(two));
    assert_eq!(at(&[one, two]).await, Some(two));
    // What began at the one does not go on at the other.
    assert!(!engine.is_still_at(here));
    assert!(!request.takes(there) && !request.clone().takes(there) && !request.takes(None));
    assert!(matches!(request.must_take(there), Err(EngineError::Moved)));
    assert!(other.takes(there) && !other.takes(here));
    // It is there no longer.
    drop(second);
    assert_eq!(at(&[one, two]).await, Some(one));
    drop(first);
}

#[test]
fn only_a_name_can_come_to_stand_for_another_host() {
    for (address, is_free) in [
        ("/run/docker.sock", true),
        ("tcp://10.0.0.1:2375", true),
        ("tcp://nas:2375", false),
    ] {
        let settings = load(&[("SOCKET_PATH", address)]).expect("settings");
        let request = SameHost::of(&Engine::new(&settings.engine, &[]));
        let addresses = ["10.0.0.1:1", "10.0.0.2:1"].map(|one| one.parse().ok());
        assert!(request.takes(addresses[0]));
        assert_eq!(request.takes(addresses[1]), is_free, "{address}");
        assert_eq!(request.takes(None), is_free, "{address}");
    }
}
