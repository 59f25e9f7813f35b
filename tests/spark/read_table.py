#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints a data set as JSON lines, in the order of its files: read_table.py
FORMAT PATH."""
import glob
import json
import sys

from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
form, path = sys.argv[1:3]
reader = spark.read.option("header", True).option("inferSchema", True) if form == "csv" else spark.read


def plain(value):
    return value.toArray().tolist() if hasattr(value, "toArray") else value


for part in sorted(glob.glob(f"{path}/part-*")):
    frame = reader.format(form).load(part)
    for row in frame.coalesce(1).collect():
        print(json.dumps({name: plain(value) for name, value in row.asDict().items()}))
spark.stop()
