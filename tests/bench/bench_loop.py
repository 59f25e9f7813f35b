#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a large model does to the small requests of others.

    bench_loop.py BINDIR [--parameters N]

One process asks for /healthz every 2 ms while others upload, train, read,
cancel, predict and evaluate a large model. For each of these: how long it took,
how long the small requests had to wait (p99, longest), and how many turns of
the daemon's loop took more than 10, 20 and 50 ms of processor time.
"""
import argparse
import multiprocessing
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from bench import facts  # noqa: E402
from large import Large  # noqa: E402
from system import System  # noqa: E402


def ask_always(address, told):
    """Asks until it is told to stop, and then tells when, and how long it took."""
    seen = []
    with socket.create_connection(address) as c:
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not told.poll():
            began = time.monotonic()
            c.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            got = b""
            while not got.endswith(b"\r\n\r\nok\n"):
                got += c.recv(4096)
            seen.append((began, time.monotonic() - began))
            time.sleep(0.002)
    told.send(seen)


def phase(b, name, call):
    """Measures a call."""
    here, there = multiprocessing.Pipe()
    asker = multiprocessing.Process(target=ask_always, args=(b.address(), there), daemon=True)
    asker.start()
    time.sleep(0.1)
    before, began = b.turns(), time.monotonic()
    out = call()
    took = time.monotonic() - began
    time.sleep(0.05)
    after = b.turns()
    here.send(True)
    waits = sorted(wait for when, wait in here.recv() if when + wait >= began)
    asker.join()
    long = "/".join(str(after[bound] - before[bound]) for bound in (0.01, 0.02, 0.05))
    print(f"{name:42} {took * 1e3:7.0f} ms   p99 {waits[int(len(waits) * 0.99)] * 1e3:6.1f}   "
          f"longest {waits[-1] * 1e3:6.1f}   long turns {long}", flush=True)
    return out


def whole(b, model, **training):
    b.end(b.train(model, "synchronous", 4, **training))


def started(b, model, mode, version):
    job = b.train(model, mode, 1000)
    b.reach(job, version)
    return job


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    parser.add_argument("--parameters", type=int, default=25000000)
    a = parser.parse_args()
    with System(a.bin) as s:
        facts()
        s.daemon()
        b = Large(s, a.parameters)
        message = b.trained()
        print(f"model     {len(message) / 1e6:.0f} MB; small requests of others in ms", flush=True)
        phase(b, "nothing", lambda: time.sleep(1))
        message[-1] ^= 1
        model = phase(b, "upload", lambda: b.upload(message))
        phase(b, "upload again", lambda: b.upload(message))
        job = phase(b, "POST a job, start, first version", lambda: started(b, model, "asynchronous", 1))
        phase(b, "asynchronous epochs", lambda: b.reach(job, 20))
        phase(b, "GET model while it runs", lambda: b.ask("GET", f"/v1/jobs/{job}/model"))
        other = phase(b, "a job from what it knows now (evaluate)", lambda: b.make("evaluate", source_job=job))
        phase(b, "the evaluation", lambda: b.end(other))
        phase(b, "cancel, until the model is kept", lambda: b.cancel(job))
        phase(b, "GET parameters of a job that has ended", lambda: b.ask("GET", f"/v1/jobs/{job}/parameters"))
        phase(b, "synchronous, start to end", lambda: whole(b, model))
        phase(b, "synchronous with Elephas ports", lambda: whole(b, model, http_port=0))
        phase(b, "predict", lambda: b.end(b.make("predict", model)))
        job = started(b, model, "synchronous", 2)
        s.stop()
        s.daemon()
        phase(b, "taken up again", lambda: b.reach(job, 6))


if __name__ == "__main__":
    main()
