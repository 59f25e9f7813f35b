# SPDX-License-Identifier: MIT
"""What real Keras says about a file this project wrote.

    keras_side.py predict MODEL.keras ROWS.csv OUT.csv   features only, no header
    keras_side.py same A.keras B.keras                   architecture and compile config agree
    keras_side.py weights MODEL.keras OUT.npz
    keras_side.py close A.csv B.csv TOLERANCE
    keras_side.py many LIST TOLERANCE    a directory a line, with trained.keras, x.csv, ours.csv
"""
import json
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np  # noqa: E402


def load(path):
    import keras
    return keras.models.load_model(path)


def predict(model_path, rows, out):
    model = load(model_path)
    x = np.loadtxt(rows, delimiter=",", dtype="float32", ndmin=2)
    inputs, at = [], 0
    for tensor in model.inputs:
        shape = [d for d in tensor.shape[1:]]
        n = int(np.prod(shape))
        inputs.append(x[:, at:at + n].reshape([-1] + shape))
        at += n
    if at != x.shape[1]:
        sys.exit(f"{rows} has {x.shape[1]} columns, the model takes {at}")
    y = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    ys = y if isinstance(y, (list, tuple)) else [y]
    np.savetxt(out, np.concatenate([p.reshape(len(x), -1) for p in ys], axis=1),
               delimiter=",", fmt="%.9g")


def strip(value):
    """Without what Keras numbers anew at every load."""
    if isinstance(value, dict):
        return {k: strip(v) for k, v in value.items() if k != "shared_object_id"}
    if isinstance(value, list):
        return [strip(v) for v in value]
    return value


def same(a, b):
    one, two = load(a), load(b)
    for what in ("get_config", "get_compile_config"):
        p = json.dumps(strip(getattr(one, what)()), sort_keys=True, default=str)
        q = json.dumps(strip(getattr(two, what)()), sort_keys=True, default=str)
        if p != q:
            sys.exit(f"{what} differs:\n{p}\n{q}")


def weights(path, out):
    model = load(path)
    values = {f"w{i}": w for i, w in enumerate(model.get_weights())}
    if getattr(model, "optimizer", None) is not None:
        values.update({f"o{i}": np.asarray(v) for i, v in
                       enumerate(model.optimizer.variables)})
    np.savez(out, **values)


def close(a, b, tolerance):
    p = np.loadtxt(a, delimiter=",", ndmin=2, skiprows=header(a))
    q = np.loadtxt(b, delimiter=",", ndmin=2, skiprows=header(b))
    if p.shape != q.shape:
        sys.exit(f"{a} is {p.shape}, {b} is {q.shape}")
    worst = float(np.max(np.abs(p - q) / (1 + np.abs(q))))
    if not worst <= float(tolerance):
        sys.exit(f"{a} and {b} differ by {worst:.3g}, more than {tolerance}")


def header(path):
    with open(path, encoding="utf-8") as f:
        return int(f.readline().startswith("prediction"))


def many(listing, tolerance):
    with open(listing, encoding="utf-8") as f:
        places = f.read().split()
    for place in places:
        try:
            predict(f"{place}/trained.keras", f"{place}/x.csv", f"{place}/theirs.csv")
            close(f"{place}/ours.csv", f"{place}/theirs.csv", tolerance)
            print("ok", os.path.basename(place))
        except (Exception, SystemExit) as fault:  # whatever Keras raises is a failed case
            print("FAILED", os.path.basename(place), " ".join(str(fault).split())[:300])


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
