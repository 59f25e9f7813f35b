#!/bin/sh
# SPDX-License-Identifier: MIT
#
# install.sh [--remove] PREFIX: programs, man pages and the service unit.
set -eu
cd "$(dirname "$0")/.."
remove=
if [ "$1" = --remove ]; then
    remove=1
    shift
fi
prefix=$1

# put MODE SOURCE TARGET
put() {
    if [ -n "$remove" ]; then
        rm -f "$prefix/$3"
    else
        install -D -m "$1" "$2" "$prefix/$3"
    fi
}

put 755 build/bin/elephasd bin/elephasd
put 755 build/bin/elephas-submit bin/elephas-submit
put 755 build/bin/elephas-worker bin/elephas-worker
for page in docs/man/*.[18]; do
    [ -f "$page" ] || continue
    put 644 "$page" "share/man/man${page##*.}/$(basename "$page")"
done
put 644 deploy/systemd/elephasd.service lib/systemd/system/elephasd.service
put 644 deploy/elephasd.conf share/doc/elephasd/elephasd.conf
put 644 README.md share/doc/elephasd/README.md
put 644 LICENSE share/doc/elephasd/LICENSE
if [ -n "$remove" ]; then
    rmdir "$prefix/share/doc/elephasd" 2>/dev/null || true
    echo "removed from $prefix"
else
    echo "installed in $prefix"
fi
