#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Makes the private venv DIR with a Spark of this version once: venv.sh DIR
# VERSION. The package carries the jars and the start scripts of Spark; NumPy is
# for its Python side. Prints nothing when it is there.
set -eu
dir=$1
version=$2
stamp=$dir/.made-from
wanted="pyspark==$version
numpy==2.2.6
setuptools==75.8.0"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    exit 0
fi
echo "making $dir (once)"
rm -rf "$dir"
python3 -m venv "$dir"
printf '%s\n' "$wanted" >"$dir/requirements.txt"
if ! "$dir/bin/pip" install -q --disable-pip-version-check -r "$dir/requirements.txt"; then
    echo "venv.sh: pip cannot install pyspark $version: is PyPI reached, and is there such a version?" >&2
    exit 1
fi
# one name for all versions of Python
ln -sfn "$(dirname "$("$dir/bin/python" -c 'import pyspark; print(pyspark.__file__)')")" "$dir/spark"
printf '%s' "$wanted" >"$stamp"
