//! Lists that containers have by their labels: from their first instant on, and by labels of their own.

use crate::containers::{Gated, LISTS, NOTHING};

const LABEL: &str = "--label socket-proxy.allow.get=/containers/json";

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn containers_have_the_lists_that_their_labels_make() {
    let gated = Gated::with(
        "docker network create $N",
        "--network $N --network-alias gate -e SP_PROXYCONTAINERNAME=$N-gate -e SP_LISTENIP=0.0.0.0 \
         -e SP_ALLOW_GET=/version -e DENY_ROOT=1",
    );
    let own = "--network $N";
    gated.client("job", &format!("{own} {LABEL}"));
    gated.client(
        "wrong",
        &format!("{own} {LABEL} --label 'socket-proxy.allow.get.2=('"),
    );
    gated.client("plain", own);
    let all = "--label socket-proxy.allow.get=.* --label socket-proxy.allow.post=.*";
    gated.client("makes", &format!("{own} {all}"));
    let found = ["job", "wrong", "plain"].map(|name| gated.statuses(name));
    assert_eq!(found, [LISTS, NOTHING, NOTHING], "{}", gated.log());
    assert_eq!(gated.statuses("makes"), "200 200 200");
    // The commands say so too.
    let gate = |name: &str, command: &str, rest: &str| {
        gated.sh(&format!(
            "docker exec $N-gate /gate/dockgate {command} --client $(docker inspect -f \
             '{{{{range .NetworkSettings.Networks}}}}{{{{.IPAddress}}}}{{{{end}}}}' $N-{name}) {rest} 2>&1 || true"
        ))
    };
    let told = gate("job", "check", "");
    assert!(
        told.contains("a list of its own: the labels of container"),
        "{told}"
    );
    let told = gate("job", "explain", "GET /info");
    assert!(
        told.contains("no label socket-proxy.allow.get of this client's container"),
        "{told}"
    );
    let told = gate("wrong", "check", "");
    assert!(told.contains("is not a valid pattern"), "{told}");
    let told = gate("plain", "check", "");
    assert!(
        told.contains("SP_ALLOWFROM does not allow this client"),
        "{told}"
    );
    // One that asks as soon as it runs.
    for _ in 0..3 {
        let asked = gated.sh(&format!(
            "docker run --rm {own} {LABEL} busybox wget -q -O - http://gate:2375/containers/json"
        ));
        assert!(asked.starts_with('['), "{asked}");
    }
    // Who makes a container does not give it a list, nor does its image.
    gated.sh(
        "docker commit --change 'LABEL socket-proxy.allow.get=.*' $N-plain $N-image >/dev/null",
    );
    let create = |name: &str, labels: &str| {
        gated.sh(&format!(
            "docker exec $N-makes curl -s -o /dev/null -w '%{{http_code}}' -H \
             'Content-Type: application/json' -d '{{\"Image\":\"'$N-image'\",\"Cmd\":[\"sleep\",\"600\"],\
             \"Labels\":{{{labels}}},\"HostConfig\":{{\"NetworkMode\":\"none\"}}}}' \
             http://gate:2375/containers/create?name=$N-{name}"
        ))
    };
    let granting = r#""socket-proxy.allow.get":".*""#;
    assert_eq!(create("taken", granting), "403");
    assert_eq!(create("made", ""), "201", "{}", gated.log());
    gated.sh("docker network disconnect none $N-made; docker network connect $N $N-made; docker start $N-made");
    let asked = "docker exec $N-made wget -q -O - http://gate:2375/version 2>&1 || true";
    let asked = gated.sh(asked);
    assert!(asked.contains("403"), "{asked} {}", gated.log());
    assert!(
        gated
            .log()
            .contains("the others are not its container's own"),
        "{}",
        gated.log()
    );
    gated.sh("docker rm -f $N-made >/dev/null; docker rmi $N-image >/dev/null");
}
