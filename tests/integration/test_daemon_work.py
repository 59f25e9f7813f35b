#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What workers say to elephasd, said by hand: the messages of PROTOCOL section
5, those that a good worker sends and those that none should.

The workers that the daemon starts itself do nothing here but wait."""
import array
import json
import os
import struct
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from elephas_client import Http as ElephasHttp  # noqa: E402
from system import DATA, run, varint  # noqa: E402
import test_daemon as td  # noqa: E402

PROTOBUF = "application/x-protobuf"
PARAMETERS = 10 * 64 + 64 + 64 * 64 + 64 + 64 + 1


# ---- messages --------------------------------------------------------------

def number(value):
    out = b""
    while value >= 128:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(tag, value):
    """One field: an int, bytes, text, or floats (packed doubles)."""
    if isinstance(value, int):
        return number(tag << 3) + number(value) if value else b""
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, (list, tuple)):
        value = struct.pack(f"<{len(value)}d", *value)
    return number(tag << 3 | 2) + number(len(value)) + value


def metric(name, values):
    return field(1, name) + field(2, values)


GOOD_METRICS = [metric("loss", [10.0, 5.0]), metric("mae", [5.0, 5.0])]


def join(job, partition=0, attempt=0, samples=5, validation=0):
    return (field(1, job) + field(2, partition) + field(3, attempt) + field(5, samples) + field(6, validation) +
            field(7, "by hand") + field(8, 4711))


def update(job, partition=0, attempt=0, step=0, base=0, kind=1, values=None, samples=5, metrics=None, end=None):
    values = array.array("f", values if values is not None else [0.001] * PARAMETERS)
    count = len(values) if end is None else end
    return (field(1, job) + field(2, partition) + field(3, attempt) + field(5, step) + field(6, base) + field(7, kind) +
            field(8, field(2, count)) + field(9, samples) + field(10, 1) +
            b"".join(field(12, m) for m in (GOOD_METRICS if metrics is None else metrics)) +
            field(100, values.tobytes()))


def result(job, partition=0, epoch=0, samples=5, metrics=None, progress=False):
    return (field(1, job) + field(2, partition) + field(5, epoch) + field(6, samples) +
            b"".join(field(7, m) for m in (GOOD_METRICS if metrics is None else metrics)) + field(8, int(progress)))


def decode(message):
    """Fields by number; the last of each."""
    out, at = {}, 0
    while at < len(message):
        tag, at = varint(message, at)
        if tag & 7 == 0:
            out[tag >> 3], at = varint(message, at)
        elif tag & 7 == 1:
            out[tag >> 3] = struct.unpack("<d", message[at:at + 8])[0]
            at += 8
        else:
            size, at = varint(message, at)
            out[tag >> 3] = message[at:at + size]
            at += size
    return out


APPLIED, DUPLICATE, SUPERSEDED, STOP = 1, 2, 3, 4


# ---- a job whose workers we are ---------------------------------------------

class Hand:
    """A training job with idle workers, and a way to speak for them."""

    def __init__(self, s, workers=1, **training):
        self.s = s
        s.daemon("--workers-dir", td.fake_worker(s, "exec sleep 100\n"))
        status, _, answer = td.ask(s, "POST", "/v1/models", td.model_bytes(s), content_type=PROTOBUF)
        assert status in (200, 201), answer
        self.model = json.loads(answer)["model"]
        body = td.request(self.model, workers=workers, training={"epochs": 2, **training})
        self.job = td.make_job(s, body)["id"]
        td.until(lambda: td.document(s, self.job)["state"] == "starting")

    def post(self, what, body):
        return td.ask(self.s, "POST", f"/v1/jobs/{self.job}/{what}", body, content_type=PROTOBUF)

    def said(self, what, body):
        status, headers, answer = self.post(what, body)
        assert status == 200 and headers["Content-Type"] == PROTOBUF, (status, answer)
        return decode(answer)

    def get(self, query="", **headers):
        return td.ask(self.s, "GET", f"/v1/jobs/{self.job}/parameters{query}", headers=headers)


def task_and_join(s):
    h = Hand(s, workers=2, batch_size=7, seed=3, frequency="batch")
    status, headers, answer = td.ask(s, "GET", f"/v1/jobs/{h.job}/task")
    task = decode(answer)
    assert status == 200 and headers["Content-Type"] == PROTOBUF
    assert task[1].decode() == h.job and task[2] == 1 and task[4].decode() == h.model and task[5] == 2, task
    assert task[7] == 2 and task[8] == 2 and task[9] == 7 and task[10] == 3 and task[11] == 1, task
    data = decode(task[3])
    assert data[1] == b"csv" and data[2] == b"target" and data[5] == 1.0, data
    assert td.document(s, h.job)["state"] == "starting"
    assert h.said("partitions", join(h.job, 0)).get(2, 0) == 0
    document = td.document(s, h.job)
    assert document["state"] == "running", document
    shown = document["partitions"][0]
    assert shown["host"] == "by hand" and shown["samples"] == 5 and shown["state"] == "running", shown
    assert document["partitions"][1]["state"] == "starting", document
    td.refused(h.post("partitions", join(h.job, 2)), 400, "invalid", "partition 2")
    td.refused(h.post("partitions", join(h.job, 0, attempt=1, samples=6)), 400, "invalid", "6 rows", "5")
    td.refused(h.post("partitions", join("jother", 0)), 400, "invalid", "jother", h.job)
    td.refused(h.post("partitions", b"\x0a\xff"), 400, "proto")
    td.refused(h.post("partitions", b"x" * (5 << 20)), 413, "limit", "4194304")
    td.refused(h.post("results", result(h.job, 1)), 409, "state", "partition 1")
    td.refused(h.post("updates", update(h.job, 1, kind=2)), 409, "state", "partition 1")


def parameters(s):
    h = Hand(s)
    h.said("partitions", join(h.job))
    status, headers, answer = h.get()
    got = decode(answer)
    assert status == 200 and headers["ETag"] == '"0"' and len(got[100]) == 4 * PARAMETERS, headers
    assert got[1].decode() == h.job and decode(got[3]) == {2: PARAMETERS}, got[3]
    total = got[4]
    assert total % PARAMETERS == 0
    whole = decode(h.get("?state=1")[2])
    assert len(whole[100]) == 4 * total and whole[100][:4 * PARAMETERS] == got[100]
    part = decode(h.get("?begin=10&end=20")[2])
    assert part[100] == got[100][40:80] and decode(part[3]) == {1: 10, 2: 20}
    td.refused(h.get("?begin=20&end=10"), 400, "invalid", "begin")
    td.refused(h.get(f"?begin=0&end={total + 1}"), 400, "invalid", str(total))
    td.refused(h.get("?begin=0"), 400, "invalid", "end")
    td.refused(h.get("?step=x"), 400, "invalid", "step")
    td.refused(h.get("?partition=99999999999&step=0"), 400, "invalid", "partition")
    status, headers, answer = h.get("", **{"If-None-Match": '"0"'})
    assert (status, answer) == (304, b"") and headers["ETag"] == '"0"', (status, headers)
    assert h.get("", **{"If-None-Match": '"1"'})[0] == 200
    # what is not there yet is waited for, but not for ever
    assert h.get("?partition=0&step=1")[0] == 204
    began = time.monotonic()
    assert h.get("?partition=0&step=1&wait=1")[0] == 204
    assert 0.9 < time.monotonic() - began < 3
    assert h.get("?partition=0&step=2&wait=1")[0] == 410
    assert h.get("?epoch=3")[0] == 410


def rounds(s):
    h = Hand(s, workers=2)
    state = decode(h.get("?state=1")[2])
    total = state[4]
    before = array.array("f", state[100])
    h.said("partitions", join(h.job, 0, samples=10))
    h.said("partitions", join(h.job, 1, samples=30))
    woken = []

    def wait(query):
        status, headers, _ = h.get(query)
        woken.append((query, status, headers.get("ETag")))

    threads = [threading.Thread(target=wait, args=(query,)) for query in
               ("?partition=0&step=1&wait=20", "?partition=1&step=1&wait=20&state=1", "?epoch=1&wait=20")]
    for thread in threads:
        thread.start()
    # a gradient is no delta, a part is not all, old is not new, NaN is nothing
    ones = [1.0] * total
    td.refused(h.post("updates", update(h.job, values=ones, samples=10, kind=2)), 400, "invalid", "delta")
    td.refused(h.post("updates", update(h.job, values=ones, samples=10, kind=0)), 400, "invalid", "kind")
    td.refused(h.post("updates", update(h.job, values=ones[1:], samples=10)), 400, "invalid", "range")
    td.refused(h.post("updates", update(h.job, values=ones, samples=10, end=total + 1)), 400, "invalid", "range")
    td.refused(h.post("updates", update(h.job, values=ones, samples=10, base=1)), 409, "state", "version")
    td.refused(h.post("updates", update(h.job, values=ones, samples=10, step=1)), 409, "state", "step")
    td.refused(h.post("updates", update(h.job, values=ones, samples=11)), 400, "invalid", "rows")
    bad = list(ones)
    bad[640] = float("nan")
    td.refused(h.post("updates", update(h.job, values=bad, samples=10)), 400, "diverged", "not a number", "bias")
    bad[640] = float("-inf")
    td.refused(h.post("updates", update(h.job, values=bad, samples=10)), 400, "diverged", "infinite", "bias")
    for metrics, word in (([], "metrics"), ([GOOD_METRICS[0]], "mae"), (GOOD_METRICS + [metric("acc", [1.0])], "acc"),
                          (GOOD_METRICS + [GOOD_METRICS[0]], "twice"), ([metric("loss", [1.0]), GOOD_METRICS[1]], "loss")):
        td.refused(h.post("updates", update(h.job, values=ones, samples=10, metrics=metrics)), 400, "invalid", word)
    metrics = [metric("loss", [float("nan"), 1.0]), GOOD_METRICS[1]]
    td.refused(h.post("updates", update(h.job, values=ones, samples=10, metrics=metrics)), 400, "diverged", "loss")
    td.refused(h.post("updates", update("jother", values=ones, samples=10)), 400, "invalid", "jother")
    td.refused(h.post("updates", update(h.job, values=ones, samples=10)[:-2]), 400, "proto")
    assert td.document(s, h.job)["version"] == 0 and not woken
    metrics = td.ask(s, "GET", "/metrics")[2].decode()
    assert 'elephasd_updates_total{result="refused"} ' in metrics and 'result="applied"} 0' in metrics, metrics
    # a good one, twice; then that of the other partition closes the round
    reply = h.said("updates", update(h.job, 0, values=ones, samples=10))
    assert reply[1] == APPLIED and reply[3] == 1 and reply.get(2, 0) == 0, reply
    reply = h.said("updates", update(h.job, 0, values=[2.0] * total, samples=10))
    assert reply[1] == DUPLICATE and reply[3] == 1, reply
    assert not woken
    reply = h.said("updates", update(h.job, 1, values=[3.0] * total, samples=30))
    assert reply[1] == APPLIED and reply[2] == 1, reply
    for thread in threads:
        thread.join(5)
    assert sorted(woken) == sorted([("?partition=0&step=1&wait=20", 200, '"1"'),
                                    ("?partition=1&step=1&wait=20&state=1", 200, '"1"'),
                                    ("?epoch=1&wait=20", 200, '"1"')]), woken
    after = array.array("f", decode(h.get("?state=1")[2])[100])
    worst = max(abs(b - a - 2.5) for a, b in zip(after, before))  # (10 * 1 + 30 * 3) / 40
    assert worst < 1e-5, worst
    document = td.document(s, h.job)
    assert document["epoch"] == 1 and document["history"]["loss"] == [2.0], document["history"]
    # a newer attempt, and what becomes of the older one
    assignment = h.said("partitions", join(h.job, 0, attempt=1, samples=10))
    assert assignment[2] == 1 and 1 not in assignment, assignment
    assignment = h.said("partitions", join(h.job, 0, attempt=0, samples=10))
    assert assignment[1] == 1 and b"newer" in assignment[4], assignment
    assert h.said("updates", update(h.job, 0, step=0, values=ones, samples=10))[1] == SUPERSEDED
    # the last round, and the end
    for partition, samples in ((0, 10), (1, 30)):
        reply = h.said("updates", update(h.job, partition, attempt=1, step=1, base=1, values=ones, samples=samples))
        assert reply[1] == APPLIED, reply
    assert h.get("?partition=0&step=2&wait=1")[0] == 410
    # the workers that sleep are ended, and the job is done
    done = td.finish(s, h.job)
    assert done["epoch"] == 2 and done["version"] == 2, done
    assert h.said("updates", update(h.job, values=ones, samples=10))[1] == STOP
    assert h.said("results", result(h.job))[1] == STOP
    assert h.said("partitions", join(h.job, 0, attempt=2))[1] == 1
    td.refused(td.ask(s, "GET", f"/v1/jobs/{h.job}/task"), 410, "state")


def progress_is_shown(s):
    h = Hand(s, workers=2)
    h.said("partitions", join(h.job, 0, samples=10))
    h.said("partitions", join(h.job, 1, samples=30))
    seen = []

    def watch():
        for line in follow:
            if line.startswith(b"data: ") and b'"progress"' in line:
                seen.append((last_id[0], json.loads(line[6:])))
            if line.startswith(b"id: "):
                last_id[0] = int(line[4:])

    last_id = [0]
    with open(os.path.join(s.state, "token"), encoding="utf-8") as f:
        headers = {"Authorization": "Bearer " + f.read().strip()}
    follow = urllib.request.urlopen(urllib.request.Request(f"{s.url}/v1/jobs/{h.job}/events", headers=headers),
                                    timeout=30)
    thread = threading.Thread(target=watch)
    thread.start()
    time.sleep(0.3)
    assert h.said("results", result(h.job, 0, samples=4, progress=True))[1] == APPLIED
    time.sleep(0.3)
    assert h.said("results", result(h.job, 1, samples=16, progress=True))[1] == APPLIED
    td.until(lambda: len(seen) >= 2)
    assert [event["done"] for _, event in seen] == [4, 20], seen
    last = seen[-1][1]
    assert last["samples"] == 40 and last["epoch"] == 1 and last["epochs"] == 2 and last["metrics"]["loss"] == 2.0, last
    assert [p["done"] for p in td.document(s, h.job)["partitions"]] == [4, 16]
    td.refused(h.post("results", result(h.job, 5, progress=True)), 409, "state")
    assert td.ask(s, "DELETE", f"/v1/jobs/{h.job}")[0] == 202
    thread.join(10)
    assert not thread.is_alive()
    # nobody who comes later sees them
    assert not [e for _, e in td.events_of(s, h.job) if e["event"] == "progress"]


def validation_holds_the_next_epoch_up(s):
    h = Hand(s)
    td.ask(s, "DELETE", f"/v1/jobs/{h.job}")
    body = td.request(h.model, workers=1, training={"epochs": 2}, validation={"split": 0.5})
    h.job = td.make_job(s, body)["id"]
    td.until(lambda: td.document(s, h.job)["state"] == "starting")
    total = decode(h.get()[2])[4]
    assignment = h.said("partitions", join(h.job, samples=5, validation=3))
    assert assignment.get(2, 0) == 0 and assignment.get(3, 0) == 0, assignment
    assert h.said("updates", update(h.job, values=[0.1] * total))[1] == APPLIED
    assert td.document(s, h.job)["epoch"] == 0  # not before it was validated
    assert h.get("?epoch=1&wait=5")[0] == 200
    assert h.said("updates", update(h.job, step=1, base=1, values=[0.1] * total))[1] == APPLIED
    assert h.get("?epoch=2")[0] == 204
    td.refused(h.post("results", result(h.job, epoch=1)), 409, "state", "epoch")
    td.refused(h.post("results", result(h.job, metrics=[])), 400, "invalid", "metrics")
    assert h.said("results", result(h.job, epoch=0, samples=3))[1] == APPLIED
    assert h.said("results", result(h.job, epoch=0, samples=3))[1] == DUPLICATE
    td.until(lambda: td.document(s, h.job)["epoch"] == 1)
    assert h.get("?epoch=2&wait=5")[0] == 200
    assert h.said("results", result(h.job, epoch=1, samples=3))[1] == APPLIED
    done = td.finish(s, h.job)
    assert done["history"] == {"loss": [2.0, 2.0], "mae": [1.0, 1.0], "val_loss": [2.0, 2.0], "val_mae": [1.0, 1.0]}, done


def evaluation(s):
    h = Hand(s)
    body = {"kind": "evaluate", "model": h.model, "workers": 2, "data": {"source": [td.CSV], "label": ["target"]}}
    h.job = td.make_job(s, body)["id"]
    td.until(lambda: td.document(s, h.job)["state"] == "starting")
    assert decode(td.ask(s, "GET", f"/v1/jobs/{h.job}/task")[2])[2] == 2
    assert td.document(s, h.job)["state"] == "running"
    td.refused(h.post("partitions", join(h.job)), 409, "state", "training")
    td.refused(h.post("updates", update(h.job)), 409, "state", "training")
    stored = decode(h.get()[2])
    assert len(stored[100]) == 4 * PARAMETERS
    whole = decode(h.get("?state=1")[2])
    assert whole[4] == stored[4] > PARAMETERS and len(whole[100]) == 4 * whole[4], (whole[4], stored[4])
    assert whole[100][:4 * PARAMETERS] == stored[100]
    for begin, end in ((3, 9), (PARAMETERS - 2, PARAMETERS + 2), (PARAMETERS + 1, whole[4])):
        got = decode(h.get(f"?begin={begin}&end={end}")[2])
        assert got[100] == whole[100][4 * begin:4 * end] and decode(got[3]) == {1: begin, 2: end}, got[3]
    td.refused(h.get(f"?begin=3&end={whole[4] + 1}"), 400, "invalid", str(whole[4]))
    td.refused(h.post("results", result(h.job, 2)), 400, "invalid", "partition 2")
    td.refused(h.post("results", result(h.job, 0, metrics=[])), 400, "invalid", "metrics")
    td.refused(h.post("results", result(h.job, 0, metrics=[metric("loss", [float("inf"), 1.0]), GOOD_METRICS[1]])),
               400, "invalid", "loss")
    assert h.said("results", result(h.job, 1, samples=5))[1] == APPLIED
    assert h.said("results", result(h.job, 1, samples=99))[1] == DUPLICATE
    assert h.said("results", result(h.job, 0, samples=5, metrics=[metric("loss", [30.0, 5.0]),
                                                                  metric("mae", [15.0, 5.0])]))[1] == APPLIED
    done = td.finish(s, h.job)
    assert done["metrics"] == {"loss": 4.0, "mae": 2.0} and done["samples"] == 10, done


def a_training_that_breaks(s):
    """Values that are finite one by one and not together end the job."""
    h = Hand(s)
    total = decode(h.get()[2])[4]
    h.said("partitions", join(h.job))
    huge = [3.4e38] * total
    first = h.post("updates", update(h.job, values=huge))
    if first[0] == 200:
        second = h.post("updates", update(h.job, step=1, base=1, values=huge))
        td.refused(second, 400, "diverged", "diverges")
        failed = td.finish(s, h.job, "failed")
        assert failed["code"] == "diverged" and "diverges" in failed["error"], failed
    else:
        td.refused(first, 400, "diverged", "diverges")


def data_without_rows(s):
    h = Hand(s)
    td.refused(h.post("partitions", join(h.job, samples=0)), 400, "invalid", "row")
    assert td.document(s, h.job)["state"] == "starting"


def equal_versions_of_other_values(s):
    """A version that a killed daemon has lost comes again, with what others push: another ETag."""
    h = Hand(s, mode="asynchronous")
    h.said("partitions", join(h.job))
    assert h.said("updates", update(h.job, values=[0.5] * PARAMETERS))[2] == 1
    status, headers, first = h.get()
    assert status == 200 and headers["ETag"] == '"1"' and h.get(**{"If-None-Match": '"1"'})[0] == 304
    s.kill()
    s.daemon("--workers-dir", s.path("fake"))
    td.until(lambda: td.document(s, h.job)["state"] == "starting")
    again = h.said("partitions", join(h.job, attempt=100)).get(2, 0)
    if again == 0:  # else it was in a snapshot
        h.said("updates", update(h.job, attempt=100, values=[-0.5] * PARAMETERS))
    status, headers, second = h.get(**{"If-None-Match": '"1"'})
    assert status == 200 and decode(second)[2] == 1 and headers["ETag"] != '"1"', (status, headers)
    assert again != 0 or decode(second)[100] != decode(first)[100]
    etag = headers["ETag"]
    assert h.get(**{"If-None-Match": etag})[0] == 304
    # what is left of it
    assert td.ask(s, "DELETE", f"/v1/jobs/{h.job}")[0] == 202
    status, headers, answer = h.get(**{"If-None-Match": f'"1", {etag}'})
    assert status == 200 and decode(answer)[100] == decode(second)[100], status
    assert h.get(**{"If-None-Match": headers["ETag"]})[0] == 304


def averages_at_the_end(s):
    """With use_ema the last version's values become others."""
    s.daemon()
    out = s.submit("train", "--model", f"{DATA}/diabetes_mlp.keras", "--data", f"{DATA}/diabetes.csv", "--label", "target",
                   "--optimizer", json.dumps({"class_name": "SGD", "config": {"learning_rate": 1e-6, "use_ema": True}}),
                   "--epochs", 2, "--workers", 1, "--json", "--output", s.path("o.keras"))
    assert out.status == 0, out.err
    path = f"/v1/jobs/{out.last['job']}/parameters"
    status, headers, answer = td.ask(s, "GET", path, headers={"If-None-Match": '"2"'})
    assert status == 200 and decode(answer)[2] == 2 and headers["ETag"] != '"2"', (status, headers)
    assert td.ask(s, "GET", path, headers={"If-None-Match": headers["ETag"]})[0] == 304


def parameters_of_a_server(s):
    """As they are now, not as they came."""
    s.daemon()
    model = json.loads(td.ask(s, "POST", "/v1/models", td.model_bytes(s), content_type=PROTOBUF)[2])["model"]
    for mode in ("asynchronous", "hogwild"):
        job = td.make_job(s, {"kind": "serve", "model": model, "serve": {"mode": mode, "http_port": 0}})["id"]
        td.until(lambda: td.document(s, job)["state"] == "running")
        client = ElephasHttp(td.document(s, job)["http"])

        def get(query="", **headers):
            status, headers, answer = td.ask(s, "GET", f"/v1/jobs/{job}/parameters{query}", headers=headers)
            return status, headers.get("ETag"), decode(answer) if status == 200 else answer

        def weights():
            return b"".join(data for _, _, data in client.get())

        seen = []
        for version in range(3):
            status, etag, got = get()
            assert status == 200 and got[1].decode() == job and got.get(2, 0) == version and got[4] >= PARAMETERS, got
            assert etag == (None if mode == "hogwild" else f'"{version}"'), etag
            assert got[100] == weights() and got[100] not in seen
            seen.append(got[100])
            assert get("?begin=64&end=80")[2][100] == got[100][256:320]
            assert get("?state=1")[2][100][:4 * PARAMETERS] == got[100]
            for known in ('"0"', f'"{version}"'):
                status, etag, answer = get(**{"If-None-Match": known})
                assert status == (304 if etag == known else 200), (known, etag, status)
            client.update([(shape, dtype, array.array("f", [0.25] * (len(data) // 4)).tobytes())
                           for shape, dtype, data in client.get()])
        td.refused(td.ask(s, "GET", f"/v1/jobs/{job}/parameters?begin=9&end={1 << 40}"), 400, "invalid", "the state has")
        td.refused(td.ask(s, "GET", f"/v1/jobs/{job}/parameters?epoch=1"), 409, "state", "parameter server")
        last = weights()
        assert td.ask(s, "POST", f"/v1/jobs/{job}/stop")[0] == 202
        td.until(lambda: td.document(s, job)["state"] == "done")
        status, etag, got = get()
        assert etag == '"3"' and got[2] == 3 and got[100] == last, (etag, got)


def back_in_the_queue(s):
    """Whose parameters are those that it began with: version 0, whatever its document says."""
    h = Hand(s, mode="asynchronous")
    first = decode(h.get()[2])[100]
    jobs = [h.job, td.make_job(s, td.request(h.model, workers=1, training={"epochs": 2, "mode": "asynchronous"}))["id"]]
    td.until(lambda: td.document(s, jobs[1])["state"] == "starting")
    for h.job in jobs:
        h.said("partitions", join(h.job))
        assert h.said("updates", update(h.job, values=[0.5] * PARAMETERS))[2] == 1
    assert decode(h.get()[2])[100] != first
    assert s.stop() == 0
    s.daemon("--workers-dir", s.path("fake"), "--max-jobs", 1)
    got = td.document(s, jobs[1])
    assert got["state"] == "queued" and got["version"] == 1, got
    status, headers, answer = h.get()
    got = decode(answer)
    assert status == 200 and got.get(2, 0) == 0 and got[100] == first and "ETag" not in headers, (got.get(2), headers)


if __name__ == "__main__":
    only = sys.argv[2:]
    run([td.to_the_end(t) for t in [task_and_join, parameters, rounds, progress_is_shown,
                                    validation_holds_the_next_epoch_up, evaluation, a_training_that_breaks,
                                    data_without_rows, back_in_the_queue, equal_versions_of_other_values,
                                    averages_at_the_end, parameters_of_a_server] if not only or t.__name__ in only])
