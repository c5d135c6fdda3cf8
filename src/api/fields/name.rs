//! Which names are the same field to Go's encoding/json, and how such names find each other.

/// What Go's encoding/json takes names to be the same by: their simple case folding. The names of
/// all fields are ASCII, so besides its letters only U+017F (an s) and U+212A (a k) matter.
pub fn fold(name: &str) -> String {
    let letters = name.chars().map(|letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    letters.collect()
}

/// Whether Go takes two names to be the same.
pub fn same(name: &str, other: &str) -> bool {
    name == other
        || match name.is_ascii() && other.is_ascii() {
            true => name.eq_ignore_ascii_case(other),
            false => fold(name) == fold(other),
        }
}

/// A number that is equal for names that Go takes to be the same, and hardly for any others.
pub fn hash(name: &str) -> u64 {
    match name.is_ascii() {
        true => hash_of_ascii(name),
        false => hash_of_ascii(&fold(name)),
    }
}

/// The same of a name whose letters beyond ASCII are folded.
pub(super) const fn hash_of_ascii(name: &str) -> u64 {
    let mut rest = name.as_bytes();
    let mut hash = name.len() as u64;
    while let Some((word, behind)) = rest.split_first_chunk() {
        hash = mixed(hash, u64::from_le_bytes(*word));
        rest = behind;
    }
    // The end of a long name counts as a word too, whatever of it did so before.
    if let Some(word) = name.as_bytes().last_chunk() {
        return mixed(hash, u64::from_le_bytes(*word));
    }
    let mut last = 0;
    while let Some((byte, behind)) = rest.split_first() {
        last = last << 8 | *byte as u64;
        rest = behind;
    }
    mixed(hash, last)
}

/// A bit of each byte is left out, so that a letter's case makes no difference.
const fn mixed(hash: u64, word: u64) -> u64 {
    let mixed = (hash ^ (word | 0x2020_2020_2020_2020)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 29
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_any_case() {
        for (name, other, is_same) in [
            ("HostConfig", "HostConfig", true),
            ("HostConfig", "hOSTcONFIG", true),
            ("HostConfig", "Ho\u{17f}tConfig", true),
            ("NetworkMode", "NETWOR\u{212a}MODE", true),
            ("\u{17f}\u{212a}", "sK", true),
            ("\u{e9}S", "\u{e9}\u{17f}", true),
            ("\u{e9}", "\u{c9}", false),
            ("Binds", "Bind", false),
            ("Binds", "Binds ", false),
            // These differ in the bit that tells the case of a letter.
            ("a[", "a{", false),
            ("a@", "a`", false),
            ("", "", true),
        ] {
            assert_eq!(same(name, other), is_same, "{name} {other}");
            assert_eq!(fold(name) == fold(other), is_same, "{name} {other}");
            assert!(!is_same || hash(name) == hash(other), "{name} {other}");
        }
    }

    #[test]
    fn a_hash_is_of_every_byte() {
        let name = "LongerThanTwoWords";
        for at in 0..name.len() {
            let mut other = name.to_owned();
            other.replace_range(at..=at, "_");
            assert_ne!(hash(name), hash(&other), "{other}");
            assert_ne!(hash(name), hash(&name[..at]), "{at}");
        }
    }
}
