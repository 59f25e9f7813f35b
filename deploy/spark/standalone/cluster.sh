#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A standalone Spark cluster on this machine, for trying things out or for one
# big machine: a Master and some Workers, started with spark-class (which every
# way of packaging Spark has), everything they write in one directory.
#
#   cluster.sh start DIR     prints the master's URL: --master spark://...
#   cluster.sh master DIR    prints it again
#   cluster.sh status DIR    what runs; status 1 if something does not
#   cluster.sh stop DIR
#
# SPARK_HOME names the installation. Further settings, with their defaults:
#   HOST=127.0.0.1 PORT=0 (any) WORKERS=2 CORES=1 MEMORY=1g (of each Worker)
# On several machines, each under systemd: spark-master.service and
# spark-worker.service beside this file.
set -eu
usage() {
    sed -n 's/^#   \(cluster.sh .*\)/usage: \1/p' "$0" >&2
    exit 2
}
[ $# -eq 2 ] || usage
verb=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
host=${HOST:-127.0.0.1}

fail() {
    echo "cluster.sh: $1" >&2
    exit 1
}

# launch NAME CLASS ARGUMENT...: in the background, its id in DIR/NAME.pid
launch() {
    name=$1
    shift
    SPARK_LOCAL_DIRS=$dir/local SPARK_LOCAL_IP=$host SPARK_DAEMON_MEMORY=${SPARK_DAEMON_MEMORY:-512m} \
        setsid "$SPARK_HOME/bin/spark-class" "$@" >"$dir/$name.log" 2>&1 </dev/null &
    echo $! >"$dir/$name.pid"
}

# await NAME PATTERN: until its log has it
await() {
    tries=0
    until grep -q "$2" "$dir/$1.log" 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -gt 1200 ] || ! kill -0 "$(cat "$dir/$1.pid")" 2>/dev/null; then
            tail -n 5 "$dir/$1.log" >&2
            fail "$1 does not start; its log is $dir/$1.log"
        fi
        sleep 0.1
    done
}

# Whether an id is still that of a process of ours: ids are used again.
runs() {
    grep -q "org.apache.spark.deploy" "/proc/$1/cmdline" 2>/dev/null
}

pids() {
    for file in "$dir"/worker*.pid "$dir"/master.pid; do
        if [ -f "$file" ]; then echo "$file $(cat "$file")"; fi
    done
}

start() {
    [ -n "${SPARK_HOME:-}" ] || fail "SPARK_HOME is not set: it names the Spark installation"
    [ -x "$SPARK_HOME/bin/spark-class" ] || fail "$SPARK_HOME has no bin/spark-class"
    pids | while read -r file pid; do
        if runs "$pid"; then fail "${file%.pid} runs already (process $pid): cluster.sh stop $dir"; fi
    done
    rm -f "$dir"/*.pid
    mkdir -p "$dir/local"
    launch master org.apache.spark.deploy.master.Master --host "$host" --port "${PORT:-0}" --webui-port "${WEBUI_PORT:-0}"
    await master "Starting Spark master at spark://"
    sed -n 's|.*Starting Spark master at \(spark://[^ ]*\).*|\1|p' "$dir/master.log" | head -n 1 >"$dir/master.url"
    url=$(cat "$dir/master.url")
    number=1
    while [ "$number" -le "${WORKERS:-2}" ]; do
        launch "worker$number" org.apache.spark.deploy.worker.Worker --host "$host" --port 0 --webui-port 0 \
            --cores "${CORES:-1}" --memory "${MEMORY:-1g}" --work-dir "$dir/work$number" "$url"
        number=$((number + 1))
    done
    number=1
    while [ "$number" -le "${WORKERS:-2}" ]; do
        await "worker$number" "Successfully registered with master"
        number=$((number + 1))
    done
    echo "$url"
}

status() {
    [ -f "$dir/master.pid" ] || fail "there is no cluster in $dir"
    pids | {
        missing=0
        while read -r file pid; do
            name=$(basename "$file" .pid)
            if runs "$pid"; then
                echo "$name: process $pid"
            else
                echo "$name: does not run; its log is $dir/$name.log"
                missing=1
            fi
        done
        return $missing
    }
}

# Workers first, so that the Master sees them leave; their executors go along.
stop() {
    for signal in TERM KILL; do
        pids | while read -r _ pid; do
            if runs "$pid"; then kill -s $signal "$pid" 2>/dev/null || true; fi
        done
        tries=0
        while [ "$tries" -lt 100 ]; do
            left=$(pids | while read -r _ pid; do if runs "$pid"; then echo "$pid"; fi; done)
            [ -n "$left" ] || break 2
            tries=$((tries + 1))
            sleep 0.1
        done
    done
    rm -f "$dir"/*.pid "$dir/master.url"
}

case $verb in
start) start ;;
master)
    [ -f "$dir/master.url" ] || fail "there is no cluster in $dir"
    cat "$dir/master.url"
    ;;
status) status ;;
stop) stop ;;
*) usage ;;
esac
