//! Labels that dockgate alone sets, in policies that have no such scope themselves.

use super::*;
use crate::body::scope::Scope;

fn reserved(line: &str, body: &str, engine: &Engine) -> String {
    let message = match body {
        "" => Message::new(Framing::Empty),
        _ => Message::new(Framing::Chunked),
    };
    told_by(
        &[Term::Reserved],
        Demands::default(),
        line,
        message,
        body,
        engine,
    )
    .0
}

const ALONE: &str = "can only be set by dockgate (SCOPE: created); remove it";

#[test]
fn nobody_sets_one_on_what_is_made() {
    let label = r#"{"dockgate.created-by":"ci"}"#;
    for (route, body) in [
        ("/containers/create", format!(r#"{{"Labels":{label}}}"#)),
        (
            "/containers/create",
            format!(
                r#"{{"HostConfig":{{"Mounts":[{{"Type":"volume","Target":"/v","VolumeOptions":{{"Labels":{label}}}}}]}}}}"#
            ),
        ),
        (
            "/networks/create",
            format!(r#"{{"Name":"n","Labels":{label}}}"#),
        ),
        ("/volumes/create", format!(r#"{{"labels":{label}}}"#)),
        ("/secrets/create", format!(r#"{{"Labels":{label}}}"#)),
        ("/configs/create", format!(r#"{{"Labels":{label}}}"#)),
        ("/services/create", format!(r#"{{"Labels":{label}}}"#)),
        (
            "/services/create",
            format!(r#"{{"TaskTemplate":{{"ContainerSpec":{{"Labels":{label}}}}}}}"#),
        ),
        ("/commit?container=a", format!(r#"{{"Labels":{label}}}"#)),
    ] {
        let told = reserved(&format!("POST {route}"), &body, &Engine::default());
        let why = format!("SCOPE: the label dockgate.created-by=ci {ALONE}");
        assert_eq!(told, why, "{route} {body}");
    }
    let other = r#"{"Labels":{"dockgate.other":""}}"#;
    let told = reserved("POST /volumes/create", other, &Engine::default());
    assert_eq!(told, format!("SCOPE: the label dockgate.other= {ALONE}"));
}

#[test]
fn nobody_sets_one_in_a_query() {
    let told = |line: &str| reserved(line, "", &Engine::default());
    let built = |line: &str| reserved(line, "FROM scratch", &Engine::default());
    assert_eq!(
        told("POST /build?labels=%7B%22dockgate.created-by%22%3A%22ci%22%7D"),
        format!("SCOPE: the label dockgate.created-by=ci {ALONE}")
    );
    let plain = "/build?labels=%7B%22a%22%3A%22dockgate.b%22%7D&t=x";
    let written = "/build?t=x&labels=%7B%22a%22%3A%22dockgate.b%22%2C%22dockgate.created-by%22%3A%22%22%2C%22dockgate.image-created-by%22%3A%22%22%7D";
    assert_eq!(built(&format!("POST {plain}")), format!("{written} passes"));
    let written = "/build?t=x&labels=%7B%22dockgate.created-by%22%3A%22%22%2C%22dockgate.image-created-by%22%3A%22%22%7D";
    assert_eq!(built("POST /build?t=x"), format!("{written} passes"));
    assert_eq!(built(&format!("POST {written}")), "passes");
    assert!(told("POST /build?labels=%5B1%5D").contains("cannot judge it"));
    for (changes, why) in [
        ("LABEL%20dockgate.created-by=ci", "sets a label"),
        ("LABEL%20a=b%20%22dock%22gate.created-by=ci", "sets a label"),
        ("ONBUILD%20label%20dockgate.x=1", "sets a label"),
        ("ENV%20X=dockgate&changes=LABEL%20$X.y=1", "may set a label"),
        ("LABEL%20dock%5Cgate.y=1", "may set a label"),
        ("LABEL%20dock%5C&changes=gate.y=1", "continues"),
        ("LA%5C%0ABEL%20dockgate.y=1", "continues"),
    ] {
        for route in ["/commit?container=a&", "/images/create?fromSrc=-&"] {
            let told = told(&format!("POST {route}changes={changes}"));
            let start = told.strip_prefix("SCOPE: the parameter changes ");
            assert!(start.is_some_and(|told| told.contains(why)), "{told}");
        }
    }
    let plain = "/images/create?fromSrc=-&changes=CMD%20%5B%22a%5C%5Cb%22%5D&changes=LABEL%20a=b";
    assert_eq!(told(&format!("POST {plain}")), format!("{plain} as sent"));
}

#[test]
fn an_image_gives_a_container_none() {
    let empty = r#"{"dockgate.created-by":""}"#;
    for (line, sent, written) in [
        (
            "/containers/create",
            r#"{"Image":"a"}"#.to_owned(),
            format!(r#"{{"Image":"a","Labels":{empty},"HostConfig":{{}}}}"#),
        ),
        (
            "/containers/create",
            format!(r#"{{"Labels":{empty}}}"#),
            format!(r#"{{"Labels":{empty},"HostConfig":{{}}}}"#),
        ),
        (
            "/commit?container=a",
            String::new(),
            r#"{"Labels":{"dockgate.created-by":"","dockgate.image-created-by":""}}"#.to_owned(),
        ),
        (
            "/services/create",
            r#"{"TaskTemplate":{"ContainerSpec":{"Image":"a"}}}"#.to_owned(),
            format!(r#"{{"TaskTemplate":{{"ContainerSpec":{{"Image":"a","Labels":{empty}}}}}}}"#),
        ),
        (
            "/networks/create",
            r#"{"Name":"n"}"#.to_owned(),
            r#"{"Name":"n"}"#.to_owned(),
        ),
    ] {
        let told = reserved(&format!("POST {line}"), &sent, &Engine::default());
        assert_eq!(told, format!("{line} {written}"));
    }
}

#[test]
fn no_dockerfile_sets_one() {
    let image = |name: &str, config: &str| {
        let image =
            format!(r#"{{"Id":"sha256:1","RepoTags":["{name}:latest"],"Config":{{{config}}}}}"#);
        (format!("/images/{name}/json"), image)
    };
    let engine = [
        image(
            "plain",
            r#""Labels":{"dockgate.created-by":"","dockgate.image-created-by":"ci"}"#,
        ),
        image("ours", r#""Labels":{"dockgate.created-by":"ci"}"#),
        image("trigger", r#""OnBuild":["LABEL dockgate.x=1"]"#),
    ]
    .into_iter()
    .fold(Engine::default(), |engine, (path, image)| {
        engine.with(&path, image)
    });
    let built = |query: &str, file: &str| {
        let told = reserved(&format!("POST /build{query}"), file, &engine);
        told.split_once(" passes")
            .map_or(told.clone(), |_| "passes".to_owned())
    };
    for (file, told) in [
        ("FROM plain\nLABEL a=$b\nRUN x", "passes"),
        ("FROM absent", "passes"),
        (
            "FROM plain\nLABEL dockgate.created-by=ci\nRUN x",
            "SCOPE: Dockerfile line 2 sets a label that only dockgate can set",
        ),
        (
            "FROM plain\nLABEL $k=ci",
            "SCOPE: Dockerfile line 2 has a variable in the key of a label, which could be one that only dockgate can set",
        ),
        (
            "FROM ours",
            "SCOPE: Dockerfile line 1 ours has a label that only dockgate can set, which the build's containers would take over",
        ),
        (
            "FROM trigger",
            "SCOPE: the ONBUILD of trigger sets a label that only dockgate can set",
        ),
        (
            "# escape=`\nFROM plain",
            "SCOPE cannot judge it: Dockerfile line 1: sets another escape character",
        ),
    ] {
        assert_eq!(built("", file), told, "{file}");
    }
    let told = built("?remote=http://x", "");
    assert!(
        told.contains("a Dockerfile from elsewhere cannot be judged"),
        "{told}"
    );
    // BuildKit's containers are none of the engine's.
    let told = reserved("POST /build?version=2", "", &engine);
    assert!(told.ends_with(" as sent"), "{told}");
    for (trigger, why) in [
        (
            "LABEL dockgate.created-by=ci",
            "sets a label that only dockgate can set",
        ),
        ("FROM a", "has no trigger"),
    ] {
        let told = reserved(
            "POST /commit?container=a",
            &format!(r#"{{"OnBuild":["{trigger}"]}}"#),
            &engine,
        );
        assert_eq!(told, format!("SCOPE: OnBuild[0] {why}"));
    }
    let told = reserved(
        "POST /commit?container=a",
        r#"{"OnBuild":["RUN x"]}"#,
        &engine,
    );
    assert!(told.starts_with("/commit?"), "{told}");
}

#[test]
fn an_update_leaves_them_as_they_are() {
    let label = r#"{"dockgate.created-by":"ci"}"#;
    let spec = format!(
        r#"{{"Labels":{label},"TaskTemplate":{{"ContainerSpec":{{"Image":"a","Labels":{label}}}}}}}"#
    );
    let engine = Engine::default()
        .with("/services/web", format!(r#"{{"ID":"s1","Spec":{spec}}}"#))
        .with("/services/plain", r#"{"ID":"s2","Spec":{}}"#)
        .with(
            "/secrets/key",
            format!(r#"{{"ID":"k1","Spec":{{"Labels":{label}}}}}"#),
        )
        .with(
            "/configs/key",
            format!(r#"{{"ID":"c1","Spec":{{"Labels":{label}}}}}"#),
        );
    let told =
        |line: &str, body: &str| reserved(&format!("POST {line}/update?version=1"), body, &engine);
    assert_eq!(
        told("/services/web", &spec),
        format!("/services/web/update?version=1 {spec}")
    );
    assert_eq!(
        told(
            "/services/web",
            r#"{"TaskTemplate":{"ContainerSpec":{"Image":"a"}}}"#
        ),
        format!(
            r#"/services/web/update?version=1 {{"TaskTemplate":{{"ContainerSpec":{{"Image":"a","Labels":{label}}}}},"Labels":{label}}}"#
        )
    );
    for line in ["/secrets/key", "/configs/key"] {
        let same = format!(r#"{{"Labels":{label}}}"#);
        for sent in ["{}", r#"{"Labels":null}"#, &same] {
            assert_eq!(told(line, sent), format!("{line}/update?version=1 {same}"));
        }
    }
    let alone = format!("SCOPE: the label dockgate.created-by=ci {ALONE}");
    assert_eq!(told("/services/plain", &spec), alone);
    assert_eq!(
        told("/secrets/none", &format!(r#"{{"Labels":{label}}}"#)),
        alone
    );
    let other = r#"{"Labels":{"dockgate.created-by":"other"}}"#;
    assert!(told("/secrets/key", other).contains("created-by=other"));
}

/// What becomes of a request of a policy with this scope, which has images as well.
fn created_by_ci(terms: &[Term], line: &str, body: &str) -> String {
    let scope = Scope::read("ci", "created", None, true).expect("a scope");
    let image_from = |name: &str| (name == "IMAGE_FROM").then_some("**");
    let demands = Demands {
        scope: Some(Arc::new(scope)),
        limits: crate::body::limits::Limits::read(true, image_from).ok(),
        ..Demands::default()
    };
    let engine = Engine::default().container("a", '1', "", "");
    let terms = [terms, &[Term::Reserved]].concat();
    let message = Message::new(Framing::Chunked);
    told_by(&terms, demands, line, message, body, &engine).0
}

#[test]
fn the_label_of_an_image_is_none_of_a_container() {
    use crate::api::sections::Role;
    let build = created_by_ci(&[Term::Scope(Role::Build)], "POST /build", "FROM scratch");
    let written =
        "%7B%22dockgate.image-created-by%22%3A%22ci%22%2C%22dockgate.created-by%22%3A%22%22%7D";
    assert_eq!(build, format!("/build?nocache=1&labels={written} passes"));
    // No client says so of a container, and a commit says it of the image alone.
    let image = r#"{"Labels":{"dockgate.image-created-by":"ci"}}"#;
    let told = created_by_ci(&[], "POST /containers/create", image);
    let label = "the label dockgate.image-created-by=ci";
    assert_eq!(told, format!("SCOPE: {label} {ALONE}"));
    let told = created_by_ci(
        &[],
        "POST /commit?container=a",
        r#"{"Labels":{"dockgate.created-by":"ci"}}"#,
    );
    assert_eq!(
        told,
        format!("SCOPE: the label dockgate.created-by=ci {ALONE}")
    );
    let told = created_by_ci(&[], "POST /commit?container=a", image);
    let both = r#"{"dockgate.image-created-by":"ci","dockgate.created-by":""}"#;
    assert_eq!(told, format!(r#"/commit?container=a {{"Labels":{both}}}"#));
}

#[test]
fn the_scope_that_has_it_writes_it() {
    let scope = Scope::read("ci", "created", None, false).expect("a scope");
    let demands = Demands {
        scope: Some(Arc::new(scope)),
        ..Demands::default()
    };
    let own = r#"{"Labels":{"dockgate.created-by":"ci"}}"#;
    let message = Message::new(Framing::Chunked);
    let engine = Engine::default();
    let line = "POST /volumes/create";
    let (told, _) = told_by(&[Term::Reserved], demands, line, message, own, &engine);
    assert_eq!(told, format!("/volumes/create {own}"));
}
