#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Puts the jars of the Hadoop minicluster (pom.xml) and the program that starts
# it into DIR once: jars.sh DIR. Maven's own repository is kept beside DIR.
# Prints nothing when they are there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=$1
stamp=$dir/.made-from
wanted=$(cat "$here/pom.xml" "$here/MiniHdfs.java" | sha256sum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    exit 0
fi
echo "making $dir (once)"
rm -rf "$dir"
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
if ! mvn -q -B -f "$here/pom.xml" "-Dmaven.repo.local=$dir/../m2" dependency:copy-dependencies \
    "-DoutputDirectory=$dir/jars"; then
    echo "jars.sh: Maven cannot get the Hadoop minicluster: is Maven Central reached?" >&2
    exit 1
fi
javac --release 17 -cp "$dir/jars/*" -d "$dir" "$here/MiniHdfs.java"
printf '%s' "$wanted" >"$stamp"
