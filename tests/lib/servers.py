# SPDX-License-Identifier: MIT
"""Several daemons for one training: --shards and --shard-servers."""
import os
import shutil
import subprocess
import time

from system import System


def eventually(what, timeout=10):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if what():
            return
        time.sleep(0.02)
    raise AssertionError("it does not come about")


class Servers:
    """The System s has the training's own daemon; the others, with these options, are beside it."""

    def __init__(self, s, n, *options):
        self.daemon_options = options
        self.home, self.others = s, [System(s.bin) for _ in range(1, n)]
        self.all = [self.home, *self.others]

    def __enter__(self):
        if self.home.process is None:
            self.home.daemon()
        for other in self.others:
            os.makedirs(other.state, exist_ok=True)
            shutil.copy(os.path.join(self.home.state, "token"), other.state)  # one token opens all
            other.daemon(*self.daemon_options)
        return self

    def __exit__(self, *_):
        for other in self.others:
            other.__exit__()

    def options(self):
        return ["--shards", len(self.all), "--shard-servers", ",".join(o.url for o in self.others)]

    def document(self, job):
        return self.home.get_json(f"/v1/jobs/{job}")

    def parts(self):
        """Documents of the other daemons' jobs, the newest of each."""
        return [o.get_json("/v1/jobs")["jobs"][0] for o in self.others]

    def restart(self, server):
        """kill -9, and again on the same port."""
        port = server.url.rsplit(":", 1)[1]
        server.kill()
        address = os.path.join(server.state, "address")
        if os.path.exists(address):
            os.unlink(address)
        server.process = subprocess.Popen(
            [f"{server.bin}/elephasd", "--state-dir", server.state, "--listen", f"127.0.0.1:{port}"],
            stderr=server.log, stdin=subprocess.DEVNULL)
        eventually(lambda: os.path.exists(address) and os.path.getsize(address), 15)

    def wait(self, job, timeout=150):
        """The document of the job when it has ended."""
        eventually(lambda: self.document(job)["state"] in ("done", "failed", "cancelled"), timeout)
        return self.document(job)

    def nothing_is_left(self):
        eventually(lambda: all(j["state"] in ("done", "failed", "cancelled")
                               for s in self.all for j in s.get_json("/v1/jobs")["jobs"]), 20)
