//! The one law: whatever `Target::parse` takes, the engine's router matches exactly the path that
//! was decided on, and what it routes to is granted. An input is a request line: `METHOD target`.

#![no_main]

mod support;

use std::sync::LazyLock;

use dockgate::api::{Target, encode_target};
use dockgate::policy::{Body, Verdict};
use http::{Method, Uri};
use libfuzzer_sys::fuzz_target;
use support::router::{Asked, ROWS, Row, Served, routes, served};
use support::{Granted, policies};

static POLICIES: LazyLock<Vec<Granted>> = LazyLock::new(policies);

fuzz_target!(|line: &[u8]| {
    let Some(space) = line.iter().position(|byte| *byte == b' ') else {
        return;
    };
    let (method, sent) = (&line[..space], &line[space + 1..]);
    let Some((target, forwarded)) = parse(method, sent) else {
        return;
    };
    let routed = the_engine_matches_what_is_decided_on(&target, sent, &forwarded);
    for policy in &*POLICIES {
        for length in [Some(0), Some(7), Some(8), None] {
            what_is_allowed_is_granted(policy, &target, &routed, length);
        }
    }
});

/// As the wire does it: the target is encoded, and hyper's parser makes a `Uri` of that.
fn parse(method: &[u8], sent: &[u8]) -> Option<(Target, Vec<u8>)> {
    let text = str::from_utf8(method).ok().zip(str::from_utf8(sent).ok());
    let told = text.map(|(method, sent)| Target::from_line(method, sent).is_ok());
    let forwarded = encode_target(sent).ok()?.into_owned();
    let parsed = Method::from_bytes(method)
        .ok()
        .zip(Uri::try_from(&*forwarded).ok())
        .and_then(|(method, uri)| Target::parse(&method, &uri).ok());
    assert_eq!(told.unwrap_or(parsed.is_some()), parsed.is_some());
    Some((parsed?, forwarded))
}

fn the_engine_matches_what_is_decided_on(
    target: &Target,
    sent: &[u8],
    forwarded: &[u8],
) -> Vec<&'static Row> {
    assert_eq!(target.path_and_query().as_str().as_bytes(), forwarded);
    let Served::Path(path) = served(forwarded) else {
        panic!("the engine does not serve it as it is: {target:?}");
    };
    assert_eq!(served(sent), Served::Path(path.clone()), "{target:?}");
    let query = forwarded.splitn(2, |byte| *byte == b'?').nth(1);
    assert_eq!(target.query().map(str::as_bytes), query, "{target:?}");

    let routed = routes(target.method_str(), &path);
    let decided = ROWS
        .iter()
        .filter(|row| row.method == target.method_str() && row.fits(target.path()));
    let same = |one: &&Row, other: &&Row| std::ptr::eq(*one, *other);
    assert!(
        routed.len() == decided.clone().count()
            && routed
                .iter()
                .zip(decided)
                .all(|(one, other)| same(one, &other)),
        "{target:?} is routed to {routed:?}"
    );
    let switches = routed.iter().any(|row| row.switches);
    assert_eq!(
        !target.upgrade_protocols().is_empty(),
        switches,
        "{target:?}"
    );
    routed
}

fn what_is_allowed_is_granted(
    policy: &Granted,
    target: &Target,
    routed: &[&'static Row],
    length: Option<u64>,
) {
    let asked = |row| Asked {
        row,
        query: target.query().unwrap_or(""),
        length,
    };
    let body = Body::of(length, false);
    let verdict = policy
        .settings
        .policies
        .default()
        .decide(target.clone(), body);
    match &verdict {
        Verdict::Allow(permit) => {
            assert_eq!(permit.target().path_and_query(), target.path_and_query());
            for row in routed {
                assert!(
                    policy.grants(asked(row)),
                    "{verdict} for {row:?}: {target:?}"
                );
            }
        }
        Verdict::WouldDeny(..) => panic!("nobody took the protection away"),
        Verdict::Deny(denial) => {
            let message = denial.message();
            let plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
            assert!(message.bytes().all(plain), "{message}");
            // A hole is wider than the route that it guards, for the engines to come.
            let path = target.path().strip_suffix(b"/").unwrap_or(target.path());
            let in_a_hole = path.ends_with(b"/exec") || path.ends_with(b"/attach/ws");
            let granted = routed.iter().all(|row| policy.sections_grant(asked(row)));
            assert!(
                routed.is_empty() || !granted || in_a_hole,
                "{message}, but its section is granted"
            );
        }
    }
}
