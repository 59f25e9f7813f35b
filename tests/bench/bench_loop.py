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
import http.client
import json
import multiprocessing
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from bench import facts  # noqa: E402
from system import System  # noqa: E402

INPUTS = 500
ROWS = 16
PROTOBUF = "application/x-protobuf"


def ask_always(address, told):
    """Asks until it is told to stop, and then tells when, and how long it took."""
    host, port = address
    seen = []
    with socket.create_connection((host, port)) as c:
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


class Bench:
    def __init__(self, s, parameters):
        self.s, self.units, self.phases = s, parameters // INPUTS, []
        s.daemon()
        self.write_input()

    def write_input(self):
        def layer(name, units):
            return {"module": "keras.layers", "class_name": "Dense", "registered_name": None, "build_config": None,
                    "config": {"name": name, "units": units, "use_bias": False, "activation": "linear"}}
        source = {"module": "keras.layers", "class_name": "InputLayer", "registered_name": None,
                  "config": {"name": "input", "batch_shape": [None, INPUTS], "dtype": "float32"}}
        with open(self.s.path("m.json"), "w", encoding="utf-8") as f:
            json.dump({"module": "keras", "class_name": "Sequential", "registered_name": None,
                       "config": {"name": "large", "trainable": True,
                                  "layers": [source, layer("wide", self.units), layer("out", 1)]}}, f)
        with open(self.s.path("d.csv"), "w", encoding="utf-8") as f:
            for i in range(ROWS):
                f.write(",".join("%.4f" % ((i * 7 + j) % 10 / 1e6) for j in range(INPUTS)) + ",%d\n" % (i // 2 % 2))

    def address(self):
        host, port = self.s.url.split("//")[1].split(":")
        return host, int(port)

    def ask(self, method, path, body=None, kind=None, want=(200, 201, 202)):
        with open(os.path.join(self.s.state, "token"), encoding="utf-8") as f:
            headers = {"Authorization": "Bearer " + f.read().strip()}
        if kind is not None:
            headers["Content-Type"] = kind
        c = http.client.HTTPConnection(*self.address(), timeout=120)
        c.request(method, path, body, headers)
        answer = c.getresponse()
        data = answer.read()
        c.close()
        if answer.status not in want:
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:300]!r}")
        return data

    def make(self, kind, model=None, **more):
        body = {"kind": kind, "data": {"source": [self.s.path("d.csv")], "label": [str(INPUTS)]}, "workers": 2, **more}
        if kind == "predict":
            del body["data"]["label"]
            body["data"]["features"] = [str(i) for i in range(INPUTS)]
        if model is not None:
            body["model"] = model
        return json.loads(self.ask("POST", "/v1/jobs", json.dumps(body), "application/json"))["id"]

    def document(self, job):
        return json.loads(self.ask("GET", f"/v1/jobs/{job}"))

    def until(self, job, condition):
        deadline = time.monotonic() + 300
        while not condition(d := self.document(job)):
            if d["state"] == "failed" or time.monotonic() > deadline:
                raise RuntimeError(f"it does not happen: {d}")
            time.sleep(0.02)

    def turns(self):
        out = {}
        for line in self.ask("GET", "/metrics").decode().splitlines():
            if line.startswith("elephasd_loop_turn_seconds_bucket"):
                out[line.split('"')[1]] = int(line.split()[1])
        return {bound: out["+Inf"] - out[str(bound)] for bound in (0.01, 0.02, 0.05)} if out else {}

    def phase(self, name, call):
        """Measures a call."""
        here, there = multiprocessing.Pipe()
        asker = multiprocessing.Process(target=ask_always, args=(self.address(), there), daemon=True)
        asker.start()
        time.sleep(0.1)
        turns, began = self.turns(), time.monotonic()
        out = call()
        took = time.monotonic() - began
        time.sleep(0.05)
        after = self.turns()
        here.send(True)
        waits = sorted(wait for when, wait in here.recv() if when + wait >= began)
        asker.join()
        long = "/".join(str(after[bound] - turns[bound]) for bound in after)
        print(f"{name:42} {took * 1e3:7.0f} ms   p99 {waits[int(len(waits) * 0.99)] * 1e3:6.1f}   "
              f"longest {waits[-1] * 1e3:6.1f}   long turns {long}", flush=True)
        return out


def trained(b):
    """A Model message with weights, and a training job's settings."""
    out = b.s.submit("train", "--model", b.s.path("m.json"), "--data", b.s.path("d.csv"), "--label", INPUTS, "--loss",
                     "mse", "--optimizer", "sgd", "--workers", 2, "--seed", 3, "--batch-size", 8, "--epochs", 1, "--json",
                     "--output", b.s.path("o.keras"))
    if out.status != 0:
        raise RuntimeError(out.err)
    return bytearray(b.ask("GET", f"/v1/jobs/{out.last['job']}/model"))


def upload(b, message):
    return json.loads(b.ask("POST", "/v1/models", bytes(message), PROTOBUF))["model"]


def train(b, model, mode, epochs, **training):
    return b.make("train", model, training={"mode": mode, "epochs": epochs, "batch_size": 8, "seed": 1, **training})


def reach(b, job, version):
    b.until(job, lambda d: (d.get("version") or 0) >= version)


def end(b, job, state="done"):
    b.until(job, lambda d: d["state"] == state)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    parser.add_argument("--parameters", type=int, default=25000000)
    a = parser.parse_args()
    with System(a.bin) as s:
        facts()
        b = Bench(s, a.parameters)
        message = trained(b)
        print(f"model     {len(message) / 1e6:.0f} MB; small requests of others in ms", flush=True)
        b.phase("nothing", lambda: time.sleep(1))
        message[-1] ^= 1
        model = b.phase("upload", lambda: upload(b, message))
        b.phase("upload again", lambda: upload(b, message))
        job = b.phase("POST a job, start, first version", lambda: train_until(b, model, "asynchronous", 1))
        b.phase("asynchronous epochs", lambda: reach(b, job, 20))
        b.phase("GET model while it runs", lambda: b.ask("GET", f"/v1/jobs/{job}/model"))
        other = b.phase("a job from what it knows now (evaluate)", lambda: from_job(b, job))
        b.phase("the evaluation", lambda: end(b, other))
        b.phase("cancel, until the model is kept", lambda: cancel(b, job))
        b.phase("GET parameters of a job that has ended", lambda: b.ask("GET", f"/v1/jobs/{job}/parameters"))
        job = b.phase("synchronous, start to end", lambda: whole(b, model, "synchronous"))
        job = b.phase("synchronous with Elephas ports", lambda: whole(b, model, "synchronous", http_port=0))
        b.phase("predict", lambda: end(b, b.make("predict", model)))
        job = train_until(b, model, "synchronous", 2)
        b.s.stop()
        b.s.daemon()
        b.phase("taken up again", lambda: reach(b, job, 6))


def train_until(b, model, mode, version):
    job = train(b, model, mode, 1000)
    reach(b, job, version)
    return job


def from_job(b, job):
    return b.make("evaluate", source_job=job)


def cancel(b, job):
    b.ask("DELETE", f"/v1/jobs/{job}")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if b.ask("GET", f"/v1/jobs/{job}/model", want=range(200, 600))[:1] != b"{":
            return
        time.sleep(0.02)
    raise RuntimeError("the model is not kept")


def whole(b, model, mode, **training):
    job = train(b, model, mode, 4, **training)
    end(b, job)
    return job


if __name__ == "__main__":
    main()
