"""What docker-py says where only CONTAINERS is granted, on the engine that DOCKER_HOST names."""

import docker
import websocket

client = docker.from_env(timeout=60)
# Containers of other tests come and go meanwhile.
assert isinstance(client.containers.list(all=True, ignore_removed=True), list)


def denied(call, lack):
    try:
        call()
    except docker.errors.APIError as error:
        assert error.status_code == 403, error
        assert error.explanation.startswith("dockgate: "), error.explanation
        assert error.explanation.endswith(" is not allowed: set " + lack), error.explanation
    else:
        raise SystemExit(f"granted without {lack}")


denied(client.images.list, "ALLOW_IMAGE_LIST=1, or IMAGES=1")
denied(lambda: client.containers.run("busybox"), "ALLOW_CREATE=1, or POST=1")
denied(lambda: client.api.exec_create("some", "true"), "ALLOW_EXEC=1, or EXEC=1 and POST=1")
denied(lambda: client.api.put_archive("some", "/", b"x" * (5 << 20)), "ALLOW_COPY=1, or POST=1")
denied(lambda: client.images.load(b"x" * (5 << 20)), "ALLOW_LOAD=1, or IMAGES=1 and POST=1")
try:
    client.api.attach_socket("some", {"stdin": 1, "stream": 1}, ws=True)
    raise SystemExit("a WebSocket was granted without POST")
except websocket.WebSocketBadStatusException as error:
    assert error.status_code == 403, error
print("all denied")
