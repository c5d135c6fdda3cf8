//! Certificates made for a test.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// An authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: rcgen::Certificate,
}

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) certificate: rcgen::Certificate,
    pub(crate) key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        Authority::called("test")
    }

    /// One that others are told apart from by its name.
    pub(crate) fn called(name: &str) -> Authority {
        let mut params = CertificateParams::new([]).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let issuer = Issuer::new(params, key);
        Authority {
            issuer,
            certificate,
        }
    }

    /// A certificate for this name, which ended in this year if it is not to be valid.
    pub(crate) fn signs(&self, name: &str, ended: Option<i32>) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        if let Some(year) = ended {
            params.not_before = date_time_ymd(year - 1, 1, 1);
            params.not_after = date_time_ymd(year, 1, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity { certificate, key }
    }

    /// Writes `NAME.pem`.
    pub(crate) fn write(&self, folder: &Path, name: &str) {
        let file = folder.join(format!("{name}.pem"));
        fs::write(file, self.certificate.pem()).expect("written");
    }
}

impl Identity {
    /// One that has signed itself, as an authority does.
    pub(crate) fn alone(name: &str) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Identity { certificate, key }
    }

    /// Writes `NAME.pem` and `NAME-key.pem`.
    pub(crate) fn write(&self, folder: &Path, name: &str) {
        let file = |end: &str| folder.join(format!("{name}{end}.pem"));
        fs::write(file(""), self.certificate.pem()).expect("written");
        fs::write(file("-key"), self.key.serialize_pem()).expect("written");
    }
}
