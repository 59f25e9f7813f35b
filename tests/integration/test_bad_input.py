#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What bad input gets: one clear line that names the thing, exit status 2 (or
a failed job with that reason), and nothing half-written."""
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from system import DATA, run  # noqa: E402

MODEL = f"{DATA}/diabetes_mlp.keras"
CSV = f"{DATA}/diabetes.csv"


def refused(s, outcome, status, *patterns):
    """Exit status, one line of error that matches all patterns, no output."""
    assert outcome.status == status, (outcome.status, outcome.out, outcome.err)
    lines = [line for line in outcome.err.splitlines() if line.startswith("elephas-submit: ")]
    assert len(lines) == 1, (outcome.out, outcome.err)
    for pattern in patterns:
        assert re.search(pattern, lines[0], re.I), (pattern, lines[0])
    left = [name for name in os.listdir(s.work) if name.startswith("out.keras")]
    assert not left, left
    return lines[0]


def train(s, *options, model=MODEL, data=CSV, label=("--label", "target"), **more):
    return s.submit("train", "--model", model, "--data", data, *label, "--output",
                    s.path("out.keras"), *options, **more)


def rows(s, text, name="rows.csv"):
    with open(s.path(name), "w", encoding="utf-8") as f:
        f.write(text)
    return s.path(name)


def changed_model(s, change, source=MODEL):
    """A copy of the model whose config.json went through change()."""
    path = s.path("changed.keras")
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config)
                content = json.dumps(config).encode()
            new.writestr(name, content)
    return path


def no_job_was_made(s):
    assert s.get_json("/v1/jobs")["jobs"] == []


def model_files(s):
    s.daemon()
    refused(s, train(s, model=s.path("absent.keras")), 2, "absent.keras", "no such file")
    refused(s, train(s, model=CSV), 2, "diabetes.csv", "zip|hdf5|keras")
    with open(MODEL, "rb") as f:
        content = f.read()
    for size in (0, 10, 1000, len(content) // 2, len(content) - 10):
        with open(s.path("cut.keras"), "wb") as f:
            f.write(content[:size])
        refused(s, train(s, model=s.path("cut.keras")), 2, "cut.keras")

    def unknown_layer(config):
        config["config"]["layers"][1]["class_name"] = "Conv9D"

    def unknown_loss(config):
        config["compile_config"]["loss"] = "sum_of_hopes"

    def unknown_option(config):
        config["config"]["layers"][1]["config"]["sharpness"] = 3

    def not_compiled(config):
        config["compile_config"] = None

    refused(s, train(s, model=changed_model(s, unknown_layer)), 2, "Conv9D")
    refused(s, train(s, model=changed_model(s, unknown_loss)), 2, "sum_of_hopes")
    refused(s, train(s, model=changed_model(s, unknown_option)), 2, "dense", "sharpness")
    refused(s, train(s, model=changed_model(s, not_compiled)), 2, "compile", "--loss")
    refused(s, train(s, "--loss", "nonsense"), 2, "nonsense")
    refused(s, train(s, "--optimizer", "nonsense"), 2, "nonsense")
    refused(s, train(s, "--metrics", "nonsense"), 2, "nonsense")
    no_job_was_made(s)


def options(s):
    s.daemon()
    refused(s, train(s, "--epochs", 0), 2, "--epochs")
    refused(s, train(s, "--epochs", "many"), 2, "--epochs", "many")
    refused(s, train(s, "--batch-size", -1), 2, "--batch-size")
    refused(s, train(s, "--workers", 0), 2, "--workers")
    refused(s, train(s, "--frobnicate"), 2, "frobnicate")
    refused(s, train(s, "--mode", "sideways"), 2, "--mode", "sideways")
    refused(s, train(s, "--validation-split", 1.5), 2, "--validation-split")
    refused(s, train(s, label=()), 2, "--label")
    refused(s, train(s, data=s.path("absent.csv")), 2, "absent.csv")
    out = s.submit("train", "--model", MODEL, "--data", CSV, "--label", "target")
    refused(s, out, 2, "--output")
    no_job_was_made(s)


HEADER = "target," + ",".join(f"c{i}" for i in range(10)) + "\n"
GOOD = "1," + ",".join("0.5" for _ in range(10)) + "\n"


def data_rows(s):
    s.daemon()
    refused(s, train(s, label=("--label", "price")), 2, "price")
    cases = {
        "too few": (GOOD * 6 + "1,2,3\n" + GOOD, ["row 7", "3|11"]),
        "too many": (GOOD * 2 + GOOD.strip() + ",9\n", ["row 3", "12|11"]),
        "not a number": (GOOD * 4 + GOOD.replace("0.5", "abc", 1), ["row 5", "c0|column 1", "abc"]),
        "empty field": (GOOD + GOOD.replace("0.5", "", 1), ["row 2", "c0|column 1", "empty"]),
        "nan": (GOOD + GOOD.replace("0.5", "nan", 1), ["row 2", "c0|column 1", "nan|finite"]),
        "infinity": (GOOD + GOOD.replace("0.5", "1e999", 1), ["row 2", "c0|column 1", "1e999|finite"]),
    }
    for name, (text, patterns) in cases.items():
        for workers in (1, 3):
            out = train(s, "--workers", workers, data=rows(s, HEADER + text))
            line = refused(s, out, 2, *patterns)
            assert "Traceback" not in line, name
    refused(s, train(s, data=rows(s, "")), 2, "rows.csv", "no rows|empty")
    refused(s, train(s, data=rows(s, HEADER)), 2, "rows.csv", "no rows|empty")
    text = "target," + ",".join(f"c{i}" for i in range(9)) + "\n" + "1" + ",0.5" * 9 + "\n"
    refused(s, train(s, data=rows(s, text)), 2, "9 ", "10")


def classes(s):
    s.daemon()
    digits = f"{DATA}/mnist5k_test.csv.gz"
    out = train(s, "--nb-classes", 5, model=f"{DATA}/mnist_mlp.keras", data=digits, label=("--label", "label"))
    refused(s, out, 2, "nb-classes", "10")
    text = "label," + ",".join(f"p{i}" for i in range(784)) + "\n" + "3" + ",0" * 784 + "\n" + "10" + ",0" * 784 + "\n"
    out = train(s, "--nb-classes", 10, model=f"{DATA}/mnist_mlp.keras", data=rows(s, text), label=("--label", "label"))
    refused(s, out, 2, "row 2", "10", "class|label")


def output_place(s):
    s.daemon()
    out = s.submit("train", "--model", MODEL, "--data", CSV, "--label", "target",
                   "--output", s.path("no/such/dir/m.keras"))
    refused(s, out, 2, "no/such/dir")
    out = s.submit("train", "--model", MODEL, "--data", CSV, "--label", "target", "--output", s.work)
    refused(s, out, 2, "directory")
    no_job_was_made(s)


def disk_full_keeps_the_old_file(s):
    s.daemon()
    out = s.path("m.keras")
    with open(out, "wb") as f:
        f.write(b"precious")

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    outcome = s.submit("train", "--model", MODEL, "--data", CSV, "--label", "target", "--output", out,
                       preexec_fn=small_files)
    assert outcome.status not in (0, 130), outcome.status
    assert "m.keras" in outcome.err, outcome.err
    with open(out, "rb") as f:
        assert f.read() == b"precious"
    assert [n for n in os.listdir(s.work) if n.startswith("m.keras")] == ["m.keras"]


def a_trained_model_is_not_lost_with_the_private_daemon(s):
    """The output can be staged when the job is submitted, not when it is done."""
    os.mkdir(s.path("full"))
    os.mkdir(s.path("spare"))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20k", "none", s.path("full")],
                      stderr=subprocess.DEVNULL, check=False).returncode != 0:
        print("(not allowed to mount a small file system: not tested)")
        return
    try:
        out = s.submit("train", "--embedded", "--model", MODEL, "--data", CSV, "--label", "target",
                       "--output", s.path("full/m.keras"), preexec_fn=lambda: os.environ.update(TMPDIR=s.path("spare")))
        assert out.status == 1 and "m.keras" in out.err, (out.status, out.err)
        saved = re.search(r"trained model is in (\S+) instead", out.err)
        assert saved and zipfile.is_zipfile(saved.group(1)), out.err
        os.unlink(saved.group(1))
        assert os.listdir(s.path("full")) == []
    finally:
        subprocess.run(["umount", s.path("full")], check=True)


def no_daemon(s):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        s.url = "http://127.0.0.1:%d" % free.getsockname()[1]
    out = s.submit("list")
    assert out.status == 3, (out.status, out.err)
    assert s.url.split("//")[1] in out.err and "elephasd" in out.err, out.err
    out = s.submit("ping")
    assert out.status == 3


def port_in_use(s):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        p = subprocess.run([f"{s.bin}/elephasd", "--state-dir", s.state, "--listen", f"127.0.0.1:{port}"],
                           stderr=subprocess.PIPE, text=True, timeout=20, check=False)
        assert p.returncode not in (0, None) and p.returncode > 0, p.returncode
        assert re.search(rf"{port}.*in use|in use.*{port}", p.stderr), p.stderr


def worker_absent(s):
    os.mkdir(s.path("empty"))
    s.daemon("--workers-dir", s.path("empty"))
    refused(s, train(s), 1, "elephas-worker", "workers-dir")


def fake_worker(s, script):
    os.mkdir(s.path("fake"))
    path = s.path("fake/elephas-worker")
    with open(path, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\n" + script)
    os.chmod(path, 0o755)
    return s.path("fake")


def worker_that_fails(s):
    s.daemon("--workers-dir", fake_worker(s, "echo 'cannot go on: the moon is full' >&2\nexit 1\n"))
    refused(s, train(s), 1, "the moon is full")
    job = s.get_json("/v1/jobs")["jobs"][0]
    assert job["state"] == "failed" and "the moon is full" in job["error"], job


def worker_that_is_killed_for_ever(s):
    s.daemon("--workers-dir", fake_worker(s, "echo 'about to die' >&2\nkill -SEGV $$\n"))
    refused(s, train(s), 1, "signal 11|SIGSEGV|segmentation")
    job = s.get_json("/v1/jobs")["jobs"][0]
    assert "about to die" in job["error"] + s.submit("logs", job["id"]).out, job


def no_permission(s):
    s.daemon()
    with open(s.path("wrong"), "w", encoding="utf-8") as f:
        f.write("not-the-token\n")
    out = s.submit("list", "--token-file", s.path("wrong"))
    assert out.status == 3 and "token" in out.err, (out.status, out.err)


def unknown_job(s):
    s.daemon()
    for verb in ("status", "wait", "logs", "cancel"):
        out = s.submit(verb, "jnothing")
        assert out.status == 2 and "jnothing" in out.err, (verb, out.status, out.err)


if __name__ == "__main__":
    run([model_files, options, data_rows, classes, output_place, disk_full_keeps_the_old_file,
         a_trained_model_is_not_lost_with_the_private_daemon, no_daemon,
         port_in_use, worker_absent, worker_that_fails, worker_that_is_killed_for_ever, no_permission,
         unknown_job])
