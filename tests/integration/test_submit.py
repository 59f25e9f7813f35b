#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""elephas-submit as people and programs use it: every verb, its exit status,
its JSON lines, the private daemon, Ctrl-C, and daemons that go away."""
import csv
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from system import DATA, ROUNDING, distance, run  # noqa: E402

MODEL = f"{DATA}/diabetes_mlp.keras"
CSV = f"{DATA}/diabetes.csv"
TRAIN = ["train", "--model", MODEL, "--data", CSV, "--label", "target", "--workers", 2, "--seed", 1]
MNIST = ["train", "--model", f"{DATA}/mnist_mlp.keras", "--data", f"{DATA}/mnist5k_test.csv.gz", "--label",
         "label", "--scale", 255, "--nb-classes", 10, "--workers", 2]
LONG = [*MNIST, "--epochs", 100000]


def expect(outcome, status, pattern=""):
    text = outcome.out + outcome.err
    assert outcome.status == status, (outcome.status, text[-800:])
    assert re.search(pattern, text), (pattern, text[-800:])
    if status != 0:
        lines = [line for line in outcome.err.splitlines() if line.startswith("elephas-submit: ")]
        assert len(lines) == 1, outcome.err
    return outcome


def work_files(s):
    return sorted(n for n in os.listdir(s.work) if n not in ("state", "daemon.log"))


def wait_for(question, timeout=20, what="it"):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        time.sleep(0.03)
    raise AssertionError(f"{what} did not happen in {timeout} s")


def state_of(s, job):
    return s.get_json(f"/v1/jobs/{job}")["state"]


def running_job(s):
    """The id of the only job that runs."""
    def look():
        jobs = [j for j in s.get_json("/v1/jobs")["jobs"] if j["state"] == "running"]
        return jobs[0]["id"] if jobs else None
    return wait_for(look, what="a running job")


def processes_with(text):
    out = subprocess.run(["pgrep", "-f", "--", text], capture_output=True, text=True, check=False).stdout
    return [int(p) for p in out.split() if int(p) != os.getpid()]


# ---- the contract of train, evaluate, predict ----

def train_json_is_as_promised(s):
    s.daemon()
    out = expect(s.submit(*TRAIN, "--epochs", 3, "--validation-split", 0.2, "--output", s.path("o.keras"),
                          "--json"), 0)
    assert out.err == "", out.err
    for line in out.out.splitlines():
        assert "event" in json.loads(line), line
    assert out.events[0]["event"] == "submitted"
    last = out.last
    assert last["event"] == "done" and last["job"] == out.events[0]["job"], last
    assert {"loss", "mae", "val_loss", "val_mae"} <= set(last["history"]), last
    assert all(len(v) == 3 for v in last["history"].values()), last
    assert last["samples"] > 0 and last["seconds"] > 0, last
    epochs = [e for e in out.events if e["event"] == "epoch"]
    assert [e["epoch"] for e in epochs] == [1, 2, 3], epochs
    assert [e["metrics"]["loss"] for e in epochs] == last["history"]["loss"]
    with open(s.path("o.keras"), "rb") as f:
        assert f.read(4) == b"PK\x03\x04"


def train_plain_output_is_a_line_per_epoch(s):
    s.daemon()
    out = expect(s.submit(*TRAIN, "--epochs", 2, "--output", s.path("o.keras")), 0)
    assert re.search(r"^Epoch 1/2  loss \d+\.\d+.*  mae .*samples/s", out.out, re.M), out.out
    assert re.search(r"^Epoch 2/2  ", out.out, re.M), out.out
    assert "\r" not in out.out and "\x1b" not in out.out, out.out
    assert s.path("o.keras") in out.out
    out = expect(s.submit(*TRAIN, "--output", s.path("o.keras"), "-q"), 0)
    assert out.out == "" and out.err == "", (out.out, out.err)


def evaluate_prints_metrics(s):
    s.daemon()
    job = s.submit(*TRAIN, "--output", s.path("o.keras"), "--json").last["job"]
    base = ["evaluate", "--data", CSV, "--label", "target"]
    plain = expect(s.submit(*base, "--model", s.path("o.keras")), 0, r"(?m)^loss +\d")
    assert re.search(r"^mae +\d", plain.out, re.M) and "442 rows" in plain.out, plain.out
    by_file = expect(s.submit(*base, "--model", s.path("o.keras"), "--json"), 0).last
    assert by_file["event"] == "done" and by_file["samples"] == 442, by_file
    assert set(by_file["metrics"]) == {"loss", "mae"}, by_file
    by_job = expect(s.submit(*base, "--job", job, "--json"), 0).last
    assert by_job["metrics"] == by_file["metrics"], (by_job, by_file)


def predict_keeps_the_order(s):
    s.daemon()
    files = []
    for workers in (1, 3):
        path = s.path(f"p{workers}.csv")
        expect(s.submit("predict", "--model", MODEL, "--data", CSV, "--label", "target", "--workers", workers,
                        "--output", path), 0, "442 rows")
        with open(path, encoding="utf-8") as f:
            files.append(f.read())
    one, three = ([float(x) for x in text.splitlines()[1:]] for text in files)
    assert distance(three, one) < ROUNDING
    assert len(set(one)) > 400  # so that order shows
    assert files[0].splitlines()[0] == "prediction" and len(files[0].splitlines()) == 443
    out = expect(s.submit("predict", "--model", MODEL, "--data", CSV, "--label", "target", "--workers", 1,
                          "--output", "-"), 0)
    assert out.out == files[0] and "442 rows" in out.err, out.err


def predict_class_is_the_largest(s):
    s.daemon()
    out = expect(s.submit("predict", "--model", f"{DATA}/mnist_mlp.keras", "--data", f"{DATA}/mnist5k_test.csv.gz",
                          "--label", "label", "--scale", 255, "--predict-class", "--output", "-", "-q"), 0)
    rows = list(csv.reader(out.out.splitlines()))
    assert rows[0] == [f"prediction_{i}" for i in range(10)] + ["class"], rows[0]
    assert len(rows) == 1001
    for row in rows[1:]:
        values = [float(x) for x in row[:10]]
        assert values.index(max(values)) == int(row[10]), row
    done = expect(s.submit("predict", "--model", MODEL, "--data", CSV, "--label", "target", "--output",
                           s.path("p.csv"), "--json"), 0).last
    assert done["event"] == "done" and done["samples"] == 442, done


# ---- the other verbs ----

def verbs_about_jobs(s):
    s.daemon()
    expect(s.submit("list"), 0, "no jobs")
    job = s.submit(*TRAIN, "--epochs", 7, "--name", "night run", "--output", s.path("o.keras"), "--json").last["job"]
    listed = expect(s.submit("list"), 0, rf"(?m)^{job} +train +done +7/7 .* night run$")
    assert listed.out.splitlines()[0].startswith("ID "), listed.out
    out = expect(s.submit("list", "--json"), 0)
    assert [e["event"] for e in out.events] == ["job", "done"] and out.events[0]["id"] == job, out.out
    out = expect(s.submit("status", job), 0, "done, epoch 7 of 7")
    assert re.search(r"^ +7 +\d", out.out, re.M) and not re.search(r"^ +1 +\d+\.", out.out, re.M), out.out
    expect(s.submit("status", "night run"), 0, job)
    out = expect(s.submit("status", job[:6], "--json"), 0)
    assert out.last == {"event": "done", "job": job, "state": "done"}, out.last
    expect(s.submit("wait", job), 0, f"job {job} is done")
    out = expect(s.submit("wait", job, "--json"), 0)
    assert out.last["event"] == "done" and len(out.last["history"]["loss"]) == 7
    expect(s.submit("logs", job), 0, "epoch")
    expect(s.submit("logs", "-f", job), 0, "epoch")
    out = expect(s.submit("logs", job, "--json"), 0)
    assert {e["event"] for e in out.events[:-1]} == {"log"} and out.last["event"] == "done"
    expect(s.submit("cancel", job), 1, job)
    expect(s.submit("model", job, "--output", s.path("again.keras")), 0, "again.keras")
    a = expect(s.submit("evaluate", "--model", s.path("o.keras"), "--data", CSV, "--label", "target", "--json"), 0)
    b = expect(s.submit("evaluate", "--model", s.path("again.keras"), "--data", CSV, "--label", "target",
                        "--json"), 0)
    assert a.last["metrics"] == b.last["metrics"]
    expect(s.submit("ping"), 0, re.escape(s.url))
    assert expect(s.submit("ping", "--json"), 0).last == {"event": "done", "server": s.url}


def no_wait_and_cancel(s):
    s.daemon()
    out = expect(s.submit(*LONG, "--no-wait", "--json"), 0)
    assert out.last["event"] == "submitted" and set(out.last) == {"event", "job"}, out.last
    job = out.last["job"]
    wait_for(lambda: state_of(s, job) == "running", what="running")
    waiter = s.start("elephas-submit", "wait", job, "--json")
    logs = s.start("elephas-submit", "logs", "-f", job)
    time.sleep(0.5)
    out = expect(s.submit("status", job), 0, "running, epoch")
    assert re.search(r"partition +attempt", out.out), out.out
    early = expect(s.submit("model", job, "--output", s.path("early.keras")), 0)
    assert os.path.getsize(s.path("early.keras")) > 1000, early
    out = expect(s.submit("cancel", job, "--json"), 0)
    assert out.last["event"] == "done" and out.last["job"] == job, out.last
    wait_for(lambda: state_of(s, job) == "cancelled", what="cancelled")
    text, _ = waiter.communicate(timeout=20)
    assert waiter.returncode == 130, waiter.returncode
    assert json.loads(text.splitlines()[-1])["event"] == "cancelled", text[-300:]
    logs.communicate(timeout=20)
    assert logs.returncode == 0
    expect(s.submit("wait", job), 130, "was cancelled")


def failed_jobs_end_with_one(s):
    os.mkdir(s.path("fake"))
    with open(s.path("fake/elephas-worker"), "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\necho 'the moon is full' >&2\nexit 1\n")
    os.chmod(s.path("fake/elephas-worker"), 0o755)
    s.daemon("--workers-dir", s.path("fake"))
    out = expect(s.submit(*TRAIN, "--output", s.path("o.keras"), "--json"), 1, "the moon is full")
    assert out.last["event"] == "failed" and "the moon is full" in out.last["error"], out.last
    expect(s.submit("wait", out.last["job"]), 1, "the moon is full")
    assert not os.path.exists(s.path("o.keras"))


# ---- usage ----

def usage_is_refused(s):
    s.daemon()
    verbs = ("train", "predict", "evaluate", "list", "status", "wait", "logs", "cancel", "model", "ping", "ps")
    for verb in verbs:
        out = expect(s.submit(verb, "--help"), 0, f"usage: elephas-submit {verb}")
        assert "--server URL" in out.out and out.err == ""
        expect(s.submit(verb, "--frobnicate"), 2, "--frobnicate: unknown option")
    out = expect(s.submit("--help"), 0)
    assert all(verb in out.out for verb in verbs)
    expect(s.submit("--version"), 0, r"^elephas-submit \d")
    assert s.submit().status == 2
    expect(s.submit("fly"), 2, "fly: unknown verb")
    expect(s.submit("status"), 2, "ID is missing")
    expect(s.submit("status", "a", "b"), 2, "'b' is too much")
    expect(s.submit("train", "extra", *TRAIN[1:], "--output", "x"), 2, "extra")
    expect(s.submit(*TRAIN, "--output", s.path("o.keras"), "--mode", "sideways"), 2, "--mode sideways")
    expect(s.submit(*TRAIN, "--output", s.path("o.keras"), "--master", "local[2]"), 2, "--engine spark")
    out = expect(s.submit(*TRAIN, "--epochs", "x", "--output", "o", "--json"), 2)
    assert out.last["event"] == "failed" and "--epochs" in out.last["error"], out.out
    assert s.get_json("/v1/jobs")["jobs"] == []
    assert work_files(s) == []


def output_that_cannot_be_written(s):
    s.daemon()
    place = "/proc/nothing/o.keras"
    expect(s.submit(*TRAIN, "--output", place), 2, place)
    os.mkdir(s.path("locked"))
    os.chmod(s.path("locked"), 0o555)
    if os.geteuid() != 0:
        expect(s.submit(*TRAIN, "--output", s.path("locked/o.keras")), 2, "locked")
    expect(s.submit("predict", "--model", MODEL, "--data", CSV, "--label", "target", "--output",
                    s.path("no/p.csv")), 2, "no/p.csv")
    expect(s.submit("model", "j1", "--output", s.path("no/o.keras")), 2, "no/o.keras")
    for words in (TRAIN, ["model", "j1"]):
        expect(s.submit(*words, "--output", ""), 2, "--output: missing")
        for name in ("-", "o.h5", s.path("o"), s.path("o.keras.zip")):
            expect(s.submit(*words, "--output", name), 2, r"--output: .*must end in \.keras")
    assert work_files(s) == ["locked"]
    assert s.get_json("/v1/jobs")["jobs"] == []


def relative_paths_and_patterns(s):
    s.daemon()
    with open(CSV, encoding="utf-8") as f:
        head, *rows = f.read().splitlines()
    for i in range(2):
        with open(s.path(f"part{i}.csv"), "w", encoding="utf-8") as f:
            f.write("\n".join([head, *rows[i * 100:i * 100 + 100]]) + "\n")
    base = ["evaluate", "--model", MODEL, "--label", "target", "--json"]
    one = expect(s.submit(*base, "--data", "part0.csv", cwd=s.work), 0)
    assert one.last["samples"] == 100
    both = expect(s.submit(*base, "--data", "part*.csv", cwd=s.work), 0)
    assert both.last["samples"] == 200
    twice = expect(s.submit(*base, "--data", "part0.csv", "--data", "part1.csv", cwd=s.work), 0)
    assert twice.last["metrics"] == both.last["metrics"]
    expect(s.submit(*base, "--data", "part9*.csv", cwd=s.work), 2, r"part9\*\.csv: no file matches")


def a_directory_tells_its_format(s):
    """Neither a directory's name nor a pattern's says what the files hold."""
    s.daemon()
    with open(CSV, encoding="utf-8") as f:
        rows = list(csv.DictReader(f))[:60]
    for name in ("json", "svm"):
        os.mkdir(s.path(name))
        open(s.path(f"{name}/_SUCCESS"), "w", encoding="utf-8").close()
    for part in range(2):
        with open(s.path(f"json/part-{part}.jsonl"), "w", encoding="utf-8") as f:
            for row in rows[part * 30:part * 30 + 30]:
                f.write(json.dumps({k: float(v) for k, v in row.items()}) + "\n")
        with open(s.path(f"svm/part-{part}.libsvm"), "w", encoding="utf-8") as f:
            for row in rows[part * 30:part * 30 + 30]:
                values = [row[k] for k in row if k != "target"]
                f.write(f"{row['target']} " + " ".join(f"{i + 1}:{v}" for i, v in enumerate(values)) + "\n")
    base = ["evaluate", "--model", MODEL, "--json"]
    want = expect(s.submit(*base, "--label", "target", "--data", s.path("json/part-0.jsonl"), "--data",
                           s.path("json/part-1.jsonl")), 0).last["metrics"]
    for label, source in (("target", "json"), ("target", "json/"), ("target", "json/part-*"), (None, "svm"),
                          (None, "svm/part-?.*")):
        words = ["--label", label] if label else []
        out = expect(s.submit(*base, *words, "--data", s.path(source)), 0)
        assert distance(list(out.last["metrics"].values()), list(want.values())) < ROUNDING, (source, out.last)
    expect(s.submit(*base, "--data", s.path("json")), 2, "label: missing")
    os.rename(s.path("svm/part-0.libsvm"), s.path("svm/part-0.parquet"))
    expect(s.submit(*base, "--label", "target", "--data", s.path("svm")), 2, "parquet cannot be read by the local")


# ---- servers and tokens ----

def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def no_daemon_is_three(s):
    s.url = f"http://127.0.0.1:{free_port()}"
    for words in (["list"], ["ping"], ["status", "j"], ["wait", "j"], ["logs", "j"], ["cancel", "j"],
                  ["model", "j", "--output", s.path("o.keras")], [*TRAIN, "--output", s.path("o.keras")],
                  ["evaluate", "--model", MODEL, "--data", CSV, "--label", "target"]):
        expect(s.submit(*words, "--token-file", "/dev/null"), 3, re.escape(s.url))
    out = s.submit("list", "--json", "--token-file", "/dev/null")
    assert out.status == 3 and out.last["event"] == "failed", out.out


def tokens(s):
    s.daemon()
    with open(s.path("wrong"), "w", encoding="utf-8") as f:
        f.write("wrong\n")
    expect(s.submit("ping", "--token-file", s.path("wrong")), 3, "token")
    expect(s.submit("ping", "--token-file", s.path("absent")), 2, "--token-file: .*absent")
    expect(s.submit("ping", "--token-file", os.path.join(s.state, "token")), 0)
    out = s.submit("ping", "--server", "ftp://x")
    assert out.status == 2, out.err


# ---- a terminal ----

def on_a_terminal(s, *words, columns=100, **more):
    """Runs it on a terminal, with more in its environment; what it wrote and its exit status."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**s.environment(), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    environment.pop("NO_COLOR", None)
    environment.update(more)
    p = subprocess.Popen([f"{s.bin}/elephas-submit", *map(str, words)], stdin=follower, stdout=follower,
                         stderr=follower, env=environment, start_new_session=True)
    os.close(follower)
    out = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ready, _, _ = select.select([leader], [], [], 0.2)
        if ready:
            try:
                piece = os.read(leader, 65536)
            except OSError:
                break
            if not piece:
                break
            out += piece
    os.close(leader)
    return out.decode(), p.wait(20)


def screen_widths(text):
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
    return [len(piece) for piece in re.split(r"[\r\n]+", plain)]


def progress_on_a_terminal(s):
    s.daemon()
    words = [*MNIST, "--epochs", 6, "--output", s.path("o.keras")]
    for columns in (100, 50):
        text, status = on_a_terminal(s, *words, columns=columns)
        assert status == 0, text
        assert text.count("\n") >= 6 and "\r" in text and "━" in text and "\x1b[32m" in text, text
        assert "Epoch 6/6" in text and "loss" in text
        bars = [w for w, line in zip(screen_widths(text), re.split(r"[\r\n]+", text)) if "Epoch" in line]
        assert max(bars) < columns, (columns, max(bars))
    text, status = on_a_terminal(s, *words, NO_COLOR="1")
    assert status == 0 and "\x1b[3" not in text, text
    text, status = on_a_terminal(s, *words, TERM="dumb")
    assert status == 0 and "\x1b" not in text, text


# ---- Ctrl-C ----

def interrupt_cancels(s):
    s.daemon()
    for number in (signal.SIGINT, signal.SIGTERM):
        p = s.start("elephas-submit", *LONG, "--output", s.path("o.keras"), "--json")
        job = running_job(s)
        p.send_signal(number)
        out, err = p.communicate(timeout=30)
        assert p.returncode == 130, (p.returncode, err)
        assert json.loads(out.splitlines()[-1])["event"] == "cancelled", out[-300:]
        assert state_of(s, job) == "cancelled"
        assert "cancelled" in err
        assert work_files(s) == [], work_files(s)


def interrupted_twice_leaves_at_once(s):
    s.daemon()
    p = s.start("elephas-submit", *LONG, "--output", s.path("o.keras"))
    running_job(s)
    s.process.send_signal(signal.SIGSTOP)  # a daemon that does not answer
    try:
        p.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert p.poll() is None
        p.send_signal(signal.SIGINT)
        assert p.wait(5) == 130
    finally:
        s.process.send_signal(signal.SIGCONT)
    p.communicate()


def interrupt_leaves_the_job_of_another(s):
    s.daemon()
    job = s.submit(*LONG, "--no-wait", "--json").last["job"]
    wait_for(lambda: state_of(s, job) == "running", what="running")
    for words in (["wait", job], ["logs", "-f", job]):
        p = s.start("elephas-submit", *words)
        time.sleep(0.5)
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=20)
        assert p.returncode == 130, words
        assert state_of(s, job) == "running"
    expect(s.submit("cancel", job), 0)


# ---- daemons that go away ----

def a_restarted_daemon_is_found_again(s):
    port = free_port()
    address = os.path.join(s.state, "address")

    def begin():
        if os.path.exists(address):
            os.unlink(address)
        s.process = subprocess.Popen([f"{s.bin}/elephasd", "--state-dir", s.state, "--listen", f"127.0.0.1:{port}"],
                                     stderr=s.log, stdin=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(address), what="the daemon")
        s.url = f"http://127.0.0.1:{port}"

    begin()
    p = s.start("elephas-submit", *MNIST, "--epochs", 12, "--seed", 3, "--output", s.path("o.keras"), "--json")
    job = running_job(s)
    wait_for(lambda: s.get_json(f"/v1/jobs/{job}")["epoch"] >= 2, what="two epochs")
    s.stop(signal.SIGKILL)
    time.sleep(1)
    begin()
    out, err = p.communicate(timeout=120)
    assert p.returncode == 0, (p.returncode, err, out[-500:])
    events = [json.loads(line) for line in out.splitlines()]
    assert [e["epoch"] for e in events if e["event"] == "epoch"] == list(range(1, 13)), out[-800:]
    assert events[-1]["event"] == "done"
    assert os.path.exists(s.path("o.keras"))


# ---- the private daemon ----

def embedded_environment(s):
    os.makedirs(s.path("tmp"), exist_ok=True)
    return {**os.environ, "TMPDIR": s.path("tmp"), "ELEPHAS_SERVER": "http://127.0.0.1:9"}


def start_embedded(s, *words):
    return subprocess.Popen([f"{s.bin}/elephas-submit", *map(str, words), "--embedded"], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=embedded_environment(s))


def nothing_is_left(s):
    wait_for(lambda: not processes_with(s.path("tmp")), what="the end of all processes")
    wait_for(lambda: os.listdir(s.path("tmp")) == [], what="an empty directory")


def embedded_works_and_leaves_nothing(s):
    for words in ([*TRAIN, "--output", s.path("o.keras"), "--json"], ["ping", "--json"],
                  ["evaluate", "--model", MODEL, "--data", CSV, "--label", "target", "--json"],
                  ["predict", "--model", MODEL, "--data", CSV, "--label", "target", "--output", s.path("p.csv"),
                   "--json"]):
        p = start_embedded(s, *words)
        out, err = p.communicate(timeout=60)
        assert p.returncode == 0, (words, err)
        assert json.loads(out.splitlines()[-1])["event"] == "done", out
        nothing_is_left(s)
    # errors, too
    p = start_embedded(s, "train", "--model", MODEL, "--data", "/dev/null", "--label", "target", "--output",
                       s.path("x.keras"))
    _, err = p.communicate(timeout=60)
    assert p.returncode != 0 and "elephas-submit: " in err, err
    nothing_is_left(s)


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().decode(errors="replace")
    except OSError:
        return ""


def daemon_of(s):
    return wait_for(lambda: [p for p in processes_with(s.path("tmp"))
                             if command_line(p).startswith("elephasd")], what="the private daemon")[0]


def children_of(pid):
    out = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(p) for p in out.split()]


def gone(pids):
    return all(not os.path.exists(f"/proc/{p}") for p in pids)


def embedded_interrupted_or_killed(s):
    for how, status in ((signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)):
        p = start_embedded(s, *LONG, "--output", s.path("o.keras"))
        daemon = daemon_of(s)
        workers = wait_for(lambda: children_of(daemon), what="workers")  # pylint: disable=cell-var-from-loop
        time.sleep(0.5)
        p.send_signal(how)
        p.communicate(timeout=60)
        assert p.returncode == status, (how, p.returncode)
        nothing_is_left(s)
        wait_for(lambda: gone([daemon, *workers]), what="the end of the daemon")  # pylint: disable=cell-var-from-loop
        assert [n for n in work_files(s) if n.startswith("o.keras")] == []


def embedded_that_cannot_start(s):
    lone = s.path("lone")
    os.mkdir(lone)
    os.link(f"{s.bin}/elephas-submit", f"{lone}/elephas-submit")
    p = subprocess.run([f"{lone}/elephas-submit", "ping", "--embedded"], capture_output=True, text=True,
                       env={**embedded_environment(s), "PATH": "/usr/bin:/bin"}, timeout=30, check=False)
    assert p.returncode == 3 and "no elephasd" in p.stderr, p.stderr
    with open(f"{lone}/elephasd", "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\necho 'no ports left' >&2\nexit 1\n")
    os.chmod(f"{lone}/elephasd", 0o755)
    p = subprocess.run([f"{lone}/elephas-submit", "ping", "--embedded"], capture_output=True, text=True,
                       env=embedded_environment(s), timeout=30, check=False)
    assert p.returncode == 3 and "no ports left" in p.stderr, p.stderr
    nothing_is_left(s)


def standard_output_that_is_full(s):
    s.daemon()
    with open("/dev/full", "wb") as full:
        for words in (["list"], ["train", "--help"], ["list", "--json"], [*TRAIN, "--output", s.path("o.keras"),
                                                                            "--json"],
                      ["predict", "--model", MODEL, "--data", CSV, "--label", "target", "--output", "-", "-q"]):
            p = subprocess.run([f"{s.bin}/elephas-submit", *map(str, words)], stdout=full, stderr=subprocess.PIPE,
                               env=s.environment(), text=True, timeout=60, check=False)
            assert p.returncode == 1 and "standard output" in p.stderr, (words, p)
    # the work was done all the same
    assert os.path.exists(s.path("o.keras"))


def a_reader_that_has_seen_enough(s):
    """submit ... | head: no complaint, and nothing of the work is left out."""
    s.daemon()
    out = s.path("o.keras")
    for words in ([*TRAIN, "--epochs", 3, "--output", out], [*TRAIN, "--epochs", 3, "--output", out, "--json"],
                  ["list"], ["list", "--json"], ["train", "--help"], ["status", "JOB"], ["logs", "JOB"],
                  ["logs", "JOB", "-f", "--json"],
                  ["predict", "--model", MODEL, "--data", CSV, "--label", "target", "--output", "-"]):
        jobs = s.get_json("/v1/jobs")["jobs"]
        words = [jobs[0]["id"] if word == "JOB" else word for word in words]
        reads, writes = os.pipe()
        os.close(reads)
        p = subprocess.run([f"{s.bin}/elephas-submit", *map(str, words)], stdout=writes, stderr=subprocess.PIPE,
                           env=s.environment(), text=True, timeout=60, check=False)
        os.close(writes)
        assert p.returncode == 0 and "elephas-submit:" not in p.stderr, (words, p)
        if words[0] == "train" and "--output" in words:
            os.unlink(out)
    # another failure is one
    reads, writes = os.pipe()
    os.close(reads)
    p = subprocess.run([f"{s.bin}/elephas-submit", "status", "jnothing"], stdout=writes, stderr=subprocess.PIPE,
                       env=s.environment(), text=True, timeout=60, check=False)
    os.close(writes)
    assert p.returncode == 2 and "no job jnothing" in p.stderr, p


if __name__ == "__main__":
    run([train_json_is_as_promised, train_plain_output_is_a_line_per_epoch, evaluate_prints_metrics,
         predict_keeps_the_order, predict_class_is_the_largest, verbs_about_jobs, no_wait_and_cancel,
         failed_jobs_end_with_one, usage_is_refused, output_that_cannot_be_written, relative_paths_and_patterns,
         a_directory_tells_its_format,
         no_daemon_is_three, tokens, progress_on_a_terminal, interrupt_cancels, interrupted_twice_leaves_at_once,
         interrupt_leaves_the_job_of_another, a_restarted_daemon_is_found_again,
         embedded_works_and_leaves_nothing, embedded_interrupted_or_killed, embedded_that_cannot_start,
         standard_output_that_is_full, a_reader_that_has_seen_enough])
