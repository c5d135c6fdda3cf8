//! What a client's certificate says of it.

use std::net::{Ipv4Addr, Ipv6Addr};

use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use x509_cert::Certificate as Parsed;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::{DirectoryString, GeneralName};

use crate::clients::{Certificate, Fingerprint, San};

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Reads a certificate, of which nothing is verified here. `None`: it cannot be read, so that it
/// cannot be said who it is for.
pub fn certificate(der: &CertificateDer<'_>) -> Option<Certificate> {
    let key = ParsedCertificate::try_from(der).ok()?;
    let key = digest(&SHA256, &key.subject_public_key_info());
    let parsed = Parsed::from_der(der).ok()?;
    let own = parsed.tbs_certificate();
    let names = own.subject().iter().filter(|one| one.oid == COMMON_NAME);
    let common_names = names.map(|one| one.value.decode_as::<DirectoryString>().ok());
    let sans = own.get_extension::<SubjectAltName>().ok()?;
    let sans = sans.map(|(_, names)| names.0).unwrap_or_default();
    Some(Certificate {
        // One that cannot be read is one of several still.
        common_names: common_names
            .map(|name| name.map_or_else(String::new, |name| name.value().into_owned()))
            .collect(),
        sans: sans.iter().filter_map(san).collect(),
        fingerprint: Fingerprint(key.as_ref().try_into().ok()?),
    })
}

fn san(name: &GeneralName) -> Option<San> {
    match name {
        GeneralName::DnsName(name) => Some(San::Dns(name.as_str().to_owned())),
        GeneralName::UniformResourceIdentifier(uri) => Some(San::Uri(uri.as_str().to_owned())),
        GeneralName::IpAddress(address) => {
            let bytes = address.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(|octets| Ipv4Addr::from(octets).into());
            let v6 = <[u8; 16]>::try_from(bytes).map(|octets| Ipv6Addr::from(octets).into());
            v4.or(v6).ok().map(San::Ip)
        }
        _ => None,
    }
}
