#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trainings of a large model: their values are worked on off the daemon's loop.
What comes out is what comes out of one that is left alone, whoever is killed,
stopped or goes away meanwhile, and small requests of others are not held up.
"""
from http.client import HTTPException
import json
import os
import signal
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from elephas_client import Http as ElephasHttp, Socket as ElephasSocket, pack  # noqa: E402
from servers import Servers  # noqa: E402
from system import System, run, values_of  # noqa: E402
import test_daemon_work as hand  # noqa: E402

SIDE = 1500
PARAMETERS = SIDE * SIDE + SIDE
ROWS = 64
# On a machine that does other things too; it is about 10 ms.
LONGEST = 1.0


def dense(name, units):
    return {"module": "keras.layers", "class_name": "Dense", "registered_name": None, "build_config": None,
            "config": {"name": name, "units": units, "use_bias": False, "activation": "linear"}}


def write_input(s):
    source = {"module": "keras.layers", "class_name": "InputLayer", "registered_name": None,
              "config": {"name": "input", "batch_shape": [None, SIDE], "dtype": "float32"}}
    with open(s.path("m.json"), "w", encoding="utf-8") as f:
        json.dump({"module": "keras", "class_name": "Sequential", "registered_name": None,
                   "config": {"name": "large", "trainable": True,
                              "layers": [source, dense("wide", SIDE), dense("out", 1)]}}, f)
    with open(s.path("d.csv"), "w", encoding="utf-8") as f:
        for i in range(ROWS):  # both labels in each partition: no order of updates looks like divergence
            f.write(",".join("%.4f" % ((i * 7 + j) % 10 / 1e4) for j in range(SIDE)) + ",%d\n" % (i // 2 % 2))


def begin(s, *options, epochs=12):
    out = s.submit("train", "--model", s.path("m.json"), "--data", s.path("d.csv"), "--label", SIDE, "--loss", "mse",
                   "--optimizer", "sgd", "--workers", 2, "--seed", 3, "--batch-size", 16, "--epochs", epochs, "--no-wait",
                   "--json", "--output", s.path("o.keras"), *options)
    assert out.status == 0, out.err
    return out.last["job"]


def document(s, job):
    return s.get_json(f"/v1/jobs/{job}")


def until(condition, timeout=120):
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)
    return found


def end(s, job):
    got = until(lambda: (d := document(s, job))["state"] in ("done", "failed", "cancelled") and d)
    assert got["state"] == "done", got
    return got


def result(s, job):
    end(s, job)
    return s.model_values(job, PARAMETERS).tobytes()


def reaches(s, job, version):
    def there():
        d = document(s, job)
        assert d["state"] not in ("failed", "cancelled"), d
        return (d.get("version") or 0) >= version
    until(there)


def left_alone(s, *options, epochs=12):
    return result(s, begin(s, *options, epochs=epochs))


class Asker(threading.Thread):
    """Asks for /healthz until it is told to stop."""

    def __init__(self, s):
        super().__init__(daemon=True)
        self.s, self.longest, self.count, self.over = s, 0, 0, False

    def run(self):
        while not self.over:
            began = time.monotonic()
            assert self.s.request("GET", "/healthz", token=False)[0] == 200
            self.longest = max(self.longest, time.monotonic() - began)
            self.count += 1
            time.sleep(0.002)


def the_same_bits_and_no_stall(s):
    s.daemon()
    write_input(s)
    for options in ((), ("--frequency", "batch"), ("--compress", "bf16")):
        epochs = 6 if options else 12
        want = left_alone(s, *options, epochs=epochs)
        job = begin(s, "--http-port", 0, *options, epochs=epochs)
        reaches(s, job, 1)
        assert len(ElephasHttp(document(s, job)["http"]).get()) == 2
        asker = Asker(s)
        asker.start()
        got = result(s, job)
        asker.over = True
        asker.join()
        assert got == want, f"{options}: not the values of a training that was left alone"
        assert asker.count > 0 and asker.longest < LONGEST, (options, asker.count, asker.longest)


def updates_count_once(s):
    """Each epoch of each worker is a version, whoever is killed meanwhile."""
    s.daemon()
    write_input(s)
    job = begin(s, "--mode", "asynchronous", epochs=15)
    reaches(s, job, 4)
    os.kill(document(s, job)["partitions"][1]["pid"], signal.SIGKILL)
    reaches(s, job, 8)
    assert s.stop() == 0
    s.daemon()
    reaches(s, job, 12)
    got = end(s, job)
    assert got["version"] == 30 and len(got["history"]["loss"]) == 15, got


def stopped_and_killed_in_the_middle(s):
    s.daemon()
    write_input(s)
    want = left_alone(s, epochs=16)
    job = begin(s, epochs=16)
    for how, version in ((signal.SIGTERM, 2), (signal.SIGKILL, 5), (signal.SIGTERM, 8)):
        reaches(s, job, version)
        assert s.stop(how) == (0 if how == signal.SIGTERM else -signal.SIGKILL)
        s.daemon()
        reaches(s, job, 1)
    reaches(s, job, 11)
    os.kill(document(s, job)["partitions"][0]["pid"], signal.SIGKILL)
    assert result(s, job) == want, "not the values of a training that was left alone"


def leave(s, job, over):
    """Clients that ask for what takes long, and do not wait for it."""
    host, port = s.url.split("//")[1].split(":")
    with open(os.path.join(s.state, "token"), encoding="utf-8") as f:
        token = f.read().strip()
    while not over:
        for what in (f"/v1/jobs/{job}/parameters?state=1", f"/v1/jobs/{job}/model",
                     f"/v1/jobs/{job}/parameters?begin=5&end=9"):
            try:
                with socket.create_connection((host, int(port)), timeout=10) as c:
                    c.sendall(f"GET {what} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
                    time.sleep(0.01)
            except OSError:
                pass  # what becomes of it is not its business


def parts_on_several_servers(s):
    """Each of them is large by itself; all end with the bits of one server, whoever is killed."""
    for options, epochs in (((), 12), (("--frequency", "batch"), 8)):
        with System(s.bin) as home, Servers(home, 2) as servers:
            write_input(home)
            want = result(home, begin(home, *options, epochs=epochs))
            job = begin(home, *options, *servers.options(), epochs=epochs)
            reaches(home, job, 3)
            servers.restart(servers.others[0])
            reaches(home, job, 6)
            servers.restart(home)
            assert result(home, job) == want, options
            servers.nothing_is_left()
            assert [p["state"] for p in servers.parts()] == ["done"]


def parts_count_updates_once(s):
    with System(s.bin) as home, Servers(home, 2) as servers:
        write_input(home)
        job = begin(home, "--mode", "asynchronous", *servers.options(), epochs=15)
        reaches(home, job, 4)
        servers.restart(servers.others[0])
        reaches(home, job, 10)
        os.kill(document(home, job)["partitions"][1]["pid"], signal.SIGKILL)
        assert end(home, job)["version"] == 30
        assert [p["version"] for p in servers.parts()] == [30]
        job = begin(home, "--mode", "asynchronous", *servers.options(), epochs=1000)
        reaches(home, job, 3)
        assert home.request("DELETE", f"/v1/jobs/{job}")[0] == 202
        servers.nothing_is_left()


def clients_that_leave(s):
    s.daemon()
    write_input(s)
    want = left_alone(s)
    job = begin(s)
    reaches(s, job, 1)
    over = []
    leaver = threading.Thread(target=leave, args=(s, job, over), daemon=True)
    leaver.start()
    got = result(s, job)
    over.append(True)
    leaver.join()
    assert got == want


def slow_reader(address, path):
    host, port = address.split(":")
    c = socket.socket()
    c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    c.connect((host, int(port)))
    c.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return c


def has_begun(c):
    assert c.recv(15) == b"HTTP/1.1 200 OK"


def memory(s):
    with open(f"/proc/{s.process.pid}/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("VmRSS"))


def slow_readers_at_the_stop(s):
    """What they are sent is given back after everything else."""
    os.environ["MALLOC_PERTURB_"] = "165"  # what is freed cannot be used
    try:
        s.daemon()
    finally:
        del os.environ["MALLOC_PERTURB_"]
    write_input(s)
    job = begin(s, "--mode", "asynchronous", "--http-port", 0, epochs=1000)
    reaches(s, job, 1)
    readers = [slow_reader(s.url[7:], f"/v1/jobs/{job}/parameters"), slow_reader(s.url[7:], f"/v1/jobs/{job}/model"),
               slow_reader(document(s, job)["http"], "/parameters")]
    for c in readers:
        has_begun(c)
    assert s.stop() == 0
    for c in readers:
        c.close()


class Asked:
    """A request to elephasd of which the last bytes are still to come."""

    def __init__(self, s, method, path, body=b""):
        host, port = s.url[7:].split(":")
        self.c = socket.create_connection((host, int(port)), timeout=30)
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
        message = f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
        self.c.sendall(message[:-9])
        self.rest = message[-9:]

    def answer(self):
        data = b""
        while piece := self.c.recv(1 << 20):
            data += piece
        self.c.close()
        head, body = data.split(b"\r\n\r\n", 1)
        return int(head.split()[1]), body


def stopped_with_requests_under_way(s):
    """What was applied is said to be, and nobody is given what the job began with."""
    workers = idle_workers(s)
    s.daemon("--workers-dir", workers)
    write_input(s)
    job = begin(s, "--mode", "asynchronous")
    until(lambda: document(s, job).get("partitions"))
    path = f"/v1/jobs/{job}"
    before = s.model_values(job, PARAMETERS)
    version = 0
    for attempt in range(0, 300, 100):
        requests = []
        for partition in (0, 1):
            status, answer = s.request("POST", f"{path}/partitions", hand.join(job, partition, attempt), hand.PROTOBUF)
            assert status == 200, answer
            message = hand.update(job, partition, attempt, step=hand.decode(answer).get(2, 0), base=version,
                                  values=[0.5] * PARAMETERS, metrics=[hand.metric("loss", [10.0, 5.0])])
            requests.append(Asked(s, "POST", f"{path}/updates", message))
        assert document(s, job)["version"] == version, (document(s, job), version)
        requests += [Asked(s, "GET", f"{path}/{what}") for what in ("model", "parameters")]
        time.sleep(0.2)
        s.process.send_signal(signal.SIGSTOP)
        for one in requests:
            one.c.sendall(one.rest)
        s.process.send_signal(signal.SIGTERM)
        s.process.send_signal(signal.SIGCONT)
        answers = [one.answer() for one in requests]
        assert s.process.wait(20) == 0
        for status, body in answers[:2]:
            assert status in (200, 503), (status, body)
            if status == 200:
                assert hand.decode(body)[1] == hand.APPLIED, hand.decode(body)
                version += 1
        for status, body in answers[2:]:
            assert status == 503 or values_of(body)[0] != before[0], "what the job began with"
        s.daemon("--workers-dir", workers)
        until(lambda: document(s, job)["state"] == "starting" and document(s, job).get("partitions"))
    assert document(s, job)["version"] == version, (document(s, job), version)


class Pusher(threading.Thread):
    """An Elephas client: pushes zeros (but for the last) and pulls, until the ports are closed."""

    def __init__(self, client, last=0.0):
        super().__init__(daemon=True)
        self.client, self.pushed, self.why = client, 0, None
        self.last = struct.pack("<f", last)  # of the first layer's weights

    def run(self):
        wide = bytes(4 * SIDE * SIDE - 4) + self.last
        delta = [((SIDE, SIDE), "float32", wide), ((SIDE, 1), "float32", bytes(4 * SIDE))]
        try:
            while True:
                self.client.update(delta)
                self.pushed += 1
                assert [a[0] for a in self.client.get()] == [(SIDE, SIDE), (SIDE, 1)]
        except (OSError, AssertionError, HTTPException) as e:  # it may end in an answer
            self.why = e


def pushers(s, job):
    d = document(s, job)
    out = [Pusher(client(d[kind])) for client, kind in ((ElephasHttp, "http"), (ElephasSocket, "socket")) * 2]
    for one in out:
        one.start()
    return out


def leave_an_update(address):
    """Half of one, and a whole one whose answer nobody reads."""
    host, port = address.split(":")
    body = pack([((SIDE, SIDE), "float32", bytes(4 * SIDE * SIDE)), ((SIDE, 1), "float32", bytes(4 * SIDE))])
    for part in (body[:len(body) // 2], body):
        with socket.create_connection((host, int(port)), timeout=30) as c:
            c.sendall(b"POST /update HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + part)


PORTS = ["--mode", "asynchronous", "--http-port", 0, "--socket-port", 0]


def elephas_clients_among_workers(s):
    """Every update counts once, theirs and those of the workers."""
    s.daemon()
    write_input(s)
    job = begin(s, *PORTS, epochs=15)
    reaches(s, job, 1)
    clients = pushers(s, job)
    try:
        leave_an_update(document(s, job)["http"])
        left = 1
    except OSError:
        left = 0  # the training was through
    got = end(s, job)
    for one in clients:
        one.join(30)
        assert not one.is_alive()
    pushed = sum(one.pushed for one in clients)
    assert all(one.pushed > 1 for one in clients), [(one.pushed, one.why) for one in clients]
    # what was under way when the ports closed counts or not, and the one that was left alone
    assert 30 + pushed - 2 <= got["version"] <= 30 + pushed + len(clients) + left, (got["version"], pushed)


def elephas_updates_that_are_acknowledged_are_in_the_model(s):
    """Also while the training ends: the ports close before it is packed."""
    s.daemon()
    write_input(s)
    with open(s.path("d.csv"), encoding="utf-8") as f:
        rows = [line.split(",") for line in f]
    with open(s.path("d.csv"), "w", encoding="utf-8") as f:
        for row in rows:  # workers do not touch the last weights
            f.write(",".join([*row[:SIDE - 1], "0", row[SIDE]]))
    job = begin(s, *PORTS, epochs=4)
    reaches(s, job, 1)
    address = document(s, job)["http"]
    clients = [Pusher(ElephasHttp(address), last=1.0) for _ in range(3)]
    for one in clients:
        one.start()
    until(lambda: all(one.pushed > 0 for one in clients))
    models = os.path.join(s.state, "models")
    os.rename(models, models + ".away")  # to finish takes long
    until(lambda: document(s, job)["state"] == "finishing")
    time.sleep(0.5)
    os.rename(models + ".away", models)
    end(s, job)
    for one in clients:
        one.join(30)
        assert not one.is_alive()
    counted = -round(s.model_values(job, PARAMETERS)[SIDE * SIDE - 1])
    acknowledged = sum(one.pushed for one in clients)
    assert acknowledged <= counted <= acknowledged + len(clients), (acknowledged, counted)


def elephas_clients_of_jobs_that_end(s):
    s.daemon()
    write_input(s)
    for how in ("cancel", "cancel", "stop", "kill"):
        job = begin(s, *PORTS, epochs=1000)
        reaches(s, job, 1)
        clients = pushers(s, job)
        until(lambda: all(one.pushed > 1 for one in clients))
        if how == "cancel":
            assert s.request("DELETE", f"/v1/jobs/{job}")[0] == 202
            until(lambda: s.request("GET", f"/v1/jobs/{job}/model")[0] == 200)
        else:
            assert s.stop(signal.SIGTERM if how == "stop" else signal.SIGKILL) in (0, -signal.SIGKILL)
            s.daemon()
            reaches(s, job, 5)
        for one in clients:
            one.join(30)
            assert not one.is_alive(), how
        if how != "cancel":
            assert s.request("DELETE", f"/v1/jobs/{job}")[0] == 202
        until(lambda: document(s, job)["state"] == "cancelled")


def idle_workers(s):
    """A directory of workers that do nothing but wait."""
    os.makedirs(s.path("idle"))
    with open(s.path("idle/elephas-worker"), "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\nexec sleep 100\n")
    os.chmod(s.path("idle/elephas-worker"), 0o755)
    return s.path("idle")


def elephas_readers_share_a_copy(s):
    """Those who wait for the first one's copy are sent it too."""
    s.daemon("--workers-dir", idle_workers(s))
    write_input(s)
    job = begin(s, *PORTS)
    address = until(lambda: document(s, job).get("http"))
    before = memory(s)
    readers = [slow_reader(address, "/parameters") for _ in range(12)]
    for c in readers:
        has_begun(c)
    copies = (memory(s) - before) / (4 * PARAMETERS)
    assert copies < 3, copies
    for c in readers:
        c.close()


def readers_see_whole_versions(s):
    """The same version is the same bytes, and another one is not."""
    s.daemon()
    write_input(s)
    job = begin(s, "--mode", "asynchronous", epochs=15)
    reaches(s, job, 1)
    seen = {}
    while document(s, job)["state"] == "running" and len(seen) < 12:
        status, body = s.request("GET", f"/v1/jobs/{job}/parameters")
        if status == 200:
            # job, version, ...; the values are behind the head
            head, values = body[:-4 * PARAMETERS], body[-4 * PARAMETERS:]
            assert seen.setdefault(head, values) == values, "one version, two vectors"
    assert len(seen) > 1 and len(set(seen.values())) == len(seen), len(seen)
    assert end(s, job)["version"] == 30


def cancelled_in_the_middle(s):
    s.daemon()
    write_input(s)
    for version in (0, 1, 3, 4):
        job = begin(s, "--mode", "asynchronous", epochs=1000)
        reaches(s, job, version)
        pids = [p["pid"] for p in document(s, job).get("partitions", [])]
        assert s.request("DELETE", f"/v1/jobs/{job}")[0] == 202
        got = until(lambda: (d := document(s, job))["state"] == "cancelled" and d)
        assert got["version"] >= version, got
        if version != 0:  # what was learnt is kept
            until(lambda: s.request("GET", f"/v1/jobs/{job}/model")[0] == 200)
        until(lambda: not any(pid and os.path.exists(f"/proc/{pid}/fd") for pid in pids))
    job = begin(s, epochs=1000)
    reaches(s, job, 1)
    assert s.stop() == 0


if __name__ == "__main__":
    run([the_same_bits_and_no_stall, updates_count_once, stopped_and_killed_in_the_middle, parts_on_several_servers,
         parts_count_updates_once, clients_that_leave, slow_readers_at_the_stop,
         stopped_with_requests_under_way, elephas_clients_among_workers,
         elephas_updates_that_are_acknowledged_are_in_the_model, elephas_clients_of_jobs_that_end,
         elephas_readers_share_a_copy, readers_see_whole_versions, cancelled_in_the_middle])
