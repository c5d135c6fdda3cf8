//! Each gate by itself: what it refuses, in whatever way that is asked for.

use proptest::prelude::*;

use super::*;
use crate::api::Target;
use crate::body::facts::Answer;
use crate::body::json::{Limits, Untyped, Value, read};

fn draft(method: &str, line: &str, body: &str) -> Draft {
    let target = Target::from_line(method, line).expect(line);
    let mut draft = Draft::new(target);
    draft.read(body.as_bytes()).expect(body);
    draft
}

fn create(host_config: &str) -> Draft {
    let body = format!(r#"{{"HostConfig":{host_config}}}"#);
    draft("POST", "/v1.41/containers/create", &body)
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

fn sources(all: &[&str]) -> Gate {
    Gate::MountSource(MountSource::new(&texts(all)).expect("sources"))
}

/// Why a request is refused without asking the engine, if it is.
fn refused(gate: &Gate, draft: &Draft) -> Option<String> {
    match judge(std::slice::from_ref(gate), draft, &Facts::default()) {
        Ruling::Passes => None,
        Ruling::Refused(objection) => Some(objection.to_string()),
        Ruling::Needs(needs) => Some(format!("{needs:?}")),
    }
}

fn passes(gate: &Gate, draft: &Draft) -> bool {
    refused(gate, draft).is_none()
}

fn facts<const COUNT: usize>(known: [(Fact, Option<Value>); COUNT]) -> Facts {
    let mut facts = Facts::default();
    for (fact, found) in known {
        facts.learn(
            fact,
            found.map_or(Answer::Missing(String::new()), Answer::Found),
        );
    }
    facts
}

fn inspect(text: &str) -> Option<Value> {
    Some(read(text.as_bytes(), Limits::default(), Untyped).expect("JSON"))
}

#[test]
fn images_are_from_a_registry() {
    let own = Gate::Registry(texts(&["docker.io", "localhost:5000"]));
    for (query, allowed) in [
        ("fromImage=nginx&tag=1", true),
        ("fromImage=nginx:1", true),
        ("fromImage=nginx", true),
        ("fromImage=index.docker.io%2Fa%2Fb&tag=", true),
        ("fromImage=localhost:5000/x&tag=1", true),
        ("fromImage=localhost/x&tag=1", false),
        ("fromImage=quay.io/x&tag=1", false),
        ("fromImage=Docker.io/library/x&tag=1", false),
        ("fromImage=docker.io.evil/x&tag=1", false),
        ("fromImage=nginx&fromImage=quay.io/x", false),
        ("fromimage=nginx", false),
        ("fromImage=nginx;x", false),
        ("fromImage=Nginx", false),
        ("fromImage=nginx&tag=a/b", false),
        ("fromSrc=-&repo=nginx", false),
        ("fromSrc=http://quay.io/x&fromImage=nginx", false),
        ("", false),
    ] {
        let draft = draft("POST", &format!("/v1.41/images/create?{query}"), "");
        assert_eq!(passes(&own, &draft), allowed, "{query}");
    }
    let quay = draft("POST", "/images/create?fromImage=quay.io%2Fx%2Fy&tag=1", "");
    assert_eq!(
        refused(&own, &quay).as_deref(),
        Some(
            "the parameter fromImage: quay.io/x/y is not allowed: registry has docker.io, \
             localhost:5000"
        )
    );
    let service = |image| {
        let body = format!(r#"{{"TaskTemplate":{{"ContainerSpec":{{"Image":{image}}}}}}}"#);
        ["/services/create", "/services/x/update?version=1"]
            .map(|line| passes(&own, &draft("POST", line, &body)))
    };
    assert_eq!(service(r#""nginx:1""#), [true; 2]);
    assert_eq!(service("null"), [true; 2]);
    assert_eq!(service(r#""quay.io/x""#), [false; 2]);
    let plugin = |remote| {
        let spec = format!(r#"{{"Runtime":"plugin","PluginSpec":{{"remote":"{remote}"}}}}"#);
        let body = format!(r#"{{"TaskTemplate":{spec}}}"#);
        passes(&own, &draft("POST", "/services/create", &body))
    };
    assert!(plugin("a/b") && !plugin("quay.io/b"));
    assert!(passes(&own, &draft("POST", "/plugins/pull?remote=a/b", "")));
    assert!(!passes(
        &own,
        &draft("POST", "/plugins/x/upgrade?remote=quay.io/b", "")
    ));
    assert!(!passes(
        &Gate::Registry(Vec::new()),
        &draft("POST", "/images/create?fromImage=x", "")
    ));
    // It is about what the engine pulls.
    assert!(passes(&own, &draft("POST", "/images/quay.io/x/push", "")));
}

#[test]
fn images_are_of_a_namespace() {
    let own = Gate::Namespace(texts(&["library", "me", "a/b"]));
    for (image, allowed) in [
        ("nginx", true),
        ("docker.io/nginx", true),
        ("me/x", true),
        ("ghcr.io/me/x", true),
        ("ghcr.io/a/b/x", true),
        ("a/b/x", true),
        ("a/x", false),
        ("b/x", false),
        ("me/a/x", false),
        ("ghcr.io/x", false),
    ] {
        let line = format!("/images/create?fromImage={image}&tag=1");
        assert_eq!(passes(&own, &draft("POST", &line, "")), allowed, "{image}");
    }
    let none = Gate::Namespace(texts(&[""]));
    assert!(passes(
        &none,
        &draft("POST", "/images/create?fromImage=ghcr.io/x", "")
    ));
}

#[test]
fn no_image_is_loaded() {
    for (line, allowed) in [
        ("/images/load", false),
        ("/v1.41/images/loa%64/?quiet=1", false),
        ("/images/create?fromSrc=-&repo=x", false),
        ("/images/create?fromImage=x&tag=1", true),
        ("/images/create?fromImage=x&fromSrc=-", false),
        ("/build", true),
    ] {
        assert_eq!(
            passes(&Gate::ImageLoading, &draft("POST", line, "")),
            allowed,
            "{line}"
        );
    }
}

#[test]
fn only_listed_sources_are_mounted() {
    let own = sources(&["/srv", "cache", "/pre/*", "/Users/me/test*", "ci-*"]);
    let bind = |source: &str| create(&format!(r#"{{"Binds":["/srv:/a:ro","{source}:/x"]}}"#));
    let mount = |source: &str| {
        let kind = if source.starts_with('/') {
            "bind"
        } else {
            "volume"
        };
        let mount = format!(r#"{{"Type":"{kind}","Source":"{source}","Target":"/x"}}"#);
        create(&format!(r#"{{"Mounts":[{mount}]}}"#))
    };
    for (source, allowed) in [
        ("/srv", true),
        ("/srv/", true),
        ("//srv/./a/..", true),
        ("/pre/a", true),
        ("/pre/a/b", true),
        ("/Users/me/tests", true),
        ("cache", true),
        ("ci-1", true),
        ("/", false),
        ("/srv/a", false),
        ("/srvx", false),
        ("/pre", false),
        ("/pre/", false),
        ("/pre/../etc", false),
        ("/pre/..", false),
        ("/Users/me/test/../../../etc", false),
        ("Cache", false),
        ("other", false),
        ("ci-/../x", false),
        ("srv", false),
        (".", false),
    ] {
        assert_eq!(passes(&own, &bind(source)), allowed, "{source}");
        assert_eq!(passes(&own, &mount(source)), allowed, "{source}");
    }
    assert_eq!(
        refused(&own, &bind("/pre/../etc")).as_deref(),
        Some(
            "HostConfig.Binds[1]: /etc is not allowed: mountSource has /srv, cache, /pre/*, \
             /Users/me/test*, ci-*"
        )
    );
}

#[test]
fn every_way_to_mount_counts() {
    let own = sources(&["/srv", "/pre/*", "cache", "a*"]);
    for (host_config, allowed) in [
        ("{}", true),
        ("null", true),
        (r#"{"Binds":null,"Mounts":[]}"#, true),
        (r#"{"Binds":["/anonymous"]}"#, true),
        (r#"{"Mounts":[{"Type":"tmpfs","Target":"/x"}]}"#, true),
        (r#"{"Mounts":[{"Type":"volume","Target":"/x"}]}"#, true),
        (
            r#"{"Mounts":[{"Type":"volume","Source":"","Target":"/x"}]}"#,
            true,
        ),
        (r#"{"Binds":[""]}"#, false),
        (r#"{"Binds":["relative"]}"#, false),
        (r#"{"Mounts":[{"Type":"bind","Target":"/x"}]}"#, false),
        (
            r#"{"Mounts":[{"Type":"bind","Source":"cache","Target":"/x"}]}"#,
            false,
        ),
        (
            r#"{"Mounts":[{"Type":"volume","Source":"/srv","Target":"/x"}]}"#,
            false,
        ),
        (r#"{"Mounts":[{"Source":"/srv","Target":"/x"}]}"#, false),
        (
            r#"{"Mounts":[{"Type":"BIND","Source":"/srv","Target":"/x"}]}"#,
            false,
        ),
        (
            r#"{"Mounts":[{"Type":"glob","Source":"/pre/../*","Target":"/x"}]}"#,
            false,
        ),
        (
            r#"{"Mounts":[{"Type":"image","Source":"a/b","Target":"/x"}]}"#,
            true,
        ),
        (
            r#"{"Mounts":[{"Type":"image","Source":"b","Target":"/x"}]}"#,
            false,
        ),
        (r#"{"VolumesFrom":["/srv"]}"#, false),
        (r#"{"VolumesFrom":[""]}"#, false),
        (r#"{"binds":["/etc:/x"]}"#, false),
    ] {
        assert_eq!(passes(&own, &create(host_config)), allowed, "{host_config}");
    }
    let outside = draft("POST", "/containers/create", r#"{"Binds":["/srv:/x"]}"#);
    assert!(!passes(&own, &outside));
    for (line, body, allowed) in [
        (
            "/services/create",
            r#"{"TaskTemplate":{"ContainerSpec":{"Mounts":[{"Type":"bind","Source":"/etc"}]}}}"#,
            false,
        ),
        (
            "/services/x/update",
            r#"{"TaskTemplate":{"ContainerSpec":{"Mounts":[{"Type":"bind","Source":"/etc"}]}}}"#,
            false,
        ),
        (
            "/services/create",
            r#"{"TaskTemplate":{"ContainerSpec":{"Mounts":[{"Type":"bind","Source":"/srv"}]}}}"#,
            true,
        ),
        // A start had a HostConfig before API 1.24.
        (
            "/v1.23/containers/x/start",
            r#"{"Binds":["/etc:/x"]}"#,
            false,
        ),
        (
            "/v1.23/containers/x/start",
            r#"{"Binds":["/srv:/x"]}"#,
            true,
        ),
        // Engines read it in the shape of a create as well.
        (
            "/v1.23/containers/x/start",
            r#"{"hostconfig":{"Binds":["/etc:/x"]}}"#,
            false,
        ),
        ("/v1.41/containers/x/start", "", true),
    ] {
        assert_eq!(
            passes(&own, &draft("POST", line, body)),
            allowed,
            "{line} {body}"
        );
    }
}

#[test]
fn a_volume_is_what_it_mounts() {
    let own = sources(&["/srv", "/pre/*", "cache", "a*"]);
    for (options, allowed) in [
        ("{}", true),
        (r#"{"size":"1g"}"#, true),
        (
            r#"{"type":"tmpfs","device":"tmpfs","o":"size=100m,uid=1000"}"#,
            true,
        ),
        (r#"{"type":"none","o":"bind","device":"/srv"}"#, true),
        (r#"{"o":"bind,ro","device":"/pre/a"}"#, true),
        (r#"{"type":"none","o":"bind","device":"/etc"}"#, false),
        // With `bind` the kernel forgets the type.
        (r#"{"type":"tmpfs","o":"bind","device":"/etc"}"#, false),
        (
            r#"{"type":"tmpfs","o":"size=1,rbind","device":"/etc"}"#,
            false,
        ),
        (r#"{"o":"bind","device":"/pre/../etc"}"#, false),
        (r#"{"o":"bind,x","device":"/srv"}"#, false),
        (r#"{"type":"ext4","device":"/pre/x"}"#, false),
        (
            r#"{"type":"overlay","device":"/srv","o":"lowerdir=/etc,upperdir=/srv,workdir=/srv"}"#,
            false,
        ),
        (
            r#"{"type":"overlay","device":"/srv","o":"lowerdir=/etc,x"}"#,
            false,
        ),
        (
            r#"{"type":"overlay","device":"x","o":"lowerdir=/srv:/pre/a"}"#,
            true,
        ),
        (r#"{"type":"nfs","device":":/x","o":"addr=a"}"#, false),
        (r#"{"device":"cache"}"#, false),
    ] {
        let body = format!(r#"{{"Name":"cache","DriverOpts":{options}}}"#);
        let volume = draft("POST", "/volumes/create", &body);
        assert_eq!(passes(&own, &volume), allowed, "{options}");
        for driver in ["", r#""Name":"local","#] {
            let mounted = create(&format!(
                r#"{{"Mounts":[{{"Type":"volume","Source":"cache","Target":"/x","VolumeOptions":{{"DriverConfig":{{{driver}"Options":{options}}}}}}}]}}"#
            ));
            assert_eq!(passes(&own, &mounted), allowed, "{options}");
        }
    }
    let plugin = draft(
        "POST",
        "/volumes/create",
        r#"{"Name":"cache","Driver":"a-plugin"}"#,
    );
    assert_eq!(
        refused(&own, &plugin).as_deref(),
        Some(
            "DriverOpts: a volume of a-plugin is not allowed: mountSource has /srv, /pre/*, cache, a*"
        )
    );
    assert!(passes(&sources(&["*"]), &plugin));
}

/// Whoever makes the volume, a driver that is not the engine's does as it likes.
#[test]
fn a_driver_of_a_plugin_mounts_what_it_likes() {
    let own = sources(&["c-*"]);
    for (config, allowed) in [
        (r#"{"VolumeDriver":"evil","Binds":["c-9:/x"]}"#, false),
        (
            r#"{"VolumeDriver":"evil","Mounts":[{"Type":"volume","Source":"c-9","Target":"/x"}]}"#,
            false,
        ),
        // An anonymous volume, and those that the image has.
        (r#"{"VolumeDriver":"evil","Binds":["/x"]}"#, false),
        (r#"{"VolumeDriver":"evil"}"#, false),
        (r#"{"volumedriver":"Local","Binds":["c-9:/x"]}"#, false),
        (r#"{"VolumeDriver":"local","Binds":["c-9:/x"]}"#, true),
        (r#"{"VolumeDriver":"","Binds":["c-9:/x"]}"#, true),
    ] {
        assert_eq!(passes(&own, &create(config)), allowed, "{config}");
        let start = draft("POST", "/v1.23/containers/x/start", config);
        assert_eq!(passes(&own, &start), allowed, "{config}");
        assert!(passes(&sources(&["*"]), &create(config)), "{config}");
    }
    let anonymous = r#"{"Volumes":{"/x":{}},"HostConfig":{"VolumeDriver":"evil"}}"#;
    let anonymous = draft("POST", "/containers/create", anonymous);
    assert_eq!(
        refused(&own, &anonymous).as_deref(),
        Some("HostConfig.VolumeDriver: a volume of evil is not allowed: mountSource has c-*")
    );
    let outside = r#"{"VolumeDriver":"evil","Volumes":{"/x":{}}}"#;
    assert!(!passes(
        &own,
        &draft("POST", "/v1.19/containers/create", outside)
    ));
}

/// A plugin mounts paths of the host that its settings name.
#[test]
fn plugins_are_not_set_up() {
    let own = sources(&["/srv"]);
    for line in [
        "/plugins/create?name=x",
        "/plugins/pull?remote=x&name=x",
        "/plugins/x/upgrade?remote=x",
        "/plugins/a/x:1/set",
        "/plugins/x/enable",
    ] {
        let plugin = draft("POST", line, "");
        let told = "the plugin: what it mounts is not allowed: mountSource has /srv";
        assert_eq!(refused(&own, &plugin).as_deref(), Some(told), "{line}");
        assert!(passes(&sources(&["*"]), &plugin), "{line}");
    }
    for line in ["/plugins/x/disable", "/plugins/x/push"] {
        assert!(passes(&own, &draft("POST", line, "")), "{line}");
    }
    for task in [
        r#"{"Runtime":"plugin"}"#,
        r#"{"PluginSpec":{"remote":"x"}}"#,
        r#"{"ContainerSpec":{"Image":"x"},"pluginspec":{}}"#,
    ] {
        let body = format!(r#"{{"TaskTemplate":{task}}}"#);
        for line in ["/services/create", "/services/x/update?version=1"] {
            assert!(!passes(&own, &draft("POST", line, &body)), "{body}");
        }
    }
}

#[test]
fn volumes_are_known_by_their_labels() {
    let own = sources(&["label:k=v=1,k2", "label:other=", "plain"]);
    let asks = |volume: &str| {
        let found = judge(
            std::slice::from_ref(&own),
            &create(&format!(r#"{{"Binds":["{volume}:/x"]}}"#)),
            &Facts::default(),
        );
        matches!(found, Ruling::Needs(needs) if needs == [Fact::volume(volume).expect("a name")].into())
    };
    assert!(asks("labelled") && !asks("plain") && !asks("/labelled") && !asks("a b"));
    for (volume, allowed) in [
        (inspect(r#"{"Labels":{"k":"v=1","k2":""}}"#), true),
        (inspect(r#"{"Labels":{"other":""}}"#), true),
        (inspect(r#"{"Labels":{"k":"v=1"}}"#), false),
        (
            inspect(r#"{"Labels":{"k":"v","k2":"x","Other":""}}"#),
            false,
        ),
        (inspect(r#"{"Labels":{"other":"x"}}"#), false),
        (inspect(r#"{"Labels":null}"#), false),
        (inspect(r#"{}"#), false),
        (None, false),
    ] {
        let known = facts([(Fact::volume("xy").expect("a name"), volume.clone())]);
        let ruling = judge(
            std::slice::from_ref(&own),
            &create(r#"{"Binds":["xy:/x"]}"#),
            &known,
        );
        assert_eq!(ruling == Ruling::Passes, allowed, "{volume:?}");
    }
}

#[test]
fn what_another_container_mounts_counts() {
    const ID: &str = "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a";
    let container = |text: &str| inspect(&text.replace("ID", ID));
    let own = sources(&["/srv", "plain", "label:ci"]);
    let create = create(r#"{"VolumesFrom":["web:ro"]}"#);
    let web = Fact::container("web").expect("a name");
    let needs = |facts: &Facts| match judge(std::slice::from_ref(&own), &create, facts) {
        Ruling::Needs(needs) => needs.into_iter().collect(),
        _ => Vec::new(),
    };
    assert_eq!(needs(&Facts::default()), std::slice::from_ref(&web));
    for (found, allowed) in [
        (container(r#"{"Id":"ID","Mounts":[]}"#), true),
        (
            container(r#"{"Id":"ID","Mounts":[{"Type":"bind","Source":"/srv"},{"Type":"tmpfs"}]}"#),
            true,
        ),
        (
            container(
                r#"{"Id":"ID","Mounts":[{"Type":"volume","Name":"plain","Source":"/var/lib/x"}]}"#,
            ),
            true,
        ),
        (
            container(r#"{"Id":"ID","Mounts":[{"Type":"bind","Source":"/var/run/docker.sock"}]}"#),
            false,
        ),
        (
            container(r#"{"Id":"ID","Mounts":[{"Source":"/srv"}]}"#),
            false,
        ),
        (container(r#"{"Id":"ID","Mounts":{}}"#), false),
        // It cannot be pinned.
        (inspect(r#"{"Id":"web","Mounts":[]}"#), false),
        (inspect(r#"{"Mounts":[]}"#), false),
        (None, false),
    ] {
        let known = facts([(web.clone(), found.clone())]);
        let ruling = judge(std::slice::from_ref(&own), &create, &known);
        assert_eq!(ruling == Ruling::Passes, allowed, "{found:?}");
    }
    let labelling = container(r#"{"Id":"ID","Mounts":[{"Type":"volume","Name":"labelled"}]}"#);
    let mut known = facts([(web, labelling)]);
    let volume = Fact::volume("labelled").expect("a name");
    assert_eq!(needs(&known), std::slice::from_ref(&volume));
    let labelled = inspect(r#"{"Labels":{"ci":"1"}}"#).map(Answer::Found);
    known.learn(volume, labelled.expect("a volume"));
    assert_eq!(judge(&[own], &create, &known), Ruling::Passes);
}

#[test]
fn the_engine_is_not_asked_without_end() {
    let own = sources(&["label:a"]);
    let binds = |count: usize| {
        let binds: Vec<String> = (0..count).map(|at| format!(r#""v{at}:/x""#)).collect();
        create(&format!(r#"{{"Binds":[{}]}}"#, binds.join(",")))
    };
    let judged = |count| judge(std::slice::from_ref(&own), &binds(count), &Facts::default());
    assert!(matches!(judged(64), Ruling::Needs(facts) if facts.len() == 64));
    assert!(matches!(judged(65), Ruling::Refused(_)));
}

#[test]
fn what_was_not_read_is_refused() {
    let target = Target::from_line("POST", "/containers/create").expect("a target");
    let unread = Draft::new(target);
    let own = sources(&["*"]);
    assert_eq!(
        refused(&own, &unread).as_deref(),
        Some("the body was not read")
    );
    assert!(passes(&Gate::ImageLoading, &unread));
    let labels = crate::body::edits::AddLabels::new(vec![("a".to_owned(), "b".to_owned())]);
    let labels = [crate::body::edits::Mutator::AddLabels(labels)];
    assert!(crate::body::edits::edit(&labels, &mut unread.clone()).is_err());
}

#[test]
fn builds_of_podman_mount_nothing() {
    let own = sources(&["/srv"]);
    for (query, allowed) in [
        ("t=x", true),
        ("t=volume&volume=", true),
        ("t=x&volume=/srv:/x", false),
        ("Volume=%2Fetc:/x", false),
        ("additionalbuildcontexts=x=/etc", false),
    ] {
        let build = draft("POST", &format!("/build?{query}"), "");
        assert_eq!(passes(&own, &build), allowed, "{query}");
    }
}

#[test]
fn entries_that_would_match_nothing_are_mistakes() {
    for (entry, bad) in [
        ("", BadSource::Empty),
        ("/a/../b", BadSource::Unclean("/b".to_owned())),
        ("/a//b*", BadSource::Unclean("/a/b".to_owned())),
        ("/a/*/b", BadSource::Wildcard),
        ("**", BadSource::Wildcard),
        ("label:", BadSource::Label),
        ("label:a=b,=c", BadSource::Label),
        (" /x", BadSource::Neither),
        ("~/x", BadSource::Neither),
        ("~/x*", BadSource::Neither),
        ("./data", BadSource::Neither),
        ("C:\\x", BadSource::Neither),
    ] {
        let found = MountSource::new(&texts(&["ok", entry, "~"]));
        let both = vec![
            (entry.to_owned(), bad),
            ("~".to_owned(), BadSource::Neither),
        ];
        assert_eq!(found, Err(both), "{entry}");
    }
    for entry in [
        "/",
        "/*",
        "*",
        "/a/",
        "/a/*",
        "vol",
        "vol*",
        "label:a,b=c=d",
    ] {
        assert!(MountSource::new(&texts(&[entry])).is_ok(), "{entry}");
    }
    let nothing = sources(&[]);
    assert_eq!(
        refused(&nothing, &create(r#"{"Binds":["a:/x"]}"#)).as_deref(),
        Some("HostConfig.Binds[0]: a is not allowed: mountSource has no sources")
    );
}

#[test]
fn a_refusal_comes_before_a_question() {
    let gates = [sources(&["label:a"]), sources(&[])];
    let create = create(r#"{"Binds":["xy:/x"]}"#);
    assert!(matches!(
        judge(&gates, &create, &Facts::default()),
        Ruling::Refused(_)
    ));
    assert!(matches!(
        judge(&gates[..1], &create, &Facts::default()),
        Ruling::Needs(_)
    ));
    assert_eq!(judge(&[], &create, &Facts::default()), Ruling::Passes);
}

fn any_gate() -> impl Strategy<Value = Gate> {
    prop_oneof![
        Just(Gate::ImageLoading),
        Just(Gate::Registry(texts(&["docker.io"]))),
        Just(Gate::Namespace(texts(&["me"]))),
        Just(sources(&["/srv", "cache"])),
        Just(sources(&["/*"])),
    ]
}

fn any_request() -> impl Strategy<Value = Draft> {
    prop_oneof![
        "/(srv|etc|srv/\\.\\./etc|srv/a)?"
            .prop_map(|source| { create(&format!(r#"{{"Binds":["{source}:/x"]}}"#)) }),
        "(quay\\.io/)?(me/)?x".prop_map(|image| {
            draft(
                "POST",
                &format!("/images/create?fromImage={image}&tag=1"),
                "",
            )
        }),
        Just(draft("POST", "/images/load", "")),
        Just(draft("GET", "/containers/json", "")),
    ]
}

proptest! {
    /// A gate more never allows more, whatever the order.
    #[test]
    fn all_gates_hold(
        gates in proptest::collection::vec(any_gate(), 0..5),
        request in any_request(),
    ) {
        let all = judge(&gates, &request, &Facts::default()) == Ruling::Passes;
        let each = gates.iter().all(|gate| passes(gate, &request));
        prop_assert_eq!(all, each);
    }

    /// No path above or beside the allowed one is mounted, however it is written.
    #[test]
    fn a_path_is_the_one_that_the_engine_mounts(source in "(/(srv|etc|a|\\.|\\.\\.)?){1,6}") {
        let mounted = crate::body::reach::clean(&source);
        let bind = create(&format!(r#"{{"Binds":["{source}:/x"]}}"#));
        prop_assert_eq!(passes(&sources(&["/srv"]), &bind), mounted == "/srv");
        prop_assert_eq!(passes(&sources(&["/srv/*"]), &bind), mounted.starts_with("/srv/"));
    }
}
