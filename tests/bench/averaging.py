#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What each way to average reaches on the MNIST sample, over several seeds.

    averaging.py BINDIR [--seeds 10] [--workers 2,4] [--model mnist_mlp] [--only WORD]

For each line of WAYS and each number of workers: the accuracy on the test rows
(mean, least, greatest), how many runs failed, and the mean staleness. Each run
is 10 epochs of mnist_mlp.keras, batches of 64, or 4 of mnist_cnn.keras, batches
of 32. The table of docs/PARAMETER_SERVER.md was made with it.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from averaging import MODELS, WAYS, one_run  # noqa: E402
from system import System  # noqa: E402


def option(name, missing):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else missing


def main():
    seeds = int(option("--seeds", "10"))
    workers = [int(n) for n in option("--workers", "2,4").split(",")]
    only, model = option("--only", ""), option("--model", "mnist_mlp")
    print("| options | workers | mean | least | greatest | failed | staleness |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with System(sys.argv[1]) as s:
        s.daemon()
        for way in WAYS:
            for n in workers:
                if only not in " ".join(map(str, way)):
                    continue
                runs = [one_run(s, n, seed, way, model=model, **MODELS[model]) for seed in range(seeds)]
                good = [r.accuracy for r in runs if r.accuracy is not None]
                stale = [r.staleness for r in runs if r.staleness is not None]
                print(f"| `{' '.join(map(str, way)) or 'synchronous'}` | {n} | "
                      + (f"{sum(good) / len(good):.4f} | {min(good):.3f} | {max(good):.3f}" if good else "- | - | -")
                      + f" | {len(runs) - len(good)} | "
                      + (f"{sum(stale) / len(stale):.2f}" if stale else "-") + " |", flush=True)


if __name__ == "__main__":
    main()
