#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A training whose parameters are spread over several daemons: --shards and --shard-servers."""
import json
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from servers import Servers, eventually  # noqa: E402
from system import DATA, System, run, values_of  # noqa: E402
import test_daemon as td  # noqa: E402
from test_daemon_work import PARAMETERS as SMALL, PROTOBUF, decode, join, result  # noqa: E402

MODEL = f"{DATA}/mnist_mlp.keras"
ROWS = ["--data", f"{DATA}/mnist5k_train.csv.gz", "--label", "label", "--scale", 255, "--nb-classes", 10]
PARAMETERS = 118282


def train(servers, *args):
    return servers.home.submit("train", "--model", MODEL, *ROWS, "--seed", 7, "--json", *args, *servers.options())


def begin(servers, *args):
    """Submits a training and returns its id."""
    out = train(servers, "--no-wait", *args)
    assert out.status == 0, out.err
    return out.last["job"]


def model_of(s, job):
    status, body = s.request("GET", f"/v1/jobs/{job}/model")
    assert status == 200, (status, body[:300])
    return values_of(body)


def alone(s, *args):
    """The same on one daemon."""
    out = s.submit("train", "--model", MODEL, *ROWS, "--seed", 7, "--json", *args, "--output", s.path("one.keras"))
    assert out.status == 0, out.err
    return model_of(s, out.last["job"]), out.last["history"]


def synchronous_trainings_give_the_same_bits(s):
    ways = [(2, ["--epochs", 3, "--workers", 2, "--validation-split", 0.1]),
            (3, ["--epochs", 1, "--workers", 3, "--frequency", "batch", "--batch-size", 64]),
            (3, ["--epochs", 2, "--workers", 2, "--frequency", 8, "--optimizer", "adam"]),
            (2, ["--epochs", 2, "--workers", 2, "--server-optimizer", "adam"])]
    for n, way in ways:
        with System(s.bin) as home, Servers(home, n) as servers:
            values, history = alone(home, *way)
            out = train(servers, *way, "--output", home.path("m.keras"))
            assert out.status == 0, out.err
            got = model_of(home, out.last["job"])
            assert len(got) >= PARAMETERS and got == values, way
            assert out.last["history"] == history, (way, out.last["history"], history)
            servers.nothing_is_left()
            assert [p["state"] for p in servers.parts()] == ["done"] * (n - 1), servers.parts()


def asynchronous_updates_are_counted_once_on_each(s):
    for mode in ("asynchronous", "hogwild"):
        with System(s.bin) as home, Servers(home, 3) as servers:
            out = train(servers, "--mode", mode, "--frequency", "batch", "--epochs", 2, "--workers", 2,
                                "--batch-size", 50, "--validation-split", 0.1, "--output", home.path("m.keras"))
            assert out.status == 0, out.err
            assert out.last["history"]["acc"][-1] > 0.75, out.last["history"]
            assert len(out.last["history"]["val_acc"]) == 2
            steps = 2 * 2 * 36
            documents = [servers.document(out.last["job"]), *servers.parts()]
            servers.nothing_is_left()
            assert [d["version"] for d in documents] == [steps] * 3, documents
            assert [d["staleness"]["updates"] for d in documents] == [steps] * 3
            # weights of pixels that are always 0 never move: they are pulled once
            pulled = [d["traffic"]["pulled_per_step"] for d in documents]
            assert sum(pulled) < 0.85 * 4 * PARAMETERS, pulled


def one_worker_gets_what_it_gets_from_one_server(s):
    """Nothing is left to chance then. The second server's part ends within moving means."""
    layers = [("InputLayer", {"batch_shape": [None, 64], "name": "in"}), ("Dense", {"units": 8, "name": "a"}),
              ("BatchNormalization", {"name": "norm"}), ("Dense", {"units": 56, "activation": "relu", "name": "b"}),
              ("Dense", {"units": 10, "activation": "softmax", "name": "c"})]
    model = {"class_name": "Sequential", "config": {"name": "digits", "layers": [
        {"class_name": name, "config": config} for name, config in layers]}}
    b = ["--frequency", "batch"]
    for way in (["--mode", "easgd", *b, "--elastic-alpha", 0.4], ["--mode", "easgd", "--frequency", 3, "--compress", "fp16"],
                ["--mode", "asynchronous", *b], ["--mode", "hogwild", *b, "--compress", "bf16"]):
        got = []
        with System(s.bin) as home, Servers(home, 3) as servers:
            with open(home.path("m.json"), "w", encoding="utf-8") as f:
                json.dump(model, f)
            for where in ([], servers.options()):
                out = home.submit("train", "--model", home.path("m.json"), "--data", f"{DATA}/digits.csv", "--scale", 16,
                                  "--label", "label", "--nb-classes", 10, "--optimizer", "adam", "--loss",
                                  "categorical_crossentropy", *way, "--epochs", 2, "--seed", 3,
                                  "--workers", 1, "--json", "--output", home.path("m.keras"), *where)
                assert out.status == 0, out.err
                got.append(model_of(home, out.last["job"]))
            assert servers.document(out.last["job"])["range"]["end"] == 542
            servers.nothing_is_left()
        assert got[0] == got[1], way


def elastic_centres_are_moved_once_by_each_step(s):
    with System(s.bin) as home, Servers(home, 3) as servers:
        out = train(servers, "--mode", "easgd", "--frequency", "batch", "--epochs", 6, "--workers", 2,
                    "--batch-size", 32, "--validation-split", 0.1, "--staleness", 3, "--output", home.path("m.keras"))
        assert out.status == 0, out.err
        assert out.last["history"]["val_acc"][-1] > 0.8, out.last["history"]
        documents = [servers.document(out.last["job"]), *servers.parts()]
        assert [d["version"] for d in documents] == [6 * 2 * 57] * 3, documents


SLOW = ["--epochs", 40, "--workers", 2, "--frequency", "batch", "--batch-size", 16]


def killed(s, mode, whom, way, after):
    """Trains, kills a server with -9 in the middle, starts it again; returns the servers and the job."""
    with System(s.bin) as home, Servers(home, 3) as servers:
        values = alone(home, *way)[0] if mode == "synchronous" else None
        job = begin(servers, "--mode", mode, *way)
        victim = servers.all[whom]
        eventually(lambda: servers.document(job).get("version", 0) >= after, 60)
        servers.restart(victim)
        done = servers.wait(job)
        assert done["state"] == "done", done
        servers.nothing_is_left()
        parts = servers.parts()
        assert [p["state"] for p in parts] == ["done"] * 2, parts
        if values is not None:
            assert model_of(home, job) == values
        return done, parts


WAY = ["--epochs", 12, "--workers", 2, "--frequency", "batch", "--batch-size", 32]


def a_server_that_is_killed_goes_on_with_the_others(s):
    killed(s, "synchronous", 1, WAY, 200)


def the_own_server_that_is_killed_goes_on_with_the_others(s):
    killed(s, "synchronous", 0, WAY, 200)


def asynchronous_a_killed_server_asks_for_what_it_lost(s):
    done, parts = killed(s, "asynchronous", 2, WAY, 200)
    assert [d["version"] for d in (done, *parts)] == [12 * 2 * 63] * 3, (done["version"], parts)


def elastic_a_killed_server_asks_for_what_it_lost(s):
    """Also with steps long enough for it to come back unnoticed."""
    for way, whom in (([*WAY, "--compress", "int8"], 2), (["--epochs", 60, "--workers", 2, "--batch-size", 8], 1)):
        done, parts = killed(s, "easgd", whom, way, 40)
        steps = 12 * 2 * 63 if way[1] == 12 else 60 * 2
        assert [d["version"] for d in (done, *parts)] == [steps] * 3, (done["version"], parts)
        assert done["history"]["acc"][-1] > 0.85, done["history"]["acc"]


def fewer_bytes_and_the_same_bits(s):
    """Rounding is by chance, but named by seed, partition, step and part."""
    for code, frequency, whom, per_value in (("int8", "batch", 1, 1 + 4 / 1024), ("fp16", 8, 0, 2)):
        way = ["--epochs", 8, "--workers", 2, "--frequency", frequency, "--batch-size", 32, "--compress", code]
        with System(s.bin) as home, Servers(home, 3) as servers:
            out = train(servers, *way, "--output", home.path("m.keras"))
            assert out.status == 0, out.err
            calm = model_of(home, out.last["job"])
            assert out.last["history"]["acc"][-1] > 0.85, out.last["history"]
            for document in (servers.document(out.last["job"]), *servers.parts()):
                values = document["range"]["end"] - document["range"]["begin"]
                assert 0 <= document["traffic"]["pushed_per_step"] - values * per_value < 300, (code, document)
            job = begin(servers, *way)
            eventually(lambda: servers.document(job)["epoch"] >= 2, 60)
            servers.restart(servers.all[whom])
            eventually(lambda: servers.document(job)["epoch"] >= 5, 60)
            running = [p["pid"] for p in servers.document(job)["partitions"] if p.get("pid")]
            if running:
                os.kill(running[-1], signal.SIGKILL)
            done = servers.wait(job)
            assert done["state"] == "done", done
            assert model_of(home, job) == calm, (code, frequency)
            servers.nothing_is_left()


def asynchronous_what_was_not_sent_comes_later(s):
    """Each server counts each update once, also what it lost; the remainders are each server's own."""
    for code, pushed, pulled in (("topk", 0.3, 2.8), ("int8", 1.1, 4.1)):
        way = [*WAY, "--compress", code]
        done, parts = killed(s, "asynchronous", 1, way, 200)
        assert [d["version"] for d in (done, *parts)] == [12 * 2 * 63] * 3, (done["version"], parts)
        assert done["history"]["acc"][-1] > 0.9, done["history"]["acc"]
        for document in (done, parts[1]):
            values = document["range"]["end"] - document["range"]["begin"]
            assert document["traffic"]["pushed_per_step"] < pushed * values, (code, document["traffic"])
            assert document["traffic"]["pulled_per_step"] < pulled * values, (code, document["traffic"])


def a_worker_that_is_killed_is_no_loss(s):
    with System(s.bin) as home, Servers(home, 2) as servers:
        values = alone(home, *WAY)[0]
        job = begin(servers, *WAY)
        for n in (100, 300):
            eventually(lambda: servers.document(job).get("version", 0) >= n, 60)
            os.kill(servers.document(job)["partitions"][1]["pid"], signal.SIGKILL)
        done = servers.wait(job)
        assert done["state"] == "done", done
        assert model_of(home, job) == values


def cancelling_ends_it_everywhere(s):
    with System(s.bin) as home, Servers(home, 3) as servers:
        job = begin(servers, *SLOW)
        eventually(lambda: servers.document(job).get("version", 0) > 20, 60)
        status, body = home.request("GET", f"/v1/jobs/{job}/model")
        assert status == 409 and b"put together at the end" in body, (status, body)
        assert home.submit("cancel", job).status == 0
        servers.nothing_is_left()
        assert [p["state"] for p in servers.parts()] == ["cancelled"] * 2, servers.parts()


def the_end_of_one_server_is_the_end_of_all(s):
    with System(s.bin) as home, Servers(home, 3) as servers:
        job = begin(servers, *SLOW)
        eventually(lambda: servers.document(job).get("version", 0) > 20, 60)
        victim = servers.others[1]
        assert victim.submit("cancel", servers.parts()[1]["id"]).status == 0
        done = servers.wait(job)
        assert done["state"] == "failed" and victim.url in done["error"], done
        servers.nothing_is_left()


class Parts:
    """Parts of trainings on one daemon, with nobody behind them."""

    def __init__(self, s):
        self.s = s
        answer = td.ask(s, "POST", "/v1/models", td.model_bytes(s), content_type=PROTOBUF)[2]
        self.model = json.loads(answer)["model"]

    def make(self):
        body = json.dumps({"kind": "shard", "model": self.model, "workers": 2, "shard": {"begin": 1, "end": SMALL},
                           "training": {"seed": 1, "epochs": 3, "mode": "asynchronous"}}).encode()
        status, answer = self.s.request("POST", "/v1/jobs", body, "application/json")
        assert status == 201, answer
        job = json.loads(answer)["id"]
        eventually(lambda: self.document(job)["state"] == "running")
        return job

    def joined(self):
        job = self.make()
        assert decode(self.post(job, "partitions", join(job))).get(2, 0) == 0
        return job

    def post(self, job, what, body):
        status, answer = self.s.request("POST", f"/v1/jobs/{job}/{what}", body, PROTOBUF)
        assert status == 200, (status, answer)
        return answer

    def document(self, job):
        return self.s.get_json(f"/v1/jobs/{job}")

    def forgotten(self, job, after, within):
        """Whether it has ended of silence, that long after now."""
        began = time.monotonic()
        eventually(lambda: self.document(job)["state"] == "failed", within)
        document = self.document(job)
        assert time.monotonic() - began > after, (time.monotonic() - began, document)
        assert document["code"] == "timeout" and "nothing was heard" in document["error"], document
        assert "--shard-timeout" in document["error"], document


def parts_that_nobody_speaks_of_are_forgotten(s):
    """After the timeout; 24 times as long where no worker has come yet."""
    s.daemon("--shard-timeout", 1)
    parts = Parts(s)
    lonely = parts.make()
    began = time.monotonic()
    parts.forgotten(parts.joined(), 0.7, 6)
    # a worker that waits is there, however long
    waited = parts.joined()
    waiter = threading.Thread(target=s.request,
                              args=("GET", f"/v1/jobs/{waited}/parameters?finished=1&begin=0&end=1&wait=6"))
    waiter.start()
    # so is one that is at work on a long step
    told = parts.joined()
    for _ in range(10):
        time.sleep(0.3)
        parts.post(told, "results", result(told, progress=True))
        assert parts.document(told)["state"] == "running"
        assert parts.document(waited)["state"] == "running"
    parts.forgotten(told, 0.7, 6)
    waiter.join()
    parts.forgotten(waited, 0.5, 6)
    assert parts.document(lonely)["state"] == "running"
    left = 24 - (time.monotonic() - began)
    parts.forgotten(lonely, left - 2, left + 10)


def parts_of_a_server_that_is_gone_for_good_are_forgotten(s):
    with System(s.bin) as home, Servers(home, 3, "--shard-timeout", 2) as servers:
        job = begin(servers, *SLOW)
        eventually(lambda: servers.document(job).get("version", 0) > 20, 60)
        home.kill()
        eventually(lambda: [p["state"] for p in servers.parts()] == ["failed"] * 2, 20)
        assert all(p["code"] == "timeout" for p in servers.parts()), servers.parts()


def a_step_may_take_longer_than_that(s):
    with System(s.bin) as home, Servers(home, 2, "--shard-timeout", 2) as servers:
        more = ["--data", f"{DATA}/mnist5k_train.csv.gz"] * 19
        out = home.submit("train", "--model", f"{DATA}/mnist_cnn.keras", *ROWS, *more, "--workers", 1,
                          "--batch-size", 2, "--json", "--output", home.path("m.keras"), *servers.options())
        assert out.status == 0, out.err
        seconds = servers.document(out.last["job"])["seconds"]
        assert seconds > 3, f"the step took {seconds} s only: that proves nothing"


def what_cannot_be_spread_is_refused(s):
    with System(s.bin) as home, Servers(home, 2) as servers:
        where = ["--workers", 2, "--output", home.path("m.keras")]
        other = servers.others[0].url
        clip = json.dumps({"class_name": "SGD", "config": {"clipnorm": 1.0}})
        cases = [
            (["--shards", 3, "--shard-servers", other], ["--shards 3", "names 1"]),
            (["--shards", 3, "--shard-servers", f"{other},{other}"], [other, "already"]),
            (["--shards", 2, "--shard-servers", home.url], [home.url, "already"]),
            (["--shards", 2], ["names 0"]),
            (["--shard-servers", other], ["--shards"]),
            (["--shards", 2, "--shard-servers", "http://127.0.0.1:9"], ["127.0.0.1:9"]),
            (["--shards", 2, "--shard-servers", "nonsense://x"], ["nonsense"]),
            (["--shards", 2, "--shard-servers", other, "--compress", "topk"], ["compress topk", "synchronous"]),
            (["--shards", 2, "--shard-servers", other, "--http-port", 0], ["--http-port"]),
            (["--shards", 2, "--shard-servers", other, "--frequency", "batch", "--optimizer", clip], ["norms"]),
            (["--shards", 2, "--shard-servers", other, "--frequency", "batch", "--optimizer", "lamb"], ["norms"]),
            (["--shards", 2, "--shard-servers", other, "--server-optimizer", clip], ["norms"]),
        ]
        for options, words in cases:
            out = home.submit("train", "--model", MODEL, *ROWS, "--json", *where, *options)
            assert out.status != 0, options
            for word in words:
                assert word in out.err, (options, word, out.err)
        out = home.submit("train", "--model", MODEL, *ROWS, "--output", home.path("m.keras"), *servers.options())
        assert out.status == 2 and "--workers" in out.err, out.err
        servers.nothing_is_left()
        body = json.dumps({"kind": "shard", "model": "0" * 64, "workers": 2, "training": {"seed": 1},
                           "shard": {"begin": 0, "end": 10, "version": "9.9.9"}}).encode()
        status, answer = servers.others[0].request("POST", "/v1/jobs", body, "application/json")
        assert status == 422 and b"9.9.9" in answer, (status, answer)


if __name__ == "__main__":
    run([synchronous_trainings_give_the_same_bits, asynchronous_updates_are_counted_once_on_each,
         a_server_that_is_killed_goes_on_with_the_others, the_own_server_that_is_killed_goes_on_with_the_others,
         asynchronous_a_killed_server_asks_for_what_it_lost, fewer_bytes_and_the_same_bits,
         one_worker_gets_what_it_gets_from_one_server, elastic_centres_are_moved_once_by_each_step,
         elastic_a_killed_server_asks_for_what_it_lost,
         asynchronous_what_was_not_sent_comes_later, a_worker_that_is_killed_is_no_loss,
         cancelling_ends_it_everywhere, the_end_of_one_server_is_the_end_of_all,
         parts_that_nobody_speaks_of_are_forgotten, parts_of_a_server_that_is_gone_for_good_are_forgotten,
         a_step_may_take_longer_than_that, what_cannot_be_spread_is_refused])
