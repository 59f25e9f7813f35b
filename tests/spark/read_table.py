#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints data sets as JSON lines, in the order of their files. For each line
["FORMAT", "PATH"] on standard input: the number of rows, then the rows."""
import json
import sys

from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()


def plain(value):
    return value.toArray().tolist() if hasattr(value, "toArray") else value


def parts(path):
    """The files, on any file system that Hadoop knows."""
    path = spark._jvm.org.apache.hadoop.fs.Path(path)
    found = path.getFileSystem(spark._jsc.hadoopConfiguration()).listStatus(path)
    names = sorted(status.getPath().toString() for status in found)
    return [name for name in names if name.rsplit("/", 1)[1].startswith("part-")]


def rows(form, path):
    reader = spark.read.option("header", True).option("inferSchema", True) if form == "csv" else spark.read
    for part in parts(path):
        for row in reader.format(form).load(part).coalesce(1).collect():
            yield {name: plain(value) for name, value in row.asDict().items()}


for line in sys.stdin:
    found = list(rows(*json.loads(line)))
    print(len(found))
    for row in found:
        print(json.dumps(row))
    sys.stdout.flush()
spark.stop()
