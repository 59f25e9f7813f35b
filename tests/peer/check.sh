#!/bin/sh
# SPDX-License-Identifier: MIT
#
# make check-peer: check.sh VENV REQUIREMENTS BINDIR. Makes the private venv with
# Elephas and runs the tests with it. Where it cannot be made (no network, no
# package for this Python, no Java), that is said and counted as skipped.
set -u
here=$(dirname "$0")
why=
if ! command -v java >/dev/null; then
    why="there is no java for Spark"
elif ! "$here/../keras/venv.sh" "$1" "$2"; then
    why="Elephas could not be installed in $1"
fi
if [ -n "$why" ]; then
    echo "check-peer: skipped: $why"
    [ -z "${CHECK_TALLY:-}" ] || echo "0 0" >>"$CHECK_TALLY"
    exit 0
fi
PEER_PYTHON=$(cd "$1" && pwd)/bin/python
export PEER_PYTHON
exec "$here/../lib/run-scripts.sh" peer "$3" "$here"/test_*.py
