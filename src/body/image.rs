//! The names of images, as the engine reads them: the grammar of `distribution/reference`, and its
//! normal form with `docker.io` and `library/` written out.
//!
//! What no version of the engine reads, or what two versions read differently, is no [`Name`]. Nor is
//! an ID: whether a short one is an ID or a name, only the engine knows ([`could_be_id`]).

#[cfg(test)]
mod tests;

use std::fmt::{self, Display, Formatter};

/// So many bytes a repository's name may have.
const LONGEST: usize = 255;

/// The name of an image: `docker.io/library/busybox:1.36`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Name {
    /// Reads a name as the engine does. Without a domain it is one of Docker Hub, without a path
    /// there one of `library`.
    pub fn parse(text: &str) -> Result<Name, BadName> {
        if is_hex(text) && text.len() == 64 || is_digest(text) {
            return Err(BadName::Id);
        }
        let (domain, rest) = split_domain(text);
        if !is_domain(domain) {
            return Err(BadName::Domain);
        }
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (rest, None),
        };
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        let short = domain == HUB && !path.contains('/');
        let library = if short { "library/" } else { "" };
        let repository = format!("{domain}/{library}{path}");
        if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(BadName::Uppercase);
        }
        if repository.len() > LONGEST || !path.split('/').all(is_component) {
            return Err(BadName::Path);
        }
        if !tag.is_none_or(is_tag) {
            return Err(BadName::Tag);
        }
        if !digest.is_none_or(is_digest) {
            return Err(BadName::Digest);
        }
        Ok(Name {
            repository,
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// The same repository with another tag, or with a digest, which replaces a tag.
    pub fn with(self, tag: &str) -> Result<Name, BadName> {
        if is_digest(tag) {
            let digest = Some(tag.to_owned());
            return Ok(Name {
                tag: None,
                digest,
                ..self
            });
        }
        if !is_tag(tag) {
            return Err(BadName::Tag);
        }
        let tag = Some(tag.to_owned());
        Ok(Name { tag, ..self })
    }

    /// With the tag that the engine adds where there is neither a tag nor a digest.
    #[must_use]
    pub fn or_latest(mut self) -> Name {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".to_owned());
        }
        self
    }

    /// The host of its registry, and a port if it has one: `docker.io`.
    pub fn domain(&self) -> &str {
        self.repository.split('/').next().unwrap_or_default()
    }

    /// All but the tag and the digest: `docker.io/library/busybox`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag. Beside a digest the engine ignores it.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest: `sha256:…`.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }
}

/// In its normal form.
impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Why a text is not the name of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadName {
    /// 64 hexadecimal digits, or a digest alone.
    Id,
    /// What is before the first slash is no host.
    Domain,
    /// Upper case, which only a domain may have.
    Uppercase,
    /// The path is empty, too long, or has other characters.
    Path,
    /// The tag is empty, too long, or has other characters.
    Tag,
    /// The digest is not one of SHA-2.
    Digest,
}

impl Display for BadName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadName::Id => "is an image ID",
            BadName::Domain => "has an invalid domain",
            BadName::Uppercase => "has a repository that is not lowercase",
            BadName::Path => "has an invalid repository",
            BadName::Tag => "has an invalid tag",
            BadName::Digest => "has an invalid digest",
        })
    }
}

impl std::error::Error for BadName {}

/// Whether the engine could take a text for an image's ID, or the beginning of one. Some versions
/// try that before the name.
pub fn could_be_id(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    is_hex(hex) && hex.len() <= 64
}

const HUB: &str = "docker.io";

/// The domain and the rest. A first part with a dot, a colon or upper case is a domain, and so is
/// `localhost`.
fn split_domain(text: &str) -> (&str, &str) {
    let Some((first, rest)) = text.split_once('/') else {
        return (HUB, text);
    };
    let is_upper = |letter: char| letter.is_uppercase();
    match first {
        "index.docker.io" => (HUB, rest),
        "localhost" => (first, rest),
        _ if first.contains(['.', ':']) || first.contains(is_upper) => (first, rest),
        _ => (HUB, text),
    }
}

fn is_domain(text: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        let plain = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
        let has_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return !address.is_empty() && address.bytes().all(plain) && has_port;
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_label = |label: &str| {
        let ends = label.starts_with('-') || label.ends_with('-');
        !label.is_empty() && !ends && label.bytes().all(plain)
    };
    host.split('.').all(is_label) && port.is_none_or(is_port)
}

/// Letters in lower case and digits, with `.`, `_`, `__` or hyphens between them.
fn is_component(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separators = text.split(|letter: char| u8::try_from(letter).is_ok_and(plain));
    let is_separator =
        |text: &str| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    let ends = text.bytes().next().zip(text.bytes().last());
    ends.is_some_and(|(first, last)| plain(first) && plain(last))
        && separators.into_iter().all(is_separator)
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let more = |byte: u8| word(byte) || byte == b'.' || byte == b'-';
    text.bytes().next().is_some_and(word) && text.len() <= 128 && text.bytes().all(more)
}

/// Of an algorithm that the engine knows, with as many digits as it takes.
fn is_digest(text: &str) -> bool {
    let known = [("sha256:", 64), ("sha384:", 96), ("sha512:", 128)];
    known.iter().any(|(algorithm, length)| {
        let hex = text.strip_prefix(algorithm);
        hex.is_some_and(|hex| hex.len() == *length && is_hex(hex))
    })
}

fn is_hex(text: &str) -> bool {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    !text.is_empty() && text.bytes().all(digit)
}
