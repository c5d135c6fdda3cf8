use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    server::WebPkiClientVerifier,
};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;
use crate::proxy::wire::Socket;

const LIMIT: Duration = Duration::from_secs(20);

/// Both sides of a connection, of which each shows its certificate.
async fn pair(version: &'static SupportedProtocolVersion) -> (Socket, Socket) {
    let (client, server) = plain_pair().await;
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["engine".to_owned()]).unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![cert.into()];
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(chain[0].clone()).unwrap();
    let roots = Arc::new(roots);
    let provider = Arc::new(ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .unwrap();
    let own = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.clone(), key.clone_key())
        .unwrap();
    let other = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    let name = "engine".try_into().unwrap();
    let client = Socket::tls_client(client, Arc::new(other), name).unwrap();
    let server = Socket::Tcp(server).into_tls_server(Arc::new(own)).unwrap();
    let (one, two) = tokio::join!(client.handshake(), server.handshake());
    one.and(two).expect("a handshake");
    assert!(server.peer_certificate().is_some() && client.peer_certificate().is_some());
    (client, server)
}

async fn plain_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    (client.unwrap(), server.unwrap().0)
}

async fn write(to: &Socket, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match to.try_write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                to.ready(Interest::WRITABLE).await.unwrap();
            }
            Err(e) => panic!("{e}"),
        }
    }
}

/// Reads until the end.
async fn read(from: &Socket, room: usize) -> Vec<u8> {
    let (mut all, mut some) = (Vec::new(), Vec::with_capacity(room));
    loop {
        some.clear();
        match from.try_read(&mut some) {
            Ok(0) => return all,
            Ok(_) => all.extend_from_slice(&some),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                from.ready(Interest::READABLE).await.unwrap();
            }
            Err(e) => panic!("{e}"),
        }
    }
}

fn bytes(count: usize) -> Vec<u8> {
    (0..=250).cycle().take(count).collect()
}

#[tokio::test]
async fn bytes_pass_whole_whatever_room_there_is() {
    for version in [&TLS12, &TLS13] {
        for (count, room) in [
            (0, 1),
            (1, 1),
            (10_000, 7),
            (3_000_000, 1000),
            (3_000_000, 300_000),
        ] {
            let (client, server) = pair(version).await;
            let sent = bytes(count);
            for (from, to) in [(&client, &server), (&server, &client)] {
                let exchange = async {
                    let write = async {
                        write(from, &sent).await;
                        from.shutdown_write().await;
                    };
                    tokio::join!(write, read(to, room)).1
                };
                let received = timeout(LIMIT, exchange).await.expect("in time");
                assert!(
                    received == sent,
                    "{count} bytes by {room}: {}",
                    received.len()
                );
            }
        }
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_blocks_and_takes_the_rest_later() {
    let (client, server) = pair(&TLS13).await;
    let sent = bytes(50_000_000);
    let mut taken = 0;
    let e = loop {
        match server.try_write(&sent[taken..]) {
            Ok(n) => taken += n,
            Err(e) => break e,
        }
    };
    assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
    assert!(taken < sent.len());
    {
        let Socket::Tls(tls) = &server else { panic!() };
        let session = tls.session();
        assert!(session.connection.wants_write());
        assert!(session.encrypted <= MOST_UNWRITTEN);
    }
    let rest = async {
        write(&server, &sent[taken..]).await;
        server.part().await;
    };
    let received = async {
        let received = read(&client, 100_000).await;
        assert!(received == sent);
    };
    timeout(LIMIT, async { tokio::join!(rest, received) })
        .await
        .expect("in time");
}

#[tokio::test]
async fn either_end_is_an_end_and_a_half_close() {
    for notified in [true, false] {
        let (client, server) = pair(&TLS13).await;
        write(&client, b"last").await;
        match notified {
            true => client.shutdown_write().await,
            false => client.send_fin(),
        }
        assert_eq!(
            timeout(LIMIT, read(&server, 100)).await.expect("an end"),
            b"last"
        );
        // At once, and again.
        server.ready(Interest::READABLE).await.unwrap();
        assert_eq!(server.try_read(&mut Vec::with_capacity(1)).unwrap(), 0);
        assert!(server.has_input() && !server.has_bytes());
        assert!(server.closed().await);
        write(&server, b"answer").await;
        server.shutdown_write().await;
        assert_eq!(
            timeout(LIMIT, read(&client, 100)).await.expect("an end"),
            b"answer"
        );
    }
}

#[tokio::test]
async fn tickets_are_no_input_and_bytes_are() {
    let (client, server) = pair(&TLS13).await;
    write(&server, b"x").await;
    client.ready(Interest::READABLE).await.unwrap();
    let mut read = Vec::with_capacity(10);
    while client.try_read(&mut read).is_err() {
        client.ready(Interest::READABLE).await.unwrap();
    }
    assert!(!client.has_input() && !client.has_bytes());
    write(&server, b"y").await;
    while !client.has_bytes() {
        tokio::task::yield_now().await;
    }
    assert!(client.has_input());
    // Without the kernel's saying so.
    timeout(LIMIT, client.ready(Interest::READABLE))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn what_is_cut_has_no_proper_end() {
    let (client, server) = pair(&TLS13).await;
    server.reset_on_close();
    server.part().await;
    drop(server);
    client.ready(Interest::READABLE).await.unwrap();
    let read = client.try_read(&mut Vec::with_capacity(1));
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_connection_moves_from_one_runtime_to_another() {
    let (client, server) = pair(&TLS13).await;
    let server = server.detach().unwrap();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let server = server.attach().unwrap();
            write(&server, b"here").await;
            server.part().await;
        });
    });
    assert_eq!(timeout(LIMIT, read(&client, 10)).await.unwrap(), b"here");
    thread.join().unwrap();
}

#[tokio::test]
async fn a_refused_handshake_tells_both_sides() {
    let (client, server) = plain_pair().await;
    let provider = Arc::new(ring::default_provider());
    let other = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["engine".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let own = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.into()], key)
        .unwrap();
    let name = "engine".try_into().unwrap();
    let client = Socket::tls_client(client, Arc::new(other), name).unwrap();
    let server = Socket::Tcp(server).into_tls_server(Arc::new(own)).unwrap();
    let told = |e: io::Error| *e.into_inner().unwrap().downcast::<rustls::Error>().unwrap();
    let (one, two) = tokio::join!(client.handshake(), server.handshake());
    let issuer = rustls::CertificateError::UnknownIssuer;
    assert_eq!(
        told(one.unwrap_err()),
        rustls::Error::InvalidCertificate(issuer)
    );
    let alert = rustls::AlertDescription::UnknownCA;
    assert_eq!(told(two.unwrap_err()), rustls::Error::AlertReceived(alert));
}
