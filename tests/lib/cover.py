#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lines that ran, per folder: cover.py OBJDIR FOLDER... (after a --coverage run)

Prints a line for each file below 90 % and one for each folder; the status is
1 if a folder is below.
"""
import collections
import glob
import json
import os
import subprocess
import sys

GOAL = 90.0


def measure(notes):
    """{source: {line: count}} of the objects whose .gcno files these are."""
    lines = collections.defaultdict(dict)
    for at in range(0, len(notes), 50):
        out = subprocess.run(["gcov", "--json-format", "--stdout", *notes[at:at + 50]],
                             check=True, capture_output=True, text=True).stdout
        for text in out.splitlines():
            for f in json.loads(text)["files"]:
                seen = lines[os.path.normpath(f["file"])]
                for line in f["lines"]:
                    number = line["line_number"]
                    seen[number] = max(seen.get(number, 0), line["count"])
    return lines


def percent(counts):
    return 100.0 * sum(c > 0 for c in counts) / max(1, len(counts))


def main(objects, *folders):
    notes = [p for d in folders for p in
             glob.glob(f"{objects}/{d}/**/*.gcno", recursive=True)]
    lines = measure(sorted(notes))
    good = True
    for folder in folders:
        total = []
        for name in sorted(lines):
            if not name.startswith(folder + "/") or not name.endswith(".c"):
                continue
            counts = list(lines[name].values())
            total += counts
            if percent(counts) < GOAL:
                print(f"    {percent(counts):5.1f} %  {name}")
        print(f"{percent(total):5.1f} % of {len(total)} lines  {folder}")
        good = good and bool(total) and percent(total) >= GOAL
    return 0 if good else 1


sys.exit(main(*sys.argv[1:]))
