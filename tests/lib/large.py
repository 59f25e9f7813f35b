# SPDX-License-Identifier: MIT
"""Work with a large model, and how long the daemon's loop was held up by it."""
import http.client
import json
import os
import time

INPUTS = 500
ROWS = 16
PROTOBUF = "application/x-protobuf"


def layer(name, units):
    return {"module": "keras.layers", "class_name": "Dense", "registered_name": None, "build_config": None,
            "config": {"name": name, "units": units, "use_bias": False, "activation": "linear"}}


class Large:
    """A system with a model of so many parameters, about."""

    def __init__(self, s, parameters):
        self.s, self.units = s, parameters // INPUTS
        source = {"module": "keras.layers", "class_name": "InputLayer", "registered_name": None,
                  "config": {"name": "input", "batch_shape": [None, INPUTS], "dtype": "float32"}}
        with open(s.path("m.json"), "w", encoding="utf-8") as f:
            json.dump({"module": "keras", "class_name": "Sequential", "registered_name": None,
                       "config": {"name": "large", "trainable": True,
                                  "layers": [source, layer("wide", self.units), layer("out", 1)]}}, f)
        with open(s.path("d.csv"), "w", encoding="utf-8") as f:
            for i in range(ROWS):  # both labels in each partition: no order of updates looks like divergence
                f.write(",".join("%.4f" % ((i * 7 + j) % 10 / 1e6) for j in range(INPUTS)) + ",%d\n" % (i // 2 % 2))

    def address(self):
        host, port = self.s.url.split("//")[1].split(":")
        return host, int(port)

    def begin(self, method, path, body=None, kind=None):
        """A connection on which a request was sent."""
        with open(os.path.join(self.s.state, "token"), encoding="utf-8") as f:
            headers = {"Authorization": "Bearer " + f.read().strip()}
        if kind is not None:
            headers["Content-Type"] = kind
        c = http.client.HTTPConnection(*self.address(), timeout=120)
        c.request(method, path, body, headers)
        return c

    def ask(self, method, path, body=None, kind=None, want=(200, 201, 202)):
        c = self.begin(method, path, body, kind)
        answer = c.getresponse()
        data = answer.read()
        c.close()
        if answer.status not in want:
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:300]!r}")
        return data

    # ---- models and jobs

    def trained(self):
        """A Model message with weights."""
        out = self.s.submit("train", "--model", self.s.path("m.json"), "--data", self.s.path("d.csv"), "--label", INPUTS,
                            "--loss", "mse", "--optimizer", "sgd", "--workers", 2, "--seed", 3, "--batch-size", 8,
                            "--epochs", 1, "--json", "--output", self.s.path("o.keras"))
        if out.status != 0:
            raise RuntimeError(out.err)
        return bytearray(self.ask("GET", f"/v1/jobs/{out.last['job']}/model"))

    def upload(self, message):
        return json.loads(self.ask("POST", "/v1/models", bytes(message), PROTOBUF))["model"]

    def make(self, kind, model=None, **more):
        body = {"kind": kind, "data": {"source": [self.s.path("d.csv")], "label": [str(INPUTS)]}, "workers": 2, **more}
        if kind == "predict":
            body["data"] = {"source": body["data"]["source"], "features": [str(i) for i in range(INPUTS)]}
        if model is not None:
            body["model"] = model
        return json.loads(self.ask("POST", "/v1/jobs", json.dumps(body), "application/json"))["id"]

    def train(self, model, mode, epochs, **training):
        return self.make("train", model,
                         training={"mode": mode, "epochs": epochs, "batch_size": 8, "seed": 1, **training})

    def document(self, job):
        return json.loads(self.ask("GET", f"/v1/jobs/{job}"))

    def until(self, job, condition):
        deadline = time.monotonic() + 300
        while not condition(d := self.document(job)):
            if d["state"] == "failed" or time.monotonic() > deadline:
                raise RuntimeError(f"it does not happen: {d}")
            time.sleep(0.02)
        return d

    def reach(self, job, version):
        return self.until(job, lambda d: (d.get("version") or 0) >= version)

    def end(self, job, state="done"):
        return self.until(job, lambda d: d["state"] == state)

    def cancel(self, job):
        """Until what was learnt is kept."""
        self.ask("DELETE", f"/v1/jobs/{job}")
        deadline = time.monotonic() + 60
        while self.ask("GET", f"/v1/jobs/{job}/model", want=range(200, 600))[:1] == b"{":
            if time.monotonic() > deadline:
                raise RuntimeError("the model is not kept")
            time.sleep(0.02)

    # ---- the loop

    def turns(self):
        """How many turns of the loop took more than so many seconds of a processor's time."""
        out = {}
        for line in self.ask("GET", "/metrics").decode().splitlines():
            if line.startswith("elephasd_loop_turn_seconds_bucket"):
                out[line.split('"')[1]] = int(line.split()[1])
        return {float(bound): out["+Inf"] - n for bound, n in out.items() if bound != "+Inf"}
