#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Writes the tables of docs/KERAS.md anew: keras_doc.sh LIST_KERAS FILE. What
# is above the marker in FILE stays.
set -eu
list=$1
file=$2
here=$(cd "$(dirname "$0")" && pwd)
part=$(mktemp "$file.XXXXXX")
trap 'rm -f "$part"' EXIT
sed '/^<!-- tables:/q' "$file" >"$part"
"$list" "$here/keras_api.txt" >>"$part"
chmod 644 "$part"
mv "$part" "$file"
