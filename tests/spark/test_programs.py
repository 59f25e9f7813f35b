#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Anyone's own Spark program pipes partitions through elephas-worker: the
examples, on a cluster that has nothing but what the program ships."""
import csv
import glob
import os
import shutil
import subprocess

import sparklib
from sparklib import DATA, ROOT
from system import ROUNDING, distance

EXAMPLES = os.path.join(ROOT, "deploy", "examples", "spark")


def prepared(b):
    """A model in a file, and the digits as parquet."""
    if not os.path.exists(b.path("digits.keras")):
        b.good("train", "--model", sparklib.make_model(b, 64, 10), "--data", f"{DATA}/digits.csv", "--label", "label",
               "--nb-classes", 10, "--seed", 1, "--epochs", 3, "--output", b.path("digits.keras"))
        b.good("predict", "--model", b.path("digits.keras"), "--data", f"{DATA}/digits.csv", "--label", "label",
               "--output", b.path("want.csv"))
    with open(b.path("want.csv"), encoding="utf-8") as f:
        return [[float(v) for v in row] for row in list(csv.reader(f))[1:]]


def submit(b, *args, model=None, **more):
    """spark-submit on the cluster, with the bundle and the model shipped."""
    bundle = glob.glob(os.path.join(b.bin, "..", "share", "elephas", "elephas-worker-*.tar.gz"))[0]
    environment = {**os.environ, "SPARK_HOME": b.home, "PYSPARK_PYTHON": b.python}
    command = [os.path.join(b.home, "bin", "spark-submit"), "--master", b.master]
    for key, value in b.settings().items():
        command += ["--conf", f"{key}={value}"]
    command += ["--files", model or b.path("digits.keras"), "--archives", f"{bundle}#elephas", *map(str, args)]
    return subprocess.run(command, env=environment, cwd=b.work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=240, check=False, **more)


def check(b, output, want):
    rows = b.read(output, "parquet")
    assert len(rows) == len(want), len(rows)
    for row, expected in zip(rows, want):
        assert distance(row["prediction"], expected) < ROUNDING, row
    assert "label" in rows[0] and "p0" in rows[0]


def test_pyspark(b):
    want = prepared(b)
    out = submit(b, f"{EXAMPLES}/predict_rows.py", "./elephas/bin/elephas-worker", "./digits.keras",
                 f"{b.tables}/numbers.parquet", "label", b.path("from_python"))
    assert out.returncode == 0, out.stderr[-3000:]
    check(b, b.path("from_python"), want)


def test_java(b):
    want = prepared(b)
    classes, jar = b.path("classes"), b.path("predict-rows.jar")
    subprocess.run(["javac", "--release", "17", "-cp", f"{b.home}/jars/*", "-d", classes,
                    f"{EXAMPLES}/PredictRows.java"], check=True)
    subprocess.run(["jar", "--create", "--file", jar, "-C", classes, "."], check=True)
    out = submit(b, "--class", "PredictRows", jar, "./elephas/bin/elephas-worker", "./digits.keras",
                 f"{b.tables}/numbers.parquet", "label", b.path("from_java"))
    assert out.returncode == 0, out.stderr[-3000:]
    check(b, b.path("from_java"), want)


def test_a_refused_row_fails_the_program(b):
    """With checkCode=True; without it the rows are just missing."""
    prepared(b)
    other = b.path("other.keras")
    shutil.copy(os.path.join(DATA, "diabetes_mlp.keras"), other)  # takes 10 features, not 64
    arguments = ["./elephas/bin/elephas-worker", "./other.keras", f"{b.tables}/numbers.parquet", "label",
                 b.path("refused")]
    out = submit(b, f"{EXAMPLES}/predict_rows.py", *arguments, model=other)
    assert out.returncode != 0 and "exited with status" in out.stderr + out.stdout \
        or "Pipe function" in out.stderr, out.stderr[-2000:]


sparklib.main([test_pyspark, test_java, test_a_refused_row_fails_the_program])
