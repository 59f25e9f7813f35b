# SPDX-License-Identifier: MIT
"""Your own PySpark program: training against a parameter server that
elephas-submit started.

    elephas-submit ps start --model softmax.keras       # prints HTTP HOST:PORT and the server's id
    spark-submit --conf spark.task.maxFailures=1 train_rows.py HOST:PORT rows.parquet label 255
    elephas-submit ps stop ID --output trained.keras

Features are divided by the last argument. What a partition computes is up to you; here it is softmax regression in NumPy
(one Dense layer), so executors need Python with NumPy and no more. The server
speaks the protocol of Elephas 7.3.0: GET /parameters answers all weights, POST
/update takes what is to be subtracted from them (docs/PROTOCOL.md section 8).
Programs that use Elephas' own client work as they are.

Each partition pulls, trains an epoch, pushes before - after: asynchronous
training. Its result depends on timing, and the protocol has no names for
updates: a task that Spark tries again, or speculates on, would be counted twice
(hence maxFailures=1). `elephas-submit train --engine spark` has neither problem.

The ports are open to whoever reaches them; elephasd opens them on loopback
unless --elephas-host says otherwise.
"""
import struct
import sys
import urllib.request

import numpy as np
from pyspark.sql import SparkSession

server, source, label, scale = sys.argv[1:5]
EPOCHS, BATCH, RATE = 5, 32, 0.1


def pull():
    """The weights: arrays as model.get_weights() has them."""
    with urllib.request.urlopen(f"http://{server}/parameters", timeout=60) as answer:
        blob = answer.read()
    (count,), at, arrays = struct.unpack_from("<I", blob), 4, []
    for _ in range(count):
        axes = blob[at]
        shape = struct.unpack_from(f"<{axes}q", blob, at + 1)
        (letters,) = struct.unpack_from("<H", blob, at + 1 + 8 * axes)
        at += 3 + 8 * axes
        kind = blob[at:at + letters].decode()
        (size,) = struct.unpack_from("<Q", blob, at + letters)
        at += letters + 8
        arrays.append(np.frombuffer(blob[at:at + size], kind).reshape(shape).copy())
        at += size
    return arrays


def push(arrays):
    blob = struct.pack("<I", len(arrays))
    for a in arrays:
        a = np.ascontiguousarray(a, np.float32)
        blob += struct.pack(f"<B{a.ndim}qH", a.ndim, *a.shape, 7) + b"float32" + struct.pack("<Q", a.nbytes) + a.tobytes()
    request = urllib.request.Request(f"http://{server}/update", blob, {"Content-Type": "application/elephas"})
    with urllib.request.urlopen(request, timeout=60) as answer:  # what is refused raises HTTPError
        answer.read()


def step(kernel, bias, x, y):
    """One step of SGD, in place."""
    scores = x @ kernel + bias
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    kernel -= RATE * x.T @ p / len(y)
    bias -= RATE * p.mean(axis=0)


def train(partition, rows):
    data = np.array([list(row) for row in rows], np.float32)
    if len(data) == 0:
        return
    y, x = data[:, 0].astype(int), data[:, 1:] / float(scale)
    draws = np.random.default_rng(partition)
    for _ in range(EPOCHS):
        before = pull()
        after = [a.copy() for a in before]
        order = draws.permutation(len(y))
        for at in range(0, len(y), BATCH):
            chosen = order[at:at + BATCH]
            step(*after, x[chosen], y[chosen])
        push([b - a for b, a in zip(before, after)])
    yield len(y)


spark = SparkSession.builder.appName("train rows").getOrCreate()
frame = spark.read.parquet(source)
names = [label, *(name for name in frame.columns if name != label)]
trained = frame.select(names).rdd.mapPartitionsWithIndex(train).sum()
print(f"trained {trained} rows in {frame.rdd.getNumPartitions()} partitions")
spark.stop()
