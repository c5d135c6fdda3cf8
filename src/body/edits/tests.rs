//! Each mutator by itself, and that nothing else changes.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::api::Target;
use crate::body::json::{Object, Value};

fn draft(method: &str, line: &str, body: &str) -> Draft {
    let target = Target::from_line(method, line).expect(line);
    let mut draft = Draft::new(target);
    draft.read(body.as_bytes()).expect(body);
    draft
}

fn create(body: &str) -> Draft {
    draft("POST", "/v1.45/containers/create?name=x", body)
}

/// The body after an edit, or why there is none.
fn edited(mutator: &Mutator, body: &str) -> Result<String, String> {
    let mut draft = create(body);
    edit(std::slice::from_ref(mutator), &mut draft).map_err(|no| no.to_string())?;
    assert_eq!(
        draft.target().path_and_query().as_str(),
        "/v1.45/containers/create?name=x"
    );
    Ok(draft.tree().to_json())
}

fn labels(all: &[(&str, &str)]) -> Mutator {
    let all = all
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Mutator::AddLabels(AddLabels::new(all.collect()))
}

fn networks(all: &[&str]) -> Mutator {
    let all = all.iter().map(|name| (*name).to_owned());
    Mutator::AddToNetwork(AddToNetwork::new(all.collect()))
}

fn map(from: &str, to: &str) -> Mutator {
    Mutator::MapPath(MapPath::new(from, to).expect(to))
}

fn remap(from: &str, to: &str) -> Mutator {
    Mutator::RemapImage(RemapImage::new(from, to).expect(to))
}

const HEX: &str = "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a";

#[test]
fn labels_take_the_place_of_the_clients() {
    let own = labels(&[("team", "ci"), ("a.b/c", "")]);
    for (body, after) in [
        ("", r#"{"Labels":{"team":"ci","a.b/c":""}}"#),
        (
            r#"{"Labels":null,"Image":"x"}"#,
            r#"{"Labels":{"team":"ci","a.b/c":""},"Image":"x"}"#,
        ),
        (
            r#"{"labels":{"x":"1","team":"root","Team":"2"},"MemorySwappiness":-1}"#,
            r#"{"Labels":{"x":"1","team":"ci","Team":"2","a.b/c":""},"MemorySwappiness":-1}"#,
        ),
    ] {
        assert_eq!(edited(&own, body).as_deref(), Ok(after), "{body}");
    }
    for line in ["/networks/create", "/volumes/create"] {
        let mut draft = draft("POST", line, r#"{"Name":"n"}"#);
        edit(std::slice::from_ref(&own), &mut draft).expect(line);
        let after = r#"{"Name":"n","Labels":{"team":"ci","a.b/c":""}}"#;
        assert_eq!(draft.tree().to_json(), after);
    }
}

#[test]
fn images_that_are_built_get_labels() {
    let own = labels(&[("team", "ci")]);
    for (query, after) in [
        ("?t=x", Ok("?t=x&labels=%7B%22team%22%3A%22ci%22%7D")),
        ("", Ok("?labels=%7B%22team%22%3A%22ci%22%7D")),
        (
            "?labels=%7b%22a%22:%22+%22,%22team%22:%22x%22%7d&t=x",
            Ok("?labels=%7B%22a%22%3A%22%20%22%2C%22team%22%3A%22ci%22%7D&t=x"),
        ),
        ("?labels=null", Ok("?labels=%7B%22team%22%3A%22ci%22%7D")),
        (
            "?labels=[]",
            Err(
                "the parameter labels is not JSON of labels: the body must be an object, not a list",
            ),
        ),
        (
            "?labels={}&Labels={}",
            Err("the parameter labels is there more than once"),
        ),
    ] {
        let mut draft = draft("POST", &format!("/build{query}"), "");
        let result = edit(std::slice::from_ref(&own), &mut draft);
        let target = result.map(|()| draft.target().path_and_query().to_string());
        let after = after.map(|after| format!("/build{after}"));
        assert_eq!(
            target.map_err(|no| no.to_string()),
            after.map_err(str::to_owned),
            "{query}"
        );
    }
}

#[test]
fn containers_join_networks() {
    let own = networks(&["demo", "other"]);
    for (body, after) in [
        (
            r#"{"HostConfig":{"NetworkMode":"default"}}"#,
            r#"{"HostConfig":{"NetworkMode":"demo"},"NetworkingConfig":{"EndpointsConfig":{"demo":{},"other":{}}}}"#,
        ),
        // What the CLI sends.
        (
            r#"{"HostConfig":{"NetworkMode":"default"},"NetworkingConfig":{"EndpointsConfig":{"default":{"Aliases":["a"]},"x":null}}}"#,
            r#"{"HostConfig":{"NetworkMode":"demo"},"NetworkingConfig":{"EndpointsConfig":{"x":null,"demo":{"Aliases":["a"]},"other":{}}}}"#,
        ),
        (
            r#"{"HostConfig":{"NetworkMode":"x"},"NetworkingConfig":{"EndpointsConfig":{"x":{},"other":{"Aliases":["b"]}}}}"#,
            r#"{"HostConfig":{"NetworkMode":"x"},"NetworkingConfig":{"EndpointsConfig":{"x":{},"other":{"Aliases":["b"]},"demo":{}}}}"#,
        ),
        (
            r#"{"Image":"x"}"#,
            r#"{"Image":"x","NetworkingConfig":{"EndpointsConfig":{"demo":{},"other":{}}}}"#,
        ),
        (
            r#"{"HostConfig":{"NetworkMode":"host"}}"#,
            r#"{"HostConfig":{"NetworkMode":"host"}}"#,
        ),
        (
            r#"{"hostconfig":{"networkmode":"none"}}"#,
            r#"{"HostConfig":{"NetworkMode":"none"}}"#,
        ),
    ] {
        assert_eq!(edited(&own, body).as_deref(), Ok(after), "{body}");
    }
    let outside = edited(&own, r#"{"NetworkMode":"host"}"#);
    assert!(outside.is_err(), "{outside:?}");
}

#[test]
fn binds_are_mapped_with_their_options() {
    for (to, bind, after) in [
        ("/srv/x", "/w/x:/t", Ok("/srv/x:/t")),
        ("/srv/x", "/w/x/:/t:ro,z", Ok("/srv/x:/t:ro,z")),
        ("/srv/x", "//w/./y/../x/a:/t:ro", Ok("/srv/x/a:/t:ro")),
        ("/srv/x", "/w/x/..a:/t", Ok("/srv/x/..a:/t")),
        ("/", "/w/x/a:/t", Ok("/a:/t")),
        ("/", "/w/x:/t", Ok("/:/t")),
        ("vol", "/w/x:/t:ro,nocopy", Ok("vol:/t:ro,nocopy")),
        // What is elsewhere stays, uncleaned too.
        ("/srv/x", "/w/x2:/t:ro", Ok("/w/x2:/t:ro")),
        ("/srv/x", "/w//x/../y:/t", Ok("/w//x/../y:/t")),
        ("/srv/x", "/w:/t", Ok("/w:/t")),
        ("/srv/x", "x:/w/x:ro", Ok("x:/w/x:ro")),
        ("/srv/x", "/w/x", Ok("/w/x")),
        ("/srv/x", "../w/x:/t", Ok("../w/x:/t")),
        (
            "vol/a",
            "/w/x/b:/t:z",
            Err(
                r#"HostConfig.Binds[1]: "/w/x/b:/t:z" has the option z, which a folder of a volume cannot have"#,
            ),
        ),
        (
            "vol",
            "/w/x/b:/t:rshared",
            Err(
                r#"HostConfig.Binds[1]: "/w/x/b:/t:rshared" has the option rshared, which a folder of a volume cannot have"#,
            ),
        ),
    ] {
        let body = |bind: &str| format!(r#"{{"HostConfig":{{"Binds":["/a:/b:rw","{bind}"]}}}}"#);
        let found = edited(&map("/w/x", to), &body(bind));
        assert_eq!(found, after.map(body).map_err(str::to_owned), "{to} {bind}");
    }
}

#[test]
fn a_folder_of_a_volume_is_a_mount() {
    for (to, bind, mount) in [
        (
            "vol",
            "/w/x/a/b:/t:ro",
            r#"{"Type":"volume","Source":"vol","Target":"/t","ReadOnly":true,"VolumeOptions":{"Subpath":"a/b"}}"#,
        ),
        (
            "vol/sub",
            "/w/x:/t:rw,nocopy,cached",
            r#"{"Type":"volume","Source":"vol","Target":"/t","Consistency":"cached","VolumeOptions":{"Subpath":"sub","NoCopy":true}}"#,
        ),
        (
            "vol//sub/",
            "/w/x/a:/t",
            r#"{"Type":"volume","Source":"vol","Target":"/t","VolumeOptions":{"Subpath":"sub/a"}}"#,
        ),
    ] {
        let body = format!(r#"{{"HostConfig":{{"Binds":["{bind}"],"Memory":9007199254740993}}}}"#);
        let after = format!(
            r#"{{"HostConfig":{{"Binds":[],"Memory":9007199254740993,"Mounts":[{mount}]}}}}"#
        );
        assert_eq!(edited(&map("/w/x", to), &body), Ok(after), "{to} {bind}");
    }
}

/// Engines mount the whole volume if they are asked in an older version.
#[test]
fn a_folder_of_a_volume_needs_a_version_that_has_it() {
    let config = [
        r#"{"Binds":["/a:/b","/w/x/a:/t"]}"#,
        r#"{"Mounts":[{"Type":"bind","Source":"/w/x/a","Target":"/t"}]}"#,
    ];
    for config in config {
        let body = format!(r#"{{"HostConfig":{config}}}"#);
        let edited = |to: &str, before: &str| {
            let line = format!("{before}/containers/create");
            let mut draft = draft("POST", &line, &body);
            edit(&[map("/w/x", to)], &mut draft).map_err(|no| no.to_string())
        };
        for before in ["", "/v1.45", "/v1.045", "/v1.100", "/v2", "/v1%2E46"] {
            assert_eq!(edited("vol", before), Ok(()), "{config} {before}");
        }
        for before in ["/v1.44", "/v1.5", "/v1", "/v1..45", "/v1%2E41", "/v.45"] {
            assert!(edited("vol", before).is_err(), "{config} {before}");
            assert_eq!(edited("/srv", before), Ok(()), "{config} {before}");
        }
    }
    let mut old = draft(
        "POST",
        "/v1.41/containers/create",
        r#"{"HostConfig":{"Binds":["/a:/b","/w/x/a:/t:ro"]}}"#,
    );
    assert_eq!(
        edit(&[map("/w/x", "vol")], &mut old).map_err(|no| no.to_string()),
        Err(
            "HostConfig.Binds[1]: \"/w/x/a:/t:ro\" stands for a folder of a volume, which needs API \
             1.45, not 1.41"
                .to_owned()
        )
    );
    // The volume itself does not.
    let whole = r#"{"HostConfig":{"Binds":["/w/x:/t"]}}"#;
    let mut whole = draft("POST", "/v1.41/containers/create", whole);
    assert_eq!(edit(&[map("/w/x", "vol")], &mut whole), Ok(()));
}

#[test]
fn mounts_are_mapped_with_their_options() {
    let body = |mount: &str| format!(r#"{{"HostConfig":{{"Mounts":[{mount}]}}}}"#);
    for (to, mount, after) in [
        (
            "/srv/x",
            r#"{"Type":"bind","Source":"/w/x/a","Target":"/t","ReadOnly":true,"BindOptions":{"Propagation":"rslave"}}"#,
            r#"{"Type":"bind","Source":"/srv/x/a","Target":"/t","ReadOnly":true,"BindOptions":{"Propagation":"rslave"}}"#,
        ),
        (
            "vol",
            r#"{"Type":"bind","Source":"/w/x/a","Target":"/t","ReadOnly":true,"BindOptions":{"Propagation":"rslave"}}"#,
            r#"{"Type":"volume","Source":"vol","Target":"/t","ReadOnly":true,"VolumeOptions":{"Subpath":"a"}}"#,
        ),
        (
            "vol",
            r#"{"Type":"bind","Source":"/w/x","Target":"/t"}"#,
            r#"{"Type":"volume","Source":"vol","Target":"/t"}"#,
        ),
    ] {
        assert_eq!(
            edited(&map("/w/x", to), &body(mount)),
            Ok(body(after)),
            "{to} {mount}"
        );
    }
    for mount in [
        r#"{"Type":"tmpfs","Target":"/w/x"}"#,
        r#"{"Type":"volume","Target":"/w/x"}"#,
        r#"{"Type":"volume","Source":"w","Target":"/w/x","VolumeOptions":{"NoCopy":true}}"#,
        r#"{"Type":"bind","Source":"w/x","Target":"/t"}"#,
        r#"{"Type":"bind","Source":"/w/x2","Target":"/t"}"#,
        "null",
    ] {
        let mapped = edited(&map("/w/x", "vol"), &body(mount));
        assert_eq!(mapped, Ok(body(mount)), "{mount}");
    }
}

#[test]
fn the_root_maps_paths_alone() {
    let all = map("/", "/host");
    let body = r#"{"HostConfig":{"Binds":["/:/a","/etc:/b:ro","vol:/c"]}}"#;
    let after = r#"{"HostConfig":{"Binds":["/host:/a","/host/etc:/b:ro","vol:/c"]}}"#;
    assert_eq!(edited(&all, body).as_deref(), Ok(after));
}

#[test]
fn odd_maps_are_mistakes() {
    for (from, to, bad) in [
        ("w", "/a", BadMap::From),
        ("", "/a", BadMap::From),
        ("/a:b", "/a", BadMap::From),
        ("/a", "", BadMap::To),
        ("/a", "v", BadMap::To),
        ("/a", "-v", BadMap::To),
        ("/a", "vol/../x", BadMap::To),
        ("/a", "/b:ro", BadMap::To),
        ("/a", "vol:ro", BadMap::To),
        ("/a", "a b", BadMap::To),
    ] {
        assert_eq!(MapPath::new(from, to), Err(bad), "{from} {to}");
    }
    let shown = map("/w//x/", "vol//a").to_string();
    assert_eq!(shown, "mountPath: /w/x=vol/a");
}

#[test]
fn an_image_is_itself_with_its_registry_tag_and_digest() {
    let digest = format!("nginx@sha256:{HEX}");
    let own = remap("nginx", "localhost:5000/nginx");
    for (image, after) in [
        ("nginx", "localhost:5000/nginx:latest"),
        (
            "docker.io/library/nginx:latest",
            "localhost:5000/nginx:latest",
        ),
        ("index.docker.io/nginx", "localhost:5000/nginx:latest"),
        ("nginx:1", "nginx:1"),
        ("ghcr.io/library/nginx", "ghcr.io/library/nginx"),
        ("other/nginx", "other/nginx"),
        (digest.as_str(), digest.as_str()),
        (HEX, HEX),
        ("Nginx", "Nginx"),
        ("", ""),
    ] {
        let body = |image: &str| format!(r#"{{"Image":"{image}","Labels":{{}}}}"#);
        assert_eq!(edited(&own, &body(image)), Ok(body(after)), "{image}");
    }
    assert_eq!(edited(&own, "{}").as_deref(), Ok("{}"));
    let pinned = remap(&digest, "mirror/nginx:1");
    let body = format!(r#"{{"Image":"{digest}"}}"#);
    assert_eq!(
        edited(&pinned, &body).as_deref(),
        Ok(r#"{"Image":"mirror/nginx:1"}"#)
    );
    let body = r#"{"Image":"nginx"}"#;
    assert_eq!(edited(&pinned, body).as_deref(), Ok(body));
    let to = format!("ghcr.io:443/a/b:tag@sha256:{HEX}");
    let after = format!(r#"{{"Image":"ghcr.io:443/a/b@sha256:{HEX}"}}"#);
    assert_eq!(edited(&remap("nginx", &to), body), Ok(after));
    assert!(matches!(
        RemapImage::new("BAD IMAGE", "x"),
        Err(BadRemap::From(_))
    ));
    assert!(matches!(
        RemapImage::new("x", "sha256:1"),
        Err(BadRemap::To(_)) | Ok(_)
    ));
    assert!(matches!(RemapImage::new("x", HEX), Err(BadRemap::To(_))));
}

#[test]
fn pulls_and_inspects_are_of_the_other_image() {
    let own = remap("nginx", "localhost:5000/a/nginx:v2");
    for (method, line, after) in [
        (
            "POST",
            "/v1.41/images/create?fromImage=nginx&tag=latest&platform=",
            "/v1.41/images/create?fromImage=localhost%3A5000%2Fa%2Fnginx&tag=v2&platform=",
        ),
        (
            "POST",
            "/images/create?x=%2f&fromImage=docker.io%2Fnginx:latest",
            "/images/create?x=%2f&fromImage=localhost%3A5000%2Fa%2Fnginx%3Av2",
        ),
        // All tags of it.
        (
            "POST",
            "/images/create?fromImage=nginx",
            "/images/create?fromImage=nginx",
        ),
        (
            "POST",
            "/images/create?fromImage=nginx&tag=1",
            "/images/create?fromImage=nginx&tag=1",
        ),
        (
            "POST",
            "/images/create?fromSrc=-&repo=nginx",
            "/images/create?fromSrc=-&repo=nginx",
        ),
        (
            "GET",
            "/v1.41/images/library%2Fnginx/json?manifests=1",
            "/v1.41/images/localhost:5000/a/nginx:v2/json?manifests=1",
        ),
        ("GET", "/images/nginx:1/json", "/images/nginx:1/json"),
        ("GET", "/images/nginx/history", "/images/nginx/history"),
        ("DELETE", "/images/nginx", "/images/nginx"),
    ] {
        let mut draft = draft(method, line, "");
        edit(std::slice::from_ref(&own), &mut draft).expect(line);
        assert_eq!(draft.target().path_and_query().as_str(), after);
    }
    let mut twice = draft("POST", "/images/create?fromImage=nginx&fromimage=x", "");
    assert!(edit(&[own], &mut twice).is_err());
}

#[test]
fn mutators_see_what_those_before_them_made() {
    let images = [remap("a", "b"), remap("b", "c")];
    let mut draft = create(r#"{"Image":"a"}"#);
    edit(&images, &mut draft).expect("an edit");
    assert_eq!(draft.tree().to_json(), r#"{"Image":"c:latest"}"#);
    let paths = [map("/a", "/b"), map("/b", "/c")];
    let mut draft = create(r#"{"HostConfig":{"Binds":["/a/x:/y:ro"]}}"#);
    edit(&paths, &mut draft).expect("an edit");
    assert_eq!(
        draft.tree().to_json(),
        r#"{"HostConfig":{"Binds":["/c/x:/y:ro"]}}"#
    );
}

#[test]
fn variables_hold_lists() {
    let read = |all: &[(&str, &'static str)]| {
        let value = |name: &str| {
            let found = all.iter().find(|(known, _)| *known == name)?;
            Some(found.1)
        };
        match super::read(value) {
            Ok(mutators) => mutators.iter().map(ToString::to_string).collect::<Vec<_>>(),
            Err(mistakes) => mistakes
                .iter()
                .map(|(name, mistake)| format!("{name}: {mistake}"))
                .collect(),
        }
    };
    assert_eq!(read(&[]), [""; 0]);
    assert_eq!(
        read(&[
            (
                "REMAP_IMAGE",
                "nginx=mirror/nginx:1\nnode:lts = node:lts-alpine"
            ),
            ("MAP_PATH", "/w/x=/srv/x, /w/y=vol/y"),
            ("ADD_TO_NETWORK", "demo, other"),
            ("ADD_LABELS", "team=ci, a= ,b=c=d"),
        ]),
        [
            "addLabels: team=ci, a=, b=c=d",
            "addToNetwork: demo, other",
            "mountPath: /w/x=/srv/x",
            "mountPath: /w/y=vol/y",
            "remapImage: docker.io/library/nginx:latest=mirror/nginx:1",
            "remapImage: docker.io/library/node:lts=node:lts-alpine",
        ]
    );
    assert_eq!(
        read(&[
            ("REMAP_IMAGE", "nginx, Nginx=x, a=:1"),
            ("MAP_PATH", "/a, b=/c, /a=/b:ro"),
            ("ADD_TO_NETWORK", " ,\n"),
            ("ADD_LABELS", "team, =x, a=1, a=2"),
        ]),
        [
            "ADD_LABELS: team is not a pair; use KEY=VALUE",
            "ADD_LABELS: =x is not a pair; use KEY=VALUE",
            "ADD_TO_NETWORK: \"\" is not a list; add an entry, or unset it",
            "MAP_PATH: /a is not a pair; use /CLIENT/PATH=/HOST/PATH, or =VOLUME or =VOLUME/FOLDER",
            "MAP_PATH: b is not an absolute path without colons; use /CLIENT/PATH=/HOST/PATH, or \
             =VOLUME or =VOLUME/FOLDER",
            "MAP_PATH: /b:ro is neither an absolute path nor a volume, without colons; use \
             /CLIENT/PATH=/HOST/PATH, or =VOLUME or =VOLUME/FOLDER",
            "REMAP_IMAGE: nginx is not a pair; use IMAGE=IMAGE, such as nginx=mirror.example/nginx:1.27",
            "REMAP_IMAGE: Nginx has a repository that is not lowercase; use IMAGE=IMAGE, such as \
             nginx=mirror.example/nginx:1.27",
            "REMAP_IMAGE: :1 has an invalid repository; use IMAGE=IMAGE, such as \
             nginx=mirror.example/nginx:1.27",
        ]
    );
    assert_eq!(
        read(&[("ADD_LABELS", "a=1, a=1")]),
        ["ADD_LABELS: a is listed twice; list it once"]
    );
}

/// Parts of a create, with what mutators look at among them.
const PARTS: &[&str] = &[
    r#""Image":"nginx""#,
    r#""Image":"busybox""#,
    r#""Env":["A=/w/x"]"#,
    r#""Cmd":["/w/x:/t","nginx"]"#,
    r#""Labels":{"a":"1","team":"x"}"#,
    r#""Volumes":{"/w/x":{}}"#,
    r#""Unknown":{"Binds":["/w/x:/t"],"n":1.50e300}"#,
    r#""HostConfig":{"Binds":["/w/x/a:/t:ro","/o:/p","v:/q"],"Memory":9007199254740993}"#,
    r#""HostConfig":{"NetworkMode":"default","Mounts":[{"Type":"bind","Source":"/w/x","Target":"/t"}]}"#,
    r#""HostConfig":{"NetworkMode":"host","Sysctls":{"Binds":"/w/x"}}"#,
    r#""NetworkingConfig":{"EndpointsConfig":{"demo":{"Aliases":["nginx"]}}}"#,
    r#""StopTimeout":-0"#,
];

fn body() -> impl Strategy<Value = String> {
    proptest::collection::vec(select(PARTS), 0..6).prop_map(|mut parts| {
        let key = |part: &str| part.split(':').next().map(str::to_owned);
        parts.sort_by_key(|part| key(part));
        parts.dedup_by_key(|part| key(part));
        format!("{{{}}}", parts.join(","))
    })
}

fn any_mutator() -> impl Strategy<Value = (Mutator, &'static [&'static str])> {
    select(vec![
        (labels(&[("team", "ci")]), &["Labels"][..]),
        (
            networks(&["demo"]),
            &["NetworkingConfig", "HostConfig.NetworkMode"],
        ),
        (
            map("/w/x", "/srv"),
            &["HostConfig.Binds", "HostConfig.Mounts"],
        ),
        (map("/w", "vol"), &["HostConfig.Binds", "HostConfig.Mounts"]),
        (remap("nginx", "mirror/nginx:1"), &["Image"]),
    ])
}

/// The tree without what is at these places, and without the objects that held nothing else.
fn without(tree: &Value, places: &[&str]) -> Value {
    let mut tree = tree.clone();
    for place in places {
        let (object, key) = match place.split_once('.') {
            Some(("HostConfig", key)) => (tree.as_object_mut_at("HostConfig"), key),
            _ => (tree.object_mut(), *place),
        };
        if let Some(object) = object {
            object.remove(key);
        }
    }
    tree
}

impl Value {
    fn as_object_mut_at(&mut self, key: &str) -> Option<&mut Object> {
        match self.object_mut()?.get_mut(key)? {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }
}

proptest! {
    #[test]
    fn all_other_places_stay((mutator, places) in any_mutator(), body in body()) {
        let mut draft = create(&body);
        let before = draft.tree().clone();
        prop_assert!(edit(&[mutator], &mut draft).is_ok());
        prop_assert_eq!(without(draft.tree(), places), without(&before, places));
        // What is sent is read as the same.
        let sent = draft.tree().to_json();
        let received = create(&sent);
        prop_assert_eq!(received.tree(), draft.tree());
    }

    #[test]
    fn an_edit_is_made_once((mutator, _) in any_mutator(), body in body()) {
        let mutators = [mutator];
        let mut once = create(&body);
        prop_assert!(edit(&mutators, &mut once).is_ok());
        let mut twice = once.clone();
        prop_assert!(edit(&mutators, &mut twice).is_ok());
        prop_assert_eq!(twice.tree(), once.tree());
    }

    #[test]
    fn options_of_binds_survive(
        source in "/w(/x)?(/[a-z.]{1,4}){0,3}",
        options in "(:(ro|rw|z|Z|ro,z|rshared|nocopy))?",
    ) {
        let body = format!(r#"{{"HostConfig":{{"Binds":["{source}:/t{options}"]}}}}"#);
        let mut draft = create(&body);
        prop_assert!(edit(&[map("/w/x", "/srv")], &mut draft).is_ok());
        let bind = draft.tree().at("HostConfig.Binds").items()[0].as_str();
        let rest = bind.and_then(|bind| bind.split_once(':')).map(|(_, rest)| rest);
        prop_assert_eq!(rest, Some(&*format!("/t{options}")));
    }
}
