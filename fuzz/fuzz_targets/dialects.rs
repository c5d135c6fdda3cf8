//! Flags, variables of regex allowlists and of rules, profile files and files of rules: nothing of them
//! makes dockgate panic, and what they allow another reader allows too, one that does no more than to
//! put a pattern between anchors. An input is pieces with NULs between them: a request line first, then
//! flags (they begin with `-`), variables (`SP_ALLOW_…=` and `CETUSGUARD_…=`), lines of a file of rules
//! (they begin with `rules:`) and, as all else, lines of a profile.

#![no_main]

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use dockgate::api::Target;
use dockgate::config::{Settings, Snapshot};
use dockgate::policy::{Body, Verdict};
use libfuzzer_sys::fuzz_target;
use regex::bytes::RegexBuilder;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let mut pieces = text.split('\0');
    let request = pieces.next().unwrap_or_default();
    let (flags, others): (Vec<&str>, Vec<&str>) = pieces.partition(|piece| piece.starts_with('-'));
    let (variables, lines): (Vec<&str>, Vec<&str>) = others
        .into_iter()
        .partition(|piece| piece.starts_with("SP_ALLOW_") || piece.starts_with("CETUSGUARD_"));
    let (rules, lines): (Vec<&str>, Vec<&str>) = lines
        .into_iter()
        .partition(|piece| piece.starts_with("rules:"));
    let profile = lines.join("\n");
    let pairs = variables.iter().filter_map(|piece| piece.split_once('='));
    let mut pairs: Vec<(&str, String)> = pairs
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    if !profile.is_empty() {
        let file = file("profile");
        fs::write(&file, &profile).expect("a file");
        pairs.push(("PROFILE", file.display().to_string()));
    }
    if !rules.is_empty() {
        let file = file("rules");
        let texts: Vec<&str> = rules.iter().map(|piece| &piece["rules:".len()..]).collect();
        fs::write(&file, texts.join("\n")).expect("a file");
        pairs.push(("CETUSGUARD_RULES_FILE", file.display().to_string()));
    }
    let mut snapshot: Snapshot = pairs.iter().cloned().collect();
    if snapshot
        .take_flags(flags.iter().map(OsString::from))
        .is_err()
    {
        return;
    }
    let settings = match Settings::load(&snapshot) {
        Ok(settings) => settings,
        Err(diagnostics) => {
            for line in diagnostics.iter().map(ToString::to_string) {
                assert!(!line.chars().any(char::is_control), "{line:?}");
            }
            return;
        }
    };
    let Some((method, line)) = request.split_once(' ') else {
        return;
    };
    let Ok(target) = Target::from_line(method, line) else {
        return;
    };
    let (path, whole) = (
        target.whole_path().to_owned(),
        target.path_and_query().to_string(),
    );
    let Verdict::Allow(permit) = settings.policies.default().decide(target, Body::Other) else {
        return;
    };
    // With nothing set, the defaults of the section variables count.
    if settings.policies.default().sources.grants.active {
        return;
    }
    let flag = |prefix: &str| {
        flags.iter().enumerate().any(|(i, piece)| {
            let piece = piece
                .strip_prefix("--")
                .or(piece.strip_prefix('-'))
                .unwrap_or(piece);
            match piece.strip_prefix(prefix) {
                Some("") => flags.get(i + 1).is_some_and(|value| between(value, &path)),
                Some(rest) => rest
                    .strip_prefix('=')
                    .is_some_and(|value| between(value, &path)),
                None => false,
            }
        })
    };
    let variable = pairs.iter().any(|(name, value)| {
        name.strip_prefix("SP_ALLOW_")
            .is_some_and(|rest| rest.starts_with(method))
            && between(value, &path)
    });
    let by_line = profile.lines().any(|line| {
        let Some((names, url)) = line.trim().split_once(|c: char| c.is_ascii_whitespace()) else {
            return false;
        };
        let inner = |regex: &str| -> String {
            let regex = regex.strip_prefix('^').unwrap_or(regex);
            regex.strip_suffix('$').unwrap_or(regex).to_owned()
        };
        let of_method = between(&inner(names), method.as_bytes());
        of_method && between(&inner(url.trim_start()), whole.as_bytes())
    });
    let given = flags.iter().enumerate().filter_map(|(i, piece)| {
        let piece = piece.trim_start_matches('-').strip_prefix("rules")?;
        match piece {
            "" => flags.get(i + 1).copied(),
            _ => piece.strip_prefix('='),
        }
    });
    let set = pairs.iter().filter(|(name, _)| *name == "CETUSGUARD_RULES");
    let in_file = rules.iter().map(|piece| &piece["rules:".len()..]);
    let texts = given.chain(set.map(|(_, value)| value.as_str()));
    let by_rule = texts.chain(in_file).chain([BUILT_IN]).any(|text| {
        text.trim_start_matches('\u{feff}').split('\n').any(|line| {
            let line = line.trim_matches([' ', '\t', '\r']);
            let Some((names, pattern)) = line.split_once([' ', '\t']) else {
                return false;
            };
            let pattern = pattern.trim_start_matches([' ', '\t']);
            let of_method = names.split(',').any(|name| name == method);
            of_method && widened(pattern).is_none_or(|pattern| between(&pattern, &path))
        })
    });
    let origin = permit.origin();
    assert!(
        flag(&format!("allow{method}")) || variable || by_line || by_rule,
        "{origin} allows {method} {whole}, and nobody else does"
    );
});

/// As the programs have it that these dialects come from.
fn between(pattern: &str, text: &[u8]) -> bool {
    let regex = RegexBuilder::new(&format!("^{pattern}$"))
        .unicode(false)
        .build();
    regex.is_ok_and(|regex| regex.is_match(text))
}

/// What rules allow that are not written.
const BUILT_IN: &str = "GET,HEAD %API_PREFIX_PING%\nGET,HEAD %API_PREFIX_LIBPOD_PING%\n\
                        GET %API_PREFIX_VERSION%\nGET %API_PREFIX_LIBPOD_VERSION%\n\
                        GET %API_PREFIX_INFO%\nGET %API_PREFIX_LIBPOD_INFO%";

/// A pattern with something wider in place of each variable. `None`: what its percent signs mean is not
/// for this reader to say.
fn widened(pattern: &str) -> Option<String> {
    let mut wide = String::new();
    for (i, piece) in pattern.split('%').enumerate() {
        wide += match (i % 2, piece) {
            (0, plain) => plain,
            (_, "API_PREFIX") => r"(?:/v[0-9.]+)?",
            (_, "API_PREFIX_PING") => r"(?:(?:/v[0-9.]+)?/_ping)",
            (_, "API_PREFIX_VERSION") => r"(?:(?:/v[0-9.]+)?/version)",
            (_, "API_PREFIX_INFO") => r"(?:(?:/v[0-9.]+)?/info)",
            (_, "API_PREFIX_CONTAINERS") => r"(?:(?:/v[0-9.]+)?/containers)",
            (_, "API_PREFIX_IMAGES") => r"(?:(?:/v[0-9.]+)?/images)",
            (_, "API_PREFIX_LIBPOD_PING") => r"(?:/v[0-9.]+/libpod/_ping)",
            (_, "API_PREFIX_LIBPOD_VERSION") => r"(?:/v[0-9.]+/libpod/version)",
            (_, "API_PREFIX_LIBPOD_INFO") => r"(?:/v[0-9.]+/libpod/info)",
            (_, "CONTAINER_ID") => "(?:[0-9A-Fa-f]+)",
            (_, "CONTAINER_ID_OR_NAME" | "VOLUME_NAME") => r"(?:[\w.-]+)",
            (_, "NETWORK_NAME") => "(?:[^/]+)",
            (_, "HOST" | "IP" | "DOMAIN") => r"(?:[\w.:\[\]%-]+)",
            (_, "IMAGE_ID_OR_REFERENCE" | "IMAGE_NAME" | "PLUGIN_NAME") => r"(?:[\w.:@+/\[\]%-]+)",
            _ => return None,
        };
    }
    (pattern.split('%').count() % 2 == 1).then_some(wide)
}

fn file(what: &str) -> PathBuf {
    std::env::temp_dir().join(format!("dockgate-fuzz-{}.{what}", std::process::id()))
}
