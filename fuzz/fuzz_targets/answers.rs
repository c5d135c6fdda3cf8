//! What is left of an answer under a scope, and with a redaction besides: no panic, nothing of what
//! cannot be read, no item that a naive model hides, and never more than without them. An input is a
//! byte for what the answer is, and the answer.

#![no_main]

#[path = "../../tests/support/shown.rs"]
mod shown;

use std::sync::{Arc, LazyLock};

use dockgate::api::{ObjectKind, Target};
use dockgate::body::answer::{Answered, Filter};
use dockgate::body::redaction::{PLACEHOLDER, PLACEHOLDER_BASE64, Redaction};
use dockgate::body::scope::{Scope, Sight};
use http::{Method, Uri};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use shown::{KNOWN, SCOPE, SHARED, field, is_seen, items, more};

static OF: LazyLock<Arc<Scope>> = LazyLock::new(|| {
    let scope = Scope::read("default", SCOPE, Some(SHARED), true);
    Arc::new(scope.expect("a scope"))
});
static REDACTION: LazyLock<Arc<Redaction>> = LazyLock::new(|| {
    let all = "env,commands,mounts,labels:*,tokens,configs,network,host";
    Arc::new(Redaction::read(all, Some("*")).expect("a redaction"))
});

/// What answers are, and the requests that they are to.
const ANSWERS: [(Answered, &str); 16] = [
    (Answered::List(ObjectKind::Container), "/containers/json"),
    (Answered::List(ObjectKind::Network), "/networks"),
    (Answered::List(ObjectKind::Volume), "/volumes"),
    (Answered::List(ObjectKind::Image), "/images/json"),
    (Answered::List(ObjectKind::Service), "/services"),
    (Answered::List(ObjectKind::Task), "/tasks"),
    (Answered::List(ObjectKind::Secret), "/secrets"),
    (Answered::List(ObjectKind::Config), "/configs"),
    (
        Answered::Object(ObjectKind::Container),
        "/containers/x/json",
    ),
    (Answered::Object(ObjectKind::Network), "/networks/x"),
    (Answered::Object(ObjectKind::Volume), "/volumes/x"),
    (Answered::Object(ObjectKind::Service), "/services/x"),
    (Answered::Act(ObjectKind::Container), "/containers/create"),
    (Answered::Act(ObjectKind::Volume), "/volumes/create"),
    (Answered::Usage, "/system/df"),
    (Answered::Info, "/info"),
];

fuzz_target!(|data: &[u8]| {
    let [what, bytes @ ..] = data else {
        return;
    };
    let (answered, path) = ANSWERS[usize::from(*what) % ANSWERS.len()];
    let method = match answered {
        Answered::Act(_) => Method::POST,
        _ => Method::GET,
    };
    let target = Target::parse(&method, &Uri::from_static(path)).expect("a target");
    let sight = || {
        let mut sight = Sight::new(Some(Arc::clone(&OF)), Arc::default());
        for kind in [
            ObjectKind::Container,
            ObjectKind::Volume,
            ObjectKind::Service,
        ] {
            sight.learn(kind, KNOWN);
        }
        sight
    };
    let scoped = || Filter::default().seen(answered, sight(), None);
    let read = serde_json::from_slice::<Value>(bytes);
    let left = scoped().whole(200, bytes.to_vec());
    let (Ok(sent), Ok(left)) = (&read, &left) else {
        // What a list shows stays as it stands: halves of letters, and numbers that are too large for this.
        let stays = matches!(answered, Answered::List(_)) && str::from_utf8(bytes).is_ok();
        assert!(left.is_err() || stays, "what cannot be read passed");
        return;
    };
    let left: Value = serde_json::from_slice(&left.body).expect("JSON");
    // Names of fields in which it counts anew are no secret.
    const COUNTED: [&str; 10] = [
        "ActiveCount",
        "BuildCache",
        "Containers",
        "Images",
        "Reclaimable",
        "RefCount",
        "TotalCount",
        "TotalSize",
        "Volumes",
        "Warnings",
    ];
    let mut words = more(&left, sent, &[]);
    words.retain(|word| !COUNTED.contains(word));
    assert!(words.is_empty(), "the scope adds {words:?}");
    match answered {
        Answered::List(kind) => {
            let is_list = match kind {
                ObjectKind::Volume => sent.is_object(),
                _ => sent.is_array(),
            };
            assert!(is_list || sent.is_null(), "no list passed: {left}");
            check(kind, items(kind.word(), sent), items(kind.word(), &left));
        }
        Answered::Usage => {
            for (name, kind) in [
                ("Containers", ObjectKind::Container),
                ("Images", ObjectKind::Image),
                ("Volumes", ObjectKind::Volume),
            ] {
                let of = |answer| {
                    field(answer, name)
                        .as_array()
                        .into_iter()
                        .flatten()
                        .collect()
                };
                check(kind, of(sent), of(&left));
            }
        }
        _ => {}
    }
    // What is left is all left.
    let again = scoped().whole(200, left.to_string().into_bytes());
    let again = again.map(|again| serde_json::from_slice::<Value>(&again.body).expect("JSON"));
    if let Answered::List(_) | Answered::Object(_) = answered {
        assert_eq!(
            again.ok().as_ref(),
            Some(&left),
            "not the same a second time"
        );
    }
    let redacted = scoped().redacted(Arc::clone(&REDACTION), target);
    if let Ok(redacted) = redacted.whole(200, bytes.to_vec()) {
        let redacted: Value = serde_json::from_slice(&redacted.body).expect("JSON");
        let words = more(&redacted, &left, &[PLACEHOLDER, PLACEHOLDER_BASE64]);
        assert!(words.is_empty(), "the redaction adds {words:?}");
    }
});

/// Whether all that is shown of a list is what the model shows of it, in the same order. Names of fields
/// that no engine writes so may hide more.
fn check(kind: ObjectKind, sent: Vec<&Value>, left: Vec<&Value>) {
    let mut seen = sent.into_iter().filter(|item| is_seen(kind.word(), item));
    for left in left {
        let is_seen = seen.any(|seen| match kind {
            // Members and users are removed from these.
            ObjectKind::Network | ObjectKind::Volume | ObjectKind::Image => {
                field(seen, "Name") == field(left, "Name")
            }
            _ => seen == left,
        });
        assert!(is_seen, "shown is {left}");
    }
}
