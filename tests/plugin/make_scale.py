#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The model of test_plugin.sh, by real Keras: make_scale.py OUT.keras

And its twin in Python of deploy/examples/scale.c: with --train MODEL ROWS.csv
STEPS it opens a file, takes steps over all rows at once, and prints what the
model then predicts for them.
"""
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
import keras  # noqa: E402
import numpy as np  # noqa: E402


@keras.saving.register_keras_serializable(package="my_package")
class Scale(keras.layers.Layer):
    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[-1:], initializer="ones", name="scale")

    def call(self, x):
        return x * keras.ops.square(self.scale) * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def make(path):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "tanh"), Scale(0.5),
                              keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    model.save(path)


def train(path, rows, steps):
    model = keras.saving.load_model(path)
    data = np.loadtxt(rows, delimiter=",", dtype="float32", ndmin=2)
    for _ in range(int(steps)):
        model.train_on_batch(data[:, :3], data[:, 3:])
    for value in model.predict(data[:, :3], verbose=0).ravel():
        print(f"{value:.9g}")


if sys.argv[1] == "--train":
    train(*sys.argv[2:])
else:
    make(sys.argv[1])
