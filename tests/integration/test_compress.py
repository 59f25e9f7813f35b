#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Less on the wire: updates in fewer bytes, said by hand and by the real
workers. What each encoding reaches over more seeds is in
docs/PARAMETER_SERVER.md, made by tests/bench/compress.py."""
import array
import json
import os
import signal
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from averaging import COLUMNS, one_run  # noqa: E402
from system import DATA, run, varint  # noqa: E402
import test_averaging as ta  # noqa: E402
import test_daemon as td  # noqa: E402
from test_daemon_work import APPLIED, DUPLICATE, GOOD_METRICS, PARAMETERS, Hand, decode, field, join, update  # noqa: E402

FP16, INT8, TOPK = 1, 3, 4
SAMPLE = ["--model", f"{DATA}/mnist_mlp.keras", "--data", f"{DATA}/mnist5k_test.csv.gz", *COLUMNS, "--batch-size", 64,
          "--seed", 3]


# ---- by hand -----------------------------------------------------------------

def encoded(job, encoding, payload, step=0, base=0, end=PARAMETERS):
    """An update whose values are these bytes."""
    return (field(1, job) + field(5, step) + field(6, base) + field(7, 1) + field(8, field(2, end)) + field(9, 5) +
            field(10, 1) + b"".join(field(12, m) for m in GOOD_METRICS) + field(14, encoding) + field(100, payload))


def padded(data):
    return data + bytes(-len(data) % 4)


def topk(pairs):
    """Indices and values, as common/codec.h has them."""
    gaps, at = b"", 0
    for index, _ in pairs:
        gap, at = index - at, index + 1
        while gap > 127:
            gaps, gap = gaps + bytes([gap & 127 | 128]), gap >> 7
        gaps += bytes([gap])
    return (struct.pack("<II", len(pairs), len(gaps)) + padded(gaps) + b"".join(struct.pack("<f", v) for _, v in pairs))


def int8(scale, value):
    out, left = b"", PARAMETERS
    while left:
        n = min(left, 1024)
        out, left = out + struct.pack("<f", scale) + padded(bytes([value & 255]) * n), left - n
    return out


def weights(h):
    return array.array("f", decode(h.get()[2])[100])


def topk_by_hand(s):
    h = Hand(s, mode="asynchronous", compress="topk:0.25")
    task = decode(td.ask(s, "GET", f"/v1/jobs/{h.job}/task")[2])
    assert task[16] == TOPK and task[17] == 0.25, task
    h.said("partitions", join(h.job))
    before = weights(h)
    good = topk([(3, 0.5), (700, -0.25), (PARAMETERS - 1, 1.0)])

    def refused(payload, *words, encoding=TOPK, code="proto", end=PARAMETERS):
        td.refused(h.post("updates", encoded(h.job, encoding, payload, end=end)), 400, code, *words)

    refused(good[:-4], "topk")
    refused(good + bytes(4), "topk", "4 bytes follow")
    refused(topk([(3, 0.5), (PARAMETERS, 1.0)]), "index 1 of 2 is past the last")
    refused(struct.pack("<II", 3, 1) + b"\3\0\0\0" + bytes(12), "index 1 of 3 is cut off")  # one index, three values
    refused(struct.pack("<II", 1 << 31, 8) + bytes(16), "2147483648 values")
    refused(struct.pack("<II", 1, 0xfffffff0) + bytes(16), "4294967280 bytes of indices")
    refused(topk([(3, float("nan"))]), "kernel, element 3", "not a number", code="diverged")
    refused(topk([(3, float("inf"))]), "kernel, element 3", "infinite", code="diverged")
    refused(good, "range", "0 to %d" % PARAMETERS, code="invalid", end=PARAMETERS + 1)
    refused(good, "range", code="invalid", end=1 << 60)
    refused(int8(0.5, 1), "encoding: int8 came, topk or float32 is wanted", encoding=INT8, code="invalid")
    refused(good, "encoding: an unknown one", encoding=9, code="invalid")
    assert weights(h) == before and td.document(s, h.job)["version"] == 0
    metrics = td.ask(s, "GET", "/metrics")[2].decode()
    assert 'elephasd_updates_total{result="refused"} 12\n' in metrics, metrics
    # counted once
    assert h.said("updates", encoded(h.job, TOPK, good))[1] == APPLIED
    assert h.said("updates", encoded(h.job, TOPK, good))[1] == DUPLICATE
    after = weights(h)
    changed = {i: b - a for i, (a, b) in enumerate(zip(after, before)) if a != b}
    assert sorted(changed) == [3, 700, PARAMETERS - 1], changed
    assert abs(changed[3] - 0.5) < 1e-6 and abs(changed[700] + 0.25) < 1e-6, changed
    # a worker that does not know encodings
    assert h.said("updates", update(h.job, step=1, base=1))[1] == APPLIED


def int8_by_hand(s):
    """Also: slots of the optimizer are not rounded, they follow as float32."""
    h = Hand(s, compress="int8")
    h.said("partitions", join(h.job))
    state = decode(h.get("?state=1")[2])
    before, total = array.array("f", state[100]), state[4]
    slots = array.array("f", [0.125] * (total - PARAMETERS)).tobytes()
    for scale, value, words in ((float("nan"), 1, ["scale"]), (float("inf"), 1, ["scale"]), (-1, 1, ["scale"]),
                                (1, -128, ["-128"])):
        td.refused(h.post("updates", encoded(h.job, INT8, int8(scale, value) + slots, end=total)), 400, "proto", "int8", *words)
    td.refused(h.post("updates", encoded(h.job, INT8, int8(1, 1), end=total)), 400, "proto", "follow the weights")
    assert h.said("updates", encoded(h.job, INT8, int8(0.5, -3) + slots, end=total))[1] == APPLIED
    after = array.array("f", decode(h.get("?state=1")[2])[100])
    assert max(abs(a - b - 1.5) for a, b in zip(after[:PARAMETERS], before)) < 1e-6
    assert max((abs(b - a - 0.125) for a, b in zip(after[PARAMETERS:], before[PARAMETERS:])), default=0) < 1e-6


def none_by_hand(s):
    h = Hand(s, mode="asynchronous")
    h.said("partitions", join(h.job))
    td.refused(h.post("updates", encoded(h.job, FP16, padded(bytes(2 * PARAMETERS)))), 400, "invalid",
               "encoding: fp16 came, float32 is wanted")


# ---- only what has changed ---------------------------------------------------

def ranges_of(message):
    """(begin, end) of all that field 10 has."""
    packed, at, bounds = decode(message).get(10, b""), 0, []
    while at < len(packed):
        value, at = varint(packed, at)
        bounds.append(value)
    return list(zip(bounds[::2], bounds[1::2]))


class Reader:
    """Has a version, and asks for what has changed."""

    def __init__(self, h):
        self.h = h
        got = decode(h.get()[2])
        self.lineage, self.version, self.values = got[8], got.get(2, 0), bytearray(got[100])

    def catch_up(self):
        """Returns how many values came."""
        status, headers, message = self.h.get(f"?since={self.version}&lineage={self.lineage}")
        got = decode(message)
        assert status == 200 and got[8] == self.lineage and headers["ETag"] == f'"{got.get(2, 0)}"', (status, headers)
        came, self.version = got.get(100, b""), got.get(2, 0)
        if not got.get(9):
            self.values = bytearray(came)
            return len(came) // 4
        at = 0
        for begin, end in ranges_of(message):
            self.values[4 * begin:4 * end] = came[at:at + 4 * (end - begin)]
            at += 4 * (end - begin)
        assert at == len(came)
        return at // 4


def only_what_has_changed_is_pulled(s):
    h = Hand(s, mode="asynchronous", compress="topk", epochs=50)
    h.said("partitions", join(h.job))
    early, late = Reader(h), Reader(h)
    assert early.lineage != 0 and early.version == 0
    came = []
    for step in range(20):
        pairs = [(i, 0.01 * (step + 1)) for i in ((3, 700) if step < 10 else (step, 4000))]
        assert h.said("updates", encoded(h.job, TOPK, topk(pairs), step=step, base=step))[1] == APPLIED
        came.append(early.catch_up())
        assert early.values == decode(h.get()[2])[100] and early.version == step + 1
    assert came == [128] * 20, came
    assert early.catch_up() == 0
    # two shards of each half, of which one is the same
    assert late.catch_up() == 3 * 64 and late.values == early.values
    # a part of it; a version that has not been; another daemon's; dense updates
    got = h.get(f"?since=5&lineage={late.lineage}&begin=700&end=4010")[2]
    assert ranges_of(got) == [(700, 704), (3968, 4010)] and len(decode(got)[100]) == 46 * 4
    for query in (f"since=21&lineage={late.lineage}", f"since=5&lineage={late.lineage + 1}", "since=5", "lineage=5"):
        got = decode(h.get("?" + query)[2])
        assert 9 not in got and got[100] == bytes(late.values), query
    td.refused(h.get("?since=x"), 400, "invalid", "since")
    h.said("updates", update(h.job, step=20, base=20))
    assert late.catch_up() == PARAMETERS and late.values == decode(h.get()[2])[100]
    # a daemon that was started again counts on from an older version
    s.stop(signal.SIGKILL)
    s.daemon("--workers-dir", td.fake_worker(s, "exec sleep 100\n"))
    td.until(lambda: td.document(s, h.job)["state"] == "starting")
    h.said("partitions", join(h.job, attempt=9))
    got = decode(h.get(f"?since=0&lineage={late.lineage}")[2])
    assert 9 not in got and len(got[100]) == 4 * PARAMETERS and got[8] != late.lineage


def rounds_change_everything(s):
    h = Hand(s)
    h.said("partitions", join(h.job))
    reader = Reader(h)
    total = decode(h.get("?state=1")[2])[4]
    assert reader.catch_up() == 0
    assert h.said("updates", update(h.job, values=[0.0] * total))[1] == APPLIED
    assert reader.catch_up() == PARAMETERS


# ---- by workers ----------------------------------------------------------------

def every_encoding_learns(s):
    """Means of two seeds vary by half a point; over three seeds no encoding costs more than one."""
    s.daemon()
    a, b = ["--mode", "asynchronous"], ["--frequency", "batch"]
    for way, codes in (([], ["bf16"]), (b, ["fp16", "int8"]), ([*a, *b], ["int8", "topk"]), (a, ["topk:0.1"]),
                       (["--mode", "hogwild", "--frequency", 4], ["bf16", "topk"]), (["--mode", "easgd", *b], ["topk"])):
        want = ta.mean_accuracy(s, 2, way)
        for code in codes:
            got = ta.mean_accuracy(s, 2, [*way, "--compress", code])
            assert got > want - 0.035, (way, code, got, want)


def a_model_with_slots(s):
    """Adam: in batches it runs on the server; its slots travel with epochs."""
    s.daemon()
    for way in (["--frequency", "batch"], []):
        want = one_run(s, 2, 1, way, epochs=2, model="mnist_cnn", batch=32)
        got = one_run(s, 2, 1, [*way, "--compress", "int8"], epochs=2, model="mnist_cnn", batch=32)
        assert got.accuracy is not None and got.accuracy > want.accuracy - 0.03, (way, got, want)


def trained(s, way, disturb=lambda job: None):
    p = s.start("elephas-submit", "train", *SAMPLE, *way, "--workers", 2, "--output", s.path("m.keras"), "--json", "--no-wait")
    job = json.loads(p.communicate(timeout=60)[0].splitlines()[-1])["job"]
    disturb(job)
    waited = s.submit("wait", job)
    assert waited.status == 0, (way, waited.err)
    return job, s.model_values(job, 118282).tobytes()


def rounds_give_the_same_bits_whatever_fails(s):
    s.daemon()
    seen = set()

    def kill_one(job):
        victim = ta.wait_for(lambda: ta.running(s, job, 2))[1]["pid"]
        ta.wait_for(lambda: s.get_json(f"/v1/jobs/{job}")["epoch"] >= 3)
        os.kill(victim, signal.SIGKILL)

    def kill_all(job):
        kill_one(job)
        s.stop(signal.SIGKILL)
        s.daemon()

    for code, frequency, disturb in (("int8", "batch", kill_all), ("fp16", 3, kill_one), ("int8", 3, kill_one),
                                     ("none", 3, None)):
        way = ["--frequency", frequency, "--compress", code, "--epochs", 100]
        calm = trained(s, way)[1]
        assert disturb is None or trained(s, way, disturb)[1] == calm, way
        seen.add(calm)
    assert len(seen) == 4


def bytes_are_counted_and_fewer(s):
    """What a step takes beside its values (names, metrics) is below 200 bytes."""
    s.daemon()
    n, b = 118282, ["--frequency", "batch", "--epochs", 2]
    for code, per_value in (("none", 4), ("fp16", 2), ("int8", 1 + 4 / 1024)):
        job = trained(s, [*b, "--compress", code])[0]
        seen = s.get_json(f"/v1/jobs/{job}")["traffic"]
        assert seen["steps"] == 32 and 0 <= seen["pushed_per_step"] - n * per_value < 200, (code, seen)
        assert seen["pushed"] == seen["pushed_per_step"] * 32, seen
        # each pull was for a step of one of two partitions
        assert 0 <= seen["pulled_per_step"] - n * 4 < 200, seen
        shown = s.submit("status", job).out
        assert f"{seen['pushed_per_step'] / 1000:.0f}kB pushed, 473kB pulled per step; " in shown, shown
    # the last step of an epoch of eight is sent whole
    job = trained(s, [*b, "--mode", "asynchronous", "--compress", "topk"])[0]
    seen = s.get_json(f"/v1/jobs/{job}")["traffic"]
    assert n * 4 / 8 < seen["pushed_per_step"] < n * 4 / 8 + 0.06 * n + 200, seen
    metrics = dict(line.split(" ") for line in s.request("GET", "/metrics")[1].decode().splitlines()
                   if line.startswith("elephasd_pu"))
    total = [s.get_json(f"/v1/jobs/{j['id']}")["traffic"] for j in s.get_json("/v1/jobs")["jobs"]]
    assert int(metrics["elephasd_pushed_bytes_total"]) == sum(t["pushed"] for t in total), (metrics, total)
    assert int(metrics["elephasd_pulled_bytes_total"]) == sum(t["pulled"] for t in total), (metrics, total)


def killed_workers_repeat_nothing(s):
    s.daemon()
    for code in ("topk", "int8"):
        def kill_one(job):
            victim = ta.wait_for(lambda: ta.running(s, job, 2))[1]["pid"]
            ta.wait_for(lambda: s.get_json(f"/v1/jobs/{job}")["epoch"] >= 3)
            os.kill(victim, signal.SIGKILL)

        way = ["--mode", "asynchronous", "--frequency", "batch", "--compress", code, "--epochs", 100]
        document = s.get_json(f"/v1/jobs/{trained(s, way, kill_one)[0]}")
        assert document["version"] == document["staleness"]["updates"] == 100 * 2 * 8, document
        assert document["history"]["loss"][-1] < 0.2, document["history"]["loss"][-5:]


def what_makes_no_sense_is_refused(s):
    s.daemon()
    for options, says in ((["--compress", "zip"], "compress: zip is not possible"),
                          (["--compress", "topk:0"], "topk:0: the fraction"),
                          (["--compress", "topk:2"], "topk:2: the fraction"),
                          (["--compress", "topk:"], "topk:: the fraction"),
                          (["--compress", "topk"], "compress topk and mode synchronous do not go together")):
        out = s.submit("train", *SAMPLE, *options, "--output", s.path("m.keras"))
        assert out.status == 2 and says in out.err, (options, out.status, out.err)
    for verb in ("predict", "evaluate"):
        out = s.submit(verb, *SAMPLE[:4], "--compress", "int8")
        assert out.status == 2 and "--compress" in out.err, out.err


if __name__ == "__main__":
    run([topk_by_hand, int8_by_hand, none_by_hand, only_what_has_changed_is_pulled, rounds_change_everything, every_encoding_learns, a_model_with_slots,
         rounds_give_the_same_bits_whatever_fails, bytes_are_counted_and_fewer, killed_workers_repeat_nothing, what_makes_no_sense_is_refused])
