#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""elephas-worker alone, as in a shell pipe or in somebody's own Spark program:
formats, exit statuses, what becomes of a reader that goes away."""
import array
import base64
import gzip
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from system import DATA, ROUNDING, distance, run  # noqa: E402

MNIST = f"{DATA}/mnist_mlp.keras"
PREDICT = ("predict", "--model", MNIST, "--scale", "255")
EVALUATE = ("evaluate", "--model", MNIST, "--scale", "255", "--label", "0", "--nb-classes", "10")


def test_rows(n=40):
    with gzip.open(f"{DATA}/mnist5k_test.csv.gz", "rt", encoding="utf-8") as f:
        return f.read().splitlines()[1:n + 1]


def worker(s, *arguments, text=""):
    p = subprocess.run([f"{s.bin}/elephas-worker", *arguments], input=text.encode(), capture_output=True,
                       timeout=60, check=False)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


def good(s, *arguments, text=""):
    status, out, err = worker(s, *arguments, text=text)
    assert (status, err) == (0, ""), (status, err)
    return out


def refused(s, status, parts, *arguments, text=""):
    got, out, err = worker(s, *arguments, text=text)
    assert got == status, (got, err)
    assert err.startswith("elephas-worker: ") and err.count("\n") == 1, err
    for part in parts:
        assert part in err, (part, err)
    return out


def says_what_it_is(s):
    assert good(s, "--version").startswith("elephas-worker ")
    assert "evaluate" in good(s, "--help")
    for verb in ("train", "evaluate", "predict"):
        text = good(s, verb, "--help")
        assert "--label" in text and "--server" in text and all(len(line) <= 80 for line in text.splitlines()), text


def predicts_the_same_from_every_format(s):
    lines = test_rows()
    rows = [[int(v) for v in line.split(",")] for line in lines]
    want = good(s, *PREDICT, "--label", "0", text="\n".join(lines))
    assert len(want.splitlines()) == len(rows)
    for line in want.splitlines():
        assert abs(sum(map(float, line.split(","))) - 1) < 1e-5, line
    names = ",".join(["label"] + [f"p{i}" for i in range(784)])
    packed = [base64.b64encode(array.array("f", sum(rows[i:i + 7], [])).tobytes()).decode() for i in range(0, len(rows), 7)]
    cases = (
        ("csv", "label", "\r\n".join([names, *lines])),
        ("csv", "0", "\n".join(line.replace(",", ";") for line in lines)),
        ("csv", "784", "\n".join(line.split(",", 1)[1] + "," + line.split(",", 1)[0] for line in lines)),
        ("json", "0", "\n".join(map(json.dumps, rows))),
        ("json", "y", "\n".join(json.dumps({"x": [r[1:400], r[400:]], "y": r[0]}) for r in rows)),
        ("libsvm", None, "\n".join(" ".join([str(r[0])] + [f"{i}:{v}" for i, v in enumerate(r) if i and v]) for r in rows)),
        ("b64", "0", "\n".join(packed)),
    )
    for form, label, text in cases:
        options = ("--label", label) if label else ()
        assert good(s, *PREDICT, "--format", form, *options, text=text) == want, (form, label)
    # without the label, and with the first line of a partition
    bare = "\n".join(line.split(",", 1)[1] for line in lines)
    assert good(s, *PREDICT, text=bare) == want
    first = f"#elephas/1 partition=1 format=csv end=1\n{bare}\n#elephas/1 end rows={len(rows)}\n"
    assert good(s, *PREDICT, text=first) == want
    for batch in (1, 7, 64):
        got = good(s, *PREDICT, "--batch-size", str(batch), text=bare)
        got, wanted = ([float(v) for v in text.replace("\n", ",").split(",")[:-1]] for text in (got, want))
        assert distance(got, wanted) < ROUNDING


def evaluates_sums(s):
    lines = test_rows()
    whole = json.loads(good(s, *EVALUATE, text="\n".join(lines)))
    assert whole["samples"] == len(lines)
    parts = [json.loads(good(s, *EVALUATE, text="\n".join(lines[i::3]))) for i in range(3)]
    for name, total in whole["sums"].items():
        added = [sum(column) for column in zip(*(p["sums"][name] for p in parts), strict=True)]
        assert all(abs(a - t) < 1e-3 for a, t in zip(added, total, strict=True)), (name, added, total)
    assert json.loads(good(s, *EVALUATE))["samples"] == 0
    assert good(s, *PREDICT) == ""


def refuses(s):
    rows = test_rows(3)
    refused(s, 2, ["give a verb"])
    refused(s, 2, ["praedict: unknown verb"], "praedict")
    refused(s, 2, ["--modell: unknown option"], "predict", "--modell", "x")
    refused(s, 2, ["give --model"], "predict")
    refused(s, 2, ["/nonexistent.keras"], "predict", "--model", "/nonexistent.keras")
    refused(s, 2, ["rows have 785 columns", "the model wants 784", "--label"], *PREDICT, text=rows[0])
    refused(s, 2, ["row 2", "column 783", "784 fields instead of 785"], *PREDICT, "--label", "0",
            text=rows[0] + "\n" + rows[1].rsplit(",", 1)[0])
    refused(s, 2, ["row 1", "class 10 is out of range"], *EVALUATE, text="10" + rows[0][1:])
    refused(s, 2, ["row 3", "column 0", "'x'"], *PREDICT, "--label", "784", "--no-header",
            text="\n".join([rows[0], rows[1], "x" + rows[2][1:]]))
    refused(s, 1, ["cut off"], *PREDICT, "--label", "0", text="#elephas/1 end=1\n" + rows[0])
    # port 1 is nobody's; the connection is refused at once, the worker waits a little for a daemon
    refused(s, 3, ["http://127.0.0.1:1"], "predict", "--server", "http://127.0.0.1:1", "--job", "j")


def output_that_cannot_be_written_is_a_failure(s):
    rows = "\n".join(test_rows()) + "\n"
    with open("/dev/full", "wb") as full:
        p = subprocess.run([f"{s.bin}/elephas-worker", *PREDICT, "--label", "0"], input=rows.encode(), stdout=full,
                           stderr=subprocess.PIPE, timeout=60, check=False)
    assert p.returncode == 1 and b"No space left" in p.stderr, p
    # a reader that goes away: more than a pipe holds
    many = s.path("many.csv")
    with open(many, "w", encoding="utf-8") as f:
        f.writelines([rows] * 50)
    with open(many, "rb") as f, subprocess.Popen([f"{s.bin}/elephas-worker", *PREDICT, "--label", "0"], stdin=f,
                                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        p.stdout.close()
        err = p.stderr.read()
        assert p.wait(60) == 1 and b"Broken pipe" in err, (p.returncode, err)


def memory_does_not_grow_with_rows(s):
    text = "\n".join(line.split(",", 1)[1] for line in test_rows()) + "\n"
    peaks = []
    for copies in (1, 100):
        with open(s.path("rows"), "w", encoding="utf-8") as f:
            f.writelines([text] * copies)
        with open(s.path("rows"), "rb") as f:
            p = subprocess.Popen([f"{s.bin}/elephas-worker", *PREDICT], stdin=f, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(p.pid, 0)
            p.returncode = status
        assert status == 0
        peaks.append(usage.ru_maxrss)
    assert peaks[1] < peaks[0] + 2048, peaks


if __name__ == "__main__":
    run([says_what_it_is, predicts_the_same_from_every_format, evaluates_sums, refuses,
         output_that_cannot_be_written_is_a_failure, memory_does_not_grow_with_rows])
