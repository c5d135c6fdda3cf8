//! Images that are anybody's: which names may be given, and what may be built, saved and pulled.

use super::*;
use crate::api::sections::Role;
use crate::body::scope::Scope;

const OWN: &str = r#"{"Id":"sha256:1","RepoTags":["own:1"],"Config":{"Labels":{"team":"a"}}}"#;
const OTHER: &str = r#"{"Id":"sha256:2","RepoTags":["other:1"],"Config":{"Labels":{"team":"b"}}}"#;

fn scope() -> Scope {
    let shared = Some("image:docker.io/library/base:*");
    Scope::read("a", "label:team=a", shared, true).expect("a scope")
}

fn engine() -> Engine {
    let base = r#"{"Id":"sha256:3","RepoTags":["base:1"],"Config":{"Labels":null}}"#;
    let mut engine = Engine::default();
    for (name, image) in [("own:1", OWN), ("other:1", OTHER), ("base:1", base)] {
        engine = engine
            .with(&format!("/images/{name}/json"), image)
            .with(&format!("/images/docker.io/library/{name}/json"), image);
    }
    // The beginning of an ID.
    engine.with("/images/abc/json", OTHER)
}

fn scoped(roles: &[Role], line: &str) -> String {
    with_body(roles, line, "")
}

fn with_body(roles: &[Role], line: &str, body: &str) -> String {
    let terms: Vec<Term> = roles.iter().copied().map(Term::Scope).collect();
    let demands = Demands {
        scope: Some(Arc::new(scope())),
        ..Demands::default()
    };
    let message = Message::new(match body {
        "" => Framing::Empty,
        _ => Framing::Chunked,
    });
    told_by(&terms, demands, line, message, body, &engine()).0
}

#[test]
fn no_name_of_others_is_given() {
    let tag = |query: &str| {
        scoped(
            &[Role::Object, Role::Tag],
            &format!("POST /images/own:1/tag?{query}"),
        )
    };
    for query in ["repo=new", "repo=own&tag=1", "repo=abc", "repo=other&tag=2"] {
        assert_eq!(tag(query), format!("/images/own:1/tag?{query} as sent"));
    }
    for query in [
        "repo=other&tag=1",
        "repo=docker.io/library/other&tag=1",
        "repo=other:1",
        "repo=base&tag=1",
    ] {
        assert!(
            tag(query).starts_with("409 image with name "),
            "{query}: {}",
            tag(query)
        );
    }
    assert!(tag("repo=Other&tag=1").starts_with("the parameter repo"));
    // What is tagged is seen itself.
    let told = scoped(
        &[Role::Object, Role::Tag],
        "POST /images/other:1/tag?repo=new",
    );
    assert!(
        told.starts_with("/images/x") && told.contains(":1/tag?repo=new"),
        "{told}"
    );
}

#[test]
fn nothing_is_brought_or_built_that_cannot_be_held_to_it() {
    let starts = |role, line: &str, start: &str| {
        let told = scoped(&[role], line);
        assert!(told.starts_with(start), "{line}: {told}");
    };
    starts(Role::Load, "POST /images/load", "an archive of images");
    starts(
        Role::Build,
        "POST /build?t=new",
        "a build could start from anybody's image",
    );
    starts(
        Role::Pull,
        "POST /images/create?fromSrc=-",
        "the parameter fromSrc",
    );
    starts(
        Role::Save,
        "GET /images/get?names=own:1&names=base:1",
        "/images/get?names=own:1&names=base:1",
    );
    let told = scoped(&[Role::Save], "GET /images/get?names=own:1&names=other:1");
    assert!(
        told.contains("names=own") && !told.contains("other"),
        "{told}"
    );
}

#[test]
fn a_pull_takes_no_name_from_what_others_built() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let pull = |labels: &str, digests: &str, query: &str| {
        let image = format!(
            r#"{{"Id":"sha256:4","RepoTags":["known:1"],"RepoDigests":[{digests}],"Config":{{"Labels":{labels}}}}}"#
        );
        let engine = engine().with("/images/docker.io/library/known:1/json", image);
        let demands = Demands {
            scope: Some(Arc::new(scope())),
            ..Demands::default()
        };
        let line = format!("POST /images/create?fromImage={query}");
        let message = Message::new(Framing::Empty);
        told_by(
            &[Term::Scope(Role::Pull)],
            demands,
            &line,
            message,
            "",
            &engine,
        )
        .0
    };
    let own = format!(r#""known@{digest}""#);
    let other = format!(r#""else/known@{digest}""#);
    let taken = "409 image with name docker.io/library/known:1 already exists, and is out of scope";
    let passes = "/images/create?fromImage=known&tag=1 as sent";
    for (labels, digests, told) in [
        ("null", &*own, passes),
        (r#"{"dockgate.image-created-by":""}"#, &own, passes),
        (r#"{"dockgate.image-created-by":"b"}"#, &own, taken),
        ("null", &other, taken),
        (r#"{"team":"b"}"#, "", taken),
        (r#"{"team":"a"}"#, "", passes),
    ] {
        let found = pull(labels, digests, "known&tag=1");
        assert!(found.starts_with(told), "{labels} {digests}: {found}");
    }
    for query in ["new&tag=1", "own:1", "base:1"] {
        assert!(pull("null", "", query).ends_with(" as sent"), "{query}");
    }
    let told = pull("null", "", "known");
    assert!(
        told.contains("has no tag, and would bring all of them"),
        "{told}"
    );
}

/// Swarm looks for it whenever a task starts.
#[test]
fn a_service_runs_no_image_by_a_name_that_may_be_another_s_later() {
    let create = |image: &str| {
        let body =
            format!(r#"{{"Name":"s","TaskTemplate":{{"ContainerSpec":{{"Image":"{image}"}}}}}}"#);
        with_body(&[Role::Created, Role::Body], "POST /services/create", &body)
    };
    for image in ["own:1", "other:1", "nothing", "{{base}}"] {
        let told = create(image);
        assert!(
            told.starts_with("TaskTemplate.ContainerSpec.Image"),
            "{told}"
        );
    }
    for image in ["base:1", "docker.io/library/base:1"] {
        let told = create(image);
        assert!(told.starts_with("/services/create {"), "{told}");
    }
    // What stays itself is looked at as everything else is.
    let digest = format!("sha256:{}", "0".repeat(64));
    for image in [digest.clone(), format!("own@{digest}")] {
        assert!(
            create(&image).starts_with("404 No such image: "),
            "{}",
            create(&image)
        );
    }
}

#[test]
fn a_push_is_about_the_tag_in_its_query() {
    let push = |line: &str| scoped(&[Role::Object], &format!("POST /images/{line}"));
    for own in [
        "own/push?tag=1",
        "docker.io/library/own/push?tag=1",
        "own:1/push",
    ] {
        assert_eq!(push(own), format!("/images/{own} as sent"));
    }
    // Shared ones can be used.
    assert_eq!(push("base/push?tag=1"), "/images/base/push?tag=1 as sent");
    let hidden = |line: &str| {
        let told = push(line);
        assert!(
            told.starts_with("/images/") && !told.contains("other"),
            "{told}"
        );
    };
    hidden("other/push?tag=1");
    // All tags of a repository may be others'.
    for (line, why) in [
        ("own/push", "the parameter tag is missing"),
        ("own/push?tag=", "the parameter tag is missing"),
        ("own:1/push?tag=2", "has a tag beside the parameter tag"),
    ] {
        let told = push(line);
        assert!(told.contains(why), "{line}: {told}");
    }
    // Without SCOPE_IMAGES, images are anybody's.
    let demands = Demands {
        scope: Some(Arc::new(
            Scope::read("a", "label:team=a", None, false).expect("a scope"),
        )),
        ..Demands::default()
    };
    let line = "POST /images/127.0.0.1:5000/other/push";
    let message = Message::new(Framing::Empty);
    let terms = [Term::Scope(Role::Object)];
    let told = told_by(&terms, demands, line, message, "", &engine()).0;
    assert_eq!(told, "/images/127.0.0.1:5000/other/push as sent");
}
