#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The man pages: their options are those of the programs, and mandoc accepts
# them. man_pages.sh BINDIR
set -u
BIN=$(cd "$1" && pwd)
# shellcheck source=tests/lib/shell.sh
. "$(dirname "$0")/../lib/shell.sh"

check "options are current" "$root/docs/man/options.py" --check "$BIN"

# a page that lost an option is noticed
cp -r "$root/docs/man" "$work/man"
sed -i '/^\.It Fl \\-epochs/d' "$work/man/elephas-submit.1"
expect 1 'elephas-submit\.1: the options are not those' "a lost option is noticed" \
    "$work/man/options.py" --check "$BIN"
check "and repaired" "$work/man/options.py" "$BIN"
check "the repaired page is the page" cmp "$work/man/elephas-submit.1" "$root/docs/man/elephas-submit.1"

for page in elephas-submit.1 elephas-worker.1 elephasd.8; do
    # cross references are installed later
    mandoc -Tlint "$root/docs/man/$page" | grep -v 'referenced manual not found' >"$work/out"
    test ! -s "$work/out"
    result $? "mandoc accepts $page"
    mandoc -Tascii "$root/docs/man/$page" | sed 's,.\x08,,g' | grep -q '^EXIT STATUS'
    result $? "$page renders"
done

finish
