"""What people do with docker-py, on the engine that DOCKER_HOST names."""

import hashlib
import io
import os
import socket
import tarfile
import uuid

import docker

name = "py-" + uuid.uuid4().hex[:12]
client = docker.from_env(timeout=60)
assert client.ping()
assert client.version()["ApiVersion"] == client.api._version
assert client.info()["ID"]
assert "Images" in client.df()

# Containers
assert client.containers.run("busybox", "echo hi", remove=True) == b"hi\n"
try:
    client.containers.run("busybox", "sh -c 'echo bad >&2; exit 3'", remove=True)
    raise SystemExit("an exit code of 3 was no error")
except docker.errors.ContainerError as error:
    assert error.exit_status == 3 and error.stderr == b"bad\n", error
container = client.containers.run(
    "busybox", "sh -c 'echo up; while read x; do echo got $x; done'",
    name=name, detach=True, stdin_open=True, labels={"test": name})
assert [c.id for c in client.containers.list(filters={"label": f"test={name}"})] == [container.id]
logs = container.logs(stream=True, follow=True)
assert next(logs) == b"up\n"
assert container.top()["Processes"]
stats = container.stats(stream=True, decode=True)
assert next(stats)["id"] == container.id and next(stats)["read"]
stats.close()

# Hijacked connections: attach, attach by WebSocket, exec
raw = container.attach_socket(params={"stdin": 1, "stream": 1})
raw._sock.sendall(b"one\n")
assert next(logs) == b"got one\n"
raw.close()
web = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1}, ws=True)
web.send("two\n")
seen = b""
while not seen.endswith(b"got two\n"):
    part = web.recv()
    seen += part.encode() if isinstance(part, str) else part
web.close()
assert next(logs) == b"got two\n"
code, (out, err) = container.exec_run("sh -c 'echo out; echo err >&2; exit 4'", demux=True)
assert (code, out, err) == (4, b"out\n", b"err\n")
assert b"".join(container.exec_run("seq 1000", stream=True).output).split()[-1] == b"1000"
exec_id = client.api.exec_create(name, "sha256sum", stdin=True)["Id"]
raw = client.api.exec_start(exec_id, socket=True)
big = os.urandom(5 << 20)
raw._sock.sendall(big)
raw._sock.shutdown(socket.SHUT_WR)
assert hashlib.sha256(big).hexdigest().encode() in raw.read()
assert client.api.exec_inspect(exec_id)["ExitCode"] == 0

# Archives
packed = io.BytesIO()
with tarfile.open(fileobj=packed, mode="w") as tar:
    entry = tarfile.TarInfo("big")
    entry.size = len(big)
    tar.addfile(entry, io.BytesIO(big))
assert container.put_archive("/tmp", packed.getvalue())
stream, stat = container.get_archive("/tmp/big")
assert stat["size"] == len(big)
with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
    assert tar.extractfile("big").read() == big
assert container.diff()
assert len(b"".join(container.export())) > len(big)

# Events, changes, the end
events = client.events(decode=True, filters={"container": name})
container.pause()
assert next(events)["Action"] == "pause"
container.unpause()
assert next(events)["Action"] == "unpause"
events.close()
container.rename(name + "-renamed")
container.update(mem_limit="64m", memswap_limit="64m")
container.reload()
assert container.name == name + "-renamed"
assert container.attrs["HostConfig"]["Memory"] == 64 << 20
container.restart(timeout=0)
container.kill()
assert container.wait()["StatusCode"] == 137
image = container.commit(name)
container.remove()
try:
    client.containers.get(name)
    raise SystemExit("a removed container was found")
except docker.errors.NotFound:
    pass

# Images
saved = b"".join(image.save(named=True))
image.tag(name, "again")
client.images.remove(f"{name}:latest")
client.images.remove(f"{name}:again")
assert client.images.load(saved)[0].id == image.id
client.images.remove(f"{name}:latest")
# No other test has this image, which could not be removed while a container there uses it.
dockerfile = f"FROM busybox\nRUN echo {name} >/marker\nCMD cat /marker\n".encode()
image, lines = client.images.build(fileobj=io.BytesIO(dockerfile), tag=name, rm=True)
assert any("Successfully built" in line.get("stream", "") for line in lines)
assert client.containers.run(name, remove=True) == f"{name}\n".encode()
assert image.history() and name + ":latest" in image.tags
client.images.remove(name)
assert client.images.list("busybox")

# Networks and volumes
network = client.networks.create(name, internal=True)
container = client.containers.run("busybox", "sleep 600", name=name, detach=True)
network.connect(container, aliases=["other"])
network.reload()
assert network.containers == [container]
network.disconnect(container)
container.remove(force=True)
network.remove()
volume = client.volumes.create(name)
write = {name: {"bind": "/v", "mode": "rw"}}
client.containers.run("busybox", "touch /v/kept", volumes=write, remove=True)
assert client.containers.run("busybox", "ls /v", volumes=write, remove=True) == b"kept\n"
volume.remove()
print("all done")
