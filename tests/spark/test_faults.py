#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Executors, tasks, workers, drivers and the daemon are killed in the middle of
a training on a real cluster: the weights are those of an undisturbed run, bit
for bit, or the job fails with a reason; nothing is left."""
import os
import signal
import time

import sparklib
from sparklib import kill

# long enough to be disturbed in the middle
EPOCHS = 60
LONG = ["--batch-size", 64, "--epochs", EPOCHS, "--workers", 2]


def wanted(b):
    return b.local_bits("--epochs", EPOCHS, "--workers", 2)


def running(b, *more, options=LONG, conf=None):
    job = b.start_mnist(*options, *b.spark(conf), *more)
    b.wait_epoch(job, 5)
    return job


def done_with(b, job, bits):
    document = b.wait(job)
    assert document["state"] == "done", (document["error"], b.job_log(job))
    assert b.model(job) == bits, b.job_log(job)
    b.no_rest()
    return document


def test_a_killed_executor(b):
    bits = wanted(b)
    job = running(b)
    assert len(b.executors()) == 2
    kill(b.executors()[:1])
    done_with(b, job, bits)
    assert "ExecutorLostFailure" in b.job_log(job) or "Lost executor" in b.job_log(job), b.job_log(job)


def test_a_killed_worker(b):
    job = running(b)
    kill(b.workers()[:1])
    done_with(b, job, wanted(b))
    assert "status=137" in b.job_log(job), b.job_log(job)


def test_workers_end_with_their_executor(b):
    job = running(b)
    before = b.workers()
    kill(b.executors())
    deadline = time.monotonic() + 2
    while set(b.workers()) & set(before):
        assert time.monotonic() < deadline, "workers outlive their executor"
        time.sleep(0.05)
    done_with(b, job, wanted(b))


def test_a_killed_node(b):
    """The Worker process of Spark that holds an executor is killed: the other
    one gives the slot that is missing."""
    job = running(b)
    node = b.cluster.processes[-1]
    assert b.processes("deploy.worker.Worker", "--host") and node.poll() is None
    node.kill()
    node.wait()
    done_with(b, job, wanted(b))
    b.cluster.add_worker("worker9")


def worker_script(b, name, text):
    path = b.path(name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"#!/bin/sh\n[ \"$1\" = --version ] && exec {b.bin}/elephas-worker --version\n{text}"
                f"exec {b.bin}/elephas-worker \"$@\"\n")
    os.chmod(path, 0o755)
    return path


def test_a_task_that_fails_once(b):
    script = worker_script(b, "once.sh", f"mkdir {b.path('failed')} 2>/dev/null && exit 9\n")
    options = ["--batch-size", 64, "--epochs", 3, "--workers", 2]
    job = b.mnist(*options, *b.spark(worker=script))
    b.same_bits(job, "--epochs", 3, "--workers", 2)
    assert "status=9" in b.job_log(job), b.job_log(job)


def test_a_speculative_copy(b):
    """One task sleeps; Spark starts a copy of it elsewhere, which does the work.
    The one that slept then wakes up and must not change anything."""
    script = worker_script(b, "slow.sh", f"[ \"$1\" = train ] && mkdir {b.path('slept')} 2>/dev/null && sleep 15\n")
    conf = {"spark.speculation": "true", "spark.speculation.interval": "100ms",
            "spark.speculation.multiplier": "1.1", "spark.speculation.quantile": "0.5",
            "spark.speculation.minTaskRuntime": "100ms", "spark.cores.max": "4"}
    options = ["--batch-size", 64, "--epochs", 3, "--workers", 4]
    began = time.monotonic()
    job = b.mnist(*options, *b.spark(conf, worker=script), "--rounds", "stage")
    took = time.monotonic() - began
    b.same_bits(job, "--epochs", 3, "--workers", 4)
    assert "TaskKilled" in b.job_log(job), b.job_log(job)
    print(f"    {took:.0f} s")
    b.no_rest()


def test_a_worker_that_hangs_is_replaced(b):
    """One worker is stopped in the middle of a round; the copy that speculation
    starts takes its partition over, and the first one is ended."""
    conf = {"spark.speculation": "true", "spark.speculation.interval": "100ms",
            "spark.speculation.multiplier": "1.1", "spark.speculation.quantile": "0.5",
            "spark.speculation.minTaskRuntime": "100ms", "spark.cores.max": "4"}
    options = ["--batch-size", 8, "--epochs", 5, "--workers", 4]
    local = b.mnist(*options)
    job = b.start_mnist(*options, *b.spark(conf), "--rounds", "stage")
    b.wait_epoch(job, 2)
    stopped = None
    while stopped is None:
        for pid in b.workers():
            kill([pid], signal.SIGSTOP)
            stopped = pid
            break
    done_with(b, job, b.model(local))
    assert "TaskKilled" in b.job_log(job), b.job_log(job)


def test_eight_partitions_and_a_killed_executor(b):
    options = ["--batch-size", 64, "--epochs", 5, "--workers", 8]
    bits = b.local_bits("--epochs", 5, "--workers", 8)
    job = b.start_mnist(*options, *b.spark())
    b.wait_epoch(job, 2)
    kill(b.executors()[:1])
    done_with(b, job, bits)


def test_cancel(b):
    job = running(b)
    began = time.monotonic()
    assert b.submit("cancel", job).status == 0
    assert b.get_json(f"/v1/jobs/{job}")["state"] == "cancelled"
    b.no_rest(10)
    print(f"    nothing is left after {time.monotonic() - began:.1f} s")


def test_cancel_while_spark_starts(b):
    job = b.start_mnist(*LONG, *b.spark())
    time.sleep(1)
    assert b.submit("cancel", job).status == 0
    b.no_rest(10)


def test_a_killed_spark_submit(b):
    job = running(b)
    kill(b.drivers())
    document = b.wait(job, 30)
    assert document["state"] == "failed", document
    assert "Spark ended" in document["error"] and "signal 9" in document["error"], document["error"]
    b.no_rest(20)


def test_a_killed_daemon(b):
    job = running(b)
    b.process.kill()
    b.process.wait()
    b.no_rest(20)
    b.daemon("--spark-home", b.home)
    # the job goes on from its last snapshot, in a new application
    done_with(b, job, wanted(b))


def test_a_stopped_daemon(b):
    job = running(b)
    assert b.stop(signal.SIGTERM) == 0
    b.no_rest(10)
    b.daemon("--spark-home", b.home)
    done_with(b, job, wanted(b))


def test_a_daemon_that_comes_back_during_kept_partitions(b):
    """Partitions of the data, not of the job: the same ones after a restart."""
    options = ["--batch-size", 64, "--epochs", 60]
    job = b.start_mnist(*options, *b.spark())
    b.wait_epoch(job, 5)
    assert b.stop(signal.SIGTERM) == 0
    b.daemon("--spark-home", b.home)
    document = b.wait(job)
    assert document["state"] == "done" and document["epoch"] == 60, document
    b.no_rest()


sparklib.main([
    test_a_killed_executor, test_a_killed_worker, test_workers_end_with_their_executor,
    test_a_killed_node, test_a_task_that_fails_once,
    test_a_speculative_copy, test_a_worker_that_hangs_is_replaced,
    test_eight_partitions_and_a_killed_executor, test_cancel,
    test_cancel_while_spark_starts, test_a_killed_spark_submit, test_a_killed_daemon, test_a_stopped_daemon,
    test_a_daemon_that_comes_back_during_kept_partitions], cores=2)
