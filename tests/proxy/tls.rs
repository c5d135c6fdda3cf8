//! TLS between clients and dockgate: handshakes that succeed and fail, what passes through them, who
//! a client is by its certificate, and what a reload changes of all that.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, Error, HandshakeKind, ProtocolVersion};

use crate::policies::Many;
use crate::reload::{SWITCHED, reload};
use crate::support::certificates::{Ca, Files, Pair, TlsWire, config};
use crate::support::dockgate::free_address;
use crate::support::gate::EMPTY;
use crate::support::{BOUND, Dockgate, End, Engine, Wire};

const BOTH: &[&rustls::SupportedProtocolVersion] = &[&TLS13, &TLS12];
const PING: &str = "/_ping";

/// A dockgate that speaks TLS by its environment, with a CA for both sides.
struct Secure {
    engine: Engine,
    dockgate: Dockgate,
    address: SocketAddr,
    ca: Ca,
    files: Files,
}

impl Secure {
    #[track_caller]
    fn start(client_auth: Option<&str>, more: &[(&str, &str)]) -> Secure {
        let (engine, address, ca) = (Engine::start(), free_address(), Ca::new("the CA"));
        let files = Files::write(engine.directory(), &ca.server(), &ca);
        let listen = format!("tcp://{address}");
        let path = engine.path().display().to_string();
        let [cert, key, own_ca] = ["cert.pem", "key.pem", "ca.pem"].map(|name| files.path(name));
        let mut environment = vec![
            ("LISTEN", listen.as_str()),
            ("SOCKET_PATH", &path),
            ("TLS_CERT", &cert),
            ("TLS_KEY", &key),
            ("CONTAINERS", "1"),
            ("POST", "1"),
            ("EXEC", "1"),
            ("IMAGES", "1"),
        ];
        if let Some(auth) = client_auth {
            environment.extend([
                ("TLS_CLIENT_CA", own_ca.as_str()),
                ("TLS_CLIENT_AUTH", auth),
            ]);
        }
        let dockgate = Dockgate::start(&[&environment, more].concat());
        dockgate.listens(&listen);
        Secure {
            engine,
            dockgate,
            address,
            ca,
            files,
        }
    }

    fn client(&self, own: Option<&Pair>) -> TlsWire {
        TlsWire::connect(self.address, &config(&self.ca, own, BOTH))
    }

    fn says(&self, wanted: &str) -> String {
        self.dockgate.line(|line| line.contains(wanted))
    }

    /// A client that comes after an attack is served.
    #[track_caller]
    fn still_works(&self, own: Option<&Pair>) {
        let mut client = self.client(own);
        client.send(format!("GET {PING} HTTP/1.1\r\nHost: clean\r\n\r\n"));
        let (mut engine, request) = self.engine.request();
        assert_eq!(request.head.line, format!("GET {PING} HTTP/1.1"));
        engine.send(EMPTY);
        assert_eq!(client.response().0, 200);
    }
}

#[test]
fn requests_pass_over_both_versions_and_one_connection() {
    let gate = Secure::start(None, &[]);
    gate.says("TLS, certificate valid until ");
    for (version, spoken) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let mut client = TlsWire::connect(gate.address, &config(&gate.ca, None, &[version]));
        // Pipelined, and cut in the middle of a head.
        let request = "GET /containers/json HTTP/1.1\r\nHost: docker\r\n\r\n";
        let (start, rest) = request.split_at(20);
        client.send([request, start].concat());
        let (mut engine, first) = gate.engine.request();
        assert_eq!(first.head.line, "GET /containers/json HTTP/1.1");
        engine.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none");
        assert_eq!(client.response(), (200, "one".to_owned()));
        client.send(rest);
        engine.request();
        engine.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo");
        assert_eq!(client.response(), (200, "two".to_owned()));
        assert_eq!(client.get("/info").0, 403);
        let connection = &client.0.conn;
        assert_eq!(connection.protocol_version(), Some(spoken));
        assert_eq!(connection.alpn_protocol(), Some(&b"http/1.1"[..]));
        // An end of the connection is a proper one.
        client.send("GET /info HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n");
        assert!(client.rest().starts_with(b"HTTP/1.1 403 "));
    }
}

#[test]
fn large_bodies_pass_whole_in_both_directions() {
    const SIZE: usize = 64 * 1024 * 1024;
    let gate = Secure::start(None, &[]);
    let bytes: Vec<u8> = (0..=250).cycle().take(SIZE).collect();
    let mut client = gate.client(None);
    client.send(format!(
        "POST /images/load HTTP/1.1\r\nHost: docker\r\nContent-Length: {SIZE}\r\n\r\n"
    ));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut engine = gate.engine.accept();
            engine.head();
            assert!(engine.take(SIZE) == bytes);
            engine.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"));
            engine.send(&bytes);
        });
        client.send(&bytes);
        assert!(client.head().starts_with("HTTP/1.1 200 "));
        assert!(client.take(SIZE) == bytes);
    });
}

#[test]
fn a_tunnel_is_half_closed_by_either_side_with_and_without_notice() {
    let gate = Secure::start(None, &[]);
    for notify in [true, false] {
        let mut client = gate.client(None);
        client.send(
            "POST /containers/a/attach?stream=1 HTTP/1.1\r\nHost: docker\r\n\
             Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
        );
        let (mut engine, _) = gate.engine.request();
        engine.send(SWITCHED);
        assert!(client.head().starts_with("HTTP/1.1 101 "));
        client.send("stdin");
        assert_eq!(engine.take(5), b"stdin");
        // The client's end is the end of stdin alone.
        client.half_close(notify);
        assert_eq!(engine.ends(), End::Closed);
        engine.send("stdout");
        assert_eq!(client.take(6), b"stdout");
        drop(engine);
        assert_eq!(client.rest(), b"");
        // And the engine's end is the end of stdout alone.
        let mut client = gate.client(None);
        client.send(
            "POST /containers/a/attach?stream=1 HTTP/1.1\r\nHost: docker\r\n\
             Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
        );
        let (mut engine, _) = gate.engine.request();
        engine.send([SWITCHED, "all"].concat());
        engine.half_close();
        assert!(client.head().starts_with("HTTP/1.1 101 "));
        assert_eq!(client.rest(), b"all");
        client.send("late");
        assert_eq!(engine.take(4), b"late");
        client.half_close(notify);
        assert_eq!(engine.ends(), End::Closed);
    }
    gate.still_works(None);
}

#[test]
fn a_plain_client_is_told_at_once_and_a_silent_one_is_not_waited_for() {
    let gate = Secure::start(None, &[("MAX_CONNECTIONS", "4")]);
    let since = Instant::now();
    let mut plain = Wire::tcp(gate.address);
    plain.send("GET /containers/json HTTP/1.1\r\nHost: docker\r\n\r\n");
    let answer = plain.response();
    assert_eq!(answer.status(), 400);
    let why = "this endpoint uses TLS: use https://, or DOCKER_TLS_VERIFY=1 with the docker CLI";
    assert!(answer.text().contains(why), "{}", answer.text());
    assert_eq!(plain.ends(), End::Closed);
    gate.says(&format!(" - - 400 denied: {why}"));
    let mut other = Wire::tcp(gate.address);
    other.send(b"\0\x01\x02");
    other.ends();
    gate.says("denied: this endpoint uses TLS, and the client speaks something else");
    assert!(since.elapsed() < Duration::from_secs(5), "waited");
    // Two that never finish their handshakes hold up nobody, and are ended in time.
    let mut slow: Vec<Wire> = (0..2).map(|_| Wire::tcp(gate.address)).collect();
    slow[0].send(b"\x16\x03\x01\x02\x00\x01");
    let begin = Instant::now();
    gate.still_works(None);
    assert!(begin.elapsed() < Duration::from_secs(5), "held up");
    for one in &mut slow {
        one.patience(Duration::from_secs(20));
        one.ends();
    }
    gate.says("denied: the TLS handshake was not completed within 10 seconds");
    gate.still_works(None);
}

#[test]
fn health_checks_go_on_and_leave_no_line() {
    let gate = Secure::start(Some("required"), &[]);
    gate.engine.serve(|_| EMPTY.into());
    let listen = format!("tcp://{}", gate.address);
    let path = gate.engine.path().display().to_string();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| gate.files.path(name));
    let mut check = Dockgate::command(&[
        ("LISTEN", &listen),
        ("SOCKET_PATH", &path),
        ("TLS_CERT", &cert),
        ("TLS_KEY", &key),
    ]);
    let status = check.arg("healthcheck").status().expect("it runs");
    assert!(status.success());
    assert!(
        !gate.dockgate.log().contains("denied"),
        "{}",
        gate.dockgate.log()
    );
}

#[test]
fn a_refused_certificate_is_told_apart() {
    let gate = Secure::start(Some("required"), &[]);
    let other = Ca::new("another CA");
    let server = gate.ca.server();
    for (own, told, said) in [
        (
            None,
            AlertDescription::CertificateRequired,
            "the client has shown no certificate, and client_auth is required",
        ),
        (
            Some(other.client("ci", "ci.example")),
            AlertDescription::UnknownCA,
            "the client's certificate is of an unknown CA: none in client_ca has signed it",
        ),
        (
            Some(gate.ca.expired("ci")),
            AlertDescription::CertificateExpired,
            "the client's certificate expired at 2021-01-01T00:00:00Z",
        ),
        (
            Some(server),
            AlertDescription::UnsupportedCertificate,
            "the client's certificate is not for clients (clientAuth)",
        ),
    ] {
        let error = gate.client(own.as_ref()).refused();
        assert_eq!(error, Error::AlertReceived(told), "{said}");
        gate.says(&format!(" - - - denied: {said}"));
    }
    // The client refuses too.
    let mut strict = TlsWire::connect(gate.address, &config(&other, None, BOTH));
    strict.0.write_all(b"x").expect_err("another CA");
    strict
        .0
        .conn
        .write_tls(&mut strict.0.sock)
        .expect("the alert");
    gate.says("denied: the client does not accept dockgate's certificate (UnknownCA)");
    gate.still_works(Some(&gate.ca.client("ci", "ci.example")));
}

/// Rules by certificate; the client's CA is in ca.pem.
fn rules(folder: &str, auth: &str) -> String {
    format!(
        "policies: {{ ci: {{ INFO: 1 }}, all: {{ INFO: 1, CONTAINERS: 1 }} }}\n\
         endpoints:\n\
         - listen: \"{{tcp}}\"\n\
         \x20 tls: {{ cert: {folder}/cert.pem, key: {folder}/key.pem, client_ca: {folder}/ca.pem, \
         client_auth: {auth} }}\n\
         \x20 policy: none\n\
         clients:\n\
         - {{ certificate: {{ common_name: root, san: \"dns:root.example\" }}, policy: all }}\n\
         - {{ certificate: {{ san: \"dns:ci.example\" }}, policy: ci }}\n"
    )
}

fn many(auth: &str) -> (Many, Ca, Files) {
    let (engine, ca) = (Engine::start(), Ca::new("the CA"));
    engine.serve(|_| EMPTY.into());
    let folder = engine.directory().to_owned();
    let files = Files::write(&folder, &ca.server(), &ca);
    let text = rules(&folder.display().to_string(), auth);
    (Many::with(engine, &text, &[]), ca, files)
}

#[test]
fn the_policy_is_that_of_the_certificate() {
    let (many, ca, _files) = many("optional");
    let statuses = |own: Option<&Pair>| {
        let mut client = TlsWire::connect(many.tcp, &config(&ca, own, BOTH));
        [client.get("/info").0, client.get("/containers/json").0]
    };
    for (name, dns, expected) in [
        ("ci", "CI.example", [200, 403]),
        ("root", "root.example", [200, 200]),
        ("root", "ci.example", [200, 403]),
        ("root", "other.example", [403, 403]),
        ("ROOT", "root.example", [403, 403]),
        ("ci", "*.example", [403, 403]),
        ("ci", "a.ci.example", [403, 403]),
    ] {
        let own = ca.client(name, dns);
        assert_eq!(statuses(Some(&own)), expected, "{name} {dns}");
    }
    assert_eq!(statuses(None), [403, 403]);
    many.dockgate
        .line(|line| line.contains("no client rule is for the certificate ROOT"));
    many.dockgate
        .line(|line| line.contains(" cert=ci policy=ci allowed by "));
    // One of another CA has no names at all, and no connection.
    let other = Ca::new("the CA").client("root", "root.example");
    let refused = TlsWire::connect(many.tcp, &config(&ca, Some(&other), BOTH)).refused();
    assert!(matches!(refused, Error::AlertReceived(_)), "{refused}");
}

#[test]
fn no_session_is_resumed_where_certificates_count() {
    let (many, ca, _files) = many("required");
    for version in [&TLS12, &TLS13] {
        let own = ca.client("ci", "ci.example");
        let config = config(&ca, Some(&own), &[version]);
        for _ in 0..3 {
            let mut client = TlsWire::connect(many.tcp, &config);
            assert_eq!(client.get("/info").0, 200);
            assert_eq!(client.0.conn.handshake_kind(), Some(HandshakeKind::Full));
        }
    }
}

#[test]
fn another_client_ca_ends_what_the_old_one_let_in() {
    let (many, ca, files) = many("required");
    let (own, new) = (ca.client("ci", "ci.example"), Ca::new("the next CA"));
    let config_of_old = config(&ca, Some(&own), BOTH);
    let mut kept = TlsWire::connect(many.tcp, &config_of_old);
    assert_eq!(kept.get("/info").0, 200);
    files.replace("ca.pem", new.pem());
    let text = fs::read_to_string(&many.file).expect("the file");
    reload(&many, &text);
    // Over its kept connection it is nobody any more, and is told to connect again.
    let (status, said) = kept.get("/info");
    assert_eq!(status, 503, "{said}");
    assert!(
        said.contains("client_ca of its endpoint, which was replaced"),
        "{said}"
    );
    assert_eq!(kept.rest(), b"");
    let refused = TlsWire::connect(many.tcp, &config_of_old).refused();
    assert_eq!(refused, Error::AlertReceived(AlertDescription::UnknownCA));
    let own = new.client("ci", "ci.example");
    let mut client = TlsWire::connect(many.tcp, &config(&ca, Some(&own), BOTH));
    assert_eq!(client.get("/info").0, 200);
}

#[test]
fn what_has_expired_is_warned_of_and_vouches_for_nobody() {
    let (many, ca, files) = many("required");
    let (own, over) = (ca.client("ci", "ci.example"), Ca::over("the old CA"));
    let status = |own: &Pair| {
        let mut client = TlsWire::connect(many.tcp, &config(&ca, Some(own), BOTH));
        client.get("/info").0
    };
    // A reload is applied all the same; those of the other CA in the file go on.
    files.replace("ca.pem", &[ca.pem(), over.pem()].concat());
    let text = fs::read_to_string(&many.file).expect("the file");
    reload(&many, &text);
    many.dockgate.line(|line| {
        line.contains("endpoints[0].tls.client_ca: ")
            && line
                .contains("/ca.pem expired at 2021-01-01T00:00:00Z; renew it, and check the clock")
    });
    assert_eq!(status(&own), 200);
    let of_old = over.client("ci", "ci.example");
    let refused = || TlsWire::connect(many.tcp, &config(&ca, Some(&of_old), BOTH)).refused();
    let expired = Error::AlertReceived(AlertDescription::CertificateExpired);
    assert_eq!(refused(), expired);
    let why = "denied: the client's certificate is of a CA in client_ca that has expired";
    many.dockgate.line(|line| line.contains(why));
    // Nor if it is the only one. What is not granted any more is not, whatever has expired.
    files.replace("ca.pem", over.pem());
    reload(&many, &text.replace("ci: { INFO: 1 }", "ci: {}"));
    assert_eq!(refused(), expired);
    files.replace("ca.pem", ca.pem());
    reload(
        &many,
        &format!("{}# again\n", text.replace("ci: { INFO: 1 }", "ci: {}")),
    );
    assert_eq!(status(&own), 403);
}

#[test]
fn an_own_certificate_that_has_expired_is_shown_and_warned_of() {
    let (engine, ca) = (Engine::start(), Ca::new("the CA"));
    let address = free_address();
    let files = Files::write(engine.directory(), &ca.expired("dockgate"), &ca);
    let listen = format!("tcp://{address}");
    let path = engine.path().display().to_string();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| files.path(name));
    let dockgate = Dockgate::start(&[
        ("LISTEN", &listen),
        ("SOCKET_PATH", &path),
        ("TLS_CERT", &cert),
        ("TLS_KEY", &key),
    ]);
    let told = format!("TLS_CERT={cert} expired at 2021-01-01T00:00:00Z; renew it");
    dockgate.line(|line| line.contains(&told));
    dockgate.line(|line| line.contains("listening"));
    let refused = TlsWire::connect(address, &config(&ca, None, BOTH)).refused();
    assert!(matches!(refused, Error::InvalidCertificate(_)), "{refused}");
}

#[test]
fn rules_by_names_that_several_cas_can_sign_are_warned_about() {
    let (engine, ca) = (Engine::start(), Ca::new("the CA"));
    let folder = engine.directory().display().to_string();
    let files = Files::write(engine.directory(), &ca.server(), &ca);
    files.replace("other.pem", Ca::new("another CA").pem());
    let key = "00".repeat(32);
    let text = |other: &str, auth: &str| {
        let one = rules(&folder, "required");
        let (head, rules) = one.split_once("clients:\n").expect("rules");
        format!(
            "{head}- listen: \"{{second}}\"\n\
             \x20 tls: {{ cert: {folder}/cert.pem, key: {folder}/key.pem, client_ca: \
             {folder}/{other}, client_auth: {auth} }}\n\
             \x20 policy: none\n\
             clients:\n\
             - {{ certificate: {{ san: \"dns:a\", fingerprint: \"sha256:{key}\" }}, policy: ci }}\n\
             {rules}"
        )
    };
    let warned = |dockgate: &Dockgate| {
        // All warnings come before it.
        dockgate.line(|line| line.contains("listening on "));
        let log = dockgate.log();
        let lines = log.lines().filter(|line| {
            line.contains(
                ".certificate: endpoints have different client CAs, and each of these can sign that \
                 name; add the fingerprint, or use the same client_ca for all endpoints",
            )
        });
        let of =
            |line: &str| ["clients[0]", "clients[1]", "clients[2]"].map(|one| line.contains(one));
        lines.map(of).collect::<Vec<_>>()
    };
    let many = Many::with(engine, &text("ca.pem", "optional"), &[]);
    assert!(warned(&many.dockgate).is_empty(), "{}", many.dockgate.log());
    let Many { engine, .. } = many;
    let many = Many::with(engine, &text("other.pem", "required"), &[]);
    assert_eq!(
        warned(&many.dockgate),
        [[false, true, false], [false, false, true]],
        "{}",
        many.dockgate.log()
    );
}

#[test]
fn certificates_are_renewed_while_connections_live_by_the_environment_too() {
    let gate = Secure::start(None, &[]);
    let seen = |client: &TlsWire| {
        let chain = client.0.conn.peer_certificates().expect("a certificate");
        chain[0].clone()
    };
    let wait = |reloads: usize| {
        let begin = Instant::now();
        while gate
            .dockgate
            .log()
            .matches("reloaded the configuration")
            .count()
            < reloads
        {
            assert!(begin.elapsed() < BOUND, "{}", gate.dockgate.log());
            thread::sleep(Duration::from_millis(5));
        }
    };
    let mut kept = gate.client(None);
    assert_eq!(kept.get("/info").0, 403);
    let old = seen(&kept);
    // A key without its certificate is no change, but a mistake.
    let next = gate.ca.server();
    gate.files.replace("key.pem", &next.key);
    gate.dockgate.signal(Signal::HUP);
    gate.says("not reloaded: TLS_KEY=");
    gate.says("does not belong to the certificate");
    let mut client = gate.client(None);
    assert_eq!(client.get("/info").0, 403);
    assert_eq!(seen(&client), old);
    // Both are a change, without a signal too.
    gate.files.replace("cert.pem", &next.cert);
    wait(1);
    let mut client = gate.client(None);
    assert_eq!(client.get("/info").0, 403);
    assert_ne!(seen(&client), old);
    assert_eq!(kept.get("/info").0, 403);
}

#[test]
fn mistakes_keep_it_from_starting_all_at_once() {
    let (engine, ca) = (Engine::start(), Ca::new("the CA"));
    let address = free_address();
    let files = Files::write(engine.directory(), &ca.server(), &ca);
    let [cert, key, own_ca] = ["cert.pem", "key.pem", "ca.pem"].map(|name| files.path(name));
    for (environment, mistakes) in [
        (
            vec![("TLS_CERT", cert.as_str())],
            vec!["TLS_CERT is set without TLS_KEY; set TLS_KEY, or unset TLS_CERT"],
        ),
        (
            vec![("TLS_CERT", ""), ("TLS_KEY", "")],
            vec!["TLS_CERT is empty", "TLS_KEY is empty"],
        ),
        (
            vec![("TLS_CLIENT_AUTH", "optional"), ("TLS_KEY", &key)],
            vec![
                "TLS_KEY is set without TLS_CERT",
                "TLS_CLIENT_AUTH is set without TLS_CLIENT_CA",
            ],
        ),
        (
            vec![
                ("TLS_CERT", "/none/cert.pem"),
                ("TLS_KEY", &cert),
                ("TLS_CLIENT_CA", &key),
                ("TLS_CLIENT_AUTH", "maybe"),
            ],
            vec![
                "TLS_CERT=/none/cert.pem cannot be read: No such file or directory",
                "TLS_CLIENT_AUTH=maybe is not a way to ask for certificates; use required or optional",
            ],
        ),
        (
            vec![
                ("TLS_CERT", &key),
                ("TLS_KEY", &cert),
                ("TLS_CLIENT_CA", &own_ca),
            ],
            vec![
                "has a key, but no certificate",
                "has a certificate, but no key",
            ],
        ),
        (
            vec![
                ("TLS_CERT", &cert),
                ("TLS_KEY", &key),
                ("TLS_CLIENT_CA", &cert),
            ],
            vec![
                "cert.pem has a certificate that is not a CA's (it has no name): anyone with its key could \
                 sign any name; use the certificate of the CA that signed it",
            ],
        ),
    ] {
        let listen = format!("tcp://{address}");
        let mut dockgate =
            Dockgate::start(&[&[("LISTEN", listen.as_str())], &*environment].concat());
        let (status, _) = dockgate.exit_within(BOUND);
        assert_eq!(status.code(), Some(78), "{}", dockgate.log());
        for mistake in mistakes {
            assert!(
                dockgate.log().contains(mistake),
                "{mistake}: {}",
                dockgate.log()
            );
        }
    }
}

#[test]
fn a_crowd_of_handshakes_waits_for_room_and_is_served() {
    let gate = Secure::start(None, &[("MAX_CONNECTIONS", "8")]);
    gate.engine.serve(|_| EMPTY.into());
    let config = config(&gate.ca, None, BOTH);
    let clients: Vec<_> = (0..32)
        .map(|_| {
            let (config, address) = (config.clone(), gate.address);
            thread::spawn(move || TlsWire::connect(address, &config).get(PING).0)
        })
        .collect();
    for client in clients {
        assert_eq!(client.join().expect("served"), 200);
    }
    // One that leaves right away says nothing, and takes nothing.
    drop(TcpStream::connect(gate.address).expect("it listens"));
    let mut client = gate.client(None);
    assert_eq!(client.get(PING).0, 200);
}
