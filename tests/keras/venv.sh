#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Makes the private venv DIR once: venv.sh DIR [REQUIREMENTS]. It is made anew
# when the requirements change.
set -eu
dir=$1
here=$(dirname "$0")
wanted=${2:-$here/requirements.txt}
stamp=$dir/.made-from
if [ -f "$stamp" ] && cmp -s "$wanted" "$stamp"; then
    exit 0
fi
echo "making $dir (once)"
rm -rf "$dir"
python3 -m venv "$dir"
"$dir/bin/pip" install -q --disable-pip-version-check -r "$wanted"
cp "$wanted" "$stamp"
