# SPDX-License-Identifier: MIT
"""Your own PySpark program: a DataFrame's rows through elephas-worker predict.

    spark-submit --files model.keras --archives elephas-worker-0.1.0-linux-x86_64.tar.gz#elephas \\
        predict_rows.py ./elephas/bin/elephas-worker ./model.keras rows.parquet label predictions.parquet

Nothing of Keras or of this project is installed on the executors: the archive
holds the worker with its libraries, the file is the model; both are found by
relative paths (with a local master there are no executors' directories: give
absolute paths there).

Two things PySpark's pipe() does that the JVM's does not:

  - it ignores the exit status unless checkCode=True. A worker that refuses a
    row would then look like one that had nothing to say: the job ends well, with
    rows missing. Always give checkCode=True.
  - it replaces the environment by an empty one unless env= is given. The worker
    itself needs nothing of it; a PATH is only needed to find programs by name,
    and OPENBLAS_NUM_THREADS=1 keeps a task within its core.
"""
import shlex
import sys

from pyspark.sql import SparkSession

worker, model, source, label, output = sys.argv[1:6]
spark = SparkSession.builder.appName("predict rows").getOrCreate()
frame = spark.read.parquet(source)
features = [name for name in frame.columns if name != label]
rows = frame.rdd


def as_csv(row):
    # repr() of a Python float reads back exactly
    return ",".join(repr(row[name]) for name in features)


command = shlex.join([worker, "predict", "--model", model, "--no-header"])
environment = {"PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1"}
lines = rows.map(as_csv).pipe(command, env=environment, checkCode=True)


def join(pair):
    row, line = pair
    return (*row, [float(value) for value in line.split(",")])


# One line for each row, in order, so the two zip. The rows are computed twice,
# once for each side: they must come in the same order both times, as those of
# a file do. After a join or a repartition write or persist() them first.
spark.createDataFrame(rows.zip(lines).map(join), [*frame.columns, "prediction"]) \
    .write.mode("overwrite").parquet(output)
spark.stop()
