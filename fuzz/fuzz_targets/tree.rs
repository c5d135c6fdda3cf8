//! Tree and naive interpreter agree, whatever the rules and the paths.

#![no_main]

mod support;

use std::ops::RangeInclusive;

use arbitrary::{Result, Unstructured};
use dockgate::api::{Method, Methods, Target};
use dockgate::policy::{
    Body, Class, Condition, Effect, Grant, Matcher, Pattern, Policy, Requirement, Rule, Segment,
    Slash, Verdict,
};
use libfuzzer_sys::fuzz_target;
use support::naive::naive;

fuzz_target!(|data: &[u8]| {
    // Bytes that run out are read as zeros, so whatever they say is a policy.
    let _ = agree(&mut Unstructured::new(data));
});

/// Words of every class, those of one length and beginnings of others too.
const WORDS: &[&str] = &[
    "a", "b", "ab", "ba", "a:b", "b@", "é", "a b", "zz", "v1", "v1x", "libpod",
];
const QUERIES: &[&str] = &[
    "",
    "?",
    "?k=1",
    "?k=",
    "?k=&K=1",
    "?m=1",
    "?m=1;l=1",
    "?%6b=1",
    "?%e2%84%aa=1",
    "?m=%6b&k+=2",
];

fn agree(u: &mut Unstructured<'_>) -> Result<()> {
    let rules = list(u, 0..=5, rule)?;
    // What is too complex is refused, and that soon: the fuzzer's own limit of time is the judge.
    let Ok(policy) = Policy::new(&rules) else {
        return Ok(());
    };
    loop {
        let (target, body) = (target(u)?, *u.choose(&Body::ALL)?);
        let origins = naive(&rules, &target, body);
        match policy.decide(target.clone(), body) {
            Verdict::Allow(permit) => assert!(
                origins.contains(&&**permit.origin()),
                "only the tree allows {target:?} by {}: {rules:#?}",
                permit.origin()
            ),
            Verdict::WouldDeny(..) => panic!("nobody took the protection away"),
            Verdict::Deny(denial) => assert!(
                origins.is_empty(),
                "only the tree denies {target:?}, {}: {rules:#?}",
                denial.remedy()
            ),
        }
        if u.is_empty() {
            return Ok(());
        }
    }
}

fn list<T>(
    u: &mut Unstructured<'_>,
    length: RangeInclusive<usize>,
    one: fn(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let length = u.int_in_range(length)?;
    (0..length).map(|_| one(u)).collect()
}

fn rule(u: &mut Unstructured<'_>) -> Result<Rule> {
    Ok(Rule {
        origin: (*u.choose(&["R1", "R2", "R3"])?).into(),
        effect: *u.choose(&[Effect::Allow, Effect::Allow, Effect::Deny])?,
        matchers: list(u, 1..=2, matcher)?,
        when: list(u, 0..=2, condition)?,
        missing: list(u, 0..=1, grant)?,
        requirements: list(u, 0..=1, requirement)?,
    })
}

fn matcher(u: &mut Unstructured<'_>) -> Result<Matcher> {
    let methods = [Methods::ALL, Methods::READS, Methods::WRITES];
    let one = [Method::Get, Method::Post, Method::Options];
    let methods = match u.int_in_range(0..=5)? {
        set @ 0..=2 => methods[set],
        one_of => Methods::of(Some(one[one_of - 3])),
    };
    let pattern = Pattern {
        segments: list(u, 0..=4, segment)?,
        slash: *u.choose(&[Slash::Never, Slash::Optional, Slash::Always])?,
    };
    Ok(Matcher { methods, pattern })
}

fn segment(u: &mut Unstructured<'_>) -> Result<Segment> {
    Ok(match u.int_in_range(0..=6)? {
        0 => Segment::Rest,
        1 | 2 => Segment::One(*u.choose(&Class::ALL)?),
        3 | 4 => Segment::Run(*u.choose(&Class::ALL)?),
        _ => Segment::Literal((*u.choose(WORDS)?).to_owned()),
    })
}

fn condition(u: &mut Unstructured<'_>) -> Result<Condition> {
    Ok(match u.int_in_range(0..=2)? {
        0 => Condition::UnreadBody,
        1 => Condition::WithoutQuery(&["k"]),
        _ => Condition::WithoutQuery(&["k", "l"]),
    })
}

fn grant(u: &mut Unstructured<'_>) -> Result<Grant> {
    Ok(Grant {
        variable: (*u.choose(&["X", "Y"])?).into(),
        misread: None,
        brings: Vec::new(),
    })
}

fn requirement(u: &mut Unstructured<'_>) -> Result<Requirement> {
    Ok(Requirement {
        matcher: matcher(u)?,
        missing: list(u, 0..=1, grant)?,
    })
}

fn target(u: &mut Unstructured<'_>) -> Result<Target> {
    let mut line = String::new();
    for _ in 0..u.int_in_range(0..=6)? {
        line.push('/');
        for byte in u.choose(WORDS)?.bytes() {
            match byte {
                b'a'..=b'z' | b'1' | b':' | b'@' => line.push(char::from(byte)),
                _ => line.push_str(&format!("%{byte:02x}")),
            }
        }
    }
    if line.is_empty() || u.arbitrary()? {
        line.push('/');
    }
    let (method, query) = (u.choose(&Method::ALL)?, u.choose(QUERIES)?);
    Ok(Target::from_line(method.as_str(), &(line + query)).expect("a clean target"))
}
