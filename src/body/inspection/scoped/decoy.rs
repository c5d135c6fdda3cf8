//! What the engine is asked for in place of a name that a client does not see.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use crate::api::ObjectKind;
use crate::body::answer::Alias;

/// An alias for a name. Nobody can tell a decoy before, so nothing has that name.
pub(super) fn alias(kind: ObjectKind, name: &str) -> Alias {
    let random = random();
    match kind {
        // The engine says something else of what looks like an ID.
        ObjectKind::Image if is_id(id_in(name)) => Alias {
            decoy: random,
            name: id_in(name).to_owned(),
        },
        // An image's name goes on with a tag or a digest, which stay.
        ObjectKind::Image => {
            let repository = repository(name);
            Alias {
                decoy: format!("x{}", &random[..40]),
                name: repository.to_owned(),
            }
        }
        _ => Alias {
            decoy: random,
            name: name.to_owned(),
        },
    }
}

/// The name with its decoy in place.
pub(super) fn in_place(alias: &Alias, name: &str) -> String {
    let (before, rest) = name.split_once(&alias.name).unwrap_or_default();
    format!("{before}{}{rest}", alias.decoy)
}

/// An image's ID without what may stand in front of it.
fn id_in(name: &str) -> &str {
    name.strip_prefix("sha256:").unwrap_or(name)
}

/// Whether this is a full ID.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// An image's name without tag and digest.
fn repository(name: &str) -> &str {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    let last = name.rfind('/').map_or(0, |at| at + 1);
    match name[last..].find(':') {
        Some(at) => &name[..last + at],
        None => name,
    }
}

/// 64 hexadecimal digits, from hashers whose keys are the operating system's random numbers. Clients never
/// see what they give, and so cannot find out a key.
fn random() -> String {
    let digits = (0..4_u64).map(|number| {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u64(number);
        format!("{:016x}", hasher.finish())
    });
    digits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoy_has_the_form_of_an_id_and_is_new_each_time() {
        let decoys: Vec<String> = (0..1000).map(|_| random()).collect();
        for (at, decoy) in decoys.iter().enumerate() {
            assert!(decoy.len() == 64 && decoy.bytes().all(|byte| byte.is_ascii_hexdigit()));
            assert!(!decoys[..at].contains(decoy), "{decoy}");
        }
    }

    #[test]
    fn an_image_by_its_id_stays_one() {
        let id = "0123456789abcdef".repeat(4);
        for (name, before) in [(id.clone(), ""), (format!("sha256:{id}"), "sha256:")] {
            let alias = alias(ObjectKind::Image, &name);
            assert_eq!(alias.name, id);
            assert!(is_id(&alias.decoy) && alias.decoy != id);
            let forwarded = format!("{before}{}", alias.decoy);
            assert_eq!(in_place(&alias, &name), forwarded);
        }
    }

    #[test]
    fn an_image_keeps_its_tag_and_its_digest() {
        for (name, repository, rest) in [
            ("nginx", "nginx", ""),
            ("nginx:1", "nginx", ":1"),
            ("reg:5000/a/b", "reg:5000/a/b", ""),
            ("reg:5000/a/b:1", "reg:5000/a/b", ":1"),
            ("a@sha256:0", "a", "@sha256:0"),
            ("a:1@sha256:0", "a", ":1@sha256:0"),
        ] {
            let alias = alias(ObjectKind::Image, name);
            assert_eq!(alias.name, repository);
            assert_eq!(in_place(&alias, name), format!("{}{rest}", alias.decoy));
        }
    }
}
