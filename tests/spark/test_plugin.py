#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plug-ins on a cluster that does not have them: they come along with the job,
and what is trained has the same bits as on the local engine."""
import os
import shutil

import sparklib
from sparklib import ROOT

HERE = os.path.join(ROOT, "tests", "plugin")


def ready(b):
    """A daemon with the libraries, which no executor knows; their options."""
    plugins = b.path("plugins")
    names = ["scale.so", "functions.so"]
    if not os.path.exists(plugins):
        os.mkdir(plugins, 0o755)
        for name in names:
            shutil.copy(os.path.join(b.bin, "..", "tests", "plugin", name), plugins)
            os.chmod(os.path.join(plugins, name), 0o755)
        b.stop()
        b.daemon("--spark-home", b.home, "--plugin-dirs", plugins, *own(names))
    return ["--plugin-dirs", plugins, *own(names)]


def own(names):
    return [word for name in names for word in ("--custom-objects", name)]


def same_as_local(b, model, options):
    rows = ["--data", f"{HERE}/rows.csv", "--no-header", "--label", 3, "--seed", 1, "--epochs", 3,
            "--batch-size", 4, "--workers", 2, "--output", b.path("out.keras")]
    jobs = [b.good("train", "--model", f"{HERE}/{model}", *rows, *options, *engine)["job"]
            for engine in (b.spark(worker="bundle"), [])]
    assert b.model(jobs[0]) == b.model(jobs[1]), b.job_log(jobs[0])
    histories = [b.get_json(f"/v1/jobs/{j}/history")["history"] for j in jobs]
    assert histories[0] == histories[1], histories


def test_a_layer(b):
    same_as_local(b, "scale.keras", ready(b))


def test_functions(b):
    same_as_local(b, "functions.keras", ready(b))


def test_files_of_ones_own_come_along_too(b):
    options = ready(b)
    with open(b.path("mine.txt"), "w", encoding="utf-8") as f:
        f.write("mine\n")
    b.good("train", "--model", f"{HERE}/scale.keras", "--data", f"{HERE}/rows.csv", "--no-header", "--label", 3,
           "--epochs", 1, "--workers", 2, "--output", b.path("out.keras"), *options,
           *b.spark({"spark.files": b.path("mine.txt")}, worker="bundle"))
    found = [name for _, _, names in os.walk(b.path("cluster")) for name in names]
    assert "mine.txt" in found and "scale.so" in found, found


def test_on_this_machine(b):
    """With a local master nothing is shipped: the workers know the daemon's."""
    options = ready(b)
    b.good("train", "--model", f"{HERE}/scale.keras", "--data", f"{HERE}/rows.csv", "--no-header", "--label", 3,
           "--epochs", 1, "--workers", 2, "--output", b.path("out.keras"), *options, *b.spark(master="local[2]"))


sparklib.main([test_a_layer, test_functions, test_files_of_ones_own_come_along_too, test_on_this_machine])
