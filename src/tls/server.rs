//! The server's side: an endpoint's certificate, and whom it asks for one.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ring::digest::{Context, SHA256};
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, CertificateError, Error, RootCertStore, ServerConfig};
use x509_cert::Certificate as Parsed;
use x509_cert::der::Decode as _;

use super::pem::{self, Unusable};

/// So long before a certificate expires, it is warned of that.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Whether a client has to have a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// Without one, there is no connection.
    Required,
    /// Without one, it is a client without names.
    Optional,
}

/// The files of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The certificate, and those that vouch for it.
    Cert,
    /// Its key.
    Key,
    /// Who vouches for clients.
    ClientCa,
}

/// What is in the files of an endpoint.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// See [`Part::Cert`].
    pub cert: &'a [u8],
    /// See [`Part::Key`].
    pub key: &'a [u8],
    /// See [`Part::ClientCa`].
    pub client_ca: Option<(&'a [u8], ClientAuth)>,
}

/// What is wrong with one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// In which file.
    pub part: Part,
    /// The words that follow its name.
    pub problem: String,
    /// What to do.
    pub help: &'static str,
}

/// Until when a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// In which file.
    pub part: Part,
    /// Then it is over.
    pub at: SystemTime,
}

/// By which certificates those of clients are verified, and whether they need one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trust([u8; 32]);

/// What an endpoint does with TLS.
#[derive(Clone)]
pub struct Server {
    /// What rustls is told.
    pub config: Arc<ServerConfig>,
    /// Whom it believes, if it asks clients for certificates.
    pub trust: Option<Trust>,
    /// Whether a client has to have one, if it asks.
    pub client_auth: Option<ClientAuth>,
    /// When which of its certificates is over.
    pub expiries: Vec<Expiry>,
    /// The files' bytes.
    made_of: [u8; 32],
}

impl Server {
    /// Makes it of what is in the files.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn new(parts: Parts<'_>, now: SystemTime) -> Result<Server, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut noted = |part: Part, (problem, help): Unusable| {
            mistakes.push(Mistake {
                part,
                problem,
                help,
            });
        };
        let chain = pem::certificates(parts.cert).map_err(|e| noted(Part::Cert, e));
        let key = pem::key(parts.key).and_then(|key| {
            let key = super::provider().key_provider.load_private_key(key);
            key.map_err(|_| UNKNOWN_KEY.unusable())
        });
        let key = key.map_err(|e| noted(Part::Key, e));
        let roots = parts.client_ca.map(|(bytes, auth)| {
            let all = pem::certificates(bytes).map_err(|e| noted(Part::ClientCa, e));
            (all.unwrap_or_default(), auth)
        });
        let mut expiries = Vec::new();
        let own = chain.iter().flatten().map(|one| (Part::Cert, one));
        let of_clients = roots.iter().flat_map(|(all, _)| all);
        for (part, one) in own.chain(of_clients.map(|one| (Part::ClientCa, one))) {
            match lifetime(one, now) {
                Ok(at) => expiries.push(Expiry { part, at }),
                Err(e) => noted(part, e),
            }
        }
        let certified = match (chain, key) {
            (Ok(chain), Ok(key)) => Some(CertifiedKey::new(chain, key)),
            _ => None,
        };
        let matches = certified.as_ref().map(CertifiedKey::keys_match);
        if let Some(Err(Error::InconsistentKeys(_))) = matches {
            noted(Part::Key, OTHER_KEY.unusable());
        } else if let Some(Err(_)) = matches {
            noted(Part::Cert, UNREADABLE.unusable());
        }
        let verifier = roots.map(|(all, auth)| {
            let mut store = RootCertStore::empty();
            for one in all {
                if store.add(one).is_err() {
                    noted(Part::ClientCa, UNREADABLE.unusable());
                }
            }
            (Arc::new(store), auth)
        });
        let (Some(certified), []) = (certified, &*mistakes) else {
            return Err(mistakes);
        };
        let client_auth = verifier.as_ref().map(|(_, auth)| *auth);
        let config = config(certified, verifier);
        let config = config.map_err(|problem| {
            let (part, help) = (Part::ClientCa, "use other files");
            vec![Mistake {
                part,
                problem,
                help,
            }]
        })?;
        let trusted = |(bytes, auth): (&[u8], ClientAuth)| {
            Trust(hash(&[bytes, &[u8::from(auth == ClientAuth::Required)]]))
        };
        let trust = parts.client_ca.map(trusted);
        let ca = trust.map_or([0; 32], |Trust(hash)| hash);
        Ok(Server {
            config: Arc::new(config),
            trust,
            client_auth,
            expiries,
            made_of: hash(&[parts.cert, parts.key, &ca]),
        })
    }

    /// What is to be said of certificates that expire soon, or have.
    pub fn expiring(&self, now: SystemTime) -> impl Iterator<Item = (Part, String)> {
        self.expiries.iter().filter_map(move |expiry| {
            let at = humantime::format_rfc3339_seconds(expiry.at);
            match expiry.at.duration_since(now) {
                Ok(left) if left > SOON => None,
                Ok(left) => {
                    let days = left.as_secs() / (24 * 60 * 60);
                    Some((expiry.part, format!("expires in {days} days, at {at}")))
                }
                Err(_) => Some((expiry.part, format!("expired at {at}"))),
            }
        })
    }

    /// When its own certificate is over: `2027-01-01T00:00:00Z`.
    pub fn expires(&self) -> Option<String> {
        let own = self.expiries.iter().filter(|one| one.part == Part::Cert);
        let first = own.map(|one| one.at).min()?;
        Some(humantime::format_rfc3339_seconds(first).to_string())
    }
}

impl PartialEq for Server {
    fn eq(&self, other: &Server) -> bool {
        self.made_of == other.made_of
    }
}

impl Eq for Server {}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Part {
    /// The key of a configuration for it.
    pub fn key(self) -> &'static str {
        match self {
            Part::Cert => "cert",
            Part::Key => "key",
            Part::ClientCa => "client_ca",
        }
    }
}

fn config(
    certified: CertifiedKey,
    verifier: Option<(Arc<RootCertStore>, ClientAuth)>,
) -> Result<ServerConfig, String> {
    let builder = ServerConfig::builder_with_provider(super::provider())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|e| e.to_string())?;
    let asks = verifier.is_some();
    let builder = match verifier {
        None => builder.with_no_client_auth(),
        Some((roots, auth)) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, super::provider());
            let verifier = match auth {
                ClientAuth::Required => verifier,
                ClientAuth::Optional => verifier.allow_unauthenticated(),
            };
            builder.with_client_cert_verifier(verifier.build().map_err(|e| e.to_string())?)
        }
    };
    let mut config =
        builder.with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    config.alpn_protocols = super::protocols();
    if asks {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

/// Until when a certificate holds.
fn lifetime(der: &CertificateDer<'_>, now: SystemTime) -> Result<SystemTime, Unusable> {
    let parsed = Parsed::from_der(der).map_err(|_| UNREADABLE.unusable())?;
    let validity = parsed.tbs_certificate().validity();
    let (from, until) = (
        validity.not_before.to_system_time(),
        validity.not_after.to_system_time(),
    );
    let shown = humantime::format_rfc3339_seconds;
    if now > until {
        return Err((
            format!("expired at {}", shown(until)),
            "renew it, and check the clock",
        ));
    }
    if now < from {
        return Err((
            format!("is not valid before {}", shown(from)),
            "check the clock, or use another one",
        ));
    }
    Ok(until)
}

struct Fixed(&'static str, &'static str);

impl Fixed {
    fn unusable(&self) -> Unusable {
        (self.0.to_owned(), self.1)
    }
}

const UNKNOWN_KEY: Fixed = Fixed(
    "has a key of a kind that is not supported",
    "use ECDSA (P-256, P-384), Ed25519, or RSA with at least 2048 bits",
);
const OTHER_KEY: Fixed = Fixed(
    "does not belong to the certificate",
    "use the key with which the certificate was requested",
);
const UNREADABLE: Fixed = Fixed(
    "has a certificate that cannot be read",
    "use an X.509 certificate of version 3",
);

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Why a client's handshake failed, for the log; each cause in words of its own.
pub fn refusal(e: &Error) -> String {
    use CertificateError as Bad;
    let certificate = |why: &str| format!("the client's certificate {why}");
    match e {
        Error::NoCertificatesPresented => {
            "the client has shown no certificate, and client_auth is required".to_owned()
        }
        Error::InvalidCertificate(bad) => certificate(&match bad {
            Bad::UnknownIssuer => "is of an unknown CA: none in client_ca has signed it".to_owned(),
            Bad::Expired => "has expired".to_owned(),
            Bad::ExpiredContext { not_after, .. } => {
                let at = SystemTime::UNIX_EPOCH + Duration::from_secs(not_after.as_secs());
                format!("expired at {}", humantime::format_rfc3339_seconds(at))
            }
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => "is not valid yet".to_owned(),
            Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => {
                "is not for clients (clientAuth)".to_owned()
            }
            Bad::BadSignature => "has an invalid signature".to_owned(),
            other => format!("is not valid: {other:?}"),
        }),
        Error::AlertReceived(alert) => match alert {
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired => {
                format!("the client does not accept dockgate's certificate ({alert:?})")
            }
            other => format!("the client ended the TLS handshake ({other:?})"),
        },
        Error::PeerIncompatible(why) => {
            format!("the client and dockgate have no way of TLS in common ({why:?})")
        }
        other => format!("the TLS handshake failed: {other}"),
    }
}
