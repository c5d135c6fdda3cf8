//! What verdicts say: one source for the 403's text, the log and `explain`.

use std::borrow::Cow;

use super::rule::{Condition, Grant};
use crate::api::sections::READ_BODY;

/// Nothing can be granted for a method that the Docker API does not have.
pub(super) fn no_such_method() -> &'static str {
    "the Docker API has no such method; it has GET, HEAD, POST, PUT, DELETE, PATCH and OPTIONS"
}

/// What a denied request lacks besides, once nothing denies it.
pub(super) enum Lacks {
    /// Nothing: it is allowed then.
    Nothing,
    /// What this says.
    Remedy(String),
    /// All: no section or action covers it.
    All,
}

/// A write that no action has is refused by all denies that are set; so many of them are named.
const MOST_DENIES: usize = 3;

/// For a request that a deny refuses: by which ones, and what else it lacks to be allowed.
pub(super) fn denied(denies: &[&str], lacks: Lacks) -> String {
    let mut origins: Vec<String> = denies.iter().map(ToString::to_string).collect();
    if let Some(more @ 1..) = origins.len().checked_sub(MOST_DENIES) {
        origins.truncate(MOST_DENIES);
        origins.push(format!("{more} more"));
    }
    let (verb, object) = if origins.len() == 1 {
        ("denies", "that")
    } else {
        ("deny", "them")
    };
    let denies = format!("{} {verb} it", list(&origins));
    match lacks {
        Lacks::Nothing => format!("{denies}; take {object} out to allow it"),
        Lacks::Remedy(remedy) => format!("{denies}; take {object} out, then {remedy}"),
        Lacks::All => format!("{denies}, and no section or action covers it"),
    }
}

/// For a request that no rule allows: which rules would but for a failed condition, and what else
/// would have to be set. `None` if no rule is about it.
pub(super) fn remedy<'a>(
    limits: impl Iterator<Item = (&'a str, &'a [Condition])>,
    failed: &[&Condition],
    offers: impl Iterator<Item = &'a [&'a Grant]>,
) -> Option<String> {
    // Who wrote something that does not grant, meant just that.
    let (meant, others): (Vec<_>, Vec<_>) =
        offers.partition(|offer| offer.iter().any(|grant| grant.misread.is_some()));
    // What brings more than was asked for is the last resort.
    let (wide, narrow): (Vec<_>, Vec<_>) = others
        .into_iter()
        .partition(|offer| offer.iter().any(|grant| !grant.brings.is_empty()));
    let mut choices = [meant, narrow, wide].into_iter();
    let offers = choices
        .find(|offers| !offers.is_empty())
        .unwrap_or_default();
    let mut limits: Vec<String> = limits
        .map(|(origin, when)| {
            let broken = when.iter().filter(|condition| failed.contains(condition));
            let broken: Vec<String> = broken.map(condition).collect();
            format!("{origin} allows it only {}", broken.join(" and "))
        })
        .collect();
    limits.dedup();
    let mut readings: Vec<String> = Vec::new();
    let mut alternatives: Vec<String> = Vec::new();
    for offer in offers {
        for grant in offer {
            if let Some(value) = &grant.misread {
                readings.push(value_reading(&grant.variable, value, false));
            }
        }
        let grants = offer.iter().map(|grant| format!("{}=1", grant.variable));
        let mut alternative = list(&grants.collect::<Vec<_>>());
        alternative += &brought(offer);
        if !alternatives.contains(&alternative) {
            alternatives.push(alternative);
        }
    }
    readings.sort_unstable();
    readings.dedup();
    let offers = match (alternatives.is_empty(), readings.is_empty()) {
        (true, _) => None,
        (false, true) => Some(format!("set {}", alternatives.join(", or "))),
        (false, false) => Some(format!(
            "{}; write {}",
            list(&readings),
            alternatives.join(", or ")
        )),
    };
    match (limits.is_empty(), offers) {
        (true, offers) => offers,
        (false, None) => Some(limits.join("; ")),
        (false, Some(offers)) => Some(format!("{}; else {offers}", limits.join("; "))),
    }
}

/// What grants bring besides: `, which also grants EVENTS, PING and VERSION unless they are 0`.
fn brought(offer: &[&Grant]) -> String {
    let offered = |name: &&str| offer.iter().any(|grant| *grant.variable == **name);
    let brings = offer.iter().flat_map(|grant| &grant.brings);
    let mut brings: Vec<&str> = brings.copied().filter(|name| !offered(name)).collect();
    brings.sort_unstable();
    brings.dedup();
    let brings: Vec<String> = brings.into_iter().map(str::to_owned).collect();
    match brings.as_slice() {
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

/// Text from outside on one line: as it is if that is plain, else quoted, escaped and cut short.
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

/// A path in the one spelling that denials use: plain characters as they are, the rest encoded.
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
