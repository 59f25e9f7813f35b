#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prediction and evaluation on Spark: the numbers of the local engine, rows in
their order, data sets written by Spark, driver memory that does not grow."""
import csv
import itertools
import os
import threading

import sparklib
from sparklib import DATA, MNIST, MNIST_OPTIONS, TEST
from system import ROUNDING, distance

LOCAL = "local[2]"


def trained(b):
    """A trained network, made once."""
    path = b.path("trained.keras")
    if not os.path.exists(path):
        b.good("train", "--model", MNIST, "--data", sparklib.TRAIN, *MNIST_OPTIONS, "--seed", 1, "--epochs", 2,
               "--output", path)
    return path


def softmax(b):
    """A trained softmax layer for the digits."""
    path = b.path("softmax.keras")
    if not os.path.exists(path):
        b.good("train", "--model", sparklib.make_model(b, 64, 10), "--data", f"{DATA}/digits.csv", "--label", "label",
               "--nb-classes", 10, "--seed", 1, "--epochs", 3, "--output", path)
    return path


def rows_of(path):
    with open(path, encoding="utf-8") as f:
        return list(csv.reader(f))


def numbers(rows):
    return [[float(v) for v in r] for r in rows[1:]]


def close(got, want):
    """The same but for the rounding of batches of other sizes."""
    return len(got) == len(want) and max(map(distance, got, want)) < ROUNDING


def test_evaluation_is_local(b):
    metrics = [b.good("evaluate", "--model", trained(b), "--data", TEST, *MNIST_OPTIONS, *engine)
               for engine in ([], [*b.spark(), "--workers", 2], b.spark(master=LOCAL))]
    for m in metrics[1:]:
        assert m["samples"] == metrics[0]["samples"] == 1000, m
        for name, value in metrics[0]["metrics"].items():
            assert abs(m["metrics"][name] - value) < ROUNDING, metrics


def test_predictions_come_through_the_daemon_in_order(b):
    want, got = b.path("want.csv"), b.path("got.csv")
    common = ["--model", trained(b), "--data", TEST, "--label", "label", "--scale", 255]
    b.good("predict", *common, "--output", want)
    for engine in ([*b.spark(), "--workers", 3], b.spark(master=LOCAL), [*b.spark(master=LOCAL), "--predict-class"]):
        last = b.good("predict", *common, "--output", got, *engine)
        assert last["samples"] == 1000, last
        rows = rows_of(got)
        wanted = rows_of(want)
        if "--predict-class" in engine:
            assert rows[0][-1] == "class" and rows[1][-1] in "0123456789"
            rows = [r[:-1] for r in rows]
        assert rows[0] == wanted[0] and close(numbers(rows), numbers(wanted)), engine
        os.unlink(got)


def test_data_sets_are_written_by_spark(b):
    want = b.path("want.csv")
    b.good("predict", "--model", softmax(b), "--data", f"{DATA}/digits.csv", "--label", "label", "--output", want)
    wanted = [[float(v) for v in r] for r in rows_of(want)[1:]]
    common = ["--model", softmax(b), "--label", "label", *b.spark(master=LOCAL)]
    for form, source, more in (("parquet", "vectors.parquet", ["--features", "pixels"]),
                               ("json", "arrays.orc", ["--features", "top,bottom"]),
                               ("csv", "numbers.parquet", [])):
        out = b.path(f"out.{form}")
        last = b.good("predict", *common, *more, "--data", f"{b.tables}/{source}", "--output", out,
                      "--output-format", form, "--predict-class")
        assert last["samples"] == len(wanted), last
        rows = b.read(out, form)
        assert len(rows) == len(wanted)
        for i, (row, expected) in enumerate(zip(rows, wanted)):
            got = row["prediction"] if form != "csv" else [row[f"prediction_{k}"] for k in range(10)]
            assert distance(got, expected) < ROUNDING, (form, i, got, expected)
            assert row["class"] == expected.index(max(expected)), (form, i)
            if form != "csv":
                assert row["name"] == f"row {i}", row


def test_one_regression_unit_is_a_number(b):
    want, out = b.path("want.csv"), b.path("diabetes.parquet")
    model = os.path.join(DATA, "diabetes_mlp.keras")
    common = ["predict", "--model", model, "--data", f"{DATA}/diabetes.csv", "--label", "target"]
    b.good(*common, "--output", want)
    b.good(*common, "--output", out, *b.spark(), "--workers", 4)
    rows = b.read(out, "parquet")
    assert close([[r["prediction"]] for r in rows], numbers(rows_of(want)))
    with open(f"{DATA}/diabetes.csv", encoding="utf-8") as f:
        names = next(f).strip().split(",")
    assert list(rows[0]) == [*names, "prediction"], rows[0]


def test_an_output_that_exists(b):
    out = b.path("there.parquet")
    common = ["predict", "--model", softmax(b), "--data", f"{b.tables}/numbers.parquet", "--label", "label",
              "--output", out, *b.spark(master=LOCAL)]
    b.good(*common)
    before = sorted(os.listdir(out))
    b.bad(2, ["there.parquet exists", "--overwrite"], *common)
    assert sorted(os.listdir(out)) == before
    b.good(*common, "--overwrite")
    assert sorted(os.listdir(out)) != before


def test_a_column_called_prediction(b):
    b.bad(2, "has a column 'prediction' already", "predict", "--model", softmax(b), "--sql",
          f"select *, 1 as prediction from parquet.`{b.tables}/numbers.parquet`", "--label", "label", "--features",
          "1-64", "--output", b.path("x.parquet"), *b.spark(master=LOCAL))


def test_csv_cannot_hold_vectors(b):
    b.bad(2, "csv cannot hold column 'pixels'", "predict", "--model", softmax(b), "--data",
          f"{b.tables}/vectors.parquet", "--label", "label", "--features", "pixels", "--output", b.path("x"),
          "--output-format", "csv", *b.spark(master=LOCAL))


def test_nulls_may_be_filled(b):
    out = b.path("filled.parquet")
    b.good("predict", "--model", softmax(b), "--data", f"{b.tables}/holes.parquet", "--features", "first,rest",
           "--fill-null", 0, "--output", out, *b.spark(master=LOCAL))
    rows = b.read(out, "parquet")
    assert rows[11]["first"] is None and len(rows[11]["prediction"]) == 10, rows[11]


def small_rows(b, count):
    """Rows of four numbers."""
    path = b.path(f"rows-{count}.csv")
    block = "".join(f"{i % 7},{i % 5},{i % 3},{i % 11}\n" for i in range(10000))
    with open(path, "w", encoding="utf-8") as f:
        for _ in range(count // 10000):
            f.write(block)
    return path


class Peaks(threading.Thread):
    """Watches how much memory processes hold at most, in MB."""

    def __init__(self, b):
        super().__init__(daemon=True)
        self.b, self.over, self.driver, self.daemon_mb = b, threading.Event(), 0, 0

    def run(self):
        while not self.over.wait(0.3):
            self.driver = max([self.driver, *map(peak, self.b.drivers())])
            self.daemon_mb = max(self.daemon_mb, peak(self.b.process.pid))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def peak(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as f:
            return next((int(line.split()[1]) // 1024 for line in f if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0


def test_a_million_rows_in_a_small_driver(b):
    """Half a gigabyte of rows and predictions: neither the driver nor elephasd
    holds more of them than of a tenth, with results of a megabyte at most."""
    model = b.path("iris.keras")
    b.good("train", "--model", sparklib.make_model(b, 4, 3), "--data", f"{DATA}/iris.csv", "--label", "label",
           "--nb-classes", 3, "--seed", 1, "--output", model)
    conf = {"spark.driver.memory": "512m", "spark.driver.maxResultSize": "1m"}
    held = {}
    for count in (100000, 1000000):
        for out in (b.path("o.csv"), b.path(f"out-{count}.parquet")):
            with Peaks(b) as peaks:
                last = b.good("predict", "--model", model, "--data", small_rows(b, count), "--output", out,
                              *b.spark(conf), timeout=300)
            assert last["samples"] == count, last
            held[out.rsplit(".", 1)[1], count] = (peaks.driver, peaks.daemon_mb)
    print("    MB held at most by driver and elephasd:", held)
    for sink in ("csv", "parquet"):
        few, many = held[sink, 100000], held[sink, 1000000]
        assert 0 < many[0] < few[0] + 200 and many[0] < 900, held
        assert 0 < many[1] < few[1] + 20, held
    check_million(b, model)


def check_million(b, model):
    """The rows of the csv file are those of the local engine, in order."""
    want = b.path("want.csv")
    b.good("predict", "--model", model, "--data", b.path("rows-1000000.csv"), "--output", want)
    with open(want, encoding="utf-8") as wanted, open(b.path("o.csv"), encoding="utf-8") as got:
        head = next(wanted)
        assert next(got) == head == "prediction_0,prediction_1,prediction_2\n"
        lines = 0
        for w, g in itertools.zip_longest(wanted, got, fillvalue=""):
            lines += 1
            assert w == g or close([[float(v) for v in g.split(",")]], [[float(v) for v in w.split(",")]]), lines
    assert lines == 1000000, lines


sparklib.main([
    test_evaluation_is_local, test_predictions_come_through_the_daemon_in_order,
    test_data_sets_are_written_by_spark, test_one_regression_unit_is_a_number, test_an_output_that_exists,
    test_a_column_called_prediction, test_csv_cannot_hold_vectors, test_nulls_may_be_filled,
    test_a_million_rows_in_a_small_driver])
