//! A registry of the test's own: images are pushed and pulled with a password.

use crate::harness::{Engine, Gate, variable};

/// The password `hunter2` of the user `me`.
const PASSWORD: &str = "me:$2b$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.";

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn images_are_pushed_and_pulled() {
    let engine = Engine::fresh();
    let gate = Gate::before(
        &engine.socket(),
        "AUTH DISTRIBUTION IMAGES POST LOG_LEVEL=debug",
    );
    gate.sh(&format!("echo '{PASSWORD}' >$T/htpasswd"));
    gate.sh("cat >$T/registry.yml <<END
version: 0.1
storage: {filesystem: {rootdirectory: $T/registry}}
http: {addr: '127.0.0.1:5000'}
auth: {htpasswd: {realm: test, path: $T/htpasswd}}
END");
    // In the network of the engine's own namespace.
    let mut registry = gate.stream(
        "unshare=$(cat $(dirname $SOCKET)/unshare.pid)
         inside=$(cat /proc/$unshare/task/$unshare/children)
         nsenter --net=/proc/${inside%% *}/ns/net docker-registry serve $T/registry.yml 2>&1",
    );
    registry.until("listening on");

    gate.sh("mkdir $T/root && head -c 20M /dev/urandom >$T/root/big");
    gate.sh("tar -C $T/root -c . | docker import - 127.0.0.1:5000/some/image:tag");
    let id = gate.sh("docker images -q --no-trunc 127.0.0.1:5000/some/image");
    let stranger = gate.run("docker push 127.0.0.1:5000/some/image:tag");
    assert!(
        stranger.stderr.contains("no basic auth credentials"),
        "{stranger:?}"
    );
    gate.sh("echo hunter2 | docker login -u me --password-stdin 127.0.0.1:5000");
    gate.sh("docker push 127.0.0.1:5000/some/image:tag");
    gate.sh("docker rmi 127.0.0.1:5000/some/image:tag");
    gate.sh("docker pull 127.0.0.1:5000/some/image:tag");
    let pulled = gate.sh("docker images -q --no-trunc 127.0.0.1:5000/some/image");
    assert_eq!(pulled, id);
    let python = variable("DOCKGATE_TEST_PYTHON");
    let data = gate.sh(&format!(
        "{python} -c 'if True:
             import docker
             auth = dict(username=\"me\", password=\"hunter2\")
             name = \"127.0.0.1:5000/some/image:tag\"
             print(docker.from_env().images.get_registry_data(name, auth_config=auth).id)'"
    ));
    assert!(data.starts_with("sha256:"), "{data}");

    // Whatever is logged, the password is not: plain, or as the header's base64 of the JSON.
    let log = gate.log();
    assert!(log.contains("/auth") && log.contains("/push"), "{log}");
    for secret in ["hunter2", "aHVudGVyM", "h1bnRlcj", "odW50ZXIy"] {
        assert!(!log.contains(secret), "{log}");
    }

    let gate = Gate::before(&engine.socket(), "IMAGES");
    let pull = "POST /images/create is not allowed: set ALLOW_PULL=1, or POST=1";
    gate.refused("docker pull 127.0.0.1:5000/some/image:tag", 1, pull);
    let push = "POST /images/127.0.0.1:5000/some/image/push is not allowed: \
                set ALLOW_PUSH=1, or POST=1";
    gate.refused("docker push 127.0.0.1:5000/some/image:tag", 1, push);
}
