//! Certificates: the authority, what it signs, and what a certificate says.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, Error, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType,
    SerialNumber, date_time_ymd,
};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use x509_cert::Certificate;
use x509_cert::der::{DecodePem, Encode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{ExtendedKeyUsage, SubjectAltName};

use super::names::{LONGEST_COMMON, Name};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(3650);
const LIFE: Duration = DAY.saturating_mul(730);

/// How far another machine's clock may be behind this one's.
const SLOW_CLOCK: Duration = Duration::from_secs(60 * 60);

/// What an authority's common name begins with. A random number follows, so that it is unique.
const AUTHORITY: &str = "dockgate CA ";

/// What a certificate proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Server,
    Client,
}

impl Role {
    /// Its `KeyPurposeId` of RFC 5280.
    fn usage(self) -> &'static str {
        match self {
            Role::Server => "1.3.6.1.5.5.7.3.1",
            Role::Client => "1.3.6.1.5.5.7.3.2",
        }
    }
}

/// What a certificate says.
pub(super) struct Read(Certificate);

impl Read {
    /// The first certificate of a PEM file.
    pub(super) fn new(pem: &str) -> Option<Read> {
        Certificate::from_pem(pem).ok().map(Read)
    }

    pub(super) fn until(&self) -> SystemTime {
        let validity = self.0.tbs_certificate().validity();
        validity.not_after.to_system_time()
    }

    /// Its subject alternative names.
    pub(super) fn names(&self) -> Vec<Name> {
        let names = self.0.tbs_certificate().get_extension::<SubjectAltName>();
        let names = names.ok().flatten().map(|(_, names)| names.0);
        let name = |name: GeneralName| match name {
            GeneralName::DnsName(name) => Some(Name::Dns(name.to_string())),
            GeneralName::IpAddress(octets) => {
                let octets = octets.as_bytes();
                let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
                let sixteen = || <[u8; 16]>::try_from(octets).map(IpAddr::from);
                four.or_else(|_| sixteen()).ok().map(Name::Ip)
            }
            _ => None,
        };
        names.into_iter().flatten().filter_map(name).collect()
    }

    /// Whether it proves this and nothing more.
    pub(super) fn is_of(&self, role: Role) -> bool {
        let usage = self.0.tbs_certificate().get_extension::<ExtendedKeyUsage>();
        let usage = usage.ok().flatten().map(|(_, usage)| usage.0);
        usage.is_some_and(|usage| matches!(&*usage, [one] if one.to_string() == role.usage()))
    }

    pub(super) fn is_for(&self, key: &KeyPair) -> bool {
        let own = self.0.tbs_certificate().subject_public_key_info().to_der();
        own.is_ok_and(|own| own == key.subject_public_key_info())
    }
}

/// What signs.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    own: Read,
}

impl Authority {
    /// The certificate and the key of a new authority, as PEM.
    pub(super) fn make() -> Result<(String, String), Error> {
        let key = new_key()?;
        let until = SystemTime::now() + AUTHORITY_LIFE;
        let name = format!("{AUTHORITY}{}", unique()?);
        let mut params = valid(&name, until)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
    }

    /// The authority of a certificate and a key. `None` if [`Authority::make`] did not make them.
    pub(super) fn read(pem: &str, key: &str) -> Option<Authority> {
        let (own, key) = (Read::new(pem)?, read_key(key)?);
        let name = own.0.tbs_certificate().subject().common_name().ok()??;
        let name = name.value();
        if !name.starts_with(AUTHORITY) || !own.is_for(&key) {
            return None;
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = named(&name);
        let issuer = Issuer::new(params, key);
        Some(Authority { issuer, own })
    }

    pub(super) fn until(&self) -> SystemTime {
        self.own.until()
    }

    /// The first certificate of a PEM file, if this authority signed it. Anyone can write its name
    /// into one.
    pub(super) fn issued(&self, pem: &str) -> Option<Read> {
        let read = Read::new(pem)?;
        let signed = read.0.tbs_certificate().to_der().ok()?;
        let key = self.issuer.key().der_bytes();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key);
        let verified = key.verify(&signed, read.0.signature().raw_bytes());
        verified.is_ok().then_some(read)
    }

    /// A certificate for a key, as PEM. It doesn't outlive the authority.
    pub(super) fn sign(&self, role: Role, names: &[Name], key: &KeyPair) -> Result<String, Error> {
        // A server's is for show: clients compare the other names.
        let mut common = names.iter().map(Name::to_string);
        let common = common.find(|name| name.len() <= LONGEST_COMMON);
        let until = self.until().min(SystemTime::now() + LIFE);
        let mut params = valid(common.as_deref().unwrap_or("dockgate"), until)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match role {
            Role::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Role::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        let names = names.iter().map(|name| match name {
            Name::Dns(name) => name.as_str().try_into().map(SanType::DnsName),
            Name::Ip(address) => Ok(SanType::IpAddress(*address)),
        });
        params.subject_alt_names = names.collect::<Result<_, _>>()?;
        Ok(params.signed_by(key, &self.issuer)?.pem())
    }
}

pub(super) fn new_key() -> Result<KeyPair, Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
}

/// A key as this command makes them.
pub(super) fn read_key(pem: &str) -> Option<KeyPair> {
    KeyPair::from_pkcs8_pem_and_sign_algo(pem, &PKCS_ECDSA_P256_SHA256).ok()
}

fn named(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

/// A certificate of that common name, from now on, with a serial number of its own.
fn valid(common: &str, until: SystemTime) -> Result<CertificateParams, Error> {
    let time = |time: SystemTime| {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        date_time_ymd(1970, 1, 1) + Duration::from_secs(since.as_secs())
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = named(common);
    params.not_before = time(SystemTime::now() - SLOW_CLOCK);
    params.not_after = time(until);
    let mut serial = random::<16>()?;
    // Positive, and always of the same length.
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

/// Digits that have never been used before.
pub(super) fn unique() -> Result<String, Error> {
    let digits = random::<8>()?.map(|byte| format!("{byte:02x}"));
    Ok(digits.concat())
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::RingUnspecified)?;
    Ok(bytes)
}
