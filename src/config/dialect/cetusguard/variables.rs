//! The `%VARIABLES%` of patterns: a language of names, references and paths.
//!
//! Each stands for a group, so what follows it in a pattern follows all of it. An unknown name between
//! percent signs stands for itself.

use std::borrow::Cow;

use crate::policy::BadPattern;

/// What each stands for. The first ones are private there, and can be written nevertheless.
const VARIABLES: &[(&str, &str)] = &[
    ("_API_VERSION", r"(?:/v[0-9]+(?:\.[0-9]+)*)"),
    ("_OBJECT_ID", "(?:[0-9a-fA-F]+)"),
    ("_OBJECT_NAME", "(?:[0-9a-zA-Z][0-9a-zA-Z_.-]+)"),
    // Labels of up to 63 characters, without hyphens at their ends.
    (
        "DOMAIN",
        "(?:[0-9a-zA-Z](?:[0-9a-zA-Z-]{0,61}[0-9a-zA-Z])?\
         (?:[.][0-9a-zA-Z](?:[0-9a-zA-Z-]{0,61}[0-9a-zA-Z])?)*)",
    ),
    ("IPV4", "(?:(?:[0-9]{1,3}[.]){3}[0-9]{1,3})"),
    (
        "IPV6",
        r"(?:\[[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?:%[0-9a-zA-Z_]+)?\])",
    ),
    ("IP", "(?:%IPV4%|%IPV6%)"),
    ("DOMAIN_OR_IP", "(?:%DOMAIN%|%IP%)"),
    ("HOST", "(?:%DOMAIN_OR_IP%(?::[0-9]+)?)"),
    ("IMAGE_ID", "%_OBJECT_ID%"),
    (
        "IMAGE_COMPONENT",
        "(?:[0-9a-zA-Z]+(?:(?:[.]|__?|-+)[0-9a-zA-Z]+)*)",
    ),
    ("IMAGE_TAG", "(?:[0-9a-zA-Z_][0-9a-zA-Z_.-]{0,127})"),
    (
        "IMAGE_DIGEST",
        "(?:[a-zA-Z][0-9a-zA-Z]*(?:[+._-][a-zA-Z][0-9a-zA-Z]*)*:[0-9a-fA-F]{32,})",
    ),
    (
        "IMAGE_NAME",
        "(?:(?:%HOST%/)?%IMAGE_COMPONENT%(?:/%IMAGE_COMPONENT%)*)",
    ),
    (
        "IMAGE_REFERENCE",
        "(?:%IMAGE_NAME%(?::%IMAGE_TAG%)?(?:@%IMAGE_DIGEST%)?)",
    ),
    ("IMAGE_ID_OR_REFERENCE", "(?:%IMAGE_ID%|%IMAGE_REFERENCE%)"),
    ("CONTAINER_ID", "%_OBJECT_ID%"),
    ("CONTAINER_NAME", "%_OBJECT_NAME%"),
    (
        "CONTAINER_ID_OR_NAME",
        "(?:%CONTAINER_ID%|%CONTAINER_NAME%)",
    ),
    ("VOLUME_ID", "%_OBJECT_ID%"),
    ("VOLUME_NAME", "%_OBJECT_NAME%"),
    ("VOLUME_ID_OR_NAME", "(?:%VOLUME_ID%|%VOLUME_NAME%)"),
    ("NETWORK_ID", "%_OBJECT_ID%"),
    ("NETWORK_NAME", "(?:[^/]+)"),
    ("NETWORK_ID_OR_NAME", "(?:%NETWORK_ID%|%NETWORK_NAME%)"),
    ("PLUGIN_ID", "%_OBJECT_ID%"),
    ("PLUGIN_NAME", "%IMAGE_NAME%"),
    ("PLUGIN_ID_OR_NAME", "(?:%PLUGIN_ID%|%PLUGIN_NAME%)"),
    ("API_PREFIX", "%_API_VERSION%?"),
    ("API_PREFIX_LIBPOD", "%_API_VERSION%/libpod"),
];

/// `API_PREFIX_x` is the path of each of these, and `API_PREFIX_LIBPOD_x` is Podman's.
const PATHS: &[&str] = &[
    "auth",
    "build",
    "commit",
    "configs",
    "containers",
    "debug",
    "distribution",
    "events",
    "exec",
    "grpc",
    "images",
    "info",
    "networks",
    "nodes",
    "_ping",
    "plugins",
    "secrets",
    "services",
    "session",
    "swarm",
    "system",
    "tasks",
    "version",
    "volumes",
];
const OF_PODMAN: &[&str] = &[
    "build",
    "commit",
    "containers",
    "events",
    "exec",
    "generate",
    "images",
    "info",
    "manifests",
    "networks",
    "_ping",
    "play",
    "pods",
    "secrets",
    "system",
    "version",
    "volumes",
];

/// The longest pattern that is tried, with its variables expanded.
const LONGEST: usize = 1 << 16;

/// Every name.
fn names() -> impl Iterator<Item = Cow<'static, str>> {
    let named = VARIABLES.iter().map(|(name, _)| Cow::Borrowed(*name));
    let below = |prefix: &'static str, paths: &'static [&str]| {
        let name = |path: &&str| path.trim_start_matches('_').to_ascii_uppercase();
        let names = paths.iter().map(name);
        names.map(move |name| Cow::Owned(format!("{prefix}_{name}")))
    };
    named
        .chain(below("API_PREFIX", PATHS))
        .chain(below("API_PREFIX_LIBPOD", OF_PODMAN))
}

/// What a name stands for.
fn value(name: &str) -> Option<Cow<'static, str>> {
    if let Some((_, value)) = VARIABLES.iter().find(|(known, _)| *known == name) {
        return Some(Cow::Borrowed(value));
    }
    let is_of = |path: &&&str, name: &str| {
        let path = path.trim_start_matches('_');
        name.chars().all(|letter| letter.is_ascii_uppercase()) && path.eq_ignore_ascii_case(name)
    };
    let rest = name.strip_prefix("API_PREFIX_")?;
    if let Some(name) = rest.strip_prefix("LIBPOD_") {
        let path = OF_PODMAN.iter().find(|path| is_of(path, name))?;
        return Some(format!("%API_PREFIX_LIBPOD%/{path}").into());
    }
    let path = PATHS.iter().find(|path| is_of(path, rest))?;
    Some(format!("%API_PREFIX%/{path}").into())
}

/// A pattern with what its variables stand for.
pub(super) fn expand(pattern: &str) -> Result<String, BadPattern> {
    let mut expanded = String::new();
    push(pattern, &mut expanded)?;
    Ok(expanded)
}

fn push(pattern: &str, expanded: &mut String) -> Result<(), BadPattern> {
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('%') {
        expanded.push_str(before);
        let name = after.split_once('%');
        match name.and_then(|(name, after)| Some((value(name)?, after))) {
            Some((value, after)) => {
                push(&value, expanded)?;
                rest = after;
            }
            None => {
                expanded.push('%');
                rest = after;
            }
        }
        if expanded.len() > LONGEST {
            return Err(BadPattern::TooLarge);
        }
    }
    expanded.push_str(rest);
    Ok(())
}

/// What looks like a variable in a pattern and is none, and the one that was probably intended.
pub(super) fn unknown(pattern: &str) -> Option<(&str, Option<String>)> {
    let mut pieces = pattern.split('%').skip(1).peekable();
    while let Some(name) = pieces.next() {
        // Nothing ends the last one.
        pieces.peek()?;
        if value(name).is_some() {
            // What follows a variable is plain.
            pieces.next();
            continue;
        }
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        // Not what is behind two percent signs of escapes: `%20b%2F`.
        if name.len() > 2
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(is_word)
        {
            let upper = name.to_ascii_uppercase();
            let near = names().map(|known| (strsim::osa_distance(&upper, &known), known));
            let near = near.filter(|(off, _)| *off <= 2).min();
            return Some((name, near.map(|(_, known)| known.into_owned())));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Regex;

    #[track_caller]
    fn matches(pattern: &str, text: &str) -> bool {
        let expanded = expand(pattern).expect("short");
        Regex::new(&expanded).expect(&expanded).matches(text)
    }

    #[test]
    fn every_variable_is_a_group_and_knows_all_others() {
        for name in names() {
            let value = value(&name).unwrap_or_else(|| panic!("{name}"));
            let expanded = expand(&value).expect("short");
            assert_eq!(unknown(&value), None, "{name}");
            // As one piece: nothing in it ends before what follows.
            let inner = Regex::new(&format!("{expanded}#")).expect(&expanded);
            assert!(!inner.matches(""), "{name}");
            assert!(
                expanded.starts_with("(?:") && value.starts_with(['(', '%']),
                "{name}: {expanded}"
            );
        }
    }

    #[test]
    fn names_and_references_are_those_of_the_engine() {
        let long = "a".repeat(63);
        let (longer, digest) = (format!("{long}a"), "sha256:".to_owned() + &"0".repeat(32));
        for (name, fit, unfit) in [
            (
                "DOMAIN",
                &["a", "a-b.c", "A0.b", &long][..],
                &["", "-a", "a-", "a..b", ".a", "a_b", &longer][..],
            ),
            (
                "IPV4",
                &["1.2.3.4", "999.0.0.1"],
                &["1.2.3", "1.2.3.4.5", "1234.1.1.1"],
            ),
            (
                "IPV6",
                &["[::1]", "[fe80::1%eth0]", "[0:0:0:0:0:0:0:0]"],
                &["::1", "[1:2]", "[::g]", "[0:0:0:0:0:0:0:0:0]"],
            ),
            (
                "HOST",
                &["a:5000", "1.2.3.4:1", "[::1]:2", "a"],
                &["a:", "a:b", "[::1", ":1"],
            ),
            (
                "IMAGE_COMPONENT",
                &["a", "a__b", "a---b", "a.b", "A9"],
                &["a___b", "_a", "a..b", "a/b"],
            ),
            (
                "IMAGE_TAG",
                &["latest", "_x", "1.2-3"],
                &[".x", "-x", "a:b", &"a".repeat(129)],
            ),
            (
                "IMAGE_DIGEST",
                &[&digest, "a+b:00000000000000000000000000000000"],
                &["sha256:0", &digest[..38]],
            ),
            (
                "IMAGE_REFERENCE",
                &[
                    "a",
                    "x.y:1/a/b:tag",
                    "a@sha256:00000000000000000000000000000000",
                ],
                &["a:b:c", "/a", "a/", "a@b"],
            ),
            ("IMAGE_ID_OR_REFERENCE", &["0f", "a/b"], &["a//b", "%"]),
            (
                "CONTAINER_ID_OR_NAME",
                &["a", "web", "a_b.c-d", "0"],
                &["g", "-x", "a/b", "", "_a"],
            ),
            ("VOLUME_NAME", &["ab"], &["a", "a b"]),
            ("NETWORK_NAME", &["any thing", "x"], &["a/b", ""]),
            ("PLUGIN_ID_OR_NAME", &["vieux/sshfs", "0a"], &["a:latest"]),
            (
                "API_PREFIX",
                &["", "/v1", "/v1.41", "/v1.41.2"],
                &["/v", "/v1.", "/vx", "/v1.41/", "v1"],
            ),
            (
                "API_PREFIX_PING",
                &["/_ping", "/v1.41/_ping"],
                &["/ping", "/_ping/", "/x/_ping"],
            ),
            (
                "API_PREFIX_EXEC",
                &["/exec", "/v1.41/exec"],
                &["/Exec", "/execs"],
            ),
            (
                "API_PREFIX_LIBPOD_PODS",
                &["/v4.0.0/libpod/pods"],
                &["/libpod/pods", "/v4.0.0/pods"],
            ),
            (
                "API_PREFIX_LIBPOD_PING",
                &["/v4/libpod/_ping"],
                &["/libpod/_ping"],
            ),
        ] {
            let pattern = format!("%{name}%");
            for text in fit {
                assert!(matches(&pattern, text), "{name} {text}");
            }
            for text in unfit {
                assert!(!matches(&pattern, text), "{name} {text}");
            }
        }
    }

    #[test]
    fn what_is_no_variable_stands_for_itself() {
        for (pattern, expanded) in [
            ("/a%20b", "/a%20b"),
            ("%%", "%%"),
            ("100%", "100%"),
            ("%FOO%API_PREFIX%x", "%FOO(?:/v[0-9]+(?:\\.[0-9]+)*)?x"),
            ("%api_prefix%", "%api_prefix%"),
            ("%API_PREFIX_ping%", "%API_PREFIX_ping%"),
            ("%API_PREFIX__PING%", "%API_PREFIX__PING%"),
            ("%IMAGE_ID%IMAGE_ID%", "(?:[0-9a-fA-F]+)IMAGE_ID%"),
        ] {
            assert_eq!(expand(pattern).as_deref(), Ok(expanded), "{pattern}");
        }
        assert_eq!(
            expand(&"%IMAGE_NAME%".repeat(1000)),
            Err(BadPattern::TooLarge)
        );
    }

    #[test]
    fn a_name_that_is_unknown_is_told_with_a_near_one() {
        let near = |name: &'static str, near: &str| Some((name, Some(near.to_owned())));
        for (pattern, told) in [
            ("%API_PREFIX%/x", None),
            ("/a%20b%2F", None),
            ("100%", None),
            ("%CONTAINER_ID%/%CONTAINER_NAME%", None),
            ("/%CONTAINER_NAM%", near("CONTAINER_NAM", "CONTAINER_NAME")),
            (
                "%API_PREFIX%/%container_id%",
                near("container_id", "CONTAINER_ID"),
            ),
            ("%NOTHING_LIKE_IT%", Some(("NOTHING_LIKE_IT", None))),
        ] {
            assert_eq!(unknown(pattern), told, "{pattern}");
        }
    }
}
