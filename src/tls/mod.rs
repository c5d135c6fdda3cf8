//! TLS: what PEM files have to hold, what rustls is told, and what a client's certificate says.
//!
//! Nothing here waits or opens a file: who reads the files hands over their bytes, so that what is
//! used is what was looked at. TLS 1.2 and 1.3 with the suites that rustls takes for safe, and HTTP/1.1
//! alone; no early data, no renegotiation. What a client calls the server (SNI) chooses nothing.
//!
//! **A client is who its certificate says it is at the handshake.** Where clients are asked for
//! certificates no session is resumed, so that none outlives a certificate, or the CA by which it was
//! verified.

mod ca;
mod names;
mod pem;
mod server;

pub(crate) use ca::{Ca, Validity};
pub use names::certificate;
pub(crate) use pem::{certificates, key as private_key};
pub use server::{ClientAuth, Mistake, Part, Parts, Server, Trust, peculiar, refusal};

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, ring};

/// The cryptography of every connection.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static RING: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(ring::default_provider()));
    Arc::clone(&RING)
}

/// What is spoken over TLS.
pub(crate) fn protocols() -> Vec<Vec<u8>> {
    vec![b"http/1.1".to_vec()]
}

#[cfg(test)]
mod tests;
