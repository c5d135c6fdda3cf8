//! An engine that speaks TLS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

#[path = "../../support/authority.rs"]
mod authority;

pub(super) use authority::{Authority, Identity};

/// What an engine with a certificate speaks. It wants one of `clients`, if that is given.
pub(super) trait Server {
    fn server(&self, clients: Option<&Authority>) -> Arc<ServerConfig>;
}

impl Server for Identity {
    fn server(&self, clients: Option<&Authority>) -> Arc<ServerConfig> {
        let chain: Vec<CertificateDer<'static>> = vec![self.certificate.der().clone()];
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                let root = authority.certificate.der().clone();
                roots.add(root).expect("an authority");
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        Arc::new(builder.with_single_cert(chain, key).expect("its key"))
    }
}

/// A connection that an engine has accepted.
pub(super) type Accepted = BufReader<StreamOwned<ServerConnection, TcpStream>>;

/// An engine that speaks TLS, whose connections are each served by a function.
pub(super) struct TlsEngine {
    pub(super) address: SocketAddr,
    config: Arc<Mutex<Arc<ServerConfig>>>,
}

impl TlsEngine {
    pub(super) fn start(
        config: Arc<ServerConfig>,
        serve: impl Fn(Accepted) + Send + Sync + 'static,
    ) -> TlsEngine {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (config, serve) = (Arc::new(Mutex::new(config)), Arc::new(serve));
        let current = Arc::clone(&config);
        thread::spawn(move || {
            while let Ok((socket, _)) = listener.accept() {
                let config = Arc::clone(&current.lock().expect("a configuration"));
                let serve = Arc::clone(&serve);
                thread::spawn(move || {
                    let connection = ServerConnection::new(config).expect("a connection");
                    serve(BufReader::new(StreamOwned::new(connection, socket)));
                });
            }
        });
        TlsEngine { address, config }
    }

    /// From now on it has another certificate.
    pub(super) fn becomes(&self, config: Arc<ServerConfig>) {
        *self.config.lock().expect("a configuration") = config;
    }
}

/// The head of the next request, if one comes; its lines end as they do on the wire.
pub(super) fn head(connection: &mut Accepted) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        match connection.read_line(&mut head) {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
    }
    Some(head)
}

/// Answers each request with its own request line and the length of its body.
pub(super) fn echo(mut connection: Accepted) {
    while let Some(head) = head(&mut connection) {
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.parse().expect("a length"))
        });
        let mut body = vec![0; length.unwrap_or(0)];
        connection.read_exact(&mut body).expect("a whole body");
        let line = head.lines().next().expect("a line");
        let text = format!("{line} {}", body.len());
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        );
        if connection.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
