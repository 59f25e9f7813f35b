#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make bench-ps: the parameter server alone, beside Elephas' and bare loopback.

    bench_ps.py BINDIR [--peer PYTHON] [--quick] [--only speed,workers,memory,idle]

speed    118,282 and 25,000,000 floats, 1 and 8 clients: latency of GET and POST, bytes
         of all clients by second, CPU time of the server by request; ours (HTTP, plain
         socket, hogwild), Elephas' HttpServer with --peer, and a bare sender and receiver
         of the same size, with the same client, in turn and several times over, so that
         what else the machine does hits all of them; then the ratios.
workers  what the workers of a training say, 118,282 floats, 1 client: GET parameters and
         POST updates on a kept connection, and the same in frames, beside the parameter
         server's HTTP and Elephas'.
memory   8 clients that push and pull at once: peak resident memory by parameters, and
         what small requests wait meanwhile.
idle     10,000 kept connections that say nothing, 1,000 small requests a second
         meanwhile, and then the CPU time of 10 s in which nothing happens.

It changes parameters by steps of 2**-20, and starts every server itself. Exit status 1:
an aim is missed.
"""
import argparse
import atexit
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import time
from functools import partial

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), HERE]
from bench import facts  # noqa: E402
from ps_client import (CONTEXT, STEP, Bare, LeanBare, LeanHttp, LeanSocket, Phase, WorkerFrames, WorkerHttp,  # noqa: E402
                       cpu_seconds, encoded, field, resident)
from system import DATA, System  # noqa: E402

SMALL, LARGE = 118282, 25_000_000
PROTOBUF = "application/x-protobuf"


def model_file(s, floats):
    """A model with that many parameters: the MNIST network, or one square layer."""
    if floats == SMALL:
        return f"{DATA}/mnist_mlp.keras"
    side = int(floats ** 0.5)
    path = s.path(f"{floats}.json")
    layer = {"module": "keras.layers", "class_name": "Dense", "registered_name": None, "build_config": None,
             "config": {"name": "dense", "units": side, "use_bias": False, "activation": "linear"}}
    source = {"module": "keras.layers", "class_name": "InputLayer", "registered_name": None,
              "config": {"name": "input", "batch_shape": [None, side], "dtype": "float32"}}
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"module": "keras", "class_name": "Sequential", "registered_name": None,
                   "config": {"name": "large", "trainable": True, "layers": [source, layer]}}, f)
    return path


class Ours:
    """A parameter server of a daemon of its own, so that memory is its memory."""

    def __init__(self, bin_dir, floats, mode="asynchronous"):
        self.s = System(bin_dir)
        atexit.register(self.close)
        self.s.daemon()
        out = self.s.submit("ps", "start", "--model", model_file(self.s, floats), "--mode", mode, "--json", timeout=300)
        if out.status != 0:
            sys.exit(out.err)
        self.job, self.pid = out.last["job"], self.s.process.pid
        self.http, self.socket = (int(out.last[kind].rsplit(":", 1)[1]) for kind in ("http", "socket"))

    def close(self):
        self.s.__exit__()


class Training:
    """An asynchronous training of the MNIST network in a daemon of its own, whose worker does nothing: it
    has joined, and the measuring client sends its updates."""

    def __init__(self, bin_dir):
        self.s = System(bin_dir)
        atexit.register(self.close)
        os.mkdir(self.s.path("idle"))
        with open(self.s.path("idle/elephas-worker"), "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\nexec sleep 3600\n")
        os.chmod(f.name, 0o755)
        self.s.daemon("--workers-dir", self.s.path("idle"))
        out = self.s.submit("train", "--model", model_file(self.s, SMALL), "--data", f"{DATA}/mnist5k_train.csv.gz",
                            "--label", "label", "--workers", 1, "--mode", "asynchronous", "--frequency", "batch",
                            "--batch-size", 1, "--epochs", 2, "--no-wait", "--json", "--output", self.s.path("out.keras"))
        if out.status != 0:
            sys.exit(out.err)
        self.job, self.pid = out.last["job"], self.s.process.pid
        self.port = int(self.s.url.rsplit(":", 1)[1])
        join = field(1, self.job.encode()) + field(5, 100_000_000) + field(7, b"bench_ps")  # so many rows
        deadline = time.monotonic() + 30
        while (status := self.s.request("POST", f"/v1/jobs/{self.job}/partitions", join, PROTOBUF)[0]) != 200:
            if time.monotonic() > deadline:
                sys.exit(f"the training cannot be joined: {status}")
            time.sleep(0.1)

    def close(self):
        self.s.__exit__()


class Peer:
    """Elephas' HttpServer in a process of its own."""

    def __init__(self, python, model):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.http = free.getsockname()[1]
        self.process = subprocess.Popen([python, f"{HERE}/peer_server.py", model, str(self.http)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        atexit.register(self.close)
        self.pid = int(self.process.stdout.readline() or sys.exit("Elephas' server does not start"))

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


missed = []


def show(name, op, clients, phase):
    print(f"  {name:13} {op:4} {clients} client{'s' if clients > 1 else ' '}  p50 {phase.p50:8.2f}  p95 {phase.p95:8.2f}  "
          f"p99 {phase.p99:8.2f} ms  {phase.mb_s:6.0f} MB/s  {phase.cpu_ms:7.2f} ms CPU a request  ({phase.requests})",
          flush=True)


def ratio(what, value, aim, better="more"):
    met = value >= aim if better == "more" else value <= aim
    sign = "at least" if better == "more" else "at most"
    if not met:
        missed.append(what)
    print(f"  {what}: {value:.2f} ({sign} {aim:g} wanted{'' if met else ': MISSED'})", flush=True)


def speed(bin_dir, peer_python, quick):
    rounds, seconds = (2, 0.5) if quick else (5, 1)
    for floats in (SMALL, LARGE):
        ours, hogwild = Ours(bin_dir, floats), Ours(bin_dir, floats, "hogwild")
        peer = Peer(peer_python, model_file(ours.s, floats)) if peer_python else None
        asker = LeanHttp(ours.http)
        update = encoded(asker, STEP)
        asker.close()
        bare = Bare(len(update))
        print(f"speed     {floats:,} floats, {len(update) / 1e6:.3f} MB; ms as one client sees them")
        servers = {"http": (LeanHttp, ours.http, ours.pid), "http hogwild": (LeanHttp, hogwild.http, hogwild.pid),
                   "socket": (LeanSocket, ours.socket, ours.pid), "bare": (LeanBare, bare.port, None)}
        if peer:
            servers["elephas http"] = (LeanHttp, peer.http, peer.pid)
        seen = {}
        for clients in (1, 8):
            for op in ("get", "post"):
                names = [name for name in servers if name != "bare" or clients == 1]  # that serves one at a time
                for name in names * rounds:
                    make, port, pid = servers[name]
                    phase = Phase(make, port, (op,), clients, seconds, update=update, size=len(update), pid=pid)
                    seen[name, op, clients] = phase.add(seen.get((name, op, clients)))
                for name in names:
                    show(name, op, clients, seen[name, op, clients])
        ratios(seen, floats, peer)
        for server in (ours, hogwild, bare, peer):
            if server:
                server.close()


def ratios(seen, floats, peer):
    if floats == SMALL:
        for op in ("get", "post"):
            if peer:
                ratio(f"{op} p50, 1 client, Elephas / ours", seen["elephas http", op, 1].p50 / seen["http", op, 1].p50, 4)
                ratio(f"{op} MB/s, 8 clients, ours / Elephas",
                      seen["http", op, 8].mb_s / seen["elephas http", op, 8].mb_s, 5)
            ratio(f"{op} p50, 1 client, http / socket", seen["http", op, 1].p50 / seen["socket", op, 1].p50, 1)
            for name in ("http", "http hogwild"):
                ratio(f"{op} p99 / p50, 8 clients, {name}", seen[name, op, 8].p99 / seen[name, op, 8].p50, 5, "less")
        ratio("post MB/s, 8 clients / 1 client", seen["http", "post", 8].mb_s / seen["http", "post", 1].mb_s, 1)
        ratio("post MB/s, 8 clients, hogwild / asynchronous",
              seen["http hogwild", "post", 8].mb_s / seen["http", "post", 8].mb_s, 1)
        return
    for op in ("get", "post"):
        ratio(f"{op} MB/s, 1 client, ours / bare loopback", seen["http", op, 1].mb_s / seen["bare", op, 1].mb_s, 0.6)
    if peer:
        ratio("post p50, 1 client, Elephas / ours", seen["elephas http", "post", 1].p50 / seen["http", "post", 1].p50, 5)


def workers(bin_dir, peer_python, quick):
    rounds, seconds = (2, 0.5) if quick else (5, 1)
    ours, training = Ours(bin_dir, SMALL), Training(bin_dir)
    peer = Peer(peer_python, model_file(ours.s, SMALL)) if peer_python else None
    asker = LeanHttp(ours.http)
    update = encoded(asker, STEP)
    asker.close()
    values = struct.pack("<f", STEP) * SMALL
    print(f"workers   {SMALL:,} floats, 1 client; ms as it sees them")
    servers = {"workers http": (partial(WorkerHttp, job=training.job), training.port, training.pid, values),
               "frames": (partial(WorkerFrames, job=training.job), training.port, training.pid, values),
               "http": (LeanHttp, ours.http, ours.pid, update)}
    if peer:
        servers["elephas http"] = (LeanHttp, peer.http, peer.pid, update)
    seen = {}
    for op in ("get", "post"):
        for name in list(servers) * rounds:
            make, port, pid, body = servers[name]
            phase = Phase(make, port, (op,), 1, seconds, update=body, size=len(body), pid=pid)
            seen[name, op] = phase.add(seen.get((name, op)))
        for name in servers:
            show(name, op, 1, seen[name, op])
    for op in ("get", "post"):
        if peer:
            for name in ("workers http", "frames"):
                ratio(f"{op} p50, Elephas / {name}", seen["elephas http", op].p50 / seen[name, op].p50, 4)
        ratio(f"{op} p50, workers http / frames", seen["workers http", op].p50 / seen["frames", op].p50, 1)
    for server in (ours, training, peer):
        if server:
            server.close()


def ask_small(port, stop, out):
    """Small requests one after the other with pauses, until told to stop: latencies in ms."""
    asker, took = LeanHttp(port), []
    while not stop.is_set():
        began = time.perf_counter()
        asker.small()
        took.append((time.perf_counter() - began) * 1e3)
        time.sleep(0.002)
    asker.close()
    out.put(sorted(took))


def memory(bin_dir, quick):
    ours = Ours(bin_dir, LARGE)
    before = resident(ours.pid, "VmHWM")
    asker = LeanHttp(ours.http)
    update = encoded(asker, STEP)
    asker.close()
    stop, out = CONTEXT.Event(), CONTEXT.Queue()
    small = CONTEXT.Process(target=ask_small, args=(ours.http, stop, out))
    small.start()
    phase = Phase(LeanHttp, ours.http, ("get", "post"), 8, 3 if quick else 10, update=update, size=len(update),
                  pid=ours.pid)
    stop.set()
    late = out.get(timeout=30)
    small.join()
    bytes_ = LARGE * 4
    print(f"memory    {LARGE:,} floats ({bytes_ / 1e6:.0f} MB), 8 clients push and pull at once, {phase.requests} requests, "
          f"{phase.mb_s:.0f} MB/s; {before / bytes_:.2f} x when started (highest), {resident(ours.pid) / bytes_:.2f} x after")
    ratio("peak resident memory / parameters", max(phase.peak, resident(ours.pid, "VmRSS")) / bytes_, 4.2, "less")
    print(f"  small requests meanwhile: p50 {late[len(late) // 2]:.2f} ms, p99 {late[int(0.99 * len(late))]:.2f} ms, "
          f"max {late[-1]:.2f} ms ({len(late)})")
    ours.close()


def hold(port, count, ready, stop):
    """Keeps that many connections, each after one request."""
    held = []
    for _ in range(count):
        s = socket.create_connection(("127.0.0.1", port), timeout=60)
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        if not s.recv(4096).startswith(b"HTTP/1.1 200"):
            break
        held.append(s)
    ready.put(len(held))
    stop.wait()
    for s in held:
        s.settimeout(0)
    alive = 0
    for s in held:
        try:
            s.recv(1)
        except BlockingIOError:
            alive += 1
        except OSError:
            pass
    ready.put(alive)


def many_descriptors():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def idle(bin_dir, quick):
    limit = many_descriptors()  # elephasd inherits it
    ours = Ours(bin_dir, SMALL)
    want = min(10_000, limit - 200)
    ready, stop = CONTEXT.Queue(), CONTEXT.Event()
    holder = CONTEXT.Process(target=hold, args=(ours.http, want, ready, stop))
    holder.start()
    count = ready.get(timeout=120)
    asker, late = LeanHttp(ours.http), []
    asker.small()
    seconds = 2 if quick else 10
    cpu, began = cpu_seconds(ours.pid), time.perf_counter()
    for i in range(1000 * seconds):
        due = began + i / 1000
        while (now := time.perf_counter()) < due:
            time.sleep(due - now)
        asker.small()
        late.append((time.perf_counter() - due) * 1e3)
    cpu, took = cpu_seconds(ours.pid) - cpu, time.perf_counter() - began
    late.sort()
    print(f"idle      {count:,} connections held; {len(late) / took:.0f} small requests a second meanwhile, from when they were "
          f"due: p50 {late[len(late) // 2]:.2f} ms, max {late[-1]:.2f} ms, {cpu / len(late) * 1e6:.0f} us CPU each")
    ratio("p99, ms", late[int(0.99 * len(late))], 10, "less")
    time.sleep(0.5)
    cpu = cpu_seconds(ours.pid)
    time.sleep(3 if quick else 10)
    cpu = cpu_seconds(ours.pid) - cpu
    ratio(f"CPU of {3 if quick else 10} s in which nothing happens, %", cpu / (3 if quick else 10) * 100, 0, "less")
    stop.set()
    ratio("connections still held", ready.get(timeout=60), want)
    holder.join()
    asker.close()
    ours.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    parser.add_argument("--peer")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="speed,workers,memory,idle")
    args = parser.parse_args()
    facts()
    parts = args.only.split(",")
    if "speed" in parts:
        speed(args.bin, args.peer, args.quick)
    if "workers" in parts:
        workers(args.bin, args.peer, args.quick)
    if "memory" in parts:
        memory(args.bin, args.quick)
    if "idle" in parts:
        idle(args.bin, args.quick)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
