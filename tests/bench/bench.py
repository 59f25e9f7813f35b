#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make bench: what things cost, with the machine's facts beside them.

    bench.py BINDIR [--runs N]

Whole-process figures: the median of N runs after one that is not counted.
"""
import gzip
import os
import platform
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from system import DATA, ROOT, System  # noqa: E402


def facts():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        cpu = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(f"machine   {cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}")
    print(f"date      {time.strftime('%Y-%m-%d %H:%M')}, load {os.getloadavg()[0]:.2f}")


def timed(command, stdin=None, runs=5):
    """Median wall seconds, median CPU seconds, peak MiB."""
    walls, cpus, peak = [], [], 0
    for i in range(runs + 1):
        with open(stdin or os.devnull, "rb") as rows:
            began = time.monotonic()
            p = subprocess.Popen(command, stdin=rows, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(p.pid, 0)
            p.returncode = status
        if status != 0:
            sys.exit(f"{command} failed")
        if i > 0:
            walls.append(time.monotonic() - began)
            cpus.append(usage.ru_utime + usage.ru_stime)
            peak = max(peak, usage.ru_maxrss / 1024)
    return statistics.median(walls), statistics.median(cpus), peak


def worker(s, runs):
    mnist = f"{DATA}/mnist_mlp.keras"
    one, plain, many = s.path("one.csv"), s.path("plain.csv"), s.path("many.csv")
    with gzip.open(f"{DATA}/mnist5k_train.csv.gz", "rt", encoding="utf-8") as f:
        lines = [line.split(",", 1)[1] for line in f.read().splitlines(True)[1:]]
    for name, rows in ((one, lines[:1]), (plain, lines), (many, lines * 10)):
        with open(name, "w", encoding="utf-8") as f:
            f.writelines(rows)
    predict = [f"{s.bin}/elephas-worker", "predict", "--model", mnist, "--no-header", "--scale", "255"]
    wall, _, peak = timed(predict, one, runs)
    print(f"worker    starts and predicts one row in {wall * 1e3:.0f} ms, peak {peak:.0f} MiB")
    wall, _, _ = timed(predict, plain, runs)
    long_wall, _, peak = timed(predict, many, runs)
    rows = 9 * len(lines)
    size = os.path.getsize(many) - os.path.getsize(plain)
    print(f"predict   {rows / (long_wall - wall):,.0f} rows/s of 784 columns, "
          f"{size / (long_wall - wall) / 1e6:.0f} MB/s of csv in one worker, peak {peak:.0f} MiB")


def training(s, runs):
    s.daemon()
    for workers, frequency in ((1, "epoch"), (2, "epoch"), (2, "batch")):
        rates = []
        for i in range(runs):
            out = s.submit("train", "--model", f"{DATA}/mnist_mlp.keras", "--data", f"{DATA}/mnist5k_train.csv.gz",
                           "--label", "label", "--scale", 255, "--nb-classes", 10, "--epochs", 10,
                           "--batch-size", 64, "--workers", workers, "--frequency", frequency, "--seed", i,
                           "--output", s.path("out.keras"), "--json")
            if out.status != 0:
                sys.exit(out.err)
            rates.append(out.last["samples"] * 10 / out.last["seconds"])
        print(f"train     {statistics.median(rates):,.0f} samples/s, MNIST MLP, batch 64, "
              f"{workers} worker{'s' if workers > 1 else ''}, frequency {frequency}")
    s.stop()


def demo(s, runs):
    wall, cpu, _ = timed([f"{ROOT}/deploy/demo.sh", s.bin, s.path("demo")], runs=min(runs, 3))
    print(f"demo      {wall:.2f} s wall, {cpu:.2f} s CPU")


def main():
    runs = int(sys.argv[sys.argv.index("--runs") + 1]) if "--runs" in sys.argv else 5
    facts()
    with System(sys.argv[1]) as s:
        worker(s, runs)
        training(s, runs)
        demo(s, runs)


if __name__ == "__main__":
    main()
