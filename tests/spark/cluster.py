#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A real standalone Spark cluster on loopback: a Master and two Worker
processes started with spark-class, on free ports, everything in one
directory.

    with Cluster(spark_home, work, cores=1) as c:
        ... c.master ...            # spark://127.0.0.1:PORT

By hand, until its standard input closes: cluster.py SPARK_HOME [CORES]
"""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

from fixtures import Fixtures

START_S = 60


class Cluster:
    def __init__(self, spark_home, work, workers=2, cores=1, memory="1g", mark=None, fixtures=None):
        self.home, self.work, self.count, self.cores, self.memory = spark_home, work, workers, cores, memory
        self.mark = mark or work
        self.fixtures = fixtures or Fixtures(spark_home).ready()
        self.processes = []
        self.master = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def environment(self):
        local = os.path.join(self.work, "local")
        os.makedirs(local, exist_ok=True)
        return {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_HOME": self.home,
                "SPARK_LOCAL_DIRS": local, "SPARK_CONF_DIR": self.fixtures.conf,
                "SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": self.fixtures.jvm, "ELEPHAS_TEST_MARK": self.mark}

    def run(self, name, *arguments):
        log = open(os.path.join(self.work, name + ".log"), "ab")
        process = subprocess.Popen(
            [os.path.join(self.home, "bin", "spark-class"), *arguments], env=self.environment(),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log.close()
        self.processes.append(process)
        return process

    def log(self, name):
        with open(os.path.join(self.work, name + ".log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait_for(self, name, pattern, process):
        deadline = time.monotonic() + START_S
        while True:
            found = re.search(pattern, self.log(name))
            if found:
                return found
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} does not start: {self.log(name)[-2000:]}")
            time.sleep(0.1)

    def start(self):
        master = self.run("master", "org.apache.spark.deploy.master.Master",
                          "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        self.master = self.wait_for("master", r"Starting Spark master at (spark://\S+)", master).group(1)
        workers = [self.add_worker(f"worker{i}") for i in range(self.count)]
        for i, worker in enumerate(workers):
            self.wait_for(f"worker{i}", r"Successfully registered with master", worker)

    def add_worker(self, name):
        # hosts of their own: Spark puts a speculative copy on another host only
        host = f"127.0.0.{2 + len(self.processes)}"
        return self.run(name, "org.apache.spark.deploy.worker.Worker", "--host", host,
                        "--port", "0", "--webui-port", "0", "--cores", str(self.cores),
                        "--memory", self.memory, "--work-dir", os.path.join(self.work, name), self.master)

    def stop(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = []


def marked(mark, besides=()):
    """Processes with this mark in their environment: [(pid, command line)]."""
    out = []
    wanted = b"ELEPHAS_TEST_MARK=" + mark.encode()
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) in (os.getpid(), *besides):
            continue
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                if wanted not in f.read().split(b"\0"):
                    continue
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                line = f.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if line:
            out.append((int(pid), line))
    return out


def main():
    with tempfile.TemporaryDirectory() as work:
        with Cluster(os.path.abspath(sys.argv[1]), work, cores=int(sys.argv[2]) if len(sys.argv) > 2 else 1) as c:
            print(c.master, flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main()
