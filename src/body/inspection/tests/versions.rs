//! Fields that a limit relies on, in versions of the API that leave them out.

use super::Engine;
use super::limits::limited;

const PIDS: &str =
    r#"{"TaskTemplate":{"ContainerSpec":{"Image":"busybox"},"Resources":{"Limits":{"Pids":64}}}}"#;
const DROPS: &str =
    r#"{"TaskTemplate":{"ContainerSpec":{"Image":"busybox","CapabilityDrop":["ALL"]}}}"#;
const KEEPS: &str = r#"{"TaskTemplate":{"ContainerSpec":{"Image":"busybox","Privileges":{"NoNewPrivileges":true}}}}"#;
const READS: &str = r#"{"TaskTemplate":{"ContainerSpec":{"Image":"busybox","ReadOnly":true}}}"#;
const IMAGE: &str = r#"{"TaskTemplate":{"ContainerSpec":{"Image":"busybox"}}}"#;
const CREATE: &str = r#"{"Image":"busybox","HostConfig":{"NanoCpus":1000000000}}"#;

/// An engine whose newest version of the API is this.
fn newest(version: &str) -> Engine {
    let version = format!(r#"{{"Version":"1.2.3","ApiVersion":{version}}}"#);
    Engine::default().with("/version", version)
}

/// What becomes of a request for this version of the API, or for none, and whether the engine was asked
/// for its own.
fn told(limits: &str, version: &str, path: &str, body: &str, engine: &Engine) -> (String, bool) {
    let (told, asked) = limited(limits, &format!("POST {version}{path}"), body, engine);
    let was_asked = asked == ["/version"];
    assert!(was_asked || asked.is_empty(), "{asked:?}");
    let start = format!("{version}{path} {{");
    let told = match told.starts_with(&start) {
        true => "passes".to_owned(),
        false => told,
    };
    (told, was_asked)
}

#[test]
fn what_an_old_version_of_a_request_leaves_out_meets_no_limit() {
    let pids = "TaskTemplate.Resources.Limits.Pids: 64 is ignored in version {} of the API: PIDS_MAX needs 1.41 or later";
    let drops = "TaskTemplate.ContainerSpec.CapabilityDrop: [\"ALL\"] is ignored in version {} of the API: REQUIRE needs 1.41 or later";
    let keeps = "TaskTemplate.ContainerSpec.Privileges.NoNewPrivileges: true is ignored in version {} of the API: REQUIRE needs 1.44 or later";
    for (limits, body, why, below, since) in [
        // It is written in.
        (
            "PIDS_MAX=64",
            IMAGE,
            pids,
            ["1.24", "1.40", "1.40.9", "1.", "1.9"],
            "1.41",
        ),
        (
            "PIDS_MAX=64",
            PIDS,
            pids,
            ["1.24", "1.40", "1.40.9", "1.", "1.9"],
            "1.41",
        ),
        (
            "REQUIRE=drop-all-caps",
            DROPS,
            drops,
            ["1.24", "1.40", "01.040", "1..41", "."],
            "1.41",
        ),
        (
            "REQUIRE=no-new-privileges",
            KEEPS,
            keeps,
            ["1.24", "1.41", "1.43", "1.43.99", "1.5"],
            "1.44",
        ),
    ] {
        for path in ["/services/create", "/services/web/update?version=1"] {
            // Engines that are newer leave it out as well, so that none is asked.
            let engine = Engine::default();
            for version in below {
                let (told, was_asked) = told(limits, &format!("/v{version}"), path, body, &engine);
                let shown = crate::api::Version::parse(version).to_string();
                assert_eq!(told, why.replace("{}", &shown), "{version} {body}");
                assert!(!was_asked);
            }
            for version in [since, "1.44", "1.56", "2.0", "1.99.1"] {
                let version = format!("/v{version}");
                let (told, was_asked) = told(limits, &version, path, body, &engine);
                assert_eq!((told.as_str(), was_asked), ("passes", false), "{version}");
            }
        }
    }
    // Whatever is not limited may be left out.
    for body in [PIDS, DROPS, KEEPS, IMAGE] {
        let engine = Engine::default();
        let (told, _) = told("CPUS_MAX=1", "/v1.24", "/services/create", body, &engine);
        assert_eq!(told, "passes", "{body}");
    }
}

#[test]
fn without_a_version_the_engine_s_newest_counts() {
    for (limits, path, body, since) in [
        ("PIDS_MAX=64", "/services/create", IMAGE, "1.41"),
        ("REQUIRE=drop-all-caps", "/services/create", DROPS, "1.41"),
        (
            "REQUIRE=no-new-privileges",
            "/services/create",
            KEEPS,
            "1.44",
        ),
        ("REQUIRE=readonly-rootfs", "/services/create", READS, "1.28"),
        ("CPUS_MAX=1", "/containers/create", CREATE, "1.25"),
    ] {
        let of = |version: &str| told(limits, "", path, body, &newest(version)).0;
        assert_eq!(of(&format!("{since:?}")), "passes");
        assert_eq!(of(r#""1.56""#), "passes");
        let has = of(r#""1.24""#);
        let why = format!(
            " is ignored in version 1.24 of the API: {} needs {since} or later",
            limits.split('=').next().expect("a name")
        );
        assert!(has.ends_with(&why), "{has}");
        for unknown in ["null", "1.56", r#""""#, r#""dev""#, "[]"] {
            let told = of(unknown);
            assert!(told.contains(" is ignored in "), "{unknown}: {told}");
        }
        let (told, was_asked) = told(limits, "", path, body, &Engine::default());
        assert!(
            told.contains(" is ignored in old versions of the API: ") && was_asked,
            "{told}"
        );
    }
    // Neither is left out of an older request, so it depends on the engine alone.
    for (limits, version, path, body) in [
        ("CPUS_MAX=1", "/v1.24", "/containers/create", CREATE),
        (
            "REQUIRE=readonly-rootfs",
            "/v1.27",
            "/services/create",
            READS,
        ),
    ] {
        let passes = told(limits, version, path, body, &newest(r#""1.41""#));
        assert_eq!(passes, ("passes".to_owned(), true));
        let (told, _) = told(limits, version, path, body, &newest(r#""1.24""#));
        assert!(told.contains(" is ignored in version 1.24 "), "{told}");
    }
    // A share of the CPUs and processes are as old as the versions that are looked at.
    let share = r#"{"Image":"busybox","HostConfig":{"CpuQuota":1000}}"#;
    for limits in ["CPUS_MAX=1", "PIDS_MAX=64"] {
        let (told, _) = told(
            limits,
            "",
            "/containers/create",
            share,
            &newest(r#""1.24""#),
        );
        assert_eq!(told, "passes");
    }
}

#[test]
fn an_old_version_makes_no_mount_less_read_only() {
    let bind = r#"{"Image":"busybox","HostConfig":{"Binds":["/data:/d:ro"]}}"#;
    let mount = r#"{"Image":"busybox","HostConfig":{"Mounts":[{"Type":"bind","Source":"/data","Target":"/d","ReadOnly":true}]}}"#;
    for (body, place) in [(bind, "Binds[0]"), (mount, "Mounts[0]")] {
        let limits = "BIND_FROM=/srv,/data:ro";
        let of = |version: &str, engine: &Engine| {
            told(limits, version, "/containers/create", body, engine)
        };
        let new = newest(r#""1.51""#);
        let why = format!(
            "HostConfig.{place}: /data is not read-only as a whole in version 1.43 of the API: BIND_FROM needs 1.44 or later"
        );
        assert_eq!(of("/v1.43", &new), (why.clone(), true));
        // It does not say.
        assert_eq!(of("/v1.43", &Engine::default()).0, why);
        for version in ["/v1.44", "/v1.51", ""] {
            let passes = ("passes".to_owned(), false);
            assert_eq!(of(version, &new), passes, "{version}");
        }
        // An older engine has no other mounts.
        let passes = ("passes".to_owned(), true);
        assert_eq!(of("/v1.41", &newest(r#""1.43""#)), passes);
        // What may be written may be read-only.
        let limits = "BIND_FROM=/data";
        let passes = ("passes".to_owned(), false);
        let (path, none) = ("/containers/create", Engine::default());
        assert_eq!(told(limits, "/v1.41", path, body, &none), passes);
    }
}
