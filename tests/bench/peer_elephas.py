# SPDX-License-Identifier: MIT
"""One training by Elephas, timed: peer_elephas.py JSON, in the peer's venv.

The argument says what to train (model, data, label, scale, classes, epochs,
batch_size, workers, test, output); the last line of standard output is one
JSON object with seconds by part. Synchronous mode, in which Elephas' result
does not depend on timing.
"""
import json
import os
import sys
import time

began = time.perf_counter()
os.environ.update(PYSPARK_PYTHON=sys.executable, PYSPARK_DRIVER_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1",
                  CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3")
os.environ.pop("SPARK_HOME", None)

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from elephas.spark_model import SparkModel  # noqa: E402
from elephas.utils.rdd_utils import to_simple_rdd  # noqa: E402
from pyspark import SparkConf, SparkContext  # noqa: E402

job = json.loads(sys.argv[1])
out = {}


def lap(name):
    now = time.perf_counter() - began
    out[name] = now - sum(out.values())


def rows(path):
    frame = pd.read_csv(path, dtype=np.float32)
    y = frame.pop(job["label"]).to_numpy().astype(int)
    return frame.to_numpy() / np.float32(job["scale"]), np.eye(job["classes"], dtype=np.float32)[y]


lap("import")
spark = SparkContext(conf=SparkConf().setMaster(job["master"]).setAppName("peer").set("spark.ui.enabled", "false"))
spark.setLogLevel("ERROR")
lap("spark")
x, y = rows(job["data"])
rdd = to_simple_rdd(spark, x, y)
lap("data")
model = SparkModel(keras.saving.load_model(job["model"]), num_workers=job["workers"])
model.fit(rdd, epochs=job["epochs"], batch_size=job["batch_size"], verbose=0, validation_split=0)
lap("fit")
model.master_network.save(job["output"])
lap("save")
out["total"] = sum(out.values())
loss, accuracy = model.master_network.evaluate(*rows(job["test"]), verbose=0)
print(json.dumps({**{name: round(value, 3) for name, value in out.items()}, "rows": len(x),
                  "accuracy": round(float(accuracy), 4)}), flush=True)
gateway = SparkContext._gateway  # pylint: disable=protected-access
spark.stop()
gateway.shutdown()
gateway.proc.stdin.close()
gateway.proc.wait()  # its CPU time counts
os._exit(0)  # threads of its servers may not end
