#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The ways to average, through the real programs on the MNIST sample.

The table over ten seeds in docs/PARAMETER_SERVER.md is made by
tests/bench/averaging.py; here are a few seeds of each way.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from averaging import COLUMNS, one_run  # noqa: E402
from system import DATA, run  # noqa: E402

SEEDS = (0, 1)


def mean_accuracy(s, workers, way):
    runs = [one_run(s, workers, seed, way) for seed in SEEDS]
    assert all(r.accuracy is not None for r in runs), [r.error for r in runs]
    return sum(r.accuracy for r in runs) / len(runs)


def defaults_end_where_synchronous_does(s):
    """Two seeds vary by half a point, so a little more than the point of ten seeds is allowed."""
    s.daemon()
    for workers in (2, 4):
        want = mean_accuracy(s, workers, [])
        for mode in ("asynchronous", "hogwild"):
            for frequency in ("epoch", "batch"):
                got = mean_accuracy(s, workers, ["--mode", mode, "--frequency", frequency])
                assert abs(got - want) < 0.015, (workers, mode, frequency, got, want)


def the_sum_of_all_deltas_can_be_had(s):
    """With one worker its share is 1, so both are the same training."""
    s.daemon()
    way = ["--mode", "asynchronous", "--seed", 4, "--epochs", 2]
    values = []
    for more in ([], ["--delta-scale", 1], ["--delta-scale", 0.5]):
        out = s.submit("train", "--model", f"{DATA}/mnist_mlp.keras", "--data", f"{DATA}/mnist5k_test.csv.gz",
                       *COLUMNS, "--workers", 1, *way, *more, "--output", s.path("m.keras"), "--json")
        assert out.status == 0, out.err
        values.append(s.model_values(out.last["job"], 118282).tobytes())
    assert values[0] == values[1] != values[2]
    out = s.submit("train", "--model", f"{DATA}/mnist_mlp.keras", "--data", f"{DATA}/mnist5k_test.csv.gz",
                   *COLUMNS, "--delta-scale", 1, "--output", s.path("m.keras"))
    assert out.status == 2 and "delta_scale and mode synchronous" in out.err, out


def train_diverging(s, rate, *options):
    optimizer = '{"class_name": "SGD", "config": {"learning_rate": %g}}' % rate
    return s.submit("train", "--model", f"{DATA}/mnist_mlp.keras", "--data", f"{DATA}/mnist5k_test.csv.gz",
                    *COLUMNS, "--workers", 2, "--epochs", 5, "--batch-size", 32, "--seed", 1, "--optimizer",
                    optimizer, "--output", s.path("m.keras"), "--json", *options)


def a_diverging_run_is_stopped_and_named(s):
    """At a rate of 10 losses stay finite: they are huge, and then units are dead and the loss is ln 10."""
    s.daemon()
    for mode in ("synchronous", "asynchronous", "hogwild"):
        for frequency in ("epoch", "batch"):
            for rate in (10, 1e6):
                out = train_diverging(s, rate, "--mode", mode, "--frequency", frequency)
                assert out.status == 2, (mode, frequency, rate, out)
                assert "diverges" in out.err and "learning rate" in out.err, (mode, frequency, rate, out.err)
                assert not os.path.exists(s.path("m.keras"))


def staleness_is_reported(s):
    s.daemon()
    out = s.submit("train", "--model", f"{DATA}/mnist_mlp.keras", "--data", f"{DATA}/mnist5k_test.csv.gz", *COLUMNS,
                   "--workers", 3, "--mode", "asynchronous", "--frequency", "batch", "--epochs", 3,
                   "--output", s.path("m.keras"), "--json")
    assert out.status == 0, out.err
    job = out.last["job"]
    document = s.get_json(f"/v1/jobs/{job}")
    seen = document["staleness"]
    assert seen["updates"] == document["version"] == 3 * 33, document
    assert sum(b["count"] for b in seen["histogram"]) == seen["updates"], seen
    assert [b["le"] for b in seen["histogram"]][:3] == [0, 1, 2][:len(seen["histogram"])], seen
    assert 0 < seen["mean"] <= seen["max"], seen
    shown = s.submit("status", job).out
    assert f"mean {seen['mean']:.2f}, max {seen['max']}" in shown, shown
    metrics = dict(line.rsplit(" ", 1) for line in s.request("GET", "/metrics")[1].decode().splitlines()
                   if line.startswith("elephasd_update_staleness"))
    assert float(metrics["elephasd_update_staleness_count"]) == seen["updates"], metrics
    assert float(metrics['elephasd_update_staleness_bucket{le="+Inf"}']) == seen["updates"], metrics
    assert float(metrics["elephasd_update_staleness_sum"]) / seen["updates"] == seen["mean"], metrics
    counts = [float(v) for k, v in metrics.items() if "_bucket" in k]
    assert counts == sorted(counts), metrics


if __name__ == "__main__":
    run([defaults_end_where_synchronous_does, the_sum_of_all_deltas_can_be_had, a_diverging_run_is_stopped_and_named,
         staleness_is_reported])
