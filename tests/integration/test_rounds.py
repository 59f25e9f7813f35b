#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rounds of batches are what Keras makes of the batches put together: golden
cases, whose steps were recorded with one process and batches of four rows,
trained by two workers with batches of two, by three with one or two, and by
one, to the same weights and losses."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from system import GOLDEN, Case, run  # noqa: E402 pylint: disable=wrong-import-position

# All that is special in a round, and some that is not.
CASES = """loss_mse_reduction_sum loss_mse_reduction_mean_with_sample_weight loss_mse_sample_weight
    loss_sparse_categorical_crossentropy_ignore_class loss_mse_class_name layer_masking_lstm_sequences layer_embedding
    layer_embedding_mask_zero_lstm layer_embedding_mask_zero_pool model_recommender model_two_outputs model_lstm_classifier
    layer_dense_reg_activity layer_dense_reg_l1_l2 layer_dense_constraint_unit_norm opt_adam opt_sgd_global_clipnorm
    opt_adam_gradient_accumulation opt_schedule_cosine loss_binary_crossentropy_class_weight
    model_siamese_shared""".split() + sorted(name for name in os.listdir(GOLDEN) if name.startswith("model_rounds_"))


class Rounds(Case):
    """A golden case, row by row."""

    def rows(self, role):
        """For each row, all its numbers of that role."""
        n = self.json["rows"]
        parts = [self.tensor(t["name"])[0] for t in self.json["tensors"] if t["role"] == role]
        return [[v for part in parts for v in part[i * (len(part) // n):(i + 1) * (len(part) // n)]] for i in range(n)]


def write_csv(s, case, ranges):
    """The rows of all steps, one behind the other; options that name the columns."""
    x, y, w = case.rows("input"), case.rows("target"), case.rows("sample_weight")
    path = s.path("rows.csv")
    with open(path, "w", encoding="utf-8") as f:
        for start, end in ranges:
            for i in range(start, end):
                f.write(",".join(f"{v:.9g}" for v in x[i] + y[i] + w[i]) + "\n")
    nx, ny = len(x[0]), len(y[0])
    options = ["--data", path, "--no-header", "--features", f"0-{nx - 1}", "--label", f"{nx}-{nx + ny - 1}"]
    if w[0]:
        options += ["--sample-weight", str(nx + ny)]
    if case.json["train"]["class_weight"]:
        options += ["--class-weight", ",".join(f"{k}:{v}" for k, v in case.json["train"]["class_weight"].items())]
    return options


def compare(what, got, want, tolerance):
    assert len(got) == len(want), f"{what}: {len(got)} numbers, not {len(want)}"
    for i, (g, w) in enumerate(zip(got, want)):
        assert abs(g - w) <= tolerance * (1 + abs(w)), f"{what}[{i}]: {g}, Keras has {w} (tolerance {tolerance})"


def train(s, name, workers):
    case = Rounds(name)
    ranges = case.json["train"]["rows"]
    batch = ranges[0][1] - ranges[0][0]
    options = write_csv(s, case, ranges)
    out = s.submit("train", "--model", os.path.join(case.dir, "model.keras"), *options, "--epochs", 1, "--no-shuffle",
                   "--frequency", "batch", "--batch-size", batch // workers, "--workers", workers,
                   "--output", s.path("out.keras"), "--json")
    assert out.status == 0, f"{name}: {out.err}"
    want = case.flat("weight_after")
    compare(f"{name}, {workers} workers: weights", s.model_values(out.last["job"], len(want)), want,
            case.json["tolerance"]["weight_after"])
    logs = case.json["train"]["logs"]
    history = out.last["history"]
    for key in logs[0]:
        if key == "loss" or key.endswith("_loss"):
            compare(f"{name}, {workers} workers: {key}", history[key], [sum(log[key] for log in logs) / len(logs)],
                    case.json["tolerance"]["loss_per_step"])


def of_case(name):
    def test(s):
        s.daemon()
        for workers in (1, 2, 4):
            train(s, name, workers)
    test.__name__ = name
    return test


def a_loss_over_all_rows_is_refused(s):
    s.daemon()
    case = Rounds("found_dice_masked")
    options = write_csv(s, case, case.json["train"]["rows"])
    out = s.submit("train", "--model", os.path.join(case.dir, "model.keras"), *options, "--frequency", "batch",
                   "--workers", 2, "--output", s.path("out.keras"))
    assert out.status != 0 and "--frequency epoch" in out.err, out.err


if __name__ == "__main__":
    run([of_case(name) for name in CASES] + [a_loss_over_all_rows_is_refused])
