//! What verdicts say: the one place where a [`Remedy`](super::Remedy) becomes text.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::notation::Notation;
use super::remedy::{Alternative, BadVersion, Excess, Miss, Obstacle, Unmet};
use super::rule::Condition;
use crate::api::sections::READ_BODY;

/// A write below `/libpod` that no action covers is denied by every deny that is set. At most this
/// many are named.
const MOST_DENIES: usize = 3;

/// What is in the way of a request, and how to clear it.
pub(super) fn obstacles(obstacles: &[Obstacle], notation: Notation) -> String {
    if let [Obstacle::Denied(origins), rest @ ..] = obstacles {
        return denied(origins, rest, notation);
    }
    let mut text = String::new();
    for (at, obstacle) in obstacles.iter().enumerate() {
        text += match (obstacle, at) {
            (_, 0) => "",
            (Obstacle::NotGranted(_), _) => "; otherwise ",
            _ => "; ",
        };
        text += &one(obstacle, notation);
    }
    text
}

/// The denies that refuse it, and what else is in the way.
fn denied(origins: &[Arc<str>], rest: &[Obstacle], notation: Notation) -> String {
    let mut origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
    if let Some(more @ 1..) = origins.len().checked_sub(MOST_DENIES) {
        origins.truncate(MOST_DENIES);
        origins.push(format!("{more} more"));
    }
    let is_entry = |origin: &String| origin.starts_with(|letter: char| letter.is_ascii_lowercase());
    let (are, remove) = match (&*origins, origins.iter().any(is_entry)) {
        ([_], false) => ("is set", "unset it"),
        ([_], true) => ("is in gates", "remove it from gates"),
        (_, false) => ("are set", "unset them"),
        (_, true) => ("are set", "remove them"),
    };
    let denies = format!("{} {are}", list(&origins));
    match rest {
        [] => format!("{denies}; {remove} to allow this request"),
        [Obstacle::Uncovered(None)] => format!("{denies}, and {UNCOVERED}"),
        rest => format!("{denies}; {remove}, then {}", obstacles(rest, notation)),
    }
}

/// At most this many are named of what a request asks for too much.
const MOST_EXCESSES: usize = 3;
/// So many characters are shown of a place, and of a reason.
const MOST_PLACE: usize = 80;
const MOST_WHY: usize = 160;
/// The same for what a rule says.
const MOST_BROKEN: usize = 240;

/// `HostConfig.Binds[0] "/etc:/x" reaches the host's files`, or
/// `HostConfig.Binds[0]: /etc is not allowed: BIND_FROM has /srv/ci`.
fn excess(excess: &Excess) -> String {
    let Excess {
        of,
        place,
        value,
        why,
        by,
    } = excess;
    let of = of
        .as_ref()
        .map_or(String::new(), |of| format!("{}: ", plain(of, MOST_PLACE)));
    let colon = if by.is_some() { ":" } else { "" };
    let value = match &**value {
        "" => String::new(),
        value => format!("{colon} {}", plain(value, MOST_PLACE)),
    };
    format!(
        "{of}{}{value} {}",
        plain(place, MOST_PLACE),
        plain(why, MOST_WHY)
    )
}

/// Text from outside as ASCII on one line, and cut.
fn plain(text: &str, longest: usize) -> String {
    let mut plain = String::new();
    for letter in text.chars() {
        if plain.len() >= longest {
            return plain + "...";
        }
        match letter {
            ' '..='~' => plain.push(letter),
            other => plain.extend(other.escape_default()),
        }
    }
    plain
}

const UNCOVERED: &str = "no section or action covers this request";

fn one(obstacle: &Obstacle, notation: Notation) -> String {
    match obstacle {
        Obstacle::Denied(origins) => denied(origins, &[], notation),
        Obstacle::Limited { origin, failed } => {
            let failed: Vec<String> = failed.iter().map(condition).collect();
            format!("{origin} allows this request only {}", failed.join(" and "))
        }
        Obstacle::NotGranted(alternatives) => not_granted(alternatives, notation),
        Obstacle::Uncovered(None) => UNCOVERED.to_owned(),
        Obstacle::Uncovered(Some(lists)) => {
            let pattern = format!("an SP_ALLOW_{} pattern", lists.method.as_str());
            let line = "a profile line";
            match (lists.pattern, lists.line) {
                (true, true) => format!("{UNCOVERED}; {pattern} or {line} can allow it"),
                (true, false) => format!("{UNCOVERED}; {pattern} can allow it"),
                (false, true) => format!("{UNCOVERED}; {line} can allow it"),
                (false, false) => {
                    format!("{UNCOVERED}, and no pattern or profile line can allow it")
                }
            }
        }
        Obstacle::Version(BadVersion::Odd) => {
            "the first path segment is not an API version like v1.41; DOCKER_API_VERSION must look \
             like 1.41, without v or quotes"
                .to_owned()
        }
        Obstacle::Version(BadVersion::Second) => {
            "the path has two API versions; remove the one in the client's address".to_owned()
        }
        Obstacle::Unmatched { what, miss } => {
            let unmatched = match miss {
                Miss::Path(path) => path,
                Miss::NotAscii => "a path with non-ASCII bytes",
                Miss::Target => "this request",
                Miss::Form => "a request with a form body",
                Miss::Escapes => "a path with unnecessary or missing escapes",
            };
            format!("no {what} matches {unmatched}")
        }
        Obstacle::Unmet(Unmet::Unreadable(variable, why)) => {
            format!("{variable} cannot judge it: {}", plain(why, MOST_WHY))
        }
        Obstacle::Unmet(Unmet::Excess(variable, excesses)) => {
            // A limit is named behind what it does not allow, the variable before what it refuses.
            let (limited, own): (Vec<_>, Vec<_>) =
                excesses.iter().partition(|one| one.by.is_some());
            let first = limited.len();
            let told = limited.into_iter().chain(own).enumerate();
            let told = told.take(MOST_EXCESSES).map(|(at, one)| match at == first {
                true => format!("{variable}: {}", excess(one)),
                false => excess(one),
            });
            let more = match excesses.len().saturating_sub(MOST_EXCESSES) {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            let text = told.collect::<Vec<_>>().join("; ");
            format!("{text}{more}")
        }
        Obstacle::Unmet(Unmet::Broken(broken)) => {
            let told = broken.iter().take(MOST_EXCESSES);
            let told = told.map(|one| format!("{}: {}", one.rule, plain(&one.why, MOST_BROKEN)));
            let more = match broken.len().saturating_sub(MOST_EXCESSES) {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            format!("{}{more}", told.collect::<Vec<_>>().join("; "))
        }
        Obstacle::NoPolicy => {
            "this client has the policy none, which refuses all requests".to_owned()
        }
        Obstacle::NoChoice => "the label dockgate.policy of this client's container must name a \
                               policy with by_label: true"
            .to_owned(),
        Obstacle::Labels(wrong) => format!(
            "this client's container has labels that cannot be used: {}",
            plain(wrong, MOST_WHY)
        ),
        Obstacle::UnknownMethod => {
            "unknown method; use GET, HEAD, POST, PUT, DELETE, PATCH or OPTIONS".to_owned()
        }
    }
}

/// How misread variables were read, and what to set.
fn not_granted(all: &[Alternative], notation: Notation) -> String {
    let mut readings: BTreeSet<String> = BTreeSet::new();
    let mut alternatives: Vec<String> = Vec::new();
    for alternative in Alternative::shown(all) {
        for grant in &alternative.grants {
            let misread = grant.misread.as_deref();
            readings.extend(misread.map(|value| value_reading(&grant.variable, value, false)));
        }
        let grants = alternative.variables().map(|name| notation.set(name, 1));
        let grants: Vec<String> = grants.collect();
        alternatives.push(list(&grants) + &brought(alternative));
    }
    let alternatives = alternatives.join(", or ");
    match Vec::from_iter(readings).as_slice() {
        [] => format!("set {alternatives}"),
        readings => format!("{}; use {alternatives}", list(readings)),
    }
}

/// The side effects of grants: `, which also grants EVENTS, PING and VERSION unless they are 0`.
fn brought(alternative: &Alternative) -> String {
    let brings = alternative.brings().into_iter().map(str::to_owned);
    match Vec::from_iter(brings).as_slice() {
        [] => String::new(),
        [one] => format!(", which also grants {one} unless it is 0"),
        some => format!(", which also grants {} unless they are 0", list(some)),
    }
}

/// How a value was read: `CONTAINERS=true is read as 0`.
pub fn value_reading(variable: &str, value: &str, grants: bool) -> String {
    format!(
        "{variable}={} is read as {}",
        printable(value),
        u8::from(grants)
    )
}

/// Text from outside, on one line: unchanged if it is plain; otherwise quoted, escaped and cut.
pub fn printable(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 64;
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain && text.len() <= LONGEST {
        return text.into();
    }
    let short: String = text.chars().take(LONGEST).collect();
    let cut = if short.len() < text.len() { "..." } else { "" };
    if !short.is_empty() && short.bytes().all(|byte| byte.is_ascii_graphic()) {
        short + cut
    } else {
        format!("\"{}{cut}\"", short.escape_default())
    }
    .into()
}

/// A path as denials spell it: plain characters as they are, the rest percent-encoded.
pub(super) fn path(path: &[u8]) -> Cow<'_, str> {
    const LONGEST: usize = 200;
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"%?#\"".contains(&byte);
    let all_plain = path.len() <= LONGEST && path.iter().copied().all(is_plain);
    if let (true, Ok(path)) = (all_plain, str::from_utf8(path)) {
        return path.into();
    }
    let mut text = String::new();
    for &byte in path {
        if text.len() >= LONGEST {
            text.push_str("...");
            break;
        }
        if is_plain(byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text.into()
}

fn condition(condition: &Condition) -> String {
    match condition {
        Condition::UnreadBody => format!("without {READ_BODY}"),
        Condition::WithoutQuery(keys) => {
            format!("without {} in the query or a form", keys.join(" or "))
        }
    }
}

/// `a`, `a and b`, `a, b and c`.
fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
