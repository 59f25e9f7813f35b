# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# shell: what the test scripts share. Source it with BIN set to the directory
# of the programs:
#   . "$(dirname "$0")/../lib/shell.sh"
# Gives work (a temporary directory), ok, check, expect, daemon_start,
# daemon_stop, finish.

passed=0
failed=0
work=$(mktemp -d)
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck disable=SC2034 # used by the scripts
data=$root/tests/data
export PATH="$BIN:$PATH"
daemon_pid=

# result STATUS NAME: counts one check
result() {
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $2"
        if [ -s "$work/out" ]; then sed 's/^/    out: /' "$work/out" | tail -n 20; fi
        if [ -s "$work/err" ]; then sed 's/^/    err: /' "$work/err" | tail -n 20; fi
    fi
}

# check NAME COMMAND...: the command succeeds (output in $work/out, $work/err)
check() {
    _name=$1
    shift
    "$@" >"$work/out" 2>"$work/err" </dev/null
    result $? "$_name"
}

# expect STATUS PATTERN NAME COMMAND...: exit status, and a line of output or
# error that matches (extended regular expression)
expect() {
    _want=$1
    _pattern=$2
    _name=$3
    shift 3
    "$@" >"$work/out" 2>"$work/err" </dev/null
    _got=$?
    if [ "$_got" -ne "$_want" ]; then
        echo "status $_got, expected $_want"
        result 1 "$_name"
    elif ! cat "$work/out" "$work/err" | grep -Eq -- "$_pattern"; then
        echo "no line matches: $_pattern"
        result 1 "$_name"
    else
        result 0 "$_name"
    fi
}

# json FILE EXPRESSION: a value of a JSON document, python syntax on d; the
# last line of a file of several
json() {
    python3 -c 'import json, sys
d = json.loads(open(sys.argv[1]).read().strip().splitlines()[-1])
print(eval(sys.argv[2]))' "$1" "$2"
}

# daemon_start [OPTION...]: elephasd on a free port; sets daemon_pid and
# ELEPHAS_SERVER, ELEPHAS_TOKEN_FILE
# shellcheck disable=SC2120 # options are optional
daemon_start() {
    mkdir -p "$work/state"
    rm -f "$work/state/address"
    "$BIN/elephasd" --state-dir "$work/state" --listen 127.0.0.1:0 "$@" 2>>"$work/daemon.log" &
    daemon_pid=$!
    _tries=0
    while [ ! -s "$work/state/address" ]; do
        _tries=$((_tries + 1))
        if [ "$_tries" -gt 100 ] || ! kill -0 "$daemon_pid" 2>/dev/null; then
            echo "elephasd does not start:"
            tail -n 5 "$work/daemon.log"
            return 1
        fi
        sleep 0.1
    done
    ELEPHAS_SERVER=http://$(cat "$work/state/address")
    ELEPHAS_TOKEN_FILE=$work/state/token
    export ELEPHAS_SERVER ELEPHAS_TOKEN_FILE
}

# daemon_stop: SIGTERM, and its exit status
daemon_stop() {
    [ -n "$daemon_pid" ] || return 0
    kill -TERM "$daemon_pid" 2>/dev/null
    wait "$daemon_pid"
    _status=$?
    daemon_pid=
    return $_status
}

cleanup() {
    if [ -n "$daemon_pid" ]; then
        kill -KILL "$daemon_pid" 2>/dev/null
        wait "$daemon_pid" 2>/dev/null
    fi
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

# finish: the count, and the status
finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
