"""Loads an HTTP server: one JSON object of settings on standard input, seconds on standard output.

One thread and one connection for each client. Uploads leave by sendfile(2) and downloads are dropped
in the kernel (MSG_TRUNC) where there is no TLS, so that little of the machine goes to this side.
"""

import base64
import json
import queue
import socket
import ssl
import sys
import threading
import time

BUFFER = 1 << 20


def connect(settings):
    sock = socket.create_connection(("127.0.0.1", settings["port"]))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if settings["tls"]:
        context = ssl.create_default_context(cafile=settings["caFile"])
        sock = context.wrap_socket(sock, server_hostname="localhost")
    return sock


def head(settings, method, path, fields=()):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *fields]
    if settings["credentials"] is not None:
        basic = base64.b64encode(settings["credentials"].encode()).decode()
        lines.append(f"Authorization: Basic {basic}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def read_head(sock):
    """The status, the announced length, and how much of the content came with the header."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionError("The server closed the connection.")
        received += piece
    header, _, beginning = received.partition(b"\r\n\r\n")
    lines = header.decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), int(fields.get("content-length", 0)), len(beginning)


def drop(sock, count, tls, buffer):
    while count > 0:
        if tls:
            got = sock.recv_into(buffer, min(count, BUFFER))
        else:
            got = sock.recv_into(buffer, min(count, BUFFER), socket.MSG_TRUNC)
        if got == 0:
            raise ConnectionError("The server closed the connection.")
        count -= got


def upload(sock, settings, path, file, content):
    sock.sendall(head(settings, "PUT", path, [f"Content-Length: {settings['size']}"]))
    if settings["tls"]:
        for start in range(0, settings["size"], BUFFER):
            sock.sendall(content[start : start + BUFFER])
    else:
        sock.sendfile(file, 0)


def work(settings, paths, content, failures):
    try:
        buffer = bytearray(BUFFER)
        sock = connect(settings)
        with open(settings["file"], "rb") as file:
            while True:
                try:
                    path = paths.get_nowait()
                except queue.Empty:
                    return
                if settings["direction"] == "upload":
                    upload(sock, settings, path, file, content)
                else:
                    sock.sendall(head(settings, "GET", path))
                status, length, come = read_head(sock)
                if status not in (200, 201):
                    raise ConnectionError(f"{path} was answered with {status}")
                if settings["direction"] == "download" and length != settings["size"]:
                    raise ConnectionError(f"{path} has {length} bytes")
                drop(sock, length - come, settings["tls"], buffer)
    except Exception as error:
        failures.append(error)


def main():
    settings = json.load(sys.stdin)
    with open(settings["file"], "rb") as file:
        content = memoryview(file.read())
    paths = queue.SimpleQueue()
    for path in settings["paths"]:
        paths.put(path)
    failures = []
    threads = [
        threading.Thread(target=work, args=(settings, paths, content, failures))
        for _ in range(settings["clients"])
    ]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit(str(failures[0]))
    print(time.perf_counter() - start)


main()
