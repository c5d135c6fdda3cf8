//! Certificates for the tests, and a client that speaks TLS.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use super::wire::BOUND;

/// What clients call the server, wherever it listens.
const NAME: &str = "dockgate.test";

/// Who signs certificates.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key.
pub(crate) struct Pair {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Ca {
        Ca::with(name, |_| ())
    }

    /// One that is over.
    pub(crate) fn over(name: &str) -> Ca {
        Ca::with(name, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
    }

    fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Ca {
        let mut params = CertificateParams::default();
        change(&mut params);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        Ca { issuer, pem }
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate that is made like this.
    pub(crate) fn sign(&self, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.issuer).expect("signed");
        Pair {
            cert: cert.pem(),
            key: key.serialize_pem(),
        }
    }

    /// A server's, for [`NAME`].
    pub(crate) fn server(&self) -> Pair {
        self.sign(|params| {
            params.subject_alt_names = vec![SanType::DnsName(NAME.try_into().expect("a name"))];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        })
    }

    /// A client's with this common name and DNS name.
    pub(crate) fn client(&self, name: &str, dns: &str) -> Pair {
        self.sign(|params| {
            params.distinguished_name.push(DnType::CommonName, name);
            params.subject_alt_names = vec![SanType::DnsName(dns.try_into().expect("a name"))];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }

    /// A client's that is over.
    pub(crate) fn expired(&self, name: &str) -> Pair {
        self.sign(|params| {
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
    }
}

/// The files of an endpoint.
pub(crate) struct Files(pub(crate) PathBuf);

impl Files {
    /// Writes all three.
    pub(crate) fn write(folder: &Path, server: &Pair, client_ca: &Ca) -> Files {
        let files = Files(folder.to_owned());
        for (name, text) in [
            ("cert.pem", server.cert.as_str()),
            ("key.pem", &server.key),
            ("ca.pem", client_ca.pem()),
        ] {
            files.replace(name, text);
        }
        files
    }

    /// Replaces one as a whole.
    pub(crate) fn replace(&self, name: &str, text: &str) {
        let new = self.0.join("new");
        fs::write(&new, text).expect("written");
        fs::rename(new, self.0.join(name)).expect("renamed");
    }

    /// The path of one.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

/// What a client is like.
pub(crate) fn config(
    server_ca: &Ca,
    own: Option<&Pair>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(server_ca.pem().as_bytes()).expect("PEM");
    roots.add(ca).expect("a CA");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let chain = vec![CertificateDer::from_pem_slice(pair.cert.as_bytes()).expect("PEM")];
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("PEM");
            builder.with_client_auth_cert(chain, key).expect("a pair")
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// A client's connection.
pub(crate) struct TlsWire(pub(crate) StreamOwned<ClientConnection, TcpStream>);

impl TlsWire {
    /// Connects; the handshake comes with the first byte.
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> TlsWire {
        let socket = TcpStream::connect(address).expect("it listens");
        socket.set_nodelay(true).expect("no delay");
        socket.set_read_timeout(Some(BOUND)).expect("a timeout");
        socket.set_write_timeout(Some(BOUND)).expect("a timeout");
        let name = NAME.try_into().expect("a name");
        let connection = ClientConnection::new(Arc::clone(config), name).expect("a client");
        TlsWire(StreamOwned::new(connection, socket))
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).expect("sent");
    }

    /// Reads so many bytes.
    #[track_caller]
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).expect("so many bytes");
        bytes
    }

    /// Reads to a proper end.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).expect("a proper end");
        bytes
    }

    /// Reads an answer with a Content-Length: its status and its body.
    #[track_caller]
    pub(crate) fn response(&mut self) -> (u16, String) {
        let head = self.head();
        let status = head[9..12].parse().expect("a status");
        let length = head.to_ascii_lowercase();
        let length = length.split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        let body = self.take(length.unwrap_or(0));
        (status, String::from_utf8(body).expect("UTF-8"))
    }

    /// Reads a head.
    #[track_caller]
    pub(crate) fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.take(1));
        }
        String::from_utf8(head).expect("UTF-8")
    }

    /// Asks for something and reads the answer.
    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> (u16, String) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: docker\r\n\r\n"));
        self.response()
    }

    /// Why there is no connection, as this side is told.
    #[track_caller]
    pub(crate) fn refused(mut self) -> rustls::Error {
        let asked = self
            .0
            .write_all(b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n");
        let answered = asked.and_then(|()| self.0.read(&mut [0; 16]));
        let error = answered.expect_err("a refusal");
        let told = error.get_ref().and_then(|inner| inner.downcast_ref());
        told.cloned().unwrap_or_else(|| panic!("{error}"))
    }

    /// Ends this side: with a close_notify and a FIN, or with a FIN alone.
    pub(crate) fn half_close(&mut self, notify: bool) {
        if notify {
            self.0.conn.send_close_notify();
            while self.0.conn.wants_write() {
                match self.0.conn.write_tls(&mut self.0.sock) {
                    Err(e) if e.kind() != ErrorKind::Interrupted => panic!("{e}"),
                    _ => {}
                }
            }
        } else {
            self.0.sock.shutdown(Shutdown::Write).expect("half-closed");
        }
    }
}
