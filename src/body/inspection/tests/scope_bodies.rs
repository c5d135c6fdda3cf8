//! What a scope makes of bodies that engines read in more ways than one, or look up again later.

use super::scope::{demands, engine, scoped, scoped_by};
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

/// A service with these mounts.
fn mounting(mounts: &str) -> String {
    format!(
        r#"{{"Name":"s","TaskTemplate":{{"ContainerSpec":{{"Image":"a","Mounts":[{mounts}]}}}}}}"#
    )
}

const SERVICE: [Role; 2] = [Role::Created, Role::Body];

/// Swarm looks for it whenever a task starts, and fills in templates.
#[test]
fn no_mount_of_a_service_is_filled_in_later() {
    for (field, value) in [
        ("Source", r#""/srv/{{\"../etc\"}}""#),
        ("Target", r#""/{{.Task.Name}}""#),
        ("VolumeOptions", r#"{"Labels":{"team":"{{\"b\"}}"}}"#),
        (
            "VolumeOptions",
            r#"{"DriverConfig":{"Options":{"device":"\u007b{\"/etc\"}}"}}}"#,
        ),
    ] {
        let line = "POST /services/create";
        let mount = format!(r#"{{"Type":"volume","{field}":{value}}}"#);
        let told = scoped_by("label:team=a", &SERVICE, line, &mounting(&mount)).0;
        let expected = format!(
            "TaskTemplate.ContainerSpec.Mounts[0].{field} must be plain text, not a template"
        );
        assert!(told.contains(&expected), "{mount}: {told}");
    }
}

#[test]
fn a_service_mounts_no_volume_by_a_name_that_may_be_another_s_later() {
    let create = |scope: &str, mounts: &str| {
        let line = "POST /services/create";
        scoped_by(scope, &SERVICE, line, &mounting(mounts)).0
    };
    let by = |kind: &str, source: &str| {
        format!(r#"{{"Type":"{kind}","Source":"{source}","Target":"/m"}}"#)
    };
    for source in [
        "data",
        "theirs",
        "new",
        r#"{{\"theirs\"}}"#,
        "th{{x}}",
        "group:g",
    ] {
        for kind in ["volume", "VOLUME", "Volume", "cluster", "what"] {
            let told = create("label:team=a", &by(kind, source));
            let expected = "TaskTemplate.ContainerSpec.Mounts[0].Source";
            assert!(told.contains(expected), "{kind} {source}: {told}");
        }
    }
    for mount in [
        by("volume", "models"),
        by("VOLUME", "models"),
        by("volume", ""),
        by("tmpfs", ""),
        by("bind", "/srv"),
    ] {
        let told = create("label:team=a", &mount);
        assert!(told.starts_with("/services/create {"), "{mount}: {told}");
    }
    // By name, the scope says what has it.
    let named = |source: &str| create("name:s,data*", &by("Volume", source));
    for source in ["data", "database", "models"] {
        assert!(
            named(source).starts_with("/services/create {"),
            "{}",
            named(source)
        );
    }
    for source in ["theirs", r#"data{{\"\"}}"#, "new"] {
        assert!(named(source).contains("TaskTemplate."), "{}", named(source));
    }
}

/// The labels are those that a volume has which the task makes.
#[test]
fn what_a_mount_makes_is_in_scope() {
    let mounts =
        r#"{"Type":"VOLUME","Target":"/m"},{"Type":"volume","Source":"models","Target":"/n"}"#;
    let told = scoped(&SERVICE, "POST /services/create", &mounting(mounts));
    let own = r#"{"Type":"volume","Target":"/m","VolumeOptions":{"Labels":{"team":"a"}}}"#;
    assert!(told.contains(own), "{told}");
    assert!(
        told.contains(r#"{"Type":"volume","Source":"models","Target":"/n"}"#),
        "{told}"
    );
    for (line, body) in [
        ("POST /services/create", mounting(OTHERS)),
        (
            "POST /containers/create",
            format!(r#"{{"HostConfig":{{"Mounts":[{OTHERS}]}}}}"#),
        ),
    ] {
        let told = scoped(&SERVICE, line, &body);
        assert!(told.starts_with("VolumeOptions.Labels"), "{told}");
    }
}

const OTHERS: &str = r#"{"Type":"volume","Target":"/m","VolumeOptions":{"Labels":{"team":"b"}}}"#;

#[test]
fn a_rollback_leads_to_what_is_in_scope() {
    let told = |query: &str, previous: &str| {
        let id = format!("svc{}", "1".repeat(22));
        let service = format!(
            r#"{{"ID":"{id}","Version":{{"Index":7}},"Spec":{{"Name":"own","Labels":{{"team":"a"}}}},
               "PreviousSpec":{previous}}}"#
        );
        let engine = engine().with("/services/own", service);
        let terms = [Role::Object, Role::Created, Role::Body].map(Term::Scope);
        let line = format!("POST /services/own/update?{query}");
        let message = Message::new(Framing::Chunked);
        told_by(
            &terms,
            demands("label:team=a"),
            &line,
            message,
            &mounting(""),
            &engine,
        )
        .0
    };
    let spec = |labels: &str, more: &str| {
        format!(
            r#"{{"Name":"own","Labels":{{{labels}}},"TaskTemplate":{{"ContainerSpec":{{"Labels":{{{labels}}}{more}}},
               "Networks":[{{"Target":"web"}}]}}}}"#
        )
    };
    let own = r#""team":"a""#;
    let back = "version=7&rollback=previous";
    let passed = told(back, &spec(own, ""));
    assert!(passed.starts_with("/services/svc1"), "{passed}");
    let mount = |source: &str| {
        let mount = format!(r#"{{"Type":"volume","Source":"{source}","Target":"/m"}}"#);
        format!(r#","Mounts":[{mount}]"#)
    };
    assert!(told(back, &spec(own, &mount("models"))).starts_with("/services/svc1"));
    let elsewhere = spec(own, "").replace("\"web\"", "\"elsewhere\"");
    for (query, previous, why) in [
        (
            back,
            spec(own, &mount("data")),
            "TaskTemplate.ContainerSpec.Mounts[0].Source",
        ),
        (
            back,
            spec(r#""team":"b""#, ""),
            "the specification before this one",
        ),
        (back, spec("", ""), "the specification before this one"),
        (back, elsewhere, "400 network elsewhere not found"),
        (back, "null".to_owned(), "a rollback"),
        ("version=8&rollback=previous", spec(own, ""), "its version"),
        (
            "version=7&rollback=other",
            spec(own, ""),
            "SCOPE cannot judge it: ",
        ),
    ] {
        let told = told(query, &previous);
        assert!(told.starts_with(why), "{query} {previous}: {told}");
    }
}

#[test]
fn a_new_network_takes_nothing_over() {
    let create = |more: &str| {
        let body = format!(r#"{{"Name":"n",{more}}}"#);
        scoped(&SERVICE, "POST /networks/create", &body)
    };
    for (key, value) in [
        ("com.docker.network.bridge.name", "docker0"),
        ("com.docker.network.bridge.default_bridge", "true"),
        ("com.docker.network.driver.overlay.vxlanid_list", "4097"),
        ("com.docker.network.windowsshim.hnsid", "x"),
        ("parent", "docker0"),
        ("unknown", "x"),
    ] {
        let told = create(&format!(r#""Options":{{"{key}":"{value}"}}"#));
        assert!(told.starts_with(&format!("Options[{key:?}]")), "{told}");
    }
    assert!(create(r#""Ingress":true"#).starts_with("Ingress"));
    for (key, value) in [
        ("com.docker.network.bridge.name", ""),
        ("com.docker.network.bridge.gateway_mode_ipv4", "routed"),
        ("com.docker.network.container_iface_prefix", "lan"),
        ("com.docker.network.driver.mtu", "1400"),
        ("macvlan_mode", "bridge"),
        ("encrypted", ""),
    ] {
        let told = create(&format!(
            r#""Options":{{"{key}":"{value}"}},"Ingress":false"#
        ));
        assert!(told.starts_with("/networks/create {"), "{told}");
    }
}
