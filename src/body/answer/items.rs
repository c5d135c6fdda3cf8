//! The items of a JSON list, as they stand in the text, so that what a client sees is not written anew.

use serde::de::IgnoredAny;

/// Each item of a list that was read as JSON before.
pub(super) struct Items<'a> {
    rest: &'a [u8],
}

/// The items of a list; nothing if the text is none.
pub(super) fn of_list(text: &[u8]) -> Option<Items<'_>> {
    is_json(text).then_some(())?;
    let rest = text.trim_ascii_start().strip_prefix(b"[")?;
    Some(Items { rest })
}

/// The value of a member of an object, as it stands in the text; nothing if the text is no object, or
/// has no such member.
pub(super) fn member<'a>(text: &'a [u8], name: &str) -> Option<&'a [u8]> {
    is_json(text).then_some(())?;
    let at = text.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let mut rest = text[at..].strip_prefix(b"{")?;
    loop {
        let key = value(rest)?;
        let own = serde_json::from_slice::<String>(key).ok()?;
        let behind = behind(rest, key)?;
        let colon = behind.iter().position(|byte| *byte == b':')?;
        let found = value(&behind[colon + 1..])?;
        if own == name {
            return Some(found);
        }
        let after = self::behind(&behind[colon + 1..], found)?;
        let comma = after.iter().position(|byte| !byte.is_ascii_whitespace())?;
        rest = after[comma..].strip_prefix(b",")?;
    }
}

/// Whether a text is JSON. The parser passes over what nobody reads, whatever its bytes are.
fn is_json(text: &[u8]) -> bool {
    let text = str::from_utf8(text);
    text.is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let item = value(self.rest)?;
        let after = behind(self.rest, item)?;
        let next = after.iter().position(|byte| b",]".contains(byte))?;
        self.rest = match after[next] {
            b',' => &after[next + 1..],
            _ => &[],
        };
        Some(item)
    }
}

/// What follows a part of a text that begins in it.
fn behind<'a>(text: &'a [u8], part: &[u8]) -> Option<&'a [u8]> {
    let start = text.iter().position(|byte| !byte.is_ascii_whitespace())?;
    text.get(start + part.len()..)
}

/// The value that a text of valid JSON begins with, but for white space.
fn value(text: &[u8]) -> Option<&[u8]> {
    let start = text.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let text = &text[start..];
    let end = match text.first()? {
        b'"' => end_of_string(text, 0)? + 1,
        b'[' | b'{' => end_of_nested(text)? + 1,
        _ => {
            let ends = |byte: &u8| byte.is_ascii_whitespace() || b",:]}".contains(byte);
            text.iter().position(ends).unwrap_or(text.len())
        }
    };
    text.get(..end).filter(|value| !value.is_empty())
}

/// Where the list or the object ends that the text begins with.
pub(super) fn end_of_nested(text: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        match text.get(at)? {
            b'"' => at = end_of_string(text, at)?,
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth == 1 => return Some(at),
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
}

/// Where the closing quote is of a string that begins there.
fn end_of_string(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        match text[at] {
            b'"' => return Some(at),
            _ => at += 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &str) -> Option<Vec<String>> {
        let items = of_list(list.as_bytes())?;
        let texts = items.map(|item| String::from_utf8(item.to_vec()).expect("UTF-8"));
        Some(texts.collect())
    }

    #[test]
    fn items_are_as_they_stand() {
        for (list, items) in [
            ("[]", &[][..]),
            (" [ ] ", &[]),
            ("[1]", &["1"]),
            ("[ 1 , \"a,]\\\"\" ,null]", &["1", "\"a,]\\\"\"", "null"]),
            (
                r#"[{"a":[1,{"b":"]}"}]} , {},[[]],-1.5e3]"#,
                &[r#"{"a":[1,{"b":"]}"}]}"#, "{}", "[[]]", "-1.5e3"],
            ),
            ("[\n\t{\"a\" : 1}\n]\n", &["{\"a\" : 1}"]),
        ] {
            assert_eq!(texts(list).as_deref(), Some(&own(items)[..]), "{list}");
        }
        for text in [
            "",
            "{}",
            "[",
            "[1,]",
            "[1]x",
            "null",
            "[}]",
            "[\"a]",
            "{\"a\":[1]}",
        ] {
            assert_eq!(texts(text), None, "{text}");
        }
        assert!(of_list(b"[\"\xff\"]").is_none());
    }

    fn own(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn a_member_is_found_by_its_name() {
        let text = br#" {"x" : {"Volumes":[1]}, "Volumes" : [ {"a":1} ] ,"y":null}"#;
        assert_eq!(member(text, "Volumes"), Some(&br#"[ {"a":1} ]"#[..]));
        assert_eq!(member(text, "y"), Some(&b"null"[..]));
        assert_eq!(member(text, "x"), Some(&br#"{"Volumes":[1]}"#[..]));
        assert_eq!(member(text, "z"), None);
        for text in ["", "{}", "[]", "{\"a\":1", "null"] {
            assert_eq!(member(text.as_bytes(), "a"), None, "{text}");
        }
    }
}
