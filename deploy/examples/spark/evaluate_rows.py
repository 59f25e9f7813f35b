# SPDX-License-Identifier: MIT
"""Your own PySpark program: loss and metrics of a DataFrame by elephas-worker
evaluate.

    spark-submit --files model.keras --archives elephas-worker-0.1.0-linux-x86_64.tar.gz#elephas \\
        evaluate_rows.py ./elephas/bin/elephas-worker ./model.keras rows.parquet label 10

The last argument is the number of classes of the label (0: it is a number as
it is). The model must be compiled.

Each partition becomes one JSON line of sums, {"samples": N, "sums": {"loss":
[sum, weight], ...}}. Sums can be added, element by element, in any order; a
mean over the partitions' means would be wrong when they differ in size. Loss and
accuracies are pairs (sum, weight), their value is the quotient.

Partitions may be of any size, also empty: an empty one adds zeros.
"""
import json
import shlex
import sys

from pyspark.sql import SparkSession

worker, model, source, label, classes = sys.argv[1:6]
spark = SparkSession.builder.appName("evaluate rows").getOrCreate()
frame = spark.read.parquet(source)
names = [label, *(name for name in frame.columns if name != label)]

command = [worker, "evaluate", "--model", model, "--no-header", "--label", "0"]
if int(classes) > 0:
    command += ["--nb-classes", classes]
# checkCode: a worker that refuses a row must fail the job (see predict_rows.py)
lines = frame.select(names).rdd.map(lambda row: ",".join(repr(value) for value in row)) \
    .pipe(shlex.join(command), env={"OPENBLAS_NUM_THREADS": "1"}, checkCode=True)


def add(a, b):
    return {"samples": a["samples"] + b["samples"],
            "sums": {name: [x + y for x, y in zip(a["sums"][name], b["sums"][name])] for name in a["sums"]}}


total = lines.map(json.loads).reduce(add)
print(json.dumps({"samples": total["samples"],
                  "metrics": {name: sums[0] / sums[1] for name, sums in total["sums"].items() if len(sums) == 2}}))
spark.stop()
