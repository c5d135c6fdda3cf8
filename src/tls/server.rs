//! The server's side: an endpoint's certificate, and whom it asks for one.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ring::digest::{Context, SHA256};
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, CertificateError, Error, OtherError, ServerConfig};

use super::ca::{Ca, Clients, Validity, unreadable};
use super::pem::{self, Unusable};

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

/// By which certificates those of clients are verified, and whether they need one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The file's bytes.
    ca: [u8; 32],
    auth: ClientAuth,
}

impl Trust {
    /// Whether the same CAs can sign names.
    pub fn is_by_same_ca(self, other: Trust) -> bool {
        self.ca == other.ca
    }
}

/// What an endpoint does with TLS.
#[derive(Clone)]
pub struct Server {
    /// What rustls is told.
    pub config: Arc<ServerConfig>,
    /// Whom it believes, if it asks clients for certificates.
    pub trust: Option<Trust>,
    /// Whether a client has to have one, if it asks.
    pub client_auth: Option<ClientAuth>,
    /// From when to when which of its certificates holds.
    validities: Vec<(Part, Validity)>,
    /// The bytes of its certificate and key.
    made_of: [u8; 32],
}

impl Server {
    /// Makes it of what is in the files.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn new(parts: Parts<'_>) -> Result<Server, Vec<Mistake>> {
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
        let mut validities = Vec::new();
        for one in chain.iter().flatten() {
            match Validity::of(one) {
                Ok(validity) => validities.push((Part::Cert, validity)),
                Err(e) => noted(Part::Cert, e),
            }
        }
        let of_clients = parts.client_ca.map(|(bytes, auth)| {
            let all = pem::certificates(bytes).map_err(|e| noted(Part::ClientCa, e));
            let mut cas = Vec::new();
            for one in all.iter().flatten() {
                match Ca::read(one) {
                    Ok(ca) => cas.push(ca),
                    Err(e) => noted(Part::ClientCa, e),
                }
            }
            validities.extend(cas.iter().map(|ca| (Part::ClientCa, ca.validity)));
            (cas, auth)
        });
        let certified = match (chain, key) {
            (Ok(chain), Ok(key)) => Some(CertifiedKey::new(chain, key)),
            _ => None,
        };
        let matches = certified.as_ref().map(CertifiedKey::keys_match);
        if let Some(Err(Error::InconsistentKeys(_))) = matches {
            noted(Part::Key, OTHER_KEY.unusable());
        } else if let Some(Err(_)) = matches {
            noted(Part::Cert, unreadable());
        }
        let (Some(certified), []) = (certified, &*mistakes) else {
            return Err(mistakes);
        };
        let config = config(certified, of_clients);
        let config = config.map_err(|problem| {
            let (part, help) = (Part::ClientCa, "use other files");
            vec![Mistake {
                part,
                problem,
                help,
            }]
        })?;
        Ok(Server {
            config: Arc::new(config),
            trust: parts.client_ca.map(|(bytes, auth)| Trust {
                ca: hash(&[bytes]),
                auth,
            }),
            client_auth: parts.client_ca.map(|(_, auth)| auth),
            validities,
            made_of: hash(&[parts.cert, parts.key]),
        })
    }

    /// What is to be said of certificates that expire soon, or have, or are not valid yet. It keeps
    /// nothing from starting: one's own certificate is shown as it is, for clients to judge, and a CA
    /// vouches for nobody then.
    pub fn expiring(&self, now: SystemTime) -> impl Iterator<Item = Mistake> {
        self.validities.iter().filter_map(move |(part, validity)| {
            let (problem, help) = validity.told(now)?;
            Some(Mistake {
                part: *part,
                problem,
                help,
            })
        })
    }

    /// When its own certificate is over: `2027-01-01T00:00:00Z`.
    pub fn expires(&self) -> Option<String> {
        let own = self.validities.iter();
        let own = own.filter(|(part, _)| *part == Part::Cert);
        let first = own.map(|(_, validity)| validity.until).min()?;
        Some(humantime::format_rfc3339_seconds(first).to_string())
    }
}

impl PartialEq for Server {
    fn eq(&self, other: &Server) -> bool {
        (self.made_of, self.trust) == (other.made_of, other.trust)
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
    of_clients: Option<(Vec<Ca>, ClientAuth)>,
) -> Result<ServerConfig, String> {
    let builder = ServerConfig::builder_with_provider(super::provider())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|e| e.to_string())?;
    let asks = of_clients.is_some();
    let builder = match of_clients {
        None => builder.with_no_client_auth(),
        Some((cas, auth)) => builder.with_client_cert_verifier(Arc::new(Clients::new(cas, auth)?)),
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
            // One that has expired itself comes with its time.
            Bad::Expired => "is of a CA in client_ca that has expired".to_owned(),
            Bad::ExpiredContext { not_after, .. } => {
                let at = SystemTime::UNIX_EPOCH + Duration::from_secs(not_after.as_secs());
                format!("expired at {}", humantime::format_rfc3339_seconds(at))
            }
            Bad::NotValidYet => "is of a CA in client_ca that is not valid yet".to_owned(),
            Bad::NotValidYetContext { .. } => "is not valid yet".to_owned(),
            Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => {
                "is not for clients (clientAuth)".to_owned()
            }
            Bad::BadSignature => "has an invalid signature".to_owned(),
            Bad::Other(other) if peculiar(other).is_some() => {
                peculiar(other).unwrap_or_default().to_owned()
            }
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

/// What is wrong with a certificate for which rustls has no error of its own, only webpki's name of it.
pub fn peculiar(e: &OtherError) -> Option<&'static str> {
    match &*e.0.to_string() {
        "UnsupportedCertVersion" => Some("is not of version 3 of X.509: make another one"),
        "CaUsedAsEndEntity" => Some("is that of a CA (CA:TRUE): have the CA sign another one"),
        _ => None,
    }
}
