//! What a scope makes of bodies that engines read in more ways than one, or look up again later.

use super::scope::{demands, engine};
use super::*;
use crate::api::sections::Role;

/// Below API 1.24, engines up to 24 make the container anew of it, in two shapes.
#[test]
fn a_start_with_a_body_that_old_engines_read_is_refused() {
    let start = |name: &str, message: Message, body: &str| {
        let terms = [Role::Object, Role::Start].map(Term::Scope);
        let line = format!("POST /v1.23/containers/{name}/start");
        told_by(
            &terms,
            demands("label:team=a"),
            &line,
            message,
            body,
            &engine(),
        )
        .0
    };
    for body in [
        r#"{"VolumesFrom":["other"]}"#,
        r#"{"HostConfig":{"VolumesFrom":["other"]}}"#,
        r#"{"hostconfig":{"NetworkMode":"container:other"}}"#,
        r#"{"HostConfig":{"Binds":["theirs:/x"]}}"#,
        r#"{"HostConfig":{"VolumesFrom":["own"]}}"#,
    ] {
        for framing in [Framing::Chunked, Framing::Sized(body.len() as u64)] {
            for name in ["own", "other", "nothing"] {
                let told = start(name, Message::new(framing), body);
                assert!(
                    told.starts_with("SCOPE: a body of a start over 7 bytes"),
                    "{told}"
                );
            }
        }
    }
    let told = start("own", Message::new(Framing::Sized(2)), "{}");
    assert!(told.starts_with("/v1.23/containers/1"), "{told}");
}
