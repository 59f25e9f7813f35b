# SPDX-License-Identifier: MIT
"""AsynchronousSparkModel.fit of Elephas 7.3.0 with our servers: fit.py JSON, in the peer's venv.

The argument: {"model": FILE, "data": CSV.GZ, "rows": N, "epochs": E, "batch_size": B,
"runs": [{"mode":, "frequency":, "kind":, "port":}, ...]}. A run is one fit, all in one
Spark. Only the server is replaced: the factory gives an object that starts nothing,
since the port is one of ours already. Clients and workers are Elephas' own. One line
of JSON for each run.
"""
import json
import os
import sys

os.environ.update(PYSPARK_PYTHON=sys.executable, PYSPARK_DRIVER_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1",
                  CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3")
os.environ.pop("SPARK_HOME", None)

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from elephas.parameter import factory  # noqa: E402
from elephas.spark_model import AsynchronousSparkModel  # noqa: E402
from elephas.utils.rdd_utils import to_simple_rdd  # noqa: E402
from pyspark import SparkConf, SparkContext  # noqa: E402

WORKERS = 2
job = json.loads(sys.argv[1])


class RunningServer:
    """In place of HttpServer and SocketServer."""

    def __init__(self, *_, **__):
        pass

    def start(self):
        pass

    def stop(self):
        pass


factory.HttpServer = factory.SocketServer = RunningServer


def updates(rdd, frequency):
    """How many updates Elephas' workers send in a fit of these rows."""
    sizes = rdd.repartition(WORKERS).mapPartitions(lambda rows: [sum(1 for _ in rows)]).collect()
    assert len(sizes) == WORKERS and min(sizes) > job["batch_size"], sizes
    return sum(job["epochs"] * (1 if frequency == "epoch" else -(-n // job["batch_size"])) for n in sizes)


frame = pd.read_csv(job["data"], dtype=np.float32, nrows=job["rows"])
y = np.eye(10, dtype=np.float32)[frame.pop("label").to_numpy().astype(int)]
x = frame.to_numpy() / np.float32(255)
spark = SparkContext(conf=SparkConf().setMaster(f"local[{WORKERS}]").setAppName("peer")
                     .set("spark.ui.enabled", "false"))
spark.setLogLevel("ERROR")
rdd = to_simple_rdd(spark, x, y)
for run in job["runs"]:
    model = AsynchronousSparkModel(keras.saving.load_model(job["model"]), num_workers=WORKERS, mode=run["mode"],
                                   frequency=run["frequency"], parameter_server_mode=run["kind"], port=run["port"])
    assert isinstance(model.parameter_server, RunningServer)
    before, _ = model.master_network.evaluate(x, y, verbose=0)
    model.fit(rdd, epochs=job["epochs"], batch_size=job["batch_size"], verbose=0, validation_split=0)
    after, accuracy = model.master_network.evaluate(x, y, verbose=0)
    held = model.client.get_parameters()
    trained = model.master_network.get_weights()
    predicted = model.predict(x[:50])
    print(json.dumps({"run": run, "sent": updates(rdd, run["frequency"]), "before": before, "after": after,
                      "accuracy": accuracy, "same": all(np.array_equal(a, b) for a, b in zip(held, trained)),
                      "right": int((np.argmax(predicted, 1) == np.argmax(y[:50], 1)).sum())}), flush=True)
gateway = SparkContext._gateway  # pylint: disable=protected-access
spark.stop()
gateway.shutdown()
gateway.proc.stdin.close()
gateway.proc.wait()
os._exit(0)  # nothing waits for TensorFlow's threads
