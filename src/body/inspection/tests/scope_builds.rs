//! Builds under a scope: what their containers are connected to, and what they get of others' builds.

use super::*;
use crate::api::sections::Role;
use crate::body::limits::Limits;
use crate::body::scope::Scope;

/// An empty archive.
const EMPTY: &str = "";

fn engine() -> Engine {
    let own = r#","Labels":{"team":"a"}"#;
    let container = format!(
        r#"{{"Id":"{}","Name":"/own","Config":{{"Labels":{{"team":"a"}}}}}}"#,
        id('1')
    );
    Engine::default()
        .network("web", "a1", own)
        .network("proxy", "a3", "")
        .network("elsewhere", "a2", "")
        .with("/containers/own/json", container)
}

fn built(query: &str, images: bool) -> String {
    let shared = Some("network:proxy");
    let scope = Scope::read("a", "label:team=a", shared, images).expect("a scope");
    let image_from = |name: &str| (name == "IMAGE_FROM").then_some("**");
    let demands = Demands {
        scope: Some(Arc::new(scope)),
        limits: Limits::read(true, image_from).ok(),
        ..Demands::default()
    };
    let message = Message::new(Framing::Chunked);
    let line = format!("POST /build?{query}");
    told_by(
        &[Term::Scope(Role::Build)],
        demands,
        &line,
        message,
        EMPTY,
        &engine(),
    )
    .0
}

#[test]
fn a_build_keeps_the_network_that_was_judged() {
    let own = id('1');
    for (mode, forwarded) in [
        ("container:own", format!("container%3A{own}")),
        ("web", "a1".repeat(32)),
        ("proxy", "a3".repeat(32)),
    ] {
        let told = built(&format!("networkmode={mode}&t=x"), false);
        assert_eq!(told, format!("/build?t=x&networkmode={forwarded} as sent"));
    }
    for mode in ["", "default", "bridge", "none"] {
        let line = format!("networkmode={mode}");
        assert_eq!(built(&line, false), format!("/build?{line} as sent"));
    }
    for (mode, told) in [
        ("elsewhere", "404 network elsewhere not found"),
        ("absent", "404 network absent not found"),
        ("container:absent", "404 No such container: absent"),
    ] {
        assert_eq!(built(&format!("networkmode={mode}"), false), told);
    }
}

#[test]
fn a_build_shares_no_cache() {
    for images in [false, true] {
        let told = built("version=2", images);
        assert!(
            told.contains("chooses BuildKit, which cannot be judged"),
            "{told}"
        );
    }
    let labels = "labels=%7B%22team%22%3A%22a%22%7D";
    for query in ["", "nocache=0", "cachefrom=%5B%5D", "version=1"] {
        let told = built(query, true);
        assert!(
            told.ends_with(&format!("nocache=1&{labels} as sent")),
            "{told}"
        );
        assert!(!told.contains("nocache=0"), "{told}");
    }
    let told = built("cachefrom=%5B%22own%22%5D", true);
    assert_eq!(
        told,
        "the parameter cachefrom: own would use what others built; omit it"
    );
}
