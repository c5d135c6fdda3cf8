//! Versions of the Docker API, compared as the engine compares them.

use std::fmt::{self, Display, Formatter};

/// A version: `1.41`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl Version {
    /// Reads one as the engine does: what is no number, or is missing, counts as 0. A number that is too
    /// large counts as 0 as well, and engines refuse it. Further parts make no difference to versions of
    /// two parts.
    pub fn parse(text: &str) -> Version {
        let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
        Version(parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    }
}

impl Display for Version {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_the_engine_does() {
        for (text, version) in [
            ("1.41", "1.41"),
            ("1.41.", "1.41"),
            ("1.41.9", "1.41"),
            ("01.041", "1.41"),
            ("1", "1.0"),
            ("1.", "1.0"),
            ("1..41", "1.0"),
            (".1.41", "0.1"),
            ("", "0.0"),
            ("1.99999999999999999999", "1.0"),
            ("1.+", "1.0"),
        ] {
            assert_eq!(Version::parse(text).to_string(), version, "{text}");
        }
        assert!(Version::parse("1.9") < Version::parse("1.40"));
        assert!(Version::parse("1.44") < Version::parse("2.0"));
    }
}
