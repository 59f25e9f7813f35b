#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What Keras has: keras_api.py > keras_api.txt

One line for each public class or function: kind, name, the options of its
constructor. Made with the Keras that tests/keras/requirements.txt names;
list_keras.c asks this project's code about each of them.
"""
import inspect
import os

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
import keras  # noqa: E402

# Not layers that a model file can hold on its own, or preprocessing of text,
# images and audio, which happens before the rows reach a model.
BASES = {"Layer", "RNN", "StackedRNNCells", "Wrapper", "TFSMLayer", "JaxLayer", "FlaxLayer",
         "TorchModuleWrapper", "InputSpec", "Loss", "Metric", "Optimizer", "Initializer",
         "Regularizer", "Constraint", "LearningRateSchedule", "LossScaleOptimizer",
         "MeanMetricWrapper"}


def options(thing):
    names = []
    for cls in inspect.getmro(thing):
        if cls is object or "__init__" not in cls.__dict__:
            continue
        parameters = inspect.signature(cls.__init__).parameters.values()
        names += [p.name for p in parameters if p.name not in names and p.name != "self" and
                  p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break
    # of every class, of base classes only, or never written to a file
    hidden = {"name", "dtype", "trainable", "autocast", "seed", "activity_regularizer",
              "pool_dimensions", "pool_mode", "weights"}
    return [n for n in names if n not in hidden]


def classes(module, base):
    seen = {}
    for name in sorted(dir(module)):
        thing = getattr(module, name)
        if inspect.isclass(thing) and issubclass(thing, base) and thing.__name__ not in BASES:
            seen[thing.__name__] = thing
    return sorted(seen.items())


def main():
    kinds = [("layer", keras.layers, keras.layers.Layer),
             ("loss", keras.losses, keras.losses.Loss),
             ("metric", keras.metrics, keras.metrics.Metric),
             ("optimizer", keras.optimizers, keras.optimizers.Optimizer),
             ("schedule", keras.optimizers.schedules,
              keras.optimizers.schedules.LearningRateSchedule),
             ("initializer", keras.initializers, keras.initializers.Initializer),
             ("regularizer", keras.regularizers, keras.regularizers.Regularizer),
             ("constraint", keras.constraints, keras.constraints.Constraint)]
    print(f"keras {keras.__version__}")
    for kind, module, base in kinds:
        for name, thing in classes(module, base):
            print(kind, name, *options(thing))
    for name in sorted(dir(keras.activations)):
        thing = getattr(keras.activations, name)
        if inspect.isfunction(thing) and name not in ("get", "serialize", "deserialize"):
            print("activation", name)


main()
