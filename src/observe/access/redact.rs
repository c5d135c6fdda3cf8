//! Removes from a request's target what must not be logged: possible secrets, and excess length.

use std::borrow::Cow;

use http::Uri;
use http::uri::PathAndQuery;

/// Query keys whose values are logged; all others may carry a credential (`buildargs`, `remote`,
/// `fromSrc` …) and show as `…`.
const OPEN_KEYS: &[&str] = &[
    "all",
    "condition",
    "container",
    "details",
    "digests",
    "dockerfile",
    "filters",
    "follow",
    "force",
    "fromImage",
    "h",
    "limit",
    "link",
    "name",
    "names",
    "nocache",
    "noprune",
    "one-shot",
    "path",
    "platform",
    "pull",
    "q",
    "repo",
    "rm",
    "shared-size",
    "signal",
    "since",
    "size",
    "stderr",
    "stdin",
    "stdout",
    "stream",
    "t",
    "tag",
    "tail",
    "target",
    "term",
    "timestamps",
    "type",
    "until",
    "v",
    "version",
    "w",
];

/// Replaces in a log what may be secret.
pub(super) const HIDDEN: &str = "…";

/// Longer targets are cut in the log, which one client could otherwise fill: such lines took most
/// of the time of a denied request.
const LONGEST_TARGET: usize = 2048;

/// The end of a cut target. No target contains a `#`, so a cut one is never mistaken for a whole
/// one.
const CUT: &str = "…#cut";

/// A request as a profile line: its method and target as regexes, with any value allowed where the
/// value may be secret.
pub fn profile_line(method: &str, target: &PathAndQuery) -> String {
    let mut line = format!("{} {}", quoted(method), quoted(target.path()));
    let Some(query) = target.query() else {
        return line;
    };
    line.push_str(r"\?");
    for (pair, end) in pairs(query) {
        let (shown, hidden) = shown(pair);
        line.push_str(&quoted(shown));
        line.push_str(if hidden { "[^&]*" } else { "" });
        line.push_str(end);
    }
    line
}

/// Text as a regex that matches exactly that text.
fn quoted(text: &str) -> String {
    let mut regex = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            regex.push('\\');
        }
        regex.push(c);
    }
    regex
}

/// The pairs of a query, each with its separator. Old engines split at semicolons too.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split_inclusive(['&', ';']).map(|pair| {
        let end = pair.trim_end_matches(['&', ';']).len();
        pair.split_at(end)
    })
}

/// What may be shown of a pair, and whether a part is hidden. A key without a value may itself be a
/// pasted secret, even in base64 with its `=` at the end.
fn shown(pair: &str) -> (&str, bool) {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    if pair.is_empty() || OPEN_KEYS.contains(&key) {
        (pair, false)
    } else if value.bytes().all(|byte| byte == b'=') {
        ("", true)
    } else {
        (&pair[..=key.len()], true)
    }
}

/// The target as it may be logged: visible ASCII, without anything in the query that may be secret.
pub(super) fn loggable(target: &Uri) -> Cow<'_, str> {
    // Without a user and a password.
    let host = || {
        let authority = target
            .authority()
            .map_or("", |authority| authority.as_str());
        authority.rsplit('@').next().unwrap_or_default()
    };
    let Some(line) = target.path_and_query() else {
        return visible(beginning(host())).into_owned().into();
    };
    let query = line.query().unwrap_or_default();
    let is_short = line.as_str().len() <= LONGEST_TARGET;
    let is_plain = is_short && target.scheme().is_none() && is_visible(line.as_str());
    if is_plain && pairs(query).all(|(pair, _)| !shown(pair).1) {
        return line.as_str().into();
    }
    let mut text = match target.scheme_str() {
        Some(scheme) => format!("{scheme}://{}", visible(host())),
        None => String::new(),
    };
    text.push_str(&visible(beginning(line.path())));
    text.push_str(if line.query().is_some() { "?" } else { "" });
    for (pair, end) in pairs(query) {
        if text.len() > LONGEST_TARGET {
            break;
        }
        let (shown, hidden) = shown(pair);
        text.push_str(&visible(beginning(shown)));
        text.extend([if hidden { HIDDEN } else { "" }, end]);
    }
    if text.len() > LONGEST_TARGET {
        text.truncate(beginning(&text).len());
        text.push_str(CUT);
    }
    text.into()
}

/// The beginning of a longer text, enough to see that it is longer.
pub(super) fn beginning(text: &str) -> &str {
    let end = (LONGEST_TARGET + 1..text.len()).find(|end| text.is_char_boundary(*end));
    end.map_or(text, |end| &text[..end])
}

/// Text with everything but visible ASCII escaped, so that no line can be forged.
fn visible(text: &str) -> Cow<'_, str> {
    if is_visible(text) {
        text.into()
    } else {
        text.as_bytes().escape_ascii().to_string().into()
    }
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_in_a_query_is_hidden() {
        for (target, logged) in [
            (
                "/containers/json?all=1&limit=2",
                "/containers/json?all=1&limit=2",
            ),
            (
                "/build?buildargs=%7B%22T%22%3A1%7D&t=x",
                "/build?buildargs=…&t=x",
            ),
            (
                "/images/create?fromSrc=http://u:p@h/&tag=",
                "/images/create?fromSrc=…&tag=",
            ),
            ("/containers/json?", "/containers/json?"),
            // Behind semicolons, in front of them, and with them alone.
            ("/x?all=1;token=secret", "/x?all=1;token=…"),
            ("/x?token=secret;all=1;;&", "/x?token=…;all=1;;&"),
            ("/x?all=1;secret", "/x?all=1;…"),
            ("/x?filters=a;secret;t=b", "/x?filters=a;…;t=b"),
            // Without a key, or with one that is all there is.
            ("/x?secret", "/x?…"),
            ("/x?all&secret&force", "/x?all&…&force"),
            ("/x?secret=", "/x?…"),
            ("/x?c2VjcmV0==", "/x?…"),
            ("/x?=secret", "/x?=…"),
            ("/x?a=b=c", "/x?a=…"),
            // Not spelled as it is known.
            ("/x?%74=secret", "/x?%74=…"),
            ("/x?T=secret", "/x?T=…"),
            ("/x?all%3Dsecret", "/x?…"),
            ("/x?%61ll", "/x?…"),
            // In other forms of a target.
            ("http://u:secret@h:1/x?secret", "http://h:1/x?…"),
            ("u:secret@docker:2375", "docker:2375"),
            ("docker:2375", "docker:2375"),
            ("*", "*"),
        ] {
            let target: Uri = target.parse().expect("a target");
            assert_eq!(loggable(&target), logged);
        }
    }

    #[test]
    fn a_long_target_is_cut() {
        let logged = |target: &str| loggable(&target.parse().expect("a target")).into_owned();
        let path = format!("/{}", "x".repeat(LONGEST_TARGET - 1));
        assert_eq!(logged(&path), path);
        // What is hidden makes it no longer.
        let hidden = format!("/build?buildargs={path}&t=x");
        assert_eq!(logged(&hidden), "/build?buildargs=…&t=x");
        for long in [
            format!("{path}xx"),
            format!("/{}", "ü".repeat(LONGEST_TARGET)),
            format!("/x?{}", "a=b&".repeat(LONGEST_TARGET)),
            format!("/x?all={path}{path}"),
            format!("/x?{}", "&".repeat(LONGEST_TARGET)),
            format!("http://h{path}xx"),
        ] {
            let line = logged(&long);
            assert!(line.ends_with(CUT), "{line}");
            assert!(line.len() < LONGEST_TARGET + 20, "{}", line.len());
        }
    }

    #[test]
    fn requests_are_written_as_profile_lines() {
        for (target, line) in [
            (
                "/v1.41/containers/json?all=1",
                r"GET /v1\.41/containers/json\?all=1",
            ),
            (
                "/build?remote=http://u:p@h/&t=x",
                r"GET /build\?remote=[^&]*&t=x",
            ),
            (
                "/x?filters=%7B%7D&a&b=&all;c=secret;t=1",
                r"GET /x\?filters=%7B%7D&[^&]*&[^&]*&all;c=[^&]*;t=1",
            ),
            ("/version?", r"GET /version\?"),
            ("/version", r"GET /version"),
        ] {
            let target: PathAndQuery = target.parse().expect("a target");
            assert_eq!(profile_line("GET", &target), line);
        }
    }
}
