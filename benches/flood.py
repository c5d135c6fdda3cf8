"""A client of scripts/bench that waits for no answer: `flood.py PORT BYTES`.

It sends denied requests one behind the other, with targets of so many bytes, until it is ended, and
connects again where it is cut off.
"""

import socket
import sys
import threading
import time

port, size = map(int, sys.argv[1:])
REQUEST = b"GET /v1.51/nowhere/".ljust(size + 4, b"x") + b" HTTP/1.1\r\nHost: docker\r\n\r\n"
BLOCK = REQUEST * (1024 * 1024 // len(REQUEST))


def drain(sock):
    try:
        while sock.recv(256 * 1024):
            pass
    except OSError:
        pass  # cut off


while True:
    try:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            threading.Thread(target=drain, args=[sock], daemon=True).start()
            while True:
                sock.sendall(BLOCK)
    except OSError:
        time.sleep(0.001)
