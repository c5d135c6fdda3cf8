use super::*;
use crate::body::json::{Limits, Untyped, read};

fn scope(text: &str) -> Scope {
    Scope::read("ci", text, None, true).expect("a scope")
}

fn owns(scope: &Scope, object: &str) -> bool {
    let object = read(object.as_bytes(), Limits::default(), Untyped).expect("JSON");
    scope.owns(ObjectKind::Container.listed(), &object)
}

#[test]
fn an_object_is_in_scope_by_all_labels_or_by_one_name() {
    for (text, owned, others) in [
        (
            "label:team=ci",
            &[r#"{"Labels":{"team":"ci","x":""}}"#][..],
            &[
                "{}",
                r#"{"Labels":null}"#,
                r#"{"Labels":{"team":"ci2"}}"#,
                r#"{"Labels":{"Team":"ci"}}"#,
                r#"{"Labels":["team"]}"#,
                r#"{"Names":["/ci"]}"#,
            ][..],
        ),
        (
            "label:team=ci, label:tier=a=b",
            &[r#"{"Labels":{"team":"ci","tier":"a=b"}}"#],
            &[r#"{"Labels":{"team":"ci"}}"#],
        ),
        (
            "compose:shop",
            &[r#"{"Labels":{"com.docker.compose.project":"shop"}}"#],
            &[r#"{"Labels":{"com.docker.compose.project":"shop2"}}"#],
        ),
        (
            "created",
            &[r#"{"Labels":{"dockgate.created-by":"ci"}}"#],
            &[r#"{"Labels":{"dockgate.created-by":"default"}}"#],
        ),
        (
            "name:web-*,db",
            &[r#"{"Names":["/web-1"]}"#, r#"{"Names":["/x/db","/db"]}"#],
            &[
                r#"{"Names":["/web"]}"#,
                // A link's name is not its own.
                r#"{"Names":["/web-1/db"]}"#,
                r#"{"Names":[]}"#,
                r#"{"Labels":{"name":"db"}}"#,
            ],
        ),
    ] {
        let scope = scope(text);
        for object in owned {
            assert!(owns(&scope, object), "{text} {object}");
        }
        for object in others {
            assert!(!owns(&scope, object), "{text} {object}");
        }
    }
}

#[test]
fn an_image_and_a_container_have_different_labels() {
    let scope = scope("created");
    let read = |text: &str| read(text.as_bytes(), Limits::default(), Untyped).expect("JSON");
    for (key, is_image) in [(CREATED_BY, false), (IMAGE_CREATED_BY, true)] {
        let item = read(&format!(r#"{{"Labels":{{"{key}":"ci"}}}}"#));
        assert_eq!(scope.owns(ObjectKind::Image.listed(), &item), is_image);
        assert_eq!(scope.owns(ObjectKind::Container.listed(), &item), !is_image);
        let inspect = read(&format!(r#"{{"Config":{{"Labels":{{"{key}":"ci"}}}}}}"#));
        assert_eq!(
            scope.owns(ObjectKind::Image.inspected(), &inspect),
            is_image
        );
    }
}

#[test]
fn what_is_no_scope_is_a_mistake() {
    for (text, shared, told) in [
        (
            "team=ci",
            None,
            "SCOPE: team=ci is not a scope; use label:KEY=VALUE, name:NAME, compose:PROJECT or created",
        ),
        (
            "",
            None,
            "SCOPE: \"\" is not a scope; use label:KEY=VALUE, name:NAME, compose:PROJECT or created",
        ),
        (
            "label:team",
            None,
            "SCOPE: label:team is not a label with a value; use label:KEY=VALUE",
        ),
        (
            "label:a=b,label:a=c",
            None,
            "SCOPE: label:a=c excludes another entry; an object has one value for each label",
        ),
        (
            "label:a=b,name:x",
            None,
            "SCOPE: label:a=b,name:x mixes labels and names; use either labels or names",
        ),
        (
            "created",
            Some("container:x"),
            "SCOPE_SHARED: container:x is not something to share; use network:NAME, volume:NAME, image:NAME, secret:NAME or config:NAME",
        ),
        (
            "created",
            Some("network:"),
            "SCOPE_SHARED: network: has no name; use network:NAME, volume:NAME, image:NAME, secret:NAME or config:NAME",
        ),
    ] {
        let mistakes = Scope::read("ci", text, shared, false).expect_err(text);
        let found: Vec<String> = mistakes
            .iter()
            .map(|(variable, mistake)| format!("{variable}: {mistake}"))
            .collect();
        assert_eq!(found, [told], "{text}");
    }
}

#[test]
fn everybodys_networks_and_listed_things_are_shared() {
    let scope = Scope::read(
        "ci",
        "created",
        Some("network:proxy-*, volume:models"),
        false,
    );
    let scope = scope.expect("a scope");
    for (kind, name, shares) in [
        (ObjectKind::Network, "bridge", true),
        (ObjectKind::Network, "none", true),
        (ObjectKind::Network, "host", false),
        (ObjectKind::Network, "proxy-1", true),
        (ObjectKind::Volume, "models", true),
        (ObjectKind::Volume, "bridge", false),
        (ObjectKind::Network, "models", false),
    ] {
        let object = format!(r#"{{"Name":{name:?}}}"#);
        let object = read(object.as_bytes(), Limits::default(), Untyped).expect("JSON");
        assert_eq!(
            scope.shares(kind, kind.listed(), &object),
            shares,
            "{kind} {name}"
        );
        assert!(!scope.owns(kind.listed(), &object), "{kind} {name}");
    }
    assert!(!scope.covers(ObjectKind::Image) && scope.covers(ObjectKind::Secret));
}
