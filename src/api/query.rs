//! A query, as every engine might read it.
//!
//! Docker takes the first value of a key, in exact case. Podman takes the last one, in any case, by
//! Go's `strings.EqualFold`. Old engines split at semicolons too; newer ones refuse or drop pairs
//! that contain one. All of them treat an empty value like none.

/// Whether an engine may find a value of this key in a query.
pub fn has_value(query: &str, key: &str) -> bool {
    query.split(['&', ';']).any(|pair| {
        let pair = pair.split_once('=');
        pair.is_some_and(|(name, value)| !value.is_empty() && spells(name, key))
    })
}

/// Keys and values of a query, decoded, in their order. Nothing if engines do not agree on it: for a
/// semicolon, a malformed escape, or bytes that are not UTF-8.
pub fn pairs(query: &str) -> Option<Vec<(String, String)>> {
    if query.contains(';') {
        return None;
    }
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(key)?, decoded(value)?))
    });
    pairs.collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut rest = Decoded(text.as_bytes());
    let bytes: Vec<u8> = rest.by_ref().collect();
    String::from_utf8(bytes).ok().filter(|_| rest.0.is_empty())
}

/// Whether a name is the key once its escapes are decoded and its case is folded. No engine accepts
/// a key with a malformed escape.
fn spells(name: &str, key: &str) -> bool {
    let mut name = Decoded(name.as_bytes());
    let mut letters = key.bytes().map(|byte| byte.to_ascii_lowercase());
    letters.all(|letter| {
        let Some(byte) = name.next() else {
            return false;
        };
        let rest: &[u8] = match (letter, byte) {
            // Two letters outside ASCII fold to ASCII: the long s and the Kelvin sign.
            (b's', 0xc5) => &[0xbf],
            (b'k', 0xe2) => &[0x84, 0xaa],
            _ => return byte.to_ascii_lowercase() == letter,
        };
        rest.iter().all(|byte| name.next() == Some(*byte))
    }) && name.0.is_empty()
}

/// The decoded bytes, up to the first malformed escape; the rest stays as sent.
struct Decoded<'a>(&'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let hex = |digit: u8| char::from(digit).to_digit(16);
        let (byte, rest) = match self.0 {
            [b'%', high, low, rest @ ..] => {
                let byte = hex(*high)? << 4 | hex(*low)?;
                (u8::try_from(byte).ok()?, rest)
            }
            [] | [b'%', ..] => return None,
            [b'+', rest @ ..] => (b' ', rest),
            [byte, rest @ ..] => (*byte, rest),
        };
        self.0 = rest;
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_a_value_if_any_spelling_of_it_has_one() {
        for query in [
            "ks=1",
            "KS=1",
            "kS=1",
            "a=1&ks=1&b",
            "a=1;ks=1",
            "ks=&ks=1",
            "ks=1&ks=",
            "ks=&KS=1",
            "ks==",
            "ks=%00",
            "ks=+",
            "%6bs=1",
            "%6Bs=1",
            "%4b%53=1",
            "k%C5%BF=1",
            "%e2%84%aas=1",
            "%E2%84%AA%C5%BF=1",
            // Engines drop or refuse it; another might not.
            "ks=%zz",
        ] {
            assert!(has_value(query, "ks"), "{query}");
        }
    }

    #[test]
    fn pairs_are_read_only_if_all_engines_agree_on_them() {
        let own = |all: &[(&str, &str)]| -> Vec<(String, String)> {
            let all = all.iter();
            all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        for (query, read) in [
            ("", &[][..]),
            ("&&", &[]),
            ("a", &[("a", "")]),
            ("a=", &[("a", "")]),
            ("a=1&A=2&a=3", &[("a", "1"), ("A", "2"), ("a", "3")]),
            ("%61=%3D+%2B&b=c=d", &[("a", "= +"), ("b", "c=d")]),
            ("%C3%BC=%E2%84%AA", &[("\u{fc}", "\u{212a}")]),
        ] {
            assert_eq!(pairs(query), Some(own(read)), "{query}");
        }
        for query in [
            "a;b",
            "a=1;b=2",
            "a=%",
            "a=%z1",
            "%4=1",
            "a=%ff",
            "b=1&a=%C3",
        ] {
            assert_eq!(pairs(query), None, "{query}");
        }
    }

    #[test]
    fn no_value_is_found_under_another_key_or_without_one() {
        for query in [
            "",
            "&&;",
            "ks",
            "ks=",
            "ks=&ks",
            "KS=;%6bs=",
            "k=1",
            "kss=1",
            "xks=1",
            "a=ks",
            "a=b=ks",
            "a=ks=1",
            "+ks=1",
            "ks+=1",
            "k%3ds=1",
            "ks%=1",
            "ks%zz=1",
            "ks%0=1",
            "%ks=1",
            "%256bs=1",
            "k%00s=1",
            "k%C5=1",
            "k%C5%BE=1",
            "k%BF=1",
            "%E2%84s=1",
            "%E2%84%ABs=1",
        ] {
            assert!(!has_value(query, "ks"), "{query}");
        }
    }
}
