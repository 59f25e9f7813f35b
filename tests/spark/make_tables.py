#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The digits as tables with typed columns: make_tables.py DIGITS.csv DIR."""
import sys

from pyspark.ml.linalg import Vectors
from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
source, out = sys.argv[1:3]
numbers = spark.read.csv(source, header=True, inferSchema=True).coalesce(1)
numbers.write.parquet(f"{out}/numbers.parquet")
# 1796 and 1 rows: by size the second comes first
numbers.selectExpr("*", "case when monotonically_increasing_id() = 0 then 0 else 1 end as rest").write.partitionBy(
    "rest").parquet(f"{out}/split.parquet")
rows = [(r[0], [float(v) for v in r[1:]], f"row {i}") for i, r in enumerate(numbers.collect())]
# dense and sparse vectors in one column, as Spark ML makes them
vectors = [(label, Vectors.dense(v) if i % 2 else
            Vectors.sparse(len(v), {j: x for j, x in enumerate(v) if x}), name)
           for i, (label, v, name) in enumerate(rows)]
spark.createDataFrame(vectors, ["label", "pixels", "name"]).coalesce(1).write.parquet(f"{out}/vectors.parquet")
arrays = [(label, v[:32], [v[32:48], v[48:]], name) for label, v, name in rows]
spark.createDataFrame(arrays, ["label", "top", "bottom", "name"]).coalesce(1).write.orc(f"{out}/arrays.orc")
holes = [(label, None if i in (11, 500, 501) else v[0], v[1:], name) for i, (label, v, name) in enumerate(rows)]
spark.createDataFrame(holes, ["label", "first", "rest", "name"]).coalesce(1).write.parquet(f"{out}/holes.parquet")
uneven = [(label, v if i != 7 else v[:-1]) for i, (label, v, _) in enumerate(rows)]
spark.createDataFrame(uneven, ["label", "pixels"]).coalesce(1).write.parquet(f"{out}/uneven.parquet")
spark.stop()
