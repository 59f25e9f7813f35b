#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random ordinary models, recorded by real Keras: random_cases.py OUT SEED COUNT

Writes OUT/cases/random_SEED ... in the form of the golden cases, for
check_golden to compare: models of one to three inputs and outputs, with
branches that meet again, nested and shared layers, frozen ones, masks, sizes of
one, whatever options Keras lets a file have; a loss, metrics, weights and
optimizer of any kind. Needs Keras with TensorFlow, on which the golden cases are
recorded. A model that Keras itself does not build, train or read back is drawn
anew.
"""
import os
import sys
import traceback
import warnings

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # tf.einsum with it is not NumPy's for every shape
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
import make_fixtures as fx  # noqa: E402
import numpy as np  # noqa: E402

ACTIVATIONS = ["linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "sigmoid", "log_sigmoid",
               "hard_sigmoid", "silu", "hard_silu", "tanh", "hard_tanh", "tanh_shrink", "soft_shrink", "mish",
               "squareplus", "sparse_plus", "sparse_sigmoid", "softplus", "softsign", "softmax", "log_softmax", None]
SMOOTH = ["linear", "tanh", "sigmoid", "silu", "softplus", "gelu", "elu", "mish", "softsign", "softmax", None]
VALUES = 2000  # numbers of a row, at most


class Draw:
    """A generator that keeps the model small and legal, for the most part."""

    def __init__(self, rng):
        self.rng, self.shared, self.depth, self.masked, self.operations = rng, [], 0, False, False

    # ---- plain choices

    def pick(self, *values):
        return values[int(self.rng.integers(len(values)))]

    def some(self, p=0.5):
        return self.rng.random() < p

    def int(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def act(self):
        return self.pick(*(ACTIVATIONS if self.some(0.4) else SMOOTH))

    def some_of(self, p, **options):
        """Each option with a probability; values may be functions."""
        return {k: v() if callable(v) else v for k, v in options.items() if self.some(p)}

    def regularizer(self):
        r = fx.R
        return self.pick("l1", "l2", r.L1(0.003), r.L2(0.02), r.L1L2(0.001, 0.01))

    def matrix_regularizer(self):
        return self.pick(self.regularizer(), fx.R.OrthogonalRegularizer(0.01, self.pick("rows", "columns")))

    def constraint(self):
        c = fx.C
        return self.pick("non_neg", "unit_norm", c.MaxNorm(0.7), c.MaxNorm(1.1, axis=self.pick(0, -1)),
                         c.MinMaxNorm(0.3, 0.9, rate=self.pick(1.0, 0.5)), c.UnitNorm(axis=self.pick(0, -1)))

    def initializer(self):
        i = fx.keras.initializers
        return self.pick("ones", "he_normal", "lecun_uniform", i.RandomNormal(stddev=0.3), i.Constant(0.2),
                         i.VarianceScaling(0.7, "fan_avg", "uniform"), i.TruncatedNormal(stddev=0.2), "orthogonal")

    def kernel(self, name="kernel", p=0.15):
        return self.some_of(p, **{f"{name}_regularizer": self.regularizer, f"{name}_constraint": self.constraint,
                                  f"{name}_initializer": self.initializer})

    def bias(self):
        return self.some_of(0.1, bias_regularizer=self.regularizer, bias_initializer=lambda: self.pick("ones", "zeros"),
                            bias_constraint=lambda: self.pick("non_neg", "max_norm"), use_bias=False,
                            activity_regularizer=self.regularizer)

    def frozen(self):
        return {"trainable": False} if self.some(0.06) else {}

    # ---- layers of any tensor

    def any_layer(self, rank, shape):
        L = fx.L
        return self.pick(
            lambda: L.Activation(self.act() or "relu"),
            lambda: L.ReLU(**self.some_of(0.4, max_value=1.5, negative_slope=0.1, threshold=0.2)),
            lambda: L.LeakyReLU(**self.some_of(0.5, negative_slope=0.15)),
            lambda: L.PReLU(**self.some_of(0.3, alpha_regularizer=self.regularizer, alpha_constraint="non_neg",
                                           alpha_initializer=self.initializer if rank == 1 else "ones"),
                            **({"shared_axes": [self.int(1, rank)]} if rank > 1 and self.some() else {}),
                            **self.frozen()),
            lambda: L.ELU(**self.some_of(0.5, alpha=0.7)),
            lambda: L.Softmax(**self.some_of(0.4, axis=self.int(1, rank))),
            lambda: L.Dropout(0.0, **self.some_of(0.3, seed=3)),
            lambda: L.GaussianNoise(0.0), lambda: L.GaussianDropout(0.0), lambda: L.AlphaDropout(0.0),
            self.batch_norm, self.batch_norm,
            lambda: L.LayerNormalization(**self.norm_options(),
                                         **({"axis": self.pick([1, -1], [1], 1)} if rank > 1 and self.some(0.4) else {})),
            lambda: L.UnitNormalization(**self.some_of(0.3, axis=self.int(1, rank))),
            lambda: self.group_norm(shape),
            lambda: L.RMSNormalization(**self.some_of(0.3, epsilon=0.01)),
            lambda: self.einsum(rank, shape),
            lambda: L.Rescaling(self.pick(0.5, 2.0), **self.some_of(0.5, offset=0.3)),
            lambda: L.ActivityRegularization(l1=self.pick(0.0, 0.01), l2=self.pick(0.0, 0.02)),
            lambda: L.Flatten(), lambda: L.Identity(),
            lambda: L.Reshape(self.pick((-1,), (-1, shape[-1]), (shape[-1], -1))),
        )()

    def einsum(self, rank, shape):
        """A kernel over the last axis, over all axes but the batch, or over the first."""
        o = {"activation": self.pick(*SMOOTH), **self.kernel()}
        letters = "abcdefg"[:rank + 1]
        n, m = self.int(1, 4), self.int(1, 3)
        return self.pick(  # of more axes TensorFlow's is not that of NumPy
            lambda: fx.L.EinsumDense("...x,xy->...y" if rank < 3 else f"{letters},{letters[-1]}y->{letters[:-1]}y",
                                     n if rank < 3 else shape[:-1] + (n,), **o, **self.some_of(0.6, bias_axes="y")),
            lambda: fx.L.EinsumDense(f"{letters},{letters[-1]}yz->{letters[:-1]}yz", shape[:-1] + (n, m), **o,
                                     **self.some_of(0.6, bias_axes=self.pick("yz", "y", "z"))),
            lambda: fx.L.EinsumDense(f"{letters},{letters[1:]}y->ay", (n,), **o, **self.some_of(0.6, bias_axes="y")),
            lambda: fx.L.EinsumDense(f"ab{letters[2:]},yb->ay{letters[2:]}", (n,) + shape[1:], **o,
                                     **self.some_of(0.6, bias_axes="y")))()

    def norm_options(self):
        return {**self.some_of(0.2, epsilon=0.01, center=False, scale=False),
                **self.some_of(0.1, gamma_regularizer=self.regularizer, beta_regularizer=self.regularizer,
                               gamma_constraint="non_neg", beta_constraint="max_norm",
                               beta_initializer="ones", gamma_initializer="zeros"),
                **self.frozen()}

    def batch_norm(self, axes=None):
        return fx.L.BatchNormalization(**self.norm_options(), **self.some_of(0.3, momentum=lambda: self.pick(0.5, 0.9, 0.0)),
                                       **({"axis": axes} if axes else {}),
                                       **self.some_of(0.1, moving_mean_initializer="ones"))

    def group_norm(self, shape):
        good = [g for g in range(1, shape[-1] + 1) if shape[-1] % g == 0]
        return fx.L.GroupNormalization(self.pick(*good, -1), **self.norm_options())

    # ---- by rank

    def vector_layer(self, shape):
        L = fx.L
        return self.pick(
            self.dense, self.dense, self.dense,
            lambda: L.RepeatVector(self.int(1, 4)),
            lambda: self.reshape(shape))()

    def dense(self):
        return fx.L.Dense(self.int(1, 6), self.act(), **self.kernel(), **self.bias(), **self.frozen())

    def reshape(self, shape):
        n = shape[0]
        a = self.pick(*[d for d in range(1, n + 1) if n % d == 0])
        return fx.L.Reshape(self.pick((a, n // a), (n // a, a, 1), (1, a, n // a)))

    def rnn(self, sequences=None, cls=None):
        L = fx.L
        cls = cls or self.pick(L.LSTM, L.GRU, L.SimpleRNN)
        o = {"return_sequences": self.some(0.5) if sequences is None else sequences}
        o.update(self.some_of(0.2, go_backwards=True, use_bias=False, unroll=True))
        o.update(self.some_of(0.15, activation=lambda: self.pick("relu", "sigmoid", "softsign", "linear", "elu")))
        if cls is not L.SimpleRNN:
            o.update(self.some_of(0.15, recurrent_activation=lambda: self.pick("hard_sigmoid", "tanh", "relu")))
        if cls is L.LSTM:
            o.update(self.some_of(0.2, unit_forget_bias=False))
        if cls is L.GRU:
            o.update(self.some_of(0.3, reset_after=False))
        o.update(self.kernel(p=0.1))
        o.update(self.some_of(0.1, recurrent_regularizer=self.regularizer, recurrent_constraint=self.constraint,
                              bias_regularizer=self.regularizer, activity_regularizer=self.regularizer,
                              bias_constraint="max_norm"))
        o.update(self.some_of(0.2, zero_output_for_mask=True))
        return cls(self.int(1, 5), **o, **self.frozen())

    def bidirectional(self):
        L = fx.L
        one = self.rnn()
        o = {"merge_mode": self.pick("concat", "sum", "mul", "ave")}
        if self.some(0.2):
            o["backward_layer"] = type(one)(one.units if o["merge_mode"] != "concat" else self.int(1, 4),
                                            return_sequences=one.return_sequences, go_backwards=not one.go_backwards)
        return L.Bidirectional(one, **o)

    def conv_options(self):
        return {"padding": self.pick("valid", "same"), "activation": self.act(), **self.bias(), **self.frozen()}

    def size(self, n, most=4):
        return self.int(1, max(1, min(n, most)))

    def sequence_layer(self, shape):
        L = fx.L
        t, f = shape
        strides = self.pick(1, 1, 2, 3)
        k = self.size(t)
        return self.pick(
            self.rnn, self.rnn, self.bidirectional,
            lambda: self.conv1d(t, f),
            lambda: L.Conv1DTranspose(self.int(1, 4), self.int(1, 4), strides=self.pick(1, 2, 3), **self.kernel(),
                                      **self.conv_options()),
            lambda: L.SeparableConv1D(self.int(1, 4), k, strides=strides, depth_multiplier=self.int(1, 3),
                                      **self.kernel("depthwise"), **self.kernel("pointwise"), **self.conv_options()),
            lambda: L.DepthwiseConv1D(k, strides=strides, depth_multiplier=self.int(1, 2), **self.kernel("depthwise"),
                                      **self.conv_options()),
            lambda: L.MaxPooling1D(k, **self.some_of(0.4, strides=lambda: self.int(1, 3)), padding=self.pick("valid", "same")),
            lambda: L.AveragePooling1D(k, **self.some_of(0.4, strides=lambda: self.int(1, 3)),
                                       padding=self.pick("valid", "same")),
            lambda: L.GlobalAveragePooling1D(**self.some_of(0.3, keepdims=True)),
            lambda: L.GlobalMaxPooling1D(**self.some_of(0.3, keepdims=True)),
            lambda: L.ZeroPadding1D(self.pick(1, (0, 2), (2, 1))),
            lambda: L.Cropping1D(self.pick((0, 0), (0, min(1, t - 1)), (min(1, t - 1), 0))),
            lambda: L.UpSampling1D(self.int(1, 3)),
            lambda: L.Permute((2, 1)),
            lambda: L.SpatialDropout1D(0.0),
            lambda: L.TimeDistributed(self.pick(self.dense, self.dense, lambda: L.Activation("tanh"), self.batch_norm,
                                                lambda: L.LayerNormalization(), lambda: L.RepeatVector(2),
                                                lambda: L.Dropout(0.0), lambda: L.Reshape((f, 1)))()),
            lambda: L.Masking(**self.some_of(0.3, mask_value=0.5)),
            self.dense,
            lambda: self.batch_norm(1) if self.some(0.3) else self.batch_norm())()

    def conv1d(self, t, f):
        groups = self.pick(*[g for g in range(1, f + 1) if f % g == 0])
        strides, dilation = self.pick((1, 1), (1, 1), (2, 1), (3, 1), (1, 2), (1, 3))
        o = {**self.conv_options(), "padding": self.pick("valid", "same", "causal")}
        return fx.L.Conv1D(groups * self.int(1, 3), self.size(t), strides=strides, dilation_rate=dilation, groups=groups,
                           **self.kernel(), **o)

    def pair(self, *values):
        return (self.pick(*values), self.pick(*values)) if self.some() else self.pick(*values)

    def image_layer(self, shape):
        L = fx.L
        h, w, f = shape
        kernel = (self.size(h, 3), self.size(w, 3))
        return self.pick(
            lambda: self.conv2d(h, w, f), lambda: self.conv2d(h, w, f),
            lambda: L.Conv2DTranspose(self.int(1, 3), (self.int(1, 3), self.int(1, 3)), strides=self.pair(1, 2, 3),
                                      **self.kernel(), **self.conv_options()),
            lambda: L.SeparableConv2D(self.int(1, 3), kernel, strides=self.pick(1, 2), depth_multiplier=self.int(1, 2),
                                      **self.kernel("depthwise"), **self.kernel("pointwise"), **self.conv_options()),
            lambda: L.DepthwiseConv2D(kernel, strides=self.pick(1, 2), depth_multiplier=self.int(1, 2),
                                      **self.kernel("depthwise"), **self.conv_options()),
            lambda: L.MaxPooling2D(kernel, **self.some_of(0.4, strides=lambda: self.pair(1, 2, 3)),
                                   padding=self.pick("valid", "same")),
            lambda: L.AveragePooling2D(kernel, **self.some_of(0.4, strides=lambda: self.pair(1, 2, 3)),
                                       padding=self.pick("valid", "same")),
            lambda: L.GlobalAveragePooling2D(**self.some_of(0.3, keepdims=True)),
            lambda: L.GlobalMaxPooling2D(**self.some_of(0.3, keepdims=True)),
            lambda: L.ZeroPadding2D(self.pick(1, (0, 2), ((1, 0), (2, 1)))),
            lambda: L.Cropping2D(((0, min(1, h - 1)), (min(1, w - 1), 0))),
            lambda: L.UpSampling2D(self.pair(1, 2), interpolation=self.pick("nearest", "bilinear")),
            lambda: L.Permute(self.pick((2, 1, 3), (3, 1, 2), (1, 3, 2))),
            lambda: L.SpatialDropout2D(0.0),
            lambda: L.TimeDistributed(self.pick(
                self.rnn, lambda: self.conv1d(w, f), lambda: L.Flatten(), self.dense, self.batch_norm,
                lambda: L.GlobalAveragePooling1D(), lambda: L.MaxPooling1D(self.size(w)), self.bidirectional,
                lambda: self.nested((w, f)))()),
            self.dense,
            lambda: self.batch_norm(self.pick(1, 2, 3, -2)))()

    def conv2d(self, h, w, f):
        groups = self.pick(*[g for g in range(1, f + 1) if f % g == 0])
        strides, dilation = self.pick((1, 1), (1, 1), (2, 1), ((2, 1), 1), (1, 2), (1, (2, 1)))
        return fx.L.Conv2D(groups * self.int(1, 3), (self.size(h, 3), self.size(w, 3)), strides=strides,
                           dilation_rate=dilation, groups=groups, **self.kernel(), **self.conv_options())

    def nested(self, shape):
        """A model as a layer."""
        self.depth += 1
        L = fx.L
        if self.some():
            model = fx.keras.Sequential([L.Input(shape)] if self.some(0.7) else [])
            at = shape
            for _ in range(self.int(1, 2)):
                layer = self.layer(at)
                model.add(layer)
                at = layer.compute_output_shape((None, *at))[1:]
            if not model.built:
                model.build((None, *shape))
        else:
            a = L.Input(shape)
            model = fx.keras.Model(a, self.chain(a, self.int(1, 3)))
        self.depth -= 1
        if self.some(0.1):
            model.trainable = False
        return model

    # ---- graphs

    def layer(self, shape):
        rank = len(shape)
        if self.some(0.3) or rank not in (1, 2, 3):
            return self.any_layer(rank, shape)
        return {1: self.vector_layer, 2: self.sequence_layer, 3: self.image_layer}[rank](shape)

    @staticmethod
    def shape(t):
        return tuple(int(d) for d in t.shape[1:])

    def small(self, t):
        return np.prod(self.shape(t)) <= VALUES and 1 <= len(self.shape(t)) <= 4

    def operation(self, t):
        """What keras.ops makes of a tensor."""
        o, shape, self.operations = fx.keras.ops, self.shape(t), True
        axis, last = self.int(1, len(shape)), shape[-1]
        start = self.int(0, shape[0] - 1)
        return self.pick(
            lambda: o.exp(-o.abs(t)), lambda: o.log(o.square(t) + 1.0), lambda: o.sqrt(abs(t) + 0.5), lambda: t ** 2,
            lambda: o.clip(t, -0.7, 0.9), lambda: o.sin(t) - o.cos(t), lambda: 1.0 / (2.0 + o.relu(t)),
            lambda: o.tanh(t) * o.sigmoid(t) + o.silu(t), lambda: o.softplus(t) / 2.0, lambda: o.softmax(t),
            lambda: o.leaky_relu(t, 0.3), lambda: o.gelu(t, approximate=False), lambda: o.elu(t) - o.selu(t),
            lambda: t - o.mean(t, axis=axis, keepdims=True), lambda: o.expand_dims(o.sum(t, axis=-1), axis=-1),
            lambda: o.max(t, axis=axis, keepdims=True), lambda: o.min(t, axis=-1, keepdims=True),
            lambda: t[:, start:], lambda: t[..., ::-1], lambda: t[:, start:start + 1], lambda: t[:, ::2],
            lambda: t[..., last - 1:], lambda: o.reshape(t, (-1, int(np.prod(shape)))),
            lambda: o.swapaxes(t, 1, len(shape)), lambda: o.concatenate([t, o.negative(t)], axis=axis),
            lambda: o.squeeze(o.expand_dims(t, 1), 1), lambda: o.stack([t, t * 0.5], axis=-1)[..., 0],
            lambda: o.matmul(t, o.swapaxes(t, -1, -2)) if len(shape) > 1 else o.power(abs(t) + 0.3, 1.5))()

    def step(self, t):
        shape = self.shape(t)
        if self.some(0.08):
            return self.operation(t)
        r = self.rng.random()
        if r < 0.08 and self.depth < 2:
            return self.nested(shape)(t)
        if r < 0.16:
            return self.block(t)
        if r < 0.2:
            for layer, before in self.shared:
                if before == shape:
                    return layer(t)
        if r < 0.27 and len(shape) == 2:
            return self.attention(t)
        if r < 0.29 and len(shape) == 2:
            return self.states(t)
        layer = self.layer(shape)
        out = layer(t)
        self.shared.append((layer, shape))
        return out

    def block(self, t):
        """Two ways that meet again."""
        L = fx.L
        a, b = self.step(t) if self.some() else t, self.step(t)
        sa, sb = self.shape(a), self.shape(b)
        if sa == sb:
            merge = self.pick(L.Add, L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum, L.Concatenate)()
            three = type(merge) is not L.Subtract and self.some(0.2)
            return merge([a, b, a] if three else [a, b])
        if sa[:-1] == sb[:-1]:
            return L.Concatenate()([a, b])
        if len(sa) == len(sb) == 2 and sa[1] == sb[1]:
            return self.pick(lambda: L.Concatenate(axis=1)([a, b]), lambda: L.Dot(axes=(2, 2), **self.some_of(
                0.3, normalize=True))([a, b]), lambda: L.Attention()([a, b]))()
        flat = [x if len(self.shape(x)) == 1 else L.Flatten()(x) for x in (a, b)]
        return L.Concatenate()(flat)

    def attention(self, t):
        L = fx.L
        f = self.shape(t)[1]
        other = L.Dense(f)(t) if self.some(0.3) else t
        causal = {"use_causal_mask": True} if self.some(0.3) else {}
        return self.pick(
            lambda: L.Attention(**self.some_of(0.4, use_scale=True, score_mode="concat"))([t, other], **causal),
            lambda: L.AdditiveAttention(**self.some_of(0.4, use_scale=False))([t, other, t], **causal),
            lambda: L.MultiHeadAttention(self.int(1, 3), self.int(1, 4), **self.some_of(
                0.3, value_dim=lambda: self.int(1, 4), use_bias=False, output_shape=lambda: self.int(1, 4),
                kernel_regularizer="l2"))(t, other, **self.some_of(0.3, key=t), **causal))()

    def states(self, t):
        """An encoder whose states begin a decoder."""
        L = fx.L
        units = self.int(1, 4)
        cls = self.pick(L.LSTM, L.GRU, L.SimpleRNN)
        _, *states = cls(units, return_state=True)(t)
        return cls(units, return_sequences=self.some())(t, initial_state=states)

    def chain(self, t, n):
        for _ in range(n):
            for _ in range(20):
                out = self.step(t)
                if self.small(out):
                    t = out
                    break
        return t

    # ---- the whole

    def input(self):
        """A tensor and how its rows are drawn."""
        L = fx.L
        kind = self.pick("vector", "vector", "steps", "steps", "steps", "image", "image", "tokens", "tokens", "scalar", "ints")
        if kind == "tokens":
            vocabulary, n = self.int(2, 9), self.int(1, 6)
            t = L.Input((n,), dtype=self.pick("int32", "float32", "int64", "uint8"))
            o = {"mask_zero": self.some()}
            o.update(self.some_of(0.1, embeddings_regularizer=self.regularizer, embeddings_constraint="unit_norm"))
            return t, L.Embedding(vocabulary, self.int(1, 4), **o, **self.frozen())(t), \
                lambda rng, rows: fx.ints(rng, 0, vocabulary, rows, n)
        if kind == "ints":
            n = self.int(1, 4)
            t = L.Input((n,), dtype=self.pick("int32", "uint8"))
            return t, L.Rescaling(0.25)(t), lambda rng, rows: fx.ints(rng, 0, 9, rows, n)
        shape = {"vector": lambda: (self.int(1, 7),), "scalar": lambda: (1,),
                 "steps": lambda: (self.int(1, 6), self.int(1, 4)),
                 "image": lambda: (self.int(1, 7), self.int(1, 6), self.int(1, 3))}[kind]()
        t = L.Input(shape)

        def rows_of(rng, rows):
            x = fx.normal(rng, rows, *shape)
            if len(shape) == 2:  # something for a mask to find
                x[rng.random((rows, shape[0])) < 0.3] = 0
            return x
        out = t
        if kind == "steps" and self.some(0.35):
            out = L.Masking()(t)
        elif self.some(0.1):
            out = fx.L.Normalization(mean=0.1, variance=2.0)(t)
        return t, out, rows_of

    def head(self, t):
        """An output, its loss, metrics, and how its labels are drawn."""
        L, K, M = fx.L, fx.K, fx.M
        shape = self.shape(t)
        if len(shape) > 2 or (len(shape) > 1 and self.some(0.6)):
            t = self.pick(L.Flatten(), L.Flatten(), *([L.GlobalMaxPooling1D()] if len(shape) == 2 else []))(t)
            shape = self.shape(t)
        kind = self.pick("regression", "regression", "binary", "classes", "sparse", "simplex")
        units = self.int(2, 4) if kind != "binary" else self.int(1, 3)
        logits = self.some(0.3)
        if kind == "regression":
            units = self.int(1, 3)
            out = L.Dense(units, self.pick(None, "tanh", "softplus"))(t)
            loss = self.pick("mse", "mae", "huber", "log_cosh", "mean_squared_error", K.MeanSquaredError(), "hinge",
                             K.CosineSimilarity(), "mean_absolute_percentage_error", K.MeanSquaredError(
                                 reduction=self.pick("sum", "mean", "mean_with_sample_weight")),
                             K.Huber(delta=1.0), "squared_hinge")
            metrics = self.pick([], ["mae"], ["mse", "mape"], [M.RootMeanSquaredError(), "cosine_similarity"],
                                [M.R2Score()] if len(shape) == 1 else [], [M.LogCoshError(), M.MeanAbsoluteError(name="m")])
            y = lambda rng, rows: fx.normal(rng, rows, *shape[:-1], units)  # noqa: E731
        elif kind == "binary":
            out = L.Dense(units, None if logits else "sigmoid")(t)
            loss = self.pick(lambda: K.BinaryCrossentropy(from_logits=logits, **self.some_of(0.3, label_smoothing=0.1)),
                             lambda: K.BinaryFocalCrossentropy(from_logits=logits, **self.some_of(
                                 0.3, gamma=1.5, apply_class_balancing=True, alpha=0.4, label_smoothing=0.1)),
                             lambda: K.Dice() if not logits else "hinge",
                             lambda: K.BinaryCrossentropy(from_logits=logits) if logits else "binary_crossentropy")()
            metrics = self.pick(["accuracy"], ["acc"], [M.BinaryAccuracy(threshold=0.4)], [])
            if not logits:
                metrics = self.pick(metrics, [M.AUC(num_thresholds=self.pick(200, 11))], [M.Precision(), M.Recall(0.3)],
                                    [M.TruePositives(), M.FalseNegatives(thresholds=[0.2, 0.7])],
                                    [M.SpecificityAtSensitivity(0.5)], [M.F1Score(threshold=0.5)] if len(shape) == 1 else [])
            y = lambda rng, rows: fx.binary(rng, rows, *shape[:-1], units)  # noqa: E731
        elif kind == "classes":
            out = L.Dense(units, None if logits else "softmax")(t)
            loss = self.pick(lambda: K.CategoricalCrossentropy(from_logits=logits, **self.some_of(0.3, label_smoothing=0.1)),
                             lambda: K.CategoricalFocalCrossentropy(from_logits=logits, **self.some_of(0.3, gamma=1.5)),
                             lambda: "categorical_hinge" if logits else "categorical_crossentropy")()
            metrics = self.pick(["accuracy"], ["categorical_accuracy", M.TopKCategoricalAccuracy(2)], [])
            if not logits:
                metrics = self.pick(metrics, [M.CategoricalCrossentropy(label_smoothing=0.1)],
                                    [M.F1Score(average=self.pick("micro", "macro", "weighted", None))]
                                    if len(shape) == 1 else [], [M.Precision(class_id=1, top_k=1)], ["kl_divergence"])
            y = lambda rng, rows: fx.onehot(rng, units, rows, *shape[:-1])  # noqa: E731
        elif kind == "sparse":
            out = L.Dense(units, None if logits else "softmax")(t)
            loss = self.pick(lambda: K.SparseCategoricalCrossentropy(from_logits=logits, **self.some_of(
                0.2, ignore_class=1)), lambda: K.SparseCategoricalCrossentropy(from_logits=logits)
                if logits else "sparse_categorical_crossentropy")()
            metrics = self.pick(["accuracy"], ["acc", M.SparseTopKCategoricalAccuracy(2)], [])
            y = lambda rng, rows: fx.ints(rng, 0, units, rows, *shape[:-1])  # noqa: E731
        else:
            out = L.Dense(units, "softmax")(t)
            loss = self.pick("kl_divergence", "poisson", K.CategoricalCrossentropy(), "msle",
                             K.KLDivergence(), K.Tversky(0.3, 0.7))
            metrics = self.pick([], ["poisson"], [M.KLDivergence()], [M.MeanSquaredLogarithmicError()])
            y = lambda rng, rows: fx.probs(rng, rows, *shape[:-1], units)  # noqa: E731
        return out, loss, metrics, y

    def schedule(self):
        s = fx.S
        return self.pick(s.ExponentialDecay(0.05, 3, 0.8, staircase=self.some()), s.CosineDecay(0.05, 4),
                         s.CosineDecay(0.01, 4, warmup_target=0.05, warmup_steps=2, alpha=0.1),
                         s.CosineDecayRestarts(0.05, 2, t_mul=1.5, m_mul=0.8),
                         s.PiecewiseConstantDecay([1, 3], [0.05, 0.02, 0.01]), s.InverseTimeDecay(0.05, 2, 0.5),
                         s.PolynomialDecay(0.05, 3, 0.01, power=2.0, cycle=self.some()))

    def optimizer(self):
        O = fx.O
        rate = self.schedule() if self.some(0.2) else self.pick(0.01, 0.03, 0.003)
        common = {**self.some_of(0.12, weight_decay=0.02), **({self.pick("clipnorm", "clipvalue", "global_clipnorm"): 0.3}
                                                              if self.some(0.15) else {}),
                  **({"use_ema": True, "ema_momentum": 0.8, **self.some_of(0.4, ema_overwrite_frequency=2)}
                     if self.some(0.1) else {}),
                  **({"gradient_accumulation_steps": 2} if self.some(0.08) else {})}
        return self.pick(
            lambda: O.SGD(rate, **self.some_of(0.4, momentum=0.8, nesterov=True), **common),
            lambda: O.Adam(rate, **self.some_of(0.25, amsgrad=True, beta_1=0.8, epsilon=1e-4), **common),
            lambda: O.AdamW(rate, **{"weight_decay": 0.01, **common}),
            lambda: O.RMSprop(rate, **self.some_of(0.3, centered=True, momentum=0.7, rho=0.8), **common),
            lambda: O.Adagrad(rate, **common), lambda: O.Adadelta(rate * 10 if isinstance(rate, float) else rate, **common),
            lambda: O.Adamax(rate, **common), lambda: O.Nadam(rate, **common),
            lambda: O.Ftrl(rate, **self.some_of(0.3, l1_regularization_strength=0.01, l2_regularization_strength=0.02,
                                                beta=0.1), **common),
            lambda: O.Lion(rate * 0.1 if isinstance(rate, float) else rate, **common), lambda: O.Lamb(rate, **common))()


def build(d):
    """A model and what draws its rows and labels."""
    inputs, ends, rows = [], [], []
    for _ in range(d.pick(1, 1, 1, 2, 3)):
        t, out, draw = d.input()
        inputs.append(t)
        rows.append(draw)
        ends.append(d.chain(out, d.int(0, 4)))
    if len(ends) > 1:
        if len({d.shape(e) for e in ends}) == 1:
            t = d.pick(fx.L.Add, fx.L.Concatenate, fx.L.Maximum, fx.L.Average)()(ends)
        else:
            t = fx.L.Concatenate()([e if len(d.shape(e)) == 1 else fx.L.Flatten()(e) for e in ends])
    else:
        t = ends[0]
    heads = [d.head(d.chain(t, d.int(0, 2))) for _ in range(d.pick(1, 1, 1, 2, 3))]
    model = fx.keras.Model(inputs if len(inputs) > 1 or d.some(0.2) else inputs[0],
                           [h[0] for h in heads] if len(heads) > 1 else heads[0][0])
    return model, heads, rows


def draw_case(name, seed, attempt):
    d = Draw(np.random.default_rng([seed, attempt]))
    model, heads, rows = build(d)
    one = len(heads) == 1
    n = d.pick(12, 12, 11, 7)
    options = {"n": n, "batch": d.pick(4, 4, 3, 1, 5), "eval_batch": d.pick(5, 5, 1, 4, 32), "h5": d.some(0.3) and not d.operations,
               "x": lambda rng, k: [f(rng, k) for f in rows], "y": lambda rng, k: [h[3](rng, k) for h in heads],
               "loss": (lambda: heads[0][1]) if one else (lambda: [h[1] for h in heads]),
               "metrics": (lambda: heads[0][2]) if one else (lambda: [h[2] for h in heads]),
               "opt": d.optimizer, "steps": d.int(2, 5)}
    if d.some(0.15):
        options["weighted_metrics"], options["metrics"] = options["metrics"], None
    if not one and d.some(0.4):
        options["loss_weights"] = [float(d.pick(0.3, 1.0, 2.0)) for _ in heads]
    if one and d.some(0.25):
        weights = d.pick((0.5, 2.0), (0.0, 1.5))
        options["sample_weight"] = lambda rng, k, y: [fx.uniform(rng, *weights, k)]
    elif one and len(model.outputs[0].shape) == 2 and d.some(0.15):
        options["class_weight"] = {0: 0.5, 1: 2.0, 2: 1.0, 3: 0.7}
    if d.some(0.2):
        options["resume"] = 2
    case = fx.Case(name, lambda rng: model, **options)
    case.group = "model"
    return case


def main(out, seed, count):
    fx.import_keras()
    warnings.filterwarnings("ignore")
    for number in range(int(seed), int(seed) + int(count)):
        name = f"random_{number}"
        for attempt in range(8):
            fx.keras.backend.clear_session()
            fx.keras.utils.set_random_seed(number)
            try:
                fx.write_case(draw_case(name, number, attempt), out, number)
                print(name, attempt, flush=True)
                break
            except Exception as fault:  # Keras refuses it in many ways
                if os.environ.get("VERBOSE"):
                    traceback.print_exc()
                print("again", name, attempt, " ".join(f"{type(fault).__name__}: {fault}".split())[:160], file=sys.stderr,
                      flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
