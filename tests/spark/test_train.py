#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Training on a real standalone cluster: the same bits as on the local engine,
resident and by stage, from every kind of source."""
import gzip
import json
import os

import sparklib
from sparklib import DATA, MNIST_OPTIONS, TRAIN

BASE = ["--batch-size", 64, "--epochs", 2]


def test_resident_is_local_bit_for_bit(b):
    job = b.mnist(*BASE, "--workers", 2, *b.spark())
    assert "resident workers" in b.job_log(job), b.job_log(job)
    b.same_bits(job, "--epochs", 2, "--workers", 2)
    b.no_rest()


def test_workers_come_from_the_bundle(b):
    job = b.start_mnist("--batch-size", 64, "--epochs", 400, "--workers", 2, *b.spark(worker="bundle"))
    b.wait_epoch(job, 1)
    for pid in b.workers():
        path = os.readlink(f"/proc/{pid}/exe")
        assert path.startswith(b.path("cluster")), path
        with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
            assert b.path("cluster") in "".join(line for line in f if "libopenblas" in line)
        # neither identity nor secrets on the command line
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            assert f.read().split(b"\0")[1:] == [b"train", b""]
    assert len(b.workers()) == 2
    assert b.submit("cancel", job).status == 0
    b.no_rest()


def test_more_partitions_than_slots_go_by_stage(b):
    job = b.mnist(*BASE, "--workers", 8, *b.spark())
    assert "8 partitions on 2 slots: one Spark job for each round" in b.job_log(job), b.job_log(job)
    b.same_bits(job, "--epochs", 2, "--workers", 8)


def test_stage_with_batches_and_validation(b):
    options = ["--epochs", 2, "--workers", 3, "--frequency", "batch", "--validation-split", 0.1]
    job = b.mnist("--batch-size", 512, *options, *b.spark())
    assert "one Spark job for each round" in b.job_log(job)
    local = b.mnist("--batch-size", 512, *options)
    assert b.model(job) == b.model(local), b.job_log(job)
    histories = [b.get_json(f"/v1/jobs/{j}/history")["history"] for j in (job, local)]
    assert histories[0] == histories[1] and len(histories[0]["val_loss"]) == 2, histories


def test_compressed_rounds_are_local_bit_for_bit(b):
    """What is lost is drawn by seed, partition and step, whatever process computes the step."""
    options = ["--batch-size", 512, "--epochs", 2, "--frequency", "batch", "--compress", "int8"]
    for workers in (2, 3):  # resident, by stage
        job = b.mnist(*options, "--workers", workers, *b.spark())
        assert b.model(job) == b.model(b.mnist(*options, "--workers", workers)), b.job_log(job)


def test_validation_data(b):
    options = ["--epochs", 1, "--workers", 2, "--validation-data", sparklib.TEST]
    job = b.mnist("--batch-size", 64, *options, *b.spark())
    local = b.mnist("--batch-size", 64, *options)
    assert b.model(job) == b.model(local)
    histories = [b.get_json(f"/v1/jobs/{j}/history")["history"] for j in (job, local)]
    assert histories[0] == histories[1], histories


def unpack(b):
    """The training rows as a directory of several files with headers."""
    directory = b.path("parts")
    if not os.path.isdir(directory):
        os.mkdir(directory)
        with gzip.open(TRAIN, "rt") as f:
            header = f.readline()
            for i, rows in enumerate((700, 1100, 900, 1300)):
                with open(f"{directory}/part-{i}.csv", "w", encoding="utf-8") as out:
                    out.write(header + "".join(f.readline() for _ in range(rows)))
    return directory


def test_several_files_are_one_data_set(b):
    directory = unpack(b)
    for source in ([directory], [directory + "/part-*.csv"],
                   sum((["--data", f"{directory}/part-{i}.csv"] for i in range(1, 4)), [f"{directory}/part-0.csv"])):
        job = b.good("train", "--model", sparklib.MNIST, "--data", *source, *MNIST_OPTIONS, "--seed", 7, "--output",
                     b.path("o.keras"), *BASE, "--workers", 2, *b.spark(master="local[2]"))["job"]
        b.same_bits(job, "--epochs", 2, "--workers", 2)


def test_partitions_of_the_data_are_kept(b):
    job = b.mnist(*BASE, *b.spark(), data=unpack(b))
    document = b.get_json(f"/v1/jobs/{job}")
    assert document["workers"] == 4, document
    assert [p["samples"] for p in document["partitions"]] == [700, 1100, 900, 1300]
    again = b.mnist(*BASE, *b.spark(), data=unpack(b))
    assert b.model(job) == b.model(again)


def libsvm(b):
    path = b.path("iris.libsvm")
    with open(f"{DATA}/iris.csv", encoding="utf-8") as f, open(path, "w", encoding="utf-8") as out:
        next(f)
        for line in f:
            label, *values = line.strip().split(",")
            out.write(label + "".join(f" {i}:{v}" for i, v in enumerate(values, 1)) + "\n")
    return path


def test_text_formats(b):
    lines = b.path("digits.jsonl")
    with open(f"{DATA}/digits.csv", encoding="utf-8") as f, open(lines, "w", encoding="utf-8") as out:
        names = next(f).strip().split(",")
        for line in f:
            out.write(json.dumps(dict(zip(names, map(float, line.split(","))))) + "\n")
    model = sparklib.make_model(b, 64, 10)
    options = ["--model", model, "--seed", 3, "--output", b.path("o.keras"), "--epochs", 2, "--workers", 2,
               "--label", "label", "--nb-classes", 10]
    jobs = [b.good("train", *options, "--data", lines, *engine)["job"]
            for engine in ([], b.spark(master="local[2]"))]
    assert b.model(jobs[0]) == b.model(jobs[1])
    model = sparklib.make_model(b, 4, 3)
    options = ["--model", model, "--seed", 3, "--output", b.path("o.keras"), "--epochs", 2, "--workers", 2,
               "--nb-classes", 3]
    for rows in (["--data", libsvm(b), "--format", "libsvm"], ["--data", f"{DATA}/iris.csv", "--label", "label"]):
        text = ["--format", "text"] if rows[-1] == "label" else []
        jobs = [b.good("train", *options, *rows, *engine)["job"]
                for engine in ([], [*text, *b.spark(master="local[2]")])]
        assert b.model(jobs[0]) == b.model(jobs[1]), rows


def test_typed_columns(b):
    """Numbers, arrays and vectors of parquet and orc, a query and a table: the
    digits in all of these are the digits of the csv file."""
    model = sparklib.make_model(b, 64, 10)
    options = ["--model", model, "--seed", 3, "--output", b.path("o.keras"), "--epochs", 2, "--workers", 2,
               "--nb-classes", 10]
    want = b.model(b.good("train", *options, "--data", f"{DATA}/digits.csv", "--label", "label")["job"])
    tables = b.tables
    for source in (["--data", f"{tables}/numbers.parquet", "--label", "label"],
                   ["--data", f"{tables}/vectors.parquet", "--label", "label", "--features", "pixels"],
                   ["--data", f"{tables}/arrays.orc", "--label", "label", "--features", "top,bottom"],
                   ["--data", f"{tables}/numbers.parquet", "--label", "0", "--features", "1-64"],
                   # directories of directories; Spark itself would read the bigger file first
                   ["--data", f"{tables}/split.parquet", "--label", "label", "--features", "p0-p63"],
                   ["--sql", f"select * from parquet.`{tables}/vectors.parquet`", "--label", "label",
                    "--features", "pixels"]):
        job = b.good("train", *options, *source, *b.spark(master="local[2]"))["job"]
        assert b.model(job) == want, (source, b.job_log(job))


def test_a_table_of_a_catalog(b):
    """By name, from the metastore that the cluster's people keep."""
    model = sparklib.make_model(b, 64, 10)
    options = ["--model", model, "--seed", 3, "--output", b.path("o.keras"), "--workers", 2, "--label", "label",
               "--nb-classes", 10]
    want = b.model(b.good("train", *options, "--data", f"{DATA}/digits.csv")["job"])
    conf = {"spark.sql.catalogImplementation": "hive", "spark.sql.warehouse.dir": b.path("warehouse"),
            "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:{b.path('metastore')};create=true"}
    b.create_table("lake_digits", f"{b.tables}/numbers.parquet", conf)
    job = b.good("train", *options, "--table", "lake_digits", *b.spark(conf, master="local[2]"))["job"]
    assert b.model(job) == want, b.job_log(job)
    b.bad(2, ["--table nothere", "cannot be found"], "train", *options, "--table", "nothere",
          *b.spark(conf, master="local[2]"))


def test_asynchronous_modes(b):
    """And the ways to average: resident and by stage, with as many slots as partitions and with fewer."""
    by_batch, resident, stage = ["--frequency", "batch"], "resident workers", "one Spark job for each round"
    for mode, workers, more, says in (
            ("asynchronous", 2, ["--frequency", 8, "--compress", "topk:0.1"], resident),
            ("hogwild", 2, [*by_batch, "--staleness", 1], resident),
            ("easgd", 2, [], resident),
            ("synchronous", 2, ["--frequency", 8, "--server-optimizer", "sgd-momentum", "--compress", "int8"], resident),
            ("asynchronous", 5, ["--validation-split", 0.1, "--server-optimizer", "adam"], stage),
            ("hogwild", 2, [*by_batch, "--rounds", "stage", "--staleness-scale"], stage)):
        last = b.good("train", "--model", sparklib.MNIST, "--data", TRAIN, *MNIST_OPTIONS, "--seed", 7, "--output",
                      b.path("o.keras"), "--epochs", 3, "--batch-size", 64, "--mode", mode, "--workers", workers,
                      *more, *b.spark(master="local[2]"))
        history = last["history"]
        assert all(len(values) == 3 for values in history.values()), history
        assert history["loss"][2] < history["loss"][0] * 0.7, history
        assert ("val_loss" in history) == ("--validation-split" in more), history
        assert says in b.job_log(last["job"]), b.job_log(last["job"])


def test_cluster_mode(b):
    """The driver runs on a worker of the cluster."""
    options = [*BASE, "--workers", 1, *b.spark({"spark.cores.max": "1"}), "--deploy-mode", "cluster"]
    job = b.mnist(*options)
    b.same_bits(job, "--epochs", 2, "--workers", 1)
    job = b.start_mnist("--batch-size", 64, "--epochs", 400, *options[4:])
    b.wait_epoch(job, 1)
    assert b.submit("cancel", job).status == 0
    b.no_rest()


def test_a_killed_driver_in_the_cluster(b):
    """Nobody sees its end: it is missed when its reports stay away."""
    job = b.start_mnist("--batch-size", 64, "--epochs", 4000, "--workers", 1, *b.spark({"spark.cores.max": "1"}),
                        "--deploy-mode", "cluster")
    b.wait_epoch(job, 1)
    sparklib.kill(b.processes("org.apache.spark.deploy.worker.DriverWrapper", "java"))
    document = b.wait(job, 60)
    assert document["state"] == "failed" and "has not reported for 40 s" in document["error"], document
    b.no_rest()


def test_dynamic_allocation(b):
    conf = {"spark.dynamicAllocation.enabled": "true", "spark.dynamicAllocation.shuffleTracking.enabled": "true",
            "spark.dynamicAllocation.minExecutors": "0", "spark.dynamicAllocation.initialExecutors": "1",
            "spark.dynamicAllocation.maxExecutors": "2", "spark.dynamicAllocation.executorIdleTimeout": "2s"}
    job = b.mnist(*BASE, "--workers", 2, *b.spark(conf))
    b.same_bits(job, "--epochs", 2, "--workers", 2)


sparklib.main([
    test_resident_is_local_bit_for_bit, test_workers_come_from_the_bundle,
    test_more_partitions_than_slots_go_by_stage, test_stage_with_batches_and_validation, test_validation_data,
    test_several_files_are_one_data_set, test_partitions_of_the_data_are_kept, test_text_formats,
    test_typed_columns, test_a_table_of_a_catalog, test_asynchronous_modes,
    test_cluster_mode, test_a_killed_driver_in_the_cluster, test_dynamic_allocation])
