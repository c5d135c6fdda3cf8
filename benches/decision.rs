//! How long a decision takes: from what hyper's parser made of a request line to the verdict.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use dockgate::api::Target;
use dockgate::api::sections::SECTIONS;
use dockgate::config::{Settings, Snapshot};
use dockgate::policy::{Body, Policy, Verdict};
use http::{Method, Uri};

/// The longest route of the API, with a version and a whole container id.
const LONGEST: &str = "/v1.51/containers/\
     0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/checkpoints/before-upgrade";
/// The same, with its slashes encoded as some clients do.
const ENCODED: &str = "/v1.51/containers/\
     0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef%2Fcheckpoints%2Fbefore-upgrade";
/// No section has it.
const NOWHERE: &str = "/v1.51/container/\
     0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/checkpoints/before-upgrade";

fn decisions(criterion: &mut Criterion) {
    let one = policy(|section| section == "CONTAINERS");
    let every = policy(|_| true);
    for (name, policy, path, allowed) in [
        ("allowed-one-section", &one, LONGEST, true),
        ("allowed-every-section", &every, LONGEST, true),
        ("denied", &every, NOWHERE, false),
        ("encoded", &every, ENCODED, true),
    ] {
        let uri: Uri = path.parse().expect("a request target");
        // hyper's targets share the request's bytes already; the first clone makes this one do so.
        let _shared = uri.clone();
        let decide = || {
            let target = Target::parse(black_box(&Method::DELETE), black_box(&uri));
            policy.decide(target.expect("a target"), Body::Empty)
        };
        assert_eq!(matches!(decide(), Verdict::Allow(_)), allowed, "{name}");
        criterion.bench_function(name, |bencher| bencher.iter(decide));
    }
}

/// What grants POST and these sections, and no others.
fn policy(granted: impl Fn(&str) -> bool) -> std::sync::Arc<Policy> {
    let sections = SECTIONS
        .iter()
        .map(|section| (section.name, if granted(section.name) { "1" } else { "0" }));
    let environment: Snapshot = sections.chain([("POST", "1")]).collect();
    let settings = Settings::load(&environment);
    let settings = settings.expect("a good configuration");
    settings.policies.into_default().compiled
}

criterion_group!(benches, decisions);
criterion_main!(benches);
