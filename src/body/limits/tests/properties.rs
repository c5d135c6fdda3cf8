//! To set a limit never allows more, an entry never allows less, and limits add up.

use super::*;
use crate::body::reach::Claim;

/// For each limit: one that lists nothing, or next to nothing, and an entry more.
const GROWING: [(&str, &str, &str); 21] = [
    ("BIND_FROM", "none", "/etc, /srv/ci:ro"),
    ("VOLUMES_NAMED", "none", "cache"),
    ("IMAGE_FROM", "none", "docker.io/library/*"),
    ("TAG_AS", "none", "ci/*"),
    ("CAP_ADD", "none", "SYS_ADMIN"),
    ("DEVICES", "none", "/dev/sda, gpu=all"),
    (
        "NAMESPACES",
        "none",
        "pid:host, network:host, ipc:container:*",
    ),
    (
        "SECURITY",
        "none",
        "seccomp=unconfined, systempaths=unconfined",
    ),
    ("RUNTIMES", "none", "runsc"),
    ("LOG_DRIVERS", "x", "syslog, syslog-address=**"),
    ("VOLUME_DRIVERS", "none", "sshfs"),
    ("NETWORK_DRIVERS", "none", "macvlan"),
    ("NETWORKS_JOINED", "none", "db"),
    ("SYSCTLS", "none", "kernel.core_pattern"),
    ("PUBLISH", "none", "80"),
    ("RUN_AS", "none", "0, 1000, root"),
    ("EXEC_COMMANDS", "none", "[\"sh\"]"),
    ("MEMORY_MAX", "6m", "2g"),
    ("CPUS_MAX", "0.1", "4"),
    ("PIDS_MAX", "1", "4096"),
    ("REQUIRE", "digest, label:a", "label:a"),
];

/// Pieces of bodies, each of which some limit is about.
const PIECES: [&str; 24] = [
    r#""Binds":["/etc:/x"]"#,
    r#""Binds":["/srv/ci:/x:ro","cache:/c"]"#,
    r#""Mounts":[{"Type":"volume","Source":"db","Target":"/x"}]"#,
    r#""Mounts":[{"Type":"volume","Target":"/x","VolumeOptions":{"DriverConfig":{"Name":"sshfs","Options":{"a":"b"}}}}]"#,
    r#""VolumesFrom":["w"]"#,
    r#""VolumeDriver":"sshfs""#,
    r#""CapAdd":["SYS_ADMIN","KILL"]"#,
    r#""Privileged":true"#,
    r#""Devices":[{"PathOnHost":"/dev/sda"}]"#,
    r#""DeviceRequests":[{"Count":-1,"Capabilities":[["gpu"]]}]"#,
    r#""DeviceCgroupRules":["a"]"#,
    r#""PidMode":"host""#,
    r#""IpcMode":"container:w""#,
    r#""NetworkMode":"host""#,
    r#""NetworkMode":"db""#,
    r#""SecurityOpt":["seccomp=unconfined"]"#,
    r#""MaskedPaths":[]"#,
    r#""Runtime":"runsc""#,
    r#""LogConfig":{"Type":"syslog","Config":{"syslog-address":"unix:///x"}}"#,
    r#""Sysctls":{"kernel.core_pattern":"x","net.ipv4.a":"1"}"#,
    r#""PortBindings":{"80/tcp":[{"HostPort":"80"}]}"#,
    r#""Memory":1073741824,"NanoCpus":1000000000,"PidsLimit":100"#,
    r#""NewField":1"#,
    r#""CgroupParent":"/x""#,
];

/// The places of all that is refused, and what is left to be looked up.
fn refused(own: &Limits, asked: &Asked) -> Vec<String> {
    let mut facts = facts(&[
        (
            container("w"),
            r#"{"Name":"/w","HostConfig":{},"Mounts":[{"Type":"bind","Source":"/etc","RW":true},{"Type":"volume","Name":"cache","Driver":"local","RW":true}]}"#,
        ),
        (
            volume("db"),
            r#"{"Driver":"local","Options":{"type":"nfs","o":"x","device":":/"}}"#,
        ),
        (volume("cache"), r#"{"Driver":"local"}"#),
        (network("db"), r#"{"Name":"db"}"#),
    ]);
    facts.learn(image("busybox"), answer(""));
    let mut tree = asked.tree.clone();
    own.fill(body(CREATE), &mut tree, None, &facts);
    let found = own.judge(body(CREATE), &tree, &asked.claims, &facts);
    let mut places: Vec<String> = found.into_iter().map(|excess| excess.place).collect();
    let left = own.unsettled(&asked.claims, &facts);
    places.extend(left.map(|claim: &Claim| claim.path.clone()));
    places
}

#[test]
fn setting_a_limit_never_allows_more_and_an_entry_never_less() {
    let unset = limits("");
    // With one entry, with one more, and both of these under DENY_ROOT.
    let set = GROWING.map(|(variable, less, more)| {
        // A list stays as it is, unless it says that it is empty. A ceiling is another one.
        let grown = match less {
            "x" => format!("{less}, {more}"),
            _ => more.to_owned(),
        };
        let own = [less, &grown].map(|entries| {
            ["", "DENY_ROOT=1; "].map(|root| limits(&format!("{root}{variable}={entries}")))
        });
        (variable, own)
    });
    let mut opened = 0;
    for (index, piece) in PIECES.iter().enumerate() {
        let key = |piece: &str| piece.split(':').next().map(str::to_owned);
        for other in PIECES[..index]
            .iter()
            .filter(|other| key(other) != key(piece))
        {
            let text = format!(
                r#"{{"Image":"busybox","User":"1000","Labels":{{"a":"x"}},"HostConfig":{{{piece},{other}}}}}"#
            );
            let asked = read_body(CREATE, &text);
            assert_eq!(refused(&unset, &asked), [""; 0]);
            for (variable, [[one, one_root], [two, two_root]]) in &set {
                let [one, one_root] = [one, one_root].map(|own| refused(own, &asked));
                let [two, two_root] = [two, two_root].map(|own| refused(own, &asked));
                let within = |some: &[String], all: &[String]| {
                    assert!(
                        some.iter().all(|place| all.contains(place)),
                        "{variable} {text}: {some:?}, not {all:?}"
                    );
                };
                within(&two, &one);
                within(&two_root, &one_root);
                within(&one, &one_root);
                within(&two, &two_root);
                opened += usize::from(two.len() < one.len());
            }
        }
    }
    assert!(opened > 500, "{opened}");
}

/// A second limit takes nothing back of what the first refuses, unless it lists that very thing.
#[test]
fn limits_add_up() {
    const LISTED: [(&str, &str); 4] = [
        ("BIND_FROM", "VOLUMES_NAMED"),
        ("BIND_FROM", "VOLUME_DRIVERS"),
        ("PUBLISH", "NAMESPACES"),
        ("NETWORKS_JOINED", "NAMESPACES"),
    ];
    for piece in PIECES {
        let text = format!(r#"{{"Image":"busybox","HostConfig":{{{piece}}}}}"#);
        let asked = read_body(CREATE, &text);
        for (first, value, _) in GROWING {
            let one = refused(&limits(&format!("{first}={value}")), &asked);
            for (second, _, more) in GROWING {
                if first == second || LISTED.contains(&(first, second)) {
                    continue;
                }
                let both = refused(
                    &limits(&format!("{first}={value}; {second}={more}")),
                    &asked,
                );
                let missing: Vec<&String> =
                    one.iter().filter(|place| !both.contains(place)).collect();
                assert!(
                    missing.is_empty(),
                    "{first} and {second}: {text}: {missing:?}"
                );
            }
        }
    }
}
