//! Names of which clients see nothing: in place of one, the engine is asked for something that does not
//! exist, so that its answer is the one that it gives for that. The name is put back into it.

use super::super::json::Value;

/// A name that a client gave, and what was forwarded in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// What the engine was asked for: nothing that exists.
    pub decoy: String,
    /// The client's name, as it was understood.
    pub name: String,
}

/// The answer with the names in place of the decoys: as in a JSON string, if it is JSON.
pub(super) fn put_back(aliases: &[Alias], bytes: Vec<u8>) -> Vec<u8> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let is_json = first.is_some_and(|byte| b"{[\"".contains(byte));
    aliases.iter().fold(bytes, |bytes, alias| {
        let escaped = Value::from(alias.name.as_str()).to_json();
        let name = match is_json {
            true => &escaped.as_bytes()[1..escaped.len() - 1],
            false => alias.name.as_bytes(),
        };
        replaced(&bytes, alias.decoy.as_bytes(), name)
    })
}

fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut left = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memmem::find(rest, old) {
        left.extend_from_slice(&rest[..at]);
        left.extend_from_slice(new);
        rest = &rest[at + old.len()..];
    }
    left.extend_from_slice(rest);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_put_back_as_its_place_demands() {
        let alias = |decoy: &str, name: &str| Alias {
            decoy: decoy.to_owned(),
            name: name.to_owned(),
        };
        let aliases = [alias("f00", "a\"b"), alias("ba4", "x")];
        for (answer, left) in [
            (
                r#"{"message":"No such container: f00, f00"}"#,
                r#"{"message":"No such container: a\"b, a\"b"}"#,
            ),
            ("No such container: f00\n", "No such container: a\"b\n"),
            (" [\"ba4f00\"]", " [\"xa\\\"b\"]"),
            ("", ""),
            ("f0", "f0"),
        ] {
            let found = put_back(&aliases, answer.as_bytes().to_vec());
            assert_eq!(String::from_utf8(found).as_deref(), Ok(left), "{answer}");
        }
    }
}
