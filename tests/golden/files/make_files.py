#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# Makes the small model files that the unit tests of common/keras read, and
# expected.json: what must be found in each. Run by hand with Keras 3 and h5py
# (KERAS_BACKEND=numpy is enough):
#
#   python tests/golden/files/make_files.py tests/golden/files
#
# Files whose names begin with keras2 imitate what Keras 2 writes: their
# configurations and groups are spelled out here, because Keras 3 cannot write
# that form. Values are drawn with a fixed seed; dates in the files vary.
import io
import json
import os
import sys
import zipfile

os.environ.setdefault("KERAS_BACKEND", "numpy")
import h5py
import keras
import numpy as np

L = keras.layers
out = sys.argv[1]
expected = {}
rng = np.random.default_rng(20)


def path(name):
    return os.path.join(out, name)


def draw(model):
    model.set_weights([rng.normal(size=w.shape).astype("float32") for w in model.get_weights()])


def note(name, model, source=None, slots=None, **more):
    """What a reader must find: weights in order, flags, optimizer state."""
    entry = {
        "weights": [np.asarray(w).ravel().tolist() for w in model.get_weights()],
        "shapes": [list(w.shape) for w in model.weights],
        "trainable": [bool(any(w is t for t in model.trainable_variables)) for w in model.weights],
    }
    if slots is not None:
        entry["iterations"] = int(model.optimizer.iterations.numpy())
        entry["rate"] = float(model.optimizer.learning_rate.numpy())
        entry["slots"] = slots
    if hasattr(model, "output_names"):
        entry["outputs"] = list(model.output_names)
    entry.update(more)
    expected[name] = entry


def reload(name):
    """The flags are those of the model read back, as everywhere."""
    return keras.models.load_model(path(name))


# ---- graphs -----------------------------------------------------------------


def nested():
    a = keras.Input((4,), name="jin")
    fun = keras.Model(a, L.Dense(4, name="f1", activation="tanh")(a), name="fun")
    g = keras.Input((4,), name="gin")
    two = keras.Model(g, [L.Dense(3, name="g1")(g), L.Dense(4, name="g2")(g)], name="two")
    seq = keras.Sequential([keras.Input((4,)), L.Dense(4, name="s1")], name="seq")
    inner = keras.Sequential([keras.Input((4,)), L.Dense(5, name="s1")], name="in")
    deep = keras.Sequential([keras.Input((4,)), inner, L.Dense(4, name="d1")], name="deep")
    i, k = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    x, y = fun(i), fun(k)
    z, z2 = seq(x), seq(y)
    g1, g2 = two(deep(z2))
    model = keras.Model([i, k], [L.Dense(2, name="o")(z), L.Dense(2, name="p")(g1), fun(g2)])
    names = ["o", "p", "fun"]
    model.compile(
        "adam",
        loss={n: "mean_squared_error" for n in names},
        loss_weights={"o": 1.0, "p": 2.0, "fun": 0.5},
        metrics={"o": ["mean_absolute_error"], "fun": ["mean_squared_error"]},
    )
    draw(model)
    for name in ("nested.keras", "nested.h5"):
        model.save(path(name))
        note(name, reload(name), inputs=["a", "b"], weights_of=[1.0, 2.0, 0.5])
    model.save_weights(path("nested.weights.h5"))
    with open(path("nested.json"), "w") as f:
        f.write(model.to_json())


def frozen():
    i = keras.Input((4,))
    x = L.Dense(3, trainable=False, name="a")(i)
    inner = keras.Sequential([keras.Input((3,)), L.Dense(2, name="s1")], name="seq", trainable=False)
    j = keras.Input((2,))
    fun = keras.Model(j, L.Dense(2, name="f1")(j), name="fun")
    fun.trainable = False
    model = keras.Model(i, L.Dense(1, name="b")(fun(inner(x))))
    draw(model)
    model.save(path("frozen_parts.keras"))
    note("frozen_parts.keras", reload("frozen_parts.keras"))
    model.save(path("frozen_parts.h5"))
    note("frozen_parts.h5", reload("frozen_parts.h5"))
    model.trainable = False
    model.save(path("frozen_all.keras"))
    note("frozen_all.keras", reload("frozen_all.keras"))
    model = keras.Sequential([keras.Input((3,)), L.Dense(2, name="s1")], trainable=False)
    draw(model)
    model.save(path("frozen_flag.keras"))
    note("frozen_flag.keras", reload("frozen_flag.keras"))


def by_name():
    i = {"left": keras.Input((2,), name="left"), "right": keras.Input((2,), name="right")}
    d = L.Dense(3, name="d")
    o = {"z": L.Dense(1, name="z")(d(i["right"])), "e": L.Dense(2, name="e")(d(i["left"]))}
    model = keras.Model(i, o)
    model.compile("sgd", loss={"z": "mse", "e": "mae"})
    draw(model)
    model.save(path("by_name.keras"))
    note("by_name.keras", reload("by_name.keras"), inputs=["left", "right"])


def sequential():
    return keras.Sequential([keras.Input((4,)), L.Dense(3, activation="relu"), L.Dense(2)])


def without_input():
    """A Sequential whose list of layers has no InputLayer."""
    model = sequential()
    draw(model)
    buffer = io.BytesIO()
    model.save(path("good.tmp.keras"))
    with zipfile.ZipFile(path("good.tmp.keras")) as z:
        parts = {n: z.read(n) for n in z.namelist()}
    os.remove(path("good.tmp.keras"))
    config = json.loads(parts["config.json"])
    del config["config"]["layers"][0]
    del buffer
    for name, keep in (("no_input_build_shape.keras", "config"), ("no_input_build_config.keras", "build"), ("no_input_layer.keras", "layer")):
        c = json.loads(json.dumps(config))
        if keep != "config":
            del c["config"]["build_input_shape"]
        if keep not in ("config", "build"):
            del c["build_config"]
        parts["config.json"] = json.dumps(c).encode()
        with zipfile.ZipFile(path(name), "w") as z:
            for n, data in parts.items():
                z.writestr(n, data)
        note(name, model)


# ---- optimizers -------------------------------------------------------------

SLOTS = {
    "momentum": "_momentums",
    "velocity": "_velocities",
    "velocity_hat": "_velocity_hats",
    "average_gradient": "_average_gradients",
}


def slots_of(optimizer, names):
    o = {}
    for n in names:
        attribute = "momentums" if n == "momentum" and hasattr(optimizer, "momentums") else SLOTS[n]
        o[n] = [v.numpy().ravel().tolist() for v in getattr(optimizer, attribute)]
    return o


def optimizers():
    cases = {
        "adam": (keras.optimizers.Adam(0.01, amsgrad=True), ["momentum", "velocity", "velocity_hat"]),
        "rmsprop": (
            keras.optimizers.RMSprop(0.02, momentum=0.5, centered=True),
            ["velocity", "momentum", "average_gradient"],
        ),
        "sgd": (keras.optimizers.SGD(0.03, momentum=0.9, nesterov=True, name="opt"), ["momentum"]),
    }
    for name, (optimizer, names) in cases.items():
        i = keras.Input((3,))
        x = L.Dense(4, name="frozen", trainable=False)(i)
        model = keras.Model(i, L.Dense(2, name="head")(L.Dense(5, name="mid", use_bias=False)(x)))
        model.compile(optimizer, loss="mean_squared_error", metrics=["mean_absolute_error"])
        draw(model)
        optimizer.build(model.trainable_variables)
        optimizer.iterations.assign(7)
        optimizer.learning_rate.assign(0.125)
        for v in optimizer.variables[2:]:
            v.assign(rng.uniform(0.5, 1.5, size=v.shape).astype("float32"))
        for ending in (".keras", ".h5"):
            file = "slots_" + name + ending
            model.save(path(file))
            # an .h5 is read back by Keras without its slots; here, with them
            note(file, model, slots=slots_of(optimizer, names))


# ---- storage ----------------------------------------------------------------


def rewrite(name, source, dtype, **options):
    """The same .keras with its weights stored in another way."""
    with zipfile.ZipFile(source) as z:
        parts = {n: z.read(n) for n in z.namelist()}
    f = h5py.File(io.BytesIO(parts["model.weights.h5"]), "r")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as g:

        def copy(n, o):
            if isinstance(o, h5py.Dataset) and n.startswith("layers"):
                value = np.asarray(o)
                if dtype == "i4":
                    value = np.round(value * 10)
                more = options if value.ndim else {}
                g.create_dataset(n, data=value.astype(dtype), **more)
            elif isinstance(o, h5py.Dataset):
                g.create_dataset(n, data=np.asarray(o))

        f.visititems(copy)
    parts["model.weights.h5"] = buffer.getvalue()
    with zipfile.ZipFile(path(name), "w", zipfile.ZIP_DEFLATED if options else zipfile.ZIP_STORED) as z:
        for n, data in parts.items():
            z.writestr(n, data)
    note(name, reload(name))


def storage():
    model = sequential()
    draw(model)
    source = path("plain.keras")
    model.compile("sgd", loss="mean_squared_error")
    model.save(source)
    note("plain.keras", model)
    rewrite("float16.keras", source, "f2")
    rewrite("float64.keras", source, ">f8")
    rewrite("int32.keras", source, "i4")
    rewrite("compressed.keras", source, "f4", chunks=True, compression="gzip")


# ---- what Keras 2 writes ----------------------------------------------------


def keras2_h5(name, config, training, layers, weights_only=False, split=False):
    """layers: name -> list of (weight name, array)."""
    with h5py.File(path(name), "w") as f:
        if not weights_only:
            f.attrs["keras_version"] = "2.11.0"
            f.attrs["backend"] = "tensorflow"
            f.attrs["model_config"] = json.dumps(config)
            if training is not None:
                f.attrs["training_config"] = json.dumps(training)
        g = f if weights_only else f.create_group("model_weights")
        names = [n.encode() for n in layers]
        if split:
            g.attrs["layer_names0"] = names[:1]
            g.attrs["layer_names1"] = names[1:]
        else:
            g.attrs["layer_names"] = names
        g.attrs["backend"] = b"tensorflow"
        g.attrs["keras_version"] = b"2.11.0"
        for n, weights in layers.items():
            h = g.create_group(n)
            h.attrs["weight_names"] = np.array([w.encode() for w, _ in weights]) if weights else []
            for w, value in weights:
                h[w] = value
        if training is not None and not weights_only:
            o = f.create_group("optimizer_weights")
            o.attrs["weight_names"] = [b"iteration:0"]
            o["iteration:0"] = np.int64(3)


def keras2_dense(name, units, activation="linear", **more):
    config = {
        "name": name,
        "trainable": True,
        "dtype": "float32",
        "units": units,
        "activation": activation,
        "use_bias": True,
        "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
        "bias_initializer": {"class_name": "Zeros", "config": {}},
        "kernel_regularizer": None,
        "bias_regularizer": None,
        "activity_regularizer": None,
        "kernel_constraint": None,
        "bias_constraint": None,
    }
    config.update(more)
    return {"class_name": "Dense", "config": config}


def keras2_input(name, units):
    config = {"batch_input_shape": [None, units], "dtype": "float32", "sparse": False, "ragged": False, "name": name}
    return {"class_name": "InputLayer", "config": config}


def matrix(*shape):
    return rng.normal(size=shape).astype("float32")


def dense_weights(name, rows, columns):
    return [(name + "/kernel:0", matrix(rows, columns)), (name + "/bias:0", matrix(columns))]


def note2(name, groups, **more):
    values = [v for _, w in groups for v in w]
    expected[name] = {
        "weights": [v.ravel().tolist() for v in values],
        "shapes": [list(v.shape) for v in values],
        "trainable": [True] * len(values),
    }
    expected[name].update(more)


ADAM2 = {
    "name": "Adam",
    "weight_decay": None,
    "clipnorm": None,
    "global_clipnorm": None,
    "clipvalue": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "jit_compile": False,
    "is_legacy_optimizer": False,
    "learning_rate": 0.25,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "epsilon": 1e-07,
    "amsgrad": False,
}


def keras2_sequential():
    config = {
        "class_name": "Sequential",
        "config": {
            "name": "old",
            "layers": [
                keras2_dense("dense", 3, "relu", batch_input_shape=[None, 4]),
                {"class_name": "Dropout", "config": {"name": "dropout", "trainable": True, "dtype": "float32", "rate": 0.5, "noise_shape": None, "seed": None}},
                keras2_dense("dense_1", 2, "softmax"),
            ],
        },
    }
    training = {
        "loss": {"class_name": "CategoricalCrossentropy", "config": {"reduction": "auto", "name": "categorical_crossentropy", "from_logits": False, "label_smoothing": 0, "fn": "categorical_crossentropy"}},
        "metrics": [[{"class_name": "MeanMetricWrapper", "config": {"name": "accuracy", "dtype": "float32", "fn": "categorical_accuracy"}}]],
        "weighted_metrics": None,
        "loss_weights": None,
        "optimizer_config": {"class_name": "Custom>Adam", "config": ADAM2},
    }
    w = {"dense": dense_weights("dense", 4, 3), "dropout": [], "dense_1": dense_weights("dense_1", 3, 2)}
    groups = [(n, [v for _, v in g]) for n, g in w.items()]
    keras2_h5("keras2_sequential.h5", config, training, w, split=True)
    note2("keras2_sequential.h5", groups, optimizer="Adam", loss="CategoricalCrossentropy", metrics=["accuracy"])
    keras2_h5("keras2_weights.h5", None, None, w, weights_only=True)
    config["keras_version"] = "2.11.0"
    config["backend"] = "tensorflow"
    with open(path("keras2_sequential.json"), "w") as f:
        json.dump(config, f)
    expected["keras2_sequential.json+keras2_weights.h5"] = dict(expected["keras2_sequential.h5"])
    for key in ("optimizer", "loss", "metrics"):
        del expected["keras2_sequential.json+keras2_weights.h5"][key]


def keras2_functional():
    """Uses of a nested model count from 1; shared; two outputs."""

    def layer(object, nodes):
        return dict(object, name=object["config"]["name"], inbound_nodes=nodes)

    inner = {
        "name": "inner",
        "layers": [layer(keras2_input("in_x", 4), []), layer(keras2_dense("in_d", 4, "tanh"), [[["in_x", 0, 0, {}]]])],
        "input_layers": [["in_x", 0, 0]],
        "output_layers": [["in_d", 0, 0]],
    }
    config = {
        "class_name": "Functional",
        "config": {
            "name": "old_functional",
            "trainable": True,
            "layers": [
                layer(keras2_input("a", 4), []),
                layer(keras2_input("b", 4), []),
                layer({"class_name": "Functional", "config": inner}, [[["a", 0, 0, {}]], [["b", 0, 0, {}]]]),
                layer(keras2_dense("left", 2), [[["inner", 1, 0, {}]]]),
                layer(keras2_dense("right", 3), [[["inner", 2, 0, {}]]]),
            ],
            "input_layers": [["a", 0, 0], ["b", 0, 0]],
            "output_layers": [["left", 0, 0], ["right", 0, 0]],
        },
    }
    training = {
        "loss": {"left": "mse", "right": "mean_absolute_error"},
        "metrics": None,
        "weighted_metrics": None,
        "loss_weights": [0.5, 2.0],
        "optimizer_config": {"class_name": "SGD", "config": {"name": "SGD", "learning_rate": 0.5, "decay": 0.0, "momentum": 0.0, "nesterov": False}},
    }
    w = {
        "a": [],
        "b": [],
        "inner": dense_weights("in_d", 4, 4),
        "left": dense_weights("left", 4, 2),
        "right": dense_weights("right", 4, 3),
    }
    keras2_h5("keras2_functional.h5", config, training, w)
    groups = [(n, [v for _, v in g]) for n, g in w.items()]
    note2("keras2_functional.h5", groups, outputs=["left", "right"], inputs=["a", "b"], weights_of=[0.5, 2.0])


for make in (nested, frozen, by_name, without_input, optimizers, storage, keras2_sequential, keras2_functional):
    make()
with open(path("expected.json"), "w") as f:
    json.dump(expected, f, indent=0)
    f.write("\n")
