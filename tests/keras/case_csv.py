# SPDX-License-Identifier: MIT
"""A golden case's rows as CSV: case_csv.py CASEDIR OUT.csv

Writes all inputs, then all targets, flattened row-major, and prints how many
columns each of the two takes.
"""
import json
import sys

import numpy as np


def main(case_dir, out):
    with open(f"{case_dir}/case.json", encoding="utf-8") as f:
        case = json.load(f)
    with open(f"{case_dir}/data.bin", "rb") as f:
        blob = f.read()
    parts = {"input": [], "target": []}
    for tensor in case["tensors"]:
        if tensor["role"] in parts:
            value = np.frombuffer(blob, dtype=np.dtype(tensor["dtype"]).newbyteorder("<"),
                                  count=int(np.prod(tensor["shape"])), offset=tensor["offset"])
            parts[tensor["role"]].append(value.reshape(case["rows"], -1).astype("float32"))
    x = np.concatenate(parts["input"], axis=1)
    y = np.concatenate(parts["target"], axis=1)
    np.savetxt(out, np.concatenate([x, y], axis=1), delimiter=",", fmt="%.9g")
    print(x.shape[1], y.shape[1])


main(*sys.argv[1:])
