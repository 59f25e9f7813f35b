#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Data on a real HDFS (the Hadoop minicluster): read and written by jobs on the
standalone cluster, with the numbers of the local engine."""
import os
import socket
import subprocess

import sparklib
from sparklib import DATA, HERE, ROOT
from system import ROUNDING, distance

HDFS = os.path.join(ROOT, "build", "hdfs")


def digits(b):
    """The digits as a directory of csv files."""
    directory = b.path("digits")
    os.mkdir(directory)
    with open(f"{DATA}/digits.csv", encoding="utf-8") as f:
        header = f.readline()
        rows = f.readlines()
    for i, (first, last) in enumerate(((0, 700), (700, 1100), (1100, len(rows)))):
        with open(f"{directory}/part-{i}.csv", "w", encoding="utf-8") as out:
            out.writelines([header, *rows[first:last]])
    return directory


def hdfs(b):
    """Its address; started once, it ends with this process."""
    if not hasattr(b, "hdfs"):
        subprocess.run([f"{HERE}/hdfs/jars.sh", HDFS], check=True, stdout=b.log)
        b.hdfs_process = subprocess.Popen(
            ["java", *sparklib.QUICK.split(), "-cp", f"{HDFS}:{HDFS}/jars/*", "MiniHdfs", b.path("hdfs"), digits(b),
             f"{b.tables}/vectors.parquet"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=b.log, text=True, cwd=b.work)
        b.hdfs = b.hdfs_process.stdout.readline().strip()
        assert b.hdfs.startswith("hdfs://"), b.daemon_log()[-3000:]
    return b.hdfs


def options(b):
    return ["--model", sparklib.make_model(b, 64, 10), "--label", "label", "--nb-classes", 10, "--seed", 3,
            "--epochs", 2, "--workers", 2]


def trained(b):
    """A model trained on the local engine and what it predicts for the digits."""
    model, want = b.path("trained.keras"), b.path("want.csv")
    if not os.path.exists(model):
        b.bits = b.model(b.good("train", *options(b), "--data", f"{DATA}/digits.csv", "--output", model)["job"])
        b.good("predict", "--model", model, "--data", f"{DATA}/digits.csv", "--label", "label", "--output", want)
    with open(want, encoding="utf-8") as f:
        next(f)
        return model, [[float(v) for v in line.split(",")] for line in f]


def test_training_reads_it(b):
    trained(b)
    for source, more in (("digits", b.spark()), ("digits/part-*.csv", b.spark(master="local[2]")),
                         ("vectors.parquet", ["--features", "pixels", *b.spark()])):
        out = b.path("o.keras")
        job = b.good("train", *options(b), "--data", f"{hdfs(b)}/data/{source}", "--output", out, *more)["job"]
        assert b.model(job) == b.bits, (source, b.job_log(job))


def test_evaluation_reads_it(b):
    model, _ = trained(b)
    common = ["evaluate", "--model", model, "--label", "label", "--nb-classes", 10]
    want = b.good(*common, "--data", f"{DATA}/digits.csv")
    got = b.good(*common, "--data", f"{hdfs(b)}/data/digits/part-0.csv", "--data", f"{hdfs(b)}/data/digits/part-1.csv",
                 "--data", f"{hdfs(b)}/data/digits/part-2.csv", *b.spark())
    assert got["samples"] == want["samples"] == 1797, got
    for name, value in want["metrics"].items():
        assert abs(got["metrics"][name] - value) < ROUNDING, (got, want)


def written(b, source, form, *more):
    """Predicts to HDFS and gives the rows back with the numbers predicted."""
    model, want = trained(b)
    out = f"{hdfs(b)}/out/{form}"
    last = b.good("predict", "--model", model, "--label", "label", "--data", f"{hdfs(b)}/data/{source}", "--output",
                  out, "--output-format", form, *more, *b.spark())
    assert last["samples"] == len(want), last
    rows = b.read(out, form)
    got = [r["prediction"] if form != "csv" else [r[f"prediction_{k}"] for k in range(10)] for r in rows]
    assert len(got) == len(want)
    worst = max(map(distance, got, want))
    assert worst < ROUNDING, worst
    return rows


def test_predictions_are_written_to_it(b):
    rows = written(b, "vectors.parquet", "parquet", "--features", "pixels")
    assert [r["name"] for r in rows[:3]] == ["row 0", "row 1", "row 2"] and len(rows[0]["pixels"]) == 64, rows[0]
    rows = written(b, "digits", "csv")
    assert "p0" in rows[0] and "label" in rows[0], rows[0]


def test_what_is_there_is_not_overwritten(b):
    model, _ = trained(b)
    common = ["predict", "--model", model, "--label", "label", "--data", f"{hdfs(b)}/data/digits", "--output",
              f"{hdfs(b)}/out/twice", *b.spark(master="local[2]")]
    b.good(*common)
    b.bad(2, ["/out/twice exists", "--overwrite"], *common)
    b.good(*common, "--overwrite")


def test_what_is_not_there(b):
    model, _ = trained(b)
    common = ["evaluate", "--model", model, "--label", "label", "--nb-classes", 10, *b.spark(master="local[2]")]
    b.bad(2, [f"{hdfs(b)}/data/missing.csv", "no such file"], *common, "--data", f"{hdfs(b)}/data/missing.csv")
    b.bad(2, [f"{hdfs(b)}/data/missing.parquet", "no such file"], *common, "--data",
          f"{hdfs(b)}/data/missing.parquet")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))  # bound, not listening
        url = f"hdfs://127.0.0.1:{s.getsockname()[1]}/x.csv"
        b.bad(2, [url, "Connection refused"], *common, "--data", url)


def test_it_ends(b):
    if hasattr(b, "hdfs"):
        b.hdfs_process.stdin.close()
        assert b.hdfs_process.wait(30) == 0


sparklib.main([
    test_training_reads_it, test_evaluation_reads_it, test_predictions_are_written_to_it,
    test_what_is_there_is_not_overwritten, test_what_is_not_there, test_it_ends])
