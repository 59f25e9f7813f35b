# SPDX-License-Identifier: MIT
"""What bench_ps.py measures with: lean clients, processes of them, and bare loopback.

A client keeps its connection, sends an update that was encoded before, reads an answer
into one buffer and decodes nothing, so that what is measured is the server. The same
client asks every HTTP server.
"""
import json
import math
import multiprocessing
import os
import socket
import struct
import time
import urllib.request

CONTEXT = multiprocessing.get_context("fork")
STEP = 2.0 ** -20
METRICS = (b"loss", b"acc")  # of tests/data/mnist_mlp.keras


class Lean:
    """A kept connection."""

    def __init__(self, port):
        self.port, self.s, self.buffer = port, None, bytearray(1 << 16)

    def connect(self):
        if self.s is None:
            self.s = socket.create_connection(("127.0.0.1", self.port), timeout=300)
            self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        if self.s is not None:
            self.s.close()
            self.s = None

    def fill(self, got, size):
        """Bytes got .. size of the buffer."""
        if size > len(self.buffer):
            self.buffer = self.buffer + bytearray(size - len(self.buffer))
        room = memoryview(self.buffer)
        while got < size:
            n = self.s.recv_into(room[got:size])
            if n == 0:
                raise ConnectionError("closed in an answer")
            got += n


class LeanHttp(Lean):
    def ask(self, head, body=b""):
        for attempt in range(2):
            kept = self.s is not None
            self.connect()
            try:
                self.s.sendall(head)
                if body:
                    self.s.sendall(body)
                return self.answer()
            except (ConnectionError, BrokenPipeError):
                self.close()
                if not kept or attempt:
                    raise
        return 0

    def answer(self):
        got, end = 0, -1
        while end < 0:
            n = self.s.recv_into(memoryview(self.buffer)[got:])
            if n == 0:
                raise ConnectionError("closed before an answer")
            got += n
            end = self.buffer.find(b"\r\n\r\n", 0, got)
        head = bytes(self.buffer[:end]).lower()
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields[b"content-length"])
        self.fill(got, end + 4 + length)
        if b" 200 " not in head.split(b"\r\n")[0] + b" ":
            raise RuntimeError(bytes(self.buffer[:end + 4 + length]).decode())
        if fields.get(b"connection") == b"close" or head.startswith(b"http/1.0"):
            self.close()
        return length

    def get(self):
        return self.ask(b"GET /parameters HTTP/1.1\r\nHost: x\r\n\r\n")

    def small(self):
        return self.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    def post(self, update):
        self.ask(b"POST /update HTTP/1.1\r\nHost: x\r\nContent-Type: application/elephas\r\nContent-Length: %d\r\n\r\n"
                 % len(update), update)


class LeanSocket(Lean):
    def get(self):
        self.connect()
        self.s.sendall(b"g")
        self.fill(0, 4)
        size, = struct.unpack_from(">I", self.buffer)
        self.fill(0, size)
        return size

    def post(self, update):
        """Has no answer: it ends when the kernel has the bytes."""
        self.connect()
        self.s.sendall(b"u" + struct.pack(">I", len(update)))
        self.s.sendall(update)


def varint(value):
    out = b""
    while value >= 128:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    """A field of a protobuf message: a number, or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


class Worker:
    """What a worker says (PROTOCOL.md, sections 5 and 9): the only partition of an asynchronous training in
    batches of one row. An update is a step; its values are sent from where they lie, behind a head of its own."""

    def __init__(self, port, job):
        super().__init__(port)
        self.job = job
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/jobs/{job}") as answer:
            self.step = json.load(answer)["version"]  # updates that are counted

    def head(self, values):
        """All of an update but its values."""
        metrics = b"".join(field(12, field(1, name) + field(2, struct.pack("<2d", 1, 1))) for name in METRICS)
        return (field(1, self.job.encode()) + field(5, self.step) + field(6, self.step) + field(7, 1) +
                field(8, field(2, len(values) // 4)) + field(9, 1) + field(10, 1) + metrics +
                varint(100 << 3 | 2) + varint(len(values)))

    def applied(self, reply):
        if not reply.startswith(b"\x08\x01"):
            raise RuntimeError("the update was not applied")
        self.step += 1


class WorkerHttp(Worker, LeanHttp):
    """On a kept connection."""

    def get(self):
        return self.ask(b"GET /v1/jobs/%s/parameters HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % self.job.encode())

    def post(self, values):
        head = self.head(values)
        length = self.ask(b"POST /v1/jobs/%s/updates HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-protobuf\r\n"
                          b"Content-Length: %d\r\n\r\n" % (self.job.encode(), len(head) + len(values)) + head, values)
        end = self.buffer.find(b"\r\n\r\n") + 4
        self.applied(self.buffer[end:end + length])


class WorkerFrames(Worker, Lean):
    """On a connection that was upgraded."""

    def connect(self):
        if self.s is None:
            super().connect()
            self.s.sendall(b"GET /v1/jobs/%s/frames HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
                           b"Upgrade: elephas.v1\r\n\r\n" % self.job.encode())
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += self.s.recv(1)
            if b" 101 " not in answer:
                raise RuntimeError(answer.decode())

    def answer(self):
        got = 0
        while got < 12:
            n = self.s.recv_into(memoryview(self.buffer)[got:])
            if n == 0:
                raise ConnectionError("closed before an answer")
            got += n
        status, length = struct.unpack_from("<IQ", self.buffer)
        self.fill(got, 12 + length)
        if status != 200:
            raise RuntimeError(f"{status}: {bytes(self.buffer[12:12 + length])}")
        return length

    def get(self):
        self.connect()
        self.s.sendall(struct.pack("<IQ", 1, 0))
        return self.answer()

    def post(self, values):
        self.connect()
        head = self.head(values)
        head = struct.pack("<IQ", 2, len(head) + len(values)) + head
        sent = self.s.sendmsg([head, values])  # one system call, as the worker does it
        if sent < len(head) + len(values):
            self.s.sendall(memoryview(values)[sent - len(head):])
        length = self.answer()
        self.applied(self.buffer[12:12 + length])


class LeanBare(Lean):
    """The client of Bare."""

    def get(self):
        self.connect()
        self.s.sendall(b"g")
        self.fill(0, 4)
        self.fill(0, struct.unpack_from(">I", self.buffer)[0])

    def post(self, update):
        self.connect()
        self.s.sendall(b"p")
        self.s.sendall(update)
        self.fill(0, 1)


class Bare:
    """A sender and receiver of n bytes in a process of its own: what loopback gives."""

    def __init__(self, size):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.process = CONTEXT.Process(target=self.serve, args=(size,), daemon=True)
        self.process.start()
        self.listener.close()

    def serve(self, size):
        data, room = bytes(size), memoryview(bytearray(size))
        while True:
            s, _ = self.listener.accept()
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while verb := s.recv(1):
                if verb == b"g":
                    s.sendall(struct.pack(">I", size))
                    s.sendall(data)
                    continue
                got = 0
                while got < size:
                    got += s.recv_into(room[got:])
                s.sendall(b".")

    def close(self):
        self.process.terminate()
        self.process.join()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid, key="VmRSS"):
    """Bytes."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith(key + ":"))


def encoded(client, value):
    """An update of this value, by the headers of what the server answers."""
    size = client.get()
    head = bytes(client.buffer)
    start = head.index(b"\r\n\r\n") + 4 if head.startswith(b"HTTP/") else 0
    blob = bytearray(client.buffer[start:start + size])
    count, = struct.unpack_from("<I", blob)
    at = 4
    number = struct.pack("<f", value)
    for _ in range(count):
        at += 1 + 8 * blob[at]
        at += 2 + struct.unpack_from("<H", blob, at)[0]
        size, = struct.unpack_from("<Q", blob, at)
        blob[at + 8:at + 8 + size] = number * (size // 4)
        at += 8 + size
    return bytes(blob)


def one_client(make, port, ops, update, seconds, most, barrier, out):
    client, took, error = make(port), [], None
    try:
        client.get()
        barrier.wait(300)
        end = time.perf_counter() + seconds
        while len(took) < most and (time.perf_counter() < end or len(took) < 3):
            for op in ops:
                began = time.perf_counter()
                client.get() if op == "get" else client.post(update)
                took.append((began, time.perf_counter()))
        if isinstance(client, LeanSocket):
            client.get()  # the last update is in
            took[-1] = (took[-1][0], time.perf_counter())
    except Exception as e:  # pylint: disable=broad-except
        error = repr(e)
        barrier.abort()
    client.close()
    out.put((took, error))


class Phase:
    """Clients that do ops (a tuple of get and post) in turn: latencies in ms and rates."""

    def __init__(self, make, port, ops, clients, seconds, most=100000, update=b"", size=0, pid=None):
        barrier, out = CONTEXT.Barrier(clients + 1), CONTEXT.Queue()
        processes = [CONTEXT.Process(target=one_client, args=(make, port, ops, update, seconds, most, barrier, out))
                     for _ in range(clients)]
        for p in processes:
            p.start()
        try:
            barrier.wait(300)
        except Exception:  # pylint: disable=broad-except
            pass  # the client says why
        cpu = cpu_seconds(pid) if pid else 0
        self.peak = 0
        results = []
        while len(results) < clients:
            try:
                results.append(out.get(timeout=0.05))
            except Exception:  # pylint: disable=broad-except
                self.peak = max(self.peak, resident(pid)) if pid else 0
        for p in processes:
            p.join()
        error = next((e for _, e in results if e and "Barrier" not in e), None)
        if error:
            raise RuntimeError(error)
        times = [t for took, _ in results for t in took]
        self.cpu_ms = (cpu_seconds(pid) - cpu) / len(times) * 1e3 if pid else 0
        wall = max(t[1] for t in times) - min(t[0] for t in times)
        self.requests, self.wall, self.size = len(times), wall, size
        self.latency = sorted((b - a) * 1e3 for a, b in times)
        self.sum_up()

    def sum_up(self):
        self.mb_s = self.requests * self.size / 1e6 / self.wall
        # of the requests alone: what one client sees
        self.p50, self.p95, self.p99 = (self.at(q) for q in (0.50, 0.95, 0.99))

    def add(self, other):
        """Another phase of the same kind."""
        if other is None:
            return self
        self.cpu_ms = (self.cpu_ms * self.requests + other.cpu_ms * other.requests) / (self.requests + other.requests)
        self.peak = max(self.peak, other.peak)
        self.requests += other.requests
        self.wall += other.wall
        self.latency = sorted(self.latency + other.latency)
        self.sum_up()
        return self

    def at(self, q):
        return self.latency[min(len(self.latency) - 1, math.ceil(q * len(self.latency)) - 1)]
