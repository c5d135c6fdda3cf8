//! Requests that are raised to a newer version of the API: what is judged of them is what is forwarded.

use std::sync::Arc;

use super::*;
use crate::api::{Framing, Message, Target, Version};
use crate::body::inspection::{Answer, Fact, Others, Step, begin};
use crate::body::json::Value;
use crate::config::{ConfiguredPolicy, Settings};
use crate::policy::{Content, Judged, Passage, Verdict};

/// What such a policy is, beside the grants.
const POLICIES: [&[(&str, &str)]; 6] = [
    &[],
    &[("DENY_ROOT", "1")],
    &[("PIDS_MAX", "64"), ("REQUIRE", "no-new-privileges")],
    &[
        ("RULE_A", "body.HostConfig.IpcMode != 'shareable' : \"no\""),
        ("RULE_A_ON", "POST /containers/create"),
    ],
    &[
        ("DENY_ROOT", "1"),
        ("MEMORY_MAX", "1g"),
        ("SECURITY", "seccomp=unconfined"),
    ],
    &[("DRY_RUN", "1"), ("DENY_ROOT", "1")],
];

const BODIES: [(&str, &str); 12] = [
    ("/containers/create?platform=x&name=a", r#"{"Image":"a"}"#),
    (
        "/containers/create",
        r#"{"Image":"a","HostConfig":{"IpcMode":"host"}}"#,
    ),
    (
        "/containers/create",
        r#"{"HostConfig":{"Privileged":true,"ConsoleSize":[1,2]}}"#,
    ),
    (
        "/containers/create",
        r#"{"HostConfig":{"Annotations":{"a":"b"},"CgroupnsMode":"host"}}"#,
    ),
    (
        "/containers/create",
        r#"{"HostConfig":{"Mounts":[{"Type":"bind","Source":"/srv","Target":"/a","ReadOnly":true}]}}"#,
    ),
    (
        "/containers/create",
        r#"{"HostConfig":{"Mounts":[{"Type":"tmpfs","Target":"/a","VolumeOptions":{"DriverConfig":{"Name":"x"}}}]}}"#,
    ),
    (
        "/containers/create",
        r#"{"HostConfig":{"Capabilities":["SYS_ADMIN"]}}"#,
    ),
    (
        "/services/create",
        r#"{"TaskTemplate":{"ContainerSpec":{"Image":"a","Privileges":{"NoNewPrivileges":true}},"Resources":{"Limits":{"Pids":5}}}}"#,
    ),
    (
        "/services/create",
        r#"{"Networks":[{"Target":"host"}],"TaskTemplate":{"ContainerSpec":{"Image":"a"}}}"#,
    ),
    (
        "/volumes/create",
        r#"{"Name":"a","ClusterVolumeSpec":{"Group":"b"}}"#,
    ),
    ("/volumes/prune", ""),
    ("/images/create?fromImage=a&platform=b", ""),
];

/// A policy of all grants and these variables, perhaps with a lower bound.
fn with_policy<T>(
    more: &[(&str, &str)],
    min: bool,
    then: impl FnOnce(&ConfiguredPolicy) -> T,
) -> T {
    let mut set = vec![
        ("CONTAINERS", "1"),
        ("SERVICES", "1"),
        ("VOLUMES", "1"),
        ("IMAGES", "1"),
        ("POST", "1"),
    ];
    set.extend(more);
    if min {
        set.push(("API_VERSION_MIN", "1.24"));
    }
    let settings = Settings::load(&set.into_iter().collect()).expect("good settings");
    let (_, policy) = settings.policies.iter().next().expect("a policy");
    then(policy)
}

/// What the engine says: on version 1 of control groups.
fn answer(fact: &Fact) -> Answer {
    let (status, text) = match fact {
        Fact::Info => (
            200,
            r#"{"CgroupVersion":"1","SecurityOptions":["name=seccomp,profile=builtin"],"DefaultRuntime":"runc"}"#,
        ),
        Fact::Version => (200, r#"{"ApiVersion":"1.52","MinAPIVersion":"1.44"}"#),
        _ => (404, r#"{"message":"no such thing"}"#),
    };
    Answer::read(fact, status, text.as_bytes())
}

#[test]
fn the_route_is_known() {
    assert_eq!(rule().matchers.len(), 1);
}

#[test]
fn bounds_that_cannot_be_kept_are_refused() {
    for (set, told) in [
        (
            &[(MIN, "1.44"), (MAX, "1.40")][..],
            "API_VERSION_MAX: 1.40 is lower than API_VERSION_MIN, which is 1.44",
        ),
        (&[(MIN, "1.23")], "API_VERSION_MIN: 1.23 is lower than 1.24"),
        (
            &[(MAX, "latest")],
            "API_VERSION_MAX: latest is not a version of the Docker API",
        ),
    ] {
        let snapshot = set.iter().copied().collect();
        let mistakes = Settings::load(&snapshot).expect_err(told);
        let found: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert!(found.iter().any(|one| one.contains(told)), "{found:?}");
    }
    let unset = [(MIN, ""), (MAX, "")].into_iter().collect();
    let settings = Settings::load(&unset).expect("good settings");
    let (_, policy) = settings.policies.iter().next().expect("a policy");
    assert_eq!(policy.demands.versions, None);
}

/// What becomes of a request: what is forwarded, or why nothing is; and what its terms are.
fn judged(
    policy: &ConfiguredPolicy,
    target: Target,
    body: &[u8],
) -> Result<(String, Vec<u8>), String> {
    let message = Message::new(Framing::Sized(body.len() as u64));
    let permit = match policy.decide(target, message) {
        Verdict::Allow(permit) | Verdict::WouldDeny(permit, _) => permit,
        Verdict::Deny(denial) => return Err(denial.message()),
    };
    let is_raised = permit.target().asked().is_some();
    assert_eq!(permit.terms().contains(&Term::Older), is_raised);
    let inspection = match permit.passage() {
        Passage::Inspect(inspection) => inspection,
        Passage::Stream(cleared) => {
            let line = cleared.target().path_and_query().to_string();
            return Ok((line, body.to_vec()));
        }
    };
    let others = Arc::<Others>::default();
    let mut step = begin(inspection, policy.demands.clone(), others, || Value::Null);
    let judged = loop {
        step = match step {
            Step::Read(reading) => reading.read(body.to_vec()),
            Step::Ask(asking) => {
                let needs = asking.needs().to_vec();
                let answers = needs.into_iter().map(|fact| {
                    let answer = answer(&fact);
                    (fact, answer)
                });
                asking.answered(answers.collect::<Vec<_>>())
            }
            Step::Judged(judged) => break judged,
            other => panic!("{other:?}"),
        };
    };
    match judged {
        Judged::Deny(denial) => Err(denial.message()),
        Judged::Clear(cleared) | Judged::WouldDeny(cleared, _) => {
            let (target, _, content, _) = cleared.into_parts();
            let sent = match content {
                Content::Whole(bytes) => bytes,
                Content::AsSent => body.to_vec(),
            };
            Ok((target.path_and_query().to_string(), sent))
        }
    }
}

/// The verdict on what is forwarded is the verdict on what was sent, for each policy, version and body; and
/// what is forwarded is forwarded as it is.
#[test]
fn no_verdict_differs_from_that_on_what_is_forwarded() {
    let (mut passed, mut refused) = (0, 0);
    for more in POLICIES {
        let both = with_policy(more, true, |bounded| {
            with_policy(more, false, |plain| compared(more, bounded, plain))
        });
        passed += both.0;
        refused += both.1;
    }
    assert!(passed > 150 && refused > 50, "{passed} {refused}");
}

/// How many requests pass and how many do not.
fn compared(
    more: &[(&str, &str)],
    bounded: &ConfiguredPolicy,
    plain: &ConfiguredPolicy,
) -> (u32, u32) {
    let (mut passed, mut refused) = (0, 0);
    let bounds = bounded.demands.versions.expect("bounds");
    assert_eq!(plain.demands.versions, None);
    for (path, body) in BODIES {
        for minor in [24, 30, 39, 40, 41, 43, 44, 52] {
            let line = format!("/v1.{minor}{path}");
            let sent = Target::from_line("POST", &line).expect("a target");
            let raised = bounds.raise(sent, Version(1, 44));
            assert_eq!(raised.asked().is_some(), minor < 44, "{line}");
            let found = judged(bounded, raised.clone(), body.as_bytes());
            match &found {
                Ok((line, written)) => {
                    passed += 1;
                    let target = Target::from_line("POST", line).expect("a target");
                    assert_eq!(target.version(), raised.version());
                    let again = judged(plain, target.clone(), written);
                    let tree = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
                    let (_, twice) = again.unwrap_or_else(|why| panic!("{more:?} {line}: {why}"));
                    assert_eq!(tree(&twice), tree(written), "{more:?} {line} {body}");
                }
                Err(why) => {
                    refused += 1;
                    // What has no word in the newer version is refused by no other policy.
                    let is_gone = why.contains("cannot be asked for in API");
                    let target = Target::from_line("POST", raised.path_and_query().as_str());
                    let target = target.expect("a target");
                    let other = judged(plain, target, body.as_bytes());
                    let is_older = raised.asked().is_some();
                    assert!(
                        is_older || other == Err(why.clone()),
                        "{more:?} {line} {body}"
                    );
                    assert!(!is_gone || is_older, "{why}");
                }
            }
        }
    }
    (passed, refused)
}
