//! What goes wrong with TLS, in words that say whose fault it is.

use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

use super::EngineError;
use crate::config::{self, shown_path};
use crate::tls::peculiar;

/// Why a handshake failed.
pub(super) fn failed(e: io::Error) -> EngineError {
    let inner = e.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner.cloned() {
        Some(tls) => EngineError::Tls(tls),
        None => EngineError::Handshake(e),
    }
}

/// Whether an engine has ended a connection because of dockgate's certificate, or because there is none.
pub(in crate::proxy) fn is_refusal(e: &Error) -> bool {
    matches!(e, Error::AlertReceived(alert) if refused(*alert).is_some())
}

/// What an engine says of dockgate's certificate.
fn refused(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::CertificateRequired => "it wants a certificate",
        AlertDescription::BadCertificate => "it finds dockgate's certificate bad, or wants one",
        AlertDescription::UnknownCA | AlertDescription::DecryptError => {
            "it does not know the authority of dockgate's certificate"
        }
        AlertDescription::CertificateExpired => "it finds dockgate's certificate expired",
        AlertDescription::CertificateRevoked => "dockgate's certificate is revoked",
        AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied => "it does not accept dockgate's certificate",
        _ => return None,
    })
}

/// What is wrong, and what to do.
pub(super) fn told(
    engine: &config::Engine,
    error: &Error,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let [address, ca, own] = settings(engine);
    match error {
        Error::InvalidCertificate(why) => certificate(engine, why, f),
        Error::AlertReceived(alert) => match refused(*alert) {
            Some(why) => write!(
                f,
                "{why}; set {own} to a certificate and key that it accepts"
            ),
            None => write!(f, "it refuses the handshake ({alert:?}); check its log"),
        },
        Error::InvalidMessage(_) => write!(
            f,
            "it does not speak TLS there, perhaps HTTP; correct the port in {address}, or remove {ca}"
        ),
        other => write!(f, "{other}"),
    }
}

/// What is wrong with the engine's certificate.
fn certificate(
    engine: &config::Engine,
    why: &CertificateError,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let [address, ca, _] = settings(engine);
    let file = engine.tls.as_ref().map(|tls| shown_path(&tls.files.ca));
    let file = file.unwrap_or_default();
    match why {
        // An authority that was made anew has the name of the one before.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => write!(
            f,
            "its certificate is not from the authority in {file}; set {ca} to the one that signed it"
        ),
        CertificateError::NotValidForName => {
            write!(
                f,
                "its certificate is not for that host; use a name of it in {address}"
            )
        }
        CertificateError::NotValidForNameContext { presented, .. } => write!(
            f,
            "its certificate is not for that host: it is for {}; use one of them in {address}, or have \
             a certificate made with the name of the host",
            presented.join(", ")
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            f.write_str("its certificate has expired; renew it, and check the clocks")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            f.write_str("its certificate is not valid yet; check the clocks")
        }
        CertificateError::Other(other) if peculiar(other).is_some() => {
            let why = peculiar(other).unwrap_or_default();
            write!(f, "its certificate {why}")
        }
        other => write!(f, "its certificate is not valid: {other}"),
    }
}

/// What its address, its authority, and the own certificate are set by.
fn settings(engine: &config::Engine) -> [String; 3] {
    let setting = engine.setting();
    match setting.strip_prefix("engines.") {
        Some(_) => [
            format!("{setting}.address"),
            format!("{setting}.ca"),
            format!("{setting}.cert and {setting}.key"),
        ],
        None => [
            setting,
            "ENGINE_CA".to_owned(),
            "ENGINE_CERT and ENGINE_KEY".to_owned(),
        ],
    }
}
