#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What cannot work on Spark is said in one sentence at elephas-submit, soon,
and leaves nothing behind."""
import os
import socket
import stat

import sparklib
from sparklib import DATA, MNIST, MNIST_OPTIONS, TRAIN

LOCAL = "local[2]"


def train(b, *more, data=TRAIN, options=None):
    return ["train", "--model", MNIST, "--data", data, *(options or MNIST_OPTIONS), "--output", b.path("o.keras"),
            "--workers", 2, *more]


def digits(b, source, *more):
    return ["train", "--model", sparklib.make_model(b, 64, 10), "--data", f"{b.tables}/{source}", "--label",
            "label", "--nb-classes", 10, "--output", b.path("o.keras"), *more, *b.spark(master=LOCAL)]


def script(b, name, text):
    """A directory that looks like a Spark with this spark-submit."""
    home = b.path(name)
    os.makedirs(f"{home}/bin")
    path = f"{home}/bin/spark-submit"
    with open(path, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path, stat.S_IRWXU)
    return home


def test_no_spark(b):
    b.kill()
    b.daemon()  # without --spark-home; the test's PATH has no spark-submit
    try:
        b.bad(2, ["there is no Spark", "--spark-home", "SPARK_HOME"], *train(b, *b.spark(master=LOCAL)), within=10)
        b.bad(2, "is no Spark installation", *train(b, *b.spark(master=LOCAL), "--spark-home", b.path("nowhere")))
    finally:
        b.kill()
        b.daemon("--spark-home", b.home)


def test_an_old_spark(b):
    home = script(b, "old", "exit 1\n")
    os.makedirs(f"{home}/jars")
    with open(f"{home}/jars/spark-core_2.12-3.3.4.jar", "w", encoding="utf-8"):
        pass
    b.bad(2, ["Spark 3.3.4", "too old"], *train(b, *b.spark(master=LOCAL), "--spark-home", home), within=10)


def test_a_spark_that_does_not_start(b):
    home = script(b, "broken", "echo 'JAVA_HOME is not set' >&2\nexit 1\n")
    b.bad(1, ["Spark did not start", "JAVA_HOME is not set"],
          *train(b, *b.spark(master=LOCAL), "--spark-home", home), within=10)
    home = script(b, "silent", "exit 3\n")
    b.bad(1, ["Spark did not start", "exit status 3"], *train(b, *b.spark(master=LOCAL), "--spark-home", home),
          within=10)
    b.bad(1, "Spark did not start", *train(b, *b.spark({"spark.driver.memory": "12x"}, master=LOCAL)), within=60)


def test_an_unreachable_master(b):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))  # bound, not listening
        port = s.getsockname()[1]
        b.bad(1, [f"spark://127.0.0.1:{port}", "cannot be reached"],
              *train(b, *b.spark(master=f"spark://127.0.0.1:{port}")), within=40)
    b.bad(1, ["spark://no-such-host.invalid:7077", "cannot be reached"],
          *train(b, *b.spark(master="spark://no-such-host.invalid:7077")), within=40)
    b.bad(1, "Spark", *train(b, *b.spark(master="nonsense")), within=40)


def test_a_master_that_says_nothing(b):
    """It takes connections and never answers: Spark gives up after a minute."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(50)
        master = f"spark://127.0.0.1:{s.getsockname()[1]}"
        b.bad(1, ["before an executor came", master], *train(b, *b.spark(master=master)), within=100)
    b.no_rest()


def test_executors_that_do_not_come(b):
    conf = {"spark.executor.memory": "900g", "spark.elephas.executorTimeout": "5s"}
    b.bad(1, ["no executor came within 5 s", "900g"], *train(b, *b.spark(conf)), within=40)
    b.bad(1, ["Executor memory", "must be at least"], *train(b, *b.spark({"spark.executor.memory": "64m"})), within=40)
    b.no_rest()


def test_an_address_that_executors_cannot_reach(b):
    b.kill()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
        b.daemon("--spark-home", b.home, "--advertise", f"127.0.0.1:{port}")
        b.bad(1, [f"127.0.0.1:{port}", "cannot connect", "--advertise"], *train(b, *b.spark()), within=60)
    b.kill()
    b.daemon("--spark-home", b.home, "--advertise", "no-such-host.invalid:4000")
    b.bad(1, ["no-such-host.invalid:4000", "cannot resolve"], *train(b, *b.spark()), within=60)
    b.kill()
    b.daemon("--spark-home", b.home)
    b.no_rest()


def test_a_worker_that_does_not_run(b):
    b.bad(1, ["/nowhere/elephas-worker", "does not run"],
          *train(b, *b.spark(worker="/nowhere/elephas-worker")), within=60)
    broken = b.path("worker.sh")
    with open(broken, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\necho 'libfoo.so.1: cannot open shared object file' >&2\nexit 127\n")
    os.chmod(broken, 0o755)
    b.bad(1, ["does not run (status 127)", "libfoo.so.1"], *train(b, *b.spark(worker=broken)),
          within=60)


def test_files_that_are_not_there(b):
    b.bad(2, "hdfs://no-such-host.invalid:9000/x", *train(b, *b.spark(master=LOCAL),
                                                          data="hdfs://no-such-host.invalid:9000/x.csv"))
    b.bad(2, "/nowhere.csv: no such file", *train(b, *b.spark(master=LOCAL), data="file:///nowhere.csv"))
    b.bad(2, "nothere", "train", "--model", MNIST, "--table", "nothere", *MNIST_OPTIONS, "--output",
          b.path("o.keras"), *b.spark(master=LOCAL))
    empty = b.path("empty.csv")
    with open(empty, "w", encoding="utf-8"):
        pass
    b.bad(2, "there are no rows", *train(b, *b.spark(master=LOCAL), data=empty))


def test_columns(b):
    b.bad(2, ["label column 'nope'", "the columns are: label, pixels, name"],
          "train", "--model", sparklib.make_model(b, 64, 10),
          "--data", f"{b.tables}/vectors.parquet", "--label", "nope", "--features", "pixels", "--output",
          b.path("o.keras"), *b.spark(master=LOCAL))
    b.bad(2, ["feature column 'name'", "string"], *digits(b, "vectors.parquet", "--features", "pixels,name"))
    b.bad(2, ["the feature columns hold 32 numbers", "takes 64"],
          *digits(b, "arrays.orc", "--features", "top"))
    b.bad(2, ["row 8", "'pixels'", "63"], *digits(b, "uneven.parquet", "--features", "pixels"))
    b.bad(2, ["3 of 1797 rows have a null", "the first is row 12", "'first'", "--fill-null"],
          *digits(b, "holes.parquet", "--features", "first,rest"))


def test_rows_of_text(b):
    bad = b.path("bad.csv")
    with open(bad, "w", encoding="utf-8") as f:
        f.write("label," + ",".join(f"p{i}" for i in range(784)) + "\n")
        for i in range(40):
            f.write(f"{i % 10}," + ",".join("x" if (i, j) == (30, 5) else "1" for j in range(784)) + "\n")
    b.bad(2, ["row 31", "column 6", "'x'"], *train(b, *b.spark(master=LOCAL), data=bad))
    # tried on every worker or not: the first failure is the one that is told
    b.bad(2, ["row 31", "column 6", "'x'"], *train(b, *b.spark(), data=bad))
    log = b.job_log(b.jobs()[0]["id"])
    assert "worker: elephas-worker: row 31" in log, log


def test_options_that_need_spark(b):
    b.bad(2, "--sql: belongs to --engine spark", *train(b, "--sql", "select 1"))
    b.bad(2, "give one of them", *train(b, "--sql", "select 1", *b.spark()))
    b.bad(2, "begin with spark.", *train(b, *b.spark({"executor.memory": "1g"})))


def test_data_roots(b):
    """They hold for what Spark reads and writes; refused before Spark starts."""
    b.kill()
    b.daemon("--spark-home", b.home, "--data-roots", DATA)
    says = "--data-roots"
    for source in ("/etc/passwd", "file:///etc/passwd", f"file://{DATA}/../../Makefile", "hdfs://127.0.0.1:1/x.csv"):
        b.bad(2, [source.replace("file://", ""), says],
              *train(b, *b.spark(master=LOCAL), data=source), within=10)
    b.bad(2, ["sql", says], "train", "--model", MNIST, "--sql", "select 1", *MNIST_OPTIONS, "--output",
          b.path("o.keras"), *b.spark(master=LOCAL), within=10)
    model = os.path.join(DATA, "diabetes_mlp.keras")
    predict = ["predict", "--model", model, "--data", f"{DATA}/diabetes.csv", "--label", "target"]
    b.bad(2, ["output", says], *predict, "--output", b.path("x.parquet"), *b.spark(master=LOCAL), within=10)
    b.good(*predict, "--output", b.path("y.csv"), *b.spark(master=LOCAL))
    b.kill()
    b.daemon("--spark-home", b.home)


def test_resident_needs_slots(b):
    arguments = ["train", "--model", MNIST, "--data", TRAIN, *MNIST_OPTIONS, "--output", b.path("o.keras"),
                 "--workers", 3, "--rounds", "resident", *b.spark(master=LOCAL)]
    b.bad(2, "3 partitions want a slot each, there are 2", *arguments)


sparklib.main([
    test_no_spark, test_an_old_spark, test_a_spark_that_does_not_start, test_an_unreachable_master,
    test_a_master_that_says_nothing, test_executors_that_do_not_come,
    test_an_address_that_executors_cannot_reach, test_a_worker_that_does_not_run, test_files_that_are_not_there,
    test_columns, test_rows_of_text, test_options_that_need_spark, test_data_roots, test_resident_needs_slots])
