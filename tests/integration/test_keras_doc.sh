#!/bin/sh
# SPDX-License-Identifier: MIT
#
# docs/KERAS.md says what the code does: its tables, made anew, are the same.
BIN=$1
# shellcheck source=tests/lib/shell.sh
. "$(dirname "$0")/../lib/shell.sh"
list=$BIN/../tests/tools/list_keras

cp "$root/docs/KERAS.md" "$work/KERAS.md"
check "the tables can be made" "$root/tests/tools/keras_doc.sh" "$list" "$work/KERAS.md"
check "docs/KERAS.md is current (or run: make docs-keras)" diff "$root/docs/KERAS.md" "$work/KERAS.md"
grep -q "^| Dense | .units.," "$work/KERAS.md"
result $? "Dense is in the tables"
finish
