//! From bytes to claims: what a term gets to judge.

use super::Place;
use super::json::{self, Limits, Path, Value};
use super::reach::{self, Claim, Engine};
use crate::api::fields::{Body, Reach};
use crate::api::{Method, Target};

fn body(line: &str) -> &'static Body {
    let target = Target::from_line("POST", line).expect("a target");
    Body::of(Method::Post, &target).expect("a body")
}

/// What a request asks for in its body.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) tree: Value,
    pub(super) claims: Vec<Claim>,
}

/// Reads a body and finds what it asks for, or why that cannot be judged.
pub(super) fn asked(body: &'static Body, text: &str, engine: &Engine<'_>) -> Result<Asked, String> {
    let tree = json::read(text.as_bytes(), Limits::default(), Place::of(body));
    let tree = tree.map_err(|refusal| refusal.to_string())?;
    let claims = reach::asked(body, &tree, engine).map_err(|too_many| too_many.to_string())?;
    Ok(Asked { tree, claims })
}

fn try_create(text: &str) -> Result<Asked, String> {
    let body = body("/v1.41/containers/create?name=x");
    asked(body, text, &Engine::default())
}

fn create(text: &str) -> Asked {
    try_create(text).expect(text)
}

/// The paths of what takes over the host or another container.
fn powers(asked: &Asked) -> Vec<&str> {
    let reach = |claim: &&Claim| !claim.reach.within(Reach::CONTROL).is_none();
    let powers = asked.claims.iter().filter(reach);
    powers.map(|claim| claim.path.as_str()).collect()
}

/// Of the docker CLI 28.2.2: `docker run -it --rm -m 64m busybox`.
const CLI: &str = r#"{"Hostname":"","Domainname":"","User":"","AttachStdin":true,"AttachStdout":true,"AttachStderr":true,"Tty":true,"OpenStdin":true,"StdinOnce":true,"Env":null,"Cmd":null,"Image":"busybox","Volumes":{},"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{},"HostConfig":{"Binds":null,"ContainerIDFile":"","LogConfig":{"Type":"","Config":{}},"NetworkMode":"default","PortBindings":{},"RestartPolicy":{"Name":"no","MaximumRetryCount":0},"AutoRemove":true,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[50,120],"CapAdd":null,"CapDrop":null,"CgroupnsMode":"","Dns":[],"DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,"IpcMode":"","Cgroup":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,"SecurityOpt":null,"UTSMode":"","UsernsMode":"","ShmSize":0,"Isolation":"","CpuShares":0,"Memory":67108864,"NanoCpus":0,"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":[],"BlkioDeviceWriteBps":[],"BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],"CpuPeriod":0,"CpuQuota":0,"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":[],"DeviceCgroupRules":null,"DeviceRequests":null,"MemoryReservation":0,"MemorySwap":0,"MemorySwappiness":-1,"OomKillDisable":false,"PidsLimit":0,"Ulimits":[],"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0,"MaskedPaths":null,"ReadonlyPaths":null},"NetworkingConfig":{"EndpointsConfig":{"default":{"IPAMConfig":null,"Links":null,"Aliases":null,"MacAddress":"","DriverOpts":null,"GwPriority":0,"NetworkID":"","EndpointID":"","Gateway":"","IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"DNSNames":null}}}}"#;

#[test]
fn a_plain_run_of_the_docker_cli_reaches_nothing() {
    let asked = create(CLI);
    assert_eq!(powers(&asked), [""; 0]);
    assert_eq!(asked.tree.to_json(), CLI);
}

#[test]
fn a_privileged_one_is_found_in_every_spelling() {
    for (text, path) in [
        (
            r#"{"HostConfig":{"Privileged":true}}"#,
            "HostConfig.Privileged",
        ),
        (
            r#"{"hoſtconfig":{"PRIVILEGED":true}}"#,
            "HostConfig.Privileged",
        ),
        (
            r#"{"\u0048ostConfig":{"privile\u0067ed":true}}"#,
            "HostConfig.Privileged",
        ),
        (
            r#"{"HostConfig":{"Networ\u212aMode":"host"}}"#,
            "HostConfig.NetworkMode",
        ),
        // Engines up to 26 read these.
        (r#"{"Privileged":true}"#, "Privileged"),
        (r#"{"privileged":true,"HostConfig":null}"#, "Privileged"),
        (r#"{"BINDS":["/:/h"],"HostConfig":{}}"#, "Binds[0]"),
        (r#"{"capadd":"ALL"}"#, "CapAdd[0]"),
        // An engine of next year may read it.
        (r#"{"HostConfig":{"Sudo":{"a":[1]}}}"#, "HostConfig.Sudo"),
        (
            r#"{"HostConfig":{"Mounts":[{"Type":"tmpfs","New":1}]}}"#,
            "HostConfig.Mounts[0].New",
        ),
        (
            r#"{"NetworkingConfig":{"EndpointsConfig":{"bridge":{"New":"x"}}}}"#,
            "NetworkingConfig.EndpointsConfig.bridge.New",
        ),
    ] {
        assert_eq!(powers(&create(text)), [path], "{text}");
    }
}

#[test]
fn what_two_readers_would_read_differently_is_refused() {
    for (text, why) in [
        (
            r#"{"HostConfig":{"Privileged":true},"HostConfig":{"Memory":0}}"#,
            "HostConfig: duplicate key (case is ignored in field names)",
        ),
        (
            r#"{"HostConfig":{"Privileged":true,"privileged":null}}"#,
            "HostConfig.Privileged: duplicate key (case is ignored in field names)",
        ),
        (
            r#"{"HostConfig":{},"hoſtConfig":{"Privileged":true}}"#,
            "HostConfig: duplicate key (case is ignored in field names)",
        ),
        (
            r#"{"privileged":true,"Privileged":false}"#,
            "Privileged: duplicate key (case is ignored in field names)",
        ),
        (
            r#"{"HostConfig":{"Mounts":[{"Type":"tmpfs","type":"bind"}]}}"#,
            "HostConfig.Mounts[0].Type: duplicate key (case is ignored in field names)",
        ),
        (
            r#"{"HostConfig":{"Privileged":"true"}}"#,
            "HostConfig.Privileged must be a boolean, not a string",
        ),
        (
            r#"{"Memory":1e3}"#,
            "Memory must be an integer, not a number with a fraction, an exponent or more than 64 bits",
        ),
        ("", "the body is empty"),
    ] {
        assert_eq!(try_create(text).expect_err(text), why, "{text}");
    }
}

#[test]
fn what_is_unknown_and_empty_asks_for_nothing() {
    let text = r#"{"Image":"x","name":"c","_query":{"a":1},"HostConfig":{"New":[],"Newer":null,"Newest":{},"Last":0.0,"None":"","Off":false}}"#;
    let asked = create(text);
    assert_eq!(powers(&asked), [""; 0]);
    // It is known to be unknown, so that it need not be forwarded.
    let mut unknown = Vec::new();
    let mut tree = asked.tree;
    tree.retain(
        Place::of(body("/containers/create")),
        &mut |path: &Path<'_>, place: Option<Place>, _| {
            unknown.extend(place.is_none().then(|| path.to_string()));
            place.is_some()
        },
    );
    assert_eq!(tree.to_json(), r#"{"Image":"x","HostConfig":{}}"#);
    assert_eq!(unknown.len(), 8, "{unknown:?}");
}

#[test]
fn what_only_old_engines_read_is_told_apart() {
    let text = r#"{"image":"x","memory":1,"HostConfig":{"memory":1},"Labels":{"memory":"1"}}"#;
    let mut tree = create(text).tree;
    assert_eq!(
        tree.to_json(),
        r#"{"Image":"x","Memory":1,"HostConfig":{"Memory":1},"Labels":{"memory":"1"}}"#
    );
    let create = Place::of(body("/containers/create"));
    tree.retain(create, &mut |_: &Path<'_>, place: Option<Place>, _| {
        place.is_some_and(|place| !place.legacy)
    });
    assert_eq!(
        tree.to_json(),
        r#"{"Image":"x","HostConfig":{"Memory":1},"Labels":{"memory":"1"}}"#
    );
}

#[test]
fn the_shape_is_that_of_the_route() {
    let exec = |text: &str| {
        let body = body("/containers/web/exec");
        asked(body, text, &Engine::default()).expect(text)
    };
    let asked = exec(r#"{"privileged":true,"cmd":["sh"],"Tty":true}"#);
    assert_eq!(powers(&asked), ["Privileged"]);
    assert_eq!(
        asked.tree.to_json(),
        r#"{"Privileged":true,"Cmd":["sh"],"Tty":true}"#
    );
    assert_eq!(
        powers(&exec(r#"{"Cmd":["sh"],"Binds":["/:/h"]}"#)),
        ["Binds"]
    );
}

/// A key of a megabyte, and as many values below it as there may be.
#[test]
fn long_keys_are_not_repeated_in_claims() {
    let key = "x".repeat(1 << 20);
    let ports = r#"{"HostPort":"1"},"#.repeat(9_000);
    let text = format!(
        r#"{{"HostConfig":{{"PortBindings":{{"{key}":[{}]}}}}}}"#,
        ports.trim_end_matches(',')
    );
    let asked = create(&text);
    assert_eq!(asked.claims.len(), 9_000);
    assert!(asked.claims.iter().all(|claim| claim.path.len() < 120));
    let more = text.replacen(r#"{"HostPort":"1"},"#, &"{},".repeat(2_000), 1);
    let refusal = try_create(&more).expect_err("too many claims");
    assert_eq!(refusal, "the body asks for more than 10000 things");
}
