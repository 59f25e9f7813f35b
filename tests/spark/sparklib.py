# SPDX-License-Identifier: MIT
"""What the Spark tests share: a daemon, a standalone cluster, jobs on both.

    def test_something(b): ...
    sparklib.main([test_something, ...])

Everything that is started carries a mark in its environment, so that what is
left behind is found, whoever started it.
"""
import glob
import json
import os
import signal
import subprocess
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cluster import Cluster, marked  # noqa: E402 pylint: disable=wrong-import-position
from fixtures import QUICK, Fixtures, python_of  # noqa: E402 pylint: disable=wrong-import-position
from system import DATA, ROOT, System  # noqa: E402 pylint: disable=wrong-import-position

HERE = os.path.dirname(os.path.abspath(__file__))
MNIST = os.path.join(DATA, "mnist_mlp.keras")
TRAIN = os.path.join(DATA, "mnist5k_train.csv.gz")
TEST = os.path.join(DATA, "mnist5k_test.csv.gz")
MNIST_OPTIONS = ["--label", "label", "--scale", "255", "--nb-classes", "10"]
SMALL = {"spark.executor.memory": "512m", "spark.executor.cores": "1", "spark.cores.max": "2",
         "spark.driver.memory": "512m", "spark.ui.enabled": "false"}


JVM = QUICK


def spark_home():
    home = os.environ.get("TEST_SPARK_HOME")
    if not home:
        homes = sorted(glob.glob(os.path.join(ROOT, "build", "venv-spark-*", "spark")))
        home = homes[-1]
    return os.path.abspath(home)


class Bench(System):
    """A daemon and a cluster; jobs on the cluster or on the local engine."""

    def __init__(self, bin_dir, **cluster):
        super().__init__(bin_dir)
        self.mark = self.work
        os.environ["ELEPHAS_TEST_MARK"] = self.mark
        self.home = spark_home()
        self.python = python_of(self.home)
        self.fixtures = Fixtures(self.home).ready()
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        os.environ["SPARK_CONF_DIR"] = self.fixtures.conf
        os.environ["SPARK_LAUNCHER_OPTS"] = QUICK
        os.environ.pop("SPARK_HOME", None)
        work = self.path("cluster")
        os.makedirs(work)
        self.cluster = Cluster(self.home, work, mark=self.mark, fixtures=self.fixtures, **cluster)
        self.bits = {}
        self.reader = None

    def __enter__(self):
        os.mkdir(self.path("cwd"))  # what is left in the daemon's working directory is nobody else's
        os.chdir(self.path("cwd"))
        self.cluster.start()
        self.daemon("--spark-home", self.home)
        return self

    def __exit__(self, *rest):
        self.kill()
        if self.reader is not None:
            self.reader.stdin.close()
            self.reader.wait(30)
        self.cluster.stop()
        os.chdir(ROOT)
        super().__exit__(*rest)

    @property
    def master(self):
        return self.cluster.master

    @property
    def tables(self):
        """A directory with the digits as tables (make_tables.py)."""
        return self.fixtures.tables

    def settings(self, conf=None):
        jvm = self.fixtures.jvm
        return {**SMALL, "spark.driver.extraJavaOptions": jvm, "spark.executor.extraJavaOptions": jvm, **(conf or {})}

    def spark(self, conf=None, master=None, worker=None):
        """Options for a job on Spark. worker: a path on the executors, "bundle"
        to ship it there, which costs a second of each executor."""
        options = ["--engine", "spark", "--master", master or self.master]
        if worker != "bundle" and not (master or "").startswith("local"):
            options += ["--spark-worker", worker or f"{self.bin}/elephas-worker"]
        for key, value in self.settings(conf).items():
            if value is not None:
                options += ["--conf", f"{key}={value}"]
        return options

    def good(self, *args, **more):
        """Submits, expects success, returns the last event."""
        out = self.submit(*args, "--json", **more)
        if out.status != 0:
            raise AssertionError(f"status {out.status}: {out.err.strip()}\n{self.last_log()}")
        return out.last

    def bad(self, status, says, *args, within=60, **more):
        """Submits, expects this exit status and a message with these words."""
        began = time.monotonic()
        out = self.submit(*args, **more)
        took = time.monotonic() - began
        for word in [says] if isinstance(says, str) else says:
            if word not in out.err:
                raise AssertionError(f"no '{word}' in: {out.err.strip()}\n{self.last_log()}")
        if out.status != status:
            raise AssertionError(f"status {out.status}, not {status}: {out.err.strip()}")
        if took > within:
            raise AssertionError(f"took {took:.1f} s")
        return out

    def jobs(self):
        return self.get_json("/v1/jobs")["jobs"]

    def job_log(self, job):
        return self.request("GET", f"/v1/jobs/{job}/logs")[1].decode(errors="replace")

    def last_log(self):
        try:
            return "\n".join(self.job_log(self.jobs()[0]["id"]).splitlines()[-25:])
        except Exception:  # pylint: disable=broad-except
            return self.daemon_log()[-3000:]

    def model(self, job):
        status, body = self.request("GET", f"/v1/jobs/{job}/model")
        if status != 200:
            raise AssertionError(f"model of {job}: {status}")
        return body

    def mnist(self, *more, data=TRAIN, model=MNIST):
        """A training of the MNIST network: its job id."""
        return self.good("train", "--model", model, "--data", data, *MNIST_OPTIONS, "--seed", 7,
                         "--output", self.path("out.keras"), *more)["job"]

    def local_bits(self, *options):
        """What the local engine makes of the same options, once."""
        if options not in self.bits:
            self.bits[options] = self.model(self.mnist("--batch-size", 64, *options))
        return self.bits[options]

    def same_bits(self, job, *options):
        if self.model(job) != self.local_bits(*options):
            raise AssertionError(f"{job}: not the bits of the local engine\n{self.job_log(job)}")

    def start_mnist(self, *more):
        """The same without waiting: the id of the job."""
        return self.good("train", "--model", MNIST, "--data", TRAIN, *MNIST_OPTIONS, "--seed", 7,
                         "--no-wait", *more)["job"]

    def wait(self, job, timeout=120):
        deadline = time.monotonic() + timeout
        while True:
            document = self.get_json(f"/v1/jobs/{job}")
            if document["state"] in ("done", "failed", "cancelled"):
                return document
            if time.monotonic() > deadline:
                raise AssertionError(f"{job} is {document['state']} after {timeout} s\n{self.job_log(job)}")
            time.sleep(0.1)

    def wait_epoch(self, job, epoch, timeout=90):
        deadline = time.monotonic() + timeout
        while True:
            document = self.get_json(f"/v1/jobs/{job}")
            if document["state"] == "running" and document["epoch"] >= epoch:
                return document
            if document["state"] in ("done", "failed", "cancelled"):
                raise AssertionError(f"{job} is {document['state']}: {document['error']}\n{self.job_log(job)}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{job} did not reach epoch {epoch}\n{self.job_log(job)}")
            time.sleep(0.02)

    def processes(self, *words):
        """Ids of processes of this test whose command line has all words."""
        return [pid for pid, line in marked(self.mark) if all(w in line for w in words)]

    def executors(self):
        return self.processes("CoarseGrainedExecutorBackend")

    def workers(self):
        return [pid for pid, line in marked(self.mark)
                if "elephas-worker " in line and "java" not in line]

    def drivers(self):
        return [pid for pid, line in marked(self.mark)
                if "org.apache.spark.deploy.SparkSubmit" in line and "pyspark-shell" not in line]

    def no_rest(self, within=15, besides=()):
        """Nothing of any job runs any more."""
        deadline = time.monotonic() + within
        while True:
            rest = {pid for pid in self.executors() + self.workers() + self.drivers()} - set(besides)
            if not rest:
                return
            if time.monotonic() > deadline:
                lines = [line[:200] for pid, line in marked(self.mark) if pid in rest]
                raise AssertionError(f"left after {within} s: {lines}")
            time.sleep(0.1)

    def litter(self):
        """What Spark left in the daemon's directories."""
        return [path for name in ("artifacts", "spark-warehouse", "metastore_db", "derby.log")
                for path in [os.path.abspath(name)] if os.path.exists(path)] + \
            glob.glob(f"{self.state}/jobs/*/spark")

    def python_with(self, jvm_options, *args, **more):
        """A Python with this Spark and a quick JVM: its Popen."""
        environment = {**os.environ, "SPARK_HOME": self.home, "PYSPARK_PYTHON": self.python,
                       "PYSPARK_SUBMIT_ARGS": f"--driver-java-options '{self.fixtures.jvm}' {jvm_options} "
                                              "pyspark-shell"}
        return subprocess.Popen([self.python, *args], env=environment, cwd=self.work, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=self.log, text=True, **more)

    def create_table(self, name, source, conf):
        """A table of the catalog that `conf` names, from a parquet data set."""
        options = " ".join(f"--conf {key}={value}" for key, value in conf.items())
        p = self.python_with(options, "-c", "from pyspark.sql import SparkSession as S\n"
                             "s = S.builder.master('local[1]').config('spark.ui.enabled', False).getOrCreate()\n"
                             f"s.read.parquet('{source}').write.saveAsTable('{name}')\n")
        p.communicate(timeout=240)
        if p.returncode != 0:
            raise AssertionError(f"no table {name}: {self.daemon_log()[-3000:]}")

    def read(self, path, form):
        """A data set as rows of dictionaries, in its order, read by Spark itself."""
        if self.reader is None:
            self.reader = self.python_with("", f"{HERE}/read_table.py")
        self.reader.stdin.write(json.dumps([form, path]) + "\n")
        self.reader.stdin.flush()
        count = self.reader.stdout.readline()
        if not count:
            raise AssertionError(f"{path} cannot be read: {self.daemon_log()[-3000:]}")
        return [json.loads(self.reader.stdout.readline()) for _ in range(int(count))]


def kill(pids, how=signal.SIGKILL):
    for pid in pids:
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            pass


def main(tests, **cluster):
    """Runs the tests (or those named behind the directory) with one Bench."""
    chosen = [t for t in tests if not sys.argv[2:] or t.__name__ in sys.argv[2:]]
    passed = failed = 0
    mark = None
    with Bench(sys.argv[1], **cluster) as b:
        mark = b.mark
        for test in chosen:
            began = time.monotonic()
            try:
                test(b)
                passed += 1
                print(f"ok {test.__name__} {time.monotonic() - began:.1f} s", flush=True)
            except Exception:  # pylint: disable=broad-except
                failed += 1
                print("FAILED:", test.__name__)
                traceback.print_exc(file=sys.stdout)
                sys.stdout.flush()
                try:
                    restart(b)
                except Exception:  # pylint: disable=broad-except
                    traceback.print_exc(file=sys.stdout)
                    break
        b.no_rest()
        b.stop()
        if b.litter():
            failed += 1
            print("FAILED: litter:", *b.litter())
    rest = marked(mark)
    if rest:
        failed += 1
        print("FAILED: left behind:", *rest, sep="\n    ")
        kill([pid for pid, _ in rest])
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def restart(b):
    """After a failure: a fresh daemon, and no job of the old one."""
    b.kill()
    kill(b.drivers() + b.workers())
    b.daemon("--spark-home", b.home)
    for job in b.jobs():
        if job["state"] not in ("done", "failed", "cancelled"):
            b.submit("cancel", job["id"])
    b.no_rest(30)


def make_model(b, inputs, outputs):
    """An architecture file of one softmax layer."""
    path = b.path(f"softmax-{inputs}-{outputs}.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({
            "module": "keras", "class_name": "Sequential", "registered_name": None,
            "config": {"name": "softmax", "trainable": True, "dtype": "float32",
                       "build_input_shape": [None, inputs], "layers": [
                           {"module": "keras.layers", "class_name": "InputLayer", "registered_name": None,
                            "config": {"batch_shape": [None, inputs], "dtype": "float32", "sparse": False,
                                       "name": "in"}},
                           {"module": "keras.layers", "class_name": "Dense", "registered_name": None,
                            "config": {"name": "out", "trainable": True, "dtype": "float32", "units": outputs,
                                       "activation": "softmax", "use_bias": True,
                                       "kernel_initializer": {"module": "keras.initializers",
                                                              "class_name": "GlorotUniform",
                                                              "config": {"seed": None}, "registered_name": None},
                                       "bias_initializer": {"module": "keras.initializers", "class_name": "Zeros",
                                                            "config": {}, "registered_name": None},
                                       "kernel_regularizer": None, "bias_regularizer": None,
                                       "kernel_constraint": None, "bias_constraint": None},
                            "build_config": {"input_shape": [None, inputs]}}]},
            "compile_config": {"optimizer": "sgd", "loss": "categorical_crossentropy", "metrics": ["accuracy"],
                               "loss_weights": None, "weighted_metrics": None, "run_eagerly": False,
                               "steps_per_execution": 1, "jit_compile": False}}, f)
    return path
