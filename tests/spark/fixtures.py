#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What all Spark tests use and nobody changes, made once for a Spark in
build/spark-fixtures-VERSION: fixtures.py SPARK_HOME.

    tables/     the digits as parquet and orc, with typed columns
    conf/       an empty directory for SPARK_CONF_DIR
    spark.jsa   the classes of Spark, ready for the JVM to map; a JVM that
                uses it starts in two thirds of the time
"""
import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DIGITS = os.path.join(ROOT, "tests", "data", "digits.csv")
# short-lived JVMs: what the optimizing compiler would do does not pay
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xlog:disable -Xlog:all=error:stderr"


def python_of(home):
    return os.path.join(os.path.dirname(home), "bin", "python")


def version_of(home):
    jar = os.path.basename(glob.glob(f"{home}/jars/spark-core_*.jar")[0])
    return jar[:-len(".jar")].split("-", 2)[2]


class Fixtures:
    def __init__(self, home):
        self.home = home
        self.dir = os.path.join(ROOT, "build", f"spark-fixtures-{version_of(home)}")
        self.tables = os.path.join(self.dir, "tables")
        self.conf = os.path.join(self.dir, "conf")
        self.jvm = f"{QUICK} -XX:SharedArchiveFile={self.dir}/spark.jsa"

    def ready(self):
        """Makes them if they are not there, or were made by other code."""
        with open(f"{HERE}/make_tables.py", "rb") as f:
            wanted = hashlib.sha256(f.read() + self.home.encode()).hexdigest()
        stamp = os.path.join(self.dir, ".made-from")
        os.makedirs(os.path.join(ROOT, "build"), exist_ok=True)
        with open(self.dir + ".lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.exists(stamp):
                with open(stamp, encoding="utf-8") as f:
                    if f.read() == wanted:
                        return self
            shutil.rmtree(self.dir, ignore_errors=True)
            os.makedirs(self.conf)
            self.make()
            with open(stamp, "w", encoding="utf-8") as f:
                f.write(wanted)
        return self

    def make(self):
        python = python_of(self.home)
        environment = {**os.environ, "SPARK_HOME": self.home, "SPARK_CONF_DIR": self.conf,
                       "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": python, "PYSPARK_DRIVER_PYTHON": python,
                       "PYSPARK_SUBMIT_ARGS": f"--driver-java-options '{QUICK} -XX:ArchiveClassesAtExit="
                                              f"{self.dir}/spark.jsa' pyspark-shell"}
        out = subprocess.run([python, f"{HERE}/make_tables.py", DIGITS, self.tables], env=environment, cwd=self.dir,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             timeout=600, check=False)
        if out.returncode != 0:
            raise RuntimeError(f"make_tables.py: {out.stdout[-3000:]}")


if __name__ == "__main__":
    Fixtures(os.path.abspath(sys.argv[1])).ready()
