#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The models of test_plugin_functions.sh, by real Keras: make_functions.py FOLDER

With the twins in Python of deploy/examples/functions.c. Writes functions.keras
and classes.keras, which differ in loss and metrics, and for each NAME.txt: the
predictions of rows.csv after five steps over all rows at once, one a line, then
"name value" for what Keras evaluates.
"""
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
import keras  # noqa: E402
import numpy as np  # noqa: E402

ops = keras.ops
mine = keras.saving.register_keras_serializable(package="my_package")


@mine
def swoosh(x):
    return x * ops.sigmoid(2 * x)


@mine
def quartic(y, p):
    return ops.mean((p - y) ** 4, axis=-1)


@mine
def distance(y, p):
    return ops.mean(ops.abs(p - y), axis=-1)


@mine
class PowerLoss(keras.losses.Loss):
    def __init__(self, power=2.0, reduction="sum_over_batch_size", name="power_loss", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.power = power

    def call(self, y, p):
        return ops.mean(ops.abs(p - y) ** self.power, axis=-1)

    def get_config(self):
        return {**super().get_config(), "power": self.power}


@mine
class Within(keras.metrics.Metric):
    def __init__(self, margin=1.0, name="within", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.margin = margin
        self.good = self.add_weight(name="good", initializer="zeros")
        self.all = self.add_weight(name="all", initializer="zeros")

    def update_state(self, y, p, sample_weight=None):
        near = ops.cast(ops.abs(p - y) < self.margin, "float32")
        self.good.assign_add(ops.sum(near))
        self.all.assign_add(ops.sum(ops.ones_like(near)))

    def result(self):
        return ops.divide_no_nan(self.good, self.all)

    def get_config(self):
        return {**super().get_config(), "margin": self.margin}


def make(folder, name, loss, metrics):
    keras.utils.set_random_seed(3)
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((3,)), layers.Reshape((3, 1)), layers.LSTM(4, activation=swoosh),
        layers.Dense(5, activation=swoosh), layers.Activation(swoosh), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), loss, metrics=metrics)
    path = os.path.join(folder, name)
    model.save(path + ".keras")
    model = keras.saving.load_model(path + ".keras")
    data = np.loadtxt(os.path.join(folder, "rows.csv"), delimiter=",", dtype="float32", ndmin=2)
    x, y = data[:, :3], data[:, 3:]
    for _ in range(5):
        model.train_on_batch(x, y)
    with open(path + ".txt", "w", encoding="utf-8") as f:
        for value in model.predict(x, verbose=0).ravel():
            print(f"{value:.9g}", file=f)
        for key, value in model.evaluate(x, y, batch_size=16, verbose=0, return_dict=True).items():
            print(key, f"{value:.9g}", file=f)


make(sys.argv[1], "functions", quartic, [distance, "mae", quartic])
make(sys.argv[1], "classes", PowerLoss(2.5), [Within(0.75), keras.metrics.MeanMetricWrapper(distance, name="apart")])
