//! The meaning of a policy, without the tree: what the tree is held against.

use dockgate::{
    api::Target,
    policy::{Body, Class, Condition, Effect, Route, Rule, Slash, Step},
};

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
    let on = |route: &Route| {
        let fits = match route.pattern.slash {
            Slash::Never => !slash,
            Slash::Optional => true,
            Slash::Always => slash,
        };
        fits && route.methods.contains(method) && matches(&route.pattern.steps, &segments)
    };
    let holds = |condition: &Condition| match condition {
        Condition::EmptyBody => body == Body::Empty,
        Condition::WithoutQuery(keys) => {
            body != Body::Form
                && !target.query().unwrap_or("").split(['&', ';']).any(|pair| {
                    let key = pair.split('=').next().unwrap_or(pair);
                    keys.contains(&key) || key.contains('%') || key.contains('+')
                })
        }
    };
    let in_force = |rule: &&Rule| {
        rule.routes.iter().any(on)
            && rule.when.iter().all(holds)
            && rule.missing.is_empty()
            && rule
                .holes
                .iter()
                .all(|hole| hole.missing.is_empty() || !on(&hole.route))
    };
    let (denies, allows): (Vec<&Rule>, Vec<&Rule>) = rules
        .iter()
        .filter(in_force)
        .partition(|rule| rule.effect == Effect::Deny);
    if denies.is_empty() {
        allows.iter().map(|rule| &*rule.origin).collect()
    } else {
        Vec::new()
    }
}

fn matches(steps: &[Step], segments: &[&[u8]]) -> bool {
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
        Step::Rest => (0..=segments.len()).any(|n| matches(after, &segments[n..])),
        Step::Run(class) => (1..=segments.len())
            .any(|n| segments[..n].iter().all(|s| of(*class, s)) && matches(after, &segments[n..])),
        Step::One(_) | Step::Literal(_) if segments.is_empty() => false,
        Step::One(class) => of(*class, segments[0]) && matches(after, &segments[1..]),
        Step::Literal(literal) => {
            segments[0] == literal.as_bytes() && matches(after, &segments[1..])
        }
    }
}
