#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make bench-spark: what a job on Spark costs, with the machine's facts.

    bench_spark.py BINDIR SPARK_HOME [--peer PYTHON] [--runs N] [--only job,pipe,memory]

job      wall time from submit to trained model: the MNIST network on its 4,000
         rows 12 times, 5 epochs, batch 64, 2 workers, on local[2]; beside it in
         the same round the start of a Spark that does nothing, the same training
         on the local engine, and by Elephas with --peer. The rounds take turns, so
         that what else the machine does meets all of them; medians are printed.
         CPU seconds are those of all processes of a job: the steadier figure.
pipe     rows and bytes per second through Spark's pipe() into the worker, from the
         difference of a long and a short evaluation.
memory   peak memory of the Spark driver and of elephasd by rows predicted, on a
         standalone cluster, where the driver holds no executor: flat.
"""
import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "spark"), HERE]
from bench import facts  # noqa: E402
from cluster import Cluster, marked  # noqa: E402
from system import DATA, System  # noqa: E402

MNIST = f"{DATA}/mnist_mlp.keras"
TEST = f"{DATA}/mnist5k_test.csv.gz"
EPOCHS, BATCH, WORKERS, REPEAT = 5, 64, 2, 12
MASTER = f"local[{WORKERS}]"
COLUMNS = ["--label", "label", "--scale", 255, "--nb-classes", 10]
SPARK = ["--engine", "spark", "--master", MASTER]


def fail(what, said):
    sys.exit(f"{what} failed: {said[-2000:]}")


def write_rows(path, repeat):
    with gzip.open(f"{DATA}/mnist5k_train.csv.gz", "rt", encoding="utf-8") as f:
        header, body = f.readline(), f.read()
    with open(path, "w", encoding="utf-8") as out:
        out.write(header)
        for _ in range(repeat):
            out.write(body)
    return body.count("\n") * repeat


def timed(command, **more):
    """Wall and CPU seconds of a command and its children, its output."""
    began = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, **more) as p:
        said = []
        reader = threading.Thread(target=lambda: said.append(p.stderr.read()))
        reader.start()
        out = p.stdout.read()
        reader.join()
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode != 0:
        fail(command[0], said[0])
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime, out


def children_cpu(pid):
    """CPU seconds of the ended children of a process, and of itself."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


class Jobs:
    """Jobs of one daemon, timed."""

    def __init__(self, s):
        self.s = s

    def run(self, *args):
        """Wall seconds, CPU seconds of the daemon's children, last event."""
        before, began = children_cpu(self.s.process.pid), time.monotonic()
        out = self.s.submit(*args, "--json", timeout=900)
        wall = time.monotonic() - began
        if out.status != 0:
            fail(" ".join(map(str, args[:1])), out.err)
        return wall, children_cpu(self.s.process.pid) - before, out.last

    def train(self, data, output, *engine):
        return self.run("train", "--model", MNIST, "--data", data, *COLUMNS, "--epochs", EPOCHS, "--batch-size", BATCH,
                        "--workers", WORKERS, "--seed", 1, "--output", output, *engine)

    def accuracy(self, model):
        return self.run("evaluate", "--model", model, "--data", TEST, *COLUMNS)[2]["metrics"]["acc"]


def spark_start(s, home):
    """A jar with a Spark application that does nothing; the command to run it."""
    classes, jar = s.path("classes"), s.path("start.jar")
    subprocess.run(["javac", "--release", "17", "-cp", f"{home}/jars/*", "-d", classes, f"{HERE}/SparkStart.java"],
                   check=True)
    subprocess.run(["jar", "--create", "--file", jar, "-C", classes, "."], check=True)
    return [f"{home}/bin/spark-submit", "--master", MASTER, "--conf", "spark.log.level=WARN",
            "--conf", "spark.ui.enabled=false", "--class", "SparkStart", jar]


def bench_job(s, home, peer, runs):
    data, jobs, start = s.path("rows.csv"), Jobs(s), spark_start(s, home)
    rows = write_rows(data, REPEAT)
    wanted = {"model": MNIST, "data": data, "label": "label", "scale": 255, "classes": 10, "epochs": EPOCHS,
              "batch_size": BATCH, "workers": WORKERS, "master": MASTER, "test": TEST, "output": s.path("peer.keras")}
    walls, cpus, fits, accuracy = {}, {}, [], {}

    def note(name, wall, cpu):
        walls.setdefault(name, []).append(wall)
        cpus.setdefault(name, []).append(cpu)

    for i in range(runs + 1):  # the first round fills caches and is not counted
        results = [("start", *timed(start)[:2]), ("local", *jobs.train(data, s.path("local.keras"))[:2]),
                   ("spark", *jobs.train(data, s.path("spark.keras"), *SPARK)[:2])]
        if i > 0:
            for result in results:
                note(*result)
        if peer and i > 0:
            wall, cpu, out = timed([peer, f"{HERE}/peer_elephas.py", json.dumps(wanted)], cwd=s.work)
            theirs = json.loads(out.splitlines()[-1])
            note("peer", theirs["total"], cpu)
            fits.append(theirs["fit"])
            accuracy.setdefault("peer", []).append(theirs["accuracy"])
    wall = {name: statistics.median(w) for name, w in walls.items()}
    cpu = {name: statistics.median(c) for name, c in cpus.items()}
    beyond = statistics.median(a - b - c for a, b, c in zip(walls["spark"], walls["start"], walls["local"]))
    print(f"job       {rows:,} rows of MNIST, {EPOCHS} epochs, batch {BATCH}, {WORKERS} workers, {MASTER}; "
          f"median of {runs}")
    print(f"  spark   {wall['spark']:.2f} s from submit to trained model, {cpu['spark']:.1f} s CPU (aim: under 10 s); "
          f"test accuracy {jobs.accuracy(s.path('spark.keras')):.4f}")
    print(f"  local   {wall['local']:.2f} s the same on the local engine, {cpu['local']:.1f} s CPU; "
          f"test accuracy {jobs.accuracy(s.path('local.keras')):.4f}")
    print(f"  start   {wall['start']:.2f} s a Spark that does nothing, {cpu['start']:.1f} s CPU")
    print(f"  beyond  {beyond:.2f} s more than start and local together (aim: under 1.5 s)")
    if peer:
        print(f"  elephas {wall['peer']:.2f} s the same job with Elephas 7.3.0, {cpu['peer']:.1f} s CPU, fit alone "
              f"{statistics.median(fits):.2f} s; test accuracy {statistics.median(accuracy['peer']):.4f}")
        print(f"  ratio   {statistics.median(a / b for a, b in zip(walls['peer'], walls['spark'])):.1f} x the wall "
              f"time, {statistics.median(a / b for a, b in zip(cpus['peer'], cpus['spark'])):.1f} x the CPU time")


def bench_pipe(s, runs):
    short, long = s.path("short.csv"), s.path("long.csv")
    few, many = write_rows(short, 10), write_rows(long, 160)  # seconds apart: a start varies by some tenths
    size = os.path.getsize(long) - os.path.getsize(short)
    jobs = Jobs(s)
    for name, engine in (("spark", SPARK), ("local", [])):
        took = []
        for _ in range(runs):
            took.append(-jobs.run("evaluate", "--model", MNIST, "--data", short, *COLUMNS, *engine)[0]
                        + jobs.run("evaluate", "--model", MNIST, "--data", long, *COLUMNS, *engine)[0])
        seconds = statistics.median(took)
        if seconds < 1:
            print(f"pipe      {name}: the difference of a long and a short job, {seconds:.2f} s, is too small to tell")
            continue
        print(f"pipe      {name}: {(many - few) / seconds:,.0f} rows/s of 785 columns, {size / seconds / 1e6:.0f} MB/s "
              f"of csv, read, moved and evaluated, 2 tasks; median of {runs}")


class Peaks(threading.Thread):
    """Peak resident MiB of the processes of a test, by a word of their line."""

    def __init__(self, mark, words):
        super().__init__(daemon=True)
        self.mark, self.words, self.peak, self.done = mark, words, {}, threading.Event()

    def run(self):
        while not self.done.wait(0.2):
            for pid, line in marked(self.mark):
                name = next((n for n, w in self.words.items() if w in line), None)
                try:
                    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
                        high = next(int(row.split()[1]) for row in f if row.startswith("VmHWM"))
                except (OSError, StopIteration):
                    continue
                if name:
                    self.peak[name] = max(self.peak.get(name, 0), high / 1024)


def bench_memory(s, home):
    work = s.path("cluster")
    os.makedirs(work)
    with open(f"{DATA}/diabetes.csv", encoding="utf-8") as f:
        header, *lines = f.read().splitlines(True)
    with Cluster(home, work, mark=s.mark) as cluster:
        for rows in (100_000, 400_000, 1_600_000):
            data = s.path("many.csv")
            with open(data, "w", encoding="utf-8") as out:
                out.write(header)
                for _ in range(rows // len(lines)):
                    out.writelines(lines)
                out.writelines(lines[:rows % len(lines)])
            peaks = Peaks(s.mark, {"driver": "org.apache.spark.deploy.SparkSubmit", "elephasd": "/elephasd "})
            peaks.start()
            wall, _, last = Jobs(s).run(
                "predict", "--model", f"{DATA}/diabetes_mlp.keras", "--data", data, "--label", "target",
                "--output", s.path(f"out-{rows}") + "/", "--output-format", "parquet", "--engine", "spark",
                "--master", cluster.master, "--conf", "spark.driver.memory=512m", "--conf", "spark.executor.memory=512m",
                "--conf", "spark.executor.cores=1")
            peaks.done.set()
            peaks.join()
            print(f"memory    {last['samples']:,} rows predicted and written in {wall:.1f} s: driver "
                  f"{peaks.peak.get('driver', 0):.0f} MiB (heap limit 512), elephasd {peaks.peak.get('elephasd', 0):.0f} MiB")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    parser.add_argument("spark_home")
    parser.add_argument("--peer")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="job,pipe,memory")
    args = parser.parse_args()
    home = os.path.abspath(args.spark_home)
    facts()
    with System(args.bin) as s:
        s.mark = s.work
        os.environ.update(ELEPHAS_TEST_MARK=s.mark, SPARK_LOCAL_IP="127.0.0.1")
        os.environ.pop("SPARK_HOME", None)
        s.daemon("--spark-home", home)
        parts = args.only.split(",")
        if "job" in parts:
            bench_job(s, home, args.peer and os.path.abspath(args.peer), args.runs)
        if "pipe" in parts:
            bench_pipe(s, args.runs)
        if "memory" in parts:
            bench_memory(s, home)


if __name__ == "__main__":
    main()
