# SPDX-License-Identifier: MIT
"""Runs of the ways to average on the MNIST sample: what the measured table and
the bounded test share."""
from collections import namedtuple

from system import DATA

COLUMNS = ["--label", "label", "--scale", 255, "--nb-classes", 10]
Run = namedtuple("Run", "accuracy staleness error traffic", defaults=[None])

MODELS = {"mnist_mlp": {"epochs": 10, "batch": 64}, "mnist_cnn": {"epochs": 4, "batch": 32}}

# options of `train`, beside --workers and --seed
A, B = ["--mode", "asynchronous"], ["--frequency", "batch"]
WAYS = [
    [],
    B,
    ["--frequency", 8],
    A,
    [*A, *B],
    [*A, "--frequency", 8],
    ["--mode", "hogwild"],
    ["--mode", "hogwild", *B],
    [*A, "--staleness", 1],
    [*A, *B, "--staleness", 2],
    [*A, "--staleness-scale"],
    [*A, *B, "--staleness-scale"],
    ["--mode", "easgd"],
    ["--mode", "easgd", *B],
    ["--mode", "easgd", "--frequency", 8],
    ["--server-optimizer", "sgd-momentum"],
    ["--server-optimizer", "adam"],
    [*A, "--server-optimizer", "sgd-momentum"],
    [*A, "--server-optimizer", "adam"],
    [*A, *B, "--server-optimizer", "sgd-momentum"],
    [*A, *B, "--server-optimizer", "adam"],
    [*A, "--delta-scale", 1],
    [*A, *B, "--delta-scale", 1],
]


def one_run(s, workers, seed, way, epochs=10, model="mnist_mlp", batch=64):
    """Trains and evaluates; accuracy is None if the training failed."""
    out = s.submit("train", "--model", f"{DATA}/{model}.keras", "--data", f"{DATA}/mnist5k_train.csv.gz",
                   *COLUMNS, "--epochs", epochs, "--batch-size", batch, "--workers", workers, "--seed", seed,
                   "--output", s.path("m.keras"), "--json", *way)
    if out.status != 0:
        return Run(None, None, out.err)
    document = s.get_json(f"/v1/jobs/{out.last['job']}")
    staleness = document.get("staleness") or {}
    out = s.submit("evaluate", "--model", s.path("m.keras"), "--data", f"{DATA}/mnist5k_test.csv.gz",
                   *COLUMNS, "--json", "--workers", 1)
    assert out.status == 0, out.err
    return Run(out.last["metrics"]["acc"], staleness.get("mean"), None, document.get("traffic"))
