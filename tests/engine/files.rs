//! What is big: copies, archives, images and builds.

use crate::harness::Gate;

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn files_are_copied_both_ways() {
    for gate in Gate::each("CONTAINERS POST") {
        gate.sh("mkdir -p $T/in/deep && head -c 30M /dev/urandom >$T/in/deep/big");
        gate.sh("echo small >$T/in/small && ln -s small $T/in/link");
        gate.sh("docker create --name $N busybox");
        gate.sh("docker cp $T/in $N:/in && docker cp $N:/in $T/out && diff -r $T/in $T/out");
        gate.sh("tar -C $T -c in | docker cp - $N:/tmp && docker cp $N:/tmp/in/small - | tar -t");
        assert_eq!(gate.run("docker cp $N:/missing $T").code, 1);
    }
    for gate in Gate::each("CONTAINERS") {
        gate.sh("echo x >$T/file");
        let put = "PUT /containers/some/archive is not allowed: set ALLOW_COPY=1, or POST=1";
        // It asks for the destination first, and goes on where there is none.
        let name = Gate::new("CONTAINERS POST").sh("docker create busybox");
        let put = put.replace("some", &name);
        gate.refused(&format!("docker cp $T/file {name}:/tmp"), 1, &put);
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_container_is_exported_imported_and_committed() {
    for gate in Gate::each("COMMIT CONTAINERS IMAGES POST") {
        gate.sh("docker run --name $N busybox sh -c 'echo here >/marker'");
        gate.sh("docker export $N | docker import - $N:imported");
        assert_eq!(gate.sh("docker run --rm $N:imported cat /marker"), "here");
        gate.sh(r#"docker commit -c 'CMD ["cat", "/marker"]' $N $N:committed"#);
        assert_eq!(gate.sh("docker run --rm $N:committed"), "here");
        gate.sh("docker tag $N:committed $N:tagged && docker rmi $N:committed");
        let id = gate.sh("docker images -q --no-trunc $N:tagged");
        assert_eq!(gate.sh("docker image inspect -f {{.Id}} $N:tagged"), id);
        assert!(gate.sh("docker history $N:tagged").contains("marker"));
        gate.sh("docker rmi $N:tagged $N:imported");
        assert_eq!(gate.sh("docker images -q $N"), "");
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn an_image_of_200_mb_is_saved_and_loaded() {
    for gate in Gate::each("IMAGES POST") {
        gate.sh("mkdir $T/root && head -c 200M /dev/urandom >$T/root/big");
        gate.sh("tar -C $T/root -c . | docker import - $N:big");
        let id = gate.sh("docker image inspect -f {{.Id}} $N:big");
        gate.sh("docker save $N:big >$T/saved && docker rmi $N:big");
        gate.sh("docker load <$T/saved");
        assert_eq!(gate.sh("docker image inspect -f {{.Id}} $N:big"), id);
        // The id says that the content is the same: it is made of the layers' checksums.
        gate.sh("docker rmi $N:big");
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_denied_upload_of_200_mb_still_says_why() {
    for gate in Gate::each("IMAGES") {
        gate.sh("head -c 200M /dev/urandom >$T/big");
        let load = "POST /images/load is not allowed: set ALLOW_LOAD=1, or POST=1";
        gate.refused("docker load -i $T/big", 1, load);
        gate.refused("docker load <$T/big", 1, load);
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn the_classic_builder_builds() {
    for gate in Gate::each("BUILD CONTAINERS POST") {
        context(&gate);
        let built =
            gate.sh("DOCKER_BUILDKIT=0 docker build --build-arg WORD=hi -t $N $T/context 2>&1");
        assert!(built.contains("Successfully tagged"), "{built}");
        assert_eq!(
            gate.sh("docker run --rm $N"),
            gate.sh("sha256sum <$T/context/big; echo hi")
        );
        let failed = gate.run("DOCKER_BUILDKIT=0 docker build - <<<$'FROM busybox\nRUN exit 9'");
        assert!(failed.code != 0 && failed.stderr.contains("returned a non-zero code: 9"));
    }
    for gate in Gate::each("BUILD") {
        context(&gate);
        let build = "POST /build is not allowed: set ALLOW_BUILD=1, or POST=1";
        gate.refused("DOCKER_BUILDKIT=0 docker build $T/context", 1, build);
    }
}

/// The BuildKit of the engine, which asks its client for files through `/session`. CLIs before 23.0
/// can do it by themselves, later ones with buildx.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn buildkit_builds() {
    let can = "docker buildx version || docker version -f {{.Client.Version}} | grep -E '^(1|20)'";
    let able: Vec<Gate> = Gate::each("BUILD CONTAINERS GRPC POST SESSION")
        .filter(|gate| gate.run(can).code == 0)
        .collect();
    assert!(
        !able.is_empty(),
        "no CLI of this machine can use BuildKit: install docker-buildx"
    );
    for gate in able {
        context(&gate);
        gate.sh("DOCKER_BUILDKIT=1 docker build --build-arg WORD=hi -t $N $T/context");
        assert_eq!(
            gate.sh("docker run --rm $N"),
            gate.sh("sha256sum <$T/context/big; echo hi")
        );
    }
}

/// A build's context of 20 MB.
fn context(gate: &Gate) {
    gate.sh("mkdir $T/context && head -c 20M /dev/urandom >$T/context/big");
    gate.sh(r#"cat >$T/context/Dockerfile <<'END'
FROM busybox
ARG WORD
COPY big /
RUN sha256sum </big >/sum && echo $WORD >>/sum
CMD ["cat", "/sum"]
END"#);
}
