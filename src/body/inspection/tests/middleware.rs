//! Requests that mutators change and gates judge, with and without other terms.

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;
use crate::body::edits::{AddLabels, AddToNetwork, MapPath, Mutator, RemapImage};
use crate::body::gates::{Gate, MountSource};

const CREATE: &str = "POST /containers/create";

fn sources(all: &[&str]) -> Gate {
    let all: Vec<String> = all.iter().map(|text| (*text).to_owned()).collect();
    Gate::MountSource(MountSource::new(&all).expect("sources"))
}

fn labels() -> Mutator {
    Mutator::AddLabels(AddLabels::new(vec![("team".to_owned(), "ci".to_owned())]))
}

fn map() -> Mutator {
    Mutator::MapPath(MapPath::new("/w", "/srv/w").expect("a map"))
}

fn remap() -> Mutator {
    Mutator::RemapImage(RemapImage::new("nginx", "mirror/nginx:1").expect("images"))
}

fn demands(mutators: Vec<Mutator>, gates: Vec<Gate>) -> Demands {
    Demands {
        mutators,
        gates,
        ..Demands::default()
    }
}

fn message(body: &str) -> Message {
    match body {
        "" => Message::new(Framing::Empty),
        _ => Message::new(Framing::Chunked),
    }
}

/// What becomes of a request by gates and mutators alone.
fn edited(demands: Demands, line: &str, body: &str, engine: &Engine) -> (String, Vec<String>) {
    told_by(
        &[Term::Middleware],
        demands,
        line,
        message(body),
        body,
        engine,
    )
}

#[test]
fn what_mutators_made_is_judged_and_forwarded() {
    let gates = || vec![sources(&["/srv/w"])];
    for (mutators, body, told) in [
        (
            vec![map()],
            r#"{"Image":"x","Foo":1,"HostConfig":{"Binds":["/w:/t:ro"],"Memory":9007199254740993}}"#,
            r#"/containers/create {"Image":"x","Foo":1,"HostConfig":{"Binds":["/srv/w:/t:ro"],"Memory":9007199254740993}}"#,
        ),
        (
            vec![],
            r#"{"HostConfig":{"Binds":["/w:/t:ro"]}}"#,
            "HostConfig.Binds[0]: /w is not allowed: mountSource has /srv/w",
        ),
        (
            vec![map()],
            r#"{"HostConfig":{"Binds":["/w/../etc:/t"]}}"#,
            "HostConfig.Binds[0]: /etc is not allowed: mountSource has /srv/w",
        ),
        // Without any byte, it stays so; unless there is something to write.
        (vec![map()], "", "/containers/create "),
        (
            vec![labels()],
            "",
            r#"/containers/create {"Labels":{"team":"ci"}}"#,
        ),
        (vec![], "{}", "/containers/create {}"),
        (
            vec![],
            r#"{"a":1,"A":1}"#,
            "a gate or mutator cannot judge it: A: duplicate key (case is ignored in field names)",
        ),
    ] {
        let found = edited(demands(mutators, gates()), CREATE, body, &Engine::default());
        assert_eq!(found, (told.to_owned(), vec![]), "{body}");
    }
}

#[test]
fn targets_are_changed_and_bodies_stream() {
    let all = || {
        demands(
            vec![labels(), remap()],
            vec![Gate::Registry(vec!["docker.io".to_owned()])],
        )
    };
    for (line, told) in [
        (
            "POST /images/create?fromImage=nginx&tag=latest",
            "/images/create?fromImage=mirror%2Fnginx&tag=1 as sent",
        ),
        (
            "POST /images/create?fromImage=alpine&tag=3",
            "/images/create?fromImage=alpine&tag=3 as sent",
        ),
        (
            "POST /images/create?fromImage=quay.io/x&tag=3",
            "the parameter fromImage: quay.io/x is not allowed: registry has docker.io",
        ),
        (
            "GET /images/nginx/json?manifests=1",
            "/images/mirror/nginx:1/json?manifests=1 as sent",
        ),
        (
            "POST /v1.41/build?t=x",
            "/v1.41/build?t=x&labels=%7B%22team%22%3A%22ci%22%7D as sent",
        ),
        (
            "POST /services/x/update?version=1&rollback=previous",
            "the parameter rollback brings back a service that no gate can judge",
        ),
    ] {
        let found = edited(all(), line, "", &Engine::default());
        assert_eq!(found, (told.to_owned(), vec![]), "{line}");
    }
}

#[test]
fn what_cannot_be_judged_is_refused() {
    let gates = || demands(vec![], vec![sources(&["/srv"])]);
    let engine = Engine::default();
    for (line, why) in [
        (
            "POST /v1.41-x/containers/create",
            "its path has another version than those of Docker",
        ),
        (
            "POST /libpod/containers/create",
            "it is a write of Podman's own API",
        ),
        (
            "DELETE /v4.0.0/libpod/containers/x",
            "it is a write of Podman's own API",
        ),
        // A term without anything behind it.
        ("POST /containers/x/stop", "nothing is there to judge it by"),
    ] {
        let found = edited(gates(), line, "{}", &engine).0;
        assert_eq!(
            found,
            format!("a gate or mutator cannot judge it: {why}"),
            "{line}"
        );
    }
    let form = Message::new(Framing::Chunked).into_form();
    let told = told_by(&[Term::Middleware], gates(), CREATE, form, "{}", &engine).0;
    assert!(
        told.contains("its Content-Type is that of a form"),
        "{told}"
    );
    let none = edited(Demands::default(), CREATE, "{}", &engine).0;
    assert!(none.contains("nothing is there to judge it by"), "{none}");
}

#[test]
fn volumes_and_containers_are_looked_up_and_pinned() {
    let gates = || demands(vec![], vec![sources(&["/srv", "label:team=ci"])]);
    let engine = Engine::default()
        .with("/volumes/own", r#"{"Name":"own","Labels":{"team":"ci"}}"#)
        .with("/volumes/other", r#"{"Name":"other","Labels":null}"#)
        .container("web", 'a', "", r#"{"Type":"bind","Source":"/srv"}"#)
        .container("root", 'b', "", r#"{"Type":"bind","Source":"/"}"#);
    let web = id('a');
    for (config, told, asked) in [
        (
            r#"{"Binds":["own:/t","/srv:/x"]}"#.to_owned(),
            Ok(r#"{"Binds":["own:/t","/srv:/x"]}"#.to_owned()),
            &["/volumes/own"][..],
        ),
        (
            r#"{"Binds":["other:/t"]}"#.to_owned(),
            Err("HostConfig.Binds[0]: other"),
            &["/volumes/other"],
        ),
        (
            r#"{"Binds":["gone:/t"]}"#.to_owned(),
            Err("HostConfig.Binds[0]: gone"),
            &["/volumes/gone"],
        ),
        (
            r#"{"VolumesFrom":["web:ro"],"PidMode":"container:other"}"#.to_owned(),
            Ok(format!(
                r#"{{"VolumesFrom":["{web}:ro"],"PidMode":"container:other"}}"#
            )),
            &["/containers/web/json"],
        ),
        (
            r#"{"VolumesFrom":["root"]}"#.to_owned(),
            Err("HostConfig.VolumesFrom[0]: what root mounts"),
            &["/containers/root/json"],
        ),
    ] {
        let body = format!(r#"{{"HostConfig":{config}}}"#);
        let expected = match told {
            Ok(config) => format!(r#"/containers/create {{"HostConfig":{config}}}"#),
            Err(place) => {
                format!("{place} is not allowed: mountSource has /srv, label:team=ci")
            }
        };
        let found = edited(gates(), CREATE, &body, &engine);
        let asked = asked.iter().map(|path| (*path).to_owned()).collect();
        assert_eq!(found, (expected, asked), "{body}");
    }
    let start = "POST /v1.23/containers/x/start";
    let found = edited(gates(), start, r#"{"VolumesFrom":["web"]}"#, &engine);
    let pinned = format!(r#"/v1.23/containers/x/start {{"VolumesFrom":["{web}"]}}"#);
    assert_eq!(found.0, pinned);
}

/// Other terms judge what mutators made, and leave nothing out.
#[test]
fn deny_root_judges_the_changed_request() {
    let terms = [Term::DenyRoot(Check::Body), Term::Middleware];
    let own = |mutators| demands(mutators, vec![]);
    let told = |mutators: Vec<Mutator>, body: &str| {
        let engine = Engine::default().with("/info", "{}");
        told_by(&terms, own(mutators), CREATE, message(body), body, &engine).0
    };
    let volume = Mutator::MapPath(MapPath::new("/w", "cache").expect("a map"));
    let body = r#"{"HostConfig":{"Binds":["/w:/t"]},"Foo":{}}"#;
    assert_eq!(
        told(vec![volume], body),
        r#"/containers/create {"HostConfig":{"Binds":["cache:/t"]}}"#
    );
    let refused = told(vec![map()], body);
    assert!(
        refused.starts_with("DENY_ROOT: HostConfig.Binds[0] \"/srv/w:/t\" reaches"),
        "{refused}"
    );
    let refused = told(vec![labels()], r#"{"HostConfig":{"Privileged":true}}"#);
    assert!(
        refused.starts_with("DENY_ROOT: HostConfig.Privileged true"),
        "{refused}"
    );
}

fn any_mutators() -> impl Strategy<Value = Vec<Mutator>> {
    let network = Mutator::AddToNetwork(AddToNetwork::new(vec!["ci".to_owned()]));
    subsequence(vec![labels(), map(), remap(), network], 0..=4)
}

fn any_gates() -> impl Strategy<Value = Vec<Gate>> {
    let gates = vec![
        sources(&["/srv/*", "cache"]),
        sources(&["*"]),
        Gate::Registry(vec!["docker.io".to_owned()]),
        Gate::ImageLoading,
    ];
    subsequence(gates, 0..=4)
}

fn any_body() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just(r#""Image":"nginx""#),
        Just(r#""Labels":{"team":"x"}"#),
        Just(r#""Memory":7"#),
        Just(r#""Binds":["/etc:/x"]"#),
        Just(r#""Foo":{"a":[1.50,null]}"#),
        Just(r#""HostConfig":{"Binds":["/w/a:/t:ro","/etc:/e"],"NetworkMode":"default"}"#),
        Just(r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"/srv/x","Target":"/t"}]}"#),
        Just(r#""HostConfig":{"Privileged":true,"Memory":12345678901234567}"#),
        Just(r#""hostconfig":{"Binds":["cache:/c"]}"#),
    ];
    proptest::collection::vec(part, 0..4).prop_map(|parts| format!("{{{}}}", parts.join(",")))
}

proptest! {
    /// A gate more never allows more, and changes nothing; and so does any other term.
    #[test]
    fn a_gate_or_a_term_more_allows_no_more(
        mutators in any_mutators(),
        gates in any_gates(),
        fewer in any_gates(),
        body in any_body(),
    ) {
        let passes = |told: &str| told.starts_with('/');
        let fewer: Vec<Gate> = gates.iter().filter(|gate| !fewer.contains(gate)).cloned().collect();
        let engine = Engine::default().with("/info", "{}");
        let told = |terms: &[Term], gates: &[Gate]| {
            let demands = demands(mutators.clone(), gates.to_vec());
            told_by(terms, demands, CREATE, message(&body), &body, &engine).0
        };
        let all = told(&[Term::Middleware], &gates);
        if mutators.is_empty() && fewer.iter().all(|gate| !matches!(gate, Gate::MountSource(_))) {
            // Nothing would look at it, so it would have no such term.
            return Ok(());
        }
        let some = told(&[Term::Middleware], &fewer);
        prop_assert!(!passes(&all) || all == some, "{all} {some}");
        let root = told(&[Term::DenyRoot(Check::Body), Term::Middleware], &gates);
        prop_assert!(!passes(&root) || passes(&all), "{root} {all}");
    }
}
