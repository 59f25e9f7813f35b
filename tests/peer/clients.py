# SPDX-License-Identifier: MIT
"""The clients of Elephas 7.3.0 against a server: clients.py JSON, in the peer's venv.

The argument: {"servers": [{"model": FILE, "http": PORT, "socket": PORT}, ...]}. A
line of JSON for each server: how many updates were sent to it.
"""
import json
import os
import sys
import urllib.error

os.environ.update(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3", SPARK_LOCAL_IP="127.0.0.1")

import keras  # noqa: E402
import numpy as np  # noqa: E402
from elephas.parameter import HttpClient, SocketClient  # noqa: E402

job = json.loads(sys.argv[1])
rng = np.random.default_rng(1)


def same(got, want):
    assert [(a.dtype, a.shape) for a in got] == [(a.dtype, a.shape) for a in want]
    return all(np.array_equal(a, b) for a, b in zip(got, want))


def deltas(like, dtype):
    return [rng.standard_normal(a.shape).astype(dtype) for a in like]


def talk(server):
    """Gets and updates with both clients; how many updates there were."""
    start = keras.saving.load_model(server["model"]).get_weights()
    clients = [HttpClient(server["http"]), SocketClient(server["socket"])]
    sent = 0
    # what the file has, in its order
    for client in clients:
        assert same(client.get_parameters(), start), type(client)

    # to the bit what Elephas' own server would have: a subtraction in float32
    want = [a.copy() for a in start]
    for _ in range(5):
        for client in clients:
            delta = deltas(start, "float32")
            want = [a - d for a, d in zip(want, delta)]
            answer = client.update_parameters(delta)
            assert answer == (b"Update done" if isinstance(client, HttpClient) else None), answer
            sent += 1
            if answer is None:  # a socket update has no answer: it is in when a read shows it
                for _ in range(500):
                    if same(client.get_parameters(), want):
                        break
            for reader in clients:
                assert same(reader.get_parameters(), want), (type(client), type(reader))

    # other types are converted, and the parameters stay float32
    for dtype in ("float16", "float64"):
        delta = deltas(start, dtype)
        want = [a - d.astype("float32") for a, d in zip(want, delta)]
        clients[0].update_parameters(delta)
        sent += 1
        assert same(clients[0].get_parameters(), want), dtype

    # what does not fit raises at the client, and changes nothing
    try:
        clients[0].update_parameters(start[:-1])
        raise AssertionError("an update of one array too few was taken")
    except urllib.error.HTTPError as e:
        assert e.code == 400, e
    assert same(clients[1].get_parameters(), want)
    return sent


for server in job["servers"]:
    print(json.dumps({"sent": talk(server)}), flush=True)
os._exit(0)  # nothing waits for TensorFlow's threads
