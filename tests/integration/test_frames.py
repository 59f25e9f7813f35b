#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Frames instead of HTTP between workers and the daemon: they are used where
they get through, HTTP where they do not, and both give the same bits; and what
strange clients of an upgraded connection get.
"""
import json
import os
import re
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from raw_http import all_answers, asks_first, chunked, request  # noqa: E402
from servers import eventually  # noqa: E402
from system import DATA, run  # noqa: E402

TRAIN = ["train", "--model", f"{DATA}/diabetes_mlp.keras", "--data", f"{DATA}/diabetes.csv", "--label", "target",
         "--workers", 2, "--seed", 5, "--json"]
PARAMETERS = 10 * 64 + 64 + 64 * 64 + 64 + 64 + 1
PULL, UPDATE = 1, 2


def trained(s, *options):
    out = s.submit(*TRAIN, "--epochs", 3, *options, "--output", s.path("m.keras"))
    assert out.status == 0, (out.status, out.err)
    return s.model_values(out.last["job"], PARAMETERS).tobytes()


def count(s, method, route, status):
    text = s.request("GET", "/metrics")[1].decode()
    found = re.search(f'elephasd_requests_total{{method="{method}",route="/v1/jobs/\\*/{route}",status="{status}"}} (\\d+)', text)
    return int(found.group(1)) if found else 0


class Proxy(threading.Thread):
    """Passes connections on, but answers the request for frames itself."""

    def __init__(self, host="127.0.0.1"):
        super().__init__(daemon=True)
        self.to = None
        self.server = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self.server.getsockname()[1]
        self.answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        self.refused = 0

    def run(self):
        while True:
            try:
                client = self.server.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client:
            first = client.recv(65536)
            if b"/frames " in first:
                self.refused += 1
                client.sendall(self.answer)
                return
            with socket.create_connection(self.to) as server:
                server.sendall(first)
                back = threading.Thread(target=pass_on, args=(server, client), daemon=True)
                back.start()
                pass_on(client, server)
                back.join()


def pass_on(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def workers_through(s, port, host="127.0.0.1"):
    """A directory of workers that ask this port."""
    os.makedirs(s.path("workers"))
    path = s.path("workers/elephas-worker")
    with open(path, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\nread -r first\n"
                f'{{ echo "$first" | sed "s|server=[^ ]*|server=http://{host}:{port}|"; cat; }} |\n'
                f'    {s.bin}/elephas-worker "$@"\n')
    os.chmod(path, 0o755)
    return s.path("workers")


def both_ways_give_the_same_bits(s):
    """A server between that knows no upgrade, or hangs up: all goes by HTTP."""
    proxy = Proxy()
    s.daemon("--workers-dir", workers_through(s, proxy.port))
    host, own = s.url[7:].rsplit(":", 1)
    proxy.to = (host, int(own))
    proxy.start()
    try:
        want = None
        for answer in (proxy.answer, b"", b"220 smtp.example ready\r\n"):
            proxy.answer = answer
            proxy.refused = 0
            for frequency in ("epoch", "batch"):
                got = trained(s, "--frequency", frequency)
                assert want is None or frequency == "batch" or got == want
                want = got if frequency == "epoch" else want
            assert proxy.refused == 4, proxy.refused  # once for each worker
        assert count(s, "GET", "frames", 101) == 0
    finally:
        proxy.server.close()
    s.stop()
    s.daemon()
    before = count(s, "POST", "updates", 200)
    assert trained(s) == want
    assert count(s, "GET", "frames", 101) == 2
    assert count(s, "POST", "updates", 200) == before + 6


def over_ipv6(s):
    s.daemon(listen="[::1]:0")
    want = trained(s)
    assert count(s, "GET", "frames", 101) == 2
    s.stop()
    # and HTTP alone
    proxy = Proxy("::1")
    s.daemon("--workers-dir", workers_through(s, proxy.port, "[::1]"), listen="[::1]:0")
    proxy.to = ("::1", int(s.url.rsplit(":", 1)[1]))
    proxy.start()
    try:
        assert trained(s) == want
        assert proxy.refused == 2 and count(s, "GET", "frames", 101) == 0
    finally:
        proxy.server.close()


# ---- raw connections ---------------------------------------------------------


class Frames:
    def __init__(self, s, job, headers=("Connection: keep-alive, Upgrade", "Upgrade: elephas.v1")):
        host, port = s.url[7:].rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=20)
        lines = [f"GET /v1/jobs/{job}/frames HTTP/1.1", f"Host: {host}:{port}", *headers, "", ""]
        self.socket.sendall("\r\n".join(lines).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.take(1)
        self.status = int(head.split()[1])
        self.head = head.decode()

    def take(self, n):
        data = b""
        while len(data) < n:
            piece = self.socket.recv(n - len(data))
            assert piece, "closed"
            data += piece
        return data

    def send(self, kind, message, length=None):
        self.socket.sendall(struct.pack("<IQ", kind, len(message) if length is None else length) + message)

    def receive(self):
        status, length = struct.unpack("<IQ", self.take(12))
        return status, self.take(length)

    def is_closed(self):
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def field(number, text):
    return bytes([number << 3 | 2, len(text)]) + text


def long_job(s):
    out = s.submit(*TRAIN, "--epochs", 1000000, "--no-wait", "--output", s.path("m.keras"))
    assert out.status == 0, out.err
    return out.last["job"]


def pulls_and_refusals(s):
    s.daemon("--max-body", "1M")
    job = long_job(s)
    f = Frames(s, job)
    assert f.status == 101 and "Upgrade: elephas.v1" in f.head, f.head
    f.send(PULL, b"")
    status, body = f.receive()
    assert status == 200 and len(body) > 4 * PARAMETERS, (status, len(body))
    # pipelined, and in pieces
    message = struct.pack("<IQ", PULL, 15) + field(1, b"begin=0&end=8")
    f.socket.sendall(message * 3 + message[:5])
    answers = [f.receive() for _ in range(3)]
    assert all(status == 200 and len(body) < 200 for status, body in answers), answers
    for byte in message[5:]:
        f.socket.sendall(bytes([byte]))
    assert f.receive()[0] == 200
    # refusals leave the connection as it is
    for query, want in ((b"begin=8&end=0", b"the state has"), (b"step=x", b"whole number")):
        f.send(PULL, field(1, query))
        status, body = f.receive()
        assert status == 400 and want in body and b"invalid" in body, (status, body)
    f.send(UPDATE, b"no message")
    assert f.receive()[0] == 400
    f.send(PULL, field(1, b"epoch=99999999&partition=0&wait=0"))
    assert f.receive()[0] in (204, 410)
    f.send(PULL, b"")
    assert f.receive()[0] == 200
    # these end it
    for kind, length, want, word in ((7, 0, 400, b"kind 7"), (PULL, 5000, 413, b"4096"), (UPDATE, 2 << 20, 413, b"--max-body"),
                                     (UPDATE, 1 << 62, 413, b"an update of 4611686018427387904 bytes")):
        f = Frames(s, job)
        f.send(kind, b"", length)
        status, body = f.receive()
        assert status == want and word in body, (status, body)
        assert f.is_closed(), (kind, length)
    assert s.submit("cancel", job).status == 0
    assert s.submit("wait", job).status != 0


def raw_requests(s):
    """What HTTP/1.1 allows and our workers do not do."""
    s.daemon()
    job = long_job(s)
    eventually(lambda: s.get_json(f"/v1/jobs/{job}")["epoch"] > 1)
    path = f"/v1/jobs/{job}"
    protobuf = "Content-Type: application/x-protobuf"
    late = field(1, job.encode()) + bytes([3 << 3, 0])  # of no attempt that there is
    nonsense = request("POST", f"{path}/updates", protobuf, "Transfer-Encoding: chunked", "Trailer: X-Sum",
                       body=chunked(b"no message at all", 3, ("X-Sum: 1", "X-More: 2")))
    update = request("POST", f"{path}/updates", protobuf, "Transfer-Encoding: chunked", body=chunked(late, 2, ("X-Sum: 1",)))
    pull = request("GET", f"{path}/parameters?begin=0&end=8")
    poll = request("GET", f"{path}/parameters?epoch=999999&partition=0&wait=30")
    began = time.monotonic()
    answers = all_answers(s.url, pull, nonsense, update, pull, poll, pull)
    assert time.monotonic() - began < 10
    statuses = [a[0] for a in answers]
    assert statuses == [200, 400, statuses[2], 200, 204, 200] and len(answers[5][2]) < 200, statuses
    alone = [s.request("POST", f"{path}/updates", body, protobuf.split(": ")[1]) for body in (b"no message at all", late)]
    assert [(a[0], a[2]) for a in answers[1:3]] == alone, (answers, alone)
    for body, want in zip((b"no message at all", late), alone):
        assert asks_first(s.url, "POST", f"{path}/updates", body, protobuf) == want
    assert s.submit("cancel", job).status == 0
    # its stored values, and that it is over
    done = s.submit(*TRAIN, "--output", s.path("m.keras")).last["job"]
    path = f"/v1/jobs/{done}"
    update = request("POST", f"{path}/updates", protobuf, "Transfer-Encoding: chunked",
                     body=chunked(field(1, done.encode()), 5, ("X-Sum: 1",)))
    pull = request("GET", f"{path}/parameters?state=1")
    answers = all_answers(s.url, pull, update, pull)
    assert [a[0] for a in answers] == [200] * 3, answers
    assert answers[0][2] == answers[2][2] and len(answers[0][2]) > 4 * PARAMETERS


def what_is_known_is_not_sent_again(s):
    s.daemon()
    out = s.submit(*TRAIN, "--output", s.path("m.keras"))
    f = Frames(s, out.last["job"])
    f.send(PULL, field(2, b"1"))
    assert f.receive() == (304, b"")
    f.send(PULL, field(2, b"0"))
    assert f.receive()[0] == 200
    # the job has ended
    f.send(PULL, field(1, b"step=3"))
    assert f.receive()[0] == 410
    f.send(UPDATE, b"")
    status, body = f.receive()
    assert status in (200, 400), (status, body)


def who_may(s):
    s.daemon(listen="0.0.0.0:0")
    s.url = s.url.replace("0.0.0.0", "127.0.0.1")
    job = long_job(s)
    upgrade = ("Connection: Upgrade", "Upgrade: elephas.v1")
    with open(os.path.join(s.state, "token"), encoding="utf-8") as f:
        token = f.read().strip()
    assert Frames(s, job).status == 401
    assert Frames(s, job, (*upgrade, "Authorization: Bearer nonsense")).status == 401
    good = Frames(s, job, (*upgrade, f"Authorization: Bearer {token}"))
    assert good.status == 101
    good.send(PULL, b"")
    assert good.receive()[0] == 200
    assert Frames(s, job, (f"Authorization: Bearer {token}",)).status == 426
    assert Frames(s, job, (f"Authorization: Bearer {token}", "Connection: Upgrade", "Upgrade: h2c")).status == 426
    assert Frames(s, "nonsense", (*upgrade, f"Authorization: Bearer {token}")).status == 404
    assert s.submit("cancel", job).status == 0


if __name__ == "__main__":
    run([both_ways_give_the_same_bits, over_ipv6, pulls_and_refusals, raw_requests, what_is_known_is_not_sent_again, who_may])
