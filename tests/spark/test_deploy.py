#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""deploy/ for real. The script of the documents starts a cluster, a job runs on
it with a private elephasd, a program of one's own evaluates the model there,
and nothing is left when the cluster is stopped. Spark starts from the classes
that deploy/spark-classes.sh had written down, and also when they are no good."""
import glob
import json
import os
import shutil
import subprocess
import sys
import traceback

import sparklib
from cluster import marked
from fixtures import Fixtures
from system import DATA, ROOT, ROUNDING, System

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
    tables = Fixtures(home).ready().tables
    bundle = glob.glob(os.path.join(s.bin, "..", "share", "elephas", "elephas-worker-*.tar.gz"))[0]
    command = [f"{home}/bin/spark-submit", "--master", master]
    for key, value in sparklib.SMALL.items():
        command += ["--conf", f"{key}={value}"]
    out = subprocess.run([*command, "--files", s.path("digits.keras"), "--archives", f"{bundle}#elephas",
                          os.path.join(ROOT, "deploy", "examples", "spark", "evaluate_rows.py"),
                          "./elephas/bin/elephas-worker", "./digits.keras", f"{tables}/numbers.parquet", "label",
                          "10"], env=environment, cwd=s.work, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                         timeout=240, check=False)
    assert out.returncode == 0, out.stderr[-3000:]
    got = json.loads(out.stdout.splitlines()[-1])
    want = s.submit("evaluate", "--embedded", "--model", s.path("digits.keras"), "--data", f"{DATA}/digits.csv",
                    "--label", "label", "--nb-classes", 10, "--json").last
    assert got["samples"] == want["samples"] == 1797, got
    assert got["metrics"].keys() == want["metrics"].keys(), (got, want)
    for name, value in want["metrics"].items():
        assert abs(got["metrics"][name] - value) < ROUNDING, (got, want)


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


def test_classes_that_were_written_down(s):
    """In a tree of its own: the file is used; one of garbage is not missed."""
    share, home = s.path("tree/share/elephas"), sparklib.spark_home()
    os.makedirs(share)
    shutil.copytree(s.bin, s.path("tree/bin"))
    for path in glob.glob(f"{s.bin}/../share/elephas/*"):
        os.symlink(os.path.abspath(path), f"{share}/{os.path.basename(path)}")
    classes = glob.glob(f"{share}/spark-classes-*.jsa")
    assert classes, "make spark has written none"
    mapped, log = "org.apache.spark.SparkContext source: shared objects file", s.path("loaded")
    for good in (True, False):
        if not good:
            for path in classes:
                os.unlink(path)
                with open(path, "wb") as f:
                    f.write(b"no classes" * 1000)
        s.bin = s.path("tree/bin")
        out = s.submit("train", "--embedded", "--model", sparklib.make_model(s, 64, 10), "--data",
                       f"{DATA}/digits.csv", "--label", "label", "--nb-classes", 10, "--workers", 2, "--output",
                       s.path("c.keras"), "--engine", "spark", "--master", "local[2]", "--spark-home", home, "--conf",
                       f"spark.driver.extraJavaOptions=-Xlog:class+load:file={log}", timeout=300)
        assert out.status == 0, out.err
        with open(log, encoding="utf-8", errors="replace") as f:
            text = f.read()
        assert (mapped in text) == good and "org.apache.spark.SparkContext source" in text, good


def test_training_against_a_server_of_ones_own(s):
    """ps start, the example with two partitions at once, ps stop: what comes
    out knows its digits."""
    home = sparklib.spark_home()
    python = os.path.join(os.path.dirname(home), "bin", "python")
    environment = {**os.environ, "SPARK_HOME": home, "PYSPARK_PYTHON": python, "PYSPARK_DRIVER_PYTHON": python}
    if not os.path.isdir(s.path("tables")):
        subprocess.run([python, f"{sparklib.HERE}/make_tables.py", f"{DATA}/digits.csv", s.path("tables")], check=True,
                       env=environment, cwd=s.work, capture_output=True, timeout=240)
    s.daemon()
    out = s.submit("ps", "start", "--model", sparklib.make_model(s, 64, 10), "--json")
    assert out.status == 0, out.err
    ready = out.last
    command = [f"{home}/bin/spark-submit", "--master", "local[2]", "--conf", "spark.ui.enabled=false", "--conf",
               "spark.sql.files.minPartitionNum=2", os.path.join(ROOT, "deploy", "examples", "spark", "train_rows.py"),
               ready["http"].removeprefix("http://"), s.path("tables/numbers.parquet"), "label", "16"]
    out = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                         timeout=300, check=False, cwd=s.work)
    assert out.returncode == 0 and "trained 1797 rows" in out.stdout, (out.stdout, out.stderr[-3000:])
    out = s.submit("ps", "stop", ready["job"], "--output", s.path("served.keras"))
    assert out.status == 0, out.err
    out = s.submit("evaluate", "--model", s.path("served.keras"), "--data", f"{DATA}/digits.csv", "--label", "label",
                   "--scale", 16, "--nb-classes", 10, "--json")
    assert out.status == 0, out.err
    accuracy = [v for name, v in out.last["metrics"].items() if "acc" in name]
    assert accuracy and accuracy[0] > 0.85, out.last
    assert s.stop() == 0


def test_masters_of_other_kinds_that_are_not_there(s):
    """What Spark says of a YARN without settings and a Kubernetes that is not
    there reaches the person."""
    for master, says in (("yarn", "either HADOOP_CONF_DIR or YARN_CONF_DIR must be set"),
                         ("k8s://https://127.0.0.1:1", "Connection refused")):
        out = s.submit("train", "--embedded", "--model", sparklib.make_model(s, 64, 10), "--data",
                       f"{DATA}/digits.csv", "--label", "label", "--nb-classes", 10, "--output", s.path("m.keras"),
                       "--engine", "spark", "--master", master, "--spark-home", sparklib.spark_home(), timeout=120)
        assert out.status == 1 and says in out.err, (out.status, out.err)


passed = failed = 0
TESTS = (test_a_cluster_by_script, test_classes_that_were_written_down,
         test_training_against_a_server_of_ones_own, test_masters_of_other_kinds_that_are_not_there)
for name in ("HADOOP_CONF_DIR", "YARN_CONF_DIR"):
    os.environ.pop(name, None)
with System(sys.argv[1]) as system:
    os.environ.update(ELEPHAS_TEST_MARK=system.work, SPARK_LOCAL_IP="127.0.0.1")
    for test in [t for t in TESTS if not sys.argv[2:] or t.__name__ in sys.argv[2:]]:
        try:
            test(system)
            passed += 1
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print("FAILED:", test.__name__)
            traceback.print_exc(file=sys.stdout)
            sparklib.kill([pid for pid, _ in marked(system.work)])
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
