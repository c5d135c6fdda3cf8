//! Recorded decisions of Tecnativa's proxy, and the contract on targets that no recording has.

use std::collections::{BTreeMap, HashMap};

use dockgate::api::Target;
use dockgate::config::{Settings, Snapshot};
use dockgate::policy::{Body, Policy, Verdict};

const ROWS: &str = include_str!("conformance/tecnativa.tsv");

fn settings(env: &[(&str, &str)]) -> Settings {
    Settings::load(&env.iter().copied().collect()).expect("a configuration that starts")
}

/// What reaches the engine.
fn allowed(policy: &Policy, method: &str, target: &str) -> bool {
    match Target::from_line(method, target) {
        Ok(target) => matches!(policy.decide(target, Body::Empty), Verdict::Allow(_)),
        Err(_) => false,
    }
}

/// Every row, by the column `expect`.
#[test]
fn every_recorded_decision_is_as_expected() {
    let mut settings_of: HashMap<&str, Settings> = HashMap::new();
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in ROWS.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let &[kind, env, method, target, _, expect, why] = columns.as_slice() else {
            panic!("not seven columns: {row}");
        };
        let settings = settings_of.entry(env).or_insert_with(|| {
            let env: BTreeMap<String, String> = serde_json::from_str(env).expect("env is JSON");
            Settings::load(&env.into_iter().collect::<Snapshot>()).expect("it starts")
        });
        let verdict = if allowed(settings.policies.default(), method, target) {
            "allow"
        } else {
            "deny"
        };
        if verdict != expect {
            wrong.push(format!(
                "{verdict}, expected {expect} {why}: {env} {method} {target}"
            ));
        }
        *counts.entry((kind, expect)).or_default() += 1;
    }
    println!(
        "recorded decisions: {counts:?}, policies: {}",
        settings_of.len()
    );
    assert!(
        wrong.is_empty(),
        "{} rows differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        counts.values().sum::<usize>() > 7000,
        "rows are missing: {counts:?}"
    );
}

/// Targets that no recording has: what becomes of them with everything granted.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// Answered 400, under every policy.
    Refused,
    /// Answered 403.
    Denied,
    /// Reaches the engine.
    Forwarded,
}
use Outcome::{Denied, Forwarded, Refused};

fn outcome(policy: &Policy, method: &str, target: &str) -> Outcome {
    match Target::from_line(method, target).map(|target| policy.decide(target, Body::Empty)) {
        Err(_) => Refused,
        Ok(Verdict::Deny(_) | Verdict::WouldDeny(..)) => Denied,
        Ok(Verdict::Allow(_)) => Forwarded,
    }
}

#[test]
fn targets_that_no_recording_has() {
    let every = [
        ("CONTAINERS", "1"),
        ("EXEC", "1"),
        ("POST", "1"),
        ("NETWORKS", "1"),
        ("IMAGES", "1"),
    ];
    let policy = settings(&every).policies.into_default();
    for (method, target, expected) in [
        // Absolute form, authority form, asterisk form, CONNECT.
        ("GET", "http://x/containers/json", Refused),
        ("GET", "http://containers/json", Refused),
        ("GET", "//containers/json", Refused),
        ("GET", "containers/json", Refused),
        ("GET", "localhost:2375", Refused),
        ("GET", "x", Refused),
        ("GET", "?/containers/json", Refused),
        ("GET", "", Refused),
        ("OPTIONS", "*", Refused),
        ("GET", "*", Refused),
        ("CONNECT", "localhost:2375", Refused),
        ("CONNECT", "/containers/json", Refused),
        // Bytes above 0x7e: encoded ones are a name, raw ones are refused.
        ("GET", "/images/é/json", Refused),
        ("GET", "/images/\u{7f}/json", Refused),
        ("GET", "/images/%c3%a9/json", Forwarded),
        ("GET", "/images/%80/json", Forwarded),
        ("GET", "/images/%ff/json", Forwarded),
        ("GET", "/images/%7F/json", Refused),
        ("GET", "/images/%7e/json", Forwarded),
        ("GET", "/images/%00/json", Refused),
        ("GET", "/images/%1f/json", Refused),
        ("GET", "/images/%20/json", Forwarded),
        // Backslash and fragment.
        ("GET", "/images/a\\b/json", Refused),
        ("GET", "/images/a%5cb/json", Refused),
        ("GET", "/images/json#", Refused),
        ("GET", "/images/json?a=1#b", Refused),
        ("GET", "/images/a%23b/json", Forwarded),
        ("GET", "/images/a%3Fb/json", Forwarded),
        // Escapes are decoded once; a leading or trailing %2F is a slash.
        ("GET", "/%2Fimages/json", Refused),
        ("GET", "%2Fimages/json", Refused),
        ("GET", "/networks%2F", Forwarded),
        ("GET", "/networks%2F/", Refused),
        ("GET", "/images/a%2F%2Fb/json", Refused),
        ("GET", "/images/a%252fb/json", Forwarded),
        ("GET", "/images%252fjson", Denied),
        ("GET", "/images/%", Refused),
        ("GET", "/images/%2", Refused),
        ("GET", "/images/%2g/json", Refused),
        ("GET", "/images/%2e%2e/json", Refused),
        ("GET", "/images/%2e/json", Refused),
        ("GET", "/images/..", Refused),
        ("GET", "/images/.../json", Forwarded),
        ("GET", "/v1%2e41%2Fimages%2Fjson", Forwarded),
        ("GET", "/v1.41", Denied),
        ("GET", "/v1.41/", Denied),
        ("GET", "/v1.41/v1.41/images/json", Denied),
        ("GET", "/", Denied),
        // The query is not judged.
        ("GET", "/images/json?", Forwarded),
        ("GET", "/images/json?a=../%zz&b=\\&//", Forwarded),
        (
            "GET",
            "/images/json?filters={\"label\":{\"a<b>\":true}}",
            Forwarded,
        ),
        ("GET", "/images/json?name=é", Forwarded),
        ("GET", "/images/json?a=\u{1}", Refused),
        ("GET", "/images/json?a=\u{7f}", Refused),
        // Methods are exact.
        ("GET", "/containers/json", Forwarded),
        ("OPTIONS", "/containers/json", Forwarded),
        ("OPTIONS", "/volumes", Denied),
        ("PATCH", "/images/json", Forwarded),
        ("TRACE", "/images/json", Denied),
        ("head", "/images/json", Denied),
        ("G(T", "/images/json", Refused),
        ("", "/images/json", Refused),
    ] {
        assert_eq!(
            outcome(&policy, method, target),
            expected,
            "{method} {target:?}"
        );
    }
    let longest = "/images/".len();
    let path = |length: usize| format!("/images/{}", "x".repeat(length - longest));
    assert_eq!(outcome(&policy, "GET", &path(65_534)), Forwarded);
    assert_eq!(outcome(&policy, "GET", &path(65_535)), Refused);
}

/// Holes: with any method, any number of segments and a trailing slash.
#[test]
fn exec_create_and_attach_ws_need_one_more_grant() {
    let exec = [
        "/containers/x/exec",
        "/containers/a/b/c/exec",
        "/v1.41/containers/x%2Fexec",
        "/containers/x/exec/",
    ];
    let ws = [
        "/containers/x/attach/ws",
        "/containers/a/b/attach/ws",
        "/containers/x/attach%2fws",
        "/containers/x/attach/ws/",
    ];
    let verdict = |env: &[(&str, &str)], method: &str, path: &str| {
        outcome(settings(env).policies.default(), method, path)
    };
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let reads = matches!(method, "GET" | "HEAD");
        for path in exec {
            let env = [("CONTAINERS", "1"), ("POST", "1")];
            assert_eq!(verdict(&env, method, path), Denied, "{method} {path}");
            let env = [("CONTAINERS", "1"), ("EXEC", "1")];
            let expected = if reads { Forwarded } else { Denied };
            assert_eq!(verdict(&env, method, path), expected, "{method} {path}");
            let env = [("EXEC", "1"), ("POST", "1")];
            assert_eq!(verdict(&env, method, path), Denied, "{method} {path}");
            let env = [("CONTAINERS", "1"), ("EXEC", "1"), ("POST", "1")];
            assert_eq!(verdict(&env, method, path), Forwarded, "{method} {path}");
        }
        for path in ws {
            assert_eq!(
                verdict(&[("CONTAINERS", "1")], method, path),
                Denied,
                "{method} {path}"
            );
            let env = [("CONTAINERS", "1"), ("POST", "1")];
            assert_eq!(verdict(&env, method, path), Forwarded, "{method} {path}");
        }
    }
    // No holes: other names.
    for path in [
        "/containers/exec",
        "/containers/x/exec/y",
        "/containers/x/execs",
        "/containers/x/ws",
    ] {
        assert_eq!(
            verdict(&[("CONTAINERS", "1")], "GET", path),
            Forwarded,
            "{path}"
        );
    }
}

#[test]
fn start_is_granted_alone_without_a_body_that_is_read_and_without_a_checkpoint() {
    let policy = settings(&[("ALLOW_START", "1")]).policies.into_default();
    let verdict = |target: &str, body: Body| {
        let target = Target::from_line("POST", target).expect("a clean target");
        matches!(policy.decide(target, body), Verdict::Allow(_))
    };
    assert!(verdict("/containers/x/start", Body::Empty));
    assert!(verdict(
        "/v1.23/containers/x/start?detachKeys=ctrl-p%2Cctrl-q&t=+1",
        Body::Empty
    ));
    // As Ansible, Portainer and Ruby's client send it: the engine does not read it.
    assert!(verdict(
        "/v1.23/containers/x/start",
        Body::of(Some(2), false)
    ));
    for length in [Some(0), Some(1), Some(7), Some(8), Some(u64::MAX), None] {
        for form in [false, true] {
            let allowed = verdict("/containers/x/start", Body::of(length, form));
            let unread = length.is_some_and(|length| length <= 7);
            assert_eq!(allowed, unread, "{length:?} {form}");
        }
    }
    for query in [
        "checkpoint=c",
        "checkpoint-dir=/",
        "a=1&checkpoint=c",
        "a=1;checkpoint=c",
        "check%70oint=c",
        "checkpoint%2ddir=/",
        "%63heckpoint=c",
        "checkpoint=&checkpoint=c",
        "checkpoint=c&checkpoint=",
        // Podman's spelling; it has none of these, but another engine might.
        "Checkpoint=c",
        "chec%E2%84%AApoint=c",
    ] {
        assert!(
            !verdict(&format!("/containers/x/start?{query}"), Body::Empty),
            "{query}"
        );
    }
    // A value is not a key, and a key without one is none.
    for query in [
        "a=checkpoint",
        "checkpoints=1",
        "checkpoint",
        "checkpoint=&checkpoint-dir=",
        "+checkpoint=c",
        "checkpoint+=c",
        "a&%zz",
        "a=b=checkpoint",
        "",
        "&&;",
    ] {
        assert!(
            verdict(&format!("/containers/x/start?{query}"), Body::Empty),
            "{query}"
        );
    }
    for path in [
        "/containers/a/b/start",
        "/containers/a%2fb/start",
        "/containers/x/start/",
        "/containers/a:b/start",
        "/containers/a%20b/start",
        "/containers/%c3%a9/start",
        "/containers/start",
        "/containers/x/starts",
    ] {
        assert!(!verdict(path, Body::Empty), "{path}");
    }
}

/// Odd values of variables that no recording tries them on.
#[test]
fn values_are_read_alike_everywhere() {
    for (value, grants) in [
        ("1", true),
        ("+1", true),
        ("-1", true),
        ("01", true),
        ("1 ", true),
        ("1abc", true),
        ("2", true),
        ("0", false),
        ("00", false),
        ("", false),
        (" 1", false),
        ("true", false),
        ("yes", false),
        ("on", false),
        ("\"1\"", false),
        ("0x1", false),
        ("-", false),
        ("-0", false),
    ] {
        for (variable, method, target) in [
            ("EVENTS", "GET", "/events"),
            ("PING", "HEAD", "/_ping"),
            ("VERSION", "GET", "/v1.41/version"),
            ("ALLOW_START", "POST", "/containers/x/start"),
            ("ALLOW_STOP", "POST", "/containers/x/stop"),
            ("ALLOW_RESTARTS", "POST", "/containers/x/kill"),
        ] {
            let policy = settings(&[(variable, value)]).policies.into_default();
            assert_eq!(
                allowed(&policy, method, target),
                grants,
                "{variable}={value:?}"
            );
        }
    }
    let policy = settings(&[]).policies.into_default();
    assert!(allowed(&policy, "GET", "/events") && allowed(&policy, "GET", "/_ping"));
    assert!(allowed(&policy, "GET", "/version") && !allowed(&policy, "GET", "/info"));
}

/// What is forwarded is what was sent, but for what hyper's parser would refuse in a query.
#[test]
fn the_target_is_forwarded_as_it_was_sent() {
    for (sent, forwarded) in [
        (
            "/v1.41/containers/a%2Fb/json?x=%zz;y",
            "/v1.41/containers/a%2Fb/json?x=%zz;y",
        ),
        ("/images/json?", "/images/json?"),
        (
            "/images/json?f={\"a\":<1>}",
            "/images/json?f={%22a%22:%3C1%3E}",
        ),
        ("/images/json?n=é", "/images/json?n=%C3%A9"),
    ] {
        let target = Target::from_line("GET", sent).expect("a clean target");
        assert_eq!(target.path_and_query().as_str(), forwarded);
    }
}

#[test]
fn protocols_are_switched_only_where_the_engine_does() {
    for (method, path, protocols) in [
        ("POST", "/containers/x/attach", &["tcp"][..]),
        ("POST", "/v1.41/containers/web/db/attach", &["tcp"]),
        ("POST", "/containers/x%2fattach", &["tcp"]),
        ("POST", "/exec/x/start", &["tcp"]),
        ("GET", "/containers/x/attach/ws", &["websocket"]),
        ("POST", "/session", &["h2c"]),
        ("POST", "/v1.41/grpc", &["h2c"]),
        ("GET", "/containers/x/attach", &[]),
        ("POST", "/containers/x/attach/ws", &[]),
        ("POST", "/containers/attach", &[]),
        ("POST", "/containers/x/attach/", &[]),
        ("POST", "/exec/x/resize", &[]),
        ("GET", "/session", &[]),
        ("GET", "/containers/json", &[]),
        ("UPGRADE", "/session", &[]),
    ] {
        let target = Target::from_line(method, path).expect("a clean target");
        assert_eq!(target.upgrade_protocols(), protocols, "{method} {path}");
        // Only attach and the start of an exec are raw streams for a client that asks for no switch.
        assert_eq!(
            target.is_hijacked(),
            protocols == ["tcp"],
            "{method} {path}"
        );
    }
}
