# SPDX-License-Identifier: MIT
"""Real Keras goes on where this project stopped: continue_case.py CASES OUT I/N

OUT is what train_case wrote. For each case, Keras opens trained.keras,
predicts the same rows, and takes the same further steps from the stored
optimizer state; losses and weights must be those of this project, within the
tolerances of the case. Takes every Nth case from the Ith. Prints "ok NAME" or "FAILED NAME reason".
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
import make_fixtures as fx  # noqa: E402
import numpy as np  # noqa: E402
from verify_fixtures import Trace, group, read_case  # noqa: E402

os.environ["KERAS_BACKEND"] = "jax"  # the fixtures are made with TensorFlow
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# most of the time would go into making code fast that runs a few times
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 "
                                   "--xla_llvm_disable_expensive_passes=true")

PREDICT = 1e-5  # what both must agree on before any further step


def numbers(path):
    return np.fromfile(path, "float32")


def flat(arrays):
    return np.concatenate([np.asarray(a, "float32").ravel() for a in arrays])


def compare(what, ours, theirs, tolerance):
    if ours.shape != theirs.shape:
        raise ValueError(f"{what}: {ours.size} numbers here, {theirs.size} in Keras")
    worst = float(np.max(np.abs(ours - theirs) / (1 + np.abs(theirs)), initial=0.0))
    if not worst <= tolerance:  # also when it is NaN
        raise ValueError(f"{what} differ by {worst:.3g}, more than {tolerance:.3g}")


def only_on_tensorflow(model):
    """Whether the steps are TensorFlow's own: there the gradient of a table comes
    in pieces, and what is not linear is taken of each piece (common/model/pieces.h).
    JAX adds them up first."""
    tables = [layer for layer in model._flatten_layers()
              if isinstance(layer, fx.keras.layers.Embedding)]
    return tables and type(model.optimizer).__name__ not in ("SGD", "Lion")


def look(case_dir, out):
    info, t = read_case(case_dir)
    tolerance, trace = info["tolerance"], Trace(info)
    x, y, sw = group(t, "x"), group(t, "y"), group(t, "sample_weight") or None
    fx.keras.backend.clear_session()
    model = fx.keras.saving.load_model(os.path.join(out, "trained.keras"))
    model.jit_compile = True  # eager JAX takes two to three times as long
    predicted = model(fx.as_arg(x), training=False)
    compare("predictions", numbers(f"{out}/predict.f32"),
            flat(predicted if isinstance(predicted, (list, tuple)) else [predicted]),
            max(PREDICT, tolerance.get("predict_after", 0) or tolerance["predict"]))
    if not info["train"] or only_on_tensorflow(model):
        return
    losses = []
    for rows in info["train"]["rows"]:
        model.reset_metrics()
        losses.append(fx.train(trace, model, x, y, sw, [rows])[0]["loss"])
    compare("losses", numbers(f"{out}/losses.f32"), np.array(losses, "float32"),
            tolerance["loss_per_step"])
    compare("weights", numbers(f"{out}/weights.f32"), flat(model.get_weights()),
            tolerance["weight_after"])


def main(cases, out, share):
    first, step = (int(v) for v in share.split("/"))
    fx.import_keras()
    for name in fx.missing(cases) if first == 0 else []:
        print("FAILED", name, "is not among the cases", flush=True)
    for name in sorted(os.listdir(cases))[first::step]:
        try:
            look(os.path.join(cases, name), os.path.join(out, name))
            print("ok", name, flush=True)
        except Exception as fault:  # whatever Keras raises is a failed case
            print("FAILED", name, " ".join(f"{type(fault).__name__}: {fault}".split())[:300], flush=True)


main(*sys.argv[1:])
