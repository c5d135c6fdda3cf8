//! The rules of `distribution/reference`, by its own kinds of cases.

use super::*;

const HEX: &str = "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a";

fn parsed(text: &str) -> String {
    match Name::parse(&text.replace("HEX", HEX)) {
        Ok(name) => name.to_string().replace(HEX, "HEX"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn names_have_a_normal_form() {
    for (text, expected) in [
        ("busybox", "docker.io/library/busybox"),
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("library/busybox", "docker.io/library/busybox"),
        ("docker.io/busybox", "docker.io/library/busybox"),
        (
            "index.docker.io/busybox:latest",
            "docker.io/library/busybox:latest",
        ),
        ("index.docker.io/me/app", "docker.io/me/app"),
        ("me/app", "docker.io/me/app"),
        ("library/foo/bar", "docker.io/library/foo/bar"),
        ("ghcr.io/me/app:v1", "ghcr.io/me/app:v1"),
        ("ghcr.io/app", "ghcr.io/app"),
        ("localhost/app", "localhost/app"),
        ("localhost:5000/app:x", "localhost:5000/app:x"),
        // Without a slash it is a name with a tag.
        ("localhost", "docker.io/library/localhost"),
        ("localhost:5000", "docker.io/library/localhost:5000"),
        ("example.com", "docker.io/library/example.com"),
        ("192.168.0.1:80", "docker.io/library/192.168.0.1:80"),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b"),
        ("test_com/foo", "docker.io/test_com/foo"),
        ("host:5000/foo", "host:5000/foo"),
        ("[fc00::1]:5000/docker", "[fc00::1]:5000/docker"),
        ("[fc00::1]/docker", "[fc00::1]/docker"),
        // Upper case makes a domain.
        ("Foo/bar", "Foo/bar"),
        ("DOCKER.IO/library/busybox", "DOCKER.IO/library/busybox"),
        ("docker.io:443/busybox", "docker.io:443/busybox"),
        ("a---b__c/x.d_e", "docker.io/a---b__c/x.d_e"),
        ("x:_.-A", "docker.io/library/x:_.-A"),
        ("docker.io/HEX", "docker.io/library/HEX"),
        ("busybox@sha256:HEX", "docker.io/library/busybox@sha256:HEX"),
        ("b:1@sha256:HEX", "docker.io/library/b:1@sha256:HEX"),
        ("dbcc1", "docker.io/library/dbcc1"),
    ] {
        assert_eq!(parsed(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_name_is_refused() {
    for (text, why) in [
        ("", "has an invalid repository"),
        ("HEX", "is an image ID"),
        ("sha256:HEX", "is an image ID"),
        ("docker/Docker", "has a repository that is not lowercase"),
        ("Busybox", "has a repository that is not lowercase"),
        ("Foo/FarB", "has a repository that is not lowercase"),
        ("docker.io/a/B", "has a repository that is not lowercase"),
        ("https://github.com/a/b", "has an invalid domain"),
        ("-docker.io/a", "has an invalid domain"),
        ("docker-.io/a", "has an invalid domain"),
        ("docker./a", "has an invalid domain"),
        (".docker/a", "has an invalid domain"),
        ("fc00::1:5000/a", "has an invalid domain"),
        ("[fe80::1%eth0]:5000/a", "has an invalid domain"),
        ("[::192.0.2.33]:5000/a", "has an invalid domain"),
        ("[:]:x/a", "has an invalid domain"),
        ("[fd00::3]75050/a", "has an invalid domain"),
        ("localhost:http/a", "has an invalid domain"),
        ("localhost:/a", "has an invalid domain"),
        // The engine takes this for a path without a domain, and then for a host of its own choice.
        ("foo_bar.com/a", "has an invalid domain"),
        ("É/a", "has an invalid domain"),
        ("-docker", "has an invalid repository"),
        ("docker-/docker", "has an invalid repository"),
        ("____/____", "has an invalid repository"),
        ("_docker", "has an invalid repository"),
        ("dock..er", "has an invalid repository"),
        ("dock_.er", "has an invalid repository"),
        ("dock-.er", "has an invalid repository"),
        ("a___b", "has an invalid repository"),
        ("docker/", "has an invalid repository"),
        ("docker///docker", "has an invalid repository"),
        ("/docker", "has an invalid repository"),
        ("docker.io/", "has an invalid repository"),
        ("a b", "has an invalid repository"),
        ("a\n", "has an invalid repository"),
        ("é", "has an invalid repository"),
        ("ab\u{17f}", "has an invalid repository"),
        ("a*", "has an invalid repository"),
        ("@sha256:HEX", "has an invalid repository"),
        ("busybox:", "has an invalid tag"),
        ("busybox:-x", "has an invalid tag"),
        ("busybox:a~b", "has an invalid tag"),
        ("busybox:a:b", "has an invalid tag"),
        ("busybox:a\n", "has an invalid tag"),
        ("busybox@", "has an invalid digest"),
        ("busybox@sha256:abc", "has an invalid digest"),
        ("busybox@sha256:HEX0", "has an invalid digest"),
        ("busybox@md5:HEX", "has an invalid digest"),
        ("busybox@sha256:HEX@sha256:HEX", "has an invalid digest"),
        ("busybox@sha256:HEX:x", "has an invalid digest"),
    ] {
        assert_eq!(parsed(text), why, "{text}");
    }
    let long = format!("a/{}", "b".repeat(300));
    assert_eq!(parsed(&long), "has an invalid repository");
    let tag = format!("a:{}", "b".repeat(129));
    assert_eq!(parsed(&tag), "has an invalid tag");
    assert!(Name::parse(&tag[..tag.len() - 1]).is_ok());
    let upper = format!("a@sha256:{}", HEX.to_uppercase());
    assert_eq!(parsed(&upper), "has an invalid digest");
}

#[test]
fn a_tag_can_be_replaced() {
    let with = |text: &str, tag: &str| {
        let name = Name::parse(&text.replace("HEX", HEX)).expect(text);
        let name = name.with(&tag.replace("HEX", HEX));
        name.map_or_else(
            |error| error.to_string(),
            |name| name.to_string().replace(HEX, "HEX"),
        )
    };
    assert_eq!(with("a:1", "2"), "docker.io/library/a:2");
    assert_eq!(with("a:1", "sha256:HEX"), "docker.io/library/a@sha256:HEX");
    assert_eq!(
        with("a@sha256:HEX", "2"),
        "docker.io/library/a:2@sha256:HEX"
    );
    assert_eq!(with("a", "sha256:x"), "has an invalid tag");
    assert_eq!(with("a", ""), "has an invalid tag");
    let latest = |text: &str| Name::parse(text).expect(text).or_latest().to_string();
    assert_eq!(latest("a"), "docker.io/library/a:latest");
    assert_eq!(latest("a:1"), "docker.io/library/a:1");
    let digest = format!("a@sha256:{HEX}");
    assert_eq!(latest(&digest), format!("docker.io/library/{digest}"));
    let name = Name::parse("localhost:5000/a/b:1").expect("a name");
    assert_eq!(name.domain(), "localhost:5000");
    assert_eq!(name.repository(), "localhost:5000/a/b");
    assert_eq!((name.tag(), name.digest()), (Some("1"), None));
}

#[test]
fn ids_are_told_from_names() {
    for id in [
        "a",
        "cafe",
        "0123456",
        HEX,
        "sha256:ab",
        &format!("sha256:{HEX}"),
    ] {
        assert!(could_be_id(id), "{id}");
    }
    for name in [
        "",
        "sha256:",
        "cafe:latest",
        "Cafe",
        "busybox",
        "a/b",
        &format!("{HEX}0"),
    ] {
        assert!(!could_be_id(name), "{name}");
    }
}
