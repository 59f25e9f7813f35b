#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""elephasd alone, over raw HTTP: what it refuses, how it starts, stops and
starts again, and that no process outlives a job or the daemon."""
import http.client
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from system import DATA, run  # noqa: E402

CSV = f"{DATA}/diabetes.csv"
MODEL = f"{DATA}/diabetes_mlp.keras"


# ---- helpers ---------------------------------------------------------------

def ask(s, method, path, body=None, content_type="application/json", headers=None, token=True):
    """Status, headers, body of one request."""
    host, port = s.url.split("//")[1].split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    sent = dict(headers or {})
    if token:
        with open(os.path.join(s.state, "token"), encoding="utf-8") as f:
            sent.setdefault("Authorization", "Bearer " + f.read().strip())
    if body is not None and content_type:
        sent["Content-Type"] = content_type
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    connection.request(method, path, body=body, headers=sent)
    answer = connection.getresponse()
    out = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return out


def refused(answer, status, code, *words):
    got, headers, body = answer
    assert got == status, (got, body[:300])
    assert headers["Content-Type"] == "application/problem+json", headers
    problem = json.loads(body)
    assert problem["status"] == status and problem["code"] == code, problem
    for word in words:
        assert word in problem["detail"], problem
    assert "\n" not in problem["detail"]


def upload(s):
    """The hash of the diabetes model, as a Model message of the daemon's own
    making: elephas-submit is asked to send it."""
    out = s.submit("evaluate", "--model", MODEL, "--data", CSV, "--label", "target", "--json")
    assert out.status == 0, out.err
    return s.get_json(f"/v1/jobs/{out.last['job']}")["model"]


def request(model, **more):
    out = {"kind": "train", "model": model, "data": {"source": [CSV], "label": ["target"]}}
    out.update(more)
    return out


def make_job(s, body):
    status, headers, answer = ask(s, "POST", "/v1/jobs", body)
    assert status == 201, (status, answer)
    job = json.loads(answer)
    assert headers["Location"] == "/v1/jobs/" + job["id"], headers
    return job


def document(s, job):
    return s.get_json(f"/v1/jobs/{job}")


def until(condition, timeout=20):
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)
    return found


def ended(s, job):
    return document(s, job)["state"] in ("done", "failed", "cancelled")


def finish(s, job, state="done"):
    until(lambda: ended(s, job))
    got = document(s, job)
    assert got["state"] == state, got
    return got


LONG = {"epochs": 100000, "batch_size": 32}


def long_job(s, model, workers=2, **more):
    job = make_job(s, request(model, training=LONG, workers=workers, **more))["id"]
    until(lambda: document(s, job)["state"] == "running" and document(s, job)["epoch"] > 2)
    return job


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def pids_of(s, job):
    return [p["pid"] for p in document(s, job)["partitions"]]


def children(pid):
    """All processes below this one."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8") as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(name))
    return found


def fake_worker(s, script):
    os.makedirs(s.path("fake"), exist_ok=True)
    path = s.path("fake/elephas-worker")
    with open(path, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\n" + script)
    os.chmod(path, 0o755)
    return s.path("fake")


# ---- requests --------------------------------------------------------------

def pages_for_people_and_probes(s):
    s.daemon()
    assert ask(s, "GET", "/healthz", token=False)[::2] == (200, b"ok\n")
    assert ask(s, "GET", "/readyz", token=False)[::2] == (200, b"ready\n")
    status, headers, body = ask(s, "GET", "/", token=False)
    assert status == 200 and headers["Content-Type"].startswith("text/html") and b"elephasd" in body
    status, headers, body = ask(s, "GET", "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b'elephasd_jobs{state="running"} 0\n' in body
    assert b'elephasd_requests_total{method="GET",route="/healthz",status="200"} 1\n' in body, body
    status, headers, body = ask(s, "HEAD", "/healthz")
    assert status == 200 and body == b"" and headers["Content-Length"] == "3"


def bad_requests(s):
    s.daemon()
    refused(ask(s, "GET", "/nothing"), 404, "not_found")
    refused(ask(s, "GET", "/v1/jobs/a/b/c/d/e/f/g"), 404, "not_found")
    answer = ask(s, "PUT", "/v1/jobs", b"{}")
    refused(answer, 405, "invalid")
    assert answer[1]["Allow"] == "POST, GET, HEAD", answer[1]
    refused(ask(s, "POST", "/v1/jobs", b"{}", content_type="text/plain"), 415, "invalid", "application/json")
    refused(ask(s, "POST", "/v1/models", b"", content_type="application/json"), 415, "invalid", "protobuf")
    refused(ask(s, "POST", "/v1/jobs", b'{"kind": '), 400, "invalid", "line 1")
    refused(ask(s, "POST", "/v1/jobs", b""), 400, "invalid", "empty")
    refused(ask(s, "POST", "/v1/jobs", b'[1]'), 400, "invalid", "object")
    refused(ask(s, "POST", "/v1/jobs", b'\xff\xfe'), 400, "invalid")
    refused(ask(s, "POST", "/v1/jobs", {"kind": "train", "modle": "x"}), 400, "invalid", "modle")
    refused(ask(s, "POST", "/v1/jobs", request("0" * 64)), 404, "not_found", "0" * 64)
    refused(ask(s, "POST", "/v1/jobs", request("../../etc/passwd")), 400, "invalid")
    refused(ask(s, "POST", "/v1/models", b"nonsense", content_type="application/x-protobuf"), 400, "proto")
    refused(ask(s, "GET", "/v1/models/" + "0" * 64), 404, "not_found")
    refused(ask(s, "GET", "/v1/models/..%2f..%2ftoken"), 404, "not_found")
    for path in ("", "/events", "/logs", "/history", "/model", "/predictions", "/task", "/parameters"):
        refused(ask(s, "GET", "/v1/jobs/jnothing" + path), 404, "not_found", "jnothing")
    refused(ask(s, "DELETE", "/v1/jobs/jnothing"), 404, "not_found")
    assert s.get_json("/v1/jobs") == {"jobs": []}


def requests_that_do_not_fit_the_model(s):
    s.daemon()
    model = upload(s)
    refused(ask(s, "POST", "/v1/jobs", request(model, data={"source": [CSV]})), 400, "invalid", "label")
    refused(ask(s, "POST", "/v1/jobs", request(model, training={"epochs": 0})), 400, "invalid", "epochs")
    refused(ask(s, "POST", "/v1/jobs", request(model, data={"source": ["/absent.csv"], "label": ["target"]})),
            400, "invalid", "/absent.csv")
    refused(ask(s, "POST", "/v1/jobs", request(model, validation={"source": ["/absent*"]})), 400, "invalid", "/absent*")
    refused(ask(s, "POST", "/v1/jobs", {"kind": "predict", "source_job": "jnone", "data": {"source": [CSV]}}),
            404, "not_found", "source_job", "jnone")


def tokens(s):
    s.daemon()
    mode = os.stat(os.path.join(s.state, "token")).st_mode
    assert stat.S_IMODE(mode) == 0o600, oct(mode)
    refused(ask(s, "GET", "/v1/jobs", headers={"Authorization": "Bearer " + "0" * 64}), 401, "denied", "token")
    refused(ask(s, "GET", "/v1/jobs", headers={"Authorization": "Basic eDp5"}), 401, "denied", "token")
    refused(ask(s, "GET", "/healthz", headers={"Authorization": "Bearer no"}), 401, "denied")
    # loopback needs none, except for another site's requests
    assert ask(s, "GET", "/v1/jobs", token=False)[0] == 200
    refused(ask(s, "GET", "/v1/jobs", token=False, headers={"Host": "evil.example"}), 403, "denied", "token")
    refused(ask(s, "GET", "/v1/jobs", token=False, headers={"Origin": "http://evil.example"}), 403, "denied")
    assert ask(s, "GET", "/v1/jobs", headers={"Origin": "http://evil.example"})[0] == 200


def tokens_elsewhere_than_on_loopback(s):
    p = subprocess.Popen([f"{s.bin}/elephasd", "--state-dir", s.state, "--listen", "0.0.0.0:0"], stderr=s.log)
    try:
        address = os.path.join(s.state, "address")
        until(lambda: os.path.exists(address) and os.path.getsize(address))
        with open(address, encoding="utf-8") as f:
            s.url = "http://127.0.0.1:" + f.read().strip().rsplit(":", 1)[1]
        answer = ask(s, "GET", "/v1/jobs", token=False)
        refused(answer, 401, "denied", "token")
        assert answer[1]["WWW-Authenticate"] == "Bearer"
        assert ask(s, "GET", "/healthz", token=False)[0] == 200
        assert ask(s, "GET", "/v1/jobs")[0] == 200
        # workers find it all the same
        model = upload(s)
        finish(s, make_job(s, request(model))["id"])
    finally:
        p.terminate()
        assert p.wait(10) == 0


def a_workers_token_is_good_for_its_job_only(s):
    dump = s.path("first-line")
    s.daemon("--workers-dir", fake_worker(s, f'head -n 1 >>{dump}\nsleep 30\n'))
    status, _, answer = ask(s, "POST", "/v1/models", model_bytes(s), content_type="application/x-protobuf")
    assert status in (200, 201), answer
    model = json.loads(answer)["model"]
    job = make_job(s, request(model, workers=1))["id"]
    other = make_job(s, request(model, workers=1))["id"]
    until(lambda: os.path.exists(dump) and open(dump, encoding="utf-8").read().count("\n") == 2)
    lines = {}
    for line in open(dump, encoding="utf-8"):
        assert line.startswith("#elephas/1 "), line
        words = dict(word.split("=", 1) for word in line.split()[1:])
        lines[words["job"]] = words
    token = {"Authorization": "Bearer " + lines[job]["token"]}
    assert lines[job]["token"] != lines[other]["token"]
    assert ask(s, "GET", f"/v1/jobs/{job}/task", headers=token)[0] == 200
    assert ask(s, "GET", f"/v1/jobs/{job}/parameters", headers=token)[0] == 200
    assert ask(s, "GET", f"/v1/models/{model}", headers=token)[0] == 200
    refused(ask(s, "GET", f"/v1/jobs/{other}/task", headers=token), 401, "denied")
    refused(ask(s, "GET", f"/v1/jobs/{job}", headers=token), 403, "denied", "worker")
    refused(ask(s, "DELETE", f"/v1/jobs/{job}", headers=token), 403, "denied", "worker")
    refused(ask(s, "GET", "/v1/jobs", headers=token), 401, "denied")
    refused(ask(s, "POST", "/v1/jobs", b"{}", headers=token), 401, "denied")
    refused(ask(s, "GET", "/v1/models/" + "0" * 64, headers=token), 401, "denied")
    # no token is in an argument list or in the environment
    for pid in children(s.process.pid):
        for name in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as f:
                    content = f.read()
            except OSError:
                continue  # the feeder, which has ended
            assert lines[job]["token"].encode() not in content
            assert lines[other]["token"].encode() not in content
    for name in (job, other):
        assert ask(s, "DELETE", f"/v1/jobs/{name}")[0] == 202


def model_bytes(s):
    """A Model message: that of a job of another daemon's life."""
    if not hasattr(s, "bytes"):
        process, url, state = s.process, s.url, s.state
        s.state = s.path("other-state")
        s.daemon()
        job = upload(s)
        s.bytes = ask(s, "GET", "/v1/models/" + job)[2]
        s.stop()
        s.process, s.url, s.state = process, url, state
    return s.bytes


def bodies_over_the_limit(s):
    s.daemon("--max-body", "65536")
    refused(ask(s, "POST", "/v1/models", b"x" * 65537, content_type="application/x-protobuf"),
            413, "limit", "65536", "--max-body")
    # refused by the head alone
    host, port = s.url.split("//")[1].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as c:
        c.sendall(b"POST /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
                  b"Content-Length: 999999999999\r\n\r\n")
        assert c.recv(100).startswith(b"HTTP/1.1 413 ")
    refused(ask(s, "GET", "/healthz", b"body", content_type="text/plain"), 413, "limit")
    refused(ask(s, "GET", "/" + "x" * 40000), 431, "limit")


def files_that_may_not_grow(s):
    """A limit on file sizes is an error like a full disk, not the end."""
    message = model_bytes(s)
    s.daemon()
    limit = resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE, (len(message) - 1, limit[1]))
    refused(ask(s, "POST", "/v1/models", message, content_type="application/x-protobuf"), 500, "io", "large")
    resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE, limit)
    assert ask(s, "POST", "/v1/models", message, content_type="application/x-protobuf")[0] == 201


def not_http_at_all(s):
    """A TLS hello is no head that is still to come: it is answered at once."""
    s.daemon()
    host, port = s.url[len("http://"):].split(":")
    for hello in (b"\x16\x03\x01\x02\x00\x01\x00", b"\x80\x2e", b"\x00"):
        with socket.create_connection((host, int(port)), timeout=5) as c:
            begun = time.monotonic()
            c.sendall(hello)
            answer = c.recv(1000)
            assert answer.startswith(b"HTTP/1.1 400 "), answer
            assert time.monotonic() - begun < 3
    out = s.submit("ping", "--server", s.url.replace("http:", "https:"), timeout=30)
    assert out.status == 3 and "https://" in out.err, (out.status, out.err)


def slow_clients(s):
    """Hundreds of requests that never get complete hold nobody up, and end."""
    s.daemon()
    host, port = s.url.split("//")[1].split(":")
    slow = [socket.create_connection((host, int(port)), timeout=20) for _ in range(300)]
    for i, c in enumerate(slow):
        c.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" if i % 2 else
                  b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                  b"Content-Length: 100\r\n\r\n{")
    began = time.monotonic()
    assert ask(s, "GET", "/healthz")[0] == 200
    assert time.monotonic() - began < 2
    while time.monotonic() - began < 20:
        try:
            slow[1].sendall(b"X")  # a byte now and then does not help
            if slow[1].recv(1, socket.MSG_DONTWAIT) == b"":
                break
        except BlockingIOError:
            time.sleep(0.2)
        except OSError:
            break
    assert 8 < time.monotonic() - began < 15, time.monotonic() - began
    for c in slow:
        c.close()
    assert ask(s, "GET", "/healthz")[0] == 200


# ---- start -----------------------------------------------------------------

def many_idle_connections(s):
    """Of kept connections there may be more than the 4096 that were the limit."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    many = min(4400, most[1] - 100)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most[1], most[1]))
    s.daemon()
    host, port = s.url.split("//")[1].split(":")
    idle = []
    try:
        for _ in range(many):
            c = socket.create_connection((host, int(port)), timeout=10)
            c.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert c.recv(1000).startswith(b"HTTP/1.1 200 "), len(idle)
            idle.append(c)
        began = time.monotonic()
        assert ask(s, "GET", "/v1/jobs")[0] == 200
        assert time.monotonic() - began < 1
    finally:
        for c in idle:
            c.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, most)


def start(s, *options):
    return subprocess.run([f"{s.bin}/elephasd", *options], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          timeout=20, check=False)


def cannot_start(s, *options, status=2):
    p = start(s, *options)
    assert p.returncode == status, (p.returncode, p.stderr)
    lines = p.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("elephasd: "), p.stderr
    return lines[0]


def starts_that_fail(s):
    s.daemon()
    line = cannot_start(s, "--state-dir", s.state, "--listen", "127.0.0.1:0")
    assert str(s.process.pid) in line and s.state in line, line
    port = s.url.rsplit(":", 1)[1]
    line = cannot_start(s, "--state-dir", s.path("second"), "--listen", f"127.0.0.1:{port}")
    assert port in line and "in use" in line, line
    assert not os.path.exists(s.path("second/address"))
    line = cannot_start(s, "--state-dir", s.path("second"), "--listen", "nowhere.invalid:1")
    assert "nowhere.invalid" in line, line
    assert "--frobnicate" in cannot_start(s, "--frobnicate")
    assert "--max-jobs" in cannot_start(s, "--max-jobs", "0")
    with open(s.path("conf"), "w", encoding="utf-8") as f:
        f.write("max-jobs = 2\nmax_body = 3\n")
    line = cannot_start(s, "--config", s.path("conf"))
    assert "conf:2" in line and "max_body" in line, line
    with open(s.path("file"), "w", encoding="utf-8") as f:
        f.write("x")
    assert s.path("file") in cannot_start(s, "--state-dir", s.path("file"))
    os.chmod(os.path.join(s.state, "token"), 0o644)
    assert s.stop() == 0
    assert "token" in cannot_start(s, "--state-dir", s.state, "--listen", "127.0.0.1:0", status=3)
    p = start(s, "--version")
    assert p.returncode == 0 and p.stdout.startswith("elephasd "), p
    p = start(s, "--help")
    for option in ("config", "state-dir", "listen", "advertise", "workers-dir", "log-level", "daemon", "max-jobs",
                   "max-body", "data-roots"):
        assert f"--{option}" in p.stdout, option


def detached(s):
    p = subprocess.run([f"{s.bin}/elephasd", "--daemon", "--state-dir", s.state, "--listen", "127.0.0.1:0"],
                       stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=20, check=False)
    assert p.returncode == 0 and p.stderr == b"", p
    # it answers by now
    with open(os.path.join(s.state, "address"), encoding="utf-8") as f:
        s.url = "http://" + f.read().strip()
    assert ask(s, "GET", "/readyz")[0] == 200
    with open(os.path.join(s.state, "lock"), encoding="utf-8") as f:
        pid = int(f.read())
    assert os.getsid(pid) == pid
    line = cannot_start(s, "--daemon", "--state-dir", s.state, "--listen", "127.0.0.1:0")
    assert str(pid) in line, line
    os.kill(pid, signal.SIGTERM)
    until(lambda: not alive(pid), 10)
    assert not os.path.exists(os.path.join(s.state, "address"))
    with open(os.path.join(s.state, "elephasd.log"), encoding="utf-8") as f:
        assert "daemon.stopped" in f.read()


def two_side_by_side(s):
    s.daemon()
    first, url = s.process, s.url
    s.state = s.path("second")
    s.daemon()
    assert s.url != url
    assert s.stop() == 0
    s.process, s.url, s.state = first, url, s.path("state")
    assert ask(s, "GET", "/readyz")[0] == 200


# ---- jobs ------------------------------------------------------------------

def events_of(s, job, last_id=None):
    headers = {"Last-Event-ID": str(last_id)} if last_id is not None else {}
    status, got, body = ask(s, "GET", f"/v1/jobs/{job}/events", headers=headers)
    assert status == 200 and got["Content-Type"] == "text/event-stream", (status, got)
    out = []
    for block in body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "data" in fields and "id" in fields:
            out.append((int(fields["id"]), json.loads(fields["data"])))
    return out


def a_job_from_end_to_end(s):
    s.daemon()
    model = upload(s)
    job = make_job(s, request(model, name="first one", workers=2, training={"epochs": 3, "seed": 5},
                              validation={"split": 0.25}))
    assert job["state"] == "queued" and job["name"] == "first one" and job["seed"] == 5 and job["epochs"] == 3, job
    done = finish(s, job["id"])
    assert done["epoch"] == 3 and done["version"] == 3 and done["samples"] == 331 and done["seconds"] > 0, done
    assert list(done["history"]) == ["loss", "mae", "val_loss", "val_mae"], done["history"]
    assert all(len(series) == 3 for series in done["history"].values())
    assert [p["samples"] for p in done["partitions"]] == [166, 165], done["partitions"]
    events = events_of(s, job["id"])
    assert [number for number, _ in events] == list(range(1, len(events) + 1))
    names = [event["event"] if event["event"] != "state" else event["state"] for _, event in events]
    assert names == ["queued", "starting", "running", "epoch", "epoch", "epoch", "finishing", "done"], names
    assert events[-1][1]["history"] == done["history"] and events[-1][1]["samples"] == 331
    assert all(event["job"] == job["id"] for _, event in events)
    assert events_of(s, job["id"], 6) == events[6:]
    status, headers, body = ask(s, "HEAD", f"/v1/jobs/{job['id']}/events")
    assert status == 200 and "Content-Length" not in headers and body == b"", (status, headers)
    # by name, by the beginning of the id
    assert document(s, "first%20one")["id"] == job["id"]
    assert document(s, job["id"][:6])["id"] == job["id"]
    refused(ask(s, "GET", "/v1/jobs/j"), 400, "invalid", "2 jobs")
    assert s.get_json(f"/v1/jobs/{job['id']}/history") == {"history": done["history"]}
    status, headers, log = ask(s, "GET", f"/v1/jobs/{job['id']}/logs?follow=1")
    assert status == 200 and headers["Content-Type"].startswith("text/plain") and b"epoch 3 of 3" in log, log
    refused(ask(s, "DELETE", f"/v1/jobs/{job['id']}"), 409, "state", "done")
    refused(ask(s, "GET", f"/v1/jobs/{job['id']}/predictions"), 409, "state")
    # the parameter server is gone, the values are not
    refused(ask(s, "GET", f"/v1/jobs/{job['id']}/parameters?partition=0&step=1"), 410, "state")
    status, _, values = ask(s, "GET", f"/v1/jobs/{job['id']}/parameters")
    assert status == 200
    status, _, trained = ask(s, "GET", f"/v1/jobs/{job['id']}/model")
    assert status == 200 and trained[-1000:] != ask(s, "GET", f"/v1/models/{model}")[2][-1000:]
    listed = s.get_json("/v1/jobs")["jobs"]
    assert [j["kind"] for j in listed] == ["train", "evaluate"], listed
    # all of it is there after a restart
    assert s.stop() == 0
    s.daemon()
    assert document(s, job["id"]) == done
    assert events_of(s, job["id"]) == events
    assert ask(s, "GET", f"/v1/jobs/{job['id']}/model")[2] == trained
    assert ask(s, "GET", f"/v1/jobs/{job['id']}/parameters")[2] == values
    again = s.get_json("/v1/jobs")["jobs"]
    assert again == listed, (again, listed)


def other_jobs_use_a_jobs_model(s):
    s.daemon()
    model = upload(s)
    done = finish(s, make_job(s, request(model, training={"epochs": 20}))["id"])
    work = {"kind": "evaluate", "data": {"source": [CSV], "label": ["target"]}}
    before = finish(s, make_job(s, {**work, "model": model})["id"])["metrics"]["loss"]
    after = finish(s, make_job(s, {**work, "source_job": done["id"]})["id"])["metrics"]["loss"]
    assert after < before, (before, after)
    # its parameters have a version, as those of a running one
    path = f"/v1/jobs/{done['id']}/parameters"
    version = ask(s, "GET", path)[1]["ETag"]
    assert version == f'"{done["version"]}"', (version, done)
    for known in (version, f'"x", W/{version}', "*"):
        answer = ask(s, "GET", path, headers={"If-None-Match": known})
        assert answer[::2] == (304, b"") and "Content-Length" not in answer[1], (known, answer)
    # of one that is running: what it knows now
    running = long_job(s, model)
    during = finish(s, make_job(s, {**work, "source_job": running, "workers": 3})["id"])
    assert during["metrics"]["loss"] < before and during["samples"] == 442, during
    assert document(s, running)["state"] == "running"
    predicted = finish(s, make_job(s, {"kind": "predict", "source_job": done["id"], "workers": 3,
                                       "data": {"source": [CSV], "label": ["target"]}})["id"])
    status, headers, body = ask(s, "GET", f"/v1/jobs/{predicted['id']}/predictions")
    lines = body.decode().splitlines()
    assert status == 200 and headers["Content-Type"].startswith("text/csv") and lines[0] == "prediction"
    assert len(lines) == 443 == predicted["samples"] + 1
    assert not [n for n in os.listdir(os.path.join(s.state, "jobs", predicted["id"])) if n.startswith("part-")]
    assert ask(s, "DELETE", f"/v1/jobs/{running}")[0] == 202
    # what a cancelled job had learnt can be had
    until(lambda: document(s, running)["state"] == "cancelled")
    until(lambda: ask(s, "GET", f"/v1/jobs/{running}/parameters")[0] == 200)
    assert ask(s, "GET", f"/v1/jobs/{running}/model")[2] != ask(s, "GET", f"/v1/models/{model}")[2]


def the_queue_keeps_its_order(s):
    s.daemon("--max-jobs", "1")
    model = upload(s)
    first = long_job(s, model)
    waiting = [make_job(s, request(model, name=f"n{i}"))["id"] for i in range(3)]
    time.sleep(0.3)
    assert [document(s, job)["state"] for job in waiting] == ["queued"] * 3
    assert ask(s, "DELETE", f"/v1/jobs/{waiting[1]}")[0] == 202
    assert document(s, waiting[1])["state"] == "cancelled"
    assert ask(s, "DELETE", f"/v1/jobs/{first}")[0] == 202
    finish(s, waiting[0])
    finish(s, waiting[2])
    began = [document(s, job)["started"] for job in (first, waiting[0], waiting[2])]
    assert began == sorted(began) and document(s, waiting[1])["started"] is None, began


def a_name_comes_before_the_beginning_of_an_id(s):
    s.daemon()
    model = upload(s)
    first = make_job(s, request(model))["id"]
    named = make_job(s, request(model, name=first[:3]))["id"]
    assert document(s, first[:3])["id"] == named
    assert document(s, first)["id"] == first
    until(lambda: all(j["state"] == "done" for j in json.loads(ask(s, "GET", "/v1/jobs")[2])["jobs"]))
    # of jobs that have ended, a name means the newest; of others, it must be one
    again = make_job(s, request(model, name=first[:3]))["id"]
    assert document(s, first[:3])["id"] == again
    finish(s, again)
    assert document(s, first[:3])["id"] == again
    twins = [long_job(s, model, name=first[:3]) for _ in range(2)]
    refused(ask(s, "GET", f"/v1/jobs/{first[:3]}"), 400, "invalid", "2 jobs")
    assert ask(s, "DELETE", f"/v1/jobs/{twins[1]}")[0] == 202
    assert document(s, first[:3])["id"] == twins[0]
    assert ask(s, "DELETE", f"/v1/jobs/{first[:3]}")[0] == 202


def jobs_side_by_side_do_not_mix(s):
    s.daemon("--max-jobs", "4")
    model = upload(s)
    body = request(model, workers=2, training={"epochs": 30, "seed": 9})
    alone = finish(s, make_job(s, body)["id"])["history"]
    together = [make_job(s, body)["id"] for _ in range(4)]
    for job in together:
        assert finish(s, job)["history"] == alone


def cancel_ends_the_workers(s):
    s.daemon()
    job = long_job(s, upload(s), workers=3)
    pids = pids_of(s, job)
    assert len(pids) == 3 and all(alive(pid) for pid in pids)
    began = time.monotonic()
    status, _, answer = ask(s, "DELETE", f"/v1/jobs/{job}")
    assert status == 202 and json.loads(answer)["state"] == "cancelled", answer
    until(lambda: not any(alive(pid) for pid in pids), 2)
    assert time.monotonic() - began < 1, time.monotonic() - began
    assert children(s.process.pid) == []
    assert events_of(s, job)[-1][1]["event"] == "cancelled"
    refused(ask(s, "DELETE", f"/v1/jobs/{job}"), 409, "state", "cancelled")


def cancel_ends_workers_that_do_not_want_to(s):
    s.daemon("--workers-dir", fake_worker(s, "trap '' TERM\nwhile :; do sleep 1; done\n"))
    status, _, answer = ask(s, "POST", "/v1/models", model_bytes(s), content_type="application/x-protobuf")
    assert status == 201, answer
    job = make_job(s, request(json.loads(answer)["model"], workers=2))["id"]
    until(lambda: len(children(s.process.pid)) >= 2)
    time.sleep(0.2)  # for the traps to be set
    pids = children(s.process.pid)
    assert ask(s, "DELETE", f"/v1/jobs/{job}")[0] == 202
    until(lambda: not any(alive(pid) for pid in pids), 1)


# ---- workers that fail -----------------------------------------------------

def fails_with(s, script, *words, code="io", workers=2):
    s.daemon("--workers-dir", fake_worker(s, script))
    status, _, answer = ask(s, "POST", "/v1/models", model_bytes(s), content_type="application/x-protobuf")
    assert status in (200, 201), answer
    job = make_job(s, request(json.loads(answer)["model"], workers=workers))["id"]
    failed = finish(s, job, "failed")
    for word in words:
        assert word in failed["error"], failed["error"]
    assert failed["code"] == code, failed
    last = events_of(s, job)[-1][1]
    assert last == {"event": "failed", "job": job, "error": failed["error"], "code": code}, last
    until(lambda: children(s.process.pid) == [], 2)
    return job, failed


def a_worker_that_refuses_its_rows(s):
    job, failed = fails_with(s, "sleep 0.$$\necho warning >&2\necho 'elephas-worker: row 7: no number' >&2\nexit 2\n",
                             "partition ", "row 7: no number", code="invalid")
    assert "elephas-worker:" not in failed["error"], failed
    log = ask(s, "GET", f"/v1/jobs/{job}/logs")[2].decode()
    assert "warning" in log and "row 7" in log, log


def a_worker_that_speaks_no_utf8(s):
    job, failed = fails_with(s, r"printf 'caf\351 \303\251 \033[1m\n' >&2; exit 1" + "\n", "caf? \u00e9  [1m")
    log = ask(s, "GET", f"/v1/jobs/{job}/logs")[2].decode()
    assert "caf? \u00e9  [1m" in log, log
    refused(ask(s, "GET", "/v1/jobs/caf%e9"), 404, "not_found", "caf?")


def a_worker_that_cannot_start(s):
    s.daemon("--workers-dir", s.path("nowhere"))
    status, _, answer = ask(s, "POST", "/v1/models", model_bytes(s), content_type="application/x-protobuf")
    assert status == 201
    failed = finish(s, make_job(s, request(json.loads(answer)["model"]))["id"], "failed")
    assert s.path("nowhere/elephas-worker") in failed["error"] and "--workers-dir" in failed["error"], failed
    assert failed["code"] == "io"


def a_worker_that_ends_too_early(s):
    fails_with(s, "exit 0\n", "ended before its work was done", code="state")


def a_worker_that_is_killed_again_and_again(s):
    job, _ = fails_with(s, "echo 'about to die' >&2\nkill -SEGV $$\n", "signal 11", "4 times", "about to die",
                        workers=1)
    told = [event for _, event in events_of(s, job) if event["event"] == "worker"]
    assert [event["attempt"] for event in told] == [1, 2, 3], told
    assert all("signal 11" in event["detail"] and event["partition"] == 0 for event in told), told
    metrics = ask(s, "GET", "/metrics")[2].decode()
    assert "elephasd_workers_restarted_total 3\n" in metrics


def a_stopped_feeder_ends_the_job(s):
    """It waits for room in the pipes of workers that read nothing, and is stopped there."""
    s.daemon("--worker-timeout", 2, "--workers-dir", fake_worker(s, "sleep 60\n"))
    model = json.loads(ask(s, "POST", "/v1/models", model_bytes(s), content_type="application/x-protobuf")[2])["model"]
    body = request(model, workers=2)
    body["data"]["source"] = [many_rows(s)]
    job = make_job(s, body)["id"]
    os.kill(until(lambda: feeder_of(s), 10), signal.SIGSTOP)
    failed = finish(s, job, "failed")
    assert failed["error"].startswith("reading the data: the feeder was stopped for "), failed["error"]
    assert failed["error"].endswith(" s: it was killed"), failed["error"]
    until(lambda: children(s.process.pid) == [], 10)


def feeder_of(s):
    for pid in children(s.process.pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if b"--internal-feed" in f.read():
                    return pid
        except OSError:
            pass
    return None


def many_rows(s):
    """A file with rows enough to fill every pipe several times."""
    with open(CSV, encoding="utf-8") as f:
        header, *rows = f.read().splitlines(True)
    with open(s.path("many.csv"), "w", encoding="utf-8") as f:
        f.write(header + "".join(rows * 60))
    return s.path("many.csv")


def a_worker_that_reads_nothing(s):
    """It dies before it has read its rows: the other one gets all of its own."""
    mark = s.path("mark")
    real = f"{s.bin}/elephas-worker"
    s.daemon("--workers-dir", fake_worker(s, f'read -r first\ncase $first in *partition=0*)\n'
                                             f'  if [ ! -e {mark} ]; then touch {mark}; kill -KILL $$; fi;;\nesac\n'
                                             f'{{ echo "$first"; cat; }} | {real} "$@"\n'))
    status, _, answer = ask(s, "POST", "/v1/models", model_bytes(s), content_type="application/x-protobuf")
    assert status == 201
    body = request(json.loads(answer)["model"], workers=2, training={"epochs": 2, "seed": 1})
    body["data"]["source"] = [many_rows(s)]
    job = finish(s, make_job(s, body)["id"])
    assert [p["attempt"] for p in job["partitions"]] == [1, 0], job["partitions"]
    assert [p["samples"] for p in job["partitions"]] == [442 * 30, 442 * 30], job["partitions"]


# ---- stop ------------------------------------------------------------------

def stop_with_a_job(s):
    s.daemon()
    model = upload(s)
    job = long_job(s, model)
    pids = pids_of(s, job)
    daemon = s.process.pid
    before = document(s, job)["epoch"]
    began = time.monotonic()
    assert s.stop() == 0
    assert time.monotonic() - began < 5, time.monotonic() - began
    assert not any(alive(pid) for pid in pids) and not alive(daemon)
    assert not os.path.exists(os.path.join(s.state, "address"))
    s.daemon()
    got = document(s, job)
    assert got["state"] in ("queued", "starting", "running"), got
    until(lambda: document(s, job)["state"] == "running" and document(s, job)["epoch"] > before)
    names = [event.get("state", event["event"]) for event in states(s, job)]
    assert names == ["queued", "starting", "running", "queued", "starting", "running"], names
    assert min(p["attempt"] for p in document(s, job)["partitions"]) >= 4
    assert ask(s, "DELETE", f"/v1/jobs/{job}")[0] == 202


def states(s, job):
    """The state events so far, of a job that goes on."""
    path = os.path.join(s.state, "jobs", job, "events")
    with open(path, encoding="utf-8") as f:
        events = [json.loads(line) for line in f]
    return [event for event in events if event["event"] == "state"]


def kill_and_restart(s):
    s.daemon()
    model = upload(s)
    job = long_job(s, model)
    time.sleep(1.2)  # for a snapshot
    pids = pids_of(s, job)
    before = document(s, job)
    s.stop(signal.SIGKILL)
    until(lambda: not any(alive(pid) for pid in pids), 2)
    s.daemon()
    until(lambda: document(s, job)["state"] == "running")
    after = document(s, job)
    assert after["epoch"] > 2, (before["epoch"], after["epoch"])
    assert after["seconds"] >= 1, after
    # no epoch is told twice
    with open(os.path.join(s.state, "jobs", job, "events"), encoding="utf-8") as f:
        epochs = [e["epoch"] for e in map(json.loads, f) if e["event"] == "epoch"]
    assert epochs == sorted(set(epochs)), "an epoch was told twice"
    assert ask(s, "DELETE", f"/v1/jobs/{job}")[0] == 202


def stop_lets_requests_in_flight_finish(s):
    s.daemon()
    body = model_bytes(s)
    host, port = s.url.split("//")[1].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as c:
        c.sendall(b"POST /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
                  b"Content-Length: %d\r\n\r\n" % len(body) + body[:1000])
        time.sleep(0.2)
        s.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert ask(s, "GET", "/readyz", token=False)[0] == 503
        refused(ask(s, "POST", "/v1/jobs", b"{}"), 503, "state", "stopping")
        c.sendall(body[1000:])
        assert c.recv(100).startswith(b"HTTP/1.1 201 ")
    assert s.process.wait(10) == 0
    s.process = None


def stop_with_everything_open(s):
    """Event streams, log followers, held requests and half requests."""
    s.daemon()
    model = upload(s)
    job = long_job(s, model)
    host, port = s.url.split("//")[1].split(":")
    lines = [f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\n\r\n",
             f"GET /v1/jobs/{job}/logs?follow=1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
             f"GET /v1/jobs/{job}/parameters?epoch=100000&wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n",
             "GET /v1/jobs HTTP/1.1\r\n"]
    open_ones = []
    for line in lines * 5:
        c = socket.create_connection((host, int(port)), timeout=10)
        c.sendall(line.encode())
        open_ones.append(c)
    time.sleep(0.3)
    began = time.monotonic()
    assert s.stop() == 0
    assert time.monotonic() - began < 6, time.monotonic() - began
    for c in open_ones:
        while c.recv(65536):
            pass
        c.close()


def data_only_under_the_roots(s):
    os.mkdir(s.path("data"))
    with open(CSV, encoding="utf-8") as f:
        rows = f.read()
    with open(s.path("data/d.csv"), "w", encoding="utf-8") as f:
        f.write(rows)
    os.symlink(CSV, s.path("data/link.csv"))
    s.daemon("--data-roots", s.path("data"))
    status, _, answer = ask(s, "POST", "/v1/models", model_bytes(s), content_type="application/x-protobuf")
    model = json.loads(answer)["model"]

    def of(path):
        return request(model, data={"source": [path], "label": ["target"]})

    refused(ask(s, "POST", "/v1/jobs", of(CSV)), 400, "invalid", CSV, "--data-roots")
    refused(ask(s, "POST", "/v1/jobs", of(s.path("data/link.csv"))), 400, "invalid", "link.csv")
    refused(ask(s, "POST", "/v1/jobs", of(s.path("data"))), 400, "invalid", "link.csv")
    refused(ask(s, "POST", "/v1/jobs", of(s.path("data/../state/token"))), 400, "invalid", "token")
    finish(s, make_job(s, of(s.path("data/d.csv")))["id"])


def stop_as_soon_as_there_is_an_address(s):
    for i in range(30):
        state = s.path(f"soon-{i}")
        p = subprocess.Popen([f"{s.bin}/elephasd", "--state-dir", state, "--listen", "127.0.0.1:0"],
                             stderr=subprocess.DEVNULL)
        while not os.path.exists(f"{state}/address"):
            assert p.poll() is None
        p.terminate()
        assert p.wait(30) == 0
        assert not os.path.exists(f"{state}/address")


def to_the_end(test):
    """The test, and a clean stop that leaves no process."""
    def whole(s):
        test(s)
        if s.process is not None:
            left = children(s.process.pid)
            began = time.monotonic()
            assert s.stop() == 0
            assert time.monotonic() - began < 6
            assert not any(alive(pid) for pid in left)
    whole.__name__ = test.__name__
    return whole


if __name__ == "__main__":
    only = sys.argv[2:]
    run([to_the_end(t) for t in [pages_for_people_and_probes, bad_requests, requests_that_do_not_fit_the_model, tokens,
         tokens_elsewhere_than_on_loopback, a_workers_token_is_good_for_its_job_only, bodies_over_the_limit,
         files_that_may_not_grow, not_http_at_all, slow_clients, many_idle_connections, starts_that_fail,
         detached, two_side_by_side, a_job_from_end_to_end,
         other_jobs_use_a_jobs_model, the_queue_keeps_its_order,
         a_name_comes_before_the_beginning_of_an_id, jobs_side_by_side_do_not_mix,
         cancel_ends_the_workers, cancel_ends_workers_that_do_not_want_to, a_worker_that_refuses_its_rows,
         a_worker_that_speaks_no_utf8, a_worker_that_cannot_start, a_worker_that_ends_too_early, a_worker_that_is_killed_again_and_again,
         a_worker_that_reads_nothing, a_stopped_feeder_ends_the_job, stop_with_a_job, kill_and_restart, stop_lets_requests_in_flight_finish,
         stop_with_everything_open, stop_as_soon_as_there_is_an_address, data_only_under_the_roots]
         if not only or t.__name__ in only])
