//! The meaning of a policy, without the tree: what the tree is held against.

use dockgate::api::Target;
use dockgate::policy::{Body, Class, Condition, Effect, Matcher, Rule, Segment, Slash};

/// In a few lines and without any cleverness: the origins that allow it, or none.
pub(crate) fn naive<'a>(rules: &'a [Rule], target: &Target, body: Body) -> Vec<&'a str> {
    let method = target.method().expect("one of the seven");
    let inner = target.path().strip_prefix(b"/").expect("a path");
    let slash = inner.is_empty() || inner.ends_with(b"/");
    let inner = inner.strip_suffix(b"/").unwrap_or(inner);
    let segments: Vec<&[u8]> = inner
        .split(|byte| *byte == b'/')
        .filter(|s| !s.is_empty())
        .collect();
    let on = |segments: &[&[u8]], matcher: &Matcher| {
        let fits = match matcher.pattern.slash {
            Slash::Never => !slash,
            Slash::Optional => true,
            Slash::Always => slash,
        };
        fits && matcher.methods.contains(method) && matches(&matcher.pattern.segments, segments)
    };
    let query = target.query().unwrap_or("");
    let holds = |condition: &Condition| match condition {
        Condition::UnreadBody => !matches!(body, Body::Form | Body::Other),
        Condition::WithoutQuery(keys) => {
            body != Body::Form
                && !keys
                    .iter()
                    .any(|key| values(query).any(|own| own == key.to_lowercase()))
        }
    };
    let in_force = |rule: &Rule, segments: &[&[u8]]| {
        rule.matchers.iter().any(|matcher| on(segments, matcher))
            && rule.when.iter().all(holds)
            && rule.missing.is_empty()
            && rule
                .requirements
                .iter()
                .all(|more| more.missing.is_empty() || !on(segments, &more.matcher))
    };
    // Only a deny looks behind what another engine may take for a version.
    let behind = match &*segments {
        [[b'v', digit, ..], rest @ ..] if digit.is_ascii_digit() && (slash || !rest.is_empty()) => {
            Some(rest)
        }
        _ => None,
    };
    let denied = |rule: &Rule| {
        in_force(rule, &segments) || behind.is_some_and(|segments| in_force(rule, segments))
    };
    let of = |effect| rules.iter().filter(move |rule| rule.effect == effect);
    if of(Effect::Deny).any(denied) {
        return Vec::new();
    }
    let allows = of(Effect::Allow).filter(|rule| in_force(rule, &segments));
    allows.map(|rule| &*rule.origin).collect()
}

/// The keys of a query that have values, decoded and in lower case.
fn values(query: &str) -> impl Iterator<Item = String> {
    let pairs = query
        .split(['&', ';'])
        .filter_map(|pair| pair.split_once('='));
    let valued = pairs.filter(|(_, value)| !value.is_empty());
    valued.filter_map(|(key, _)| decoded(key))
}

fn decoded(key: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut parts = key.split('%');
    bytes.extend(parts.next()?.replace('+', " ").bytes());
    for part in parts {
        let byte = part.get(..2).filter(|hex| !hex.starts_with(['+', '-']))?;
        bytes.push(u8::from_str_radix(byte, 16).ok()?);
        bytes.extend(part[2..].replace('+', " ").bytes());
    }
    let folded = String::from_utf8(bytes).ok()?.replace('ſ', "s");
    Some(folded.to_lowercase())
}

fn matches(steps: &[Segment], segments: &[&[u8]]) -> bool {
    let Some((step, after)) = steps.split_first() else {
        return segments.is_empty();
    };
    let of = |class: Class, segment: &[u8]| {
        segment.iter().all(|byte| {
            let id = byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
            id || (class >= Class::Name && b":@".contains(byte)) || class == Class::Any
        })
    };
    match step {
        Segment::Rest => (0..=segments.len()).any(|n| matches(after, &segments[n..])),
        Segment::Run(class) => (1..=segments.len())
            .any(|n| segments[..n].iter().all(|s| of(*class, s)) && matches(after, &segments[n..])),
        Segment::One(_) | Segment::Literal(_) if segments.is_empty() => false,
        Segment::One(class) => of(*class, segments[0]) && matches(after, &segments[1..]),
        Segment::Literal(literal) => {
            segments[0] == literal.as_bytes() && matches(after, &segments[1..])
        }
    }
}
