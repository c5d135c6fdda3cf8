//! Certificates and keys in PEM files.

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why a file cannot be used, and what to do.
pub(crate) type Unusable = (String, &'static str);

/// The certificates of a file; never none.
pub(crate) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) if PrivateKeyDer::from_pem_slice(bytes).is_ok() => Err((
            "has a key, but no certificate".to_owned(),
            "use the file of the certificate",
        )),
        Ok(_) => Err((
            "has no certificate in PEM form".to_owned(),
            "use a file with -----BEGIN CERTIFICATE-----; from DER: openssl x509 -inform DER",
        )),
        Err(e) => Err(not_pem(&e)),
    }
}

/// The first key of a file.
pub(crate) fn key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, Unusable> {
    let has = |words: &[u8]| memchr::memmem::find(bytes, words).is_some();
    if has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED") {
        return Err((
            "is encrypted, and dockgate has no passphrase for it".to_owned(),
            "decrypt it: openssl pkey -in FILE -out KEY",
        ));
    }
    match PrivateKeyDer::from_pem_slice(bytes) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) if has(b"-----BEGIN CERTIFICATE-----") => Err((
            "has a certificate, but no key".to_owned(),
            "use the file of the key",
        )),
        Err(pem::Error::NoItemsFound) => Err((
            "has no private key in PEM form".to_owned(),
            "use a file with -----BEGIN PRIVATE KEY-----; from DER: openssl pkey -inform DER",
        )),
        Err(e) => Err(not_pem(&e)),
    }
}

fn not_pem(e: &pem::Error) -> Unusable {
    // What it quotes of the file is not to get into the log.
    let why = match e {
        pem::Error::MissingSectionEnd { .. } => "a section has no end",
        pem::Error::IllegalSectionStart { .. } => "a section begins in no valid way",
        pem::Error::Base64Decode(_) => "its Base64 is not valid",
        _ => "it cannot be read",
    };
    let problem = format!("is not valid PEM: {why}");
    (problem, "copy the whole file again")
}
