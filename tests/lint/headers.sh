#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Every header compiles alone: headers.sh CC FLAGS...
set -u
status=0
for header in $(find common driver worker tests -name '*.h' | sort); do
    printf '#include "%s"\n' "$header" |
        "$@" -x c -fsyntax-only - || { echo "$header: does not compile alone"; status=1; }
done
exit $status
