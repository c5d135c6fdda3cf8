//! Engines by TLS: what passes, what is never sent twice, and what is said of a certificate.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use super::tls::{self, Authority, Identity, Server as _, TlsEngine, echo, head};
use super::{GET, POST, refused};
use crate::policies::Many;
use crate::reload::reload;
use crate::support::gate::EMPTY;
use crate::support::{BOUND, End, Engine, Gate, Wire};

/// A dockgate whose engine speaks TLS.
pub(super) struct Secure {
    pub(super) many: Many,
    pub(super) engine: TlsEngine,
    pub(super) authority: Authority,
}

const SECURE: &str = "engines:\n  nas: { address: \"tcp://{nas}\", ca: \"{folder}/ca.pem\"{own} }\n\
                      policies: { all: { CONTAINERS: 1, IMAGES: 1, EXEC: 1, POST: 1, ENGINE: nas } }\n\
                      endpoints: [{ listen: \"{tcp}\", policy: all }]\n";
pub(super) const OWN: &str = ", cert: \"{folder}/own.pem\", key: \"{folder}/own-key.pem\"";

/// With an engine that has such a certificate, for such clients.
pub(super) fn secure(
    config: impl FnOnce(&Authority) -> Arc<rustls::ServerConfig>,
    own: &str,
) -> Secure {
    let authority = Authority::new();
    secure_by(config(&authority), authority, own, echo)
}

fn secure_by(
    config: Arc<rustls::ServerConfig>,
    authority: Authority,
    own: &str,
    serve: impl Fn(tls::Accepted) + Send + Sync + 'static,
) -> Secure {
    let engine = TlsEngine::start(config, serve);
    let local = Engine::start();
    authority.write(local.directory(), "ca");
    authority
        .signs("dockgate", None)
        .write(local.directory(), "own");
    let text = text(&engine, &local, own);
    let many = Many::with(local, &text, &[]);
    Secure {
        many,
        engine,
        authority,
    }
}

fn text(engine: &TlsEngine, local: &Engine, own: &str) -> String {
    let folder = local.directory().to_str().expect("a plain path");
    let nas = format!("localhost:{}", engine.address.port());
    let text = SECURE.replace("{own}", own).replace("{folder}", folder);
    text.replace("{nas}", &nas)
}

#[test]
fn requests_and_uploads_pass_by_tls() {
    let secure = secure(|all| all.signs("localhost", None).server(Some(all)), OWN);
    let mut client = Wire::tcp(secure.many.tcp);
    for _ in 0..3 {
        assert_eq!(
            refused(&mut client, GET),
            (200, "GET /containers/json HTTP/1.1 0".to_owned())
        );
    }
    let length = 5_000_000;
    client.send(format!(
        "POST /images/load HTTP/1.1\r\nHost: docker\r\nContent-Length: {length}\r\n\r\n"
    ));
    client.send(vec![b'x'; length]);
    let response = client.response();
    assert_eq!(
        response.text(),
        format!("POST /images/load HTTP/1.1 {length}")
    );
    // A request that could not be sent twice is sent over the same connection, too.
    assert_eq!(refused(&mut client, POST).0, 200);
    let log = secure.many.dockgate.log();
    assert!(
        log.contains("engine nas: tcp://localhost:") && log.contains(" by TLS"),
        "{log}"
    );
    assert!(!log.contains("not encrypted"), "{log}");
}

#[test]
fn a_tunnel_passes_by_tls() {
    let authority = Authority::new();
    let config = authority.signs("localhost", None).server(None);
    let secure = secure_by(config, authority, "", |mut connection| {
        if head(&mut connection).is_none() {
            return;
        }
        let switched = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhello";
        connection.get_mut().write_all(switched).expect("sent");
        let mut said = Vec::new();
        connection.read_to_end(&mut said).expect("all");
        said.reverse();
        connection.get_mut().write_all(&said).expect("sent");
        let stream = connection.get_mut();
        stream.conn.send_close_notify();
        let _ = stream.flush();
    });
    let mut client = Wire::tcp(secure.many.tcp);
    client.send("POST /exec/1/start HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}");
    assert_eq!(client.head().status(), 101);
    assert_eq!(client.take(5), b"hello");
    client.send("abc");
    client.half_close();
    assert_eq!(client.take(5), b"cba}{");
    assert_eq!(client.ends(), End::Closed);
}

#[test]
fn nothing_of_which_tls_took_a_byte_is_sent_twice() {
    let authority = Authority::new();
    let config = authority.signs("localhost", None).server(None);
    let heads = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&heads);
    // It answers the first request of each connection, and ends without a word at the second.
    let secure = secure_by(config, authority, "", move |mut connection| {
        while let Some(head) = head(&mut connection) {
            if head.starts_with("POST") {
                seen.fetch_add(1, SeqCst);
                return;
            }
            connection
                .get_mut()
                .write_all(EMPTY.as_bytes())
                .expect("sent");
        }
    });
    let mut client = Wire::tcp(secure.many.tcp);
    assert_eq!(refused(&mut client, GET).0, 200);
    let (status, text) = refused(&mut client, POST);
    assert_eq!((status, heads.load(SeqCst)), (502, 1), "{text}");
    assert!(
        text.contains("the engine nas closed the connection without responding"),
        "{text}"
    );
    assert_eq!(refused(&mut client, GET).0, 200);
    assert_eq!(heads.load(SeqCst), 1);
}

#[test]
fn what_is_wrong_with_tls_is_said() {
    type Config = fn(&Authority) -> Arc<rustls::ServerConfig>;
    let good: Config = |all| all.signs("localhost", None).server(None);
    let unknown: Config = |_| Authority::called("x").signs("localhost", None).server(None);
    // An authority that was made anew, under the same name.
    let anew: Config = |_| Authority::new().signs("localhost", None).server(None);
    let other: Config = |all| all.signs("nas.example", None).server(None);
    let expired: Config = |all| all.signs("localhost", Some(2020)).server(None);
    let alone: Config = |_| Identity::alone("localhost").server(None);
    let wants: Config = |all| all.signs("localhost", None).server(Some(all));
    let wants_other: Config = |all| {
        let own = all.signs("localhost", None);
        own.server(Some(&Authority::called("x")))
    };
    let wants_anew: Config = |all| all.signs("localhost", None).server(Some(&Authority::new()));
    for (config, own, why) in [
        (good, "", None),
        (good, OWN, None),
        (wants, OWN, None),
        (
            anew,
            "",
            Some("its certificate is not from the authority in "),
        ),
        (
            unknown,
            "",
            Some("its certificate is not from the authority in "),
        ),
        (
            other,
            "",
            Some("its certificate is not for that host: it is for "),
        ),
        (
            expired,
            "",
            Some("its certificate has expired; renew it, and check the clocks"),
        ),
        (alone, "", Some("its certificate is that of a CA (CA:TRUE)")),
        (
            wants,
            "",
            Some("it wants a certificate; set engines.nas.cert and engines.nas.key"),
        ),
        (
            wants_other,
            OWN,
            Some("it does not know the authority of dockgate's certificate; set engines.nas.cert"),
        ),
        (
            wants_anew,
            OWN,
            Some("it does not know the authority of dockgate's certificate"),
        ),
    ] {
        let secure = secure(config, own);
        let (status, text) = refused(&mut Wire::tcp(secure.many.tcp), GET);
        let Some(why) = why else {
            assert_eq!(status, 200, "{text}");
            continue;
        };
        assert_eq!(status, 503, "{why}: {text}");
        let port = secure.engine.address.port();
        let which =
            format!("the engine nas at tcp://localhost:{port} cannot be connected to by TLS: ");
        assert!(text.contains(&which) && text.contains(why), "{text}");
        secure.many.dockgate.line(|line| line.contains(&which));
    }
}

#[test]
fn an_engine_that_speaks_http_is_told_from_one_that_speaks_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let mut socket = socket;
            let _ = socket.read(&mut [0; 512]);
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    let engine = format!("tcp://localhost:{port}");
    let folder = tempfile::tempdir().expect("a folder");
    Authority::new().write(folder.path(), "ca");
    let ca = folder.path().join("ca.pem").display().to_string();
    let settings = [
        ("CONTAINERS", "1"),
        ("SOCKET_PATH", engine.as_str()),
        ("ENGINE_CA", &ca),
    ];
    let gate = Gate::before(Engine::absent(), &settings);
    let (status, text) = refused(&mut gate.client(), GET);
    assert_eq!(status, 503);
    let why = format!(
        "the engine at {engine} cannot be connected to by TLS: it does not speak TLS there"
    );
    assert!(
        text.contains(&why) && text.contains("or remove ENGINE_CA"),
        "{text}"
    );
}

#[test]
fn an_engine_that_hangs_in_the_handshake_is_told_from_one_that_takes_no_connection() {
    // The kernel takes connections for it.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let engine = format!("tcp://{}", listener.local_addr().expect("an address"));
    let folder = tempfile::tempdir().expect("a folder");
    Authority::new().write(folder.path(), "ca");
    let ca = folder.path().join("ca.pem").display().to_string();
    let settings = [
        ("CONTAINERS", "1"),
        ("SOCKET_PATH", engine.as_str()),
        ("ENGINE_CA", &ca),
    ];
    let gate = Gate::before(Engine::absent(), &settings);
    let mut client = gate.client();
    client.patience(2 * BOUND);
    let (status, text) = refused(&mut client, GET);
    assert_eq!(status, 504, "{text}");
    let why = format!(
        "the engine at {engine} took a connection, but did not complete the TLS handshake within 10 \
         seconds"
    );
    assert!(text.contains(&why), "{text}");
}

#[test]
fn a_tunnel_ends_when_another_authority_says_who_the_engine_is() {
    let authority = Authority::new();
    let config = authority.signs("localhost", None).server(None);
    let secure = secure_by(config, authority, "", |mut connection| {
        // Other requests wait.
        if head(&mut connection).is_some_and(|head| head.starts_with("POST ")) {
            connection.read_exact(&mut [0; 2]).expect("the body");
            let switched = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
            connection.get_mut().write_all(switched).expect("sent");
            let mut said = [0; 4];
            while connection.read_exact(&mut said).is_ok() {
                connection.get_mut().write_all(&said).expect("sent");
            }
        }
        let _ = connection.read(&mut [0; 1]);
    });
    let mut waits = Wire::tcp(secure.many.tcp);
    waits.send(GET);
    let mut client = Wire::tcp(secure.many.tcp);
    client.send("POST /exec/1/start HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}");
    assert_eq!(client.head().status(), 101);
    let mut goes_on = || {
        client.send("ping");
        assert_eq!(client.take(4), b"ping");
    };
    goes_on();
    let folder = secure.many.engine.directory();
    let text = text(&secure.engine, &secure.many.engine, "");
    // The same authority once more is no change.
    secure.authority.write(folder, "ca");
    reload(&secure.many, &format!("{text}# again\n"));
    goes_on();
    Authority::new().write(folder, "ca");
    reload(&secure.many, &text);
    client.rest();
    let refused = waits.response();
    assert_eq!(refused.status(), 503);
    let why = "the certificates for the engine nas were replaced; send it again";
    assert!(refused.text().contains(why), "{}", refused.text());
    secure
        .many
        .dockgate
        .line(|line| line.contains("/exec/1/start ") && line.contains("denied since"));
}

#[test]
fn another_authority_holds_at_a_reload() {
    let secure = secure(|all| all.signs("localhost", None).server(None), "");
    let mut client = Wire::tcp(secure.many.tcp);
    assert_eq!(refused(&mut client, GET).0, 200);
    // A connection that was made with the old one is not kept.
    let other = Authority::new();
    let folder = secure.many.engine.directory();
    other.write(folder, "ca");
    let text = text(&secure.engine, &secure.many.engine, "");
    reload(&secure.many, &text);
    assert_eq!(refused(&mut client, GET).0, 503);
    secure
        .engine
        .becomes(other.signs("localhost", None).server(None));
    assert_eq!(refused(&mut client, GET).0, 200);
    // Without any, nothing is changed.
    fs::write(folder.join("ca.pem"), "").expect("written");
    secure.many.dockgate.signal(rustix::process::Signal::HUP);
    secure
        .many
        .dockgate
        .line(|line| line.contains("not reloaded") && line.contains("engines.nas.ca"));
    assert_eq!(refused(&mut client, GET).0, 200);
    secure.authority.write(folder, "ca");
    reload(&secure.many, &format!("{text}# again\n"));
    assert_eq!(refused(&mut client, GET).0, 503);
}

#[test]
fn a_certificate_for_an_engine_that_has_expired_is_warned_of() {
    let secure = secure(|all| all.signs("localhost", None).server(None), OWN);
    let (folder, many) = (secure.many.engine.directory(), &secure.many);
    let over = secure.authority.signs("dockgate", Some(2020));
    over.write(folder, "own");
    let text = text(&secure.engine, &many.engine, OWN);
    reload(many, &format!("{text}# again\n"));
    many.dockgate.line(|line| {
        line.contains("engines.nas.cert: ")
            && line.contains("/own.pem expired at 2020-01-01T00:00:00Z; renew it")
    });
    // The engine says whether it takes it.
    let mut client = Wire::tcp(many.tcp);
    assert_eq!(refused(&mut client, GET).0, 200);
}
