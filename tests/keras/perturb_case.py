#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How far Keras itself goes when every weight moves by one unit in the last place: perturb_case.py CASE [TRIALS]

Repeats the steps of a recorded case from its file, once as it is and TRIALS times with each weight one float32 up or
down, and prints for each number that the traces hold (of each step, and of the evaluation behind them) the least and
the greatest value. A value of this project within such a range is not wrong. Needs Keras with TensorFlow.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
import make_fixtures as fx  # noqa: E402
import numpy as np  # noqa: E402
from verify_fixtures import group, read_case  # noqa: E402


def moved(weights, rng):
    """Each float one step up or down."""
    ends = np.float32([-np.inf, np.inf])
    return [np.nextafter(w, ends[rng.integers(0, 2, w.shape)]) if w.dtype == np.float32 else w for w in weights]


def trace(path, rng):
    """{name: number} of one run; without rng, as recorded."""
    info, tensors = read_case(path)
    x, y, sw = (group(tensors, n) for n in ("x", "y", "sample_weight"))
    model = fx.keras.models.load_model(os.path.join(path, info["files"]["keras"]))
    model.run_eagerly = len(y) == 1
    if rng is not None:
        model.set_weights(moved(model.get_weights(), rng))
    case = fx.Case("perturbed_case", None, eval_batch=info["evaluate"]["batch_size"],
                   class_weight={int(k): v for k, v in (info["train"]["class_weight"] or {}).items()} or None)
    values = {}
    for i, row in enumerate(info["train"]["rows"]):
        values.update({f"step {i} {k}": v for k, v in fx.train(case, model, x, y, sw or None, [row])[0].items()})
    values.update({f"after {k}": v for k, v in fx.evaluate(case, model, x, y, sw or None).items()})
    return {k: np.ravel(v)[0] for k, v in values.items()}


def main(path, trials="8"):
    fx.import_keras()
    runs = [trace(path, np.random.default_rng(i) if i else None) for i in range(int(trials) + 1)]
    for name, value in runs[0].items():
        all_of_them = [run[name] for run in runs]
        print(f"{name}: {value:.9g}, {min(all_of_them):.9g} to {max(all_of_them):.9g}")


if __name__ == "__main__":
    main(*sys.argv[1:])
