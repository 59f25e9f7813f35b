#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Parameter servers by hand: elephas-submit ps start and stop, and clients of the Elephas protocol."""
import array
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.error

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from elephas_client import Http, Socket, pack, unpack  # noqa: E402
from raw_http import all_answers, asks_first, chunked, request  # noqa: E402
from system import DATA, run  # noqa: E402

MODEL = f"{DATA}/diabetes_mlp.keras"
SHAPES = [(10, 64), (64,), (64, 64), (64,), (64, 1), (1,)]
PARAMETERS = 4929


def start(s, *options, model=MODEL):
    out = s.submit("ps", "start", "--model", model, "--json", *options)
    assert out.status == 0, (out.status, out.err)
    assert out.last["event"] == "ready", out.last
    return out.last


def stop(s, job, *options):
    out = s.submit("ps", "stop", job, "--json", *options)
    assert out.status == 0, (out.status, out.err)
    assert out.last["event"] == "done", out.last
    return out.last


def constant(value, kind="f", dtype="float32", shapes=SHAPES):
    arrays = []
    for shape in shapes:
        n = 1
        for axis in shape:
            n *= axis
        arrays.append((shape, dtype, array.array(kind, [value] * n).tobytes()))
    return arrays


def flat(arrays):
    return array.array("f", b"".join(data for _, _, data in arrays))


def eventually(what, timeout=10):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if what():
            return
        time.sleep(0.02)
    raise AssertionError("it does not come about")


def both_protocols_serve_one_vector(s):
    s.daemon()
    for mode in ("asynchronous", "hogwild"):
        ready = start(s, "--mode", mode)
        http, sock = Http(ready["http"]), Socket(ready["socket"])
        first = http.get()
        assert [a[0] for a in first] == SHAPES and {a[1] for a in first} == {"float32"}
        assert sock.get() == first
        values = flat(first)
        assert http.update(constant(0.5)) == b"Update done"
        after = flat(sock.get())
        assert all(b == array.array("f", [a - 0.5])[0] for a, b in zip(values, after))
        with sock.connect() as c:  # one connection, many requests
            sock.update(constant(0.25), c)
            sock.update(constant(-0.75), c)
            last = flat(sock.get(c))
        assert all(abs(a - b) < 1e-6 for a, b in zip(values, last))
        document = s.get_json(f"/v1/jobs/{ready['job']}")
        assert document["kind"] == "serve" and document["state"] == "running", document
        assert document["version"] == 3 and document["updates"] == 3, document
        stop(s, ready["job"])


def other_types_are_converted(s):
    s.daemon()
    ready = start(s)
    http = Http(ready["http"])
    before = flat(http.get())
    http.update(constant(1.0, "d", "float64"))
    http.update(constant(0x3c00, "H", "float16"))
    http.update(constant(-2, "q", "int64"))
    after = http.get()
    assert {a[1] for a in after} == {"float32"}
    assert all(abs(a - b) < 1e-6 for a, b in zip(before, flat(after)))
    stop(s, ready["job"])


def refused(http, body, status, *words):
    request = urllib.request.Request(f"{http.url}/update", data=body)
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except urllib.error.HTTPError as e:
        text = e.read().decode()
        assert e.code == status and e.headers["Content-Type"] == "application/problem+json", (e.code, text)
        for word in words:
            assert word in text, (word, text)
        return
    raise AssertionError("it was not refused")


def http_connection(ready):
    host, port = ready["http"].rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=30)


def what_is_malformed_changes_nothing(s):
    s.daemon()
    ready = start(s)
    http, sock = Http(ready["http"]), Socket(ready["socket"])
    before = http.get()
    good = pack(constant(1.0))
    nan = constant(0.0)
    nan[2] = (nan[2][0], "float32", array.array("f", [0.0] * 4095 + [float("nan")]).tobytes())
    wide = constant(1.0)
    wide[0] = ((64, 10), "float32", wide[0][2])
    text = constant(1.0)
    text[1] = ((64,), "U8", text[1][2])
    one = constant(1.0)
    one[0] = ((1,), "float32", one[0][2][:4])  # NumPy would broadcast it
    few = constant(1.0)
    few[3] = ((64,), "float32", few[3][2][:-4])
    cases = [(b"", "no weights"), (b"junk", "arrays"), (good[:-1], "cut off", "array 5"), (good + b"x", "follow"),
             (pack(constant(1.0)[:-1]), "5 arrays"), (pack(nan), "element 4799", "finite"),
             (pack(wide), "array 0", "dense", "64"), (pack(one), "array 0", "dense", "(1"), (pack(text), "array 1", "U8"), (pack(few), "array 3", "252 bytes"),
             (b"\xff" * 100, "arrays")]
    for body, *words in cases:
        refused(http, body, 400, *words)
        with sock.connect() as c:
            c.sendall(b"u" + len(body).to_bytes(4, "big") + body)
            assert c.recv(1) == b""  # closed: there is no other answer
    refused(http, b"x" * 200000, 413, "weights of this model")
    with sock.connect() as c:
        c.sendall(b"x")
        assert c.recv(1) == b""
    with sock.connect() as c:
        c.sendall(b"u\xff\xff\xff\xff")
        assert c.recv(1) == b""
    with sock.connect() as c:  # cut off
        c.sendall(b"u" + len(good).to_bytes(4, "big") + good[:500])
    with http_connection(ready) as c:
        c.sendall(b"POST /update HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(good) + good[:500])
    assert http.get() == before
    eventually(lambda: s.get_json(f"/v1/jobs/{ready['job']}")["refused"] == 2 * len(cases) + 3)
    document = s.get_json(f"/v1/jobs/{ready['job']}")
    assert "cut off after 500" in document["last_refused"] and document["updates"] == 0, document
    stop(s, ready["job"])


def stall(ready, sock, body, n):
    """2 n connections on which an update has begun, and nothing more comes."""
    stalled = []
    for _ in range(n):
        c = sock.connect()
        c.sendall(b"u" + len(body).to_bytes(4, "big") + body[:1000])
        h = http_connection(ready)
        h.sendall(b"POST /update HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:1000])
        stalled += [c, h]
    return stalled


def a_stalled_client_holds_nobody_up(s):
    s.daemon()
    ready = start(s)
    http, sock = Http(ready["http"]), Socket(ready["socket"])
    body = pack(constant(1.0))
    stalled = stall(ready, sock, body, 20)
    began = time.monotonic()
    for _ in range(20):
        http.update(constant(0.0))
        sock.get()
    assert time.monotonic() - began < 5
    for c in stalled:
        c.close()
    stop(s, ready["job"])


def no_update_is_lost(s):
    s.daemon()
    for mode in ("asynchronous", "hogwild"):
        ready = start(s, "--mode", mode)
        http, sock = Http(ready["http"]), Socket(ready["socket"])
        before = flat(http.get())
        failures = []

        def push(client):
            try:
                for _ in range(25):
                    client.update(constant(-0.0078125))
                    client.get()
            except Exception as e:  # noqa: BLE001
                failures.append(e)

        threads = [threading.Thread(target=push, args=(client,)) for client in (http, sock) * 4]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not failures, failures
        eventually(lambda: s.get_json(f"/v1/jobs/{ready['job']}")["updates"] == 200)
        after = flat(http.get())
        assert all(abs(b - a - 200 * 0.0078125) < 1e-3 for a, b in zip(before, after))
        assert stop(s, ready["job"])["updates"] == 200


def no_read_is_torn(s):
    s.daemon()
    ready = start(s, model=f"{DATA}/mnist_mlp.keras")
    http, sock = Http(ready["http"]), Socket(ready["socket"])
    first = http.get()
    http.update(first)  # all elements are 0 now, and stay equal in every whole version
    shapes = [a[0] for a in first]
    deadline = time.monotonic() + 3
    failures, reads = [], [0, 0]

    def guarded(what, *args):
        try:
            while time.monotonic() < deadline and not failures:
                what(*args)
        except Exception as e:  # noqa: BLE001
            failures.append(e)

    def read(client, i):
        values = set(flat(client.get()))
        assert len(values) == 1, sorted(values)[:4]
        reads[i] += 1

    kept = sock.connect()  # an update has no answer: one connection holds back who sends more than is read
    jobs = [(http.update, constant(-1.0, shapes=shapes)), (sock.update, constant(2.0, shapes=shapes), kept), (read, http, 0),
            (read, sock, 1)]
    threads = [threading.Thread(target=guarded, args=job) for job in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    kept.close()
    assert not failures and min(reads) > 0, (failures, reads)
    stop(s, ready["job"])


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def clients_that_left_cost_nothing(s):
    s.daemon()
    ready = start(s)
    http, sock = Http(ready["http"]), Socket(ready["socket"])
    sockets = len(os.listdir(f"/proc/{s.process.pid}/fd"))
    for turn in range(100):
        http_connection(ready).close()
        sock.connect().close()
        if turn % 10 == 0:  # in the middle of an answer
            with sock.connect() as c:
                c.sendall(b"g")
    eventually(lambda: len(os.listdir(f"/proc/{s.process.pid}/fd")) <= sockets)
    before = cpu_seconds(s.process.pid)
    time.sleep(2)
    assert cpu_seconds(s.process.pid) - before < 0.1
    assert http.get() == sock.get()
    stop(s, ready["job"])


def large_model(s, side=1200):
    """An architecture with one weight of side * side: 6 MB, of which few updates are in memory at once."""
    layers = [{"module": "keras.layers", "class_name": "InputLayer", "registered_name": None,
               "config": {"name": "input", "batch_shape": [None, side], "dtype": "float32"}},
              {"module": "keras.layers", "class_name": "Dense", "registered_name": None, "build_config": None,
               "config": {"name": "dense", "units": side, "use_bias": False, "activation": "linear"}}]
    with open(s.path("large.json"), "w", encoding="utf-8") as f:
        json.dump({"module": "keras", "class_name": "Sequential", "registered_name": None,
                   "config": {"name": "large", "trainable": True, "layers": layers}}, f)
    return s.path("large.json"), [(side, side)]


def take_turns(s, mode):
    s.daemon()
    model, shapes = large_model(s)
    ready = start(s, "--mode", mode, model=model)
    http, sock = Http(ready["http"]), Socket(ready["socket"])
    http.update(http.get())  # zero
    update, failures = constant(-1.0, shapes=shapes), []
    body = pack(update)

    def push(client):
        try:
            for _ in range(2):
                client.update(update)
                values = set(flat(client.get())[::1000])
                assert mode == "hogwild" or len(values) == 1, values
        except Exception as e:  # noqa: BLE001
            failures.append(e)

    stalled = stall(ready, sock, body, 3)  # they hold all room there is, and are passed
    threads = [threading.Thread(target=push, args=(client,)) for client in (http, sock) * 4]
    for t in threads:
        t.start()
    refused(http, body[:-4], 400, "cut off")
    for t in threads:
        t.join()
    assert not failures, failures
    eventually(lambda: s.get_json(f"/v1/jobs/{ready['job']}")["updates"] == 17)
    assert set(flat(http.get())) == {16.0}
    # one that was passed goes on when the rest comes
    stalled[1].sendall(body[1000:])
    assert stalled[1].recv(1000).startswith(b"HTTP/1.1 200")
    stalled[0].sendall(body[1000:] + b"g")
    assert set(flat(sock.get())) <= {17.0, 18.0}
    eventually(lambda: s.get_json(f"/v1/jobs/{ready['job']}")["updates"] == 19)
    for c in stalled:
        c.close()
    assert stop(s, ready["job"])["updates"] == 19


def large_updates_take_turns(s):
    take_turns(s, "asynchronous")


def large_updates_take_turns_in_hogwild(s):
    take_turns(s, "hogwild")


def raw_requests(s):
    """What HTTP/1.1 allows and Elephas' own clients do not do: chunks with trailers, asking before a body is sent,
    requests without waiting for answers, and closing one's side behind them. Small weights, and large ones."""
    s.daemon()
    large, shape = large_model(s)
    for model, shapes in ((MODEL, SHAPES), (large, shape)):
        ready = start(s, model=model)
        body = pack(constant(1.0, shapes=shapes))
        push = request("POST", "/update", body=body)
        pieces = request("POST", "/update", "Transfer-Encoding: chunked", "Trailer: X-Sum",
                         body=chunked(body, len(body) // 7, ("X-Sum: 1", "X-More: 2")))
        pull = request("GET", "/parameters")
        answers = all_answers(ready["http"], pull, push, pieces, pull, request("GET", "/"), push, pull)
        assert [a[0] for a in answers] == [200] * 7, [a[0] for a in answers]
        assert [a[2] for a in answers[1:3]] == [b"Update done"] * 2 and answers[4][2] == b"Elephas", answers[4]
        first, second, last = (flat(unpack(answers[i][2])) for i in (0, 3, 6))
        assert all(abs(a - 2 - b) < 1e-5 and abs(a - 3 - c) < 1e-5 for a, b, c in zip(first, second, last))
        assert asks_first(ready["http"], "POST", "/update", body) == (200, b"Update done")
        # what is wrong in the middle ends the connection behind its answer, and what came before counts
        answers = all_answers(ready["http"], push, request("POST", "/update", "Transfer-Encoding: chunked", body=b"x\r\n"), push)
        assert [a[0] for a in answers] == [200, 400], answers
        answers = all_answers(ready["http"], push, push[:-1])
        assert [a[0] for a in answers] == [200], answers
        assert stop(s, ready["job"])["updates"] == 6


def over_ipv6(s):
    s.daemon("--elephas-host", "::1")
    ready = start(s)
    assert ready["http"].startswith("[::1]:") and ready["socket"].startswith("[::1]:"), ready
    http, sock = Http(ready["http"]), Socket(ready["socket"])
    before = flat(http.get())
    http.update(constant(1.0))
    sock.update(constant(1.0))
    eventually(lambda: s.get_json(f"/v1/jobs/{ready['job']}")["updates"] == 2)
    assert all(abs(a - 2 - b) < 1e-5 for a, b in zip(before, flat(sock.get())))
    s.stop()
    s.daemon("--elephas-host", "::1")
    eventually(lambda: s.get_json(f"/v1/jobs/{ready['job']}")["state"] == "running")
    assert all(abs(a - 2 - b) < 1e-5 for a, b in zip(before, flat(http.get())))  # the same ports
    stop(s, ready["job"])
    assert s.get_json(f"/v1/jobs/{ready['job']}")["version"] == 2


class Senders:
    """Clients that push ones until the ports are closed, each in its way. `sent` of those that say so counts pushes
    whose bytes were all handed over when halt() returned, `answered` those that HTTP has answered."""

    def __init__(self, ready, shapes, each):
        self.ready, self.body = ready, pack(constant(1.0, shapes=shapes))
        self.halted, self.lock = False, threading.Lock()
        self.sent = self.answered = 0
        self.threads = [threading.Thread(target=self.guarded, args=(way,), daemon=True)
                        for way in (self.on_one_connection, self.on_many_connections) * each]
        self.http_threads = [threading.Thread(target=self.over_http, daemon=True) for _ in range(each)]
        for t in self.threads + self.http_threads:
            t.start()

    def guarded(self, way):
        try:
            way()
        except OSError as e:
            self.failure = e
            raise

    def push(self, c):
        c.sendall(b"u" + len(self.body).to_bytes(4, "big") + self.body)
        with self.lock:
            self.sent += 1

    def on_one_connection(self):
        c = self.kept = Socket(self.ready["socket"]).connect()
        while not self.halted:
            self.push(c)

    def on_many_connections(self):
        while not self.halted:
            with Socket(self.ready["socket"]).connect() as c:
                self.push(c)

    def over_http(self):
        address = self.ready["http"].split(":")
        c = http.client.HTTPConnection(address[0], int(address[1]), timeout=30)
        try:
            while True:
                c.request("POST", "/update", self.body)
                answer = c.getresponse()
                assert answer.status == 200 and answer.read() == b"Update done"
                with self.lock:
                    self.answered += 1
        except (OSError, http.client.HTTPException):
            pass  # it was not applied then

    def halt(self):
        self.halted = True
        for t in self.threads:
            t.join(30)
            assert not t.is_alive()

    def total(self):
        for t in self.http_threads:
            t.join(30)
            assert not t.is_alive()
        return self.sent + self.answered


def a_stop_loses_nothing(s):
    """Pushes by socket have no answer: those that were sent before the stop are in the model, as are those by HTTP that
    were answered, and no others."""
    s.daemon()
    large, shape = large_model(s)
    for turn in range(4):
        model, shapes = (MODEL, SHAPES) if turn < 3 else (large, shape)
        ready = start(s, model=model)
        senders = Senders(ready, shapes, 2 if turn < 3 else 1)
        time.sleep(0.3)
        senders.halt()
        assert s.request("POST", f"/v1/jobs/{ready['job']}/stop", b"")[0] == 202
        began = time.monotonic()
        eventually(lambda: s.get_json(f"/v1/jobs/{ready['job']}")["state"] == "done")
        assert time.monotonic() - began < 5
        done = s.get_json(f"/v1/jobs/{ready['job']}")
        assert done["updates"] == done["version"] == senders.total(), (done, senders.sent, senders.answered)
        assert done["refused"] == 0, done


def a_stopped_daemon_loses_nothing(s):
    """SIGTERM: what clients had sent is in the snapshot, and an update that is coming is waited for."""
    s.daemon()
    large, shape = large_model(s)
    for turn in range(3):
        model, shapes = (MODEL, SHAPES) if turn < 2 else (large, shape)
        ready = start(s, model=model)
        senders = Senders(ready, shapes, 2 if turn < 2 else 1)
        late = http_connection(ready)
        late.sendall(request("POST", "/update", f"Content-Length: {len(senders.body)}") + senders.body[:1000])
        time.sleep(0.3)
        senders.halt()
        s.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        late.sendall(senders.body[1000:])
        assert late.recv(1000).startswith(b"HTTP/1.1 200 ")
        late.close()
        assert s.process.wait(10) == 0
        s.daemon()
        eventually(lambda: s.get_json(f"/v1/jobs/{ready['job']}")["state"] == "running")
        document = s.get_json(f"/v1/jobs/{ready['job']}")
        assert document["version"] == senders.total() + 1, (document, senders.sent, senders.answered)
        stop(s, ready["job"])


def a_stop_that_was_asked_for_is_kept(s):
    """The result cannot be stored (as on a full disk), and the daemon ends: the server does not come back to life."""
    s.daemon()
    models = os.path.join(s.state, "models")
    for how in (signal.SIGKILL, signal.SIGTERM):
        ready = start(s)
        job = f"/v1/jobs/{ready['job']}"
        before = flat(Http(ready["http"]).get())
        Http(ready["http"]).update(constant(1.0))
        snapshot = os.path.join(s.state, "jobs", ready["job"], "snapshot")
        eventually(lambda: how == signal.SIGTERM or os.path.exists(snapshot))  # which that makes
        os.rename(models, models + ".away")
        assert s.request("POST", f"{job}/stop", b"")[0] == 202
        eventually(lambda: "kept in memory" in s.submit("logs", ready["job"]).out)
        assert s.get_json(job)["state"] == "finishing"
        s.stop(how)
        os.rename(models + ".away", models)
        s.daemon()
        eventually(lambda: s.get_json(job)["state"] == "done")
        assert not listening(ready["http"]) and not listening(ready["socket"])
        document = s.get_json(job)
        assert document["version"] == 1 and "stopping" not in document, document
        assert not os.path.exists(snapshot)
        assert all(abs(a - 1 - b) < 1e-5 for a, b in zip(before, s.model_values(ready["job"], PARAMETERS)))


def threads_of(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def listening(address):
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def a_stop_frees_ports_threads_and_memory(s):
    s.daemon()
    pid = s.process.pid
    rows = s.path("big.json")
    big = os.path.join(s.work, "big.keras")
    del rows, big
    threads, memory = threads_of(pid), None
    for turn in range(6):
        several = [start(s, model=f"{DATA}/mnist_mlp.keras") for _ in range(3)]
        assert threads_of(pid) > threads
        assert len({r["http"] for r in several} | {r["socket"] for r in several}) == 6
        for ready in several:
            for _ in range(5):
                Http(ready["http"]).get()
        for ready in several:
            stop(s, ready["job"])
            assert not listening(ready["http"]) and not listening(ready["socket"])
        assert threads_of(pid) == threads
        if turn == 2:
            memory = resident(pid)
    assert resident(pid) < memory + 4096, (memory, resident(pid))


def the_model_is_written(s):
    s.daemon()
    ready = start(s, "--name", "by hand")
    http = Http(ready["http"])
    before = flat(http.get())
    http.update(constant(1.0))
    live = s.submit("model", ready["job"], "--output", s.path("live.keras"))
    assert live.status == 0, live.err
    http.update(constant(1.0))
    done = stop(s, "by hand", "--output", s.path("out.keras"))
    assert done["output"] == s.path("out.keras") and done["updates"] == 2, done
    for name, less in (("live.keras", 1.0), ("out.keras", 2.0)):
        again = start(s, model=s.path(name))
        after = flat(Http(again["http"]).get())
        assert all(abs(a - less - b) < 1e-6 for a, b in zip(before, after)), name
        stop(s, again["job"])
    evaluated = s.submit("evaluate", "--job", ready["job"], "--data", f"{DATA}/diabetes.csv", "--label", "target")
    assert evaluated.status == 0, evaluated.err


def a_name_may_be_used_again(s):
    """A name means the job that has not ended, else the last one that had it."""
    s.daemon()
    jobs = []
    for _ in range(3):
        ready = start(s, "--name", "again")
        assert stop(s, "again")["job"] == ready["job"]
        assert not listening(ready["http"])
        jobs.append(ready["job"])
    assert s.get_json("/v1/jobs/again")["id"] == jobs[-1]
    twins = [start(s, "--name", "again")["job"] for _ in range(2)]
    out = s.submit("ps", "stop", "again")
    assert out.status == 2 and "2 jobs" in out.err, (out.status, out.err)
    assert s.submit("cancel", twins[1]).status == 0
    assert stop(s, "again")["job"] == twins[0]
    s.stop()
    s.daemon()
    assert s.get_json("/v1/jobs/again")["id"] == twins[1]  # the newest, not the one that ended last


def a_port_in_use_is_named(s):
    s.daemon()
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        for option in ("--http-port", "--socket-port"):
            out = s.submit("ps", "start", "--model", MODEL, option, port)
            assert out.status == 1 and f"127.0.0.1:{port}" in out.err and "in use" in out.err, (out.status, out.err)
    ready = start(s, "--http-port", port)
    assert ready["http"] == f"127.0.0.1:{port}", ready
    out = s.submit("ps", "start", "--model", MODEL, "--http-port", port)
    assert out.status == 1 and "in use" in out.err, out
    stop(s, ready["job"])
    assert start(s, "--http-port", port)["http"] == f"127.0.0.1:{port}"  # and again


def a_restarted_daemon_serves_on(s):
    s.daemon()
    ready = start(s)
    http = Http(ready["http"])
    before = flat(http.get())
    http.update(constant(1.0))
    assert s.stop(signal.SIGTERM) == 0
    assert not listening(ready["http"])
    s.daemon()
    eventually(lambda: listening(ready["http"]))
    http.update(constant(1.0))
    assert s.get_json(f"/v1/jobs/{ready['job']}")["version"] == 2
    snapshot = os.path.join(s.state, "jobs", ready["job"], "snapshot")
    old = os.stat(snapshot).st_mtime_ns
    eventually(lambda: os.stat(snapshot).st_mtime_ns != old)
    s.stop(signal.SIGKILL)
    s.daemon()
    eventually(lambda: listening(ready["http"]))
    after = flat(Socket(ready["socket"]).get())
    assert all(abs(a - 2 - b) < 1e-6 for a, b in zip(before, after))
    stop(s, ready["job"])
    assert not os.path.exists(snapshot)


def a_training_serves_clients_too(s):
    """--http-port and --socket-port of train: the same parameters, while its workers train."""
    s.daemon()
    common = ["train", "--model", MODEL, "--data", f"{DATA}/diabetes.csv", "--label", "target", "--seed", 1,
              "--workers", 2, "--no-wait", "--json", "--output", s.path("out.keras"), "--http-port", 0,
              "--socket-port", 0]
    job = s.submit(*common, "--epochs", 3000, "--mode", "asynchronous").last["job"]
    eventually(lambda: s.get_json(f"/v1/jobs/{job}").get("version", 0) > 10)
    document = s.get_json(f"/v1/jobs/{job}")
    http, sock = Http(document["http"]), Socket(document["socket"])
    assert [a[0] for a in http.get()] == SHAPES
    for _ in range(20):
        http.update(constant(0.0))
        sock.update(constant(0.0))
    refused(http, b"junk", 400, "arrays")
    nan = constant(float("nan"))
    refused(http, pack(nan), 400, "dense", "finite")
    assert s.submit("cancel", job).status == 0
    assert not listening(document["http"]) and not listening(document["socket"])
    # a synchronous one may be looked at only; its ports are gone when it is done
    job = s.submit(*common, "--epochs", 400).last["job"]
    eventually(lambda: s.get_json(f"/v1/jobs/{job}").get("version", 0) > 0)
    document = s.get_json(f"/v1/jobs/{job}")
    Socket(document["socket"]).get()
    refused(Http(document["http"]), pack(constant(1.0)), 409, "synchronous")
    assert s.submit("wait", job).status == 0
    assert not listening(document["http"])
    ended = s.get_json(f"/v1/jobs/{job}")
    assert ended["version"] == 400 and "Elephas protocol: " in s.submit("logs", job).out


def a_training_keeps_its_ports(s):
    """Free ports that it was given stay its own when the daemon is started again, if nobody has taken them."""
    s.daemon()
    job = s.submit("train", "--model", MODEL, "--data", f"{DATA}/diabetes.csv", "--label", "target", "--workers", 2,
                   "--epochs", 1000000, "--mode", "asynchronous", "--http-port", 0, "--socket-port", 0, "--no-wait", "--json",
                   "--output", s.path("out.keras")).last["job"]

    def running():
        eventually(lambda: s.get_json(f"/v1/jobs/{job}")["state"] == "running")
        document = s.get_json(f"/v1/jobs/{job}")
        return document["http"], document["socket"]

    first = running()
    for how in (signal.SIGKILL, signal.SIGTERM):
        s.stop(how)
        s.daemon()
        assert running() == first
        assert [a[0] for a in Http(first[0]).get()] == SHAPES and [a[0] for a in Socket(first[1]).get()] == SHAPES
    s.stop()
    host, port = first[0].rsplit(":", 1)
    with socket.create_server((host, int(port))):
        s.daemon()
        http, sock = running()
        assert http != first[0] and sock == first[1], (first, http, sock)
        assert [a[0] for a in Http(http).get()] == SHAPES
        assert s.submit("cancel", job).status == 0


def what_is_not_possible_is_said(s):
    s.daemon()
    ready = start(s)
    job = ready["job"]
    for args, words in ((("ps", "begin"), "ps start or ps stop"), (("ps", "start"), "--model"),
                        (("ps", "stop"), "ID"), (("ps", "stop", "nobody"), "nobody"),
                        (("ps", "start", "--model", MODEL, "--mode", "synchronous"), "--mode"),
                        (("ps", "start", "--model", MODEL, "--http-port", "70000"), "--http-port"),
                        (("ps", "start", "--model", MODEL, "--http-port", "4711", "--socket-port", "4711"), "both"),
                        (("ps", "start", "--model", "/nowhere.keras"), "/nowhere.keras"),
                        (("ps", "stop", job, "--output", "/nowhere/out.keras"), "/nowhere")):
        out = s.submit(*args)
        assert out.status == 2 and words in out.err, (args, out.status, out.err)
        assert len(out.err.strip().splitlines()) == 1, out.err
    for method, path in (("GET", "task"), ("POST", "updates"), ("POST", "partitions"), ("POST", "results")):
        reply = s.request(method, f"/v1/jobs/{job}/{path}", body=b"" if method == "POST" else None,
                          content_type="application/x-protobuf")
        assert reply[0] == 409, (path, reply)
    assert s.submit("cancel", job).status == 0
    assert not listening(ready["http"])
    out = s.submit("ps", "stop", job)
    assert out.status == 1 and job in out.err, (out.status, out.err)


if __name__ == "__main__":
    run([both_protocols_serve_one_vector, other_types_are_converted, what_is_malformed_changes_nothing,
         a_stalled_client_holds_nobody_up, no_update_is_lost, no_read_is_torn, clients_that_left_cost_nothing,
         large_updates_take_turns, large_updates_take_turns_in_hogwild, raw_requests, over_ipv6, a_stop_loses_nothing,
         a_stopped_daemon_loses_nothing, a_stop_that_was_asked_for_is_kept,
         a_stop_frees_ports_threads_and_memory, the_model_is_written,
         a_name_may_be_used_again, a_port_in_use_is_named, a_restarted_daemon_serves_on, a_training_serves_clients_too,
         a_training_keeps_its_ports,
         what_is_not_possible_is_said])
