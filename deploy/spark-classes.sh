#!/bin/sh
# SPDX-License-Identifier: MIT
#
# spark-classes.sh SPARK_HOME BRIDGE.jar DIR: lets the JVM write the classes of
# this Spark, loaded and verified, into DIR/spark-classes-VERSION.jsa, which
# later JVMs map (class data sharing): Spark then starts in half of the time.
# elephasd uses the file if it is in PREFIX/share/elephas.
#
# The file is good for one Java, and for the jars at that place; a JVM that
# cannot use it starts without. Java refuses to share classes when there is a
# directory with files on its class path, which an installation's conf/ is:
# the file is of use to installations without one (the Python package), or
# where SPARK_CONF_DIR names an empty directory. Does nothing when the file is
# there and newer than the jars; that it cannot be made is no error.
set -eu
spark=$1
jar=$2
dir=$3
version=$(basename "$spark"/jars/spark-core_*.jar .jar | sed 's/^spark-core_[0-9.]*-//')
out=$dir/spark-classes-$version.jsa
if [ -f "$out" ] && [ -z "$(find -L "$spark/jars" -newer "$out" -print -quit)" ]; then
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$dir"
echo "writing $out (once)"
if (
    cd "$work"
    SPARK_LOCAL_IP=127.0.0.1 SPARK_SUBMIT_OPTS="-XX:ArchiveClassesAtExit=$work/classes.jsa -Xlog:cds=off -Xlog:cds+dynamic=off" \
        "$spark/bin/spark-submit" --master 'local[2]' --conf spark.log.level=WARN --class elephas.spark.Rehearsal "$jar" "$work"
) >"$work/log" 2>&1 && [ -s "$work/classes.jsa" ]; then
    cp "$work/classes.jsa" "$out.part"
    mv "$out.part" "$out"
else
    echo "spark-classes.sh: it cannot be made; Spark starts without it: $(grep -m 1 -Ei 'error|cannot|exception' "$work/log" || tail -n 1 "$work/log")"
    rm -f "$out"
fi
