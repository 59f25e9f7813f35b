#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tied=1: a worker ends when the process that started it does, however that
ends, as an executor that is killed; without it a worker reads on."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from system import DATA, run  # noqa: E402 pylint: disable=wrong-import-position


def alive(pid):
    """Whether it runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def start(s, words):
    """A shell that starts a worker on a pipe that stays open; both ids."""
    fifo = s.path(f"rows-{time.monotonic_ns()}")
    os.mkfifo(fifo)
    shell = subprocess.Popen(
        ["/bin/sh", "-c", '"$0" predict --model "$1" --no-header <"$2" & echo $!; wait', f"{s.bin}/elephas-worker",
         f"{DATA}/diabetes_mlp.keras", fifo], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    rows = open(fifo, "w", encoding="utf-8")
    rows.write(f"#elephas/1 format=csv {words}\n" + ",".join(["0.1"] * 10) + "\n")
    rows.flush()
    return shell, int(shell.stdout.readline()), rows


def ends(s, words, deadline, nap=1):
    """Whether the worker is gone some time after its parent was killed."""
    shell, worker, rows = start(s, words)
    try:
        time.sleep(nap)  # until it has read its first line
        assert alive(worker), "the worker does not run"
        shell.kill()
        shell.wait()
        until = time.monotonic() + deadline
        while alive(worker) and time.monotonic() < until:
            time.sleep(0.02)
        return not alive(worker)
    finally:
        rows.close()
        until = time.monotonic() + 20
        while alive(worker) and time.monotonic() < until:
            time.sleep(0.02)
        assert not alive(worker), "it outlives its rows"
        shell.stdout.close()


def test_tied_it_goes_along(s):
    # on a slow machine the first line may not be read yet
    assert any(ends(s, "tied=1", 10, nap) for nap in (1, 5, 15))


def test_untied_it_reads_on(s):
    assert not ends(s, "", 1)
    assert not ends(s, "tied=0", 1)


def test_a_wrong_word_is_refused(s):
    out = subprocess.run([f"{s.bin}/elephas-worker", "predict", "--model", f"{DATA}/diabetes_mlp.keras"],
                         input="#elephas/1 format=csv tied=maybe\n", capture_output=True, text=True, check=False)
    assert out.returncode != 0 and "tied" in out.stderr, out


run([test_tied_it_goes_along, test_untied_it_reads_on, test_a_wrong_word_is_refused])
