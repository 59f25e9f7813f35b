#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Less on the wire: bytes of a step and accuracy for each --compress.

    compress.py BINDIR [--seeds 3] [--workers 2] [--shards 1] [--only WORD]

The MNIST MLP (10 epochs, batches of 64) and CNN (4 epochs, batches of 32) of
tests/data, and pulls of an embedding of 20,000 rows (made here, with rows of
words), which only change where words were. Bytes are those that the daemon
counts, pushed and pulled, for each update; with --shards, by all servers
together. The tables of docs/PARAMETER_SERVER.md were made with it.
"""
import json
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from averaging import A, B, MODELS, one_run  # noqa: E402
from servers import Servers  # noqa: E402
from system import System  # noqa: E402

CODES = ["none", "bf16", "fp16", "int8", "topk:0.1", "topk"]
WAYS = [["--mode", "synchronous"], ["--mode", "synchronous", *B], A, [*A, *B], ["--mode", "easgd", *B]]
ROWS, WIDTH, WORDS, LENGTH = 2000, 32, 20000, 20


def option(name, missing):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else missing


def kilobytes(n):
    return f"{n / 1000:.1f}"


def learn(servers, seeds, workers, only):
    s, shards = servers.home, servers.options() if servers.others else []
    print("| model | options | code | pushed, KB a step | pulled | accuracy | least | greatest |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for model, how in MODELS.items():
        for way in WAYS:
            for code in CODES:
                text = f"{model} {' '.join(way)} {code}"
                if only not in text or ("topk" in code and "synchronous" in way):
                    continue
                runs, parts = [], []
                for seed in range(seeds):
                    runs.append(one_run(s, workers, seed, [*way, "--compress", code, *shards], model=model, **how))
                    parts += [part["traffic"] for part in servers.parts()]
                good = [r.accuracy for r in runs if r.accuracy is not None]
                if not good:
                    print(f"| `{model}` | `{' '.join(way)}` | `{code}` | failed: {runs[0].error} |", flush=True)
                    continue
                pushed, pulled = (sum(t[key] for t in [r.traffic for r in runs if r.traffic] + parts) / len(good)
                                  for key in ("pushed_per_step", "pulled_per_step"))
                print(f"| `{model}` | `{' '.join(way[1:])}` | `{code}` | {kilobytes(pushed)} | {kilobytes(pulled)} | "
                      f"{sum(good) / len(good):.4f} | {min(good):.3f} | {max(good):.3f} |", flush=True)


def embedding(path):
    layers = [("InputLayer", {"batch_shape": [None, LENGTH], "name": "words"}),
              ("Embedding", {"name": "embedding", "input_dim": WORDS, "output_dim": WIDTH}),
              ("GlobalAveragePooling1D", {"name": "mean"}),
              ("Dense", {"name": "out", "units": 1, "activation": "sigmoid"})]
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"class_name": "Sequential", "config": {"name": "words", "layers": [
            {"class_name": name, "config": config} for name, config in layers]}}, f)


def words(path):
    """Rows of words, most of them rare; the label is whether more than half are even."""
    r = random.Random(1)
    with open(path, "w", encoding="utf-8") as f:
        for _ in range(ROWS):
            row = [min(int(r.paretovariate(0.6)), WORDS) - 1 for _ in range(LENGTH)]
            f.write(",".join(map(str, [*row, int(sum(w % 2 == 0 for w in row) > LENGTH / 2)])) + "\n")


def pull(s, workers):
    model, data = s.path("words.json"), s.path("words.csv")
    embedding(model)
    words(data)
    print("\n| embedding of 20,000 rows of 32, batches of 8 | code | pushed, KB a step | pulled | loss |")
    print("|---|---|---|---|---|", flush=True)
    for optimizer in ("sgd", "adam"):
        for code in ("none", "int8", "topk"):
            out = s.submit("train", "--model", model, "--data", data, "--no-header", "--label", LENGTH, "--workers", workers,
                           "--epochs", 3, "--batch-size", 8, *A, *B, "--optimizer", optimizer, "--loss", "binary_crossentropy",
                           "--seed", 1, "--compress", code, "--output", s.path("m.keras"), "--json")
            assert out.status == 0, out.err
            document = s.get_json(f"/v1/jobs/{out.last['job']}")
            traffic = document["traffic"]
            print(f"| `{optimizer}` | `{code}` | {kilobytes(traffic['pushed_per_step'])} | "
                  f"{kilobytes(traffic['pulled_per_step'])} | {document['history']['loss'][-1]:.4f} |", flush=True)


def main():
    workers, shards = int(option("--workers", "2")), int(option("--shards", "1"))
    with System(sys.argv[1]) as s, Servers(s, shards) as servers:
        learn(servers, int(option("--seeds", "3")), workers, option("--only", ""))
        if shards == 1 and not option("--only", ""):
            pull(s, workers)


if __name__ == "__main__":
    main()
