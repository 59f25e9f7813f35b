#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""deploy/spark/standalone: the script of the documents starts a cluster, a job
runs on it with a private elephasd, and nothing is left when it is stopped."""
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
        out = s.submit("train", "--embedded", "--model", f"{DATA}/mnist_mlp.keras", "--data",
                       f"{DATA}/mnist5k_train.csv.gz", "--label", "label", "--scale", 255, "--nb-classes", 10,
                       "--workers", 2, "--epochs", 1, "--output", s.path("out.keras"), "--engine", "spark", "--master",
                       master, "--spark-home", sparklib.spark_home(), "--conf", "spark.executor.memory=512m",
                       "--conf", "spark.executor.cores=1", "--json", timeout=300)
        assert out.status == 0, out.err
        assert out.last["samples"] == 4000 and os.path.exists(s.path("out.keras")), out.last
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
