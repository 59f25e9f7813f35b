#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes optimizer_cases.h: what Keras' optimizers do with given gradients.

Run by hand with Keras 3.15 (any backend) after adding a case:
    KERAS_BACKEND=numpy python tests/unit/model/make_cases.py
Each case is a config, and what five steps over a kernel and a bias leave in
the weights and slots.
"""
import json
import os
import sys
import textwrap

os.environ.setdefault("KERAS_BACKEND", "numpy")
import keras  # noqa: E402
import numpy as np  # noqa: E402

STEPS = 5
CASES = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.8, "nesterov": True, "learning_rate": 0.1}),
    ("SGD", {"clipnorm": 0.5, "learning_rate": 0.1}),
    ("SGD", {"clipvalue": 0.25, "learning_rate": 0.1}),
    ("SGD", {"global_clipnorm": 0.5, "learning_rate": 0.1}),
    ("SGD", {"weight_decay": 0.1, "momentum": 0.5, "learning_rate": 0.1}),
    ("RMSprop", {}),
    ("RMSprop", {"rho": 0.8, "momentum": 0.5, "learning_rate": 0.01}),
    ("RMSprop", {"centered": True, "epsilon": 1e-5}),
    ("RMSprop", {"centered": True, "momentum": 0.3, "weight_decay": 0.01}),
    ("Adam", {}),
    ("Adam", {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-4}),
    ("Adam", {"amsgrad": True, "learning_rate": 0.02}),
    ("Adam", {"weight_decay": 0.05, "clipnorm": 1.0, "learning_rate": 0.01}),
]


def numbers(values):
    """C initializer of float32 values: nine digits bring them back exactly."""
    flat = np.concatenate([np.ravel(v) for v in values]).astype("float32")
    words = [f"{x:.9g}" for x in flat.tolist()]
    words = [w + ("f" if "." in w or "e" in w else ".0f") for w in words]
    return textwrap.fill("{" + ", ".join(words) + "}", 78,
                         initial_indent="     ", subsequent_indent="      ")


def array(variable):
    return keras.ops.convert_to_numpy(variable)


def make_data():
    """Start values, and gradients: large first, then smaller and of changing
    sign, so that clipping and the maximum of AMSGrad both matter."""
    rng = np.random.default_rng(7)
    shapes = [(2, 3), (3,)]
    start = [rng.normal(size=s).astype("float32") for s in shapes]
    steps = [[(rng.normal(size=s) / (1 + k)).astype("float32") for s in shapes]
             for k in range(STEPS)]
    return start, steps


def run(name, config, start, steps):
    variables = [keras.Variable(v) for v in start]
    optimizer = getattr(keras.optimizers, name)(**config)
    for gradients in steps:
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients],
                        variables)
    return ([array(v) for v in variables],
            [array(v) for v in optimizer.variables[2:]])


HEAD = """/* SPDX-License-Identifier: MIT
 *
 * optimizer_cases: written by make_cases.py with Keras VERSION; not edited by
 * hand. Elements are those of the kernel, then those of the bias.
 */
#ifndef TESTS_UNIT_MODEL_OPTIMIZER_CASES_H
#define TESTS_UNIT_MODEL_OPTIMIZER_CASES_H

#include <stddef.h>

#define CASE_STEPS COUNT_STEPS
#define CASE_KERNEL COUNT_KERNEL
#define CASE_TRAINED COUNT_TRAINED

/* clang-format off */
static const float case_start[CASE_TRAINED] =
START;

static const float case_gradients[CASE_STEPS * CASE_TRAINED] =
GRADIENTS;

static const struct optimizer_case {
    const char *class_name;
    const char *config;
    size_t slots; /* vectors */
    float after[CASE_TRAINED];
    float saved[3 * CASE_TRAINED]; /* slots in the order of a saved file */
} optimizer_cases[] = {
"""


def main():
    start, steps = make_data()
    sizes = [v.size for v in start]
    text = HEAD
    for word, value in (
            ("VERSION", keras.__version__), ("COUNT_STEPS", STEPS),
            ("COUNT_KERNEL", sizes[0]), ("COUNT_TRAINED", sum(sizes)),
            ("START", numbers(start)),
            ("GRADIENTS", numbers(sum(steps, [])))):
        text = text.replace(word, str(value))
    for name, config in CASES:
        after, slots = run(name, config, start, steps)
        words = json.dumps(config).replace('"', '\\"')
        text += f'    {{"{name}",\n     "{words}",\n'
        text += f"     {sum(s.size for s in slots) // sum(sizes)},\n"
        text += numbers(after) + ",\n"
        text += (numbers(slots) if slots else "     {0}") + "},\n"
    text += "};\n/* clang-format on */\n\n#endif\n"
    path = os.path.join(os.path.dirname(__file__), "optimizer_cases.h")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


if __name__ == "__main__":
    sys.exit(main())
