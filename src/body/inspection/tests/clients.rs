//! What other clients are known by: no request takes it, and no image brings it.

use std::sync::Arc;

use super::{Engine, judged, told_by};
use crate::api::sections::{Check, Role};
use crate::api::{Framing, Message};
use crate::body::demands::Demands;
use crate::body::inspection::{CHOOSES, Others, Values};
use crate::body::limits::{ImageFrom, Names};
use crate::body::scope::Scope;
use crate::policy::Term;

const CREATE: &str = "POST /containers/create";
const ANOTHERS: &str = "belongs to a client that has another policy";

fn engine() -> Engine {
    let names = |text| Names::parse_some(text).expect("names");
    let label = |key: &str, values| (key.to_owned(), values);
    Engine(
        Default::default(),
        Arc::new(Others {
            names: vec![names("web-*,shop.1.*")],
            labels: vec![
                label("team", Values::Is("ci".to_owned())),
                label("admin", Values::Any),
                label(
                    "com.docker.compose.project",
                    Values::Among(names("shop,x-*")),
                ),
            ],
            ..Others::default()
        }),
    )
}

#[test]
fn labels_and_names_of_other_clients_are_kept_from_requests() {
    let engine = engine().container("own", '1', "", "");
    let create = &[Check::Body, Check::Name][..];
    for (checks, line, body, taken) in [
        (
            create,
            CREATE,
            r#"{"Labels":{"team":"ci"}}"#,
            Some("Labels team=ci"),
        ),
        (
            create,
            CREATE,
            r#"{"labels":{"team":"ci"}}"#,
            Some("Labels team=ci"),
        ),
        (
            create,
            CREATE,
            r#"{"Labels":{"admin":"x"}}"#,
            Some("Labels admin=x"),
        ),
        (
            create,
            CREATE,
            r#"{"Labels":{"com.docker.compose.project":"x-1"}}"#,
            Some("Labels com.docker.compose.project=x-1"),
        ),
        (
            create,
            "POST /containers/create?name=web-1",
            "{}",
            Some("the parameter name web-1"),
        ),
        (
            &[Check::Name],
            "POST /containers/own/rename?name=web-1",
            "",
            Some("the parameter name web-1"),
        ),
        (
            &[Check::Name],
            "POST /containers/own/rename?name=%2Fweb-1",
            "",
            Some("the parameter name /web-1"),
        ),
        (create, CREATE, r#"{"Labels":{"team":"cd"}}"#, None),
        (create, CREATE, r#"{"Labels":{"Team":"ci"}}"#, None),
        (create, "POST /containers/create?name=web", "{}", None),
        (
            &[Check::Body],
            "POST /services/create",
            r#"{"TaskTemplate":{"ContainerSpec":{"Labels":{"admin":"x"}}}}"#,
            Some("TaskTemplate.ContainerSpec.Labels admin=x"),
        ),
        (
            &[Check::Body],
            "POST /services/create",
            r#"{"Name":"shop","TaskTemplate":{"ContainerSpec":{"Image":"x"}}}"#,
            Some("Name \"shop\""),
        ),
    ] {
        let (told, _) = judged(checks, line, body, &engine);
        match taken {
            Some(taken) => assert_eq!(
                told,
                format!("DENY_ROOT: {taken} {ANOTHERS}"),
                "{line} {body}"
            ),
            None => assert!(!told.starts_with("DENY_ROOT"), "{line} {body}: {told}"),
        }
    }
}

#[test]
fn no_image_brings_the_labels_of_another_client() {
    let engine = engine();
    let create = [Check::Body, Check::Name];
    let (told, _) = judged(
        &create,
        CREATE,
        r#"{"Image":"x","Labels":{"team":"cd"}}"#,
        &engine,
    );
    for label in [
        r#""team":"cd""#,
        r#""admin":"""#,
        r#""com.docker.compose.project":"""#,
    ] {
        assert!(told.contains(label), "{label}: {told}");
    }
    // Without terms that limit it, only the label that chooses a policy is held.
    let mut engine = engine;
    let others = Others {
        labels: vec![
            ("team".to_owned(), Values::Any),
            (CHOOSES.to_owned(), Values::Any),
        ],
        ..Others::default()
    };
    engine.1 = Arc::new(others);
    let body = r#"{"Image":"x"}"#;
    let message = Message::new(Framing::Chunked);
    let (told, _) = told_by(
        &[Term::Reserved],
        Demands::default(),
        CREATE,
        message,
        body,
        &engine,
    );
    assert!(
        told.contains(r#""dockgate.policy":"""#) && !told.contains("team"),
        "{told}"
    );
}

#[test]
fn labels_that_grant_are_neither_given_nor_brought_by_an_image() {
    let others = Others {
        granting: Some("socket-proxy.allow".to_owned()),
        ..Others::default()
    };
    let engine = Engine(Default::default(), Arc::new(others));
    let create = [Check::Body, Check::Name];
    let labels = |text: &str| format!(r#"{{"Image":"x","Labels":{{{text}}}}}"#);
    for (text, taken) in [
        (
            r#""socket-proxy.allow.get":".*""#,
            "socket-proxy.allow.get=.*",
        ),
        (
            r#""socket-proxy.allow.GET.x":"/""#,
            "socket-proxy.allow.GET.x=/",
        ),
        (r#""socket-proxy.allow":"x""#, "socket-proxy.allow=x"),
    ] {
        let (told, _) = judged(&create, CREATE, &labels(text), &engine);
        assert_eq!(told, format!("DENY_ROOT: Labels {taken} {ANOTHERS}"));
    }
    // With this one, those of the image make no list.
    for text in [
        "",
        r#""socket-proxy.allowed":"x""#,
        r#""socket-proxy.allow.get":"""#,
    ] {
        let (told, _) = judged(&create, CREATE, &labels(text), &engine);
        assert!(told.contains(r#""socket-proxy.allow":"""#), "{told}");
    }
}

#[test]
fn who_controls_a_client_is_that_client() {
    let mut engine = engine();
    for (name, digit, labels) in [
        ("web-1", "1", ""),
        ("plain", "2", r#""team":"ci""#),
        ("own", "3", ""),
    ] {
        let inspect = format!(
            r#"{{"Id":"{}","Name":"/{name}","Config":{{"Labels":{{{labels}}}}},"HostConfig":{{}},"Mounts":[],
                "NetworkSettings":{{"Networks":{{}}}}}}"#,
            digit.repeat(64)
        );
        engine = engine
            .with(&format!("/containers/{name}/json"), inspect.clone())
            .with(&format!("/containers/{}/json", digit.repeat(64)), inspect);
    }
    for (name, why) in [
        ("web-1", Some("Name /web-1")),
        ("plain", Some("Config.Labels ci")),
        ("own", None),
    ] {
        let line = format!("GET /containers/{name}/export");
        let (told, _) = judged(&[Check::Container], &line, "", &engine);
        match why {
            Some(why) => assert_eq!(
                told,
                format!("DENY_ROOT: container {name}: {why} {ANOTHERS}")
            ),
            None => assert!(!told.starts_with("DENY_ROOT"), "{told}"),
        }
    }
}

#[test]
fn no_build_runs_a_container_with_the_labels_of_another_client() {
    let why = "would let a container with the Dockerfile's labels act as another client";
    let by = |term: Term, others: Others, line: &str| {
        let engine = Engine(Default::default(), Arc::new(others));
        let message = Message::new(Framing::Chunked);
        told_by(&[term], Demands::default(), line, message, "", &engine).0
    };
    let labels = |key: &str| Others {
        labels: vec![(key.to_owned(), Values::Any)],
        ..Others::default()
    };
    let root = Term::DenyRoot(Check::Build);
    for (term, key, refused) in [
        (root, "team", true),
        (root, CHOOSES, true),
        (Term::Reserved, CHOOSES, true),
        // Without a term that limits it, a client can take other labels anyway.
        (Term::Reserved, "team", false),
    ] {
        for query in [
            "",
            "?networkmode=",
            "?networkmode=default",
            "?networkmode=bridge",
        ] {
            let told = by(term, labels(key), &format!("POST /build{query}"));
            assert_eq!(told.contains(why), refused, "{key} {query}: {told}");
        }
        let told = by(term, labels(key), "POST /build?networkmode=none");
        assert!(!told.contains(why), "{key}: {told}");
        let told = by(
            term,
            labels(key),
            "POST /build?networkmode=none&networkmode=bridge",
        );
        assert!(!refused || told.contains("more than once"), "{key}: {told}");
    }
    let named = Others {
        names: vec![Names::parse_some("web").expect("names")],
        ..Others::default()
    };
    let told = by(root, named, "POST /build");
    assert!(!told.contains(why), "{told}");
}

#[test]
fn no_image_of_another_client_is_used() {
    let images = |text| ImageFrom::parse(text).expect("images");
    let digest = format!("app@sha256:{}", "a".repeat(64));
    let others = Others {
        images: vec![
            images("secret/traefik,docker.io/library/v*"),
            images(&digest),
        ],
        ..Others::default()
    };
    let inspect = format!(
        r#"{{"Id":"{}","Name":"/x","Config":{{"Image":"secret/traefik:v3"}},"HostConfig":{{}},"Mounts":[],
            "NetworkSettings":{{"Networks":{{}}}}}}"#,
        "1".repeat(64)
    );
    let engine = Engine(Default::default(), Arc::new(others))
        .with("/containers/x/json", inspect.clone())
        .with(&format!("/containers/{}/json", "1".repeat(64)), inspect);
    let create = &[Check::Body, Check::Name][..];
    for (image, taken) in [
        ("secret/traefik", true),
        ("docker.io/secret/traefik:v3", true),
        ("v2", true),
        (&*digest, true),
        ("app", false),
        ("other/traefik", false),
    ] {
        let body = format!(r#"{{"Image":"{image}"}}"#);
        let (told, _) = judged(create, CREATE, &body, &engine);
        let why = format!("DENY_ROOT: Image \"{image}\" {ANOTHERS}");
        assert_eq!(told == why, taken, "{image}: {told}");
        // A swarm adds the digest.
        let body = format!(r#"{{"TaskTemplate":{{"ContainerSpec":{{"Image":"{image}"}}}}}}"#);
        let (told, _) = judged(&[Check::Body], "POST /services/create", &body, &engine);
        let why = format!("TaskTemplate.ContainerSpec.Image \"{image}\" {ANOTHERS}");
        assert_eq!(
            told.contains(&why),
            taken || image == "app",
            "{image}: {told}"
        );
    }
    let (told, _) = judged(&[Check::Container], "GET /containers/x/export", "", &engine);
    let why = format!("container x: Config.Image secret/traefik:v3 {ANOTHERS}");
    assert!(told.contains(&why), "{told}");
}

#[test]
fn no_service_gets_the_labels_and_names_that_a_swarm_gives_to_another_client() {
    let service = |key: &str, values: Values, names: Option<&str>, name: &str| {
        let others = Others {
            labels: vec![(format!("com.docker.swarm.{key}"), values)],
            names: names
                .map(|text| Names::parse_some(text).expect("names"))
                .into_iter()
                .collect(),
            ..Others::default()
        };
        let engine = Engine(Default::default(), Arc::new(others));
        let body =
            format!(r#"{{"Name":"{name}","TaskTemplate":{{"ContainerSpec":{{"Image":"x"}}}}}}"#);
        let (told, _) = judged(&[Check::Body], "POST /services/create", &body, &engine);
        told.contains(&format!("Name \"{name}\" {ANOTHERS}"))
    };
    let is = |value: &str| Values::Is(value.to_owned());
    for (key, values, name, taken) in [
        ("service.name", is("web"), "web", true),
        ("service.name", is("web"), "web2", false),
        ("service.name", Values::Any, "x", true),
        ("task.name", is("web.1.abc"), "web", true),
        ("task.name", is("web.1.abc"), "we", false),
        ("node.id", is("n1"), "x", true),
    ] {
        assert_eq!(service(key, values, None, name), taken, "{key} {name}");
    }
    for (names, name, taken) in [
        ("web.2.*", "web", true),
        ("web.*", "web", true),
        ("*eb.7.*", "web", true),
        ("web-*", "web", false),
        ("*-ci", "web", false),
        ("*-ci", "web-ci", false),
        ("db", "web", false),
    ] {
        let taken_by = service("service.name", is("none"), Some(names), name);
        assert_eq!(taken_by, taken, "{names} {name}");
    }
}

#[test]
fn what_is_written_in_is_not_refused_in_another_round() {
    let others = Others {
        labels: vec![(CHOOSES.to_owned(), Values::Any)],
        ..Others::default()
    };
    let mut engine = Engine::default().container("web", '1', "", "");
    engine.1 = Arc::new(others);
    let message = Message::new(Framing::Chunked);
    let terms = [
        Term::Reserved,
        Term::DenyRoot(Check::Body),
        Term::DenyRoot(Check::Name),
    ];
    // What it joins is asked for.
    let body = r#"{"Image":"x","HostConfig":{"NetworkMode":"container:web"}}"#;
    let (told, asked) = told_by(&terms, Demands::default(), CREATE, message, body, &engine);
    assert!(!asked.is_empty());
    assert!(told.contains(r#""dockgate.policy":"""#), "{told}");
}

#[test]
fn no_container_gets_rid_of_the_name_that_a_rule_goes_by() {
    let others = Others {
        kept_names: ["ci", "web-*"]
            .map(|text| Names::parse_some(text).expect("names"))
            .into(),
        kept_hosts: vec!["traefik.net".to_owned()],
        ..Others::default()
    };
    let mut engine = Engine(Default::default(), Arc::new(others));
    let own = r#""Config":{"Labels":{"team":"a"}},"#;
    for (name, digit) in [("ci", '1'), ("web-1", '2'), ("traefik", '3'), ("job", '4')] {
        let id = super::id(digit);
        let inspect = format!(
            r#"{{"Id":"{id}","Name":"/{name}",{own}"HostConfig":{{}},"Mounts":[],"NetworkSettings":{{"Networks":{{}}}}}}"#
        );
        engine = engine
            .with(&format!("/containers/{name}/json"), inspect.clone())
            .with(&format!("/containers/{id}/json"), inspect);
    }
    let scope = Demands {
        scope: Scope::read("a", "label:team=a", None, false)
            .ok()
            .map(Arc::new),
        ..Demands::default()
    };
    let scope = Arc::new(scope);
    for (name, digit, new, is_kept) in [
        ("ci", '1', "zz", true),
        ("ci", '1', "/web-2", true),
        ("web-1", '2', "web-2", false),
        ("web-1", '2', "zz", true),
        ("traefik", '3', "zz", true),
        ("job", '4', "zz", false),
    ] {
        let id = super::id(digit);
        for named in [name, &id[..12]] {
            let mut engine = Engine(engine.0.clone(), Arc::clone(&engine.1));
            let inspect = engine.0[&format!("/containers/{name}/json")].clone();
            engine = engine.with(&format!("/containers/{named}/json"), inspect);
            let line = format!("POST /containers/{named}/rename?name={new}");
            for (by, terms, demands) in [
                (
                    "DENY_ROOT",
                    &[Term::DenyRoot(Check::Name)][..],
                    Arc::default(),
                ),
                (
                    "SCOPE",
                    &[Term::Scope(Role::Object), Term::Scope(Role::Named)],
                    Arc::clone(&scope),
                ),
            ] {
                let message = Message::new(Framing::Empty);
                let (told, _) = told_by(terms, demands, &line, message, "", &engine);
                let why = format!(
                    "{by}: container {named}: Name /{name} is how a client rule knows it, so it cannot get \
                     another name"
                );
                // The name is not asked for again.
                let forwarded = format!("/containers/{id}/rename?name={new} as sent");
                let wanted = if is_kept { &why } else { &forwarded };
                assert_eq!(told, *wanted, "{by} {line}");
            }
        }
    }
}
