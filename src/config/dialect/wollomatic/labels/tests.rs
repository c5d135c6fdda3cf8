//! What labels make of the policy `default`.

use std::sync::Arc;

use super::*;
use crate::api::Target;
use crate::config::Settings;
use crate::policy::Body;

fn lists(env: &[(&str, &str)]) -> LabelLists {
    let settings = Settings::load(&env.iter().copied().collect()).expect("it starts");
    let prefix = settings.process.label_prefix.as_deref();
    LabelLists::new(
        prefix.unwrap_or("socket-proxy"),
        settings.policies.default(),
    )
}

fn container(labels: &[(&str, &str)]) -> Container {
    let labels = labels.iter().copied();
    Container {
        labels: labels
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        ..Container::default()
    }
}

/// The list of a container, or what is wrong with its labels.
fn list(env: &[(&str, &str)], labels: &[(&str, &str)]) -> Result<ConfiguredPolicy, String> {
    let lists = lists(env);
    let labels = lists.labels(&container(labels)).expect("a list");
    let mut diagnostics = Vec::new();
    let list = lists.compile(&labels, &mut diagnostics);
    list.ok_or_else(|| diagnostics.iter().map(ToString::to_string).collect())
}

fn verdict(list: &ConfiguredPolicy, method: &str, target: &str) -> String {
    let target = Target::from_line(method, target).expect("a target");
    list.decide(target, Body::Empty).to_string()
}

#[test]
fn a_list_has_what_its_labels_grant_and_nothing_else() {
    let env = [
        ("SP_PROXYCONTAINERNAME", "gate"),
        ("SP_ALLOW_GET", "/info"),
        ("CONTAINERS", "1"),
    ];
    let labels = [
        ("socket-proxy.allow.get", "/version"),
        ("socket-proxy.allow.GET.2", "/_ping|/events"),
        ("socket-proxy.allow.post.a.b", "/containers/[^/]+/start"),
        ("socket-proxy.allow.head", ""),
        ("other.allow.get", ".*"),
        ("Socket-Proxy.allow.get", ".*"),
        ("socket-proxy.allowed.get", ".*"),
    ];
    let list = list(&env, &labels).expect("a list");
    for (method, target, told) in [
        ("GET", "/version", "allowed by socket-proxy.allow.get"),
        ("GET", "/events?a=1", "allowed by socket-proxy.allow.GET.2"),
        (
            "POST",
            "/containers/x/start",
            "allowed by socket-proxy.allow.post.a.b",
        ),
        (
            "GET",
            "/info",
            "denied: GET /info is not allowed: no label socket-proxy.allow.get of this client's \
             container matches /info",
        ),
        (
            "GET",
            "/containers/json",
            "denied: GET /containers/json is not allowed: no label socket-proxy.allow.get of this \
             client's container matches /containers/json",
        ),
        (
            "HEAD",
            "/_ping",
            "denied: HEAD /_ping is not allowed: no label socket-proxy.allow.head of this client's \
             container matches /_ping",
        ),
    ] {
        assert_eq!(verdict(&list, method, target), told);
    }
}

#[test]
fn what_restricts_the_default_policy_restricts_each_list() {
    let all = [
        ("socket-proxy.allow.get", ".*"),
        ("socket-proxy.allow.post", ".*"),
    ];
    let name = ("SP_PROXYCONTAINERNAME", "gate");
    let denied = list(&[name, ("DENY_LOGS", "1")], &all).expect("a list");
    let told = verdict(&denied, "GET", "/containers/x/logs");
    assert_eq!(
        told,
        "denied: GET /containers/x/logs is not allowed: DENY_LOGS is set; unset it to \
         allow this request"
    );
    assert!(verdict(&denied, "GET", "/containers/x/json").starts_with("allowed"));
    // A preset's too, although it grants nothing here.
    let root = list(&[name, ("PRESET", "agent")], &all).expect("a list");
    let told = verdict(&root, "POST", "/containers/create");
    assert!(
        told.contains("unless DENY_ROOT refuses what it asks for"),
        "{told}"
    );
    assert!(verdict(&root, "POST", "/plugins/pull").starts_with("denied"));
    let free = list(&[name], &all).expect("a list");
    let told = verdict(&free, "POST", "/containers/create");
    assert_eq!(told, "allowed by socket-proxy.allow.post");
    for (variable, value) in [
        ("BIND_FROM", "/srv"),
        ("SP_ALLOWBINDMOUNTFROM", "/srv"),
        ("SCOPE", "label:team=ci"),
        ("RULE_NAME", "method == 'GET'"),
    ] {
        let held = list(&[name, (variable, value)], &all).expect("a list");
        let told = verdict(&held, "POST", "/containers/create");
        assert!(
            told.contains("refuses what it asks for"),
            "{variable}: {told}"
        );
    }
    let redacted = list(&[name, ("REDACT", "env")], &all).expect("a list");
    assert!(verdict(&redacted, "GET", "/containers/x/json").contains("REDACT"));
    // What the others may do by themselves, it may not.
    let grants = [
        name,
        ("SP_ALLOW_GET", "/info"),
        ("ALLOW_START", "1"),
        ("PRESET", "traefik"),
    ];
    let own = list(&grants, &[("socket-proxy.allow.get", "/_ping")]).expect("a list");
    for (method, target) in [
        ("GET", "/info"),
        ("POST", "/containers/x/start"),
        ("GET", "/version"),
    ] {
        assert!(
            verdict(&own, method, target).starts_with("denied"),
            "{target}"
        );
    }
}

#[test]
fn folders_are_within_those_of_the_default_policy() {
    let name = ("SP_PROXYCONTAINERNAME", "gate");
    let of = |env: &[(&str, &str)], folders: &str| {
        let labels = [("socket-proxy.allow.bindmountfrom", folders)];
        let list = list(&[&[name], env].concat(), &labels)?;
        let limits = list.sources.limits.as_ref().expect("limits");
        Ok::<_, String>(
            limits
                .bind_from
                .entries
                .as_ref()
                .expect("entries")
                .to_string(),
        )
    };
    for (env, folders, kept) in [
        (&[][..], "/srv,/data/", Ok("/srv/**, /data/**")),
        (
            &[("SP_ALLOWBINDMOUNTFROM", "/srv")],
            "/srv/ci",
            Ok("/srv/ci/**"),
        ),
        (&[("BIND_FROM", "/srv/**, /x:ro")], "/srv", Ok("/srv/**")),
        (
            &[("SP_ALLOWBINDMOUNTFROM", "/srv")],
            "/srv,/data",
            Err("/data/** is not within"),
        ),
        (
            &[("SP_ALLOWBINDMOUNTFROM", "/srv/ci")],
            "/srv",
            Err("/srv/** is not within"),
        ),
        (
            &[("SP_ALLOWBINDMOUNTFROM", "/srv")],
            "/srv/../etc",
            Err("/etc/** is not within"),
        ),
        (
            &[("BIND_FROM", "/srv")],
            "/srv",
            Err("/srv/** is not within"),
        ),
        (
            &[("BIND_FROM", "/srv/**:ro")],
            "/srv",
            Err("/srv/** is not within"),
        ),
        (
            &[("DENY_ROOT", "1")],
            "/srv",
            Err("DENY_ROOT denies all folders of the host"),
        ),
        (
            &[("DENY_ROOT", "1"), ("BIND_FROM", "/srv/**")],
            "/srv/ci",
            Ok("/srv/ci/**"),
        ),
        (&[], "rel", Err("rel is not an absolute path")),
        (&[], "/srv,", Err("is not an absolute path")),
    ] {
        match (of(env, folders), kept) {
            (Ok(is), Ok(kept)) => assert_eq!(is, kept, "{folders}"),
            (Err(is), Err(told)) => assert!(is.contains(told), "{folders}: {is}"),
            (is, _) => panic!("{env:?} {folders}: {is:?}"),
        }
    }
}

#[test]
fn a_mistake_leaves_nothing_of_a_list() {
    let many: Vec<(String, &str)> = (0..=MOST)
        .map(|number| (format!("socket-proxy.allow.get.{number}"), "/info"))
        .collect();
    let many: Vec<(&str, &str)> = many
        .iter()
        .map(|(key, value)| (key.as_str(), *value))
        .collect();
    let long = "x".repeat(LONGEST);
    let large = ("socket-proxy.allow.get", "/(([a-z]{9}){9}){99}");
    for (labels, told) in [
        (
            &[("socket-proxy.allow.get", "(")][..],
            "socket-proxy.allow.get=( is not a valid pattern",
        ),
        (
            &[("socket-proxy.allow.gte", "/info")],
            "the label socket-proxy.allow.gte is neither",
        ),
        (
            &[("socket-proxy.allow.bindmountfrom.1", "/srv")],
            "the label socket-proxy.allow.bindmountfrom.1 is neither",
        ),
        (
            &[("socket-proxy.allow.", "/info")],
            "the label socket-proxy.allow. is neither",
        ),
        (
            &[("socket-proxy.allow", "")],
            "says that the others are not its container's own",
        ),
        (&many, "are more than 64, or too long"),
        (
            &[("socket-proxy.allow.get", &long)],
            "are more than 64, or too long",
        ),
        (&[large], "socket-proxy.allow."),
    ] {
        let good = ("socket-proxy.allow.head", "/_ping");
        let wrong = list(
            &[("SP_PROXYCONTAINERNAME", "gate")],
            &[labels, &[good]].concat(),
        );
        let wrong = wrong.expect_err("a mistake");
        assert!(wrong.contains(told), "{wrong}");
    }
}

#[test]
fn who_has_a_list_is_told_by_all_at_the_address() {
    let lists = lists(&[
        ("SP_PROXYCONTAINERNAME", "gate"),
        ("SP_DOCKERLABELPREFIX", "my.proxy-1"),
    ]);
    let has = container(&[("my.proxy-1.allow.get", "/info")]);
    let same = container(&[("my.proxy-1.allow.get", "/info"), ("x", "y")]);
    let other = container(&[("my.proxy-1.allow.get", "/version")]);
    let none = container(&[
        ("my.proxy-1.allow.get", ""),
        ("socket-proxy.allow.get", "/info"),
    ]);
    let of = |all: &[&Container]| {
        let all = all.iter().map(|one| Arc::new((*one).clone()));
        lists.of(Seen::These(all.collect()))
    };
    assert!(matches!(of(&[&has, &same]), OwnList::By { .. }));
    assert!(matches!(of(&[&none]), OwnList::None));
    for all in [[&has, &other], [&has, &none], [&none, &has]] {
        assert!(
            matches!(of(&all), OwnList::Unknown(Why::Differ(..))),
            "{all:?}"
        );
    }
    assert!(matches!(lists.of(Seen::Nobody), OwnList::None));
    assert!(matches!(
        lists.of(Seen::Unknown(Why::Unheld)),
        OwnList::Unknown(Why::Unheld)
    ));
}

#[test]
fn what_an_author_may_overlook_is_told() {
    let told = |env: &[(&str, &str)]| -> Vec<String> {
        let settings = Settings::load(&env.iter().copied().collect()).expect("it starts");
        settings.warnings.iter().map(ToString::to_string).collect()
    };
    let name = ("SP_PROXYCONTAINERNAME", "gate");
    assert_eq!(
        told(&[("SP_DOCKERLABELPREFIX", "x")]),
        [
            "SP_DOCKERLABELPREFIX is ignored without SP_PROXYCONTAINERNAME; set that too, or remove it"
        ]
    );
    assert_eq!(
        told(&[name, ("SP_PROXYSOCKETENDPOINT", "/run/x.sock")]),
        [
            "SP_PROXYCONTAINERNAME is ignored: clients of Unix sockets have no labels; listen on a TCP \
          address, or remove it"
        ]
    );
    let creates = [name, ("SP_ALLOW_POST", "/containers/create")];
    let warning = |does: &str| {
        format!(
            "labels grant (SP_PROXYCONTAINERNAME), and clients can take a container's list: policy default \
             can {does}; set DENY_ROOT or SCOPE there"
        )
    };
    assert_eq!(told(&creates), [warning("create containers")]);
    for (path, does) in [
        ("/build", "build images"),
        ("/networks/[^/]+/connect", "connect networks"),
    ] {
        assert_eq!(told(&[name, ("SP_ALLOW_POST", path)]), [warning(does)]);
    }
    let exec = told(&[name, ("ALLOW_EXEC", "1")]);
    assert!(
        exec.contains(&warning("run commands in containers")),
        "{exec:?}"
    );
    assert_eq!(
        told(&[&creates[..], &[("DENY_ROOT", "1")]].concat()),
        [""; 0]
    );
    let remote = [name, ("SOCKET_PATH", "tcp://10.0.0.1:2375")];
    let refused = Settings::load(&remote.iter().copied().collect()).expect_err("it is refused");
    let refused = refused.iter().map(ToString::to_string).collect::<String>();
    assert!(refused.contains("is on another host"), "{refused}");
    assert_eq!(told(&[name]), [""; 0]);
    for prefix in [
        "",
        "Foo",
        "foo.",
        "a..b",
        "a.-b",
        "-a",
        "a_b",
        "dockgate",
        "dockgate.x",
    ] {
        assert!(super::prefix(prefix).is_err(), "{prefix}");
    }
    for prefix in ["socket-proxy", "my.proxy-1", "a", "dockgate-x.y"] {
        assert_eq!(super::prefix(prefix).as_deref(), Ok(prefix));
    }
}

#[test]
fn the_default_policy_is_used_where_labels_grant() {
    let told = |env: &[(&str, &str)], policies: &str, who: &str| -> Vec<String> {
        let file = format!(
            "policies: {{{policies} q: {{ INFO: 1 }}}}\nendpoints: [{{ listen: 'tcp://127.0.0.1:1', policy: q }}]\n\
             clients: [{{ container: {{ {who} }}, policy: q }}]"
        );
        let env = [env, &[("CONFIG_DATA", file.as_str())]].concat();
        let settings = Settings::load(&env.iter().copied().collect()).expect("it starts");
        settings.warnings.iter().map(ToString::to_string).collect()
    };
    let name = ("SP_PROXYCONTAINERNAME", "gate");
    let root = [("DENY_ROOT", "1")];
    let of_file = "default: { DENY_ROOT: 1 },";
    assert!(told(&root, "", "name: x")[0].contains("DENY_ROOT is ignored"));
    assert!(told(&[], of_file, "name: x")[0].contains("policies.default is not used"));
    assert_eq!(told(&[name, root[0]], "", "name: x"), [""; 0]);
    assert_eq!(told(&[name], of_file, "name: x"), [""; 0]);
    // Labels that match nobody, or hardly whom they seem to.
    for (env, label, problem) in [
        (
            &[name][..],
            "socket-proxy.allow.get",
            "a container with socket-proxy.allow.get has a list of its own",
        ),
        (&[], "team=ci*", "team=ci* is compared as it is, with its *"),
    ] {
        let told = told(env, "", &format!("label: '{label}'"));
        assert!(told[0].contains(problem), "{told:?}");
    }
    assert_eq!(told(&[], "", "label: socket-proxy.allow.get"), [""; 0]);
}
