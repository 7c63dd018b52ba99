"""A client as Python programs of 2010 were: http.client, one connection for each request.

    backup_client.py ACCESS_URL put LOCAL_FILE NAME
    backup_client.py ACCESS_URL get NAME LOCAL_FILE
    backup_client.py ACCESS_URL list
    backup_client.py ACCESS_URL exists NAME

The certificate to trust is the one in SSL_CERT_FILE.
"""

import base64
import http.client
import json
import os
import re
import socket
import ssl
import sys
import time
import urllib.parse

ACCESS_URL = re.compile(r"^(https?)://([a-zA-Z0-9]+):([a-zA-Z0-9]+)@([-.a-zA-Z0-9]+(?::[0-9]+)?)/$")
ATTEMPTS = 6
PIECE = 65536


class BackupError(Exception):
    pass


class Client:
    def __init__(self, access_url):
        match = ACCESS_URL.match(access_url)
        if match is None:
            raise BackupError("This is not an access url.")
        self.scheme, username, password, self.host = match.groups()
        basic = base64.b64encode(f"{username}:{password}".encode("ascii"))
        self.fields = {
            "User-Agent": "old-backup-client/1.2 (python)",
            "Authorization": "Basic " + basic.decode("ascii"),
        }

    def connect(self):
        if self.scheme == "https":
            return http.client.HTTPSConnection(self.host, context=ssl.create_default_context())
        return http.client.HTTPConnection(self.host)

    def with_retries(self, request):
        delay = 1
        for attempt in range(ATTEMPTS):
            response = request()
            status = response.status
            if status < 500:
                return response
            print(f"{status}, again in {delay} s", file=sys.stderr)
            response.close()
            if attempt + 1 < ATTEMPTS:
                time.sleep(delay)
                delay *= 2
        raise BackupError(f"The server failed {ATTEMPTS} times, the last time with {status}.")

    def request(self, method, name, body=None, length=None):
        connection = self.connect()
        fields = dict(self.fields)
        if length is not None:
            fields["Content-Length"] = str(length)
        connection.request(method, urllib.parse.quote(name), body=body, headers=fields)
        return connection.getresponse()

    def check(self, response):
        if 200 <= response.status < 300:
            return
        length = response.getheader("Content-Length")
        if length is None or int(length) == 0:
            raise BackupError("The refusal says nothing.")
        raise BackupError(f"{response.status} {response.read(int(length)).decode('utf-8').strip()}")

    def put(self, path, name):
        def attempt():
            with open(path, "rb") as file:
                return self.request("PUT", name, file, os.path.getsize(path))

        response = self.with_retries(attempt)
        self.check(response)
        print(response.read().decode("utf-8"), end="")

    def put_after_100(self, path, name):
        """Sends the header, and the content only when the server says to go on."""
        connection = self.connect()
        connection.connect()
        fields = {**self.fields, "Host": self.host, "Expect": "100-continue"}
        fields["Content-Length"] = str(os.path.getsize(path))
        head = f"PUT {urllib.parse.quote(name)} HTTP/1.1\r\n"
        head += "".join(f"{field}: {value}\r\n" for field, value in fields.items())
        connection.sock.sendall(head.encode("ascii") + b"\r\n")
        answer = connection.sock.makefile("rb")
        line = answer.readline().decode("ascii")
        if line.startswith("HTTP/1.1 100"):
            answer.readline()
            with open(path, "rb") as file:
                for piece in iter(lambda: file.read(PIECE), b""):
                    connection.sock.sendall(piece)
            line = answer.readline().decode("ascii")
        print(line.strip())

    def get(self, name, path):
        response = self.with_retries(lambda: self.request("GET", name))
        self.check(response)
        left = int(response.getheader("Content-Length"))
        with open(path, "wb") as file:
            while left > 0:
                piece = response.read(min(PIECE, left))
                if not piece:
                    raise BackupError("The download ended early.")
                file.write(piece)
                left -= len(piece)

    def list(self):
        response = self.with_retries(lambda: self.request("GET", "/"))
        self.check(response)
        for entry in json.loads(response.read().decode("utf-8")):
            date = entry.get("date", "")
            print(f"{entry['name']}\t{entry['size']}\t{entry['createtime']}\t{date}\t{entry.get('deletetime', '')}")

    def exists(self, name):
        """Reads the status line itself, as the very first versions did."""
        connection = self.connect()
        connection.connect()
        fields = {**self.fields, "Host": self.host, "Connection": "close"}
        head = f"HEAD {urllib.parse.quote(name)} HTTP/1.1\r\n"
        head += "".join(f"{field}: {value}\r\n" for field, value in fields.items())
        connection.sock.sendall(head.encode("ascii") + b"\r\n")
        line = connection.sock.makefile("rb").readline().decode("ascii")
        if line.startswith("HTTP/1.1 200"):
            print("yes")
        elif line.startswith("HTTP/1.1 404"):
            print("no")
        else:
            raise BackupError(f"Unexpected: {line.strip()}")


def main(access_url, command, *arguments):
    socket.setdefaulttimeout(60)
    try:
        getattr(Client(access_url), command)(*arguments)
    except BackupError as error:
        sys.exit(str(error))


main(*sys.argv[1:])
