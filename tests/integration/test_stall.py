#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Nothing large stalls the small requests of others.

What one turn of the daemon's loop takes is measured by the daemon as processor
time, so that the bound holds on a busy machine too. A model of 64 MB that is
decoded, copied, packed or hashed on the loop takes 60 ms at least; a turn that
reads or writes its share of large messages takes one or two.
"""
import hashlib
import json
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from elephas_client import Http  # noqa: E402
from large import INPUTS, PROTOBUF, Large  # noqa: E402
from servers import Servers  # noqa: E402
from system import System, run, values_of  # noqa: E402
from test_daemon import fake_worker  # noqa: E402
import test_daemon_work as hand  # noqa: E402

PARAMETERS = 16000000
LONGEST = 0.05


class Watched(Large):
    def __init__(self, s, *options):
        s.daemon(*options)
        super().__init__(s, PARAMETERS)

    def submitted(self, mode, servers):
        return self.s.submit("train", "--model", self.s.path("m.json"), "--data", self.s.path("d.csv"), "--label", INPUTS,
                             "--loss", "mse", "--optimizer", "sgd", "--workers", 2, "--seed", 3, "--batch-size", 8,
                             "--epochs", 5, "--mode", mode, "--output", self.s.path("o.keras"), *servers.options())

    def no_stall(self, what, call, *others, longest=LONGEST):
        """Nor on the other daemons."""
        all_ = [self, *others]
        before = [one.turns() for one in all_]
        out = call()
        for one, b in zip(all_, before):
            after = one.turns()
            long = {bound: after[bound] - n for bound, n in b.items() if after[bound] != n}
            assert longest not in long, f"{what}: so many turns took longer: {long}"
        return out


def models_that_are_stored(s):
    w = Watched(s)
    message = w.trained()
    message[-1] ^= 1
    model = w.no_stall("upload", lambda: w.upload(message))
    assert w.no_stall("upload again", lambda: w.upload(message)) == model
    assert w.no_stall("GET of a stored model", lambda: w.ask("GET", f"/v1/models/{model}")) == message
    job = w.no_stall("evaluation", lambda: evaluation(w, model))
    w.no_stall("prediction", lambda: w.end(w.make("predict", model)))
    got = w.no_stall("stored parameters", lambda: w.ask("GET", f"/v1/jobs/{job}/parameters"))
    values = values_of(message)
    assert values_of(got) == values, "not the values of the model"
    got = w.no_stall("some of them", lambda: w.ask("GET", f"/v1/jobs/{job}/parameters?begin=1000&end=500000"))
    assert values_of(got) == values[1000:500000]


def evaluation(w, model):
    job = w.make("evaluate", model)
    w.end(job)
    return job


def name_of(message):
    return hashlib.sha256(message).hexdigest()


def uploads_that_are_left_alone(s):
    """A model is stored also if its client leaves; a stop of the daemon waits for it."""
    w = Watched(s)
    message = bytes(w.trained())
    kept = os.path.join(s.state, "models")
    w.begin("POST", "/v1/models", message[:1000], PROTOBUF).close()
    w.begin("POST", "/v1/models", message[:-1] + b"\1", PROTOBUF).close()
    deadline = time.monotonic() + 60
    while not os.path.exists(os.path.join(kept, name_of(message[:-1] + b"\1"))):
        assert time.monotonic() < deadline, os.listdir(kept)
        time.sleep(0.02)
    for last in (b"\2", b"\3"):
        c = w.begin("POST", "/v1/models", message[:-1] + last, PROTOBUF)
        s.process.terminate()
        answer = c.getresponse()
        there = os.path.exists(os.path.join(kept, name_of(message[:-1] + last)))
        assert (answer.status, there) in ((201, True), (503, False)), (answer.status, there)
        c.close()
        assert s.process.wait(20) == 0
        s.daemon()
    for name in os.listdir(kept):
        with open(os.path.join(kept, name), "rb") as f:
            assert name_of(f.read()) == name, "half a model"


def started(w, model, *modes, version=1):
    job = w.train(model, modes[0] if modes else "asynchronous", 1000)
    w.reach(job, version)
    return job


def jobs_that_begin(s):
    w = Watched(s)
    model = w.upload(w.trained())
    job = w.no_stall("the start of a training", lambda: started(w, model))
    w.ask("DELETE", f"/v1/jobs/{job}")
    for wait in (0, 0.03, 0.1):  # ended while the model is read
        job = w.train(model, "synchronous", 1000)
        time.sleep(wait)
        assert w.document(job)["state"] in ("queued", "starting"), "it was too fast"
        w.no_stall("cancel while the model is read", lambda: w.ask("DELETE", f"/v1/jobs/{job}"))
        d = w.document(job)
        assert d["state"] == "cancelled" and d["version"] == 0, d
    # a request waits for the work, and its client may leave
    job = w.train(model, "synchronous", 1000)
    w.begin("GET", f"/v1/jobs/{job}/parameters?wait=1").close()
    c = w.begin("GET", f"/v1/jobs/{job}/parameters?begin=1&end=9")
    answer = c.getresponse()
    assert answer.status == 200 and len(values_of(answer.read())) == 8
    c.close()
    w.reach(job, 2)
    for _ in range(2):  # stopped while the snapshot is read
        assert s.stop() == 0
        s.daemon()
    w.no_stall("a training that goes on", lambda: w.reach(job, 5))
    w.ask("DELETE", f"/v1/jobs/{job}")


def trainings_at_work(s):
    w = Watched(s)
    model = w.upload(w.trained())
    for mode, more in (("synchronous", {}), ("asynchronous", {}), ("synchronous", {"frequency": "batch"})):
        job = w.train(model, mode, 1000, **more)
        w.reach(job, 2)
        w.no_stall(f"a training at work: {mode} {more}", lambda j=job: w.reach(j, 8))
        w.ask("DELETE", f"/v1/jobs/{job}")
    job = w.train(model, "asynchronous", 1000, http_port=0)
    w.reach(job, 2)
    w.no_stall("a training with an Elephas port", lambda: elephas_client(w, job))
    w.no_stall("cancel of it", lambda: w.cancel(job))


def elephas_client(w, job):
    client = Http(w.document(job)["http"])
    for _ in range(4):
        client.update([(shape, dtype, bytes(len(data))) for shape, dtype, data in client.get()])
    w.reach(job, w.document(job)["version"] + 3)


def parts_at_work(s):
    """From the start to the model that is put together."""
    with System(s.bin) as home:
        w = Watched(home)
        with Servers(home, 2) as servers:
            others = [Large(other, PARAMETERS) for other in servers.others]
            for mode in ("synchronous", "asynchronous"):
                out = w.no_stall(f"parts of a training: {mode}", lambda m=mode: w.submitted(m, servers), *others)
                assert out.status == 0, out.err


def serves(w, model):
    job = json.loads(w.ask("POST", "/v1/jobs", json.dumps({"kind": "serve", "model": model}), "application/json"))["id"]
    w.end(job, "running")
    return job


def is_saved(client, delta, snapshot):
    client.update(delta)
    deadline = time.monotonic() + 30
    while not os.path.exists(snapshot):
        assert time.monotonic() < deadline, "no snapshot"
        time.sleep(0.05)


def models_of_jobs_that_run(s):
    w = Watched(s)
    message = bytes(w.trained())
    model = w.upload(message)
    job = started(w, model)
    for _ in range(3):
        got = w.no_stall("GET model", lambda: w.ask("GET", f"/v1/jobs/{job}/model"))
        assert len(values_of(got)) == len(values_of(message))
        w.begin("GET", f"/v1/jobs/{job}/model").close()
    other = w.no_stall("a job from what another knows", lambda: w.make("evaluate", source_job=job))
    assert w.document(other)["model"] not in (model, ""), "not what it has learnt"
    w.end(other)
    asked = [w.begin("GET", f"/v1/jobs/{job}/model") for _ in range(3)]  # the job ends first
    w.ask("DELETE", f"/v1/jobs/{job}")
    for c in asked:
        answer = c.getresponse()
        got = answer.read()
        assert answer.status == 200 and len(values_of(got)) == len(values_of(message)), (answer.status, got[:100])
        c.close()
    job = w.no_stall("a parameter server", lambda: serves(w, model))
    assert w.no_stall("its model", lambda: w.ask("GET", f"/v1/jobs/{job}/model")) == message
    client = Http(w.document(job)["http"])
    zeros = [(shape, dtype, bytes(len(data))) for shape, dtype, data in client.get()]
    snapshot = os.path.join(s.state, "jobs", job, "snapshot")
    # the loop has nothing else to do then; all processors copy, so that it is half as long
    w.no_stall("its snapshot", lambda: is_saved(client, zeros, snapshot), longest=0.002)
    w.begin("GET", f"/v1/jobs/{job}/model").close()
    asked = w.begin("GET", f"/v1/jobs/{job}/model")
    w.ask("POST", f"/v1/jobs/{job}/stop")
    assert asked.getresponse().read() == message
    asked.close()
    w.end(job)
    assert w.ask("GET", f"/v1/jobs/{job}/model") == message


def push(w, job, head, values):
    """An update whose values are shared with other pushers."""
    c = socket.create_connection(w.address(), timeout=120)
    c.sendall(f"POST /v1/jobs/{job}/updates HTTP/1.1\r\nHost: localhost\r\nContent-Type: {PROTOBUF}\r\n"
              f"Content-Length: {len(head) + len(values)}\r\nConnection: close\r\n\r\n".encode() + head)
    c.sendall(values)
    answer = c.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 200 "), answer[:300]


def memory(s, key):
    with open(f"/proc/{s.process.pid}/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith(key))


def updates_come_when_there_is_room(s):
    """The bodies that are there at once are bounded, whoever sends them."""
    w = Watched(s, "--workers-dir", fake_worker(s, "exec sleep 100\n"))
    out = s.submit("train", "--model", s.path("m.json"), "--data", s.path("d.csv"), "--label", INPUTS, "--loss", "mse",
                   "--optimizer", "sgd", "--workers", 8, "--mode", "asynchronous", "--no-wait", "--json",
                   "--output", s.path("o.keras"))
    job = out.last["job"]
    count = len(values_of(w.ask("GET", f"/v1/jobs/{job}/parameters")))
    for partition in range(8):
        w.ask("POST", f"/v1/jobs/{job}/partitions", hand.join(job, partition), PROTOBUF)
    with open(f"/proc/{s.process.pid}/clear_refs", "w", encoding="utf-8") as f:
        f.write("5")  # the peak begins anew
    before = memory(s, "VmRSS")
    values = bytes(4 * count)
    heads = [hand.update(job, partition, values=(), end=count, metrics=[hand.metric("loss", [10.0, 5.0])])
             .removesuffix(hand.number(100 << 3 | 2) + b"\0") + hand.number(100 << 3 | 2) + hand.number(len(values))
             for partition in range(8)]
    pushers = [threading.Thread(target=push, args=(w, job, head, values)) for head in heads]
    w.no_stall("8 updates at once", lambda: ([p.start() for p in pushers], [p.join() for p in pushers]))
    assert w.document(job)["version"] == 8, w.document(job)
    peak = (memory(s, "VmHWM") - before) / (1 << 20)
    assert peak < 300, f"{peak} MiB for 8 updates of {len(values) >> 20} MiB"


def jobs_that_are_cancelled(s):
    """What was learnt is kept, whatever is under way, and nobody waits for it."""
    w = Watched(s)
    message = bytes(w.trained())
    model = w.upload(message)
    for mode, wait in (("synchronous", 0), ("asynchronous", 0.05), ("asynchronous", 0.2), ("hogwild", 0.4)):
        job = started(w, model, mode)
        time.sleep(wait)
        pids = [p["pid"] for p in w.document(job)["partitions"]]
        w.no_stall(f"cancel of a training ({mode})", lambda: w.cancel(job))
        d = w.document(job)
        assert d["state"] == "cancelled" and d["version"] >= 1, d
        kept = w.ask("GET", f"/v1/jobs/{job}/model")
        assert kept != message and len(values_of(kept)) == len(values_of(message))
        deadline = time.monotonic() + 20
        while any(os.path.exists(f"/proc/{pid}/fd") for pid in pids):
            assert time.monotonic() < deadline, "workers are left"
            time.sleep(0.02)
    job = started(w, model)
    w.begin("GET", f"/v1/jobs/{job}/model").close()
    w.ask("DELETE", f"/v1/jobs/{job}")
    version = w.document(job)["version"]
    assert s.stop() == 0  # before it is written
    s.daemon()
    d = w.document(job)
    assert d["state"] == "cancelled" and d["version"] >= version, (version, d)
    kept = w.ask("GET", f"/v1/jobs/{job}/model")
    assert kept != message and len(values_of(kept)) == len(values_of(message))
    job = w.no_stall("a parameter server that is cancelled", lambda: serves(w, model))
    w.no_stall("its cancel", lambda: w.ask("DELETE", f"/v1/jobs/{job}"))


if __name__ == "__main__":
    run([jobs_that_begin, trainings_at_work, parts_at_work, models_of_jobs_that_run, jobs_that_are_cancelled,
         updates_come_when_there_is_room, models_that_are_stored, uploads_that_are_left_alone])
