#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What synchronous training promises, seen through the real programs.

Batch rounds with 1, 2 and 4 workers give what one process with the combined
batch gives; epoch rounds with one worker are plain training; both agree with
traces recorded by real Keras; a seed makes a run repeatable to the last bit,
also when workers are killed on the way.
"""
import array
import base64
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from system import DATA, GOLDEN, ROUNDING, Case, distance, run  # noqa: E402

DIABETES = ["--data", f"{DATA}/diabetes.csv", "--label", "target", "--model", f"{DATA}/diabetes_mlp.keras"]
PARAMETERS = 10 * 64 + 64 + 64 * 64 + 64 + 64 + 1


def train(s, *options, model=None):
    out = s.submit("train", *options, "--output", s.path("out.keras"), "--json")
    assert out.status == 0, (out.status, out.err)
    assert out.last["event"] == "done", out.last
    return out.last


def trained_values(s, *options):
    return s.model_values(train(s, *DIABETES, *options)["job"], PARAMETERS)


def batch_rounds_equal_one_process(s):
    s.daemon()
    common = ["--frequency", "batch", "--no-shuffle", "--epochs", 3]
    one = trained_values(s, *common, "--workers", 1, "--batch-size", 64)
    for workers in (2, 4):
        many = trained_values(s, *common, "--workers", workers, "--batch-size", 64 // workers)
        assert distance(many, one) < ROUNDING, (workers, distance(many, one))


def history_of_batch_rounds_is_that_of_one_process(s):
    s.daemon()
    common = [*DIABETES, "--frequency", "batch", "--no-shuffle", "--epochs", 2, "--validation-split", 0.2]
    one = train(s, *common, "--workers", 1, "--batch-size", 64)["history"]
    four = train(s, *common, "--workers", 4, "--batch-size", 16)["history"]
    assert list(one) == list(four) and {"loss", "mae", "val_loss", "val_mae"} <= set(one), list(one)
    for key, series in one.items():
        assert len(series) == 2, (key, series)
        assert distance(four[key], series) < ROUNDING, (key, series, four[key])


def epoch_rounds_with_one_worker_are_plain_training(s):
    s.daemon()
    common = ["--workers", 1, "--no-shuffle", "--epochs", 3, "--batch-size", 32]
    plain = trained_values(s, *common, "--frequency", "batch")
    epoch = trained_values(s, *common, "--frequency", "epoch")
    assert distance(epoch, plain) < ROUNDING, distance(epoch, plain)


def keras_traces_are_met(s):
    """model_after.keras goes on for three steps, as Keras itself did."""
    s.daemon()
    seen = 0
    for name in sorted(os.listdir(GOLDEN)):
        case = Case(name)
        resume = (case.json["train"] or {}).get("resume")
        if not resume or case.json["inputs"] != 1 or case.json["outputs"] != 1:
            continue
        seen += 1
        order = [r for a, b in resume["rows"] for r in range(a, b)]
        nx, ny = case.write_rows(s.path("rows.csv"), order)
        want = case.flat("weight_resumed")
        for frequency, workers, batch in (("epoch", 1, 4), ("batch", 1, 4), ("batch", 2, 2), ("batch", 4, 1)):
            done = train(s, "--model", f"{case.dir}/{resume['from']}", "--data", s.path("rows.csv"),
                         "--no-header", "--features", f"0-{nx - 1}", "--label", f"{nx}-{nx + ny - 1}",
                         "--epochs", 1, "--batch-size", batch, "--workers", workers,
                         "--frequency", frequency, "--no-shuffle")
            got = s.model_values(done["job"], len(want))
            tolerance = case.json["tolerance"]["weight_after"]
            assert distance(got, want) <= tolerance, (name, frequency, workers, distance(got, want))
    assert seen >= 5, f"only {seen} cases resume"


MNIST = ["--model", f"{DATA}/mnist_mlp.keras", "--data", f"{DATA}/mnist5k_test.csv.gz", "--label", "label",
         "--scale", 255, "--nb-classes", 10, "--batch-size", 64, "--workers", 3]


def mnist_values(s, *options):
    return s.model_values(train(s, *MNIST, "--epochs", 3, *options)["job"], 118282)


def a_seed_repeats_every_bit(s):
    s.daemon()
    first = mnist_values(s, "--seed", 7)
    assert mnist_values(s, "--seed", 7).tobytes() == first.tobytes()
    assert mnist_values(s, "--seed", 8).tobytes() != first.tobytes()
    batch = mnist_values(s, "--seed", 7, "--frequency", "batch")
    assert mnist_values(s, "--seed", 7, "--frequency", "batch").tobytes() == batch.tobytes()


def packed_rows_train_like_text(s):
    """Lines of ten packed rows are dealt, split and counted as the rows of a csv file are."""
    s.daemon()
    with open(f"{DATA}/diabetes.csv") as f:
        rows = [[float(v) for v in line.split(",")] for line in f.read().split("\n")[1:] if line]
    with open(s.path("rows.b64"), "w") as f:
        for i in range(0, len(rows), 10):
            values = array.array("f", [v for row in rows[i:i + 10] for v in row])
            f.write(base64.b64encode(values.tobytes()).decode() + "\n")
    common = ["--model", f"{DATA}/diabetes_mlp.keras", "--workers", 3, "--epochs", 2, "--seed", 5,
              "--validation-split", 0.33, "--label", 0]
    text = train(s, "--data", f"{DATA}/diabetes.csv", *common)
    packed = train(s, "--data", s.path("rows.b64"), *common)
    assert packed["samples"] == text["samples"] == 296, (packed["samples"], text["samples"])
    assert packed["history"] == text["history"]
    assert s.model_values(packed["job"], PARAMETERS).tobytes() == s.model_values(text["job"], PARAMETERS).tobytes()


def rows_go_to_a_file_past_the_memory(s):
    """--memory of the job, else of elephasd; the numbers are the same."""
    s.daemon()
    rows_in_memory = mnist_values(s, "--seed", 7)
    assert mnist_values(s, "--seed", 7, "--memory", "64K").tobytes() == rows_in_memory.tobytes()
    s.stop()
    os.environ["TMPDIR"] = s.path("nowhere")
    try:
        s.daemon("--memory", "1M")
    finally:
        os.environ["TMPDIR"] = s.work
    for options, want in (((), False), (("--memory", "1G"), True), (("--memory", "64K"), False)):
        out = s.submit("train", *MNIST, *options, "--output", s.path("out.keras"))
        assert (out.status == 0) == want, (options, out.status, out.err)
        assert want or ("--memory" in out.err and s.path("nowhere") in out.err), out.err
    out = s.submit("train", *MNIST, "--memory", "much", "--output", s.path("out.keras"))
    assert out.status == 2 and "--memory much: must be bytes" in out.err, out


def workers_of(s, job, count, timeout=20):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        job_document = s.get_json(f"/v1/jobs/{job}")
        pids = [p["pid"] for p in job_document["partitions"] if p.get("pid") and p.get("state") == "running"]
        if len(pids) >= count:
            return pids
        if job_document["state"] in ("done", "failed", "cancelled"):
            raise AssertionError(f"ended early: {job_document}")
        time.sleep(0.02)
    raise AssertionError("workers do not start")


def wait_for_epoch(s, job, epoch, timeout=20):
    """Until some epochs are done and some are not."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        document = s.get_json(f"/v1/jobs/{job}")
        assert document["state"] not in ("done", "failed", "cancelled"), document
        if document["epoch"] >= epoch:
            return
        time.sleep(0.01)
    raise AssertionError(f"epoch {epoch} is not reached")


# some seconds of training, so that there is a middle to disturb
LONG = [*MNIST, "--epochs", 400, "--seed", 3]


def long_run(s, disturb, *options):
    p = s.start("elephas-submit", "train", *LONG, *options, "--output", s.path("out.keras"), "--json", "--no-wait")
    out, err = p.communicate(timeout=60)
    assert p.returncode == 0, err
    job = json.loads(out.splitlines()[-1])["job"]
    disturb(job)
    waited = s.submit("wait", job, timeout=120)
    assert waited.status == 0, (waited.out, waited.err)
    return s.model_values(job, 118282)


def a_killed_worker_changes_no_bit(s):
    s.daemon()
    calm = long_run(s, lambda job: None)

    def kill_one(job):
        victim = workers_of(s, job, 3)[1]
        wait_for_epoch(s, job, 5)
        os.kill(victim, signal.SIGKILL)

    assert long_run(s, kill_one).tobytes() == calm.tobytes()
    assert "signal 9" in s.submit("logs", s.get_json("/v1/jobs")["jobs"][0]["id"]).out


def a_stopped_worker_changes_no_bit(s):
    """A worker that does not move any more is not waited for."""
    s.daemon("--worker-timeout", 1)
    calm = long_run(s, lambda job: None)

    def stop_worker(job):
        wait_for_epoch(s, job, 5)
        os.kill(workers_of(s, job, 1)[0], signal.SIGSTOP)

    began = time.monotonic()
    assert long_run(s, stop_worker).tobytes() == calm.tobytes()
    assert time.monotonic() - began < 60
    logs = [s.submit("logs", j["id"]).out for j in s.get_json("/v1/jobs")["jobs"]]
    assert sum("was stopped for 1 s: it is killed" in text for text in logs) == 1, logs


def a_killed_daemon_changes_no_bit(s):
    s.daemon()
    calm = long_run(s, lambda job: None)

    def kill_daemon(job):
        wait_for_epoch(s, job, 5)
        s.stop(signal.SIGKILL)
        s.daemon()

    assert long_run(s, kill_daemon).tobytes() == calm.tobytes()


def a_result_that_cannot_be_stored_is_kept(s):
    """A full disk at the end of a training: the model stays in memory until there is room."""
    s.daemon()
    job = s.submit("train", *DIABETES, "--epochs", 300, "--seed", 3, "--no-wait", "--json",
                   "--output", s.path("out.keras")).last["job"]
    wait_for_epoch(s, job, 1)
    models = os.path.join(s.state, "models")
    os.rename(models, models + ".away")
    deadline = time.monotonic() + 60
    while "kept in memory" not in s.submit("logs", job).out:
        assert time.monotonic() < deadline, s.submit("logs", job).out
        time.sleep(0.1)
    assert s.get_json(f"/v1/jobs/{job}")["state"] == "finishing"
    early = s.submit("model", job, "--output", s.path("early.keras"))
    assert early.status == 0, early.err
    kept = s.model_values(job, PARAMETERS)
    os.rename(models + ".away", models)
    out = s.submit("wait", job)
    assert out.status == 0, out.err
    assert s.model_values(job, PARAMETERS).tobytes() == kept.tobytes()


def a_stopped_daemon_goes_on_where_it_stopped(s):
    s.daemon()
    calm = long_run(s, lambda job: None)

    def stop_daemon(job):
        wait_for_epoch(s, job, 5)
        assert s.stop(signal.SIGTERM) == 0
        assert not os.path.exists(os.path.join(s.state, "address"))
        s.daemon()

    assert long_run(s, stop_daemon).tobytes() == calm.tobytes()


if __name__ == "__main__":
    run([a_result_that_cannot_be_stored_is_kept, packed_rows_train_like_text, rows_go_to_a_file_past_the_memory, batch_rounds_equal_one_process, history_of_batch_rounds_is_that_of_one_process,
         epoch_rounds_with_one_worker_are_plain_training, keras_traces_are_met, a_seed_repeats_every_bit,
         a_killed_worker_changes_no_bit, a_stopped_worker_changes_no_bit, a_killed_daemon_changes_no_bit,
         a_stopped_daemon_goes_on_where_it_stopped])
