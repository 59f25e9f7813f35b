#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The real Elephas 7.3.0, unmodified, with parameter servers of ours.

PEER_PYTHON is the Python of a venv that has it (make check-peer). What runs there
is clients.py and fit.py; here are the servers, and what they counted.
"""
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from system import DATA, run  # noqa: E402

MODEL = f"{DATA}/mnist_mlp.keras"
# layers whose moving statistics Keras counts among the weights
CONVOLUTIONS = os.path.join(HERE, "..", "golden", "cases", "layer_batchnorm_conv", "model.keras")
# every pair of mode, frequency and protocol is met
RUNS = [("asynchronous", "epoch", "http"), ("asynchronous", "batch", "socket"),
        ("hogwild", "epoch", "socket"), ("hogwild", "batch", "http")]


def peer(script, what):
    """The lines of JSON that a script says in the peer's venv."""
    p = subprocess.run([os.environ["PEER_PYTHON"], os.path.join(HERE, script), json.dumps(what)],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=500,
                       check=False)
    assert p.returncode == 0, f"{script}: status {p.returncode}\n{p.stdout[-2000:]}\n{p.stderr[-4000:]}"
    return [json.loads(line) for line in p.stdout.splitlines() if line.startswith("{")]


def start(s, mode, model=MODEL):
    out = s.submit("ps", "start", "--model", model, "--mode", mode, "--json")
    assert out.status == 0, out.err
    ready = out.last
    return {"job": ready["job"], "model": model, **{kind: int(ready[kind].rsplit(":", 1)[1]) for kind in ("http", "socket")}}


def counted(s, server, updates):
    """The server has applied exactly so many updates; socket updates may be on their way."""
    deadline = time.monotonic() + 10
    while True:
        document = s.get_json(f"/v1/jobs/{server['job']}")
        if document["updates"] >= updates or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    time.sleep(0.2)
    document = s.get_json(f"/v1/jobs/{server['job']}")
    assert document["updates"] == document["version"] == updates, (updates, document)
    return document


def its_clients_are_served(s):
    s.daemon()
    servers = [start(s, mode, model) for mode, model in (
        ("asynchronous", MODEL), ("hogwild", MODEL), ("asynchronous", CONVOLUTIONS))]
    said = peer("clients.py", {"servers": servers})
    assert len(said) == len(servers), said
    for server, seen in zip(servers, said):
        document = counted(s, server, seen["sent"])
        assert document["refused"] == 1 and "arrays" in document["last_refused"], document


def its_fit_trains_on_our_server(s):
    s.daemon()
    servers = [start(s, mode) for mode, _, _ in RUNS]
    said = peer("fit.py", {"model": MODEL, "data": f"{DATA}/mnist5k_train.csv.gz", "rows": 1000, "epochs": 2,
                           "batch_size": 32,
                           "runs": [{"mode": mode, "frequency": frequency, "kind": kind, "port": server[kind]}
                                    for (mode, frequency, kind), server in zip(RUNS, servers)]})
    assert len(said) == len(RUNS), said
    for server, seen in zip(servers, said):
        print(json.dumps(seen))
        assert counted(s, server, seen["sent"])["refused"] == 0
        assert seen["same"], seen  # what the fit took home is what the server holds
        assert seen["after"] < seen["before"] and seen["accuracy"] > 0.3 and seen["right"] > 15, seen


if __name__ == "__main__":
    run([its_clients_are_served, its_fit_trains_on_our_server])
