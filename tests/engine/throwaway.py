"""What tests do with testcontainers, on the engine that DOCKER_HOST names. Its reaper, Ryuk, wants the
engine's socket; without it, a test ends what it starts."""

import sys

import docker
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer, Reaper
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

if sys.argv[1:] == ["ryuk"]:
    testcontainers_config.ryuk_disabled = False
    try:
        DockerContainer("busybox").with_command("true").start()
        raise SystemExit("Ryuk was given the socket")
    except docker.errors.APIError as error:
        assert error.status_code == 403, error
        print(error.explanation)
    sys.exit()

testcontainers_config.ryuk_disabled = True
assert Reaper._instance is None
with Network() as network:
    server = (
        DockerContainer("busybox")
        .with_command("sh -c 'echo hi >/tmp/index.html; echo up; httpd -f -p 8080 -h /tmp'")
        .with_env("A", "b")
        .with_exposed_ports(8080)
        .with_network(network)
        .with_network_aliases("server")
        .with_tmpfs_mount("/run", "size=1m")
        .with_kwargs(mem_limit="64m")
        .waiting_for(LogMessageWaitStrategy("up"))
    )
    with server:
        assert server.get_exposed_port(8080)
        code, out = server.exec(["sh", "-c", "echo $A"])
        assert (code, out) == (0, b"b\n"), (code, out)
        client = DockerContainer("busybox").with_network(network)
        with client.with_command("wget -qO- http://server:8080/"):
            assert client.get_wrapped_container().wait()["StatusCode"] == 0
            assert client.get_logs()[0] == b"hi\n"
        bound = DockerContainer("busybox").with_volume_mapping("/etc", "/host", "ro")
        if sys.argv[1:] == ["shut"]:
            try:
                bound.start()
                raise SystemExit("a directory of the host was mounted")
            except docker.errors.APIError as error:
                assert error.status_code == 403 and "HostConfig.Binds" in error.explanation, error
print("all done")
