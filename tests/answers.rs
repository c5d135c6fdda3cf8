//! What a scope and a redaction leave of answers: what a naive model says, and never more than without
//! them.

use std::sync::Arc;

use dockgate::api::{ObjectKind, Target};
use dockgate::body::answer::{Answered, Filter};
use dockgate::body::redaction::{PLACEHOLDER, PLACEHOLDER_BASE64, Redaction};
use dockgate::body::scope::{Scope, Sight};
use http::{Method, Uri};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

#[path = "support/shown.rs"]
mod shown;

use shown::{KNOWN, SCOPE, SHARED, field, is_seen, items, more};

const LISTS: [(ObjectKind, &str); 8] = [
    (ObjectKind::Container, "/containers/json"),
    (ObjectKind::Network, "/networks"),
    (ObjectKind::Volume, "/volumes"),
    (ObjectKind::Image, "/images/json"),
    (ObjectKind::Service, "/services"),
    (ObjectKind::Task, "/tasks"),
    (ObjectKind::Secret, "/secrets"),
    (ObjectKind::Config, "/configs"),
];
const REDACTED: [&str; 8] = [
    "env", "commands", "mounts", "labels:*", "tokens", "configs", "network", "host",
];

/// An object with whatever marks, as an item of a list of its kind has them.
fn item(kind: ObjectKind) -> impl Strategy<Value = Value> {
    let key = select(vec!["team", "Team", "x", "dockgate.created-by"]);
    let value = select(vec!["ci", "ci2", "other", "", "y"]);
    let labels = option::of(btree_map(key, value, 0..3));
    let name = select(vec!["a", "bridge", "commons", "models", KNOWN, "ci"]);
    let id = select(vec!["one", "two", KNOWN]);
    (labels, name, id).prop_map(move |(labels, name, id)| {
        let env = json!([format!("{name}_TOKEN=hush"), "EMPTY="]);
        match kind {
            ObjectKind::Task => json!({
                "ID": "task",
                "ServiceID": id,
                "Labels": labels,
                "Spec": {"ContainerSpec": {"Env": env, "Labels": labels}},
            }),
            ObjectKind::Service | ObjectKind::Secret | ObjectKind::Config => json!({
                "ID": id,
                "Labels": {"team": "ci"},
                "Spec": {
                    "Name": name,
                    "Labels": labels,
                    "Data": "aHVzaA==",
                    // Of a service alone.
                    "TaskTemplate": (kind == ObjectKind::Service)
                        .then(|| json!({"ContainerSpec": {"Env": env}})),
                },
            }),
            ObjectKind::Volume => json!({
                "Name": name,
                "Labels": labels,
                "Mountpoint": "/srv/hush",
                "Options": {"o": "password=hush"},
            }),
            _ => json!({
                "Id": id,
                "Name": name,
                "Names": [format!("/{name}")],
                "Labels": labels,
                // Of a container alone.
                "Command": (kind == ObjectKind::Container).then_some("echo hush"),
                "Containers": null,
            }),
        }
    })
}

fn list() -> impl Strategy<Value = (ObjectKind, &'static str, Value)> {
    select(LISTS.to_vec()).prop_flat_map(|(kind, path)| {
        vec(item(kind), 0..6).prop_map(move |items| {
            let list = match kind {
                ObjectKind::Volume => json!({"Volumes": items, "Warnings": null}),
                _ => Value::from(items),
            };
            (kind, path, list)
        })
    })
}

fn scoped(scope: &str, kind: ObjectKind, limit: Option<usize>) -> Filter {
    let scope = Scope::read("default", scope, Some(SHARED), true).expect("a scope");
    let mut sight = Sight::new(Some(Arc::new(scope)), Arc::default());
    for kind in [
        ObjectKind::Container,
        ObjectKind::Volume,
        ObjectKind::Service,
    ] {
        sight.learn(kind, KNOWN);
    }
    Filter::default().seen(Answered::List(kind), sight, limit)
}

fn left(filter: &Filter, list: &Value) -> Value {
    let left = filter.whole(200, list.to_string().into_bytes());
    let left = left.expect("it can be read");
    assert_eq!(left.status, 200);
    serde_json::from_slice(&left.body).expect("JSON")
}

fn names(kind: ObjectKind, list: &Value) -> Vec<String> {
    let items = items(kind.word(), list).into_iter();
    let told = |item: &Value| {
        let spec = field(item, "Spec");
        let name = ["Id", "ID", "Name"].map(|key| field(item, key).to_string());
        format!("{} {}", name.join(" "), field(spec, "Name"))
    };
    items.map(told).collect()
}

proptest! {
    #[test]
    fn a_list_has_what_the_model_shows((kind, _, list) in list(), limit in option::of(1usize..4)) {
        let seen = items(kind.word(), &list).into_iter();
        let mut seen: Vec<Value> = seen.filter(|item| is_seen(kind.word(), item)).cloned().collect();
        seen.truncate(limit.unwrap_or(usize::MAX));
        let seen = match kind {
            ObjectKind::Volume => json!({ "Volumes": seen }),
            _ => Value::from(seen),
        };
        let left = left(&scoped(SCOPE, kind, limit), &list);
        prop_assert_eq!(names(kind, &left), names(kind, &seen));
        prop_assert!(more(&left, &list, &[]).is_empty());
    }

    #[test]
    fn a_narrower_scope_shows_no_more((kind, _, list) in list()) {
        let wide = left(&scoped(SCOPE, kind, None), &list);
        let narrow = left(&scoped(&format!("{SCOPE},label:x=y"), kind, None), &list);
        let mut wide = names(kind, &wide).into_iter();
        // In the same order.
        for name in names(kind, &narrow) {
            prop_assert!(wide.any(|other| other == name), "{name}");
        }
    }

    #[test]
    fn a_redaction_says_nothing_more(
        (kind, path, list) in list(),
        what in subsequence(REDACTED.to_vec(), 1..=8),
    ) {
        let variables = what.contains(&"env").then_some("*");
        let redaction = Redaction::read(&what.join(","), variables).expect("a redaction");
        let target = Target::parse(&Method::GET, &Uri::from_static(path)).expect("a target");
        let filter = scoped(SCOPE, kind, None);
        let open = left(&filter, &list);
        let filter = scoped(SCOPE, kind, None).redacted(Arc::new(redaction), target);
        let shut = left(&filter, &list);
        let words = more(&shut, &open, &[PLACEHOLDER, PLACEHOLDER_BASE64]);
        prop_assert!(words.is_empty(), "{words:?}");
        prop_assert_eq!(items(kind.word(), &open).len(), items(kind.word(), &shut).len());
        // One that is empty has nothing to tell.
        if what.len() == REDACTED.len() {
            prop_assert!(!shut.to_string().contains("hush"), "{shut}");
        }
    }
}
