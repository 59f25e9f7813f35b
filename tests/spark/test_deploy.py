#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""deploy/spark/standalone: the script of the documents starts a cluster, a job
runs on it with a private elephasd, a program of one's own evaluates the model
there, and nothing is left when the cluster is stopped."""
import glob
import json
import os
import subprocess
import sys
import traceback

import sparklib
from cluster import marked
from system import DATA, ROOT, System

SCRIPT = os.path.join(ROOT, "deploy", "spark", "standalone", "cluster.sh")


def cluster(s, verb, status=0, says="", **more):
    # its own way of failing is tested too, so what it prints is looked at
    environment = {**os.environ, "SPARK_HOME": sparklib.spark_home(), "SPARK_DAEMON_MEMORY": "256m", "MEMORY": "1g",
                   "SPARK_DAEMON_JAVA_OPTS": sparklib.JVM, **more}
    with open(s.path("said"), "w+", encoding="utf-8") as said:
        out = subprocess.run([SCRIPT, verb, s.path("cluster")], env=environment, stdin=subprocess.DEVNULL, stdout=said,
                             stderr=said, timeout=300, check=False)
        said.seek(0)
        text = said.read()
    assert out.returncode == status and says in text, (verb, out.returncode, text)
    return text.strip()


def train(s, master):
    out = s.submit("train", "--embedded", "--model", sparklib.make_model(s, 64, 10), "--data", f"{DATA}/digits.csv",
                   "--label", "label", "--nb-classes", 10, "--workers", 2, "--epochs", 3, "--seed", 1, "--output",
                   s.path("digits.keras"), "--engine", "spark", "--master", master, "--spark-home",
                   sparklib.spark_home(), "--conf", "spark.executor.memory=512m", "--conf", "spark.executor.cores=1",
                   "--json", timeout=300)
    assert out.status == 0, out.err
    assert out.last["samples"] == 1797, out.last


def evaluate(s, master):
    """The example gives the numbers of elephas-submit."""
    home = sparklib.spark_home()
    python = os.path.join(os.path.dirname(home), "bin", "python")
    environment = {**os.environ, "SPARK_HOME": home, "PYSPARK_PYTHON": python, "PYSPARK_DRIVER_PYTHON": python}
    subprocess.run([python, f"{sparklib.HERE}/make_tables.py", f"{DATA}/digits.csv", s.path("tables")], check=True,
                   env=environment, capture_output=True, timeout=240)
    bundle = glob.glob(os.path.join(s.bin, "..", "share", "elephas", "elephas-worker-*.tar.gz"))[0]
    command = [f"{home}/bin/spark-submit", "--master", master]
    for key, value in sparklib.SMALL.items():
        command += ["--conf", f"{key}={value}"]
    out = subprocess.run([*command, "--files", s.path("digits.keras"), "--archives", f"{bundle}#elephas",
                          os.path.join(ROOT, "deploy", "examples", "spark", "evaluate_rows.py"),
                          "./elephas/bin/elephas-worker", "./digits.keras", s.path("tables/numbers.parquet"), "label",
                          "10"], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                         timeout=240, check=False)
    assert out.returncode == 0, out.stderr[-3000:]
    got = json.loads(out.stdout.splitlines()[-1])
    want = s.submit("evaluate", "--embedded", "--model", s.path("digits.keras"), "--data", f"{DATA}/digits.csv",
                    "--label", "label", "--nb-classes", 10, "--json").last
    assert got["samples"] == want["samples"] == 1797, got
    assert got["metrics"].keys() == want["metrics"].keys(), (got, want)
    for name, value in want["metrics"].items():
        assert abs(got["metrics"][name] - value) < 1e-5, (got, want)


def test_a_cluster_by_script(s):
    cluster(s, "status", 1, "there is no cluster")
    cluster(s, "start", 1, "SPARK_HOME is not set", SPARK_HOME="")
    cluster(s, "start", 1, "no bin/spark-class", SPARK_HOME=s.work)
    master = cluster(s, "start").splitlines()[-1]
    try:
        assert master.startswith("spark://127.0.0.1:"), master
        assert cluster(s, "master") == master
        assert cluster(s, "status").count(": process ") == 3
        cluster(s, "start", 1, "runs already")
        train(s, master)
        evaluate(s, master)
    finally:
        cluster(s, "stop")
    cluster(s, "status", 1, "there is no cluster")
    assert not marked(s.work), marked(s.work)


with System(sys.argv[1]) as system:
    os.environ.update(ELEPHAS_TEST_MARK=system.work, SPARK_LOCAL_IP="127.0.0.1")
    try:
        test_a_cluster_by_script(system)
        print("1 passed, 0 failed")
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc(file=sys.stdout)
        sparklib.kill([pid for pid, _ in marked(system.work)])
        print("0 passed, 1 failed")
        sys.exit(1)
