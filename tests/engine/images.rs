//! What dockgate reads in names of images, in users and in Dockerfiles, and what it writes into a
//! body, against what a real engine makes of them.

use dockgate::api::fields::BODIES;
use dockgate::body::Place;
use dockgate::body::context::Context;
use dockgate::body::dockerfile::{BuildArgs, contents};
use dockgate::body::facts::{Answer, Fact, Facts};
use dockgate::body::image::Name;
use dockgate::body::json::{Limits as Size, Untyped, read};
use dockgate::body::limits::{ImageFrom, Limits, RunAs};

use crate::harness::{Engine, Shell};

/// A text as one word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Gives `$N:own` another name: the status, and the name that it has then.
fn tagged(shell: &Shell, repository: &str) -> (String, Option<String>) {
    let names = || {
        let names = shell.sh("docker image inspect -f '{{join .RepoTags \"\\n\"}}' $N:own");
        names.lines().map(str::to_owned).collect::<Vec<String>>()
    };
    let before = names();
    let status = shell.sh(&format!(
        "curl -s -G -X POST -o $T/answer -w '%{{http_code}}' --unix-socket $SOCKET --data-urlencode {} http://d/images/$N:own/tag",
        quoted(&format!("repo={repository}"))
    ));
    let new = names().into_iter().find(|name| !before.contains(name));
    if let Some(name) = &new {
        shell.sh(&format!("docker rmi {}", quoted(name)));
    }
    (status, new)
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn names_of_images_are_read_as_the_engine_reads_them() {
    let shell = Engine::shared().shell();
    shell.sh("touch $T/file && tar -C $T -c file | docker import - $N:own");
    let mut taken = 0;
    for text in [
        "new1",
        "new2:1.36",
        "library/new3",
        "docker.io/new4",
        "index.docker.io/new5:x",
        "me/app",
        "index.docker.io/me/app",
        "library/foo/bar",
        "ghcr.io/me/app:v1",
        "localhost/app",
        "localhost:5000/app:x",
        "localhost",
        "localhost:5000",
        "example.com",
        "192.168.0.1:80",
        "127.0.0.1:5000/a/b",
        "test_com/foo",
        "host:5000/foo",
        "[fc00::1]:5000/docker",
        "Foo/bar",
        "DOCKER.IO/library/new6",
        "docker.io:443/new7",
        "a---b__c/x.d_e",
        "x:_.-A",
        "dbcc1",
        "",
        "docker/Docker",
        "Busybox",
        "Foo/FarB",
        "docker.io/a/B",
        "https://github.com/a/b",
        "-docker.io/a",
        "docker-.io/a",
        "docker./a",
        ".docker/a",
        "fc00::1:5000/a",
        "[fe80::1%eth0]:5000/a",
        "[]/a",
        "[:]/a",
        "[fd00::3]75050/a",
        "localhost:http/a",
        "localhost:/a",
        "-docker",
        "docker-/docker",
        "____/____",
        "_docker",
        "dock..er",
        "dock_.er",
        "a___b",
        "docker/",
        "docker///docker",
        "/docker",
        "docker.io/",
        "a b",
        "a\n",
        "é",
        "ab\u{17f}",
        "a*",
        "busybox:",
        "busybox:-x",
        "busybox:a~b",
        "busybox:a:b",
        "busybox@",
        "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a",
        "docker.io/1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a",
    ] {
        let (status, new) = tagged(&shell, text);
        let own = Name::parse(text).map(|name| name.or_latest().to_string());
        match new {
            Some(new) => {
                let new = Name::parse(&new).map(|name| name.or_latest().to_string());
                assert_eq!(own, new, "{text:?}");
                taken += 1;
            }
            // Older versions know neither a namespace in upper case as a domain nor IPv6.
            None if own.is_ok() => {
                let newer = text.starts_with('[') || text == "Foo/bar";
                assert!(newer || status == "201", "{text:?} {status}");
            }
            None => assert_ne!(status, "201", "{text:?}"),
        }
    }
    assert!(taken > 20, "{taken}");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn no_listed_user_is_root() {
    let shell = Engine::shared().shell();
    let nonroot = RunAs::parse("nonroot").expect("a list");
    let mut ran = 0;
    for user in [
        "0",
        "00",
        "+0",
        "-0",
        "0:5",
        "0x0",
        "",
        ":5",
        "1",
        "1:0",
        "1000",
        "01",
        "+1",
        " 1",
        "1 ",
        "2147483647",
        "2147483648",
        "4294967296",
        "4294967295",
        "18446744073709551616",
        "１",
        "1_0",
        "1000:1000:0",
    ] {
        let run = shell.run(&format!(
            "docker run --rm --user {} busybox id -u",
            quoted(user)
        ));
        if nonroot.allows(user) {
            assert_eq!(run.code, 0, "{user:?} {run:?}");
            assert_ne!(run.stdout, "0", "{user:?}");
            ran += 1;
        } else {
            // It is root, or none at all, or a number that is written in an odd way.
            let odd = user.trim_start_matches(['+', '0']) != user || run.code != 0;
            assert!(run.stdout == "0" || odd, "{user:?} {run:?}");
        }
    }
    assert!(ran > 4, "{ran}");
}

/// Each image that the builder asks a registry for is one that was found before.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_build_pulls_no_image_that_was_not_found() {
    let shell = Engine::shared().shell();
    let image = |number: usize| format!("127.0.0.1:100{number}/x");
    let mut pulled = 0;
    for text in [
        "FROM 1",
        "from  1:2\t as x\n",
        "\u{feff}FROM 1",
        "# escape=\\\n\n  # c\n\u{a0} FrOm 1\r\nRUN true\r\n",
        "FROM scratch\nCOPY f /",
        "FROM 1\nFROM 2\nFROM 1",
        "FROM \\\n1 \\\n# comment\n\nAS x\nCOPY --from=2 /bin /c",
        "FROM 1 AS x\nFROM x\nCOPY --from=x /bin /c\nCOPY --from=0 /bin /c",
        "FROM 1 AS X\nFROM 2\nCOPY --from=x /bin /c",
        "FROM 1 AS a\nCOPY --from=a /bin /c",
        "FROM 1\nCOPY --chown=1:1 --from=2 /bin /c",
        "FROM 1\nCOPY --from= f /c\nCOPY f --from=2",
        "FROM 1\nONBUILD COPY --from=2 /bin /c",
        "FROM 1 AS a\nONBUILD COPY --from=2 /bin /c\nFROM a\nRUN true",
        "FROM 1 AS a\nONBUILD COPY --from=a /bin /c\nFROM a AS b\nFROM b",
        "FROM 1\nRUN echo \\\n FROM 2 \\\n  # more \\\n && echo \\\nFROM 3\nCMD x",
        "FROM 1\nLABEL a=\"\\\nFROM 2\"",
        "FROM 1\nRUN true \\",
        "ARG A=1\nFROM $A",
        "ARG A=1\nFROM ${A}:2",
        "ARG A\nFROM 1:${A:-latest}",
        "ARG A=\nFROM 1${A:-:2}",
        "FROM 1:${A:-latest}",
        "ARG A=1\nFROM $A\nARG A=2\nENV A=3\nFROM $A",
        "ARG A=s\nFROM 1 AS s\nFROM $A",
    ] {
        // The digits alone are no image: each stands for one of another registry.
        let mut dockerfile = String::new();
        for part in text.split_inclusive([' ', '=', '\n', '\t', '\u{a0}']) {
            let end = part
                .trim_end_matches([' ', '=', '\n', '\t', '\u{a0}'])
                .len();
            let (word, behind) = part.split_at(end);
            let digit = word.split([':', '$']).next().unwrap_or_default();
            match digit.parse() {
                Ok(number @ 1..=3) => {
                    dockerfile += &image(number);
                    dockerfile += &word[digit.len()..];
                }
                _ => dockerfile += word,
            }
            dockerfile += behind;
        }
        let found = contents(dockerfile.as_bytes(), &BuildArgs::new())
            .expect(&dockerfile)
            .images;
        let found: Vec<&str> = found.iter().map(|claim| claim.value.as_str()).collect();
        shell.sh(&format!(
            "mkdir -p $T/b && touch $T/b/f && printf %s {} >$T/b/Dockerfile",
            quoted(&dockerfile)
        ));
        let mut names = Vec::new();
        for _ in 0..6 {
            let run = shell.run("DOCKER_BUILDKIT=0 docker build $T/b");
            let said = format!("{}\n{}", run.stdout, run.stderr);
            let Some(at) = said.find("://127.0.0.1:100") else {
                break;
            };
            let registry = &said[at + "://".len()..][.."127.0.0.1:1001".len()];
            let asked = found.iter().filter(|image| image.starts_with(registry));
            let asked: Vec<String> = asked.map(|image| (*image).to_owned()).collect();
            assert!(
                !asked.is_empty(),
                "{dockerfile}\n{registry} is not in {found:?}\n{said}"
            );
            for name in asked {
                shell.sh(&format!("docker tag busybox {}", quoted(&name)));
                names.push(name);
            }
        }
        pulled += names.len();
        for name in names {
            shell.run(&format!("docker rmi {}", quoted(&name)));
        }
    }
    assert!(pulled > 20, "{pulled}");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn an_image_is_the_one_that_the_engine_found() {
    let shell = Engine::shared().shell();
    let id = shell.sh("docker image inspect -f {{.Id}} busybox");
    let hex = id.trim_start_matches("sha256:");
    let (hub, other) = (
        ImageFrom::parse("docker.io/library/busybox"),
        ImageFrom::parse("ghcr.io/**"),
    );
    let (hub, other) = (hub.expect("a list"), other.expect("a list"));
    for (text, allowed) in [
        ("busybox", true),
        ("docker.io/busybox:latest", true),
        (&id, true),
        (hex, true),
        (&hex[..5], true),
        ("busybox:none", true),
        ("no/such", false),
        ("fffffffffffffffffff", false),
    ] {
        let path = text.replace('/', "%2F");
        let answer = shell.sh(&format!(
            "curl -s -f --unix-socket $SOCKET http://d/images/{path}/json || true"
        ));
        let found = (!answer.is_empty())
            .then(|| read(answer.as_bytes(), Size::default(), Untyped).expect("an inspect"));
        assert_eq!(hub.allows_found(text, found.as_ref()), allowed, "{text}");
        assert!(!other.allows_found(text, found.as_ref()), "{text}");
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn what_is_written_in_is_what_the_container_has() {
    let shell = Engine::shared().shell();
    let limits = Limits::read(false, |name| match name {
        "MEMORY_MAX" => Some("64m"),
        "CPUS_MAX" => Some("0.5"),
        "PIDS_MAX" => Some("64"),
        "RUN_AS" => Some("nonroot"),
        _ => None,
    });
    let limits = limits.expect("limits");
    let create = BODIES
        .iter()
        .find(|body| body.route.text == "POST /containers/create");
    let create = create.expect("a body");
    let mut facts = Facts::default();
    let inspect = read(br#"{"Config":{"User":"1000"}}"#, Size::default(), Untyped);
    facts.learn(
        Fact::image("busybox").expect("a name"),
        Answer::Found(inspect.expect("an inspect")),
    );
    for (body, expected) in [
        (r#"{"Image":"busybox"}"#, "67108864 500000000 0 64 1000"),
        (
            r#"{"image":"busybox","User":"7","hostconfig":{"Memory":8388608,"CpuQuota":20000}}"#,
            "8388608 0 20000 64 7",
        ),
    ] {
        let tree = read(body.as_bytes(), Size::default(), Place::of(create));
        let mut tree = tree.expect("a body");
        limits.fill(create, &mut tree, None, &facts);
        let id = shell.sh(&format!(
            "curl -s -f --unix-socket $SOCKET -H 'Content-Type: application/json' -d {} http://d/containers/create | cut -d'\"' -f4",
            quoted(&tree.to_json())
        ));
        let has = shell.sh(&format!(
            "docker inspect -f '{{{{.HostConfig.Memory}}}} {{{{.HostConfig.NanoCpus}}}} {{{{.HostConfig.CpuQuota}}}} {{{{.HostConfig.PidsLimit}}}} {{{{.Config.User}}}}' {id}; docker rm {id} >$T/removed"
        ));
        assert_eq!(has, expected, "{body}");
    }
}

/// Archives as tar makes them, some of them appended to.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn the_dockerfile_of_a_build_is_the_one_that_is_found() {
    let shell = Engine::shared().shell();
    let folder = shell.sh(
        "mkdir -p $T/c/sub $T/d && cd $T/c && ln -s sub link && ln -s Dockerfile other && \
         long=$(printf 'x%.0s' {1..120}) && mkdir -p $long/$long && echo 1 >$long/$long/f && \
         for name in Dockerfile dockerfile sub/D; do printf 'FROM scratch\nLABEL at=%s\n' $name >$name; done; \
         sed s/at=/second=/ Dockerfile >$T/d/Dockerfile; echo $T",
    );
    let mut found = 0;
    for (script, query) in [
        ("tar -C $T/c -cf $T/t .", ""),
        ("tar -C $T/c --format=pax -cf $T/t .", ""),
        (
            "tar -C $T/c --format=ustar -cf $T/t Dockerfile sub dockerfile",
            "",
        ),
        ("tar -C $T/c --format=v7 -cf $T/t Dockerfile sub", ""),
        ("tar -C $T/c -cf $T/t dockerfile Dockerfile", ""),
        ("tar -C $T/c -cf $T/t dockerfile sub", ""),
        (
            "tar -C $T/c -cf $T/t . && tar -C $T/d -rf $T/t Dockerfile",
            "",
        ),
        (
            "tar -C $T/d -cf $T/t . && tar -C $T/c --format=pax -rf $T/t ./Dockerfile",
            "",
        ),
        (
            "tar -C $T/c -cf $T/t . && tar -C $T/d -rf $T/t --transform 's,^,sub/../,' Dockerfile",
            "",
        ),
        (
            "tar -C $T/c -cf $T/t . && tar -C $T/d -Prf $T/t --transform 's,^,/,' Dockerfile",
            "",
        ),
        ("tar -C $T/c -cf $T/t .", "sub/D"),
        (
            "tar -C $T/c -cf $T/t . && tar -C $T/d -rf $T/t --transform 's,.*,sub/D,' Dockerfile",
            "sub/D",
        ),
        ("tar -C $T/c -cf $T/t .", "./dockerfile"),
        // These are refused, whatever the engine does.
        ("tar -C $T/c -czf $T/t .", ""),
        (
            "tar -C $T/c -cf $T/t . && tar -C $T/d -rf $T/t --transform 's,^,link/,' Dockerfile",
            "",
        ),
        (
            "tar -C $T/c -cf $T/t . && tar -C $T/c -rf $T/t --transform 's,other,Dockerfile,' other",
            "",
        ),
        (
            "tar -C $T/c -cf $T/t . && tar -C $T/c --transform 's,^,link/../,' -rf $T/t sub/D",
            "link/D",
        ),
    ] {
        shell.sh(&format!("rm -f $T/t; {script}"));
        let bytes = std::fs::read(format!("{folder}/t")).expect("an archive");
        let own = Context::new(query).and_then(|mut context| {
            for piece in bytes.chunks(1000) {
                context.read(piece)?;
            }
            context.dockerfile().map(<[u8]>::to_vec)
        });
        let said = shell.sh(&format!(
            "curl -s --unix-socket $SOCKET -H 'Content-Type: application/x-tar' --data-binary @$T/t 'http://d/build?dockerfile={query}'"
        ));
        if let Ok(own) = own {
            let text = String::from_utf8_lossy(&own);
            let label = text.lines().nth(1).expect("a label");
            assert!(
                said.contains(&format!(" : {label}\"")),
                "{script} {query}: {label}\n{said}"
            );
            found += 1;
        }
    }
    assert_eq!(found, 13);
}
