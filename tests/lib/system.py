# SPDX-License-Identifier: MIT
"""What the Python test scripts share: the real programs, started and stopped.

Only the standard library, so that a bare machine runs it.

    with System(bin_dir) as s:
        s.daemon()
        out = s.submit("train", ...)       # .status .lines .done
        values = s.parameters(job)
"""
import array
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.path.join(ROOT, "tests", "data")
GOLDEN = os.path.join(ROOT, "tests", "golden", "cases")


class Outcome:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    @property
    def events(self):
        return [json.loads(line) for line in self.out.splitlines() if line.startswith("{")]

    @property
    def last(self):
        return self.events[-1]


class System:
    def __init__(self, bin_dir):
        self.bin = os.path.abspath(bin_dir)
        self.work = tempfile.mkdtemp()
        self.state = os.path.join(self.work, "state")
        self.process = None
        self.url = None
        self.log = open(os.path.join(self.work, "daemon.log"), "ab")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.log.close()
        shutil.rmtree(self.work, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.work, name)

    def daemon(self, *options, listen="127.0.0.1:0"):
        address = os.path.join(self.state, "address")
        if os.path.exists(address):
            os.unlink(address)
        self.process = subprocess.Popen(
            [f"{self.bin}/elephasd", "--state-dir", self.state, "--listen", listen, *map(str, options)],
            stderr=self.log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 15
        while not (os.path.exists(address) and os.path.getsize(address)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("elephasd does not start: " + self.daemon_log()[-500:])
            time.sleep(0.05)
        with open(address, encoding="utf-8") as f:
            self.url = "http://" + f.read().strip()

    def daemon_log(self):
        with open(os.path.join(self.work, "daemon.log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def stop(self, how=signal.SIGTERM, timeout=20):
        """Sends the signal and returns the exit status."""
        self.process.send_signal(how)
        status = self.process.wait(timeout)
        self.process = None
        return status

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def environment(self):
        token = os.path.join(self.state, "token")
        return {**os.environ, "ELEPHAS_SERVER": self.url or "http://127.0.0.1:9",
                **({"ELEPHAS_TOKEN_FILE": token} if os.path.exists(token) else {})}

    def start(self, program, *args, **more):
        return subprocess.Popen([f"{self.bin}/{program}", *map(str, args)], env=self.environment(),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)

    def submit(self, *args, timeout=180, **more):
        p = self.start("elephas-submit", *args, stdin=subprocess.DEVNULL, **more)
        try:
            out, err = p.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            out, err = p.communicate()
            err += "\n(timed out)"
        return Outcome(p.returncode, out, err)

    def request(self, method, path, body=None, content_type=None, token=True):
        headers = {}
        if token:
            with open(os.path.join(self.state, "token"), encoding="utf-8") as f:
                headers["Authorization"] = "Bearer " + f.read().strip()
        if content_type:
            headers["Content-Type"] = content_type
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read()

    def get_json(self, path):
        status, body = self.request("GET", path)
        if status != 200:
            raise RuntimeError(f"GET {path}: {status} {body[:300]!r}")
        return json.loads(body)

    def model_values(self, job, count):
        """The first `count` floats of the job's state: its weights."""
        status, body = self.request("GET", f"/v1/jobs/{job}/model")
        if status != 200:
            raise RuntimeError(f"model of {job}: {status} {body[:300]!r}")
        return values_of(body)[:count]


def values_of(message):
    """The floats of field 100, the last one of a protobuf message."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        kind = tag & 7
        if kind == 0:
            _, at = varint(message, at)
        elif kind == 1:
            at += 8
        elif kind == 5:
            at += 4
        else:
            size, at = varint(message, at)
            if tag >> 3 == 100:
                out = array.array("f")
                out.frombytes(message[at:at + size])
                return out
            at += size
    return array.array("f")


def varint(message, at):
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


# What float32 leaves open: the rows of another batch are summed in another order,
# and logits of some tens round in their sixth digit.
ROUNDING = 1e-5


def distance(got, want):
    """Largest |got - want| / (1 + |want|)."""
    if len(got) != len(want):
        raise AssertionError(f"{len(got)} values, not {len(want)}")
    return max(abs(g - w) / (1 + abs(w)) for g, w in zip(got, want))


class Case:
    """A golden case."""

    def __init__(self, name):
        self.dir = os.path.join(GOLDEN, name)
        with open(f"{self.dir}/case.json", encoding="utf-8") as f:
            self.json = json.load(f)
        with open(f"{self.dir}/data.bin", "rb") as f:
            self.blob = f.read()

    def tensor(self, name):
        for t in self.json["tensors"]:
            if t["name"] == name:
                out = array.array("f" if t["dtype"] == "float32" else "i")
                out.frombytes(self.blob[t["offset"]:t["offset"] + t["nbytes"]])
                return out, t["shape"]
        raise KeyError(name)

    def flat(self, role):
        """All tensors of a role, one after the other."""
        out = []
        for t in self.json["tensors"]:
            if t["role"] == role:
                out.extend(self.tensor(t["name"])[0])
        return out

    def write_rows(self, path, order):
        """Features then labels of the rows in this order; their column counts."""
        x, xs = self.tensor("x.0")
        y, ys = self.tensor("y.0")
        nx, ny = len(x) // xs[0], len(y) // ys[0]
        with open(path, "w", encoding="utf-8") as f:
            for r in order:
                row = list(x[r * nx:(r + 1) * nx]) + list(y[r * ny:(r + 1) * ny])
                f.write(",".join(f"{v:.9g}" for v in row) + "\n")
        return nx, ny


def run(tests):
    """Runs the functions, or those that are named on the command line or in $TESTS, each with a
    System of its own; prints the count."""
    passed = failed = 0
    named = sys.argv[2:] + os.environ.get("TESTS", "").split()
    for test in tests:
        if named and test.__name__ not in named:
            continue
        with System(sys.argv[1]) as s:
            try:
                test(s)
                passed += 1
            except Exception:  # pylint: disable=broad-except
                failed += 1
                print("FAILED:", test.__name__)
                traceback.print_exc(file=sys.stdout)
                print("".join("    daemon: " + line for line in
                              s.daemon_log().splitlines(True)[-15:]))
    print(f"{passed} passed, {failed} failed")
    sys.exit(0 if passed and not failed else 1)
