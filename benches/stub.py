"""The engine of scripts/bench for what a web server has no words for: `stub.py SOCKET PORT`.

It reads uploads to their end, says the head of an event stream and then nothing, and is the far
end of tunnels. Each connection carries one request.
"""

import re
import select
import socket
import sys
import threading

OK = b"HTTP/1.1 200 OK\r\n"
SWITCH = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
BLOCK = 256 * 1024
ZEROS = bytes(BLOCK)
streams = []  # open for as long as this process lives


def serve(client):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = client.recv(1)  # not more than the head: what follows it is counted
        if not byte:
            return
        head += byte
    route = head.split(b" ", 2)[1]
    if b"/events" in route:
        client.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
        streams.append(client)
    elif b"/load" in route:
        size = str(read(client, lambda size, tail: tail.endswith(b"\r\n0\r\n\r\n"))).encode()
        client.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(size) + size)
    elif b"/exec/" in route:
        client.sendall(SWITCH)
        wanted = int(re.search(rb"size=(\d+)", route)[1])
        if b"/source/" in route:
            for _ in range(wanted // BLOCK):
                client.sendall(ZEROS)
        else:
            read(client, lambda size, tail: size >= wanted)
            client.sendall(b".")
    else:
        client.sendall(OK + b"Content-Length: 0\r\n\r\n")


def read(client, is_all):
    """Reads until that is all, and returns how much it was."""
    size, tail, buffer = 0, b"", bytearray(BLOCK)
    while not is_all(size, tail):
        n = client.recv_into(buffer)
        if n == 0:
            raise ConnectionError("the client left early")
        size, tail = size + n, (tail + buffer[max(0, n - 7):n])[-7:]
    return size


def main():
    listeners = [socket.socket(socket.AF_UNIX), socket.socket(socket.AF_INET)]
    for listener, address in zip(listeners, [sys.argv[1], ("127.0.0.1", int(sys.argv[2]))]):
        listener.bind(address)
        listener.listen(4096)
    threading.stack_size(256 * 1024)
    while True:
        for listener in select.select(listeners, [], [])[0]:
            threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()


main()
