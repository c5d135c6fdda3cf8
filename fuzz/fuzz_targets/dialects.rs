//! Flags, variables of regex allowlists and profile files: nothing of them makes dockgate panic, and
//! what they allow another reader allows too, one that does no more than to put a pattern between
//! anchors. An input is pieces with NULs between them: a request line first, then flags (they begin
//! with `-`), variables (`SP_ALLOW_…=`) and, as all else, lines of a profile.

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
        .partition(|piece| piece.starts_with("SP_ALLOW_"));
    let profile = lines.join("\n");
    let pairs = variables.iter().filter_map(|piece| piece.split_once('='));
    let mut pairs: Vec<(&str, String)> = pairs
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    if !profile.is_empty() {
        let file = file();
        fs::write(&file, &profile).expect("a file");
        pairs.push(("PROFILE", file.display().to_string()));
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
    let origin = permit.origin();
    assert!(
        flag(&format!("allow{method}")) || variable || by_line,
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

fn file() -> PathBuf {
    std::env::temp_dir().join(format!("dockgate-fuzz-{}.profile", std::process::id()))
}
