#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""House rules that a compiler does not check: lint.py [--caps] ROOT

Prints one line for each offence and ends with status 1 if there is any:
opening comment, line length, file and function length, nesting, the
dependency law, allocation outside common/mem, mutable file-scope state.
"""
import glob
import os
import re
import sys

FILE_CAP = 600
FUNCTION_CAP = 80
LINE_CAP = 80
ROOMS = ("common", "driver", "worker", "tests", "proto")

# who may include what: the first prefix that matches a file decides
LAW = [
    ("common/keras/", ("common/",)),
    ("common/model/", ("common/",)),
    ("common/", ("common/",)),
    ("worker/nn/", ("worker/nn/", "common/err.h", "common/mem.h",
                    "common/rng.h", "common/buf.h", "common/model/")),
    ("worker/", ("worker/", "common/")),
    ("driver/submit/", ("driver/submit/", "common/")),
    ("driver/core/", ("driver/core/", "common/")),
    ("driver/", ("driver/", "common/")),
]
# rooms that must not know others of their own tree
BANNED = [
    ("common/model/", ("common/keras/",)),
    ("driver/", ("common/keras/", "driver/submit/")),
    ("common/", ("driver/", "worker/", "tests/")),
]
# system headers and the only places that may include them
SYSTEM = [
    ("cblas.h", ("worker/nn/gemm.c",)),
    ("event2/", ("driver/",)),
    ("curl/", ("common/http_client.c", "common/frame_client.c")),
    ("sqlite3.h", ("driver/",)),
    ("zip.h", ("common/keras/",)),
    ("hdf5", ("common/keras/",)),
]
NOT_IN_CORE = ("event2/", "sqlite3.h", "sys/socket.h", "time.h", "unistd.h", "common/clock.h")
RAW_ALLOC = re.compile(r"(?<![\w.>])(malloc|calloc|realloc|strdup|strndup|asprintf)\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


class Lint:
    def __init__(self, root):
        self.root = root
        self.count = 0

    def say(self, path, line, text):
        print(f"{path}:{line}: {text}")
        self.count += 1

    def law_for(self, path):
        for prefix, allowed in LAW:
            if path.startswith(prefix):
                return allowed
        return None

    def includes(self, path, number, bracket, name):
        if bracket == '"':
            if name.startswith("elephas/v1/"):
                return
            if "/" not in name and not name.endswith(".def"):
                self.say(path, number, f'"{name}": includes are rooted at the repository')
                return
            allowed = self.law_for(path)
            if allowed is not None and not name.startswith(allowed):
                self.say(path, number, f"{name}: against the dependency law")
            for prefix, banned in BANNED:
                if path.startswith(prefix) and not (
                        prefix == "driver/" and path.startswith("driver/submit/")) \
                        and name.startswith(banned):
                    self.say(path, number, f"{name}: against the dependency law")
            return
        for header, places in SYSTEM:
            if name.startswith(header) and not path.startswith(places + ("tests/",)):
                self.say(path, number, f"<{name}>: only in {', '.join(places)}")
        if path.startswith("driver/submit/") and name.startswith("event2/"):
            self.say(path, number, "libevent belongs to the daemon")
        if path.startswith("driver/core/") and name.startswith(NOT_IN_CORE):
            self.say(path, number, f"<{name}>: the core takes events, not devices")

    def file(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as f:
            lines = f.read().split("\n")
        if lines and lines[-1] == "":
            lines.pop()
        if len(lines) < 3 or not lines[0].startswith("/* SPDX-License-Identifier: MIT"):
            self.say(path, 1, "no SPDX line and opening comment")
        elif not re.match(r"^ \*", lines[1]) or "*/" in lines[0]:
            self.say(path, 1, "the opening comment does not say what the room is for")
        if len(lines) > FILE_CAP:
            self.say(path, len(lines), f"{len(lines)} lines, the cap is {FILE_CAP}")
        for number, line in enumerate(lines, 1):
            if len(line) > LINE_CAP:
                self.say(path, number, f"{len(line)} columns")
            match = INCLUDE.match(line)
            if match:
                self.includes(path, number, *match.groups())
            elif RAW_ALLOC.search(line) and not path.startswith(("tests/", "common/mem.")) \
                    and not line.lstrip().startswith(("*", "/*")):
                self.say(path, number, "allocation goes through common/mem")
        if path.endswith(".h"):
            guard = path.upper().replace("/", "_").replace(".", "_").replace("-", "_")
            if f"#ifndef {guard}" not in lines:
                self.say(path, 1, f"include guard is not {guard}")
        if path.endswith(".c"):
            self.functions(path, lines)

    def functions(self, path, lines):
        start = None
        for number, line in enumerate(lines, 1):
            if line == "{":
                start = number
            elif line == "}" and start is not None:
                if number - start + 1 > FUNCTION_CAP:
                    self.say(path, start, f"function of {number - start + 1} lines, "
                             f"the cap is {FUNCTION_CAP}")
                start = None
            elif start is not None and re.match(r"^ {24,}(if|for|while|switch) \(", line):
                self.say(path, number, "nested deeper than four levels")


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    lint = Lint(root)
    for room in ROOMS:
        for folder, _, names in sorted(os.walk(os.path.join(root, room))):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    lint.file(os.path.relpath(os.path.join(folder, name), root))
    for path in sorted(glob.glob(os.path.join(root, "tests", "*", "test_*"))):
        if not os.access(path, os.X_OK):
            lint.say(os.path.relpath(path, root), 0, "a test that cannot be executed")
    top = {"Makefile", "README.md", "LICENSE", "driver", "worker", "proto",
           "common", "tests", "deploy", "docs", "build"}
    for name in sorted(os.listdir(root)):
        if not name.startswith(".") and name not in top:
            lint.say(name, 0, "not part of the top level")
    return 1 if lint.count else 0


if __name__ == "__main__":
    sys.exit(main())
