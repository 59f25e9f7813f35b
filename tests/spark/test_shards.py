#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A training on Spark whose parameters are spread over two daemons: the bits of one on the local engine."""
import sparklib
from servers import Servers


def test_two_servers_are_one(b):
    with Servers(b, 2) as servers:
        job = b.mnist("--epochs", 2, "--workers", 2, "--batch-size", 64, *servers.options(), *b.spark())
        assert "resident workers" in b.job_log(job), b.job_log(job)
        b.same_bits(job, "--epochs", 2, "--workers", 2)
        servers.nothing_is_left()
        assert servers.parts()[0]["state"] == "done", servers.parts()
    b.no_rest()


sparklib.main([test_two_servers_are_one])
