#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes what Keras' optimizers, schedules, losses and metrics compute.

Run by hand with Keras 3.15 on TensorFlow after adding a case:
    python tests/unit/model/make_cases.py
It writes optimizer_cases.h (five steps over a kernel and a bias: weights and
slots), schedule_cases.h (rates), and beside the tests that read them
loss_cases.json (values and gradients) and metric_cases.json (results).
"""
import json
import os
import sys
import textwrap

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS = 5
MAX_SLOTS = 5

DECAY = {"class_name": "ExponentialDecay",
         "config": {"initial_learning_rate": 0.1, "decay_steps": 2, "decay_rate": 0.5}}
OPTIMIZERS = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.8, "nesterov": True, "learning_rate": 0.1}),
    ("SGD", {"clipnorm": 0.5, "learning_rate": 0.1}),
    ("SGD", {"clipvalue": 0.25, "learning_rate": 0.1}),
    ("SGD", {"global_clipnorm": 0.5, "learning_rate": 0.1}),
    ("SGD", {"weight_decay": 0.1, "momentum": 0.5, "learning_rate": 0.1}),
    ("SGD", {"learning_rate": DECAY}),
    ("SGD", {"use_ema": True, "ema_momentum": 0.7, "learning_rate": 0.1}),
    ("SGD", {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 2,
             "learning_rate": 0.1}),
    ("SGD", {"gradient_accumulation_steps": 2, "momentum": 0.5, "learning_rate": 0.1,
             "clipnorm": 0.5}),
    ("SGD", {"gradient_accumulation_steps": 3, "use_ema": True, "ema_momentum": 0.6,
             "weight_decay": 0.1, "learning_rate": DECAY}),
    ("RMSprop", {}),
    ("RMSprop", {"rho": 0.8, "momentum": 0.5, "learning_rate": 0.01}),
    ("RMSprop", {"centered": True, "epsilon": 1e-5}),
    ("RMSprop", {"centered": True, "momentum": 0.3, "weight_decay": 0.01}),
    ("Adam", {}),
    ("Adam", {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-4}),
    ("Adam", {"amsgrad": True, "learning_rate": 0.02}),
    ("Adam", {"weight_decay": 0.05, "clipnorm": 1.0, "learning_rate": 0.01}),
    ("Adam", {"amsgrad": True, "use_ema": True, "gradient_accumulation_steps": 2,
              "learning_rate": 0.05, "global_clipnorm": 1.0}),
    ("AdamW", {"learning_rate": 0.05}),
    ("AdamW", {"learning_rate": DECAY, "weight_decay": 0.2, "amsgrad": True}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Adadelta", {"learning_rate": 0.5, "rho": 0.8, "epsilon": 1e-3, "weight_decay": 0.1}),
    ("Adagrad", {"learning_rate": 0.1}),
    ("Adagrad", {"learning_rate": 0.1, "initial_accumulator_value": 0.5, "epsilon": 1e-3}),
    ("Adamax", {"learning_rate": 0.1}),
    ("Adamax", {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-2}),
    ("Nadam", {"learning_rate": 0.1}),
    ("Nadam", {"learning_rate": 0.1, "beta_1": 0.8, "gradient_accumulation_steps": 2}),
    ("Nadam", {"learning_rate": DECAY, "use_ema": True}),
    ("Ftrl", {"learning_rate": 0.1}),
    ("Ftrl", {"learning_rate": 0.1, "l1_regularization_strength": 0.05,
              "l2_regularization_strength": 0.1, "beta": 0.2}),
    ("Ftrl", {"learning_rate": 0.1, "learning_rate_power": -0.7,
              "l2_shrinkage_regularization_strength": 0.1, "initial_accumulator_value": 0.3}),
    ("Lion", {"learning_rate": 0.1}),
    ("Lion", {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.6, "weight_decay": 0.1}),
    ("Lamb", {"learning_rate": 0.1}),
    ("Lamb", {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-2,
              "weight_decay": 0.1}),
]

RATES = [0, 1, 2, 3, 4, 5, 7, 8, 10, 11, 16, 24, 25, 100, 5000]
SCHEDULES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.7}),
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.7,
                          "staircase": True}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 4, "decay_rate": 0.5}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 4, "decay_rate": 0.5,
                          "staircase": True}),
    ("PiecewiseConstantDecay", {"boundaries": [3, 8], "values": [1.0, 0.5, 0.1]}),
    ("PiecewiseConstantDecay", {"boundaries": [4.5], "values": [0.5, 0.25]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 8}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 8,
                         "end_learning_rate": 0.02, "power": 2.0}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 8,
                         "end_learning_rate": 0.01, "power": 0.5, "cycle": True}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 10}),
    ("CosineDecay", {"initial_learning_rate": 0.0, "decay_steps": 10, "alpha": 0.1,
                     "warmup_target": 0.2, "warmup_steps": 4}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 4}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 4, "t_mul": 1.0,
                             "m_mul": 0.5, "alpha": 0.05}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 3, "t_mul": 1.5,
                             "m_mul": 0.9}),
]


def words(values):
    """float32 values: nine digits bring them back exactly."""
    flat = np.concatenate([np.ravel(v) for v in values]).astype("float32")
    return [f"{x:.9g}" for x in flat.tolist()]


def numbers(values):
    text = [w + ("f" if "." in w or "e" in w else ".0f") for w in words(values)]
    return textwrap.fill("{" + ", ".join(text) + "}", 78, initial_indent="     ",
                         subsequent_indent="      ")


def c_string(value):
    text = json.dumps(value).replace('"', '\\"')
    lines = textwrap.wrap(text, 70, break_long_words=False, drop_whitespace=False)
    return "\n".join(f'     "{line}"' for line in lines)


def array(variable):
    return keras.ops.convert_to_numpy(variable)


# ---- optimizers --------------------------------------------------------------

def make_data():
    """Start values, and gradients: large first, then smaller and of changing
    sign, so that clipping and the maximum of AMSGrad both matter."""
    rng = np.random.default_rng(7)
    shapes = [(2, 3), (3,)]
    start = [rng.normal(size=s).astype("float32") for s in shapes]
    steps = [[(rng.normal(size=s) / (1 + k)).astype("float32") for s in shapes]
             for k in range(STEPS)]
    return start, steps


def run_optimizer(name, config, start, steps):
    """Weights, slots and scalars after the steps."""
    variables = [keras.Variable(v) for v in start]
    given = dict(config)
    rate = config.get("learning_rate")
    if isinstance(rate, dict):
        schedule = getattr(keras.optimizers.schedules, rate["class_name"])
        given["learning_rate"] = schedule(**rate["config"])
    optimizer = getattr(keras.optimizers, name)(**given)
    for gradients in steps:
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], variables)
    rest = optimizer.variables[1 if isinstance(rate, dict) else 2:]
    return ([array(v) for v in variables], [array(v) for v in rest if len(v.shape)],
            [array(v) for v in rest if not len(v.shape)])


def head(name, what):
    guard = f"TESTS_UNIT_MODEL_{name.upper()}_H"
    return (f"/* SPDX-License-Identifier: MIT\n *\n * {name}: {what}.\n * Written by "
            f"make_cases.py with Keras {keras.__version__}; not edited by hand.\n */\n"
            f"#ifndef {guard}\n"
            f"#define {guard}\n\n#include <stddef.h>\n\n/* clang-format off */\n")


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        f.write(text)


def write_optimizers():
    start, steps = make_data()
    sizes = [v.size for v in start]
    total = sum(sizes)
    text = head("optimizer_cases", "what optimizers do to a kernel and a bias")
    text += f"#define CASE_STEPS {STEPS}\n#define CASE_KERNEL {sizes[0]}\n"
    text += f"#define CASE_TRAINED {total}\n#define CASE_MAX_SLOTS {MAX_SLOTS}\n\n"
    text += f"static const float case_start[CASE_TRAINED] =\n{numbers(start)};\n\n"
    text += ("static const float case_gradients[CASE_STEPS * CASE_TRAINED] =\n"
             f"{numbers(sum(steps, []))};\n\n")
    text += """/* Elements are those of the kernel, then those of the bias. */
static const struct optimizer_case {
    const char *class_name;
    const char *config;
    size_t slots; /* vectors */
    float scalar; /* behind the slots; 0: none */
    float after[CASE_TRAINED];
    float saved[CASE_MAX_SLOTS * CASE_TRAINED]; /* as in a saved file */
} optimizer_cases[] = {
"""
    for name, config in OPTIMIZERS:
        after, slots, scalars = run_optimizer(name, config, start, steps)
        scalar = numbers(scalars).strip()[1:-1] if scalars else "0.0f"
        text += f'    {{"{name}",\n{c_string(config)},\n'
        text += f"     {sum(s.size for s in slots) // total},\n     {scalar},\n"
        text += numbers(after) + ",\n" + (numbers(slots) if slots else "     {0}") + "},\n"
    write(HERE, "optimizer_cases.h", text + "};\n/* clang-format on */\n\n#endif\n")


def write_schedules():
    text = head("schedule_cases", "rates of schedules")
    text += f"#define RATE_COUNT {len(RATES)}\n\nstatic const unsigned rate_steps[RATE_COUNT] = "
    text += "{\n    " + ", ".join(str(s) for s in RATES) + "};\n\n"
    text += """static const struct schedule_case {
    const char *object;
    float rates[RATE_COUNT];
} schedule_cases[] = {
"""
    for name, config in SCHEDULES:
        schedule = getattr(keras.optimizers.schedules, name)(**config)
        rates = [array(schedule(tf.constant(s, tf.int64))) for s in RATES]
        text += f"    {{\n{c_string({'class_name': name, 'config': config})},\n"
        text += numbers(rates) + "},\n"
    write(HERE, "schedule_cases.h", text + "};\n/* clang-format on */\n\n#endif\n")


# ---- losses ------------------------------------------------------------------

# name, options, kind of labels, kind of outputs
LOSSES = [
    ("MeanSquaredError", {}, "real", "real"),
    ("MeanAbsoluteError", {}, "real", "real"),
    ("MeanAbsolutePercentageError", {}, "real", "real"),
    ("MeanSquaredLogarithmicError", {}, "positive", "real"),
    ("Huber", {}, "real", "real"),
    ("Huber", {"delta": 0.3}, "real", "real"),
    ("LogCosh", {}, "real", "real"),
    ("CosineSimilarity", {}, "real", "real"),
    ("CosineSimilarity", {"axis": 1}, "real", "real"),
    ("KLDivergence", {}, "simplex", "simplex"),
    ("Poisson", {}, "positive", "unit"),
    ("Hinge", {}, "sign", "real"),
    ("Hinge", {}, "binary", "real"),
    ("SquaredHinge", {}, "sign", "real"),
    ("SquaredHinge", {}, "binary", "real"),
    ("CategoricalHinge", {}, "onehot", "real"),
    ("BinaryCrossentropy", {}, "binary", "unit"),
    ("BinaryCrossentropy", {"label_smoothing": 0.2, "axis": 1}, "binary", "unit"),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "binary", "real"),
    ("BinaryCrossentropy", {}, "binary", "sigmoid"),
    ("BinaryFocalCrossentropy", {}, "binary", "unit"),
    ("BinaryFocalCrossentropy", {"gamma": 1.5, "alpha": 0.4, "apply_class_balancing": True,
                                 "label_smoothing": 0.1}, "binary", "unit"),
    ("BinaryFocalCrossentropy", {"from_logits": True}, "binary", "real"),
    ("BinaryFocalCrossentropy", {"gamma": 3.0, "apply_class_balancing": True}, "binary",
     "sigmoid"),
    ("CategoricalCrossentropy", {}, "onehot", "unit"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.2}, "onehot", "simplex"),
    ("CategoricalCrossentropy", {"axis": 1}, "onehot", "unit"),
    ("CategoricalCrossentropy", {"from_logits": True, "axis": 1}, "onehot", "real"),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "onehot", "real"),
    ("CategoricalCrossentropy", {}, "onehot", "softmax"),
    ("CategoricalFocalCrossentropy", {}, "onehot", "unit"),
    ("CategoricalFocalCrossentropy", {"alpha": 0.5, "gamma": 1.5, "label_smoothing": 0.1},
     "onehot", "simplex"),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "gamma": 3.0}, "onehot", "real"),
    ("SparseCategoricalCrossentropy", {}, "class", "unit"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "class", "real"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, "class", "simplex"),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": -1}, "ignored",
     "real"),
    ("SparseCategoricalCrossentropy", {}, "class", "softmax"),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.7}, "class", "simplex"),
    ("Dice", {}, "binary", "unit"),
    ("Dice", {"axis": 1}, "binary", "unit"),
    ("Dice", {"axis": [0, 1]}, "binary", "unit"),
    ("Tversky", {"alpha": 0.3, "beta": 0.8}, "binary", "unit"),
    ("Tversky", {"axis": -1}, "binary", "unit"),
]


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def labels(rng, kind, shape):
    width = shape[-1]
    chosen = rng.integers(0, width, size=shape[:-1])
    return {
        "real": lambda: rng.normal(size=shape),
        "positive": lambda: rng.uniform(0, 3, size=shape),
        "simplex": lambda: softmax(rng.normal(size=shape)),
        "sign": lambda: rng.choice([-1.0, 1.0], size=shape),
        "binary": lambda: rng.choice([0.0, 1.0], size=shape),
        "onehot": lambda: np.eye(width)[chosen],
        "class": lambda: chosen,
        "ignored": lambda: np.where(rng.uniform(size=shape[:-1]) < 0.4, -1, chosen),
    }[kind]().astype("float32")


def outputs(rng, kind, shape):
    values = rng.normal(size=shape)
    if kind == "unit":
        values = rng.uniform(0.05, 0.95, size=shape)
    elif kind == "simplex":
        values = softmax(values)
    return values.astype("float32")


def loss_case(name, options, label, output, shape, reduction, weighted, masked, seed):
    rng = np.random.default_rng(seed)
    y = labels(rng, label, shape)
    x = tf.Variable(outputs(rng, output, shape))
    weights = rng.uniform(0.2, 2, size=shape[:1]).astype("float32") if weighted else None
    mask = (rng.uniform(size=shape[:-1]) < 0.6) if masked else None
    spread = weights
    if weights is not None and len(shape) > 2 and name not in ("Dice", "Tversky"):
        spread = np.broadcast_to(weights[:, None], shape[:-1])
    loss = getattr(keras.losses, name)(reduction=reduction, **options)
    with tf.GradientTape() as tape:
        p = {"sigmoid": keras.ops.sigmoid, "softmax": keras.ops.softmax}.get(
            output, tf.identity)(x)
        if mask is not None:
            keras.src.backend.set_keras_mask(p, tf.constant(mask))
        value = loss(y, p, sample_weight=spread)
    gradient = tf.convert_to_tensor(tape.gradient(value, x)).numpy()
    listed = {"y": y, "x": x.numpy(), "p": p.numpy(), "gradient": gradient}
    case = {"name": name, "config": dict(options, reduction=reduction),
            "shape": list(shape[1:]), "rows": shape[0],
            "closing": output in ("sigmoid", "softmax"), "value": float(f"{float(value):.9g}"),
            # softmax - y is no derivative where the labels do not sum to one
            "differs": name == "CategoricalCrossentropy" and "axis" in options
            and "from_logits" in options and len(shape) > 2}
    case.update({k: [float(w) for w in words([v])] for k, v in listed.items()})
    if weights is not None:
        case["weights"] = [float(w) for w in words([weights])]
    if mask is not None:
        case["mask"] = [float(m) for m in mask.ravel()]
    return case


def loss_cases():
    flat, deep = (4, 3), (3, 2, 3)
    seed = 0
    for name, options, label, output in LOSSES:
        axis = options.get("axis", -1)
        whole = name in ("Dice", "Tversky")
        last = axis == -1 and not whole
        runs = [
            (flat, "sum_over_batch_size", False, False),
            (flat, "sum", not whole or axis == -1, False),
            (deep, "sum_over_batch_size", last or (whole and "axis" not in options), last),
            (deep, "mean_with_sample_weight", last, last),
            (deep, "sum", False, False),
        ]
        for shape, reduction, weighted, masked in runs:
            seed += 1
            yield loss_case(name, options, label, output, shape, reduction, weighted, masked,
                            seed)


def write_list(folder, name, cases):
    lines = ",\n".join(json.dumps(c) for c in cases)
    write(folder, name, f'{{"keras": "{keras.__version__}", "cases": [\n{lines}\n]}}\n')


# ---- metrics -----------------------------------------------------------------

# name, options, kind of labels, kind of outputs, shape of a row
METRICS = [
    ("Accuracy", {}, "binary", "hard", (3,)),
    ("BinaryAccuracy", {}, "binary", "unit", (3,)),
    ("BinaryAccuracy", {"threshold": 0.3}, "binary", "unit", (2, 3)),
    ("CategoricalAccuracy", {}, "onehot", "simplex", (3,)),
    ("CategoricalAccuracy", {}, "onehot", "simplex", (2, 3)),
    ("SparseCategoricalAccuracy", {}, "class", "simplex", (3,)),
    ("SparseCategoricalAccuracy", {}, "class", "simplex", (2, 3)),
    ("TopKCategoricalAccuracy", {"k": 2}, "onehot", "simplex", (4,)),
    ("TopKCategoricalAccuracy", {}, "onehot", "simplex", (7,)),
    ("TopKCategoricalAccuracy", {"k": 1}, "onehot", "simplex", (2, 3)),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, "class", "simplex", (4,)),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, "class", "simplex", (2, 4)),
    ("SparseTopKCategoricalAccuracy", {"k": 2, "from_sorted_ids": True}, "class", "ids", (3,)),
    ("MeanSquaredError", {}, "real", "real", (3,)),
    ("RootMeanSquaredError", {}, "real", "real", (3,)),
    ("RootMeanSquaredError", {}, "real", "real", (2, 3)),
    ("MeanAbsoluteError", {}, "real", "real", (2, 3)),
    ("MeanAbsolutePercentageError", {}, "real", "real", (3,)),
    ("MeanSquaredLogarithmicError", {}, "positive", "real", (3,)),
    ("CosineSimilarity", {}, "real", "real", (3,)),
    ("LogCoshError", {}, "real", "real", (3,)),
    ("PearsonCorrelation", {}, "real", "real", (4,)),
    ("ConcordanceCorrelation", {}, "real", "real", (4,)),
    ("KLDivergence", {}, "simplex", "simplex", (3,)),
    ("Poisson", {}, "positive", "unit", (3,)),
    ("Hinge", {}, "sign", "real", (3,)),
    ("Hinge", {}, "binary", "real", (3,)),
    ("SquaredHinge", {}, "binary", "real", (3,)),
    ("CategoricalHinge", {}, "onehot", "real", (3,)),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, "binary", "unit", (3,)),
    ("BinaryCrossentropy", {"from_logits": True}, "binary", "real", (2, 3)),
    ("BinaryCrossentropy", {}, "binary", "sure sigmoid", (3,)),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, "onehot", "simplex", (3,)),
    ("CategoricalCrossentropy", {}, "onehot", "sure softmax", (3,)),
    ("SparseCategoricalCrossentropy", {}, "class", "unit", (3,)),
    ("SparseCategoricalCrossentropy", {"ignore_class": -1}, "ignored", "simplex", (3,)),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "class", "real", (2, 3)),
    ("TruePositives", {}, "binary", "unit", (3,)),
    ("TrueNegatives", {"thresholds": 0.7}, "binary", "unit", (3,)),
    ("FalsePositives", {"thresholds": [0.7, 0.2]}, "binary", "unit", (3,)),
    ("FalseNegatives", {"thresholds": [0.0, 0.5, 1.0]}, "binary", "edges", (3,)),
    ("Precision", {}, "binary", "unit", (3,)),
    ("Precision", {"thresholds": [0.9, 0.1, 0.5]}, "binary", "unit", (3,)),
    ("Precision", {"top_k": 2}, "onehot", "simplex", (4,)),
    ("Precision", {"top_k": 2, "thresholds": 0.3}, "onehot", "simplex", (4,)),
    ("Precision", {"class_id": 1}, "binary", "unit", (3,)),
    ("Recall", {"thresholds": 0.4}, "binary", "unit", (3,)),
    ("Recall", {"top_k": 1, "class_id": 2}, "onehot", "simplex", (4,)),
    ("PrecisionAtRecall", {"recall": 0.6}, "binary", "unit", (3,)),
    ("RecallAtPrecision", {"precision": 0.5, "num_thresholds": 20}, "binary", "unit", (3,)),
    ("SensitivityAtSpecificity", {"specificity": 0.4, "class_id": 1}, "binary", "edges", (3,)),
    ("SpecificityAtSensitivity", {"sensitivity": 0.7, "num_thresholds": 1}, "binary", "unit",
     (3,)),
    ("AUC", {}, "binary", "unit", (1,)),
    ("AUC", {"num_thresholds": 10, "curve": "PR"}, "binary", "edges", (3,)),
    ("AUC", {"curve": "PR", "summation_method": "majoring", "num_thresholds": 20}, "binary",
     "unit", (3,)),
    ("AUC", {"summation_method": "minoring", "thresholds": [0.2, 0.9, 0.5]}, "binary", "unit",
     (3,)),
    ("AUC", {"thresholds": [0.25, 0.5, 0.75]}, "binary", "edges", (3,)),
    ("AUC", {"curve": "PRGAIN"}, "binary", "unit", (3,)),
    ("AUC", {"multi_label": True, "num_labels": 3}, "binary", "unit", (3,)),
    ("AUC", {"multi_label": True, "label_weights": [0.5, 1.0, 2.0], "curve": "PR"}, "binary",
     "unit", (3,)),
    ("AUC", {"label_weights": [0.5, 1.0, 2.0]}, "binary", "unit", (3,)),
    ("AUC", {"from_logits": True}, "binary", "real", (3,)),
    ("F1Score", {}, "binary", "unit", (3,)),
    ("F1Score", {"average": "micro", "threshold": 0.4}, "binary", "unit", (3,)),
    ("F1Score", {"average": "macro"}, "onehot", "simplex", (3,)),
    ("FBetaScore", {"average": "weighted", "beta": 2.0}, "onehot", "simplex", (3,)),
    ("FBetaScore", {"beta": 0.5, "threshold": 0.6}, "binary", "unit", (3,)),
    ("R2Score", {}, "real", "real", (3,)),
    ("R2Score", {"class_aggregation": None}, "real", "real", (3,)),
    ("R2Score", {"class_aggregation": "variance_weighted_average", "num_regressors": 2}, "real",
     "real", (3,)),
    ("IoU", {"num_classes": 3, "target_class_ids": [0, 2], "sparse_y_pred": False}, "class",
     "simplex", (3,)),
    ("MeanIoU", {"num_classes": 4}, "ids", "ids", (3,)),
    ("MeanIoU", {"num_classes": 3, "sparse_y_pred": False, "ignore_class": 1}, "class",
     "simplex", (2, 3)),
    ("BinaryIoU", {"target_class_ids": [1], "threshold": 0.3}, "binary", "unit", (3,)),
    ("BinaryIoU", {}, "binary", "unit", (1,)),
    ("OneHotIoU", {"num_classes": 3, "target_class_ids": [1]}, "onehot", "simplex", (3,)),
    ("OneHotMeanIoU", {"num_classes": 3, "dtype": "float32"}, "onehot", "simplex", (3,)),
]


def metric_outputs(rng, kind, shape):
    if kind == "hard":
        return rng.choice([0.0, 1.0], size=shape).astype("float32")
    if kind == "ids":
        return rng.integers(0, 4, size=shape).astype("float32")
    if kind == "edges":
        return rng.choice([-0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5], size=shape).astype("float32")
    if kind.startswith("sure"):
        return (30 * rng.normal(size=shape)).astype("float32")
    return outputs(rng, kind, shape)


def metric_case(name, options, label, output, shape, weighted, seed):
    rng = np.random.default_rng(1000 + seed)
    metric = getattr(keras.metrics, name)(**options)
    batches = [4, 4, 2]
    case = {"name": name, "config": options, "shape": list(shape), "batches": batches,
            "sparse": label in ("class", "ignored"), "y": [], "x": [], "p": []}
    if weighted:
        case["weights"] = []
    for rows in batches:
        full = (rows,) + shape
        y = metric_outputs(rng, "ids", full) if label == "ids" else labels(rng, label, full)
        x = metric_outputs(rng, output, full)
        p = {"sure sigmoid": keras.ops.sigmoid, "sure softmax": keras.ops.softmax}.get(
            output, tf.constant)(x)
        w = rng.integers(1, 4, size=(rows,)).astype("float32") if weighted else None
        metric.update_state(y, p, sample_weight=w)
        for key, value in (("y", y), ("x", x), ("p", p.numpy()), ("weights", w)):
            if value is not None:
                case[key] += [float(v) for v in words([value])]
    case["closing"] = output.startswith("sure")
    result = np.asarray(array(metric.result()))
    case["result"] = [float(v) for v in words([result])]
    return case


def metric_cases():
    for i, (name, options, label, output, shape) in enumerate(METRICS):
        yield metric_case(name, options, label, output, shape, False, 2 * i)
        # weights of rows do not fit every shape that Keras has for them
        if len(shape) == 1 or name in ("MeanAbsoluteError", "BinaryAccuracy",
                                       "CategoricalAccuracy"):
            if not (name.endswith("IoU") and shape[-1] > 1 and output == "ids") and \
                    name != "BinaryIoU":
                yield metric_case(name, options, label, output, shape, True, 2 * i + 1)


def main():
    write_optimizers()
    write_schedules()
    write_list(os.path.join(HERE, "..", "nn"), "loss_cases.json", loss_cases())
    write_list(HERE, "metric_cases.json", metric_cases())


if __name__ == "__main__":
    sys.exit(main())
