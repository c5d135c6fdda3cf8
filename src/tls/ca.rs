//! The CAs that vouch for others, and the clients that are believed because of them.
//!
//! To webpki every anchor is a CA, for ever: whether it is one, and until when, is looked at here.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use x509_cert::Version;
use x509_cert::certificate::Certificate as Parsed;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

use super::pem::Unusable;
use super::server::ClientAuth;

/// So long before a certificate expires, it is warned of that.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// From when to when a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(super) from: SystemTime,
    pub(super) until: SystemTime,
}

impl Validity {
    /// Reads it.
    ///
    /// # Errors
    /// It is no certificate.
    pub(crate) fn of(der: &CertificateDer<'_>) -> Result<Validity, Unusable> {
        let parsed = Parsed::from_der(der).map_err(|_| unreadable())?;
        let validity = parsed.tbs_certificate().validity();
        Ok(Validity {
            from: validity.not_before.to_system_time(),
            until: validity.not_after.to_system_time(),
        })
    }

    /// What is to be said of it, if it expires soon, or has, or is not valid yet; and what to do.
    pub(crate) fn told(self, now: SystemTime) -> Option<Unusable> {
        let shown = humantime::format_rfc3339_seconds;
        let Validity { from, until } = self;
        Some(match until.duration_since(now) {
            Ok(_) if now < from => (
                format!("is not valid before {}", shown(from)),
                "check the clock, or use another one",
            ),
            Ok(left) if left > SOON => return None,
            Ok(left) => {
                let days = left.as_secs() / (24 * 60 * 60);
                let problem = format!("expires in {days} days, at {}", shown(until));
                (problem, "renew it")
            }
            Err(_) => (
                format!("expired at {}", shown(until)),
                "renew it, and check the clock",
            ),
        })
    }

    fn holds(self, now: SystemTime) -> bool {
        (self.from..=self.until).contains(&now)
    }
}

/// One that may sign certificates.
#[derive(Clone, Debug)]
pub(crate) struct Ca {
    pub(crate) anchor: TrustAnchor<'static>,
    pub(crate) validity: Validity,
}

impl Ca {
    /// Reads it.
    ///
    /// # Errors
    /// It is no CA: as an anchor, it could sign any name.
    pub(crate) fn read(der: &CertificateDer<'_>) -> Result<Ca, Unusable> {
        let parsed = Parsed::from_der(der).map_err(|_| unreadable())?;
        let own = parsed.tbs_certificate();
        let constraints = own.get_extension::<BasicConstraints>();
        let usage = own.get_extension::<KeyUsage>();
        let (Ok(constraints), Ok(usage)) = (constraints, usage) else {
            return Err(unreadable());
        };
        let is_ca = own.version() == Version::V3 && constraints.is_some_and(|(_, one)| one.ca);
        if !is_ca || usage.is_some_and(|(_, usage)| !usage.key_cert_sign()) {
            let name = match own.subject().to_string() {
                none if none.is_empty() => "it has no name".to_owned(),
                name => name.escape_default().to_string(),
            };
            return Err((
                format!(
                    "has a certificate that is not a CA's ({name}): anyone with its key could sign any \
                     name"
                ),
                "use the certificate of the CA that signed it",
            ));
        }
        let mut store = RootCertStore::empty();
        store
            .add(der.clone().into_owned())
            .map_err(|_| unreadable())?;
        Ok(Ca {
            anchor: store.roots.pop().ok_or_else(unreadable)?,
            validity: Validity::of(der)?,
        })
    }
}

pub(super) fn unreadable() -> Unusable {
    (
        "has a certificate that cannot be read".to_owned(),
        "use an X.509 certificate of version 3",
    )
}

/// Verifies clients by those CAs that are valid at that time.
#[derive(Debug)]
pub(super) struct Clients {
    cas: Vec<Ca>,
    auth: ClientAuth,
    by_all: Arc<dyn ClientCertVerifier>,
}

impl Clients {
    /// The clients of these CAs.
    ///
    /// # Errors
    /// There are none.
    pub(super) fn new(cas: Vec<Ca>, auth: ClientAuth) -> Result<Clients, String> {
        let by_all = verifier(cas.iter(), auth).map_err(|e| e.to_string())?;
        Ok(Clients { cas, auth, by_all })
    }
}

fn verifier<'a>(
    cas: impl Iterator<Item = &'a Ca>,
    auth: ClientAuth,
) -> Result<Arc<dyn ClientCertVerifier>, rustls::server::VerifierBuilderError> {
    let roots = cas.map(|ca| ca.anchor.clone()).collect();
    let builder = WebPkiClientVerifier::builder_with_provider(
        Arc::new(RootCertStore { roots }),
        super::provider(),
    );
    match auth {
        ClientAuth::Required => builder,
        ClientAuth::Optional => builder.allow_unauthenticated(),
    }
    .build()
}

impl ClientCertVerifier for Clients {
    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // What is wrong with the certificate itself is told first.
        let verified = self.by_all.verify_client_cert(own, others, now)?;
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
        let is_valid = |ca: &&Ca| ca.validity.holds(at);
        if self.cas.iter().all(|ca| is_valid(&ca)) {
            return Ok(verified);
        }
        let by_valid = verifier(self.cas.iter().filter(is_valid), self.auth);
        let by_valid = by_valid.map(|by| by.verify_client_cert(own, others, now));
        if let Ok(Ok(verified)) = by_valid {
            return Ok(verified);
        }
        Err(match self.cas.iter().any(|ca| ca.validity.until < at) {
            true => CertificateError::Expired,
            false => CertificateError::NotValidYet,
        }
        .into())
    }

    fn offer_client_auth(&self) -> bool {
        self.by_all.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.by_all.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.by_all.root_hint_subjects()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_all.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_all.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_all.supported_verify_schemes()
    }
}
