#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check a fixture directory with Keras, from the files alone.

    python verify_fixtures.py DIR [--only REGEX] [--shard I/N]

For every case of DIR/cases: load model.keras (and model.h5, model_after.keras,
architecture.json) in this process, which did not build it, and repeat what
case.json records as compiled graphs (the fixtures were made eagerly): weights,
predict, evaluate, train, predict again.  Prints the largest difference of each
kind as a part of the case's tolerance; more than 1 fails.  Then checks that
Keras itself agrees with unsupported/expect.json where the two can be compared.
"""
import argparse
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import make_fixtures as fx
import numpy as np


def read_case(path):
    """case.json and its tensors, {name: array}; this is all a reader has to do."""
    with open(os.path.join(path, "case.json")) as f:
        info = json.load(f)
    blobs, tensors = {}, {}
    for t in info["tensors"]:
        if t["file"] not in blobs:
            with open(os.path.join(path, t["file"]), "rb") as f:
                blobs[t["file"]] = f.read()
        dt = {"float32": "<f4", "int32": "<i4"}[t["dtype"]]
        a = np.frombuffer(blobs[t["file"]], dt, int(np.prod(t["shape"], dtype=int)), t["offset"])
        tensors[t["name"]] = a.reshape(t["shape"])
    return info, tensors


def group(tensors, prefix):
    out = []
    while f"{prefix}.{len(out)}" in tensors:
        out.append(tensors[f"{prefix}.{len(out)}"])
    return out


class Trace:
    """What make_fixtures needs to know of a case, out of case.json."""

    def __init__(self, info):
        self.eval_batch = info["evaluate"]["batch_size"]
        cw = (info["train"] or {}).get("class_weight")
        self.class_weight = {int(k): v for k, v in cw.items()} if cw else None


def check(path):
    keras = fx.keras
    info, t = read_case(path)
    tol, case = info["tolerance"], Trace(info)
    x, y, sw = group(t, "x"), group(t, "y"), group(t, "sample_weight") or None
    found = {}

    def near(kind, want, got):
        want, got = list(want), list(got)
        assert len(want) == len(got), f"{kind}: {len(want)} values, {len(got)} now"
        for a, b in zip(want, got):
            assert np.shape(a) == np.shape(b), f"{kind}: shape {np.shape(a)}, now {np.shape(b)}"
        found[kind] = max(found.get(kind, 0.0), fx.spread(want, got) / tol.get(kind, 1e-7))

    def logs(kind, want, got):
        assert list(want) == list(got), f"{kind}: names {list(want)}, now {list(got)}"
        near(kind, want.values(), got.values())

    def load(name):
        keras.backend.clear_session()
        compiled = info["h5_compiles"] if name.endswith(".h5") else True
        return keras.saving.load_model(os.path.join(path, name), compile=compiled)

    for kind in ("h5", "keras"):
        if kind in info["files"]:
            m = load(info["files"][kind])
            if group(t, "weight"):
                near("weight", group(t, "weight"), m.get_weights())
            near("predict", group(t, "predict"), fx.predict(case, m, x))
    if "json" in info["files"]:
        with open(os.path.join(path, info["files"]["json"])) as f:
            twin = keras.models.model_from_json(f.read())
        if twin.built:
            assert [w.shape for w in twin.get_weights()] == [w.shape for w in m.get_weights()]
    logs("evaluate", info["evaluate"]["before"], fx.evaluate(case, m, x, y, sw))
    tr = info["train"]
    if tr:
        got = fx.train(case, m, x, y, sw, tr["rows"])
        near("loss_per_step", t["loss_per_step"], [g["loss"] for g in got])
        near("weight_after", group(t, "weight_after"), m.get_weights())
        near("optimizer_after", group(t, "optimizer_after"),
             [np.array(v) for v in m.optimizer.variables])
        near("predict_after", group(t, "predict_after"), fx.predict(case, m, x))
        logs("evaluate_after", info["evaluate"]["after"], fx.evaluate(case, m, x, y, sw))
        if "resume" in tr:
            m = load(tr["resume"]["from"])
            fx.train(case, m, x, y, sw, tr["resume"]["rows"])
            near("weight_after", group(t, "weight_resumed"), m.get_weights())
    return info, found


def check_unsupported(path):
    bad = 0
    with open(os.path.join(path, "expect.json")) as f:
        expect = json.load(f)
    for e in expect:
        try:
            fx.keras.saving.load_model(os.path.join(path, e["file"]))
            got = "load"
        except Exception as err:
            got = f"error ({type(err).__name__})"
        agree = got[:4] in e["expect"]
        bad += not agree
        print(f"  {e['file']}: wanted {e['expect']}, Keras: {got}{'' if agree else '  (differs)'}")
    return bad


def main():
    p = argparse.ArgumentParser(description="Check a fixture directory with Keras.")
    p.add_argument("dir")
    p.add_argument("--only")
    p.add_argument("--shard", default="0/1")
    a = p.parse_args()
    i, n = (int(v) for v in a.shard.split("/"))
    fx.import_keras()
    cases = os.path.join(a.dir, "cases")
    names = [c for c in sorted(os.listdir(cases)) if not a.only or re.search(a.only, c)][i::n]
    failed, worst = [], {}
    for name in names:
        try:
            info, found = check(os.path.join(cases, name))
        except Exception as e:
            failed.append(name)
            print(f"FAILED {name}: {type(e).__name__}: {e}", flush=True)
            continue
        over = {k: v for k, v in found.items() if v > 1}
        if over:
            failed.append(name)
            print(f"FAILED {name}: over tolerance: {over}", flush=True)
        for k, v in found.items():
            if v > worst.get(k, (-1, ""))[0]:
                worst[k] = (v, name)
    print(f"{len(names) - len(failed)} of {len(names)} cases agree")
    for k, (v, name) in worst.items():
        print(f"  {k}: at most {v:.2f} of the tolerance ({name})")
    if i == 0 and not a.only and os.path.isdir(os.path.join(a.dir, "unsupported")):
        check_unsupported(os.path.join(a.dir, "unsupported"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
