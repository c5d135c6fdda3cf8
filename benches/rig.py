"""The tools of scripts/bench: clients, engines, and proxies that it starts and stops."""

import contextlib
import json
import os
import pwd
import re
import shutil
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from string import Template

ROOT = Path(__file__).resolve().parent.parent
TARGET_DIR = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
TRIPLE = f"{os.uname().machine}-unknown-linux-gnu"
SECTIONS = {section["name"]: section["paths"][0]
            for section in tomllib.loads((ROOT / "sections.toml").read_text())["section"]}
GRANTS = dict.fromkeys([*SECTIONS, "POST"], "1")

DIRECT, HAPROXY, REUSE, DOCKGATE = "direct", "HAProxy", "HAProxy with reuse", "dockgate"
BASELINE = "baseline"
ONE_POLICY, TEN_POLICIES = "dockgate with one policy", "dockgate with ten policies"
JUDGED = "dockgate with DENY_ROOT"
SCOPED = "dockgate with SCOPE"
HAPROXY_TLS, DOCKGATE_TLS = "HAProxy with TLS", "dockgate with TLS"
TLS = [HAPROXY_TLS, DOCKGATE_TLS]
BINARIES = {DOCKGATE: TARGET_DIR / TRIPLE / "release/dockgate"}  # and that of the baseline
PROXIES, ALL = [HAPROXY, REUSE, DOCKGATE], [DIRECT, HAPROXY, REUSE, DOCKGATE]
MODES = {HAPROXY: "option http-server-close", HAPROXY_TLS: "option http-server-close",
         REUSE: "option http-keep-alive\n    http-reuse always"}

MIB, GIB = 1 << 20, 1 << 30
PATH, DENIED, BULK = "/v1.51/containers/json", "/v1.51/nowhere", "/v1.51/images/get"
CREATE = "/v1.51/containers/create"
LIST = "/v1.50/containers/json"  # a thousand containers
JSON = '{"Id": "%s"}' % ("0123456789" * 19)  # 200 bytes
PATIENCE = 60  # seconds that any single wait may take


def container(number):
    """An item of a list of containers, of 2 KB: every second one is of team a."""
    labels = {f"com.example.label.number-{n}": f"a value of some length {number}" for n in range(20)}
    labels["team"] = "ab"[number % 2]
    return {"Id": f"{number:064x}", "Names": [f"/web-{number}"], "Image": "registry.example.com/web:1",
            "ImageID": f"sha256:{number:064x}", "Command": "/entrypoint.sh nginx", "Created": 1700000000,
            "Ports": [], "Labels": labels, "State": "running", "Status": "Up 3 days",
            "HostConfig": {"NetworkMode": "web"}, "NetworkSettings": {"Networks": {"web": {
                "NetworkID": f"{number:064x}", "EndpointID": f"{number:064x}",
                "Gateway": "172.18.0.1", "IPAddress": "172.18.0.2", "IPPrefixLen": 16}}},
            "Mounts": []}


# The clients.

def take(sock, size):
    buffer = bytearray(256 * 1024)
    while size > 0:
        n = sock.recv_into(buffer)
        if n == 0:
            raise ConnectionError("the other end closed too early")
        size -= n


def send(sock, block, size):
    for _ in range(size // len(block)):
        sock.sendall(block)


def connect(port, source="127.0.0.1", secure=False):
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0))
    if secure:  # by whom it is answered is no question here
        sock = ssl._create_unverified_context().wrap_socket(sock)
    sock.settimeout(None)  # Python's own timeout costs a call for each read; the kernel's none
    for option in socket.SO_RCVTIMEO, socket.SO_SNDTIMEO:
        sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", PATIENCE, 0))
    return sock


def ask(sock, line, headers=""):
    """Sends a request head, and returns the answer's head and what came behind it."""
    sock.sendall(f"{line} HTTP/1.1\r\nHost: docker\r\n{headers}\r\n".encode())
    return answer(sock)


def answer(sock):
    got = bytearray()
    while b"\r\n\r\n" not in got:
        part = sock.recv(4096)
        if not part:
            raise ConnectionError("the other end closed too early")
        got += part
    head, rest = got.split(b"\r\n\r\n", 1)
    status = int(head.split(b" ")[1])
    if status not in (101, 200):
        raise ConnectionError(f"answered {status}: {bytes(rest).decode(errors='replace')}")
    return head, rest


def download(port, size, secure=False):
    with connect(port, secure=secure) as sock:
        start = time.monotonic()
        _, rest = ask(sock, f"GET {BULK}")
        take(sock, size - len(rest))
        return size / (time.monotonic() - start)


def upload(port, size):
    block = (b"8000\r\n" + bytes(0x8000) + b"\r\n") * 32  # as the docker CLI's chunks
    with connect(port) as sock:
        start = time.monotonic()
        sock.sendall(b"POST /v1.51/images/load HTTP/1.1\r\nHost: docker\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n")
        send(sock, block, size // MIB * len(block))
        sock.sendall(b"0\r\n\r\n")
        _, said = answer(sock)
        if int(said) < size:
            raise ConnectionError(f"{int(said)} bytes arrived of {size}")
        return size / (time.monotonic() - start)


def tunnel(port, size, way):
    with connect(port) as sock:
        line = f"POST /v1.51/exec/{way}/start?size={size}"
        _, rest = ask(sock, line, "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n")
        start = time.monotonic()
        if way == "source":
            take(sock, size - len(rest))
        else:
            send(sock, bytes(256 * 1024), size)
            take(sock, 1)
        return size / (time.monotonic() - start)


EVENTS = b"GET /v1.51/events HTTP/1.1\r\nHost: docker\r\n\r\n"
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def wrk(port, seconds, clients, path=PATH, close=False, secure=False):
    """Runs wrk; returns requests, requests/s and the p99 in seconds."""
    threads = min(clients, os.cpu_count(), 4)
    command = ["wrk", f"-t{threads}", f"-c{clients}", f"-d{seconds}s", "--latency"]
    command += ["-H", "Connection: close"] if close else []
    command += ["-s", str(ROOT / "benches/create.lua")] if path == CREATE else []
    command.append(f"http{'s' * secure}://127.0.0.1:{port}{path}")
    environment = os.environ | {"CREATE": str(ROOT / "benches/create.json")}
    text = subprocess.run(command, check=True, capture_output=True, text=True, env=environment,
                          timeout=seconds + PATIENCE).stdout
    requests = int(re.search(r"(\d+) requests in", text)[1])
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    if int(bad[1] if bad else 0) != (requests if path == DENIED else 0) or "Socket errors" in text:
        raise RuntimeError(f"{' '.join(command)}: answers that were not expected\n{text}")
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", text)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    return requests, rate, float(p99[1]) * UNITS[p99[2]]


def quiet_p99(port, samples=500, most=20):
    """The p99 in seconds of one client that asks, waits for its answer, and pauses."""
    times, start = [], time.monotonic()
    with connect(port) as sock:
        while len(times) < samples and time.monotonic() < start + most:
            begun = time.monotonic()
            ask(sock, f"GET {PATH}")
            times.append(time.monotonic() - begun)
            time.sleep(0.002)
    return sorted(times)[len(times) * 99 // 100]


# What is started, and ends with its `with`.

@contextlib.contextmanager
def running(command, **how):
    process = subprocess.Popen(command, **how)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def flooders(port, size, count=4):
    """Clients that send denied requests without waiting for an answer."""
    command = [sys.executable, ROOT / "benches/flood.py", str(port), str(size)]
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(running(command))
        time.sleep(0.5)  # they are at full speed
        yield


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def wait_for(port, pause=0.01, secure=False):
    """Asks until there is an answer."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with connect(port, secure=secure) as sock:
                return ask(sock, f"GET {PATH}")
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(pause)


class Proxy:
    """A running proxy, or the engine itself, by its port and processes."""

    def __init__(self, port, process=None, secure=False):
        self.port, self.process, self.secure = port, process, secure

    def processes(self):
        found = [self.process.pid]
        for pid in found:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
            found += map(int, children.split())
        return [Path(f"/proc/{pid}") for pid in found]

    def cpu(self):
        """Seconds of user and system time so far."""
        ticks = 0
        for process in self.processes():
            fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def rss(self):
        """Bytes of resident memory, summed over its processes."""
        texts = [(process / "status").read_text() for process in self.processes()]
        return sum(int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024 for text in texts)


class Bench:
    """The machine room: engines, proxies, and how long a round is."""

    def __init__(self, directory, quick):
        self.dir = directory
        self.rounds, self.seconds = (1, 1) if quick else (5, 2)
        self.size = GIB // 4 if quick else GIB
        self.quick = quick

    @contextlib.contextmanager
    def engine(self, fast=True):
        """The engine's socket, and its port for those who come without a proxy."""
        path, port = self.dir / "engine.sock", free_port()
        path.unlink(missing_ok=True)
        if fast:
            with open(self.dir / "bulk", "wb") as bulk:
                bulk.truncate(self.size)
            shutil.copyfile(self.dir / "bulk", os.devnull)  # from memory for the first one too
            (self.dir / "list").write_text(json.dumps([container(n) for n in range(1000)]))
            user = pwd.getpwuid(os.geteuid()).pw_name
            config = fill("nginx.conf", self.dir / "nginx.conf", dir=self.dir, user=user,
                          socket=path, port=port, json=JSON, bulk=BULK, listed=LIST)
            command = ["nginx", "-c", config, "-e", "stderr"]
        else:
            command = [sys.executable, ROOT / "benches/stub.py", path, str(port)]
        with running(command):
            wait_for(port)
            yield path, port

    @contextlib.contextmanager
    def proxy(self, name, engine):
        """Starts a proxy in front of the engine; its log goes through a pipe to a reader."""
        path, direct = engine
        if name == DIRECT:
            yield Proxy(direct)
            return
        port = free_port()
        environment, listen = {"PATH": os.environ["PATH"]}, f"tcp://127.0.0.1:{port}"
        if name in BINARIES:
            command = [BINARIES[name]]
            environment |= {"LISTEN": listen, "SOCKET_PATH": str(path), **GRANTS}
        elif name == JUDGED:
            command = [BINARIES[DOCKGATE]]
            environment |= {"LISTEN": listen, "SOCKET_PATH": str(path), **GRANTS, "DENY_ROOT": "1"}
        elif name == SCOPED:
            command = [BINARIES[DOCKGATE]]
            environment |= {"LISTEN": listen, "SOCKET_PATH": str(path), **GRANTS,
                            "SCOPE": "label:team=a"}
        elif name == DOCKGATE_TLS:
            command = [BINARIES[DOCKGATE]]
            cert = str(self.certificate())
            environment |= {"LISTEN": listen, "SOCKET_PATH": str(path), **GRANTS,
                            "TLS_CERT": cert, "TLS_KEY": cert}
        elif name == TEN_POLICIES:
            command = [BINARIES[DOCKGATE]]
            environment |= {"CONFIG_DATA": ten_policies(listen), "SOCKET_PATH": str(path)}
        else:
            environment |= GRANTS
            config = fill("haproxy.cfg", self.dir / f"haproxy-{port}.cfg", socket=path, port=port,
                          mode=MODES[name], rules=haproxy_rules(),
                          tls=f" ssl crt {self.certificate()}" if name in TLS else "")
            command = ["haproxy", "-W", "-db", "-f", config]
        with (running(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as reader,
              running(command, env=environment, stdout=reader.stdin,
                      stderr=subprocess.DEVNULL) as process):
            yield Proxy(port, process, name in TLS)

    def certificate(self):
        """A file with a certificate and its key, as both sides read it."""
        path = self.dir / "certificate.pem"
        if not path.exists():
            command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                       "-nodes", "-days", "30", "-subj", "/CN=localhost", "-out", path, "-keyout"]
            key = self.dir / "key.pem"
            subprocess.run([*command, key], check=True, capture_output=True)
            path.write_text(path.read_text() + key.read_text())
        return path

    @contextlib.contextmanager
    def started(self, names, fast=True):
        """An engine and, in front of it, all of these at once."""
        with contextlib.ExitStack() as stack:
            engine = stack.enter_context(self.engine(fast))
            proxies = {name: stack.enter_context(self.proxy(name, engine)) for name in names}
            for proxy in proxies.values():
                wait_for(proxy.port, secure=proxy.secure)
            yield proxies

    def interleaved(self, names, run, fast=True):
        """Runs each in turn, beginning with another one in each round; medians by name."""
        samples = {name: [] for name in names}
        with self.started(names, fast) as proxies:
            for turn in range(self.rounds):
                for name in names[turn % len(names):] + names[:turn % len(names)]:
                    samples[name].append(run(proxies[name]))
        return {name: median(values) for name, values in samples.items()}


def median(values):
    """The median; of tuples, of each place."""
    if isinstance(values[0], tuple):
        return tuple(statistics.median(place) for place in zip(*values))
    return statistics.median(values)


def ten_policies(listen):
    """A file with ten policies for ten addresses, of which the clients' comes last."""
    grants = {name: int(value) for name, value in GRANTS.items()}
    addresses = [*(f"10.0.{n}.0/24" for n in range(9)), "127.0.0.1"]
    return json.dumps({
        "policies": {f"p{n}": grants for n in range(10)},
        "endpoints": [{"listen": listen, "policy": "none"}],
        "clients": [{"from": one, "policy": f"p{n}"} for n, one in enumerate(addresses)]})


def haproxy_rules():
    """The actions, then the sections in the alphabet's order."""
    action = r"/containers/[a-zA-Z0-9_.-]+/"
    paths = {"ALLOW_RESTARTS": action + "((stop)|(restart)|(kill))",
             "ALLOW_START": action + "start", "ALLOW_STOP": action + "stop"}
    rule = "    http-request allow if { path,url_dec -m reg -i %s } { env(%s) -m bool }"
    return "\n".join(rule % (rf"^(/v[\d\.]+)?{path}", variable)
                     for variable, path in (paths | dict(sorted(SECTIONS.items()))).items())


def fill(template, path, **values):
    path.write_text(Template((ROOT / "benches" / template).read_text()).substitute(values))
    return path
