//! What a client's certificate says of it, and what a rule asks of that.
//!
//! Names are compared as they are: a wildcard in a certificate is a name like any other, and only the
//! case of a DNS name does not matter.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The SHA-256 of a public key with its algorithm (SubjectPublicKeyInfo).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// A client's certificate, which was verified, and whose key the client has proved to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The common names of its subject.
    pub common_names: Vec<String>,
    /// Its alternative names, of the kinds that rules can ask for.
    pub sans: Vec<San>,
    /// Of its public key.
    pub fingerprint: Fingerprint,
}

/// A subject alternative name.
#[derive(Clone, Debug)]
pub enum San {
    /// `dns:ci.example`
    Dns(String),
    /// `ip:10.0.0.5`
    Ip(IpAddr),
    /// `uri:spiffe://example/ci`
    Uri(String),
}

/// What a rule asks of a certificate; all of it has to be so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateRule {
    /// The subject's only common name.
    pub common_name: Option<String>,
    /// One of the alternative names.
    pub san: Option<San>,
    /// The public key.
    pub fingerprint: Option<Fingerprint>,
}

impl CertificateRule {
    /// Whether a certificate is as the rule asks. A rule that asks for nothing is for none.
    pub fn is_for(&self, certificate: &Certificate) -> bool {
        let by_name = (self.common_name.as_ref()).map(|name| {
            // Of several, no one says who it is.
            matches!(&*certificate.common_names, [only] if only == name)
        });
        let by_san = (self.san.as_ref()).map(|san| certificate.sans.contains(san));
        let by_key = (self.fingerprint).map(|key| certificate.fingerprint == key);
        let mut all = [by_name, by_san, by_key].into_iter().flatten().peekable();
        all.peek().is_some() && all.all(|is| is)
    }
}

impl PartialEq for San {
    fn eq(&self, other: &San) -> bool {
        match (self, other) {
            (San::Dns(one), San::Dns(other)) => one.eq_ignore_ascii_case(other),
            (San::Ip(one), San::Ip(other)) => one.to_canonical() == other.to_canonical(),
            (San::Uri(one), San::Uri(other)) => one == other,
            (San::Dns(_) | San::Ip(_) | San::Uri(_), _) => false,
        }
    }
}

impl Eq for San {}

impl fmt::Display for CertificateRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("certificate")?;
        if let Some(name) = &self.common_name {
            write!(f, " common_name={name}")?;
        }
        if let Some(san) = &self.san {
            write!(f, " san={san}")?;
        }
        match &self.fingerprint {
            Some(key) => write!(f, " fingerprint={key}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Certificate {
    /// By its common name, else an alternative one, else its key; as one word of graphic ASCII.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match (&*self.common_names, &*self.sans) {
            ([only], _) => only.clone(),
            (_, [first, ..]) => first.to_string(),
            _ => self.fingerprint.to_string(),
        };
        for byte in name.bytes() {
            match byte {
                b'!'..=b'~' if byte != b'\\' => fmt::Write::write_char(f, char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            San::Dns(name) => write!(f, "dns:{name}"),
            San::Ip(address) => write!(f, "ip:{address}"),
            San::Uri(uri) => write!(f, "uri:{uri}"),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that is not what it should be, and what to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOne(pub &'static str);

impl FromStr for San {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<San, NotOne> {
        const KINDS: NotOne = NotOne("use dns:NAME, ip:ADDRESS or uri:URI");
        let (kind, name) = text.split_once(':').ok_or(KINDS)?;
        let is_graphic = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        match kind {
            "dns" if name.contains('*') => Err(NotOne(
                "names are compared as they are: use the whole name, in a rule for each",
            )),
            "dns" if is_graphic => Ok(San::Dns(name.to_owned())),
            "ip" => match name.parse() {
                Ok(address) => Ok(San::Ip(address)),
                Err(_) => Err(NotOne("use an address, such as ip:10.0.0.5 or ip:fd00::5")),
            },
            "uri" if is_graphic => Ok(San::Uri(name.to_owned())),
            _ => Err(KINDS),
        }
    }
}

impl FromStr for Fingerprint {
    type Err = NotOne;

    /// `sha256:` and 64 hexadecimal digits, with or without colons between the bytes.
    fn from_str(text: &str) -> Result<Fingerprint, NotOne> {
        const HOW: NotOne = NotOne(
            "use sha256:HEX of the public key: openssl x509 -in cert.pem -noout -pubkey | \
             openssl pkey -pubin -outform DER | sha256sum",
        );
        let digits = text.strip_prefix("sha256:").ok_or(HOW)?;
        let digits: Vec<u8> = match digits.split(':').all(|pair| pair.len() == 2) {
            true => digits.replace(':', "").into_bytes(),
            false => digits.as_bytes().to_vec(),
        };
        let mut key = [0; 32];
        if digits.len() != 2 * key.len() {
            return Err(HOW);
        }
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16);
            let (high, low) = digit(0).zip(digit(1)).ok_or(HOW)?;
            *byte = u8::try_from(high << 4 | low).map_err(|_| HOW)?;
        }
        Ok(Fingerprint(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Fingerprint = Fingerprint([0xab; 32]);

    fn certificate(common_names: &[&str], sans: &[&str]) -> Certificate {
        Certificate {
            common_names: common_names.iter().map(|&name| name.to_owned()).collect(),
            sans: sans.iter().map(|san| san.parse().unwrap()).collect(),
            fingerprint: KEY,
        }
    }

    fn rule(common_name: &str, san: &str, fingerprint: Option<Fingerprint>) -> CertificateRule {
        CertificateRule {
            common_name: (!common_name.is_empty()).then(|| common_name.to_owned()),
            san: (!san.is_empty()).then(|| san.parse().unwrap()),
            fingerprint,
        }
    }

    #[test]
    fn all_that_a_rule_asks_for_has_to_be_so() {
        let ci = certificate(
            &["ci"],
            &["dns:CI.example", "ip:10.0.0.5", "uri:spiffe://x/Ci"],
        );
        let other = Fingerprint([0; 32]);
        for (rule, is) in [
            (rule("ci", "", None), true),
            (rule("CI", "", None), false),
            (rule("c", "", None), false),
            (rule("", "dns:ci.EXAMPLE", None), true),
            (rule("", "dns:a.ci.example", None), false),
            (rule("", "dns:example", None), false),
            (rule("", "ip:10.0.0.5", None), true),
            (rule("", "ip:::ffff:10.0.0.5", None), true),
            (rule("", "dns:10.0.0.5", None), false),
            (rule("", "uri:spiffe://x/Ci", None), true),
            (rule("", "uri:spiffe://x/ci", None), false),
            (rule("", "uri:ci.example", None), false),
            (rule("", "", Some(KEY)), true),
            (rule("", "", Some(other)), false),
            (rule("ci", "dns:ci.example", Some(KEY)), true),
            (rule("ci", "dns:ci.example", Some(other)), false),
            (rule("ci", "dns:no", Some(KEY)), false),
            (rule("no", "dns:ci.example", Some(KEY)), false),
            (rule("", "", None), false),
        ] {
            assert_eq!(rule.is_for(&ci), is, "{rule}");
        }
    }

    #[test]
    fn no_name_of_a_certificate_is_for_more_than_itself() {
        let wild = Certificate {
            sans: vec![San::Dns("*.example".into()), San::Dns("a\0.example".into())],
            ..certificate(&["a", "b"], &[])
        };
        for none in [
            rule("a", "", None),
            rule("b", "", None),
            rule("", "dns:ci.example", None),
            rule("", "dns:a", None),
        ] {
            assert!(!none.is_for(&wild), "{none}");
        }
        assert!("dns:*.example".parse::<San>().is_err());
    }

    #[test]
    fn names_and_fingerprints_are_read_in_one_way() {
        let hex = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        for text in [&hex, &colons] {
            assert_eq!(format!("sha256:{text}").parse(), Ok(KEY));
        }
        assert_eq!(KEY.to_string(), format!("sha256:{hex}"));
        for none in [
            "",
            "sha256:",
            "sha1:ab",
            &hex,
            &format!("sha256:{}", &hex[1..]),
        ] {
            assert!(none.parse::<Fingerprint>().is_err(), "{none}");
        }
        assert!(
            format!("sha256:{}", "ag".repeat(32))
                .parse::<Fingerprint>()
                .is_err()
        );
        for none in [
            "",
            "dns:",
            "ci.example",
            "ip:x",
            "ip:10.0.0.0/8",
            "email:a@b",
            "dns:a b",
        ] {
            assert!(none.parse::<San>().is_err(), "{none}");
        }
    }

    #[test]
    fn a_certificate_is_one_word_in_the_log() {
        for (certificate, word) in [
            (certificate(&["ci"], &["dns:x"]), "ci"),
            (
                certificate(&["a b\n\\ü"], &[]),
                "a\\x20b\\x0a\\x5c\\xc3\\xbc",
            ),
            (certificate(&["a", "b"], &["dns:x"]), "dns:x"),
            (certificate(&[], &[]), &*KEY.to_string()),
        ] {
            assert_eq!(certificate.to_string(), word);
        }
    }
}
